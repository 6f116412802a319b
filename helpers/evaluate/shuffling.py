"""Background sequences: shuffled with every dinucleotide kept, or drawn base by base."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from helpers.errors import InputError
from helpers.files.runs import count_within, true_runs
from helpers.files.sequence import BASES

LETTERS_AT_ONCE = 1 << 20
SHORTEST = 4  # a stretch of 3 bases or fewer has one arrangement only


def check_codes(codes: np.ndarray, name: str = "codes") -> np.ndarray:
    """Give codes as they are, or raise InputError unless they are uint8 (sequences, length), 0..4, with at least one base."""
    array = np.asarray(codes)
    if array.ndim != 2 or array.dtype != np.uint8:
        raise InputError(f"{name} are {array.dtype} of shape {array.shape}: give uint8 codes (sequences, length)")
    if not array.size:
        raise InputError(f"{name} are empty, of shape {array.shape}: give at least one sequence of at least one base")
    if array.max() > 4:
        raise InputError(f"{name} hold {array.max()}: a code is 0..4; use encode() to make them from letters")
    return array


def dinucleotide_shuffle(codes: np.ndarray, rng: np.random.Generator | int, shuffles: int = 1) -> np.ndarray:
    """Shuffle sequences so that each keeps its number of every dinucleotide, and its first and last base.

    All sequences with those counts and those ends are equally likely (Altschul & Erickson 1985: a random Eulerian path through the graph of
    dinucleotides). An unknown base (code 4) stays where it is, and every stretch of known bases between unknown ones is shuffled on its
    own, with its own ends kept. Counts over the whole sequence are kept all the same, those of dinucleotides with an N included.

    Parameters
    ----------
    codes : uint8 array, shape (sequences, length)
        A, C, G, T = 0..3, anything else 4.
    rng : Generator or int
    shuffles : int
        How many for each sequence.

    Returns
    -------
    uint8 array, shape (sequences * shuffles, length)
        The shuffles of one sequence follow each other: `.reshape(sequences, shuffles, length)` tells them apart.

    Raises
    ------
    InputError
        If `codes` are not uint8 codes of two axes or are empty, or `shuffles` is below 1.

    Notes
    -----
    Altschul & Erickson draw the last exit of every base, and draw again until the exits lead to the last base of the sequence. There are
    only 16 such trees over four bases: here one of them is drawn with the probability that it would have been accepted with.
    """
    array = check_codes(codes)
    if shuffles < 1:
        raise InputError(f"shuffles is {shuffles}: choose 1 or more for each sequence")
    generator = np.random.default_rng(rng)
    shuffled = np.repeat(array, shuffles, axis=0)
    step = max(1, LETTERS_AT_ONCE // array.shape[1])
    for low in range(0, len(shuffled), step):
        _shuffle_in_place(shuffled[low : low + step], generator)
    return shuffled


def random_background(
    sequences: int, length: int, rng: np.random.Generator | int, *, frequencies: Sequence[float] = (0.25, 0.25, 0.25, 0.25)
) -> np.ndarray:
    """Draw sequences base by base, each base on its own.

    Parameters
    ----------
    sequences, length : int
        How many, and of how many bases.
    rng : Generator or int
    frequencies : sequence of float, shape (4,)
        Of A, C, G, T; they add up to 1.

    Returns
    -------
    uint8 array, shape (sequences, length)
        Codes 0 to 3.

    Raises
    ------
    InputError
        If a size is below 1, or `frequencies` are not four numbers of 0 or more that add up to 1.
    """
    if sequences < 1 or length < 1:
        raise InputError(f"a background of {sequences} sequences of {length} bases is empty: choose 1 or more of both")
    chances = check_frequencies(frequencies)
    return np.random.default_rng(rng).choice(4, (sequences, length), p=chances).astype(np.uint8)


def check_frequencies(frequencies: Sequence[float]) -> np.ndarray:
    """Give the frequencies of A, C, G, T as float64, exactly normalised; InputError unless they are four, 0 or more, and add up to 1."""
    chances = np.asarray(frequencies, np.float64)
    if chances.shape != (len(BASES),) or not (chances >= 0).all() or abs(chances.sum() - 1) > 1e-6:
        raise InputError(f"frequencies are {list(frequencies)}: give those of A, C, G, T, four numbers that add up to 1")
    return chances / chances.sum()


def random_order_within(runs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Sort places by run, in random order within each run, all orders equally likely: int64 array, shape (places,), what to index with."""
    mixed = rng.permutation(len(runs))
    return mixed[np.argsort(runs[mixed], kind="stable")]


def _trees() -> np.ndarray:
    """List, for each last base, how the other bases can lead to it: int64, shape (4 roots, 16 trees, 4 bases), a root leading to itself."""
    exits = np.array(list(product(range(4), repeat=4)))
    after = exits
    for _ in range(2):
        after = np.take_along_axis(exits, after, axis=1)
    return np.stack([exits[(exits[:, root] == root) & (after == root).all(axis=1)] for root in range(4)])


_TREES = _trees()


def _shuffle_in_place(rows: np.ndarray, rng: np.random.Generator) -> None:
    """Shuffle the stretches of known bases of C-contiguous rows, all at the same time, base after base."""
    flat = rows.reshape(-1)
    starts, lengths = _stretches(rows)
    if not len(starts):
        return
    successors, first = _successors(flat, starts, lengths, rng)
    left = np.searchsorted(-lengths, -np.arange(lengths[0]))  # how many stretches are longer than this; the longest come first
    at = flat[starts].astype(np.int64)
    base = np.arange(len(starts)) * 4
    for step in range(1, lengths[0]):
        going = left[step]
        cell = base[:going] + at[:going]
        place = first[cell]
        first[cell] = place + 1
        at = successors[place]
        flat[starts[:going] + step] = at


def _stretches(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find the stretches of known bases that can be shuffled: starts in the flat array, and lengths, the longest first."""
    known = np.pad(rows < 4, ((0, 0), (0, 1)))  # an unknown base after each row parts it from the next
    starts, ends = true_runs(known.ravel())
    lengths = ends - starts
    starts = starts - starts // known.shape[1]
    order = np.argsort(-lengths, kind="stable")
    order = order[lengths[order] >= SHORTEST]
    return starts[order], lengths[order]


def _successors(
    flat: np.ndarray, starts: np.ndarray, lengths: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw in which order each stretch leaves each base.

    Parameters
    ----------
    flat : uint8 array
        All bases.
    starts, lengths : int array, shape (stretches,)
    rng : Generator

    Returns
    -------
    successors : int64 array, shape (dinucleotides,)
        Second bases of the dinucleotides, grouped by stretch and by first base, in the order of use.
    first : int64 array, shape (stretches * 4,)
        Where each group begins.
    """
    stretch = np.repeat(np.arange(len(starts)), lengths - 1)
    places = np.repeat(starts, lengths - 1) + count_within(lengths - 1)
    group = stretch * 4 + flat[places]
    second = flat[places + 1].astype(np.int64)
    kinds = group * 4 + second
    counts = np.bincount(kinds, minlength=len(starts) * 16).reshape(-1, 4, 4)
    roots = flat[starts + lengths - 1].astype(np.int64)
    one_of_kind = np.zeros(counts.size, np.int64)
    one_of_kind[kinds] = np.arange(len(kinds))
    exits = _last_exits(counts, roots, rng)
    has_last = (counts.sum(axis=2) > 0) & (np.arange(4) != roots[:, None])
    is_last = np.zeros(len(kinds), np.int64)
    is_last[one_of_kind[(np.arange(counts.size // 4).reshape(-1, 4) * 4 + exits)[has_last]]] = 1
    order = random_order_within(group * 2 + is_last, rng)
    leaving = counts.sum(axis=2).ravel()
    return second[order], np.cumsum(leaving) - leaving


def _last_exits(counts: np.ndarray, roots: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a tree of last exits for each stretch, weighted by how many dinucleotides could be each exit.

    Parameters
    ----------
    counts : int array, shape (stretches, 4, 4)
        Dinucleotides by first and second base.
    roots : int array, shape (stretches,)
        Last base of each stretch.
    rng : Generator

    Returns
    -------
    int64 array, shape (stretches, 4)
        The base that each base is left for, for the last time.
    """
    stretch = np.arange(len(roots))
    choices = counts.astype(np.float64)
    absent, base = np.nonzero(counts.sum(axis=2) == 0)
    choices[absent, base, roots[absent]] = 1  # a base that does not occur: one way only
    choices[stretch, roots, roots] = 1
    trees = _TREES[roots]
    weights = choices[stretch[:, None, None], np.arange(4), trees].prod(axis=2)
    drawn = (weights / rng.standard_exponential(weights.shape)).argmax(axis=1)  # the first of exponential clocks of these rates
    return trees[stretch, drawn]
