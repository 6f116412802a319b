"""Lessons as text and as notebooks: the text is what maintainers edit, the notebook what learners open; both say the same."""

from __future__ import annotations

import difflib
import functools
import hashlib
import re
import tomllib
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import jupytext
import nbformat

from helpers.course.lessons import find_name
from helpers.errors import InputError
from helpers.places import PACKAGE

BRANCH = "main"
_BADGES = re.compile(r"<!-- badges -->.*?(?=\n\n|\Z)", re.DOTALL)
_INSTALL = re.compile(r"git\+https?://[^\s\"']+")
FOLDED = {"check", "solution"}  # what tells the answer is not seen before it is looked for
_KEPT_CELL_METADATA = ("tags", "jupyter")


@functools.cache
def repository(pyproject: Path = PACKAGE.parent / "pyproject.toml") -> str:
    """Return the project's public address: `Repository` of [project.urls] in pyproject.toml, in the wheel's metadata if there is no such file.

    Raises
    ------
    InputError
        If neither names one.
    """
    if pyproject.exists():
        urls = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"].get("urls", {})
    else:
        pairs = metadata.metadata("ml-in-genomics").get_all("Project-URL") or []
        urls = dict(pair.split(", ", 1) for pair in pairs)
    if "Repository" not in urls:
        raise InputError(f"{pyproject.name} has no Repository under [project.urls]: add the project's address there")
    return str(urls["Repository"]).rstrip("/")


def badges(address: str, notebook: str | None = None) -> str:
    """Return launch badges in Markdown.

    Parameters
    ----------
    address : str
        The project's address. Colab and Binder open repositories on GitHub; for another host there are no badges.
    notebook : str, optional
        Name of a lesson's file; without it the badges open the whole project.
    """
    parts = urlsplit(address)
    if parts.hostname != "github.com":
        return ""
    slug = parts.path.strip("/").removesuffix(".git")
    place = f"lab/tree/notebooks/{notebook}" if notebook else "lab/tree/notebooks"
    colab = f"{slug}/blob/{BRANCH}/notebooks/{notebook}" if notebook else f"{slug}/tree/{BRANCH}/notebooks"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)](https://colab.research.google.com/github/{colab})\n"
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{slug}/{BRANCH}?urlpath={place})"
    )


def published(text: str, name: str, address: str) -> str:
    """Return a cell's text with the project's present address in its badges (after `<!-- badges -->`) and its install line."""
    text = _BADGES.sub(lambda _: f"<!-- badges -->\n{badges(address, name + '.ipynb')}".rstrip(), text)
    return _INSTALL.sub(f"git+{address}", text)


def source_names(folder: Path) -> list[str]:
    """Return the names of the lessons that have a source in `folder`/sources, in order."""
    return sorted(path.stem for path in (folder / "sources").glob("[0-9][0-9]_*.py"))


def find_sources(asked: list[str] | tuple[str, ...], folder: Path) -> list[str]:
    """Return the names of the lessons asked for, in order; all that have a source if none is."""
    names = source_names(folder)
    if not names:
        raise InputError(f"{folder / 'sources'} holds no lesson: a source is called NN_name.py")
    wanted = {find_name(name, names) for name in asked} or set(names)
    return [name for name in names if name in wanted]


def from_source(name: str, folder: Path, address: str | None = None) -> nbformat.NotebookNode:
    """Make a lesson's notebook from its source: no outputs yet, ids and outputs of unchanged cells taken over from the notebook there is.

    Parameters
    ----------
    name : str
        Such as "01_bigwig_preprocessing".
    folder : Path
        The folder of the notebooks.
    address : str, optional
        The project's, for badges and install line.

    Returns
    -------
    NotebookNode
    """
    address = address or repository()
    path = folder / "sources" / f"{name}.py"
    notebook = jupytext.read(path, fmt="py:percent")
    for cell in notebook.cells:
        cell.source = published(cell.source, name, address)
        cell.metadata = nbformat.from_dict({key: value for key, value in cell.metadata.items() if key in _KEPT_CELL_METADATA})
        if FOLDED & set(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = {"source_hidden": True}
    described = {"course": notebook.metadata["course"]} if "course" in notebook.metadata else {}
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {
                "file_extension": ".py",
                "mimetype": "text/x-python",
                "name": "python",
                "pygments_lexer": "ipython3",
            },
            **described,
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    target = folder / f"{name}.ipynb"
    _take_over(notebook, nbformat.read(target, as_version=4) if target.exists() else None, name)
    return notebook


def _key(cell: nbformat.NotebookNode) -> tuple[str, str]:
    """Return what makes two cells the same."""
    return cell.cell_type, cell.source


def _take_over(new: nbformat.NotebookNode, old: nbformat.NotebookNode | None, name: str) -> None:
    """Give cells the ids they had: those that are the same, and those that were edited in place; give others an id of their content."""
    old_cells = old.cells if old is not None else []
    for cell in new.cells:
        cell.pop("id", None)
    matches = difflib.SequenceMatcher(None, list(map(_key, old_cells)), list(map(_key, new.cells)), autojunk=False)
    for kind, first, last, start, end in matches.get_opcodes():
        if kind == "equal" or (kind == "replace" and last - first == end - start):
            for before, cell in zip(old_cells[first:last], new.cells[start:end], strict=True):
                if before.cell_type == cell.cell_type:
                    cell.id = before.id
                    if kind == "equal" and cell.cell_type == "code":
                        cell.outputs, cell.execution_count = before.outputs, before.execution_count
    used = {cell.id for cell in new.cells if "id" in cell}
    for cell in new.cells:
        copy = 0
        while "id" not in cell:
            digest = hashlib.sha256(f"{name}\n{cell.cell_type}\n{cell.source}\n{copy}".encode()).hexdigest()[:12]
            if digest not in used:
                cell.id = digest
                used.add(digest)
            copy += 1


def disagreements(folder: Path, address: str | None = None) -> list[str]:
    """Compare every source with its notebook.

    Returns
    -------
    list of str
        One line for each lesson where they differ, with the first cell that does; empty if all agree.
    """
    names = source_names(folder)
    made = sorted(path.stem for path in folder.glob("[0-9][0-9]_*.ipynb"))
    found = [f"{name}.ipynb has no source: add sources/{name}.py, or delete it" for name in made if name not in names]
    for name in names:
        if name not in made:
            found.append(f"{name}.ipynb is missing: course build {name[:2]}")
            continue
        wanted, there = from_source(name, folder, address), nbformat.read(folder / f"{name}.ipynb", as_version=4)
        if wanted.metadata != there.metadata:
            found.append(f"{name}: the notebook's metadata differ from its source: course build {name[:2]}")
        pairs = zip([*map(_compared, wanted.cells), None], [*map(_compared, there.cells), None], strict=False)
        for number, (text, cell) in enumerate(pairs, 1):
            if text != cell:
                found.append(f"{name}: cell {number} differs between source and notebook: course build {name[:2]}")
                break
    return found


def _compared(cell: nbformat.NotebookNode) -> tuple[str, str, dict[str, object]]:
    """Return what has to agree of a cell."""
    return cell.cell_type, cell.source, dict(cell.metadata)
