from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.train.backend import keras
from helpers.train.seeding import Seeding, seed_everything, weights_digest

TRAIN = """
import sys
from helpers.train.seeding import seed_everything, weights_digest
from helpers.train.backend import keras
import numpy as np
rng = np.random.default_rng(3)
x, y = rng.normal(size=(96, 32, 4)).astype("float32"), rng.random((96, 4, 2)).astype("float32")
for seed in map(int, sys.argv[1:]):
    seed_everything(seed, threads=2)
    layers = [keras.layers.Input((32, 4)), keras.layers.Conv1D(16, 7, padding="same", activation="relu"), keras.layers.BatchNormalization(),
              keras.layers.Dropout(0.2), keras.layers.MaxPooling1D(8), keras.layers.Conv1D(2, 1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse")
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)  # shuffled
    print(weights_digest(model))
"""


def trained(*seeds: int) -> list[str]:
    """Digests of models trained from some seeds, one after another, in a process of their own that says nothing on stderr."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", TRAIN, *map(str, seeds)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_a_seed_gives_the_same_weights_in_another_process() -> None:
    zero, one, zero_again = trained(0, 1, 0)
    assert len(zero) == 64
    assert zero == zero_again
    assert zero != one
    assert trained(1) == [one]


def test_with_jax_the_threads_are_said_not_to_be_fixed() -> None:
    pytest.importorskip("jax")
    code = "from helpers.train.seeding import *; first, *_ = seed_everything(0).not_fixed; print(first, keras.random.uniform(()) > 0)"
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "the threads of jax: it takes their number from its own settings when it starts True\n"


def draws() -> tuple[float, float, float]:
    """A number from each global generator."""
    return random.random(), float(np.random.rand()), float(keras.random.uniform(()))  # noqa: NPY002, S311


def test_a_seed_reaches_python_numpy_and_keras() -> None:
    seed_everything(0)
    first, second = draws(), draws()
    assert len({*first, *second}) == 6
    seed_everything(0)
    assert draws() == first
    seed_everything(1)
    assert not set(draws()) & set(first)
    seed_everything(np.int64(0))  # as a table of seeds gives it
    assert draws() == first
    random.seed(0)
    assert first[0] == random.random()  # noqa: S311
    np.random.seed(0)  # noqa: NPY002
    assert first[1] == np.random.rand()  # noqa: NPY002


def test_what_was_seeded_is_told() -> None:
    seeding = seed_everything(0)
    assert (seeding.seed, seeding.threads, seeding.backend) == (0, 2, "tensorflow")
    assert seeding.versions.keys() == {"python", "numpy", "keras", "tensorflow"}
    assert seeding.versions["numpy"] == np.__version__
    assert seeding.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert isinstance(seeding, Seeding)
    assert len(seeding.not_fixed) == 6
    assert sum("PYTHONHASHSEED" in phrase for phrase in seeding.not_fixed) == 1
    assert not any("threads of" in phrase for phrase in seeding.not_fixed)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, r"seed is -1: choose a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, r"seed is 4294967296"),
        ({"seed": 1.0}, r"seed is 1\.0"),
        ({"seed": None}, r"seed is None"),
        ({"seed": True}, r"seed is True"),
        ({"seed": 0, "threads": 0}, r"threads is 0: choose a whole number from 1"),
    ],
)
def test_impossible_seeds_and_threads(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        seed_everything(**arguments)  # type: ignore[arg-type]


def test_other_threads_after_the_start_are_refused() -> None:
    keras.ops.ones(1)
    before = draws()
    seed_everything(5, threads=2)
    expected = draws()
    seed_everything(5, threads=2)
    with pytest.raises(
        InputError, match=r"threads is 3, but TensorFlow has started with 2 within and 1 between .*: restart Python"
    ):
        seed_everything(6, threads=3)
    assert draws() == expected != before  # nothing was seeded


def small(name: str | None = None) -> keras.Model:
    """Two dense layers of one shape, with the weights 0 to 3 and 4 to 7, and a batch normalisation."""
    layers = [
        keras.layers.Input((2,)),
        *(keras.layers.Dense(2, use_bias=False) for _ in range(2)),
        keras.layers.BatchNormalization(),
    ]
    model = keras.Sequential(layers, name=name)
    for k in range(2):
        model.layers[k].set_weights([np.arange(4.0).reshape(2, 2) + 4 * k])
    return model


def test_digest_is_of_the_weights_and_of_nothing_else() -> None:
    model, same = small("a"), small("b")
    digest = weights_digest(model)
    assert weights_digest(same) == digest
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    assert weights_digest(model) == digest


def changed_by_a_bit(model: keras.Model) -> None:
    kernel = model.layers[0].get_weights()[0]
    kernel[1, 1] = np.nextafter(kernel[1, 1], np.float32(9))
    model.layers[0].set_weights([kernel])


def swapped(model: keras.Model) -> None:
    first, second = (layer.get_weights() for layer in model.layers[:2])
    model.layers[0].set_weights(second)
    model.layers[1].set_weights(first)


def running_mean_moved(model: keras.Model) -> None:
    model.layers[2].moving_mean.assign([0.0, 1e-3])


@pytest.mark.parametrize("change", [changed_by_a_bit, swapped, running_mean_moved])
def test_digest_sees_every_change(change: Callable[[keras.Model], None]) -> None:
    model = small()
    before = weights_digest(model)
    change(model)
    assert weights_digest(model) != before


def test_digest_tells_shapes_apart() -> None:
    def one(units: int, rows: int) -> keras.Model:
        model = keras.Sequential([keras.layers.Input((rows,)), keras.layers.Dense(units, use_bias=False)])
        model.layers[0].set_weights([np.arange(6.0).reshape(rows, units)])
        return model

    assert weights_digest(one(2, 3)) != weights_digest(one(3, 2))
