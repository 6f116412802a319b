from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from helpers.errors import InputError
from helpers.evaluate import per_sequence
from helpers.evaluate.metrics import jensen_shannon_per_sequence, pearson_per_sequence, spearman_per_sequence

NAN = np.nan
Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
SCORES = [pearson_per_sequence, spearman_per_sequence, jensen_shannon_per_sequence]


def slow(score: Score, truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """One sequence and track after another, by scipy."""
    out = np.full((truth.shape[0], truth.shape[2]), NAN)
    for sequence, track in np.ndindex(*out.shape):
        x, y = truth[sequence, :, track].astype(float), predicted[sequence, :, track].astype(float)
        kept = ~np.isnan(x) & ~np.isnan(y)
        x, y = x[kept], y[kept]
        if score is jensen_shannon_per_sequence:
            defined = x.sum() > 0 and y.sum() > 0
            out[sequence, track] = jensenshannon(x, y, base=2) if defined else NAN
        elif len(set(x)) > 1 and len(set(y)) > 1:
            function = stats.pearsonr if score is pearson_per_sequence else stats.spearmanr
            out[sequence, track] = function(x, y)[0]
    return out


@pytest.mark.parametrize(
    ("score", "expected"),
    [(pearson_per_sequence, 5 / np.sqrt(2 * 14)), (spearman_per_sequence, 1.0), (jensen_shannon_per_sequence, 0.143947)],
)
def test_literal_profiles(score: Score, expected: float) -> None:
    truth = np.array([[[1, 5], [2, 5], [3, 5]], [[0, NAN], [0, 1], [0, 2]]], np.float32)
    predicted = np.array([[[1, 1], [2, 2], [6, 3]], [[1, 1], [2, 4], [3, NAN]]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = score(truth, predicted)
    assert found.shape == (2, 2)
    assert found.dtype == np.float64
    assert found[0, 0] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(found[1, 0])  # silent in truth
    if score is jensen_shannon_per_sequence:
        assert found[1, 1] == 0  # a single bin in common
    else:
        assert np.isnan(found[0, 1])  # constant in truth
        assert np.isnan(found[1, 1])


@pytest.mark.parametrize("score", SCORES)
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    sequences=st.integers(1, 6),
    bins=st.integers(1, 9),
    tracks=st.integers(1, 3),
    share=st.sampled_from([0.0, 0.3]),
    at_once=st.integers(1, 40),
)
def test_agrees_with_scipy_one_by_one(
    score: Score, seed: int, sequences: int, bins: int, tracks: int, share: float, at_once: int
) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.poisson(1.5, (2, sequences, bins, tracks)).astype(np.float32)
    truth[rng.random(truth.shape) < share] = NAN
    predicted[rng.random(truth.shape) < share] = NAN
    truth[0, 0, 0] = predicted[0, 0, 0] = 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(per_sequence, "VALUES_AT_ONCE", at_once)
        found = score(truth, predicted)
    np.testing.assert_allclose(found, slow(score, truth, predicted), atol=1e-7)


def test_correlation_takes_each_sequences_own_mean() -> None:
    """Two flat-on-average profiles at different heights: perfect in pooled terms, opposite within."""
    truth = np.array([[0, 1, 0, 1], [100, 101, 100, 101.0]])[..., None]
    predicted = np.array([[1, 0, 1, 0], [101, 100, 101, 100.0]])[..., None]
    assert pearson_per_sequence(truth, predicted).tolist() == [[-1], [-1]]
    assert np.corrcoef(truth.ravel(), predicted.ravel())[0, 1] > 0.999


def test_jensen_shannon_is_a_distance_between_zero_and_one() -> None:
    rng = np.random.default_rng(1)
    p = rng.random((200, 30, 1))
    assert np.all(jensen_shannon_per_sequence(p, p * 7.3) < 1e-7)  # rounding may not make it NaN
    apart = np.zeros((1, 4, 1))
    apart[0, :2] = 1
    assert jensen_shannon_per_sequence(apart, apart[:, ::-1]).tolist() == [[1.0]]
    with pytest.raises(InputError, match="predicted holds -1: a profile to take as a distribution is 0 or more"):
        jensen_shannon_per_sequence(apart, apart - 1)


@pytest.mark.parametrize("score", SCORES)
def test_what_cannot_be_scored_is_refused(score: Score) -> None:
    with pytest.raises(InputError, match=r"truth has shape \(2, 3, 1\) and predicted \(2, 3, 2\)"):
        score(np.ones((2, 3, 1)), np.ones((2, 3, 2)))
    with pytest.raises(InputError, match=r"truth has shape \(2, 3\): give \(sequences, bins, tracks\)"):
        score(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(InputError, match="each of the 6 pairs holds a NaN"):
        score(np.full((2, 3, 1), NAN), np.ones((2, 3, 1)))
    with pytest.raises(InputError, match="are empty"):
        score(np.ones((0, 3, 1)), np.ones((0, 3, 1)))
    with pytest.raises(InputError, match="are empty"):
        score(np.ones((2, 0, 1)), np.ones((2, 0, 1)))
    with pytest.raises(InputError, match="truth holds an infinite value"):
        score(np.full((1, 2, 1), np.inf), np.ones((1, 2, 1)))
