"""Where things lie: the user's cache, and the files that travel inside the package."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from helpers.errors import InputError

PACKAGE = Path(__file__).parent
CURE = "set GENOMICS_CACHE to a folder on a disk with room that you may write to"


def cache_folder() -> Path:
    """Folder of all downloaded, simulated and prepared data: `GENOMICS_CACHE`, or the operating system's cache folder.

    Raises
    ------
    InputError
        If it cannot be made or written to.
    """
    chosen = os.environ.get("GENOMICS_CACHE")
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("ml-in-genomics")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the cache {folder} cannot be made ({error.strerror}): {CURE}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"the cache {folder} cannot be written to: {CURE}")
    return folder


def shipped(*parts: str) -> Path:
    """Path of a file that travels with the package, such as `shipped("data_manifests")`; in a clone it lies at the top level."""
    installed = PACKAGE.joinpath("shipped", *parts)
    return installed if installed.exists() else PACKAGE.parent.joinpath(*parts)
