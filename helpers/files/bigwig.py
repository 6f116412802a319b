"""BigWig tracks: checked opening, what the header says, exact intervals, writing."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig

from helpers.errors import InputError
from helpers.files.bigwig_format import SUMMARY, read_layout
from helpers.files.bigwig_write import write_bigwig
from helpers.files.chroms import check_window, resolve_name, some_names
from helpers.files.placing import existing_file

__all__ = [
    "BigWigHeader",
    "check_lengths",
    "chrom_lengths",
    "open_bigwig",
    "read_header",
    "read_intervals",
    "write_bigwig",
]

_READ_CHUNK = 500_000  # bp


@dataclass(frozen=True)
class BigWigHeader:
    """What a bigWig says of itself; real files can be wrong about all but the chromosomes.

    Attributes
    ----------
    version : int
        Version of the format.
    zoom_levels : tuple of int
        Bases that one entry summarises, per zoom level.
    lengths : dict of str to int
        Length of each chromosome in bp.
    covered_bases : int
        Bases that hold a value, as stated.
    minimum, maximum, mean : float
        Of the values, as stated; NaN where the file says nothing.
    """

    version: int
    zoom_levels: tuple[int, ...]
    lengths: dict[str, int]
    covered_bases: int
    minimum: float
    maximum: float
    mean: float


def open_bigwig(path: str | os.PathLike[str]) -> Any:
    """Open a bigWig with pyBigWig after checking its bytes, because pyBigWig prints, or crashes, on broken files.

    Do not call `.header()` of the handle: it crashes Python on files with NaN in their summary. Use `read_header`.

    Parameters
    ----------
    path : path
        A bigWig file on this machine.

    Returns
    -------
    pyBigWig handle
        Also a context manager; close it.

    Raises
    ------
    InputError
        If the file is missing, empty, truncated, a bigBed, compressed, or no bigWig at all.
    """
    found = existing_file(path, "bigWig")
    read_layout(found)
    try:
        return pyBigWig.open(str(found))
    except RuntimeError as error:
        raise InputError(f"{found} cannot be opened as a bigWig ({error}); download it again") from error


def read_header(path: str | os.PathLike[str]) -> BigWigHeader:
    """Read what a bigWig says of itself: version, zoom levels, chromosomes, and summary.

    The summary is what the writing program put there, and real files can be WRONG: averaging tools leave the summary of their input,
    or count bases that they did not write. Zoom levels can be wrong in the same way. Only the intervals are exact.

    Parameters
    ----------
    path : path
        A bigWig file.

    Returns
    -------
    BigWigHeader

    Raises
    ------
    InputError
        As `open_bigwig`.
    """
    lengths = chrom_lengths(path)
    layout = read_layout(Path(path))
    covered, minimum, maximum, mean = 0, math.nan, math.nan, math.nan
    if layout.summary_offset:
        with Path(path).open("rb") as handle:
            handle.seek(layout.summary_offset)
            covered, low, high, total, _ = SUMMARY.unpack(handle.read(SUMMARY.size))
        if covered:
            minimum, maximum, mean = low, high, total / covered
    return BigWigHeader(layout.version, layout.zooms, lengths, covered, minimum, maximum, mean)


def chrom_lengths(path: str | os.PathLike[str]) -> dict[str, int]:
    """Lengths in bp of the chromosomes that a bigWig names; raises as `open_bigwig`."""
    with open_bigwig(path) as handle:
        return {name: int(length) for name, length in handle.chroms().items()}


def read_intervals(
    path: str | os.PathLike[str], chrom: str, start: int = 0, end: int | None = None, aliases: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Intervals of a bigWig that overlap a window, exactly as stored, cut at the ends of the window.

    Bases between intervals hold no value. An interval may also hold an explicit NaN: both mean "no data" to most tools, but only
    the second is written in the file.

    Parameters
    ----------
    path : path
        A bigWig file.
    chrom : str
        Name of the chromosome, or an alias of it.
    start, end : int
        0-based half-open, in bp; `end` None is the end of the chromosome.
    aliases : mapping of str to str, optional
        See `helpers.files.chroms.resolve_name`.

    Returns
    -------
    DataFrame
        Columns start, end (int64) and value (float64, exact for the stored float32), in order.

    Raises
    ------
    InputError
        As `open_bigwig`; or the chromosome is unknown, or the window is empty or runs past an end.
    """
    name = Path(path).name
    dtype = np.dtype([("start", np.int64), ("end", np.int64), ("value", np.float64)])
    parts = [np.empty(0, dtype)]
    with open_bigwig(path) as handle:
        lengths = handle.chroms()
        known = resolve_name(chrom, lengths, aliases, name)
        stop = check_window(name, lengths, known, start, end)
        for low in range(start, stop, _READ_CHUNK):
            try:
                found = handle.intervals(known, low, min(low + _READ_CHUNK, stop))
            except RuntimeError as error:
                raise InputError(f"{path}: the data of {known} cannot be read ({error}); download it again") from error
            part = np.array(list(found or ()), dtype)
            parts.append(part[part["start"] >= low] if low > start else part)
    table = np.concatenate(parts)
    return pd.DataFrame(
        {"start": np.maximum(table["start"], start), "end": np.minimum(table["end"], stop), "value": table["value"]}
    )


def check_lengths(
    path: str | os.PathLike[str], genome_lengths: Mapping[str, int], aliases: Mapping[str, str] | None = None
) -> None:
    """Check that a bigWig lies on the genome: every chromosome that both have must have one length.

    Chromosomes of the bigWig that the genome does not have are allowed, as long as one fits.

    Parameters
    ----------
    path : path
        A bigWig file.
    genome_lengths : mapping of str to int
        Length of each chromosome of the genome in bp.
    aliases : mapping of str to str, optional
        See `helpers.files.chroms.resolve_name`.

    Raises
    ------
    InputError
        If a length differs, or if no chromosome fits.
    """
    name = Path(path).name
    lengths = chrom_lengths(path)
    shared = 0
    for chrom, length in lengths.items():
        try:
            known = resolve_name(chrom, genome_lengths, aliases, "the genome")
        except InputError:
            continue
        shared += 1
        if length != genome_lengths[known]:
            raise InputError(
                f"chromosome {chrom!r} has {length} bp in {name} and {genome_lengths[known]} bp in the genome: wrong assembly? "
                "use the genome that the track was aligned to"
            )
    if not shared:
        raise InputError(
            f"no chromosome of {name} ({some_names(lengths)}) is in the genome ({some_names(genome_lengths)}): "
            "set chromosome_aliases in the manifest or pass aliases="
        )
