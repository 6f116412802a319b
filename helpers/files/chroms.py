"""Chromosomes: names, which differ between files (chrI, I or 1; chrM, MT or Mito), and windows that must lie inside."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from helpers.errors import InputError


def resolve_name(chrom: str, names: Collection[str], aliases: Mapping[str, str] | None, what: str) -> str:
    """Name under which a file holds a chromosome.

    Aliases map a name used somewhere to the name in the genome and work in both directions, so that every name of a
    chromosome finds every other: with {"MT": "chrM", "Mito": "chrM"}, "Mito" finds "chrM" or "MT". An exact match wins.

    Parameters
    ----------
    chrom : str
        The name asked for.
    names : collection of str
        The names that the file holds.
    aliases : mapping of str to str, or None
        Name used somewhere -> name in the genome.
    what : str
        Name of the file, for the message.

    Returns
    -------
    str
        One of `names`.

    Raises
    ------
    InputError
        If no name or more than one name fits.
    """
    if chrom in names:
        return chrom
    known = dict(aliases or {})
    canonical = known.get(chrom, chrom)
    same = {canonical} | {name for name, target in known.items() if target == canonical}
    found = [name for name in names if name in same]
    if not found:
        raise InputError(
            f"chromosome {chrom!r} is not in {what} (it has {some_names(names)}): set chromosome_aliases in the manifest or pass aliases="
        )
    if len(found) > 1:
        raise InputError(f"chromosome {chrom!r} fits {some_names(found)} of {what} through the aliases: keep one of them")
    return found[0]


def some_names(names: Collection[str], most: int = 3) -> str:
    """List the first few names for a message: `'1', '2', '3', ...`."""
    shown = ", ".join(repr(name) for name in list(names)[:most])
    return (shown or "no sequence") + (", ..." if len(names) > most else "")


def genome_names(chroms: pd.Series, aliases: Mapping[str, str] | None) -> pd.Series:
    """Replace the names of a column by those in the genome; a name without an alias stays.

    Parameters
    ----------
    chroms : Series of str
        Names as a file has them.
    aliases : mapping of str to str, or None
        Name used in the file -> name in the genome.

    Returns
    -------
    Series of str
    """
    known = aliases or {}
    return chroms.map({name: known.get(name, name) for name in chroms.unique()}) if known else chroms


def check_window(name: str, lengths: Mapping[str, int], chrom: str, start: int, end: int | None) -> int:
    """End of a window that must lie inside its chromosome.

    Parameters
    ----------
    name : str
        Name of the file, for the message.
    lengths : mapping of str to int
        Length of each chromosome in bp.
    chrom : str
        One of `lengths`.
    start, end : int
        0-based half-open; `end` None is the end of the chromosome.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If the window is empty or runs past an end.
    """
    length = lengths[chrom]
    stop = length if end is None else int(end)
    if not 0 <= start < stop <= length:
        problem = "runs past an end" if start < stop else "is empty"
        raise InputError(
            f"{name}: window {chrom}:{start}-{stop} {problem}: choose 0 <= start < end <= {length} (length of {chrom})"
        )
    return stop
