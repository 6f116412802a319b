"""Files to measure with, made once and kept in the cache."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from helpers.data.datasets import DataSet, load_dataset
from helpers.data.manifests import parse_manifest
from helpers.files.bigwig import write_bigwig
from helpers.files.fasta import write_fasta
from helpers.places import cache_folder

VERSION = 1
CHROM, LENGTH, INTERVALS, BIN = "chr1", 60_000_000, 4_000_000, 32
LONG_LENGTH, LONG_INTERVALS = 250_000_000, 16_700_000
YEAST = [230_218, 813_184, 316_620, 1_531_933, 439_888, 85_779, 576_874, 270_161, 1_090_940, 562_643, 745_751, 666_816, 1_078_177, 924_431,
         784_333, 1_091_291, 948_066]  # fmt: skip
REAL = {
    "coverage": "yeast_atac_fragment_coverage.bw",
    "cuts": "yeast_atac_tn5_cuts.bw",
    "fold_change": "yeast_atac_fold_change.bw",
    "neglog10p": "yeast_atac_neglog10p.bw",
}


def folder() -> Path:
    """Folder of the files."""
    place = cache_folder() / "benchmarks" / str(VERSION)
    place.mkdir(parents=True, exist_ok=True)
    return place


def track(name: str, length: int, intervals: int, seed: int, *, binned: bool = False) -> Path:
    """Write a bigWig of one chromosome that is covered throughout, by intervals of varying width (15 bp on average) or by one per bin."""
    path = folder() / f"{name}.bw"
    if not path.exists():
        rng = np.random.default_rng(seed)
        if binned:
            starts = np.arange(0, length, BIN)
        else:
            starts = np.unique(rng.integers(1, length, intervals - 1))
            starts = np.concatenate([[0], starts])
        ends = np.append(starts[1:], length)
        write_bigwig(path, {CHROM: length}, {CHROM: (starts, ends, rng.gamma(1.0, 2.0, len(starts)).round(3))})
    return path


def genome(name: str, lengths: dict[str, int], seed: int) -> Path:
    """Write a FASTA file of random sequence."""
    path = folder() / f"{name}.fa"
    if not path.exists():
        rng = np.random.default_rng(seed)
        write_fasta(path, {chrom: rng.integers(0, 4, length).astype(np.uint8) for chrom, length in lengths.items()})
    return path


def data_set(name: str, genome_path: Path, files: dict[str, tuple[str, Path]], held_out: tuple[str, str]) -> DataSet:
    """Make a data set of these files, id -> (role, path), with these chromosomes for validation and test."""
    entries = [{"id": "genome", "role": "genome", "path": str(genome_path), "measures": "sequence", "units": "bases"}]
    entries += [
        {"id": key, "role": role, "path": str(path), "measures": "signal", "units": "1"} for key, (role, path) in files.items()
    ]
    text = dict.fromkeys(["title", "organism", "assembly", "description", "licence", "citation"], "made to measure with")
    manifest = {"name": name, **text, "splits": {"validation": [held_out[0]], "test": [held_out[1]]}, "files": entries}
    return load_dataset(parse_manifest(manifest), progress=False)


def yeast() -> tuple[str, DataSet]:
    """Say which yeast genome with 5 tracks this is, and give it: the real one where `REAL_DATA_DIR` is set, else one of its size."""
    real = os.environ.get("REAL_DATA_DIR")
    if real:
        base = Path(real) / "yeast_sacCer3"
        files = {key: ("track", base / "atac" / "derived" / name) for key, name in REAL.items()}
        files["fragments"] = ("fragments", base / "atac" / "yeast_500k_SRR1822137.bedpe.gz")
        return "real yeast", data_set("bench_yeast", base / "reference" / "sacCer3.fa.gz", files, ("chrXVI", "chrIV"))
    lengths = {f"chr{k + 1}": length for k, length in enumerate(YEAST)}
    files = {}
    for seed in range(5):
        path = folder() / f"yeast_{seed}.bw"
        if not path.exists():
            rng = np.random.default_rng(seed)
            cuts = {chrom: np.unique(rng.integers(1, length, length // 15)) for chrom, length in lengths.items()}
            write_bigwig(
                path, lengths, {chrom: (at[:-1], at[1:], rng.gamma(1.0, 2.0, len(at) - 1)) for chrom, at in cuts.items()}
            )
        files[f"track_{seed}"] = ("track", path)
    return "simulated, of the size of yeast", data_set("bench_yeast", genome("yeast", lengths, 9), files, ("chr16", "chr4"))
