"""Statements that the course tests: read from findings.yml, judged over seeds, shown in the lesson, kept in the run's record."""

from __future__ import annotations

import difflib
import functools
import html
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pydantic
import yaml

from helpers.course.verdicts import TIMES, Direction, Scale, Summary, Verdict, effect_text, summarise, verdict
from helpers.errors import InputError
from helpers.files.placing import write_bytes
from helpers.places import shipped

RECORD_VARIABLE = "COURSE_RECORD"
WORLDS = ("default", "null")
SIGNS: dict[str, tuple[str, str]] = {
    "holds": ("✓", "#00785a"),
    "does not hold": ("✗", "#b34700"),
    "inconclusive": ("?", "#5f6368"),
}


class NotForThisDataset(InputError):  # noqa: N818
    """A lesson needs what this data set has not; raised in its data cell, it makes the run skip the lesson with that reason."""


class Finding(pydantic.BaseModel):
    """One statement, with all that is fixed about it before its experiment is run."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    id: str = pydantic.Field(pattern=r"^F\d{2}[a-z]?$")
    lesson: str = pydantic.Field(pattern=r"^\d{2}$")
    statement: str = pydantic.Field(min_length=10)
    source: str = pydantic.Field(min_length=1)
    metric: str = pydantic.Field(min_length=1)
    scale: Scale
    direction: Direction
    least_effect: float = pydantic.Field(allow_inf_nan=False)
    settings: dict[str, Any]
    null_settings: dict[str, Any]
    null_world: str = pydantic.Field(min_length=10)

    @pydantic.model_validator(mode="after")
    def _worlds_differ(self) -> Finding:
        """Refuse a null world that adds settings to the experiment, or changes none."""
        if set(self.settings) != set(self.null_settings) or self.settings == self.null_settings:
            raise ValueError("null_settings must give other values to the same names as settings")
        if (self.scale == "ratio" or self.direction == "equal") and self.least_effect < 0:
            raise ValueError("least_effect must not be negative for a ratio or a tolerance")
        return self


class _Named(Protocol):
    """Anything with a name, such as a data set."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Recorded:
    """A statement with its measured effect and verdict: as the last expression of a cell it shows itself."""

    finding: Finding
    dataset: str
    summary: Summary
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Return what findings.json holds about it."""
        finding, summary = self.finding, self.summary
        stated = {key: getattr(finding, key) for key in ("statement", "source", "metric", "least_effect")}
        measured = {
            "effect": summary.effect,
            "low": summary.low,
            "high": summary.high,
            "seeds": summary.seeds,
            "verdict": self.verdict,
        }
        return {"id": finding.id, "lesson": finding.lesson, "dataset": self.dataset, **stated, **measured}

    def lines(self) -> tuple[str, str, str]:
        """Return the statement with its source, the measured effect, and what was asked of it, as plain text."""
        finding, summary = self.finding, self.summary
        measured = effect_text(summary.effect, summary.low, summary.high, finding.scale)
        seeds = (
            "1 seed: no interval, so nothing can be concluded"
            if summary.seeds == 1
            else f"95 % interval over {summary.seeds} seeds"
        )
        return (
            f"{finding.statement} (source: {finding.source})",
            f"{finding.metric}: {measured} ({seeds}; data set {self.dataset})",
            requirement(finding),
        )

    def __repr__(self) -> str:
        sign, _ = SIGNS[self.verdict]
        return "\n".join([f"{self.finding.id} {sign} {self.verdict}", *("    " + line for line in self.lines())])

    def _repr_html_(self) -> str:
        sign, colour = SIGNS[self.verdict]
        statement, measured, asked = map(html.escape, self.lines())
        return (
            f'<div role="note" aria-label="Finding {self.finding.id}: {self.verdict}" '
            f'style="border-left: 6px solid {colour}; padding: 0.4em 1em; margin: 0.6em 0">'
            f'<p><strong>{self.finding.id}</strong> <span style="background: {colour}; color: #ffffff; border-radius: 0.8em; '
            f'padding: 0.1em 0.7em; white-space: nowrap"><strong>{sign} {self.verdict}</strong></span></p>'
            f"<p>{statement}</p><p>{measured}</p><p><small>{asked}</small></p></div>"
        )


def requirement(finding: Finding) -> str:
    """Say in words what the rule asks of the effect before a finding holds."""
    unit = TIMES if finding.scale == "ratio" else ""
    bound = f"{finding.least_effect:g}{unit}"
    if finding.direction == "greater":
        return f"Holds if the interval lies above {f'1{unit}' if unit else '0'} and the mean is at least {bound}."
    if finding.direction == "no more than":
        return f"Holds if the whole interval is at most {bound}."
    return f"Holds if every seed is equal within {bound}." if finding.least_effect else "Holds if every seed is exactly equal."


def load_findings(path: Path | None = None) -> dict[str, Finding]:
    """Read findings.yml.

    Parameters
    ----------
    path : Path, optional
        Another file than the one that travels with the package.

    Returns
    -------
    dict of str to Finding
        By id, in the order of the file.

    Raises
    ------
    InputError
        If the file is missing, is not YAML, has an unknown or missing key, a wrong value, or an id twice.
    """
    path = path or shipped("notebooks", "findings.yml")
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}): it should have come with the package; install it anew"
        ) from error
    return dict(_load(path, changed))


@functools.lru_cache(maxsize=8)
def _load(path: Path, _changed: int) -> dict[str, Finding]:
    """Read and check the file once for each of its states."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["findings"]
        found = [Finding.model_validate(entry) for entry in entries]
    except pydantic.ValidationError as error:
        first = min(
            error.errors(), key=lambda e: e["type"] != "extra_forbidden"
        )  # a misspelt key before the one that it leaves missing
        given = first["input"].get("id", "?") if isinstance(first["input"], dict) else first["input"]
        place = ".".join(map(str, first["loc"])) or "entry"
        raise InputError(
            f"{path.name}: {place}: {first['msg']} (given: {given!r}): see the other entries for the form"
        ) from error
    except (yaml.YAMLError, TypeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path.name} is not a list of findings ({reason}): it must start with 'findings:'") from error
    ids = [finding.id for finding in found]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise InputError(f"{path.name}: the id {twice[0]!r} stands there twice: give each finding its own")
    return dict(zip(ids, found, strict=True))


def get_finding(finding_id: str) -> Finding:
    """Return the finding of that id; InputError with near matches if there is none."""
    known = load_findings()
    if finding_id not in known:
        near = difflib.get_close_matches(finding_id, known, n=3) or list(known)[:8]
        raise InputError(
            f"finding {finding_id!r} is not in findings.yml (it has {', '.join(near)} ...): add it there before it is measured"
        )
    return known[finding_id]


def conditions(finding_id: str, world: str = "default") -> dict[str, Any]:
    """Look up the settings of a finding's experiment, in the world it speaks of or in the one where its cause is switched off.

    Parameters
    ----------
    finding_id : str
        Such as "F03".
    world : {"default", "null"}
        The lesson's parameter of that name.

    Returns
    -------
    dict
        `settings` or `null_settings` of findings.yml, a copy.

    Raises
    ------
    InputError
        If the id or the world is unknown.
    """
    if world not in WORLDS:
        raise InputError(f"world {world!r} is unknown: choose 'default' or 'null'")
    finding = get_finding(finding_id)
    return dict(finding.settings if world == "default" else finding.null_settings)


def record(finding_id: str, effects: Sequence[float] | np.ndarray, *, dataset: str | _Named) -> Recorded:
    """Judge a finding by its measured effects, and write it to the run's record.

    Parameters
    ----------
    finding_id : str
        Id in findings.yml.
    effects : sequence of float, shape (seeds,)
        One number a seed, in the unit of the finding's metric.
    dataset : str or DataSet
        The data set they were measured on, or its name.

    Returns
    -------
    Recorded
        Shows statement, effect and verdict when it is the last expression of a cell.

    Raises
    ------
    InputError
        If the id is unknown or the effects cannot be used.

    Notes
    -----
    Writes to the folder that the environment variable `COURSE_RECORD` names, one file a lesson; to nothing if it is not set.
    """
    finding = get_finding(finding_id)
    name = dataset if isinstance(dataset, str) else dataset.name
    judged = verdict(effects, finding.direction, finding.least_effect, finding.scale)
    recorded = Recorded(finding, name, summarise(effects, finding.scale), judged)
    folder = os.environ.get(RECORD_VARIABLE)
    if folder:
        _write(Path(folder) / f"{finding.lesson}.json", recorded.as_dict())
    return recorded


def _write(path: Path, entry: dict[str, Any]) -> None:
    """Put one finding into a lesson's file, in the place of an older one of the same id and data set."""
    key = (entry["id"], entry["dataset"])
    kept = [old for old in read_json(path) if (old["id"], old["dataset"]) != key] if path.exists() else []
    write_json(path, sorted([*kept, entry], key=lambda e: (e["id"], e["dataset"])))


def record_data(name: str, digest: str) -> None:
    """Note in the run's record which data a lesson used: the data set's name and the digest of its content (one a seed, if simulated)."""
    folder = os.environ.get(RECORD_VARIABLE)
    if folder:
        path = Path(folder) / "data.json"
        noted = read_json(path) if path.exists() else {}
        write_json(path, {**noted, name: sorted({*noted.get(name, []), digest})})


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Read all findings that lessons wrote to a record folder, in the order of lesson, id and data set; shape as in findings.json."""
    entries = [entry for path in sorted(Path(folder).glob("[0-9][0-9].json")) for entry in read_json(path)]
    return sorted(entries, key=lambda e: (e["lesson"], e["id"], e["dataset"]))


def read_json(path: Path) -> Any:
    """Read a JSON file; InputError if it is missing, or is not one."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: course run and course build write such files") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON ({error}): delete it and run again") from error


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
