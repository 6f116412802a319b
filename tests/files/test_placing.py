from __future__ import annotations

import errno
import gzip
import os
from pathlib import Path

import pytest

from helpers.errors import InputError
from helpers.files.placing import existing_file, read_bytes, replacing, replacing_folder, reserve_space, write_bytes


def test_replacing_places_a_whole_file_or_none(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("before")

    def write_half() -> None:
        with replacing(target) as temporary:
            temporary.write_text("half")
            assert temporary.parent == tmp_path
            assert temporary.name.endswith("a.txt")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert target.read_text() == "before"
    with replacing(target) as temporary:
        temporary.write_text("whole")
        assert target.read_text() == "before"
    assert target.read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_replacing_folder_places_a_whole_folder_or_none(tmp_path: Path) -> None:
    target = tmp_path / "set"

    def fill(text: str, *, fail: bool = False) -> None:
        with replacing_folder(target) as temporary:
            (temporary / "a.txt").write_text(text)
            assert temporary.parent == tmp_path
            if fail:
                raise KeyError

    with pytest.raises(KeyError):
        fill("half", fail=True)
    assert list(tmp_path.iterdir()) == []
    fill("first")
    with pytest.raises(KeyError):
        fill("half", fail=True)
    assert (target / "a.txt").read_text() == "first"
    fill("second")
    assert (target / "a.txt").read_text() == "second"
    assert list(tmp_path.iterdir()) == [target]


def test_replacing_folder_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "set"
    target.mkdir()
    (target / "a.txt").write_text("before")
    move = Path.replace

    def refuse_the_new_one(self: Path, to: Path) -> Path:
        if self.name.startswith(".writing_"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return move(self, to)

    monkeypatch.setattr(Path, "replace", refuse_the_new_one)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), replacing_folder(target):
        pass
    assert (target / "a.txt").read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_replacing_needs_a_folder(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"x/a\.txt cannot be written: there is no folder .*x; make it first$"),
        replacing(tmp_path / "x" / "a.txt"),
    ):
        pass


def test_gzip_by_name_and_always_the_same(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a.gz", b"hello")
    write_bytes(tmp_path / "b.gz", b"hello")
    write_bytes(tmp_path / "c", b"hello")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == b"hello"
    assert (tmp_path / "c").read_bytes() == b"hello"


def test_read_bytes_goes_by_content(tmp_path: Path) -> None:
    packed = gzip.compress(b"chr1\t1\t2\n" * 1000)
    (tmp_path / "a.bed").write_bytes(packed)
    assert read_bytes(tmp_path / "a.bed") == b"chr1\t1\t2\n" * 1000
    for broken in (packed[: len(packed) // 2], packed[:-3], packed[:20] + b"\xff\xff\xff" + packed[23:]):
        (tmp_path / "a.bed").write_bytes(broken)
        with pytest.raises(InputError, match=r"a\.bed is cut short or damaged \(.*\); download it again$"):
            read_bytes(tmp_path / "a.bed")


def test_existing_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match=r"empty is empty \(0 bytes\), not a BED file"):
        existing_file(tmp_path / "empty", "BED")
    with pytest.raises(InputError, match="is a folder, not a BED file"):
        existing_file(tmp_path, "BED")
    with pytest.raises(InputError, match="missing: no such BED file; check the path"):
        existing_file(tmp_path / "missing", "BED")


@pytest.mark.parametrize("known", [True, False])
def test_reserve_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    """With and without a system call that takes space."""
    path = tmp_path / "a"
    path.write_bytes(b"12345")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if known:
        reserve_space(path, 10)
        monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    else:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        reserve_space(path, 10)
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device, \d+ bytes more are needed in "):
        reserve_space(path, 2**62)
    assert [found.name for found in tmp_path.iterdir()] == ["a"]
    assert path.read_bytes() == b"12345"
