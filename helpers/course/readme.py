"""The parts of the README that are made: badges, syllabus, findings, picture. The page of questions, and the badges of the lessons."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import nbformat

from helpers.course import checklist
from helpers.course.execution import write_notebook
from helpers.course.findings import SIGNS, get_finding, load_findings, read_json
from helpers.course.lessons import Lesson, list_lessons
from helpers.course.sources import badges, published, repository
from helpers.course.verdicts import TIMES, effect_text
from helpers.errors import InputError
from helpers.files.placing import write_bytes

PICTURE = "docs/browser.png"
PICTURE_TAG = "readme-picture"


def syllabus_table(lessons: list[Lesson]) -> str:
    """Return the table of lessons in Markdown: number, title with a link, time, findings that it tests."""
    tested: dict[str, list[str]] = {}
    for finding in load_findings().values():
        tested.setdefault(finding.lesson, []).append(finding.id)
    rows = []
    for lesson in lessons:
        found = ", ".join(tested.get(lesson.number, []))
        rows.append(f"| {lesson.number} | [{lesson.title}](notebooks/{lesson.path.name}) | {lesson.time.rstrip('.')} | {found} |")
    return "\n".join(["| | lesson | time | findings |", "|---|---|---|---|", *rows])


def findings_table(entries: list[dict[str, Any]]) -> str:
    """Return the table of findings in Markdown, from the entries of findings.json."""
    rows = []
    for entry in entries:
        finding = get_finding(entry["id"])
        effect = effect_text(entry["effect"], entry["low"], entry["high"], finding.scale)
        words = {"greater": "at least", "no more than": "at most", "equal": "equal within"}[finding.direction]
        least = f"{words} {finding.least_effect:g}{TIMES if finding.scale == 'ratio' else ''}"
        sign = SIGNS[entry["verdict"]][0]
        asked = f"{entry['metric']}: {least}"
        cells = [entry["id"], entry["statement"], entry["source"], asked, effect, entry["seeds"], f"{sign} {entry['verdict']}"]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(["| | statement | source | asked for | effect | seeds | verdict |", "|---|---|---|---|---|---|---|", *rows])


def replace_block(text: str, name: str, content: str) -> str:
    """Return `text` with new content between `<!-- name:start -->` and `<!-- name:end -->`.

    Raises
    ------
    InputError
        If the text does not hold the pair of marks exactly once.
    """
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    if text.count(start) != 1 or text.count(end) != 1 or text.index(start) > text.index(end):
        raise InputError(f"README.md must hold {start} and {end} once, in this order: put them where the block belongs")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}".replace(f"{start}\n\n{end}", f"{start}\n{end}")


def made_readme(readme: Path, notebooks: Path) -> str:
    """Return the text that README.md should have."""
    text = readme.read_text(encoding="utf-8")
    text = replace_block(text, "badges", badges(repository()))
    text = replace_block(text, "syllabus", syllabus_table(list_lessons(notebooks)))
    return replace_block(text, "findings", findings_table(committed_findings(notebooks)))


def committed_findings(notebooks: Path) -> list[dict[str, Any]]:
    """Read the entries of the lessons' findings.json; none if there is no such file."""
    committed = notebooks / "findings.json"
    entries: list[dict[str, Any]] = read_json(committed) if committed.exists() else []
    return entries


def tagged_picture(notebooks: list[nbformat.NotebookNode]) -> bytes | None:
    """Return the first picture that a cell with the tag `readme-picture` shows, as PNG; None if there is none."""
    for notebook in notebooks:
        for cell in notebook.cells:
            outputs = cell.get("outputs", []) if PICTURE_TAG in cell.metadata.get("tags", []) else []
            for output in outputs:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output["data"]["image/png"])
    return None


def _refresh_questions(page: Path, notebooks: Path, *, check: bool) -> list[str]:
    """Bring the page of questions up to date; its name if it was not."""
    wanted = checklist.page(committed_findings(notebooks))
    if page.exists() and page.read_text(encoding="utf-8") == wanted:
        return []
    if not check:
        page.parent.mkdir(exist_ok=True)
        write_bytes(page, wanted.encode())
    return [checklist.PAGE]


def refresh(readme: Path, notebooks: Path, *, check: bool = False) -> list[str]:
    """Bring README.md, its picture, the page of questions that it links, and the badges of the lessons' notebooks up to date.

    Parameters
    ----------
    readme, notebooks : Path
        The file, and the folder of the lessons.
    check : bool
        Only look.

    Returns
    -------
    list of str
        Names of the files that were not up to date.
    """
    changed = []
    wanted = made_readme(readme, notebooks)
    if wanted != readme.read_text(encoding="utf-8"):
        changed.append(readme.name)
        if not check:
            write_bytes(readme, wanted.encode())
    if checklist.PAGE in wanted:
        changed += _refresh_questions(readme.parent / checklist.PAGE, notebooks, check=check)
    pages = [nbformat.read(lesson.path, as_version=4) for lesson in list_lessons(notebooks)]
    picture, drawn = readme.parent / PICTURE, tagged_picture(pages)
    if drawn is not None and (not picture.exists() or picture.read_bytes() != drawn):
        changed.append(PICTURE)
        if not check:
            picture.parent.mkdir(exist_ok=True)
            write_bytes(picture, drawn)
    for lesson, notebook in zip(list_lessons(notebooks), pages, strict=True):
        texts = [published(cell.source, lesson.name, repository()) for cell in notebook.cells]
        if texts != [cell.source for cell in notebook.cells]:
            changed.append(lesson.path.name)
            for cell, text in zip(notebook.cells, texts, strict=True):
                cell.source = text
            if not check:
                write_notebook(notebook, lesson.path)
    return changed
