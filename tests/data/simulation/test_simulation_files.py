import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.data.simulation import (
    TRUTH_COLUMNS,
    SimulationSettings,
    content_digest,
    output_names,
    read_truth,
    simulate,
    simulated_folder,
)
from helpers.errors import InputError
from helpers.files.bed import read_bed
from helpers.files.fasta import Genome
from helpers.files.reads import phred_to_error, read_fastq, read_fragments
from helpers.files.sequence import reverse_complement

SCRIPT = """
import sys
from helpers.data.simulation import SimulationSettings, simulate
simulate(SimulationSettings(n_chromosomes=2, chromosome_length=200_000, n_cell_types=3, duplication_share=0.15), 3, sys.argv[1])
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_files_are_those_that_are_promised(folder: Path, small: SimulationSettings) -> None:
    names = output_names(SimulationSettings())
    assert len(names) == 8 + 6 * 3 + 8
    assert {
        "genome.fa",
        "exclusions.bed",
        "genes.tsv",
        "domains.bed",
        "links.tsv",
        "variants.vcf",
        "truth.parquet",
        "reads.fastq.gz",
    } <= set(names)
    assert {
        "atac_F.coverage.bw",
        "atac_F.neglog10p.bw",
        "atac_F.peaks.narrowPeak",
        "atac_A.fold_change.bw",
        "atac_A.fragments.bed.gz",
    } <= set(names)
    assert {"atac_A.control.fragments.bed.gz", "atac_A.control.bw", "atac_A_rep1.coverage.bw", "atac_A_rep2.coverage.bw"} <= set(
        names
    )
    assert {"h3k36me3_A.coverage.bw", "h3k36me3_A.neglog10p.bw"} <= set(names)
    assert {path.name for path in folder.iterdir()} == {*output_names(small), "digest.json"}


@pytest.mark.parametrize("threads", ["1", "2"])
def test_another_process_with_other_threads_writes_the_same_bytes(folder: Path, tmp_path: Path, threads: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
    subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "set")], check=True, env=environment)
    here, there = contents(folder), contents(tmp_path / "set")
    assert [name for name in here if here[name] != there[name]] == []
    assert list(here) == list(there)


def test_a_file_does_not_depend_on_the_others(folder: Path, tmp_path: Path, small: SimulationSettings) -> None:
    settings = small.replace(duplication_share=0.15)
    every = contents(folder)
    for names in (
        ["atac_C.peaks.narrowPeak"],
        ["reads.fastq.gz", "h3k36me3_A.neglog10p.bw"],
        ["atac_A_rep2.coverage.bw", "truth.parquet"],
    ):
        some = contents(simulate(settings, 3, tmp_path / names[0], names))
        assert set(some) == {*names, "digest.json"}
        assert all(some[name] == every[name] for name in names)


def test_fewer_cell_types_and_other_track_settings_leave_cell_type_a(
    folder: Path, tmp_path: Path, small: SimulationSettings
) -> None:
    one = simulate(small.replace(duplication_share=0.15, n_cell_types=1), 3, tmp_path / "one")
    same = [
        "genome.fa",
        "atac_A.coverage.bw",
        "atac_A.neglog10p.bw",
        "atac_A.fragments.bed.gz",
        "reads.fastq.gz",
        "domains.bed",
        "exclusions.bed",
    ]
    for name in same:
        assert (one / name).read_bytes() == (folder / name).read_bytes(), name


def test_the_vcf_is_one_based_and_its_reference_is_the_genome(folder: Path) -> None:
    lines = (folder / "variants.vcf").read_text().splitlines()
    assert lines[0] == "##fileformat=VCFv4.2"
    assert "##contig=<ID=chr2,length=200000>" in lines
    header = next(line for line in lines if line.startswith("#CHROM"))
    assert header == "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    truth = read_truth(folder)
    truth = truth[truth["kind"] == "variant"].set_index("name")
    assert len(rows) == len(truth) > 30
    with Genome(folder / "genome.fa") as genome:
        for chrom, place, name, ref, alt, _, keep, info in rows:
            position = int(place) - 1
            assert genome.fetch(chrom, position, position + 1) == ref != alt
            assert keep == "PASS"
            fields = dict(item.split("=") for item in info.split(";"))
            row = truth.loc[name]
            assert (row["chrom"], row["start"], row["ref"], row["alt"], row["role"]) == (
                chrom,
                position,
                ref,
                alt,
                fields["KIND"],
            )
            assert fields.get("ELEMENT", "") == row["element"]
            for letter in "ABC":
                assert float(fields[f"EFFECT_{letter}"]) == pytest.approx(row[f"activity_{letter}"], rel=1e-5, abs=1e-9)


def test_reads_come_from_fragments_and_err_as_their_quality_says(folder: Path) -> None:
    reads = read_fastq(folder / "reads.fastq.gz")
    assert len(reads) == 10_000
    fragments = read_fragments(folder / "atac_A.fragments.bed.gz")
    starts, ends = (set(zip(fragments["chrom"], fragments[side], strict=True)) for side in ("start", "end"))
    wrong, qualities, strands = [], [], []
    with Genome(folder / "genome.fa") as genome:
        whole = {chrom: genome.fetch(chrom) for chrom in genome.names}
    for read in reads:
        _, chrom, interval, strand = read.name.split(":")
        start, end = (int(number) for number in interval.split("-"))
        assert end - start == len(read.sequence) == 50
        assert (chrom, start) in starts if strand == "+" else (chrom, end) in ends
        true = whole[chrom][start:end]
        true = true if strand == "+" else reverse_complement(true)
        wrong.append([a != b for a, b in zip(true, read.sequence, strict=True)])
        qualities.append(read.quality)
        strands.append(strand == "+")
    error, quality = np.array(wrong), np.array(qualities)
    assert 0.45 < np.mean(strands) < 0.55
    assert quality[:, :5].mean() > quality[:, -5:].mean() + 4
    assert quality.min() >= 2
    assert quality.max() <= 41
    for low, high in ((20, 28), (28, 33), (33, 42)):
        chosen = (quality >= low) & (quality < high)
        expected = phred_to_error(quality[chosen]).sum()
        assert error[chosen].sum() == pytest.approx(expected, abs=5 * np.sqrt(expected))


def test_tables_read_back(folder: Path) -> None:
    domains = read_bed(folder / "domains.bed")
    assert domains["name"].tolist() == [f"domain{row}" for row in range(len(domains))]
    exclusions = read_bed(folder / "exclusions.bed")
    assert set(exclusions["name"]) == {"High Signal Region"}
    genes = pd.read_csv(folder / "genes.tsv", sep="\t")
    assert list(genes.columns) == [
        "chrom",
        "start",
        "end",
        "strand",
        "name",
        "tss",
        "domain",
        "expression_A",
        "expression_B",
        "expression_C",
    ]
    assert (np.where(genes["strand"] == "+", genes["start"], genes["end"] - 1) == genes["tss"]).all()
    links = pd.read_csv(folder / "links.tsv", sep="\t")
    assert set(links["kind"]) == {"element", "variant"}
    assert set(links["gene"]) <= set(genes["name"])
    truth = read_truth(folder).set_index("name")
    for row in links[links["kind"] == "variant"].head(20).itertuples():
        assert truth.loc[row.source, "element"] == row.element
        assert row.effect_A == pytest.approx(row.weight * truth.loc[row.source, "activity_A"], abs=1e-4)


def test_the_truth_table_has_documented_columns_and_all_kinds(folder: Path) -> None:
    truth = read_truth(folder)
    assert list(truth.columns) == [*TRUTH_COLUMNS, "activity_A", "activity_B", "activity_C"]
    kinds = {
        "isochore",
        "cpg_island",
        "gap",
        "repeat",
        "duplication",
        "domain",
        "gene",
        "element",
        "motif",
        "decoy",
        "variant",
        "artefact",
    }
    assert kinds <= set(truth["kind"])
    assert (truth["end"] > truth["start"]).all()
    assert (truth["start"] >= 0).all()
    assert (truth["end"] <= 200_000).all()
    assert set(truth["strand"]) == {"+", "-", "."}
    elements = truth[truth["kind"] == "element"]
    assert elements["name"].is_unique
    assert (elements["element"] == elements["name"]).all()
    copies = elements[elements["source"].str.startswith("element")]
    assert len(copies) > 5
    assert set(truth[truth["kind"] == "motif"]["element"]) <= set(elements["name"])
    islands = truth[truth["kind"] == "cpg_island"].merge(elements, on="element", suffixes=("", "_of"))
    assert (islands["chrom"] == islands["chrom_of"]).all()
    assert ((islands["start"] < islands["end_of"]) & (islands["start_of"] < islands["end"])).all()
    assert set(islands["role_of"]) <= {"promoter", "housekeeping"}
    pd.testing.assert_frame_equal(truth, read_truth(folder / "truth.parquet"))


def test_the_digest_names_every_file_and_matches_its_content(folder: Path) -> None:
    noted = json.loads((folder / "digest.json").read_text())
    assert noted["seed"] == 3
    assert noted["settings"]["version"] == "1"
    assert set(noted["content"]) == set(noted["bytes"]) == set(output_names(SimulationSettings(n_cell_types=3)))
    for name in ("genome.fa", "atac_A.coverage.bw", "truth.parquet", "reads.fastq.gz"):
        assert content_digest(folder / name) == noted["content"][name]


def test_the_content_digest_sees_values_and_not_their_packing(folder: Path, tmp_path: Path) -> None:
    import pyBigWig

    source = folder / "atac_A.coverage.bw"
    with pyBigWig.open(str(source)) as handle:
        data = {chrom: handle.intervals(chrom) for chrom in handle.chroms()}
    for change, levels in ((0.0, 3), (40.0, 3)):
        copy = tmp_path / f"copy{change}.bw"
        with pyBigWig.open(str(copy), "w") as out:
            out.addHeader([("chr1", 200_000), ("chr2", 200_000)], maxZooms=levels)
            for chrom, rows in data.items():
                start, end, value = zip(*rows, strict=True)
                out.addEntries([chrom] * len(rows), list(start), ends=list(end), values=[value[0] + change, *value[1:]])
        assert copy.read_bytes() != source.read_bytes()
        assert (content_digest(copy) == content_digest(source)) == (change == 0)


def test_a_cached_folder_is_reused_and_a_damaged_one_made_again(
    small: SimulationSettings, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["genome.fa", "atac_A.coverage.bw"]
    folder = simulated_folder(11, small, names)
    before = (folder / "digest.json").stat().st_mtime_ns
    assert simulated_folder(11, small, list(reversed(names))) == folder
    assert (folder / "digest.json").stat().st_mtime_ns == before
    good = (folder / "genome.fa").read_bytes()
    for damage in ("changed", "missing", "digest"):
        if damage == "changed":
            (folder / "genome.fa").write_bytes(good[:-50])
        elif damage == "missing":
            (folder / "genome.fa").unlink()
        else:
            (folder / "digest.json").write_text("{")
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert simulated_folder(11, small, names) == folder
        assert "is damaged" in caplog.text
        assert "making it again" in caplog.text
        assert (folder / "genome.fa").read_bytes() == good


def test_cached_folders_differ_by_seed_settings_and_outputs(small: SimulationSettings) -> None:
    names = ["domains.bed"]
    base = simulated_folder(1, small, names)
    others = {
        simulated_folder(2, small, names),
        simulated_folder(1, small.replace(depth=0.01), names),
        simulated_folder(1, small, ["genes.tsv"]),
    }
    assert base not in others
    assert len(others) == 3
    changes = {"n_chromosomes": 2, "chromosome_length": 200_000, "n_cell_types": 3}
    assert simulated_folder(1, changes, names) == base


def test_a_simulated_folder_is_replaced_and_others_are_not(tmp_path: Path, small: SimulationSettings) -> None:
    target = tmp_path / "set"
    simulate(small, 1, target, ["genes.tsv"])
    simulate(small, 1, target, ["domains.bed"])
    assert {path.name for path in target.iterdir()} == {"domains.bed", "digest.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that are no simulated data set: name a new or an empty folder"):
        simulate(small, 1, tmp_path / "mine")
    (tmp_path / "plain").write_text("x")
    with pytest.raises(InputError, match="is a file: name a new folder"):
        simulate(small, 1, tmp_path / "plain")


def test_nothing_is_left_behind_when_writing_fails(
    tmp_path: Path, small: SimulationSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("helpers.data.simulation.outputs.write_bigwig", full)
    with pytest.raises(OSError, match="No space left"):
        simulate(small, 1, tmp_path / "set", ["genes.tsv", "atac_A.coverage.bw"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (["genome.fasta"], "'genome.fasta' is no file of this data set: choose from genome.fa"),
        (["atac_D.coverage.bw"], "'atac_D.coverage.bw' is no file of this data set"),
        ("genome.fa", "must be a list of file names"),
    ],
)
def test_unknown_outputs_are_refused_before_anything_is_made(
    tmp_path: Path, small: SimulationSettings, outputs: object, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        simulate(small, 0, tmp_path / "set", outputs)  # type: ignore[arg-type]
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_truth_table_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such truth table"):
        read_truth(tmp_path)
    (tmp_path / "truth.parquet").write_text("not parquet")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_truth(tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="not a truth table, column 'kind' is missing"):
        read_truth(tmp_path / "other.parquet")
