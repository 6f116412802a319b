"""The dashboard: which curves and bars are drawn of which runs, and that the picture can be read."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from helpers.course.dashboard import dashboard
from helpers.course.plots import PALETTE, use_course_style
from helpers.errors import InputError
from helpers.train.tracking import RunRecord, start_run

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _style_and_no_figure_left() -> Iterator[None]:
    """Draw as a lesson does, and close what a test drew."""
    with plt.rc_context():
        use_course_style()
        yield
    plt.close("all")


def made(
    name: str, scores: Sequence[float], config: dict[str, Any] | None = None, summary: dict[str, Any] | None = None
) -> RunRecord:
    """A finished run whose loss is 1 / epoch, and its validation loss twice that."""
    with start_run("nowhere", config=config or {}, mode="off", name=name) as run:
        for epoch, score in enumerate(scores, start=1):
            run.log({"epoch": epoch, "loss": 1 / epoch, "validation_loss": 2 / epoch, "validation_pearson": score})
        run.summary(**(summary or {}))
    return run.record


def failed(name: str) -> RunRecord:
    """A run that crashed in its second epoch."""
    run = start_run("nowhere", config={}, mode="off", name=name)
    try:
        with run:
            run.log({"epoch": 1, "loss": 1.0})
            raise ValueError("crash")
    except ValueError:
        return run.record


def panels(runs: Sequence[RunRecord], **options: Any) -> tuple[Axes, Axes, Axes]:
    """The three panels: losses, metric, scores."""
    losses, metrics, bars = dashboard(runs, **options).axes
    return losses, metrics, bars


def ticks(axis: Axes) -> list[str]:
    """The names beside the bars."""
    return [label.get_text() for label in axis.get_yticklabels()]


def test_curves_and_bars_of_two_runs() -> None:
    losses, metrics, bars = panels([made("a", [0.1, 0.7, 0.5]), made("b", [0.2, 0.3])])
    assert [line.get_xydata().tolist() for line in losses.lines] == [
        [[1, 1], [2, 0.5], [3, 1 / 3]], [[1, 2], [2, 1], [3, 2 / 3]],
        [[1, 1], [2, 0.5]], [[1, 2], [2, 1]],
    ]  # fmt: skip
    assert [line.get_alpha() for line in losses.lines] == [0.35, None, 0.35, None]
    assert [line.get_ydata().tolist() for line in metrics.lines] == [[0.1, 0.7, 0.5], [0.2, 0.3]]
    assert [bar.get_width() for bar in bars.patches] == [0.7, 0.3]
    assert [text.get_text().strip() for text in bars.texts] == ["0.700", "0.300"]
    assert ticks(bars) == ["a", "b"]
    assert bars.get_xlabel() == "best validation pearson of the run"
    assert losses.get_title(loc="left") == "validation loss (faint: training)"
    top, bottom = bars.patches
    assert (
        bars.transData.transform((0, top.get_y()))[1] > bars.transData.transform((0, bottom.get_y()))[1]
    )  # first run at the top


def test_bar_has_the_colour_of_its_curves() -> None:
    losses, metrics, bars = panels([made("a", [0.1, 0.7]), made("b", [0.2, 0.3])])
    expected = [PALETTE["blue"].lower(), PALETTE["orange"].lower()]
    assert [to_hex(bar.get_facecolor()) for bar in bars.patches] == expected
    assert [to_hex(line.get_color()) for line in metrics.lines] == expected
    assert [to_hex(line.get_color()) for line in losses.lines] == [colour for colour in expected for _ in (0, 1)]


def test_best_of_a_loss_is_the_smallest() -> None:
    _, metrics, bars = panels([made("a", [0.1, 0.7, 0.5])], metric="validation_loss")
    assert metrics.get_title(loc="left") == "validation loss"
    assert bars.patches[0].get_width() == 2 / 3


def test_score_of_the_summary() -> None:
    runs = [made("a", [0.1], summary={"test": -0.25}), made("b", [0.2]), made("c", [0.3], summary={"test": math.nan})]
    _, _, bars = panels(runs, score="test")
    assert [bar.get_width() for bar in bars.patches] == [-0.25, 0, 0]
    assert [text.get_text().strip() for text in bars.texts] == ["-0.250", "no value", "no value"]
    assert bars.get_xlabel() == "test"


def test_runs_with_one_setting_share_a_colour_and_a_legend_names_it() -> None:
    runs = [
        made(f"{tier} {seed}", [0.1], {"tier": {"name": tier}, "seed": seed}) for tier in ("bronze", "gold") for seed in (0, 1)
    ]
    _, metrics, bars = panels(runs, by="tier.name")
    blue, orange = PALETTE["blue"].lower(), PALETTE["orange"].lower()
    assert [to_hex(bar.get_facecolor()) for bar in bars.patches] == [blue, blue, orange, orange]
    legend = metrics.get_legend()
    assert legend.get_title().get_text() == "tier.name"
    assert [text.get_text() for text in legend.get_texts()] == ["bronze", "gold"]
    assert [to_hex(line.get_color()) for line in legend.get_lines()] == [blue, orange]


def test_no_legend_without_groups() -> None:
    _, metrics, _ = panels([made("a", [0.1])])
    assert metrics.get_legend() is None


def test_nan_is_a_gap_and_not_the_best() -> None:
    _, metrics, bars = panels([made("a", [0.1, math.nan, 0.3])])
    np.testing.assert_array_equal(metrics.lines[0].get_ydata(), [0.1, math.nan, 0.3])
    assert bars.patches[0].get_width() == 0.3


def test_run_that_did_not_finish_says_so() -> None:
    started = start_run("nowhere", config={}, mode="off", name="slow")
    losses, metrics, bars = panels([made("a", [0.5]), failed("b"), started.record])
    assert ticks(bars) == ["a", "b (failed)", "slow (running)"]
    assert [text.get_text().strip() for text in bars.texts] == ["0.500", "no value", "no value"]
    assert len(metrics.lines) == 1
    assert [line.get_alpha() for line in losses.lines] == [0.35, None, None]  # the failed run had no validation yet


def test_without_epochs_rows_are_counted_from_one() -> None:
    with start_run("nowhere", config={}, mode="off") as run:
        run.log({"loss": 3.0, "auroc": 0.5})
        run.log({"loss": 2.0, "auroc": 0.6})
    losses, metrics, _ = panels([run.record], metric="auroc")
    assert losses.lines[0].get_xydata().tolist() == [[1, 3], [2, 2]]
    assert metrics.lines[0].get_xydata().tolist() == [[1, 0.5], [2, 0.6]]
    assert losses.get_title(loc="left") == "loss"


def test_runs_of_one_name_keep_their_own_bars() -> None:
    _, _, bars = panels([made("a", [0.1]), made("a", [0.2])])
    assert ticks(bars) == ["a", "a"]
    assert [bar.get_width() for bar in bars.patches] == [0.1, 0.2]


@pytest.mark.parametrize("count", [1, 6, 18])
def test_looks_are_distinct_up_to_eighteen_runs(count: int) -> None:
    _, metrics, bars = panels([made(str(i), [0.1 * i]) for i in range(count)])
    assert len({(line.get_color(), line.get_linestyle()) for line in metrics.lines}) == count
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars.patches}) == count


@pytest.mark.parametrize("count", [1, 3, 12, 30])
def test_picture_is_700_px_wide_and_nothing_in_it_overlaps(count: int) -> None:
    runs = [made(f"silver, seed {i}, a rather long name", [0.1, 0.5 + i / 100]) for i in range(count)]
    figure = dashboard(runs)
    figure.canvas.draw()
    width, _ = figure.canvas.get_width_height()
    assert width == 700
    losses, metrics, bars = figure.axes
    names = [label.get_window_extent() for label in bars.get_yticklabels()]
    for upper, lower in itertools.pairwise(names):
        assert upper.y0 >= lower.y1
    for box in [*names, *(text.get_window_extent() for text in bars.texts)]:
        assert box.x0 >= 0
        assert box.x1 <= 700
    assert min(label.get_fontsize() for label in [*bars.get_yticklabels(), *bars.texts]) >= 8
    assert min(losses.bbox.height, metrics.bbox.height) > 120
    assert losses.get_tightbbox().x1 <= metrics.get_tightbbox().x0
    assert bars.get_tightbbox().y1 <= losses.get_tightbbox().y0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "auroc"}, r"^no run has the metric 'auroc': choose from epoch, loss, validation_loss, validation_pearson$"),
        ({"score": "test"}, r"^no run has the score 'test': choose from final$"),
        ({"by": "tier"}, r"^the run 'a' has no setting 'tier': its config has seed$"),
        ({"by": "seed.inner"}, r"^the run 'a' has no setting 'seed\.inner': its config has seed$"),
    ],
)
def test_what_no_run_has(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dashboard([made("a", [0.1], {"seed": 1}, {"final": 0.5})], **options)
    assert plt.get_fignums() == []


def test_nothing_to_draw() -> None:
    with pytest.raises(InputError, match=r"^there is no run to draw: give at least one, such as tracking\.read_runs\(folder\)$"):
        dashboard([])
    with pytest.raises(InputError, match=r"choose from nothing: none is recorded$"):
        dashboard([start_run("nowhere", config={}, mode="off").record])
