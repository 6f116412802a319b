"""The record of a search: what the tables say of each trial, what a kill leaves, and records that are refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.errors import InputError
from helpers.train.trials import Journal, Search, read_search

CONFIGURATIONS = [{"rate": 0.1, "activation": "relu"}, {"rate": 0.2, "activation": "exp"}, {"rate": 0.3, "activation": "relu"}]
SETTINGS: dict[str, Any] = {"metric": "score", "mode": "max", "trials": 3, "configurations": CONFIGURATIONS}


def begun(folder: Path, resume: bool = True, **changes: Any) -> Journal:
    """The record of a search with the usual settings."""
    return Journal.begin(folder, {**SETTINGS, **changes}, resume)


def train(journal: Journal, trial: int, *scores: float) -> None:
    """Note an attempt that reports some scores, and has not ended."""
    journal.start(trial)
    for epoch, score in enumerate(scores, 1):
        journal.report(trial, {"epoch": epoch, "score": score})


def searched(folder: Path, *scores: list[float], **changes: Any) -> Search:
    """A search whose trials finished with these scores."""
    journal = begun(folder, **changes)
    for trial, some in enumerate(scores):
        train(journal, trial, *some)
        journal.end(trial, "finished")
    return journal.search()


def same(one: Search, other: Search) -> None:
    """Assert that two searches are equal."""
    pd.testing.assert_frame_equal(one.trials, other.trials, check_exact=True)
    pd.testing.assert_frame_equal(one.curves, other.curves, check_exact=True)
    assert (one.settings, one.epochs_spent, one.epochs_repeated) == (other.settings, other.epochs_spent, other.epochs_repeated)


def test_tables_tell_how_each_trial_ended(tmp_path: Path) -> None:
    journal = begun(tmp_path / "deep" / "search")
    train(journal, 1, 0.5, 0.75, 0.25)
    train(journal, 0, 0.5, math.nan)
    journal.end(0, "failed", "ArithmeticError: score was nan")
    journal.end(1, "stopped", "below the cutoff")
    journal.end(2, "lost", "its worker died")
    assert journal.ended == [1, 0]
    found = journal.search()
    assert list(found.trials) == ["trial", "rate", "activation", "status", "epochs", "score", "attempts", "reason"]
    assert [tuple(row)[:5] for row in found.trials.itertuples(index=False)] == [
        (0, 0.1, "relu", "failed", 2),
        (1, 0.2, "exp", "stopped", 3),
        (2, 0.3, "relu", "lost", 0),
    ]
    assert found.trials["score"].tolist()[:2] == [0.5, 0.75]
    assert math.isnan(found.trials["score"].tolist()[2])
    assert found.trials["attempts"].tolist() == [1, 1, 0]
    assert found.trials["reason"].tolist() == ["ArithmeticError: score was nan", "below the cutoff", "its worker died"]
    assert found.curves[["trial", "epoch"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2], [1, 3]]
    assert found.curves["score"].fillna(-1).tolist() == [0.5, -1, 0.5, 0.75, 0.25]
    assert (found.epochs_spent, found.epochs_repeated) == (5, 0)
    same(read_search(tmp_path / "deep" / "search"), found)


def test_choice_of_none_stays_none(tmp_path: Path) -> None:
    found = searched(tmp_path, [0.5], [0.5], configurations=[{"pool": None, "size": None}, {"pool": "max", "size": 3}])
    assert found.trials[["pool", "size"]].to_numpy().tolist() == [[None, None], ["max", 3]]


def test_longest_attempt_counts_and_of_equal_ones_the_latest(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    for scores in ([0.1], [0.2, 0.3], [0.4, 0.5], [0.9]):
        train(journal, 0, *scores)
    found = journal.search()
    assert found.curves["score"].tolist() == [0.4, 0.5]
    assert found.trials[["status", "epochs", "score", "attempts", "reason"]].to_numpy().tolist() == [
        ["lost", 2, 0.5, 4, "the search was ended while it ran"]
    ]
    assert (found.epochs_spent, found.epochs_repeated, journal.spent) == (2, 4, 2)
    assert journal.ended == []


@pytest.mark.parametrize(("mode", "best"), [("max", 1), ("min", 0)])
def test_best_is_the_first_of_the_best_at_any_epoch(tmp_path: Path, mode: str, best: int) -> None:
    found = searched(tmp_path, [0.5, 0.1, 0.4], [0.2, 0.7, 0.6], [0.7, 0.1], mode=mode)
    assert found.best_trial == best
    assert found.best == CONFIGURATIONS[best]
    assert found.trials["score"].tolist() == {"max": [0.5, 0.7, 0.7], "min": [0.1, 0.2, 0.1]}[mode]


def test_no_best_without_a_value(tmp_path: Path) -> None:
    found = searched(tmp_path, [math.nan])
    with pytest.raises(InputError, match=r"^no trial has a score: see the column reason of Search\.trials$"):
        _ = found.best


def test_search_that_has_done_nothing_yet(tmp_path: Path) -> None:
    found = begun(tmp_path).search()
    assert list(found.trials) == ["trial", "rate", "activation", "status", "epochs", "score", "attempts", "reason"]
    assert list(found.curves) == ["trial", "epoch", "score"]
    assert (len(found.trials), len(found.curves), found.epochs_spent) == (0, 0, 0)


def test_wherever_a_kill_cuts_the_record_it_goes_on(tmp_path: Path) -> None:
    journal = begun(tmp_path)
    train(journal, 0, 0.1, math.inf)
    journal.end(0, "failed", "ArithmeticError: score was inf")
    events = tmp_path / "events.jsonl"
    whole = events.read_bytes()
    assert whole.count(b"\n") == 4
    for cut in range(len(whole)):
        events.write_bytes(whole[:cut])
        lines = whole[:cut].count(b"\n")
        assert read_search(tmp_path).epochs_spent == (0, 0, 1, 2)[lines]
        assert events.read_bytes() == whole[:cut]  # reading does not meddle with a search that runs
        resumed = begun(tmp_path)
        resumed.start(1)
        assert events.read_bytes() == b"".join(whole.splitlines(keepends=True)[:lines]) + b'{"event": "start", "trial": 1}\n'


def test_resumed_record_knows_what_was_done(tmp_path: Path) -> None:
    found = searched(tmp_path, [0.1], [0.2])
    resumed = begun(tmp_path)
    assert resumed.ended == [0, 1]
    same(resumed.search(), found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": "min"}, r"holds a search with another mode \('max', not 'min'\): name another folder, or give resume=False to"),
        ({"seed": 0}, r"holds a search with another seed \(None, not 0\)"),
        (
            {"configurations": CONFIGURATIONS[::-1]},
            r"another configurations \(\[\{'rate': 0\.1, 'activation': 'relu'\},\.\.\., not \[\{'rate': 0\.3, 'activation': 'relu'\},\.\.\.\)",
        ),
    ],
)
def test_other_settings_are_refused_unless_it_begins_anew(tmp_path: Path, change: dict, message: str) -> None:
    found = searched(tmp_path, [0.1])
    with pytest.raises(InputError, match=message):
        begun(tmp_path, **change)
    same(read_search(tmp_path), found)
    begun(tmp_path, resume=False, **change)
    assert read_search(tmp_path).settings.items() >= change.items()
    assert read_search(tmp_path).epochs_spent == 0


def test_settings_are_equal_if_their_record_is(tmp_path: Path) -> None:
    begun(tmp_path, space=("a", 1.0))
    assert begun(tmp_path, space=["a", 1]).settings["space"] == ["a", 1]


def test_folder_without_a_search(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=r"holds no search \(search\.json is missing\): give the folder that search\(\) was"):
            read_search(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("search.json", b"", r"search\.json cannot be read \(.*\): search anew with resume=False$"),
        ("search.json", b'{"format": 1', r"search\.json cannot be read"),
        ("search.json", b"\xff\xfe", r"search\.json cannot be read"),
        ("search.json", b'{"format": 2}', r"search\.json is no record of format 1, which this version writes: search anew"),
        ("search.json", b"[]", r"search\.json is no record of format 1"),
        ("events.jsonl", b"oops\n", r"events\.jsonl, line 1 cannot be read \(.*\): search anew with resume=False$"),
        ("events.jsonl", b'{"event": "start", "trial": 0}\n\n', r"events\.jsonl, line 2 cannot be read"),
        ("events.jsonl", b"\xff\xfe\n", r"events\.jsonl, line 1 cannot be read"),
        ("events.jsonl", b"[]\n", r"events\.jsonl, line 1 cannot be read"),
        ("events.jsonl", b'{"event": "end", "trial": 0}\n', r"events\.jsonl, line 1 cannot be read \('status'\)"),
        ("events.jsonl", b'{"event": "epoch", "trial": 0, "row": {}}\n', r"events\.jsonl, line 1 cannot be read"),
    ],
)
def test_damaged_record(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    searched(tmp_path, [0.1])
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_search(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=message):
        begun(tmp_path)
    begun(tmp_path, resume=False)
    assert read_search(tmp_path).epochs_spent == 0


def test_record_whose_events_are_gone_begins_again(tmp_path: Path) -> None:
    searched(tmp_path, [0.1])
    (tmp_path / "events.jsonl").unlink()
    assert begun(tmp_path).ended == []
    assert read_search(tmp_path).epochs_spent == 0
