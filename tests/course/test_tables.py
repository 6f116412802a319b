"""Tables that are made: the README's, the null worlds', the report's drawing."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.course import checklist, nulls, readme, report
from helpers.course.plan import RunOptions
from helpers.errors import InputError

README = """# Title
<!-- badges:start -->
old
<!-- badges:end -->
text
<!-- syllabus:start -->
<!-- syllabus:end -->
<!-- findings:start -->
<!-- findings:end -->
end
"""


def entry(
    finding: str = "F03", verdict: str = "holds", effect: float = 2.0, low: float | None = 1.8, high: float | None = 2.2
) -> dict[str, Any]:
    return {
        "id": finding, "lesson": "01", "dataset": "simulated", "statement": "A statement.", "source": "ours", "metric": "a ratio",
        "least_effect": 1.5, "effect": effect, "low": low, "high": high, "seeds": 5, "verdict": verdict,
    }  # fmt: skip


def test_readme_is_made_and_checked(lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(readme, "repository", lambda: "https://github.com/a/b")
    path = lesson("01_bigwig", "1", title="From a bigWig").parent
    (path / "findings.json").write_text(json.dumps([entry()]))
    (tmp_path / "README.md").write_text(README)
    assert readme.refresh(tmp_path / "README.md", path, check=True) == ["README.md"]
    assert (tmp_path / "README.md").read_text() == README
    assert readme.refresh(tmp_path / "README.md", path) == ["README.md"]
    text = (tmp_path / "README.md").read_text()
    assert "| 01 | [From a bigWig](notebooks/01_bigwig.ipynb) | 5 minutes to read | F01a, F01b, F02, F03 |" in text
    assert "| F03 | A statement. | ours | a ratio: at least 1.5\u00d7 | 2.00\u00d7 [1.80, 2.20] | 5 | ✓ holds |" in text
    assert "mybinder.org/v2/gh/a/b/main" in text
    assert "\nold\n" not in text
    assert text.startswith("# Title\n<!-- badges:start -->\n[![Open in Colab]")
    assert text.endswith("<!-- findings:end -->\nend\n")
    assert readme.refresh(tmp_path / "README.md", path) == []


def test_page_of_questions_is_made_where_the_readme_links_it(lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(readme, "repository", lambda: "https://github.com/a/b")
    folder = lesson("01_bigwig", "1").parent
    file, made = tmp_path / "README.md", tmp_path / checklist.PAGE
    file.write_text(README)
    readme.refresh(file, folder)
    assert not made.exists()
    file.write_text(f"{README}\n[ten questions]({checklist.PAGE})\n")
    assert checklist.PAGE in readme.refresh(file, folder, check=True)
    assert not made.exists()
    assert checklist.PAGE in readme.refresh(file, folder)
    assert made.read_text() == checklist.page([])
    assert readme.refresh(file, folder) == []
    made.write_text("edited by hand")
    assert readme.refresh(file, folder, check=True) == [checklist.PAGE]


def test_badges_of_notebooks_follow_the_address(lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(readme, "repository", lambda: "https://github.com/new/home")
    path = lesson("01_a", 'install = "git+https://github.com/old/home"', title="A\n\n<!-- badges -->\nold badges")
    (tmp_path / "README.md").write_text(README)
    assert readme.refresh(tmp_path / "README.md", path.parent) == ["README.md", "01_a.ipynb"]
    text = path.read_text()
    assert "old" not in text
    assert "git+https://github.com/new/home" in text


def test_picture_is_that_of_the_tagged_cell(lesson, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = lesson("01_a", "1", title="A")
    (tmp_path / "README.md").write_text(README)
    readme.refresh(tmp_path / "README.md", path.parent)
    notebook = nbformat.read(path, as_version=4)
    shown = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(b"picture").decode()})
    notebook.cells += [nbformat.v4.new_code_cell("1", outputs=[shown], metadata={"tags": [readme.PICTURE_TAG]})]
    nbformat.write(notebook, path)
    assert readme.refresh(tmp_path / "README.md", path.parent, check=True) == ["docs/browser.png"]
    assert not (tmp_path / "docs").exists()
    assert readme.refresh(tmp_path / "README.md", path.parent) == ["docs/browser.png"]
    assert (tmp_path / "docs" / "browser.png").read_bytes() == b"picture"
    assert readme.refresh(tmp_path / "README.md", path.parent) == []


@pytest.mark.parametrize(
    "text", ["none", "<!-- a:start --> only", "<!-- a:end --><!-- a:start -->", "<!-- a:start --><!-- a:start --><!-- a:end -->"]
)
def test_readme_needs_its_marks(text: str) -> None:
    with pytest.raises(InputError, match=r"README\.md must hold <!-- a:start --> and <!-- a:end --> once, in this order"):
        readme.replace_block(text, "a", "x")


def test_an_empty_block_is_empty() -> None:
    assert readme.replace_block("<!-- a:start -->\nold\n<!-- a:end -->", "a", "") == "<!-- a:start -->\n<!-- a:end -->"


@pytest.fixture
def measured(lesson, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:  # type: ignore[no-untyped-def]
    """What the pretended run of lesson 01 finds; lesson 00 tests nothing."""
    lesson("00_orientation")
    lesson("01_bigwig")
    found: list[dict[str, Any]] = []

    def run(options: RunOptions, _: object) -> None:
        assert (options.world, options.lessons, options.profile, options.dataset) == ("null", ("01",), None, None)
        options.out.mkdir(exist_ok=True)
        (options.out / "findings.json").write_text(json.dumps(found))

    monkeypatch.setattr(nulls, "run_course", run)
    return found


def test_nulls(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    measured += [
        entry("F01a", "does not hold", 0.0, 0.0, 0.0),
        entry("F02", "inconclusive", 0.01, -0.5, 0.52),
        entry("F03", "holds"),
    ]
    rows = nulls.run_nulls([], tmp_path / "out", notebooks=tmp_path / "notebooks")
    assert [(row.id, row.verdict, row.passed) for row in rows] == [
        ("F01a", "does not hold", True), ("F01b", "not measured", False), ("F02", "inconclusive", True), ("F03", "holds", False),
    ]  # fmt: skip
    path = tmp_path / "nulls.md"
    path.write_text("| F00 | kept | x | x | x |\n| F03 | replaced | x | x | x |\n")
    nulls.write_nulls(rows, path)
    lines = [line for line in path.read_text().splitlines() if line.startswith("| F")]
    assert [line.split(" | ")[0] for line in lines] == ["| F00", "| F01a", "| F01b", "| F02", "| F03"]
    assert lines[0] == "| F00 | kept | x | x | x |"
    assert lines[4].endswith("| The second track is made at full depth too. | 2.00\u00d7 [1.80, 2.20] | holds |")


def test_nulls_of_a_lesson_without_findings(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    assert measured == []
    with pytest.raises(InputError, match="none of the lessons 00 tests a finding"):
        nulls.run_nulls(["00"], tmp_path / "out", notebooks=tmp_path / "notebooks")


def test_drawing_places_values_in_order() -> None:
    plot = report.interval_plot(entry(effect=2.0, low=1.0, high=4.0), "ratio")  # none 1, least 1.5
    assert plot["none"] == plot["low"] == 12.0
    assert plot["effect"] == 120.0  # half-way on the log scale
    assert plot["high"] == 228.0
    assert plot["low"] < plot["least"] < plot["effect"]
    assert plot["text"] == "effect 2.0\u00d7 [1.0, 4.0]; no effect 1; asked for 1.5"


def test_drawing_without_interval_or_width() -> None:
    plot = report.interval_plot({**entry(effect=0.0, low=None, high=None), "least_effect": 0.0}, "difference")
    assert (plot["low"], plot["high"], plot["effect"], plot["none"]) == (None, None, 12.0, 12.0)
