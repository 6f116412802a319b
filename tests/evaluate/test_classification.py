from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from helpers.errors import InputError
from helpers.evaluate.classification import (
    accuracy,
    auprc,
    auroc,
    best_threshold,
    brier,
    class_scores,
    expected_calibration_error,
    logits,
    precision_recall_f1,
    reliability,
)
from helpers.evaluate.metrics import per_track

NAN = np.nan
LABELS = np.array([0, 0, 1, 1, 0])
SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.2])
TWO_CLASSES = [auroc, auprc, precision_recall_f1, best_threshold]
ONE_CLASS_WILL_DO = [accuracy, brier, reliability, expected_calibration_error]
Scorer = Callable[..., object]


def test_ranking_scores_of_five_regions() -> None:
    assert auroc(LABELS, SCORES) == pytest.approx(5 / 6)
    assert auprc(LABELS, SCORES) == pytest.approx((1 + 2 / 3) / 2)
    assert auroc(LABELS, np.zeros(5)) == 0.5
    assert auprc(LABELS, np.zeros(5)) == pytest.approx(0.4)


def test_decisions_at_a_threshold() -> None:
    assert precision_recall_f1(LABELS, SCORES) == (1.0, 0.5, pytest.approx(2 / 3))
    assert precision_recall_f1(LABELS, SCORES, 0.35) == (pytest.approx(2 / 3), 1.0, pytest.approx(0.8))  # 0.35 itself is called
    nothing = precision_recall_f1(LABELS, SCORES, 0.9)
    assert np.isnan(nothing.precision)
    assert (nothing.recall, nothing.f1) == (0, 0)
    assert precision_recall_f1(LABELS, SCORES * [1, 1, 0, 0, 1], 0.3) == (0, 0, 0)
    assert accuracy(LABELS, SCORES) == 0.8
    assert accuracy(LABELS, SCORES, 2) == 0.6
    assert best_threshold(LABELS, SCORES) == 0.35


def test_missing_pairs_are_left_out_and_shapes_are_pooled() -> None:
    labels = np.array([0, 0, 1, 1, 0, NAN, 1, 0]).reshape(2, 2, 2)
    scores = np.array([0.1, 0.4, 0.35, 0.8, 0.2, 0.9, NAN, NAN], np.float32).reshape(2, 2, 2)
    for scorer in TWO_CLASSES + ONE_CLASS_WILL_DO:
        found, expected = scorer(labels, scores), scorer(LABELS, SCORES.astype(np.float32))
        if isinstance(found, pd.DataFrame):
            pd.testing.assert_frame_equal(found, expected)
        else:
            assert found == expected
    table = np.stack([LABELS, 1 - LABELS], axis=1)
    np.testing.assert_allclose(per_track(auroc, table, np.stack([SCORES] * 2, axis=1)), [5 / 6, 1 / 6])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 60), st.sampled_from([3, 10, 1000]))
def test_ranking_and_threshold_agree_with_counting(seed: int, size: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, size), rng.integers(0, levels, size) / levels
    labels[:2] = [0, 1]
    positive, negative = scores[labels == 1], scores[labels == 0]
    wins = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    assert auroc(labels, scores) == pytest.approx(np.mean(wins))
    cuts = np.unique(scores)[::-1]
    recalls = [np.mean(positive >= cut) for cut in cuts]
    precisions = [np.mean(labels[scores >= cut]) for cut in cuts]
    assert auprc(labels, scores) == pytest.approx(np.sum(np.diff([0, *recalls]) * precisions))
    called = scores >= cuts[0]
    found = precision_recall_f1(labels, scores, cuts[0])
    expected = (
        sklearn_metrics.precision_score(labels, called),
        sklearn_metrics.recall_score(labels, called),
        sklearn_metrics.f1_score(labels, called),
    )
    assert found == pytest.approx(expected)
    best = best_threshold(labels, scores)
    f1 = {cut: sklearn_metrics.f1_score(labels, scores >= cut) for cut in cuts}
    assert f1[best] == pytest.approx(max(f1.values()))
    assert best == pytest.approx(min(cut for cut in cuts if f1[cut] > max(f1.values()) - 1e-12))


def test_threshold_from_validation_is_the_score_itself_in_float32() -> None:
    scores = SCORES.astype(np.float32)
    assert precision_recall_f1(LABELS, scores, best_threshold(LABELS, scores)).recall == 1


def test_brier_and_reliability_of_six_regions() -> None:
    labels, probabilities = np.array([0, 1, 0, 1, 1, 1]), np.array([0, 0.1, 0.25, 0.5, 0.9, 1])
    assert brier(labels, probabilities) == pytest.approx((0.81 + 0.0625 + 0.25 + 0.01) / 6)
    table = reliability(labels, probabilities, bins=4)
    assert table.columns.tolist() == ["bin", "predicted", "positive", "count"]
    assert table["bin"].tolist() == [0, 1, 2, 3]
    assert table["count"].tolist() == [3, 1, 0, 2]  # 0.25 and 0.5 lie on edges: the lower bins have them
    np.testing.assert_allclose(table["predicted"], [0.35 / 3, 0.5, NAN, 0.95])
    np.testing.assert_allclose(table["positive"], [1 / 3, 1, NAN, 1])
    expected = (abs(0.35 / 3 - 1 / 3) * 3 + 0.5 + 0.05 * 2) / 6
    assert expected_calibration_error(labels, probabilities, bins=4) == pytest.approx(expected)
    halves = reliability(labels, probabilities, bins=2, how="count")
    assert halves["count"].tolist() == [3, 3]
    np.testing.assert_allclose(halves["predicted"], [0.35 / 3, 0.8])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 8), st.integers(1, 12), st.sampled_from([4, 1000]), st.sampled_from(["width", "count"])
)
def test_reliability_agrees_with_scikit_learn(seed: int, per_bin: int, bins: int, levels: int, how: str) -> None:
    rng = np.random.default_rng(seed)
    size = per_bin * bins + 1 if how == "width" else per_bin * bins
    labels, probabilities = rng.integers(0, 2, size), rng.integers(0, levels + 1, size) / levels
    if how == "count":  # scikit-learn's rounding of quantiles can part equal probabilities
        probabilities = rng.permutation(1000)[:size] / 1000
    table = reliability(labels, probabilities, bins, how)
    assert len(table) == bins
    assert table["count"].sum() == size
    assert how == "width" or table["count"].tolist() == [per_bin] * bins
    filled = table[table["count"] > 0]
    positive, predicted = calibration_curve(
        [*labels], probabilities, n_bins=bins, strategy="uniform" if how == "width" else "quantile", pos_label=1
    )
    np.testing.assert_allclose(filled["positive"], positive)
    np.testing.assert_allclose(filled["predicted"], predicted)
    assert table.loc[table["count"] == 0, ["predicted", "positive"]].isna().all(axis=None)
    assert brier(labels, probabilities) == pytest.approx(sklearn_metrics.mean_squared_error(labels, probabilities))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 9))
def test_bins_of_equal_count_never_part_equal_probabilities(tenths: list[int], bins: int) -> None:
    probabilities = np.array(tenths) / 10
    table = reliability(probabilities > 0.45, probabilities, bins, "count")
    ordered, filled = np.sort(probabilities), table[table["count"] > 0]
    ends = filled["count"].cumsum().to_numpy()
    assert ends[-1] == len(ordered)
    assert all(ordered[end - 1] < ordered[end] for end in ends[:-1])
    expected = [part.mean() for part in np.split(ordered, ends[:-1])]
    np.testing.assert_allclose(filled["predicted"], expected)


def test_calibrated_probabilities_have_a_small_error_and_sharpened_ones_a_large_one() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(50_000)
    labels = rng.random(50_000) < probabilities
    for how in ("width", "count"):
        assert expected_calibration_error(labels, probabilities, how=how) < 0.01
        assert expected_calibration_error(labels, expit(3 * logits(probabilities)), how=how) > 0.1


def test_class_scores_average_the_bins_that_have_data() -> None:
    predicted = np.array([[[1, 5], [3, NAN]], [[NAN, NAN], [4, NAN]]], np.float32)
    found = class_scores(predicted)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[2, 5], [4, NAN]])
    with pytest.raises(InputError, match=r"predicted has shape \(2, 2\): give \(sequences, bins, tracks\)"):
        class_scores(predicted[..., 0])


def test_logits_undo_a_sigmoid_and_stay_finite() -> None:
    signal = np.array([[-5, 0, 2.5, 12]])
    np.testing.assert_allclose(logits(expit(signal)), signal, rtol=1e-6)
    saturated = logits(np.array([0, 1, NAN], np.float32))
    np.testing.assert_allclose(saturated, [-np.log(1e7), np.log(1e7), NAN], rtol=1e-6)
    np.testing.assert_allclose(logits(np.array([0.0, 0.5]), margin=0.1), [-np.log(9), 0])
    with pytest.raises(InputError, match=r"probabilities hold -1: a probability lies in 0\.\.1"):
        logits(np.array([0.5, -1]))
    for margin in (0, 0.5):
        with pytest.raises(InputError, match=f"margin is {margin}: choose a small number above 0"):
            logits(np.array([0.5]), margin=margin)


@pytest.mark.parametrize("scorer", TWO_CLASSES)
@pytest.mark.parametrize("only", [0, 1])
def test_one_class_is_refused_where_two_are_needed(scorer: Scorer, only: int) -> None:
    with pytest.raises(
        InputError, match=rf"^labels are all {only} \(2 of them\): this score needs both classes, so choose other regions$"
    ):
        scorer(np.array([only, only, 1 - only]), np.array([0.1, 0.2, NAN]))


@pytest.mark.parametrize("scorer", ONE_CLASS_WILL_DO)
def test_one_class_will_do_elsewhere(scorer: Scorer) -> None:
    found = scorer(np.zeros(4), np.full(4, 0.25))
    if isinstance(found, pd.DataFrame):
        assert found["count"].tolist() == [0, 0, 4, 0, 0, 0, 0, 0, 0, 0]
    else:
        assert found == {accuracy: 1, brier: 0.0625, expected_calibration_error: 0.25}[scorer]


@pytest.mark.parametrize("scorer", TWO_CLASSES + ONE_CLASS_WILL_DO)
def test_what_cannot_be_scored_is_refused(scorer: Scorer) -> None:
    with pytest.raises(InputError, match="labels hold 2: a label is 0 or 1"):
        scorer(np.array([0, 1, 2]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(InputError, match=r"labels hold 0\.5"):
        scorer(np.array([0, 1, 0.5]), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(InputError, match=r"labels has shape \(5,\) and (scores|probabilities) \(4,\)"):
        scorer(LABELS, SCORES[:4])
    with pytest.raises(InputError, match="no value in common"):
        scorer(np.full(3, NAN), np.ones(3))
    with pytest.raises(InputError, match="holds an infinite value"):
        scorer(np.array([0, 1]), np.array([0.1, np.inf]))


@pytest.mark.parametrize("scorer", [brier, reliability, expected_calibration_error])
def test_probabilities_outside_their_range_are_refused(scorer: Scorer) -> None:
    for wrong in (1.5, -0.25):
        with pytest.raises(InputError, match=f"probabilities hold {wrong}: a probability lies in 0..1"):
            scorer(np.array([0, 1]), np.array([0.5, wrong]))


def test_impossible_bins_are_refused() -> None:
    with pytest.raises(InputError, match="bins is 0: choose 1 or more"):
        reliability(LABELS, SCORES, 0)
    with pytest.raises(InputError, match="how is 'area': choose width or count"):
        expected_calibration_error(LABELS, SCORES, how="area")
