"""What lesson 10 predicts: whether a locus is active in a cell type, from the locus' sequence, its epigenome in that cell type, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from helpers.course.experiments import only_simulated
from helpers.data.datasets import DataSet
from helpers.data.simulation import SimulationSettings, World, make_world, sample_library, stage_rng
from helpers.data.simulation.tracks import coverage
from helpers.errors import InputError
from helpers.evaluate.baselines import kmer_counts
from helpers.evaluate.cell_types import How, PairSplit, evaluation_pairs
from helpers.prepare.regions import tile, window_values

# As many genes as fit, in ten cell types, from one batch (lesson 12 is about batches). Nothing needs a rate for every 10 bp, or variants.
GENOME: dict[str, Any] = {
    "n_chromosomes": 10, "chromosome_length": 2_500_000, "n_cell_types": 10, "genes_per_mb": 40.0,
    "n_batches": 1, "signal_resolution": 50, "variants_per_mb": 0.0,
}  # fmt: skip
CHROMOSOME_PARTS = ("train",) * 6 + ("validation",) + ("test",) * 3
CELL_TYPE_PARTS = ("train",) * 6 + ("validation",) * 2 + ("test",) * 2
REACH = 2_000  # bp of sequence that stand for a locus (as in Schreiber et al. 2020)
AROUND = 20_000  # bp to either side that the widest measurement of the epigenome covers
DOMAIN_BIN = 40_000  # bp: the resolution at which domain boundaries are called (as in Schreiber et al. 2020)
WHY = "it needs the activity of the same loci in ten cell types, and a world in which no locus keeps its activity"
Inputs = Literal["sequence", "epigenome", "both"]
INPUTS: tuple[Inputs, ...] = ("sequence", "epigenome", "both")


@dataclass(frozen=True)
class Loci:
    """Loci and what is known of each in every cell type.

    Parameters
    ----------
    places : DataFrame
        Columns `chrom`, `start`, `end` (bp): the stretch whose sequence stands for the locus.
    parts : object array, shape (loci,)
        train, validation or test, by chromosome.
    cell_types : tuple of str
        Their names; `CELL_TYPE_PARTS` says which are trained on.
    words : float32 array, shape (loci, words)
        How often each word occurs in the sequence: the same in every cell type.
    epigenome : float32 array, shape (loci, cell types, 5)
        arcsinh of coverage over the track's mean: in each quarter of the 2 kb, about as wide as a peak (a gene's start first), and over the 20 kb
        to either side.
    activity : float64 array, shape (loci, cell types)
        Natural log of expression, or of a boundary element's rate.
    active : bool array, shape (loci, cell types)
        What is to be predicted.
    """

    places: pd.DataFrame
    parts: np.ndarray
    cell_types: tuple[str, ...]
    words: np.ndarray
    epigenome: np.ndarray
    activity: np.ndarray
    active: np.ndarray

    def cell_types_in(self, *parts: str) -> list[int]:
        """Numbers of the cell types of these parts."""
        return [number for number, part in enumerate(CELL_TYPE_PARTS) if part in parts]

    def pairs(self, how: How, target: int | None = None) -> PairSplit:
        """Choose the pairs of an evaluation, as `evaluation_pairs` does."""
        return evaluation_pairs(how, self.parts, CELL_TYPE_PARTS, target)

    def random_pairs(self, seed: int) -> PairSplit:
        """Split pairs at random, whatever their locus and cell type: seven tenths for training, one for validation, two for testing."""
        drawn = np.random.default_rng(seed).choice(3, p=(0.7, 0.1, 0.2), size=self.active.shape)
        return PairSplit(*(drawn == part for part in range(3)))

    def features(self, inputs: Inputs, pairs: np.ndarray) -> np.ndarray:
        """Describe the pairs that a bool array (loci, cell types) marks: float32 array, shape (pairs, features), row by row.

        Raises
        ------
        InputError
            If the inputs are unknown.
        """
        if inputs not in INPUTS:
            raise InputError(f"inputs are {inputs!r}: choose {', '.join(INPUTS)}")
        rows, columns = np.nonzero(pairs)
        known = {"sequence": [self.words[rows]], "epigenome": [self.epigenome[rows, columns]]}
        return np.hstack(known.get(inputs) or [*known["sequence"], *known["epigenome"]])

    def dealt_out_anew(self, seed: int) -> Loci:
        """Deal activity and epigenome out anew among the loci, in each cell type by itself: no locus keeps its activity, and nothing else changes."""
        rng = np.random.default_rng(seed)
        order = np.stack([rng.permutation(len(self.words)) for _ in self.cell_types], axis=1)
        column = np.arange(len(self.cell_types))
        dealt = {name: getattr(self, name)[order, column] for name in ("epigenome", "activity", "active")}
        return replace(self, **dealt)


def ten_cell_types(data: DataSet, seed: int, settings: Mapping[str, Any] | None = None) -> World:
    """Give a seed a genome with ten cell types, in memory: its libraries are drawn as they are needed, and never written.

    Parameters
    ----------
    data : DataSet
        What the lesson has loaded.
    seed : int
        Makes the genome.
    settings : mapping, optional
        Further settings of the generator, such as a null world's.

    Returns
    -------
    World

    Raises
    ------
    NotForThisDataset
        If the data set is not simulated.
    """
    only_simulated(data, WHY)
    stated = data.manifest.simulation
    chosen = {**(stated.settings if stated else {}), **GENOME, **(settings or {})}
    return make_world(SimulationSettings().replace(**chosen), (stated.seed if stated else 0) + seed)


def genes(world: World, word: int) -> Loci:
    """Take genes as loci: 2 kb of sequence before the start; active where the log of expression is above 0, the middle of all genes.

    Parameters
    ----------
    world : World
        From `ten_cell_types`.
    word : int
        Letters of the words that are counted.

    Returns
    -------
    Loci
    """
    table = world.layout.genes
    tss, forward = table["tss"].to_numpy(), table["strand"].to_numpy() == 1
    first = np.where(forward, tss - REACH, tss + 1)
    return _loci(world, first, np.where(forward, -1, 1), world.expression, world.expression > 0, word)


def boundaries(world: World, word: int) -> Loci:
    """Take stretches of 40 kb as loci: the 2 kb in the middle stand for each; active where it holds a domain boundary whose element is open.

    Parameters
    ----------
    world, word
        As for `genes`.

    Returns
    -------
    Loci
        Activity is the highest log rate of the boundary elements in the stretch, and 0, that of no motif, without any.
    """
    bins = tile(world.lengths, DOMAIN_BIN)
    number = {chrom: number for number, chrom in enumerate(world.chromosomes)}
    start = bins["chrom"].map(number).to_numpy() * world.settings.chromosome_length + bins["start"].to_numpy()
    elements = world.elements
    chosen = np.flatnonzero((elements["role"] == "boundary").to_numpy() & (elements["copy_of"] < 0).to_numpy())
    place = elements["centre"].to_numpy()[chosen]
    stretch = np.searchsorted(start, place, side="right") - 1
    inside = place < start[stretch] + DOMAIN_BIN  # a chromosome may end with less than a stretch
    activity = np.zeros((len(bins), len(world.cell_types)))
    np.maximum.at(activity, stretch[inside], world.log_rates[chosen[inside]])
    middle = start + (DOMAIN_BIN - REACH) // 2
    return _loci(world, middle, np.ones(len(bins), int), activity, activity >= world.settings.active_log_rate, word)


def _loci(world: World, first: np.ndarray, strand: np.ndarray, activity: np.ndarray, active: np.ndarray, word: int) -> Loci:
    """Read sequence and epigenome of loci that begin at global places; where the strand is -1 the quarters are counted from the other end."""
    places = world.located(pd.DataFrame({"start": first, "end": first + REACH}))
    names = dict(zip(world.chromosomes, CHROMOSOME_PARTS, strict=False))
    parts = places["chrom"].map(names).to_numpy(dtype=object)
    words, _ = kmer_counts(world.flat[first[:, None] + np.arange(REACH)], word)
    quarters = [np.where(strand == 1, number, 3 - number) * REACH // 4 for number in range(4)]
    windows = [places.assign(start=places["start"] + left, end=places["start"] + left + REACH // 4) for left in quarters]
    centre, room = places["start"] + REACH // 2, world.settings.chromosome_length
    windows.append(places.assign(start=(centre - AROUND).clip(lower=0), end=(centre + AROUND).clip(upper=room)))
    epigenome = np.stack([_openness(world, letter, windows) for letter in world.cell_types], axis=1)
    return Loci(places, parts, world.cell_types, words, epigenome, activity, active)


def _openness(world: World, letter: str, windows: list[pd.DataFrame]) -> np.ndarray:
    """Mean coverage of each window over the track's mean, as arcsinh: float32 array, shape (loci, windows); windows widen to whole bins."""
    fragments = sample_library(world, letter, rng=stage_rng(world.seed, "library", letter, "atac", ""))
    track, size = coverage(world, fragments), world.settings.signal_resolution
    columns = []
    for table in windows:
        grid = table.assign(start=table["start"] // size * size, end=-(-table["end"] // size) * size)
        columns.append(np.arcsinh(window_values(grid, world.split(track), size, "mean") / track.mean()))
    return np.stack(columns, axis=1).astype(np.float32)
