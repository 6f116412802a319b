from __future__ import annotations

import gzip
import json
import os
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from helpers.data import checksums
from helpers.data.checksums import known_digest, matches
from helpers.data.datasets import DataSet, check_dataset, describe_dataset, list_datasets, load_dataset, verify_dataset
from helpers.data.manifests import load_manifest
from helpers.errors import InputError
from helpers.files.bigwig import write_bigwig
from helpers.places import shipped

pytestmark = pytest.mark.usefixtures("own_cache")
SHA_OF_HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def write_track(path: Path, lengths: Mapping[str, int]) -> None:
    write_bigwig(path, lengths, {name: ([0], [10], [1.5]) for name in lengths})


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A manifest of one's own beside its files: a genome of two chromosomes, a track and some peaks."""
    (tmp_path / "genome.fa").write_text(">chrI\n" + "ACGT" * 50 + "\n>chrII\n" + "GGCC" * 25 + "\n")
    write_track(tmp_path / "track.bw", {"chrI": 200, "chrII": 100})
    (tmp_path / "peaks.bed").write_text("chrI\t5\t50\n")
    content = {
        "name": "mine", "title": "Mine", "organism": "yeast", "assembly": "none", "splits": {"validation": ["chrI"], "test": ["chrII"]},
        "files": [
            {"id": "genome", "role": "genome", "path": "genome.fa"},
            {"id": "track", "role": "track", "path": "track.bw", "measures": "coverage", "units": "reads"},
            {"id": "peaks", "role": "peaks", "path": "peaks.bed"},
        ],
    }  # fmt: skip
    path = tmp_path / "mine.yml"
    path.write_text(yaml.safe_dump(content))
    return path


def edit(path: Path, **changes: Any) -> Path:
    """Change keys of a manifest; a key such as files_1 changes keys of that file."""
    content = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        if key.startswith("files_"):
            content["files"][int(key[6:])].update(value)
        else:
            content[key] = value
    path.write_text(yaml.safe_dump(content))
    return path


class TestOwnFiles:
    def test_they_are_used_where_they_are(self, mine, own_cache):
        dataset = load_dataset(mine)
        assert dataset.genome == mine.parent / "genome.fa"
        assert dataset.tracks == {"track": mine.parent / "track.bw"}
        assert dataset.by_role("peaks") == {"peaks": mine.parent / "peaks.bed"}
        assert dataset.seed is None
        assert sorted(path.name for path in mine.parent.iterdir() if path != own_cache) == [
            "genome.fa",
            "mine.yml",
            "peaks.bed",
            "track.bw",
        ]
        assert not list(own_cache.rglob("track.bw"))

    @pytest.mark.parametrize(
        ("choice", "loaded"),
        [
            ({"ids": ["track"]}, ["track"]),
            ({"roles": ["peaks", "genome"]}, ["genome", "peaks"]),
            ({"ids": ["peaks", "track"], "roles": ["track"]}, ["track"]),
        ],
    )
    def test_a_part_of_a_data_set(self, mine, choice, loaded):
        assert list(load_dataset(mine, **choice).paths) == loaded

    @pytest.mark.parametrize(
        ("choice", "message"),
        [
            ({"ids": ["trak"]}, "data set 'mine' has no file 'trak': did you mean 'track'?"),
            ({"roles": ["reads"]}, "data set 'mine' has no file with role 'reads' (it has genome, peaks, track)"),
            ({"ids": ["peaks"], "roles": ["track"]}, "no file has both one of ids ['peaks'] and one of roles ['track']"),
        ],
    )
    def test_a_part_that_is_none(self, mine, choice, message):
        with pytest.raises(InputError) as caught:
            load_dataset(mine, **choice)
        assert message in str(caught.value)

    def test_without_a_genome_there_is_none_to_name(self, mine):
        with pytest.raises(InputError, match="data set 'mine' was loaded without its genome: leave out ids= and roles="):
            _ = load_dataset(mine, ids=["track"]).genome

    def test_a_file_that_is_not_there(self, mine):
        (mine.parent / "track.bw").unlink()
        with pytest.raises(InputError, match=r"data set 'mine', file 'track': .*track.bw is no such file; correct its 'path'"):
            load_dataset(mine)

    def test_a_folder_in_place_of_a_file(self, mine):
        edit(mine, files_1={"path": "."})
        with pytest.raises(InputError, match=r"file 'track': .* is a folder"):
            load_dataset(mine)

    def test_a_file_of_another_size(self, mine):
        edit(mine, files_1={"bytes": (mine.parent / "track.bw").stat().st_size})
        assert "track" in load_dataset(mine).paths
        edit(mine, files_1={"bytes": 12})
        with pytest.raises(
            InputError, match=r"track.bw: expected 12 bytes; got [\d,]+ bytes: the file has changed, or the manifest has to"
        ):
            load_dataset(mine)

    def test_an_empty_file(self, mine):
        (mine.parent / "peaks.bed").write_text("")
        with pytest.raises(InputError, match=r"peaks.bed is empty; fetch or make it again"):
            load_dataset(mine)

    def test_a_checksum_is_kept_to_where_one_is_given(self, mine):
        edit(mine, files_2={"sha256": SHA_OF_HELLO})
        with pytest.raises(
            InputError,
            match=f"peaks.bed: expected sha256 {SHA_OF_HELLO}; got sha256 .*, 10 bytes: the file has changed, or the manifest",
        ):
            load_dataset(mine)


class TestDigest:
    def test_it_follows_the_data_and_not_the_prose(self, mine):
        before = load_dataset(mine).digest
        assert load_dataset(edit(mine, title="Another title", description="more")).digest == before
        assert load_dataset(edit(mine, chromosome_aliases={"I": "chrI"})).digest != before
        edit(mine, chromosome_aliases={})
        assert load_dataset(mine).digest == before
        (mine.parent / "peaks.bed").write_text("chrI\t5\t51\n")
        assert load_dataset(mine).digest != before

    def test_it_does_not_depend_on_where_the_files_are(self, mine, tmp_path):
        moved = tmp_path / "moved"
        moved.mkdir()
        for name in ("genome.fa", "track.bw", "peaks.bed", "mine.yml"):
            (moved / name).write_bytes((mine.parent / name).read_bytes())
        assert load_dataset(moved / "mine.yml").digest == load_dataset(mine).digest


class TestCheck:
    def test_a_chromosome_of_another_length(self, mine):
        write_track(mine.parent / "track.bw", {"chrI": 200, "chrII": 90})
        with pytest.raises(InputError, match=r"'chrII' has 90 bp in track.bw and 100 bp in the genome: wrong assembly\?"):
            load_dataset(mine)

    def test_other_names_need_aliases(self, mine):
        write_track(mine.parent / "track.bw", {"I": 200, "II": 100})
        (mine.parent / "peaks.bed").write_text("I\t5\t50\n")
        with pytest.raises(InputError, match=r"no chromosome of track.bw .* is in the genome"):
            load_dataset(mine)
        assert load_dataset(edit(mine, chromosome_aliases={"I": "chrI", "II": "chrII"})).aliases == {"I": "chrI", "II": "chrII"}

    def test_intervals_on_other_names(self, mine):
        (mine.parent / "peaks.bed").write_text("I\t5\t50\nMito\t1\t2\n")
        with pytest.raises(InputError, match=r"peaks.bed: chromosome 'I' is not in the genome .*set chromosome_aliases"):
            load_dataset(mine)

    def test_some_intervals_elsewhere_are_allowed(self, mine):
        (mine.parent / "peaks.bed").write_text("chrUn_1\t5\t50\nchrI\t1\t2\n")
        assert load_dataset(mine).by_role("peaks")

    def test_a_split_chromosome_that_the_genome_lacks(self, mine):
        edit(mine, splits={"validation": ["chrI"], "test": ["chr2"]})
        with pytest.raises(
            InputError,
            match=r"splits.test names 'chr2', and genome.fa has 'chrI', .*: write the splits with the names of the FASTA",
        ):
            load_dataset(mine)

    def test_the_same_content_is_checked_once(self, mine, own_cache, monkeypatch):
        load_dataset(mine)
        assert len(list((own_cache / "checked").iterdir())) == 1
        monkeypatch.setattr("helpers.data.datasets.check_dataset", lambda _: pytest.fail("checked again"))
        load_dataset(mine)

    def test_what_failed_is_checked_again(self, mine, own_cache):
        (mine.parent / "peaks.bed").write_text("I\t5\t50\n")
        for _ in range(2):
            with pytest.raises(InputError):
                load_dataset(mine)
        assert not (own_cache / "checked").exists()

    def test_without_a_genome_nothing_is_compared(self, mine):
        check_dataset(DataSet("mine", load_manifest(mine), {"track": mine.parent / "missing.bw"}))


class TestVerify:
    def test_own_files(self, mine):
        edit(mine, files_1={"sha256": known_digest(mine.parent / "track.bw")}, files_0={"md5": "0" * 32})
        (mine.parent / "peaks.bed").unlink()
        table = verify_dataset(mine)
        assert table[["file", "status"]].to_numpy().tolist() == [["genome", "changed"], ["track", "ok"], ["peaks", "missing"]]

    def test_a_file_without_checksum(self, mine):
        assert verify_dataset(mine)["status"].tolist() == ["present (no checksum)"] * 3

    def test_every_byte_is_read_even_where_size_and_time_are_as_before(self, mine):
        track = mine.parent / "track.bw"
        edit(mine, files_1={"sha256": known_digest(track)})
        os.utime(track, (1, 1))
        load_dataset(mine)
        state = track.stat()
        track.write_bytes(track.read_bytes()[:-5] + b"wrong")
        os.utime(track, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert verify_dataset(mine).set_index("file")["status"]["track"] == "changed"


class TestChecksums:
    def test_a_known_file_is_not_read_again(self, tmp_path, monkeypatch):
        path = tmp_path / "hello"
        path.write_bytes(b"hello")
        os.utime(path, (1, 1))
        assert known_digest(path) == SHA_OF_HELLO
        assert known_digest(path, "md5") == "5d41402abc4b2a76b9719d911017c592"
        monkeypatch.setattr(checksums, "digest_of", lambda *_: pytest.fail("read again"))
        assert known_digest(path) == SHA_OF_HELLO
        assert known_digest(path, "md5") == "5d41402abc4b2a76b9719d911017c592"

    def test_a_changed_file_is_read_again(self, tmp_path):
        path = tmp_path / "hello"
        path.write_bytes(b"other")
        known_digest(path)
        path.write_bytes(b"hello")
        assert matches(path, checksums.Checksum("sha256", SHA_OF_HELLO, 5))
        assert not matches(path, checksums.Checksum("sha256", SHA_OF_HELLO, 6))
        assert not matches(tmp_path / "none", checksums.Checksum("sha256", SHA_OF_HELLO))

    def test_a_note_that_could_not_be_written_leaves_the_old_one(self, tmp_path):
        path = tmp_path / "note.json"
        checksums.write_json(path, {"a": 1})
        with pytest.raises(TypeError):
            checksums.write_json(path, {"a": object()})
        assert json.loads(path.read_text()) == {"a": 1}
        assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["note.json"]


class FakeSettings:
    """Stands in for the generator's settings."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def replace(self, **changes: Any) -> FakeSettings:
        return FakeSettings(**changes)

    def digest(self) -> str:
        return repr(sorted(self.changes.items()))


class TestSimulated:
    @pytest.fixture(autouse=True)
    def generator(self, tmp_path, monkeypatch):
        calls = self.calls = []

        def simulated_folder(seed: int, settings: FakeSettings, outputs: list[str] | None) -> Path:
            calls.append((seed, settings.changes, outputs))
            folder = tmp_path / f"seed{seed}"
            folder.mkdir(exist_ok=True)
            (folder / "genome.fa").write_text(">chr1\n" + "ACGT" * 5 + "\n>chr2\n" + "ACGT" * 5 + "\n")
            return folder

        module = types.ModuleType("helpers.data.simulation")
        module.SimulationSettings, module.simulated_folder = FakeSettings, simulated_folder  # type: ignore[attr-defined]
        module.output_names = lambda _: ("genome.fa", "genes.tsv")  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "helpers.data.simulation", module)

    @pytest.fixture
    def made(self, mine):
        return edit(
            mine,
            files=[{"id": "genome", "role": "genome", "simulated": "genome.fa"}],
            splits={"validation": ["chr1"], "test": ["chr2"]},
            simulation={"seed": 3, "settings": {"depth": 2, "cell_types": 4}},
        )

    def test_seed_and_settings_come_on_top_of_the_manifests(self, made, tmp_path):
        dataset = load_dataset(made, seed=2, settings={"depth": 5})
        assert dataset.seed == 5
        assert dataset.genome == tmp_path / "seed5/genome.fa"
        assert self.calls == [(5, {"depth": 5, "cell_types": 4}, None)]
        assert load_dataset(made).seed == 3

    def test_files_that_are_not_asked_for_are_not_made(self, made):
        files = [
            {"id": "genome", "role": "genome", "simulated": "genome.fa"},
            {"id": "genes", "role": "genes", "simulated": "genes.tsv"},
        ]
        edit(made, files=files)
        some, whole = load_dataset(made, ids=["genome"]), load_dataset(made)
        assert [call[2] for call in self.calls] == [["genome.fa"], None]
        assert some.digests["genome"] == whole.digests["genome"]

    def test_another_seed_is_another_content(self, made):
        assert load_dataset(made, seed=1).digest != load_dataset(made, seed=2).digest
        assert load_dataset(made, seed=1).digest == load_dataset(made, seed=1).digest

    @pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
    def test_a_seed_that_is_none(self, made, seed):
        with pytest.raises(InputError, match=r"seed = .*: must be a whole number of 0 or more"):
            load_dataset(made, seed=seed)

    def test_a_file_that_the_generator_does_not_write(self, made):
        edit(made, files_0={"simulated": "other.fa"})
        with pytest.raises(InputError, match=r"file 'genome': the generator writes no 'other.fa'; mend the manifest"):
            load_dataset(made)

    def test_verify(self, made):
        assert verify_dataset(made).to_numpy().tolist()[0][:2] == ["genome", "ok"]

    def test_own_files_take_no_seed(self, mine):
        assert load_dataset(mine, seed=4, settings={"depth": 1}).seed is None
        assert self.calls == []


def test_the_list_of_data_sets():
    table = list_datasets().set_index("name")
    assert list(table.columns) == ["title", "organism", "size_mb", "files", "cached"]
    assert table.loc["yeast_multi_assay", ["size_mb", "files", "cached"]].tolist() == [6.0, 8, "0 of 8"]
    assert table.loc["yeast_atac", "size_mb"] == 5.8
    assert table.loc["simulated", "cached"] == "34 made when asked for"
    assert pd.isna(table.loc["encode_atac_15", "size_mb"])


def test_a_description_says_what_is_measured_and_whose_it_is():
    text = describe_dataset("yeast_multi_assay")
    assert "yeast_multi_assay: Nucleosomes, polymerase, cohesin and transcription of budding yeast" in text
    assert "  MNase (track, url, 0.4 MB): MNase-seq, high where nucleosomes sit [mean coverage of a 75-bp tile]" in text
    assert "train: chrII\nvalidation: chrXVI    test: chrIV" in text
    assert "licence: MIT" in text
    assert "citation: js2264/tidyCoverage" in text
    assert text.endswith("at hand: 0 of 8")
    assert "train: all other chromosomes" in describe_dataset("simulated")


class TestRealYeast:
    """The real files, served over HTTP on this machine and fetched as anyone would."""

    def serve(self, site: Any, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                site.files[f"/{path.name}"] = path.read_bytes()

    @pytest.mark.parametrize("name", ["yeast_atac", "yeast_multi_assay"])
    def test_every_file_of_the_manifest_is_what_it_says(self, site, real_data, name):
        self.serve(site, real_data)
        dataset = load_dataset(name, mirror=site.address, progress=False)
        assert list(dataset.paths) == [entry.id for entry in dataset.manifest.files]
        assert verify_dataset(name)["status"].tolist() == ["ok"] * len(dataset.paths)
        assert [entry.bytes for entry in dataset.manifest.files] == [path.stat().st_size for path in dataset.paths.values()]
        asked = len(site.requests)
        load_dataset(name, mirror=site.address, progress=False)
        assert len(site.requests) == asked == len(dataset.paths)

    def test_a_folder_serves_as_well(self, real_data, monkeypatch):
        monkeypatch.setenv("GENOMICS_DATA_MIRROR", str(real_data))
        dataset = load_dataset("yeast_atac", ids=["genome", "atac_peaks"], progress=False)
        with gzip.open(dataset.genome, "rt") as file:
            assert file.readline() == ">chrI\n"

    def test_a_drop_in_the_middle_does_no_harm(self, site, real_data, monkeypatch):
        monkeypatch.setattr("helpers.data.web.LONGEST_WAIT", 0)
        self.serve(site, real_data)
        site.trouble["/sacCer3.fa.gz"] = [("drop", 1_000_000), ("status", 503), ("drop", 500_000)]
        load_dataset("yeast_atac", ids=["genome"], mirror=site.address, progress=False)
        assert [asked for _, asked in site.requests] == [None, "bytes=1000000-", "bytes=1000000-", "bytes=1500000-"]

    def test_the_genome_under_other_names_is_refused_as_it_stands(self, real_data, tmp_path):
        content = yaml.safe_load((shipped("data_manifests") / "yeast_multi_assay.yml").read_text())
        folder = real_data / "yeast_sacCer3"
        content["files"] = [
            {"id": "genome", "role": "genome", "path": str(folder / "reference/R64_ensembl_names.fa.gz")},
            {"id": "atac", "role": "track", "path": str(folder / "atac/derived/yeast_atac_fragment_coverage.bw")},
        ]
        (tmp_path / "m.yml").write_text(
            yaml.safe_dump(content | {"chromosome_aliases": {}, "splits": {"validation": ["XVI"], "test": ["IV"]}})
        )
        with pytest.raises(InputError, match=r"no chromosome of yeast_atac_fragment_coverage.bw .*set chromosome_aliases"):
            load_dataset(tmp_path / "m.yml")
