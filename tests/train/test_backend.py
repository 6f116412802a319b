from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.train.backend import quiet

CELL = """
from helpers.train.backend import keras
import numpy as np
model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(2)])
model.compile("adam", "mse")
model.fit(np.ones((20, 8)), np.ones((20, 2)), batch_size=6, verbose=0)
print(model.predict(np.ones((5, 8)), verbose=0).shape)
"""


def test_a_notebook_keeps_nothing_of_what_keras_says() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    assert [(output.name, output.text) for output in notebook.cells[0].outputs] == [("stdout", "(5, 2)\n")]


def test_quiet_hides_python_and_native_output_and_ends(capfd: pytest.CaptureFixture[str]) -> None:
    def shout(word: str) -> None:
        os.write(2, f"{word} native\n".encode())
        sys.stderr.write(f"{word} python\n")

    with quiet():
        shout("inside")
        logging.getLogger("a library").warning("inside")
    shout("between")
    with pytest.raises(TypeError), quiet():
        shout(*["too", "many"])
    shout("outside")
    assert sorted(capfd.readouterr().err.splitlines()) == ["between native", "between python", "outside native", "outside python"]


LOADED = """
import sys
from helpers.train.backend import keras
print(keras.backend.backend(), "jax" in sys.modules)
import jax
print(float(jax.numpy.ones(2).sum()))
"""


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="about JAX")
@pytest.mark.parametrize(
    ("variable", "file", "expected"),
    [
        (None, None, "tensorflow False"),
        ("tensorflow", "jax", "tensorflow False"),
        (None, "jax", "jax True"),
    ],
)
def test_jax_is_loaded_where_it_is_used_alone(tmp_path: Path, variable: str | None, file: str | None, expected: str) -> None:
    if file is not None:
        (tmp_path / "keras.json").write_text(f'{{"backend": "{file}"}}', encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"KERAS_HOME": str(tmp_path)} | ({} if variable is None else {"KERAS_BACKEND": variable})
    done = subprocess.run([sys.executable, "-c", LOADED], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [expected, "2.0"]
