from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.data.simulation import MOTIFS, SimulationSettings, World, factor_activity, motif_named, read_truth, true_log_rates
from helpers.data.simulation.genome import COMPLEMENT
from helpers.errors import InputError
from helpers.files.fasta import Genome
from helpers.files.sequence import reverse_complement

BASES = "ACGT"


def slow_instance(sequence: str, start: int, strand: str, name: str, settings: SimulationSettings) -> tuple[float, float]:
    """Occupancy and effect of one instance at `start` of a forward-strand sequence."""
    motif = motif_named(name)
    bases = sequence[start : start + motif.width]
    before, after = (
        sequence[start - len(motif.left) : start],
        sequence[start + motif.width : start + motif.width + len(motif.right)],
    )
    if strand == "-":
        bases = reverse_complement(bases)
        before = reverse_complement(sequence[start + motif.width : start + motif.width + len(motif.left)])
        after = reverse_complement(sequence[start - len(motif.right) : start])
    score = sum(np.log2(motif.frequencies[k, BASES.index(base)] / 0.25) for k, base in enumerate(bases))
    bound = 1 / (1 + 2 ** -(score - motif.best_score + settings.occupancy_midpoint))
    wanted = motif.left + motif.right
    match = np.mean([a == b for a, b in zip(before + after, wanted, strict=True)]) if wanted else 0.0
    return bound, bound * (motif.strength * settings.motif_log_effect + (motif.strength > 0) * match * settings.flank_log_effect)


def slow_log_rate(sequence: str, motifs: pd.DataFrame, cell_type: int, settings: SimulationSettings) -> float:
    """Log rate by the documented formula, with plain loops; `motifs` has start within `sequence`, strand and motif."""
    activity = dict(zip([motif.name for motif in MOTIFS], factor_activity(cell_type), strict=True))
    total, previous = 0.0, None
    for row in motifs.sort_values("start").itertuples():
        bound, effect = slow_instance(sequence, row.start, row.strand, row.motif, settings)
        total += effect * activity[row.motif]
        if previous is not None and row.motif == previous[0] == "AP1" and 6 <= row.start - previous[1] <= 18:
            total += settings.cooperativity_log_bonus * bound * previous[2] * activity["AP1"]
        previous = (row.motif, row.start + motif_named(row.motif).width, bound)
    return total


def test_rates_in_the_truth_equal_a_slow_loop_over_the_fasta(folder: Path, small: SimulationSettings) -> None:
    truth = read_truth(folder)
    motifs = truth[truth["kind"] == "motif"]
    elements = truth[truth["kind"] == "element"]
    noise = []
    with Genome(folder / "genome.fa") as genome:
        for row in elements.itertuples():
            inside = motifs[motifs["element"] == row.name]
            left = row.start - 10
            sequence = genome.fetch(row.chrom, left, row.end + 10)
            local = inside.assign(start=inside["start"] - left)
            for number, letter in enumerate("ABC"):
                encoded = slow_log_rate(sequence, local, number, small)
                noise.append(getattr(row, f"activity_{letter}") - encoded - row.locus_effect)
    assert np.std(noise) == pytest.approx(0.2, abs=0.03)
    assert np.mean(noise) == pytest.approx(0, abs=0.03)


def test_without_noise_the_rate_is_encoded_part_plus_locus_effect(variant_world: Callable[..., World]) -> None:
    world = variant_world(cell_noise_sd=0.0)
    for row in (0, 7, len(world.elements) - 1):
        encoded = true_log_rates(world, row)
        np.testing.assert_allclose(world.log_rates[row], encoded + world.elements["locus_effect"][row], atol=2e-6)


def test_variant_effects_equal_recomputation_on_the_changed_sequence(world: World) -> None:
    hit = world.variants[world.variants["element"] >= 0]
    assert set(hit["kind"]) == {"motif", "flank"}
    assert (world.flat[world.variants["position"]] == world.variants["ref"]).all()
    assert (world.variants["ref"] != world.variants["alt"]).all()
    for row in hit.itertuples():
        start, end = (int(world.elements[side][row.element]) for side in ("start", "end"))
        changed = world.flat[start:end].copy()
        changed[row.position - start] = row.alt
        expected = true_log_rates(world, row.element, changed) - true_log_rates(world, row.element)
        np.testing.assert_allclose(world.effects[row.Index], expected, atol=2e-6)
    assert (world.effects[(world.variants["element"] < 0).to_numpy()] == 0).all()
    largest = np.abs(world.effects).max(axis=1)
    assert (largest[(world.variants["kind"] == "motif").to_numpy()] > 0.2).mean() > 0.4


def test_variants_outside_elements_touch_no_element(world: World) -> None:
    neutral = world.variants[world.variants["kind"] == "neutral"]["position"].to_numpy()
    distance = np.abs(world.elements["centre"].to_numpy()[None, :] - neutral[:, None]).min(axis=1)
    assert (distance >= 300).all()
    assert len(neutral) == 10
    decoys = world.variants[world.variants["kind"] == "decoy"]
    assert len(decoys) == 4
    assert decoys["motif"].map(lambda number: MOTIFS[number].is_decoy).all()


def test_a_variant_lies_in_the_part_that_its_kind_names(world: World) -> None:
    width = np.array([motif.width for motif in MOTIFS])
    for row in world.variants[world.variants["element"] >= 0].itertuples():
        inside = world.instances[world.instances["element"] == row.element]
        starts, ends = inside["start"].to_numpy(), inside["start"].to_numpy() + width[inside["motif"]]
        in_motif = ((row.position >= starts) & (row.position < ends)).any()
        assert in_motif == (row.kind == "motif")
        if row.kind == "flank":
            assert min(np.abs(starts - row.position).min(), np.abs(ends - 1 - row.position).min()) <= 3


def test_grammar(default_world: World) -> None:
    originals = set(np.flatnonzero(default_world.elements["copy_of"] < 0))
    table = default_world.instances[default_world.instances["element"].isin(originals)]
    count = table.groupby("element").size()
    assert set(count) == {3, 4, 5, 6}
    width = np.array([motif.width for motif in MOTIFS])
    start, motif, element = (table[name].to_numpy() for name in ("start", "motif", "element"))
    gap = start[1:] - start[:-1] - width[motif[:-1]]
    same = element[1:] == element[:-1]
    pair = same & (motif[1:] == 0) & (motif[:-1] == 0)
    assert gap[same & ~pair].min() == 10
    assert gap[same & ~pair].max() == 40
    assert gap[pair].min() == 6
    assert gap[pair].max() == 40
    assert 0.3 < (gap[pair] <= 18).mean() < 0.7
    assert pair.sum() > 500


def test_only_close_pairs_cooperate(variant_world: Callable[..., World]) -> None:
    world = variant_world(cell_noise_sd=0.0, locus_effect_sd=0.0)
    parts = world.instances.groupby("element")["activity_A"].sum().reindex(range(len(world.elements))).to_numpy()
    bonus = world.log_rates[:, 0] - parts
    table, width = world.instances, motif_named("AP1").width
    close = np.zeros(len(world.elements), bool)
    for element, rows in table.groupby("element"):
        ap1, start = rows["motif"].to_numpy() == 0, rows["start"].to_numpy()
        gap = start[1:] - start[:-1] - width
        close[element] = (ap1[1:] & ap1[:-1] & (gap >= 6) & (gap <= 18)).any()
    assert np.abs(bonus[~close]).max() < 1e-5
    assert np.median(bonus[close]) > 0.6
    none = variant_world(cell_noise_sd=0.0, locus_effect_sd=0.0, cooperativity_log_bonus=0.0)
    np.testing.assert_allclose(none.log_rates[:, 0], parts, atol=1e-5)


def test_active_elements_of_the_default_genome(default_world: World) -> None:
    active = default_world.active.sum(axis=0)
    assert len(default_world.elements) / 9.6 == pytest.approx(300, rel=0.05)
    assert ((active > 900) & (active < 1_700)).all()
    assert 1_000 < active.mean() < 1_400
    role = default_world.elements["role"]
    assert set(role) == {"promoter", "housekeeping", "insulator", "boundary", "enhancer"}
    steady = default_world.active[(role == "housekeeping").to_numpy()]
    tissue = default_world.active[(role == "enhancer").to_numpy()]
    assert steady.all(axis=1).mean() > 0.6
    assert tissue.all(axis=1).mean() < 0.2


def test_locus_effect_is_shared_and_has_its_spread(default_world: World) -> None:
    effect = default_world.elements["locus_effect"]
    assert effect.std() == pytest.approx(0.4, abs=0.02)
    copies = default_world.elements[default_world.elements["copy_of"] >= 0]
    assert np.corrcoef(copies["locus_effect"], effect[copies["copy_of"]])[0, 1] < 0.3


def test_switches_of_regulation(variant_world: Callable[..., World]) -> None:
    no_motifs = variant_world(motif_effects=False)
    assert no_motifs.instances.empty
    scattered = no_motifs.decoys["motif"].map(lambda number: MOTIFS[number].name)
    assert {"AP1", "GATA", "DECOY1"} <= set(scattered)
    spread = no_motifs.log_rates - 3.0 - no_motifs.elements["locus_effect"].to_numpy()[:, None]
    assert np.std(spread) == pytest.approx(0.2, abs=0.03)
    assert (no_motifs.effects == 0).all()
    quiet = variant_world(
        motif_log_effect=0.0, flank_log_effect=0.0, cooperativity_log_bonus=0.0, locus_effect_sd=0.0, cell_noise_sd=0.0
    )
    assert (quiet.log_rates == 0).all()
    alike = variant_world(cell_type_differences=False, cell_noise_sd=0.0)
    np.testing.assert_array_equal(alike.log_rates[:, 0], alike.log_rates[:, 2])
    assert (variant_world(locus_effect_sd=0.0).elements["locus_effect"] == 0).all()
    flat = variant_world(flank_log_effect=0.0)
    assert np.abs(flat.effects[(flat.variants["kind"] == "flank").to_numpy()]).max() == 0
    assert variant_world(elements_per_mb=0.0, genes_per_mb=0.0).elements.empty
    assert variant_world(link_share=0.0).links.empty


def test_genes_and_domains(default_world: World) -> None:
    genes, domains = default_world.layout.genes, default_world.layout.domains
    assert len(genes) == 144
    size = genes["end"] - genes["start"]
    assert 8_000 < size.median() < 25_000
    assert (genes["start"].to_numpy()[1:] >= genes["end"].to_numpy()[:-1]).all()
    assert not (
        default_world.flat[np.concatenate([np.arange(a, b) for a, b in zip(genes["start"], genes["end"], strict=True)])] == 4
    ).any()
    plus = genes["strand"] == 1
    assert (genes["tss"][plus] == genes["start"][plus]).all()
    assert (genes["tss"][~plus] == genes["end"][~plus] - 1).all()
    assert (domains["start"].to_numpy()[1:] == domains["end"].to_numpy()[:-1]).all()
    inner = domains["end"] - domains["start"]
    assert inner.between(90_000, 320_000).all()
    for row in genes.itertuples():
        assert domains["start"][row.domain] <= row.start < row.end <= domains["end"][row.domain]
        promoter = default_world.elements[default_world.elements["gene"] == row.Index]
        assert len(promoter) == 1
        assert promoter["centre"].iloc[0] == row.tss - row.strand * 60
    ctcf = default_world.instances[default_world.instances["motif"] == [motif.name for motif in MOTIFS].index("CTCF")]
    boundaries = default_world.elements[(default_world.elements["role"] == "boundary") & (default_world.elements["copy_of"] < 0)]
    assert set(boundaries["centre"]) == set(domains["start"][domains["start"] % 1_200_000 > 0])
    for row in boundaries.index:
        assert list(ctcf[ctcf["element"] == row]["strand"][:2]) == [-1, 1]


def test_expression_follows_promoter_links_and_gene_effect(variant_world: Callable[..., World]) -> None:
    settings = {"n_chromosomes": 4, "genes_per_mb": 40.0}
    free, none = variant_world(**settings), variant_world(**settings, gene_effect_sd=0.0)
    own = free.expression - none.expression
    np.testing.assert_allclose(own, own[:, :1] + 0 * own, atol=1e-5)
    assert np.std(own[:, 0]) == pytest.approx(1.2, abs=0.4)
    expected = np.zeros_like(none.expression)
    for row in np.flatnonzero(none.elements["gene"] >= 0):
        expected[none.elements["gene"][row]] += 0.5 * (none.log_rates[row] - 3.0)
    for row in none.links.itertuples():
        expected[row.gene] += row.weight * (none.log_rates[row.element] - 3.0)
    assert np.std(none.expression - expected) == pytest.approx(0.2, abs=0.05)


def test_links_have_hubs_and_prefer_their_domain(default_world: World) -> None:
    degree = default_world.links.groupby("element").size()
    assert (degree == 1).mean() > 0.5
    assert degree.max() > 15
    assert not default_world.links.duplicated(["element", "gene"]).any()
    single = default_world.links[default_world.links["element"].map(degree) == 1]
    assert single["same_domain"].mean() > 0.7
    assert (default_world.links["distance"] >= -1).all()


def test_a_changed_sequence_changes_the_rate_as_the_formula_says(world: World) -> None:
    row = int(world.instances["element"].iloc[0])
    start, end = (int(world.elements[side][row]) for side in ("start", "end"))
    blank = np.zeros(end - start, dtype=np.uint8)
    lost = true_log_rates(world, f"element{row}", blank)
    assert (lost < 0.2 * true_log_rates(world, row)).all()
    mirrored = COMPLEMENT[world.flat[start:end]]
    assert not np.allclose(true_log_rates(world, row, mirrored), true_log_rates(world, row))


@pytest.mark.parametrize(
    ("element", "sequence", "words"),
    [
        ("element99999", None, "element='element99999' is not in this world: choose from element0"),
        (-1, None, "element=-1 is not in this world"),
        (0, np.zeros(3, np.uint8), "give one code per base of its interval"),
    ],
)
def test_true_rates_of_what_is_not_there(world: World, element: object, sequence: object, words: str) -> None:
    with pytest.raises(InputError) as caught:
        true_log_rates(world, element, sequence)  # type: ignore[arg-type]
    assert words in str(caught.value)
