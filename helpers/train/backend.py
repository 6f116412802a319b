"""Keras, imported without a line on stderr: `from helpers.train.backend import keras`.

`KERAS_BACKEND` and Keras's own configuration file choose the backend, as ever. oneDNN stays on: without it training is 2.5-4 times slower.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

QUIET_LEVEL = "2"  # of TF_CPP_MIN_LOG_LEVEL: errors are still printed


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send to nowhere what Python and native code write to stderr, within a `with` block; a notebook would keep it as output."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _find_devices() -> None:
    """Let the backend look for its devices, which is when it talks; TensorFlow's numbers of threads can still be set afterwards.

    Keras seeds TensorFlow, and feeds from it, under any backend where it is installed.
    """
    if keras.backend.backend() != "tensorflow":
        keras.ops.ones(1)
    if importlib.util.find_spec("tensorflow"):
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")
        tf.config.list_physical_devices()


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", QUIET_LEVEL)
with quiet():
    import keras

    _find_devices()

__all__ = ["keras", "quiet"]
