"""What every lesson must be like: each rule takes a notebook and returns what is wrong with it, one line each."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable
from typing import Any

import nbformat

PARAMETERS = ["dataset", "profile", "seeds", "first_seed", "tracking"]
DEFAULTS = {"dataset": "simulated", "profile": "quick", "first_seed": 0}
MOST_OWN_PARAMETERS = 4
LONGEST, LONG, LONGEST_SETUP = 20, 15, 30  # lines of a code cell
SHARE_LONG, SHARE_IGNORED = 0.1, 1 / 3
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
Notebook = nbformat.NotebookNode


def tags(cell: Notebook) -> list[str]:
    """Tags of a cell."""
    return list(cell.metadata.get("tags", []))


def tagged(notebook: Notebook, tag: str) -> list[Notebook]:
    """Cells with a tag."""
    return [cell for cell in notebook.cells if tag in tags(cell)]


def code(notebook: Notebook) -> list[Notebook]:
    """Code cells with content."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def prose(notebook: Notebook) -> str:
    """All Markdown in one."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def title(notebook: Notebook, number: int) -> list[str]:
    """The first cell: title with the lesson's number, badges, what one learns, time, what comes before."""
    text = notebook.cells[0].source
    wanted = {
        f"the title '# {number} · ...'": rf"\A# {number} · \S",
        "<!-- badges -->": "<!-- badges -->",
        "'You will learn'": r"\*\*You will learn",
        "'**Time:**'": r"\*\*Time:\*\* \S",
        "'**Before this:**'": r"\*\*Before this:\*\* \S",
    }
    wrong = [f"the first cell lacks {what}" for what, pattern in wanted.items() if not re.search(pattern, text)]
    bullets = len(re.findall(r"^- ", text, re.MULTILINE))
    return wrong if bullets == 3 else [*wrong, f"{bullets} things to learn, not 3"]


def setup_and_parameters(notebook: Notebook, _: int) -> list[str]:
    """One setup cell, then one parameters cell, with the common names and at most four of the lesson's own."""
    marks = [tag for cell in code(notebook) for tag in tags(cell) if tag in ("setup", "parameters")]
    if marks != ["setup", "parameters"]:
        return [f"cells tagged {marks}, not ['setup', 'parameters']"]
    given = assignments(tagged(notebook, "parameters")[0].source)
    wrong = [f"parameter {name} is missing" for name in PARAMETERS if name not in given]
    own = [name for name in given if name not in PARAMETERS]
    if len(own) > MOST_OWN_PARAMETERS:
        wrong.append(f"{len(own)} parameters of its own ({', '.join(own)}), at most {MOST_OWN_PARAMETERS}")
    return wrong + [
        f"{name} is {given[name]!r}, not {value!r}" for name, value in DEFAULTS.items() if given.get(name, value) != value
    ]


def assignments(source: str) -> dict[str, Any]:
    """Names and literal values that a cell assigns."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def exercises(notebook: Notebook, _: int) -> list[str]:
    """Two to four exercises, each with a check and a folded solution."""
    count = len(tagged(notebook, "exercise"))
    wrong = [] if 2 <= count <= 4 else [f"{count} exercises, not 2 to 4"]
    checks = sum("check" in tags(cell) or bool(re.search(r"\bcheck\(", cell.source)) for cell in code(notebook))
    solutions = tagged(notebook, "solution")
    if checks < count:
        wrong.append(f"{checks} checks for {count} exercises")
    if len(solutions) != count:
        wrong.append(f"{len(solutions)} solutions for {count} exercises")
    hidden = [*solutions, *tagged(notebook, "check")]
    return wrong + [
        f"a {tags(cell)[0]} is not folded" for cell in hidden if not cell.metadata.get("jupyter", {}).get("source_hidden")
    ]


def ending(notebook: Notebook, _: int) -> list[str]:
    """Key points, three to five, and further reading with a DOI."""
    text = prose(notebook)
    points = re.search(r"^#+ .*Key points\s*$(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    count = len(re.findall(r"^- ", points[1], re.MULTILINE)) if points else 0
    wrong = [] if 3 <= count <= 5 else [f"{count} key points, not 3 to 5"]
    reading = re.search(r"^#+ .*Further reading\s*$(.*)", text, re.MULTILINE | re.DOTALL)
    return wrong if reading and "https://doi.org/" in reading[1] else [*wrong, "no further reading with a DOI"]


def short_cells(notebook: Notebook, _: int) -> list[str]:
    """No code cell over 20 lines (the setup: 30), rarely one over 15."""
    wrong, long = [], 0
    for cell in code(notebook):
        lines = len(cell.source.splitlines())
        if lines > (LONGEST_SETUP if "setup" in tags(cell) else LONGEST):
            wrong.append(f"a cell of {lines} lines: {cell.source.splitlines()[0]}")
        long += lines > LONG and "setup" not in tags(cell)
    return wrong if long <= math.ceil(SHARE_LONG * len(code(notebook))) else [*wrong, f"{long} cells over {LONG} lines"]


def executed_and_quiet(notebook: Notebook, _: int) -> list[str]:
    """Executed from top to bottom in one go, with nothing on stderr and no error."""
    counts = [cell.execution_count for cell in code(notebook)]
    wrong = [] if counts == list(range(1, len(counts) + 1)) else [f"execution counts {counts}"]
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    wrong += [f"stderr: {output.text[:60]!r}" for output in outputs if output.get("name") == "stderr"]
    return wrong + [f"error: {output.ename}" for output in outputs if output.output_type == "error"]


def alternative_text(notebook: Notebook, _: int) -> list[str]:
    """Each picture, made or written, has alternative text."""
    shown = [(cell, output, kind) for cell in code(notebook) for output in cell.outputs for kind in IMAGES]
    wrong = [
        f"a picture without alternative text: {cell.source.splitlines()[0]}"
        for cell, output, kind in shown
        if kind in output.get("data", {}) and not output.metadata.get(kind, {}).get("alt", "").strip()
    ]
    return wrong + [f"a picture without alternative text: {found}" for found in re.findall(r"!\[\s*\]\([^)]*\)", prose(notebook))]


def boxes_in_html(notebook: Notebook, _: int) -> list[str]:
    """No Markdown inside a box: it is HTML, and would show it as it is written."""
    boxes = re.findall(r"<div.*?</div>", prose(notebook), re.DOTALL)
    found = [mark for box in boxes for mark in re.findall(r"\[[^\]]+\]\([^)]+\)|`[^`]+`|\*\*[^*]+\*\*", box)]
    return [f"Markdown in a box: {mark}" for mark in found]


def few_ignored(notebook: Notebook, _: int) -> list[str]:
    """At most a third of the cells with output are exempt from comparison."""
    showing = [cell for cell in code(notebook) if cell.outputs]
    ignored = sum("nbval-ignore-output" in tags(cell) for cell in showing)
    return [] if ignored <= SHARE_IGNORED * len(showing) else [f"{ignored} of {len(showing)} output cells are not compared"]


RULES: list[Callable[[Notebook, int], list[str]]] = [
    title, setup_and_parameters, exercises, ending, short_cells, executed_and_quiet, alternative_text, boxes_in_html, few_ignored,
]  # fmt: skip
