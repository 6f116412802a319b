"""One picture of many training runs: their curves and their scores, from the local records."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from helpers.course.plots import PALETTE
from helpers.errors import InputError
from helpers.train.overview import best
from helpers.train.tracking import RunRecord

COLOURS = [PALETTE[name] for name in ("blue", "orange", "green", "vermilion", "purple", "sky")]
LINES, HATCHES = ("-", "--", ":"), ("", "///", "...")  # beyond six runs or groups, colours come again with another pattern
WIDTH = 7.0  # inches, 700 px, as every figure of the course
CURVES, BAR = 2.6, 0.24  # heights in inches


def dashboard(
    runs: Sequence[RunRecord], *, metric: str = "validation_pearson", score: str | None = None, by: str | None = None
) -> Figure:
    """Draw runs together: loss and validation metric by epoch above, one bar a run with its score below.

    Parameters
    ----------
    runs : sequence of RunRecord
        From `tracking.read_runs`, or the `record` of runs in memory; drawn in this order.
    metric : str
        Column of the histories that is drawn at the right. The loss is drawn at the left: `validation_loss`, and `loss` fainter.
    score : str, optional
        Name in the runs' summaries whose value the bars show; by default the best `metric` of each run.
    by : str, optional
        Setting of the runs' configs (an inner one as "outer.inner"): runs with the same value share a colour, and a legend names it.
        By default each run has its own.

    Returns
    -------
    matplotlib Figure
        700 px wide at 100 dots per inch. Where a value is missing or not finite, the curve has a gap and the bar is replaced by words.

    Raises
    ------
    InputError
        If there is no run, or no run has the metric, the score or the setting.
    """
    _check(runs, metric, score, by)
    groups = [_setting(run, by) if by else str(i) for i, run in enumerate(runs)]
    ranks = {group: rank for rank, group in enumerate(dict.fromkeys(groups))}
    looks = [_look(ranks[group]) for group in groups]
    figure = plt.figure(figsize=(WIDTH, CURVES + 0.6 + BAR * len(runs)), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=[CURVES, 0.6 + BAR * len(runs)])
    losses, metrics, bars = (figure.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :]))
    for run, (colour, line, _) in zip(runs, looks, strict=True):
        if "validation_loss" in run.history:
            _curve(losses, run.history, "loss", color=colour, linestyle=line, alpha=0.35)
            _curve(losses, run.history, "validation_loss", color=colour, linestyle=line)
        else:
            _curve(losses, run.history, "loss", color=colour, linestyle=line)
        _curve(metrics, run.history, metric, color=colour, linestyle=line)
    faint = any({"loss", "validation_loss"} <= set(run.history) for run in runs)
    losses.set(title="validation loss (faint: training)" if faint else "loss")
    metrics.set(title=_words(metric))
    for axis in (losses, metrics):
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _bars(bars, runs, [_score(run, metric, score) for run in runs], looks)
    bars.set_xlabel(_words(score) if score else f"best {_words(metric)} of the run")
    if by:
        styles: dict[str, dict[str, Any]] = {
            group: dict(zip(("color", "linestyle"), _look(rank), strict=False)) for group, rank in ranks.items()
        }
        handles = [Line2D([], [], label=group, **style) for group, style in styles.items()]
        metrics.legend(handles=handles, title=by, fontsize=8, title_fontsize=8)
    return figure


def _check(runs: Sequence[RunRecord], metric: str, score: str | None, by: str | None) -> None:
    """Raise where there is nothing to draw."""
    if not runs:
        raise InputError("there is no run to draw: give at least one, such as tracking.read_runs(folder)")
    _among(metric, "metric", [str(name) for run in runs for name in run.history])
    if score is not None:
        _among(score, "score", [name for run in runs for name in run.summary])
    if by is not None:
        for run in runs:
            _setting(run, by)


def _among(name: str, what: str, known: list[str]) -> None:
    """Raise InputError if a name is unknown to all runs."""
    if name not in known:
        raise InputError(
            f"no run has the {what} {name!r}: choose from {', '.join(dict.fromkeys(known)) or 'nothing: none is recorded'}"
        )


def _setting(run: RunRecord, by: str) -> str:
    """Value of a setting as text."""
    value: Any = run.config
    for key in by.split("."):
        if not isinstance(value, dict) or key not in value:
            raise InputError(f"the run {run.name!r} has no setting {by!r}: its config has {', '.join(run.config) or 'none'}")
        value = value[key]
    return str(value)


def _look(rank: int) -> tuple[str, str, str]:
    """Colour, line style and hatch of a run or group."""
    turn = rank // len(COLOURS) % len(LINES)
    return COLOURS[rank % len(COLOURS)], LINES[turn], HATCHES[turn]


def _words(name: str) -> str:
    """Name of a column as a label."""
    return name.replace("_", " ")


def _curve(axis: Axes, history: pd.DataFrame, column: str, **style: Any) -> None:
    """Draw one column of a history by epoch, or by row where no epoch was logged; NaN is a gap."""
    if column not in history:
        return
    epochs = history["epoch"] if "epoch" in history else pd.Series(range(1, len(history) + 1))
    axis.plot(epochs, history[column], marker="o", markersize=2.5, linewidth=1.3, **style)


def _score(run: RunRecord, metric: str, score: str | None) -> float:
    """Return the number that a run's bar shows; NaN where it has none."""
    if score is None:
        return best(run.history[metric]) if metric in run.history else math.nan
    value = run.summary.get(score)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _bars(axis: Axes, runs: Sequence[RunRecord], scores: list[float], looks: list[tuple[str, str, str]]) -> None:
    """One bar a run, its value written at the end; the status, where a run did not finish, stands with its name."""
    for row, (value, (colour, _, hatch)) in enumerate(zip(scores, looks, strict=True)):
        drawn = value if math.isfinite(value) else 0.0
        axis.barh(row, drawn, height=0.7, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        text = f" {value:.3f} " if math.isfinite(value) else " no value "
        axis.text(drawn, row, text, ha="right" if drawn < 0 else "left", va="center", fontsize=8)
    names = [run.name if run.status == "finished" else f"{run.name} ({run.status})" for run in runs]
    axis.set_yticks(range(len(runs)), names, fontsize=8)
    axis.set_ylim(len(runs) - 0.4, -0.6)
    axis.margins(x=0.12)
    axis.axvline(0, color=PALETTE["black"], linewidth=0.8)
