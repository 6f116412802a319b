"""Libraries drawn in memory: their bins, their expectation, and tasks that predict them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.course.drawn import Library, expected_bins, library_bins, with_libraries
from helpers.course.findings import NotForThisDataset
from helpers.course.tasks import Task, task_for_seed
from helpers.data.datasets import DataSet
from helpers.data.manifests import load_manifest
from helpers.data.schema import Splits
from helpers.data.simulation import ASSAYS, World, expected_coverage
from helpers.errors import InputError

SMALL = {"n_chromosomes": 3, "chromosome_length": 128_000, "n_cell_types": 2}


@pytest.fixture(scope="module")
def task() -> Task:
    manifest = load_manifest("simulated").model_copy(update={"splits": Splits(validation=["chr2"], test=["chr3"])})
    return task_for_seed(DataSet("simulated", manifest, {}, seed=0), 5, settings=SMALL)


@pytest.fixture(scope="module")
def world(task: Task) -> World:
    return task.world()


def test_same_library_is_the_same_and_another_draw_is_not(world: World) -> None:
    one, again, other = (library_bins(world, Library("A", draw=draw), 100)["chr1"] for draw in (0, 0, 1))
    assert one.shape == (1_280,)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert 0.5 < np.corrcoef(one, other)[0, 1] < 1


def test_mean_of_draws_is_the_expected_coverage(world: World) -> None:
    library = Library("B", batch=1)
    draws = [library_bins(world, replace(library, draw=draw), 3_200)["chr2"] for draw in range(30)]
    expected = expected_bins(world, library, 3_200)["chr2"]
    assert np.array_equal(expected, expected_coverage(world, "B", "atac", 3_200, depth=world.settings.depth, batch=1)["chr2"])
    assert np.mean(draws, axis=0) == pytest.approx(expected, rel=0.15, abs=0.1)


def test_bins_are_means_of_finer_bins_and_the_last_may_be_partial(world: World) -> None:
    fine, coarse = (library_bins(world, Library(), size)["chr3"] for size in (10, 30))
    assert len(coarse) == 4_267  # 128,000 / 30 = 4,266.7
    assert coarse[5] == pytest.approx(fine[15:18].mean())
    assert coarse[-1] == pytest.approx(fine[-2:].mean())


def test_an_assay_of_ones_own(world: World) -> None:
    flat = replace(ASSAYS["dnase"], log_rate_slope=0.0)
    usual, flattened = (expected_bins(world, Library(assay=assay), 200)["chr1"] for assay in ("dnase", flat))
    assert flattened.max() < usual.max()


def test_task_has_the_drawn_tracks(task: Task, world: World) -> None:
    libraries = {"here": Library("A"), "there": Library("B", batch=1)}
    made = with_libraries(task, libraries)
    assert made.prepared.tracks == ("here", "there")
    assert made.prepared.targets.dtype == np.float32
    assert made.split is task.split
    assert np.allclose(made.prepared.signal("there")["chr2"], library_bins(world, libraries["there"], 32)["chr2"], rtol=1e-6)
    rates = with_libraries(task, libraries, expected=True).only("here")
    assert np.allclose(rates.prepared.signal("here")["chr3"], expected_bins(world, Library("A"), 32)["chr3"], rtol=1e-6)


def test_bad_input(task: Task, world: World) -> None:
    with pytest.raises(InputError, match="no library is named"):
        with_libraries(task, {})
    with pytest.raises(InputError, match="assay='rna' is not simulated"):
        with_libraries(task, {"x": Library(assay="rna")})
    with pytest.raises(InputError, match="bin_size is 0"):
        library_bins(world, Library(), 0)
    with pytest.raises(NotForThisDataset, match="not simulated"):
        with_libraries(replace(task, data=replace(task.data, seed=None)), {"x": Library()})
