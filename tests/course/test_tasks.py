"""What lessons train on: windows of a genome split by chromosome, with the active ones found by their highest bin."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.course.findings import NotForThisDataset
from helpers.course.tasks import TOP_SHARE, Task, task_for_seed
from helpers.data.datasets import DataSet, load_dataset
from helpers.data.manifests import load_manifest
from helpers.data.schema import Splits
from helpers.errors import InputError
from helpers.files.bigwig import write_bigwig
from helpers.files.fasta import write_fasta
from helpers.prepare.regions import overlaps
from helpers.train.predicting import targets_of

SMALL = {"n_chromosomes": 3, "chromosome_length": 200_000}
MANIFEST = """
name: own
title: A track of my own
organism: none
assembly: none
splits: {validation: [chrB], test: [chrC]}
files:
  - {id: genome, role: genome, path: genome.fa}
  - {id: own_track, role: track, path: own.bw, measures: nothing, units: none}
  - {id: towers, role: exclusions, path: towers.bed, measures: nothing, units: none}
"""


@pytest.fixture(scope="module")
def simulated() -> DataSet:
    """The manifest of the simulated genome with other parts; the files are made for each seed."""
    manifest = load_manifest("simulated").model_copy(update={"splits": Splits(validation=["chr2"], test=["chr3"])})
    return DataSet("simulated", manifest, {}, seed=0)


@pytest.fixture(scope="module")
def task(simulated: DataSet) -> Task:
    return task_for_seed(simulated, 5, window=1_024, bin_size=32, settings=SMALL)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """Three chromosomes of ten windows; the track rises along each, chrA has a gap and an excluded stretch."""
    folder = tmp_path_factory.mktemp("own")
    codes = {chrom: np.zeros(640, np.uint8) for chrom in ("chrA", "chrB", "chrC")}
    codes["chrA"][70:75] = 4
    write_fasta(folder / "genome.fa", codes)
    edges = np.arange(0, 640, 16)
    write_bigwig(folder / "own.bw", dict.fromkeys(codes, 640), dict.fromkeys(codes, (edges, edges + 16, edges / 16.0)))
    (folder / "towers.bed").write_text("chrA\t300\t310\n")
    (folder / "own.yml").write_text(MANIFEST)
    return load_dataset(folder / "own.yml")


def test_windows_avoid_gaps_and_excluded_regions(own: DataSet) -> None:
    task = task_for_seed(own, 0, window=64, bin_size=16)
    assert task.track == "own_track"
    assert task.split.train["start"].tolist() == [0, 128, 192, 320, 384, 448, 512, 576]  # 64-128 holds N, 256-320 is excluded
    assert task.split.validation["chrom"].tolist() == ["chrB"] * 10
    assert task.split.test["chrom"].tolist() == ["chrC"] * 10


def test_active_windows_are_above_the_threshold_of_training(own: DataSet) -> None:
    task = task_for_seed(own, 0, window=64, bin_size=16)
    assert task.active("train", share=0.25)["start"].tolist() == [512, 576]
    assert task.active("test", share=0.25)["start"].tolist() == [512, 576]


def test_centred_windows_have_their_highest_bin_in_the_middle(own: DataSet) -> None:
    task = task_for_seed(own, 0, window=64, bin_size=16)
    windows = pd.DataFrame({"chrom": ["chrA"], "start": [192], "end": [256]})  # rises to its last bin, 240-256
    assert task.centred(windows)[["start", "end"]].to_numpy().tolist() == [[208, 272]]
    assert task.centred(windows, width=96)[["start", "end"]].to_numpy().tolist() == [[192, 288]]
    assert len(task.centred(windows.assign(start=576, end=640))) == 0  # no room at the chromosome's end


def test_background_is_as_many_other_training_windows(own: DataSet) -> None:
    task = task_for_seed(own, 0, window=64, bin_size=16)
    active = task.active("train", share=0.25)
    both = task.with_background(active, np.random.default_rng(1))
    assert both.iloc[:2][["chrom", "start", "end"]].equals(active[["chrom", "start", "end"]])
    rest = both.iloc[2:]
    assert len(rest) == 2
    assert not overlaps(rest, active).any()
    assert set(rest["start"]) <= set(task.split.train["start"])


def test_real_data_stay_the_same_for_every_seed(own: DataSet) -> None:
    one, other = (task_for_seed(own, seed, window=64, bin_size=16) for seed in (0, 1))
    assert one.prepared.folder == other.prepared.folder


def test_seeds_make_genomes_of_one_cell_type(simulated: DataSet, task: Task) -> None:
    other = task_for_seed(simulated, 6, window=1_024, bin_size=32, settings=SMALL)
    assert task.track == other.track == "atac_A_coverage"
    assert not np.array_equal(task.prepared.codes, other.prepared.codes)
    assert len(task.peaks()) > 10


def test_active_share_is_kept_on_a_simulated_genome(task: Task) -> None:
    share = len(task.active("train")) / len(task.split.train)
    assert share == pytest.approx(TOP_SHARE, abs=0.02)


def test_batches_in_order_hold_the_part(task: Task) -> None:
    batches = task.in_order("test")
    codes, targets = batches[0]
    first = task.split.test.iloc[0]
    expected = task.prepared.window(first["chrom"], int(first["start"]), int(first["end"]))
    assert np.array_equal(codes[0], expected[0])
    assert np.array_equal(targets[0], expected[1])
    assert batches.windows == len(task.split.test)


def test_a_data_set_without_peaks_is_no_place_to_ask_for_them(own: DataSet) -> None:
    task = task_for_seed(own, 0, window=64, bin_size=16)
    with pytest.raises(NotForThisDataset, match="data set 'own' has no file with the role 'peaks'"):
        task.peaks()


def test_unknown_track(own: DataSet) -> None:
    with pytest.raises(InputError, match="track 'other' is not loaded in data set 'own': choose among"):
        task_for_seed(own, 0, window=64, bin_size=16, track="other")


def test_a_task_can_be_given_other_targets(task: Task) -> None:
    doubled = dataclasses.replace(task, prepared=dataclasses.replace(task.prepared, targets=2 * task.prepared.targets))
    assert np.array_equal(doubled.in_order("test")[0][1], 2 * task.in_order("test")[0][1])


def test_counts_scatter_around_the_true_rate(task: Task) -> None:
    true = task.true_rate()
    assert true.prepared.targets.shape == task.prepared.targets.shape
    counts, rates = (np.concatenate([batch[1] for batch in one.in_order("train")]) for one in (task, true))
    assert counts.mean() == pytest.approx(rates.mean(), rel=0.02)
    assert np.corrcoef(counts.ravel(), rates.ravel())[0, 1] > 0.9
    assert np.sum((counts - rates) ** 2) / rates.sum() == pytest.approx(1, abs=0.2)  # Poisson: the variance is the mean


def test_world_is_that_of_the_files(task: Task, own: DataSet) -> None:
    world = task.world()
    assert all(np.array_equal(world.codes(chrom), codes) for chrom, codes in task.prepared.sequence().items())
    with pytest.raises(NotForThisDataset, match="is not simulated"):
        task_for_seed(own, 0, window=64, bin_size=16).world()


def test_the_true_rate_of_real_data_is_not_known(own: DataSet) -> None:
    with pytest.raises(NotForThisDataset, match="true rate of 'own_track' is not known: choose a simulated track of coverage"):
        task_for_seed(own, 0, window=64, bin_size=16).true_rate()


def test_one_of_several_tracks_can_be_kept(simulated: DataSet) -> None:
    both = ["atac_A_coverage", "atac_B_coverage"]
    task = task_for_seed(simulated, 5, track=both, settings={**SMALL, "n_cell_types": 2})
    assert task.prepared.tracks == tuple(both)
    assert targets_of(task.in_order("test")).shape == (len(task.split.test), 32, 2)
    second = task.only("atac_B_coverage")
    assert second.track == "atac_B_coverage"
    assert np.array_equal(second.prepared.targets, task.prepared.targets[:, 1:])
    with pytest.raises(InputError, match="track 'atac_C_coverage' was not prepared"):
        task.only("atac_C_coverage")


def test_windows_are_active_in_any_track(simulated: DataSet) -> None:
    both = ["atac_A_coverage", "atac_B_coverage"]
    task = task_for_seed(simulated, 5, track=both, settings={**SMALL, "n_cell_types": 2})
    starts = [set(map(tuple, one.active("train")[["chrom", "start"]].to_numpy())) for one in (task, *map(task.only, both))]
    assert starts[0] == starts[1] | starts[2]
    assert len(starts[0]) > max(len(starts[1]), len(starts[2]))


def test_the_true_rate_of_several_tracks_is_each_one_s_own(simulated: DataSet) -> None:
    both = ["atac_A_rep1_coverage", "atac_B_coverage"]
    task = task_for_seed(simulated, 5, track=both, settings={**SMALL, "n_cell_types": 2})
    rates, counts = task.true_rate().prepared.targets, task.prepared.targets
    own = [np.corrcoef(rates[:, column], counts[:, column])[0, 1] for column in (0, 1)]
    crossed = [np.corrcoef(rates[:, column], counts[:, 1 - column])[0, 1] for column in (0, 1)]
    assert min(own) > 0.9 > max(crossed)


def with_peaks(own: DataSet, folder: Path, lines: str) -> DataSet:
    """Give the small data set a file of called peaks."""
    (folder / "peaks.bed").write_text(lines)
    for name in ("genome.fa", "own.bw", "towers.bed"):
        source = next(path for path in own.paths.values() if path.name == name)
        (folder / name).write_bytes(source.read_bytes())
    (folder / "own.yml").write_text(MANIFEST + "  - {id: called, role: peaks, path: peaks.bed, measures: nothing, units: none}\n")
    return load_dataset(folder / "own.yml")


def test_labels_say_which_bins_lie_in_called_peaks(own: DataSet, tmp_path: Path) -> None:
    peaks = "chrA\t128\t152\nchrA\t150\t168\nchrA\t200\t207\nchrB\t624\t640\n"
    labelled = task_for_seed(with_peaks(own, tmp_path, peaks), 0, window=64, bin_size=16).labelled()
    assert labelled.prepared.tracks == ("peaks",)
    signal = labelled.prepared.signal("peaks")
    assert np.flatnonzero(signal["chrA"]).tolist() == [8, 9, 10]  # 128-168: of the third bin half is covered; 200-207 covers less
    assert np.flatnonzero(signal["chrB"]).tolist() == [39]
    assert not signal["chrC"].any()


def test_without_called_peaks_the_highest_bins_are_labelled(own: DataSet) -> None:
    labelled = task_for_seed(own, 0, window=64, bin_size=16).labelled()
    for labels in labelled.prepared.signal("peaks").values():
        assert np.flatnonzero(labels).tolist() == [36, 37, 38, 39]  # the track rises along each chromosome; a tenth of 40 bins


def test_windows_around_called_peaks_of_a_part(own: DataSet, tmp_path: Path) -> None:
    peaks = "chrA\t128\t152\nchrA\t302\t306\nchrA\t630\t640\nchrC\t200\t240\n"
    task = task_for_seed(with_peaks(own, tmp_path, peaks), 0, window=64, bin_size=16)
    # Of chrA: 140 is a summit; 304 lies in the excluded stretch, and around 635 there is no room.
    assert task.around_peaks("train")[["chrom", "start", "end"]].to_numpy().tolist() == [["chrA", 96, 160]]
    assert task.around_peaks("test")[["chrom", "start", "end"]].to_numpy().tolist() == [["chrC", 176, 240]]
    assert len(task.around_peaks("validation")) == 0


def test_without_called_peaks_windows_lie_around_the_highest_bins(own: DataSet) -> None:
    task = task_for_seed(own, 0, window=64, bin_size=16)
    assert task.around_peaks("test").equals(task.centred(task.active("test")))
