from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.prepare.regions import filter_counts, tile
from helpers.prepare.splits import check_disjoint, grouped_folds, split_by_chromosome

REGIONS = tile({"a": 1000, "b": 400, "c": 300, "d": 300}, 100)


def table(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


def test_chromosomes_go_to_one_part_each() -> None:
    split = split_by_chromosome(REGIONS, validation=["b"], test=["c"])
    assert {name: sorted(part["chrom"].unique()) for name, part in split.parts.items()} == {
        "train": ["a", "d"],
        "validation": ["b"],
        "test": ["c"],
    }
    assert all(list(part.index) == list(range(len(part))) for part in split.parts.values())
    assert filter_counts(split.test).to_dict("list") == {"step": ["test chromosomes"], "kept": [3], "of": [20]}
    pd.testing.assert_frame_equal(
        split.summary(),
        pd.DataFrame(
            {
                "part": ["train", "validation", "test"],
                "regions": [13, 4, 3],
                "share": [0.65, 0.2, 0.15],
                "megabases": [0.0013, 0.0004, 0.0003],
                "chromosomes": ["a, d", "b", "c"],
            }
        ),
    )


def test_a_chromosome_in_no_part_is_left_out() -> None:
    split = split_by_chromosome(REGIONS, validation=["b"], test=["c"], train=["d"])
    assert split.train["chrom"].unique().tolist() == ["d"]


@pytest.mark.parametrize(
    ("validation", "test", "train", "message"),
    [
        (["b"], ["b"], None, "chromosome 'b' is in both validation and test: give each chromosome to one part"),
        (["b"], ["c"], ["a", "c"], "chromosome 'c' is in both train and test"),
        (["chrB"], ["c"], None, "validation chromosome 'chrB' has no region: the regions lie on a, b, c, d"),
        ([], ["c"], None, "the validation part is empty"),
        (["a", "b"], ["c", "d"], None, "the train part is empty"),
    ],
)
def test_impossible_splits_are_refused(validation: list[str], test: list[str], train: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        split_by_chromosome(REGIONS, validation, test, train)
    assert "\n" not in str(error.value)


def test_parts_that_share_a_base_are_refused() -> None:
    left, right = table(("a", 0, 10), ("a", 50, 60)), table(("a", 10, 50), ("b", 0, 10))
    check_disjoint({"train": left, "test": right}, chromosomes=False)
    with pytest.raises(InputError, match="chromosome 'a' is in both train and test"):
        check_disjoint({"train": left, "test": right})
    with pytest.raises(InputError, match="1 regions of train, the first a:50-60, overlap regions of test"):
        check_disjoint({"train": left, "test": table(("a", 59, 70))}, chromosomes=False)


def test_folds_test_every_region_once_and_divide_no_group() -> None:
    folds = grouped_folds(REGIONS, REGIONS["chrom"].tolist(), 3)
    assert len(folds) == 3
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test_rows for fold in folds])), np.arange(20))
    for fold in folds:
        assert not set(fold.train["chrom"]) & set(fold.test["chrom"])
        pd.testing.assert_frame_equal(fold.test, REGIONS.iloc[fold.test_rows].reset_index(drop=True))
        pd.testing.assert_frame_equal(fold.train, REGIONS.iloc[fold.train_rows].reset_index(drop=True))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=20, max_size=20), st.integers(2, 9))
def test_folds_keep_groups_whole(groups: list[int], folds: int) -> None:
    if len(set(groups)) < folds:
        with pytest.raises(InputError, match=f"folds is {folds}: choose 2 or more, and at most the {len(set(groups))} groups"):
            grouped_folds(REGIONS, groups, folds)
        return
    labels = np.array(groups)
    for fold in grouped_folds(REGIONS, groups, folds):
        assert not set(labels[fold.train_rows]) & set(labels[fold.test_rows])
        assert len(fold.train) + len(fold.test) == 20


def test_folds_of_overlapping_regions_in_different_groups_are_refused() -> None:
    overlapping = tile({"a": 1000}, 100, 50)
    with pytest.raises(InputError, match=r"overlap regions of test: split by chromosome, or by groups"):
        grouped_folds(overlapping, np.arange(len(overlapping)), 4)


def test_folds_need_a_group_for_each_region() -> None:
    with pytest.raises(InputError, match=r"groups has shape \(3,\): give one group for each of the 20 regions"):
        grouped_folds(REGIONS, [1, 2, 3], 2)
    with pytest.raises(InputError, match="folds is 1"):
        grouped_folds(REGIONS, np.arange(20), 1)
