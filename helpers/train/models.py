"""The course's models: DNA codes in, a signal in bins out.

All are functions `(window, bin_size, tracks, *, ...)` that give a new, uncompiled `keras.Model`: uint8 codes (batch, window) to float32
predictions (batch, bins, tracks) with window // bin_size bins; a bin of the size of the window makes one. Codes become one-hot rows inside,
and any code but 0..3 a row of zeros. Weights are drawn from Keras's generator: call `seeding.seed_everything` first.

To read a saved model back, import this module and call `keras.saving.load_model`; the file holds no Python code.

Options that all share:

window, bin_size : int
    In bp; the bin size divides the window.
tracks : int
    Number of tracks.
filters : int or sequence of int
    Filters of each convolution (units of each dense layer in `mlp`), or one number for all of them. Fewer make a smaller, faster model.
activation : {"exponential", "relu"}
    After the first layer; ReLU everywhere else. Exponential makes first-layer filters read as motifs (Koo & Ploenzke 2021).
output : {"softplus", "linear", "sigmoid"}
    Softplus for rates, linear for transformed signal, sigmoid for probabilities.
heads : {"shared", "per task"}
    Whether each track has hidden layers of its own at the end.
dropout : float
    Share of values set to 0 after each hidden layer in training.
initial_rate : float or sequence of float, optional
    What the new model predicts, for all tracks or for each, in units of the target, such as the mean of the training targets.

All raise `InputError` where a size or an option is impossible.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from helpers.errors import InputError
from helpers.train import layers
from helpers.train.backend import keras
from helpers.train.sizes import FirstActivation, Heads, Output, check_options, dilations, per_layer, pooled_bins

Rates = float | Sequence[float] | None


def convolutional(
    window: int,
    bin_size: int,
    tracks: int,
    *,
    filters: int | Sequence[int] = (48, 64, 64),
    widths: Sequence[int] = (19, 11, 7),
    pools: Sequence[int] = (8, 2, 2),
    activation: FirstActivation = "exponential",
    output: Output = "softplus",
    heads: Heads = "shared",
    dropout: float = 0.0,
    initial_rate: Rates = None,
) -> keras.Model:
    """Build convolution and pooling in turn: Basset's trunk (Kelley et al. 2016) with bins in place of its dense layers.

    Parameters
    ----------
    window, bin_size, tracks, filters, activation, output, heads, dropout, initial_rate
        See the module. `bin_size` is a multiple of the product of `pools`.
    widths, pools : sequence of int
        Width of each convolution and how many positions are pooled after it; Basset has widths 19, 11, 7 and pools 3, 4, 4.

    Returns
    -------
    keras.Model
        Fully convolutional: an input moved by a bin gives predictions moved by a bin, but for the edges.
    """
    check_options(window, bin_size, tracks, activation=activation, output=output, heads=heads, dropout=dropout)
    factor = pooled_bins(bin_size, pools)
    codes, x = layers.codes_input(window)
    x = layers.trunk(x, filters, widths, pools, activation, dropout)
    x = layers.heads(layers.to_bins(x, factor), tracks, output=output, kind=heads, initial_rate=initial_rate)
    return keras.Model(codes, x, name="convolutional")


def residual_dilated(
    window: int,
    bin_size: int,
    tracks: int,
    *,
    filters: int | Sequence[int] = (48, 64),
    widths: Sequence[int] = (19, 7),
    pools: Sequence[int] = (8, 4),
    blocks: int = 3,
    dilated: bool = True,
    activation: FirstActivation = "exponential",
    output: Output = "softplus",
    heads: Heads = "shared",
    dropout: float = 0.0,
    initial_rate: Rates = None,
) -> keras.Model:
    """Build convolutions, pooling, then residual blocks whose dilation doubles, after Basenji (Kelley et al. 2018).

    Parameters
    ----------
    window, bin_size, tracks, filters, activation, output, heads, dropout, initial_rate
        See the module. `bin_size` is a multiple of the product of `pools`.
    widths, pools : sequence of int
        Width of each convolution before the blocks, and how many positions are pooled after it.
    blocks : int
        Number of residual blocks; each keeps the last number of filters.
    dilated : bool
        Whether block k reads positions 2 ** k apart; else all read neighbours, with as many weights and a shorter reach.

    Returns
    -------
    keras.Model
        Fully convolutional.
    """
    check_options(window, bin_size, tracks, activation=activation, output=output, heads=heads, dropout=dropout)
    factor = pooled_bins(bin_size, pools)
    rates = dilations(blocks, dilated)
    codes, x = layers.codes_input(window)
    x = layers.trunk(x, filters, widths, pools, activation, dropout)
    for number, rate in enumerate(rates, 1):
        x = layers.residual_block(x, dilation=rate, dropout=dropout, name=f"block_{number}")
    x = keras.layers.Activation("relu", name="features")(x)
    x = layers.heads(layers.to_bins(x, factor), tracks, output=output, kind=heads, initial_rate=initial_rate)
    return keras.Model(codes, x, name="residual_dilated")


def bpnet_like(
    window: int,
    bin_size: int,
    tracks: int,
    *,
    filters: int = 32,
    width: int = 25,
    blocks: int = 6,
    head_width: int = 25,
    dilated: bool = True,
    activation: FirstActivation = "exponential",
    output: Output = "softplus",
    heads: Heads = "shared",
    dropout: float = 0.0,
    initial_rate: Rates = None,
) -> keras.Model:
    """Build a model of base resolution whose predictions are averaged in bins, after BPNet (Avsec et al. 2021; Toneyan et al. 2022).

    Parameters
    ----------
    window, bin_size, tracks, filters, activation, output, heads, dropout, initial_rate
        See the module. There is no pooling before the output, so any bin size that divides the window will do.
    width, head_width : int
        Width of the first convolution and of the one that predicts; 25 in the paper.
    blocks : int
        Number of residual blocks; nine in the paper, whose filters are 64.
    dilated : bool
        Whether block k reads bases 2 ** k apart; else all read neighbours.

    Returns
    -------
    keras.Model
        Fully convolutional. Unlike the paper's it has no output for total counts, and it normalises twice: before the first activation, and
        what the blocks have summed up, without which it learned almost nothing in five epochs at the course's learning rate.
    """
    check_options(window, bin_size, tracks, activation=activation, output=output, heads=heads, dropout=dropout)
    rates = dilations(blocks, dilated)
    codes, x = layers.codes_input(window)
    x = layers.trunk(x, filters, (width,), (1,), activation, dropout)
    for number, rate in enumerate(rates, 1):
        x = layers.plain_residual_block(x, dilation=rate, dropout=dropout, name=f"block_{number}")
    x = layers.activate(layers.normalise(x, "last"), "relu", 0.0, "last")
    x = layers.heads(x, tracks, output=output, kind=heads, width=head_width, initial_rate=initial_rate)
    return keras.Model(codes, layers.to_bins(x, bin_size), name="bpnet_like")


def dense_head(
    window: int,
    bin_size: int,
    tracks: int,
    *,
    filters: int | Sequence[int] = (48, 64, 64),
    widths: Sequence[int] = (19, 11, 7),
    pools: Sequence[int] = (8, 4, 2),
    bottleneck: int | None = None,
    activation: FirstActivation = "exponential",
    output: Output = "softplus",
    heads: Heads = "shared",
    dropout: float = 0.0,
    initial_rate: Rates = None,
) -> keras.Model:
    """Build convolutions, then a dense layer from all positions to all bins, after the CNN baseline of Toneyan et al. 2022 (GOPHER).

    Parameters
    ----------
    window, bin_size, tracks, filters, activation, output, heads, dropout, initial_rate
        See the module. `window` is a multiple of the product of `pools`; the bin size need not be.
    widths, pools : sequence of int
        Width of each convolution, and how many positions are pooled after it.
    bottleneck : int, optional
        Units of a dense layer through which everything passes first, as in the paper. None by default: with one, a small model
        learned almost nothing of the simulated coverage in five epochs.

    Returns
    -------
    keras.Model
        It knows positions: what it learned at the middle of a window it has not learned for the edge.
    """
    check_options(window, bin_size, tracks, activation=activation, output=output, heads=heads, dropout=dropout)
    if window % math.prod(pools):
        raise InputError(
            f"window is {window} bp: choose a multiple of {math.prod(pools)} bp, the product of pools={tuple(pools)}, or other pools"
        )
    codes, x = layers.codes_input(window)
    x = layers.trunk(x, filters, widths, pools, activation, dropout)
    x = keras.layers.Flatten(name="flat")(x)
    for units in () if bottleneck is None else per_layer("bottleneck", bottleneck, 1):
        x = layers.dense_block(x, units, activation="relu", dropout=dropout, name="bottleneck")
    x = layers.dense_heads(x, window // bin_size, tracks, output=output, kind=heads, initial_rate=initial_rate)
    return keras.Model(codes, x, name="dense_head")


def mlp(
    window: int,
    bin_size: int,
    tracks: int,
    *,
    filters: int | Sequence[int] = (64,),
    activation: FirstActivation = "relu",
    output: Output = "softplus",
    heads: Heads = "shared",
    dropout: float = 0.0,
    initial_rate: Rates = None,
) -> keras.Model:
    """Build dense layers on the flattened one-hot window: no weight is shared between positions, the baseline that convolution must beat.

    Parameters
    ----------
    window, bin_size, tracks, filters, activation, output, heads, dropout, initial_rate
        See the module; `filters` are the units of the hidden layers, as many layers as numbers.

    Returns
    -------
    keras.Model
    """
    check_options(window, bin_size, tracks, activation=activation, output=output, heads=heads, dropout=dropout)
    units = per_layer("filters", filters, 1 if isinstance(filters, int) else max(len(filters), 1))
    codes, x = layers.codes_input(window)
    x = keras.layers.Flatten(name="flat")(x)
    for number, width in enumerate(units):
        kind, name = (activation, "first") if number == 0 else ("relu", f"dense_{number + 1}")
        x = layers.dense_block(x, width, activation=kind, dropout=dropout, name=name)
    x = layers.dense_heads(x, window // bin_size, tracks, output=output, kind=heads, initial_rate=initial_rate)
    return keras.Model(codes, x, name="mlp")


MODELS: dict[str, Callable[..., keras.Model]] = {
    build.__name__: build for build in (convolutional, residual_dilated, bpnet_like, dense_head, mlp)
}
MODEL_NAMES = tuple(MODELS)


def model_named(name: str, **options: Any) -> keras.Model:
    """Build a model by its name, as a tuning configuration or a command line gives it.

    Parameters
    ----------
    name : str
        One of `MODEL_NAMES`.
    **options
        What the function of that name takes; `window`, `bin_size` and `tracks` are needed.

    Returns
    -------
    keras.Model

    Raises
    ------
    InputError
        If the name is unknown, or an option is unknown or lacking.
    """
    if name not in MODELS:
        near = get_close_matches(name, MODEL_NAMES, 1, 0.4)
        raise InputError(f"model {name!r} does not exist: choose {near[0] if near else ', '.join(MODEL_NAMES)}")
    known = inspect.signature(MODELS[name]).parameters
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"model {name!r} has no option {unknown[0]!r}: it has {', '.join(known)}")
    lacking = [option for option in ("window", "bin_size", "tracks") if option not in options]
    if lacking:
        raise InputError(f"model {name!r} needs {lacking[0]}: give {lacking[0]}=")
    return MODELS[name](**options)
