"""Sequencing depth: fewer fragments or counts, as a shallower run would have given; scaling to one total; one distribution for all tracks.

Down-sampling makes two libraries alike in their noise, scaling only in their means. `arcsinh` is in `helpers.prepare.signal`, and scaling by
the ratio of means, for predictions, in `helpers.evaluate.resolution`.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, TransformerMixin

from helpers.errors import InputError
from helpers.prepare.tables import keep

Fragments = TypeVar("Fragments", pd.DataFrame, np.ndarray)
MOST = 10**9 - 1  # items that NumPy's hypergeometric law takes


def downsample_fragments(
    fragments: Fragments, number: int | None = None, *, share: float | None = None, rng: np.random.Generator | int
) -> Fragments:
    """Draw some of the fragments without replacement, and keep their order.

    Parameters
    ----------
    fragments : DataFrame or array, shape (fragments, ...)
        One row a fragment.
    number : int, optional
        How many to draw: that of the shallowest library, to compare libraries at one depth. Give this or `share`.
    share : float, optional
        Which share of them to draw, 0 to 1; the number is rounded, a half up.
    rng : Generator or int
        Source of randomness, or a seed for one.

    Returns
    -------
    DataFrame or array
        As given; a table is numbered anew, and `filter_counts` says how many were kept.

    Raises
    ------
    InputError
        If not exactly one of `number` and `share` is given, there are fewer fragments than asked for, or the share lies outside 0..1.
    """
    count = len(fragments)
    if (number is None) == (share is None):
        raise InputError(f"number is {number} and share is {share}: give one of the two")
    if share is not None and not 0 <= share <= 1:
        raise InputError(f"share is {share}: choose 0 to 1, because fragments are drawn without replacement")
    wanted = int(np.floor((share or 0) * count + 0.5)) if number is None else number
    if isinstance(wanted, bool) or not isinstance(wanted, (int, np.integer)) or not 0 <= wanted <= count:
        raise InputError(f"number is {wanted!r} of {count:,} fragments: choose a whole number from 0 to {count}")
    drawn = np.zeros(count, bool)
    drawn[np.random.default_rng(rng).choice(count, wanted, replace=False, shuffle=False)] = True
    return keep(fragments, drawn, "fragments drawn") if isinstance(fragments, pd.DataFrame) else fragments[drawn]


def thin_counts(counts: np.ndarray, share: float, rng: np.random.Generator | int) -> np.ndarray:
    """Keep each counted item with one probability: each count becomes a draw from Binomial(count, share).

    Poisson counts thinned so are Poisson counts of a lower rate (Kingman 1993, Poisson Processes, 5.1). Not for per-base coverage, whose
    neighbours count the same fragment: down-sample the fragments there.

    Parameters
    ----------
    counts : array, any shape
        Whole numbers, 0 or more; NaN in a float array stays.
    share : float
        Probability, 0 to 1.
    rng : Generator or int
        Source of randomness, or a seed for one.

    Returns
    -------
    array, same shape and dtype
        0 up to the count itself; the total varies from draw to draw.

    Raises
    ------
    InputError
        If a count is negative or not whole, or the share lies outside 0..1.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share is {share}: choose a probability from 0 to 1")
    whole, known = _whole(counts)
    thinned = np.array(counts)
    thinned[known] = np.random.default_rng(rng).binomial(whole[known], share)
    return thinned


def thin_to_total(counts: np.ndarray, total: int | np.ndarray, rng: np.random.Generator | int) -> np.ndarray:
    """Draw exactly so many of a track's counted items without replacement (multivariate hypergeometric law; "rarefying" in ecology).

    Parameters
    ----------
    counts : array, shape (bins,) or (..., tracks)
        Whole numbers, 0 or more; NaN in a float array stays. One axis is one track.
    total : int, or int array of shape (tracks,)
        Items to keep of each track.
    rng : Generator or int
        Source of randomness, or a seed for one.

    Returns
    -------
    array, same shape and dtype
        0 up to the count itself; each track adds up to `total`.

    Raises
    ------
    InputError
        If a count is negative or not whole, a track has fewer items than asked for, or a billion or more.
    """
    whole, _ = _whole(counts)
    thinned = np.array(counts, order="C")
    columns, into = (array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1) for array in (whole, thinned))
    wanted = np.asarray(total)
    if wanted.dtype.kind not in "iu" or wanted.shape not in ((), (columns.shape[1],)):
        raise InputError(f"total is {total!r}: give a whole number, or one for each of the {columns.shape[1]} tracks")
    generator = np.random.default_rng(rng)
    for track, number in enumerate(np.broadcast_to(wanted, columns.shape[1:]).tolist()):
        held = int(columns[:, track].sum())
        if not 0 <= number <= held:
            raise InputError(
                f"total is {number:,} and track {track} counts {held:,}: choose 0 up to that, or leave the track out"
            )
        if held > MOST:
            raise InputError(
                f"track {track} counts {held:,}, more than {MOST:,}: thin_counts it, or thin chromosome by chromosome"
            )
        drawn = generator.multivariate_hypergeometric(columns[:, track], number, method="marginals")
        known = np.isfinite(into[:, track])
        into[known, track] = drawn[known]
    return thinned


def _whole(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give counts as int64 with 0 for NaN, and which are known; or InputError."""
    values = np.asarray(counts)
    if values.dtype.kind not in "iuf" or not values.ndim:
        raise InputError(f"counts are {values.dtype} of shape {values.shape}: give an array of numbers")
    known = ~np.isnan(values)
    wrong = known & ((values < 0) | (values != np.floor(values)) | np.isinf(values))
    if wrong.any():
        raise InputError(
            f"counts hold {values[wrong][0]:g}, the first of {wrong.sum():,} that are no counts: give whole numbers from 0 on, not a scaled "
            "or averaged signal"
        )
    return np.where(known, values, 0).astype(np.int64), known


def scale_to_total(values: np.ndarray, total: float, library_size: float | np.ndarray | None = None) -> np.ndarray:
    """Multiply each track by total / library size. The means then agree; the noise of the shallower library stays what it was.

    Parameters
    ----------
    values : array, shape (bins,) or (..., tracks)
        Counts or coverage, 0 or more; NaN stays. One axis is one track.
    total : float
        What a track adds up to afterwards, above 0, if `library_size` is its sum.
    library_size : float, or array of shape (tracks,), optional
        Fragments sequenced in each library; by default the sum of each track without NaN.

    Returns
    -------
    array, same shape
        In the floating type of `values`, or float64.

    Raises
    ------
    InputError
        If a value is negative or infinite, or a total or library size is not above 0, as that of a track without any count.
    """
    data = _floats(values)
    if not 0 < total < np.inf:
        raise InputError(f"total is {total}: choose a number above 0")
    tracks = data.shape[-1] if data.ndim > 1 else 1
    if (data < 0).any():
        raise InputError(f"values hold {data[data < 0][0]:g}: counts and coverage are 0 or more, so scale before any transform")
    sums = np.nansum(data.reshape(-1, tracks), axis=0, dtype=np.float64)
    size = np.asarray(sums if library_size is None else library_size, np.float64)
    if size.shape not in ((), (tracks,)):
        raise InputError(f"library_size has shape {size.shape}: give one number, or one for each of the {tracks} tracks")
    size = np.broadcast_to(size, (tracks,))
    wrong = np.flatnonzero(~((size > 0) & (size < np.inf)))
    if len(wrong):
        raise InputError(
            f"the library size of track {wrong[0]} is {size[wrong[0]]:g}: it is above 0, so leave an empty track out"
        )
    return (data * (total / size if data.ndim > 1 else total / size[0])).astype(data.dtype)


def counts_per_million(counts: np.ndarray, library_size: float | np.ndarray | None = None) -> np.ndarray:
    """Scale counts to CPM: count / library size * 1e6, per track (as edgeR's `cpm`; Robinson et al. 2010); all else as `scale_to_total`."""
    return scale_to_total(counts, 1e6, library_size)


def _floats(values: np.ndarray) -> np.ndarray:
    """Values as a float array of at least one axis and without infinities, or InputError."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" or not array.ndim:
        raise InputError(f"values are {array.dtype} of shape {array.shape}: give an array of numbers, tracks along the last axis")
    if np.isinf(array).any():
        raise InputError("values hold an infinity: set it to NaN, or cap it, first")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


class QuantileNormaliser(TransformerMixin, BaseEstimator):
    """Give every track the distribution that the training tracks have on average (Bolstad et al. 2003, doi:10.1093/bioinformatics/19.2.185).

    `fit` sorts each training track and averages over tracks rank by rank: the reference. `transform` replaces a value by the reference at
    the value's rank among the bins *of its own track*, at (rank - 1/2) / bins. Nothing of the data transformed enters the reference, but a
    whole track must be given at once: a track cut into batches gives another result. Ties take the reference at their mean rank (as limma
    with `ties=TRUE`), so a track with far more zeros than the reference can have them raised above 0. NaN stays and is not ranked.

    scikit-learn's `QuantileTransformer` is another thing: it sends each feature on its own to a uniform or normal law, and looks new values
    up in the training distribution of that feature, so that a track which is shifted as a whole stays shifted.

    Attributes
    ----------
    reference_ : float64 array, shape (bins of the training data,)
        Quantiles at (1/2, 3/2, ...) / bins, ascending.
    n_features_in_ : int
        Tracks.
    """

    def fit(self, values: np.ndarray, y: object = None) -> QuantileNormaliser:  # noqa: ARG002
        """Learn the reference.

        Parameters
        ----------
        values : array, shape (bins, tracks)
            Training data only. A track with NaN is stretched over the ranks of a whole one.
        y : object
            Not looked at.

        Returns
        -------
        QuantileNormaliser
            Itself.

        Raises
        ------
        InputError
            If the shape is another, a value is infinite, or a track is NaN throughout.
        """
        data = self._checked(values)
        grid = _midpoints(len(data))
        total = np.zeros(len(data))
        for track in data.T:
            known = np.sort(track[~np.isnan(track)]).astype(np.float64)
            total += np.interp(grid, _midpoints(len(known)), known)
        self.reference_ = total / data.shape[1]
        self.n_features_in_ = data.shape[1]
        return self

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Bring tracks to the reference.

        Parameters
        ----------
        values : array, shape (bins, tracks)
            As many tracks as in `fit`, whole; any number of bins.

        Returns
        -------
        array, same shape
            In the floating type of `values`, or float64.

        Raises
        ------
        InputError
            If nothing was fitted, the number of tracks is another, or as in `fit`.
        """
        if not hasattr(self, "reference_"):
            raise InputError("this QuantileNormaliser has no reference yet: call fit on training data first")
        data = self._checked(values)
        if data.shape[1] != self.n_features_in_:
            raise InputError(
                f"values have {data.shape[1]} tracks and the normaliser was fitted on {self.n_features_in_}: give as many"
            )
        grid, changed = _midpoints(len(self.reference_)), data.copy()
        for track in range(data.shape[1]):
            known = ~np.isnan(data[:, track])
            ranks = rankdata(data[known, track])
            changed[known, track] = np.interp((ranks - 0.5) / len(ranks), grid, self.reference_)
        return changed

    @staticmethod
    def _checked(values: np.ndarray) -> np.ndarray:
        """Values as floats (bins, tracks), each track with a number in it; or InputError."""
        data = _floats(values)
        if data.ndim != 2 or not data.size:
            raise InputError(f"values have shape {data.shape}: give (bins, tracks), a single track as values[:, None]")
        empty = np.flatnonzero(np.isnan(data).all(axis=0))
        if len(empty):
            raise InputError(f"track {empty[0]} is NaN in all {len(data):,} bins: leave it out")
        return data


def _midpoints(count: int) -> np.ndarray:
    """Positions of so many ranks between 0 and 1: (1/2, 3/2, ...) / count (Hazen 1914)."""
    return (np.arange(count) + 0.5) / count
