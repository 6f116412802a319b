"""Objectives for the tests of searching, importable in worker processes: curves that are known beforehand, and every way to end."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from helpers.train.worker import Report

FOLDER = Path(__file__).parent
EPOCHS = 9


def score(quality: float, speed: float, epoch: int) -> float:
    """Rises with the epochs to the quality."""
    return quality - speed / epoch


def analytic(report: Report, quality: float, speed: float, folder: str, hang_in_call: int = 0) -> None:
    """Report the curve of `score`, and note the call in a file; one call makes the file "hangs" after two epochs, and goes no further."""
    with Path(folder, "calls").open("a") as calls:
        calls.write(f"{quality!r}\n")
    number = len(Path(folder, "calls").read_text().splitlines())
    for epoch in range(1, EPOCHS + 1):
        report(epoch=epoch, score=score(quality, speed, epoch), threads=float(os.environ["OMP_NUM_THREADS"]))
        if number == hang_in_call and epoch == 2:
            hang(folder)


def ends(report: Report, end: str, folder: str = "") -> None:
    """End in the way that is asked for; one that dies does so until there is a file "repaired"."""
    report(epoch=1, score=1)
    if end == "raises":
        raise ValueError("two\nlines")
    report(epoch=2, score=math.nan if end == "is nan" else 2)
    if end == "dies" and not Path(folder, "repaired").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    for epoch in range(3, 3 if end == "returns" else 100):
        report(epoch=epoch, score=epoch)


def meets(report: Report, quality: float, folder: str) -> None:
    """Wait at first until trials run on nodes "0" and "1"; on node "1" make the file "hangs" after an epoch, and go no further."""
    node = os.environ["NODE_OF_TEST"]
    Path(folder, f"node {node}").touch()
    wait_until(lambda: len(list(Path(folder).glob("node *"))) == 2)
    report(epoch=1, score=quality, node=float(node))
    if node == "1":
        hang(folder)
    report(epoch=2, score=quality, node=float(node))


def hang(folder: str) -> None:
    """Say so, and wait to be ended."""
    Path(folder, "hangs").touch()
    wait_until(lambda: False)


def wait_until(condition: Callable[[], object], seconds: float = 300) -> None:
    """Look again and again until a condition holds; an error if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing happened for {seconds} s")
        time.sleep(0.1)
