from __future__ import annotations

import json
import logging
import shutil
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.data.datasets import DataSet, load_dataset
from helpers.data.manifests import parse_manifest
from helpers.errors import InputError
from helpers.files.bigwig import write_bigwig
from helpers.files.fasta import encode, write_fasta
from helpers.files.reads import write_fragments
from helpers.prepare import dataset as module
from helpers.prepare.dataset import open_prepared, prepare_dataset
from helpers.prepare.regions import filter_counts, gc_of, thresholded_bins, tile
from helpers.prepare.signal import arcsinh

SEQUENCES = {"chr1": "ACGTNACGTT", "chr2": "GGGGCCCC", "chrM": "TTTTT"}
NAN = float("nan")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for each test, because equal inputs share one prepared folder."""
    folder = tmp_path_factory.mktemp("own_cache")
    monkeypatch.setenv("GENOMICS_CACHE", str(folder))
    return folder


def manifest_of(folder: Path, files: dict[str, tuple[str, str]], aliases: dict[str, str] | None = None) -> DataSet:
    """Data set of the user's own files: id -> (role, file name)."""
    entries = [
        {"id": name, "role": role, "path": str(folder / file), "measures": "a test", "units": "1"}
        for name, (role, file) in files.items()
    ]
    content = {
        "name": "mine", "title": "t", "organism": "o", "assembly": "a", "description": "d", "licence": "l", "citation": "c",
        "chromosome_aliases": aliases or {}, "splits": {"validation": ["chr1"], "test": ["chr2"]}, "files": entries,
    }  # fmt: skip
    return load_dataset(parse_manifest(content, folder=folder), progress=False)


@pytest.fixture
def mine(tmp_path: Path) -> DataSet:
    """Two tracks; the second calls chr1 `1` and has no chrM; bins of 4 bp."""
    write_fasta(tmp_path / "g.fa", SEQUENCES)
    write_bigwig(
        tmp_path / "one.bw",
        {"chr1": 10, "chr2": 8, "chrM": 5},
        {"chr1": ([0, 4, 8], [4, 6, 10], [1.0, 2.0, 3.0]), "chr2": ([0], [4], [NAN]), "chrM": ([0], [5], [9.0])},
    )
    write_bigwig(tmp_path / "two.bw", {"1": 10, "chr2": 8}, {"1": ([2], [9], [4.0]), "chr2": ([0], [8], [5.0])})
    return manifest_of(tmp_path, {"g": ("genome", "g.fa"), "one": ("track", "one.bw"), "two": ("track", "two.bw")}, {"1": "chr1"})


def test_arrays_lie_one_chromosome_after_another(mine: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "helpers.prepare"):
        prepared = prepare_dataset(mine, bin_size=4)
    assert prepared.tracks == ("one", "two")
    expected = {
        "chrom": ["chr1", "chr2"],
        "length": [10, 8],
        "base_offset": [0, 12],
        "bin_offset": [0, 3],
        "bins": [3, 2],
        "missing": [0, 1],
    }
    assert prepared.chroms.to_dict("list") == expected
    assert prepared.codes.dtype == np.uint8
    np.testing.assert_array_equal(prepared.codes, encode("ACGTNACGTT" + "NN" + "GGGGCCCC"))
    targets = np.array([[1, 2], [1, 4], [3, 2], [NAN, 5], [0, 5]], np.float32)
    assert prepared.targets.dtype == np.float32
    np.testing.assert_array_equal(prepared.targets, targets)
    assert isinstance(prepared.codes, np.memmap)
    assert isinstance(prepared.targets, np.memmap)
    assert prepared.facts["left_out"] == {"chrM": ["two"]}
    assert "left out, because a track does not have them: chrM" in caplog.text
    assert prepared.lengths == {"chr1": 10, "chr2": 8}


def test_windows_signal_and_sequence(mine: DataSet) -> None:
    prepared = prepare_dataset(mine, bin_size=4)
    codes, targets = prepared.window("chr1", 4, 10)
    np.testing.assert_array_equal(codes, encode("NACGTT"))
    np.testing.assert_array_equal(targets, [[1, 4], [3, 2]])
    np.testing.assert_array_equal(prepared.window("chr2", 4, 8)[0], encode("CCCC"))
    signal = prepared.signal("two")
    np.testing.assert_array_equal(signal["chr1"], [2, 4, 2])
    assert thresholded_bins(signal, prepared.lengths, 4, 3).to_numpy().tolist() == [["chr1", 4, 8], ["chr2", 0, 8]]
    np.testing.assert_allclose(gc_of(tile(prepared.lengths, 8), prepared.sequence()), [4 / 7, 1])
    for interval, message in [
        (("chr3", 0, 4), "chromosome 'chr3' was not prepared: choose among chr1, chr2"),
        (("chr1", 4, 12), "chr1:4-12 is empty or leaves chr1, which has 10 bp"),
        (("chr1", 4, 4), "chr1:4-4 is empty"),
        (("chr1", 2, 8), "chr1:2-8 does not begin and end with a bin of 4 bp"),
        (("chr1", 4, 9), "chr1:4-9 does not begin and end with a bin of 4 bp"),
    ]:
        with pytest.raises(InputError, match=message):
            prepared.window(*interval)
    with pytest.raises(InputError, match="track 'three' was not prepared: choose among one, two"):
        prepared.signal("three")


def test_settings_change_the_values_and_the_folder(mine: DataSet) -> None:
    plain = prepare_dataset(mine, bin_size=4)
    missing = prepare_dataset(mine, bin_size=4, uncovered="missing", chroms=["1"])
    np.testing.assert_array_equal(missing.targets, np.array([[1, 4], [2, 4], [3, 4]], np.float32))
    curved = prepare_dataset(mine, bin_size=4, transform="arcsinh", tracks=["two"])
    np.testing.assert_array_equal(curved.targets, arcsinh(np.asarray(plain.targets))[:, 1:])
    assert curved.tracks == ("two",)
    assert len({plain.folder, missing.folder, curved.folder, prepare_dataset(mine, bin_size=2).folder}) == 4


def test_a_prepared_data_set_is_made_once_and_again_when_inputs_change(
    mine: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    write = module._write
    monkeypatch.setattr(module, "_write", lambda folder, *rest, **options: (made.append(folder), write(folder, *rest, **options)))
    first = prepare_dataset(mine, bin_size=4)
    again = prepare_dataset(mine, bin_size=4)
    assert first.folder == again.folder
    assert len(made) == 1
    write_bigwig(tmp_path / "two.bw", {"1": 10, "chr2": 8}, {"1": ([2], [9], [400.0]), "chr2": ([0], [8], [5.0])})
    files = {"g": ("genome", "g.fa"), "one": ("track", "one.bw"), "two": ("track", "two.bw")}
    changed = prepare_dataset(manifest_of(tmp_path, files, {"1": "chr1"}), bin_size=4)
    assert changed.folder != first.folder
    assert changed.targets[1, 1] == 400
    assert len(made) == 2


def test_a_prepared_data_set_can_be_reopened_anywhere(mine: DataSet, tmp_path: Path) -> None:
    prepared = prepare_dataset(mine, bin_size=4)
    assert prepared.folder is not None
    assert sorted(path.name for path in prepared.folder.iterdir()) == [
        "chroms.csv",
        "codes.npy",
        "manifest.json",
        "prepared.json",
        "targets.npy",
    ]
    moved = Path(shutil.copytree(prepared.folder, tmp_path / "moved"))
    reopened = open_prepared(moved, verify=True)
    np.testing.assert_array_equal(reopened.targets, prepared.targets)
    np.testing.assert_array_equal(reopened.codes, prepared.codes)
    pd.testing.assert_frame_equal(reopened.chroms, prepared.chroms)
    assert (reopened.tracks, reopened.bin_size, reopened.facts) == (prepared.tracks, 4, prepared.facts)
    assert json.loads((moved / "manifest.json").read_text())["name"] == "mine"


def test_a_broken_folder_is_named_and_made_again(mine: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    folder = prepare_dataset(mine, bin_size=4).folder
    assert folder is not None
    targets = np.load(folder / "targets.npy")
    np.save(folder / "targets.npy", targets + 1)
    with pytest.raises(InputError, match="has targets that changed since they were prepared: prepare the data set again"):
        open_prepared(folder, verify=True)
    np.save(folder / "targets.npy", targets[:2])
    with pytest.raises(InputError, match=r"has arrays of shapes \(20,\) and \(2, 2\) for 5 bins"):
        open_prepared(folder)
    (folder / "targets.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match="cannot be opened"):
        open_prepared(folder)
    (folder / "codes.npy").unlink()
    with pytest.raises(InputError, match=r"has no codes\.npy: it is no prepared data set"):
        open_prepared(folder)
    np.testing.assert_array_equal(prepare_dataset(mine, bin_size=4).targets, targets)
    assert "making it again" in caplog.text
    facts = json.loads((folder / "prepared.json").read_text())
    (folder / "prepared.json").write_text(json.dumps({**facts, "version": 0}))
    with pytest.raises(InputError, match="was prepared by version 0 and this is version 1"):
        open_prepared(folder)


@pytest.mark.parametrize("failing", ["_codes", "_targets"])
def test_a_full_disk_leaves_nothing_behind(mine: DataSet, monkeypatch: pytest.MonkeyPatch, own_cache: Path, failing: str) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(module, failing, full)
    with pytest.raises(
        InputError, match=r"cannot be written \(No space left on device\): free some space, or set GENOMICS_CACHE"
    ):
        prepare_dataset(mine, bin_size=5)
    assert [path.suffix for path in (own_cache / "prepared").iterdir()] == [".lock"]


def test_two_at_once_make_one(mine: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    write = module._write
    monkeypatch.setattr(module, "_write", lambda folder, *rest, **options: (made.append(folder), write(folder, *rest, **options)))
    results: list[np.ndarray] = []
    threads = [
        threading.Thread(target=lambda: results.append(np.array(prepare_dataset(mine, bin_size=3).targets))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(results) == 4


def test_stretches_do_not_show(mine: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare_dataset(mine, bin_size=1)
    monkeypatch.setattr(module, "BASES_AT_ONCE", 3)
    monkeypatch.setattr(module, "VALUES_AT_ONCE", 6)
    folder = whole.folder
    assert folder is not None
    folder.rename(folder.with_name("moved"))
    parts = prepare_dataset(mine, bin_size=1)
    np.testing.assert_array_equal(parts.codes, whole.codes)
    np.testing.assert_array_equal(parts.targets, whole.targets)
    assert parts.facts["digests"] == whole.facts["digests"]


def test_fragments_become_coverage(tmp_path: Path) -> None:
    write_fasta(tmp_path / "g.fa", SEQUENCES)
    fragments = pd.DataFrame({"chrom": ["1", "1", "chr2"], "start": [0, 3, 2], "end": [6, 10, 4]})
    write_fragments(tmp_path / "f.bed.gz", fragments)
    mine = manifest_of(tmp_path, {"g": ("genome", "g.fa"), "atac": ("fragments", "f.bed.gz")}, {"1": "chr1"})
    prepared = prepare_dataset(mine, bin_size=4)
    np.testing.assert_array_equal(prepared.targets[:, 0], np.array([5 / 4, 6 / 4, 2 / 2, 2 / 4, 0, 0, 0], np.float32))
    with pytest.raises(InputError, match=r"f\.bed\.gz has fragments on '1', which is not in the genome: set chromosome_aliases"):
        prepare_dataset(manifest_of(tmp_path, {"g": ("genome", "g.fa"), "atac": ("fragments", "f.bed.gz")}), bin_size=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bin_size": 0}, "bin_size is 0"),
        ({"uncovered": "nan"}, "uncovered is 'nan': choose missing or zero"),
        ({"transform": "log"}, "transform is 'log': choose arcsinh, or None"),
        ({"tracks": ["three"]}, "track 'three' is not loaded in data set 'mine': choose among g, one, two"),
        ({"tracks": []}, "tracks is empty: choose among g, one, two"),
        ({"chroms": ["chrM"]}, "chromosome 'chrM' is not in track two: choose chromosomes that every track has"),
        ({"chroms": ["chr7"]}, "chromosome 'chr7' is not in"),
    ],
)
def test_impossible_settings_are_named(mine: DataSet, arguments: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        prepare_dataset(mine, **arguments)
    assert "\n" not in str(error.value)


def test_a_track_on_another_assembly_is_named(tmp_path: Path) -> None:
    write_fasta(tmp_path / "g.fa", SEQUENCES)
    write_bigwig(tmp_path / "long.bw", {"chr1": 11}, {"chr1": ([0], [11], [1.0])})
    with pytest.raises(InputError, match=r"chromosome \'chr1\' has 11 bp in long\.bw and 10 bp in the genome: wrong assembly\?"):
        prepare_dataset(manifest_of(tmp_path, {"g": ("genome", "g.fa"), "long": ("track", "long.bw")}))


def test_names_that_never_agree_are_named(tmp_path: Path) -> None:
    write_fasta(tmp_path / "g.fa", SEQUENCES)
    write_bigwig(tmp_path / "x.bw", {"I": 10}, {"I": ([0], [10], [1.0])})
    with pytest.raises(InputError, match="set chromosome_aliases"):
        prepare_dataset(manifest_of(tmp_path, {"g": ("genome", "g.fa"), "x": ("track", "x.bw")}))


def test_a_data_set_without_tracks_is_named(tmp_path: Path) -> None:
    write_fasta(tmp_path / "g.fa", SEQUENCES)
    with pytest.raises(InputError, match="data set 'mine' has neither tracks nor fragments loaded"):
        prepare_dataset(manifest_of(tmp_path, {"g": ("genome", "g.fa")}))


def test_regions_are_kept_with_the_arrays(mine: DataSet) -> None:
    prepared = prepare_dataset(mine, bin_size=4)
    windows = tile(prepared.lengths, 4).assign(part=["train", "train", "test", "test"])
    prepared.save_regions("by_chromosome", windows)
    pd.testing.assert_frame_equal(prepared.load_regions("by_chromosome"), windows, check_dtype=False)
    prepared.save_regions("by_chromosome", windows.iloc[:1])
    assert len(prepared.load_regions("by_chromosome")) == 1
    assert len(filter_counts(prepared.load_regions("by_chromosome"))) == 0
    with pytest.raises(InputError, match=r"no regions 'other' are kept in .*: there are by_chromosome"):
        prepared.load_regions("other")
    with pytest.raises(InputError, match=r"regions cannot be called '\.\./x': use letters"):
        prepared.save_regions("../x", windows)
    with pytest.raises(InputError, match="far: 1 of 1, the first chr1:8-12, are empty or leave"):
        prepared.save_regions("far", pd.DataFrame({"chrom": ["chr1"], "start": [8], "end": [12]}))


@pytest.fixture
def yeast(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOMICS_DATA_MIRROR", str(real_data))


@pytest.mark.usefixtures("yeast")
def test_real_multi_assay_tracks() -> None:
    prepared = prepare_dataset(load_dataset("yeast_multi_assay", progress=False))
    assert prepared.lengths == {"chrII": 813_184, "chrIV": 1_531_933, "chrXVI": 948_066}
    assert len(prepared.facts["left_out"]) == 14
    assert len(prepared.tracks) == 5
    assert np.isfinite(prepared.targets).all()
    mnase = prepared.signal("MNase")["chrIV"]
    means = [mnase[k * 9375 : (k + 1) * 9375].mean() for k in range(5)]  # 300 kb each
    np.testing.assert_allclose(means, [2.94, 2.74, 2.84, 2.96, 3.03], atol=0.02)


@pytest.mark.usefixtures("yeast")
def test_real_fragments() -> None:
    prepared = prepare_dataset(load_dataset("yeast_atac", roles=["genome", "fragments"], progress=False))
    assert len(prepared.chroms) == 17
    share = prepared.targets[:, 0].astype(float)
    offset, bins = prepared.chroms.set_index("chrom").loc["chrXII", ["bin_offset", "bins"]].astype(int)
    assert 0.33 < share[offset : offset + bins].sum() / share.sum() < 0.43  # the ribosomal repeats
