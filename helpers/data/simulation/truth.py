"""The answer key as one tidy table: `truth.parquet`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.data.simulation.layout import rows_of
from helpers.data.simulation.regulation import DECOYS, WIDTHS
from helpers.data.simulation.world import Floats, World, motif_names
from helpers.errors import InputError

#: Columns of the truth table before activity_A, activity_B, ... and their meaning.
TRUTH_COLUMNS: dict[str, str] = {
    "kind": "isochore, cpg_island, gap, repeat, duplication, domain, boundary, gene, element, motif, decoy, variant or artefact",
    "chrom": "chromosome",
    "start": "first base, 0-based",
    "end": "one past the last base",
    "strand": "+, - or . (a motif reads 5' to 3' on its strand; a duplication on - is inverted)",
    "name": "name of the row, such as element12; of a repeat, its family",
    "element": "the element that a motif, variant, island or boundary belongs to; empty if none",
    "motif": "the factor of a motif, decoy or variant",
    "role": "element: promoter, housekeeping, insulator, boundary, enhancer; gap: telomere, contig; variant: motif, flank, decoy, neutral",
    "source": "where a copy came from: of a duplication chrom:start-end, of an element the original's name; of a promoter's element its gene",
    "value": "isochore: GC fraction; repeat, duplication: divergence; artefact: fold; element: width of its peak (standard deviation, bp); gene: TSS",
    "ref": "reference base of a variant, forward strand",
    "alt": "alternative base of a variant, forward strand",
    "locus_effect": "natural log: of an element, shared by all cell types, not in the sequence",
    "score": "log-odds score of a motif instance in the final sequence, bits",
    "occupancy": "probability that it is bound when its factor is fully active",
    "flank": "share of its preferred flanking bases present",
}


def truth_table(world: World) -> pd.DataFrame:
    """List all that is true of a simulated world in one table, in order of place within each kind; columns: `TRUTH_COLUMNS`, then activity_A, ..."""
    layout, islands = world.layout, _islands(world)
    elements = pd.Series([f"element{row}" for row in range(len(world.elements))], dtype=object)
    parts = [
        _rows(world, layout.isochores, "isochore", value=layout.isochores["gc"]),
        _rows(world, islands, "cpg_island", element=islands["name"]),
        _rows(world, layout.gaps, "gap", role=layout.gaps["type"]),
        _rows(world, world.repeats, "repeat", name=world.repeats["name"], value=world.repeats["divergence"]),
        _rows(world, layout.duplications, "duplication", value=layout.duplications["divergence"], source=_sources(world)),
        _rows(world, layout.domains, "domain"),
        _boundaries(world, elements),
        _rows(world, layout.genes, "gene", world.expression, value=layout.genes["tss"] % world.settings.chromosome_length),
        _elements(world, elements),
        _motifs(world, elements),
        _rows(world, _with_end(world.decoys), "decoy", motif=motif_names(world.decoys["motif"].to_numpy(dtype=np.int64))),
        _variants(world, elements),
        _rows(world, layout.artefacts, "artefact", value=layout.artefacts["fold"]),
    ]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    for column in ("element", "motif", "role", "source", "ref", "alt"):
        table[column] = table[column].fillna("")
    return table


def _rows(world: World, table: pd.DataFrame, kind: str, activity: Floats | None = None, **columns: object) -> pd.DataFrame:
    """Rows of one kind, with all columns of the truth table."""
    local = world.located(table[["start", "end"]].reset_index(drop=True))
    rows = pd.DataFrame({"kind": kind, "chrom": local["chrom"], "start": local["start"], "end": local["end"]})
    strand = table["strand"].to_numpy() if "strand" in table else np.zeros(len(table))
    rows["strand"] = np.where(strand == 1, "+", np.where(strand == -1, "-", "."))
    rows["name"] = [f"{kind}{row}" for row in range(len(rows))]
    for name, values in columns.items():
        rows[name] = np.asarray(values)
    for number, letter in enumerate(world.cell_types):
        rows[f"activity_{letter}"] = np.nan if activity is None else activity[:, number]
    wanted = [*TRUTH_COLUMNS, *(f"activity_{letter}" for letter in world.cell_types)]
    numbers = ("value", "locus_effect", "score", "occupancy", "flank")
    return rows.assign(**{name: np.nan if name in numbers else "" for name in wanted if name not in rows})[wanted]


def _islands(world: World) -> pd.DataFrame:
    """Islands with the name of the element that they hold."""
    centre = world.layout.elements["centre"].to_numpy()[world.layout.islands["element"].to_numpy(dtype=np.int64)]
    originals = world.elements[world.elements["copy_of"] < 0]
    row = originals.index.to_numpy()[np.searchsorted(originals["centre"].to_numpy(), centre)]
    return world.layout.islands.assign(name=[f"element{number}" for number in row])


def _sources(world: World) -> list[str]:
    """Source of each duplication as chrom:start-end."""
    table = world.layout.duplications
    local = world.located(pd.DataFrame({"start": table["source_start"], "end": table["source_end"]}))
    return [f"{row.chrom}:{row.start}-{row.end}" for row in rows_of(local)]


def _boundaries(world: World, elements: pd.Series) -> pd.DataFrame:
    """Domain boundaries: the single base between two domains' elements, with the element that marks it."""
    rows = np.flatnonzero((world.elements["role"] == "boundary") & (world.elements["copy_of"] < 0))
    centre = world.elements["centre"].to_numpy()[rows]
    return _rows(world, pd.DataFrame({"start": centre, "end": centre + 1}), "boundary", element=elements.to_numpy()[rows])


def _elements(world: World, names: pd.Series) -> pd.DataFrame:
    """Elements, copies included."""
    table = world.elements
    gene, origin = table["gene"].to_numpy(), table["copy_of"].to_numpy()
    source = [f"element{a}" if a >= 0 else f"gene{b}" if b >= 0 else "" for a, b in zip(origin, gene, strict=True)]
    return _rows(
        world, table, "element", world.log_rates, element=names, role=table["role"], source=source,
        value=table["width"], locus_effect=table["locus_effect"],
    )  # fmt: skip


def _motifs(world: World, names: pd.Series) -> pd.DataFrame:
    """Motif instances in elements; decoys that were put into elements are called decoys."""
    table = _with_end(world.instances)
    activity = table[[f"activity_{letter}" for letter in world.cell_types]].to_numpy()
    rows = _rows(
        world, table, "motif", activity, element=names.to_numpy()[table["element"].to_numpy(dtype=np.int64)],
        motif=motif_names(table["motif"].to_numpy(dtype=np.int64)), score=table["score"], occupancy=table["occupancy"], flank=table["flank"],
    )  # fmt: skip
    return rows.assign(kind=np.where(table["motif"].isin(DECOYS), "decoy", rows["kind"]))


def _variants(world: World, names: pd.Series) -> pd.DataFrame:
    """Variants and their true effects."""
    table = world.variants
    letters = np.array(list("ACGTN"), dtype=object)
    places = pd.DataFrame({"start": table["position"], "end": table["position"] + 1})
    element = np.append(names.to_numpy(), "")[table["element"].to_numpy(dtype=np.int64)]
    return _rows(
        world, places, "variant", world.effects, element=element, role=table["kind"], motif=motif_names(table["motif"].to_numpy(dtype=np.int64)),
        ref=letters[table["ref"].to_numpy(dtype=np.int64)], alt=letters[table["alt"].to_numpy(dtype=np.int64)],
    )  # fmt: skip


def _with_end(table: pd.DataFrame) -> pd.DataFrame:
    """Motif instances with their end."""
    return table.assign(end=table["start"] + WIDTHS[table["motif"].to_numpy(dtype=np.int64)])


def read_truth(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the truth table of a simulated data set.

    Parameters
    ----------
    path : path
        A simulated folder, or its `truth.parquet`.

    Returns
    -------
    DataFrame
        Columns as in `TRUTH_COLUMNS`, then activity_A, activity_B, ...: natural logs, of an element its rate (compare with
        `active_log_rate`), of a motif what the instance adds on its own, of a gene its expression, of a variant the change of its
        element's log rate; NaN for other kinds.

    Raises
    ------
    InputError
        If there is no such file, or it is no truth table.
    """
    place = Path(path)
    file = place / "truth.parquet" if place.is_dir() else place
    if not file.is_file():
        raise InputError(f"{file}: there is no such truth table; simulate the folder with outputs that include truth.parquet")
    try:
        table = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not a readable Parquet file ({str(error).splitlines()[0]}): simulate it again") from error
    absent = [name for name in TRUTH_COLUMNS if name not in table]
    if absent:
        raise InputError(
            f"{file}: not a truth table, column {absent[0]!r} is missing: name the truth.parquet of a simulated folder"
        )
    return table.astype({"chrom": object, "kind": object})
