from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.errors import InputError
from helpers.prepare.depth import (
    QuantileNormaliser,
    counts_per_million,
    downsample_fragments,
    scale_to_total,
    thin_counts,
    thin_to_total,
)
from helpers.prepare.tables import filter_counts

FRAGMENTS = pd.DataFrame({"chrom": ["a"] * 6 + ["b"] * 4, "start": range(10), "end": range(5, 15)}, index=[7] * 10)
COUNTS = hnp.arrays(np.int64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=6), elements=st.integers(0, 50))


def test_fragments_keep_their_order_and_are_drawn_once() -> None:
    drawn = downsample_fragments(FRAGMENTS, 4, rng=0)
    assert len(drawn) == 4
    assert list(drawn.index) == [0, 1, 2, 3]
    assert drawn["start"].is_monotonic_increasing
    assert drawn["start"].is_unique
    merged = drawn.merge(FRAGMENTS, how="left", indicator=True)
    assert (merged["_merge"] == "both").all()
    assert filter_counts(drawn).to_dict("list") == {"step": ["fragments drawn"], "kept": [4], "of": [10]}
    pd.testing.assert_frame_equal(drawn, downsample_fragments(FRAGMENTS, 4, rng=np.random.default_rng(0)))
    assert downsample_fragments(FRAGMENTS, 4, rng=1)["start"].tolist() != drawn["start"].tolist()


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 30), st.floats(0, 1), st.integers(0, 5))
def test_a_share_is_rounded_to_a_number(count: int, share: float, seed: int) -> None:
    rows = np.arange(2 * count).reshape(count, 2)
    drawn = downsample_fragments(rows, share=share, rng=seed)
    assert abs(len(drawn) - share * count) <= 0.5 + 1e-9
    assert np.array_equal(drawn, rows[np.isin(rows[:, 0], drawn[:, 0])])


def test_every_fragment_is_as_likely() -> None:
    rng = np.random.default_rng(3)
    hits = np.zeros(10)
    for _ in range(4000):
        hits[downsample_fragments(np.arange(10), 3, rng=rng)] += 1
    assert hits.sum() == 12_000
    assert np.all(np.abs(hits - 1200) < 4 * np.sqrt(4000 * 0.3 * 0.7))
    assert len(downsample_fragments(np.arange(10), share=0.25, rng=0)) == 3  # a half goes up
    assert downsample_fragments(np.arange(10), 10, rng=0).tolist() == list(range(10))
    assert len(downsample_fragments(np.arange(10), share=0, rng=0)) == 0


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.floats(0, 1), st.integers(0, 2**32))
def test_thinning_never_exceeds_the_original(counts: np.ndarray, share: float, seed: int) -> None:
    thinned = thin_counts(counts, share, seed)
    assert thinned.dtype == counts.dtype
    assert thinned.shape == counts.shape
    assert ((thinned >= 0) & (thinned <= counts)).all()
    assert np.array_equal(thin_counts(counts, 1.0, seed), counts)
    assert not thin_counts(counts, 0.0, seed).any()


@settings(max_examples=50, deadline=None)
@given(COUNTS, st.floats(0, 1), st.integers(0, 2**32), st.sampled_from(["C", "F"]))
def test_thinning_to_a_total_keeps_it_in_every_track(counts: np.ndarray, share: float, seed: int, order: str) -> None:
    tracks = counts.shape[-1] if counts.ndim > 1 else 1
    totals = (counts.reshape(-1, tracks).sum(axis=0) * share).astype(int)
    given_counts = np.array(counts, order=order)  # type: ignore[call-overload]
    thinned = thin_to_total(given_counts, totals if counts.ndim > 1 else int(totals[0]), seed)
    assert thinned.dtype == counts.dtype
    assert ((thinned >= 0) & (thinned <= counts)).all()
    assert thinned.reshape(-1, tracks).sum(axis=0).tolist() == totals.tolist()
    assert np.array_equal(given_counts, counts)


def _fits(draws: np.ndarray, law: np.ndarray) -> float:
    """P-value of a chi-square test of draws 0, 1, ... against their probabilities."""
    return float(stats.chisquare(np.bincount(draws, minlength=len(law)), law * len(draws)).pvalue)


def test_thinning_follows_the_binomial_law() -> None:
    drawn = thin_counts(np.full(50_000, 4), 0.3, 0)
    assert _fits(drawn, stats.binom.pmf(np.arange(5), 4, 0.3)) > 0.01
    assert _fits(drawn, stats.binom.pmf(np.arange(5), 4, 0.32)) < 1e-6  # the test can tell
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / np.sqrt(50_000)


def test_thinning_to_a_total_follows_the_hypergeometric_law() -> None:
    rng = np.random.default_rng(1)
    drawn = np.array([thin_to_total(np.array([4, 1, 5]), 4, rng) for _ in range(5000)])
    for place, count in enumerate([4, 1, 5]):
        law = stats.hypergeom.pmf(np.arange(min(count, 4) + 1), 10, count, 4)
        assert _fits(drawn[:, place], law) > 0.01
    assert _fits(drawn[:, 0], stats.binom.pmf(np.arange(5), 4, 0.4)) < 1e-6  # not with replacement


def test_missing_bins_stay_missing() -> None:
    counts = np.array([[3.0, np.nan], [np.nan, 2.0], [2.0, 0.0]], np.float32)
    assert thin_counts(counts, 1, 0).dtype == np.float32
    np.testing.assert_array_equal(thin_counts(counts, 1, 0), counts)
    np.testing.assert_array_equal(thin_to_total(counts, [5, 1], 0), [[3, np.nan], [np.nan, 1], [2, 0]])  # type: ignore[arg-type]


def test_counts_that_cannot_be_thinned() -> None:
    for counts, message in (
        (np.array([1, -2, -3]), "counts hold -2, the first of 2 that are no counts: give whole numbers from 0 on"),
        (np.array([1, 2.5]), r"counts hold 2\.5, the first of 1 that are no counts"),
        (np.array([np.inf]), "counts hold inf, the first of 1"),
        (np.array(["a"]), r"counts are <U1 of shape \(1,\): give an array of numbers"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            thin_counts(counts, 0.5, 0)
        with pytest.raises(InputError, match=f"^{message}"):
            thin_to_total(counts, 1, 0)
    many = np.array([[10**9, 1], [10**9, 1]])
    for call, message in (
        (lambda: thin_counts(np.array([1]), 1.5, 0), r"share is 1\.5: choose a probability from 0 to 1"),
        (lambda: thin_counts(np.array([1]), np.nan, 0), "share is nan"),
        (lambda: thin_to_total(np.array([2, 3]), 6, 0), "total is 6 and track 0 counts 5: choose 0 up to that"),
        (lambda: thin_to_total(np.array([2, 3]), -1, 0), "total is -1 and track 0 counts 5"),
        (
            lambda: thin_to_total(np.array([2, 3]), np.array(2.0), 0),
            r"total is array\(2\.\): give a whole number, or one for each of the 1 tracks",
        ),
        (lambda: thin_to_total(np.array([[2, 3]]), np.array([1, 1, 1]), 0), "total is array"),
        (lambda: thin_to_total(many, 2, 0), "track 0 counts 2,000,000,000, more than 999,999,999: thin_counts it"),
    ):
        with pytest.raises(InputError, match=f"^{message}") as error:
            call()
        assert "\n" not in str(error.value)


def test_fragments_that_cannot_be_drawn() -> None:
    for call, message in (
        (lambda: downsample_fragments(FRAGMENTS, 11, rng=0), "number is 11 of 10 fragments: choose a whole number from 0 to 10"),
        (lambda: downsample_fragments(FRAGMENTS, -1, rng=0), "number is -1 of 10 fragments"),
        (lambda: downsample_fragments(FRAGMENTS, 2.5, rng=0), r"number is 2\.5 of 10"),  # type: ignore[arg-type]
        (lambda: downsample_fragments(FRAGMENTS, share=1.1, rng=0), r"share is 1\.1: choose 0 to 1"),
        (lambda: downsample_fragments(FRAGMENTS, rng=0), "number is None and share is None: give one of the two"),
        (lambda: downsample_fragments(FRAGMENTS, 1, share=0.1, rng=0), r"number is 1 and share is 0\.1: give one"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            call()


def test_scaling_literally() -> None:
    assert scale_to_total(np.array([1, 2, 1]), 100).tolist() == [25.0, 50.0, 25.0]
    np.testing.assert_array_equal(
        counts_per_million(np.array([[1, np.nan], [3, 2.0]])), [[250_000, np.nan], [750_000, 1_000_000]]
    )
    np.testing.assert_array_equal(counts_per_million(np.array([[1, 2], [3, 4]]), np.array([10, 8])), [[1e5, 2.5e5], [3e5, 5e5]])
    assert counts_per_million(np.array([[1, 2]], np.float32), 4).tolist() == [[250_000, 500_000]]
    assert counts_per_million(np.array([1], np.float32)).dtype == np.float32


def test_scaling_that_cannot_be() -> None:
    for call, message in (
        (lambda: counts_per_million(np.array([[1, 0], [1, 0]])), "the library size of track 1 is 0: it is above 0"),
        (lambda: counts_per_million(np.array([[1, np.nan]])), "the library size of track 1 is 0"),
        (lambda: counts_per_million(np.array([1, -1])), "values hold -1: counts and coverage are 0 or more"),
        (lambda: counts_per_million(np.array([1.0, np.inf])), "values hold an infinity: set it to NaN, or cap it"),
        (lambda: counts_per_million(np.array([1]), -3), "the library size of track 0 is -3"),
        (lambda: counts_per_million(np.array([[1, 2]]), np.ones(3)), r"library_size has shape \(3,\): give one number"),
        (lambda: scale_to_total(np.array([1]), 0), "total is 0: choose a number above 0"),
        (lambda: scale_to_total(np.array(1.0), 1), r"values are float64 of shape \(\): give an array of numbers"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            call()


def test_quantile_normalisation_literally() -> None:
    """The worked example that most descriptions of the method use; the tie in the second track gets the reference between two ranks."""
    values = np.array([[5, 4, 3], [2, 1, 4], [3, 4, 6], [4, 2, 8]])
    normaliser = QuantileNormaliser().fit(values)
    np.testing.assert_allclose(normaliser.reference_, [2, 3, 14 / 3, 17 / 3])
    tied = (14 / 3 + 17 / 3) / 2
    expected = np.array([[17 / 3, tied, 2], [2, 2, 3], [3, tied, 14 / 3], [14 / 3, 3, 17 / 3]])
    np.testing.assert_allclose(normaliser.transform(values), expected)


def test_unseen_bins_are_placed_between_the_reference_ranks() -> None:
    normaliser = QuantileNormaliser().fit(np.array([[0.0], [10], [20], [30]]))  # at 1/8, 3/8, 5/8, 7/8
    np.testing.assert_allclose(normaliser.transform(np.array([[-100.0], [1e6]])), [[5.0], [25.0]])  # at 1/4 and 3/4
    np.testing.assert_allclose(normaliser.transform(np.array([[7.0]])), [[15.0]])  # at 1/2
    np.testing.assert_allclose(normaliser.transform(np.arange(8.0)[:, None])[:, 0], [0, 2.5, 7.5, 12.5, 17.5, 22.5, 27.5, 30])


def test_missing_bins_are_not_ranked() -> None:
    values = np.array([[np.nan, 8], [1.0, 6], [3.0, 4], [np.nan, 2]])
    normaliser = QuantileNormaliser().fit(values)
    # The first track has 1 at 1/4 and 3 at 3/4; at 1/8, 3/8, 5/8, 7/8 it is 1, 1.5, 2.5, 3.
    np.testing.assert_allclose(normaliser.reference_, [1.5, 2.75, 4.25, 5.5])
    np.testing.assert_allclose(normaliser.transform(values), [[np.nan, 5.5], [2.125, 4.25], [4.875, 2.75], [np.nan, 1.5]])


def test_many_zeros_are_one_tie() -> None:
    normaliser = QuantileNormaliser().fit(np.array([[0.0], [0], [0], [9]]))
    assert normaliser.transform(np.array([[0.0], [0], [5], [7]])).ravel().tolist() == [0, 0, 0, 9]
    raised = QuantileNormaliser().fit(np.array([[0.0], [4], [8], [12]])).transform(np.array([[0.0], [0], [0], [7]]))
    assert raised.ravel().tolist() == [4, 4, 4, 12]


tracks_of = st.integers(1, 4).flatmap(
    lambda tracks: st.integers(2, 30).flatmap(
        lambda bins: hnp.arrays(np.float64, (bins, tracks), elements=st.integers(0, 1000), unique=True)
    )
)


@settings(max_examples=60, deadline=None)
@given(tracks_of)
def test_fitted_tracks_get_the_reference_and_keep_it(values: np.ndarray) -> None:
    normaliser = QuantileNormaliser().fit(values)
    expected = [sum(sorted(track)[rank] for track in values.T.tolist()) / values.shape[1] for rank in range(len(values))]
    np.testing.assert_allclose(normaliser.reference_, expected)
    changed = normaliser.transform(values)
    for track in range(values.shape[1]):
        np.testing.assert_allclose(np.sort(changed[:, track]), normaliser.reference_)
        assert np.array_equal(np.argsort(changed[:, track]), np.argsort(values[:, track]))
    np.testing.assert_allclose(normaliser.transform(changed), changed)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.sampled_from([0, 0, 1, 2, 5, np.nan])),
    st.lists(st.sampled_from([0.0, 1.0, 3.0, 8.0, np.nan]), min_size=1, max_size=12),
)
def test_transform_against_a_loop(training: np.ndarray, unseen: list[float]) -> None:
    assume(not np.isnan(training).all(axis=0).any() and not np.isnan(unseen).all())
    normaliser = QuantileNormaliser().fit(training)
    reference = normaliser.reference_.tolist()
    known = sorted(value for value in unseen if value == value)
    expected: list[float] = []
    for value in unseen:
        below, equal = sum(other < value for other in known), sum(other == value for other in known)
        place = (below + equal / 2) / len(known) * len(reference) - 0.5  # a position in the reference, from 0
        low = min(max(int(np.floor(place)), 0), len(reference) - 1)
        high = min(low + 1, len(reference) - 1)
        part = min(max(place - low, 0), 1)
        expected.append(reference[low] * (1 - part) + reference[high] * part if value == value else np.nan)
    changed = normaliser.transform(np.array([unseen, unseen]).T)
    np.testing.assert_allclose(changed[:, 0], expected, atol=1e-12)
    np.testing.assert_array_equal(changed[:, 0], changed[:, 1])
    np.testing.assert_allclose(normaliser.transform(changed), changed, atol=1e-12)


def test_normaliser_is_an_estimator() -> None:
    values = np.random.default_rng(0).gamma(1, size=(50, 2)).astype(np.float32)
    pipeline = make_pipeline(QuantileNormaliser(), StandardScaler()).fit(values)
    assert pipeline.transform(values).dtype == np.float32
    fresh = clone(pipeline.steps[0][1])
    with pytest.raises(InputError, match=r"^this QuantileNormaliser has no reference yet: call fit on training data first$"):
        fresh.transform(values)
    assert fresh.fit_transform(values).tolist() == fresh.transform(values).tolist()


def test_tracks_that_cannot_be_normalised() -> None:
    fitted = QuantileNormaliser().fit(np.array([[1.0, 2], [3, 4]]))
    for call, message in (
        (lambda: QuantileNormaliser().fit(np.array([[1, np.nan], [2, np.nan]])), "track 1 is NaN in all 2 bins: leave it out"),
        (lambda: fitted.transform(np.array([[np.nan, 1]])), "track 0 is NaN in all 1 bins"),
        (lambda: fitted.transform(np.ones((3, 1))), "values have 1 tracks and the normaliser was fitted on 2: give as many"),
        (lambda: QuantileNormaliser().fit(np.ones(3)), r"values have shape \(3,\): give \(bins, tracks\), a single track as"),
        (lambda: QuantileNormaliser().fit(np.ones((0, 2))), r"values have shape \(0, 2\)"),
        (lambda: fitted.transform(np.array([[np.inf, 1]])), "values hold an infinity"),
    ):
        with pytest.raises(InputError, match=f"^{message}"):
            call()
