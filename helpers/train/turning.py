"""Reverse complement and shift of a batch of tensors by given draws, sequence, targets and weights together, through `keras.ops`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.prepare.augment import check_stranded
from helpers.train.backend import keras

ops = keras.ops


def reverse_complement_codes(codes: Any, flips: Any) -> Any:
    """Show some sequences from the other strand.

    Parameters
    ----------
    codes : uint8 tensor or array, shape (batch, length)
        A, C, G, T = 0..3; anything else is 4.
    flips : bool tensor or array, shape (batch,)
        Which samples.

    Returns
    -------
    uint8 tensor, shape (batch, length)
    """
    codes = ops.cast(codes, "uint8")
    other = ops.where(codes < 4, 3 - codes, codes)
    return ops.where(ops.expand_dims(flips, 1), ops.flip(other, axis=1), codes)


def reverse_bins(values: Any, flips: Any, stranded: Sequence[int] | None = None) -> Any:
    """Turn the bins of some samples around.

    Parameters
    ----------
    values : float tensor or array, shape (batch, bins, tracks) or (batch, bins)
        Targets, or weights.
    flips : bool tensor or array, shape (batch,)
        Which samples.
    stranded : sequence of int, shape (tracks,), optional
        Partner of each track, where tracks belong to strands.

    Returns
    -------
    float tensor of the same shape
    """
    turned = ops.flip(values, axis=1)
    if stranded is not None:
        turned = ops.take(turned, np.asarray(stranded, np.int32), axis=-1)
    return ops.where(ops.reshape(flips, (-1,) + (1,) * (len(values.shape) - 1)), turned, values)


def cut(values: Any, first: Any, length: int) -> Any:
    """Cut from each sample a stretch that begins where it is told to.

    Parameters
    ----------
    values : tensor or array, shape (batch, positions, ...)
        Two or three axes.
    first : int tensor or array, shape (batch,)
        First position of each sample's stretch; the stretch ends inside the sample.
    length : int
        Positions of a stretch.

    Returns
    -------
    tensor, shape (batch, length, ...)
    """
    where = ops.expand_dims(ops.cast(first, "int32"), 1) + ops.arange(length, dtype="int32")
    if len(values.shape) == 3:
        where = ops.expand_dims(where, 2)
    return ops.take_along_axis(ops.convert_to_tensor(values), where, axis=1)


def reverse_complement_together(
    codes: Any, targets: Any, flips: Any, *, weights: Any = None, stranded: Sequence[int] | None = None
) -> tuple[Any, ...]:
    """Show some samples from the other strand: sequence, targets and weights.

    Parameters
    ----------
    codes : uint8, shape (batch, length)
    targets : float, shape (batch, bins, tracks)
    flips : bool, shape (batch,)
        Which samples.
    weights : float, shape (batch, bins), optional
    stranded : sequence of int, shape (tracks,), optional
        Partner of each track, such as [1, 0] for forward and reverse.

    Returns
    -------
    tuple of tensors
        Codes, targets, and weights where given. Twice the same flips give back the input.

    Raises
    ------
    InputError
        If `stranded` does not pair the tracks.
    """
    check_stranded(stranded, targets.shape[-1])
    turned = reverse_complement_codes(codes, flips), reverse_bins(targets, flips, stranded)
    return turned if weights is None else (*turned, reverse_bins(weights, flips))


def shift_together(codes: Any, targets: Any, shifts: Any, *, window: int, bin_size: int, weights: Any = None) -> tuple[Any, ...]:
    """Cut a window from wider samples, each moved by whole bins: sequence, targets and weights.

    Parameters
    ----------
    codes : uint8, shape (batch, window + 2 * flank)
    targets : float, shape (batch, (window + 2 * flank) // bin_size, tracks)
    shifts : int, shape (batch,)
        Bins to the right (left where negative) of the middle, at most the flank.
    window, bin_size : int
        In bp.
    weights : float, shape (batch, bins), optional

    Returns
    -------
    tuple of tensors
        Codes (batch, window), targets (batch, window // bin_size, tracks), and weights where given.

    Raises
    ------
    InputError
        If codes and targets do not cover the same bases, the flanks are no whole bins, or a shift in a NumPy array leaves the flank.
    """
    flank = flank_of(codes, window, bin_size, targets)
    if isinstance(shifts, np.ndarray) and (np.abs(shifts) > flank // bin_size).any():
        worst = shifts[np.abs(shifts).argmax()]
        raise InputError(f"a shift is {worst} bins, but flanks have {flank // bin_size}: prepare wider samples, or shift less")
    first = ops.cast(shifts, "int32") + flank // bin_size
    bins = window // bin_size
    moved = cut(codes, first * bin_size, window), cut(targets, first, bins)
    return moved if weights is None else (*moved, cut(weights, first, bins))


def flank_of(codes: Any, window: int, bin_size: int, targets: Any = None) -> int:
    """Find the flank beside the window in bp, or raise where the sizes of the samples do not fit."""
    width = codes.shape[1]
    flank, odd = divmod(width - window, 2)
    if flank < 0 or odd:
        raise InputError(
            f"samples are {width} bp wide and the window {window} bp: prepare the window and flanks of one width on both sides"
        )
    if targets is None:
        return flank
    if flank % bin_size or targets.shape[1] * bin_size != width:
        raise InputError(
            f"samples have {width} bp and {targets.shape[1]} bins of {bin_size} bp: prepare flanks of whole bins, and targets as wide as the sequence"
        )
    return flank
