"""Show that the package, with Ray, installs beside Colab's own packages without changing one of them, and that a lesson opened alone then runs.

Run by hand or on a schedule, with Python 3.13: `python tests/colab/check_install.py [LESSON ...]`. Takes some minutes and 2 GB in a temporary folder.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What Colab had on 2026-11: Python 3.13.15 and these; tensorflow-cpu stands in for its tensorflow.
COLAB = {
    "tensorflow-cpu": "2.20.0",
    "keras": "3.13.2",
    "numpy": "2.1.3",
    "pandas": "2.2.3",
    "scikit-learn": "1.6.1",
    "imbalanced-learn": "0.14.2",
    "h5py": "3.16.0",
    "protobuf": "5.29.6",
    "wandb": "0.28.1",
    "scipy": "1.16.3",
    "matplotlib": "3.10.0",
    "ipykernel": "6.17.1",
    "jupytext": "1.19.5",
}
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
for cell in notebook.cells:
    if "parameters" in cell.metadata.get("tags", []):
        cell.source += '\\nprofile = "smoke"'
NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Standard output of a command; its error ends the check."""
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout


def installed(python: Path) -> dict[str, str]:
    """Name and version of every package in the environment."""
    return {row["name"]: row["version"] for row in json.loads(run(python, "-m", "pip", "list", "--format", "json"))}


def main(lessons: list[str]) -> int:
    """Install, compare, execute; the exit code."""
    if sys.version_info[:2] != (3, 13):
        print(f"Colab runs Python 3.13, this is {sys.version_info[0]}.{sys.version_info[1]}: python3.13 {sys.argv[0]}")
        return 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "venv", folder / "colab")
        python = folder / "colab" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "nbclient", *(f"{key}=={value}" for key, value in COLAB.items()))
        before = installed(python)
        run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
        (wheel,) = folder.glob("ml_in_genomics-*.whl")
        run(python, "-m", "pip", "install", "--quiet", f"{wheel}[tune]")
        after = installed(python)
        changed = {key: (value, after.get(key)) for key, value in before.items() if after.get(key) != value}
        print(f"{len(before)} packages before, {len(after) - len(before)} added: {', '.join(sorted(set(after) - set(before)))}")
        if changed:
            print("changed, and must not be: " + ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changed.items()))
            return 1
        print("none of Colab's packages changed")
        alone = folder / "alone"
        alone.mkdir()
        (folder / "execute.py").write_text(EXECUTE)
        for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
            if not lessons or notebook.name[:2] in lessons:
                shutil.copy(notebook, alone)
                run(python, folder / "execute.py", alone / notebook.name, cwd=alone)
                print(f"{notebook.name}: runs, opened alone")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
