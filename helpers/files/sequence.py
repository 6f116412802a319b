"""DNA as arrays: one byte a base, one-hot, reverse complements.

Codes are uint8: A, C, G, T are 0 to 3, every other letter is 4. One-hot order is A, C, G, T; code 4 is an all-zero row.
"""

from __future__ import annotations

import numpy as np
from Bio.Seq import reverse_complement as _bio_reverse_complement

from helpers.errors import InputError
from helpers.files.runs import true_runs

BASES = "ACGT"

_CODE_OF_BYTE = np.full(256, 4, np.uint8)
for _code, _base in enumerate(BASES):
    _CODE_OF_BYTE[[ord(_base), ord(_base.lower())]] = _code
_BYTE_OF_CODE = np.frombuffer((BASES + "N").encode(), np.uint8)
_COMPLEMENT = np.array([3, 2, 1, 0, 4], np.uint8)
_ONE_HOT = np.vstack([np.eye(4, dtype=np.float32), np.zeros((1, 4), np.float32)])


def encode(sequence: str | bytes) -> np.ndarray:
    """Turn letters into codes; lower case is read as upper case, and any letter but A, C, G, T becomes 4.

    Parameters
    ----------
    sequence : str or bytes
        DNA letters.

    Returns
    -------
    uint8 array, shape (length,)
    """
    letters = sequence.encode("ascii", "replace") if isinstance(sequence, str) else sequence
    return _CODE_OF_BYTE[np.frombuffer(letters, np.uint8)]


def _checked(codes: np.ndarray) -> np.ndarray:
    """Codes as an array of integers in 0..4, or an error."""
    array = np.asarray(codes)
    if array.dtype.kind not in "ui":
        raise InputError(f"codes must be integers, not {array.dtype}; use encode() to make them from letters")
    if array.size and (array.max() > 4 or array.min() < 0):
        raise InputError(f"codes must lie in 0..4, not {array.min()}..{array.max()}; use encode() to make them from letters")
    return array


def decode(codes: np.ndarray) -> str:
    """Turn codes back into letters; 4 becomes N.

    Parameters
    ----------
    codes : integer array, shape (length,)
        Values 0 to 4.

    Returns
    -------
    str

    Raises
    ------
    InputError
        If a value lies outside 0..4.
    """
    return _BYTE_OF_CODE[_checked(codes)].tobytes().decode("ascii")


def one_hot(codes: np.ndarray) -> np.ndarray:
    """One-hot encode codes in the order A, C, G, T; code 4 becomes an all-zero row.

    Parameters
    ----------
    codes : integer array, shape (...)
        Values 0 to 4.

    Returns
    -------
    float32 array, shape (..., 4)

    Raises
    ------
    InputError
        If a value lies outside 0..4.
    """
    return _ONE_HOT[_checked(codes)]


def reverse_complement(sequence: str) -> str:
    """Reverse complement of letters, IUPAC letters and case included (Biopython's)."""
    return _bio_reverse_complement(sequence)


def reverse_complement_codes(codes: np.ndarray) -> np.ndarray:
    """Reverse complement of codes.

    Parameters
    ----------
    codes : integer array, shape (..., length)
        Values 0 to 4; the last axis runs along the sequence.

    Returns
    -------
    uint8 array, shape (..., length)

    Raises
    ------
    InputError
        If a value lies outside 0..4.
    """
    return _COMPLEMENT[_checked(codes)[..., ::-1]]


def gc_fraction(codes: np.ndarray, axis: int = -1) -> np.ndarray:
    """Fraction of G and C among the known bases.

    Parameters
    ----------
    codes : integer array
        Values 0 to 4; 4 is not counted.
    axis : int
        The axis along the sequence.

    Returns
    -------
    float64 array, shape of `codes` without `axis`
        NaN where no base is known.

    Raises
    ------
    InputError
        If a value lies outside 0..4.
    """
    array = _checked(codes)
    known = np.asarray((array < 4).sum(axis=axis), dtype=np.float64)
    strong = np.asarray(((array == 1) | (array == 2)).sum(axis=axis), dtype=np.float64)
    return np.divide(strong, known, out=np.full_like(known, np.nan), where=known > 0)


def gap_intervals(codes: np.ndarray, min_length: int = 1) -> np.ndarray:
    """Find runs of unknown bases (code 4).

    Parameters
    ----------
    codes : integer array, shape (length,)
        Values 0 to 4.
    min_length : int
        Shorter runs are left out.

    Returns
    -------
    int64 array, shape (runs, 2)
        Start and end of each run, 0-based half-open, in bases.

    Raises
    ------
    InputError
        If a value lies outside 0..4.
    """
    runs = np.stack(true_runs(_checked(codes) == 4), axis=1)
    return runs[runs[:, 1] - runs[:, 0] >= min_length]
