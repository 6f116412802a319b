"""The class of every loss of this package, and what each kind of it computes and takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from helpers.errors import InputError
from helpers.train import class_losses, count_losses, shape_losses
from helpers.train.backend import keras
from helpers.train.reductions import Tensor


@dataclass(frozen=True)
class Kind:
    """A loss's formula, and what it takes."""

    formula: Callable[..., Tensor]
    predictions: Literal["any", "positive", "probability"]
    compares: Literal["values", "bins", "tracks"] = "values"
    nonnegative_targets: bool = False
    binary_targets: bool = False
    mean_is_scaled: bool = True


KINDS = {
    "poisson": Kind(count_losses.poisson, "positive", nonnegative_targets=True),
    "negative_binomial": Kind(count_losses.negative_binomial, "positive", nonnegative_targets=True),
    "mse": Kind(count_losses.mse, "any"),
    "weighted_mse": Kind(count_losses.weighted_mse, "any", nonnegative_targets=True),
    "negative_pearson": Kind(shape_losses.negative_pearson, "any", "bins", mean_is_scaled=False),
    "pearson_mse": Kind(shape_losses.pearson_mse, "any", "bins"),
    "multinomial_mse": Kind(shape_losses.multinomial_mse, "positive", "bins", nonnegative_targets=True),
    "poisson_multinomial": Kind(shape_losses.poisson_multinomial, "positive", "bins", nonnegative_targets=True),
    "binary_crossentropy": Kind(class_losses.binary_crossentropy, "probability", nonnegative_targets=True, binary_targets=True),
    "focal": Kind(class_losses.focal, "probability", nonnegative_targets=True, binary_targets=True),
    "categorical_crossentropy": Kind(class_losses.categorical_crossentropy, "positive", "tracks", nonnegative_targets=True),
}


@keras.saving.register_keras_serializable(package="helpers")
class BinLoss(keras.losses.Loss):
    """A loss over bins and tracks; made by the functions of `losses` or by `losses.make_loss`.

    Parameters
    ----------
    kind : str
        A name in `KINDS`.
    **options : float or str
        Of the formula.

    Attributes
    ----------
    nonnegative_targets, binary_targets : bool
        Whether targets must be 0 or more; whether they must be 0 or 1.
    mean_is_scaled : bool
        Whether the loss depends on the scale of the predictions; if not, scale them (`metrics.scale_by_mean_ratio`) before an error is taken.
    predictions : {"any", "positive", "probability"}
        What a model must give.
    compares : {"values", "bins", "tracks"}
        Of what there must be more than one for the loss to teach what it is for.

    Notes
    -----
    The result is one number: the weighted mean over what has data. Keras's own losses divide by the number of values instead, so that there
    a batch with more missing bins has a smaller loss. What lies where the weight is 0, NaN too, changes neither loss nor gradient; a
    batch without data has loss 0 and gradient 0. The loss that `fit` reports for an epoch is the mean of its batches, by their size.
    """

    def __init__(self, kind: str, **options: float | str) -> None:
        super().__init__(name=kind)
        self.kind, self.options = kind, options
        self.nonnegative_targets, self.binary_targets = KINDS[kind].nonnegative_targets, KINDS[kind].binary_targets
        self.mean_is_scaled, self.predictions = KINDS[kind].mean_is_scaled, KINDS[kind].predictions
        self.compares = "values" if options.get("over") == "batch" else KINDS[kind].compares

    def __call__(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Compute the loss.

        Parameters
        ----------
        y_true, y_pred : array or tensor, shape (batch, bins, tracks)
            Targets and predictions; computed in float32.
        sample_weight : array or tensor, shape (batch, bins) or (batch,), optional
            0 where a bin, or a window, is missing; else its weight, above 0. Without it all weights are 1.

        Returns
        -------
        float32 tensor, scalar

        Raises
        ------
        InputError
            If a shape is another.
        """
        truth, predicted = (keras.ops.convert_to_tensor(values, dtype="float32") for values in (y_true, y_pred))
        _check_shapes(self.kind, tuple(truth.shape), tuple(predicted.shape))
        weights = _spread(sample_weight, predicted)
        known = (weights > 0)[..., None]
        truth, predicted = (keras.ops.where(known, values, 0.0) for values in (truth, predicted))
        weights = keras.ops.where(weights > 0, weights, 0.0)
        return KINDS[self.kind].formula(truth, predicted, weights, **self.options)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Compute the loss with all weights 1."""
        return self(y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        """Give what makes this loss again, for a saved model."""
        return {"kind": self.kind, **self.options}


def _check_shapes(kind: str, truth: tuple[int | None, ...], predicted: tuple[int | None, ...]) -> None:
    """Raise unless targets and predictions are (batch, bins, tracks), and alike as far as their sizes are known."""
    alike = len(truth) == len(predicted) == 3 and all(
        None in pair or pair[0] == pair[1] for pair in zip(truth, predicted, strict=True)
    )
    if not alike:
        raise InputError(f"{kind} got targets {truth} and predictions {predicted}: give both as (batch, bins, tracks)")


def _spread(weights: Tensor | None, predicted: Tensor) -> Tensor:
    """Weights as a tensor (batch, bins)."""
    ones = keras.ops.ones_like(predicted[..., 0])
    if weights is None:
        return ones
    weights = keras.ops.convert_to_tensor(weights, dtype="float32")
    if len(weights.shape) not in (1, 2):
        raise InputError(f"weights have shape {tuple(weights.shape)}: give (batch, bins) or (batch,)")
    return ones * (weights[:, None] if len(weights.shape) == 1 else weights)
