"""From aligned fragments to tracks: coverage, cut sites, what was expected, fold change, -log10 p, and the bigWig file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from helpers.errors import InputError
from helpers.files.bigwig import write_bigwig
from helpers.files.runs import value_runs


def fragment_coverage(fragments: pd.DataFrame, chrom: str, length: int) -> np.ndarray:
    """Count the fragments over each base of a chromosome.

    One is added where a fragment starts and taken away where it ends; the running sum is the coverage.

    Parameters
    ----------
    fragments : DataFrame
        Columns `chrom`, `start`, `end`.
    chrom : str
        Chromosome; one without fragments has coverage 0.
    length : int
        Of the chromosome, in bp.

    Returns
    -------
    int32 array, shape (length,)

    Raises
    ------
    InputError
        If a fragment leaves the chromosome or is empty.
    """
    starts, ends = _fragments_of(fragments, chrom, length)
    steps = np.bincount(starts, minlength=length + 1) - np.bincount(ends, minlength=length + 1)
    return np.cumsum(steps[:length], dtype=np.int32)


def cut_sites(fragments: pd.DataFrame, chrom: str, length: int) -> np.ndarray:
    """Count the transposase cuts at each base: one 4 bp inside a fragment's start, one 5 bp inside its end.

    Tn5 duplicates 9 bp between its two nicks, so the centre of the event lies inside the fragment (Buenrostro et al. 2013,
    doi:10.1038/nmeth.2688: +4 and -5).

    Parameters
    ----------
    fragments, chrom, length
        As for `fragment_coverage`.

    Returns
    -------
    int32 array, shape (length,)
        A cut that would lie outside the chromosome is left out.

    Raises
    ------
    InputError
        If a fragment leaves the chromosome or is empty.
    """
    starts, ends = _fragments_of(fragments, chrom, length)
    cuts = np.concatenate([starts + 4, ends - 5])
    return np.bincount(cuts[(cuts >= 0) & (cuts < length)], minlength=length).astype(np.int32)


def _fragments_of(fragments: pd.DataFrame, chrom: str, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Take the starts and ends of a chromosome's fragments, checked."""
    here = fragments.loc[fragments["chrom"] == chrom]
    starts, ends = here["start"].to_numpy(np.int64), here["end"].to_numpy(np.int64)
    wrong = np.flatnonzero((starts < 0) | (ends > length) | (ends <= starts))
    if len(wrong):
        first = f"{chrom}:{starts[wrong[0]]}-{ends[wrong[0]]}"
        raise InputError(
            f"{len(wrong):,} fragments, the first {first}, do not lie in {chrom} of {length:,} bp: is this the assembly they were aligned to?"
        )
    return starts, ends


def local_lambda(control: np.ndarray, background: float, windows: tuple[int, ...] = (1_000, 10_000)) -> np.ndarray:
    """Estimate the coverage expected at each base: the largest of the genome's mean and the control's means around the base.

    Zhang et al. 2008 (MACS, doi:10.1186/gb-2008-9-9-r137): lambda_local = max(lambda_BG, lambda_1k, lambda_5k, lambda_10k).

    Parameters
    ----------
    control : array, shape (length,)
        Coverage of the control library, scaled to the depth of the treatment. Without a control, the treatment itself: leave the small
        windows out then, because the peak would be its own background.
    background : float
        The genome's mean coverage.
    windows : tuple of int
        Widths in bp, centred on the base; at a chromosome's ends only what exists is averaged.

    Returns
    -------
    float64 array, shape (length,)
    """
    length = len(control)
    total = np.concatenate([[0.0], np.cumsum(control, dtype=np.float64)])
    expected = np.full(length, float(background))
    position = np.arange(length)
    for window in windows:
        low = np.maximum(position - window // 2, 0)
        high = np.minimum(position + window - window // 2, length)
        np.maximum(expected, (total[high] - total[low]) / (high - low), out=expected)
    return expected


def fold_change(treatment: np.ndarray, expected: np.ndarray, pseudocount: float = 0.0) -> np.ndarray:
    """Coverage over what was expected: (treatment + pseudocount) / (expected + pseudocount).

    Parameters
    ----------
    treatment, expected : array, shape (length,)
        In the same units; `expected` comes from `local_lambda`.
    pseudocount : float
        Keeps the ratio finite where nothing is expected.

    Returns
    -------
    float64 array, shape (length,)
        NaN where both are 0, infinite where only `expected` is.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.divide(np.asarray(treatment, float) + pseudocount, np.asarray(expected, float) + pseudocount)


def poisson_neglog10p(treatment: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """How surprising coverage is under a Poisson background: -log10 P(X > treatment), X ~ Poisson(expected).

    MACS asks for strictly more than was observed (Zhang et al. 2008, doi:10.1186/gb-2008-9-9-r137, and its code); the usual p-value
    P(X >= x) is that of x - 1. P(X > x) is the regularised lower incomplete gamma function of x + 1 at `expected`.

    Parameters
    ----------
    treatment : array, shape (length,)
        Coverage in fragments, not scaled.
    expected : array, shape (length,)
        From `local_lambda`, in the same units; above 0.

    Returns
    -------
    float64 array, shape (length,)
        Finite also where the probability itself is below the smallest float.

    Raises
    ------
    InputError
        If coverage is negative or the expectation is not above 0.
    """
    count, rate = np.broadcast_arrays(np.asarray(treatment, float), np.asarray(expected, float))
    if (count < 0).any() or (rate <= 0).any():
        raise InputError(
            "coverage below 0 or an expectation of 0 has no Poisson p-value: give counts, and a lambda above 0 from local_lambda"
        )
    tail = special.gammainc(count + 1, rate)
    tiny = tail < 1e-250
    result = -np.log10(np.where(tiny, 1.0, tail))
    if tiny.any():  # P(X > x) = pmf(x + 1) * 1F1(1; x + 2; rate)
        k, mean = count[tiny] + 1, rate[tiny]
        log_tail = k * np.log(mean) - mean - special.gammaln(k + 1) + np.log(special.hyp1f1(1, k + 1, mean))
        result[tiny] = -log_tail / np.log(10)
    return np.maximum(result, 0)


def write_coverage_bigwig(
    fragments: pd.DataFrame, lengths: Mapping[str, int], path: str | Path, *, kind: Literal["coverage", "cuts"] = "coverage"
) -> Path:
    """Write the coverage or the cut sites of fragments as a bigWig; bases without any are left out, as most tools do.

    Parameters
    ----------
    fragments : DataFrame
        Columns `chrom`, `start`, `end`.
    lengths : mapping
        Chromosome lengths in bp; every chromosome of the fragments must be there.
    path : path
        The file to write.
    kind : {"coverage", "cuts"}
        `fragment_coverage` or `cut_sites`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If a fragment's chromosome has no length, or a fragment leaves its chromosome.
    """
    if kind not in ("coverage", "cuts"):
        raise InputError(f"kind is {kind!r}: choose coverage or cuts")
    unknown = sorted(set(fragments["chrom"].unique()) - set(lengths))
    if unknown:
        raise InputError(
            f"fragments lie on {unknown[0]!r}, which is not among {', '.join(lengths)}: read them with aliases=, or give its length"
        )
    count = fragment_coverage if kind == "coverage" else cut_sites
    write_bigwig(path, lengths, {chrom: value_runs(count(fragments, chrom, length)) for chrom, length in lengths.items()})
    return Path(path)
