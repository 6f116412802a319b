"""What batches can show of a prepared data set: read once each, a stretch at a time, and known by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from helpers.prepare.batches import WindowBatches

BINS_AT_ONCE = 1 << 20


def reached_runs(batches: WindowBatches) -> np.ndarray:
    """Join the stretches of bins that the windows can reach, so that each bin is in one run only.

    Parameters
    ----------
    batches : WindowBatches
        Any.

    Returns
    -------
    int64 array, shape (runs, 2)
        First row of the prepared targets and the row after the last, in ascending order.
    """
    first, last = batches.reach()
    order = np.argsort(first, kind="stable")
    first, last = first[order], np.maximum.accumulate(last[order])
    begins = np.flatnonzero(np.append(True, first[1:] > last[:-1]))
    return np.stack([first[begins], last[np.append(begins[1:] - 1, len(last) - 1)]], axis=1)


def reached_bins(batches: WindowBatches) -> Iterator[np.ndarray]:
    """List the bins within reach, each once and in ascending order: int64 arrays of at most 2**20 rows of the prepared targets."""
    runs = reached_runs(batches)
    lengths = runs[:, 1] - runs[:, 0]
    begins, total = np.cumsum(lengths) - lengths, int(lengths.sum())
    for start in range(0, total, BINS_AT_ONCE):
        place = np.arange(start, min(start + BINS_AT_ONCE, total))
        run = np.searchsorted(begins, place, "right") - 1
        yield runs[run, 0] + place - begins[run]


def known_extremes(batches: WindowBatches) -> np.ndarray:
    """Find three targets of each track that stand for all that batches can show.

    Parameters
    ----------
    batches : WindowBatches
        With `missing="mask"`, bins in which a track is missing are passed over; else a NaN makes all three of its track NaN.

    Returns
    -------
    float32 array, shape (3, tracks)
        The least, the greatest, and one that lies between them (the least where none does); no rows where no bin has data.
    """
    found = np.empty((0, batches.prepared.targets.shape[1]), np.float32)
    for bins in reached_bins(batches):
        values = np.asarray(batches.prepared.targets[bins], np.float32)
        if batches.missing == "mask":
            values = values[~np.isnan(values).any(axis=1)]
        seen = np.concatenate([found, values])
        if len(seen):
            least, greatest = seen.min(axis=0), seen.max(axis=0)
            between = (seen > least) & (seen < greatest)
            middle = np.where(between.any(axis=0), seen[between.argmax(axis=0), np.arange(seen.shape[1])], least)
            found = np.stack([least, greatest, middle])
    return found


def describe(batches: WindowBatches) -> dict[str, Any]:
    """Say all that decides what batches show: their arguments, and digests of the regions and of the data within reach.

    Parameters
    ----------
    batches : WindowBatches
        Any; what is within its reach is read once.

    Returns
    -------
    dict
        Equal for two objects, also of two processes, where every batch of every epoch is equal. Ready for JSON.
    """
    prepared = batches.prepared
    sequence = np.asarray(prepared.codes).reshape(-1, prepared.bin_size)
    data, regions = hashlib.sha256(), hashlib.sha256()
    for bins in reached_bins(batches):
        data.update(np.ascontiguousarray(prepared.targets[bins], np.float32).data)
        data.update(np.ascontiguousarray(sequence[bins], np.uint8).data)
    for edges in (*batches.reach(moved=False), *batches.reach()):
        regions.update(np.ascontiguousarray(edges, np.int64).data)
    return {
        **{name: int(getattr(batches, name)) for name in ("window", "batch_size", "seed", "jitter")},
        **{name: bool(getattr(batches, name)) for name in ("reverse_complement", "shuffle", "drop_last")},
        "missing": batches.missing,
        "stranded": None if batches.stranded is None else [int(track) for track in batches.stranded],
        "bin_size": prepared.bin_size,
        "tracks": list(prepared.tracks),
        "windows": batches.windows,
        "regions": regions.hexdigest(),
        "data": data.hexdigest(),
    }
