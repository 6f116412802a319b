"""A simulated genome with its answer key: real files in real formats, and the truth written beside them.

`simulate(settings, seed, folder)` writes a data set, `simulated_folder(seed, settings)` keeps it in the cache,
`make_world(settings, seed)` gives the same world in memory, from which `sample_library` draws further libraries at any depth and
batch, and `expected_coverage` tells the true rate.

How the world works
-------------------
An element is a cluster of 3 to 6 motif instances with 10 to 40 bp between them. Its rate in a cell type is exp of a sum: what the
sequence encodes (each instance: occupancy, from its matrix score, times effect times the factor's activity in the cell type;
preferred flanking bases; a bonus for two AP-1 sites at close spacing), a locus effect that no sequence encodes and all cell types
share, and a little noise. Single motifs outside elements exist by chance, as in real genomes, and have no effect; neither has a
motif that a mutation creates where no instance was. Copies made by segmental duplication carry the elements with them: their rate
follows from their own, mutated sequence, their locus effect is their own. Gene expression comes from the promoter, from linked
elements, and from a component that no sequence encodes.

Decoys are planted instances of two words that no factor reads, outside elements: a model that learned where motifs stand, not
what they do, falls for them.

Switches: one cause each, for worlds in which what rests on it must fail
-------------------------------------------------------------------------
==============================  =================================================================================
`settings.replace(...)`         what is then absent
==============================  =================================================================================
motif_effects=False             any effect of motifs: the instances lie scattered, elements are open without them
motif_log_effect=0              the instances' own effect (flanks and cooperativity stay)
flank_log_effect=0              the effect of flanking bases
cooperativity_log_bonus=0       cooperativity, hence the effect of spacing
cell_type_differences=False     differences between cell types, but for noise
locus_effect_sd=0               the locus effect shared by cell types: what memorisation lives on
cell_noise_sd=0                 unexplained differences between cell types
decoys_per_mb=0                 decoys
decoys_in_elements=True         (a caution, not a null) decoys lie in elements and are confounded with activity
duplication_share=0             duplicated sequence
duplication_elsewhere=0         duplicated sequence on other chromosomes
repeat_share=0                  interspersed repeats
isochore_gc=(0.42, 0.42)        regional differences of GC (with local_gc_sd=0: local ones)
cpg_islands=False               CpG islands
cpg_ratio=1                     CpG depletion
telomere_gap=0                  runs of N at the chromosome ends (internal_gaps=0: inside)
gc_bias="none"                  dependence of sequencing on GC
mappability_loss=0              loss of reads in repeated sequence
depth_log_sd=0                  differences of depth between cell types
n_batches=1                     batches (or batch_gc_slope_sd=0 and batch_frip_log_sd=0: no difference between them)
frip=0                          signal: every library is background
artefacts_per_mb=0              artefact towers and the exclusion list
gene_effect_sd=0                the part of expression that no sequence encodes
link_share=0                    links from elements to genes; a large link_tail: hubs
nan_stretches=False             explicit NaN in the tracks
write_zeros=True                uncovered bases: every base has a value
zoom_levels=0                   zoom summaries in the bigWig files
==============================  =================================================================================

What is reproducible
--------------------
The same settings and seed give the same files byte for byte on one machine, with any number of threads, whichever other files are
asked for. Every stage draws from its own stream, so that a change of depth does not change the sequence, and fewer cell types do
not change cell type A's rates or libraries. Rates are rounded before anything is drawn from them, so that the last digit of `exp`
on another processor does not matter, unless it falls on the edge of rounding: then a few fragments in a million could differ. The
sequence has no such dependence except through square roots, which are exact. `digest.json` lies beside the files.
"""

from helpers.data.simulation.assays import ASSAYS, Assay, expected_coverage, fragment_rates, sample_library
from helpers.data.simulation.motifs import (
    FACTORS,
    MOTIFS,
    Motif,
    consensus,
    factor_activity,
    meme_text,
    motif_named,
    occupancy,
    scan,
)
from helpers.data.simulation.outputs import output_names
from helpers.data.simulation.settings import SimulationSettings, stage_rng
from helpers.data.simulation.truth import TRUTH_COLUMNS, read_truth, truth_table
from helpers.data.simulation.world import World, make_world, true_log_rates
from helpers.data.simulation.write import content_digest, simulate, simulated_folder

__all__ = [
    "ASSAYS",
    "FACTORS",
    "MOTIFS",
    "TRUTH_COLUMNS",
    "Assay",
    "Motif",
    "SimulationSettings",
    "World",
    "consensus",
    "content_digest",
    "expected_coverage",
    "factor_activity",
    "fragment_rates",
    "make_world",
    "meme_text",
    "motif_named",
    "occupancy",
    "output_names",
    "read_truth",
    "sample_library",
    "scan",
    "simulate",
    "simulated_folder",
    "stage_rng",
    "true_log_rates",
    "truth_table",
]
