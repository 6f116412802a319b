"""What is wrong with a training run, said in one line before it starts."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np

from helpers.errors import InputError
from helpers.prepare.batches import WindowBatches
from helpers.prepare.regions import overlaps
from helpers.prepare.tables import reduce_ranges
from helpers.train.backend import keras
from helpers.train.losses import check_predictions, check_shape, check_targets
from helpers.train.reached import known_extremes, reached_bins, reached_runs

Monitor = Literal["validation_pearson", "validation_loss"]
Schedule = Literal["cosine", "constant"]


def check_settings(
    *, epochs: int, monitor: str, patience: int | None, learning_rate: float, schedule: str, validated: bool
) -> None:
    """Raise where a number or a name cannot be used, whatever the data are.

    Parameters
    ----------
    epochs, monitor, patience, learning_rate, schedule
        As `fitting.fit` takes them.
    validated : bool
        Whether there are validation batches.

    Raises
    ------
    InputError
        For the first setting that is impossible.
    """
    if epochs < 1:
        raise InputError(f"epochs is {epochs}: train for at least 1")
    if monitor not in get_args(Monitor):
        raise InputError(f"monitor is {monitor!r}: choose {' or '.join(get_args(Monitor))}")
    if schedule not in get_args(Schedule):
        raise InputError(f"schedule is {schedule!r}: choose {' or '.join(get_args(Schedule))}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise InputError(f"learning_rate is {learning_rate}: choose a number above 0, such as 3e-3")
    if patience is None:
        return
    if patience < 1:
        raise InputError(f"patience is {patience}: wait for at least 1 epoch, or give None to train through all of them")
    if not validated:
        raise InputError(f"patience is {patience} but nothing tells when to stop: give validation batches, or leave patience out")


def check_model(model: Any, batches: WindowBatches, what: str) -> None:
    """Raise unless a model reads the windows of these batches and gives a value for each of their bins and tracks.

    Parameters
    ----------
    model : keras.Model
        Built.
    batches : WindowBatches
        What it shall read.
    what : str
        What the batches are, for the message ("training").

    Raises
    ------
    InputError
        If the model is not built, or a shape differs.
    """
    try:
        reads, gives = model.input_shape, model.output_shape
    except (AttributeError, ValueError) as error:
        raise InputError(f"model {model.name!r} has no shape yet: build it with an Input of {batches.window} bases") from error
    bins, tracks = batches.window // batches.prepared.bin_size, batches.prepared.targets.shape[1]
    if not _fits(reads, (batches.window,)):
        raise InputError(
            f"model {model.name!r} reads {_shape(reads)} and the {what} batches hold windows of {batches.window} bases: "
            f"build it for {batches.window}, or make batches of other windows"
        )
    if not _fits(gives, (bins, tracks)):
        raise InputError(
            f"model {model.name!r} gives {_shape(gives)} and the {what} targets are {bins} bins x {tracks} tracks: "
            "build it for the bin size and the tracks of the data"
        )


def _fits(shape: Any, wanted: tuple[int, ...]) -> bool:
    """Tell whether a model's shape, whose first axis is the batch and in which None is anything, admits another."""
    if not isinstance(shape, tuple) or len(shape) != len(wanted) + 1:
        return False
    return all(size in (None, want) for size, want in zip(shape[1:], wanted, strict=True))


def _shape(shape: Any) -> str:
    """Write a model's shape, without the batch, for a message."""
    if isinstance(shape, tuple):
        return " x ".join("any" if size is None else str(size) for size in shape[1:]) or "one number"
    return f"{len(shape)} arrays"


def check_in_order(batches: WindowBatches, what: str) -> None:
    """Raise unless batches show each of their regions once, in order, where it stands and from the forward strand.

    Parameters
    ----------
    batches : WindowBatches
        What is predicted or scored.
    what : str
        What the batches are, for the message ("validation").

    Raises
    ------
    InputError
        If they are shuffled or changed at random, or leave windows out.
    """
    left_out = batches.windows % batches.batch_size if batches.drop_last else 0
    for wrong, state, cure in (
        (batches.shuffle, "are shuffled", "shuffle=False"),
        (batches.jitter > 0, f"move by up to {batches.jitter} bp", "jitter=0"),
        (batches.reverse_complement, "turn half of the windows to the other strand", "reverse_complement=False"),
        (left_out > 0, f"leave the last {left_out} windows out", "drop_last=False"),
    ):
        if wrong:
            raise InputError(f"{what} batches {state}: predictions would not follow their regions; make them with {cure}")


def check_apart(training: WindowBatches, validation: WindowBatches) -> None:
    """Raise if a validation region shares a base with what training reads, moved windows included.

    Parameters
    ----------
    training, validation : WindowBatches
        Of the same assembly.

    Raises
    ------
    InputError
        The first such region is named.
    """
    first, last = training.reach()
    begin, _ = training.reach(moved=False)
    size, regions = training.prepared.bin_size, training.regions
    start = regions["start"].to_numpy(np.int64)
    read = regions.assign(start=start + (first - begin) * size, end=start + (last - begin) * size)
    rows = np.flatnonzero(overlaps(validation.regions, read))
    if len(rows):
        moved = f" when they are moved by up to {training.jitter} bp" if training.jitter else ""
        raise InputError(
            f"{len(rows):,} of {validation.windows:,} validation windows, the first {_place(validation, rows[0])}, overlap training "
            f"windows{moved}: take them from other chromosomes, or drop them with regions.exclude"
        )


def check_data(loss: Any, batches: WindowBatches, what: str) -> np.ndarray:
    """Raise if a window has no target at all, or the loss cannot be computed from a target within reach.

    Parameters
    ----------
    loss : keras.losses.Loss
        What is minimised.
    batches : WindowBatches
        What is trained on or scored; every bin within reach is read once.
    what : str
        What the batches are, for the message ("training").

    Returns
    -------
    float32 array, shape (3, tracks)
        As `reached.known_extremes`.

    Raises
    ------
    InputError
        For windows without a bin that has data, targets that are no numbers, and as `losses.check_targets`.
    """
    if batches.missing == "mask":
        _refuse_empty(batches, what)
    values = known_extremes(batches)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=0))
    if len(wrong):
        track = batches.prepared.tracks[wrong[0]]
        raise InputError(
            f"targets of track {track!r} within reach of the {what} windows are NaN or infinite: "
            "prepare the data set again, or give WindowBatches missing='mask' for NaN"
        )
    try:
        check_targets(loss, values)
    except InputError as error:
        raise InputError(f"{what} batches: {error}") from error
    return values


def check_outputs(loss: Any, model: Any, batches: WindowBatches) -> None:
    """Raise if the loss cannot be computed from what a model gives.

    Parameters
    ----------
    loss : keras.losses.Loss
        What is minimised.
    model : keras.Model
        Before training; it predicts two windows.
    batches : WindowBatches
        What it shall be trained on.

    Raises
    ------
    InputError
        As `losses.check_shape` and `losses.check_predictions`.
    """
    check_shape(loss, batches.window // batches.prepared.bin_size, batches.prepared.targets.shape[1])
    check_predictions(loss, keras.ops.convert_to_numpy(model(batches[0][0][:2], training=False)))


def check_varied(values: np.ndarray) -> None:
    """Raise if all validation targets are one number, given their extremes: no correlation with them exists."""
    if values.min() == values.max():
        raise InputError(
            f"all validation targets are {values.min():g}, so validation_pearson does not exist: "
            "choose other regions, or monitor='validation_loss'"
        )


def _refuse_empty(batches: WindowBatches, what: str) -> None:
    """Raise if no bin of a window, where it stands, has data in all tracks."""
    targets, runs = batches.prepared.targets, reached_runs(batches)
    known = np.concatenate([~np.isnan(targets[bins]).any(axis=1) for bins in reached_bins(batches)])
    lengths = runs[:, 1] - runs[:, 0]
    first, last = batches.reach(moved=False)
    run = np.searchsorted(runs[:, 0], first, "right") - 1
    shift = (np.cumsum(lengths) - lengths - runs[:, 0])[run]  # from a row of the targets to its place in `known`
    empty = ~reduce_ranges(np.logical_or, known, first + shift, last + shift)
    rows = np.flatnonzero(empty)
    if len(rows):
        raise InputError(
            f"{len(rows):,} {what} windows, the first {_place(batches, rows[0])}, have no bin with data in every track: drop them"
        )


def _place(batches: WindowBatches, row: int) -> str:
    """Write the region of a window."""
    chrom, start, end = batches.regions[["chrom", "start", "end"]].iloc[row]
    return f"{chrom}:{start}-{end}"
