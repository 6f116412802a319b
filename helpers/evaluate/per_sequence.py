"""Scores of each sequence on its own, around its own mean: whether a model got the shape of this profile.

All take arrays (sequences, bins, tracks) and give (sequences, tracks), NaN where a score is not defined. No warning is given for that: among
many sequences some are silent. Average with `numpy.nanmean`, and say how many are left.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import rel_entr
from scipy.stats import rankdata

from helpers.errors import InputError
from helpers.evaluate.pairs import VALUES_AT_ONCE, Pairs, check_pair, nothing_to_score, refuse_infinite

NAMES = ("truth", "predicted")


def pearson_per_sequence(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Pearson correlation along the bins of each sequence and track (Toneyan et al. 2022, Methods).

    Parameters
    ----------
    truth, predicted : array, shape (sequences, bins, tracks)
        Observed and predicted signal; bins in which either is NaN are left out.

    Returns
    -------
    float64 array, shape (sequences, tracks)
        -1 to 1. NaN, without a warning, where the bins left are fewer than two, or constant in either array.

    Raises
    ------
    InputError
        If the shapes differ or have not three axes, no pair is left without a NaN, or a value is infinite.
    """
    return _each_sequence(truth, predicted, _pearson)


def spearman_per_sequence(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Spearman correlation along the bins of each sequence and track, ties at their mean rank.

    Parameters
    ----------
    truth, predicted : array, shape (sequences, bins, tracks)
        Observed and predicted signal; bins in which either is NaN are left out.

    Returns
    -------
    float64 array, shape (sequences, tracks)
        -1 to 1. NaN, without a warning, where the bins left are fewer than two, or constant in either array.

    Raises
    ------
    InputError
        As `pearson_per_sequence`.
    """
    return _each_sequence(truth, predicted, lambda x, y: _pearson(_ranks(x), _ranks(y)))


def jensen_shannon_per_sequence(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance of the profiles of each sequence and track, taken as distributions over its bins.

    Blind to magnitude: each profile is divided by its sum. The distance is the square root of the divergence in bits
    (Endres and Schindelin 2003, IEEE Transactions on Information Theory 49:1858).

    Parameters
    ----------
    truth, predicted : array, shape (sequences, bins, tracks)
        Observed and predicted signal, 0 or more; bins in which either is NaN are left out.

    Returns
    -------
    float64 array, shape (sequences, tracks)
        0 (equal) to 1 (no bin in common). NaN, without a warning, where either profile sums to 0.

    Raises
    ------
    InputError
        As `pearson_per_sequence`, and if a value is negative.
    """
    return _each_sequence(truth, predicted, _jensen_shannon)


def _each_sequence(truth: np.ndarray, predicted: np.ndarray, score: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
    """Score some sequences at a time, in float64, NaN in the same places of both arrays."""
    first, second = check_pair(truth, predicted, NAMES)
    if first.ndim != 3:
        raise InputError(f"truth has shape {first.shape}: give (sequences, bins, tracks); a single track is array[..., None]")
    scores, any_known = np.full((first.shape[0], first.shape[2]), np.nan), False
    step = max(1, VALUES_AT_ONCE // max(1, first.shape[1] * first.shape[2]))
    for low in range(0, len(first) if first.size else 0, step):
        part = slice(low, low + step)
        x, y = first[part].astype(np.float64), second[part].astype(np.float64)
        missing = np.isnan(x) | np.isnan(y)
        x[missing] = y[missing] = np.nan
        for name, values in zip(NAMES, (x, y), strict=True):
            refuse_infinite(values, name)
        any_known |= not missing.all()
        with np.errstate(divide="ignore", invalid="ignore"):
            scores[part] = score(x, y)
    if not any_known:
        raise nothing_to_score(Pairs(first.reshape(-1), second.reshape(-1), NAMES))
    return scores


def _pearson(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlate along axis 1."""
    x, y = _standardised(x), _standardised(y)
    norm = np.sqrt(np.nansum(x * x, axis=1) * np.nansum(y * y, axis=1))
    return np.clip(np.nansum(x * y, axis=1) / norm, -1, 1)  # 0 / 0 where nothing varies


def _standardised(values: np.ndarray) -> np.ndarray:
    """Take off the mean along axis 1 and divide by the range; all NaN where the range is exactly 0."""
    low, high = np.fmin.reduce(values, axis=1, keepdims=True), np.fmax.reduce(values, axis=1, keepdims=True)
    count = np.isfinite(values).sum(axis=1, keepdims=True)
    mean = np.nansum(values, axis=1, keepdims=True) / count
    return (values - mean) / np.where(high > low, high - low, np.nan)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank along axis 1; NaN stays."""
    return rankdata(values, axis=1, nan_policy="omit" if np.isnan(values).any() else "propagate")


def _jensen_shannon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance along axis 1; rounding below 0 is cut off, which SciPy's `jensenshannon` may turn into NaN."""
    for name, values in zip(NAMES, (x, y), strict=True):
        if (values < 0).any():
            raise InputError(f"{name} holds {np.nanmin(values):g}: a profile to take as a distribution is 0 or more")
    p, q = (values / np.nansum(values, axis=1, keepdims=True) for values in (np.nan_to_num(x), np.nan_to_num(y)))
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / 2 / np.log(2)
    return np.sqrt(np.clip(divergence, 0, 1))
