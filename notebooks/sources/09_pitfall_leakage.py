# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9 · Pitfall: the test set was seen before
#
# <!-- badges -->
#
# A test score means something if the test windows are new to the model. In a genome that is harder than it sounds: windows overlap their neighbours, whole stretches occur twice, and a step that ran before the split may have
# looked at every row. Each of these is a *leak*: knowledge of the test set that reaches training. How much does each of them add to a score, and how do you find it before a reviewer does?
#
# **You will learn**
#
# - why windows that overlap must not be split at random, and why a larger model suffers more;
# - when whole chromosomes are not enough, and what a homology-aware split does about it;
# - which steps may run before the split, and how a leak report checks all of this at once.
#
# **Time:** 50 minutes to read and try; runs in about two minutes. **Before this:** lessons 01 and 02.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import pyplot as plt
from sklearn import base, ensemble, feature_selection, linear_model, model_selection, neighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers.course import findings, labelled, plots
from helpers.course.exercises import check
from helpers.course.experiments import seed_numbers
from helpers.course.verdicts import effect_text, summarise
from helpers.data.datasets import load_dataset
from helpers.evaluate import classification as scores
from helpers.evaluate import leakage
from helpers.files.sequence import decode, reverse_complement, reverse_complement_codes
from helpers.prepare import homology, regions, sketches, splits

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # the answer key of what was duplicated is needed, so other data sets are skipped
profile = "quick"  # smoke, quick or full
seeds = 5  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # the models of this lesson are fitted in one go: there are no epochs to track
window = 1_000  # bp
word = 5  # length of the words that the models count
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · Windows that overlap
#
# Many data sets in genomics are made by sliding a window along the genome in steps shorter than the window. That gives more examples, and it gives each of them near twins. Here windows of `window` bp start every 250 bp, and a
# window is positive if the summit of a peak lies in it, as in lesson 02. No stretch is duplicated in this genome (repeats remain, for both splits alike), so that overlap is the leak to look at. It is small (eight chromosomes of 400 kb), to have many seeds in little time.

# %%
NO_COPIES = {"duplication_share": 0.0}
source = load_dataset(dataset, seed=first_seed, roles=["genome"])
data = labelled.small_genome(source, first_seed, NO_COPIES)
findings.record_data(data.name, data.digest)
stride = findings.conditions("F26a", world)["stride"]
here = labelled.labelled_windows(data, window, stride, word)
print(f"{len(here.table):,} windows of {window:,} bp every {stride:,} bp, {here.labels.mean():.1%} positive")

# %% [markdown]
# Now we divide them into training, validation and test, in two ways: by chromosome, and at random with parts of the same sizes.

# %%
HELD = data.manifest.splits


def by_chromosome(table):
    """Part of each window: validation and test are whole chromosomes."""
    chrom = table["chrom"]
    return np.select([chrom.isin(HELD.test), chrom.isin(HELD.validation)], ["test", "validation"], "train")


def at_random(table, seed):
    return np.random.default_rng(seed).permutation(by_chromosome(table))


# %%
parts = {"random": at_random(here.table, first_seed), "by chromosome": by_chromosome(here.table)}
helper = splits.split_by_chromosome(here.table, HELD.validation, HELD.test).parts
by_hand = here.table.groupby(parts["by chromosome"])
assert all(by_hand.get_group(part).reset_index(drop=True).equals(helper[part]) for part in helper)
pd.DataFrame({how: pd.Series(part).value_counts() for how, part in parts.items()}).loc[list(helper)]

# %% [markdown]
# The parts are of the same size, and the helper's split by chromosome is ours. Look at a few thousand base pairs of chr1 under the random split (rows are for legibility only). For one red bar, how many blue bars share bases with it?

# %%
first = here.table["start"].to_numpy()[0]
shown = (here.table["chrom"] == "chr1") & (here.table["start"] < first + 6_000)
rows = np.flatnonzero(shown)
colours = {"train": "blue", "validation": "sky", "test": "vermilion"}
figure, axis = plt.subplots(figsize=(7, 2.6))
for part, colour in colours.items():
    mine = rows[parts["random"][rows] == part]
    start = here.table["start"].to_numpy()[mine]
    axis.barh(mine % 5, window - 30, left=start, height=0.7, color=plots.PALETTE[colour], label=part)
axis.set(yticks=[], title="Split at random, a test window lies among training windows")
plots.label_positions(axis, "chr1")
figure.legend(ncols=3, loc="outside lower right", fontsize=8)
plots.show(
    figure,
    "Bars of 1,000 bp along chr1, staggered; the few red test bars lie between many blue training bars.",
)

# %% [markdown]
# Count it by hand: a test window shares a base with a training window if one starts less than a window's width away, on the same chromosome. The leak report's check should find the same number.


# %%
def touched(table, part):
    """How many test windows share a base with a training window."""
    count = 0
    for chrom in table["chrom"].unique():
        starts = {
            name: table["start"].to_numpy()[(table["chrom"] == chrom) & (part == name)]
            for name in ("train", "test")
        }
        before = np.searchsorted(starts["train"], starts["test"] - window, side="right")
        count += np.sum(np.searchsorted(starts["train"], starts["test"] + window) > before)
    return count


def tables(table, part):
    return {name: table[part == name].reset_index(drop=True) for name in ("train", "test")}


# %%
for how, part in parts.items():
    bases, windows = leakage.overlap_leaks(tables(here.table, part))
    assert windows.count == touched(here.table, part)
    print(f"{how}: {windows.count:,} of {windows.of:,} test windows share bases with a training window")

# %% [markdown]
# ## 2 · A memoriser as a detector
#
# Does it matter? To find out, use a model that can do nothing but remember: *5 nearest neighbours*. It stores the training windows, and answers with the labels of the five whose word counts are nearest, the nearest counting most. On
# truly new windows it is a poor model, so whatever it scores above that is a sign of a leak. By hand, for 200 test windows of the random split:

# %%
train, test = (here.words[parts["random"] == part] for part in ("train", "test"))
drawn = np.sort(np.random.default_rng(first_seed).permutation(len(test))[:200])
some = test[drawn]
squared = (some**2).sum(axis=1)[:, None] - 2 * some @ train.T + (train**2).sum(axis=1)
distance = np.sqrt(np.sort(squared, axis=1)[:, :5])
memoriser = neighbors.KNeighborsClassifier(5, weights="distance")
memoriser.fit(train, here.labels[parts["random"] == "train"])
assert np.allclose(memoriser.kneighbors(some)[0], distance, rtol=1e-3)

# %%
places = {part: here.table[parts["random"] == part].reset_index(drop=True) for part in ("train", "test")}
nearest = places["train"].iloc[squared.argmin(axis=1)].reset_index(drop=True)
asked = places["test"].iloc[drawn].reset_index(drop=True)
labels = {part: here.labels[parts["random"] == part] for part in places}
alike = (labels["train"][squared.argmin(axis=1)] == labels["test"][drawn]).mean()
twins = (nearest["chrom"] == asked["chrom"]) & ((nearest["start"] - asked["start"]).abs() < window)
print(f"the nearest training window overlaps the test window in {twins.mean():.0%} of {len(some)} cases")
print(f"and has the same label in {alike:.0%}")

# %% [markdown]
# The distances agree with scikit-learn's. When windows overlap, the nearest training window in *words* is nearly always one that shares bases with the test window, and it mostly has the same label.
#
# Real models can memorise too, more or less. We compare five: a logistic regression, random forests whose trees may have few, more, or any number of leaves, and the memoriser. The forests differ in nothing but their size. (All
# see the counts of five-letter words; a weaker penalty or another number of trees would change the scores, not the question.)


# %%
def forest(leaves, seed):
    return ensemble.RandomForestClassifier(50, max_leaf_nodes=leaves, n_jobs=2, random_state=seed)


def models(seed):
    regression = linear_model.LogisticRegression(C=0.01, max_iter=300)
    return {
        "logistic regression": make_pipeline(StandardScaler(), regression),
        "forest, 8 leaves": forest(8, seed),
        "forest, 64 leaves": forest(64, seed),
        "forest, any leaves": forest(None, seed),
        "5 nearest neighbours": neighbors.KNeighborsClassifier(5, weights="distance"),
    }


# %%
def fit_and_score(model, windows, train, test):
    """auPRC of a model, trained and tested on the given rows."""
    model.fit(windows.words[train], windows.labels[train])
    return scores.auprc(windows.labels[test], model.predict_proba(windows.words[test])[:, 1])


def both_splits(seed, stride):
    """A row for each model and split, on a seed's own genome."""
    genome = labelled.small_genome(source, seed, NO_COPIES)
    windows = labelled.labelled_windows(genome, window, stride, word)
    rows = []
    parts = {"random": at_random(windows.table, seed), "by chromosome": by_chromosome(windows.table)}
    for split, part in parts.items():
        for name, model in models(seed).items():
            score = fit_and_score(model, windows, part == "train", part == "test")
            rows.append({"seed": seed, "model": name, "split": split, "auPRC": score})
        guess = windows.labels[part == "test"].mean()
        rows.append({"seed": seed, "model": "a guess", "split": split, "auPRC": guess})
    return rows


# %%
numbers = seed_numbers(profile, seeds, first_seed)
overlapping = pd.DataFrame([row for seed in numbers for row in both_splits(seed, stride)])
assert findings.conditions("F26b", world)["stride"] == stride  # one experiment serves both findings
print(f"{len(numbers)} genomes x {overlapping['model'].nunique() - 1} models and a guess x 2 splits")

# %% [markdown]
# Each dot is a genome, each bar a mean. Compare the two colours within a row, then the rows with one another: which model is best, by the random split? And by chromosome?

# %%
looks = {"random": "vermilion", "by chromosome": "blue"}
figure, axis = plt.subplots(figsize=(7, 3.2))
for split, colour in looks.items():
    chosen = overlapping[overlapping["split"] == split]
    named = dict.fromkeys(chosen["model"], plots.PALETTE[colour])
    plots.every_condition(chosen, "model", "auPRC", axis=axis, colours=named)
    axis.plot([], [], "o", color=plots.PALETTE[colour], label=split)
axis.set(xlabel="auPRC on the test windows", title="The split decides which model looks best")
axis.legend(title="split", loc="lower center", fontsize=8)
plots.show(
    figure,
    "auPRC of five models: random splits to the right of chromosome splits, most for the memoriser, least for the smallest forest.",
)

# %% tags=["nbval-ignore-output"]
wide = overlapping.pivot_table(index=["model", "seed"], columns="split", values="auPRC", sort=False)
wide["flattery"] = wide["random"] - wide["by chromosome"]
wide.groupby("model", sort=False).mean().round(2)

# %% [markdown]
# *Flattery* is what the random split adds. (The two test sets hold different windows, and the auPRC of a guess is the share of positives among them. The last row shows that it is alike on average, so the flattery does not come from there.) Two statements are tested: that it is there for a common model, the largest forest; and that it grows with the size of the model, from the smallest forest to the largest.

# %% tags=["nbval-ignore-output"]
flattery = wide.reset_index().pivot_table(index="seed", columns="model", values="flattery")
display(findings.record("F26a", flattery["forest, any leaves"], dataset=data))
findings.record("F26b", flattery["forest, any leaves"] - flattery["forest, 8 leaves"], dataset=data)

# %% [markdown]
# The order of the models is the worst of it. Whoever chooses a model by the random split chooses the one that remembers best.
#
# <div class="alert alert-warning"><b>Caution.</b> A random split is not wrong in itself. If windows do not overlap, and nothing else ties them together, it may do little harm. In the null world of this finding (<a href="nulls.md">nulls.md</a>) the windows lie side by side: there no harm was shown, nor was it ruled out.
# But "do not overlap" must hold for everything that a model reads. If jitter or flanks widen the window, the wider one counts.</div>
#
# ## 3 · When whole chromosomes are not enough
#
# Split by chromosome, then? Genomes copy themselves. A *segmental duplication* is a stretch of many kilobases that occurs twice, often on two chromosomes, and the copy brings its regulatory elements along. Here is a genome in which
# copies make up 18 %, and with their origins about a third of the genome is duplicated (some five times the human share, which counts both, to see the effect clearly), and all of them land on another chromosome, because copies on the same one cannot cross the split. Windows lie side by side.

# %%
COPIES = {"chromosome_length": 800_000, "duplication_elsewhere": 1.0}
share = findings.conditions("F27a", "default")["duplication_share"]
copied_genome = labelled.small_genome(source, first_seed, {**COPIES, "duplication_share": share})
copied = labelled.labelled_windows(copied_genome, window, window, word)
copied.copies[: len(copied.copies) // 2].head(4)

# %% [markdown]
# The answer key says which stretch was copied from where. How could we know without it? By the words of 16 letters that two stretches share: few such words occur twice by chance. The *Jaccard index* is the number of words in both,
# divided by the number in either. By hand for the first copy, and with the helper, which does not compare all words but a *sketch* of each stretch: the smallest of their hash values in each of many bins.


# %%
def words_in(codes, k=16):
    """All words of k letters, each as the first of itself and its reverse complement in the alphabet."""
    letters = decode(codes)
    found = (letters[start : start + k] for start in range(len(letters) - k + 1))
    return {min(each, reverse_complement(each)) for each in found}


one = copied.copies.iloc[0]
stretch = copied.codes[one["chrom"]][one["start"] : one["end"]]
origin = copied.codes[one["other_chrom"]][one["other_start"] : one["other_end"]]
sets = words_in(stretch), words_in(origin)
index = len(sets[0] & sets[1]) / len(sets[0] | sets[1])

# %%
size = 2_048  # bins; windows are compared with 64 below
pair = sketches.sketch_windows(np.stack([stretch, origin]), size=size)
estimate = float(sketches.jaccard_estimate(pair[0], pair[1]))
assert abs(estimate - index) < 0.05
print(f"Jaccard index of the copy and its origin: {index:.2f} by hand, {estimate:.2f} from sketches")

# %% [markdown]
# A few bases in a hundred differ, and each spoils up to 16 words, so even a recent copy is far from 1. Now all windows: does a test window have a similar one among the training windows? The threshold is the helper's default. It was chosen
# for windows that a copy covers by half. Compare the sketches, which read sequence alone, with the answer key:

# %%
part = by_chromosome(copied.table)
sketched = homology.sketch_table(copied.table, copied.codes)
partners = homology.similar_partners(sketched[part == "test"], sketched[part == "train"])
alike = np.isin(np.arange(np.sum(part == "test")), partners["first"])
training_chromosomes = copied.table["chrom"][part == "train"].unique()
in_key = copied.copied_on(training_chromosomes)[part == "test"]
pd.crosstab(
    pd.Series(in_key, name="copied, by the answer key"), pd.Series(alike, name="similar, by sketches")
)

# %% [markdown]
# Sketches find most of what was copied, and nothing else. What do they miss?

# %%
whole = regions.merge(copied.copies[["chrom", "start", "end"]])
covered = regions.covered_bases(tables(copied.table, part)["test"], whole)[in_key & ~alike]
print(f"of {len(covered)} windows missed, {np.sum(covered < window / 2)} were copied by less than half")

# %% [markdown]
# Mostly windows at the end of a copy, then. A good part of the test chromosome is not new.
#
# The remedy is to group windows that are alike, directly or through others, and never to divide a group. `split_by_homology` gives a group that has a window on the test chromosome to the test part, and here *drops* its windows
# elsewhere. So the test windows stay the same, and scores can be compared.

# %%
groups = homology.homology_groups(copied.table, sketched)
aware = homology.split_by_homology(copied.table, groups, HELD.validation, HELD.test, sketches=sketched)
assert aware.test.equals(tables(copied.table, part)["test"])
kept = pd.Series({name: len(table) for name, table in aware.parts.items()}, name="homology-aware")
pd.DataFrame({"by chromosome": pd.Series(part).value_counts().loc[kept.index], "homology-aware": kept})

# %% [markdown]
# The experiment asks the memoriser, three times on the same test windows:
#
# - **split by chromosome**: trained on all windows of the training chromosomes;
# - **homology-aware split**: without those that sketches connect to a held-out window;
# - **answer key**: without those that were copied from or to a held-out chromosome. This is what no leak looks like.
#
# Fewer training windows make a model worse, too. So all three are cut, at random, to the size of the smallest.


# %%
def training_rows(windows, threshold):
    """Rows to train on, in three ways."""
    table = windows.table.assign(row=np.arange(len(windows.table)))
    train = by_chromosome(table) == "train"
    sketched = homology.sketch_table(table, windows.codes)
    groups = homology.homology_groups(table, sketched, threshold)
    held = (HELD.validation, HELD.test)
    split = homology.split_by_homology(table, groups, *held, sketches=sketched, threshold=threshold)
    return {
        "split by chromosome": np.flatnonzero(train),
        "homology-aware split": split.train["row"].to_numpy(),
        "answer key": np.flatnonzero(train & ~windows.copied_on([*HELD.validation, *HELD.test])),
    }


# %%
def auprc_in(labels, said, chosen):
    return scores.auprc(labels[chosen], said[chosen]) if labels[chosen].any() else np.nan


def three_ways(seed, duplication_share=share, threshold=homology.THRESHOLD):
    """Scores of the memoriser on a seed's own genome; a row for each way to train."""
    genome = labelled.small_genome(source, seed, {**COPIES, "duplication_share": duplication_share})
    windows = labelled.labelled_windows(genome, window, window, word)
    ways, test = training_rows(windows, threshold), by_chromosome(windows.table) == "test"
    fewest, labels = min(map(len, ways.values())), windows.labels[test]
    doubled = windows.copied_on(windows.table["chrom"][~test].unique())[test]
    rows = []
    for name, train in ways.items():
        cut = np.random.default_rng(seed).permutation(train)[:fewest]
        model = neighbors.KNeighborsClassifier(5, weights="distance")
        said = model.fit(windows.words[cut], windows.labels[cut]).predict_proba(windows.words[test])[:, 1]
        where = {"all": np.full(len(labels), True), "copied": doubled, "not copied": ~doubled}
        found = {place: auprc_in(labels, said, chosen) for place, chosen in where.items()}
        rows.append({"seed": seed, "training": name, "windows": fewest, **found})
    return rows


# %%
def copies_experiment(finding_id):
    """Scores of all seeds under the conditions of a finding: the test windows of one seed in a row."""
    chosen = findings.conditions(finding_id, world)
    key = tuple({"duplication_share": share, "threshold": homology.THRESHOLD, **chosen}.values())
    if key not in done:
        done[key] = pd.DataFrame([row for seed in numbers for row in three_ways(seed, *key)])
    return done[key]


done: dict[tuple, pd.DataFrame] = {}
ways = copies_experiment("F27a")
print(f"{len(numbers)} genomes x {ways['training'].nunique()} training sets of equal size")

# %% [markdown]
# On the left, test windows that were copied from or to another chromosome; on the right, the rest. If it is the copies that leak, only the left panel may show a difference. Compare rows, not panels: copied windows hold fewer peaks (in this simulation no element lies across the edge of a copied stretch), so a guess scores less there.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.6), sharex=True, sharey=True)
colours = {"split by chromosome": plots.PALETTE["vermilion"], "answer key": plots.PALETTE["black"]}
for axis, place in zip(axes, ("copied", "not copied"), strict=True):
    plots.every_condition(ways, "training", place, axis=axis, colours=colours)
    axis.set(xlabel="auPRC of 5 nearest neighbours", title=f"Test windows {place}")
plots.show(
    figure,
    "In copied windows the split by chromosome scores above the other two rows; elsewhere the three are alike.",
)

# %% tags=["nbval-ignore-output"]
ways.groupby("training", sort=False)[["all", "copied", "not copied"]].mean().round(2)

# %% [markdown]
# Both findings are about *all* test windows, copied or not, since that is what a paper reports. The first compares the split by chromosome with the answer key. The second asks how much of that is left after a homology-aware split.

# %% tags=["nbval-ignore-output"]
leak = copies_experiment("F27a").pivot_table(index="seed", columns="training", values="all")
left = copies_experiment("F27b").pivot_table(index="seed", columns="training", values="all")
display(findings.record("F27a", leak["split by chromosome"] - leak["answer key"], dataset=data))
findings.record("F27b", left["homology-aware split"] - left["answer key"], dataset=data)

# %% [markdown]
# Windows that were never copied dilute the leak. Among the copied ones alone, the split by chromosome adds:

# %% tags=["nbval-ignore-output"]
inside = ways.pivot_table(index="seed", columns="training", values="copied", dropna=False)
added = summarise((inside["split by chromosome"] - inside["answer key"]).fillna(0.0))
print(f"auPRC in copied test windows: {effect_text(*added[:3])} (95 % interval over {added.seeds} seeds)")

# %% [markdown]
# So the answer depends on the question. A score on a whole chromosome changes with the share of it that was copied; on the copied windows alone it changed much more. And the homology-aware split closes the leak within the margin, not to nothing: windows that were copied by less than half, which the sketches miss, may be why.
#
# <div class="alert alert-warning"><b>Caution.</b> How much a copy adds depends on how much of the genome is copied, and on the model: a memoriser is a detector, not a typical model. And related sequence is not always a leak. If you mean to apply
# the model to duplicated genes, they belong in the test. Say which question the split asks, and report the score with and without.</div>
#
# ## 4 · Steps that ran before the split
#
# The third way to leak needs no sequence at all. Take 100 samples with 5,000 features, all of it noise, and labels that are dealt out at random, half of them 1. There is nothing to find: an honest auROC is 0.5. Now do what
# looks harmless: keep the 20 features that differ most between the classes, *then* cross-validate. By hand, "differ most" is a t statistic, and its square is the F statistic that scikit-learn ranks by.

# %%
SAMPLES, FEATURES, KEPT = 100, 5_000, 20


def noise(seed):
    """Features of pure noise, and labels that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(SAMPLES, FEATURES)), rng.permutation(np.repeat([0, 1], SAMPLES // 2))


features, labels = noise(first_seed)
classes = features[labels == 0], features[labels == 1]
error = np.sqrt(sum(each.var(axis=0, ddof=1) / len(each) for each in classes))
t = (classes[1].mean(axis=0) - classes[0].mean(axis=0)) / error
selector = feature_selection.SelectKBest(feature_selection.f_classif, k=KEPT).fit(features, labels)
assert np.allclose(t**2, selector.scores_)
assert set(np.argsort(-np.abs(t))[:KEPT]) == set(np.flatnonzero(selector.get_support()))
print(f"the {KEPT} features kept of {FEATURES:,} have |t| of at least {np.sort(np.abs(t))[-KEPT]:.1f}")

# %% [markdown]
# In a single test such a t would be convincing. Among thousands of features some reach it by luck, and this luck was found with the help of *all* labels, those of the later test samples included.
#
# The control is a step that also runs before the split but reads no label: scaling each feature to a standard deviation of 1. Is that a leak, too? Formally yes: the test samples take part in the mean and the standard deviation. We shall see what it is worth.
# For the null world of the control we need a scaler that does read labels:


# %%
class LabelScaler(base.TransformerMixin, base.BaseEstimator):
    """Scale each feature by how strongly it goes with the label (its F statistic)."""

    def fit(self, features, labels):
        self.scale_ = feature_selection.f_classif(features, labels)[0]
        return self

    def transform(self, features):
        return features * self.scale_


STEPS = {
    "selection": feature_selection.SelectKBest(feature_selection.f_classif, k=KEPT),
    "standard deviation": StandardScaler(),
    "association with the label": LabelScaler(),
}
PLACES = ("before the split", "within each training fold")


# %%
def validated(step, place, seed):
    """Mean auROC over five folds of a logistic regression on noise, with a step fitted on all rows or on training rows."""
    features, labels = noise(seed)
    model = linear_model.LogisticRegression(max_iter=300)
    if place == "before the split":
        features = base.clone(step).fit_transform(features, labels)
    else:
        model = make_pipeline(base.clone(step), model)
    folds = model_selection.StratifiedKFold(5, shuffle=True, random_state=seed)
    return model_selection.cross_val_score(model, features, labels, cv=folds, scoring="roc_auc").mean()


# %% [markdown]
# That is the whole difference: fitted before, or a part of the pipeline that each fold fits anew. A seed costs little here, so there are twice as many.

# %%
chance = seed_numbers(profile, 2 * seeds, first_seed)
scale_by = findings.conditions("F28b", world)["scale_by"]
rows = []
for seed in chance:
    for name, step in {"selection": "selection", "scaling": scale_by}.items():
        for place in PLACES:
            score = validated(STEPS[step], place, seed)
            rows.append({"seed": seed, "step": name, "place": place, "auROC": score})
steps = pd.DataFrame(rows).assign(condition=lambda table: table["step"] + ",\n" + table["place"])

# %%
figure, axis = plt.subplots(figsize=(7, 3))
colours = {"selection,\nbefore the split": plots.PALETTE["vermilion"]}
plots.every_condition(steps, "condition", "auROC", axis=axis, colours=colours)
axis.axvline(0.5, linestyle="--", color=plots.PALETTE["black"], linewidth=1)
axis.set(
    xlabel="cross-validated auROC on random labels", xlim=(0.2, 1.02), title="Only one order finds a signal"
)
plots.show(
    figure, "Selection before the split lies far above the dashed line at 0.5; the three others lie about it."
)

# %% tags=["nbval-ignore-output"]
steps.groupby(["step", "place"], sort=False)["auROC"].agg(["mean", "min", "max"]).round(2)

# %% tags=["nbval-ignore-output"]
select = findings.conditions("F28a", world)["select"]
table = steps.pivot_table(index="seed", columns=["step", "place"], values="auROC")
display(findings.record("F28a", table["selection"][select] - 0.5, dataset=data))
findings.record("F28b", table["scaling"][PLACES[0]] - table["scaling"][PLACES[1]], dataset=data)

# %% [markdown]
# What counted here was whether the step reads the labels of test samples. Look at the two rows of scaling: dot by dot they are nearly the same. (Both have a mean slightly under 0.5. That is chance: they share the same ten sets of noise.)
#
# <div class="alert alert-warning"><b>Caution.</b> That scaling did nothing here does not make it right. A scaler, a principal component or a normalisation that is fitted on all samples carries whatever sets the test samples apart, such as a batch
# (lesson 12). A pipeline costs little, and keeps every fitted step on the training side. It cannot mend a wrong split.</div>
#
# ## 5 · The leak report
#
# `leak_report` looks for all of this at once. First the homology-aware split of section 3, with the donor of each window noted, as if training and test came from different people:

# %%
train, test = aware.train.copy(), aware.test.copy()
train["donor"] = np.array(["donor 1", "donor 2", "donor 3"])[np.arange(len(train)) % 3]
test["donor"] = "donor 4"
report = leakage.leak_report({"train": train, "test": test}, codes=copied.codes, groups="donor")
assert report.clean
report

# %% [markdown]
# Nothing was found, and the report says what it did not look at. Now we plant four leaks, and know how large each is: 25 test windows are listed in training as well; the sequence of 15 others is written, from the other strand, over as many training
# windows; 12 test windows are said to come from a training donor; and a scaler is fitted on all rows.

# %%
rng = np.random.default_rng(first_seed)
picked, over = rng.permutation(len(test))[:52], rng.permutation(len(train))[:15]
twice, rewritten, swapped = np.split(picked, [25, 40])
codes = {chrom: array.copy() for chrom, array in copied.codes.items()}
for theirs, ours in zip(test.iloc[rewritten].itertuples(), train.iloc[over].itertuples(), strict=True):
    codes[ours.chrom][ours.start : ours.end] = reverse_complement_codes(
        codes[theirs.chrom][theirs.start : theirs.end]
    )
planted = {"train": pd.concat([train, test.iloc[twice].assign(donor="donor 1")], ignore_index=True)}
planted["test"] = test.assign(donor=np.where(np.isin(np.arange(len(test)), swapped), "donor 2", "donor 4"))

# %%
everything = copied.words.astype(float)
positions = {name: np.flatnonzero(part == name) for name in ("train", "test")}
scaler = StandardScaler().fit(everything[np.isin(part, list(positions))])
fitted = leakage.fit_leak(scaler, leakage.refit(scaler, everything), positions)
report = leakage.leak_report(planted, codes=codes, groups="donor", fitted=[fitted])
report

# %%
found = report.table[report.table["unit"].isin(["windows", "rows"])].set_index("what")
found.assign(planted=[25, 25 + 15, 12])[["planted", "count", "of"]]

# %% [markdown]
# All four were found, the fitted step in the report's last line. Windows that are listed twice count as near-duplicates too, which they are; compare the middle row with that in mind. The preprocessing line comes from fitting the step once more on training rows only and comparing what it has
# learned: it names the rows that explain the values at hand. The report cannot know about a leak that is not in these tables, such as a model that was pre-trained on the test chromosome.
#
# ## Exercises
#
# **1.** Windows of 1,000 bp start every 250 bp, and each is given to training with a probability of 0.5. What is the probability that a test window in the middle of a chromosome shares at least one base with a training window?

# %% tags=["exercise"]
probability = ...

# %% tags=["check"]
hint = "Which starts are less than 1,000 bp away? There are some to either side. When does none of them go to training?"
check(probability, lambda value: abs(value - (1 - 0.5**6)) < 0.001, hint)

# %% tags=["solution"]
probability = 1 - 0.5**6  # starts at 250, 500 and 750 bp to either side
check(probability, lambda value: abs(value - (1 - 0.5**6)) < 0.001, "")

# %% [markdown]
# **2.** A compromise between the two splits: cut chromosomes into blocks of 20 kb (0 to 20,000, 20,000 to 40,000, ...) and give whole blocks to training or test at random. Windows that lie across the end of a block would leak. Say which windows of
# `here.table` can be `kept`: a bool for each.

# %% tags=["exercise"]
kept = ...

# %% tags=["check"]
inside = here.table["start"] // 20_000 == (here.table["end"] - 1) // 20_000
hint = "In which block is the first base of a window, and in which the last? The last base is at `end` - 1."
check(kept, lambda answer: np.array_equal(np.asarray(answer), inside), hint)

# %% tags=["solution"]
kept = here.table["start"] // 20_000 == (here.table["end"] - 1) // 20_000
check(kept, lambda answer: np.array_equal(np.asarray(answer), inside), "")

# %% [markdown]
# **3.** Two selectors were handed to you without a word about how they were fitted. Rows 0 to 79 of `features` are training, the rest is test. Use `leakage.fit_leak` to find out which of the two has seen test rows: answer "first" or "second".

# %%
fitted_on = dict(
    zip(("first", "second"), np.random.default_rng(first_seed).permutation([80, 100]), strict=True)
)
suspects = {
    name: base.clone(STEPS["selection"]).fit(features[:last], labels[:last])
    for name, last in fitted_on.items()
}
print(f"{len(suspects)} selectors, each keeps {KEPT} of {FEATURES:,} features")

# %% tags=["exercise"]
seen_test_rows = ...

# %% tags=["check"]
hint = "fit_leak takes the fitted selector, leakage.refit(selector, features, labels), and the rows of each part."
check(seen_test_rows, lambda answer: fitted_on[answer] == 100, hint)

# %% tags=["solution"]
split_rows = {"train": np.arange(80), "test": np.arange(80, 100)}
verdicts = {
    name: leakage.fit_leak(step, leakage.refit(step, features, labels), split_rows)
    for name, step in suspects.items()
}
seen_test_rows = max(verdicts, key=lambda name: verdicts[name].count)
check(seen_test_rows, lambda answer: fitted_on[answer] == 100, "")

# %% [markdown]
# ## Key points
#
# - Split before anything else, by the unit that must be new: a chromosome, a donor, a family of related sequence. Not by window.
# - Windows that overlap leak through a random split, and the leak rewards the model that remembers best.
# - Whole chromosomes do not separate copies of one sequence. Compare sequence, group what is alike, and never divide a group.
# - Every fitted step belongs in the pipeline, above all one that reads labels.
# - A memoriser that scores well is a warning; a leak report says where to look.
#
# ## Further reading
#
# - Whalen et al. 2022, pitfalls of machine learning in genomics: [doi:10.1038/s41576-021-00434-9](https://doi.org/10.1038/s41576-021-00434-9)
# - Ambroise & McLachlan 2002, selection bias in gene extraction: [doi:10.1073/pnas.102102699](https://doi.org/10.1073/pnas.102102699)
# - Klie et al. 2023, EUGENe, with homology-aware splitting among its steps: [doi:10.1038/s43588-023-00544-w](https://doi.org/10.1038/s43588-023-00544-w)
# - Ondov et al. 2016, sketches of genomes (Mash): [doi:10.1186/s13059-016-0997-x](https://doi.org/10.1186/s13059-016-0997-x)
