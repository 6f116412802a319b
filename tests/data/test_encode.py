from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from helpers.data import encode
from helpers.data.datasets import load_dataset, verify_dataset
from helpers.data.encode import lock_file, locked, locked_record, resolve
from helpers.data.manifests import EncodeOrigin, Manifest, Selection, parse_manifest
from helpers.errors import InputError

BYTES = b"the bytes of a bigWig" * 100
FILE = {
    "@id": "/files/ENCFF601VTB/",
    "@type": ["File", "Item"],
    "accession": "ENCFF601VTB",
    "href": "/files/ENCFF601VTB/@@download/ENCFF601VTB.bigWig",
    "md5sum": hashlib.md5(BYTES).hexdigest(),  # noqa: S324 (what the portal uses)
    "file_size": len(BYTES),
    "status": "released",
    "assembly": "GRCh38",
    "output_type": "signal p-value",
    "file_format": "bigWig",
    "biological_replicates": [1, 2],
    "technical_replicates": ["1_1", "2_1"],
    "analyses": [{"@id": "/analyses/ENCAN002BBB/", "title": "ENCODE4 v2 GRCh38"}],
}
PATH = "/files/ENCFF601VTB/?format=json"
pytestmark = pytest.mark.usefixtures("own_cache", "portal")
BY_ACCESSION = EncodeOrigin(accession="ENCFF601VTB")


class Portal:
    """Answers as the ENCODE portal does, and can change its mind."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.put(FILE)

    def put(self, record: dict[str, Any], content: bytes = BYTES) -> None:
        accession = record["@id"].split("/")[2]
        self.site.files[f"/files/{accession}/?format=json"] = json.dumps(record).encode()
        if record.get("href"):
            self.site.files[record["href"]] = content

    def experiment(self, files: list[dict[str, Any]], default: str | None = "/analyses/ENCAN002BBB/") -> None:
        record = {"accession": "ENCSR512YXO", "status": "released", "files": files, "default_analysis": default}
        self.site.files["/experiments/ENCSR512YXO/?format=json&frame=embedded"] = json.dumps(record).encode()
        for file in files:
            self.put(file)


@pytest.fixture
def portal(site, monkeypatch) -> Portal:
    monkeypatch.setenv("GENOMICS_ENCODE_URL", site.address)
    return Portal(site)


def file(number: int, **changes: Any) -> dict[str, Any]:
    accession = f"ENCFF00{number}AAA"
    return {
        **FILE,
        "@id": f"/files/{accession}/",
        "accession": accession,
        "href": f"/files/{accession}/@@download/{accession}.bigWig",
        **changes,
    }


def manifest(**encode_origin: Any) -> Manifest:
    return parse_manifest(
        {
            "name": "brain", "title": "t", "organism": "Homo sapiens", "assembly": "hg38", "splits": {"validation": ["chr9"], "test": ["chr8"]},
            "files": [
                {"id": "genome", "role": "genome", "path": "/nowhere/genome.fa"},
                {"id": "track", "role": "track", "encode": encode_origin or {"accession": "ENCFF601VTB"}},
            ],
        }
    )  # fmt: skip


def test_an_accession_gives_address_checksum_and_size(portal):
    record = resolve(BY_ACCESSION, "GRCh38")
    assert record.url == f"{portal.site.address}/files/ENCFF601VTB/@@download/ENCFF601VTB.bigWig"
    assert record.file_name == "ENCFF601VTB.bigWig"
    assert (record.checksum.algorithm, record.checksum.digest, record.checksum.size) == ("md5", FILE["md5sum"], 2100)


@pytest.mark.parametrize(("name", "agrees"), [("hg38", True), ("GRCh38", True), ("hg19", False), ("mm10", False)])
def test_two_names_of_one_assembly_agree(name, agrees):
    if agrees:
        assert resolve(BY_ACCESSION, name).assembly == "GRCh38"
    else:
        message = f"ENCODE file ENCFF601VTB is of assembly GRCh38, the manifest of {name}: choose the file of {name}, or correct 'assembly'"
        with pytest.raises(InputError, match=message):
            resolve(BY_ACCESSION, name)


def test_reads_have_no_assembly(portal):
    portal.put({key: value for key, value in FILE.items() if key != "assembly"} | {"output_type": "reads"})
    assert resolve(BY_ACCESSION, "hg19").assembly is None


@pytest.mark.parametrize("status", ["revoked", "archived", "deleted", "replaced", "in progress"])
def test_only_released_files_are_used(portal, status):
    portal.put({**FILE, "status": status, "revoke_detail": "wrong antibody", "superseded_by": ["/files/ENCFF002BBB/"]})
    message = rf"ENCODE file ENCFF601VTB is {status}, not released \(wrong antibody\) \(superseded by ENCFF002BBB\): choose its successor at http"
    with pytest.raises(InputError, match=message):
        resolve(BY_ACCESSION, "GRCh38")


def test_a_file_that_was_replaced_is_not_taken_silently(portal):
    portal.put({**FILE, "accession": "ENCFF002BBB"})
    with pytest.raises(InputError, match="ENCODE file ENCFF601VTB was replaced by ENCFF002BBB: name that one"):
        resolve(BY_ACCESSION, "GRCh38")


@pytest.mark.parametrize("key", ["href", "md5sum", "file_size", "status", "output_type"])
def test_a_record_without_what_is_needed(portal, key):
    portal.put({**FILE, key: None})
    with pytest.raises(InputError, match=f"ENCODE file ENCFF601VTB: its record has no '{key}', so it cannot be fetched"):
        resolve(BY_ACCESSION, "GRCh38")


def test_an_accession_that_does_not_exist():
    with pytest.raises(InputError, match=r"ENCFF999ZZZ.*: ENCODE has no such file; correct 'accession' in the manifest"):
        resolve(EncodeOrigin(accession="ENCFF999ZZZ"), "GRCh38")


def test_a_busy_portal_is_asked_again(portal, waits):
    portal.site.trouble[PATH] = [("status", 503), ("status", 503)]
    assert resolve(BY_ACCESSION, "GRCh38", sleep=waits.append).accession == "ENCFF601VTB"
    assert waits == [1, 2]


def test_a_portal_that_stays_busy_is_given_up(portal, waits):
    portal.site.trouble[PATH] = [("status", 503)] * 9
    with pytest.raises(InputError, match=r"the server answers 503 .*\(5 attempts\); check the network, try later"):
        resolve(BY_ACCESSION, "GRCh38", sleep=waits.append)


def test_an_answer_that_is_no_record(portal):
    portal.site.files[PATH] = b"<html>Log in</html>"
    with pytest.raises(InputError, match="the answer is not a JSON record"):
        resolve(BY_ACCESSION, "GRCh38")


class TestSelection:
    FILES = (
        file(1, biological_replicates=[1]),
        file(2, biological_replicates=[2]),
        file(3, biological_replicates=[2, 1]),
        file(4, output_type="fold change over control"),
        file(5, assembly="hg19"),
        file(6, status="archived"),
        file(7, file_format="bed", output_type="IDR thresholded peaks", preferred_default=True),
        file(8, analyses=[{"@id": "/analyses/ENCAN001AAA/"}]),
    )

    def choose(self, **selection: Any) -> str:
        wanted = Selection(
            **{"file_format": "bigWig", "output_type": "signal p-value", "assembly": "GRCh38", "analysis": "default"} | selection
        )
        return resolve(EncodeOrigin(experiment="ENCSR512YXO", selection=wanted), "GRCh38").accession

    @pytest.mark.parametrize(
        ("selection", "chosen"),
        [
            ({"biological_replicates": [1]}, "ENCFF001AAA"),
            ({"biological_replicates": [1, 2]}, "ENCFF003AAA"),
            ({"biological_replicates": "all"}, "ENCFF003AAA"),
            ({"output_type": "fold change over control"}, "ENCFF004AAA"),
            ({"file_format": "bed", "output_type": "IDR thresholded peaks", "preferred_default": True}, "ENCFF007AAA"),
        ],
    )
    def test_one_released_file_is_left(self, portal, selection, chosen):
        portal.experiment(list(self.FILES))
        assert self.choose(**selection) == chosen

    def test_all_replicates_of_an_experiment_with_one(self, portal):
        portal.experiment([file(1, biological_replicates=[1])])
        assert self.choose(biological_replicates="all") == "ENCFF001AAA"

    def test_analyses_may_be_paths_or_records(self, portal):
        portal.experiment([file(1, analyses=["/analyses/ENCAN002BBB/"]), file(2, analyses=["/analyses/ENCAN001AAA/"])])
        assert self.choose() == "ENCFF001AAA"

    def test_several_are_listed(self, portal):
        portal.experiment(list(self.FILES))
        with pytest.raises(InputError) as caught:
            self.choose()
        message = str(caught.value)
        assert message.startswith(
            "ENCODE experiment ENCSR512YXO: 3 released files agree with file_format 'bigWig', output_type 'signal p-value'"
        )
        assert "Candidates: ENCFF001AAA (bigWig, signal p-value, GRCh38, replicates 1); ENCFF002AAA" in message
        assert "ENCFF006AAA" not in message
        assert message.endswith("Change 'selection' in the manifest, or name one by 'accession'")
        assert "\n" not in message

    def test_none_lists_what_there_is_of_that_format(self, portal):
        portal.experiment(
            [file(number % 10, biological_replicates=[number]) for number in range(1, 10)] + [file(0, file_format="bed")]
        )
        with pytest.raises(InputError, match=r"0 released files agree .*Candidates: ENCFF001AAA .*; and 1 more"):
            self.choose(output_type="raw signal")

    def test_an_experiment_that_does_not_exist(self):
        with pytest.raises(InputError, match="ENCODE has no such experiment; correct 'experiment' in the manifest"):
            self.choose()


class TestLock:
    def test_the_first_answer_is_noted(self, own_cache):
        ours = manifest()
        assert locked("brain", ours.entry("track")) is None
        record = locked_record(ours, ours.entry("track"))
        assert locked("brain", ours.entry("track")) == record
        assert lock_file("brain") == own_cache / "encode" / "brain.lock.json"

    def test_other_bytes_later_are_refused_until_accepted(self, portal):
        ours = manifest()
        locked_record(ours, ours.entry("track"))
        portal.put({**FILE, "md5sum": "a" * 32})
        with pytest.raises(InputError) as caught:
            locked_record(ours, ours.entry("track"))
        assert str(caught.value) == (
            f"data set 'brain', file 'track': ENCODE now has md5 {'a' * 32} (ENCFF601VTB), it was {FILE['md5sum']} (ENCFF601VTB); "
            f"to accept the new file, delete the entry 'track' in {lock_file('brain')} and fetch again"
        )
        lock_file("brain").unlink()
        assert locked_record(ours, ours.entry("track")).md5 == "a" * 32

    def test_a_portal_that_cannot_be_reached_leaves_the_lock_to_decide(self, portal, waits):
        ours = manifest()
        record = locked_record(ours, ours.entry("track"))
        portal.site.trouble[PATH] = [("status", 503)] * 9
        assert locked_record(ours, ours.entry("track"), sleep=waits.append) == record

    def test_without_a_lock_a_portal_that_cannot_be_reached_is_an_error(self, portal, waits):
        portal.site.trouble[PATH] = [("status", 503)] * 9
        with pytest.raises(InputError, match="check the network"):
            locked_record(manifest(), manifest().entry("track"), sleep=waits.append)

    def test_a_changed_manifest_is_resolved_anew(self, portal):
        locked_record(manifest(), manifest().entry("track"))
        portal.put(file(1, md5sum="b" * 32))
        other = manifest(accession="ENCFF001AAA")
        assert locked("brain", other.entry("track")) is None
        assert locked_record(other, other.entry("track")).md5 == "b" * 32

    def test_what_the_manifest_pins_must_agree(self):
        ours = manifest()
        entry = ours.entry("track").model_copy(update={"md5": "c" * 32})
        with pytest.raises(
            InputError, match=f"ENCODE has md5 {FILE['md5sum']} for ENCFF601VTB, the manifest {'c' * 32}; .*correct 'md5'"
        ):
            locked_record(ours, entry)

    def test_a_damaged_lock_is_made_anew(self):
        lock_file("brain").parent.mkdir(parents=True)
        lock_file("brain").write_text("{")
        assert locked_record(manifest(), manifest().entry("track")).accession == "ENCFF601VTB"
        assert list(json.loads(lock_file("brain").read_text())) == ["track"]


class TestFetch:
    def test_a_file_is_fetched_and_then_the_portal_is_left_alone(self, portal):
        dataset = load_dataset(manifest(), ids=["track"], progress=False)
        assert dataset.paths["track"].read_bytes() == BYTES
        asked = len(portal.site.requests)
        assert load_dataset(manifest(), ids=["track"], progress=False) == dataset
        assert len(portal.site.requests) == asked == 2

    def test_verify_knows_it_by_its_lock(self):
        assert verify_dataset(manifest()).set_index("file")["status"]["track"] == "missing"
        path = load_dataset(manifest(), ids=["track"], progress=False).paths["track"]
        assert verify_dataset(manifest()).set_index("file")["status"]["track"] == "ok"
        path.write_bytes(BYTES[::-1])
        assert verify_dataset(manifest()).set_index("file")["status"]["track"] == "changed"

    def test_a_mirror_holds_it_under_its_base_name(self, portal, tmp_path):
        (tmp_path / "m").mkdir()
        (tmp_path / "m/ENCFF601VTB.bigWig").write_bytes(BYTES)
        load_dataset(manifest(), ids=["track"], mirror=str(tmp_path / "m"), progress=False)
        assert [path for path, _ in portal.site.requests] == [PATH]

    def test_a_hostile_name_does_not_leave_the_cache(self, portal):
        portal.put({**FILE, "href": "/files/.."})
        with pytest.raises(InputError, match="no folders"):
            load_dataset(manifest(), ids=["track"], progress=False)


def test_the_portal_is_encode_unless_told_otherwise(monkeypatch):
    asked = []

    def ask(url: str, **_: object) -> dict[str, Any]:
        asked.append(url)
        return FILE

    monkeypatch.delenv("GENOMICS_ENCODE_URL", raising=False)
    monkeypatch.setattr(encode, "request_json", ask)
    assert resolve(BY_ACCESSION, "GRCh38").url.startswith("https://www.encodeproject.org/files/ENCFF601VTB/@@download/")
    resolve(BY_ACCESSION, "GRCh38", base="https://elsewhere.org/encode/")
    assert asked == [
        "https://www.encodeproject.org/files/ENCFF601VTB/?format=json",
        "https://elsewhere.org/encode/files/ENCFF601VTB/?format=json",
    ]
