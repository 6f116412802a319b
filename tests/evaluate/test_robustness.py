from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate import aligned
from helpers.evaluate.aligned import draw_offsets, plan_shifts
from helpers.evaluate.averaging import shift_averaged
from helpers.evaluate.robustness import variation_score

BIN, WINDOW, EXTENDED = 4, 16, 24  # windows begin at 0, 4 or 8; the middle 8 bp, bins 2 and 3, are common


def random_codes(seed: int, sequences: int, length: int = EXTENDED) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 5, (sequences, length)).astype(np.uint8)


def per_bin(codes: np.ndarray) -> np.ndarray:
    """A model that shifts do not touch: the number of G and of A in each bin."""
    bins = codes.reshape(len(codes), -1, BIN)
    return np.stack([(bins == 2).sum(axis=2), (bins == 0).sum(axis=2)], axis=2).astype(np.float32)


def position(codes: np.ndarray) -> np.ndarray:
    """A model that knows nothing but where in its window a bin lies: 1, 2, 3, ..., and ten times that."""
    place = np.broadcast_to(
        np.arange(1, codes.shape[1] // BIN + 1, dtype=np.float32)[:, None], (len(codes), codes.shape[1] // BIN, 1)
    )
    return np.concatenate([place, 10 * place], axis=2)


def first_base(codes: np.ndarray) -> np.ndarray:
    """A model that looks at the first base of its window, and says so in every bin."""
    return np.repeat(codes[:, None, :1], codes.shape[1] // BIN, axis=1).astype(np.float32)


def slow_score(predict: aligned.Predict, codes: np.ndarray, offsets: np.ndarray, common: int) -> np.ndarray:
    """One window after another, bases in place of bins, as the paper says it."""
    scores = []
    for sequence, begins in zip(codes, offsets, strict=True):
        begin = (len(sequence) - common) // 2
        seen = []
        for offset in begins:
            by_base = np.repeat(predict(sequence[None, offset : offset + WINDOW])[0], BIN, axis=0)
            seen.append(by_base[begin - offset : begin - offset + common])
        stacked = np.array(seen, np.float64)
        with np.errstate(invalid="ignore"):
            scores.append(stacked.std(axis=0).mean(axis=0) / stacked.mean(axis=(0, 1)))
    return np.array(scores)


def test_a_model_that_shifts_do_not_touch_scores_exactly_zero() -> None:
    codes = random_codes(0, 50)
    codes[7, 8:16] = 4  # silent in the middle
    found = variation_score(per_bin, codes, 0, bin_size=BIN, window=WINDOW)
    assert found.shape == (50, 2)
    assert found.dtype == np.float64
    middle = per_bin(codes[:, 8:16]).sum(axis=1)
    assert np.isnan(found[7]).all()
    np.testing.assert_array_equal(found, np.where(middle > 0, 0, np.nan))


def test_a_model_of_position_scores_the_spread_of_the_offsets() -> None:
    codes = random_codes(1, 5)
    found = variation_score(position, codes, 3, bin_size=BIN, window=WINDOW, shifts=6)
    offsets = draw_offsets(3, codes, plan_shifts(codes, WINDOW, BIN, None), 6) // BIN
    assert set(offsets.ravel()) == {0, 1, 2}
    expected = offsets.std(axis=1) / (3.5 - offsets.mean(axis=1))  # bins 2 and 3 are said to be 3 - offset and 4 - offset
    np.testing.assert_allclose(found, np.stack([expected, expected], axis=1))  # ten times the signal, the same score


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(2, 7), st.sampled_from([None, 8]), st.integers(1, 30))
def test_score_is_that_of_the_slow_loop_whatever_the_batches(
    seed: int, sequences: int, shifts: int, common: int | None, at_once: int
) -> None:
    codes = random_codes(seed, sequences)
    geometry = plan_shifts(codes, WINDOW, BIN, common)
    offsets = draw_offsets(seed, codes, geometry, shifts)
    weights = np.random.default_rng(seed).normal(size=(5, WINDOW, WINDOW // BIN * 2))

    def model(windows: np.ndarray) -> np.ndarray:
        found = np.stack([weights[window, np.arange(WINDOW)].sum(axis=0) for window in windows])
        return np.exp(found.reshape(len(windows), -1, 2) / 4)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aligned, "WINDOWS_AT_ONCE", at_once)
        found = variation_score(model, codes, seed, bin_size=BIN, window=WINDOW, shifts=shifts, common=common)
    np.testing.assert_allclose(found, slow_score(model, codes, offsets, geometry.common), rtol=1e-9, atol=1e-12)


def test_many_windows_go_into_few_calls() -> None:
    calls = []

    def model(windows: np.ndarray) -> np.ndarray:
        calls.append(windows.shape)
        assert windows.dtype == np.uint8
        return per_bin(windows)

    variation_score(model, random_codes(2, 300), 0, bin_size=BIN, window=WINDOW)
    assert calls == [(2040, WINDOW), (2040, WINDOW), (1920, WINDOW)]


def test_defaults_are_the_sizes_of_the_paper() -> None:
    codes = random_codes(3, 2, 3072)
    geometry = plan_shifts(codes, 2048, 32, None)
    assert geometry.common == 1024
    offsets = draw_offsets(0, np.repeat(codes, 500, axis=0), geometry, 20)
    assert offsets.shape == (1000, 20)
    assert np.unique(offsets).tolist() == list(range(0, 1025, 32))
    assert np.bincount(offsets.ravel() // 32).min() > 20_000 / 33 * 0.8
    assert abs(np.corrcoef(offsets[:, 0], offsets[:, 1])[0, 1]) < 0.1
    assert len(np.unique(offsets, axis=0)) == 1000
    assert variation_score(lambda x: np.ones((len(x), 64, 1)), codes, 0, bin_size=32).tolist() == [[0], [0]]


def test_seeds_repeat_and_differ_and_a_generator_is_used_up() -> None:
    codes = random_codes(4, 30)

    def score(rng: np.random.Generator | int) -> np.ndarray:
        return variation_score(position, codes, rng, bin_size=BIN, window=WINDOW, shifts=5)

    np.testing.assert_array_equal(score(0), score(0))
    np.testing.assert_array_equal(score(0), score(np.random.default_rng(0)))
    assert not np.array_equal(score(0), score(1))
    generator = np.random.default_rng(0)
    assert not np.array_equal(score(generator), score(generator))


def test_least_coverage_says_what_is_silent() -> None:
    codes = np.zeros((2, EXTENDED), np.uint8)
    codes[0, :8] = 1

    def score(least: float) -> np.ndarray:
        return variation_score(first_base, codes, 0, bin_size=BIN, window=WINDOW, least_coverage=least)

    assert score(0)[0, 0] > 0.5
    assert np.isnan(score(0)[1, 0])  # 0 / 0
    assert np.isnan(score(0.9)[0, 0])
    negative = variation_score(lambda x: -1 - first_base(x), codes, 0, bin_size=BIN, window=WINDOW)
    assert np.isnan(negative).all()
    with pytest.raises(InputError, match=r"least_coverage is -0\.1: choose 0 or more"):
        score(-0.1)


@pytest.mark.parametrize(
    ("codes", "options", "message"),
    [
        (random_codes(0, 2, 26), {}, "window is 16 bp, in sequences of 26 bp: both must be multiples of the bin size, 4 bp"),
        (random_codes(0, 2), {"window": 18}, "window is 18 bp, in sequences of 24 bp"),
        (random_codes(0, 2), {"bin_size": 0}, "multiples of the bin size, 0 bp"),
        (random_codes(0, 2, 16), {}, "codes are 16 bp wide and the window 16 bp: fetch at least 4 bp more"),
        (random_codes(0, 2, 32), {}, "windows of 16 bp in 32 bp have no base in common: fetch sequences shorter than 32 bp"),
        (random_codes(0, 2), {"common": 12}, "common is 12 bp: windows of 16 bp in 24 bp all cover the middle 8 bp"),
        (random_codes(0, 2), {"common": 0}, "common is 0 bp"),
        (random_codes(0, 2), {"common": 4}, "common is 4 bp: the middle of 24 bp must begin and end with a bin of 4 bp"),
        (random_codes(0, 2)[0], {}, r"codes are uint8 of shape \(24,\): give uint8 codes \(sequences, extended\)"),
        (random_codes(0, 2).astype(float), {}, "codes are float64 of shape"),
        (random_codes(0, 0), {}, "codes are empty"),
    ],
)
def test_impossible_sizes_are_refused_before_any_prediction(codes: np.ndarray, options: dict[str, int], message: str) -> None:
    def never(windows: np.ndarray) -> np.ndarray:
        raise AssertionError(f"asked for {windows.shape}")

    for function in (variation_score, shift_averaged):
        with pytest.raises(InputError, match=message):
            function(never, codes, 0, **{"bin_size": BIN, "window": WINDOW, **options})


def test_too_few_shifts_and_wrong_predictions_are_refused() -> None:
    codes = random_codes(0, 2)
    with pytest.raises(InputError, match="shifts is 1: a spread takes 2 or more windows"):
        variation_score(per_bin, codes, 0, bin_size=BIN, window=WINDOW, shifts=1)
    with pytest.raises(InputError, match="shifts is 0: choose 1 or more windows"):
        shift_averaged(per_bin, codes, 0, bin_size=BIN, window=WINDOW, shifts=0)
    for wrong in (lambda x: per_bin(x)[:, :-1], lambda x: per_bin(x)[..., 0], lambda x: per_bin(x)[1:]):
        with pytest.raises(InputError, match=r"predict gave shape \(.*\) where \(6, 4, tracks\) was expected"):
            variation_score(wrong, codes, 0, bin_size=BIN, window=WINDOW, shifts=3)
