from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from Bio import SeqIO, bgzf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.files import fasta
from helpers.files.fasta import Genome, encode, write_fasta
from helpers.places import cache_folder

TEXT = ">chr1 the first\nACGTacgtNN\nRYKMGGGGCC\nTT\n>chr2\nCCCCC\n"


NUCLEAR = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI"]


def _random(seed: int, length: int, kinds: int = 4) -> str:
    """Letters drawn from ACGT, or ACGTN with 5 kinds."""
    return "".join("ACGTN"[code] for code in np.random.default_rng(seed).integers(0, kinds, length))


def _write(path: Path, kind: str, text: str = TEXT) -> Path:
    """Write text plain, as gzip, or as bgzip with blocks of the given text."""
    if kind == "plain":
        path.write_text(text)
    elif kind == "gzip":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        with bgzf.BgzfWriter(str(path)) as handle:
            handle.write(text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.fa", "plain"),
        ("a.fa.gz", "gzip"),
        ("a.fa.gz", "bgzip"),
        ("a.bgz", "bgzip"),
        ("a.fa", "gzip"),  # names that say something else than the content
        ("a.fa", "bgzip"),
        ("a.fa.gz", "plain"),
        ("a.zip", "plain"),
    ],
)
def test_every_packing_reads_the_same(tmp_path: Path, name: str, kind: str) -> None:
    with Genome(_write(tmp_path / name, kind)) as genome:
        assert genome.names == ("chr1", "chr2")
        assert genome.lengths == {"chr1": 22, "chr2": 5}
        assert genome.fetch("chr1") == "ACGTACGTNNRYKMGGGGCCTT"
        assert genome.fetch("chr1", 9, 12) == "NRY"
        assert genome.codes("chr1", 6).tolist() == [2, 3, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 1, 1, 3, 3]
        assert genome.fetch("chr2", 4, 5) == "C"


def test_nothing_is_written_beside_the_file(tmp_path: Path) -> None:
    for name, kind in (("a.fa", "plain"), ("b.fa.gz", "gzip"), ("c.fa.gz", "bgzip")):
        Genome(_write(tmp_path / name, kind)).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fa", "b.fa.gz", "c.fa.gz"]


def test_a_changed_file_is_indexed_anew(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.fa", "plain")
    with Genome(path) as genome:
        assert genome.lengths["chr2"] == 5
    path.write_text(TEXT + "CC\n")
    with Genome(path) as genome:
        assert genome.lengths["chr2"] == 7
        assert genome.fetch("chr2") == "CCCCCCC"


def test_a_file_from_the_future_is_read_quietly(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    path = _write(tmp_path / "a.fa.gz", "bgzip")
    later = time.time() + 1e6
    os.utime(path, (later, later))
    for _ in range(2):
        with Genome(path) as genome:
            assert genome.fetch("chr2") == "CCCCC"
    assert not recwarn.list


def test_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.fa"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    with Genome(path) as genome:
        assert genome.fetch("chr1", 8, 22) == "NNRYKMGGGGCCTT"
        assert genome.fetch("chr1", 8, 11) == "NNR"


def test_aliases(tmp_path: Path) -> None:
    with Genome(_write(tmp_path / "a.fa", "plain"), {"1": "chr1"}) as genome:
        assert genome.resolve("1") == "chr1"
        assert genome.fetch("1", 0, 4) == "ACGT"
        with pytest.raises(
            InputError,
            match=r"^chromosome 'II' is not in a\.fa \(it has 'chr1', 'chr2'\): set chromosome_aliases in the manifest",
        ):
            genome.fetch("II")


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        (-1, 5, "runs past an end"),
        (0, 23, "runs past an end"),
        (22, 30, "runs past an end"),
        (5, 5, "is empty"),
        (7, 5, "is empty"),
    ],
)
def test_windows_outside(tmp_path: Path, start: int, end: int, problem: str) -> None:
    with Genome(_write(tmp_path / "a.fa", "plain")) as genome:
        for read in (genome.fetch, genome.codes):
            with pytest.raises(InputError) as error:
                read("chr1", start, end)
            assert str(error.value) == (
                f"a.fa: window chr1:{start}-{end} {problem}: choose 0 <= start < end <= 22 (length of chr1)"
            )
        with pytest.raises(InputError, match="is empty"):
            genome.fetch("chr1", 22)


def test_start_of_every_block_can_be_read(tmp_path: Path) -> None:
    """Blocks of 65,536 bytes, as older bgzip makes them: a window that starts with a block is where pyfaidx alone fails."""
    letters = _random(1, 300_000)
    write_fasta(tmp_path / "a.fa.gz", {"first": letters[:70_000], "chr1": letters}, line_width=50)
    text = gzip.decompress((tmp_path / "a.fa.gz").read_bytes())
    offset = text.index(b">chr1\n") + 6
    checked = 0
    with Genome(tmp_path / "a.fa.gz") as genome:
        for block in range(65536, len(text), 65536):
            for byte in range(block - 2, block + 3):
                line, column = divmod(byte - offset, 51)
                start = line * 50 + min(column, 49)
                if start >= 0:
                    assert genome.fetch("chr1", start, start + 60) == letters[start : start + 60]
                    checked += 1
    assert checked > 10


def test_sequence_that_starts_a_block(tmp_path: Path) -> None:
    filler = 65536 - len(">a\n\n>chr1\n")
    write_fasta(tmp_path / "a.fa.gz", {"a": "A" * filler, "chr1": "CGT"}, line_width=100_000)
    with Genome(tmp_path / "a.fa.gz") as genome:
        assert genome.fetch("chr1", 0, 2) == "CG"


def test_codes_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasta, "CHUNK", 7)
    letters = _random(2, 100, 5)
    write_fasta(tmp_path / "a.fa", {"chr1": letters}, line_width=9)
    with Genome(tmp_path / "a.fa") as genome:
        for start, end in ((0, 100), (3, 10), (3, 11), (99, 100), (0, 14)):
            assert np.array_equal(genome.codes("chr1", start, end), encode(letters[start:end]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.text("abcXYZ019._|", min_size=1, max_size=6),
        st.text("ACGTNacgtnRYkm", min_size=1, max_size=70),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 30),
    st.sampled_from(["x.fa", "x.fa.gz"]),
    st.data(),
)
def test_round_trip(tmp_path: Path, sequences: dict[str, str], width: int, name: str, data: st.DataObject) -> None:
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}_{name}"
    write_fasta(path, sequences, line_width=width)
    content = path.read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    assert {record.id: str(record.seq) for record in SeqIO.parse(io.StringIO(text), "fasta")} == sequences
    assert max(len(line) for line in text.splitlines() if not line.startswith(">")) <= width
    with Genome(path) as genome:
        assert genome.names == tuple(sequences)
        for chrom, letters in sequences.items():
            start = data.draw(st.integers(0, len(letters) - 1))
            end = data.draw(st.integers(start + 1, len(letters)))
            assert genome.fetch(chrom, start, end) == letters[start:end].upper()
            assert np.array_equal(genome.codes(chrom, start, end), encode(letters[start:end]))


def test_write_codes(tmp_path: Path) -> None:
    write_fasta(tmp_path / "a.fa", {"x": np.array([0, 1, 2, 3, 4], np.uint8)}, line_width=3)
    assert (tmp_path / "a.fa").read_text() == ">x\nACG\nTN\n"


def test_bgzip_output_is_the_same_each_time_and_closed(tmp_path: Path) -> None:
    for name in ("a.fa.gz", "b.fa.gz"):
        write_fasta(tmp_path / name, {"x": "ACGT"})
    content = (tmp_path / "a.fa.gz").read_bytes()
    assert content == (tmp_path / "b.fa.gz").read_bytes()
    assert content.endswith(bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000"))


@pytest.mark.parametrize(
    ("sequences", "width", "message"),
    [
        ({}, 60, "no sequence to write; give at least one"),
        ({"x": ""}, 60, "sequence 'x' is empty; leave it out"),
        ({"x y": "A"}, 60, "sequence name 'x y' must be one word"),
        ({"": "A"}, 60, "sequence name '' must be one word"),
        ({"x": "AC GT"}, 60, "sequence 'x' holds ' ', which is no IUPAC letter"),
        ({"x": "AC5"}, 60, "sequence 'x' holds '5'"),
        ({"x": "AÉ"}, 60, "sequence 'x' holds 'É'"),
        ({"ok": "A", "x": "A>"}, 60, "sequence 'x' holds '>'"),
        ({"x": "A"}, 0, "line_width is 0; choose 1 or more"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, sequences: dict[str, str], width: int, message: str) -> None:
    path = tmp_path / "a.fa"
    path.write_text("before")
    with pytest.raises(InputError, match=message):
        write_fasta(path, sequences, line_width=width)
    assert path.read_text() == "before"
    assert [found.name for found in tmp_path.iterdir()] == ["a.fa"]


def _opening(path: Path) -> str:
    with pytest.raises(InputError) as error:
        Genome(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_files_that_are_no_fasta(tmp_path: Path) -> None:
    assert "no such FASTA file" in _opening(tmp_path / "missing.fa")
    assert "is a folder" in _opening(tmp_path)
    (tmp_path / "empty.fa").touch()
    assert "is empty (0 bytes)" in _opening(tmp_path / "empty.fa")
    (tmp_path / "text.fa").write_text("ACGT\n")
    assert "is not a FASTA file: it starts with b'ACGT\\n', not with '>'" in _opening(tmp_path / "text.fa")
    (tmp_path / "ragged.fa").write_text(">x\nACGT\nAC\nACGT\n")
    assert "is not a readable FASTA file (Line length of fasta file is not consistent!" in _opening(tmp_path / "ragged.fa")
    (tmp_path / "twice.fa").write_text(">x\nACGT\n>x\nACGT\n")
    assert 'is not a readable FASTA file (Duplicate key "x")' in _opening(tmp_path / "twice.fa")
    (tmp_path / "text.fa.gz").write_bytes(gzip.compress(b"hello\n"))
    assert "is not a readable FASTA file" in _opening(tmp_path / "text.fa.gz")


def test_files_cut_short(tmp_path: Path) -> None:
    letters = _random(3, 200_000)
    for name, kind in (("gzip.fa.gz", "gzip"), ("bgzip.fa.gz", "bgzip")):
        whole = _write(tmp_path / name, kind, f">x\n{letters}\n").read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        assert "is cut short" in _opening(tmp_path / name)
    left = [path.name for path in (cache_folder() / "fasta").iterdir() if path.name.startswith(".")]
    assert left == []


def test_damaged_block(tmp_path: Path) -> None:
    letters = _random(4, 200_000)
    content = bytearray(_write(tmp_path / "a.fa.gz", "bgzip", f">x\n{letters}\n").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "a.fa.gz").write_bytes(content)
    assert "is not a readable FASTA file" in _opening(tmp_path / "a.fa.gz")


def test_two_processes_open_a_file_for_the_first_time_at_once(tmp_path: Path) -> None:
    letters = _random(5, 400_000)
    path = _write(tmp_path / "a.fa.gz", "gzip", f">x\n{letters[:200_000]}\n>y\n{letters[200_000:]}\n")
    code = "import sys; from helpers.files.fasta import Genome; print(Genome(sys.argv[1]).fetch('y', 199_990))"
    running = [subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=120)[0].strip() for process in running] == [letters[-10:]] * 3
    assert [process.returncode for process in running] == [0, 0, 0]


def test_real_genomes_are_one(real_data: Path) -> None:
    """Packed by bgzip and by gzip, under UCSC and Ensembl names, in a folder that cannot be written to."""
    folder = real_data / "yeast_sacCer3" / "reference"
    names = {"MT": "chrM"} | {name: f"chr{name}" for name in NUCLEAR}
    with Genome(folder / "sacCer3.fa.gz", names) as ucsc, Genome(folder / "R64_ensembl_names.fa.gz", names) as ensembl:
        for name, genome in (("sacCer3", ucsc), ("R64_ensembl_names", ensembl)):
            lines = (folder / f"{name}.chrom.sizes").read_text().splitlines()
            assert genome.lengths == {chrom: int(length) for chrom, length in (line.split("\t") for line in lines)}
        for chrom in ucsc.names:
            assert np.array_equal(ucsc.codes(chrom), ensembl.codes(chrom))
        with gzip.open(folder / "sacCer3.fa.gz", "rt") as handle:
            for record in SeqIO.parse(handle, "fasta"):
                assert ucsc.fetch(record.id) == str(record.seq)
