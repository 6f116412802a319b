"""Runs against written-out cases and slow loops."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.files.runs import count_within, true_runs, value_runs


def test_runs_of_a_written_out_case() -> None:
    start, end = true_runs(np.array([1, 1, 0, 0, 1, 0, 1], bool))
    assert start.tolist() == [0, 4, 6]
    assert end.tolist() == [2, 5, 7]
    assert start.dtype == end.dtype == np.int64
    for part in true_runs(np.zeros(0, bool)):
        assert part.tolist() == []


@given(hnp.arrays(bool, st.integers(0, 30)))
def test_runs_against_a_loop(mask: np.ndarray) -> None:
    covered = [place for start, end in zip(*true_runs(mask), strict=True) for place in range(start, end)]
    assert covered == [place for place, inside in enumerate(mask) if inside]
    assert len(true_runs(mask)[0]) == sum(inside for inside, _ in groupby(mask.tolist()))


def test_values_of_a_written_out_case() -> None:
    data = np.array([0.0, 0.0, 2.0, 2.0, np.nan, np.nan, 1.0, 0.0])
    start, end, value = value_runs(data, 10)
    assert start.tolist() == [20, 40, 60]
    assert end.tolist() == [40, 60, 70]
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, np.array([2, np.nan, 1], np.float32))
    start, end, value = value_runs(data, 10, zeros=True)
    assert start.tolist() == [0, 20, 40, 60, 70]
    assert end.tolist() == [20, 40, 60, 70, 80]
    np.testing.assert_array_equal(value, np.array([0, 2, np.nan, 1, 0], np.float32))


@given(hnp.arrays(np.int32, st.integers(1, 30), elements=st.integers(0, 2)), st.integers(1, 5))
def test_values_against_a_loop(values: np.ndarray, width: int) -> None:
    expected, place = [], 0
    for value, run in groupby(values.tolist()):
        size = len(list(run)) * width
        expected += [(place, place + size, float(value))] if value else []
        place += size
    assert list(zip(*(part.tolist() for part in value_runs(values, width)), strict=True)) == expected


@given(st.lists(st.integers(0, 5)))
def test_counts_within_runs(sizes: list[int]) -> None:
    assert count_within(np.array(sizes, np.int64)).tolist() == [place for size in sizes for place in range(size)]
