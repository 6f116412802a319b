"""Declared spaces: what is drawn, that the same seed draws the same, and every declaration that is refused."""

from __future__ import annotations

from functools import partial
from typing import Any, TypedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from helpers.errors import InputError
from helpers.train.space import Space, check_space, choice, draw_configurations, integers, log_uniform, uniform

SPACE: Space = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "filters": choice(16, 32, 64),
    "dropout": uniform(0, 0.5),
    "blocks": integers(1, 3),
}


class Config(TypedDict, total=False):
    learning_rate: float
    filters: int


class Strict(TypedDict):
    learning_rate: float


def by_name(report: Any, learning_rate: float, filters: int = 32) -> None: ...


def by_config(config: Config, report: Any) -> None: ...


def by_strict_config(config: Strict, report: Any) -> None: ...


def by_any_config(config: dict, report: Any) -> None: ...


def by_anything(report: Any, **options: float) -> None: ...


def without_report(learning_rate: float) -> None: ...


def test_draws_follow_what_is_declared() -> None:
    drawn = draw_configurations(SPACE, 4_000, seed=0)
    assert list(drawn[0]) == ["learning_rate", "filters", "dropout", "blocks"]
    columns = {name: np.array([configuration[name] for configuration in drawn]) for name in SPACE}
    assert stats.kstest(np.log10(columns["learning_rate"].astype(float)), stats.uniform(-4, 3).cdf).pvalue > 0.001
    assert stats.kstest(columns["dropout"].astype(float), stats.uniform(0, 0.5).cdf).pvalue > 0.001
    for name, values in (("filters", [16, 32, 64]), ("blocks", [1, 2, 3])):
        found, counts = np.unique(columns[name], return_counts=True)
        assert found.tolist() == values
        assert stats.chisquare(counts).pvalue > 0.001
    assert abs(np.corrcoef([columns["dropout"].astype(float), columns["blocks"].astype(float)])[0, 1]) < 0.06
    assert {type(drawn[0][name]) for name in SPACE} == {float, int}


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 30))
def test_a_seed_draws_the_same_whatever_else_is_drawn(seed: int, few: int, more: int) -> None:
    drawn = draw_configurations(SPACE, few, seed)
    assert draw_configurations(SPACE, few + more, seed)[:few] == drawn
    alone = draw_configurations({"dropout": uniform(0, 0.5)}, few, seed)
    assert [row["dropout"] for row in alone] == [row["dropout"] for row in drawn]
    assert draw_configurations(SPACE, few, seed + 1) != drawn


@settings(deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(0, 1000))
def test_draws_stay_within_their_range(low: float, width: float, seed: int) -> None:
    space = {"a": uniform(low, low + width), "b": log_uniform(width, 2 * width), "c": integers(int(low), int(low) + 1)}
    for drawn in draw_configurations(space, 20, seed):
        assert low <= drawn["a"] <= low + width
        assert width <= drawn["b"] <= 2 * width
        assert drawn["c"] in (int(low), int(low) + 1)


def test_choices_keep_their_kind() -> None:
    drawn = {row["a"] for row in draw_configurations({"a": choice("relu", None, True, np.float64(0.5), np.int64(7))}, 60, 0)}
    assert drawn == {"relu", None, True, 0.5, 7}
    assert {type(value) for value in drawn} == {str, type(None), bool, float, int}


@pytest.mark.parametrize(
    "objective",
    [
        by_name,
        by_config,
        partial(by_name, learning_rate=0.1),
        ["learning_rate", "filters"],
        {"filters": 1, "learning_rate": 2}.keys(),
    ],
)
def test_what_an_objective_takes_is_accepted(objective: Any) -> None:
    check_space({"learning_rate": uniform(0, 1), "filters": choice(1)}, objective)


@pytest.mark.parametrize(
    ("names", "objective", "message"),
    [
        (
            "learning_rat",
            by_name,
            r"by_name takes no parameter 'learning_rat': did you mean 'learning_rate'\? \(it takes learning_rate, fil",
        ),
        ("learning_rate filter", by_name, r"by_name takes no parameter 'filter': did you mean 'filters'\?"),
        ("zzz", by_config, r"by_config takes no parameter 'zzz' \(it takes learning_rate, filters\)"),
        ("report", by_name, "by_name takes no parameter 'report'"),
        ("config", by_config, "by_config takes no parameter 'config'"),
        ("filters", by_name, "by_name needs learning_rate, which the space does not declare: add it, or give it a default"),
        ("filters", by_strict_config, r"by_strict_config takes no parameter 'filters' \(it takes learning_rate\)"),
        ("learningrate", ["learning_rate"], r"the objective takes no parameter 'learningrate': did you mean 'learning_rate'\?"),
        (
            "rate",
            by_any_config,
            r"by_any_config takes config as a whole, .* by_any_config\(report, learning_rate, ...\), or annotate config",
        ),
        ("rate", by_anything, r"by_anything takes unnamed options, so that what it reads cannot be checked: name each parameter"),
        ("learning_rate", without_report, "without_report takes no report: it must take one, and call it after each epoch"),
    ],
)
def test_what_an_objective_does_not_take_is_refused(names: str, objective: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check_space({name: uniform(0, 1) for name in names.split()}, objective)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: uniform(1, 1), "a range from 1.0 to 1.0 cannot be drawn from: give a low end below the high end"),
        (lambda: uniform(0, float("inf")), "a range from 0.0 to inf cannot be drawn from"),
        (lambda: uniform(float("nan"), 1), "a range from nan to 1.0 cannot be drawn from"),
        (lambda: log_uniform(0, 1), "a logarithmic range from 0.0 to 1.0 cannot be drawn from: give a low end above 0"),
        (lambda: integers(1, 2.5), "whole numbers from 1 to 2.5 cannot be drawn: give whole ends"),
        (lambda: choice(), r"choice\(\) has nothing to choose from"),
        (lambda: choice([16, 32]), r"choice has \[16, 32\]: give plain numbers"),
        (lambda: choice(1.0, float("nan")), "choice has nan: give plain numbers"),
        (lambda: check_space({}), "the space is empty: declare at least one parameter"),
        (
            lambda: check_space({"filters": [16, 32]}),
            r"filters is \[16, 32\]: declare it with uniform, log_uniform, integers or choice",
        ),
        (lambda: draw_configurations(SPACE, 0, 0), "0 configurations were asked for: choose 1 or more"),
        (lambda: draw_configurations(SPACE, 1, -1), "seed is -1: choose 0 or more"),
    ],
)
def test_impossible_declarations_are_named(declare: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        declare()
