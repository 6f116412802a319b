"""The course on real yeast data: fetched over HTTP on this machine, run to the end, and compared with facts known from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.course.plan import RunOptions
from helpers.course.runner import run_course
from helpers.data.datasets import load_dataset
from helpers.files.fasta import Genome, reverse_complement
from helpers.prepare.signal import bin_signal

STOPS = {"TAA", "TAG", "TGA"}
LEAST = 900  # bp of an open reading frame, without its stop


BOTH = "F01a F01b F02 F07a F07b F07c F08 F09a F09b F10a F10b F10c F11 F12 F13 F14 F15a F15b F16 F17a F17b F18a F18b"
FOUND = {"yeast_multi_assay": f"{BOTH} F19", "yeast_atac": f"{BOTH} F03 F04 F05a F05b F06 F21a F21b"}


@pytest.mark.parametrize("dataset", FOUND)
def test_course_runs_on_real_data(dataset: str, mirror: str, tmp_path: Path) -> None:
    lessons = run_course(RunOptions(tmp_path / "run", dataset=dataset, profile="smoke", mirror=mirror))
    states = {entry["lesson"]: entry["status"] for entry in lessons}
    skipped = {entry["lesson"]: entry["error"] for entry in lessons if entry["status"] == "skipped"}
    assert {lesson for lesson, state in states.items() if state != "ok"} == set(skipped)
    only_simulated = [lesson for lesson, error in skipped.items() if "needs a simulated data set" in str(error)]
    assert only_simulated == ["00", "09", "10", "11", "12"]
    assert ("02" in skipped) == (dataset == "yeast_multi_assay")
    assert ("08" in skipped) == ("no track of open chromatin" in str(skipped.get("08"))) == (dataset == "yeast_multi_assay")
    assert len(skipped) == 5 + ("02" in skipped) + ("08" in skipped)
    entries = json.loads((tmp_path / "run" / "findings.json").read_text())
    assert {entry["id"] for entry in entries} == set(FOUND[dataset].split())
    assert {(entry["dataset"], entry["seeds"]) for entry in entries} == {(dataset, 1)}
    assert list(json.loads((tmp_path / "run" / "run.json").read_text())["dataset_digests"]) == [dataset]
    assert (tmp_path / "run" / "index.html").exists()


def open_reading_frames(sequence: str) -> list[tuple[int, int]]:
    """Find the frames from the first ATG after a stop to the next stop, 900 bp or longer, on one strand."""
    found = []
    for frame in range(3):
        start = None
        for place in range(frame, len(sequence) - 2, 3):
            codon = sequence[place : place + 3]
            if codon == "ATG" and start is None:
                start = place
            elif codon in STOPS:
                if start is not None and place - start >= LEAST:
                    found.append((start, place))
                start = None
    return found


def test_rna_is_transcribed_from_the_strand_of_its_reading_frame(mirror: str) -> None:
    data = load_dataset("yeast_multi_assay", mirror=mirror, progress=False)
    means: dict[tuple[str, str], list[float]] = {(track, strand): [] for track in ("RNA_fwd", "RNA_rev") for strand in "+-"}
    with Genome(data.genome, data.aliases) as genome:
        for chrom in ("chrII", "chrIV", "chrXVI"):
            sequence, length = genome.fetch(chrom), genome.lengths[chrom]
            backward = [(length - end, length - start) for start, end in open_reading_frames(reverse_complement(sequence))]
            for track in ("RNA_fwd", "RNA_rev"):
                values = bin_signal(data.paths[track], chrom, 1, aliases=data.aliases)
                means[track, "+"] += [float(np.nanmean(values[slice(*orf)])) for orf in open_reading_frames(sequence)]
                means[track, "-"] += [float(np.nanmean(values[slice(*orf)])) for orf in backward]
    assert {key: (len(values), round(float(np.median(values)), 2)) for key, values in means.items()} == {
        ("RNA_fwd", "+"): (549, 13.16),
        ("RNA_fwd", "-"): (553, 0.10),
        ("RNA_rev", "+"): (549, 0.15),
        ("RNA_rev", "-"): (553, 16.40),
    }


def test_nucleosomes_are_absent_at_reb1_sites(mirror: str) -> None:
    """REB1 binds TTACCCG and keeps nucleosomes away; another word of the same letters does not."""
    data = load_dataset("yeast_multi_assay", mirror=mirror, progress=False)
    at: dict[str, list[float]] = {"TTACCCG": [], "TCACTCG": []}
    with Genome(data.genome, data.aliases) as genome:
        for chrom in ("chrII", "chrIV", "chrXVI"):
            sequence = genome.fetch(chrom)
            values = bin_signal(data.paths["MNase"], chrom, 1, aliases=data.aliases)
            for word, found in at.items():
                for strand in (word, reverse_complement(word)):
                    places = [i for i in range(len(sequence) - 6) if sequence.startswith(strand, i)]
                    found += list(values[np.array(places) + 3] / np.nanmean(values))
    assert np.mean(at["TTACCCG"]) < 0.5
    assert 0.85 < np.mean(at["TCACTCG"]) < 1.15
