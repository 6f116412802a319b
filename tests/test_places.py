"""The cache folder: chosen by a variable, made when missing, and a clear line where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import places
from helpers.errors import InputError


def test_cache_is_made_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOMICS_CACHE", str(tmp_path / "a" / "b"))
    assert places.cache_folder() == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()


def test_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENOMICS_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        InputError, match=r"^the cache .*file cannot be made \(File exists\): set GENOMICS_CACHE to a folder on a disk"
    ):
        places.cache_folder()


def test_cache_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOMICS_CACHE", str(tmp_path))
    monkeypatch.setattr(places.os, "access", lambda *_: False)
    with pytest.raises(InputError, match=r"cannot be written to: set GENOMICS_CACHE to a folder"):
        places.cache_folder()


def test_shipped_files_lie_at_the_top_of_a_clone_or_inside_an_installed_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert places.shipped("data_manifests", "simulated.yml").is_file()
    (tmp_path / "helpers" / "shipped" / "notebooks").mkdir(parents=True)
    (tmp_path / "helpers" / "shipped" / "notebooks" / "findings.yml").write_text("")
    monkeypatch.setattr(places, "PACKAGE", tmp_path / "helpers")
    assert places.shipped("notebooks", "findings.yml") == tmp_path / "helpers" / "shipped" / "notebooks" / "findings.yml"
