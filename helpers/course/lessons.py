"""The lessons: where their notebooks lie, what they are called, and how one asks for them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers.course.findings import NotForThisDataset as NotForThisDataset  # lessons look for it here, too
from helpers.errors import InputError
from helpers.places import PACKAGE

PROFILES = ("smoke", "quick", "full")
_FILE_NAME = re.compile(r"(\d{2})_\w+")
_TITLE = re.compile(r"^#\s+(?:\d+\s*·\s*)?(.+)$", re.MULTILINE)
_TIME = re.compile(r"\*\*Time:?\*\*:?\s*(.+?)\s*(?:\*\*|$)", re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """One lesson, described by its notebook.

    Parameters
    ----------
    path : Path
        The notebook.
    number, name : str
        Such as "01" and "01_bigwig_preprocessing".
    title, time : str
        From the title cell: the heading without its number, and what follows **Time:**.
    datasets : tuple of str or None
        Names of the data sets that the notebook's metadata admit (`course: {datasets: [...]}`); None: any.
    code_cells : int
        How many cells there are to run.
    """

    path: Path
    number: str
    name: str
    title: str
    time: str
    datasets: tuple[str, ...] | None
    code_cells: int


def notebooks_folder(given: Path | None = None) -> Path:
    """Find the folder of the lessons: the one given, the clone's, or `notebooks` in the current folder.

    Raises
    ------
    InputError
        If none of them is there.
    """
    if given is not None:
        if not given.is_dir():
            raise InputError(f"--notebooks {given} is not a folder: name the folder that holds the lessons")
        return given.resolve()
    for folder in (PACKAGE.parent / "notebooks", Path.cwd() / "notebooks"):
        if folder.is_dir():
            return folder.resolve()
    raise InputError("no folder 'notebooks' is here: clone the project, or name the folder of the lessons with --notebooks")


def read_lesson(path: Path) -> Lesson:
    """Describe one notebook; InputError if it cannot be read."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path.name} is not a notebook ({reason}): build it from its source with course build") from error
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    title, time = _TITLE.search(first), _TIME.search(first)
    datasets = notebook.metadata.get("course", {}).get("datasets")
    return Lesson(
        path=path,
        number=path.stem[:2],
        name=path.stem,
        title=title[1].strip() if title else path.stem,
        time=time[1] if time else "",
        datasets=tuple(datasets) if datasets is not None else None,
        code_cells=sum(cell.cell_type == "code" for cell in notebook.cells),
    )


def list_lessons(folder: Path) -> list[Lesson]:
    """Describe every lesson in a folder, in the order of their numbers.

    Raises
    ------
    InputError
        If there is none, one cannot be read, or two have the same number.
    """
    lessons = [read_lesson(path) for path in sorted(folder.glob("*.ipynb")) if _FILE_NAME.fullmatch(path.stem)]
    if not lessons:
        raise InputError(f"{folder} holds no lesson: build them with course build, or name their folder with --notebooks")
    numbers = [lesson.number for lesson in lessons]
    for number in numbers:
        if numbers.count(number) > 1:
            raise InputError(f"{folder} holds two lessons with the number {number}: renumber one of them")
    return lessons


def find_name(asked: str, names: Sequence[str]) -> str:
    """Return the lesson that is meant by a number ("1", "01"), a name, its beginning, or the name without the number.

    Parameters
    ----------
    asked : str
        What the user wrote.
    names : sequence of str
        Names of the lessons there are, such as "01_bigwig_preprocessing".

    Raises
    ------
    InputError
        If it fits no lesson, or several.
    """
    plain = Path(asked).name.removesuffix(".ipynb").removesuffix(".py").lower()
    if plain.isdigit():
        fits = [name for name in names if int(name[:2]) == int(plain)]
    else:
        fits = [name for name in names if plain in (name, name[3:])] or [
            name for name in names if plain and (name.startswith(plain) or name[3:].startswith(plain))
        ]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise InputError(f"lesson {asked!r} may be {' or '.join(fits)}: give its number")
    near = difflib.get_close_matches(plain, [*names, *(name[3:] for name in names)], n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise InputError(f"lesson {asked!r} is unknown{meant}: choose from {', '.join(names)}")


def select_lessons(asked: Sequence[str], folder: Path) -> list[Lesson]:
    """Return the lessons asked for, each once, in the order of the course; all of them if none is named."""
    lessons = {lesson.name: lesson for lesson in list_lessons(folder)}
    wanted = {find_name(name, list(lessons)) for name in asked} or set(lessons)
    return [lesson for name, lesson in lessons.items() if name in wanted]


def check_profile(profile: str) -> str:
    """Return the profile if there is such a one, else InputError."""
    if profile not in PROFILES:
        raise InputError(f"profile {profile!r} is unknown: choose {', '.join(PROFILES[:-1])} or {PROFILES[-1]}")
    return profile
