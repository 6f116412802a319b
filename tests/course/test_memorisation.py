"""The small networks of the lesson on memorised loci: what they can learn, when they stop, and that they are the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from helpers.course import memorisation
from helpers.course.loci import CELL_TYPE_PARTS, Loci
from helpers.course.memorisation import PATIENCE, fit_network, predict_pairs, within_groups, without_model
from helpers.errors import InputError
from helpers.evaluate.cell_types import evaluation_pairs, mean_precision
from helpers.evaluate.classification import auprc

Labelled = tuple[np.ndarray, np.ndarray]


def clouds(samples: int, seed: int) -> Labelled:
    """Two overlapping normal distributions."""
    rng = np.random.default_rng(seed)
    labels = rng.random(samples) < 0.3
    return (rng.normal(size=(samples, 2)) + labels[:, None]).astype(np.float32), labels


def name_tags(loci: int = 150) -> Loci:
    """Loci that are always on or always off, with a sequence that says nothing but which locus it is, and an empty epigenome."""
    rng = np.random.default_rng(5)
    active = np.repeat(rng.random((loci, 1)) < 0.5, 10, axis=1)
    words, epigenome = rng.normal(size=(loci, 20)).astype(np.float32), rng.normal(size=(loci, 10, 2)).astype(np.float32)
    parts = np.array(["train"] * (loci // 2) + ["validation"] * 10 + ["test"] * (loci - loci // 2 - 10), dtype=object)
    places = pd.DataFrame({"chrom": "chr1", "start": np.arange(loci), "end": np.arange(loci) + 1})
    return Loci(places, parts, tuple("ABCDEFGHIJ"), words, epigenome, active.astype(float), active)


def test_a_network_learns_what_a_logistic_regression_does() -> None:
    train, validation, test = clouds(3_000, 0), clouds(1_000, 1), clouds(3_000, 2)
    linear = LogisticRegression().fit(*train).predict_proba(test[0])[:, 1]
    network = fit_network(train, validation, 8, 0)
    probability = network.probability(test[0])
    assert probability.shape == (3_000,)
    assert auprc(test[1], probability) == pytest.approx(auprc(test[1], linear), abs=0.02)
    assert probability.mean() > test[1].mean() + 0.1  # batches are balanced: half of the samples are expected to be positive


def test_the_weights_are_those_of_the_best_epoch() -> None:
    train, validation = clouds(500, 0), clouds(500, 1)
    network = fit_network(train, validation, 4, 3)
    scores = [
        auprc(validation[1], fit_network(train, validation, 4, 3, epochs=n).probability(validation[0])) for n in range(1, 12)
    ]
    assert network.epoch <= 100 - PATIENCE
    kept = auprc(validation[1], network.probability(validation[0]))
    assert kept == pytest.approx(max(kept, *scores))
    assert scores == sorted(scores)  # one more epoch never makes the kept weights worse


def test_a_seed_fixes_a_network() -> None:
    train, validation = clouds(400, 0), clouds(200, 1)
    one, again, other = (fit_network(train, validation, 4, seed, epochs=3).probability(train[0]) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_errors() -> None:
    train = clouds(50, 0)
    with pytest.raises(InputError, match="the 50 training labels are all the same: give samples of both classes"):
        fit_network((train[0], np.ones(50, dtype=bool)), train, 2, 0)
    with pytest.raises(InputError, match="labels are all 0"):
        fit_network(train, (train[0], np.zeros(50, dtype=bool)), 2, 0)
    with pytest.raises(InputError, match="epochs is 0"):
        fit_network(train, train, 2, 0, epochs=0)


def test_name_tags_are_memorised_and_useless_elsewhere() -> None:
    loci = name_tags()
    seen, new = (evaluation_pairs(how, loci.parts, CELL_TYPE_PARTS) for how in ("cross-cell-type", "hybrid"))  # type: ignore[arg-type]
    said = predict_pairs(loci, "sequence", seen, 64, 0)
    assert said.shape == (150, 10)
    assert mean_precision(loci.active, said, seen.test) > 0.98
    assert mean_precision(loci.active, said, new.test) < 0.75
    blind = predict_pairs(loci, "epigenome", seen, 64, 0)
    assert mean_precision(loci.active, blind, seen.test) < 0.75
    assert np.array_equal(said, np.repeat(said[:, :1], 10, axis=1))  # a sequence says the same in all cell types


def test_a_network_that_says_nothing_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    train, validation = (clouds(300, seed) for seed in (0, 1))
    seeds = []
    once = memorisation._fit

    def off_at_first(*given: object) -> tuple[MLPClassifier, int]:
        layers, epoch = once(*given)  # type: ignore[arg-type]
        seeds.append(given[5])
        if len(seeds) < 3:
            layers.intercepts_[0][:] = -1e6  # no unit is ever on
        return layers, epoch

    monkeypatch.setattr(memorisation, "_fit", off_at_first)
    network = fit_network(train, validation, 1, 7, epochs=5)
    assert len(set(seeds)) == len(seeds) == 3
    assert seeds[0] == 7
    assert np.ptp(network.probability(validation[0])) > 0


def test_predictions_without_a_model() -> None:
    loci = name_tags(30)
    rng = np.random.default_rng(3)
    active = rng.random((30, 10)) < 0.5
    loci = replace(loci, active=active, activity=active + rng.random((30, 10)))
    loci.epigenome[:, 8, 0] = loci.epigenome[:, 2, 0]  # cell type I is most like C, and J like E
    loci.epigenome[:, 9, 0] = 3 * loci.epigenome[:, 4, 0] + 1
    said = without_model(loci)
    assert {values.shape for values in said.values()} == {(30, 10)}
    assert np.ptp(said["guess"]) == 0
    assert np.allclose(said["average activity"][:, 9], active[:, :6].mean(axis=1))
    assert np.allclose(said["average level"][:, 8], loci.activity[:, :6].mean(axis=1))
    assert np.array_equal(said["level in the nearest cell type"][:, 8:], loci.activity[:, [2, 4]])


def test_groups_are_made_by_the_other_cell_types() -> None:
    loci = name_tags(60)
    rng = np.random.default_rng(3)
    loci = replace(loci, active=rng.random((60, 10)) < 0.5)
    table = within_groups(loci, loci.active.astype(float))
    seen = loci.parts != "test"
    groups = loci.active[seen, :8].sum(axis=1)
    for row in table.itertuples():
        here = loci.active[seen][groups == row.group][:, 8:]
        assert row.pairs == here.size
        assert row.active == pytest.approx(here.mean())
        assert row.gain == pytest.approx(1 - here.mean())  # a perfect prediction
