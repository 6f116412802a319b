"""Where an experiment is done for a seed: its own small genome, or a stretch of a real one that every track covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.course.experiments import STRETCH, only_simulated, place_for_seed, seed_numbers
from helpers.course.findings import NotForThisDataset
from helpers.data.datasets import DataSet, load_dataset
from helpers.data.manifests import load_manifest
from helpers.data.simulation import read_truth
from helpers.errors import InputError
from helpers.files.bigwig import chrom_lengths, read_header, write_bigwig
from helpers.files.fasta import Genome, write_fasta

LENGTHS = {"chrA": 900_000, "chrB": 100_000, "chrC": 50_000}
MANIFEST = """
name: own
title: Two tracks of my own
organism: none
assembly: none
chromosome_aliases: {B: chrB}
splits: {validation: [chrB], test: [chrA]}
files:
  - {id: genome, role: genome, path: genome.fa}
  - {id: one, role: track, path: one.bw, measures: nothing, units: none}
  - {id: two, role: track, path: two.bw, measures: nothing, units: none}
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    """A data set whose second track lacks chrC and calls chrB by another name."""
    folder = tmp_path_factory.mktemp("own")
    write_fasta(folder / "genome.fa", {chrom: np.zeros(length, np.uint8) for chrom, length in LENGTHS.items()})
    write_bigwig(folder / "one.bw", LENGTHS, {"chrA": ([0], [10], [1.0])})
    write_bigwig(folder / "two.bw", {"chrA": 900_000, "B": 100_000}, {"chrA": ([0], [10], [1.0])})
    (folder / "own.yml").write_text(MANIFEST)
    return load_dataset(folder / "own.yml")


@pytest.mark.parametrize(("profile", "numbers"), [("smoke", [7]), ("quick", [7, 8, 9]), ("full", [7, 8, 9, 10, 11, 12])])
def test_seed_numbers(profile: str, numbers: list[int]) -> None:
    assert list(seed_numbers(profile, 3, 7)) == numbers


def test_seed_numbers_that_cannot_be() -> None:
    with pytest.raises(InputError, match="profile 'fast' is unknown: choose smoke, quick or full"):
        seed_numbers("fast", 3, 0)
    with pytest.raises(InputError, match="seeds is 0: an experiment needs at least one"):
        seed_numbers("quick", 0, 0)


def test_real_stretch_lies_where_every_track_is(own: DataSet) -> None:
    places = [place_for_seed(own, seed, ids=[]) for seed in range(60)]
    assert {place.chrom for place in places} == {"chrA", "chrB"}
    for place in places:
        assert place.data is own
        assert 0 <= place.start < place.end <= LENGTHS[place.chrom]
        assert place.end - place.start == min(STRETCH, LENGTHS[place.chrom])
    assert len({place.start for place in places if place.chrom == "chrA"}) > 40
    assert place_for_seed(own, 3, ids=[]) == place_for_seed(own, 3, ids=[])


def test_real_data_without_a_common_chromosome(tmp_path: Path) -> None:
    write_fasta(tmp_path / "genome.fa", {"chrA": "ACGT" * 100, "chrB": "ACGT" * 100})
    for name, chrom in (("one", "chrA"), ("two", "chrB")):
        write_bigwig(tmp_path / f"{name}.bw", {chrom: 400}, {chrom: ([0], [10], [1.0])})
    (tmp_path / "own.yml").write_text(MANIFEST)
    data = load_dataset(tmp_path / "own.yml")
    with pytest.raises(InputError, match="'own' has no chromosome that all its tracks cover: leave out a track"):
        place_for_seed(data, 0, ids=[])


def test_a_seed_makes_a_small_genome_with_only_the_files_asked_for() -> None:
    data = DataSet("simulated", load_manifest("simulated"), {}, seed=0)
    ids = ["genome", "truth", "atac_A_coverage"]
    first, second = (place_for_seed(data, seed, ids=ids, settings={"zoom_levels": 0}) for seed in (1, 2))
    assert list(first.data.paths) == ids
    assert (first.chrom, first.start, first.end) == ("chr1", 0, chrom_lengths(first.data.tracks["atac_A_coverage"])["chr1"])
    assert read_header(first.data.tracks["atac_A_coverage"]).zoom_levels == ()
    assert read_truth(first.data.paths["truth"])["kind"].eq("element").sum() > 50
    with Genome(first.data.genome) as one, Genome(second.data.genome) as two:
        assert one.lengths == two.lengths
        assert not np.array_equal(one.codes("chr1"), two.codes("chr1"))


def test_a_lesson_for_simulated_data_only(own: DataSet) -> None:
    with pytest.raises(NotForThisDataset, match="needs a simulated data set, and 'own' is none: it is about the answer key"):
        only_simulated(own, "it is about the answer key")
    only_simulated(DataSet("simulated", own.manifest, {}, seed=0), "any reason")
