"""A search for good settings with Ray Tune: random search, and ASHA, which stops poor trainings early, at a budget counted in epochs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, get_args

import filelock

from helpers.errors import InputError
from helpers.train.cluster import connected, resolve
from helpers.train.halving import Mode, check_halving
from helpers.train.ray_trials import Room, run_trials
from helpers.train.space import Space, check_space, draw_configurations
from helpers.train.trials import COLUMNS, Journal, Search
from helpers.train.worker import Objective

Method = Literal["asha", "random"]


def search(
    objective: Objective,
    space: Space,
    *,
    trials: int,
    max_epochs: int,
    folder: Path,
    method: Method = "asha",
    metric: str = "validation_pearson",
    mode: Mode = "max",
    reduction: int = 3,
    grace: int = 1,
    seed: int = 0,
    budget_epochs: int | None = None,
    address: str = "local",
    cpus_per_trial: int = 1,
    gpus_per_trial: float = 0,
    at_once: int | None = None,
    resume: bool = True,
    progress: bool = False,
) -> Search:
    """Train with settings drawn at random, and keep every curve.

    Parameters
    ----------
    objective : callable
        Trains, and calls `report(epoch=1, validation_pearson=..., ...)` after each epoch (`fit(..., on_epoch=lambda row: report(**row))`).
        It takes `report` and each parameter by name, or `config` and `report`: see `check_space`. It runs in worker processes, which must
        be able to import it, several trials in the same one after another, so that it seeds itself.
    space : mapping
        What varies: `{"learning_rate": log_uniform(1e-4, 1e-1), "filters": choice(16, 32, 64)}`.
    trials : int
        How many configurations are drawn. The same seed gives the same ones, in the same order, to every method.
    max_epochs : int
        Epochs of a full training; a trial that reports so many is finished.
    folder : Path
        Holds the record; made if it does not exist.
    method : {"asha", "random"}
        Whether trials are stopped early, or all trained to the end.
    metric, mode : str, {"max", "min"}
        What a trial is judged by, among what is reported, and whether high or low is good.
    reduction, grace : int
        ASHA compares after `grace` epochs, `reduction` times as many, and so on; about the best 1 / `reduction` go on.
    seed : int
        Of the configurations.
    budget_epochs : int, optional
        The search ends when so many epochs are spent over all trials; a trial in the middle is stopped there.
    address : str
        "local", "auto" or "host:port": see `cluster.connected`. Within a `connected` block its connection is used.
    cpus_per_trial, gpus_per_trial : int, float
        Resources of a trial; it gets as many threads as CPUs, at least where it leaves their number to the environment.
    at_once : int, optional
        How many trials run at the same time; as many as there is room for by default. 1 makes a search repeatable.
    resume : bool
        Whether a search that the folder holds goes on: trials that ended are not repeated, those cut short begin anew.
    progress : bool
        Whether to draw a bar of trials.

    Returns
    -------
    Search

    Raises
    ------
    InputError
        Before anything starts, if an argument is impossible, the space does not fit the objective, the folder is in use or holds another
        search, or there is no Ray at the address. Afterwards, if every trial failed; the record is kept.

    Notes
    -----
    ASHA: Li et al. 2020 (MLSys), as Ray Tune has it: `halving.asynchronous_halving` is the same rule on stored curves. A trial that is lost
    with its worker or node is started again up to twice, from its first epoch, and each loss is logged as a warning; where no node is left
    that could run a trial, the search ends, and what was not trained is "lost". Calling again tries those once more.
    """
    settings: dict[str, Any] = {
        "objective": f"{objective.__module__}.{getattr(objective, '__qualname__', type(objective).__name__)}",
        "space": {name: repr(parameter) for name, parameter in space.items()},
        "trials": trials,
        "max_epochs": max_epochs,
        "method": method,
        "metric": metric,
        "mode": mode,
        **({"reduction": reduction, "grace": grace} if method == "asha" else {}),
        "seed": seed,
        "budget_epochs": budget_epochs,
    }
    room = Room(cpus_per_trial, gpus_per_trial, at_once)
    check_halving(max_epochs, reduction, grace)
    _check_arguments(settings, room)
    check_space(space, objective)
    _check_names(space, metric)
    settings["configurations"] = draw_configurations(space, trials, seed)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(folder / ".lock", blocking=False):
            if not resume:
                resolve(address)  # or an address that is wrong would cost the earlier record
            found = _search(objective, Journal.begin(folder, settings, resume), address, room, progress)
    except filelock.Timeout as error:
        raise InputError(f"{folder} is in use by another search: wait for it, or name another folder") from error
    failed = found.trials[found.trials["status"] == "failed"]
    if len(failed) and len(failed) == len(found.trials):
        raise InputError(
            f"all {len(failed)} trials failed, the first with {failed['reason'].iloc[0]}: correct the objective or the space"
        )
    return found


def _search(objective: Objective, journal: Journal, address: str, room: Room, progress: bool) -> Search:
    """Train what has not ended yet, as far as the budget goes."""
    settings = journal.settings
    left = [number for number in range(settings["trials"]) if number not in journal.ended]
    budget = settings["budget_epochs"]
    if left and (budget is None or journal.spent < budget):
        room_here = room.at_once or max(1, (os.cpu_count() or 1) // room.cpus)
        with connected(address, cpus=room.cpus * room_here, gpus=room.gpus * room_here):
            run_trials(objective, journal, left, room, progress)
    return journal.search()


def _check_arguments(settings: dict[str, Any], room: Room) -> None:
    """Raise where an argument is impossible, whatever the objective and the space are."""
    method, mode, budget, longest = (settings[name] for name in ("method", "mode", "budget_epochs", "max_epochs"))
    if method not in get_args(Method):
        raise InputError(f"method is {method!r}: choose asha or random")
    if mode not in get_args(Mode):
        raise InputError(f"mode is {mode!r}: choose max or min")
    if budget is not None and budget < longest:
        raise InputError(f"budget_epochs is {budget}: one full training alone takes max_epochs={longest}")
    if room.cpus < 1 or room.gpus < 0:
        raise InputError(f"a trial was given {room.cpus} CPUs and {room.gpus} GPUs: give 1 or more CPUs, and 0 or more GPUs")
    if room.at_once is not None and room.at_once < 1:
        raise InputError(
            f"at_once is {room.at_once}: choose 1 or more trials at the same time, or None for as many as there is room for"
        )


def _check_names(space: Space, metric: str) -> None:
    """Raise where a parameter would have the name of another column of the tables."""
    for name in space:
        if name in (*COLUMNS, metric):
            raise InputError(f"a parameter is called {name!r}, as a column of Search.trials: give it another name")
