"""The losses, one function each, that `losses` offers: what each compares, its source and its options."""

from __future__ import annotations

import math
from typing import Literal, get_args

from helpers.errors import InputError
from helpers.train.bin_loss import BinLoss

Over = Literal["sequence", "batch"]


def poisson() -> BinLoss:
    """Poisson negative log-likelihood: mean of mu - y log(mu), in nats per value.

    Returns
    -------
    BinLoss
        Takes y of 0 or more, whole numbers or not (means of a bin), and mu of 0 or more.

    Notes
    -----
    The loss of Basenji (Kelley et al. 2018) and the best of five in Toneyan et al. 2022, Fig. 2b. It asks for a variance equal to the mean.
    """
    return BinLoss("poisson")


def negative_binomial(dispersion: float) -> BinLoss:
    """Negative binomial negative log-likelihood at a known dispersion a: mean of (y + 1/a) log(1 + a mu) - y log(mu).

    Parameters
    ----------
    dispersion : float
        Above 0. The variance is mu + a mu^2; with a towards 0 the loss becomes `poisson`.

    Returns
    -------
    BinLoss
        Takes y and mu of 0 or more.

    Raises
    ------
    InputError
        If the dispersion is not above 0.

    Notes
    -----
    Mean and dispersion as in Love et al. 2014 (DESeq2, Methods); SciPy's `nbinom` has n = 1/a and p = 1 / (1 + a mu).
    """
    if not 0 < dispersion < math.inf:
        raise InputError(f"dispersion is {dispersion}: choose a number above 0; a dispersion of 0 is the loss poisson")
    return BinLoss("negative_binomial", dispersion=float(dispersion))


def mse() -> BinLoss:
    """Mean squared error.

    Returns
    -------
    BinLoss
        Takes any numbers. Values of a track at a larger scale count by the square of that scale.
    """
    return BinLoss("mse")


def weighted_mse() -> BinLoss:
    """Squared error, weighted by the target: mean of y (y - mu)^2.

    Returns
    -------
    BinLoss
        Takes y of 0 or more. Bins with y = 0 have no say at all: what is predicted there is left to chance.

    Notes
    -----
    The loss of DeepImpute (Arisdakessian et al. 2019). The mean is over values, not over the sum of y.
    """
    return BinLoss("weighted_mse")


def negative_pearson(over: Over = "sequence") -> BinLoss:
    """Minus Pearson's r between target and prediction: from -1 (perfect) through 0 (unrelated) to 1.

    Parameters
    ----------
    over : {"sequence", "batch"}
        `sequence`: an r for each window and track, over its bins, and their mean: the shape within windows and nothing else. `batch`: an r
        for each track over all bins of all windows of a batch, and their mean: differences between windows count as well.

    Returns
    -------
    BinLoss
        Takes any numbers; the scale of predictions is left to chance (`mean_is_scaled` is false).

    Raises
    ------
    InputError
        If `over` is another word.

    Notes
    -----
    Where a target is constant no r exists, and it is left out of the mean. A constant prediction has r = 0; to keep gradients finite there,
    a thousandth of the prediction's root mean square is added to its standard deviation, in quadrature, which lowers other r by a few
    millionths. The code published with Toneyan et al. 2022 takes r over the batch.
    """
    return BinLoss("negative_pearson", over=_over(over))


def pearson_mse(weight: float = 0.1, over: Over = "sequence") -> BinLoss:
    """Minus Pearson's r plus `weight` times the mean squared error: shape, and some magnitude.

    Parameters
    ----------
    weight : float
        0 or more. The error has the square of the signal's unit, so that the right weight depends on the signal's scale.
    over : {"sequence", "batch"}
        As in `negative_pearson`.

    Returns
    -------
    BinLoss
        Takes any numbers.

    Raises
    ------
    InputError
        If an option is impossible.

    Notes
    -----
    Toneyan et al. 2022, Fig. 2b, where it is second to Poisson; the article states no weight. The code published with it takes 0.001, or
    0.1 in an earlier version, on coverage as it stands.
    """
    return BinLoss("pearson_mse", weight=_weight(weight), over=_over(over))


def multinomial_mse(weight: float = 10.0) -> BinLoss:
    """Multinomial negative log-likelihood of the profile given its total, plus `weight` times the squared error of log(1 + total).

    Parameters
    ----------
    weight : float
        0 or more. Half of the mean total of a window weighs the two about as a Poisson likelihood does; smaller weights favour the shape.

    Returns
    -------
    BinLoss
        Takes y and mu of 0 or more. Profile and total are both read off one prediction: mu divided by its sum over bins, and that sum.

    Raises
    ------
    InputError
        If the weight is negative.

    Notes
    -----
    The loss of BPNet (Avsec et al. 2021), whose code has a weight of 10 and whose model has an output of its own for the total. The
    likelihood is summed over the bins of a window, and averaged over windows and tracks; a total is that of the bins with data.
    """
    return BinLoss("multinomial_mse", weight=_weight(weight))


def poisson_multinomial(weight: float = 0.2) -> BinLoss:
    """Multinomial negative log-likelihood of the profile given its total, plus `weight` times the Poisson one of the total, per bin.

    Parameters
    ----------
    weight : float
        0 or more. At 1 this is the loss `poisson`; below 1 the shape counts for more.

    Returns
    -------
    BinLoss
        Takes y and mu of 0 or more.

    Raises
    ------
    InputError
        If the weight is negative.

    Notes
    -----
    The loss of Borzoi (Linder et al. 2025), whose shape term counts five times as much as its total.
    """
    return BinLoss("poisson_multinomial", weight=_weight(weight))


def binary_crossentropy(positive_weight: float = 1.0) -> BinLoss:
    """Binary cross-entropy: mean of -w y log(p) - (1 - y) log(1 - p).

    Parameters
    ----------
    positive_weight : float
        w, above 0: how much more a label 1 counts than a label 0. The mean is over labels, not over the sum of weights. Probabilities of a
        model trained with another weight than 1 are no longer calibrated.

    Returns
    -------
    BinLoss
        Takes y of 0 or 1, and p from 0 to 1.

    Raises
    ------
    InputError
        If the weight is not above 0.
    """
    if not 0 < positive_weight < math.inf:
        raise InputError(f"positive_weight is {positive_weight}: choose a number above 0; 1 weighs both classes alike")
    return BinLoss("binary_crossentropy", positive_weight=float(positive_weight))


def focal(gamma: float = 2.0, alpha: float = 0.25) -> BinLoss:
    """Focal loss: cross-entropy in which examples already told right count little, mean of -alpha (1 - p)^gamma log(p).

    Parameters
    ----------
    gamma : float
        0 or more; 0 is a weighted cross-entropy.
    alpha : float
        Weight of label 1, between 0 and 1; label 0 has 1 - alpha.

    Returns
    -------
    BinLoss
        Takes y of 0 or 1, and probabilities of label 1 from 0 to 1; in the formula p is the probability given to the true label.

    Raises
    ------
    InputError
        If an option is impossible.

    Notes
    -----
    Lin et al. 2017, Eq. 5, with its defaults; there the sum is divided by the number of positives, here by the number of labels.
    """
    if not 0 <= gamma < math.inf:
        raise InputError(f"gamma is {gamma}: choose 0 or more, 2 in the original")
    if not 0 < alpha < 1:
        raise InputError(f"alpha is {alpha}: choose a number between 0 and 1, 0.25 in the original")
    return BinLoss("focal", gamma=float(gamma), alpha=float(alpha))


def categorical_crossentropy() -> BinLoss:
    """Categorical cross-entropy over tracks: mean over bins of -sum of y log(p).

    Returns
    -------
    BinLoss
        Takes a y per track whose sum is 1, and predictions of 0 or more, which are divided by their sum over tracks.
    """
    return BinLoss("categorical_crossentropy")


def _weight(weight: float) -> float:
    """Give the weight of a second term, or raise unless it is 0 or more."""
    if not 0 <= weight < math.inf:
        raise InputError(f"weight is {weight}: choose 0 or more")
    return float(weight)


def _over(over: str) -> str:
    """Give what a correlation is taken over, or raise."""
    if over not in get_args(Over):
        raise InputError(f"over is {over!r}: choose sequence or batch")
    return over
