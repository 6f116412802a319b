"""Scores of predicted classes: ranking, decisions at a threshold, and how a signal becomes a class score and back.

Labels are 1 (positive) and 0; scores are higher for the positive class. Arrays of any one shape are pooled: give one track, or use
`metrics.per_track`. A pair with a NaN is left out. How far probabilities can be believed is in `calibration`, and can be had from here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import logit
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from helpers.errors import InputError
from helpers.evaluate.calibration import brier, check_probabilities, expected_calibration_error, labelled, reliability

__all__ = [
    "PrecisionRecallF1",
    "accuracy",
    "auprc",
    "auroc",
    "best_threshold",
    "brier",
    "class_scores",
    "expected_calibration_error",
    "logits",
    "precision_recall_f1",
    "reliability",
]


class PrecisionRecallF1(NamedTuple):
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float
    f1: float


def _two_classes(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores without missing pairs, or InputError if one class has no member."""
    classes, values = labelled(labels, scores, "scores")
    positive = int(classes.sum())
    if positive in (0, len(classes)):
        only = int(positive > 0)
        raise InputError(
            f"labels are all {only} ({len(classes):,} of them): this score needs both classes, so choose other regions"
        )
    return classes, values


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counted half.

    Parameters
    ----------
    labels, scores : array, any one shape
        0 or 1, and any numbers that rank.

    Returns
    -------
    float
        0 to 1; 0.5 for scores that know nothing, at any prevalence.

    Raises
    ------
    InputError
        If the shapes differ, no pair is left without a NaN, a score is infinite, a label is neither 0 nor 1, or all are the same.
    """
    return float(roc_auc_score(*_two_classes(labels, scores)))


def auprc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Average precision, the area under the precision-recall curve in steps: sum of (R_n - R_n-1) P_n (scikit-learn).

    Parameters
    ----------
    labels, scores : array, any one shape
        0 or 1, and any numbers that rank.

    Returns
    -------
    float
        0 to 1; about the prevalence for scores that know nothing.

    Raises
    ------
    InputError
        As `auroc`.
    """
    return float(average_precision_score(*_two_classes(labels, scores)))


def precision_recall_f1(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> PrecisionRecallF1:
    """Judge decisions: a score at or above the threshold is called positive.

    Parameters
    ----------
    labels, scores : array, any one shape
        0 or 1, and any numbers that rank.
    threshold : float
        In units of the scores; see `best_threshold`.

    Returns
    -------
    PrecisionRecallF1
        Precision is NaN where nothing is called positive; recall and F1 are 0 there.

    Raises
    ------
    InputError
        As `auroc`.
    """
    classes, values = _two_classes(labels, scores)
    scored = precision_recall_fscore_support(classes, values >= threshold, average="binary", zero_division=np.nan)
    return PrecisionRecallF1(*(float(score) for score in scored[:3]))


def accuracy(labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> float:
    """Share of right decisions at a threshold; where positives are rare, calling none of them scores high.

    Parameters
    ----------
    labels, scores, threshold
        As in `precision_recall_f1`; labels of one class will do.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    InputError
        As `auroc`, but for the last reason.
    """
    classes, values = labelled(labels, scores, "scores")
    return float(np.mean((values >= threshold) == classes))


def best_threshold(labels: np.ndarray, scores: np.ndarray) -> float:
    """Find the threshold with the highest F1. Choose it on validation data: on the data it is tested on, it flatters.

    Parameters
    ----------
    labels, scores : array, any one shape
        0 or 1, and any numbers that rank.

    Returns
    -------
    float
        One of the scores, to be used with `>=`; the lowest of equally good ones.

    Raises
    ------
    InputError
        As `auroc`.
    """
    classes, values = _two_classes(labels, scores)
    thresholds = np.unique(values)
    positives = np.sort(values[classes == 1])
    called = len(values) - np.searchsorted(np.sort(values), thresholds)
    found = len(positives) - np.searchsorted(positives, thresholds)
    return float(thresholds[np.argmax(2 * found / (called + len(positives)))])  # whole numbers: equal F1 are exactly equal


def class_scores(predicted: np.ndarray) -> np.ndarray:
    """Turn a predicted signal into one score per sequence: its mean over the bins, to be ranked against labels.

    This is how Toneyan et al. 2022 (Fig. 4a) classify with a quantitative model: mean predictions of positive and of negative regions are
    the two distributions that auROC and auPRC compare.

    Parameters
    ----------
    predicted : array, shape (sequences, bins, tracks)
        Predicted signal; bins that are NaN are left out.

    Returns
    -------
    float64 array, shape (sequences, tracks)
        NaN where no bin is left.

    Raises
    ------
    InputError
        If there are not three axes.
    """
    values = np.asarray(predicted)
    if values.ndim != 3:
        raise InputError(
            f"predicted has shape {values.shape}: give (sequences, bins, tracks); a single track is array[..., None]"
        )
    count = values.shape[1] - np.isnan(values).sum(axis=1)
    total = np.nansum(values, axis=1, dtype=np.float64)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def logits(probabilities: np.ndarray, *, margin: float = 1e-7) -> np.ndarray:
    """Turn probabilities into an unbounded signal, log(p / (1 - p)): what stands before a sigmoid output.

    This is how Toneyan et al. 2022 (Fig. 4a) compare a binary model with a coverage: the more certain, the higher. A model that gives its
    logits keeps more digits than its probabilities do.

    Parameters
    ----------
    probabilities : array, any shape
        0 to 1; NaN stays.
    margin : float
        Nearer to 0 or 1 than this is taken as this, so that a saturated sigmoid stays finite.

    Returns
    -------
    float64 array, same shape

    Raises
    ------
    InputError
        If a value lies outside 0..1, or `margin` outside 0..0.5.
    """
    if not 0 < margin < 0.5:
        raise InputError(f"margin is {margin}: choose a small number above 0")
    values = np.asarray(probabilities, dtype=np.float64)
    check_probabilities(values, "probabilities")
    return np.asarray(logit(np.clip(values, margin, 1 - margin)))
