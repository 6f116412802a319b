"""Bin a chromosome in a process of its own and print the most memory it held, in MB: `python benchmarks/peak_memory.py FILE CHROM BIN`."""

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


if __name__ == "__main__":
    path, chrom, bin_size = sys.argv[1:]
    bins = bin_signal(path, chrom, int(bin_size))
    print(f"{peak_megabytes():.0f} {len(bins)}")
