"""VCF files: variants, one row for each alternative allele."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

import pandas as pd

from helpers.errors import InputError
from helpers.files.chroms import genome_names
from helpers.files.table_text import first_wrong, read_text_table

log = logging.getLogger(__name__)

VCF_COLUMNS = ["chrom", "start", "id", "ref", "alt", "quality", "filter", "info"]
HEADER = b"\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"


def read_vcf(path: str | os.PathLike[str], aliases: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read the variants of a VCF file, plain or gzip, one row for each alternative allele.

    Parameters
    ----------
    path : path
        VCF 4, with its header. Genotypes are not read.
    aliases : mapping of str to str, optional
        Name used in the file -> name in the genome; `chrom` holds the latter.

    Returns
    -------
    DataFrame
        `chrom`, `start` (int64, 0-based: POS - 1), `ref`, `alt` (upper case), `id`, `quality`, `filter` and `info` (text as in the file, for
        all alternatives of a line together). Insertions, deletions and symbolic alleles are rows, too: see `is_substitution`.

    Raises
    ------
    InputError
        If the file is missing, empty or damaged, has no header, or a line is broken; the message names the line and shows it.
    """
    text = read_text_table(path, "VCF", 1)
    if not text.original.startswith(b"##fileformat=VCF") or HEADER not in text.original:
        raise InputError(
            f"{text.path} has no VCF header: it must begin with ##fileformat=VCFv4.2 and name its columns, #CHROM POS ID REF ALT QUAL FILTER INFO"
        )
    if text.body and text.columns < len(VCF_COLUMNS):
        text.refuse(0, f"{text.columns} columns, but a VCF file has at least {len(VCF_COLUMNS)}, separated by tabs")
    table = text.parse(VCF_COLUMNS, {1: "integer"})
    text.refuse(first_wrong((table["start"] < 1).to_numpy()), "POS (column 2) must be 1 or more")
    table["start"] -= 1
    table["chrom"] = genome_names(table["chrom"], aliases)
    table["ref"] = table["ref"].str.upper()
    table["alt"] = table["alt"].str.upper().str.split(",")
    split = table.explode("alt", ignore_index=True).astype({"alt": table["ref"].dtype})
    log.info("%s: %s lines, %s variants", text.path.name, f"{len(table):,}", f"{len(split):,}")
    return split[["chrom", "start", "ref", "alt", "id", *VCF_COLUMNS[5:]]]
