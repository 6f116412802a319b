"""The code and the packages that a result came from, and the processor that made it; nothing that identifies its owner."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from helpers.places import PACKAGE

COMMIT_VARIABLE = "COURSE_COMMIT"
PACKAGES = (
    "ml-in-genomics", "numpy", "scipy", "pandas", "matplotlib", "scikit-learn", "imbalanced-learn", "pybigwig", "pyfaidx", "biopython",
    "bioframe", "keras", "tensorflow", "tensorflow-cpu", "jax", "wandb", "ray", "papermill", "nbclient", "ipykernel",
)  # fmt: skip


def code_version(folder: Path = PACKAGE.parent) -> tuple[str, bool | None]:
    """Return the commit of the code, and whether tracked files differ from it.

    Parameters
    ----------
    folder : Path
        Top of the clone.

    Returns
    -------
    commit : str
        From the environment variable `COURSE_COMMIT` (a container has it), else from git where `folder` is a clone, else "unknown".
    changed : bool or None
        None where it cannot be known.
    """
    told = os.environ.get(COMMIT_VARIABLE)
    commit = _git(folder, "rev-parse", "HEAD") if not told and (folder / ".git").exists() else None
    if commit is None:
        return told or "unknown", None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit, None if changes is None else bool(changes)


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, or None if there is no git or it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30)  # noqa: S603, S607
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on, of those that are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Return the name of the processor's model, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"
