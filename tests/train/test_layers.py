from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.train import layers, models, sizes
from helpers.train.backend import keras

to_numpy = keras.ops.convert_to_numpy


def randomise(model: Any, seed: int = 0) -> Any:
    """Give a model weights that nothing has scaled: variances and normalisation scales are positive, all else is drawn around 0."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        drawn = rng.normal(0, 0.3, weight.shape)
        positive = weight.path.endswith(("variance", "gamma"))
        weight.assign(np.abs(drawn) + 0.5 if positive else drawn)
    return model


def block_model(shape: tuple[int, int], block: Any, **options: Any) -> Any:
    """A model that is one block."""
    x = keras.Input(shape)
    return randomise(keras.Model(x, block(x, name="first", **options)))


def predicted(model: Any, x: np.ndarray) -> np.ndarray:
    """Predictions of a model, without compiling it first."""
    return to_numpy(model(x, training=False))


def slow_conv(x: np.ndarray, kernel: np.ndarray, dilation: int = 1) -> np.ndarray:
    """Convolution with zero padding, position by position: x (length, channels), kernel (width, channels, filters)."""
    width = len(kernel)
    out = np.zeros((len(x), kernel.shape[2]))
    for position in range(len(x)):
        for k in range(width):
            source = position + (k - (width - 1) // 2) * dilation
            if 0 <= source < len(x):
                out[position] += x[source] @ kernel[k]
    return out


def slow_norm(x: np.ndarray, layer: Any) -> np.ndarray:
    """Batch normalisation as at inference, from its weights."""
    gamma, beta, mean, variance = layer.get_weights()
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def test_one_hot_rows_are_in_the_order_a_c_g_t() -> None:
    rows = to_numpy(layers.OneHot()(np.array([[0, 1, 2, 3], [4, 3, 5, 255]], np.uint8)))
    expected = [[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], [[0] * 4, [0, 0, 0, 1], [0] * 4, [0] * 4]]
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.int64])
def test_one_hot_takes_any_whole_numbers(dtype: type) -> None:
    rows = to_numpy(layers.OneHot()(np.array([[-1, 3, 0]], dtype)))
    np.testing.assert_array_equal(rows, [[[0, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 0]]])


def test_a_conv_block_is_convolution_normalisation_activation_and_then_pooling() -> None:
    model = block_model((12, 3), layers.conv_block, filters=5, width=3, pool=4, activation="exponential", dropout=0.0)
    x = np.random.default_rng(1).normal(size=(2, 12, 3)).astype(np.float32)
    kernel = model.get_layer("first_conv").get_weights()[0]
    expected = [
        np.exp(slow_norm(slow_conv(row, kernel), model.get_layer("first_norm"))).reshape(3, 4, 5).max(axis=1) for row in x
    ]
    np.testing.assert_allclose(predicted(model, x), expected, rtol=1e-4)


@pytest.mark.parametrize("dilation", [1, 4])
def test_a_residual_block_adds_a_dilated_convolution(dilation: int) -> None:
    model = block_model((12, 3), layers.residual_block, dilation=dilation, dropout=0.0)
    x = np.random.default_rng(1).normal(size=(2, 12, 3)).astype(np.float32)
    kernel = model.get_layer("first_conv").get_weights()[0]
    expected = [row + slow_norm(slow_conv(np.maximum(row, 0), kernel, dilation), model.get_layer("first_norm")) for row in x]
    np.testing.assert_allclose(predicted(model, x), expected, rtol=1e-4, atol=1e-5)


def test_a_plain_residual_block_adds_the_relu_of_a_dilated_convolution() -> None:
    model = block_model((12, 3), layers.plain_residual_block, dilation=2, dropout=0.0)
    x = np.random.default_rng(1).normal(size=(2, 12, 3)).astype(np.float32)
    kernel, bias = model.get_layer("first_conv").get_weights()
    expected = [row + np.maximum(slow_conv(row, kernel, 2) + bias, 0) for row in x]
    np.testing.assert_allclose(predicted(model, x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("block", [layers.residual_block, layers.plain_residual_block])
def test_dropout_acts_in_training_only(block: Any) -> None:
    model = block_model((40, 8), block, dilation=1, dropout=0.5)
    x = np.random.default_rng(1).normal(size=(1, 40, 8)).astype(np.float32)
    twice = [to_numpy(model(x, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    assert (to_numpy(model(x, training=True)) != to_numpy(model(x, training=True))).any()


def test_an_exponential_stays_finite_whatever_the_weights_are() -> None:
    """Kernels a thousand times too large: exp of their sums overflows, exp of their standardised sums is about 1."""
    codes = np.random.default_rng(0).integers(0, 4, (32, 64)).astype(np.uint8)
    inputs, x = layers.codes_input(64)
    model = keras.Model(inputs, layers.conv_block(x, 8, 19, pool=8, activation="exponential", dropout=0.0, name="first"))
    conv = model.get_layer("first_conv")
    conv.kernel.assign(1000 * conv.kernel)
    with np.errstate(over="ignore"):
        raw = np.exp(to_numpy(conv(layers.OneHot()(codes))))
    values = to_numpy(model(codes, training=True))
    assert np.isinf(raw).any()
    assert np.isfinite(values).all()
    assert 0.5 < np.median(values) < 2


def test_bins_are_means_of_neighbouring_positions() -> None:
    x = np.array([[[1, 10], [3, 20], [5, 30], [8, 40]]], np.float32)
    np.testing.assert_array_equal(layers.to_bins(x, 2), [[[2, 15], [6.5, 35]]])
    assert layers.to_bins(x, 1) is x


@given(rate=st.floats(1e-6, 1e4))
@settings(deadline=None)
def test_the_starting_bias_undoes_the_output(rate: float) -> None:
    bias = sizes.starting_bias("softplus", rate, 2)
    np.testing.assert_allclose(np.logaddexp(0, bias), [rate, rate], rtol=1e-6)
    share = rate / (1 + rate)
    np.testing.assert_allclose(1 / (1 + np.exp(-sizes.starting_bias("sigmoid", share, 1))), [share], rtol=1e-6)
    assert sizes.starting_bias("linear", -rate, 1).tolist() == [-rate]


def test_the_starting_bias_is_per_track_or_zero() -> None:
    np.testing.assert_allclose(sizes.starting_bias("softplus", [np.log(2), np.log(4)], 2), [0, np.log(3)], atol=1e-12)
    assert sizes.starting_bias("softplus", None, 3).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("output", "rate", "message"),
    [
        ("softplus", 0.0, "initial_rate is 0.0: a softplus output lies between 0 and inf, ends excluded"),
        ("softplus", [1.0, -2.0], r"initial_rate is \[1.0, -2.0\]: a softplus"),
        ("softplus", float("nan"), "initial_rate is nan"),
        ("sigmoid", 1.0, "initial_rate is 1.0: a sigmoid output lies between 0 and 1"),
        ("linear", float("inf"), "initial_rate is inf: a linear output"),
        ("softplus", [1.0, 2.0, 3.0], "initial_rate has 3 values: give one number, or one for each of the 2 tracks"),
    ],
)
def test_impossible_rates_are_named(output: str, rate: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sizes.starting_bias(output, rate, 2)


def test_a_shared_head_is_a_linear_layer() -> None:
    model = block_model((6, 3), lambda x, name: layers.heads(x, 2, output="softplus", kind="shared", width=3))  # noqa: ARG005
    x = np.random.default_rng(1).normal(size=(1, 6, 3)).astype(np.float32)
    kernel, bias = model.get_layer("head_linear").get_weights()
    np.testing.assert_allclose(predicted(model, x)[0], np.logaddexp(0, slow_conv(x[0], kernel) + bias), rtol=1e-4)


@pytest.fixture(scope="module")
def small() -> Any:
    return randomise(models.residual_dilated(64, 16, 2, filters=6, pools=(4, 4), blocks=1))


def test_the_first_layer_speaks_about_every_base(small: Any) -> None:
    codes = np.random.default_rng(0).integers(0, 5, (3, 64)).astype(np.uint8)
    first = layers.first_layer(small)
    one_hot = np.eye(5)[codes][..., :4]
    kernel = small.get_layer("first_conv").get_weights()[0]
    expected = [np.exp(slow_norm(slow_conv(row, kernel), small.get_layer("first_norm"))) for row in one_hot]
    values = predicted(first, codes)
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    before = predicted(layers.first_layer(small, activated=False), codes)
    np.testing.assert_allclose(before, np.log(expected), rtol=1e-4, atol=1e-4)
    pooled = predicted(keras.Model(small.input, small.get_layer("first_activation").output), codes)
    np.testing.assert_allclose(values.reshape(3, 16, 4, 6).max(axis=2), pooled, rtol=1e-5)


def test_looking_at_the_first_layer_leaves_the_model_as_it_was(small: Any, tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 5, (3, 64)).astype(np.uint8)
    before = predicted(small, codes)
    layers.first_layer(small)
    small.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(predicted(keras.saving.load_model(tmp_path / "model.keras"), codes), before)


def test_a_model_without_convolution_has_no_first_layer_to_show() -> None:
    with pytest.raises(InputError, match="model 'mlp' has no first_conv layer: give one whose first layer is a convolution"):
        layers.first_layer(models.mlp(32, 16, 1, filters=4))
