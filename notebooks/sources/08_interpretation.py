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
# # 8 · Interpretation: from a picture to a tested hypothesis
#
# <!-- badges -->
#
# A model predicts open chromatin from sequence. What has it read there? The usual answer is a picture: letters drawn tall where the model looks. A picture shows one sequence, and a reader sees in it what she knows
# already. In this lesson we draw such pictures, hold them against an answer key, and then go on to *experiments on the model*: put a motif into sequences that have nothing else in common, move it, take its neighbours
# away, and measure.
#
# **You will learn**
#
# - to draw attribution maps by gradients and by mutagenesis, and what such a map can and cannot say;
# - to test a hypothesis about a motif, its flanks, its spacing and its partner with synthetic sequences, and to choose the background and the scale for it;
# - to read motifs from first-layer filters, and to score variants once and over shifted windows.
#
# **Time:** 90 minutes to read and try; runs in about five minutes. **Before this:** lessons 03 and 04.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

from dataclasses import asdict, replace
from functools import cache

import logomaker
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import pyplot as plt

from helpers.course import experiments, findings, planted, plots, tasks, training
from helpers.course.exercises import check
from helpers.course.training import base_model, chromosome_pearson, small_dense, small_model, train
from helpers.data import datasets, simulation
from helpers.evaluate import attribution, classification, filters, marginalisation, metrics, patterns
from helpers.evaluate import baselines, occlusion, readout, shuffling, variants
from helpers.files.fasta import Genome
from helpers.files.sequence import decode, encode, one_hot
from helpers.train import kept, layers, seeding
from helpers.train.fitting import predictor

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 3  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # lesson 05 shows how to track training
track = ""  # id of the track to predict; empty for one of open chromatin
epochs = 5  # passes over the training windows
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · A model to ask
#
# Each seed has a genome of its own, with one cell type, and an *answer key*: where motifs were planted, what each of them does, and which of them do nothing. On real data there is no such key. Then we use sites that are
# known from elsewhere, and leave out what cannot be tested.

# %%
data = datasets.load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
seeding.seed_everything(first_seed)  # before anything is computed: lesson 05 says why
numbers = experiments.seed_numbers(profile, seeds, first_seed)
simulated, track = experiments.is_simulated(data), track or planted.open_chromatin(data)
known = numbers if simulated else range(0)  # seeds with an answer key
NO_KEY = f"{data.name} has no answer key: left out"
GENOME = {"n_cell_types": 1, "variants_per_mb": 600.0}  # more variants than usual, for section 6
USUAL = asdict(simulation.SimulationSettings())


# %%
@cache
def task_of(seed, **settings):
    """Task of a seed; settings of the generator that are what they usually are make no other world."""
    changed = {name: value for name, value in settings.items() if value != USUAL[name]}
    return (
        task_of(seed, **changed)
        if changed != settings
        else tasks.task_for_seed(data, seed, track=track, settings={**GENOME, **changed})
    )


# %% [markdown]
# The model is the course's *base model* (`training.base_model`): a first convolution with an exponential activation, then pooling and dilated residual blocks. It is trained on all windows of the training chromosomes, with the Poisson loss, reverse complement
# and jitter, for five epochs. (Its size was chosen by the correlation on *validation* chromosomes, and so were eight epochs; five save time.) Comparisons that take several models a seed use smaller ones, one with fewer filters and one with a dense head, trained as in lessons 03 and 04 on active windows and as many others.
# A model that has been trained once is kept in the course's cache under all that decides its weights, and read from there the next time.

# %%
MANY = 1_000  # training seeds of one genome are MANY * seed + a number that tells its models apart


def windows_for(task, build, number, centred):
    """Training windows, and how often they are passed over: a model sees as many windows, centred or not."""
    active = task.active("train")
    if centred:
        return task.centred(active), 2 * epochs
    if build is base_model:
        return task.split.train, epochs
    return task.with_background(active, np.random.default_rng(number)), epochs


# %%
@cache
def trained(task, number, build=base_model, centred=False, jitter=training.JITTER, loss="poisson", **more):
    """A model of a task, trained or read from the cache."""
    windows, passes = windows_for(task, build, number, centred)
    how = {"epochs": 1 if profile == "smoke" else passes, "jitter": jitter, "loss": loss}
    options = {"activation": "exponential", **more}
    batches = task.batches(windows, seed=number, jitter=jitter, reverse_complement=True, drop_last=True)
    model = {"model": build.__name__, **options, "rate": float(task.prepared.targets.mean(dtype=float))}
    return kept.kept_fit(
        {**how, **model, "batches": batches, "seed": number},
        lambda: train(task, windows, number, build=lambda t: build(t, **options), **how),
    ).model


# %% [markdown]
# Each finding names the conditions of its experiment, and the null world in which it must fail:


# %%
def turned(task):
    """A null world: each chromosome's signal turned by half its length, so that it has nothing to do with the sequence."""
    signal = task.prepared.signal(task.track).values()
    targets = np.concatenate([baselines.rotated(values) for values in signal])[:, None].astype(np.float32)
    return replace(task, prepared=replace(task.prepared, targets=targets))


# %%
def under(finding_id, seed):
    """Task and model of a seed under the conditions of a finding."""
    asked = findings.conditions(finding_id, world)
    task = task_of(seed, **{name: value for name, value in asked.items() if name in USUAL})
    task = turned(task) if asked.get("target") == "rotated coverage" else task
    return task, trained(task, MANY * seed)


def sequences(task, windows):
    """Codes, shape (windows, bp)."""
    width = int(windows["end"].iloc[0] - windows["start"].iloc[0])
    batches = task.batches(windows, window=width, batch_size=512, shuffle=False)
    return np.concatenate([batch[0] for batch in batches])


# %%
task = task_of(first_seed)
model = trained(task, MANY * first_seed)
predict = predictor(model)
peaks = task.around_peaks("test")
MOTIFS = planted.active_motifs() if simulated else planted.known_sites(data.manifest.organism)
print(
    f"{len(task.split.train):,} training windows of {task.window:,} bp; {len(peaks)} windows around the peaks of the test chromosome"
)
print("motifs:", ", ".join(f"{name} {word}" for name, word in MOTIFS.items()))

# %% [markdown]
# ## 2 · One window, three maps
#
# We ask: *how much does each base of this window count for what the model predicts?* The signal in question is the logarithm of the mean prediction over the window. Three answers are common.
#
# **In-silico mutagenesis** replaces each base by each of the three others, and sees what the signal does. A window of 1,024 bp takes 3,072 predictions. By hand for one base, then with the helper for the whole window:

# %%
codes = sequences(task, peaks)
best = int(np.argmax(readout.mean_signal(predict, codes)))
window_codes = codes[[best]]
place = 500
by_hand = []
for letter in range(4):
    mutant = window_codes.copy()
    mutant[0, place] = letter
    both = readout.mean_signal(predict, np.concatenate([window_codes, mutant]), log=True)
    by_hand.append(both[1] - both[0])
changes = attribution.in_silico_mutagenesis(predict, window_codes, log=True)
print("helper and hand agree:", np.allclose(changes[0, place], by_hand, atol=1e-5))

# %% [markdown]
# **Saliency** is the gradient of the signal by the one-hot rows: one pass for the whole window. The row of a known base always adds up to 1, so nothing has ever taught the model what happens where it does not. That part of the gradient is noise, and is taken away: subtract the
# mean over the four bases (Majdandzic et al. 2023). By hand:

# %%
raw = attribution.saliency(model, window_codes, log=True, corrected=False)
corrected = raw - raw.mean(axis=2, keepdims=True)
slopes = attribution.saliency(model, window_codes, log=True)
print("helper and hand agree:", np.allclose(slopes, corrected, atol=1e-6))
times_input = attribution.gradient_times_input(model, window_codes, log=True)
print(
    "gradient x input is the saliency of the base that is there:",
    np.allclose(times_input, slopes * one_hot(window_codes), atol=1e-6),
)

# %% [markdown]
# **Gradient x input** keeps of it the base that is there. Now the three as logos, over the 90 bp where the maps are largest. The height of a letter is its score: for mutagenesis, how far the signal falls on average when the base is replaced. Where do the maps agree? Below, what was planted there.


# %%
def draw_logo(axis, scores, codes, title):
    letters = pd.DataFrame(scores[:, None] * one_hot(codes), columns=list("ACGT"))
    logomaker.Logo(letters, ax=axis, color_scheme=plots.BASE_COLOURS, show_spines=False)
    axis.set(title=title, xticks=[], ylabel="log signal")
    axis.title.set_fontsize(9)


maps = {
    "in-silico mutagenesis": attribution.mutagenesis_scores(changes)[0],
    "gradient x input, corrected": times_input[0].sum(axis=1),
    "gradient x input, not corrected": (raw * one_hot(window_codes))[0].sum(axis=1),
}
heights = np.convolve(np.abs(maps["in-silico mutagenesis"]), np.ones(90), "valid")
shown = slice(int(heights.argmax()), int(heights.argmax()) + 90)

# %%
NOTHING = pd.DataFrame(columns=["kind", "chrom", "start", "end", "motif"])
key = planted.answer_key(task) if simulated else NOTHING
at = peaks.iloc[best]
inside = key[(key["kind"] == "motif") & (key["chrom"] == at["chrom"])]
inside = inside[inside["end"].gt(at["start"] + shown.start) & inside["start"].lt(at["start"] + shown.stop)]

# %%
figure, axes = plt.subplots(4, 1, figsize=(7, 5), height_ratios=[1, 1, 1, 0.35])
for axis, (name, scores) in zip(axes, maps.items(), strict=False):
    draw_logo(axis, scores[shown], window_codes[0, shown], name)
for row in inside.itertuples():
    left = row.start - at["start"] - shown.start
    axes[3].barh(0, row.end - row.start, left=left, color=plots.PALETTE["black"], height=0.5)
    axes[3].text(left + (row.end - row.start) / 2, 0.4, row.motif, ha="center", fontsize=8, clip_on=True)
axes[3].set(xlim=(-0.5, 89.5), ylim=(-0.4, 1.3), yticks=[], xlabel="bp", ylabel="key")
plots.show(figure, "Three attribution logos over 90 bp, and the planted motifs below them.")

# %% [markdown]
# The three maps agree nearly. On simulated data the tall letters spell words, and the words lie on planted motifs. So far the picture. But it is one window, chosen because the model predicts most for it. How often do maps point at planted bases? Take windows around peaks of the test chromosome and call a base *planted* if it belongs to a motif instance
# that adds to the rate in this cell type. If the map's score ranked bases at random, the auROC would be 0.5.

# %%
MAPS = 2 if profile == "smoke" else 12


def maps_of(model, codes):
    """Scores of all bases by three kinds of map."""
    changes = attribution.in_silico_mutagenesis(predictor(model), codes, log=True)
    plain = attribution.saliency(model, codes, log=True, corrected=False)
    return {
        "saliency": attribution.base_scores(attribution.simplex_correction(plain), codes),
        "uncorrected": attribution.base_scores(plain, codes),
        "mutagenesis": attribution.mutagenesis_scores(changes),
    }


# %%
def map_scores(task, model):
    """Mean auROC over windows with which maps tell planted bases from others."""
    peaks = task.around_peaks("test")
    chosen = peaks.iloc[np.linspace(0, len(peaks) - 1, MAPS).round().astype(int)]
    codes = sequences(task, chosen)
    labels = planted.covered(chosen, planted.effective(planted.answer_key(task)))
    usable = np.flatnonzero(labels.any(axis=1))
    return {
        way: np.mean([classification.auroc(labels[row], scores[row]) for row in usable])
        for way, scores in maps_of(model, codes).items()
    }


# %%
pointing = pd.DataFrame([{"seed": seed, **map_scores(*under("F23a", seed))} for seed in known])

# %% tags=["nbval-ignore-output"]
if simulated:
    display(pointing.set_index("seed").round(3))
    display(findings.record("F23a", pointing["saliency"] - 0.5, dataset=data))
    display(findings.record("F23b", pointing["mutagenesis"] - 0.5, dataset=data))
else:
    print(NO_KEY)

# %% [markdown]
# All maps are far better than chance, 0.5. The findings ask for more, a mean of 0.3 above that, and both mutagenesis and saliency reach it. Without the correction, saliency falls short of it in each genome.
#
# ### Is the map stable?
#
# Nothing changes in biology if the window begins a few bases earlier. Does the map? We move the window along the genome and compare, for the bases that all windows cover, each map with that of the window that was not moved. The model pools its input in steps of 8 bp, and its bins are 32 bp wide; the second model is smaller and has a dense head, which
# knows where in the window it looks (lesson 04). At which shifts is a map the same again?

# %%
SHIFTS = [0, 1, 2, 4, 8, 12, 16, 24, 32, 48, 64]


def moved_maps(task, model, count=20):
    """Saliency maps of windows that begin 0 to 64 bp earlier, cut to the bases that all cover: {shift: (windows, bp)}."""
    wide = task.centred(task.active("test"), width=task.window + 128).iloc[:count]
    codes, maps = sequences(task, wide), {}
    for shift in SHIFTS:
        part = np.ascontiguousarray(codes[:, 64 - shift : 64 - shift + task.window])
        scores = attribution.base_scores(attribution.saliency(model, part, log=True), part)
        maps[shift] = scores[:, shift : task.window - 64 + shift]
    return maps


# %%
rows = []
for seed in numbers:
    here = task_of(seed)
    asked = {
        "convolutional": trained(here, MANY * seed),
        "dense head": trained(here, MANY * seed + 5, small_dense),
    }
    for head, each in asked.items():
        maps = moved_maps(here, each)
        r = {shift: np.corrcoef(maps[0].ravel(), moved.ravel())[0, 1] for shift, moved in maps.items()}
        rows += [{"seed": seed, "head": head, "shift": shift, "r": value} for shift, value in r.items()]
stability = pd.DataFrame(rows)

# %%
figure, axis = plt.subplots(figsize=(5.5, 2.8))
for (head, part), colour in zip(stability.groupby("head"), ("blue", "orange"), strict=True):
    plots.every_seed(part, "shift", "r", axis=axis, label=head, colour=plots.PALETTE[colour])
axis.legend(loc="lower left")
axis.set(
    xlabel="shift of the window (bp)",
    ylabel="Pearson r with the map\nof the unmoved window",
    ylim=(0.8, 1.01),
    title="The same bases in another window: nearly the same map",
)
plots.show(figure, "Correlation of saliency maps against the shift of the window.")

# %% [markdown]
# Maps of a window and of its neighbour are nearly the same here, though not quite. The convolutional model comes back to the same map when the window has moved by a whole number of bins; in between, even at whole steps of its pooling, motifs fall differently into the bins. The model with a dense head does not come quite back to the same map, and at small shifts it moves less than the convolutional one. If a conclusion rests on a small letter, move the window and look again. And note what stability does not say: a map can be stable and
# wrong.
#
# ### Where the answer key disagrees with the picture
#
# A tall letter is easily read as "this base is doing something". The answer key knows better. Take all windows of the test chromosome and sort their bases into six kinds:
#
# - *planted*: motif instances that raise the rate in this cell type;
# - *flank*: the bases beside them that AP-1 and GATA prefer to others, which count by the key, too (section 4);
# - *inactive factor*: instances in elements, of factors that are off in this cell type;
# - *decoy*: planted words that no factor reads, outside elements;
# - *chance match*: anything else within 3 bits of an active motif's best score. In this world, as mostly in a cell, a motif that stands alone by chance does nothing;
# - *other*.
#
# Which kinds should have a mean score near zero, and which have it?

# %%
if simulated:
    everywhere = sequences(task, task.split.test)
    acting = planted.effective(key)
    of_kind = {"planted": planted.covered(task.split.test, acting)}
    flanked = planted.covered(task.split.test, planted.with_flanks(acting))
    of_kind["flank"] = flanked & ~of_kind["planted"]
    off = key[(key["kind"] == "motif") & (key["activity_A"] < 0.1)]
    of_kind["inactive factor"] = planted.covered(task.split.test, off) & ~flanked
    of_kind["decoy"] = planted.covered(task.split.test, key[key["kind"] == "decoy"])
    of_kind["chance match"] = planted.chance_matches(everywhere, MOTIFS, sum(of_kind.values()) > 0)
    of_kind["other"] = ~(sum(of_kind.values()) > 0)
    print(", ".join(f"{name} {mask.sum():,}" for name, mask in of_kind.items()), "bases")

# %%
if simulated:
    slopes = attribution.saliency(model, everywhere, log=True)
    score = 1_000 * attribution.base_scores(slopes, everywhere)
    tall = score > np.quantile(score, 0.99)
    disagreement = pd.DataFrame(
        {
            name: {
                "mean score": score[mask].mean(),
                "share of the tallest 1 %": tall[mask].sum() / tall.sum(),
            }
            for name, mask in of_kind.items()
        }
    ).T

# %% tags=["nbval-ignore-output"]
disagreement.round(2) if simulated else print(NO_KEY)

# %% [markdown]
# Scores are in thousandths. Decoys score about zero. Motifs of inactive factors lie *below* it, although by the key they do nearly nothing: perhaps they mark elements with fewer active sites, which would be confounding again. Chance matches score less than planted motifs and far more than other bases, though by the key nothing happens there: this is the clear mistake. And
# about a fifth of the tallest letters stand on bases of no kind. The map is right about the
# model, which does react to a motif that stands alone. It is the model that does not know well enough that a motif alone does nothing. No map can tell you that; an experiment can.
#
# ## 3 · Put the motif somewhere else
#
# *Global importance analysis* (Koo et al. 2021) takes the hypothesis out of the window. Put the motif into many sequences that have nothing in common, predict each with and without it, and average the difference. Whatever else a window
# contained is averaged out. By hand for one motif, then with the helper:

# %%
COUNT = 20 if profile == "smoke" else 100
MIDDLE = slice(12, 20)  # bins: the middle 256 bp, where patterns are put
name, word = next(iter(MOTIFS.items()))
word = patterns.spelled_out(word)[0]
drawn = np.random.default_rng(first_seed).permutation(len(task.split.test))[:COUNT]
natural = sequences(task, task.split.test.iloc[np.sort(drawn)])
shuffled = shuffling.dinucleotide_shuffle(natural, first_seed)
start = (task.window - len(word)) // 2
given = shuffled.copy()
for offset, letter in enumerate(encode(word)):
    if letter < 4:
        given[:, start + offset] = letter
by_hand = readout.mean_signal(predict, given, bins=MIDDLE, log=True) - readout.mean_signal(
    predict, shuffled, bins=MIDDLE, log=True
)
helper = marginalisation.pattern_effects(predict, shuffled, word, bins=MIDDLE, log=True)
print(f"{name} in {len(shuffled)} backgrounds; helper and hand agree:", np.allclose(by_hand, helper))

# %% [markdown]
# ### Which background?
#
# The background should be like the sequences that the model knows, and have nothing in it. Four candidates:
#
# - sequences of the test chromosome as they are;
# - the same, *shuffled* so that every count of two neighbouring bases is kept (Altschul & Erickson 1985), by which words are destroyed and composition is not;
# - *random* bases, all equally frequent;
# - *trivial* ones: nothing but A, or nothing but N.
#
# First a check of the shuffle: what it keeps, and what it destroys.

# %%
kinds = {
    "natural": natural,
    "shuffled": shuffled,
    "random": shuffling.random_background(COUNT, task.window, first_seed),
    "all A": np.zeros((1, task.window), np.uint8),
    "all N": np.full((1, task.window), 4, np.uint8),
}


# %%
def words_of(codes, length):
    """Counts of words in all sequences."""
    texts = [decode(row) for row in codes]
    return pd.Series([t[i : i + length] for t in texts for i in range(len(t) - length + 1)]).value_counts()


pairs = pd.DataFrame({name: words_of(codes, 2) for name, codes in kinds.items()}).fillna(0).astype(int)
same = (pairs["natural"] == pairs["shuffled"]).all()
print(f"pairs as often in shuffled as in natural sequences: {same}; CG: {pairs.loc['CG'].to_dict()}")
fives = {name: words_of(kinds[name], 5) for name in ("natural", "shuffled")}
print(
    "words of five letters that change in number:",
    int((fives["natural"].sub(fives["shuffled"], fill_value=0) != 0).sum()),
)

# %% [markdown]
# Now the effects of all motifs in each of them: three copies, 32 bp apart from start to start, in the middle of the window. The first row is what the model predicts for the background alone. Which backgrounds agree?

# %%
ORDER = np.random.default_rng(first_seed)
DECOYS = (
    planted.decoy_motifs()
    if simulated
    else {
        f"{name}, letters shuffled {n}": each
        for name, site in MOTIFS.items()
        for n, each in enumerate(planted.shuffled_words(patterns.spelled_out(site)[0], 5, ORDER), 1)
    }
)


# %%
def lift(predict, backgrounds, word, copies=3):
    """Mean change of the log signal by copies of a word, in the middle of backgrounds."""
    options = {"copies": copies, "spacing": 32, "bins": MIDDLE, "log": True}
    each = [
        marginalisation.global_importance(predict, backgrounds, w, **options)
        for w in patterns.spelled_out(word)
    ]
    return float(np.mean(each))


# %%
lifts = {
    name: {"(background alone)": readout.mean_signal(predict, codes, bins=MIDDLE).mean()}
    for name, codes in kinds.items()
}
for name, codes in kinds.items():
    lifts[name] |= {motif: lift(predict, codes, word) for motif, word in {**MOTIFS, **DECOYS}.items()}

# %% tags=["nbval-ignore-output"]
pd.DataFrame(lifts).round(2)

# %% [markdown]
# Natural and shuffled backgrounds agree nearly: many windows overlap an element, but few have an active one in the middle, where we read. Random ones, which have another composition, differ more, and change the order: GATA does about twice as much. The trivial backgrounds differ most, and decoys have an effect there. No training window is a thousand A, or all N (whose rows are all zero), and what
# a model says about them is not about motifs. From here on we use shuffled sequences.
#
# ### The finding
#
# Each seed has its own genome and its own model. On simulated data, motifs of factors that are active in the cell type are held against decoys. On real data, known sites are held against words of the same letters in other orders.


# %%
def backgrounds_of(task, seed):
    drawn = np.random.default_rng(seed).permutation(len(task.split.test))[:COUNT]
    return shuffling.dinucleotide_shuffle(sequences(task, task.split.test.iloc[np.sort(drawn)]), seed)


def all_lifts(task, model, seed):
    """Effects of motifs and of decoys, one row each."""
    backgrounds, ask = backgrounds_of(task, seed), predictor(model)
    words = [(m, w, "motif") for m, w in MOTIFS.items()] + [(m, w, "decoy") for m, w in DECOYS.items()]
    return pd.DataFrame(
        [{"seed": seed, "motif": m, "kind": k, "effect": lift(ask, backgrounds, w)} for m, w, k in words]
    )


# %%
marginal = pd.concat([all_lifts(*under("F21a", seed), seed) for seed in numbers])
figure, axis = plt.subplots(figsize=(6, 0.6 + 0.28 * marginal["motif"].nunique()))
colours = dict.fromkeys(DECOYS, plots.PALETTE["vermilion"])
plots.every_condition(marginal, "motif", "effect", axis=axis, colours=colours)
axis.axvline(0, linestyle="--", color="0.6", linewidth=1)
axis.set(
    xlabel="change of the log of the predicted signal", title="What three copies do in a shuffled background"
)
plots.show(figure, "Effect of three copies of each motif and of each decoy, every seed a dot.")

# %% tags=["nbval-ignore-output"]
by_kind = marginal.pivot_table(index="seed", columns="kind", values="effect", aggfunc=["min", "mean", "max"])
display(by_kind.round(2))
largest = by_kind["max", "decoy"]
display(findings.record("F21a", by_kind["mean", "motif"] - largest, dataset=data))
display(findings.record("F21b", by_kind["min", "motif"] - largest, dataset=data))

# %% [markdown]
# On simulated data the decoys stay at zero in every seed. The motifs of the key are all equally strong, but for CTCF, which is half as strong again, and AP-1, a little weaker. The model makes them differ much, and not alike in all seeds: where a dot of a motif lies near zero, the model of that genome has not learned it. F21a is about their mean, F21b about the weakest.
#
# ### Decoys that go with activity
#
# In the default genome, decoys lie outside elements. What if they lie inside? Then they still do nothing, by the answer key. But where they are, chromatin is open.

# %%
if simulated:
    other = task_of(first_seed, decoys_in_elements=True)
    seen = [trained(where, MANY * first_seed + 1, small_model) for where in (task, other)]
    places = {"outside elements": predictor(seen[0]), "inside elements": predictor(seen[1])}
    fooled = pd.DataFrame(
        {
            where: {name: lift(ask, shuffled, word) for name, word in {**DECOYS, **MOTIFS}.items()}
            for where, ask in places.items()
        }
    )

# %% tags=["nbval-ignore-output"]
fooled.round(2) if simulated else print(NO_KEY)

# %% [markdown]
# Now the model reacts to one of the decoys about as strongly as to motifs, and marginalising it shows an effect. It is an effect *on the model*. The other decoy it has not learned. Note how far the rows of real motifs differ between the columns, about which nothing was changed: these are two small models, each trained once, for a short time. That a model *can* be fooled is shown; how often it is, is not.
#
# <div class="alert alert-warning"><b>Caution.</b> Global importance removes what confounds a pattern <i>within a sequence</i>. It cannot remove what was confounded in the <i>training data</i>. Whether a motif acts in the cell takes an experiment in the cell.</div>
#
# ### The other way round: occlusion
#
# Instead of putting a motif into empty sequences, take it out of sequences that have it: replace its instances by random bases, many times, and see how far the signal falls (Toneyan et al. 2022). The two should agree in order. By how much may they differ?

# %%
CORES = {"AP1": "TGACTCA", "GATA": "AGATAAG", "ETS": "CCGGAAGT", "DECOY1": "CTAGCATTGGAC"}
scenes = sequences(task, task.split.test)
REPEATS = 5 if profile == "smoke" else 25
rows = []
for name, core in (CORES if simulated else MOTIFS).items():
    word = patterns.spelled_out(core)[0]
    table = occlusion.occlusion_effects(predict, scenes, word, first_seed, repeats=REPEATS, log=True)
    inserted = marginalisation.global_importance(predict, shuffled, word, log=True)
    row = {"core": f"{name} {word}", "windows": len(table)}
    rows.append({**row, "taken out": table["effect"].mean(), "put in": inserted})

# %% tags=["nbval-ignore-output"]
pd.DataFrame(rows).set_index("core").round(3)

# %% [markdown]
# Both columns are changes of the log signal over the whole window. AP-1 and ETS lead in both, and the decoy is last, but a core that is taken out changes much more than the same core put in. Occlusion takes out all instances of a window, and meets them with their flanks and neighbours, often in an open element (some are chance matches, too); insertion puts one bare core where nothing is. Is the rest cooperation? Not yet.
#
# ## 4 · Flanks, spacing, partners
#
# Do two motifs cooperate? It is natural to ask whether the effect of both exceeds the sum of their effects. But on which scale? Take an invented element and sites that each double its rate, and do nothing else. On the scale of the signal they seem to cooperate, because
# factors multiply. On the scale of its logarithm factors add, and they should not. Yet look at the last column:

# %%
floor, rate = 1.0, 0.5  # coverage without any element, and what the empty element adds
table = {}
for quantity, of in {
    "signal": lambda x: x,
    "log signal": np.log,
    "log of signal - floor": lambda x: np.log(x - floor),
}.items():
    none, one, two = (of(floor + rate * 2**sites) for sites in (0, 1, 2))
    table[quantity] = {
        "one site": one - none,
        "both": two - none,
        "both - sum": (two - none) - 2 * (one - none),
    }
pd.DataFrame(table).T.round(3)

# %% [markdown]
# The coverage of an assay has a floor: fragments fall everywhere. As long as an element stays near the floor, its first site hardly shows, and the second seems to do more. That is not cooperation. So we do two things. We measure the signal *above the floor*, which is what the model
# predicts for empty backgrounds. And we put the patterns into backgrounds that already hold three other sites, as an element has three to six. In the figure under *Partners*, the hypothesis of "no cooperation" is then a straight zero.

# %%
FIRST = 490  # where the first site of a pair begins
AROUND = {410: "GATA", 445: "RUNX", 575: "ETS"}  # and where the other sites begin


# %%
def above_floor(predict, empty):
    """A model's prediction minus what it predicts for empty backgrounds; at least a twentieth of that is left, for the logarithm."""
    floor = predict(empty).mean(axis=0)
    return lambda codes: np.maximum(predict(codes) - floor, 0.05 * floor)


def with_sites(backgrounds):
    """Backgrounds with three sites beside the place of the pair."""
    for place, motif in AROUND.items():
        site = simulation.consensus(simulation.motif_named(motif), flanks=True)
        backgrounds = patterns.insert_pattern(backgrounds, site, place)
    return backgrounds


# %%
PAIR = {"position": FIRST, "bins": MIDDLE, "log": True}
FEW = 8 if profile == "smoke" else 32


@cache
def scene(finding_id, seed):
    """Prediction above the floor, and backgrounds with sites, under the conditions of a finding."""
    task, model = under(finding_id, seed)
    empty = backgrounds_of(task, seed)
    return above_floor(predictor(model), empty), with_sites(empty)


# %% [markdown]
# Are the three sites enough to leave the floor, and not so many that a further site has no room to act? Compare with windows around peaks (predicted coverage of a bin):

# %% tags=["nbval-ignore-output"]
if simulated:
    levels = {
        "empty": shuffled,
        "with three sites": with_sites(shuffled),
        "around peaks": sequences(task, peaks),
    }
    levels = {name: readout.mean_signal(predict, x, bins=MIDDLE) for name, x in levels.items()}
    display(
        pd.DataFrame(
            {name: np.quantile(x, [0.1, 0.5, 0.9]) for name, x in levels.items()},
            index=["10 %", "50 %", "90 %"],
        ).T.round(1)
    )
else:
    print(NO_KEY)

# %% [markdown]
# ### Flanks
#
# In the simulated world AP-1 prefers AG before its 11-bp matrix and CT after it, GATA prefers CTG after its own. We try *all* flanks: 256 for AP-1, 64 for GATA. If the model has learned the preference, the effect rises with the number of preferred bases.

# %%
PREFERRED = {name: simulation.motif_named(name) for name in ("AP1", "GATA")} if simulated else {}


# %%
def flank_table(ask, backgrounds):
    """Effect of every flank, and how many of its bases are preferred."""
    parts = []
    for name, motif in PREFERRED.items():
        sizes = {"left": len(motif.left), "right": len(motif.right)}
        found = marginalisation.flank_importance(
            ask, backgrounds[:FEW], simulation.consensus(motif), **sizes, **PAIR
        )
        ends = found["left"] + found["right"]
        alike = [sum(map(str.__eq__, end, motif.left + motif.right)) for end in ends]
        parts.append(found.assign(motif=name, preferred=alike, most=sum(sizes.values())))
    return pd.concat(parts)


def all_or_none(table):
    """Effect with all flanking bases preferred - with none, mean of the motifs."""
    full, none = table["preferred"] == table["most"], table["preferred"] == 0
    means = [table[rows].groupby("motif")["effect"].mean() for rows in (full, none)]
    return (means[0] - means[1]).mean()


# %%
tables = {seed: flank_table(*scene("F22a", seed)) for seed in known}
if simulated:
    flanks = pd.concat(tables, names=["seed"]).reset_index("seed")
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
    by_count = flanks.groupby(["motif", "seed", "preferred"], as_index=False)["effect"].mean()
    for axis, (name, motif) in zip(axes, PREFERRED.items(), strict=True):
        plots.every_seed(by_count[by_count["motif"] == name], "preferred", "effect", axis=axis)
        axis.set(
            xlabel="preferred flanking bases",
            title=f"{name}: {motif.left or 'any'} before, {motif.right} after",
        )
    axes[0].set_ylabel("change of log signal above floor")
    plots.show(figure, "Effect of AP-1 and of GATA against the number of preferred bases beside them.")

# %% [markdown]
# By the answer key, a full set of preferred flanks adds less than 0.4 to the log rate. The model of F22a makes more of them. Why? Flanks do two things in this genome: they raise the rate, and they are found at planted sites more often than at chance matches, so that they also *tell a real site from a chance match*. Take the two apart, in worlds with small models: one in which flanks are planted as often and have no effect, and one in which
# they are not planted either.

# %%
if simulated:
    no_effect = {"flank_log_effect": 0.0}
    worlds = {"planted, with effect": {}, "planted, no effect": no_effect}
    worlds["not planted, no effect"] = {**no_effect, "flank_share": 0.0}
    rows = {}
    for name, changes in worlds.items():
        other = task_of(first_seed, **changes)
        ask = predictor(trained(other, MANY * first_seed + 1, small_model))
        empty = backgrounds_of(other, first_seed)
        rows[name] = all_or_none(flank_table(above_floor(ask, empty), with_sites(empty)))

# %% tags=["nbval-ignore-output"]
pd.Series(rows, name="all flanks preferred - none").round(2).to_frame() if simulated else print(NO_KEY)

# %% [markdown]
# Look at the middle row: the key says that flanks do nothing there, and the model gives them most of the effect that they have in the first. If other trainings agree, that is what it has learned of *where* motifs were planted: the decoys' confounding again, in a pattern that is real. It is one genome, and one small model a world, which in the first row makes little more of flanks than the key does: that confounding is possible is shown, and how much of F22a it explains is not.
#
# ### Spacing
#
# Two AP-1 sites cooperate if 6 to 18 bp lie between them, and pairs with more were planted as often. One site stays, the other moves. The shaded range is the planted one.

# %%
AP1 = MOTIFS.get("AP1", "")
GAPS = {"near": (8, 12, 16), "far": (24, 28, 32)}
ALL_GAPS = range(2, 37, 2)


def spacing_table(seed):
    ask, backgrounds = scene("F22b", seed)
    distances = [len(AP1) + gap for gap in ALL_GAPS]
    found = marginalisation.spacing_importance(ask, backgrounds, AP1, AP1, distances, **PAIR)
    return found.assign(seed=seed, gap=list(ALL_GAPS))


# %%
spacing = pd.concat([spacing_table(seed) for seed in known]) if simulated else None
if simulated:
    figure, axis = plt.subplots(figsize=(5.5, 2.8))
    axis.axvspan(6, 18, color="0.92")
    plots.every_seed(spacing, "gap", "effect", axis=axis)
    axis.set(
        xlabel="bp between two AP-1 sites",
        ylabel="change of log signal\nabove floor",
        title="Effect of a pair at each distance",
    )
    plots.show(
        figure, "Effect of a pair of AP-1 sites against the gap between them; the planted range is shaded."
    )

# %% tags=["nbval-ignore-output"]
if simulated:
    by_gap = spacing.pivot_table(index="seed", columns="gap", values="effect")
    near_far = by_gap[list(GAPS["near"])].mean(axis=1) - by_gap[list(GAPS["far"])].mean(axis=1)
    display(findings.record("F22a", [all_or_none(table) for table in tables.values()], dataset=data))
    display(findings.record("F22b", near_far, dataset=data))
else:
    print(NO_KEY)

# %% [markdown]
# The mean is highest in the middle of the planted range and falls from there, within the range already, to a level some bp beyond it. A pair 2 bp apart does no more than a far one. So the model has learned a soft preference, and not the key's sharp limits. The seeds differ more in level than in this step. The near gaps lie farther from the background's ETS site than the wide ones do; the null world, with the same places and no
# cooperation, is the control ([nulls.md](nulls.md)).
#
# ### Partners
#
# Now both sites against the sum of each. Three pairs, all with 12 bp between: two AP-1 sites, which were planted as cooperative; and AP-1 beside ETS, and GATA beside ETS, which were not. What does the answer key say? A single site adds its own amount, and the cooperative pair a bonus:

# %%
PAIRS = {"AP1": "AP1", "ETS": "AP1", "ETS beside GATA": "GATA"}  # partner: first site
GAP = 12
if simulated:
    settings, ap1 = simulation.SimulationSettings(), simulation.motif_named("AP1")
    bound = float(simulation.occupancy(ap1.best_score, ap1, settings.occupancy_midpoint))
    activity = simulation.factor_activity(0)[[m.name for m in simulation.MOTIFS].index("AP1")]
    bonus = bound**2 * settings.cooperativity_log_bonus * activity
    print(f"by the answer key, AP-1 pair: {bonus:.2f}; other pairs: 0.00")


# %%
def interaction(ask, backgrounds, partner, log=True):
    """Effects of two sites alone and together."""
    first, second = MOTIFS[PAIRS[partner]], MOTIFS[partner.split()[0]]
    where = {**PAIR, "log": log}
    return marginalisation.cooperativity(ask, backgrounds, first, second, len(first) + GAP, **where)


def interactions(finding_id, seed, partners):
    ask, backgrounds = scene(finding_id, seed)
    return [{"seed": seed, "partner": p, **interaction(ask, backgrounds, p)._asdict()} for p in partners]


# %%
cooperating = pd.DataFrame([row for seed in known for row in interactions("F22c", seed, PAIRS)])
partner = findings.conditions("F22d", world)["partner"]
lone = pd.DataFrame([row for seed in known for row in interactions("F22d", seed, [partner])])
if simulated:
    names = {"AP1": "AP-1 + AP-1", "ETS": "AP-1 + ETS", "ETS beside GATA": "GATA + ETS"}
    figure, axis = plt.subplots(figsize=(6, 2.1))
    plots.every_condition(
        cooperating.assign(pair=cooperating["partner"].map(names)), "pair", "interaction", axis=axis
    )
    axis.axvline(0, linestyle="--", color="0.6", linewidth=1)
    axis.set(
        xlabel="effect of both - sum of the effects of each (log signal above floor)",
        title="Only one pair was planted as cooperative",
    )
    plots.show(figure, "Interaction of three pairs of motifs, every seed a dot.")

# %% tags=["nbval-ignore-output"]
if simulated:
    display(
        cooperating.groupby("partner", sort=False)[["first", "second", "both", "interaction"]].mean().round(2)
    )
    display(
        findings.record("F22c", cooperating[cooperating["partner"] == "AP1"]["interaction"], dataset=data)
    )
    display(findings.record("F22d", lone["interaction"], dataset=data))
else:
    print(NO_KEY)

# %% [markdown]
# Read the table first: above the floor, both sites together have less than the sum for the pairs that were not planted as cooperative, where the key says exactly zero. It looks as if the model let sites add to the signal rather than multiply it (ask it with `log=False`). Against the other pairs, the AP-1 pair stands higher on average, in two genomes of three, by a small part of the key's bonus, and above its own sum
# in none of the seeds. So F22c, which asks for more than the sum, is a hard question to a model of this size. The other pairs are no perfect control: the backgrounds hold a GATA and an ETS site already, and no AP-1. The fairer one has the same two sites farther apart, and that is F22b.
#
# <div class="alert alert-warning"><b>Caution.</b> "More than the sum" compares with a model of independence that your network may not have learned. A pair that is known not to cooperate, at the same place and distance, is the better control.</div>
#
# ### Does a binary model know of it?
#
# Toneyan et al. (2022) saw cooperativity in quantitative models and not in binary ones. We train the same model on labels, in a peak or not, and ask it in the same way. The signal of the binary model is what stands before the sigmoid, the logit; a logit has no floor. The
# control is the pairs that were not planted as cooperative. The last column tells the pairs apart. In the first row it should be near the bonus of the answer key for a model that has learned it. The other rows are on other scales: there only the sign can be read, and whether it differs from 0.

# %%
if simulated:
    binary = {"loss": "binary_crossentropy", "output": "sigmoid"}
    classifier = predictor(trained(task.labelled(), MANY * first_seed, **binary))
    empty = backgrounds_of(task, first_seed)
    scales = {  # what to ask, and whether to take its logarithm
        "quantitative, log above floor": (above_floor(predict, empty), True),
        "quantitative, log": (predict, True),
        "binary, logit": (lambda codes: classification.logits(classifier(codes)), False),
    }
    told = pd.DataFrame(
        {
            name: {p: interaction(ask, with_sites(empty), p, log).interaction for p in PAIRS}
            for name, (ask, log) in scales.items()
        }
    ).T
    told["AP-1 pair - other pairs"] = told["AP1"] - told.drop(columns="AP1").mean(axis=1)

# %% tags=["nbval-ignore-output"]
told.round(2) if simulated else print(NO_KEY)

# %% [markdown]
# In the last column, the quantitative model of this genome shows nothing of the bonus, and the logit of the binary one is higher for the AP-1 pair than for the others. How much of the bonus that is cannot be said. So nothing here says that a binary model must lose cooperativity, as Toneyan et al. report of theirs. But it is one
# genome and one model of each kind, and in the figure above this genome's pair stands lowest: an example, not a test.
#
# ## 5 · Reading filters
#
# The first convolution slides *filters* along the sequence, 32 in the small model. What does each react to? Collect the windows in which its activation is above half its highest, lay them over each other, and count bases: a position frequency matrix, which can be compared with known motifs. By hand for one filter, then with the helper:

# %%
WIDTH = training.SMALL["widths"][0]
activate = predictor(layers.first_layer(trained(task, MANY * first_seed + 1, small_model)))
active = sequences(task, peaks)
activity = activate(active)
number = int(activity.max(axis=(0, 1)).argmax())
counts = np.zeros((WIDTH, 4), int)
for row, place in zip(*np.nonzero(activity[..., number] > activity[..., number].max() / 2), strict=True):
    window = active[row, place - WIDTH // 2 : place + WIDTH // 2 + 1]
    if len(window) == WIDTH:
        counts[np.arange(WIDTH)[window < 4], window[window < 4]] += 1
found = filters.filter_motifs(activate, active, WIDTH)
print("helper and hand agree:", np.array_equal(counts, found.counts[number]))

# %% [markdown]
# An exponential activation makes strong matches much stronger than weak ones. Koo & Ploenzke (2021) found that first layers with it learn whole motifs, while ReLU layers learn parts of motifs that later layers put together. We compare both on the same data. A filter *matches* if it resembles a planted motif more than 95 % of motifs do whose positions
# were shuffled. There is a catch: half of the highest activation is a stricter threshold for an exponential than for a ReLU. So a third row reads the filters of the ReLU model *as if* they had an exponential. If that were all, the third row would equal the first.


# %%
PLANTED = {m.name: m.frequencies for m in simulation.MOTIFS if not m.is_decoy}
SHUFFLES = 40 if profile == "smoke" else 100


def matches(task, model, seed, exponential=False):
    """Best planted motif of each first-layer filter; `exponential` reads what stands before the activation through an exponential."""
    layer = predictor(layers.first_layer(model, activated=not exponential))
    codes = sequences(task, task.around_peaks("test"))
    found = filters.filter_motifs(lambda x: np.exp(layer(x)) if exponential else layer(x), codes, WIDTH)
    looks = filters.position_frequencies(found.counts)
    table = filters.compare_motifs(looks, PLANTED, seed, shuffles=SHUFFLES)
    return table.assign(matched=table["p_value"] <= 0.05), looks


# %%
rows, looks = [], {}
activation = findings.conditions("F25", world)["activation"]
for seed in known:
    here = task_of(seed)
    first = trained(here, MANY * seed + 1, small_model, activation=activation)
    second = trained(here, MANY * seed + 2, small_model, activation="relu")
    ways = {
        "exponential": (first, False),
        "ReLU": (second, False),
        "ReLU, read as exponential": (second, True),
    }
    for way, (trained_model, exponential) in ways.items():
        table, found = matches(here, trained_model, seed, exponential)
        looks[seed, way] = table, found
        names = table.loc[table["matched"], "motif"]
        rows.append(
            {"seed": seed, "first layer": way, "share": table["matched"].mean(), "motifs": names.nunique()}
        )
read = pd.DataFrame(rows)

# %% [markdown]
# The best match of each kind as a logo, and under it the motif; then the shares.

# %%
if simulated:
    figure, axes = plt.subplots(2, 2, figsize=(7, 3))
    for column, way in enumerate(("exponential", "ReLU")):
        table, found = looks[first_seed, way]
        top = table["correlation"].idxmax()
        motif = simulation.motif_named(table["motif"][top])
        shown = motif.frequencies if table["strand"][top] == "+" else motif.frequencies[::-1, ::-1]
        plots.motif_logo(found[top], axis=axes[0, column], title=f"{way}: best filter")
        plots.motif_logo(shown, axis=axes[1, column], title=f"{motif.name} ({table['strand'][top]} strand)")
    plots.show(
        figure,
        "Logo of the best matching filter of an exponential and of a ReLU first layer, with the motif below.",
    )

# %%
if simulated:
    figure, axis = plt.subplots(figsize=(6, 1.9))
    plots.every_condition(read, "first layer", "share", axis=axis)
    axis.set(
        xlabel="share of filters that match a planted motif", xlim=(0, 1), title="Filters that can be read"
    )
    plots.show(figure, "Share of first-layer filters that match a planted motif, every seed a dot.")

# %% tags=["nbval-ignore-output"]
if simulated:
    display(read.groupby("first layer", sort=False)[["share", "motifs"]].mean().round(2))
    shares = read.pivot_table(index="seed", columns="first layer", values="share")
    display(findings.record("F25", shares["exponential"] - shares["ReLU"], dataset=data))
else:
    print(NO_KEY)

# %% [markdown]
# (*motifs*: how many of the planted motifs are matched by at least one filter. By chance, one filter in twenty would match.) In this small model, trained for a short time, both kinds of layer hold filters that can be read, and the difference between genomes is larger than that between activations. The third row, the same ReLU filters read through an exponential, matches about as often as the second: the stricter reading is not what decides here. In the paper, on other data and with other networks, the gap was wide.
#
# <div class="alert alert-warning"><b>Caution.</b> A filter that matches a motif shows that the model has seen the motif. It does not show that the model uses it; marginalise to know. And a model whose filters match nothing may predict as well.</div>
#
# ## 6 · Variants
#
# What does a single base do that differs between two people? Predict the window with the reference and with the alternative allele, and take the log ratio of the mean signals in its middle. By hand for one variant, then with the helper:

# %%
COMMON = 512  # bp in the middle of a window over which the signal is averaged
MOST = 20 if profile == "smoke" else 1_000


def variants_of(task, least=0.2):
    """Variants on the test chromosome that change the log rate of an element by more than so much; below 0 for all."""
    table = planted.answer_key(task).query("kind == 'variant'")
    on_test = table["chrom"].isin(set(task.split.test["chrom"]))
    inside = table["start"].between(2 * task.window, min(task.prepared.lengths.values()) - 2 * task.window)
    chosen = on_test & inside & (table["activity_A"].abs() > least)
    return table[chosen].reset_index(drop=True).iloc[:MOST]


# %%
def score(task, model, table, shifts=None, seed=0):
    """Predicted log ratios of variants, from a single window or averaged over shifted ones."""
    sizes = {"window": task.window, "bin_size": task.prepared.bin_size, "common": COMMON, "strands": False}
    more = {"shifts": shifts, "rng": seed, "shift_by": "bases"} if shifts else {}
    with Genome(task.data.genome) as genome:
        scored = variants.score_variants(predictor(model), genome, table, **sizes, **more)
    return scored["log_ratio"].to_numpy()


# %%
if simulated:
    table = variants_of(task)
    one = table.iloc[[0]]
    with Genome(task.data.genome) as genome:
        begin = one["start"].item() - task.window // 2
        reference = genome.codes(one["chrom"].item(), begin, begin + task.window)[None]
    alternative = reference.copy()
    alternative[0, task.window // 2] = encode(one["alt"].item())[0]
    signals = readout.mean_signal(
        predict, np.concatenate([reference, alternative]), bins=slice(8, 24), log=True
    )
    same = np.allclose(signals[1] - signals[0], score(task, model, one), atol=1e-5)
    print(f"{len(table)} variants, {(table['activity_A'] < 0).mean():.0%} of which lower the rate")
    print(
        f"{one['ref'].item()}>{one['alt'].item()} at {one['start'].item():,}: helper and hand agree: {same}"
    )

# %% [markdown]
# A window can be placed in many ways around a variant, and the prediction should not depend on it. If it does, average: twenty windows at random offsets, the same for both alleles, and the mean over the middle that all of them cover (Toneyan et al. 2022). The single window is scored over the same middle.
#
# Four models for each seed: convolutional and with a dense head (lesson 04), trained with and without jitter. All have seen elements anywhere in a window, since their training windows lie on a grid. A fifth, which no finding is about, has seen centred peaks only and no jitter: if averaging helps anywhere, it should be there. The score is the Spearman correlation with the true effects.

# %%
SHIFTED = findings.conditions("F24a", world)["shifts"]
COMPARED = findings.conditions("F24b", world)["jitter"]  # 0: the models without jitter


def models_of(task, seed):
    """The four models of a genome, by head and training; where others are to be compared, those too."""
    for number, (head, build) in enumerate({"convolutional": small_model, "dense head": small_dense}.items()):
        name = MANY * seed + 4 * number
        yield head, "jitter", trained(task, name + 1, build)
        yield head, "no jitter", trained(task, name + 3, build, jitter=0)
        if COMPARED:
            yield head, "compared", trained(task, name + 4, build, jitter=COMPARED)
    yield (
        "dense head",
        "centred peaks, no jitter",
        trained(task, name + 2, small_dense, centred=True, jitter=0),
    )


# %%
def gains(seed):
    """Agreement of each model's scores with the true effects."""
    task = task_of(seed)
    table, every = variants_of(task), variants_of(task, least=-1)
    for head, kind, model in models_of(task, seed):
        ways = {"single": None, "averaged": 20, "asked": SHIFTED}
        scores = {shifts: score(task, model, table, shifts, seed) for shifts in set(ways.values())}
        agree = {way: metrics.spearman(table["activity_A"], scores[n]) for way, n in ways.items()}
        agree["all variants"] = metrics.spearman(every["activity_A"], score(task, model, every))
        agree["sign right"] = (np.sign(table["activity_A"]) == np.sign(scores[None])).mean()
        r = chromosome_pearson(task, model)
        yield {"seed": seed, "head": head, "trained with": kind, **agree, "Pearson r": r}


# %%
agreement = pd.DataFrame([row for seed in known for row in gains(seed)])
if simulated:
    agreement["gain"] = agreement["averaged"] - agreement["single"]
    agreement["model"] = agreement["head"] + ", " + agreement["trained with"]
    figure, axis = plt.subplots(figsize=(6, 2.3))
    plots.every_condition(agreement, "model", "gain", axis=axis)
    axis.axvline(0, linestyle="--", color="0.6", linewidth=1)
    axis.set(xlabel="gain in Spearman r with the true effects", title="Averaged over shifts - one window")
    plots.show(figure, "Gain by averaging over shifted windows for five models, every seed a dot.")

# %% tags=["nbval-ignore-output"]
if simulated:
    columns = ["sign right", "single", "averaged", "gain", "all variants", "Pearson r"]
    display(agreement.groupby("model", sort=False)[columns].mean().round(3))
    four = agreement[agreement["trained with"].isin(["jitter", "no jitter"])]
    display(
        findings.record("F24a", (four["asked"] - four["single"]).groupby(four["seed"]).mean(), dataset=data)
    )
    by_kind = agreement.pivot_table(index="seed", columns="trained with", values="gain")
    without = by_kind["compared" if COMPARED else "no jitter"]
    display(findings.record("F24b", without - by_kind["jitter"], dataset=data))
else:
    print(NO_KEY)

# %% [markdown]
# Averaging changes the mean of the four models by less than 0.01, and slightly for the worse. In the paper most models gained by it, on human sequences and effects measured in a laboratory. Here the four models have seen elements at every offset, which may be why; that is not tested. The fifth gains in one genome and loses a little in the others. (All or nearly all of these variants lower the rate, so that a sign that is right is no achievement: the question is their order. And the true effects are
# of the rate of an element, while predictions have a floor: variants of a weak element look smaller than they are. That may be one reason why the correlations are low, and is not the only one: all models have such a floor, and some do better.) The column *all variants* has those that do nothing among them, about as many as do something: in motifs of inactive factors, in decoys, in neutral places. *Which* variants matter, the four models tell far better than how much those that matter do.
#
# Does the usual score, the correlation over a whole chromosome, rank models as their variant scores do? Toneyan et al. found that it does. Each dot is a model, and each cross the fifth one; compare those of one colour, which share a genome.

# %%
if simulated:
    figure, axis = plt.subplots(figsize=(5, 3.2))
    for colour, (seed, part) in zip(plots.PALETTE.values(), agreement.groupby("seed"), strict=False):
        fifth = part["trained with"].str.startswith("centred")
        for rows, marker, label in ((part[~fifth], "o", f"genome {seed}"), (part[fifth], "x", None)):
            axis.plot(rows["Pearson r"], rows["single"], marker, color=colour, label=label)
    axis.set(
        xlabel="Pearson r over the test chromosome",
        ylabel="Spearman r of variant scores",
        title="Two scores of the same models",
    )
    axis.legend(fontsize=8)
    plots.show(
        figure, "Spearman r of variant scores against whole-chromosome Pearson r, one colour a genome."
    )

# %% [markdown]
# Among the four models of a genome that were trained on the grid, the higher correlation over the chromosome goes with the better variant scores in two of the genomes, as in the paper; in the other one, the model with the highest correlation scores variants worst of the four. The fifth breaks the rule everywhere: trained on centred peaks, it knows next to nothing of a chromosome, and orders variants best on average (in one of the genomes, two of the four do better; and it gets the sign right in little more than half), perhaps because they are shown to it in the middle, where its peaks were. A correlation over a chromosome is ruled by where peaks are and how tall; a
# variant score asks for differences within one. With four models a genome, two of each head, that is no more than a tendency. And the exception goes when variants without effect are asked about as well: over all variants the fifth model is the last, and the order is nearly that of the chromosome's correlations. If variants are what you want, score variants.
#
# <div class="alert alert-warning"><b>Caution.</b> The variants here lie where a model has been told to look: in elements like those that it learned from, with effects that the simulation is sure of. Measured effects of human variants are noisy, and most variants do nothing; there the question is which of them to look at, and a correlation is not the answer to it.</div>
#
# ## Exercises
#
# **1.** In-silico mutagenesis of one window of 2,048 bp: how many mutated sequences are predicted? And for every *pair* of positions, with all nine changes of two bases?

# %% tags=["exercise"]
singles, doubles = ..., ...

# %% tags=["check"]
hint = "Three other bases at each position; for pairs, 3 x 3 changes at each of n (n - 1) / 2 pairs of positions."
given = singles if singles is ... else (singles, doubles)
check(given, lambda pair: tuple(pair) == (3 * 2_048, 9 * 2_048 * 2_047 // 2), hint)

# %% tags=["solution"]
singles, doubles = 3 * 2_048, 9 * 2_048 * 2_047 // 2
check((singles, doubles), lambda pair: tuple(pair) == (3 * 2_048, 9 * 2_048 * 2_047 // 2), "")

# %% [markdown]
# **2.** Below is a model whose inner workings are known: a floor of 1, and each GATTACA multiplies an element's rate of 0.2 by 4. Find the interaction of two of them, 20 bp apart from start to start, on the log scale of the signal as it is, and on the log scale above the floor. (Use `marginalisation.cooperativity`, and `toy_backgrounds`. Which of the two should be 0?)


# %%
def toy(codes):
    sites = patterns.find_pattern(codes, "GATTACA", both_strands=False).sum(axis=1)
    return 1.0 + 0.2 * 4.0 ** sites[:, None, None]


toy_backgrounds = shuffling.random_background(50, 200, rng=5, frequencies=(0.1, 0.4, 0.4, 0.1))

# %% tags=["exercise"]
as_it_is, above = ..., ...

# %% tags=["check"]
answers = [np.log(4.2) - 2 * np.log(1.8) + np.log(1.2), 0.0]
hint = "Give toy, and lambda codes: toy(codes) - 1. The field `interaction` of what comes back is what is asked for."
given = as_it_is if as_it_is is ... else (as_it_is, above)
check(given, lambda pair: np.allclose(pair, answers, atol=0.01), hint)

# %% tags=["solution"]
ways = (toy, lambda codes: toy(codes) - 1)
pair = ("GATTACA", "GATTACA", 20)
as_it_is, above = (marginalisation.cooperativity(way, toy_backgrounds, *pair).interaction for way in ways)
check((as_it_is, above), lambda pair: np.allclose(pair, answers, atol=0.01), "")

# %% [markdown]
# **3.** A colleague shuffles the *bases* of each sequence to make backgrounds, instead of keeping pairs of neighbours. Show what is lost: give the number of CG in all of `natural`, in `shuffled`, and after permuting each row of `natural` with your own generator.

# %% tags=["exercise"]
in_natural, in_shuffled, in_permuted = ..., ..., ...

# %% tags=["check"]
pairs_cg = [int(((codes[:, :-1] == 1) & (codes[:, 1:] == 2)).sum()) for codes in (natural, shuffled)]
hint = "C is 1 and G is 2. rng.permuted(natural, axis=1) permutes each row; CG is rarer in the genome than its bases would have it."
in_rows = ((natural == 1).sum(axis=1) * (natural == 2).sum(axis=1)).sum() / natural.shape[1]  # expected
given = in_natural if in_natural is ... else (in_natural, in_shuffled, in_permuted)
check(given, lambda x: list(x[:2]) == pairs_cg and abs(x[2] / in_rows - 1) < 0.05, hint)

# %% tags=["solution"]
permuted = np.random.default_rng(1).permuted(natural, axis=1)
in_natural, in_shuffled, in_permuted = (
    int(((codes[:, :-1] == 1) & (codes[:, 1:] == 2)).sum()) for codes in (natural, shuffled, permuted)
)
check(
    (in_natural, in_shuffled, in_permuted),
    lambda x: list(x[:2]) == pairs_cg and abs(x[2] / in_rows - 1) < 0.05,
    "",
)

# %% [markdown]
# ## Key points
#
# - An attribution map shows what the model reacts to in one window. It is a source of hypotheses, and no test of them.
# - Marginalise: put the pattern into many shuffled sequences, with controls that should do nothing, and report the difference.
# - Effects are effects on the model. What went with activity in training, the model will call a cause.
# - Ask about cooperation on a scale on which independent sites add up: the logarithm, above the floor; and beside a pair that is known not to cooperate.
# - To average variant scores over shifted windows is common advice. Here it did not help: test it against known effects before you pay for it.
#
# ## Further reading
#
# - Koo et al. 2021, global importance analysis: [doi:10.1371/journal.pcbi.1008925](https://doi.org/10.1371/journal.pcbi.1008925)
# - Toneyan, Tang & Koo 2022, flanks, spacing, cooperativity and variants: [doi:10.1038/s42256-022-00570-9](https://doi.org/10.1038/s42256-022-00570-9)
# - Koo & Ploenzke 2021, exponential activations: [doi:10.1038/s42256-020-00291-x](https://doi.org/10.1038/s42256-020-00291-x)
# - Majdandzic, Rajesh & Koo 2023, correcting gradients: [doi:10.1186/s13059-023-02956-3](https://doi.org/10.1186/s13059-023-02956-3)
# - Altschul & Erickson 1985, shuffling that keeps pairs: [doi:10.1093/oxfordjournals.molbev.a040370](https://doi.org/10.1093/oxfordjournals.molbev.a040370)
