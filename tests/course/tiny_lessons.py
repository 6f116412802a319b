"""Tiny lessons, made for the tests."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'dataset = "simulated"\nprofile = "quick"\nseeds = 5\nfirst_seed = 0\nworld = "default"'


def make_lesson(folder: Path, name: str, *cells: str, title: str = "A lesson", **metadata: object) -> Path:
    """Write a notebook with a title cell, a parameters cell and the code cells given."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"# {int(name[:2])} · {title}\n\n**Time:** 5 minutes to read. **Before this:** nothing."),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            *(new_code_cell(source) for source in cells),
        ],
        metadata=metadata,
    )
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"
