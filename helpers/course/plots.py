"""Figures of the lessons: one style, colours that stay distinct under colour blindness, alternative text for every picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

# Okabe & Ito (2008), "Color universal design": eight colours that stay distinct under the common forms of colour blindness.
PALETTE = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
}
BASE_COLOURS = {"A": PALETTE["green"], "C": PALETTE["blue"], "G": PALETTE["orange"], "T": PALETTE["vermilion"]}
_WIDTH = 7.0  # inches; at 100 dots per inch the 700 px that a notebook column shows without shrinking


def use_course_style() -> None:
    """Set matplotlib's defaults for a lesson: palette, font sizes, no frame at the top and right, 700 px wide."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": plt.cycler(color=list(PALETTE.values())[:6]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "figure.dpi": 100,
            "figure.figsize": (_WIDTH, 3.2),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "legend.frameon": False,
            "savefig.dpi": 100,
        }
    )


def show(figure: Figure, alt: str) -> None:
    """Display a figure with its alternative text, and close it.

    Parameters
    ----------
    figure : matplotlib Figure
        What to draw; it is closed afterwards, so that the notebook does not draw it twice.
    alt : str
        What a reader who cannot see the picture needs: what is drawn, and what it shows. It is also the output's plain text.
    """
    picture = io.BytesIO()
    figure.savefig(picture, format="png", facecolor="white")
    plt.close(figure)
    encoded = base64.b64encode(picture.getvalue()).decode()
    display({"image/png": encoded, "text/plain": alt}, metadata={"image/png": {"alt": alt}}, raw=True)


@dataclass(frozen=True)
class SignalRow:
    """A track in a browser picture: one value a bin.

    Parameters
    ----------
    label, unit : str
        Name of the track and the unit of its values, drawn at the left.
    values : array, shape (bins,)
        Signal from the picture's `start`, in bins of `bin_size` bp; NaN is a grey band, so that missing is not read as zero.
    bin_size : int
        Width of a bin in bp.
    colour : str
        A matplotlib colour.
    line : float or None
        Height of a dashed line, such as a threshold.
    top : float or None
        Upper end of the axis, where several rows should share one.
    """

    label: str
    values: np.ndarray
    bin_size: int
    unit: str = ""
    colour: str = PALETTE["blue"]
    line: float | None = None
    top: float | None = None


@dataclass(frozen=True)
class IntervalRow:
    """A row of annotation in a browser picture: a box an interval.

    Parameters
    ----------
    label : str
        What the intervals are.
    table : DataFrame with columns start, end and, where there are any, name and strand ("+", "-" or ".")
        Intervals on the picture's chromosome; those outside the picture are left out.
    colour : str
        A matplotlib colour.
    names : bool
        Write each interval's name into the row.
    """

    label: str
    table: pd.DataFrame = field(repr=False)
    colour: str = PALETTE["black"]
    names: bool = False


def genome_browser(chrom: str, start: int, end: int, rows: Sequence[SignalRow | IntervalRow], title: str) -> Figure:
    """Draw tracks and annotations above one another on a shared axis in bp, as a genome browser does.

    Parameters
    ----------
    chrom, start, end : str, int, int
        The part of the genome to draw, 0-based and half-open.
    rows : sequence of SignalRow and IntervalRow
        From top to bottom.
    title : str
        What the picture shows.

    Returns
    -------
    matplotlib Figure
    """
    heights = [1.0 if isinstance(row, SignalRow) else 0.42 for row in rows]
    figure, axes = plt.subplots(
        len(rows), 1, sharex=True, squeeze=False, height_ratios=heights, figsize=(_WIDTH, 0.9 + 0.85 * sum(heights))
    )
    for axis, row in zip(axes[:, 0], rows, strict=True):
        if isinstance(row, SignalRow):
            _draw_signal(axis, row, start)
        else:
            _draw_intervals(axis, row, start, end)
        axis.set_ylabel(
            f"{row.label}\n{row.unit}" if isinstance(row, SignalRow) and row.unit else row.label,
            rotation=0, ha="right", va="center", fontsize=8,
        )  # fmt: skip
    axes[0, 0].set_title(title)
    last = axes[-1, 0]
    last.set_xlim(start, end)
    label_positions(last, chrom)
    return figure


def label_positions(axis: Axes, chrom: str) -> None:
    """Label a horizontal axis as positions on a chromosome in bp, such as 1.04 M."""
    axis.set_xlabel(f"position on {chrom} (bp)")
    axis.xaxis.set_major_formatter(EngFormatter(sep=" "))


def _draw_signal(axis: Axes, row: SignalRow, start: int) -> None:
    """One track as a filled step line, with grey bands where it has no value."""
    values = np.asarray(row.values, dtype=float)
    edges = start + row.bin_size * np.arange(len(values) + 1)
    missing = ~np.isfinite(values)
    axis.stairs(np.where(missing, 0, values), edges, fill=True, color=row.colour, linewidth=0)
    axis.stairs(missing.astype(float), edges, fill=True, color="0.85", transform=axis.get_xaxis_transform(), linewidth=0)
    if row.line is not None:
        axis.axhline(row.line, color=PALETTE["black"], linewidth=0.8, linestyle="--")
    axis.set_ylim(bottom=min(0.0, float(np.nanmin(values, initial=0.0))), top=row.top)
    axis.tick_params(labelsize=7)
    axis.locator_params(axis="y", nbins=3)


def _draw_intervals(axis: Axes, row: IntervalRow, start: int, end: int) -> None:
    """One row of boxes; a strand, where there is one, is drawn as an arrow head in boxes that have room for it."""
    inside = row.table[(row.table["end"] > start) & (row.table["start"] < end)]
    left = inside["start"].clip(lower=start)
    width = inside["end"].clip(upper=end) - left
    axis.barh(0.0, width, left=left, height=0.6, color=row.colour, edgecolor=row.colour, linewidth=0.8)  # or narrow ones vanish
    middles = left + width / 2
    if "strand" in inside:
        wide = width > (end - start) / 100
        for strand, marker in (("+", ">"), ("-", "<")):
            chosen = middles[(inside["strand"] == strand) & wide]
            axis.plot(chosen, np.zeros(len(chosen)), marker, color="white", markersize=3)
    if row.names and "name" in inside:
        for middle, name in zip(middles, inside["name"], strict=True):
            axis.text(middle, 0.45, name, ha="center", va="bottom", fontsize=6, clip_on=True)
    axis.set_ylim(-0.5, 1.2 if row.names else 0.5)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)


def every_seed(
    table: pd.DataFrame, x: str, y: str, *, axis: Axes, colour: str = PALETTE["blue"], label: str | None = None
) -> None:
    """Draw a measurement against a condition: each seed as a dot, the mean over seeds as a line.

    Parameters
    ----------
    table : DataFrame with the columns `x` and `y`
        One row a condition and seed.
    x, y : str
        Column of the condition (numbers) and of the measurement.
    axis : matplotlib Axes
        Where to draw.
    colour, label : str
        Of the line, for the legend.
    """
    means = table.groupby(x)[y].mean()
    axis.plot(means.index, means.to_numpy(), color=colour, label=label, linewidth=1.5)
    axis.plot(table[x], table[y], "o", color=colour, markersize=4, alpha=0.5, markeredgewidth=0)


def every_condition(
    table: pd.DataFrame, condition: str, value: str, *, axis: Axes, colours: Mapping[str, str] | None = None
) -> None:
    """Draw a measurement under named conditions: a row each, in order of appearance, with every seed as a dot and the mean as a bar.

    Parameters
    ----------
    table : DataFrame with the columns `condition` and `value`
        One row a condition and seed.
    condition, value : str
        Column of the condition's name and of the measurement.
    axis : matplotlib Axes
        Where to draw.
    colours : mapping of str to str, optional
        Colour of a condition; blue otherwise.
    """
    names = list(dict.fromkeys(table[condition]))
    for row, name in enumerate(names):
        values = table.loc[table[condition] == name, value].to_numpy()
        colour = (colours or {}).get(name, PALETTE["blue"])
        axis.plot(values, np.full(len(values), row), "o", color=colour, markersize=5, alpha=0.5, markeredgewidth=0)
        axis.plot([values.mean()] * 2, [row - 0.3, row + 0.3], color=colour, linewidth=2)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)


def motif_logo(frequencies: np.ndarray, *, axis: Axes, title: str) -> None:
    """Draw a motif as a logo in bits: tall letters are positions where the protein tolerates no other base.

    Parameters
    ----------
    frequencies : array, shape (length, 4)
        Share of A, C, G, T at each position; each row sums to 1.
    axis : matplotlib Axes
        Where to draw.
    title : str
        Name of the motif.

    Notes
    -----
    The height of a column is its information against a uniform background, 2 - entropy (Schneider & Stephens 1990).
    """
    import logomaker

    table = pd.DataFrame(np.asarray(frequencies, dtype=float), columns=list("ACGT"))
    information = logomaker.transform_matrix(table, from_type="probability", to_type="information", background=[0.25] * 4)
    logomaker.Logo(information, ax=axis, color_scheme=BASE_COLOURS, show_spines=False)
    axis.set(title=title, ylim=(0, 2), xticks=[], ylabel="bits")
