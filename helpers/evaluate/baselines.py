"""What a model has to beat: composition, counts of short words, memory, and a target that has nothing to do with the sequence; and its ceiling."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from helpers.errors import InputError
from helpers.evaluate.metrics import pearson
from helpers.files.sequence import BASES, gc_fraction, reverse_complement

LONGEST = 8
CELLS_AT_ONCE = 1 << 20


def _columns(k: int, strand_symmetric: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Feature of each of the 4 ** k words in alphabetical order, and the names of the features."""
    words = ["".join(letters) for letters in product(BASES, repeat=k)]
    if not strand_symmetric:
        return np.arange(len(words)), tuple(words)
    first = [min(word, reverse_complement(word)) for word in words]
    names, columns = np.unique(first, return_inverse=True)
    return columns, tuple(str(name) for name in names)


def kmer_counts(codes: np.ndarray, k: int, *, strand_symmetric: bool = True) -> tuple[np.ndarray, tuple[str, ...]]:
    """Count the k-mers of each sequence.

    Parameters
    ----------
    codes : uint8 array, shape (sequences, length)
        A, C, G, T = 0..3, anything else 4; a k-mer with a 4 in it is not counted.
    k : int
        Letters of a word, 1 to 8.
    strand_symmetric : bool
        Whether a word and its reverse complement are one feature, named by the first of the two in the alphabet. A sequence and its reverse
        complement then have the same counts.

    Returns
    -------
    counts : float32 array, shape (sequences, features)
        Each place counts once, also for a word that is its own reverse complement.
    names : tuple of str, shape (features,)

    Raises
    ------
    InputError
        If `codes` are not codes of two axes, or `k` is out of range or above the length.
    """
    array = _checked(codes, 2)
    if not 1 <= k <= min(LONGEST, array.shape[1]):
        raise InputError(f"k is {k} for sequences of {array.shape[1]} bp: choose 1 to {min(LONGEST, array.shape[1])}")
    columns, names = _columns(k, strand_symmetric)
    counts = np.empty((len(array), len(names)), np.float32)
    places = array.shape[1] - k + 1
    step = max(1, CELLS_AT_ONCE // max(array.shape[1], len(names)))
    for low in range(0, len(array), step):
        part = array[low : low + step]
        words, known = np.zeros((len(part), places), np.int32), np.ones((len(part), places), bool)
        for letter in range(k):
            here = part[:, letter : letter + places]
            words = words * 4 + (here & 3)
            known &= here < 4
        cells = columns[words] + np.arange(len(part))[:, None] * len(names)
        counts[low : low + step] = np.bincount(cells[known], minlength=len(part) * len(names)).reshape(len(part), -1)
    return counts, names


def bin_features(
    codes: np.ndarray, bin_size: int, *, k: int = 4, neighbour_k: int = 3, reach: int = 2
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Describe each bin of a chromosome by its k-mers and by the shorter ones of its neighbours, the same from either strand.

    Parameters
    ----------
    codes : uint8 array, shape (length,)
        A chromosome, or a stretch of one; the last bin may be partial.
    bin_size : int
        In bp.
    k, neighbour_k : int
        Letters of the words counted within the bin, and within each neighbour.
    reach : int
        How many neighbours to either side. The two at one distance are added up; beyond an end there is nothing to count.

    Returns
    -------
    features : float32 array, shape (bins, features)
    names : tuple of str, shape (features,)
        "ACGT", and "ACG 1 away", "ACG 2 away" for the neighbours.

    Raises
    ------
    InputError
        If `codes` are not codes of one axis or are empty, `reach` is negative, or a word is longer than a bin.
    """
    if reach < 0:
        raise InputError(f"reach is {reach}: choose 0 or more neighbours")
    bins = _binned(_checked(codes, 1)[None], bin_size)[0]
    if not len(bins):
        raise InputError("codes are empty: there is no bin to describe")
    own, names = kmer_counts(bins, k)
    features, labels = [own], list(names)
    near, words = kmer_counts(bins, neighbour_k) if reach else (own, ())
    for distance in range(1, reach + 1):
        both = np.zeros_like(near)
        both[distance:] += near[:-distance]
        both[:-distance] += near[distance:]
        features.append(both)
        labels += [f"{word} {distance} away" for word in words]
    return np.hstack(features), tuple(labels)


def kmer_ridge(alpha: float = 1000.0) -> TransformedTargetRegressor:
    """Make a ridge regression of log1p(signal) on the `bin_features` of bins; predictions are signal again, expm1 of what is fitted.

    Parameters
    ----------
    alpha : float
        Strength of the penalty, on features scaled to a standard deviation of 1.

    Returns
    -------
    TransformedTargetRegressor
        Unfitted. `fit(features, targets)` takes targets (bins,) or (bins, tracks), without NaN, and raises InputError below 0.
    """
    model = make_pipeline(StandardScaler(), Ridge(alpha=alpha))
    return TransformedTargetRegressor(model, func=_log1p, inverse_func=np.expm1, check_inverse=False)


def _log1p(targets: np.ndarray) -> np.ndarray:
    """Take log(1 + x) of a signal that is 0 or more."""
    if targets.min() < 0:
        raise InputError(f"targets hold {targets.min():g}: the logarithm of 1 + signal takes 0 or more")
    return np.log1p(targets)


def kmer_logistic(
    k: int = 5, *, strand_symmetric: bool = True, strength: float = 0.01, class_weight: str | dict[int, float] | None = None
) -> Pipeline:
    """Make a logistic regression of window labels on k-mer counts (what gkm-style classifiers and 5-mer baselines of this field start from).

    Parameters
    ----------
    k, strand_symmetric
        As in `kmer_counts`.
    strength : float
        scikit-learn's C: the smaller, the stronger the penalty, on features scaled to a standard deviation of 1.
    class_weight : "balanced" or dict, optional
        As in scikit-learn.

    Returns
    -------
    Pipeline
        Unfitted, of the steps counts, scaler and classifier. It takes codes: `fit(codes, labels)`, `predict_proba(codes)[:, 1]`, with codes
        uint8 (windows, window) and labels (windows,).
    """
    steps = [
        ("counts", FunctionTransformer(_only_counts, kw_args={"k": k, "strand_symmetric": strand_symmetric})),
        ("scaler", StandardScaler(copy=False)),
        ("classifier", LogisticRegression(C=strength, class_weight=class_weight, max_iter=1000)),
    ]
    return Pipeline(steps)


def kmer_neighbours(k: int = 4, neighbours: int = 5, *, strand_symmetric: bool = True) -> Pipeline:
    """Make a classifier that can only remember: the labels of the windows whose k-mer counts are nearest, the nearest counting most.

    What it scores above chance on windows that are truly new is little; what it scores above that is a leak (lesson 09).

    Parameters
    ----------
    k, strand_symmetric
        As in `kmer_counts`.
    neighbours : int
        How many training windows answer, weighted by one over their distance.

    Returns
    -------
    Pipeline
        Unfitted, of the steps counts and classifier. It takes codes, as `kmer_logistic` does.
    """
    steps = [
        ("counts", FunctionTransformer(_only_counts, kw_args={"k": k, "strand_symmetric": strand_symmetric})),
        ("classifier", KNeighborsClassifier(neighbours, weights="distance")),
    ]
    return Pipeline(steps)


def _only_counts(codes: np.ndarray, k: int, strand_symmetric: bool) -> np.ndarray:
    """Count k-mers, without the names of the features."""
    return kmer_counts(codes, k, strand_symmetric=strand_symmetric)[0]


def gc_baseline(codes: np.ndarray, bin_size: int) -> np.ndarray:
    """Predict the signal of a bin by its fraction of G and C: a model that does not correlate better has learned composition.

    Parameters
    ----------
    codes : uint8 array, shape (windows, window)
        A chromosome is `codes[None]`; the last bin may be partial.
    bin_size : int
        In bp; the window for one prediction each.

    Returns
    -------
    float32 array, shape (windows, bins, 1)
        0 to 1; NaN where no base is known.

    Raises
    ------
    InputError
        If `codes` are not codes of two axes, or `bin_size` is below 1.
    """
    return gc_fraction(_binned(_checked(codes, 2), bin_size)).astype(np.float32)[..., None]


class ReplicateAgreement(NamedTuple):
    """How well two replicates agree, and how well anything can agree with one of them."""

    correlation: float
    ceiling: float


def replicate_agreement(one: np.ndarray, other: np.ndarray) -> ReplicateAgreement:
    """Correlate two replicates, and say what that allows: a model may agree with one of them better than they do with each other.

    Parameters
    ----------
    one, other : array, any one shape
        Signal of two replicates in the same bins; NaN in either leaves a bin out.

    Returns
    -------
    ReplicateAgreement
        `correlation`, Pearson's r of the two, and `ceiling`, its square root: the correlation of a replicate with the expectation that both
        share, if their noise is independent and of one size (Spearman 1904). NaN where the correlation is negative or
        undefined.

    Raises
    ------
    InputError
        As `metrics.pearson`.
    """
    correlation = pearson(one, other)
    return ReplicateAgreement(correlation, float(np.sqrt(correlation)) if correlation >= 0 else float("nan"))


def rotated(values: np.ndarray) -> np.ndarray:
    """Turn a chromosome's signal by half its length: a control with the same values and the same neighbours in the wrong place.

    What scores clearly against it is a mistake in the scoring, or a trend along the chromosome: not knowledge of the sequence. A leak from
    training into test it does not find.

    Parameters
    ----------
    values : array, shape (bins, ...)
        2 bins or more, in the order of the chromosome.

    Returns
    -------
    array, same shape

    Raises
    ------
    InputError
        If there are fewer than 2 bins.
    """
    if np.ndim(values) < 1 or len(values) < 2:
        raise InputError(f"values have shape {np.shape(values)}: give 2 bins or more along the first axis")
    return np.roll(values, len(values) // 2, axis=0)


def _checked(codes: np.ndarray, axes: int) -> np.ndarray:
    """Codes as an array of uint8 of so many axes, or InputError."""
    array = np.asarray(codes)
    if array.ndim != axes or array.dtype != np.uint8:
        wanted = "(sequences, length)" if axes == 2 else "(length,)"
        raise InputError(f"codes are {array.dtype} of shape {array.shape}: give uint8 codes {wanted}")
    if array.size and array.max() > 4:
        raise InputError(f"codes hold {array.max()}: a code is 0..4; use encode() to make them from letters")
    return array


def _binned(codes: np.ndarray, bin_size: int) -> np.ndarray:
    """Cut (windows, length) into (windows, bins, bin_size), the last bin filled up with unknown bases."""
    if bin_size < 1:
        raise InputError(f"bin_size is {bin_size}: a bin has at least 1 bp")
    short = -codes.shape[1] % bin_size
    whole = np.pad(codes, ((0, 0), (0, short)), constant_values=4) if short else codes
    return whole.reshape(len(codes), -1, bin_size)
