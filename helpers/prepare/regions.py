"""Regions to train and test on: tiles, peaks, windows around summits, bins above a threshold, gaps, what to exclude, what to merge.

All are tables with the columns `chrom`, `start`, `end` and an index 0, 1, 2, ...; what a filter left out is in `filter_counts(table)`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import bioframe
import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.files.bed import read_bed, summits
from helpers.files.fasta import Genome, gap_intervals
from helpers.files.runs import true_runs
from helpers.prepare.background import gc_matched, gc_of
from helpers.prepare.tables import COLUMNS, check_regions, filter_counts, keep, lies_inside, reduce_ranges, table_of, within

__all__ = [
    "align",
    "centred",
    "check_regions",
    "covered_bases",
    "exclude",
    "filter_counts",
    "gaps",
    "gc_matched",
    "gc_of",
    "keep",
    "label_windows",
    "merge",
    "overlaps",
    "peaks",
    "table_of",
    "thresholded_bins",
    "tile",
    "windows_above",
    "within",
]


def tile(
    lengths: Mapping[str, int], window: int, stride: int | None = None, chroms: Collection[str] | None = None
) -> pd.DataFrame:
    """Lay windows of one width along chromosomes; only whole windows, so a chromosome's last few bases may be in none.

    Parameters
    ----------
    lengths : mapping
        Chromosome lengths in bp.
    window, stride : int
        Width of a window and distance between two starts, in bp; by default windows touch and do not overlap.
    chroms : collection of str, optional
        Chromosomes to tile, all by default.

    Returns
    -------
    DataFrame
        `chrom`, `start`, `end`.

    Raises
    ------
    InputError
        If a width is below 1 or a chromosome is unknown.
    """
    stride = window if stride is None else stride
    if window < 1 or stride < 1:
        raise InputError(f"window is {window} and stride {stride}: both are at least 1 bp")
    chosen = list(lengths) if chroms is None else list(chroms)
    unknown = [chrom for chrom in chosen if chrom not in lengths]
    if unknown:
        raise InputError(f"chromosome {unknown[0]!r} cannot be tiled: choose among {', '.join(lengths)}")
    starts = [np.arange(0, lengths[chrom] - window + 1, stride, dtype=np.int64) for chrom in chosen]
    names = np.repeat(np.array(chosen, object), [len(part) for part in starts])
    joined = np.concatenate(starts) if starts else np.empty(0, np.int64)
    return table_of(names, joined, joined + window)


def peaks(path: str | Path, aliases: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read called peaks, each with its summit.

    Parameters
    ----------
    path : path
        BED or narrowPeak file, `track` lines and all.
    aliases : mapping, optional
        Other names of chromosomes.

    Returns
    -------
    DataFrame
        The file's columns; `summit` is the position of the summit in bp (int64), the middle of the peak where none was called.
    """
    table = read_bed(path, aliases=aliases)
    return table.assign(summit=summits(table))


def centred(regions: pd.DataFrame, window: int, lengths: Mapping[str, int]) -> pd.DataFrame:
    """Put a window of one width around the summit (or the middle) of each region.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`, and `summit` where `peaks` read it.
    window : int
        Width in bp; of an even width the base right of the middle is the summit.
    lengths : mapping
        Chromosome lengths in bp.

    Returns
    -------
    DataFrame
        `chrom`, `start`, `end`; windows that would leave their chromosome are dropped, and counted.
    """
    if window < 1:
        raise InputError(f"window is {window}: it has at least 1 bp")
    middle = (regions["start"] + regions["end"]) // 2
    start = regions.get("summit", middle).to_numpy(np.int64) - window // 2
    table = table_of(regions["chrom"].tolist(), start, start + window)
    table.attrs = dict(regions.attrs)
    return keep(table, lies_inside(table, lengths), f"{window:,}-bp windows inside their chromosome")


def align(regions: pd.DataFrame, bin_size: int) -> pd.DataFrame:
    """Move regions down to the bin grid, by less than a bin, keeping their widths: batches need windows that start with a bin."""
    start = regions["start"] // bin_size * bin_size
    return regions.assign(start=start, end=start + regions["end"] - regions["start"]).reset_index(drop=True)


def thresholded_bins(
    signal: Mapping[str, np.ndarray], lengths: Mapping[str, int], bin_size: int, threshold: float
) -> pd.DataFrame:
    """Find the stretches of neighbouring bins whose value is above a threshold.

    Parameters
    ----------
    signal : mapping of str to array, shape (bins,)
        Binned values of each chromosome; NaN is never above.
    lengths : mapping
        Chromosome lengths in bp; a chromosome's last bin ends with it.
    bin_size : int
        In bp.
    threshold : float
        In the units of the signal.

    Returns
    -------
    DataFrame
        `chrom`, `start`, `end`, one row per stretch.

    Raises
    ------
    InputError
        If a chromosome has another number of bins than its length asks for.
    """
    parts = []
    for chrom, values in signal.items():
        bins = -(-lengths[chrom] // bin_size)
        if np.shape(values) != (bins,):
            raise InputError(
                f"signal of {chrom} has shape {np.shape(values)}: {lengths[chrom]:,} bp are {bins:,} bins of {bin_size} bp"
            )
        starts, ends = true_runs(np.asarray(values) > threshold)
        parts.append(table_of([chrom] * len(starts), starts * bin_size, np.minimum(ends * bin_size, lengths[chrom])))
    return pd.concat(parts, ignore_index=True) if parts else table_of([], np.empty(0), np.empty(0))


def gaps(genome: Genome, chroms: Collection[str] | None = None, min_length: int = 1) -> pd.DataFrame:
    """Find the runs of unknown bases (N) of a genome.

    Parameters
    ----------
    genome : Genome
        Open FASTA.
    chroms : collection of str, optional
        Chromosomes to look at, all by default.
    min_length : int
        Shortest run to report, in bp.

    Returns
    -------
    DataFrame
        `chrom`, `start`, `end`.
    """
    parts = []
    for chrom in genome.names if chroms is None else chroms:
        found = gap_intervals(genome.codes(chrom), min_length)
        parts.append(table_of([chrom] * len(found), found[:, 0], found[:, 1]))
    return pd.concat(parts, ignore_index=True) if parts else table_of([], np.empty(0), np.empty(0))


def exclude(regions: pd.DataFrame, excluded: pd.DataFrame, what: str = "the exclusion list") -> pd.DataFrame:
    """Drop every region that shares a base with an excluded one, such as gaps or an exclusion list; `what` names them in the counts."""
    return keep(regions, ~overlaps(regions, excluded), f"clear of {what}")


def overlaps(regions: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Tell for each region whether it shares a base with any of the others: bool array, shape (regions,)."""
    return covered_bases(regions, others) > 0


def covered_bases(regions: pd.DataFrame, others: pd.DataFrame) -> np.ndarray:
    """Count the bases of each region that the others cover, each base once: int64 array, shape (regions,)."""
    if not len(regions) or not len(others):
        return np.zeros(len(regions), np.int64)
    plain = regions[COLUMNS].reset_index(drop=True)
    return bioframe.coverage(plain, others[COLUMNS].reset_index(drop=True))["coverage"].to_numpy(np.int64)


def merge(regions: pd.DataFrame, distance: int = 0) -> pd.DataFrame:
    """Join regions that overlap, touch, or lie at most `distance` bp apart: `chrom`, `start`, `end`, sorted."""
    if not len(regions):
        return table_of([], np.empty(0), np.empty(0))
    joined = bioframe.merge(regions[COLUMNS], min_dist=distance)
    return table_of(joined["chrom"].tolist(), joined["start"].to_numpy(), joined["end"].to_numpy())


def label_windows(windows: pd.DataFrame, positives: pd.DataFrame, min_overlap: int = 1) -> np.ndarray:
    """Label windows for classification.

    Parameters
    ----------
    windows, positives : DataFrame
        Columns `chrom`, `start`, `end`; positives are peaks, for example.
    min_overlap : int
        Bases of a window that positives must cover.

    Returns
    -------
    bool array, shape (windows,)

    Raises
    ------
    InputError
        If `min_overlap` is below 1.
    """
    if min_overlap < 1:
        raise InputError(f"min_overlap is {min_overlap}: a positive window shares at least 1 bp with a peak")
    return covered_bases(windows, positives) >= min_overlap


def window_values(
    windows: pd.DataFrame, signal: Mapping[str, np.ndarray], bin_size: int, statistic: Literal["max", "mean"] = "max"
) -> np.ndarray:
    """Find the largest bin, or the mean, of each window.

    Parameters
    ----------
    windows : DataFrame
        Columns `chrom`, `start`, `end`, both ends on multiples of `bin_size`.
    signal : mapping of str to array, shape (bins,)
        Binned values; bins without data (NaN) are passed over.
    bin_size : int
        In bp.
    statistic : {"max", "mean"}
        What of a window is asked for.

    Returns
    -------
    float64 array, shape (windows,)
        NaN (of a mean) or -infinity (of a maximum) where no bin has data.

    Raises
    ------
    InputError
        If a window does not begin and end with a bin, or lies past the signal.
    """
    if statistic not in ("max", "mean"):
        raise InputError(f"statistic is {statistic!r}: choose max or mean")
    bins = {chrom: len(values) * bin_size for chrom, values in signal.items()}
    check_regions(windows, bins, "windows")
    ragged = np.flatnonzero((windows["start"] % bin_size != 0) | (windows["end"] % bin_size != 0))
    if len(ragged):
        chrom, start, end = windows[COLUMNS].iloc[ragged[0]]
        raise InputError(
            f"window {chrom}:{start}-{end} does not begin and end with a bin of {bin_size} bp: tile with a multiple of it"
        )
    found = np.full(len(windows), np.nan)
    chroms = windows["chrom"].to_numpy()
    first, last = (windows[column].to_numpy() // bin_size for column in ("start", "end"))
    for chrom, values in signal.items():
        rows = np.flatnonzero(chroms == chrom)
        known = np.isfinite(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            if statistic == "max":
                found[rows] = reduce_ranges(np.maximum, np.where(known, values, -np.inf), first[rows], last[rows])
            else:
                total = reduce_ranges(np.add, np.where(known, values, 0), first[rows], last[rows], float)
                found[rows] = total / reduce_ranges(np.add, known, first[rows], last[rows], float)
    return found


def windows_above(
    windows: pd.DataFrame,
    signal: Mapping[str, np.ndarray],
    bin_size: int,
    threshold: float,
    statistic: Literal["max", "mean"] = "max",
) -> pd.DataFrame:
    """Keep windows whose largest bin, or mean, is above a threshold (in the units of the signal); parameters and errors as `window_values`."""
    above = window_values(windows, signal, bin_size, statistic) > threshold
    return keep(windows, above, f"{statistic} above {threshold:g}")
