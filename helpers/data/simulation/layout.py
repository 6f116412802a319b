"""Where things lie: gaps, isochores, duplications, domains, genes, elements, islands, artefacts. No sequence yet.

Places are global coordinates (chromosome number x chromosome length + position), so that one array operation serves all chromosomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.simulation.settings import SimulationSettings, stage_rng

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Half of the room an element takes, and the least distance between two element centres, bp.
HALF_ELEMENT = 300
LEAST_DISTANCE = 600
#: Share of promoters in a CpG island (Saxonov 2006: 72 %), and of other housekeeping elements.
PROMOTER_ISLANDS = 0.7
OTHER_ISLANDS = 0.5
#: An element lies this far upstream of the transcription start site that it serves, bp.
PROMOTER_OFFSET = 60


@dataclass
class Layout:
    """Tables of places in global coordinates; `free` marks the bases where an element's centre may lie."""

    gaps: pd.DataFrame
    isochores: pd.DataFrame
    duplications: pd.DataFrame
    domains: pd.DataFrame
    genes: pd.DataFrame
    elements: pd.DataFrame
    islands: pd.DataFrame
    artefacts: pd.DataFrame
    free: Mask


def make_layout(settings: SimulationSettings, seed: int) -> Layout:
    """Place everything for a seed."""
    gaps = _gaps(settings, stage_rng(seed, "gaps"))
    isochores = _isochores(settings, stage_rng(seed, "isochores"))
    duplications = _duplications(settings, gaps, stage_rng(seed, "duplications"))
    free = _free_for_elements(settings, gaps, duplications)
    gc = gc_per_base(isochores)
    domains = _domains(settings, free, stage_rng(seed, "domains"))
    genes = _genes(settings, free, gaps, domains, gc, stage_rng(seed, "genes"))
    elements = _elements(settings, free, gc, domains, genes, stage_rng(seed, "elements"))
    islands = _islands(settings, elements, stage_rng(seed, "islands"))
    artefacts = _artefacts(settings, elements, gaps, stage_rng(seed, "artefacts"))
    return Layout(gaps, isochores, duplications, domains, genes, elements, islands, artefacts, free)


def _gaps(settings: SimulationSettings, rng: np.random.Generator) -> pd.DataFrame:
    """Place runs of N: both chromosome ends, and some inside."""
    length, telomere = settings.chromosome_length, settings.telomere_gap
    smallest, largest = settings.internal_gap_length
    rows: list[tuple[int, int, str]] = []
    for number in range(settings.n_chromosomes):
        start = number * length
        if telomere:
            rows += [(start, start + telomere, "telomere"), (start + length - telomere, start + length, "telomere")]
        sizes = rng.integers(int(smallest), int(largest), endpoint=True, size=settings.internal_gaps)
        places = rng.random(settings.internal_gaps)
        for place, size in zip(places, sizes, strict=True):
            left = start + telomere + 20_000 + int(place * (length - 2 * telomere - 40_000 - size))
            rows.append((left, left + int(size), "contig"))
    return _table(rows, ["start", "end", "type"])


def _isochores(settings: SimulationSettings, rng: np.random.Generator) -> pd.DataFrame:
    """Blocks of one GC fraction; the GC-poor families are the more common ones."""
    low, high = settings.isochore_gc
    rows = []
    for start, end in _blocks(settings, settings.isochore_length, rng):
        value = low if low == high else rng.triangular(low, low + 0.2 * (high - low), high)
        rows.append((start, end, round(float(value), 4)))
    return _table(rows, ["start", "end", "gc"])


def _blocks(settings: SimulationSettings, lengths: tuple[float, float], rng: np.random.Generator) -> list[tuple[int, int]]:
    """Cut each chromosome into blocks of random length; the last one takes the rest, so that none is shorter than the shortest."""
    blocks = []
    for number in range(settings.n_chromosomes):
        start, last = number * settings.chromosome_length, (number + 1) * settings.chromosome_length
        while start < last:
            end = start + int(rng.integers(int(lengths[0]), int(lengths[1]), endpoint=True))
            end = last if last - end < lengths[0] else end
            blocks.append((start, end))
            start = end
    return blocks


def _duplications(settings: SimulationSettings, gaps: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Segments to copy: neither sources nor targets touch each other or a gap."""
    length, total = settings.chromosome_length, settings.genome_length
    taken = mark(total, gaps, 500)
    remaining, rows = int(settings.duplication_share * total), []
    shortest, longest = settings.duplication_length
    for _ in range(200 + remaining // 10):
        if remaining < shortest:
            break
        size = min(int(rng.integers(int(shortest), int(longest), endpoint=True)), remaining)
        source_chrom = int(rng.integers(settings.n_chromosomes))
        elsewhere = rng.random() < settings.duplication_elsewhere and settings.n_chromosomes > 1
        shift = int(rng.integers(1, settings.n_chromosomes)) if elsewhere else 0
        target_chrom = (source_chrom + shift) % settings.n_chromosomes
        source, target = (chrom * length + int(rng.integers(length - size)) for chrom in (source_chrom, target_chrom))
        apart = target_chrom != source_chrom or abs(source - target) >= size + 1_000
        strand, divergence = int(rng.choice([1, -1])), round(float(rng.uniform(*settings.duplication_divergence)), 4)
        if apart and not taken[source : source + size].any() and not taken[target : target + size].any():
            taken[source : source + size] = taken[target : target + size] = True
            rows.append((target, target + size, source, source + size, strand, divergence))
            remaining -= size
    return _table(rows, ["start", "end", "source_start", "source_end", "strand", "divergence"])


def _free_for_elements(settings: SimulationSettings, gaps: pd.DataFrame, duplications: pd.DataFrame) -> Mask:
    """Bases where an element's centre may lie: away from gaps and chromosome ends, in no copy, on no edge of a copied segment."""
    total, length = settings.genome_length, settings.chromosome_length
    free = ~mark(total, gaps, 1_000)
    for number in range(settings.n_chromosomes):
        free[number * length : number * length + 1_000] = False
        free[(number + 1) * length - 1_000 : (number + 1) * length] = False
    free &= ~mark(total, duplications, HALF_ELEMENT)
    for side in ("source_start", "source_end"):
        free &= ~mark_around(total, duplications[side].to_numpy(), HALF_ELEMENT)
    return free


def _domains(settings: SimulationSettings, free: Mask, rng: np.random.Generator) -> pd.DataFrame:
    """Topological domains that tile each chromosome; inner boundaries lie where an element may."""
    allowed = np.flatnonzero(free)
    blocks = np.array(_blocks(settings, settings.domain_length, rng))
    inner = blocks[:, 0] % settings.chromosome_length > 0
    moved = allowed[np.minimum(np.searchsorted(allowed, blocks[inner, 0]), len(allowed) - 1)]
    starts, ends = blocks[:, 0].copy(), blocks[:, 1].copy()
    starts[inner] = moved
    ends[np.flatnonzero(inner) - 1] = moved
    return pd.DataFrame({"start": starts, "end": ends})


def _genes(
    settings: SimulationSettings,
    free: Mask,
    gaps: pd.DataFrame,
    domains: pd.DataFrame,
    gc: NDArray[np.float32],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Genes that overlap no other gene, gap or boundary, more of them where GC is high; length log-normal with median 15 kb."""
    total, wanted = len(free), round(settings.genes_per_mb * settings.megabases)
    taken = mark(total, gaps, 1_000)
    rows: list[tuple[int, int, int, int, int]] = []
    starts, ends = domains["start"].to_numpy(), domains["end"].to_numpy()
    for _ in range(60 * wanted):
        if len(rows) == wanted:
            break
        size = int(np.clip(rng.lognormal(np.log(15_000), 0.9), 2_000, 100_000))
        start, strand, kept = int(rng.integers(total)), int(rng.choice([1, -1])), rng.random()
        end = start + size
        tss = start if strand == 1 else end - 1
        centre = tss - strand * PROMOTER_OFFSET
        domain = int(np.searchsorted(starts, start, side="right")) - 1
        inside = start >= starts[domain] + 1_500 and end <= ends[domain] - 1_500
        if inside and free[centre] and kept < np.exp(8 * (gc[start] - 0.52)) and not taken[start - 1_000 : end + 1_000].any():
            taken[start:end] = True
            rows.append((start, end, strand, tss, domain))
    return _table(rows, ["start", "end", "strand", "tss", "domain"])


def _elements(
    settings: SimulationSettings,
    free: Mask,
    gc: NDArray[np.float32],
    domains: pd.DataFrame,
    genes: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Centres and roles of the planted elements: promoters, boundaries, and the others, more of them where GC is high."""
    if not settings.elements_per_mb:
        return pd.DataFrame({"centre": np.empty(0, np.int64), "role": np.empty(0, object), "gene": np.empty(0, np.int64)})
    boundaries = domains["start"].to_numpy()[domains["start"].to_numpy() % settings.chromosome_length > 0]
    centres = np.concatenate([genes["tss"].to_numpy() - genes["strand"].to_numpy() * PROMOTER_OFFSET, boundaries]).astype(
        np.int64
    )
    wanted = max(round(settings.elements_per_mb * free.sum() / 1e6) - len(centres), 0)
    others = _spread(free & ~mark_around(len(free), centres, LEAST_DISTANCE), gc, wanted, rng)
    roles = rng.random(len(others))
    housekeeping, insulator = settings.housekeeping_share, settings.housekeeping_share + settings.insulator_share
    role = np.where(roles < housekeeping, "housekeeping", np.where(roles < insulator, "insulator", "enhancer")).astype(object)
    table = pd.DataFrame(
        {
            "centre": np.concatenate([centres, others]),
            "role": np.concatenate([np.repeat(np.array(["promoter", "boundary"], object), [len(genes), len(boundaries)]), role]),
            "gene": np.concatenate([np.arange(len(genes)), np.full(len(boundaries) + len(others), -1)]),
        }
    )
    return table.sort_values("centre", ignore_index=True)


def _spread(open_places: Mask, gc: NDArray[np.float32], wanted: int, rng: np.random.Generator) -> Ints:
    """Choose places at least `LEAST_DISTANCE` apart, with a density that rises with the GC of the isochore (half again over the range)."""
    allowed = np.flatnonzero(open_places)
    if not wanted or not len(allowed):
        return np.empty(0, np.int64)
    kept: Ints = np.empty(0, np.int64)
    for _ in range(20):
        candidates = allowed[rng.integers(len(allowed), size=3 * wanted)]
        candidates = candidates[rng.random(len(candidates)) < np.exp(3 * (gc[candidates] - 0.52))]
        kept = _thin(np.concatenate([kept, candidates]))
        if len(kept) >= wanted:
            break
    chosen = rng.permutation(len(kept))[:wanted]
    return np.sort(kept[chosen])


def _thin(places: Ints) -> Ints:
    """Drop places that come too soon after the last one kept."""
    kept, last = [], -LEAST_DISTANCE
    for place in np.sort(places).tolist():
        if place - last >= LEAST_DISTANCE:
            kept.append(place)
            last = place
    return np.array(kept, dtype=np.int64)


def _islands(settings: SimulationSettings, elements: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """CpG islands around most promoters and half of the other housekeeping elements."""
    chance = elements["role"].map({"promoter": PROMOTER_ISLANDS, "housekeeping": OTHER_ISLANDS}).fillna(0.0).to_numpy(dtype=float)
    island = rng.random(len(elements)) < chance
    size = rng.integers(int(settings.island_length[0]), int(settings.island_length[1]), endpoint=True, size=len(elements))
    start = elements["centre"].to_numpy() - (size * rng.uniform(0.35, 0.65, len(elements))).astype(np.int64)
    table = pd.DataFrame({"start": start, "end": start + size, "element": np.arange(len(elements))})
    return table[island & settings.cpg_islands].reset_index(drop=True)


def _artefacts(
    settings: SimulationSettings, elements: pd.DataFrame, gaps: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Towers of reads, 300-1,500 bp, 20 to 60 times the background, away from elements and gaps."""
    total, length = settings.genome_length, settings.chromosome_length
    taken = mark(total, gaps, 2_000) | mark_around(total, elements["centre"].to_numpy(), 800)
    rows: list[tuple[int, int, float]] = []
    wanted = round(settings.artefacts_per_mb * settings.megabases)
    for _ in range(100 * wanted):
        if len(rows) == wanted:
            break
        start, size = int(rng.integers(total)), int(rng.integers(300, 1_500, endpoint=True))
        fold = round(float(rng.uniform(20, 60)), 1)
        if start // length == (start + size) // length and not taken[start : start + size].any():
            taken[start : start + size] = True
            rows.append((start, start + size, fold))
    return _table(rows, ["start", "end", "fold"])


def gc_per_base(isochores: pd.DataFrame) -> NDArray[np.float32]:
    """GC fraction of the isochore that each base lies in, shape (genome length,)."""
    return np.repeat(isochores["gc"].to_numpy(dtype=np.float32), (isochores["end"] - isochores["start"]).to_numpy())


def rows_of(table: pd.DataFrame) -> Any:
    """Rows of a table as named tuples."""
    return table.itertuples()


def mark(total: int, table: pd.DataFrame, margin: int = 0) -> Mask:
    """Mask of the bases within `margin` bp of any interval of a table with start and end."""
    mask = np.zeros(total, bool)
    starts, ends = (table[name].to_numpy(dtype=np.int64) for name in ("start", "end"))
    for start, end in zip(np.maximum(starts - margin, 0).tolist(), (ends + margin).tolist(), strict=True):
        mask[start:end] = True
    return mask


def mark_around(total: int, places: Ints, margin: int) -> Mask:
    """Mask of the bases within `margin` bp of any place."""
    return mark(total, pd.DataFrame({"start": places, "end": places + 1}), margin)


def _table(rows: list[Any], columns: list[str]) -> pd.DataFrame:
    """DataFrame of rows, which may be none, in order of start, with numbers as numbers."""
    table = pd.DataFrame(rows, columns=columns)
    whole = {name: np.int64 for name in columns if name not in ("gc", "divergence", "fold", "type")}
    return table.astype(whole).sort_values("start", ignore_index=True)
