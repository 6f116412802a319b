"""Two processes write the same files as one, and what goes wrong in the second is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.data.simulation import SimulationSettings, simulate, writing
from helpers.errors import InputError

SMALL = SimulationSettings(n_chromosomes=2, chromosome_length=200_000, n_cell_types=3)
NAMES = ["genome.fa", "atac_A.coverage.bw", "atac_B.neglog10p.bw", "atac_C.neglog10p.bw", "atac_C.peaks.narrowPeak"]


def test_two_processes_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, ...]] = []
    write_here = writing.write_here

    def noted(settings: SimulationSettings, seed: int, folder: Path, names: tuple[str, ...]) -> None:
        written.append(names)
        write_here(settings, seed, folder, names)

    monkeypatch.setattr(writing, "write_here", noted)
    monkeypatch.setattr(writing.os, "cpu_count", lambda: 2)
    one = simulate(SMALL, 3, tmp_path / "one", NAMES)
    monkeypatch.setattr(writing, "WORTH_TWO", 0.0)
    two = simulate(SMALL, 3, tmp_path / "two", NAMES)
    assert written == [tuple(NAMES), ("genome.fa", "atac_A.coverage.bw")]
    assert sorted(path.name for path in two.iterdir()) == sorted([*NAMES, "digest.json"])
    for path in one.iterdir():
        assert (two / path.name).read_bytes() == path.read_bytes(), path.name


def test_one_processor_means_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "WORTH_TWO", 0.0)
    monkeypatch.setattr(writing.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(writing.subprocess, "Popen", lambda *_, **__: pytest.fail("a second process was started"))
    assert (simulate(SMALL, 3, tmp_path / "one", ["exclusions.bed"]) / "exclusions.bed").is_file()


def test_what_goes_wrong_in_the_second_process_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "WORTH_TWO", 0.0)
    monkeypatch.setattr(writing.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(writing, "__name__", "helpers.data.simulation.no_such_module")
    with pytest.raises(
        InputError, match=r"atac_B.neglog10p.bw to atac_C.peaks.narrowPeak could not be written to .*: .*No module named"
    ):
        simulate(SMALL, 3, tmp_path / "two", NAMES)
    assert list(tmp_path.iterdir()) == []
