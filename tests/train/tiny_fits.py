"""A genome that takes no time to learn from, and a model that takes little to train: shared by the tests of fitting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from helpers.prepare.batches import WindowBatches
from helpers.prepare.prepared import PreparedData
from helpers.prepare.regions import tile
from helpers.train.backend import keras

BIN, WINDOW, TRACKS = 8, 64, 2
BINS = WINDOW // BIN
LENGTHS = {"a": 8_000, "b": 4_003, "c": 2_000}


def tiny_data(seed: int = 0, *, missing: bool = False) -> PreparedData:
    """Three chromosomes of random bases; the targets are the share of G and C in a bin, and four times it."""
    lengths = np.array(list(LENGTHS.values()))
    bins = -(-lengths // BIN)
    offset = np.cumsum(bins) - bins
    columns = {"chrom": list(LENGTHS), "length": lengths, "base_offset": offset * BIN, "bin_offset": offset, "bins": bins}
    codes = np.random.default_rng(seed).integers(0, 4, bins.sum() * BIN).astype(np.uint8)
    share = np.isin(codes, (1, 2)).reshape(-1, BIN).mean(axis=1).astype(np.float32)
    targets = np.stack([share, 4 * share], axis=1)
    if missing:
        targets[10:14, 1] = np.nan
    return PreparedData(codes, targets, pd.DataFrame({**columns, "missing": 4 * int(missing)}), BIN, ("gc", "four_gc"), {})


def tiny_training(data: PreparedData, **changes: Any) -> WindowBatches:
    """Windows of chromosome a, moved and turned; the last batch of an epoch is a small one."""
    usual = {"window": WINDOW, "batch_size": 32, "seed": 3, "jitter": 2 * BIN, "reverse_complement": True}
    arguments = {**usual, **changes}
    return WindowBatches(data, tile({"a": LENGTHS["a"]}, arguments["window"]), **arguments)


def tiny_validation(data: PreparedData, **changes: Any) -> WindowBatches:
    """Windows of chromosome b, as they stand."""
    usual = {"window": WINDOW, "batch_size": 20, "seed": 0, "shuffle": False}
    return WindowBatches(data, tile({"b": LENGTHS["b"]}, WINDOW), **{**usual, **changes})


def tiny_model(
    seed: int = 0,
    *,
    window: int = WINDOW,
    tracks: int = TRACKS,
    activation: str = "relu",
    dropout: float = 0.1,
    output: str = "softplus",
) -> Any:
    """A model with all that has a state: weights, moving means, and a layer with random numbers of its own."""
    keras.utils.set_random_seed(seed)
    codes = keras.Input((window,), dtype="uint8")
    x = keras.layers.Embedding(5, 4)(codes)
    x = keras.layers.Conv1D(6, BIN, strides=BIN, activation=activation)(x)
    x = keras.layers.Dropout(dropout)(keras.layers.BatchNormalization(momentum=0.9)(x))
    return keras.Model(codes, keras.layers.Dense(tracks, activation=output)(x), name="tiny")


def same_weights(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Tell whether two models' weights are equal bit for bit."""
    return len(first) == len(second) and all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
