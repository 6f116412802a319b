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
# # 4 · Augmentation: the other strand, and a step to the side
#
# <!-- badges -->
#
# A window of DNA can be read from either strand, and it could as well have been cut some bases further on. Neither changes what happens in the cell. A network does not know that. Showing it
# turned and moved windows costs nothing; but does it help, whom does it help, and how do you know that you did it right?
#
# **You will learn**
#
# - to turn and move sequence and target together, in the right order, with a draw of its own for each sample;
# - to test augmentation code for mistakes that are easily made;
# - to measure whether a model's predictions survive a shift, which the usual scores do not show.
#
# **Time:** 60 minutes to read and try; runs in about five minutes. **Before this:** lessons 01 and 03.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import numpy as np
import pandas as pd
from Bio.Seq import Seq
from IPython.display import display
from matplotlib import pyplot as plt

from helpers.course import findings, plots
from helpers.course.exercises import check
from helpers.course.experiments import seed_numbers
from helpers.course.tasks import task_for_seed
from helpers.course.training import chromosome_pearson, small_dense, small_model, train
from helpers.data.datasets import load_dataset
from helpers.evaluate import averaging, metrics, robustness
from helpers.files.fasta import reverse_complement_codes
from helpers.prepare import augment
from helpers.train.augmentation import flank_windows
from helpers.train.fitting import predictor, targets_of
from helpers.train.seeding import seed_everything

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 3  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # lesson 05 shows how to track training
track = ""  # id of the track to predict; empty for the data set's first
epochs = 8  # passes over the training windows
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · The other strand
#
# The two strands of DNA hold the same information: A faces T, C faces G, and the second strand runs backwards. Reading a window from the other strand gives its *reverse complement*. As codes,
# A, C, G, T are 0 to 3, so the complement of a base c is 3 - c. By hand, with Biopython, and with the helper:

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
seed_everything(first_seed)  # before anything is computed: lesson 05 says why
task = task_for_seed(data, first_seed, track=track)
codes, targets = task.in_order("test")[0]
piece = codes[100, :12]
letters = "".join("ACGTN"[code] for code in piece)
by_hand = np.where(piece < 4, 3 - piece, piece)[::-1]
assert "".join("ACGTN"[code] for code in by_hand) == str(Seq(letters).reverse_complement())
assert np.array_equal(by_hand, reverse_complement_codes(piece))
print(f"one strand    5' {letters} 3'\nthe other     5' {''.join('ACGTN'[code] for code in by_hand)} 3'")

# %% [markdown]
# The target has to turn as well: if the sequence is read backwards, so are its bins. And if a track belongs to a strand, such as RNA, its partner takes its place: what was forward is now reverse.
# Three bins of two stranded tracks, before and after:

# %%
stranded = np.array(
    [[[1, 10], [2, 20], [3, 30]]], dtype=np.float32
)  # (one window, three bins, forward and reverse track)
_, turned = augment.reverse_complement_batch(codes[:1], stranded, np.array([True]), stranded=[1, 0])
pd.DataFrame(
    np.hstack([stranded[0], turned[0]]), columns=["forward", "reverse", "forward, turned", "reverse, turned"]
).astype(int)

# %% [markdown]
# ## 2 · A step to the side
#
# *Jitter* moves a window by a random number of bins. The order of steps matters: move the *interval* first, then fetch sequence and target there, then complement, then encode. Moving the encoded array
# instead pushes real bases out at one end and has nothing to fill in at the other. Look at what each way gives for a move of two bins:

# %%
row = task.split.test.iloc[40]
size = task.prepared.bin_size
there = task.prepared.window(row.chrom, row.start + 2 * size, row.end + 2 * size)
here = task.prepared.window(row.chrom, row.start, row.end)
wrong = [
    np.roll(part, -step, axis=0) != right
    for part, right, step in zip(here, there, (2 * size, 2), strict=True)
]
print(f"moved array, not interval: {wrong[0].sum()} of {task.window:,} bases are not those of the genome")
print(
    f"and {wrong[1].sum()} of {len(there[1])} bins of the target, at its end: {np.flatnonzero(wrong[1][:, 0])}"
)

# %% [markdown]
# The helper `WindowBatches` moves the interval. Each sample has a draw of its own, both ends can be reached, and every epoch draws anew. Where did the first base of one window come from, over a hundred epochs?

# %%
batches = task.batches(task.active("train"), jitter=128, shuffle=False)
home = batches.reach(moved=False)[0][0] * size
places = {move: task.prepared.codes[home + move :][: task.window] for move in range(-128, 129, size)}
seen = dict.fromkeys(places, 0)
for batches.epoch in range(100):
    first_window = batches[0][0][0]
    for move, codes_there in places.items():
        seen[move] += np.array_equal(first_window, codes_there)
pd.Series(seen, name="times seen").rename_axis("moved by (bp)").to_frame().T

# %% [markdown]
# *Flanking* is a fixed variant: the left, the middle and the right window of an extended interval become three samples with one label (Cao & Zhang 2019). They share bases, so split into training and test first, never after.

# %%
flank_windows(task.active("train").head(2), 256, task.prepared.lengths)

# %% [markdown]
# ## 3 · Done wrong, and how a test shows it
#
# Four mistakes that raise no error. The code runs, and a loss would fall, perhaps not as far, with nothing to compare it to:


# %%
FROZEN = np.random.default_rng(0).integers(-4, 5, size=64)  # drawn once, when the code is read


def draws(mistake, samples, rng):
    """Moves and coins of one batch."""
    shifts = FROZEN[:samples] if mistake == "frozen offsets" else rng.integers(-4, 5, size=samples)
    coins = rng.random(samples) < 0.5
    if mistake == "one coin a batch":
        coins[:] = coins[0]
    return shifts, coins


# %%
def turn(mistake, codes, targets, coins):
    """Reverse complement of the samples that the coins choose."""
    new_codes, new_targets = augment.reverse_complement_batch(codes, targets, coins)
    if mistake == "not complemented":
        new_codes = np.where(coins[:, None], codes[:, ::-1], codes)
    return (new_codes, targets) if mistake == "target not turned" else (new_codes, new_targets)


# %% [markdown]
# Three tests find them. Each asks for a property that right code has, and none needs a trained model.


# %%
def two_epochs_differ(mistake):
    rng = np.random.default_rng(1)
    return not np.array_equal(draws(mistake, 64, rng)[0], draws(mistake, 64, rng)[0])


def coins_are_independent(mistake):
    rng = np.random.default_rng(1)
    return all(0 < draws(mistake, 64, rng)[1].mean() < 1 for _ in range(5))


# %% [markdown]
# The third uses a target that is computed from the sequence, and is the same for both strands: how often GA stands in a bin, or TC, which is GA on the other strand. After turning, it must still fit.


# %%
def share_of_ga(codes):
    """Share of places in each bin where GA or TC stands."""
    binned = codes.reshape(len(codes), -1, size)
    first, second = binned[..., :-1], binned[..., 1:]
    found = (first == 2) & (second == 0) | (first == 3) & (second == 1)
    return found.mean(axis=2)[..., None].astype(np.float32)


def target_follows_sequence(mistake):
    sample = codes[:64]
    new_codes, new_targets = turn(mistake, sample, share_of_ga(sample), np.ones(len(sample), dtype=bool))
    return np.allclose(share_of_ga(new_codes), new_targets)


# %%
tests = (two_epochs_differ, coins_are_independent, target_follows_sequence)
mistakes = ("frozen offsets", "one coin a batch", "not complemented", "target not turned", "no mistake")
passes = {
    mistake: {test.__name__: "passes" if test(mistake) else "FAILS" for test in tests} for mistake in mistakes
}
pd.DataFrame(passes).T

# %% [markdown]
# Each mistake fails one test, and only that one. Write such tests before you train: a loss curve need not tell. They find these four, not all: one move for the whole batch, or coins that alternate, would pass. Which test would you add?
#
# ## 4 · Does a prediction survive a shift?
#
# Two kinds of model will matter. A *convolutional* one looks at every position with the same weights, so a shifted window gives shifted predictions, but for its ends, where the network sees padding in the place of bases: its variation score will be small, not 0. One with a *dense head* flattens the window and
# connects every position with every output: it knows where in the window something lies. If its training peaks were all centred, it has never seen one at the side.
#
# Toneyan et al. (2022) measure this with a *variation score*: shift the window twenty times around a peak, lay the predictions over each other where all windows overlap, and divide their standard deviation by
# their mean. By hand for one peak, with a model that has not been trained:

# %%
wide = 3 * task.window // 2
peaks = task.centred(task.active("test"), width=wide)
around = np.stack(
    [task.prepared.window(*place)[0] for place in peaks[["chrom", "start", "end"]].itertuples(index=False)]
)
untrained = predictor(small_dense(task))
most = (wide - task.window) // size
offsets = np.random.default_rng(first_seed).integers(0, most + 1, size=20)
shifted = untrained(np.stack([around[0, o * size : o * size + task.window] for o in offsets]))
common = (2 * task.window - wide) // size
laid_over = np.stack([p[most - o : most - o + common, 0] for o, p in zip(offsets, shifted, strict=True)])
by_hand = laid_over.std(axis=0).mean() / laid_over.mean()
helper = robustness.variation_score(
    untrained, around[:1], np.random.default_rng(first_seed), bin_size=size, window=task.window
)
print(
    f"{len(peaks)} peaks of the test chromosome, in {wide:,} bp each; helper and hand agree: {np.isclose(by_hand, helper[0, 0])}"
)

# %% [markdown]
# ## 5 · The experiment
#
# Two heads, two training sets, with and without augmentation. The training sets hold the same loci: *thresholded* takes the windows as they lie on the grid, so that peaks are anywhere in them; *centred* puts the highest bin of each in the middle (what we call a peak here; a peak across the edge of two windows comes twice, and the weakest may be none).
# No background windows are added, and jitter is up to 384 bp. Each condition has a training seed of its own. Two scores: Pearson over the whole test chromosome, and the variation score at its peaks.

# %%
numbers = seed_numbers(profile, seeds, first_seed)
HEADS = {"convolutional": small_model, "dense head": small_dense}
MANY = 1_000  # training seeds of one genome are MANY * seed + the number of the condition


def training_windows(task, how):
    windows = task.active("train")
    return task.centred(windows) if how == "centred" else windows


def scored(task, model, seed):
    """Pearson over the test chromosome, and the variation score at its peaks."""
    peaks = task.centred(task.active("test"), width=3 * task.window // 2)
    places = peaks[["chrom", "start", "end"]].itertuples(index=False)
    around = np.stack([task.prepared.window(*place)[0] for place in places])
    options = {"bin_size": task.prepared.bin_size, "window": task.window, "least_coverage": 1e-3}
    variation = robustness.variation_score(predictor(model), around, seed, **options)
    return {"Pearson r": chromosome_pearson(task, model), "variation": float(np.nanmean(variation))}


# %%
models = {}
rows = []
options = findings.conditions("F09a", world)  # jitter and reverse complement, or neither in the null world
for seed in numbers:
    here = task_for_seed(data, seed, track=track)
    ways = [(how, augmented) for how in ("thresholded", "centred") for augmented in (False, True)]
    grid = [(head, *way) for head in HEADS for way in ways]
    for number, (head, how, augmented) in enumerate(grid):
        changes = options if augmented else {"jitter": 0, "reverse_complement": False}
        windows = training_windows(here, how)
        model = train(here, windows, MANY * seed + number, epochs=epochs, build=HEADS[head], **changes).model
        rows.append(
            {"seed": seed, "head": head, "windows": how, "augmented": augmented, **scored(here, model, seed)}
        )
        if (head, how) == ("convolutional", "thresholded"):
            models[seed, augmented] = model  # for section 7
results = pd.DataFrame(rows)

# %% [markdown]
# Each dot is a trained model. To the right is a better fit of the chromosome, down is a more robust model. Which models are alike in one score and far apart in the other?

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 3.6), sharey=True)
colours = {"thresholded": plots.PALETTE["blue"], "centred": plots.PALETTE["vermilion"]}
for (head, how, augmented), chosen in results.groupby(["head", "windows", "augmented"], sort=False):
    axis = axes[list(HEADS).index(head)]
    look = {
        "marker": "os"[how == "centred"],
        "fillstyle": "full" if augmented else "none",
        "linestyle": "none",
    }
    label = f"{how}, {'augmented' if augmented else 'as they are'}"
    axis.plot(chosen["Pearson r"], chosen["variation"], color=colours[how], label=label, **look)
    axis.set(xlabel="Pearson r on the test chromosome", yscale="log", title=head)
axes[0].set(ylabel="variation score (less is more robust)")
axes[0].legend(fontsize=8)
plots.show(
    figure,
    "Variation score against Pearson r, one panel a head; filled markers were trained with augmentation.",
)

# %% tags=["nbval-ignore-output"]
means = results.groupby(["head", "windows", "augmented"], sort=False)[["Pearson r", "variation"]].mean()
means.reset_index().pivot_table(index=["head", "windows"], columns="augmented", sort=False).round(3)


# %% [markdown]
# First the usual score, for the convolutional model, which Table A.2 of Tang's thesis (2024) is about:


# %%
def effect(head, how, score):
    """Per seed, a score without and with augmentation."""
    chosen = results[(results["head"] == head) & (results["windows"] == how)]
    table = chosen.pivot_table(index="seed", columns="augmented", values=score)
    return table[False], table[True]


# %% tags=["nbval-ignore-output"]
without, with_ = effect("convolutional", "thresholded", "Pearson r")
display(findings.record("F09a", with_ - without, dataset=data))
without, with_ = effect("convolutional", "centred", "Pearson r")
findings.record("F09b", with_ - without, dataset=data)

# %% [markdown]
# Hold the gain of F09a against its null world ([nulls.md](nulls.md)), where two models *without* augmentation differ in their seed alone, and nearly by as much: the sign is right on the interval's word, and the size is not to be trusted. And robustness. The published comparison used convolutional models:

# %% tags=["nbval-ignore-output"]
without, with_ = effect("convolutional", "centred", "variation")
findings.record("F10a", without / with_, dataset=data)

# %% [markdown]
# On each genome the ratio is above 1 (in the left panel every open square lies above every filled one), but it varies too much for three genomes to exclude 1. A dense head can know where in the window it looks. Does it gain at all, and more from centred windows than from the others?

# %% tags=["nbval-ignore-output"]
without, with_ = effect("dense head", "centred", "variation")
gain_centred = without / with_
display(findings.record("F10b", gain_centred, dataset=data))
without, with_ = effect("dense head", "thresholded", "variation")
findings.record("F10c", gain_centred / (without / with_), dataset=data)

# %% [markdown]
# Which of the two does it? The same model and windows once more, with each alone:

# %%
alone = {
    "jitter alone": {"jitter": 384, "reverse_complement": False},
    "reverse complement alone": {"jitter": 0, "reverse_complement": True},
}
rows = []
for seed in numbers:
    here = task_for_seed(data, seed, track=track)
    for number, (name, changes) in enumerate(alone.items(), len(grid)):
        options = {"epochs": epochs, "build": small_dense, **changes}
        model = train(here, training_windows(here, "centred"), MANY * seed + number, **options).model
        rows.append({"seed": seed, "augmentation": name, **scored(here, model, seed)})
dense = results[(results["head"] == "dense head") & (results["windows"] == "centred")]
named = dense.assign(augmentation=np.where(dense["augmented"], "both", "none"))
apart = pd.concat([named, pd.DataFrame(rows)])[["seed", "augmentation", "Pearson r", "variation"]]

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.4), sharey=True)
plots.every_condition(apart, "augmentation", "variation", axis=left)
left.set(xlabel="variation score", title="Robustness: less is better")
plots.every_condition(apart, "augmentation", "Pearson r", axis=right)
right.set(xlabel="Pearson r, test chromosome", title="Fit: more is better")
plots.show(figure, "Variation score and Pearson r of the dense head with none, each, and both augmentations.")

# %% [markdown]
# It is the jitter: the reverse complement alone leaves the variation score where it was. Look again at the table, and at the right panel. Jitter alone even fits a little better than both together, though the dots overlap. The dense head that has seen centred peaks only is lost on a whole chromosome in every case. So its ratio in F10b is that of two models with next to no fit there, and says little about models that one would use. Between the heads we make no test: they fit very differently, and the models differ in more than the head.
#
# <div class="alert alert-warning"><b>Caution.</b> All of this is about shifts. A model can be robust to shifts and still be wrong everywhere: a constant prediction has a variation score of 0. Read it beside a score of fit, never alone.</div>
#
# ## 6 · Two scores, two orders
#
# If a correlation is reported alone, what is left unsaid? Take all pairs of models on one genome whose Pearson r differ by no more than 0.01, and look for the pair that differs most in its variation score.


# %%
def largest_ratio(table, within=0.01):
    """Largest ratio of variation scores among pairs of models with nearly the same Pearson r; 1 without such a pair."""
    ratios = [1.0]
    for one in table.itertuples():
        near = table[(table["Pearson r"] - table.loc[one.Index, "Pearson r"]).abs() <= within]
        ratios.append(float((near["variation"] / table.loc[one.Index, "variation"]).max()))
    return max(ratios)


# %%
compared = results
if findings.conditions("F11", world)["models"] == "one":  # one way of training, several training seeds
    rows = []
    for seed in numbers:
        here = task_for_seed(data, seed, track=track)
        for number in range(4):
            model = train(here, here.active("train"), MANY * seed + number, epochs=epochs).model
            rows.append({"seed": seed, **scored(here, model, seed)})
    compared = pd.DataFrame(rows)

# %% tags=["nbval-ignore-output"]
findings.record("F11", [largest_ratio(table) for _, table in compared.groupby("seed")], dataset=data)

# %% [markdown]
# Read this one with care. The largest of several ratios cannot be below 1, and grows with the number of pairs by chance alone: training seeds are enough for some of it, as the null world of F11 shows (with half as many models, and fewer pairs). And a pair of two poor models counts like a pair of good ones. Among models with at least half of the best correlation of
# their genome:

# %% tags=["nbval-ignore-output"]
good = compared[compared["Pearson r"] >= compared.groupby("seed")["Pearson r"].transform("max") / 2]
ratios = {f"seed {seed}": [largest_ratio(table), len(table)] for seed, table in good.groupby("seed")}
pd.DataFrame(ratios, index=["largest ratio", "models"]).T.round(2)

# %% [markdown]
# ## 7 · Averaging both strands when predicting
#
# Augmentation teaches a model to expect both strands. One can also ask it both, and average: predict the window, predict its reverse complement, turn that prediction back, and take the mean. The helper `both_strands` takes care of
# the turning. It costs a second prediction, and works for a model that has been trained without augmentation, too:

# %%
rows = []
for seed in numbers:
    here = task_for_seed(data, seed, track=track)
    test = here.in_order("test")
    inputs, truth = np.concatenate([batch[0] for batch in test]), targets_of(test)
    for augmented in (False, True):
        predict = predictor(models[seed, augmented])
        scores = {
            "one strand": metrics.pearson(truth, predict(inputs)),
            "both strands": metrics.pearson(truth, averaging.both_strands(predict, inputs)),
        }
        rows.append({"trained with augmentation": augmented, "seed": seed, **scores})

# %% tags=["nbval-ignore-output"]
pd.DataFrame(rows).pivot_table(index="seed", columns="trained with augmentation").round(3)

# %% [markdown]
# Averaging is higher in every row. That it is the *strand* that helps does not follow: a mean of two predictions is smoother than one, and two shifts averaged would have been the control.
#
# ## Exercises
#
# **1.** What is the reverse complement of `GATTACA`? Do it in your head.

# %% tags=["exercise"]
other_strand = ...

# %% tags=["check"]
hint = "Complement each letter (A-T, C-G), then read from the end."
check(other_strand, lambda text: text.upper() == str(Seq("GATTACA").reverse_complement()), hint)

# %% tags=["solution"]
other_strand = "TGTAATC"
check(other_strand, lambda text: text.upper() == str(Seq("GATTACA").reverse_complement()), "")

# %% [markdown]
# **2.** A tool draws offsets with `rng.integers(-4, 4, size=n)` and promises jitter of up to 4 bins to either side. Which offset does it never draw?

# %% tags=["exercise"]
never = ...

# %% tags=["check"]
hint = "NumPy leaves out the upper end unless told otherwise."
check(never, lambda value: value == 4, hint)

# %% tags=["solution"]
never = 4
check(never, lambda value: value == 4, "")

# %% [markdown]
# **3.** Write a test that a model treats both strands alike: return the largest absolute difference between `predict(x)` and the turned prediction of the reverse complement of `x`, for codes `x` of shape (windows, window) and unstranded
# tracks.

# %% tags=["exercise"]
strand_difference = ...  # a function of `predict` and `x`


# %% tags=["check"]
def counts_a(x):
    """A predictor that is not symmetric: the share of A in each bin."""
    return (x == 0).reshape(len(x), -1, size).mean(axis=2)[..., None]


def right_answer(function):
    symmetric = function(
        lambda x: counts_a(x) + (x == 3).reshape(len(x), -1, size).mean(axis=2)[..., None], codes[:20]
    )
    expected = np.abs(counts_a(codes[:20]) - counts_a(reverse_complement_codes(codes[:20]))[:, ::-1]).max()
    return np.isclose(symmetric, 0) and np.isclose(function(counts_a, codes[:20]), expected)


hint = "Turn the codes with reverse_complement_codes, predict, and reverse the axis of bins."
check(strand_difference, right_answer, hint)


# %% tags=["solution"]
def strand_difference(predict, x):
    back = predict(reverse_complement_codes(x))[:, ::-1]
    return np.abs(predict(x) - back).max()


check(strand_difference, right_answer, "")

# %% [markdown]
# ## Key points
#
# - Move the interval, fetch, complement, encode: in this order, sequence and target together.
# - Every sample needs a draw of its own, every epoch a new one. Test for it: the loss curve will not tell.
# - Robustness depends on the model and on its training windows as much as on augmentation. Measure it beside the fit.
# - Averaging over both strands is available to any model, at the cost of a second prediction.
#
# ## Further reading
#
# - Toneyan, Tang & Koo 2022, the robustness test: [doi:10.1038/s42256-022-00570-9](https://doi.org/10.1038/s42256-022-00570-9)
# - Tang 2024, *Exploring the Representational Power of Genomic Deep Learning Models*, PhD thesis, Cold Spring Harbor Laboratory
# - Cao & Zhang 2019, reverse complements as further samples: [doi:10.1093/bioinformatics/bty893](https://doi.org/10.1093/bioinformatics/bty893)
# - Zhou, Shrikumar & Kundaje 2022, what reverse-complement strategies do: [Proceedings of Machine Learning Research 165](https://proceedings.mlr.press/v165/zhou22a.html)
