"""Patterns of bases: put into sequences, and found in them.

A pattern is text in A, C, G, T and N. Its position is that of its leftmost base, 0-based, whichever strand it is read on.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import numpy as np
from Bio.Data.IUPACData import ambiguous_dna_values

from helpers.errors import InputError
from helpers.evaluate.shuffling import check_codes
from helpers.files.sequence import BASES, encode, reverse_complement_codes

_IUPAC = {letter: "N" if letter == "N" else "".join(sorted(ambiguous_dna_values[letter])) for letter in "ACGTRYSWKMBDHVN"}

Site = tuple[np.ndarray, int]
"""Codes of a pattern, and where its leftmost base lies."""


def encode_pattern(pattern: str, strand: str = "+") -> np.ndarray:
    """Turn a pattern into codes as they are read on the forward strand; InputError unless it is text in A, C, G, T and N."""
    wrong = [letter for letter in pattern if letter.upper() not in BASES + "N"]
    if wrong or not pattern:
        raise InputError(f"pattern {pattern!r} {f'holds {wrong[0]!r}' if wrong else 'is empty'}: write it in A, C, G, T and N")
    if strand not in ("+", "-"):
        raise InputError(f"strand is {strand!r}: choose '+' or '-'")
    return encode(pattern) if strand == "+" else reverse_complement_codes(encode(pattern))


def spelled_out(word: str) -> list[str]:
    """List the patterns that a word in IUPAC letters stands for, such as RTCA: ATCA and GTCA; an N stays.

    Parameters
    ----------
    word : str
        In A, C, G, T, N and R, Y, S, W, K, M, B, D, H, V.

    Returns
    -------
    list of str
        Upper case, in alphabetical order.

    Raises
    ------
    InputError
        If the word is empty or holds another letter.
    """
    letters = word.upper()
    wrong = [letter for letter in letters if letter not in _IUPAC]
    if wrong or not letters:
        raise InputError(f"word {word!r} {f'holds {wrong[0]!r}' if wrong else 'is empty'}: write it in IUPAC letters")
    return ["".join(each) for each in product(*(_IUPAC[letter] for letter in letters))]


def insert_pattern(codes: np.ndarray, pattern: str, position: int | None = None, *, strand: str = "+") -> np.ndarray:
    """Put a pattern into every sequence, at the same place.

    Parameters
    ----------
    codes : uint8 array, shape (sequences, length)
    pattern : str
        In A, C, G, T and N; an N leaves the base that is there.
    position : int, optional
        Of its leftmost base; by default the pattern lies in the middle.
    strand : "+" or "-"
        On "-" its reverse complement is put in.

    Returns
    -------
    uint8 array, shape (sequences, length)
        A copy.

    Raises
    ------
    InputError
        If the pattern holds another letter, is longer than the sequences, or does not fit at `position`.
    """
    array = check_codes(codes)
    word = encode_pattern(pattern, strand)
    return insert_sites(array, [(word, place_pattern(pattern, len(word), array.shape[1], position))])


def find_pattern(codes: np.ndarray, pattern: str, *, both_strands: bool = True) -> np.ndarray:
    """Find where a pattern begins.

    Parameters
    ----------
    codes : uint8 array, shape (sequences, length)
    pattern : str
        In A, C, G, T and N; an N is any known base.
    both_strands : bool
        Whether its reverse complement counts, too. A place where both fit counts once.

    Returns
    -------
    bool array, shape (sequences, length - len(pattern) + 1)
        True at the leftmost base of an instance.

    Raises
    ------
    InputError
        If the pattern holds another letter or is longer than the sequences.
    """
    array = check_codes(codes)
    words = [encode_pattern(pattern, strand) for strand in ("+-" if both_strands else "+")]
    places = array.shape[1] - len(pattern) + 1
    if places < 1:
        raise InputError(f"pattern {pattern!r} takes {len(pattern)} bp, but a sequence has {array.shape[1]}: shorten it")
    found = np.zeros((len(array), places), bool)
    for word in words:
        fits = np.ones_like(found)
        for offset, code in enumerate(word):
            here = array[:, offset : offset + places]
            fits &= here == code if code < 4 else here < 4
        found |= fits
    return found


def place_pattern(pattern: str, width: int, window: int, position: int | None) -> int:
    """Start of so many bases in a window, in the middle if not said; InputError if they do not fit."""
    if width > window:
        raise InputError(f"pattern {pattern!r} takes {width} bp, but a window has {window}: shorten it, or use longer windows")
    start = (window - width) // 2 if position is None else position
    if not 0 <= start <= window - width:
        raise InputError(
            f"pattern {pattern!r} takes {width} bp from {start} on, in a window of {window}: begin at 0 to {window - width}"
        )
    return start


def insert_sites(codes: np.ndarray, sites: Iterable[Site]) -> np.ndarray:
    """Copy of the codes with words in it; code 4 of a word leaves the base."""
    changed = codes.copy()
    for word, start in sites:
        known = np.flatnonzero(word < 4)
        changed[:, start + known] = word[known]
    return changed
