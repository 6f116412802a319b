from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.prepare.batches import WindowBatches, keras_batches
from helpers.prepare.prepared import PreparedData
from helpers.prepare.regions import align, tile

BIN = 4
LENGTHS = {"a": 400, "b": 203, "c": 96}


@pytest.fixture(scope="module")
def prepared() -> PreparedData:
    """Three chromosomes of random bases; the target of a bin is its number in the flat array, and that number negated."""
    lengths = np.array(list(LENGTHS.values()))
    bins = -(-lengths // BIN)
    offset = np.cumsum(bins) - bins
    columns = {
        "chrom": list(LENGTHS),
        "length": lengths,
        "base_offset": offset * BIN,
        "bin_offset": offset,
        "bins": bins,
        "missing": 0,
    }
    codes = np.random.default_rng(0).integers(0, 5, bins.sum() * BIN).astype(np.uint8)
    number = np.arange(bins.sum(), dtype=np.float32)
    return PreparedData(codes, np.stack([number, -number], axis=1), pd.DataFrame(columns), BIN, ("one", "two"), {})


def slow_window(
    prepared: PreparedData, first_bin: int, window: int, *, flip: bool, stranded: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """One window, base by base and bin by bin."""
    codes = [int(prepared.codes[first_bin * BIN + k]) for k in range(window)]
    targets = [prepared.targets[first_bin + k].tolist() for k in range(window // BIN)]
    if flip:
        codes = [{0: 3, 1: 2, 2: 1, 3: 0, 4: 4}[c] for c in reversed(codes)]
        targets = [row[::-1] if stranded else row for row in reversed(targets)]
    return np.array(codes), np.array(targets)


def located(targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First bin of each sample and whether it was turned, read off the targets of the fixture."""
    return targets[:, :, 0].min(axis=1).astype(int), targets[:, 0, 0] > targets[:, -1, 0]


@settings(max_examples=60, deadline=None)
@given(
    bins=st.integers(2, 9),
    jitter=st.integers(0, 4),
    flip=st.booleans(),
    stranded=st.booleans(),
    batch=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_every_window_equals_a_slow_one(
    prepared: PreparedData, bins: int, jitter: int, flip: bool, stranded: bool, batch: int, seed: int
) -> None:
    regions = tile(LENGTHS, bins * BIN, 3 * BIN)
    batches = WindowBatches(
        prepared, regions, window=bins * BIN, batch_size=batch, seed=seed, jitter=jitter * BIN, reverse_complement=flip,
        stranded=[1, 0] if stranded else None, shuffle=False,
    )  # fmt: skip
    offsets = dict(zip(prepared.chroms["chrom"], prepared.chroms["bin_offset"], strict=True))
    codes, targets = (np.concatenate(part) for part in zip(*batches, strict=True))
    assert codes.dtype == np.uint8
    assert targets.dtype == np.float32
    assert codes.shape == (len(regions), bins * BIN)
    assert targets.shape == (len(regions), bins, 2)
    for k, (chrom, start, end) in enumerate(regions.itertuples(index=False)):
        numbers = np.abs(targets[k, :, 0])
        first, turned = int(numbers.min()), bool(numbers[0] > numbers[-1])
        assert flip or not turned
        assert abs(first - offsets[chrom] - start // BIN) <= jitter
        assert 0 <= (first - offsets[chrom]) * BIN <= LENGTHS[chrom] - (end - start)  # never leaves its chromosome
        expected = slow_window(prepared, first, bins * BIN, flip=turned, stranded=stranded)
        np.testing.assert_array_equal(codes[k], expected[0])
        np.testing.assert_array_equal(targets[k], expected[1])


def many(prepared: PreparedData, **arguments: Any) -> WindowBatches:
    """The same window in the middle of a chromosome, 4,000 times."""
    regions = pd.DataFrame({"chrom": "a", "start": [200] * 4000, "end": [232] * 4000})
    return WindowBatches(
        prepared, regions, **{"window": 32, "batch_size": 4000, "seed": 0, "jitter": 12, "reverse_complement": True, **arguments}
    )


def test_jitter_reaches_both_ends_and_is_drawn_for_each_sample(prepared: PreparedData) -> None:
    first, turned = located(many(prepared)[0][1])
    values, counts = np.unique(first - 50, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert counts.min() > 4000 / 7 * 0.85
    assert 0.46 < turned.mean() < 0.54
    assert abs(np.corrcoef(first, turned)[0, 1]) < 0.06
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 0.06


def test_epochs_differ_and_seeds_repeat(prepared: PreparedData) -> None:
    regions = tile(LENGTHS, 32)

    def run(seed: int, epochs: int = 3) -> list[tuple[np.ndarray, ...]]:
        batches = WindowBatches(prepared, regions, window=32, batch_size=5, seed=seed, jitter=8, reverse_complement=True)
        out = []
        for _ in range(epochs):
            out.append(tuple(np.concatenate(part) for part in zip(*batches, strict=True)))
            batches.on_epoch_end()
        assert batches.epoch == epochs
        return out

    one, again, other = run(7), run(7), run(8)
    for left, right in zip(one, again, strict=True):
        np.testing.assert_array_equal(left[0], right[0])
        np.testing.assert_array_equal(left[1], right[1])
    for left, right in [(one[0], one[1]), (one[1], one[2]), (one[0], other[0])]:
        assert not np.array_equal(left[1], right[1])


@pytest.mark.parametrize(("kept", "changed"), [("jitter", "shift"), ("reverse_complement", "flip")])
def test_order_moves_and_coins_differ_between_epochs_each_on_its_own(prepared: PreparedData, kept: str, changed: str) -> None:
    batches = many(prepared, **{"jitter": 0, "reverse_complement": False, kept: 12 if kept == "jitter" else True})
    first, turned = located(batches[0][1])
    batches.epoch = 1
    first_later, turned_later = located(batches[0][1])
    assert (np.mean(first != first_later) > 0.5) == (changed == "shift")
    assert (np.mean(turned != turned_later) > 0.4) == (changed == "flip")


def test_a_batch_does_not_depend_on_what_was_asked_before(prepared: PreparedData) -> None:
    batches = WindowBatches(prepared, tile(LENGTHS, 32), window=32, batch_size=4, seed=1, jitter=8, reverse_complement=True)
    third = batches[2]
    list(batches)
    batches.epoch = 5
    batches.epoch = 0
    for left, right in zip(batches[2], third, strict=True):
        np.testing.assert_array_equal(left, right)


def test_an_epoch_shows_every_window_once(prepared: PreparedData) -> None:
    regions = tile(LENGTHS, 32)
    shuffled = WindowBatches(prepared, regions, window=32, batch_size=4, seed=3)
    ordered = WindowBatches(prepared, regions, window=32, batch_size=4, seed=3, shuffle=False)
    starts = [np.concatenate([located(batch[1])[0] for batch in batches]) for batches in (shuffled, ordered)]
    assert len(regions) == 12 + 6 + 3
    assert not np.array_equal(starts[0], starts[1])
    np.testing.assert_array_equal(np.sort(starts[0]), np.sort(starts[1]))
    assert (np.diff(starts[1]) > 0).all()


def test_the_last_batch_is_smaller_or_left_out(prepared: PreparedData) -> None:
    regions = tile(LENGTHS, 32)
    whole = WindowBatches(prepared, regions, window=32, batch_size=8, seed=0)
    assert (len(whole), [len(batch[0]) for batch in whole]) == (3, [8, 8, 5])
    dropped = WindowBatches(prepared, regions, window=32, batch_size=8, seed=0, drop_last=True)
    assert (len(dropped), [len(batch[0]) for batch in dropped]) == (2, [8, 8])
    for number in (-1, 3):
        with pytest.raises(IndexError, match=f"batch {number} of 3"):
            whole[number]


def test_reach_is_what_the_batches_of_many_epochs_show(prepared: PreparedData) -> None:
    regions = pd.DataFrame({"chrom": ["a", "b", "c"], "start": [0, 40, 64], "end": [32, 72, 96]})
    batches = WindowBatches(prepared, regions, window=32, batch_size=3, seed=0, jitter=12, shuffle=False)
    assert [part.tolist() for part in batches.reach()] == [[0, 107, 164], [11, 121, 175]]
    assert [part.tolist() for part in batches.reach(moved=False)] == [[0, 110, 167], [8, 118, 175]]
    shown = []
    for batches.epoch in range(60):
        shown.append(batches[0][1][:, :, 0])
    assert np.min(shown, axis=(0, 2)).tolist() == [0, 107, 164]
    assert (np.max(shown, axis=(0, 2)) + 1).tolist() == [11, 121, 175]


def test_arrays_are_not_written_to(prepared: PreparedData) -> None:
    before = prepared.codes.copy(), prepared.targets.copy()
    batches = many(prepared, missing="mask")
    for array in batches[0]:
        array[:] = 0
    np.testing.assert_array_equal(prepared.codes, before[0])
    np.testing.assert_array_equal(prepared.targets, before[1])


@pytest.fixture
def holed(prepared: PreparedData) -> PreparedData:
    """Bin 20 of chromosome a (bases 80-83) has no value in the second track."""
    targets = prepared.targets.copy()
    targets[20, 1] = np.nan
    chroms = prepared.chroms.assign(missing=[1, 0, 0])
    return PreparedData(prepared.codes, targets, chroms, BIN, prepared.tracks, {})


def test_missing_targets_are_an_error_before_training(holed: PreparedData) -> None:
    windows = tile(LENGTHS, 40)
    with pytest.raises(
        InputError, match=r"1 windows, the first a:80-120, reach bins without a target \(NaN\): give missing=\"mask\""
    ):
        WindowBatches(holed, windows, window=40, batch_size=4, seed=0)
    with pytest.raises(InputError, match="2 windows, the first a:40-80, reach bins"):  # only when moved
        WindowBatches(holed, windows, window=40, batch_size=4, seed=0, jitter=4)
    clear = windows[(windows["end"] <= 76) | (windows["start"] > 84)].reset_index(drop=True)
    WindowBatches(holed, clear, window=40, batch_size=4, seed=0, jitter=4)


def test_missing_targets_get_weight_0(holed: PreparedData) -> None:
    windows = tile({"a": 400}, 40)
    batches = WindowBatches(holed, windows, window=40, batch_size=10, seed=0, shuffle=False, missing="mask")
    _, targets, weights = batches[0]
    assert weights.shape == (10, 10)
    assert weights.dtype == np.float32
    assert (weights == 0).sum() == 1
    assert weights[2, 0] == 0
    assert targets[2, 0].tolist() == [20.0, 0.0]
    turned = WindowBatches(
        holed, windows, window=40, batch_size=10, seed=0, shuffle=False, missing="mask", reverse_complement=True
    )
    seen = set()
    for turned.epoch in range(12):
        _, targets, weights = turned[0]
        flipped = bool(located(targets)[1][2])
        assert np.flatnonzero(weights[2] == 0).tolist() == [9 if flipped else 0]
        seen.add(flipped)
    assert seen == {False, True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": 30}, "window is 30 bp: choose a multiple of the bin size, 4 bp"),
        ({"window": 0}, "window is 0 bp"),
        ({"batch_size": 0}, "batch_size is 0: a batch has at least 1 window"),
        ({"seed": -1}, "seed is -1: choose 0 or more"),
        ({"jitter": 6}, "jitter is 6 bp: choose 0 or a multiple of the bin size, 4 bp"),
        ({"missing": "skip"}, "missing is 'skip': choose error or mask"),
        ({"stranded": [0, 2]}, r"stranded is \[0, 2\]"),
        ({"window": 40}, "region a:0-32 is not 40 bp wide: tile or centre with window=40"),
    ],
)
def test_impossible_arguments_are_named(prepared: PreparedData, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        WindowBatches(prepared, tile(LENGTHS, 32), **{"window": 32, "batch_size": 4, "seed": 0, **change})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", 384, 416), "the first a:384-416, are empty or leave their chromosome"),
        (("b", 172, 204), "the first b:172-204, are empty or leave their chromosome"),  # inside the padding only
        (("z", 0, 32), "regions lie on 'z', which is not among a, b, c"),
        (("a", 6, 38), "region a:6-38 does not start on a multiple of the bin size, 4 bp: use regions.align"),
    ],
)
def test_impossible_regions_are_named(prepared: PreparedData, row: tuple, message: str) -> None:
    regions = pd.DataFrame([("a", 0, 32), row], columns=["chrom", "start", "end"])
    with pytest.raises(InputError, match=message):
        WindowBatches(prepared, regions, window=32, batch_size=4, seed=0)


def test_no_regions_are_refused(prepared: PreparedData) -> None:
    with pytest.raises(InputError, match="regions are empty"):
        WindowBatches(prepared, tile({"a": 3}, 32), window=32, batch_size=4, seed=0)


def test_align_moves_regions_down_to_the_grid() -> None:
    moved = align(pd.DataFrame({"chrom": ["a", "b"], "start": [6, 8], "end": [38, 40], "name": ["x", "y"]}, index=[4, 4]), 4)
    assert moved.to_dict("list") == {"chrom": ["a", "b"], "start": [4, 8], "end": [36, 40], "name": ["x", "y"]}
    assert list(moved.index) == [0, 1]


@pytest.fixture(scope="module")
def keras_model() -> Callable[[], Any]:
    """A model that makes one-hot inside and reads windows of 32 bp as 8 bins of 2 tracks."""
    import os

    os.environ.update(CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3")
    keras = pytest.importorskip("keras")

    def make() -> Any:
        keras.utils.set_random_seed(0)
        codes = keras.Input((32,), dtype="uint8")
        x = keras.layers.Lambda(lambda c: keras.ops.one_hot(c, 5)[..., :4], output_shape=(32, 4))(codes)
        x = keras.layers.Conv1D(4, 8, strides=4, padding="same", activation="relu")(x)
        model = keras.Model(codes, keras.layers.Dense(2)(x))
        model.compile("sgd", "mse")
        return model

    return make


def test_keras_trains_on_batches(prepared: PreparedData, keras_model: Callable[[], Any]) -> None:
    import keras

    scaled = PreparedData(prepared.codes, prepared.targets / 200, prepared.chroms, BIN, prepared.tracks, {})
    batches = WindowBatches(scaled, tile(LENGTHS, 32), window=32, batch_size=4, seed=0, jitter=8, reverse_complement=True)
    model = keras_model()
    before = [weight.copy() for weight in model.get_weights()]
    seen: list[tuple[int, int]] = []
    note = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: seen.append((batch, batches.epoch)))  # noqa: ARG005
    history = model.fit(keras_batches(batches), epochs=3, shuffle=False, verbose=0, callbacks=[note])
    assert len(history.history["loss"]) == 3
    assert np.isfinite(history.history["loss"]).all()
    assert any((left != right).any() for left, right in zip(before, model.get_weights(), strict=True))
    assert [batch for batch, _ in seen] == [*range(6)] * 3
    assert np.diff([epoch for batch, epoch in seen if batch == 0]).tolist() == [1, 1]
    ordered = WindowBatches(scaled, tile(LENGTHS, 32), window=32, batch_size=4, seed=0, shuffle=False)
    assert model.predict(keras_batches(ordered), verbose=0).shape == (21, 8, 2)


def test_keras_passes_over_masked_bins(holed: PreparedData, keras_model: Callable[[], Any]) -> None:
    windows = tile({"a": 400}, 32)
    batches = WindowBatches(holed, windows, window=32, batch_size=12, seed=0, shuffle=False, missing="mask")
    codes, targets, weights = batches[0]
    model = keras_model()
    loss = model.evaluate(keras_batches(batches), verbose=0)
    errors = ((model.predict(codes, verbose=0) - targets) ** 2).mean(axis=2)
    assert weights.sum() == weights.size - 1
    np.testing.assert_allclose(loss, (errors * weights).sum() / weights.size, rtol=1e-4)
