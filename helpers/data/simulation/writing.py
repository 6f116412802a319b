"""The writing of a data set's files, shared between two processes where there is enough to write.

pyBigWig holds Python's lock while it writes, so threads do not help; and a fork is not safe once TensorFlow has been loaded. So the second process is
a new Python, which makes the same world again (as it depends on settings and seed alone) and writes its share of the files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers.data.simulation.outputs import Bench
from helpers.data.simulation.settings import SimulationSettings
from helpers.data.simulation.world import make_world
from helpers.errors import InputError
from helpers.places import PACKAGE

WORTH_TWO = 100.0
"""Files times Mb from which a second process saves more than its start costs."""


def write_files(settings: SimulationSettings, seed: int, folder: Path, names: tuple[str, ...]) -> None:
    """Write the named files into a folder; those of the later cell types in a second process where that is worth its start."""
    own: tuple[str, ...] = names
    others: tuple[str, ...] = ()
    if len(names) * settings.megabases >= WORTH_TWO and (os.cpu_count() or 1) > 1:
        elsewhere = settings.cell_types[
            -(-len(settings.cell_types) // 3) :
        ]  # A has the most files, and the other process starts later
        others = tuple(name for name in names if name.startswith(tuple(f"atac_{letter}." for letter in elsewhere)))
        own = tuple(name for name in names if name not in others)
    with _second_process(settings, seed, folder, others):
        write_here(settings, seed, folder, own)


def write_here(settings: SimulationSettings, seed: int, folder: Path, names: tuple[str, ...]) -> None:
    """Write the named files in this process, a cell type after the other."""
    bench = Bench(make_world(settings, seed))
    deep = {name for name in names if name.startswith(("h3k36me3_A", "atac_A", "reads"))}
    for name in sorted(names, key=lambda name: (name not in deep, names.index(name))):
        bench.write(name, folder / name)
        cell_type = name.split(".")[0].removeprefix("atac_")
        if name.endswith(".narrowPeak") and cell_type != "A":
            bench.forget(cell_type)


@contextlib.contextmanager
def _second_process(settings: SimulationSettings, seed: int, folder: Path, names: tuple[str, ...]) -> Iterator[None]:
    """While the block runs, let another process write the named files; wait for it at the end, and raise what went wrong there."""
    if not names:
        yield
        return
    task = json.dumps([dataclasses.asdict(settings), seed, str(folder.resolve()), names])
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    line = [sys.executable, "-m", __name__, task]
    process = subprocess.Popen(  # noqa: S603 (this Python, this module)
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        yield
        _, said = process.communicate()
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        reason = (said.strip().splitlines() or [f"exit code {process.returncode}"])[-1]
        raise InputError(f"the simulated files {names[0]} to {names[-1]} could not be written to {folder}: {reason}")


def main(task: str) -> None:
    """Do one process's share: settings, seed, folder and file names as JSON."""
    settings, seed, folder, names = json.loads(task)
    write_here(SimulationSettings(**settings), seed, Path(folder), tuple(names))


if __name__ == "__main__":
    main(sys.argv[1])
