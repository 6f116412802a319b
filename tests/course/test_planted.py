"""What lesson 08 holds a model against: words of motifs, the answer key of a simulated genome, and known sites of a real one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.course import planted
from helpers.course.findings import NotForThisDataset
from helpers.course.tasks import Task, task_for_seed
from helpers.data.datasets import DataSet
from helpers.data.manifests import load_manifest
from helpers.data.schema import Splits
from helpers.data.simulation import MOTIFS, SimulationSettings, make_world, motif_named, scan
from helpers.errors import InputError
from helpers.files.sequence import encode, reverse_complement

SMALL = {"n_chromosomes": 3, "chromosome_length": 200_000}


@pytest.fixture(scope="module")
def task() -> Task:
    manifest = load_manifest("simulated").model_copy(update={"splits": Splits(validation=["chr2"], test=["chr3"])})
    return task_for_seed(DataSet("simulated", manifest, {}, seed=0), 5, settings=SMALL)


def real(names: list[str], organism: str = "Saccharomyces cerevisiae") -> DataSet:
    """A data set that was not simulated, with tracks of these names."""
    manifest = load_manifest("yeast_multi_assay")
    entry = manifest.entry("MNase")
    files = [entry.model_copy(update={"id": name}) for name in names]
    paths = {name: Path(f"{name}.bw") for name in names}
    return DataSet("own", manifest.model_copy(update={"files": files, "organism": organism}), paths)


def test_words_of_motifs() -> None:
    assert planted.motif_word(motif_named("AP1")) == "NATGACTCACN"
    assert planted.motif_word(motif_named("GATA")) == "NNAGATAAGAN"
    assert planted.active_motifs() == {
        "AP1": "NATGACTCACN",
        "GATA": "NNAGATAAGAN",
        "RUNX": "NAAACCACAANN",
        "SP1": "NGGGGCGGGGCCN",
        "ETS": "NACCGGAAGTGN",
        "NRF1": "CGCGCACGCGCA",
        "CTCF": "CGACCACCAGAGGGCACCN",
    }
    assert list(planted.active_motifs(1)) == ["AP1", "FOX", "HNF4", "SP1", "ETS", "NRF1", "CTCF"]
    assert planted.decoy_motifs() == {"DECOY1": "NCTAGCATTGGACN", "DECOY2": "NGTTAAGCCATCTN"}


@pytest.mark.parametrize("motif", MOTIFS, ids=lambda motif: motif.name)
def test_a_word_scores_as_well_as_a_motif_can(motif) -> None:  # type: ignore[no-untyped-def]
    word = planted.motif_word(motif).replace("N", "A")
    free = motif.log_odds[[letter == "N" for letter in planted.motif_word(motif)]].max(axis=1, initial=0).sum()
    assert scan(encode(word), motif).max() >= motif.best_score - free - 1e-6


def test_shuffled_words_are_other_orders_of_the_same_letters() -> None:
    found = planted.shuffled_words("ATCACNNNNNACG", 20, 3)
    assert len(set(found)) == 20
    assert "ATCACNNNNNACG" not in found
    assert {word[5:10] for word in found} == {"NNNNN"}
    assert {"".join(sorted(word)) for word in found} == {"".join(sorted("ATCACNNNNNACG"))}
    assert found == planted.shuffled_words("ATCACNNNNNACG", 20, 3) != planted.shuffled_words("ATCACNNNNNACG", 20, 4)
    assert sorted(planted.shuffled_words("AAC", 2, 0)) == ["ACA", "CAA"]
    with pytest.raises(InputError, match="word 'AAC' has only 2 other orders of its letters: ask for fewer than 3"):
        planted.shuffled_words("AAC", 3, 0)


def test_known_sites_and_the_track_they_act_on() -> None:
    assert planted.known_sites("Saccharomyces cerevisiae") == {"REB1": "TTACCCG", "ABF1": "RTCRYNNNNNACG"}
    with pytest.raises(NotForThisDataset, match="no known sites of 'Homo sapiens' are listed"):
        planted.known_sites("Homo sapiens")
    assert planted.open_chromatin(real(["MNase", "my_ATAC_coverage"])) == "my_ATAC_coverage"
    assert planted.open_chromatin(real(["DNase_1", "atac"])) == "DNase_1"
    with pytest.raises(NotForThisDataset, match="'own' has no track of open chromatin, which known sites would raise"):
        planted.open_chromatin(real(["MNase", "PolII"]))


def test_the_answer_key_is_that_of_the_tasks_genome(task: Task) -> None:
    key = planted.answer_key(task)
    world = make_world(SimulationSettings().replace(n_cell_types=1, **SMALL), 5)
    motifs = key[key["kind"] == "motif"]
    assert len(motifs) == len(world.instances)
    assert planted.open_chromatin(task.data) == ""
    strong = planted.effective(key)
    assert set(strong["motif"]) <= set(planted.active_motifs())
    assert (strong["activity_A"] >= 0.1).all()
    assert list(strong.index) == list(range(len(strong)))
    for row in strong.head(20).itertuples():
        codes = task.prepared.codes[task.prepared.chroms.set_index("chrom")["base_offset"][row.chrom] + row.start :][
            : row.end - row.start
        ]
        assert scan(codes, motif_named(row.motif))["+-".index(row.strand), 0] == pytest.approx(row.score)
    with pytest.raises(NotForThisDataset, match="'own' has no answer key"):
        planted.answer_key(Task(real(["atac"]), task.prepared, task.split, task.window))


def test_covered_bases() -> None:
    windows = pd.DataFrame({"chrom": ["a", "a", "b"], "start": [0, 10, 10], "end": [10, 20, 20]})
    places = pd.DataFrame({"chrom": ["a", "b", "b"], "start": [8, 0, 19], "end": [12, 10, 40]})
    assert [np.flatnonzero(row).tolist() for row in planted.covered(windows, places)] == [[8, 9], [0, 1], [9]]
    assert not planted.covered(windows, places.iloc[:0]).any()
    with pytest.raises(InputError, match=r"windows have the widths .*10.*11.*: give at least one, all of one width"):
        planted.covered(windows.assign(end=[10, 20, 21]), places)
    with pytest.raises(InputError, match=r"windows have the widths \[\]"):
        planted.covered(windows.iloc[:0], places)


def test_chance_matches_are_what_looks_like_a_motif_and_was_not_planted() -> None:
    word = "CCTGGGTATGACTCACATTCC"  # AP-1 from base 6 on, 11 bp
    codes = np.stack([encode(word), encode(reverse_complement(word)), encode("C" * len(word)), encode(word)])
    was_planted = np.zeros(codes.shape, bool)
    was_planted[3, 16] = True
    found = planted.chance_matches(codes, {"AP1": ""}, was_planted)
    assert [np.flatnonzero(row).tolist() for row in found] == [list(range(6, 17)), list(range(4, 15)), [], []]
    assert not planted.chance_matches(codes, {"GATA": ""}, was_planted).any()


def test_flanks_lie_before_and_after_on_the_strand_of_the_motif() -> None:
    columns = {"chrom": "chr1", "start": [100, 200, 300, 400], "end": [111, 211, 310, 410], "strand": ["+", "-", "+", "-"]}
    places = pd.DataFrame({**columns, "motif": ["AP1", "AP1", "GATA", "GATA"]})
    wide = planted.with_flanks(places)  # AG before and CT after AP-1; CTG after GATA
    assert wide[["start", "end"]].to_numpy().tolist() == [[98, 113], [198, 213], [300, 313], [397, 410]]
    assert wide.drop(columns=["start", "end"]).equals(places.drop(columns=["start", "end"]))
    assert planted.with_flanks(places.iloc[:0]).empty
