from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from helpers.errors import InputError
from helpers.evaluate.leakage import Leak, LeakReport, duplicate_leaks, fit_leak, group_leaks, leak_report, overlap_leaks, refit
from helpers.evaluate.refitting import compare_fits, learned_parameters
from helpers.files.sequence import decode, reverse_complement, reverse_complement_codes
from helpers.prepare.depth import QuantileNormaliser
from helpers.prepare.homology import homology_groups, sketch_table, split_by_homology
from helpers.prepare.regions import tile
from helpers.prepare.splits import Split, grouped_folds, split_by_chromosome

LENGTHS = {"a": 5000, "b": 3000, "c": 2000}
WINDOWS = tile(LENGTHS, 500)
CLEAN = split_by_chromosome(WINDOWS, ["b"], ["c"])


def _codes(*, copies: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    codes = {chrom: rng.integers(0, 4, length, dtype=np.uint8) for chrom, length in LENGTHS.items()}
    if copies:
        codes["a"][1000:1500] = codes["c"][500:1000]  # training window a2 is test window c1
        codes["b"][2250:2750] = reverse_complement_codes(codes["c"][1500:2000])  # b4 and b5 hold half of c3 each, inverted
    return codes


def table(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["chrom", "start", "end"])


def _found(leaks: list[Leak]) -> dict[tuple[str, str], tuple[int, int]]:
    return {(leak.parts, leak.unit): (leak.count, leak.of) for leak in leaks}


def test_overlap_literally() -> None:
    train = table(("a", 0, 100), ("a", 50, 150), ("b", 0, 100))
    test = table(("a", 140, 240), ("a", 150, 250), ("b", 20, 30), ("c", 0, 100))
    bases, windows = overlap_leaks({"train": train, "test": test})
    assert bases == Leak("overlap", "test / train", 20, 220, "bp", "test a:140-240 and train a:50-150 (10 bp)")
    assert (windows.count, windows.of, windows.unit, windows.share) == (2, 4, "windows", 0.5)
    assert str(windows) == "overlap, test / train: 2 of 4 windows (50.0%), such as test a:140-240 and train a:50-150 (10 bp)"


def test_touching_windows_do_not_overlap() -> None:
    assert _found(overlap_leaks({"train": table(("a", 0, 10)), "test": table(("a", 10, 20), ("b", 0, 10))})) == {
        ("test / train", "bp"): (0, 20),
        ("test / train", "windows"): (0, 2),
    }


regions_of = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=8).map(
    lambda rows: table(*((chrom, start, start + length) for chrom, start, length in rows))
)


@settings(max_examples=20, deadline=None)
@given(regions_of, regions_of, regions_of)
def test_overlap_against_a_loop(train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame) -> None:
    parts = {"train": train, "validation": validation, "test": test}
    bases = {
        part: [{(chrom, place) for place in range(start, end)} for chrom, start, end in regions.to_numpy().tolist()]
        for part, regions in parts.items()
    }
    expected = {}
    for earlier, later in itertools.combinations(parts, 2):
        held, asked = set().union(*bases[earlier]), set().union(*bases[later])
        expected[f"{later} / {earlier}", "bp"] = (len(held & asked), len(asked))
        expected[f"{later} / {earlier}", "windows"] = (sum(bool(held & row) for row in bases[later]), len(bases[later]))
    assert _found(overlap_leaks(parts)) == expected


def _similar(codes: dict[str, np.ndarray], one: pd.DataFrame, two: pd.DataFrame, threshold: float) -> int:
    """How many windows of the second table have one in the first with so large a share of common 16-mers, all compared with all."""
    sets = []
    for regions in (one, two):
        letters = [decode(codes[chrom][start:end]) for chrom, start, end in regions.to_numpy().tolist()]
        words = [[word[i : i + 16] for i in range(len(word) - 15)] for word in letters]
        sets.append([{min(word, reverse_complement(word)) for word in row} for row in words])
    return sum(any(len(a & b) >= threshold * len(a | b) for a in sets[0]) for b in sets[1])


def test_planted_copies_are_found_and_nothing_else() -> None:
    codes = _codes(copies=True)
    leaks = duplicate_leaks(CLEAN, {part: sketch_table(regions, codes) for part, regions in CLEAN.parts.items()})
    assert [(leak.parts, leak.count, leak.of) for leak in leaks] == [
        ("validation / train", 0, 6),
        ("test / train", 1, 4),
        ("test / validation", 1, 4),
    ]
    for leak, (earlier, later) in zip(leaks, itertools.combinations(CLEAN.parts, 2), strict=True):
        assert leak.count == _similar(codes, CLEAN.parts[earlier], CLEAN.parts[later], 0.1)
    assert leaks[1].example == "test c:500-1000 and train a:1000-1500 (Jaccard index about 1.00)"
    assert leaks[2].example.startswith("test c:1500-2000 and validation b:2")


def test_shared_groups_literally() -> None:
    parts = {
        "train": pd.DataFrame({"gene": ["x", "x", "y", None]}),
        "validation": pd.DataFrame({"gene": ["z", None]}),
        "test": pd.DataFrame({"gene": ["x", "z", "x", "w", "y", None]}),
    }
    assert group_leaks(parts, "gene") == [
        Leak("shared gene", "validation / train", 0, 2, "rows"),
        Leak("shared gene", "test / train", 3, 6, "rows", "'x' in 2 rows of train and 2 of test, one of 2 shared"),
        Leak("shared gene", "test / validation", 1, 6, "rows", "'z' in 1 rows of validation and 1 of test, one of 1 shared"),
    ]
    donors = {"train": pd.DataFrame({"donor": [1, 2]}), "test": pd.DataFrame({"donor": [2.0, np.nan]})}
    (leak,) = group_leaks(donors, "donor")
    assert (leak.count, leak.of) == (1, 2)
    categories = {part: frame.astype("category") for part, frame in parts.items()}
    assert group_leaks(categories, "gene") == group_leaks(parts, "gene")


def _rows(train: int, test: int, validation: int = 0) -> dict[str, np.ndarray]:
    order = np.random.default_rng(0).permutation(train + test + validation)
    rows = {"train": order[:train], "validation": order[train : train + validation], "test": order[train + validation :]}
    return {part: places for part, places in rows.items() if len(places)}


FEATURES = np.random.default_rng(1).normal(size=(60, 5)) * [1, 2, 3, 4, 5]
LABELS = np.arange(60) % 2

STEPS: dict[str, Callable[[], object]] = {
    "scaler": StandardScaler,
    "selector": lambda: SelectKBest(k=2),
    "pca": lambda: PCA(2),
    "bins": lambda: KBinsDiscretizer(4, quantile_method="linear"),
    "pipeline": lambda: make_pipeline(StandardScaler(), SelectKBest(k=3)),
    "union": lambda: make_union(PCA(1), SelectKBest(k=1)),
    "columns": lambda: ColumnTransformer([("scaled", StandardScaler(), [0, 1]), ("kept", "passthrough", [2])]),
    "from a tree": lambda: SelectFromModel(DecisionTreeClassifier(random_state=0), threshold="median"),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    "quantiles": QuantileNormaliser,
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_fitted_on_all_rows_is_told_from_one_fitted_on_training_rows(name: str) -> None:
    rows = _rows(40, 20)
    step = STEPS[name]()
    fit = refit(step, FEATURES, LABELS)
    before = repr(step)
    order = rows["train"] if name == "search" else np.sort(rows["train"])  # only its folds go by the order of rows
    honest, leaky = fit(order), fit(np.arange(60))
    assert compare_fits(honest, fit, rows).matches[0] == ("train",)
    compared = compare_fits(leaky, fit, rows)
    assert compared.matches == (("train", "test"),)
    assert compared.leaks
    assert 0 < compared.differing <= compared.values  # noqa: PD011
    assert repr(step) == before
    assert not hasattr(step, "n_features_in_")


def test_what_was_fitted_is_named() -> None:
    rows = {"train": np.array([0, 1]), "validation": np.array([2]), "test": np.array([3])}
    values = np.array([1.0, 3.0, 8.0, 100.0])

    def fit(chosen: np.ndarray) -> dict[str, object]:
        return {"mean": values[chosen].mean(), "kept": ["b", "a"]}

    assert fit_leak(fit(np.array([0, 1])), fit, rows, name="mean") == Leak(
        "preprocessing: mean", "validation + test / train", 0, 3, "fitted values"
    )
    assert fit_leak(fit(np.array([0, 1, 2])), fit, rows) == Leak(
        "preprocessing: dict",
        "validation / train",
        1,
        3,
        "fitted values",
        "as fitted on train + validation: mean is 4, from training rows 2",
    )
    assert fit_leak(fit(np.arange(4)), fit, rows).parts == "validation + test / train"
    unknown = fit_leak({"mean": 5.0, "kept": ["b", "c"]}, fit, rows)
    assert (unknown.parts, unknown.count) == ("unknown rows / train", 2)
    assert unknown.example.startswith("fitted neither on training rows nor on these with other parts: mean is 5, from training")
    other = fit_leak({"mean": np.array([1.0, 2.0]), "kept": ["b", "a"]}, fit, rows)
    assert other.example.endswith("mean is of shape (2,), from training rows of shape ()")
    assert fit_leak({"kept": ["b", "a"]}, fit, rows).example.endswith("mean is missing, from training rows of shape ()")


def test_rows_that_change_nothing_are_no_leak() -> None:
    rows = {"train": np.array([0, 1]), "test": np.array([2])}
    compared = compare_fits(4.0, lambda chosen: np.array([1.0, 4.0, 2.0])[chosen].max(), rows)
    assert compared.matches == (("train",), ("train", "test"))
    assert not compared.leaks
    assert compared.example == "as fitted on training rows; rows of other parts would not change them"


def test_equal_up_to_rounding_and_no_further() -> None:
    rows = {"train": np.arange(2), "test": np.array([2])}

    def fit(chosen: np.ndarray) -> np.ndarray:
        return np.array([len(chosen), 0.0, np.nan, np.inf])

    assert not compare_fits([2 + 1e-9, 1e-9, np.nan, np.inf], fit, rows).leaks
    assert compare_fits([2 + 1e-6, 1e-9, np.nan, np.inf], fit, rows).differing == 1
    assert not compare_fits([2 + 1e-6, 1e-9, np.nan, np.inf], fit, rows, rtol=1e-5).leaks
    assert compare_fits([2.0, 0.0, 0.0, -np.inf], fit, rows).differing == 2


def test_learned_parameters_are_laid_out() -> None:
    fitted = make_pipeline(StandardScaler(), SelectKBest(k=1)).fit(FEATURES, LABELS)
    found = learned_parameters(fitted)
    assert set(found) == {
        *(f"steps.standardscaler.{name}_" for name in ("mean", "var", "scale", "n_features_in", "n_samples_seen")),
        *(f"steps.selectkbest.{name}" for name in ("scores_", "pvalues_", "n_features_in_", "support")),
    }
    assert found["steps.standardscaler.mean_"].tolist() == FEATURES.mean(axis=0).tolist()
    assert found["steps.selectkbest.support"].sum() == 1
    mixed = {
        "kept": {"b", "a"},
        "columns": pd.Index(["x", "y"]),
        "weights": sparse.csr_array(np.eye(2)),
        "parts": [np.arange(2), {"low": 1}],
        "call": len,
        "none": None,
    }
    assert {name: value.tolist() for name, value in learned_parameters(mixed).items()} == {
        "kept": ["a", "b"],
        "columns": ["x", "y"],
        "weights": [[1, 0], [0, 1]],
        "parts[0]": [0, 1],
        "parts[1].low": 1,
    }
    assert learned_parameters(StandardScaler()) == {}
    assert list(learned_parameters(OneHotEncoder().fit([["a"], ["b"]]))) != []


def test_tables_are_refitted_by_position() -> None:
    frame = pd.DataFrame(FEATURES, index=np.arange(60)[::-1])
    rows = _rows(30, 20, 10)
    scaler = StandardScaler().fit(FEATURES[rows["train"]])
    assert not fit_leak(scaler, refit(scaler, frame), rows).count  # names of columns are numbers, which scikit-learn leaves out
    together = StandardScaler().fit(FEATURES[np.concatenate([rows["train"], rows["validation"]])])
    leak = fit_leak(together, refit(scaler, frame), rows)
    assert (leak.what, leak.parts) == ("preprocessing: StandardScaler", "validation / train")


def test_a_clean_split_is_reported_clean() -> None:
    scaler = StandardScaler().fit(FEATURES[:40])
    fitted = fit_leak(scaler, refit(scaler, FEATURES), {"train": np.arange(40), "test": np.arange(40, 60)})
    split = Split(**{part: regions.assign(gene=regions["chrom"]) for part, regions in CLEAN.parts.items()})
    report = leak_report(split, codes=_codes(copies=False), groups="gene", fitted=[fitted])
    assert report.clean
    assert report.unchecked == ()
    assert str(report) == "Clean: 13 checks found nothing."
    assert report.table["count"].tolist() == [0] * 13
    assert report.table["what"].value_counts().to_dict() == {
        "overlap": 6,
        "near-duplicate sequence": 3,
        "shared gene": 3,
        "preprocessing: StandardScaler": 1,
    }


def test_every_planted_leak_is_in_the_report() -> None:
    parts = {part: regions.assign(gene=regions["chrom"], donor=0) for part, regions in CLEAN.parts.items()}
    parts["test"] = pd.concat([parts["test"], parts["train"].tail(1).assign(start=4400, end=4900)], ignore_index=True)
    scaler = StandardScaler().fit(FEATURES)
    fitted = fit_leak(scaler, refit(scaler, FEATURES), {"train": np.arange(40), "test": np.arange(40, 60)})
    report = leak_report(parts, codes=_codes(copies=True), groups=["gene", "donor"], fitted=[fitted])
    assert not report.clean
    assert list(report.table.columns) == ["what", "parts", "count", "of", "unit", "share", "example"]
    found = report.table.loc[report.table["count"] > 0]
    assert found[["what", "parts", "count", "of"]].to_numpy().tolist() == [
        ["overlap", "test / train", 500, 2500],
        ["overlap", "test / train", 1, 5],
        ["near-duplicate sequence", "test / train", 2, 5],
        ["near-duplicate sequence", "test / validation", 1, 5],
        ["shared gene", "test / train", 1, 5],
        ["shared donor", "validation / train", 6, 6],
        ["shared donor", "test / train", 5, 5],
        ["shared donor", "test / validation", 5, 5],
        ["preprocessing: StandardScaler", "test / train", 16, 17],
    ]
    assert found["share"].tolist() == [0.2, 0.2, 0.4, 0.2, 0.2, 1, 1, 1, 16 / 17]
    assert (found["example"] != "").all()
    assert (report.table.loc[report.table["count"] == 0, "example"] == "").all()


def test_the_report_can_be_read() -> None:
    leaks = (
        Leak("overlap", "test / train", 0, 10, "bp"),
        Leak("shared gene", "test / train", 3, 12, "rows", "'<b>' in 2 rows"),
        Leak("overlap", "test / train", 1, 10_000, "windows", "that one"),
    )
    report = LeakReport(leaks, ("preprocessing (fitted=)",))
    assert str(report).splitlines() == [
        "Leaks: 2 of 3 checks found something.",
        "  - shared gene, test / train: 3 of 12 rows (25.0%), such as '<b>' in 2 rows",
        "  - overlap, test / train: 1 of 10,000 windows (under 0.1%), such as that one",
        "Nothing found: overlap (bp), test / train",
        "Not checked: preprocessing (fitted=)",
    ]
    page = report._repr_html_()
    assert "<strong>Leaks: 2 of 3 checks found something.</strong>" in page
    assert "&#x27;&lt;b&gt;&#x27; in 2 rows" in page
    assert page.count("<li>") == 2
    assert str(leaks[0]) == "overlap, test / train: none of 10 bp"
    assert str(LeakReport(leaks[:1])) == "Clean: 1 check found nothing."
    assert str(leak_report(CLEAN)).splitlines() == [
        "Clean: 6 checks found nothing.",
        "Not checked: near-duplicate sequence (codes=); shared groups (groups=); preprocessing (fitted=)",
    ]


@pytest.mark.parametrize("policy", ["drop", "move"])
def test_a_homology_aware_split_is_clean_where_the_chromosome_split_is_not(policy: str) -> None:
    codes = _codes(copies=True)
    sketches = sketch_table(WINDOWS, codes)
    groups = homology_groups(WINDOWS, sketches)
    split = split_by_homology(WINDOWS, groups, ["b"], ["c"], policy=policy, sketches=sketches)  # type: ignore[arg-type]
    assert not leak_report(CLEAN, codes=codes).clean
    assert leak_report(split, codes=codes).clean
    for fold in grouped_folds(WINDOWS, groups, 3):
        assert leak_report(fold, codes=codes).clean
        assert [leak.parts for leak in leak_report(fold).leaks] == ["test / train"] * 2


def test_what_cannot_be_checked_is_refused() -> None:
    scaler, rows = StandardScaler().fit(FEATURES), _rows(40, 20)
    fit, rng = refit(scaler, FEATURES), np.random.default_rng(0)
    numbers = {"train": pd.DataFrame({"gene": [1, 2]}), "test": pd.DataFrame({"gene": ["1", "2"]})}
    for call, message in (
        (lambda: leak_report({"train": WINDOWS}), "parts has train: give two parts or more, such as train and test"),
        (lambda: leak_report({"train": WINDOWS, "test": WINDOWS[:0]}), "the test part is empty: there is nothing to compare"),
        (lambda: leak_report({"train": WINDOWS, "test": WINDOWS[["chrom"]]}), "the test part has no column 'start', only chrom"),
        (
            lambda: overlap_leaks({"train": WINDOWS, "test": table(("a", 5, 5))}),
            "region a:5-5 of test is empty: a region has start < end",
        ),
        (lambda: duplicate_leaks(CLEAN, {}), "sketches of train have shape None: give one for each of its 10 windows"),
        (lambda: leak_report(CLEAN, groups=["gene"]), "the train part has no column 'gene', only chrom, start, end"),
        (
            lambda: group_leaks(numbers, "gene"),
            "column 'gene' holds numbers in train, text in test: give it one type, or no group",
        ),
        (
            lambda: group_leaks({"train": table(("a", 0, 1)).assign(g=None), "test": numbers["test"].assign(g=None)}, "g"),
            "column 'g' is",
        ),
        (lambda: fit_leak(scaler, fit, {"train": np.arange(3)}), "rows has the parts train: give 'train' and at least one other"),
        (lambda: fit_leak(scaler, fit, {**rows, "test": np.array([], int)}), "rows has none for test: leave the part out"),
        (
            lambda: fit_leak(scaler, fit, {**rows, "test": np.arange(60)}),
            "row 0 is in both train and test, and 40 in all: give each",
        ),
        (lambda: fit_leak(StandardScaler(), fit, rows), "what was fitted holds no learned number or text: call its fit first"),
        (lambda: fit_leak(scaler, lambda _: None, rows), "what fit returned holds no learned number or text"),
        (
            lambda: fit_leak(1.0, lambda _: rng.normal(), rows),
            "fitting twice on the training rows gives two results: set random_state",
        ),
        (lambda: refit(len, FEATURES), "builtin_function_or_method cannot be copied unfitted by scikit-learn: write a function"),
    ):
        with pytest.raises(InputError, match=f"^{message}") as error:
            call()
        assert "\n" not in str(error.value)
