"""Windows that share sequence wherever they lie: sketches of a table, partners across two tables, groups, and a split that divides none.

Whole chromosomes keep neighbours together, but a segmental duplication or a repeat puts the same sequence on two of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

import bioframe
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from helpers.errors import InputError
from helpers.files.runs import count_within
from helpers.prepare.similarity import choose_bands, duplicate_groups
from helpers.prepare.sketches import EMPTY, jaccard_estimate, sketch_regions
from helpers.prepare.splits import Split, check_disjoint, group_numbers, split_by_chromosome
from helpers.prepare.tables import COLUMNS, check_regions, keep

THRESHOLD = 0.1
"""Jaccard index from which windows count as near-duplicates: a copy that covers half of a window and differs in 5 % of its bases has 0.12."""

Policy = Literal["drop", "move"]
_COMPARED = 50_000  # pairs compared at a time
_ROW = "_row"


def sketch_table(
    regions: pd.DataFrame, codes: Mapping[str, np.ndarray], *, k: int = 16, size: int = 64, seed: int = 0
) -> np.ndarray:
    """Sketch every window of a table; see `sketches.sketch_regions`.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`; any order, any widths of at least k bp.
    codes : mapping of str to uint8 array, shape (length,)
        Chromosomes, as `PreparedData.sequence()` gives them.
    k, size, seed : int
        Letters of a word, bins of a sketch, hash function. Only sketches made with the same three can be compared.

    Returns
    -------
    uint64 array, shape (regions, size)
        Rows in the order of the table; 8 bytes a bin, so 512 MB for a million windows of 64.

    Raises
    ------
    InputError
        If a region leaves its chromosome or is shorter than k, or k or size cannot be.
    """
    check_regions(regions, {chrom: len(sequence) for chrom, sequence in codes.items()}, "regions")
    sketches = np.empty((len(regions), max(size, 0)), np.uint64)
    starts = regions["start"].to_numpy(np.int64)
    widths = regions["end"].to_numpy(np.int64) - starts
    chroms = regions["chrom"].to_numpy(object)
    for rows in regions.groupby([chroms, widths]).indices.values():
        chrom, width = chroms[rows[0]], int(widths[rows[0]])
        sketches[rows] = sketch_regions(codes[chrom], starts[rows], width, k=k, size=size, seed=seed)
    return sketches


def similar_partners(
    sketches: np.ndarray, references: np.ndarray, threshold: float = THRESHOLD, *, recall: float = 0.99, candidates: int = 64
) -> pd.DataFrame:
    """Find for each window one window of another set that shares much of its sequence, if there is any.

    Where `near_duplicate_pairs` lists pairs within one set, this asks each held-out window whether anything in training resembles it, and
    stops asking once it does. Windows that agree in a band of the sketch are compared (`similarity.choose_bands`). Where very many references
    share the band, as in a repeat family, only those are compared that also come nearest to the window in the order of the next band.

    Parameters
    ----------
    sketches, references : uint64 array, shape (windows, size)
        Of the same k, size and seed.
    threshold : float
        Least estimated Jaccard index, above 0, up to 1.
    recall : float
        Least probability that a pair at the threshold agrees in a band.
    candidates : int
        References compared with a window per band, 1 or more.

    Returns
    -------
    DataFrame
        One row for each window that has a partner: `first` (row of `sketches`, sorted), `second` (row of `references`), `similarity`.

    Raises
    ------
    InputError
        If the arrays are not sketches of one size, or `threshold`, `recall` or `candidates` is out of range.
    """
    for name, array in (("sketches", sketches), ("references", references)):
        if array.ndim != 2 or array.dtype != np.uint64 or array.shape[1] != sketches.shape[1]:
            raise InputError(f"{name} are {array.dtype} of shape {array.shape}: give two arrays of sketch_table, of one size")
    if candidates < 1:
        raise InputError(f"candidates is {candidates}: compare 1 or more")
    bands, length = choose_bands(sketches.shape[1], threshold, recall)
    partner, similarity = np.full(len(sketches), -1, np.int64), np.full(len(sketches), np.nan)
    known = np.flatnonzero((references != EMPTY).any(axis=1))
    for band in range(bands):
        unsettled = np.flatnonzero(partner < 0)
        cuts = [slice(b * length, (b + 1) * length) for b in (band, (band + 1) % bands)]
        asked, held = (
            [_band_keys(array[rows, cut]) for cut in cuts] for array, rows in ((sketches, unsettled), (references, known))
        )
        windows, others = _candidates(asked, held, candidates)
        for low in range(0, len(windows), _COMPARED):
            window, other = unsettled[windows[low : low + _COMPARED]], known[others[low : low + _COMPARED]]
            found = jaccard_estimate(sketches[window], references[other])
            order = np.flatnonzero(found >= threshold)
            order = order[np.argsort(found[order], kind="stable")]  # the last one written is the most similar
            partner[window[order]], similarity[window[order]] = other[order], found[order]
    first = np.flatnonzero(partner >= 0)
    return pd.DataFrame({"first": first, "second": partner[first], "similarity": similarity[first]})


def _candidates(asked: Sequence[np.ndarray], held: Sequence[np.ndarray], most: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of rows, asked and held, that agree in their first key, nearest in the order of the second, at most so many a row asked.

    Keys are given as two arrays each, shape (rows,): those of a band, and of the band after it.
    """
    common = asked[0] != EMPTY  # a band without any k-mer tells nothing
    common &= pd.Index(asked[0]).isin(held[0])  # few are: all that follows is about these
    rows = np.flatnonzero(common)
    places = np.flatnonzero(pd.Index(held[0]).isin(asked[0][rows]))
    count = len(rows)
    first, second = (
        np.unique(np.concatenate([one[rows], two[places]]), return_inverse=True)[1].astype(np.int64)
        for one, two in zip(asked, held, strict=True)
    )
    base = len(first) + 1
    spot = first * base + second
    order = np.argsort(spot[count:], kind="stable")
    spots = spot[count:][order]
    low, high = (np.searchsorted(spots, (first[:count] + step) * base) for step in (0, 1))
    taken = np.minimum(high - low, most)
    start = np.clip(np.searchsorted(spots, spot[:count]) - taken // 2, low, high - taken)
    return np.repeat(rows, taken), places[order[np.repeat(start, taken) + count_within(taken)]]


def _band_keys(part: np.ndarray) -> np.ndarray:
    """One number per window for some bins of its sketch; `EMPTY` where all of them are."""
    keys = part[:, 0].copy()
    for column in part.T[1:]:
        keys = keys * np.uint64(0x9E3779B97F4A7C15) + column
    keys[(part == EMPTY).all(axis=1)] = EMPTY
    return keys


def homology_groups(
    regions: pd.DataFrame,
    sketches: np.ndarray,
    threshold: float = THRESHOLD,
    *,
    overlapping: bool = True,
    recall: float = 0.99,
    max_bucket: int = 32,
) -> np.ndarray:
    """Group windows that near-duplicate sequence connects, directly or through others, and those that share a base.

    Windows that overlap along a whole chromosome are all one group, so tile without overlap where groups are to be smaller than chromosomes.

    Parameters
    ----------
    regions : DataFrame
        Columns `chrom`, `start`, `end`.
    sketches : uint64 array, shape (regions, size)
        From `sketch_table`.
    threshold, recall, max_bucket
        As in `similarity.duplicate_groups`. The lower the threshold, the larger the groups: `expected_jaccard` says what a copy will have.
    overlapping : bool
        Whether windows that share a base are in one group whatever their sketches say.

    Returns
    -------
    int64 array, shape (regions,)
        Label of each window's group, numbered from 0 by first window; for `split_by_homology` and `splits.grouped_folds`.

    Raises
    ------
    InputError
        If there is not one sketch for each region, or as `duplicate_groups`.
    """
    _check_count(sketches, regions)
    labels = duplicate_groups(sketches, threshold, recall=recall, max_bucket=max_bucket)
    if not overlapping or not len(regions):
        return labels
    touching = bioframe.cluster(regions[COLUMNS].reset_index(drop=True), min_dist=None)["cluster"].to_numpy(np.int64)
    _, first, number = np.unique(touching, return_index=True, return_inverse=True)
    return _joined(labels, np.arange(len(labels)), first[number])


def split_by_homology(
    regions: pd.DataFrame,
    groups: Sequence[object] | np.ndarray,
    validation: Collection[str],
    test: Collection[str],
    train: Collection[str] | None = None,
    *,
    policy: Policy = "drop",
    sketches: np.ndarray | None = None,
    threshold: float = THRESHOLD,
) -> Split:
    """Split by chromosome, then give each group to one part: to test if it has a window there, else to validation if it has one there.

    Parameters
    ----------
    regions, validation, test, train
        As in `splits.split_by_chromosome`.
    groups : sequence, shape (regions,)
        From `homology_groups`, or any other labels of what must stay together, such as duplication families.
    policy : {"drop", "move"}
        What becomes of a window whose group belongs to a stricter part. "drop" leaves it out: the test part is then that of the chromosome
        split, window for window, and scores on it can be compared. "move" puts it there: nothing is lost, but parts share chromosomes.
    sketches : uint64 array, shape (regions, size), optional
        From `sketch_table`, to ask each window once more whether a laxer part holds a similar one (`similar_partners`). Groups whose windows
        are found alike are joined, until none is: a great repeat family is not compared all with all, and can be in several groups.
    threshold : float
        Least Jaccard index, with `sketches`.

    Returns
    -------
    Split
        `filter_counts` of a part says how many windows it kept.

    Raises
    ------
    InputError
        As `split_by_chromosome`; if nothing is left of a part; or if a window that was moved overlaps one that was not (`homology_groups` keeps
        such windows together).
    """
    if policy not in get_args(Policy):
        raise InputError(f"policy is {policy!r}: choose drop or move")
    _check_count(sketches, regions)
    numbers = group_numbers(groups, len(regions))
    base = split_by_chromosome(regions.assign(**{_ROW: np.arange(len(regions))}), validation, test, train)
    rows = {part: table[_ROW].to_numpy() for part, table in base.parts.items()}
    chosen = _owned(numbers, rows, move=policy == "move")
    _refuse_empty(chosen, rows, numbers)
    while sketches is not None:
        one, two = _links(chosen, sketches, threshold)
        if not len(one):
            break
        numbers = _joined(numbers, one, two)
        chosen = _owned(numbers, rows, move=policy == "move")
        _refuse_empty(chosen, rows, numbers)
    made = {}
    for part, table in base.parts.items():
        if policy == "move":
            made[part] = keep(regions, np.isin(np.arange(len(regions)), chosen[part]), f"groups of the {part} part")
        else:
            own = np.isin(rows[part], chosen[part])
            made[part] = keep(table.drop(columns=_ROW), own, f"{part} windows in no group of a stricter part")
    check_disjoint(made, chromosomes=policy == "drop")
    return Split(**made)


def _owned(numbers: np.ndarray, rows: Mapping[str, np.ndarray], *, move: bool) -> dict[str, np.ndarray]:
    """Rows of each part that its groups let it have: those it had, or all that were in any part."""
    owner = np.full(int(numbers.max()) + 1, "", object)
    for part in rows:  # the last, strictest part has the last word
        owner[numbers[rows[part]]] = part
    everything = np.sort(np.concatenate(list(rows.values())))
    asked = {part: everything if move else own for part, own in rows.items()}
    return {part: places[owner[numbers[places]] == part] for part, places in asked.items()}


def _links(chosen: Mapping[str, np.ndarray], sketches: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of windows, and for each that of a similar one in another part: every lax window is asked, then every strict one."""
    one, two = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for lax, strict in itertools.combinations(chosen.values(), 2):
        for asked, others in ((lax, strict), (strict, lax)):
            found = similar_partners(sketches[asked], sketches[others], threshold)
            one.append(asked[found["first"]])
            two.append(others[found["second"]])
    return np.concatenate(one), np.concatenate(two)


def _refuse_empty(chosen: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray], numbers: np.ndarray) -> None:
    """Raise where a part has no window left."""
    for part, left in chosen.items():
        if not len(left):
            raise InputError(
                f"the {part} part is empty: all its {len(rows[part]):,} windows are in groups of a stricter part, and the largest group has "
                f"{np.bincount(numbers).max():,} of {len(numbers):,} windows: raise the threshold, or hold out other chromosomes"
            )


def _check_count(sketches: np.ndarray | None, regions: pd.DataFrame) -> None:
    """Raise unless there is one sketch for each region, or none at all."""
    if sketches is not None and np.shape(sketches)[:1] != (len(regions),):
        raise InputError(f"sketches have shape {np.shape(sketches)}: give one for each of the {len(regions):,} regions")


def _joined(labels: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Join the groups of paired rows, and number all groups from 0 by first row."""
    size = int(labels.max()) + 1
    edges = coo_array((np.ones(len(one), np.int8), (labels[one], labels[two])), shape=(size, size))
    return pd.factorize(connected_components(edges, directed=False)[1][labels])[0].astype(np.int64)
