"""Background regions that resemble a foreground in what should not count, such as GC content."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.files.fasta import Genome
from helpers.prepare.tables import check_regions, keep, reduce_ranges

log = logging.getLogger(__name__)

Sequence = Genome | Mapping[str, np.ndarray]


def gc_of(regions: pd.DataFrame, genome: Sequence) -> np.ndarray:
    """Measure the GC fraction of each region, over its known bases.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`.
    genome : Genome or mapping of str to uint8 array, shape (length,)
        Open FASTA, or codes (A, C, G, T = 0..3, else 4) by chromosome.

    Returns
    -------
    float64 array, shape (regions,)
        NaN where no base is known.

    Raises
    ------
    InputError
        If a region leaves its chromosome.
    """
    lengths = dict(genome.lengths) if isinstance(genome, Genome) else {chrom: len(codes) for chrom, codes in genome.items()}
    check_regions(regions, lengths)
    chroms, starts, ends = (regions[column].to_numpy() for column in ("chrom", "start", "end"))
    fractions = np.full(len(regions), np.nan)
    for chrom in regions["chrom"].unique():
        rows = np.flatnonzero(chroms == chrom)
        codes = genome.codes(chrom) if isinstance(genome, Genome) else genome[chrom]
        strong = reduce_ranges(np.add, (codes == 1) | (codes == 2), starts[rows], ends[rows], np.int64)
        known = reduce_ranges(np.add, codes < 4, starts[rows], ends[rows], np.int64)
        with np.errstate(invalid="ignore"):
            fractions[rows] = strong / known
    return fractions


def gc_matched(
    regions: pd.DataFrame,
    candidates: pd.DataFrame,
    genome: Sequence,
    rng: np.random.Generator | int,
    *,
    ratio: float = 1.0,
    step: float = 0.02,
) -> pd.DataFrame:
    """Draw background regions with the GC content of a foreground, without replacement.

    GC is cut into steps; from each step as many candidates are drawn, times `ratio`, as the foreground has regions there. Where there are
    too few, all are taken: the shortage is logged, never filled from another step.

    Parameters
    ----------
    regions : DataFrame
        The foreground.
    candidates : DataFrame
        What may be drawn; exclude the foreground, gaps and exclusion lists first.
    genome : Genome or mapping of str to uint8 array
        As for `gc_of`.
    rng : Generator or int
        Source of randomness, or a seed.
    ratio : float
        Background regions per foreground region.
    step : float
        Width of a step of GC fraction.

    Returns
    -------
    DataFrame
        The rows drawn, in the order of `candidates`, with a clean index.

    Raises
    ------
    InputError
        If `ratio` or `step` is not above 0, a table is empty, or a region leaves its chromosome.
    """
    if ratio <= 0 or not 0 < step <= 1:
        raise InputError(f"ratio is {ratio} and step {step}: both are above 0, and step at most 1")
    if not len(regions) or not len(candidates):
        raise InputError(f"{len(regions)} regions and {len(candidates)} candidates: both tables need rows to match GC")
    generator = np.random.default_rng(rng)
    wanted, available = (_levels(gc_of(table, genome), step) for table in (regions, candidates))
    chosen = np.zeros(len(candidates), bool)
    short = 0
    for level, count in zip(*np.unique(wanted[wanted >= 0], return_counts=True), strict=True):
        rows = np.flatnonzero(available == level)
        target = round(count * ratio)
        short += max(0, target - len(rows))
        chosen[generator.permutation(rows)[:target]] = True
    if short:
        log.warning("%s background regions fewer than asked for: no candidate left with the foreground's GC", f"{short:,}")
    return keep(candidates, chosen, "drawn to match the GC of the foreground")


def _levels(fractions: np.ndarray, step: float) -> np.ndarray:
    """Find the step that each GC fraction falls in; -1 where it is not known."""
    return np.where(np.isnan(fractions), -1, np.floor(np.nan_to_num(fractions) / step + 1e-9)).astype(np.int64)
