"""Mirrors: a folder or an address that stands in for every host. The checksum still decides what a file is."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from helpers.data.checksums import Checksum, known_digest, matches
from helpers.errors import InputError


def is_address(mirror: str) -> bool:
    """Say whether a mirror is a web address; otherwise it is a folder."""
    return mirror.startswith(("http://", "https://"))


def mirror_address(mirror: str, base_name: str) -> str:
    """Address of a file on a mirror: all files lie side by side, under their base names."""
    return f"{mirror.rstrip('/')}/{quote(base_name)}"


def find_in_folder(folder: Path, base_name: str, expected: Checksum) -> Path:
    """Find a file by its base name at any depth of a folder; where several have the name, the checksum decides.

    Parameters
    ----------
    folder : Path
        The mirror.
    base_name : str
        Last part of the file's address.
    expected : Checksum
        What the file must be.

    Returns
    -------
    Path
        A file whose content is the expected one.

    Raises
    ------
    InputError
        If the folder is not there, holds no such file, or only others of that name.
    """
    if not folder.is_dir():
        raise InputError(f"mirror {folder}: there is no such folder; correct --mirror or GENOMICS_DATA_MIRROR")
    found = [Path(place) / base_name for place, _, names in os.walk(folder) if base_name in names]
    for path in sorted(found):
        if matches(path, expected):
            return path
    if not found:
        raise InputError(f"mirror {folder} lacks {base_name}: put the file there, or do without the mirror")
    first = min(found)
    got = Checksum(expected.algorithm, known_digest(first, expected.algorithm), first.stat().st_size)
    others = f" (nor are {len(found) - 1} others of that name)" if len(found) > 1 else ""
    raise InputError(
        f"{first}: expected {expected}; got {got}{others}: put the right {base_name} into the mirror, or do without it"
    )
