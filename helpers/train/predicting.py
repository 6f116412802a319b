"""Predictions of a trained model, in the order of the regions, and the targets that they are compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.prepare.batches import WindowBatches
from helpers.train.checks import check_in_order, check_model
from helpers.train.feeding import passes


def predict(model: Any, batches: WindowBatches) -> np.ndarray:
    """Predict every window.

    Parameters
    ----------
    model : keras.Model
        Reads codes, gives values per bin and track.
    batches : WindowBatches
        Made with `shuffle=False` and without jitter and reverse complement.

    Returns
    -------
    float32 array, shape (windows, bins, tracks)
        In the order of `batches.regions`.

    Raises
    ------
    InputError
        If the batches would not follow their regions, or the model's shapes differ from theirs.
    """
    check_in_order(batches, "prediction")
    check_model(model, batches, "prediction")
    codes = passes(batches, targets=False)
    return np.asarray(model.predict(codes(), steps=len(batches), verbose=0), np.float32)


def targets_of(batches: WindowBatches) -> np.ndarray:
    """Give the target of every window, as `predict` gives its prediction.

    Parameters
    ----------
    batches : WindowBatches
        As `predict` takes them.

    Returns
    -------
    float32 array, shape (windows, bins, tracks)
        NaN where the weight is 0: in bins where any track is missing.

    Raises
    ------
    InputError
        If the batches would not follow their regions.
    """
    check_in_order(batches, "target")
    parts = []
    for _, targets, *weights in batches:
        for weight in weights:
            targets[weight == 0] = np.nan
        parts.append(targets)
    return np.concatenate(parts)


def predictor(model: Any, batch_size: int = 128) -> Callable[[np.ndarray], np.ndarray]:
    """Wrap a model as a function of sequence alone, as `helpers.evaluate` takes it.

    Parameters
    ----------
    model : keras.Model
        Reads codes, gives values per bin and track.
    batch_size : int
        Windows predicted at once; more of them take more memory and, on a processor, no less time.

    Returns
    -------
    callable
        From uint8 codes, shape (windows, window), to float32 predictions, shape (windows, bins, tracks). It raises InputError for anything
        but codes of the model's window.

    Raises
    ------
    InputError
        If `batch_size` is below 1.
    """
    if batch_size < 1:
        raise InputError(f"batch_size is {batch_size}: a batch has at least 1 window")
    window = model.input_shape[1]

    def predicted(codes: np.ndarray) -> np.ndarray:
        """Predict these windows."""
        given = np.asarray(codes)
        if given.dtype != np.uint8 or given.ndim != 2 or window not in (None, given.shape[1]):
            width = "any number of" if window is None else window
            raise InputError(
                f"codes are {given.dtype} of shape {given.shape}: model {model.name!r} reads uint8 codes of shape (windows, {width} bases)"
            )
        if not len(given):
            return np.empty((0, *model.output_shape[1:]), np.float32)
        return np.asarray(model.predict(given, batch_size=batch_size, verbose=0), np.float32)

    return predicted
