"""Everything that `make test` runs, step by step: style, types, every lesson (which writes its findings), every other test.

All steps run even if one fails. Ends with one line of counts as pytest prints it; exit code 1 if anything failed. Numbers of lessons as
arguments (`make test LESSONS="00 01"`) execute only those; everything else runs all the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable


def main(asked: list[str]) -> int:
    """Run all steps, the lessons asked for or all, and return the exit code."""
    begun = time.monotonic()
    notebooks = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    unknown = [number for number in asked if number not in {path.stem[:2] for path in notebooks}]
    if unknown:
        print(
            f"error: there is no lesson {unknown[0]!r}: choose from {', '.join(path.stem[:2] for path in notebooks)}",
            file=sys.stderr,
        )
        return 2
    chosen = [str(path.relative_to(ROOT)) for path in notebooks if not asked or path.stem[:2] in asked]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        lessons = {"COURSE_RECORD": str(work / "record"), "GENOMICS_CACHE": str(work / "cache")}
        tests = {
            "COURSE_NBVAL_RECORD": str(work / "record"),
            "COURSE_NBVAL_LESSONS": " ".join(Path(name).stem[:2] for name in chosen),
        }
        nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", "tests/nbval_sanitize.cfg"]
        results = {
            "ruff check": command(["ruff", "check"]),
            "ruff format": command(["ruff", "format", "--check"]),
            "mypy": command(["mypy"]),
            "lessons": pytest([*nbval, *chosen], lessons, work / "lessons.xml"),
            "tests": pytest(["tests"], tests, work / "tests.xml"),
        }
    say("summary")
    for name, counts in results.items():
        print(f"{name:12} {words(counts)}")
    total = sum(results.values(), Counter())
    print(f"{words(total)} in {time.monotonic() - begun:.2f}s", flush=True)
    return int(total["failed"] > 0)


def say(text: str) -> None:
    """Print a heading at once, so that it is seen which step is running."""
    print(f"\n== {text} ==", flush=True)


def command(arguments: list[str]) -> Counter[str]:
    """Run a module of Python as one step."""
    say(" ".join(arguments))
    done = subprocess.run([PYTHON, "-m", *arguments], cwd=ROOT, check=False)
    return Counter(failed=1) if done.returncode else Counter(passed=1)


def pytest(arguments: list[str], variables: Mapping[str, str], report: Path) -> Counter[str]:
    """Run pytest with environment variables of its own; its counts, and one more failure where its exit code says so and they do not."""
    say(f"pytest {' '.join(arguments)}")
    environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
    line = [PYTHON, "-m", "pytest", "--color=no", f"--junitxml={report}", *arguments]
    done = subprocess.run(line, cwd=ROOT, env=environment, check=False)
    counts: Counter[str] = Counter()
    if report.exists():
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314 (pytest wrote it)
            wrong, skipped = int(suite.get("failures", 0)) + int(suite.get("errors", 0)), int(suite.get("skipped", 0))
            counts.update(failed=wrong, skipped=skipped, passed=int(suite.get("tests", 0)) - wrong - skipped)
    if done.returncode and not counts["failed"]:
        counts["failed"] += 1
    return counts


def words(counts: Mapping[str, int]) -> str:
    """Write counts as pytest does, such as `2 failed, 31 passed, 1 skipped`."""
    return ", ".join(f"{counts[key]} {key}" for key in ("failed", "passed", "skipped") if counts.get(key)) or "no tests ran"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
