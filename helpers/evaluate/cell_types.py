"""Predicting across cell types: which pairs to train and test on, what the training cell types say by themselves, and scores without their help.

A *pair* is a locus in a cell type. What is known of all pairs is an array (loci, cell types). The three evaluations, the baselines and the
grouping are those of Schreiber et al. 2020 (doi:10.1186/s13059-020-02177-y).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.classification import auprc

How = Literal["cross-chromosome", "cross-cell-type", "hybrid"]
PARTS = ("train", "validation", "test")


class PairSplit(NamedTuple):
    """Which pairs a model is trained on, stopped by, and tested on: three bool arrays, shape (loci, cell types)."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def evaluation_pairs(
    how: How, loci: Sequence[str] | np.ndarray, cell_types: Sequence[str] | np.ndarray, target: int | None = None
) -> PairSplit:
    """Choose the pairs of one of three evaluations (Schreiber et al. 2020, Fig. 1a-c).

    Parameters
    ----------
    how : {"cross-chromosome", "cross-cell-type", "hybrid"}
        *cross-chromosome*: one cell type, other loci. *cross-cell-type*: other cell types, the same loci (those of training and validation
        chromosomes). *hybrid*: trained as for cross-cell-type, tested at the test loci in the test cell types.
    loci : sequence of str, shape (loci,)
        The part that each locus belongs to by its chromosome: train, validation or test.
    cell_types : sequence of str, shape (cell types,)
        The part that each cell type belongs to.
    target : int, optional
        Number of the cell type of a cross-chromosome evaluation; the first test cell type by default. The others take no notice of it.

    Returns
    -------
    PairSplit

    Raises
    ------
    InputError
        If the evaluation is unknown, a part has another name or no locus or cell type, or `target` is no cell type.
    """
    if how not in get_args(How):
        raise InputError(f"evaluation {how!r} is unknown: choose {', '.join(get_args(How))}")
    rows, columns = _parts("loci", loci), _parts("cell_types", cell_types)
    if how == "cross-chromosome":
        chosen = int(np.flatnonzero(columns == "test")[0]) if target is None else target
        if not 0 <= chosen < len(columns):
            raise InputError(f"target is {target}: there are {len(columns)} cell types, counted from 0")
        here = np.arange(len(columns)) == chosen
        return PairSplit(*((rows == part)[:, None] & here for part in PARTS))
    seen = rows != "test"
    tested = seen if how == "cross-cell-type" else ~seen
    train, validation, test = (columns == part for part in PARTS)
    return PairSplit(seen[:, None] & train, seen[:, None] & validation, tested[:, None] & test)


def _parts(name: str, parts: Sequence[str] | np.ndarray) -> np.ndarray:
    """Names of parts as an array of which every part has a member."""
    given = np.asarray(parts, dtype=object)
    if given.ndim != 1 or sorted(set(given.tolist())) != sorted(PARTS):
        raise InputError(
            f"{name} has the parts {sorted(set(given.ravel().tolist()))}: give each {', '.join(PARTS)}, once at least"
        )
    return given


def average_activity(activity: np.ndarray, among: Sequence[int] | np.ndarray) -> np.ndarray:
    """Predict the activity of a locus in any cell type by its mean over other cell types: no model that sees those may do worse.

    Parameters
    ----------
    activity : array, shape (loci, cell types)
        Classes (0 and 1) or a signal such as log expression.
    among : sequence of int
        Numbers of the cell types to average over; never one that is tested.

    Returns
    -------
    float64 array, shape (loci,)

    Raises
    ------
    InputError
        If `activity` has not two axes or holds NaN, or `among` is empty, repeats a number or names no cell type.
    """
    values, chosen = _checked(activity, among)
    return values[:, chosen].mean(axis=1)


def nearest_cell_type(profiles: np.ndarray, target: int, among: Sequence[int] | np.ndarray) -> int:
    """Find the cell type that is most like another by what was measured in both, such as accessibility: its activity is a second baseline.

    Parameters
    ----------
    profiles : array, shape (loci, cell types)
        A measurement that is at hand in the target cell type, too. Never the activity that is to be predicted.
    target : int
        Number of the cell type to find a likeness of.
    among : sequence of int
        Numbers of the cell types to choose from.

    Returns
    -------
    int
        The one with the highest Pearson correlation over loci; the first of equals.

    Raises
    ------
    InputError
        As `average_activity`; if `target` is no cell type or is one of `among`, or the profile of one of them is constant.
    """
    values, chosen = _checked(profiles, among)
    if not 0 <= target < values.shape[1] or target in chosen:
        raise InputError(
            f"target is {target}: give one of the {values.shape[1]} cell types, counted from 0, that is not in among"
        )
    flat = np.flatnonzero(values.std(axis=0) == 0)
    if np.isin(flat, [target, *chosen]).any():
        raise InputError(f"the profile of cell type number {flat[0]} is the same at all loci: choose another measurement")
    likeness = np.corrcoef(values[:, [target, *chosen]], rowvar=False)[0, 1:]
    return int(chosen[np.argmax(likeness)])


def _checked(values: np.ndarray, among: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values as floats (loci, cell types) and the chosen columns, or InputError."""
    table, chosen = np.asarray(values, dtype=np.float64), np.asarray(among)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise InputError(f"values have shape {table.shape}, or some are missing: give finite ones of shape (loci, cell types)")
    if not len(chosen) or chosen.dtype.kind not in "iu" or len(np.unique(chosen)) < len(chosen):
        raise InputError(f"among is {list(among)}: give numbers of cell types, each once")
    if chosen.min() < 0 or chosen.max() >= table.shape[1]:
        raise InputError(f"among is {list(among)}: there are {table.shape[1]} cell types, counted from 0")
    return table, chosen


def mean_precision(labels: np.ndarray, scores: np.ndarray, test: np.ndarray) -> float:
    """Score each tested cell type by its average precision, and take the mean: no cell type is compared with another one.

    Parameters
    ----------
    labels, scores : array, shape (loci, cell types)
        Whether the locus is active there, and what a model says of it.
    test : bool array, shape (loci, cell types)
        The pairs to score.

    Returns
    -------
    float
        0 to 1; about the mean share of active loci for scores that know nothing.

    Raises
    ------
    InputError
        If the shapes differ, no pair is tested, or a tested cell type has loci of one class only.
    """
    truth, said, chosen = np.asarray(labels), np.asarray(scores), np.asarray(test, dtype=bool)
    if truth.ndim != 2 or not truth.shape == said.shape == chosen.shape:
        raise InputError(
            f"labels, scores and test have the shapes {truth.shape}, {said.shape}, {chosen.shape}: give (loci, cell types)"
        )
    if not chosen.any():
        raise InputError("test marks no pair: choose pairs to score")
    columns = np.flatnonzero(chosen.any(axis=0))
    return float(np.mean([auprc(truth[chosen[:, c], c].astype(float), said[chosen[:, c], c]) for c in columns]))


def scores_by_group(labels: np.ndarray, scores: np.ndarray, groups: np.ndarray, *, least: int = 5) -> pd.DataFrame:
    """Score the pairs of each group apart, so that what is common to a group can help no model (Schreiber et al. 2020, Fig. S3).

    Parameters
    ----------
    labels, scores : array, shape (loci, cell types)
        Whether the locus is active there, and what a model says of it.
    groups : int array, shape (loci,)
        Group of each locus: in how many other cell types it is active.
    least : int
        Pairs of either class that a group needs; others are left out, as their score would be chance.

    Returns
    -------
    DataFrame
        One row a group: `group`, `pairs`, `active` (share of the pairs, which is what chance would score) and `average precision`.

    Raises
    ------
    InputError
        If the shapes do not belong together, `least` is below 1, or no group is left.
    """
    truth, said, member = (np.asarray(values) for values in (labels, scores, groups))
    if truth.ndim != 2 or truth.shape != said.shape or member.shape != truth.shape[:1]:
        shapes = ", ".join(str(values.shape) for values in (truth, said, member))
        raise InputError(f"labels, scores and groups have the shapes {shapes}: give (loci, cell types) twice, and (loci,)")
    if least < 1:
        raise InputError(f"least is {least}: a group needs a pair of either class to be scored")
    rows = []
    for group in np.unique(member):
        here, guess = truth[member == group].ravel().astype(float), said[member == group].ravel()
        if least <= here.sum() <= len(here) - least:
            precision = auprc(here, guess)
            rows.append({"group": int(group), "pairs": len(here), "active": here.mean(), "average precision": precision})
    if not rows:
        raise InputError(f"no group has {least} active and {least} inactive pairs: take more loci, or a smaller least")
    return pd.DataFrame(rows)
