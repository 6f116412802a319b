from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from helpers.errors import InputError
from helpers.files.fasta import decode, encode, reverse_complement
from helpers.prepare.augment import draw_flips, draw_shifts, reverse_complement_batch, shift_limits


def test_reverse_complement_turns_sequence_and_bins() -> None:
    codes = np.stack([encode("AACGNT"), encode("AACGNT")])
    targets = np.array([[[1, 10], [2, 20], [3, 30]]] * 2, np.float32)
    new_codes, new_targets = reverse_complement_batch(codes, targets, np.array([False, True]))
    assert [decode(row) for row in new_codes] == ["AACGNT", "ANCGTT"]
    np.testing.assert_array_equal(new_targets[0], targets[0])
    np.testing.assert_array_equal(new_targets[1], [[3, 30], [2, 20], [1, 10]])
    assert decode(codes[1]) == "AACGNT"  # the input is left alone


def test_stranded_tracks_change_places() -> None:
    targets = np.array([[[1, 10, 100], [2, 20, 200]]], np.float32)
    _, turned = reverse_complement_batch(np.zeros((1, 8), np.uint8), targets, np.array([True]), stranded=[1, 0, 2])
    np.testing.assert_array_equal(turned[0], [[20, 2, 200], [10, 1, 100]])


@pytest.mark.parametrize("stranded", [[0], [1, 2, 0], [0, 0, 1], [0, 1, 3]])
def test_tracks_must_be_paired(stranded: list[int]) -> None:
    with pytest.raises(InputError, match="give for each of the 3 tracks its partner's number"):
        reverse_complement_batch(np.zeros((1, 8), np.uint8), np.zeros((1, 2, 3), np.float32), np.array([True]), stranded)


@given(
    data=st.data(),
    samples=st.integers(1, 6),
    length=st.integers(1, 40),
    bins=st.integers(1, 7),
    tracks=st.sampled_from([1, 2, 4]),
)
def test_reverse_complement_twice_is_identity_and_once_is_biopython(
    data: st.DataObject, samples: int, length: int, bins: int, tracks: int
) -> None:
    codes = data.draw(hnp.arrays(np.uint8, (samples, length), elements=st.integers(0, 4)))
    targets = data.draw(hnp.arrays(np.float32, (samples, bins, tracks), elements=st.floats(0, 9, width=32)))
    flips = data.draw(hnp.arrays(bool, samples))
    stranded = list(range(tracks))[::-1]
    once = reverse_complement_batch(codes, targets, flips, stranded)
    for k in range(samples):
        expected = reverse_complement(decode(codes[k])) if flips[k] else decode(codes[k])
        assert decode(once[0][k]) == expected
        np.testing.assert_array_equal(once[1][k], targets[k][::-1, ::-1] if flips[k] else targets[k])
    twice = reverse_complement_batch(*once, flips, stranded)
    np.testing.assert_array_equal(twice[0], codes)
    np.testing.assert_array_equal(twice[1], targets)


def test_shifts_reach_both_ends_and_nothing_beyond() -> None:
    low, high = np.full(40_000, -3), np.full(40_000, 2)
    shifts = draw_shifts(np.random.default_rng(0), low, high)
    values, counts = np.unique(shifts, return_counts=True)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2]
    assert counts.min() > 40_000 / 6 * 0.94
    assert counts.max() < 40_000 / 6 * 1.06


def test_flips_are_a_coin_for_each_sample() -> None:
    flips = draw_flips(np.random.default_rng(0), 40_000)
    assert 0.49 < flips.mean() < 0.51
    assert abs(np.corrcoef(flips[:-1], flips[1:])[0, 1]) < 0.02
    assert draw_flips(np.random.default_rng(0), 1000, 1.0).all()


@given(
    length=st.integers(64, 2000),
    start=st.integers(0, 60),
    window=st.integers(1, 60),
    bin_size=st.sampled_from([1, 4, 32]),
    bins=st.integers(0, 20),
)
def test_shifted_windows_stay_inside_their_chromosome(length: int, start: int, window: int, bin_size: int, bins: int) -> None:
    starts = np.array([start // bin_size * bin_size])
    ends = np.minimum(starts + window, length)
    low, high = shift_limits(starts, ends, np.array([length]), bin_size, bins * bin_size)
    assert -bins <= low[0] <= 0 <= high[0] <= bins
    assert starts[0] + low[0] * bin_size >= 0
    assert ends[0] + high[0] * bin_size <= length
    assert low[0] == -bins or starts[0] + (low[0] - 1) * bin_size < 0  # as far as there is room
    assert high[0] == bins or ends[0] + (high[0] + 1) * bin_size > length


@pytest.mark.parametrize("jitter", [-32, 16, 33])
def test_jitter_is_by_whole_bins(jitter: int) -> None:
    with pytest.raises(InputError, match=f"jitter is {jitter} bp: choose 0 or a multiple of the bin size, 32 bp"):
        shift_limits(np.array([0]), np.array([64]), np.array([640]), 32, jitter)
