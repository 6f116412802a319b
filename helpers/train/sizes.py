"""A model's sizes and options, checked before anything is built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from helpers.errors import InputError

FirstActivation = Literal["exponential", "relu"]
Output = Literal["softplus", "linear", "sigmoid"]
Heads = Literal["shared", "per task"]


def check_options(window: int, bin_size: int, tracks: int, *, activation: str, output: str, heads: str, dropout: float) -> None:
    """Raise unless the options that all models share can be used.

    Parameters
    ----------
    window, bin_size : int
        In bp; bins fill the window.
    tracks : int
        At least 1.
    activation, output, heads : str
        One of the names that `FirstActivation`, `Output` and `Heads` list.
    dropout : float
        From 0 to below 1.

    Raises
    ------
    InputError
        Naming the option, its value and what it can be.
    """
    for name, size in (("window", window), ("bin_size", bin_size), ("tracks", tracks)):
        if size < 1:
            raise InputError(f"{name} is {size}: choose 1 or more")
    if window % bin_size:
        raise InputError(f"window is {window} bp and bin_size {bin_size} bp: choose a bin size that divides the window")
    for name, value, kind in (("activation", activation, FirstActivation), ("output", output, Output), ("heads", heads, Heads)):
        if value not in get_args(kind):
            raise InputError(f"{name} is {value!r}: choose {' or '.join(repr(choice) for choice in get_args(kind))}")
    if not 0 <= dropout < 1:
        raise InputError(f"dropout is {dropout}: it is a share from 0 to below 1")


def per_layer(name: str, value: int | Sequence[int], layers: int) -> tuple[int, ...]:
    """Give each layer its number, at least 1: one for all, or a sequence of as many as there are layers."""
    numbers = (value,) * layers if isinstance(value, int) else tuple(value)
    if len(numbers) != layers or any(number < 1 for number in numbers):
        raise InputError(f"{name} is {value}: give one number, 1 or more, or {layers} of them, one for each layer")
    return numbers


def pooled_bins(bin_size: int, pools: Sequence[int]) -> int:
    """Find how many positions of the trunk make a bin.

    Parameters
    ----------
    bin_size : int
        In bp.
    pools : sequence of int
        Pool size of each convolution; their product is the stride, the bp from one position of the trunk to the next.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If a bin is no whole number of positions.
    """
    stride = math.prod(pools)
    if bin_size % stride:
        raise InputError(
            f"bin_size is {bin_size} bp, but pools={tuple(pools)} leave one position each {stride} bp: "
            f"choose a multiple of {stride} bp, or smaller pools whose product divides {bin_size}"
        )
    return bin_size // stride


def dilations(blocks: int, dilated: bool) -> tuple[int, ...]:
    """Give each residual block its dilation: 2, 4, 8, ..., or 1 for all; raises where `blocks` is negative."""
    if blocks < 0:
        raise InputError(f"blocks is {blocks}: choose 0 or more")
    return tuple(2**number if dilated else 1 for number in range(1, blocks + 1))


def starting_bias(output: str, initial_rate: float | Sequence[float] | None, tracks: int) -> np.ndarray:
    """Find the bias with which a new model predicts a given value.

    Parameters
    ----------
    output : {"softplus", "linear", "sigmoid"}
        What is applied to the last layer's sum.
    initial_rate : float or sequence of float, optional
        What to predict before training, for all tracks or for each, in units of the target; its mean is a good choice.
    tracks : int

    Returns
    -------
    float64 array, shape (tracks,)
        0 where no rate is given.

    Raises
    ------
    InputError
        If there are not as many rates as tracks, or a rate is no possible output.
    """
    if initial_rate is None:
        return np.zeros(tracks)
    rates = np.atleast_1d(np.asarray(initial_rate, float))
    if rates.ndim != 1 or len(rates) not in (1, tracks):
        raise InputError(f"initial_rate has {rates.size} values: give one number, or one for each of the {tracks} tracks")
    low, high = {"softplus": (0.0, math.inf), "sigmoid": (0.0, 1.0), "linear": (-math.inf, math.inf)}[output]
    if not ((rates > low) & (rates < high)).all():
        raise InputError(f"initial_rate is {initial_rate}: a {output} output lies between {low:g} and {high:g}, ends excluded")
    if output == "softplus":
        rates = rates + np.log(-np.expm1(-rates))  # log(exp(rate) - 1) without overflow
    elif output == "sigmoid":
        rates = np.log(rates) - np.log1p(-rates)
    return np.broadcast_to(rates, (tracks,)).copy()
