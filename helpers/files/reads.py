"""Sequencing reads: FASTQ with base qualities, and aligned fragments."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd
from Bio.SeqIO.QualityIO import FastqGeneralIterator

from helpers.errors import InputError
from helpers.files.bed import write_bed
from helpers.files.chroms import genome_names
from helpers.files.placing import GZIP_MAGIC, existing_file, write_bytes
from helpers.files.table_text import TextTable, first_wrong, read_text_table

PHRED_OFFSET = 33  # "!" is quality 0, as in the Sanger and Illumina 1.8+ variants
PHRED_MAX = 93


@dataclass(frozen=True, eq=False)
class Read:
    """One sequenced read.

    Attributes
    ----------
    name : str
        First word of the title line.
    sequence : str
        Letters, as the sequencer called them.
    quality : uint8 array, shape (len(sequence),)
        Phred scores, 0 to 93.
    """

    name: str
    sequence: str
    quality: np.ndarray


def read_fastq(path: str | os.PathLike[str], limit: int | None = None) -> list[Read]:
    """Read a FASTQ file, plain or gzip, with Phred+33 qualities.

    Parameters
    ----------
    path : path
        The file.
    limit : int, optional
        Read so many reads and no more.

    Returns
    -------
    list of Read

    Raises
    ------
    InputError
        If the file is missing, empty, cut short, or no FASTQ.
    """
    if limit is not None and limit < 0:
        raise InputError(f"limit is {limit}; choose 0 or more, or None for all reads")
    found = existing_file(path, "FASTQ")
    with found.open("rb") as handle:
        packed = handle.read(2) == GZIP_MAGIC
    reads: list[Read] = []
    with gzip.open(found, "rb") if packed else found.open("rb") as source:
        records = FastqGeneralIterator(io.TextIOWrapper(source, encoding="ascii"))
        try:
            for title, sequence, quality in islice(records, limit):
                scores = np.frombuffer(quality.encode("ascii"), np.uint8) - PHRED_OFFSET
                if scores.size and scores.max() > PHRED_MAX:
                    raise ValueError("a quality letter lies outside '!' to '~'")
                reads.append(Read((title.split() or [""])[0], sequence, scores))
        except (ValueError, EOFError, zlib.error, OSError) as error:
            raise InputError(f"{found}: read {len(reads) + 1} is broken ({error}); download the file again") from error
    return reads


def write_fastq(path: str | os.PathLike[str], reads: Iterable[Read]) -> None:
    """Write a FASTQ file with Phred+33 qualities, whole or not at all; a name that ends in .gz is compressed.

    Parameters
    ----------
    path : path
        The file to write; one that exists is replaced.
    reads : iterable of Read
        Their names must be one word each.

    Raises
    ------
    InputError
        If a read has more or fewer qualities than letters, a quality above 93, or a name that is not one word.
    """
    lines: list[bytes] = []
    for read in reads:
        quality = np.asarray(read.quality)
        if read.name.split() != [read.name]:
            raise InputError(f"{path}: read name {read.name!r} is not one word; rename it")
        if not read.sequence.isalpha() or len(quality) != len(read.sequence):
            raise InputError(
                f"{path}: read {read.name!r} has {len(read.sequence)} letters and {len(quality)} qualities; give as many"
            )
        if quality.dtype.kind not in "ui" or quality.max() > PHRED_MAX or quality.min() < 0:
            raise InputError(f"{path}: qualities of read {read.name!r} must be whole numbers from 0 to {PHRED_MAX}; clip them")
        letters = (quality.astype(np.uint8) + PHRED_OFFSET).tobytes()
        lines += [b"@" + read.name.encode(), read.sequence.encode("ascii"), b"+", letters]
    write_bytes(path, b"".join(line + b"\n" for line in lines))


def phred_to_error(quality: np.ndarray) -> np.ndarray:
    """Probability that a base call is wrong: 10 ** (-Q / 10) (Ewing and Green 1998, Genome Research 8:186).

    Parameters
    ----------
    quality : integer or float array, any shape
        Phred scores.

    Returns
    -------
    float64 array of the same shape
        Between 0 and 1.
    """
    return np.power(10.0, np.asarray(quality, dtype=np.float64) / -10.0)


def read_fragments(path: str | os.PathLike[str], aliases: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read aligned fragments: chrom, start, end, plain or gzip; further columns (barcodes, counts) are left out.

    Parameters
    ----------
    path : path
        Text table such as MACS's BEDPE or 10x Genomics' fragments.tsv.gz.
    aliases : mapping of str to str, optional
        Name used in the file -> name in the genome; `chrom` holds the latter.

    Returns
    -------
    DataFrame
        Columns chrom, start, end (int64, 0-based half-open), in the order of the file.

    Raises
    ------
    InputError
        If the file is missing, empty or damaged, a line is broken, or each line holds the two mates of a pair one by one.
    """
    text = read_text_table(path, "fragment", 3)
    _refuse_mates(text)
    table = text.parse(["chrom", "start", "end"], {1: "integer", 2: "integer"})
    start, end = table["start"].to_numpy(), table["end"].to_numpy()
    text.refuse(first_wrong((start < 0) | (end <= start)), "start and end must be 0 <= start < end")
    return table.assign(chrom=genome_names(table["chrom"], aliases))


def _refuse_mates(text: TextTable) -> None:
    """Refuse bedtools' BEDPE, whose first three columns are one mate and not the fragment."""
    _, line = next(text.lines(), (0, ""))
    fields = line.split()
    if len(fields) >= 6 and fields[3] == fields[0] and all(field.isdigit() for field in fields[4:6]):
        text.refuse(0, "both mates of a pair (bedtools' BEDPE): reduce them to chrom, least start, greatest end")


def write_fragments(path: str | os.PathLike[str], table: pd.DataFrame) -> None:
    """Write fragments (columns chrom, start, end; others are left out) as `read_fragments` reads them; raises as `write_bed`."""
    missing = [name for name in ("chrom", "start", "end") if name not in table]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; fragments need chrom, start, end")
    write_bed(path, table[["chrom", "start", "end"]])
