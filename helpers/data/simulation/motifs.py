"""The motif vocabulary: position frequency matrices, scores on both strands, and how a score becomes occupancy.

The matrices are idealised: rounded frequencies built from the published consensus of each factor (JASPAR 2024 names them under the factor's
name), so that the answer key is simple. The two decoys are invented words that resemble no factor and have no effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from helpers.errors import InputError

#: IUPAC letter -> bases it allows, in the order A, C, G, T.
_IUPAC = {
    "A": "A",
    "C": "C",
    "G": "G",
    "T": "T",
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "V": "ACG",
    "N": "ACGT",
}
_STRONG, _WEAK = 0.94, 0.76

Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Motif:
    """One motif: its name, its pattern, its relative strength and the flanking bases it prefers."""

    name: str
    """Name of the factor, or DECOY1 and DECOY2."""
    pattern: str
    """Pattern in IUPAC letters; upper case is conserved (94 %), lower case weak (76 %)."""
    strength: float = 1.0
    """Effect relative to the setting `motif_log_effect`; 0 for a decoy."""
    left: str = ""
    """Preferred bases right before the matrix (5' side)."""
    right: str = ""
    """Preferred bases right after the matrix (3' side)."""

    @property
    def width(self) -> int:
        """Width of the matrix, bp."""
        return len(self.pattern)

    @property
    def is_decoy(self) -> bool:
        """Whether the motif has no effect anywhere."""
        return self.strength == 0

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Position frequency matrix, shape (width, 4), rows summing to 1, order A, C, G, T."""
        rows = np.empty((self.width, 4))
        for row, letter in zip(rows, self.pattern, strict=True):
            allowed = _IUPAC[letter.upper()]
            share = 1.0 if letter.upper() == "N" else (_STRONG if letter.isupper() else _WEAK)
            row[:] = (1 - share) / max(4 - len(allowed), 1)
            row[["ACGT".index(base) for base in allowed]] = share / len(allowed)
        return rows

    @cached_property
    def log_odds(self) -> NDArray[np.float64]:
        """Position weight matrix, shape (width, 4): log2 of frequency over 1/4, bits (Stormo 2000), rounded to 1e-6."""
        odds: NDArray[np.float64] = np.log2(self.frequencies / 0.25)
        return np.round(odds, 6)

    @property
    def best_score(self) -> float:
        """Score of the consensus, bits."""
        return float(self.log_odds.max(axis=1).sum())


#: Every motif of the simulated genome; the last two are decoys. The preferred flanks are invented.
MOTIFS: tuple[Motif, ...] = (
    Motif("AP1", "nrTGASTCAyn", left="AG", right="CT"),
    Motif("GATA", "nvAGATAAGrn", right="CTG"),
    Motif("FOX", "nwTGTTTACwyn", left="CC"),
    Motif("RUNX", "nwAACCACArnn"),
    Motif("HNF4", "nrGGTCAAAGTCCAn"),
    Motif("EBOX", "ngTCACGTGAcn"),
    Motif("SP1", "nkGGGCGGGGcyn"),
    Motif("ETS", "nrCCGGAAGTgn"),
    Motif("NRF1", "yGCGCAyGCGCr"),
    Motif("CTCF", "yGrCCAsyAGrGGGCrsyn", strength=1.5),
    Motif("DECOY1", "nCTAGCATTGGACn", strength=0.0),
    Motif("DECOY2", "nGTTAAGCCATCTn", strength=0.0),
)
MOTIF_NAMES: tuple[str, ...] = tuple(motif.name for motif in MOTIFS)
FACTORS: tuple[str, ...] = tuple(motif.name for motif in MOTIFS if not motif.is_decoy)
MAX_WIDTH = max(motif.width for motif in MOTIFS)
FLANK = 3
"""Bases on each side of an instance that are looked at for preferred flanks."""

#: Lineage factors that are on in each cell type, and the activity of AP-1 there. SP1, ETS, NRF1 and CTCF are on everywhere.
LINEAGE = ("GATA", "FOX", "RUNX", "HNF4", "EBOX")
_ON = (
    "GATA RUNX", "FOX HNF4", "GATA EBOX", "FOX RUNX", "HNF4 EBOX", "RUNX EBOX", "GATA FOX", "HNF4 RUNX", "FOX EBOX", "GATA HNF4",
    "GATA", "FOX", "RUNX", "HNF4", "EBOX", "GATA FOX RUNX", "FOX HNF4 EBOX", "GATA RUNX EBOX", "FOX RUNX HNF4", "GATA HNF4 EBOX",
    "RUNX HNF4 EBOX", "GATA FOX HNF4", "FOX RUNX EBOX", "GATA FOX EBOX", "GATA RUNX HNF4", "",
)  # fmt: skip
_AP1 = (0.9, 0.6, 0.4, 1.1, 0.5, 0.8)
_OFF = 0.05


def motif_named(name: str) -> Motif:
    """Motif by name, such as `motif_named("AP1")`.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in MOTIF_NAMES:
        raise InputError(f"motif {name!r} is not known: choose from {', '.join(MOTIF_NAMES)}")
    return MOTIFS[MOTIF_NAMES.index(name)]


def factor_activity(cell_type: int) -> NDArray[np.float64]:
    """Activity of every motif's factor in a cell type (0 = A), shape (motifs,); 1 is fully active, decoys are 0."""
    on = _ON[cell_type].split()
    activity = np.ones(len(MOTIFS))
    for index, motif in enumerate(MOTIFS):
        if motif.name == "AP1":
            activity[index] = _AP1[cell_type % len(_AP1)]
        elif motif.name in LINEAGE:
            activity[index] = 1.0 if motif.name in on else _OFF
        elif motif.is_decoy:
            activity[index] = 0.0
    return activity


def consensus(motif: Motif, *, flanks: bool = False) -> str:
    """Most frequent base at every position (the first of A, C, G, T where several tie), with the preferred flanks if asked."""
    core = "".join("ACGT"[base] for base in motif.frequencies.argmax(axis=1))
    return motif.left + core + motif.right if flanks else core


def scan(codes: ArrayLike, motif: Motif) -> NDArray[np.float64]:
    """Log-odds score of a motif at every position of a sequence, on both strands.

    Parameters
    ----------
    codes : array of uint8, shape (length,)
        Bases, A, C, G, T = 0..3; 4 for anything else.
    motif : Motif
        What to look for.

    Returns
    -------
    array, shape (2, length - width + 1)
        Score in bits of the window that starts there: row 0 on the forward strand, row 1 on the reverse. -inf where the window holds an unknown base.
    """
    bases = np.asarray(codes, dtype=np.uint8)
    n_windows = len(bases) - motif.width + 1
    if n_windows < 1:
        return np.empty((2, 0))
    table = np.full((motif.width, 5), -np.inf)
    table[:, :4] = motif.log_odds
    scores = np.zeros((2, n_windows))
    reverse = table[::-1][:, [3, 2, 1, 0, 4]]
    for offset in range(motif.width):
        window = bases[offset : offset + n_windows]
        scores[0] += table[offset][window]
        scores[1] += reverse[offset][window]
    return scores


def occupancy(score: ArrayLike, motif: Motif, midpoint: float) -> NDArray[np.float64]:
    """Probability that an instance is bound: 1 / (1 + 2 ** -(score - best + midpoint)) (Berg and von Hippel 1987; score in bits)."""
    return np.round(1 / (1 + np.exp2(-(np.asarray(score, dtype=float) - motif.best_score + midpoint))), 9)


def draw_instances(motif: Motif, count: int, rng: np.random.Generator, worst: float = 3.0, tries: int = 16) -> Codes:
    """Draw sequences from a motif's frequencies, shape (count, width): of several tries the first that scores within `worst` bits, or the best."""
    cumulative = np.cumsum(motif.frequencies, axis=1)[:, :3]
    drawn = (rng.random((count, tries, motif.width))[..., None] >= cumulative).sum(axis=-1).astype(np.uint8)
    scores = motif.log_odds[np.arange(motif.width), drawn].sum(axis=-1)
    fine = scores >= motif.best_score - worst
    chosen = np.where(fine.any(axis=1), fine.argmax(axis=1), scores.argmax(axis=1))
    return drawn[np.arange(count), chosen]


def meme_text(motifs: tuple[Motif, ...] = MOTIFS) -> str:
    """Return the motifs in MEME's minimal format (version 4), for any motif tool to read."""
    lines = [
        "MEME version 4",
        "",
        "ALPHABET= ACGT",
        "",
        "strands: + -",
        "",
        "Background letter frequencies",
        "A 0.25 C 0.25 G 0.25 T 0.25",
        "",
    ]
    for motif in motifs:
        lines += [f"MOTIF {motif.name}", f"letter-probability matrix: alength= 4 w= {motif.width} nsites= 100 E= 0"]
        lines += [" ".join(f"{value:.6f}" for value in row) for row in motif.frequencies]
        lines.append("")
    return "\n".join(lines)
