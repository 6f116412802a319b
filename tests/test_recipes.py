"""The recipes that set the course up elsewhere: conda and Binder, the Dockerfile, the lock, the workflow."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def locked() -> dict[str, list[Requirement]]:
    """Every requirement of the lock, by package; a package may be pinned differently for different Pythons."""
    lines = re.findall(r"^([a-zA-Z0-9].*?)\s*\\?$", LOCK, flags=re.MULTILINE)
    pinned: dict[str, list[Requirement]] = {}
    for line in lines:
        requirement = Requirement(line)
        pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pinned


def test_lock_has_hashes_and_no_address() -> None:
    assert "://" not in LOCK
    assert "--index" not in LOCK
    assert "--find-links" not in LOCK
    for block in re.split(r"\n(?=\S)", LOCK.strip()):
        assert "--hash=sha256:" in block, f"no hash: {block.splitlines()[0]}"


def test_lock_satisfies_every_range_of_the_package() -> None:
    pins = locked()
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    wanted = [Requirement(line) for line in PROJECT["dependencies"] + extras]
    assert len(wanted) > 30
    for requirement in wanted:
        for pin in pins[canonicalize_name(requirement.name)]:
            (specifier,) = pin.specifier
            assert specifier.operator == "=="
            assert requirement.specifier.contains(specifier.version), f"{pin} is outside {requirement}"


def test_conda_environment_installs_the_lock() -> None:
    recipe = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in recipe["dependencies"] if isinstance(entry, str)]
    (pip,) = (entry["pip"] for entry in recipe["dependencies"] if isinstance(entry, dict))
    assert pip == ["--require-hashes", "-r requirements.lock"]
    (python,) = (entry.removeprefix("python=") for entry in conda if entry.startswith("python="))
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(f"{python}.0")
    assert "pip" in conda
    assert {entry.split("=")[0] for entry in conda} == {"python", "pip"}, "whatever else is needed belongs in the lock"


def test_binder_reads_the_same_recipe() -> None:
    for name in ("environment.yml", "requirements.lock"):
        assert (ROOT / "binder" / name).resolve() == ROOT / name


def test_repo2docker_accepts_the_recipe(tmp_path: Path) -> None:
    for name in ("binder", "environment.yml", "requirements.lock"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name, **({"symlinks": True} if copy is shutil.copytree else {}))
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    recipe = done.stdout + done.stderr
    assert "python=3.11" in recipe
    assert 'env update -p ${NB_PYTHON_PREFIX} --file "binder/environment.yml"' in recipe
    assert "RUN ./binder/postBuild" in recipe


def test_postbuild_installs_the_course_and_can_be_executed() -> None:
    script = ROOT / "binder" / "postBuild"
    assert script.stat().st_mode & 0o111
    assert "pip install" in script.read_text()
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0


def test_dockerfile_runs_as_a_user_and_keeps_the_token() -> None:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "FROM docker.io/library/python:3.11-slim-bookworm"
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users[-1:] == ["learner"]
    command = next(line for line in lines if line.startswith("CMD"))
    assert "token" not in command
    assert "allow-root" not in command
    assert any("--require-hashes" in line for line in lines)


@pytest.mark.parametrize("name", [".ci/run", "binder/postBuild"])
def test_scripts_stop_at_the_first_error(name: str) -> None:
    assert "set -euo pipefail" in (ROOT / name).read_text()


def test_ci_runs_make_test_and_nothing_weaker() -> None:
    last = (ROOT / ".ci" / "run").read_text().strip().splitlines()[-1]
    assert last.startswith("make test")
    assert "||" not in last
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert [step["run"] for step in job["steps"] if "run" in step] == ["bash .ci/run"]


def test_ranges_admit_what_colab_preinstalls() -> None:
    script = (ROOT / "tests/colab/check_install.py").read_text()
    colab = dict(re.findall(r'"([a-z0-9-]+)": "([\d.]+)"', script))
    assert len(colab) > 10
    environment = {**default_environment(), "python_version": "3.13", "python_full_version": "3.13.15"}
    for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"]:
        requirement = Requirement(line)
        if requirement.name in colab and (requirement.marker is None or requirement.marker.evaluate(environment)):
            assert requirement.specifier.contains(colab[requirement.name]), (
                f"{requirement} excludes Colab's {colab[requirement.name]}"
            )
