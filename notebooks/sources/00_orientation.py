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
# # 0 · Orientation: what there is to predict
#
# <!-- badges -->
#
# A genome is a string of four letters, the same in nearly every cell of a body. Yet a liver cell and a neuron differ, because they *use* different
# parts of it. The course asks how much of that use can be predicted from the letters, and how to tell when a model only seems to. Before any model:
# what does such data look like, what is it that we predict, and how will we know whether something we claim is true?
#
# **You will learn**
#
# - how DNA becomes an array, and why every sequence can be read in two directions;
# - what an assay measures, what its signal track shows, and what decides it in the simulated genome of this course;
# - how to read a *finding*: the form in which the course states everything it claims.
#
# **Time:** 30 minutes to read and try; runs in about a minute. **Before this:** nothing but Python and a little machine learning.

# %% tags=["setup"]
import sys

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from helpers.course import findings, plots
from helpers.course.exercises import check
from helpers.course.experiments import only_simulated, place_for_seed, seed_numbers
from helpers.course.verdicts import effect_text, summarise, verdict
from helpers.data import simulation
from helpers.data.datasets import load_dataset
from helpers.files import reads
from helpers.files.fasta import Genome, decode, encode, one_hot, reverse_complement, reverse_complement_codes
from helpers.prepare.signal import bin_signal, fragment_coverage

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"
profile = "quick"  # smoke, quick or full
seeds = 10  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # this lesson trains nothing, so there is nothing to track
world = "default"  # "null" switches off the cause of what is shown

# %% [markdown]
# ## 1 · A string with two readings
#
# DNA has two strands, and its length is counted in *base pairs*, bp. Each letter pairs with one partner, A with T and C with G, and the strands run in opposite directions, so the second strand
# carries no new information: it is the first one read backwards with every letter swapped for its partner. We call that the *reverse complement*. A
# protein that recognises a word in DNA can find it on either strand, so a model should, too.
#
# Watch the last line: reading twice backwards brings the first sequence back.

# %%
sequence = "TTGACTCATN"
partner = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}
other_strand = "".join(partner[letter] for letter in reversed(sequence))
back = "".join(partner[letter] for letter in reversed(other_strand))
print(f"one strand        {sequence}\nits other strand  {other_strand}\nand back          {back}")

# %% [markdown]
# `N` stands for a base that nobody could read. A reference genome is put together from overlapping reads, its *assembly*, and where none could be
# placed, whole stretches are N: gaps.
#
# A network wants numbers. We number the letters A, C, G, T as 0 to 3 and everything else as 4, and give each letter a channel of its own. An unknown
# base gets zeros in all four, so that it says nothing. On disk and in batches a base stays one byte; it grows to four numbers only inside the model.

# %%
codes = np.array(["ACGT".find(letter) if letter in "ACGT" else 4 for letter in sequence], dtype=np.uint8)
by_hand = (codes[:, None] == np.arange(4)).astype(np.float32)
pd.DataFrame(by_hand.astype(int).T, index=list("ACGT"), columns=list(sequence))

# %% [markdown]
# With codes in that order, the partner of a letter is 3 minus its code (and N stays 4). That is why the order A, C, G, T is worth keeping everywhere: the reverse
# complement of a whole batch becomes one subtraction and one flip. The helpers do it that way; they must agree with what we did by hand.

# %%
assert np.array_equal(encode(sequence), codes)
assert np.array_equal(one_hot(codes), by_hand)
assert reverse_complement(sequence) == other_strand
assert decode(reverse_complement_codes(codes)) == other_strand
print("encode, one_hot, reverse_complement: the same as by hand")

# %% [markdown]
# ## 2 · What is measured
#
# A genome comes in long molecules, *chromosomes*. Some stretches are *genes*: a cell copies them, and makes proteins from most; how much it copies is the gene's *expression*. Others, the *regulatory elements*, change how much: *promoters* at a gene's start, *enhancers* further off. A *variant* is a place where people differ in a letter.
#
# DNA is wound around proteins, and both together are *chromatin*. In a cell, most of it is packed tightly and out of reach of other proteins. Some stretches lie open, mostly because proteins called *transcription factors* bind there and, with others, keep
# them open. An *assay* such as ATAC-seq cuts DNA where it is open and sequences the pieces. Each piece, a *fragment*, is later found again on the genome,
# so what an experiment gives is a long list of places. Where many fragments pile up, DNA was open.
#
# The genome of this course is simulated, file by file, in the formats that real data come in. It has a sequence, factors with binding preferences, cell
# types, and assays that sample fragments; and what was put where is written down in an answer key. We read it all back through the readers that any data
# set goes through.

# %%
data = load_dataset(dataset, seed=first_seed)
only_simulated(data, "it is about the answer key, which only a simulated genome has")
findings.record_data(data.name, data.digest)
files = pd.DataFrame(
    [
        {"file": i, "role": data.manifest.entry(i).role, "measures": data.manifest.entry(i).measures}
        for i in data.paths
    ]
)
print(f"{data.manifest.title}: {len(files)} files")
files.groupby("role", sort=False).agg(files=("file", "size"), example=("measures", "first"))

# %% [markdown]
# Roles that you will meet later: *exclusions* are places not to trust, *control* is the same experiment without the thing that is measured, *domains* and
# *links* say which elements act on which genes.
#
# An experiment is a pile of fragments. Here is the strongest open region of a *held-out* chromosome, one that models of this course never train on, in a
# cell type we call A. Each bar is one fragment;
# the number of bars over a base is that base's *coverage*.

# %%
truth = simulation.read_truth(data.paths["truth"])
held_out = data.manifest.splits.test[0]
elements = truth[(truth["kind"] == "element") & (truth["chrom"] == held_out)].reset_index(drop=True)
strongest = elements.loc[elements["activity_A"].idxmax()]
centre = int(strongest["start"] + strongest["end"]) // 2
start, end = centre - 700, centre + 700
fragments = reads.read_fragments(data.paths["atac_A_fragments"])
here = fragments[fragments["chrom"] == held_out]
near = here[(here["end"] > start) & (here["start"] < end)].reset_index(drop=True)
print(
    f"{len(fragments):,} fragments in this experiment, {len(near):,} of them in {end - start:,} bp around the strongest element of {held_out}"
)

# %%
with Genome(data.genome) as genome:
    length = genome.lengths[held_out]
by_hand = np.array([((near["start"] <= base) & (base < near["end"])).sum() for base in range(start, end)])
assert np.array_equal(by_hand, fragment_coverage(fragments, held_out, length)[start:end])

figure, (above, below) = plt.subplots(2, 1, sharex=True, height_ratios=[2, 1], figsize=(7, 4.5))
above.hlines(np.arange(len(near)), near["start"], near["end"], color="0.5", linewidth=1)
above.set(ylabel="fragment", title="Fragments pile up where DNA is open: their number is the coverage")
below.fill_between(np.arange(start, end), by_hand, step="mid", color=plots.PALETTE["blue"])
below.set(ylabel="coverage (fragments)", xlim=(start, end))
plots.label_positions(below, held_out)
alt = f"{len(near)} fragments as bars, dense in the middle of 1.4 kb, and below them coverage with one peak of {by_hand.max()} fragments."
plots.show(figure, alt)

# %% [markdown]
# That curve, or something made of it, is what most models of this course learn to predict, from nothing but the letters below it. It is a *count*, so it is noisy: draw the
# fragments again, in a second experiment on the same cells, and it will look a little different.
#
# ## 3 · The genome, with its answer key
#
# Zoom out to 30,000 bp. The upper rows are measurements, as you would have them for any genome. The lower rows are what only a simulation can give: the
# *elements*, which are the stretches that regulate; within them the *motif instances*, the words that factors bind; *decoys*, words just as well formed, which
# no factor reads; and *repeats*, stretches that occur in many copies all over the genome.
#
# A hill in a measurement is called a *peak*. Find an element that has one in A and none in B. Then find motif instances without any peak.

# %%
left, right = centre - 15_000, centre + 15_000
key = truth[truth["chrom"] == held_out]
shown = {"elements": "element", "motif instances": "motif", "decoys": "decoy", "repeats": "repeat"}
colours = [plots.PALETTE["vermilion"], plots.PALETTE["black"], plots.PALETTE["purple"], "0.6"]
where = {"start": left, "end": right, "uncovered": "zero"}
tracks = {cell: bin_signal(data.paths[f"atac_{cell}_coverage"], held_out, 32, **where) for cell in "AB"}
top = max(values.max() for values in tracks.values())
rows = [plots.SignalRow(f"cell type {cell}", tracks[cell], 32, "fragments", top=top) for cell in "AB"]
for (label, kind), colour in zip(shown.items(), colours, strict=True):
    rows.append(plots.IntervalRow(label, key[key["kind"] == kind], colour))
figure = plots.genome_browser(held_out, left, right, rows, "Two cell types, one sequence, and the answer key")
alt = "ATAC coverage of cell types A and B over 30 kb: some elements have a peak in both, some in one, most in neither. Motif instances cluster inside elements."
plots.show(figure, alt)

# %% [markdown]
# The sequence is the same in both rows. What differs is which factors a cell type has: a word only opens DNA where its factor is around, so the same
# element may have a peak in A and none in B. And most words are read nowhere: besides the decoys, every motif also occurs by chance, outside elements,
# without any effect (the picture does not draw those). Real genomes are like that. A model has to learn from the *company* a word keeps.
#
# ## 4 · What decides activity
#
# A factor does not bind one exact word. It prefers some letters at some positions, which a *position frequency matrix* describes: the share of each
# letter at each position. Drawn as a *logo*, tall letters are the ones that matter: the height is
# information in bits, 2 where only one letter will do and 0 where all are as good.

# %%
names = ["AP1", "GATA", "CTCF"]
lengths = [simulation.motif_named(name).width for name in names]
figure, axes = plt.subplots(1, 3, figsize=(7, 1.9), width_ratios=lengths)
for axis, name in zip(axes, names, strict=True):
    plots.motif_logo(simulation.motif_named(name).frequencies, axis=axis, title=name)
alt = "Sequence logos of three factors: AP1 prefers TGA[CG]TCA, GATA prefers AGATAA, CTCF has a long motif."
plots.show(figure, alt)

# %% [markdown]
# From shares to scores: the logarithm of a letter's share over the share it would have by chance, which we take as one in four, added up over the
# positions. Sequences that the factor likes score high. We slide along the strongest element and score every place for AP1, on both strands: the
# second strand is the first one's reverse complement.

# %%
motif = simulation.motif_named("AP1")
weights = np.log2(motif.frequencies / 0.25)  # (width, 4): bits for each letter at each position
with Genome(data.genome) as genome:
    codes = genome.codes(held_out, int(strongest["start"]), int(strongest["end"]))


def score_places(codes):
    """Score of every place where the motif fits."""
    words = np.lib.stride_tricks.sliding_window_view(codes, len(weights))
    return np.array([weights[np.arange(len(weights)), word].sum() for word in words])


forward, reverse = score_places(codes), score_places(reverse_complement_codes(codes))[::-1]
assert np.allclose(np.stack([forward, reverse]), simulation.scan(codes, motif), atol=1e-4)
print(f"best place for AP1: {max(forward.max(), reverse.max()):.1f} bits")
print(f"the best word there could be: {motif.best_score:.1f} bits")

# %% [markdown]
# Now the answer key for the same element: which instances were planted, on which strand, how well each fits its factor, and how often it is bound.
# *Occupancy*, the probability that an instance is bound, rises with the score (look at the AP1 sites), in a cell in which the factor is fully active. All of these fit well; a word that fits badly is bound seldom. Compare scores only within one
# factor: a longer or pickier motif reaches higher ones.

# %%
instances = truth[(truth["kind"] == "motif") & (truth["element"] == strongest["name"])]
instances[["motif", "start", "end", "strand", "score", "occupancy"]].round(2).reset_index(drop=True)

# %% [markdown]
# How open an element is in a cell type adds up, on the logarithmic scale, from its instances: what a factor contributes, times how active the factor is in
# that cell type, times the occupancy. A pair of AP1 sites close to each other counts more than the two alone. The bases beside some motifs count a little, too. On top comes a part that the sequence does
# *not* explain: an effect of the place, shared by all cell types, and a smaller one of its own in each cell type. Real data has such effects, too, and lesson 10 is about what they do to evaluation.
#
# Here is what the cell types differ in. Read a row: where is that factor active?

# %%
factors = list(simulation.FACTORS)
activity = pd.DataFrame(
    {cell: simulation.factor_activity(i)[: len(factors)] for i, cell in enumerate("ABCDEF")}, index=factors
)
activity

# %% [markdown]
# If coverage follows activity (a *log rate*: the logarithm of how many fragments to expect), then measuring an element should give back what the key says of it. Each dot is an element of the held-out chromosome.
# Look at how tight the cloud is, and where it is not.

# %%
measured = bin_signal(data.paths["atac_A_coverage"], held_out, 32, uncovered="zero")
middles = ((elements["start"] + elements["end"]) // 2 // 32).to_numpy()
at_element = measured[middles]
log_coverage = np.log(at_element + 1)
agreement = np.corrcoef(elements["activity_A"], log_coverage)[0, 1]

figure, axis = plt.subplots(figsize=(5, 3.6))
axis.scatter(elements["activity_A"], log_coverage, s=10, alpha=0.5, color=plots.PALETTE["blue"], linewidth=0)
axis.set(xlabel="activity in cell type A, answer key (log rate)", ylabel="log(1 + coverage) measured")
axis.set_title("The measurement follows the answer key, with noise")
alt = f"Scatter of measured log coverage against true activity for {len(elements)} elements: a rising band, wider at the bottom."
plots.show(figure, alt)
print(f"correlation over {len(elements)} elements: {agreement:.2f}")

# %% [markdown]
# At the lower left the band goes flat: some fragments fall everywhere, open or not, and this *background* hides how closed an element is. Even a model that knew the truth would not predict the measurement exactly: fragments are drawn at random, some places sequence badly because of their GC
# content, the share of G and C, and where a stretch occurs twice in the genome, its fragments cannot be placed and are lost. So there is a ceiling below 1, and a
# model's score means little until it is held against a floor and a ceiling.
#
# ## 5 · How to read a finding
#
# "Cell types differ." Do they? Two experiments on the *same* cells, called *replicates*, differ as well. A claim needs a number, a comparison, and a control. Ours will be:
#
# - **effect**: how well two replicates of A correlate over the elements, minus how well A correlates with B;
# - **least effect that would matter**: 0.1, chosen before looking;
# - **spread**: the same on several seeds, where each seed is another genome, with other elements and another draw of fragments;
# - **null world**: the same simulation with the cause switched off. Here, B gets the factors of A. What is left must not count as an effect.
#
# As a further control, a third world in which nothing else differs either: A and B are sequenced in one batch, equally deeply, and no element varies by
# itself between them. B is then one more replicate of A.


# %%
def difference_between_cell_types(seed, settings):
    """Correlation of two replicates of A, minus that of A and B, over the elements of a small genome."""
    ids = ["atac_A_rep1_coverage", "atac_A_rep2_coverage", "atac_B_coverage"]
    settings = {"n_cell_types": 2, **settings}
    place = place_for_seed(data, seed, ids=["genome", "truth", *ids], settings=settings)
    planted = simulation.read_truth(place.data.paths["truth"])
    planted = planted[(planted["kind"] == "element") & (planted["chrom"] == place.chrom)]
    bins = ((planted["start"] + planted["end"]) // 2 // 256).unique()
    coverage = {i: bin_signal(place.data.paths[i], place.chrom, 256, uncovered="zero")[bins] for i in ids}
    correlation = np.log1p(pd.DataFrame(coverage)).corr()
    return correlation.loc[ids[0], ids[1]] - correlation.loc[ids[0], ids[2]]


# %%
same_factors = {"cell_type_differences": False}
nothing = {**same_factors, "n_batches": 1, "depth_log_sd": 0, "cell_noise_sd": 0}
worlds = {"as simulated": {}, "null world": same_factors, "nothing differs": nothing}
effects = pd.DataFrame(
    [
        {"world": name, "seed": seed, "effect": difference_between_cell_types(seed, settings)}
        for name, settings in worlds.items()
        for seed in seed_numbers(profile, seeds, first_seed)
    ]
)
effects.pivot_table(index="seed", columns="world", values="effect").round(2) + 0.0

# %% [markdown]
# One row a seed. From such a column come the mean, a 95 % interval over seeds (Student's t), and a verdict by a fixed rule:
#
# - **holds**: the interval excludes zero and the mean reaches the least effect;
# - **does not hold**: even the favourable end of the interval stays below the least effect;
# - **inconclusive**: anything else. More seeds may decide it, or nothing will.
#
# Nobody types the verdict.

# %%
least_effect = 0.1
for name, group in effects.groupby("world"):
    judged = verdict(group["effect"], "greater", least_effect)
    print(f"{name}: {effect_text(*summarise(group['effect'])[:3])} over {len(group)} seeds: {judged}")

# %%
figure, axis = plt.subplots(figsize=(6, 2.4))
for row, (_, group) in enumerate(effects.groupby("world")):
    effect, low, high, count = summarise(group["effect"])
    axis.plot([low or effect, high or effect], [row - 0.2] * 2, color=plots.PALETTE["blue"], linewidth=3)
    axis.plot(group["effect"], np.full(count, row), "o", color=plots.PALETTE["sky"], markersize=5)
axis.axvline(least_effect, color=plots.PALETTE["black"], linestyle="--", linewidth=1)
axis.set(yticks=range(len(worlds)), yticklabels=sorted(worlds), ylim=(-0.5, len(worlds) - 0.5))
axis.set(xlabel="agreement of A with A, minus that of A with B (correlation)")
axis.set_title("Every seed, the interval below; dashed: the least effect")
alt = "Effects by seed: as simulated, all lie right of the least effect of 0.1; in the null world all lie left of it, and around zero where nothing differs."
plots.show(figure, alt)

# %% [markdown]
# The claim survives its control. With the cause, the effect is there in every seed. Without it, what is left stays below the least effect. It is not zero: compare it with the
# third world: that difference is what batch, depth and the elements' own variation add.
# In the lessons this is shown in a box that starts
# with an F and a number. [findings.yml](findings.yml) lists them all, with the least effect of each, and says where each claim comes from. Several come
# from published work, and some do not hold here.
#
# <div class="alert alert-warning"><b>Caution.</b> Seeds measure how an effect varies over simulated worlds with <i>these</i> settings. They say nothing about
# worlds with other settings, and a simulation shows only what somebody put into it. That is why lessons also run on real data, and why each finding says
# when it would not be true.</div>
#
# ## Exercises
#
# **1.** Some words read the same on both strands, such as `ACGT`. How many words of 6 letters do? Think first: once three letters are chosen, what is left
# to choose?

# %% tags=["exercise"]
palindromes = ...

# %% tags=["check"]
check(
    palindromes,
    lambda n: n == 4**3,
    "The last letter is decided by the first, the fifth by the second ... Count by trying all words.",
)

# %% tags=["solution"]
from itertools import product

palindromes = sum(reverse_complement("".join(word)) == "".join(word) for word in product("ACGT", repeat=6))
check(palindromes, lambda n: n == 4**3, "")

# %% [markdown]
# **2.** Are regulatory elements richer in G and C? The share of G and C among the bases is called *GC content*. Compute the GC fraction of all bases that lie in elements of the held-out chromosome (`elements`), and
# that of the whole chromosome, without counting N. Give elements minus chromosome. (It is an answer about this simulation.)

# %% tags=["exercise"]
gc_difference = ...

# %% tags=["check"]
with Genome(data.genome) as genome:
    letters = genome.fetch(held_out)
inside = "".join(letters[row.start : row.end] for row in elements.itertuples())


def share(text):
    """GC fraction of a string, without N."""
    return (text.count("G") + text.count("C")) / (len(text) - text.count("N"))


check(
    gc_difference,
    lambda d: abs(d - (share(inside) - share(letters))) < 0.005,
    "Inside minus whole chromosome, as fractions; N counts in neither.",
)

# %% tags=["solution"]
with Genome(data.genome) as genome:
    all_codes = genome.codes(held_out)
is_gc, known = (all_codes == 1) | (all_codes == 2), all_codes < 4
open_bases = np.zeros(len(all_codes), dtype=bool)
for row in elements.itertuples():
    open_bases[row.start : row.end] = True
gc_difference = is_gc[open_bases & known].mean() - is_gc[known].mean()
check(gc_difference, lambda d: abs(d - (share(inside) - share(letters))) < 0.005, "")
print(f"elements have {gc_difference:+.2f} more GC than the chromosome")

# %% [markdown]
# **3.** A claim with a least effect of 0.1 was tested on five seeds. Without computing, say for each list of effects whether it `"holds"`, `"does not hold"`
# or is `"inconclusive"`.

# %% tags=["exercise"]
lists = {
    "a": [0.14, 0.17, 0.15, 0.16, 0.13],
    "b": [0.02, 0.01, 0.03, 0.02, 0.02],
    "c": [0.5, -0.2, 0.3, -0.1, 0.4],
}
answers = ...

# %% tags=["check"]
hint = "Where does the interval lie against 0, and against the least effect? In c, how wide is it?"
check(
    answers,
    lambda given: given == {name: verdict(values, "greater", 0.1) for name, values in lists.items()},
    hint,
)

# %% tags=["solution"]
answers = {"a": "holds", "b": "does not hold", "c": "inconclusive"}
check(
    answers,
    lambda given: given == {name: verdict(values, "greater", 0.1) for name, values in lists.items()},
    "",
)
print("b: the interval excludes zero, so the effect is real, and too small to matter")
print("c: the mean is large, and so is the spread: nothing can be said")

# %% [markdown]
# ## Key points
#
# - A DNA sequence has two readings. With the order A, C, G, T, the other strand is 3 minus the code, reversed.
# - An assay gives fragments; their pile-up is a noisy count, which follows how open the DNA is.
# - What opens DNA is words in context: the same motif may act in one cell type, not in another, and not at all outside an element.
# - A finding is an effect with an interval over seeds, a least effect fixed beforehand, and a null world, in which it must not hold.
#
# ## Further reading
#
# - Buenrostro et al. 2013, how ATAC-seq works: [doi:10.1038/nmeth.2688](https://doi.org/10.1038/nmeth.2688)
# - Stormo 2000, from binding sites to position weight matrices: [doi:10.1093/bioinformatics/16.1.16](https://doi.org/10.1093/bioinformatics/16.1.16)
# - Whalen et al. 2022, pitfalls of machine learning in genomics: [doi:10.1038/s41576-021-00434-9](https://doi.org/10.1038/s41576-021-00434-9)
