"""BED and narrowPeak: intervals with names, scores and summits."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.files.chroms import genome_names
from helpers.files.placing import write_bytes
from helpers.files.table_text import TextTable, first_wrong, read_text_table

_THICK = ["thick_start", "thick_end", "item_rgb"]
_BLOCKS = ["block_count", "block_sizes", "block_starts"]
BED_COLUMNS = ["chrom", "start", "end", "name", "score", "strand", *_THICK, *_BLOCKS]  # UCSC's order
NARROWPEAK_COLUMNS = [*BED_COLUMNS[:6], "signal", "neglog10p", "neglog10q", "summit"]
BROADPEAK_COLUMNS = NARROWPEAK_COLUMNS[:9]
_INTEGERS = {"start", "end", "thick_start", "thick_end", "summit"}
_NUMBERS = {"score", "signal", "neglog10p", "neglog10q"}


def _columns(count: int, path: Path) -> list[str]:
    """Names of the columns of a file that has so many."""
    if count == 10:
        return NARROWPEAK_COLUMNS
    if count == 9 and ".broadpeak" in path.name.lower():
        return BROADPEAK_COLUMNS
    return [*BED_COLUMNS[:count], *(f"column_{i}" for i in range(len(BED_COLUMNS) + 1, count + 1))]


def read_bed(path: str | os.PathLike[str], aliases: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read a BED or narrowPeak file, plain or gzip; blank lines and `#`, `track` and `browser` lines are skipped.

    Parameters
    ----------
    path : path
        File with 3 columns or more, separated by tabs or blanks.
    aliases : mapping of str to str, optional
        Name used in the file -> name in the genome; `chrom` holds the latter.

    Returns
    -------
    DataFrame
        As many columns as the file has: chrom, start, end (int64, 0-based half-open), name, score (float64, NaN for "."), strand,
        thick_start, thick_end, item_rgb, block_count, block_sizes, block_starts, then column_13 and so on as text. With 10 columns:
        narrowPeak, which is chrom to strand, signal, neglog10p, neglog10q (float64, -1 where not computed), and summit (int64,
        offset from start, -1 where not called). With 9 columns and "broadPeak" in the name of the file: narrowPeak without summit.
        No rows and three columns if the file holds no interval.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, or a line is broken; the message names the line and shows it.
    """
    text = read_text_table(path, "BED", 3)
    names = _columns(text.columns, text.path)
    kinds = {i: "integer" if name in _INTEGERS else "number" for i, name in enumerate(names) if name in _INTEGERS | _NUMBERS}
    table = text.parse(names, kinds)
    _check(table, text)
    return table.assign(chrom=genome_names(table["chrom"], aliases))


def _check(table: pd.DataFrame, text: TextTable) -> None:
    """Refuse intervals, strands and summits that cannot be."""
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    text.refuse(first_wrong((start < 0) | (end <= start)), "start and end must be 0 <= start < end")
    if "strand" in table:
        text.refuse(first_wrong(~table["strand"].isin(["+", "-", "."]).to_numpy()), "strand (column 6) must be +, - or .")
    if "summit" in table:
        summit = table["summit"].to_numpy()
        text.refuse(
            first_wrong((summit < -1) | (summit >= end - start)), "summit (column 10) must be -1 or an offset inside the peak"
        )


def write_bed(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write a BED or narrowPeak file, whole or not at all; a name that ends in .gz is compressed.

    A table without rows becomes a comment line, which `read_bed` reads as no interval.

    Parameters
    ----------
    path : path
        The file to write; one that exists is replaced.
    table : DataFrame
        Columns as `read_bed` gives them: those of narrowPeak where there is a column `summit` or `signal`, or else as many columns
        of BED as the table has without a gap. Their order in the table does not matter.

    Raises
    ------
    InputError
        If a column is missing or unknown, an interval is empty or negative, or a text holds a tab or a line break.
    """
    standard = NARROWPEAK_COLUMNS if {"summit", "signal"} & set(table.columns) else BED_COLUMNS
    names = [name for name in standard if name in table.columns]
    extra = [str(name) for name in table.columns if name not in standard]
    if names != standard[: len(names)] or len(names) < 3 or (extra and not all(name.startswith("column_") for name in extra)):
        raise InputError(f"{path}: columns {list(table.columns)} are no BED; name them {', '.join(standard)}, without a gap")
    for name in _INTEGERS & set(names):
        if table[name].dtype.kind not in "ui":
            raise InputError(
                f"{path}: column {name!r} is {table[name].dtype}, not whole numbers; convert it with .astype('int64')"
            )
    wrong = first_wrong(((table["start"] < 0) | (table["end"] <= table["start"])).to_numpy())
    if wrong is not None:
        row = table.iloc[wrong]
        raise InputError(f"{path}: row {wrong} is {row['chrom']}:{row['start']}-{row['end']}; make it 0 <= start < end")
    shown = table[names + extra].assign(**{name: _number_text(table[name]) for name in names if name in _NUMBERS})
    try:
        text = shown.to_csv(sep="\t", header=False, index=False, quoting=csv.QUOTE_NONE, na_rep=".", lineterminator="\n")
    except csv.Error as error:
        raise InputError(f"{path}: a text of the table holds a tab or a line break ({error}); remove it") from error
    write_bytes(path, text.encode() or f"#{chr(9).join(names)}\n".encode())  # no byte at all would look like a broken download


def _number_text(column: pd.Series) -> list[str]:
    """Numbers as text: whole ones without a point, missing ones as "."."""
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return ["." if np.isnan(value) else str(int(value)) if value.is_integer() else repr(value) for value in values.tolist()]


def summits(table: pd.DataFrame) -> np.ndarray:
    """Position of each peak's summit in the genome.

    Parameters
    ----------
    table : DataFrame
        Columns start and end, and summit (offset from start, -1 where not called) if there is one.

    Returns
    -------
    int64 array, shape (rows,)
        0-based position in bp; the middle of the interval where no summit is called.
    """
    start, end = (table[name].to_numpy(dtype=np.int64) for name in ("start", "end"))
    middle = (start + end) // 2
    if "summit" not in table:
        return middle
    offset = table["summit"].to_numpy(dtype=np.int64)
    return np.where(offset >= 0, start + offset, middle)
