"""Timing of alternatives by turns, so that a busy moment of the machine meets all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

REPEATS = 7


def rates(work: Mapping[str, tuple[Callable[[], object], float]], repeats: int = REPEATS) -> dict[str, float]:
    """Run each piece of work once to warm up, then all of them by turns; units of work per second, the median of `repeats` runs."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(repeats + 1):
        for name, (run, _) in work.items():
            start = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: amount / statistics.median(seconds[name]) for name, (_, amount) in work.items()}


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    alternative: str
    ratio: float | None
    target: str
    met: bool

    def cells(self) -> list[str]:
        """Write the line as text."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}" if self.ratio < 10 else f"{self.ratio:.0f}"
        return [self.what, self.ours, self.alternative, ratio, self.target, "yes" if self.met else "NO"]


def show(rows: list[Row]) -> str:
    """Lay the table out in columns."""
    lines = [["what", "ours", "alternative", "ratio", "target", "met"], *[row.cells() for row in rows]]
    widths = [max(len(line[k]) for line in lines) for k in range(6)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:]])
