from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.bigwig import write_bigwig
from helpers.files.bigwig_format import read_layout
from helpers.prepare import binning
from helpers.prepare.blocks import BlockReader
from helpers.prepare.signal import arcsinh, arcsinh_inverse, bin_signal, treat_missing

NAN = float("nan")
Interval = tuple[int, int, float]


def write(path: Path, length: int, intervals: list[Interval], chrom: str = "chr1") -> Path:
    starts, ends, values = (np.array(column) for column in zip(*intervals, strict=True))
    write_bigwig(path, {chrom: length, "other": 1000}, {chrom: (starts, ends, values), "other": ([3], [8], [1.0])})
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Bases 0-3 hold 1, 4-5 are not covered, 6-7 say NaN, 8-9 hold 4, 10-13 are not covered, 14-16 hold 2; 17 bp."""
    return write(tmp_path / "small.bw", 17, [(0, 4, 1.0), (6, 8, NAN), (8, 10, 4.0), (14, 17, 2.0)])


def test_uncovered_bases_are_left_out_or_count_as_zero(small: Path) -> None:
    missing = bin_signal(small, "chr1", 4)
    assert missing.dtype == np.float32
    np.testing.assert_array_equal(missing, np.array([1, NAN, 4, 2, 2], np.float32))
    np.testing.assert_array_equal(bin_signal(small, "chr1", 4, uncovered="zero"), np.array([1, 0, 2, 1, 2], np.float32))


def test_nan_intervals_stay_missing_where_uncovered_is_zero(small: Path) -> None:
    np.testing.assert_array_equal(
        bin_signal(small, "chr1", 2, uncovered="zero"), np.array([1, 1, 0, NAN, 4, 0, 0, 2, 2], np.float32)
    )
    np.testing.assert_array_equal(bin_signal(small, "chr1", 10, uncovered="zero"), np.array([12 / 8, 6 / 7], np.float32))


def test_bins_are_counted_from_start_and_the_last_may_be_partial(small: Path) -> None:
    np.testing.assert_array_equal(bin_signal(small, "chr1", 4, start=2, end=9), np.array([1, 4], np.float32))
    np.testing.assert_array_equal(bin_signal(small, "chr1", 4, start=2, end=9, uncovered="zero"), np.array([0.5, 4], np.float32))
    np.testing.assert_array_equal(bin_signal(small, "chr1", 100), np.array([(4 + 8 + 6) / 9], np.float32))
    np.testing.assert_array_equal(bin_signal(small, "chr1", 1, start=3, end=6), np.array([1, NAN, NAN], np.float32))


def test_a_chromosome_without_intervals(tmp_path: Path) -> None:
    path = tmp_path / "a.bw"
    write_bigwig(path, {"chr1": 10, "chr2": 10}, {"chr1": ([0], [10], [1.0])})
    np.testing.assert_array_equal(bin_signal(path, "chr2", 5), np.array([NAN, NAN], np.float32))
    np.testing.assert_array_equal(bin_signal(path, "chr2", 5, uncovered="zero"), np.zeros(2, np.float32))


def test_aliases_name_the_chromosome(small: Path) -> None:
    np.testing.assert_array_equal(bin_signal(small, "I", 4, aliases={"chr1": "I"}), bin_signal(small, "chr1", 4))


def per_base(length: int, intervals: list[Interval], nothing: float) -> np.ndarray:
    values = np.full(length, nothing)
    for start, end, value in intervals:
        values[start:end] = np.float32(value)
    return values


def by_loop(length: int, intervals: list[Interval], bin_size: int, start: int, end: int, uncovered: str) -> np.ndarray:
    """Mean of the measured bases of each bin, one bin after another."""
    values = per_base(length, intervals, 0.0 if uncovered == "zero" else NAN)
    means = []
    for low in range(start, end, bin_size):
        here = values[low : min(low + bin_size, end)]
        here = here[~np.isnan(here)]
        means.append(here.mean() if len(here) else NAN)
    return np.array(means, np.float32)


@st.composite
def tracks(draw: st.DrawFn) -> tuple[int, list[Interval]]:
    steps = draw(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 60)), min_size=1, max_size=25))
    value = st.one_of(st.just(NAN), st.floats(-1000, 1000, width=32))
    intervals, position = [], 0
    for gap, width in steps:
        intervals.append((position + gap, position + gap + width, draw(value)))
        position += gap + width
    return position + draw(st.integers(0, 40)), intervals


@settings(max_examples=150, deadline=None)
@given(track=tracks(), bin_size=st.integers(1, 70), uncovered=st.sampled_from(["missing", "zero"]), data=st.data())
def test_binning_equals_a_loop_over_bins(
    tmp_path_factory: pytest.TempPathFactory,
    track: tuple[int, list[Interval]],
    bin_size: int,
    uncovered: str,
    data: st.DataObject,
) -> None:
    length, intervals = track
    start = data.draw(st.integers(0, length - 1))
    end = data.draw(st.integers(start + 1, length))
    path = write(tmp_path_factory.mktemp("property") / "track.bw", length, intervals)
    got = bin_signal(path, "chr1", bin_size, start=start, end=end, uncovered=uncovered)  # type: ignore[arg-type]
    np.testing.assert_allclose(got, by_loop(length, intervals, bin_size, start, end, uncovered), rtol=1e-5, atol=1e-4)


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    """A file of many blocks: 60,000 intervals of 1-40 bp over 1 Mb, some gaps; and its value at each base from pyBigWig."""
    rng = np.random.default_rng(5)
    widths, gaps = rng.integers(1, 24, 60_000), rng.integers(0, 3, 60_000) * (rng.random(60_000) < 0.1)
    ends = np.cumsum(widths + gaps)
    path = tmp_path_factory.mktemp("dense") / "dense.bw"
    write_bigwig(path, {"chr1": int(ends[-1]) + 7}, {"chr1": (ends - widths, ends, rng.gamma(1.0, 2.0, 60_000))})
    with pyBigWig.open(str(path)) as handle:
        return path, handle.values("chr1", 0, int(ends[-1]) + 7, numpy=True).astype(float)


@pytest.mark.parametrize(("blocks", "bins"), [(32, 1 << 22), (1, 1 << 22), (3, 1000), (1, 1)])
@pytest.mark.parametrize("bin_size", [1, 32, 50_000])
def test_groups_of_blocks_and_of_bins_do_not_show(
    dense: tuple[Path, np.ndarray], monkeypatch: pytest.MonkeyPatch, blocks: int, bins: int, bin_size: int
) -> None:
    path, values = dense
    end = len(values) if bin_size > 1 else 3000
    if bins == 1 and bin_size < 50_000:
        end = 40 * bin_size + 3
    monkeypatch.setattr(binning, "BLOCKS_AT_ONCE", blocks)
    monkeypatch.setattr(binning, "BINS_AT_ONCE", bins)
    edges = np.arange(0, end, bin_size)
    covered = np.add.reduceat(~np.isnan(values[:end]), edges, dtype=float)
    with np.errstate(invalid="ignore"):
        expected = np.add.reduceat(np.nan_to_num(values[:end]), edges) / np.where(covered > 0, covered, np.nan)
    np.testing.assert_allclose(bin_signal(path, "chr1", bin_size, end=end), expected, rtol=1e-6)


def test_zoom_summaries_are_not_read(dense: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, _ = dense
    with BlockReader(path) as reader:
        blocks = reader.find("chr1", 0, 1 << 30)
    data = bytearray(path.read_bytes())
    after = int(blocks["offset"][-1] + blocks["size"][-1])
    zooms = int.from_bytes(data[6:8], "little")
    assert zooms > 0
    for level in range(zooms):
        offset = int.from_bytes(data[64 + 24 * level + 8 : 64 + 24 * level + 16], "little")
        assert offset >= after
        data[offset + 4 : offset + 64] = b"\xff" * 60
    damaged = tmp_path / "zooms.bw"
    damaged.write_bytes(data)
    np.testing.assert_array_equal(bin_signal(damaged, "chr1", 4096), bin_signal(path, "chr1", 4096))


@pytest.mark.parametrize("kind", ["variable", "fixed"])
def test_the_other_two_section_types(tmp_path: Path, kind: str) -> None:
    path, values = tmp_path / "steps.bw", np.arange(20_000) % 97
    with pyBigWig.open(str(path), "w") as handle:
        handle.addHeader([("chr1", 400_000), ("chr2", 50)])
        if kind == "fixed":
            handle.addEntries("chr1", 100, values=values.astype(float), span=5, step=13)
        else:
            handle.addEntries("chr1", 100 + 13 * np.arange(20_000), values=values.astype(float), span=5)
        handle.addEntries("chr2", 3, values=[1.0, 2.0], span=2, step=2)
    expected = np.full(400_000, np.nan)
    for k, value in enumerate(values):
        expected[100 + 13 * k : 105 + 13 * k] = value
    got = bin_signal(path, "chr1", 1)
    np.testing.assert_array_equal(got, expected.astype(np.float32))
    np.testing.assert_array_equal(bin_signal(path, "chr2", 5), np.array([1, 2, *[NAN] * 8], np.float32))


def test_a_track_without_any_interval(tmp_path: Path) -> None:
    write_bigwig(tmp_path / "empty.bw", {"chr1": 100}, {})
    assert np.isnan(bin_signal(tmp_path / "empty.bw", "chr1", 20)).tolist() == [True] * 5
    assert bin_signal(tmp_path / "empty.bw", "chr1", 20, uncovered="zero").tolist() == [0] * 5


def test_uncompressed_blocks(tmp_path: Path) -> None:
    path = write(tmp_path / "packed.bw", 100, [(0, 10, 1.0), (20, 30, 2.0)])
    data = path.read_bytes()
    with BlockReader(path) as reader:
        (block,) = reader.find("chr1", 0, 100)
    index = read_layout(path).index_offset
    raw = zlib.decompress(data[int(block["offset"]) : int(block["offset"] + block["size"])])
    changed = bytearray(data[:-4] + raw + data[-4:])
    changed[52:56] = bytes(4)  # uncompressBufSize
    where = data.index(int(block["offset"]).to_bytes(8, "little") + int(block["size"]).to_bytes(8, "little"), index)
    changed[where : where + 16] = (len(data) - 4).to_bytes(8, "little") + len(raw).to_bytes(8, "little")
    plain = tmp_path / "plain.bw"
    plain.write_bytes(changed)
    np.testing.assert_array_equal(bin_signal(plain, "chr1", 10, end=30), np.array([1, NAN, 2], np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bin_size": 0}, "bin_size is 0: a bin has at least 1 bp"),
        ({"end": 18}, "chr1:0-18"),
        ({"start": -1}, "chr1:-1-17"),
        ({"start": 5, "end": 5}, "chr1:5-5"),
        ({"chrom": "chr9"}, "chromosome 'chr9' is not in"),
        ({"uncovered": "nan"}, "uncovered is 'nan': choose one of missing, zero"),
    ],
)
def test_bad_arguments_are_named(small: Path, change: dict, message: str) -> None:
    arguments = {"chrom": "chr1", "bin_size": 4, **change}
    with pytest.raises(InputError, match=message) as error:
        bin_signal(small, arguments.pop("chrom"), arguments.pop("bin_size"), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kept", [0, 30, 200, -1])
def test_a_truncated_file_is_named(small: Path, tmp_path: Path, kept: int) -> None:
    short = tmp_path / "short.bw"
    short.write_bytes(small.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"short\.bw is (empty|a truncated bigWig)") as error:
        bin_signal(short, "chr1", 4)
    assert "\n" not in str(error.value)


def test_a_damaged_block_is_named(small: Path, tmp_path: Path) -> None:
    with BlockReader(small) as reader:
        (block,) = reader.find("chr1", 0, 17)
    data = bytearray(small.read_bytes())
    data[int(block["offset"]) : int(block["offset"]) + 8] = b"\0" * 8
    damaged = tmp_path / "damaged.bw"
    damaged.write_bytes(data)
    with pytest.raises(InputError, match=r"damaged\.bw has a damaged block on chr1 .*fetch or write the file again"):
        bin_signal(damaged, "chr1", 4)


def test_a_block_past_the_end_of_the_file_is_named(small: Path) -> None:
    with BlockReader(small) as reader:
        blocks = reader.find("chr1", 0, 17)
        blocks["offset"] = small.stat().st_size - 10
        with pytest.raises(InputError, match=r"small\.bw ends .* bytes too early"):
            reader.intervals("chr1", blocks)


def test_arcsinh_and_its_inverse() -> None:
    values = np.array([0, 1, 10, -3, NAN], np.float32)
    expected = np.array([0, 0.8813736, 2.9982229, -1.8184465, NAN], np.float32)
    np.testing.assert_allclose(arcsinh(values), expected, rtol=1e-6)
    np.testing.assert_allclose(arcsinh_inverse(arcsinh(values, 5.0), 5.0), values, rtol=1e-5)
    assert arcsinh(values).dtype == np.float32


def test_missing_bins_are_kept_zeroed_or_dropped_and_counted() -> None:
    values = np.array([[1, 2], [NAN, 4], [5, 6], [NAN, NAN]], np.float32)
    kept = treat_missing(values, "keep")
    np.testing.assert_array_equal(kept.values, values)
    assert kept.missing == 2
    zeroed = treat_missing(values, "zero")
    np.testing.assert_array_equal(zeroed.values, np.array([[1, 2], [0, 4], [5, 6], [0, 0]], np.float32))
    assert zeroed.values.dtype == np.float32
    dropped = treat_missing(values, "drop")
    np.testing.assert_array_equal(dropped.values, np.array([[1, 2], [5, 6]], np.float32))
    np.testing.assert_array_equal(dropped.kept, [True, False, True, False])
    np.testing.assert_array_equal(treat_missing(values[:, 0], "drop").values, [1, 5])
    with pytest.raises(InputError, match="policy is 'mean': choose one of keep, zero, drop"):
        treat_missing(values, "mean")  # type: ignore[arg-type]


def test_exact_means_of_real_mnase_differ_from_its_zoom_levels(real_data: Path) -> None:
    path = real_data / "yeast_sacCer3" / "multi_assay" / "MNase.bw"
    means = bin_signal(path, "chrIV", 300_000, aliases={"IV": "chrIV"})[:5]
    np.testing.assert_allclose(means, [2.94, 2.74, 2.84, 2.96, 3.03], atol=0.005)
    assert means.max() - means.min() < 0.3
