from __future__ import annotations

import gzip
import math
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files import bigwig, bigwig_write
from helpers.files.bigwig import check_lengths, chrom_lengths, open_bigwig, read_header, read_intervals, write_bigwig

LENGTHS = {"chrI": 1000, "chrII": 50}
TRACK = {"chrI": ([0, 10, 20], [5, 20, 30], [1.0, math.nan, 3.0]), "chrII": ([49], [50], [-2.5])}


@pytest.fixture
def track(tmp_path: Path) -> Path:
    path = tmp_path / "track.bw"
    write_bigwig(path, LENGTHS, TRACK)
    return path


def _rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(None if value != value else value for value in row) for row in table.itertuples(index=False)]


def test_read_intervals(track: Path) -> None:
    table = read_intervals(track, "chrI")
    assert list(table.columns) == ["start", "end", "value"]
    assert [str(kind) for kind in table.dtypes] == ["int64", "int64", "float64"]
    assert isinstance(table.index, pd.RangeIndex)
    assert _rows(table) == [(0, 5, 1.0), (10, 20, None), (20, 30, 3.0)]
    assert _rows(read_intervals(track, "chrII")) == [(49, 50, -2.5)]


def test_intervals_are_cut_at_the_window(track: Path) -> None:
    assert _rows(read_intervals(track, "chrI", 3, 12)) == [(3, 5, 1.0), (10, 12, None)]
    assert _rows(read_intervals(track, "chrI", 29)) == [(29, 30, 3.0)]
    assert _rows(read_intervals(track, "chrI", 5, 10)) == []


def test_an_interval_over_several_pieces_comes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigwig, "_READ_CHUNK", 7)
    write_bigwig(tmp_path / "a.bw", {"x": 100}, {"x": ([0, 30, 35], [30, 35, 99], [1, 2, 3])})
    assert _rows(read_intervals(tmp_path / "a.bw", "x")) == [(0, 30, 1), (30, 35, 2), (35, 99, 3)]
    assert _rows(read_intervals(tmp_path / "a.bw", "x", 28, 50)) == [(28, 30, 1), (30, 35, 2), (35, 50, 3)]


def test_header(track: Path) -> None:
    header = read_header(track)
    assert (header.version, header.lengths) == (4, LENGTHS)
    assert (header.covered_bases, header.minimum, header.maximum) == (16, -2.5, 3.0)  # NaN covers nothing
    assert header.mean == (5 * 1 + 10 * 3 - 2.5) / 16
    assert len(header.zoom_levels) > 0
    assert list(header.zoom_levels) == sorted(header.zoom_levels)
    assert chrom_lengths(track) == LENGTHS


def test_no_zoom_levels(tmp_path: Path) -> None:
    write_bigwig(tmp_path / "a.bw", LENGTHS, TRACK, zoom_levels=0)
    assert read_header(tmp_path / "a.bw").zoom_levels == ()
    assert _rows(read_intervals(tmp_path / "a.bw", "chrII")) == [(49, 50, -2.5)]


def test_pybigwigs_own_header_agrees_also_with_nan(track: Path) -> None:
    with pyBigWig.open(str(track)) as handle:
        stated = handle.header()
    assert (stated["nBasesCovered"], stated["minVal"], stated["maxVal"]) == (16, -2, 3)


@pytest.mark.parametrize("intervals", [{}, {"chrI": ([], [], [])}, {"chrI": ([1], [3], [math.nan])}])
def test_tracks_without_a_value(tmp_path: Path, intervals: dict[str, Any]) -> None:
    write_bigwig(tmp_path / "a.bw", LENGTHS, intervals)
    header = read_header(tmp_path / "a.bw")
    assert header.covered_bases == 0
    assert math.isnan(header.minimum)
    assert math.isnan(header.maximum)
    assert math.isnan(header.mean)
    expected = [(1, 3, None)] if intervals and intervals["chrI"][0] else []
    assert _rows(read_intervals(tmp_path / "a.bw", "chrI")) == expected
    assert _rows(read_intervals(tmp_path / "a.bw", "chrII")) == []


tracks = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 9), st.one_of(st.just(math.nan), st.floats(-1e6, 1e6, width=32))), max_size=40
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tracks, tracks, st.booleans(), st.integers(1, 20))
def test_round_trip_against_a_loop_over_bases(tmp_path: Path, one: list[Any], two: list[Any], pieces: bool, chunk: int) -> None:
    lengths = {"b": 700, "a": 600}
    columns, bases = {}, {name: np.full(length, np.nan) for name, length in lengths.items()}
    for name, steps in (("a", one), ("b", two)):
        position, starts, ends, values = 0, [], [], []
        for gap, size, value in steps:
            starts.append(position + gap)
            ends.append(position + gap + size)
            values.append(value)
            for i in range(starts[-1], ends[-1]):
                bases[name][i] = value
            position = ends[-1]
        columns[name] = (np.array(starts, int), np.array(ends, int), np.array(values, float))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bigwig_write, "_CHUNK", chunk)
        given_intervals: Any = columns
        if pieces:
            given_intervals = [
                (name, *(column[i : i + 3] for column in columns[name]))
                for name in lengths
                for i in range(0, len(columns[name][0]), 3)
            ]
        write_bigwig(tmp_path / "a.bw", lengths, given_intervals)
    assert chrom_lengths(tmp_path / "a.bw") == lengths
    finite = np.concatenate([bases["a"], bases["b"]])
    finite = finite[np.isfinite(finite)]
    header = read_header(tmp_path / "a.bw")
    assert header.covered_bases == len(finite)
    if len(finite):
        np.testing.assert_allclose(
            [header.minimum, header.maximum, header.mean], [finite.min(), finite.max(), finite.mean()], rtol=1e-9, atol=1e-6
        )
    with open_bigwig(tmp_path / "a.bw") as handle:
        for name, length in lengths.items():
            values = handle.values(name, 0, length) or np.full(length, np.nan)  # pyBigWig gives [] where the whole file is empty
            np.testing.assert_array_equal(np.array(values), bases[name])
    for name in lengths:
        table = read_intervals(tmp_path / "a.bw", name)
        np.testing.assert_array_equal(table["start"], columns[name][0])
        np.testing.assert_array_equal(table["end"], columns[name][1])
        np.testing.assert_array_equal(table["value"], columns[name][2])


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ({"chrX": ([0], [1], [1])}, "chromosome 'chrX' has intervals but no length; add it to lengths="),
        ([("chrX", [0], [1], [1])], "chromosome 'chrX' is not in lengths=, or comes too late"),
        ([("chrII", [0], [1], [1]), ("chrI", [0], [1], [1])], "chromosome 'chrI' is not in lengths=, or comes too late"),
        (
            {"chrI": ([0, 4], [5, 6], [1, 1])},
            "interval chrI:4-6 is empty, out of order, overlaps the one before, or ends after 1000",
        ),
        ({"chrI": ([5, 0], [6, 1], [1, 1])}, "interval chrI:0-1 is empty, out of order"),
        ({"chrI": ([5], [5], [1])}, "interval chrI:5-5 is empty"),
        ({"chrI": ([-1], [5], [1])}, "interval chrI:-1-5 is empty, out of order"),
        ({"chrII": ([49], [51], [1])}, "interval chrII:49-51 is empty, out of order, overlaps the one before, or ends after 50"),
        ([("chrI", [0], [9], [1]), ("chrI", [8], [10], [1])], "interval chrI:8-10 is empty, out of order"),
        ({"chrI": ([0], [1, 2], [1])}, "chrI has 1 starts, 2 ends and 1 values; give as many of each"),
        ({"chrI": ([0.0], [1.0], [1])}, "starts and ends of chrI are float64 and float64; give integers"),
        ({"chrI": ([0, 2], [1, 3], [1, 1e39])}, "value at chrI:2-3 is infinite as float32; clip it, or use NaN"),
    ],
)
def test_intervals_that_cannot_be_written(tmp_path: Path, intervals: Any, message: str) -> None:
    path = tmp_path / "a.bw"
    path.write_text("before")
    with pytest.raises(InputError) as error, np.errstate(over="ignore"):
        write_bigwig(path, LENGTHS, intervals)
    assert str(error.value).startswith(f"a.bw: {message}")
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["a.bw"]


@pytest.mark.parametrize("lengths", [{}, {"x": 0}])
def test_lengths_that_cannot_be(tmp_path: Path, lengths: dict[str, int]) -> None:
    with pytest.raises(InputError, match="give at least one chromosome, each of 1 bp or more"):
        write_bigwig(tmp_path / "a.bw", lengths, {})


@pytest.mark.parametrize("limit", [1000, 500_000, 1_500_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, limit: int) -> None:
    """A limit on the size of files stands in for a full disk; pyBigWig alone crashes in each of these cases."""
    code = """
import resource, signal, sys
import numpy as np
from helpers.files import bigwig_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
bigwig_write._CHUNK = 20_000
limit, starts = int(sys.argv[2]), np.arange(200_000) * 2
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    bigwig_write.write_bigwig(sys.argv[1], {"x": 400_000}, {"x": (starts, starts + 1, np.random.default_rng(0).random(200_000))})
except OSError as error:
    print(error)
"""
    path = tmp_path / "a.bw"
    done = subprocess.run([sys.executable, "-c", code, str(path), str(limit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        rf"\[Errno 27\] {path} could not be written: File too large, [\d,]+ bytes more are needed in {tmp_path}; make room\n",
        done.stdout,
    )
    assert list(tmp_path.iterdir()) == []


def _refused(path: Path) -> str:
    messages = []
    for function in (open_bigwig, read_header, chrom_lengths):
        with pytest.raises(InputError) as error:
            function(path)
        messages.append(str(error.value))
    assert len(set(messages)) == 1
    assert "\n" not in messages[0]
    assert str(path) in messages[0]
    return messages[0]


def test_files_that_are_no_bigwig(tmp_path: Path, track: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = track.read_bytes()
    path = tmp_path / "other.bw"
    assert "no such bigWig file" in _refused(path)
    for wrong, message in (
        (b"", "is empty (0 bytes), not a bigWig file"),
        (gzip.compress(content), "is gzip-compressed, not a bigWig; unpack it first"),
        (
            b"chr1\t0\t10\t1.5\n",
            "is not a bigWig (it starts with b'chr1'); check the path, or convert text with bedGraphToBigWig",
        ),
        (b"\xeb\xf2\x89\x87" + content[4:-4] + b"\xeb\xf2\x89\x87", "is a bigBed, not a bigWig"),
        (b"\x88\x8f\xfc\x26" + content[4:], "big-endian byte order"),
    ):
        path.write_bytes(wrong)
        assert message in _refused(path)
    assert capfd.readouterr() == ("", "")


def test_every_cut_is_noticed(tmp_path: Path, track: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = track.read_bytes()
    path = tmp_path / "cut.bw"
    for size in [*range(4, 80), len(content) // 2, *range(len(content) - 30, len(content))]:
        path.write_bytes(content[:size])
        assert "is a truncated bigWig" in _refused(path)
    path.write_bytes(content[:64] + content[-4:])  # the right end, but not the middle
    assert "is a truncated bigWig (68 bytes, but it refers to byte " in _refused(path)
    path.write_bytes(content[:20] + content[-4:])
    assert "is a truncated bigWig (24 bytes, less than a header)" in _refused(path)
    assert capfd.readouterr() == ("", "")


def test_a_wrong_pointer_is_noticed(tmp_path: Path, track: Path) -> None:
    content = bytearray(track.read_bytes())
    for place, what in ((8, "list of chromosomes"), (24, "index")):
        broken = content.copy()
        struct.pack_into("<Q", broken, place, 100)
        (tmp_path / "a.bw").write_bytes(broken)
        assert f"is a damaged bigWig (no {what} at byte 100)" in _refused(tmp_path / "a.bw")


def test_damaged_data(tmp_path: Path) -> None:
    starts = np.arange(20_000)
    write_bigwig(
        tmp_path / "a.bw", {"x": 20_000}, {"x": (starts, starts + 1, np.random.default_rng(1).random(20_000))}, zoom_levels=0
    )
    content = bytearray((tmp_path / "a.bw").read_bytes())
    content[1000:5000] = bytes(4000)
    (tmp_path / "a.bw").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.bw: the data of x cannot be read \(.*\); download it again"):
        read_intervals(tmp_path / "a.bw", "x")


def test_windows_and_names(track: Path) -> None:
    aliases = {"I": "chrI", "II": "chrII"}
    assert _rows(read_intervals(track, "II", aliases=aliases)) == [(49, 50, -2.5)]
    with pytest.raises(
        InputError, match=r"^chromosome 'I' is not in track\.bw \(it has 'chrI', 'chrII'\): set chromosome_aliases"
    ):
        read_intervals(track, "I")
    for start, end, problem in (
        (0, 1001, "runs past an end"),
        (-1, 5, "runs past an end"),
        (5, 5, "is empty"),
        (1000, None, "is empty"),
    ):
        with pytest.raises(InputError) as error:
            read_intervals(track, "chrI", start, end)
        assert (
            str(error.value)
            == f"track.bw: window chrI:{start}-{end or 1000} {problem}: choose 0 <= start < end <= 1000 (length of chrI)"
        )


def test_check_lengths(track: Path) -> None:
    check_lengths(track, {"chrI": 1000, "chrII": 50, "chrIII": 7})
    check_lengths(track, {"chrI": 1000})  # the genome may lack some
    check_lengths(track, {"I": 1000, "II": 50}, {"I": "chrI", "chrII": "II"})
    with pytest.raises(InputError) as error:
        check_lengths(track, {"I": 1000, "II": 51}, {"chrI": "I", "chrII": "II"})
    assert str(error.value) == (
        "chromosome 'chrII' has 50 bp in track.bw and 51 bp in the genome: wrong assembly? use the genome that the track was aligned to"
    )
    with pytest.raises(InputError) as error:
        check_lengths(track, {"1": 1000, "2": 50})
    assert str(error.value) == (
        "no chromosome of track.bw ('chrI', 'chrII') is in the genome ('1', '2'): set chromosome_aliases in the manifest or pass aliases="
    )


def test_real_header_is_wrong_and_intervals_are_right(real_data: Path) -> None:
    path = real_data / "yeast_sacCer3" / "multi_assay" / "MNase.bw"
    assert read_header(path).covered_bases == 3_511_569
    assert len(read_header(path).zoom_levels) == 7
    tables = {chrom: read_intervals(path, chrom) for chrom in chrom_lengths(path)}
    assert all(table["end"].max() <= chrom_lengths(path)[chrom] for chrom, table in tables.items())
    assert sum(int((table["end"] - table["start"]).sum()) for table in tables.values()) == 3_293_183
    with pyBigWig.open(str(path)) as handle:
        values = handle.values("IV", 0, handle.chroms("IV"), numpy=True)
    table = tables["IV"]
    bases = np.full(len(values), np.nan)
    for start, end, value in table.itertuples(index=False):
        bases[start:end] = value
    np.testing.assert_array_equal(bases.astype(np.float32), values)
    means = [round(float(np.nanmean(bases[i * 300_000 : (i + 1) * 300_000])), 2) for i in range(5)]
    assert means == [2.94, 2.74, 2.84, 2.96, 3.03]


def test_real_tracks_lie_on_the_genome(real_data: Path, tmp_path: Path) -> None:
    sizes = (real_data / "yeast_sacCer3" / "reference" / "sacCer3.chrom.sizes").read_text().split()
    lengths = dict(zip(sizes[::2], map(int, sizes[1::2]), strict=True))
    aliases = {"II": "chrII", "IV": "chrIV", "XVI": "chrXVI"}
    for name in ("MNase", "PolII", "Scc1", "RNA.fwd", "RNA.rev"):
        check_lengths(real_data / "yeast_sacCer3" / "multi_assay" / f"{name}.bw", lengths, aliases)
    with pytest.raises(InputError, match="wrong assembly"):
        check_lengths(real_data / "yeast_sacCer3" / "multi_assay" / "MNase.bw", lengths | {"chrIV": 1_531_919}, aliases)
    half = tmp_path / "half.bw"
    shutil.copyfile(real_data / "yeast_sacCer3" / "multi_assay" / "MNase.bw", half)
    half.chmod(0o600)
    with half.open("r+b") as handle:
        handle.truncate(half.stat().st_size // 2)
    assert "is a truncated bigWig" in _refused(half)
