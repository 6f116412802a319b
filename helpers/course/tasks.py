"""What the training lessons train on: for each seed a genome and its coverage, cut into windows that are split by chromosome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from helpers.course.experiments import is_simulated
from helpers.course.findings import NotForThisDataset
from helpers.data.datasets import DataSet, load_dataset
from helpers.files import bed
from helpers.files.fasta import Genome
from helpers.prepare import regions
from helpers.prepare.batches import WindowBatches
from helpers.prepare.dataset import prepare_dataset
from helpers.prepare.prepared import PreparedData
from helpers.prepare.splits import Split, split_by_chromosome

TRACK, PEAKS = "atac_A_coverage", "atac_A_peaks"  # of the simulated genome
ONE_CELL_TYPE: dict[str, Any] = {"n_cell_types": 1}
TOP_SHARE = 0.15  # of the training windows count as active, by their highest bin: about as many as hold a peak
Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Task:
    """Predict one track from sequence, window by window.

    Parameters
    ----------
    data : DataSet
        Its files.
    prepared : PreparedData
        Sequence and the binned track.
    split : Split
        Windows side by side over whole chromosomes, without gaps and excluded regions.
    window : int
        Their width, bp.
    """

    data: DataSet
    prepared: PreparedData
    split: Split
    window: int

    @property
    def track(self) -> str:
        """Id of the track."""
        return self.prepared.tracks[0]

    def peaks(self) -> pd.DataFrame:
        """Peaks called on the track: columns `chrom`, `start`, `end`, `summit`.

        Raises
        ------
        NotForThisDataset
            If the data set has none.
        """
        found = self.data.by_role("peaks")
        if not found:
            raise NotForThisDataset(f"data set {self.data.name!r} has no file with the role 'peaks': add one to its manifest")
        return regions.peaks(next(iter(found.values())), self.data.aliases)

    def active(self, part: Part, share: float = TOP_SHARE) -> pd.DataFrame:
        """Windows of a part above a threshold: those whose highest bin is among the highest `share` of the training windows."""
        signal, bin_size = self.prepared.signal(self.track), self.prepared.bin_size
        threshold = float(np.quantile(regions.window_values(self.split.train, signal, bin_size), 1 - share))
        return regions.windows_above(self.split.parts[part], signal, bin_size, threshold)

    def with_background(self, windows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Add as many other windows of the training part, drawn at random: columns `chrom`, `start`, `end`."""
        rest = regions.exclude(self.split.train, windows, "the given windows")
        chosen = np.sort(rng.permutation(len(rest))[: len(windows)])
        return pd.concat([windows, rest.iloc[chosen]], ignore_index=True)

    def centred(self, windows: pd.DataFrame, width: int | None = None) -> pd.DataFrame:
        """Put a window (of this task's width, or of `width` bp) around the highest bin of each window, where its chromosome has room."""
        bin_size = self.prepared.bin_size
        signal = self.prepared.signal(self.track)
        places = windows[["chrom", "start", "end"]].itertuples(index=False)
        tops = [
            start // bin_size + int(np.nanargmax(signal[chrom][start // bin_size : end // bin_size]))
            for chrom, start, end in places
        ]
        summits = windows.assign(summit=np.array(tops, np.int64) * bin_size + bin_size // 2)
        return regions.align(regions.centred(summits, width or self.window, self.prepared.lengths), bin_size)

    def batches(self, windows: pd.DataFrame, **options: Any) -> WindowBatches:
        """Make batches of windows: `WindowBatches` with this task's data and width, 64 windows each unless told otherwise."""
        return WindowBatches(self.prepared, windows, **{"window": self.window, "batch_size": 64, "seed": 0, **options})

    def in_order(self, part: Part) -> WindowBatches:
        """Batches of all windows of a part, in order and as they are: for predictions."""
        return self.batches(self.split.parts[part], batch_size=512, shuffle=False)


def task_for_seed(
    data: DataSet,
    seed: int,
    *,
    window: int = 1_024,
    bin_size: int = 32,
    track: str = "",
    settings: Mapping[str, Any] | None = None,
) -> Task:
    """Give a seed its own task.

    Parameters
    ----------
    data : DataSet
        What the lesson has loaded.
    seed : int
        For a simulated data set it makes a new genome of full size, with one cell type. A real one stays the same: there a seed changes
        the training alone.
    window, bin_size : int
        In bp; the window is a multiple of the bin size.
    track : str
        Id of the track to predict; empty for the ATAC-like coverage of a simulated genome, and for the first track, or else the fragments,
        of a real one. Bases that it does not cover count as zero.
    settings : mapping, optional
        Further settings of the generator; a real data set has none.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        If the track is unknown, or a part of the manifest's split has no window.
    """
    if is_simulated(data):
        ids = ["genome", "exclusions", track or TRACK, PEAKS]
        data = load_dataset(data.manifest, seed=seed, settings={**ONE_CELL_TYPE, **(settings or {})}, ids=ids)
    chosen = track or next(iter([*data.tracks, *data.by_role("fragments")]), "")
    prepared = prepare_dataset(data, bin_size=bin_size, tracks=[chosen], uncovered="zero")
    windows = regions.tile(prepared.lengths, window)
    with Genome(data.genome, data.aliases) as genome:
        windows = regions.exclude(windows, regions.gaps(genome, list(prepared.lengths)), "gaps")
    for listed in data.by_role("exclusions").values():
        windows = regions.exclude(windows, bed.read_bed(listed, data.aliases), "the exclusion list")
    held_out = data.manifest.splits
    return Task(data, prepared, split_by_chromosome(windows, held_out.validation, held_out.test, held_out.train), window)
