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
# # 11 · Sequencing depth: when the number of reads is the signal
#
# <!-- badges -->
#
# How many fragments a library holds is decided by a budget, not by a cell. Yet it multiplies every count that we give to a model. If one group of samples was sequenced more deeply than the other, a
# model can tell the groups apart without any biology. And if a model meets a library of another depth than it was trained on, what are its numbers worth? We test both, and three
# remedies: down-sampling, scaling, and the arcsinh transform.
#
# **You will learn**
#
# - how depth that follows the class misleads a model, and why cross-validation does not notice;
# - what down-sampling and counts per million repair, and what scaling leaves behind;
# - what the arcsinh transform does to a difference of depth, and what it does not.
#
# **Time:** 40 minutes to read and try; runs in about a minute. **Before this:** lesson 01.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import dataclasses
import functools

import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import pyplot as plt
from sklearn import linear_model, model_selection, pipeline, preprocessing
from threadpoolctl import threadpool_limits

from helpers.course import findings, plots
from helpers.course.exercises import check
from helpers.course.experiments import SMALL_GENOME, only_simulated, seed_numbers
from helpers.data import simulation
from helpers.data.datasets import load_dataset
from helpers.evaluate import classification as scores
from helpers.prepare import depth
from helpers.prepare.signal import arcsinh

threadpool_limits(1)  # hundreds of tiny fits: threads would only wait for each other
plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # this lesson needs a simulation: it draws hundreds of libraries of one genome
profile = "quick"  # smoke, quick or full
seeds = 10  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # the models of this lesson are fitted in one go: there are no epochs to track
window = 1_000  # bp in which fragments are counted
group = 40  # training libraries of each class
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · One sample, sequenced twice
#
# A library is a bag of DNA fragments, and sequencing draws from it. The *depth* is how many are drawn. Twice as many draws give about twice the count everywhere: where DNA is open, and where it is
# not. We simulate a small genome with two cell types, A and B, as lesson 00 describes it (without artefact towers, which are lesson 01's), and draw one library of A at full depth, and one at a fifth of it.

# %%
data = load_dataset(dataset, seed=first_seed, roles=["genome"])
only_simulated(data, "it draws hundreds of libraries of one genome, at depths that it chooses")
findings.record_data(data.name, data.digest)
OWN = {**SMALL_GENOME, "n_cell_types": 2, "artefacts_per_mb": 0.0}


@functools.cache
def genome_of(seed):
    """A small simulated genome, in memory."""
    settings = {**data.manifest.simulation.settings, **OWN}
    return simulation.make_world(simulation.SimulationSettings().replace(**settings), seed)


genome = genome_of(first_seed)
full = genome.settings.depth  # fragments per bp
deep = simulation.sample_library(genome, "A", depth=full, batch=0, rng=1)
shallow = simulation.sample_library(genome, "A", depth=full / 5, batch=0, rng=2)
print(f"{len(deep):,} fragments at full depth, {len(shallow):,} at a fifth")

# %% [markdown]
# To *down-sample* is to draw some of the fragments of the deep library without replacement. By hand, and with the helper:

# %%
rng = np.random.default_rng(first_seed)
drawn = np.sort(rng.choice(len(deep), len(shallow), replace=False, shuffle=False))
by_hand = deep.iloc[drawn].reset_index(drop=True)
down_sampled = depth.downsample_fragments(deep, len(shallow), rng=first_seed)
assert by_hand.equals(down_sampled)
print(f"{len(down_sampled):,} fragments drawn, by hand and by the helper alike")

# %% [markdown]
# Now count. A fragment belongs to the window of `window` bp that its middle lies in. There is no selection of peaks here: which peaks are called depends on depth itself (lesson 01), so a list of peaks
# would bring the trouble back in.


# %%
def window_counts(fragments):
    """Fragments in each window of the genome, chromosome after chromosome."""
    number = fragments["chrom"].map({name: i for i, name in enumerate(genome.chromosomes)})
    middle = fragments["start"] + (fragments["end"] - fragments["start"]) // 2
    places = (number * genome.settings.chromosome_length + middle) // window
    return np.bincount(places, minlength=len(genome.flat) // window)


def window_rates(genome, assay="atac", cell_type="A", at=1.0):
    """Expected fragments in each window, at a share of the full depth."""
    rates = simulation.fragment_rates(genome, cell_type, assay, depth=at * genome.settings.depth, batch=0)
    return sum(rates).reshape(-1, window // genome.settings.signal_resolution).sum(axis=1)


# %%
libraries = {
    "sequenced at full depth": window_counts(deep),
    "sequenced at a fifth": window_counts(shallow),
    "down-sampled to a fifth": window_counts(down_sampled),
    "scaled to a fifth": depth.scale_to_total(window_counts(deep), len(shallow)),
}
rows = [plots.SignalRow(name, values[:100], window, "fragments") for name, values in libraries.items()]
chrom = genome.chromosomes[0]
figure = plots.genome_browser(
    chrom, 0, 100 * window, rows, "Down-sampled looks like shallow, scaled does not"
)
alt = "Counts along 100 kb. The shallow and the down-sampled library are ragged; the scaled one keeps the shape of the deep one."
plots.show(figure, alt)

# %% [markdown]
# All three lower rows have the same mean. They differ in their noise. A count is a draw from a Poisson law: its variance equals its mean. So compare each library with the rate that it was drawn from, which
# a simulation knows: the mean of (count - rate)² / rate should be 1. The last row draws counts straight from the rates, without making fragments. It must agree, because we do so from here on.

# %%
rate = window_rates(genome)
libraries["counts drawn at a fifth"] = np.random.default_rng(first_seed).poisson(rate / 5)
rows = {}
for name, counts in libraries.items():
    expected = np.where(rate > 0, rate * (1 if "full" in name else 0.2), np.nan)
    noise = np.nanmean((counts - expected) ** 2 / expected)
    rows[name] = {"mean": counts.mean(), "noise / Poisson noise": noise, "empty windows": np.sum(counts == 0)}
pd.DataFrame(rows).T.round({"mean": 2, "noise / Poisson noise": 2}).astype({"empty windows": int})

# %% [markdown]
# Within what chance allows here, a tenth or so, a down-sampled library is as noisy as a shallow one; a scaled library has the right mean and a fifth of the noise. (Windows in gaps are empty at any depth.) The difference is visible to a model, as we
# shall see.
#
# ## 2 · Depth that follows the class
#
# Suppose you compare patients with controls. There is a real difference: in patients, a tenth of the cells are of type B. Each donor also differs from all others by chance. Now suppose that the
# patients came first and were sequenced in a deep run, and that the controls came later, when the budget was smaller, at 0.4 of the depth. So depth is a *confounder*: it goes with the class, and it changes
# the features.
#
# A tenth is the least of the shares 2.5, 5, 10, 15 and 20 % at which, with libraries *equally deep* and on other genomes than those below, cross-validation reached an auROC of 0.95: a difference that is small,
# but can be learned.

# %%
SHARE_OF_B, DONOR_SD = 0.1, 0.2


def draw(genome, classes, depths, rng):
    """Counts, shape (windows, libraries), of donors of class 0 or 1 that were sequenced at a share of the full depth."""
    a, b = (window_rates(genome, cell_type=name)[:, None] for name in "AB")
    rates = a + SHARE_OF_B * np.broadcast_to(classes, np.shape(depths)) * (b - a)  # a donor a library
    donors = np.exp(rng.normal(-(DONOR_SD**2) / 2, DONOR_SD, rates.shape))
    return rng.poisson(rates * donors * depths)


def design(libraries_each, follows):
    """Class of each library, and whether it comes from the deep run: so for a share `follows` of the patients."""
    classes, place = np.divmod(np.arange(2 * libraries_each), libraries_each)
    first = place < round(follows * libraries_each)
    return classes, first == (classes == 1)


# %%
runs = {"training": design(group, 0.95), "test": design(100, 0.5)}
table = [
    {
        "part": part,
        "class": ("control", "patient")[c],
        "deep run": int(d[y == c].sum()),
        "shallow run": int((~d)[y == c].sum()),
    }
    for part, (y, d) in runs.items()
    for c in (0, 1)
]
pd.DataFrame(table).set_index(["part", "class"])

# %% [markdown]
# In the test set, depth says nothing of the class. What will a model do that was trained above, and what will its owner believe? We give the counts to a logistic regression in four ways:
#
# - **counts** as they are;
# - **arcsinh** of the counts;
# - **CPM**, counts per million: each library is divided by its size;
# - **down-sampled**: every library thinned to the size of the shallowest, in training or test. (That reads totals, no labels.)
#
# Thinning the counts of windows that cover the whole genome is the same as drawing fragments. As a control, a fifth model gets counts as they are, from training runs in which depth does *not* follow the class.


# %%
def treated(counts, how, total, rng):
    """Features, shape (libraries, windows)."""
    if how.startswith("down-sampled"):
        counts = depth.thin_to_total(counts, total, rng)
    if how.startswith("CPM"):
        counts = depth.counts_per_million(counts)
    return (arcsinh(counts.astype(float)) if how.endswith("arcsinh") else counts).T


def classifier():
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=1_000)
    )


# %%
def class_scores(seed, how, follows, shallow_share):
    """What cross-validation in the training set says, and what a test set says in which depth and class are unrelated."""
    genome, rng = genome_of(seed), np.random.default_rng(seed)
    (classes, first), (test_classes, test_first) = design(group, follows), design(100, 0.5)
    train = draw(genome, classes, np.where(first, 1, shallow_share), rng)
    test = draw(genome, test_classes, np.where(test_first, 1, shallow_share), rng)
    total = int(min(train.sum(axis=0).min(), test.sum(axis=0).min()))
    features, test_features = (treated(part, how, total, rng) for part in (train, test))
    folds = model_selection.StratifiedKFold(5, shuffle=True, random_state=seed)
    inside = model_selection.cross_val_predict(
        classifier(), features, classes, cv=folds, method="decision_function"
    )
    score = classifier().fit(features, classes).decision_function(test_features)
    says = {"cross-validation": scores.auroc(classes, inside), "test": scores.auroc(test_classes, score)}
    return {"seed": seed, "model": how, **says, "depth": scores.auroc(test_first, score)}


# %%
def experiment(finding_id):
    """The table of all seeds under the conditions of a finding."""
    key = tuple(findings.conditions(finding_id, world)[name] for name in ("follows", "shallow_share"))
    if key not in done:
        ways = ("counts", "arcsinh", "CPM", "down-sampled")
        done[key] = pd.DataFrame([class_scores(seed, how, *key) for how in ways for seed in numbers])
    return done[key]


done: dict[tuple, pd.DataFrame] = {}
numbers = seed_numbers(profile, seeds, first_seed)
unrelated = pd.DataFrame([class_scores(seed, "counts", 0.5, 0.4) for seed in numbers])
results = experiment("F33a")
shown = pd.concat([unrelated.assign(model="counts, unrelated"), results])

# %% [markdown]
# Three columns, all auROC. *Cross-validation*: how well the class is told inside the training set. *Test*: how well it is told where depth is unrelated. *Depth*: how well the same score tells deep from shallow test
# libraries; 0.5 is what it should be.

# %% tags=["nbval-ignore-output"]
shown.groupby("model", sort=False).mean().drop(columns="seed").round(2)

# %%
figure, axes = plt.subplots(1, 3, figsize=(7, 2.8), sharey=True)
colours = {"counts, unrelated": plots.PALETTE["black"]}
titles = ("In training all look good ...", "... in the test they differ", "What the score follows")
labels = ("auROC of the class,\ncross-validated", "auROC of the class,\ntest", "auROC of depth,\ntest")
for axis, column, title, label in zip(
    axes, ("cross-validation", "test", "depth"), titles, labels, strict=True
):
    plots.every_condition(shown, "model", column, axis=axis, colours=colours)
    axis.axvline(0.5, linestyle="--", color="0.6", linewidth=1)
    axis.set(xlabel=label, xlim=(-0.03, 1.03))
    axis.set_title(title, fontsize=9)
alt = "Three panels of five rows: auROC of the class in cross-validation, in the test set, and auROC of depth. Every seed is a dot."
plots.show(figure, alt)

# %% [markdown]
# The first row is the control: depth varied in training, but was no help in guessing the class, and the model does not use it. The second row was trained where depth follows the class. Cross-validation looks fine. In
# the test set the same model is much worse, and its score ranks libraries by their depth. The arcsinh transform changes little of that. CPM and down-sampling both bring the class back to where the control is, and leave the score
# near chance for depth. So for a *linear* model, the mean is what matters here, and scaling is enough. Section 4 and exercise 3 show where it is not.

# %% tags=["nbval-ignore-output"]
by_way = experiment("F33b").pivot_table(index="seed", columns="model", values="test")
display(
    findings.record(
        "F33a", results[results["model"] == "counts"].set_index("seed")["depth"] - 0.5, dataset=data
    )
)
display(findings.record("F33b", by_way["down-sampled"] - by_way["counts"], dataset=data))

# %% [markdown]
# <div class="alert alert-warning"><b>Caution.</b> Cross-validation asks how well a model does on more libraries <i>of the same study</i>. Depth follows the class there too, so using depth pays. No number of folds helps. A
# table of depth by class warns of the error; data in which the two are unrelated measure it; and a design in which cases and controls share each run is the safe way out. Down-sampling mends depth because we know exactly what depth does. A batch
# that differs in other ways (lesson 12) is not mended so.</div>
#
# ## 3 · Train at one depth, predict at another
#
# Now a model of the signal itself. It predicts how many fragments a window holds from what a reference library of the same cells holds there. Depth is what we test, so the model is as simple as can be: a linear
# regression with one input, trained on all chromosomes but the last. (We chose the input by one rule: a model must be right at its *own* depth, or it says nothing about another. On other genomes, with a
# library of another assay of open chromatin as input, the slope was not reliably 1 even at equal depth.) Then a new library arrives, with a fifth of the fragments. If a prediction is right on average, the *slope* of the counts on the predictions is 1.


# %%
def predicted_counts(seed, depth_share, frip):
    """Predictions for the held-out chromosome by a model of full depth, a new library's counts there, and the sizes of both libraries."""
    genome, rng = genome_of(seed), np.random.default_rng(seed)
    other = dataclasses.replace(genome, settings=genome.settings.replace(frip=frip))
    reference, target = (rng.poisson(window_rates(genome)) for _ in range(2))
    new = rng.poisson(window_rates(other, at=depth_share))
    known = genome.known.reshape(len(new), -1).all(axis=1)
    held_out = np.arange(len(new)) >= len(new) * (1 - 1 / len(genome.chromosomes))
    train, test = (known & part for part in (~held_out, held_out))
    model = linear_model.LinearRegression().fit(reference[train, None], target[train])
    predicted = np.maximum(model.predict(reference[test, None]), 0)
    return predicted, new[test], (new.sum(), target.sum())


# %% [markdown]
# The remedy is one factor: the size of the new library over the size of the one that the model was trained on. It needs no labels, only two totals. By hand and with the helper, for the first seed:

# %%
predicted, counts, (new_size, old_size) = predicted_counts(first_seed, 0.2, 0.4)
scaled = predicted * new_size / old_size
assert np.allclose(scaled, depth.scale_to_total(predicted, new_size, library_size=old_size))
print(f"sizes {new_size:,} and {old_size:,}: the factor is {new_size / old_size:.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3.1), sharey=True)
parts = {"As predicted: far too high": predicted, "Scaled by the library's size": scaled}
for axis, (title, values) in zip(axes, parts.items(), strict=True):
    axis.plot(values, counts, ".", markersize=3, alpha=0.5, color=plots.PALETTE["blue"])
    axis.axline((0, 0), slope=1, linestyle="--", color=plots.PALETTE["black"], linewidth=1)
    axis.set(xlabel="predicted fragments per window", xlim=(0, 1.05 * np.max(values)), title=title)
axes[0].set(ylabel="counted fragments per window", ylim=(0, counts.max() + 1))
plots.show(
    figure, "Counts against predictions: far below the diagonal as predicted, around it after scaling."
)

# %%
rows = []
for finding_id in ("F34a", "F34b"):
    chosen = {"depth_share": 0.2, "frip": 0.4, **findings.conditions(finding_id, world)}
    for seed in numbers:
        predicted, counts, (new_size, old_size) = predicted_counts(seed, **chosen)
        slope = np.polyfit(predicted, counts, 1)[0]
        row = {"finding": finding_id, "seed": seed, "slope": slope}
        rows.append({**row, "slope after scaling": slope * old_size / new_size})
slopes = pd.DataFrame(rows).set_index(["finding", "seed"])
same = [predicted_counts(seed, 1.0, 0.4) for seed in numbers]
slopes_same = [np.polyfit(predicted, counts, 1)[0] for predicted, counts, _ in same]

# %% [markdown]
# As a control, the first line is the slope for another library of full depth. Dividing the predictions by a number multiplies the slope by it, so no second fit is needed for the scaled ones. (The two rows of the table are the same libraries: the two findings differ only in their null worlds.)

# %% tags=["nbval-ignore-output"]
print(f"slope at the same depth, mean over seeds: {np.mean(slopes_same):.2f}")
display(slopes.groupby("finding").mean().round(2))
display(findings.record("F34a", slopes.loc["F34a", "slope"], dataset=data))
display(findings.record("F34b", (slopes.loc["F34b", "slope after scaling"] - 1).abs(), dataset=data))

# %% [markdown]
# At its own depth the slope is 1. At a fifth, its predictions are several times too high, and one factor, taken from two totals, brings them back. The correlation is the same before and after: a score that ignores scale
# would not have noticed.
#
# <div class="alert alert-warning"><b>Caution.</b> Scaling assumes that depth is <i>all</i> that differs. If the new library also has a smaller share of its fragments in open chromatin, a worse experiment, then its size is no guide to its peaks: that is
# the null world of F34b.</div>
#
# ## 4 · What arcsinh does to depth
#
# The tutorial book that this course grew from (Nehal 2024, section 1.2.2) says that the transform arcsinh(x) = ln(x + √(x² + 1)) reduces the effect of depth. What should we expect? Take counts and a fifth of them, and transform both.

# %%
counts = np.array([1.0, 5, 50, 500, 5_000])
by_hand = np.log(counts + np.sqrt(counts**2 + 1))
assert np.allclose(by_hand, arcsinh(counts))
fifth = arcsinh(counts / 5)
table = pd.DataFrame(
    {"arcsinh(x)": by_hand, "arcsinh(x / 5)": fifth}, index=pd.Index(counts.astype(int), name="x")
)
table.assign(ratio=table.iloc[:, 1] / table.iloc[:, 0], difference=by_hand - fifth).round(2)

# %% [markdown]
# The *ratio* does come closer to 1, which may be what is meant. But look at the *difference*: for all but small counts it is ln 5, whatever the count. A factor has become a shift of all windows together. For
# anything that compares or adds features, as a linear model does, a common shift is as easy to see as a factor.
#
# So ask the question directly. Take libraries of *one* class, half of them at full depth and half at a fifth. Can a logistic regression that was trained on such libraries tell the depth of new ones? A treatment that
# removes the effect of depth must leave it guessing.


# %%
def told_apart(seed, how, depth_share):
    """auROC of depth, for new libraries."""
    genome, rng = genome_of(seed), np.random.default_rng(seed)
    first = np.arange(2 * group) < group
    parts = [draw(genome, 0, np.where(first, 1, depth_share), rng) for _ in range(2)]
    total = int(min(part.sum(axis=0).min() for part in parts))
    features, test_features = (treated(part, how, total, rng) for part in parts)
    score = classifier().fit(features, first).decision_function(test_features)
    return {"seed": seed, "libraries": how, "auROC of depth": scores.auroc(first, score)}


# %%
WAYS = ("counts", "arcsinh", "CPM", "CPM, then arcsinh", "down-sampled", "down-sampled, then arcsinh")
depth_share = findings.conditions("F34c", world)["depth_share"]
told = pd.DataFrame([told_apart(seed, how, depth_share) for how in WAYS for seed in numbers])

# %%
figure, axis = plt.subplots(figsize=(7, 2.8))
plots.every_condition(told, "libraries", "auROC of depth", axis=axis)
axis.axvline(0.5, linestyle="--", color="0.6", linewidth=1)
axis.set(xlabel="auROC of depth, new libraries", xlim=(-0.03, 1.03))
axis.set_title("Down-sampling hides depth; arcsinh does not", fontsize=10)
plots.show(
    figure, "Six rows: auROC of depth for counts, arcsinh, CPM, CPM then arcsinh, and two down-sampled rows."
)

# %% tags=["nbval-ignore-output"]
table = told.pivot_table(index="seed", columns="libraries", values="auROC of depth")
display(table[list(WAYS)].mean().round(2).to_frame("auROC of depth"))
display(findings.record("F34c", table["arcsinh"] - 0.5, dataset=data))

# %% [markdown]
# Counts give depth away, and their arcsinh does as well. (Both are at the top of the scale: so this says that arcsinh does not *remove* depth, and not whether it makes it weaker. In section 2, too, its row was hardly better than that of the counts.) CPM leave this linear model guessing, until arcsinh is applied to them: scaled libraries agree in the mean and differ in the noise, and a curved transform turns a difference
# of noise into a difference of means. Down-sampled libraries agree in both, so that nothing is left to see, with arcsinh or without. How much shows
# depends on the scale as well: our libraries are so small that one fragment is tens of CPM or more. In a library of tens of millions of fragments, most windows lie below 1 CPM, where arcsinh is nearly a straight line. That case we have not tested.
#
# <div class="alert alert-warning"><b>Caution.</b> arcsinh is a good transform for what it is made for: it keeps a few huge values from ruling a squared error. Equalise depth first, and transform then.</div>
#
# ## Exercises
#
# **1.** A model that knows nothing but the run says "patient" for each library of the deep run and "control" for each of the shallow one. What auROC does it reach in the training set of section 2, and what in the test set? Answer without computing
# it, from the table of runs.

# %% tags=["exercise"]
in_training, in_test = ..., ...

# %% tags=["check"]
answers = [scores.auroc(y, d.astype(float)) for y, d in runs.values()]
hint = "Draw a random patient and a random control. How often is the patient from the deep run and the control not? A tie counts half."
given = in_training if in_training is ... else (in_training, in_test)
check(given, lambda pair: np.allclose(pair, answers, atol=0.005), hint)

# %% tags=["solution"]
in_training, in_test = 0.95 * 0.95 + 0.5 * (2 * 0.95 * 0.05), 0.5
check((in_training, in_test), lambda pair: np.allclose(pair, answers, atol=0.005), "")

# %% [markdown]
# **2.** A library of 36,000 fragments is down-sampled to 9,000. One window held 20 fragments. What are the mean and the standard deviation, over draws, of its count afterwards? (Each fragment is kept or not, nearly independently of the others.)

# %% tags=["exercise"]
mean, deviation = ..., ...

# %% tags=["check"]
thinned = depth.thin_counts(np.full(100_000, 20), 9_000 / 36_000, rng=0)
hint = "So the count is binomial, with 20 trials: its mean is n p, its variance n p (1 - p)."
given = mean if mean is ... else (mean, deviation)
check(given, lambda pair: np.allclose(pair, (thinned.mean(), thinned.std()), atol=0.03), hint)

# %% tags=["solution"]
mean, deviation = 20 * 0.25, np.sqrt(20 * 0.25 * 0.75)
check((mean, deviation), lambda pair: np.allclose(pair, (thinned.mean(), thinned.std()), atol=0.03), "")

# %% [markdown]
# **3.** Show that counts per million do not hide depth from a model that is not linear. Below are the CPM of libraries, shape (windows, libraries); those marked in `from_deep` come from a deep run. Give one number for each library, computed from its CPM
# alone, that tells the runs apart. (The table in section 1 has an idea.)

# %%
rng = np.random.default_rng(first_seed)
from_deep = rng.permutation(np.arange(40) < 20)
cpm = depth.counts_per_million(draw(genome, 0, np.where(from_deep, 1, 0.2), rng))

# %% tags=["exercise"]
one_number = ...

# %% tags=["check"]
hint = "Scaling leaves 0 at 0. How many windows of each library are empty? One number a library: sum over axis 0."
check(one_number, lambda x: abs(scores.auroc(from_deep, x) - 0.5) > 0.45 and len(x) == 40, hint)

# %% tags=["solution"]
one_number = np.sum(cpm == 0, axis=0)
check(one_number, lambda x: abs(scores.auroc(from_deep, x) - 0.5) > 0.45 and len(x) == 40, "")

# %% [markdown]
# ## Key points
#
# - Depth multiplies every count. Where it goes with the class, a model may learn it instead of the biology.
# - Cross-validation inside one study does not show it, because depth pays there too. Test where depth and class are unrelated.
# - Down-sampling makes libraries alike in mean and in noise. Scaling makes them alike in mean only.
# - A prediction has the depth of the training library in it. Scale it by the ratio of sizes before you compare it with another library.
# - arcsinh turns a factor into a shift. Equalise depth first, transform then.
#
# ## Further reading
#
# - Whalen et al. 2022, pitfalls of machine learning in genomics: [doi:10.1038/s41576-021-00434-9](https://doi.org/10.1038/s41576-021-00434-9)
# - Sims et al. 2014, sequencing depth and coverage: [doi:10.1038/nrg3642](https://doi.org/10.1038/nrg3642)
# - Nehal 2024, *Machine Learning in Genomics: containerised tutorials demonstrating best practises, pitfalls, and reproducibility*
# - Robinson, McCarthy & Smyth 2010, edgeR (counts per million and library sizes): [doi:10.1093/bioinformatics/btp616](https://doi.org/10.1093/bioinformatics/btp616)
# - Leek et al. 2010, batch effects and confounded designs: [doi:10.1038/nrg2825](https://doi.org/10.1038/nrg2825)
