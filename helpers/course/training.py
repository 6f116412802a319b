"""The models of the course, how long they are trained, and their scores on whole chromosomes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from helpers.course.tasks import Part, Task
from helpers.evaluate.averaging import both_strands
from helpers.evaluate.metrics import pearson
from helpers.prepare.batches import Missing
from helpers.train import models
from helpers.train.backend import keras
from helpers.train.fitting import Fit, fit, predict, predictor, targets_of
from helpers.train.seeding import seed_everything

# Chosen by the validation chromosomes of seeds 0, 1 and 2, among sizes of the first layer and numbers of blocks.
BASE: dict[str, Any] = {"filters": (96, 64), "widths": (19, 7), "blocks": 4}
BASE_EPOCHS = 8  # over all training windows
# A third of the base model's work: a comparison takes tens of fits.
SMALL: dict[str, Any] = {"filters": (32, 32), "widths": (15, 5), "blocks": 2}
EPOCHS = 5
JITTER = 384  # bp, to either side


def base_model(task: Task, **options: Any) -> Any:
    """Build the model that predicts best here, `BASE`, which starts by predicting the track's mean; `options` as for `small_model`."""
    return small_model(task, **{**BASE, **options})


def small_model(task: Task, **options: Any) -> Any:
    """Build the small residual model for a task, which starts by predicting the track's mean; `options` go to `models.residual_dilated`."""
    mean = float(np.nanmean(task.prepared.targets, dtype=float))
    return models.residual_dilated(task.window, task.prepared.bin_size, 1, **{"initial_rate": mean, **SMALL, **options})


def small_dense(task: Task, **options: Any) -> Any:
    """Build a model of the same convolutions whose dense head knows where in the window it looks; `options` go to `models.dense_head`."""
    mean = float(np.nanmean(task.prepared.targets, dtype=float))
    sizes = {"filters": SMALL["filters"], "widths": SMALL["widths"], "pools": (8, 4)}
    return models.dense_head(task.window, task.prepared.bin_size, 1, **{"initial_rate": mean, **sizes, **options})


def train(
    task: Task,
    windows: pd.DataFrame,
    seed: int,
    *,
    loss: Any = "poisson",
    epochs: int = EPOCHS,
    build: Any = small_model,
    jitter: int = JITTER,
    reverse_complement: bool = True,
    missing: Missing = "error",
    **options: Any,
) -> Fit:
    """Train a model on windows of a task, from one seed for weights, order and augmentation.

    Parameters
    ----------
    task : Task
        What to predict.
    windows : DataFrame
        Columns `chrom`, `start`, `end`: training windows.
    seed : int
        0 or more.
    loss : str or keras.losses.Loss
        As for `fitting.fit`.
    epochs : int
        Passes over the windows; there is no early stopping, so that every model has the same number of steps.
    build : callable
        Makes the model of a task, after the seed is set.
    jitter, reverse_complement : int (bp), bool
        Augmentation.
    missing : {"error", "mask"}
        What NaN in a target is, as for `WindowBatches`: with "mask", such bins count for nothing.
    **options
        Further arguments of `fitting.fit`.

    Returns
    -------
    Fit
    """
    keras.backend.clear_session()  # or each of a lesson's many models leaves 15 MB behind
    seed_everything(seed)
    augmentation = {"jitter": jitter, "reverse_complement": reverse_complement}
    batches = task.batches(windows, seed=seed, drop_last=True, missing=missing, **augmentation)
    return fit(build(task), batches, loss=loss, epochs=epochs, **options)


def on_chromosomes(task: Task, model: Any, part: Part = "test") -> tuple[np.ndarray, np.ndarray]:
    """Give truth and prediction on all windows of a part: two arrays, shape (windows, bins, 1)."""
    batches = task.in_order(part)
    return targets_of(batches), predict(model, batches)


def in_context(task: Task, model: Any, build: Any, part: Part = "test", flank: int = 512) -> np.ndarray:
    """Predict the windows of a part as parts of wider ones, from both strands: at the edges of a window a model misses what lies beyond.

    Parameters
    ----------
    task : Task
        What the model was trained on.
    model : keras.Model
        A fully convolutional one.
    build : callable
        What made the model of a task.
    part : str
        Of the split.
    flank : int
        Bp of sequence to either side, a multiple of the bin size; beyond a chromosome's end it is unknown (code 4).

    Returns
    -------
    float32 array, shape (windows, bins, 1)
        In the order of the part's windows.
    """
    wide = build(replace(task, window=task.window + 2 * flank))
    wide.set_weights(model.get_weights())
    windows, sequence = task.split.parts[part], task.prepared.sequence()
    padded = {chrom: np.pad(sequence[chrom], flank, constant_values=4) for chrom in windows["chrom"].unique()}
    places = windows[["chrom", "start", "end"]].itertuples(index=False)
    codes = np.stack([padded[chrom][start : end + 2 * flank] for chrom, start, end in places])
    edge = flank // task.prepared.bin_size
    return both_strands(predictor(wide), codes)[:, edge:-edge]


def chromosome_pearson(task: Task, model: Any, part: Part = "test") -> float:
    """Pearson r over all bins of the held-out chromosomes."""
    return pearson(*on_chromosomes(task, model, part))
