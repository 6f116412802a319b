"""Text tables without a header line (BED, narrowPeak, fragments): fast when they are right, exact about the line when they are not."""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from helpers.errors import InputError
from helpers.files.placing import existing_file, read_bytes

_SKIPPED = re.compile(rb"^(?:#[^\n]*|(?:track|browser)(?:[ \t][^\n]*)?|[ \t]*)(?:\n|\Z)", re.MULTILINE)
_INTEGER = re.compile(r"-?[0-9]+")
_BLANKS = re.compile(rb"[ \t]+")


def first_wrong(wrong: np.ndarray) -> int | None:
    """Index of the first True, or None."""
    return int(wrong.argmax()) if wrong.any() else None


@dataclass(frozen=True)
class TextTable:
    """The lines of a table that hold data.

    Attributes
    ----------
    path : Path
        For messages.
    columns : int
        Fields of the first line; every line has as many. 3 where there is no line.
    body : bytes
        The lines, fields separated by tabs.
    original : bytes
        The whole text, to find a line again.
    """

    path: Path
    columns: int
    body: bytes
    original: bytes

    def lines(self) -> Iterator[tuple[int, str]]:
        """Yield the number in the file, from 1, and text of each line that holds data."""
        for number, line in enumerate(self.original.split(b"\n"), 1):
            if not _SKIPPED.fullmatch(line):
                yield number, line.decode("utf-8", "replace")

    def refuse(self, row: int | None, problem: str) -> None:
        """Raise an error that names and shows the line of a row; None is no error."""
        if row is None:
            return
        number, line = next(pair for i, pair in enumerate(self.lines()) if i == row)
        shown = line if len(line) <= 120 else line[:117] + "..."
        raise InputError(f"{self.path}, line {number}: {problem}: {shown!r}; correct or remove the line")

    def parse(self, names: list[str], kinds: Mapping[int, str]) -> pd.DataFrame:
        """Turn the lines into columns.

        Parameters
        ----------
        names : list of str
            Names of the first columns; further ones are left out.
        kinds : mapping of int to str
            "integer" (int64) or "number" (float64, "." is NaN) for columns that are not text.

        Returns
        -------
        DataFrame

        Raises
        ------
        InputError
            If a field is not of its kind.
        """
        types = {"integer": pa.int64(), "number": pa.float64()}
        columns = {name: types.get(kinds.get(i, ""), pa.string()) for i, name in enumerate(names)}
        if not self.body:
            return pa.schema(columns).empty_table().to_pandas()
        spare = [f"_{i}" for i in range(len(names), self.columns)]
        try:
            table = pyarrow.csv.read_csv(
                io.BytesIO(self.body),
                pyarrow.csv.ReadOptions(column_names=[*names, *spare]),
                pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
                pyarrow.csv.ConvertOptions(column_types=columns, include_columns=names, null_values=["."]),
            )
        except pa.ArrowInvalid as error:
            self._refuse_field(names, kinds)
            raise InputError(f"{self.path}: {' '.join(str(error).split())}; correct the file") from error
        nulls = any(table.column(i).null_count for i, kind in kinds.items() if kind == "integer")
        if nulls or b"\t0x" in self.body or b"\t0X" in self.body:  # pyarrow reads 0x10 as 16
            self._refuse_field(names, kinds)
        return table.to_pandas()

    def _refuse_field(self, names: list[str], kinds: Mapping[int, str]) -> None:
        """Find the field that is not a number, slowly, and raise."""
        for row, line in enumerate(self.body.decode("utf-8", "replace").split("\n")[:-1]):
            fields = line.split("\t")
            for i, kind in kinds.items():
                if not _fits(fields[i], kind):
                    what = "a whole number" if kind == "integer" else "a number"
                    self.refuse(row, f"{names[i]} (column {i + 1}) is {fields[i]!r}, not {what}")


def _fits(field: str, kind: str) -> bool:
    """Whether a field can be read as its kind."""
    try:
        if kind == "integer":
            return _INTEGER.fullmatch(field) is not None and -(2**63) <= int(field) < 2**63
        return field == "." or not math.isnan(float(field))
    except ValueError:
        return False


def read_text_table(path: str | os.PathLike[str], what: str, least: int) -> TextTable:
    """Read a table's lines, plain or gzip; blank lines and `#`, `track` and `browser` lines are left out.

    Parameters
    ----------
    path : path
        The file.
    what : str
        Name of its format, for messages.
    least : int
        Columns that it must have.

    Returns
    -------
    TextTable

    Raises
    ------
    InputError
        If the file is missing, empty or damaged, or lines have too few fields or not all as many.
    """
    found = existing_file(path, what)
    original = read_bytes(found).removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\0" in original[:1000]:
        raise InputError(f"{found} is not text, so not a {what} file; check the path")
    body = _SKIPPED.sub(b"", original)
    if not body:
        return TextTable(found, least, b"", original)
    if not body.endswith(b"\n"):
        body += b"\n"
    if b"\t" not in body[: body.index(b"\n")]:
        body = b"".join(_BLANKS.sub(b"\t", line.strip()) + b"\n" for line in body.splitlines())
    columns = body[: body.index(b"\n")].count(b"\t") + 1
    table = TextTable(found, columns, body, original)
    if columns < least:
        table.refuse(0, f"{columns} columns, but a {what} file has at least {least}, separated by tabs")
    table.refuse(_ragged_row(body, columns), f"the number of columns is not {columns} as in the first line")
    return table


def _ragged_row(body: bytes, columns: int) -> int | None:
    """Index of the first line that does not have as many fields as the first."""
    letters = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(letters == ord("\n"))
    tabs = np.flatnonzero(letters == ord("\t"))
    counts = np.diff(np.searchsorted(tabs, ends), prepend=0)
    return first_wrong(counts != columns - 1)
