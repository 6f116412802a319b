"""Near-duplicate windows: pairs and groups of windows that share much of their sequence, found without comparing all with all.

Two windows with nearly the same sequence, one to train on and one to test with, let a model score by memory. The search is locality-sensitive
hashing (Indyk and Motwani 1998): the sketch is cut into bands of a few bins, and windows that agree in a whole band are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.errors import InputError
from helpers.prepare.sketches import EMPTY, expected_jaccard, jaccard_estimate, sketch_regions, sketch_windows

__all__ = [
    "choose_bands",
    "duplicate_groups",
    "expected_jaccard",
    "found_probability",
    "jaccard_estimate",
    "near_duplicate_pairs",
    "sketch_regions",
    "sketch_windows",
]

_BUFFER = 8_000_000  # candidate pairs held at a time
_COMPARED = 50_000  # pairs compared at a time


def found_probability(similarity: float, bands: int, rows: int) -> float:
    """Probability that a pair agrees in at least one band: 1 - (1 - J ** rows) ** bands (Leskovec et al., Mining of Massive Datasets, 3.4)."""
    return 1.0 - (1.0 - similarity**rows) ** bands


def choose_bands(size: int, threshold: float, recall: float = 0.99) -> tuple[int, int]:
    """Cut a sketch into as few, long bands as still find a pair at the threshold with probability `recall`.

    Parameters
    ----------
    size : int
        Bins of a sketch.
    threshold : float
        Jaccard index of the pairs looked for, above 0, up to 1.
    recall : float
        Least probability that such a pair is compared at all.

    Returns
    -------
    bands, rows : int
        Number of bands and bins of each. For 64 bins: 32 bands of 2 at 0.5 (found with 0.9999), 64 of 1 at 0.1 (0.9988).

    Raises
    ------
    InputError
        If the threshold or recall lies outside its range, or the sketch is too small for them.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"threshold is {threshold}; choose a Jaccard index above 0, up to 1")
    if not 0 < recall < 1:
        raise InputError(f"recall is {recall}; choose a probability between 0 and 1")
    for rows in range(size, 0, -1):
        if found_probability(threshold, size // rows, rows) >= recall:
            return size // rows, rows
    raise InputError(f"sketches of {size} bins find a pair at threshold {threshold} too seldom: sketch with a greater size=")


def _band_keys(sketches: np.ndarray, band: int, rows: int) -> np.ndarray:
    """One number per window and band; a band without any k-mer gets `EMPTY`."""
    part = sketches[:, band * rows : (band + 1) * rows]
    key = np.zeros(len(part), np.uint64)
    for column in part.T:
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    key[(part == EMPTY).all(axis=1)] = EMPTY
    return key


def _bucket_pairs(order: np.ndarray, key: np.ndarray, max_bucket: int) -> Iterator[np.ndarray]:
    """Pairs within runs of equal `key` (sorted), as (pairs, 2): all in small buckets; in great ones a chain, and each with the first."""
    edges = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1], [True]]))
    sizes = np.diff(edges)
    first, bucket_size = np.repeat(edges[:-1], sizes), np.repeat(sizes, sizes)
    last, great = first + bucket_size - 1, bucket_size > max_bucket
    place = np.arange(len(key))
    linked = place[great & (place > first)]
    yield np.stack([order[first[linked]], order[linked]], axis=1)
    for distance in range(1, max_bucket):
        here = place[(place + distance <= last) & (~great | (distance == 1))]
        if distance > 1 and not len(here):
            break
        yield np.stack([order[here], order[here + distance]], axis=1)


def _candidates(sketches: np.ndarray, bands: int, rows: int, max_bucket: int) -> Iterator[np.ndarray]:
    """Pairs that agree in a band, as first * windows + second, each once in a batch; a pair can come again in a later batch."""
    count = len(sketches)
    held: list[np.ndarray] = []
    for band in range(bands):
        key = _band_keys(sketches, band, rows)
        follows = _band_keys(sketches, (band + 1) % bands, rows)
        used = np.flatnonzero(key != EMPTY)
        order = used[np.lexsort((follows[used], key[used]))]  # like ones stand together in a great bucket, too
        for pairs in _bucket_pairs(order, key[order], max_bucket):
            held.append(pairs.min(axis=1) * count + pairs.max(axis=1))
            if sum(map(len, held)) > _BUFFER:
                held = [np.unique(np.concatenate(held))]
                if len(held[0]) > _BUFFER // 2:
                    yield held.pop()
    if held:
        yield np.unique(np.concatenate(held))


def _compared(sketches: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Estimated Jaccard index of each pair."""
    similarity = np.empty(len(first))
    for low in range(0, len(first), _COMPARED):
        part = slice(low, low + _COMPARED)
        similarity[part] = jaccard_estimate(sketches[first[part]], sketches[second[part]])
    return similarity


def _check(sketches: np.ndarray, max_bucket: int) -> np.ndarray:
    """Sketches as an array, or an error."""
    array = np.asarray(sketches)
    if array.ndim != 2 or array.dtype != np.uint64:
        raise InputError(
            f"sketches are {array.dtype} of shape {array.shape}; give what sketch_windows returns, uint64 (windows, size)"
        )
    if max_bucket < 2:
        raise InputError(f"max_bucket is {max_bucket}; choose 2 or more")
    return array


def near_duplicate_pairs(
    sketches: np.ndarray, threshold: float = 0.5, *, recall: float = 0.99, max_bucket: int = 32
) -> pd.DataFrame:
    """Find pairs of windows whose sketches agree in at least `threshold` of their bins.

    A pair whose estimate is at the threshold is compared with probability `recall` or more (`choose_bands`), a more similar one more
    surely. The estimate itself has a standard error of about sqrt(J (1 - J) / size): 0.06 at J = 0.5 with 64 bins.

    A band that very many windows share is a common repeat, and its pairs grow with the square. Buckets of more than `max_bucket` windows
    therefore give only some pairs: each window with the first one, and with its neighbour in an order that puts like ones together. The
    pairs of such a family are then incomplete, though they still connect it; `duplicate_groups` is the function for families.

    Parameters
    ----------
    sketches : uint64 array, shape (windows, size)
        From `sketch_windows` or `sketch_regions`; those of several chromosomes can be concatenated.
    threshold : float
        Least estimated Jaccard index, above 0, up to 1.
    recall : float
        Least probability that a pair at the threshold is compared.
    max_bucket : int
        Windows in a bucket up to which all pairs are compared.

    Returns
    -------
    DataFrame
        Columns first, second (int64, rows of `sketches`, first < second) and similarity (float64), sorted. Windows without any k-mer
        are in no pair.

    Raises
    ------
    InputError
        If `sketches` are not sketches, or too small for the threshold.
    """
    array = _check(sketches, max_bucket)
    bands, rows = choose_bands(array.shape[1], threshold, recall)
    codes, similarities = [np.empty(0, np.int64)], [np.empty(0)]
    for pairs in _candidates(array, bands, rows, max_bucket):
        similarity = _compared(array, pairs // len(array), pairs % len(array))
        kept = similarity >= threshold
        codes.append(pairs[kept])
        similarities.append(similarity[kept])
    unique, place = np.unique(np.concatenate(codes), return_index=True)
    divisor = max(len(array), 1)
    return pd.DataFrame(
        {"first": unique // divisor, "second": unique % divisor, "similarity": np.concatenate(similarities)[place]}
    )


def duplicate_groups(sketches: np.ndarray, threshold: float = 0.5, *, recall: float = 0.99, max_bucket: int = 32) -> np.ndarray:
    """Group windows that near-duplicate pairs connect, directly or through others, so that a split can keep each group on one side.

    Parameters
    ----------
    sketches, threshold, recall, max_bucket
        As in `near_duplicate_pairs`.

    Returns
    -------
    int64 array, shape (windows,)
        Label of each window's group, numbered from 0 by first window. A window without a duplicate, or without any k-mer, is alone
        in its group.

    Raises
    ------
    InputError
        As `near_duplicate_pairs`.
    """
    array = _check(sketches, max_bucket)
    bands, rows = choose_bands(array.shape[1], threshold, recall)
    labels = np.arange(len(array))
    for pairs in _candidates(array, bands, rows, max_bucket):
        first, second = pairs // len(array), pairs % len(array)
        apart = labels[first] != labels[second]  # pairs that are connected already need no comparison
        first, second = first[apart], second[apart]
        kept = _compared(array, first, second) >= threshold
        labels = _connected(labels, first[kept], second[kept])
    return _connected(labels, labels[:0], labels[:0])


def _connected(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Merge the groups of paired windows, and number all groups by first window."""
    count = len(labels)
    edges = coo_array((np.ones(len(first), np.int8), (labels[first], labels[second])), shape=(count, count))
    merged = connected_components(edges, directed=False)[1][labels]
    _, place, label = np.unique(merged, return_index=True, return_inverse=True)
    rank = np.empty(len(place), np.int64)
    rank[np.argsort(place)] = np.arange(len(place))
    return rank[label]
