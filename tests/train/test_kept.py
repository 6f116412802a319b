from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_fits import BIN, same_weights, tiny_data, tiny_model, tiny_training, tiny_validation

from helpers.errors import InputError
from helpers.prepare.prepared import PreparedData
from helpers.train import kept
from helpers.train.backend import keras
from helpers.train.fitting import Fit, fit
from helpers.train.kept import code_digest, kept_fit, surroundings
from helpers.train.models import convolutional
from helpers.train.reached import describe

KEY = {"model": "tiny", "options": {"filters": [4, 4], "dropout": 0.1}, "seed": 0}


@pytest.fixture(scope="module")
def trained() -> Fit:
    data = tiny_data()
    return fit(tiny_model(), tiny_training(data), loss="mse", epochs=3, validation=tiny_validation(data), patience=2)


@pytest.fixture
def counted(trained: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Fit]:
    """Training that takes no time, notes its calls, and begins with an empty cache."""
    monkeypatch.setenv("GENOMICS_CACHE", str(tmp_path / "cache"))

    def train() -> Fit:
        train.calls += 1  # type: ignore[attr-defined]
        return trained

    train.calls = 0  # type: ignore[attr-defined]
    return train


def calls(train: Any) -> int:
    return train.calls


def test_trains_once_and_gives_the_same_from_then_on(counted: Any, trained: Fit) -> None:
    first, second = kept_fit(KEY, counted), kept_fit(dict(reversed(KEY.items())), counted)
    assert calls(counted) == 1
    codes = np.random.default_rng(0).integers(0, 5, (9, 64)).astype(np.uint8)
    for got in (first, second):
        assert same_weights(got.model.get_weights(), trained.model.get_weights())
        pd.testing.assert_frame_equal(got.history, trained.history, check_exact=True)
        assert (got.best_epoch, got.stopped_early) == (trained.best_epoch, trained.stopped_early)
        np.testing.assert_array_equal(got.model.predict(codes, verbose=0), trained.model.predict(codes, verbose=0))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"seed": 0.0},
        {"seed": False},
        {"seed": None},
        {"seed": "0"},
        {"model": "other"},
        {"options": {"filters": [4, 5], "dropout": 0.1}},
        {"options": {"filters": [4, 4]}},
        {"one": "more"},
    ],
)
def test_any_other_key_is_trained_anew(counted: Any, change: dict) -> None:
    kept_fit(KEY, counted)
    kept_fit({**KEY, **change}, counted)
    assert calls(counted) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code_digest", lambda: "other"),
        ("versions", lambda: {"python": "9"}),
        ("processor", lambda: "other"),
        ("_threads", lambda: [7, 7]),
    ],
)
def test_other_surroundings_are_trained_in_anew(
    counted: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: Callable
) -> None:
    kept_fit(KEY, counted)
    monkeypatch.setattr(kept, name, value)
    kept_fit(KEY, counted)
    kept_fit(KEY, counted)
    assert calls(counted) == 2


def test_batches_are_known_by_what_they_show(counted: Any) -> None:
    def train_on(data: PreparedData, **changes: Any) -> int:
        kept_fit({**KEY, "training": tiny_training(data, **changes)}, counted)
        return calls(counted)

    other, beyond = tiny_data(), tiny_data()
    other.targets[3, 0] += 1
    beyond.targets[-1, 0] += 1  # of chromosome c, which training never reads
    assert train_on(tiny_data()) == train_on(tiny_data()) == train_on(beyond) == 1
    assert [train_on(other), train_on(tiny_data(), seed=np.int64(4)), train_on(tiny_data(), jitter=BIN)] == [2, 3, 4]
    assert train_on(tiny_data(), seed=4) == 4


def only_folder(cache: Path) -> Path:
    (folder,) = (place for place in (cache / "models").iterdir() if place.is_dir())
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def forge(path: Path) -> None:
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "best_epoch": 99}))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.keras", cut),
        ("model.keras", flip),
        ("model.keras", Path.unlink),
        ("fit.json", cut),
        ("fit.json", forge),
        ("fit.json", Path.unlink),
        ("fit.json", lambda path: path.write_text("[]")),
        ("fit.json", lambda path: path.write_bytes(b"\xff\xfe")),
    ],
)
def test_a_damaged_file_is_trained_anew(
    counted: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, damage: Callable
) -> None:
    kept_fit(KEY, counted)
    damage(only_folder(tmp_path / "cache") / name)
    with caplog.at_level(logging.WARNING):
        again = kept_fit(KEY, counted)
    assert calls(counted) == 2
    assert "is damaged" in caplog.text
    assert again.best_epoch < 99
    kept_fit(KEY, counted)
    assert calls(counted) == 2


def test_threads_must_be_known_and_stay(counted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = [0, 1]
    monkeypatch.setattr(kept, "_threads", lambda: list(threads))
    with pytest.raises(InputError, match=r"TensorFlow chooses its threads, .*: call seeding\.seed_everything before kept_fit"):
        kept_fit(KEY, counted)
    assert calls(counted) == 0
    threads[:] = [2, 1]

    def train() -> Fit:
        threads[:] = [4, 1]
        return counted()

    with pytest.raises(InputError, match="threads changed while the model was trained: set what decides the result before"):
        kept_fit(KEY, train)
    kept_fit(KEY, counted)
    assert calls(counted) == 2  # nothing was kept


def test_training_that_fails_leaves_nothing(counted: Any, tmp_path: Path) -> None:
    def fail() -> Fit:
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        kept_fit(KEY, fail)
    assert [place for place in (tmp_path / "cache" / "models").iterdir() if place.is_dir()] == []
    kept_fit(KEY, counted)
    assert calls(counted) == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"options": {"rates": np.ones(3)}}, r"key\['options'\]\['rates'\] is a ndarray, which cannot be compared later"),
        ({"losses": ["mse", object()]}, r"key\['losses'\]\[1\] is a object"),
        ({"options": {1: "x"}}, r"key\['options'\] has 1 as a name: names are text"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_training(counted: Any, value: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        kept_fit({**KEY, **value}, counted)
    assert calls(counted) == 0


def test_models_of_the_course_are_read_back(counted: Any, trained: Fit) -> None:
    model = convolutional(256, 32, 2, filters=4)
    got = kept_fit({"model": "convolutional"}, lambda: Fit(model, trained.history, 1, False))
    assert same_weights(got.model.get_weights(), model.get_weights())
    assert got.model.name == model.name
    assert calls(counted) == 0


def test_the_digest_of_the_code_follows_every_file(tmp_path: Path) -> None:
    for name in ("prepare/a.py", "train/b.py", "evaluate/metrics.py", "evaluate/other.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    seen = [code_digest(tmp_path)]
    for name in ("prepare/a.py", "train/b.py", "evaluate/metrics.py"):
        (tmp_path / name).write_text("changed")
        seen.append(code_digest(tmp_path))
    (tmp_path / "train/new.py").write_text("")
    seen.append(code_digest(tmp_path))
    assert len(set(seen)) == 5
    (tmp_path / "evaluate/other.py").write_text("changed")  # decides nothing of a training
    assert code_digest(tmp_path) == seen[-1]
    shutil.rmtree(tmp_path / "prepare")
    assert code_digest(tmp_path) != seen[-1]


def test_surroundings_name_what_decides() -> None:
    found = json.loads(json.dumps(surroundings()))
    assert sorted(found) == ["backend", "code", "floats", "libraries", "processor", "threads"]
    assert found["libraries"]["keras"] == keras.__version__
    assert found["floats"] == "float32"
    assert found["threads"] == [2, 1]


def test_describe_is_ready_for_json_and_tells_data_apart() -> None:
    plain = describe(tiny_training(tiny_data()))
    assert json.loads(json.dumps(plain)) == plain == describe(tiny_training(tiny_data()))
    data = tiny_data()
    data.codes[5] = (data.codes[5] + 1) % 4
    changed = describe(tiny_training(data))
    assert [name for name in plain if plain[name] != changed[name]] == ["data"]
    moved = tiny_training(tiny_data())
    moved._first_bin = moved._first_bin[::-1]
    assert describe(moved)["regions"] != plain["regions"]
