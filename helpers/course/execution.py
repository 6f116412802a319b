"""One notebook, run in a kernel of its own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from helpers.course.memory import PeakMemory
from helpers.files.placing import write_bytes

KERNEL = "python3"
_TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """How the run of one notebook ended."""

    status: Status
    seconds: float
    peak_memory_mb: float
    error: str | None


def parameterised(path: Path, parameters: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Read a notebook and put parameters behind its cell tagged `parameters`, as papermill does; none leaves it as it is."""
    notebook = load_notebook_node(str(path))
    return parameterize_notebook(notebook, dict(parameters), kernel_name=KERNEL, language="python") if parameters else notebook


def execute(
    notebook: nbformat.NotebookNode,
    folder: Path,
    *,
    variables: Mapping[str, str] | None = None,
    on_cell: Callable[[], None] | None = None,
    on_start: Callable[[int], None] | None = None,
) -> Outcome:
    """Run all cells of a notebook in a fresh kernel; its outputs are replaced in place.

    Parameters
    ----------
    notebook : NotebookNode
        What to run. Cells after one that fails keep no output.
    folder : Path
        The kernel's current folder.
    variables : mapping of str to str, optional
        Environment variables of the kernel, beside those of this process.
    on_cell : callable, optional
        Called after each code cell.
    on_start : callable, optional
        Called with the kernel's process id once it is known.

    Returns
    -------
    Outcome
        A lesson that raises `NotForThisDataset` is skipped; any other exception, or the death of the kernel, makes it failed.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    watched = _Watched(notebook, folder, on_cell or (lambda: None), on_start or (lambda _: None))
    begun = time.monotonic()
    status: Status = "ok"
    error = None
    with PeakMemory(watched.pid) as peak:
        try:
            # What a kernel itself writes to stderr (not its cells) is noise: warnings about its transport, and the like.
            watched.client.execute(env={**os.environ, **(variables or {})}, stderr=subprocess.DEVNULL)
        except CellExecutionError as failure:
            status = "skipped" if failure.ename == "NotForThisDataset" else "failed"
            text = _one_line(failure.evalue)
            error = text if status == "skipped" else f"cell [{watched.cell}]: {failure.ename}: {text}".rstrip(": ")
        except DeadKernelError:
            status, error = "failed", f"cell [{watched.cell}]: the kernel died: is there enough memory?"
    return Outcome(status, round(time.monotonic() - begun, 1), round(peak.megabytes, 1), error)


class _Watched:
    """A client of a notebook's kernel that knows the kernel's process and the number of the cell that runs."""

    def __init__(
        self, notebook: nbformat.NotebookNode, folder: Path, on_cell: Callable[[], None], on_start: Callable[[int], None]
    ) -> None:
        self._code = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
        self._on_cell, self._on_start = on_cell, on_start
        self._pid: int | None = None
        self.cell = 1
        self.client = NotebookClient(
            notebook, timeout=None, startup_timeout=120, kernel_name=KERNEL, record_timing=False,
            resources={"metadata": {"path": str(folder)}}, on_cell_execute=self._begins, on_cell_executed=self._done,
        )  # fmt: skip

    def pid(self) -> int | None:
        """Process id of the kernel, once it has one; told to `on_start` when it is first seen."""
        if self._pid is None:
            self._pid = getattr(getattr(self.client.km, "provisioner", None), "pid", None)
            if self._pid is not None:
                self._on_start(self._pid)
        return self._pid

    def _begins(self, cell_index: int, **_: object) -> None:
        """Remember the cell by the number that will stand beside it."""
        self.cell = self._code.index(cell_index) + 1

    def _done(self, **_: object) -> None:
        """One cell further."""
        self._on_cell()


def _one_line(text: str) -> str:
    """First line with content, without terminal colours."""
    lines = [line.strip() for line in _TERMINAL_COLOURS.sub("", str(text)).splitlines()]
    return next((line for line in lines if line), "")


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, (nbformat.writes(notebook) + "\n").encode())
