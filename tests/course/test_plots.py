"""Figures: what is drawn where, and the alternative text that goes with it."""

from __future__ import annotations

import base64

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from helpers.course import plots

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _no_figure_is_left() -> object:
    """Close what a test drew."""
    yield
    plt.close("all")


def test_show_displays_a_picture_with_alternative_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr(plots, "display", lambda *args, **options: shown.append((args, options)))
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    plots.show(figure, "A line that rises.")
    ((data,), options) = shown[0]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == "A line that rises."
    assert options["metadata"]["image/png"]["alt"] == "A line that rises."
    assert not plt.fignum_exists(figure.number)


def test_style_fits_a_notebook_column() -> None:
    plots.use_course_style()
    width, _ = plt.rcParams["figure.figsize"]
    assert width * plt.rcParams["figure.dpi"] == 700


def test_browser_draws_rows_on_one_axis_in_bp() -> None:
    table = pd.DataFrame({"start": [90, 150, 400], "end": [110, 190, 420], "name": ["a", "b", "c"], "strand": ["+", "-", "."]})
    rows = [
        plots.SignalRow("coverage", np.array([1.0, np.nan, 3.0, 2.0]), bin_size=25, unit="reads", line=2.0),
        plots.IntervalRow("motifs", table, names=True),
    ]
    figure = plots.genome_browser("chr2", 100, 200, rows, "Title")
    signal, motifs = figure.axes
    assert signal.get_title(loc="left") == "Title"
    assert motifs.get_xlim() == (100, 200)
    assert signal.get_xlim() == (100, 200)
    assert "chr2" in motifs.get_xlabel()
    heights = signal.patches[0].get_data()
    assert heights[0].tolist() == [1.0, 0.0, 3.0, 2.0]
    assert heights[1].tolist() == [100, 125, 150, 175, 200]
    assert signal.patches[1].get_data()[0].tolist() == [0.0, 1.0, 0.0, 0.0]  # the grey band over the missing bin
    boxes = [(patch.get_x(), patch.get_width()) for patch in motifs.patches]
    assert boxes == [(100, 10), (150, 40)]  # cut at the picture's edge; the third lies outside
    assert [text.get_text() for text in motifs.texts] == ["a", "b"]


def test_browser_shows_boxes_narrower_than_a_pixel() -> None:
    starts = np.arange(1_000, 29_000, 1_111)
    table = pd.DataFrame({"start": starts, "end": starts + 11, "strand": "+"})
    figure = plots.genome_browser("chr2", 0, 30_000, [plots.IntervalRow("motifs", table, "black")], "Title")
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].mean(axis=2)
    (axis,) = figure.axes
    places = axis.transData.transform(np.column_stack([starts + 5, np.zeros(len(starts))])).round().astype(int)
    for x, y in places:
        assert pixels[len(pixels) - y, x - 1 : x + 2].min() < 128
    assert all(len(line.get_xdata()) == 0 for line in axis.lines)  # no room for an arrow head


def test_browser_takes_a_track_without_any_value() -> None:
    rows = [plots.SignalRow("coverage", np.full(4, np.nan), bin_size=25)]
    (axis,) = plots.genome_browser("chr2", 0, 100, rows, "Nothing was measured").axes
    assert axis.patches[1].get_data()[0].tolist() == [1.0] * 4


def test_every_seed_is_drawn_and_the_line_is_their_mean() -> None:
    table = pd.DataFrame({"width": [32, 32, 64, 64], "error": [1.0, 3.0, 4.0, 6.0]})
    _, axis = plt.subplots()
    plots.every_seed(table, "width", "error", axis=axis, label="x")
    line, dots = axis.lines
    assert line.get_xydata().tolist() == [[32, 2], [64, 5]]
    assert dots.get_xydata().tolist() == [[32, 1], [32, 3], [64, 4], [64, 6]]


def test_every_condition_is_a_row_with_its_seeds_and_their_mean() -> None:
    table = pd.DataFrame({"loss": ["mse", "mse", "a", "a"], "score": [1.0, 3.0, 4.0, 6.0]})
    _, axis = plt.subplots()
    plots.every_condition(table, "loss", "score", axis=axis, colours={"a": "red"})
    dots, mean, other_dots, other_mean = axis.lines
    assert dots.get_xydata().tolist() == [[1, 0], [3, 0]]
    assert mean.get_xydata().tolist() == [[2, -0.3], [2, 0.3]]
    assert other_dots.get_xydata().tolist() == [[4, 1], [6, 1]]
    assert other_mean.get_color() == "red"
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["mse", "a"]
    assert axis.get_ylim()[0] > axis.get_ylim()[1]  # first condition on top


def test_logo_is_two_bits_tall_where_only_one_base_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import logomaker

    drawn = []
    monkeypatch.setattr(logomaker, "Logo", lambda table, **_: drawn.append(table))
    _, axis = plt.subplots()
    plots.motif_logo(np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0]]), axis=axis, title="m")
    heights = drawn[0].sum(axis=1).to_numpy()
    assert heights == pytest.approx([2, 0, 1], abs=0.01)
