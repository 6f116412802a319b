"""Random search and successive halving on stored learning curves: which configurations each would have trained, for how long, and chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from helpers.errors import InputError

Mode = Literal["max", "min"]


@dataclass(frozen=True)
class Selection:
    """What a search did with the configurations that it was shown.

    Attributes
    ----------
    epochs : int64 array, shape (configurations,)
        For how long each was trained; 0 if it was never started.
    winner : int
        The configuration chosen: the best on the metric at the last epoch that it was trained for.
    rungs : tuple of int
        After how many epochs configurations were compared and some of them stopped.
    survivors : tuple of int64 arrays
        Which configurations were trained beyond each rung, in the order shown.
    """

    epochs: np.ndarray
    winner: int
    rungs: tuple[int, ...] = ()
    survivors: tuple[np.ndarray, ...] = ()

    @property
    def epochs_spent(self) -> int:
        """Epochs of training over all configurations."""
        return int(self.epochs.sum())


def rungs_of(epochs: int, reduction: int = 3, grace: int = 1) -> tuple[int, ...]:
    """List after how many epochs halving compares: `grace` times the powers of `reduction`, below `epochs`; else as `check_halving`."""
    check_halving(epochs, reduction, grace)
    rungs = []
    while grace < epochs:
        rungs.append(grace)
        grace *= reduction
    return tuple(rungs)


def check_halving(epochs: int, reduction: int, grace: int) -> None:
    """Raise InputError unless `epochs` >= 1 (a full training), `reduction` >= 2 (one in so many goes on), 1 <= `grace` <= `epochs`."""
    if epochs < 1:
        raise InputError(f"a training of {epochs} epochs was asked for: choose 1 or more")
    if reduction < 2:
        raise InputError(f"reduction is {reduction}: choose 2 or more, one in so many configurations goes on at each rung")
    if not 1 <= grace <= epochs:
        raise InputError(f"grace is {grace} epochs: choose 1 to {epochs}, the length of a full training")


def halving_cost(configurations: int, epochs: int, reduction: int = 3, grace: int = 1) -> int:
    """Count the epochs that successive halving spends on so many configurations; arguments as in `successive_halving`."""
    spent, trained = 0, 0
    for rung in rungs_of(epochs, reduction, grace):
        spent += configurations * (rung - trained)
        configurations, trained = _kept(configurations, reduction), rung
    return spent + configurations * (epochs - trained)


def successive_halving(
    curves: np.ndarray, *, reduction: int = 3, grace: int = 1, budget_epochs: int | None = None, mode: Mode = "max"
) -> Selection:
    """Train all a little, then go on with the best part only, again and again.

    Parameters
    ----------
    curves : float array, shape (configurations, epochs)
        The metric after each epoch; NaN, as of a training that failed, is worse than every number.
    reduction : int
        At a rung the best 1 / `reduction` go on, rounded down, at least one.
    grace : int
        Epochs before the first rung.
    budget_epochs : int, optional
        Only as many configurations are started, the first ones, as this many epochs pay for; all by default.
    mode : {"max", "min"}
        Whether a high or a low metric is good.

    Returns
    -------
    Selection
        The winner has been trained to the end. Of equal values the one shown first counts as better.

    Raises
    ------
    InputError
        If an argument is impossible, or the budget does not pay for one configuration.

    Notes
    -----
    Algorithm 1 of Li et al. 2018 (Hyperband, JMLR 18:185), one bracket, with a configuration's epochs as its resource: a comparison waits
    for all of a rung, and trainings are continued, not begun anew.
    """
    values = _checked(curves, mode)
    configurations, length = values.shape
    rungs = rungs_of(length, reduction, grace)
    if budget_epochs is not None:
        _check_budget(budget_epochs, length)
        costs = (halving_cost(count, length, reduction, grace) for count in range(1, configurations + 1))
        configurations = sum(cost <= budget_epochs for cost in costs)
    epochs = np.zeros(len(values), np.int64)
    alive, survivors = np.arange(configurations), []
    for rung in rungs:
        epochs[alive] = rung
        order = np.argsort(-values[alive, rung - 1], kind="stable")
        alive = np.sort(alive[order[: _kept(len(alive), reduction)]])
        survivors.append(alive)
    epochs[alive] = length
    return Selection(epochs, int(alive[values[alive, -1].argmax()]), rungs, tuple(survivors))


def asynchronous_halving(
    curves: np.ndarray, *, reduction: int = 3, grace: int = 1, budget_epochs: int | None = None, mode: Mode = "max"
) -> Selection:
    """Train one configuration after the other, and stop each at the first rung where it is not among the best seen there.

    Parameters
    ----------
    curves, reduction, grace, mode
        As in `successive_halving`.
    budget_epochs : int, optional
        Training ends when so many epochs are spent, in the middle of a configuration too.

    Returns
    -------
    Selection
        The winner is the best, at the last epoch that each was trained for, of all that were started.

    Raises
    ------
    InputError
        As `successive_halving`.

    Notes
    -----
    The stopping variant of ASHA (Li et al. 2020, MLSys) as Ray Tune has it, with one worker: a configuration goes on if its value is at
    least the quantile 1 - 1 / `reduction` (interpolated) of the values seen at that rung before it. The first always goes on.
    """
    values = _checked(curves, mode)
    length = values.shape[1]
    rungs = rungs_of(length, reduction, grace)
    left = values.size if budget_epochs is None else budget_epochs
    _check_budget(left, length)
    seen: dict[int, list[float]] = {rung: [] for rung in rungs}
    epochs = np.zeros(len(values), np.int64)
    for number, curve in enumerate(values):
        reached = length
        for rung in rungs:
            value, before = curve[rung - 1], seen[rung]
            if value == -np.inf or (before and value < np.percentile(before, 100 * (1 - 1 / reduction))):
                reached = rung
            if value > -np.inf:
                before.append(value)
            if reached == rung:
                break
        epochs[number] = min(reached, left)
        left -= epochs[number]
        if not left:
            break
    survivors = tuple(np.flatnonzero(epochs > rung) for rung in rungs)
    return Selection(epochs, _best_at_end(values, epochs), rungs, survivors)


def random_search_on(curves: np.ndarray, budget_epochs: int | None = None, *, mode: Mode = "max") -> Selection:
    """Train as many configurations to the end as the budget pays for, the first ones, and take the best at the end.

    Parameters
    ----------
    curves : float array, shape (configurations, epochs)
        As in `successive_halving`.
    budget_epochs : int, optional
        All configurations are trained by default.
    mode : {"max", "min"}
        Whether a high or a low metric is good.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        If an argument is impossible, or the budget does not pay for one configuration.
    """
    values = _checked(curves, mode)
    length = values.shape[1]
    epochs = np.full(len(values), length, np.int64)
    if budget_epochs is not None:
        _check_budget(budget_epochs, length)
        epochs[budget_epochs // length :] = 0
    return Selection(epochs, _best_at_end(values, epochs))


def compare_on_draws(
    curves: np.ndarray,
    *,
    budget_epochs: int,
    draws: int,
    seed: int,
    held_out: np.ndarray | None = None,
    reduction: int = 3,
    grace: int = 1,
    mode: Mode = "max",
) -> pd.DataFrame:
    """Let random search and successive halving choose again and again, at an equal budget, from stored curves.

    Parameters
    ----------
    curves : float array, shape (configurations, epochs)
        The metric that the choice is made by.
    budget_epochs : int
        Epochs that each method may spend in a draw.
    draws : int
        How often the configurations are shuffled; both methods are shown the same order, and begin with its first ones.
    seed : int
        0 or more.
    held_out : float array, shape (configurations,), optional
        What a choice is judged by, such as the metric on the test chromosome after full training; by default the last value of each curve.
    reduction, grace, mode
        As in `successive_halving`.

    Returns
    -------
    DataFrame
        Columns `draw`, `method` ("random", "halving"), `winner` (row of `curves`), `epochs` (spent), `value` (the winner's, held out).

    Raises
    ------
    InputError
        If an argument is impossible, or there are too few configurations for the budget, so that it could not be spent.
    """
    count, length = _checked(curves, mode).shape
    if draws < 1 or seed < 0:
        raise InputError(f"{draws} draws with seed {seed} were asked for: choose 1 or more draws, and a seed of 0 or more")
    judged = np.asarray(curves, np.float64)[:, -1] if held_out is None else np.asarray(held_out, np.float64)
    if judged.shape != (count,):
        raise InputError(f"held_out has shape {judged.shape}: give one value for each of the {count} configurations")
    if halving_cost(count + 1, length, reduction, grace) <= budget_epochs:
        raise InputError(
            f"budget_epochs is {budget_epochs}: halving would start more than the {count} configurations there are; choose fewer epochs"
        )
    rng, stored, rows = np.random.default_rng(seed), np.asarray(curves), []
    for draw in range(draws):
        order = rng.permutation(count)
        shown = stored[order]
        for method, chosen in (
            ("random", random_search_on(shown, budget_epochs, mode=mode)),
            ("halving", successive_halving(shown, reduction=reduction, grace=grace, budget_epochs=budget_epochs, mode=mode)),
        ):
            winner = int(order[chosen.winner])
            rows.append((draw, method, winner, chosen.epochs_spent, judged[winner]))
    return pd.DataFrame(rows, columns=["draw", "method", "winner", "epochs", "value"])


def _kept(configurations: int, reduction: int) -> int:
    """Count how many of so many configurations go on."""
    return max(1, configurations // reduction)


def _best_at_end(values: np.ndarray, epochs: np.ndarray) -> int:
    """Find the configuration with the highest value at its last epoch."""
    started = np.flatnonzero(epochs)
    return int(started[values[started, epochs[started] - 1].argmax()])


def _check_budget(budget_epochs: int, length: int) -> None:
    """Raise where a budget is too small for one full training."""
    if budget_epochs < length:
        raise InputError(f"budget_epochs is {budget_epochs}: one configuration alone takes {length} epochs")


def _checked(curves: np.ndarray, mode: Mode) -> np.ndarray:
    """Turn curves into numbers of which high is good and NaN is the worst."""
    if mode not in get_args(Mode):
        raise InputError(f"mode is {mode!r}: choose max or min")
    values = np.asarray(curves, np.float64)
    if values.ndim != 2 or not values.size:
        raise InputError(f"curves have shape {values.shape}: give (configurations, epochs), at least one of each")
    if np.isnan(values).all():
        raise InputError("curves hold no number (all NaN): there is nothing to choose from")
    values = values if mode == "max" else -values
    return np.where(np.isnan(values), -np.inf, values)
