from __future__ import annotations

import gc
import json
import math
import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_fits import BIN, BINS, TRACKS, WINDOW, same_weights, tiny_data, tiny_model, tiny_training, tiny_validation

from helpers.errors import InputError
from helpers.prepare.batches import WindowBatches
from helpers.prepare.prepared import PreparedData
from helpers.train import fitting
from helpers.train.backend import keras
from helpers.train.fitting import COLUMNS, Fit, fit, predict, targets_of
from helpers.train.models import mlp

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def data() -> PreparedData:
    return tiny_data()


@pytest.fixture(scope="module")
def trained(data: PreparedData) -> Fit:
    """Four epochs, scored on another chromosome."""
    return fit(tiny_model(), tiny_training(data), loss="mse", epochs=4, validation=tiny_validation(data), learning_rate=0.01)


def test_history_is_tidy_and_the_model_learns(trained: Fit) -> None:
    history = trained.history
    assert list(history.columns) == COLUMNS == ["epoch", "loss", "validation_loss", "validation_pearson", "learning_rate"]
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert list(history.index) == [0, 1, 2, 3]
    assert [kind.kind for kind in history.dtypes] == ["i", "f", "f", "f", "f"]
    assert np.isfinite(history).all(axis=None)
    assert history["loss"].iloc[-1] < history["loss"].iloc[0] / 2
    assert history["validation_pearson"].iloc[-1] > 0.8
    assert not trained.stopped_early


def test_learning_rate_falls_along_half_a_cosine(trained: Fit, data: PreparedData) -> None:
    expected = [0.01 * (1 + math.cos(math.pi * k / 4)) / 2 for k in range(4)]
    np.testing.assert_allclose(trained.history["learning_rate"], expected, rtol=1e-5)
    assert float(trained.model.optimizer.learning_rate) == pytest.approx(0, abs=1e-9)  # after the last step
    constant = fit(tiny_model(), tiny_training(data), loss="mse", epochs=2, schedule="constant", learning_rate=0.02)
    np.testing.assert_allclose(constant.history["learning_rate"], 0.02, rtol=1e-6)


def test_scores_are_those_of_the_whole_validation_set(trained: Fit, data: PreparedData) -> None:
    validation = tiny_validation(data)
    truth = np.concatenate([targets for _, targets in validation])
    codes = np.concatenate([codes for codes, _ in validation])
    predicted = np.asarray(trained.model(codes, training=False))
    best = trained.history.iloc[trained.best_epoch - 1]
    assert best["validation_pearson"] == pytest.approx(np.corrcoef(truth.ravel(), predicted.ravel())[0, 1], abs=1e-6)
    assert best["validation_loss"] == pytest.approx(np.mean((truth - predicted) ** 2), rel=1e-4)
    np.testing.assert_allclose(predict(trained.model, validation), predicted, rtol=1e-5)
    np.testing.assert_array_equal(targets_of(validation), truth)


NAN = math.nan


@pytest.mark.parametrize("monitor", ["validation_pearson", "validation_loss"])
@pytest.mark.parametrize(
    ("scores", "patience", "best", "epochs"),
    [
        ([0.1, 0.5, 0.3, 0.2], None, 2, 4),  # the last epoch is worse
        ([0.1, 0.2, 0.3, 0.4], 1, 4, 4),
        ([0.5, 0.4, 0.45, 0.6], 2, 1, 3),  # would have got better
        ([0.5, 0.4, 0.6, 0.5], 2, 3, 4),
        ([0.5, 0.4, 0.6, 0.5], 1, 1, 2),
        ([0.5, 0.5, 0.5, 0.5], 3, 1, 4),  # as good is not better
        ([-0.5, -0.4, -0.6, -0.5], None, 2, 4),
    ],
)
def test_when_to_stop_and_which_epoch_is_best(scores: list, patience: int | None, best: int, epochs: int, monitor: str) -> None:
    rows: list[dict[str, float]] = []
    for score in scores:
        if fitting._is_over(rows, monitor, patience):
            break
        rows.append({"loss": 1.0, "validation_pearson": score, "validation_loss": -score})
    assert (fitting._best_epoch(rows, monitor), len(rows)) == (best, epochs)


def test_a_score_that_does_not_exist_is_worse_than_any() -> None:
    def best(*scores: float) -> int:
        return fitting._best_epoch([{"loss": 1.0, "validation_pearson": score} for score in scores], "validation_pearson")

    assert [best(NAN, -0.2, NAN, -0.3), best(NAN, NAN), best(0.1, NAN)] == [2, 1, 1]
    assert fitting._best_epoch([{"loss": 1.0}, {"loss": 2.0}], "validation_pearson") == 2  # nothing was scored


def test_the_model_gets_the_weights_of_the_best_epoch_back(data: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[list[np.ndarray]] = []
    scores = [0.4, 0.6, 0.5, 0.3, 0.9]

    def score(model: Any, loss: Any, validation: Any) -> dict[str, float]:  # noqa: ARG001
        weights.append(model.get_weights())
        return {"validation_loss": 1.0, "validation_pearson": scores[len(weights) - 1]}

    monkeypatch.setattr(fitting, "_scores", score)
    done = fit(tiny_model(), tiny_training(data), loss="mse", epochs=5, validation=tiny_validation(data), patience=2)
    assert (done.best_epoch, len(done.history), done.stopped_early) == (2, 4, True)
    assert same_weights(done.model.get_weights(), weights[1])
    assert not same_weights(weights[1], weights[3])
    assert done.history["validation_pearson"].max() == done.history["validation_pearson"][1] == 0.6


def test_the_returned_model_scores_the_best_of_the_history_when_the_last_epoch_is_worse(data: PreparedData) -> None:
    model, validation = tiny_model(), tiny_validation(data)

    def spoil(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            weights = model.get_weights()
            model.set_weights([*weights[:-2], -weights[-2], weights[-1]])

    done = fit(model, tiny_training(data), loss="mse", epochs=3, validation=validation, on_epoch=spoil, learning_rate=0.01)
    assert done.best_epoch == 2
    score = np.corrcoef(targets_of(validation).ravel(), predict(done.model, validation).ravel())[0, 1]
    assert score == pytest.approx(done.history["validation_pearson"].max(), abs=1e-6)
    assert score > done.history["validation_pearson"].iloc[-1] + 0.1


def test_without_validation_the_last_weights_are_kept(data: PreparedData) -> None:
    rows: list[dict[str, float]] = []
    done = fit(tiny_model(), tiny_training(data), loss="poisson", epochs=2, on_epoch=rows.append)
    assert done.best_epoch == 2
    assert done.history[["validation_loss", "validation_pearson"]].isna().all(axis=None)
    assert [sorted(row) for row in rows] == [["epoch", "learning_rate", "loss"]] * 2


def test_on_epoch_is_told_each_row_and_the_batches_are_left_alone(data: PreparedData) -> None:
    rows: list[dict[str, float]] = []
    training = tiny_training(data)
    training.epoch = 7
    done = fit(tiny_model(), training, loss="mse", epochs=3, validation=tiny_validation(data), on_epoch=rows.append)
    pd.testing.assert_frame_equal(pd.DataFrame(rows)[COLUMNS], done.history)
    assert training.epoch == 7


def test_training_shows_epochs_0_1_2_and_each_batch_once(data: PreparedData) -> None:
    seen: list[tuple[int, int]] = []

    class Recorded(WindowBatches):
        def __getitem__(self, number: int) -> tuple[np.ndarray, ...]:
            seen.append((self.epoch, number))
            return super().__getitem__(number)

    training = tiny_training(data)
    training.__class__ = Recorded
    fit(tiny_model(), training, loss="mse", epochs=3)
    looked_at = len(seen) - 3 * len(training)  # before training starts, to see shapes and predictions
    assert set(seen[:looked_at]) <= {(0, 0)}
    assert seen[looked_at:] == [(epoch, number) for epoch in range(3) for number in range(len(training))]


def test_equals_a_plain_loop_over_the_batches(data: PreparedData) -> None:
    training = tiny_training(data)
    done = fit(tiny_model(dropout=0.0), training, loss="mse", epochs=2, learning_rate=0.01, schedule="constant")
    model = tiny_model(dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    for training.epoch in range(2):
        for codes, targets in training:
            model.train_on_batch(codes, targets)
    for left, right in zip(done.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="about graphs of TensorFlow")
def test_nothing_of_a_training_stays_in_memory() -> None:
    import tensorflow as tf

    def graphs() -> int:
        keras.backend.clear_session()
        gc.collect()
        return sum(type(thing) is tf.__internal__.FuncGraph for thing in gc.get_objects())

    before, data = graphs(), tiny_data()
    model = mlp(WINDOW, BIN, TRACKS, filters=4)  # not the tiny one: gradients of its embedding are summed in another way
    known = weakref.ref(fit(model, tiny_training(data), loss="mse", epochs=1).model)
    del model
    assert graphs() == before
    assert known() is None


def test_missing_bins_have_no_part_in_training_or_scores() -> None:
    def run(fill: float) -> Fit:
        data = tiny_data(missing=True)
        data.targets[10:14, 0] = fill  # the other track of the same bins
        data.targets[1200:1203] = np.nan
        training = tiny_training(data, missing="mask", jitter=0)
        return fit(tiny_model(), training, loss="mse", epochs=2, validation=tiny_validation(data, missing="mask"))

    one, other = run(0.5), run(3.0)
    assert same_weights(one.model.get_weights(), other.model.get_weights())
    pd.testing.assert_frame_equal(one.history, other.history)
    data = tiny_data()
    data.targets[1200:1203] = np.nan
    validation = tiny_validation(data, missing="mask")
    truth = targets_of(validation)
    assert np.isnan(truth).sum() == 3 * TRACKS
    known = ~np.isnan(truth)
    predicted = predict(one.model, validation)
    best = one.history.iloc[one.best_epoch - 1]
    assert best["validation_pearson"] == pytest.approx(np.corrcoef(truth[known], predicted[known])[0, 1], abs=1e-6)
    assert best["validation_loss"] == pytest.approx(np.mean((truth[known] - predicted[known]) ** 2), rel=1e-4)


def test_a_learning_rate_that_breaks_the_weights_is_named(data: PreparedData) -> None:
    with pytest.raises(InputError, match=r"no number any more in epoch 1: give a learning_rate below 1e\+30"):
        fit(tiny_model(), tiny_training(data), loss="mse", epochs=3, learning_rate=1e30)


def test_weights_that_break_later_end_training_and_the_best_are_kept(data: PreparedData) -> None:
    model = tiny_model()

    def burst(row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            weights = model.get_weights()
            model.set_weights([*weights[:-1], np.full_like(weights[-1], np.nan)])

    done = fit(model, tiny_training(data), loss="mse", epochs=5, validation=tiny_validation(data), on_epoch=burst)
    assert (len(done.history), done.stopped_early) == (3, True)
    assert done.best_epoch in (1, 2)
    assert np.isfinite(predict(done.model, tiny_validation(data))).all()


def test_a_model_that_predicts_one_number_has_no_score(data: PreparedData) -> None:
    model = tiny_model()
    model.layers[-1].trainable = False
    weights = model.layers[-1].get_weights()
    model.layers[-1].set_weights([np.zeros_like(weights[0]), weights[1]])
    done = fit(model, tiny_training(data), loss="mse", epochs=2, validation=tiny_validation(data))
    assert done.history["validation_pearson"].isna().all()
    assert np.isfinite(done.history["validation_loss"]).all()
    assert done.best_epoch == 1


def test_progress_is_one_bar_on_stderr_and_nothing_by_default(data: PreparedData, capfd: pytest.CaptureFixture[str]) -> None:
    fit(tiny_model(), tiny_training(data), loss="mse", epochs=2, validation=tiny_validation(data))
    assert capfd.readouterr() == ("", "")
    fit(tiny_model(), tiny_training(data), loss="mse", epochs=2, validation=tiny_validation(data), progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert f"{2 * len(tiny_training(data))}/{2 * len(tiny_training(data))}" in err
    assert err.count("\n") == 1


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from tiny_fits import tiny_data, tiny_model, tiny_training, tiny_validation
from helpers.train.fitting import fit
from helpers.train.seeding import seed_everything

folder, epochs, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

def run(folder, on_epoch=None):
    data = tiny_data()
    done = fit(tiny_model(), tiny_training(data), loss="mse", epochs=epochs, validation=tiny_validation(data), learning_rate=0.1,
               folder=folder, on_epoch=on_epoch)
    return [weight.tobytes().hex() for weight in done.model.get_weights()], repr(done.history.to_dict("list")), done.best_epoch

def kill(row):
    if row["epoch"] == last:
        os.kill(os.getpid(), signal.SIGKILL)

seed_everything(0)
if last:
    run(folder, kill)
print(json.dumps([run(folder), run(None)]))
"""


def python(*arguments: object, backend: str) -> subprocess.CompletedProcess[str]:
    """Run the script above in a process of its own: folder, epochs, and in which epoch to be killed."""
    environment = {**os.environ, "PYTHONPATH": str(HERE), "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.parametrize(("backend", "epochs", "last"), [("tensorflow", 4, 2), ("jax", 2, 1)])
def test_a_killed_run_goes_on_to_the_same_result(tmp_path: Path, backend: str, epochs: int, last: int) -> None:
    killed = python(tmp_path / "run", epochs, last, backend=backend)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [place.name for place in (tmp_path / "run").iterdir() if place.is_dir()] == [f"epoch_{last:04d}"]
    resumed = python(tmp_path / "run", epochs, 0, backend=backend)
    assert resumed.returncode == 0, resumed.stderr
    assert killed.stdout == killed.stderr == resumed.stderr == ""
    broken, unbroken = json.loads(resumed.stdout)
    assert broken == unbroken


class Stop(Exception):  # noqa: N818
    """Stands for whatever may end a process."""


def test_a_run_may_break_off_anywhere(data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, Any] = {"loss": "mse", "epochs": 3, "learning_rate": 0.1, "validation": tiny_validation(data)}
    whole = fit(tiny_model(), tiny_training(data), **arguments)
    original = fitting._scores
    rows: list[dict[str, float]] = []

    def stop_after(epoch: int) -> None:
        def stop(model: Any, loss: Any, validation: Any) -> dict[str, float]:
            scores = original(model, loss, validation)
            if len(rows) == epoch:
                raise Stop  # the epoch is trained, and its state is not yet kept
            return scores

        monkeypatch.setattr(fitting, "_scores", stop)

    for epoch in range(3):
        stop_after(epoch)
        with pytest.raises(Stop):
            fit(tiny_model(), tiny_training(data), folder=tmp_path / "run", on_epoch=rows.append, **arguments)
    stop_after(99)
    done = fit(tiny_model(), tiny_training(data), folder=tmp_path / "run", on_epoch=rows.append, **arguments)
    pd.testing.assert_frame_equal(done.history, whole.history, check_exact=True)
    assert same_weights(done.model.get_weights(), whole.model.get_weights())
    assert [row["epoch"] for row in rows] == [1, 2, 3]  # each once
    kept = tmp_path / "run" / "epoch_0003"
    other = tiny_model(5)
    other.load_weights(kept / "best.weights.h5", skip_mismatch=False)
    assert same_weights(other.get_weights(), whole.model.get_weights())


def test_a_run_that_ended_is_given_again_without_training(data: PreparedData, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"loss": "mse", "epochs": 2, "validation": tiny_validation(data), "folder": tmp_path / "run"}
    first = fit(tiny_model(), tiny_training(data), **arguments)
    rows: list[dict[str, float]] = []
    again = fit(tiny_model(), tiny_training(data), on_epoch=rows.append, **arguments)
    assert not rows
    assert same_weights(first.model.get_weights(), again.model.get_weights())
    pd.testing.assert_frame_equal(first.history, again.history, check_exact=True)


def other_data() -> PreparedData:
    """The same data but for one value within reach."""
    data = tiny_data()
    data.targets[500, 0] += 1
    return data


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"epochs": 3}, "epochs"),
        ({"learning_rate": 0.01}, "learning_rate"),
        ({"patience": 2}, "patience"),
        ({"schedule": "constant"}, "schedule"),
        ({"monitor": "validation_loss"}, "monitor"),
        ({"loss": "poisson"}, "loss"),
        ({"model": lambda: tiny_model(1)}, "model"),
        ({"model": lambda: tiny_model(activation="gelu")}, "model"),
        ({"training": lambda: tiny_training(tiny_data(), seed=4)}, "training"),
        ({"training": lambda: tiny_training(tiny_data(), jitter=BIN)}, "training"),
        ({"training": lambda: tiny_training(other_data())}, "training"),
        ({"validation": lambda: tiny_validation(tiny_data(), batch_size=10)}, "validation"),
        ({"validation": lambda: None}, "validation"),
    ],
)
def test_the_folder_of_another_run_is_refused(finished: Path, change: dict, named: str) -> None:
    usual: dict[str, Any] = {
        "loss": "mse",
        "epochs": 2,
        "folder": finished,
        "model": tiny_model,
        "validation": None,
        "training": None,
    }
    usual["training"], usual["validation"] = (lambda: tiny_training(tiny_data())), (lambda: tiny_validation(tiny_data()))
    changed = {**usual, **change}
    model, training, validation = (changed.pop(name)() for name in ("model", "training", "validation"))
    with pytest.raises(InputError, match=rf"belongs to another run \(other {named}\): give a new folder, or remove this one"):
        fit(model, training, validation=validation, **changed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run that has ended."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    fit(tiny_model(), tiny_training(tiny_data()), loss="mse", epochs=2, validation=tiny_validation(tiny_data()), folder=folder)
    return folder


def test_shapes_and_dtypes_of_predictions(trained: Fit, data: PreparedData) -> None:
    validation = tiny_validation(data)
    predicted = predict(trained.model, validation)
    assert (predicted.shape, predicted.dtype) == ((validation.windows, BINS, TRACKS), np.float32)
    assert (targets_of(validation).shape, targets_of(validation).dtype) == ((validation.windows, BINS, TRACKS), np.float32)


def test_predictor_is_a_function_of_sequence_alone(trained: Fit, data: PreparedData) -> None:
    validation = tiny_validation(data)
    function = fitting.predictor(trained.model, batch_size=7)
    codes = np.concatenate([codes for codes, _ in validation])
    np.testing.assert_allclose(function(codes), predict(trained.model, validation), rtol=1e-5)
    empty = function(np.empty((0, WINDOW), np.uint8))
    assert (empty.shape, empty.dtype) == ((0, BINS, TRACKS), np.float32)
    for wrong, said in (
        (np.zeros((2, WINDOW), np.int64), "codes are int64 of shape"),
        (np.zeros((2, 9), np.uint8), r"uint8 of shape \(2, 9\): model 'tiny' reads uint8 codes of shape \(windows, 64 bases\)"),
        (np.zeros(WINDOW, np.uint8), r"of shape \(64,\)"),
    ):
        with pytest.raises(InputError, match=said):
            function(wrong)
    with pytest.raises(InputError, match="batch_size is 0: a batch has at least 1 window"):
        fitting.predictor(trained.model, batch_size=0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shuffle": True}, "batches are shuffled: predictions would not follow their regions; make them with shuffle=False"),
        ({"jitter": BIN}, "batches move by up to 8 bp: .* jitter=0"),
        ({"reverse_complement": True}, "batches turn half of the windows .* reverse_complement=False"),
        ({"drop_last": True}, "batches leave the last 2 windows out: .* drop_last=False"),
    ],
)
def test_batches_that_do_not_follow_their_regions_are_not_predicted(
    trained: Fit, data: PreparedData, change: dict, said: str
) -> None:
    batches = tiny_validation(data, **change)
    with pytest.raises(InputError, match=f"prediction {said}"):
        predict(trained.model, batches)
    with pytest.raises(InputError, match=f"target {said}"):
        targets_of(batches)
    with pytest.raises(InputError, match=f"validation {said}"):
        fit(tiny_model(), tiny_training(data), loss="mse", epochs=1, validation=batches)
