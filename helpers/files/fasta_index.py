"""Indexes of FASTA files, kept in the cache: a user's folder may be read-only, and two processes may come at once."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path

from Bio import bgzf
from filelock import FileLock
from pyfaidx import BgzfBlock, Faidx, FastaIndexingError

from helpers.errors import InputError
from helpers.files.placing import GZIP_MAGIC, existing_file, replacing_folder
from helpers.places import cache_folder

_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")  # empty block that closes a bgzip file
READ_ERRORS = (ValueError, OSError, RuntimeError, zlib.error)  # what pyfaidx and Biopython's bgzip reader raise on damaged files


class RightBlock(BgzfBlock):
    """A bgzip block that `bisect_left` finds also for its own first byte.

    pyfaidx looks for the block that holds a byte with `bisect_left` and takes the block before; for the first byte of a block that
    is one too early, and where blocks are 65,536 bytes long it then fails.
    """

    __slots__ = ()

    def __lt__(self, other: object) -> bool:
        if isinstance(other, int):
            return bool(self.ustart <= other)
        return super().__lt__(other)

    @staticmethod
    def install(faidx: Faidx) -> None:
        """Exchange the blocks of an open bgzip file."""
        if faidx._bgzf:
            faidx.gzi_index = [RightBlock(*block) for block in faidx.gzi_index]


@dataclass(frozen=True)
class IndexedFasta:
    """Where pyfaidx finds a FASTA and its indexes; `gzi` is only used for bgzip."""

    fasta: Path
    fai: Path
    gzi: Path


def index_error(path: Path, error: Exception) -> InputError:
    """One-line error for whatever pyfaidx or bgzip say about a file."""
    said = " ".join(str(error).split())
    return InputError(f"{path} is not a readable FASTA file ({said}); download it again, or re-wrap its lines to one length")


def _kind(path: Path) -> str:
    """'plain', 'bgzip' or 'gzip', from the first bytes of the file; what is no FASTA is refused."""
    with path.open("rb") as handle:
        first = handle.read(18)
        if first.startswith(GZIP_MAGIC):
            if first[3:4] != b"\x04" or first[12:14] != b"BC":
                return "gzip"
            handle.seek(max(0, path.stat().st_size - len(_BGZF_END)))
            if handle.read() != _BGZF_END:
                raise InputError(f"{path} is cut short (the closing bgzip block is missing); download it again")
            return "bgzip"
    if not first.lstrip().startswith((b">", b";")):
        raise InputError(f"{path} is not a FASTA file: it starts with {first!r}, not with '>'; check the path")
    return "plain"


def _pack(path: Path, target: Path, kind: str) -> None:
    """Write the content of a FASTA as bgzip."""
    try:
        with path.open("rb") if kind == "plain" else gzip.open(path, "rb") as source, bgzf.BgzfWriter(str(target)) as packed:
            shutil.copyfileobj(source, packed, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut short or damaged ({error}); download it again") from error


def _build(path: Path, folder: Path, in_place: bool, kind: str) -> None:
    """Make the folder that holds the indexes and, if one is needed, the packed copy."""
    with replacing_folder(folder) as temporary:
        fasta = path
        if not in_place:
            fasta = temporary / "sequence.fa.gz"
            _pack(path, fasta, kind)
        indexes = temporary / "sequence.fai", temporary / "sequence.gzi"
        try:
            Faidx(str(fasta), indexname=str(indexes[0]), gzi_indexname=str(indexes[1])).close()
        except (FastaIndexingError, *READ_ERRORS) as error:
            raise index_error(path, error) from error
        newest = max(path.stat().st_mtime, indexes[0].stat().st_mtime) + 1
        for index in indexes:
            if index.exists():
                os.utime(index, (newest, newest))  # pyfaidx takes an index older than its file for stale


def indexed_fasta(path: str | os.PathLike[str]) -> IndexedFasta:
    """Find or make the index of a FASTA in the cache, under a key of its path, size and time of change.

    Parameters
    ----------
    path : path
        A plain, bgzip or gzip FASTA, recognised by content.

    Returns
    -------
    IndexedFasta
        The file itself, or its bgzip copy in the cache, and the two index files.

    Raises
    ------
    InputError
        If the file is missing, empty, cut short or no FASTA.
    """
    given = existing_file(path, "FASTA").resolve()
    kind = _kind(given)
    # pyfaidx goes by the name; a name that says something else than the content gets a copy, too.
    in_place = kind != "gzip" and given.name.lower().endswith((".gz", ".bgz")) == (kind == "bgzip")
    in_place = in_place and not given.name.lower().endswith((".bz2", ".zip"))
    state = given.stat()
    key = hashlib.sha256(f"{given}\n{state.st_size}\n{state.st_mtime_ns}".encode()).hexdigest()[:24]
    home = cache_folder() / "fasta"
    home.mkdir(exist_ok=True)
    folder = home / key
    if not folder.is_dir():
        with FileLock(home / f"{key}.lock"):
            if not folder.is_dir():
                _build(given, folder, in_place, kind)
    return IndexedFasta(given if in_place else folder / "sequence.fa.gz", folder / "sequence.fai", folder / "sequence.gzi")
