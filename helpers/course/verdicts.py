"""What the numbers of several seeds say about a statement: mean, interval, verdict, and how many digits to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit  # the quantile of the t-distribution; scipy.stats takes seconds to import

from helpers.errors import InputError

Scale = Literal["difference", "ratio"]
Direction = Literal["greater", "no more than", "equal"]
Verdict = Literal["holds", "does not hold", "inconclusive"]

CONFIDENCE = 0.95
TIMES = "\u00d7"


class Summary(NamedTuple):
    """Mean effect over seeds and its interval; `low` and `high` are None for one seed, where spread is unknown."""

    effect: float
    low: float | None
    high: float | None
    seeds: int


def summarise(effects: Sequence[float] | np.ndarray, scale: Scale = "difference") -> Summary:
    """Average the effects of several seeds, with the 95 % t-interval.

    Parameters
    ----------
    effects : sequence of float, shape (seeds,)
        One number a seed: a difference, or a ratio (above 0).
    scale : {"difference", "ratio"}
        Ratios are analysed as logarithms and given back as ratios: the effect is their geometric mean.

    Returns
    -------
    Summary
        With one seed there is no interval. Where all seeds agree to the last bit, `low == effect == high`.

    Raises
    ------
    InputError
        If `effects` is empty, has another shape, or holds NaN, infinity, or (for ratios) a number that is not above 0.

    Notes
    -----
    mean +- t(0.975, n - 1) * s / sqrt(n), with s the standard deviation with n - 1 in its denominator (Student 1908).
    """
    values = checked_effects(effects, scale)
    if np.ptp(values) == 0:  # nothing to estimate, and the mean of equal floats may differ from them in the last digit
        same = float(values[0])
        low_and_high = same if len(values) > 1 else None
        return Summary(same, low_and_high, low_and_high, len(values))
    worked = np.log(values) if scale == "ratio" else values
    mean = float(worked.mean())
    half = float(stdtrit(len(worked) - 1, (1 + CONFIDENCE) / 2) * worked.std(ddof=1) / math.sqrt(len(worked)))
    back = math.exp if scale == "ratio" else float
    return Summary(back(mean), back(mean - half), back(mean + half), len(values))


def checked_effects(effects: Sequence[float] | np.ndarray, scale: Scale) -> np.ndarray:
    """`effects` as a float array (seeds,), or InputError."""
    values = np.asarray(effects, dtype=float)
    if values.ndim != 1 or not len(values):
        raise InputError(f"effects have the shape {values.shape}: give one number a seed, such as [0.12, 0.15, 0.11]")
    if not np.isfinite(values).all():
        seed = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(
            f"effect number {seed} is {values[seed]}: every seed must give a finite number; see what that seed computed"
        )
    if scale == "ratio" and (values <= 0).any():
        raise InputError(
            f"a ratio must be above 0, but the smallest effect is {values.min():g}: use a difference, or a larger sample"
        )
    return values


def verdict(
    effects: Sequence[float] | np.ndarray, direction: Direction, least_effect: float, scale: Scale = "difference"
) -> Verdict:
    """Judge a statement by the effects of several seeds, by a rule fixed before any experiment is run.

    Parameters
    ----------
    effects : sequence of float, shape (seeds,)
        One number a seed.
    direction : {"greater", "no more than", "equal"}
        What the statement claims of the effect.
    least_effect : float
        The least effect that would matter; the margin of a "no more than" statement; the tolerance of an "equal" one.
    scale : {"difference", "ratio"}
        Where "no effect" lies: at 0 for differences, at 1 for ratios.

    Returns
    -------
    {"holds", "does not hold", "inconclusive"}

    Raises
    ------
    InputError
        If the effects cannot be used, as in `summarise`.

    Notes
    -----
    *greater*: holds if the interval lies above no effect and the mean is at least the least effect. Does not hold if even the
    interval's favourable end, the upper one, is below the least effect. Otherwise inconclusive.

    *no more than*: the same rule with the margin in the place of no effect. The interval has to exclude what the statement forbids,
    and that is an effect above the margin: it holds if the whole interval, so its upper end, is at most the margin (the mean then is
    too). That is how non-inferiority is judged: a small mean with a wide interval does not show that an effect is absent. The
    favourable end is the lower one: if it is above the margin, the statement does not hold. The statement has one side: an effect far
    below the margin, or negative, is fine.

    *equal*: effects are differences that must be 0, or counts of things that differ. One seed that differs by more than the tolerance
    refutes the statement, and agreement is exact: there is no third verdict, and no interval is needed.

    With one seed nothing is known about spread: only "equal" can be judged, everything else is inconclusive.
    """
    values = checked_effects(effects, scale)
    if direction == "equal":
        no_effect = 1.0 if scale == "ratio" else 0.0
        return "holds" if np.all(np.abs(values - no_effect) <= least_effect) else "does not hold"
    mean, low, high, _ = summarise(values, scale)
    if low is None or high is None:
        return "inconclusive"
    if direction == "no more than":
        return "holds" if high <= least_effect else "does not hold" if low > least_effect else "inconclusive"
    if low > (1.0 if scale == "ratio" else 0.0) and mean >= least_effect:
        return "holds"
    return "does not hold" if high < least_effect else "inconclusive"


def trusted_decimals(effect: float, low: float | None, high: float | None) -> int:
    """Count the decimals that an interval supports: about one digit of its half width, two if that digit is 1 or 2.

    Without an interval, or without width, it is three significant digits of the effect.
    """
    half = 0.0 if low is None or high is None else (high - low) / 2
    wanted = 0
    if half > 1e-9 * max(abs(effect), 1e-9):
        wanted = math.ceil(-math.log10(half / 3))
    elif effect:
        wanted = 2 - math.floor(math.log10(abs(effect)))
    return min(max(wanted, 0), 6)


def effect_text(effect: float, low: float | None, high: float | None, scale: Scale = "difference") -> str:
    """Write effect and interval as text, such as `0.12 [0.09, 0.15]`, with a times sign after ratios; no more digits than can be trusted."""
    decimals = trusted_decimals(effect, low, high)
    if 0 < max(abs(x) for x in (effect, low, high) if x is not None) < 0.5e-6:  # rounding errors, of either sign
        effect, decimals = 0.0, 3
        low, high = (None, None) if low is None else (0.0, 0.0)
    unit = TIMES if scale == "ratio" else ""
    mean, *ends = [f"{x + 0.0:.{decimals}f}".replace("-", "\u2212") for x in (effect, low, high) if x is not None]
    mean = mean.removeprefix("\u2212") if not mean.strip("\u22120.") else mean
    return f"{mean}{unit} [{ends[0]}, {ends[1]}]" if ends else f"{mean}{unit}"
