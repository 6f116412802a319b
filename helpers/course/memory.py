"""How much memory a lesson takes: proportional share, summed over its process tree."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import psutil

LONGEST = 1.0  # seconds


def process_memory(pid: int) -> int:
    """Return a process's memory in bytes: its proportional share (PSS) where the system tells, else its resident set; 0 if it is gone.

    Notes
    -----
    PSS counts a page that n processes share as 1/n in each, so that a sum over processes counts it once
    (/proc/PID/smaps_rollup, see proc(5)).
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # another system, or a process that has just ended
        pass
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def tree_memory(pid: int) -> int:
    """Return the memory in bytes of a process and all its descendants."""
    try:
        process = psutil.Process(pid)
        pids = [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.Error:
        return 0
    return sum(map(process_memory, pids))


class PeakMemory:
    """Watch a process tree while a block runs: `with PeakMemory(find_pid) as peak: ...; peak.megabytes`.

    Parameters
    ----------
    find_pid : callable
        Returns the id of the tree's root, or None while it has not started.
    interval : float
        Least seconds between two looks. A look at a large process takes a while, and holds that process up: there are 20 times as long
        between two, but no more than `LONGEST` seconds, so that a lesson of some seconds is seen at its height.
    """

    def __init__(self, find_pid: Callable[[], int | None], interval: float = 0.2) -> None:
        self._find_pid, self._interval = find_pid, interval
        self._peak = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def megabytes(self) -> float:
        """Highest memory seen, in units of 1e6 bytes."""
        return self._peak / 1e6

    def _watch(self) -> None:
        """Look again and again until told to stop."""
        pause = self._interval
        while not self._done.wait(pause):
            begun = time.monotonic()
            pid = self._find_pid()
            if pid is not None:
                self._peak = max(self._peak, tree_memory(pid))
            pause = max(self._interval, min(20 * (time.monotonic() - begun), LONGEST))

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()
