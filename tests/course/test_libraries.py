"""Libraries of lesson 12: counts follow the rates of class and batch."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.course.libraries import draw_libraries, window_rates
from helpers.data.simulation import SimulationSettings, World, fragment_rates, make_world
from helpers.errors import InputError

WINDOW = 1_000


@pytest.fixture(scope="module")
def world() -> World:
    settings = SimulationSettings().replace(n_chromosomes=2, chromosome_length=100_000, n_cell_types=2, artefacts_per_mb=0.0)
    return make_world(settings, 4)


def test_rates_of_windows_are_sums_of_rates_of_bins(world: World) -> None:
    rates = window_rates(world, WINDOW, "B", 1)
    bins = sum(fragment_rates(world, "B", "atac", depth=world.settings.depth, batch=1))
    assert rates.shape == (200,)
    assert rates[7] == pytest.approx(np.asarray(bins)[700:800].sum())
    assert rates.sum() == pytest.approx(world.settings.depth * 200_000)


def test_counts_have_the_mean_of_their_class_and_batch(world: World) -> None:
    count, share = 400, 0.5
    for label, batch in ((0, 0), (1, 1)):
        drawn = draw_libraries(
            world, WINDOW, np.full(count, label), np.full(count, batch), np.random.default_rng(1), share=share, donor_sd=0.0
        )
        a, b = (window_rates(world, WINDOW, name, batch) for name in "AB")
        expected = a + label * share * (b - a)
        assert drawn.shape == (count, 200)
        assert np.abs((drawn.mean(axis=0) - expected) / np.sqrt(np.maximum(expected, 0.01) / count)).max() < 5
        assert drawn[:, expected > 1].var(axis=0).mean() == pytest.approx(expected[expected > 1].mean(), rel=0.05)


def test_donors_differ_without_moving_the_mean(world: World) -> None:
    drawn = draw_libraries(
        world, WINDOW, np.zeros(500, int), np.zeros(500, int), np.random.default_rng(2), share=0.1, donor_sd=0.5
    )
    rate = window_rates(world, WINDOW)
    high = rate > np.quantile(rate, 0.9)
    assert drawn[:, high].mean() == pytest.approx(rate[high].mean(), rel=0.03)
    variance = rate[high] + rate[high] ** 2 * np.expm1(0.25)
    assert drawn[:, high].var(axis=0).mean() == pytest.approx(variance.mean(), rel=0.2)


def test_bad_input(world: World) -> None:
    with pytest.raises(InputError, match="window is 15 bp"):
        window_rates(world, 15)
    with pytest.raises(InputError, match="window is 0 bp"):
        window_rates(world, 0)
    for classes, batches in (([0, 2], [0, 0]), ([0, 1], [0])):
        with pytest.raises(InputError, match="give 0 or 1, and a batch"):
            draw_libraries(world, WINDOW, classes, batches, np.random.default_rng(0), share=0.1)
