"""The ten questions: each stands on a lesson that exists and on findings of that lesson, and the page says what the table says."""

from __future__ import annotations

from pathlib import Path

from helpers.course.checklist import PAGE, QUESTIONS, listing, page
from helpers.course.findings import get_finding

ROOT = Path(__file__).parents[2]


def test_ten_questions_that_stand_on_findings() -> None:
    assert len(QUESTIONS) == 10
    assert len({question.asks for question in QUESTIONS}) == 10
    for question in QUESTIONS:
        assert (ROOT / "notebooks" / "sources" / f"{question.lesson}.py").exists()
        assert question.asks.endswith("?")
        assert question.findings
        assert {get_finding(name).lesson for name in question.findings} == {question.lesson[:2]}
    assert {question.lesson[:2] for question in QUESTIONS} == {"09", "10", "11", "12"}


def test_list_links_lessons_and_marks_verdicts() -> None:
    entries = [
        {"id": "F36", "dataset": "simulated", "verdict": "holds"},
        {"id": "F35a", "dataset": "yeast", "verdict": "holds"},
    ]
    lines = listing("../notebooks/", entries).splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("10. **Does the test hold silent regions")
    assert lines[-1].endswith("([lesson 12](../notebooks/12_pitfall_distribution_shift.ipynb): F36 ✓)")
    assert lines[-3].endswith(": F35a)")
    assert "✓" not in listing()


def test_page_holds_the_list_and_says_what_the_signs_mean() -> None:
    text = page([])
    assert text.startswith("# Ten questions")
    assert listing("../notebooks/", []) in text
    assert "✓ holds, ✗ does not hold, ? inconclusive" in text
    assert text.endswith("\n")


def test_readme_and_lesson_link_the_page() -> None:
    assert PAGE in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"../{PAGE}" in (ROOT / "notebooks" / "sources" / "12_pitfall_distribution_shift.py").read_text(encoding="utf-8")
