"""The data blocks of a bigWig file as arrays of intervals, many blocks at a time and safe to read from several threads.

pyBigWig answers with one value per base and gives NaN both for a base that no interval covers and for a base whose interval says NaN.
Binning needs the difference, and is several times faster on the intervals themselves. The layout is that of Kent et al. 2010
(Bioinformatics 26:2204, supplement): header, chromosome tree, R-tree of blocks, each block a compressed section of one of three types.
"""

from __future__ import annotations

import itertools
import struct
import threading
import zlib
from pathlib import Path
from types import TracebackType

import numpy as np

from helpers.errors import InputError
from helpers.files.bigwig_format import read_layout
from helpers.files.runs import count_within

TREE_HEADER = struct.Struct("<IIIIQQ")
INDEX_HEADER_BYTES = 48
BED_GRAPH, VARIABLE_STEP, FIXED_STEP = 1, 2, 3

BRANCH = np.dtype([("chrom", "<u4"), ("start", "<u4"), ("last", "<u4"), ("end", "<u4"), ("offset", "<u8")])
LEAF = np.dtype([*((name, BRANCH[name]) for name in BRANCH.names or ()), ("size", "<u8")])
SECTION = np.dtype(
    [*((name, "<u4") for name in ("chrom", "start", "end", "step", "span")), ("kind", "u1"), ("_", "u1"), ("items", "<u2")]
)
BED_GRAPH_ITEM = np.dtype([("start", "<u4"), ("end", "<u4"), ("value", "<f4")])
VARIABLE_ITEM = np.dtype([("start", "<u4"), ("value", "<f4")])

Intervals = tuple[np.ndarray, np.ndarray, np.ndarray]


class BlockReader:
    """An open bigWig file whose blocks are looked up by position and decoded to intervals.

    Parameters
    ----------
    path : path
        A bigWig file that `helpers.files.bigwig.open_bigwig` accepts.

    Raises
    ------
    InputError
        If the file is truncated or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = self.path.open("rb")
        self._lock = threading.Lock()
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> None:
        """Read the header and the chromosome tree."""
        self._layout = read_layout(self.path)
        key_bytes = TREE_HEADER.unpack(self._read(self._layout.chroms_offset, TREE_HEADER.size))[2]
        self._ids: dict[str, int] = {}
        self._chromosomes(self._layout.chroms_offset + TREE_HEADER.size, key_bytes)

    def __enter__(self) -> BlockReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        """`size` bytes from `offset`; every byte must be there."""
        with self._lock:
            self._file.seek(offset)
            data = self._file.read(size)
        if len(data) < size:
            raise InputError(f"{self.path} ends {size - len(data):,} bytes too early: it is truncated, fetch or write it again")
        return data

    def _node(self, offset: int) -> tuple[bool, int]:
        """Whether the tree node at `offset` is a leaf, and how many entries it has."""
        leaf, _, count = struct.unpack("<BBH", self._read(offset, 4))
        return bool(leaf), count

    def _chromosomes(self, offset: int, key_bytes: int) -> None:
        """Walk the chromosome tree and fill the table of numbers by name."""
        leaf, count = self._node(offset)
        size = key_bytes + 8
        data = self._read(offset + 4, count * size)
        for k in range(count):
            key, value = data[k * size : k * size + key_bytes], data[k * size + key_bytes : (k + 1) * size]
            if leaf:
                self._ids[key.rstrip(b"\0").decode()] = struct.unpack("<II", value)[0]
            else:
                self._chromosomes(struct.unpack("<Q", value)[0], key_bytes)

    def find(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return the blocks that touch an interval.

        Parameters
        ----------
        chrom : str
            Chromosome, by its name in this file.
        start, end : int
            The interval, 0-based and half-open.

        Returns
        -------
        structured array, shape (blocks,)
            In order of position; `start` and `end` say what each covers, `offset` and `size` where it lies in the file.
        """
        found: list[np.ndarray] = []
        number, index = self._ids.get(chrom), self._layout.index_offset
        if number is not None and index:  # a track without any interval has no index
            self._descend(index + INDEX_HEADER_BYTES, number, start, end, found)
        blocks = np.concatenate(found) if found else np.empty(0, LEAF)
        return blocks[np.argsort(blocks["start"], kind="stable")]

    def _descend(self, offset: int, chrom: int, start: int, end: int, found: list[np.ndarray]) -> None:
        """Collect from the R-tree node at `offset` the leaf entries that touch the interval."""
        leaf, count = self._node(offset)
        kind = LEAF if leaf else BRANCH
        rows = np.frombuffer(self._read(offset + 4, count * kind.itemsize), kind)
        before = (rows["last"] < chrom) | ((rows["last"] == chrom) & (rows["end"] <= start))
        after = (rows["chrom"] > chrom) | ((rows["chrom"] == chrom) & (rows["start"] >= end))
        rows = rows[~before & ~after]
        if leaf:
            found.append(rows)
        else:
            for child in rows["offset"].tolist():
                self._descend(child, chrom, start, end, found)

    def intervals(self, chrom: str, blocks: np.ndarray) -> Intervals:
        """Decode blocks, which several threads may do at once.

        Parameters
        ----------
        chrom : str
            Chromosome, by its name in this file.
        blocks : structured array
            From `find`.

        Returns
        -------
        tuple of arrays
            Starts and ends (int64) and values (float64), in order of position; a value may be NaN.

        Raises
        ------
        InputError
            If a block cannot be decoded.
        """
        number = self._ids[chrom]
        places = zip(blocks["offset"].tolist(), blocks["size"].tolist(), strict=True)
        try:
            raw = [self._read(offset, packed) for offset, packed in places]
            size = self._layout.block_bytes
            sections = [memoryview(zlib.decompress(data, bufsize=size) if size else data) for data in raw]
            heads = np.frombuffer(b"".join(data[: SECTION.itemsize] for data in sections), SECTION)
            parts = []
            for (kind, here), rows in itertools.groupby(range(len(sections)), lambda k: (heads["kind"][k], heads["chrom"][k])):
                if here == number:
                    chosen = list(rows)
                    parts.append(self._decode(kind, heads[chosen], b"".join(sections[k][SECTION.itemsize :] for k in chosen)))
        except (zlib.error, ValueError, KeyError) as error:
            raise InputError(f"{self.path} has a damaged block on {chrom} ({error}): fetch or write the file again") from error
        if not parts:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        if len(parts) == 1:
            return parts[0]
        starts, ends, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        return starts, ends, values

    def _decode(self, kind: int, heads: np.ndarray, data: bytes) -> Intervals:
        """Intervals of sections of one type whose payloads have been joined."""
        if kind == BED_GRAPH:
            rows = np.frombuffer(data, BED_GRAPH_ITEM)
            return rows["start"].astype(np.int64), rows["end"].astype(np.int64), rows["value"].astype(np.float64)
        items = heads["items"].astype(np.int64)
        spans = np.repeat(heads["span"].astype(np.int64), items)
        if kind == VARIABLE_STEP:
            rows = np.frombuffer(data, VARIABLE_ITEM)
            starts = rows["start"].astype(np.int64)
            return starts, starts + spans, rows["value"].astype(np.float64)
        if kind != FIXED_STEP:
            raise ValueError(f"unknown section type {kind}")
        values = np.frombuffer(data, "<f4").astype(np.float64)
        steps = count_within(items) * np.repeat(heads["step"].astype(np.int64), items)
        starts = np.repeat(heads["start"].astype(np.int64), items) + steps
        return starts, starts + spans, values
