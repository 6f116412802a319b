"""Leaks between the parts of a split: shared bases, near-duplicate sequence, shared groups, and steps fitted on held-out rows."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.leaks import Leak, LeakReport
from helpers.evaluate.refitting import TRAIN, Fit, compare_fits, refit
from helpers.prepare.homology import THRESHOLD, similar_partners, sketch_table
from helpers.prepare.regions import covered_bases, merge
from helpers.prepare.splits import Fold, Split
from helpers.prepare.tables import COLUMNS

__all__ = [
    "Leak",
    "LeakReport",
    "duplicate_leaks",
    "fit_leak",
    "group_leaks",
    "leak_report",
    "overlap_leaks",
    "refit",
]

_NUMBERS = {"integer", "floating", "mixed-integer-float", "boolean", "decimal", "complex"}
Parts = Split | Fold | Mapping[str, pd.DataFrame]


def leak_report(
    parts: Parts,
    *,
    codes: Mapping[str, np.ndarray] | None = None,
    threshold: float = THRESHOLD,
    k: int = 16,
    size: int = 64,
    seed: int = 0,
    groups: str | Collection[str] = (),
    fitted: Collection[Leak] = (),
) -> LeakReport:
    """Look for everything that the parts of a split must not share.

    Parameters
    ----------
    parts : Split, Fold, or mapping of str to DataFrame
        Tables of windows, columns `chrom`, `start`, `end`, in the order train to test.
    codes : mapping of str to uint8 array, shape (length,), optional
        Chromosomes (`PreparedData.sequence()`), to look for near-duplicate sequence.
    threshold : float
        Least Jaccard index of near-duplicates.
    k, size, seed : int
        Of the sketches, as in `homology.sketch_table`.
    groups : str or collection of str
        Columns whose values must not be in two parts: gene, donor, duplication family.
    fitted : collection of Leak
        What `fit_leak` says of each preprocessing step.

    Returns
    -------
    LeakReport

    Raises
    ------
    InputError
        As the checks that it is made of: `overlap_leaks`, `duplicate_leaks`, `group_leaks`.
    """
    columns = [groups] if isinstance(groups, str) else list(groups)
    found, unchecked = overlap_leaks(parts), []
    if codes is None:
        unchecked.append("near-duplicate sequence (codes=)")
    else:
        tables = _tables(parts, COLUMNS)
        sketches = {part: sketch_table(table, codes, k=k, size=size, seed=seed) for part, table in tables.items()}
        found += duplicate_leaks(parts, sketches, threshold)
    for column in columns:
        found += group_leaks(parts, column)
    if not columns:
        unchecked.append("shared groups (groups=)")
    if not fitted:
        unchecked.append("preprocessing (fitted=)")
    return LeakReport((*found, *fitted), tuple(unchecked))


def overlap_leaks(parts: Parts) -> list[Leak]:
    """Count what two parts share of the genome: bases (each once), and windows of the later part that share a base with the earlier.

    Parameters
    ----------
    parts
        As in `leak_report`.

    Returns
    -------
    list of Leak
        Two for each pair of parts, in bp and in windows.

    Raises
    ------
    InputError
        If there are fewer than two parts, or one is empty, lacks a column, or has an empty region.
    """
    leaks = []
    for (earlier, train), (later, test) in _pairs(parts):
        once, other = merge(test), merge(train)
        shared, covered = covered_bases(once, other), covered_bases(test, other)
        rows, example = np.flatnonzero(covered), ""
        if len(rows):
            row = int(rows[np.argmax(covered[rows])])
            chrom, start, end = test[COLUMNS].iloc[row]
            near = train[COLUMNS].loc[((train["chrom"] == chrom) & (train["start"] < end) & (train["end"] > start)).to_numpy()]
            bases = np.minimum(near["end"], end) - np.maximum(near["start"], start)
            place = int(bases.to_numpy().argmax())
            example = f"{later} {chrom}:{start}-{end} and {earlier} {_interval(near, place)} ({bases.iloc[place]} bp)"
        names = ("overlap", f"{later} / {earlier}")
        leaks.append(Leak(*names, int(shared.sum()), int((once["end"] - once["start"]).sum()), "bp", example))
        leaks.append(Leak(*names, len(rows), len(test), "windows", example))
    return leaks


def duplicate_leaks(parts: Parts, sketches: Mapping[str, np.ndarray], threshold: float = THRESHOLD) -> list[Leak]:
    """Count the windows of a part that nearly repeat the sequence of a window in an earlier part, on either strand.

    Each is compared with those windows that its sketch agrees with in a band (`homology.similar_partners`), so the work grows about linearly:
    100,000 windows of a genome that is a fifth repeats took 3.5 s of one core, a million 37 s, and their sketches 1 and 7 s. Windows that
    overlap are similar, too: look at `overlap_leaks` first.

    Parameters
    ----------
    parts
        As in `leak_report`.
    sketches : mapping of str to uint64 array, shape (windows, size)
        Of each part, from `homology.sketch_table`.
    threshold : float
        Least Jaccard index of the k-mers of two windows.

    Returns
    -------
    list of Leak
        One for each pair of parts.

    Raises
    ------
    InputError
        As `overlap_leaks` and `similar_partners`, or if a part has not one sketch for each window.
    """
    tables = _tables(parts, COLUMNS)
    for part, table in tables.items():
        shape = np.shape(sketches[part]) if part in sketches else None
        if shape is None or shape[:1] != (len(table),):
            raise InputError(f"sketches of {part} have shape {shape}: give one for each of its {len(table):,} windows")
    leaks = []
    for (earlier, train), (later, test) in _pairs(parts):
        found, example = similar_partners(sketches[later], sketches[earlier], threshold), ""
        if len(found):
            first, second, similarity = found.iloc[found["similarity"].to_numpy().argmax()]
            places = f"{later} {_interval(test, int(first))} and {earlier} {_interval(train, int(second))}"
            example = f"{places} (Jaccard index about {similarity:.2f})"
        leaks.append(Leak("near-duplicate sequence", f"{later} / {earlier}", len(found), len(test), "windows", example))
    return leaks


def group_leaks(parts: Parts, column: str) -> list[Leak]:
    """Count the rows of a part whose group, such as a gene or a donor, is also in an earlier part.

    Parameters
    ----------
    parts : Split, Fold, or mapping of str to DataFrame
        Tables with that column; they need no other.
    column : str
        The groups; a missing value is no group.

    Returns
    -------
    list of Leak
        One for each pair of parts.

    Raises
    ------
    InputError
        As `overlap_leaks`; if the column holds numbers in one part and text in another, which are never equal; or is missing throughout.
    """
    tables = _tables(parts, [column])
    values = {part: table[column].astype(object).dropna() for part, table in tables.items()}
    if not any(map(len, values.values())):
        raise InputError(f"column {column!r} is missing in every row: there is no group to look for")
    kinds = {part: pd.api.types.infer_dtype(held) in _NUMBERS for part, held in values.items() if len(held)}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{'numbers' if number else 'text'} in {part}" for part, number in kinds.items())
        raise InputError(f"column {column!r} holds {found}: give it one type, or no group can be found in two parts")
    leaks = []
    for earlier, later in itertools.combinations(tables, 2):
        ours, theirs = values[later], values[earlier]
        shared, example = ours[ours.isin(theirs.unique())], ""
        if len(shared):
            name = shared.iloc[0]
            counts = f"{(theirs == name).sum():,} rows of {earlier} and {(ours == name).sum():,} of {later}"
            example = f"{name!r} in {counts}, one of {shared.nunique():,} shared"
        leaks.append(Leak(f"shared {column}", f"{later} / {earlier}", len(shared), len(tables[later]), "rows", example))
    return leaks


def fit_leak(fitted: Any, fit: Fit, rows: Mapping[str, np.ndarray], *, name: str | None = None, rtol: float = 1e-7) -> Leak:
    """Tell whether a preprocessing step was fitted on more than the training rows; see `refitting.compare_fits`.

    Parameters
    ----------
    fitted, fit, rows, rtol
        As in `compare_fits`; `refit(fitted, features)` makes `fit` for an estimator of scikit-learn.
    name : str, optional
        What to call the step; the name of its class by default.

    Returns
    -------
    Leak
        Counts the fitted values that differ from what training rows give: 0 is clean. `parts` names the parts whose rows explain them.

    Raises
    ------
    InputError
        As `compare_fits`.
    """
    compared = compare_fits(fitted, fit, rows, rtol=rtol)
    others = [part for part in rows if part != TRAIN]
    used = compared.matches[0][1:] if compared.matches else ()
    origin = " + ".join(used or others) if used or not compared.leaks else "unknown rows"
    what = f"preprocessing: {type(fitted).__name__ if name is None else name}"
    return Leak(
        what,
        f"{origin} / {TRAIN}",
        compared.differing,
        compared.values,
        "fitted values",
        compared.example if compared.leaks else "",
    )


def _tables(parts: Parts, columns: list[str]) -> dict[str, pd.DataFrame]:
    """Tables of the parts by name, or InputError."""
    if isinstance(parts, Fold):
        parts = {"train": parts.train, "test": parts.test}
    tables = dict(parts.parts if isinstance(parts, Split) else parts)
    if len(tables) < 2:
        raise InputError(f"parts has {', '.join(tables) or 'none'}: give two parts or more, such as train and test")
    for part, table in tables.items():
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise InputError(f"the {part} part has no column {lacking[0]!r}, only {', '.join(map(str, table.columns))}")
        if not len(table):
            raise InputError(f"the {part} part is empty: there is nothing to compare")
        if columns == COLUMNS and (wrong := (table["end"] <= table["start"]).to_numpy()).any():
            raise InputError(f"region {_interval(table, int(wrong.argmax()))} of {part} is empty: a region has start < end")
    return tables


def _pairs(parts: Parts) -> Iterator[tuple[tuple[str, pd.DataFrame], tuple[str, pd.DataFrame]]]:
    """Pair the parts with their names, the earlier one first."""
    yield from itertools.combinations(_tables(parts, COLUMNS).items(), 2)


def _interval(table: pd.DataFrame, row: int) -> str:
    """Write a region as chrom:start-end."""
    chrom, start, end = table[COLUMNS].iloc[row]
    return f"{chrom}:{start}-{end}"
