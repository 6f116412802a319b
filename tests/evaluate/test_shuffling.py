from __future__ import annotations

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from helpers.errors import InputError
from helpers.evaluate import shuffling
from helpers.evaluate.shuffling import check_codes, dinucleotide_shuffle, random_background, random_order_within
from helpers.files.sequence import decode, encode


def pairs_of(letters: str) -> Counter[str]:
    return Counter(letters[i : i + 2] for i in range(len(letters) - 1))


def arrangements(letters: str) -> set[str]:
    """All sequences with the same dinucleotides and the same ends, by trying every order."""
    wanted = pairs_of(letters)
    every = {letters[0] + "".join(middle) + letters[-1] for middle in permutations(letters[1:-1])}
    return {one for one in every if pairs_of(one) == wanted}


def shuffled(letters: str, shuffles: int, seed: int = 0) -> list[str]:
    return [decode(row) for row in dinucleotide_shuffle(encode(letters)[None], seed, shuffles)]


@pytest.mark.parametrize("letters", ["A", "AC", "AAAAAAA", "ACGT", "ACACACAC", "AAAAC", "NNNN", "ACGNTTNGCA", "AAACCCGGGTTT"])
def test_a_sequence_with_one_arrangement_is_left_as_it_is(letters: str) -> None:
    assert set(shuffled(letters, 20)) == {letters}


def test_a_sequence_with_two_arrangements_becomes_either() -> None:
    assert arrangements("ACAGA") == {"ACAGA", "AGACA"}
    assert Counter(shuffled("ACAGA", 1000)).keys() == {"ACAGA", "AGACA"}


@pytest.mark.parametrize(
    ("letters", "number"),
    [
        ("AACATCAGA", 24),
        ("ACACACAGCA", 4),
        ("GAATTACATG", 12),  # begins and ends with the same base
        ("CCACCATCC", 20),
        ("ACACACACG", 1),  # A leaves for C thrice before C leaves for G
        ("TTGTCTGAT", 24),
        ("CGACGGCCA", 24),  # here and below, one tree of last exits has more dinucleotides to choose from than another
        ("AGAAGCAAC", 24),
        ("GGCGACACA", 10),
    ],
)
def test_all_arrangements_are_equally_likely(letters: str, number: int) -> None:
    expected = arrangements(letters)
    assert len(expected) == number
    counts = Counter(shuffled(letters, 200 * number, seed=1))
    assert set(counts) == expected
    assert number == 1 or chisquare([counts[one] for one in expected]).pvalue > 0.01


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 60), st.integers(1, 4), st.sampled_from([2, 4, 5]))
def test_dinucleotides_ends_and_gaps_are_kept(seed: int, sequences: int, length: int, shuffles: int, letters: int) -> None:
    codes = np.random.default_rng(seed).integers(0, letters, (sequences, length)).astype(np.uint8)
    before = codes.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffling, "LETTERS_AT_ONCE", 90)
        found = dinucleotide_shuffle(codes, seed, shuffles)
    np.testing.assert_array_equal(codes, before)
    assert found.shape == (sequences * shuffles, length)
    assert found.dtype == np.uint8
    for row, one in enumerate(found):
        original, new = decode(codes[row // shuffles]), decode(one)
        assert pairs_of(new) == pairs_of(original)
        assert [len(stretch) for stretch in new.split("N")] == [len(stretch) for stretch in original.split("N")]
        for old, stretch in zip(original.split("N"), new.split("N"), strict=True):
            assert pairs_of(stretch) == pairs_of(old)
            assert (stretch[:1], stretch[-1:]) == (old[:1], old[-1:])


def test_stretches_between_gaps_are_shuffled_each_on_its_own() -> None:
    found = Counter(shuffled("ACAGANNACAGAN", 4000, seed=2))
    both = ("ACAGA", "AGACA")
    assert set(found) == {f"{one}NN{other}N" for one in both for other in both}
    assert chisquare(list(found.values())).pvalue > 0.01


def test_long_sequences_are_mixed_well_and_each_in_its_own_way() -> None:
    codes = np.repeat(random_background(1, 2048, 3), 40, axis=0)
    found = dinucleotide_shuffle(codes, 4)
    assert len(np.unique(found, axis=0)) == 40
    same = (found == codes).mean(axis=0)[1:-1]
    assert abs(same.mean() - 0.25) < 0.02
    assert abs((found[:20, 1:-1] == found[20:, 1:-1]).mean() - 0.25) < 0.02
    halves = same[:1023].mean(), same[1023:].mean()
    assert abs(halves[0] - halves[1]) < 0.03


def test_a_base_that_is_left_once_in_a_thousand_times() -> None:
    letters = "AC" * 500 + "AG" + "TG" * 3
    found = shuffled(letters, 50)
    assert all(pairs_of(one) == pairs_of(letters) and one[-1] == "G" for one in found)


def test_seeds_repeat_and_differ_and_shuffles_follow_their_sequence() -> None:
    codes = np.stack([encode("ACAGATACCA"), encode("GGTGCGTTGC")])
    found = dinucleotide_shuffle(codes, 5, 3)
    np.testing.assert_array_equal(found, dinucleotide_shuffle(codes, np.random.default_rng(5), 3))
    assert not np.array_equal(found, dinucleotide_shuffle(codes, 0, 3))
    assert [decode(row)[0] for row in found] == ["A", "A", "A", "G", "G", "G"]
    generator = np.random.default_rng(5)
    assert not np.array_equal(dinucleotide_shuffle(codes, generator, 3), dinucleotide_shuffle(codes, generator, 3))


def test_background_has_the_frequencies_that_were_asked_for() -> None:
    found = random_background(100, 1000, 0, frequencies=(0.1, 0.2, 0.7, 0))
    assert found.shape == (100, 1000)
    assert found.dtype == np.uint8
    assert np.bincount(found.ravel(), minlength=4)[3] == 0
    np.testing.assert_allclose(np.bincount(found.ravel()) / found.size, [0.1, 0.2, 0.7], atol=0.01)
    np.testing.assert_allclose(np.bincount(random_background(100, 1000, 0).ravel()) / found.size, [0.25] * 4, atol=0.01)
    np.testing.assert_array_equal(random_background(2, 9, 7), random_background(2, 9, np.random.default_rng(7)))
    assert not np.array_equal(random_background(2, 9, 7), random_background(2, 9, 8))


def test_random_order_within_runs_is_even() -> None:
    rng = np.random.default_rng(0)
    orders = Counter(tuple(random_order_within(np.array([1, 0, 1, 1]), rng).tolist()) for _ in range(1200))
    assert set(orders) == {(1, *rest) for rest in permutations((0, 2, 3))}
    assert chisquare(list(orders.values())).pvalue > 0.01


def test_what_cannot_be_shuffled_is_refused() -> None:
    with pytest.raises(InputError, match=r"codes are uint8 of shape \(4,\): give uint8 codes \(sequences, length\)"):
        dinucleotide_shuffle(encode("ACGT"), 0)
    with pytest.raises(InputError, match=r"codes are int64 of shape \(1, 4\)"):
        dinucleotide_shuffle(np.zeros((1, 4), np.int64), 0)
    with pytest.raises(InputError, match=r"codes are empty, of shape \(0, 4\)"):
        dinucleotide_shuffle(np.zeros((0, 4), np.uint8), 0)
    with pytest.raises(InputError, match=r"backgrounds hold 5: a code is 0\.\.4"):
        check_codes(np.full((1, 4), 5, np.uint8), "backgrounds")
    with pytest.raises(InputError, match="shuffles is 0: choose 1 or more"):
        dinucleotide_shuffle(encode("ACGT")[None], 0, 0)
    with pytest.raises(InputError, match="background of 0 sequences of 9 bases is empty"):
        random_background(0, 9, 0)
    for wrong in ((0.5, 0.5), (0.5, 0.6, 0, 0), (-0.5, 0.5, 0.5, 0.5), (np.nan, 0, 0, 1)):
        with pytest.raises(InputError, match=r"frequencies are \[.*\]: give those of A, C, G, T"):
            random_background(1, 9, 0, frequencies=wrong)
