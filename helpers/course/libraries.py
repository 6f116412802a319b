"""What lesson 12 classifies: libraries of donors from two groups, sequenced in several batches, as counts in windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from helpers.data.simulation import World, fragment_rates
from helpers.errors import InputError

DONOR_SD = 0.2  # of the natural log of a window's rate, between donors


def window_rates(world: World, window: int, cell_type: str = "A", batch: int = 0) -> np.ndarray:
    """Give the expected fragments of an ATAC-like library of full depth: float64 array, shape (windows,), chromosome after chromosome.

    Parameters
    ----------
    world : World
        A simulated genome.
    window : int
        Width in bp; divides the chromosome length, and is a multiple of the genome's resolution.
    cell_type, batch : str, int
        As in `fragment_rates`.

    Raises
    ------
    InputError
        If windows of this width do not fit.
    """
    resolution, length = world.settings.signal_resolution, world.settings.chromosome_length
    if window < 1 or window % resolution or length % window:
        raise InputError(f"window is {window} bp: choose a multiple of {resolution} bp that divides {length:,} bp")
    rates = fragment_rates(world, cell_type, "atac", depth=world.settings.depth, batch=batch)
    return np.asarray(sum(rates)).reshape(-1, window // resolution).sum(axis=1)


def draw_libraries(
    world: World,
    window: int,
    classes: Sequence[int] | np.ndarray,
    batches: Sequence[int] | np.ndarray,
    rng: np.random.Generator,
    *,
    share: float,
    donor_sd: float = DONOR_SD,
) -> np.ndarray:
    """Draw a library of each donor.

    Parameters
    ----------
    world : World
        A simulated genome with the cell types A and B.
    window : int
        Width of the windows, bp.
    classes : sequence of int, shape (libraries,)
        0: all cells are of type A. 1: `share` of them are of type B.
    batches : sequence of int, shape (libraries,)
        The batch that each library was made in; 0 is the reference.
    rng : Generator
        Source of randomness.
    share, donor_sd : float
        Share of B, and how much donors differ by chance.

    Returns
    -------
    int64 array, shape (libraries, windows)
        Fragments counted: Poisson with the donor's own rate. All libraries have the same expected depth, but for what the donor adds.

    Raises
    ------
    InputError
        If a class is neither 0 nor 1, or there is not one batch for each library.
    """
    y, made_in = np.asarray(classes), np.asarray(batches)
    if y.ndim != 1 or made_in.shape != y.shape or not np.isin(y, (0, 1)).all():
        raise InputError(f"classes have shape {y.shape} and batches {made_in.shape}: give 0 or 1, and a batch, for each library")
    rates = np.empty((len(y), len(world.flat) // window))
    for batch in np.unique(made_in):
        a, b = (window_rates(world, window, name, int(batch)) for name in "AB")
        here = made_in == batch
        rates[here] = a + share * y[here, None] * (b - a)
    return rng.poisson(rates * np.exp(rng.normal(-(donor_sd**2) / 2, donor_sd, rates.shape)))
