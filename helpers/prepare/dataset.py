"""From the files of a data set to a prepared one: made once in the cache, chromosome by chromosome, and reused while its inputs are the same."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np
import pandas as pd
from filelock import FileLock
from tqdm import tqdm

from helpers.data.datasets import DataSet
from helpers.errors import InputError
from helpers.files.fasta import Genome
from helpers.files.placing import replacing_folder
from helpers.places import cache_folder
from helpers.prepare.prepared import CHROMS, CODES, FACTS, MANIFEST, TARGETS, VERSION, PreparedData, open_prepared
from helpers.prepare.signal import Uncovered, arcsinh
from helpers.prepare.sources import BigWigSource, FragmentSource, Source, holds_fragments

__all__ = ["PreparedData", "open_prepared", "prepare_dataset"]

log = logging.getLogger(__name__)

Transform = Literal["arcsinh"]
BASES_AT_ONCE = 1 << 24
VALUES_AT_ONCE = 1 << 24  # 64 MB of float32


def prepare_dataset(
    dataset: DataSet,
    *,
    bin_size: int = 32,
    chroms: Collection[str] | None = None,
    tracks: Collection[str] | None = None,
    uncovered: Uncovered = "zero",
    transform: Transform | None = None,
    progress: bool = False,
) -> PreparedData:
    """Turn a data set into arrays, or open the arrays where they have been made already.

    Parameters
    ----------
    dataset : DataSet
        From `helpers.data.datasets.load_dataset`.
    bin_size : int
        Width of a target bin in bp.
    chroms : collection of str, optional
        Chromosomes by their names in the genome; by default all that every track has. What is left out is logged and in `facts`.
    tracks : collection of str, optional
        Ids of the files to take; by default the data set's tracks or, where it has none, the coverage of its fragments.
    uncovered : {"zero", "missing"}
        What bases are that a bigWig leaves out; see `signal.bin_signal`. Explicit NaN is missing under both.
    transform : {"arcsinh"}, optional
        Applied to the means over bins.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    PreparedData
        In a folder of the cache whose name holds a digest of the inputs and settings: a change of either makes a new one.

    Raises
    ------
    InputError
        If a file does not fit the genome, a chromosome or track is unknown, no chromosome is left, or the disk is full: nothing remains then.
    """
    _check_settings(bin_size, uncovered, transform)
    chosen = _chosen_tracks(dataset, tracks)
    settings = {
        "version": VERSION,
        "bin_size": bin_size,
        "chroms": None if chroms is None else list(chroms),
        "tracks": list(chosen),
        "uncovered": uncovered,
        "transform": transform,
        "dataset": dataset.digest,
    }
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder() / "prepared" / f"{dataset.name}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if folder.exists():
            try:
                return open_prepared(folder)
            except InputError as error:
                log.warning("%s; making it again", error)
                shutil.rmtree(folder)
        _make(folder, dataset, settings, progress=progress)
        return open_prepared(folder)


def _check_settings(bin_size: int, uncovered: str, transform: str | None) -> None:
    """Raise where a setting is impossible."""
    if bin_size < 1:
        raise InputError(f"bin_size is {bin_size}: a bin has at least 1 bp")
    if uncovered not in get_args(Uncovered):
        raise InputError(f"uncovered is {uncovered!r}: choose missing or zero")
    if transform not in (None, *get_args(Transform)):
        raise InputError(f"transform is {transform!r}: choose arcsinh, or None")


def _chosen_tracks(dataset: DataSet, tracks: Collection[str] | None) -> dict[str, Path]:
    """Paths of the files that become targets, by id."""
    if tracks is None:
        found = dataset.tracks or dataset.by_role("fragments")
        if not found:
            raise InputError(f"data set {dataset.name!r} has neither tracks nor fragments loaded: there is nothing to predict")
        return found
    if not tracks:
        raise InputError(f"tracks is empty: choose among {', '.join(dataset.paths)}")
    unknown = [name for name in tracks if name not in dataset.paths]
    if unknown:
        raise InputError(
            f"track {unknown[0]!r} is not loaded in data set {dataset.name!r}: choose among {', '.join(dataset.paths)}"
        )
    return {name: dataset.paths[name] for name in tracks}


def _make(folder: Path, dataset: DataSet, settings: dict[str, Any], *, progress: bool) -> None:
    """Write everything into a new folder, whole or not at all."""
    try:
        with replacing_folder(folder) as temporary:
            _write(temporary, dataset, settings, progress=progress)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}): free some space, or set GENOMICS_CACHE to another disk"
        ) from error


def _write(folder: Path, dataset: DataSet, settings: dict[str, Any], *, progress: bool) -> None:
    """Write arrays, table, facts and manifest."""
    bin_size = settings["bin_size"]
    roles = {entry.id: entry.role for entry in dataset.manifest.files}
    with Genome(dataset.genome, aliases=dataset.aliases) as genome:
        lengths = dict(genome.lengths)
        sources: dict[str, Source] = {}
        for name in settings["tracks"]:
            path = dataset.paths[name]
            if holds_fragments(path, roles[name]):
                sources[name] = FragmentSource(path, lengths, dataset.aliases, bin_size)
            else:
                sources[name] = BigWigSource(path, lengths, dataset.aliases, bin_size, settings["uncovered"])
        names, left_out = _chromosomes(genome, sources, settings["chroms"])
        table = _layout(names, lengths, bin_size)
        bins = int(table["bins"].sum())
        steps = tqdm(names, desc=f"preparing {dataset.name}", unit="chrom", disable=not progress)
        digests = {"codes": _write_array(folder / CODES, (bins * bin_size,), np.uint8, _codes(genome, steps, bin_size))}
        missing = dict.fromkeys(names, 0)
        values = _targets(sources, table, bin_size, settings["transform"], missing)
        digests["targets"] = _write_array(folder / TARGETS, (bins, len(sources)), np.float32, values)
    table.assign(missing=list(missing.values())).to_csv(folder / CHROMS, index=False)
    facts = {**settings, "name": dataset.name, "left_out": left_out, "digests": {**digests, "dataset": dataset.digest}}
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")
    (folder / MANIFEST).write_text(dataset.manifest.model_dump_json(indent=1) + "\n")


def _chromosomes(
    genome: Genome, sources: Mapping[str, Source], chosen: Collection[str] | None
) -> tuple[list[str], dict[str, list[str]]]:
    """Choose the chromosomes to prepare, and list those left out with the tracks that do not have them."""
    wanted = list(genome.names) if chosen is None else list(dict.fromkeys(genome.resolve(chrom) for chrom in chosen))
    lacking = {chrom: [name for name, source in sources.items() if not source.has(chrom)] for chrom in wanted}
    left_out = {chrom: names for chrom, names in lacking.items() if names}
    if chosen is not None and left_out:
        chrom, names = next(iter(left_out.items()))
        raise InputError(
            f"chromosome {chrom!r} is not in track {names[0]}: choose chromosomes that every track has, or set chromosome_aliases"
        )
    names = [chrom for chrom in wanted if chrom not in left_out]
    if not names:
        raise InputError(
            f"no chromosome of {genome.path} is in every track ({', '.join(sources)}): set chromosome_aliases, or choose fewer tracks"
        )
    if left_out:
        log.info("left out, because a track does not have them: %s", ", ".join(left_out))
    return names, left_out


def _layout(names: list[str], lengths: Mapping[str, int], bin_size: int) -> pd.DataFrame:
    """Place chromosomes one after another, each from a bin on."""
    length = np.array([lengths[chrom] for chrom in names], np.int64)
    bins = -(-length // bin_size)
    offset = np.cumsum(bins) - bins
    columns = {"chrom": names, "length": length, "base_offset": offset * bin_size, "bin_offset": offset, "bins": bins}
    return pd.DataFrame(columns)


def _codes(genome: Genome, chroms: Collection[str], bin_size: int) -> Iterator[np.ndarray]:
    """Give the codes of each chromosome a stretch at a time, the last padded to whole bins."""
    for chrom in chroms:
        length = genome.lengths[chrom]
        for start in range(0, length, BASES_AT_ONCE):
            yield genome.codes(chrom, start, min(start + BASES_AT_ONCE, length))
        yield np.full(-length % bin_size, 4, np.uint8)


def _targets(
    sources: Mapping[str, Source], table: pd.DataFrame, bin_size: int, transform: str | None, missing: dict[str, int]
) -> Iterator[np.ndarray]:
    """Give the targets of each chromosome a stretch at a time, and count the bins in which a track is missing."""
    step = max(1, VALUES_AT_ONCE // len(sources)) * bin_size
    for chrom, length in zip(table["chrom"], table["length"].tolist(), strict=True):
        for start in range(0, length, step):
            end = min(start + step, length)
            columns = [source.bins(chrom, start, end) for source in sources.values()]
            values = np.stack(columns, axis=1)
            if transform == "arcsinh":
                values = arcsinh(values)
            missing[chrom] += int(np.isnan(values).any(axis=1).sum())
            yield values


def _write_array(path: Path, shape: tuple[int, ...], dtype: type, parts: Iterator[np.ndarray]) -> str:
    """Write an array to an .npy file part by part, and return the digest of its values."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        _write_head(file, shape, dtype)
        for part in parts:
            data = np.ascontiguousarray(part, dtype).data
            file.write(data)
            digest.update(data)
    return digest.hexdigest()


def _write_head(file: BinaryIO, shape: tuple[int, ...], dtype: type) -> None:
    """Write what `numpy.load` reads first."""
    head = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)
