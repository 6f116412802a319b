"""The settings of the simulated genome: one frozen dataclass, checked when it is made."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import zlib
from typing import Any

import numpy as np

from helpers.data.simulation.limits import check_together, checked
from helpers.errors import InputError

CELL_TYPE_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class SimulationSettings:
    """What the simulated genome is like. Every field carries its unit; every cause can be switched off (table in the package's docstring).

    Values are typical of a mammalian genome, made denser about ten times so that 9.6 Mb hold enough regulatory elements to train on.
    """

    version: str = "1"
    """Version of these defaults and of the generator: another version is another genome."""

    # Size
    n_chromosomes: int = 8
    """Number of chromosomes, named chr1, chr2, ..."""
    chromosome_length: int = 1_200_000
    """Length of each chromosome, bp."""
    n_cell_types: int = 6
    """Number of cell types, named A, B, ... (at most 26)."""

    # Sequence
    isochore_gc: Range = (0.36, 0.52)
    """Lowest and highest GC fraction of an isochore (Bernardi 2000: families L1 to H3)."""
    isochore_length: Range = (100_000, 300_000)
    """Shortest and longest isochore, bp."""
    local_gc_sd: float = 0.02
    """Standard deviation of the GC fraction between 2-kb stretches of one isochore."""
    cpg_ratio: float = 0.24
    """Observed / expected CpG outside islands (about 0.2-0.25 in human; Lander 2001). 1 switches the depletion off."""
    cpg_islands: bool = True
    """Whether housekeeping elements lie in CpG islands."""
    island_gc: float = 0.65
    """GC fraction of a CpG island (Gardiner-Garden and Frommer 1987: above 0.5; human mean 0.65)."""
    island_cpg_ratio: float = 0.8
    """Observed / expected CpG in an island."""
    island_length: Range = (300, 1_500)
    """Shortest and longest CpG island, bp."""
    telomere_gap: int = 10_000
    """Run of N at each chromosome end, bp (10 kb in GRCh38)."""
    internal_gaps: int = 2
    """Further runs of N per chromosome."""
    internal_gap_length: Range = (500, 10_000)
    """Shortest and longest internal run of N, bp."""
    repeat_share: float = 0.25
    """Share of the genome in interspersed repeats (human: about 0.45, of which most is older than 20 % divergence)."""
    repeat_divergence: Range = (0.05, 0.20)
    """Lowest and highest share of bases in which a repeat copy differs from its family's consensus."""
    duplication_share: float = 0.06
    """Share of the genome in copies made by segmental duplication, without their origins (human, copies and origins together: 0.05-0.07; Bailey
    2002, Vollger 2022)."""
    duplication_length: Range = (5_000, 20_000)
    """Shortest and longest copied segment, bp."""
    duplication_divergence: Range = (0.01, 0.04)
    """Lowest and highest share of bases in which a copy differs from its source."""
    duplication_elsewhere: float = 0.5
    """Share of the copies that land on another chromosome than their source."""

    # Regulation
    elements_per_mb: float = 300.0
    """Regulatory elements planted per Mb, promoters and domain boundaries included."""
    decoys_per_mb: float = 500.0
    """Instances of motifs that do nothing, per Mb."""
    decoys_in_elements: bool = False
    """True puts the decoys into elements, where they are confounded with activity; False keeps them outside."""
    housekeeping_share: float = 0.12
    """Share of housekeeping elements among those that are neither promoters nor boundaries."""
    insulator_share: float = 0.08
    """Share of CTCF elements among those that are neither promoters nor boundaries."""
    motif_effects: bool = True
    """False scatters the motif instances over the genome, away from elements, and no sequence has an effect."""
    cell_type_differences: bool = True
    """False gives every cell type the factor activities of cell type A."""
    spacing: Range = (10, 40)
    """Fewest and most bases between neighbouring motif instances of an element, bp."""
    motif_log_effect: float = 0.8
    """What one fully bound instance of a fully active factor adds to the natural log of an element's rate."""
    occupancy_midpoint: float = 5.0
    """How far below its best score a motif is bound half of the time, bits."""
    flank_log_effect: float = 0.4
    """What a full match of the preferred flanking bases adds to the log rate, for factors that have any."""
    flank_share: float = 0.5
    """Probability that a planted instance carries a preferred flanking base, for each of them; the others are background."""
    cooperativity_log_bonus: float = 1.0
    """What two bound neighbouring AP-1 sites at close spacing add to the log rate beyond their sum."""
    cooperative_gap: Range = (6, 18)
    """Fewest and most bases between two AP-1 sites that cooperate, bp."""
    pair_share: float = 0.35
    """Share of enhancers with a planted AP-1 pair; every other pair stands too far apart to cooperate."""
    locus_effect_sd: float = 0.4
    """Standard deviation of an element's own log effect: shared by all cell types, not written in the sequence."""
    cell_noise_sd: float = 0.2
    """Standard deviation of the log effect of an element in one cell type that nothing explains."""
    unencoded_log_rate: float = 3.0
    """Log rate of every element where `motif_effects` is False, before locus effect and noise."""
    active_log_rate: float = 3.0
    """An element is called active in a cell type from this log rate on (expected coverage at its summit about three times the background's)."""

    # Assays
    depth: float = 0.03
    """Fragments per bp of genome in a library (0.03 is 93 million fragments of a human genome)."""
    depth_log_sd: float = 0.2
    """Standard deviation of the natural log of depth between the cell types' libraries; A has `depth` itself."""
    frip: float = 0.4
    """Expected fraction of the fragments that come from elements (broad assay: gene bodies)."""
    gc_bias: str = "unimodal"
    """How sequencing depends on the GC of a fragment: `unimodal` (Benjamini and Speed 2012), `exponential` or `none`."""
    gc_bias_mode: float = 0.5
    """GC fraction that sequences best, of the unimodal bias."""
    gc_bias_width: float = 0.15
    """Standard deviation of the unimodal bias, GC fraction."""
    gc_bias_slope: float = 3.0
    """Slope of the exponential bias: natural log of the rate per unit of GC fraction."""
    mappability_loss: float = 0.9
    """Probability that a fragment is lost whose read occurs elsewhere in the genome."""
    read_length: int = 50
    """Length of a read, bp: what decides whether a place is mappable, and the length of the reads in the FASTQ."""
    n_batches: int = 2
    """Batches the cell types' libraries were made in (A in batch 0, B in 1, and so on in turn)."""
    batch_gc_slope_sd: float = 2.0
    """Standard deviation of a batch's own exponential GC slope; batch 0 has none."""
    batch_frip_log_sd: float = 0.15
    """Standard deviation of the natural log of FRiP between batches; batch 0 has `frip` itself."""
    artefacts_per_mb: float = 2.0
    """Towers of reads from collapsed repeats, per Mb: in every library and in the control; the exclusion list."""

    # Tracks
    signal_resolution: int = 10
    """Width of the bins at which rates are defined and tracks are written, bp; must divide `chromosome_length`."""
    peak_neglog10p: float = 3.0
    """Peaks are runs of bins with at least this -log10 p (near a false discovery rate of 5 %, MACS' default, in tracks like these)."""
    zoom_levels: int = 10
    """Zoom levels of the bigWig files; 0 writes none."""
    write_zeros: bool = False
    """True writes a value for every base; False leaves out what no fragment covers."""
    nan_stretches: bool = True
    """Whether -log10 p and fold change hold an explicit NaN over gaps and unmappable stretches."""

    # Genes, links, variants
    genes_per_mb: float = 15.0
    """Genes per Mb (human: about 7 that code for protein, 20 with the others)."""
    domain_length: Range = (100_000, 200_000)
    """Shortest and longest topological domain, bp (human: 100 kb to 1 Mb)."""
    gene_effect_sd: float = 1.2
    """Standard deviation of a gene's own log expression: shared by all cell types, not written in the sequence (the encoded part has about 1)."""
    link_share: float = 0.4
    """Share of the elements that act on genes."""
    link_tail: float = 1.5
    """Exponent of the Pareto law of an element's number of target genes: smaller makes larger hubs."""
    variants_per_mb: float = 100.0
    """Single-base variants per Mb: in motifs, in flanks, in decoys and in neutral places."""
    n_reads: int = 10_000
    """Raw reads of cell type A in the FASTQ file."""

    def __post_init__(self) -> None:
        """Check every value and turn lists (from YAML) into tuples."""
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, checked(field.name, getattr(self, field.name), field.default))
        check_together(dataclasses.asdict(self))

    def replace(self, **changes: Any) -> SimulationSettings:
        """Return a copy with some fields changed.

        Raises
        ------
        InputError
            For a name that is no setting (with the nearest one that is), or a value that cannot be.
        """
        names = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(names)}"
                raise InputError(f"settings: there is no setting {name!r}: {hint}")
        return dataclasses.replace(self, **changes)

    def digest(self) -> str:
        """Hexadecimal digest (16 characters) of all values, the version included."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def cell_types(self) -> tuple[str, ...]:
        """Names of the cell types: A, B, ..."""
        return tuple(CELL_TYPE_LETTERS[: self.n_cell_types])

    @property
    def chromosomes(self) -> tuple[str, ...]:
        """Names of the chromosomes: chr1, chr2, ..."""
        return tuple(f"chr{number}" for number in range(1, self.n_chromosomes + 1))

    @property
    def genome_length(self) -> int:
        """Length of all chromosomes together, bp."""
        return self.n_chromosomes * self.chromosome_length

    @property
    def megabases(self) -> float:
        """Length of all chromosomes together, Mb."""
        return self.genome_length / 1e6


def stage_rng(seed: int, *stage: str) -> np.random.Generator:
    """Random generator of one named stage, such as `stage_rng(0, "library", "atac", "A")`.

    Stages are independent: what one stage draws, or whether it runs at all, never changes another.

    Raises
    ------
    InputError
        For a seed that is not a whole number from 0 on.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed={seed!r} must be a whole number, 0 or larger")
    key = tuple(zlib.crc32(word.encode()) for word in stage)
    return np.random.default_rng(np.random.SeedSequence(int(seed), spawn_key=key))
