"""The house keeps its order: a room imports only from rooms before it, and no module or function outgrows its reader."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["files", "data", "prepare", "evaluate", "train", "course"]
FREE = {"errors", "places", "versions"}
ALSO_ALLOWED = {"train": {"evaluate.metrics"}}
MODULES = sorted((ROOT / "helpers").rglob("*.py"))


def imported_rooms(source: str) -> set[str]:
    """Dotted names below `helpers` that a module imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("helpers.") for name in names if name.startswith("helpers.")}


def forbidden_imports(room: str, source: str) -> set[str]:
    """Imports that a module in `room` must not have."""
    allowed = set(ROOMS[: ROOMS.index(room) + 1]) | FREE
    if room == "train":
        allowed.discard("evaluate")
    if room == "evaluate":
        allowed -= {"train"}
    extra = ALSO_ALLOWED.get(room, set())
    return {
        name
        for name in imported_rooms(source)
        if name.split(".")[0] not in allowed and not any(name.startswith(e) for e in extra)
    }


def test_rule_sees_a_wrong_import() -> None:
    assert forbidden_imports("files", "from helpers.prepare.signal import bin_signal") == {"prepare.signal.bin_signal"}
    assert forbidden_imports("prepare", "import helpers.data.datasets\nfrom helpers import errors") == set()
    assert forbidden_imports("train", "from helpers.evaluate.metrics import pearson") == set()
    assert forbidden_imports("train", "from helpers.evaluate.interpret import saliency") == {"evaluate.interpret.saliency"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_to_its_place(path: Path) -> None:
    source = path.read_text()
    room = path.relative_to(ROOT / "helpers").parts[0]
    if room in ROOMS:
        assert not forbidden_imports(room, source)
    assert len(source.splitlines()) <= 320, "split this module"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert length <= 45, f"{node.name} has {length} lines below its docstring"


def test_no_relative_imports_hide_from_the_rule() -> None:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level > 0), f"{path.name} imports relatively"
