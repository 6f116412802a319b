"""What lesson 06 tunes: the small model's settings, a training that a search can run, and curves of whole trainings to try methods on."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.course.tasks import Task, task_for_seed
from helpers.data.checksums import write_json
from helpers.data.datasets import load_dataset
from helpers.errors import InputError
from helpers.files.placing import replacing
from helpers.places import shipped
from helpers.train.cluster import connected
from helpers.train.space import Space, choice, log_uniform, uniform
from helpers.train.tuning import search
from helpers.versions import code_version, processor, versions

SPACE: Space = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "batch_size": choice(32, 64, 128),
    "filters": choice(8, 16, 32, 48),
    "width": choice(7, 11, 15, 19),
    "activation": choice("exponential", "relu"),
    "dropout": uniform(0.0, 0.5),
    "jitter": choice(0, 128, 384),
}
EPOCHS = 9
CONFIGURATIONS = 40
METRICS = ["validation_loss", "validation_pearson", "held_out_pearson"]
STORED = "06_curves"
DIGITS = 5  # significant ones


@dataclass(frozen=True)
class SmallTraining:
    """An objective for `tuning.search`: the small model of the lessons on the task of one seed.

    Each epoch reports `validation_loss` and `validation_pearson`, and `held_out_pearson` on the test chromosomes, which no search may
    choose by.

    Parameters
    ----------
    dataset : str
        Name of a data set, or a manifest.
    seed : int
        Of the genome, where it is simulated, and of the training.
    epochs : int
        Of a full training; the learning rate falls to almost 0 over so many.
    threads : int
        That TensorFlow computes with, as many as a trial has CPUs.
    """

    dataset: str
    seed: int
    epochs: int = EPOCHS
    threads: int = 1

    def __call__(
        self,
        report: Any,
        learning_rate: float,
        batch_size: int = 64,
        filters: int = 32,
        width: int = 15,
        activation: str = "exponential",
        dropout: float = 0.0,
        jitter: int = 384,
    ) -> None:
        """Train once, and report every epoch."""
        # The process that searches has no need of TensorFlow, which takes half a gigabyte.
        from helpers.course.training import chromosome_pearson, small_model
        from helpers.train.fitting import fit
        from helpers.train.seeding import seed_everything

        seed_everything(self.seed, self.threads)
        task = _task(self.dataset, self.seed)
        model = small_model(task, filters=filters, widths=(width, 5), activation=activation, dropout=dropout)
        windows = task.with_background(task.active("train"), np.random.default_rng(self.seed))
        batches = task.batches(
            windows, seed=self.seed, batch_size=batch_size, jitter=jitter, reverse_complement=True, drop_last=True
        )
        fit(
            model,
            batches,
            loss="poisson",
            epochs=self.epochs,
            validation=task.in_order("validation"),
            learning_rate=learning_rate,
            on_epoch=lambda row: report(
                epoch=row["epoch"],
                **{name: row[name] for name in METRICS[:2]},
                held_out_pearson=chromosome_pearson(task, model),
            ),
        )


@functools.lru_cache(maxsize=1)
def _task(dataset: str, seed: int) -> Task:
    """Prepare a task once in a worker, which runs one trial after another."""
    return task_for_seed(load_dataset(dataset, seed=seed, progress=False), seed)


def train_curves(
    dataset: str,
    seeds: Sequence[int],
    folder: Path,
    *,
    configurations: int = CONFIGURATIONS,
    epochs: int = EPOCHS,
    at_once: int = 2,
    address: str = "local",
    progress: bool = False,
) -> pd.DataFrame:
    """Train configurations drawn at random to the end, for each seed others, with one thread each.

    Parameters
    ----------
    dataset : str
        Name of a data set, or a manifest.
    seeds : sequence of int
        A genome each, where it is simulated.
    folder : Path
        Where the searches keep their records; the same call goes on with what was interrupted.
    configurations, epochs : int
        How many a seed, and for how long.
    at_once : int
        How many trainings at the same time.
    address : str
        Of Ray, as for `tuning.search`.
    progress : bool
        Whether to draw a bar a seed.

    Returns
    -------
    DataFrame
        A row for each seed, trial and epoch: `seed`, `trial`, the settings of `SPACE`, `epoch`, and `METRICS`. A training that failed has
        fewer rows, or none.
    """
    tables = []
    with connected(address, cpus=at_once):
        for seed in seeds:
            found = search(
                SmallTraining(dataset, seed, epochs),
                SPACE,
                trials=configurations,
                max_epochs=epochs,
                folder=folder / f"seed_{seed}",
                method="random",
                seed=seed,
                address=address,
                at_once=at_once,
                progress=progress,
            )
            settings = found.trials[["trial", *SPACE]]
            rows = settings.merge(found.curves, on="trial")
            tables.append(rows.assign(seed=seed)[["seed", "trial", *SPACE, "epoch", *METRICS]])
    return pd.concat(tables, ignore_index=True)


def curve_matrix(table: pd.DataFrame, seed: int, metric: str) -> np.ndarray:
    """Give the curves of one seed as an array.

    Parameters
    ----------
    table : DataFrame
        From `train_curves` or `stored_curves`.
    seed : int
        One of the table's.
    metric : str
        One of `METRICS`.

    Returns
    -------
    float array, shape (configurations, epochs)
        NaN where a training had failed.
    """
    rows = table[table["seed"] == seed]
    return rows.pivot_table(index="trial", columns="epoch", values=metric).to_numpy()


def store_curves(table: pd.DataFrame, folder: Path, *, dataset: str, command: str) -> Path:
    """Write curves for `stored_curves`, with what made them beside them: command, code version, libraries, digests of the data.

    Parameters
    ----------
    table : DataFrame
        From `train_curves`.
    folder : Path
        Where `06_curves.csv` and `06_curves.json` are written.
    dataset : str
        The data set that the curves are of.
    command : str
        What to type to make them again.

    Returns
    -------
    Path
        Of the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    commit, changed = code_version()
    seeds = [int(seed) for seed in table["seed"].unique()]
    facts = {
        "command": command,
        "commit": commit,
        "changed_since": changed,
        "versions": versions(),
        "processor": processor(),
        "threads": 1,
        "dataset": dataset,
        "digests": {str(seed): _task(dataset, seed).data.digest for seed in seeds},
    }
    write_json(folder / f"{STORED}.json", facts)
    with replacing(folder / f"{STORED}.csv") as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{DIGITS}g")
    return folder / f"{STORED}.csv"


def stored_curves(dataset: str, seeds: Sequence[int] | None = None) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """Read the curves that travel with the course.

    Parameters
    ----------
    dataset : str
        Name of a data set.
    seeds : sequence of int, optional
        Which of its seeds; all that there are by default.

    Returns
    -------
    table : DataFrame
        As `train_curves` gives it, for these seeds.
    facts : dict
        What made them: see `store_curves`.

    None is returned where curves of that data set, or of one of the seeds, do not travel with the course.

    Raises
    ------
    InputError
        If the files cannot be read.
    """
    place = shipped("notebooks", "results")
    try:
        facts = json.loads((place / f"{STORED}.json").read_text(encoding="utf-8"))
        table = pd.read_csv(place / f"{STORED}.csv")
    except (OSError, ValueError) as error:
        raise InputError(f"{place / STORED}.csv or .json cannot be read ({error}): install the package anew") from error
    wanted = set(table["seed"] if seeds is None else seeds)
    if facts["dataset"] != dataset or not wanted <= set(table["seed"]):
        return None
    return table[table["seed"].isin(wanted)].reset_index(drop=True), facts
