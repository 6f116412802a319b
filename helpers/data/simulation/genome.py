"""The sequence: composition, repeats, planted motif instances, segmental duplications, gaps; and what is computed from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.simulation.layout import Layout, gc_per_base, mark, rows_of
from helpers.data.simulation.motifs import FLANK, MAX_WIDTH, MOTIFS, draw_instances
from helpers.data.simulation.settings import SimulationSettings, stage_rng
from helpers.files.runs import count_within

Codes = NDArray[np.uint8]
COMPLEMENT = np.array([3, 2, 1, 0, 4], dtype=np.uint8)
WINDOW = MAX_WIDTH + 2 * FLANK
"""Bases kept for one motif instance: the flank, the widest matrix, the flank."""


@dataclass(frozen=True)
class RepeatFamily:
    """A family of interspersed repeats: one consensus, many diverged copies."""

    name: str
    length: int
    """Length of the consensus, bp."""
    share: float
    """Share of the setting `repeat_share`."""
    gc: float
    """GC fraction of the consensus."""
    gc_preference: float
    """Copies land where GC is high (positive) or low (negative): natural log of the density per unit of GC fraction."""
    fragment: float
    """Mean length of a copy, bp; copies keep the 3' end, as LINEs do."""


FAMILIES: tuple[RepeatFamily, ...] = (
    RepeatFamily("LINE1", 6_000, 0.30, 0.42, -8.0, 900.0),
    RepeatFamily("LINE2", 3_300, 0.14, 0.43, -4.0, 300.0),
    RepeatFamily("LTR1", 450, 0.08, 0.46, 0.0, 450.0),
    RepeatFamily("LTR2", 600, 0.08, 0.45, 0.0, 600.0),
    RepeatFamily("SINE1", 300, 0.20, 0.58, 8.0, 300.0),
    RepeatFamily("SINE2", 300, 0.14, 0.56, 8.0, 300.0),
    RepeatFamily("SINE3", 280, 0.06, 0.55, 6.0, 280.0),
)


def base_sequence(settings: SimulationSettings, layout: Layout, seed: int) -> tuple[Codes, pd.DataFrame]:
    """Random sequence with isochores, CpG islands, repeats and CpG depletion, shape (genome length,); and the table of repeats.

    Depletion is deamination: C of a CpG becomes T, or G becomes A. With a GC fraction u before it, each of u^2/4 CpGs lost costs one G or C;
    solving for u gives GC g and observed/expected r after it: u = 2 - sqrt(4 - 4 g + r g^2). It comes after the repeats, whose CpGs decay too.
    """
    gc, ratio = _target(settings, layout, seed)
    before = 2 - np.sqrt(4 - 4 * gc + ratio * gc**2)
    draw = stage_rng(seed, "bases").random(len(gc), dtype=np.float32)
    codes = (draw >= (1 - before) / 2).astype(np.uint8)
    codes += draw >= 0.5
    codes += draw >= 0.5 + before / 2
    repeats = insert_repeats(codes, settings, layout, seed)
    rng = stage_rng(seed, "deamination")
    sites = np.flatnonzero((codes[:-1] == 1) & (codes[1:] == 2))
    lost = 4 * (before[sites] - gc[sites]) / before[sites] ** 2
    hit = sites[rng.random(len(sites)) < lost]
    first = rng.random(len(hit)) < 0.5
    codes[hit[first]] = 3
    codes[hit[~first] + 1] = 0
    return codes, repeats


def _target(settings: SimulationSettings, layout: Layout, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """GC fraction and CpG observed/expected wanted at every base."""
    total, gc = settings.genome_length, gc_per_base(layout.isochores)
    local = stage_rng(seed, "local gc").normal(0, 1, -(-total // 2_000)) * settings.local_gc_sd
    gc += np.repeat(local.astype(np.float32), 2_000)[:total]
    np.clip(gc, 0.2, 0.75, out=gc)
    ratio = np.full(total, settings.cpg_ratio, np.float32)
    inside = mark(total, layout.islands)
    gc[inside], ratio[inside] = settings.island_gc, settings.island_cpg_ratio
    return gc, ratio


def insert_repeats(codes: Codes, settings: SimulationSettings, layout: Layout, seed: int) -> pd.DataFrame:
    """Write diverged copies of the repeat families over the sequence, in place; later families may interrupt earlier ones.

    Returns
    -------
    DataFrame
        start, end (global), name, strand, divergence (share of bases that differ from the consensus, drawn), in order of start.
    """
    total, tables = len(codes), []
    gc = gc_per_base(layout.isochores)
    closed = counts_before(mark(total, layout.gaps) | mark(total, layout.islands))
    for family in FAMILIES if settings.repeat_share else ():
        rng = stage_rng(seed, "repeats", family.name)
        consensus = _consensus(family, rng)
        wanted = settings.repeat_share * family.share * total
        starts, sizes = _places(family, wanted, gc, closed, rng, settings.chromosome_length)
        strand = rng.choice(np.array([1, -1]), len(starts))
        divergence = rng.uniform(*settings.repeat_divergence, len(starts))
        _write_copies(codes, consensus, starts, sizes, strand, divergence, rng)
        columns = {
            "start": starts,
            "end": starts + sizes,
            "name": family.name,
            "strand": strand,
            "divergence": np.round(divergence, 4),
        }
        tables.append(pd.DataFrame(columns))
    if not tables:
        return pd.DataFrame({"start": [], "end": [], "name": [], "strand": [], "divergence": []}).astype(
            {"start": int, "end": int, "strand": int}
        )
    return pd.concat(tables).sort_values("start", ignore_index=True, kind="stable")


def _consensus(family: RepeatFamily, rng: np.random.Generator) -> Codes:
    """Consensus of a family, with a poly-A tail as SINEs and LINEs have."""
    half = family.gc / 2
    codes = rng.choice(4, family.length, p=[0.5 - half, half, half, 0.5 - half]).astype(np.uint8)
    if not family.name.startswith("LTR"):
        codes[-20:] = 0
    return codes


def _places(
    family: RepeatFamily, wanted: float, gc: NDArray[np.float32], closed: NDArray[np.int32], rng: np.random.Generator, length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose starts and sizes of a family's copies: outside gaps and islands, without overlap within the family."""
    whole = family.fragment >= family.length
    starts = sizes = np.empty(0, np.int64)
    for _ in range(30):
        batch = max(int(2 * wanted / family.fragment), 10)
        new = rng.integers(len(gc), size=batch)
        size = (
            np.full(batch, family.length)
            if whole
            else np.clip(rng.exponential(family.fragment, batch), 80, family.length).astype(np.int64)
        )
        likely = np.exp(family.gc_preference * (gc[new] - (0.52 if family.gc_preference > 0 else 0.36)))
        last = np.minimum(new + size, len(gc))
        fine = (rng.random(batch) < likely) & (new // length == (new + size) // length) & (closed[last] == closed[new])
        starts, sizes = np.concatenate([starts, new[fine]]), np.concatenate([sizes, size[fine]])
        order = np.argsort(starts, kind="stable")
        starts, sizes = starts[order], sizes[order]
        reached = np.concatenate([[0], np.maximum.accumulate(starts + sizes)[:-1]])
        keep = starts >= reached
        starts, sizes = starts[keep], sizes[keep]
        if sizes.sum() >= wanted:
            break
    chosen = rng.permutation(len(starts))
    chosen = np.sort(chosen[: int(np.searchsorted(np.cumsum(sizes[chosen]), wanted)) + 1])
    return starts[chosen], sizes[chosen]


def _write_copies(
    codes: Codes, consensus: Codes, starts: NDArray[np.int64], sizes: NDArray[np.int64], strand: NDArray[np.int64],
    divergence: NDArray[np.float64], rng: np.random.Generator,
) -> None:  # fmt: skip
    """Write copies that keep the consensus' 3' end, substituted at their divergence."""
    copy = np.repeat(np.arange(len(starts)), sizes)
    offset = count_within(sizes)
    from_end = np.where(strand[copy] == 1, sizes[copy] - 1 - offset, offset)
    bases = consensus[len(consensus) - 1 - from_end]
    bases = substitute(bases, divergence[copy], rng)
    codes[starts[copy] + offset] = np.where(strand[copy] == 1, bases, COMPLEMENT[bases])


def substitute(bases: Codes, rate: NDArray[np.float64] | float, rng: np.random.Generator) -> Codes:
    """Change each base with probability `rate` to one of the three others (Jukes and Cantor 1969)."""
    changed = rng.random(len(bases)) < rate
    shift = rng.integers(1, 4, size=len(bases), dtype=np.uint8)
    return np.where(changed & (bases < 4), (bases + shift) % 4, bases).astype(np.uint8)


def plant(codes: Codes, instances: pd.DataFrame, flank_share: float, seed: int, stage: str) -> None:
    """Write motif instances (columns motif, start (global), strand) into the sequence, in place, each drawn from its matrix."""
    for index, motif in enumerate(MOTIFS):
        rows = instances[instances["motif"] == index]
        rng = stage_rng(seed, stage, motif.name)
        drawn = draw_instances(motif, len(rows), rng)
        offsets = np.arange(motif.width)
        if motif.left or motif.right:
            preferred = np.array(["ACGT".index(base) for base in motif.left + motif.right], dtype=np.uint8)
            offsets = np.concatenate([np.arange(-len(motif.left), 0), motif.width + np.arange(len(motif.right)), offsets])
            random = rng.integers(4, size=(len(rows), len(preferred)), dtype=np.uint8)
            kept = rng.random((len(rows), len(preferred))) < flank_share
            drawn = np.concatenate([np.where(kept, preferred, random), drawn], axis=1)
        start, forward = rows["start"].to_numpy()[:, None], (rows["strand"] == 1).to_numpy()[:, None]
        places = np.where(forward, start + offsets, start + motif.width - 1 - offsets)
        codes[places] = np.where(forward, drawn, COMPLEMENT[drawn])


def copy_segments(codes: Codes, duplications: pd.DataFrame, seed: int) -> None:
    """Write the segmental duplications over their targets, in place, inverted where the strand is -1, with substitutions."""
    rng = stage_rng(seed, "duplication divergence")
    for row in rows_of(duplications):
        segment = substitute(codes[row.source_start : row.source_end], row.divergence, rng)
        codes[row.start : row.end] = segment if row.strand == 1 else COMPLEMENT[segment[::-1]]


def instance_windows(codes: Codes, start: NDArray[np.int64], strand: NDArray[np.int64], motif: NDArray[np.int64]) -> Codes:
    """Bases of motif instances read 5' to 3' of their own strand, shape (instances, WINDOW): FLANK bases, the instance, then what follows."""
    width = np.array([item.width for item in MOTIFS])[motif]
    offsets = np.arange(-FLANK, WINDOW - FLANK)
    forward = (strand == 1)[:, None]
    places = np.where(forward, start[:, None] + offsets, (start + width - 1)[:, None] - offsets)
    bases = codes[np.clip(places, 0, len(codes) - 1)]
    return np.where(forward, bases, COMPLEMENT[bases])


def counts_before(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """How many True stand before each place, shape (length + 1,)."""
    counts = np.zeros(len(mask) + 1, np.int32)
    np.cumsum(mask, dtype=np.int32, out=counts[1:])
    return counts


def gc_of_windows(codes: Codes, resolution: int, window: int = 150) -> NDArray[np.float64]:
    """GC fraction of the known bases in the `window` bp around each bin's middle, shape (bins,); 0.42 where no base is known."""
    strong, known = counts_before((codes == 1) | (codes == 2)), counts_before(codes < 4)
    middle = np.arange(0, len(codes), resolution) + resolution // 2
    low, high = np.clip(middle - window // 2, 0, len(codes)), np.clip(middle + window // 2, 0, len(codes))
    count = known[high] - known[low]
    return np.where(count > 0, (strong[high] - strong[low]) / np.maximum(count, 1), 0.42)


def mappability(codes: Codes, candidates: NDArray[np.bool_], read_length: int, resolution: int) -> NDArray[np.float64]:
    """Share of the positions of each bin at which a read occurs once in the genome, on either strand, shape (bins,).

    Parameters
    ----------
    codes : array of uint8, shape (length,)
        The whole genome.
    candidates : array of bool, shape (length,)
        Where repeated sequence can lie (repeats, duplications and their sources): elsewhere a read this long is unique by chance.
    read_length, resolution : int
        bp.

    Notes
    -----
    Exact up to hash collisions of 64 bits: windows are compared through a rolling polynomial hash, the smaller of both strands.
    """
    # Only candidate windows matter: leave out the bases that none of them holds.
    before = counts_before(candidates)
    place = np.flatnonzero(before[1:] - before[np.maximum(np.arange(len(codes)) - read_length + 1, 0)])
    kept = codes[place]
    window_start = np.arange(max(len(place) - read_length + 1, 0))
    whole = place[window_start + read_length - 1] == place[window_start] + read_length - 1
    known = counts_before(kept == 4)
    start = window_start[whole & candidates[place[window_start]] & (known[window_start + read_length] == known[window_start])]
    repeated = start[_seen_twice(_window_hashes(kept, start, read_length))]
    lost = np.bincount(place[repeated] // resolution, minlength=len(codes) // resolution)
    return 1 - lost / resolution


def _window_hashes(codes: Codes, start: NDArray[np.int64], width: int) -> NDArray[np.uint64]:
    """Hash of the windows of some bp that begin at each start: the smaller of both strands'."""
    values = np.append(np.random.SeedSequence(7).generate_state(4, np.uint64), np.uint64(0))
    factor = 0x9E3779B97F4A7C15
    powers, inverses = _powers(factor, max(len(codes), width)), _powers(pow(factor, -1, 1 << 64), len(codes))
    forward, backward = _sums_before(values[codes] * powers[: len(codes)]), _sums_before(values[COMPLEMENT[codes]] * inverses)
    ahead = (forward[start + width] - forward[start]) * inverses[start]
    back = (backward[start + width] - backward[start]) * powers[start] * powers[width - 1]
    return np.minimum(ahead, back)


def _seen_twice(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Mask of the values that occur more than once."""
    ordered = np.sort(values)
    double = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    # Most values share not even their last bits with one that occurs twice.
    bits = np.uint64((1 << 22) - 1)
    likely = np.zeros(1 << 22, bool)
    likely[double & bits] = True
    seen = likely[values & bits]
    seen[seen] = np.isin(values[seen], double)
    return seen


def _sums_before(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sum modulo 2 ** 64 of what stands before each place, shape (length + 1,)."""
    sums = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=sums[1:])
    return sums


def _powers(factor: int, count: int) -> NDArray[np.uint64]:
    """Powers 0, 1, ..., count - 1 of a factor, modulo 2 ** 64."""
    steps = np.full(count, factor, dtype=np.uint64)
    steps[:1] = 1
    return np.cumprod(steps, dtype=np.uint64)
