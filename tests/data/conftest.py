"""A small web site on this machine, which can be as unreliable as real ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Site:
    """Serves `files`; each request to a path first uses up one entry of its `trouble`: a status, or how many bytes to send before hanging up."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.trouble: dict[str, list[tuple[str, int]]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.ranges = True
        self.lengths = True
        self.retry_after: str | None = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                site.requests.append((self.path, asked))
                kind, number = site.trouble[self.path].pop(0) if site.trouble.get(self.path) else ("", 0)
                if kind == "status":
                    self.send_response(number)
                    if site.retry_after is not None:
                        self.send_header("Retry-After", site.retry_after)
                    self.end_headers()
                    return
                if self.path not in site.files:
                    self.send_error(404)
                    return
                self._send(site.files[self.path], asked, number if kind == "drop" else None)

            def _send(self, content: bytes, asked: str | None, stop: int | None) -> None:
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.ranges else 0
                if start and start >= len(content):
                    self.send_response(416)
                    self.end_headers()
                    return
                self.send_response(206 if start else 200)
                if start:
                    self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                if site.lengths:
                    self.send_header("Content-Length", str(len(content) - start))
                self.end_headers()
                body = content[start:]
                self.wfile.write(body if stop is None else body[:stop])

        return Handler


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one test's own."""
    folder = tmp_path / "own_cache"
    monkeypatch.setenv("GENOMICS_CACHE", str(folder))
    monkeypatch.delenv("GENOMICS_DATA_MIRROR", raising=False)
    return folder


@pytest.fixture
def waits() -> list[float]:
    """What a fake `sleep` was asked to wait: pass `waits.append`."""
    return []
