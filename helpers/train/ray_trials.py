"""Trials under Ray Tune: what the searching process notes of them, and when Tune stops."""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tqdm import tqdm

from helpers.errors import InputError
from helpers.train.cluster import import_ray
from helpers.train.trials import Journal, Status
from helpers.train.worker import Objective, Outcome, Report, run_objective

log = logging.getLogger(__name__)
RETRIES = 2  # of a trial that was lost with its worker
PATIENCE = 20.0  # seconds that no node may be left which could run a trial
LOOK_EVERY = 2.0  # seconds between two looks at the nodes
NO_NODE = "no node is left that could run it"


@dataclass(frozen=True)
class Room:
    """What a trial needs, and how many may run at the same time; None is as many as there is room for."""

    cpus: int = 1
    gpus: float = 0
    at_once: int | None = None


class Watch:
    """Notes what happens to trials, and tells when the search is over.

    Parameters
    ----------
    journal : Journal
        The record.
    room : Room
        What a trial needs.
    nodes : callable
        Lists the nodes, each with `Alive` and `Resources`, as `ray.nodes` does.
    bar : tqdm
        Goes on by one for each trial that ends.
    """

    def __init__(self, journal: Journal, room: Room, nodes: Callable[[], Iterable[dict[str, Any]]], bar: tqdm) -> None:
        self.journal, self.room, self._nodes, self._bar = journal, room, nodes, bar
        self.max_epochs: int = journal.settings["max_epochs"]
        self._budget = math.inf if journal.settings["budget_epochs"] is None else journal.settings["budget_epochs"]
        self._outcomes: dict[int, Outcome] = {}
        self._next_look, self._room_seen = 0.0, time.monotonic()
        self.no_node = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave everything out of the copies that Tune keeps for itself: nobody reads them, and a bar cannot be copied in a notebook."""
        return {}

    @property
    def budget_spent(self) -> bool:
        """Whether no epoch of the budget is left."""
        return self.journal.spent >= self._budget

    def is_over(self) -> bool:
        """Tell whether the budget is spent, or no node has been able to run a trial for a while."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            if has_room(self._nodes(), self.room):
                self._room_seen = now
        self.no_node = now - self._room_seen > PATIENCE
        return self.budget_spent or self.no_node

    def hear(self, trial: int, result: dict[str, Any]) -> None:
        """Note what a trial sent; what other trials had under way when the budget was spent is not counted."""
        if "row" in result and not self.budget_spent:
            self.journal.report(trial, result["row"])
        if "outcome" in result:
            self._outcomes[trial] = result["outcome"]

    def complete(self, trial: int) -> None:
        """Note that a trial ended as Tune or the objective wanted."""
        epochs = len(self.journal.trials[trial].curves[-1])
        status, reason = self._outcomes.get(trial, ("stopped", f"below the cutoff after epoch {epochs}"))
        if trial not in self._outcomes and epochs >= self.max_epochs:
            status, reason = "finished", ""
        self._end(trial, status, reason)

    def lose(self, trial: int, again: bool) -> None:
        """Note that a trial was lost with its worker, whether or not it begins again."""
        state = self.journal.trials.get(trial)
        epochs, attempt = (len(state.curves[-1]), len(state.curves)) if state and state.curves else (0, 0)
        after = f"trial {trial} was lost with its worker after {epochs} epochs of attempt {attempt}"
        log.warning("%s: %s", after, "it begins again" if again else "it is given up; search again to train it")
        if not again:
            self._end(trial, "lost", "its worker died")

    def finish(self, trials: Sequence[int]) -> None:
        """Note what became of trials that had not ended when the search did."""
        left = [trial for trial in trials if trial not in self.journal.ended]
        running = [trial for trial in left if trial in self.journal.trials and self.journal.trials[trial].status == "running"]
        if self.budget_spent:
            for trial in running:
                self._end(trial, "stopped", "the budget was spent")
        elif left:
            for trial in left:
                if trial in running or trial not in self.journal.trials:
                    self._end(trial, "lost", NO_NODE if self.no_node else "Ray Tune ended without it")
            log.warning("the search ended without trials %s: see Search.trials, and search again to train them", left)

    def _end(self, trial: int, status: Status, reason: str) -> None:
        """Note the end of a trial."""
        self.journal.end(trial, status, reason)
        self._bar.update()


def has_room(nodes: Iterable[dict[str, Any]], room: Room) -> bool:
    """Tell whether any living node could run a trial, were it idle."""
    return any(
        node["Alive"] and node["Resources"].get("CPU", 0) >= room.cpus and node["Resources"].get("GPU", 0) >= room.gpus
        for node in nodes
    )


def run_trials(objective: Objective, journal: Journal, trials: Sequence[int], room: Room, progress: bool) -> None:
    """Train trials with Ray Tune on the Ray that this process is connected to, and note everything in the journal.

    Parameters
    ----------
    objective : callable
        As `search` takes it.
    journal : Journal
        The record; what it holds of trials that ended counts for ASHA.
    trials : sequence of int
        Numbers of the trials, in the order in which they are begun.
    room : Room
        What a trial needs.
    progress : bool
        Whether to draw a bar.

    Raises
    ------
    InputError
        If no node could run a trial.
    """
    ray = import_ray()
    from ray import tune

    if not has_room(ray.nodes(), room):
        raise InputError(f"no node of this Ray has {room.cpus} CPUs and {room.gpus:g} GPUs, which a trial takes: ask for less")
    with tqdm(total=len(trials), disable=not progress, unit="trial") as bar, tempfile.TemporaryDirectory() as storage:
        watch = Watch(journal, room, ray.nodes, bar)
        tuner = tune.Tuner(
            tune.with_resources(_trainable(objective, journal.settings, room), {"cpu": room.cpus, "gpu": room.gpus}),
            param_space={"trial": tune.grid_search(list(trials))},
            tune_config=tune.TuneConfig(scheduler=_scheduler(journal), max_concurrent_trials=room.at_once, reuse_actors=True),
            run_config=tune.RunConfig(
                name="search",
                storage_path=storage,
                verbose=0,
                progress_reporter=tune.CLIReporter(),  # silent; the one for notebooks clears a cell's output and shows an empty table
                failure_config=tune.FailureConfig(max_failures=RETRIES),
                stop=_stopper(watch),
                callbacks=[_callback(watch)],
            ),
        )
        with _released(ray):
            tuner.fit()
        watch.finish(trials)


@contextmanager
def _released(ray: Any) -> Iterator[None]:
    """Give back what trials hold when they are interrupted: Tune does not, and another search would wait for it in vain."""
    from ray.util.placement_group import PlacementGroup, placement_group_table, remove_placement_group

    def of_this_job() -> set[str]:
        """Name the groups; a name ends with that of its job."""
        job = ray.get_runtime_context().get_job_id()
        return {name for name in placement_group_table() if name.endswith(job)}

    earlier = of_this_job()
    try:
        yield
    except KeyboardInterrupt:
        for name in of_this_job() - earlier:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(name))))
        raise


def _trainable(objective: Objective, settings: dict[str, Any], room: Room) -> Callable[[dict[str, int]], None]:
    """Make what a worker runs for a trial; it travels with the configurations in it."""
    configurations, metric, threads = settings["configurations"], settings["metric"], str(room.cpus)

    def trial(config: dict[str, int]) -> None:
        """Run the objective, and send how it ended."""
        from ray import tune

        os.environ.update(TF_NUM_INTRAOP_THREADS=threads, TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS=threads)
        tune.report({"outcome": run_objective(objective, dict(configurations[config["trial"]]), Report(tune.report, metric))})

    return trial


def _scheduler(journal: Journal) -> Any:
    """Make Tune's scheduler; ASHA is shown again what earlier trials reported."""
    from ray.tune import schedulers

    settings = journal.settings
    if settings["method"] == "random":
        return schedulers.FIFOScheduler()
    asha: Any = schedulers.ASHAScheduler(
        time_attr="epoch",
        metric=settings["metric"],
        mode=settings["mode"],
        max_t=settings["max_epochs"],
        grace_period=settings["grace"],
        reduction_factor=settings["reduction"],
    )
    for number in journal.ended:
        earlier = SimpleNamespace(trial_id=f"earlier {number}")
        asha.on_trial_add(None, earlier)
        for row in journal.trials[number].curve:
            if math.isfinite(row[settings["metric"]]):
                asha.on_trial_result(None, earlier, row)
    return asha


def _stopper(watch: Watch) -> Any:
    """Let Tune stop a trial at its last epoch, and all of them when the search is over."""
    from ray import tune

    class Over(tune.Stopper):
        """Asks the watch."""

        def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:  # noqa: ARG002
            return bool(result.get("epoch", 0) >= watch.max_epochs)

        def stop_all(self) -> bool:
            return watch.is_over()

    return Over()


def _callback(watch: Watch) -> Any:
    """Let Tune tell the watch what happens."""
    from ray import tune

    class Notes(tune.Callback):
        """Passes on the number of the trial."""

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ARG002
            watch.journal.start(trial.config["trial"])

        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:  # noqa: ARG002
            watch.hear(trial.config["trial"], result)

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ARG002
            watch.complete(trial.config["trial"])

        def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ARG002
            watch.lose(trial.config["trial"], again=True)

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:  # noqa: ARG002
            watch.lose(trial.config["trial"], again=False)

    return Notes()
