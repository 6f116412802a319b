from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.fasta import Genome, encode, write_fasta
from helpers.prepare.regions import (
    centred,
    check_regions,
    covered_bases,
    exclude,
    filter_counts,
    gaps,
    gc_matched,
    gc_of,
    label_windows,
    merge,
    overlaps,
    peaks,
    thresholded_bins,
    tile,
    windows_above,
    within,
)


def table(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


def rows_of(regions: pd.DataFrame) -> list[tuple[str, int, int]]:
    assert list(regions.index) == list(range(len(regions)))
    return [tuple(row) for row in regions[["chrom", "start", "end"]].itertuples(index=False)]


def test_tiles_are_whole_windows() -> None:
    assert rows_of(tile({"a": 10, "b": 3, "c": 4}, 4)) == [("a", 0, 4), ("a", 4, 8), ("c", 0, 4)]
    assert rows_of(tile({"a": 10, "b": 4}, 4, 3, chroms=["a"])) == [("a", 0, 4), ("a", 3, 7), ("a", 6, 10)]
    assert rows_of(tile({"a": 3}, 4)) == []
    assert tile({"a": 10}, 4)["start"].dtype == np.int64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": 9}, 0), "window is 0 and stride 0: both are at least 1 bp"),
        (({"a": 9}, 4, 0), "window is 4 and stride 0"),
        (({"a": 9, "b": 9}, 4, 4, ["z"]), "chromosome 'z' cannot be tiled: choose among a, b"),
    ],
)
def test_impossible_tiles_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tile(*arguments)


def test_filters_look_at_rows_not_at_labels_and_say_what_they_kept(caplog: pytest.LogCaptureFixture) -> None:
    doubled = pd.concat([table(("a", 0, 5), ("a", 5, 12)), table(("a", 20, 30), ("b", 0, 5))])  # labels 0, 1, 0, 1
    with caplog.at_level(logging.INFO, "helpers.prepare"):
        inside = within(doubled, {"a": 25, "b": 5})
        clear = exclude(inside, table(("a", 11, 13)), "gaps")
    assert rows_of(inside) == [("a", 0, 5), ("a", 5, 12), ("b", 0, 5)]
    assert rows_of(clear) == [("a", 0, 5), ("b", 0, 5)]
    assert filter_counts(clear).to_dict("list") == {
        "step": ["inside their chromosome", "clear of gaps"],
        "kept": [3, 2],
        "of": [4, 3],
    }
    assert caplog.messages == ["inside their chromosome: kept 3 of 4", "clear of gaps: kept 2 of 3"]
    assert len(filter_counts(doubled)) == 0


def test_a_region_that_leaves_its_chromosome_is_named() -> None:
    lengths = {"a": 10, "b": 5}
    check_regions(table(("a", 0, 10), ("b", 4, 5)), lengths)
    with pytest.raises(
        InputError,
        match=r"peaks: 2 of 3, the first b:3-6, are empty or leave their chromosome \(b has 5 bp\): drop them with within",
    ):
        check_regions(table(("a", 0, 1), ("b", 3, 6), ("a", 4, 4)), lengths, "peaks")
    with pytest.raises(InputError, match="regions lie on 'chrA', which is not among a, b"):
        check_regions(table(("chrA", 0, 1)), lengths)
    with pytest.raises(InputError, match="regions have no column 'end', only chrom, start"):
        check_regions(table(("a", 0, 1))[["chrom", "start"]], lengths)


NARROW_PEAK = "track type=narrowPeak\nchr1\t100\t200\tp1\t5\t.\t1\t2\t3\t30\nchr1\t300\t401\tp2\t5\t.\t1\t2\t3\t-1\nMT\t0\t40\tp3\t5\t.\t1\t2\t3\t5\n"


def test_peaks_have_summits(tmp_path: Path) -> None:
    path = tmp_path / "a.narrowPeak"
    path.write_text(NARROW_PEAK)
    found = peaks(path, aliases={"MT": "chrM"})
    assert rows_of(found) == [("chr1", 100, 200), ("chr1", 300, 401), ("chrM", 0, 40)]
    assert found["summit"].tolist() == [130, 350, 5]
    around = centred(found, 50, {"chr1": 375, "chrM": 100})
    assert rows_of(around) == [("chr1", 105, 155), ("chr1", 325, 375)]
    assert filter_counts(around).to_dict("list") == {"step": ["50-bp windows inside their chromosome"], "kept": [2], "of": [3]}


def test_windows_around_regions_without_summits() -> None:
    assert rows_of(centred(table(("a", 10, 20)), 5, {"a": 100})) == [("a", 13, 18)]
    with pytest.raises(InputError, match="window is 0"):
        centred(table(("a", 10, 20)), 0, {"a": 100})


def test_bins_above_a_threshold_become_stretches() -> None:
    signal = {"a": np.array([3, 3, 1, np.nan, 5, 2, 9]), "b": np.array([0.0, 0.0]), "c": np.array([7.0])}
    got = thresholded_bins(signal, {"a": 65, "b": 20, "c": 10}, 10, 2)
    assert rows_of(got) == [("a", 0, 20), ("a", 40, 50), ("a", 60, 65), ("c", 0, 10)]
    assert rows_of(thresholded_bins({}, {}, 10, 2)) == []
    with pytest.raises(InputError, match=r"signal of a has shape \(7,\): 60 bp are 6 bins of 10 bp"):
        thresholded_bins(signal, {"a": 60, "b": 20, "c": 10}, 10, 2)


def test_windows_above_a_threshold() -> None:
    signal = {"a": np.array([1, 4, np.nan, 2, 2, np.nan], np.float32), "b": np.array([9, 0], np.float32)}
    windows = table(("a", 0, 20), ("b", 0, 20), ("a", 20, 40), ("a", 20, 30), ("a", 30, 50))
    assert rows_of(windows_above(windows, signal, 10, 2)) == [("a", 0, 20), ("b", 0, 20)]
    assert rows_of(windows_above(windows, signal, 10, 1.9, "mean")) == [("a", 0, 20), ("b", 0, 20), ("a", 20, 40), ("a", 30, 50)]
    with pytest.raises(InputError, match="window a:5-15 does not begin and end with a bin of 10 bp"):
        windows_above(table(("a", 5, 15)), signal, 10, 2)
    with pytest.raises(InputError, match="windows: 1 of 1, the first b:10-30, are empty or leave"):
        windows_above(table(("b", 10, 30)), signal, 10, 2)
    with pytest.raises(InputError, match="statistic is 'sum': choose max or mean"):
        windows_above(windows, signal, 10, 2, "sum")  # type: ignore[arg-type]


def test_gaps_of_a_genome(tmp_path: Path) -> None:
    write_fasta(tmp_path / "g.fa", {"a": "NNACGTNACGNNN", "b": "ACGT"})
    with Genome(tmp_path / "g.fa") as genome:
        assert rows_of(gaps(genome)) == [("a", 0, 2), ("a", 6, 7), ("a", 10, 13)]
        assert rows_of(gaps(genome, min_length=2)) == [("a", 0, 2), ("a", 10, 13)]
        assert rows_of(gaps(genome, ["b"])) == []


def test_merge_joins_what_overlaps_or_touches() -> None:
    regions = table(("b", 5, 9), ("a", 10, 20), ("a", 0, 5), ("a", 20, 30), ("a", 12, 14), ("a", 33, 40))
    assert rows_of(merge(regions)) == [("a", 0, 5), ("a", 10, 30), ("a", 33, 40), ("b", 5, 9)]
    assert rows_of(merge(regions, 3)) == [("a", 0, 5), ("a", 10, 40), ("b", 5, 9)]
    assert rows_of(merge(table())) == []


def test_labels_ask_for_shared_bases() -> None:
    windows = table(("a", 0, 10), ("a", 10, 20), ("b", 0, 10))
    positives = table(("a", 7, 9), ("a", 8, 12))
    np.testing.assert_array_equal(label_windows(windows, positives), [True, True, False])
    np.testing.assert_array_equal(label_windows(windows, positives, 3), [True, False, False])
    np.testing.assert_array_equal(label_windows(windows, table()), [False] * 3)
    with pytest.raises(InputError, match="min_overlap is 0"):
        label_windows(windows, positives, 0)


spans = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 20)), max_size=12)


@settings(max_examples=100, deadline=None)
@given(spans, spans)
def test_covered_bases_equal_sets_of_bases(left: list, right: list) -> None:
    regions, others = (table(*[(c, s, s + w) for c, s, w in part]) for part in (left, right))
    bases = {(c, base) for c, s, w in right for base in range(s, s + w)}
    expected = [sum((c, base) in bases for base in range(s, s + w)) for c, s, w in left]
    np.testing.assert_array_equal(covered_bases(regions, others), expected)
    np.testing.assert_array_equal(overlaps(regions, others), np.array(expected) > 0)
    assert rows_of(exclude(regions, others)) == [(c, s, s + w) for (c, s, w), n in zip(left, expected, strict=True) if n == 0]


def test_gc_is_that_of_known_bases(tmp_path: Path) -> None:
    sequences = {"a": "GGCCAATTNNNN", "b": "GNAC"}
    regions = table(("a", 0, 4), ("b", 0, 4), ("a", 2, 6), ("a", 8, 12))
    expected = [1, 2 / 3, 0.5, np.nan]
    np.testing.assert_allclose(gc_of(regions, {name: encode(text) for name, text in sequences.items()}), expected)
    write_fasta(tmp_path / "g.fa", sequences)
    with Genome(tmp_path / "g.fa") as genome:
        np.testing.assert_allclose(gc_of(regions, genome), expected)


@pytest.fixture
def isochores() -> tuple[dict[str, np.ndarray], pd.DataFrame, pd.DataFrame]:
    """A poor and a rich half; the foreground is three quarters rich, the candidates are half and half."""
    rng = np.random.default_rng(0)
    poor, rich = rng.choice(4, 200_000, p=[0.35, 0.15, 0.15, 0.35]), rng.choice(4, 200_000, p=[0.2, 0.3, 0.3, 0.2])
    codes = {"poor": poor.astype(np.uint8), "rich": rich.astype(np.uint8)}
    all_tiles = tile({"poor": 200_000, "rich": 200_000}, 500)
    foreground = pd.concat([all_tiles.iloc[:25], all_tiles.iloc[400:475]], ignore_index=True)
    return codes, foreground, exclude(all_tiles, foreground)


def test_background_has_the_gc_of_the_foreground(isochores: tuple) -> None:
    codes, foreground, candidates = isochores
    drawn = gc_matched(foreground, candidates, codes, 1)
    assert list(drawn.index) == list(range(len(drawn)))
    assert 90 <= len(drawn) <= 100
    assert not drawn.duplicated().any()
    assert abs(gc_of(drawn, codes).mean() - gc_of(foreground, codes).mean()) < 0.01
    assert abs(gc_of(candidates, codes).mean() - gc_of(foreground, codes).mean()) > 0.04  # what would have been without matching
    pd.testing.assert_frame_equal(drawn, gc_matched(foreground, candidates, codes, np.random.default_rng(1)))
    assert not drawn.equals(gc_matched(foreground, candidates, codes, 2))


def test_background_that_runs_short_says_so(isochores: tuple, caplog: pytest.LogCaptureFixture) -> None:
    codes, foreground, candidates = isochores
    few = candidates[candidates["chrom"] == "rich"].iloc[:20].reset_index(drop=True)
    drawn = gc_matched(foreground, few, codes, 1, ratio=2)
    assert len(drawn) <= 20
    assert "background regions fewer than asked for" in caplog.text
    assert filter_counts(drawn)["step"].tolist()[-1] == "drawn to match the GC of the foreground"


def test_background_without_input_is_refused(isochores: tuple) -> None:
    codes, foreground, candidates = isochores
    with pytest.raises(InputError, match="ratio is 0"):
        gc_matched(foreground, candidates, codes, 1, ratio=0)
    with pytest.raises(InputError, match="100 regions and 0 candidates: both tables need rows"):
        gc_matched(foreground, candidates.iloc[:0], codes, 1)


def test_real_peaks(real_data: Path) -> None:
    found = peaks(real_data / "yeast_sacCer3" / "atac" / "hmmratac_yeast500k_accessible_regions.narrowPeak")
    assert (found["start"] < found["end"]).all()
    assert ((found["summit"] >= found["start"]) & (found["summit"] < found["end"])).all()
    assert len(exclude(found, found)) == 0
