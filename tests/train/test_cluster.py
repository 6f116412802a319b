"""Connections to Ray: addresses that are refused, a private instance that leaves nothing behind, and a cluster that loses a node."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from tuning_objectives import FOLDER, meets, wait_until

from helpers.errors import InputError
from helpers.train import cluster, ray_trials
from helpers.train.cluster import connected
from helpers.train.space import uniform
from helpers.train.trials import Journal
from helpers.train.tuning import search

SETTINGS_FRAME = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # as every server begins that speaks HTTP/2
AS_RAY = "ray.rpc.NodeInfoGcsService", "CheckAlive"  # what the head of a cluster is asked first
STARTS = 3
# `ray start` as on the command line, but for what two busy cores do not manage to import before Ray gives up
RAY = """
import ray.scripts.scripts
from helpers.train.cluster import _lean
with _lean(ray):
    ray.scripts.scripts.main()
"""


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A server on this machine that gives an answer to whatever it is told, or none; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1_000)
                        if answer is None:
                            connection.recv(1_000)  # until the other gives up
                        else:
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def called_server(service: str, method: str) -> Iterator[int]:
    """A gRPC server on this machine with one method, which answers nothing to anything; its port."""
    handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")
    with futures.ThreadPoolExecutor(1) as pool:
        found = grpc.server(pool, [grpc.method_handlers_generic_handler(service, {method: handler})])
        port = found.add_insecure_port("127.0.0.1:0")
        found.start()
        try:
            yield port
        finally:
            found.stop(None).wait()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def refused(address: str) -> str:
    """What is said of an address that no connection is made to."""
    with pytest.raises(InputError) as caught, connected(address):
        pass
    return str(caught.value)


# Addresses


@pytest.mark.parametrize(
    "address", ["", "head", "6379", ":6379", "head:", "head:port", "head:0", "head:65536", "ray://head:10001"]
)
def test_address_that_is_malformed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = f"""address {address!r} is not understood: give "local", "auto" or "host:port" of the cluster's head"""
    assert refused(address) == expected
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert refused("auto") == expected


def test_address_where_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    expected = f"address {address}: nothing answers there (Connection refused): start Ray on that machine, or check host and port"
    assert refused(address) == expected
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert refused("auto") == expected


NOT_RAY = "what answers there is not Ray: give the port of the cluster's head (6379 unless changed)"


@pytest.mark.parametrize("answer", [b"", b"SSH", b"HTTP/1.1 400 Bad Request\r\n\r\n", SETTINGS_FRAME, None])
def test_server_that_is_not_ray(answer: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "REPLY_TIMEOUT", 0.5)
    with server(answer) as port:
        assert refused(f"127.0.0.1:{port}") == f"address 127.0.0.1:{port}: {NOT_RAY}"


def test_server_that_speaks_as_ray_does_but_is_another() -> None:
    with called_server("another.Service", "Greet") as port:
        assert refused(f"127.0.0.1:{port}") == f"address 127.0.0.1:{port}: {NOT_RAY}"


def test_grpcio_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    assert refused("127.0.0.1:1").startswith("a cluster is asked with grpcio, which cannot be imported (")


@pytest.mark.parametrize("told", [None, "", "auto"])
def test_auto_where_no_cluster_is_known(told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", told or "")
    if told is None:
        monkeypatch.delenv("RAY_ADDRESS")
    assert refused("auto") == (
        'address "auto": no cluster is known here: set RAY_ADDRESS, give "host:port" of its head, or "local" for this machine'
    )
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("noted:0\n")
    assert refused("auto").startswith("address 'noted:0' is not understood")


# Ray that is not there, or does not start


def test_ray_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert re.fullmatch(r"a search needs Ray, which cannot be imported \(.*\): pip install 'ray\[tune\]'", refused("local"))


def test_ray_that_does_not_start_is_tried_again_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    tried: list[dict[str, Any]] = []

    def init(**options: Any) -> None:
        assert Path(options["_temp_dir"]).is_dir()
        tried.append(options)
        raise RuntimeError("too\nbusy")

    monkeypatch.setattr(ray, "init", init)
    environment = dict(os.environ)
    assert refused("local") == "Ray does not start on this machine (too busy): end what keeps it busy, or name a cluster"
    assert [options["address"] for options in tried] == ["local"] * 3
    assert not Path(tried[0]["_temp_dir"]).exists()
    assert dict(os.environ) == environment


def test_cluster_that_refuses_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(**options: Any) -> None:
        assert options["address"] == f"127.0.0.1:{port}"
        raise RuntimeError("Version mismatch")

    monkeypatch.setattr(ray, "init", init)
    with called_server(*AS_RAY) as port:
        assert refused(f"127.0.0.1:{port}") == (
            f"address 127.0.0.1:{port}: Ray does not let this process join (Version mismatch): give it the same version"
        )


# A private instance


def test_private_instance_is_silent_and_leaves_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the block, and whatever cluster the environment names."""
    import ray

    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{free_port()}")
    environment = dict(os.environ)
    family: list[psutil.Process] = []
    folders: set[str] = set()

    def use() -> None:
        parent = ray.get(ray.remote(lambda: os.getppid()).remote())
        family.extend(psutil.Process().children(recursive=True))
        assert parent in [process.pid for process in family]  # the worker is of an instance that this process started
        folders.update(re.findall(r"--log_dir=(\S+?)/session_", " ".join(" ".join(process.cmdline()) for process in family)))
        assert [Path(folder).is_dir() for folder in folders] == [True]
        assert ray.cluster_resources()["CPU"] == 3

    def use_in_blocks() -> None:
        with connected(cpus=3):
            with connected():
                use()
            assert ray.is_initialized()
            with called_server(*AS_RAY) as port:
                assert refused(f"127.0.0.1:{port}") == (
                    f"address 127.0.0.1:{port}: this process is connected to Ray at "
                    f"{ray.get_runtime_context().gcs_address} already: call ray.shutdown() first"
                )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use_in_blocks()
    assert not ray.is_initialized()
    assert psutil.wait_procs(family, timeout=60)[1] == []
    assert [Path(folder).exists() for folder in folders] == [False]
    assert dict(os.environ) == environment
    assert capfd.readouterr() == ("", "")


# A cluster


def start_node(log: Path, number: int, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a node with one CPU, as a user would, in a process group of its own; tried again where the machine is too busy for Ray."""
    usual = ["--block", "--num-cpus=1", "--object-store-memory=80000000", "--dashboard-agent-listen-port=0"]
    command = [sys.executable, "-c", RAY, "start", *usual, *arguments]
    for _ in range(STARTS):
        with log.open("wb") as output:
            node = subprocess.Popen(
                command,
                env={**os.environ, "NODE_OF_TEST": str(number)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(lambda: node.poll() is not None or "Ray runtime started" in log.read_text())  # noqa: B023
        except TimeoutError:
            end_node(node)
        if node.poll() is None:
            return node
    raise RuntimeError(log.read_text())


def end_node(node: subprocess.Popen[bytes]) -> None:
    """Kill the processes of a node at once."""
    if node.poll() is None:
        family = psutil.Process(node.pid).children(recursive=True)  # of which workers lead groups of their own
        os.killpg(node.pid, signal.SIGKILL)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()
        assert psutil.wait_procs(family, timeout=60)[1] == []


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]]]:
    """A cluster on this machine: its address, its head, and its other node."""
    folder = Path(tempfile.mkdtemp(prefix="nodes_", dir="/tmp"))  # short enough for the names of sockets
    here = {"PYTHONPATH": str(FOLDER), "RAY_TMPDIR": str(folder), "RAY_worker_niceness": "0"}
    for name, value in {**cluster.QUIET, **cluster.PRIVATE, **here}.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        port, client = free_port(), free_port()
        options = [f"--port={port}", f"--ray-client-server-port={client}", "--include-dashboard=false"]
        head = start_node(folder / "head", 0, "--head", *options)
        stack.callback(end_node, head)
        other = start_node(folder / "other", 1, f"--address=127.0.0.1:{port}")
        stack.callback(end_node, other)
        yield f"127.0.0.1:{port}", head, other


def test_search_on_two_nodes_survives_the_loss_of_one_and_says_so(
    two_nodes: tuple[str, subprocess.Popen[bytes], subprocess.Popen[bytes]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    address, head, other = two_nodes

    def kill() -> None:
        wait_until((tmp_path / "hangs").exists)
        end_node(other)

    thread = threading.Thread(target=kill)
    thread.start()
    found = search(
        partial(meets, folder=str(tmp_path)),
        {"quality": uniform(0, 1)},
        trials=4,
        max_epochs=2,
        folder=tmp_path / "search",
        method="random",
        metric="score",
        address=address,
    )
    thread.join()
    assert found.trials[["status", "epochs", "reason"]].to_numpy().tolist() == [["finished", 2, ""]] * 4
    attempts = found.trials["attempts"].tolist()
    assert sorted(attempts) == [1, 1, 1, 2]
    lost = attempts.index(2)
    nodes = {
        number: [[row["node"] for row in curve] for curve in trial.curves]
        for number, trial in Journal(tmp_path / "search").trials.items()
    }
    assert nodes == {number: [[1], [0, 0]] if number == lost else [[0, 0]] for number in range(4)}
    assert (found.epochs_spent, found.epochs_repeated) == (8, 1)
    assert [record.message for record in caplog.records if record.name == ray_trials.__name__] == [
        f"trial {lost} was lost with its worker after 1 epochs of attempt 1: it begins again"
    ]
    assert head.poll() is None  # the cluster is not the search's to end
