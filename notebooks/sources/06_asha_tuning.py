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
# # 6 · ASHA: spend epochs where they pay
#
# <!-- badges -->
#
# A model has a dozen settings, from the learning rate to the number of filters, and nobody knows good ones beforehand. So one tries many. Most of them are poor, and each costs a training. Can you see early
# that a training will come to nothing, and stop it? And what do you lose when you are wrong?
#
# **You will learn**
#
# - to read what a learning rate does, and how much a further epoch still pays;
# - how successive halving, and its asynchronous form ASHA, spend a budget: by hand, and with Ray Tune on a laptop or a cluster;
# - to ask whether early scores say anything of late ones, and why the choice of the score decides that.
#
# **Time:** 60 minutes to read and try; runs in about two minutes. **Before this:** lessons 03 and 05.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics[tune] @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from helpers.course import findings, plots, tuning
from helpers.course.exercises import check
from helpers.course.experiments import seed_numbers
from helpers.course.verdicts import summarise
from helpers.data.datasets import load_dataset
from helpers.train import halving
from helpers.train.space import draw_configurations
from helpers.train.tuning import search

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 3  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # a search keeps its own record
trainings = 6  # what a search may cost, in full trainings
live_trials = 8  # configurations that ASHA is shown in section 7
address = "local"  # of Ray: "auto" or "host:port" for a cluster
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · What there is to choose
#
# We tune the small network of lesson 03 on the same task. A *search space* declares what may vary, and how it is drawn. The learning rate is drawn on the scale of its *logarithm*: before one
# knows better, a factor of ten matters about as much anywhere. By hand, one line; the helper does this for each setting and checks that the training takes it.
#
# The settings: `learning_rate` and `batch_size` of the training; `filters` (how many) of the first convolutions, and `width` (bp) of the very first; the `activation` after the first; `dropout`, the share of values left out in training; and `jitter`, the
# farthest random shift of a window in bp (lesson 04).

# %%
low, high = tuning.SPACE["learning_rate"].low, tuning.SPACE["learning_rate"].high
by_hand = np.exp(np.random.default_rng(first_seed).uniform(np.log(low), np.log(high), size=10_000))
drawn = [one["learning_rate"] for one in draw_configurations(tuning.SPACE, 10_000, first_seed)]
for name, values in {"by hand": by_hand, "helper": np.array(drawn)}.items():
    print(f"{name:8} share of learning rates below 0.001: {np.mean(values < 0.001):.2f}")
pd.DataFrame(draw_configurations(tuning.SPACE, 4, first_seed)).round(4)

# %% [markdown]
# ## 2 · Curves of whole trainings
#
# To see what a search loses by stopping early, one must know what would have come of each training. So many configurations have been trained to the end, once, and their curves come with the course. (On another data set, or in the
# profile `full`, they are trained here.)

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
numbers = list(seed_numbers(profile, seeds, first_seed))
where = str(Path(dataset).resolve()) if Path(dataset).is_file() else dataset  # workers run in another folder
configurations, epochs = (4, 3) if profile == "smoke" else (tuning.CONFIGURATIONS, tuning.EPOCHS)
stored = None if profile == "full" else tuning.stored_curves(data.name, numbers)
if stored:
    table, facts = stored
    epochs = int(table["epoch"].max())
else:
    work = Path(tempfile.mkdtemp())
    sizes = {"configurations": configurations, "epochs": epochs}
    table = tuning.train_curves(where, numbers, work, address=address, **sizes)
    facts, trainings = {"command": "this notebook"}, min(trainings, configurations // 2)

# %%
print("made by:", facts["command"])
print(
    "code at commit:",
    facts.get("commit", "that of this run")[:12] + ", with changes" * bool(facts.get("changed_since")),
)
table.groupby("seed").agg(configurations=("trial", "nunique"), trainings_of_epochs=("epoch", "max"))

# %% [markdown]
# Each line is one configuration on the first genome. Look for three things: lines that never leave the bottom, lines that cross, and how much still happens after the first third.

# %%
curves = tuning.curve_matrix(table, numbers[0], "validation_pearson")
shown = np.arange(1, epochs + 1)
first = table[table["seed"] == numbers[0]]
rates = first.drop_duplicates("trial").sort_values("trial")["learning_rate"].to_numpy()
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
scale = plt.Normalize(np.log10(low), np.log10(high))
for rate, curve in zip(rates, curves, strict=True):
    left.plot(shown, curve, color=plt.cm.viridis(scale(np.log10(rate))), linewidth=1)
left.set(xlabel="epoch", ylabel="validation Pearson r", title="Curves, dark: small learning rate")
last = table[table["epoch"] == epochs]
right.plot(last["learning_rate"], last["validation_pearson"], "o", markersize=4, alpha=0.6)
right.set(xscale="log", xlabel="learning rate", title="Where they end, all genomes")
plots.show(
    figure, "Validation Pearson by epoch, a line a configuration; and the end of each by learning rate."
)

# %% [markdown]
# On the right stands where each learning rate leads: too small a rate gets nowhere in the time there is, and the range of good ones is wide. (A rate that breaks the training would show as a dot near zero at the right end.) What spreads the dots at one rate is the other settings, the genome, and chance: each configuration was trained once.
#
# How soon does a training show what it is worth? For each configuration, the share of its final score that it had after one epoch, after a third, and so on, over the better half:

# %%
ends = pd.concat(
    [pd.DataFrame(tuning.curve_matrix(table, seed, "validation_pearson"), columns=shown) for seed in numbers]
)
learned = ends[ends[epochs] > ends[epochs].median()]
learned.div(learned[epochs], axis=0).median().round(2).rename("share of the final score").to_frame().T

# %% [markdown]
# The learning rate falls along half a cosine over all epochs here, to nearly zero. So a plateau at the end is to be expected from the schedule alone, and does not say that a longer training would bring nothing. Without a schedule, *early stopping* ends a training that has had no better epoch for some time, and keeps the
# best one (`fit(..., patience=...)`). It judges a curve by itself. Halving judges curves by each other.
#
# ## 3 · Random search
#
# The plainest method: train some configurations to the end, and keep the one with the best validation score. It is a good one. It covers every setting, needs no tuning itself, and all trainings can run at the same time. How good is the best
# of n? Shuffle the configurations many times, and judge the choice on the *test* chromosome, which the choice has not seen. By hand:

# %%
held_out = tuning.curve_matrix(table, numbers[0], "held_out_pearson")[:, -1]
rng = np.random.default_rng(first_seed)
best_of = {}
for count in (1, 2, 4, 8, 16):
    if count <= len(curves):
        draws = [rng.permutation(len(curves))[:count] for _ in range(1_000)]
        winners = [draw[np.nanargmax(curves[draw, -1])] for draw in draws]
        best_of[count] = np.nanmean(held_out[winners])

# %%
picked = np.nanargmax(curves[:trainings, -1])
assert picked == halving.random_search_on(curves, trainings * epochs).winner
print(f"of the first {trainings} configurations, helper and hand choose the same: number {picked}")

# %%
pd.Series(best_of, name="held-out Pearson r of the best of n").rename_axis("n").round(3).to_frame().T

# %% [markdown]
# ## 4 · Successive halving, by hand
#
# Random search trains every configuration to the end, also those that are plainly poor after an epoch. *Successive halving* trains all of them for one epoch, goes on with the best third up to epoch three, and with the best third of those to the end. The epochs at which it compares are its *rungs*. (It is called halving, whatever the
# fraction.) For the same number of epochs it can look at several times as many configurations. Ten lines:

# %%
budget = trainings * epochs
started = max(n for n in range(1, len(curves) + 1) if halving.halving_cost(n, epochs) <= budget)
alive, spent, trained, survivors = np.arange(started), 0, 0, []
for rung in (1, 3, epochs) if epochs > 3 else (1, epochs):
    spent += len(alive) * (rung - trained)
    trained = rung
    if rung < epochs:
        ranked = alive[np.argsort(-np.nan_to_num(curves[alive, rung - 1], nan=-1), kind="stable")]
        alive = np.sort(ranked[: max(1, len(alive) // 3)])
        survivors.append(alive)
winner = alive[np.nanargmax(curves[alive, -1])]

# %%
chosen = halving.successive_halving(curves, budget_epochs=budget)
assert winner == chosen.winner
assert spent == chosen.epochs_spent
assert all(np.array_equal(a, b) for a, b in zip(survivors, chosen.survivors, strict=True))
print(f"{budget} epochs pay for {trainings} whole trainings, or for halving over {started} configurations:")
print(" -> ".join(str(len(some)) for some in (range(started), *survivors)), f", {spent} epochs in all")

# %% [markdown]
# Where it spends them: grey lines were stopped at a dashed line, coloured ones were trained to the end, and the red one was chosen. Dotted: how those that were stopped would have gone on.

# %%
figure, axis = plt.subplots(figsize=(7, 3.2))
for number in range(started):
    length = int(chosen.epochs[number])
    colour = (
        plots.PALETTE["vermilion"]
        if number == chosen.winner
        else "0.4"
        if length < epochs
        else plots.PALETTE["blue"]
    )
    axis.plot(shown[:length], curves[number, :length], "o-", color=colour, markersize=3, linewidth=1)
    axis.plot(shown[length - 1 :], curves[number, length - 1 :], ":", color="0.65", linewidth=0.8, zorder=0)
for rung in chosen.rungs:
    axis.axvline(rung, color="0.7", linestyle="--", linewidth=1)
axis.set(xlabel="epoch", ylabel="validation Pearson r", title="Halving stops most trainings early")
plots.show(
    figure,
    "Curves of halving: most end at the first dashed line, some at the second, few go on; dotted: what was not trained.",
)

# %% [markdown]
# The dotted lines are what a search never sees. Does one of them end above the red one? That is the price, and here it can be looked up:

# %%
missed = int(np.sum(curves[:started, -1] > curves[chosen.winner, -1]))
unseen = int(np.sum(curves[started:, -1] > curves[chosen.winner, -1]))
print(f"configurations that end above the winner: {missed} of the {started - 1} others that were started,")
print(f"and {unseen} of the {len(curves) - started} that the budget did not reach")

# %% [markdown]
# ## 5 · Do early scores say anything of late ones?
#
# Halving rests on one assumption: that the order after an epoch is roughly the order at the end. That can be looked up. For each epoch, the rank correlation with the order after the last, with two scores, each with its own end: the Pearson correlation on the validation
# chromosome, and the loss there. (What counts in section 6 is the held-out Pearson.)

# %%
rows = []
for seed in numbers:
    for metric, sign in (("validation_pearson", 1), ("validation_loss", -1)):
        matrix = sign * pd.DataFrame(tuning.curve_matrix(table, seed, metric), columns=shown)
        ranks = matrix.corr(method="spearman")[epochs]
        rows += [{"seed": seed, "score": metric, "epoch": epoch, "rank r": ranks[epoch]} for epoch in shown]
agreement = pd.DataFrame(rows)

# %%
figure, axis = plt.subplots(figsize=(5, 3.2))
for (metric, part), colour in zip(agreement.groupby("score", sort=False), ("blue", "orange"), strict=True):
    plots.every_seed(part, "epoch", "rank r", axis=axis, colour=plots.PALETTE[colour], label=metric)
axis.set(
    xlabel="epoch", ylabel="rank correlation with the last epoch", title="How much an early order is worth"
)
axis.legend(fontsize=8)
plots.show(figure, "Rank correlation with the last epoch, rising to one; a line for each of two scores.")

# %%
agreement.pivot_table(index="score", columns="epoch", values="rank r", sort=False).round(2)

# %% [markdown]
# The table shows means over genomes, the dots each genome. The two scores are of the same predictions, and early on they say very different amounts of the end. (Why? A loss also judges the *level* of what is predicted, a correlation
# does not. That would explain it, but nothing here has tested it.) Look at both lines before you trust either, in your own data too.
#
# ## 6 · The experiment: equal budgets
#
# Both methods may spend the same number of epochs. One draw of configurations is luck, so we shuffle them a thousand times, let both choose, and judge what they chose on the test chromosome. A seed is a genome with configurations of its own.


# %%
def shuffled(curves, rng):
    """Deal the scores of each epoch but the last out anew: what an early score says of the end is gone."""
    return np.stack([*map(rng.permutation, curves.T[:-1]), curves[:, -1]], axis=1)


# %%
def compared(seed, metric, dealt=False):
    """Mean held-out Pearson of what either method chooses, over draws."""
    curves = tuning.curve_matrix(table, seed, metric)
    judged = tuning.curve_matrix(table, seed, "held_out_pearson")[:, -1]
    options = {
        "budget_epochs": budget,
        "held_out": judged,
        "mode": "min" if metric.endswith("loss") else "max",
    }
    if dealt:  # anew for every ten draws
        rng = np.random.default_rng(seed)
        draws = [
            halving.compare_on_draws(shuffled(curves, rng), draws=10, seed=part, **options)
            for part in range(100)
        ]
    else:
        draws = [halving.compare_on_draws(curves, draws=1_000, seed=seed, **options)]
    means = pd.concat(draws).groupby("method")["value"].mean()
    return {"seed": seed, "halve on": metric, **means, "gain": means["halving"] - means["random"]}


# %%
halve_on = findings.conditions("F14", world)["halve_on"]
dealt = halve_on == "shuffled"
results = pd.DataFrame(
    [compared(seed, "validation_pearson" if dealt else halve_on, dealt) for seed in numbers]
)
on_loss = pd.DataFrame([compared(seed, "validation_loss") for seed in numbers])

# %% tags=["nbval-ignore-output"]
pd.concat([results, on_loss]).set_index(["halve on", "seed"]).round(3)

# %% tags=["nbval-ignore-output"]
findings.record("F14", results["gain"], dataset=data)

# %% [markdown]
# Halving on the loss gains less, and does not fail, although the rank correlation of the first loss with the last is poor. That more configurations are looked at cannot be the reason: with early scores dealt out anew, halving *loses* to random search ([nulls.md](nulls.md)), since it keeps fewer finalists. So one rank correlation over all configurations does not say all about what a
# rung keeps. How much worse is it than halving on the correlation, genome by genome?

# %% tags=["nbval-ignore-output"]
pd.Series((results["halving"] - on_loss["halving"]).to_numpy(), index=numbers, name="Pearson - loss").round(
    3
).to_frame().T

# %% [markdown]
# Three genomes leave a wide interval. The course stores curves of three more, which were made to repeat this lesson with other seeds (`first_seed=1000`); the finding above does not count them. They alone, and all six:

# %%
everything = tuning.stored_curves(data.name)
gains = {}
if everything and world == "default":
    table = everything[0]
    every = {seed: compared(seed, "validation_pearson")["gain"] for seed in sorted(set(table["seed"]))}
    gains = {
        "the others": [gain for seed, gain in every.items() if seed not in numbers],
        "all": list(every.values()),
    }

# %% tags=["nbval-ignore-output"]
for which, values in gains.items():
    gain = summarise(values)
    interval = "" if gain.low is None else f", 95 % interval {gain.low:.3f} to {gain.high:.3f}"
    print(f"{which}: gain {gain.effect:.3f} over {gain.seeds} genomes{interval}")

# %% [markdown]
# The three others alone are an independent repetition. The verdict above stays what it is: it was declared for three seeds, and to add genomes until an interval leaves zero would be a choice made by the result.
#
# <div class="alert alert-warning"><b>Caution.</b> On average over draws is not in every draw: count in exercise 3 how often halving loses. Each configuration was trained once, so what is compared are trained models; trained again, a configuration would score somewhat differently (lesson 05). And the gain depends on the space. Where most configurations are poor and show it at once, as with a learning rate over three
# orders of magnitude, halving has much to save. Between configurations that are all good it has little, and may stop the slow one that would have won.</div>
#
# ## 7 · ASHA, live
#
# Halving waits: nobody goes on before all have finished their first epoch. With many workers most would stand idle. *ASHA* (asynchronous successive halving, Li et al. 2020) decides at once. In the variant that Ray Tune has, a training that comes to a rung goes on if it is among the best third of those
# *seen there so far*, and is stopped for good otherwise. The first always goes on, and nobody ever waits. Here with one worker, in a process of its own:

# %%
length, count = (3, 3) if profile == "smoke" else (epochs, live_trials)
live = search(
    tuning.SmallTraining(where, first_seed, epochs=length, threads=2),
    tuning.SPACE,
    trials=count,
    max_epochs=length,
    folder=Path(tempfile.mkdtemp()) / "asha",
    method="asha",
    seed=first_seed,
    address=address,
    cpus_per_trial=2,
    at_once=1,
)

# %% tags=["nbval-ignore-output"]
print(f"{live.epochs_spent} epochs instead of {count * length}; the best: number {live.best_trial}")
live.trials[
    ["trial", "learning_rate", "filters", "activation", "status", "epochs", "validation_pearson"]
].round(4)

# %% [markdown]
# Number 0 was trained to the end because it came first, and what those that were stopped would have reached is not seen here. With one worker the decisions can be checked. The same rule by hand, on the curves that came in; and the helper that applies it to stored curves:

# %%
came_in = live.curves.pivot_table(index="trial", columns="epoch", values="validation_pearson")
came_in = came_in.reindex(index=range(count), columns=range(1, length + 1)).to_numpy()
by_hand, seen = [], {rung: [] for rung in (1, 3) if rung < length}
for curve in came_in:
    reached = length
    for rung, before in seen.items():
        good = not before or curve[rung - 1] >= np.percentile(before, 100 * 2 / 3)
        before.append(curve[rung - 1])
        if not good:
            reached = rung
            break
    by_hand.append(reached)

# %%
stopped = live.trials.set_index("trial")["epochs"].reindex(range(count)).fillna(0).to_numpy()
print("by hand as Ray Tune:", np.array_equal(by_hand, stopped))
print("the helper as Ray Tune:", np.array_equal(halving.asynchronous_halving(came_in).epochs, stopped))

# %% [markdown]
# ## 8 · On a cluster
#
# The same call, one argument more. On the first machine `ray start --head`, on the others `ray start --address=HEAD:6379`, and then `address="HEAD:6379"` here (or as the parameter above), without `at_once=1`. Each machine needs the course's package; each fetches or makes the data for
# itself. A trial that is lost with its machine is started again, and said to be; calling again with the same `folder` goes on where a search broke off.
#
# ## Exercises
#
# **1.** Halving begins with 27 configurations, and compares after 1 and after 3 epochs of 9; a third goes on each time. How many epochs does it spend?

# %% tags=["exercise"]
epochs_spent = ...

# %% tags=["check"]
hint = "27 for one epoch; then 9 for two more; then 3 for six more."
check(epochs_spent, lambda value: value == halving.halving_cost(27, 9), hint)

# %% tags=["solution"]
epochs_spent = 27 * 1 + 9 * 2 + 3 * 6
check(epochs_spent, lambda value: value == halving.halving_cost(27, 9), "")

# %% [markdown]
# **2.** Somebody draws the learning rate evenly from 0.0001 to 0.1, without the logarithm. Which share of their trainings has a rate above 0.01?

# %% tags=["exercise"]
above = ...

# %% tags=["check"]
hint = "What share of the interval's length lies above 0.01?"
check(above, lambda value: abs(value - (0.1 - 0.01) / (0.1 - 0.0001)) < 0.005, hint)

# %% tags=["solution"]
above = (0.1 - 0.01) / (0.1 - 0.0001)
check(above, lambda value: abs(value - (0.1 - 0.01) / (0.1 - 0.0001)) < 0.005, "")

# %% [markdown]
# **3.** In what share of draws on the first genome does halving on the validation Pearson choose a configuration with a *lower* held-out score than random search does? Use `halving.compare_on_draws` with 500 draws and the seed 1, and the variables
# `curves`, `held_out` (as `held_out=`) and `budget` (as `budget_epochs=`). It gives a row for each draw and method, with the held-out score in the column `value`; where both choose the same, nobody loses.

# %% tags=["exercise"]
losing = ...

# %% tags=["check"]
options = {"budget_epochs": budget, "draws": 500, "seed": 1, "held_out": held_out}
pairs = halving.compare_on_draws(curves, **options).pivot_table(
    index="draw", columns="method", values="value"
)
hint = "A row for each draw and method: pivot the table to one row a draw, and compare the two columns."
check(losing, lambda value: abs(value - (pairs["halving"] < pairs["random"]).mean()) < 0.01, hint)

# %% tags=["solution"]
drawn = halving.compare_on_draws(curves, budget_epochs=budget, draws=500, seed=1, held_out=held_out)
wide = drawn.pivot_table(index="draw", columns="method", values="value")
losing = (wide["halving"] < wide["random"]).mean()
print(f"halving loses in {losing:.0%} of the draws")
check(losing, lambda value: abs(value - (pairs["halving"] < pairs["random"]).mean()) < 0.01, "")

# %% [markdown]
# ## Key points
#
# - Draw rates on a logarithmic scale; look at the range before you search finely.
# - Random search is the baseline that a cleverer method must beat at an equal budget, over many draws.
# - Halving rests on early scores saying something of late ones. Measure that, for each score that you could halve on.
# - Choose on validation data, judge on data that no search has seen.
# - Keep every curve: then the next question costs no training.
#
# ## Further reading
#
# - Jamieson & Talwalkar 2016, successive halving for tuning: [arXiv 1502.07943](https://doi.org/10.48550/arXiv.1502.07943)
# - Li et al. 2018, Hyperband, which chooses how early to compare: [arXiv 1603.06560](https://doi.org/10.48550/arXiv.1603.06560)
# - Li et al. 2020, massively parallel tuning with ASHA: [arXiv 1810.05934](https://doi.org/10.48550/arXiv.1810.05934)
# - Bergstra & Bengio 2012, random search: [Journal of Machine Learning Research 13, 281](https://www.jmlr.org/papers/v13/bergstra12a.html)
# - Liaw et al. 2018, Ray Tune: [arXiv 1807.05118](https://doi.org/10.48550/arXiv.1807.05118)
