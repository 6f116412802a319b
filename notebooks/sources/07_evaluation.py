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
# # 7 · Evaluation: which score, on which data, at which resolution?
#
# <!-- badges -->
#
# "Our model reaches a correlation of 0.8." On whole chromosomes, or within windows? In bins of 32 bp or of 1,000? On all windows, or on those with a peak? Against what floor, below what ceiling, give or take how
# much? One set of predictions can be given many scores, and some of them look much better than others. This lesson takes predictions as they are and asks what their scores say.
#
# **You will learn**
#
# - what accuracy, auROC, auPRC, and correlations over chromosomes or within sequences can and cannot see;
# - to make resolution, test set, training set and scale equal before two scores are compared;
# - to put a floor, a ceiling and an interval around a score, from controls, replicates and blocks of the genome.
#
# **Time:** 75 minutes to read and try; runs in about three minutes. **Before this:** lessons 02, 03 and 04.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import pyplot as plt
from scipy import stats

from helpers.course import findings, plots
from helpers.course.exercises import check
from helpers.course.experiments import is_simulated, seed_numbers
from helpers.course.tasks import task_for_seed
from helpers.course.training import SMALL, on_chromosomes, small_model, train
from helpers.data.datasets import load_dataset
from helpers.evaluate import baselines, bootstrap, classification, metrics
from helpers.prepare import regions
from helpers.train import fitting, models
from helpers.train.seeding import seed_everything

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 3  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # lesson 05 shows how to track training
track = ""  # id of the track to predict; empty for the data set's first
steps = 250  # batches of 64 windows that each model is trained on
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · Predictions to judge
#
# A seed has its own genome, with six cell types. On each we train the small model of the earlier lessons to predict the coverage of the first cell type. It learns from windows in which a bin is above twice the mean coverage.
# All models of this lesson take about the same number of steps (in whole epochs), whatever they are trained on, so that none has simply been trained for longer.

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
seed_everything(first_seed)  # before anything is computed: lesson 05 says why
numbers = seed_numbers(profile, seeds, first_seed)
CELLS = [f"atac_{letter}_coverage" for letter in "ABCDEF"]
tracks = list(dict.fromkeys([*[track][: len(track)], *(CELLS if is_simulated(data) else data.tracks)]))
genomes = {
    seed: task_for_seed(data, seed, track=tracks, settings={"n_cell_types": len(CELLS)}) for seed in numbers
}
tasks = {seed: many.only(many.track) for seed, many in genomes.items()}  # the first track alone
size = tasks[first_seed].prepared.bin_size

# %% [markdown]
# On simulated genomes two more things are made now, because making them takes memory that the models will need later: the *expected coverage*, from which all fragments are drawn, so that no prediction can be better; and pairs of replicate
# libraries for section 8.

# %%
REPLICATES = ["atac_A_rep1_coverage", "atac_A_rep2_coverage"]
DEPTHS = (0.001, 0.1) if profile == "smoke" else (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
replicated = is_simulated(data) and tracks[0] == CELLS[0]
libraries, rates = {}, {}
if is_simulated(data):
    rates = {seed: fitting.targets_of(many.true_rate().in_order("test")) for seed, many in genomes.items()}
if replicated:
    asked = {
        (seed, findings.conditions(name, world)["depth"]) for name in ("F20a", "F20b") for seed in numbers
    }
    for seed, depth in sorted(asked | {(first_seed, depth) for depth in DEPTHS}):
        settings = {"depth": depth}
        libraries[seed, depth] = task_for_seed(data, seed, track=REPLICATES, settings=settings)

# %% [markdown]
# Now the models.

# %%
MANY = 1_000  # training seeds of one genome are MANY * seed + a number that tells its models apart


def trained(task, windows, number, **options):
    """The small model, trained for `steps` steps."""
    wanted = 10 if profile == "smoke" else steps
    epochs = max(1, round(wanted * 64 / len(windows)))
    return train(task, windows, number, epochs=epochs, **options).model


# %%
def thresholded(task):
    """Training windows with a bin above twice the mean coverage; of several tracks, in any."""
    windows, means = task.split.train, np.mean(task.prepared.targets, axis=0, dtype=float)
    signals = [task.prepared.signal(name) for name in task.prepared.tracks]
    highest = np.array([regions.window_values(windows, signal, size) for signal in signals])
    return windows[(highest.T / means > 2).any(axis=1)].reset_index(drop=True)


# %% [markdown]
# Of each model we keep what it predicts, and let the model go. There are two test sets, the whole test chromosome and windows around its called peaks, and the validation chromosome to choose a threshold on.


# %%
def places(task):
    """Windows to predict, by name."""
    parts = {"chromosome": task.split.test, "validation": task.split.validation}
    return {**parts, "peaks": task.around_peaks("test")}


def seen(task, where, model=None):
    """Truth and prediction on named windows: pairs of arrays, shape (windows, bins, 1); without a model, the truth alone."""
    batches = {name: task.batches(windows, batch_size=512, shuffle=False) for name, windows in where.items()}
    truths = {name: fitting.targets_of(batch) for name, batch in batches.items()}
    return truths if model is None else {k: (truths[k], fitting.predict(model, batches[k])) for k in batches}


# %%
base, marked = {}, {}
for seed, task in tasks.items():
    base[seed] = seen(task, places(task), trained(task, thresholded(task), MANY * seed))
    marked[seed] = seen(task.labelled(), places(task))  # 1 in bins that a peak covers by half, else 0
scored = {seed: found["chromosome"] for seed, found in base.items()}
task, (truth, predicted) = tasks[first_seed], scored[first_seed]
print(
    f"{len(tasks)} x {len(task.split.test):,} test windows of {task.window:,} bp, in bins of {size} bp; track {task.track}"
)

# %% [markdown]
# Look at the predictions before you score them. Which mistakes do you see? Would a single number tell you?

# %%
starts, run = task.split.test["start"].to_numpy(), 30
whole = np.flatnonzero(starts[run - 1 :] - starts[: 1 - run] == (run - 1) * task.window)
first = whole[np.argmax([truth[place : place + run].std() for place in whole])]
place = slice(first, first + run)
chrom, start = task.split.test["chrom"].iloc[first], int(starts[first])
end = start + run * task.window
labels = marked[first_seed]["chromosome"]
rows = [
    plots.SignalRow("observed", truth[place].ravel(), size, "coverage"),
    plots.SignalRow("predicted", predicted[place].ravel(), size, "coverage", plots.PALETTE["orange"]),
    plots.SignalRow("peaks", labels[place].ravel(), size, "", plots.PALETTE["black"]),
]
figure = plots.genome_browser(chrom, start, end, rows, "What is to be scored")
plots.show(figure, "Thirty kilobases of the test chromosome: observed coverage, predictions, and peaks.")

# %% [markdown]
# ### A floor
#
# A score means nothing without what one gets for less. Two floors: the share of G and C in each bin, a "model" that has learned composition alone, and the same predictions held against the target *rotated* by half
# the chromosome. A rotated target has the same values and the same neighbours, in places that have nothing to do with the sequence. What scores clearly against it owes nothing to the sequence at that place: a mistake in the scoring, or a trend along the chromosome. (A leak from training into test it does *not* find; lesson 09 does.) By hand, the correlation is a mean of
# products:


# %%
def pearson_by_hand(y, p):
    """Mean product of deviations from the mean, in units of the standard deviations."""
    y, p = y - y.mean(), p - p.mean()
    return (y * p).mean() / np.sqrt((y**2).mean() * (p**2).mean())


agree = np.isclose(
    pearson_by_hand(truth.astype(float), predicted.astype(float)), metrics.pearson(truth, predicted)
)
print("helper and hand agree:", agree)


# %%
def floors(task, truth, predicted):
    """Pearson r of a model, of composition, and of the model against a rotated target."""
    codes = np.concatenate([batch[0] for batch in task.in_order("test")])
    gc = np.nan_to_num(baselines.gc_baseline(codes, size))
    rotated = baselines.rotated(truth.reshape(-1, 1)).reshape(truth.shape)
    pairs = {"model": (truth, predicted), "GC content": (truth, gc), "rotated target": (rotated, predicted)}
    return {name: metrics.pearson(*pair) for name, pair in pairs.items()}


# %% tags=["nbval-ignore-output"]
pd.DataFrame({f"seed {seed}": floors(task, *scored[seed]) for seed, task in tasks.items()}).T.round(3)

# %% [markdown]
# The last column should be close to zero, within a few hundredths, on every data set. If yours is not, stop here.
#
# ## 2 · Classes: accuracy, auROC, auPRC
#
# Many models predict a label: is this bin in a peak? Three scores are common. *Accuracy* is the share of right answers at one threshold. *auROC* is the chance that a bin in a peak scores above one that is not. *auPRC* averages,
# over the bins in peaks, the share of true ones among all bins that score as high. The last two by hand, from ranks:

# %%
positive, ranked = labels.ravel() == 1, np.argsort(-predicted.ravel(), kind="stable")
ranks = stats.rankdata(predicted.ravel())
count, rest = positive.sum(), (~positive).sum()
auroc = (ranks[positive].sum() - count * (count + 1) / 2) / (count * rest)
hits = positive[ranked]
auprc = (np.cumsum(hits) / np.arange(1, len(hits) + 1))[hits].mean()
helper = [score(labels, predicted) for score in (classification.auroc, classification.auprc)]
# Equal scores have no order: by hand, one is made up; the helper takes them at once.
print("helper and hand agree:", np.allclose([auroc, auprc], helper, atol=0.005))
print(f"bins in peaks: {positive.mean():.1%}; accuracy of calling none: {(~positive).mean():.1%}")

# %% [markdown]
# Now the model. Its threshold for calls is chosen for the highest F1 (lesson 02) on the validation chromosome. Which of the three scores tells you that it has learned something?

# %%
cut = classification.best_threshold(marked[first_seed]["validation"], base[first_seed]["validation"][1])
rivals = {"calls none": np.zeros_like(predicted), "model": predicted}
table = {
    name: {
        "accuracy": classification.accuracy(labels, scores, cut),
        "auROC": classification.auroc(labels, scores),
        "auPRC": classification.auprc(labels, scores),
    }
    for name, scores in rivals.items()
}

# %% tags=["nbval-ignore-output"]
pd.DataFrame(table).T.round(3)

# %% [markdown]
# Accuracy hardly moves: nearly everything is background, and calling all of it background is nearly always right. The threshold that finds peaks costs it a little, even. The auROC is high because most pairs of bins are easy. The auPRC has its floor at the share of bins in
# peaks, and leaves room to be wrong. (Lesson 02 tests this as a finding.)
#
# ## 3 · One chromosome, or many sequences?
#
# A correlation over the whole chromosome takes deviations from *one* mean. Computed within each sequence and then averaged, it takes them from each sequence's own mean. The two ask different questions. To see which, make two
# predictions out of the truth itself: the right level of each window without any shape, and the right shape of each window without its level.

# %%
level = truth.mean(axis=1, keepdims=True)
shape = np.divide(truth, level, out=np.zeros_like(truth), where=level > 0)


def both_ways(truth, predicted):
    """Pearson r over everything, and within each sequence, on average over those where it is defined."""
    within = metrics.pearson_per_sequence(truth, predicted)
    average = np.nanmean(within) if np.isfinite(within).any() else np.nan
    return {"whole chromosome": metrics.pearson(truth, predicted), "within sequences": average}


# %%
made = {
    "right levels, no shape": both_ways(truth, np.broadcast_to(level, truth.shape)),
    "right shapes, no level": both_ways(truth, shape),
}
pd.DataFrame(made).T.round(3)

# %% [markdown]
# Levels alone score well on the chromosome, and have no score within sequences. Shapes alone are perfect within sequences. "Pearson" without a word on how it was taken can mean either.
#
# ### Which sequences?
#
# Toneyan et al. (2022) saw the correlation within sequences rise when they kept only test sequences above a threshold of coverage. We take five thresholds: the quantiles of the windows' highest bins. What should a reader conclude
# from a score on the top windows?

# %%
QUANTILES = (0, 0.5, 0.8, 0.9, 0.95)
rank_by = findings.conditions("F16", world)["rank_by"]


def by_threshold(truth, predicted, seed):
    """Mean Pearson within test windows at or above each threshold."""
    height = truth.max(axis=(1, 2))
    if rank_by == "chance":
        height = np.random.default_rng(seed).random(len(height))
    kept = {quantile: height >= np.quantile(height, quantile) for quantile in QUANTILES}
    return {q: both_ways(truth[rows], predicted[rows])["within sequences"] for q, rows in kept.items()}


# %%
curves = {seed: by_threshold(*pair, seed) for seed, pair in scored.items()}
selection = pd.DataFrame(curves).T.rename_axis("seed").reset_index()
selection = selection.melt("seed", var_name="quantile", value_name="Pearson r")
ideal = {seed: by_threshold(scored[seed][0], rate[..., :1], seed) for seed, rate in rates.items()}
best = pd.DataFrame(ideal).T.rename_axis("seed").reset_index()
best = best.melt("seed", var_name="quantile", value_name="Pearson r")

# %% [markdown]
# On simulated data there is a control: the expected coverage, as good a prediction as there can be. Does its score rise, too?

# %%
figure, axis = plt.subplots(figsize=(5.5, 3.2))
plots.every_seed(selection, "quantile", "Pearson r", axis=axis, label="model")
if rates:
    plots.every_seed(
        best, "quantile", "Pearson r", axis=axis, colour=plots.PALETTE["black"], label="expected coverage"
    )
axis.set(
    xlabel="share of test windows left out, lowest coverage first",
    ylabel="mean Pearson r within windows",
    title="The test set decides the score",
    ylim=(0, 1),
)
axis.legend()
plots.show(
    figure, "Mean correlation within windows against the share of low windows left out: both lines rise."
)

# %% tags=["nbval-ignore-output"]
chosen = selection.pivot_table(index="seed", columns="quantile", values="Pearson r")
findings.record("F16", chosen[QUANTILES[-1]] - chosen[QUANTILES[0]], dataset=data)

# %% [markdown]
# The model is the same at every threshold. In a window without a peak the counts are mostly noise, and there is little in them to correlate with: the best possible prediction does badly there, too. It rises by about as much as the model does, so the rise belongs to
# the data and says little of the model. (Windows with much *observed* coverage are also those where noise was high.) Compare models on one test set; say which.
#
# ## 4 · Resolution
#
# Take the same predictions and average neighbouring bins, of truth and prediction alike. By hand it is a reshape; the helper does the same and knows about missing values.

# %%
wide = 512 // size
by_hand = truth.reshape(len(truth), -1, wide, 1).mean(axis=2)
print("helper and hand agree:", np.allclose(by_hand, metrics.rebin(truth, wide), rtol=1e-5))
moving = np.convolve(truth[0, :, 0], np.ones(wide) / wide, mode="valid")
inner = metrics.smooth(truth[0], wide)[wide // 2 : wide // 2 + len(moving), 0]
print("the same for smoothing, inside the window:", np.allclose(moving, inner, rtol=1e-4))

# %% [markdown]
# Three things to try, at six widths: averaging into bins, smoothing both sides with a moving average and keeping all bins, and smoothing the predictions alone. Nothing is trained again.

# %%
WIDTHS = (32, 64, 128, 256, 512, 1024)
order = findings.conditions("F15a", world)["order"]


def by_width(seed, truth, predicted):
    """Whole-chromosome Pearson r of the same predictions at several widths; a row each."""
    line, guess = truth.reshape(1, -1, 1), predicted.reshape(1, -1, 1)
    if order == "random":
        mixed = np.random.default_rng(seed).permutation(line.shape[1])
        line, guess = line[:, mixed], guess[:, mixed]
    rows = []
    for bins in (max(width // size, 1) for width in WIDTHS):
        smoothed = metrics.smooth(guess, bins)
        pairs = {
            "wider bins": (metrics.rebin(line, bins), metrics.rebin(guess, bins)),
            "both smoothed": (metrics.smooth(line, bins), smoothed),
            "predictions smoothed": (line, smoothed),
        }
        rows += [(seed, bins * size, name, metrics.pearson(*pair)) for name, pair in pairs.items()]
    return rows


# %%
rows = [row for seed, pair in scored.items() for row in by_width(seed, *pair)]
resolution = pd.DataFrame(rows, columns=["seed", "width", "what", "Pearson r"])
figure, axis = plt.subplots(figsize=(5.5, 3.2))
for (what, part), colour in zip(
    resolution.groupby("what", sort=False), ("blue", "orange", "vermilion"), strict=True
):
    plots.every_seed(part, "width", "Pearson r", axis=axis, colour=plots.PALETTE[colour], label=what)
axis.set_xscale("log", base=2)
axis.set_xticks(WIDTHS, [f"{width:,}" for width in WIDTHS])
axis.set(
    xlabel="width of a bin, or of the moving average (bp)",
    ylabel="Pearson r on the test chromosome",
    title="The same predictions, scored three ways",
)
axis.legend()
plots.show(
    figure, "Pearson r against width for wider bins, both sides smoothed, and predictions smoothed alone."
)


# %%
def gain(what, width=512):
    """Per seed, Pearson r at a width minus that of the bins as they are."""
    table = resolution[resolution["what"] == what].pivot_table(
        index="seed", columns="width", values="Pearson r"
    )
    return table[width] - table[size]


# %% tags=["nbval-ignore-output"]
display(pd.DataFrame({f"{width:,} bp": gain("wider bins", width) for width in WIDTHS[1:]}).round(3))
effects = {"F15a": gain("wider bins"), "F15b": gain("both smoothed")}
display(findings.record("F15a", effects["F15a"], dataset=data))
findings.record("F15b", effects["F15b"], dataset=data)

# %% [markdown]
# On every genome the correlation rises with each width up to 256 bp, though not by the same amount; at 1,024 bp two of them have lost again, one more than it had gained, perhaps since such bins are wider than a peak and mix it with its surroundings. (How many genomes it takes to be sure is a question for section 9.) Why does it rise? Up to 256 bp
# smoothing the *predictions alone* gains nearly as much as averaging both sides. So most of that gain does not need noise to be taken from the truth, which has little at this depth (section 8); ragged predictions and small mistakes of place would explain it. Wider than a peak, smoothing the predictions alone spoils the match, and only averaging both keeps the
# score up. So before you compare a model of 32-bp bins with one of 128-bp bins, bring both to 128 bp.
#
# <div class="alert alert-warning"><b>Caution.</b> A higher score in wider bins does not mean that wider bins are the better question. Choose the resolution by what the prediction is for: a variant in a motif needs bases, a gene's activity needs
# kilobases.</div>
#
# ## 5 · Which windows to train on, and where to judge?
#
# Two training sets are common. *Thresholded*: windows on a grid that reach a certain coverage; here, a bin above twice the mean. *Peak-centred*: windows around called peaks. The first set holds more and weaker places, the second is all about
# summits. Toneyan et al. found that each wins on its own ground: the first on whole chromosomes, the second in the height of peaks. The model of section 1 is of the first kind. Jitter (lesson 04) moves the windows of both kinds in training, so the sets differ in which places they hold, and how many, more than in where a peak lies in the window. We train one of the second for the same number of steps, and fill the same four columns as in Table A.2 of Tang's thesis (2024).
# A third model tells *kind* from *amount*: it is trained on windows of the first kind, drawn at random, but only as many as there are peaks.


# %%
sets = {"thresholded": thresholded(task), "around peaks": task.around_peaks("train")}
print("training windows:", {name: len(windows) for name, windows in sets.items()})
print("test windows around peaks:", len(places(task)["peaks"]))


# %%
def four_scores(found):
    """MSE and Pearson r, in peaks (within sequences, as in the table) and on the chromosome."""
    in_peaks, chromosome = found["peaks"], found["chromosome"]
    return {
        "MSE, peaks": metrics.mse(*in_peaks),
        "MSE, chromosome": metrics.mse(*chromosome),
        "Pearson r, peaks": both_ways(*in_peaks)["within sequences"],
        "Pearson r, chromosome": metrics.pearson(*chromosome),
    }


# %%
other_windows = findings.conditions("F17a", world)["other_windows"]
rows, others = [], {}
for seed, here in tasks.items():
    all_, peaks = thresholded(here), here.around_peaks("train")
    fewer = all_.sample(min(len(all_), len(peaks)), random_state=seed).reset_index(drop=True)
    second = peaks if other_windows == "peak-centred" else all_
    others[seed] = seen(here, places(here), trained(here, second, MANY * seed + 1))
    third = seen(here, places(here), trained(here, fewer, MANY * seed + 2))
    names = ("thresholded", other_windows + " again" * (second is all_), "thresholded, as many")
    for name, found in zip(names, (base[seed], others[seed], third), strict=True):
        rows.append({"seed": seed, "windows": name, **four_scores(found)})
training = pd.DataFrame(rows)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.2), sharey=True)
plots.every_condition(training, "windows", "Pearson r, chromosome", axis=left)
left.set(xlabel="Pearson r on the test chromosome", title="On the whole chromosome")
plots.every_condition(training, "windows", "MSE, peaks", axis=right)
right.set(xlabel="squared error (coverage squared)", title="Around peaks (less is better)")
plots.show(figure, "Pearson r on the chromosome and squared error around peaks, for three training sets.")

# %% tags=["nbval-ignore-output"]
training.groupby("windows", sort=False).mean().drop(columns="seed").round(3)

# %% tags=["nbval-ignore-output"]
first, second, _ = (part.set_index("seed") for _, part in training.groupby("windows", sort=False))
effects["F17a"] = first["Pearson r, chromosome"] - second["Pearson r, chromosome"]
effects["F17b"] = first["MSE, peaks"] / second["MSE, peaks"]
display(findings.record("F17a", effects["F17a"], dataset=data))
findings.record("F17b", effects["F17b"], dataset=data)

# %% [markdown]
# Read the rows in pairs. Between the first two, kind and amount both differ. On average the thresholded set does better on the chromosome, and the peaks in squared error in peaks but not in correlation there: the pattern of the published table. But the dots overlap, and two trainings on the *same* windows, from two seeds, differ by as much (the null worlds of F17a and F17b, [nulls.md](nulls.md)): the pattern may be luck. Between the last two the number of windows is the same, and only kind and training seed differ. There the peaks are ahead on
# average in the chromosome's correlation, too, though again no more than seeds are apart. So the number of windows may explain the lead of the first row; three genomes do not decide it. The one column in which peaks lose to both is the squared error on the chromosome. A model that has seen less silence may err there, which a test set of peaks hides and a correlation forgives. (Lesson 12 takes this up.)
#
# <div class="alert alert-warning"><b>Caution.</b> Equal steps is one way to be fair. A small set is then seen more often, and may be learned by heart. Equal epochs would be another way, and stopping each by its own validation score a third. Say which.</div>
#
# ## 6 · Labels or counts?
#
# A *binary* model learns whether a bin lies in a called peak, a *quantitative* one learns its coverage. To compare them, each has to answer in the other's language (Toneyan et al. 2022, Fig. 4a). The quantitative prediction is a ranking already, so auPRC can judge it. The binary model's *logit*,
# log(p / (1 - p)), stands in for coverage: the surer, the higher. By hand and with the helper:

# %%
p, known = np.array([0.01, 0.5, 0.9, 0.999]), [0, 1, 0, 1]
logits = np.log(p / (1 - p))
print("logits", logits.round(2), "- helper and hand agree:", np.allclose(classification.logits(p), logits))
print("auPRC is the same:", classification.auprc(known, p) == classification.auprc(known, logits))

# %% [markdown]
# Both kinds get the same architecture, the same windows and the same steps. Only target and loss differ. Toneyan et al. trained their binary models around peaks, so each kind is trained there, too.


# %%
def rival(task, seed, windows, kind, labelling="as called"):
    """What another model of the same genome predicts, of one kind or the other."""
    number, options = MANY * seed + 3, {}
    target = task
    if kind == "binary":
        options = {"loss": "binary_crossentropy", "build": partial(small_model, output="sigmoid")}
        target = task.labelled()
    if labelling == "shuffled":
        dealt = np.random.default_rng(seed).permutation(target.prepared.targets)
        target = replace(target, prepared=replace(target.prepared, targets=dealt))
    return seen(task, places(task), trained(target, windows, number, **options))


# %%
def judged(seed, found, kind):
    """Pearson r with coverage and auPRC of labels, on the chromosome and (within sequences) in peaks."""
    rows = []
    for where in ("chromosome", "peaks"):
        coverage, guess = found[where]
        signal = classification.logits(guess) if kind == "binary" else guess
        whole, within = both_ways(coverage, signal).values()
        r = whole if where == "chromosome" else within
        scores = {"Pearson r": r, "auPRC": classification.auprc(marked[seed][where], signal)}
        rows.append({"where": where, **scores})
    return rows


# %%
kind = findings.conditions("F18a", world)["other_model"]
labelling = findings.conditions("F18b", world)["labels"]


def entries(seed, here):
    """Kind and predictions of each way of training."""
    on_grid, on_peaks = thresholded(here), here.around_peaks("train")
    found = {
        ("quantitative", "thresholded"): ("quantitative", base[seed]),
        ("other", "thresholded"): (kind, rival(here, seed, on_grid, kind)),
        ("quantitative", "around peaks"): ("quantitative", others[seed]),
        ("other", "around peaks"): ("binary", rival(here, seed, on_peaks, "binary")),
    }
    if labelling == "shuffled":
        found["other", "shuffled"] = "binary", rival(here, seed, on_grid, "binary", labelling)
    return found


# %%
rows = []
for seed, here in tasks.items():
    for (model, windows), (what, found) in entries(seed, here).items():
        trained_so = {"seed": seed, "model": model, "windows": windows}
        rows += [trained_so | row for row in judged(seed, found, what)]
results = pd.DataFrame(rows)

# %% [markdown]
# Each marker is a model on one genome; open ones have been trained around peaks. Compare the colours, among filled markers first.

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3.8))
shades = {"quantitative": plots.PALETTE["orange"], "other": plots.PALETTE["blue"]}
for axis, (where, part) in zip(axes, results.groupby("where", sort=False), strict=True):
    for (model, windows), dots in part.groupby(["model", "windows"], sort=False):
        style = "full" if windows == "thresholded" else "none"
        label = f"{kind if model == 'other' else model}, {windows}"
        look = {"color": shades[model], "fillstyle": style, "label": label}
        axis.plot(dots["Pearson r"], dots["auPRC"], "o", **look)
    axis.set(ylabel="auPRC of bins in peaks", title=f"Two scores: {where}")
axes[0].set(xlabel="Pearson r with coverage, whole")
axes[1].set(xlabel="mean Pearson r within windows")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
plots.show(
    figure, "auPRC against Pearson r of quantitative and binary models, in peaks and on the chromosome."
)


# %%
def lead(where, score, windows="thresholded"):
    """Per seed, how far the quantitative model on thresholded windows is ahead of the other in a score."""
    part = results[results["where"] == where]
    table = part.pivot_table(index="seed", columns=["model", "windows"], values=score)
    return table["quantitative", "thresholded"] - table["other", windows]


# %% tags=["nbval-ignore-output"]
shown = results.replace({"other": f"{kind} (other)"}).sort_values("where", kind="stable")
means = shown.groupby(["where", "model", "windows"], sort=False)[["Pearson r", "auPRC"]].mean()
display(means.round(3))
smaller = np.minimum(lead("chromosome", "Pearson r"), lead("chromosome", "auPRC"))
display(findings.record("F18a", smaller, dataset=data))
trained_on = "thresholded" if labelling == "as called" else "shuffled"
findings.record("F18b", lead("peaks", "auPRC", trained_on).abs(), dataset=data)

# %% [markdown]
# The quantitative model is not ahead; that is all the first verdict says. The smaller of two gains lies below zero even for two models that differ in their seed alone: the null world ([nulls.md](nulls.md)) is nearly as low. The binary model's auPRC is higher on each genome, and its logits follow coverage about as well as the other model's
# predictions. How much of that lead is luck of the seed the null world does not say: it gives the smaller of two gains only. In peaks the two are alike if trained above the threshold; trained around peaks, the binary model is ahead on average. Look at the open markers on the left, too: trained around peaks, the quantitative model ranks worse on the chromosome on every genome, the binary one on one only.
#
# This is not what was published, and the settings differ: there, a binary model gave one label for a window of 2 kb, and knew nothing of what lay where in it. Whether that is the reason, this lesson has not tested.
#
# <div class="alert alert-warning"><b>Caution.</b> Each kind is at home in one of the two scores. A logit is no coverage: its scale is arbitrary, so no squared error can be taken, and labels depend on a peak caller and on its threshold.</div>
#
# ## 7 · Several tasks at once
#
# One model may predict many cell types. Then a single score can hide two things.
#
# ### What differs between cell types
#
# Many elements, promoters above all, are open in several cell types. A model that predicts the same *average* for all of them is right about most places, and says nothing about any cell type. To see what a model knows of the differences, take the
# average away, from truth and from prediction: divide each track by its mean, since libraries differ in depth, and subtract the mean over cell types.


# %%
def many_headed(task):
    """The small model with an output for each track, which starts at the tracks' means."""
    rates = np.mean(task.prepared.targets, axis=0, dtype=float)
    return models.residual_dilated(task.window, size, len(rates), initial_rate=list(rates), **SMALL)


several = len(genomes[first_seed].prepared.tracks) > 1
multi = {}
if several:
    for seed, many in genomes.items():
        model = trained(many, thresholded(many), MANY * seed + 4, build=many_headed)
        multi[seed] = on_chromosomes(many, model)
print(f"tracks predicted by one model: {len(tracks)}" if several else f"{data.name} has one track: left out")


# %%
def deviations(values):
    """Signal in units of each track's mean, minus the average over tracks."""
    folds = values / values.mean(axis=(0, 1))
    return folds - folds.mean(axis=2, keepdims=True)


# %%
def differences(truth, predicted, rate):
    """Mean Pearson r over tracks, as they are and of what differs; a row for each prediction."""
    average = (predicted / predicted.mean(axis=(0, 1))).mean(axis=2, keepdims=True)
    average = np.broadcast_to(average, truth.shape)
    rows = [("average of all", metrics.per_track(metrics.pearson, truth, average).mean(), 0.0)]
    for name, guess in {"own prediction": predicted, "expected coverage": rate}.items():
        pairs = (truth, guess), (deviations(truth), deviations(guess))
        rows.append((name, *(metrics.per_track(metrics.pearson, *pair).mean() for pair in pairs)))
    return rows


# %% [markdown]
# The average has no difference to offer. Its correlation there is undefined; we count it as 0. The expected coverage says how far one could get.

# %%
if is_simulated(data):
    rows = [(seed, *row) for seed, pair in multi.items() for row in differences(*pair, rates[seed])]
    cells = pd.DataFrame(rows, columns=["seed", "prediction", "as it is", "what differs"])
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.2), sharey=True)
    for axis, column in zip(axes, ("as it is", "what differs"), strict=True):
        plots.every_condition(cells, "prediction", column, axis=axis)
        axis.set(xlabel="mean Pearson r over cell types", title=f"Signal: {column}", xlim=(-0.03, 1))
    plots.show(
        figure, "Own predictions and their average over cell types score alike, except on what differs."
    )
else:
    print(f"{data.name} has no cell types to compare: left out")

# %% [markdown]
# On the signal as it is, the average for all cell types comes close to the model's own predictions. On what differs, the average has nothing to show, and the model far less than its score on the left suggests. Noise is not to blame: the expected coverage loses little. If a model is meant to tell cell types apart, score
# that. Lesson 10 shows how far an average can carry.
#
# ### One error for tasks of different scale
#
# A squared error is in squared units. Pool it over tasks, and the one with the largest numbers decides. Suppose that the first track were given in other units, twenty times as large. What share of the pooled error would be its own? By hand; the first row of the table is without the change of units:

# %%
factor = findings.conditions("F19", world)["factor"]


def shares(truth, predicted, factor):
    """Share of the pooled squared error that each track has, with the first one scaled."""
    scale = np.array([factor] + [1] * (truth.shape[2] - 1))
    errors = np.array([metrics.mse(truth[..., k], predicted[..., k]) for k in range(len(scale))]) * scale**2
    return errors / errors.sum()


# %% tags=["nbval-ignore-output"]
if several:
    each = {f"factor {k}": shares(*multi[first_seed], k) for k in (1, factor)}
    display(pd.DataFrame(each, index=[name.removesuffix("_coverage") for name in tracks]).T.round(3))
    display(findings.record("F19", [shares(*pair, factor)[0] for pair in multi.values()], dataset=data))
else:
    print(f"{data.name} has one track: left out")

# %% [markdown]
# What follows from it? Throw away the predictions for all other tracks and put their means there instead. The pooled error hardly notices. Errors that are divided by each track's variance do (one minus that is the share of variance explained, R2):

# %%
if several:
    many_truth, many_predicted = multi[first_seed]
    lazy = np.where(np.arange(len(tracks)) == 0, many_predicted, many_truth.mean(axis=(0, 1)))
    scale = np.array([factor] + [1] * (len(tracks) - 1))
    judged = {
        name: {
            "pooled MSE": metrics.mse(many_truth * scale, guess * scale),
            "mean R2 of tracks": metrics.per_track(metrics.r2, many_truth, guess).mean(),
        }
        for name, guess in {"model": many_predicted, "other tracks: their means": lazy}.items()
    }

# %% tags=["nbval-ignore-output"]
pd.DataFrame(judged).T.round(2) if several else None

# %% [markdown]
# ## 8 · Replicates: where is the ceiling?
#
# Do an experiment twice, and the two libraries do not agree perfectly, because fragments are drawn by chance. It is common to read their correlation as a *ceiling*: a model that reaches it has reached the best possible. But a replicate is a noisy
# thing, twice: once in the one library, once in the other. A model need not be noisy. If both replicates are the same rate plus independent noise of the same size, then
#
# > correlation of the replicates = (correlation of a replicate with the rate)²,
#
# and the ceiling for a model is the *square root* of the replicates' correlation (Spearman 1904).

# %% [markdown]
# First the identity itself, which needs no model. At each of several depths we hold two libraries against each other, and one of them against the rate that both were drawn from. The last two columns should agree, but for chance, which is largest where there are few fragments.


# %%
def replicates(seed, depth):
    """Coverage of the test chromosome in two libraries."""
    covered = fitting.targets_of(libraries[seed, depth].in_order("test"))
    return covered[..., :1], covered[..., 1:]


# %%
if replicated:
    rows = []
    for depth in DEPTHS:
        one, other = replicates(first_seed, depth)
        r = metrics.pearson(one, other)
        row = {
            "replicates": r,
            "its square root": np.sqrt(r),
            "rate": metrics.pearson(other, rates[first_seed][..., :1]),
        }
        rows.append({"depth": depth, **row, "model": metrics.pearson(other, predicted)})
    depths = pd.DataFrame(rows).set_index("depth")
    display(depths.drop(columns="model").round(2))
else:
    print(f"{data.name} has no replicates of {task.track}: left out")

# %% [markdown]
# Now models. A model passes the replicates' own correlation if it knows the rate better than a replicate does. When would that be? Where libraries are shallow enough. Try a tenth of the depth that we have used so far, about nine million fragments of a
# human genome. The model is trained on the one replicate. Both are then compared with the other, and with the rate.


# %%
def ceiling(seed, depth, model):
    """How well a replicate, and a model of it, agree with another replicate and with the rate."""
    one, other = replicates(seed, depth)
    if model == "the other replicate, smoothed":
        guess = metrics.smooth(other, 3)
    else:
        alone = libraries[seed, depth].only(REPLICATES[0])
        guess = on_chromosomes(alone, trained(alone, thresholded(alone), MANY * seed + 5))[1]
    found = baselines.replicate_agreement(one, other)
    ours = metrics.pearson(other, guess)
    agreed = {"replicate": found.correlation, "its square root": found.ceiling, "model": ours}
    known = {
        f"{name}, rate": metrics.pearson(rates[seed][..., :1], x)
        for name, x in {"replicate": one, "model": guess}.items()
    }
    return {"seed": seed, **agreed, **known}


# %%
conditions = findings.conditions("F20a", world), findings.conditions("F20b", world)
first_, second_ = ((each["depth"], each.get("model", "trained on the one replicate")) for each in conditions)
if replicated:
    ceilings = {
        key: pd.DataFrame([ceiling(seed, *key) for seed in numbers]).set_index("seed")
        for key in dict.fromkeys((first_, second_))
    }

# %% tags=["nbval-ignore-output"]
if replicated:
    shallow, last = ceilings[first_], ceilings[second_]
    display(shallow.round(2))
    display(findings.record("F20a", shallow["model"] - shallow["replicate"], dataset=data))
    display(findings.record("F20b", last["model"] - last["its square root"], dataset=data))

# %% [markdown]
# Compare the last two columns of the table: this small model knows the rate less well than the replicate itself does, and that decides it. F20b holds with room to spare, because the model is weak; what supports the ceiling is the table before, in which the rate itself just reaches it. For this model to pass, the *replicate* has to be worse. Hold the model of section 1, which has seen ten times as many fragments and agrees with a replicate of this depth hardly better, against replicates of all the depths above:

# %%
if replicated:
    figure, axis = plt.subplots(figsize=(5.5, 3.2))
    looks = {"replicates": "o-", "its square root": "-", "rate": "x", "model": "o-"}
    labels_ = (
        "two replicates",
        "square root of that",
        "the rate with a replicate",
        "model of section 1 with a replicate",
    )
    shades = ("black", "sky", "black", "orange")
    for (name, look), label, shade in zip(looks.items(), labels_, shades, strict=True):
        axis.plot(depths.index, depths[name], look, color=plots.PALETTE[shade], label=label)
    axis.set(xscale="log", xlabel="depth of the replicates (fragments per bp)", ylim=(0, 1))
    axis.set(ylabel="Pearson r", title="A replicate is no ceiling, its square root is")
    axis.legend(fontsize=8)
    plots.show(figure, "Pearson r against depth: the rate lies on the square root of the replicates' r.")

# %% [markdown]
# (All of this figure is the first genome.) Where the orange line is above the black one, the model agrees with a replicate better than another replicate does. It would be wrong to call it perfect there, or to suspect a leak. The blue line is the ceiling, and the rate itself lies on it but for chance, which at the lowest depth puts it above.
#
# <div class="alert alert-warning"><b>Caution.</b> The square root holds if replicates share nothing but the rate. If they share a batch, a GC bias or a tower of artefacts, they agree on that as well, and the ceiling for a model that should know biology is lower. It is lower, too, if part of the rate is not written in the sequence, as in this simulation.</div>
#
# ## 9 · How sure is a score?
#
# The test chromosome is a sample. Another one would have given another score. How much of another? The bootstrap draws from the data with repeats and scores each draw. But neighbouring bins are not independent: a peak spans several of them, and the model is right or wrong
# about the whole peak. Draw *blocks* of neighbours instead. By hand and with the helper:

# %%
DRAWS = 50 if profile == "smoke" else 200


def correlation(y, p):
    """Pearson r of two flat arrays."""
    return np.corrcoef(y, p)[0, 1]


line, guess = truth.ravel(), predicted.ravel()
blocks = bootstrap.cut_blocks(line, guess, size=1_024)
rng, by_hand = np.random.default_rng(first_seed), []
for _ in range(DRAWS):
    drawn = [blocks[number] for number in rng.integers(0, len(blocks), len(blocks))]
    by_hand.append(correlation(*(np.concatenate(parts) for parts in zip(*drawn, strict=True))))
interval = bootstrap.block_bootstrap(correlation, blocks, first_seed, resamples=DRAWS)
agree = np.allclose(np.quantile(by_hand, [0.025, 0.975]), [interval.low, interval.high])
print(f"{len(blocks)} blocks of {1_024 * size:,} bp; helper and hand agree: {agree}")

# %% [markdown]
# How wide is the interval if blocks are short? A single bin is the shortest. Look for the length from which on the width no longer grows.

# %%
sizes, widths = [1, 8, 64, 256, 1_024, 2_048], []
for bins in sizes:
    cut = bootstrap.cut_blocks(line, guess, size=bins)
    found = bootstrap.block_bootstrap(correlation, cut, first_seed, resamples=DRAWS)
    widths.append(found.high - found.low)
figure, axis = plt.subplots(figsize=(5.5, 2.8))
axis.plot(np.array(sizes) * size, widths, "o-")
axis.set(
    xscale="log",
    ylim=(0, None),
    xlabel="length of a block (bp)",
    ylabel="width of the 95 % interval",
    title="Bins drawn alone are too sure",
)
plots.show(figure, "Width of the bootstrap interval of Pearson r against the length of blocks.")

# %% [markdown]
# The width grows until a block holds a peak with its surroundings. Much longer blocks leave too few to draw from. And a *difference* between two models? Both are scored on the same draws, so that what is hard about a block is hard for both, and
# cancels. Here are the two training sets of section 5, on the first genome:

# %%
centred = others[first_seed]["chromosome"][1].ravel()
cut = bootstrap.cut_blocks(line, guess, centred, size=1_024)
measures = {
    "thresholded": lambda y, p, _: correlation(y, p),
    "other": lambda y, _, p: correlation(y, p),
    "difference": lambda y, p, other: correlation(y, p) - correlation(y, other),
}
bounds = {
    name: bootstrap.block_bootstrap(measure, cut, 0, resamples=DRAWS)[:3]
    for name, measure in measures.items()
}

# %% tags=["nbval-ignore-output"]
pd.DataFrame(bounds, index=["score", "low", "high"]).T.round(3)

# %% [markdown]
# This interval asks: what if the test chromosome had been another piece of the same genome? It does not ask what another training, or another genome, would have given. Compare it with F17a, whose interval does. What a difference has to exceed there depends on its standard
# deviation over seeds, and on how many there are:

# %%
number_of_seeds = np.array([2, 3, 5, 10, 20])
half = stats.t.ppf(0.975, number_of_seeds - 1) / np.sqrt(number_of_seeds)
pd.DataFrame({"seeds": number_of_seeds, "half an interval, in standard deviations": half.round(2)}).set_index(
    "seeds"
)


# %%
def needed(gains):
    """Mean and standard deviation over seeds, and from how many seeds on the interval would leave 0 if both stayed as they are."""
    counts = np.arange(2, 1_001)
    half = stats.t.ppf(0.975, counts - 1) / np.sqrt(counts) * gains.std()
    enough = counts[np.abs(gains.mean()) > half]
    return {"mean": gains.mean(), "SD": gains.std(), "seeds needed": enough[0] if len(enough) else np.nan}


effects["F17b"] = np.log(effects["F17b"])  # of a ratio, the logarithm
effects["F18a"] = smaller

# %% tags=["nbval-ignore-output"]
pd.DataFrame({name: needed(gains) for name, gains in effects.items()}).T.round(3)

# %% [markdown]
# With three seeds a mean must exceed two and a half standard deviations to be told from nothing. The last column takes the mean and the spread found here as the truth: with just so many seeds an interval would leave zero about every second time, so plan for more. (F18a's row says nothing: the smaller of two gains lies below zero even where the models are alike.) The two kinds of interval answer different questions. Blocks are about the trained models of one genome, genomes about a way of training; and the first
# genome's difference is larger than the mean, which nothing in its blocks could have told. That the interval over genomes is the wider one here is mostly due to its resting on three values. Report both if you can, and never one in the place of the other.
#
# ## Exercises
#
# **1.** A paper on the same assay reports a Pearson r over a whole chromosome, in bins of 128 bp. Which number of ours may be put beside it? Compute it from `truth` and `predicted`.

# %% tags=["exercise"]
comparable = ...

# %% tags=["check"]
hint = "Average truth and prediction over groups of 128 // size bins, then correlate."
factor_ = 128 // size
comparable_score = metrics.pearson(metrics.rebin(truth, factor_), metrics.rebin(predicted, factor_))
check(comparable, lambda value: np.isclose(value, comparable_score, atol=1e-3), hint)

# %% tags=["solution"]
comparable = metrics.pearson(metrics.rebin(truth, 128 // size), metrics.rebin(predicted, 128 // size))
check(comparable, lambda value: np.isclose(value, comparable_score, atol=1e-3), "")

# %% [markdown]
# **2.** Two tasks, a row each, on scales that differ a hundredfold. Give one error in which both count alike: the mean over tasks of the squared error divided by the variance of the truth (over all its bins, as `np.var` takes it).

# %% tags=["exercise"]
observed = np.array([[1.0, 2.0, 3.0, 4.0], [100.0, 200.0, 300.0, 400.0]])
guessed = np.array([[2.0, 2.0, 3.0, 3.0], [110.0, 190.0, 310.0, 390.0]])
fair = ...

# %% tags=["check"]
hint = "Mean squared error of each row, divided by the variance of each row of the truth; then the mean of the two."
check(fair, lambda value: np.isclose(value, (0.5 / 1.25 + 100 / 12_500) / 2), hint)

# %% tags=["solution"]
fair = np.mean(((observed - guessed) ** 2).mean(axis=1) / observed.var(axis=1))
check(fair, lambda value: np.isclose(value, (0.5 / 1.25 + 100 / 12_500) / 2), "")

# %% [markdown]
# **3.** Two replicates correlate at 0.49. How high can a model correlate with one of them at most? And with their sum? (The sum has four times the variance of the rate, and twice that of the noise.)

# %% tags=["exercise"]
with_one, with_sum = ..., ...

# %% tags=["check"]
hint = "The share of a measurement's variance that is the rate's is 0.49 for one. For the sum it is 4 x 0.49 / (4 x 0.49 + 2 x 0.51)."
answers = (np.sqrt(0.49), np.sqrt(4 * 0.49 / (4 * 0.49 + 2 * 0.51)))
given = with_one if with_one is ... else (with_one, with_sum)
check(given, lambda pair: np.allclose(pair, answers, atol=0.005), hint)

# %% tags=["solution"]
with_one, with_sum = np.sqrt(0.49), np.sqrt(2 * 0.49 / (1 + 0.49))  # the second: Spearman 1910, Brown 1910
check((with_one, with_sum), lambda pair: np.allclose(pair, answers, atol=0.005), "")

# %% [markdown]
# ## Key points
#
# - Say of every score: over what, in which bins, on which regions, in which units, against which floor.
# - Wider bins, smoother signal and stronger test windows can raise a correlation without any better model.
# - Test where the model will be used. Peaks alone hide what happens on the rest of the genome.
# - For several tasks, score each on its own scale, and score what differs between them.
# - The ceiling is the square root of the replicates' correlation; blocks of the genome give the interval of a trained model, seeds and genomes that of a way of training.
#
# ## Further reading
#
# - Toneyan, Tang & Koo 2022, evaluation of quantitative and binary models: [doi:10.1038/s42256-022-00570-9](https://doi.org/10.1038/s42256-022-00570-9)
# - Tang 2024, *Exploring the Representational Power of Genomic Deep Learning Models*, PhD thesis, Cold Spring Harbor Laboratory
# - Whalen et al. 2022, pitfalls of machine learning in genomics: [doi:10.1038/s41576-021-00434-9](https://doi.org/10.1038/s41576-021-00434-9)
# - Künsch 1989, the bootstrap for dependent data: [doi:10.1214/aos/1176347265](https://doi.org/10.1214/aos/1176347265)
# - Spearman 1904, correlation between noisy measurements: [doi:10.2307/1412159](https://doi.org/10.2307/1412159)
