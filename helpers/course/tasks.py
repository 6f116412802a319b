"""What the training lessons train on: for each seed a genome and its coverage, cut into windows that are split by chromosome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

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

if TYPE_CHECKING:
    from helpers.data.simulation import World

TRACK, PEAKS = "atac_A_coverage", "atac_A_peaks"  # of the simulated genome
ONE_CELL_TYPE: dict[str, Any] = {"n_cell_types": 1}
TOP_SHARE = 0.15  # of the training windows count as active, by their highest bin: about as many as hold a peak
TOP_BINS = 0.1  # share of bins that are labelled 1 where no peaks were called
Part = Literal["train", "validation", "test"]


@dataclass(frozen=True, eq=False)  # equal to itself alone, so that what is made of a task can be cached
class Task:
    """Predict a track, or several, from sequence, window by window.

    Parameters
    ----------
    data : DataSet
        Its files.
    prepared : PreparedData
        Sequence and the binned tracks.
    split : Split
        Windows side by side over whole chromosomes, without gaps and excluded regions.
    window : int
        Their width, bp.
    settings : dict
        Of the generator, over those of the manifest; empty for real data.
    """

    data: DataSet
    prepared: PreparedData
    split: Split
    window: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def track(self) -> str:
        """Id of the track; of the first, where there are several."""
        return self.prepared.tracks[0]

    def only(self, track: str) -> Task:
        """Keep one of several tracks; raises InputError if it is none of them."""
        column = self.prepared.signal(track)
        targets = np.concatenate(list(column.values()))[:, None]
        return replace(self, prepared=replace(self.prepared, targets=targets, tracks=(track,)))

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
        """Windows of a part above a threshold: those whose highest bin is among the highest `share` of the training windows, in any track."""
        windows, bin_size = self.split.parts[part], self.prepared.bin_size
        above = np.zeros(len(windows), bool)
        for track in self.prepared.tracks:
            signal = self.prepared.signal(track)
            threshold = float(np.quantile(regions.window_values(self.split.train, signal, bin_size), 1 - share))
            above |= regions.window_values(windows, signal, bin_size) > threshold
        return regions.keep(windows, above, f"among the highest {share:.0%}")

    def with_background(self, windows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
        """Add as many other windows of the training part, drawn at random: columns `chrom`, `start`, `end`."""
        rest = regions.exclude(self.split.train, windows, "the given windows")
        chosen = np.sort(rng.permutation(len(rest))[: len(windows)])
        return pd.concat([windows, rest.iloc[chosen]], ignore_index=True)

    def centred(self, windows: pd.DataFrame, width: int | None = None) -> pd.DataFrame:
        """Put a window (of this task's width, or of `width` bp) around the highest bin of each window, where its chromosome has room.

        Of several tracks, the first decides.
        """
        bin_size = self.prepared.bin_size
        signal = self.prepared.signal(self.track)
        places = windows[["chrom", "start", "end"]].itertuples(index=False)
        tops = [
            start // bin_size + int(np.nanargmax(signal[chrom][start // bin_size : end // bin_size]))
            for chrom, start, end in places
        ]
        summits = windows.assign(summit=np.array(tops, np.int64) * bin_size + bin_size // 2)
        return regions.align(regions.centred(summits, width or self.window, self.prepared.lengths), bin_size)

    def around_peaks(self, part: Part) -> pd.DataFrame:
        """Put a window around the summit of each called peak of a part, or around the highest bins (`centred`) where no peaks were called."""
        if not self.data.by_role("peaks"):
            return self.centred(self.active(part))
        peaks = self.peaks()
        summits = regions.table_of(peaks["chrom"].tolist(), peaks["summit"].to_numpy(), peaks["summit"].to_numpy() + 1)
        inside = peaks[regions.overlaps(summits, self.split.parts[part])].reset_index(drop=True)
        return regions.align(regions.centred(inside, self.window, self.prepared.lengths), self.prepared.bin_size)

    def labelled(self) -> Task:
        """Put a label in the place of the signal: 1 for bins that called peaks cover by half or more, else 0.

        Where no peaks were called, 1 is for the highest tenth of the first track's bins.
        """
        if self.data.by_role("peaks"):
            labels = self._share_in_peaks() >= 0.5
        else:
            labels = self.prepared.targets[:, 0] > np.quantile(self.prepared.targets[:, 0], 1 - TOP_BINS)
        return replace(self, prepared=replace(self.prepared, targets=labels.astype(np.float32)[:, None], tracks=("peaks",)))

    def _share_in_peaks(self) -> np.ndarray:
        """Share of each bin that called peaks cover: array, shape (bins,)."""
        peaks = self.peaks()
        known = peaks[peaks["chrom"].isin(self.prepared.lengths)]
        offset = known["chrom"].map(self.prepared.chroms.set_index("chrom")["base_offset"]).to_numpy(np.int64)
        steps = np.zeros(len(self.prepared.codes) + 1, np.int32)
        np.add.at(steps, offset + known["start"].to_numpy(), 1)
        np.add.at(steps, offset + known["end"].to_numpy(), -1)
        return (np.cumsum(steps[:-1]) > 0).reshape(-1, self.prepared.bin_size).mean(axis=1)

    def world(self) -> World:
        """Make the simulated genome of this task once more, in memory, with its answer key.

        Raises
        ------
        NotForThisDataset
            If the data set is not simulated.
        """
        if not is_simulated(self.data):
            raise NotForThisDataset(
                f"data set {self.data.name!r} is not simulated, so there is no answer key: choose a simulated one"
            )
        from helpers.data.simulation import SimulationSettings, make_world

        manifest = self.data.manifest.simulation
        settings = {**(manifest.settings if manifest else {}), **self.settings}
        return make_world(SimulationSettings().replace(**settings), self.data.seed or 0)

    def true_rate(self) -> Task:
        """Put the expected coverage that fragments were drawn from in the place of the measured one: what no model can surpass.

        Raises
        ------
        NotForThisDataset
            If the data set is not simulated, or a track is not the coverage of an assay.
        """
        names = [track.split("_") for track in self.prepared.tracks]
        for track, parts in zip(self.prepared.tracks, names, strict=True):
            if not is_simulated(self.data) or len(parts) not in (3, 4) or parts[-1] != "coverage":  # 4: with a replicate's name
                raise NotForThisDataset(f"the true rate of {track!r} is not known: choose a simulated track of coverage")
        from helpers.data.simulation import expected_coverage

        world = self.world()
        rates = [expected_coverage(world, parts[1], parts[0], self.prepared.bin_size) for parts in names]
        columns = [np.concatenate([rate[chrom] for chrom in self.prepared.lengths]) for rate in rates]
        targets = np.stack(columns, axis=1).astype(np.float32)
        return replace(self, prepared=replace(self.prepared, targets=targets))

    def batches(self, windows: pd.DataFrame, **options: Any) -> WindowBatches:
        """Make batches of windows: `WindowBatches` with this task's data and width, 64 windows each unless told otherwise."""
        return WindowBatches(self.prepared, windows, **{"window": self.window, "batch_size": 64, "seed": 0, **options})

    def in_order(self, part: Part) -> WindowBatches:
        """Batches of all windows of a part, in order and as they are: for predictions."""
        return self.batches(self.split.parts[part], batch_size=128, shuffle=False)


def task_for_seed(
    data: DataSet,
    seed: int,
    *,
    window: int = 1_024,
    bin_size: int = 32,
    track: str | Sequence[str] = "",
    settings: Mapping[str, Any] | None = None,
) -> Task:
    """Give a seed its own task.

    Parameters
    ----------
    data : DataSet
        What the lesson has loaded.
    seed : int
        For a simulated data set it makes a new genome of full size, with one cell type unless `settings` say otherwise. A real one stays
        the same: there a seed changes the training alone.
    window, bin_size : int
        In bp; the window is a multiple of the bin size.
    track : str or sequence of str
        Id of the track to predict, or of several; empty for the ATAC-like coverage of a simulated genome, and for the first track, or else
        the fragments, of a real one. Bases that it does not cover count as zero.
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
    chosen_settings = {**ONE_CELL_TYPE, **(settings or {})} if is_simulated(data) else {}
    tracks = [track] if isinstance(track, str) and track else list(track)
    if is_simulated(data):
        ids = ["genome", "exclusions", PEAKS, *(tracks or [TRACK])]
        data = load_dataset(data.manifest, seed=seed, settings=chosen_settings, ids=ids)
    chosen = tracks or [*data.tracks, *data.by_role("fragments")][:1]
    prepared = prepare_dataset(data, bin_size=bin_size, tracks=chosen, uncovered="zero")
    windows = regions.tile(prepared.lengths, window)
    with Genome(data.genome, data.aliases) as genome:
        windows = regions.exclude(windows, regions.gaps(genome, list(prepared.lengths)), "gaps")
    for listed in data.by_role("exclusions").values():
        windows = regions.exclude(windows, bed.read_bed(listed, data.aliases), "the exclusion list")
    held_out = data.manifest.splits
    split = split_by_chromosome(windows, held_out.validation, held_out.test, held_out.train)
    return Task(data, prepared, split, window, chosen_settings)
