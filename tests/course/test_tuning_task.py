"""What lesson 06 tunes: the training that a search runs, and the curves that are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers.course import tuning
from helpers.errors import InputError
from helpers.places import shipped
from helpers.train.space import check_space

SETTINGS = {
    "learning_rate": 0.001,
    "batch_size": 16,
    "filters": 8,
    "width": 7,
    "activation": "relu",
    "dropout": 0.25,
    "jitter": 0,
}


@pytest.fixture(scope="module")
def small_genome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The simulated data set with three short chromosomes."""
    content = yaml.safe_load(shipped("data_manifests", "simulated.yml").read_text(encoding="utf-8"))
    content["simulation"]["settings"] = {"n_chromosomes": 3, "chromosome_length": 200_000}
    content["splits"] = {"validation": ["chr2"], "test": ["chr3"]}
    path = tmp_path_factory.mktemp("small") / "small.yml"
    path.write_text(yaml.safe_dump({**content, "name": "small"}), encoding="utf-8")
    return str(path)


def curves_of(seed: int, values: list[list[float]]) -> pd.DataFrame:
    """A table of curves, one configuration a list; the loss is the negative of the score, the held-out score half of it."""
    rows = [
        {"seed": seed, "trial": trial, **SETTINGS, "epoch": epoch, "validation_pearson": value}
        for trial, curve in enumerate(values)
        for epoch, value in enumerate(curve, 1)
    ]
    table = pd.DataFrame(rows)
    return table.assign(validation_loss=-table["validation_pearson"], held_out_pearson=table["validation_pearson"] / 2)


def test_the_space_is_what_the_training_takes() -> None:
    check_space(tuning.SPACE, tuning.SmallTraining("simulated", 0))


def test_a_training_reports_each_epoch_and_repeats(small_genome: str) -> None:
    told: list[list[dict[str, float]]] = [[], []]
    for rows in told:
        tuning.SmallTraining(small_genome, 0, epochs=2, threads=2)(lambda rows=rows, **row: rows.append(row), **SETTINGS)
    assert [row["epoch"] for row in told[0]] == [1, 2]
    assert set(told[0][0]) == {"epoch", *tuning.METRICS}
    assert told[0] == told[1]
    assert len({row["validation_loss"] for row in told[0]}) == 2


def test_a_matrix_has_a_row_for_each_configuration_and_nan_where_training_failed() -> None:
    table = pd.concat([curves_of(3, [[0.1, 0.2], [0.3]]), curves_of(4, [[0.5, 0.6]])], ignore_index=True)
    np.testing.assert_array_equal(tuning.curve_matrix(table, 3, "validation_pearson"), [[0.1, 0.2], [0.3, np.nan]])
    np.testing.assert_array_equal(tuning.curve_matrix(table, 4, "validation_loss"), [[-0.5, -0.6]])


def test_stored_curves_are_read_back_for_their_seeds_only(
    small_genome: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "shipped", lambda *_: tmp_path)
    table = pd.concat([curves_of(0, [[0.123456789, 0.2]]), curves_of(1, [[0.3, 0.4]])], ignore_index=True)
    assert tuning.store_curves(table, tmp_path, dataset=small_genome, command="as typed") == tmp_path / "06_curves.csv"
    found = tuning.stored_curves(small_genome, [1])
    assert found is not None
    pd.testing.assert_frame_equal(found[0], table[table["seed"] == 1].reset_index(drop=True), check_like=True)
    assert found[1]["command"] == "as typed"
    assert set(found[1]["digests"]) == {"0", "1"}
    assert found[1]["digests"]["0"] != found[1]["digests"]["1"]
    both = tuning.stored_curves(small_genome, [0, 1])
    assert both is not None
    assert both[0]["validation_pearson"].iloc[0] == 0.12346
    assert tuning.stored_curves(small_genome, [1, 2]) is None
    assert tuning.stored_curves("another", [1]) is None


def test_curves_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "shipped", lambda *_: tmp_path)
    with pytest.raises(InputError, match=r"06_curves.csv or .json cannot be read \(.*No such file.*\): install the package anew"):
        tuning.stored_curves("simulated", [0])
    (tmp_path / "06_curves.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        tuning.stored_curves("simulated", [0])


def test_the_curves_that_travel_with_the_course_are_whole() -> None:
    facts = json.loads((shipped("notebooks", "results") / "06_curves.json").read_text(encoding="utf-8"))
    seeds = sorted(int(seed) for seed in facts["digests"])
    found = tuning.stored_curves("simulated", seeds)
    assert found is not None
    table = found[0]
    assert sorted(table["seed"].unique()) == seeds
    assert facts["command"].startswith("course curves --dataset simulated")
    for seed in seeds:
        assert tuning.curve_matrix(table, seed, "held_out_pearson").shape == (tuning.CONFIGURATIONS, tuning.EPOCHS)
