"""Lessons made from their sources: executed, cleaned and checked, with their findings; and copies for students."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat

from helpers.course.execution import Outcome, execute, write_notebook
from helpers.course.findings import RECORD_VARIABLE, read_json, read_records, write_json
from helpers.course.lessons import read_lesson
from helpers.course.sources import from_source
from helpers.errors import InputError
from helpers.places import cache_folder

_OBJECT_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


def build_lesson(name: str, folder: Path) -> Outcome:
    """Execute a lesson with its own parameters, and put the notebook and its findings in place.

    Parameters
    ----------
    name : str
        Such as "01_bigwig_preprocessing"; its source is `folder`/sources/NAME.py.
    folder : Path
        Where NAME.ipynb and findings.json are written.

    Returns
    -------
    Outcome
        Seconds and memory that it took.

    Raises
    ------
    InputError
        If a cell fails, writes to stderr, or shows the address of an object, which differs in each run. Nothing is then put in place; the
        notebook as far as it came is kept in the cache, and the message says where.
    """
    notebook = from_source(name, folder)
    metadata = notebook.metadata.copy()
    with tempfile.TemporaryDirectory() as records:
        outcome = execute(notebook, folder, variables={RECORD_VARIABLE: records})
        problem = outcome.error or unstable_output(notebook)
        if problem:
            kept = cache_folder() / "failed" / f"{name}.ipynb"
            write_notebook(notebook, kept)
            raise InputError(f"{name}: {problem} (kept as {kept}): mend the source and build again")
        found = read_records(Path(records))
    notebook.metadata = metadata  # without the version of the kernel that ran it
    write_notebook(notebook, folder / f"{name}.ipynb")
    committed = folder / "findings.json"
    others: list[dict[str, Any]] = read_json(committed) if committed.exists() else []
    kept_entries = [entry for entry in others if entry["lesson"] != name[:2]]
    write_json(committed, sorted([*kept_entries, *found], key=lambda entry: (entry["id"], entry["dataset"])))
    return outcome


def unstable_output(notebook: nbformat.NotebookNode) -> str | None:
    """Say which cell wrote to stderr or shows an object's address; None if none does."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                return f"cell [{cell.execution_count}] writes to stderr: {output.text.strip().splitlines()[0]}"
            shown = output.get("data", {}).get("text/plain", "") + output.get("text", "")
            if _OBJECT_ADDRESS.search(shown):
                return f"cell [{cell.execution_count}] shows the address of an object: {shown.strip().splitlines()[0]}"
    return None


def write_student(path: Path, out: Path) -> Path:
    """Write a lesson's student version: no cells tagged `solution`, and no outputs, so that there is something to find out.

    Parameters
    ----------
    path : Path
        The lesson's notebook.
    out : Path
        Folder to write to, not the lesson's own.

    Returns
    -------
    Path
        The copy, of the same name.

    Raises
    ------
    InputError
        If `out` is the folder of the lesson, or the lesson cannot be read.
    """
    if out.resolve() == path.parent.resolve():
        raise InputError(f"--out {out} is the folder of the lessons, which would be overwritten: name another folder")
    read_lesson(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if "solution" not in cell.metadata.get("tags", [])]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    write_notebook(notebook, out / path.name)
    return out / path.name
