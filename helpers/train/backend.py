"""Keras, imported without a line on stderr: `from helpers.train.backend import keras`.

`KERAS_BACKEND` and Keras's own configuration file choose the backend, as ever. oneDNN stays on: without it training is 2.5-4 times slower.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
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


def _asked() -> str:
    """Name the backend that Keras will choose, by its own rules: the variable, then its configuration file, then TensorFlow."""
    if "KERAS_BACKEND" in os.environ:
        return os.environ["KERAS_BACKEND"]
    folder = Path(os.environ["KERAS_HOME"]) if "KERAS_HOME" in os.environ else Path("~/.keras").expanduser()
    try:
        return str(json.loads((folder / "keras.json").read_text(encoding="utf-8"))["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


@contextlib.contextmanager
def _without_jax() -> Iterator[None]:
    """Let TensorFlow find no JAX while it is imported: one of its converters would load all of it, 120 MB, which nothing here calls."""
    if "jax" in sys.modules or _asked() != "tensorflow":
        yield
        return
    sys.modules["jax"] = None  # type: ignore[assignment]  # an import of it fails as if it were not installed
    try:
        yield
    finally:
        del sys.modules["jax"]


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
with quiet(), _without_jax():
    import keras

    _find_devices()

__all__ = ["keras", "quiet"]
