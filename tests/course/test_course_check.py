"""The check of an environment, the facts of a run, memory, and the command's surface."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
from typer.testing import CliRunner

from helpers.course import check, cli, facts, memory
from helpers.errors import InputError

NEEDED = [
    "numpy>=2.0,<3",
    "pandas>=99",
    "nosuchpackage>=1",
    'alsonone>=1 ; extra == "train"',
    'other>1 ; extra == "dev"',
    'x>1 ; python_version < "3"',
]


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, check.Check]:
    version = metadata.version
    monkeypatch.setattr(check.metadata, "requires", lambda _: NEEDED)
    monkeypatch.setattr(check.metadata, "version", lambda name: "0.1.0" if name == "ml-in-genomics" else version(name))
    return {item.name: item for item in check.check_environment()}


def test_packages_are_held_against_their_ranges(states: dict[str, check.Check]) -> None:
    assert states["numpy"].state == "ok"
    assert states["pandas"].state == "wrong"
    assert states["pandas"].cure == f'>=99 is needed: {sys.executable} -m pip install "pandas>=99"'
    assert (states["nosuchpackage"].found, states["nosuchpackage"].state) == ("not installed", "wrong")
    assert (states["alsonone"].state, states["alsonone"].cure) == (
        "optional", f'{sys.executable} -m pip install "ml-in-genomics[train]" (needed for the lessons that train models)',
    )  # fmt: skip
    assert "other" not in states
    assert "x" not in states


def test_this_environment_can_read_bigwigs_and_write_its_cache(states: dict[str, check.Check]) -> None:
    for name in ("Python", "pyBigWig with NumPy", "cache", "Jupyter kernel"):
        assert states[name].state == "ok", states[name]


def test_nothing_is_wrong_with_the_environment_that_the_tests_run_in() -> None:
    assert [item for item in check.check_environment() if item.state == "wrong"] == []


def test_each_wrong_thing_has_a_cure(states: dict[str, check.Check]) -> None:
    assert all(bool(item.cure) == (item.state != "ok") for item in states.values())


def test_wrong_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check.sys, "version_info", (3, 14, 0))
    assert check._python() == check.Check(
        "Python", check.platform.python_version(), "wrong", "make the environment with Python 3.11, 3.12 or 3.13"
    )


def test_cache_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENOMICS_CACHE", str(tmp_path / "file" / "cache"))
    (only,) = check._cache()
    assert only.state == "wrong"
    assert only.cure.startswith("set GENOMICS_CACHE to a folder")


def test_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1e9))
    assert check._memory().found == "1.0 GB"
    assert "--jobs 1" in check._memory().cure


def test_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(check.metadata, "requires", missing)
    (only,) = check._packages()
    assert (only.found, only.state) == ("not installed", "wrong")


def test_broken_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ImportError("libz.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(check.importlib, "import_module", broken)
    item = check._package(check.Requirement("numpy>=1"), "")
    assert item.found.endswith("cannot be imported (libz.so.1: cannot open shared object file)")
    assert check._bigwig().state == "wrong"


def invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    return result.exit_code, result.output


def test_check_command(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [check.Check("a", "1"), check.Check("bcd", "2", "wrong", "mend it")]
    monkeypatch.setattr(check, "check_environment", lambda *, online: found if not online else found[:1])
    assert invoke("check") == (1, "✓ a    1\n✗ bcd  2\n  -> mend it\n1 wrong\n")
    assert invoke("check", "--online") == (0, "✓ a  1\nall is well\n")


def test_data_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    from helpers.data import datasets

    table = pd.DataFrame({"file": ["genome"], "status": ["ok"], "path": ["x"]})
    monkeypatch.setattr(datasets, "verify_dataset", lambda _: table)
    assert invoke("data", "verify", "simulated") == (0, "  file status path\ngenome     ok    x\n")
    monkeypatch.setattr(datasets, "verify_dataset", lambda _: table.assign(status="changed"))
    assert invoke("data", "verify", "simulated")[0] == 1


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["check"], ["build"], ["student"], ["nulls"], ["readme"], ["data"], ["data", "fetch"]]
)
def test_every_command_explains_itself(arguments: list[str]) -> None:
    code, text = invoke(*arguments, "--help")
    assert code == 0
    assert "Usage" in text


def test_error_is_one_line_on_stderr_with_exit_code_2(tmp_path: Path) -> None:
    line = [
        sys.executable,
        "-m",
        "helpers.course.cli",
        "run",
        "77",
        "--out",
        str(tmp_path / "out"),
        "--notebooks",
        str(tmp_path / "no"),
    ]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: --notebooks {tmp_path / 'no'} is not a folder: name the folder that holds the lessons\n"


def test_main_prints_input_errors(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise InputError("what, and the cure")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: what, and the cure\n"


def test_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        raise ModuleNotFoundError("No module named 'papermill'", name="papermill")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith(
        "error: the package 'papermill' is not installed: pip install 'ml-in-genomics[run]'"
    )


def test_memory_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert check._memory().state == "optional"


def test_commit_of_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_COMMIT", raising=False)
    assert facts.code_version(tmp_path) == ("unknown", None)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    (tmp_path / "file").write_text("1")
    for arguments in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    commit, changed = facts.code_version(tmp_path)
    assert len(commit) == 40
    assert changed is False
    (tmp_path / "file").write_text("2")
    assert facts.code_version(tmp_path) == (commit, True)
    monkeypatch.setenv("COURSE_COMMIT", "told")
    assert facts.code_version(tmp_path) == ("told", None)


def test_memory_of_a_tree_counts_children() -> None:
    code = "import subprocess, sys; x = bytearray(100_000_000); print('up', flush=True); sys.stdin.read()"
    parent = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {code!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE); "
        "p.stdout.readline(); print('up', flush=True); sys.stdin.read(); p.stdin.close(); p.wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    alone, tree = memory.process_memory(process.pid), memory.tree_memory(process.pid)
    process.communicate()
    assert 0 < alone < 60e6
    assert 100e6 < tree < 200e6


def test_memory_of_nobody_and_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert memory.tree_memory(process.pid) == 0
    assert memory.process_memory(process.pid) == 0
    monkeypatch.setattr(memory.Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert memory.process_memory(os.getpid()) == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)
