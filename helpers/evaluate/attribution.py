"""Attribution: how much each base of a sequence counts for a prediction, by mutating it or by the gradient.

Every method gives (sequences, length, 4), channels A, C, G, T, for one signal: the mean over bins and a track, or its logarithm. Mutagenesis
takes any model as a callable; the gradient methods take a Keras model whose layer "one_hot" turns codes into one-hot rows, as every model of
the course has, and differentiate by the output of that layer, under TensorFlow or JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.evaluate.aligned import Predict
from helpers.evaluate.gradients import gradient_function
from helpers.evaluate.readout import mean_signal
from helpers.evaluate.shuffling import check_codes
from helpers.files.sequence import one_hot

BATCH = 64


def in_silico_mutagenesis(
    predict: Predict,
    codes: np.ndarray,
    *,
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
    windows_at_once: int | None = None,
) -> np.ndarray:
    """Replace each base by each of the three others, one at a time, and see what the signal does (Zhou & Troyanskaya 2015).

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (sequences, length)
    track, bins, log
        As in `mean_signal`. With `log`, changes are log(alternative) - log(reference).
    windows_at_once : int, optional
        Windows given to `predict` in one call; by default all of a sequence, 6,144 for 2,048 bp. The references are one call before.

    Returns
    -------
    float64 array, shape (sequences, length, 4)
        Alternative minus reference; 0 for the base that is there. A base that is not known (code 4) is left alone: 0 for all four.

    Raises
    ------
    InputError
        If the codes are not uint8 (sequences, length), `windows_at_once` is below 1, or `mean_signal` refuses the predictions.
    """
    array = check_codes(codes)
    step = 3 * array.shape[1] if windows_at_once is None else windows_at_once
    _at_least_one("windows_at_once", step)
    reference = mean_signal(predict, array, track=track, bins=bins, log=log)
    changes = np.zeros((*array.shape, 4))
    for row, sequence in enumerate(array):
        places, bases = np.nonzero((sequence[:, None] != np.arange(4)) & (sequence[:, None] < 4))
        for low in range(0, len(places), step):
            place, base = places[low : low + step], bases[low : low + step]
            mutants = np.repeat(sequence[None], len(place), axis=0)
            mutants[np.arange(len(place)), place] = base
            changes[row, place, base] = mean_signal(predict, mutants, track=track, bins=bins, log=log) - reference[row]
    return changes


def mutagenesis_scores(changes: np.ndarray) -> np.ndarray:
    """Sum mutagenesis up as one number a base: how far the signal falls, on average, when the base is replaced by another.

    Parameters
    ----------
    changes : array, shape (sequences, length, 4)
        What `in_silico_mutagenesis` gives.

    Returns
    -------
    float64 array, shape (sequences, length)
        Above 0 where the base raises the signal.

    Raises
    ------
    InputError
        If the last of three axes is not of four bases.
    """
    return -_of_bases(changes, "changes").sum(axis=2) / 3


def saliency(
    model: Any,
    codes: np.ndarray,
    *,
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
    corrected: bool = True,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Differentiate the signal by the one-hot rows (Simonyan et al. 2013), with the part that leaves the simplex taken away.

    Parameters
    ----------
    model : keras.Model
        Reads codes, and has a layer called "one_hot".
    codes : uint8 array, shape (sequences, window)
    track, bins, log
        As in `mean_signal`.
    corrected : bool
        Whether to apply `simplex_correction`.
    batch_size : int
        Sequences at once.

    Returns
    -------
    float32 array, shape (sequences, window, 4)

    Raises
    ------
    InputError
        If the model has no such layer or another window, there is no such track or bin, or the backend has no gradients here.
    """
    gradients = gradient_function(model, track, bins, log)
    rows = one_hot(_codes_for(model, codes))
    _at_least_one("batch_size", batch_size)
    found = np.concatenate([gradients(rows[low : low + batch_size]) for low in range(0, len(rows), batch_size)])
    return simplex_correction(found) if corrected else found


def simplex_correction(gradients: np.ndarray) -> np.ndarray:
    """Subtract the mean over the four channels at each position (Majdandzic, Rajesh & Koo 2023).

    The rows of a sequence add up to 1. What a gradient says about leaving that plane was never trained and is noise; what is left says how
    the signal changes as one base becomes another.

    Parameters
    ----------
    gradients : array, shape (sequences, length, 4)

    Returns
    -------
    array, same shape
        Adds up to 0 over the channels.

    Raises
    ------
    InputError
        If the last of three axes is not of four bases.
    """
    found = _of_bases(gradients, "gradients")
    return found - found.mean(axis=2, keepdims=True)


def gradient_times_input(model: Any, codes: np.ndarray, **options: Any) -> np.ndarray:
    """Keep of the saliency the base that is there, 0 for the other three (Shrikumar et al. 2016); as `saliency` in all else."""
    return saliency(model, codes, **options) * one_hot(codes)


def integrated_gradients(
    model: Any,
    codes: np.ndarray,
    *,
    baseline: np.ndarray | None = None,
    steps: int = 50,
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Average the gradient on the straight way from a baseline to the sequence, times their difference (Sundararajan et al. 2017, eq. 1).

    Complete: over positions and channels it adds up to the signal of the sequence minus that of the baseline, up to the error of `steps`.

    Parameters
    ----------
    model, codes, track, bins, log, batch_size
        As in `saliency`.
    baseline : float array that broadcasts to (sequences, window, 4), optional
        One-hot rows to begin at; by default rows of zeros, a sequence of N. `one_hot(dinucleotide_shuffle(codes, rng))` and 0.25 are others.
    steps : int
        Points on the way, each in the middle of its part.

    Returns
    -------
    float32 array, shape (sequences, window, 4)

    Raises
    ------
    InputError
        As `saliency`, and if `steps` is below 1 or `baseline` has another shape.
    """
    gradients = gradient_function(model, track, bins, log)
    rows = one_hot(_codes_for(model, codes))
    _at_least_one("steps", steps)
    _at_least_one("batch_size", batch_size)
    given = np.zeros(1, np.float32) if baseline is None else np.asarray(baseline, np.float32)
    try:
        start = np.broadcast_to(given, rows.shape)
    except ValueError as error:
        raise InputError(
            f"baseline has shape {given.shape}: give one-hot rows, of a shape that broadcasts to {rows.shape}"
        ) from error
    way = rows - start
    total = np.zeros(rows.shape)
    for low in range(0, len(rows) * steps, batch_size):
        row, step = np.divmod(np.arange(low, min(low + batch_size, len(rows) * steps)), steps)
        share = ((step + 0.5) / steps).astype(np.float32)[:, None, None]
        np.add.at(total, row, gradients(start[row] + share * way[row]))
    return (way * total / steps).astype(np.float32)


def base_scores(attributions: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Pick the attribution of the base that is there: one number a base, to draw or to rank.

    Parameters
    ----------
    attributions : array, shape (sequences, length, 4)
        Of `saliency`, `gradient_times_input` or `integrated_gradients`. For mutagenesis, where it would be 0, use `mutagenesis_scores`.
    codes : uint8 array, shape (sequences, length)

    Returns
    -------
    array, shape (sequences, length)
        0 where the base is not known (code 4).

    Raises
    ------
    InputError
        If the shapes do not match.
    """
    found, array = _of_bases(attributions, "attributions"), check_codes(codes)
    if found.shape[:2] != array.shape:
        raise InputError(f"attributions have shape {found.shape} and codes {array.shape}: give those of the same sequences")
    picked = np.take_along_axis(found, np.minimum(array, 3).astype(np.int64)[..., None], axis=2)[..., 0]
    return np.where(array < 4, picked, 0)


def _of_bases(values: np.ndarray, name: str) -> np.ndarray:
    """Array (sequences, length, 4), or InputError."""
    array = np.asarray(values)
    if array.ndim != 3 or array.shape[2] != 4:
        raise InputError(f"{name} have shape {array.shape}: give (sequences, length, 4)")
    return array


def _codes_for(model: Any, codes: np.ndarray) -> np.ndarray:
    """Codes of the window that the model reads, or InputError."""
    array, window = check_codes(codes), model.input_shape[1]
    if window not in (None, array.shape[1]):
        raise InputError(f"codes have {array.shape[1]} bp, but model {model.name!r} reads windows of {window}: cut them to that")
    return array


def _at_least_one(name: str, value: int) -> None:
    """Raise InputError unless a number of things is 1 or more."""
    if value < 1:
        raise InputError(f"{name} is {value}: choose 1 or more")
