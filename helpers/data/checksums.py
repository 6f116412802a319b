"""Checksums of files, remembered so that a file that has not changed is not read again."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from helpers.files.placing import write_bytes
from helpers.places import cache_folder

log = logging.getLogger(__name__)

Algorithm = Literal["sha256", "md5"]
CHUNK = 1 << 20
TOO_FRESH = 2_000_000_000  # ns: a file changed this lately may change again without its time of change showing it


@dataclass(frozen=True)
class Checksum:
    """What a file must be: its digest, how that is computed, and its size in bytes where it is known."""

    algorithm: Algorithm
    digest: str
    size: int | None = None

    def __str__(self) -> str:
        return f"{self.algorithm} {self.digest}" + ("" if self.size is None else f", {self.size:,} bytes")


def digest_of(path: Path, algorithm: Algorithm = "sha256") -> str:
    """Read a whole file and return its digest.

    Parameters
    ----------
    path : Path
        The file.
    algorithm : "sha256" or "md5"
        How to compute it.

    Returns
    -------
    str
        Hexadecimal digits in lower case.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def known_digest(path: Path, algorithm: Algorithm = "sha256") -> str:
    """Digest of a file, from a note in the cache where the file's size and time of change are as they were then.

    Parameters
    ----------
    path : Path
        The file.
    algorithm : "sha256" or "md5"
        How to compute it.

    Returns
    -------
    str
        Hexadecimal digits in lower case.
    """
    state = path.stat()
    note = _note(path)
    recorded = read_json(note)
    unchanged = recorded.get("size") == state.st_size and recorded.get("mtime_ns") == state.st_mtime_ns
    if unchanged and algorithm in recorded:
        return str(recorded[algorithm])
    digest = digest_of(path, algorithm)
    if time.time_ns() - state.st_mtime_ns < TOO_FRESH:
        return digest
    kept = recorded if unchanged else {}
    write_json(note, {**kept, "path": str(path), "size": state.st_size, "mtime_ns": state.st_mtime_ns, algorithm: digest})
    return digest


def remember(path: Path, algorithm: Algorithm, digest: str) -> None:
    """Note the digest of a file that was just made and checked, so that it is not read again.

    Parameters
    ----------
    path : Path
        The file.
    algorithm : "sha256" or "md5"
        How the digest was computed.
    digest : str
        Hexadecimal digits in lower case.
    """
    state = path.stat()
    write_json(_note(path), {"path": str(path), "size": state.st_size, "mtime_ns": state.st_mtime_ns, algorithm: digest})


def matches(path: Path, expected: Checksum, *, reread: bool = False) -> bool:
    """Say whether a file is what it must be.

    Parameters
    ----------
    path : Path
        The file; it need not exist.
    expected : Checksum
        What it must be.
    reread : bool
        Read the file again even where its digest is known.

    Returns
    -------
    bool
        False also where there is no such file.
    """
    if not path.is_file() or (expected.size is not None and path.stat().st_size != expected.size):
        return False
    if reread:
        _note(path).unlink(missing_ok=True)
    return known_digest(path, expected.algorithm) == expected.digest


def read_json(path: Path) -> dict[str, Any]:
    """Content of a small JSON file of ours; empty where it is missing or was damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, json.JSONDecodeError):
        log.warning("%s is damaged and is made anew", path)
        return {}
    return content if isinstance(content, dict) else {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a small JSON file so that a reader sees the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, json.dumps(content, indent=1, sort_keys=True).encode())


def _note(path: Path) -> Path:
    """Where the digests of a file are remembered."""
    return cache_folder() / "stamps" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
