from __future__ import annotations

import gzip
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate import variants as module
from helpers.evaluate.averaging import both_strands, shift_averaged
from helpers.evaluate.variants import allele_signals, is_substitution, read_vcf, score_variants
from helpers.files.fasta import Genome, write_fasta
from helpers.files.sequence import decode
from helpers.prepare.tables import filter_counts

BIN, WINDOW = 4, 16
HEADER = "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
CHROMS = {
    name: np.random.default_rng(seed).integers(0, 4, length).astype(np.uint8)
    for name, seed, length in (("chr1", 0, 90), ("chr2", 1, 70))
}
CHROMS["chr1"][60] = 4
WEIGHTS = np.array([[0.1, 0.4, 0.9, 0.2, 0.5], [0.6, 0.3, 0.2, 0.8, 0.5]])  # of A, C, G, T, N in two tracks


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    write_fasta(path, CHROMS)
    return Genome(path, aliases={"1": "chr1"})


def per_bin(codes: np.ndarray) -> np.ndarray:
    """A model of two tracks that adds up weights in each bin: shifts do not touch it, strands do."""
    values = np.moveaxis(WEIGHTS[:, codes], 0, 2)
    return values.reshape(len(codes), -1, BIN, 2).sum(axis=2)


def positional(codes: np.ndarray) -> np.ndarray:
    """A model that also knows where in its window a base lies."""
    values = np.moveaxis(WEIGHTS[:, codes], 0, 2) * np.linspace(1, 2, codes.shape[1])[:, None]
    return values.reshape(len(codes), -1, BIN, 2).sum(axis=2)


def never(windows: np.ndarray) -> np.ndarray:
    raise AssertionError(f"asked for {windows.shape}")


def table(*rows: tuple[str, int, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "ref", "alt"])


def at(chrom: str, start: int, step: int = 1) -> tuple[str, int, str, str]:
    """A variant that fits the genome."""
    ref = int(CHROMS[chrom][start])
    return chrom, start, "ACGT"[ref], "ACGT"[(ref + step) % 4]


FITTING = table(at("chr2", 30), at("chr1", 24), at("chr1", 40, 2), at("chr2", 15), at("chr1", 25, 3))


def alleles(row: tuple[str, int, str, str], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences around a variant with the reference and the alternative allele."""
    chrom, start, _, alt = row
    reference = CHROMS[chrom][start - width // 2 : start - width // 2 + width]
    alternative = reference.copy()
    alternative[width // 2] = "ACGT".index(alt)
    return reference, alternative


def test_a_vcf_is_read_one_row_an_allele(tmp_path: Path) -> None:
    body = "chr1\t5\trs1\ta\tC,t\t.\tPASS\tX=1;Y\n2\t10\t.\tGA\tG,<DEL>\t9\t.\t.\tGT\t0/1\n"
    lines = body.replace("X=1;Y\n", "X=1;Y\tGT\t1/1\n")
    (tmp_path / "some.vcf").write_text(HEADER + lines)
    (tmp_path / "some.vcf.gz").write_bytes(gzip.compress((HEADER + lines).encode()))
    found = read_vcf(tmp_path / "some.vcf", aliases={"2": "chr2"})
    assert found.columns.tolist() == ["chrom", "start", "ref", "alt", "id", "quality", "filter", "info"]
    assert found.index.tolist() == [0, 1, 2, 3]
    assert found["chrom"].tolist() == ["chr1", "chr1", "chr2", "chr2"]
    assert found["start"].tolist() == [4, 4, 9, 9]
    assert found["start"].dtype == np.int64
    assert found["ref"].tolist() == ["A", "A", "GA", "GA"]
    assert found["alt"].tolist() == ["C", "T", "G", "<DEL>"]
    assert found["id"].tolist() == ["rs1", "rs1", ".", "."]
    assert found["quality"].tolist() == [".", ".", "9", "9"]
    assert found["info"].tolist() == ["X=1;Y", "X=1;Y", ".", "."]
    assert is_substitution(found).tolist() == [True, True, False, False]
    assert read_vcf(tmp_path / "some.vcf.gz", aliases={"2": "chr2"}).equals(found)
    (tmp_path / "none.vcf").write_text(HEADER)
    assert len(read_vcf(tmp_path / "none.vcf")) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t5\t.\tA\tC\t.\t.\t.\n", "has no VCF header: it must begin with ##fileformat=VCF"),
        ("chr1\t5\tA\tC\n", "has no VCF header"),
        ("##fileformat=VCFv4.2\nchr1\t5\t.\tA\tC\t.\t.\t.\n", "has no VCF header"),
        ("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t5\t.\tA\tC\t.\t.\t.\n", "has no VCF header"),
        (HEADER + "chr1\t0\t.\tA\tC\t.\t.\t.\n", r"line 4: POS \(column 2\) must be 1 or more: 'chr1"),
        (HEADER + "chr1\tx\t.\tA\tC\t.\t.\t.\n", r"line 4: start \(column 2\) is 'x', not a whole number"),
        (HEADER + "chr1\t5\t.\tA\tC\n", "line 4: 5 columns, but a VCF file has at least 8"),
        (HEADER + "chr1\t5\t.\tA\tC\t.\t.\t.\nchr1\t5\t.\tA\tC\n", "line 5: the number of columns is not 8"),
        ("", "is empty"),
    ],
)
def test_a_vcf_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.vcf").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_vcf(tmp_path / "bad.vcf")
    assert "\n" not in str(error.value)


def test_substitutions_are_told_from_all_else() -> None:
    rows = [
        ("A", "C"),
        ("a", "g"),
        ("A", "A"),
        ("A", "AC"),
        ("AC", "A"),
        ("N", "A"),
        ("A", "."),
        ("A", "*"),
        ("AC", "GT"),
        ("A", ""),
    ]
    found = is_substitution(pd.DataFrame(rows, columns=["ref", "alt"]))
    assert found.dtype == bool
    assert found.tolist() == [True, True] + [False] * 8


def test_scores_of_a_model_that_adds_up(genome: Genome) -> None:
    """Literal values: chr1 from base 32, variant at base 40, which is the ninth of 16."""
    reference, alternative = alleles(at("chr1", 40, 2), WINDOW)
    found = score_variants(
        per_bin, genome, table(at("chr1", 40, 2)), window=WINDOW, bin_size=BIN, track=0, strands=False
    )  # fmt: skip
    assert found["reference"][0] == pytest.approx(WEIGHTS[0, reference].sum() / 4)
    assert found["alternative"][0] == pytest.approx(WEIGHTS[0, alternative].sum() / 4)
    assert found["log_ratio"][0] == pytest.approx(np.log(WEIGHTS[0, alternative].sum() / WEIGHTS[0, reference].sum()))
    ref, alt = CHROMS["chr1"][40], (CHROMS["chr1"][40] + 2) % 4
    assert found["alternative"][0] - found["reference"][0] == pytest.approx((WEIGHTS[0, alt] - WEIGHTS[0, ref]) / 4)


def test_every_variant_keeps_its_row_and_its_columns(genome: Genome, monkeypatch: pytest.MonkeyPatch) -> None:
    given_table = FITTING.assign(name=list("abcde"), chrom=FITTING["chrom"].replace("chr1", "1"), ref=FITTING["ref"].str.lower())
    given_table.index = pd.Index([3, 3, 0, 9, 1])
    before = given_table.copy()
    monkeypatch.setattr(module, "VARIANTS_AT_ONCE", 2)
    sizes = []

    def model(codes: np.ndarray) -> np.ndarray:
        sizes.append(codes.shape)
        assert codes.dtype == np.uint8
        return positional(codes)

    found = score_variants(model, genome, given_table, window=WINDOW, bin_size=BIN)
    assert sizes == [(4, WINDOW)] * 4 + [(2, WINDOW)] * 2  # both alleles in a call, and both strands
    assert given_table.equals(before)
    assert found.columns.tolist() == ["chrom", "start", "ref", "alt", "name", "reference", "alternative", "log_ratio"]
    assert found["name"].tolist() == list("abcde")
    assert found.index.tolist() == list(range(5))
    for row, score in zip(FITTING.itertuples(index=False, name=None), found["log_ratio"], strict=True):
        means = both_strands(positional, np.stack(alleles(row, WINDOW))).mean(axis=(1, 2))
        assert score == pytest.approx(np.log(means[1] / means[0]))
    one = score_variants(model, genome, given_table, window=WINDOW, bin_size=BIN, track=1)
    signals = allele_signals(model, genome, given_table, window=WINDOW, bin_size=BIN)
    assert signals.reference.shape == (5, 2)
    np.testing.assert_array_equal(one["reference"], signals.reference[:, 1])
    np.testing.assert_allclose(found["alternative"], signals.alternative.mean(axis=1))


def test_strands_are_averaged_and_paired_tracks_exchanged(genome: Genome) -> None:
    for stranded in (None, [1, 0]):
        found = allele_signals(positional, genome, FITTING, window=WINDOW, bin_size=BIN, stranded=stranded)
        for row, *signals in zip(FITTING.itertuples(index=False, name=None), *found, strict=True):
            expected = both_strands(positional, np.stack(alleles(row, WINDOW)), stranded).mean(axis=1)
            np.testing.assert_allclose(signals, expected)
    forward = allele_signals(positional, genome, FITTING, window=WINDOW, bin_size=BIN, strands=False)
    np.testing.assert_allclose(forward.reference[0], positional(alleles(FITTING.iloc[0], WINDOW)[0][None]).mean(axis=(0, 1)))


def test_common_takes_the_middle_bins(genome: Genome) -> None:
    found = allele_signals(positional, genome, FITTING, window=WINDOW, bin_size=BIN, strands=False, common=8)
    for row, reference in zip(FITTING.itertuples(index=False, name=None), found.reference, strict=True):
        np.testing.assert_allclose(reference, positional(alleles(row, WINDOW)[0][None])[0, 1:3].mean(axis=0))


def test_shifted_windows_are_those_of_shift_averaged(genome: Genome) -> None:
    found = allele_signals(positional, genome, FITTING, window=WINDOW, bin_size=BIN, shifts=6, rng=4, strands=False)
    order = sorted(range(5), key=lambda row: (["chr2", "chr1"].index(FITTING["chrom"][row]), FITTING["start"][row]))
    seed = int(np.random.default_rng(4).integers(2**63))
    for number in (0, 1):
        extended = np.stack([alleles(tuple(FITTING.iloc[row]), 24)[number] for row in order])
        expected = shift_averaged(positional, extended, seed, bin_size=BIN, window=WINDOW, shifts=6, common=8).mean(axis=1)
        np.testing.assert_allclose(found[number][order], expected)
    again = allele_signals(
        positional, genome, FITTING, window=WINDOW, bin_size=BIN, shifts=6, rng=np.random.default_rng(4), strands=False
    )
    np.testing.assert_array_equal(again.reference, found.reference)
    other = allele_signals(positional, genome, FITTING, window=WINDOW, bin_size=BIN, shifts=6, rng=5, strands=False)
    assert not np.array_equal(other.reference, found.reference)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(["bins", "bases"]), st.integers(1, 5), st.sampled_from([4, 8, 12]), st.integers(0, 999))
def test_a_model_that_shifts_do_not_touch_scores_as_in_one_pass(
    genome: Genome, shift_by: module.ShiftBy, shifts: int, common: int, seed: int
) -> None:
    """In bins: the bins are the same. In bases: a model of single bases, written as one that knows bins, is constant in none."""

    def single(codes: np.ndarray) -> np.ndarray:
        return np.moveaxis(WEIGHTS[:, codes], 0, 2)

    model, bin_size = (per_bin, BIN) if shift_by == "bins" else (single, 1)
    found = allele_signals(
        model, genome, FITTING, window=WINDOW, bin_size=bin_size, shifts=shifts, rng=seed, shift_by=shift_by, common=common, strands=False
    )  # fmt: skip
    for row, reference in zip(FITTING.itertuples(index=False, name=None), found.reference, strict=True):
        sequence = alleles(row, 2 * WINDOW - common)[0][None]
        cut = (sequence.shape[1] - common) // 2
        np.testing.assert_allclose(reference, model(sequence[:, cut : cut + common]).mean(axis=(0, 1)))


def test_windows_shifted_by_bases_are_laid_over_each_other_base_by_base(genome: Genome) -> None:
    variants = table(at("chr1", 30))
    seen: list[np.ndarray] = []

    def model(codes: np.ndarray) -> np.ndarray:
        seen.append(codes)
        return positional(codes)

    found = allele_signals(
        model, genome, variants, window=WINDOW, bin_size=BIN, shifts=200, rng=0, shift_by="bases", common=8, strands=False
    )  # fmt: skip
    reference = alleles(at("chr1", 30), 24)[0]
    offsets = [next(i for i in range(9) if np.array_equal(window, reference[i : i + WINDOW])) for window in seen[0]]
    assert set(offsets) == set(range(9))
    by_base = [np.repeat(positional(reference[None, i : i + WINDOW])[0], BIN, axis=0)[8 - i : 16 - i] for i in offsets]
    np.testing.assert_allclose(found.reference[0], np.mean(by_base, axis=(0, 1)))
    # both alleles are seen in the same windows
    changed = seen[0] != seen[1]
    assert changed.sum(axis=1).tolist() == [1] * 200
    assert changed.argmax(axis=1).tolist() == [12 - i for i in offsets]


def test_indels_are_refused_or_dropped_and_counted(genome: Genome, caplog: pytest.LogCaptureFixture) -> None:
    mixed = pd.concat([table(("chr1", 40, "AC", "A"), ("chr1", 41, "A", "<DEL>")), FITTING], ignore_index=True)
    with pytest.raises(
        InputError,
        match=r"2 of 7 variants are not a change of one base for another: chr1 start 40 \(POS 41\) AC>A, .*; leave them out",
    ):
        score_variants(never, genome, mixed, window=WINDOW, bin_size=BIN)
    with caplog.at_level(logging.INFO):
        found = score_variants(per_bin, genome, mixed, window=WINDOW, bin_size=BIN, indels="drop")
    assert "2 of 7 variants are not a change of one base for another: chr1 start 40 (POS 41) AC>A, chr1 start 41" in caplog.text
    assert filter_counts(found).to_numpy().tolist() == [["changes of one base", 5, 7]]
    assert found["start"].tolist() == FITTING["start"].tolist()
    assert found.index.tolist() == list(range(5))
    np.testing.assert_array_equal(
        found["log_ratio"], score_variants(per_bin, genome, FITTING, window=WINDOW, bin_size=BIN)["log_ratio"]
    )
    with pytest.raises(InputError, match="variants are empty"):
        score_variants(never, genome, mixed[:2], window=WINDOW, bin_size=BIN, indels="drop")
    with pytest.raises(InputError, match=r"chr1 start 40 .* is no change of one base"):
        allele_signals(never, genome, mixed, window=WINDOW, bin_size=BIN)


def test_a_simulated_or_written_vcf_is_scored(genome: Genome, tmp_path: Path) -> None:
    chrom, start, ref, alt = at("chr2", 30)
    (tmp_path / "a.vcf").write_text(HEADER + f"chr2\t{start + 1}\tv0\t{ref}\t{alt}\t.\tPASS\tEFFECT=0.5\n")
    found = score_variants(per_bin, genome, read_vcf(tmp_path / "a.vcf"), window=WINDOW, bin_size=BIN)
    direct = score_variants(per_bin, genome, table((chrom, start, ref, alt)), window=WINDOW, bin_size=BIN)
    assert found["log_ratio"].tolist() == direct["log_ratio"].tolist()
    assert found["info"].tolist() == ["EFFECT=0.5"]


def wrong_reference() -> tuple[str, int, str, str]:
    _, start, ref, alt = at("chr1", 40)
    return "chr1", start, alt, ref


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (
            [at("chr1", 30), wrong_reference()],
            {},
            rf"chr1 start 40 \(POS 41\) .*: genome.fa has {decode(CHROMS['chr1'][40:41])} there; check the assembly, and that start",
        ),
        ([("chr1", 60, "A", "C")], {}, "genome.fa has N there"),
        ([at("chr1", 7)], {}, r"chr1 start 7 .*: 16 bp around it run past an end of chr1 \(90 bp\); leave it out"),
        ([at("chr1", 83)], {}, "16 bp around it run past an end"),
        ([at("chr1", 11)], {"shifts": 2, "rng": 0}, "24 bp around it run past an end"),
        ([("chr1", 90, "A", "C")], {}, r"chr1 start 90 \(POS 91\) A>C lies past the end of its chromosome, 90 bp"),
        ([("chr1", -1, "A", "C")], {}, "chr1 start -1"),
        ([("chr9", 30, "A", "C")], {}, "chromosome 'chr9' is not in genome.fa"),
        ([at("chr1", 30)], {"window": 18}, "window is 18 bp and the bin size 4"),
        ([at("chr1", 30)], {"bin_size": 0}, "the bin size 0"),
        (
            [at("chr1", 30)],
            {"common": 4, "bin_size": 8},
            "common is 4 bp: choose at most 16, and less than the window, 16 bp, by a multiple",
        ),
        ([at("chr1", 30)], {"common": 20}, "common is 20 bp"),
        ([at("chr1", 30)], {"common": 16, "shifts": 2, "rng": 0}, "common is 16 bp: choose at most 12"),
        ([at("chr1", 30)], {"common": 6, "shifts": 2, "rng": 0}, "common is 6 bp: .* by a multiple of 4"),
        ([at("chr1", 30)], {"shifts": 2}, "shifts is 2, but there is no rng"),
        ([at("chr1", 30)], {"shifts": 0, "rng": 0}, "shifts is 0: choose 1 or more"),
        ([at("chr1", 30)], {"shift_by": "bp"}, "shift_by is 'bp': choose one of bins, bases"),
        ([at("chr1", 30)], {"indels": "skip"}, "indels is 'skip': choose one of refuse, drop"),
        ([], {}, "variants are empty"),
    ],
)
def test_variants_that_do_not_fit_are_refused_before_any_prediction(
    genome: Genome, rows: list[tuple[str, int, str, str]], options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message) as error:
        score_variants(never, genome, table(*rows), **{"window": WINDOW, "bin_size": BIN, **options})
    assert "\n" not in str(error.value)


def test_windows_may_end_where_the_chromosome_ends(genome: Genome) -> None:
    found = score_variants(per_bin, genome, table(at("chr1", 8), at("chr1", 82)), window=WINDOW, bin_size=BIN)
    assert np.isfinite(found["log_ratio"]).all()


def test_tables_and_predictions_of_another_form_are_refused(genome: Genome) -> None:
    options = {"window": WINDOW, "bin_size": BIN}
    with pytest.raises(
        InputError, match=r"variants have no column 'start', only chrom, pos, ref, alt: give chrom, start \(0-based\)"
    ):
        score_variants(never, genome, FITTING.rename(columns={"start": "pos"}), **options)
    with pytest.raises(InputError, match="start of variants is float64: give whole numbers"):
        score_variants(never, genome, FITTING.astype({"start": float}), **options)
    with pytest.raises(InputError, match="track is 2, but predictions have 2"):
        score_variants(per_bin, genome, FITTING, track=2, **options)
    with pytest.raises(InputError, match="predicted signal goes down to -"):
        score_variants(lambda x: -per_bin(x), genome, FITTING, **options)
    with pytest.raises(InputError, match=r"predict gave shape \(10, 5, 2\)"):
        score_variants(lambda x: np.ones((len(x), 5, 2)), genome, FITTING, strands=False, **options)
    with pytest.raises(InputError, match=r"predict gave shape \(10, 8, 2\)"):
        score_variants(lambda x: np.ones((len(x), 8, 2)), genome, FITTING, strands=True, **options)
    with pytest.raises(InputError, match=r"predict gave shape \(15, 5, 2\)"):
        score_variants(
            lambda x: np.ones((len(x), 5, 2)), genome, FITTING, shifts=3, rng=0, shift_by="bases", strands=False, **options
        )
