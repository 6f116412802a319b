from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers.errors import InputError
from helpers.files.bigwig import chrom_lengths
from helpers.files.reads import read_fragments
from helpers.prepare.signal import (
    cut_sites,
    fold_change,
    fragment_coverage,
    local_lambda,
    poisson_neglog10p,
    write_coverage_bigwig,
)

FRAGMENTS = pd.DataFrame({"chrom": ["a", "a", "b", "a"], "start": [0, 2, 0, 5], "end": [6, 9, 3, 10]})


def test_coverage_counts_fragments_over_each_base() -> None:
    np.testing.assert_array_equal(fragment_coverage(FRAGMENTS, "a", 12), [1, 1, 2, 2, 2, 3, 2, 2, 2, 1, 0, 0])
    np.testing.assert_array_equal(fragment_coverage(FRAGMENTS, "b", 3), [1, 1, 1])
    np.testing.assert_array_equal(fragment_coverage(FRAGMENTS, "c", 2), [0, 0])


def test_cuts_lie_4_and_5_bp_inside_a_fragment() -> None:
    np.testing.assert_array_equal(cut_sites(FRAGMENTS, "a", 10), [0, 1, 0, 0, 2, 1, 1, 0, 0, 1])
    # a fragment of 3 bp: its cuts lie outside it, and count where the chromosome has them
    np.testing.assert_array_equal(cut_sites(FRAGMENTS, "b", 3), [0, 0, 0])
    np.testing.assert_array_equal(cut_sites(FRAGMENTS, "b", 5), [0, 0, 0, 0, 1])


@given(st.lists(st.tuples(st.integers(0, 49), st.integers(1, 50)), max_size=30))
def test_coverage_equals_a_loop_over_fragments(spans: list[tuple[int, int]]) -> None:
    rows = [("a", start, min(start + width, 50)) for start, width in spans]
    expected = np.zeros(50, int)
    for _, start, end in rows:
        for base in range(start, end):
            expected[base] += 1
    got = fragment_coverage(pd.DataFrame(rows, columns=["chrom", "start", "end"]), "a", 50)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (5, 11), (4, 4)])
def test_a_fragment_outside_its_chromosome_is_named(start: int, end: int) -> None:
    table = pd.DataFrame({"chrom": ["a", "a"], "start": [0, start], "end": [5, end]})
    with pytest.raises(InputError, match=f"1 fragments, the first a:{start}-{end}, do not lie in a of 10 bp"):
        fragment_coverage(table, "a", 10)


def test_expected_coverage_is_the_largest_of_genome_and_windows() -> None:
    control = np.array([0, 0, 8, 0, 0, 0, 0, 0], float)
    # windows of 2: bases [i-1, i+1); of 4: [i-2, i+2), cut at the ends
    np.testing.assert_allclose(local_lambda(control, 1.5, (2, 4)), [1.5, 8 / 3, 4.0, 4.0, 2.0, 1.5, 1.5, 1.5])
    np.testing.assert_array_equal(local_lambda(control, 3.0, ()), np.full(8, 3.0))


def test_fold_change() -> None:
    np.testing.assert_allclose(fold_change(np.array([4, 0, 3]), np.array([2.0, 1.0, 0.0])), [2, 0, np.inf])
    np.testing.assert_allclose(fold_change(np.array([4, 0]), np.array([2.0, 0.0]), 1.0), [5 / 3, 1])
    assert np.isnan(fold_change(np.array([0]), np.array([0.0]))[0])


def test_poisson_p_values() -> None:
    # P(X > 0) = 1 - exp(-1); P(X > 2 | 1) = 1 - 2.5 / e
    np.testing.assert_allclose(
        poisson_neglog10p(np.array([0, 2]), np.array([1.0, 1.0])), [-np.log10(1 - np.exp(-1)), -np.log10(1 - 2.5 / np.e)]
    )
    count, rate = np.meshgrid(np.arange(0, 150, 7), [0.1, 1.0, 5.0, 40.0])
    expected = -stats.poisson.logsf(count, rate) / np.log(10)
    near = expected < 240
    assert near.sum() > 60
    np.testing.assert_allclose(poisson_neglog10p(count, rate)[near], expected[near], rtol=1e-9, atol=1e-12)


def test_poisson_p_values_below_the_smallest_float() -> None:
    # the first term of the tail, pmf(1001), is 1 - 1e-3 of it at lambda 1; by logarithms of factorials
    terms = [-1.0 - np.sum(np.log(np.arange(1, k + 1))) for k in range(1001, 1010)]
    expected = -(terms[0] + np.log(np.exp(np.array(terms) - terms[0]).sum())) / np.log(10)
    got = poisson_neglog10p(np.array([1000]), np.array([1.0]))
    np.testing.assert_allclose(got, [expected], rtol=1e-9)
    steps = np.diff(poisson_neglog10p(np.arange(100, 400), np.full(300, 2.0)))
    assert (np.diff(steps) > 0).all()  # no jump where the formula changes


@pytest.mark.parametrize(("count", "rate"), [(-1, 1.0), (1, 0.0)])
def test_impossible_p_values_are_refused(count: int, rate: float) -> None:
    with pytest.raises(InputError, match="has no Poisson p-value"):
        poisson_neglog10p(np.array([count]), np.array([rate]))


@pytest.mark.parametrize("kind", ["coverage", "cuts"])
def test_written_coverage_leaves_zeros_out(tmp_path: Path, kind: str) -> None:
    path = write_coverage_bigwig(FRAGMENTS, {"a": 12, "b": 3, "c": 5}, tmp_path / "c.bw", kind=kind)  # type: ignore[arg-type]
    count = fragment_coverage if kind == "coverage" else cut_sites
    with pyBigWig.open(str(path)) as handle:
        assert handle.chroms() == {"a": 12, "b": 3, "c": 5}
        got = handle.values("a", 0, 12, numpy=True)
    expected = count(FRAGMENTS, "a", 12).astype(float)
    np.testing.assert_array_equal(got, np.where(expected == 0, np.nan, expected))


def test_written_coverage_needs_every_length(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="fragments lie on 'b', which is not among a"):
        write_coverage_bigwig(FRAGMENTS, {"a": 12}, tmp_path / "c.bw")
    with pytest.raises(InputError, match="kind is 'reads': choose coverage or cuts"):
        write_coverage_bigwig(FRAGMENTS, {"a": 12}, tmp_path / "c.bw", kind="reads")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def atac(real_data: Path) -> pd.DataFrame:
    return read_fragments(real_data / "yeast_sacCer3" / "atac" / "yeast_500k_SRR1822137.bedpe.gz")


@pytest.mark.parametrize(("name", "count"), [("fragment_coverage", fragment_coverage), ("tn5_cuts", cut_sites)])
def test_real_fragments_give_the_derived_tracks_at_every_base(real_data: Path, atac: pd.DataFrame, name: str, count) -> None:
    path = real_data / "yeast_sacCer3" / "atac" / "derived" / f"yeast_atac_{name}.bw"
    lengths = chrom_lengths(path)
    assert sum(lengths.values()) == 12_157_105
    with pyBigWig.open(str(path)) as handle:
        for chrom, length in lengths.items():
            expected = np.nan_to_num(handle.values(chrom, 0, length, numpy=True))
            np.testing.assert_array_equal(count(atac, chrom, length), expected, err_msg=chrom)


def test_real_coverage_gives_what_macs_wrote(real_data: Path, atac: pd.DataFrame) -> None:
    """MACS without a control: background = all coverage / 1.2e7 bp; its window of 10 kb is built from fragment ends, so nearly ours."""
    folder = real_data / "yeast_sacCer3" / "atac" / "derived"
    lengths = chrom_lengths(folder / "yeast_atac_fragment_coverage.bw")
    coverage = fragment_coverage(atac, "chrIV", lengths["chrIV"])
    background = float((atac["end"] - atac["start"]).sum()) / 1.2e7
    expected = local_lambda(coverage, background, (10_000,))
    with pyBigWig.open(str(folder / "yeast_atac_fold_change.bw")) as handle:
        enrichment = handle.values("chrIV", 0, lengths["chrIV"], numpy=True).astype(float)
    with pyBigWig.open(str(folder / "yeast_atac_neglog10p.bw")) as handle:
        surprise = handle.values("chrIV", 0, lengths["chrIV"], numpy=True).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        quiet = (coverage > 0) & (np.abs(coverage / enrichment / background - 1) < 1e-3) & (expected == background)
    assert quiet.mean() > 0.4
    np.testing.assert_allclose(fold_change(coverage, expected)[quiet], enrichment[quiet], rtol=1e-3)
    np.testing.assert_allclose(poisson_neglog10p(coverage, expected)[quiet], surprise[quiet], rtol=1e-3, atol=1e-3)
    known = np.isfinite(enrichment)
    assert np.corrcoef(fold_change(coverage, expected)[known], enrichment[known])[0, 1] > 0.99
