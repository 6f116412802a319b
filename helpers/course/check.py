"""What is right and what is wrong with an environment, and what to do about it."""

from __future__ import annotations

import importlib
import importlib.util
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from helpers.errors import InputError
from helpers.places import CURE, cache_folder

PACKAGE_NAME = "ml-in-genomics"
LEAST_DISK_GB, LEAST_MEMORY_GB = 2.0, 1.9
_MODULES = {
    "biopython": "Bio",
    "grpcio": "grpc",
    "imbalanced-learn": "imblearn",
    "ipython": "IPython",
    "pybigwig": "pyBigWig",
    "scikit-learn": "sklearn",
    "pyyaml": "yaml",
    "tensorflow-cpu": "tensorflow",
}
_NEEDED_FOR = {
    "": "everything",
    "run": "course run and course build",
    "train": "the lessons that train models",
    "tune": "the lesson that tunes models",
}  # extras of the package
_PIP = f"{sys.executable} -m pip install"
_HEAVY = ("keras", "tensorflow", "jupyterlab")


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    name, found : str
        What was looked at, and what is there.
    state : str
        "ok", "wrong", or "optional" for something that only part of the course needs.
    cure : str
        What to do if it is not ok.
    """

    name: str
    found: str
    state: str = "ok"
    cure: str = ""


def check_environment(*, online: bool = False) -> list[Check]:
    """Look at everything that the course needs.

    Parameters
    ----------
    online : bool
        Ask the hosts of the real data sets, too, whether they answer.

    Returns
    -------
    list of Check
    """
    checks = [_python(), *_packages(), _bigwig(), *_cache(), _memory(), _kernel()]
    return [*checks, *_hosts()] if online else checks


def _python() -> Check:
    """Version of Python."""
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    cure = "make the environment with Python 3.11, 3.12 or 3.13"
    return Check("Python", platform.python_version(), "ok" if fits else "wrong", "" if fits else cure)


def _packages() -> Iterator[Check]:
    """Each package that the course names, against the range that it admits."""
    try:
        needed = metadata.requires(PACKAGE_NAME) or []
    except metadata.PackageNotFoundError:
        yield Check(PACKAGE_NAME, "not installed", "wrong", f"{_PIP} --editable . in the clone, or make lab")
        return
    yield Check(PACKAGE_NAME, metadata.version(PACKAGE_NAME))
    for text in needed:
        requirement = Requirement(text)
        extra = next((name for name in _NEEDED_FOR if name and re.search(rf"extra == ['\"]{name}['\"]", text)), "")
        if "extra ==" in text and not extra:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield _package(requirement, extra)


def _package(requirement: Requirement, extra: str) -> Check:
    """One package: there, in range, and importable."""
    name = requirement.name.lower()
    what = f'{_PIP} "{PACKAGE_NAME}[{extra}]"' if extra else f'{_PIP} "{requirement.name}{requirement.specifier}"'
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, "not installed", "optional" if extra else "wrong", f"{what} (needed for {_NEEDED_FOR[extra]})")
    if not requirement.specifier.contains(version, prereleases=True):
        return Check(name, version, "wrong", f"{requirement.specifier} is needed: {what}")
    module = _MODULES.get(name, name.replace("-", "_"))
    try:
        there = importlib.util.find_spec(module) is not None
        if there and name not in _HEAVY and module not in _HEAVY:
            importlib.import_module(module)
    except (ImportError, OSError) as error:
        return Check(name, f"{version}, cannot be imported ({str(error).splitlines()[0]})", "wrong", f"{what} --force-reinstall")
    return (
        Check(name, version)
        if there
        else Check(name, f"{version}, module {module} is missing", "wrong", f"{what} --force-reinstall")
    )


def _bigwig() -> Check:
    """Whether pyBigWig was built with NumPy."""
    try:
        built = bool(importlib.import_module("pyBigWig").numpy)
    except ImportError:
        built = False
    cure = f"{_PIP} --force-reinstall --no-binary pyBigWig pyBigWig, with numpy installed before"
    return Check("pyBigWig with NumPy", "yes" if built else "no", "ok" if built else "wrong", "" if built else cure)


def _cache() -> Iterator[Check]:
    """Whether the cache can be written to, and how much room there is."""
    try:
        folder = cache_folder()
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free = shutil.disk_usage(folder).free / 1e9
    except (InputError, OSError) as error:
        yield Check("cache", str(error), "wrong", CURE)
        return
    yield Check("cache", str(folder))
    enough = free >= LEAST_DISK_GB
    yield Check(
        "free disk for the cache",
        f"{free:.1f} GB",
        "ok" if enough else "wrong",
        "" if enough else f"{LEAST_DISK_GB} GB are needed: {CURE}",
    )


def _memory() -> Check:
    """Whether there is memory for the lessons."""
    try:
        import psutil
    except ImportError:
        return Check("free memory", "unknown without psutil", "optional", f'{_PIP} "{PACKAGE_NAME}[run]"')
    free = psutil.virtual_memory().available / 1e9
    enough = free >= LEAST_MEMORY_GB
    cure = f"lessons take up to {LEAST_MEMORY_GB} GB: close other programs, and run with --jobs 1"
    return Check("free memory", f"{free:.1f} GB", "ok" if enough else "wrong", "" if enough else cure)


def _kernel() -> Check:
    """Whether Jupyter finds a kernel, and it is this Python."""
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError:
        return Check("Jupyter kernel", "no Jupyter", "optional", f'{_PIP} "{PACKAGE_NAME}[run]"')
    cure = "python -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Check("Jupyter kernel", "python3 is missing", "wrong", cure)
    program = spec.argv[0] if spec.argv else ""
    own = not program.startswith("/") or program == sys.executable
    return Check(
        "Jupyter kernel",
        "python3" if own else f"python3 is {program}, not this Python",
        "ok" if own else "wrong",
        "" if own else cure,
    )


def _hosts() -> Iterator[Check]:
    """Whether the hosts of the real data sets answer."""
    import httpx

    from helpers.data.manifests import load_manifest, manifest_names

    addresses: dict[str, str] = {}
    for name in manifest_names():
        for entry in load_manifest(name).files:
            if entry.url:
                addresses.setdefault(httpx.URL(entry.url).host, entry.url)
            elif entry.encode:
                addresses.setdefault("www.encodeproject.org", "https://www.encodeproject.org/")
    for host, address in sorted(addresses.items()):
        try:
            status = httpx.head(address, timeout=10, follow_redirects=True).status_code
            found, right = f"answers ({status})", status < 400
        except httpx.HTTPError as error:
            found, right = f"no answer ({type(error).__name__})", False
        yield Check(host, found, "ok" if right else "optional", "" if right else "only its real data sets need it: see --mirror")
