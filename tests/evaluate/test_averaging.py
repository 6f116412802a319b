from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate.aligned import draw_offsets, plan_shifts
from helpers.evaluate.averaging import both_strands, shift_averaged
from helpers.files.sequence import encode, reverse_complement_codes

BIN, WINDOW, EXTENDED = 4, 16, 24
MOTIF = encode("GAC")  # its reverse complement is GTC
Model = Callable[[np.ndarray], np.ndarray]


def random_codes(seed: int, sequences: int, length: int = WINDOW) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (sequences, length)).astype(np.uint8)


def counts(codes: np.ndarray, motif: np.ndarray = MOTIF) -> np.ndarray:
    """How often the motif lies wholly within each bin: float32 (windows, bins)."""
    bins = codes.reshape(len(codes), -1, BIN)
    places = np.lib.stride_tricks.sliding_window_view(bins, len(motif), axis=2)
    return (places == motif).all(axis=3).sum(axis=2).astype(np.float32)


def forward_only(codes: np.ndarray) -> np.ndarray:
    return counts(codes)[..., None]


def symmetric(codes: np.ndarray) -> np.ndarray:
    return (counts(codes) + counts(codes, reverse_complement_codes(MOTIF)))[..., None]


def by_strand(codes: np.ndarray) -> np.ndarray:
    """Track 0 is the forward strand, track 1 the reverse one, track 2 both."""
    forward, backward = counts(codes), counts(codes, reverse_complement_codes(MOTIF))
    return np.stack([forward, backward, forward + backward], axis=2)


def lopsided(codes: np.ndarray) -> np.ndarray:
    """Depends on place, strand and base: nothing about it is symmetric."""
    weights = np.random.default_rng(0).normal(size=(5, codes.shape[1], codes.shape[1] // BIN * 2))
    found = np.stack([weights[window, np.arange(codes.shape[1])].sum(axis=0) for window in codes])
    return found.reshape(len(codes), -1, 2).astype(np.float32)


def test_both_strands_of_a_motif() -> None:
    codes = encode("GACAAAAAAAAAAGTC")[None]
    assert forward_only(codes)[0, :, 0].tolist() == [1, 0, 0, 0]
    assert both_strands(forward_only, codes)[0, :, 0].tolist() == [0.5, 0, 0, 0.5]
    assert by_strand(codes)[0].tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert both_strands(by_strand, codes, [1, 0, 2])[0].tolist() == by_strand(codes)[0].tolist()
    assert both_strands(by_strand, codes)[0, 0].tolist() == [0.5, 0.5, 1]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.sampled_from([4, 8, 16]))
def test_a_symmetric_model_stays_as_it_is(seed: int, sequences: int, length: int) -> None:
    codes = random_codes(seed, sequences, length)
    before = codes.copy()
    np.testing.assert_array_equal(both_strands(symmetric, codes), symmetric(codes))
    np.testing.assert_array_equal(both_strands(by_strand, codes, [1, 0, 2]), by_strand(codes))
    np.testing.assert_array_equal(codes, before)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 10**6), st.sampled_from([(forward_only, None), (by_strand, [1, 0, 2]), (lopsided, None), (lopsided, [1, 0])])
)
def test_every_model_becomes_symmetric(seed: int, case: tuple[Model, list[int] | None]) -> None:
    model, stranded = case
    codes = random_codes(seed, 5)
    found = both_strands(model, codes, stranded)
    other = both_strands(model, reverse_complement_codes(codes), stranded)[:, ::-1]
    np.testing.assert_array_equal(found, other if stranded is None else other[..., stranded])
    assert found.dtype == np.float32
    assert found.shape == model(codes).shape
    if model is lopsided:
        assert not np.allclose(found, model(codes))


def test_both_strands_refuses_what_cannot_be_turned() -> None:
    codes = random_codes(0, 3)
    with pytest.raises(InputError, match=r"stranded is \[0, 2\]: give for each of the 2 tracks its partner's number"):
        both_strands(lopsided, codes, [0, 2])
    with pytest.raises(InputError, match="3 bins do not divide a window of 16 bp"):
        both_strands(lambda x: lopsided(x)[:, :3], codes)
    with pytest.raises(InputError, match=r"predict gave shape \(3, 4\) where \(3, bins, tracks\) was expected"):
        both_strands(lambda x: lopsided(x)[..., 0], codes)
    with pytest.raises(InputError, match=r"codes have shape \(16,\): give \(windows, window\)"):
        both_strands(lopsided, codes[0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 9))
def test_a_model_that_shifts_do_not_touch_stays_as_it_is(seed: int, sequences: int, shifts: int) -> None:
    """What a bin holds decides alone: the average is the prediction of the whole sequence, cut to the middle."""
    codes = random_codes(seed, sequences, EXTENDED)
    found = shift_averaged(by_strand, codes, seed, bin_size=BIN, window=WINDOW, shifts=shifts)
    np.testing.assert_array_equal(found, by_strand(codes)[:, 2:4])
    assert found.dtype == np.float32


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 7))
def test_shift_average_is_that_of_a_slow_loop(seed: int, sequences: int, shifts: int) -> None:
    codes = random_codes(seed, sequences, EXTENDED)
    offsets = draw_offsets(seed, codes, plan_shifts(codes, WINDOW, BIN, None), shifts)
    expected = np.zeros((sequences, 2, 2))
    for k, begins in enumerate(offsets):
        for begin in begins:
            first = (8 - begin) // BIN
            expected[k] += lopsided(codes[k : k + 1, begin : begin + WINDOW])[0, first : first + 2] / shifts
    np.testing.assert_allclose(
        shift_averaged(lopsided, codes, seed, bin_size=BIN, window=WINDOW, shifts=shifts), expected, rtol=1e-5, atol=1e-5
    )


def test_strands_and_shifts_go_together() -> None:
    codes = random_codes(1, 6, EXTENDED)
    options = {"bin_size": BIN, "window": WINDOW, "shifts": 4}
    found = shift_averaged(lambda x: both_strands(forward_only, x), codes, 0, **options)
    np.testing.assert_array_equal(found, symmetric(codes)[:, 2:4] / 2)


def test_whole_numbers_are_averaged_as_numbers() -> None:
    """A model may give integers; half of one is not cut off."""
    codes = random_codes(2, 40, EXTENDED)
    found = shift_averaged(lambda x: np.repeat(x[:, None, :1], 4, axis=1), codes, 0, bin_size=BIN, window=WINDOW, shifts=2)
    assert found.dtype == np.float64
    assert np.any(found % 1 == 0.5)
