"""Calibration: whether of the regions called positive with a probability of 0.3, three in ten are."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.pairs import known, pair_up

Binning = Literal["width", "count"]


def labelled(labels: np.ndarray, scores: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Pair labels with scores.

    Parameters
    ----------
    labels, scores : array, any one shape
        0 or 1, and numbers; a pair with a NaN is left out.
    name : str
        What a message calls the scores.

    Returns
    -------
    classes : int64 array, shape (pairs,)
    scores : float array, shape (pairs,)

    Raises
    ------
    InputError
        If the shapes differ, no pair is left, a score is infinite, or a label is neither 0 nor 1.
    """
    pairs = known(pair_up(labels, scores, ("labels", name)))
    wrong = (pairs.truth != 0) & (pairs.truth != 1)
    if wrong.any():
        raise InputError(f"labels hold {pairs.truth[wrong][0]:g}: a label is 0 or 1")
    return pairs.truth.astype(np.int64), pairs.predicted


def check_probabilities(values: np.ndarray, name: str) -> None:
    """Raise InputError if a value lies outside 0..1; NaN does not."""
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        raise InputError(f"{name} hold {values[wrong][0]:g}: a probability lies in 0..1, so turn scores into one first")


def _probable(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities without missing pairs, in float64, or InputError."""
    classes, values = labelled(labels, probabilities, "probabilities")
    check_probabilities(values, "probabilities")
    return classes, values.astype(np.float64)


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Brier score: mean squared difference of probability and label (Brier 1950, Monthly Weather Review 78:1).

    Parameters
    ----------
    labels, probabilities : array, any one shape
        0 or 1, and 0 to 1; labels of one class will do.

    Returns
    -------
    float
        0 (certain and right) to 1; p (1 - p) for always saying the prevalence p.

    Raises
    ------
    InputError
        If the shapes differ, no pair is left without a NaN, a label is neither 0 nor 1, or a probability lies outside 0..1.
    """
    classes, values = _probable(labels, probabilities)
    return float(np.mean((values - classes) ** 2))


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10, how: Binning = "width") -> pd.DataFrame:
    """Tabulate how often what was predicted with a probability is true.

    Parameters
    ----------
    labels, probabilities : array, any one shape
        0 or 1, and 0 to 1; labels of one class will do.
    bins : int
        How many.
    how : {"width", "count"}
        Bins of equal width from 0 to 1, or between quantiles of the probabilities; equal ones stay together, so that counts can differ. A
        probability on an edge belongs to the lower bin.

    Returns
    -------
    DataFrame
        A row per bin: `bin` (from 0), `predicted` (mean probability), `positive` (share of positives), `count`; an empty bin has NaN, NaN, 0.

    Raises
    ------
    InputError
        As `brier`, and if `bins` is below 1 or `how` is none of these.
    """
    if bins < 1:
        raise InputError(f"bins is {bins}: choose 1 or more")
    if how not in get_args(Binning):
        raise InputError(f"how is {how!r}: choose width or count")
    classes, values = _probable(labels, probabilities)
    last = -(-len(values) * np.arange(1, bins) // bins) - 1  # in whole numbers, and edges that occur: rounding parts no equals
    edges = np.linspace(0, 1, bins + 1)[1:-1] if how == "width" else np.sort(values)[last]
    number = np.searchsorted(edges, values)
    count = np.bincount(number, minlength=bins)
    predicted, positive = (
        np.divide(np.bincount(number, weights, bins), count, out=np.full(bins, np.nan), where=count > 0)
        for weights in (values, classes)
    )
    return pd.DataFrame({"bin": np.arange(bins), "predicted": predicted, "positive": positive, "count": count})


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 10, how: Binning = "width") -> float:
    """Average, over all predictions, how far probability and share of positives lie apart in their bin (Naeini et al. 2015, AAAI).

    Parameters
    ----------
    labels, probabilities, bins, how
        As in `reliability`. The error depends on the bins: compare at the same ones.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    InputError
        As `reliability`.
    """
    table = reliability(labels, probabilities, bins, how)
    gap = (table["predicted"] - table["positive"]).abs().fillna(0)
    return float((gap * table["count"]).sum() / table["count"].sum())
