"""Worlds that several tests look at, each made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.data.simulation import SimulationSettings, World, make_world, simulate

SMALL = SimulationSettings(n_chromosomes=2, chromosome_length=200_000, n_cell_types=3)


@pytest.fixture(scope="session")
def small() -> SimulationSettings:
    return SMALL


@pytest.fixture(scope="session")
def world() -> World:
    """Two chromosomes of 200 kb, three cell types, a tenth of them duplicated."""
    return make_world(SMALL.replace(duplication_share=0.15), 3)


@pytest.fixture(scope="session")
def default_world() -> World:
    """The default genome, seed 0."""
    return make_world(SimulationSettings(), 0)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files of a small data set, seed 3."""
    return simulate(SMALL.replace(duplication_share=0.15), 3, tmp_path_factory.mktemp("simulated") / "set")


@pytest.fixture(scope="session")
def variant_world() -> Callable[..., World]:
    """Make a small world with some settings changed."""
    return lambda **changes: make_world(SMALL.replace(**changes), 3)
