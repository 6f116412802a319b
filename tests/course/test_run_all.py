"""The command behind `make test`: counts what ran, and fails when a step does."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def run_all() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_all", Path(__file__).parents[1] / "run_all.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_counts_of_pytest(run_all: ModuleType, tmp_path: Path) -> None:
    text = "import os, pytest\ndef test_a(): assert os.environ['GIVEN'] == 'x'\ndef test_b(): assert 0\ndef test_c(): pytest.skip('why')\n"
    (tmp_path / "test_some.py").write_text(text)
    line = ["-q", "-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:cacheprovider", str(tmp_path)]
    counts = run_all.pytest(line, {"GIVEN": "x"}, tmp_path / "report.xml")
    assert counts == Counter(passed=1, failed=1, skipped=1)
    assert run_all.words(counts) == "1 failed, 1 passed, 1 skipped"


def test_no_test_at_all_is_a_failure(run_all: ModuleType, tmp_path: Path) -> None:
    counts = run_all.pytest(["-q", "-c", "/dev/null", "--rootdir", str(tmp_path), str(tmp_path)], {}, tmp_path / "report.xml")
    assert counts["failed"] == 1


def test_every_step_runs_and_one_failure_fails_all(
    run_all: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []
    monkeypatch.setattr(run_all, "command", lambda line: ran.append(line[0]) or Counter(failed=1))
    monkeypatch.setattr(run_all, "pytest", lambda line, *_: ran.append(line[-1]) or Counter(passed=5))
    assert run_all.main([]) == 1
    last = sorted(path.name for path in (run_all.ROOT / "notebooks").glob("*.ipynb"))[-1]
    assert ran == ["ruff", "ruff", "mypy", f"notebooks/{last}", "tests"]
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 failed, 10 passed in ")
    monkeypatch.setattr(run_all, "command", lambda _: Counter(passed=1))
    assert run_all.main([]) == 0


def test_lessons_can_be_chosen(run_all: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ran = []
    monkeypatch.setattr(run_all, "command", lambda _: Counter(passed=1))
    monkeypatch.setattr(run_all, "pytest", lambda line, given, _: ran.append((line, given)) or Counter(passed=1))
    assert run_all.main(["00"]) == 0
    (lessons, _), (_, tests) = ran
    assert [name for name in lessons if name.endswith(".ipynb")] == ["notebooks/00_orientation.ipynb"]
    assert tests["COURSE_NBVAL_LESSONS"] == "00"
    assert run_all.main(["77"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no lesson '77': choose from 00, 01")
