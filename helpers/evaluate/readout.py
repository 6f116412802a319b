"""One number for each prediction: the mean over bins and a track, on the scale of the signal or of its logarithm.

What asks a model "what if" (marginalisation, occlusion, attribution, variants) compares these numbers.
"""

from __future__ import annotations

import numpy as np

from helpers.errors import InputError
from helpers.evaluate.aligned import Predict, check_prediction


def mean_signal(
    predict: Predict, codes: np.ndarray, *, track: int | None = None, bins: slice | None = None, log: bool = False
) -> np.ndarray:
    """Predict sequences and sum each prediction up as one number.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (windows, window)
    track : int, optional
        Which track; by default the mean of all.
    bins : slice, optional
        Which bins; by default all.
    log : bool
        Whether to give the natural logarithm of the mean.

    Returns
    -------
    float64 array, shape (windows,)

    Raises
    ------
    InputError
        If the predictions have another shape, there is no such track or bin, or `log` is set and the mean of one is not above 0.
    """
    predicted = check_prediction(predict(codes), len(codes))
    check_selection(predicted.shape[1], predicted.shape[2], track, bins)
    chosen = predicted[:, slice(None) if bins is None else bins]
    means = (chosen if track is None else chosen[..., [track]]).mean(axis=(1, 2), dtype=np.float64)
    return log_signal(means) if log else means


def check_selection(bins: int, tracks: int, track: int | None, chosen: slice | None) -> None:
    """Raise InputError unless a prediction of so many bins and tracks has this track, and at least one of these bins."""
    if track is not None and not 0 <= track < tracks:
        raise InputError(f"track is {track}, but predictions have {tracks}: choose 0 to {tracks - 1}, or None for their mean")
    if chosen is not None and not len(range(bins)[chosen]):
        raise InputError(f"bins are {chosen}, which is none of the {bins} of a prediction: choose at least one")


def log_signal(values: np.ndarray) -> np.ndarray:
    """Natural logarithm of a predicted signal, float64; InputError unless all of it is above 0."""
    if not (values > 0).all():
        raise InputError(
            f"predicted signal goes down to {np.min(values):g}: a logarithm takes more than 0, such as a softplus output gives"
        )
    return np.log(values, dtype=np.float64)
