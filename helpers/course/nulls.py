"""Findings in the world where their cause is switched off: none of them may hold there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.course.findings import Finding, load_findings, read_json
from helpers.course.lessons import notebooks_folder, select_lessons
from helpers.course.plan import RunOptions
from helpers.course.runner import run_course
from helpers.course.verdicts import effect_text
from helpers.errors import InputError
from helpers.files.placing import write_bytes

HEAD = ("id", "statement", "null world", "effect there", "verdict")


@dataclass(frozen=True)
class NullRow:
    """One finding in its null world; `verdict` is "not measured" if its lesson did not come that far."""

    id: str
    statement: str
    null_world: str
    effect: str
    verdict: str

    @property
    def passed(self) -> bool:
        """Whether the finding was measured, and did not hold."""
        return self.verdict not in ("holds", "not measured")

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the row's texts, in the order of the table."""
        return self.id, self.statement, self.null_world, self.effect, self.verdict


def run_nulls(
    asked: Sequence[str],
    out: Path,
    *,
    jobs: int = 1,
    notebooks: Path | None = None,
    on_lesson: Callable[[dict[str, Any]], None] | None = None,
) -> list[NullRow]:
    """Run the lessons that test findings with `world="null"`, on simulated data with the quick profile.

    Parameters
    ----------
    asked : sequence of str
        Lessons; empty for all.
    out : Path
        Folder of the run, as of `run_course`.
    jobs, notebooks, on_lesson
        As in `run_course`.

    Returns
    -------
    list of NullRow
        One a finding.

    Raises
    ------
    InputError
        If no lesson asked for tests a finding, or as in `run_course`.
    """
    testing = {finding.lesson for finding in load_findings().values()}
    numbers = [lesson.number for lesson in select_lessons(asked, notebooks_folder(notebooks)) if lesson.number in testing]
    if not numbers:
        raise InputError(f"none of the lessons {', '.join(asked) or '(all)'} tests a finding: name one that does")
    run_course(RunOptions(out=out, lessons=tuple(numbers), world="null", jobs=jobs, notebooks=notebooks), on_lesson)
    measured = {entry["id"]: entry for entry in read_json(out / "findings.json")}
    return [_row(finding, measured.get(finding.id)) for finding in load_findings().values() if finding.lesson in numbers]


def _row(finding: Finding, entry: dict[str, Any] | None) -> NullRow:
    """Put a finding and what was measured into a row."""
    if entry is None:
        return NullRow(finding.id, finding.statement, finding.null_world, "", "not measured")
    effect = effect_text(entry["effect"], entry["low"], entry["high"], finding.scale)
    return NullRow(finding.id, finding.statement, finding.null_world, effect, entry["verdict"])


def write_nulls(rows: Sequence[NullRow], path: Path) -> None:
    """Write the table in Markdown; rows of findings that were not run now are kept."""
    lines = {}
    if path.exists():
        lines = {
            line.split("|")[1].strip(): line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("| F")
        }
    lines.update({row.id: "| " + " | ".join(text.replace("|", "\\|") for text in row.cells()) + " |" for row in rows})
    table = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD), *(lines[key] for key in sorted(lines))]
    text = (
        "# Null worlds\n\nEach finding again, in the world where its cause is switched off. None may hold there. "
        "Made by `course nulls --write`.\n\n" + "\n".join(table) + "\n"
    )
    write_bytes(path, text.encode())
