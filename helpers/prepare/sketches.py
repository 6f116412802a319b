"""MinHash sketches of sequence windows: a few numbers that tell how many k-mers two windows share.

A sketch is one hash value per bin: every k-mer of a window gets a 64-bit hash, the hash decides the bin, and the bin keeps its least value
(MinHash: Broder 1997, "On the resemblance and containment of documents"; one hash function for all bins: Li, Owen and Zhang 2012,
"One permutation hashing"; k-mers of genomes: Ondov et al. 2016, Mash, Genome Biology 17:132). The share of equal bins estimates the
Jaccard index of the two sets of k-mers, with a standard error of about sqrt(J (1 - J) / size).
"""

from __future__ import annotations

import numpy as np

from helpers.errors import InputError

EMPTY = np.uint64(2**64 - 1)  # a bin without any k-mer
LONGEST_K = 31
_CELLS = 1 << 14  # k-mers worked on at a time: 128 kB an array stay in the cache, and above that the system hands out memory anew
_SPAN = 1 << 17  # bases of a chromosome hashed at a time


def _mix(values: np.ndarray) -> np.ndarray:
    """Scramble 64-bit numbers one to one (splitmix64's finaliser: Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _words(codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K-mers along the last axis as 2-bit numbers, those of the other strand, and whether all bases are known.

    Words of twice the length are put together from two neighbours, so that k letters take about 2 log2(k) steps.
    """
    letters = codes.astype(np.uint64)
    part, size = (letters & np.uint64(3), np.uint64(3) - (letters & np.uint64(3)), codes < 4), 1
    whole, length = part, 0
    left = k
    while left:
        if left & 1:
            whole, length = (_joined(whole, length, part, size) if length else part), length + size
        left >>= 1
        if left:
            part, size = _joined(part, size, part, size), 2 * size
    return whole


def _joined(
    first: tuple[np.ndarray, ...], length: int, second: tuple[np.ndarray, ...], size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Words of `length + size` letters from words of `length` and, after them, words of `size`."""
    count = second[0].shape[-1] - length
    a = tuple(array[..., :count] for array in first)
    b = tuple(array[..., length : length + count] for array in second)
    return (a[0] << np.uint64(2 * size)) | b[0], a[1] | (b[1] << np.uint64(2 * length)), a[2] & b[2]


def kmer_hashes(codes: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Hash of the canonical k-mer at each position: the lesser of the word and its reverse complement, scrambled.

    Parameters
    ----------
    codes : uint8 array, shape (..., length)
        0 to 3, or 4 for an unknown base.
    k : int
        Letters of a word.
    seed : int
        Another seed is another hash function.

    Returns
    -------
    uint64 array, shape (..., length - k + 1)
        `EMPTY` where a base is unknown.
    """
    forward, backward, known = _words(codes, k)
    key = _mix(np.array([seed % 2**64], np.uint64) + np.uint64(0x9E3779B97F4A7C15))
    hashes = np.minimum(_mix(np.minimum(forward, backward) ^ key), EMPTY - np.uint64(1))
    hashes[~known] = EMPTY
    return hashes


def _hashes_along(codes: np.ndarray, k: int, seed: int) -> np.ndarray:
    """`kmer_hashes` of a long sequence, piece by piece."""
    hashes = np.empty(len(codes) - k + 1, np.uint64)
    for low in range(0, len(hashes), _CELLS):
        high = min(low + _CELLS, len(hashes))
        hashes[low:high] = kmer_hashes(np.asarray(codes[low : high + k - 1]), k, seed)
    return hashes


def _least_per_bin(hashes: np.ndarray, size: int) -> np.ndarray:
    """Least hash of each of `size` bins in each row; a bin is a range of hashes, so that `EMPTY` changes nothing in the last one."""
    bins = ((hashes >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32)
    rows = np.arange(len(hashes), dtype=np.uint64)[:, None] * np.uint64(size)
    sketches = np.full(len(hashes) * size, EMPTY)
    np.minimum.at(sketches, (bins + rows).ravel().astype(np.int64), hashes.ravel())
    return sketches.reshape(len(hashes), size)


def _check(k: int, size: int, length: int) -> None:
    """Refuse sizes that make no sketch."""
    if not 1 <= k <= min(LONGEST_K, length):
        raise InputError(f"k is {k} for windows of {length} bp; choose 1 to {min(LONGEST_K, length)}")
    if size < 1:
        raise InputError(f"size is {size}; choose 1 or more")


def sketch_windows(codes_windows: np.ndarray, *, k: int = 16, size: int = 64, seed: int = 0) -> np.ndarray:
    """Sketch windows given as an array; a window and its reverse complement have the same sketch.

    Parameters
    ----------
    codes_windows : uint8 array, shape (windows, length)
        0 to 3, or 4 for an unknown base; a k-mer with an unknown base is left out.
    k : int
        Letters of a word, 1 to 31. Shorter words forgive more differences; see `expected_jaccard`.
    size : int
        Bins of a sketch; best well below the number of k-mers of a window.
    seed : int
        Of the hash function; sketches can be compared only if k, size and seed are the same.

    Returns
    -------
    uint64 array, shape (windows, size)
        `EMPTY` in bins that no k-mer fell into.

    Raises
    ------
    InputError
        If the array is not of two axes, or k or size cannot be.
    """
    codes = np.asarray(codes_windows)
    if codes.ndim != 2:
        raise InputError(f"codes_windows has shape {codes.shape}; give (windows, length), or use sketch_regions for a chromosome")
    _check(k, size, codes.shape[1])
    sketches = np.empty((len(codes), size), np.uint64)
    step = max(1, _CELLS // codes.shape[1])
    for low in range(0, len(codes), step):
        part = slice(low, low + step)
        sketches[part] = _least_per_bin(kmer_hashes(codes[part], k, seed), size)
    return sketches


def sketch_regions(
    codes: np.ndarray, starts: np.ndarray, window: int, *, k: int = 16, size: int = 64, seed: int = 0
) -> np.ndarray:
    """Sketch windows of one chromosome: each base is hashed about once, also where windows overlap.

    Parameters
    ----------
    codes : uint8 array, shape (length,)
        The chromosome; may be mapped from disk.
    starts : integer array, shape (windows,)
        0-based start of each window, in any order.
    window : int
        Length of every window in bp.
    k, size, seed : int
        As in `sketch_windows`, which gives the same sketches.

    Returns
    -------
    uint64 array, shape (windows, size)

    Raises
    ------
    InputError
        If a window runs past an end, or k or size cannot be.
    """
    first = np.asarray(starts, dtype=np.int64)
    _check(k, size, window)
    if first.size and (first.min() < 0 or first.max() + window > len(codes)):
        wrong = int(first.max() if first.min() >= 0 else first.min())
        raise InputError(
            f"window {wrong}-{wrong + window} runs past an end of the {len(codes)} bp given; leave it out of starts="
        )
    order = np.argsort(first, kind="stable")
    sorted_starts, sketches = first[order], np.empty((len(first), size), np.uint64)
    words, step = np.arange(window - k + 1), max(1, _CELLS // window)
    low = 0
    while low < len(first):
        base = sorted_starts[low]
        high = max(low + 1, int(np.searchsorted(sorted_starts, base + _SPAN, side="right")))
        hashes = _hashes_along(codes[base : sorted_starts[high - 1] + window], k, seed)
        for i in range(low, high, step):
            j = min(i + step, high)
            sketches[order[i:j]] = _least_per_bin(hashes[(sorted_starts[i:j] - base)[:, None] + words], size)
        low = high
    return sketches


def jaccard_estimate(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Estimate which share of the k-mers of two windows is common to both (Li, Owen and Zhang 2012, eq. 4).

    Parameters
    ----------
    a, b : uint64 arrays, shape (..., size)
        Sketches of the same k, size and seed; leading axes are broadcast.

    Returns
    -------
    float64 array, shape (...)
        Equal bins over bins that either fills, 0 to 1; NaN where a window has no k-mer.
    """
    equal = (a == b) & (a != EMPTY)
    either = (a != EMPTY) | (b != EMPTY)
    both_some = (a != EMPTY).any(axis=-1) & (b != EMPTY).any(axis=-1)
    counted = np.where(both_some, either.sum(axis=-1), 0)
    out = np.full(counted.shape, np.nan)
    return np.divide(equal.sum(axis=-1), counted, out=out, where=counted > 0)


def expected_jaccard(divergence: float, *, k: int = 16, overlap: float = 1.0) -> float:
    """Jaccard index to expect of a window and its diverged copy, to choose a threshold by.

    Each base differs with probability `divergence`, so that a k-mer survives with (1 - divergence) ** k (Ondov et al. 2016, eq. 2, with
    that binomial in place of its Poisson limit). Windows on a fixed grid seldom start at the same base of a repeat: `overlap` is the
    share of the window that the copy covers, at least 0.5 for the best of the windows that tile it.

    Parameters
    ----------
    divergence : float
        Share of bases that differ, 0 to 1.
    k : int
        Letters of a word.
    overlap : float
        Share of the window that the copy covers, 0 to 1.

    Returns
    -------
    float
        0 to 1. For k = 16: 0.57 at 2 %, 0.28 at 5 %, 0.10 at 10 %; 0.33 for an exact copy shifted by half a window.

    Raises
    ------
    InputError
        If a share lies outside 0..1.
    """
    for name, value in (("divergence", divergence), ("overlap", overlap)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is {value}; give a share from 0 to 1")
    shared = overlap * (1 - divergence) ** k
    return shared / (2 - shared)
