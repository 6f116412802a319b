from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.errors import InputError
from helpers.evaluate import baselines
from helpers.evaluate.baselines import (
    bin_features,
    gc_baseline,
    kmer_counts,
    kmer_logistic,
    kmer_neighbours,
    kmer_ridge,
    replicate_agreement,
    rotated,
)
from helpers.evaluate.classification import auprc, auroc
from helpers.evaluate.metrics import pearson
from helpers.files.fasta import Genome
from helpers.files.sequence import decode, encode, reverse_complement, reverse_complement_codes
from helpers.prepare.signal import bin_signal


def test_counts_of_a_short_sequence() -> None:
    counts, names = kmer_counts(np.stack([encode("AACGTTN"), encode("CCCCNAA")]), 2)
    assert names == ("AA", "AC", "AG", "AT", "CA", "CC", "CG", "GA", "GC", "TA")
    assert counts.dtype == np.float32
    assert counts.tolist() == [[2, 2, 0, 0, 0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 3, 0, 0, 0, 0]]
    plain, plain_names = kmer_counts(encode("AACGTTN")[None], 2, strand_symmetric=False)
    assert plain_names[:5] == ("AA", "AC", "AG", "AT", "CA")
    assert dict(zip(plain_names, plain[0], strict=True)) == {
        **dict.fromkeys(plain_names, 0),
        "AA": 1,
        "AC": 1,
        "CG": 1,
        "GT": 1,
        "TT": 1,
    }
    assert [len(kmer_counts(np.zeros((1, 9), np.uint8), k)[1]) for k in (1, 3, 4, 5)] == [2, 32, 136, 512]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 30), st.integers(1, 4), st.booleans(), st.integers(1, 90))
def test_counts_equal_a_slow_loop(seed: int, sequences: int, extra: int, k: int, symmetric: bool, at_once: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 5, (sequences, k + extra - 1)).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "CELLS_AT_ONCE", at_once)
        counts, names = kmer_counts(codes, k, strand_symmetric=symmetric)
    assert counts.shape == (sequences, len(names))
    for row, sequence in zip(counts, codes, strict=True):
        letters = decode(sequence)
        expected = dict.fromkeys(names, 0)
        for start in range(len(letters) - k + 1):
            word = letters[start : start + k]
            if "N" not in word:
                expected[min(word, reverse_complement(word)) if symmetric else word] += 1
        assert dict(zip(names, row, strict=True)) == expected
    if symmetric:
        np.testing.assert_array_equal(kmer_counts(reverse_complement_codes(codes), k)[0], counts)


def test_bin_features_look_at_the_bin_and_its_neighbours() -> None:
    codes = encode("AAAACCCCAACA" + "GT")  # the last of four bins is partial: GTNN
    features, names = bin_features(codes, 4, k=2, neighbour_k=1, reach=2)
    assert names == ("AA", "AC", "AG", "AT", "CA", "CC", "CG", "GA", "GC", "TA", "A 1 away", "C 1 away", "A 2 away", "C 2 away")
    assert features[:, [0, 1, 4, 5]].tolist() == [[3, 0, 0, 0], [0, 0, 0, 3], [1, 1, 1, 0], [0, 1, 0, 0]]
    assert features[:, 10:].tolist() == [[0, 4, 3, 1], [7, 1, 1, 1], [1, 5, 4, 0], [3, 1, 0, 4]]
    alone, own_names = bin_features(codes, 4, k=2, reach=0)
    assert own_names == names[:10]
    np.testing.assert_array_equal(alone, features[:, :10])
    assert bin_features(codes, 14, k=2, neighbour_k=1, reach=3)[0][0, 10:].tolist() == [0] * 6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(0, 9))
def test_bin_features_are_the_same_from_the_other_strand(seed: int, bins: int, reach: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 5, bins * 6).astype(np.uint8)
    forward, backward = (
        bin_features(strand, 6, k=3, neighbour_k=2, reach=reach)[0] for strand in (codes, reverse_complement_codes(codes))
    )
    np.testing.assert_array_equal(backward[::-1], forward)


def test_ridge_recovers_a_signal_that_words_make() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, 60_000).astype(np.uint8)
    features, names = bin_features(codes, 50, k=3, neighbour_k=2, reach=1)
    signal = np.expm1(0.3 * features[:, names.index("ACG")] + 0.05 * features[:, names.index("CG 1 away")])[:, None] * [1, 10]
    model = kmer_ridge(alpha=1.0).fit(features[:800], signal[:800])
    predicted = model.predict(features[800:])
    assert predicted.shape == (400, 2)
    assert pearson(signal[800:, 0], predicted[:, 0]) > 0.999
    assert pearson(signal[800:, 1], predicted[:, 1]) > 0.9  # log(1 + 10 x) is not linear in the counts
    assert 5 < predicted[:, 1].mean() / predicted[:, 0].mean() < 15  # signal, not its logarithm
    assert abs(pearson(rotated(signal[800:, 0]), predicted[:, 0])) < 0.15
    with pytest.raises(InputError, match=r"targets hold -1: the logarithm of 1 \+ signal takes 0 or more"):
        kmer_ridge().fit(features[:3], np.array([1.0, -1, 2]))


def test_logistic_regression_finds_a_planted_word_on_either_strand() -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 4, (3000, 80)).astype(np.uint8), np.arange(3000) % 2
    for row in np.flatnonzero(labels):
        word = encode("TGACTCA") if rng.random() < 0.5 else encode(reverse_complement("TGACTCA"))
        for place in rng.integers(0, 73, 2):
            codes[row, place : place + 7] = word
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = kmer_logistic().fit(codes[:2000], labels[:2000])
        scores = model.predict_proba(codes[2000:])[:, 1]
    assert auroc(labels[2000:], scores) > 0.95
    assert auprc(labels[2000:], scores) > 0.95
    np.testing.assert_allclose(model.predict_proba(reverse_complement_codes(codes[2000:]))[:, 1], scores, atol=1e-9)
    assert abs(auroc(rng.permutation(labels[2000:]), scores) - 0.5) < 0.07


def test_options_reach_the_logistic_regression() -> None:
    codes = np.random.default_rng(1).integers(0, 4, (400, 30)).astype(np.uint8)
    labels = (np.arange(400) % 10 == 0).astype(int)
    plain = kmer_logistic(2, strand_symmetric=False).fit(codes, labels)
    assert plain.named_steps["classifier"].coef_.shape == (1, 16)
    balanced = kmer_logistic(2, class_weight="balanced").fit(codes, labels)
    assert balanced.named_steps["classifier"].coef_.shape == (1, 10)
    assert plain.predict_proba(codes)[:, 1].mean() == pytest.approx(0.1, abs=0.01)
    assert balanced.predict_proba(codes)[:, 1].mean() == pytest.approx(0.5, abs=0.05)
    weak, strong = (np.abs(kmer_logistic(2, strength=c).fit(codes, labels)["classifier"].coef_).sum() for c in (1, 1e-4))
    assert strong < weak / 10


def test_neighbours_remember_what_they_have_seen_and_know_nothing_of_the_rest() -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 4, (300, 200)).astype(np.uint8), rng.integers(0, 2, 300)
    model = kmer_neighbours().fit(codes[:200], labels[:200])
    assert model.predict_proba(codes[:200])[:, 1].tolist() == labels[:200].tolist()
    np.testing.assert_array_equal(model.predict(reverse_complement_codes(codes[:200])), labels[:200])
    assert abs(auroc(labels[200:], model.predict_proba(codes[200:])[:, 1]) - 0.5) < 0.15


def test_neighbours_are_weighted_by_nearness() -> None:
    codes = np.stack([encode(text) for text in ("AAAA", "AAAC", "CCCC")])
    model = kmer_neighbours(1, 2, strand_symmetric=False).fit(codes, np.array([1, 0, 0]))
    asked = encode("AAAAAAAAAAAA")[None]  # 8 As from the first, and from the second 9 As and 1 C, which is sqrt(82)
    expected = (1 / 8) / (1 / 8 + 1 / np.sqrt(82))
    assert model.predict_proba(asked)[0, 1] == pytest.approx(expected, rel=1e-5)


def test_replicates_allow_more_than_their_own_agreement() -> None:
    rng = np.random.default_rng(0)
    rate = rng.normal(size=200_000)
    one, other = rate + rng.normal(size=rate.shape), rate + rng.normal(size=rate.shape)
    found = replicate_agreement(one, other)
    assert found.correlation == pytest.approx(0.5, abs=0.01)  # half of each variance is the rate's
    assert found.ceiling == pytest.approx(pearson(one, rate), abs=0.01)
    opposite = replicate_agreement(np.array([1.0, 2.0, 3.0, np.nan]), np.array([3.0, 2.0, 1.0, 5.0]))
    assert opposite.correlation == pytest.approx(-1)
    assert np.isnan(opposite.ceiling)


def test_gc_baseline_is_a_prediction_per_bin() -> None:
    codes = np.stack([encode("GCATNNNNGG"), encode("NGGTTTTTCA")])
    found = gc_baseline(codes, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 0], [[0.5, np.nan, 1], [2 / 3, 0, 0.5]])
    assert gc_baseline(codes, 10).shape == (2, 1, 1)


def test_rotation_by_half() -> None:
    assert rotated(np.arange(5)).tolist() == [3, 4, 0, 1, 2]
    values = np.arange(8).reshape(4, 2)
    assert rotated(values).tolist() == [[4, 5], [6, 7], [0, 1], [2, 3]]
    for wrong in (np.ones(1), np.array(3)):
        with pytest.raises(InputError, match="give 2 bins or more along the first axis"):
            rotated(wrong)


def test_what_is_no_sequence_is_refused() -> None:
    codes = np.zeros((2, 6), np.uint8)
    for k in (0, 7, 9):
        with pytest.raises(InputError, match=f"k is {k} for sequences of 6 bp: choose 1 to 6"):
            kmer_counts(codes, k)
    with pytest.raises(InputError, match="k is 9 for sequences of 20 bp: choose 1 to 8"):
        kmer_counts(np.zeros((1, 20), np.uint8), 9)
    for wrong in (codes[0], codes.astype(int)):
        with pytest.raises(InputError, match=r"give uint8 codes \(sequences, length\)"):
            kmer_counts(wrong, 2)
    with pytest.raises(InputError, match="codes hold 7: a code is 0..4".replace(".", r"\.")):
        gc_baseline(codes + np.uint8(7), 2)
    with pytest.raises(InputError, match=r"codes are uint8 of shape \(2, 6\): give uint8 codes \(length,\)"):
        bin_features(codes, 3)
    with pytest.raises(InputError, match="bin_size is 0: a bin has at least 1 bp"):
        bin_features(codes[0], 0)
    with pytest.raises(InputError, match="reach is -1: choose 0 or more neighbours"):
        bin_features(codes[0], 3, reach=-1)
    with pytest.raises(InputError, match="codes are empty: there is no bin to describe"):
        bin_features(codes[0, :0], 3)


BIN = 150
NUCLEAR = [
    "chrI",
    "chrII",
    "chrIII",
    "chrV",
    "chrVI",
    "chrVII",
    "chrVIII",
    "chrIX",
    "chrX",
    "chrXI",
    "chrXIII",
    "chrXIV",
    "chrXV",
    "chrXVI",
]


@pytest.mark.parametrize(
    ("track", "train", "reached"),
    [
        ("atac/derived/yeast_atac_fragment_coverage.bw", NUCLEAR, 0.62),
        ("multi_assay/MNase.bw", ["chrII", "chrXVI"], 0.51),
    ],
    ids=["ATAC", "MNase"],
)
def test_ridge_reaches_on_yeast_what_another_one_reached(real_data: Path, track: str, train: list[str], reached: float) -> None:
    """Pearson on held-out chromosome IV, of a target clipped where 1 % of the training bins are higher, as computed before this code was."""
    folder = real_data / "yeast_sacCer3"
    aliases = {chrom: chrom.removeprefix("chr") for chrom in [*NUCLEAR, "chrIV"]}
    features, signal = {}, {}
    with Genome(folder / "reference" / "sacCer3.fa.gz") as genome:
        for chrom in [*train, "chrIV"]:
            codes = genome.codes(chrom, 0, genome.lengths[chrom])
            features[chrom] = bin_features(codes, BIN)[0]
            signal[chrom] = bin_signal(folder / track, chrom, BIN, uncovered="zero", aliases=aliases)
            gc = gc_baseline(codes[None], BIN)[0, :, 0]
    fitted_on = np.concatenate([signal[chrom] for chrom in train])
    cap = np.quantile(fitted_on, 0.99)
    model = kmer_ridge().fit(np.concatenate([features[chrom] for chrom in train]), np.minimum(fitted_on, cap))
    truth, predicted = np.minimum(signal["chrIV"], cap), model.predict(features["chrIV"])
    assert pearson(truth, predicted) == pytest.approx(reached, abs=0.03)
    assert abs(pearson(rotated(truth), predicted)) < 0.03
    assert abs(pearson(truth, gc)) < pearson(truth, predicted) - 0.05
