from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate.metrics import mean_ratio, pearson, rebin, scale_by_mean_ratio, smooth

NAN = np.nan


def test_means_agree_after_scaling_each_track_by_its_own_factor() -> None:
    truth = np.array([[2, 10], [4, NAN], [NAN, 30]], np.float32)
    predicted = np.array([[1, 1], [1, 50], [7, 3]], np.float32)
    assert mean_ratio(truth, predicted).tolist() == [3, 10]
    scaled = scale_by_mean_ratio(truth, predicted)
    assert scaled.tolist() == [[3, 10], [3, 500], [21, 30]]  # the prediction of a missing bin is scaled, too
    assert scaled.dtype == np.float32
    assert predicted[0, 0] == 1  # the input stays


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_scaling_forgets_a_factor_and_keeps_the_correlation(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.gamma(2, 2, (2, 5, 8, 2))
    once = scale_by_mean_ratio(truth, predicted)
    np.testing.assert_allclose(scale_by_mean_ratio(truth, predicted * factor), once, rtol=1e-9)
    np.testing.assert_allclose(once.mean(axis=(0, 1)), truth.mean(axis=(0, 1)))
    assert pearson(truth[..., 0], once[..., 0]) == pytest.approx(pearson(truth[..., 0], predicted[..., 0]))


def test_scaling_refuses_what_has_no_factor() -> None:
    good = np.ones((3, 2))
    silent = good * [1, 0]
    with pytest.raises(InputError, match="track 1 of predicted has a mean of 0: scaling by the ratio of means needs above 0"):
        scale_by_mean_ratio(good, silent)
    assert mean_ratio(silent, good).tolist() == [1, 0]
    with pytest.raises(InputError, match="track 0 of truth has a mean of -1: scaling by the ratio of means needs 0 or more"):
        scale_by_mean_ratio(-good, good)
    with pytest.raises(InputError, match="track 1 of truth and track 1 of predicted have no value in common"):
        scale_by_mean_ratio(good * [1, NAN], good)
    with pytest.raises(InputError, match=r"truth has shape \(3, 2\) and predicted \(2, 3\)"):
        scale_by_mean_ratio(good, good.T)
    with pytest.raises(InputError, match="the last axis must be the tracks"):
        mean_ratio(np.array(1.0), np.array(1.0))


def test_rebin_averages_what_has_data() -> None:
    values = np.array([[1, 3, NAN, 4, NAN, NAN], [0, 2, 2, 4, 8, 0]], np.float32)[..., None]
    found = rebin(values, 2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 0], [[2, 4, NAN], [1, 3, 4]])
    np.testing.assert_array_equal(rebin(values, 1), values)
    assert rebin(np.array([[1], [2]]), 2).tolist() == [[1.5]]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3))
def test_rebin_equals_a_slow_loop(seed: int, groups: int, factor: int, tracks: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, groups * factor, tracks))
    values[rng.random(values.shape) < 0.3] = NAN
    expected = np.full((2, groups, tracks), NAN)
    for s, g, t in np.ndindex(*expected.shape):
        there = [v for v in values[s, g * factor : (g + 1) * factor, t] if v == v]
        if there:
            expected[s, g, t] = sum(there) / len(there)
    np.testing.assert_allclose(rebin(values, factor), expected)


@pytest.mark.parametrize("factor", [4, 0, -2, 12])
def test_rebin_refuses_a_factor_that_does_not_divide(factor: int) -> None:
    with pytest.raises(InputError, match=f"factor is {factor} for 6 bins: choose a divisor of 6"):
        rebin(np.ones((6, 1)), factor)


def test_one_axis_is_refused() -> None:
    for function in (rebin, smooth):
        with pytest.raises(InputError, match=r"values have shape \(6,\): give \(..., bins, tracks\)"):
            function(np.ones(6), 2)


def test_smooth_averages_the_bins_that_exist_and_have_data() -> None:
    values = np.array([0, 3, 6, NAN, 9, 0], np.float32)[:, None]
    assert smooth(values, 3).dtype == np.float32
    np.testing.assert_allclose(smooth(values, 3)[:, 0], [1.5, 3, 4.5, NAN, 4.5, 4.5])
    np.testing.assert_allclose(smooth(values, 2)[:, 0], [0, 1.5, 4.5, NAN, 9, 4.5])  # the bin and its left neighbour
    np.testing.assert_array_equal(smooth(values, 1), values)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.data())
def test_smooth_equals_a_slow_loop(seed: int, bins: int, data: st.DataObject) -> None:
    width = data.draw(st.integers(1, bins))
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(2, bins, 2))
    values[rng.random(values.shape) < 0.2] = NAN
    expected = np.full(values.shape, NAN)
    for s, b, t in np.ndindex(*values.shape):
        near = values[s, max(0, b - width // 2) : b - width // 2 + width, t]
        if values[s, b, t] == values[s, b, t]:
            expected[s, b, t] = np.nanmean(near)
    np.testing.assert_allclose(smooth(values, width), expected, atol=1e-12)


def test_smooth_leaves_no_residue_beside_a_high_peak() -> None:
    values = np.zeros((50, 1))
    values[10] = 1e12 + 0.1
    assert np.all(smooth(values, 5)[13:] == 0)


@pytest.mark.parametrize("width", [0, 7])
def test_smooth_refuses_an_impossible_width(width: int) -> None:
    with pytest.raises(InputError, match=f"width is {width} for 6 bins: choose 1 to 6"):
        smooth(np.ones((6, 1)), width)


def test_wider_bins_raise_the_correlation_of_noisy_but_right_predictions() -> None:
    rng = np.random.default_rng(0)
    rate = np.repeat(rng.gamma(1, 1, 500), 16)[:, None]
    truth = rng.poisson(rate)
    scores = [pearson(rebin(truth, factor), rebin(rate, factor)) for factor in (1, 4, 16)]
    assert scores[0] + 0.1 < scores[1] < scores[2] - 0.05
