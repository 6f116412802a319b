"""What a preprocessing step was fitted on: fit it again on training rows only and on more, and see which gives the same parameters."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone

from helpers.errors import InputError

Fit = Callable[[np.ndarray], object]
TRAIN = "train"
_FITTED_WITHIN = ("steps", "transformer_list")  # where Pipeline and FeatureUnion keep what they fit


@dataclass(frozen=True)
class FitComparison:
    """What was fitted, against what rows of known parts give.

    Attributes
    ----------
    matches : tuple of tuples of str
        Each set of parts, train first, whose rows give the parameters at hand; empty if none does.
    differing, values : int
        How many single values differ from what training rows give, and how many there are.
    example : str
        Where the parameters come from, with the first value that differs.
    """

    matches: tuple[tuple[str, ...], ...]
    differing: int
    values: int
    example: str

    @property
    def leaks(self) -> bool:
        """Whether the parameters are not those of the training rows."""
        return self.differing > 0


def refit(fitted: Any, features: Any, targets: Any = None) -> Fit:
    """Make a function that fits an unfitted copy of a scikit-learn estimator on chosen rows.

    Parameters
    ----------
    fitted : estimator
        Transformer, selector or pipeline, fitted or not; it stays as it is.
    features : array, sparse array or DataFrame, shape (rows, features)
        What it takes.
    targets : array or Series, shape (rows,), optional
        What a supervised step, such as a selector, takes besides.

    Returns
    -------
    callable
        From positions of rows to a fitted copy: `fit` of `compare_fits`.

    Raises
    ------
    InputError
        If it is no estimator that scikit-learn can copy.
    """
    try:
        clone(fitted)
    except TypeError as error:
        raise InputError(
            f"{type(fitted).__name__} cannot be copied unfitted by scikit-learn: write a function from row positions to its parameters"
        ) from error

    def chosen(table: Any, rows: np.ndarray) -> Any:
        return table.iloc[rows] if isinstance(table, (pd.DataFrame, pd.Series)) else table[rows]

    def fit(rows: np.ndarray) -> object:
        given = () if targets is None else (chosen(targets, rows),)
        return clone(fitted).fit(chosen(features, rows), *given)

    return fit


def learned_parameters(fitted: object) -> dict[str, np.ndarray]:
    """Lay out what was learned as named arrays.

    Parameters
    ----------
    fitted : object
        An estimator, whose learned attributes end with `_` (and which features a selector keeps), a pipeline of them; or a number, text,
        array, table, mapping or sequence of such. Anything else is passed over.

    Returns
    -------
    dict of str to array
        "mean_", "steps.scaler.scale_" and the like; the name is empty for a bare array.
    """
    return dict(_laid_out(fitted, ""))


def _laid_out(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each array in a fitted object with its name."""
    value = _opened(value)
    if isinstance(value, Mapping):
        for key in (key for key in value if not str(key).rstrip("_").endswith("_time")):  # how long a search took
            yield from _laid_out(value[key], f"{name}.{key}".lstrip("."))
    elif isinstance(value, (set, frozenset)):
        yield name, np.array(sorted(map(str, value)))
    elif isinstance(value, (list, tuple)) and not all(isinstance(item, (int, float, str, np.generic)) for item in value):
        for place, item in enumerate(value):
            yield from _laid_out(item, f"{name}[{place}]")
    elif isinstance(value, (int, float, complex, str, np.generic, np.ndarray, list, tuple)):
        yield name, np.asarray(value)


def _opened(value: Any) -> Any:
    """Turn a table or sparse array into an array, an array of objects into a list, an estimator into its state."""
    if isinstance(value, (pd.DataFrame, pd.Series, pd.Index)):
        value = value.to_numpy()
    if sparse.issparse(value):
        value = value.toarray()
    if isinstance(value, np.ndarray) and value.dtype == object:
        return value.tolist()  # such as edges of bins, an array for each feature
    return _state(value) if hasattr(value, "fit") and not isinstance(value, type) else value


def _state(estimator: Any) -> dict[str, object]:
    """Learned attributes of an estimator, and those of the estimators it holds."""
    held = {key: value for key, value in vars(estimator).items() if key.endswith("_") and not key.startswith("_")}
    for key in _FITTED_WITHIN:
        for name, step in getattr(estimator, key, ()):
            held[f"{key}.{name}"] = step
    if hasattr(estimator, "get_support") and held:
        held["support"] = estimator.get_support()
    return held


def compare_fits(fitted: object, fit: Fit, rows: Mapping[str, np.ndarray], *, rtol: float = 1e-7) -> FitComparison:
    """Tell which rows a step was fitted on, by fitting it again on the training rows and on these together with those of other parts.

    Parameters
    ----------
    fitted : object
        The step as it was used, or its parameters: anything that `learned_parameters` takes.
    fit : callable
        From row positions, shape (rows,), to the step fitted on them, or its parameters: `refit`, or a function of your own.
    rows : mapping of str to int array
        Positions of the rows of each part: "train", in the order in which they were used, and one or more others.
    rtol : float
        Difference that counts as equal, relative to the largest value of the parameter. Rows in another order change the last digits.

    Returns
    -------
    FitComparison

    Raises
    ------
    InputError
        If "train" or another part is missing or empty, parts share a row, nothing learned can be found, or fitting twice on the same rows gives
        two results.
    """
    positions = _checked(rows)
    given, expected = learned_parameters(fitted), learned_parameters(fit(positions[TRAIN]))
    for what, found in (("what was fitted", given), ("what fit returned", expected)):
        if not found:
            raise InputError(f"{what} holds no learned number or text: call its fit first, or return parameters as arrays")
    again = learned_parameters(fit(positions[TRAIN]))
    if any(wrong.any() for wrong in _differences(again, expected, rtol).values()):
        raise InputError("fitting twice on the training rows gives two results: set random_state, or seed the function")
    wrong = _differences(given, expected, rtol)
    differing, values = sum(int(mask.sum()) for mask in wrong.values()), sum(mask.size for mask in wrong.values())
    matches: list[tuple[str, ...]] = [(TRAIN,)] if not differing else []
    others = [part for part in positions if part != TRAIN]
    for number in range(1, len(others) + 1):
        for added in itertools.combinations(others, number):
            together = np.sort(np.concatenate([positions[part] for part in (TRAIN, *added)]))
            found = _differences(given, learned_parameters(fit(together)), rtol)
            if not any(mask.any() for mask in found.values()):
                matches.append((TRAIN, *added))
    return FitComparison(tuple(matches), differing, values, _told(matches, given, expected, wrong))


def _checked(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Positions of each part, or InputError."""
    positions = {part: np.asarray(places, np.int64) for part, places in rows.items()}
    if TRAIN not in positions or len(positions) < 2:
        raise InputError(f"rows has the parts {', '.join(positions) or 'none'}: give {TRAIN!r} and at least one other")
    empty = [part for part, places in positions.items() if not places.size]
    if empty:
        raise InputError(f"rows has none for {empty[0]}: leave the part out")
    for one, two in itertools.combinations(positions, 2):
        shared = np.intersect1d(positions[one], positions[two])
        if len(shared):
            raise InputError(f"row {shared[0]} is in both {one} and {two}, and {len(shared):,} in all: give each row to one part")
    return positions


def _differences(given: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], rtol: float) -> dict[str, np.ndarray]:
    """Which values of each parameter differ; all of them where it is missing on one side or has another shape."""
    wrong = {}
    for name in {**given, **expected}:
        one, two = given.get(name), expected.get(name)
        if one is None or two is None or one.shape != two.shape:
            wrong[name] = np.ones((one if one is not None else two).shape, bool)  # type: ignore[union-attr]
        elif one.dtype.kind in "iufcb" and two.dtype.kind in "iufcb":
            sizes = np.abs(np.concatenate([one.ravel(), two.ravel()]).astype(complex))
            scale = float(sizes[np.isfinite(sizes)].max(initial=0))
            wrong[name] = ~np.isclose(one.astype(complex), two.astype(complex), rtol=0, atol=rtol * scale, equal_nan=True)
        else:
            wrong[name] = np.asarray(one.astype(str) != two.astype(str))
    return wrong


def _told(
    matches: list[tuple[str, ...]],
    given: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    wrong: Mapping[str, np.ndarray],
) -> str:
    """Say where the parameters come from, with one value."""
    if (TRAIN,) in matches:
        more = "; rows of other parts would not change them" if len(matches) > 1 else ""
        return f"as fitted on training rows{more}"
    origin = (
        f"as fitted on {' + '.join(matches[0])}" if matches else "fitted neither on training rows nor on these with other parts"
    )
    name = next(name for name, mask in wrong.items() if mask.any())
    place = np.unravel_index(int(np.argmax(wrong[name])), wrong[name].shape)
    title = (name or "value") + (f"[{', '.join(str(int(axis)) for axis in place)}]" if place else "")
    one, two = given.get(name), expected.get(name)
    if one is None or two is None or one.shape != two.shape:
        shapes = ["missing" if array is None else f"of shape {array.shape}" for array in (one, two)]
        return f"{origin}: {name or 'value'} is {shapes[0]}, from training rows {shapes[1]}"
    return f"{origin}: {title} is {_shown(one[place])}, from training rows {_shown(two[place])}"


def _shown(value: Any) -> str:
    """Write a value in four digits, or as text."""
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)
