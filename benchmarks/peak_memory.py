"""Do one piece of work in a process of its own and print the most memory it held, in MB.

python benchmarks/peak_memory.py bin BIGWIG CHROM BIN
python benchmarks/peak_memory.py prepare FASTA BIGWIG TRACKS
"""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

from helpers.prepare.signal import bin_signal


def peak_megabytes() -> float:
    """Read the peak of this process; Linux's `ru_maxrss` would also count the parent's memory at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024)


def prepare(fasta: str, bigwig: str, tracks: int) -> None:
    """Prepare a chromosome with so many tracks, and go through some batches of it."""
    import data

    from helpers.prepare.batches import WindowBatches
    from helpers.prepare.dataset import prepare_dataset
    from helpers.prepare.regions import tile

    files = {f"track_{k}": ("track", Path(bigwig)) for k in range(tracks)}
    prepared = prepare_dataset(data.data_set("bench_memory", Path(fasta), files, ("chr2", "chr3")))
    windows = tile(prepared.lengths, 2048)
    batches = WindowBatches(prepared, windows, window=2048, batch_size=64, seed=0, jitter=320, reverse_complement=True)
    for number in range(100):
        batches[number]


if __name__ == "__main__":
    if sys.argv[1] == "bin":
        bin_signal(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        prepare(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    print(f"{peak_megabytes():.0f}")
