from __future__ import annotations

import pandas as pd
import pytest

from helpers.errors import InputError
from helpers.files.chroms import genome_names, resolve_name, some_names

YEAST = {"I": "chrI", "IV": "chrIV", "MT": "chrM", "Mito": "chrM"}


@pytest.mark.parametrize(
    ("chrom", "names", "expected"),
    [
        ("chrIV", ["chrI", "chrIV"], "chrIV"),
        ("IV", ["chrI", "chrIV"], "chrIV"),  # alias of a name in the genome
        ("chrIV", ["I", "IV"], "IV"),  # the other direction
        ("Mito", ["chrI", "chrM"], "chrM"),
        ("Mito", ["I", "MT"], "MT"),  # two names of one chromosome
        ("chrM", ["I", "Mito"], "Mito"),
        ("I", ["I", "chrI"], "I"),  # exact wins
    ],
)
def test_resolves_in_both_directions(chrom: str, names: list[str], expected: str) -> None:
    assert resolve_name(chrom, names, YEAST, "genome.fa") == expected


def test_unknown_name_lists_what_is_there() -> None:
    with pytest.raises(InputError) as error:
        resolve_name("chr1", ["1", "2", "3", "4"], None, "genome.fa")
    assert str(error.value) == (
        "chromosome 'chr1' is not in genome.fa (it has '1', '2', '3', ...): set chromosome_aliases in the manifest or pass aliases="
    )


def test_two_fits_are_refused() -> None:
    with pytest.raises(InputError, match=r"^chromosome 'chrM' fits 'MT', 'Mito' of a\.bw through the aliases: keep one of them$"):
        resolve_name("chrM", ["MT", "Mito"], YEAST, "a.bw")


def test_names_of_nothing() -> None:
    assert some_names([]) == "no sequence"
    assert some_names(["1", "2"]) == "'1', '2'"


def test_genome_names_of_a_column() -> None:
    column = pd.Series(["IV", "chrI", "Mito", "IV", "2-micron"])
    assert genome_names(column, YEAST).tolist() == ["chrIV", "chrI", "chrM", "chrIV", "2-micron"]
    assert genome_names(column, None).tolist() == column.tolist()
