"""Reverse complement and jitter, drawn for each sample on its own and done to sequence and target together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from helpers.errors import InputError


def draw_flips(rng: np.random.Generator, samples: int, probability: float = 0.5) -> np.ndarray:
    """Toss one coin per sample: bool array, shape (samples,), True where the reverse strand is shown."""
    return rng.random(samples) < probability


def draw_shifts(rng: np.random.Generator, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Draw one whole number per sample, evenly from `low` to `high`, both included: int64 array, shape (samples,)."""
    return rng.integers(low, high, endpoint=True)


def shift_limits(
    starts: np.ndarray, ends: np.ndarray, lengths: np.ndarray, bin_size: int, jitter: int
) -> tuple[np.ndarray, np.ndarray]:
    """Find how far each window may move, in bins, without leaving its chromosome.

    Parameters
    ----------
    starts, ends, lengths : int array, shape (samples,)
        Each window and the length of its chromosome, in bp.
    bin_size, jitter : int
        In bp; `jitter` is the farthest move to either side and a multiple of `bin_size`.

    Returns
    -------
    tuple of int64 arrays
        Lowest (0 or below) and highest (0 or above) move of each sample. Only a window nearer than `jitter` to an end has less room.

    Raises
    ------
    InputError
        If `jitter` is negative or no multiple of `bin_size`.
    """
    if jitter < 0 or jitter % bin_size:
        raise InputError(
            f"jitter is {jitter} bp: choose 0 or a multiple of the bin size, {bin_size} bp, because targets move by whole bins"
        )
    most = jitter // bin_size
    return -np.minimum(most, starts // bin_size), np.minimum(most, (lengths - ends) // bin_size)


def reverse_complement_rows(codes: np.ndarray, rows: np.ndarray) -> None:
    """Replace some rows by their reverse complement, in place and several bases at a time.

    Parameters
    ----------
    codes : uint8 array, shape (samples, length), C-contiguous
        A, C, G, T = 0..3, anything else 4.
    rows : int array
        Which rows.
    """
    if not len(rows):
        return
    word = np.dtype(f"u{math.gcd(codes.shape[1], 8)}")
    ones = np.full(8, 1, np.uint8).view(word)[0]
    words = codes.view(word)
    chosen = words[rows]
    unknown = (chosen >> word.type(2)) & ones
    chosen ^= unknown * word.type(3)  # 3 - c is c ^ 3 for a known base; twice ^ 3 leaves 4 as it is
    chosen ^= ones * word.type(3)
    chosen.byteswap(inplace=True)
    words[rows] = chosen[:, ::-1]


def reverse_bins(targets: np.ndarray, rows: np.ndarray, stranded: Sequence[int] | None = None) -> None:
    """Turn the bins of some samples around, in place.

    Parameters
    ----------
    targets : array, shape (samples, bins, tracks), C-contiguous
        Binned values.
    rows : int array
        Which samples.
    stranded : sequence of int, shape (tracks,), optional
        Which track takes the place of each: seen from the other strand, a forward track is the reverse one.
    """
    if not len(rows):
        return
    whole = np.dtype((np.void, targets.itemsize * targets.shape[2]))
    records = targets.view(whole)[..., 0]
    records[rows] = records[rows][:, ::-1]
    if stranded is not None:
        targets[rows] = targets[rows][..., list(stranded)]


def check_stranded(stranded: Sequence[int] | None, tracks: int) -> None:
    """Raise unless `stranded` pairs the tracks so that two reversals change nothing."""
    if stranded is None:
        return
    if sorted(stranded) != list(range(tracks)) or any(stranded[stranded[track]] != track for track in stranded):
        raise InputError(
            f"stranded is {list(stranded)}: give for each of the {tracks} tracks its partner's number, such as [1, 0] for forward and reverse"
        )


def reverse_complement_batch(
    codes: np.ndarray, targets: np.ndarray, flips: np.ndarray, stranded: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Show some samples from the other strand, sequence and target together.

    Parameters
    ----------
    codes : uint8 array, shape (samples, length)
        A, C, G, T = 0..3, anything else 4.
    targets : array, shape (samples, bins, tracks)
        Binned values.
    flips : bool array, shape (samples,)
        Which samples.
    stranded : sequence of int, shape (tracks,), optional
        Partner of each track, where tracks belong to strands.

    Returns
    -------
    tuple of arrays
        New arrays of the same shapes and types. Twice the same flips give back the input.

    Raises
    ------
    InputError
        If `stranded` does not pair the tracks.
    """
    check_stranded(stranded, targets.shape[2])
    new_codes, new_targets = np.array(codes, np.uint8, order="C"), np.array(targets, order="C")
    rows = np.flatnonzero(flips)
    reverse_complement_rows(new_codes, rows)
    reverse_bins(new_targets, rows, stranded)
    return new_codes, new_targets
