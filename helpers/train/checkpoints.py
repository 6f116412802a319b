"""What a training run leaves behind after each epoch, so that a run that was killed goes on as if it had not been.

A folder holds `run.json`, what the run is, and one folder per finished epoch, of which only the newest is kept. That folder is written under
another name and renamed when it is whole. Weights are in Keras's own format, without pickle.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from helpers.data.checksums import digest_of, write_json
from helpers.errors import InputError
from helpers.files.placing import replacing_folder
from helpers.train.backend import keras

RUN, PROGRESS, LAST, BEST = "run.json", "progress.json", "last.weights.h5", "best.weights.h5"
NOT_OF_THE_MODEL = {"build_config", "compile_config"}
EPOCH = re.compile(r"epoch_(\d+)")


@dataclass(frozen=True)
class Progress:
    """How far a run has come: a row per finished epoch, and the best weights so far, in the order of `model.get_weights()`."""

    rows: list[dict[str, float]]
    best: list[np.ndarray]


def model_digest(model: Any) -> str:
    """Digest of a model's layers and of every number in them, random seeds included, whatever the layers are called.

    Parameters
    ----------
    model : keras.Model
        Built. Keras numbers the names of layers through a session, so that the same model has other names the second time.

    Returns
    -------
    str
        Hexadecimal digits.
    """
    names = {layer.name: f"layer {k}" for k, layer in enumerate([model, *model._flatten_layers(include_self=False)])}

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): plain(part) for key, part in value.items() if key not in NOT_OF_THE_MODEL}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        return names.get(value, value) if isinstance(value, str) else value

    digest = hashlib.sha256(json.dumps(plain(json.loads(model.to_json())), sort_keys=True).encode())
    for variable in model.variables:
        values = _values(variable)
        digest.update(f"{values.dtype}{values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


@contextmanager
def claimed(folder: Path | None, run: dict[str, Any] | None) -> Iterator[None]:
    """Keep a folder for one run, and for one process at a time; without a folder, do nothing.

    Parameters
    ----------
    folder : Path or None
        Made if it does not exist.
    run : dict
        All that decides the run's result, ready for JSON.

    Raises
    ------
    InputError
        If the folder belongs to another run, to something else, or to another process just now.
    """
    if folder is None:
        yield
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{folder} is in use by another process: wait for it, or give a new folder") from error
    try:
        _claim(folder, run)
        yield
    finally:
        lock.release()


def _claim(folder: Path, run: dict[str, Any] | None) -> None:
    """Note in a folder which run it belongs to, or raise InputError if it belongs to another."""
    known = json.loads(json.dumps(run, default=lambda value: np.asarray(value).tolist()))
    path = folder / RUN
    if not path.is_file():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InputError(f"{folder} holds something else than a training run: give a new folder")
        folder.mkdir(exist_ok=True)
        write_json(path, known)
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): remove {folder}, or give a new one") from error
    other = [name for name in sorted({*known, *found}) if known.get(name) != found.get(name)]
    if other:
        raise InputError(f"{folder} belongs to another run (other {', '.join(other)}): give a new folder, or remove this one")


def save_progress(folder: Path | None, model: Any, progress: Progress) -> None:
    """Write the state after an epoch, and remove that of the epoch before; without a folder, do nothing.

    Parameters
    ----------
    folder : Path or None
        The run's.
    model : keras.Model
        As it is after the epoch, with its optimizer.
    progress : Progress
        Its last row is the epoch's.
    """
    if folder is None:
        return
    with replacing_folder(folder / f"epoch_{len(progress.rows):04d}") as place:
        model.save_weights(place / LAST)
        current = model.get_weights()
        model.set_weights(progress.best)
        model.save_weights(place / BEST)
        model.set_weights(current)
        digests = {name: digest_of(place / name) for name in (LAST, BEST)}
        write_json(
            place / PROGRESS, {"rows": progress.rows, "seeds": [seed.tolist() for seed in _seeds(model)], "digests": digests}
        )
    for place in folder.iterdir():
        found = EPOCH.fullmatch(place.name)
        if (found and int(found[1]) < len(progress.rows)) or place.name.startswith((".writing_", ".replaced_")):
            shutil.rmtree(place, ignore_errors=True)


def load_progress(folder: Path | None, model: Any) -> Progress:
    """Put a model into the state after the last finished epoch.

    Parameters
    ----------
    folder : Path or None
        The run's.
    model : keras.Model
        Compiled.

    Returns
    -------
    Progress
        Without rows where no epoch was finished, or there is no folder.

    Raises
    ------
    InputError
        If a file is damaged.
    """
    inside = [] if folder is None else folder.iterdir()
    places = sorted((int(found[1]), place) for place in inside if (found := EPOCH.fullmatch(place.name)))
    if not places:
        return Progress([], [])
    place = places[-1][1]
    try:
        noted = json.loads((place / PROGRESS).read_text(encoding="utf-8"))
        whole = all(digest_of(place / name) == digest for name, digest in noted["digests"].items())
    except (ValueError, OSError) as error:
        raise InputError(f"{place} is damaged ({error}): remove the folder {folder}, and train again") from error
    if not whole:
        raise InputError(f"{place} has weights that changed since they were written: remove the folder {folder}, and train again")
    model.optimizer.build(model.trainable_variables)
    model.load_weights(place / BEST)
    best = model.get_weights()
    model.load_weights(place / LAST)
    for variable, value in zip(_seed_variables(model), noted["seeds"], strict=True):
        variable.assign(np.asarray(value, dtype=_values(variable).dtype))
    return Progress(noted["rows"], best)


def _seed_variables(model: Any) -> list[Any]:
    """Variables that Keras does not write with the weights: the states of random layers."""
    weights = {id(variable) for variable in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]


def _seeds(model: Any) -> list[np.ndarray]:
    """States of the random layers."""
    return [_values(variable) for variable in _seed_variables(model)]


def _values(variable: Any) -> np.ndarray:
    """Content of a Keras variable."""
    return keras.ops.convert_to_numpy(variable.value)
