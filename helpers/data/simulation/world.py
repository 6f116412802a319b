"""The simulated world in memory: sequence, tables of truth, and what the assays need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from helpers.data.simulation import genes as genes_module
from helpers.data.simulation import genome, regulation
from helpers.data.simulation.layout import Layout, make_layout, mark, rows_of
from helpers.data.simulation.motifs import MOTIFS
from helpers.data.simulation.settings import SimulationSettings
from helpers.errors import InputError

Codes = NDArray[np.uint8]
Floats = NDArray[np.float64]


@dataclass
class World:
    """A simulated genome with its answer key. Tables hold global coordinates; `helpers.data.simulation.truth` writes them per chromosome.

    Attributes
    ----------
    settings, seed
        What made it.
    flat : array of uint8, shape (genome length,)
        All chromosomes one after the other; `codes(chrom)` gives one of them.
    layout : Layout
        Gaps, isochores, duplications, domains, genes, islands, artefacts.
    repeats, elements, instances, decoys, links, variants : DataFrame
        Truth tables; `instances` and `links` name elements by their row.
    log_rates : array, shape (elements, cell types)
        Natural log of each element's rate.
    expression : array, shape (genes, cell types)
        Natural log of expression.
    effects : array, shape (variants, cell types)
        True change of log rate.
    gc, mappability : array, shape (bins,)
        GC fraction around each bin, and share of its positions where a read is unique.
    known : array of bool, shape (bins,)
        Bins that fragments can come from: none within 300 bp of a gap or a chromosome end.
    """

    settings: SimulationSettings
    seed: int
    flat: Codes
    layout: Layout
    repeats: pd.DataFrame
    elements: pd.DataFrame
    instances: pd.DataFrame
    decoys: pd.DataFrame
    links: pd.DataFrame
    variants: pd.DataFrame
    log_rates: Floats
    expression: Floats
    effects: Floats
    gc: Floats
    mappability: Floats
    known: NDArray[np.bool_]

    @property
    def chromosomes(self) -> tuple[str, ...]:
        """Names of the chromosomes."""
        return self.settings.chromosomes

    @property
    def cell_types(self) -> tuple[str, ...]:
        """Names of the cell types."""
        return self.settings.cell_types

    @property
    def lengths(self) -> dict[str, int]:
        """Length of each chromosome, bp."""
        return dict.fromkeys(self.chromosomes, self.settings.chromosome_length)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Whether each element is active in each cell type, shape (elements, cell types)."""
        return self.log_rates >= self.settings.active_log_rate

    def codes(self, chrom: str) -> Codes:
        """Bases of one chromosome, uint8 (length,); a view."""
        if chrom not in self.chromosomes:
            raise InputError(f"chromosome {chrom!r} is not in the simulated genome: choose from {', '.join(self.chromosomes)}")
        first = self.chromosomes.index(chrom) * self.settings.chromosome_length
        return self.flat[first : first + self.settings.chromosome_length]

    def split(self, values: NDArray) -> dict[str, NDArray]:
        """Cut an array over the whole genome (bases or bins) into one per chromosome."""
        parts = np.split(values, self.settings.n_chromosomes)
        return dict(zip(self.chromosomes, parts, strict=True))

    def located(self, table: pd.DataFrame) -> pd.DataFrame:
        """Copy of a table with global start and end turned into chrom, start, end (0-based, half-open)."""
        length = self.settings.chromosome_length
        number = table["start"].to_numpy(dtype=np.int64) // length
        local = table.assign(start=table["start"] - number * length, end=table["end"] - number * length)
        local.insert(0, "chrom", pd.Series(np.array(self.chromosomes, dtype=object)[number], index=table.index, dtype=object))
        return local.reset_index(drop=True)

    def cell_type_number(self, cell_type: str) -> int:
        """Column of a cell type.

        Raises
        ------
        InputError
            If the world has no such cell type.
        """
        if cell_type not in self.cell_types:
            raise InputError(
                f"cell_type={cell_type!r} is not simulated: choose from {', '.join(self.cell_types)} or raise n_cell_types"
            )
        return self.cell_types.index(cell_type)


def make_world(settings: SimulationSettings, seed: int) -> World:
    """Simulate a genome in memory, from its settings and a seed (the same on every machine and with any number of threads)."""
    layout = make_layout(settings, seed)
    codes, repeats = genome.base_sequence(settings, layout, seed)
    planned = regulation.plan_instances(settings, layout.elements, seed)
    loose = regulation.decoy_list(settings)
    if not settings.motif_effects:
        loose = np.concatenate([loose, planned["motif"].to_numpy()])
        planned = planned.iloc[:0]
    decoys = regulation.scatter(layout, loose, seed)
    genome.plant(codes, decoys, settings.flank_share, seed, "decoy instances")
    genome.plant(codes, planned, settings.flank_share, seed, "instances")
    genome.copy_segments(codes, layout.duplications, seed)
    for gap in rows_of(layout.gaps):
        codes[gap.start : gap.end] = 4
    elements, instances, log_rates = regulation.element_table(settings, layout, planned, codes, seed)
    links = genes_module.make_links(settings, layout, elements, seed)
    expression = genes_module.expression(settings, layout, elements, links, log_rates, seed)
    variants, effects = genes_module.make_variants(settings, elements, instances, decoys, codes, seed)
    gc, mappability, known = _biases(settings, layout, repeats, codes)
    return World(
        settings, seed, codes, layout, repeats, elements, instances, decoys, links, variants,
        log_rates, expression, effects, gc, mappability, known,
    )  # fmt: skip


def _biases(
    settings: SimulationSettings, layout: Layout, repeats: pd.DataFrame, codes: Codes
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """GC, mappability and reach of every bin."""
    total, resolution = len(codes), settings.signal_resolution
    sources = layout.duplications[["source_start", "source_end"]].set_axis(["start", "end"], axis=1)
    repeated = mark(total, layout.duplications) | mark(total, sources) | mark(total, repeats)
    mappability = genome.mappability(codes, repeated, settings.read_length, resolution)
    out: NDArray[np.bool_] = mark(total, layout.gaps, 300)
    for edge in range(0, total + 1, settings.chromosome_length):
        out[max(edge - 300, 0) : edge + 300] = True
    known = np.logical_not(np.any(out.reshape(-1, resolution), axis=1))
    return genome.gc_of_windows(codes, resolution), mappability, known


def true_log_rates(world: World, element: str | int, sequence: ArrayLike | None = None) -> pd.Series:
    """Log rate that the sequence gives one element in every cell type: the truth to compare in-silico mutagenesis with.

    Parameters
    ----------
    world : World
    element : str or int
        Name, such as `"element12"`, or row of `world.elements`.
    sequence : array of uint8, shape (end - start,), optional
        Another sequence for the element's interval, on the forward strand; default the genome's own. Motif instances keep their places:
        motifs that appear elsewhere by chance have no effect in this world.

    Returns
    -------
    Series
        Natural log of the rate by cell type, encoded part only (without locus effect and noise).

    Raises
    ------
    InputError
        For an unknown element, or a sequence of another length than the element's.
    """
    row = element_row(world, element)
    start, end = int(world.elements["start"].iloc[row]), int(world.elements["end"].iloc[row])
    instances = world.instances[world.instances["element"] == row].reset_index(drop=True).assign(element=0)
    # A little room on both sides: windows reach past the element, where nothing is read.
    bases = world.flat[start - genome.WINDOW : end + genome.WINDOW].copy()
    if sequence is not None:
        given = np.asarray(sequence, dtype=np.uint8)
        if given.shape != (end - start,):
            raise InputError(
                f"sequence has shape {given.shape}, the element is {end - start} bp: give one code per base of its interval"
            )
        bases[genome.WINDOW : -genome.WINDOW] = given
    local = instances.assign(start=instances["start"] - start + genome.WINDOW)
    windows = genome.instance_windows(bases, *(local[name].to_numpy() for name in ("start", "strand", "motif")))
    rates, _ = regulation.encoded_log_rates(local, windows, 1, regulation.activities(world.settings), world.settings)
    if not world.settings.motif_effects:
        rates[:] = world.settings.unencoded_log_rate
    return pd.Series(rates[0], index=list(world.cell_types), name=f"element{row}")


def element_row(world: World, element: str | int) -> int:
    """Row of an element given by name or row."""
    text = str(element).removeprefix("element")
    if not text.isdigit() or int(text) >= len(world.elements):
        raise InputError(f"element={element!r} is not in this world: choose from element0 to element{len(world.elements) - 1}")
    return int(text)


def motif_names(numbers: NDArray[np.int64]) -> NDArray[np.object_]:
    """Names of motifs given by number; empty where the number is -1."""
    return np.array([*(motif.name for motif in MOTIFS), ""], dtype=object)[numbers]
