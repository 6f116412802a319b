"""Text in and files out: decompression by content, and output that is either whole or absent."""

from __future__ import annotations

import errno
import gzip
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"


def existing_file(path: str | os.PathLike[str], what: str) -> Path:
    """Path of a file that must exist and hold something.

    Parameters
    ----------
    path : path
        The file asked for.
    what : str
        What it should be, for the message ("bigWig", "FASTA").

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If there is no such file, if it is a folder, or if it holds no byte.
    """
    found = Path(path)
    if not found.exists():
        raise InputError(f"{found}: no such {what} file; check the path, or fetch the data set first")
    if not found.is_file():
        raise InputError(f"{found} is a folder, not a {what} file; name the file in it")
    if found.stat().st_size == 0:
        raise InputError(f"{found} is empty (0 bytes), not a {what} file; download or write it again")
    return found


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Whole content of a file, decompressed when its first bytes are those of gzip, whatever its name.

    Raises
    ------
    InputError
        If the compressed content is cut short or damaged.
    """
    with Path(path).open("rb") as handle:
        content = handle.read()
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut short or damaged ({error}); download it again") from error


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Temporary sibling to write to: it takes the place of `path` when the block ends well, and is removed when it does not.

    Parameters
    ----------
    path : path
        Where the finished file shall lie; its folder must exist.

    Yields
    ------
    Path
        A fresh name with the same suffixes in the same folder; the block must make the file.

    Raises
    ------
    InputError
        If the folder does not exist.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise InputError(f"{target} cannot be written: there is no folder {target.parent}; make it first")
    temporary = target.with_name(f".writing_{secrets.token_hex(8)}_{target.name}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Temporary sibling folder to fill: it takes the place of `path` when the block ends well, and is removed when it does not.

    Parameters
    ----------
    path : path
        Where the finished folder shall lie; a folder that lies there is removed once the new one is finished.

    Yields
    ------
    Path
        A new, empty folder beside it.
    """
    target = Path(path)
    temporary, old = (target.with_name(f".{word}_{secrets.token_hex(8)}_{target.name}") for word in ("writing", "replaced"))
    try:
        temporary.mkdir()
        yield temporary
        if target.exists():
            target.replace(old)
        try:
            temporary.replace(target)
        except OSError:
            if old.exists():
                old.replace(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def reserve_space(path: Path, more: int) -> None:
    """Make sure that a file can grow, for writers that crash on a full disk: space is taken beside it and given back.

    Parameters
    ----------
    path : Path
        The file being written; it need not exist yet.
    more : int
        Bytes by which it may grow.

    Raises
    ------
    OSError
        If the disk, a quota or a limit on the size of files does not allow it; the message names the file.
    """
    size = path.stat().st_size if path.exists() else 0
    filler = path.with_name(f".reserving_{path.name}")
    try:
        if hasattr(os, "posix_fallocate"):
            with filler.open("wb") as handle:
                os.posix_fallocate(handle.fileno(), size, more)
        elif shutil.disk_usage(path.parent).free < more:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}, {more} bytes more are needed in {path.parent}") from error
    finally:
        filler.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all; a name that ends in .gz is compressed (fast rather than small), always to the same bytes."""
    with replacing(path) as temporary:
        packed = gzip.compress(content, compresslevel=1, mtime=0) if Path(path).name.endswith(".gz") else content
        temporary.write_bytes(packed)
