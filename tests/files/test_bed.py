from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.bed import NARROWPEAK_COLUMNS, read_bed, summits, write_bed


def _bed(tmp_path: Path, text: str, name: str = "a.bed") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_three_columns_and_all_that_is_skipped(tmp_path: Path) -> None:
    text = '#note\ntrack name="x y" type=bed\nbrowser position chr1\n\nchr1\t0\t10\n   \ntrack\nchr2\t5\t6\n\n'
    table = read_bed(_bed(tmp_path, text))
    assert list(table.columns) == ["chrom", "start", "end"]
    assert table.to_numpy().tolist() == [["chr1", 0, 10], ["chr2", 5, 6]]
    assert [str(kind) for kind in table.dtypes[1:]] == ["int64", "int64"]
    assert isinstance(table.index, pd.RangeIndex)


def test_chromosomes_named_like_headers_are_kept(tmp_path: Path) -> None:
    assert read_bed(_bed(tmp_path, "track1\t0\t10\nbrowserX\t0\t5\n"))["chrom"].tolist() == ["track1", "browserX"]


@pytest.mark.parametrize("name", ["a.bed.gz", "a.bed", "gzip_inside.bed"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_six_columns(tmp_path: Path, name: str, ends: str) -> None:
    text = f'chr1\t0\t10\tNA\t3.5\t+{ends}chr1\t4\t5\t# "q\t.\t-{ends}chr2\t7\t9\t\t1000\t.'
    path = _bed(tmp_path, text, name)
    if name == "gzip_inside.bed":
        path.write_bytes(gzip.compress(text.encode()))
    table = read_bed(path)
    assert list(table.columns) == ["chrom", "start", "end", "name", "score", "strand"]
    assert table["name"].tolist() == ["NA", '# "q', ""]  # text stays text
    np.testing.assert_array_equal(table["score"], [3.5, np.nan, 1000.0])
    assert table["strand"].tolist() == ["+", "-", "."]


def test_blanks_between_columns_and_a_byte_order_mark(tmp_path: Path) -> None:
    table = read_bed(_bed(tmp_path, "\ufeffchr1 0  10 peak\n chr2   5 6 x \n"))
    assert table.to_numpy().tolist() == [["chr1", 0, 10, "peak"], ["chr2", 5, 6, "x"]]


def test_narrowpeak_and_summits(tmp_path: Path) -> None:
    text = "track type=narrowPeak\nchr1\t20\t560\tp1\t268\t.\t1.5\t132.612\t-1\t218\nchr1\t600\t611\tp2\t37\t.\t0\t0\t0\t-1\n"
    table = read_bed(_bed(tmp_path, text, "a.narrowPeak"))
    assert list(table.columns) == [
        "chrom",
        "start",
        "end",
        "name",
        "score",
        "strand",
        "signal",
        "neglog10p",
        "neglog10q",
        "summit",
    ]
    assert table.iloc[0].tolist() == ["chr1", 20, 560, "p1", 268.0, ".", 1.5, 132.612, -1.0, 218]
    assert table["summit"].dtype == np.int64
    found = summits(table)
    assert found.dtype == np.int64
    assert found.tolist() == [238, 605]
    assert summits(table[["chrom", "start", "end"]]).tolist() == [290, 605]


def test_nine_columns_are_bed_unless_the_name_says_broadpeak(tmp_path: Path) -> None:
    bed = read_bed(_bed(tmp_path, "chr1\t0\t10\tx\t0\t+\t2\t8\t255,0,0\n"))
    assert list(bed.columns)[6:] == ["thick_start", "thick_end", "item_rgb"]
    assert bed.iloc[0].tolist()[6:] == [2, 8, "255,0,0"]
    broad = read_bed(_bed(tmp_path, "chr1\t0\t10\tx\t0\t+\t2.5\t8.5\t-1\n", "a.broadPeak"))
    assert broad.iloc[0, 6:].to_dict() == {"signal": 2.5, "neglog10p": 8.5, "neglog10q": -1.0}


def test_twelve_and_more_columns(tmp_path: Path) -> None:
    fields = "chr1\t0\t10\tx\t0\t+\t2\t8\t0\t2\t1,2,\t0,8,"
    table = read_bed(_bed(tmp_path, fields + "\n"))
    assert table.iloc[0, 9:].to_dict() == {"block_count": "2", "block_sizes": "1,2,", "block_starts": "0,8,"}
    table = read_bed(_bed(tmp_path, fields + "\tmore\t7\n"))
    assert list(table.columns)[12:] == ["column_13", "column_14"]
    write_bed(tmp_path / "b.bed", table)
    assert (tmp_path / "b.bed").read_text() == fields + "\tmore\t7\n"


def test_a_name_may_look_like_a_number_of_base_16(tmp_path: Path) -> None:
    assert read_bed(_bed(tmp_path, "chr1\t0\t10\t0x10\n"))["name"].tolist() == ["0x10"]


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_bytes(b"chr1\t0\t10\tna\xefve\n")
    with pytest.raises(InputError, match=r"a\.bed: .*invalid UTF8 data.*; correct the file$"):
        read_bed(tmp_path / "a.bed")


def test_aliases(tmp_path: Path) -> None:
    path = _bed(tmp_path, "Mito\t1\t2\nI\t1\t2\nother\t1\t2\n")
    assert read_bed(path, {"Mito": "chrM", "I": "chrI"})["chrom"].tolist() == ["chrM", "chrI", "other"]


@pytest.mark.parametrize("text", ["# nothing\n", "\n\n", "track name=none"])
def test_a_file_without_intervals(tmp_path: Path, text: str) -> None:
    table = read_bed(_bed(tmp_path, text))
    assert list(table.columns) == ["chrom", "start", "end"]
    assert len(table) == 0
    assert table["start"].dtype == np.int64
    assert summits(table).tolist() == []


TEN = "chr1\t20\t560\tp1\t268\t.\t1.5\t3\t2\t"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t0\n", "line 1: 2 columns, but a BED file has at least 3, separated by tabs: 'chr1\\t0'"),
        ("chr1,0,10\n", "line 1: 1 columns, but a BED file has at least 3, separated by tabs: 'chr1,0,10'"),
        (
            "#x\nchr1\t0\t10\n\nchr1\t20\n",
            "line 4: the number of columns is not 3 as in the first line: 'chr1\\t20'",
        ),
        ("chr1\t0\t10\nchr1\t20\t30\tx\n", "line 2: the number of columns is not 3 as in the first line: 'chr1\\t20\\t30\\tx'"),
        ("chr1\t0\t10\nchr1\tx\t30\n", "line 2: start (column 2) is 'x', not a whole number: 'chr1\\tx\\t30'"),
        ("chr1\t0\t10\nchr1\t1\t3.5\n", "line 2: end (column 3) is '3.5', not a whole number: 'chr1\\t1\\t3.5'"),
        ("chr1\t0\t.\n", "line 1: end (column 3) is '.', not a whole number: 'chr1\\t0\\t.'"),
        ("chr1\t0\t0x10\n", "line 1: end (column 3) is '0x10', not a whole number: 'chr1\\t0\\t0x10'"),
        ("chr1\t0\t1e3\n", "line 1: end (column 3) is '1e3', not a whole number: 'chr1\\t0\\t1e3'"),
        ("chr1\t0\t\n", "line 1: end (column 3) is '', not a whole number: 'chr1\\t0\\t'"),
        ("chr1\t0\t99999999999999999999\n", "line 1: end (column 3) is '99999999999999999999', not a whole number"),
        ("chrom\tstart\tend\nchr1\t0\t10\n", "line 1: start (column 2) is 'start', not a whole number: 'chrom\\tstart\\tend'"),
        ("chr1\t0\t10\nchr1\t10\t10\n", "line 2: start and end must be 0 <= start < end: 'chr1\\t10\\t10'"),
        ("chr1\t-1\t10\n", "line 1: start and end must be 0 <= start < end: 'chr1\\t-1\\t10'"),
        ("chr1\t0\t10\tx\thigh\n", "line 1: score (column 5) is 'high', not a number: 'chr1\\t0\\t10\\tx\\thigh'"),
        ("chr1\t0\t10\tx\t0\t*\n", "line 1: strand (column 6) must be +, - or .: 'chr1\\t0\\t10\\tx\\t0\\t*'"),
        ("track\n" + TEN + "540\n", "line 2: summit (column 10) must be -1 or an offset inside the peak: 'chr1\\t20"),
        (TEN + "-2\n", "line 1: summit (column 10) must be -1 or an offset inside the peak"),
        (TEN + "1.5\n", "line 1: summit (column 10) is '1.5', not a whole number"),
        (
            "chr1\t0\t10\t" + "x" * 300 + "\n" + "chr1\t5\t4\t" + "x" * 300,
            "line 2: start and end must be 0 <= start < end: 'chr1\\t5\\t4\\txxx",
        ),
    ],
)
def test_broken_lines(tmp_path: Path, text: str, message: str) -> None:
    path = _bed(tmp_path, text)
    with pytest.raises(InputError) as error:
        read_bed(path)
    assert str(error.value).startswith(f"{path}, {message}")
    assert str(error.value).endswith("; correct or remove the line")
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)


def test_broken_line_far_down_a_packed_file(tmp_path: Path) -> None:
    lines = ["track x"] + [f"chr1\t{i}\t{i + 1}" for i in range(5000)]
    lines[4000] = "chr1\t12\tend"
    path = _bed(tmp_path, "\n".join(lines), "a.bed.gz")
    with pytest.raises(InputError, match=r"a\.bed\.gz, line 4001: end \(column 3\) is 'end', not a whole number"):
        read_bed(path)


def test_files_that_are_no_bed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such BED file"):
        read_bed(tmp_path / "missing.bed")
    (tmp_path / "a.bed").write_bytes(b"\x26\xfc\x8f\x88\x04\x00\x07\x00")
    with pytest.raises(InputError, match=r"a\.bed is not text, so not a BED file; check the path$"):
        read_bed(tmp_path / "a.bed")
    (tmp_path / "a.bed").write_bytes(gzip.compress(b"chr1\t1\t2\n" * 1000)[:-20])
    with pytest.raises(InputError, match=r"a\.bed is cut short or damaged"):
        read_bed(tmp_path / "a.bed")
    (tmp_path / "a.bed").touch()
    (tmp_path / "a.bed").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        read_bed(tmp_path / "a.bed")


def test_write_whole_numbers_without_a_point_and_nan_as_a_dot(tmp_path: Path) -> None:
    table = pd.DataFrame({"end": [5], "start": [1], "chrom": ["c"], "strand": ["-"], "score": [7.0], "name": ["n"]})
    write_bed(tmp_path / "a.bed", table)
    assert (tmp_path / "a.bed").read_text() == "c\t1\t5\tn\t7\t-\n"
    write_bed(tmp_path / "a.bed", table.assign(score=math.nan))
    assert (tmp_path / "a.bed").read_text() == "c\t1\t5\tn\t.\t-\n"
    write_bed(tmp_path / "a.bed", table.assign(score=0.1))
    assert (tmp_path / "a.bed").read_text() == "c\t1\t5\tn\t0.1\t-\n"


text_field = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(
    lambda text: not any(text.startswith(word) for word in ("#", "track", "browser", "\ufeff")) and text == text.strip()
)
number = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-5, 1000).map(float))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            text_field,
            st.integers(0, 2**40),
            st.integers(1, 1000),
            text_field,
            number,
            st.sampled_from("+-."),
            number,
            number,
            number,
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([3, 4, 5, 6, 10]),
    st.sampled_from(["a.bed", "a.bed.gz"]),
    st.data(),
)
def test_round_trip(tmp_path: Path, rows: list[tuple[object, ...]], count: int, name: str, data: st.DataObject) -> None:
    table = pd.DataFrame(rows, columns=NARROWPEAK_COLUMNS[:9])
    table["summit"] = [data.draw(st.integers(-1, size - 1)) for size in table["end"]]
    table["end"] += table["start"]
    table = table[NARROWPEAK_COLUMNS[:count]]
    write_bed(tmp_path / name, table)
    again = read_bed(tmp_path / name)
    pd.testing.assert_frame_equal(again, table, check_exact=True, check_dtype=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": None}, r"columns \['chrom', 'end'\] are no BED; name them chrom, start, end, name"),
        ({"score": 5.0}, "are no BED"),  # name is missing before it
        ({"colour": "red"}, "are no BED"),
        ({"start": 1.0}, r"column 'start' is float64, not whole numbers; convert it with \.astype\('int64'\)"),
        ({"start": 5}, "row 0 is c:5-5; make it 0 <= start < end"),
        ({"start": -1}, "row 0 is c:-1-5; make it 0 <= start < end"),
        ({"name": "a\tb"}, "a text of the table holds a tab or a line break"),
        ({"name": "a\nb"}, "a text of the table holds a tab or a line break"),
    ],
)
def test_tables_that_cannot_be_written(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    table = pd.DataFrame({"chrom": ["c"], "start": [1], "end": [5]}).assign(**changes)
    table = table.drop(columns=[name for name, value in changes.items() if value is None])
    with pytest.raises(InputError, match=message):
        write_bed(tmp_path / "a.bed", table)
    assert list(tmp_path.iterdir()) == []


def test_write_nothing_and_read_it_back(tmp_path: Path) -> None:
    table = pd.DataFrame({"chrom": pd.Series(dtype=str), "start": pd.Series(dtype="int64"), "end": pd.Series(dtype="int64")})
    for name in ("a.bed", "a.bed.gz"):
        write_bed(tmp_path / name, table)
        pd.testing.assert_frame_equal(read_bed(tmp_path / name), table, check_dtype=False)
    assert (tmp_path / "a.bed").read_text() == "#chrom\tstart\tend\n"


def test_real_files(real_data: Path) -> None:
    folder = real_data / "yeast_sacCer3"
    hmmratac = read_bed(folder / "atac" / "hmmratac_yeast500k_accessible_regions.narrowPeak")
    assert len(hmmratac) == 1605
    assert hmmratac.iloc[0].tolist() == ["chrI", 20, 560, "peak_1", 268.0, ".", 0.0, 0.0, 0.0, 218]
    macs = read_bed(folder / "atac" / "derived" / "yeast_atac_macs3_q0.01_peaks.narrowPeak")
    assert len(macs) == 1411
    assert summits(macs)[:2].tolist() == [238, 20993]
    tss = read_bed(folder / "multi_assay" / "TSSs.bed", {"Mito": "chrM"})
    assert (len(tss), tss["chrom"].iloc[0]) == (6534, "chrM")
    assert len(read_bed(folder / "multi_assay" / "conv_transcription_loci.bed")) == 1671
