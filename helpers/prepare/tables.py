"""The table of regions that everything here shares, and the count that every filter leaves.

A table has the columns `chrom`, `start`, `end` (0-based, half-open) and an index 0, 1, 2, ... Every function that leaves rows out says how
many it kept: in the log, and in `filter_counts(table)`, which lists every step that the table has been through.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from helpers.errors import InputError

log = logging.getLogger(__name__)

COLUMNS = ["chrom", "start", "end"]
STEPS = "filters"


def table_of(chroms: Collection[str], starts: np.ndarray, ends: np.ndarray) -> pd.DataFrame:
    """Make a table of regions from its three columns: `chrom` (str), `start` and `end` (int64, bp)."""
    columns = {"chrom": list(chroms), "start": np.asarray(starts, np.int64), "end": np.asarray(ends, np.int64)}
    return pd.DataFrame(columns).astype({"chrom": object})


def check_regions(regions: pd.DataFrame, lengths: Mapping[str, int], what: str = "regions") -> None:
    """Raise unless every region lies inside its chromosome.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`.
    lengths : mapping
        Chromosome lengths in bp.
    what : str
        What the regions are, for the message.

    Raises
    ------
    InputError
        If a column is missing, a chromosome unknown, or a region empty or past an end: the first such region is named.
    """
    missing = [column for column in COLUMNS if column not in regions]
    if missing:
        raise InputError(
            f"{what} have no column {missing[0]!r}, only {', '.join(map(str, regions.columns))}: a region has chrom, start, end"
        )
    unknown = [chrom for chrom in regions["chrom"].unique() if chrom not in lengths]
    if unknown:
        raise InputError(f"{what} lie on {unknown[0]!r}, which is not among {', '.join(lengths)}: rename them, or leave them out")
    outside = np.flatnonzero(~lies_inside(regions, lengths))
    if len(outside):
        chrom, start, end = regions[COLUMNS].iloc[outside[0]]
        raise InputError(
            f"{what}: {len(outside):,} of {len(regions):,}, the first {chrom}:{start}-{end}, are empty or leave their chromosome "
            f"({chrom} has {lengths[chrom]:,} bp): drop them with within()"
        )


def lies_inside(regions: pd.DataFrame, lengths: Mapping[str, int]) -> np.ndarray:
    """Tell for each region whether it lies inside its chromosome; none lies inside one whose length is not known."""
    limit = regions["chrom"].map(dict(lengths)).to_numpy(float)
    start, end = regions["start"].to_numpy(np.int64), regions["end"].to_numpy(np.int64)
    return (start >= 0) & (start < end) & (end <= limit)


def keep(regions: pd.DataFrame, kept: np.ndarray, step: str) -> pd.DataFrame:
    """Keep some rows by position, renumber them, and note how many were kept.

    Parameters
    ----------
    regions : DataFrame
        Any table; its index is not looked at.
    kept : bool array, shape (rows,)
        Which rows to keep.
    step : str
        What the filter asks for, in a few words.

    Returns
    -------
    DataFrame
        A new table with index 0, 1, 2, ...
    """
    table = regions.loc[np.asarray(kept, bool)].reset_index(drop=True)
    table.attrs = {**regions.attrs, STEPS: [*regions.attrs.get(STEPS, []), (step, len(table), len(regions))]}
    log.info("%s: kept %s of %s", step, f"{len(table):,}", f"{len(regions):,}")
    return table


def filter_counts(regions: pd.DataFrame) -> pd.DataFrame:
    """List the filters that a table has been through: columns `step`, `kept`, `of` (rows)."""
    return pd.DataFrame(regions.attrs.get(STEPS, []), columns=["step", "kept", "of"])


def within(regions: pd.DataFrame, lengths: Mapping[str, int]) -> pd.DataFrame:
    """Drop regions that leave their chromosome, or whose chromosome is not known; none is ever shortened."""
    return keep(regions, lies_inside(regions, lengths), "inside their chromosome")


def reduce_ranges(
    ufunc: np.ufunc, values: np.ndarray, starts: np.ndarray, ends: np.ndarray, dtype: type | None = None
) -> np.ndarray:
    """Reduce a slice of an array for each region, in one call.

    Parameters
    ----------
    ufunc : numpy ufunc
        `np.add` or `np.maximum`, for example.
    values : array, shape (length,)
        What is reduced.
    starts, ends : int array, shape (regions,)
        The slices; none is empty.
    dtype : type, optional
        In which to add up.

    Returns
    -------
    array, shape (regions,)
    """
    if not len(starts):
        return np.empty(0, dtype or values.dtype)
    borders = np.stack([starts, ends], axis=1).ravel()
    return ufunc.reduceat(np.append(values, values[:1]), borders, dtype=dtype)[::2]
