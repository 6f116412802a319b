"""Tracks and peaks as a peak caller makes them: coverage, fold change over control, -log10 p, narrowPeak. All in bins of `signal_resolution` bp."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from helpers.data.simulation.world import World
from helpers.files.runs import count_within, true_runs

Floats = NDArray[np.float64]

#: Widths over which the control's local rate is taken, bp (MACS: `--slocal`, `--llocal`; Zhang 2008).
LOCAL_WINDOWS = (1_000, 10_000)
LAMBDA_STEP = 100
"""The local rate is constant over so many bp."""
PEAK_MERGE, PEAK_LEAST = 30, 100
"""Peaks closer than this are merged, and shorter ones dropped, bp."""
_LEAST_TAIL = 1e-280
UNMAPPABLE_LEAST = 100
"""Runs of bins without a single unique read are marked as missing from this length on, bp."""


def coverage(world: World, fragments: pd.DataFrame) -> Floats:
    """Pileup: how many fragments lie over the middle base of each bin, all chromosomes in one array of shape (bins,).

    The middle base of bin b is b x resolution + resolution // 2; at a `signal_resolution` of 1 this is coverage base by base.
    """
    length = world.settings.chromosome_length
    first = (
        fragments["chrom"].map({name: number * length for number, name in enumerate(world.chromosomes)}).to_numpy(dtype=np.int64)
    )
    return pileup(world, first + fragments["start"].to_numpy(), first + fragments["end"].to_numpy())


def pileup(world: World, start: NDArray[np.int64], end: NDArray[np.int64]) -> Floats:
    """Pileup of fragments in global coordinates, as in `coverage`."""
    resolution, n_bins = world.settings.signal_resolution, len(world.gc)
    # The first bin whose middle is not before a place.
    start_bin, end_bin = ((place - resolution // 2 + resolution - 1) // resolution for place in (start, end))
    steps = np.bincount(start_bin, minlength=n_bins + 1) - np.bincount(end_bin, minlength=n_bins + 1)
    return np.cumsum(steps[:n_bins]).astype(float)


def local_lambda(world: World, treatment: Floats, control: Floats) -> Floats:
    """Estimate coverage without signal, per bin: the largest of the genome's mean and the control's means over 1 kb and 10 kb, at equal depth.

    Means leave out bins that nothing can map to. Source: MACS, Zhang et al. 2008.
    """
    known = world.known
    n_bins = len(treatment) // world.settings.n_chromosomes
    genome_mean = treatment[known].mean() if known.any() else 0.0
    scale = genome_mean / max(control[known].mean(), 1e-12) if known.any() else 0.0
    # One value per LAMBDA_STEP: that of the bin in its middle.
    step = max(LAMBDA_STEP // world.settings.signal_resolution, 1)
    middle = np.minimum(np.arange(0, n_bins, step) + step // 2, n_bins - 1)
    fragments, weight = (_sums_before(values.reshape(-1, n_bins)) for values in (control * known, known.astype(float)))
    background = np.full((world.settings.n_chromosomes, len(middle)), genome_mean)
    for window in LOCAL_WINDOWS:
        half = max(window // world.settings.signal_resolution // 2, 1)
        low, high = np.maximum(middle - half, 0), np.minimum(middle + half + 1, n_bins)
        mean = (fragments[:, high] - fragments[:, low]) / np.maximum(weight[:, high] - weight[:, low], 1)
        background = np.maximum(background, scale * mean)
    return np.repeat(np.round(background, 4), step, axis=1)[:, :n_bins].ravel()


def _sums_before(rows: Floats) -> Floats:
    """Sum of what stands before each place of a row, shape (rows, bins + 1)."""
    return np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=1)], axis=1)


def neglog10_p(treatment: NDArray, background: NDArray) -> Floats:
    """-log10 of the Poisson probability of at least `treatment` fragments (rounded to a whole number) where `background` are expected.

    0 where the pileup is 0. Where the probability is below 1e-280, the log of the tail's series is summed instead:
    P(X >= n) = e^-m m^n / n! (1 + m / (n + 1) + m^2 / ((n + 1)(n + 2)) + ...).
    """
    count, mean = np.broadcast_arrays(
        np.floor(np.asarray(treatment, dtype=float) + 0.5), np.maximum(np.asarray(background, dtype=float), 1e-9)
    )
    tail = special.gammainc(np.maximum(count, 1), mean)
    value: Floats = np.zeros(count.shape)
    np.negative(np.log10(np.maximum(tail, _LEAST_TAIL)), out=value, where=count > 0)
    far = (count > 0) & (tail < _LEAST_TAIL)
    n, m = count[far], mean[far]
    term, series = np.ones(len(n)), np.ones(len(n))
    for step in range(1, 200):
        term = term * m / (n + step)
        series += term
    value[far] = -(n * np.log(m) - m - special.gammaln(n + 1) + np.log(series)) / np.log(10)
    np.abs(np.round(value, 2), out=value)  # the absolute value makes 0 of -0
    return value


def fold_change(treatment: Floats, background: Floats) -> Floats:
    """Coverage over local background, with a pseudocount of 1 on both sides where background is 0."""
    ratio: Floats = np.where(background > 0, treatment / np.maximum(background, 1e-9), treatment + 1)
    return ratio.round(2)


def missing(world: World) -> NDArray[np.bool_]:
    """Bins that a caller marks as missing: gaps, and long runs without a unique read; none if `nan_stretches` is False."""
    settings = world.settings
    if not settings.nan_stretches:
        return np.zeros(len(world.gc), bool)
    gap = (world.flat == 4).reshape(-1, settings.signal_resolution).any(axis=1)
    start, end = true_runs(world.mappability <= 0)
    long = (end - start) * settings.signal_resolution >= UNMAPPABLE_LEAST
    steps = np.zeros(len(gap) + 1, np.int32)
    steps[start[long]] += 1
    steps[end[long]] -= 1
    return gap | (np.cumsum(steps[:-1]) > 0)


def call_peaks(world: World, p_values: Floats, fold: Floats, prefix: str) -> pd.DataFrame:
    """Call peaks: runs of bins with -log10 p of at least `peak_neglog10p`, merged across 30 bp, at least 100 bp long.

    Returns
    -------
    DataFrame
        The ten columns of narrowPeak; the summit is the middle of the first bin with the largest -log10 p, its signal the fold change
        there; -log10 q is -1 (not computed); score is min(1000, 10 x -log10 p).
    """
    resolution, n_bins = world.settings.signal_resolution, len(p_values) // world.settings.n_chromosomes
    high = (np.nan_to_num(p_values, nan=0.0) >= world.settings.peak_neglog10p).reshape(-1, n_bins)
    # One empty bin after each chromosome keeps a run from passing to the next.
    start, end = true_runs(np.pad(high, ((0, 0), (0, 1))).ravel())
    start, end = start - start // (n_bins + 1), end - end // (n_bins + 1)
    joined = ((start[1:] - end[:-1]) * resolution <= PEAK_MERGE) & (start[1:] // n_bins == (end[:-1] - 1) // n_bins)
    start, end = start[np.concatenate([[True], ~joined])[: len(start)]], end[np.concatenate([~joined, [True]])[: len(end)]]
    long = (end - start) * resolution >= PEAK_LEAST
    start, end = start[long], end[long]
    peak = np.repeat(np.arange(len(start)), end - start)
    bins = start[peak] + count_within(end - start)
    height = np.nan_to_num(p_values[bins], nan=-1.0)
    best = np.lexsort((bins, -height, peak))
    summit = bins[best[np.searchsorted(peak[best], np.arange(len(start)))]] if len(start) else start
    table = pd.DataFrame({"start": start * resolution, "end": end * resolution})
    table = world.located(table)
    table["name"] = [f"{prefix}_{number}" for number in range(1, len(table) + 1)]
    table["score"] = np.minimum(1_000, 10 * p_values[summit]).astype(np.int64)
    table["strand"] = "."
    table["signal"], table["neglog10p"], table["neglog10q"] = fold[summit], p_values[summit], -1.0
    table["summit"] = (summit - start) * resolution + resolution // 2
    return table
