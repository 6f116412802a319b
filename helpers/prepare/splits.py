"""Parts of the data for training, validation and testing, and the refusal of parts that share anything."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from helpers.errors import InputError
from helpers.prepare.regions import overlaps
from helpers.prepare.tables import COLUMNS, keep


@dataclass(frozen=True)
class Split:
    """Three tables of regions: `train`, `validation` and `test`."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame

    @property
    def parts(self) -> dict[str, pd.DataFrame]:
        """The three tables by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def summary(self) -> pd.DataFrame:
        """Say what each part holds: columns `part`, `regions`, `share` (of all regions), `megabases` (their widths), `chromosomes`."""
        total = sum(len(table) for table in self.parts.values())
        rows = []
        for name, table in self.parts.items():
            megabases = float((table["end"] - table["start"]).sum()) / 1e6
            rows.append((name, len(table), len(table) / total, megabases, ", ".join(table["chrom"].unique())))
        return pd.DataFrame(rows, columns=["part", "regions", "share", "megabases", "chromosomes"])


def split_by_chromosome(
    regions: pd.DataFrame, validation: Collection[str], test: Collection[str], train: Collection[str] | None = None
) -> Split:
    """Give whole chromosomes to each part, so that neighbours are never on both sides.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`.
    validation, test : collection of str
        Chromosomes of the held-out parts.
    train : collection of str, optional
        Chromosomes to train on: all others by default. A chromosome that is in no part is left out.

    Returns
    -------
    Split

    Raises
    ------
    InputError
        If a chromosome is in two parts or has no region, or a part is empty.
    """
    chroms = regions["chrom"].to_numpy(object)
    present = list(dict.fromkeys(chroms))
    rest = [chrom for chrom in present if chrom not in {*validation, *test}]
    wanted = {"train": list(rest if train is None else train), "validation": list(validation), "test": list(test)}
    for part, names in wanted.items():
        unknown = [chrom for chrom in names if chrom not in present]
        if unknown:
            raise InputError(f"{part} chromosome {unknown[0]!r} has no region: the regions lie on {', '.join(map(str, present))}")
    _refuse_shared(wanted)
    parts = {
        part: keep(regions, np.isin(chroms, np.array(names, object)), f"{part} chromosomes") for part, names in wanted.items()
    }
    check_disjoint(parts)
    return Split(**parts)


def _refuse_shared(chromosomes: Mapping[str, Collection[str]]) -> None:
    """Raise where a chromosome is in two parts."""
    owner: dict[str, str] = {}
    for part, names in chromosomes.items():
        for chrom in names:
            if owner.setdefault(chrom, part) != part:
                raise InputError(f"chromosome {chrom!r} is in both {owner[chrom]} and {part}: give each chromosome to one part")


def check_disjoint(parts: Mapping[str, pd.DataFrame], *, chromosomes: bool = True) -> None:
    """Raise unless every part holds something and no two parts share anything.

    Parameters
    ----------
    parts : mapping of str to DataFrame
        Tables of regions by name.
    chromosomes : bool
        Whether two parts may not even share a chromosome; without it they may not share a base.

    Raises
    ------
    InputError
        If a part is empty, or two share a chromosome or, where `chromosomes` is false, a base: the first case is named.
    """
    for name, table in parts.items():
        if not len(table):
            raise InputError(f"the {name} part is empty: give it chromosomes, or groups, that have regions")
    if chromosomes:
        _refuse_shared({name: table["chrom"].unique() for name, table in parts.items()})
        return
    for (left, one), (right, other) in itertools.combinations(parts.items(), 2):
        shared = np.flatnonzero(overlaps(one, other))
        if len(shared):
            chrom, start, end = one[COLUMNS].iloc[shared[0]]
            raise InputError(
                f"{len(shared):,} regions of {left}, the first {chrom}:{start}-{end}, overlap regions of {right}: split by chromosome, "
                "or by groups that keep neighbours together"
            )


@dataclass(frozen=True)
class Fold:
    """One fold: tables `train` and `test`, and `train_rows` and `test_rows`, the positions of their rows in the table that was split."""

    train: pd.DataFrame
    test: pd.DataFrame
    train_rows: np.ndarray
    test_rows: np.ndarray


def group_numbers(groups: Sequence[object] | np.ndarray, count: int) -> np.ndarray:
    """Give groups numbers from 0: int64 array, shape (regions,); raises InputError unless there is one label for each of `count` regions."""
    labels = np.asarray(groups)
    if labels.shape != (count,):
        raise InputError(f"groups has shape {labels.shape}: give one group for each of the {count:,} regions")
    return np.unique(labels.astype(str) if labels.dtype == object else labels, return_inverse=True)[1]


def grouped_folds(
    regions: pd.DataFrame,
    groups: Sequence[object] | np.ndarray,
    folds: int,
    labels: Sequence[object] | np.ndarray | None = None,
) -> list[Fold]:
    """Cut regions into folds of similar size that never divide a group (scikit-learn's `GroupKFold`, or `StratifiedGroupKFold`).

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`.
    groups : sequence, shape (regions,)
        What must stay together: chromosomes, `homology.homology_groups`, or `similarity.duplicate_groups`.
    folds : int
        How many; each region is tested once.
    labels : sequence, shape (regions,), optional
        Classes whose shares the folds are to keep as far as the groups allow, such as peak and background.

    Returns
    -------
    list of Fold

    Raises
    ------
    InputError
        If there are fewer groups than folds, a fold tests no region, or none of a class, or regions of two parts overlap although their groups
        differ.
    """
    numbers = group_numbers(groups, len(regions))
    found = int(numbers.max(initial=-1)) + 1
    if not 2 <= folds <= found:
        raise InputError(f"folds is {folds}: choose 2 or more, and at most the {found} groups there are")
    classes = None if labels is None else _class_numbers(labels, len(regions), folds)
    cutter = GroupKFold(folds) if classes is None else StratifiedGroupKFold(folds)
    made = []
    for number, (train_rows, test_rows) in enumerate(cutter.split(numbers, classes, numbers), 1):
        for part, rows in (("tests", test_rows), ("trains on", train_rows)):
            if not len(rows) or (classes is not None and len(np.unique(classes[rows])) <= classes.max()):
                raise InputError(f"fold {number} {part} no region, or none of a class: choose fewer folds, or smaller groups")
        train, test = (regions.iloc[rows].reset_index(drop=True) for rows in (train_rows, test_rows))
        check_disjoint({"train": train, "test": test}, chromosomes=False)
        made.append(Fold(train, test, train_rows, test_rows))
    return made


def _class_numbers(labels: Sequence[object] | np.ndarray, count: int, folds: int) -> np.ndarray:
    """Give classes numbers from 0, and refuse one that is too rare to be in each fold."""
    given = np.asarray(labels)
    if given.shape != (count,):
        raise InputError(f"labels has shape {given.shape}: give one for each of the {count:,} regions")
    names, classes = np.unique(given, return_inverse=True)
    rarest = int(np.bincount(classes).argmin())
    if (classes == rarest).sum() < folds:
        raise InputError(
            f"class {names[rarest]} has {(classes == rarest).sum()} regions for {folds} folds: choose fewer folds, or leave labels out"
        )
    return classes
