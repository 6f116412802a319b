"""Where an experiment of a lesson is done for one seed: a small simulated genome of its own, or another stretch of a real one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.course.findings import NotForThisDataset
from helpers.data.datasets import DataSet, load_dataset
from helpers.data.schema import Splits
from helpers.errors import InputError
from helpers.files.bigwig import chrom_lengths
from helpers.files.chroms import resolve_name
from helpers.files.fasta import Genome

# A genome that is simulated in about a second: enough for findings on files and tracks, which need no training.
SMALL_GENOME: dict[str, Any] = {"n_chromosomes": 3, "chromosome_length": 400_000, "n_cell_types": 1}
SMALL_SPLITS = Splits(validation=["chr2"], test=["chr3"])
MORE_SEEDS = 2  # times as many in the profile `full`
STRETCH = 300_000  # bp of a real genome


@dataclass(frozen=True)
class Place:
    """A stretch of a genome, and the data set that covers it.

    Parameters
    ----------
    data : DataSet
        Its files.
    chrom, start, end : str, int, int
        The stretch, by the genome's own names, 0-based and half-open.
    """

    data: DataSet
    chrom: str
    start: int
    end: int


def seed_numbers(profile: str, seeds: int, first_seed: int) -> range:
    """Seeds of an experiment: one in the profile `smoke`, `seeds` in `quick`, twice as many in `full`, counted from `first_seed`.

    Raises
    ------
    InputError
        If the profile is unknown, or fewer than one seed is asked for.
    """
    counts = {"smoke": 1, "quick": seeds, "full": MORE_SEEDS * seeds}
    if profile not in counts:
        raise InputError(f"profile {profile!r} is unknown: choose smoke, quick or full")
    if seeds < 1:
        raise InputError(f"seeds is {seeds}: an experiment needs at least one, and five to say anything about spread")
    return range(first_seed, first_seed + counts[profile])


def is_simulated(data: DataSet) -> bool:
    """Say whether a data set was made by the generator, so that a seed can make another one."""
    return data.seed is not None


def only_simulated(data: DataSet, why: str) -> None:
    """Skip a lesson on data sets that are not simulated; `why` says what it needs of a simulation.

    Raises
    ------
    NotForThisDataset
        If the data set is not simulated; a run then lists the lesson as skipped.
    """
    if not is_simulated(data):
        raise NotForThisDataset(f"this lesson needs a simulated data set, and {data.name!r} is none: {why}")


def place_for_seed(data: DataSet, seed: int, *, ids: Collection[str], settings: Mapping[str, Any] | None = None) -> Place:
    """Give a seed its own place to experiment on.

    Parameters
    ----------
    data : DataSet
        What the lesson has loaded.
    seed : int
        For a simulated data set it makes a new, small genome (`SMALL_GENOME`), of which chr1 is used. For a real one it chooses another
        stretch of 300 kb (or a whole chromosome, where that is shorter), on a chromosome that all tracks cover, in proportion to length.
    ids : collection of str
        Ids of the files that the experiment reads; only a simulated data set uses them, to write no others.
    settings : mapping, optional
        Further settings of the generator, such as a null world's; a real data set has none.

    Returns
    -------
    Place

    Raises
    ------
    InputError
        If no chromosome of a real genome is covered by all tracks.
    """
    if is_simulated(data):
        manifest = data.manifest.model_copy(update={"splits": SMALL_SPLITS})
        small = load_dataset(manifest, seed=seed, settings={**SMALL_GENOME, **(settings or {})}, ids=ids)
        return Place(small, "chr1", 0, int(SMALL_GENOME["chromosome_length"]))
    lengths = _covered_lengths(data)
    rng = np.random.default_rng(seed)
    chrom = str(rng.choice(list(lengths), p=np.array(list(lengths.values())) / sum(lengths.values())))
    start = int(rng.integers(max(lengths[chrom] - STRETCH, 0) + 1))
    return Place(data, chrom, start, min(start + STRETCH, lengths[chrom]))


def _covered_lengths(data: DataSet) -> dict[str, int]:
    """Lengths of the genome's chromosomes that every track has."""
    with Genome(data.genome, data.aliases) as genome:
        lengths = dict(genome.lengths)
    for track in data.tracks.values():
        names = chrom_lengths(track)
        lengths = {chrom: length for chrom, length in lengths.items() if _has(names, chrom, data.aliases)}
    if not lengths:
        raise InputError(f"data set {data.name!r} has no chromosome that all its tracks cover: leave out a track")
    return lengths


def _has(names: Collection[str], chrom: str, aliases: Mapping[str, str]) -> bool:
    """Whether a file has a chromosome, by any of its names."""
    try:
        resolve_name(chrom, names, aliases, "track")
    except InputError:
        return False
    return True
