"""Training as lessons call it: bins that are missing count for nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from helpers.course.tasks import task_for_seed
from helpers.course.training import on_chromosomes, train
from helpers.data.datasets import DataSet
from helpers.data.manifests import load_manifest
from helpers.data.schema import Splits
from helpers.train.seeding import seed_everything

SMALL = {"n_chromosomes": 3, "chromosome_length": 128_000}


def test_masked_bins_count_for_nothing() -> None:
    seed_everything(0)
    manifest = load_manifest("simulated").model_copy(update={"splits": Splits(validation=["chr2"], test=["chr3"])})
    task = task_for_seed(DataSet("simulated", manifest, {}, seed=0), 5, settings=SMALL)
    targets = np.array(task.prepared.targets)
    known = np.where(targets > np.quantile(targets, 0.5), 3.0, np.nan).astype(np.float32)  # all that is known is 3
    masked = replace(task, prepared=replace(task.prepared, targets=known))
    fit = train(masked, task.split.train, 0, epochs=1, missing="mask")
    assert np.isfinite(fit.history["loss"]).all()
    _, predicted = on_chromosomes(task, fit.model)
    assert abs(predicted.mean() - 3) < 0.3
