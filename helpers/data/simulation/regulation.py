"""Elements and what they do: the grammar that places motif instances, and the log rate that the sequence then gives each cell type."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.simulation.genome import FLANK, WINDOW, instance_windows
from helpers.data.simulation.layout import Layout, mark_around, rows_of
from helpers.data.simulation.motifs import LINEAGE, MOTIF_NAMES, MOTIFS, factor_activity, occupancy
from helpers.data.simulation.settings import SimulationSettings, stage_rng

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

WIDTHS = np.array([motif.width for motif in MOTIFS])
STRENGTHS = np.array([motif.strength for motif in MOTIFS])
AP1 = MOTIF_NAMES.index("AP1")
DECOYS = np.array([index for index, motif in enumerate(MOTIFS) if motif.is_decoy])
MARGIN = 20
"""Bases from an element's first and last motif instance to its ends."""

#: Probability of each factor in a slot of an element, by role. `main` and `partner` are two lineage factors drawn per enhancer.
_SLOTS = {
    "housekeeping": {"SP1": 0.40, "ETS": 0.35, "NRF1": 0.25},
    "insulator": {"CTCF": 0.1, "AP1": 0.15, "ETS": 0.35, "SP1": 0.4},
    "enhancer": {"main": 0.5, "AP1": 0.15, "partner": 0.2, "ETS": 0.15},
}


def activities(settings: SimulationSettings) -> Floats:
    """Factor activity in each cell type, shape (cell types, motifs)."""
    rows = [factor_activity(number if settings.cell_type_differences else 0) for number in range(settings.n_cell_types)]
    return np.array(rows)


def plan_instances(settings: SimulationSettings, elements: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Place 3 to 6 motif instances in each enhancer and 4 to 6 in the others.

    Returns
    -------
    DataFrame
        element (row), motif (number), start (global), strand (1 or -1), in order of element and start.
    """
    rng = stage_rng(seed, "grammar")
    count = rng.integers(np.where(elements["role"] == "enhancer", 3, 4), 6, endpoint=True)
    motif, strand = _slots(elements, rng)
    gaps = rng.integers(int(settings.spacing[0]), int(settings.spacing[1]), endpoint=True, size=motif.shape)
    _plant_pairs(motif, gaps, elements, count, settings, rng)
    motif, strand, gaps, count = _add_decoys(motif, strand, gaps, count, settings, rng)
    slot = np.arange(motif.shape[1])
    used = slot < count[:, None]
    width = np.where(used, WIDTHS[motif], 0)
    step = width + np.where(slot < count[:, None] - 1, gaps, 0)
    left = elements["centre"].to_numpy()[:, None] - step.sum(axis=1, keepdims=True) // 2 + np.cumsum(step, axis=1) - step
    row = np.broadcast_to(np.arange(len(elements))[:, None], motif.shape)
    return pd.DataFrame({"element": row[used], "motif": motif[used], "start": left[used], "strand": strand[used]})


def _slots(elements: pd.DataFrame, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw motif and strand of every slot, shape (elements, 6), by role; boundaries start with two CTCF sites that point away from each other."""
    n_elements = len(elements)
    main = rng.integers(len(LINEAGE), size=n_elements)
    partner = (main + rng.integers(1, len(LINEAGE), size=n_elements)) % len(LINEAGE)
    lineage = np.array([MOTIF_NAMES.index(name) for name in LINEAGE])
    drawn = {"main": lineage[main], "partner": lineage[partner]}
    tissue = rng.random(n_elements) > 0.7
    role = elements["role"].to_numpy(dtype=object)
    kind = np.where(
        role == "promoter", np.where(tissue, "enhancer", "housekeeping"), np.where(role == "boundary", "insulator", role)
    )
    draw = rng.random((n_elements, 6))
    motif = np.zeros((n_elements, 6), dtype=np.int64)
    for name, shares in _SLOTS.items():
        chosen = np.searchsorted(np.cumsum(list(shares.values()))[:-1], draw, side="right")
        table = np.stack(
            [drawn[word] if word in drawn else np.full(n_elements, MOTIF_NAMES.index(word)) for word in shares], axis=1
        )
        motif = np.where((kind == name)[:, None], np.take_along_axis(table, chosen, axis=1), motif)
    strand = rng.choice(np.array([1, -1]), motif.shape)
    ctcf = MOTIF_NAMES.index("CTCF")
    motif[kind == "insulator", 0] = ctcf
    boundary = role == "boundary"
    motif[boundary, 1] = ctcf
    strand[boundary, 0], strand[boundary, 1] = -1, 1
    return motif, strand


def _plant_pairs(
    motif: NDArray[np.int64], gaps: NDArray[np.int64], elements: pd.DataFrame, count: NDArray[np.int64],
    settings: SimulationSettings, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Put two neighbouring AP-1 sites in a share of the enhancers, in place: half of the pairs close enough to cooperate, half too far apart."""
    rows = np.flatnonzero((elements["role"] == "enhancer").to_numpy() & (rng.random(len(elements)) < settings.pair_share))
    first = (rng.random(len(rows)) * (count[rows] - 1)).astype(np.int64)
    motif[rows, first] = motif[rows, first + 1] = AP1
    low, high = (int(value) for value in settings.cooperative_gap)
    close = rng.integers(low, high, endpoint=True, size=len(rows))
    far = rng.integers(high + 1, max(high + 1, int(settings.spacing[1])), endpoint=True, size=len(rows))
    gaps[rows, first] = np.where(rng.random(len(rows)) < 0.5, close, far)


def _add_decoys(
    motif: NDArray[np.int64], strand: NDArray[np.int64], gaps: NDArray[np.int64], count: NDArray[np.int64],
    settings: SimulationSettings, rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """With `decoys_in_elements`, append decoy slots to the elements, as many as `decoys_per_mb` asks for (at most 3 an element)."""
    if not (settings.decoys_in_elements and settings.elements_per_mb):
        return motif, strand, gaps, count
    share = min(settings.decoys_per_mb / settings.elements_per_mb, 3.0)
    extra = int(share) + (rng.random(len(motif)) < share % 1).astype(np.int64)
    more = (len(motif), 3)
    motif, strand = np.hstack([motif, np.zeros(more, np.int64)]), np.hstack([strand, rng.choice(np.array([1, -1]), more)])
    gaps = np.hstack([gaps, rng.integers(int(settings.spacing[0]), int(settings.spacing[1]), endpoint=True, size=more)])
    slot = np.arange(motif.shape[1])
    added = (slot >= count[:, None]) & (slot < (count + extra)[:, None])
    return np.where(added, rng.choice(DECOYS, motif.shape), motif), strand, gaps, count + extra


def scatter(layout: Layout, motif: NDArray[np.int64], seed: int) -> pd.DataFrame:
    """Place single motif instances at random, away from elements and from each other: columns motif, start (global), strand."""
    rng = stage_rng(seed, "scatter")
    near = mark_around(len(layout.free), layout.elements["centre"].to_numpy(), 350)
    open_places = np.flatnonzero(layout.free & ~near)
    starts = open_places[rng.integers(len(open_places), size=2 * len(motif) + 10)] if len(open_places) else np.empty(0, np.int64)
    starts = np.unique(starts)
    starts = starts[np.concatenate([[True], np.diff(starts) > WINDOW])] if len(starts) else starts
    starts = np.sort(rng.permutation(starts)[: len(motif)])
    strand = rng.choice(np.array([1, -1]), len(starts))
    return pd.DataFrame({"motif": rng.permutation(motif)[: len(starts)], "start": starts, "strand": strand})


def decoy_list(settings: SimulationSettings) -> NDArray[np.int64]:
    """List the decoy motifs to scatter, half of each; none where they lie in elements."""
    wanted = 0 if settings.decoys_in_elements else round(settings.decoys_per_mb * settings.megabases)
    return np.resize(DECOYS, wanted)


def score_instances(windows: Codes, motif: NDArray[np.int64], midpoint: float) -> tuple[Floats, Floats, Floats]:
    """Score (bits), occupancy (0 to 1) and share of preferred flanking bases present (0 to 1; 0 for motifs without), from the sequence.

    `windows` is what `instance_windows` gives, shape (instances, WINDOW).
    """
    score, bound, flank = (np.zeros(len(motif)) for _ in range(3))
    for index, item in enumerate(MOTIFS):
        rows = np.flatnonzero(motif == index)
        bases = windows[rows]
        table = np.hstack([item.log_odds, np.full((item.width, 1), -10.0)])
        total = np.zeros(len(rows))
        for offset in range(item.width):
            total += table[offset][bases[:, FLANK + offset]]
        score[rows], bound[rows] = np.round(total, 6), occupancy(total, item, midpoint)
        wanted = item.left + item.right
        places = [FLANK - len(item.left) + k for k in range(len(item.left))] + [
            FLANK + item.width + k for k in range(len(item.right))
        ]
        if wanted:
            flank[rows] = np.mean(
                [bases[:, place] == "ACGT".index(base) for place, base in zip(places, wanted, strict=True)], axis=0
            )
    return score, bound, flank


def encoded_log_rates(
    instances: pd.DataFrame, windows: Codes, n_elements: int, activity: Floats, settings: SimulationSettings
) -> tuple[Floats, Floats]:
    """Log rate that the sequence gives each element: the ground truth of the simulated world.

    Every instance adds occupancy x (strength x `motif_log_effect` + flank match x `flank_log_effect`) x the factor's activity in the cell type.
    Two AP-1 sites that are neighbours in an element, with a gap within `cooperative_gap`, add
    occupancy x occupancy x `cooperativity_log_bonus` x AP-1's activity. The rate is exp of the sum: effects multiply.

    Parameters
    ----------
    instances : DataFrame
        Columns element (0 to n_elements - 1), motif, start (bp), in order of element and start.
    windows : array of uint8, shape (instances, WINDOW)
        Bases of each instance on its own strand, from `genome.instance_windows`.
    n_elements : int
        How many elements.
    activity : array, shape (cell types, motifs)
        Factor activity.
    settings : SimulationSettings
        Effects.

    Returns
    -------
    rates : array, shape (n_elements, cell types)
        Natural log of the rate, encoded part only; 0 for an element without bound instances.
    parts : array, shape (instances, cell types)
        What each instance adds on its own (pairs' bonuses are in `rates` only).
    """
    motif, element = instances["motif"].to_numpy(), instances["element"].to_numpy()
    _, bound, flank = score_instances(windows, motif, settings.occupancy_midpoint)
    effect = bound * (STRENGTHS[motif] * settings.motif_log_effect + (STRENGTHS[motif] > 0) * flank * settings.flank_log_effect)
    parts = effect[:, None] * activity[:, motif].T
    start = instances["start"].to_numpy()
    gap = start[1:] - (start[:-1] + WIDTHS[motif[:-1]])
    pair = (element[1:] == element[:-1]) & (motif[1:] == AP1) & (motif[:-1] == AP1)
    pair &= (gap >= settings.cooperative_gap[0]) & (gap <= settings.cooperative_gap[1])
    bonus = np.zeros(len(motif))
    bonus[1:][pair] = settings.cooperativity_log_bonus * bound[1:][pair] * bound[:-1][pair]
    total = parts + bonus[:, None] * activity[:, AP1]
    rates = np.stack([np.bincount(element, weights=column, minlength=n_elements) for column in total.T], axis=1)
    return np.round(rates, 9), np.round(parts, 9)


def element_table(
    settings: SimulationSettings, layout: Layout, instances: pd.DataFrame, codes: Codes, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, Floats]:
    """Complete the tables of elements and instances with what the final sequence says.

    Returns
    -------
    elements, instances : DataFrame
        With scores, locus effects and profile widths.
    log_rates : array, shape (elements, cell types)
        Natural log of the rate: encoded part, locus effect and noise.
    """
    elements, instances = _with_copies(layout, instances)
    windows = instance_windows(codes, *(instances[name].to_numpy() for name in ("start", "strand", "motif")))
    score, bound, flank = score_instances(windows, instances["motif"].to_numpy(), settings.occupancy_midpoint)
    instances = instances.assign(score=score, occupancy=bound, flank=flank)
    encoded, parts = encoded_log_rates(instances, windows, len(elements), activities(settings), settings)
    for index, letter in enumerate(settings.cell_types):
        instances[f"activity_{letter}"] = parts[:, index]
    if not settings.motif_effects:
        encoded = np.full_like(encoded, settings.unencoded_log_rate)
    n_elements = len(elements)
    locus = stage_rng(seed, "locus effects").normal(0, 1, n_elements) * settings.locus_effect_sd
    noise = [
        stage_rng(seed, "cell noise", letter).normal(0, 1, n_elements) * settings.cell_noise_sd for letter in settings.cell_types
    ]
    width = np.round(80 * np.exp(stage_rng(seed, "element widths").normal(0, 0.2, n_elements)), 3)
    elements = elements.assign(locus_effect=np.round(locus, 6), width=width)
    log_rates = np.round(encoded + locus[:, None] + np.stack(noise, axis=1), 6)
    return elements, instances, log_rates


def _with_copies(layout: Layout, instances: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add the elements and instances that segmental duplications copied (column `copy_of`: the row of the original, -1 for originals)."""
    elements = layout.elements.assign(copy_of=-1)
    all_elements, all_instances = [elements], [instances]
    number = len(elements)
    for row in rows_of(layout.duplications):
        inside = np.flatnonzero((elements["centre"] >= row.source_start) & (elements["centre"] < row.source_end))
        copied, moved = elements.iloc[inside], instances[instances["element"].isin(inside)]
        shift, flip = row.start - row.source_start, row.end - 1 + row.source_start
        if row.strand == 1:
            centre, start = copied["centre"] + shift, moved["start"] + shift
        else:
            centre, start = flip - copied["centre"], flip - (moved["start"] + WIDTHS[moved["motif"]] - 1)
        new = pd.Series(np.arange(number, number + len(inside)), index=inside)
        number += len(inside)
        all_elements.append(copied.assign(centre=centre, gene=-1, copy_of=inside))
        all_instances.append(
            moved.assign(start=start, strand=moved["strand"] * row.strand, element=new[moved["element"]].to_numpy())
        )
    elements = pd.concat(all_elements, ignore_index=True)
    instances = pd.concat(all_instances, ignore_index=True).sort_values(["element", "start"], ignore_index=True)
    span = (
        instances.assign(end=instances["start"] + WIDTHS[instances["motif"]])
        .groupby("element")
        .agg(start=("start", "min"), end=("end", "max"))
    )
    span = span.reindex(elements.index)
    elements["start"] = span["start"].fillna(elements["centre"] - 50).astype(np.int64) - MARGIN
    elements["end"] = span["end"].fillna(elements["centre"] + 50).astype(np.int64) + MARGIN
    order = np.argsort(elements["start"].to_numpy(), kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    elements = elements.iloc[order].reset_index(drop=True)
    elements["copy_of"] = np.where(elements["copy_of"] >= 0, rank[elements["copy_of"]], -1)
    instances["element"] = rank[instances["element"]]
    return elements, instances.sort_values(["element", "start"], ignore_index=True)
