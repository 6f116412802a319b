from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.data import download
from helpers.data.checksums import Checksum
from helpers.data.download import cached_path, fetch, obtain
from helpers.errors import InputError

CONTENT = bytes(range(256)) * 40  # 10,240 bytes
EXPECTED = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


def left_in(folder: Path) -> list[str]:
    """Files in a folder, but for the lock, which holds nothing."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


@pytest.fixture
def target(own_cache: Path) -> Path:
    return own_cache / "files" / "x" / "track.bw"


def get(site, target: Path, waits: list[float], expected: Checksum = EXPECTED, **more: object) -> Path:
    return fetch(f"{site.address}/track.bw", target, expected, progress=False, sleep=waits.append, **more)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_file_arrives_whole(site, target, waits, algorithm, size):
    site.files["/track.bw"] = CONTENT
    expected = Checksum(algorithm, hashlib.new(algorithm, CONTENT).hexdigest(), size)
    assert get(site, target, waits, expected) == target
    assert target.read_bytes() == CONTENT
    assert left_in(target.parent) == ["track.bw"]
    assert waits == []


def test_what_is_there_is_not_fetched_again(site, target, waits):
    site.files["/track.bw"] = CONTENT
    get(site, target, waits)
    get(site, target, waits)
    assert len(site.requests) == 1


def test_a_damaged_file_in_the_cache_is_fetched_again(site, target, waits):
    site.files["/track.bw"] = CONTENT
    get(site, target, waits)
    target.write_bytes(CONTENT[:-1] + b"?")
    os.utime(target, (1, 1))
    get(site, target, waits)
    assert target.read_bytes() == CONTENT


def test_a_broken_download_resumes_where_it_stopped(site, target, waits):
    site.files["/track.bw"] = CONTENT
    site.trouble["/track.bw"] = [("drop", 4000), ("drop", 1000)]
    get(site, target, waits)
    assert [asked for _, asked in site.requests] == [None, "bytes=4000-", "bytes=5000-"]
    assert target.read_bytes() == CONTENT


def test_a_partial_file_of_an_earlier_run_is_resumed(site, target, waits):
    site.files["/track.bw"] = CONTENT
    target.parent.mkdir(parents=True)
    target.with_name("track.bw.part").write_bytes(CONTENT[:3000])
    get(site, target, waits)
    assert site.requests == [("/track.bw", "bytes=3000-")]
    assert target.read_bytes() == CONTENT
    assert left_in(target.parent) == ["track.bw"]


def test_a_complete_partial_file_needs_no_request(site, target, waits):
    target.parent.mkdir(parents=True)
    target.with_name("track.bw.part").write_bytes(CONTENT)
    get(site, target, waits)
    assert site.requests == []
    assert target.read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_of_it_again(site, target, waits):
    site.ranges = False
    site.files["/track.bw"] = CONTENT
    site.trouble["/track.bw"] = [("drop", 4000)]
    get(site, target, waits)
    assert [asked for _, asked in site.requests] == [None, "bytes=4000-"]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_resumed_pieces_that_do_not_fit_are_thrown_away_and_fetched_anew_once(site, target, waits, size):
    site.files["/track.bw"] = CONTENT
    target.parent.mkdir(parents=True)
    target.with_name("track.bw.part").write_bytes(b"an older version of the file")
    get(site, target, waits, Checksum("sha256", EXPECTED.digest, size))
    assert [asked for _, asked in site.requests] == ["bytes=28-", None]
    assert target.read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_file_starts_again(site, target, waits):
    site.files["/track.bw"] = CONTENT
    target.parent.mkdir(parents=True)
    target.with_name("track.bw.part").write_bytes(CONTENT + b"more")
    get(site, target, waits, Checksum("sha256", EXPECTED.digest))
    assert [asked for _, asked in site.requests] == [f"bytes={len(CONTENT) + 4}-", None]
    assert target.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again_with_growing_pauses(site, target, waits):
    site.files["/track.bw"] = CONTENT
    site.trouble["/track.bw"] = [("status", 503), ("status", 429), ("status", 502)]
    get(site, target, waits)
    assert waits == [1, 2, 4]
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(("asked", "waited"), [("7", 7), ("100000", 60)])
def test_the_pause_a_server_asks_for_is_kept_up_to_a_minute(site, target, waits, asked, waited):
    site.files["/track.bw"] = CONTENT
    site.retry_after = asked
    site.trouble["/track.bw"] = [("status", 503)]
    get(site, target, waits)
    assert waits == [waited]


def test_a_server_that_stays_busy_is_given_up(site, target, waits):
    site.trouble["/track.bw"] = [("status", 503)] * 9
    with pytest.raises(
        InputError, match=r"/track.bw: the server answers 503 .*\(5 attempts\); check the network, try later, or name a mirror"
    ):
        get(site, target, waits)
    assert len(site.requests) == 5
    assert left_in(target.parent) == []


def test_drops_that_never_get_further_are_given_up(site, target, waits):
    site.ranges = False
    site.files["/track.bw"] = CONTENT
    site.trouble["/track.bw"] = [("drop", 4000)] * 50
    with pytest.raises(InputError, match="5 attempts"):
        get(site, target, waits)
    assert len(site.requests) == 6
    assert not target.exists()


def test_drops_that_get_further_each_time_do_not_count(site, target, waits):
    site.files["/track.bw"] = CONTENT
    site.trouble["/track.bw"] = [("drop", 1000)] * 9
    get(site, target, waits)
    assert len(site.requests) == 10
    assert target.read_bytes() == CONTENT


def test_an_end_before_the_stated_size_counts_as_a_drop(site, target, waits):
    site.lengths = False
    site.files["/track.bw"] = CONTENT
    site.trouble["/track.bw"] = [("drop", 4000)]
    get(site, target, waits)
    assert [asked for _, asked in site.requests] == [None, "bytes=4000-"]


def test_no_server_at_all(target, waits, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(InputError, match=r"http://127.0.0.1:9/track.bw: .*\(2 attempts\); check the network"):
        fetch("http://127.0.0.1:9/track.bw", target, EXPECTED, progress=False, sleep=waits.append, attempts=2)
    assert left_in(target.parent) == []


def test_wrong_bytes_leave_nothing_and_say_what_came(site, target, waits):
    wrong = CONTENT[::-1]
    site.files["/track.bw"] = wrong
    with pytest.raises(InputError) as caught:
        get(site, target, waits)
    assert (
        f"/track.bw: expected sha256 {EXPECTED.digest}, 10,240 bytes; got sha256 {hashlib.sha256(wrong).hexdigest()}, 10,240 bytes"
        in str(caught.value)
    )
    assert "\n" not in str(caught.value)
    assert left_in(target.parent) == []
    assert len(site.requests) == 1


def test_wrong_bytes_after_a_resume_are_tried_once_more_and_no_more(site, target, waits):
    site.files["/track.bw"] = CONTENT[::-1]
    site.trouble["/track.bw"] = [("drop", 4000)]
    with pytest.raises(InputError, match="expected sha256"):
        get(site, target, waits)
    assert [asked for _, asked in site.requests] == [None, "bytes=4000-", None]
    assert left_in(target.parent) == []


def test_another_size_is_refused_before_the_download(site, target, waits):
    site.files["/track.bw"] = CONTENT * 2
    with pytest.raises(InputError, match=r"expected sha256 \w+, 10,240 bytes; got 20,480 bytes"):
        get(site, target, waits)
    assert left_in(target.parent) == []


def test_more_bytes_than_there_should_be_are_cut_off(site, target, waits):
    site.lengths = False
    site.files["/track.bw"] = CONTENT * 2
    with pytest.raises(InputError, match="got more than 10,240 bytes"):
        get(site, target, waits)
    assert left_in(target.parent) == []


@pytest.mark.parametrize("status", [404, 410])
def test_a_missing_file_is_not_tried_again(site, target, waits, status):
    site.trouble["/track.bw"] = [("status", status)]
    with pytest.raises(
        InputError, match=f"/track.bw: there is no such file; the address may have changed: correct 'url'.*{status}"
    ):
        get(site, target, waits)
    assert len(site.requests) == 1
    assert waits == []


def test_a_forbidden_file_is_not_tried_again(site, target, waits):
    site.trouble["/track.bw"] = [("status", 403)]
    with pytest.raises(InputError, match="the server answers 403 Forbidden; open the address in a browser"):
        get(site, target, waits)
    assert len(site.requests) == 1


def test_an_address_that_is_none(target, waits):
    with pytest.raises(InputError, match="correct the address in the manifest"):
        fetch("gopher://somewhere/track.bw", target, EXPECTED, progress=False, sleep=waits.append)


def test_a_disk_too_small_is_noticed_before_the_download(site, target, waits, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(InputError) as caught:
        get(site, target, waits)
    assert str(caught.value) == (
        f"{target.parent}: the disk is full for track.bw: 10,240 bytes are needed, 100 are free; "
        "free some, or set GENOMICS_CACHE to a folder on a larger disk"
    )
    assert site.requests == []
    assert left_in(target.parent) == []


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_disk_that_fills_up_leaves_nothing(site, target, waits, monkeypatch, size):
    site.files["/track.bw"] = CONTENT

    def write(_chunks, part, *_):
        part.write_bytes(b"as far as it went")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_write", write)
    with pytest.raises(InputError, match=r"the disk is full for track.bw: .*set GENOMICS_CACHE to a folder on a larger disk"):
        get(site, target, waits, Checksum("sha256", EXPECTED.digest, size))
    assert left_in(target.parent) == []


def test_a_folder_that_cannot_be_written_is_named(site, target, waits, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=r"cannot be written.*set GENOMICS_CACHE to a folder of your own"):
        get(site, target, waits)


def test_other_trouble_with_the_disk_stays_what_it_is(site, target, waits, monkeypatch):
    site.files["/track.bw"] = CONTENT

    def write(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(download, "_write", write)
    with pytest.raises(OSError, match="Input/output error"):
        get(site, target, waits)


FETCH = """
import sys
from pathlib import Path
from helpers.data.checksums import Checksum
from helpers.data.download import fetch
fetch(sys.argv[1], Path(sys.argv[2]), Checksum("sha256", sys.argv[3]), progress=False)
"""


def test_two_processes_at_once_download_once(site, target):
    big = CONTENT * 400
    site.files["/track.bw"] = big
    command = [sys.executable, "-c", FETCH, f"{site.address}/track.bw", str(target), hashlib.sha256(big).hexdigest()]
    started = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    assert len(site.requests) == 1
    assert target.read_bytes() == big
    assert left_in(target.parent) == ["track.bw"]


def test_a_killed_download_is_resumed_by_the_next(site, target, waits):
    big = CONTENT * 400
    site.files["/track.bw"] = big
    code = FETCH.replace("import sys", "import os, sys").replace(
        "fetch(sys", "import helpers.data.download as d\nd.digest_of = lambda *_: os._exit(9)\nfetch(sys"
    )
    command = [sys.executable, "-c", code, f"{site.address}/track.bw", str(target), hashlib.sha256(big).hexdigest()]
    assert subprocess.run(command, check=False).returncode == 9
    assert left_in(target.parent) == ["track.bw.part"]
    get(site, target, waits, Checksum("sha256", hashlib.sha256(big).hexdigest(), len(big)))
    assert len(site.requests) == 1
    assert target.read_bytes() == big


def test_progress_is_shown_only_when_asked_for(site, target, waits, capfd, monkeypatch):
    monkeypatch.setattr(download, "DELAY", 0)
    site.files["/track.bw"] = CONTENT
    get(site, target, waits)
    assert capfd.readouterr().err == ""
    target.unlink()
    fetch(f"{site.address}/track.bw", target, EXPECTED, progress=True, sleep=waits.append)
    assert "track.bw: 100%" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", "..", ".hidden", "a\0b", "", "a..b", "x" * 201])
@pytest.mark.usefixtures("own_cache")
def test_a_name_that_leaves_the_cache_is_refused(name):
    with pytest.raises(InputError, match="no folders"):
        cached_path(name, EXPECTED)


def test_obtain_places_a_file_under_its_digest(site, own_cache):
    site.files["/deep/track.bw"] = CONTENT
    path = obtain(f"{site.address}/deep/track.bw", "mine.bw", EXPECTED, progress=False)
    assert path == own_cache / "files" / EXPECTED.digest / "mine.bw"
    assert path.read_bytes() == CONTENT


@pytest.mark.usefixtures("own_cache")
class TestMirror:
    URL = "https://nowhere.invalid/some/where/track.bw"

    def test_in_a_folder_a_file_is_found_at_any_depth(self, own_cache, tmp_path):
        (tmp_path / "m/a/b").mkdir(parents=True)
        (tmp_path / "m/a/b/track.bw").write_bytes(CONTENT)
        path = obtain(self.URL, "track.bw", EXPECTED, mirror=str(tmp_path / "m"), progress=False)
        assert path.read_bytes() == CONTENT
        assert own_cache in path.parents
        assert left_in(path.parent) == ["track.bw"]

    def test_of_several_with_the_name_the_checksum_decides(self, tmp_path):
        for folder, content in (("a", CONTENT[::-1]), ("b", CONTENT), ("c", b"")):
            (tmp_path / "m" / folder).mkdir(parents=True)
            (tmp_path / "m" / folder / "track.bw").write_bytes(content)
        assert obtain(self.URL, "track.bw", EXPECTED, mirror=str(tmp_path / "m"), progress=False).read_bytes() == CONTENT

    def test_only_wrong_files_of_that_name(self, own_cache, tmp_path):
        for folder in "ab":
            (tmp_path / "m" / folder).mkdir(parents=True)
            (tmp_path / "m" / folder / "track.bw").write_bytes(b"wrong")
        with pytest.raises(
            InputError, match=r"m/a/track.bw: expected sha256 .*; got sha256 .*, 5 bytes \(nor are 1 others of that name\)"
        ):
            obtain(self.URL, "track.bw", EXPECTED, mirror=str(tmp_path / "m"), progress=False)
        assert not (own_cache / "files").exists()

    def test_a_folder_without_the_file(self, tmp_path):
        with pytest.raises(InputError, match=r"mirror .* lacks track.bw: put the file there"):
            obtain(self.URL, "track.bw", EXPECTED, mirror=str(tmp_path), progress=False)

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(InputError, match="there is no such folder; correct --mirror or GENOMICS_DATA_MIRROR"):
            obtain(self.URL, "track.bw", EXPECTED, mirror=str(tmp_path / "none"), progress=False)

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_at_an_address_files_lie_side_by_side(self, site, monkeypatch, slash):
        site.files["/pub/track%20one.bw"] = CONTENT
        monkeypatch.setenv("GENOMICS_DATA_MIRROR", f"{site.address}/pub{slash}")
        path = obtain("https://nowhere.invalid/x/track%20one.bw", "one.bw", EXPECTED, progress=False)
        assert path.read_bytes() == CONTENT
        assert path.name == "one.bw"

    def test_an_address_without_the_file(self, site):
        with pytest.raises(
            InputError, match=r"mirror http://127.0.0.1:\d+ lacks track.bw: put the file there, or do without the mirror \(404"
        ):
            obtain(self.URL, "track.bw", EXPECTED, mirror=site.address, progress=False)

    def test_an_address_with_other_bytes(self, site, own_cache):
        site.files["/track.bw"] = CONTENT[::-1]
        with pytest.raises(InputError, match="expected sha256"):
            obtain(self.URL, "track.bw", EXPECTED, mirror=site.address, progress=False)
        assert not list(own_cache.rglob("track.bw*.part"))

    def test_what_is_in_the_cache_needs_no_mirror(self, site, tmp_path):
        site.files["/track.bw"] = CONTENT
        fetched = obtain(f"{site.address}/track.bw", "track.bw", EXPECTED, progress=False)
        assert obtain(self.URL, "track.bw", EXPECTED, mirror=str(tmp_path), progress=False) == fetched
