"""Downloads: resumed where they broke off, retried where a server is busy, checked always, and never in place half-finished."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from filelock import FileLock
from tqdm import tqdm

from helpers.data.checksums import CHUNK, Checksum, digest_of, matches, remember
from helpers.data.mirrors import find_in_folder, is_address, mirror_address
from helpers.data.schema import safe_name
from helpers.data.web import ATTEMPTS, MIRROR_CURE, TIMEOUT, AgainError, Sleep, check_status, with_retries
from helpers.errors import InputError
from helpers.places import cache_folder

log = logging.getLogger(__name__)

DELAY = 0.5  # a bar is shown for what takes longer than this many seconds
NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


class _WrongError(Exception):
    """What came is not what the checksum says; `resumed` where it came in pieces, which may not belong together."""

    def __init__(self, message: str, *, resumed: bool) -> None:
        super().__init__(message)
        self.resumed = resumed


def cached_path(name: str, expected: Checksum) -> Path:
    """Return where a download lies in the cache: a folder named by its digest, so that two data sets share one copy.

    Parameters
    ----------
    name : str
        File name; refused where it could leave the folder.
    expected : Checksum
        What the file is.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the name is not safe.
    """
    try:
        return cache_folder() / "files" / expected.digest / safe_name(name)
    except ValueError as problem:
        raise InputError(f"file name {name!r}: {problem}") from None


def obtain(
    url: str, name: str, expected: Checksum, *, mirror: str | None = None, progress: bool = True, sleep: Sleep = time.sleep
) -> Path:
    """Return a file from the cache, or bring it there from its address or from a mirror.

    Parameters
    ----------
    url : str
        Where the file is published.
    name : str
        What it is called in the cache.
    expected : Checksum
        What it must be.
    mirror : str, optional
        Folder or address that stands in for every host; by default that of `GENOMICS_DATA_MIRROR`. It does not change what the file must be.
    progress : bool
        Show a progress bar.
    sleep : callable
        Waits between attempts.

    Returns
    -------
    Path
        In the cache, complete and checked.

    Raises
    ------
    InputError
        If the file cannot be had, or is not what it must be; nothing is left in place then.
    """
    target = cached_path(name, expected)
    mirror = mirror or os.environ.get("GENOMICS_DATA_MIRROR") or None
    if matches(target, expected):
        return target
    if mirror is None:
        return fetch(url, target, expected, progress=progress, sleep=sleep)
    base_name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if is_address(mirror):
        address = mirror_address(mirror, base_name)
        missing = f"mirror {mirror} lacks {base_name}: put the file there, or do without the mirror"
        return fetch(address, target, expected, progress=progress, sleep=sleep, missing=missing)
    source = find_in_folder(Path(mirror).expanduser(), base_name, expected)
    return _place(target, expected, str(source), lambda part: _copy(source, part, expected, progress), fresh=True)


def fetch(
    url: str,
    target: Path,
    expected: Checksum,
    *,
    progress: bool = True,
    sleep: Sleep = time.sleep,
    attempts: int = ATTEMPTS,
    timeout: httpx.Timeout = TIMEOUT,
    missing: str = f"there is no such file; the address may have changed: correct 'url' in the manifest, {MIRROR_CURE}",
) -> Path:
    """Download one file.

    Parameters
    ----------
    url : str
        Address, http or https.
    target : Path
        Where the finished file goes. Beside it lie `.part` while it grows, to resume from, and `.lock`, so that of two processes one downloads.
    expected : Checksum
        What it must be.
    progress : bool
        Show a progress bar.
    sleep, attempts
        As in `helpers.data.web.with_retries`.
    timeout : httpx.Timeout
        How long to wait for a connection, and between two pieces.
    missing : str
        What to say and do where there is no such file.

    Returns
    -------
    Path
        `target`, complete and checked.

    Raises
    ------
    InputError
        If the file cannot be had, or is not what it must be; nothing is left in place then.
    """

    def fill(part: Path) -> bool:
        with (
            httpx.Client(timeout=timeout, follow_redirects=True) as client,
            tqdm(total=expected.size, desc=target.name, unit="B", unit_scale=True, delay=DELAY, disable=not progress) as bar,
        ):
            start = with_retries(
                lambda: _stream(client, url, part, expected, bar, missing),
                url,
                sleep=sleep,
                attempts=attempts,
                reached=lambda: _size(part),
            )
        return start > 0

    return _place(target, expected, url, fill)


def _place(target: Path, expected: Checksum, source: str, fill: Callable[[Path], bool], *, fresh: bool = False) -> Path:
    """Let one process fill a partial file, check it, and put it in place; what was resumed and does not fit is fetched anew, once."""
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if matches(target, expected):
                return target
            if fresh:
                part.unlink(missing_ok=True)
            _make_room(target, expected, part)
            try:
                return _settle(part, target, expected, source, fill)
            except _WrongError as problem:
                if not problem.resumed:
                    raise InputError(str(problem)) from None
                log.warning("%s: what was resumed did not fit, so the download starts again", source)
            try:
                return _settle(part, target, expected, source, fill)
            except _WrongError as problem:
                raise InputError(str(problem)) from None
    except OSError as problem:
        raise _disk_problem(problem, part, target, expected) from problem


def _settle(part: Path, target: Path, expected: Checksum, source: str, fill: Callable[[Path], bool]) -> Path:
    """Fill the partial file and move it into place if it is what it must be; delete it if it is not."""
    try:
        resumed = fill(part)
        got = Checksum(expected.algorithm, digest_of(part, expected.algorithm), _size(part))
        if got.digest != expected.digest or expected.size not in (None, got.size):
            raise _WrongError(_mismatch(source, expected, str(got)), resumed=resumed)
    except _WrongError:
        part.unlink(missing_ok=True)
        raise
    part.replace(target)
    remember(target, expected.algorithm, expected.digest)
    return target


def _stream(client: httpx.Client, url: str, part: Path, expected: Checksum, bar: tqdm, missing: str) -> int:
    """Ask for the rest of a file, or for all of it where the server cannot resume; return how many bytes were there before."""
    start = _size(part)
    if expected.size is not None and start == expected.size:
        return start
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with client.stream("GET", url, headers=headers) as answer:
        if start and answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            part.unlink()
            raise AgainError("the partial file is longer than the file", wait=0)
        check_status(answer, url, missing)
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            if not start or not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                part.unlink(missing_ok=True)
                raise AgainError("the server sent another piece than was asked for", wait=0 if start else None)
        else:
            start = 0
            promised = answer.headers.get("Content-Length", "")
            if promised.isdigit() and expected.size not in (None, int(promised)):
                raise _WrongError(_mismatch(url, expected, f"{int(promised):,} bytes"), resumed=False)
        bar.n = start
        written = _write(answer.iter_raw(), part, start, expected, bar, url)
    if expected.size is not None and written < expected.size:
        raise AgainError(f"the connection closed after {written:,} of {expected.size:,} bytes")
    return start


def _copy(source: Path, part: Path, expected: Checksum, progress: bool) -> bool:
    """Copy a file of a mirror folder into the partial file."""
    with (
        source.open("rb") as file,
        tqdm(total=source.stat().st_size, desc=source.name, unit="B", unit_scale=True, delay=DELAY, disable=not progress) as bar,
    ):
        _write(iter(lambda: file.read(CHUNK), b""), part, 0, expected, bar, str(source))
    return False


def _write(chunks: Iterable[bytes], part: Path, start: int, expected: Checksum, bar: tqdm, source: str) -> int:
    """Write pieces behind the first `start` bytes of the partial file, and stop where more comes than there should be; return its size."""
    with part.open("ab" if start else "wb") as file:
        written = start
        for chunk in chunks:
            file.write(chunk)
            written += len(chunk)
            bar.update(len(chunk))
            if expected.size is not None and written > expected.size:
                raise _WrongError(_mismatch(source, expected, f"more than {expected.size:,} bytes"), resumed=start > 0)
    return written


def _mismatch(source: str, expected: Checksum, got: str) -> str:
    """Say that a file is not what it must be."""
    return f"{source}: expected {expected}; got {got}: the file there has changed or is damaged; nothing was kept, correct the manifest or the source"


def _make_room(target: Path, expected: Checksum, part: Path) -> None:
    """Refuse to start what cannot fit on the disk."""
    if expected.size is None:
        return
    needed, free = expected.size - min(_size(part), expected.size), shutil.disk_usage(target.parent).free
    if free < needed:
        raise InputError(_full(target, f"{needed:,} bytes are needed, {free:,} are free"))


def _disk_problem(problem: OSError, part: Path, target: Path, expected: Checksum) -> Exception:
    """Turn a full or closed disk into one line with a cure; what takes up the room is deleted. Other problems stay what they are."""
    if problem.errno in NO_SPACE:
        part.unlink(missing_ok=True)
        return InputError(_full(target, "no space is left" if expected.size is None else f"{expected.size:,} bytes are needed"))
    if problem.errno in NOT_ALLOWED:
        return InputError(f"{target.parent}: cannot be written ({problem.strerror}); set GENOMICS_CACHE to a folder of your own")
    return problem


def _full(target: Path, reason: str) -> str:
    """Say that the disk is full."""
    return f"{target.parent}: the disk is full for {target.name}: {reason}; free some, or set GENOMICS_CACHE to a folder on a larger disk"


def _size(path: Path) -> int:
    """Size of a file in bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
