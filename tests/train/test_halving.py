"""Halving and random search on stored curves, against hand-computed choices, a slow obvious version and their promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.errors import InputError
from helpers.train.halving import (
    Selection,
    asynchronous_halving,
    compare_on_draws,
    halving_cost,
    random_search_on,
    rungs_of,
    successive_halving,
)

#        epoch 1    2    3    4
CURVES = [
    [0.10, 0.20, 0.30, 0.40],
    [0.50, 0.40, 0.30, 0.20],
    [0.40, 0.50, 0.60, 0.70],
    [0.30, 0.60, 0.80, 0.90],
]
values = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.floats(-1, 1, width=32),
)


def test_halving_by_hand() -> None:
    chosen = successive_halving(np.array(CURVES), reduction=2, grace=1)
    assert chosen.rungs == (1, 2)
    assert [kept.tolist() for kept in chosen.survivors] == [[1, 2], [2]]  # the best in the end, 3, is slow at first and lost
    assert chosen.epochs.tolist() == [1, 2, 4, 1]
    assert (chosen.winner, chosen.epochs_spent) == (2, 8)


def test_halving_of_a_loss_keeps_the_low() -> None:
    chosen = successive_halving(np.array(CURVES), reduction=2, grace=1, mode="min")
    assert [kept.tolist() for kept in chosen.survivors] == [[0, 3], [0]]
    assert chosen.winner == 0


def test_grace_lets_the_slow_one_win() -> None:
    chosen = successive_halving(np.array(CURVES), reduction=4, grace=3)
    assert (chosen.rungs, chosen.winner, chosen.epochs.tolist()) == ((3,), 3, [3, 3, 3, 4])


def test_the_budget_decides_how_many_are_started() -> None:
    # 3 -> 1 -> 1 costs 3 + 1 + 2 = 6, 4 -> 2 -> 1 costs 4 + 2 + 2 = 8
    assert [halving_cost(count, 4, 2, 1) for count in (1, 2, 3, 4)] == [4, 5, 6, 8]
    chosen = successive_halving(np.array(CURVES), reduction=2, grace=1, budget_epochs=7)
    assert chosen.epochs.tolist() == [1, 4, 1, 0]
    assert (chosen.winner, chosen.epochs_spent) == (1, 6)


def test_random_search_by_hand() -> None:
    chosen = random_search_on(np.array(CURVES), 11)
    assert (chosen.epochs.tolist(), chosen.winner, chosen.epochs_spent) == ([4, 4, 0, 0], 0, 8)
    assert random_search_on(np.array(CURVES)).winner == 3
    assert random_search_on(np.array(CURVES), mode="min").winner == 1


def test_asynchronous_halving_by_hand() -> None:
    # rung 1 sees 0.1 (first: goes on), 0.5 (median 0.1), 0.4 (median 0.3), 0.3 (median 0.4: stops);
    # rung 2 sees 0.2 (first), 0.4 (median 0.2), 0.5 (median 0.3)
    chosen = asynchronous_halving(np.array(CURVES), reduction=2, grace=1)
    assert chosen.epochs.tolist() == [4, 4, 4, 1]
    assert [kept.tolist() for kept in chosen.survivors] == [[0, 1, 2], [0, 1, 2]]
    assert chosen.winner == 2
    turned = asynchronous_halving(np.array(CURVES)[::-1], reduction=2, grace=1)
    # rung 1: 0.3 (first), 0.4 (median 0.3), 0.5 (median 0.35), 0.1 (median 0.4: stops); rung 2: 0.6 (first), 0.5 and 0.4 are below
    assert turned.epochs.tolist() == [4, 2, 2, 1]
    assert turned.winner == 0


def test_asynchronous_halving_stops_when_the_budget_is_spent() -> None:
    chosen = asynchronous_halving(np.array(CURVES), reduction=2, grace=1, budget_epochs=6)
    assert (chosen.epochs.tolist(), chosen.winner) == ([4, 2, 0, 0], 0)


def test_a_failed_training_never_wins_and_sets_no_mark() -> None:
    curves = np.array([[np.nan] * 4, *CURVES, [0.9, np.nan, np.nan, np.nan]])
    assert successive_halving(curves, reduction=2, grace=1).winner == 3
    assert random_search_on(curves).winner == 4
    chosen = asynchronous_halving(curves, reduction=2, grace=1)
    assert chosen.epochs.tolist() == [1, 4, 4, 4, 1, 2]
    assert chosen.winner == 3


@settings(deadline=None)
@given(values, st.integers(2, 4), st.integers(1, 4), st.integers(0, 100))
def test_no_budget_is_exceeded_and_the_winner_is_the_best_of_its_last_rung(
    curves: np.ndarray, reduction: int, grace: int, more: int
) -> None:
    count, length = curves.shape
    grace, budget = min(grace, length), length + more
    for chosen in (
        successive_halving(curves, reduction=reduction, grace=grace, budget_epochs=budget),
        asynchronous_halving(curves, reduction=reduction, grace=grace, budget_epochs=budget),
        random_search_on(curves, budget),
    ):
        assert 0 < chosen.epochs_spent == chosen.epochs.sum() <= budget
        assert chosen.epochs.shape == (count,)
        assert set(chosen.epochs.tolist()) <= {0, *chosen.rungs, *range(1, length + 1)}
        assert (np.diff((chosen.epochs > 0).astype(int)) <= 0).all()  # the first ones are started
        last = chosen.epochs[chosen.winner]
        peers = curves[chosen.epochs == last, last - 1]
        assert curves[chosen.winner, last - 1] == peers.max()
    halved = successive_halving(curves, reduction=reduction, grace=grace, budget_epochs=budget)
    assert halved.epochs[halved.winner] == length
    started = int((halved.epochs > 0).sum())
    assert halved.epochs_spent == halving_cost(started, length, reduction, grace)
    assert started == count or halving_cost(started + 1, length, reduction, grace) > budget


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1, 1), unique=True), st.integers(1, 9), st.integers(2, 4))
def test_halving_finds_the_best_where_the_metric_does_not_change(quality: np.ndarray, length: int, reduction: int) -> None:
    curves = np.repeat(quality[:, None], length, axis=1)
    assert successive_halving(curves, reduction=reduction).winner == quality.argmax()
    assert asynchronous_halving(curves, reduction=reduction).winner == quality.argmax()
    assert successive_halving(curves, reduction=reduction, mode="min").winner == quality.argmin()
    drawn = successive_halving(curves, reduction=reduction, budget_epochs=2 * length)
    assert drawn.winner == quality[drawn.epochs > 0].argmax()


@settings(deadline=None)
@given(values, st.integers(2, 4))
def test_halving_agrees_with_a_slow_obvious_one(curves: np.ndarray, reduction: int) -> None:
    count, length = curves.shape
    alive, trained, reached = list(range(count)), 0, [0] * count
    while trained < length:
        trained = min(length, max(1, trained * reduction))
        for configuration in alive:
            reached[configuration] = trained
        if trained < length:
            ranked = sorted(alive, key=lambda k: -curves[k, trained - 1])
            alive = sorted(ranked[: max(1, len(alive) // reduction)])
    assert successive_halving(curves, reduction=reduction).epochs.tolist() == reached


def test_asynchronous_halving_agrees_with_ray_tune() -> None:
    schedulers = pytest.importorskip("ray.tune.schedulers")
    from types import SimpleNamespace

    rng = np.random.default_rng(3)
    for reduction, grace, length in ((2, 1, 9), (3, 1, 9), (3, 2, 10), (4, 3, 7)):
        curves = rng.random((30, length)).cumsum(axis=1).round(2)
        scheduler = schedulers.ASHAScheduler(
            time_attr="epoch", metric="score", mode="max", max_t=length, grace_period=grace, reduction_factor=reduction
        )
        reached = []
        for number, curve in enumerate(curves):
            trial = SimpleNamespace(trial_id=str(number))
            scheduler.on_trial_add(None, trial)
            for epoch, value in enumerate(curve, 1):
                if scheduler.on_trial_result(None, trial, {"epoch": epoch, "score": value}) == "STOP":
                    break
            reached.append(epoch)
        assert asynchronous_halving(curves, reduction=reduction, grace=grace).epochs.tolist() == reached
        assert len(set(reached)) > 1


def test_draws_share_their_order_and_stay_within_the_budget() -> None:
    rng = np.random.default_rng(0)
    quality = rng.random(40)
    curves = quality[:, None] - 0.5 / np.arange(1, 10) + rng.normal(0, 0.02, (40, 9))
    table = compare_on_draws(curves, budget_epochs=36, draws=200, seed=1, held_out=quality)
    assert list(table) == ["draw", "method", "winner", "epochs", "value"]
    assert table["draw"].tolist() == [k for k in range(200) for _ in range(2)]
    assert table["method"].tolist() == ["random", "halving"] * 200
    np.testing.assert_array_equal(table["value"], quality[table["winner"]])
    spent = table.groupby("method")["epochs"].unique()
    assert spent["random"].tolist() == [36]
    assert spent["halving"].tolist() == [33]  # 17 -> 5 -> 1 costs 17 + 10 + 6; 18 -> 6 -> 2 would cost 42
    wide = table.pivot_table(index="draw", columns="method", values="value")
    assert (wide["halving"] - wide["random"]).mean() > 0.05
    again = compare_on_draws(curves, budget_epochs=36, draws=200, seed=1, held_out=quality)
    assert again.equals(table)
    assert not compare_on_draws(curves, budget_epochs=36, draws=200, seed=0, held_out=quality).equals(table)


def test_draws_are_judged_by_the_end_of_the_curve_unless_told() -> None:
    low = -np.array([[0.1, 0.2], [0.3, 0.1], [0.5, 0.0]])
    table = compare_on_draws(-low, budget_epochs=3, draws=5, seed=0, mode="min", reduction=2)
    assert set(table["value"]) <= {0.2, 0.1, 0.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reduction": 1}, "reduction is 1: choose 2 or more"),
        ({"grace": 0}, "grace is 0 epochs: choose 1 to 4"),
        ({"grace": 5}, "grace is 5 epochs: choose 1 to 4"),
        ({"budget_epochs": 3}, "budget_epochs is 3: one configuration alone takes 4 epochs"),
        ({"mode": "highest"}, "mode is 'highest': choose max or min"),
        ({"curves": np.ones(4)}, r"curves have shape \(4,\): give \(configurations, epochs\)"),
        ({"curves": np.ones((0, 4))}, r"curves have shape \(0, 4\)"),
        ({"curves": np.full((2, 4), math.nan)}, r"curves hold no number \(all NaN\)"),
    ],
)
def test_impossible_arguments_are_named(change: dict, message: str) -> None:
    arguments = {"curves": np.array(CURVES), **change}
    with pytest.raises(InputError, match=message):
        successive_halving(**arguments)
    with pytest.raises(InputError, match=message):
        asynchronous_halving(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 0}, "0 draws with seed 0 were asked for"),
        ({"seed": -1}, "5 draws with seed -1 were asked for"),
        ({"held_out": np.ones(3)}, r"held_out has shape \(3,\): give one value for each of the 4 configurations"),
        ({"budget_epochs": 100}, "budget_epochs is 100: halving would start more than the 4 configurations there are"),
    ],
)
def test_impossible_draws_are_named(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_on_draws(np.array(CURVES), **{"budget_epochs": 6, "draws": 5, "seed": 0, **change})


def test_rungs() -> None:
    assert rungs_of(9) == (1, 3)
    assert rungs_of(10) == (1, 3, 9)
    assert rungs_of(8, 2, 2) == (2, 4)
    assert rungs_of(1) == ()
    with pytest.raises(InputError, match="a training of 0 epochs was asked for"):
        rungs_of(0)


def test_a_selection_counts_its_epochs() -> None:
    assert Selection(np.array([3, 0, 4]), 2).epochs_spent == 7
