from __future__ import annotations

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.train.backend import keras
from helpers.train.losses import LOSS_NAMES, check_predictions, check_shape, check_targets, make_loss

COUNTS = np.array([[[0, 2.5], [3, 0]]], np.float32)
LABELS = np.array([[[0, 1], [1, 0]]], np.float32)


def named(name: str) -> keras.losses.Loss:
    return make_loss(name, **({"dispersion": 0.5} if name == "negative_binomial" else {}))


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_fitting_targets_pass(name: str) -> None:
    cross = "crossentropy" in name or name == "focal"
    check_targets(named(name), LABELS if cross else COUNTS)
    check_shape(named(name), 2, 2)
    check_predictions(named(name), np.array([0, 0.5, 1]))


def test_what_a_loss_allows() -> None:
    for name in ("mse", "negative_pearson", "pearson_mse"):
        check_targets(named(name), -COUNTS)
        check_predictions(named(name), -COUNTS)
    check_predictions(named("poisson"), 1e4 * COUNTS)
    check_targets(named("binary_crossentropy"), LABELS.astype(bool))
    check_targets(named("focal"), np.array([0, 1, 1]))
    for name in ("poisson", "mse", "weighted_mse", "negative_binomial", "binary_crossentropy", "focal"):
        check_shape(named(name), 1, 1)
    check_shape(named("negative_pearson"), 2, 1)
    check_shape(make_loss("negative_pearson", over="batch"), 1, 1)
    check_shape(named("categorical_crossentropy"), 1, 2)


def test_of_a_foreign_loss_only_what_is_missing_is_known() -> None:
    foreign = keras.losses.MeanAbsoluteError()
    check_targets(foreign, -COUNTS)
    check_shape(foreign, 1, 1)
    check_predictions(foreign, -COUNTS)
    with pytest.raises(InputError, match="1 of 2 targets are NaN"):
        check_targets(foreign, np.array([1, np.nan]))


@pytest.mark.parametrize("name", [name for name in LOSS_NAMES if name not in ("mse", "negative_pearson", "pearson_mse")])
def test_negative_targets_are_named(name: str) -> None:
    message = "a target is -1.5, but" if name in ("binary_crossentropy", "focal") else r"the smallest target is -1.5, but " + name
    with pytest.raises(InputError, match=message):
        check_targets(named(name), np.array([[[1, -1.5], [0, 1]]]))


@pytest.mark.parametrize(
    ("name", "targets", "message"),
    [
        ("mse", [[1, np.nan], [np.inf, 0]], r"2 of 4 targets are NaN or infinite: give WindowBatches missing='mask'"),
        ("mse", np.zeros((0, 4, 2)), r"there are no targets: every bin is missing, or there is no window"),
        ("poisson", [[1, -0.25]], r"takes 0 or more: give signal that is neither centred nor a log ratio, or choose mse"),
        ("focal", [[0, 0.5], [1, 1]], r"a target is 0\.5, but focal takes labels 0 and 1: threshold the signal"),
        (
            "binary_crossentropy",
            [[0, 1], [1, 1]],
            r"all labels of track 1 are 1, so binary_crossentropy can teach only a constant",
        ),
        ("binary_crossentropy", [0, 0], r"all labels of track 0 are 0"),
        (
            "categorical_crossentropy",
            [[0, 3]],
            r"the largest target is 3, but categorical_crossentropy takes a probability per track",
        ),
    ],
)
def test_targets_refused(name: str, targets: list[list[float]], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        check_targets(named(name), np.array(targets, np.float32))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "bins", "tracks", "message"),
    [
        (
            "negative_pearson",
            1,
            5,
            r"negative_pearson compares the bins of a window, and there is 1: choose smaller bins, or poisson",
        ),
        ("pearson_mse", 1, 5, r"pearson_mse compares the bins"),
        ("multinomial_mse", 1, 5, r"multinomial_mse compares the bins"),
        ("poisson_multinomial", 1, 5, r"poisson_multinomial compares the bins"),
        ("categorical_crossentropy", 5, 1, r"compares tracks, and there is 1: .* choose binary_crossentropy"),
    ],
)
def test_shapes_refused(name: str, bins: int, tracks: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_shape(named(name), bins, tracks)


@pytest.mark.parametrize(
    ("name", "predictions", "message"),
    [
        ("mse", [1, np.nan], r"the model predicts NaN or infinity before training"),
        ("poisson", [1, -0.5], r"the model predicts -0\.5, but poisson takes 0 or more: build it with output='softplus'"),
        ("multinomial_mse", [-2], r"predicts -2, but multinomial_mse takes 0 or more"),
        ("focal", [0.5, 1.5], r"predicts 1\.5, but focal takes 0 to 1: build it with output='sigmoid'"),
        ("binary_crossentropy", [-0.1], r"predicts -0\.1, but binary_crossentropy takes 0 to 1"),
    ],
)
def test_predictions_refused(name: str, predictions: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_predictions(named(name), np.array(predictions))
