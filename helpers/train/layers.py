"""The blocks that the models are built from: one-hot inside the model, convolutions, dilated residual blocks, bins, heads.

Every block is made of Keras's own layers and of `OneHot`, which is registered, so a model is saved and loaded without Python code in its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.errors import InputError
from helpers.train.backend import keras
from helpers.train.sizes import per_layer, starting_bias

PACKAGE = "helpers"
BASES = 4
NORM_MOMENTUM = 0.9  # Keras's 0.99 needs hundreds of steps to forget the start; a fit here has a few hundred an epoch
HEAD_FILTERS = 16  # of a track's own block
HEAD_UNITS = 64  # the same where heads are dense


@keras.saving.register_keras_serializable(package=PACKAGE)
class OneHot(keras.layers.Layer):
    """Turn codes into one-hot rows: A, C, G, T = 0..3; any other code is a row of zeros.

    Takes codes of shape (..., length) and gives (..., length, 4) in the layer's floating-point type.
    """

    def call(self, codes: Any) -> Any:
        """Compare each code with 0, 1, 2 and 3."""
        bases = keras.ops.convert_to_tensor(np.arange(BASES), dtype=keras.backend.standardize_dtype(codes.dtype))
        return keras.ops.cast(keras.ops.equal(keras.ops.expand_dims(codes, -1), bases), self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Append the axis of the four bases."""
        return (*input_shape, BASES)


def codes_input(window: int) -> tuple[Any, Any]:
    """Make a model's input of uint8 codes, and the one-hot rows made of it."""
    codes = keras.Input((window,), dtype="uint8", name="codes")
    return codes, OneHot(name="one_hot")(codes)


def normalise(x: Any, name: str) -> Any:
    """Standardise each channel over the batch (Ioffe & Szegedy 2015)."""
    return keras.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=f"{name}_norm")(x)


def conv_block(x: Any, filters: int, width: int, *, pool: int, activation: str, dropout: float, name: str) -> Any:
    """Convolution, max-pooling, batch normalisation, activation, dropout.

    Parameters
    ----------
    x : tensor, shape (batch, length, channels)
    filters, width : int
        Number of filters and their width in positions.
    pool : int
        How many neighbouring positions become one; 1 for none.
    activation : str
        Name of a Keras activation.
    dropout : float
        Share of values set to 0 in training.
    name : str
        Of the block; layers are called NAME_conv, NAME_pool, NAME_norm, NAME_activation, NAME_dropout.

    Returns
    -------
    tensor, shape (batch, length // pool, filters)

    Notes
    -----
    The usual order pools last. The largest of eight numbers stays the largest under an increasing function, so pooling first gives the same as
    long as the normalisation's scale is positive, with an eighth of the work for normalisation and activation.

    Normalisation stands directly before the activation, because an exponential multiplies: a filter whose output drifts from 3 to 9 would
    grow 400-fold and its gradient with it. Standardised, a typical value is exp(0) = 1 whatever the weights are (Koo & Ploenzke 2021 place
    it there too).
    """
    x = keras.layers.Conv1D(filters, width, padding="same", use_bias=False, name=f"{name}_conv")(x)
    if pool > 1:
        x = keras.layers.MaxPooling1D(pool, name=f"{name}_pool")(x)
    return activate(normalise(x, name), activation, dropout, name)


def trunk(
    x: Any, filters: int | Sequence[int], widths: Sequence[int], pools: Sequence[int], activation: str, dropout: float
) -> Any:
    """Stack convolution blocks, called first, conv_2, conv_3, ...; the first has its own activation, the others ReLU."""
    sizes = [per_layer(name, value, len(widths)) for name, value in (("filters", filters), ("widths", widths), ("pools", pools))]
    for number, (count, width, pool) in enumerate(zip(*sizes, strict=True)):
        kind, name = (activation, "first") if number == 0 else ("relu", f"conv_{number + 1}")
        x = conv_block(x, count, width, pool=pool, activation=kind, dropout=dropout, name=name)
    return x


def dense_block(x: Any, units: int, *, activation: str, dropout: float, name: str) -> Any:
    """Dense layer, batch normalisation, activation, dropout: (batch, features) to (batch, units)."""
    x = keras.layers.Dense(units, use_bias=False, name=f"{name}_dense")(x)
    return activate(normalise(x, name), activation, dropout, name)


def activate(x: Any, activation: str, dropout: float, name: str) -> Any:
    """Apply an activation by its Keras name, and dropout where there is some."""
    x = keras.layers.Activation(activation, name=f"{name}_activation")(x)
    return keras.layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x


def residual_block(x: Any, *, dilation: int, dropout: float, name: str, width: int = 3) -> Any:
    """Add to x what a dilated convolution makes of it: ReLU, convolution, batch normalisation, dropout, sum.

    Parameters
    ----------
    x : tensor, shape (batch, length, channels)
    dilation : int
        Distance between the positions that a filter reads; 1 for neighbours.
    dropout : float
        Share of values set to 0 in training.
    name : str
        Of the block.
    width : int
        Positions that a filter reads.

    Returns
    -------
    tensor, shape (batch, length, channels)

    Notes
    -----
    After Kelley et al. 2018 (Basenji) with one convolution of full depth in place of a wide one of half depth and a narrow one.
    """
    y = keras.layers.Activation("relu", name=f"{name}_activation")(x)
    y = keras.layers.Conv1D(x.shape[-1], width, padding="same", dilation_rate=dilation, use_bias=False, name=f"{name}_conv")(y)
    y = normalise(y, name)
    if dropout:
        y = keras.layers.Dropout(dropout, name=f"{name}_dropout")(y)
    return keras.layers.Add(name=f"{name}_sum")([x, y])


def plain_residual_block(x: Any, *, dilation: int, dropout: float, name: str, width: int = 3) -> Any:
    """Add to x the ReLU of its dilated convolution, without normalisation (Avsec et al. 2021, BPNet); arguments as `residual_block`."""
    y = keras.layers.Conv1D(
        x.shape[-1], width, padding="same", dilation_rate=dilation, activation="relu", name=f"{name}_conv"
    )(x)  # fmt: skip
    if dropout:
        y = keras.layers.Dropout(dropout, name=f"{name}_dropout")(y)
    return keras.layers.Add(name=f"{name}_sum")([x, y])


def to_bins(x: Any, factor: int, name: str = "bins") -> Any:
    """Average `factor` neighbouring positions, so that one is left for each bin: (batch, length, channels) to (batch, length // factor, ...)."""
    return x if factor == 1 else keras.layers.AveragePooling1D(factor, name=name)(x)


def heads(
    x: Any, tracks: int, *, output: str, kind: str, width: int = 1, initial_rate: float | Sequence[float] | None = None
) -> Any:
    """Turn features into predictions, one channel for each track.

    Parameters
    ----------
    x : tensor, shape (batch, positions, channels)
    tracks : int
        Number of tracks.
    output : {"softplus", "linear", "sigmoid"}
        Softplus for rates (never negative), linear for transformed signal, sigmoid for probabilities.
    kind : {"shared", "per task"}
        One linear layer on shared features; or, for each track, a convolution block of its own and a linear layer on that (Toneyan et al.
        2022, Methods). Without the block the two would be the same function.
    width : int
        Positions that a head reads.
    initial_rate : float or sequence of float, optional
        What a new model predicts (`starting_bias`).

    Returns
    -------
    tensor, shape (batch, positions, tracks)

    Notes
    -----
    The last weights start small (a tenth of the usual spread), so that a new model predicts nearly `initial_rate` everywhere.
    """
    bias = starting_bias(output, initial_rate, tracks)
    if kind == "shared":
        return keras.layers.Activation(output, name="output")(_linear(x, width, bias, "head"))
    each = []
    for track in range(tracks):
        name = f"head_{track}"
        hidden = conv_block(x, HEAD_FILTERS, max(width, 3), pool=1, activation="relu", dropout=0.0, name=name)
        each.append(_linear(hidden, 1, bias[track : track + 1], name))
    return _join(each, output)


def dense_heads(
    x: Any, bins: int, tracks: int, *, output: str, kind: str, initial_rate: float | Sequence[float] | None = None
) -> Any:
    """Turn one vector for the window into predictions for all bins: a weight for each pair of a feature and a bin.

    Parameters
    ----------
    x : tensor, shape (batch, features)
    bins, tracks : int
    output, kind, initial_rate
        As for `heads`; a track's own block is a dense one.

    Returns
    -------
    tensor, shape (batch, bins, tracks)
    """
    bias = starting_bias(output, initial_rate, tracks)
    if kind == "shared":
        values = keras.layers.Dense(bins * tracks, name="head_linear", **_start(np.tile(bias, bins)))(x)
        joined = keras.layers.Reshape((bins, tracks), name="bins")(values)
        return keras.layers.Activation(output, name="output")(joined)
    each = []
    for track in range(tracks):
        name = f"head_{track}"
        hidden = dense_block(x, HEAD_UNITS, activation="relu", dropout=0.0, name=name)
        values = keras.layers.Dense(bins, name=f"{name}_linear", **_start(np.tile(bias[track], bins)))(hidden)
        each.append(keras.layers.Reshape((bins, 1), name=f"{name}_bins")(values))
    return _join(each, output)


def first_layer(model: keras.Model, *, activated: bool = True) -> keras.Model:
    """Show what the first-layer filters say about every base, before pooling: what motifs are read from.

    Parameters
    ----------
    model : keras.Model
        Any of `models` but `mlp`.
    activated : bool
        Whether to apply the activation; else what it is given.

    Returns
    -------
    keras.Model
        uint8 codes (batch, window) to float32 (batch, window, filters), sharing the model's weights.

    Raises
    ------
    InputError
        If the model has no convolution that reads the sequence.
    """
    names = {layer.name for layer in model.layers}
    if "first_conv" not in names:
        raise InputError(f"model {model.name!r} has no first_conv layer: give one whose first layer is a convolution")
    x = model.get_layer("one_hot").output
    for name in ("first_conv", "first_norm", *(["first_activation"] if activated else [])):
        x = model.get_layer(name)(x)
    return keras.Model(model.input, x, name="first_layer")


def _join(each: list[Any], output: str) -> Any:
    """Put the tracks' heads side by side and apply the output's activation."""
    joined = keras.layers.Concatenate(name="heads")(each) if len(each) > 1 else each[0]
    return keras.layers.Activation(output, name="output")(joined)


def _linear(x: Any, width: int, bias: np.ndarray, name: str) -> Any:
    """Linear layer over neighbouring positions, one channel for each bias."""
    return keras.layers.Conv1D(len(bias), width, padding="same", name=f"{name}_linear", **_start(bias))(x)


def _start(bias: np.ndarray) -> dict[str, Any]:
    """Say where a last layer starts: small weights, and these biases."""
    small = keras.initializers.VarianceScaling(0.01, mode="fan_avg", distribution="uniform")
    values = bias.tolist() if len(set(bias)) > 1 else float(bias[0])
    return {"kernel_initializer": small, "bias_initializer": keras.initializers.Constant(values)}
