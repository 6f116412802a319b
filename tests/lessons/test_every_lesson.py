"""Every lesson keeps the rules of the course; and every rule finds what it is there to find."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lesson_rules
import nbformat
import pytest
from lesson_rules import RULES, Notebook
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.course.readme import refresh
from helpers.course.sources import disagreements

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
FOLDED = {"tags": ["solution"], "jupyter": {"source_hidden": True}}


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_lesson(path: Path, rule: Callable[[Notebook, int], list[str]]) -> None:
    assert rule(nbformat.read(path, as_version=4), int(path.stem[:2])) == []


def test_there_are_lessons() -> None:
    assert {"00", "01"} <= {path.stem[:2] for path in LESSONS}


def test_sources_and_notebooks_agree() -> None:
    assert disagreements(ROOT / "notebooks") == []


def test_readme_and_badges_are_up_to_date() -> None:
    assert refresh(ROOT / "README.md", ROOT / "notebooks", check=True) == []


def picture(alt: str) -> Notebook:
    """An output with a picture."""
    return new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": alt}, metadata={"image/png": {"alt": alt}})


def good() -> Notebook:
    """A small lesson that keeps all rules."""
    return new_notebook(
        cells=[
            new_markdown_cell(
                "# 3 · Losses\n\n<!-- badges -->\n\n**You will learn**\n\n- a\n- b\n- c\n\n**Time:** a minute. **Before this:** lesson 01."
            ),
            new_code_cell("import x", metadata={"tags": ["setup"]}, execution_count=1),
            new_code_cell(
                'dataset = "simulated"\nprofile = "quick"\nseeds = 5\nfirst_seed = 0\ntracking = "off"\nworld = "default"',
                metadata={"tags": ["parameters"]}, execution_count=2,
            ),
            new_code_cell("show()", outputs=[picture("what is drawn")], execution_count=3),
            new_code_cell("a = ...", metadata={"tags": ["exercise"]}, execution_count=4),
            new_code_cell("check(a, right)", execution_count=5),
            new_code_cell("a = 1", metadata=FOLDED, execution_count=6),
            new_code_cell("b = ...", metadata={"tags": ["exercise"]}, execution_count=7),
            new_code_cell("check(b, right)", execution_count=8),
            new_code_cell("b = 1", metadata=FOLDED, execution_count=9),
            new_markdown_cell("## Key points\n\n- a\n- b\n- c\n\n## Further reading\n\n- A paper. https://doi.org/10.1/x"),
        ]
    )  # fmt: skip


def test_a_good_lesson_keeps_every_rule() -> None:
    assert [rule(good(), 3) for rule in RULES] == [[]] * len(RULES)


def first(old: str, new: str) -> Callable[[Notebook], None]:
    """A change of text in the first cell that has it."""

    def change(notebook: Notebook) -> None:
        cell = next(cell for cell in notebook.cells if old in cell.source)
        cell.source = cell.source.replace(old, new)

    return change


def put(position: int, **values: Any) -> Callable[[Notebook], None]:
    """A change of a cell's fields."""
    return lambda notebook: notebook.cells[position].update(nbformat.from_dict(values))


BROKEN = [
    ("title", first("# 3 ·", "# 4 ·"), "the first cell lacks the title '# 3 · ...'"),
    ("title", first("<!-- badges -->", ""), "the first cell lacks <!-- badges -->"),
    ("title", first("**Time:** a minute.", ""), "the first cell lacks '**Time:**'"),
    ("title", first("**Before this:** lesson 01.", ""), "the first cell lacks '**Before this:**'"),
    ("title", first("**You will learn**", ""), "the first cell lacks 'You will learn'"),
    ("title", first("- c", ""), "2 things to learn, not 3"),
    ("setup_and_parameters", put(1, metadata={}), "cells tagged ['parameters'], not ['setup', 'parameters']"),
    ("setup_and_parameters", first('tracking = "off"', ""), "parameter tracking is missing"),
    ("setup_and_parameters", first('world = "default"', "a=b=c=1\nd=1\ne=1\nf=1\ng=1"), "5 parameters of its own (a, d, e, f, g), at most 4"),
    ("setup_and_parameters", first('"quick"', '"full"'), "profile is 'full', not 'quick'"),
    ("exercises", put(4, metadata={}), "1 exercises, not 2 to 4"),
    ("exercises", first("check(a", "look(a"), "1 checks for 2 exercises"),
    ("exercises", put(6, metadata={}), "1 solutions for 2 exercises"),
    ("exercises", put(6, metadata={"tags": ["solution"]}), "a solution is not folded"),
    ("ending", first("## Key points", "## Points"), "0 key points, not 3 to 5"),
    ("ending", first("https://doi.org/", "https://example.org/"), "no further reading with a DOI"),
    ("short_cells", put(3, source="\n".join(["line()"] * 21)), "a cell of 21 lines: line()"),
    ("short_cells", lambda notebook: [put(3, source="x()\n" * 16)(notebook), put(5, source="x()\n" * 16)(notebook)], "2 cells over 15 lines"),
    ("executed_and_quiet", put(3, execution_count=None), "execution counts [1, 2, None, 4, 5, 6, 7, 8, 9]"),
    ("executed_and_quiet", put(3, outputs=[new_output("stream", name="stderr", text="careful")]), "stderr: 'careful'"),
    ("executed_and_quiet", put(3, outputs=[new_output("error", ename="KeyError", evalue="", traceback=[])]), "error: KeyError"),
    ("alternative_text", put(3, outputs=[picture(" ")]), "a picture without alternative text: show()"),
    ("alternative_text", first("- a", "- ![](picture.png)"), "a picture without alternative text: ![](picture.png)"),
    ("boxes_in_html", first("- a", "<div>see [there](a.md)</div>"), "Markdown in a box: [there](a.md)"),
    ("few_ignored", put(3, metadata={"tags": ["nbval-ignore-output"]}), "1 of 1 output cells are not compared"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "change", "expected"), BROKEN)
def test_every_rule_finds_what_it_is_for(rule: str, change: Callable[[Notebook], None], expected: str) -> None:
    notebook = copy.deepcopy(good())
    change(notebook)
    assert expected in getattr(lesson_rules, rule)(notebook, 3)


def test_every_rule_is_shown_to_find_something() -> None:
    assert {rule for rule, _, _ in BROKEN} == {rule.__name__ for rule in RULES}
