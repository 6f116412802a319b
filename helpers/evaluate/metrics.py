"""Scores of a predicted signal against an observed one.

Arrays are (..., bins, tracks), observed first. A NaN in either is a missing value: that pair is left out. Sums are kept in float64 and taken
piece by piece, so that a whole chromosome needs no second copy of itself. What is scored per sequence is in `per_sequence`, what changes
scale or resolution in `resolution`; both can be had from here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import xlogy
from scipy.stats import rankdata

from helpers.errors import InputError
from helpers.evaluate.pairs import (
    ConstantWarning,
    Pairs,
    Summary,
    check_pair,
    known,
    mean_over,
    pair_up,
    pieces,
    summarise,
    vary,
)
from helpers.evaluate.per_sequence import jensen_shannon_per_sequence, pearson_per_sequence, spearman_per_sequence
from helpers.evaluate.resolution import mean_ratio, rebin, scale_by_mean_ratio, smooth

__all__ = [
    "ConstantWarning",
    "jensen_shannon_per_sequence",
    "mae",
    "mean_ratio",
    "mse",
    "pearson",
    "pearson_per_sequence",
    "per_track",
    "poisson_deviance",
    "poisson_nll",
    "r2",
    "rebin",
    "scale_by_mean_ratio",
    "smooth",
    "spearman",
    "spearman_per_sequence",
]

FLOOR = 1e-7


def per_track(score: Callable[..., float], truth: np.ndarray, predicted: np.ndarray, **options: Any) -> np.ndarray:
    """Score each track on its own: `per_track(pearson, truth, predicted)`.

    Parameters
    ----------
    score : callable
        A function of this module or of `classification` that gives one number.
    truth, predicted : array, shape (..., tracks)
        Observed and predicted values.
    **options
        Passed on to `score`.

    Returns
    -------
    float64 array, shape (tracks,)

    Raises
    ------
    InputError
        If the shapes differ, there is no axis of tracks, or `score` refuses a track: the track is named.
    """
    first, second = check_pair(truth, predicted, ("truth", "predicted"))
    if first.ndim < 2:
        raise InputError(f"truth has shape {first.shape}: the last of two or more axes must be the tracks")
    scores = np.empty(first.shape[-1])
    for track in range(len(scores)):
        try:
            scores[track] = score(first[..., track], second[..., track], **options)
        except InputError as error:
            raise InputError(f"track {track}: {error}") from error
    return scores


def pearson(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation of everything given, around one mean: of whole chromosomes, Pearson's r (whole) of Toneyan et al. 2022.

    Parameters
    ----------
    truth, predicted : array, any one shape
        Observed and predicted values; tracks are pooled, so give one track, or use `per_track`.

    Returns
    -------
    float
        -1 to 1. NaN, with a `ConstantWarning`, where all values of an input are the same.

    Raises
    ------
    InputError
        If the shapes differ, no pair is left without a NaN, or a value is infinite.
    """
    pairs = pair_up(truth, predicted)
    summaries = summarise(pairs)
    if not vary(pairs, summaries, "a correlation"):
        return float("nan")
    return _correlation(pairs, summaries)


def _correlation(pairs: Pairs, summaries: tuple[Summary, Summary]) -> float:
    """Pearson correlation of pairs that vary; dividing by the range keeps very small and very large numbers in reach."""
    first, second = summaries
    sums = np.zeros(3)
    for truth, predicted in pieces(pairs):
        x = (truth - first.mean) / (first.high - first.low)
        y = (predicted - second.mean) / (second.high - second.low)
        sums += [x @ x, y @ y, x @ y]
    return float(np.clip(sums[2] / np.sqrt(sums[0] * sums[1]), -1, 1))


def spearman(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Spearman correlation of everything given: the Pearson correlation of ranks, ties at their mean rank.

    Parameters
    ----------
    truth, predicted : array, any one shape
        Observed and predicted values.

    Returns
    -------
    float
        -1 to 1. NaN, with a `ConstantWarning`, where all values of an input are the same.

    Raises
    ------
    InputError
        As `pearson`.
    """
    pairs = known(pair_up(truth, predicted))
    summaries = summarise(pairs)
    if not vary(pairs, summaries, "a correlation"):
        return float("nan")
    ranks = pairs._replace(truth=rankdata(pairs.truth), predicted=rankdata(pairs.predicted))
    return _correlation(ranks, summarise(ranks))


def mse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error of everything given, in squared units of the signal; raises as `pearson`."""
    return mean_over(pair_up(truth, predicted), lambda x, y: (y - x) ** 2)


def mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error of everything given, in units of the signal; raises as `pearson`."""
    return mean_over(pair_up(truth, predicted), lambda x, y: np.abs(y - x))


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination: 1 - squared error / squared error of the mean, which knows the scale, unlike a correlation.

    Parameters
    ----------
    truth, predicted : array, any one shape
        Observed and predicted values.

    Returns
    -------
    float
        1 at best, 0 for the mean of `truth`, below 0 for worse. NaN, with a `ConstantWarning`, where `truth` is the same everywhere.

    Raises
    ------
    InputError
        As `pearson`.
    """
    pairs = pair_up(truth, predicted)
    summary = summarise(pairs)[0]
    if not vary(pairs, [summary], "the share of variance explained"):
        return float("nan")
    spread = summary.high - summary.low
    error = mean_over(pairs, lambda x, y: ((y - x) / spread) ** 2)
    return 1 - error / mean_over(pairs, lambda x, _: ((x - summary.mean) / spread) ** 2)


def poisson_nll(truth: np.ndarray, predicted: np.ndarray, *, floor: float = FLOOR) -> float:
    """Poisson negative log-likelihood, mean of mu - y log(mu): without log(y!), which no model can change.

    Parameters
    ----------
    truth, predicted : array, any one shape
        Observed counts or coverage (y) and predicted mean (mu), 0 or more.
    floor : float
        A smaller prediction is taken as this: a 0 where something was counted would cost an infinity.

    Returns
    -------
    float
        Nats per value.

    Raises
    ------
    InputError
        As `pearson`, and if a value is negative or `floor` is not above 0.
    """
    return mean_over(pair_up(truth, predicted), lambda y, mu: _nll(y, mu, floor))


def poisson_deviance(truth: np.ndarray, predicted: np.ndarray, *, floor: float = FLOOR) -> float:
    """Poisson deviance, mean of 2 (y log(y / mu) - y + mu): twice what the likelihood lacks to that of a perfect prediction.

    Parameters
    ----------
    truth, predicted, floor
        As in `poisson_nll`.

    Returns
    -------
    float
        0 (perfect) or more, nats per value.

    Raises
    ------
    InputError
        As `poisson_nll`.
    """
    return mean_over(pair_up(truth, predicted), lambda y, mu: 2 * (_nll(y, mu, floor) - y + xlogy(y, y)))


def _nll(counts: np.ndarray, means: np.ndarray, floor: float) -> np.ndarray:
    """Poisson negative log-likelihood of each value, without log(y!)."""
    if not floor > 0:
        raise InputError(f"floor is {floor}: choose a small number above 0")
    for name, values in (("truth", counts), ("predicted", means)):
        if values.min() < 0:
            raise InputError(f"{name} holds {values.min():g}: a Poisson likelihood takes 0 or more")
    means = np.maximum(means, floor)
    return means - xlogy(counts, means)
