from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.data.manifests import Manifest, load_manifest, manifest_names, parse_manifest
from helpers.errors import InputError

GOOD: dict[str, Any] = {
    "name": "mine",
    "title": "My data",
    "organism": "Saccharomyces cerevisiae",
    "assembly": "sacCer3",
    "splits": {"validation": ["chrI"], "test": ["chrII"]},
    "files": [
        {"id": "genome", "role": "genome", "path": "genome.fa"},
        {
            "id": "track",
            "role": "track",
            "url": "https://example.org/a/track.bw",
            "sha256": "A" * 64,
            "bytes": 12,
            "units": "reads",
        },
    ],
}
ENCODE = {"experiment": "ENCSR512YXO", "selection": {"file_format": "bigWig", "output_type": "signal p-value"}}


def changed(place: str, value: object) -> dict[str, Any]:
    """The good manifest with one key set (or deleted, where the value is ...)."""
    content = copy.deepcopy(GOOD)
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    inner: Any = content
    for part in parents:
        inner = inner[part]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return content


def test_a_good_manifest():
    manifest = parse_manifest(GOOD, folder="/data")
    assert [entry.id for entry in manifest.files] == ["genome", "track"]
    assert [entry.origin for entry in manifest.files] == ["path", "url"]
    assert manifest.entry("genome").path == Path("/data/genome.fa")
    assert manifest.entry("track").sha256 == "a" * 64
    assert manifest.entry("track").local_name == "track.bw"
    assert manifest.splits.train is None
    assert manifest.licence == ""


@pytest.mark.parametrize(
    ("given", "found"), [("/abs/genome.fa", "/abs/genome.fa"), ("~/genome.fa", "{home}/genome.fa"), ("../g.fa", "/data/../g.fa")]
)
def test_paths_are_relative_to_the_manifest(given, found):
    manifest = parse_manifest(changed("files.0.path", given), folder="/data")
    assert manifest.entry("genome").path == Path(found.format(home=Path.home()))


NO_FOLDERS = "a name starts with a letter or digit"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("licens", "MIT", "m.yml: unknown key 'licens': did you mean 'licence'? (known here: name,"),
        ("files.1.ulr", "x", "m.yml: unknown key 'files[1].ulr' of file 'track': did you mean 'url'?"),
        ("splits.valid", ["chrI"], "m.yml: unknown key 'splits.valid': did you mean 'validation'? (known here: validation, test, train)"),
        ("title", ..., "m.yml: key 'title' is missing: add it"),
        ("files.1.role", ..., "key 'files[1].role' of file 'track' is missing: add it"),
        ("name", "../up", f"m.yml: name = '../up': {NO_FOLDERS}"),
        ("name", "a/b", NO_FOLDERS),
        ("name", "/abs", NO_FOLDERS),
        ("name", "..", NO_FOLDERS),
        ("name", "a..b", NO_FOLDERS),
        ("name", "a\0b", NO_FOLDERS),
        ("name", "", NO_FOLDERS),
        ("files.1.id", "x/../y", "m.yml: files[1].id of file 'x/../y' = 'x/../y': " + NO_FOLDERS),
        ("files.1.file_name", "../x", NO_FOLDERS),
        ("files.1.role", "trak", "files[1].role of file 'track' = 'trak': must be one of genome, track, peaks,"),
        ("files.1.role", "trak", "did you mean 'track'?"),
        ("files.1.sha256", "abc", "files[1].sha256 of file 'track' = 'abc': must be 64 hexadecimal digits, as sha256sum prints them"),
        ("files.1.sha256", "g" * 64, "must be 64 hexadecimal digits"),
        ("files.1.md5", "a" * 31, "must be 32 hexadecimal digits, as md5sum prints them"),
        ("files.1.bytes", 0, "files[1].bytes of file 'track' = 0: Input should be greater than 0"),
        ("files.1.bytes", "12", "files[1].bytes of file 'track' = '12': Input should be a valid integer"),
        ("files.1.url", "ftp://example.org/x", "an address must start with http:// or https:// and name a host; for a file of your own use 'path'"),
        ("files.1.url", "/data/x.bw", "an address must start with http://"),
        ("files.1.url", "https:///x.bw", "and name a host"),
        ("files.1.url", "https://example.org/", "the address ends in '', which is no file name: add 'file_name'"),
        ("files.1.url", "https://example.org/%2e%2e", "the address ends in '..', which is no file name"),
        ("files.1.sha256", ..., "a file with a url needs 'sha256' or 'md5', so that a download can be checked"),
        ("files.1.path", "x.bw", "a file needs exactly one origin of url, encode, path, simulated; url and path are given"),
        ("files.0.path", ..., "exactly one origin of url, encode, path, simulated; none is given"),
        ("files.0.path", "", "a path must be text, and not empty"),
        ("files.0.path", 7, "a path must be text, and not empty"),
        ("files.1.id", "genome", "two files have the id 'genome': give each its own"),
        ("files.1.role", "genome", "exactly one file must have the role 'genome'; 2 have it"),
        ("files.0.role", "track", "exactly one file must have the role 'genome'; 0 have it"),
        ("files", [], "m.yml: files = []: List should have at least 1 item"),
        ("splits.test", ["chrI"], "chromosome 'chrI' is named twice: a chromosome belongs to one of train, validation and test"),
        ("splits.train", ["chrII"], "chromosome 'chrII' is named twice"),
        ("splits.test", [], "splits.test = []: List should have at least 1 item"),
        ("splits.test", [2], "splits.test[0] = 2: must be text: put it in quotes"),
        ("chromosome_aliases", {"1": 1}, "must be text: put it in quotes"),
        ("files.0", {"id": "genome", "role": "genome", "simulated": "genome.fa"}, "there is no 'simulation' section with a seed: add one"),
        ("files.1", {"id": "t", "role": "track", "simulated": "../x.bw"}, NO_FOLDERS),
        ("files.1", {"id": "t", "role": "track", "simulated": "x.bw", "md5": "a" * 32}, "a simulated file takes no checksum"),
        ("files.1", {"id": "t", "role": "track", "encode": {"accession": "ENCFF1"}}, "an ENCODE accession here is ENCFF, three digits and three"),
        ("files.1", {"id": "t", "role": "track", "encode": {"experiment": "ENCSR512YXO"}}, "give either 'accession' (ENCFF...), or 'experiment'"),
        ("files.1", {"id": "t", "role": "track", "encode": {**ENCODE, "accession": "ENCFF601VTB"}}, "give either 'accession'"),
        ("files.1", {"id": "t", "role": "track", "encode": ENCODE, "sha256": "a" * 64}, "only 'md5' can be pinned"),
        ("simulation", {"seed": -1}, "simulation.seed = -1: Input should be greater than or equal to 0"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_one_line_with_key_value_and_cure(place, value, message):
    with pytest.raises(InputError) as caught:
        parse_manifest(changed(place, value), source="m.yml")
    assert str(caught.value).startswith("m.yml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_of_a_selection_is_looked_up_there():
    entry = {"id": "t", "role": "track", "encode": {"experiment": "ENCSR512YXO", "selection": {"file_formt": "bigWig"}}}
    with pytest.raises(InputError, match="did you mean 'file_format'"):
        parse_manifest(changed("files.1", entry))


@pytest.mark.parametrize("replicates", [[1, 2], "all"])
def test_replicates_of_a_selection(replicates):
    selection = {**ENCODE["selection"], "biological_replicates": replicates}
    manifest = parse_manifest(changed("files.1", {"id": "t", "role": "track", "encode": {**ENCODE, "selection": selection}}))
    origin = manifest.entry("t").encode
    assert origin is not None
    assert origin.selection is not None
    assert origin.selection.biological_replicates == replicates


def test_a_replicate_that_is_no_number_is_named():
    selection = {**ENCODE["selection"], "biological_replicates": ["one"]}
    with pytest.raises(InputError, match=r"selection.biological_replicates"):
        parse_manifest(changed("files.1", {"id": "t", "role": "track", "encode": {**ENCODE, "selection": selection}}))


@pytest.mark.parametrize("content", [None, [], "text", 7])
def test_a_manifest_that_is_no_mapping(content):
    with pytest.raises(InputError, match="a manifest is a YAML mapping of keys"):
        parse_manifest(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [a", "line 1, column 9: expected ',' or ']'"),
        ("name: a\n\ttitle: b", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("name: a\nname: b", "line 2, column 1: key 'name' is given twice"),
        ("name: !!python/object:os.system x", "could not determine a constructor"),
    ],
)
def test_broken_yaml_says_where(tmp_path, text, message):
    path = tmp_path / "m.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_manifest(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("mend the YAML there")
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"there is no such manifest; check the path, or name one of .*simulated"):
        load_manifest(tmp_path / "none.yml")


def test_a_manifest_that_is_not_text(tmp_path):
    (tmp_path / "m.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it must be a UTF-8 text file"):
        load_manifest(tmp_path / "m.yml")


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(InputError) as caught:
        load_manifest("simulted")
    assert str(caught.value).startswith("data set 'simulted' is not known: did you mean 'simulated'? (known: encode_atac_15, ")
    assert "give the path of a manifest that ends in .yml" in str(caught.value)


def test_an_unknown_file_suggests_a_known_one():
    with pytest.raises(
        InputError, match="data set 'mine' has no file 'trak': did you mean 'track'\\? \\(it has genome, track\\)"
    ):
        parse_manifest(GOOD).entry("trak")


def test_a_name_a_path_and_a_manifest_load_alike(tmp_path):
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump(GOOD))
    manifest = load_manifest(path)
    assert manifest == load_manifest(str(path)) == load_manifest(manifest)
    assert manifest.entry("genome").path == tmp_path / "genome.fa"


def test_a_manifest_cannot_be_changed_afterwards():
    with pytest.raises(ValueError, match="frozen"):
        parse_manifest(GOOD).name = "other"  # type: ignore[misc]


def test_the_data_sets_that_travel_with_the_package():
    names = ["encode_atac_15", "encode_h3k36me3_brain", "simulated", "yeast_atac", "yeast_multi_assay"]
    assert manifest_names() == names
    for name in names:
        manifest = load_manifest(name)
        assert isinstance(manifest, Manifest)
        assert manifest.name == name
        assert manifest.licence
        assert manifest.citation
        assert all(entry.measures and entry.units for entry in manifest.files)


def test_encode_atac_15_is_one_track_a_cell_line():
    manifest = load_manifest("encode_atac_15")
    tracks = {entry.id: entry.encode.experiment for entry in manifest.files if entry.role == "track" and entry.encode}
    assert len(tracks) == len(set(tracks.values())) == 15
    assert tracks["HepG2"] == "ENCSR291GJU"
    assert tracks["MCF-7"] == "ENCSR422SUG"


def test_the_simulated_files_are_the_generators():
    manifest = load_manifest("simulated")
    made = {entry.id: entry.simulated for entry in manifest.files}
    assert len(made) == 34
    assert made["atac_C_neglog10p"] == "atac_C.neglog10p.bw"
    assert made["atac_A_control"] == "atac_A.control.bw"
    assert manifest.entry("atac_A_control").role == "control"
    assert (manifest.splits.validation, manifest.splits.test, manifest.splits.train) == (["chr7"], ["chr8"], None)
