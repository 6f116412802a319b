"""The four places a file can come from, and how each gives a path."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from helpers.data.checksums import Checksum, known_digest, matches
from helpers.data.manifests import FileEntry, Manifest
from helpers.errors import InputError


def place_of(manifest: Manifest, entry: FileEntry) -> tuple[Path | None, Checksum | None]:
    """Return where a file that is not simulated is or will be, and what it must be; None for what is not known before it is fetched."""
    from helpers.data.download import cached_path
    from helpers.data.encode import locked

    if entry.path is not None:
        return entry.path, pinned(entry)
    if entry.encode is not None:
        record = locked(manifest.name, entry)
        return (None, None) if record is None else (cached_path(record.file_name, record.checksum), record.checksum)
    expected = pinned(entry)
    return (None if expected is None else cached_path(entry.local_name, expected)), expected


def pinned(entry: FileEntry) -> Checksum | None:
    """Return the checksum that the manifest itself states for a file; None where it states none."""
    if entry.sha256:
        return Checksum("sha256", entry.sha256, entry.bytes)
    return Checksum("md5", entry.md5, entry.bytes) if entry.md5 else None


def generated(
    manifest: Manifest, entries: Collection[FileEntry], seed: int, settings: Mapping[str, Any]
) -> tuple[int, dict[str, Path], dict[str, str]]:
    """Seed, paths and digests by id of the generator's files, from the cache where it has run with the same settings before."""
    from helpers.data.simulation import SimulationSettings, output_names, simulated_folder

    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed = {seed!r}: must be a whole number of 0 or more")
    assert manifest.simulation is not None  # noqa: S101 (the manifest's own check says so)
    total = manifest.simulation.seed + seed
    chosen = SimulationSettings().replace(**{**manifest.simulation.settings, **settings})
    wanted = {entry.id: entry.simulated for entry in entries if entry.simulated is not None}
    for file_id, name in wanted.items():
        if name not in output_names(chosen):
            raise InputError(f"data set {manifest.name!r}, file {file_id!r}: the generator writes no {name!r}; mend the manifest")
    everything = len(wanted) == sum(entry.simulated is not None for entry in manifest.files)
    folder = simulated_folder(total, chosen, None if everything else list(wanted.values()))
    paths = {file_id: folder / name for file_id, name in wanted.items()}
    digests = {file_id: f"simulated {chosen.digest()}-{total}/{name}" for file_id, name in wanted.items()}
    return total, paths, digests


def obtained(manifest: Manifest, entry: FileEntry, mirror: str | None, progress: bool) -> tuple[Path, str]:
    """Path of one file that is not simulated, fetched where it has to be, and its digest where that is known."""
    if entry.path is not None:
        return _checked_in_place(manifest, entry, entry.path), entry.sha256 or entry.md5 or ""
    from helpers.data.download import cached_path, obtain
    from helpers.data.encode import locked, locked_record

    if entry.encode is not None:
        record = locked(manifest.name, entry)
        if record is None or not matches(cached_path(record.file_name, record.checksum), record.checksum):
            record = locked_record(manifest, entry)
        return obtain(record.url, record.file_name, record.checksum, mirror=mirror, progress=progress), record.checksum.digest
    expected = pinned(entry)
    assert entry.url is not None and expected is not None  # noqa: S101, PT018 (the manifest's own check says so)
    return obtain(entry.url, entry.local_name, expected, mirror=mirror, progress=progress), expected.digest


def _checked_in_place(manifest: Manifest, entry: FileEntry, path: Path) -> Path:
    """Path of the user's own file: there, not empty, and as the manifest states it where it does."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise InputError(
            f"data set {manifest.name!r}, file {entry.id!r}: {path} is {what}; correct its 'path' (relative to the manifest, or absolute)"
        )
    if path.stat().st_size == 0:
        raise InputError(f"data set {manifest.name!r}, file {entry.id!r}: {path} is empty; fetch or make it again")
    expected, size = pinned(entry), path.stat().st_size
    wanted, got = "", ""
    if expected is not None and not matches(path, expected):
        wanted, got = str(expected), str(Checksum(expected.algorithm, known_digest(path, expected.algorithm), size))
    elif entry.bytes not in (None, size):
        wanted, got = f"{entry.bytes:,} bytes", f"{size:,} bytes"
    if wanted:
        raise InputError(f"{path}: expected {wanted}; got {got}: the file has changed, or the manifest has to")
    return path
