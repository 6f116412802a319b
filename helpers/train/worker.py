"""What a worker does for a trial: it runs the objective, checks what that reports, and sends it to the searching process."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from helpers.errors import InputError
from helpers.train.space import Configuration, takes_whole_configuration
from helpers.train.trials import COLUMNS, Status

Objective = Callable[..., object]
Outcome = tuple[Status, str]


class Report:
    """What an objective calls after each epoch: checks what it is told, and sends it to the searching process.

    Parameters
    ----------
    send : callable
        Takes a dict; does not return while the searching process thinks, and ends the thread if the trial is stopped.
    metric : str
        Must be among what is reported.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None], metric: str) -> None:
        self._send, self._metric = send, metric
        self.epoch = 0
        self.stopped = False

    def __call__(self, *, epoch: float, **metrics: float) -> None:
        """Report an epoch: its number, from 1, and the metrics after it."""
        if epoch != self.epoch + 1:
            raise InputError(f"epoch {epoch} was reported after {self.epoch}: report every epoch once, from 1")
        if self._metric not in metrics:
            raise InputError(
                f"{self._metric} was not reported, only {', '.join(metrics) or 'the epoch'}: choose metric= among these"
            )
        for name in metrics:
            if name in COLUMNS:
                raise InputError(f"a metric is called {name!r}, as a column of Search.trials: report it under another name")
        self.epoch += 1
        row = {"epoch": self.epoch, **{name: float(value) for name, value in metrics.items()}}
        judged = row[self._metric]
        self._pass_on({"row": row, "epoch": self.epoch, **({self._metric: judged} if math.isfinite(judged) else {})})
        if not math.isfinite(judged):
            raise ArithmeticError(f"{self._metric} was {judged} after epoch {self.epoch}")

    def _pass_on(self, message: dict[str, Any]) -> None:
        """Send a message, and remember if that ended the trial."""
        try:
            self._send(message)
        except SystemExit:
            self.stopped = True
            raise


def run_objective(objective: Objective, configuration: Configuration, report: Report) -> Outcome:
    """Call an objective with a configuration, and tell how that ended: "finished", or "failed" with the error in one line."""
    try:
        if takes_whole_configuration(objective):
            objective(config=configuration, report=report)
        else:
            objective(report=report, **configuration)
    except (Exception, SystemExit) as error:
        if report.stopped:
            raise
        return "failed", " ".join(f"{type(error).__name__}: {error}".split())
    return ("finished", "") if report.epoch else ("failed", "the objective reported no epoch")
