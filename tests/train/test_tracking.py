"""Tracking: what a run leaves on disk in each mode, also when it crashes or is killed. W&B itself is tested in test_wandb_run.py."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.train import records
from helpers.train.records import plain, plain_row
from helpers.train.tracking import Run, list_runs, overview, read_run, read_runs, start_run


class Saves:
    """A stand-in for a model: saves the bytes it was made with."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def save(self, path: Path) -> None:
        path.write_bytes(self.content)


def local(folder: Path, **config: Any) -> Run:
    """A run with a local record only."""
    return start_run(folder, config=config, mode="local")


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)


# What is written


def test_record_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COURSE_COMMIT", "a-commit")
    config = {
        "seed": 0,
        "threads": 2,
        "rate": np.float32(0.5),
        "layers": (48, 64),
        "optimizer": {"name": "adam"},
        "where": Path("x/y"),
    }
    with start_run(tmp_path / "deep" / "one", config=config, mode="local", digests={"simulated": "ab12"}) as run:
        assert json.loads((tmp_path / "deep" / "one" / "run.json").read_text())["status"] == "running"
        run.log({"epoch": 1, "loss": 0.5})
        run.log({"epoch": 2, "loss": np.float32(0.25)})
        run.summary(test_pearson=0.125)
    written = json.loads((tmp_path / "deep" / "one" / "run.json").read_text())
    assert written["config"] == {
        "seed": 0, "threads": 2, "rate": 0.5, "layers": [48, 64], "optimizer": {"name": "adam"}, "where": "x/y",
    }  # fmt: skip
    assert (written["name"], written["mode"], written["status"], written["error"]) == ("one", "local", "finished", None)
    assert written["digests"] == {"simulated": "ab12"}
    assert (written["commit"], written["uncommitted_changes"]) == ("a-commit", None)
    assert written["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert written["versions"]["numpy"] == np.__version__
    assert written["summary"] == {"test_pearson": 0.125}
    assert (written["model"], written["wandb"]) == (None, None)
    assert pd.Timestamp(written["started"]) <= pd.Timestamp(written["finished"])
    assert pd.Timestamp(written["started"]).utcoffset() == pd.Timedelta(0)
    assert (tmp_path / "deep" / "one" / "history.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"
    assert sorted(path.name for path in (tmp_path / "deep" / "one").iterdir()) == ["history.csv", "run.json"]


def test_record_read_back_is_the_record_in_memory(tmp_path: Path) -> None:
    with local(tmp_path / "one", seed=3) as run:
        run.log({"epoch": 1, "loss": 0.1})
        run.summary(score=math.nan, label="good")
    read = read_run(tmp_path / "one")
    assert (read.name, read.config, read.folder) == ("one", {"seed": 3}, tmp_path / "one")
    pd.testing.assert_frame_equal(read.history, run.record.history)
    assert read.summary["label"] == "good"
    for name in ("name", "mode", "folder", "status", "started", "finished", "versions", "processor", "digests", "model"):
        assert getattr(read, name) == getattr(run.record, name)
    assert math.isnan(read.summary["score"])
    assert math.isnan(run.record.summary["score"])


def test_off_writes_nothing_and_still_has_its_record(tmp_path: Path) -> None:
    with start_run(tmp_path / "one", config={"seed": 1}, mode="off") as run:
        run.log({"epoch": 1, "loss": 2.0})
        run.summary(score=1.0)
        assert run.save_model(Saves(b"x")) is None
    assert list(tmp_path.iterdir()) == []
    assert run.folder is None
    assert run.record.history.to_dict("list") == {"epoch": [1], "loss": [2.0]}
    assert (run.record.status, run.record.summary, run.record.config) == ("finished", {"score": 1.0}, {"seed": 1})
    assert overview([run.record])["final.loss"].tolist() == [2.0]


def test_nan_and_infinity_are_kept_as_nan(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run:
        for epoch, loss in enumerate([1.0, math.nan, math.inf, -math.inf], start=1):
            run.log({"epoch": epoch, "loss": loss})
    assert (tmp_path / "one" / "history.csv").read_text() == "epoch,loss\n1,1.0\n2,nan\n3,nan\n4,nan\n"
    for history in (read_run(tmp_path / "one").history, run.record.history):
        assert history["loss"].isna().tolist() == [False, True, True, True]
        assert history["loss"].dtype == np.float64


def test_columns_that_appear_later_are_empty_before(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run:
        run.log({"epoch": 1, "loss": 3.0})
        run.log({"validation_loss": 2.5, "epoch": 2})
        run.log({"epoch": 3})
    assert (tmp_path / "one" / "history.csv").read_text() == "epoch,loss,validation_loss\n1,3.0,\n2,,2.5\n3,,\n"
    assert read_run(tmp_path / "one").history["validation_loss"].tolist()[1] == 2.5


Number = st.one_of(st.integers(-(2**53), 2**53), st.floats(width=64), st.booleans(), st.floats(width=32).map(np.float32))
Rows = st.lists(st.dictionaries(st.sampled_from(["epoch", "loss", 'a "b", c', "Güte"]), Number, min_size=1), max_size=6)


@settings(deadline=None, max_examples=50)
@given(rows=Rows)
def test_any_rows_come_back(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("any") / "run"
    with local(folder) as run:
        for row in rows:
            run.log(row)
    history = read_run(folder).history
    assert list(history) == list(dict.fromkeys(name for row in rows for name in row))
    assert len(history) == len(rows)
    for i, row in enumerate(rows):
        for name in history:
            expected = float(row.get(name, math.nan))
            assert history[name].iloc[i] == expected or (math.isnan(history[name].iloc[i]) and not math.isfinite(expected))
    if rows:
        pd.testing.assert_frame_equal(history, run.record.history)


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    with local(tmp_path / "one", seed=1) as one, local(tmp_path / "two", seed=2) as two:
        for epoch in (1, 2):
            one.log({"epoch": epoch, "loss": 1.0})
            two.log({"epoch": epoch, "error": 2.0})
        one.summary(score=1)
    assert read_run(tmp_path / "one").history.to_dict("list") == {"epoch": [1, 2], "loss": [1.0, 1.0]}
    assert read_run(tmp_path / "two").history.to_dict("list") == {"epoch": [1, 2], "error": [2.0, 2.0]}
    assert (read_run(tmp_path / "one").summary, read_run(tmp_path / "two").summary) == ({"score": 1}, {})


# Crashes


def test_crash_is_recorded_in_one_line_and_goes_on(tmp_path: Path) -> None:
    def crash() -> None:
        with local(tmp_path / "one") as run:
            run.log({"epoch": 1, "loss": 0.5})
            raise ValueError("first\n  second")

    with pytest.raises(ValueError, match="first"):
        crash()
    record = read_run(tmp_path / "one")
    assert (record.status, record.error) == ("failed", "ValueError: first second")
    assert record.finished is not None
    assert record.history.to_dict("list") == {"epoch": [1], "loss": [0.5]}


def test_interrupt_is_a_failed_run(tmp_path: Path) -> None:
    def interrupt() -> None:
        with local(tmp_path / "one"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert (read_run(tmp_path / "one").status, read_run(tmp_path / "one").error) == ("failed", "KeyboardInterrupt")


def test_killed_process_leaves_what_it_had_logged(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from helpers.train.tracking import start_run\n"
        "assert not {'wandb', 'keras', 'tensorflow'} & set(sys.modules)\n"
        "with start_run(sys.argv[1], config={'seed': 7}, mode='local') as run:\n"
        "    for epoch in range(1, 4):\n"
        "        run.log({'epoch': epoch, 'loss': 1 / epoch})\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = run_python(code, str(tmp_path / "one"))
    assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
    record = read_run(tmp_path / "one")
    assert (record.status, record.finished, record.config) == ("running", None, {"seed": 7})
    assert record.history.to_dict("list") == {"epoch": [1, 2, 3], "loss": [1.0, 0.5, 1 / 3]}
    assert math.isnan(list_runs(tmp_path)["seconds"].astype(float)[0])


def test_history_cut_anywhere_is_its_whole_rows(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run:
        for epoch in (1, 2):
            run.log({"epoch": epoch, "Güte": 0.5})
    path = tmp_path / "one" / "history.csv"
    content = path.read_bytes()
    assert content == "epoch,Güte\n1,0.5\n2,0.5\n".encode()
    header, first = content.index(b"\n") + 1, content.index(b"1,0.5\n") + 6
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        rows = 0 if cut < first else 1
        assert len(read_run(tmp_path / "one").history) == rows
        assert list(read_run(tmp_path / "one").history) == ([] if cut < header else ["epoch", "Güte"])
    path.unlink()
    assert read_run(tmp_path / "one").history.empty


# The model


def test_model_lies_in_the_folder_and_its_digest_in_the_record(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run:
        assert run.save_model(Saves(b"first")) == tmp_path / "one" / "model.keras"
        run.save_model(Saves(b"abc"))
    assert (tmp_path / "one" / "model.keras").read_bytes() == b"abc"
    sha256_of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert read_run(tmp_path / "one").model == {"file": "model.keras", "sha256": sha256_of_abc, "weights_sha256": None}


def test_model_that_cannot_be_saved_leaves_the_one_before(tmp_path: Path) -> None:
    class Breaks:
        def save(self, path: Path) -> None:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    def save_twice() -> None:
        with local(tmp_path / "one") as run:
            run.save_model(Saves(b"abc"))
            run.save_model(Breaks())

    with pytest.raises(OSError, match="No space"):
        save_twice()
    assert (tmp_path / "one" / "model.keras").read_bytes() == b"abc"
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["model.keras", "run.json"]
    assert read_run(tmp_path / "one").error == "OSError: [Errno 28] No space left on device"


def test_keras_model_comes_back(tmp_path: Path) -> None:
    from helpers.train.backend import keras
    from helpers.train.seeding import weights_digest

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with local(tmp_path / "one") as run:
        path = run.save_model(model)
    again = keras.models.load_model(path)
    for weights, expected in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)
    record = read_run(tmp_path / "one")
    assert record.model is not None
    assert record.model["weights_sha256"] == weights_digest(model) == weights_digest(again)


# Names, folders, arguments


def test_folder_with_other_files_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with local(tmp_path):
        pass
    assert read_run(tmp_path).name == tmp_path.name
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_folder_that_holds_a_run_is_refused_unless_it_shall_be_replaced(tmp_path: Path) -> None:
    with local(tmp_path / "one", seed=1) as run:
        run.log({"loss": 1})
        run.save_model(Saves(b"x"))
    (tmp_path / "one" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"one already holds a run: choose another folder, or give replace=True"):
        local(tmp_path / "one", seed=2)
    assert read_run(tmp_path / "one").config == {"seed": 1}
    with start_run(tmp_path / "one", config={"seed": 2}, mode="local", replace=True, name="two"):
        pass
    record = read_run(tmp_path / "one")
    assert (record.config, record.name, record.model, len(record.history)) == ({"seed": 2}, "two", None, 0)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["notes.txt", "run.json"]


def test_of_many_that_want_a_folder_one_gets_it(tmp_path: Path) -> None:
    def start(seed: int) -> int | None:
        try:
            with local(tmp_path / "one", seed=seed):
                return seed
        except InputError:
            return None

    with ThreadPoolExecutor(8) as pool:
        got = [seed for seed in pool.map(start, range(8)) if seed is not None]
    assert len(got) == 1
    assert read_run(tmp_path / "one").config == {"seed": got[0]}


def test_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with local(Path("one")) as run:
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        run.log({"loss": 1.0})
    assert len(read_run(tmp_path / "one").history) == 1


def test_folder_that_is_a_file_or_lies_in_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file is a file: name a folder for the run"):
        local(tmp_path / "file")
    with pytest.raises(InputError, match=r"file/run cannot be written to \(Not a directory\): choose another folder for the run"):
        local(tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot be written to \(Permission denied\)"):
        local(tmp_path / "one")


def test_full_disk_at_the_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records, "write_record", full)
    with pytest.raises(InputError, match=r"one cannot be written to \(No space left on device\)"):
        local(tmp_path / "one")


@pytest.mark.parametrize("mode", ["ofline", "", "disabled", None])
def test_unknown_mode(mode: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^mode is .*: choose off, local, offline or online") as caught:
        start_run(tmp_path / "one", config={}, mode=mode)
    assert ("(perhaps offline?)" in str(caught.value)) == (mode == "ofline")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"config": {"model": object()}}, r"^config\.model is a object, which a record cannot hold: give a number, text"),
        ({"config": {"a": {"b": [1, {2}]}}}, r"^config\.a\.b\[1\] is a set"),
        ({"config": {"a": {1: 2}}}, r"^config\.a has a key that is not text \(1\): name it$"),
        ({"config": {}, "name": " "}, r"^name is ' ': give the run a name"),
        ({"config": {}, "name": "a\nb"}, r"^name is 'a\\nb': give the run a name"),
        ({"config": {}, "digests": {"yeast": None}}, r"^the digest of 'yeast' is None: give it as text$"),
    ],
)
@pytest.mark.parametrize("mode", ["off", "local", "offline"])
def test_what_cannot_be_recorded(arguments: dict[str, Any], message: str, mode: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        start_run(tmp_path / "one", mode=mode, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, r"^the row has no value: log at least one number$"),
        ({"loss": "0.5"}, r"^loss is '0\.5', not one number: log numbers"),
        ({"loss": None}, r"^loss is 'None', not one number"),
        ({"loss": np.array([1.0])}, r"^loss is '\[1\.\]', not one number"),
        ({"loss": [1.0, 2.0]}, r"^loss is '\[1\.0, 2\.0\]', not one number"),
        ({"loss": 1j}, r"^loss is '1j', not one number"),
        ({"a\nb": 1.0}, r"^'a\\nb' cannot name a column: use printable text$"),
        ({"": 1.0}, r"^'' cannot name a column"),
        ({3: 1.0}, r"^3 cannot name a column"),
    ],
)
@pytest.mark.parametrize("mode", ["off", "local"])
def test_row_that_cannot_be_logged(row: Any, message: str, mode: Any, tmp_path: Path) -> None:
    with start_run(tmp_path / "one", config={}, mode=mode) as run:
        run.log({"epoch": 1})
        with pytest.raises(InputError, match=message):
            run.log(row)
        run.log({"epoch": 2})
    assert run.record.history.to_dict("list") == {"epoch": [1, 2]}


def test_ended_run_takes_nothing_more(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run:
        pass
    for use in (lambda: run.log({"loss": 1}), lambda: run.summary(a=1), lambda: run.save_model(Saves(b""))):
        with pytest.raises(InputError, match=r"^the run 'one' has ended: log, summarise and save within its with block$"):
            use()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["run.json"]


def test_score_that_cannot_be_recorded(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run, pytest.raises(InputError, match=r"^curve is a set, which a record cannot hold"):
        run.summary(curve={1})


def test_plain_values() -> None:
    given_ = {"a": np.arange(3), "b": np.bool_(True), "c": math.inf, "d": [math.nan, (1, "x")], "e": None, "f": True}
    assert plain(given_, "x") == {"a": [0, 1, 2], "b": True, "c": None, "d": [None, [1, "x"]], "e": None, "f": True}
    row = plain_row({"a": np.int64(3), "b": np.float64(0.5), "c": np.array(2.0), "d": True})
    assert row == {"a": 3, "b": 0.5, "c": 2.0, "d": 1}
    assert [type(value) for value in row.values()] == [int, float, float, int]


# Reading


def test_folder_without_a_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError, match=r"is not a run \(it has no run\.json\): name a folder that start_run wrote to$"):
            read_run(folder)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"file is not a run"):
        read_run(tmp_path / "file")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", b"", r"run\.json is damaged \(.*\): delete the folder and train again$"),
        ("run.json", b'{"format": 1, "name": "on', r"run\.json is damaged"),
        ("run.json", b"\xff\xfe", r"run\.json is damaged"),
        ("run.json", b"[]", r"run\.json is no record that this version wrote"),
        ("run.json", b'{"format": 1}', r"run\.json is no record that this version wrote"),
        ("run.json", b'{"lessons": []}', r"run\.json is no record that this version wrote"),
        ("history.csv", b"epoch,loss\n1\n", r"history\.csv is damaged \(.*\): delete the run's folder"),
        ("history.csv", b"epoch,loss\n1,\xff\xfe\n", r"history\.csv is damaged"),
        ("history.csv", b"epoch,loss\n1,oops\n", r"history\.csv is damaged \(could not convert string to float: 'oops'\)"),
    ],
)
def test_damaged_record(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    with local(tmp_path / "one"):
        pass
    (tmp_path / "one" / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_run(tmp_path / "one")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=message):
        list_runs(tmp_path)


def test_list_of_runs(tmp_path: Path) -> None:
    def crash() -> None:
        with local(tmp_path / "a", loss="poisson", optimizer={"rate": 0.1}, layers=[1, 2]) as run:
            run.log({"epoch": 1, "loss": 1.0})
            raise RuntimeError("out of memory")

    with local(tmp_path / "b", loss="mse") as run:
        run.log({"epoch": 1, "loss": 3.0, "validation_pearson": 0.5})
        run.log({"epoch": 2, "loss": 2.0, "validation_pearson": 0.7})
        run.log({"epoch": 3, "loss": 2.5, "validation_pearson": math.nan})
        run.summary(test_pearson=0.6)
    with pytest.raises(RuntimeError):
        crash()
    (tmp_path / "other").mkdir()
    (tmp_path / "run.json").write_text("not one of them")
    table = list_runs(tmp_path)
    assert table["run"].tolist() == ["b", "a"]  # the one that started first at the front
    assert table["status"].tolist() == ["finished", "failed"]
    assert table["error"].tolist()[1] == "RuntimeError: out of memory"
    assert table["folder"].tolist() == [tmp_path / "b", tmp_path / "a"]
    assert table["config.loss"].tolist() == ["mse", "poisson"]
    assert table["config.optimizer.rate"].tolist()[1] == 0.1
    assert table["config.layers"].tolist()[1] == "[1, 2]"
    assert table["final.loss"].tolist() == [2.5, 1.0]
    assert table["best.loss"].tolist() == [2.0, 1.0]
    assert table["best.validation_pearson"].tolist()[0] == 0.7
    assert math.isnan(table["final.validation_pearson"].tolist()[0])
    assert table["summary.test_pearson"].tolist()[0] == 0.6
    assert "best.epoch" not in table
    assert (table["seconds"] >= 0).all()


def test_list_of_no_runs(tmp_path: Path) -> None:
    assert list(list_runs(tmp_path)) == ["run", "folder", "status", "error", "started", "seconds"]
    assert len(list_runs(tmp_path)) == 0
    assert read_runs(tmp_path) == []
    with pytest.raises(InputError, match=r"missing is not a folder: name the one that holds the runs' folders$"):
        list_runs(tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("loss", True),
        ("validation_loss", True),
        ("poisson_nll", True),
        ("test_mse", True),
        ("validation_pearson", False),
        ("r2", False),
    ],
)
def test_which_scores_are_better_low(name: str, lower: bool) -> None:
    from helpers.train.overview import best, lower_is_better

    assert lower_is_better(name) == lower
    assert best(pd.Series([2.0, math.nan, 3.0], name=name)) == (2.0 if lower else 3.0)


def test_run_says_what_it_is(tmp_path: Path) -> None:
    with local(tmp_path / "one") as run:
        run.log({"loss": 1.0})
        assert repr(run) == "Run('one', local, running, 1 rows)"
