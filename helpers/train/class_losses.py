"""Formulas of losses for labels: binary and categorical cross-entropy, focal loss. Arguments and result are those of `count_losses`."""

from __future__ import annotations

from helpers.train.reductions import EPSILON, Tensor, mean_over_bins, ops


def binary_crossentropy(truth: Tensor, predicted: Tensor, weights: Tensor, *, positive_weight: float) -> Tensor:
    """Mean of -w y log(p) - (1 - y) log(1 - p)."""
    positive = positive_weight * truth * ops.log(predicted + EPSILON)
    return -mean_over_bins(positive + (1.0 - truth) * ops.log(1.0 - predicted + EPSILON), weights)


def focal(truth: Tensor, predicted: Tensor, weights: Tensor, *, gamma: float, alpha: float) -> Tensor:
    """Mean of -alpha (1 - p)^gamma log(p), where p is the probability given to the true label, and alpha is 1 - alpha for label 0."""
    right = truth * predicted + (1.0 - truth) * (1.0 - predicted)
    balance = truth * alpha + (1.0 - truth) * (1.0 - alpha)
    easy = ops.power(1.0 - right + EPSILON, gamma)
    return -mean_over_bins(balance * easy * ops.log(right + EPSILON), weights)


def categorical_crossentropy(truth: Tensor, predicted: Tensor, weights: Tensor) -> Tensor:
    """Mean over bins of -sum over tracks of y log(p), where predictions are first divided by their sum over tracks."""
    positive = predicted + EPSILON
    logs = ops.log(positive / ops.sum(positive, axis=-1, keepdims=True))
    return -mean_over_bins(ops.sum(truth * logs, axis=-1, keepdims=True), weights)
