"""W&B beside the local record: it works without a network, asks nothing, prints nothing, and leaves nothing behind outside the run's folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbclient
import nbformat
import pytest
import wandb

from helpers.errors import InputError
from helpers.train import wandb_run
from helpers.train.tracking import read_run, start_run

KEY = "k" * 40


@pytest.fixture(scope="module")
def proxy() -> Iterator[SimpleNamespace]:
    """A proxy that lets nothing through and notes who tried: W&B's own requests go to it where the environment names it."""
    server = socket.create_server(("127.0.0.1", 0))
    asked: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                asked.append(connection.recv(200))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield SimpleNamespace(address=f"http://127.0.0.1:{server.getsockname()[1]}", asked=asked)
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def environment(home: Path, **more: str) -> dict[str, str]:
    """This process's environment with another home and no trace of W&B."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "XDG_")) and name != "NETRC"}
    return {**kept, "HOME": str(home), **more}


def run_python(code: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run code in a process whose standard input is closed, and which works in `folder`."""
    closed = 'exec "$0" -c "$1" <&-'
    return subprocess.run(["sh", "-c", closed, sys.executable, code], capture_output=True, text=True, cwd=folder, env=env)


OFFLINE = """
import json, os, platform, random, socket, sys
from pathlib import Path

socket.gethostname = platform.node = lambda: "this-very-host"
from helpers.train.tracking import start_run

class Saves:
    def save(self, path):
        path.write_bytes(b"abc")

import numpy as np

random.seed(0)
np.random.seed(0)
drawn = (random.getstate(), np.random.get_state()[1].tolist())
before = dict(os.environ)
with start_run("one", config={"seed": 1, "nested": {"rate": 0.5}}, digests={"yeast": "ab12"}) as one, start_run("two", config={}) as two:
    inside = dict(os.environ)
    for epoch in (1, 2):
        one.log({"epoch": epoch, "loss": 1 / epoch})
        two.log({"epoch": epoch, "loss": float("nan")})
    one.save_model(Saves())
    one.summary(test_pearson=0.5)
try:
    with start_run("three", config={}) as three:
        three.log({"epoch": 1})
        raise RuntimeError("crash")
except RuntimeError:
    pass
import wandb
same = drawn == (random.getstate(), np.random.get_state()[1].tolist())
notes = {"random": same, "kept": dict(os.environ) == before == inside, "global": wandb.run is not None, "modules": "tensorflow" in sys.modules}
Path("notes.json").write_text(json.dumps(notes))
"""


@pytest.fixture(scope="module")
def offline(proxy: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What a process left that tracked three runs offline, in an environment full of traps."""
    folder, home = tmp_path_factory.mktemp("offline"), tmp_path_factory.mktemp("home")
    traps = {
        "HTTPS_PROXY": proxy.address, "HTTP_PROXY": proxy.address, "https_proxy": proxy.address, "http_proxy": proxy.address,
        "WANDB_MODE": "online", "WANDB_API_KEY": "short", "WANDB_RUN_ID": "always-the-same", "WANDB_PROJECT": "another", "WANDB_DIR": str(home),
        "USER": "this-very-user", "LOGNAME": "this-very-user",
    }  # fmt: skip
    asked = len(proxy.asked)
    done = run_python(OFFLINE, folder, environment(home, **traps))
    return SimpleNamespace(folder=folder, home=home, done=done, asked=len(proxy.asked) - asked)


def logged(folder: Path) -> bytes:
    """All that W&B wrote down for `wandb sync`."""
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    return file.read_bytes()


def test_offline_prints_nothing_and_asks_nothing(offline: SimpleNamespace) -> None:
    assert (offline.done.returncode, offline.done.stdout, offline.done.stderr) == (0, "", "")


def test_offline_uses_no_network(offline: SimpleNamespace) -> None:
    assert offline.asked == 0  # that it would be seen: test_online_without_key_or_server


def test_offline_leaves_environment_random_numbers_and_home_alone(offline: SimpleNamespace) -> None:
    assert json.loads((offline.folder / "notes.json").read_text()) == {
        "random": True,
        "kept": True,
        "global": False,
        "modules": False,
    }
    assert list(offline.home.rglob("*")) == []
    assert sorted(path.name for path in offline.folder.iterdir()) == ["notes.json", "one", "three", "two"]
    assert sorted(path.name for path in (offline.folder / "one").iterdir()) == ["history.csv", "model.keras", "run.json", "wandb"]


def test_offline_has_the_local_record_too(offline: SimpleNamespace) -> None:
    records = [read_run(offline.folder / name) for name in ("one", "two", "three")]
    assert [record.status for record in records] == ["finished", "finished", "failed"]
    assert records[0].history.to_dict("list") == {"epoch": [1, 2], "loss": [1.0, 0.5]}
    assert records[1].history["loss"].isna().all()
    assert {record.wandb["project"] for record in records if record.wandb} == {"ml-in-genomics"}
    assert len({record.wandb["id"] for record in records if record.wandb}) == 3


def test_offline_files_are_there_to_be_sent(offline: SimpleNamespace) -> None:
    for name in ("one", "two", "three"):
        record = read_run(offline.folder / name)
        assert record.wandb is not None
        content = logged(offline.folder / name)
        assert content.startswith(b":W&B")  # the first bytes of W&B's own format
        assert list((offline.folder / name / record.wandb["files"]).glob("*.wandb"))
        assert record.wandb["id"].encode() in content
    one, two = logged(offline.folder / "one"), logged(offline.folder / "two")
    for word in (b"seed", b"nested", b"ab12", b"versions", b"test_pearson", b"model.keras"):
        assert word in one
        assert word not in two or word == b"versions"


def test_what_would_be_sent_names_neither_machine_nor_user(offline: SimpleNamespace) -> None:
    content = logged(offline.folder / "two")
    for told in ("this-very-host", "this-very-user", str(offline.home), str(offline.folder), sys.executable):
        assert told.encode() not in content
    (sent,) = (offline.folder / "two").glob("wandb/offline-run-*")
    files = {path.relative_to(sent).parts[0] for path in sent.rglob("*") if path.is_file()}
    assert files == {"logs", next(sent.glob("*.wandb")).name}  # the logs stay where they are


def test_notebook_gets_no_output(tmp_path: Path) -> None:
    code = (
        f"import os; os.chdir({str(tmp_path)!r})\n"
        "from helpers.train.tracking import start_run\n"
        "one, two = start_run('one', config={}), start_run('two', config={})\n"
        "with one:\n    one.log({'loss': 1.0})"
    )
    after = "from IPython.display import display\nwith two:\n    two.log({'loss': 1.0})"
    last = "shell = get_ipython()\nassert not hasattr(shell.display_pub, '_orig_publish')\nassert 'wandb' not in repr(shell.display_pub.publish)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (code, after, last)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(env=environment(tmp_path / "home"))
    assert [cell.outputs for cell in notebook.cells] == [[], [], []]
    assert [read_run(tmp_path / name).status for name in ("one", "two")] == ["finished", "finished"]


ONLINE = """
import os
from helpers.errors import InputError
from helpers.train import wandb_run
from helpers.train.tracking import start_run

wandb_run.START_SECONDS = 1.0
before = dict(os.environ)
for key in ("", "short", "k" * 40):
    os.environ["WANDB_API_KEY"] = before["WANDB_API_KEY"] = key
    try:
        start_run("one", config={}, mode="online")
    except InputError as error:
        print(error)
    assert dict(os.environ) == before
with start_run("after", config={}, mode="offline") as run:
    run.log({"loss": 1.0})
"""


def test_online_without_key_or_server(proxy: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    env = environment(tmp_path / "home", HTTPS_PROXY=proxy.address, https_proxy=proxy.address)
    asked = len(proxy.asked)
    done = run_python(ONLINE, tmp_path, env)
    no_key, short_key, no_server = done.stdout.splitlines()
    assert no_key == "W&B has no key for an online run: run `wandb login`, set WANDB_API_KEY, or track with mode 'offline'"
    for line in (short_key, no_server):
        assert line.startswith("W&B does not start (")
        assert line.endswith("): track with mode 'offline' or 'local' instead")
    assert "40" in short_key
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after", "home"]
    assert len(proxy.asked) > asked
    assert read_run(tmp_path / "after").status == "finished"
    assert len(logged(tmp_path / "after")) > 100


class FakeRun:
    """What `wandb.init` gives, as far as it is used."""

    def __init__(self, folder: str) -> None:
        self.dir = f"{folder}/wandb/run-x/files"
        self.rows: list[dict[str, float]] = []
        self.summary: dict[str, Any] = {}
        self.ended: list[int] = []
        self.artifacts: list[Any] = []

    def define_metric(self, *_: str, **__: str) -> None:
        """Take the name of the axis."""

    def log(self, row: dict[str, float]) -> None:
        self.rows.append(row)

    def log_artifact(self, artifact: Any) -> None:
        self.artifacts.append(artifact)

    def finish(self, exit_code: int) -> None:
        self.ended.append(exit_code)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[dict[str, Any], FakeRun]]:
    """What W&B was asked to start, in the order of the runs; nothing is started."""
    calls: list[tuple[dict[str, Any], FakeRun]] = []

    def init(**arguments: Any) -> FakeRun:
        print("W&B says much")  # noqa: T201
        os.environ["WANDB_SERVICE"] = "left behind"
        os.environ["PATH"] = "changed"
        calls.append((arguments, FakeRun(arguments["dir"])))
        return calls[-1][1]

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(
        wandb, "setup", lambda: SimpleNamespace(settings=SimpleNamespace(base_url="https://api.wandb.ai", api_key=None))
    )
    for name in ("WANDB_API_KEY", "WANDB_SERVICE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return calls


def test_online_run_is_given_everything(
    started: list[tuple[dict[str, Any], FakeRun]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    before = dict(os.environ)
    with start_run(tmp_path / "one", config={"seed": 0}, mode="online", name="first", project="mine", digests={"d": "e"}) as run:
        run.log({"epoch": 1, "loss": float("inf")})
        run.summary(score=0.5)
        run.save_model(SimpleNamespace(save=lambda path: path.write_bytes(b"abc")))
    ((arguments, fake),) = started
    assert {name: arguments[name] for name in ("mode", "project", "name", "reinit", "dir")} == {
        "mode": "online", "project": "mine", "name": "first", "reinit": "create_new", "dir": str(tmp_path / "one"),
    }  # fmt: skip
    assert arguments["settings"].api_key == KEY
    assert (arguments["settings"].silent, arguments["settings"].console, arguments["settings"].x_disable_meta) == (
        True,
        "off",
        True,
    )
    assert (arguments["config"]["seed"], arguments["config"]["digests"]) == (0, {"d": "e"})
    assert {"versions", "commit"} <= set(arguments["config"])
    assert str(fake.rows) == "[{'epoch': 1, 'loss': nan}]"
    assert (fake.summary, fake.ended) == ({"score": 0.5}, [0])
    (artifact,) = fake.artifacts
    assert (artifact.type, list(artifact.manifest.entries)) == ("model", ["model.keras"])
    record = read_run(tmp_path / "one")
    assert record.model is not None
    assert artifact.metadata == {"sha256": record.model["sha256"]}
    assert record.wandb == {"id": arguments["id"], "project": "mine", "files": "wandb/run-x"}
    assert dict(os.environ) == before
    assert capsys.readouterr() == ("", "")


def test_crash_ends_the_run_of_wandb_as_failed(started: list[tuple[dict[str, Any], FakeRun]], tmp_path: Path) -> None:
    def crash() -> None:
        with start_run(tmp_path / "one", config={}):
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        crash()
    assert started[0][1].ended == [1]
    assert started[0][0]["settings"].api_key is None  # an offline run has no business with it


@pytest.mark.parametrize(
    ("server", "login", "found"),
    [
        ("https://api.wandb.ai", "machine api.wandb.ai\n login user\n password KEY\n", True),
        ("https://api.forge.coreweave.com", "machine api.wandb.ai\n login user\n password KEY\n", True),
        ("https://api.forge.coreweave.com", "machine api.forge.coreweave.com\n login user\n password KEY\n", True),
        ("https://wandb.example.org:8080", "machine wandb.example.org:8080\n login user\n password KEY\n", True),
        (
            "https://wandb.example.org",
            "machine api.wandb.ai\n login user\n password KEY\n",
            False,
        ),  # a key goes to no other server
        ("https://api.wandb.ai", "default\n login user\n password KEY\n", False),
        ("https://api.wandb.ai", "machine api.wandb.ai login\n\n", False),
    ],
)
@pytest.mark.parametrize("name", [".netrc", "_netrc", "elsewhere"])
def test_key_of_a_login(
    server: str, login: str, found: bool, name: str,
    started: list[tuple[dict[str, Any], FakeRun]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / name).write_text(login.replace("KEY", KEY))
    if name == "elsewhere":
        monkeypatch.setenv("NETRC", str(tmp_path / name))
    monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=SimpleNamespace(base_url=server, api_key=None)))
    if found:
        with start_run(tmp_path / "one", config={}, mode="online"):
            pass
        assert started[0][0]["settings"].api_key == KEY
    else:
        with pytest.raises(InputError, match=r"^W&B has no key for an online run"):
            start_run(tmp_path / "one", config={}, mode="online")
        assert started == []
        assert not (tmp_path / "one").exists()


def test_failed_start_leaves_other_files(started: list[tuple[dict[str, Any], FakeRun]], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="no key"):
        start_run(tmp_path, config={}, mode="online")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert started == []


def test_without_wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    for mode in ("offline", "online"):
        with pytest.raises(
            InputError, match=r"^W&B is not installed: pip install 'ml-in-genomics\[train\]', or track with mode 'local'$"
        ):
            start_run(tmp_path / "one", config={}, mode=mode)
    assert list(tmp_path.iterdir()) == []
    with start_run(tmp_path / "one", config={}, mode="local"):
        pass


def test_settings_that_this_wandb_does_not_know_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(SimpleNamespace):
        model_fields = {"silent": None, "api_key": None}  # noqa: RUF012

    monkeypatch.setattr(wandb, "Settings", Settings)
    assert vars(wandb_run._settings(KEY)) == {"silent": True, "api_key": KEY}
