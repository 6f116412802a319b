"""Training on real yeast data: on a chromosome held out, a network beats counts of words, and has nothing to say of a rotated target."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.course.planted import known_sites, open_chromatin, shuffled_words
from helpers.course.tasks import Task, task_for_seed
from helpers.course.training import base_model, on_chromosomes, train
from helpers.data.datasets import load_dataset
from helpers.evaluate.baselines import bin_features, kmer_ridge, rotated
from helpers.evaluate.marginalisation import global_importance
from helpers.evaluate.metrics import pearson
from helpers.evaluate.patterns import spelled_out
from helpers.evaluate.shuffling import dinucleotide_shuffle
from helpers.train import models
from helpers.train.fitting import predictor

BIN, WINDOW, POOLS = 150, 1_500, (10, 5)
CLIPPED = 0.99  # quantile of the training bins: a few towers would rule the correlation


def yeast_task(dataset: str, track: str, mirror: str) -> tuple[Task, pd.DataFrame, list[str]]:
    """Make a task whose target is clipped, with the windows and the chromosomes to train on: those of training and of validation."""
    task = task_for_seed(load_dataset(dataset, mirror=mirror, progress=False), 0, window=WINDOW, bin_size=BIN, track=track)
    windows = pd.concat([task.split.train, task.split.validation], ignore_index=True)
    chroms = list(windows["chrom"].unique())
    signal = task.prepared.signal(task.track)
    highest = np.quantile(np.concatenate([signal[chrom] for chrom in chroms]), CLIPPED)
    clipped = np.minimum(task.prepared.targets, np.float32(highest))
    return replace(task, prepared=replace(task.prepared, targets=clipped)), windows, chroms


def by_words(task: Task, chroms: list[str]) -> np.ndarray:
    """Predict the bins of chrIV with a ridge regression on counts of words, fitted on other chromosomes."""
    sequence, signal = task.prepared.sequence(), task.prepared.signal(task.track)
    features = {chrom: bin_features(sequence[chrom], BIN)[0] for chrom in [*chroms, "chrIV"]}
    ridge = kmer_ridge().fit(np.concatenate([features[c] for c in chroms]), np.concatenate([signal[c] for c in chroms]))
    return ridge.predict(features["chrIV"])


def residual(task: Task) -> Any:
    """Build the residual dilated model for these bins, which starts by predicting the track's mean."""
    return models.residual_dilated(WINDOW, BIN, 1, pools=POOLS, initial_rate=float(task.prepared.targets.mean(dtype=float)))


@pytest.mark.parametrize(
    ("dataset", "track", "epochs", "floor"),  # epochs were chosen on chrXVI; the floor is what was measured elsewhere
    [("yeast_atac", "", 8, 0.62), ("yeast_multi_assay", "MNase", 20, 0.51)],
    ids=["ATAC", "MNase"],
)
def test_a_network_beats_counts_of_words(dataset: str, track: str, epochs: int, floor: float, mirror: str) -> None:
    task, windows, chroms = yeast_task(dataset, track, mirror)
    assert set(task.split.test["chrom"]) == {"chrIV"}
    assert not {"chrIV", "chrXII", "chrM"} & set(chroms)
    model = train(task, windows, 0, build=residual, epochs=epochs, jitter=600).model
    truth, predicted = (values.ravel() for values in on_chromosomes(task, model))  # all windows of chrIV, in order
    reached = pearson(truth, predicted)
    assert reached > floor
    assert reached > pearson(truth, by_words(task, chroms)[: len(truth)])
    assert abs(pearson(rotated(truth), predicted)) < 0.05


def test_known_sites_come_out_above_the_same_letters_in_other_orders(mirror: str) -> None:
    """As in lesson 08: a copy of a site in shuffled windows of chrIV, against words of the same composition."""
    data = load_dataset("yeast_atac", mirror=mirror, progress=False)
    task = task_for_seed(data, 0, track=open_chromatin(data))
    model = predictor(train(task, task.split.train, 0, build=base_model, epochs=5).model)
    test = task.split.test.iloc[:: len(task.split.test) // 100]
    windows = np.concatenate([batch[0] for batch in task.batches(test, batch_size=512, shuffle=False)])
    backgrounds = dinucleotide_shuffle(windows, 0)

    def effect(word: str) -> float:
        each = [global_importance(model, backgrounds, w, bins=slice(12, 20), log=True) for w in spelled_out(word)]
        return float(np.mean(each))

    sites = known_sites(data.manifest.organism)
    assert sites == {"REB1": "TTACCCG", "ABF1": "RTCRYNNNNNACG"}
    for word in sites.values():
        controls = [effect(other) for other in shuffled_words(spelled_out(word)[0], 10, 0)]
        assert effect(word) > max(controls)
        assert effect(word) > np.mean(controls) + 0.05
