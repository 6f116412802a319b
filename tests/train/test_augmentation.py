from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.errors import InputError
from helpers.prepare.augment import reverse_complement_batch
from helpers.prepare.batches import WindowBatches
from helpers.prepare.prepared import PreparedData
from helpers.prepare.regions import filter_counts, tile
from helpers.train.augmentation import (
    RandomReverseComplement,
    RandomShift,
    flank_windows,
    reverse_complement_together,
    shift_together,
)
from helpers.train.backend import keras

WINDOW, BIN, FLANK = 32, 4, 12  # a sample is 56 bp, 14 bins


def arrays(values: Any) -> list[np.ndarray]:
    """Tensors as NumPy arrays."""
    return [keras.ops.convert_to_numpy(value) for value in values]


def samples(number: int, width: int = WINDOW + 2 * FLANK, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random codes; the target of a bin is its number in the sample, and that number negated."""
    codes = np.random.default_rng(seed).integers(0, 5, (number, width)).astype(np.uint8)
    bins = np.arange(width // BIN, dtype=np.float32)
    return codes, np.tile(np.stack([bins, -bins], axis=1), (number, 1, 1))


def shifts_of(targets: np.ndarray) -> np.ndarray:
    """By how many bins each sample moved, read off its targets."""
    return targets[:, :, 0].min(axis=1).astype(int) - FLANK // BIN


def flips_of(targets: np.ndarray) -> np.ndarray:
    """Which samples were turned, read off their targets."""
    return targets[:, 0, 0] > targets[:, -1, 0]


@given(data=st.data(), number=st.integers(1, 5), bins=st.integers(1, 5), tracks=st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=40)
def test_turning_agrees_with_the_batches_and_twice_is_identity(data: st.DataObject, number: int, bins: int, tracks: int) -> None:
    codes = data.draw(hnp.arrays(np.uint8, (number, bins * BIN), elements=st.integers(0, 4)))
    targets = data.draw(hnp.arrays(np.float32, (number, bins, tracks), elements=st.floats(0, 9, width=32)))
    flips = data.draw(hnp.arrays(bool, number))
    stranded = data.draw(st.sampled_from([None, list(range(tracks))[::-1]]))
    once = arrays(reverse_complement_together(codes, targets, flips, stranded=stranded))
    for mine, theirs in zip(once, reverse_complement_batch(codes, targets, flips, stranded), strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    twice = arrays(reverse_complement_together(*once, flips, stranded=stranded))
    np.testing.assert_array_equal(twice[0], codes)
    np.testing.assert_array_equal(twice[1], targets)


@given(data=st.data(), number=st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_shifting_agrees_with_a_slow_cut(data: st.DataObject, number: int) -> None:
    codes, targets = samples(number, seed=1)
    weights = np.random.default_rng(2).random((number, 14)).astype(np.float32)
    shifts = data.draw(hnp.arrays(np.int64, number, elements=st.integers(-3, 3)))
    moved = arrays(shift_together(codes, targets, shifts, window=WINDOW, bin_size=BIN, weights=weights))
    for k, shift in enumerate(shifts):
        np.testing.assert_array_equal(moved[0][k], codes[k, 12 + 4 * shift : 44 + 4 * shift])
        np.testing.assert_array_equal(moved[1][k], targets[k, 3 + shift : 11 + shift])
        np.testing.assert_array_equal(moved[2][k], weights[k, 3 + shift : 11 + shift])


def test_weights_turn_with_the_targets() -> None:
    codes, targets = samples(2, 12)
    weights = np.array([[0, 1, 2], [0, 1, 2]], np.float32)
    turned = arrays(reverse_complement_together(codes, targets, np.array([False, True]), weights=weights, stranded=[1, 0]))
    np.testing.assert_array_equal(turned[2], [[0, 1, 2], [2, 1, 0]])
    np.testing.assert_array_equal(turned[1][1], [[-2, 2], [-1, 1], [0, 0]])
    np.testing.assert_array_equal(turned[1][0], targets[0])


def test_shift_and_turn_agree_with_window_batches_on_the_same_draws() -> None:
    """`WindowBatches` fetches at the moved place; wide samples cut by the same draws are the same windows."""
    rng = np.random.default_rng(0)
    number = np.arange(200, dtype=np.float32)
    columns = {"chrom": ["a"], "length": [800], "base_offset": [0], "bin_offset": [0], "bins": [200], "missing": [0]}
    codes = rng.integers(0, 5, 800).astype(np.uint8)
    prepared = PreparedData(codes, np.stack([number, -number], axis=1), pd.DataFrame(columns), BIN, ("one", "two"), {})
    regions = tile({"a": 800}, WINDOW).iloc[1:-1].reset_index(drop=True)
    fixed = {"seed": 3, "shuffle": False, "batch_size": len(regions)}
    moved = WindowBatches(
        prepared, regions, window=WINDOW, jitter=FLANK, reverse_complement=True, stranded=[1, 0], **fixed
    )[0]  # fmt: skip
    wide = regions.assign(start=regions["start"] - FLANK, end=regions["end"] + FLANK)
    plain = WindowBatches(prepared, wide, window=WINDOW + 2 * FLANK, **fixed)[0]
    flips = np.abs(moved[1][:, 0, 0]) > np.abs(moved[1][:, -1, 0])
    shifts = np.abs(moved[1][:, :, 0]).min(axis=1).astype(int) - regions["start"].to_numpy() // BIN
    assert set(flips) == {False, True}
    assert {-3, 3} <= set(shifts)
    cut = shift_together(*plain, shifts, window=WINDOW, bin_size=BIN)
    for mine, theirs in zip(arrays(reverse_complement_together(*cut, flips, stranded=[1, 0])), moved, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_shifts_are_even_and_reach_both_ends() -> None:
    batch = samples(20_000)
    _, targets = arrays(RandomShift(seed=0, window=WINDOW, jitter=8, bin_size=BIN)(batch, training=True))
    shifts, counts = np.unique(shifts_of(targets), return_counts=True)
    assert shifts.tolist() == [-2, -1, 0, 1, 2]
    assert counts.min() > 4_000 * 0.94
    assert counts.max() < 4_000 * 1.06


def test_codes_alone_move_by_single_bases() -> None:
    """Each sample counts up from 0, so that the first code is where the cut was made."""
    codes = np.tile(np.arange(40, dtype=np.uint8), (20_000, 1))
    moved = keras.ops.convert_to_numpy(RandomShift(seed=0, window=WINDOW, jitter=3)(codes, training=True))
    first, counts = np.unique(moved[:, 0], return_counts=True)
    assert first.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert counts.min() > 20_000 / 7 * 0.94
    np.testing.assert_array_equal(moved - moved[:, :1], np.tile(np.arange(WINDOW), (20_000, 1)))
    assert moved.dtype == np.uint8


def test_each_sample_has_a_coin_of_its_own() -> None:
    _, targets = arrays(RandomReverseComplement(seed=0)(samples(20_000), training=True))
    flips = flips_of(targets)
    assert 0.49 < flips.mean() < 0.51
    assert abs(np.corrcoef(flips[:-1], flips[1:])[0, 1]) < 0.03


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_coin_can_be_loaded(probability: float, share: float) -> None:
    _, targets = arrays(RandomReverseComplement(seed=0, probability=probability)(samples(500), training=True))
    assert flips_of(targets).mean() == share


@pytest.mark.parametrize("stranded", [None, [1, 0]])
def test_a_layer_turns_sequence_targets_and_weights_by_one_draw(stranded: list[int] | None) -> None:
    codes, targets = samples(200)
    weights = np.tile(np.arange(14, dtype=np.float32), (200, 1))
    turned = arrays(RandomReverseComplement(seed=1, stranded=stranded)((codes, targets, weights), training=True))
    flips = turned[2][:, 0] == 13
    assert 60 < flips.sum() < 140
    expected = reverse_complement_batch(codes, targets, flips, stranded)
    np.testing.assert_array_equal(turned[0], expected[0])
    np.testing.assert_array_equal(turned[1], expected[1])
    alone = RandomReverseComplement(seed=1)(codes, training=True)  # the same seed tosses the same coins
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(alone), expected[0])


def test_a_layer_moves_sequence_targets_and_weights_by_one_draw() -> None:
    codes, targets = samples(200)
    weights = np.tile(np.arange(14, dtype=np.float32), (200, 1))
    moved = arrays(RandomShift(seed=1, window=WINDOW, jitter=FLANK, bin_size=BIN)((codes, targets, weights), training=True))
    shifts = shifts_of(moved[1])
    np.testing.assert_array_equal(moved[2][:, 0], shifts + 3)
    for row, sample, shift in zip(moved[0], codes, shifts, strict=True):
        np.testing.assert_array_equal(row, sample[12 + 4 * shift : 44 + 4 * shift])


LAYERS = {
    "turn": lambda seed: RandomReverseComplement(seed=seed),
    "shift": lambda seed: RandomShift(seed=seed, window=WINDOW, jitter=FLANK, bin_size=BIN),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_inference_draws_nothing(kind: str) -> None:
    codes, targets = samples(50)
    middle = (slice(None), slice(12, 44)), (slice(None), slice(3, 11))
    expected = (codes, targets) if kind == "turn" else (codes[middle[0]], targets[middle[1]])
    layer = LAYERS[kind](0)
    for given_, wanted in zip(arrays(layer((codes, targets))), expected, strict=True):
        np.testing.assert_array_equal(given_, wanted)
    first = arrays(layer((codes, targets), training=True))
    np.testing.assert_array_equal(first[1], arrays(LAYERS[kind](0)((codes, targets), training=True))[1])  # still the first draw


@pytest.mark.parametrize("kind", LAYERS)
def test_every_compiled_step_draws_anew(kind: str) -> None:
    """Draws made while a function is traced would be the same in each call."""
    import tensorflow as tf

    layer, batch = LAYERS[kind](0), samples(64)
    step = tf.function(lambda codes, targets: layer((codes, targets), training=True))
    seen = {arrays(step(*batch))[1].tobytes() for _ in range(6)}
    assert len(seen) == 6
    repeated = LAYERS[kind](0)
    again = {arrays(repeated(batch, training=True))[1].tobytes() for _ in range(6)}
    assert again == seen  # and the seed fixes them
    other = LAYERS[kind](5)
    assert not {arrays(other(batch, training=True))[1].tobytes() for _ in range(6)} & seen


@pytest.mark.parametrize("kind", LAYERS)
def test_every_epoch_of_a_pipeline_draws_anew(kind: str) -> None:
    import tensorflow as tf

    layer = LAYERS[kind](0)
    pipeline = tf.data.Dataset.from_tensor_slices(samples(64)).batch(16)
    pipeline = pipeline.map(lambda codes, targets: tuple(layer((codes, targets), training=True)))
    epochs = [np.concatenate([targets.numpy() for _, targets in pipeline]) for _ in range(2)]
    draws = [flips_of(epoch) if kind == "turn" else shifts_of(epoch) for epoch in epochs]
    assert (draws[0] != draws[1]).any()
    assert (draws[0][:16] != draws[0][16:32]).any()


def test_layers_work_inside_a_model(tmp_path: Path) -> None:
    codes, _ = samples(32)
    inputs = keras.Input((56,), dtype="uint8")
    x = RandomReverseComplement(seed=0)(RandomShift(seed=0, window=WINDOW, jitter=FLANK)(inputs))
    x = keras.layers.Rescaling(0.25)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile("sgd", "mse")
    model.fit(codes, np.zeros((32, 1)), epochs=2, verbose=0)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(model.predict(codes, verbose=0), codes[:, 12:44] / 4 @ kernel + bias, rtol=1e-4, atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(codes, verbose=0), model.predict(codes, verbose=0))


def test_layers_can_be_made_again_from_their_configuration() -> None:
    turn = RandomReverseComplement(seed=0, probability=0.25, stranded=[1, 0])
    again = RandomReverseComplement.from_config(turn.get_config())
    assert (again.seed, again.probability, again.stranded) == (0, 0.25, [1, 0])
    shift = RandomShift.from_config(RandomShift(seed=7, window=32, jitter=8, bin_size=4).get_config())
    assert (shift.seed, shift.window, shift.jitter, shift.bin_size) == (7, 32, 8, 4)


def test_jitter_0_gives_the_middle() -> None:
    codes, targets = samples(5)
    layer = RandomShift(seed=0, window=WINDOW, jitter=0, bin_size=BIN)
    np.testing.assert_array_equal(arrays(layer((codes, targets), training=True))[0], codes[:, 12:44])
    exact = RandomShift(seed=0, window=56, jitter=0)  # no flank at all
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(exact(codes, training=True)), codes)


@pytest.mark.parametrize("training", [False, True])
def test_a_jitter_beyond_the_flank_is_refused(training: bool) -> None:
    message = (
        "jitter is 16 bp, but samples of 56 bp have flanks of 12 bp beside a window of 32 bp: "
        "prepare samples of 64 bp, or choose a jitter up to 12 bp"
    )
    with pytest.raises(InputError, match=message) as caught:
        RandomShift(seed=0, window=WINDOW, jitter=16, bin_size=BIN)(samples(2), training=training)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomShift(seed=0, window=32, jitter=-4), "jitter is -4 bp: choose 0 or a multiple of the bin size, 1 bp"),
        (lambda: RandomShift(seed=0, window=32, jitter=6, bin_size=4), "jitter is 6 bp: choose 0 or a multiple of the bin size, 4 bp"),
        (lambda: RandomShift(seed=0, window=30, jitter=4, bin_size=4), "window is 30 bp and bin_size 4 bp: choose a bin size that divides"),
        (lambda: RandomShift(seed=-1, window=32, jitter=4), "seed is -1: choose 0 or more"),
        (lambda: RandomReverseComplement(seed=-1), "seed is -1: choose 0 or more"),
        (lambda: RandomReverseComplement(seed=0, probability=1.5), "probability is 1.5: choose a number from 0 to 1"),
        (lambda: RandomShift(seed=0, window=64, jitter=0)(samples(2)[0]), "samples are 56 bp wide and the window 64 bp: prepare"),
        (lambda: RandomShift(seed=0, window=31, jitter=0)(samples(2)[0]), "samples are 56 bp wide and the window 31 bp: prepare"),
        (
            lambda: RandomShift(seed=0, window=32, jitter=8, bin_size=8)((samples(2)[0], samples(2)[1][:, ::2])),
            "samples have 56 bp and 7 bins of 8 bp: prepare flanks of whole bins",
        ),
        (
            lambda: RandomShift(seed=0, window=32, jitter=4, bin_size=4)((samples(2)[0], samples(2)[1][:, 1:])),
            "samples have 56 bp and 13 bins of 4 bp: prepare flanks of whole bins, and targets as wide as the sequence",
        ),
        (
            lambda: shift_together(*samples(2), np.array([0, -4]), window=32, bin_size=4),
            "a shift is -4 bins, but flanks have 3: prepare wider samples, or shift less",
        ),
        (
            lambda: RandomReverseComplement(seed=0, stranded=[0, 2])(samples(2), training=True),
            r"stranded is \[0, 2\]: give for each of the 2 tracks its partner's number",
        ),
    ],
)  # fmt: skip
def test_impossible_arguments_are_named(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_flanking_gives_left_middle_and_right_with_one_label() -> None:
    regions = pd.DataFrame({"chrom": ["a", "b"], "start": [100, 50], "end": [140, 90], "label": [1, 0]}, index=[7, 7])
    table = flank_windows(regions, 20, {"a": 400, "b": 400})
    assert table.to_dict("list") == {
        "chrom": ["a", "a", "a", "b", "b", "b"],
        "start": [80, 100, 120, 30, 50, 70],
        "end": [120, 140, 160, 70, 90, 110],
        "label": [1, 1, 1, 0, 0, 0],
        "placement": ["left", "middle", "right"] * 2,
        "region": [0, 0, 0, 1, 1, 1],
    }
    assert list(table.index) == [0, 1, 2, 3, 4, 5]
    assert list(regions["start"]) == [100, 50]


def test_flanking_windows_stay_on_their_chromosome() -> None:
    regions = pd.DataFrame({"chrom": ["a", "a"], "start": [10, 340], "end": [50, 380]})
    table = flank_windows(regions, 20, {"a": 400})
    assert list(table["placement"]) == ["middle", "right", "left", "middle", "right"]
    assert filter_counts(table).to_dict("list") == {"step": ["inside their chromosome"], "kept": [5], "of": [6]}
    assert list(flank_windows(regions, 20, {"a": 399})["placement"]) == ["middle", "right", "left", "middle"]


@pytest.mark.parametrize(
    ("regions", "flank", "message"),
    [
        (pd.DataFrame({"chrom": ["a"], "start": [1], "end": [2]}), 0, "flank is 0 bp: choose 1 or more"),
        (pd.DataFrame({"chrom": ["a"], "begin": [1], "end": [2]}), 5, "regions have no column 'start', only chrom, begin, end"),
    ],
)
def test_impossible_flanking_is_named(regions: pd.DataFrame, flank: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        flank_windows(regions, flank, {"a": 400})
