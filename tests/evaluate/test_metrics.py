from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics as sklearn_metrics

from helpers.errors import InputError
from helpers.evaluate import pairs as pairs_module
from helpers.evaluate.metrics import (
    ConstantWarning,
    mae,
    mse,
    pearson,
    per_track,
    poisson_deviance,
    poisson_nll,
    r2,
    spearman,
)

NAN = np.nan
SCORES = [pearson, spearman, mse, mae, r2, poisson_nll, poisson_deviance]
Score = Callable[..., float]


def oracle(score: Score, truth: np.ndarray, predicted: np.ndarray) -> float:
    """What scipy or scikit-learn say."""
    answers = {
        pearson: lambda: stats.pearsonr(truth, predicted)[0],
        spearman: lambda: stats.spearmanr(truth, predicted)[0],
        mse: lambda: sklearn_metrics.mean_squared_error(truth, predicted),
        mae: lambda: sklearn_metrics.mean_absolute_error(truth, predicted),
        r2: lambda: sklearn_metrics.r2_score(truth, predicted),
        poisson_nll: lambda: np.mean(predicted - truth * np.log(predicted)),
        poisson_deviance: lambda: sklearn_metrics.mean_poisson_deviance(truth, predicted),
    }
    return float(answers[score]())


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (pearson, 0.6),
        (spearman, 0.6),
        (mse, 1.0),
        (mae, 1.0),
        (r2, 0.2),
        (poisson_nll, (10 - np.log(2) - 2 * np.log(1) - 3 * np.log(4) - 4 * np.log(3)) / 4),
        (poisson_deviance, (np.log(0.5) + 2 * np.log(2) + 3 * np.log(0.75) + 4 * np.log(4 / 3)) / 2),
    ],
)
def test_scores_of_four_values(score: Score, expected: float) -> None:
    truth, predicted = np.array([1, 2, 3, 4]), np.array([2.0, 1, 4, 3])
    assert score(truth, predicted) == pytest.approx(expected, rel=1e-12)
    missing = np.array([[1, NAN, 2, 3, 4, 9], [2, 5, 1, 4, 3, NAN]])
    assert score(missing[0].reshape(3, 1, 2), missing[1].reshape(3, 1, 2)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.integers(3, 60), share=st.floats(0, 0.5), piece=st.integers(1, 70))
def test_scores_agree_with_libraries_whatever_the_pieces(score: Score, seed: int, size: int, share: float, piece: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.poisson(4, size).astype(np.float32), rng.gamma(2, 2, size).astype(np.float32) + np.float32(0.01)
    truth[:3], predicted[:3] = [0, 1, 5], [1, 2, 1]
    lost = rng.random(size) < share
    lost[:3] = False
    kept = ~lost
    first, second = truth.copy(), predicted.copy()
    first[lost & (rng.random(size) < 0.5)] = NAN
    second[lost & ~np.isnan(first)] = NAN
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs_module, "VALUES_AT_ONCE", piece)
        found = score(first, second)
    assert found == pytest.approx(oracle(score, truth[kept].astype(float), predicted[kept].astype(float)), rel=1e-9, abs=1e-9)


numbers = arrays(float, 12, elements=st.integers(-50, 50).map(float))


@settings(max_examples=100, deadline=None)
@given(numbers, numbers, st.floats(0.01, 1e6), st.floats(-1e3, 1e3))
def test_correlations_do_not_see_scale_or_order_of_arguments(x: np.ndarray, y: np.ndarray, scale: float, offset: float) -> None:
    for score in (pearson, spearman):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConstantWarning)
            plain = score(x, y)
            np.testing.assert_allclose(score(x, y * scale + offset), plain, atol=1e-9)
            np.testing.assert_allclose(score(x, -y), -plain, atol=1e-12)
            np.testing.assert_allclose(score(y, x), plain, atol=1e-12)
        assert np.isnan(plain) == (len(set(x)) == 1 or len(set(y)) == 1)


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1e30, 1e150])
def test_correlation_of_very_small_and_large_numbers(size: float) -> None:
    assert pearson(np.array([1, 2, 3, 4]) * size, np.array([2, 1, 4, 3]) / size) == pytest.approx(0.6)


def test_correlation_far_from_zero_is_summed_in_float64() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=100_000)
    y = x + rng.normal(size=100_000)
    assert pearson(x + 1e7, y + 1e7) == pytest.approx(pearson(x, y), abs=1e-6)
    ones = np.ones(3_000_000, np.float32)
    assert mae(ones * 0, ones * np.float32(0.1)) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize("score", [pearson, spearman])
def test_a_constant_gives_nan_and_says_why(score: Score) -> None:
    varied, constant = np.array([1.0, 2, NAN]), np.array([0.1, 0.1, 5])
    with pytest.warns(ConstantWarning, match="truth is 0.1 everywhere: a correlation is not defined") as caught:
        assert np.isnan(score(constant, varied))
    assert caught[0].filename == __file__
    with pytest.warns(ConstantWarning, match="predicted is 0.1 everywhere"):
        assert np.isnan(score(varied, constant))
    with pytest.warns(ConstantWarning):
        assert np.isnan(score(np.array([3.0]), np.array([4.0])))


def test_r2_of_a_constant_truth_is_nan_of_a_constant_prediction_is_not() -> None:
    with pytest.warns(ConstantWarning, match="truth is 2 everywhere: the share of variance explained is not defined"):
        assert np.isnan(r2(np.array([2, 2]), np.array([1, 2])))
    assert r2(np.array([1, 3]), np.array([2, 2])) == 0


def test_poisson_likelihood_is_scipys_without_the_constant() -> None:
    rng = np.random.default_rng(3)
    counts, means = rng.poisson(3, 500), rng.gamma(3, 1, 500)
    expected = -(stats.poisson.logpmf(counts, means) - stats.poisson.logpmf(counts, counts)).mean() * 2
    assert poisson_deviance(counts, means) == pytest.approx(expected)
    assert poisson_deviance(counts, counts) == pytest.approx(0, abs=1e-6)


def test_poisson_scores_floor_a_prediction_of_zero() -> None:
    assert poisson_nll(np.array([0.0, 3]), np.array([0.0, 0])) == pytest.approx((1e-7 + 1e-7 - 3 * np.log(1e-7)) / 2)
    assert poisson_nll(np.array([2.0]), np.array([0.0]), floor=0.5) == pytest.approx(0.5 - 2 * np.log(0.5))
    assert poisson_deviance(np.array([0.0]), np.array([4.0])) == 8


def test_per_track_scores_each_track_and_passes_options_on() -> None:
    truth = np.array([[1, 1], [2, 5], [3, 3.0]])
    predicted = np.array([[1, 0], [2, 0], [3, 1.0]])
    assert per_track(mse, truth, predicted).tolist() == [0, 10]
    found = per_track(poisson_nll, truth, predicted, floor=0.5)
    assert found[1] == pytest.approx(poisson_nll(truth[:, 1], predicted[:, 1], floor=0.5))
    truth[:, 1] = NAN
    with pytest.raises(InputError, match="track 1: truth and predicted have no value in common"):
        per_track(mse, truth, predicted)
    with pytest.raises(InputError, match="the last of two or more axes must be the tracks"):
        per_track(mse, truth[:, 0], predicted[:, 0])


@pytest.mark.parametrize("score", SCORES)
def test_what_cannot_be_scored_is_refused(score: Score) -> None:
    good = np.ones((2, 3))
    with pytest.raises(InputError, match=r"truth has shape \(2, 3\) and predicted \(3, 2\): give arrays of one shape"):
        score(good, good.T)
    with pytest.raises(InputError, match=r"truth has shape \(3,\) and predicted \(1,\)"):
        score(np.ones(3), np.ones(1))
    with pytest.raises(InputError, match="no value in common: each of the 2 pairs holds a NaN"):
        score(np.array([NAN, 1]), np.array([1, NAN]))
    with pytest.raises(InputError, match="truth and predicted are empty"):
        score(np.ones(0), np.ones(0))
    with pytest.raises(InputError, match="predicted holds an infinite value"):
        score(np.array([1, 2.0]), np.array([1, np.inf]))
    with pytest.raises(InputError, match="truth has dtype <U1: give numbers"):
        score(np.array(["a"]), np.ones(1))


@pytest.mark.parametrize("score", [poisson_nll, poisson_deviance])
def test_poisson_scores_refuse_negative_values(score: Score) -> None:
    with pytest.raises(InputError, match="truth holds -2: a Poisson likelihood takes 0 or more"):
        score(np.array([-2.0]), np.ones(1))
    with pytest.raises(InputError, match=r"predicted holds -0\.5"):
        score(np.ones(1), np.array([-0.5]))
    with pytest.raises(InputError, match="floor is 0: choose a small number above 0"):
        score(np.ones(1), np.ones(1), floor=0)


def test_a_long_array_is_not_copied_whole() -> None:
    truth = np.arange(4_000_000, dtype=np.float32)
    truth[5] = NAN
    tracemalloc.start()
    assert pearson(truth, truth) == pytest.approx(1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * truth.nbytes  # two float64 copies would be four times as much
