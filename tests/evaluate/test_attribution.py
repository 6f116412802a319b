from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate.attribution import (
    base_scores,
    gradient_times_input,
    in_silico_mutagenesis,
    integrated_gradients,
    mutagenesis_scores,
    saliency,
    simplex_correction,
)
from helpers.evaluate.readout import mean_signal
from helpers.evaluate.shuffling import dinucleotide_shuffle, random_background
from helpers.files.sequence import encode, one_hot
from helpers.train.backend import keras
from helpers.train.layers import OneHot
from helpers.train.models import residual_dilated
from helpers.train.predicting import predictor

WINDOW = 8
WEIGHTS = np.random.default_rng(0).normal(size=(WINDOW, 4)).astype(np.float32)
CODES = np.stack([encode("ACGTACGT"), encode("TTGCNAAC")])


def additive(codes: np.ndarray) -> np.ndarray:
    """Two bins and two tracks: the sum of a weight for each base, and ten times that; in the second bin 1 more."""
    signal = (one_hot(codes) * WEIGHTS).sum(axis=(1, 2))
    return np.stack([signal, signal + 1], axis=1)[:, :, None] * np.array([1.0, 10.0])


def model_of(build: Any, window: int = WINDOW) -> Any:
    """A Keras model from codes to what `build` makes of one-hot rows."""
    codes = keras.Input((window,), dtype="uint8", name="codes")
    return keras.Model(codes, build(OneHot(name="one_hot")(codes)), name="toy")


def linear(activation: str = "linear") -> Any:
    """Keras model of two bins: the sum of a weight for each base, and that with the second track 10 times as large."""
    model = model_of(
        lambda rows: keras.layers.Reshape((2, 2))(
            keras.layers.Dense(4, activation=activation, name="dense")(keras.layers.Flatten()(rows))
        )
    )
    column = WEIGHTS.reshape(-1, 1) / 8
    model.get_layer("dense").set_weights([np.hstack([column, 10 * column] * 2), np.array([0, 0, 1, 10], np.float32)])
    return model


def never(windows: np.ndarray) -> np.ndarray:
    raise AssertionError(f"asked for {windows.shape}")


def test_mutagenesis_of_an_additive_model_is_its_weights() -> None:
    found = in_silico_mutagenesis(additive, CODES, track=0)
    assert found.shape == (2, WINDOW, 4)
    assert found.dtype == np.float64
    for changes, sequence in zip(found, CODES, strict=True):
        for place, base in enumerate(sequence):
            expected = WEIGHTS[place] - WEIGHTS[place, base] if base < 4 else np.zeros(4)
            np.testing.assert_allclose(changes[place], expected, atol=1e-6)
            if base < 4:
                assert changes[place, base] == 0
    np.testing.assert_allclose(in_silico_mutagenesis(additive, CODES, track=1, bins=slice(1, 2)), 10 * found, atol=1e-5)


def test_mutagenesis_on_the_log_scale() -> None:
    found = in_silico_mutagenesis(lambda codes: np.exp(additive(codes)), CODES, track=0, bins=slice(0, 1), log=True)
    np.testing.assert_allclose(found, in_silico_mutagenesis(additive, CODES, track=0), atol=1e-5)


def test_a_window_is_one_call_unless_said_otherwise() -> None:
    calls: list[int] = []

    def model(codes: np.ndarray) -> np.ndarray:
        assert codes.dtype == np.uint8
        calls.append(len(codes))
        return codes[:, None, :1].astype(np.float32)

    codes = random_background(2, 2048, 0)
    whole = in_silico_mutagenesis(model, codes)
    assert calls == [2, 6144, 6144]
    calls.clear()
    np.testing.assert_array_equal(in_silico_mutagenesis(model, codes[:1], windows_at_once=4000), whole[:1])
    assert calls == [1, 4000, 2144]
    calls.clear()
    assert not in_silico_mutagenesis(model, encode("NNNN")[None]).any()
    assert calls == [1]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 9), st.integers(1, 40))
def test_mutagenesis_is_that_of_a_slow_loop(seed: int, sequences: int, length: int, at_once: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, (sequences, length)).astype(np.uint8)
    pairs = rng.normal(size=(length, 5, 5))

    def model(windows: np.ndarray) -> np.ndarray:
        return pairs[np.arange(length), windows, np.roll(windows, 1, axis=1)].sum(axis=1)[:, None, None]

    found = in_silico_mutagenesis(model, codes, windows_at_once=at_once)
    for row in range(sequences):
        for place in range(length):
            for base in range(4):
                mutant = codes[row].copy()
                mutant[place] = base if codes[row, place] < 4 else 4
                expected = (model(mutant[None]) - model(codes[row][None]))[0, 0, 0]
                assert found[row, place, base] == pytest.approx(expected, abs=1e-12)


def test_mutagenesis_scores_are_what_is_lost() -> None:
    changes = np.array([[[0, -3, -6, 0], [0, 1, 2, 3]]], float)
    assert mutagenesis_scores(changes).tolist() == [[3, -2]]


def test_gradients_of_a_linear_model_are_its_weights() -> None:
    model = linear()
    plain = saliency(model, CODES, track=0, corrected=False)
    np.testing.assert_allclose(plain, np.stack([WEIGHTS, WEIGHTS]) / 8, rtol=1e-5)
    assert plain.dtype == np.float32
    centred = (WEIGHTS - WEIGHTS.mean(axis=1, keepdims=True)) / 8
    np.testing.assert_allclose(saliency(model, CODES, track=0), np.stack([centred, centred]), atol=1e-6)
    np.testing.assert_allclose(saliency(model, CODES), 5.5 * np.stack([centred, centred]), atol=1e-5)
    np.testing.assert_allclose(saliency(model, CODES, track=1, bins=slice(1, 2), batch_size=1)[1], 10 * centred, atol=1e-5)
    times = gradient_times_input(model, CODES, track=0, corrected=False)
    np.testing.assert_allclose(times, one_hot(CODES) * WEIGHTS / 8, rtol=1e-5)
    np.testing.assert_allclose(
        base_scores(gradient_times_input(model, CODES, track=0), CODES), base_scores(saliency(model, CODES, track=0), CODES)
    )
    way = integrated_gradients(model, CODES, track=0, steps=1)
    np.testing.assert_allclose(way, one_hot(CODES) * WEIGHTS / 8, rtol=1e-5)


def test_the_gradient_of_a_logarithm_is_relative() -> None:
    model = linear("exponential")
    inside = (one_hot(CODES) * WEIGHTS).sum(axis=(1, 2)) / 8
    bins = slice(0, 1)
    plain = saliency(model, CODES, track=0, bins=bins, corrected=False)
    np.testing.assert_allclose(plain, np.exp(inside)[:, None, None] * WEIGHTS / 8, rtol=1e-4)
    relative = saliency(model, CODES, track=0, bins=bins, log=True, corrected=False)
    np.testing.assert_allclose(relative, np.stack([WEIGHTS, WEIGHTS]) / 8, rtol=1e-4)
    with pytest.raises(InputError, match=r"predicted signal goes down to -[0-9.]+: a logarithm takes more than 0"):
        saliency(model_of(lambda rows: -keras.layers.Dense(1, kernel_initializer="ones")(rows)), CODES, log=True)


def shaken(window: int = 64) -> Any:
    """A model of the course with weights and statistics of normalisation that are not those of the start."""
    keras.utils.set_random_seed(3)
    model = residual_dilated(window=window, bin_size=16, tracks=2, filters=8, pools=(4, 4), activation="exponential")
    rng = np.random.default_rng(1)
    model.set_weights([weight + rng.uniform(0, 0.05, weight.shape) for weight in model.get_weights()])
    return model


def test_gradients_of_a_course_model_are_those_of_finite_differences() -> None:
    model, codes = shaken(), random_background(2, 64, 0)
    found = saliency(model, codes, track=1, bins=slice(1, 3), corrected=False)
    after = keras.Model(model.get_layer("one_hot").output, model.output)
    rows = one_hot(codes)
    np.testing.assert_allclose(after.predict(rows, verbose=0), predictor(model)(codes), rtol=1e-4)
    for place, base in ((5, 0), (31, 2), (40, 3)):
        sides = []
        for sign in (1, -1):
            moved = rows.copy()
            moved[:, place, base] += sign * 0.02
            sides.append(after.predict(moved, verbose=0)[:, 1:3, 1].mean(axis=1))
        np.testing.assert_allclose(found[:, place, base], (sides[0] - sides[1]) / 0.04, rtol=0.05, atol=1e-4)


@pytest.mark.parametrize("log", [False, True])
def test_integrated_gradients_are_complete(log: bool) -> None:
    model = shaken()
    predict = predictor(model)
    codes = random_background(3, 64, 1)
    codes[0, :5] = 4
    signal = mean_signal(predict, codes, track=0, log=log)
    found = integrated_gradients(model, codes, track=0, log=log, steps=60)
    unknown = mean_signal(predict, np.full((1, 64), 4, np.uint8), track=0, log=log)
    np.testing.assert_allclose(found.sum(axis=(1, 2)), signal - unknown, rtol=0.02, atol=1e-3)
    assert not found[one_hot(codes) == 0].any()
    background = dinucleotide_shuffle(codes, 0)
    between = integrated_gradients(model, codes, baseline=one_hot(background), track=0, log=log, steps=60, batch_size=37)
    difference = signal - mean_signal(predict, background, track=0, log=log)
    np.testing.assert_allclose(between.sum(axis=(1, 2)), difference, rtol=0.02, atol=1e-3)
    assert not between[one_hot(codes) == one_hot(background)].any()


def test_integrated_gradients_of_a_square_take_the_middle_of_each_step() -> None:
    model = model_of(lambda rows: keras.ops.sum(rows, axis=(1, 2), keepdims=True) ** 2)
    codes = encode("ACGTACGT")[None]
    # along t the sum is 8 t: the derivative by each base is 16 t, whose mean over the way is 8
    np.testing.assert_allclose(integrated_gradients(model, codes, steps=3), 8 * one_hot(codes), rtol=1e-5)
    uniform = integrated_gradients(model, codes, baseline=np.full((1, 1, 4), 0.25), steps=2)
    np.testing.assert_allclose(uniform, 16 * (one_hot(codes) - 0.25), rtol=1e-5)


def test_correction_and_choice_of_bases() -> None:
    gradients_of = np.array([[[1, 2, 3, 6], [0, 0, 0, 4]]], float)
    assert simplex_correction(gradients_of).tolist() == [[[-2, -1, 0, 3], [-1, -1, -1, 3]]]
    assert base_scores(gradients_of, encode("GN")[None]).tolist() == [[3, 0]]
    assert base_scores(gradients_of, encode("TA")[None]).tolist() == [[6, 0]]


def test_a_model_that_does_not_look_has_no_gradient() -> None:
    model = model_of(lambda rows: keras.ops.zeros_like(rows) + 1.0)
    assert not saliency(model, CODES).any()


def test_shapes_and_models_that_do_not_fit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = linear()
    codes = keras.Input((WINDOW,), dtype="uint8")
    bare = keras.Model(codes, OneHot(name="other")(codes), name="bare")
    flat = model_of(lambda rows: keras.layers.Flatten()(rows))
    for call, message in [
        (lambda: in_silico_mutagenesis(never, CODES[0]), r"codes are uint8 of shape \(8,\)"),
        (lambda: in_silico_mutagenesis(never, CODES[:0]), "codes are empty"),
        (lambda: in_silico_mutagenesis(never, CODES, windows_at_once=0), "windows_at_once is 0: choose 1 or more"),
        (lambda: in_silico_mutagenesis(additive, CODES, track=2), "track is 2, but predictions have 2"),
        (lambda: in_silico_mutagenesis(lambda x: additive(x)[0], CODES), "predict gave shape"),
        (lambda: mutagenesis_scores(np.zeros((2, 8))), r"changes have shape \(2, 8\): give \(sequences, length, 4\)"),
        (lambda: simplex_correction(np.zeros((2, 8, 5))), r"gradients have shape \(2, 8, 5\)"),
        (lambda: base_scores(np.zeros((2, 7, 4)), CODES), r"attributions have shape \(2, 7, 4\) and codes \(2, 8\)"),
        (lambda: saliency(bare, CODES), "model 'bare' has no layer 'one_hot'"),
        (lambda: saliency(flat, CODES), r"model 'toy' gives shape \(None, 32\)"),
        (lambda: saliency(model, CODES[:, :7]), "codes have 7 bp, but model 'toy' reads windows of 8: cut them to that"),
        (lambda: saliency(model, CODES, track=2), "track is 2, but predictions have 2"),
        (lambda: saliency(model, CODES, bins=slice(2, 3)), r"bins are slice\(2, 3, None\), which is none of the 2"),
        (lambda: saliency(model, CODES, batch_size=0), "batch_size is 0"),
        (lambda: integrated_gradients(model, CODES, steps=0), "steps is 0: choose 1 or more"),
        (lambda: integrated_gradients(model, CODES, batch_size=0), "batch_size is 0"),
        (lambda: integrated_gradients(model, CODES, baseline=np.zeros((7, 4))), r"baseline has shape \(7, 4\): .* \(2, 8, 4\)"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(InputError, match="the Keras backend is 'torch': gradients are taken under 'tensorflow' or 'jax'"):
        saliency(model, CODES)


ON_JAX = """
import sys
import numpy as np
from helpers.evaluate.attribution import integrated_gradients, saliency
from helpers.train.backend import keras
import helpers.train.layers
folder = sys.argv[1]
model = keras.saving.load_model(folder + "/model.keras")
codes = np.load(folder + "/codes.npy")
assert keras.backend.backend() == "jax"
np.save(folder + "/saliency.npy", saliency(model, codes, track=1, log=True))
np.save(folder + "/integrated.npy", integrated_gradients(model, codes, track=1, steps=4))
"""


def test_jax_gives_the_same_gradients(tmp_path: Path) -> None:
    keras.utils.set_random_seed(4)
    model = model_of(lambda rows: keras.layers.Conv1D(2, 5, strides=8, activation="softplus")(rows), 64)
    codes = random_background(2, 64, 2)
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "codes.npy", codes)
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
    expected = saliency(model, codes, track=1, log=True)
    np.testing.assert_allclose(np.load(tmp_path / "saliency.npy"), expected, rtol=1e-2, atol=1e-4 * np.abs(expected).max())
    expected = integrated_gradients(model, codes, track=1, steps=4)
    np.testing.assert_allclose(np.load(tmp_path / "integrated.npy"), expected, rtol=1e-2, atol=1e-4 * np.abs(expected).max())
