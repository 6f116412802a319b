from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.train import models
from helpers.train.backend import keras

to_numpy = keras.ops.convert_to_numpy
FULLY_CONVOLUTIONAL = ("convolutional", "residual_dilated", "bpnet_like")
TINY: dict[str, dict[str, Any]] = {
    "convolutional": {"filters": 6, "pools": (4, 2, 2)},
    "residual_dilated": {"filters": 6, "pools": (4, 4)},
    "bpnet_like": {"filters": 4, "blocks": 2, "width": 7, "head_width": 5},
    "dense_head": {"filters": 6, "pools": (4, 2, 2)},
    "mlp": {"filters": (8, 6)},
}


def tiny(name: str, window: int = 128, bin_size: int = 16, tracks: int = 1, **options: Any) -> Any:
    """A model of few weights."""
    return models.model_named(name, window=window, bin_size=bin_size, tracks=tracks, **{**TINY[name], **options})


def randomise(model: Any, seed: int = 0) -> Any:
    """Draw all weights, those of the normalisation too, as training would move them."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        positive = weight.path.endswith(("variance", "gamma"))
        drawn = rng.normal(0, 1 if len(weight.shape) == 1 else (2 / np.prod(weight.shape[:-1])) ** 0.5, weight.shape)
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if positive else drawn * (0.3 if len(weight.shape) == 1 else 1))
    return model


def predicted(model: Any, codes: np.ndarray) -> np.ndarray:
    """Predictions of a model, without compiling it first."""
    return to_numpy(model(codes, training=False))


def codes_of(samples: int, window: int, highest: int = 4, seed: int = 0) -> np.ndarray:
    """Random codes, with some that are no base."""
    return np.random.default_rng(seed).integers(0, highest + 1, (samples, window)).astype(np.uint8)


@pytest.mark.parametrize("name", models.MODEL_NAMES)
@pytest.mark.parametrize(("window", "bin_size", "tracks"), [(128, 16, 1), (96, 32, 3), (64, 64, 2)])
def test_predictions_have_a_row_for_each_bin_and_a_column_for_each_track(
    name: str, window: int, bin_size: int, tracks: int
) -> None:
    model = tiny(name, window, bin_size, tracks)
    predictions = model(codes_of(2, window))
    assert model.name == name
    assert model.input.dtype == "uint8"
    assert not model.compiled
    assert tuple(predictions.shape) == (2, window // bin_size, tracks)
    assert keras.backend.standardize_dtype(predictions.dtype) == "float32"
    assert tuple(model.output.shape) == (None, window // bin_size, tracks)


def test_the_base_model_has_64_thousand_parameters() -> None:
    """By hand: two convolutions and three blocks without biases, four numbers a channel for each normalisation, one head."""
    by_hand = 4 * 19 * 48 + 48 * 7 * 64 + 3 * 64 * 3 * 64 + 4 * (48 + 64 + 3 * 64)
    base = models.residual_dilated(1024, 32, 1)
    assert base.count_params() == by_hand + 65 == 63_297
    assert models.residual_dilated(1024, 32, 6).count_params() == by_hand + 6 * 65 == 63_622
    assert models.residual_dilated(1024, 32, 1, dilated=False).count_params() == 63_297
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert [layer.momentum for layer in norms] == [0.9] * 5


def test_filters_and_blocks_set_the_size() -> None:
    small = models.residual_dilated(1024, 32, 1, filters=(16, 24), blocks=2)
    assert small.count_params() == 4 * 19 * 16 + 16 * 7 * 24 + 2 * 24 * 3 * 24 + 4 * (16 + 24 + 2 * 24) + 25
    one_for_all = models.residual_dilated(1024, 32, 1, filters=16)
    assert one_for_all.count_params() == models.residual_dilated(1024, 32, 1, filters=[16, 16]).count_params()
    assert models.mlp(32, 16, 1, filters=(8, 6)).count_params() == 128 * 8 + 8 * 6 + 4 * (8 + 6) + 7 * 2


def test_a_bottleneck_is_one_more_dense_layer() -> None:
    through, straight = tiny("dense_head", bottleneck=5), tiny("dense_head")
    assert through.count_params() - straight.count_params() == (48 * 5 + 4 * 5 + 6 * 8) - 49 * 8
    assert tuple(through(codes_of(2, 128)).shape) == (2, 8, 1)


def reached(position: int, window: int, pools: tuple[int, int], dilations: tuple[int, ...]) -> set[int]:
    """Positions of the trunk that a base can reach, followed through the layers of `residual_dilated` one by one."""
    here = {position}
    for width, pool in zip((19, 7), pools, strict=True):
        here = {there for p in here for there in range(p - width // 2, p + width // 2 + 1) if 0 <= there < window}
        here, window = {p // pool for p in here}, window // pool
    for rate in dilations:
        here = {there for p in here for there in (p - rate, p, p + rate) if 0 <= there < window}
    return here


@pytest.mark.parametrize(("dilated", "dilations", "width"), [(True, (2, 4, 8), 34), (False, (1, 1, 1), 12)])
def test_without_dilation_the_model_sees_less(dilated: bool, dilations: tuple[int, ...], width: int) -> None:
    """Change one base in many sequences: the bins that move are those that the layers' arithmetic allows, all of them and no other."""
    model = randomise(models.residual_dilated(512, 8, 1, filters=8, pools=(4, 2), dilated=dilated))
    codes = codes_of(256, 512, highest=3)
    changed = codes.copy()
    changed[:, 256] = 3 - changed[:, 256]
    moved = np.abs(predicted(model, changed) - predicted(model, codes)).max(axis=(0, 2)) > 1e-6
    expected = reached(256, 512, (4, 2), dilations)
    assert set(np.flatnonzero(moved)) == expected
    assert max(expected) - min(expected) + 1 == width


def test_bpnet_reaches_further_with_dilation() -> None:
    reach = []
    for dilated in (True, False):
        options = {"filters": 16, "width": 5, "head_width": 3, "blocks": 4, "dilated": dilated}
        model = randomise(models.bpnet_like(256, 1, 1, activation="relu", output="linear", **options))
        codes = codes_of(256, 256, highest=3)
        changed = codes.copy()
        changed[:, 128] = 3 - changed[:, 128]
        moved = np.abs(predicted(model, changed) - predicted(model, codes)).max(axis=(0, 2)) > 1e-6
        reach.append((128 - np.flatnonzero(moved).min(), np.flatnonzero(moved).max() - 128))
    assert reach == [(2 + 2 + 4 + 8 + 16 + 1,) * 2, (2 + 4 + 1,) * 2]


@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_convolution_moves_with_the_sequence_and_dense_layers_do_not(name: str) -> None:
    """Two windows of one sequence, two bins apart: away from the edges a fully convolutional model says the same about the same bases."""
    options = {"blocks": 1} if name in ("residual_dilated", "bpnet_like") else {}
    model = randomise(tiny(name, 512, 16, output="linear", **options))
    codes = codes_of(4, 512 + 32)
    left, right = predicted(model, codes[:, :512]), predicted(model, codes[:, 32:])
    same = left[:, 10:-8], right[:, 8:-10]
    assert same[0].std() > 0.01
    if name in FULLY_CONVOLUTIONAL:
        np.testing.assert_allclose(*same, rtol=1e-4, atol=1e-5)
    else:
        assert np.abs(same[0] - same[1]).mean() > 0.1 * same[0].std()


@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_the_first_activation_is_chosen_and_the_others_are_relu(name: str) -> None:
    for chosen in ("exponential", "relu"):
        model = tiny(name, activation=chosen)
        used = [layer.activation.__name__ for layer in model.layers if isinstance(layer, keras.layers.Activation)]
        assert used[0] == chosen
        assert used[-1] == "softplus"
        assert set(used[1:-1]) <= {"relu"}
    with_default = tiny(name).get_layer("first_activation").activation.__name__
    assert with_default == ("relu" if name == "mlp" else "exponential")


@pytest.mark.parametrize(("output", "low", "high"), [("softplus", 0, np.inf), ("sigmoid", 0, 1), ("linear", -np.inf, np.inf)])
@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_outputs_keep_their_range(name: str, output: str, low: float, high: float) -> None:
    predictions = predicted(randomise(tiny(name, tracks=3, output=output)), codes_of(64, 128))
    assert ((predictions > low) & (predictions < high)).all()
    if output == "linear":
        assert predictions.min() < 0


@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_heads_per_task_are_independent(name: str) -> None:
    model = randomise(tiny(name, tracks=3, heads="per task"))
    codes = codes_of(8, 128)
    before = predicted(model, codes)
    own = [weight for layer in model.layers if layer.name.startswith("head_1_") for weight in layer.weights]
    assert len(own) == 7  # kernel, four of the normalisation, kernel and bias
    for weight in own:
        weight.assign(weight + 0.1)
    moved = np.abs(predicted(model, codes) - before).max(axis=(0, 1))
    assert (moved > 1e-3).tolist() == [False, True, False]
    assert moved[[0, 2]].tolist() == [0, 0]


def test_the_gradient_of_one_track_stays_out_of_the_heads_of_others() -> None:
    import tensorflow as tf

    touched = {}
    for heads in ("shared", "per task"):
        model = randomise(tiny("residual_dilated", tracks=2, heads=heads))
        with tf.GradientTape() as tape:
            first_track = keras.ops.sum(model(codes_of(8, 128), training=True)[..., 0])
        gradients = tape.gradient(first_track, model.trainable_variables, unconnected_gradients="zero")
        touched[heads] = {
            weight.path.split("/")[0]
            for weight, gradient in zip(model.trainable_variables, gradients, strict=True)
            if np.abs(to_numpy(gradient)).max() > 1e-6
        }
    assert {"first_conv", "block_3_conv", "head_linear"} <= touched["shared"]
    assert {"first_conv", "block_3_conv", "head_0_conv", "head_0_linear"} <= touched["per task"]
    assert not {part for part in touched["per task"] if part.startswith("head_1")}


@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_a_saved_model_predicts_the_same(name: str, tmp_path: Path) -> None:
    model = randomise(tiny(name, tracks=2, heads="per task", dropout=0.2, initial_rate=[1.0, 2.0]))
    codes = codes_of(4, 128)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")  # refuses Python code in the file
    np.testing.assert_array_equal(predicted(again, codes), predicted(model, codes))
    assert again.name == name


def test_unknown_bases_carry_nothing() -> None:
    """All unknown: only biases are left, so the middle of a long window is flat; and any code above 3 means the same."""
    model = randomise(tiny("convolutional", 512, 16))
    unknown = predicted(model, np.full((1, 512), 4, np.uint8))[0, 8:-8]
    np.testing.assert_allclose(unknown, np.broadcast_to(unknown[:1], unknown.shape), rtol=1e-5)
    codes = codes_of(2, 512)
    other = np.where(codes == 4, 77, codes).astype(np.uint8)
    np.testing.assert_array_equal(predicted(model, codes), predicted(model, other))


def test_a_model_can_be_entered_at_its_one_hot_rows() -> None:
    """What attribution needs: predictions as a function of the one-hot input."""
    model = randomise(tiny("residual_dilated"))
    inner = keras.Model(model.get_layer("one_hot").output, model.output)
    codes = codes_of(3, 128)
    rows = np.eye(5, dtype=np.float32)[codes][..., :4]
    np.testing.assert_allclose(predicted(inner, rows), predicted(model, codes), rtol=1e-6)


@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_a_new_model_predicts_about_the_initial_rate(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = tiny(name, tracks=2, initial_rate=[5.0, 50.0])
    means = predicted(model, codes_of(16, 128)).mean(axis=(0, 1))
    np.testing.assert_allclose(means, [5, 50], atol=1.5)


@pytest.mark.parametrize("name", models.MODEL_NAMES)
def test_training_lowers_the_loss(name: str) -> None:
    """Rate of each bin: how many GG it holds."""
    keras.utils.set_random_seed(1)
    codes = codes_of(256, 128, highest=3)
    pairs = np.pad((codes[:, 1:] == 2) & (codes[:, :-1] == 2), ((0, 0), (0, 1)))
    rates = pairs.reshape(256, 8, 16).sum(axis=2, keepdims=True).astype(np.float32)
    model = tiny(name, initial_rate=float(rates.mean()))
    model.compile(keras.optimizers.Adam(3e-3), "mse")
    losses = model.fit(codes, rates, epochs=6, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert losses[-1] < 0.95 * rates.var()


IMPOSSIBLE: list[tuple[str, dict[str, Any], str]] = [
    ("residual_dilated", {"bin_size": 24}, "window is 128 bp and bin_size 24 bp: choose a bin size that divides the window"),
    ("residual_dilated", {"bin_size": 0}, "bin_size is 0: choose 1 or more"),
    ("residual_dilated", {"window": -128}, "window is -128: choose 1 or more"),
    ("mlp", {"tracks": 0}, "tracks is 0: choose 1 or more"),
    (
        "residual_dilated",
        {"bin_size": 8},
        r"bin_size is 8 bp, but pools=\(4, 4\) leave one position each 16 bp: choose a multiple of 16 bp, or smaller pools whose product divides 8",
    ),
    ("convolutional", {"window": 96, "bin_size": 24}, r"bin_size is 24 bp, but pools=\(4, 2, 2\) leave one position each 16 bp"),
    (
        "dense_head",
        {"window": 120, "bin_size": 8},
        r"window is 120 bp: choose a multiple of 16 bp, the product of pools=\(4, 2, 2\)",
    ),
    ("mlp", {"activation": "tanh"}, "activation is 'tanh': choose 'exponential' or 'relu'"),
    ("bpnet_like", {"output": "exp"}, "output is 'exp': choose 'softplus' or 'linear' or 'sigmoid'"),
    ("dense_head", {"heads": "separate"}, "heads is 'separate': choose 'shared' or 'per task'"),
    ("convolutional", {"dropout": 1.0}, "dropout is 1.0: it is a share from 0 to below 1"),
    ("convolutional", {"dropout": -0.1}, "dropout is -0.1"),
    ("residual_dilated", {"blocks": -1}, "blocks is -1: choose 0 or more"),
    ("bpnet_like", {"blocks": -2}, "blocks is -2: choose 0 or more"),
    (
        "residual_dilated",
        {"filters": (8, 8, 8)},
        r"filters is \(8, 8, 8\): give one number, 1 or more, or 2 of them, one for each layer",
    ),
    ("residual_dilated", {"filters": (8, 0)}, r"filters is \(8, 0\): give one number, 1 or more"),
    ("convolutional", {"pools": (4, 4)}, r"pools is \(4, 4\): give one number, 1 or more, or 3 of them"),
    ("dense_head", {"bottleneck": 0}, "bottleneck is 0: give one number, 1 or more"),
    ("mlp", {"filters": 0}, "filters is 0: give one number, 1 or more"),
    ("mlp", {"filters": ()}, r"filters is \(\): give one number, 1 or more"),
    ("convolutional", {"initial_rate": -1.0}, "initial_rate is -1.0: a softplus output lies between 0 and inf"),
    (
        "residual_dilated",
        {"filter": 8},
        "model 'residual_dilated' has no option 'filter': it has window, bin_size, tracks, filters",
    ),
]


@pytest.mark.parametrize(("name", "options", "message"), IMPOSSIBLE, ids=[f"{n}-{next(iter(o))}" for n, o, _ in IMPOSSIBLE])
def test_impossible_options_are_named(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(name, **options)


def test_models_are_found_by_name() -> None:
    assert models.MODEL_NAMES == ("convolutional", "residual_dilated", "bpnet_like", "dense_head", "mlp")
    with pytest.raises(InputError, match="model 'bpnet' does not exist: choose bpnet_like"):
        models.model_named("bpnet", window=64, bin_size=16, tracks=1)
    with pytest.raises(InputError, match="model 'xyz' does not exist: choose convolutional, residual_dilated"):
        models.model_named("xyz")
    with pytest.raises(InputError, match="model 'mlp' needs bin_size: give bin_size="):
        models.model_named("mlp", window=64, tracks=1)


ON_JAX = """
import json
import sys
from pathlib import Path
import numpy as np
from helpers.train import augmentation, models
from helpers.train.backend import keras

assert keras.backend.backend() == "jax"
folder = Path(sys.argv[1])
codes, pads = np.load(folder / "codes.npy"), np.load(folder / "wide.npy")
options = json.loads((folder / "options.json").read_text())
for name in models.MODEL_NAMES:
    model = models.model_named(name, **options[name])
    model.load_weights(folder / f"{name}.keras")
    np.save(folder / f"{name}.npy", model.predict(codes, verbose=0))
targets = np.arange(4 * 12, dtype=np.float32).reshape(4, 12, 1)
shift = augmentation.RandomShift(seed=0, window=128, jitter=32, bin_size=16)
turn = augmentation.RandomReverseComplement(seed=0)
draws = [[np.asarray(x) for x in turn(shift((pads, targets), training=True), training=True)] for _ in range(6)]
assert all(c.shape == (4, 128) and t.shape == (4, 8, 1) for c, t in draws)
assert len({t[:, 0, 0].tobytes() for _, t in draws}) > 1
np.testing.assert_array_equal(np.asarray(shift(pads)), pads[:, 32:-32])
assert keras.saving.load_model(folder / "mlp.keras").name == "mlp"
print("done")
"""


def test_the_same_weights_predict_the_same_on_jax(tmp_path: Path) -> None:
    """Models saved here are read in a process whose backend is JAX; augmentation works there too."""
    codes = codes_of(4, 128)
    np.save(tmp_path / "codes.npy", codes)
    np.save(tmp_path / "wide.npy", codes_of(4, 192))
    options = {name: {"window": 128, "bin_size": 16, "tracks": 2, **TINY[name]} for name in models.MODEL_NAMES}
    (tmp_path / "options.json").write_text(json.dumps(options))
    expected = {}
    for name in models.MODEL_NAMES:
        model = randomise(models.model_named(name, **options[name]))
        model.save(tmp_path / f"{name}.keras")
        expected[name] = predicted(model, codes)
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    ran = subprocess.run(
        [sys.executable, "-c", ON_JAX, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "done\n"
    for name, predictions in expected.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), predictions, rtol=1e-3, atol=1e-5)
