"""What a check for leaks found, one line a check, and the report that lists them."""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Leak:
    """One check of two parts, whether or not it found something.

    Attributes
    ----------
    what : str
        "overlap", "near-duplicate sequence", "shared gene", "preprocessing: StandardScaler".
    parts : str
        "test / train": what is counted lies in the first part and has a counterpart in the second.
    count, of : int
        How much was found, and how much there is.
    unit : str
        What is counted: bp, windows, rows, or fitted values.
    example : str
        One case; empty where nothing was found.
    """

    what: str
    parts: str
    count: int
    of: int
    unit: str
    example: str = ""

    @property
    def share(self) -> float:
        """Found over there is, 0 to 1."""
        return self.count / self.of if self.of else 0.0

    def __str__(self) -> str:
        if not self.count:
            return f"{self.what}, {self.parts}: none of {self.of:,} {self.unit}"
        share = f"{self.share:.1%}" if self.share >= 0.001 else "under 0.1%"
        return f"{self.what}, {self.parts}: {self.count:,} of {self.of:,} {self.unit} ({share}), such as {self.example}"


@dataclass(frozen=True)
class LeakReport:
    """What was checked, what was found, and what was not checked.

    Attributes
    ----------
    leaks : tuple of Leak
        Every check made, also those that found nothing.
    unchecked : tuple of str
        Checks that were not made, each with the argument that would ask for it.
    """

    leaks: tuple[Leak, ...]
    unchecked: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether no check that was made found anything; `unchecked` tells which were not made."""
        return not any(leak.count for leak in self.leaks)

    @property
    def table(self) -> pd.DataFrame:
        """One row a check: `what`, `parts`, `count`, `of`, `unit`, `share` (count / of), `example`."""
        names = ["what", "parts", "count", "of", "unit", "share", "example"]
        return pd.DataFrame([[getattr(leak, name) for name in names] for leak in self.leaks], columns=names)

    def _lines(self) -> tuple[str, list[str], list[str]]:
        """Headline, what was found, and the rest."""
        found = [str(leak) for leak in self.leaks if leak.count]
        passed = [f"{leak.what} ({leak.unit}), {leak.parts}" for leak in self.leaks if not leak.count]
        checks = f"{len(self.leaks)} check{'s' if len(self.leaks) != 1 else ''}"
        headline = f"Leaks: {len(found)} of {checks} found something." if found else f"Clean: {checks} found nothing."
        rest = [f"Nothing found: {'; '.join(passed)}"] if passed and found else []
        return headline, found, rest + ([f"Not checked: {'; '.join(self.unchecked)}"] if self.unchecked else [])

    def __str__(self) -> str:
        headline, found, rest = self._lines()
        return "\n".join([headline, *(f"  - {line}" for line in found), *rest])

    def _repr_html_(self) -> str:
        headline, found, rest = self._lines()
        points = "".join(f"<li>{html.escape(line)}</li>" for line in found)
        notes = "".join(f"<p><small>{html.escape(line)}</small></p>" for line in rest)
        return f'<div role="note"><p><strong>{html.escape(headline)}</strong></p>{f"<ul>{points}</ul>" if found else ""}{notes}</div>'
