"""Random reverse complement and random shift as Keras layers, on codes alone or on codes, targets and weights together.

`WindowBatches` does the same while it gathers batches, and can shift further since it reads the genome. These layers are for arrays of one's
own and for use inside a model; being made of `keras.ops` they run on every backend.

Each step draws anew and for each sample on its own. A layer changes nothing at inference, but that a shift gives the middle window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.prepare.augment import check_stranded
from helpers.prepare.tables import COLUMNS, within
from helpers.train.backend import keras
from helpers.train.layers import PACKAGE
from helpers.train.turning import cut, flank_of, reverse_complement_codes, reverse_complement_together, shift_together

__all__ = ["RandomReverseComplement", "RandomShift", "flank_windows", "reverse_complement_together", "shift_together"]

ops = keras.ops


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomReverseComplement(keras.layers.Layer):
    """Show each sample from the other strand with a given probability, in training.

    Called with codes it gives codes: right where the target is one value that does not depend on the strand. Called with a tuple (codes,
    targets) or (codes, targets, weights) it turns them together, for a pipeline or a training step: `layer(batch, training=True)`.

    Parameters
    ----------
    seed : int
        0 or more.
    probability : float
        From 0 to 1.
    stranded : sequence of int, optional
        Partner of each track, where tracks belong to strands.

    Raises
    ------
    InputError
        If an argument is impossible; when called, if `stranded` does not pair the tracks.
    """

    def __init__(self, *, seed: int, probability: float = 0.5, stranded: Sequence[int] | None = None, **options: Any) -> None:
        super().__init__(**options)
        if not 0 <= probability <= 1:
            raise InputError(f"probability is {probability}: choose a number from 0 to 1")
        self.seed, self.probability = _checked_seed(seed), probability
        self.stranded = None if stranded is None else list(stranded)
        self._draws = keras.random.SeedGenerator(seed)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Check the samples first: an error raised inside `call` would reach the user with many lines of Keras's own."""
        _, targets, _ = _parts(inputs)
        if targets is not None:
            check_stranded(self.stranded, targets.shape[-1])
        return super().__call__(inputs, **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Toss a coin per sample and turn those that it chooses."""
        if not training:
            return inputs
        codes, targets, weights = _parts(inputs)
        flips = keras.random.uniform((ops.shape(codes)[0],), seed=self._draws) < self.probability
        if targets is None:
            return reverse_complement_codes(codes, flips)
        return reverse_complement_together(codes, targets, flips, weights=weights, stranded=self.stranded)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make the same layer."""
        return {**super().get_config(), "seed": self.seed, "probability": self.probability, "stranded": self.stranded}


@keras.saving.register_keras_serializable(package=PACKAGE)
class RandomShift(keras.layers.Layer):
    """Cut from each wider sample a window, moved at random in training and the middle one at inference.

    Called with codes (batch, window + 2 * flank) it gives codes (batch, window). Called with a tuple (codes, targets) or (codes, targets,
    weights) of that width it cuts them together, for a pipeline or a training step: `layer(batch, training=True)`.

    Parameters
    ----------
    seed : int
        0 or more.
    window : int
        Width of what comes out, in bp.
    jitter : int
        Farthest move to either side in bp, a multiple of `bin_size`; every move up to it is as likely, both ends included. At most the flank.
    bin_size : int
        In bp, by which moves are counted: that of the targets, or 1 for codes alone.

    Raises
    ------
    InputError
        If an argument is impossible; when called, if the samples have flanks narrower than the jitter.
    """

    def __init__(self, *, seed: int, window: int, jitter: int, bin_size: int = 1, **options: Any) -> None:
        super().__init__(**options)
        if window < 1 or bin_size < 1 or window % bin_size:
            raise InputError(f"window is {window} bp and bin_size {bin_size} bp: choose a bin size that divides the window")
        if jitter < 0 or jitter % bin_size:
            raise InputError(f"jitter is {jitter} bp: choose 0 or a multiple of the bin size, {bin_size} bp")
        self.seed, self.window, self.jitter, self.bin_size = _checked_seed(seed), window, jitter, bin_size
        self._draws = keras.random.SeedGenerator(seed)

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Check the samples first: an error raised inside `call` would reach the user with many lines of Keras's own."""
        codes, targets, _ = _parts(inputs)
        flank = flank_of(codes, self.window, self.bin_size, targets)
        if self.jitter > flank:
            raise InputError(
                f"jitter is {self.jitter} bp, but samples of {codes.shape[1]} bp have flanks of {flank} bp beside a window of {self.window} bp: "
                f"prepare samples of {self.window + 2 * self.jitter} bp, or choose a jitter up to {flank // self.bin_size * self.bin_size} bp"
            )
        return super().__call__(inputs, **options)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Draw a move per sample and cut there."""
        codes, targets, weights = _parts(inputs)
        most = self.jitter // self.bin_size if training else 0
        shape, draw = (ops.shape(codes)[0],), {"dtype": "int32", "seed": self._draws}
        shifts = keras.random.randint(shape, -most, most + 1, **draw) if most else ops.zeros(shape, dtype="int32")
        if targets is None:
            return cut(codes, flank_of(codes, self.window, self.bin_size) + shifts * self.bin_size, self.window)
        return shift_together(codes, targets, shifts, window=self.window, bin_size=self.bin_size, weights=weights)

    def get_config(self) -> dict[str, Any]:
        """Give the arguments that make the same layer."""
        own = {"seed": self.seed, "window": self.window, "jitter": self.jitter, "bin_size": self.bin_size}
        return {**super().get_config(), **own}


def flank_windows(regions: pd.DataFrame, flank: int, lengths: Mapping[str, int]) -> pd.DataFrame:
    """Make three samples of each: the left, the middle and the right window of the region extended by a flank to both sides.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`, and any other, such as a label.
    flank : int
        By how much each region is extended to either side, in bp; a multiple of the bin size where windows stay on the bin grid.
    lengths : mapping
        Chromosome lengths in bp.

    Returns
    -------
    DataFrame
        Three rows for each region, in the order left, middle, right, as wide as the region and with all its columns, the label included;
        `placement` (left, middle or right) and `region` (number of the region's row) are new. Windows that would leave their chromosome
        are dropped, and counted in `filter_counts`.

    Raises
    ------
    InputError
        If a column is missing or `flank` is below 1.

    Notes
    -----
    After Cao & Zhang 2019 (doi 10.1093/bioinformatics/bty893). The three share bases: split into training and test before this, never after.
    The label is kept although the window moved; a target per bin must be read again where the window is now.
    """
    missing = [column for column in COLUMNS if column not in regions]
    if missing:
        raise InputError(
            f"regions have no column {missing[0]!r}, only {', '.join(map(str, regions.columns))}: give chrom, start, end"
        )
    if flank < 1:
        raise InputError(f"flank is {flank} bp: choose 1 or more, or the three windows are one")
    number = np.repeat(np.arange(len(regions)), 3)
    moves = np.tile([-flank, 0, flank], len(regions))
    table = regions.iloc[number].reset_index(drop=True)
    table = table.assign(start=table["start"] + moves, end=table["end"] + moves)
    table = table.assign(placement=np.tile(np.array(["left", "middle", "right"], object), len(regions)), region=number)
    return within(table, lengths)


def _parts(inputs: Any) -> tuple[Any, Any, Any]:
    """Tell codes, targets and weights apart; what is not there is None."""
    return (*inputs, None, None)[:3] if isinstance(inputs, (tuple, list)) else (inputs, None, None)


def _checked_seed(seed: int) -> int:
    """Return the seed, or raise."""
    if seed < 0:
        raise InputError(f"seed is {seed}: choose 0 or more")
    return seed
