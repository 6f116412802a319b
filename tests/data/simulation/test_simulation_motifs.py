import numpy as np
import pytest

from helpers.data.simulation import FACTORS, MOTIFS, consensus, factor_activity, meme_text, motif_named, occupancy, scan
from helpers.data.simulation.motifs import draw_instances
from helpers.errors import InputError
from helpers.files.sequence import encode, reverse_complement


def test_there_are_ten_factors_and_two_decoys_of_at_least_ten_bases() -> None:
    assert FACTORS == ("AP1", "GATA", "FOX", "RUNX", "HNF4", "EBOX", "SP1", "ETS", "NRF1", "CTCF")
    assert [motif.name for motif in MOTIFS if motif.is_decoy] == ["DECOY1", "DECOY2"]
    assert all(motif.width >= 10 for motif in MOTIFS)
    assert motif_named("CTCF").width == 19


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("AP1", "TGA"),
        ("AP1", "TCA"),
        ("GATA", "AGATAAG"),
        ("FOX", "TGTTTAC"),
        ("RUNX", "AACCACA"),
        ("HNF4", "GGTCAAAGTCCA"),
        ("EBOX", "CACGTG"),
        ("SP1", "GGGCGGGGC"),
        ("ETS", "CCGGAAGT"),
        ("NRF1", "GCGCA"),
        ("CTCF", "CCA"),
    ],
)
def test_consensus_holds_the_core_of_the_literature(name: str, core: str) -> None:
    assert core in consensus(motif_named(name))


def test_frequencies_of_one_pattern_written_out() -> None:
    rows = motif_named("AP1").frequencies
    np.testing.assert_allclose(rows[2], [0.02, 0.02, 0.02, 0.94])  # T
    np.testing.assert_allclose(rows[5], [0.03, 0.47, 0.47, 0.03])  # S is C or G
    np.testing.assert_allclose(rows[0], [0.25] * 4)  # n
    for motif in MOTIFS:
        np.testing.assert_allclose(motif.frequencies.sum(axis=1), 1)


def test_scan_equals_a_slow_loop_on_both_strands() -> None:
    motif = motif_named("GATA")
    text = "ACGTNCTTATCTGGACTGATAAGACCTTAGCAGATAAGGACTGNNACGT"
    scores = scan(encode(text), motif)

    def slow(window: str) -> float:
        if "N" in window:
            return -np.inf
        return sum(np.log2(motif.frequencies[k, "ACGT".index(base)] / 0.25) for k, base in enumerate(window))

    for start in range(len(text) - motif.width + 1):
        window = text[start : start + motif.width]
        assert scores[0, start] == pytest.approx(slow(window), abs=1e-4)
        assert scores[1, start] == pytest.approx(slow(reverse_complement(window)), abs=1e-4)


def test_scan_of_a_sequence_shorter_than_the_motif_is_empty() -> None:
    assert scan(encode("ACGT"), motif_named("AP1")).shape == (2, 0)


def test_consensus_has_the_best_score_and_is_nearly_always_bound() -> None:
    for motif in MOTIFS:
        best = scan(encode(consensus(motif)), motif)[0, 0]
        assert best == pytest.approx(motif.best_score)
        assert occupancy(best, motif, 5.0) == pytest.approx(32 / 33)
        assert occupancy(best - 5, motif, 5.0) == pytest.approx(0.5)


def test_flanks_surround_the_consensus() -> None:
    motif = motif_named("AP1")
    assert consensus(motif, flanks=True) == "AG" + consensus(motif) + "CT"


def test_decoys_resemble_no_factor() -> None:
    for decoy in (motif for motif in MOTIFS if motif.is_decoy):
        padded = np.concatenate([np.full(20, 4, np.uint8), encode(consensus(decoy)), np.full(20, 4, np.uint8)])
        padded[padded == 4] = np.random.default_rng(0).integers(4, size=40)
        for name in FACTORS:
            assert occupancy(scan(padded, motif_named(name)).max(), motif_named(name), 5.0) < 0.2, name


def test_drawn_instances_follow_the_matrix() -> None:
    motif = motif_named("ETS")
    drawn = draw_instances(motif, 4_000, np.random.default_rng(1), worst=100.0)
    observed = np.stack([(drawn == base).mean(axis=0) for base in range(4)], axis=1)
    np.testing.assert_allclose(observed, motif.frequencies, atol=0.03)
    good = draw_instances(motif, 500, np.random.default_rng(1), worst=3.0)
    scores = motif.log_odds[np.arange(motif.width), good].sum(axis=1)
    assert (scores >= motif.best_score - 3.0).mean() > 0.95


def test_cell_types_differ_in_their_lineage_factors_only() -> None:
    rows = np.array([factor_activity(number) for number in range(26)])
    assert len({tuple(row) for row in rows}) == 26
    for name in ("SP1", "ETS", "NRF1", "CTCF"):
        assert (rows[:, FACTORS.index(name)] == 1).all()
    assert (rows[:, -2:] == 0).all()
    assert rows[0, FACTORS.index("GATA")] == 1.0
    assert rows[0, FACTORS.index("FOX")] == 0.05


def test_meme_text_is_read_by_biopython() -> None:
    import io

    from Bio import motifs

    read = motifs.parse(io.StringIO(meme_text()), "minimal")
    assert [motif.name for motif in read] == [motif.name for motif in MOTIFS]
    np.testing.assert_allclose(np.array([read[0].pwm[base] for base in "ACGT"]).T, MOTIFS[0].frequencies, atol=0.01)


def test_an_unknown_motif_is_named() -> None:
    with pytest.raises(InputError, match="motif 'MYC' is not known: choose from AP1"):
        motif_named("MYC")
