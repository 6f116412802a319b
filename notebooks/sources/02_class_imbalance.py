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
# # 2 · Class imbalance: rare peaks, and what to do about them
#
# <!-- badges -->
#
# Regulatory elements cover a few per cent of a genome. Whoever asks "is there a peak here?" has many negatives for each positive, and the usual advice is to balance the classes
# before training. Does balancing make a model better, or only different? And which scores still mean something when positives are rare?
#
# **You will learn**
#
# - why accuracy and auROC look good when positives are rare, and what auPRC adds;
# - what class weights, undersampling, oversampling, SMOTE and ADASYN do to ranking and to probabilities;
# - how to choose a threshold, how to repair probabilities, and why to resample inside the training part only.
#
# **Time:** 45 minutes to read and try; runs in about two minutes. **Before this:** lesson 01.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import numpy as np
import pandas as pd
from imblearn.over_sampling import ADASYN, SMOTE, RandomOverSampler
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from IPython.display import display
from matplotlib import pyplot as plt
from sklearn import ensemble, linear_model, metrics, model_selection, preprocessing, tree

from helpers.course import findings, plots
from helpers.course.exercises import check
from helpers.course.experiments import seed_numbers
from helpers.course.tasks import task_for_seed
from helpers.data.datasets import load_dataset
from helpers.evaluate import baselines, calibration
from helpers.evaluate import classification as scores
from helpers.prepare import regions

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest that has peaks
profile = "quick"  # smoke, quick or full
seeds = 5  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # the models of this lesson are fitted in one go: there are no epochs to track
window = 256  # bp
word = 4  # length of the words that the models count
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · How rare is rare?
#
# That depends on what you ask. Cut a chromosome into windows and call a window positive if the *summit* of a peak lies in it. The wider the windows, the fewer there are, and the
# larger the share that holds a summit. The number of summits stays the same.

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
task = task_for_seed(data, first_seed, window=window)
peaks = task.peaks()
summits = peaks.assign(start=peaks["summit"], end=peaks["summit"] + 1)
prevalence = {}
for width in (128, 256, 512, 1_024, 2_048):
    tiles = regions.tile(task.prepared.lengths, width)
    prevalence[width] = regions.label_windows(tiles, summits).mean()
table = pd.Series(prevalence, name="share of windows with a summit").rename_axis("width (bp)")
table.round(3).to_frame()

# %% [markdown]
# So prevalence is not a property of biology alone: it follows from the width that you chose. Remember this when two papers report scores at different widths. We go on with windows of
# `window` bp, split by chromosome as in lesson 01.

# %%
labels = {name: regions.label_windows(part, summits).astype(int) for name, part in task.split.parts.items()}
summary = task.split.summary()[["part", "regions", "chromosomes"]]
summary.assign(
    positive=[y.sum() for y in labels.values()], share=[round(y.mean(), 3) for y in labels.values()]
)

# %% [markdown]
# ## 2 · A model that is nearly always right, and useless
#
# Before we train anything, let a "model" say *no* to every window, and count by hand how often it is right.

# %%
truth = labels["test"]
always_no = np.zeros(len(truth))
hits = np.sum((always_no >= 0.5) & (truth == 1))
right = np.mean((always_no >= 0.5) == (truth == 1))
assert np.isclose(right, scores.accuracy(truth, always_no))
print(f"accuracy {right:.3f}, and {hits} of {truth.sum()} peaks found")

# %% [markdown]
# Accuracy counts all decisions alike, so the many easy negatives decide it. Two other questions are about the positives: of the windows that I call, how many are right (*precision*)? Of
# the true ones, how many do I call (*recall*)? A score for each window leaves the threshold open, and two areas sum up all thresholds:
#
# - **auROC** is the probability that a random positive scores above a random negative. Prevalence does not enter.
# - **auPRC** is the average precision as recall grows. Its floor, for a model that guesses, is the prevalence.
#
# ## 3 · A first real model: count words
#
# How often does each word of four letters occur in a window? Factors bind words, so the counts say something. A word and its reverse complement are the same word read from the other
# strand, so they share a count. By hand, for one window:

# %%
codes = task.in_order("train")[0][0]
letters = "".join("ACGTN"[code] for code in codes[0])
swap = str.maketrans("ACGT", "TGCA")
by_hand: dict[str, int] = {}
for start in range(len(letters) - word + 1):
    here = letters[start : start + word]
    key = min(here, here.translate(swap)[::-1])
    by_hand[key] = by_hand.get(key, 0) + ("N" not in here)
counts, names = baselines.kmer_counts(codes[:1], word)
assert all(by_hand.get(name, 0) == count for name, count in zip(names, counts[0], strict=True))
print(
    f"{len(names)} words; the most frequent here: {max(by_hand, key=by_hand.get)}, {max(by_hand.values())} times"
)

# %% [markdown]
# The helper counts the same. A logistic regression on these counts is our model: simple, quick, and enough to see what imbalance does.


# %%
def words_of(task, part):
    """Word counts of all windows of a part, and whether each holds a summit."""
    peaks = task.peaks()
    summits = peaks.assign(start=peaks["summit"], end=peaks["summit"] + 1)
    features = [baselines.kmer_counts(batch[0], word)[0] for batch in task.in_order(part)]
    return np.concatenate(features).astype(float), regions.label_windows(
        task.split.parts[part], summits
    ).astype(int)


def logistic(**options):
    return [preprocessing.StandardScaler(), linear_model.LogisticRegression(max_iter=300, **options)]


# %%
train, test = words_of(task, "train"), words_of(task, "test")
plain = make_pipeline(*logistic()).fit(*train)
probability = plain.predict_proba(test[0])[:, 1]

# %% [markdown]
# Two pictures of the same scores. On the left, false positives are counted as a share of all negatives; on the right, as a share of what was called.

# %%
figure, (left, right_) = plt.subplots(1, 2, figsize=(7, 3.2))
false_positives, recall, _ = metrics.roc_curve(truth, probability)
left.plot(false_positives, recall, label=f"auROC {scores.auroc(truth, probability):.2f}")
left.plot([0, 1], [0, 1], linestyle="--", color=plots.PALETTE["black"], linewidth=1)
left.set(xlabel="called, of the negatives", ylabel="called, of the positives", title="Looks good ...")
precision, recall, _ = metrics.precision_recall_curve(truth, probability)
right_.plot(recall, precision, label=f"auPRC {scores.auprc(truth, probability):.2f}")
right_.axhline(truth.mean(), linestyle="--", color=plots.PALETTE["black"], linewidth=1)
right_.set(xlabel="recall", ylabel="precision", ylim=(0, 1.05), title="... until you look at what is called")
for axis in (left, right_):
    axis.legend()
alt = "Left: a ROC curve well above the diagonal. Right: the precision of the same scores is below one half nearly everywhere, and falls to the prevalence."
plots.show(figure, alt)

# %% [markdown]
# Dashed is a model that guesses. (The point at recall 0 and precision 1 is put there by the library.) Both numbers are true. auROC says that the model ranks well; auPRC says that a list made with it would mostly be wrong, because there are so many negatives to rank. Report both, with
# the prevalence. Section 4 measures the gap on several genomes; this one is the hardest of them.
#
# ## 4 · Five remedies
#
# - **Class weights**: an error on a positive costs as much more as positives are rarer.
# - **Random undersampling**: drop negatives until the classes are equal.
# - **Random oversampling**: repeat positives until they are.
# - **SMOTE**: make new positives *between* a positive and one of its nearest positive neighbours (Chawla et al. 2002).
# - **ADASYN**: the same, with more of them where negatives are near (He et al. 2008).
#
# Look at what SMOTE makes, in the two words with the highest positive weights of the model. Real windows hold whole numbers of words (the dots are shaken a little, to be seen). What lies between them?

# %%
rng = np.random.default_rng(first_seed)
two = np.argsort(plain[-1].coef_[0])[-2:]
made, _ = SMOTE(random_state=first_seed).fit_resample(*train)
synthetic, positives = made[len(train[0]) :], train[0][train[1] == 1]

# %%
shaken = positives[:, two] + rng.uniform(-0.1, 0.1, size=(len(positives), 2))
figure, axis = plt.subplots(figsize=(5, 3.4))
axis.plot(
    *synthetic[:, two].T, ".", markersize=2, alpha=0.1, color=plots.PALETTE["sky"], label="made by SMOTE"
)
axis.plot(*shaken.T, ".", markersize=4, alpha=0.6, color=plots.PALETTE["vermilion"], label="positive windows")
axis.set(
    xlabel=f"{names[two[0]]} in the window",
    ylabel=f"{names[two[1]]} in the window",
    title="SMOTE fills the space between positives",
)
axis.legend(loc="upper right", markerscale=4)
plots.show(
    figure, "Positive windows sit at whole numbers of words; synthetic ones lie on the lines between them."
)
whole = np.mean((synthetic == np.round(synthetic)).all(axis=1))
print(
    f"{len(positives):,} positive windows, {len(synthetic):,} made, of which {whole:.0%} hold whole numbers of all words"
)

# %% [markdown]
# A synthetic window may hold 1.4 copies of a word. No DNA sequence does. That is the price of interpolating between features, and it is why SMOTE cannot be used on sequence itself.
#
# All five go into a *pipeline*, so that resampling happens in `fit` alone: what is predicted on is never resampled. The question: do they rank better? Do their probabilities
# mean what they say? For the second we take the **Brier score** (Brier 1950), the mean squared distance between a probability and what came true, 0 or 1. Always saying the prevalence scores prevalence x (1 - prevalence); a model that knows more should be below that. (It counts two things together: whether probabilities are right on average, and whether they tell windows apart. Section 5 shows the first alone.)

# %%
REMEDIES = {
    "none": (),
    "class weights": (),
    "undersampling": (RandomUnderSampler,),
    "oversampling": (RandomOverSampler,),
    "SMOTE": (SMOTE,),
    "ADASYN": (ADASYN,),
}


# %%
def fitted(remedy, learner, features, labels, seed):
    """A pipeline with one remedy, fitted."""
    weight = "balanced" if remedy == "class weights" else None
    last = logistic(class_weight=weight)
    if learner == "cautious tree":
        last = [
            tree.DecisionTreeClassifier(min_impurity_decrease=0.05, class_weight=weight, random_state=seed)
        ]
    samplers = [sampler(random_state=seed) for sampler in REMEDIES[remedy]]
    return make_pipeline(*samplers, *last).fit(features, labels)


# %% [markdown]
# The experiment: each seed has its own genome; training on its training chromosomes, scores on its test chromosome. (Null worlds change the number of negatives, or the learner.)


# %%
def balanced(features, labels, ratio, rng):
    """Keep `ratio` negatives for each positive; all of them for "all"."""
    if ratio == "all":
        return features, labels
    positives, negatives = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    kept = np.sort(np.concatenate([positives, rng.permutation(negatives)[: ratio * len(positives)]]))
    return features[kept], labels[kept]


# %%
def one_seed(seed, ratio, learner):
    """Scores of every remedy on one genome; a row each."""
    task, rng = task_for_seed(data, seed, window=window), np.random.default_rng(seed)
    train, test = (balanced(*words_of(task, part), ratio, rng) for part in ("train", "test"))
    rows = []
    for remedy in REMEDIES:
        predicted = fitted(remedy, learner, *train, seed).predict_proba(test[0])[:, 1]
        ranking = {"auROC": scores.auroc(test[1], predicted), "auPRC": scores.auprc(test[1], predicted)}
        probabilities = {"Brier": calibration.brier(test[1], predicted), "mean probability": predicted.mean()}
        rows.append(
            {"seed": seed, "remedy": remedy, "prevalence": test[1].mean(), **ranking, **probabilities}
        )
    return rows


# %%
def experiment(finding_id):
    """The table of all seeds under the conditions of a finding; those that are not named are the default."""
    chosen = {
        "negatives_per_positive": "all",
        "learner": "logistic regression",
        **findings.conditions(finding_id, world),
    }
    key = (chosen["negatives_per_positive"], chosen["learner"])
    if key not in done:
        done[key] = pd.DataFrame([row for seed in numbers for row in one_seed(seed, *key)])
    return done[key]


# %%
done: dict[tuple, pd.DataFrame] = {}
numbers = seed_numbers(profile, seeds, first_seed)
results = experiment("F04")

# %% tags=["nbval-ignore-output"]
results.groupby("remedy", sort=False).mean().drop(columns="seed").round(3)

# %% [markdown]
# First, the statement of section 3, on the model without a remedy. The gap alone says little about a model: one that guesses has an auROC of one half and an auPRC equal to the prevalence, and so a gap too. How large is it, and how far is this model from guessing in each score?

# %% tags=["nbval-ignore-output"]
none = results[results["remedy"] == "none"].set_index("seed")
display(findings.record("F04", none["auROC"] - none["auPRC"], dataset=data))
guess = pd.Series({"auROC": 0.5, "auPRC": none["prevalence"].mean()}, name="guessing")
both = pd.DataFrame([none[["auROC", "auPRC"]].mean().rename("counting words"), guess])
both.assign(gap=both["auROC"] - both["auPRC"]).round(3)

# %% [markdown]
# Now the remedies. Each dot is a seed, each bar a mean. On the left, is any row clearly to the right of the first? On the right, is any to its left?

# %%
figure, (left, right_) = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
colours = {"none": plots.PALETTE["black"]}
plots.every_condition(results, "remedy", "auPRC", axis=left, colours=colours)
left.set(xlabel="auPRC", title="How well do they rank?")
plots.every_condition(results, "remedy", "Brier", axis=right_, colours=colours)
right_.set(xlabel="Brier score (less is better)", title="Do probabilities come true?")
plots.show(
    figure,
    "auPRC of six rows: the row without a remedy has the highest mean, the seeds overlap; Brier scores: that row is far to the left of the five others.",
)

# %%
table = experiment("F05a").pivot_table(index="seed", columns="remedy", values="auPRC")
gain = table.drop(columns="none").max(axis=1) - table["none"]

# %% [markdown]
# For each seed we take the *best* of the five remedies, which favours them, and ask how much it gains:

# %% tags=["nbval-ignore-output"]
findings.record("F05a", gain, dataset=data)

# %% [markdown]
# So the remedies do not only fail to help: even the best of the five has a lower auPRC. In auROC (the table above) all six are alike: auPRC is decided at the top of the list, and that is where the remedies lose. This is one learner, one regularisation, and full balance; milder weights were not tried.
#
# ## 5 · What happened to the probabilities
#
# A model trained on balanced data is told that half of all windows are positive. Most test windows still look negative to it, so its probabilities do not average one half; but they average several times the share of positives (the column *mean probability* of the table). Compare what is predicted with what is true: on the diagonal, a probability means what
# it says. Each dot is a tenth of the test windows, from the least probable to the most.

# %%
figure, axis = plt.subplots(figsize=(5, 3.6))
predictions = {}
for remedy, colour in {"none": "black", "class weights": "blue", "undersampling": "orange"}.items():
    predictions[remedy] = fitted(remedy, "logistic regression", *train, first_seed).predict_proba(test[0])[
        :, 1
    ]
    curve = calibration.reliability(test[1], predictions[remedy], bins=10, how="count").dropna()
    axis.plot(
        curve["predicted"], curve["positive"], "o-", color=plots.PALETTE[colour], markersize=4, label=remedy
    )
axis.plot([0, 1], [0, 1], linestyle="--", color="0.6", linewidth=1)
axis.set(
    xlabel="predicted probability",
    ylabel="share that is positive",
    title="Balanced training overstates the probability",
)
axis.legend()
plots.show(
    figure, "Reliability: without a remedy near the diagonal; class weights and undersampling far below it."
)

# %% [markdown]
# Without a remedy no tenth comes near a probability of one half, and none should: even among the windows that look best, most hold no summit. A tenth is coarse, though: the last dot pools some hundred windows, and the few highest probabilities among them are too high without a remedy as well (by the curve of section 3, hardly any threshold makes half of the calls right). For each seed the remedy with the *lowest Brier score*, against none:

# %%
table = experiment("F05b").pivot_table(index="seed", columns="remedy", values="Brier")
worse = table.drop(columns="none").min(axis=1) / table["none"]

# %% tags=["nbval-ignore-output"]
findings.record("F05b", worse, dataset=data)

# %% [markdown]
# One way in which balancing can seem to help is to look at **F1**, the harmonic mean of precision and recall, at a threshold of 0.5. Balanced training moves the probabilities up, so more windows pass 0.5. Moving the threshold
# instead, on the *validation* chromosome, touches no data:

# %%
held = words_of(task, "validation")
rows = {}
for remedy in ("none", "class weights"):
    model = fitted(remedy, "logistic regression", *train, first_seed)
    tuned = scores.best_threshold(held[1], model.predict_proba(held[0])[:, 1])
    f1 = [scores.precision_recall_f1(test[1], predictions[remedy], cut).f1 for cut in (0.5, tuned)]
    rows[remedy] = {"F1 at 0.5": f1[0], "tuned threshold": tuned, "F1 there": f1[1]}

# %% tags=["nbval-ignore-output"]
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# On this one genome balancing changes F1 at 0.5 little, and the threshold much; with it, the two models are level. (It is one seed: a small difference says nothing.)
#
# <div class="alert alert-warning"><b>Caution.</b> This is said of models that use all examples and rank by a probability. A learner that stops before it has seen the rare class, such as a tree
# that splits only where much impurity goes, can gain from balancing: the null world of F05a is such a learner (<a href="nulls.md">nulls.md</a>). And undersampling can be worth it for speed
# alone. Then repair the probabilities (exercise 3).</div>
#
# ## 6 · Resampling before the split
#
# One order of steps is wrong, and common: balance the *whole* data set, then split it at random. Copies of one positive then lie on both sides, and the test asks for what was memorised. A
# random forest shows it, because it can memorise. We use a random split of the held-out chromosomes' windows here.


# %%
def auprc_if_as_rare(labels, predicted, prevalence):
    """auPRC with positives weighted so that they make up a given share."""
    odds = prevalence / (1 - prevalence) * (1 - labels.mean()) / labels.mean()
    return metrics.average_precision_score(labels, predicted, sample_weight=np.where(labels == 1, odds, 1.0))


# %%
def forest_score(features, labels, order, seed):
    """auPRC of one forest: as reported, with positives weighted down to be as rare as they are, and on windows that it has not seen."""
    halves = model_selection.train_test_split(
        features, labels, test_size=0.5, stratify=labels, random_state=seed
    )
    pool, unseen = (halves[0], halves[2]), (halves[1], halves[3])
    sampler = RandomOverSampler(random_state=seed)
    if order == "before the split":
        both = model_selection.train_test_split(
            *sampler.fit_resample(*pool), test_size=0.3, random_state=seed
        )
        train, test = (both[0], both[2]), (both[1], both[3])
    else:
        both = model_selection.train_test_split(*pool, test_size=0.3, stratify=pool[1], random_state=seed)
        train, test = sampler.fit_resample(both[0], both[2]), (both[1], both[3])
    forest = ensemble.RandomForestClassifier(60, n_jobs=2, random_state=seed).fit(*train)
    tested, real = (forest.predict_proba(x)[:, 1] for x in (test[0], unseen[0]))
    rare = auprc_if_as_rare(test[1], tested, unseen[1].mean())
    found = {"reported": scores.auprc(test[1], tested), "as rare as in truth": rare}
    return {"seed": seed, "oversampled": order, **found, "on unseen windows": scores.auprc(unseen[1], real)}


# %%
rows = []
order = findings.conditions("F06", world)["oversample"]
for seed in numbers:
    task_here = task_for_seed(data, seed, window=window)
    parts = [words_of(task_here, part) for part in ("validation", "test")]
    pooled = np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])
    rows += [forest_score(*pooled, how, seed) for how in (order, "training part only")]
forests = pd.DataFrame(rows)

# %% tags=["nbval-ignore-output"]
columns = ["reported", "as rare as in truth", "on unseen windows"]
forests.groupby("oversampled", sort=False)[columns].mean().round(2)

# %% [markdown]
# Read the last column first: on windows that neither forest has seen, the wrong order gives no worse a model (it has trained on nearly every positive). It is the *report* that is wrong. It is
# inflated by two things: the test part was balanced too, which alone can raise an auPRC, and it holds copies. The column in the middle takes the first away: positives are weighted so that they are as rare as in truth. The score
# hardly falls, so the copies alone are enough for it. That does not acquit the balance: at one negative for each positive, a score without any copy would come near its auROC. Either is enough, and the two shares do not add up. The forest has stored the positives, and puts every copy above every negative, however many negatives there are.

# %% tags=["nbval-ignore-output"]
honest = (
    forests[forests["oversampled"] == "training part only"]
    .drop_duplicates("seed")
    .set_index("seed")["reported"]
)
asked = forests.drop_duplicates("seed").set_index("seed")["reported"]
findings.record("F06", asked - honest, dataset=data)

# %% [markdown]
# <div class="alert alert-warning"><b>Caution.</b> The size of the inflation depends on how well the model can memorise: a model that cannot, such as a logistic regression, should gain mostly from the balanced test part (not measured here). The
# order is wrong in any case. Split first, and resample inside the training part, which is what a pipeline does.</div>
#
# ## Exercises
#
# **1.** What auPRC would a model reach that gives each test window a random score? Answer without computing it.

# %% tags=["exercise"]
random_auprc = ...

# %% tags=["check"]
expected = truth.mean()
hint = "The floor of auPRC is not 0.5. Which share of the windows that it calls would be positive?"
check(random_auprc, lambda value: abs(value - expected) < 0.005, hint)

# %% tags=["solution"]
random_auprc = truth.mean()
check(random_auprc, lambda value: abs(value - expected) < 0.005, "")

# %% [markdown]
# **2.** In your test set 3 % of the windows are positive. At some threshold your model calls half of the positives, and 2 % of the negatives. A colleague takes the same model and threshold, and a test set with one negative for each positive. What is the precision of
# the calls in your test set, and what in theirs?

# %% tags=["exercise"]
yours, theirs = ..., ...

# %% tags=["check"]
answers = (0.5 * 0.03 / (0.5 * 0.03 + 0.02 * 0.97), 0.5 / (0.5 + 0.02))
hint = "Of 100 windows, how many are positive and called? How many are negative and called? Then do it with 50 of each."
check(yours if yours is ... else (yours, theirs), lambda pair: np.allclose(pair, answers, atol=0.01), hint)

# %% tags=["solution"]
yours, theirs = 0.5 * 0.03 / (0.5 * 0.03 + 0.02 * 0.97), 0.5 * 0.5 / (0.5 * 0.5 + 0.02 * 0.5)
check((yours, theirs), lambda pair: np.allclose(pair, answers, atol=0.01), "")

# %% [markdown]
# **3.** Repair the probabilities of the undersampled model. It was trained where half of the windows were positive; before undersampling it was a share `p`, the mean of the labels `train[1]`. The odds q / (1 - q) of each probability q are therefore too high by the factor (1 - p) / p. Correct them, and turn
# them back into probabilities. `predictions["undersampling"]` holds q for the test windows. (Then compare `calibration.brier(test[1], repaired)` with that of `predictions["undersampling"]` and of `predictions["none"]`.)

# %% tags=["exercise"]
repaired = ...

# %% tags=["check"]
p = train[1].mean()
odds = predictions["undersampling"] / (1 - predictions["undersampling"]) * p / (1 - p)
hint = "Odds are q / (1 - q). Multiply them by p / (1 - p), and turn them back into a probability."
check(repaired, lambda q: np.allclose(q, odds / (1 + odds), atol=1e-6), hint)

# %% tags=["solution"]
p = train[1].mean()
odds = predictions["undersampling"] / (1 - predictions["undersampling"]) * p / (1 - p)
repaired = odds / (1 + odds)
check(repaired, lambda q: np.allclose(q, odds / (1 + odds), atol=1e-6), "")

# %% [markdown]
# ## Key points
#
# - Prevalence follows from how you cut the genome; report it with every auPRC, because it is auPRC's floor.
# - auROC does not feel rare positives. A list of calls does.
# - Weighting and resampling move probabilities. Whether they improve a ranking is a question to test, not a reason to balance by default.
# - Tune the threshold on validation data instead of moving the data to the threshold.
# - Split first; resample inside the training part only.
#
# ## Further reading
#
# - Whalen et al. 2022, pitfalls of machine learning in genomics: [doi:10.1038/s41576-021-00434-9](https://doi.org/10.1038/s41576-021-00434-9)
# - Brier 1950, a score for probabilities: [doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2](https://doi.org/10.1175/1520-0493%281950%29078%3C0001:VOFEIT%3E2.0.CO;2)
# - Saito & Rehmsmeier 2015, precision-recall against ROC: [doi:10.1371/journal.pone.0118432](https://doi.org/10.1371/journal.pone.0118432)
# - Chawla et al. 2002, SMOTE: [doi:10.1613/jair.953](https://doi.org/10.1613/jair.953)
# - van den Goorbergh et al. 2022, the harm of imbalance corrections to calibration: [doi:10.1093/jamia/ocac093](https://doi.org/10.1093/jamia/ocac093)
