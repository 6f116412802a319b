from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_fits import BIN, LENGTHS, TRACKS, WINDOW, tiny_data, tiny_model, tiny_training, tiny_validation

from helpers.errors import InputError
from helpers.prepare.batches import WindowBatches
from helpers.prepare.prepared import PreparedData
from helpers.prepare.regions import tile
from helpers.train import reached
from helpers.train.backend import keras
from helpers.train.fitting import fit
from helpers.train.reached import known_extremes, reached_bins, reached_runs


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_model()


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run fail that begins to train, or to compile."""

    def begun(*_: Any, **__: Any) -> None:
        raise AssertionError("training has begun")

    monkeypatch.setattr(keras.Model, "compile", begun)
    monkeypatch.setattr(keras.Model, "fit", begun)


def windows(*regions: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(list(regions), columns=["chrom", "start", "end"])


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, "epochs is 0: train for at least 1"),
        ({"monitor": "val_loss"}, "monitor is 'val_loss': choose validation_pearson or validation_loss"),
        ({"schedule": "linear"}, "schedule is 'linear': choose cosine or constant"),
        ({"learning_rate": 0}, "learning_rate is 0: choose a number above 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan: choose a number above 0"),
        ({"patience": 0}, "patience is 0: wait for at least 1 epoch"),
        ({"patience": 3, "validation": None}, "patience is 3 but nothing tells when to stop: give validation batches"),
        ({"loss": "negative_person"}, "there is no loss 'negative_person': did you mean 'negative_pearson'"),
    ],
)
def test_impossible_settings_are_named(model: Any, change: dict, said: str) -> None:
    data = tiny_data()
    usual: dict[str, Any] = {"loss": "mse", "epochs": 1, "validation": tiny_validation(data)}
    with pytest.raises(InputError, match=said):
        fit(model, tiny_training(data), **{**usual, **change})


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: tiny_model(window=72),
            "model 'tiny' reads 72 and the training batches hold windows of 64 bases: build it for 64, or make batches of other windows",
        ),
        (lambda: tiny_model(tracks=3), "model 'tiny' gives 8 x 3 and the training targets are 8 bins x 2 tracks: build it for"),
        (lambda: keras.Sequential([keras.layers.Dense(1)], name="new"), "model 'new' has no shape yet: build it with an Input of 64 bases"),
        (lambda: two_inputs(), "model 'two' reads 2 arrays and the training batches hold windows of 64 bases"),
        (lambda: flat(), "model 'flat' gives 2 and the training targets are 8 bins x 2 tracks"),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_named(make: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit(make(), tiny_training(tiny_data()), loss="mse", epochs=1)


def two_inputs() -> Any:
    inputs = [keras.Input((WINDOW,)), keras.Input((WINDOW,))]
    return keras.Model(inputs, keras.layers.Add()(inputs), name="two")


def flat() -> Any:
    codes = keras.Input((WINDOW,))
    return keras.Model(codes, keras.layers.Dense(TRACKS)(codes), name="flat")


def test_a_model_for_windows_of_any_width_fits() -> None:
    codes = keras.Input((None,), dtype="uint8")
    x = keras.layers.Conv1D(4, BIN, strides=BIN)(keras.layers.Embedding(5, 4)(codes))
    model = keras.Model(codes, keras.layers.Dense(TRACKS)(x))
    assert model.output_shape == (None, None, TRACKS)
    assert len(fit(model, tiny_training(tiny_data()), loss="mse", epochs=1).history) == 1


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("jitter", "start", "refused"),
    [
        (0, 704, "1 of 1 validation windows, the first a:704-768, overlap training windows: take them from other"),
        (0, 760, "overlap training windows: take"),  # by the last bin of a:704-768
        (0, 768, None),
        (16, 776, "overlap training windows when they are moved by up to 16 bp: take them"),
        (16, 784, None),
    ],
)
def test_validation_must_lie_apart_from_all_that_training_reads(model: Any, jitter: int, start: int, refused: str | None) -> None:
    data = tiny_data()
    training = WindowBatches(
        data, windows(("a", 0, 64), ("a", 704, 768), ("b", 776, 840)), window=64, batch_size=2, seed=0, jitter=jitter
    )
    validation = WindowBatches(data, windows(("a", start, start + 64)), window=64, batch_size=2, seed=0, shuffle=False)
    if refused is None:
        with pytest.raises(AssertionError, match="training has begun"):
            fit(model, training, loss="mse", epochs=1, validation=validation)
        return
    with pytest.raises(InputError, match=refused):
        fit(model, training, loss="mse", epochs=1, validation=validation)


def changed(place: slice | int, value: float, *, missing: int = 0) -> PreparedData:
    """The data with other targets in some bins of the first track."""
    data = tiny_data()
    data.targets[place, 0] = value
    data.chroms["missing"] = missing
    return data


FIRST_OF_B = LENGTHS["a"] // BIN


def labelled(place: slice | int, value: float) -> PreparedData:
    """Labels, 1 where a bin is rich in G and C, and other ones in some bins of the first track."""
    data = tiny_data()
    data.targets[:] = data.targets[:, :1] > 0.4
    data.targets[place, 0] = value
    return data


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("data", "loss", "said"),
    [
        (changed(3, -1), "poisson", "training batches: the smallest target is -1, but poisson takes 0 or more"),
        (changed(FIRST_OF_B, -1), "poisson", "validation batches: the smallest target is -1, but poisson"),
        (changed(3, np.nan), "mse", "targets of track 'gc' within reach of the training windows are NaN or infinite"),
        (changed(FIRST_OF_B, np.inf), "mse", "targets of track 'gc' within reach of the validation windows are NaN or infinite"),
        (labelled(slice(FIRST_OF_B), 1), "binary_crossentropy", "training batches: all labels of track 0 are 1"),
        (labelled(slice(FIRST_OF_B, None), 0), "binary_crossentropy", "validation batches: all labels of track 0 are 0"),
        (labelled(3, 0.5), "binary_crossentropy", r"training batches: a target is 0\.5, but binary_crossentropy takes labels"),
    ],
)
def test_targets_that_the_loss_cannot_take_are_named(data: PreparedData, loss: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit(tiny_model(output="sigmoid"), tiny_training(data), loss=loss, epochs=1, validation=tiny_validation(data))


@pytest.mark.usefixtures("no_training")
def test_predictions_that_the_loss_cannot_take_are_named() -> None:
    with pytest.raises(InputError, match=r"the model predicts -.*, but poisson takes 0 or more: build it with output='softplus'"):
        fit(tiny_model(output="linear"), tiny_training(tiny_data()), loss="poisson", epochs=1)
    one_bin = tiny_training(tiny_data(), window=BIN)
    with pytest.raises(InputError, match="negative_pearson compares the bins of a window, and there is 1"):
        fit(tiny_model(window=BIN), one_bin, loss="negative_pearson", epochs=1)


@pytest.mark.usefixtures("no_training")
def test_only_targets_within_reach_count(model: Any) -> None:
    data = changed(-1, -1)  # of chromosome c
    data.targets[FIRST_OF_B - 1] = -1  # the last bin of chromosome a, which no window reaches
    training = WindowBatches(data, tile({"a": 7_900}, WINDOW), window=WINDOW, batch_size=4, seed=0, jitter=8 * BIN)
    with pytest.raises(AssertionError, match="training has begun"):
        fit(model, training, loss="poisson", epochs=1, validation=tiny_validation(data))
    training = WindowBatches(data, tile({"a": 7_936}, WINDOW), window=WINDOW, batch_size=4, seed=0, jitter=8 * BIN)
    with pytest.raises(InputError, match="training batches: the smallest target is -1"):
        fit(model, training, loss="poisson", epochs=1)


@pytest.mark.usefixtures("no_training")
def test_validation_of_one_number_has_no_correlation(model: Any) -> None:
    data = tiny_data()
    data.targets[FIRST_OF_B : FIRST_OF_B + 501] = 2
    with pytest.raises(
        InputError, match="all validation targets are 2, so validation_pearson does not exist: choose other regions"
    ):
        fit(model, tiny_training(data), loss="mse", epochs=1, validation=tiny_validation(data))
    with pytest.raises(AssertionError, match="training has begun"):
        fit(model, tiny_training(data), loss="mse", epochs=1, validation=tiny_validation(data), monitor="validation_loss")


@pytest.mark.usefixtures("no_training")
def test_windows_without_any_valid_bin_are_named(model: Any) -> None:
    data = changed(slice(8, 16), np.nan, missing=8)  # a:64-128, all of one window
    training = tiny_training(data, missing="mask")
    with pytest.raises(
        InputError, match="1 training windows, the first a:64-128, have no bin with data in every track: drop them"
    ):
        fit(model, training, loss="mse", epochs=1)
    data.targets[12, 0] = 1
    data.targets[11, 1] = np.nan
    with pytest.raises(AssertionError, match="training has begun"):
        fit(model, training, loss="mse", epochs=1)
    data.targets[12, 1] = np.nan  # each bin misses one of the tracks
    with pytest.raises(InputError, match="the first a:64-128, have no bin"):
        fit(model, training, loss="mse", epochs=1)
    data.targets[FIRST_OF_B + 16 : FIRST_OF_B + 32] = np.nan
    data.targets[8:16] = 0
    with pytest.raises(InputError, match="2 validation windows, the first b:128-192, have no bin"):
        fit(model, training, loss="mse", epochs=1, validation=tiny_validation(data, missing="mask"))


@pytest.mark.usefixtures("no_training")
def test_too_few_windows_for_a_batch_are_named(model: Any) -> None:
    training = tiny_training(tiny_data(), batch_size=500, drop_last=True)
    with pytest.raises(InputError, match="training batches are none: 125 windows do not fill a batch of 500"):
        fit(model, training, loss="mse", epochs=1)


@settings(max_examples=80, deadline=None)
@given(
    starts=st.lists(st.integers(0, 990), min_size=1, max_size=12),
    jitter=st.integers(0, 5),
    at_once=st.integers(1, 50),
    holes=st.lists(st.tuples(st.integers(0, 999), st.integers(0, 1)), max_size=8),
    mask=st.booleans(),
)
def test_what_is_within_reach_equals_a_slow_search(starts: list, jitter: int, at_once: int, holes: list, mask: bool) -> None:
    data = tiny_data(1)
    for place, track in holes:
        data.targets[place, track] = np.nan
    regions = windows(*(("a", start * BIN, start * BIN + WINDOW) for start in starts))
    batches = WindowBatches(
        data, regions, window=WINDOW, batch_size=3, seed=0, jitter=jitter * BIN, missing="mask" if mask else "error"
    )
    slow = sorted({k for start in starts for k in range(max(0, start - jitter), min(1000, start + 8 + jitter))})
    before = reached.BINS_AT_ONCE
    reached.BINS_AT_ONCE = at_once
    try:
        parts = [part.tolist() for part in reached_bins(batches)]
        found = known_extremes(batches)
    finally:
        reached.BINS_AT_ONCE = before
    assert [k for part in parts for k in part] == slow
    assert all(len(part) <= at_once for part in parts)
    runs = reached_runs(batches)
    assert [k for low, high in runs.tolist() for k in range(low, high)] == slow
    assert (runs[1:, 0] > runs[:-1, 1]).all()
    values = data.targets[slow]
    values = values[~np.isnan(values).any(axis=1)] if mask else values
    if not len(values):
        assert found.shape == (0, TRACKS)
        return
    np.testing.assert_array_equal(found[:2], [values.min(axis=0), values.max(axis=0)])
    for track in range(TRACKS):
        between = {value for value in values[:, track].tolist() if found[0, track] < value < found[1, track]}
        middle = float(found[2, track])
        assert np.isnan(middle) if np.isnan(found[0, track]) else middle in (between or {float(found[0, track])})
