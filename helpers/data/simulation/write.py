"""Simulated data sets as folders: written whole or not at all, cached, checked before reuse."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from filelock import FileLock

from helpers.data.checksums import digest_of
from helpers.data.simulation.outputs import output_names
from helpers.data.simulation.settings import SimulationSettings
from helpers.data.simulation.truth import read_truth
from helpers.data.simulation.writing import write_files
from helpers.errors import InputError
from helpers.files.bigwig import open_bigwig
from helpers.files.placing import replacing_folder
from helpers.places import cache_folder

logger = logging.getLogger(__name__)
DIGEST_FILE = "digest.json"
_DIGEST_STEP, _DIGEST_BIN = 10, 1_000
"""Tracks are digested as means over 1 kb of every tenth base."""


def simulate(
    settings: SimulationSettings, seed: int, folder: str | os.PathLike[str], outputs: Collection[str] | None = None
) -> Path:
    """Simulate a data set and write its files into a folder, atomically.

    Parameters
    ----------
    settings : SimulationSettings
    seed : int
        0 or larger; another seed is another genome.
    folder : path
        New or empty, or a simulated folder, which is then replaced.
    outputs : collection of str, optional
        Names of the files wanted (of `output_names(settings)`); default all. A file's content does not depend on which others are asked for.

    Returns
    -------
    Path
        The folder, with a `digest.json` beside the files.

    Raises
    ------
    InputError
        For a file name that there is not, a seed below 0, or a folder that holds something else.
    """
    target, names = Path(folder), _chosen(settings, outputs)
    if target.exists() and not target.is_dir():
        raise InputError(f"folder {target} is a file: name a new folder")
    if target.is_dir() and any(target.iterdir()) and not (target / DIGEST_FILE).is_file():
        raise InputError(f"folder {target} holds files that are no simulated data set: name a new or an empty folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(target) as making:
        _write_all(settings, seed, making, names)
    return target


def _write_all(settings: SimulationSettings, seed: int, folder: Path, names: tuple[str, ...]) -> None:
    """Write every file, then the digests."""
    write_files(settings, seed, folder, names)
    (folder / DIGEST_FILE).write_text(json.dumps(_digests(settings, seed, folder, names), indent=1, sort_keys=True) + "\n")


def simulated_folder(
    seed: int = 0, settings: SimulationSettings | Mapping[str, Any] | None = None, outputs: Collection[str] | None = None
) -> Path:
    """Folder of a simulated data set in the cache: made when it is not there or no longer what was written, else reused.

    Parameters
    ----------
    seed : int
    settings : SimulationSettings or mapping, optional
        Settings, or changes to the defaults.
    outputs : collection of str, optional
        As in `simulate`.

    Notes
    -----
    Two processes that ask at once make it once. Before reuse every file is compared with the SHA-256 noted when it was written.
    """
    chosen = settings if isinstance(settings, SimulationSettings) else SimulationSettings().replace(**dict(settings or {}))
    names = _chosen(chosen, outputs)
    word = "all" if outputs is None else hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8]
    folder = cache_folder() / "simulated" / f"{chosen.digest()}-{seed}-{word}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(folder.name + ".lock")):
        if not folder.exists() or not _intact(folder, chosen, seed, names):
            shutil.rmtree(folder, ignore_errors=True)
            logger.info("simulating a genome of %.1f Mb, seed %d", chosen.megabases, seed)
            simulate(chosen, seed, folder, outputs)
    return folder


def _chosen(settings: SimulationSettings, outputs: Collection[str] | None) -> tuple[str, ...]:
    """File names asked for, in the order of writing."""
    names = output_names(settings)
    if isinstance(outputs, str):
        raise InputError(f"outputs={outputs!r} must be a list of file names, such as [{outputs!r}]")
    unknown = sorted(set(outputs or ()) - set(names))
    if unknown:
        raise InputError(f"outputs: {unknown[0]!r} is no file of this data set: choose from {', '.join(names)}")
    return names if outputs is None else tuple(name for name in names if name in set(outputs))


def _intact(folder: Path, settings: SimulationSettings, seed: int, names: tuple[str, ...]) -> bool:
    """Whether a cached folder still is what was written; a log line says what is not."""
    problem = ""
    try:
        noted = json.loads((folder / DIGEST_FILE).read_text())
        if noted["settings"] != _plain(settings) or noted["seed"] != seed or sorted(noted["bytes"]) != sorted(names):
            problem = "it holds another data set"
        for name in names if not problem else ():
            if digest_of(folder / name) != noted["bytes"][name]:
                problem = f"{name} has changed"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = str(error)
    if problem:
        logger.warning("simulated data set %s is damaged (%s): making it again", folder, problem)
    return not problem


def _plain(settings: SimulationSettings) -> dict[str, Any]:
    """Give the settings as JSON gives them back."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))


def _digests(settings: SimulationSettings, seed: int, folder: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Collect what identifies a data set: settings, seed, digests of the decoded content and of the bytes."""
    return {
        "settings": _plain(settings),
        "seed": seed,
        "content": {name: content_digest(folder / name) for name in names},
        "bytes": {name: digest_of(folder / name) for name in names},
    }


def content_digest(path: str | os.PathLike[str]) -> str:
    """Digest of what a file says, whatever its compression: what two machines can compare.

    A plain FASTA and text are taken strictly; a bigWig as means over 1 kb of every tenth base, rounded to 0.01, with the number that have a value;
    a truth table rounded to 4 digits. Rounding hides the last digits of `exp` and `log`, which differ between processors; a value at the edge of
    rounding can still differ.
    """
    file = Path(path)
    if file.suffix == ".bw":
        return _track_digest(file)
    if file.suffix == ".fa":
        return digest_of(file)
    if file.suffix == ".parquet":
        rows = pd.util.hash_pandas_object(read_truth(file).round(4), index=False)
        return hashlib.sha256(rows.to_numpy().tobytes()).hexdigest()
    content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _track_digest(file: Path) -> str:
    """Digest of a bigWig's values in bins of 1 kb."""
    total = hashlib.sha256()
    with contextlib.closing(open_bigwig(file)) as handle:
        for chrom, length in sorted(handle.chroms().items()):
            values = handle.values(chrom, 0, length, numpy=True)[_DIGEST_STEP // 2 :: _DIGEST_STEP].astype(np.float64)
            per_bin = _DIGEST_BIN // _DIGEST_STEP
            values = np.append(values, np.full(-len(values) % per_bin, np.nan)).reshape(-1, per_bin)
            covered = np.isfinite(values).sum(axis=1)
            mean = np.where(np.isfinite(values), values, 0).sum(axis=1) / np.maximum(covered, 1)
            total.update(f"{chrom} {length}\n".encode())
            total.update((np.round(mean, 2) + 0.0).tobytes() + covered.astype(np.int64).tobytes())
    return total.hexdigest()
