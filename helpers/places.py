"""Where things lie: the user's cache, and the files that travel inside the package."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

PACKAGE = Path(__file__).parent


def cache_folder() -> Path:
    """Folder of all downloaded, simulated and prepared data: `GENOMICS_CACHE`, or the operating system's cache folder."""
    chosen = os.environ.get("GENOMICS_CACHE")
    folder = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("ml-in-genomics")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shipped(*parts: str) -> Path:
    """Path of a file that travels with the package, such as `shipped("data_manifests")`; in a clone it lies at the top level."""
    installed = PACKAGE.joinpath("shipped", *parts)
    return installed if installed.exists() else PACKAGE.parent.joinpath(*parts)
