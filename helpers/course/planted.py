"""What lesson 08 holds a model against: the motifs that a simulated genome was planted with, and the known sites of a real one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.course.experiments import is_simulated
from helpers.course.findings import NotForThisDataset
from helpers.course.tasks import Task
from helpers.data.datasets import DataSet, load_dataset
from helpers.data.simulation import MOTIFS, Motif, factor_activity, read_truth, scan
from helpers.errors import InputError
from helpers.prepare.tables import keep

# Budding yeast's general regulatory factors that keep their sites free of nucleosomes, by the words they are known to bind
# (Badis et al. 2008, Molecular Cell 32:878).
KNOWN_SITES: Mapping[str, Mapping[str, str]] = {"Saccharomyces cerevisiae": {"REB1": "TTACCCG", "ABF1": "RTCRYNNNNNACG"}}
MATCH = 3.0  # bits below the best score


def motif_word(motif: Motif) -> str:
    """Write a motif as a word: the likeliest base of each position (the first of two that are alike), N where three or four are alike.

    Examples
    --------
    >>> motif_word(motif_named("AP1"))
    'NATGACTCACN'
    """
    rows = motif.frequencies
    return "".join("ACGT"[row.argmax()] if row.max() > np.sort(row)[1] else "N" for row in rows)


def active_motifs(cell_type: int = 0, least: float = 0.5) -> dict[str, str]:
    """Words of the motifs whose factors are active in a cell type (0 is A), by name."""
    activity = factor_activity(cell_type)
    return {m.name: motif_word(m) for m, value in zip(MOTIFS, activity, strict=True) if value >= least}


def decoy_motifs() -> dict[str, str]:
    """Words of the decoys, by name."""
    return {motif.name: motif_word(motif) for motif in MOTIFS if motif.is_decoy}


def open_chromatin(data: DataSet) -> str:
    """Find the track, or the fragments, of open chromatin: the first whose id says ATAC or DNase; empty for simulated data, where it is known.

    Raises
    ------
    NotForThisDataset
        If there is none.
    """
    if is_simulated(data):
        return ""
    for name in [*data.tracks, *data.by_role("fragments")]:
        if any(assay in name.lower() for assay in ("atac", "dnase")):
            return name
    raise NotForThisDataset(
        f"data set {data.name!r} has no track of open chromatin, which known sites would raise: choose one, or set track="
    )


def known_sites(organism: str) -> dict[str, str]:
    """Words that are known to open chromatin in an organism, by factor; NotForThisDataset where the course knows none."""
    if organism not in KNOWN_SITES:
        raise NotForThisDataset(
            f"no known sites of {organism!r} are listed: add some to KNOWN_SITES in helpers/course/planted.py, as IUPAC words"
        )
    return dict(KNOWN_SITES[organism])


def shuffled_words(word: str, count: int, rng: np.random.Generator | int) -> list[str]:
    """Put the letters of a word into other orders, all different; an N stays where it is.

    Raises
    ------
    InputError
        If there are not so many orders (the search gives up after a hundred draws for each).
    """
    generator = np.random.default_rng(rng)
    letters = np.array(list(word.upper()))
    known = np.flatnonzero(letters != "N")
    found: dict[str, None] = {}
    for _ in range(100 * count):
        mixed = letters.copy()
        mixed[known] = generator.permutation(letters[known])
        other = "".join(mixed)
        if other != word.upper():
            found[other] = None
        if len(found) == count:
            return list(found)
    raise InputError(f"word {word!r} has only {len(found)} other orders of its letters: ask for fewer than {count}")


def answer_key(task: Task) -> pd.DataFrame:
    """Read the truth table of a task's simulated genome (`helpers.data.simulation.read_truth`).

    Raises
    ------
    NotForThisDataset
        If the data set is not simulated.
    """
    seed = task.data.seed
    if seed is None:
        raise NotForThisDataset(f"data set {task.data.name!r} has no answer key: choose a simulated one")
    data = load_dataset(task.data.manifest, seed=seed, settings=task.settings, ids=["genome", "truth"])
    return read_truth(data.paths["truth"])


def covered(windows: pd.DataFrame, places: pd.DataFrame) -> np.ndarray:
    """Mark the bases of windows that places cover.

    Parameters
    ----------
    windows : DataFrame
        Columns `chrom`, `start`, `end`, all of one width.
    places : DataFrame
        Columns `chrom`, `start`, `end`.

    Returns
    -------
    bool array, shape (windows, width)

    Raises
    ------
    InputError
        If there is no window, or their widths differ.
    """
    widths = (windows["end"] - windows["start"]).unique()
    if len(widths) != 1:
        raise InputError(f"windows have the widths {list(widths)}: give at least one, all of one width")
    mask = np.zeros((len(windows), int(widths[0])), bool)
    rows = windows[["chrom", "start", "end"]].itertuples(index=False)
    for row, (chrom, start, end) in zip(mask, rows, strict=True):
        inside = (places["chrom"] == chrom) & (places["start"] < end) & (places["end"] > start)
        for first, last in places.loc[inside, ["start", "end"]].to_numpy(np.int64):
            row[max(first - start, 0) : last - start] = True
    return mask


def chance_matches(codes: np.ndarray, motifs: Mapping[str, str], planted: np.ndarray) -> np.ndarray:
    """Mark what looks like a motif and was not planted: windows of bases within 3 bits of a motif's best score, on either strand.

    Parameters
    ----------
    codes : uint8 array, shape (sequences, length)
    motifs : mapping
        Names of motifs of the simulation, such as the keys of `active_motifs()`.
    planted : bool array, shape (sequences, length)
        Bases of planted instances; what touches them is no chance match.

    Returns
    -------
    bool array, shape (sequences, length)
    """
    found = np.zeros(codes.shape, bool)
    for motif in (motif for motif in MOTIFS if motif.name in motifs):
        for row, sequence in enumerate(codes):
            for first in np.flatnonzero((scan(sequence, motif) >= motif.best_score - MATCH).any(axis=0)):
                where = slice(first, first + motif.width)
                found[row, where] |= not planted[row, where].any()
    return found


def with_flanks(places: pd.DataFrame) -> pd.DataFrame:
    """Widen planted motif instances by the flanking bases that their motif prefers to others; most motifs have none."""
    sides = {motif.name: (len(motif.left), len(motif.right)) for motif in MOTIFS}
    widths = np.array([sides[name] for name in places["motif"]]).reshape(-1, 2)
    forward = (places["strand"] == "+").to_numpy()
    before = np.where(forward, widths[:, 0], widths[:, 1])
    return places.assign(start=places["start"] - before, end=places["end"] + widths.sum(axis=1) - before)


def effective(key: pd.DataFrame, cell_type: str = "A", least: float = 0.1) -> pd.DataFrame:
    """Keep the planted motif instances of an answer key that add at least so much to the log rate in a cell type."""
    acting = (key["kind"] == "motif").to_numpy() & (key[f"activity_{cell_type}"] >= least).to_numpy()
    return keep(key, acting, "motif instances with an effect")
