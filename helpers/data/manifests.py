"""Manifests: the YAML files that say what a data set holds, where each file comes from and how its chromosomes are split."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from helpers.data.schema import EncodeOrigin, FileEntry, Manifest, Selection, Simulation, Splits, suggestion
from helpers.errors import InputError
from helpers.places import shipped

__all__ = [
    "EncodeOrigin",
    "FileEntry",
    "Manifest",
    "Selection",
    "Simulation",
    "Splits",
    "load_manifest",
    "manifest_names",
    "parse_manifest",
]


def manifest_names() -> list[str]:
    """Names of the data sets whose manifests travel with the package, in alphabetical order."""
    return sorted(path.stem for path in shipped("data_manifests").glob("*.yml"))


def load_manifest(name_or_path: str | os.PathLike[str] | Manifest) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    name_or_path : str, path or Manifest
        Name of a data set that travels with the package, or the path of a YAML file. A Manifest is returned as it is.

    Returns
    -------
    Manifest
        With relative `path` entries made relative to the manifest's folder.

    Raises
    ------
    InputError
        One line that names the manifest, the key, the value and the cure.
    """
    if isinstance(name_or_path, Manifest):
        return name_or_path
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and not text.endswith((".yml", ".yaml")) and "/" not in text and os.sep not in text:
        if text not in manifest_names():
            known = manifest_names()
            raise InputError(
                f"data set {text!r} is not known{suggestion(text, known)} (known: {', '.join(known)}; "
                "for data of your own give the path of a manifest that ends in .yml)"
            )
        return parse_manifest_file(shipped("data_manifests") / f"{text}.yml")
    return parse_manifest_file(Path(text).expanduser())


def parse_manifest_file(path: Path) -> Manifest:
    """Read one manifest file; see `load_manifest`."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a SafeLoader)
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such manifest; check the path, or name one of {', '.join(manifest_names())}"
        ) from None
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: the manifest cannot be read ({problem}); it must be a UTF-8 text file") from None
    except yaml.YAMLError as problem:
        raise InputError(f"{path}: {_yaml_problem(problem)}; mend the YAML there") from None
    return parse_manifest(content, source=str(path), folder=path.parent)


def parse_manifest(content: object, *, source: str = "manifest", folder: str | os.PathLike[str] = ".") -> Manifest:
    """Check the content of a manifest that is already in memory.

    Parameters
    ----------
    content : mapping
        What the YAML file holds.
    source : str
        What error messages call the manifest, usually its path.
    folder : path
        What relative `path` entries are relative to.

    Returns
    -------
    Manifest

    Raises
    ------
    InputError
        One line that names the manifest, the key, the value and the cure.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{source}: a manifest is a YAML mapping of keys such as name and files, not {_short(content)}")
    try:
        return Manifest.model_validate(dict(content), context={"folder": folder})
    except ValidationError as problem:
        raise InputError(f"{source}: {_first_problem(problem, content)}") from None


class _Loader(yaml.SafeLoader):
    """YAML without repeated keys: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is given twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _yaml_problem(problem: yaml.YAMLError) -> str:
    """Say what is wrong with the YAML, and where, in one line."""
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or "not valid YAML"
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return " ".join(f"{where}{what}".split())


def _first_problem(problem: ValidationError, content: Mapping[str, Any]) -> str:
    """Turn the first of pydantic's errors into one line: key, value, cure."""
    errors = problem.errors(include_url=False)
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    where, owner = _key(first["loc"], content)
    key = str(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        known = list(_fields_at(first["loc"]))
        return f"unknown key {where!r}{owner}{suggestion(key, known)} (known here: {', '.join(known)})"
    if first["type"] == "missing":
        return f"key {where!r}{owner} is missing: add it"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "string_type" and isinstance(first["input"], int | float):
        reason = "must be text: put it in quotes"
    if first["type"] == "literal_error":
        allowed = re.findall("'([^']*)'", reason)
        reason = f"must be one of {', '.join(allowed)}{suggestion(str(first['input']), allowed)}"
    value = "" if isinstance(first["input"], Mapping | BaseModel) else f" = {_short(first['input'])}"
    return f"{where}{owner}{value}: {reason}" if where else reason


def _key(location: tuple[int | str, ...], content: Any) -> tuple[str, str]:
    """Write a location as a reader would look for it, such as files[2].sha256, and whose it is, such as " of file 'MNase'"."""
    text, owner = "", ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in ("list[int]", "literal['all']"):
            text += f".{part}" if text else part
        content = _child(content, part)
        if isinstance(content, Mapping) and isinstance(content.get("id"), str):
            owner = f" of file {content['id']!r}"
    return text, owner


def _child(content: Any, part: int | str) -> Any:
    """Go one step down in the raw content; None where there is nothing."""
    try:
        return content[part]
    except (KeyError, IndexError, TypeError):
        return None


def _fields_at(location: tuple[int | str, ...]) -> Iterator[str]:
    """Names of the keys that are known where an unknown key was found."""
    places: dict[str, type[BaseModel]] = {
        "splits": Splits, "simulation": Simulation, "encode": EncodeOrigin, "selection": Selection, "files": FileEntry,
    }  # fmt: skip
    parents = [part for part in location[:-1] if isinstance(part, str) and part in places]
    yield from (places[parents[-1]] if parents else Manifest).model_fields


def _short(value: object) -> str:
    """Write a value in at most 80 characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
