import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from helpers.data.simulation import World, expected_coverage, fragment_rates, sample_library
from helpers.data.simulation.assays import ASSAYS, batch_effect, cell_type_depth, length_distribution
from helpers.errors import InputError


def in_elements(world: World, table: pd.DataFrame, margin: int) -> np.ndarray:
    first = table["chrom"].map({name: number for number, name in enumerate(world.chromosomes)}) * world.settings.chromosome_length
    middle = (first + (table["start"] + table["end"]) // 2).to_numpy()
    centres = np.sort(world.elements["centre"].to_numpy())
    index = np.searchsorted(centres, middle)
    left, right = (
        np.abs(middle - centres[np.maximum(index - 1, 0)]),
        np.abs(centres[np.minimum(index, len(centres) - 1)] - middle),
    )
    return np.minimum(left, right) <= margin


def test_depth_and_frip_are_as_set(default_world: World) -> None:
    table = sample_library(default_world, "A", rng=1)
    assert list(table.columns) == ["chrom", "start", "end"]
    assert len(table) == pytest.approx(0.03 * 9.6e6, abs=5 * np.sqrt(0.03 * 9.6e6))
    nothing = sample_library(default_world, "A", "control", rng=1)
    # What the control has near elements is background; the rest of the excess is FRiP.
    near, background = in_elements(default_world, table, 400).mean(), in_elements(default_world, nothing, 400).mean()
    assert (near - background) / (1 - background) == pytest.approx(0.4, abs=0.02)
    assert sum(rate.sum() for rate in fragment_rates(default_world, "A")) == pytest.approx(288_000, rel=1e-6)


def test_fragments_are_sorted_inside_their_chromosome_and_off_gaps(world: World) -> None:
    table = sample_library(world, "B", depth=0.2, rng=2)
    assert (table["start"] >= 0).all()
    assert (table["end"] <= 200_000).all()
    size = table["end"] - table["start"]
    assert size.min() >= 30
    assert size.max() <= 600
    for chrom, rows in table.groupby("chrom"):
        assert rows["start"].is_monotonic_increasing
        unknown = np.concatenate([[0], np.cumsum(world.codes(chrom) == 4)])
        assert (unknown[rows["end"]] == unknown[rows["start"]]).all()
    assert list(table.index) == list(range(len(table)))


def test_fragment_lengths_are_nucleosome_free_and_nucleosomal(world: World) -> None:
    table = sample_library(world, "A", depth=0.3, rng=2)
    size = (table["end"] - table["start"]).to_numpy()
    counts = np.bincount(size, minlength=601)
    assert counts[60:90].sum() > 3 * counts[115:145].sum()
    assert counts[180:210].sum() > 3 * counts[115:145].sum()
    near = in_elements(world, table, 60)
    assert (size[near] < 120).mean() > (size[~near] < 120).mean() + 0.1
    assert length_distribution(ASSAYS["atac"].lengths[0]).sum() == pytest.approx(1)


def test_expected_coverage_is_the_mean_of_many_libraries(world: World) -> None:
    expected = expected_coverage(world, "A", bin_size=100)
    total = {chrom: np.zeros(200_000) for chrom in world.chromosomes}
    libraries, rng = 40, np.random.default_rng(5)
    for _ in range(libraries):
        for chrom, rows in sample_library(world, "A", depth=0.3, rng=rng).groupby("chrom"):
            total[chrom] += np.cumsum(
                np.bincount(rows["start"], minlength=200_001) - np.bincount(rows["end"], minlength=200_001)
            )[:-1]
    for chrom in world.chromosomes:
        observed = total[chrom].reshape(-1, 100).mean(axis=1) / libraries / 10
        assert observed.mean() == pytest.approx(expected[chrom].mean(), rel=0.01)
        # A bin of 100 bp sees about two fragments for each unit of coverage: the standard error of its mean.
        error = np.sqrt(np.maximum(expected[chrom], 0.01) / libraries / 10)
        z = (observed - expected[chrom]) / error
        assert np.abs(z).max() < 7
        assert np.abs(z.mean()) < 0.2
        assert np.corrcoef(observed, expected[chrom])[0, 1] > 0.998


@pytest.mark.parametrize("bin_size", [1, 10, 32, 100, 70_000, 200_000])
def test_expected_coverage_keeps_its_mass_in_any_bin_size(world: World, bin_size: int) -> None:
    fine, coarse = expected_coverage(world, "A", bin_size=10)["chr1"], expected_coverage(world, "A", bin_size=bin_size)["chr1"]
    assert len(coarse) == -(-200_000 // bin_size)
    widths = np.minimum(bin_size, 200_000 - np.arange(len(coarse)) * bin_size)
    assert (coarse * widths).sum() == pytest.approx(fine.sum() * 10)
    if bin_size == 100:
        np.testing.assert_allclose(coarse, fine.reshape(-1, 10).mean(axis=1))
    if bin_size == 32:
        base = np.repeat(fine, 10)
        np.testing.assert_allclose(coarse[:100], base[:3_200].reshape(-1, 32).mean(axis=1))


def test_libraries_depend_on_their_generator_only(world: World) -> None:
    pd.testing.assert_frame_equal(sample_library(world, "A", rng=3), sample_library(world, "A", rng=3))
    assert not sample_library(world, "A", rng=3).equals(sample_library(world, "A", rng=4))
    rng = np.random.default_rng(0)
    assert not sample_library(world, "A", rng=rng).equals(sample_library(world, "A", rng=rng))


def test_depth_scales_the_rate_and_nothing_else(world: World) -> None:
    for full, fifth in zip(fragment_rates(world, "B", depth=0.05), fragment_rates(world, "B", depth=0.01), strict=True):
        np.testing.assert_allclose(fifth * 5, full, atol=1e-6)


def test_gc_bias_has_the_form_that_is_set(variant_world: Callable[..., World]) -> None:
    plain = {"artefacts_per_mb": 0.0, "mappability_loss": 0.0, "repeat_share": 0.0, "duplication_share": 0.0}
    for kind in ("none", "exponential", "unimodal"):
        world = variant_world(gc_bias=kind, **plain)
        (rate,) = fragment_rates(world, "A", "control")
        rate, gc = rate[world.known], world.gc[world.known]
        relative = np.log(rate / rate[np.argmin(np.abs(gc - 0.42))])
        expected = {
            "none": 0 * gc,
            "exponential": 3.0 * (gc - 0.42),
            "unimodal": -0.5 * (((gc - 0.5) / 0.15) ** 2 - ((0.42 - 0.5) / 0.15) ** 2),
        }[kind]
        np.testing.assert_allclose(relative, expected, atol=0.03)
        (unknown,) = (fragment_rates(world, "A", "control")[0][~world.known],)
        assert (unknown == 0).all()


def test_reads_are_lost_where_sequence_is_repeated(variant_world: Callable[..., World]) -> None:
    settings = {"gc_bias": "none", "artefacts_per_mb": 0.0, "duplication_share": 0.2, "duplication_divergence": (0.0, 0.0)}
    world = variant_world(**settings)
    (rate,) = fragment_rates(world, "A", "control")
    lost = world.known & (world.mappability == 0)
    kept = world.known & (world.mappability == 1)
    assert lost.mean() > 0.2
    assert np.ptp(rate[lost]) < 1e-6
    assert rate[lost].mean() / rate[kept].mean() == pytest.approx(0.1, abs=1e-4)
    (even,) = fragment_rates(variant_world(**settings, mappability_loss=0.0), "A", "control")
    assert np.ptp(even[world.known]) < 1e-6


def test_batches_differ_in_gc_slope_and_frip(world: World) -> None:
    settings = world.settings
    assert batch_effect(settings, 3, 0) == (0.0, 0.4)
    slopes = [batch_effect(settings, seed, 1)[0] for seed in range(300)]
    frips = [batch_effect(settings, seed, 1)[1] for seed in range(300)]
    assert np.std(slopes) == pytest.approx(2.0, rel=0.15)
    assert np.std(np.log(frips)) == pytest.approx(0.15, rel=0.15)
    slope, frip = batch_effect(settings, world.seed, 1)
    ratio = np.log(
        fragment_rates(world, "A", "control", batch=1)[0][world.known]
        / fragment_rates(world, "A", "control", batch=0)[0][world.known]
    )
    fitted = np.polyfit(world.gc[world.known], ratio, 1)[0]
    assert fitted == pytest.approx(slope, abs=0.01)
    assert frip != 0.4
    even = settings.replace(batch_gc_slope_sd=0.0, batch_frip_log_sd=0.0)
    assert batch_effect(even, 3, 5) == (0.0, 0.4)


def test_cell_types_are_in_batches_in_turn(world: World, variant_world: Callable[..., World]) -> None:
    for number, letter in enumerate("ABC"):
        np.testing.assert_array_equal(fragment_rates(world, letter)[0], fragment_rates(world, letter, batch=number % 2)[0])
    alone = variant_world(n_batches=1)
    np.testing.assert_array_equal(fragment_rates(alone, "B")[0], fragment_rates(alone, "B", batch=0)[0])


def test_depth_differs_between_cell_types_but_is_exact_in_a(world: World) -> None:
    settings = world.settings
    assert cell_type_depth(settings, 3, 0) == 0.03
    depths = [cell_type_depth(settings, seed, 1) for seed in range(300)]
    assert np.std(np.log(depths)) == pytest.approx(0.2, rel=0.15)
    assert cell_type_depth(settings.replace(depth_log_sd=0.0), 3, 1) == 0.03


def test_without_frip_a_library_is_background(variant_world: Callable[..., World]) -> None:
    world = variant_world(frip=0.0, gc_bias="none", mappability_loss=0.0, artefacts_per_mb=0.0)
    for rate in fragment_rates(world, "A"):
        assert np.ptp(rate[world.known]) < 1e-6


def test_the_broad_assay_covers_bodies_of_expressed_genes(default_world: World) -> None:
    (rate,) = fragment_rates(default_world, "A", "h3k36me3")
    (control,) = fragment_rates(default_world, "A", "control")
    fine = default_world.known & (default_world.mappability == 1)
    ratio = np.where(fine, rate / np.maximum(control, 1e-9), np.nan)
    genes, level = default_world.layout.genes, default_world.expression[:, 0]
    bodies = np.array([np.nanmean(ratio[a // 10 : b // 10]) for a, b in zip(genes["start"], genes["end"], strict=True)])
    assert bodies[level > 1].mean() > 3 * bodies[level < -1].mean()
    assert np.corrcoef(level, bodies)[0, 1] > 0.8
    early, late = [], []
    for row in genes[level > 1].itertuples():
        body = ratio[row.start // 10 : row.end // 10][:: row.strand]
        early.append(np.nanmean(body[: len(body) // 5]))
        late.append(np.nanmean(body[len(body) // 2 :]))
    assert np.mean(late) > 1.3 * np.mean(early)


def test_another_assay_sees_the_same_elements_less_sharply(world: World) -> None:
    atac, dnase = (np.concatenate(list(expected_coverage(world, "A", assay).values())) for assay in ("atac", "dnase"))
    correlation = np.corrcoef(np.log(atac[world.known]), np.log(dnase[world.known]))[0, 1]
    assert 0.7 < correlation < 0.99


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cell_type": "Q"}, "cell_type='Q' is not simulated: choose from A, B, C"),
        ({"assay": "rna"}, "assay='rna' is not simulated: choose from atac"),
        ({"depth": 0.0}, "depth=0.0 must be above 0"),
        ({"depth": float("nan")}, "depth=nan must be above 0"),
        ({"batch": -1}, "batch=-1 must be a whole number"),
    ],
)
def test_bad_requests_are_refused(world: World, options: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        sample_library(world, **{"cell_type": "A", "rng": 0, **options})
    assert words in str(caught.value)


@pytest.mark.parametrize("bin_size", [0, -3, 200_001])
def test_bad_bin_sizes_are_refused(world: World, bin_size: int) -> None:
    with pytest.raises(InputError, match="must be between 1 and the chromosome length 200000"):
        expected_coverage(world, "A", bin_size=bin_size)


def test_active_mark_lies_around_open_elements_and_wider(world: World) -> None:
    names = ("atac", "h3k27ac", "h3k36me3")
    atac, active, bodies = (np.concatenate(list(expected_coverage(world, "A", name, 50).values())) for name in names)
    assert np.corrcoef(atac, active)[0, 1] > np.corrcoef(atac, bodies)[0, 1] + 0.2  # artefact towers lie in both
    assert np.mean(active > 3 * np.median(active)) > np.mean(atac > 3 * np.median(atac))


def test_an_assay_of_ones_own_is_taken_as_it_is(world: World) -> None:
    same = fragment_rates(world, "A", dataclasses.replace(ASSAYS["dnase"]))
    for given, named in zip(same, fragment_rates(world, "A", "dnase"), strict=True):
        assert np.array_equal(given, named)
    flat = fragment_rates(world, "A", dataclasses.replace(ASSAYS["dnase"], log_rate_slope=0.0))
    assert flat[0].max() < same[0].max()
    table = sample_library(world, "A", dataclasses.replace(ASSAYS["dnase"], log_rate_slope=0.0), rng=1)
    assert table.equals(sample_library(world, "A", dataclasses.replace(ASSAYS["dnase"], log_rate_slope=0.0), rng=1))
