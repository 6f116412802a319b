"""Assays: the expected rate of fragments along the genome, and libraries of fragments drawn from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.simulation.layout import rows_of
from helpers.data.simulation.settings import SimulationSettings, stage_rng
from helpers.data.simulation.world import World
from helpers.errors import InputError

Floats = NDArray[np.float64]

LONGEST, SHORTEST = 600, 30
"""Fragment lengths that are sequenced, bp; the ends of a fragment stay within 300 bp of its middle."""


@dataclass(frozen=True)
class Assay:
    """How an assay sees the genome."""

    name: str
    lengths: tuple[tuple[tuple[float, float, float], ...], ...]
    """Per fragment class: (mean bp, standard deviation bp, share) of its length mixture."""
    element_shares: tuple[float, ...]
    """Share of each class among fragments from elements."""
    background_shares: tuple[float, ...]
    """Share of each class among the others."""
    spread: tuple[float, ...]
    """Standard deviation of a class's middles around an element, in units of the element's width."""
    log_rate_slope: float = 1.0
    """How an element's log rate is compressed."""
    gc_slope: float = 0.0
    """The assay's own exponential GC slope."""


_SHORT = ((75.0, 20.0, 1.0),)
_NUCLEOSOMES = ((195.0, 25.0, 0.75), (390.0, 30.0, 0.25))

#: ATAC: nucleosome-free and nucleosomal fragments (Buenrostro 2013). DNase: short fragments, compressed, GC-rich. Histone marks: mononucleosomes, of
#: gene bodies (H3K36me3), or to both sides of open elements and as strong as those are open (H3K27ac).
ASSAYS: dict[str, Assay] = {
    "atac": Assay("atac", (_SHORT, _NUCLEOSOMES), (0.65, 0.35), (0.45, 0.55), (1.0, 1.8)),
    "dnase": Assay("dnase", (((60.0, 15.0, 1.0),), ((150.0, 30.0, 1.0),)), (0.8, 0.2), (0.6, 0.4), (1.25, 1.8), 0.75, 1.5),
    "h3k36me3": Assay("h3k36me3", (((220.0, 40.0, 1.0),),), (1.0,), (1.0,), (1.0,)),
    "h3k27ac": Assay("h3k27ac", (((220.0, 40.0, 1.0),),), (1.0,), (1.0,), (3.0,)),
    "control": Assay("control", (((220.0, 40.0, 1.0),),), (1.0,), (1.0,), (1.0,)),
}


def length_distribution(mixture: tuple[tuple[float, float, float], ...]) -> Floats:
    """Probability of each fragment length 0, 1, ..., LONGEST bp: a mixture of normal densities cut to SHORTEST..LONGEST."""
    length = np.arange(LONGEST + 1)
    density = sum(share / sd * np.exp(-0.5 * ((length - mean) / sd) ** 2) for mean, sd, share in mixture)
    density = np.where(length >= SHORTEST, density, 0.0)
    return np.round(density / density.sum(), 12)


def fragment_rates(
    world: World, cell_type: str, assay: str | Assay = "atac", *, depth: float | None = None, batch: int | None = None
) -> tuple[Floats, ...]:
    """Give the expected number of fragments with their middle in each bin, one array of shape (bins,) per fragment class of the assay.

    Background and elements (for H3K36me3: bodies of expressed genes) are shaped by GC bias, the batch's GC slope and mappability, then scaled so that
    elements give FRiP and all fragments together give depth x genome length. Rounded to 1e-7, so that the last digit of `exp` on another processor
    cannot change what is drawn from it.

    Parameters
    ----------
    world : World
    cell_type : str
        A, B, ...
    assay : str or Assay
        atac, dnase, h3k27ac, h3k36me3 or control (no elements); or one of your own, such as `dataclasses.replace(ASSAYS["dnase"], gc_slope=3.0)`.
    depth : float, optional
        Fragments per bp; default the cell type's own.
    batch : int, optional
        Default the cell type's own.
    """
    kind, number, settings = assay_named(assay), world.cell_type_number(cell_type), world.settings
    batch = number % settings.n_batches if batch is None else batch
    slope, frip = batch_effect(settings, world.seed, batch)
    bias = _bias(world, slope + kind.gc_slope)
    background = bias * _artefacts(world)
    # Artefact towers come on top of the background's share.
    size = (cell_type_depth(settings, world.seed, number) if depth is None else _positive(depth)) * len(world.flat)
    signals = _signals(world, kind, number, bias)
    inside = sum(float(signal.sum()) for signal in signals)
    frip = frip if inside > 0 else 0.0
    outside = size * (1 - frip) / max(float(background.sum()), 1e-300)
    scale = size * frip / max(inside, 1e-300)
    shares = kind.background_shares
    return tuple(
        np.round(background * (outside * share) + signal * scale, 7) for share, signal in zip(shares, signals, strict=True)
    )


def assay_named(name: str | Assay) -> Assay:
    """Assay by name, or as given; or InputError."""
    if isinstance(name, Assay):
        return name
    if name not in ASSAYS:
        raise InputError(f"assay={name!r} is not simulated: choose from {', '.join(ASSAYS)}")
    return ASSAYS[name]


def _positive(depth: float) -> float:
    """Check that a depth can be sampled."""
    if not 0 < depth <= 10:
        raise InputError(f"depth={depth!r} must be above 0 and at most 10 fragments per bp")
    return float(depth)


def cell_type_depth(settings: SimulationSettings, seed: int, number: int) -> float:
    """Depth of a cell type's library, fragments per bp; A has exactly `depth`."""
    spread = stage_rng(seed, "depth", str(number)).normal() * settings.depth_log_sd if number else 0.0
    return round(float(settings.depth * np.exp(spread)), 9)


def batch_effect(settings: SimulationSettings, seed: int, batch: int) -> tuple[float, float]:
    """GC slope and FRiP of a batch; batch 0 is the reference."""
    if isinstance(batch, bool) or not isinstance(batch, (int, np.integer)) or batch < 0:
        raise InputError(f"batch={batch!r} must be a whole number, 0 (the reference) or larger")
    if batch == 0:
        return 0.0, settings.frip
    slope, frip = stage_rng(seed, "batch", str(batch)).normal(size=2)
    return round(float(slope) * settings.batch_gc_slope_sd, 6), min(
        round(float(settings.frip * np.exp(frip * settings.batch_frip_log_sd)), 6), 0.95
    )


def _bias(world: World, slope: float) -> Floats:
    """Relative chance that a fragment of each bin is sequenced and kept: GC, mappability, gaps."""
    settings, gc = world.settings, world.gc
    log_bias = slope * (gc - 0.42)
    if settings.gc_bias == "unimodal":
        log_bias = log_bias - 0.5 * ((gc - settings.gc_bias_mode) / settings.gc_bias_width) ** 2
    elif settings.gc_bias == "exponential":
        log_bias = log_bias + settings.gc_bias_slope * (gc - 0.42)
    return np.exp(log_bias) * (1 - settings.mappability_loss * (1 - world.mappability)) * world.known


def _artefacts(world: World) -> Floats:
    """1, and the fold of the artefact tower where there is one."""
    fold = np.ones(len(world.gc))
    resolution = world.settings.signal_resolution
    for row in rows_of(world.layout.artefacts):
        fold[row.start // resolution : -(-row.end // resolution)] = row.fold
    return fold


def _signals(world: World, kind: Assay, number: int, bias: Floats) -> list[Floats]:
    """Relative rate from elements, or from gene bodies for the broad assay, per fragment class."""
    if kind.name == "control":
        return [np.zeros(len(bias))]
    if kind.name == "h3k36me3":
        return [_gene_bodies(world, number) * bias]
    amplitude = np.exp(kind.log_rate_slope * world.log_rates[:, number])
    return [
        _bumps(world, amplitude * share, spread) * bias for share, spread in zip(kind.element_shares, kind.spread, strict=True)
    ]


def _bumps(world: World, amplitude: Floats, spread: float) -> Floats:
    """Sum of normal densities around the elements' centres, per bin."""
    resolution, n_bins = world.settings.signal_resolution, len(world.gc)
    if not len(amplitude):
        return np.zeros(n_bins)
    centre = world.elements["centre"].to_numpy() / resolution - 0.5
    sd = world.elements["width"].to_numpy() * spread / resolution
    reach = int(np.ceil(4 * sd.max()))
    bins = np.round(centre).astype(np.int64)[:, None] + np.arange(-reach, reach + 1)
    shape = np.exp(-0.5 * ((bins - centre[:, None]) / sd[:, None]) ** 2) / sd[:, None]
    place, weight = np.clip(bins, 0, n_bins - 1).ravel(), (shape * amplitude[:, None]).ravel()
    return np.bincount(place, weights=weight, minlength=n_bins).astype(np.float64)


def _gene_bodies(world: World, number: int) -> Floats:
    """H3K36me3: over bodies of expressed genes, rising towards the 3' end (Barski 2007), saturating with expression."""
    resolution = world.settings.signal_resolution
    rate = np.zeros(len(world.gc))
    for row, level in zip(rows_of(world.layout.genes), world.expression[:, number], strict=True):
        first, last = row.start // resolution, -(-row.end // resolution)
        along = (np.arange(last - first) + 0.5) / (last - first)
        ramp = np.clip((along if row.strand == 1 else 1 - along) * 2, 0.15, 1)
        rate[first:last] += ramp / (1 + np.exp(-1.5 * level))
    return rate


def sample_library(
    world: World,
    cell_type: str,
    assay: str | Assay = "atac",
    *,
    depth: float | None = None,
    batch: int | None = None,
    rng: np.random.Generator | int,
) -> pd.DataFrame:
    """Draw a library of fragments.

    Parameters
    ----------
    world, cell_type, assay, depth, batch
        As in `fragment_rates`.
    rng : numpy.random.Generator or int
        Source of randomness, or a seed for one.

    Returns
    -------
    DataFrame
        chrom, start, end (0-based, half-open), sorted. The number in each bin is Poisson with the expected rate.
    """
    rng = stage_rng(rng, "library") if isinstance(rng, (int, np.integer)) else rng
    start, end = draw_fragments(world, cell_type, assay, depth=depth, batch=batch, rng=rng)
    return world.located(pd.DataFrame({"start": start, "end": end}))


def draw_fragments(
    world: World,
    cell_type: str,
    assay: str | Assay,
    *,
    depth: float | None = None,
    batch: int | None = None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fragments of a library as global starts and ends, sorted."""
    rates = fragment_rates(world, cell_type, assay, depth=depth, batch=batch)
    resolution, packed = world.settings.signal_resolution, []
    for rate, mixture in zip(rates, assay_named(assay).lengths, strict=True):
        counts = rng.poisson(rate)
        middle = np.repeat(np.arange(len(rate)) * resolution, counts) + rng.integers(resolution, size=int(counts.sum()))
        length = np.searchsorted(np.cumsum(length_distribution(mixture))[:-1], rng.random(len(middle)), side="right")
        # Start and length in one number sort much faster than two columns.
        packed.append(((middle - length // 2) << 10) + length)
    ordered = np.sort(np.concatenate(packed))
    return ordered >> 10, (ordered >> 10) + (ordered & 1023)


def expected_coverage(
    world: World,
    cell_type: str,
    assay: str | Assay = "atac",
    bin_size: int = 10,
    *,
    depth: float | None = None,
    batch: int | None = None,
) -> dict[str, Floats]:
    """Return the true rate itself: expected mean coverage of each bin, chrom -> array of shape (bins,); the last bin may be partial.

    Exact at multiples of `signal_resolution`; other bin sizes take coverage as constant within `signal_resolution` bp, as the tracks do.

    Raises
    ------
    InputError
        For a bin size below 1 or beyond the chromosome.
    """
    resolution, length = world.settings.signal_resolution, world.settings.chromosome_length
    if not 1 <= bin_size <= length:
        raise InputError(f"bin_size={bin_size!r} must be between 1 and the chromosome length {length}")
    fine = np.zeros(len(world.gc))
    for rate, mixture in zip(
        fragment_rates(world, cell_type, assay, depth=depth, batch=batch), assay_named(assay).lengths, strict=True
    ):
        fine += np.convolve(rate, _reach(mixture, resolution), mode="same")
    covered = {}
    edges = np.append(np.arange(0, length, bin_size), length)
    for chrom, values in world.split(fine).items():
        summed = np.concatenate([[0.0], np.cumsum(values) * resolution])
        at = np.interp(edges, np.arange(len(summed)) * resolution, summed)
        covered[chrom] = np.diff(at) / np.diff(edges)
    return covered


def _reach(mixture: tuple[tuple[float, float, float], ...], resolution: int) -> Floats:
    """Mean coverage that one fragment with its middle in bin 0 gives bins -n..n, exact for middles uniform within the bin."""
    probability = length_distribution(mixture)
    length = np.arange(len(probability))
    offset = np.arange(-LONGEST // 2 - resolution, LONGEST // 2 + resolution)
    inside = (offset[:, None] >= -(length // 2)) & (offset[:, None] < length - length // 2)
    covers = inside @ probability
    n_bins = LONGEST // 2 // resolution + 1
    centres = np.arange(-n_bins, n_bins + 1) * resolution
    total = np.zeros(len(centres))
    for within in range(resolution):
        for base in range(resolution):
            wanted = centres + base - within
            index = np.clip(wanted - offset[0], 0, len(offset) - 1)
            total += np.where((wanted >= offset[0]) & (wanted <= offset[-1]), covers[index], 0.0)
    return total / resolution**2
