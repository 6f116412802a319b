"""Scale and resolution of a signal: what must be made equal before two scores can be compared."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d

from helpers.errors import InputError
from helpers.evaluate.pairs import check_pair, mean_over, pair_up


def mean_ratio(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Mean of the observed over mean of the predicted signal, per track, over the pairs without a NaN.

    Parameters
    ----------
    truth, predicted : array, shape (..., tracks)
        Observed and predicted signal.

    Returns
    -------
    float64 array, shape (tracks,)

    Raises
    ------
    InputError
        If the shapes differ, a track has no pair without a NaN or an infinite value, its predictions do not average above 0, or what was
        observed averages below 0.
    """
    first, second = check_pair(truth, predicted, ("truth", "predicted"))
    if not first.ndim:
        raise InputError("truth is a single number: the last axis must be the tracks")
    ratios = np.empty(first.shape[-1])
    for track in range(len(ratios)):
        names = (f"track {track} of truth", f"track {track} of predicted")
        pairs = pair_up(first[..., track], second[..., track], names)
        observed, expected = mean_over(pairs, lambda x, _: x), mean_over(pairs, lambda _, y: y)
        for name, mean, wrong, rule in (
            (names[0], observed, observed < 0, "0 or more"),
            (names[1], expected, expected <= 0, "above 0"),
        ):
            if wrong:
                raise InputError(f"{name} has a mean of {mean:g}: scaling by the ratio of means needs {rule}")
        ratios[track] = observed / expected
    return ratios


def scale_by_mean_ratio(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Multiply predictions by one factor per track, so that they average what was observed (Toneyan et al. 2022, Methods).

    A loss that sees only shape leaves the magnitude open; this closes it. The factor comes from the data scored, as in that paper. To keep
    the test chromosome out of it, multiply by the `mean_ratio` of the validation chromosome instead.

    Parameters
    ----------
    truth, predicted : array, shape (..., tracks)
        Observed and predicted signal.

    Returns
    -------
    array, shape and floating type of `predicted`

    Raises
    ------
    InputError
        As `mean_ratio`.
    """
    values = _floating(predicted)
    return (values * mean_ratio(truth, predicted)).astype(values.dtype)


def rebin(values: np.ndarray, factor: int) -> np.ndarray:
    """Average neighbouring bins into wider ones.

    Compare models in bins of one width only: the wider the bins, the higher the correlation of the same predictions
    (Toneyan et al. 2022, Fig. 2c).

    Parameters
    ----------
    values : array, shape (..., bins, tracks)
        Signal; NaN marks bins without data.
    factor : int
        How many bins become one; must divide `bins`.

    Returns
    -------
    array, shape (..., bins // factor, tracks)
        Mean of the bins that have data, NaN where none has. The floating type is kept.

    Raises
    ------
    InputError
        If there are not two axes, or `factor` does not divide the number of bins.
    """
    array = _with_bins(values)
    bins, tracks = array.shape[-2:]
    if factor < 1 or bins % factor:
        raise InputError(f"factor is {factor} for {bins} bins: choose a divisor of {bins}")
    groups = array.reshape(*array.shape[:-2], bins // factor, factor, tracks)
    count = factor - np.isnan(groups).sum(axis=-2)
    total = np.nansum(groups, axis=-2, dtype=np.float64)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).astype(array.dtype)


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Take the moving average along the bins (a box-car filter, as in Toneyan et al. 2022, Extended Data Fig. 2).

    Parameters
    ----------
    values : array, shape (..., bins, tracks)
        Signal; NaN marks bins without data.
    width : int
        Bins of the window: `width // 2` to the left, the bin itself, and the rest to the right.

    Returns
    -------
    array, same shape
        Mean of the bins of the window that exist and have data; NaN stays where it is. The floating type is kept.

    Raises
    ------
    InputError
        If there are not two axes, or `width` is below 1 or above the number of bins.
    """
    array = _with_bins(values)
    if not 1 <= width <= array.shape[-2]:
        raise InputError(f"width is {width} for {array.shape[-2]} bins: choose 1 to {array.shape[-2]}")
    missing = np.isnan(array)
    total, count = (
        convolve1d(part, np.ones(width), axis=-2, output=np.float64, mode="constant", origin=-((width - 1) % 2))
        for part in (np.where(missing, 0, array), (~missing).astype(np.float32))
    )
    return np.where(missing, np.nan, total / np.maximum(count, 1)).astype(array.dtype)


def _floating(values: np.ndarray) -> np.ndarray:
    """Give an array of floats; other numbers become float64."""
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _with_bins(values: np.ndarray) -> np.ndarray:
    """Give an array of floats with an axis of bins and one of tracks, or raise."""
    array = _floating(values)
    if array.ndim < 2:
        raise InputError(f"values have shape {array.shape}: give (..., bins, tracks); a single track is array[:, None]")
    return array
