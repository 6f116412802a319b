"""Genes, their expression, the links from elements to genes, and single-base variants with a known effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.simulation.genome import COMPLEMENT, FLANK, WINDOW, instance_windows
from helpers.data.simulation.layout import Layout, mark
from helpers.data.simulation.motifs import MOTIFS
from helpers.data.simulation.regulation import WIDTHS, activities, encoded_log_rates
from helpers.data.simulation.settings import SimulationSettings, stage_rng
from helpers.files.runs import count_within

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]

#: Effect of a promoter's log rate on log expression, and of all linked elements together.
PROMOTER_WEIGHT = 0.5
LINK_WEIGHT = 0.15
#: Log rate at which a promoter or an element neither raises nor lowers expression.
MIDDLE_LOG_RATE = 3.0
#: Kinds of variants and their shares.
VARIANT_SHARES = {"motif": 0.5, "flank": 0.15, "decoy": 0.1, "neutral": 0.25}


def make_links(settings: SimulationSettings, layout: Layout, elements: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Which element acts on which gene: columns element, gene, weight, distance (bp; -1 on another chromosome), same_domain.

    The number of target genes follows a Pareto law, so that a few elements are hubs. Targets are drawn with a probability that falls with
    distance (1 / (distance + 20 kb)), 100 times less across a domain boundary, and a little anywhere in the genome.
    """
    genes = layout.genes
    if not len(genes):
        return pd.DataFrame({"element": [], "gene": [], "weight": [], "distance": [], "same_domain": []}).astype(
            {"element": int, "gene": int}
        )
    rng = stage_rng(seed, "links")
    source = np.flatnonzero((rng.random(len(elements)) < settings.link_share) & (elements["gene"].to_numpy() < 0))
    degree = np.minimum(np.floor(rng.random(len(source)) ** (-1 / settings.link_tail)).astype(np.int64), max(len(genes) // 4, 1))
    centre, tss = elements["centre"].to_numpy()[source], genes["tss"].to_numpy()
    distance = np.abs(centre[:, None] - tss[None, :])
    same_chrom = centre[:, None] // settings.chromosome_length == tss[None, :] // settings.chromosome_length
    domain = np.searchsorted(layout.domains["start"].to_numpy(), centre, side="right") - 1
    same_domain = domain[:, None] == genes["domain"].to_numpy()[None, :]
    likely = np.where(same_chrom, 1 / (distance + 20_000), 0) * np.where(same_domain, 1, 0.01) + 5e-10
    noise = rng.gumbel(size=likely.shape)
    weight = np.round(
        LINK_WEIGHT * np.exp(rng.normal(0, 0.5, likely.shape)) * np.where(rng.random(likely.shape) < 0.85, 1, -1), 6
    )
    ranked = np.argsort(-(np.round(np.log(likely), 6) + noise), axis=1, kind="stable")
    row, column = np.nonzero(np.arange(len(genes))[None, :] < degree[:, None])
    gene = ranked[row, column]
    return pd.DataFrame(
        {
            "element": source[row],
            "gene": gene,
            "weight": weight[row, gene] / np.sqrt(degree[row]),
            "distance": np.where(same_chrom[row, gene], distance[row, gene], -1),
            "same_domain": same_domain[row, gene],
        }
    ).sort_values(["element", "gene"], ignore_index=True)


def expression(
    settings: SimulationSettings, layout: Layout, elements: pd.DataFrame, links: pd.DataFrame, log_rates: Floats, seed: int
) -> Floats:
    """Natural log of each gene's expression in each cell type, shape (genes, cell types); 0 is the middle.

    Promoter and linked elements above or below the middle log rate, the gene's own component (not in the sequence), and a little noise.
    """
    n_genes = len(layout.genes)
    total = np.zeros((n_genes, settings.n_cell_types))
    promoter = np.flatnonzero(elements["gene"].to_numpy() >= 0)
    total[elements["gene"].to_numpy()[promoter]] += PROMOTER_WEIGHT * (log_rates[promoter] - MIDDLE_LOG_RATE)
    element, gene = links["element"].to_numpy(dtype=np.int64), links["gene"].to_numpy(dtype=np.int64)
    pull = links["weight"].to_numpy()[:, None] * (log_rates[element] - MIDDLE_LOG_RATE)
    for column in range(settings.n_cell_types):
        total[:, column] += np.bincount(gene, weights=pull[:, column], minlength=n_genes)
        letter = settings.cell_types[column]
        total[:, column] += 0.2 * stage_rng(seed, "expression noise", letter).normal(0, 1, n_genes)
    return np.round(total + stage_rng(seed, "gene effects").normal(0, 1, n_genes)[:, None] * settings.gene_effect_sd, 6)


def make_variants(
    settings: SimulationSettings,
    elements: pd.DataFrame,
    instances: pd.DataFrame,
    decoys: pd.DataFrame,
    codes: Codes,
    seed: int,
) -> tuple[pd.DataFrame, Floats]:
    """Single-base substitutions in motif instances, their preferred flanks, decoys and neutral places.

    Returns
    -------
    variants : DataFrame
        position (global), ref, alt (codes), kind, element (row, -1 for none), motif (of the instance hit, -1 for none), in order of position.
    effects : array, shape (variants, cell types)
        Change of the element's log rate when `alt` replaces `ref`: recomputed from the changed sequence, exact.
    """
    rng = stage_rng(seed, "variants")
    wanted = round(settings.variants_per_mb * settings.megabases)
    counts = {kind: round(share * wanted) for kind, share in VARIANT_SHARES.items()}
    tables = [
        _in_instances(rng, instances, counts["motif"], "motif"),
        _in_flanks(rng, instances, counts["flank"]),
        _in_instances(rng, decoys, counts["decoy"], "decoy"),
        _in_neutral(rng, elements, decoys, codes, counts["neutral"]),
    ]
    variants = pd.concat(tables, ignore_index=True).drop_duplicates("position").sort_values("position", ignore_index=True)
    ref = codes[variants["position"].to_numpy()]
    alt = (ref + stage_rng(seed, "alternative alleles").integers(1, 4, size=len(ref), dtype=np.uint8)) % 4
    variants = variants.assign(ref=ref, alt=alt.astype(np.uint8))[ref < 4].reset_index(drop=True)
    return variants, variant_effects(settings, variants, instances, codes)


def _in_instances(rng: np.random.Generator, instances: pd.DataFrame, count: int, kind: str) -> pd.DataFrame:
    """Positions inside random instances."""
    row = rng.integers(len(instances), size=count) if len(instances) else np.empty(0, np.int64)
    motif = instances["motif"].to_numpy()[row]
    position = instances["start"].to_numpy()[row] + (rng.random(len(row)) * WIDTHS[motif]).astype(np.int64)
    element = instances["element"].to_numpy()[row] if "element" in instances else np.full(len(row), -1)
    return pd.DataFrame({"position": position, "kind": kind, "element": element, "motif": motif})


def _in_flanks(rng: np.random.Generator, instances: pd.DataFrame, count: int) -> pd.DataFrame:
    """Positions of preferred flanking bases of random instances that have any."""
    having = np.array([bool(motif.left or motif.right) for motif in MOTIFS])
    able = instances[having[instances["motif"].to_numpy(dtype=np.int64)]]
    row = rng.integers(len(able), size=count) if len(able) else np.empty(0, np.int64)
    draw = rng.random(len(row))
    motif, start, strand = (able[name].to_numpy(dtype=np.int64)[row] for name in ("motif", "start", "strand"))
    position = np.empty(len(row), np.int64)
    for index, item in enumerate(MOTIFS):
        offsets = np.array([*range(-len(item.left), 0), *range(item.width, item.width + len(item.right))] or [0])
        mine = motif == index
        offset = offsets[(draw[mine] * len(offsets)).astype(np.int64)]
        position[mine] = np.where(strand[mine] == 1, start[mine] + offset, start[mine] + item.width - 1 - offset)
    return pd.DataFrame(
        {"position": position, "kind": "flank", "element": able["element"].to_numpy(dtype=np.int64)[row], "motif": motif}
    )


def _in_neutral(rng: np.random.Generator, elements: pd.DataFrame, decoys: pd.DataFrame, codes: Codes, count: int) -> pd.DataFrame:
    """Positions far from any element and decoy."""
    used = mark(len(codes), elements, 300) | (codes == 4)
    ends = decoys["start"] + WIDTHS[decoys["motif"].to_numpy(dtype=np.int64)]
    used |= mark(len(codes), pd.DataFrame({"start": decoys["start"], "end": ends}), 10)
    open_places = np.flatnonzero(~used)
    position = open_places[rng.integers(len(open_places), size=count)]
    return pd.DataFrame({"position": position, "kind": "neutral", "element": -1, "motif": -1})


def variant_effects(settings: SimulationSettings, variants: pd.DataFrame, instances: pd.DataFrame, codes: Codes) -> Floats:
    """Change of log rate in every cell type, shape (variants, cell types): each variant's whole element is scored with and without it."""
    element = variants["element"].to_numpy(dtype=np.int64)
    hit = np.flatnonzero(element >= 0)
    effects = np.zeros((len(variants), settings.n_cell_types))
    if not len(hit) or not settings.motif_effects:
        return effects
    first = np.searchsorted(instances["element"].to_numpy(), element[hit], side="left")
    last = np.searchsorted(instances["element"].to_numpy(), element[hit], side="right")
    size = last - first
    owner = np.repeat(np.arange(len(hit)), size)
    row = first[owner] + count_within(size)
    table = instances.iloc[row].reset_index(drop=True).assign(element=owner)
    start, strand, motif = (table[name].to_numpy() for name in ("start", "strand", "motif"))
    windows = instance_windows(codes, start, strand, motif)
    changed = windows.copy()
    position, alt = variants["position"].to_numpy()[hit][owner], variants["alt"].to_numpy()[hit][owner]
    column = FLANK + np.where(strand == 1, position - start, start + WIDTHS[motif] - 1 - position)
    inside = np.flatnonzero((column >= 0) & (column < WINDOW))
    changed[inside, column[inside]] = np.where(strand[inside] == 1, alt[inside], COMPLEMENT[alt[inside]])
    before, _ = encoded_log_rates(table, windows, len(hit), activities(settings), settings)
    after, _ = encoded_log_rates(table, changed, len(hit), activities(settings), settings)
    effects[hit] = np.round(after - before, 6)
    return effects
