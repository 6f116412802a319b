"""Batches as Keras takes them, with the next ones made while it computes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from helpers.prepare.batches import WindowBatches
from helpers.train.backend import keras

AHEAD = 2


def passes(batches: WindowBatches, *, targets: bool = True) -> Callable[[], Any]:
    """Make what gives the data of one pass over the batches, for `model.fit` and `model.predict`.

    Parameters
    ----------
    batches : WindowBatches
        Every pass gives the batches of the epoch that is set when it begins.
    targets : bool
        Whether to give targets, and weights where there are any, with the codes.

    Returns
    -------
    callable
        Without arguments: a `tf.data.Dataset`, always the same one, with TensorFlow; else a new generator. Batches are tuples of arrays.

    Notes
    -----
    Keras would turn a generator, or a `PyDataset`, into a `tf.data.Dataset.from_generator`. From the first of these on, TensorFlow lets glibc
    take every block of memory above 128 kB from the system, and give it back, one page fault after another (`ApplyPython311MemoryPatch`,
    seen in 2.21): training then takes a third more processor time, until the process ends. Calling Python from `map` does not do that.
    The batch axis is left open, so that a smaller last batch does not make Keras trace the model a second time.

    TensorFlow remembers each function called from `map`, and would keep all that was ever trained on. So that function knows the batches weakly,
    and what is returned keeps them.
    """
    count = None if targets else 1
    if keras.backend.backend() != "tensorflow":
        return lambda: (batch[:count] for batch in batches)
    import tensorflow as tf

    example = batches[0][:count]
    source = weakref.proxy(batches)

    def gather(number: np.ndarray) -> tuple[np.ndarray, ...]:
        """Make a batch."""
        return tuple(source[int(number)][:count])

    def load(number: Any) -> tuple[Any, ...]:
        """Make a batch, as tensors of known shape."""
        parts = tf.numpy_function(gather, [number], [part.dtype for part in example])
        return tuple(tf.ensure_shape(part, (None, *like.shape[1:])) for part, like in zip(parts, example, strict=True))

    dataset = tf.data.Dataset.range(len(batches)).map(load).prefetch(AHEAD)

    def one_pass(read: WindowBatches = batches) -> Any:  # noqa: ARG001  its default keeps the batches as long as they can be asked for
        """Give the data set."""
        return dataset

    return one_pass
