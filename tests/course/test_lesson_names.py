"""Which lesson is meant, and what its notebook says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.course import lessons
from helpers.errors import InputError

NAMES = ["01_bigwig_preprocessing", "07_evaluation", "09_pitfall_leakage", "10_pitfall_locus_memorization"]


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("1", "01_bigwig_preprocessing"),
        ("01", "01_bigwig_preprocessing"),
        ("01_bigwig", "01_bigwig_preprocessing"),
        ("bigwig", "01_bigwig_preprocessing"),
        ("EVALUATION", "07_evaluation"),
        ("notebooks/07_evaluation.ipynb", "07_evaluation"),
        ("07_evaluation.py", "07_evaluation"),
        ("10", "10_pitfall_locus_memorization"),
        ("pitfall_locus", "10_pitfall_locus_memorization"),
    ],
)
def test_ways_to_name_a_lesson(asked: str, name: str) -> None:
    assert lessons.find_name(asked, NAMES) == name


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("pitfall", "lesson 'pitfall' may be 09_pitfall_leakage or 10_pitfall_locus_memorization: give its number"),
        ("evalaution", "lesson 'evalaution' is unknown (did you mean evaluation?): choose from 01_bigwig_preprocessing, 07"),
        ("2", "lesson '2' is unknown: choose from 01_bigwig_preprocessing"),
        ("", "lesson '' is unknown: choose from"),
    ],
)
def test_lessons_that_are_not_there(asked: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        lessons.find_name(asked, NAMES)
    assert str(caught.value).startswith(message)


def test_description_comes_from_the_notebook(lesson) -> None:  # type: ignore[no-untyped-def]
    path = lesson("03_losses", "1", "2", title="Loss functions: shape or magnitude?", course={"datasets": ["simulated"]})
    made = lessons.read_lesson(path)
    assert (made.number, made.name, made.title) == ("03", "03_losses", "Loss functions: shape or magnitude?")
    assert made.time == "5 minutes to read."
    assert made.datasets == ("simulated",)
    assert made.code_cells == 3


def test_lessons_are_listed_in_order_and_other_notebooks_are_not(lesson, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name in ("02_b", "01_a"):
        lesson(name)
    (tmp_path / "notebooks" / "scratch.ipynb").write_text("{}")
    assert [item.name for item in lessons.list_lessons(tmp_path / "notebooks")] == ["01_a", "02_b"]
    assert lessons.read_lesson(tmp_path / "notebooks" / "01_a.ipynb").datasets is None


def test_two_lessons_with_one_number(lesson, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lesson("01_a")
    lesson("01_b")
    with pytest.raises(InputError, match="holds two lessons with the number 01: renumber one of them"):
        lessons.list_lessons(tmp_path / "notebooks")


def test_no_lessons_and_broken_lessons(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no lesson: build them with course build"):
        lessons.list_lessons(tmp_path)
    (tmp_path / "01_a.ipynb").write_text("no json")
    with pytest.raises(InputError, match=r"^01_a.ipynb is not a notebook \(.*\): build it from its source with course build$"):
        lessons.list_lessons(tmp_path)


def test_folder_of_the_lessons(tmp_path: Path) -> None:
    assert lessons.notebooks_folder().name == "notebooks"
    assert lessons.notebooks_folder(tmp_path) == tmp_path.resolve()
    with pytest.raises(InputError, match="is not a folder: name the folder that holds the lessons"):
        lessons.notebooks_folder(tmp_path / "none")
