"""A run of Weights & Biases (W&B) that asks nothing, prints nothing, and leaves the process's environment as it was."""

from __future__ import annotations

import contextlib
import io
import netrc
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from helpers.errors import InputError
from helpers.train.records import WANDB

START_SECONDS = 30.0  # how long an online run may take to reach the server
NEW_CLOUD, CLOUD = "forge.coreweave.com", "api.wandb.ai"  # a login at the older address is good at the newer one
ONE_AT_A_TIME = threading.Lock()


class WandbRun:
    """One W&B run, kept apart from any other in the process.

    Parameters
    ----------
    folder : Path
        The run's folder; everything that W&B writes goes to `wandb` in it.
    name, project : str
        As W&B shows them.
    config : mapping
        What W&B shows as the run's settings.
    online : bool
        Send everything while the run goes on; else write files that `wandb sync` sends later.

    Raises
    ------
    InputError
        If W&B is not installed, an online run has no key or cannot reach the server, or W&B refuses to start.
    """

    def __init__(self, folder: Path, *, name: str, project: str, config: Mapping[str, Any], online: bool) -> None:
        self.folder = folder
        self.facts = {"id": secrets.token_hex(4), "project": project}
        with self._apart():
            try:
                import wandb
            except ImportError as error:
                raise InputError(
                    "W&B is not installed: pip install 'ml-in-genomics[train]', or track with mode 'local'"
                ) from error
            key = _api_key() if online else None
            try:
                self._run = wandb.init(
                    dir=str(folder), mode="online" if online else "offline", project=project, name=name, id=self.facts["id"],
                    config=dict(config), reinit="create_new", settings=_settings(key),
                )  # fmt: skip
                self._run.define_metric("*", step_metric="epoch")
            except (wandb.Error, ValueError, OSError) as error:
                reason = " ".join(str(error).split())
                raise InputError(f"W&B does not start ({reason}): track with mode 'offline' or 'local' instead") from error
        self.facts["files"] = f"{WANDB}/{Path(self._run.dir).parent.name}"

    @contextlib.contextmanager
    def _apart(self) -> Iterator[None]:
        """Within a `with` block, give W&B folders in the run's folder and nobody to talk to; afterwards, the environment as it was."""
        own = {
            "WANDB_CACHE_DIR": str(self.folder / WANDB / "cache"),
            "WANDB_DATA_DIR": str(self.folder / WANDB / "data"),
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_NOTEBOOK_NAME": "notebook.ipynb",  # else W&B asks every Jupyter server of the machine
        }
        with ONE_AT_A_TIME, contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            before = dict(os.environ)
            os.environ.update(own)
            try:
                yield
            finally:
                for name in {*os.environ, *before}:
                    if name not in before:
                        del os.environ[name]
                    elif os.environ.get(name) != before[name]:
                        os.environ[name] = before[name]

    def log(self, row: Mapping[str, float]) -> None:
        """Log one row."""
        with self._apart():
            self._run.log(dict(row))

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set scores of the whole run."""
        with self._apart():
            self._run.summary.update(dict(values))

    def save_model(self, path: Path, sha256: str) -> None:
        """Keep a model's file as an artifact of the run."""
        with self._apart():
            import wandb

            artifact = wandb.Artifact(f"model-{self.facts['id']}", type="model", metadata={"sha256": sha256})
            artifact.add_file(str(path), name=path.name)
            self._run.log_artifact(artifact)

    def finish(self, *, failed: bool) -> None:
        """End the run; an online one is sent to its end first."""
        with self._apart():
            self._run.finish(exit_code=int(failed))


def _settings(key: str | None) -> Any:
    """Return settings for a silent run that says nothing of user and machine, as far as the installed W&B knows them."""
    import wandb

    wanted: dict[str, Any] = {
        "api_key": key, "silent": True, "console": "off", "init_timeout": START_SECONDS, "symlink": False, "save_code": False,
        "disable_code": True, "disable_git": True, "x_disable_meta": True, "x_disable_stats": True, "x_disable_machine_info": True,
        "x_save_requirements": False, "host": "",
    }  # fmt: skip
    return wandb.Settings(**{name: value for name, value in wanted.items() if name in wandb.Settings.model_fields})


def _api_key() -> str:
    """Key of the user's account, for the server that W&B will talk to; InputError if there is none."""
    import wandb

    told = os.environ.get("WANDB_API_KEY", "").strip()
    if told:
        return told
    settings = wandb.setup().settings
    host = urlsplit(settings.base_url).netloc
    hosts = [host, CLOUD] if host.endswith(NEW_CLOUD) else [host]
    key = settings.api_key or next(filter(None, map(_netrc_key, hosts)), None)
    if not key:
        raise InputError("W&B has no key for an online run: run `wandb login`, set WANDB_API_KEY, or track with mode 'offline'")
    return str(key)


def _netrc_key(host: str) -> str | None:
    """Key that `wandb login` wrote for a host, if any."""
    chosen = os.environ.get("NETRC")
    paths = [Path(chosen)] if chosen else [Path("~/.netrc"), Path("~/_netrc")]
    for path in paths:
        try:
            found = netrc.netrc(str(path.expanduser())).hosts.get(host)
        except (OSError, netrc.NetrcParseError):
            continue
        if found:
            return found[2]
    return None
