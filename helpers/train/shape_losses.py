"""Formulas of losses that look at a whole window: Pearson's r, and the multinomial likelihood of a profile given its total.

Arguments and result are those of `count_losses`. Within a window every bin with data counts alike, whatever its weight; windows count by
the mean weight of their bins with data.
"""

from __future__ import annotations

from helpers.train import count_losses
from helpers.train.reductions import EPSILON, Tensor, has_data, mean_over_sequences, ops, sequence_weights, share

FLAT = 1e-5  # a target whose standard deviation is a smaller part of its root mean square is constant: float32 cannot tell
NARROW = 1e-3  # so much of its root mean square is added to a prediction's spread: bounds the gradient of a flat one
TINY = 1e-12  # and so much to its variance: for predictions of 0


def negative_pearson(truth: Tensor, predicted: Tensor, weights: Tensor, *, over: str) -> Tensor:
    """Minus Pearson's r, averaged over tracks, and over windows too unless each r is taken over the whole batch."""
    correlations, defined = _correlate(truth, predicted, has_data(weights)[..., None], (0, 1) if over == "batch" else (1,))
    if over == "sequence":
        defined = defined * sequence_weights(weights)[:, None, None]
    return -share(ops.sum(correlations * defined), ops.sum(defined))


def _correlate(truth: Tensor, predicted: Tensor, known: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Pearson's r over some axes, kept with length 1, and 1 where the target varies, else 0."""
    count = ops.maximum(ops.sum(known, axis=axes, keepdims=True), 1.0)

    def mean(values: Tensor) -> Tensor:
        return ops.sum(values * known, axis=axes, keepdims=True) / count

    observed, expected = truth - mean(truth), predicted - mean(predicted)
    variance = mean(ops.square(observed))
    varies = variance > FLAT**2 * mean(ops.square(truth))
    spread = ops.sqrt(mean(ops.square(expected)) + NARROW**2 * mean(ops.square(predicted)) + TINY)
    correlations = mean(observed * expected) / (ops.sqrt(ops.where(varies, variance, 1.0)) * spread)
    return correlations, ops.cast(varies, known.dtype)


def pearson_mse(truth: Tensor, predicted: Tensor, weights: Tensor, *, weight: float, over: str) -> Tensor:
    """Minus Pearson's r, plus `weight` times the mean squared error."""
    return negative_pearson(truth, predicted, weights, over=over) + weight * count_losses.mse(truth, predicted, weights)


def multinomial_mse(truth: Tensor, predicted: Tensor, weights: Tensor, *, weight: float) -> Tensor:
    """Multinomial negative log-likelihood of each window's profile, plus `weight` times the squared error of log(1 + total)."""
    profile, observed, expected = _split(truth, predicted)
    return mean_over_sequences(profile + weight * ops.square(ops.log1p(observed) - ops.log1p(expected)), weights)


def poisson_multinomial(truth: Tensor, predicted: Tensor, weights: Tensor, *, weight: float) -> Tensor:
    """Multinomial negative log-likelihood of each window's profile, plus `weight` times the Poisson one of its total, per bin with data."""
    profile, observed, expected = _split(truth, predicted)
    total = expected - observed * ops.log(expected)
    windows = ops.mean(profile + weight * total, axis=-1) * sequence_weights(weights)
    return share(ops.sum(windows), ops.sum(weights))


def _split(truth: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Multinomial negative log-likelihood without its coefficient, observed and predicted total: each (batch, tracks)."""
    positive = predicted + EPSILON
    observed, expected = ops.sum(truth, axis=1), ops.sum(positive, axis=1)
    return observed * ops.log(expected) - ops.sum(truth * ops.log(positive), axis=1), observed, expected
