"""Gradients of a Keras model's signal by the one-hot rows that it makes of codes, under TensorFlow or JAX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.evaluate.readout import check_selection, log_signal

ONE_HOT = "one_hot"

Signal = Callable[[Any], tuple[Any, Any]]


def gradient_function(model: Any, track: int | None, bins: slice | None, log: bool) -> Callable[[np.ndarray], np.ndarray]:
    """Make a function from one-hot rows (batch, window, 4) to the gradient of each sequence's signal by them, same shape."""
    import keras

    if ONE_HOT not in {layer.name for layer in model.layers}:
        raise InputError(
            f"model {model.name!r} has no layer {ONE_HOT!r} that makes one-hot rows of codes: give a model of the course"
        )
    if len(model.output_shape) != 3:
        raise InputError(f"model {model.name!r} gives shape {model.output_shape}: give one that predicts (windows, bins, tracks)")
    check_selection(model.output_shape[1], model.output_shape[2], track, bins)
    after = keras.Model(model.get_layer(ONE_HOT).output, model.output)

    def signal(rows: Any) -> tuple[Any, Any]:
        """Signals of a batch, added up, because none depends on another sequence; and each for itself."""
        predicted = after(rows, training=False)[:, slice(None) if bins is None else bins]
        means = keras.ops.mean(predicted if track is None else predicted[..., track : track + 1], axis=(1, 2))
        return keras.ops.sum(means), means

    differentiate = _differentiated(signal, keras.backend.backend())

    def gradients(rows: np.ndarray) -> np.ndarray:
        """Differentiate; the gradient of a logarithm is that of the signal, divided by it."""
        slopes, means = differentiate(rows)
        if log:
            log_signal(means)
            slopes = slopes / means[:, None, None]
        return slopes

    return gradients


def _differentiated(signal: Signal, backend: str) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Make a function to the gradient of a signal's first value, and its second value, with what the backend has for that."""
    if backend == "tensorflow":
        import tensorflow as tf

        def by_tape(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Differentiate under TensorFlow."""
            given = tf.convert_to_tensor(rows)
            with tf.GradientTape() as tape:
                tape.watch(given)
                total, means = signal(given)
            slopes = tape.gradient(total, given, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return slopes.numpy(), means.numpy()

        return by_tape
    if backend == "jax":
        import jax

        compiled = jax.jit(jax.grad(signal, has_aux=True))

        def by_jax(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Differentiate under JAX."""
            slopes, means = compiled(rows)
            return np.asarray(slopes), np.asarray(means)

        return by_jax
    raise InputError(
        f"the Keras backend is {backend!r}: gradients are taken under 'tensorflow' or 'jax', so set KERAS_BACKEND to one"
    )
