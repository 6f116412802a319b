"""Occlusion: what happens to predictions when the instances of a pattern are taken out of sequences that have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.aligned import WINDOWS_AT_ONCE, Predict
from helpers.evaluate.patterns import find_pattern
from helpers.evaluate.readout import log_signal, mean_signal
from helpers.evaluate.shuffling import check_frequencies, random_order_within
from helpers.files.runs import true_runs

Fill = Literal["random", "shuffled"]


def occlusion_effects(
    predict: Predict,
    codes: np.ndarray,
    pattern: str,
    rng: np.random.Generator | int,
    *,
    repeats: int = 25,
    fill: Fill = "random",
    frequencies: Sequence[float] = (0.25, 0.25, 0.25, 0.25),
    both_strands: bool = True,
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
) -> pd.DataFrame:
    """Replace all instances of a pattern in each sequence, many times, and compare the signal with what it was.

    Predictions are averaged over bins, then over the replacements, before anything is compared (Toneyan et al. 2022, Methods,
    Occlusion-based experiments). A replacement may by chance bring the pattern back: one in 4 ** 7 for seven random bases.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (sequences, window)
    pattern : str
        In A, C, G, T and N; an N is any known base, and is replaced as well.
    rng : Generator or int
    repeats : int
        Replacements for each sequence.
    fill : "random" or "shuffled"
        Whether bases are drawn, or those of the instance are put in another order. Instances that overlap are one stretch.
    frequencies : sequence of float, shape (4,)
        Of A, C, G, T, for "random".
    both_strands : bool
        Whether instances of the reverse complement are replaced, too.
    track, bins, log
        As in `mean_signal`.

    Returns
    -------
    DataFrame
        One row a sequence that has an instance: `sequence` (its row in `codes`), `instances` (how many), `original` and `occluded` (signal)
        and `effect`, original - occluded or the difference of their logarithms: above 0 where the pattern raises the signal.

    Raises
    ------
    InputError
        If no sequence has the pattern, or an argument or the predictions are refused as by `find_pattern` and `mean_signal`.
    """
    chances = check_frequencies(frequencies)
    if repeats < 1 or fill not in get_args(Fill):
        raise InputError(f"repeats is {repeats} and fill {fill!r}: choose 1 or more, and one of {', '.join(get_args(Fill))}")
    starts = find_pattern(codes, pattern, both_strands=both_strands)
    rows = np.flatnonzero(starts.any(axis=1))
    if not len(rows):
        raise InputError(f"pattern {pattern!r} is in none of the {len(codes):,} sequences: give some that have it")
    hidden = np.zeros(codes.shape, bool)
    for offset in range(len(pattern)):
        hidden[:, offset : offset + starts.shape[1]] |= starts
    generator = np.random.default_rng(rng)
    step = max(1, WINDOWS_AT_ONCE // (repeats + 1))
    original, occluded = np.empty(len(rows)), np.empty(len(rows))
    for low in range(0, len(rows), step):
        part = slice(low, low + step)
        chosen = rows[part]
        filled = _refilled(codes[chosen], hidden[chosen], repeats, chances if fill == "random" else None, generator)
        values = mean_signal(predict, np.concatenate([codes[chosen], filled]), track=track, bins=bins)
        original[part] = values[: len(chosen)]
        occluded[part] = values[len(chosen) :].reshape(len(chosen), repeats).mean(axis=1)
    effect = log_signal(original) - log_signal(occluded) if log else original - occluded
    counts = starts[rows].sum(axis=1)
    return pd.DataFrame({"sequence": rows, "instances": counts, "original": original, "occluded": occluded, "effect": effect})


def _refilled(
    codes: np.ndarray, hidden: np.ndarray, repeats: int, chances: np.ndarray | None, rng: np.random.Generator
) -> np.ndarray:
    """Repeat each sequence with its hidden bases drawn by their chances, or, without chances, each hidden stretch in another order."""
    filled = np.repeat(codes, repeats, axis=0)
    mask = np.repeat(hidden, repeats, axis=0)
    if chances is not None:
        filled[mask] = rng.choice(4, int(mask.sum()), p=chances)
        return filled
    starts, ends = true_runs(np.pad(mask, ((0, 0), (0, 1))).ravel())  # a base between rows parts their stretches
    stretches = np.repeat(np.arange(len(starts)), ends - starts)
    filled[mask] = filled[mask][random_order_within(stretches, rng)]
    return filled
