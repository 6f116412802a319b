"""Windows of lesson 09: what is cut, counted and labelled, and which of it the answer key says was copied."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from helpers.course.findings import NotForThisDataset
from helpers.course.labelled import LabelledWindows, labelled_windows, small_genome
from helpers.data.datasets import DataSet
from helpers.data.manifests import load_manifest
from helpers.data.schema import Splits
from helpers.data.simulation import read_truth
from helpers.errors import InputError
from helpers.files.bed import read_bed
from helpers.files.sequence import decode

SETTINGS = {"n_chromosomes": 3, "chromosome_length": 200_000, "duplication_share": 0.12, "duplication_elsewhere": 1.0}
WINDOW, STRIDE, WORD = 1_000, 500, 3


@pytest.fixture(scope="module")
def genome() -> DataSet:
    manifest = load_manifest("simulated").model_copy(update={"splits": Splits(validation=["chr2"], test=["chr3"])})
    return small_genome(DataSet("simulated", manifest, {}, seed=0), 3, SETTINGS)


@pytest.fixture(scope="module")
def windows(genome: DataSet) -> LabelledWindows:
    return labelled_windows(genome, WINDOW, STRIDE, WORD)


def test_windows_lie_on_a_grid_without_gaps_and_excluded_regions(genome: DataSet, windows: LabelledWindows) -> None:
    excluded = read_bed(genome.paths["exclusions"])
    kept = {tuple(row) for row in windows.table[["chrom", "start", "end"]].itertuples(index=False)}
    for chrom, codes in windows.codes.items():
        towers = excluded[excluded["chrom"] == chrom]
        for start in range(0, len(codes) - WINDOW + 1, STRIDE):
            end = start + WINDOW
            bad = (codes[start:end] == 4).any() or ((towers["start"] < end) & (towers["end"] > start)).any()
            assert ((chrom, start, end) in kept) != bad


def test_words_and_labels_are_those_of_each_window(genome: DataSet, windows: LabelledWindows) -> None:
    peaks = pd.read_csv(genome.paths["atac_A_peaks"], sep="\t", header=None)
    summits = set(zip(peaks[0], peaks[1] + peaks[9], strict=True))
    for row in (0, 57, len(windows.table) - 1):
        chrom, start, end = windows.table.loc[row, ["chrom", "start", "end"]]
        letters = decode(windows.codes[chrom][start:end])
        assert windows.words[row].sum() == WINDOW - WORD + 1
        found = [letters[place : place + WORD] for place in range(WINDOW - WORD + 1)]
        assert windows.words[row, 0] == found.count("AAA") + found.count("TTT")
    expected = [
        any(held == chrom and start <= summit < end for held, summit in summits)
        for chrom, start, end in windows.table[["chrom", "start", "end"]].itertuples(index=False)
    ]
    assert windows.labels.tolist() == [int(label) for label in expected]
    assert 0 < windows.labels.mean() < 0.5


def test_copies_are_the_answer_keys_from_both_sides(genome: DataSet, windows: LabelledWindows) -> None:
    truth = read_truth(genome.paths["truth"])
    planted = truth[truth["kind"] == "duplication"]
    assert len(windows.copies) == 2 * len(planted) > 0
    row = planted.iloc[0]
    here = f"{row['chrom']}:{row['start']}-{row['end']}"
    one, other = windows.copies.iloc[0], windows.copies.iloc[len(planted)]
    assert (
        f"{one['chrom']}:{one['start']}-{one['end']}"
        == here
        == f"{other['other_chrom']}:{other['other_start']}-{other['other_end']}"
    )
    assert f"{one['other_chrom']}:{one['other_start']}-{one['other_end']}" == row["source"]


def test_copied_on_marks_windows_with_the_other_side_there() -> None:
    table = pd.DataFrame({"chrom": ["a", "a", "b", "b"], "start": [0, 10, 0, 10], "end": [10, 20, 10, 20]})
    sides = [["a", 12, 15, "b", 2, 5], ["b", 2, 5, "a", 12, 15]]
    copies = pd.DataFrame(sides, columns=["chrom", "start", "end", "other_chrom", "other_start", "other_end"])
    windows = LabelledWindows(table, {}, np.zeros((4, 1)), np.zeros(4, int), copies)
    assert windows.copied_on(["b"]).tolist() == [False, True, False, False]
    assert windows.copied_on(["a"]).tolist() == [False, False, True, False]
    assert windows.copied_on(["a", "b"]).tolist() == [False, True, True, False]
    assert windows.copied_on([]).tolist() == [False] * 4
    assert dataclasses.replace(windows, copies=copies[:0]).copied_on(["a", "b"]).tolist() == [False] * 4


def test_without_duplication_nothing_is_copied(genome: DataSet) -> None:
    plain = labelled_windows(small_genome(genome, 3, {**SETTINGS, "duplication_share": 0.0}), WINDOW, WINDOW, WORD)
    assert plain.copies.empty
    assert not plain.copied_on(list(plain.codes)).any()


def test_a_real_data_set_is_skipped(genome: DataSet) -> None:
    with pytest.raises(NotForThisDataset, match="answer key"):
        small_genome(dataclasses.replace(genome, seed=None), 0)


def test_words_must_fit(genome: DataSet) -> None:
    with pytest.raises(InputError, match="k is 9"):
        labelled_windows(genome, WINDOW, WINDOW, 9)
