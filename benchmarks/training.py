"""Measure the rate of `fit` with augmentation against Keras's own `fit` on arrays in memory; print both (windows/s) and the ratio as JSON.

It runs where TensorFlow is installed: `python benchmarks/training.py`, in the project's environment; `run_all.py` starts it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the target is for a processor

from helpers.prepare.batches import WindowBatches
from helpers.prepare.prepared import PreparedData
from helpers.prepare.tables import table_of
from helpers.train.backend import keras
from helpers.train.fitting import fit
from helpers.train.losses import make_loss
from helpers.train.models import residual_dilated
from helpers.train.seeding import seed_everything

LENGTH, BIN, TRACKS = 2_000_000, 32, 6
WINDOW, BATCH, WINDOWS, JITTER = 1024, 64, 2048, 384
EPOCHS = 16
RATE = 1e-3


def prepared() -> PreparedData:
    """Make a chromosome of random sequence and signal."""
    rng = np.random.default_rng(0)
    bins = LENGTH // BIN
    columns = {"chrom": ["chr1"], "length": LENGTH, "base_offset": 0, "bin_offset": 0, "bins": bins, "missing": 0}
    codes = rng.integers(0, 4, LENGTH).astype(np.uint8)
    targets = rng.gamma(1.0, 1.0, (bins, TRACKS)).astype(np.float32)
    return PreparedData(codes, targets, pd.DataFrame(columns), BIN, tuple(f"track_{k}" for k in range(TRACKS)), {})


def model() -> Any:
    """Make the residual dilated model, in its own sizes."""
    seed_everything(0, os.cpu_count() or 1)
    return residual_dilated(WINDOW, BIN, TRACKS)


class KerasOwn:
    """The same model, loss and optimizer, trained by Keras on arrays, without augmentation; notes the seconds of each epoch."""

    def __init__(self, codes: np.ndarray, targets: np.ndarray) -> None:
        self.codes, self.targets = codes, targets
        self.seconds: list[float] = []
        self.model = model()
        self.model.compile(keras.optimizers.Adam(RATE), make_loss("poisson"), jit_compile=False)

    def epoch(self) -> None:
        """Train one epoch; what Keras does before and after it is not counted."""
        times: list[float] = []
        note = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, **__: times.append(time.perf_counter()),
            on_epoch_end=lambda *_, **__: times.append(time.perf_counter()),
        )
        self.model.fit(self.codes, self.targets, batch_size=BATCH, verbose=0, callbacks=[note])
        self.seconds.append(times[1] - times[0])


def by_turns(batches: WindowBatches, other: KerasOwn) -> list[float]:
    """Train with `fit`, and after each epoch one of Keras's: a busy moment meets both. Seconds of our epochs, with all that is done around them."""
    ours, begun = [], [time.perf_counter()]

    def turn(_: dict[str, float]) -> None:
        ours.append(time.perf_counter() - begun[-1])
        other.epoch()
        begun.append(time.perf_counter())

    fit(model(), batches, loss="poisson", epochs=EPOCHS, learning_rate=RATE, schedule="constant", on_epoch=turn)
    return ours


def main() -> int:
    """Measure; the first epochs, in which the models are traced, are left out."""
    data = prepared()
    starts = np.random.default_rng(1).choice((LENGTH - WINDOW) // BIN - 2 * JITTER // BIN, WINDOWS, replace=False) * BIN + JITTER
    regions = table_of(["chr1"] * WINDOWS, starts, starts + WINDOW)
    usual: dict[str, Any] = {"window": WINDOW, "batch_size": BATCH, "seed": 0}
    augmented = WindowBatches(data, regions, jitter=JITTER, reverse_complement=True, **usual)
    codes, targets = (np.concatenate(part) for part in zip(*WindowBatches(data, regions, **usual), strict=True))
    other = KerasOwn(codes, targets)
    ours = np.array(by_turns(augmented, other)[1:])
    theirs = np.array(other.seconds[1:])
    rates = {"ours": WINDOWS / np.median(ours), "keras": WINDOWS / np.median(theirs), "ratio": np.median(theirs / ours)}
    print(json.dumps(rates))
    return 0


if __name__ == "__main__":
    sys.exit(main())
