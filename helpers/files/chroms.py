"""Chromosome names: one chromosome is chrI, I or 1, chrM, MT or Mito, depending on who wrote the file."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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
            f"chromosome {chrom!r} is not in {what} (it has {some_names(names)}): set aliases in the manifest or pass aliases="
        )
    if len(found) > 1:
        raise InputError(f"chromosome {chrom!r} fits {some_names(found)} of {what} through the aliases: keep one of them")
    return found[0]


def some_names(names: Collection[str], most: int = 3) -> str:
    """List the first few names for a message: `'1', '2', '3', ...`."""
    shown = ", ".join(repr(name) for name in list(names)[:most])
    return (shown or "no sequence") + (", ..." if len(names) > most else "")
