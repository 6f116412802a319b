"""Measure near-duplicate search, mutagenesis and bootstrap against plain alternatives with the same results; print the rates as JSON.

It runs where TensorFlow is installed: `python benchmarks/evaluating.py`, in the project's environment; `run_all.py` starts it.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np
from measure import rates
from scipy import stats

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # all on a processor

from helpers.evaluate.attribution import in_silico_mutagenesis
from helpers.evaluate.bootstrap import block_bootstrap, cut_blocks
from helpers.evaluate.readout import mean_signal
from helpers.prepare.similarity import jaccard_estimate, near_duplicate_pairs, sketch_regions, sketch_windows
from helpers.train.models import residual_dilated
from helpers.train.predicting import predictor
from helpers.train.seeding import seed_everything

WINDOWS, COPIES, LENGTH, THRESHOLD = 4_000, 400, 512, 0.5
MANY, STRIDE = 1_000_000, 128
MUTATED, BIN = 2_048, 32
BINS, BLOCK, RESAMPLES = 37_500, 1_000, 200


def near_duplicates() -> dict[str, float]:
    """Find windows that are diverged copies of others: pairs of windows a second, looked through by us and by comparing all with all."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (WINDOWS, LENGTH)).astype(np.uint8)
    codes[-COPIES:] = codes[:COPIES]
    changed = rng.random((COPIES, LENGTH)) < 0.01
    codes[-COPIES:][changed] = rng.integers(0, 4, changed.sum())
    sketches = sketch_windows(codes)

    def all_with_all() -> list[tuple[int, int]]:
        found = []
        for number in range(len(sketches) - 1):
            alike = np.flatnonzero(jaccard_estimate(sketches[number + 1 :], sketches[number]) >= THRESHOLD)
            found += [(number, number + 1 + int(other)) for other in alike]
        return found

    def ours() -> list[tuple[int, int]]:
        pairs = near_duplicate_pairs(sketches, THRESHOLD)
        return list(zip(pairs["first"], pairs["second"], strict=True))

    assert sorted(ours()) == all_with_all()
    pairs = WINDOWS * (WINDOWS - 1) / 2
    return rates({"ours": (ours, pairs), "other": (all_with_all, pairs)}, 3)


def a_million() -> float:
    """Seconds from the bases of a chromosome to the near-duplicates among a million windows of it, a twentieth of which is duplicated."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, MANY * STRIDE + LENGTH).astype(np.uint8)
    piece = 50_000
    for source, target in rng.integers(0, len(codes) // piece - 1, (len(codes) // piece // 20, 2)) * piece:
        codes[target : target + piece] = codes[source : source + piece]
    start = time.perf_counter()
    sketches = sketch_regions(codes, np.arange(MANY) * STRIDE, LENGTH)
    found = near_duplicate_pairs(sketches, THRESHOLD)
    seconds = time.perf_counter() - start
    assert (found["second"] - found["first"] > LENGTH // STRIDE).any()
    return seconds


def mutagenesis() -> dict[str, float]:
    """Score all mutants of a window: mutants a second, in one call, and in one call each."""
    seed_everything(0, os.cpu_count() or 1)
    predict = predictor(residual_dilated(MUTATED, BIN, 1))
    sequence = np.random.default_rng(2).integers(0, 4, (1, MUTATED)).astype(np.uint8)
    some = range(0, MUTATED, MUTATED // 64)

    def one_by_one() -> np.ndarray:
        reference = mean_signal(predict, sequence)[0]
        changes = np.zeros((len(some), 4))
        for row, place in enumerate(some):
            for base in range(4):
                mutant = sequence.copy()
                mutant[0, place] = base
                changes[row, base] = mean_signal(predict, mutant)[0] - reference
        return changes

    np.testing.assert_allclose(in_silico_mutagenesis(predict, sequence)[0, list(some)], one_by_one(), atol=1e-4)
    work = {"ours": (lambda: in_silico_mutagenesis(predict, sequence), 3.0 * MUTATED), "other": (one_by_one, 4.0 * len(some))}
    return rates(work, 3)


def bootstrap() -> dict[str, float]:
    """Resample blocks of a chromosome: resamples a second, by us, and by SciPy from the numbers of the blocks."""
    rng = np.random.default_rng(3)
    truth = rng.gamma(1.0, 1.0, BINS)
    guess = truth + rng.normal(size=BINS)
    blocks = cut_blocks(truth, guess, size=BLOCK)

    def correlation(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.corrcoef(one, other)[0, 1])

    def of_blocks(numbers: np.ndarray) -> float:
        return correlation(*(np.concatenate(parts) for parts in zip(*(blocks[int(number)] for number in numbers), strict=True)))

    def ours() -> tuple[float, float]:
        return block_bootstrap(correlation, blocks, 0, resamples=RESAMPLES)[1:3]

    def scipy_own() -> tuple[float, float]:
        options = {"n_resamples": RESAMPLES, "method": "percentile", "vectorized": False}
        found = stats.bootstrap((np.arange(len(blocks)),), of_blocks, rng=np.random.default_rng(0), **options)
        return tuple(found.confidence_interval)

    np.testing.assert_allclose(ours(), scipy_own(), atol=0.01)
    return rates({"ours": (ours, RESAMPLES), "other": (scipy_own, RESAMPLES)})


def main() -> int:
    """Measure."""
    measures = {"near_duplicates": near_duplicates(), "mutagenesis": mutagenesis(), "bootstrap": bootstrap()}
    print(json.dumps({**measures, "a_million": a_million()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
