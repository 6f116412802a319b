"""Many runs side by side: read from a folder of runs, and listed with their settings and scores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.errors import InputError
from helpers.train.records import RECORD, RunRecord, read_run

LOWER_IS_BETTER = {"loss", "mse", "rmse", "mae", "nll", "brier", "error"}
COLUMNS = ["run", "folder", "status", "error", "started", "seconds"]
NOT_SCORES = {"epoch", "step", "learning_rate"}


def read_runs(root: str | os.PathLike[str]) -> list[RunRecord]:
    """Read every run whose folder lies in a folder, the one that started first at the front.

    Raises
    ------
    InputError
        If there is no such folder, or a record in it is damaged.
    """
    place = Path(root)
    if not place.is_dir():
        raise InputError(f"{place} is not a folder: name the one that holds the runs' folders")
    found = [read_run(path.parent) for path in place.glob(f"*/{RECORD}")]
    return sorted(found, key=lambda record: (record.started, record.name))


def list_runs(root: str | os.PathLike[str]) -> pd.DataFrame:
    """List the runs whose folders lie in a folder, with their settings and scores: a dashboard without an account.

    Parameters
    ----------
    root : path
        Folder that holds the runs' folders.

    Returns
    -------
    DataFrame
        As `overview` makes it of them, in the order of their starts.

    Raises
    ------
    InputError
        As `read_runs`.
    """
    return overview(read_runs(root))


def overview(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Put runs into one table: what each was, and how well it did.

    Parameters
    ----------
    runs : sequence of RunRecord
        From `read_runs`, or the `record` of runs in memory.

    Returns
    -------
    DataFrame
        One row a run: `run`, `folder`, `status`, `error`, `started`, `seconds` (NaN before the end); `config.NAME` for each setting
        (inner ones as `config.OUTER.INNER`); `final.NAME` and `best.NAME` of each column of the history; `summary.NAME`. The best is
        the smallest where a name speaks of a loss or an error (`lower_is_better`), else the largest.
    """
    return pd.DataFrame([_overview(record) for record in runs], columns=None if runs else COLUMNS)


def _overview(record: RunRecord) -> dict[str, Any]:
    """One row of `list_runs`."""
    started, finished = pd.Timestamp(record.started), pd.Timestamp(record.finished) if record.finished else None
    seconds = None if finished is None else (finished - started).total_seconds()
    row = dict(zip(COLUMNS, (record.name, record.folder, record.status, record.error, started, seconds), strict=True))
    row |= _flat("config", record.config)
    if len(record.history):
        row |= {f"final.{name}": record.history[name].iloc[-1] for name in record.history}
        row |= {f"best.{name}": best(record.history[name]) for name in record.history if name not in NOT_SCORES}
    return row | _flat("summary", record.summary)


def _flat(prefix: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings as one level of dotted names; lists as JSON, so that a table can be grouped by them."""
    row: dict[str, Any] = {}
    for key, value in settings.items():
        name = f"{prefix}.{key}"
        row |= _flat(name, value) if isinstance(value, dict) else {name: json.dumps(value) if isinstance(value, list) else value}
    return row


def lower_is_better(metric: str) -> bool:
    """Whether a score's name speaks of a loss or an error: `validation_loss`, `poisson_nll`, `mse`."""
    return not LOWER_IS_BETTER.isdisjoint(metric.lower().split("_"))


def best(values: pd.Series) -> float:
    """Best value of a named column, NaN left out; NaN where there is none."""
    return float(values.min() if lower_is_better(str(values.name)) else values.max())
