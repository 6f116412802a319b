"""What the losses share: means over what has data, with gradients that stay finite where nothing has."""

from __future__ import annotations

from typing import Any

from helpers.train.backend import keras

ops = keras.ops
Tensor = Any
EPSILON = 1e-7  # added to predictions before a logarithm or a division: normal in float32, and changes no prediction above 1


def share(total: Tensor, amount: Tensor) -> Tensor:
    """Divide by an amount of 0 or more; 0, with a gradient of 0, where there is nothing to divide by."""
    some = amount > 0
    return ops.where(some, total / ops.where(some, amount, 1.0), 0.0)


def mean_over_bins(values: Tensor, weights: Tensor) -> Tensor:
    """Average over bins by weight, and over tracks equally: (batch, bins, tracks) and (batch, bins) to a number."""
    return share(ops.sum(ops.mean(values, axis=-1) * weights), ops.sum(weights))


def mean_over_sequences(values: Tensor, weights: Tensor) -> Tensor:
    """Average a value per sequence and track over both, a sequence by the mean weight of its bins with data: (batch, tracks) to a number."""
    sequence = sequence_weights(weights)
    return share(ops.sum(ops.mean(values, axis=-1) * sequence), ops.sum(sequence))


def sequence_weights(weights: Tensor) -> Tensor:
    """Mean weight of each sequence's bins with data, 0 where none has: (batch, bins) to (batch,)."""
    return share(ops.sum(weights, axis=1), ops.sum(has_data(weights), axis=1))


def has_data(weights: Tensor) -> Tensor:
    """1 where the weight is above 0, else 0."""
    return ops.cast(weights > 0, weights.dtype)
