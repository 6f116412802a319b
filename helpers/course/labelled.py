"""What lesson 09 learns from: windows of a small simulated genome, their word counts and labels, and the answer key of what was duplicated."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from helpers.course.experiments import only_simulated
from helpers.course.tasks import PEAKS
from helpers.data.datasets import DataSet, load_dataset
from helpers.data.simulation import read_truth
from helpers.evaluate.baselines import kmer_counts
from helpers.files import bed
from helpers.files.fasta import Genome
from helpers.prepare import regions
from helpers.prepare.tables import COLUMNS

# Eight chromosomes, as in the default genome and with its split, but a third of their length; nothing needs variants.
GENOME: dict[str, Any] = {"chromosome_length": 400_000, "n_cell_types": 1, "variants_per_mb": 0.0}
WHY = "it needs the answer key of what was duplicated, and worlds in which nothing is"


@dataclass(frozen=True)
class LabelledWindows:
    """Windows along a genome, to be classified by whether a peak's summit lies in them.

    Parameters
    ----------
    table : DataFrame
        Columns `chrom`, `start`, `end`; without gaps and excluded regions.
    codes : dict of str to uint8 array, shape (length,)
        Chromosomes.
    words : float32 array, shape (windows, words)
        How often each word occurs in a window, on either strand.
    labels : int array, shape (windows,)
        1 where a summit lies in the window, else 0.
    copies : DataFrame
        Both sides of each segmental duplication: `chrom`, `start`, `end` of the one, `other_chrom`, `other_start`, `other_end` of the other.
    """

    table: pd.DataFrame
    codes: dict[str, np.ndarray]
    words: np.ndarray
    labels: np.ndarray
    copies: pd.DataFrame

    def copied_on(self, chroms: Collection[str]) -> np.ndarray:
        """Say of each window whether, by the answer key, some of it was copied from or to one of these chromosomes: bool array, shape (windows,)."""
        linked = self.copies[self.copies["other_chrom"].isin(list(chroms))]
        return regions.overlaps(self.table, linked[COLUMNS].reset_index(drop=True))


def small_genome(data: DataSet, seed: int, settings: Mapping[str, Any] | None = None) -> DataSet:
    """Give a seed a small genome of its own.

    Parameters
    ----------
    data : DataSet
        What the lesson has loaded.
    seed : int
        Makes the genome.
    settings : mapping, optional
        Further settings of the generator, over those of `GENOME`.

    Returns
    -------
    DataSet
        Genome, exclusions, peaks and truth.

    Raises
    ------
    NotForThisDataset
        If the data set is not simulated.
    """
    only_simulated(data, WHY)
    ids = ["genome", "exclusions", PEAKS, "truth"]
    return load_dataset(data.manifest, seed=seed, settings={**GENOME, **(settings or {})}, ids=ids)


def labelled_windows(data: DataSet, window: int, stride: int, word: int) -> LabelledWindows:
    """Cut a small genome into windows, count their words and label them.

    Parameters
    ----------
    data : DataSet
        From `small_genome`.
    window, stride : int
        Width of a window and distance of two starts, bp.
    word : int
        Letters of the words that are counted.

    Returns
    -------
    LabelledWindows

    Raises
    ------
    InputError
        If a width or the length of the words cannot be.
    """
    with Genome(data.genome) as genome:
        codes = {chrom: genome.codes(chrom) for chrom in genome.lengths}
        gaps = regions.gaps(genome)
    table = regions.tile({chrom: len(sequence) for chrom, sequence in codes.items()}, window, stride)
    table = regions.exclude(table, gaps, "gaps")
    table = regions.exclude(table, bed.read_bed(data.paths["exclusions"]), "the exclusion list")
    peaks = regions.peaks(data.paths[PEAKS])
    summits = peaks.assign(start=peaks["summit"], end=peaks["summit"] + 1)
    starts = table["start"].to_numpy()
    cut = np.empty((len(table), window), np.uint8)
    for chrom, rows in table.groupby("chrom").indices.items():
        cut[rows] = codes[str(chrom)][starts[rows, None] + np.arange(window)]
    labels = regions.label_windows(table, summits).astype(int)
    return LabelledWindows(table, codes, kmer_counts(cut, word)[0], labels, _copies(read_truth(data.paths["truth"])))


def _copies(truth: pd.DataFrame) -> pd.DataFrame:
    """Both sides of each duplication in the answer key, the copy first."""
    found = truth.loc[truth["kind"] == "duplication", [*COLUMNS, "source"]]
    parts = found["source"].str.extract(r"^(?P<chrom>.+):(?P<start>\d+)-(?P<end>\d+)$").astype({"start": int, "end": int})
    sides = []
    for one, other in ((found[COLUMNS], parts[COLUMNS]), (parts[COLUMNS], found[COLUMNS])):
        sides.append(pd.concat([one, other.add_prefix("other_")], axis=1))
    return pd.concat(sides, ignore_index=True)
