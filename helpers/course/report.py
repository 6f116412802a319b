"""The report of a run: a page for each executed lesson, and an index that brings them together. Both can be read offline."""

from __future__ import annotations

import functools
import math
import re
from pathlib import Path
from typing import Any

import jinja2
import nbconvert
import nbformat

from helpers.course.findings import SIGNS, load_findings, read_json, requirement
from helpers.course.lessons import read_lesson
from helpers.course.verdicts import Scale, effect_text
from helpers.files.placing import write_bytes

TEMPLATES = Path(__file__).parent / "templates"
_WIDTH, _HEIGHT, _MARGIN = 240, 40, 12


def write_page(notebook: Path) -> Path:
    """Write a notebook's page beside it.

    Parameters
    ----------
    notebook : Path
        NN_name.ipynb.

    Returns
    -------
    Path
        NN_name.html: pictures are embedded, solutions are folded. Formulas need the network to be typeset; without it they are read as TeX.
    """
    content = nbformat.read(notebook, as_version=4)
    exporter = nbconvert.HTMLExporter(template_name="lesson", extra_template_basedirs=[str(TEMPLATES)], embed_images=True)
    has_formulas = any(cell.cell_type == "markdown" and re.search(r"\$\S", cell.source) for cell in content.cells)
    body, _ = exporter.from_notebook_node(content, {"metadata": {"name": notebook.stem}, "has_formulas": has_formulas})
    page = notebook.with_suffix(".html")
    write_bytes(page, body.encode())
    return page


def write_index(out: Path) -> Path:
    """Write index.html of a run from its run.json and findings.json, and return its path."""
    run, found = read_json(out / "run.json"), read_json(out / "findings.json")
    lessons = [{**entry, **_files(out, entry["lesson"])} for entry in run["lessons"]]
    waiting = [number for number in run["parameters"]["lessons"] if number not in {entry["lesson"] for entry in run["lessons"]}]
    facts = {
        "data set": run["parameters"]["dataset"],
        "profile": run["parameters"]["profile"],
        "seeds": run["parameters"]["seeds"] or "as each lesson has it",
        "first seed": "as each lesson has it" if run["parameters"]["first_seed"] is None else run["parameters"]["first_seed"],
        **({"world": run["parameters"]["world"]} if run["parameters"]["world"] else {}),
        "code": run["commit"] + (" with uncommitted changes" if run["uncommitted_changes"] else ""),
        "machine": f"{run['machine']['processor']}, {run['machine']['cores']} cores, {run['machine']['memory_gb']} GB, {run['machine']['platform']}",
        "packages": ", ".join(f"{name} {version}" for name, version in run["versions"].items()),
        **{f"digest of {name}": ", ".join(digests) for name, digests in run["dataset_digests"].items()},
    }
    body = _template().render(
        lessons=lessons, waiting=waiting, findings=[_shown(entry) for entry in found], facts=facts, total=_total(run["lessons"]),
        counts={verdict: sum(entry["verdict"] == verdict for entry in found) for verdict in SIGNS}, signs=SIGNS,
    )  # fmt: skip
    write_bytes(out / "index.html", body.encode())
    return out / "index.html"


@functools.cache
def _template() -> jinja2.Template:
    """Return the page's template; everything put into it is escaped."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined).get_template("index.html.j2")


def _files(out: Path, number: str) -> dict[str, str | None]:
    """Names of a lesson's notebook and page, and its title, as far as they are there."""
    notebook = next(iter(sorted(out.glob(f"{number}_*.ipynb"))), None)
    if notebook is None:
        return {"name": number, "notebook": None, "page": None}
    page = notebook.with_suffix(".html")
    return {
        "name": f"{number} · {read_lesson(notebook).title}",
        "notebook": notebook.name,
        "page": page.name if page.exists() else None,
    }


def _total(lessons: list[dict[str, Any]]) -> str:
    """Time of all lessons together, and the highest memory of one."""
    seconds = sum(entry["seconds"] for entry in lessons)
    memory = max((entry["peak_memory_mb"] for entry in lessons), default=0.0)
    return f"{len(lessons)} lesson{'' if len(lessons) == 1 else 's'}, {seconds / 60:.1f} minutes, at most {memory:,.0f} MB"


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    """One finding as the page shows it."""
    finding = load_findings().get(entry["id"])
    scale: Scale = finding.scale if finding else "difference"
    text = effect_text(entry["effect"], entry["low"], entry["high"], scale)
    asked = requirement(finding) if finding else f"Least effect: {entry['least_effect']:g}."
    return {**entry, "measured": text, "asked": asked, "plot": interval_plot(entry, scale)}


def interval_plot(entry: dict[str, Any], scale: Scale) -> dict[str, Any]:
    """Place effect, interval, least effect and no effect on a line, for a drawing of 240 x 40 units.

    Parameters
    ----------
    entry : dict
        A finding of findings.json.
    scale : {"difference", "ratio"}
        Ratios are placed by their logarithm.

    Returns
    -------
    dict
        Horizontal positions `effect`, `low`, `high` (both None without an interval), `least`, `none`, in units; `width`, `height`; and `text`,
        a description for readers who do not see the drawing.
    """
    place = (lambda value: math.log(max(value, 1e-9))) if scale == "ratio" else float
    none = 1.0 if scale == "ratio" else 0.0
    values = {key: None if value is None else place(value) for key, value in _marks(entry, none).items()}
    present = [value for value in values.values() if value is not None]
    first, span = min(present), (max(present) - min(present)) or 1.0
    room = _WIDTH - 2 * _MARGIN
    placed = {key: None if value is None else round(_MARGIN + room * (value - first) / span, 1) for key, value in values.items()}
    text = f"effect {effect_text(entry['effect'], entry['low'], entry['high'], scale)}; no effect {none:g}; asked for {entry['least_effect']:g}"
    return {**placed, "width": _WIDTH, "height": _HEIGHT, "text": text}


def _marks(entry: dict[str, Any], none: float) -> dict[str, float | None]:
    """Return the values that a drawing shows."""
    return {**{key: entry[key] for key in ("effect", "low", "high")}, "least": entry["least_effect"], "none": none}
