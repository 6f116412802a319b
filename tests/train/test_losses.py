from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_oracles import CASES, example, holes, poisson_oracle
from scipy.stats import pearsonr

from helpers.errors import InputError
from helpers.evaluate.metrics import poisson_nll
from helpers.train.backend import keras
from helpers.train.losses import LOSS_NAMES, BinLoss, make_loss

HERE = Path(__file__).parent
FULL = np.ones((4, 6), np.float32)
every_case = pytest.mark.parametrize("case", CASES)


def made(case: str) -> tuple[BinLoss, np.ndarray, np.ndarray]:
    """The loss of a case, with targets and predictions."""
    name, options, what, _ = CASES[case]
    return make_loss(name, **options), *example(what)


def slope(loss: Any, y: Any, p: Any, weights: Any = None) -> tuple[float, np.ndarray]:
    """Value of a loss, and its gradient by each prediction."""
    predicted = tf.Variable(np.asarray(p, np.float32))
    with tf.GradientTape() as tape:
        value = loss(y, predicted, weights)
    return float(value), tape.gradient(value, predicted).numpy()


def bins(*values: float) -> np.ndarray:
    """One window, one track."""
    return np.array(values, np.float32).reshape(1, -1, 1)


def test_every_loss_is_tested() -> None:
    assert {name for name, *_ in CASES.values()} == set(LOSS_NAMES)
    assert len(LOSS_NAMES) == 11


@every_case
@pytest.mark.parametrize("weights", [None, FULL, holes()], ids=["no weights", "ones", "holes"])
def test_loss_equals_its_oracle(case: str, weights: np.ndarray | None) -> None:
    loss, y, p = made(case)
    expected = CASES[case][3](y, p, FULL if weights is None else weights)
    value = loss(y, p, weights)
    assert tuple(value.shape) == ()
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    assert float(value) == pytest.approx(expected, rel=2e-5, abs=1e-5)


# worked out by hand
@pytest.mark.parametrize(
    ("name", "options", "y", "p", "expected"),
    [
        ("poisson", {}, (2, 0), (1, 3), 2.0),  # (1 - 2 log 1 + 3) / 2
        ("poisson", {}, (0.5, 0.5), (np.e, np.e), np.e - 0.5),  # binned means are no whole numbers
        ("negative_binomial", {"dispersion": 1.0}, (1,), (1,), 2 * np.log(2)),
        ("mse", {}, (1, 2, 3), (1, 4, 0), 13 / 3),
        ("weighted_mse", {}, (1, 2, 0), (2, 4, 99), 9 / 3),  # (1 * 1 + 2 * 4 + 0) / 3
        ("negative_pearson", {}, (1, 2, 3), (10, 20, 30), -1.0),
        ("negative_pearson", {}, (1, 2, 3), (30, 20, 10), 1.0),
        ("negative_pearson", {}, (0, 1, 0, 1), (0, 0, 1, 1), 0.0),
        ("pearson_mse", {"weight": 0.5}, (1, 2, 3), (2, 3, 4), -0.5),
        ("multinomial_mse", {"weight": 10.0}, (1, 3), (2, 2), 4 * np.log(2)),  # equal totals: the profile alone
        ("multinomial_mse", {"weight": 10.0}, (0, 0), (1, 1), 10 * np.log(3) ** 2),  # no reads: the total alone
        ("poisson_multinomial", {"weight": 0.2}, (1, 3), (2, 2), (4 * np.log(2) + 0.2 * (4 - 4 * np.log(4))) / 2),
        ("binary_crossentropy", {"positive_weight": 3.0}, (1, 0), (0.5, 0.25), (3 * np.log(2) + np.log(4 / 3)) / 2),
        ("focal", {"gamma": 2.0, "alpha": 0.25}, (1,), (0.9,), -0.25 * 0.01 * np.log(0.9)),
        ("focal", {"gamma": 2.0, "alpha": 0.25}, (0,), (0.9,), -0.75 * 0.81 * np.log(0.1)),
    ],
)
def test_literal_values(
    name: str, options: dict[str, float], y: tuple[float, ...], p: tuple[float, ...], expected: float
) -> None:
    assert float(make_loss(name, **options)(bins(*y), bins(*p))) == pytest.approx(expected, rel=2e-5, abs=1e-6)


def test_categorical_crossentropy_by_hand() -> None:
    y = np.array([[[1, 0, 0], [0, 0, 1]]], np.float32)
    p = np.array([[[2, 1, 1], [1, 1, 2]]], np.float32)  # half of the sum over tracks is given to the class
    assert float(make_loss("categorical_crossentropy")(y, p)) == pytest.approx(np.log(2), rel=1e-6)


def test_gradient_by_hand() -> None:
    _, gradient = slope(make_loss("poisson"), bins(4, 1), bins(2, 2), [[1, 1]])
    np.testing.assert_allclose(gradient[0, :, 0], [-0.5, 0.25], rtol=1e-6)  # (1 - y / mu) / 2
    _, gradient = slope(make_loss("mse"), bins(4, 1, 0), bins(2, 2, 9), [[1, 1, 0]])
    np.testing.assert_allclose(gradient[0, :, 0], [-2, 1, 0], rtol=1e-6)


def test_poisson_loss_is_the_metric() -> None:
    _, y, p = made("poisson")
    assert float(make_loss("poisson")(y, p)) == pytest.approx(poisson_nll(y, p), rel=1e-6)


def test_likelihoods_have_their_limits() -> None:
    _, y, p = made("poisson")
    poisson = float(make_loss("poisson")(y, p))
    assert float(make_loss("negative_binomial", dispersion=1e-5)(y, p)) == pytest.approx(poisson, abs=1e-3)
    for weights in (FULL, holes(), holes() * [[1], [2], [5], [1]]):
        split = float(make_loss("poisson_multinomial", weight=1)(y, p, weights))
        assert split == pytest.approx(float(make_loss("poisson")(y, p, weights)), rel=2e-5)


def test_half_the_total_weighs_profile_and_total_as_a_poisson_likelihood_does() -> None:
    y = bins(400, 300, 300)
    poisson, split = make_loss("poisson"), make_loss("multinomial_mse", weight=500)
    off = np.array([1.02, 0.99, 1.05], np.float32)[None, :, None]
    excess = [float(loss(y, y * off, None)) - float(loss(y, y, None)) for loss in (poisson, split)]
    assert 3 * excess[0] == pytest.approx(excess[1], rel=0.05)


def test_focal_without_focus_is_half_a_crossentropy() -> None:
    _, y, p = made("focal")
    plain = float(make_loss("binary_crossentropy")(y, p))
    assert float(make_loss("focal", gamma=0, alpha=0.5)(y, p)) == pytest.approx(plain / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [("binary_crossentropy", {}), ("focal", {"gamma": 0}), ("focal", {"gamma": 0.5}), ("focal", {"gamma": 2})],
)
def test_certain_probabilities_have_finite_gradients(name: str, options: dict[str, float]) -> None:
    value, gradient = slope(make_loss(name, **options), bins(0, 1, 0, 1), bins(0, 1, 1, 0))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert gradient[0, 2, 0] > 1000  # surely wrong: still told so
    assert gradient[0, 3, 0] < -1000


@settings(max_examples=25, deadline=None)
@given(
    case=st.sampled_from(sorted(CASES)),
    missing=st.lists(st.booleans(), min_size=24, max_size=24),
    other=st.sampled_from([np.nan, np.inf, -np.inf, -3.0, 0.0, 1e30]),
)
def test_what_is_missing_changes_neither_loss_nor_gradient(case: str, missing: list[bool], other: float) -> None:
    loss, y, p = made(case)
    gone = np.array(missing).reshape(4, 6)
    weights = np.where(gone, 0, FULL)
    value, gradient = slope(loss, y, p, weights)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert not gradient[gone].any()
    y[gone], p[gone] = other, other
    changed, changed_gradient = slope(loss, y, p, weights)
    assert changed == value
    np.testing.assert_array_equal(changed_gradient, gradient)


@every_case
def test_a_batch_without_data_teaches_nothing(case: str) -> None:
    loss, y, p = made(case)
    value, gradient = slope(loss, y, p, FULL * 0)
    assert value == 0
    assert not gradient.any()


@every_case
@pytest.mark.parametrize(
    "flat", ["zero targets", "constant targets", "one constant window", "zero predictions", "constant predictions"]
)
def test_gradients_stay_finite_where_nothing_varies(case: str, flat: str) -> None:
    loss, y, p = made(case)
    if "targets" in flat:
        y[:] = 0 if "zero" in flat else 1
    elif "window" in flat:
        y[1] = p[1] = 1
    else:
        p[:] = 0 if "zero" in flat else 0.3
    for weights in (None, holes()):
        value, gradient = slope(loss, y, p, weights)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


@every_case
def test_weights_are_relative_and_one_for_a_window_is_one_for_each_bin(case: str) -> None:
    loss, y, p = made(case)
    windows = np.array([1, 2, 0, 4], np.float32)
    value = float(loss(y, p, windows))
    assert value == float(loss(y, p, windows[:, None] * FULL))
    assert value == pytest.approx(float(loss(y, p, windows * 10)), rel=1e-5, abs=1e-6)
    if "over the batch" not in case:  # there, weights say which windows count, and no more
        alone = [float(loss(y[k : k + 1], p[k : k + 1])) for k in range(4)]
        assert value == pytest.approx(np.average(alone, weights=windows), rel=2e-5, abs=2e-6)


def test_bins_can_have_weights() -> None:
    value = float(make_loss("mse")(bins(0, 0, 0), bins(1, 2, 9), [[3, 1, 0]]))
    assert value == pytest.approx((3 * 1 + 1 * 4) / 4)


def test_pearson_sees_the_shape_alone() -> None:
    loss, y, p = made("negative_pearson")
    value = float(loss(y, p))
    assert float(loss(y, 1000 * p)) == pytest.approx(value, rel=1e-5)
    assert float(loss(50 * y + 3, p)) == pytest.approx(value, rel=1e-4)
    assert float(loss(y, p + 2)) == pytest.approx(value, rel=1e-4)
    levels = np.arange(1, 5, dtype=np.float32)[:, None, None]
    assert float(loss(y * levels, p)) == pytest.approx(value, rel=1e-5)  # a window's level is not its shape
    batch = make_loss("negative_pearson", over="batch")
    assert float(batch(y * levels, p * levels)) < float(batch(y * levels, p)) - 0.2  # but counts over the batch


def test_a_constant_target_is_left_out_and_a_constant_prediction_counts_as_unrelated() -> None:
    loss = make_loss("negative_pearson")
    y, p = np.concatenate([bins(1, 2, 4), bins(7.7, 7.7, 7.7)]), np.concatenate([bins(1, 2, 3), bins(1, 5, 2)])
    r = pearsonr([1, 2, 4], [1, 2, 3]).statistic
    assert float(loss(y, p)) == pytest.approx(-r, rel=1e-5)
    assert float(loss(y[::-1], p)) == pytest.approx(-pearsonr([1, 2, 4], [1, 5, 2]).statistic, rel=1e-5)
    value, gradient = slope(loss, np.concatenate([y[:1], y[:1]]), np.concatenate([p[:1], bins(0.5, 0.5, 0.5)]))
    assert value == pytest.approx(-r / 2, rel=1e-5)
    assert 1 < np.abs(gradient[1]).max() < 1000 / 0.5  # it is told which way to go, and not with all force
    assert gradient[1, 2, 0] < gradient[1, 0, 0]  # up where the target is high


@every_case
def test_keras_computes_the_same_when_it_trains(case: str) -> None:
    loss, y, p = made(case)
    weights = holes()
    source = keras.layers.Input((6, 3))
    model = keras.Model(source, keras.layers.Identity()(source))
    model.compile(loss=loss)
    assert model.evaluate(p, y, sample_weight=weights, batch_size=4, verbose=0) == pytest.approx(
        float(loss(y, p, weights)), rel=1e-5
    )


class Batches(keras.utils.PyDataset):
    """Codes, targets and weights; what is missing has nonsense for a target."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(number)
        codes = rng.integers(0, 5, (16, 32)).astype(np.uint8)
        gc = ((codes == 1) | (codes == 2)).reshape(16, 4, 8).mean(axis=2, keepdims=False)[..., None]
        weights = (rng.random((16, 4)) < 0.8).astype(np.float32)
        return codes, np.where(weights[..., None] > 0, 0.2 + gc, 1e9).astype(np.float32), weights


@pytest.mark.parametrize("name", ["poisson", "pearson_mse", "multinomial_mse"])
def test_a_model_learns_from_batches_with_weights_and_is_saved_with_its_loss(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    source = keras.layers.Input((32,), dtype="uint8")
    hidden = keras.layers.Embedding(5, 4)(source)
    model = keras.Model(source, keras.layers.Conv1D(1, 8, strides=8, activation="softplus")(hidden))
    model.compile(keras.optimizers.Adam(0.1), loss=make_loss(name))
    batches = Batches()
    losses = model.fit(batches, epochs=25, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0] - 0.02
    codes, targets, weights = batches[0]
    known = weights > 0
    assert pearsonr(model.predict(codes, verbose=0)[known][:, 0], targets[known][:, 0]).statistic > 0.5
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.loss.name == name
    assert again.evaluate(batches, verbose=0) == pytest.approx(model.evaluate(batches, verbose=0), rel=1e-6)


@every_case
def test_a_loss_survives_as_a_configuration(case: str) -> None:
    loss, y, p = made(case)
    again = keras.losses.deserialize(json.loads(json.dumps(keras.losses.serialize(loss))))
    assert isinstance(again, BinLoss)
    assert again.get_config() == loss.get_config()
    assert loss.get_config().items() >= {"kind": loss.name, **CASES[case][1]}.items()
    assert float(again(y, p)) == float(loss(y, p)) == float(loss.call(y, p))


def test_what_a_loss_says_of_itself() -> None:
    losses = {name: make_loss(name, **({"dispersion": 1} if name == "negative_binomial" else {})) for name in LOSS_NAMES}
    assert {name for name, loss in losses.items() if not loss.mean_is_scaled} == {"negative_pearson"}
    assert {name for name, loss in losses.items() if loss.binary_targets} == {"binary_crossentropy", "focal"}
    assert {name for name, loss in losses.items() if not loss.nonnegative_targets} == {"mse", "negative_pearson", "pearson_mse"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "poison"}, r"there is no loss 'poison': did you mean 'poisson'\?"),
        ({"name": "xyz"}, r"there is no loss 'xyz': choose one of poisson, negative_binomial, mse"),
        ({"name": "mse", "weight": 1}, r"mse has no option 'weight': give none"),
        ({"name": "focal", "beta": 1}, r"focal has no option 'beta': choose from gamma, alpha"),
        (
            {"name": "negative_binomial"},
            r"negative_binomial needs dispersion: give it, as in make_loss\('negative_binomial', dispersion",
        ),
        ({"name": "negative_binomial", "dispersion": 0}, r"dispersion is 0: choose a number above 0; .* the loss poisson"),
        ({"name": "negative_binomial", "dispersion": np.nan}, r"dispersion is nan"),
        ({"name": "negative_pearson", "over": "track"}, r"over is 'track': choose sequence or batch"),
        ({"name": "pearson_mse", "weight": -1}, r"weight is -1: choose 0 or more"),
        ({"name": "multinomial_mse", "weight": np.inf}, r"weight is inf"),
        ({"name": "binary_crossentropy", "positive_weight": 0}, r"positive_weight is 0: choose a number above 0"),
        ({"name": "focal", "gamma": -1}, r"gamma is -1: choose 0 or more"),
        ({"name": "focal", "alpha": 1}, r"alpha is 1: choose a number between 0 and 1"),
    ],
)
def test_impossible_losses(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_loss(**arguments)


@pytest.mark.parametrize(
    ("y", "p", "weights", "message"),
    [
        (
            np.ones((2, 3)),
            np.ones((2, 3, 1)),
            None,
            r"mse got targets \(2, 3\) and predictions \(2, 3, 1\): give both as \(batch",
        ),
        (np.ones((2, 1, 1)), np.ones((2, 3, 1)), None, r"targets \(2, 1, 1\) and predictions \(2, 3, 1\)"),
        (np.ones((2, 3, 1)), np.ones((2, 3, 1)), np.ones((2, 3, 1)), r"weights have shape \(2, 3, 1\): give \(batch, bins\)"),
    ],
)
def test_other_shapes_are_refused(y: np.ndarray, p: np.ndarray, weights: np.ndarray | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_loss("mse")(y, p, weights)


JAX = """
import json
import jax
import numpy as np
from loss_oracles import CASES, example, holes
from helpers.train.losses import make_loss
found = {}
for case, (name, options, what, _) in CASES.items():
    loss, (y, p) = make_loss(name, **options), example(what)
    for label, weights in (("ones", None), ("holes", holes()), ("none", holes() * 0)):
        value, gradient = jax.jit(jax.value_and_grad(lambda predicted: loss(y, predicted, weights)))(p)
        found[f"{case}, {label}"] = float(value), np.asarray(gradient).tolist()
print(json.dumps(found))
"""


def test_jax_gives_the_same_values_and_gradients() -> None:
    pytest.importorskip("jax")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(HERE)}
    done = subprocess.run([sys.executable, "-c", JAX], capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert len(found) == 3 * len(CASES)
    for case in CASES:
        loss, y, p = made(case)
        for label, weights in (("ones", None), ("holes", holes()), ("none", holes() * 0)):
            value, gradient = slope(loss, y, p, weights)
            assert found[f"{case}, {label}"][0] == pytest.approx(value, rel=1e-5, abs=1e-6)
            np.testing.assert_allclose(found[f"{case}, {label}"][1], gradient, rtol=1e-4, atol=1e-6)
    y, p = example("counts")
    assert found["poisson, holes"][0] == pytest.approx(poisson_oracle(y, p, holes()), rel=1e-5)
