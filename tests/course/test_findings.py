"""findings.yml, and what a lesson records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.course import findings
from helpers.errors import InputError

ENTRY = """
  - id: F90
    lesson: "09"
    statement: A statement that is long enough.
    source: ours
    metric: a number
    scale: difference
    direction: greater
    least_effect: 0.1
    settings: {cause: true}
    null_settings: {cause: false}
    null_world: The cause is switched off.
"""
KEYS = ["id", "lesson", "dataset", "statement", "source", "metric", "least_effect", "effect", "low", "high", "seeds", "verdict"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COURSE_RECORD", str(tmp_path / "record"))
    return tmp_path / "record"


def test_the_project_s_findings_are_those_of_the_plan() -> None:
    known = findings.load_findings()
    bounds = {
        key: (finding.direction, finding.scale, finding.least_effect) for key, finding in known.items() if finding.lesson == "01"
    }
    assert bounds == {
        "F01a": ("greater", "difference", 0.01),
        "F01b": ("no more than", "difference", 0.01),
        "F02": ("greater", "difference", 0.01),
        "F03": ("greater", "ratio", 1.5),
    }


def test_conditions_of_both_worlds() -> None:
    assert findings.conditions("F03") == {"depth_share": 0.2}
    assert findings.conditions("F03", "null") == {"depth_share": 1.0}
    findings.conditions("F03")["depth_share"] = 7  # a copy
    assert findings.conditions("F03", world="default") == {"depth_share": 0.2}


def test_unknown_id_and_world() -> None:
    with pytest.raises(InputError, match=r"^finding 'F01' is not in findings.yml \(it has F01b, F01a"):
        findings.conditions("F01")
    with pytest.raises(InputError, match=r"^world 'nul' is unknown: choose 'default' or 'null'$"):
        findings.conditions("F03", "nul")


def test_record_has_exactly_the_schema(folder: Path) -> None:
    findings.record("F03", [2.0, 2.0, 2.0], dataset="simulated")
    (entry,) = json.loads((folder / "01.json").read_text())
    assert list(entry) == KEYS
    assert entry == {
        **entry, "id": "F03", "lesson": "01", "dataset": "simulated", "least_effect": 1.5, "effect": 2.0, "low": 2.0, "high": 2.0, "seeds": 3,
        "verdict": "holds",
    }  # fmt: skip
    assert type(entry["seeds"]) is int


def test_one_seed_has_null_ends(folder: Path) -> None:
    findings.record("F03", [2.0], dataset="simulated")
    (entry,) = findings.read_records(folder)
    assert (entry["low"], entry["high"], entry["seeds"], entry["verdict"]) == (None, None, 1, "inconclusive")


def test_a_finding_replaces_itself_on_the_same_data_only(folder: Path) -> None:
    findings.record("F02", [0.5, 0.5], dataset="yeast_atac")
    findings.record("F02", [0.1, 0.1], dataset="simulated")
    findings.record("F02", [0.2, 0.2], dataset="simulated")
    findings.record("F01a", [0.3, 0.3], dataset="simulated")
    assert [(e["id"], e["dataset"], e["effect"]) for e in findings.read_records(folder)] == [
        ("F01a", "simulated", 0.3), ("F02", "simulated", 0.2), ("F02", "yeast_atac", 0.5),
    ]  # fmt: skip
    assert [path.name for path in folder.iterdir()] == ["01.json"]  # nothing half-written beside it


def test_nothing_is_written_without_a_record_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COURSE_RECORD", raising=False)
    monkeypatch.chdir(tmp_path)
    assert findings.record("F03", [2.0, 2.1], dataset="simulated").verdict == "holds"
    findings.record_data("simulated", "abc")
    assert list(tmp_path.iterdir()) == []


def test_effects_that_cannot_be_used_leave_no_record(folder: Path) -> None:
    with pytest.raises(InputError, match="effect number 0 is nan"):
        findings.record("F03", [float("nan")], dataset="simulated")
    assert not folder.exists()


def test_text_and_html_say_the_same_and_not_by_colour_alone() -> None:
    class Data:
        name = "mine"

    shown = findings.record("F02", [0.5, 0.52, 0.54], dataset=Data())
    text, page = repr(shown), shown._repr_html_()
    for part in ("F02", "holds", "0.52 [0.47, 0.57]", "95 % interval over 3 seeds", "data set mine", "the mean is at least 0.01"):
        assert part in text
        assert part in page
    assert "✓ holds" in page
    assert "(source: Turing report, section 2.2.2)" in text


def test_html_is_escaped() -> None:
    shown = findings.record("F02", [0.5, 0.52], dataset="<script>")
    assert "&lt;script&gt;" in shown._repr_html_()
    assert "<script>" not in shown._repr_html_()


def test_data_digests_are_collected(folder: Path) -> None:
    for name, digest in [("simulated", "b"), ("simulated", "a"), ("simulated", "b"), ("mine", "c")]:
        findings.record_data(name, digest)
    assert json.loads((folder / "data.json").read_text()) == {"simulated": ["a", "b"], "mine": ["c"]}
    assert findings.read_records(folder) == []


def test_broken_record_is_named(folder: Path) -> None:
    folder.mkdir()
    (folder / "01.json").write_text("[{")
    with pytest.raises(InputError, match=r"01.json is not JSON .*: delete it and run again"):
        findings.record("F02", [0.5], dataset="simulated")


def test_missing_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"findings.json is missing: course run and course build write such files"):
        findings.read_json(tmp_path / "findings.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("findings:" + ENTRY.replace("metric:", "metrik:"), "findings.yml: metrik: Extra inputs are not permitted"),
        ("findings:" + ENTRY.replace("    metric: a number\n", ""), "findings.yml: metric: Field required"),
        ("findings:" + ENTRY.replace("F90", "X90"), "findings.yml: id: String should match pattern"),
        (
            "findings:" + ENTRY.replace("greater", "bigger"),
            "findings.yml: direction: Input should be 'greater', 'no more than' or 'equal'",
        ),
        (
            "findings:" + ENTRY.replace("cause: false", "cause: true"),
            "findings.yml: entry: Value error, null_settings must give other values",
        ),
        (
            "findings:" + ENTRY.replace("{cause: false}", "{other: 1}"),
            "findings.yml: entry: Value error, null_settings must give other values",
        ),
        (
            "findings:" + ENTRY.replace("difference", "ratio").replace("0.1", "-1"),
            "findings.yml: entry: Value error, least_effect must not be",
        ),
        ("findings:" + ENTRY + ENTRY, "findings.yml: the id 'F90' stands there twice"),
        ("[", "findings.yml is not a list of findings"),
        ("", "findings.yml is not a list of findings"),
        ("other: 1", "findings.yml is not a list of findings"),
    ],
)
def test_broken_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "findings.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        findings.load_findings(path)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"findings.yml cannot be read \(No such file"):
        findings.load_findings(tmp_path / "findings.yml")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "findings.yml"
    path.write_text("findings:" + ENTRY)
    assert list(findings.load_findings(path)) == ["F90"]
    path.write_text("findings:" + ENTRY.replace("F90", "F91a"))
    assert list(findings.load_findings(path)) == ["F91a"]
