"""Global importance analysis: what a pattern does to predictions, averaged over backgrounds that have nothing else in common.

After Koo, Majdandzic, Ploenzke, Anand & Paul 2021, with the experiments on flanks, spacing and cooperativity of Toneyan, Tang & Koo 2022.

Patterns are text, as `helpers.evaluate.patterns` says; an N leaves the base of the background. An effect is the signal with the pattern minus
the signal without, where the signal is the mean over bins and a track.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.evaluate.aligned import WINDOWS_AT_ONCE, Predict
from helpers.evaluate.patterns import Site, encode_pattern, insert_sites, place_pattern
from helpers.evaluate.readout import mean_signal
from helpers.evaluate.shuffling import check_codes
from helpers.files.sequence import decode, encode

MOST_FLANKS = 4096  # combinations that are tried without being asked for
MOST_VARIED = 30  # bases; a combination's number is an int64


class Cooperativity(NamedTuple):
    """Effects of two patterns, each alone and both together; `interaction` is both - first - second, `standard_error` that of it."""

    first: float
    second: float
    both: float
    interaction: float
    standard_error: float


def pattern_effects(
    predict: Predict,
    backgrounds: np.ndarray,
    pattern: str,
    *,
    position: int | None = None,
    strand: str = "+",
    copies: int = 1,
    spacing: int | None = None,
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
) -> np.ndarray:
    """Change of the signal when a pattern is put into each background.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    backgrounds : uint8 array, shape (backgrounds, window)
        Such as `dinucleotide_shuffle` of held-out sequences, 1,000 of them in both papers.
    pattern : str
        In A, C, G, T and N; an N leaves the background.
    position : int, optional
        Of the leftmost base of the first copy; by default all copies together lie in the middle (Toneyan et al. begin at length // 2).
    strand : "+" or "-"
    copies : int
        How often the pattern is put in.
    spacing : int, optional
        Bp from the start of one copy to the start of the next, at least the pattern's length; needed for two copies or more.
    track, bins, log
        As in `mean_signal`. With `log`, the effect is log(with) - log(without).

    Returns
    -------
    float64 array, shape (backgrounds,)

    Raises
    ------
    InputError
        If the pattern holds another letter or does not fit, copies overlap, or `mean_signal` refuses the predictions.
    """
    array = check_codes(backgrounds, "backgrounds")
    word = encode_pattern(pattern, strand)
    if copies < 1:
        raise InputError(f"copies is {copies}: choose 1 or more")
    if copies > 1 and (spacing is None or spacing < len(word)):
        raise InputError(f"spacing is {spacing}: give the bp from start to start of {copies} copies, {len(word)} or more")
    apart = (spacing or 0) if copies > 1 else 0
    start = place_pattern(pattern, (copies - 1) * apart + len(word), array.shape[1], position)
    read = partial(mean_signal, predict, track=track, bins=bins, log=log)
    return read(insert_sites(array, [(word, start + copy * apart) for copy in range(copies)])) - read(array)


def global_importance(predict: Predict, backgrounds: np.ndarray, pattern: str, **options: Any) -> float:
    """Mean over the backgrounds of what a pattern changes (Koo et al. 2021); arguments and errors as of `pattern_effects`."""
    return float(pattern_effects(predict, backgrounds, pattern, **options).mean())


def flank_importance(
    predict: Predict,
    backgrounds: np.ndarray,
    core: str,
    *,
    left: int = 2,
    right: int = 2,
    draws: int | None = None,
    rng: np.random.Generator | int | None = None,
    position: int | None = None,
    strand: str = "+",
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
) -> pd.DataFrame:
    """Effect of a core with each of many flanks; `global_importance` of the core alone is that with random flanks, to compare with.

    Parameters
    ----------
    predict, backgrounds
        As in `pattern_effects`.
    core : str
        In A, C, G, T and N. An N is varied along with the flanks: the middle base of TGANTCA, in Toneyan et al. 2022.
    left, right : int
        How many bases on each side to vary.
    draws : int, optional
        How many combinations to draw, all different; by default all 4 ** (bases varied) are tried.
    rng : Generator or int, optional
        Needed for `draws`.
    position : int, optional
        Of the leftmost base of the core, flanks aside; by default the core lies in the middle.
    strand, track, bins, log
        As in `pattern_effects`.

    Returns
    -------
    DataFrame
        One row a combination: `pattern` (core and flanks), `left` and `right` (letters of the flanks), `effect` (mean over backgrounds)
        and its `standard_error`. In alphabetical order unless drawn.

    Raises
    ------
    InputError
        As `pattern_effects`, and if there is nothing to vary or too much to try all of it.
    """
    array = check_codes(backgrounds, "backgrounds")
    width = len(encode_pattern(core, strand))
    if left < 0 or right < 0:
        raise InputError(f"left is {left} and right {right}: a flank has 0 bases or more")
    whole = "N" * left + core.upper() + "N" * right
    start = place_pattern(core, width, array.shape[1], position) - (left if strand == "+" else right)
    place_pattern(whole, len(whole), array.shape[1], start)
    filled = _fillings(whole, draws, rng)
    read = partial(mean_signal, predict, track=track, bins=bins, log=log)
    without = read(array)
    sites = [[(encode_pattern(pattern, strand), start)] for pattern in filled]
    effects: list[np.ndarray] = []
    step = max(1, WINDOWS_AT_ONCE // len(array))  # patterns in a call: a call a pattern would mostly wait
    for low in range(0, len(sites), step):
        changed = np.concatenate([insert_sites(array, site) for site in sites[low : low + step]])
        effects += list(read(changed).reshape(-1, len(array)) - without)
    ends = [(pattern[:left], pattern[left + width :]) for pattern in filled]
    return pd.DataFrame({"pattern": filled, "left": [a for a, _ in ends], "right": [b for _, b in ends], **_means(effects)})


def spacing_importance(
    predict: Predict,
    backgrounds: np.ndarray,
    first: str,
    second: str,
    distances: Iterable[int],
    *,
    position: int | None = None,
    strands: tuple[str, str] = ("+", "+"),
    track: int | None = None,
    bins: slice | None = None,
    log: bool = False,
) -> pd.DataFrame:
    """Effect of two patterns together, at each of several distances.

    Parameters
    ----------
    predict, backgrounds
        As in `pattern_effects`.
    first, second : str
        In A, C, G, T and N.
    distances : iterable of int
        Bp from the start of the first to the start of the second; below 0 the second lies to the left. They must not overlap.
    position : int, optional
        Of the leftmost base of the first; by default it lies in the middle.
    strands : pair of "+" or "-"
    track, bins, log
        As in `pattern_effects`.

    Returns
    -------
    DataFrame
        One row a distance: `distance`, `effect` (mean over backgrounds) and its `standard_error`.

    Raises
    ------
    InputError
        As `pattern_effects`, and if there is no distance, or the patterns overlap at one or do not fit into the window.
    """
    array = check_codes(backgrounds, "backgrounds")
    apart = [int(distance) for distance in distances]
    pairs = [_pair(array, (first, second), distance, position, strands) for distance in apart]
    if not pairs:
        raise InputError("distances are empty: give at least one, in bp from start to start")
    read = partial(mean_signal, predict, track=track, bins=bins, log=log)
    without = read(array)
    return pd.DataFrame({"distance": apart, **_means([read(insert_sites(array, pair)) - without for pair in pairs])})


def cooperativity(
    predict: Predict,
    backgrounds: np.ndarray,
    first: str,
    second: str,
    distance: int,
    *,
    position: int | None = None,
    strands: tuple[str, str] = ("+", "+"),
    track: int | None = None,
    bins: slice | None = None,
    log: bool = True,
) -> Cooperativity:
    """Effect of two patterns together, minus the effects of each alone at the place where it lies in the pair.

    On the log scale, the default, patterns that multiply the signal each by its own factor do not interact. Toneyan et al. 2022 compare
    differences (`log=False`), where such patterns seem to cooperate.

    Parameters
    ----------
    predict, backgrounds, first, second, position, strands, track, bins, log
        As in `spacing_importance`.
    distance : int
        Bp from the start of the first to the start of the second.

    Returns
    -------
    Cooperativity
        Means over the backgrounds.

    Raises
    ------
    InputError
        As `spacing_importance`.
    """
    array = check_codes(backgrounds, "backgrounds")
    one, other = _pair(array, (first, second), distance, position, strands)
    read = partial(mean_signal, predict, track=track, bins=bins, log=log)
    without = read(array)
    effects = [read(insert_sites(array, sites)) - without for sites in ([one], [other], [one, other])]
    table = _means([*effects, effects[2] - effects[0] - effects[1]])
    alone, other_alone, both, interaction = table["effect"]
    return Cooperativity(alone, other_alone, both, interaction, table["standard_error"][-1])


def _pair(
    array: np.ndarray, patterns: tuple[str, str], distance: int, position: int | None, strands: tuple[str, str]
) -> tuple[Site, Site]:
    """Places of two patterns at a distance, or InputError where they overlap or leave the window."""
    one, other = (encode_pattern(pattern, strand) for pattern, strand in zip(patterns, strands, strict=True))
    if -len(other) < distance < len(one):
        raise InputError(
            f"distance is {distance}: {patterns[0]!r} and {patterns[1]!r} overlap; choose {len(one)} or more, or {-len(other)} or less"
        )
    start = place_pattern(patterns[0], len(one), array.shape[1], position)
    return (one, start), (other, place_pattern(patterns[1], len(other), array.shape[1], start + distance))


def _fillings(pattern: str, draws: int | None, rng: np.random.Generator | int | None) -> list[str]:
    """Patterns with every N filled in: all of them, or some drawn without repeats."""
    codes = encode(pattern)
    places = np.flatnonzero(codes == 4)
    every = 4 ** len(places)
    if not 0 < len(places) <= MOST_VARIED:
        raise InputError(f"pattern {pattern!r} has {len(places)} bases to vary: choose left and right for 1 to {MOST_VARIED}")
    if draws is None and every > MOST_FLANKS:
        raise InputError(f"pattern {pattern!r} has {every:,} fillings: give draws, how many to try, and rng")
    if draws is not None and (rng is None or not 0 < draws <= every):
        raise InputError(f"draws is {draws} and rng {rng}: give an rng, and draws from 1 to {every:,}")
    numbers = np.arange(every) if draws is None else np.random.default_rng(rng).choice(every, draws, replace=False)
    filled = np.repeat(codes[None], len(numbers), axis=0)
    filled[:, places] = numbers[:, None] // 4 ** np.arange(len(places))[::-1] % 4
    return [decode(row) for row in filled]


def _means(effects: list[np.ndarray]) -> dict[str, list[float]]:
    """Mean of each array of effects, and the standard error of the mean, NaN for a single background."""
    count = len(effects[0])
    errors = [float(each.std(ddof=1) / np.sqrt(count)) if count > 1 else np.nan for each in effects]
    return {"effect": [float(each.mean()) for each in effects], "standard_error": errors}
