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
# # 5 · Seeds and tracking: would you get the same again?
#
# <!-- badges -->
#
# You train a model, change one thing, train again, and the score is 0.01 higher. Was it the change? Or would the first model, trained once more, have been 0.01 higher as well? To answer, you must be able to
# repeat a run exactly, and to say how much runs differ when you do not.
#
# **You will learn**
#
# - what a seed fixes, what it does not, and how to show that a run can be repeated bit for bit;
# - to compare two methods with the spread over seeds in view, and which interval to print;
# - to record runs, offline and without an account, so that each can be read back and explained.
#
# **Time:** 45 minutes to read and try; runs in about two minutes. **Before this:** lessons 03 and 04.

# %% tags=["setup"]
import subprocess
import sys
import tempfile
from pathlib import Path

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from scipy import stats

from helpers.course import findings, plots
from helpers.course.dashboard import dashboard
from helpers.course.exercises import check
from helpers.course.experiments import seed_numbers
from helpers.course.tasks import task_for_seed
from helpers.course.training import chromosome_pearson, train
from helpers.course.verdicts import summarise
from helpers.data.datasets import load_dataset
from helpers.train.seeding import seed_everything
from helpers.train.tracking import list_runs, read_run, read_runs, start_run

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 3  # how many seeds an experiment runs over
first_seed = 0
tracking = "offline"  # off, local, offline (W&B without network) or online
training_seeds = 3  # how often each method is trained on one genome
epochs = 4  # passes over the training windows
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · What is random in a training run
#
# Four things are drawn: the first weights, the order of the windows, their augmentation, and what dropout leaves out. A *seed* fixes the draws. Numbers that look random follow from it, one after another, always the same:

# %%
for seed in (0, 0, 1):
    print(f"seed {seed}:", np.random.default_rng(seed).integers(0, 100, size=8))

# %% [markdown]
# Each library keeps its own generator, so one seed must be given to all of them. And some things are not drawn, yet change a result: how many threads add up a sum (the order of additions changes the last digits), and which
# processor and versions do it, for example. The helper fixes what it can, and says what it cannot. (The number of threads stands in both lists: it is set to the same everywhere, but a seed does not make up for another number. Batches of windows have a generator of their own; the course's `train` hands it the same seed.)

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
fixed = seed_everything(first_seed)
print(f"fixed: seed {fixed.seed}, {fixed.threads} threads, backend {fixed.backend}")
for sentence in fixed.not_fixed:
    print("not fixed:", sentence)

# %% [markdown]
# ## 2 · The same seed in another process
#
# Does it work? Two runs in one notebook prove little: they share a process. So let other Python processes train, each from scratch, and compare every weight. A small network on made-up data will do for these; augmentation is not in this test. Three processes: two
# alike, and one that may use a single thread. (What is drawn here are the first weights, the order of samples, and which values dropout sets to zero. `seed_everything` also lets operations run one after another. When that was left out in tests of the helper, two processes differed; it is not shown here.)

# %%
SCRIPT = """
import sys
import numpy as np
from helpers.train import models
from helpers.train.losses import make_loss
from helpers.train.seeding import seed_everything

threads, out, seeds = int(sys.argv[1]), sys.argv[2], [int(word) for word in sys.argv[3:]]
made = np.random.default_rng(0)
codes = made.integers(0, 4, (256, 256)).astype("uint8")
targets = (codes == 2).reshape(256, 8, 32).sum(axis=2)[..., None].astype("float32")
weights = {}
for seed in seeds:
    seed_everything(seed, threads=threads)
    model = models.residual_dilated(256, 32, 1, filters=(16, 16), widths=(11, 5), blocks=1, dropout=0.2)
    model.compile("adam", make_loss("poisson"), jit_compile=False)
    model.fit(codes, targets, batch_size=32, epochs=2, verbose=0)
    weights[str(seed)] = np.concatenate([w.ravel() for w in model.get_weights()])
np.savez(out, **weights)
"""


# %%
def start_process(name, threads, seeds):
    """Train one model a seed in a process of its own."""
    out = work / f"{name}.npz"
    command = [sys.executable, "-c", SCRIPT, str(threads), str(out), *map(str, seeds)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True), out


# %%
work = Path(tempfile.mkdtemp())
numbers = list(seed_numbers(profile, seeds, first_seed))
offset = findings.conditions("F12", world)["seed_offset"]
wanted = {"first": (2, numbers), "second": (2, [n + offset for n in numbers]), "one thread": (1, numbers)}
weights = {}
for name, (threads, its_seeds) in wanted.items():
    process, out = start_process(name, threads, its_seeds)
    message = process.communicate()[1]
    assert process.returncode == 0, message
    weights[name] = [np.load(out)[str(seed)] for seed in its_seeds]

# %%
pairs = {"another process": ("first", "second"), "one thread instead of two": ("first", "one thread")}
rows = {}
for name, (one, other) in pairs.items():
    differ = [int(np.sum(a != b)) for a, b in zip(weights[one], weights[other], strict=True)]
    largest = max(float(np.abs(a - b).max()) for a, b in zip(weights[one], weights[other], strict=True))
    rows[name] = {
        "differ": f"{np.mean(differ):,.0f} of {len(weights[one][0]):,}",
        "largest difference": f"{largest:.1g}",
    }

# %% tags=["nbval-ignore-output"]
pd.DataFrame(rows).T

# %%
count = [int(np.sum(a != b)) for a, b in zip(weights["first"], weights["second"], strict=True)]
findings.record("F12", count, dataset=data)

# %% [markdown]
# Another thread count changes the last digits of sums, and with them the weights. A statement such as "we fixed the seed" is therefore only half of it: name the thread count and the versions
# as well.
#
# <div class="alert alert-warning"><b>Caution.</b> Bit-identical runs do not make a result true. They let others find your mistakes. A result that exists for one seed only is still an accident, repeated exactly.</div>
#
# ## 3 · The spread over seeds
#
# Now the other side: change nothing but the training seed. We take two methods from lesson 04, training with and without augmentation, and train each several times on each genome, for fewer epochs than there. Every run is recorded as it goes; section 5 reads the
# records.

# %%
records = work / "runs"
short = findings.conditions("F13", world)["epochs_without"]
METHODS = {
    "augmented": {"epochs": epochs},
    "as they are": {"epochs": epochs if short == "all" else short, "jitter": 0, "reverse_complement": False},
}


# %%
def one_run(task, seed, method, number):
    """Train once, record it, and score it on the test chromosome."""
    options = METHODS[method]
    config = {"genome": seed, "method": method, "training_seed": 100 * seed + number, **options}
    name = f"genome{seed}-{method.replace(' ', '-')}-{number}"
    with start_run(
        records / name, config=config, mode=tracking, name=name, digests={data.name: task.data.digest}
    ) as run:
        windows = task.active("train")
        fitted = train(
            task,
            windows,
            config["training_seed"],
            validation=task.in_order("validation"),
            on_epoch=run.log,
            **options,
        )
        score = chromosome_pearson(task, fitted.model)
        run.summary(test_pearson=score)
    return {"genome": seed, "method": method, "run": number, "Pearson r": score}


# %%
rows = []
for seed in numbers:
    task = task_for_seed(data, seed)
    rows += [one_run(task, seed, method, number) for method in METHODS for number in range(training_seeds)]
runs = pd.DataFrame(rows)

# %% [markdown]
# Each dot is one run. Imagine a paper that shows one dot of each colour for one genome: which method would it call better?

# %%
figure, axis = plt.subplots(figsize=(7, 0.9 + 0.9 * len(numbers)))
labels = runs.assign(label=[f"genome {g}, {m}" for g, m in zip(runs["genome"], runs["method"], strict=True)])
colours = {label: plots.PALETTE["blue" if "augmented" in label else "orange"] for label in labels["label"]}
plots.every_condition(labels, "label", "Pearson r", axis=axis, colours=colours)
axis.set(xlabel="Pearson r on the test chromosome", title="Two methods, each trained again and again")
plots.show(
    figure, "A row for each genome and method; the dots of a row are training seeds, the bar is their mean."
)

# %% tags=["nbval-ignore-output"]
spread = runs.groupby(["genome", "method"], sort=False)["Pearson r"].agg(["mean", "std"])
spread.round(3).reset_index().pivot_table(index="genome", columns="method", sort=False)

# %% [markdown]
# How often would one run a method have misled us? Take every pair of one run of each method, and count how often the pair is ordered otherwise than the means. By hand:


# %%
def misranked(one, other):
    """Share of pairs of single runs that are ordered otherwise than the means over runs."""
    truth = np.sign(np.mean(one) - np.mean(other))
    pairs = np.sign(np.subtract.outer(np.asarray(one), np.asarray(other)))
    return float(np.mean(pairs != truth))


# %% tags=["nbval-ignore-output"]
shares = []
for _, table in runs.groupby("genome"):
    scores = {method: part["Pearson r"].to_numpy() for method, part in table.groupby("method")}
    shares.append(misranked(*scores.values()))
findings.record("F13", shares, dataset=data)

# %% [markdown]
# Whether one run is enough depends on how far the methods are apart, measured in spreads. That is why a single number a method is not a result. Two things to keep in mind about this share: the "right" order is itself that of means over a few
# runs, and a share cannot be below zero, so that the lower end of its interval is a weak statement. And had the two methods been
# equally good, this share would not be zero but far above it, since the order of the means would be luck as well. So it does not say that a *true* order was missed; whether there is one, section 4 asks. What it does say: one run a method would not have told.
#
# ## 4 · Which interval to print
#
# Three kinds of spread hide in such an experiment: over training seeds, over genomes (or data sets), and over the bins of a test chromosome. A claim about a *method* needs the first two. The unit is what was redone: pair the methods
# within each genome, take the difference of their means, and give an interval over genomes. By hand, and with the function that judges the findings of this course:

# %%
means = runs.pivot_table(index="genome", columns="method", values="Pearson r")
gain = (means["augmented"] - means["as they are"]).to_numpy()
summary = summarise(gain)
if len(gain) > 1:
    half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    assert np.isclose(summary.low, gain.mean() - half)

# %% [markdown]
# What would be printed by somebody who takes all pairs of runs as independent, whichever genome they are of?


# %%
def words(name, summary):
    """Mean and interval in words."""
    ends = (
        "no interval" if summary.low is None else f"95 % interval {summary.low:+.3f} to {summary.high:+.3f}"
    )
    return f"{name:28} {summary.effect:+.3f}, {ends}"


pairs = []
for _, part in runs.groupby("genome"):
    one, other = (part.loc[part["method"] == method, "Pearson r"].to_numpy() for method in METHODS)
    pairs += list(np.subtract.outer(one, other).ravel())

# %% tags=["nbval-ignore-output"]
print("augmented - as they are:")
print(words(f"over {summary.seeds} genomes", summary))
print(words(f"over {len(pairs)} pairs of runs", summarise(pairs)))

# %% [markdown]
# The mean is the same, and the interval is narrower, though nothing more was learned: the pairs share runs and genomes, so they are fewer than they seem. With more runs a genome it would go on shrinking, whatever the genomes say. (Lesson 04 compares the same two methods after twice as many epochs, and its answer may be another one: how long one trains is part of a method.)
#
# ## 5 · Records
#
# A run that nobody can find again was for nothing. What must be kept: settings, seed, versions, digests of the data, the curve, the score, and whether it ended. The helper writes all of it to a folder of plain files as training goes on; with `tracking =
# "offline"` it writes the files of Weights & Biases beside them, without network or account. Read one run back:

# %%
if tracking != "off":
    folder = sorted(path for path in records.iterdir() if path.is_dir())[0]
    record = read_run(folder)
    print(
        f"{record.name}: {record.status}, {len(record.history)} epochs; training seed {record.config['training_seed']}"
    )
    print("history:", ", ".join(record.history.columns))
    print("digest of the data:", record.digests[data.name][:12], "...")

# %% tags=["nbval-ignore-output"]
list_runs(records).filter(regex="genome|method|training_seed|status|test_pearson").head(4).round(
    3
) if tracking != "off" else None

# %% [markdown]
# And a dashboard needs no account either. At the top left are the losses: training loss, fainter, on windows with much signal, and validation loss on a whole chromosome. (They are negative, since a likelihood's constant term is left out, and not comparable with one another: the windows differ.)

# %%
if tracking != "off":
    figure = dashboard(read_runs(records)[: 2 * training_seeds], by="method", score="test_pearson")
    plots.show(
        figure,
        "Left, training and validation loss by epoch; right, validation score by epoch; below, the final scores of the same runs as bars.",
    )

# %% [markdown]
# To send runs to a W&B server, log in once (`wandb login`), and start the lesson with `tracking="online"`; runs that were recorded offline can be sent later with `wandb sync`.
#
# ## 6 · Bronze, silver, gold
#
# Heil et al. (2021) ask how far a reader can reproduce a paper. *Bronze*: data, models and code can be had. *Silver*: the dependencies can be installed with one command, the key steps are documented, and what is random is fixed. *Gold*: a single command reproduces
# everything. Where does this course stand? The cell looks for files; it does not try them:

# %%
root = next((place for place in (Path.cwd(), *Path.cwd().parents) if (place / "Makefile").is_file()), None)


def has(name):
    return root is not None and (root / name).exists()


standing = {
    "bronze: code, recipes of data and models": has("helpers") and has("data_manifests"),
    "silver: a lock file with hashes": has("requirements.lock")
    and "--hash=" in (root / "requirements.lock").read_text(),
    "silver: what is random is fixed": all(value == 0 for value in count),
    "gold: a `course` target in the Makefile": has("Makefile")
    and "course:" in (root / "Makefile").read_text(),
}
found = {name: "found" if value else "not seen from here" for name, value in standing.items()}
found["silver: the key steps are documented"] = "judge for yourself"
pd.Series(found, name="this course").to_frame()

# %% [markdown]
# ## Exercises
#
# **1.** One run of each of two methods is ordered rightly with probability 0.8. You run each method three times, pair the first run of one with the first of the other and so on, and trust the majority of the
# three pairs. With what probability are you right? (The three pairs are independent.)

# %% tags=["exercise"]
majority = ...

# %% tags=["check"]
hint = "Three of three, or two of three: add both."
check(majority, lambda value: np.isclose(value, 0.8**3 + 3 * 0.8**2 * 0.2, atol=0.005), hint)

# %% tags=["solution"]
majority = 0.8**3 + 3 * 0.8**2 * 0.2
check(majority, lambda value: np.isclose(value, 0.8**3 + 3 * 0.8**2 * 0.2, atol=0.005), "")

# %% [markdown]
# **2.** Differences over five genomes were 0.012, 0.004, 0.019, 0.007 and 0.013. Give the mean and the ends of the 95 % t-interval, as a tuple (mean, low, high).

# %% tags=["exercise"]
interval = ...

# %% tags=["check"]
expected = summarise([0.012, 0.004, 0.019, 0.007, 0.013])[:3]
hint = "The half width is t(0.975, 4) times the standard deviation (with n - 1) over the square root of 5."
check(interval, lambda value: np.allclose(value, expected, atol=5e-4), hint)

# %% tags=["solution"]
interval = summarise([0.012, 0.004, 0.019, 0.007, 0.013])[:3]
check(interval, lambda value: np.allclose(value, expected, atol=5e-4), "")

# %% [markdown]
# **3.** Two people ran the same notebook, all seeds in it the same, and got Pearson r of 0.51234 and 0.51231. Which of these explains it without a mistake of either? `"a"` another random order of windows, `"b"` another type of processor, `"c"` another test chromosome.

# %% tags=["exercise"]
reason = ...

# %% tags=["check"]
hint = "What does the seed fix? What does the notebook fix? What is left?"
check(reason, lambda value: value == "b", hint)

# %% tags=["solution"]
reason = "b"
check(reason, lambda value: value == "b", "")

# %% [markdown]
# ## Key points
#
# - Give one seed to every generator, fix the threads within and between operations, name the versions; then show that another process gives the same weights.
# - A run is a draw. Compare methods with several seeds, paired by genome, and print the interval with what it is over.
# - Record settings, digests and curves while training, in files that outlive any account.
# - Reproducible does not mean right.
#
# ## Further reading
#
# - Heil et al. 2021, reproducibility standards for machine learning in the life sciences: [doi:10.1038/s41592-021-01256-7](https://doi.org/10.1038/s41592-021-01256-7)
# - Bouthillier et al. 2021, variance in machine-learning benchmarks: [doi:10.48550/arXiv.2103.03098](https://doi.org/10.48550/arXiv.2103.03098)
# - Henderson et al. 2018, how seeds change conclusions: [doi:10.1609/aaai.v32i1.11694](https://doi.org/10.1609/aaai.v32i1.11694)
