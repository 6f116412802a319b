"""Checks for the exercises of the lessons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from IPython.display import Markdown, display


def check(answer: Any, is_right: Callable[[Any], bool], hint: str) -> None:
    """Tell a learner whether an answer is right, below the cell that asks.

    Parameters
    ----------
    answer : any
        The learner's; `...` while the exercise has not been done.
    is_right : callable
        Takes the answer and says whether it is right. An answer of a wrong type or shape makes it raise, which counts as wrong.
    hint : str
        Shown with a wrong answer: what to look at again, not what the answer is.
    """
    if answer is ...:
        said = "**Not answered yet.** Replace the `...` above and run both cells again."
    else:
        try:
            right = bool(is_right(answer))
        except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            right, hint = False, f"{hint} (The check met a {type(error).__name__}: {error})"
        said = "**Right.**" if right else f"**Not right yet.** {hint}"
    display(Markdown(said))
