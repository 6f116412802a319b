"""Libraries that are drawn in memory for a lesson: of any cell type, assay and batch, at one depth, cut into bins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from helpers.course.tasks import Task
from helpers.data.simulation import Assay, World, expected_coverage, sample_library, stage_rng
from helpers.data.simulation.tracks import coverage
from helpers.errors import InputError


@dataclass(frozen=True)
class Library:
    """Which library to draw.

    Parameters
    ----------
    cell_type : str
        As in `sample_library`.
    assay : str or Assay
        As in `sample_library`.
    batch : int
        The batch that it is made in; 0 is the reference.
    draw : int
        Another number is another library of the same kind.
    """

    cell_type: str = "A"
    assay: str | Assay = "atac"
    batch: int = 0
    draw: int = 0


def library_bins(world: World, library: Library, bin_size: int) -> dict[str, np.ndarray]:
    """Draw a library at the genome's full depth and average its coverage in bins.

    Parameters
    ----------
    world : World
        A simulated genome, whose seed also draws the library.
    library : Library
        What to draw; the same one is the same every time.
    bin_size : int
        In bp; within `signal_resolution` bp coverage is taken as constant, as the tracks do.

    Returns
    -------
    dict of str to float64 array, shape (bins,)
        By chromosome; a last bin may be partial.

    Raises
    ------
    InputError
        If the bin size is below 1 or beyond the chromosome, or the library is not simulated.
    """
    resolution, length = world.settings.signal_resolution, world.settings.chromosome_length
    if not 1 <= bin_size <= length:
        raise InputError(f"bin_size is {bin_size}: choose 1 to {length:,}, the length of a chromosome")
    assay = library.assay.name if isinstance(library.assay, Assay) else library.assay
    rng = stage_rng(world.seed, "drawn", library.cell_type, assay, str(library.batch), str(library.draw))
    depth, batch = world.settings.depth, library.batch
    fragments = sample_library(world, library.cell_type, library.assay, depth=depth, batch=batch, rng=rng)
    edges = np.append(np.arange(0, length, bin_size), length)
    binned = {}
    for chrom, values in world.split(coverage(world, fragments)).items():
        summed = np.concatenate([[0.0], np.cumsum(values) * resolution])
        binned[chrom] = np.diff(np.interp(edges, np.arange(len(summed)) * resolution, summed)) / np.diff(edges)
    return binned


def expected_bins(world: World, library: Library, bin_size: int) -> dict[str, np.ndarray]:
    """Give the expectation of `library_bins` over all draws: the same shape."""
    depth = world.settings.depth
    return expected_coverage(world, library.cell_type, library.assay, bin_size, depth=depth, batch=library.batch)


def with_libraries(task: Task, libraries: Mapping[str, Library], *, expected: bool = False) -> Task:
    """Put drawn libraries in the place of a simulated task's tracks.

    Parameters
    ----------
    task : Task
        From `task_for_seed`, of a simulated data set; its settings need to have the cell types.
    libraries : mapping of str to Library
        Names of the new tracks, and what to draw for each.
    expected : bool
        Put the expected coverage that each is drawn from in the place of the library: what no model can surpass.

    Returns
    -------
    Task
        With the same sequence, windows and split; targets are mean coverage.

    Raises
    ------
    NotForThisDataset
        If the data set is not simulated.
    InputError
        If a library is not simulated, or none is named.
    """
    if not libraries:
        raise InputError("no library is named: name one at least")
    world = task.world()
    columns = []
    for library in libraries.values():
        binned = (expected_bins if expected else library_bins)(world, library, task.prepared.bin_size)
        columns.append(np.concatenate([binned[chrom] for chrom in task.prepared.lengths]))
    targets = np.stack(columns, axis=1).astype(np.float32)
    return replace(task, prepared=replace(task.prepared, targets=targets, tracks=tuple(libraries)))
