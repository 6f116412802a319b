from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from helpers.data.simulation import MOTIFS, SimulationSettings, World, motif_named, read_truth
from helpers.data.simulation.genome import COMPLEMENT, FAMILIES, mappability
from helpers.data.simulation.layout import mark
from helpers.errors import InputError
from helpers.files.fasta import Genome
from helpers.files.sequence import decode, encode, reverse_complement


def gc(codes: np.ndarray) -> float:
    known = codes[codes < 4]
    return float(((known == 1) | (known == 2)).mean())


def cpg_ratio(codes: np.ndarray) -> float:
    found = ((codes[:-1] == 1) & (codes[1:] == 2)).sum()
    return found * (codes < 4).sum() / ((codes == 1).sum() * (codes == 2).sum())


def plain(world: World) -> np.ndarray:
    """Bases that are neither in islands, repeats, gaps nor near elements."""
    centres = world.elements["centre"]
    used = mark(len(world.flat), pd.DataFrame({"start": centres, "end": centres + 1}), 400)
    return ~(used | mark(len(world.flat), world.repeats) | mark(len(world.flat), world.layout.islands) | (world.flat == 4))


def test_isochores_have_their_gc(default_world: World) -> None:
    fine = plain(default_world)
    for row in default_world.layout.isochores.itertuples():
        inside = default_world.flat[row.start : row.end][fine[row.start : row.end]]
        assert gc(inside) == pytest.approx(row.gc, abs=0.015)
    assert default_world.layout.isochores["gc"].between(0.36, 0.52).all()
    lengths = default_world.layout.isochores["end"] - default_world.layout.isochores["start"]
    assert lengths.between(100_000, 400_000).all()
    assert lengths.sum() == 9_600_000


def test_cpg_is_depleted_outside_islands_only(default_world: World) -> None:
    codes, inside = default_world.flat, mark(len(default_world.flat), default_world.layout.islands)
    centres = default_world.elements["centre"]
    inside &= ~mark(len(codes), pd.DataFrame({"start": centres, "end": centres + 1}), 150)
    assert cpg_ratio(codes[plain(default_world)]) == pytest.approx(0.24, abs=0.02)
    assert cpg_ratio(codes[inside]) == pytest.approx(0.8, abs=0.04)
    assert gc(codes[inside]) == pytest.approx(0.65, abs=0.01)
    lengths = default_world.layout.islands["end"] - default_world.layout.islands["start"]
    assert lengths.between(300, 1_500).all()


def test_gaps_are_n_and_nothing_else_is(default_world: World) -> None:
    assert ((default_world.flat == 4) == mark(9_600_000, default_world.layout.gaps)).all()
    chrom = default_world.codes("chr3")
    assert decode(chrom[:10_000]) == "N" * 10_000
    assert chrom[10_000] < 4
    assert len(default_world.layout.gaps) == 8 * 4


def test_a_quarter_of_the_genome_is_repeats_and_copies_diverge_as_drawn(default_world: World) -> None:
    repeats = default_world.repeats
    assert 0.20 < mark(9_600_000, repeats).mean() < 0.30
    assert set(repeats["name"]) == {family.name for family in FAMILIES}
    assert 0.4 < (repeats["strand"] == 1).mean() < 0.6
    assert repeats["divergence"].between(0.05, 0.20).all()
    # Pairs of full copies of a SINE differ by about the sum of their divergences, against three quarters for unrelated sequence.
    sine = repeats[(repeats["name"] == "SINE1") & (repeats["end"] - repeats["start"] == 300)].head(40)
    read = []
    for row in sine.itertuples():
        bases = default_world.flat[row.start : row.end]
        read.append(bases if row.strand == 1 else COMPLEMENT[bases[::-1]])
    different = [np.mean(read[i] != read[j]) for i in range(20) for j in range(20, len(read))]
    assert 0.1 < np.median(different) < 0.4


def test_duplications_are_copies_with_their_divergence(default_world: World) -> None:
    table = default_world.layout.duplications
    share = (table["end"] - table["start"]).sum() / 9_600_000
    assert share == pytest.approx(0.06, abs=0.002)
    assert set(table["strand"]) == {1, -1}
    elsewhere = (table["start"] // 1_200_000 != table["source_start"] // 1_200_000).mean()
    assert 0.3 < elsewhere < 0.7
    for row in table.itertuples():
        source, copy = default_world.flat[row.source_start : row.source_end], default_world.flat[row.start : row.end]
        copy = copy if row.strand == 1 else COMPLEMENT[copy[::-1]]
        size = len(source)
        assert np.mean(source != copy) == pytest.approx(row.divergence, abs=5 * np.sqrt(row.divergence / size))
    everything = pd.concat([table[["start", "end"]], table[["source_start", "source_end"]].set_axis(["start", "end"], axis=1)])
    everything = everything.sort_values("start")
    assert (everything["start"].to_numpy()[1:] >= everything["end"].to_numpy()[:-1]).all()


def test_copied_elements_lie_where_the_copied_sequence_lies(world: World) -> None:
    copies = world.elements[world.elements["copy_of"] >= 0]
    assert len(copies) > 5
    for row in copies.itertuples():
        original = world.elements.loc[row.copy_of]
        block = world.layout.duplications.query("start <= @row.centre < end").iloc[0]
        assert block.source_start <= original.start
        assert original.end <= block.source_end
        if block.strand == 1:
            assert row.start - block.start == original.start - block.source_start
        else:
            assert row.start - block.start == block.source_end - original.end
        assert row.end - row.start == original.end - original.start
        mine, theirs = (world.instances[world.instances["element"] == number] for number in (row.Index, row.copy_of))
        order = 1 if block.strand == 1 else -1
        assert list(mine["motif"]) == list(theirs["motif"])[::order]
        assert list(mine["strand"] * block.strand) == list(theirs["strand"])[::order]


def test_planted_motifs_are_in_the_fasta_where_the_truth_says(folder) -> None:
    truth = read_truth(folder)
    planted = truth[truth["kind"].isin(["motif", "decoy"])]
    assert len(planted) > 600
    with Genome(folder / "genome.fa") as genome:
        for row in planted.itertuples():
            motif = motif_named(row.motif)
            bases = genome.fetch(row.chrom, row.start, row.end)
            bases = bases if row.strand == "+" else reverse_complement(bases)
            score = sum(np.log2(motif.frequencies[k, "ACGT".index(base)] / 0.25) for k, base in enumerate(bases))
            if row.kind == "motif":
                assert score == pytest.approx(row.score, abs=1e-4)
                bound = 1 / (1 + 2 ** -(score - motif.best_score + 5))
                assert row.occupancy == pytest.approx(bound, abs=1e-6)
            else:
                assert score > motif.best_score - 6
    originals = planted[(planted["kind"] == "motif") & (planted["occupancy"] > 0.5)]
    assert len(originals) > 0.9 * (planted["kind"] == "motif").sum()
    assert 0.4 < (planted["strand"] == "+").mean() < 0.6


def test_decoys_lie_outside_elements_unless_asked(variant_world: Callable[..., World]) -> None:
    decoy = [index for index, motif in enumerate(MOTIFS) if motif.is_decoy]
    outside, inside = variant_world(), variant_world(decoys_in_elements=True)
    near = mark(len(outside.flat), outside.elements[outside.elements["copy_of"] < 0][["start", "end"]])
    assert len(outside.decoys) == pytest.approx(200, abs=2)
    assert not near[outside.decoys["start"].to_numpy()].any()
    assert not outside.instances["motif"].isin(decoy).any()
    assert len(inside.decoys) == 0
    assert inside.instances["motif"].isin(decoy).sum() > 100
    assert variant_world(decoys_per_mb=0).decoys.empty


def test_mappability_equals_a_slow_count_of_reads() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(4, size=1_200, dtype=np.uint8)
    codes[300:420] = codes[100:220]
    codes[700:800] = COMPLEMENT[codes[500:600][::-1]]
    codes[900:910] = 4
    codes[330] = (codes[330] + 1) % 4
    read = 40
    text = decode(codes)
    count: dict[str, int] = {}
    for start in range(len(text) - read + 1):
        word = text[start : start + read]
        for key in {word, reverse_complement(word)}:
            count[key] = count.get(key, 0) + 1
    unique = np.ones(len(text))
    for start in range(len(text) - read + 1):
        word = text[start : start + read]
        unique[start] = "N" in word or count[word] == 1
    expected = unique.reshape(-1, 10).mean(axis=1)
    np.testing.assert_allclose(mappability(codes, np.ones(len(codes), bool), read, 10), expected)
    assert (expected < 1).sum() > 20


def test_only_annotated_sequence_is_repeated(world: World) -> None:
    everywhere = mappability(world.flat, np.ones(len(world.flat), bool), 50, 10)
    np.testing.assert_array_equal(everywhere, world.mappability)


def test_switches_of_the_sequence(variant_world: Callable[..., World]) -> None:
    assert variant_world(duplication_share=0.0).layout.duplications.empty
    assert (variant_world(duplication_share=0.0).elements["copy_of"] == -1).all()
    near = variant_world(duplication_share=0.2, duplication_elsewhere=0.0).layout.duplications
    assert (near["start"] // 200_000 == near["source_start"] // 200_000).all()
    none = variant_world(repeat_share=0.0)
    assert none.repeats.empty
    assert variant_world(repeat_share=0.0, duplication_share=0.0).mappability.min() == 1.0
    assert variant_world(cpg_islands=False).layout.islands.empty
    open_ends = variant_world(telomere_gap=0, internal_gaps=0)
    assert (open_ends.flat < 4).all()
    full = variant_world(cpg_ratio=1.0, repeat_share=0.0)
    assert cpg_ratio(full.flat[plain(full)]) == pytest.approx(1.0, abs=0.05)
    even = variant_world(isochore_gc=(0.42, 0.42), local_gc_sd=0.0, repeat_share=0.0)
    blocks = even.flat.reshape(-1, 20_000)
    assert np.std([gc(block) for block in blocks if (block < 4).mean() > 0.9]) < 0.01


def test_an_unknown_chromosome_is_named(world: World) -> None:
    with pytest.raises(InputError, match="chromosome 'chr9' is not in the simulated genome: choose from chr1, chr2"):
        world.codes("chr9")


def test_codes_of_a_chromosome_are_those_of_the_fasta(world: World, folder, small: SimulationSettings) -> None:
    with Genome(folder / "genome.fa") as genome:
        assert genome.lengths == {"chr1": 200_000, "chr2": 200_000}
        for chrom in small.chromosomes:
            np.testing.assert_array_equal(encode(genome.fetch(chrom)), world.codes(chrom))
