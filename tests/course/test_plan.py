"""What is refused before anything runs, and what an earlier run leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.course import cli, plan, runner
from helpers.course.plan import RunOptions, make_plan
from helpers.errors import InputError


@pytest.fixture
def book(lesson, tmp_path: Path) -> Path:  # type: ignore[no-untyped-def]
    lesson("01_bigwig_preprocessing", "print(1)")
    lesson("02_class_imbalance", "print(2)")
    return tmp_path / "notebooks"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lessons": ("9",)}, "lesson '9' is unknown: choose from 01_bigwig_preprocessing, 02_class_imbalance"),
        ({"lessons": ("class_imbalence",)}, "lesson 'class_imbalence' is unknown (did you mean class_imbalance?): choose from"),
        ({"profile": "fast"}, "profile 'fast' is unknown: choose smoke, quick or full"),
        ({"dataset": "simulatd"}, "data set 'simulatd' is not known"),
        ({"dataset": "nowhere/mine.yml"}, "nowhere/mine.yml: there is no such manifest"),
        ({"world": "nul"}, "world 'nul' is unknown"),
        ({"seeds": 0}, "--seeds is 0: it must be 1 or more"),
        ({"first_seed": -1}, "--first-seed is -1: it must be 0 or more"),
        ({"jobs": 0}, "--jobs is 0: it must be 1 or more"),
        ({"notebooks": Path("nowhere")}, "--notebooks nowhere is not a folder"),
    ],
)
def test_refused(book: Path, tmp_path: Path, change: dict[str, object], message: str) -> None:
    options = {"out": tmp_path / "out", "notebooks": book, **change}
    with pytest.raises(InputError) as caught:
        runner.run_course(RunOptions(**options))  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_out_may_not_be_the_lessons_nor_a_file(book: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out, message in [
        (book, "lies in the folder of the lessons"),
        (book / "x", "lies in the folder"),
        (tmp_path / "file", "is a file"),
    ]:
        with pytest.raises(InputError, match=message):
            make_plan(RunOptions(out=out, notebooks=book))


def test_defaults_and_parameters(book: Path, tmp_path: Path) -> None:
    made = make_plan(RunOptions(out=tmp_path / "out", notebooks=book))
    assert made.parameters == {"dataset": "simulated", "profile": "quick"}  # what was not asked keeps the lesson's own value
    assert [lesson.number for lesson in made.lessons] == ["01", "02"]
    made = make_plan(RunOptions(tmp_path / "out", ("2", "01", "02"), seeds=3, first_seed=0, world="null", notebooks=book))
    assert made.parameters == {"dataset": "simulated", "profile": "quick", "seeds": 3, "first_seed": 0, "world": "null"}
    assert [lesson.number for lesson in made.lessons] == ["01", "02"]  # each once, in the course's order


def test_own_manifest_is_given_by_its_absolute_path(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "genome.fa").write_text(">chr1\nACGT\n>chr2\nACGT\n>chr3\nACGT\n")
    (tmp_path / "mine.yml").write_text(
        "name: mine\ntitle: Mine\norganism: none\nassembly: none\nsplits: {validation: [chr2], test: [chr1]}\n"
        "files:\n  - {id: genome, role: genome, path: genome.fa}\n"
    )
    monkeypatch.chdir(tmp_path)
    made = make_plan(RunOptions(out=tmp_path / "out", dataset="mine.yml", notebooks=book))
    assert made.parameters["dataset"] == str(tmp_path / "mine.yml")
    assert made.asked["dataset"] == "mine"


def test_real_data_are_fetched_once_before_lessons_and_simulated_are_not(
    book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helpers.data import datasets

    asked = []

    def load(name: str, *, mirror: str | None) -> SimpleNamespace:
        asked.append((name, mirror))
        return SimpleNamespace(name="yeast_atac", digest="abc")

    monkeypatch.setattr(datasets, "load_dataset", load)
    real = make_plan(RunOptions(out=tmp_path / "out", dataset="yeast_atac", mirror="here", notebooks=book))
    assert runner._fetch_data(real, real.lessons) == {"yeast_atac": ["abc"]}
    assert asked == [("yeast_atac", "here")]
    assert runner._fetch_data(real, []) == {}  # nothing is left to run
    assert runner._fetch_data(real, [replace(lesson, datasets=("simulated",)) for lesson in real.lessons]) == {}
    simulated = make_plan(RunOptions(out=tmp_path / "out", notebooks=book))
    assert runner._fetch_data(simulated, simulated.lessons) == {}
    assert len(asked) == 1


def resumable(book: Path, out: Path, **changes: object) -> None:
    """State of an interrupted run in which lesson 01 failed and 02 is done."""
    made = make_plan(RunOptions(out=out, seeds=4, notebooks=book))
    lessons = [{"lesson": "01", "status": "failed"}, {"lesson": "02", "status": "ok"}]
    out.mkdir()
    state = {"made_by": plan.FORMAT, "commit": made.commit, "parameters": made.asked, "lessons": lessons, **changes}
    (out / "run.json").write_text(json.dumps(state))


def test_resumed_run_keeps_what_is_done_and_repeats_what_failed(book: Path, tmp_path: Path) -> None:
    resumable(book, tmp_path / "out")
    made = make_plan(RunOptions(out=tmp_path / "out", resume=True, notebooks=book))
    assert list(made.done) == ["02"]
    assert made.parameters["seeds"] == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": "full"}, "--resume: this run was started with profile 'quick', not 'full'"),
        ({"first_seed": 3}, "--resume: this run was started with first_seed None, not 3"),
        ({"lessons": ("01",)}, r"--resume: this run was started with lessons \['01', '02'\], not \['01'\]"),
    ],
)
def test_resumed_run_must_be_asked_the_same(book: Path, tmp_path: Path, change: dict[str, object], message: str) -> None:
    resumable(book, tmp_path / "out")
    with pytest.raises(InputError, match=message):
        make_plan(RunOptions(out=tmp_path / "out", resume=True, notebooks=book, **change))  # type: ignore[arg-type]


def test_resumed_run_must_run_the_same_code(book: Path, tmp_path: Path) -> None:
    resumable(book, tmp_path / "out", commit="another")
    with pytest.raises(InputError, match="this run was started with commit 'another', not"):
        make_plan(RunOptions(out=tmp_path / "out", resume=True, notebooks=book))


def test_foreign_run_json_is_not_resumed(book: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"run.json is not from a run of the course that can be resumed"):
        make_plan(RunOptions(out=tmp_path, resume=True, notebooks=book))


def test_resume_without_a_run_starts_one(book: Path, tmp_path: Path) -> None:
    assert make_plan(RunOptions(out=tmp_path / "out", resume=True, notebooks=book)).done == {}


def test_a_new_run_removes_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    for name in ("run.json", "findings.json", "index.html", "01_a.ipynb", "01_a.html", "notes.html", "mine.ipynb", "01_a.txt"):
        (tmp_path / name).touch()
    (tmp_path / "records" / "01").mkdir(parents=True)
    runner._clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["01_a.txt", "mine.ipynb", "notes.html"]


def test_a_folder_without_a_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "01_a.ipynb").touch()
    runner._clear(tmp_path)
    assert (tmp_path / "01_a.ipynb").exists()


def test_interrupted_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 130
    assert "course run --resume goes on" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "text"), [(28, "No space left on device"), (13, "Permission denied")])
def test_full_disk_and_no_permission_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, text: str
) -> None:
    def fails() -> None:
        raise OSError(number, text, "out/run.json")

    monkeypatch.setattr(cli, "app", fails)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        f"error: {text} (out/run.json): choose a place with room that you may write to, and run again\n"
    )
