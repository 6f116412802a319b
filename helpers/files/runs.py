"""Runs: the stretches of an array in which a condition holds or a value stays the same."""

from __future__ import annotations

import numpy as np


def true_runs(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs of True.

    Parameters
    ----------
    mask : bool array, shape (length,)

    Returns
    -------
    starts, ends : int64 arrays, shape (runs,)
        0-based and half-open, in order.
    """
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return edges[::2], edges[1::2]


def value_runs(values: np.ndarray, width: int = 1, *, zeros: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn the bins of a chromosome into intervals of equal value, as a bedGraph holds them and `write_bigwig` takes them.

    Parameters
    ----------
    values : array, shape (bins,)
        At least one bin; neighbouring NaN are equal.
    width : int
        Width of a bin in bp.
    zeros : bool
        Whether runs of 0 are given, too.

    Returns
    -------
    starts, ends : int64 arrays, shape (runs,)
        In bp, 0-based and half-open.
    values : float32 array, shape (runs,)
    """
    data = values.astype(np.float32)
    changed = (data[1:] != data[:-1]) & ~(np.isnan(data[1:]) & np.isnan(data[:-1]))
    first = np.concatenate([[0], np.flatnonzero(changed) + 1])
    last = np.append(first[1:], len(data))
    kept = np.ones(len(first), bool) if zeros else data[first] != 0
    return first[kept] * width, last[kept] * width, data[first[kept]]


def count_within(sizes: np.ndarray) -> np.ndarray:
    """Count the places of each run from 0: of sizes 2 and 3, [0, 1, 0, 1, 2].

    Parameters
    ----------
    sizes : int array, shape (runs,)

    Returns
    -------
    int64 array, shape (sum of sizes,)
    """
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
