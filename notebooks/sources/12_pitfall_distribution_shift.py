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
# # 12 · Pitfall: the world is not like the test set
#
# <!-- badges -->
#
# A test set is usually cut from the same data as the training set: the same laboratory, the same cells, the same assay, the same choice of regions. A model is then used on other ones. How much of its score survives? We move a model
# to another batch, another assay, another cell type, and from chosen regions to whole chromosomes. Each time we ask what a test at home would have said, and what can be mended.
#
# **You will learn**
#
# - how to measure what a new batch, cell type or assay costs, with a control that tells the shift from a harder task;
# - what batch correction estimates, and what a hidden factor is, when they help, and when they take the biology out with the batch;
# - why a model that never saw silent regions cannot be used on whole chromosomes, and how to normalise without looking at the test set.
#
# **Time:** 60 minutes to read and try; runs in about three minutes. **Before this:** lessons 01, 09 and 11.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
from IPython.display import Markdown, display
from matplotlib import pyplot as plt
from scipy import stats
from sklearn import decomposition, ensemble, linear_model, pipeline, preprocessing
from threadpoolctl import threadpool_limits

from helpers.course import checklist, drawn, experiments, findings, libraries, plots, tasks, training
from helpers.course.exercises import check
from helpers.course.verdicts import effect_text, summarise
from helpers.data import datasets, simulation
from helpers.errors import InputError
from helpers.evaluate import baselines, classification, metrics
from helpers.prepare import batch_effects, depth, regions
from helpers.train import fitting, seeding

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # others are skipped: the same cells in many batches and by two assays are needed
profile = "quick"  # smoke, quick or full
seeds = 3  # of the networks; experiments without a network have more, because they are quick
first_seed = 0
tracking = "off"  # lesson 05 shows how to track training
window = 1_000  # bp in which the fragments of a library are counted
group = 40  # training libraries of each class
epochs = 8  # passes of the networks over their training windows
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · Another batch
#
# A *batch* is what was prepared and sequenced together. Batches differ in ways that nobody intends: reagents, temperature, the day. In our simulated libraries a batch has two such effects, drawn at random: how much it favours fragments
# rich in G and C, and how many of its fragments fall into open elements. We begin with a small genome with two cell types (without artefact towers, which are lesson 01's).

# %%
data = datasets.load_dataset(dataset, seed=first_seed, roles=["genome"])
experiments.only_simulated(
    data, "it needs the same cells in many batches, in two cell types, and by two assays of accessibility"
)
findings.record_data(data.name, data.digest)
fixed = seeding.seed_everything(first_seed)  # before anything is computed: lesson 05 says why

# %%
OWN = {**experiments.SMALL_GENOME, "n_cell_types": 2, "artefacts_per_mb": 0.0}


@lru_cache(maxsize=1)
def genome_of(seed, slope_sd=2.0, frip_sd=0.15):
    """A small simulated genome, in memory, whose batches differ by so much."""
    settings = {
        **data.manifest.simulation.settings,
        **OWN,
        "batch_gc_slope_sd": slope_sd,
        "batch_frip_log_sd": frip_sd,
    }
    return simulation.make_world(simulation.SimulationSettings().replace(**settings), seed)


genome = genome_of(first_seed)
gc = genome.gc.reshape(-1, window // genome.settings.signal_resolution).mean(axis=1)

# %% [markdown]
# What does a batch do to the expected count of a window? Below, each dot is a window; the same cells in three batches against batch 0. Nothing but the batch differs. Look at the vertical scale.

# %%
home_rate = libraries.window_rates(genome, window)
figure, axes = plt.subplots(1, 3, figsize=(7, 2.6), sharey=True)
for axis, batch in zip(axes, (1, 2, 3), strict=True):
    change = np.log2((libraries.window_rates(genome, window, batch=batch) + 1) / (home_rate + 1))
    axis.plot(gc, change, ".", markersize=2, alpha=0.4, color=plots.PALETTE["blue"])
    axis.axhline(0, linestyle="--", linewidth=1, color=plots.PALETTE["black"])
    axis.set(xlabel="GC fraction of the window", title=f"Batch {batch}")
axes[0].set(ylabel="log2 of the ratio to batch 0")
plots.show(
    figure,
    "Log ratio of expected counts against GC, for three batches: lines of different slope, some up, some down.",
)

# %% [markdown]
# A batch moves a thousand windows together, along a direction of its own: along GC, and, in the cloud off the line, up or down in windows with open elements. Now the task of lesson 11: patients and controls. In patients, a share of the cells is of type B. Every donor differs from the others by chance. All libraries have
# the same depth here, so that depth is not the matter.
#
# How large a share? A drop can only be seen where a model is good and not perfect. So we looked at libraries of *one* batch, on other genomes than those below, and took the share among 2.5, 5, 10, 15 and 20 % whose cross-validated auROC
# came closest to 0.9. The share of lesson 11 is shown beside it.

# %%
SHARES = {"5 % of type B": 0.05, "10 % of type B": 0.1}
SIZE = genome.settings.depth * len(genome.flat)  # fragments expected in a library


def design(each, batches):
    """Class and batch of every library: `each` of a class, with the batches in turn, so that batch says nothing of class."""
    classes, place = np.divmod(np.arange(2 * each), each)
    return classes, np.asarray(batches)[place % len(batches)]


def log_counts(counts):
    """Log of counts, libraries scaled to one size: on this scale, what multiplies becomes what is added."""
    return np.log1p(depth.scale_to_total(counts.T, SIZE).T)


# %%
PLAN = {
    "one batch": (group, [0]),
    "eight batches": (group, range(11, 19)),
    "home": (100, [0]),
    "abroad": (100, range(1, 11)),
}
rows = {name: np.unique(design(*plan)[1], return_counts=True) for name, plan in PLAN.items()}
pd.DataFrame(
    {
        name: {"libraries": sum(counts), "batches": len(batches), "of each batch": counts[0]}
        for name, (batches, counts) in rows.items()
    }
).T

# %% [markdown]
# Two training sets of one size, "one batch" and "eight batches". Two test sets of new donors: "home" is the batch of the first training set, "abroad" are ten batches that neither has seen. Classes are balanced in every batch.
#
# ## 2 · Taking a batch out
#
# The simplest correction: subtract from each window the mean of its batch. By hand on libraries of two batches, and with the helper, which fits a linear model (that is what `removeBatchEffect` of the R package limma does):

# %%
rng = np.random.default_rng(first_seed)
classes, made_in = design(20, [0, 1])
values = log_counts(libraries.draw_libraries(genome, window, classes, made_in, rng, share=0.05))
by_hand = values.copy()
for batch in (0, 1):
    by_hand[made_in == batch] -= values[made_in == batch].mean(axis=0)
by_hand += (values[made_in == 0].mean(axis=0) + values[made_in == 1].mean(axis=0)) / 2
helper = batch_effects.BatchMeans().fit(values, made_in).transform(values, made_in)
assert np.allclose(by_hand, helper)
print(f"{len(values)} libraries, {values.shape[1]:,} windows: by hand and by the helper alike")

# %% [markdown]
# This needs to know the batch of each library, and it needs several libraries of each batch, the new ones included. ComBat, the best known method of this kind (Johnson et al. 2007), also scales the spread of each batch and shrinks its
# estimates towards each other, which matters for batches of few libraries. Ours have ten or more.
#
# What if the batch was never written down? Then look for what many windows do *together*. The first principal component is the direction along which libraries differ most. By hand, it is the first row of a singular value decomposition.
# With scikit-learn it is `PCA`. What does it tell apart, the batch or the class?

# %%
centred = values - values.mean(axis=0)
direction = np.linalg.svd(centred, full_matrices=False)[2][0]
place, second = centred @ direction, centred @ np.linalg.svd(centred, full_matrices=False)[2][1]
component = decomposition.PCA(1, svd_solver="full").fit(values)
assert np.allclose(np.abs(component.transform(values)[:, 0]), np.abs(place))


def told(labels, score):
    """auROC, whichever way round the score runs."""
    return max(classification.auroc(labels, score), classification.auroc(labels, -score))


print(
    f"the first component tells the batch at auROC {told(made_in, place):.2f}, the class at {told(classes, place):.2f}"
)

# %%
figure, axis = plt.subplots(figsize=(5, 3))
for batch, colour in ((0, "blue"), (1, "vermilion")):
    for label, mark in ((0, "o"), (1, "^")):
        chosen = (made_in == batch) & (classes == label)
        name = f"batch {batch}, {('control', 'patient')[label]}"
        axis.plot(
            place[chosen],
            second[chosen],
            mark,
            color=plots.PALETTE[colour],
            markersize=5,
            alpha=0.7,
            label=name,
        )
axis.set(xlabel="first component", ylabel="second component", title="The first component is the batch")
axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
plots.show(
    figure,
    "Libraries by their first two components: the batches lie left and right; within each, controls lie mostly above patients.",
)

# %% [markdown]
# The second component goes with the class: a method that takes out two components would take out much of what we look for. The methods with famous names do this with more care. The first two estimate *hidden factors* that many features share, and that the known variables do not explain; the third does without:
#
# - **SVA**, surrogate variable analysis (Leek & Storey 2007): fit the class first, and look for components in what is left over, weighted towards features that the class does not change.
# - **PEER** (Stegle et al. 2012): a Bayesian factor analysis that decides how many factors there are.
# - **ICE**, inter-sample correlation emended (Kang et al. 2008): no factors at all; libraries that resemble each other over all features are taken as partly dependent when a variable is tested.
#
# None of them knows what such a common pattern *is*. If patients differ from controls in thousands of windows, that is a factor too, unless the class is fitted first, as SVA does, and that fails where batch and class go together. We run none of the three: the first component stands in for them below.
#
# ## 3 · What another batch costs, and what correction gives back
#
# Now the experiment. A logistic regression is trained on each training set, in three ways: as it is; with batch means taken out (of the new batches, too: that uses their libraries, but no labels); with the first component of the *training* libraries
# taken out of all, which needs no batch names and works on a single new library.


# %%
def as_it_is(train, tests):
    return [train[0], *(test[0] for test in tests)]


def means_out(train, tests):
    parts = [train, *tests]
    model = batch_effects.BatchMeans().fit(
        np.vstack([part[0] for part in parts]), np.concatenate([part[2] for part in parts])
    )
    return [model.transform(part[0], part[2]) for part in parts]


def component_out(train, tests):
    model = decomposition.PCA(1, svd_solver="full").fit(train[0])
    return [x - model.inverse_transform(model.transform(x)) for x, *_ in (train, *tests)]


# %%
WAYS = {"as it is": as_it_is, "batch means out": means_out, "first component out": component_out}


def classifier():
    return pipeline.make_pipeline(
        preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=1_000)
    )


# %%
def one_genome(seed, share, *spread):
    """A row for each training set and way: auROC at home and abroad."""
    genome, rng = genome_of(seed, *spread), np.random.default_rng(seed)
    parts = {}
    for name, plan in PLAN.items():
        classes, made_in = design(*plan)
        parts[name] = (
            log_counts(libraries.draw_libraries(genome, window, classes, made_in, rng, share=share)),
            classes,
            made_in,
        )
    tests, rows = (parts["home"], parts["abroad"]), []
    for study in ("one batch", "eight batches"):
        for way, change in WAYS.items():
            train, home, abroad = change(parts[study], tests)
            model = classifier().fit(train, parts[study][1])
            rows.append(
                {"seed": seed, "trained on": study, "way": way, **judged(model, home, abroad, tests[1])}
            )
    return rows


# %%
def judged(model, home, abroad, part):
    """Scores of new libraries at home, abroad in one pool, and abroad within each batch."""
    score, (_, classes, made_in) = model.decision_function(abroad), part
    within = [
        classification.auroc(classes[made_in == batch], score[made_in == batch])
        for batch in np.unique(made_in)
    ]
    at_home = classification.auroc(design(*PLAN["home"])[0], model.decision_function(home))
    return {
        "home": at_home,
        "abroad": classification.auroc(classes, score),
        "within each batch": np.mean(within),
    }


# %%
many, several = (experiments.seed_numbers(profile, times * seeds, first_seed) for times in (3, 2))
spread = tuple(
    findings.conditions("F35a", world)[name] for name in ("batch_gc_slope_sd", "batch_frip_log_sd")
)
threads = threadpool_limits(1)  # many tiny fits: threads would only wait for each other
tables = {
    name: pd.DataFrame([row for seed in many for row in one_genome(seed, share, *spread)])
    for name, share in SHARES.items()
}
threads.restore_original_limits()
moved = tables["5 % of type B"]

# %% [markdown]
# Left: the model of one batch, as it is. How would its owner see it, who tests at home? And what happens abroad, with all ten batches in one pool, or within each of them? Right: all six models, abroad.

# %%
plain = moved[(moved["trained on"] == "one batch") & (moved["way"] == "as it is")]
long = plain.melt(value_vars=["home", "abroad", "within each batch"], var_name="test", value_name="auROC")
named = moved.assign(model=moved["trained on"] + ",\n" + moved["way"])
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.4), sharex=True)
plots.every_condition(long, "test", "auROC", axis=left, colours={"home": plots.PALETTE["black"]})
plots.every_condition(named, "model", "abroad", axis=right)
left.set(xlabel="auROC of the class", title="Trained on one batch")
right.set(xlabel="auROC of the class, abroad", title="Trained in six ways")
right.tick_params(axis="y", labelsize=8)
left.locator_params(axis="x", nbins=4)
plots.show(
    figure,
    "auROC at home, abroad, and within each batch abroad; and auROC abroad of six models. Each genome is a dot.",
)

# %% tags=["nbval-ignore-output"]
display(
    moved.groupby(["trained on", "way"], sort=False)[["home", "abroad", "within each batch"]].mean().round(3)
)
findings.record("F35a", (plain.set_index("seed")["home"] - plain.set_index("seed")["abroad"]), dataset=data)

# %% [markdown]
# At home the model looks better than it is abroad. Within each of the new batches it is about as good as at home: the *order* of libraries survives, but each batch moves all its scores up or down, and a pool of batches mixes them. (A fixed threshold should suffer likewise; we did not test it.)
# A model of eight batches has learned to ignore what batches do, and needs no correction. With batch means taken out the model of one batch is as good. The first component of libraries of a *single* batch is not a batch, so taking it out need not do the same.
#
# The same with the share of lesson 11, where the task is easier and there is less to lose:

# %% tags=["nbval-ignore-output"]
easier = tables["10 % of type B"]
easier.groupby(["trained on", "way"], sort=False)[["home", "abroad", "within each batch"]].mean().round(3)

# %% [markdown]
# Here the first component gives back most of what is lost, where it gave back a part before. So what it helps depends on the task.
#
# ### When batch and class go together
#
# So far the classes were balanced in each batch. Now a study of two batches, in which most patients came in the second. We compare four ways, and test on libraries of the same two batches with the classes balanced. One way is new: the linear model is
# told the class of the *training* libraries, so that the part that goes with the class is not taken for the batch's.


# %%
def study(follows):
    """Class and batch of training libraries: so many of the patients are from batch 1, and as many of the controls from batch 0."""
    classes, place = np.divmod(np.arange(2 * group), group)
    return classes, np.where(place < round(follows * group), classes, 1 - classes)


# %%
def corrected(how, train, classes, made_in, test, test_made_in):
    """Training and test libraries after a correction that was fitted on the training libraries."""
    if how == "first component out":
        return component_out((train,), [(test,)])
    if how.startswith("batch means"):
        model = batch_effects.BatchMeans().fit(
            train, made_in, keep=classes if how.endswith("class kept") else None
        )
        return [model.transform(train, made_in), model.transform(test, test_made_in)]
    return [train, test]


# %%
def two_batches(seed, follows):
    genome, rng, rows = genome_of(seed, *spread), np.random.default_rng(seed), []
    (classes, made_in), (test_classes, test_made_in) = study(follows), design(100, [0, 1])
    train, test = (
        log_counts(libraries.draw_libraries(genome, window, *part, rng, share=0.05))
        for part in ((classes, made_in), (test_classes, test_made_in))
    )
    for how in ("as it is", "batch means out", "batch means out, class kept", "first component out"):
        x, new = corrected(how, train, classes, made_in, test, test_made_in)
        score = classifier().fit(x, classes).decision_function(new)
        found = {"class": classification.auroc(test_classes, score), "batch": told(test_made_in, score)}
        rows.append({"seed": seed, "patients in batch 1": f"{follows:.0%}", "way": how, **found})
    return rows


# %%
with threadpool_limits(1):
    confounded = pd.DataFrame(
        [row for follows in (0.5, 0.95) for seed in many for row in two_batches(seed, follows)]
    )
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharex=True, sharey=True)
for axis, (share, chosen) in zip(axes, confounded.groupby("patients in batch 1", sort=False), strict=True):
    plots.every_condition(chosen, "way", "class", axis=axis)
    axis.axvline(0.5, linestyle="--", color="0.6", linewidth=1)
    axis.set(xlabel="auROC of the class", title=f"{share} of the patients in batch 1")
plots.show(
    figure,
    "auROC of the class after four ways of correction, where batch and class are unrelated and where they go together.",
)

# %% [markdown]
# The table adds a column, *batch*: how well the same score tells the two batches apart, whichever way round. Chance gives a little over 0.5.

# %% tags=["nbval-ignore-output"]
confounded.groupby(["patients in batch 1", "way"], sort=False)[["class", "batch"]].mean().round(2)

# %% [markdown]
# Left, where batch and class are unrelated, all ways are alike: a linear model with both batches in training has no use for the batch. Right, the plain model has learned the batch: its score tells the batches apart. Taking the batch means out helps most, and
# does not come back to the left panel, because the mean of a batch is nearly the mean of a class: some of the class goes with it. Telling the linear model what to keep is right in principle, but then the effect of the batch has to be estimated from the few
# libraries on the other side, and what is left of it is enough for a classifier. The first component is probably the batch here too, as in section 2, and so nearly the class. But a single direction, estimated from few libraries, is not all that a batch does: without it the score still tells the batches apart almost without fault, and little is gained. Means are taken out of every window, which leaves less.
#
# And if *all* patients came in one batch, and all controls in the other? Take the batch means out, and ask how far the two classes are still apart. Then tell the model to keep the class.

# %%
classes, made_in = study(1.0)
train = log_counts(
    libraries.draw_libraries(genome, window, classes, made_in, np.random.default_rng(first_seed), share=0.05)
)
after = batch_effects.BatchMeans().fit(train, made_in).transform(train, made_in)
for name, values in {"before": train, "after": after}.items():
    apart = np.abs(values[classes == 1].mean(axis=0) - values[classes == 0].mean(axis=0)).max()
    print(f"largest difference of class means {name}: {apart:.2f}")
try:
    batch_effects.BatchMeans().fit(train, made_in, keep=classes)
except InputError as error:
    print(error)

# %% [markdown]
# <div class="alert alert-warning"><b>Caution.</b> Where batch and class are one, nobody can tell them apart: not a linear model, not SVA, not a network. Correction then removes the class, or leaves the batch, and no score inside the study shows which. Only the
# design of a study helps: put patients and controls into each batch. And even a correction without labels looks at the test libraries. It may, if the new batch holds both classes in about the same shares. If it holds patients alone, its mean is
# theirs, and exercise 1 shows what happens.</div>
#
# ## 4 · Another assay
#
# Some models read accessibility beside the sequence, to predict other marks in a cell type that they know nothing else about. Accessibility is measured by two assays, ATAC-seq and DNase-seq. Where one was missing, the other has been taken in its place
# (Turing report 2.2.3), after quantile normalisation. What does that cost?
#
# Both simulated assays look at the same elements. The second one, in the manner of DNase-seq, sees them *compressed*: an element that is four times as open as another has not four times, but 4^0.75 = 2.8 times as many fragments. It also
# favours fragments rich in G and C, and spreads a little wider. The target is an active histone mark in the manner of H3K27ac: DNA is wound around *nucleosomes*, which are made of histones, and a chemical mark on these tells active elements. Here it is spread about three times as widely around an element as openness, and is as strong as the element is open. (A real one dips in the middle, where no nucleosome is.) Depth is equal, and each track is scaled to a
# mean of 1, so that neither depth nor the length of fragments is the matter.

# %%
BIN, REACH, HELD = 100, 5, data.manifest.splits  # bp; bins to either side that the model reads
ASSAYED = {"n_cell_types": 1, "artefacts_per_mb": 0.0, "variants_per_mb": 0.0}
POWERS = (1.0, 0.5, 0.25)  # of the compression, beside the simulation's own 0.75


def described(genome):
    """What does not depend on a library: words of each bin, bins for training, bins for the test, GC of each bin."""
    words = [
        baselines.bin_features(genome.codes(chrom), BIN, k=3, neighbour_k=2, reach=1)[0]
        for chrom in genome.chromosomes
    ]
    chrom = np.repeat(genome.chromosomes, genome.settings.chromosome_length // BIN)
    known = genome.known.reshape(len(chrom), -1).all(axis=1)
    test, held = np.isin(chrom, HELD.test), np.isin(chrom, [*HELD.test, *HELD.validation])
    return np.vstack(words), known & ~held, known & test, genome.gc.reshape(len(chrom), -1).mean(axis=1)


# %%
@lru_cache(maxsize=1)
def assays(seed, second):
    """Tracks in bins of 100 bp, scaled to a mean of 1, and what is `described` of their genome."""
    settings = {**data.manifest.simulation.settings, **ASSAYED}
    genome = simulation.make_world(simulation.SimulationSettings().replace(**settings), seed)
    wanted = {
        "mark": ("h3k27ac", 0),
        "reference": ("atac", 0),
        "new library": ("atac", 1),
        "second assay": (second, 2),
    }
    if second == "dnase":
        own = simulation.ASSAYS[second]
        wanted |= {power: (replace(own, log_rate_slope=power), 2) for power in POWERS}
    tracks = {}
    for name, (assay, draw) in wanted.items():
        binned = drawn.library_bins(genome, drawn.Library("A", assay, draw=draw), BIN)
        values = np.concatenate([binned[chrom] for chrom in genome.chromosomes])
        tracks[name] = values / values.mean()
    return tracks, *described(genome)


# %% [markdown]
# *Quantile normalisation* gives a track the distribution of another one: the highest value becomes the other's highest, the middle one the other's middle. By hand: rank the new values, and look the ranks up in the sorted *training* values. The
# helper learns its reference in `fit`, and uses it in `transform`.

# %%
second = findings.conditions("F37a", world)["assay"]
assert findings.conditions("F37b", world)["assay"] == second  # one experiment serves both findings
tracks, words, is_train, is_test, bin_gc = assays(first_seed, second)
reference, new = np.sort(tracks["reference"][is_train]), tracks["second assay"][is_test]
ranks = (stats.rankdata(new) - 0.5) / len(new)
by_hand = np.interp(ranks, (np.arange(len(reference)) + 0.5) / len(reference), reference)
normaliser = depth.QuantileNormaliser().fit(tracks["reference"][is_train][:, None])
normalised = normaliser.transform(new[:, None])[:, 0]
assert np.allclose(by_hand, normalised)
print(f"{len(new):,} bins of the test chromosome, by hand and by the helper alike")
print(
    f"standard deviation {new.std():.2f}, normalised {normalised.std():.2f}, first assay {reference.std():.2f}"
)

# %% [markdown]
# What can that mend, and what not? Left: quantiles of the second assay against those of the training track. Right: the mean of the second over the mean of the first, in ten groups of bins with about the same GC.

# %%
at, first_assay = 1 - np.geomspace(0.6, 3e-4, 60), tracks["reference"][is_test]
test_gc = bin_gc[is_test]
tenth = pd.qcut(test_gc, 10, labels=False)
middle = [test_gc[tenth == g].mean() for g in range(10)]


def by_gc(values):
    """Mean of a track over that of the first assay, in ten groups of bins."""
    return [values[tenth == g].mean() / first_assay[tenth == g].mean() for g in range(10)]


# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3))
for values, name, colour in ((new, "as it is", "vermilion"), (normalised, "normalised", "blue")):
    look = {"color": plots.PALETTE[colour], "markersize": 4, "label": name}
    left.plot(np.quantile(reference, at), np.quantile(values, at), ".-", **look)
    right.plot(middle, by_gc(values), "o-", **look)
left.axline((1, 1), (2, 2), linestyle="--", color="0.6", linewidth=1)
right.axhline(1, linestyle="--", color="0.6", linewidth=1)
left.set(xlabel="quantiles of the training track", ylabel="quantiles of the second assay")
left.set(xscale="log", yscale="log")
left.set_title("The distribution is mended ...")
right.set(
    xlabel="GC fraction of the bins",
    ylabel="mean of second / first",
    title="... its preference for GC is not",
)
left.legend(fontsize=8)
plots.show(
    figure, "Quantiles lie near the diagonal after normalisation; the ratio of means by GC keeps its slope."
)

# %% [markdown]
# The model is a set of gradient-boosted trees that read accessibility in a bin and in five bins to either side, and counts of short words in the bin and its neighbours. It is trained with one library of the first assay. On the held-out chromosome it is given:
#
# - **a new library** of the same assay, the control;
# - the **second assay** as it is;
# - the second assay, **normalised** with a reference from training.
#
# A second control is a model that was *trained on* the second assay, and reads it. Then two ways to do it wrongly: with a **reference from the test** chromosome, to which the training track is brought before a model is trained; and **stretch by stretch**,
# where each 20 kb of the test chromosome is normalised by itself, as happens when a track is cut into pieces first.


# %%
def read(track, words, rows):
    """Features of the given bins: the track around each, and words."""
    near = np.lib.stride_tricks.sliding_window_view(np.pad(track, REACH), 2 * REACH + 1)
    return np.hstack([near[rows], words[rows]])


# %%
def forest(track, words, mark, rows, seed):
    model = ensemble.HistGradientBoostingRegressor(loss="poisson", random_state=seed)
    return model.fit(read(track, words, rows), mark[rows])


def normal(track, rows, normaliser, stretches=1):
    """The track, with the given bins normalised, in one piece or stretch by stretch."""
    values, parts = track.copy(), np.array_split(track[rows], stretches)
    values[rows] = np.concatenate([normaliser.transform(part[:, None])[:, 0] for part in parts])
    return values


# %%
def inputs_of(seed):
    """Each input, with the model that reads it."""
    tracks, words, train, test, _ = assays(seed, second)
    mark, first, other = tracks["mark"], tracks["reference"], tracks["second assay"]
    right, wrong = (
        depth.QuantileNormaliser().fit(x[rows][:, None]) for x, rows in ((first, train), (other, test))
    )
    model = forest(first, words, mark, train, seed)
    stretches = test.sum() * BIN // 20_000
    asked = {
        "a new library": (model, tracks["new library"]),
        "second assay": (model, other),
        "second assay, normalised": (model, normal(other, test, right)),
        "second assay, trained on it": (forest(other, words, mark, train, seed), other),
        "reference from the test": (forest(normal(first, train, wrong), words, mark, train, seed), other),
        "stretch by stretch": (model, normal(other, test, right, stretches)),
    }
    for power, track in ((power, tracks[power]) for power in POWERS if power in tracks):
        asked |= {power: (model, track), f"{power}, normalised": (model, normal(track, test, right))}
    return asked


# %%
def judged_mark(seed):
    """A row for each input: correlation, level, and level where the mark is weak."""
    tracks, words, _, test, _ = assays(seed, second)
    mark, rows = tracks["mark"][test], []
    weak = mark <= np.median(mark)
    for name, (model, track) in inputs_of(seed).items():
        said = model.predict(read(track, words, test))
        level = {"all bins": said.mean() / mark.mean(), "weaker half": said[weak].mean() / mark[weak].mean()}
        alike = np.corrcoef(track[test], tracks["reference"][test])[0, 1]
        row = {"seed": seed, "input": name, "Pearson r": metrics.pearson(mark, said)}
        rows.append({**row, **level, "r with the first assay": alike})
    return rows


# %%
with threadpool_limits(1):
    everything = pd.DataFrame([row for seed in several for row in judged_mark(seed)])
assays.cache_clear()
by_assay = everything[~everything["input"].astype(str).str.match(r"\d")]
figure, axis = plt.subplots(figsize=(7, 2.8))
control = {"a new library": plots.PALETTE["black"]}
plots.every_condition(by_assay, "input", "Pearson r", axis=axis, colours=control)
axis.set(xlabel="Pearson r of the mark, held-out chromosome", title="One mark, six inputs")
plots.show(figure, "Pearson r of six inputs, every genome a dot; stretch by stretch is far to the left.")

# %% [markdown]
# Beside the correlation, look at the level: mean predicted over mean observed, in all bins, and in the half of the bins in which the mark is weaker. (The first row, the control, is too high there as well: compare with it, not with 1. Part of that
# comes from choosing bins by what was observed in them; section 6 measures that part on another task.)

# %% tags=["nbval-ignore-output"]
columns = ["Pearson r", "all bins", "weaker half", "r with the first assay"]
display(by_assay.groupby("input", sort=False)[columns].mean().round(2))
wide = everything.assign(input=everything["input"].astype(str)).pivot_table(
    index="seed", columns="input", values="Pearson r"
)
display(findings.record("F37a", wide["a new library"] - wide["second assay"], dataset=data))
findings.record("F37b", wide["second assay, normalised"] - wide["second assay"], dataset=data)

# %% [markdown]
# The second assay costs something on average, but the genomes differ by more than that. The model that was *trained* on the second assay is hardly better off, so there is no sign that the exchange, and not what this assay sees, is to blame.
# The level hardly moves either: the second assay is a few per cent above the control, and normalisation takes that away.
# Normalisation gives the right distribution and does not improve the correlation. That is no contradiction: it keeps the order of bins, and the preference for GC is a matter of order.
#
# Of the two wrong ways, the reference from the test does no harm to the score here. It is still wrong: training now depends on the test set, and the model would have to be trained anew for each new sample. Stretch by stretch does much harm, because each
# stretch is given as many high values as any other.
#
# How different must a second assay be? The report gives a correlation of about 0.8 between real tracks of the two. Below, the power of the compression is varied: 1 is none. What is lost against a new library of the first assay, and how much of it does
# normalisation bring back?

# %%
rows = {}
alike = everything.groupby(everything["input"].astype(str))["r with the first assay"].mean()
for power in (power for power in (1.0, 0.75, 0.5, 0.25) if second == "dnase"):
    name = "second assay" if power == 0.75 else str(power)
    lost_here, back = wide["a new library"] - wide[name], wide[f"{name}, normalised"] - wide[name]
    texts = [effect_text(*summarise(effect)[:3]) for effect in (lost_here, back)]
    rows[power] = {"r of the two assays": round(alike[name], 2), "lost": texts[0], "brought back": texts[1]}

# %% tags=["nbval-ignore-output"]
pd.DataFrame(rows).T.rename_axis("power")

# %% [markdown]
# Without any compression, as much is lost on average as at 0.75: so there the loss is mostly due to what else differs, such as GC and spread. From 0.5 on, stronger compression costs more. Normalisation brings back a part where the compression is strongest, and never most of it. In the row whose correlation is nearest to that of the report, the loss is clear, and what comes back is not.
#
# <div class="alert alert-warning"><b>Caution.</b> Normalisation makes the <i>distribution</i> right, whatever the reason for which it differs. If the new cells really have more open chromatin than the training cells, or if the piece of the track that is
# normalised holds more of it, that difference is erased with the rest. Give a whole track at once, with a reference from training, and ask whether the cells may differ.</div>
#
# ## 5 · Another cell type
#
# Now models of lesson 03's kind: a small network reads sequence and predicts coverage. We train one on cell type A, one on A in another batch, and one on cell type B, and test each of them on all three, on a chromosome that none has seen.
# A model may score low on B because B is harder to predict. The control is the model that was trained there: the effect of a shift is what *both* models lose when they are exchanged.

# %%
OTHER = {"another cell type": drawn.Library("B"), "the same cell type": drawn.Library("A", draw=1)}
KINDS = {"A": drawn.Library("A"), "A, batch 1": drawn.Library("A", batch=1)}
KINDS["B"] = OTHER[findings.conditions("F35b", world)["other"]]


def tasks_of(seed):
    """A task for each kind of library, on one genome."""
    base = tasks.task_for_seed(data, seed, settings={"n_cell_types": 2})
    task = drawn.with_libraries(base, KINDS)
    return {name: task.only(name) for name in KINDS}


# %%
def usual(task, seed):
    """The course's usual training: active windows and as many others."""
    windows = task.with_background(task.active("train"), np.random.default_rng(seed))
    return training.train(task, windows, seed, epochs=epochs).model


# %%
numbers = experiments.seed_numbers(profile, seeds, first_seed)
rows, of_a = [], {}  # of_a: the task of A and what its network predicts, for section 6
for seed in numbers:
    here = tasks_of(seed)
    for trained_on, task in here.items():
        model = usual(task, seed)
        for tested_on, other_task in here.items():
            truth, predicted = training.on_chromosomes(other_task, model)
            row = {"seed": seed, "trained on": trained_on, "tested on": tested_on}
            rows.append({**row, "Pearson r": metrics.pearson(truth, predicted)})
            if trained_on == tested_on == "A":
                of_a[seed] = (task, predicted)
exchanged = pd.DataFrame(rows)
print(f"{len(numbers)} genomes x {len(KINDS)} networks x {len(KINDS)} tests")

# %%
LOOK = {"A": "blue", "A, batch 1": "sky", "B": "vermilion"}
figure, axes = plt.subplots(1, 3, figsize=(7, 2.4), sharey=True, sharex=True)
for axis, (tested_on, chosen) in zip(axes, exchanged.groupby("tested on", sort=False), strict=True):
    plots.every_condition(
        chosen, "trained on", "Pearson r", axis=axis, colours={k: plots.PALETTE[v] for k, v in LOOK.items()}
    )
    axis.set(xlabel="Pearson r", title=f"Tested on {tested_on}")
axes[0].set(ylabel="trained on")
plots.show(figure, "Pearson r of three networks in three tests; every genome is a dot.")


# %%
def lost(one, two):
    """Per seed: Pearson r at home - after the exchange, mean over both directions."""
    table = exchanged.pivot_table(index="seed", columns=["trained on", "tested on"], values="Pearson r")
    return (table[one, one] + table[two, two] - table[one, two] - table[two, one]) / 2


# %% tags=["nbval-ignore-output"]
display(exchanged.pivot_table(index="trained on", columns="tested on", values="Pearson r").round(2))
by_batch = summarise(lost("A", "A, batch 1"))
print(f"lost by another batch, Pearson r: {effect_text(*by_batch[:3])} over {by_batch.seeds} seeds")
findings.record("F35b", lost("A", "B"), dataset=data)

# %% [markdown]
# Read the table along its columns: in the column of B, the network of A against the network of B. Another batch of the same cells costs a sequence model next to nothing. (The classifier of section 3 lost something, by another score and over more batches: compare the direction, not the size.) What a batch does to a whole
# library hardly changes where on the genome the peaks are. Another cell type changes just that.
#
# Is that the network's fault? A simulation knows the rates that libraries are drawn from. The best that a perfect model *of A* could score on each library of the first genome:

# %%
here = of_a[first_seed][0]
rates = drawn.with_libraries(here, KINDS, expected=True)
library = drawn.with_libraries(here, KINDS)
perfect = {}
for name in KINDS:
    seen = fitting.targets_of(library.only(name).in_order("test"))
    best = fitting.targets_of(rates.only("A").in_order("test"))
    perfect[name] = round(metrics.pearson(seen, best), 2)
pd.Series(perfect, name="Pearson r of the true rate of A").to_frame().T

# %% [markdown]
# Not mainly. Not even a perfect model of A predicts B well.
#
# <div class="alert alert-warning"><b>Caution.</b> A drop is no proof that a model has learned something wrong. It may have learned A correctly, and B is different. The mistake is to report the score on A as what a user of B may expect. What the sequence
# alone cannot tell, such as which factors are active in B, has to come from data of B.</div>
#
# ## 6 · Without silent regions
#
# To save time, and to have something to learn in every example, one often trains on bins with signal only: in the book that this course grew from, a threshold keeps about a tenth of all bins, and the others are dropped. What does such a model say of the
# rest of the chromosome? Four networks with about the same number of steps, on cell type A:
#
# - **all bins**: windows from anywhere;
# - **active windows and as many others**, all their bins: the network of section 5;
# - **active windows**, all their bins;
# - **bins above the threshold**: windows that hold any, and in them nothing but bins above it counts.
#
# The threshold keeps a tenth of the training bins; we call the other bins *silent*, though some signal is in them. In the last one, a bin below it is made missing (NaN), and has a weight of zero in the loss. By hand, for a mini-batch:

# %%
KEPT_SHARE = 0.1
bins = np.concatenate([batch[1].ravel() for batch in here.in_order("train")])
threshold = np.quantile(bins, 1 - KEPT_SHARE)


def masked(task, threshold):
    """The same task, with bins that are not above the threshold missing."""
    targets = np.where(task.prepared.targets > threshold, task.prepared.targets, np.nan)
    return replace(task, prepared=replace(task.prepared, targets=targets.astype("float32")))


# %%
codes, targets, weights = masked(here, threshold).batches(here.active("train"), missing="mask")[0]
assert np.array_equal(weights == 1, targets[..., 0] > threshold)
print(
    f"threshold {threshold:.1f} fragments; {weights.mean():.0%} of the bins of a batch of active windows count"
)


# %%
def some(windows, count, seed):
    """So many of the windows, at random."""
    chosen = np.sort(np.random.default_rng(seed).permutation(len(windows))[:count])
    return windows.iloc[chosen].reset_index(drop=True)


# %%
def one_regime(task, regime, threshold, seed):
    """A network trained on a choice of windows and bins; all make about as many steps."""
    everywhere, active = task.split.train, task.active("train")
    count, options = 2 * len(active), {"epochs": epochs}
    if regime == "all bins":
        return training.train(task, some(everywhere, count, seed), seed, **options).model
    if regime == "active windows":
        return training.train(task, active, seed, epochs=2 * epochs).model
    signal = task.prepared.signal(task.track)
    holding = everywhere[regions.window_values(everywhere, signal, task.prepared.bin_size) > threshold]
    options["missing"] = "mask"
    return training.train(masked(task, threshold), some(holding, count, seed), seed, **options).model


# %%
REGIMES = ("all bins", "active windows and as many others", "active windows", "bins above the threshold")


def regimes_of(seed, task, usual_prediction):
    """Truth on the held-out chromosome, the threshold, and what each network predicts."""
    training_bins = np.concatenate([batch[1].ravel() for batch in task.in_order("train")])
    above = np.quantile(training_bins, 1 - KEPT_SHARE)
    predictions = dict.fromkeys(REGIMES, usual_prediction)
    for regime in (REGIMES[0], *REGIMES[2:]):
        predictions[regime] = training.on_chromosomes(task, one_regime(task, regime, above, seed))[1]
    return fitting.targets_of(task.in_order("test")), above, predictions


# %%
of_seed = {seed: regimes_of(seed, *kept) for seed, kept in of_a.items()}
rows = []
for seed, (truth, above, predictions) in of_seed.items():
    low = truth <= above
    for regime, said in predictions.items():
        p = said.astype(float)
        level = {
            "silent bins": p[low].mean() / truth[low].mean(),
            "others": p[~low].mean() / truth[~low].mean(),
        }
        row = {"seed": seed, "trained on": regime, **level, "all": p.mean() / truth.mean()}
        rows.append({**row, "Pearson r": metrics.pearson(truth, p)})
regimes = pd.DataFrame(rows)

# %% [markdown]
# First look at a stretch of the held-out chromosome of the first genome, with the same scale in each row, in fragments over each base. The dashed line is the threshold.

# %%
truth, above, predictions = of_seed[first_seed]
span = slice(300, 340)  # windows of the held-out chromosome
shown, bin_size = here.split.test.iloc[span], here.prepared.bin_size
first, last = int(shown["start"].min()), int(shown["end"].max())
rows = []
for name, values in {"observed": truth, **predictions}.items():
    line = np.full((last - first) // bin_size, np.nan)
    at = (shown["start"].to_numpy()[:, None] - first) // bin_size + np.arange(values.shape[1])
    line[at] = values[span, :, 0]
    label = name.replace(" and ", "\nand ").replace(" the ", "\nthe ")
    rows.append(plots.SignalRow(label, line, bin_size, line=above, top=float(np.quantile(truth, 0.998))))
title = "Who never saw silence predicts signal everywhere"
figure = plots.genome_browser(shown["chrom"].iloc[0], first, last, rows, title)
alt = "Observed peaks, and four predictions; the network of bins above the threshold predicts signal everywhere."
plots.show(figure, alt)

# %%
figure, axis = plt.subplots(figsize=(7, 2.4))
plots.every_condition(regimes, "trained on", "silent bins", axis=axis)
axis.axvline(1, linestyle="--", color="0.6", linewidth=1)
axis.set(xscale="log", xlabel="mean predicted / mean observed in silent bins (log scale)")
axis.set_title("Too much signal in silent bins")
axis.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
axis.minorticks_off()
plots.show(figure, "Ratio of predicted to observed signal in silent bins for four choices of training data.")

# %% tags=["nbval-ignore-output"]
display(regimes.groupby("trained on", sort=False).mean().drop(columns="seed").round(2))
trained_on = findings.conditions("F36", world)["trained_on"]
findings.record(
    "F36", regimes[regimes["trained on"] == trained_on].set_index("seed")["silent bins"], dataset=data
)

# %% [markdown]
# The less silence a network has seen, the more signal it finds there; the last one has no idea that a bin can be empty, and its correlation over the chromosome is by far the lowest. But the usual training, with as many other windows as active ones, predicts too
# much in silent bins as well: it has seen active windows far more often than they occur. One more control is due. Silent bins were chosen by what was *observed*, and a low count is sometimes bad luck. So what does the true rate say of them?

# %%
truth_rate = fitting.targets_of(rates.only("A").in_order("test"))
observed = fitting.targets_of(here.in_order("test"))
silent = observed <= threshold
print(
    f"mean true rate / mean observed, silent bins of the first genome: {truth_rate[silent].mean() / observed[silent].mean():.2f}"
)

# %% [markdown]
# Hardly more than was observed. So the choice of bins explains little of what the networks add; the network of all bins adds a little more, because no network finds every peak, and what it cannot place it spreads.
#
# <div class="alert alert-warning"><b>Caution.</b> Balanced training is no mistake: it can make a better model for the same number of steps, as the correlations show. But then the level is wrong on a whole chromosome. A factor from windows in their true share mends
# its mean, and no more: it lowers the peaks with the silence (divide the first two columns of the table by the third). Report the level in both. And a correlation over peaks alone would have shown none of this.</div>
#
# ## 7 · Ten questions
#
# Lessons 09 to 12 asked one thing in many ways: is the number in the abstract the one that a user will see? The list turns them into questions to any paper, your own included. Each names the lesson that measures it, and the findings that stand behind
# it. It is also [a page to print](../docs/checklist.md), which says beside each finding whether it held here.

# %%
display(Markdown(checklist.listing()))

# %% [markdown]
# ## Exercises
#
# **1.** A new batch holds patients only, and somebody takes its mean out. Below, a model is trained on batch 0, with both classes, and batch 3 brings 100 libraries, all of patients. Batch means were taken out of both. Which share of the patients does the
# model call patients (score above 0), as a fraction of 1? Guess, then compute it.

# %%
rng = np.random.default_rng(first_seed)
classes, made_in = design(group, [0])
home_libraries = log_counts(libraries.draw_libraries(genome, window, classes, made_in, rng, share=0.1))
patients = log_counts(
    libraries.draw_libraries(genome, window, np.ones(100, int), np.full(100, 3), rng, share=0.1)
)
both, names = np.vstack([home_libraries, patients]), np.concatenate([made_in, np.full(100, 3)])
taken_out = batch_effects.BatchMeans().fit(both, names).transform(both, names)
model = classifier().fit(taken_out[: len(classes)], classes)

# %% tags=["exercise"]
called = ...

# %% tags=["check"]
expected = np.mean(model.decision_function(taken_out[len(classes) :]) > 0)
hint = "The rows after the first len(classes) are the patients. model.decision_function gives their scores."
check(called, lambda share: abs(share - expected) < 0.005, hint)

# %% tags=["solution"]
# Their mean is now the training mean, so the model splits them around 0, whatever they are.
called = np.mean(model.decision_function(taken_out[len(classes) :]) > 0)
check(called, lambda share: abs(share - expected) < 0.005, "")

# %% [markdown]
# **2.** Normalise `[5, 1, 3]` to the reference `[10, 20, 60]` by hand. Give three values in the order of the input.

# %% tags=["exercise"]
by_rank = ...

# %% tags=["check"]
small = depth.QuantileNormaliser().fit(np.array([[10.0], [20], [60]])).transform(np.array([[5.0], [1], [3]]))
hint = "Which of the three is the smallest? It becomes the smallest value of the reference."
check(by_rank, lambda values: np.allclose(values, small[:, 0]), hint)

# %% tags=["solution"]
by_rank = [60, 10, 20]
check(by_rank, lambda values: np.allclose(values, small[:, 0]), "")

# %% [markdown]
# **3.** A model that was trained on cell type X reaches a Pearson r of 0.80 on held-out chromosomes of X, and 0.60 on cell type Y. A model of the same kind, trained on Y, reaches 0.85 on Y and 0.70 on X. How much does an exchange cost, as section 5
# measures it?

# %% tags=["exercise"]
cost = ...

# %% tags=["check"]
hint = "Both models lose something. Take the mean at home, and subtract the mean after the exchange."
check(cost, lambda value: abs(value - 0.175) < 1e-6, hint)

# %% tags=["solution"]
cost = (0.80 + 0.85) / 2 - (0.60 + 0.70) / 2
check(cost, lambda value: abs(value - 0.175) < 1e-6, "")

# %% [markdown]
# ## Key points
#
# - A score at home says what to expect at home. Test in the batches, cell types and assays that the model is meant for, beside a model trained there.
# - Train on several batches if you can. Where the batch is written down and holds both classes, take its means out; a hidden factor, here the first component, gave back a part at one share and most at the other, and cost a little with eight batches. Where batch and class are one, nothing helps.
# - Test on silent regions in their true share, and train with some: a network that saw none predicts signal everywhere. After training with another share, check the level over whole chromosomes.
# - Fit every normalisation on training data, and give it whole tracks.
#
# ## Further reading
#
# - Whalen et al. 2022, pitfalls of machine learning in genomics: [doi:10.1038/s41576-021-00434-9](https://doi.org/10.1038/s41576-021-00434-9)
# - Leek et al. 2010, batch effects: [doi:10.1038/nrg2825](https://doi.org/10.1038/nrg2825)
# - Johnson, Li & Rabinovic 2007, ComBat: [doi:10.1093/biostatistics/kxj037](https://doi.org/10.1093/biostatistics/kxj037)
# - Ritchie et al. 2015, limma: [doi:10.1093/nar/gkv007](https://doi.org/10.1093/nar/gkv007)
# - Leek & Storey 2007, SVA: [doi:10.1371/journal.pgen.0030161](https://doi.org/10.1371/journal.pgen.0030161)
# - Stegle et al. 2012, PEER: [doi:10.1038/nprot.2011.457](https://doi.org/10.1038/nprot.2011.457)
# - Kang, Ye & Eskin 2008, ICE: [doi:10.1534/genetics.108.094201](https://doi.org/10.1534/genetics.108.094201)
# - Bolstad et al. 2003, quantile normalisation: [doi:10.1093/bioinformatics/19.2.185](https://doi.org/10.1093/bioinformatics/19.2.185)
