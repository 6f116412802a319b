"""What a search may vary: declared spaces, checked against the training that reads them, and drawn from a seed."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.data.schema import suggestion
from helpers.errors import InputError

Value = bool | int | float | str | None
Configuration = dict[str, Value]


@dataclass(frozen=True)
class Uniform:
    """A number from `low` to `high`, every one as likely; on the scale of its logarithm where `log`; a whole one where `whole`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"a range from {self.low} to {self.high} cannot be drawn from: give a low end below the high end")
        if self.log and self.low <= 0:
            raise InputError(f"a logarithmic range from {self.low} to {self.high} cannot be drawn from: give a low end above 0")
        if self.whole and (self.low != int(self.low) or self.high != int(self.high)):
            raise InputError(f"whole numbers from {self.low} to {self.high} cannot be drawn: give whole ends")

    def draw(self, rng: np.random.Generator, count: int) -> list[Value]:
        """Draw so many values; the first ones do not depend on how many follow."""
        if self.whole:
            return rng.integers(int(self.low), int(self.high), count, endpoint=True).tolist()
        if self.log:
            return np.exp(rng.uniform(math.log(self.low), math.log(self.high), count)).clip(self.low, self.high).tolist()
        return rng.uniform(self.low, self.high, count).tolist()


@dataclass(frozen=True)
class Choice:
    """One of some values, every one as likely."""

    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        if not self.options:
            raise InputError("choice() has nothing to choose from: give the values")
        for option in self.options:
            if not isinstance(option, Value) or (isinstance(option, float) and not math.isfinite(option)):
                raise InputError(f"choice has {option!r}: give plain numbers, text, True, False or None, which a table can keep")

    def draw(self, rng: np.random.Generator, count: int) -> list[Value]:
        """Draw so many values; the first ones do not depend on how many follow."""
        return [self.options[number] for number in rng.integers(len(self.options), size=count)]


Parameter = Uniform | Choice
Space = Mapping[str, Parameter]


def uniform(low: float, high: float) -> Uniform:
    """Declare a number from `low` to `high`."""
    return Uniform(float(low), float(high))


def log_uniform(low: float, high: float) -> Uniform:
    """Declare a number from `low` to `high`, both above 0, whose logarithm is spread evenly, as suits a learning rate."""
    return Uniform(float(low), float(high), log=True)


def integers(low: int, high: int) -> Uniform:
    """Declare a whole number from `low` to `high`, both included."""
    return Uniform(low, high, whole=True)


def choice(*options: Value) -> Choice:
    """Declare one of some values: numbers, text, True, False or None."""
    return Choice(tuple(option.item() if isinstance(option, np.generic) else option for option in options))


def draw_configurations(space: Space, count: int, seed: int) -> list[Configuration]:
    """Draw configurations at random.

    Parameters
    ----------
    space : mapping of str to Uniform or Choice
        What may vary, as declared by `uniform`, `log_uniform`, `integers` and `choice`.
    count : int
        1 or more.
    seed : int
        0 or more. A parameter's values depend on the seed and its name alone: not on the other parameters, nor on `count`.

    Returns
    -------
    list of dict
        A value per parameter, in the order of `space`.

    Raises
    ------
    InputError
        If an argument is impossible.
    """
    check_space(space)
    if count < 1:
        raise InputError(f"{count} configurations were asked for: choose 1 or more")
    if seed < 0:
        raise InputError(f"seed is {seed}: choose 0 or more")
    columns = [parameter.draw(np.random.default_rng([seed, *name.encode()]), count) for name, parameter in space.items()]
    return [dict(zip(space, values, strict=True)) for values in zip(*columns, strict=True)]


def check_space(space: Space, accepted: Callable[..., Any] | Collection[str] | None = None) -> None:
    """Raise unless a space is well declared, and what it varies is what the training reads.

    Parameters
    ----------
    space : mapping of str to Uniform or Choice
    accepted : callable or collection of str, optional
        The objective of a search, or the names that it takes. An objective is either called with a parameter each by name and `report`,
        `train(report, learning_rate, filters=32)`, or as `train(config, report)`, where `config` is annotated with a TypedDict.

    Raises
    ------
    InputError
        If the space is empty, a parameter is not declared, has a name that is not accepted, or one without a default is left out.
    """
    if not space:
        raise InputError("the space is empty: declare at least one parameter, such as learning_rate=log_uniform(1e-4, 1e-1)")
    for name, parameter in space.items():
        if not isinstance(parameter, Uniform | Choice):
            raise InputError(f"{name} is {parameter!r}: declare it with uniform, log_uniform, integers or choice")
    if accepted is None:
        return
    names, required, who = (*_names_of(accepted), _name(accepted)) if callable(accepted) else ([*accepted], [], "the objective")
    for name in space:
        if name not in names:
            raise InputError(
                f"{who} takes no parameter {name!r}{suggestion(name, names)} (it takes {', '.join(names) or 'none'})"
            )
    missing = [name for name in required if name not in space]
    if missing:
        raise InputError(f"{who} needs {', '.join(missing)}, which the space does not declare: add it, or give it a default")


def takes_whole_configuration(objective: Callable[..., Any]) -> bool:
    """Tell an objective that takes `config` from one that takes each parameter by name."""
    return "config" in inspect.signature(objective).parameters


def _name(function: Callable[..., Any]) -> str:
    """Name a function for messages."""
    return str(getattr(function, "__name__", type(function).__name__))


def _names_of(objective: Callable[..., Any]) -> tuple[list[str], list[str]]:
    """List the parameters that an objective takes, and those that it cannot do without."""
    parameters = inspect.signature(objective).parameters
    if "report" not in parameters:
        raise InputError(f"{_name(objective)} takes no report: it must take one, and call it after each epoch")
    if takes_whole_configuration(objective):
        return _names_of_config(objective)
    by_name = {name: one for name, one in parameters.items() if name != "report"}
    for name, one in by_name.items():
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise InputError(
                f"{_name(objective)} takes unnamed {name}, so that what it reads cannot be checked: name each parameter"
            )
    return [*by_name], [name for name, one in by_name.items() if one.default is one.empty]


def _names_of_config(objective: Callable[..., Any]) -> tuple[list[str], list[str]]:
    """Read the parameters from the annotation of `config`."""
    kind: Any = typing.get_type_hints(objective).get("config")
    if typing.is_typeddict(kind):
        return [*typing.get_type_hints(kind)], sorted(kind.__required_keys__)
    name = _name(objective)
    raise InputError(
        f"{name} takes config as a whole, so that what it reads cannot be checked: let it take each parameter by name, "
        f"{name}(report, learning_rate, ...), or annotate config with a TypedDict"
    )
