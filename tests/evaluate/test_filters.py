from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.data.simulation.motifs import FACTORS, MOTIFS
from helpers.errors import InputError
from helpers.evaluate import filters
from helpers.evaluate.aligned import Predict
from helpers.evaluate.filters import compare_motifs, filter_motifs, position_frequencies
from helpers.evaluate.patterns import insert_pattern
from helpers.evaluate.shuffling import random_background
from helpers.files.sequence import encode, one_hot
from helpers.train.layers import first_layer
from helpers.train.models import convolutional
from helpers.train.predicting import predictor

KNOWN = {motif.name: motif.frequencies for motif in MOTIFS if motif.name in FACTORS}


def scanner(*kernels: np.ndarray, padded: bool = True) -> Predict:
    """A layer of filters of one width, kernels (width, 4), with ReLU."""
    width = len(kernels[0])
    left = (width - 1) // 2

    def activate(codes: np.ndarray) -> np.ndarray:
        rows = one_hot(codes)
        if padded:
            rows = np.pad(rows, ((0, 0), (left, width - 1 - left), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(rows, width, axis=1)
        return np.maximum(np.einsum("npbw,fwb->npf", windows, np.stack(kernels)), 0)

    return activate


def kernel(word: str) -> np.ndarray:
    """+1 where the word has its letter, -1 elsewhere."""
    return 2 * one_hot(encode(word)) - 1


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("word", ["GATA", "TGACG"])
def test_windows_that_activate_a_filter_are_aligned(word: str, padded: bool) -> None:
    codes = np.stack([encode("CCCCCCCCCCCC"), encode("CCCCCCCCCCCC"), encode("CCCCCCCCCCCC"), encode("CCCCCCCCCCCC")])
    for row, place in ((0, 0), (0, 7), (2, 3)):
        codes[row, place : place + len(word)] = encode(word)
    codes[3, 2 : 2 + len(word)] = encode("N" + word[1:])
    found = filter_motifs(scanner(kernel(word), padded=padded), codes, len(word), threshold=(len(word) - 1.5) / len(word))
    assert found.maximum.tolist() == [len(word)]
    assert found.windows.tolist() == [4]
    expected = 4 * one_hot(encode(word)).astype(int)
    expected[0] -= one_hot(encode(word))[0].astype(int)  # the N is not counted
    assert found.counts.tolist() == [expected.tolist()]
    assert found.counts.dtype == np.int64


def test_the_threshold_is_a_share_of_the_highest_and_a_dead_filter_has_no_motif() -> None:
    codes = np.stack([encode("GATACCCC"), encode("CCCCGATT"), encode("CCGACCCC")])
    layer = scanner(np.float64(5) * one_hot(encode("GAT")), -np.ones((3, 4)), padded=False)
    half = filter_motifs(layer, codes, 3)
    assert half.maximum.tolist() == [15, 0]
    assert half.windows.tolist() == [3, 0]  # two of three letters are more than half
    assert half.counts[0].tolist() == [[0, 0, 3, 0], [3, 0, 0, 0], [0, 1, 0, 2]]
    assert not half.counts[1].any()
    strict = filter_motifs(layer, codes, 3, threshold=2 / 3)
    assert strict.windows.tolist() == [2, 0]
    every = filter_motifs(lambda x: np.ones((len(x), 6, 1)), codes, 3)
    assert every.windows.tolist() == [18]


def test_windows_over_an_end_are_left_out() -> None:
    codes = np.stack([encode("ATACCCCC"), encode("CCCCCGAT"), encode("CCGATCCC")])
    found = filter_motifs(scanner(one_hot(encode("GATA"))), codes, 4)
    # GAT at the very end would be 3 of 4, but its last base lies outside
    assert found.windows.tolist() == [1]
    assert found.maximum.tolist() == [3]
    assert found.counts[0].tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 7), st.booleans(), st.integers(1, 5), st.floats(0, 0.95))
def test_counts_are_those_of_a_slow_loop(
    seed: int, sequences: int, width: int, padded: bool, at_once: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 5, (sequences, 9)).astype(np.uint8)
    kernels = rng.normal(size=(3, width, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filters, "SEQUENCES_AT_ONCE", at_once)
        found = filter_motifs(scanner(*kernels, padded=padded), codes, width, threshold=threshold)
    for number, weights in enumerate(kernels):
        windows = [row[start : start + width] for row in codes for start in range(10 - width)]
        scores = [max((one_hot(window) * weights).sum(), 0) for window in windows]
        assert found.maximum[number] == pytest.approx(max(scores))
        active = [
            window for window, score in zip(windows, scores, strict=True) if score > threshold * max(scores) > -1 and score > 0
        ]
        assert found.windows[number] == len(active)
        assert found.counts[number].tolist() == sum((one_hot(window) for window in active), np.zeros((width, 4))).tolist()


def test_filters_of_a_model_are_found_where_keras_pads() -> None:
    model = convolutional(window=64, bin_size=16, tracks=1, filters=[4, 4], widths=[6, 3], pools=[4, 4], activation="relu")
    layer = model.get_layer("first_conv")
    layer.set_weights([np.stack([kernel(word) for word in ("GATAAG", "TGACTC", "CCCCCC", "CACGTG")], axis=2)])
    codes = insert_pattern(random_background(20, 64, 0, frequencies=(0.5, 0, 0, 0.5)), "GATAAG", 30)
    found = filter_motifs(predictor(first_layer(model)), codes, 6, threshold=0.9)
    assert found.windows[0] == 20
    assert found.counts[0].tolist() == (20 * one_hot(encode("GATAAG"))).tolist()


def test_frequencies_of_counts() -> None:
    found = position_frequencies(np.array([[3, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]]))
    np.testing.assert_allclose(found, [[3.25 / 4, 1 / 16, 1 / 16, 1 / 16], [0.25] * 4, [0.25] * 4])
    np.testing.assert_allclose(position_frequencies(np.array([[[6, 2, 0, 0]]]), 4), [[[7 / 12, 3 / 12, 1 / 12, 1 / 12]]])


def sites(name: str, number: int, seed: int, left: int = 0, right: int = 0) -> np.ndarray:
    """Counts of bases drawn from a known motif, with flanks of background."""
    rng = np.random.default_rng(seed)
    rows = np.concatenate([np.full((left, 4), 0.25), KNOWN[name], np.full((right, 4), 0.25)])
    return np.stack([rng.multinomial(number, row) for row in rows])


@pytest.mark.parametrize("name", FACTORS)
def test_a_motif_drawn_from_a_known_one_is_told_with_its_place_and_strand(name: str) -> None:
    width = len(KNOWN[name])
    drawn = sites(name, 40, 0, 2, 19 - width)
    found = compare_motifs(position_frequencies(np.stack([drawn, drawn[::-1, ::-1]])), KNOWN)
    assert found["motif"].tolist() == [name] * 2
    assert found["offset"].tolist() == [2, 19 - width]
    assert (found["correlation"] > 0.9).all()
    assert (found["p_value"] == 1 / 101).all()
    assert set(found["strand"]) <= {"+", "-"}
    if name not in ("EBOX", "AP1", "NRF1"):  # which are the same on both strands, or nearly
        assert found["strand"].tolist() == ["+", "-"]


def test_a_motif_is_like_itself_and_less_like_half_of_itself() -> None:
    ap1 = KNOWN["AP1"]
    same = compare_motifs(np.stack([ap1, 7 * ap1]), {"AP1": ap1, "GATA": KNOWN["GATA"]}, shuffles=0)
    assert same.columns.tolist() == ["motif", "strand", "offset", "correlation", "p_value"]
    assert same["motif"].tolist() == ["AP1"] * 2
    np.testing.assert_allclose(same["correlation"], 1)
    assert same["offset"].tolist() == [0, 0]
    assert same["p_value"].isna().all()
    half = compare_motifs(ap1[None, :6], {"AP1": ap1}, shuffles=0)
    centred = ap1 - 0.25
    expected = np.sqrt((centred[:6] ** 2).sum() / (centred**2).sum())
    assert half["correlation"][0] == pytest.approx(expected)
    tail = compare_motifs(ap1[None, 4:], {"AP1": ap1}, shuffles=0)
    assert tail["offset"].tolist() == [-4]


def test_two_unlike_motifs_that_share_an_end_are_not_alike() -> None:
    one, other = (one_hot(encode(word)).astype(float) for word in ("TGACTCAGGA", "ACCTTCGGCT"))
    found = compare_motifs(one[None], {"other": other}, shuffles=0)
    assert found["correlation"][0] < 0.5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6))
def test_correlation_is_pearsons_over_everything_that_either_covers(seed: int, width: int, positions: int) -> None:
    rng = np.random.default_rng(seed)
    motif, target = rng.dirichlet([0.5] * 4, width), rng.dirichlet([0.5] * 4, positions)
    best = []
    for strand, turned in (("+", target), ("-", target[::-1, ::-1])):
        for offset in range(-positions + 1, width):
            low, high = min(offset, 0), max(offset + positions, width)
            first, second = np.full((2, high - low, 4), 0.25)
            first[-low : -low + width] = motif
            second[offset - low : offset - low + positions] = turned
            best.append((np.corrcoef(first.ravel(), second.ravel())[0, 1], strand, offset))
    found = compare_motifs(motif[None], {"target": target}, shuffles=0).iloc[0]
    correlation, strand, offset = max(best)
    assert found["correlation"] == pytest.approx(correlation)
    near = [one[1:] for one in best if one[0] > correlation - 1e-9]
    assert (found["strand"], found["offset"]) in near


def test_motifs_of_chance_are_not_significant() -> None:
    rng = np.random.default_rng(0)
    motifs = np.stack([rng.multinomial(8, [0.25] * 4, 19) for _ in range(100)])
    found = compare_motifs(position_frequencies(motifs), KNOWN, 1, shuffles=199)
    assert 0.02 <= (found["p_value"] <= 0.1).mean() <= 0.2
    assert abs(found["p_value"].median() - 0.5) < 0.15
    assert found["p_value"].min() >= 1 / 200
    again = compare_motifs(position_frequencies(motifs), KNOWN, np.random.default_rng(1), shuffles=199)
    assert found.equals(again)
    assert not found.equals(compare_motifs(position_frequencies(motifs), KNOWN, 2, shuffles=199))


def test_a_motif_without_information_matches_nothing() -> None:
    found = compare_motifs(np.stack([np.zeros((12, 4)), KNOWN["FOX"][:12]]), KNOWN)
    assert found["motif"].tolist() == ["", "FOX"]
    assert found["strand"].tolist() == ["", "+"]
    assert np.isnan(found.loc[0, ["correlation", "p_value"]].astype(float)).all()


def test_wrong_shapes_are_refused() -> None:
    codes = random_background(2, 8, 0)
    layer = scanner(kernel("GAT"))
    for call, message in [
        (lambda: filter_motifs(layer, codes, 9), "width is 9 for sequences of 8 bp: give that of the filters, 1 to 8"),
        (lambda: filter_motifs(layer, codes, 0), "width is 0"),
        (lambda: filter_motifs(layer, codes, 3, threshold=1), "threshold is 1: choose 0 or more, and less than 1"),
        (lambda: filter_motifs(layer, codes[:0], 3), "codes are empty"),
        (lambda: filter_motifs(lambda x: layer(x)[:, :5], codes, 3), r"shape \(2, 5, 1\) where \(2, 8, filters\) was expected"),
        (lambda: filter_motifs(lambda x: layer(x)[..., 0], codes, 3), r"activations have shape \(2, 8\)"),
        (lambda: position_frequencies(np.zeros((3, 5))), r"counts have shape \(3, 5\)"),
        (lambda: position_frequencies(np.full((3, 4), -1)), "give counts of A, C, G, T, 0 or more"),
        (lambda: position_frequencies(np.zeros((3, 4)), 0), "pseudocount is 0: choose more than 0"),
        (lambda: compare_motifs(KNOWN["AP1"], KNOWN), r"motifs has shape \(11, 4\): .* \(motifs, positions, 4\)"),
        (lambda: compare_motifs(KNOWN["AP1"][None], {}), "known motifs are missing"),
        (lambda: compare_motifs(KNOWN["AP1"][None], {"flat": np.ones((3, 4))}), "one is the same as background"),
        (lambda: compare_motifs(KNOWN["AP1"][None], {"odd": np.ones((4, 3))}), r"known motif 'odd' has shape \(4, 3\)"),
        (lambda: compare_motifs(KNOWN["AP1"][None], {"nan": np.full((3, 4), np.nan)}), "known motif 'nan'"),
        (lambda: compare_motifs(KNOWN["AP1"][None], KNOWN, shuffles=-1), "shuffles is -1: choose 0 or more"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
