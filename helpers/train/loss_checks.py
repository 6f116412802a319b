"""Whether targets, their shape and a model's predictions are what a loss takes: checked before any training starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.errors import InputError

BOUNDS = {"any": (-np.inf, np.inf), "positive": (0.0, np.inf), "probability": (0.0, 1.0)}
OUTPUTS = {"positive": "softplus", "probability": "sigmoid"}


def check_targets(loss: Any, targets: np.ndarray) -> None:
    """Raise if a loss cannot be computed from some targets, or can teach nothing.

    Parameters
    ----------
    loss : keras.losses.Loss
        Of `losses`; of any other loss nothing is known, and only missing targets are refused.
    targets : array, shape (..., tracks)
        Only those whose weight is not 0. Binned means need not be whole numbers for a Poisson loss.

    Raises
    ------
    InputError
        If there are none, one is NaN or infinite, negative where the loss forbids it, above 1 for a cross-entropy, or not 0 or 1 for a
        binary loss; or if, for a binary loss, all of a track are of one class.
    """
    targets = np.asarray(targets)
    if not targets.size:
        raise InputError("there are no targets: every bin is missing, or there is no window")
    wrong = int(targets.size - np.isfinite(targets).sum())
    if wrong:
        raise InputError(
            f"{wrong:,} of {targets.size:,} targets are NaN or infinite: give WindowBatches missing='mask', or drop those windows"
        )
    lowest, highest = float(targets.min()), float(targets.max())
    if getattr(loss, "binary_targets", False):
        _check_labels(loss.name, targets)
    elif getattr(loss, "nonnegative_targets", False) and lowest < 0:
        raise InputError(
            f"the smallest target is {lowest:g}, but {loss.name} takes 0 or more: give signal that is neither centred nor a log ratio, "
            "or choose mse"
        )
    elif getattr(loss, "compares", "") == "tracks" and highest > 1:
        raise InputError(
            f"the largest target is {highest:g}, but {loss.name} takes a probability per track: give 1 for the class, else 0"
        )


def _check_labels(name: str, targets: np.ndarray) -> None:
    """Raise unless all are 0 or 1, and every track has both."""
    others = targets[(targets != 0) & (targets != 1)]
    if others.size:
        raise InputError(
            f"a target is {others.flat[0]:g}, but {name} takes labels 0 and 1: threshold the signal, as in targets > cut"
        )
    tracks = targets.reshape(-1, targets.shape[-1] if targets.ndim > 1 else 1)
    single = np.flatnonzero(tracks.min(axis=0) == tracks.max(axis=0))
    if single.size:
        raise InputError(
            f"all labels of track {single[0]} are {tracks[0, single[0]]:g}, so {name} can teach only a constant: "
            "choose other regions or another threshold, or drop the track"
        )


def check_shape(loss: Any, bins: int, tracks: int) -> None:
    """Raise if a loss that compares bins, or tracks, within a window would have only one of them.

    Parameters
    ----------
    loss : keras.losses.Loss
        Of `losses`; any other loss takes every shape.
    bins, tracks : int
        Of a model's output.

    Raises
    ------
    InputError
        If so.
    """
    compares = getattr(loss, "compares", "values")
    if compares == "bins" and bins < 2:
        raise InputError(
            f"{loss.name} compares the bins of a window, and there is {bins}: choose smaller bins, or poisson or mse"
        )
    if compares == "tracks" and tracks < 2:
        raise InputError(
            f"{loss.name} compares tracks, and there is {tracks}: give a track per class, or choose binary_crossentropy"
        )


def check_predictions(loss: Any, predictions: np.ndarray) -> None:
    """Raise if a model gives what a loss cannot take the logarithm of; those of one batch are enough to tell.

    Parameters
    ----------
    loss : keras.losses.Loss
        Of `losses`; of any other loss nothing is known, and only missing predictions are refused.
    predictions : array
        Of the model before training.

    Raises
    ------
    InputError
        If one is NaN or infinite, negative where the loss takes 0 or more, or outside 0 to 1 where it takes a probability.
    """
    predictions = np.asarray(predictions)
    if not np.isfinite(predictions).all():
        raise InputError("the model predicts NaN or infinity before training: look at its inputs and its initial weights")
    kind = getattr(loss, "predictions", "any")
    low, high = BOUNDS[kind]
    wrong = predictions[(predictions < low) | (predictions > high)]
    if wrong.size:
        limits = "0 or more" if high == np.inf else "0 to 1"
        raise InputError(
            f"the model predicts {wrong.flat[0]:g}, but {loss.name} takes {limits}: build it with output={OUTPUTS[kind]!r}"
        )
