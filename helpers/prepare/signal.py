"""From reads to the numbers that a model learns: coverage, fold change, -log10 p, and exact means over bins."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np

from helpers.errors import InputError
from helpers.files.bigwig import chrom_lengths
from helpers.files.chroms import check_window, resolve_name
from helpers.prepare.binning import bin_means
from helpers.prepare.blocks import BlockReader
from helpers.prepare.coverage import (
    cut_sites,
    fold_change,
    fragment_coverage,
    local_lambda,
    poisson_neglog10p,
    write_coverage_bigwig,
)

__all__ = [
    "Treated",
    "arcsinh",
    "arcsinh_inverse",
    "bin_signal",
    "cut_sites",
    "fold_change",
    "fragment_coverage",
    "local_lambda",
    "poisson_neglog10p",
    "treat_missing",
    "write_coverage_bigwig",
]

log = logging.getLogger(__name__)

Uncovered = Literal["missing", "zero"]
MissingPolicy = Literal["keep", "zero", "drop"]


def bin_signal(
    path: str | Path,
    chrom: str,
    bin_size: int,
    *,
    start: int = 0,
    end: int | None = None,
    uncovered: Uncovered = "missing",
    aliases: Mapping[str, str] | None = None,
) -> np.ndarray:
    """Average a bigWig track over equal bins, exactly: from its intervals, never from its zoom summaries.

    Parameters
    ----------
    path : path
        The bigWig file.
    chrom : str
        Chromosome, by its name in the file or by an alias.
    bin_size : int
        Width of a bin in bp.
    start, end : int
        The interval to read, 0-based and half-open; the whole chromosome by default. Bins are counted from `start`.
    uncovered : {"missing", "zero"}
        What a base that no interval covers is: left out of the mean, or a 0 that counts. A file that leaves zeros out (coverage) wants
        "zero"; a file that covers what could be measured wants "missing". An interval whose value is NaN is missing under both.
    aliases : mapping, optional
        Other names of chromosomes.

    Returns
    -------
    float32 array, shape (ceil((end - start) / bin_size),)
        The last bin may be partial and is the mean of what it covers. NaN where a bin has no base to average.

    Raises
    ------
    InputError
        If the file cannot be read, does not have the chromosome, or the interval or bin size is impossible.
    """
    _check_choice("uncovered", uncovered, get_args(Uncovered))
    if bin_size < 1:
        raise InputError(f"bin_size is {bin_size}: a bin has at least 1 bp")
    lengths = chrom_lengths(path)
    name = resolve_name(chrom, lengths, aliases, str(path))
    stop = check_window(str(path), lengths, name, start, end)
    with BlockReader(path) as blocks:
        return bin_means(blocks, name, start, stop, bin_size, zero=uncovered == "zero")


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise where an argument is none of its choices."""
    if value not in choices:
        raise InputError(f"{what} is {value!r}: choose one of {', '.join(choices)}")


class Treated(NamedTuple):
    """Values after the treatment of missing ones: the `values`, how many bins were `missing`, and which bins were `kept`."""

    values: np.ndarray
    missing: int
    kept: np.ndarray


def treat_missing(values: np.ndarray, policy: MissingPolicy) -> Treated:
    """Say what becomes of bins without a number, and how many there are.

    Parameters
    ----------
    values : float array, shape (bins,) or (bins, tracks)
        Binned signal; a bin is missing where any of its tracks is NaN.
    policy : {"keep", "zero", "drop"}
        Leave NaN in place, put 0, or leave those bins out.

    Returns
    -------
    Treated
        `values`, a new array; `missing`, the number of bins; `kept`, bool, shape (bins,).

    Raises
    ------
    InputError
        If the policy is none of these.
    """
    _check_choice("policy", policy, get_args(MissingPolicy))
    unknown = np.isnan(values)
    bins = unknown.reshape(len(values), -1).any(axis=1)
    log.info("%s of %s bins are missing: %s", f"{int(bins.sum()):,}", f"{len(values):,}", policy)
    kept = ~bins if policy == "drop" else np.ones(len(values), bool)
    treated = np.where(unknown, 0, values).astype(values.dtype) if policy == "zero" else values[kept]
    return Treated(treated, int(bins.sum()), kept)


def arcsinh(values: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Compress large values: asinh(x / scale), linear near 0 and logarithmic far from it, defined at 0 and below; NaN stays.

    Parameters
    ----------
    values : float array
        Signal.
    scale : float
        Where the bend lies, in the units of `values`.

    Returns
    -------
    array
        Same shape and dtype.
    """
    return np.arcsinh(values / scale).astype(values.dtype, copy=False)


def arcsinh_inverse(values: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Undo `arcsinh`: sinh(x) * scale, of the same shape and dtype."""
    return (np.sinh(values) * scale).astype(values.dtype, copy=False)
