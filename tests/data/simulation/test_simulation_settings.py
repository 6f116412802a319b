import dataclasses
import hashlib

import numpy as np
import pytest

from helpers.data.simulation import SimulationSettings, World, make_world, stage_rng
from helpers.errors import InputError


def test_the_defaults_are_those_of_version_1() -> None:
    settings = SimulationSettings()
    assert settings.version == "1"
    assert (settings.n_chromosomes, settings.chromosome_length, settings.n_cell_types) == (8, 1_200_000, 6)
    assert (settings.elements_per_mb, settings.decoys_per_mb, settings.duplication_share) == (300, 500, 0.06)
    assert (settings.locus_effect_sd, settings.depth, settings.frip, settings.signal_resolution) == (0.4, 0.03, 0.4, 10)
    assert settings.cell_types == ("A", "B", "C", "D", "E", "F")
    assert settings.chromosomes[-1] == "chr8"
    assert settings.megabases == pytest.approx(9.6)


def test_every_field_says_what_it_is_in_the_source() -> None:
    import inspect

    source = inspect.getsource(SimulationSettings)
    for field in dataclasses.fields(SimulationSettings):
        after = source.split(f"    {field.name}: ", 1)[1].split("\n", 2)[1]
        assert after.strip().startswith('"""'), field.name


def test_version_1_is_frozen(default_world: World) -> None:
    """Lessons tell what they found in this genome: other defaults, or another generator, need another `version`."""
    assert SimulationSettings().version == "1"
    assert SimulationSettings().digest() == "07252bc64e3b72dd"
    sequence = hashlib.sha256(default_world.flat.tobytes()).hexdigest()
    assert sequence == "c39827d2d0a73efbce9a2f4f3bd2d16a435de210060617e74ca56169534f00eb"


def test_replace_changes_one_field_and_the_digest() -> None:
    settings = SimulationSettings()
    changed = settings.replace(locus_effect_sd=0.7, isochore_gc=[0.4, 0.5])
    assert changed.locus_effect_sd == 0.7
    assert changed.isochore_gc == (0.4, 0.5)
    assert settings.locus_effect_sd == 0.4
    assert changed.digest() != settings.digest()
    assert settings.digest() == SimulationSettings().digest()
    assert settings.replace(depth=1).depth == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"locus_efect_sd": 0.5}, "no setting 'locus_efect_sd': did you mean 'locus_effect_sd'?"),
        ({"zzz": 1}, "no setting 'zzz': choose from version"),
        ({"depth": -1}, "depth=-1 is outside"),
        ({"depth": "deep"}, "depth='deep' must be a number"),
        ({"depth": float("nan")}, "depth=nan must be a number"),
        ({"n_cell_types": 2.5}, "n_cell_types=2.5 must be a whole number"),
        ({"n_cell_types": True}, "n_cell_types=True must be a whole number"),
        ({"n_cell_types": 27}, "outside 1 to 26"),
        ({"motif_effects": 1}, "motif_effects=1 must be true or false"),
        ({"gc_bias": "linear"}, "gc_bias='linear' is not known: choose from unimodal"),
        ({"version": "2"}, "version='2' is not known"),
        ({"isochore_gc": 0.4}, "must be two numbers"),
        ({"isochore_gc": (0.5, 0.4)}, "must be two numbers"),
        ({"spacing": (2, 40)}, "spacing=(2, 40) is outside 6 to 100"),
        ({"signal_resolution": 7}, "signal_resolution=7 does not divide chromosome_length=1200000"),
        ({"housekeeping_share": 0.6, "insulator_share": 0.6}, "together exceed 1"),
    ],
)
def test_bad_settings_are_refused_in_one_line(change: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        SimulationSettings().replace(**change)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, None])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(InputError, match="must be a whole number, 0 or larger"):
        stage_rng(seed, "bases")  # type: ignore[arg-type]


def test_seed_zero_is_a_seed_and_stages_are_independent() -> None:
    draws = {(seed, stage): tuple(stage_rng(seed, stage).integers(1 << 40, size=3)) for seed in (0, 1) for stage in ("a", "b")}
    assert len(set(draws.values())) == 4
    assert draws[0, "a"] == tuple(stage_rng(np.int64(0), "a").integers(1 << 40, size=3))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"depth": 0.1}, ["flat", "log_rates", "mappability"]),
        ({"n_cell_types": 1}, ["flat", "mappability", "gc"]),
        ({"locus_effect_sd": 0.0}, ["flat", "mappability"]),
        ({"variants_per_mb": 10.0}, ["flat", "log_rates", "expression"]),
        ({"artefacts_per_mb": 0.0}, ["flat", "log_rates", "effects"]),
        ({"link_share": 0.1}, ["flat", "log_rates", "effects"]),
    ],
)
def test_a_change_of_one_cause_leaves_the_others_alone(small: SimulationSettings, change: dict, same: list[str]) -> None:
    before, after = make_world(small, 5), make_world(small.replace(**change), 5)
    for name in same:
        np.testing.assert_array_equal(getattr(before, name), getattr(after, name), err_msg=name)


def test_fewer_cell_types_leave_cell_type_a_as_it_is(small: SimulationSettings) -> None:
    six, one = make_world(small.replace(n_cell_types=6), 5), make_world(small.replace(n_cell_types=1), 5)
    np.testing.assert_array_equal(six.log_rates[:, 0], one.log_rates[:, 0])
    np.testing.assert_array_equal(six.expression[:, 0], one.expression[:, 0])
    np.testing.assert_array_equal(six.effects[:, 0], one.effects[:, 0])


def test_another_seed_is_another_genome(small: SimulationSettings) -> None:
    first, second = make_world(small, 0), make_world(small, 1)
    known = (first.flat < 4) & (second.flat < 4)
    assert 0.2 < (first.flat[known] == second.flat[known]).mean() < 0.3
