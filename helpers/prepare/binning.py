"""Means of a bigWig's intervals over equal bins: without a value per base, without a loop, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from helpers.files.runs import count_within
from helpers.prepare.blocks import BlockReader

MOST_THREADS = 8
BLOCKS_AT_ONCE = 32  # about 1 MB of intervals, which stays in a core's cache
BINS_AT_ONCE = 1 << 22  # bounds the memory where one block of a sparse file spans a chromosome


class BinSums(NamedTuple):
    """What intervals add to a run of bins.

    first : int
        Number of the first bin.
    sums : float64 array, shape (bins,)
        Value times bases, over the bases whose value is a number.
    measured : float64 array, shape (bins,)
        Bases whose value is a number.
    missing : float64 array, shape (bins,), or None
        Bases whose interval says NaN; None where there are none.
    """

    first: int
    sums: np.ndarray
    measured: np.ndarray
    missing: np.ndarray | None


class Spans(NamedTuple):
    """Intervals in bp from the start of bin 0, and the `first` and `last` bin that each touches."""

    starts: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    last: np.ndarray


def sum_over_bins(starts: np.ndarray, ends: np.ndarray, values: np.ndarray, bin_size: int) -> BinSums:
    """Add intervals up over the bins they touch.

    Parameters
    ----------
    starts, ends : int64 array, shape (intervals,)
        Sorted and non-overlapping intervals in bp from where the first bin starts; at least one.
    values : float64 array, shape (intervals,)
        One value per interval; NaN marks bases that could not be measured.
    bin_size : int
        In bp.

    Returns
    -------
    BinSums
        For the bins from the first to the last that is touched.
    """
    origin = int(starts[0]) // bin_size
    starts, ends = starts - origin * bin_size, ends - origin * bin_size
    spans = Spans(starts, ends, starts // bin_size, (ends - 1) // bin_size)
    bins = int(spans.last[-1]) + 1
    unknown = np.isnan(values)
    if not unknown.any():
        return BinSums(origin, _weigh(spans, values, bin_size, bins), _covered(spans, bin_size, bins), None)
    known, lost = (Spans(*(row[rows] for row in spans)) for rows in (~unknown, unknown))
    sums = _weigh(known, values[~unknown], bin_size, bins)
    return BinSums(origin, sums, _covered(known, bin_size, bins), _covered(lost, bin_size, bins))


def _covered(spans: Spans, bin_size: int, bins: int) -> np.ndarray:
    """Count the bases of each bin that the spans cover."""
    starts, ends, first, last = spans
    if len(starts) and first[0] == 0 and last[-1] == bins - 1 and bool((starts[1:] == ends[:-1]).all()):
        full = np.full(bins, float(bin_size))
        full[0] -= starts[0]
        full[-1] -= bins * bin_size - ends[-1]
        return full
    return _weigh(spans, np.ones(len(starts)), bin_size, bins)


def _weigh(spans: Spans, values: np.ndarray, bin_size: int, bins: int) -> np.ndarray:
    """Add value times bases to each bin: the head of a span, its tail in the last bin it touches, and whole bins between."""
    starts, ends, first, last = spans
    head = np.minimum(ends, (first + 1) * bin_size) - starts
    sums = np.bincount(first, weights=values * head, minlength=bins)
    across = np.flatnonzero(last > first)
    tail_bin = last[across]
    sums += np.bincount(tail_bin, weights=values[across] * (ends[across] - tail_bin * bin_size), minlength=bins)
    whole = tail_bin - first[across] - 1
    wide = np.flatnonzero(whole)
    if len(wide):
        count, owner = whole[wide], across[wide]
        place = count_within(count) + np.repeat(first[owner] + 1, count)
        sums[place] += np.repeat(values[owner], count) * bin_size
    return sums


def bin_means(blocks: BlockReader, chrom: str, start: int, end: int, bin_size: int, *, zero: bool) -> np.ndarray:
    """Mean of a bigWig's values in each bin of an interval, read by several threads.

    Parameters
    ----------
    blocks : BlockReader
        The open file.
    chrom : str
        Chromosome, by its name in this file.
    start, end : int
        The interval in bp, 0-based and half-open; bins are counted from `start`.
    bin_size : int
        In bp.
    zero : bool
        Whether bases that no interval covers count as 0 (else they are left out of the mean).

    Returns
    -------
    float32 array, shape (ceil((end - start) / bin_size),)
        Bases whose interval says NaN are left out in either case; NaN where no base is left.
    """
    means = np.full(-(-(end - start) // bin_size), 0 if zero else np.nan, np.float32)
    span = BINS_AT_ONCE * bin_size
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        for low in range(start, end, span):
            high = min(low + span, end)
            found = blocks.find(chrom, low, high)
            groups = (found[k : k + BLOCKS_AT_ONCE] for k in range(0, len(found), BLOCKS_AT_ONCE))
            sums = pool.map(lambda group, low=low, high=high: _sum_blocks(blocks, chrom, group, low, high, bin_size), groups)
            here = means[(low - start) // bin_size :]
            _fill_means(here, _merge_shared_bins(part for part in sums if part is not None), bin_size, high - low, zero=zero)
    return means


def _sum_blocks(blocks: BlockReader, chrom: str, group: np.ndarray, low: int, high: int, bin_size: int) -> BinSums | None:
    """Sum some blocks over the bins of [low, high), counted from `low`; None where no interval lies there."""
    starts, ends, values = blocks.intervals(chrom, group)
    a, b = int(np.searchsorted(ends, low, side="right")), int(np.searchsorted(starts, high, side="left"))
    if a >= b:
        return None
    starts, ends = starts[a:b] - low, ends[a:b] - low
    starts[0], ends[-1] = max(starts[0], 0), min(ends[-1], high - low)
    return sum_over_bins(starts, ends, values[a:b], bin_size)


def _merge_shared_bins(parts: Iterable[BinSums]) -> Iterator[BinSums]:
    """Give each bin once: where a group of blocks ends inside a bin, the next group's share is added to it."""
    held: BinSums | None = None
    for part in parts:
        if held is None:
            held = part
            continue
        if part.first == held.first + len(held.sums) - 1:
            held, part = _join(held, part)
        if len(held.sums):
            yield held
        held = part
    if held is not None:
        yield held


def _join(held: BinSums, part: BinSums) -> tuple[BinSums, BinSums]:
    """Move the last bin of `held` into `part`, whose first bin it is."""
    part.sums[0] += held.sums[-1]
    part.measured[0] += held.measured[-1]
    missing = part.missing
    if held.missing is not None:
        missing = np.zeros(len(part.sums)) if missing is None else missing
        missing[0] += held.missing[-1]
    left = None if held.missing is None else held.missing[:-1]
    return BinSums(held.first, held.sums[:-1], held.measured[:-1], left), part._replace(missing=missing)


def _fill_means(means: np.ndarray, parts: Iterable[BinSums], bin_size: int, length: int, *, zero: bool) -> None:
    """Divide sums by the bases that count and write them into `means`, whose bins end at `length`."""
    for part in parts:
        stop = part.first + len(part.sums)
        bases = part.measured
        if zero:
            bases = np.full(len(part.sums), float(bin_size))
            bases[-1] = min(stop * bin_size, length) - (stop - 1) * bin_size
            bases -= 0 if part.missing is None else part.missing
        with np.errstate(invalid="ignore", divide="ignore"):
            means[part.first : stop] = np.where(bases > 0, part.sums / bases, np.nan)
