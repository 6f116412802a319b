"""Intervals of a score by resampling blocks of the genome: neighbouring bins are not independent, and resampling them alone is too sure."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from helpers.errors import InputError
from helpers.evaluate.pairs import ConstantWarning
from helpers.files.runs import count_within

Block = tuple[np.ndarray, ...]
LONG = 256  # bins of a block, on average, from which on copying whole blocks is quicker than looking up bins


class Interval(NamedTuple):
    """A score, its interval, and how many resamples gave none."""

    score: float
    low: float
    high: float
    undefined: int


def cut_blocks(*arrays: np.ndarray, size: int) -> list[Block]:
    """Cut arrays that run along one chromosome into blocks of neighbours.

    Parameters
    ----------
    *arrays : array, shape (bins, ...)
        Observed and predicted values, for example, of equal length.
    size : int
        Bins of a block, many times the distance over which the signal resembles itself. The last block takes what is left, up to nearly twice
        the size.

    Returns
    -------
    list of tuple of array
        Views. Join the lists of several chromosomes.

    Raises
    ------
    InputError
        If the lengths differ, there is no array, or `size` is not between 1 and the length.
    """
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) != 1:
        raise InputError(f"arrays have {lengths} bins: give one or more of equal length")
    if not 1 <= size <= lengths[0]:
        raise InputError(f"size is {size} for {lengths[0]} bins: choose 1 to {lengths[0]}")
    starts = np.arange(lengths[0] // size) * size
    ends = [*starts[1:], lengths[0]]
    return [tuple(array[start:end] for array in arrays) for start, end in zip(starts, ends, strict=True)]


def block_bootstrap(
    score: Callable[..., float],
    blocks: Sequence[Block],
    rng: np.random.Generator | int,
    *,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Find the percentile interval of a score over blocks drawn with repeats, as many as there are (Künsch 1989, Annals of Statistics 17:1217).

    Parameters
    ----------
    score : callable
        From the arrays of a block, joined over the blocks drawn, to a number: `pearson` for blocks (truth, predicted).
    blocks : sequence of tuple of array
        One tuple per chromosome, or per block of `cut_blocks`; arrays of a block agree in their first axis. Twenty or more make a fair
        interval; from a handful it is too narrow.
    rng : Generator or int
        Draws the blocks. One seed gives two models the same draws, so that their difference can be scored: let `score` take both.
    resamples : int
        How many draws.
    level : float
        Share of the resampled scores inside the interval.

    Returns
    -------
    Interval
        `score` of all blocks; `low` and `high`; and `undefined`, the number of draws left out because their score was NaN or refused (a draw
        without a positive has no auROC).

    Raises
    ------
    InputError
        If there are fewer than 2 blocks, arrays do not fit each other, the score of all blocks is refused or not a number, more than
        half of the draws have none, or `resamples` or `level` is impossible.
    """
    _check(blocks, resamples, level)
    generator = np.random.default_rng(rng)
    arrays = [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
    sizes = np.array([len(block[0]) for block in blocks])
    starts = np.cumsum(sizes) - sizes
    long = sizes.sum() >= LONG * len(blocks)
    whole = float(score(*arrays))
    if np.isnan(whole):
        raise InputError("the score of all blocks is NaN: there is nothing to put an interval around")
    scores = np.full(resamples, np.nan)
    parts = list(zip(*blocks, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantWarning)  # counted below
        for draw in range(resamples):
            drawn = generator.integers(0, len(blocks), len(blocks))
            if long:
                joined = [np.concatenate([part[number] for number in drawn]) for part in parts]
            else:
                rows = np.repeat(starts[drawn], sizes[drawn]) + count_within(sizes[drawn])
                joined = [array[rows] for array in arrays]
            with suppress(InputError):
                scores[draw] = score(*joined)
    undefined = int(np.isnan(scores).sum())
    if undefined > resamples / 2:
        raise InputError(f"{undefined} of {resamples} draws have no score: make the blocks larger, or score more of the genome")
    low, high = np.nanquantile(scores, [(1 - level) / 2, (1 + level) / 2])
    return Interval(whole, float(low), float(high), undefined)


def _check(blocks: Sequence[Block], resamples: int, level: float) -> None:
    """Raise where the arguments cannot be used."""
    if len(blocks) < 2:
        raise InputError(f"blocks are {len(blocks)}: an interval needs 2, and better 20 or more; cut chromosomes with cut_blocks")
    for number, block in enumerate(blocks):
        lengths = [len(array) for array in block]
        if not lengths or len(lengths) != len(blocks[0]) or len(set(lengths)) != 1:
            raise InputError(
                f"block {number} has arrays of {lengths} bins: give the same arrays in each block, of equal length within it"
            )
    if resamples < 1:
        raise InputError(f"resamples is {resamples}: choose 1 or more")
    if not 0 < level < 1:
        raise InputError(f"level is {level}: choose a share between 0 and 1, such as 0.95")
