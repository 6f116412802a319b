from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files.reads import Read, phred_to_error, read_fastq, read_fragments, write_fastq, write_fragments

FASTQ = "@r1 extra words\nACGTN\n+\n!5?I~\n@r2\nGG\n+r2\n@@\n"


def test_read_fastq(tmp_path: Path) -> None:
    for name, content in (("a.fastq", FASTQ.encode()), ("a.fastq.gz", gzip.compress(FASTQ.encode()))):
        (tmp_path / name).write_bytes(content)
        first, second = read_fastq(tmp_path / name)
        assert (first.name, first.sequence, first.quality.tolist()) == ("r1", "ACGTN", [0, 20, 30, 40, 93])
        assert first.quality.dtype == np.uint8
        assert (second.name, second.sequence, second.quality.tolist()) == ("r2", "GG", [31, 31])
    assert [read.name for read in read_fastq(tmp_path / "a.fastq", limit=1)] == ["r1"]
    assert read_fastq(tmp_path / "a.fastq", limit=0) == []


reads = st.lists(
    st.tuples(
        st.text("abcXYZ:/_1", min_size=1, max_size=8),
        st.lists(st.tuples(st.sampled_from("ACGTN"), st.integers(0, 93)), min_size=1, max_size=30),
    ),
    max_size=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reads, st.sampled_from(["a.fq", "a.fq.gz"]))
def test_round_trip_and_biopython(tmp_path: Path, drawn: list[tuple[str, list[tuple[str, int]]]], name: str) -> None:
    made = [
        Read(word, "".join(base for base, _ in bases), np.array([score for _, score in bases], np.uint8)) for word, bases in drawn
    ]
    if not made:
        return
    write_fastq(tmp_path / name, made)
    content = (tmp_path / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    for expected, again, record in zip(made, read_fastq(tmp_path / name), SeqIO.parse(io.StringIO(text), "fastq"), strict=True):
        assert (again.name, again.sequence) == (expected.name, expected.sequence) == (record.id, str(record.seq))
        assert again.quality.tolist() == expected.quality.tolist() == record.letter_annotations["phred_quality"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@r1\nACGT\n+\nIII\n", "read 1 is broken"),
        (FASTQ + "@r3\nACGT\n", "read 3 is broken"),
        (">r1\nACGT\n", "read 1 is broken"),
        ("@r1\nAC\n+\nI\x7f\n", "read 1 is broken"),
        ("@r1\nAC\n+\nI \n", "read 1 is broken"),
        ("@r1\nAÉ\n+\nII\n", "read 1 is broken"),
    ],
)
def test_broken_fastq(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.fastq"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_fastq(path)
    assert str(error.value).startswith(f"{path}: {message} (")
    assert str(error.value).endswith("; download the file again")
    assert "\n" not in str(error.value)


def test_fastq_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such FASTQ file"):
        read_fastq(tmp_path / "a.fastq")
    (tmp_path / "a.fastq").write_bytes(gzip.compress(FASTQ.encode() * 100)[:-12])
    with pytest.raises(InputError, match="is broken"):
        read_fastq(tmp_path / "a.fastq")
    with pytest.raises(InputError, match="limit is -1; choose 0 or more"):
        read_fastq(tmp_path / "a.fastq", limit=-1)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (Read("a b", "A", np.array([1])), "read name 'a b' is not one word"),
        (Read("", "A", np.array([1])), "read name '' is not one word"),
        (Read("a", "AC", np.array([1])), "read 'a' has 2 letters and 1 qualities; give as many"),
        (Read("a", "", np.array([], int)), "read 'a' has 0 letters and 0 qualities"),
        (Read("a", "A", np.array([94])), "qualities of read 'a' must be whole numbers from 0 to 93; clip them"),
        (Read("a", "A", np.array([-1])), "qualities of read 'a' must be whole numbers from 0 to 93; clip them"),
        (Read("a", "A", np.array([1.5])), "qualities of read 'a' must be whole numbers from 0 to 93; clip them"),
    ],
)
def test_reads_that_cannot_be_written(tmp_path: Path, read: Read, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write_fastq(tmp_path / "a.fastq", [read])
    assert list(tmp_path.iterdir()) == []


def test_phred_to_error() -> None:
    np.testing.assert_allclose(phred_to_error(np.array([0, 10, 20, 30], np.uint8)), [1, 0.1, 0.01, 0.001], rtol=1e-12)
    assert phred_to_error(np.zeros((2, 3), np.uint8)).shape == (2, 3)


def test_read_fragments(tmp_path: Path) -> None:
    text = "# made by hand\nchr1\t0\t57\tAAAC-1\t2\nII\t10\t20\tGGGC-1\t1\n"
    for name, content in (("a.tsv", text.encode()), ("a.tsv.gz", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(content)
        table = read_fragments(tmp_path / name, {"II": "chrII"})
        assert list(table.columns) == ["chrom", "start", "end"]
        assert table.to_numpy().tolist() == [["chr1", 0, 57], ["chrII", 10, 20]]
        assert [str(kind) for kind in table.dtypes[1:]] == ["int64", "int64"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t0\t10\nchr1\t20\t20\n", "line 2: start and end must be 0 <= start < end: 'chr1\\t20\\t20'"),
        ("chr1\t30\t20\n", "line 1: start and end must be 0 <= start < end"),
        ("chr1\t-5\t20\n", "line 1: start and end must be 0 <= start < end"),
        ("chr1\t0\t1e3\n", "line 1: end (column 3) is '1e3', not a whole number"),
        ("chr1\t0\t10\nchr1\t20\n", "line 2: the number of columns is not 3 as in the first line"),
        ("chr1\t0\n", "line 1: 2 columns, but a fragment file has at least 3"),
        (
            "chr1\t0\t50\tchr1\t90\t140\tr1\t60\t+\t-\n",
            "line 1: both mates of a pair (bedtools' BEDPE): reduce them to chrom, least start",
        ),
    ],
)
def test_broken_fragments(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.bedpe"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_fragments(path)
    assert str(error.value).startswith(f"{path}, {message}")


def test_write_fragments(tmp_path: Path) -> None:
    table = pd.DataFrame({"chrom": ["b", "a"], "start": [5, 0], "end": [9, 3], "barcode": ["x", "y"]})
    write_fragments(tmp_path / "a.bed.gz", table)
    assert gzip.decompress((tmp_path / "a.bed.gz").read_bytes()) == b"b\t5\t9\na\t0\t3\n"
    pd.testing.assert_frame_equal(read_fragments(tmp_path / "a.bed.gz"), table[["chrom", "start", "end"]], check_dtype=False)
    with pytest.raises(InputError, match="column 'end' is missing; fragments need chrom, start, end"):
        write_fragments(tmp_path / "b.bed", table.drop(columns="end"))


def test_real_fragments(real_data: Path) -> None:
    path = real_data / "yeast_sacCer3" / "atac" / "yeast_500k_SRR1822137.bedpe.gz"
    table = read_fragments(path)
    with gzip.open(path, "rt") as handle:
        lines = [line.split("\t") for line in handle]
    assert len(table) == len(lines) == 467_908
    for name, column in (("start", 1), ("end", 2)):
        assert table[name].tolist() == [int(line[column]) for line in lines]
    assert table["chrom"].tolist() == [line[0] for line in lines]
