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
# # 3 · Loss functions: shape or magnitude?
#
# <!-- badges -->
#
# A model that predicts coverage can be wrong in two ways. It can put the signal in the wrong place, or it can get the amount wrong. Every loss function weighs these two errors against
# each other, most of them without saying so. Which loss gives the best predictions on a chromosome that the model has not seen? And best in which sense?
#
# **You will learn**
#
# - what the squared error, the Poisson and multinomial likelihoods and the Pearson correlation punish, on single windows;
# - to compare losses fairly: one model, one data set, several seeds, a score that no loss optimises alone;
# - to ask from residuals whether counts are Poisson, and what to do when they are not.
#
# **Time:** 60 minutes to read and try; runs in about five minutes. **Before this:** lessons 01 and 02.

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
from helpers.course.training import chromosome_pearson, on_chromosomes, small_model, train
from helpers.data.datasets import load_dataset
from helpers.evaluate import metrics
from helpers.evaluate.resolution import scale_by_mean_ratio
from helpers.train.losses import make_loss
from helpers.train.seeding import seed_everything

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 3  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # lesson 05 shows how to track training
track = ""  # id of the track to predict; empty for the data set's first
epochs = 4  # passes over the training windows
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · One window, three guesses
#
# We start without a model. Take the window of the test chromosome with the highest signal, and make three guesses by hand: the right shape at half the height, the right total spread
# evenly, and the right profile moved by 128 bp.

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
seed_everything(first_seed)  # before anything is computed: lesson 05 says why
task = task_for_seed(data, first_seed, track=track)
tops = task.centred(task.active("test"))
highest = max(tops.itertuples(), key=lambda row: task.prepared.window(row.chrom, row.start, row.end)[1].max())
observed = task.prepared.window(highest.chrom, highest.start, highest.end)[1].astype(float)[
    None
]  # (1, bins, 1)
moved = 128 // task.prepared.bin_size
guesses = {
    "right shape, half the height": observed / 2,
    "right total, no shape": np.full_like(observed, observed.mean()),
    "right profile, 128 bp off": np.roll(observed, moved, axis=1),
}

# %%
figure, axis = plt.subplots(figsize=(7, 3))
middles = (np.arange(observed.shape[1]) + 0.5) * task.prepared.bin_size
axis.fill_between(middles, observed[0, :, 0], color="0.85", label="observed")
for (name, guess), colour in zip(guesses.items(), ("blue", "orange", "vermilion"), strict=True):
    axis.plot(middles, guess[0, :, 0], color=plots.PALETTE[colour], label=name)
axis.set(
    xlabel="position in the window (bp)",
    ylabel="coverage (fragments)",
    title="Three wrong guesses of one window: which is worst?",
)
axis.legend(fontsize=8)
plots.show(figure, "One peak of coverage and three guesses: half as high, flat, and moved to the right.")

# %% [markdown]
# Which guess would you rather have? A biologist who looks for peaks takes the first. Somebody who counts molecules takes the second. Now let five losses answer, each by hand and then
# with the helper:
#
# - **MSE**, the mean squared error, counts in squared fragments, so tall bins decide.
# - **Poisson**: minus the log-likelihood of the counts if each bin is a Poisson variable with the predicted mean. An error of 10 weighs less where 100 are expected than where 5 are.
# - **Negative Pearson**: minus the correlation along the window. It looks at shape alone; scale and level do not matter.
# - **Multinomial + MSE**: given the window's total, how likely is it to fall over the bins like this? That is shape again. A squared error of the total's logarithm adds magnitude (as in
#   BPNet, Avsec et al. 2021).
# - **Pearson + MSE**: the negative correlation plus a tenth of the mean squared error (Toneyan et al. 2022 name the loss and no weight; a tenth is that of an early version of their code, a thousandth that of a later one).

# %%
small = 1e-7  # keeps logarithms of zero away


def by_hand(y, p):
    """Losses of one window, and the parts of one."""
    y, p = y.ravel(), p.ravel()
    likelihood = stats.multinomial.logpmf(np.round(y), int(np.round(y).sum()), p / p.sum())
    mse, against = np.mean((y - p) ** 2), -np.corrcoef(y, p)[0, 1] if np.ptp(p) else 0.0
    return {
        "mse": mse,
        "poisson": np.mean(p - y * np.log(p + small)),
        "negative_pearson": against,
        "pearson_mse": against + mse / 10,
        "multinomial (SciPy)": -likelihood,
        "total": (np.log1p(y.sum()) - np.log1p(p.sum())) ** 2,
    }


table = pd.DataFrame({name: by_hand(observed, guess) for name, guess in guesses.items()}).T
table.round(2)

# %% [markdown]
# The columns disagree. The correlation gives the first guess a perfect score: half the height is no error to it. The squared error finds the moved profile worse than no profile at all, the likelihoods do not. And the total alone
# blames nothing but the first. The helper's losses, which are the ones that a model is trained with, agree with what stands above. (The multinomial's first factor counts the orders in which fragments can fall. It does not depend on the prediction, so the
# helper leaves it out, and we compare differences from the first guess.)

# %%
for name in ("mse", "poisson", "negative_pearson", "pearson_mse"):
    loss = make_loss(name)
    helper = [float(loss(observed.astype("float32"), guess.astype("float32"))) for guess in guesses.values()]
    print(f"{name:17} helper and hand agree: {np.allclose(helper, table[name], rtol=1e-3, atol=1e-3)}")
loss, whole = make_loss("multinomial_mse", weight=10.0), np.round(observed).astype("float32")
helper = [float(loss(whole, guess.astype("float32"))) for guess in guesses.values()]
mixed = table["multinomial (SciPy)"] + 10 * table["total"]
same = np.allclose(np.diff(helper), np.diff(mixed), rtol=2e-3)
print(f"{'multinomial_mse':17} helper and hand agree: {same}")

# %% [markdown]
# The last two losses are sums, and a sum is ruled by its larger part. How large is each part, for the three guesses?

# %%
multinomial = table["multinomial (SciPy)"]
parts = {
    "Pearson + MSE: 1 - r": 1 + table["negative_pearson"],
    "its MSE / 10": table["mse"] / 10,
    "multinomial + MSE: shape, above the best": multinomial - multinomial.min(),
    "its total x 10": 10 * table["total"],
}
pd.DataFrame(parts).round(2)

# %% [markdown]
# On a tall peak the first pair is all but a squared error: a correlation cannot differ by more than two, a squared error of counts by thousands. In the second pair the shape weighs most, hundreds for a wrong one against less than ten for half the total, and the taller the peak the more so, since the likelihood grows with the number of fragments and the error of a logarithm does not. Half a window's
# mean total in the place of 10 would weigh the two about as a Poisson likelihood does. We keep the weights of published code (the 10 is from that of BPNet, whose model has an output of its own for the total): F07 below is about losses *with these weights*, and others might order them otherwise.
#
# ## 2 · What kind of number is coverage?
#
# A likelihood is a statement about noise. If fragments fall independently, a bin's count varies around its expectation like a Poisson variable, whose variance equals its mean. Is that so?
# The first thing to look at needs no model: how large are the values, and how unequal?

# %%
values = np.concatenate([batch[1].ravel() for batch in task.in_order("train")])
values = values[np.isfinite(values)]
share = pd.Series(
    {f"{q:.1%}": float(np.quantile(values, q)) for q in (0.1, 0.5, 0.9, 0.99, 0.999)}, name=task.track
)
print(
    f"mean {values.mean():.1f}, variance {values.var():.0f}; the top 1 % of bins hold {values[values >= np.quantile(values, 0.99)].sum() / values.sum():.0%} of the signal"
)
share.round(1).to_frame().T

# %% [markdown]
# The variance over the genome is far larger than the mean. That alone says nothing: peaks and background differ in their *expectation*. The question is what remains around the expectation, and we come
# back to it in section 5, with a model.
#
# ## 3 · The experiment
#
# The same small network, the same windows, the same number of steps, the same seeds. Only the loss changes. We compare at two bin sizes, and in two kinds of genome: in one, an element's strength follows
# mostly from its sequence; in the other, each locus has more of an effect of its own, which no model that reads sequence can know. The score is the Pearson correlation over all bins of the test
# chromosome. No loss below optimises it directly: the correlation in the last of them is taken within a window. (`stabilised` belongs to the null world of F07a, where the variance of the target does not grow with its mean: there, the advantage of a
# likelihood of counts should be gone. In the default world nobody calls it.)

# %%
losses = ["poisson", "mse", "multinomial_mse", "pearson_mse"]
if profile == "full":
    losses += ["negative_binomial", "poisson_multinomial", "weighted_mse"]
numbers = seed_numbers(profile, seeds, first_seed)
bin_sizes = (32, 128)
# The standard deviation of a locus' own log effect; a real genome comes as it is.
heterogeneity = {"even loci": 0.4, "uneven loci": 0.7} if is_simulated(data) else {"real loci": None}


def stabilised(task):
    """The same task with targets whose variance does not grow with their mean (Anscombe 1948)."""
    targets = (2 * np.sqrt(task.prepared.targets + 3 / 8)).astype("float32")
    return replace(task, prepared=replace(task.prepared, targets=targets))


# %%
def trained(task, loss, seed, **options):
    """The small model, trained with a loss on active windows and as many others."""
    if loss == "negative_binomial":
        loss = make_loss(loss, dispersion=0.5)
    windows = task.with_background(task.active("train"), np.random.default_rng(seed))
    return train(task, windows, seed, loss=loss, epochs=epochs, **options).model


def one(seed, loci, bin_size, loss, target="coverage"):
    """Score of one loss on one genome."""
    spread = {"locus_effect_sd": heterogeneity[loci]}
    task = task_for_seed(data, seed, track=track, bin_size=bin_size, settings=spread)
    if target != "coverage":
        task = stabilised(task)
    truth, predicted = on_chromosomes(task, trained(task, loss, seed))
    scaled = scale_by_mean_ratio(truth, predicted)
    scores = {"Pearson r": metrics.pearson(truth, predicted), "scaled MSE": metrics.mse(truth, scaled)}
    return {"seed": seed, "loci": loci, "bin size": bin_size, "loss": loss, **scores}


# %%
target = findings.conditions("F07a", world)["target"]
grid = [
    (seed, loci, size, loss)
    for seed in numbers
    for loci in heterogeneity
    for size in bin_sizes
    for loss in losses
]
results = pd.DataFrame([one(*condition, target) for condition in grid])
print(
    f"{len(numbers)} genomes x {len(heterogeneity)} kinds of loci x {len(bin_sizes)} bin sizes x {len(losses)} losses"
)
print(f"= {len(results)} trainings of {epochs} epochs")

# %% [markdown]
# Each dot is one genome and one training run. Compare rows within a panel.

# %%
shape = (len(bin_sizes), len(heterogeneity))
figure, axes = plt.subplots(*shape, figsize=(7, 4.4), sharey=True, squeeze=False)
for row, size in zip(axes, bin_sizes, strict=True):
    for axis, loci in zip(row, heterogeneity, strict=True):
        chosen = results[(results["bin size"] == size) & (results["loci"] == loci)]
        plots.every_condition(chosen, "loss", "Pearson r", axis=axis)
        axis.set(title=f"{loci}, {size}-bp bins")
for axis in axes[-1]:
    axis.set(xlabel="Pearson r on the test chromosome")
plots.show(figure, "Panels, bin size by kind of genome: Pearson r of the losses, each with a dot a seed.")

# %% [markdown]
# Beside the correlation, the squared error of the same predictions, each scaled to the right mean first (section 4 says why), so that no loss is blamed for a level that it was not asked for. Is the order the same?

# %% tags=["nbval-ignore-output"]
scores = ["Pearson r", "scaled MSE"]
results.pivot_table(index=["bin size", "loss"], columns="loci", values=scores, sort=False).round(3)


# %% [markdown]
# The order of the means is the same by both scores in each panel, and not the same in all panels: ahead are the Poisson likelihood at the smaller bins and the multinomial with MSE at the larger ones. The findings ask for a gain at both bin sizes and in both kinds of genome, so for each
# seed the *smallest* of the four differences counts:


# %%
def smallest_gain(results, other):
    """Per seed, the smallest difference between Poisson and another loss over the four settings."""
    table = results.pivot_table(index=["seed", "loci", "bin size"], columns="loss", values="Pearson r")
    return (table["poisson"] - table[other]).groupby("seed").min()


# %%
other = findings.conditions("F07b", world)["other_loss"]
compared = results
if other not in losses or target != "coverage":
    settings = [(seed, loci, size) for seed in numbers for loci in heterogeneity for size in bin_sizes]
    compared = pd.DataFrame([one(*setting, loss) for setting in settings for loss in ("poisson", other)])

# %% tags=["nbval-ignore-output"]
display(findings.record("F07a", smallest_gain(results, "mse"), dataset=data))
display(findings.record("F07b", smallest_gain(compared, other), dataset=data))
findings.record("F07c", smallest_gain(results, "pearson_mse"), dataset=data)

# %% [markdown]
# The smallest of several differences is a strict measure. To see what is behind it: in how many of the genomes and settings was Poisson ahead, and over how many genomes would the interval leave zero, if the mean and the spread stayed as
# they are here?


# %%
def genomes_needed(gains):
    """Smallest number of seeds whose 95 % t-interval would lie above zero; none if the mean does not."""
    counts = np.arange(2, 1_001)
    half = stats.t.ppf(0.975, counts - 1) * np.std(gains, ddof=1) / np.sqrt(counts)
    enough = counts[np.mean(gains) > half]
    return str(enough[0]) if len(enough) else "none"


rows = {}
each = results.pivot_table(index=["seed", "loci", "bin size"], columns="loss", values="Pearson r")
for rival in losses[1:]:
    ahead = each["poisson"] > each[rival]
    needed = genomes_needed(smallest_gain(results, rival)) if len(numbers) > 1 else "one tells nothing"
    rows[rival] = {"Poisson ahead": f"{ahead.sum()} of {len(ahead)}", "genomes needed": needed}

# %% tags=["nbval-ignore-output"]
pd.DataFrame(rows).T

# %% [markdown]
# None of the three comparisons is decided. Wins in the four settings of a genome are not independent, so many wins are wins on three genomes; *none* means that the mean is not above zero. And an interval above zero would not be enough: the mean gain must reach the least effect, too.
#
# <div class="alert alert-warning"><b>Caution.</b> All losses had the same learning rate and the same few epochs. One that needs another rate, or longer, is at a disadvantage; lesson 06 shows how to give each its own. And Pearson r over a whole chromosome is one way to judge. It is ruled by the tallest bins, as the squared error is. The correlation within windows
# is another question, and may have another answer: lesson 07 shows how far the two scores part. "Loss A is better" is an incomplete sentence.</div>
#
# ## 4 · Shape without scale
#
# Now a loss of shape alone. Trained with the negative Pearson correlation, nothing tells the model how many fragments there are. Its predictions may correlate well and still be far off. Toneyan et al. (2022)
# therefore scale predictions before they compute an error: multiply them by the ratio of the mean truth to the mean prediction. By hand, and with the helper:

# %%
shape_loss = findings.conditions("F08", world)["loss"]
STARTS = {
    "at the mean": (shape_loss, {}),
    "elsewhere": (shape_loss, {"build": partial(small_model, initial_rate=None)}),
    "at the mean, Poisson": ("poisson", {}),
}
rows, fitted = [], {}
for seed in numbers:
    here = task_for_seed(data, seed, track=track)
    for start, (loss, options) in STARTS.items():
        fitted[start, seed] = trained(here, loss, seed, **options)
        truth, predicted = on_chromosomes(here, fitted[start, seed])
        scaled = predicted * (truth.mean() / predicted.mean())
        assert np.allclose(scaled, scale_by_mean_ratio(truth, predicted), rtol=1e-4)
        means = {"mean observed": truth.mean(), "mean predicted": predicted.mean()}
        errors = {"MSE before": metrics.mse(truth, predicted), "MSE after": metrics.mse(truth, scaled)}
        rows.append({"start": start, "seed": seed, **means, **errors})
shape = pd.DataFrame(rows).set_index(["start", "seed"])

# %% [markdown]
# A loss of shape has no reason to move the scale, so it matters where the model *began*. The models of this course begin at the mean coverage of the data: their last bias is set so. That is the first start in the table, and the one that the
# finding is about. The second begins at the softplus of zero, which is about 0.7. The last is a control: it begins at the mean, and its loss, the Poisson likelihood, does ask for the scale.

# %% tags=["nbval-ignore-output"]
shape["ratio"] = shape["MSE before"] / shape["MSE after"]
shape.sort_index().round(2)

# %% tags=["nbval-ignore-output"]
findings.record("F08", shape.loc["at the mean", "ratio"], dataset=data)

# %% [markdown]
# Compare the two starts. The published remark needs a condition. Where a model begins at the level of the data, its mean stays about right without anybody having asked for it, and a ratio has nothing to mend; where it begins elsewhere, the mean stays wrong, and scaling mends it. A right mean is not a right scale,
# though: after scaling, the start at the mean has the larger error of the two in each seed. Perhaps its peaks are too low above a level that is too high, and a ratio cannot mend that. And look at the control: a loss that asks for the scale does not make scaling useless. A likely reason is in section 5: its model was trained on windows half of which are active, and it expects
# too much of a whole chromosome.
#
# <div class="alert alert-warning"><b>Caution.</b> Scaling uses the truth of the test chromosome. That is fine for comparing shapes, and cheating if you then report the error as if the model had reached it alone. And a ratio mends the
# level only: it cannot mend an offset.</div>
#
# ## 5 · Residuals: is it Poisson?
#
# Take the model that was trained with the Poisson likelihood. Sort the bins of the *validation* chromosome by what it predicts (what we find there goes into a loss, so the test chromosome must not be asked), and in each group compare the mean of the squared residuals with the
# prediction. On the dashed line the variance equals the mean. The orange line adds a *dispersion* times the squared mean, one number for all groups.

# %%
model = fitted["at the mean, Poisson", first_seed]
truth, predicted = on_chromosomes(task, model, "validation")
table = pd.DataFrame({"observed": truth.ravel(), "predicted": predicted.ravel()}).dropna()
table["squared"] = (table["observed"] - table["predicted"]) ** 2
groups = table.groupby(pd.qcut(table["predicted"], 20, duplicates="drop"), observed=True).mean()
dispersion = max(((groups["squared"] - groups["predicted"]) / groups["predicted"] ** 2).median(), 0)

# %%
figure, axis = plt.subplots(figsize=(5, 3.6))
axis.plot(groups["predicted"], groups["squared"], "o", markersize=4, label="groups of bins")
line = np.geomspace(groups["predicted"].min(), groups["predicted"].max(), 50)
axis.plot(line, line, "--", color="0.5", label="Poisson: variance = mean")
axis.plot(
    line, line + dispersion * line**2, color=plots.PALETTE["orange"], label="mean + dispersion x mean squared"
)
axis.set(
    xscale="log",
    yscale="log",
    xlabel="predicted coverage (fragments)",
    ylabel="mean squared residual (fragments²)",
    title="Residuals are wider than Poisson",
)
axis.xaxis.set_minor_formatter("{x:.0f}")
axis.legend(fontsize=8)
plots.show(
    figure,
    "Mean squared residual against prediction, log scales: dots above the dashed Poisson line, most so at high predictions; between them a curve of one dispersion.",
)

# %% [markdown]
# More is left than a Poisson variable allows, and above the lowest predictions, where most groups crowd, the more the higher the prediction. One dispersion, the median over the groups, does not fit them all: the highest lie above the orange line. Part of what is left is *bias*: the model expects too much, in quiet bins as in strong ones. Half of the windows that it was
# trained on were active, on the chromosome few are; it also began at the mean, and four epochs are few. We have not told these apart.

# %% tags=["nbval-ignore-output"]
half = table["predicted"] <= table["predicted"].median()
for name, chosen in {"lower": half, "upper": ~half}.items():
    print(
        f"{name} half of the bins: predicted / observed {table.predicted[chosen].mean() / table.observed[chosen].mean():.2f}"
    )

# %% [markdown]
# The rest is scatter. Is the noise to blame, or the model? For the simulated genome we can ask: around the *true rate*, what is left?


# %%
def left_over(truth, expected):
    """Mean squared residual in units of the mean, which is 1 for a Poisson variable; and Pearson r."""
    ratio = np.sum((truth - expected) ** 2) / np.sum(expected)
    return f"mean squared residual / mean {ratio:.1f}, Pearson r {metrics.pearson(truth, expected):.2f}"


if is_simulated(data):
    rates = np.concatenate([batch[1] for batch in task.true_rate().in_order("validation")])
    print("around the true rate:", left_over(truth, rates))

# %% tags=["nbval-ignore-output"]
print("around the model's prediction:", left_over(truth, predicted))

# %% [markdown]
# Around the true rate the counts are close to Poisson (bins average neighbouring bases, which narrows them a little). What the model leaves is wide because the model does not know the rate: part of it is not in the sequence,
# part it has not learned. For the model, this is *over-dispersion*. A negative binomial likelihood allows for it: its variance is the mean plus a dispersion times the squared mean. On one seed:

# %%
negative_binomial = make_loss("negative_binomial", dispersion=float(np.clip(dispersion, 0.05, 2)))
wider = trained(task, negative_binomial, first_seed)
both = {"poisson": chromosome_pearson(task, model), "negative binomial": chromosome_pearson(task, wider)}

# %% tags=["nbval-ignore-output"]
print("Pearson r on the test chromosome, one seed:", {name: round(value, 2) for name, value in both.items()})

# %% [markdown]
# One seed is no comparison (lesson 05 says why). The profile `full` puts the negative binomial, and two further losses, into the grid of section 3.
#
# ## 6 · When the target is a class
#
# If bins are called open or closed, the likelihood is that of a coin: *binary cross-entropy*. A weight on the positives makes them count more, with the price that lesson 02 showed; the *focal* loss (Lin et al. 2017)
# makes easy examples count less: each is weighted by the square of the probability that was *not* given to the truth, and by a share for its class. With several exclusive classes it becomes *categorical cross-entropy*. By hand:

# %%
label, probability = np.array([[[1.0], [0.0], [0.0], [0.0]]]), np.array([[[0.6], [0.1], [0.2], [0.1]]])
right = np.where(label == 1, probability, 1 - probability)  # probability given to what is true
share = np.where(label == 1, 0.25, 0.75)
hand = {
    "binary_crossentropy": -np.log(right).mean(),
    "focal": -(share * (1 - right) ** 2 * np.log(right)).mean(),
}
for name, options in {"binary_crossentropy": {}, "focal": {"gamma": 2.0, "alpha": 0.25}}.items():
    value = float(make_loss(name, **options)(label.astype("float32"), probability.astype("float32")))
    print(f"{name:20} helper {value:.4f}, by hand {hand[name]:.4f}")

# %% [markdown]
# ## Exercises
#
# **1.** What is the Poisson loss (without the constant term) of a bin with 4 fragments and a prediction of 2? Use the natural logarithm.

# %% tags=["exercise"]
answer = ...

# %% tags=["check"]
hint = "Prediction minus observation times the logarithm of the prediction."
check(answer, lambda value: np.isclose(value, 2 - 4 * np.log(2), atol=0.01), hint)

# %% tags=["solution"]
answer = 2 - 4 * np.log(2)
check(answer, lambda value: np.isclose(value, 2 - 4 * np.log(2), atol=0.01), "")

# %% [markdown]
# **2.** Which constant prediction minimises the Poisson loss over all bins of `truth`? Find it without training.

# %% tags=["exercise"]
constant = ...

# %% tags=["check"]
hint = "Set the derivative of p - y log p, summed over bins, to zero. Is it different for the squared error?"
check(constant, lambda value: np.isclose(value, truth.mean(), rtol=0.01), hint)

# %% tags=["solution"]
constant = truth.mean()
check(constant, lambda value: np.isclose(value, truth.mean(), rtol=0.01), "")

# %% [markdown]
# **3.** Split the Poisson loss of one window into its two parts: the Poisson loss of the total, and the multinomial loss of the shape. Check on `observed` and the second guess that the sum over bins of
# `p - y log p` equals `P - Y log P` of the totals plus the multinomial part `-sum(y log(p / P))`. Give that multinomial part.

# %% tags=["exercise"]
shape_part = ...

# %% tags=["check"]
y, p = observed.ravel(), guesses["right total, no shape"].ravel()
expected_part = np.sum(p - y * np.log(p)) - (p.sum() - y.sum() * np.log(p.sum()))
hint = "The share of each bin is p / P; weigh its logarithm by the observed count."
check(shape_part, lambda value: np.isclose(value, expected_part, rtol=1e-4), hint)

# %% tags=["solution"]
y, p = observed.ravel(), guesses["right total, no shape"].ravel()
shape_part = -np.sum(y * np.log(p / p.sum()))
check(shape_part, lambda value: np.isclose(value, expected_part, rtol=1e-4), "")

# %% [markdown]
# ## Key points
#
# - Every loss is a choice between shape and magnitude, and an assumption about noise. Know both before you choose.
# - Compare losses with one model, one data set, equal steps, several seeds, and a score that none of them optimises directly.
# - A loss of shape alone leaves the mean near where the model began. A ratio mends a wrong mean, and neither an offset nor a slope.
# - Simulated coverage is Poisson around its true rate, by construction; around what this model predicts it is wider: bias, what is not in the sequence, and what was not learned. Real libraries add variation of their own.
#
# ## Further reading
#
# - Toneyan, Tang & Koo 2022, losses compared on chromatin accessibility: [doi:10.1038/s42256-022-00570-9](https://doi.org/10.1038/s42256-022-00570-9)
# - Avsec et al. 2021, BPNet and its two-part loss: [doi:10.1038/s41588-021-00782-6](https://doi.org/10.1038/s41588-021-00782-6)
# - Kelley et al. 2018, Basenji and the Poisson likelihood: [doi:10.1101/gr.227819.117](https://doi.org/10.1101/gr.227819.117)
# - Anscombe 1948, stabilising the variance of counts: [doi:10.1093/biomet/35.3-4.246](https://doi.org/10.1093/biomet/35.3-4.246)
