"""Which values the settings of the simulated genome may have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from helpers.errors import InputError

Range = tuple[float, float]

#: Lowest and highest value of the plain numbers; both ends are allowed.
_LIMITS: dict[str, Range] = {
    "n_chromosomes": (1, 100),
    "chromosome_length": (100_000, 250_000_000),
    "n_cell_types": (1, 26),
    "local_gc_sd": (0, 0.1),
    "cpg_ratio": (0.05, 1),
    "island_gc": (0.4, 0.8),
    "island_cpg_ratio": (0.05, 1),
    "telomere_gap": (0, 20_000),
    "internal_gaps": (0, 100),
    "repeat_share": (0, 0.5),
    "duplication_share": (0, 0.25),
    "duplication_elsewhere": (0, 1),
    "elements_per_mb": (0, 600),
    "decoys_per_mb": (0, 2_000),
    "housekeeping_share": (0, 1),
    "insulator_share": (0, 1),
    "motif_log_effect": (0, 3),
    "occupancy_midpoint": (1, 12),
    "flank_log_effect": (0, 3),
    "flank_share": (0, 1),
    "cooperativity_log_bonus": (0, 3),
    "pair_share": (0, 1),
    "locus_effect_sd": (0, 3),
    "cell_noise_sd": (0, 3),
    "unencoded_log_rate": (0, 6),
    "active_log_rate": (-5, 8),
    "depth": (0.0001, 2),
    "depth_log_sd": (0, 1),
    "frip": (0, 0.95),
    "gc_bias_mode": (0.2, 0.8),
    "gc_bias_width": (0.05, 1),
    "gc_bias_slope": (-20, 20),
    "mappability_loss": (0, 1),
    "read_length": (20, 150),
    "n_batches": (1, 26),
    "batch_gc_slope_sd": (0, 20),
    "batch_frip_log_sd": (0, 1),
    "artefacts_per_mb": (0, 10),
    "signal_resolution": (1, 50),
    "peak_neglog10p": (0.5, 100),
    "zoom_levels": (0, 10),
    "genes_per_mb": (0, 40),
    "gene_effect_sd": (0, 5),
    "link_share": (0, 1),
    "link_tail": (0.5, 10),
    "variants_per_mb": (0, 1_000),
    "n_reads": (0, 1_000_000),
}


def checked(name: str, value: Any, default: Any) -> Any:
    """Value of one field in the type of its default, or an InputError."""
    if isinstance(default, tuple):
        return _checked_range(name, value)
    if isinstance(default, bool) or isinstance(value, bool):
        if not (isinstance(default, bool) and isinstance(value, bool)):
            raise InputError(f"settings: {name}={value!r} must be {_kind(default)}")
        return value
    if isinstance(default, str):
        return _checked_word(name, value, default)
    whole = isinstance(default, int)
    if (
        not isinstance(value, (int, float, np.integer, np.floating))
        or not math.isfinite(value)
        or (whole and value != int(value))
    ):
        raise InputError(f"settings: {name}={value!r} must be {_kind(default)}")
    low, high = _LIMITS[name]
    if not low <= value <= high:
        raise InputError(f"settings: {name}={value!r} is outside {low:g} to {high:g}: choose a value within")
    return int(value) if whole else float(value)


def _kind(default: object) -> str:
    """Say the type of a field in words."""
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}[type(default)]


def _checked_range(name: str, value: Any) -> Range:
    """Take a (lowest, highest) pair of numbers."""
    numbers = list(value) if isinstance(value, (list, tuple)) else []
    fine = len(numbers) == 2 and all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers)
    if not fine or not 0 <= numbers[0] <= numbers[1]:
        raise InputError(f"settings: {name}={value!r} must be two numbers, the lowest and the highest")
    return (numbers[0], numbers[1])


def _checked_word(name: str, value: Any, default: str) -> str:
    """Take one of the few words that a field knows."""
    allowed = {"version": (default,), "gc_bias": ("unimodal", "exponential", "none")}[name]
    if value not in allowed:
        raise InputError(f"settings: {name}={value!r} is not known: choose from {', '.join(allowed)}")
    return str(value)


def check_together(settings: Mapping[str, Any]) -> None:
    """Check what one field asks of another."""
    if settings["chromosome_length"] % settings["signal_resolution"]:
        raise InputError(
            f"settings: signal_resolution={settings['signal_resolution']} does not divide "
            f"chromosome_length={settings['chromosome_length']}: choose a divisor"
        )
    if settings["housekeeping_share"] + settings["insulator_share"] > 1:
        raise InputError("settings: housekeeping_share and insulator_share together exceed 1: lower one")
    for name, least, most in (
        ("spacing", 6, 100), ("cooperative_gap", 6, 100), ("isochore_gc", 0.2, 0.7), ("isochore_length", 10_000, 1e8), ("domain_length", 20_000, 1e8),
        ("duplication_length", 1_000, 50_000), ("duplication_divergence", 0, 0.3), ("repeat_divergence", 0, 0.4),
        ("island_length", 200, 3_000), ("internal_gap_length", 10, 50_000),
    ):  # fmt: skip
        low, high = settings[name]
        if low < least or high > most:
            raise InputError(f"settings: {name}={(low, high)} is outside {least:g} to {most:g}: choose values within")
