"""The bytes of a bigWig: header, zoom records, summary, signatures.

The layout is that of Kent et al. 2010 (Bioinformatics 26:2204, supplement, tables 5 to 14): a fixed 64-byte header, one record per zoom
level, a summary, a tree of chromosomes, the data, an index, and the signature once more at the very end.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import InputError
from helpers.files.placing import GZIP_MAGIC

MAGIC = struct.pack("<I", 0x888FFC26)
BIGBED_MAGIC = struct.pack("<I", 0x8789F2EB)
_CHROM_TREE_MAGIC = struct.pack("<I", 0x78CA8C91)
_INDEX_MAGIC = struct.pack("<I", 0x2468ACE0)
HEADER = struct.Struct(
    "<4sHHQQQHHQQIQ"
)  # signature, version, zooms, chromosomes, data, index, 2 x fields, SQL, summary, block, -
ZOOM = struct.Struct("<IIQQ")  # reduction in bp, reserved, data, index
SUMMARY = struct.Struct("<Qdddd")  # covered bases, minimum, maximum, sum, sum of squares


@dataclass(frozen=True)
class Layout:
    """What the fixed header and the zoom records say.

    Attributes
    ----------
    version : int
        Version of the format.
    zooms : tuple of int
        Bases that one entry summarises, per zoom level.
    chroms_offset, index_offset, summary_offset : int
        Where in the file they lie; 0 where there is none.
    block_bytes : int
        Size of the largest block when unpacked; 0 where blocks are not compressed.
    """

    version: int
    zooms: tuple[int, ...]
    chroms_offset: int
    index_offset: int
    summary_offset: int
    block_bytes: int


def _refuse(path: Path, first: bytes, last: bytes) -> None:
    """Raise for a file whose first or last bytes are not those of a bigWig."""
    if first == BIGBED_MAGIC:
        raise InputError(f"{path} is a bigBed, not a bigWig; convert it with bigBedToBed and read it as BED")
    if first == MAGIC[::-1]:
        raise InputError(f"{path} is a bigWig in big-endian byte order, which cannot be read; write it again on a common machine")
    if first.startswith(GZIP_MAGIC):
        raise InputError(f"{path} is gzip-compressed, not a bigWig; unpack it first (gunzip)")
    if first != MAGIC:
        raise InputError(
            f"{path} is not a bigWig (it starts with {first!r}); check the path, or convert text with bedGraphToBigWig"
        )
    if last != MAGIC:
        raise InputError(f"{path} is a truncated bigWig (the signature at its end is missing); download it again")


def read_layout(path: Path) -> Layout:
    """Read the header of a bigWig and check that all it points at lies inside the file.

    Raises
    ------
    InputError
        If the file is truncated, damaged, compressed, a bigBed, or no bigWig at all.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        head = handle.read(HEADER.size)
        handle.seek(max(0, size - 4))
        _refuse(path, head[:4], handle.read(4))
        if len(head) < HEADER.size:
            raise InputError(f"{path} is a truncated bigWig ({size} bytes, less than a header); download it again")
        _, version, n_zooms, chroms, data, index, _, _, _, summary, block_bytes, _ = HEADER.unpack(head)
        handle.seek(HEADER.size)
        records = handle.read(n_zooms * ZOOM.size)
        zooms = [ZOOM.unpack_from(records, i * ZOOM.size) for i in range(len(records) // ZOOM.size)]
        farthest = max([chroms, data, index, summary, *(max(zoom[2], zoom[3]) for zoom in zooms)])
        if len(zooms) < n_zooms or farthest + 4 > size:
            raise InputError(f"{path} is a truncated bigWig ({size} bytes, but it refers to byte {farthest}); download it again")
        for offset, magic, what in ((chroms, _CHROM_TREE_MAGIC, "list of chromosomes"), (index, _INDEX_MAGIC, "index")):
            handle.seek(offset)
            no_data = offset == 0 and what == "index"  # as pyBigWig writes a track without any interval
            if not no_data and handle.read(4) != magic:
                raise InputError(f"{path} is a damaged bigWig (no {what} at byte {offset}); download it again")
    return Layout(version, tuple(zoom[0] for zoom in zooms), chroms, index, summary, block_bytes)
