"""Data sets: a manifest's files at hand, wherever they came from, and checked against each other."""

from __future__ import annotations

import hashlib
import json
import os
import textwrap
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.data.checks import check_dataset
from helpers.data.checksums import Checksum, known_digest, matches, write_json
from helpers.data.manifests import FileEntry, Manifest, load_manifest, manifest_names
from helpers.data.origins import generated, obtained, place_of
from helpers.errors import InputError
from helpers.places import cache_folder

__all__ = ["DataSet", "check_dataset", "describe_dataset", "list_datasets", "load_dataset", "load_manifest", "verify_dataset"]


@dataclass(frozen=True)
class DataSet:
    """The files of a data set, ready to be read.

    Parameters
    ----------
    name : str
        Name of the manifest.
    manifest : Manifest
        What the files are.
    paths : dict of str to Path
        Where each loaded file is, by its id, in the manifest's order.
    seed : int or None
        Seed of the generator; None where nothing was generated.
    digests : dict of str to str
        Digest of each file that is known by one already.
    """

    name: str
    manifest: Manifest
    paths: dict[str, Path]
    seed: int | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def genome(self) -> Path:
        """Path of the genome's FASTA file."""
        found = self.by_role("genome")
        if not found:
            raise InputError(
                f"data set {self.name!r} was loaded without its genome: leave out ids= and roles=, or name the genome there"
            )
        return next(iter(found.values()))

    @property
    def tracks(self) -> dict[str, Path]:
        """Paths of the signal tracks, by id."""
        return self.by_role("track")

    @property
    def aliases(self) -> dict[str, str]:
        """Other names of chromosomes, to the names in the genome."""
        return dict(self.manifest.chromosome_aliases)

    def by_role(self, role: str) -> dict[str, Path]:
        """Paths of the loaded files that have this role, by id."""
        roles = {entry.id: entry.role for entry in self.manifest.files}
        return {file_id: path for file_id, path in self.paths.items() if roles[file_id] == role}

    @property
    def digest(self) -> str:
        """Digest of what the data are: the loaded files, their roles, aliases and split. Prose in the manifest does not count."""
        files = {
            file_id: [self.manifest.entry(file_id).role, self.digests.get(file_id) or known_digest(path)]
            for file_id, path in self.paths.items()
        }
        content = {
            "name": self.name,
            "assembly": self.manifest.assembly,
            "aliases": self.manifest.chromosome_aliases,
            "splits": self.manifest.splits.model_dump(),
            "files": files,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_dataset(
    name_or_manifest: str | os.PathLike[str] | Manifest,
    *,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    mirror: str | None = None,
    ids: Collection[str] | None = None,
    roles: Collection[str] | None = None,
    progress: bool = True,
) -> DataSet:
    """Bring the files of a data set to hand: generated, downloaded, or found where they are, and checked.

    Parameters
    ----------
    name_or_manifest : str, path or Manifest
        A data set that travels with the package, the path of a manifest, or a manifest.
    seed : int
        Added to the manifest's seed for simulated files; ignored for others.
    settings : mapping, optional
        Settings of the generator, over those of the manifest; ignored for files that are not simulated.
    mirror : str, optional
        Folder or address to take downloads from instead of their own address; by default that of `GENOMICS_DATA_MIRROR`.
    ids, roles : collection of str, optional
        Only the files with these ids and these roles; each that is given narrows the choice.
    progress : bool
        Show a progress bar for downloads.

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        One line that names the file, the value and the cure.
    """
    manifest = load_manifest(name_or_manifest)
    entries = _chosen(manifest, ids, roles)
    total: int | None = None
    paths: dict[str, Path] = {}
    digests: dict[str, str] = {}
    if any(entry.origin == "simulated" for entry in entries):
        total, paths, digests = generated(manifest, entries, seed, settings or {})
    for entry in entries:
        if entry.origin != "simulated":
            paths[entry.id], digests[entry.id] = obtained(manifest, entry, mirror, progress)
    in_order = {entry.id: paths[entry.id] for entry in entries}
    dataset = DataSet(manifest.name, manifest, in_order, total, digests)
    _check_once(dataset)
    return dataset


def verify_dataset(
    name_or_manifest: str | os.PathLike[str] | Manifest, *, seed: int = 0, settings: Mapping[str, Any] | None = None
) -> pd.DataFrame:
    """Read every file of a data set that is at hand again and compare it with its checksum.

    Parameters
    ----------
    name_or_manifest : str, path or Manifest
        Which data set.
    seed, settings
        As in `load_dataset`, for simulated files.

    Returns
    -------
    DataFrame
        Columns file (id), status ("ok", "missing", "changed", or "present (no checksum)") and path, one row per file of the manifest.
    """
    manifest = load_manifest(name_or_manifest)
    made: dict[str, Path] = {}
    if any(entry.origin == "simulated" for entry in manifest.files):
        made = generated(manifest, manifest.files, seed, settings or {})[1]
    rows = []
    for entry in manifest.files:
        path, expected = (made[entry.id], None) if entry.id in made else place_of(manifest, entry)
        rows.append((entry.id, _status(entry, path, expected), "" if path is None else str(path)))
    return pd.DataFrame(rows, columns=["file", "status", "path"])


def list_datasets() -> pd.DataFrame:
    """List the data sets that travel with the package.

    Returns
    -------
    DataFrame
        One row each: name, title, organism, size_mb (of what is downloaded, in 10^6 bytes; NaN where the portal has not been asked yet),
        files (how many), cached (how many of them are at hand).
    """
    rows = []
    for name in manifest_names():
        manifest = load_manifest(name)
        sizes = [_bytes(manifest, entry) for entry in manifest.files if entry.origin != "simulated"]
        size_mb = float("nan") if None in sizes else round(sum(size or 0 for size in sizes) / 1e6, 1)
        rows.append((name, manifest.title, manifest.organism, size_mb, len(manifest.files), _at_hand(manifest)))
    return pd.DataFrame(rows, columns=["name", "title", "organism", "size_mb", "files", "cached"])


def describe_dataset(name_or_manifest: str | os.PathLike[str] | Manifest) -> str:
    """Describe a data set in text: what each file measures, in which units, how large it is, its split, licence and citation.

    Parameters
    ----------
    name_or_manifest : str, path or Manifest
        Which data set.

    Returns
    -------
    str
        Several lines.
    """
    manifest = load_manifest(name_or_manifest)
    splits = manifest.splits
    lines = [
        f"{manifest.name}: {manifest.title}",
        f"{manifest.organism}, assembly {manifest.assembly}",
        *textwrap.wrap(manifest.description, 100),
        "",
        f"train: {' '.join(splits.train) if splits.train else 'all other chromosomes'}",
        f"validation: {' '.join(splits.validation)}    test: {' '.join(splits.test)}",
        "",
    ]
    for entry in manifest.files:
        size = _bytes(manifest, entry)
        amount = f", {size / 1e6:.1f} MB" if size is not None else ""
        units = f" [{entry.units}]" if entry.units else ""
        lines.append(
            f"  {entry.id} ({entry.role}, {entry.origin}{amount}): {entry.measures or entry.description or 'no description'}{units}"
        )
        lines += [f"      {word}: {text}" for word, text in (("licence", entry.licence), ("citation", entry.citation)) if text]
    lines += [
        "",
        f"licence: {manifest.licence or 'not stated'}",
        f"citation: {manifest.citation or 'not stated'}",
        f"at hand: {_at_hand(manifest)}",
    ]
    return "\n".join(lines)


def _bytes(manifest: Manifest, entry: FileEntry) -> int | None:
    """Size of a file that is not simulated, as stated by the manifest or the portal, or as it lies on disk."""
    if entry.origin == "simulated":
        return None
    path, expected = place_of(manifest, entry)
    stated = entry.bytes if expected is None else expected.size
    if stated is not None:
        return stated
    return path.stat().st_size if path is not None and path.is_file() else None


def _at_hand(manifest: Manifest) -> str:
    """How many files need not be fetched any more."""
    places = [place_of(manifest, entry)[0] for entry in manifest.files if entry.origin != "simulated"]
    made = len(manifest.files) - len(places)
    ready = sum(path is not None and path.is_file() for path in places)
    counted = [f"{ready} of {len(places)}"] if places else []
    return ", ".join(counted + ([f"{made} made when asked for"] if made else []))


def _status(entry: FileEntry, path: Path | None, expected: Checksum | None) -> str:
    """One word about a file on disk."""
    if path is None or not path.is_file():
        return "missing"
    if expected is None:
        return "ok" if entry.simulated else "present (no checksum)"
    return "ok" if matches(path, expected, reread=True) else "changed"


def _chosen(manifest: Manifest, ids: Collection[str] | None, roles: Collection[str] | None) -> list[FileEntry]:
    """Entries with one of the ids and one of the roles, in the manifest's order."""
    for file_id in ids or ():
        manifest.entry(file_id)
    present = {entry.role for entry in manifest.files}
    for role in roles or ():
        if role not in present:
            raise InputError(f"data set {manifest.name!r} has no file with role {role!r} (it has {', '.join(sorted(present))})")
    chosen = [entry for entry in manifest.files if (ids is None or entry.id in ids) and (roles is None or entry.role in roles)]
    if not chosen:
        raise InputError(
            f"data set {manifest.name!r}: no file has both one of ids {sorted(ids or ())} and one of roles {sorted(roles or ())}"
        )
    return chosen


def _check_once(dataset: DataSet) -> None:
    """Run `check_dataset` where these very files have not passed it before."""
    note = cache_folder() / "checked" / f"{dataset.digest}.json"
    if not note.exists():
        check_dataset(dataset)
        write_json(note, {"name": dataset.name, "files": {name: str(path) for name, path in dataset.paths.items()}})
