"""Formulas of losses that compare bins one by one: Poisson and negative binomial likelihood, squared errors.

Each takes targets and predictions, float32 (batch, bins, tracks), and weights, float32 (batch, bins), and gives a number. Where a weight
is 0, targets and predictions arrive as 0.
"""

from __future__ import annotations

from helpers.train.reductions import EPSILON, Tensor, mean_over_bins, ops


def poisson(truth: Tensor, predicted: Tensor, weights: Tensor) -> Tensor:
    """Poisson negative log-likelihood mu - y log(mu), without log(y!), in nats per value."""
    return mean_over_bins(predicted - truth * ops.log(predicted + EPSILON), weights)


def negative_binomial(truth: Tensor, predicted: Tensor, weights: Tensor, *, dispersion: float) -> Tensor:
    """Negative binomial negative log-likelihood (y + 1/a) log(1 + a mu) - y log(mu), without the terms that hold no mu."""
    excess = (truth + 1 / dispersion) * ops.log1p(dispersion * predicted)
    return mean_over_bins(excess - truth * ops.log(predicted + EPSILON), weights)


def mse(truth: Tensor, predicted: Tensor, weights: Tensor) -> Tensor:
    """Mean squared error."""
    return mean_over_bins(ops.square(truth - predicted), weights)


def weighted_mse(truth: Tensor, predicted: Tensor, weights: Tensor) -> Tensor:
    """Mean of y (y - mu)^2."""
    return mean_over_bins(truth * ops.square(truth - predicted), weights)
