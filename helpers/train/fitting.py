"""Training a model on batches of windows: the best weights, the history, and a run that can be broken off."""

from __future__ import annotations

import copy
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from helpers.errors import InputError
from helpers.evaluate.metrics import ConstantWarning, pearson
from helpers.prepare.batches import WindowBatches
from helpers.train import checks
from helpers.train.backend import keras
from helpers.train.checkpoints import Progress, claimed, load_progress, model_digest, save_progress
from helpers.train.feeding import passes
from helpers.train.losses import make_loss
from helpers.train.predicting import predict, predictor, targets_of
from helpers.train.reached import describe

__all__ = ["Fit", "fit", "predict", "predictor", "targets_of"]

log = logging.getLogger(__name__)
COLUMNS = ["epoch", "loss", "validation_loss", "validation_pearson", "learning_rate"]
Row = dict[str, float]


@dataclass(frozen=True)
class Fit:
    """A trained model.

    Parameters
    ----------
    model : keras.Model
        Holds the weights of `best_epoch`.
    history : DataFrame
        A row per epoch: `epoch` (from 1), `loss` (mean over the epoch's batches, while the weights change), `validation_loss`,
        `validation_pearson` (both of the weights at the epoch's end, over the whole validation set; NaN without one), and
        `learning_rate` (of the epoch's first step).
    best_epoch : int
        The epoch with the best monitored score; the last one where there is no validation set.
    stopped_early : bool
        Whether fewer epochs were trained than asked for.
    """

    model: Any
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool


def fit(
    model: Any,
    training: WindowBatches,
    *,
    loss: Any,
    epochs: int,
    validation: WindowBatches | None = None,
    monitor: str = "validation_pearson",
    patience: int | None = None,
    learning_rate: float = 3e-3,
    schedule: str = "cosine",
    folder: str | Path | None = None,
    on_epoch: Callable[[Row], None] | None = None,
    progress: bool = False,
) -> Fit:
    """Train a model with Adam (Kingma & Ba 2015).

    Everything is checked before training starts. What is drawn at random depends on the model's initial weights and seeds and on the
    batches' seed: see `seeding.seed_everything`.

    Parameters
    ----------
    model : keras.Model
        Reads codes, gives values per bin and track; compiled here.
    training : WindowBatches
        What to train on, in the order of its epochs 0, 1, 2, ...; the object itself is left as it is.
    loss : str or keras.losses.Loss
        A name that `losses.make_loss` knows, or a loss.
    epochs : int
        Passes over the training windows, at most.
    validation : WindowBatches, optional
        Other regions, with `shuffle=False` and without jitter and reverse complement.
    monitor : {"validation_pearson", "validation_loss"}
        What the best epoch is best in: the highest `metrics.pearson` over all bins of all windows and tracks, or the lowest loss. Where
        the score does not exist (constant predictions), the epoch is worse than any other; of equal epochs, the first is the best.
    patience : int, optional
        Stop after so many epochs without a better one.
    learning_rate : float
        Of the first step.
    schedule : {"cosine", "constant"}
        Whether the rate falls to almost 0 along half a cosine over all steps (Loshchilov & Hutter 2017, without restarts).
    folder : path, optional
        Where the state is kept after every epoch. The same call, after the run was killed, goes on from there to the same result bit for
        bit; after it has ended, it gives that result.
    on_epoch : callable, optional
        Called with each new row of the history when the epoch's state is kept; without `validation`, the row has no such scores. Epochs
        that are read back from `folder` are not told again.
    progress : bool
        Whether to show a bar, on stderr.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        If an argument is impossible, model and batches do not fit together, the loss cannot be computed from the targets or from what the
        model predicts, validation windows overlap training windows, or `folder` belongs to another run. While training: if the loss is
        no longer a number and no epoch before was scored.
    """
    settings: dict[str, Any] = {
        "epochs": epochs,
        "monitor": monitor,
        "patience": patience,
        "learning_rate": learning_rate,
        "schedule": schedule,
    }
    checks.check_settings(**settings, validated=validation is not None)
    chosen = make_loss(loss) if isinstance(loss, str) else loss
    _check_batches(model, chosen, training, validation, monitor)
    run = None if folder is None else _run(model, chosen, training, validation, settings)
    place, steps = None if folder is None else Path(folder), len(training)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps) if schedule == "cosine" else learning_rate
    model.compile(keras.optimizers.Adam(rate), loss=chosen, jit_compile=_jit())
    _forget_graph(model)
    model.optimizer.build(
        model.trainable_variables
    )  # or the first step makes them, and TensorFlow traces it twice: seconds a fit
    own = copy.copy(training)
    feed = passes(own)
    with claimed(place, run), tqdm(total=epochs * steps, unit="batch", disable=not progress) as bar:
        state = load_progress(place, model)
        rows, best = state.rows, state.best
        bar.update(len(rows) * steps)
        while len(rows) < epochs and not _is_over(rows, monitor, patience):
            row = _train_epoch(model, own, feed, len(rows), bar) | _scores(model, chosen, validation)
            rows = [*rows, row]
            _refuse_broken(rows, learning_rate)
            best = model.get_weights() if _best_epoch(rows, monitor) == len(rows) else best
            save_progress(place, model, Progress(rows, best))
            if on_epoch is not None:
                on_epoch(dict(row))
    model.set_weights(best)
    return Fit(model, history_of(rows), _best_epoch(rows, monitor), len(rows) < epochs)


def history_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Make the table of `Fit.history` from its rows; a score that a row does not have is NaN."""
    return pd.DataFrame(rows, columns=COLUMNS).astype(dict.fromkeys(COLUMNS[1:], float))


def _check_batches(model: Any, loss: Any, training: WindowBatches, validation: WindowBatches | None, monitor: str) -> None:
    """Raise where model, loss and batches do not fit together."""
    if not len(training):
        raise InputError(f"training batches are none: {training.windows} windows do not fill a batch of {training.batch_size}")
    checks.check_model(model, training, "training")
    checks.check_outputs(loss, model, training)
    if validation is not None:
        checks.check_in_order(validation, "validation")
        checks.check_model(model, validation, "validation")
        checks.check_apart(training, validation)
        values = checks.check_data(loss, validation, "validation")
        if monitor == "validation_pearson":
            checks.check_varied(values)
    checks.check_data(loss, training, "training")


def _run(
    model: Any, loss: Any, training: WindowBatches, validation: WindowBatches | None, settings: dict[str, Any]
) -> dict[str, Any]:
    """All that decides the result of a run."""
    return {
        **settings,
        "loss": {"class": type(loss).__name__, **loss.get_config()},
        "model": model_digest(model),
        "training": describe(training),
        "validation": None if validation is None else describe(validation),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }


def _jit() -> bool | Literal["auto"]:
    """Say whether to compile with XLA: TensorFlow on a CPU is faster without, and JAX is nothing without."""
    on_cpu = keras.backend.backend() == "tensorflow" and not keras.distribution.list_devices("gpu")
    return False if on_cpu else "auto"


def _forget_graph(model: Any) -> None:
    """Let the graph of a training be freed after it: Keras sums gradients over devices, by a function that TensorFlow registers for good.

    That function holds the graph, and what the graph holds. On one device the sum is its only term.
    """
    if keras.backend.backend() == "tensorflow" and model.distribute_strategy.num_replicas_in_sync == 1:
        model.optimizer._all_reduce_sum_gradients = list


def _train_epoch(model: Any, batches: WindowBatches, feed: Callable[[], Any], epoch: int, bar: tqdm) -> Row:
    """Train through one epoch, counted from 0, with what `feed` makes of the batches."""
    batches.epoch = epoch
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    callbacks = [] if bar.disable else [keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: bar.update())]
    done = model.fit(feed(), steps_per_epoch=len(batches), shuffle=False, verbose=0, callbacks=callbacks)
    return {"epoch": epoch + 1, "loss": float(done.history["loss"][0]), "learning_rate": rate}


def _scores(model: Any, loss: Any, validation: WindowBatches | None) -> Row:
    """Score a model on the whole validation set; NaN where it predicts what is no number."""
    if validation is None:
        return {}
    truth, predicted = targets_of(validation), predict(model, validation)
    if not np.isfinite(predicted).all():
        return dict.fromkeys(("validation_loss", "validation_pearson"), math.nan)
    missing = np.isnan(truth)
    weights = None if validation.missing == "error" else (~missing.any(axis=2)).astype(np.float32)
    value = loss(np.where(missing, np.float32(0), truth), predicted, sample_weight=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantWarning)
        correlation = pearson(truth, predicted)
    return {"validation_loss": float(keras.ops.convert_to_numpy(value)), "validation_pearson": correlation}


def _best_epoch(rows: Sequence[Row], monitor: str) -> int:
    """Find the best epoch, counted from 1; the last one where nothing was scored."""
    if monitor not in rows[0]:
        return len(rows)
    scores = np.array([row[monitor] for row in rows])
    worth = -scores if monitor == "validation_loss" else scores
    return int(np.argmax(np.where(np.isnan(worth), -np.inf, worth))) + 1


def _is_broken(row: Row) -> bool:
    """Tell whether training or validation loss is no number any more."""
    return not all(math.isfinite(row.get(name, 0)) for name in ("loss", "validation_loss"))


def _is_over(rows: Sequence[Row], monitor: str, patience: int | None) -> bool:
    """Tell whether to stop after these epochs."""
    if not rows:
        return False
    return _is_broken(rows[-1]) or (patience is not None and len(rows) - _best_epoch(rows, monitor) >= patience)


def _refuse_broken(rows: Sequence[Row], learning_rate: float) -> None:
    """Raise if the weights became useless and no epoch before gave better ones; else say that training ends."""
    if not _is_broken(rows[-1]):
        return
    scored = any(math.isfinite(row.get("validation_loss", math.nan)) for row in rows)
    state = f"the loss is no number any more in epoch {len(rows)}"
    if not scored:
        raise InputError(f"{state}: give a learning_rate below {learning_rate:g}, or look for extreme targets")
    log.warning("%s: training ends, and the best weights before are kept", state)
