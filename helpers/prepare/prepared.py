"""A prepared data set: arrays on disk that are opened in no time and mapped, never loaded."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.files.placing import replacing
from helpers.prepare.tables import check_regions

VERSION = 1
CODES, TARGETS, CHROMS, FACTS, MANIFEST = "codes.npy", "targets.npy", "chroms.csv", "prepared.json", "manifest.json"


@dataclass(frozen=True)
class PreparedData:
    """Sequence and binned targets of whole chromosomes, one after another in two flat arrays.

    A chromosome begins on a bin in both arrays: its first base is `base_offset` = `bin_offset` * bin size. What pads its last bin is code 4.

    Parameters
    ----------
    codes : uint8 array, shape (bins * bin_size,)
        A, C, G, T = 0..3, anything else 4.
    targets : float32 array, shape (bins, tracks)
        Means over bins, in the units of the tracks (or transformed); NaN where missing.
    chroms : DataFrame
        `chrom`, `length` (bp), `base_offset`, `bin_offset`, `bins`, and `missing`, the number of bins in which a track is missing.
    bin_size : int
        In bp.
    tracks : tuple of str
        Names of the tracks.
    facts : dict
        Settings, digests, and chromosomes that were left out with the tracks that do not have them.
    folder : Path or None
        Where it lies.
    """

    codes: np.ndarray
    targets: np.ndarray
    chroms: pd.DataFrame
    bin_size: int
    tracks: tuple[str, ...]
    facts: dict[str, Any]
    folder: Path | None = None

    @property
    def lengths(self) -> dict[str, int]:
        """Lengths of the chromosomes in bp."""
        return {chrom: int(length) for chrom, length in zip(self.chroms["chrom"], self.chroms["length"], strict=True)}

    def _row(self, chrom: str) -> dict[str, int]:
        """Offsets and sizes of a chromosome."""
        rows = np.flatnonzero(self.chroms["chrom"].to_numpy(object) == chrom)
        if not len(rows):
            raise InputError(f"chromosome {chrom!r} was not prepared: choose among {', '.join(self.chroms['chrom'])}")
        columns = ("length", "base_offset", "bin_offset", "bins")
        return {column: int(self.chroms[column].iloc[rows[0]]) for column in columns}

    def window(self, chrom: str, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Look at one interval.

        Parameters
        ----------
        chrom : str
            Chromosome.
        start, end : int
            0-based and half-open, in bp; `start` on a bin, `end` on a bin or at the chromosome's end.

        Returns
        -------
        tuple of arrays
            Codes, uint8 (end - start,), and targets, float32 (bins, tracks); views, not copies.

        Raises
        ------
        InputError
            If the interval is empty, leaves the chromosome or is off the bin grid.
        """
        row, size = self._row(chrom), self.bin_size
        if not 0 <= start < end <= row["length"]:
            raise InputError(f"{chrom}:{start}-{end} is empty or leaves {chrom}, which has {row['length']:,} bp")
        if start % size or (end % size and end != row["length"]):
            raise InputError(f"{chrom}:{start}-{end} does not begin and end with a bin of {size} bp: move it onto the bin grid")
        first, last = row["bin_offset"] + start // size, row["bin_offset"] + -(-end // size)
        return self.codes[row["base_offset"] + start : row["base_offset"] + end], self.targets[first:last]

    def signal(self, track: str) -> dict[str, np.ndarray]:
        """Give one track by chromosome: float32 arrays, shape (bins,), for `regions.thresholded_bins` and `windows_above`."""
        if track not in self.tracks:
            raise InputError(f"track {track!r} was not prepared: choose among {', '.join(self.tracks)}")
        number = self.tracks.index(track)
        rows = zip(self.chroms["chrom"], self.chroms["bin_offset"], self.chroms["bins"], strict=True)
        return {chrom: self.targets[offset : offset + bins, number] for chrom, offset, bins in rows}

    def sequence(self) -> dict[str, np.ndarray]:
        """Give the codes by chromosome: uint8 arrays, shape (length,), for `regions.gc_of`."""
        rows = zip(self.chroms["chrom"], self.chroms["base_offset"], self.chroms["length"], strict=True)
        return {chrom: self.codes[offset : offset + length] for chrom, offset, length in rows}

    def save_regions(self, name: str, regions: pd.DataFrame) -> Path:
        """Keep a table of regions with the arrays, such as the windows of an experiment and the part each belongs to.

        Parameters
        ----------
        name : str
            Letters, digits, `_` and `-`; a table of that name is replaced.
        regions : DataFrame
            Columns `chrom`, `start`, `end`, and any others.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If the name cannot be a file's, a region leaves its chromosome, or the data set lies in no folder.
        """
        path = self._regions_path(name)
        check_regions(regions, self.lengths, name)
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as temporary:
            regions.to_csv(temporary, index=False)
        return path

    def load_regions(self, name: str) -> pd.DataFrame:
        """Read a table that `save_regions` kept."""
        path = self._regions_path(name)
        if not path.is_file():
            kept = sorted(other.stem for other in path.parent.glob("[!.]*.csv"))
            raise InputError(f"no regions {name!r} are kept in {self.folder}: there are {', '.join(kept) or 'none'}")
        return pd.read_csv(path, dtype={"chrom": str})

    def _regions_path(self, name: str) -> Path:
        """Path of a kept table of regions."""
        if self.folder is None:
            raise InputError(f"regions {name!r} cannot be kept: this data set lies in no folder")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
            raise InputError(f"regions cannot be called {name!r}: use letters, digits, _ and -")
        return self.folder / "regions" / f"{name}.csv"


def open_prepared(folder: str | Path, *, verify: bool = False) -> PreparedData:
    """Open a folder that `prepare_dataset` made; arrays are mapped from disk.

    Parameters
    ----------
    folder : path
        The folder.
    verify : bool
        Whether to read the arrays once and compare their digests.

    Returns
    -------
    PreparedData

    Raises
    ------
    InputError
        If something is missing, was made by another version, or does not agree.
    """
    place = Path(folder)
    cure = "prepare the data set again"
    absent = [name for name in (FACTS, CHROMS, CODES, TARGETS, MANIFEST) if not (place / name).is_file()]
    if absent:
        raise InputError(f"{place} has no {absent[0]}: it is no prepared data set, or not a whole one; {cure}")
    try:
        facts = json.loads((place / FACTS).read_text())
        chroms = pd.read_csv(place / CHROMS, dtype={"chrom": str}, keep_default_na=False)
        codes, targets = (np.load(place / name, mmap_mode="r", allow_pickle=False) for name in (CODES, TARGETS))
    except (ValueError, OSError) as error:
        raise InputError(f"{place} cannot be opened ({' '.join(str(error).split())}): {cure}") from error
    if facts.get("version") != VERSION:
        raise InputError(f"{place} was prepared by version {facts.get('version')} and this is version {VERSION}: {cure}")
    bins = int(chroms["bins"].sum())
    if codes.shape != (bins * facts["bin_size"],) or targets.shape != (bins, len(facts["tracks"])):
        raise InputError(f"{place} has arrays of shapes {codes.shape} and {targets.shape} for {bins:,} bins: {cure}")
    prepared = PreparedData(codes, targets, chroms, facts["bin_size"], tuple(facts["tracks"]), facts, place)
    if verify:
        for name, array in (("codes", codes), ("targets", targets)):
            if _digest(array) != facts["digests"][name]:
                raise InputError(f"{place} has {name} that changed since they were prepared: {cure}")
    return prepared


def _digest(array: np.ndarray) -> str:
    """Digest of an array's bytes, read a stretch at a time."""
    digest = hashlib.sha256()
    step = max(1, (1 << 26) // array[:1].nbytes)
    for start in range(0, len(array), step):
        digest.update(np.ascontiguousarray(array[start : start + step]).data)
    return digest.hexdigest()
