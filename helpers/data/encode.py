"""Files of the ENCODE portal: from an accession, or an experiment and a selection, to an address, a checksum and a size that stay what they are."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from filelock import FileLock

from helpers.data.checksums import Checksum, read_json, write_json
from helpers.data.manifests import EncodeOrigin, FileEntry, Manifest, Selection
from helpers.data.web import ATTEMPTS, Sleep, UnreachableError, request_json
from helpers.errors import InputError
from helpers.places import cache_folder

PORTAL = "https://www.encodeproject.org"
NEEDED = ("href", "md5sum", "file_size", "status", "output_type")
SAME_ASSEMBLY = (
    {"GRCh38", "hg38"},
    {"GRCh37", "hg19"},
    {"GRCm39", "mm39"},
    {"GRCm38", "mm10"},
    {"NCBI37", "mm9"},
    {"BDGP6", "dm6"},
    {"WBcel235", "ce11"},
)


@dataclass(frozen=True)
class EncodeRecord:
    """What the portal says of one file, as far as it decides which bytes are meant."""

    accession: str
    url: str
    md5: str
    size: int
    output_type: str
    assembly: str | None = None

    @property
    def file_name(self) -> str:
        """Last part of the address."""
        return self.url.rsplit("/", 1)[-1]

    @property
    def checksum(self) -> Checksum:
        """What the downloaded file must be."""
        return Checksum("md5", self.md5, self.size)


def resolve(
    origin: EncodeOrigin, assembly: str, *, base: str | None = None, sleep: Sleep = time.sleep, attempts: int = ATTEMPTS
) -> EncodeRecord:
    """Ask the portal which file is meant, and whether it may be used.

    Parameters
    ----------
    origin : EncodeOrigin
        The manifest's accession, or experiment and selection.
    assembly : str
        Assembly of the data set; the file's must agree where it has one (reads have none).
    base : str, optional
        Address of the portal; by default that of `GENOMICS_ENCODE_URL`, or encodeproject.org.
    sleep, attempts
        As in `helpers.data.web.with_retries`.

    Returns
    -------
    EncodeRecord

    Raises
    ------
    InputError
        If there is no such record, the file is not released, is of another assembly, or a selection leaves none or several.
    """
    portal = (base or os.environ.get("GENOMICS_ENCODE_URL") or PORTAL).rstrip("/") + "/"
    accession = origin.accession
    if accession is None:
        assert origin.experiment is not None and origin.selection is not None  # noqa: S101, PT018 (the manifest's own check says so)
        missing = "ENCODE has no such experiment; correct 'experiment' in the manifest"
        address = urljoin(portal, f"experiments/{origin.experiment}/?format=json&frame=embedded")
        experiment = request_json(address, missing=missing, sleep=sleep, attempts=attempts)
        accession = _select(experiment, origin.experiment, origin.selection)
    missing = "ENCODE has no such file; correct 'accession' in the manifest"
    record = request_json(urljoin(portal, f"files/{accession}/?format=json"), missing=missing, sleep=sleep, attempts=attempts)
    return _checked(record, accession, assembly, portal)


def locked_record(
    manifest: Manifest, entry: FileEntry, *, base: str | None = None, sleep: Sleep = time.sleep, attempts: int = ATTEMPTS
) -> EncodeRecord:
    """Resolve an ENCODE file, and hold on to what it was resolved to the first time.

    Parameters
    ----------
    manifest : Manifest
        The data set.
    entry : FileEntry
        Its file, with an `encode` origin.
    base, sleep, attempts
        As in `resolve`.

    Returns
    -------
    EncodeRecord
        The one that is locked where the portal cannot be reached; its checksum still decides.

    Raises
    ------
    InputError
        As `resolve`, and if the portal now names other bytes than those locked, or than the manifest pins.
    """
    assert entry.encode is not None  # noqa: S101 (the caller's choice of entry says so)
    before = locked(manifest.name, entry)
    try:
        record = resolve(entry.encode, manifest.assembly, base=base, sleep=sleep, attempts=attempts)
    except UnreachableError:
        if before is None:
            raise
        return before
    if entry.md5 not in (None, record.md5):
        raise InputError(
            f"data set {manifest.name!r}, file {entry.id!r}: ENCODE has md5 {record.md5} for {record.accession}, the manifest {entry.md5}; "
            "to accept the portal's file, correct 'md5' in the manifest"
        )
    if before is not None and (before.md5, before.size) != (record.md5, record.size):
        raise InputError(
            f"data set {manifest.name!r}, file {entry.id!r}: ENCODE now has md5 {record.md5} ({record.accession}), "
            f"it was {before.md5} ({before.accession}); to accept the new file, delete the entry {entry.id!r} in {lock_file(manifest.name)} "
            "and fetch again"
        )
    if before != record:
        _lock(manifest.name, entry, record)
    return record


def locked(dataset: str, entry: FileEntry) -> EncodeRecord | None:
    """Return what an ENCODE file was resolved to before; None where it was not, or where the manifest asks for another file now."""
    kept = read_json(lock_file(dataset)).get(entry.id)
    if not kept or kept["origin"] != _identity(entry):
        return None
    return EncodeRecord(**kept["record"])


def lock_file(dataset: str) -> Path:
    """Return where it is noted what the ENCODE files of a data set were resolved to."""
    return cache_folder() / "encode" / f"{dataset}.lock.json"


def same_assembly(one: str, other: str) -> bool:
    """Say whether two names stand for one assembly, such as hg38 and GRCh38."""
    return one == other or any({one, other} <= names for names in SAME_ASSEMBLY)


def _lock(dataset: str, entry: FileEntry, record: EncodeRecord) -> None:
    """Note what a file was resolved to, beside what other processes note."""
    path = lock_file(dataset)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        write_json(path, {**read_json(path), entry.id: {"origin": _identity(entry), "record": asdict(record)}})


def _identity(entry: FileEntry) -> dict[str, Any]:
    """Say what the manifest asks for, so that a lock does not outlive a change of the manifest."""
    asked = {} if entry.encode is None else entry.encode.model_dump(mode="json", exclude_none=True)
    return asked if entry.md5 is None else {**asked, "md5": entry.md5}


def _checked(record: Mapping[str, Any], accession: str, assembly: str, portal: str) -> EncodeRecord:
    """Turn a file record into ours, or say why the file may not be used."""
    for key in NEEDED:
        if record.get(key) in (None, ""):
            raise InputError(f"ENCODE file {accession}: its record has no {key!r}, so it cannot be fetched; choose another file")
    if record.get("accession", accession) != accession:
        raise InputError(f"ENCODE file {accession} was replaced by {record['accession']}: name that one in the manifest")
    if record["status"] != "released":
        raise InputError(
            f"ENCODE file {accession} is {record['status']}, not released{_reason(record)}: choose its successor at {portal}files/{accession}/"
        )
    found = record.get("assembly")
    if found and not same_assembly(str(found), assembly):
        raise InputError(
            f"ENCODE file {accession} is of assembly {found}, the manifest of {assembly}: choose the file of {assembly}, or correct 'assembly'"
        )
    url = urljoin(portal, str(record["href"]))
    return EncodeRecord(
        accession, url, str(record["md5sum"]).lower(), int(record["file_size"]), str(record["output_type"]), found
    )


def _reason(record: Mapping[str, Any]) -> str:
    """Why a file was revoked, and what came after it, where the record says so."""
    successors = [str(path).strip("/").rsplit("/", 1)[-1] for path in record.get("superseded_by") or []]
    detail = f" ({record['revoke_detail']})" if record.get("revoke_detail") else ""
    return detail + (f" (superseded by {', '.join(successors)})" if successors else "")


def _select(experiment: Mapping[str, Any], accession: str, selection: Selection) -> str:
    """Return the accession of the one released file of an experiment that agrees with every key of the selection."""
    files = [file for file in experiment.get("files") or [] if isinstance(file, Mapping) and file.get("status") == "released"]
    wanted = selection.model_dump(exclude_none=True, exclude={"analysis", "biological_replicates"})
    left = [file for file in files if all(_agrees(file.get(key), value) for key, value in wanted.items())]
    if selection.analysis == "default":
        chosen = _path_of(experiment.get("default_analysis"))
        left = [file for file in left if chosen in {_path_of(item) for item in file.get("analyses") or []}]
    replicates = selection.biological_replicates
    if replicates == "all":
        replicates = sorted({number for file in left for number in file.get("biological_replicates") or []})
    if replicates is not None:
        left = [file for file in left if sorted(file.get("biological_replicates") or []) == sorted(replicates)]
    if len(left) == 1:
        return str(left[0]["accession"])
    asked = ", ".join(f"{key} {value!r}" for key, value in selection.model_dump(exclude_none=True).items())
    alike = left or [file for file in files if file.get("file_format") == selection.file_format] or files
    listed = "; ".join(_line(file) for file in alike[:8]) or "none"
    more = f"; and {len(alike) - 8} more" if len(alike) > 8 else ""
    raise InputError(
        f"ENCODE experiment {accession}: {len(left)} released files agree with {asked}; one must. Candidates: {listed}{more}. "
        "Change 'selection' in the manifest, or name one by 'accession'"
    )


def _agrees(found: Any, wanted: Any) -> bool:
    """Compare one field of a file with what a selection asks for; lists in any order."""
    if isinstance(wanted, bool):
        return bool(found) == wanted
    return sorted(found or []) == sorted(wanted) if isinstance(wanted, list) else found == wanted


def _path_of(item: Any) -> str | None:
    """Path of an object of the portal, which is embedded or named by its path."""
    return item.get("@id") if isinstance(item, Mapping) else item


def _line(file: Mapping[str, Any]) -> str:
    """One candidate in one line."""
    replicates = ",".join(str(number) for number in file.get("biological_replicates") or []) or "-"
    return f"{file.get('accession')} ({file.get('file_format')}, {file.get('output_type')}, {file.get('assembly')}, replicates {replicates})"
