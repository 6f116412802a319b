"""Facts about a run that make it reproducible: the code, the packages, the machine. Nothing that identifies its owner."""

from __future__ import annotations

import os
import platform

import psutil

from helpers.versions import code_version, processor, versions

__all__ = ["code_version", "machine", "versions"]


def machine() -> dict[str, str | int | float]:
    """Return processor, usable cores, memory in GB (1e9 bytes) and operating system; no name of host or user, no path."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": processor(),
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "platform": f"{platform.system()} {platform.machine()}",
    }
