"""FASTA files, read by region and written. What works on letters and codes, from `helpers.files.sequence`, can be imported from here, too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
from Bio import bgzf
from pyfaidx import Faidx

from helpers.errors import InputError
from helpers.files.chroms import check_window, resolve_name
from helpers.files.fasta_index import READ_ERRORS, IndexedFasta, RightBlock, index_error, indexed_fasta
from helpers.files.placing import replacing
from helpers.files.sequence import (
    BASES,
    decode,
    encode,
    gap_intervals,
    gc_fraction,
    one_hot,
    reverse_complement,
    reverse_complement_codes,
)

CHUNK = 8_000_000  # bases read at a time

__all__ = [
    "BASES",
    "Genome",
    "decode",
    "encode",
    "gap_intervals",
    "gc_fraction",
    "one_hot",
    "reverse_complement",
    "reverse_complement_codes",
    "write_fasta",
]


class Genome:
    """A FASTA file read by region: plain, bgzip or gzip.

    A gzip file is packed once more as bgzip, so that regions can be read; that copy and every index lie in the cache, never beside
    the file. Letters come back in upper case. The open file must not be shared between processes: open one `Genome` in each.

    Parameters
    ----------
    path : path
        The FASTA file.
    aliases : mapping of str to str, optional
        Name used somewhere -> name in the genome; see `helpers.files.chroms.resolve_name`.

    Attributes
    ----------
    path : Path
    names : tuple of str
        In the order of the file; the first word of each header line.
    lengths : dict of str to int
        Length of each sequence in bp.

    Raises
    ------
    InputError
        If the file is missing, empty, cut short or no FASTA.
    """

    def __init__(self, path: str | os.PathLike[str], aliases: Mapping[str, str] | None = None) -> None:
        found: IndexedFasta = indexed_fasta(path)
        self.path = Path(path)
        self.aliases = dict(aliases or {})
        try:
            self._faidx = Faidx(
                str(found.fasta), indexname=str(found.fai), gzi_indexname=str(found.gzi), as_raw=True, rebuild=False
            )
        except READ_ERRORS as error:
            raise index_error(self.path, error) from error
        RightBlock.install(self._faidx)
        self.lengths: dict[str, int] = {name: int(record.rlen) for name, record in self._faidx.index.items()}
        self.names = tuple(self.lengths)

    def __enter__(self) -> Genome:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._faidx.close()

    def resolve(self, chrom: str) -> str:
        """Name of a chromosome in this FASTA; InputError if it has none."""
        return resolve_name(chrom, self.names, self.aliases, self.path.name)

    def _window(self, chrom: str, start: int, end: int | None) -> tuple[str, int, int]:
        """Resolve name, start and end of a window that lies inside its chromosome."""
        name = self.resolve(chrom)
        return name, int(start), check_window(self.path.name, self.lengths, name, start, end)

    def _read(self, name: str, start: int, end: int) -> str:
        """Letters of a window that has been checked."""
        try:
            letters: str = self._faidx.fetch(name, start + 1, end)
        except READ_ERRORS as error:
            raise index_error(self.path, error) from error
        if len(letters) != end - start:
            raise InputError(f"{self.path} holds fewer bases of {name} than its index says; download it again")
        return letters

    def fetch(self, chrom: str, start: int = 0, end: int | None = None) -> str:
        """Letters of a window, in upper case.

        Parameters
        ----------
        chrom : str
            Name of the chromosome, or an alias of it.
        start, end : int
            0-based half-open, in bp; `end` None is the end of the chromosome.

        Returns
        -------
        str

        Raises
        ------
        InputError
            If the chromosome is unknown, or the window is empty or runs past an end.
        """
        return self._read(*self._window(chrom, start, end)).upper()

    def codes(self, chrom: str, start: int = 0, end: int | None = None) -> np.ndarray:
        """Codes of a window, read in chunks, so that a whole chromosome takes one byte a base.

        Parameters
        ----------
        chrom : str
            Name of the chromosome, or an alias of it.
        start, end : int
            0-based half-open, in bp; `end` None is the end of the chromosome.

        Returns
        -------
        uint8 array, shape (end - start,)

        Raises
        ------
        InputError
            If the chromosome is unknown, or the window is empty or runs past an end.
        """
        name, first, last = self._window(chrom, start, end)
        codes = np.empty(last - first, np.uint8)
        for low, high in pairwise([*range(first, last, CHUNK), last]):
            codes[low - first : high - first] = encode(self._read(name, low, high))
        return codes


def _letters(name: str, sequence: str | np.ndarray) -> str:
    """One record's letters, checked; a file with a broken record could not be read back."""
    letters = sequence if isinstance(sequence, str) else decode(sequence)
    if not name or name.split() != [name] or name.startswith(">"):
        raise InputError(f"sequence name {name!r} must be one word without '>'; rename it")
    if not letters:
        raise InputError(f"sequence {name!r} is empty; leave it out")
    if not (letters.isascii() and letters.replace("*", "A").replace("-", "A").isalpha()):
        wrong = next(letter for letter in letters if not (letter.isascii() and letter.isalpha()) and letter not in "*-")
        raise InputError(f"sequence {name!r} holds {wrong!r}, which is no IUPAC letter; remove it")
    return letters


def write_fasta(path: str | os.PathLike[str], sequences: Mapping[str, str | np.ndarray], line_width: int = 60) -> None:
    """Write a FASTA file, whole or not at all; a name that ends in .gz or .bgz is compressed with bgzip.

    Parameters
    ----------
    path : path
        The file to write; one that exists is replaced.
    sequences : mapping of str to str or uint8 array
        Letters or codes of each sequence, by name.
    line_width : int
        Bases a line.

    Raises
    ------
    InputError
        If there is no sequence, one is empty or holds something else than letters, or a name is not one word.
    """
    if not sequences:
        raise InputError(f"{path}: no sequence to write; give at least one")
    if line_width < 1:
        raise InputError(f"line_width is {line_width}; choose 1 or more")
    compressed = str(path).endswith((".gz", ".bgz"))
    with replacing(path) as temporary, bgzf.BgzfWriter(str(temporary)) if compressed else temporary.open("wb") as handle:
        for name, sequence in sequences.items():
            letters = _letters(name, sequence).encode("ascii")
            handle.write(b">" + name.encode() + b"\n")
            lines = (letters[i : i + line_width] for i in range(0, len(letters), line_width))
            handle.write(b"\n".join(lines) + b"\n")
