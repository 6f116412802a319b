"""What every test can ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real yeast files; tests that need it are skipped where `REAL_DATA_DIR` does not name one."""
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder:
        pytest.skip("REAL_DATA_DIR is not set: no real files to test with")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this test session's own, so that no test sees or leaves anything in the user's."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("GENOMICS_CACHE")
    os.environ["GENOMICS_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["GENOMICS_CACHE"]
    else:
        os.environ["GENOMICS_CACHE"] = before
