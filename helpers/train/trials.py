"""What a search has done, on disk while it runs: a line for each start, epoch and end of a trial, and the tables made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from helpers.errors import InputError
from helpers.files.placing import replacing
from helpers.train.space import Configuration

Status = Literal["finished", "stopped", "failed", "lost"]
SETTINGS, EVENTS = "search.json", "events.jsonl"
COLUMNS = ("trial", "epoch", "status", "epochs", "attempts", "reason")  # what no parameter and no metric may be called
FORMAT = 1


@dataclass(frozen=True)
class Search:
    """What a search found; `read_search` makes it again from the search's folder.

    Attributes
    ----------
    trials : DataFrame
        One row a trial that was started or lost: `trial` (its number, from 0, in the order drawn), a column per parameter, `status`,
        `epochs` (trained), the metric (its best over the trial's epochs; NaN if there is none), `attempts` (how often it was started) and
        `reason`. The status is "finished" (trained to the end), "stopped" (early, by ASHA or for the budget), "failed" (the objective
        raised, or the metric became NaN) or "lost" (with its worker, its node or the whole search).
    curves : DataFrame
        One row an epoch of a trial: `trial`, `epoch` (from 1), and everything that was reported. Of several attempts, the longest.
    settings : dict
        What was asked for: `method`, `metric`, `mode`, `max_epochs`, `trials`, `seed`, `budget_epochs` and so on.
    epochs_spent : int
        Epochs of training over all trials, as in `curves`.
    epochs_repeated : int
        Epochs trained besides, by attempts that were cut short by a loss.
    """

    trials: pd.DataFrame
    curves: pd.DataFrame
    settings: dict[str, Any]
    epochs_spent: int
    epochs_repeated: int

    @cached_property
    def best_trial(self) -> int:
        """Number of the trial whose metric was best at any epoch; of equal ones the first; an InputError if none has a value."""
        metric = self.settings["metric"]
        values = self.trials.set_index("trial")[metric].dropna()
        if values.empty:
            raise InputError(f"no trial has a {metric}: see the column reason of Search.trials")
        return int(values.idxmax() if self.settings["mode"] == "max" else values.idxmin())

    @property
    def best(self) -> Configuration:
        """Configuration of the best trial."""
        return dict(self.settings["configurations"][self.best_trial])


@dataclass
class Trial:
    """A trial as the events tell it so far: a curve for each attempt, and how it ended; "running" until then."""

    curves: list[list[dict[str, float]]] = field(default_factory=list)
    status: str = "running"
    reason: str = ""

    @property
    def curve(self) -> list[dict[str, float]]:
        """The longest attempt, of equal ones the latest."""
        return max(reversed(self.curves), key=len, default=[])


class Journal:
    """The record of a search, in memory and on disk; each event is appended to the file at once, so that a kill loses none.

    Parameters
    ----------
    folder : Path
        Where `search.json` and `events.jsonl` lie; `begin` makes them.

    Raises
    ------
    InputError
        If there is no search in the folder, or its files cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = _read_settings(folder)
        self.trials: dict[int, Trial] = {}
        _read_events(folder / EVENTS, self._apply)

    @classmethod
    def begin(cls, folder: Path, settings: Mapping[str, Any], resume: bool) -> Journal:
        """Open the record of a search that goes on, or begin one.

        Raises
        ------
        InputError
            If the folder holds a search with other settings.
        """
        folder.mkdir(parents=True, exist_ok=True)
        asked = json.loads(json.dumps({"format": FORMAT, **settings}))
        if resume and (folder / SETTINGS).exists():
            journal = cls(folder)
            for name, value in asked.items():
                kept = journal.settings.get(name)
                if kept != value:
                    raise InputError(
                        f"{folder} holds a search with another {name} ({_short(kept)}, not {_short(value)}): "
                        "name another folder, or give resume=False to begin anew"
                    )
            _mend(folder / EVENTS)
            return journal
        (folder / EVENTS).write_bytes(b"")
        with replacing(folder / SETTINGS) as temporary:
            temporary.write_text(json.dumps(asked, indent=1), encoding="utf-8")
        return cls(folder)

    def start(self, trial: int) -> None:
        """Note that an attempt at a trial begins."""
        self._write({"event": "start", "trial": trial})

    def report(self, trial: int, row: Mapping[str, float]) -> None:
        """Note an epoch: `epoch` and the metrics after it."""
        self._write({"event": "epoch", "trial": trial, "row": {k: v if math.isfinite(v) else str(v) for k, v in row.items()}})

    def end(self, trial: int, status: Status, reason: str = "") -> None:
        """Note how a trial ended."""
        self._write({"event": "end", "trial": trial, "status": status, "reason": reason})

    def _write(self, event: dict[str, Any]) -> None:
        """Append an event to the file, and apply it."""
        with (self.folder / EVENTS).open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(event, allow_nan=False) + "\n")
        self._apply(event)

    def _apply(self, event: dict[str, Any]) -> None:
        """Bring the trials up to date with an event."""
        trial = self.trials.setdefault(event["trial"], Trial())
        if event["event"] == "start":
            trial.curves.append([])
            trial.status, trial.reason = "running", ""
        elif event["event"] == "epoch":
            trial.curves[-1].append({name: float(value) for name, value in event["row"].items()})
        else:
            trial.status, trial.reason = event["status"], event["reason"]

    @property
    def ended(self) -> list[int]:
        """Trials that need not be trained again, in the order in which they ended."""
        return [number for number, trial in self.trials.items() if trial.status in ("finished", "stopped", "failed")]

    @property
    def spent(self) -> int:
        """Epochs over all trials, of each the longest attempt."""
        return sum(len(trial.curve) for trial in self.trials.values())

    def search(self) -> Search:
        """Make the tables."""
        metric, configurations = self.settings["metric"], self.settings["configurations"]
        best = max if self.settings["mode"] == "max" else min
        rows, curves = [], []
        for number, trial in sorted(self.trials.items()):
            values = [row[metric] for row in trial.curve if math.isfinite(row.get(metric, math.nan))]
            running = trial.status == "running"
            rows.append(
                {
                    "trial": number,
                    **configurations[number],
                    "status": "lost" if running else trial.status,
                    "epochs": len(trial.curve),
                    metric: best(values, default=math.nan),
                    "attempts": len(trial.curves),
                    "reason": "the search was ended while it ran" if running else trial.reason,
                }
            )
            curves += [{"trial": number, **row} for row in trial.curve]
        names = ["trial", *configurations[0], "status", "epochs", metric, "attempts", "reason"]
        table = pd.DataFrame(curves, columns=None if curves else ["trial", "epoch", metric]).astype({"epoch": int})
        trained = sum(len(curve) for trial in self.trials.values() for curve in trial.curves)
        # Or pandas would make a None among the choices NaN.
        with_none = {name: [row[name] for row in rows] for name in configurations[0] if any(row[name] is None for row in rows)}
        found = pd.DataFrame(rows, columns=names).assign(**{n: pd.Series(v, dtype=object) for n, v in with_none.items()})
        return Search(found, table, self.settings, self.spent, trained - self.spent)


def read_search(folder: Path) -> Search:
    """Read what a search has done so far from its folder, also while it runs.

    Parameters
    ----------
    folder : Path
        As given to `search`.

    Returns
    -------
    Search

    Raises
    ------
    InputError
        If the folder holds no search, or one that cannot be read.
    """
    return Journal(Path(folder)).search()


def _read_settings(folder: Path) -> dict[str, Any]:
    """Read what was asked for."""
    path = folder / SETTINGS
    if not path.exists():
        raise InputError(f"{folder} holds no search ({SETTINGS} is missing): give the folder that search() was given")
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}): search anew with resume=False") from error
    if not isinstance(settings, dict) or settings.get("format") != FORMAT:
        raise InputError(f"{path} is no record of format {FORMAT}, which this version writes: search anew with resume=False")
    return settings


def _read_events(path: Path, apply: Callable[[dict[str, Any]], None]) -> None:
    """Apply the events; a last line without an end was being written when the search was killed, and is left out."""
    content = path.read_bytes() if path.exists() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            apply(json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise InputError(f"{path}, line {number} cannot be read ({error}): search anew with resume=False") from error


def _mend(path: Path) -> None:
    """Cut off a last line without an end, so that the next event does not continue it."""
    content = path.read_bytes() if path.exists() else b""
    if not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _short(value: object) -> str:
    """Show a setting in a message."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
