"""A connection to Ray: a private instance on this machine, silent and small, or a cluster that is named; all of it ended again."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from helpers.errors import InputError

OBJECT_STORE = 80 << 20  # bytes; trials pass numbers only, and Ray asks for 75 MiB at least
REPLY_TIMEOUT = 3.0  # seconds
ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"  # its request may be empty
STARTS = 3  # Ray gives up after 15 to 30 s, which a busy machine can take
LEFT_OUT = (
    "start_monitor",
    "start_log_monitor",
    "start_api_server",
)  # for clusters that grow, logs in the terminal, the dashboard
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # else Tune prints a table, whatever its verbosity
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}
PRIVATE = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # A machine may be too busy for what Ray wants within half a minute or a minute; it would end the node, or wait for ever.
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_prestart_worker_first_driver": "0",
    "MALLOC_ARENA_MAX": "1",  # a worker that trains with TensorFlow takes 150 MB less
}


@contextmanager
def connected(address: str = "local", *, cpus: int = 1, gpus: float = 0) -> Iterator[None]:
    """Connect this process to Ray while a block runs, and end what was started for it.

    Parameters
    ----------
    address : str
        "local" for a private instance, which no other process finds and which is removed at the end; "auto" for the cluster that this
        machine belongs to (`RAY_ADDRESS`, or the one last started here); or "host:port" of a cluster's head.
    cpus, gpus : int, float
        What a private instance has to give; a cluster has what it has.

    Yields
    ------
    None
        Within another such block the connection is the outer one's, which stays open.

    Raises
    ------
    InputError
        If Ray is not installed, there is no Ray at the address (known within seconds), or this process is connected to another one.

    Notes
    -----
    A private instance takes about 10 s to start on two quiet cores, and 300 MB: wrap several searches in one block. Each takes the threads
    that it was given CPUs for.
    """
    where = resolve(address)
    with _environment(QUIET if where else QUIET | PRIVATE):
        ray = import_ray()
        if ray.is_initialized():
            _check_same(ray, where)
            yield
            return
        temporary = None if where else _short_folder()
        try:
            _start(ray, where, temporary, cpus, gpus)
            yield
        finally:
            ray.shutdown()
            if temporary:
                _end_processes(str(temporary))
                shutil.rmtree(temporary, ignore_errors=True)


def import_ray() -> Any:
    """Import Ray, or raise an InputError that says how to install it."""
    logging.getLogger("ray.widgets").setLevel(logging.WARNING)  # in a notebook it tells of widgets that a search does not draw
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm of the same
            import ray
            import ray.tune
    except ImportError as error:
        raise InputError(f"a search needs Ray, which cannot be imported ({error}): pip install 'ray[tune]'") from error
    return ray


def _start(ray: Any, where: str | None, temporary: Path | None, cpus: int, gpus: float) -> None:
    """Start a private instance, or connect to a cluster."""
    options: dict[str, Any] = {"address": where, "log_to_driver": False, "logging_level": logging.ERROR}
    if temporary:
        options |= {"address": "local", "num_cpus": cpus, "num_gpus": None if gpus else 0, "include_dashboard": False}
        options |= {"object_store_memory": OBJECT_STORE, "_temp_dir": str(temporary)}
    for attempt in range(STARTS, 0, -1):
        try:
            with _lean(ray) if temporary and attempt > 1 else nullcontext():
                ray.init(**options)
            return
        except Exception as error:
            ray.shutdown()
            reason = " ".join(str(error).split())
            if where:
                raise InputError(
                    f"address {where}: Ray does not let this process join ({reason}): give it the same version"
                ) from error
            _end_processes(str(temporary))
            if attempt == 1:
                raise InputError(
                    f"Ray does not start on this machine ({reason}): end what keeps it busy, or name a cluster"
                ) from error


@contextmanager
def _lean(ray: Any) -> Iterator[None]:
    """Let a Ray that is started in the block begin without what a search does not need; there is no public argument for it.

    A raylet ends itself unless its agents have imported everything within 15 s, which two cores hardly manage while the parts that are left
    out here import as much: they take 250 MB and 15 s of computing. So it is not made to wait: it is told that one agent serves nothing, as
    that would itself in Ray's plain installation, and at which port to expect the other.
    """
    node, ports = ray._private.node.Node, ray._raylet
    kept = {name: getattr(node, name) for name in (*LEFT_OUT, "start_raylet")}

    def start_raylet(self: Any, *arguments: Any, **options: Any) -> None:
        """Start a raylet that knows of the ports."""
        for name in (ports.METRICS_AGENT_PORT_NAME, ports.METRICS_EXPORT_PORT_NAME, ports.DASHBOARD_AGENT_LISTEN_PORT_NAME):
            ports.persist_port(self.get_session_dir_path(), self.node_id, name, -1)
        self._ray_params.runtime_env_agent_port = _free_port()
        kept["start_raylet"](self, *arguments, **options)

    try:
        for name in LEFT_OUT:
            setattr(node, name, lambda self, *_, **__: None)  # noqa: ARG005
        node.start_raylet = start_raylet
        yield
    finally:
        for name, method in kept.items():
            setattr(node, name, method)


def _free_port() -> int:
    """Find a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return int(listener.getsockname()[1])


def _end_processes(mark: str) -> None:
    """End the children of this process whose command line holds a mark, and theirs: Ray leaves them where it gives up starting."""
    import psutil  # Ray brings it

    family = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if mark in " ".join(child.cmdline()):
                family += [child, *child.children(recursive=True)]
    for process in family:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(family, timeout=10)


def resolve(address: str) -> str | None:
    """Turn an address, as `connected` takes it, into host:port of a Ray that answers, or None for a private instance.

    Raises
    ------
    InputError
        If the address is malformed or no head of a Ray cluster answers there.
    """
    if address == "local":
        return None
    found = _last_cluster() if address == "auto" else address
    if address == "auto" and not found:
        raise InputError(
            'address "auto": no cluster is known here: set RAY_ADDRESS, give "host:port" of its head, or "local" for this machine'
        )
    host, _, port = found.rpartition(":")
    if not host or "/" in host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise InputError(f'address {found!r} is not understood: give "local", "auto" or "host:port" of the cluster\'s head')
    try:
        is_ray = _greet(host.strip("[]"), int(port))
    except OSError as error:
        raise InputError(
            f"address {found}: nothing answers there ({error.strerror or error}): start Ray on that machine, or check host and port"
        ) from error
    if not is_ray:
        raise InputError(
            f"address {found}: what answers there is not Ray: give the port of the cluster's head (6379 unless changed)"
        )
    return found


def _last_cluster() -> str:
    """Address of the cluster that this machine belongs to, or nothing."""
    told = os.environ.get("RAY_ADDRESS", "")
    if told and told != "auto":
        return told
    noted = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")  # noqa: S108 where Ray notes it
    return noted.read_text(encoding="utf-8").strip() if noted.exists() else ""


def _greet(host: str, port: int) -> bool:
    """Tell whether the head of a Ray cluster answers, by the call that its own nodes ask it with; an OSError if nothing does.

    Ray itself would wait for minutes, write to stderr and end the process.
    """
    try:
        import grpc
    except ImportError as error:
        raise InputError(f"a cluster is asked with grpcio, which cannot be imported ({error}): pip install grpcio") from error
    elsewhere = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    with socket.create_connection((host, port), REPLY_TIMEOUT):
        if os.environ.get("RAY_USE_TLS") == "1":
            return True
    with grpc.insecure_channel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}") as channel:
        try:
            channel.unary_unary(ALIVE)(b"", timeout=REPLY_TIMEOUT)
        except grpc.RpcError as error:
            return error.code() not in elsewhere
    return True


def _check_same(ray: Any, where: str | None) -> None:
    """Raise where this process is connected to another Ray than the one asked for; "local" goes with any."""
    here = ray.get_runtime_context().gcs_address
    if where and where.rpartition(":")[2] != here.rpartition(":")[2]:
        raise InputError(f"address {where}: this process is connected to Ray at {here} already: call ray.shutdown() first")


def _short_folder() -> Path:
    """Make a folder whose path is short enough for Ray's sockets (some systems allow 104 letters)."""
    return Path(tempfile.mkdtemp(prefix="ray_", dir="/tmp" if os.access("/tmp", os.W_OK) else None))  # noqa: S108


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set variables that the user has not set, and take them back, with the one by which Ray sends `breakpoint()` to its debugger."""
    before = {name: os.environ.get(name) for name in (*changes, "PYTHONBREAKPOINT")}
    os.environ.update({name: value for name, value in changes.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
