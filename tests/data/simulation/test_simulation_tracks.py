from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from scipy import stats

from helpers.data.simulation import SimulationSettings, World, make_world, sample_library, simulate
from helpers.data.simulation.tracks import call_peaks, coverage, fold_change, local_lambda, missing, neglog10_p
from helpers.files.bed import read_bed
from helpers.files.reads import read_fragments


def values(path: Path, chrom: str, length: int = 200_000) -> np.ndarray:
    with pyBigWig.open(str(path)) as handle:
        return handle.values(chrom, 0, length, numpy=True)


def test_the_coverage_track_equals_a_slow_count_of_the_fragments(folder: Path) -> None:
    fragments = read_fragments(folder / "atac_A.fragments.bed.gz")
    for chrom in ("chr1", "chr2"):
        count = np.zeros(200_000)
        for row in fragments[fragments["chrom"] == chrom].itertuples():
            count[row.start : row.end] += 1
        track = values(folder / "atac_A.coverage.bw", chrom)
        middle = count[5::10]
        np.testing.assert_array_equal(np.nan_to_num(track), np.repeat(middle, 10))
        np.testing.assert_array_equal(np.isnan(track), np.repeat(middle == 0, 10))


def test_coverage_at_one_base_resolution_is_coverage() -> None:
    settings = SimulationSettings(n_chromosomes=1, chromosome_length=100_000, n_cell_types=1, signal_resolution=1)
    world = make_world(settings, 0)
    fragments = sample_library(world, "A", rng=0)
    count = np.zeros(100_000)
    for row in fragments.itertuples():
        count[row.start : row.end] += 1
    np.testing.assert_array_equal(coverage(world, fragments), count)


def test_neglog10_p_equals_scipy() -> None:
    count = np.array([0, 1, 2, 5, 10, 30, 100, 3])
    mean = np.array([2.0, 0.5, 2.0, 2.0, 4.5, 4.5, 3.0, 50.0])
    expected = -np.log10(stats.poisson.sf(count - 1, mean))
    np.testing.assert_allclose(neglog10_p(count, mean), expected, atol=0.0051)
    assert neglog10_p(np.array([0]), np.array([2.0]))[0] == 0
    assert not np.signbit(neglog10_p(np.array([0, 1]), np.array([2.0, 500.0]))).any()


def test_neglog10_p_of_towers_is_finite_and_right() -> None:
    count, mean = np.array([1_500.0, 400.0]), np.array([3.0, 2.0])
    expected = [-stats.poisson.logpmf(n, m) / np.log(10) - np.log10(1 + m / (n + 1)) for n, m in zip(count, mean, strict=True)]
    np.testing.assert_allclose(neglog10_p(count, mean), expected, atol=0.01)
    assert neglog10_p(count, mean)[0] > 3_000


def test_the_p_track_follows_from_coverage_and_control(folder: Path, world: World) -> None:
    chrom = "chr1"
    pileup, p_value, fold = (
        values(folder / f"atac_A.{name}.bw", chrom)[5::10].astype(float) for name in ("coverage", "neglog10p", "fold_change")
    )
    control = np.nan_to_num(values(folder / "atac_A.control.bw", chrom)[5::10].astype(float))
    names = ("atac_A.coverage.bw", "atac_A.control.bw")
    both = [np.concatenate([np.nan_to_num(values(folder / name, place)[5::10]) for place in ("chr1", "chr2")]) for name in names]
    genome_mean = both[0][world.known].mean()
    scale = genome_mean / both[1][world.known].mean()
    known = world.known[:20_000]
    checked = 0
    for number in range(1_500, 19_000, 371):
        block = number // 10 * 10 + 5
        windows = [slice(block - half, block + half + 1) for half in (50, 500)]
        means = [control[window][known[window]].sum() / max(known[window].sum(), 1) for window in windows]
        background = max(genome_mean, scale * means[0], scale * means[1])
        if np.isfinite(p_value[number]):
            expected = -np.log10(stats.poisson.sf(np.nan_to_num(pileup[number]) - 1, background))
            assert p_value[number] == pytest.approx(expected, abs=0.02)
            assert fold[number] == pytest.approx(pileup[number] / background, abs=0.02)
            checked += 1
    assert checked > 20


def test_missing_and_uncovered_both_occur_and_differ(folder: Path, world: World) -> None:
    with pyBigWig.open(str(folder / "atac_A.neglog10p.bw")) as handle:
        intervals = pd.DataFrame(handle.intervals("chr1"), columns=["start", "end", "value"])
    explicit = intervals[intervals["value"].isna()]
    assert (explicit["start"] == 0).any()
    assert explicit.iloc[0]["end"] == 10_000
    gone = np.repeat(missing(world)[:20_000], 10)
    marked = np.zeros(200_000, bool)
    for row in explicit.itertuples():
        marked[row.start : row.end] = True
    np.testing.assert_array_equal(marked, gone)
    covered = sum(intervals["end"] - intervals["start"])
    assert covered < 200_000
    assert (world.codes("chr1")[marked] < 4).any(), "unmappable stretches that are no gaps"
    widths = intervals["end"] - intervals["start"]
    assert widths.nunique() > 5
    assert (intervals["value"].dropna() != 0).all()


def test_switches_of_the_tracks(tmp_path: Path, small: SimulationSettings) -> None:
    names = ["atac_A.coverage.bw", "atac_A.neglog10p.bw"]
    plain = simulate(small, 0, tmp_path / "plain", names)
    full = simulate(small.replace(write_zeros=True, zoom_levels=0, nan_stretches=False), 0, tmp_path / "full", names)
    for name in names:
        before, after = values(plain / name, "chr1"), values(full / name, "chr1")
        assert np.isnan(before).any()
        assert np.isfinite(after).all()
        both = np.isfinite(before)
        np.testing.assert_array_equal(before[both], after[both])
        with pyBigWig.open(str(full / name)) as handle:
            assert handle.header()["nLevels"] == 0
        with pyBigWig.open(str(plain / name)) as handle:
            assert handle.header()["nLevels"] > 0
    uncovered = np.isnan(values(plain / names[0], "chr1"))
    assert (values(full / names[0], "chr1")[uncovered] == 0).all()


def test_peaks_of_a_written_out_case(world: World) -> None:
    p_value = np.zeros(40_000)
    p_value[100:115] = 4
    p_value[107] = p_value[109] = 9  # summit: the first of two
    p_value[117:120] = 3  # 20 bp away: merged
    p_value[300:309] = 50  # 90 bp: too short
    p_value[500:520] = 2.9  # too low
    p_value[19_990:20_010] = 8  # across the end of chr1: two peaks
    p_value[205] = np.nan
    fold = p_value / 2
    table = call_peaks(world, p_value, fold, "x")
    assert table[["chrom", "start", "end"]].to_numpy().tolist() == [
        ["chr1", 1_000, 1_200],
        ["chr1", 199_900, 200_000],
        ["chr2", 0, 100],
    ]
    assert table["summit"].tolist() == [75, 5, 5]
    assert table["neglog10p"].tolist() == [9, 8, 8]
    assert table["signal"].tolist() == [4.5, 4, 4]
    assert table["score"].tolist() == [90, 80, 80]
    assert table["name"].tolist() == ["x_1", "x_2", "x_3"]
    assert call_peaks(world, np.zeros(40_000), fold, "x").empty


def test_peaks_lie_on_active_elements(folder: Path, world: World) -> None:
    peaks = read_bed(folder / "atac_A.peaks.narrowPeak")
    assert list(peaks.columns)[6:] == ["signal", "neglog10p", "neglog10q", "summit"]
    assert (peaks["summit"] < peaks["end"] - peaks["start"]).all()
    first = peaks["chrom"].map({"chr1": 0, "chr2": 200_000})
    summit = (first + peaks["start"] + peaks["summit"]).to_numpy()
    centres = world.elements["centre"].to_numpy()
    assert (np.abs(centres[None, :] - summit[:, None]).min(axis=1) < 250).mean() > 0.9
    found = np.abs(summit[None, :] - centres[world.active[:, 0]][:, None]).min(axis=1) < 250
    assert found.mean() > 0.5


def test_replicates_are_independent_draws_of_one_rate(folder: Path) -> None:
    first, second, own = (np.nan_to_num(values(folder / f"atac_A{name}.coverage.bw", "chr1")) for name in ("_rep1", "_rep2", ""))
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, own)
    assert first.sum() == pytest.approx(second.sum(), rel=0.05)
    assert np.corrcoef(first, second)[0, 1] > 0.8


def test_local_lambda_is_never_below_the_genome_mean_and_follows_towers(world: World) -> None:
    treatment, control = np.full(40_000, 4.0), np.full(40_000, 2.0)
    np.testing.assert_allclose(local_lambda(world, treatment, control), 4.0)
    control[5_000:5_100] = 60.0
    raised = local_lambda(world, treatment, control)
    assert raised.min() == pytest.approx(4.0, rel=1e-6)
    assert raised[5_050] > 50
    assert raised[15_000] == pytest.approx(4.0, rel=1e-6)


def test_fold_change_of_a_written_out_case() -> None:
    np.testing.assert_array_equal(fold_change(np.array([6.0, 0.0, 3.0]), np.array([2.0, 2.0, 0.0])), [3.0, 0.0, 4.0])
