from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.sequence import decode, reverse_complement, reverse_complement_codes
from helpers.prepare import homology
from helpers.prepare.homology import homology_groups, similar_partners, sketch_table, split_by_homology
from helpers.prepare.regions import filter_counts, tile
from helpers.prepare.similarity import jaccard_estimate, sketch_windows
from helpers.prepare.sketches import EMPTY
from helpers.prepare.splits import Split, grouped_folds, split_by_chromosome

WINDOW = 500
LENGTHS = {"a": 5000, "b": 3000, "c": 2000, "d": 2000}


def _genome() -> dict[str, np.ndarray]:
    """Four chromosomes; c2 (2nd window of c) is copied to a0, inverted to b1, and half of d3 to a4 | a5; a9 and b5 are alike."""
    rng = np.random.default_rng(0)
    codes = {chrom: rng.integers(0, 4, length, dtype=np.uint8) for chrom, length in LENGTHS.items()}
    codes["a"][0:500] = codes["c"][1000:1500]
    codes["b"][500:1000] = reverse_complement_codes(codes["c"][1000:1500])
    codes["a"][2250:2750] = codes["d"][1500:2000]
    codes["b"][2500:3000] = codes["a"][4500:5000]
    return codes


WINDOWS = tile(LENGTHS, WINDOW)  # a 0-9, b 10-15, c 16-19, d 20-23
RELATED = [(0, 11), (0, 18), (11, 18), (4, 23), (5, 23), (9, 15)]


def _jaccard(codes: np.ndarray, other: np.ndarray, k: int = 16) -> float:
    """Share of canonical k-mers, word by word."""
    sets = []
    for letters in (decode(codes), decode(other)):
        words = (letters[i : i + k] for i in range(len(letters) - k + 1))
        sets.append({min(word, reverse_complement(word)) for word in words})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def _cut(codes: dict[str, np.ndarray], row: int) -> np.ndarray:
    chrom, start, end = WINDOWS.iloc[row]
    return codes[chrom][start:end]


def _places(table: pd.DataFrame) -> set[str]:
    return {f"{chrom}{start // WINDOW}" for chrom, start in zip(table["chrom"], table["start"], strict=True)}


def test_planted_pairs_are_all_there_are() -> None:
    codes = _genome()
    alike = [(i, j) for i, j in itertools.combinations(range(24), 2) if _jaccard(_cut(codes, i), _cut(codes, j)) >= 0.1]
    assert alike == sorted(RELATED)


def test_a_table_is_sketched_like_its_windows() -> None:
    codes = _genome()
    mixed = pd.concat([WINDOWS, tile(LENGTHS, 40, 333)]).sample(frac=1, random_state=0)
    made = sketch_table(mixed, codes, k=11, size=32, seed=4)
    assert made.shape == (len(mixed), 32)
    for row in range(len(mixed)):
        chrom, start, end = mixed.iloc[row]
        assert np.array_equal(made[row], sketch_windows(codes[chrom][None, start:end], k=11, size=32, seed=4)[0])
    assert sketch_table(WINDOWS.iloc[:0], codes).shape == (0, 64)


def test_groups_literally() -> None:
    groups = homology_groups(WINDOWS, sketch_table(WINDOWS, _genome()))
    assert groups.dtype == np.int64
    expected = [0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 0, 10, 11, 12, 8, 13, 14, 0, 15, 16, 17, 18, 4]
    assert groups.tolist() == expected


def test_windows_that_share_a_base_are_one_group() -> None:
    codes = _genome()
    table = pd.DataFrame(
        [("a", 500, 1000), ("a", 990, 1490), ("a", 1490, 1990), ("b", 500, 1000), ("c", 999, 1499)],
        columns=["chrom", "start", "end"],
    )
    made = sketch_table(table, codes)
    assert homology_groups(table, made).tolist() == [0, 0, 1, 2, 2]  # touching is not sharing; b and c are copies
    assert homology_groups(table, made, overlapping=False).tolist() == [0, 1, 2, 3, 3]
    steps = tile({"a": 5000}, 500, 250)
    assert set(homology_groups(steps, sketch_table(steps, codes)).tolist()) == {0}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(1, 30), st.sampled_from([0.2, 0.3, 0.6]))
def test_partners_against_all_comparisons(seed: int, asked: int, held: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 4, (asked + held, 64), dtype=np.uint64)
    made[rng.random(len(made)) < 0.4] = made[0]
    made[rng.random(made.shape) < 0.3] = EMPTY
    made[rng.random(len(made)) < 0.1] = EMPTY
    one, two = made[:asked], made[asked:]
    exact = [[float(jaccard_estimate(a, b)) for b in two] for a in one]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(homology, "_COMPARED", 7)
        found = similar_partners(one, two, threshold, recall=0.999999, candidates=1000)
    assert found["first"].tolist() == [a for a in range(asked) if any(value >= threshold for value in exact[a])]
    for a, b, value in found.itertuples(index=False):
        assert value == exact[a][b]
        assert value >= threshold


def test_partners_in_a_great_family() -> None:
    """800 copies of one repeat, and 30 windows of it to ask: each finds one although few are compared; a stranger finds none."""
    rng = np.random.default_rng(5)
    family = np.tile(rng.integers(0, 4, 600, dtype=np.uint8), (830, 1))
    changed = rng.random(family.shape) < 0.03
    family[changed] = (family[changed] + 1) % 4
    made = sketch_windows(np.concatenate([family, rng.integers(0, 4, (5, 600), dtype=np.uint8)]))
    found = similar_partners(made[800:], made[:800], 0.2, candidates=4)
    assert found["first"].tolist() == list(range(30))
    assert (found["similarity"] >= 0.2).all()
    none = np.full((3, 64), EMPTY)
    assert len(similar_partners(none, made)) == len(similar_partners(made, none)) == len(similar_partners(made[:0], made)) == 0


def _split(**options: object) -> Split:
    made = sketch_table(WINDOWS, _genome())
    return split_by_homology(WINDOWS, homology_groups(WINDOWS, made), ["b"], ["c"], **options)  # type: ignore[arg-type]


def test_drop_leaves_the_test_chromosome_as_it_is() -> None:
    split, plain = _split(), split_by_chromosome(WINDOWS, ["b"], ["c"])
    pd.testing.assert_frame_equal(split.test, plain.test)
    assert _places(plain.validation) - _places(split.validation) == {"b1"}
    assert _places(plain.train) - _places(split.train) == {"a0", "a9"}  # d3 and its halves are all in training
    assert list(split.train.columns) == ["chrom", "start", "end"]
    assert filter_counts(split.train).to_dict("list") == {
        "step": ["train chromosomes", "train windows in no group of a stricter part"],
        "kept": [14, 12],
        "of": [24, 14],
    }


def test_move_loses_nothing() -> None:
    split = _split(policy="move")
    assert _places(split.test) == {"c0", "c1", "c2", "c3", "a0", "b1"}
    assert _places(split.validation) == {"b0", "b2", "b3", "b4", "b5", "a9"}
    assert len(split.train) + len(split.validation) + len(split.test) == len(WINDOWS)
    assert split.test["chrom"].tolist() == ["a", "b", "c", "c", "c", "c"]  # in the order of the table


def test_chromosomes_in_no_part_stay_out() -> None:
    split = _split(policy="move", train=["d"])
    assert {name: _places(table) for name, table in split.parts.items()} == {
        "train": {"d0", "d1", "d2", "d3"},
        "validation": {"b0", "b2", "b3", "b4", "b5"},
        "test": {"c0", "c1", "c2", "c3", "b1"},
    }


def test_any_labels_will_do() -> None:
    genes = ["g1"] * 2 + ["g2"] * 8 + ["g3"] * 6 + ["g1"] * 4 + ["g4"] * 4
    split = split_by_homology(WINDOWS, genes, ["b"], ["c"])
    assert _places(split.train) == {f"a{i}" for i in range(2, 10)} | {f"d{i}" for i in range(4)}


@pytest.mark.parametrize("policy", ["drop", "move"])
def test_sketches_find_what_the_groups_missed(policy: str) -> None:
    alone = np.arange(len(WINDOWS))  # as if no pair had been found
    made = sketch_table(WINDOWS, _genome())
    assert len(split_by_homology(WINDOWS, alone, ["b"], ["c"], policy=policy).train) == 14  # type: ignore[arg-type]
    split = split_by_homology(WINDOWS, alone, ["b"], ["c"], policy=policy, sketches=made)  # type: ignore[arg-type]
    for part, table in _split(policy=policy).parts.items():
        pd.testing.assert_frame_equal(split.parts[part], table)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["drop", "move"]))
def test_no_group_and_no_pair_is_in_two_parts(seed: int, policy: str) -> None:
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 2**63, (len(WINDOWS), 64), dtype=np.uint64)
    for one, two in rng.integers(0, len(WINDOWS), (6, 2)):
        shared = rng.random(64) < rng.uniform(0, 0.5)
        made[one, shared] = made[two, shared]
    groups = np.where(rng.random(len(WINDOWS)) < 0.2, 0, np.arange(len(WINDOWS)) + 1)
    table = WINDOWS.assign(row=np.arange(len(WINDOWS)))
    try:
        split = split_by_homology(table, groups, ["b"], ["c"], policy=policy, sketches=made)  # type: ignore[arg-type]
    except InputError as error:
        assert "part is empty" in str(error)  # noqa: PT017
        return
    rows = [part["row"].tolist() for part in split.parts.values()]
    for left, right in itertools.combinations(rows, 2):
        assert not set(groups[left]) & set(groups[right])
        assert (jaccard_estimate(made[left][:, None], made[right]) < 0.1).all()
    if policy == "move":
        assert sorted(itertools.chain(*rows)) == list(range(24))


def test_folds_keep_shares_of_classes_and_groups_whole() -> None:
    groups = homology_groups(WINDOWS, sketch_table(WINDOWS, _genome()))
    labels = np.array(["peak", "none", "none"] * 8)
    folds = grouped_folds(WINDOWS, groups, 4, labels)
    assert sorted(np.concatenate([fold.test_rows for fold in folds]).tolist()) == list(range(24))
    for fold in folds:
        assert not set(groups[fold.train_rows]) & set(groups[fold.test_rows])
        assert 1 <= (labels[fold.test_rows] == "peak").sum() <= 3  # 2 each would be even


def test_folds_that_would_lack_something() -> None:
    groups = np.arange(24)
    few = np.array(["peak"] * 2 + ["none"] * 22)
    together = np.array([0] * 8 + list(range(1, 17)))
    for call, message in (
        (lambda: grouped_folds(WINDOWS, groups, 3, few), "class peak has 2 regions for 3 folds: choose fewer folds"),
        (lambda: grouped_folds(WINDOWS, groups, 3, few[:5]), r"labels has shape \(5,\): give one for each of the 24 regions"),
        (
            lambda: grouped_folds(WINDOWS, together, 2, np.arange(24) < 8),
            "fold [12] (tests|trains on) no region, or none of a class: choose fewer folds, or smaller groups",
        ),
        (lambda: grouped_folds(WINDOWS, np.zeros(24), 2), "folds is 2: choose 2 or more, and at most the 1 groups there are"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            call()


def test_impossible_requests_are_refused() -> None:
    codes = _genome()
    made = sketch_table(WINDOWS, codes)
    steps = tile(LENGTHS, 500, 250)
    apart = np.arange(len(steps))
    apart[steps.index[(steps["chrom"] == "a")][:1]] = apart[steps.index[steps["chrom"] == "c"][0]]
    chain = [0] * 17 + [1] * 3 + [2] * 4
    for call, message in (
        (lambda: sketch_table(WINDOWS.assign(end=6000), codes), "regions: 24 of 24, the first a:0-6000, are empty or leave"),
        (lambda: sketch_table(WINDOWS, {"a": codes["a"]}), "regions lie on 'b', which is not among a"),
        (lambda: sketch_table(WINDOWS.assign(end=WINDOWS["start"] + 9), codes), "k is 16 for windows of 9 bp; choose 1 to 9"),
        (lambda: similar_partners(made, made[:, :32]), r"references are uint64 of shape \(24, 32\): give two arrays"),
        (lambda: similar_partners(made.astype(float), made), r"sketches are float64 of shape \(24, 64\)"),
        (lambda: similar_partners(made, made, candidates=0), "candidates is 0: compare 1 or more"),
        (lambda: similar_partners(made, made, 0), "threshold is 0; choose a Jaccard index above 0, up to 1"),
        (lambda: homology_groups(WINDOWS, made[:3]), r"sketches have shape \(3, 64\): give one for each of the 24 regions"),
        (lambda: _split(policy="keep"), "policy is 'keep': choose drop or move"),
        (lambda: split_by_homology(WINDOWS, [1, 2], ["b"], ["c"]), r"groups has shape \(2,\): give one group for each of the 24"),
        (lambda: _split(sketches=made[:3]), r"sketches have shape \(3, 64\)"),
        (lambda: split_by_homology(WINDOWS, apart[:24], ["b"], ["b"]), "chromosome 'b' is in both validation and test"),
        (
            lambda: split_by_homology(WINDOWS, chain, ["b"], ["c"]),
            "the validation part is empty: all its 6 windows are in groups of a stricter part, and the largest group has 17 of 24 windows: "
            "raise the threshold, or hold out other chromosomes",
        ),
        (
            lambda: split_by_homology(steps, apart, ["b"], ["c"], policy="move"),
            "1 regions of train, the first a:250-750, overlap regions",
        ),
    ):
        with pytest.raises(InputError, match=f"^{message}") as error:
            call()
        assert "\n" not in str(error.value)
