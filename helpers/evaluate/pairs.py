"""Pairs of observed and predicted values: checked once, read piece by piece in float64, without the pairs that miss a value."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from helpers.errors import InputError

VALUES_AT_ONCE = 1 << 19  # 4 MB of float64


class ConstantWarning(UserWarning):
    """A score is not defined, because all values of an input are the same; NaN was returned."""


class Pairs(NamedTuple):
    """Two flat arrays of equal length, and what the caller calls them."""

    truth: np.ndarray
    predicted: np.ndarray
    names: tuple[str, str]


class Summary(NamedTuple):
    """Least value, greatest value and mean of an array."""

    low: float
    high: float
    mean: float


def check_pair(truth: np.ndarray, predicted: np.ndarray, names: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Give both as arrays of numbers of one shape, or raise InputError."""
    first, second = np.asarray(truth), np.asarray(predicted)
    for name, array in zip(names, (first, second), strict=True):
        if array.dtype.kind not in "buif":
            raise InputError(f"{name} has dtype {array.dtype}: give numbers")
    if first.shape != second.shape:
        raise InputError(f"{names[0]} has shape {first.shape} and {names[1]} {second.shape}: give arrays of one shape")
    return first, second


def pair_up(truth: np.ndarray, predicted: np.ndarray, names: tuple[str, str] = ("truth", "predicted")) -> Pairs:
    """Flatten two arrays of one shape (without a copy where they are contiguous).

    Parameters
    ----------
    truth, predicted : array of numbers, any one shape
        NaN marks a missing value.
    names : tuple of str
        What messages call them.

    Returns
    -------
    Pairs

    Raises
    ------
    InputError
        If the shapes differ, or an array holds no numbers.
    """
    first, second = check_pair(truth, predicted, names)
    return Pairs(first.reshape(-1), second.reshape(-1), names)


def pieces(pairs: Pairs) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give float64 pieces of both arrays, without the pairs in which either is NaN; raise InputError at an infinite value."""
    for low in range(0, len(pairs.truth), VALUES_AT_ONCE):
        part = slice(low, low + VALUES_AT_ONCE)
        first, second = pairs.truth[part].astype(np.float64), pairs.predicted[part].astype(np.float64)
        missing = np.isnan(first) | np.isnan(second)
        if missing.any():
            first, second = first[~missing], second[~missing]
        for name, values in zip(pairs.names, (first, second), strict=True):
            refuse_infinite(values, name)
        if len(first):
            yield first, second


def refuse_infinite(values: np.ndarray, name: str) -> None:
    """Raise InputError if a value is infinite."""
    if np.isinf(values).any():
        raise InputError(f"{name} holds an infinite value: mark what is missing as NaN, and look for a division by 0")


def known(pairs: Pairs) -> Pairs:
    """Leave out the pairs that miss a value (no copy where none does); raise InputError if none is left."""
    missing = np.isnan(pairs.truth) | np.isnan(pairs.predicted)
    if missing.all():
        raise nothing_to_score(pairs)
    left = pairs._replace(truth=pairs.truth[~missing], predicted=pairs.predicted[~missing]) if missing.any() else pairs
    for name, values in zip(left.names, (left.truth, left.predicted), strict=True):
        refuse_infinite(values, name)
    return left


def nothing_to_score(pairs: Pairs) -> InputError:
    """Make the error for pairs that all miss a value."""
    return InputError(
        f"{pairs.names[0]} and {pairs.names[1]} have no value in common: each of the {len(pairs.truth):,} pairs holds a NaN"
        if len(pairs.truth)
        else f"{pairs.names[0]} and {pairs.names[1]} are empty: there is nothing to score"
    )


def mean_over(pairs: Pairs, function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """Average a function of the pairs that miss nothing; raise InputError if there is none."""
    total, count = 0.0, 0
    for first, second in pieces(pairs):
        total += float(function(first, second).sum())
        count += len(first)
    if not count:
        raise nothing_to_score(pairs)
    return total / count


def summarise(pairs: Pairs) -> tuple[Summary, Summary]:
    """Summarise both arrays over the pairs that miss nothing; raise InputError if there is none."""
    lows, highs, sums, count = np.full(2, np.inf), np.full(2, -np.inf), np.zeros(2), 0
    for both in pieces(pairs):
        lows = np.minimum(lows, [values.min() for values in both])
        highs = np.maximum(highs, [values.max() for values in both])
        sums += [values.sum() for values in both]
        count += len(both[0])
    if not count:
        raise nothing_to_score(pairs)
    first, second = (Summary(float(lows[k]), float(highs[k]), float(sums[k] / count)) for k in range(2))
    return first, second


def vary(pairs: Pairs, summaries: Sequence[Summary], score: str) -> bool:
    """Tell whether truth (and predicted, where summarised) vary; if not, warn the caller of the function that asks and then gives NaN."""
    for name, summary in zip(pairs.names, summaries, strict=False):
        if summary.low == summary.high:
            reason = f"{name} is {summary.low:g} everywhere: {score} is not defined where nothing varies, so it is given as NaN"
            warnings.warn(reason, ConstantWarning, stacklevel=3)
            return False
    return True
