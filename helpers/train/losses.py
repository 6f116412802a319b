"""Losses for signal and labels on any Keras backend: one function each, and what they have in common.

Each gives a `BinLoss`, which `model.compile` takes and which is called as `loss(targets, predictions, weights)` with targets (y) and
predictions (mu or p) of shape (batch, bins, tracks), and weights (batch, bins) that are 0 where a bin is missing. The result is the mean
over what has data. Terms that no model can change (log y! and the like) are left out, so that a loss may be negative and its least value
is not 0. `EPSILON`, 1e-7, is added to a prediction before its logarithm is taken. The functions stand in
`loss_factories`, the formulas in `count_losses`, `shape_losses` and `class_losses`.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from helpers.errors import InputError
from helpers.train.bin_loss import BinLoss
from helpers.train.loss_checks import check_predictions, check_shape, check_targets
from helpers.train.loss_factories import (
    binary_crossentropy,
    categorical_crossentropy,
    focal,
    mse,
    multinomial_mse,
    negative_binomial,
    negative_pearson,
    pearson_mse,
    poisson,
    poisson_multinomial,
    weighted_mse,
)
from helpers.train.reductions import EPSILON

__all__ = [
    "EPSILON",
    "LOSS_NAMES",
    "BinLoss",
    "binary_crossentropy",
    "categorical_crossentropy",
    "check_predictions",
    "check_shape",
    "check_targets",
    "focal",
    "make_loss",
    "mse",
    "multinomial_mse",
    "negative_binomial",
    "negative_pearson",
    "pearson_mse",
    "poisson",
    "poisson_multinomial",
    "weighted_mse",
]

FACTORIES: dict[str, Callable[..., BinLoss]] = {
    factory.__name__: factory
    for factory in (
        poisson,
        negative_binomial,
        mse,
        weighted_mse,
        negative_pearson,
        pearson_mse,
        multinomial_mse,
        poisson_multinomial,
        binary_crossentropy,
        focal,
        categorical_crossentropy,
    )
}
LOSS_NAMES = tuple(FACTORIES)


def make_loss(name: str, **options: Any) -> BinLoss:
    """Make a loss by its name.

    Parameters
    ----------
    name : str
        One of `LOSS_NAMES`.
    **options
        Of the function of that name in this module.

    Returns
    -------
    BinLoss

    Raises
    ------
    InputError
        If there is no such loss or option, an option is missing, or one is impossible.
    """
    if name not in FACTORIES:
        near = difflib.get_close_matches(name, LOSS_NAMES, n=1)
        raise InputError(
            f"there is no loss {name!r}: " + (f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(LOSS_NAMES)}")
        )
    known = inspect.signature(FACTORIES[name]).parameters
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"{name} has no option {unknown[0]!r}: " + (f"choose from {', '.join(known)}" if known else "give none"))
    missing = [option for option, parameter in known.items() if parameter.default is parameter.empty and option not in options]
    if missing:
        raise InputError(f"{name} needs {missing[0]}: give it, as in make_loss({name!r}, {missing[0]}=...)")
    return FACTORIES[name](**options)
