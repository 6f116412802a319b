from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.signal import lfilter

from helpers.errors import InputError
from helpers.evaluate import bootstrap
from helpers.evaluate.bootstrap import block_bootstrap, cut_blocks
from helpers.evaluate.classification import auroc
from helpers.evaluate.metrics import pearson


def mean(values: np.ndarray) -> float:
    return float(values.mean())


def test_blocks_are_neighbours_and_lose_nothing() -> None:
    truth, predicted = np.arange(11), np.arange(22).reshape(11, 2)
    blocks = cut_blocks(truth, predicted, size=3)
    assert [block[0].tolist() for block in blocks] == [[0, 1, 2], [3, 4, 5], [6, 7, 8, 9, 10]]
    assert blocks[1][1].tolist() == [[6, 7], [8, 9], [10, 11]]
    assert len(cut_blocks(truth, size=11)) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.data())
def test_cut_blocks_join_to_what_was_cut(bins: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, bins))
    blocks = cut_blocks(np.arange(bins), size=size)
    assert np.concatenate([block[0] for block in blocks]).tolist() == list(range(bins))
    assert all(size <= len(block[0]) < 2 * size for block in blocks)


def test_interval_of_a_mean_is_that_of_theory() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, 400)
    found = block_bootstrap(mean, cut_blocks(values, size=1), 1, resamples=4000)
    half = 1.96 * values.std() / 20
    assert found.score == mean(values)
    assert found.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.1 * half)
    assert found.undefined == 0
    narrow = block_bootstrap(mean, cut_blocks(values, size=1), 1, resamples=4000, level=0.5)
    assert narrow.high - narrow.low == pytest.approx(2 * half * 0.6745 / 1.96, rel=0.1)


def test_interval_of_a_correlation_is_scipys_where_bins_are_independent() -> None:
    rng = np.random.default_rng(2)
    truth = rng.gamma(2, 1, 150)
    predicted = truth + rng.normal(size=150)
    found = block_bootstrap(pearson, cut_blocks(truth, predicted, size=1), 0, resamples=1500)
    other = stats.bootstrap(
        (truth, predicted), lambda x, y: stats.pearsonr(x, y)[0], paired=True, vectorized=False, method="percentile",
        n_resamples=1500, rng=np.random.default_rng(5),
    ).confidence_interval  # fmt: skip
    assert found.score == pearson(truth, predicted)
    assert found.low == pytest.approx(other.low, abs=0.02)
    assert found.high == pytest.approx(other.high, abs=0.02)


def test_blocks_see_what_single_bins_hide() -> None:
    """The mean of a smooth track: its interval from single bins misses the truth in most tracks, that from blocks rarely does."""
    rng = np.random.default_rng(3)
    held = {1: 0, 100: 0}
    for _ in range(40):
        track = lfilter([1], [1, -0.95], rng.normal(size=4000))
        for size in held:
            blocks = [(block.mean(keepdims=True),) for (block,) in cut_blocks(track, size=size)]
            found = block_bootstrap(mean, blocks, rng, resamples=100)
            held[size] += found.low <= 0 <= found.high
    assert held[1] < 20
    assert held[100] > 30


def test_blocks_of_unlike_length_and_several_arrays_stay_together() -> None:
    blocks = [(np.full(size, size), np.full((size, 2), size)) for size in (1, 2, 5)]
    seen = []

    def score(first: np.ndarray, second: np.ndarray) -> float:
        assert second.shape == (len(first), 2)
        assert (first == second[:, 0]).all()
        seen.append(tuple(sorted(set(first))))
        return mean(first)

    block_bootstrap(score, blocks, 0, resamples=300)
    assert seen[0] == (1, 2, 5)
    assert set(seen[1:]) == {(1,), (2,), (5,), (1, 2), (1, 5), (2, 5), (1, 2, 5)}


@pytest.mark.parametrize("long", [1, 1_000_000])
def test_blocks_copied_whole_or_by_bin_are_those_drawn(long: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "LONG", long)
    rng, seen = np.random.default_rng(0), []
    blocks = [(rng.normal(size=size), rng.normal(size=(size, 2))) for size in (3, 1, 5, 2)]

    def score(one: np.ndarray, other: np.ndarray) -> float:
        seen.append((one, other))
        return 0.0

    block_bootstrap(score, blocks, 7, resamples=3)
    again = np.random.default_rng(7)
    for one, other in seen[1:]:  # the first is of all blocks
        drawn = again.integers(0, 4, 4)
        np.testing.assert_array_equal(one, np.concatenate([blocks[number][0] for number in drawn]))
        np.testing.assert_array_equal(other, np.concatenate([blocks[number][1] for number in drawn]))


def test_seeds_repeat_and_differ() -> None:
    blocks = cut_blocks(np.random.default_rng(0).normal(size=40), size=2)
    assert block_bootstrap(mean, blocks, 0) == block_bootstrap(mean, blocks, np.random.default_rng(0))
    assert block_bootstrap(mean, blocks, 0) != block_bootstrap(mean, blocks, 1)


def test_draws_without_a_score_are_counted() -> None:
    labels, scores = np.array([1, 0, 0, 0]), np.array([0.9, 0.1, 0.2, 0.3])
    found = block_bootstrap(auroc, cut_blocks(labels, scores, size=1), 0, resamples=400)
    assert found.undefined / 400 == pytest.approx((3 / 4) ** 4 + (1 / 4) ** 4, abs=0.06)
    assert (found.low, found.high) == (1, 1)
    truth = np.array([0.0, 0, 0, 1])
    constant = block_bootstrap(pearson, cut_blocks(truth, scores, size=1), 0, resamples=500)
    assert 100 < constant.undefined < 250
    rare = [(np.array([1, 0]), np.array([0.9, 0.1])), (np.zeros(2), np.zeros(2))]
    found = block_bootstrap(auroc, rare, 0, resamples=200)
    assert found.undefined == pytest.approx(50, abs=20)
    with pytest.raises(InputError, match=r"of 50 draws have no score: make the blocks larger, or score more of the genome"):
        block_bootstrap(
            lambda x: 1.0 if set(x) == {0, 1, 2, 3} else float("nan"), cut_blocks(np.arange(4), size=1), 0, resamples=50
        )


def test_what_cannot_be_resampled_is_refused() -> None:
    one = (np.ones(3), np.ones(3))
    with pytest.raises(InputError, match="blocks are 1: an interval needs 2, and better 20 or more"):
        block_bootstrap(pearson, [one], 0)
    for wrong in [(np.ones(3), np.ones(2)), (np.ones(3),), ()]:
        with pytest.raises(InputError, match=r"block 1 has arrays of .* bins: give the same arrays in each block"):
            block_bootstrap(pearson, [one, wrong], 0)
    with pytest.raises(InputError, match="resamples is 0: choose 1 or more"):
        block_bootstrap(mean, [one, one], 0, resamples=0)
    for level in (0, 1, 95):
        with pytest.raises(InputError, match=f"level is {level}: choose a share between 0 and 1"):
            block_bootstrap(mean, [one, one], 0, level=level)
    with pytest.raises(InputError, match="the score of all blocks is NaN"):
        block_bootstrap(lambda *_: float("nan"), [one, one], 0)
    with pytest.raises(InputError, match="labels are all 1"):
        block_bootstrap(auroc, [one, one], 0)
    with pytest.raises(InputError, match=r"arrays have \[3, 2\] bins: give one or more of equal length"):
        cut_blocks(np.ones(3), np.ones(2), size=1)
    with pytest.raises(InputError, match=r"arrays have \[\] bins"):
        cut_blocks(size=1)
    for size in (0, 4):
        with pytest.raises(InputError, match=f"size is {size} for 3 bins: choose 1 to 3"):
            cut_blocks(np.ones(3), size=size)
