"""A simulated genome with its answer key: real files in real formats, and the truth written beside them."""

from helpers.data.simulation.assays import ASSAYS, expected_coverage, fragment_rates, sample_library
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
