from __future__ import annotations

import numpy as np
import pytest
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.sequence import (
    decode,
    encode,
    gap_intervals,
    gc_fraction,
    one_hot,
    reverse_complement,
    reverse_complement_codes,
)

IUPAC = "ACGTRYSWKMBDHVN"
codes_of = st.lists(st.integers(0, 4), max_size=40).map(lambda values: np.array(values, np.uint8))


def test_encode_letters() -> None:
    codes = encode("ACGTacgtNRYn-*é")
    assert codes.dtype == np.uint8
    assert codes.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4]
    assert encode(b"TgA").tolist() == [3, 2, 0]
    assert encode("").shape == (0,)


def test_decode() -> None:
    assert decode(np.array([3, 2, 1, 0, 4])) == "TGCAN"


@given(st.text("ACGTN", max_size=50))
def test_decode_undoes_encode(sequence: str) -> None:
    assert decode(encode(sequence)) == sequence


def test_one_hot_order_and_unknown() -> None:
    expected = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]]
    hot = one_hot(np.arange(5, dtype=np.uint8))
    assert hot.dtype == np.float32
    assert hot.tolist() == expected
    assert one_hot(np.zeros((2, 3), np.uint8)).shape == (2, 3, 4)


@given(st.text(IUPAC + IUPAC.lower(), max_size=50))
def test_reverse_complement_is_biopythons(sequence: str) -> None:
    assert reverse_complement(sequence) == str(Seq(sequence).reverse_complement())
    plain = "".join(letter if letter in "ACGTacgt" else "N" for letter in sequence)
    assert decode(reverse_complement_codes(encode(plain))) == str(Seq(plain.upper()).reverse_complement())


def test_reverse_complement_iupac() -> None:
    assert reverse_complement("ACGTRYKMBVDHSWNacgtn") == "nacgtNWSDHBVKMRYACGT"


def test_reverse_complement_codes_runs_along_the_last_axis() -> None:
    codes = np.array([[0, 1, 4], [3, 3, 2]], np.uint8)
    assert reverse_complement_codes(codes).tolist() == [[4, 2, 3], [1, 0, 0]]
    assert np.array_equal(reverse_complement_codes(reverse_complement_codes(codes)), codes)


def test_gc_fraction() -> None:
    codes = np.stack([encode("GCAT"), encode("GNNN"), encode("NNNN"), encode("ATNC")])
    np.testing.assert_array_equal(gc_fraction(codes), [0.5, 1.0, np.nan, 1 / 3])
    np.testing.assert_array_equal(gc_fraction(codes, axis=0), [2 / 3, 0.5, 0.0, 0.5])
    assert gc_fraction(encode("GGA")).shape == ()


@given(codes_of, st.integers(1, 5))
def test_gap_intervals_against_a_loop(codes: np.ndarray, min_length: int) -> None:
    runs, start = [], None
    for i, code in enumerate([*codes.tolist(), 0]):
        if code == 4 and start is None:
            start = i
        if code != 4 and start is not None:
            runs += [[start, i]] if i - start >= min_length else []
            start = None
    found = gap_intervals(codes, min_length)
    assert found.dtype == np.int64
    assert found.shape == (len(runs), 2)
    assert found.tolist() == runs


@pytest.mark.parametrize("function", [decode, one_hot, reverse_complement_codes, gc_fraction, gap_intervals])
def test_codes_out_of_range(function: object) -> None:
    with pytest.raises(InputError, match=r"^codes must lie in 0\.\.4, not 0\.\.7; use encode\(\)"):
        function(np.array([0, 7]))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"^codes must lie in 0\.\.4, not -1\.\.0; use encode\(\)"):
        function(np.array([0, -1]))  # type: ignore[operator]
    with pytest.raises(InputError, match=r"^codes must be integers, not float64; use encode\(\)"):
        function(np.array([0.0]))  # type: ignore[operator]
