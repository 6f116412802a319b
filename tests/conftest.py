"""What every test can ask for."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real yeast files; tests that need it are skipped where `REAL_DATA_DIR` does not name one."""
    folder = os.environ.get("REAL_DATA_DIR")
    if not folder:
        pytest.skip("REAL_DATA_DIR is not set: no real files to test with")
    return Path(folder)


@pytest.fixture(scope="session")
def mirror(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a web server on this machine that holds the real files, each under its base name."""
    folder = tmp_path_factory.mktemp("mirror")
    for path in real_data.rglob("*"):
        if path.is_file():
            (folder / path.name).symlink_to(path)
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


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
