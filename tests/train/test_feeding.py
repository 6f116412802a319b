from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from tiny_fits import tiny_data, tiny_model, tiny_training, tiny_validation

from helpers.train.backend import keras
from helpers.train.feeding import passes
from helpers.train.fitting import fit, predict


@pytest.mark.parametrize("missing", ["error", "mask"])
def test_each_pass_gives_the_batches_of_its_epoch(missing: Any) -> None:
    batches = tiny_training(tiny_data(missing=missing == "mask"), missing=missing)
    give = passes(batches)
    seen = []
    for batches.epoch in (0, 1, 0):
        got = [tuple(np.asarray(part) for part in batch) for batch in give()]
        for left, right in zip(got, batches, strict=True):
            assert len(left) == len(right) == (3 if missing == "mask" else 2)
            for one, other in zip(left, right, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == other.dtype
        seen.append(got[0][0])
    assert not np.array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[0], seen[2])


def test_codes_alone_for_predictions() -> None:
    batches = tiny_validation(tiny_data())
    got = list(passes(batches, targets=False)())
    assert [len(batch) for batch in got] == [1] * len(batches)
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in got]), np.concatenate([batch[0] for batch in batches]))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about tf.data")
def test_a_smaller_last_batch_is_not_traced_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    traced: list[Any] = []
    original = keras.Model.train_step

    def step(self: Any, data: Any) -> Any:
        traced.append(data[0].shape[0])
        return original(self, data)

    monkeypatch.setattr(keras.Model, "train_step", step)
    training = tiny_training(tiny_data())
    assert training.windows % training.batch_size != 0
    fit(tiny_model(), training, loss="mse", epochs=3)
    assert traced == [None]


def test_batches_live_as_long_as_their_passes_and_no_longer() -> None:
    batches = tiny_validation(tiny_data())
    fit(tiny_model(), tiny_training(batches.prepared), loss="mse", epochs=1)
    give, alive, arrays = passes(batches), weakref.ref(batches), weakref.ref(batches.prepared)
    del batches
    assert sum(len(codes) for codes, *_ in give()) == alive().windows
    del give
    gc.collect()
    assert alive() is None
    assert arrays() is None


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about tf.data")
def test_no_generator_slows_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorflow as tf

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("from_generator changes how the process takes memory")

    monkeypatch.setattr(tf.data.Dataset, "from_generator", refuse)
    data = tiny_data()
    done = fit(tiny_model(), tiny_training(data), loss="mse", epochs=1, validation=tiny_validation(data))
    assert len(predict(done.model, tiny_validation(data))) == tiny_validation(data).windows
