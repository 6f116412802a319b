from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.sequence import decode, reverse_complement, reverse_complement_codes
from helpers.prepare import similarity, sketches
from helpers.prepare.similarity import (
    choose_bands,
    duplicate_groups,
    expected_jaccard,
    found_probability,
    jaccard_estimate,
    near_duplicate_pairs,
    sketch_regions,
    sketch_windows,
)
from helpers.prepare.sketches import EMPTY, kmer_hashes


def _kmers(codes: np.ndarray, k: int) -> set[str]:
    """Canonical k-mers of a window, one by one."""
    letters = decode(codes)
    words = (letters[i : i + k] for i in range(len(letters) - k + 1))
    return {min(word, reverse_complement(word)) for word in words if "N" not in word}


def _jaccard(a: np.ndarray, b: np.ndarray, k: int) -> float:
    one, two = _kmers(a, k), _kmers(b, k)
    return len(one & two) / len(one | two)


def _random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, shape, dtype=np.uint8)


def _diverged(codes: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Copy in which each base is exchanged for another one with a probability."""
    rng = np.random.default_rng(seed)
    changed = rng.random(codes.shape) < share
    return np.where(changed, (codes + rng.integers(1, 4, codes.shape)) % 4, codes).astype(np.uint8)


codes_of = st.lists(st.sampled_from([0, 1, 2, 3, 3, 2, 1, 0, 4]), min_size=31, max_size=60).map(
    lambda values: np.array(values, np.uint8)
)


@given(codes_of, st.integers(1, 31))
def test_hashes_tell_canonical_kmers_apart(codes: np.ndarray, k: int) -> None:
    letters = decode(codes)
    hashes = kmer_hashes(codes, k, seed=3)
    assert hashes.shape == (len(codes) - k + 1,)
    seen: dict[str, int] = {}
    for i, found in enumerate(hashes.tolist()):
        word = letters[i : i + k]
        if "N" in word:
            assert found == EMPTY
            continue
        assert found != EMPTY
        assert seen.setdefault(min(word, reverse_complement(word)), found) == found
    assert len(set(seen.values())) == len(seen)


@given(codes_of, st.integers(1, 31), st.integers(1, 40), st.integers(-(2**70), 2**70))
def test_sketch_against_a_loop_and_the_other_strand(codes: np.ndarray, k: int, size: int, seed: int) -> None:
    found = sketch_windows(codes[None], k=k, size=size, seed=seed)
    expected = [int(EMPTY)] * size
    for value in kmer_hashes(codes, k, seed).tolist():
        if value != EMPTY:
            bin_number = (value >> 32) * size >> 32
            expected[bin_number] = min(expected[bin_number], value)
    assert found.dtype == np.uint64
    assert found.tolist() == [expected]
    assert np.array_equal(found, sketch_windows(reverse_complement_codes(codes)[None], k=k, size=size, seed=seed))


@given(st.lists(st.integers(0, 950), max_size=40), st.integers(20, 50), st.integers(3, 400), st.integers(60, 3000))
def test_regions_are_sketched_as_windows(starts: list[int], window: int, span: int, cells: int) -> None:
    codes = _random(1, 1000)
    codes[300:340] = 4
    windows = np.array([codes[start : start + window] for start in starts], np.uint8).reshape(-1, window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketches, "_SPAN", span)
        patch.setattr(sketches, "_CELLS", cells)
        found = sketch_regions(codes, np.array(starts, int), window, k=11, size=16, seed=2)
        assert np.array_equal(found, sketch_windows(windows, k=11, size=16, seed=2))


def test_another_seed_is_another_function() -> None:
    windows = _random(2, 3, 200)
    assert jaccard_estimate(sketch_windows(windows, seed=0), sketch_windows(windows, seed=1)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("divergence", [0.0, 0.02, 0.1])
def test_estimate_agrees_with_the_exact_index(divergence: float) -> None:
    windows = _random(3, 20, 1000)
    copies = _diverged(windows, divergence, 4)
    copies[::2] = reverse_complement_codes(copies[::2])
    exact = np.array([_jaccard(a, b, 16) for a, b in zip(windows, copies, strict=True)])
    estimate = jaccard_estimate(sketch_windows(windows, size=512), sketch_windows(copies, size=512))
    error = np.sqrt(exact * (1 - exact) / 512)
    assert np.all(np.abs(estimate - exact) <= 4 * error + 1e-12)
    assert abs((estimate - exact).mean()) <= 4 * error.mean() / np.sqrt(20)
    assert abs(exact.mean() - expected_jaccard(divergence)) < 0.03


def test_estimate_literally() -> None:
    none = int(EMPTY)
    a = np.array([[1, 2, none, none], [1, none, none, none], [none] * 4], np.uint64)
    b = np.array([[1, 3, 4, none], [none, 2, none, none], [none] * 4], np.uint64)
    np.testing.assert_array_equal(jaccard_estimate(a, b), [1 / 3, 0.0, np.nan])
    np.testing.assert_array_equal(jaccard_estimate(a, b[0]), [1 / 3, 1 / 3, np.nan])
    np.testing.assert_array_equal(jaccard_estimate(a[:, None], b[None])[0], [1 / 3, 1 / 2, np.nan])


def test_expected_jaccard() -> None:
    assert expected_jaccard(0) == 1.0
    assert [round(expected_jaccard(d), 2) for d in (0.02, 0.05, 0.1)] == [0.57, 0.28, 0.1]
    assert expected_jaccard(0, overlap=0.5) == pytest.approx(1 / 3)
    assert expected_jaccard(0.5, k=1) == pytest.approx(1 / 3)
    with pytest.raises(InputError, match=r"^overlap is 1\.5; give a share from 0 to 1$"):
        expected_jaccard(0.1, overlap=1.5)
    with pytest.raises(InputError, match=r"^divergence is -1; give a share from 0 to 1$"):
        expected_jaccard(-1)


def test_choose_bands() -> None:
    assert choose_bands(64, 0.5) == (32, 2)
    assert choose_bands(64, 0.1) == (64, 1)
    assert choose_bands(64, 1.0) == (1, 64)
    assert found_probability(0.5, 32, 2) == pytest.approx(1 - 0.75**32)
    assert found_probability(0.5, 21, 3) < 0.99 < found_probability(0.5, 32, 2)
    with pytest.raises(
        InputError, match=r"^sketches of 8 bins find a pair at threshold 0\.1 too seldom: sketch with a greater size=$"
    ):
        choose_bands(8, 0.1)


def test_bands_find_as_often_as_stated() -> None:
    """Sketches whose bins agree with a known probability: 20,000 pairs at the threshold."""
    rng = np.random.default_rng(5)
    for threshold, bands, rows in ((0.5, 5, 3), (0.3, 8, 2)):
        one = rng.integers(0, 2**63, (20_000, bands * rows), dtype=np.uint64)
        two = np.where(rng.random(one.shape) < threshold, one, rng.integers(0, 2**63, one.shape, dtype=np.uint64))
        found = {int(code) for batch in similarity._candidates(np.concatenate([one, two]), bands, rows, 32) for code in batch}
        share = np.mean([i * 40_000 + i + 20_000 in found for i in range(20_000)])
        assert abs(share - found_probability(threshold, bands, rows)) < 0.02


def _planted() -> tuple[np.ndarray, dict[tuple[int, int], float]]:
    """200 windows: pairs that differ by 2 % and by 10 %, one on the other strand, one half covered, two without any known base."""
    windows = _random(6, 200, 1000)
    windows[100] = _diverged(windows[0], 0.02, 7)
    windows[101] = reverse_complement_codes(_diverged(windows[1], 0.02, 8))
    windows[102] = _diverged(windows[2], 0.1, 9)
    windows[103] = windows[3]
    windows[104] = np.concatenate([windows[4, 500:], windows[105, :500]])
    windows[106:108] = 4
    windows[108, :] = np.where(np.arange(1000) % 10 == 0, 4, windows[109])  # N everywhere: no k-mer is left
    exact = {}
    for a, b in itertools.combinations([i for i in range(200) if i not in (106, 107, 108)], 2):
        if a < 6 and b == a + 100:
            exact[a, b] = _jaccard(windows[a], windows[b], 16)
    return windows, exact


def test_pairs() -> None:
    windows, exact = _planted()
    made = sketch_windows(windows)
    pairs = near_duplicate_pairs(made, 0.4)
    assert list(pairs.columns) == ["first", "second", "similarity"]
    assert [str(kind) for kind in pairs.dtypes] == ["int64", "int64", "float64"]
    assert isinstance(pairs.index, pd.RangeIndex)
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [(0, 100), (1, 101), (3, 103)]
    for a, b, value in pairs.itertuples(index=False):
        assert abs(value - exact[a, b]) < 0.25
    assert pairs["similarity"].tolist() == jaccard_estimate(made[pairs["first"]], made[pairs["second"]]).tolist()


def test_pairs_at_a_low_threshold_need_short_words() -> None:
    windows, exact = _planted()
    assert exact[2, 102] < 0.75 * _jaccard(windows[2], windows[102], 10)
    pairs = near_duplicate_pairs(sketch_windows(windows, k=10, size=256), 0.12)
    assert list(zip(pairs["first"], pairs["second"], strict=True)) == [
        (0, 100),
        (1, 101),
        (2, 102),
        (3, 103),
        (4, 104),
        (104, 105),
    ]


def test_groups() -> None:
    windows, _ = _planted()
    windows[50] = windows[103]  # a second link of the same family
    labels = duplicate_groups(sketch_windows(windows), 0.4)
    assert labels.dtype == np.int64
    expected, group_of = [], {100: 0, 101: 1, 103: 3, 50: 3}
    fresh = itertools.count()
    for i in range(200):
        expected.append(expected[group_of[i]] if i in group_of else next(fresh))
    assert labels.tolist() == expected


def test_unrelated_windows_stay_alone() -> None:
    made = sketch_windows(_random(10, 2000, 500))
    assert duplicate_groups(made, 0.2).tolist() == list(range(2000))
    assert len(near_duplicate_pairs(made, 0.2)) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.sampled_from([0.3, 0.5, 0.9]), st.integers(1, 60))
def test_pairs_and_groups_against_all_comparisons(seed: int, count: int, threshold: float, buffer: int) -> None:
    """Sketches over few values, so that many agree; with buckets large enough for every pair, and batches small."""
    rng = np.random.default_rng(seed)
    made = rng.integers(0, 3, (count, 64), dtype=np.uint64)
    made[rng.random(count) < 0.5] = made[0]
    made[rng.random((count, 64)) < 0.2] = EMPTY
    made[rng.random(count) < 0.1] = EMPTY
    exact = {(a, b): float(jaccard_estimate(made[a], made[b])) for a, b in itertools.combinations(range(count), 2)}
    wanted = {pair: value for pair, value in exact.items() if value >= threshold}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "_BUFFER", buffer)
        patch.setattr(similarity, "_COMPARED", 7)
        pairs = near_duplicate_pairs(made, threshold, max_bucket=1000, recall=0.999999)
        labels = duplicate_groups(made, threshold, max_bucket=1000, recall=0.999999)
    found = {(a, b): value for a, b, value in pairs.itertuples(index=False)}
    assert found == wanted  # a band misses one pair in a million
    assert len(found) == len(pairs)
    assert list(found) == sorted(found)
    groups = list(range(count))
    for a, b in found:  # joined one by one
        groups = [groups[a] if group == groups[b] else group for group in groups]
    assert [[x == y for x in groups] for y in groups] == [[x == y for x in labels] for y in labels]


def test_a_great_bucket_is_chained_and_still_one_group() -> None:
    """500 copies of one repeat: few pairs are compared, all copies are connected, and the windows around them stay alone."""
    repeat = _random(11, 600)
    windows = _random(12, 520, 600)
    windows[10:510] = _diverged(np.tile(repeat, (500, 1)), 0.005, 13)
    made = sketch_windows(windows)
    labels = duplicate_groups(made, 0.5, max_bucket=8)
    assert set(labels[10:510].tolist()) == {10}
    assert len(set(labels.tolist())) == 21
    pairs = near_duplicate_pairs(made, 0.5, max_bucket=8)
    assert 499 <= len(pairs) < 500 * 499 / 2 / 4
    assert set(pairs["first"]) | set(pairs["second"]) == set(range(10, 510))


def test_nothing_to_compare() -> None:
    for made in (np.empty((0, 64), np.uint64), np.full((5, 64), EMPTY)):
        assert near_duplicate_pairs(made).shape == (0, 3)
        assert duplicate_groups(made).tolist() == list(range(len(made)))
    assert sketch_regions(_random(1, 100), np.array([], int), 50).shape == (0, 64)
    assert sketch_windows(np.empty((0, 50), np.uint8)).shape == (0, 64)


def test_what_cannot_be() -> None:
    windows, made = _random(1, 2, 50), np.zeros((2, 64), np.uint64)
    codes = windows[0]
    starts = np.array([0])
    for call, message in (
        (lambda: sketch_windows(codes), r"codes_windows has shape \(50,\); give \(windows, length\), or use sketch_regions"),
        (lambda: sketch_windows(windows, k=0), "k is 0 for windows of 50 bp; choose 1 to 31"),
        (lambda: sketch_windows(windows, k=32), "k is 32 for windows of 50 bp; choose 1 to 31"),
        (lambda: sketch_windows(windows[:, :9]), "k is 16 for windows of 9 bp; choose 1 to 9"),
        (lambda: sketch_windows(windows, size=0), "size is 0; choose 1 or more"),
        (lambda: sketch_regions(codes, starts, 51), "window 0-51 runs past an end of the 50 bp given; leave it out of starts="),
        (lambda: sketch_regions(codes, np.array([-1, 0]), 20), "window -1-19 runs past an end"),
        (lambda: sketch_regions(codes, starts, 20, k=21), "k is 21 for windows of 20 bp; choose 1 to 20"),
        (lambda: near_duplicate_pairs(made, 0), "threshold is 0; choose a Jaccard index above 0, up to 1"),
        (lambda: duplicate_groups(made, 1.5), r"threshold is 1\.5; choose a Jaccard index above 0, up to 1"),
        (lambda: near_duplicate_pairs(made, recall=1), "recall is 1; choose a probability between 0 and 1"),
        (
            lambda: near_duplicate_pairs(made.astype(int)),
            r"sketches are int64 of shape \(2, 64\); give what sketch_windows returns",
        ),
        (lambda: duplicate_groups(made[0]), r"sketches are uint64 of shape \(64,\); give what sketch_windows returns"),
        (lambda: duplicate_groups(made, max_bucket=1), "max_bucket is 1; choose 2 or more"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            call()
