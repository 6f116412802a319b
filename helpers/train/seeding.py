"""Seeds for training that repeats bit for bit in another process, and a digest to see it by."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.train.backend import keras

LARGEST_SEED = 2**32 - 1  # NumPy's legacy generator takes no larger one
NOT_FIXED = (
    "the processor: another type may round the last digits otherwise",
    "the versions of Python and of the libraries: another may compute, or draw, in another order",
    "the number of threads: sums are taken in another order where it differs",
    "a GPU: some of its sums are taken in any order, unless tf.config.experimental.enable_op_determinism() is called",
    "NumPy generators made with a seed of their own, as batches of windows have",
    "the order of Python's sets of text: PYTHONHASHSEED fixes it only if it was set before Python started",
)
THREADS_NOT_FIXED = "the threads of {backend}: it takes their number from its own settings when it starts"


@dataclass(frozen=True)
class Seeding:
    """What was seeded, and what a seed does not fix.

    Attributes
    ----------
    seed : int
        Given to Python's `random`, NumPy's global generator, Keras and its backend.
    threads : int
        Threads within an operation; operations run one after another.
    backend : str
        Of Keras.
    versions : dict of str to str
        Of Python, NumPy, Keras and its backend.
    not_fixed : tuple of str
        What else a result depends on, a phrase each.
    """

    seed: int
    threads: int
    backend: str
    versions: dict[str, str] = field(hash=False)
    not_fixed: tuple[str, ...]


def seed_everything(seed: int, threads: int = 2) -> Seeding:
    """Fix every random number that training draws, and the order in which threads add.

    Call it first, before anything is computed, and again before each model that is to start afresh: weights, dropout and shuffling then
    depend on the seed alone.

    Parameters
    ----------
    seed : int
        From 0 to 2^32 - 1; 0 is a seed like any other.
    threads : int
        Threads within an operation, 1 or more. Results depend on it, so that it is the same number on every machine. TensorFlow and PyTorch
        take it; with JAX it is not fixed, and `not_fixed` says so.

    Returns
    -------
    Seeding

    Raises
    ------
    InputError
        If a number is impossible, or TensorFlow has started with other threads.

    Notes
    -----
    With TensorFlow, operations run one at a time (inter-op threads 1): without that, `enable_op_determinism` alone did not give the same
    weights in two processes; with it, it was not needed.
    """
    for name, value, low, high in (("seed", seed, 0, LARGEST_SEED), ("threads", threads, 1, 1024)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
            raise InputError(f"{name} is {value!r}: choose a whole number from {low} to {high}")
    backend = keras.backend.backend()
    fixed = _fix_threads(backend, int(threads))
    keras.utils.set_random_seed(int(seed))  # also Python's and NumPy's
    not_fixed = NOT_FIXED if fixed else (THREADS_NOT_FIXED.format(backend=backend), *NOT_FIXED)
    return Seeding(int(seed), int(threads), backend, _versions(backend), not_fixed)


def _fix_threads(backend: str, threads: int) -> bool:
    """Set how many threads the backend computes with; false where that cannot be set once it runs."""
    if backend == "torch":
        import_module("torch").set_num_threads(threads)
        return True
    if backend != "tensorflow":
        return False
    threading = import_module("tensorflow").config.threading
    try:
        threading.set_intra_op_parallelism_threads(threads)
        threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        within, between = threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()
        raise InputError(
            f"threads is {threads}, but TensorFlow has started with {within or 'all'} within and {between or 'all'} between operations: "
            "restart Python, and call seed_everything before anything is computed"
        ) from error
    return True


def _versions(backend: str) -> dict[str, str]:
    """Version of Python and of what training computes with."""
    found = {"python": platform.python_version(), "numpy": np.__version__, "keras": keras.__version__}
    return found | ({} if backend == "numpy" else {backend: str(import_module(backend).__version__)})


def weights_digest(model: Any) -> str:
    """Give the SHA-256 of all weights of a model: equal if, and practically only if, they are the same, bit for bit and in the same order.

    Parameters
    ----------
    model : keras.Model
        Its trainable and other weights count (running means too), not its optimiser. Of their names, the layer's is left out, since Keras
        counts layers within a process ("dense_1").

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for weight in model.weights:
        values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{weight.name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
