"""What a manifest may hold: the models that every manifest is checked against."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from helpers.errors import InputError

Role = Literal[
    "genome", "track", "peaks", "fragments", "reads", "control", "exclusions",
    "variants", "genes", "domains", "links", "truth", "annotation",
]  # fmt: skip
Origin = Literal["url", "encode", "path", "simulated"]
ORIGINS: tuple[Origin, ...] = ("url", "encode", "path", "simulated")
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def safe_name(value: str) -> str:
    """Return a name that is safe as one part of a path in the cache, or raise.

    Parameters
    ----------
    value : str
        Name of a data set or a file.

    Returns
    -------
    str
        The same name.

    Raises
    ------
    ValueError
        If it could leave the cache folder: a slash, `..`, a leading dot, a NUL, or anything but letters, digits and `. _ + -`.
    """
    if not SAFE_NAME.fullmatch(value) or ".." in value or len(value) > 200:
        raise ValueError(
            "a name starts with a letter or digit and holds only letters, digits, '_', '-', '+' and single '.'; no folders"
        )
    return value


def _digest(digits: int, value: str) -> str:
    if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value):
        raise ValueError(f"must be {digits} hexadecimal digits, as {'sha256sum' if digits == 64 else 'md5sum'} prints them")
    return value.lower()


def _accession(kind: str, value: str) -> str:
    if not re.fullmatch(rf"ENC{kind}[0-9]{{3}}[A-Z]{{3}}", value):
        raise ValueError(
            f"an ENCODE accession here is ENC{kind}, three digits and three capital letters, such as ENC{kind}601VTB"
        )
    return value


SafeName = Annotated[str, AfterValidator(safe_name)]
Sha256 = Annotated[str, AfterValidator(lambda value: _digest(64, value))]
Md5 = Annotated[str, AfterValidator(lambda value: _digest(32, value))]


class _Strict(BaseModel):
    """No unknown keys, no silent conversion, no change after loading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Selection(_Strict):
    """Which file of an ENCODE experiment is meant; every key given must agree, and exactly one released file must be left."""

    file_format: str
    output_type: str
    assembly: str | None = None
    biological_replicates: list[int] | Literal["all"] | None = None
    technical_replicates: list[str] | None = None
    analysis: Literal["default"] | None = None
    preferred_default: bool | None = None


class EncodeOrigin(_Strict):
    """A file of the ENCODE portal: by its accession, or as the one file of an experiment that a selection leaves."""

    accession: Annotated[str, AfterValidator(lambda value: _accession("FF", value))] | None = None
    experiment: Annotated[str, AfterValidator(lambda value: _accession("SR", value))] | None = None
    selection: Selection | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        by_experiment = self.experiment is not None and self.selection is not None
        if (self.accession is not None) == by_experiment or (self.experiment is None) != (self.selection is None):
            raise ValueError("give either 'accession' (ENCFF...), or 'experiment' (ENCSR...) together with 'selection'")
        return self


class FileEntry(_Strict):
    """One file of a data set: what it is for, what it measures, and exactly one place that it comes from."""

    id: SafeName
    role: Role
    measures: str = ""
    units: str = ""
    description: str = ""
    licence: str = ""
    citation: str = ""
    url: str | None = None
    encode: EncodeOrigin | None = None
    path: Path | None = Field(default=None, strict=False)
    simulated: SafeName | None = None
    sha256: Sha256 | None = None
    md5: Md5 | None = None
    bytes: Annotated[int, Field(gt=0)] | None = None
    file_name: SafeName | None = None

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(
                    "an address must start with http:// or https:// and name a host; for a file of your own use 'path'"
                )
        return value

    @field_validator("path", mode="before")
    @classmethod
    def _beside_the_manifest(cls, value: object, info: ValidationInfo) -> object:
        if value is None or isinstance(value, Path):
            return value
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("a path must be text, and not empty")
        return Path((info.context or {}).get("folder", ".")) / Path(value).expanduser()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ORIGINS if getattr(self, name) is not None]
        if len(given) != 1:
            found = "none is given" if not given else f"{' and '.join(given)} are given"
            raise ValueError(f"a file needs exactly one origin of url, encode, path, simulated; {found}")
        if given == ["url"]:
            if self.sha256 is None and self.md5 is None:
                raise ValueError("a file with a url needs 'sha256' or 'md5', so that a download can be checked")
            if not SAFE_NAME.fullmatch(self.local_name) or ".." in self.local_name:
                raise ValueError(f"the address ends in {self.local_name!r}, which is no file name: add 'file_name'")
        if given == ["encode"] and (self.sha256 or self.bytes or self.file_name):
            raise ValueError(
                "a file of ENCODE takes no sha256, bytes or file_name: the portal states them; only 'md5' can be pinned"
            )
        if given == ["simulated"] and (self.sha256 or self.md5 or self.bytes or self.file_name):
            raise ValueError("a simulated file takes no checksum, size or file_name: the generator checks what it makes")
        return self

    @property
    def origin(self) -> Origin:
        """Where the file comes from: "url", "encode", "path" or "simulated"."""
        return next(name for name in ORIGINS if getattr(self, name) is not None)

    @property
    def local_name(self) -> str:
        """Name in the cache of a file with a `url`: `file_name`, or the last part of the address; "" for other origins."""
        return self.file_name or unquote(urlsplit(self.url or "").path).rsplit("/", 1)[-1]


class Splits(_Strict):
    """Held-out chromosomes; `train` left out means all others."""

    validation: Annotated[list[str], Field(min_length=1)]
    test: Annotated[list[str], Field(min_length=1)]
    train: Annotated[list[str], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        counts = Counter([*self.validation, *self.test, *(self.train or [])])
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"chromosome {twice[0]!r} is named twice: a chromosome belongs to one of train, validation and test")
        return self


class Simulation(_Strict):
    """How the generator is called for the files whose origin is `simulated`."""

    seed: Annotated[int, Field(ge=0)] = 0
    settings: dict[str, Any] = {}


class Manifest(_Strict):
    """A data set: its genome, its other files, their origins, and the default split of its chromosomes."""

    name: SafeName
    title: str
    organism: str
    assembly: str
    splits: Splits
    files: Annotated[list[FileEntry], Field(min_length=1)]
    description: str = ""
    licence: str = ""
    citation: str = ""
    chromosome_aliases: dict[str, str] = {}
    simulation: Simulation | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        twice = [name for name, count in Counter(entry.id for entry in self.files).items() if count > 1]
        if twice:
            raise ValueError(f"two files have the id {twice[0]!r}: give each its own")
        genomes = [entry.id for entry in self.files if entry.role == "genome"]
        if len(genomes) != 1:
            raise ValueError(f"exactly one file must have the role 'genome'; {len(genomes)} have it")
        if self.simulation is None and any(entry.simulated for entry in self.files):
            raise ValueError("a file is simulated, but there is no 'simulation' section with a seed: add one")
        return self

    def entry(self, file_id: str) -> FileEntry:
        """Return the file entry with this id.

        Raises
        ------
        InputError
            If the manifest has no such file.
        """
        for entry in self.files:
            if entry.id == file_id:
                return entry
        ids = [entry.id for entry in self.files]
        raise InputError(f"data set {self.name!r} has no file {file_id!r}{suggestion(file_id, ids)} (it has {', '.join(ids)})")


def suggestion(word: str, known: Collection[str]) -> str:
    """Return ": did you mean 'x'?" for the known word closest to a mistyped one, or nothing where none is close."""
    close = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {close[0]!r}?" if close else ""
