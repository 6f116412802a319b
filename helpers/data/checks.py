"""Whether the files of a data set belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.errors import InputError
from helpers.files.chroms import some_names

if TYPE_CHECKING:
    from helpers.data.datasets import DataSet

_INTERVALS = re.compile(r"\.(bed|narrowPeak|broadPeak)(\.gz)?$")


def check_dataset(dataset: DataSet) -> None:
    """Check that the files of a data set belong together: the same chromosomes, of the same length.

    Parameters
    ----------
    dataset : DataSet
        What was loaded. Without a genome there is nothing to compare with.

    Raises
    ------
    InputError
        If a chromosome of the split is not in the genome, a track's chromosome has another length than in the genome, or a table of intervals
        shares no chromosome with it.
    """
    from helpers.files.bed import read_bed
    from helpers.files.bigwig import check_lengths
    from helpers.files.fasta import Genome

    if not dataset.by_role("genome"):
        return
    with Genome(dataset.genome, aliases=dataset.aliases) as genome:
        lengths = dict(genome.lengths)
        splits = dataset.manifest.splits
        for part in ("validation", "test", "train"):
            for chrom in getattr(splits, part) or []:
                if chrom not in lengths:
                    raise InputError(
                        f"data set {dataset.name!r}: splits.{part} names {chrom!r}, and {dataset.genome.name} has {some_names(lengths)}: "
                        "write the splits with the names of the FASTA"
                    )
    for path in [*dataset.tracks.values(), *dataset.by_role("control").values()]:
        if path.suffix.lower() in (".bw", ".bigwig"):
            check_lengths(path, lengths, aliases=dataset.aliases)
    for role in ("peaks", "exclusions", "domains", "annotation"):
        for path in dataset.by_role(role).values():
            if _INTERVALS.search(path.name):
                _check_names(list(read_bed(path)["chrom"].unique()), path, lengths, dataset.aliases)


def _check_names(used: list[str], path: Path, lengths: Mapping[str, int], aliases: Mapping[str, str]) -> None:
    """Refuse a table of intervals none of whose chromosomes is in the genome; some may be missing from it."""
    from helpers.files.chroms import resolve_name

    problem: InputError | None = None
    for chrom in used:
        try:
            resolve_name(chrom, lengths, aliases, "the genome")
        except InputError as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise InputError(f"{path}: {problem}")
