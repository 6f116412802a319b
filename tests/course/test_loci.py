"""Genes and stretches of the genome as loci: labels, sequence and epigenome of each in every cell type."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.course import loci
from helpers.course.findings import NotForThisDataset
from helpers.course.loci import CELL_TYPE_PARTS, INPUTS, Loci, boundaries, genes, ten_cell_types
from helpers.data.datasets import DataSet
from helpers.data.manifests import load_manifest
from helpers.data.simulation import World, sample_library, stage_rng
from helpers.errors import InputError
from helpers.files.sequence import decode, reverse_complement

SMALL = {"chromosome_length": 150_000, "domain_length": (40_000, 60_000), "genes_per_mb": 25.0}


@pytest.fixture(scope="module")
def source() -> DataSet:
    return DataSet("simulated", load_manifest("simulated"), {}, seed=0)


@pytest.fixture(scope="module")
def world(source: DataSet) -> World:
    return ten_cell_types(source, 3, SMALL)


@pytest.fixture(scope="module")
def found(world: World) -> Loci:
    return genes(world, 3)


def by_hand(active: list[list[int]]) -> Loci:
    """Loci of which locus r in cell type c has the epigenome 10 r + c and the word count r."""
    labels = np.array(active, dtype=bool)
    rows, columns = np.indices(labels.shape)
    places = pd.DataFrame({"chrom": "chr1", "start": 10 * np.arange(len(labels)), "end": 10 * np.arange(len(labels)) + 5})
    words = np.arange(len(labels), dtype=np.float32)[:, None]
    epigenome = (10 * rows + columns).astype(np.float32)[..., None]
    letters = tuple("ABCDEFGHIJ"[: labels.shape[1]])
    return Loci(places, np.array(["train"] * len(labels), object), letters, words, epigenome, labels.astype(float), labels)


def test_features_go_row_by_row() -> None:
    table = by_hand([[1, 0], [0, 1], [1, 1]])
    pairs = np.array([[0, 1], [0, 0], [1, 1]], dtype=bool)
    assert table.features("sequence", pairs).tolist() == [[0], [2], [2]]
    assert table.features("epigenome", pairs).tolist() == [[1], [20], [21]]
    assert table.features("both", pairs).tolist() == [[0, 1], [2, 20], [2, 21]]
    with pytest.raises(InputError, match="inputs are 'protein': choose sequence, epigenome, both"):
        table.features("protein", pairs)  # type: ignore[arg-type]


def test_cell_types_of_parts() -> None:
    table = by_hand([[0] * 10])
    assert table.cell_types_in("train") == [0, 1, 2, 3, 4, 5]
    assert table.cell_types_in("train", "validation") == [0, 1, 2, 3, 4, 5, 6, 7]
    assert table.cell_types_in("test") == [8, 9]


def test_dealing_out_anew_keeps_all_but_the_places() -> None:
    rng = np.random.default_rng(0)
    always = np.repeat(rng.random((400, 1)) < 0.5, 10, axis=1)  # each locus is always on or always off
    table = by_hand(always.astype(int).tolist())
    dealt = table.dealt_out_anew(1)
    assert np.array_equal(dealt.words, table.words)
    assert dealt.places is table.places
    for column in range(10):
        assert sorted(dealt.epigenome[:, column, 0]) == sorted(table.epigenome[:, column, 0])
        origin = ((dealt.epigenome[:, column, 0] - column) / 10).astype(int)  # epigenome and activity stay together
        assert np.array_equal(dealt.active[:, column], table.active[origin, column])
        assert np.array_equal(dealt.activity[:, column], table.activity[origin, column])
    likeness = np.corrcoef(dealt.active.astype(float), rowvar=False)[np.triu_indices(10, 1)]
    assert np.abs(likeness).max() < 0.2  # no locus keeps its activity
    assert np.array_equal(table.dealt_out_anew(1).active, dealt.active)
    assert not np.array_equal(table.dealt_out_anew(2).active, dealt.active)


def test_the_genome_has_ten_cell_types_and_other_settings_can_be_given(source: DataSet, world: World) -> None:
    assert len(world.cell_types) == len(CELL_TYPE_PARTS) == 10
    assert len(world.chromosomes) == len(loci.CHROMOSOME_PARTS) == 10
    assert world.seed == 3
    alike = ten_cell_types(source, 3, {**SMALL, "cell_type_differences": False, "cell_noise_sd": 0.0})
    assert np.ptp(alike.log_rates, axis=1).max() == 0
    assert np.ptp(world.log_rates, axis=1).max() > 1


def test_real_data_are_refused(source: DataSet) -> None:
    with pytest.raises(NotForThisDataset, match="it needs the activity of the same loci in ten cell types"):
        ten_cell_types(DataSet("yeast", source.manifest, {}, seed=None), 0)


def test_genes_are_read_before_their_start(world: World, found: Loci) -> None:
    table = world.located(world.layout.genes)
    assert np.array_equal(found.activity, world.expression)
    assert np.array_equal(found.active, world.expression > 0)
    for row, gene in enumerate(table.itertuples()):
        place = found.places.iloc[row]
        expected = (gene.start - 2_000, gene.start) if gene.strand == 1 else (gene.end, gene.end + 2_000)
        assert (place["chrom"], place["start"], place["end"]) == (gene.chrom, *expected)
    place = found.places.iloc[0]
    letters = decode(world.codes(place["chrom"])[place["start"] : place["end"]])
    words = [letters[start : start + 3] for start in range(1_998)]
    assert found.words[0, 0] == sum(word in ("AAA", "TTT") for word in words)
    assert found.words[0].sum() == sum("N" not in word for word in words)
    assert reverse_complement("AAA") == "TTT"


def test_parts_follow_the_chromosomes(found: Loci) -> None:
    expected = {f"chr{number}": "train" for number in range(1, 7)}
    expected |= {"chr7": "validation", "chr8": "test", "chr9": "test", "chr10": "test"}
    assert found.parts.tolist() == found.places["chrom"].map(expected).tolist()


def test_epigenome_is_mean_coverage_counted_from_the_start_of_the_gene(world: World, found: Loci) -> None:
    fragments = sample_library(world, "C", rng=stage_rng(world.seed, "library", "C", "atac", ""))
    counts = {chrom: np.zeros(150_000) for chrom in world.chromosomes}
    for fragment in fragments.itertuples():
        counts[fragment.chrom][fragment.start : fragment.end] += 1
    mean = np.mean(list(counts.values()))
    for row in (0, len(found.places) // 2, len(found.places) - 1):
        place, forward = found.places.iloc[row], world.layout.genes["strand"].iloc[row] == 1
        nearest = place["end"] - 500 if forward else place["start"]
        around = place["start"] + 1_000
        here = counts[place["chrom"]]
        values = [here[nearest : nearest + 500].mean(), here[max(around - 20_000, 0) : around + 20_000].mean()]
        assert found.epigenome[row, 2, [0, 4]] == pytest.approx(np.arcsinh(np.array(values) / mean), abs=0.25)
    assert found.epigenome.shape == (len(found.places), 10, 5)


def test_boundaries_lie_where_domains_begin(world: World) -> None:
    table = boundaries(world, 3)
    assert len(table.places) == 10 * (150_000 // 40_000)
    assert (table.places["end"] - table.places["start"]).unique().tolist() == [2_000]
    assert (table.places["start"] % 40_000).unique().tolist() == [19_000]
    domains = world.located(world.layout.domains)
    inner = domains[domains["start"] > 0]
    expected = {(row.chrom, row.start // 40_000) for row in inner.itertuples() if row.start < 120_000}
    held = table.places[(table.activity > 0).any(axis=1)]
    assert set(zip(held["chrom"], held["start"] // 40_000, strict=True)) == expected
    assert np.array_equal(table.active, table.activity >= world.settings.active_log_rate)


def test_inputs_have_the_widths_they_should(found: Loci) -> None:
    everywhere = np.ones(found.active.shape, dtype=bool)
    widths = [found.features(inputs, everywhere).shape[1] for inputs in INPUTS]
    assert widths == [32, 5, 37]


def test_random_pairs_leave_no_locus_out() -> None:
    table = by_hand(np.zeros((300, 10), int).tolist())
    split = table.random_pairs(0)
    assert np.sum(split, axis=0).tolist() == np.ones((300, 10)).tolist()
    assert [part.mean() for part in split] == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    tested = split.test.any(axis=1)
    assert split.train[tested].any(axis=1).all()  # the loci of the test pairs were trained on
    assert np.array_equal(table.random_pairs(0).test, split.test)
    assert not np.array_equal(table.random_pairs(1).test, split.test)


def test_pairs_of_an_evaluation_follow_the_parts(found: Loci) -> None:
    assert np.flatnonzero(found.pairs("hybrid").test.any(axis=0)).tolist() == [8, 9]
    assert (found.parts[found.pairs("hybrid").test.any(axis=1)] == "test").all()
    assert np.flatnonzero(found.pairs("cross-chromosome", 9).train.any(axis=0)).tolist() == [9]
