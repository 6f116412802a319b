"""What first-layer filters have learned: the windows that activate each of them, aligned, and compared with known motifs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.aligned import Predict
from helpers.evaluate.shuffling import check_codes

SEQUENCES_AT_ONCE = 256
BACKGROUND = 0.25


class FilterMotifs(NamedTuple):
    """What activates each filter.

    Attributes
    ----------
    counts : int64 array, shape (filters, width, 4)
        Position frequency matrices as counts of A, C, G, T; an unknown base is not counted. All 0 for a filter that is never active.
    windows : int64 array, shape (filters,)
        How many windows were aligned.
    maximum : float64 array, shape (filters,)
        Highest activation over the sequences.
    """

    counts: np.ndarray
    windows: np.ndarray
    maximum: np.ndarray


def filter_motifs(activate: Predict, codes: np.ndarray, width: int, *, threshold: float = 0.5) -> FilterMotifs:
    """Align the windows in which a filter is active, and count their bases (Alipanahi et al. 2015; Koo & Ploenzke 2021).

    A filter is active where its activation is above `threshold` times its highest over all sequences. The sequences go through the model
    twice, a few at a time: once for the highest, once to count.

    Parameters
    ----------
    activate : callable
        From uint8 codes (sequences, length) to activations (sequences, length, filters), such as `predictor(first_layer(model))`; or to
        (sequences, length - width + 1, filters), if the layer does not pad.
    codes : uint8 array, shape (sequences, length)
        Held-out sequences, peaks among them.
    width : int
        Of the filters, in bp.
    threshold : float
        0 to 1, without 1.

    Returns
    -------
    FilterMotifs
        Windows that reach over an end of their sequence are left out.

    Raises
    ------
    InputError
        If the filters are wider than the sequences, `threshold` is out of range, or the activations have another shape.
    """
    array = check_codes(codes)
    if not 1 <= width <= array.shape[1]:
        raise InputError(
            f"width is {width} for sequences of {array.shape[1]} bp: give that of the filters, 1 to {array.shape[1]}"
        )
    if not 0 <= threshold < 1:
        raise InputError(f"threshold is {threshold}: choose 0 or more, and less than 1")
    parts = [array[low : low + SEQUENCES_AT_ONCE] for low in range(0, len(array), SEQUENCES_AT_ONCE)]
    maximum = np.max([_activations(activate, part, width).max(axis=(0, 1)) for part in parts], axis=0)
    counts = np.zeros((len(maximum), width, 4), np.int64)
    windows = np.zeros(len(maximum), np.int64)
    for part in parts:
        aligned = np.lib.stride_tricks.sliding_window_view(part, width, axis=1)
        active = _activations(activate, part, width) > np.where(maximum > 0, threshold * maximum, np.inf)
        windows += active.sum(axis=(0, 1))
        for number in np.flatnonzero(active.any(axis=(0, 1))):
            bases = aligned[active[..., number]]
            counts[number] += np.stack([(bases == base).sum(axis=0) for base in range(4)], axis=1)
    return FilterMotifs(counts, windows, maximum)


def position_frequencies(counts: np.ndarray, pseudocount: float = 1.0) -> np.ndarray:
    """Turn counts of A, C, G, T into frequencies, as if `pseudocount` more bases had been seen at each position, a quarter of each.

    Parameters
    ----------
    counts : array, shape (..., width, 4)
    pseudocount : float
        Above 0.

    Returns
    -------
    float64 array, same shape
        Adds up to 1 over the bases; 1/4 of each where nothing was counted.

    Raises
    ------
    InputError
        If the last axis is not of four bases, a count is negative, or `pseudocount` is not above 0.
    """
    array = np.asarray(counts, np.float64)
    if array.ndim < 2 or array.shape[-1] != 4 or not (array >= 0).all():
        raise InputError(
            f"counts have shape {array.shape}: give counts of A, C, G, T, 0 or more, in the last of two or more axes"
        )
    if not pseudocount > 0:
        raise InputError(f"pseudocount is {pseudocount}: choose more than 0")
    return (array + pseudocount * BACKGROUND) / (array.sum(axis=-1, keepdims=True) + pseudocount)


def compare_motifs(
    motifs: np.ndarray, known: Mapping[str, np.ndarray], rng: np.random.Generator | int = 0, *, shuffles: int = 100
) -> pd.DataFrame:
    """Find for each motif the known motif that it resembles most, on either strand and at any offset.

    Two motifs are laid over each other, and each is taken to go on as background, a quarter of each base. Their resemblance is the Pearson
    correlation of all frequencies under both: informative positions that the other motif lacks count against it. How high it gets by
    chance is told by known motifs with their positions in random order, which keeps their composition.

    Parameters
    ----------
    motifs : array, shape (motifs, width, 4)
        Frequencies of A, C, G, T, such as `position_frequencies` of a filter's counts.
    known : mapping of str to array, shape (positions, 4)
        Frequencies or counts, by name.
    rng : Generator or int
        Puts positions in order.
    shuffles : int
        How often; the least p-value is 1 / (shuffles + 1). With 0 there is none.

    Returns
    -------
    DataFrame
        One row a motif: `motif` (name of the known one), `strand` ("-" where its reverse complement fits), `offset` (of its leftmost position
        from that of the motif), `correlation`, and `p_value`: share of shuffles in which the best of all known motifs fits as well. A
        motif without information has no match: "", "", 0, NaN and NaN.

    Raises
    ------
    InputError
        If an array has another shape, holds negative numbers or NaN, or a known motif has an empty position or no information.

    Notes
    -----
    `dist_pearson` of Biopython looks only at positions where both motifs lie: two unlike ones that share a last base are at distance 0.
    Tomtom (Gupta et al. 2007) computes p-values that account for every offset; the memelite package has it.
    """
    if shuffles < 0:
        raise InputError(f"shuffles is {shuffles}: choose 0 or more")
    array = _centred(motifs, 3, "motifs")
    targets = {name: _centred(matrix, 2, f"known motif {name!r}") for name, matrix in known.items()}
    if not targets or any(not matrix.any(axis=None) for matrix in targets.values()):
        raise InputError("known motifs are missing, or one is the same as background: give at least one, all with information")
    generator = np.random.default_rng(rng)
    rows = [
        (name, strand, *_best_offset(array, matrix[None] if strand == "+" else matrix[None, ::-1, ::-1]))
        for name, matrix in targets.items()
        for strand in "+-"
    ]
    scores = np.round(np.stack([score[:, 0] for _, _, score, _ in rows]), 12)  # a palindrome fits both strands alike: take "+"
    best = scores.argmax(axis=0)
    told = array.any(axis=(1, 2))
    each = np.arange(len(array))
    highest = np.where(told, scores[best, each], np.nan)
    by_chance = np.max([_best_of_shuffled(array, matrix, shuffles, generator) for matrix in targets.values()], axis=0)
    as_good = (by_chance >= highest[:, None] - 1e-9).sum(axis=1)
    return pd.DataFrame(
        {
            "motif": np.where(told, np.array([row[0] for row in rows], object)[best], ""),
            "strand": np.where(told, np.array([row[1] for row in rows], object)[best], ""),
            "offset": np.where(told, np.stack([row[3][:, 0] for row in rows])[best, each], 0),
            "correlation": highest,
            "p_value": np.where(told & (shuffles > 0), (as_good + 1) / (shuffles + 1), np.nan),
        }
    )


def _activations(activate: Predict, codes: np.ndarray, width: int) -> np.ndarray:
    """Activations (sequences, places, filters) of the windows that lie inside their sequence, by their first base."""
    found = np.asarray(activate(codes))
    places = codes.shape[1] - width + 1
    if found.ndim != 3 or len(found) != len(codes) or found.shape[1] not in (codes.shape[1], places):
        raise InputError(
            f"activations have shape {found.shape} where ({len(codes)}, {codes.shape[1]}, filters) was expected: "
            "give predictor(first_layer(model)), and the width of its filters"
        )
    first = (width - 1) // 2 if found.shape[1] != places else 0  # Keras's "same" padding puts the odd base to the right
    return found[:, first : first + places]


def _centred(matrix: np.ndarray, axes: int, name: str) -> np.ndarray:
    """Frequencies (..., positions, 4) minus 1/4; 0 where there is no count. InputError for what is no motif."""
    array = np.asarray(matrix, np.float64)
    if array.ndim != axes or array.shape[-1] != 4 or not array.size or not (array >= 0).all():
        wanted = "(positions, 4)" if axes == 2 else "(motifs, positions, 4)"
        raise InputError(f"{name} has shape {array.shape}: give frequencies of A, C, G, T, 0 or more, {wanted}")
    total = array.sum(axis=-1, keepdims=True)
    centred = np.divide(array, total, out=np.full_like(array, BACKGROUND), where=total > 0) - BACKGROUND
    return np.where(np.abs(centred) < 1e-12, 0, centred)


def _best_offset(motifs: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest correlation of each centred motif with each centred target of one width, and where the target begins there: (motifs, targets)."""
    width = targets.shape[1]
    padded = np.pad(motifs, ((0, 0), (width - 1, width - 1), (0, 0)))
    under = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    products = np.einsum("fpbw,twb->fpt", under, targets, optimize=True)
    norms = np.sqrt((motifs**2).sum(axis=(1, 2)))[:, None] * np.sqrt((targets**2).sum(axis=(1, 2)))
    best = products.argmax(axis=1)
    highest = np.take_along_axis(products, best[:, None], axis=1)[:, 0]
    return np.divide(highest, norms, out=np.zeros_like(highest), where=norms > 0), best - (width - 1)


def _best_of_shuffled(motifs: np.ndarray, target: np.ndarray, shuffles: int, rng: np.random.Generator) -> np.ndarray:
    """Highest correlation of each motif with a target whose positions are in random order, over both strands: (motifs, shuffles)."""
    orders = rng.permuted(np.tile(np.arange(len(target)), (shuffles, 1)), axis=1)
    mixed = target[orders]
    return np.maximum(_best_offset(motifs, mixed)[0], _best_offset(motifs, mixed[:, ::-1, ::-1])[0])
