"""What is left of a training run on disk: run.json (what it was) and history.csv (one row an epoch), written and read back."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.files.placing import write_bytes

RECORD, HISTORY, MODEL, WANDB = "run.json", "history.csv", "model.keras", "wandb"
FORMAT = 1

Row = dict[str, float | int]


@dataclass(frozen=True)
class RunRecord:
    """A run as it was recorded.

    Parameters
    ----------
    name, mode : str
        Of the run: its name in tables and figures, and how it was tracked.
    folder : Path or None
        Where the record lies; None for a run that is not written.
    status : str
        "finished", "failed", or "running" (which is also what a killed process leaves).
    error : str or None
        One line: what a failed run failed with.
    started, finished : str or None
        Times in UTC, ISO 8601.
    config, digests, versions : dict
        The run's settings, digests of its data by name, versions of Python and packages.
    commit, uncommitted_changes, platform, processor
        The code and the machine, as `helpers.versions` has them.
    summary : dict
        Scores of the whole run.
    model : dict or None
        `file` (name in the folder) of the saved model, its `sha256`, and the `weights_sha256` of its weights (`seeding.weights_digest`).
    wandb : dict or None
        `id`, `project` and `files` (the folder that `wandb sync` takes) of the W&B run.
    history : DataFrame
        One row a call of `log`, in that order; NaN where a row had no such value, or none that is finite.
    """

    name: str
    mode: str
    folder: Path | None
    status: str
    error: str | None
    started: str
    finished: str | None
    config: dict[str, Any]
    digests: dict[str, str]
    versions: dict[str, str]
    commit: str
    uncommitted_changes: bool | None
    platform: str
    processor: str
    summary: dict[str, Any]
    model: dict[str, str | None] | None
    wandb: dict[str, str] | None
    history: pd.DataFrame = field(repr=False)


WRITTEN = tuple(f.name for f in fields(RunRecord) if f.name not in {"folder", "history"})


def plain(value: Any, place: str) -> Any:
    """Turn a setting into what JSON can hold; NaN and infinity become None.

    Parameters
    ----------
    value : object
        Number, text, None, path, array, or lists and mappings of them.
    place : str
        Its name, for the message.

    Returns
    -------
    object
        Made of dict, list, str, int, float, bool and None.

    Raises
    ------
    InputError
        If it is, or holds, anything else.
    """
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InputError(
                f"{place} has a key that is not text ({next(k for k in value if not isinstance(k, str))!r}): name it"
            )
        return {key: plain(inner, f"{place}.{key}") for key, inner in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist(), place)
    if isinstance(value, (list, tuple)):
        return [plain(inner, f"{place}[{i}]") for i, inner in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    raise InputError(f"{place} is a {type(value).__name__}, which a record cannot hold: give a number, text, or lists of them")


def plain_row(row: Mapping[str, Any]) -> Row:
    """Turn one row of a history into Python numbers; infinity becomes NaN.

    Raises
    ------
    InputError
        If the row is empty, a name is no printable text, or a value is not one number.
    """
    if not row:
        raise InputError("the row has no value: log at least one number")
    return {_column(name): _number(name, value) for name, value in row.items()}


def _column(name: object) -> str:
    """Return a name as it is, if it can head a column."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise InputError(f"{name!r} cannot name a column: use printable text")
    return name


def _number(name: str, value: Any) -> float | int:
    """One number, also from an array or tensor without dimensions."""
    try:
        if isinstance(value, (str, bytes)) or np.ndim(value):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {str(value)[:40]!r}, not one number: log numbers, and put the rest in the config") from error
    if isinstance(value, (int, np.integer, np.bool_)):
        return int(value)
    return number if math.isfinite(number) else math.nan


def write_record(folder: Path, content: Mapping[str, Any], *, new: bool = False) -> None:
    """Write run.json whole; as a `new` one, raise FileExistsError where one lies."""
    text = json.dumps({"format": FORMAT, **content}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if new:
        with (folder / RECORD).open("x", encoding="utf-8") as file:
            file.write(text)
    else:
        write_bytes(folder / RECORD, text.encode())


def take_folder(place: Path, facts: Mapping[str, Any], *, replace: bool) -> bool:
    """Make a folder a run's own, before any other run can: InputError if it is not to be had. Return whether it was made anew."""
    made = not place.exists()
    try:
        place.mkdir(parents=True, exist_ok=True)
        if replace:
            remove_record(place, folder_too=False)
        write_record(place, facts, new=True)
    except FileExistsError as error:
        if not place.is_dir():
            raise InputError(f"{place} is a file: name a folder for the run") from error
        raise InputError(
            f"{place} already holds a run: choose another folder, or give replace=True to delete that run"
        ) from error
    except OSError as error:
        raise InputError(f"{place} cannot be written to ({error.strerror}): choose another folder for the run") from error
    return made


def remove_record(place: Path, *, folder_too: bool) -> None:
    """Delete what a run wrote, and the folder if it was made for the run and holds nothing else."""
    for name in (RECORD, HISTORY, MODEL):
        (place / name).unlink(missing_ok=True)
    shutil.rmtree(place / WANDB, ignore_errors=True)
    if folder_too and not any(place.iterdir()):
        place.rmdir()


def write_history(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write all rows anew, under a header that has every column."""
    write_bytes(path, (_line(columns) + "".join(_line([row.get(c, "") for c in columns]) for row in rows)).encode())


def append_row(path: Path, columns: Sequence[str], row: Row) -> None:
    """Add one row to a history whose header has these columns; it is on its way to the disk when this returns."""
    with path.open("ab") as file:
        file.write(_line([row.get(c, "") for c in columns]).encode())


def _line(values: Sequence[object]) -> str:
    """Values as one line of CSV; floats to the last digit."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def as_history(columns: Sequence[str], rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table, as `read_run` would return them."""
    return pd.DataFrame([{c: row.get(c, math.nan) for c in columns} for row in rows], columns=list(columns))


def read_run(folder: str | os.PathLike[str]) -> RunRecord:
    """Read a run's record back, also of one that is still running or was killed (a last row cut short is left out).

    Parameters
    ----------
    folder : path
        The run's folder.

    Returns
    -------
    RunRecord
        A score of the summary that was not finite is NaN.

    Raises
    ------
    InputError
        If the folder holds no run, or its record is damaged or of another version.
    """
    place = Path(folder)
    path = place / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{place} is not a run (it has no {RECORD}): name a folder that start_run wrote to") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}): delete the folder and train again") from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT or set(content) != set(WRITTEN):
        raise InputError(f"{path} is no record that this version wrote: delete the folder and train again")
    content["summary"] = with_nan(content["summary"])
    return RunRecord(folder=place, history=_read_history(place / HISTORY), **content)


def _read_history(path: Path) -> pd.DataFrame:
    """Whole lines of a history; an empty table where there is none."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole:
        return pd.DataFrame()
    try:
        header, *lines = csv.reader(io.StringIO(whole.decode()), strict=True)
        rows = [dict(zip(header, map(_read_number, line), strict=True)) for line in lines]
    except (ValueError, csv.Error) as error:
        raise InputError(f"{path} is damaged ({error}): delete the run's folder and train again") from error
    return as_history(header, rows)


def _read_number(text: str) -> float | int:
    """Read one cell; an empty one is NaN."""
    return int(text) if text.lstrip("-").isdigit() else float(text or "nan")


def with_nan(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary with NaN where JSON has null."""
    return {name: math.nan if value is None else value for name, value in summary.items()}
