"""The check of an exercise tells an answer that is right from one that is wrong, missing, or of the wrong kind."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.course import exercises


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (..., "**Not answered yet.** Replace the `...` above and run both cells again."),
        (4, "**Right.**"),
        (5, "**Not right yet.** Count again."),
        ("4", "**Not right yet.** Count again. (The check met a TypeError: unsupported operand type(s) for -: 'str' and 'int')"),
    ],
)
def test_check(monkeypatch: pytest.MonkeyPatch, answer: Any, said: str) -> None:
    shown = []
    monkeypatch.setattr(exercises, "display", shown.append)
    exercises.check(answer, lambda number: abs(number - 4) < 0.1, "Count again.")
    assert [markdown.data for markdown in shown] == [said]
