"""Measure the helpers against named alternatives, all in one run, and print one table; exit status 1 where a target is missed.

python -m venv .venv-bench
uv pip sync --python .venv-bench/bin/python --require-hashes benchmarks/requirements.lock
PYTHONPATH=. .venv-bench/bin/python benchmarks/run_all.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import data
import figwig
import genvarloader as gvl
import numpy as np
import polars as pl
import pybigtools
import pyBigWig
from loguru import logger
from measure import Row, rates, show

from helpers.prepare.batches import WindowBatches
from helpers.prepare.dataset import prepare_dataset
from helpers.prepare.prepared import PreparedData
from helpers.prepare.signal import bin_signal
from helpers.prepare.tables import table_of

CHUNK = 1 << 20
LOOPED = 500_000
WINDOW, BATCH, WINDOWS, JITTER = 2048, 64, 20_000, 320


def chunked(path: Path, length: int) -> np.ndarray:
    """Bin with pyBigWig, a megabase at a time."""
    with pyBigWig.open(str(path)) as handle:
        parts = [
            handle.values(data.CHROM, k, min(k + CHUNK, length), numpy=True).reshape(-1, data.BIN).mean(1)
            for k in range(0, length, CHUNK)
        ]
    return np.concatenate(parts)


def looped(path: Path, length: int) -> np.ndarray:
    """Bin with pyBigWig, a call per bin."""
    with pyBigWig.open(str(path)) as handle:
        return np.array([handle.values(data.CHROM, k, k + data.BIN, numpy=True).mean() for k in range(0, length, data.BIN)])


def with_pybigtools(path: Path, length: int) -> np.ndarray:
    """Bin with pybigtools."""
    return pybigtools.open(str(path)).values(data.CHROM, 0, length, bins=length // data.BIN, exact=True, fillna=np.nan)


def with_figwig(path: Path, length: int) -> np.ndarray:
    """Bin with figwig: windows of a megabase on every core, then means."""
    starts = np.arange(0, length, CHUNK)
    values = figwig.BigWigReader(str(path)).read(data.CHROM, starts, CHUNK, n_jobs=os.cpu_count() or 1, missing=np.nan)
    return values.reshape(-1, data.BIN).mean(1)[: length // data.BIN]


def binning() -> list[Row]:
    """Compare ways to bin a 60-Mb chromosome with 4 million intervals."""
    path = data.track("chr60", data.LENGTH, data.INTERVALS, 0)
    others: dict[str, Callable[[Path, int], np.ndarray]] = {
        "pyBigWig, 1-Mb chunks": chunked,
        "pybigtools values(bins=, exact=True)": with_pybigtools,
        f"figwig, {os.cpu_count()} threads": with_figwig,
    }
    expected = bin_signal(path, data.CHROM, data.BIN)
    for name, function in others.items():
        np.testing.assert_allclose(function(path, data.LENGTH), expected, rtol=1e-4, atol=1e-5, err_msg=name)
    megabases = data.LENGTH / 1e6
    work = {name: (lambda f=function: f(path, data.LENGTH), megabases) for name, function in others.items()}
    got = rates({"ours": (lambda: bin_signal(path, data.CHROM, data.BIN), megabases), **work})
    loop = rates({"loop": (lambda: looped(path, LOOPED), LOOPED / 1e6)}, 3)["loop"]
    ours = got.pop("ours")
    fastest = max(got, key=lambda name: got[name])
    text = f"{ours:.0f} Mb/s"
    rows = [Row("bin_signal, 60 Mb", text, f"a call per bin: {loop:.2f} Mb/s", ours / loop, ">= 300", ours / loop >= 300)]
    for name, rate in got.items():
        target, met = (">= 0.9", ours / rate >= 0.9) if name == fastest else ("", True)
        rows.append(Row("bin_signal, 60 Mb", text, f"{name}: {rate:.0f} Mb/s", ours / rate, target, met))
    return rows


def peak(*arguments: object) -> int:
    """Run `peak_memory.py` with an empty cache: the most memory it held in MB, the interpreter and its imports included."""
    script = Path(__file__).parent / "peak_memory.py"
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, str(script), *map(str, arguments)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "GENOMICS_CACHE": cache})
    return int(done.stdout)


def memory() -> list[Row]:
    """Measure the most memory that the longest human chromosome takes: binning it, and preparing it with 15 tracks."""
    path = data.track("chr250", data.LONG_LENGTH, data.LONG_INTERVALS, 1)
    fasta = data.genome("chr250", {data.CHROM: data.LONG_LENGTH, "chr2": 1000, "chr3": 1000}, 4)
    binning_peak = peak("bin", path, data.CHROM, data.BIN)
    preparing_peak = peak("prepare", fasta, path, 15)
    return [
        Row("bin_signal, 250 Mb, peak memory", f"{binning_peak} MB", "", None, "< 300 MB", binning_peak < 300),
        Row("preparing 250 Mb with 15 tracks, peak memory", f"{preparing_peak} MB", "", None, "< 2000 MB", preparing_peak < 2000),
    ]


def gvl_dataset(prepared: PreparedData, starts: np.ndarray, tracks: list[Path], fasta: Path) -> gvl.Dataset:
    """Write the same windows and binned values in GenVarLoader's own format; half of the windows on the reverse strand."""
    place = data.folder() / "windows.gvl"
    shutil.rmtree(place, ignore_errors=True)
    strands = np.where(np.random.default_rng(1).random(len(starts)) < 0.5, "+", "-")
    bed = pl.DataFrame(
        {"chrom": [data.CHROM] * len(starts), "chromStart": starts, "chromEnd": starts + WINDOW, "strand": strands}
    )
    sources = [gvl.BigWigs(name, {"sample": str(path)}) for name, path in zip(prepared.tracks, tracks, strict=True)]
    gvl.write(place, bed, tracks=sources, max_jitter=JITTER, overwrite=True)
    opened = gvl.Dataset.open(place, reference=fasta, jitter=JITTER, rng=0, rc_neg=True)
    return opened.with_len(WINDOW).with_seqs("reference").with_tracks(list(prepared.tracks))


def check_same(prepared: PreparedData, theirs: gvl.Dataset, starts: np.ndarray) -> None:
    """Check that without jitter and strands both give the same bases and values."""
    plain = theirs.with_settings(jitter=0, rc_neg=False)
    letters, values = plain[np.arange(BATCH), 0]
    values = values.reshape(
        len(prepared.tracks), BATCH, WINDOW
    )  # 0.43.1 gives one track after the other, whatever the shape says
    for k in range(BATCH):
        codes, targets = prepared.window(data.CHROM, int(starts[k]), int(starts[k]) + WINDOW)
        np.testing.assert_array_equal(np.frombuffer(b"ACGTN", "S1")[codes], letters[k].ravel())
        np.testing.assert_allclose(values[:, k, :: data.BIN].T, targets, rtol=1e-5)


def batches() -> list[Row]:
    """Compare the rate of shuffled batches with jitter and reverse complement."""
    fasta = data.genome("chr60", {data.CHROM: data.LENGTH, "chr2": 1000, "chr3": 1000}, 2)
    tracks = [data.track(f"binned_{k}", data.LENGTH, 0, k, binned=True) for k in range(2)]
    files = {f"track_{k}": ("track", path) for k, path in enumerate(tracks)}
    prepared = prepare_dataset(data.data_set("bench_windows", fasta, files, ("chr2", "chr3")))
    rng = np.random.default_rng(3)
    starts = np.sort(rng.choice((data.LENGTH - WINDOW) // data.BIN - 20, WINDOWS, replace=False) + 10) * data.BIN
    theirs = gvl_dataset(prepared, starts, tracks, fasta)
    check_same(prepared, theirs, starts)
    regions = table_of([data.CHROM] * WINDOWS, starts, starts + WINDOW)
    ours = WindowBatches(prepared, regions, window=WINDOW, batch_size=BATCH, seed=0, jitter=JITTER, reverse_complement=True)

    def our_epoch() -> None:
        for _ in ours:
            pass
        ours.on_epoch_end()

    def their_epoch() -> None:
        order = rng.permutation(WINDOWS)
        for k in range(0, WINDOWS, BATCH):
            theirs[order[k : k + BATCH], 0]

    got = rates({"ours": (our_epoch, WINDOWS), "theirs": (their_epoch, WINDOWS)})
    ratio = got["ours"] / got["theirs"]
    what = f"batches of {BATCH} x {WINDOW} bp, 2 tracks, jitter, RC"
    return [Row(what, f"{got['ours']:,.0f}/s", f"GenVarLoader: {got['theirs']:,.0f}/s", ratio, ">= 1.5", ratio >= 1.5)]


def preparing() -> list[Row]:
    """Measure how long a genome of yeast's size takes with 5 tracks, from files to arrays, with an empty cache."""
    name, dataset = data.yeast()
    before = os.environ.get("GENOMICS_CACHE")
    seconds = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["GENOMICS_CACHE"] = cache
            start = time.perf_counter()
            prepared = prepare_dataset(dataset, tracks=[name for name in dataset.paths if name != "genome"])
            seconds.append(time.perf_counter() - start)
            assert len(prepared.tracks) == 5
            assert sum(prepared.lengths.values()) == sum(data.YEAST)
    os.environ.pop("GENOMICS_CACHE")
    if before is not None:
        os.environ["GENOMICS_CACHE"] = before
    middle = sorted(seconds)[1]
    return [Row(f"preparing 12 Mb with 5 tracks ({name})", f"{middle:.2f} s", "", None, "< 5 s", middle < 5)]


def in_project(script: str) -> dict[str, Any]:
    """Run a script of this folder in the project's own environment, where TensorFlow is: what it measured."""
    here = Path(__file__).parent
    command = [str(here.parent / ".venv" / "bin" / "python"), str(here / script)]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(here.parent)}
    )
    return dict(json.loads(done.stdout))


def training() -> list[Row]:
    """Compare the rate of training with augmentation with that of Keras on arrays in memory."""
    got = in_project("training.py")
    ratio = got["ratio"]  # of epochs that follow each other
    what = "training residual_dilated, jitter, RC"
    return [Row(what, f"{got['ours']:,.0f}/s", f"Keras fit on arrays: {got['keras']:,.0f}/s", ratio, ">= 0.95", ratio >= 0.95)]


def evaluating() -> list[Row]:
    """Compare near-duplicate search, mutagenesis and bootstrap with plain ways to the same results."""
    got = in_project("evaluating.py")
    compared = {
        "near_duplicates": ("near-duplicates of 4,000 windows, pairs", "all sketches with all", 20),
        "mutagenesis": ("mutagenesis of 2,048 bp, mutants", "a prediction each", 20),
        "bootstrap": ("block bootstrap of Pearson r, resamples", "scipy.stats.bootstrap of block numbers", 0.95),
    }
    rows = []
    for name, (what, other, least) in compared.items():
        ours, theirs = got[name]["ours"], got[name]["other"]
        rows.append(
            Row(what, f"{ours:,.0f}/s", f"{other}: {theirs:,.0f}/s", ours / theirs, f">= {least}", ours / theirs >= least)
        )
    seconds = got["a_million"]
    return [*rows, Row("near-duplicates of 1,000,000 windows", f"{seconds:.0f} s", "", None, "< 300 s", seconds < 300)]


def main() -> int:
    """Run everything."""
    warnings.filterwarnings("ignore")
    logger.disable("genvarloader")
    rows = [*binning(), *memory(), *batches(), *preparing(), *training(), *evaluating()]
    print(show(rows))
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
