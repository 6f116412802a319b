"""What a worker does for a trial: what an objective may report, and how it can end. Ray is not needed; test_tuning.py has it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypedDict

import numpy as np
import pytest

from helpers.errors import InputError
from helpers.train.worker import Report, run_objective


class Config(TypedDict):
    rate: float


def reporting(sent: list[dict[str, Any]]) -> Report:
    """A report whose messages are kept in a list."""
    return Report(sent.append, "score")


def test_what_is_reported_is_sent_as_plain_numbers() -> None:
    sent: list[dict[str, Any]] = []
    report = reporting(sent)
    report(epoch=1, score=np.float32(0.5), loss=np.int64(3))
    report(epoch=np.int64(2), loss=math.nan, score=True)
    assert sent[0] == {"row": {"epoch": 1, "score": 0.5, "loss": 3.0}, "epoch": 1, "score": 0.5}
    assert {type(value) for value in (*sent[0]["row"].values(), sent[0]["score"])} == {int, float}
    assert repr(sent[1]) == "{'row': {'epoch': 2, 'loss': nan, 'score': 1.0}, 'epoch': 2, 'score': 1.0}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_metric_that_is_no_number_is_sent_for_the_record_but_not_to_be_judged(value: float) -> None:
    sent: list[dict[str, Any]] = []
    with pytest.raises(ArithmeticError, match=rf"^score was {value} after epoch 1$"):
        reporting(sent)(epoch=1, score=value)
    assert repr(sent) == repr([{"row": {"epoch": 1, "score": value}, "epoch": 1}])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"epoch": 1, "score": 0.5}, "epoch 1 was reported after 1: report every epoch once, from 1"),
        ({"epoch": 3, "score": 0.5}, "epoch 3 was reported after 1: report every epoch once, from 1"),
        ({"epoch": 2, "loss": 0.5, "pearson": 1}, "score was not reported, only loss, pearson: choose metric= among these"),
        ({"epoch": 2}, "score was not reported, only the epoch: choose metric= among these"),
        (
            {"epoch": 2, "score": 0.5, "epochs": 9},
            "a metric is called 'epochs', as a column of Search.trials: report it under another name",
        ),
    ],
)
def test_wrong_report_is_refused_and_not_sent(row: dict[str, float], message: str) -> None:
    sent: list[dict[str, Any]] = []
    report = reporting(sent)
    report(epoch=1, score=0.25)
    with pytest.raises(InputError) as caught:
        report(**row)
    assert str(caught.value) == message
    report(epoch=2, score=0.5)
    assert [message["epoch"] for message in sent] == [1, 2]


def by_name(report: Report, rate: float, filters: int = 8) -> str:
    report(epoch=1, score=rate, filters=filters)
    return "what is returned does not matter"


def by_config(config: Config, report: Report) -> None:
    report(epoch=1, score=config["rate"], filters=8)


@pytest.mark.parametrize("objective", [by_name, by_config, partial(by_name, filters=8)])
def test_objective_is_called_as_it_wants_to_be(objective: Callable[..., Any]) -> None:
    sent: list[dict[str, Any]] = []
    assert run_objective(objective, {"rate": 0.1}, reporting(sent)) == ("finished", "")
    assert [message["row"] for message in sent] == [{"epoch": 1, "score": 0.1, "filters": 8.0}]


def raises(report: Report, rate: float) -> None:
    report(epoch=1, score=rate)
    raise KeyError("two\n  lines")


def leaves(report: Report, rate: float) -> None:
    report(epoch=1, score=rate)
    sys.exit(3)


def skips(report: Report, rate: float) -> None:
    report(epoch=2, score=rate)


def reports_text(report: Report, rate: float) -> None:
    report(epoch=1, score=f"about {rate}")  # type: ignore[arg-type]


def reports_nothing(report: Report, rate: float) -> None: ...


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        (raises, r"KeyError: 'two\n lines'"),
        (leaves, "SystemExit: 3"),
        (skips, "InputError: epoch 2 was reported after 0: report every epoch once, from 1"),
        (reports_text, "ValueError: could not convert string to float: 'about 0.1'"),
        (reports_nothing, "the objective reported no epoch"),
    ],
)
def test_objective_that_fails_gives_its_reason_in_one_line(objective: Callable[..., Any], reason: str) -> None:
    assert run_objective(objective, {"rate": 0.1}, reporting([])) == ("failed", reason)


def test_stop_is_passed_on_even_where_the_objective_cleans_up_after_itself() -> None:
    def send(message: dict[str, Any]) -> None:
        if message["epoch"] == 2:
            raise SystemExit  # as Ray Tune ends the thread of a trial that it stops

    def careful(report: Report, rate: float) -> None:
        try:
            for epoch in range(1, 9):
                report(epoch=epoch, score=rate)
        except SystemExit:
            raise RuntimeError("could not clean up") from None

    def plain(report: Report, rate: float) -> None:
        for epoch in range(1, 9):
            report(epoch=epoch, score=rate)

    for objective, error in ((plain, SystemExit), (careful, RuntimeError)):
        report = Report(send, "score")
        with pytest.raises(error):
            run_objective(objective, {"rate": 0.1}, report)
        assert (report.epoch, report.stopped) == (2, True)
