"""Notebooks made from their sources: same cells, stable ids, clean outputs, nothing put in place when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.course import build, sources
from helpers.errors import InputError

ADDRESS = "https://github.com/somebody/something"
SOURCE = """# ---
# jupyter:
#   course:
#     datasets: [simulated]
# ---

# %% [markdown]
# # 1 · A lesson
#
# <!-- badges -->
#
# **Time:** a minute.

# %% tags=["setup"]
install = "pkg @ git+https://github.com/old/place"

# %% tags=["parameters"]
dataset = "simulated"
world = "default"

# %%
from helpers.course import findings

findings.record("F03", [2.0, 2.1, 2.2], dataset=dataset)

# %% tags=["exercise"]
answer = ...

# %% tags=["solution"]
answer = 42
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sources, "repository", lambda: ADDRESS)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "01_a.py").write_text(SOURCE)
    return tmp_path


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_build_and_agreement(folder: Path) -> None:
    others = [{"id": "F01a", "lesson": "01", "dataset": "simulated"}, {"id": "F99", "lesson": "09", "dataset": "simulated"}]
    (folder / "findings.json").write_text(json.dumps(others))
    assert sources.disagreements(folder) == ["01_a.ipynb is missing: course build 01"]
    outcome = build.build_lesson("01_a", folder)
    assert outcome.status == "ok"
    made = read(folder / "01_a.ipynb")
    nbformat.validate(made)
    assert [cell.execution_count for cell in made.cells if cell.cell_type == "code"] == [1, 2, 3, 4, 5]
    assert "holds" in made.cells[3].outputs[0].data["text/plain"]
    assert made.metadata == {
        "course": {"datasets": ["simulated"]},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"},
    }
    assert [dict(cell.metadata) for cell in made.cells] == [
        {}, {"tags": ["setup"]}, {"tags": ["parameters"]}, {}, {"tags": ["exercise"]},
        {"tags": ["solution"], "jupyter": {"source_hidden": True}},
    ]  # fmt: skip
    # What lesson 01 found before is replaced as a whole; other lessons' findings stay.
    assert [entry["id"] for entry in json.loads((folder / "findings.json").read_text())] == ["F03", "F99"]
    assert sources.disagreements(folder) == []
    source = folder / "sources" / "01_a.py"
    source.write_text(SOURCE.replace("answer = 42", "answer = 43"))
    assert sources.disagreements(folder) == ["01_a: cell 6 differs between source and notebook: course build 01"]
    source.write_text(SOURCE + "\n# %%\nmore = 1\n")
    assert sources.disagreements(folder) == ["01_a: cell 7 differs between source and notebook: course build 01"]
    source.write_text(SOURCE.replace("[simulated]", "[other]"))
    assert sources.disagreements(folder) == ["01_a: the notebook's metadata differ from its source: course build 01"]
    source.unlink()
    assert sources.disagreements(folder) == ["01_a.ipynb has no source: add sources/01_a.py, or delete it"]


def test_ids_and_outputs_survive_an_edit(folder: Path) -> None:
    first = sources.from_source("01_a", folder)
    for cell in first.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [new_output("stream", text="x")], 1
    nbformat.write(first, folder / "01_a.ipynb")
    text = SOURCE.replace("answer = 42", "answer = 43").replace("# %%\nfrom", "# %%\nnew = 1\n\n# %%\nfrom")
    (folder / "sources" / "01_a.py").write_text(text)
    second = sources.from_source("01_a", folder)
    old, new = [cell.id for cell in first.cells], [cell.id for cell in second.cells]
    assert new[:3] + new[4:] == old  # of the cell that was edited in place, too
    assert new[3] not in old
    assert [len(cell.outputs) for cell in second.cells if cell.cell_type == "code"] == [1, 1, 0, 1, 1, 0]
    assert sources.from_source("01_a", folder).cells[3].id == new[3]  # the same each time


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_ids_are_unique_and_kept_whatever_the_edit(before: list[str], after: list[str]) -> None:
    old = new_notebook(cells=[new_code_cell(text) for text in before])
    for number, cell in enumerate(old.cells):
        cell.id = f"id{number}"
    new = new_notebook(cells=[new_code_cell(text) for text in after])
    sources._take_over(new, old, "01_a")
    ids = [cell.id for cell in new.cells]
    assert len(set(ids)) == len(ids)
    if before == after:
        assert ids == [cell.id for cell in old.cells]


def test_badges_and_install_line_come_from_one_address(folder: Path) -> None:
    made = sources.from_source("01_a", folder)
    assert "colab.research.google.com/github/somebody/something/blob/main/notebooks/01_a.ipynb" in made.cells[0].source
    assert "mybinder.org/v2/gh/somebody/something/main?urlpath=lab/tree/notebooks/01_a.ipynb" in made.cells[0].source
    assert made.cells[1].source == 'install = "pkg @ git+https://github.com/somebody/something"'
    moved = sources.published(made.cells[0].source, "01_a", "https://github.com/x/y")
    assert moved == sources.published(SOURCE_TITLE, "01_a", "https://github.com/x/y")  # once or twice is the same
    assert "somebody" not in moved


SOURCE_TITLE = "# 1 · A lesson\n\n<!-- badges -->\n\n**Time:** a minute."


def test_no_badges_for_a_host_that_the_services_do_not_know() -> None:
    assert sources.badges("https://git.example.org/x/y") == ""
    assert sources.published(SOURCE_TITLE, "01_a", "https://git.example.org/x/y") == SOURCE_TITLE


def test_address_of_the_project(tmp_path: Path) -> None:
    assert sources.repository().startswith("https://")
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\nname = "x"\n[project.urls]\nRepository = "https://github.com/a/b/"\n')
    assert sources.repository(path) == "https://github.com/a/b"
    other = tmp_path / "other.toml"
    other.write_text('[project]\nname = "x"\n')
    with pytest.raises(InputError, match=r"other.toml has no Repository under \[project.urls\]"):
        sources.repository(other)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1 / 0", r"01_a: cell \[5\]: ZeroDivisionError: division by zero \(kept as .*01_a.ipynb\): mend the source"),
        ("import sys\nprint('careful', file=sys.stderr)", r"01_a: cell \[5\] writes to stderr: careful"),
    ],
)
def test_a_lesson_that_fails_is_not_put_in_place(folder: Path, cell: str, message: str) -> None:
    (folder / "sources" / "01_a.py").write_text(SOURCE.replace("answer = 42", cell))
    with pytest.raises(InputError, match=message):
        build.build_lesson("01_a", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["sources"]


def test_address_of_an_object_is_unstable() -> None:
    cell = new_code_cell(
        "plot", outputs=[new_output("display_data", {"text/plain": "[<Line2D at 0x7f593134e390>]"})], execution_count=3
    )
    assert (
        build.unstable_output(new_notebook(cells=[cell]))
        == "cell [3] shows the address of an object: [<Line2D at 0x7f593134e390>]"
    )
    cell.outputs[0].data = {"text/plain": "0x10 is 16, looked at 0x10"}
    assert build.unstable_output(new_notebook(cells=[new_markdown_cell("x"), cell])) is None


def test_sources_that_are_not_there(tmp_path: Path, folder: Path) -> None:
    assert sources.find_sources(["a", "1"], folder) == ["01_a"]
    with pytest.raises(InputError, match="lesson '2' is unknown: choose from 01_a"):
        sources.find_sources(["2"], folder)
    with pytest.raises(InputError, match=r"holds no lesson: a source is called NN_name\.py"):
        sources.find_sources([], tmp_path / "nowhere")


def test_student_version_has_no_solutions_and_no_outputs(folder: Path, tmp_path: Path) -> None:
    made = sources.from_source("01_a", folder)
    made.cells[3].outputs, made.cells[3].execution_count = [new_output("stream", text="x")], 3
    nbformat.write(made, folder / "01_a.ipynb")
    copy = read(build.write_student(folder / "01_a.ipynb", tmp_path / "handouts"))
    assert [cell.source for cell in copy.cells] == [cell.source for cell in made.cells[:-1]]
    assert all(not cell.outputs and cell.execution_count is None for cell in copy.cells if cell.cell_type == "code")
    with pytest.raises(InputError, match="is the folder of the lessons, which would be overwritten"):
        build.write_student(folder / "01_a.ipynb", folder)
