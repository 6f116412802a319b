"""Searching with Ray Tune on this machine, with objectives whose curves are known; several nodes are in test_cluster.py."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import numpy as np
import pandas as pd
import pytest
from tqdm import tqdm
from tuning_objectives import EPOCHS, FOLDER, analytic, ends, score, wait_until

from helpers.errors import InputError
from helpers.train import ray_trials, tuning
from helpers.train.cluster import connected
from helpers.train.halving import asynchronous_halving
from helpers.train.ray_trials import Room, Watch
from helpers.train.space import Space, choice, draw_configurations, uniform
from helpers.train.trials import Journal, Search, read_search
from helpers.train.tuning import search

SPACE: Space = {"quality": uniform(0, 1), "speed": uniform(0, 1)}
TRIALS = 9


@pytest.fixture(scope="module")
def ray() -> Iterator[None]:
    """A private Ray with two CPUs, whose workers find the objectives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(FOLDER), prepend=os.pathsep)
        patch.setenv("RAY_worker_niceness", "0")
        with connected(cpus=2):
            yield


def searched(folder: Path, hang_in_call: int = 0, **changes: Any) -> Search:
    """Search with the analytic objective, one trial after the other."""
    usual = {"trials": TRIALS, "max_epochs": EPOCHS, "folder": folder / "search", "metric": "score", "at_once": 1}
    return search(partial(analytic, folder=str(folder), hang_in_call=hang_in_call), SPACE, **{**usual, **changes})


def curves_of(seed: int) -> np.ndarray:
    """What the analytic objective reports for what a seed draws."""
    drawn = draw_configurations(SPACE, TRIALS, seed)
    return np.array([[score(**configuration, epoch=epoch) for epoch in range(1, EPOCHS + 1)] for configuration in drawn])


def calls_in(folder: Path) -> list[float]:
    """For which qualities the analytic objective was called, in this order."""
    return [float(line) for line in (folder / "calls").read_text().splitlines()]


def same(one: Search, other: Search) -> None:
    """Assert that two searches have equal tables."""
    pd.testing.assert_frame_equal(one.trials, other.trials, check_exact=True)
    pd.testing.assert_frame_equal(one.curves, other.curves, check_exact=True)


# What is refused before anything starts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "grid"}, "method is 'grid': choose asha or random"),
        ({"mode": "highest"}, "mode is 'highest': choose max or min"),
        ({"max_epochs": 0}, "a training of 0 epochs was asked for: choose 1 or more"),
        ({"reduction": 1}, "reduction is 1: choose 2 or more, one in so many configurations goes on at each rung"),
        ({"grace": 10}, "grace is 10 epochs: choose 1 to 9, the length of a full training"),
        ({"budget_epochs": 8}, "budget_epochs is 8: one full training alone takes max_epochs=9"),
        ({"trials": 0}, "0 configurations were asked for: choose 1 or more"),
        ({"seed": -1}, "seed is -1: choose 0 or more"),
        ({"cpus_per_trial": 0}, "a trial was given 0 CPUs and 0 GPUs: give 1 or more CPUs, and 0 or more GPUs"),
        ({"gpus_per_trial": -0.5}, "a trial was given 1 CPUs and -0.5 GPUs: give 1 or more CPUs, and 0 or more GPUs"),
        (
            {"at_once": 0},
            "at_once is 0: choose 1 or more trials at the same time, or None for as many as there is room for",
        ),
        ({"metric": "speed"}, "a parameter is called 'speed', as a column of Search.trials: give it another name"),
    ],
)
def test_impossible_argument_is_refused_and_nothing_is_made(
    change: dict, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "connected", None)
    with pytest.raises(InputError) as caught:
        searched(tmp_path, **change)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("objective", "space", "message"),
    [
        (ends, {"ends": choice("returns")}, r"^ends takes no parameter 'ends': did you mean 'end'\?"),
        (analytic, SPACE, r"^analytic needs folder, which the space does not declare: add it, or give it a default$"),
        (ends, {}, r"^the space is empty: declare at least one parameter"),
        (lambda report, status: None, {"status": choice(1)}, r"^a parameter is called 'status', as a column of Search\.trials"),  # noqa: ARG005
    ],
)
def test_space_that_does_not_fit_is_refused_and_nothing_is_made(
    objective: Any, space: Space, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "connected", None)
    with pytest.raises(InputError, match=message):
        search(objective, space, trials=1, max_epochs=1, folder=tmp_path / "search")
    assert list(tmp_path.iterdir()) == []


def test_folder_of_a_search_that_runs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "connected", None)
    (tmp_path / "search").mkdir()
    message = r"search is in use by another search: wait for it, or name another folder$"
    with filelock.FileLock(tmp_path / "search" / ".lock"), pytest.raises(InputError, match=message):
        searched(tmp_path)


def test_search_of_which_all_fail_says_why_and_keeps_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_trials(_: Any, journal: Journal, trials: list[int], *__: Any) -> None:
        for number in trials:
            journal.start(number)
            journal.end(number, "failed", f"ValueError: {number}")

    monkeypatch.setattr(tuning, "connected", lambda *_, **__: nullcontext())
    monkeypatch.setattr(tuning, "run_trials", run_trials)
    with pytest.raises(InputError) as caught:
        searched(tmp_path, trials=2)
    assert str(caught.value) == "all 2 trials failed, the first with ValueError: 0: correct the objective or the space"
    assert read_search(tmp_path / "search").trials["status"].tolist() == ["failed", "failed"]


# When a search is over, on nodes that are told


def watching(folder: Path, alive: list[bool], **settings: Any) -> Watch:
    """A watch over two trials, and over nodes of which each has one CPU."""
    usual = {"metric": "score", "mode": "max", "max_epochs": 3, "budget_epochs": None, "configurations": [{"a": 1}, {"a": 2}]}
    nodes = lambda: [{"Alive": one, "Resources": {"CPU": 1.0}} for one in alive]  # noqa: E731
    return Watch(Journal.begin(folder, {**usual, **settings}, resume=False), Room(), nodes, tqdm(disable=True))


def test_search_is_over_when_no_node_is_left_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(ray_trials, "time", clock)
    alive = [True, False]
    watch = watching(tmp_path, alive)
    watch.journal.start(0)
    for clock.now, alive[0], over in (
        (10, True, False),
        (20, False, False),
        (28, True, False),
        (47, False, False),
        (49, False, True),
    ):
        assert watch.is_over() == over
    watch.finish([0, 1])
    trials = watch.journal.search().trials
    assert trials[["status", "attempts", "reason"]].to_numpy().tolist() == [
        ["lost", 1, "no node is left that could run it"],
        ["lost", 0, "no node is left that could run it"],
    ]
    assert caplog.messages == ["the search ended without trials [0, 1]: see Search.trials, and search again to train them"]


def test_what_comes_after_the_budget_is_spent_is_not_counted(tmp_path: Path) -> None:
    watch = watching(tmp_path, [True], budget_epochs=3)
    for trial in (0, 1):
        watch.journal.start(trial)
    for trial, epoch in ((0, 1), (1, 1), (0, 2), (1, 2), (0, 3)):
        watch.hear(trial, {"row": {"epoch": epoch, "score": 0.5}})
    watch.finish([0, 1])
    found = watch.journal.search()
    assert found.trials["epochs"].tolist() == [2, 1]
    assert found.epochs_spent == 3


def test_earlier_record_outlives_an_address_that_is_wrong(tmp_path: Path) -> None:
    watch = watching(tmp_path / "search", [True])
    watch.journal.start(0)
    watch.hear(0, {"row": {"epoch": 1, "score": 0.5}})
    with pytest.raises(InputError, match="nothing answers there"):
        searched(tmp_path, resume=False, address="127.0.0.1:1")
    assert read_search(tmp_path / "search").epochs_spent == 1


# Searches on a private Ray


@pytest.fixture(scope="module")
def asha(ray: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Search]:  # noqa: ARG001
    """A search with ASHA, and its folder."""
    folder = tmp_path_factory.mktemp("asha")
    return folder, searched(folder, seed=0)


def test_asha_decides_as_on_stored_curves(asha: tuple[Path, Search]) -> None:
    folder, found = asha
    chosen = asynchronous_halving(curves_of(0), reduction=3, grace=1)
    assert found.trials["epochs"].tolist() == chosen.epochs.tolist() == [9, 9, 1, 1, 3, 9, 9, 3, 1]
    assert found.trials["status"].tolist() == ["stopped" if epochs < 9 else "finished" for epochs in chosen.epochs]
    assert set(found.trials["reason"]) == {"", "below the cutoff after epoch 1", "below the cutoff after epoch 3"}
    assert found.trials["attempts"].tolist() == [1] * TRIALS
    assert (found.epochs_spent, found.epochs_repeated) == (chosen.epochs_spent, 0)
    assert found.best_trial == chosen.winner
    drawn = draw_configurations(SPACE, TRIALS, seed=0)
    assert found.best == drawn[chosen.winner]
    assert found.trials[["quality", "speed"]].to_dict("records") == drawn
    assert calls_in(folder) == [configuration["quality"] for configuration in drawn]


def test_every_curve_is_kept(asha: tuple[Path, Search]) -> None:
    folder, found = asha
    assert list(found.curves) == ["trial", "epoch", "score", "threads"]
    assert (found.curves["threads"] == 1).all()
    for number, epochs in enumerate(found.trials["epochs"]):
        kept = found.curves[found.curves["trial"] == number]
        assert kept["epoch"].tolist() == list(range(1, epochs + 1))
        assert kept["score"].tolist() == curves_of(0)[number, :epochs].tolist()
    same(read_search(folder / "search"), found)


def test_search_that_is_complete_is_not_repeated(asha: tuple[Path, Search], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, found = asha
    monkeypatch.setattr(tuning, "connected", None)
    same(searched(folder, seed=0), found)
    with pytest.raises(
        InputError, match=r"holds a search with another seed \(0, not 1\): name another folder, or give resume=Fa"
    ):
        searched(folder, seed=1)
    assert len(calls_in(folder)) == TRIALS


def test_random_search_spends_its_budget_on_the_same_configurations(asha: tuple[Path, Search], tmp_path: Path) -> None:
    found = searched(tmp_path, method="random", budget_epochs=20, cpus_per_trial=2)
    assert found.trials[["trial", "quality", "speed"]].equals(asha[1].trials[["trial", "quality", "speed"]].head(3))
    assert found.trials[["status", "epochs", "reason"]].to_numpy().tolist() == [
        ["finished", 9, ""],
        ["finished", 9, ""],
        ["stopped", 2, "the budget was spent"],
    ]
    assert found.epochs_spent == 20
    assert (found.curves["threads"] == 2).all()
    same(searched(tmp_path, method="random", budget_epochs=20), found)
    assert len(calls_in(tmp_path)) == 3


@pytest.mark.usefixtures("ray")
def test_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Without an outer block Ray would be ended with the search; within one, what the interrupted search held is free again."""
    arguments: dict[str, Any] = {"hang_in_call": 5, "mode": "min", "reduction": 2, "grace": 2, "seed": 3, "cpus_per_trial": 2}

    def interrupt() -> None:
        wait_until((tmp_path / "hangs").exists)
        os.kill(os.getpid(), signal.SIGINT)

    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path, **arguments)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, earlier)
    before = read_search(tmp_path / "search")
    assert before.trials["status"].tolist()[-1] == "lost"
    assert before.trials["reason"].tolist()[-1] == "the search was ended while it ran"
    with (tmp_path / "search" / "events.jsonl").open("a") as events:
        events.write('{"event": "epo')
    found = searched(tmp_path, **arguments)
    chosen = asynchronous_halving(curves_of(3), reduction=2, grace=2, mode="min")
    assert found.trials["epochs"].tolist() == chosen.epochs.tolist()
    assert found.trials["attempts"].tolist() == [1, 1, 1, 1, 2, 1, 1, 1, 1]
    assert found.trials.head(4).equals(before.trials.head(4))
    assert (found.epochs_spent, found.epochs_repeated) == (chosen.epochs_spent, 2)
    quality = found.trials["quality"].tolist()
    assert calls_in(tmp_path) == [*quality[:5], *quality[4:]]


@pytest.mark.usefixtures("ray")
def test_each_trial_ends_in_its_own_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    space = {"end": choice("returns", "goes on", "raises", "is nan", "dies")}

    def go() -> pd.DataFrame:
        arguments: dict[str, Any] = {"trials": 5, "max_epochs": 4, "folder": tmp_path / "search", "metric": "score", "at_once": 1}
        found = search(partial(ends, folder=str(tmp_path)), space, **arguments, progress=True, seed=5)  # draws each once
        return found.trials.set_index("end")[["status", "epochs", "score", "attempts", "reason"]]

    expected = {
        "returns": ["finished", 2, 2, 1, ""],
        "goes on": ["finished", 4, 4, 1, ""],
        "raises": ["failed", 1, 1, 1, "ValueError: two lines"],
        "is nan": ["failed", 2, 1, 1, "ArithmeticError: score was nan after epoch 2"],
        "dies": ["lost", 2, 2, 3, "its worker died"],
    }
    assert go().T.to_dict("list") == expected
    assert "5/5" in capsys.readouterr().err  # the bar
    number = read_search(tmp_path / "search").trials.set_index("end").loc["dies", "trial"]
    lost = f"trial {number} was lost with its worker after 2 epochs of attempt"
    assert [record.message for record in caplog.records if record.name == ray_trials.__name__] == [
        f"{lost} 1: it begins again",
        f"{lost} 2: it begins again",
        f"{lost} 3: it is given up; search again to train it",
        f"the search ended without trials [{number}]: see Search.trials, and search again to train them",
    ]
    (tmp_path / "repaired").touch()
    assert go().T.to_dict("list") == {**expected, "dies": ["finished", 4, 4, 4, ""]}


@pytest.mark.usefixtures("ray")
def test_trial_that_no_node_has_room_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^no node of this Ray has 64 CPUs and 0\.5 GPUs, which a trial takes: ask for less$"):
        searched(tmp_path, cpus_per_trial=64, gpus_per_trial=0.5)
