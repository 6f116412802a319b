"""Pairs of loci and cell types: the three evaluations, what the training cell types say by themselves, and scores within groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate.cell_types import (
    average_activity,
    evaluation_pairs,
    mean_precision,
    nearest_cell_type,
    scores_by_group,
)
from helpers.evaluate.classification import auprc

LOCI = ["train", "train", "validation", "test"]
CELL_TYPES = ["train", "validation", "test"]
PARTS = st.sampled_from(["train", "validation", "test"])


def drawn(split: tuple[np.ndarray, ...]) -> list[str]:
    """One letter a pair: t(rained on), v(alidation), T(ested), or a dot; a word a locus."""
    letters = np.full(split[0].shape, ".")
    for part, letter in zip(split, "tvT", strict=True):
        letters[part] = letter
    return ["".join(row) for row in letters]


def test_three_evaluations_of_a_small_table() -> None:
    assert drawn(evaluation_pairs("cross-chromosome", LOCI, CELL_TYPES)) == ["..t", "..t", "..v", "..T"]
    assert drawn(evaluation_pairs("cross-chromosome", LOCI, CELL_TYPES, target=0)) == ["t..", "t..", "v..", "T.."]
    assert drawn(evaluation_pairs("cross-cell-type", LOCI, CELL_TYPES)) == ["tvT", "tvT", "tvT", "..."]
    assert drawn(evaluation_pairs("hybrid", LOCI, CELL_TYPES)) == ["tv.", "tv.", "tv.", "..T"]


@settings(max_examples=50, deadline=None)
@given(st.lists(PARTS, max_size=9), st.lists(PARTS, max_size=9))
def test_each_evaluation_holds_out_what_it_says(more_loci: list[str], more_types: list[str]) -> None:
    loci, types = [*LOCI, *more_loci], [*CELL_TYPES, *more_types]
    for how, new_loci, new_types in (("cross-chromosome", True, False), ("cross-cell-type", False, True), ("hybrid", True, True)):
        split = evaluation_pairs(how, loci, types)  # type: ignore[arg-type]
        assert all(part.any() for part in split)
        assert np.sum(split, axis=0).max() == 1  # no pair in two parts
        rows = [set(np.flatnonzero(part.any(axis=1))) for part in split]
        columns = [set(np.flatnonzero(part.any(axis=0))) for part in split]
        assert rows[0].isdisjoint(rows[2]) == new_loci
        assert columns[0].isdisjoint(columns[2]) == new_types
    seen, new = (evaluation_pairs(how, loci, types) for how in ("cross-cell-type", "hybrid"))  # type: ignore[arg-type]
    assert np.array_equal(seen.train, new.train)
    assert np.array_equal(seen.validation, new.validation)


def test_evaluation_errors() -> None:
    with pytest.raises(
        InputError, match="evaluation 'cross-species' is unknown: choose cross-chromosome, cross-cell-type, hybrid"
    ):
        evaluation_pairs("cross-species", LOCI, CELL_TYPES)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"loci has the parts \['test', 'train'\]: give each train, validation, test"):
        evaluation_pairs("hybrid", ["train", "test"], CELL_TYPES)
    with pytest.raises(InputError, match="target is 3: there are 3 cell types, counted from 0"):
        evaluation_pairs("cross-chromosome", LOCI, CELL_TYPES, target=3)


def test_average_activity_looks_at_the_given_cell_types_alone() -> None:
    active = np.array([[1, 1, 0, 1], [0, 1, 0, 0]], dtype=bool)
    assert average_activity(active, [0, 1, 2]).tolist() == pytest.approx([2 / 3, 1 / 3])
    assert average_activity(np.array([[1.0, 3.0, 99.0]]), [0, 1]).tolist() == [2.0]
    changed = active.copy()
    changed[:, 3] ^= True
    assert np.array_equal(average_activity(active, [0, 1, 2]), average_activity(changed, [0, 1, 2]))


def test_nearest_cell_type() -> None:
    profiles = np.array([[1.0, 9.0, 1.0, 3.0], [2.0, 5.0, 2.5, 2.0], [3.0, 1.0, 2.9, 1.0]])  # 0 is like 2, and unlike 1 and 3
    assert nearest_cell_type(profiles, 0, [1, 2, 3]) == 2
    assert nearest_cell_type(10 * profiles + 7, 0, [3, 2, 1]) == 2  # level and scale do not matter
    assert nearest_cell_type(profiles, 1, [2, 3]) == 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 20), st.integers(3, 6))
def test_nearest_cell_type_equals_a_slow_loop(seed: int, loci: int, types: int) -> None:
    profiles = np.random.default_rng(seed).normal(size=(loci, types))
    likeness = {other: np.corrcoef(profiles[:, 0], profiles[:, other])[0, 1] for other in range(1, types)}
    assert nearest_cell_type(profiles, 0, list(likeness)) == max(likeness, key=lambda other: likeness[other])


@pytest.mark.parametrize(
    ("among", "message"),
    [
        ([], r"among is \[\]: give numbers of cell types, each once"),
        ([1, 1], "each once"),
        ([0.5], "give numbers of cell types"),
        ([3], "there are 3 cell types, counted from 0"),
        ([-1], "there are 3 cell types"),
    ],
)
def test_cell_types_that_are_none(among: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        average_activity(np.eye(3), among)


def test_errors_of_the_baselines() -> None:
    with pytest.raises(InputError, match=r"values have shape \(3,\), or some are missing"):
        average_activity(np.ones(3), [0])
    with pytest.raises(InputError, match="some are missing: give finite ones"):
        average_activity(np.array([[1.0, np.nan]]), [0])
    with pytest.raises(InputError, match="target is 1: give one of the 3 cell types, counted from 0, that is not in among"):
        nearest_cell_type(np.eye(3), 1, [0, 1])
    with pytest.raises(InputError, match="the profile of cell type number 2 is the same at all loci"):
        nearest_cell_type(np.array([[1.0, 2, 5], [2, 1, 5]]), 0, [1, 2])


def test_mean_precision_scores_each_cell_type_by_itself() -> None:
    active = np.array([[1, 0], [0, 0], [0, 1]], dtype=bool)
    said = np.array([[0.9, 90.0], [0.5, 10.0], [0.1, 50.0]])  # first type ranks right: 1; second has its locus second: 1/2
    assert mean_precision(active, said, np.ones((3, 2), dtype=bool)) == pytest.approx(0.75)
    only_second = np.array([[False, True]] * 3)
    assert mean_precision(active, said, only_second) == pytest.approx(0.5)
    assert mean_precision(active, said * np.array([1, 1e6]), np.ones((3, 2), dtype=bool)) == pytest.approx(0.75)


def test_mean_precision_errors() -> None:
    active = np.array([[True], [False]])
    with pytest.raises(InputError, match=r"have the shapes \(2, 1\), \(2,\), \(2, 1\): give \(loci, cell types\)"):
        mean_precision(active, np.ones(2), np.ones((2, 1), dtype=bool))
    with pytest.raises(InputError, match="test marks no pair"):
        mean_precision(active, np.ones((2, 1)), np.zeros((2, 1), dtype=bool))
    with pytest.raises(InputError, match="labels are all 1"):
        mean_precision(active, np.ones((2, 1)), np.array([[True], [False]]))


def test_groups_take_the_average_away() -> None:
    rng = np.random.default_rng(0)
    chance = rng.choice([0.2, 0.8], 2_000)  # how often a locus is active
    others, tested = (rng.random((2_000, 5)) < chance[:, None] for _ in range(2))
    groups = others.sum(axis=1)
    average = np.broadcast_to(others.mean(axis=1)[:, None], tested.shape)
    pooled = auprc(tested.astype(float), average)
    table = scores_by_group(tested, average, groups)
    assert pooled > tested.mean() + 0.2
    assert np.allclose(table["average precision"], table["active"])  # within a group all loci get one score: a guess
    perfect = scores_by_group(tested, tested.astype(float), groups)
    assert (perfect["average precision"] == 1).all()


def test_a_small_table_of_groups() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], dtype=bool)
    said = np.array([[0.9, 0.1], [0.8, 0.7], [0.3, 0.4], [0.2, 0.6]])
    table = scores_by_group(labels, said, np.array([2, 2, 5, 5]), least=1)
    assert table["group"].tolist() == [2, 5]
    assert table["pairs"].tolist() == [4, 4]
    assert table["active"].tolist() == [0.75, 0.25]
    assert table["average precision"].tolist() == [1.0, 1.0]


def test_groups_without_both_classes_are_left_out() -> None:
    labels = np.array([[1], [0], [1], [1]], dtype=bool)
    table = scores_by_group(labels, np.arange(4.0)[:, None], np.array([0, 0, 1, 1]), least=1)
    assert table["group"].tolist() == [0]
    with pytest.raises(InputError, match="no group has 2 active and 2 inactive pairs: take more loci, or a smaller least"):
        scores_by_group(labels, np.arange(4.0)[:, None], np.array([0, 0, 1, 1]), least=2)
    with pytest.raises(InputError, match="least is 0"):
        scores_by_group(labels, np.arange(4.0)[:, None], np.array([0, 0, 1, 1]), least=0)
    with pytest.raises(InputError, match=r"have the shapes \(4, 1\), \(4, 1\), \(3,\)"):
        scores_by_group(labels, np.arange(4.0)[:, None], np.arange(3))
