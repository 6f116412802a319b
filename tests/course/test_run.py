"""Whole runs of tiny lessons: what goes wrong in one lesson stays there, and the record says what happened."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from tiny_lessons import make_lesson

from helpers.course.plan import RunOptions
from helpers.course.runner import run_course
from helpers.errors import InputError

COURSE = [sys.executable, "-m", "helpers.course.cli"]
KEYS = {"id", "lesson", "dataset", "statement", "source", "metric", "least_effect", "effect", "low", "high", "seeds", "verdict"}


@dataclass
class Done:
    """A run that has ended."""

    process: subprocess.CompletedProcess[str]
    out: Path

    def json(self, name: str) -> Any:
        """Content of one of the files that it wrote."""
        return json.loads((self.out / name).read_text())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """One run of five lessons, two at once: one finds something, one fails, two are skipped, one kernel dies."""
    folder = tmp_path_factory.mktemp("run")
    book, out = folder / "notebooks", folder / "out"
    make_lesson(
        book, "01_good",
        "from helpers.course import findings",
        "import time\nblock = bytearray(300_000_000)\ntime.sleep(1)",
        "findings.record_data('simulated', 'digest-of-the-data')\n"
        "findings.record('F03', [2.0 + world.count('x'), 2.1, 2.2][:seeds], dataset=dataset)",
        "print(profile, seeds, first_seed)",
    )  # fmt: skip
    make_lesson(book, "02_bad", "print('before')", "1 / 0", "print('after')")
    make_lesson(
        book, "03_raises_skip", "from helpers.course.lessons import NotForThisDataset\nraise NotForThisDataset('it has no peaks')"
    )
    make_lesson(book, "04_other_data", "print(1)", course={"datasets": ["yeast_atac"]})
    make_lesson(book, "05_dies", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    line = [
        *COURSE,
        "run",
        "--notebooks",
        book,
        "--out",
        out,
        "--jobs",
        "2",
        "--seeds",
        "2",
        "--profile",
        "smoke",
        "--first-seed",
        "7",
    ]
    return Done(subprocess.run(line, capture_output=True, text=True, check=False, cwd=folder), out)


def test_statuses_errors_and_exit_code(done: Done) -> None:
    assert done.process.returncode == 1, done.process.stderr
    lessons = done.json("run.json")["lessons"]
    assert [(entry["lesson"], entry["status"], entry["error"]) for entry in lessons] == [
        ("01", "ok", None),
        ("02", "failed", "cell [4]: ZeroDivisionError: division by zero"),
        ("03", "skipped", "it has no peaks"),
        ("04", "skipped", "made for the data sets yeast_atac, not for simulated"),
        ("05", "failed", "cell [3]: the kernel died: is there enough memory?"),
    ]
    assert all(set(entry) == {"lesson", "status", "seconds", "peak_memory_mb", "error"} for entry in lessons)


def test_time_and_memory_are_those_of_the_lesson(done: Done) -> None:
    good = done.json("run.json")["lessons"][0]
    assert good["seconds"] > 0
    assert 300 < good["peak_memory_mb"] < 700


def test_run_json_says_what_made_it_and_nothing_about_its_owner(done: Done) -> None:
    run = done.json("run.json")
    assert set(run) == {
        "made_by", "commit", "uncommitted_changes", "versions", "machine", "parameters", "dataset_digests", "lessons",
    }  # fmt: skip
    assert run["parameters"] == {
        "lessons": ["01", "02", "03", "04", "05"], "dataset": "simulated", "profile": "smoke", "seeds": 2, "first_seed": 7, "world": None,
    }  # fmt: skip
    assert run["dataset_digests"] == {"simulated": ["digest-of-the-data"]}
    assert run["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(run["machine"]) == {"processor", "cores", "memory_gb", "platform"}
    text = (done.out / "run.json").read_text()
    assert os.uname().nodename not in text
    assert str(Path.home()) not in text
    assert str(done.out) not in text


def test_findings_json_has_the_schema(done: Done) -> None:
    (finding,) = done.json("findings.json")
    assert set(finding) == KEYS
    assert finding["id"] == "F03"
    assert finding["seeds"] == 2  # the parameter reached the lesson
    assert finding["low"] < finding["effect"] < finding["high"]
    assert finding["verdict"] == "holds"


def test_executed_notebooks_and_pages_are_kept_even_of_failed_lessons(done: Done) -> None:
    assert sorted(path.name for path in done.out.glob("0*")) == [
        f"{name}.{ending}" for name in ("01_good", "02_bad", "03_raises_skip", "05_dies") for ending in ("html", "ipynb")
    ]
    good = nbformat.read(done.out / "01_good.ipynb", as_version=4)
    assert good.cells[-1].outputs[0].text == "smoke 2 7\n"
    assert good.cells[2].metadata.tags == ["injected-parameters"]
    bad = nbformat.read(done.out / "02_bad.ipynb", as_version=4)
    assert [len(cell.outputs) for cell in bad.cells[3:]] == [1, 1, 0]
    assert "ZeroDivisionError" in (done.out / "02_bad.html").read_text()


def test_report_can_be_read_offline_and_names_everything(done: Done) -> None:
    index = (done.out / "index.html").read_text()
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", index)
    for text in (
        "01 · A lesson",
        'href="01_good.html"',
        "cell [4]: ZeroDivisionError",
        "it has no peaks",
        "✓ holds",
        "digest-of-the-data",
        "<svg",
    ):
        assert text in index
    page = (done.out / "01_good.html").read_text()
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=[\"']?(https?:)?//", page)


def test_output_of_the_command(done: Done) -> None:
    lines = done.process.stdout.splitlines()
    assert lines[-1] == f"report: {done.out / 'index.html'}"
    (failed,) = (line for line in lines if line.startswith("✗ 02 failed"))  # each lesson once, in the order in which they end
    assert failed.endswith("cell [4]: ZeroDivisionError: division by zero")
    assert "Traceback" not in done.process.stderr
    assert "15/15" not in done.process.stdout  # the bar is on stderr
    assert re.search(r"100%.*15/15", done.process.stderr)


def test_killed_run_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_COMMIT", "a-commit")
    book, out, flag, count = tmp_path / "notebooks", tmp_path / "out", tmp_path / "flag", tmp_path / "count"
    make_lesson(book, "01_first", f"with open({str(count)!r}, 'a') as file:\n    file.write('1')", "print('done')")
    make_lesson(
        book, "02_second",
        f"with open({str(count)!r}, 'a') as file:\n    file.write('2')",
        f"import os, time\nwhile not os.path.exists({str(flag)!r}):\n    time.sleep(0.05)",
    )  # fmt: skip
    line = [*COURSE, "run", "--notebooks", str(book), "--out", str(out), "--seeds", "3"]
    first = subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (count.exists() and count.read_text() == "12" and json.loads((out / "run.json").read_text())["lessons"]):
        assert time.monotonic() < deadline
        assert first.poll() is None
        time.sleep(0.05)
    with pytest.raises(InputError, match="another run is writing there: wait for it, or name another folder"):
        run_course(RunOptions(out=out, notebooks=book, resume=True))
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert [entry["status"] for entry in json.loads((out / "run.json").read_text())["lessons"]] == ["ok"]
    flag.touch()
    short = [*COURSE, "run", "--notebooks", str(book), "--out", str(out), "--resume"]  # what is not said is as it was
    again = subprocess.run(short, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert count.read_text() == "122"  # the first lesson was not run again
    run = json.loads((out / "run.json").read_text())
    assert [(entry["lesson"], entry["status"]) for entry in run["lessons"]] == [("01", "ok"), ("02", "ok")]
    assert run["parameters"]["seeds"] == 3
    assert not list(out.glob(".*part*"))
