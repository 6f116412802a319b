"""Where the targets of a prepared data set come from: a bigWig track, or fragments whose coverage is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from helpers.errors import InputError
from helpers.files.bigwig import check_lengths, chrom_lengths
from helpers.files.chroms import resolve_name
from helpers.files.reads import read_fragments
from helpers.prepare.signal import Uncovered, bin_signal, fragment_coverage

FRAGMENT_SUFFIXES = {".bed", ".bedpe"}


class Source(Protocol):
    """Something that has a value for each bin of a chromosome."""

    def has(self, chrom: str) -> bool:
        """Tell whether the chromosome, by its name in the genome, is there."""

    def bins(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Average over bins from `start` to `end` (bp): float32 array, NaN where missing."""


class BigWigSource:
    """A bigWig track, checked against the lengths of the genome's chromosomes."""

    def __init__(
        self, path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str], bin_size: int, uncovered: Uncovered
    ) -> None:
        check_lengths(path, lengths, aliases)
        self._path, self._aliases, self._bin_size, self._uncovered = path, aliases, bin_size, uncovered
        self._held = chrom_lengths(path)

    def has(self, chrom: str) -> bool:
        """Tell whether the file names the chromosome."""
        try:
            resolve_name(chrom, self._held, self._aliases, str(self._path))
        except InputError:
            return False
        return True

    def bins(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Average the track over bins."""
        return bin_signal(
            self._path, chrom, self._bin_size, start=start, end=end, uncovered=self._uncovered, aliases=self._aliases
        )


class FragmentSource:
    """Coverage of fragments; every chromosome of the genome has one, be it 0 throughout."""

    def __init__(self, path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str], bin_size: int) -> None:
        self._lengths, self._bin_size = lengths, bin_size
        self._fragments = read_fragments(path, aliases=aliases)
        unknown = sorted(set(self._fragments["chrom"].unique()) - set(lengths))
        if unknown:
            raise InputError(
                f"{path} has fragments on {unknown[0]!r}, which is not in the genome: set chromosome_aliases in the manifest or pass aliases="
            )
        self._last: tuple[str, np.ndarray] = ("", np.empty(0, np.int32))

    def has(self, chrom: str) -> bool:
        """Tell whether the genome has the chromosome."""
        return chrom in self._lengths

    def bins(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Average the coverage over bins."""
        if self._last[0] != chrom:
            self._last = chrom, fragment_coverage(self._fragments, chrom, self._lengths[chrom])
        edges = np.arange(0, end - start, self._bin_size)
        widths = np.diff(edges, append=end - start)
        return (np.add.reduceat(self._last[1][start:end], edges, dtype=np.float64) / widths).astype(np.float32)


def holds_fragments(path: Path, role: str) -> bool:
    """Tell whether a file of this role is a table of fragments, not a bigWig."""
    return role == "fragments" or bool(FRAGMENT_SUFFIXES & {suffix.lower() for suffix in path.suffixes})
