"""What the lessons find now, against what is committed: the same verdicts, effects within the committed interval widened by half."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from helpers.course.findings import load_findings, read_json, read_records

COMMITTED = Path(__file__).parents[2] / "notebooks" / "findings.json"
FIELDS = ("lesson", "statement", "source", "metric", "least_effect", "seeds", "verdict")


def disagreement(committed: dict[str, Any], measured: dict[str, Any], scale: str) -> str | None:
    """Say how a finding differs from the committed one; None if it does not."""
    for key in FIELDS:
        if committed[key] != measured[key]:
            return f"{key} was {committed[key]!r} and is {measured[key]!r}"
    place = math.log if scale == "ratio" else float
    effect, before = place(measured["effect"]), place(committed["effect"])
    ends = [place(committed[key]) for key in ("low", "high")] if committed["low"] is not None else [before, before]
    room = max((ends[1] - ends[0]) / 4, 1e-6 * max(1.0, abs(before)))  # half as wide again, half of that on each side
    if not ends[0] - room <= effect <= ends[1] + room:
        return f"effect {measured['effect']:g} is outside of [{committed['low']}, {committed['high']}], widened by half"
    return None


def test_findings_of_the_lessons_are_the_committed_ones() -> None:
    folder = os.environ.get("COURSE_NBVAL_RECORD")
    if not folder:
        pytest.skip("COURSE_NBVAL_RECORD is not set: make test runs the lessons first and says where they wrote their findings")
    measured = {(entry["id"], entry["dataset"]): entry for entry in read_records(Path(folder))}
    ran = os.environ["COURSE_NBVAL_LESSONS"].split()
    committed = {(entry["id"], entry["dataset"]): entry for entry in read_json(COMMITTED) if entry["lesson"] in ran}
    assert set(measured) == set(committed)
    known = load_findings()
    wrong = {key: disagreement(committed[key], measured[key], known[key[0]].scale) for key in committed}
    assert {key: text for key, text in wrong.items() if text} == {}


def test_every_finding_of_a_built_lesson_is_committed_and_states_what_the_list_states() -> None:
    built = {path.stem[:2] for path in COMMITTED.parent.glob("[0-9][0-9]_*.ipynb")}
    committed = {entry["id"]: entry for entry in read_json(COMMITTED)}
    wanted = {key: finding for key, finding in load_findings().items() if finding.lesson in built}
    assert set(committed) == set(wanted)
    for key, finding in wanted.items():
        stated = {field: committed[key][field] for field in ("lesson", "statement", "source", "metric", "least_effect")}
        assert stated == {field: getattr(finding, field) for field in stated}


def entry(effect: float, low: float | None, high: float | None, **changes: Any) -> dict[str, Any]:
    fields = {"lesson": "01", "statement": "s", "source": "s", "metric": "m", "least_effect": 0.1, "seeds": 5, "verdict": "holds"}
    return {**fields, "effect": effect, "low": low, "high": high, **changes}


@pytest.mark.parametrize(
    ("committed", "measured", "scale", "agrees"),
    [
        (entry(0.5, 0.4, 0.6), 0.649, "difference", True),  # 0.2 wide, widened to 0.3: 0.35 to 0.65
        (entry(0.5, 0.4, 0.6), 0.651, "difference", False),
        (entry(0.5, 0.4, 0.6), 0.351, "difference", True),
        (entry(0.5, 0.4, 0.6), 0.349, "difference", False),
        (entry(2.0, 1.0, 4.0), 5.6, "ratio", True),  # 1/sqrt(2) to 4 sqrt(2)
        (entry(2.0, 1.0, 4.0), 5.7, "ratio", False),
        (entry(0.5, 0.5, 0.5), 0.5 + 1e-9, "difference", True),
        (entry(0.5, 0.5, 0.5), 0.501, "difference", False),
        (entry(0.5, None, None), 0.5, "difference", True),
        (entry(0.5, None, None), 0.6, "difference", False),
    ],
)
def test_room_for_an_effect(committed: dict[str, Any], measured: float, scale: str, agrees: bool) -> None:
    assert (disagreement(committed, {**committed, "effect": measured}, scale) is None) is agrees


@pytest.mark.parametrize("change", [{"verdict": "inconclusive"}, {"seeds": 4}, {"statement": "other"}])
def test_everything_else_must_be_equal(change: dict[str, Any]) -> None:
    committed = entry(0.5, 0.4, 0.6)
    assert next(iter(change)) in str(disagreement(committed, {**committed, **change}, "difference"))
