"""Predictions averaged over views of the same sequence: both strands, and windows at several offsets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.errors import InputError
from helpers.evaluate.aligned import Predict, aligned_predictions, check_prediction, draw_offsets, plan_shifts
from helpers.files.sequence import reverse_complement_codes
from helpers.prepare.augment import check_stranded


def both_strands(predict: Predict, codes: np.ndarray, stranded: Sequence[int] | None = None) -> np.ndarray:
    """Average the prediction of a sequence and that of its reverse complement, turned back.

    The result does not depend on which strand was given, whatever the model.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (windows, window)
        A, C, G, T = 0..3, anything else 4; the window is a whole number of bins.
    stranded : sequence of int, shape (tracks,), optional
        Which track takes the place of each, seen from the other strand: [1, 0] for forward and reverse.

    Returns
    -------
    array, shape (windows, bins, tracks)
        Of the type that `predict` gives.

    Raises
    ------
    InputError
        If the codes, the predictions or `stranded` have another form, or the bins do not divide the window.
    """
    if np.ndim(codes) != 2:
        raise InputError(f"codes have shape {np.shape(codes)}: give (windows, window)")
    forward = check_prediction(predict(codes), len(codes))
    bins, tracks = forward.shape[1:]
    if not bins or codes.shape[1] % bins:
        raise InputError(f"{bins} bins do not divide a window of {codes.shape[1]} bp: turned around, they would lie elsewhere")
    check_stranded(stranded, tracks)
    backward = check_prediction(predict(reverse_complement_codes(codes)), len(codes), bins)[:, ::-1]
    if stranded is not None:
        backward = backward[..., list(stranded)]
    return (forward + backward) / 2


def shift_averaged(
    predict: Predict,
    codes: np.ndarray,
    rng: np.random.Generator | int,
    *,
    bin_size: int,
    window: int,
    shifts: int = 20,
    common: int | None = None,
) -> np.ndarray:
    """Average the predictions of randomly shifted windows over the middle that all of them cover (Toneyan et al. 2022, Robust predictions).

    For both strands too, give `lambda codes: both_strands(predict, codes, stranded)` as `predict`.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (sequences, extended)
        Sequences wider than the window.
    rng : Generator or int
        Draws the offsets, of each sequence on its own, in whole bins and with repeats. One seed gives the reference and the alternative
        allele the same windows.
    bin_size, window : int
        Of the model, in bp.
    shifts : int
        Windows per sequence.
    common : int, optional
        How much of the middle to give, in bp; by default all that every window covers.

    Returns
    -------
    array, shape (sequences, common // bin_size, tracks)
        Of the type that `predict` gives; the first bin begins at base (extended - common) / 2.

    Raises
    ------
    InputError
        If the sizes do not fit each other or the bin grid, `shifts` is below 1, or the predictions have another shape.
    """
    if shifts < 1:
        raise InputError(f"shifts is {shifts}: choose 1 or more windows")
    geometry = plan_shifts(codes, window, bin_size, common)
    if not len(codes):
        raise InputError("codes are empty: there is no sequence to predict")
    offsets = draw_offsets(rng, codes, geometry, shifts)
    parts = aligned_predictions(predict, codes, offsets, geometry)
    return np.concatenate([part.mean(axis=1, dtype=np.float64).astype(part.dtype) for _, part in parts])
