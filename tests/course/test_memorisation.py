"""The small networks of the lesson on memorised loci: what they can learn, when they stop, and that they are the same each time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from helpers.course.loci import CELL_TYPE_PARTS, Loci
from helpers.course.memorisation import PATIENCE, fit_network, predict_pairs
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
