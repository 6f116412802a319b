"""Writing bigWig tracks."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyBigWig

from helpers.errors import InputError
from helpers.files.bigwig_format import SUMMARY, read_layout
from helpers.files.placing import replacing, reserve_space

_CHUNK = 1_000_000  # intervals
_ENTRY_BYTES = 13  # most that an interval takes
_ZOOM_BYTES = 33

Intervals: TypeAlias = tuple[Any, Any, Any]


class _Summary:
    """Covered bases, minimum, maximum, sum and sum of squares of the finite values written so far."""

    def __init__(self) -> None:
        self.covered, self.low, self.high, self.total, self.squares = 0, math.inf, -math.inf, 0.0, 0.0
        self.intervals, self.bases = 0, 0

    def add(self, lengths: np.ndarray, values: np.ndarray) -> None:
        """Count intervals in; NaN does not cover a base."""
        self.intervals, self.bases = self.intervals + len(values), self.bases + int(lengths.sum())
        kept = np.isfinite(values)
        if kept.any():
            size, value = lengths[kept], values[kept].astype(np.float64)
            self.covered += int(size.sum())
            self.low, self.high = min(self.low, float(value.min())), max(self.high, float(value.max()))
            self.total += float((size * value).sum())
            self.squares += float((size * value * value).sum())

    def packed(self) -> bytes:
        """Return the bytes of the summary; a track without a value says 0."""
        low, high = (self.low, self.high) if self.covered else (0.0, 0.0)
        return SUMMARY.pack(self.covered, low, high, self.total, self.squares)


def _closing_bytes(lengths: Mapping[str, int], summary: _Summary, zoom_levels: int) -> int:
    """Most bytes that the list of chromosomes, the indexes and the zoom levels of what has been written can take."""
    names = sum(len(chrom.encode()) + 8 for chrom in lengths) + len(lengths) * max(len(chrom) for chrom in lengths)
    width = 4 * max(
        1, summary.bases // max(1, summary.intervals)
    )  # pyBigWig's first level is wider, and each is 4 times the one before
    zooms = [min(summary.intervals, sum(lengths.values()) // (width * 4**i) + len(lengths)) for i in range(zoom_levels)]
    return 200_000 + names + summary.intervals // 10 + sum(zooms) * _ZOOM_BYTES


def _checked(
    chrom: str, intervals: Intervals, length: int, name: str, previous_end: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return starts, ends and float32 values, or raise an error that names the first interval out of place."""
    starts, ends = (np.atleast_1d(np.asarray(column)) for column in intervals[:2])
    values = np.atleast_1d(np.asarray(intervals[2], dtype=np.float32))
    if not len(starts) == len(ends) == len(values):
        raise InputError(
            f"{name}: {chrom} has {len(starts)} starts, {len(ends)} ends and {len(values)} values; give as many of each"
        )
    if len(starts) and (starts.dtype.kind not in "ui" or ends.dtype.kind not in "ui"):
        raise InputError(f"{name}: starts and ends of {chrom} are {starts.dtype} and {ends.dtype}; give integers")
    starts, ends = starts.astype(np.int64), ends.astype(np.int64)
    before = np.concatenate([[previous_end], ends[:-1]])
    wrong = (starts < before) | (ends <= starts) | (ends > length)
    if wrong.any():
        i = int(wrong.argmax())
        raise InputError(
            f"{name}: interval {chrom}:{starts[i]}-{ends[i]} is empty, out of order, overlaps the one before, or ends after {length}: "
            "sort and merge the intervals"
        )
    if np.isinf(values).any():
        i = int(np.isinf(values).argmax())
        raise InputError(
            f"{name}: value at {chrom}:{starts[i]}-{ends[i]} is infinite as float32; clip it, or use NaN for no data"
        )
    return starts, ends, values


def _pieces(
    lengths: Mapping[str, int], intervals: Mapping[str, Intervals] | Iterable[tuple[str, Any, Any, Any]], name: str
) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield checked intervals in the order of `lengths`, at most a million at a time."""
    order = {chrom: i for i, chrom in enumerate(lengths)}
    items: Iterable[tuple[str, Any, Any, Any]]
    if isinstance(intervals, Mapping):
        unknown = [chrom for chrom in intervals if chrom not in order]
        if unknown:
            raise InputError(f"{name}: chromosome {unknown[0]!r} has intervals but no length; add it to lengths=")
        items = ((chrom, *intervals[chrom]) for chrom in lengths if chrom in intervals)
    else:
        items = intervals
    last, previous_end = -1, 0
    for chrom, *columns in items:
        if order.get(chrom, -1) < max(last, 0):
            raise InputError(
                f"{name}: chromosome {chrom!r} is not in lengths=, or comes too late; give chromosomes in that order"
            )
        if order[chrom] > last:
            last, previous_end = order[chrom], 0
        starts, ends, values = _checked(chrom, (columns[0], columns[1], columns[2]), lengths[chrom], name, previous_end)
        for low in range(0, len(starts), _CHUNK):
            part = slice(low, low + _CHUNK)
            yield chrom, starts[part], ends[part], values[part]
        previous_end = int(ends[-1]) if len(ends) else previous_end


def write_bigwig(
    path: str | os.PathLike[str],
    lengths: Mapping[str, int],
    intervals: Mapping[str, Intervals] | Iterable[tuple[str, Any, Any, Any]],
    zoom_levels: int = 10,
) -> None:
    """Write a bigWig, whole or not at all.

    A NaN is written as an explicit interval and not counted in the summary. The zoom levels of a stretch with NaN are NaN.

    Parameters
    ----------
    path : path
        The file to write; one that exists is replaced.
    lengths : mapping of str to int
        Length of each chromosome in bp, in the order in which they are written.
    intervals : mapping of str to (starts, ends, values), or iterable of (chrom, starts, ends, values)
        0-based half-open intervals, sorted, without overlap; values are stored as float32 and may be NaN. A mapping may have any
        order. An iterable follows the order of `lengths` and may give a chromosome in several pieces, so that a track of any size
        can be written in little memory.
    zoom_levels : int
        Zoom levels at most; 0 for none.

    Raises
    ------
    InputError
        If a chromosome is unknown or out of order, intervals overlap or leave their chromosome, or a value is infinite.
    OSError
        If the file cannot be written, such as on a full disk.
    """
    target = Path(path)
    if not lengths or min(lengths.values()) < 1:
        raise InputError(f"{target}: lengths= is {dict(lengths)}; give at least one chromosome, each of 1 bp or more")
    summary = _Summary()
    with replacing(target) as temporary:
        _reserve(temporary, target, _closing_bytes(lengths, summary, zoom_levels))
        handle = pyBigWig.open(str(temporary), "w")
        try:
            handle.addHeader([(chrom, int(length)) for chrom, length in lengths.items()], maxZooms=zoom_levels)
            for chrom, starts, ends, values in _pieces(lengths, intervals, target.name):
                summary.add(ends - starts, values)
                _reserve(temporary, target, len(starts) * _ENTRY_BYTES + _closing_bytes(lengths, summary, zoom_levels))
                handle.addEntries([chrom] * len(starts), starts, ends=ends, values=values)
        except RuntimeError as error:
            raise OSError(f"{target} could not be written ({error}); is the disk full?") from error
        finally:
            handle.close()
        _finish(temporary, target, summary)


def _reserve(temporary: Path, target: Path, more: int) -> None:
    """Raise on a full disk before pyBigWig, which crashes there, writes so many bytes."""
    try:
        reserve_space(temporary, more)
    except OSError as error:
        raise OSError(error.errno, f"{target} could not be written: {error.strerror}; make room") from error


def _finish(temporary: Path, target: Path, summary: _Summary) -> None:
    """Check that the file is whole, and write the summary: pyBigWig's is NaN as soon as one value is."""
    try:
        layout = read_layout(temporary)
    except InputError as error:
        raise OSError(f"{target} could not be written whole ({error}); is the disk full?") from error
    if layout.summary_offset:
        with temporary.open("r+b") as handle:
            handle.seek(layout.summary_offset)
            handle.write(summary.packed())
