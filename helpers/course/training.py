"""The small model that lessons compare with, how long it is trained, and its score on whole chromosomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from helpers.course.tasks import Part, Task
from helpers.evaluate.metrics import pearson
from helpers.train import models
from helpers.train.backend import keras
from helpers.train.fitting import Fit, fit, predict, targets_of
from helpers.train.seeding import seed_everything

# A third of the base model's work: a comparison takes tens of fits. A learner's first fit uses the base model itself.
SMALL: dict[str, Any] = {"filters": (32, 32), "widths": (15, 5), "blocks": 2}
EPOCHS = 5
JITTER = 384  # bp, to either side


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
    **options
        Further arguments of `fitting.fit`.

    Returns
    -------
    Fit
    """
    keras.backend.clear_session()  # or each of a lesson's many models leaves 15 MB behind
    seed_everything(seed)
    batches = task.batches(windows, seed=seed, jitter=jitter, reverse_complement=reverse_complement, drop_last=True)
    return fit(build(task), batches, loss=loss, epochs=epochs, **options)


def on_chromosomes(task: Task, model: Any, part: Part = "test") -> tuple[np.ndarray, np.ndarray]:
    """Give truth and prediction on all windows of a part: two arrays, shape (windows, bins, 1)."""
    batches = task.in_order(part)
    return targets_of(batches), predict(model, batches)


def chromosome_pearson(task: Task, model: Any, part: Part = "test") -> float:
    """Pearson r over all bins of the held-out chromosomes."""
    return pearson(*on_chromosomes(task, model, part))
