"""Every rule that lets two runs of a lesson differ: nbval reads it, it hides what it is for, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nbval.plugin import get_sanitize_patterns

CONFIG = Path(__file__).parents[1] / "nbval_sanitize.cfg"
EXAMPLES = {
    "signed zero": [
        ("-0.00 and 0.00", "0.00 and 0.00"),
        ("[\u22120.0, -0]", "[0.0, 0]"),
        ("-0.01 1-0 F-0x -0.0e3", "-0.01 1-0 F-0x -0.0e3"),
    ],
    "trailing blanks": [("a  b \t\nc ", "a  b\nc"), ("  a", "  a")],
}


def rules() -> dict[str, tuple[str, str]]:
    """The rules as nbval itself reads them, by name."""
    text = CONFIG.read_text(encoding="utf-8")
    names = re.findall(r"^\[(.+)\]$", text, re.MULTILINE)
    patterns = list(get_sanitize_patterns(text))
    assert len(patterns) == len(names) == text.count("\nregex: "), (
        "nbval drops a rule whose 'replace:' line lacks the trailing space"
    )
    return dict(zip(names, patterns, strict=True))


def test_every_rule_has_examples() -> None:
    assert set(rules()) == set(EXAMPLES)


@pytest.mark.parametrize(("name", "before", "after"), [(name, *pair) for name, pairs in EXAMPLES.items() for pair in pairs])
def test_rule(name: str, before: str, after: str) -> None:
    regex, replace = rules()[name]
    assert re.sub(regex, replace, before) == after
