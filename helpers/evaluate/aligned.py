"""Predictions of one sequence through windows at several offsets, laid over each other bin by bin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from helpers.errors import InputError

Predict = Callable[[np.ndarray], np.ndarray]
WINDOWS_AT_ONCE = 2048


class Geometry(NamedTuple):
    """Sizes in bp: of the window that a model reads, of its bins, and of the middle of the sequence that every shifted window covers."""

    window: int
    bin_size: int
    common: int


def plan_shifts(codes: np.ndarray, window: int, bin_size: int, common: int | None) -> Geometry:
    """Find what every window within a longer sequence covers, and check that all sizes lie on one bin grid.

    Parameters
    ----------
    codes : uint8 array, shape (sequences, extended)
        The longer sequences.
    window, bin_size : int
        Of the model, in bp.
    common : int, optional
        How much of the middle to look at, in bp; by default all that every window covers.

    Returns
    -------
    Geometry

    Raises
    ------
    InputError
        If the sequences leave no room to shift, or a size is off the grid or too large.
    """
    if codes.ndim != 2 or codes.dtype.kind not in "ui":
        raise InputError(f"codes are {codes.dtype} of shape {codes.shape}: give uint8 codes (sequences, extended)")
    extended = codes.shape[1]
    if bin_size < 1 or window < 1 or window % bin_size or extended % bin_size:
        raise InputError(
            f"window is {window} bp, in sequences of {extended} bp: both must be multiples of the bin size, {bin_size} bp"
        )
    if extended < window + bin_size:
        raise InputError(
            f"codes are {extended} bp wide and the window {window} bp: fetch at least {bin_size} bp more, to have room to shift"
        )
    most = 2 * window - extended
    chosen = most if common is None else common
    if not 0 < chosen <= most:
        raise InputError(
            f"common is {chosen} bp: windows of {window} bp in {extended} bp all cover the middle {max(most, 0)} bp, so choose up to that"
            if most > 0
            else f"windows of {window} bp in {extended} bp have no base in common: fetch sequences shorter than {2 * window} bp"
        )
    if chosen % bin_size or (extended - chosen) % (2 * bin_size):
        raise InputError(f"common is {chosen} bp: the middle of {extended} bp must begin and end with a bin of {bin_size} bp")
    return Geometry(window, bin_size, chosen)


def draw_offsets(rng: np.random.Generator | int, codes: np.ndarray, geometry: Geometry, shifts: int) -> np.ndarray:
    """Draw where windows begin, for each sequence on its own: int64, shape (sequences, shifts), bp, multiples of the bin size, both ends reached."""
    room = (codes.shape[1] - geometry.window) // geometry.bin_size
    return np.random.default_rng(rng).integers(0, room, (len(codes), shifts), endpoint=True) * geometry.bin_size


def aligned_predictions(
    predict: Predict, codes: np.ndarray, offsets: np.ndarray, geometry: Geometry
) -> Iterator[tuple[slice, np.ndarray]]:
    """Predict all windows, many sequences and shifts in one call, and cut out the middle that they share.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (sequences, extended)
    offsets : int array, shape (sequences, shifts)
        First base of each window, in bp, a multiple of the bin size.
    geometry : Geometry

    Yields
    ------
    rows : slice
        Which sequences.
    predictions : array, shape (sequences of the slice, shifts, common bins, tracks)
        Bin i is the same stretch of the sequence in all shifts.

    Raises
    ------
    InputError
        If the predictions have another shape.
    """
    window, bin_size, common = geometry
    shifts = offsets.shape[1]
    rows_of = np.lib.stride_tricks.sliding_window_view(codes, window, axis=1)
    first_bin = (codes.shape[1] - common) // 2 // bin_size
    step = max(1, WINDOWS_AT_ONCE // shifts)
    for low in range(0, len(codes), step):
        rows = slice(low, min(low + step, len(codes)))
        begin = offsets[rows]
        windows = rows_of[np.arange(rows.start, rows.stop)[:, None], begin].reshape(-1, window)
        predicted = check_prediction(predict(windows), len(windows), window // bin_size)
        bins = first_bin - begin.reshape(-1, 1) // bin_size + np.arange(common // bin_size)
        shared = np.take_along_axis(predicted, bins[:, :, None], axis=1)
        yield rows, shared.reshape(len(begin), shifts, *shared.shape[1:])


def check_prediction(predicted: np.ndarray, windows: int, bins: int | None = None) -> np.ndarray:
    """Give a prediction as an array of floats (windows, bins, tracks); raise InputError if it has another shape."""
    array = np.asarray(predicted)
    if array.ndim != 3 or len(array) != windows or (bins is not None and array.shape[1] != bins):
        wanted = f"({windows}, {'bins' if bins is None else bins}, tracks)"
        raise InputError(
            f"predict gave shape {array.shape} where {wanted} was expected: give a callable from codes to (windows, bins, tracks)"
        )
    return array if array.dtype.kind == "f" else array.astype(np.float64)
