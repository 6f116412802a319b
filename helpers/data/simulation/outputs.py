"""The files of a simulated data set: which there are, and how each is made from a world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from helpers.data.simulation import tracks
from helpers.data.simulation.assays import draw_fragments
from helpers.data.simulation.genome import COMPLEMENT
from helpers.data.simulation.layout import rows_of
from helpers.data.simulation.settings import SimulationSettings, stage_rng
from helpers.data.simulation.truth import truth_table
from helpers.data.simulation.world import World
from helpers.files.bed import write_bed
from helpers.files.bigwig_write import write_bigwig
from helpers.files.fasta import write_fasta
from helpers.files.reads import Read, phred_to_error, write_fastq, write_fragments
from helpers.files.runs import value_runs

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
GENOME_FILES = (
    "genome.fa",
    "exclusions.bed",
    "genes.tsv",
    "domains.bed",
    "links.tsv",
    "variants.vcf",
    "truth.parquet",
    "reads.fastq.gz",
)
#: Files that only cell type A has.
DEEP_FILES = (
    "atac_A.fold_change.bw", "atac_A.fragments.bed.gz", "atac_A.control.fragments.bed.gz", "atac_A.control.bw",
    "atac_A_rep1.coverage.bw", "atac_A_rep2.coverage.bw", "h3k36me3_A.coverage.bw", "h3k36me3_A.neglog10p.bw",
)  # fmt: skip
CELL_TYPE_FILES = ("atac_{}.coverage.bw", "atac_{}.neglog10p.bw", "atac_{}.peaks.narrowPeak")


def output_names(settings: SimulationSettings) -> tuple[str, ...]:
    """Names of all files of a data set, in the order in which they are written."""
    per_cell_type = [name.format(letter) for letter in settings.cell_types for name in CELL_TYPE_FILES]
    return (*GENOME_FILES, *per_cell_type, *DEEP_FILES)


class Bench:
    """Makes the files of one world, drawing each library once. What is made does not depend on what else is made."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._fragments: dict[tuple[str, str, str], tuple[Places, Places]] = {}
        self._scores: dict[str, tuple[Floats, Floats, Floats]] = {}

    def fragments(self, cell_type: str, assay: str = "atac", replicate: str = "") -> tuple[Places, Places]:
        """Library of a cell type, global starts and ends; replicates are independent draws from the same rate."""
        key = (cell_type, assay, replicate)
        if key not in self._fragments:
            rng = stage_rng(self.world.seed, "library", *key)
            self._fragments[key] = draw_fragments(self.world, cell_type, assay, rng=rng)
        return self._fragments[key]

    def pileup(self, cell_type: str, assay: str = "atac", replicate: str = "") -> Floats:
        """Coverage of a library, per bin."""
        return tracks.pileup(self.world, *self.fragments(cell_type, assay, replicate))

    @cached_property
    def control(self) -> Floats:
        """Coverage of the control library, which all others are compared with."""
        return self.pileup("A", "control")

    def scores(self, cell_type: str, assay: str = "atac") -> tuple[Floats, Floats, Floats]:
        """Coverage, fold change and -log10 p of a library against the control, per bin."""
        key = f"{assay}_{cell_type}"
        if key not in self._scores:
            pileup = self.pileup(cell_type, assay)
            background = tracks.local_lambda(self.world, pileup, self.control)
            gone = tracks.missing(self.world)
            fold, p_value = tracks.fold_change(pileup, background), tracks.neglog10_p(pileup, background)
            fold[gone] = p_value[gone] = np.nan
            self._scores[key] = pileup, fold, p_value
        return self._scores[key]

    def forget(self, cell_type: str) -> None:
        """Drop what is kept of a cell type that no later file needs."""
        self._scores = {key: value for key, value in self._scores.items() if not key.endswith(f"_{cell_type}")}
        self._fragments = {key: value for key, value in self._fragments.items() if key[0] != cell_type}

    def write(self, name: str, path: Path) -> None:
        """Write one of `output_names` to a path."""
        if name in GENOME_FILES:
            _WRITERS[name](self, path)
        elif name.endswith(".bw"):
            self._write_track(self._track(name), path)
        elif name.endswith(".narrowPeak"):
            cell_type = name.split(".")[0].removeprefix("atac_")
            _, fold, p_value = self.scores(cell_type)
            write_bed(path, tracks.call_peaks(self.world, p_value, fold, f"atac_{cell_type}_peak"))
        else:
            start, end = self.fragments("A", "control" if "control" in name else "atac")
            write_fragments(path, self.world.located(pd.DataFrame({"start": start, "end": end})))

    def _track(self, name: str) -> Floats:
        """Values per bin of a bigWig file."""
        library, *_, measure, _ = name.split(".")
        if measure == "control":
            return self.control
        assay, cell_type, *replicate = library.split("_")
        if replicate:
            return self.pileup(cell_type, assay, replicate[0])
        if measure == "coverage":
            return self.pileup(cell_type, assay)
        _, fold, p_value = self.scores(cell_type, assay)
        return fold if measure == "fold_change" else p_value

    def _write_track(self, values: Floats, path: Path) -> None:
        """Write bins as intervals of equal value."""
        settings = self.world.settings
        intervals = {
            chrom: value_runs(part, settings.signal_resolution, zeros=settings.write_zeros)
            for chrom, part in self.world.split(values).items()
        }
        write_bigwig(path, self.world.lengths, intervals, zoom_levels=settings.zoom_levels)


def _genome(bench: Bench, path: Path) -> None:
    """FASTA."""
    write_fasta(path, {chrom: bench.world.codes(chrom) for chrom in bench.world.chromosomes})


def _exclusions(bench: Bench, path: Path) -> None:
    """Artefact towers as an exclusion list (Amemiya 2019); gaps are not in it, the sequence shows them."""
    table = bench.world.located(bench.world.layout.artefacts[["start", "end"]])
    write_bed(path, table.assign(name="High Signal Region"))


def _domains(bench: Bench, path: Path) -> None:
    """Topological domains; they tile each chromosome."""
    table = bench.world.located(bench.world.layout.domains)
    write_bed(path, table.assign(name=[f"domain{row}" for row in range(len(table))]))


def _genes(bench: Bench, path: Path) -> None:
    """Genes, one a line, with the natural log of expression per cell type."""
    world = bench.world
    table = world.located(world.layout.genes)
    table["strand"] = np.where(table["strand"] == 1, "+", "-")
    table["tss"] %= world.settings.chromosome_length
    table["domain"] = [f"domain{row}" for row in table["domain"]]
    table.insert(4, "name", [f"gene{row}" for row in range(len(table))])
    for number, letter in enumerate(world.cell_types):
        table[f"expression_{letter}"] = world.expression[:, number]
    _write_tsv(table, path)


def _links(bench: Bench, path: Path) -> None:
    """Links from elements to genes, and from the variants in them: what a QTL study finds.

    Columns: kind (element or variant), source, gene, element, distance (bp; -1 on another chromosome), same_domain, weight (change of the gene's
    log expression per unit of the element's log rate), then effect_A, ...: of a variant, the change of the gene's log expression.
    """
    world, links = bench.world, bench.world.links
    element = links.assign(kind="element", source=[f"element{row}" for row in links["element"]])
    effects = pd.DataFrame(world.effects, columns=[f"effect_{letter}" for letter in world.cell_types])
    variant = (
        world.variants[["element"]]
        .join(effects)
        .assign(kind="variant", source=[f"variant{row}" for row in range(len(world.variants))])
    )
    variant = variant.merge(links, on="element")
    variant[effects.columns] = variant[effects.columns].mul(variant["weight"], axis=0).round(6)
    table = pd.concat([element, variant[variant["element"] >= 0]], ignore_index=True)
    table["gene"], table["element"] = [f"gene{row}" for row in table["gene"]], [f"element{row}" for row in table["element"]]
    table = table.reindex(columns=["kind", "source", "gene", "element", "distance", "same_domain", "weight", *effects.columns])
    _write_tsv(table, path)


def _variants(bench: Bench, path: Path) -> None:
    """VCF 4.2 with the true effect in every cell type."""
    world = bench.world
    lines = ["##fileformat=VCFv4.2", "##source=simulated", "##reference=genome.fa"]
    lines += [f"##contig=<ID={chrom},length={length}>" for chrom, length in world.lengths.items()]
    lines.append('##INFO=<ID=KIND,Number=1,Type=String,Description="motif, flank, decoy or neutral">')
    lines.append('##INFO=<ID=ELEMENT,Number=1,Type=String,Description="Element that the variant lies in">')
    for letter in world.cell_types:
        lines.append(
            f'##INFO=<ID=EFFECT_{letter},Number=1,Type=Float,Description="True change of natural log rate in cell type {letter}">'
        )
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    length = world.settings.chromosome_length
    for row, effect in zip(rows_of(world.variants), world.effects, strict=True):
        info = [f"KIND={row.kind}"] + ([f"ELEMENT=element{row.element}"] if row.element >= 0 else [])
        info += [f"EFFECT_{letter}={value + 0.0:.6g}" for letter, value in zip(world.cell_types, effect, strict=True)]
        place = (
            world.chromosomes[row.position // length],
            row.position % length + 1,
            f"variant{row.Index}",
            "ACGT"[row.ref],
            "ACGT"[row.alt],
        )
        lines.append("\t".join([*map(str, place), ".", "PASS", ";".join(info)]))
    path.write_text("\n".join(lines) + "\n")


def _truth(bench: Bench, path: Path) -> None:
    """Answer key."""
    truth_table(bench.world).to_parquet(path, index=False)


def _write_tsv(table: pd.DataFrame, path: Path) -> None:
    """Tab-separated text with a header line; empty where there is no value."""
    table.to_csv(path, sep="\t", index=False, lineterminator="\n", float_format="%.6g")


def _reads(bench: Bench, path: Path) -> None:
    """Raw reads from either end of fragments of cell type A. Quality falls along the read (37 to 30 on average), and errors follow it."""
    world, settings = bench.world, bench.world.settings
    rng, length, count = stage_rng(world.seed, "reads"), settings.read_length, settings.n_reads
    first, last = bench.fragments("A")
    long = np.flatnonzero(last - first >= length)
    chosen = long[rng.integers(len(long), size=count if len(long) else 0)]
    forward = rng.random(len(chosen)) < 0.5
    start = np.where(forward, first[chosen], last[chosen] - length)
    bases = world.flat[start[:, None] + np.arange(length)]
    bases = np.where(forward[:, None], bases, COMPLEMENT[bases[:, ::-1]])
    fall = 37 - 7 * (np.arange(length) / max(length - 1, 1)) ** 2
    noise = rng.normal(0, 2, (len(chosen), 1)) + rng.normal(0, 2.5, bases.shape)
    quality = np.clip(np.round(fall + noise), 2, 41).astype(np.uint8)
    wrong = rng.random(bases.shape) < phred_to_error(quality)
    bases = np.where(wrong, (bases + rng.integers(1, 4, size=bases.shape)) % 4, bases)
    text = np.array(list(b"ACGTN"), dtype=np.uint8)[bases]
    places = world.located(pd.DataFrame({"start": start, "end": start + length}))
    names = [
        f"read{row.Index}:{row.chrom}:{row.start}-{row.end}:{'+' if ahead else '-'}"
        for row, ahead in zip(rows_of(places), forward, strict=True)
    ]
    write_fastq(
        path, [Read(name, row.tobytes().decode(), scores) for name, row, scores in zip(names, text, quality, strict=True)]
    )


_WRITERS: dict[str, Callable[[Bench, Path], None]] = {
    "genome.fa": _genome, "exclusions.bed": _exclusions, "genes.tsv": _genes, "domains.bed": _domains, "links.tsv": _links,
    "variants.vcf": _variants, "truth.parquet": _truth, "reads.fastq.gz": _reads,
}  # fmt: skip
