"""The rule that judges findings: every corner of it, with effects whose interval is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.course.verdicts import effect_text, summarise, trusted_decimals, verdict
from helpers.errors import InputError

# The mean of [1, 2, 3] is 2, its standard error 1 / sqrt(3), and t(0.975, 2) = 4.302652729696142 (Student's table): 2 -+ 2.484138.
HALF = 4.302652729696142 / math.sqrt(3)


def shifted(mean: float, half: float) -> list[float]:
    """Three effects whose mean and half interval are given."""
    step = half / HALF
    return [mean - step, mean, mean + step]


def test_interval_is_the_t_interval() -> None:
    effect, low, high, seeds = summarise([1.0, 2.0, 3.0])
    assert (effect, low, high, seeds) == (
        pytest.approx(2.0),
        pytest.approx(-0.484138, abs=1e-6),
        pytest.approx(4.484138, abs=1e-6),
        3,
    )


def test_interval_of_five_seeds_from_a_table() -> None:
    # t(0.975, 4) = 2.776445; the standard deviation of 1..5 is sqrt(2.5).
    half = 2.776445 * math.sqrt(2.5 / 5)
    _, low, high, _ = summarise([1, 2, 3, 4, 5])
    assert low == pytest.approx(3 - half, abs=1e-5)
    assert high == pytest.approx(3 + half, abs=1e-5)


def test_ratios_are_averaged_as_logarithms() -> None:
    effect, low, high, _ = summarise([2.0, 8.0], "ratio")
    assert effect == pytest.approx(4.0)
    assert low * high == pytest.approx(16.0)  # symmetric as a ratio
    assert low < 1 < high


def test_one_seed_has_no_interval() -> None:
    assert summarise([0.3]) == (0.3, None, None, 1)


def test_equal_seeds_have_an_interval_without_width() -> None:
    assert summarise([0.1] * 7) == (0.1, 0.1, 0.1, 7)
    assert summarise([1.7] * 3, "ratio") == (1.7, 1.7, 1.7, 3)


@pytest.mark.parametrize(
    ("effects", "least", "expected"),
    [
        (shifted(0.5, 0.1), 0.2, "holds"),
        (shifted(0.5, 0.1), 0.5, "holds"),  # the mean is just the least effect; the interval may reach below it
        (
            shifted(0.5, 0.1),
            0.55,
            "inconclusive",
        ),  # above 0, but the mean is too small, and the interval reaches the least effect
        (shifted(0.5, 0.1), 0.61, "does not hold"),  # even the upper end is below the least effect
        (shifted(0.5, 0.6), 0.2, "inconclusive"),  # the mean is enough, but the interval holds 0
        (shifted(-0.5, 0.6), 0.05, "inconclusive"),
        (shifted(-0.5, 0.1), 0.05, "does not hold"),
        (shifted(0.5, 0.1), 0.0, "holds"),
        (shifted(-0.5, 0.1), 0.0, "does not hold"),
        ([0.2, 0.2, 0.2], 0.2, "holds"),
        ([0.2, 0.2, 0.2], 0.21, "does not hold"),
        ([0.0, 0.0, 0.0], 0.0, "inconclusive"),  # 0 is not above 0
        ([0.0, 0.0, 0.0], 0.01, "does not hold"),
        ([9.0], 0.2, "inconclusive"),
    ],
)
def test_greater(effects: list[float], least: float, expected: str) -> None:
    assert verdict(effects, "greater", least) == expected


@pytest.mark.parametrize(
    ("effects", "margin", "expected"),
    [
        (shifted(0.0, 0.01), 0.02, "holds"),
        (shifted(-5.0, 0.01), 0.02, "holds"),  # one-sided: far below is fine
        (shifted(0.01, 0.03), 0.02, "inconclusive"),  # a small mean, but the interval reaches above the margin
        (shifted(0.03, 0.02), 0.02, "inconclusive"),  # the mean is above, the favourable end is not
        (shifted(0.05, 0.02), 0.02, "does not hold"),  # even the lower end is above the margin
        ([0.02, 0.02], 0.02, "holds"),  # at the margin is no more than it
        ([0.021, 0.021], 0.02, "does not hold"),
        ([0.0, 0.0], 0.0, "holds"),
        (shifted(0.0, 0.1), 0.0, "inconclusive"),
        ([0.0], 0.02, "inconclusive"),
    ],
)
def test_no_more_than(effects: list[float], margin: float, expected: str) -> None:
    assert verdict(effects, "no more than", margin) == expected


@pytest.mark.parametrize(
    ("effects", "tolerance", "expected"),
    [
        ([0.0], 0.0, "holds"),  # deterministic: one seed is enough
        ([0.0, 0.0, 1.0], 0.0, "does not hold"),  # one seed refutes it
        ([1e-6, -1e-6], 1e-5, "holds"),
        ([1e-4, 0.0], 1e-5, "does not hold"),
        ([-1e-4], 1e-5, "does not hold"),
    ],
)
def test_equal(effects: list[float], tolerance: float, expected: str) -> None:
    assert verdict(effects, "equal", tolerance) == expected


@pytest.mark.parametrize(
    ("effects", "direction", "bound", "expected"),
    [
        ([1.9, 2.0, 2.1], "greater", 1.5, "holds"),
        ([1.9, 2.0, 2.1], "greater", 2.5, "does not hold"),
        ([0.5, 2.0, 8.0], "greater", 1.5, "inconclusive"),  # the interval holds 1
        ([1.0, 1.0], "greater", 1.5, "does not hold"),
        ([1.0, 1.01, 1.02], "no more than", 1.2, "holds"),
        ([1.9, 2.0, 2.1], "no more than", 1.2, "does not hold"),
        ([1.0, 1.0], "equal", 0.0, "holds"),
        ([0.0 + 1e-9], "equal", 0.5, "does not hold"),
    ],
)
def test_ratios(effects: list[float], direction: str, bound: float, expected: str) -> None:
    assert verdict(effects, direction, bound, "ratio") == expected  # type: ignore[arg-type]


@given(
    st.lists(st.floats(-10, 10), min_size=2, max_size=8),
    st.floats(0, 5),
    st.sampled_from(["greater", "no more than"]),
)
def test_a_greater_effect_never_turns_a_verdict_around(effects: list[float], bound: float, direction: str) -> None:
    order = ["does not hold", "inconclusive", "holds"]
    before, after = (order.index(verdict(np.array(effects) + shift, direction, bound)) for shift in (0.0, 1.0))  # type: ignore[arg-type]
    assert after >= before if direction == "greater" else after <= before


@pytest.mark.parametrize(
    ("effects", "scale", "message"),
    [
        ([], "difference", "effects have the shape (0,)"),
        ([[1.0, 2.0]], "difference", "effects have the shape (1, 2)"),
        ([0.1, math.nan], "difference", "effect number 1 is nan"),
        ([math.inf], "difference", "effect number 0 is inf"),
        ([1.5, 0.0], "ratio", "a ratio must be above 0, but the smallest effect is 0"),
    ],
)
def test_unusable_effects(effects: list[float], scale: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        verdict(effects, "greater", 0.1, scale)  # type: ignore[arg-type]
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("effect", "low", "high", "scale", "expected"),
    [
        (0.12345, 0.0934, 0.1534, "difference", "0.12 [0.09, 0.15]"),
        (0.12345, 0.1120, 0.1350, "difference", "0.123 [0.112, 0.135]"),
        (1.7, 1.4669, 1.9656, "ratio", "1.70\u00d7 [1.47, 1.97]"),
        (-0.5, -0.9, -0.1, "difference", "\u22120.5 [\u22120.9, \u22120.1]"),
        (-0.0001, -0.25, 0.25, "difference", "0.00 [\u22120.25, 0.25]"),
        (0.25, None, None, "difference", "0.250"),
        (0.0, 0.0, 0.0, "difference", "0 [0, 0]"),
        (1.4e-10, -3e-11, 3e-10, "difference", "0.000 [0.000, 0.000]"),
        (-1e-9, None, None, "difference", "0.000"),
        (1234.5678, 1000.0, 1469.1, "difference", "1235 [1000, 1469]"),
    ],
)
def test_text_has_the_digits_that_can_be_trusted(
    effect: float, low: float | None, high: float | None, scale: str, expected: str
) -> None:
    assert effect_text(effect, low, high, scale) == expected  # type: ignore[arg-type]


@given(st.floats(-1e3, 1e3), st.floats(1e-5, 1e3))
def test_the_last_digit_shown_is_no_finer_than_the_interval(effect: float, half: float) -> None:
    decimals = trusted_decimals(effect, effect - half, effect + half)
    assert decimals == 0 or 10.0**-decimals >= half / 30 * (1 - 1e-6)
