"""Batch means: what is taken out, what is kept, and what cannot be known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.prepare.batch_effects import BatchMeans


def test_literal_case() -> None:
    values = np.array([[1.0, 10], [3, 10], [7, 20], [9, 20]])
    model = BatchMeans().fit(values, ["x", "x", "y", "y"])
    assert model.batches_.tolist() == ["x", "y"]
    assert np.allclose(model.effects_, [[-3, -5], [3, 5]])
    assert np.allclose(model.transform(values, ["x", "x", "y", "y"]), [[4, 15], [6, 15], [4, 15], [6, 15]])
    assert np.allclose(model.transform(np.array([[0.0, 0]]), ["y"]), [[-3, -5]])


@given(st.integers(0, 2**32 - 1), st.integers(2, 4))
def test_means_of_batches_agree_and_differences_within_stay(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    batches = np.concatenate([np.arange(count), rng.integers(count, size=12)])
    values = rng.normal(size=(len(batches), 3)) + 5 * batches[:, None]
    out = BatchMeans().fit(values, batches).transform(values, batches)
    means = np.array([out[batches == batch].mean(axis=0) for batch in range(count)])
    assert np.allclose(means, means[0])
    for batch in range(count):
        rows = batches == batch
        assert np.allclose(out[rows] - out[rows].mean(axis=0), values[rows] - values[rows].mean(axis=0))


def test_variable_to_keep_stays_where_it_goes_with_the_batch() -> None:
    classes = np.array([0, 0, 0, 1, 0, 1, 1, 1])
    batches = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    values = (2.0 * classes + 10.0 * batches)[:, None]  # exactly: the class adds 2, the batch 10
    kept = BatchMeans().fit(values, batches, keep=classes).transform(values, batches)
    assert np.allclose(kept[classes == 1] - kept[classes == 0], 2)
    plain = BatchMeans().fit(values, batches).transform(values, batches)
    assert plain[classes == 1].mean() - plain[classes == 0].mean() == pytest.approx(1.5)


def test_kept_effect_is_that_of_ordinary_least_squares() -> None:
    rng = np.random.default_rng(3)
    batches, ages = rng.integers(3, size=30), rng.normal(size=(30, 2))
    values = rng.normal(size=(30, 4))
    design = np.hstack([np.eye(3)[batches], ages])
    terms = np.linalg.lstsq(design, values, rcond=None)[0][:3]
    assert np.allclose(BatchMeans().fit(values, batches, keep=ages).effects_, terms - terms.mean(axis=0))


@pytest.mark.parametrize(
    ("values", "batches", "keep", "message"),
    [
        (np.ones(3), [0, 0, 1], None, r"values have shape \(3,\)"),
        (np.full((2, 1), np.nan), [0, 1], None, "finite"),
        (np.ones((2, 1)), [0], None, "name the batch of each"),
        (np.ones((2, 1)), [0, 1], np.array([1.0]), "keep has shape"),
        (np.ones((4, 1)), [0, 0, 1, 1], np.array([0, 0, 1, 1]), "cannot be told apart"),
        (np.ones((4, 1)), [0, 0, 1, 1], np.full(4, np.inf), "finite number for each"),
    ],
)
def test_fit_refuses(values: np.ndarray, batches: list[int], keep: np.ndarray | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BatchMeans().fit(values, batches, keep)


def test_transform_refuses() -> None:
    with pytest.raises(InputError, match="call fit first"):
        BatchMeans().transform(np.ones((1, 1)), [0])
    model = BatchMeans().fit(np.ones((2, 2)), [0, 1])
    with pytest.raises(InputError, match="batch 7 was not seen"):
        model.transform(np.ones((1, 2)), [7])
    with pytest.raises(InputError, match="3 features and 2 were fitted"):
        model.transform(np.ones((1, 3)), [0])
