from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from helpers.errors import InputError
from helpers.evaluate import occlusion
from helpers.evaluate.marginalisation import (
    cooperativity,
    flank_importance,
    global_importance,
    pattern_effects,
    spacing_importance,
)
from helpers.evaluate.occlusion import occlusion_effects
from helpers.evaluate.patterns import find_pattern, insert_pattern, spelled_out
from helpers.evaluate.readout import mean_signal
from helpers.evaluate.shuffling import random_background
from helpers.files.sequence import decode, encode, reverse_complement, reverse_complement_codes

WINDOW, BINS = 24, 4
QUIET = encode("A" * WINDOW)[None]


def starts(codes: np.ndarray, word: str) -> np.ndarray:
    """Where a word of A, C, G, T begins on the forward strand: bool, shape (sequences, length)."""
    rows = [[decode(row)[i : i + len(word)] == word for i in range(len(row))] for row in codes]
    return np.array(rows, bool)


def counting(codes: np.ndarray) -> np.ndarray:
    """Model of two tracks: how many GAT begin in each bin of 6 bp; and exp(the number of GAT in the window) in every bin."""
    found = starts(codes, "GAT")
    per_bin = found.reshape(len(codes), BINS, -1).sum(axis=2)
    whole = np.exp(found.sum(axis=1))[:, None] * np.ones(BINS)
    return np.stack([per_bin, whole], axis=2).astype(np.float64)


def never(windows: np.ndarray) -> np.ndarray:
    raise AssertionError(f"asked for {windows.shape}")


def test_mean_signal_of_bins_and_tracks() -> None:
    codes = encode("GATGATAAAAAAAAAAAAAAAGAT")[None]
    assert mean_signal(counting, codes, track=0).tolist() == [0.75]
    assert mean_signal(counting, codes, track=0, bins=slice(0, 1)).tolist() == [2]
    assert mean_signal(counting, codes, track=0, bins=slice(1, None)).tolist() == [1 / 3]
    np.testing.assert_allclose(mean_signal(counting, codes), [(0.75 + np.exp(3)) / 2])
    np.testing.assert_allclose(mean_signal(counting, codes, track=1, log=True), [3])
    half = mean_signal(lambda x: counting(x).astype(np.float16), codes, track=1, log=True)
    assert half.dtype == np.float64
    with pytest.raises(InputError, match="track is 2, but predictions have 2: choose 0 to 1, or None"):
        mean_signal(counting, codes, track=2)
    with pytest.raises(InputError, match=r"bins are slice\(4, 9, None\), which is none of the 4"):
        mean_signal(counting, codes, bins=slice(4, 9))
    with pytest.raises(InputError, match="predicted signal goes down to 0: a logarithm takes more than 0"):
        mean_signal(counting, QUIET, track=0, log=True)
    with pytest.raises(InputError, match=r"predict gave shape \(1, 4\)"):
        mean_signal(lambda x: counting(x)[..., 0], codes)


@pytest.mark.parametrize(
    ("pattern", "position", "strand", "expected"),
    [
        ("GAT", None, "+", "AAAGATAAAA"),
        ("GAT", 0, "+", "GATAAAAAAA"),
        ("GAT", 7, "-", "AAAAAAAATC"),
        ("GNT", 2, "+", "AAGATAAAAA"),
        ("gnt", 2, "-", "AAAACAAAAA"),
        ("CCCCCCCCCC", None, "+", "CCCCCCCCCC"),
        ("NN", None, "+", "AAAAAAAAAA"),
    ],
)
def test_a_pattern_is_put_in_where_it_was_said(pattern: str, position: int | None, strand: str, expected: str) -> None:
    codes = np.zeros((2, 10), np.uint8)
    found = insert_pattern(codes, pattern, position, strand=strand)
    assert [decode(row) for row in found] == [expected] * 2
    assert not codes.any()


@settings(max_examples=50, deadline=None)
@given(st.text("ACGTN", min_size=1, max_size=9), st.integers(0, 12), st.booleans(), st.integers(0, 10**6))
def test_insertion_is_that_of_a_slow_loop_and_is_found_again(pattern: str, position: int, reverse: bool, seed: int) -> None:
    codes = random_background(3, 21, seed)
    found = insert_pattern(codes, pattern, position, strand="-" if reverse else "+")
    for before, after in zip(codes, found, strict=True):
        letters = list(decode(before))
        for offset, letter in enumerate(reverse_complement(pattern) if reverse else pattern):
            if letter != "N":
                letters[position + offset] = letter
        assert decode(after) == "".join(letters)
    assert find_pattern(found, pattern)[:, position].all()
    assert find_pattern(found, pattern, both_strands=False)[:, position].all() or reverse


@settings(max_examples=50, deadline=None)
@given(st.text("ACGTN", min_size=1, max_size=4), st.integers(0, 10**6), st.booleans())
def test_instances_are_those_of_a_slow_loop(pattern: str, seed: int, both: bool) -> None:
    codes = np.random.default_rng(seed).integers(0, 5, (3, 12)).astype(np.uint8)
    found = find_pattern(codes, pattern, both_strands=both)
    assert found.shape == (3, 13 - len(pattern))
    words = [pattern, reverse_complement(pattern)] if both else [pattern]
    for row, sequence in zip(found, codes, strict=True):
        letters = decode(sequence)
        for start, hit in enumerate(row):
            piece = letters[start : start + len(pattern)]
            fits = [all(a != "N" and b in (a, "N") for a, b in zip(piece, word, strict=True)) for word in words]
            assert hit == any(fits)
    if both:
        np.testing.assert_array_equal(find_pattern(reverse_complement_codes(codes), pattern)[:, ::-1], found)


def test_effects_of_a_pattern_of_copies_and_of_the_other_strand() -> None:
    backgrounds = np.stack([encode("A" * 24), encode("GAT" + "A" * 21), encode("A" * 10 + "GATC" + "A" * 10)])
    found = pattern_effects(counting, backgrounds, "GAT", position=0, track=0)
    assert found.tolist() == [0.25, 0, 0.25]
    assert global_importance(counting, backgrounds, "GAT", position=0, track=0) == pytest.approx(1 / 6)
    # in the middle, base 10, the third background has it already; with the reverse complement, ATC, it loses the word
    assert pattern_effects(counting, backgrounds, "GAT", track=0).tolist() == [0.25, 0.25, 0]
    assert pattern_effects(counting, backgrounds, "GAT", track=0, strand="-").tolist() == [0, 0, -0.25]
    np.testing.assert_allclose(pattern_effects(counting, backgrounds, "GAT", position=0, track=1, log=True), [1, 0, 1])
    np.testing.assert_allclose(pattern_effects(counting, backgrounds, "GAT", track=1), [np.e - 1, np.e**2 - np.e, 0])
    assert global_importance(counting, QUIET, "GAT", track=0, copies=3, spacing=4) == 0.75
    assert global_importance(counting, QUIET, "GAT", track=0, copies=3, spacing=4, bins=slice(0, 1)) == 0
    # three copies 6 bp apart take 15 bp from base 4 on: at 4, 10 and 16, in bins 0, 1 and 2
    spread = [pattern_effects(counting, QUIET, "GAT", track=0, copies=3, spacing=6, bins=slice(i, i + 1))[0] for i in range(4)]
    assert spread == [1, 1, 1, 0]
    assert global_importance(counting, QUIET, "GAT", track=0, copies=8, spacing=3) == 2  # all 24 bp


def test_flanks_are_tried_in_all_combinations() -> None:
    """Model: 8 where CGATA is, else 2 where GAT is, else 0; in another window than it was, to see the place."""

    def model(codes: np.ndarray) -> np.ndarray:
        best = starts(codes, "CGATA")[:, 9].astype(float) * 6 + 2 * starts(codes, "GAT")[:, 10]
        return best[:, None, None]

    backgrounds = np.stack([encode("A" * 24), encode("T" * 24)])
    found = flank_importance(model, backgrounds, "GAT", left=1, right=1)
    assert found.columns.tolist() == ["pattern", "left", "right", "effect", "standard_error"]
    assert found["pattern"].tolist() == [f"{a}GAT{b}" for a in "ACGT" for b in "ACGT"]
    assert found["left"].tolist() == [a for a in "ACGT" for _ in "ACGT"]
    assert found["right"].tolist() == list("ACGT" * 4)
    assert found.set_index("pattern")["effect"].to_dict() == {
        f"{a}GAT{b}": 8 if a + b == "CA" else 2 for a in "ACGT" for b in "ACGT"
    }
    assert (found["standard_error"] == 0).all()
    one_side = flank_importance(model, backgrounds, "GAT", left=1, right=0)
    # the right flank is that of the background, A or T: CGATA in the first only
    assert one_side["pattern"].tolist() == ["AGAT", "CGAT", "GGAT", "TGAT"]
    assert one_side["effect"].tolist() == [2, 5, 2, 2]
    assert one_side["standard_error"].tolist() == pytest.approx([0, 3, 0, 0])
    assert np.isnan(flank_importance(model, backgrounds[:1], "GAT")["standard_error"]).all()
    inner = flank_importance(model, backgrounds, "GNT", left=0, right=0, position=10)
    assert inner["pattern"].tolist() == ["GAT", "GCT", "GGT", "GTT"]
    assert inner["effect"].tolist() == [2, 0, 0, 0]
    assert inner["left"].tolist() == [""] * 4


def test_iupac_words_are_spelled_out() -> None:
    assert spelled_out("rtcN") == ["ATCN", "GTCN"]
    assert spelled_out("ACGT") == ["ACGT"]
    assert spelled_out("WB") == ["AC", "AG", "AT", "TC", "TG", "TT"]
    assert len(spelled_out("RTCRYNNNNNACG")) == 8
    with pytest.raises(InputError, match="word 'ACX' holds 'X': write it in IUPAC letters"):
        spelled_out("ACX")
    with pytest.raises(InputError, match="word '' is empty"):
        spelled_out("")


def test_flanks_are_predicted_many_at_once() -> None:
    calls: list[int] = []

    def model(codes: np.ndarray) -> np.ndarray:
        calls.append(len(codes))
        return counting(codes)

    backgrounds = random_background(300, WINDOW, 0)
    together = flank_importance(model, backgrounds, "GAT", left=1, right=1, track=1)
    assert calls == [300, 1800, 1800, 1200]
    alone = [global_importance(counting, backgrounds, pattern, track=1) for pattern in together["pattern"]]
    np.testing.assert_allclose(together["effect"], alone)


def test_the_core_lies_at_its_position_on_either_strand() -> None:
    def model(codes: np.ndarray) -> np.ndarray:
        return (starts(codes, "CC")[:, 5] & starts(codes, "T")[:, 7] & starts(codes, "T")[:, 8])[:, None, None].astype(float)

    backgrounds = encode("G" * 12)[None]
    on_forward = flank_importance(model, backgrounds, "CC", left=0, right=2, position=5)
    assert on_forward.loc[on_forward["effect"] == 1, "pattern"].tolist() == ["CCTT"]
    on_reverse = flank_importance(model, backgrounds, "GG", left=2, right=0, position=5, strand="-")
    assert on_reverse.loc[on_reverse["effect"] == 1, "pattern"].tolist() == ["AAGG"]
    assert on_reverse.loc[on_reverse["effect"] == 1, "left"].tolist() == ["AA"]


def test_flanks_can_be_drawn() -> None:
    found = flank_importance(counting, QUIET, "GAT", left=3, right=2, draws=30, rng=0, track=0)
    assert found["pattern"].nunique() == 30
    assert found["pattern"].str.fullmatch("[ACGT]{3}GAT[ACGT]{2}").all()
    same = flank_importance(counting, QUIET, "GAT", left=3, right=2, draws=30, rng=np.random.default_rng(0), track=0)
    assert same["pattern"].tolist() == found["pattern"].tolist()
    other = flank_importance(counting, QUIET, "GAT", left=3, right=2, draws=30, rng=1, track=0)
    assert other["pattern"].tolist() != found["pattern"].tolist()
    every = flank_importance(counting, QUIET, "GAT", left=1, right=1, draws=16, rng=0, track=0)
    assert sorted(every["pattern"]) == flank_importance(counting, QUIET, "GAT", left=1, right=1, track=0)["pattern"].tolist()


def interacting(codes: np.ndarray) -> np.ndarray:
    """Signal 2 ** GAT * 3 ** CCC, five times that where they begin 6 bp apart, and twice that where GAT begins at base 10."""
    one, other = starts(codes, "GAT"), starts(codes, "CCC")
    near = np.array([any(a[i] and (b[i + 6] or b[i - 6]) for i in range(6, 18)) for a, b in zip(one, other, strict=True)])
    signal = 2.0 ** one.sum(axis=1) * 3.0 ** other.sum(axis=1) * np.where(near, 5, 1) * np.where(one[:, 10], 2, 1)
    return signal[:, None, None]


def test_spacing_is_from_start_to_start_in_both_directions() -> None:
    found = spacing_importance(interacting, QUIET, "GAT", "CCC", [-10, -6, -3, 3, 6, 11])
    assert found.columns.tolist() == ["distance", "effect", "standard_error"]
    assert found["distance"].tolist() == [-10, -6, -3, 3, 6, 11]
    assert found["effect"].tolist() == [11, 59, 11, 11, 59, 11]
    logs = spacing_importance(interacting, QUIET, "GAT", "CCC", [6, 7], position=9, log=True)
    np.testing.assert_allclose(logs["effect"], np.log([30, 6]))
    flipped = spacing_importance(interacting, QUIET, "ATC", "GGG", range(6, 8), strands=("-", "-"))
    assert flipped["effect"].tolist() == [59, 11]


def test_cooperativity_is_what_the_pair_has_over_each_alone_in_its_place() -> None:
    backgrounds = np.repeat(QUIET, 3, axis=0)
    near = cooperativity(interacting, backgrounds, "GAT", "CCC", 6)
    np.testing.assert_allclose(near, [np.log(4), np.log(3), np.log(60), np.log(5), 0], atol=1e-12)
    far = cooperativity(interacting, backgrounds, "GAT", "CCC", -7)
    np.testing.assert_allclose(far, [np.log(4), np.log(3), np.log(12), 0, 0], atol=1e-12)
    # without the logarithm, factors seem to cooperate
    plain = cooperativity(interacting, backgrounds, "GAT", "CCC", 7, position=9, log=False)
    assert plain == (1, 2, 5, 2, 0)
    # each alone lies where it lies in the pair: GAT second, at base 10, has its factor of place
    turned = cooperativity(interacting, backgrounds, "CCC", "GAT", 4, position=6)
    np.testing.assert_allclose(turned, [np.log(3), np.log(4), np.log(12), 0, 0], atol=1e-12)
    mixed = cooperativity(interacting, np.concatenate([QUIET, encode("C" * 3 + "A" * 21)[None]]), "GAT", "CCC", 6, log=False)
    assert mixed.interaction == pytest.approx((60 - 4 - 3 + 1) * 2)
    assert mixed.standard_error == pytest.approx(np.std([54, 162], ddof=1) / np.sqrt(2))


def test_patterns_that_do_not_fit_are_refused_before_any_prediction() -> None:
    for call, message in [
        (lambda: global_importance(never, QUIET, "GAX"), "pattern 'GAX' holds 'X': write it in A, C, G, T and N"),
        (lambda: global_importance(never, QUIET, ""), "pattern '' is empty"),
        (lambda: global_importance(never, QUIET, "A" * 25), "takes 25 bp, but a window has 24: shorten it"),
        (
            lambda: global_importance(never, QUIET, "GAT", position=22),
            "takes 3 bp from 22 on, in a window of 24: begin at 0 to 21",
        ),
        (lambda: global_importance(never, QUIET, "GAT", position=-1), "takes 3 bp from -1 on"),
        (lambda: global_importance(never, QUIET, "GAT", strand="x"), r"strand is 'x': choose '\+' or '-'"),
        (lambda: global_importance(never, QUIET, "GAT", copies=0), "copies is 0: choose 1 or more"),
        (
            lambda: global_importance(never, QUIET, "GAT", copies=2),
            "spacing is None: give the bp from start to start of 2 copies",
        ),
        (lambda: global_importance(never, QUIET, "GAT", copies=2, spacing=2), "spacing is 2: .* 3 or more"),
        (lambda: global_importance(never, QUIET, "GAT", copies=4, spacing=8), "takes 27 bp, but a window has 24"),
        (lambda: global_importance(never, QUIET[:0], "GAT"), "backgrounds are empty"),
        (lambda: global_importance(never, QUIET[0], "GAT"), r"backgrounds are uint8 of shape \(24,\)"),
        (lambda: flank_importance(never, QUIET, "GAT", left=0, right=0), "'GAT' has 0 bases to vary"),
        (lambda: flank_importance(never, QUIET, "GAT", left=-1), "left is -1 and right 2: a flank has 0 bases or more"),
        (lambda: flank_importance(never, QUIET, "GAT", left=4, right=3), "has 16,384 fillings: give draws"),
        (lambda: flank_importance(never, QUIET, "GAT", draws=5), "draws is 5 and rng None: give an rng, and draws from 1 to 256"),
        (lambda: flank_importance(never, QUIET, "GAT", draws=257, rng=0), "draws is 257"),
        (lambda: flank_importance(never, QUIET, "GAT", draws=0, rng=0), "draws is 0"),
        (lambda: flank_importance(never, QUIET, "GAT", position=1), "'NNGATNN' takes 7 bp from -1 on"),
        (lambda: flank_importance(never, QUIET, "GAX"), "holds 'X'"),
        (
            lambda: spacing_importance(never, QUIET, "GAT", "CC", [2]),
            "distance is 2: 'GAT' and 'CC' overlap; choose 3 or more, or -2",
        ),
        (lambda: spacing_importance(never, QUIET, "GAT", "CC", [-1]), "distance is -1"),
        (lambda: spacing_importance(never, QUIET, "GAT", "CC", [5, 13]), "'CC' takes 2 bp from 23 on"),
        (lambda: spacing_importance(never, QUIET, "GAT", "CC", []), "distances are empty"),
        (lambda: cooperativity(never, QUIET, "GAT", "GAT", 0), "distance is 0"),
        (lambda: find_pattern(QUIET, "A" * 25), "takes 25 bp, but a sequence has 24"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


def test_occlusion_takes_every_instance_out() -> None:
    codes = np.stack([encode("AAGATAAAAAATCAAAAAAAAAAA"), encode("A" * 24), encode("GATGATAAAAAAAAAAAAAAANNN")])
    calls = []

    def model(windows: np.ndarray) -> np.ndarray:
        calls.append(windows)
        return counting(windows)

    found = occlusion_effects(model, codes, "GAT", 0, repeats=50, track=0, frequencies=(0.5, 0.5, 0, 0))
    assert found.columns.tolist() == ["sequence", "instances", "original", "occluded", "effect"]
    assert found["sequence"].tolist() == [0, 2]
    assert found["instances"].tolist() == [2, 2]
    assert found["original"].tolist() == [0.25, 0.5]
    assert found["occluded"].tolist() == [0, 0]  # without G there is no GAT
    assert found["effect"].tolist() == [0.25, 0.5]
    assert len(calls) == 1
    originals, filled = calls[0][:2], calls[0][2:].reshape(2, 50, 24)
    np.testing.assert_array_equal(originals, codes[[0, 2]])
    touched = (filled != codes[[0, 2], None]).any(axis=1)
    assert [np.flatnonzero(row).tolist() for row in touched] == [[2, 3, 4, 10, 11, 12], [0, 1, 2, 3, 4, 5]]
    assert np.unique(filled[0][:, [2, 3, 4, 10, 11, 12]]).tolist() == [0, 1]
    assert len(np.unique(filled[0], axis=0)) > 30
    forward = occlusion_effects(counting, codes, "GAT", 0, track=0, both_strands=False)
    assert forward["instances"].tolist() == [1, 2]


def test_occlusion_averages_predictions_before_it_takes_logarithms() -> None:
    codes = encode("CCCGATCCCCCCCCCCCCCCCCCC")[None]
    found = occlusion_effects(counting, codes, "GAT", 0, repeats=3000, fill="shuffled", both_strands=False, track=1, log=True)
    # one of the six orders of G, A and T is GAT again
    assert found["occluded"][0] == pytest.approx((np.e + 5) / 6, rel=0.03)
    np.testing.assert_allclose(found["effect"], 1 - np.log(found["occluded"]))
    random = occlusion_effects(counting, codes, "GNT", 0, repeats=3000, both_strands=False, track=1)
    assert random["occluded"][0] == pytest.approx(1 + (np.e - 1) / 64, abs=0.02)


def test_shuffled_instances_keep_their_bases_and_all_orders_are_drawn() -> None:
    codes = np.stack([encode("CCGATTCCCC"), encode("CCCCCCGATT")])
    seen = []

    def model(windows: np.ndarray) -> np.ndarray:
        seen.append(windows[2:].reshape(2, -1, 10))
        return np.ones((len(windows), 1, 1))

    occlusion_effects(model, codes, "GATT", 1, repeats=600, fill="shuffled")
    for words, rest in ((seen[0][0][:, 2:6], seen[0][0][:, [0, 1, 6, 7, 8, 9]]), (seen[0][1][:, 6:], seen[0][1][:, :6])):
        assert (rest == 1).all()
        assert (np.sort(words, axis=1) == [0, 2, 3, 3]).all()
        orders, counts = np.unique(words, axis=0, return_counts=True)
        assert len(orders) == 12
        assert chisquare(counts).pvalue > 0.01


def test_many_sequences_are_occluded_in_few_calls_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = insert_pattern(random_background(40, 24, 0), "GAT", 5)
    monkeypatch.setattr(occlusion, "WINDOWS_AT_ONCE", 100)
    sizes = []

    def model(windows: np.ndarray) -> np.ndarray:
        sizes.append(len(windows))
        return counting(windows)

    found = occlusion_effects(model, codes, "GAT", 3, repeats=9, track=0)
    assert sizes == [100] * 4
    assert found["sequence"].tolist() == list(range(40))
    np.testing.assert_array_equal(found["original"], counting(codes)[..., 0].mean(axis=1))
    assert found.equals(occlusion_effects(model, codes, "GAT", np.random.default_rng(3), repeats=9, track=0))
    assert not found.equals(occlusion_effects(model, codes, "GAT", 4, repeats=9, track=0))


def test_what_cannot_be_occluded_is_refused() -> None:
    for options, message in [
        ({"pattern": "CCC"}, "pattern 'CCC' is in none of the 1 sequences"),
        ({"repeats": 0}, "repeats is 0 and fill 'random': choose 1 or more"),
        ({"fill": "zeros"}, "fill 'zeros': choose 1 or more, and one of random, shuffled"),
        ({"frequencies": (1, 1, 1, 1)}, r"frequencies are \[1, 1, 1, 1\]"),
    ]:
        with pytest.raises(InputError, match=message):
            occlusion_effects(never, QUIET, **{"pattern": "AAA", "rng": 0, **options})
    assert len(occlusion_effects(counting, QUIET, "AAA", 0)) == 1
