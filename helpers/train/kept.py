"""Trained models that lessons share: kept in the cache under all that decides their weights, and trained again when any of it changes."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from helpers.data.checksums import digest_of, write_json
from helpers.errors import InputError
from helpers.files.placing import replacing_folder
from helpers.places import PACKAGE, cache_folder
from helpers.prepare.batches import WindowBatches
from helpers.train import augmentation, models  # noqa: F401  they make their layers known to Keras, which reads them from files
from helpers.train.backend import keras
from helpers.train.fitting import COLUMNS, Fit, history_of
from helpers.train.reached import describe
from helpers.versions import processor, versions

log = logging.getLogger(__name__)
MODEL, FACTS = "model.keras", "fit.json"
CODE = ("prepare/*.py", "train/*.py", "evaluate/metrics.py", "evaluate/pairs.py")
LIBRARIES = ("python", "numpy", "scipy", "keras", "tensorflow", "tensorflow-cpu", "jax")


def kept_fit(key: Mapping[str, Any], train: Callable[[], Fit]) -> Fit:
    """Train a model once, and read it from the cache from then on.

    Parameters
    ----------
    key : mapping
        Names and values of all that decides the result and can differ between calls: batches (`WindowBatches`, known by the content of what
        they can show), the model's name and options, loss, epochs, learning rate, seed. Anything that JSON can write. What is the same for
        all calls is added: the source of this package's training code, versions of libraries, the backend, its threads, the processor.
    train : callable
        Gives the fit. It must depend on nothing that is not in `key`, and seed itself: `seeding.seed_everything` before the model is made.
        That function is called once before this one too, because the number of threads is part of what decides.

    Returns
    -------
    Fit
        Read back from the file, also the first time. The model is not compiled.

    Raises
    ------
    InputError
        If a value of the key cannot be written, or threads are not fixed.
    """
    full = {**surroundings(), "key": _plain(key, "key")}
    if 0 in full["threads"]:
        raise InputError("TensorFlow chooses its threads, which decide the result: call seeding.seed_everything before kept_fit")
    text = json.dumps(full, sort_keys=True)
    folder = cache_folder() / "models" / hashlib.sha256(text.encode()).hexdigest()[:32]
    folder.parent.mkdir(exist_ok=True)
    with FileLock(f"{folder}.lock"):
        found = _read(folder, full)
        if found is not None:
            return found
        fit = train()
        changed = [name for name, value in surroundings().items() if value != full[name]]
        if changed:
            raise InputError(
                f"{changed[0]} changed while the model was trained: set what decides the result before kept_fit, and go on"
            )
        _write(folder, full, fit)
        made = _read(folder, full)
    if made is None:
        raise InputError(
            f"{folder} cannot be read back: check that the disk is sound, and that the model is made of registered layers"
        )
    return made


def surroundings() -> dict[str, Any]:
    """Describe what decides a training's result besides its settings: code, libraries, backend, threads and processor, ready for JSON."""
    found = versions()
    return {
        "code": code_digest(),
        "libraries": {name: found[name] for name in LIBRARIES if name in found},
        "backend": keras.backend.backend(),
        "floats": keras.config.dtype_policy().name,
        "threads": _threads(),
        "processor": processor(),
    }


def code_digest(package: Path = PACKAGE) -> str:
    """Digest of the source of all that makes batches, trains on them and scores the epochs: hexadecimal digits."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in package.glob(pattern)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _threads() -> list[int]:
    """How many threads TensorFlow was told to use in an operation and between operations; 0 is its own choice."""
    if keras.backend.backend() != "tensorflow":
        return []
    from tensorflow import config

    return [config.threading.get_intra_op_parallelism_threads(), config.threading.get_inter_op_parallelism_threads()]


def _plain(value: Any, name: str) -> Any:
    """Turn a value of the key into what JSON writes, or raise InputError: nothing is left out, and no two values look alike."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item(), name)
    if isinstance(value, WindowBatches):
        return describe(value)
    if isinstance(value, Mapping):
        wrong = [part for part in value if not isinstance(part, str)]
        if wrong:
            raise InputError(f"{name} has {wrong[0]!r} as a name: names are text")
        return {part: _plain(content, f"{name}[{part!r}]") for part, content in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, f"{name}[{number}]") for number, part in enumerate(value)]
    raise InputError(
        f"{name} is a {type(value).__name__}, which cannot be compared later: give text, numbers, lists, or a digest"
    )


def _write(folder: Path, full: dict[str, Any], fit: Fit) -> None:
    """Keep a fit."""
    with replacing_folder(folder) as place:
        fit.model.save(place / MODEL)
        rows = fit.history[COLUMNS].to_dict("records")
        facts = {"key": full, "history": rows, "best_epoch": fit.best_epoch, "stopped_early": fit.stopped_early}
        text = json.dumps(facts, sort_keys=True)
        write_json(place / FACTS, {**facts, "digests": [digest_of(place / MODEL), hashlib.sha256(text.encode()).hexdigest()]})


def _read(folder: Path, full: dict[str, Any]) -> Fit | None:
    """Read a fit that was kept; None where there is none, or where it is not whole."""
    if not folder.exists():
        return None
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        digests = facts.pop("digests")
        text = json.dumps(facts, sort_keys=True)
        if facts["key"] != full or digests != [digest_of(folder / MODEL), hashlib.sha256(text.encode()).hexdigest()]:
            raise ValueError("its content changed")
        model = keras.saving.load_model(folder / MODEL, compile=False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("%s is damaged (%s); training again", folder, " ".join(str(error).split()))
        return None
    return Fit(model, history_of(facts["history"]), facts["best_epoch"], facts["stopped_early"])
