"""Track a training run: a local record always, Weights & Biases (W&B) beside it, offline unless the user asks otherwise."""

from __future__ import annotations

import difflib
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, get_args

from helpers.data.checksums import digest_of
from helpers.errors import InputError
from helpers.files.placing import replacing
from helpers.train.overview import list_runs, overview, read_runs
from helpers.train.records import (
    HISTORY,
    MODEL,
    Row,
    RunRecord,
    append_row,
    as_history,
    plain,
    plain_row,
    read_run,
    remove_record,
    take_folder,
    with_nan,
    write_history,
    write_record,
)
from helpers.train.wandb_run import WandbRun
from helpers.versions import code_version, processor, versions

__all__ = ["Mode", "Run", "RunRecord", "list_runs", "overview", "read_run", "read_runs", "start_run"]

Mode = Literal["off", "local", "offline", "online"]
PROJECT = "ml-in-genomics"


class _Model(Protocol):
    """Anything that saves itself to a file, such as a Keras model."""

    def save(self, filepath: Path, /) -> object:
        """Write the model."""


class Run:
    """A run being tracked; `start_run` makes it, and the end of its `with` block ends it.

    An exception in the block is recorded and goes on its way.

    Parameters
    ----------
    folder : Path or None
        The run's own folder; None writes nothing. Checkpoints of `fit` need a folder of their own, such as `folder / "checkpoints"`.
    facts : dict
        What run.json holds.
    wandb_run : WandbRun or None
        The run of W&B beside the local record.
    """

    def __init__(self, folder: Path | None, facts: dict[str, Any], wandb_run: WandbRun | None) -> None:
        self.folder = folder
        self.name: str = facts["name"]
        self._facts, self._wandb = facts, wandb_run
        self._columns: list[str] = []
        self._rows: list[Row] = []

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {self._facts['mode']}, {self._facts['status']}, {len(self._rows)} rows)"

    @property
    def record(self) -> RunRecord:
        """The run so far, as `read_run` would return it; also of a run that writes nothing."""
        facts = self._facts | {"summary": with_nan(self._facts["summary"])}
        return RunRecord(folder=self.folder, history=as_history(self._columns, self._rows), **facts)

    def log(self, row: Mapping[str, Any]) -> None:
        """Add a row to the history, on its way to the disk when this returns: `fit(..., on_epoch=run.log)`.

        Parameters
        ----------
        row : mapping of str to number
            Such as epoch, loss and validation score. A name that is new makes a column, empty in the rows before. NaN and infinity are
            kept as NaN.

        Raises
        ------
        InputError
            If the row is empty, a name is no printable text, a value is not one number, or the run has ended.
        """
        self._check_open()
        values = plain_row(row)
        self._rows.append(values)
        new = [name for name in values if name not in self._columns]
        self._columns += new
        if self.folder is not None:
            if new:
                write_history(self.folder / HISTORY, self._columns, self._rows)
            else:
                append_row(self.folder / HISTORY, self._columns, values)
        if self._wandb is not None:
            self._wandb.log(values)

    def summary(self, **values: Any) -> None:
        """Set scores of the whole run, such as those of the test chromosomes; a name given again takes the new value.

        Raises
        ------
        InputError
            If a value is not a number, text, or lists of them, or the run has ended.
        """
        self._check_open()
        self._facts["summary"] |= {name: plain(value, name) for name, value in values.items()}
        self._write()
        if self._wandb is not None:
            self._wandb.summary(values)

    def save_model(self, model: _Model) -> Path | None:
        """Save a model as `model.keras` in the run's folder, with SHA-256 of file and weights in the record, and as an artifact of W&B.

        Parameters
        ----------
        model : keras.Model
            A model saved before is replaced.

        Returns
        -------
        Path or None
            The file; None if the run writes nothing.

        Raises
        ------
        InputError
            If the run has ended.

        Notes
        -----
        The file of the same weights differs each time, since Keras writes the date into it; the digest of the weights does not.
        """
        self._check_open()
        if self.folder is None:
            return None
        path = self.folder / MODEL
        with replacing(path) as temporary:
            model.save(temporary)
        sha256 = digest_of(path)
        self._facts["model"] = {"file": MODEL, "sha256": sha256, "weights_sha256": _weights_digest(model)}
        self._write()
        if self._wandb is not None:
            self._wandb.save_model(path, sha256)
        return path

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._facts["error"] = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        self._facts |= {"status": "finished" if error is None else "failed", "finished": _now()}
        self._write()
        if self._wandb is not None:
            self._wandb.finish(failed=error is not None)

    def _write(self) -> None:
        """Put the facts on disk."""
        if self.folder is not None:
            write_record(self.folder, self._facts)

    def _check_open(self) -> None:
        """Raise InputError if the run has ended."""
        if self._facts["status"] != "running":
            raise InputError(f"the run {self.name!r} has ended: log, summarise and save within its with block")


def start_run(
    folder: str | os.PathLike[str],
    *,
    config: Mapping[str, Any],
    mode: Mode = "offline",
    name: str | None = None,
    digests: Mapping[str, str] | None = None,
    project: str = PROJECT,
    replace: bool = False,
) -> Run:
    """Start tracking a run, to be used in a `with` statement.

    Parameters
    ----------
    folder : path
        The run's own folder, made if it is not there; it may hold other files, but not another run.
    config : mapping of str to values
        All that was chosen: model, loss, learning rate, seed, number of threads ... Numbers, text, and lists or mappings of them.
    mode : {"off", "local", "offline", "online"}
        "off" writes nothing; "local" writes run.json and history.csv; "offline" also writes files that `wandb sync` can send later, and
        touches no network; "online" also sends everything to W&B while the run goes on. Nothing is ever asked or printed.
    name : str, optional
        In tables and figures; by default the folder's name.
    digests : mapping of str to str, optional
        Digest of each data set by its name.
    project : str
        Project of W&B.
    replace : bool
        Whether a run that lies in the folder is deleted first; else it is an error.

    Returns
    -------
    Run
        With `log`, `summary` and `save_model`.

    Raises
    ------
    InputError
        If the mode is unknown, a setting cannot be recorded, the folder holds a run or cannot be written to, W&B is not installed, or
        an online run has no key or no server; no folder is left then.

    Notes
    -----
    The record holds the code's commit, versions of Python and packages, operating system and processor, and nothing that identifies
    the user: no name of user or host, no path but those in `config`.
    """
    if mode not in get_args(Mode):
        near = difflib.get_close_matches(str(mode), get_args(Mode), n=1)
        raise InputError(f"mode is {mode!r}: choose off, local, offline or online" + (f" (perhaps {near[0]}?)" if near else ""))
    place = Path(folder).absolute()
    facts = _facts(place.name if name is None else name, mode, config, digests or {})
    if mode == "off":
        return Run(None, facts, None)
    made = take_folder(place, facts, replace=replace)
    try:
        wandb_run = None
        if mode != "local":
            shown = {key: facts[key] for key in ("digests", "versions", "commit")} | facts["config"]
            wandb_run = WandbRun(place, name=facts["name"], project=project, config=shown, online=mode == "online")
            facts["wandb"] = wandb_run.facts
        write_record(place, facts)
    except BaseException:
        remove_record(place, folder_too=made)
        raise
    return Run(place, facts, wandb_run)


def _facts(name: str, mode: str, config: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """Return what run.json holds at the start."""
    if not name.strip() or not name.isprintable():
        raise InputError(f"name is {name!r}: give the run a name of printable text")
    wrong = [key for key, digest in digests.items() if not isinstance(digest, str)]
    if wrong:
        raise InputError(f"the digest of {wrong[0]!r} is {digests[wrong[0]]!r}: give it as text")
    commit, changed = code_version()
    return {
        "name": name, "mode": mode, "status": "running", "error": None, "started": _now(), "finished": None,
        "config": plain(config, "config"), "digests": dict(digests), "versions": versions(),
        "commit": commit, "uncommitted_changes": changed,
        "platform": f"{platform.system()} {platform.machine()}", "processor": processor(),
        "summary": {}, "model": None, "wandb": None,
    }  # fmt: skip


def _weights_digest(model: Any) -> str | None:
    """Digest of a Keras model's weights; None for what has none."""
    if not hasattr(model, "weights"):
        return None
    from helpers.train.seeding import weights_digest  # imports Keras, which a run that saves no model can do without

    return weights_digest(model)


def _now() -> str:
    """Time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
