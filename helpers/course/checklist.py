"""Ten questions to ask of a paper, each with the lesson and the findings behind it: shown in lesson 12, and as a page of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from helpers.course.findings import SIGNS

PAGE = "docs/checklist.md"
TITLE = "Ten questions to ask of any paper"


@dataclass(frozen=True)
class Question:
    """One question.

    Parameters
    ----------
    asks : str
        The question.
    look_for : str
        What in the paper would answer it.
    lesson : str
        Name of the lesson that measures it, such as "09_pitfall_leakage".
    findings : tuple of str
        Ids of the findings that stand behind it.
    """

    asks: str
    look_for: str
    lesson: str
    findings: tuple[str, ...]


QUESTIONS = (
    Question(
        "Is the test set new in the unit that the claim is about?",
        "A split by chromosome, donor or cell type, not by window; no test window shares bases with a training window.",
        "09_pitfall_leakage", ("F26a", "F26b"),
    ),
    Question(
        "Does related sequence lie on both sides of the split?",
        "A search for near-duplicates, and groups of related sequence kept together.",
        "09_pitfall_leakage", ("F27a", "F27b"),
    ),
    Question(
        "Which steps saw the test samples before the split?",
        "Selection of features, normalisation and correction fitted on training data only, best as one pipeline.",
        "09_pitfall_leakage", ("F28a", "F28b"),
    ),
    Question(
        "What does the average over the training cell types score?",
        "That baseline beside every score across cell types, told everything that the model was told.",
        "10_pitfall_locus_memorization", ("F29a", "F31"),
    ),
    Question(
        "Does the score hold at new loci, and among loci that are equally active?",
        "Test loci and cell types that are both new; scores within groups of loci.",
        "10_pitfall_locus_memorization", ("F30", "F32"),
    ),
    Question(
        "Could the label be told from the number of reads?",
        "Depth of each library by class; libraries down-sampled to one depth, or a test in which depth is unrelated.",
        "11_pitfall_sequencing_depth", ("F33a", "F33b"),
    ),
    Question(
        "Are predictions compared with data of the depth that was trained on?",
        "Predictions scaled by the ratio of library sizes; errors given beside correlations, which do not see scale.",
        "11_pitfall_sequencing_depth", ("F34a", "F34b"),
    ),
    Question(
        "Is there a batch in the test that training has not seen, and does any batch go with the label?",
        "A table of classes by batch; scores pooled over new batches. Where batch and label are one, no correction helps.",
        "12_pitfall_distribution_shift", ("F35a",),
    ),
    Question(
        "Was it tested on the cell types and assays that it is meant for?",
        "A score for each new cell type and assay, and that of a model trained there. Normalisation, if any, with a reference from training: it "
        "mends the distribution, and need not mend the score.",
        "12_pitfall_distribution_shift", ("F35b", "F37a", "F37b"),
    ),
    Question(
        "Does the test hold silent regions in their true share?",
        "Scores and mean predictions over whole chromosomes, not only in peaks or bins above a threshold.",
        "12_pitfall_distribution_shift", ("F36",),
    ),
)  # fmt: skip


def listing(folder: str = "", entries: Sequence[Mapping[str, Any]] | None = None) -> str:
    """Return the questions as a numbered list in Markdown.

    Parameters
    ----------
    folder : str
        What to put before the name of a lesson's notebook in links, such as "../notebooks/".
    entries : sequence of mapping, optional
        Entries of findings.json: the sign of a finding's verdict on simulated data is then put behind its id.
    """
    signs = {entry["id"]: SIGNS[entry["verdict"]][0] for entry in entries or () if entry["dataset"] == "simulated"}
    rows = []
    for number, question in enumerate(QUESTIONS, 1):
        behind = ", ".join(f"{name} {signs.get(name, '')}".strip() for name in question.findings)
        lesson = f"[lesson {question.lesson[:2]}]({folder}{question.lesson}.ipynb)"
        rows.append(f"{number}. **{question.asks}** {question.look_for} ({lesson}: {behind})")
    return "\n".join(rows)


def page(entries: Sequence[Mapping[str, Any]]) -> str:
    """Return the page: title, questions with verdicts, and what the signs mean."""
    signs = ", ".join(f"{sign} {verdict}" for verdict, (sign, _) in SIGNS.items())
    return (
        f"# {TITLE}\n\nEach comes from a lesson of this course. The findings beside it were measured on genomes whose truth is known: "
        f"{signs}. What is asked beyond them is shown in the lesson, without a finding. Statements and effects are in the [README](../README.md).\n\n"
        f"{listing('../notebooks/', entries)}\n\n"
        "A paper that leaves one of them open may still be right: ask its authors.\n"
    )
