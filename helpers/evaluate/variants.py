"""Effects of single-base variants: the signal that a model predicts with the alternative allele, against that with the reference.

A table of variants has the columns `chrom`, `start` (0-based, as everywhere here: the POS of a VCF minus 1), `ref` and `alt`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.aligned import WINDOWS_AT_ONCE, Predict, check_prediction
from helpers.evaluate.averaging import both_strands, shift_averaged
from helpers.evaluate.readout import check_selection, log_signal
from helpers.files.fasta import Genome
from helpers.files.sequence import BASES, decode, encode
from helpers.files.table_text import first_wrong
from helpers.files.vcf import read_vcf
from helpers.prepare.tables import keep

__all__ = ["Alleles", "allele_signals", "is_substitution", "read_vcf", "score_variants"]

log = logging.getLogger(__name__)

VARIANTS_AT_ONCE = WINDOWS_AT_ONCE // 2  # both alleles go into one call
COLUMNS = ["chrom", "start", "ref", "alt"]
SHOWN = 5  # variants listed in a message

Indels = Literal["refuse", "drop"]
ShiftBy = Literal["bins", "bases"]


class Alleles(NamedTuple):
    """Mean signal with each allele: two float64 arrays, shape (variants, tracks)."""

    reference: np.ndarray
    alternative: np.ndarray


def is_substitution(variants: pd.DataFrame) -> np.ndarray:
    """Tell which variants put one of A, C, G, T in place of another: bool array, shape (variants,)."""
    ref, alt = variants["ref"].str.upper(), variants["alt"].str.upper()
    return np.asarray(ref.isin(list(BASES)) & alt.isin(list(BASES)) & (ref != alt), bool)


def score_variants(
    predict: Predict,
    genome: Genome,
    variants: pd.DataFrame,
    *,
    window: int,
    bin_size: int,
    track: int | None = None,
    indels: Indels = "refuse",
    shifts: int | None = None,
    rng: np.random.Generator | int | None = None,
    shift_by: ShiftBy = "bins",
    common: int | None = None,
    strands: bool = True,
    stranded: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Score variants by the log ratio of the signal with the alternative and with the reference allele (Toneyan et al. 2022, Methods).

    Parameters
    ----------
    predict, genome, window, bin_size, shifts, rng, shift_by, common, strands, stranded
        As in `allele_signals`.
    variants : DataFrame
        Columns `chrom`, `start` (0-based), `ref`, `alt`, and any others.
    track : int, optional
        Which track; by default the mean of all.
    indels : "refuse" or "drop"
        What to do with variants that are not a change of one base. Dropped ones are counted in the log and in `filter_counts` of the result.

    Returns
    -------
    DataFrame
        The variants scored, with their columns, and `reference` and `alternative` (mean signal) and `log_ratio` (natural logarithm of
        alternative / reference).

    Raises
    ------
    InputError
        As `allele_signals`, and if a variant is no change of one base and `indels` is "refuse", or a signal is not above 0.
    """
    if indels not in get_args(Indels):
        raise InputError(f"indels is {indels!r}: choose one of {', '.join(get_args(Indels))}")
    _check_columns(variants)
    single = is_substitution(variants)
    if not single.all():
        others = f"{(~single).sum():,} of {len(single):,} variants are not a change of one base for another: {_listed(variants[~single])}"
        if indels == "refuse":
            raise InputError(f"{others}; leave them out, or set indels='drop'")
        log.warning("%s; dropped", others)
    kept = keep(variants, single, "changes of one base")
    found = allele_signals(
        predict, genome, kept, window=window, bin_size=bin_size, shifts=shifts, rng=rng,
        shift_by=shift_by, common=common, strands=strands, stranded=stranded,
    )  # fmt: skip
    check_selection(1, found.reference.shape[1], track, None)
    reference, alternative = (signal.mean(axis=1) if track is None else signal[:, track] for signal in found)
    return kept.assign(reference=reference, alternative=alternative, log_ratio=log_signal(alternative) - log_signal(reference))


def allele_signals(
    predict: Predict,
    genome: Genome,
    variants: pd.DataFrame,
    *,
    window: int,
    bin_size: int,
    shifts: int | None = None,
    rng: np.random.Generator | int | None = None,
    shift_by: ShiftBy = "bins",
    common: int | None = None,
    strands: bool = True,
    stranded: Sequence[int] | None = None,
) -> Alleles:
    """Predict the signal around each variant with either allele.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    genome : Genome
        The assembly that the variants are given in.
    variants : DataFrame
        Columns `chrom`, `start` (0-based), `ref` and `alt`, single bases.
    window, bin_size : int
        Of the model, in bp.
    shifts : int, optional
        How many windows to draw around a variant, the same for both alleles, and to average: 20 in Toneyan et al. 2022. By default there is
        one window, with the variant at base window // 2.
    rng : Generator or int, optional
        Needed for `shifts`.
    shift_by : "bins" or "bases"
        Steps in which windows move. A prediction moved by single bases is laid over the others as if it were constant within a bin.
    common : int, optional
        How much of the middle to average over, in bp. By default the whole window; with `shifts` half of it, the part that all of them
        cover: windows begin up to window - common apart.
    strands : bool
        Whether to average the predictions of both strands.
    stranded : sequence of int, shape (tracks,), optional
        As in `both_strands`.

    Returns
    -------
    Alleles

    Raises
    ------
    InputError
        If there is no variant, a reference allele is not in the genome, what the windows cover runs past an end of a chromosome, sizes do not
        fit each other, or the predictions have another shape.
    """
    middle = _middle(window, bin_size, common, shifts, shift_by)
    if shifts is not None and rng is None:
        raise InputError(f"shifts is {shifts}, but there is no rng to draw them: give a seed or a Generator")
    extended = window if shifts is None else 2 * window - middle
    table = _checked(genome, variants, extended)
    view = partial(both_strands, predict, stranded=stranded) if strands else predict
    generator = np.random.default_rng(rng)
    signals: list[np.ndarray] = []
    order = _in_order(table)
    for low in range(0, len(order), VARIANTS_AT_ONCE):
        rows = table.iloc[order[low : low + VARIANTS_AT_ONCE]]
        reference = _sequences(genome, rows, extended)
        alternative = reference.copy()
        alternative[:, extended // 2] = encode("".join(rows["alt"]))
        if shifts is None:
            both = _single_pass(view, np.concatenate([reference, alternative]), bin_size, middle)
            signals.append(both.reshape(2, len(rows), -1))
        else:
            seed = int(generator.integers(2**63))
            how = partial(
                _over_shifts, view, shift_by=shift_by, bin_size=bin_size, seed=seed, window=window, shifts=shifts, common=middle
            )
            signals.append(np.stack([how(reference), how(alternative)]))
    back = np.argsort(order)
    return Alleles(*np.concatenate(signals, axis=1)[:, back])


def _middle(window: int, bin_size: int, common: int | None, shifts: int | None, shift_by: ShiftBy) -> int:
    """How much of the middle to average over, in bp; InputError unless it begins and ends with a bin of every window."""
    if shift_by not in get_args(ShiftBy):
        raise InputError(f"shift_by is {shift_by!r}: choose one of {', '.join(get_args(ShiftBy))}")
    if window < 1 or bin_size < 1 or window % bin_size:
        raise InputError(f"window is {window} bp and the bin size {bin_size}: give those of the model, a whole number of bins")
    if shifts is None:
        chosen, step, most = window if common is None else common, 2 * bin_size, window
    else:
        step = bin_size if shift_by == "bins" else 1
        chosen, most = window // 2 // bin_size * bin_size if common is None else common, window - step
    if not 0 < chosen <= most or (window - chosen) % step:
        raise InputError(
            f"common is {chosen} bp: choose at most {most}, and less than the window, {window} bp, by a multiple of {step}"
        )
    return chosen


def _checked(genome: Genome, variants: pd.DataFrame, width: int) -> pd.DataFrame:
    """Variants by the genome's names of chromosomes and in upper case; InputError for the first that does not fit the genome."""
    _check_columns(variants)
    table = variants[COLUMNS].reset_index(drop=True).astype({"start": np.int64})
    names = {chrom: genome.resolve(chrom) for chrom in table["chrom"].unique()}
    table = table.assign(chrom=table["chrom"].map(names), ref=table["ref"].str.upper(), alt=table["alt"].str.upper())
    single = is_substitution(table)
    if not single.all():
        raise InputError(
            f"{_listed(table[~single])} is no change of one base for another: keep those that is_substitution() tells"
        )
    start, length = table["start"].to_numpy(), table["chrom"].map(genome.lengths).to_numpy()
    row = first_wrong((start < 0) | (start >= length))
    if row is not None:
        raise InputError(
            f"{_listed(table.iloc[[row]])} lies past the end of its chromosome, {length[row]:,} bp: check the assembly"
        )
    order = _in_order(table)
    there = np.empty(len(table), np.uint8)
    there[order] = _sequences(genome, table.iloc[order], 1)[:, 0]
    row = first_wrong(there != encode("".join(table["ref"])))
    if row is not None:
        raise InputError(
            f"{_listed(table.iloc[[row]])}: {genome.path.name} has {decode(there[[row]])} there; check the assembly, and that start is 0-based"
        )
    first = start - width // 2
    row = first_wrong((first < 0) | (first + width > length))
    if row is not None:
        raise InputError(
            f"{_listed(table.iloc[[row]])}: {width} bp around it run past an end of {table['chrom'][row]} ({length[row]:,} bp); leave it out"
        )
    return table


def _in_order(table: pd.DataFrame) -> np.ndarray:
    """Rows chromosome by chromosome, and from left to right, so that neighbours are read together."""
    return np.lexsort([table["start"].to_numpy(), pd.factorize(table["chrom"])[0]])


def _check_columns(variants: pd.DataFrame) -> None:
    """Raise InputError unless there are variants, with the columns of one."""
    missing = [column for column in COLUMNS if column not in variants]
    if missing:
        raise InputError(
            f"variants have no column {missing[0]!r}, only {', '.join(map(str, variants.columns))}: give chrom, start (0-based), ref, alt"
        )
    if not len(variants):
        raise InputError("variants are empty: give at least one to score")
    if variants["start"].dtype.kind not in "ui":
        raise InputError(f"start of variants is {variants['start'].dtype}: give whole numbers, 0-based")


def _listed(variants: pd.DataFrame) -> str:
    """Name the first few variants for a message."""
    rows = variants[COLUMNS].head(SHOWN).itertuples(index=False, name=None)
    shown = ", ".join(f"{chrom} start {start} (POS {start + 1}) {ref}>{alt}" for chrom, start, ref, alt in rows)
    return shown + (", ..." if len(variants) > SHOWN else "")


def _sequences(genome: Genome, rows: pd.DataFrame, width: int) -> np.ndarray:
    """Codes around each variant, which is base width // 2; rows in the order of the genome, so that one stretch is read for many."""
    codes = np.empty((len(rows), width), np.uint8)
    first = rows["start"].to_numpy() - width // 2
    chroms = rows["chrom"].to_numpy()
    for chrom in pd.unique(chroms):
        here = np.flatnonzero(chroms == chrom)
        low, high = first[here].min(), first[here].max() + width
        stretch = genome.codes(chrom, int(low), int(high))
        codes[here] = np.lib.stride_tricks.sliding_window_view(stretch, width)[first[here] - low]
    return codes


def _single_pass(view: Predict, codes: np.ndarray, bin_size: int, common: int) -> np.ndarray:
    """Mean over the middle of each window: (windows, tracks)."""
    predicted = check_prediction(view(codes), len(codes), codes.shape[1] // bin_size)
    outside = (codes.shape[1] - common) // 2 // bin_size
    return predicted[:, outside : predicted.shape[1] - outside].mean(axis=1, dtype=np.float64)


def _over_shifts(
    view: Predict, codes: np.ndarray, *, shift_by: ShiftBy, bin_size: int, seed: int, window: int, shifts: int, common: int
) -> np.ndarray:
    """Mean over the middle of each sequence and over windows that cover it: (sequences, tracks)."""

    def by_base(windows: np.ndarray) -> np.ndarray:
        """Predict, with the value of a bin for each of its bases."""
        return np.repeat(check_prediction(view(windows), len(windows), window // bin_size), bin_size, axis=1)

    model, step = (view, bin_size) if shift_by == "bins" else (by_base, 1)
    averaged = shift_averaged(model, codes, seed, bin_size=step, window=window, shifts=shifts, common=common)
    return averaged.mean(axis=1, dtype=np.float64)
