"""What the tests of the course can ask for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_lessons import make_lesson


@pytest.fixture
def lesson(tmp_path: Path) -> Callable[..., Path]:
    """Write a lesson into `tmp_path / "notebooks"`: lesson("01_name", "a cell", ...)."""

    def make(name: str, *cells: str, **metadata: object) -> Path:
        return make_lesson(tmp_path / "notebooks", name, *cells, **metadata)

    return make
