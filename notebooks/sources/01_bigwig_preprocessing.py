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
# # 1 · From a bigWig to batches: what preprocessing decides
#
# <!-- badges -->
#
# A model never sees an experiment. It sees an array that somebody made from a bigWig file, and several choices were made on the way: how bases were
# averaged, what was done where nothing was measured, which bins were kept. Which of these choices change the numbers that you train on, and by how
# much?
#
# **You will learn**
#
# - what happens between a sequencing read and a signal track, and what a bigWig file stores;
# - to bin a track exactly, and to decide knowingly about missing values, extreme values and thresholds;
# - to turn a genome and its tracks into a prepared data set with held-out chromosomes, ready for batches.
#
# **Time:** 45 minutes to read and try; runs in about a minute. **Before this:** lesson 00.

# %% tags=["setup"]
import sys
import tempfile
from pathlib import Path

# On Colab, a fresh machine: add the course's package, and leave what is installed as it is.
if "google.colab" in sys.modules:
    import subprocess

    package = "ml-in-genomics @ git+https://github.com/ml-in-genomics/ml-in-genomics"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)

import numpy as np
import pandas as pd
import pyBigWig
from matplotlib import pyplot as plt
from scipy import stats

from helpers.course import findings, plots
from helpers.course.exercises import check
from helpers.course.experiments import place_for_seed, seed_numbers
from helpers.data.datasets import load_dataset
from helpers.data.simulation import read_truth
from helpers.files import bed, bigwig, reads
from helpers.files.chroms import resolve_name
from helpers.files.fasta import Genome, reverse_complement_codes
from helpers.prepare import regions, signal, splits
from helpers.prepare.batches import WindowBatches
from helpers.prepare.dataset import prepare_dataset

plots.use_course_style()

# %% tags=["parameters"]
dataset = "simulated"  # or the name or file of another manifest
profile = "quick"  # smoke, quick or full
seeds = 10  # how many seeds an experiment runs over
first_seed = 0
tracking = "off"  # this lesson trains nothing, so there is nothing to track
track = ""  # id of the track to look at; empty for the data set's first
bin_size = 32  # bp
threshold = 2.0  # in the unit of the track
world = "default"  # "null" switches off the cause of each finding

# %% [markdown]
# ## 1 · Where signal comes from: reads
#
# A sequencer reads short pieces of DNA, some tens of bases each, and says for every base how sure it is. A *FASTQ* file keeps both: the letters, and
# a *Phred score* per letter. A score of Q stands for an error probability of 10 to the power of -Q/10, so each 10 points make an error ten times rarer.
#
# Look at how the scores change along one read.

# %%
data = load_dataset(dataset, seed=first_seed)
findings.record_data(data.name, data.digest)
with_reads = data
if not data.by_role("reads"):
    with_reads = load_dataset("simulated", seed=first_seed)
    print(f"{data.name} does not keep its reads: these are of the simulated genome")
fastq = next(iter(with_reads.by_role("reads").values()))
sample = reads.read_fastq(fastq, limit=2_000)
first = sample[0]
print(
    f"read      {first.sequence}\nscores    {' '.join(map(str, first.quality[:10]))} ... {' '.join(map(str, first.quality[-10:]))}"
)

# %%
by_hand = 10 ** (first.quality / -10)  # the definition of a Phred score
assert np.allclose(by_hand, reads.phred_to_error(first.quality))
errors = np.array([reads.phred_to_error(read.quality) for read in sample])
print(
    f"first base: wrong once in {1 / errors[:, 0].mean():,.0f} reads; last base: once in {1 / errors[:, -1].mean():,.0f}"
)
print(f"errors expected per read of {errors.shape[1]} bases: {errors.sum(axis=1).mean():.2f}")

# %% [markdown]
# The end of a read is less certain than its start: the chemistry loses step. Aligners use these scores to place each read on the genome. What
# comes back from the aligner, for a *read pair* (a piece is usually read from both ends), is a *fragment*: chromosome, start and end of the piece of DNA that was sequenced. From here on the
# letters of the reads no longer matter, only where they fell.
#
# ## 2 · From fragments to a signal track
#
# Put the fragments of a stretch on the genome, and count how many lie over each base: that is *coverage*. Do it by hand first.

# %%
with_fragments = data
if not data.by_role("fragments"):
    with_fragments = load_dataset("simulated", seed=first_seed)
    print(f"{data.name} has no fragments: sections 2 and 8 show those of the simulated genome")
fragment_file = next(iter(with_fragments.by_role("fragments").values()))
fragments = reads.read_fragments(fragment_file, with_fragments.aliases)
with Genome(with_fragments.genome) as genome:
    lengths = {
        chrom: genome.lengths[chrom] for chrom in sorted(set(fragments["chrom"]), key=genome.names.index)
    }
chrom = (with_fragments.manifest.splits.test or list(lengths))[0]
covered = signal.fragment_coverage(fragments, chrom, lengths[chrom])
called = regions.peaks(next(iter(with_fragments.by_role("peaks").values())), with_fragments.aliases)
summits = called.loc[called["chrom"] == chrom, "summit"].to_numpy()
centre = int(summits[np.argmax(covered[summits])])  # the tallest summit that a peak caller found
print(f"{len(fragments):,} fragments of {with_fragments.name}; tallest peak of {chrom} at {centre:,}")

# %%
start, end = centre - 1_000, centre + 1_000
near = fragments[(fragments["chrom"] == chrom) & (fragments["end"] > start) & (fragments["start"] < end)]
by_hand = np.zeros(end - start, dtype=int)
for fragment in near.itertuples():
    by_hand[max(fragment.start - start, 0) : min(fragment.end - start, len(by_hand))] += 1
assert np.array_equal(by_hand, covered[start:end])
print(
    f"{len(near):,} fragments touch these {end - start:,} bp; highest coverage {by_hand.max()}; helper and loop agree at every base"
)

# %% [markdown]
# Coverage alone does not say what is remarkable: 20 fragments are many in a quiet stretch and few in a busy one. So peak callers ask how much coverage
# to *expect* if nothing happened here, call that number lambda, and report the observed against the expected in two ways.
#
# - **Fold change** is a ratio: observed / expected.
# - **-log10 p** is a surprise: the probability that a Poisson variable with mean lambda exceeds what was observed, on a scale where 2 means one in a
#   hundred and 5 one in a hundred thousand.
#
# Lambda is taken as the largest of the chromosome's average (MACS takes the genome's) and the averages around the base, in a control library where there is one.

# %%
controls = with_fragments.by_role("control")
control_file = next((path for file_id, path in controls.items() if file_id.endswith("fragments")), None)
control = reads.read_fragments(control_file, with_fragments.aliases) if control_file else fragments
scale = len(fragments) / len(control)  # a control sequenced twice as deeply expects half as much per fragment
background = scale * signal.fragment_coverage(control, chrom, lengths[chrom])
widths = (
    (1_000, 10_000) if control_file else (10_000,)
)  # without a control, a small window would be the peak itself
expected = signal.local_lambda(background, covered.mean(), windows=widths)

# %% [markdown]
# Six bases in order of fold change. Does the last column rise in the same order?

# %%
ratio = signal.fold_change(covered, expected)
quantiles = np.quantile(ratio[start:end], [0.1, 0.5, 0.8, 0.9, 0.96, 1], method="nearest")
spots = start + np.array([int(np.argmax(ratio[start:end] == value)) for value in quantiles])
by_hand = pd.DataFrame({"observed": covered[spots], "expected": expected[spots]})
by_hand.index = pd.Index(spots, name=f"base on {chrom}")
by_hand["fold change"] = by_hand["observed"] / by_hand["expected"]
by_hand["-log10 p"] = -np.log10(stats.poisson.sf(by_hand["observed"], by_hand["expected"]))
assert np.allclose(by_hand["fold change"], ratio[spots])
assert np.allclose(by_hand["-log10 p"], signal.poisson_neglog10p(covered, expected)[spots])
by_hand.round(2) + 0.0  # adding 0 turns -0.0 into 0.0

# %% [markdown]
# Within one place, where the expected coverage hardly changes, the two go together. Between places they part. The same fold change, seen in a shallow and in a
# deep experiment:

# %%
for depth in (2, 8, 32):
    print(
        f"observed {4 * depth:3}, expected {depth:2}: fold change 4, -log10 p {-np.log10(stats.poisson.sf(4 * depth, depth)):.1f}"
    )

# %%
tracks = {
    "coverage\nfragments": (covered, "blue"),
    "expected\nfragments": (expected, "orange"),
    "fold change\nratio": (signal.fold_change(covered, expected), "green"),
    "surprise\n-log10 p": (signal.poisson_neglog10p(covered, expected), "purple"),
}
rows = []
for label, (values, colour) in tracks.items():
    rows.append(plots.SignalRow(label, values[start:end], 1, colour=plots.PALETTE[colour]))
figure = plots.genome_browser(
    chrom, start, end, rows, "One stretch: what was counted, and how remarkable it is"
)
alt = f"Coverage, expected coverage, fold change and -log10 p along 2 kb of {chrom}: three share one shape, and -log10 p is near 0 away from the peak."
plots.show(figure, alt)

# %% [markdown]
# Both come from the same two numbers, observed and expected, but they answer different questions. Fold change says how *large* an effect is, and is noisy where little is
# expected. -log10 p says how *sure* we are that there is one, so it grows with the number of fragments sequenced. Keep this in mind for section 7.
#
# ## 3 · What a bigWig file is
#
# Tracks travel as *bigWig* files. Inside there is a header, the chromosomes with their lengths, an index, and intervals: start, end, value. Neighbouring
# bases of equal value share an interval. Beside the intervals lie *zoom levels*: summaries of the track in ever coarser bins, so that a genome browser
# can draw a whole chromosome without reading it all.

# %%
tracks = data.tracks
if not tracks:  # a data set of fragments alone: their coverage is the track
    made = Path(tempfile.mkdtemp()) / "coverage.bw"
    tracks = {"coverage": signal.write_coverage_bigwig(fragments, lengths, made)}
chosen = track or next((name for name in tracks if name.endswith("neglog10p")), next(iter(tracks)))
path = tracks[chosen]
header = bigwig.read_header(path)
print(
    f"{chosen}: bigWig version {header.version}, {len(header.lengths)} chromosomes, {sum(header.lengths.values()):,} bp"
)
print(
    f"zoom levels (bp per summary): {', '.join(f'{reduction:,}' for reduction in header.zoom_levels) or 'none'}"
)
print(f"the header says: {header.covered_bases:,} bp covered, mean {header.mean:.3f}")

# %% [markdown]
# The intervals are the data. Look at their widths, and at where one interval ends and the next one starts: between two there may be
# bases that no interval covers.

# %%
aliases = data.aliases
here = chrom if with_fragments is data else (data.manifest.splits.test or list(header.lengths))[0]
table = bigwig.read_intervals(path, here, aliases=aliases)
widths = table["end"] - table["start"]
print(
    f"{here}: {len(table):,} intervals, {widths.min()} to {widths.max():,} bp wide, {(widths * table['value'].notna()).sum():,} bp with a value"
)
apart = np.flatnonzero(table["start"][1:].to_numpy() > table["end"][:-1].to_numpy())
at = int(apart[len(apart) // 2]) if len(apart) else len(table) // 2
table.iloc[at - 1 : at + 3]

# %% [markdown]
# `pyBigWig` is the library that reads such files in Python. Its `values` gives one number a base; where the file has none, you get NaN. Its `stats` gives
# summaries over an interval, and by default it takes them from the zoom levels if it can.
#
# ## 4 · Exact means, or zoom summaries?
#
# A zoom level was computed once, on a grid that knows nothing of your bins. Where a bin covers part of a summary, the reader can only take a share of
# it. So the question is how far such answers are from the exact mean, and in which bins. We place bins at random and compare.

# %%
# The coverage file of the small genomes that seeds make; a real data set stays with its own track.
coverage_id = "atac_A_coverage"


def track_at(place):
    """Path of the track to experiment on, and the chromosome's name in that file."""
    track_path = place.data.tracks.get(coverage_id, path)
    return track_path, resolve_name(place.chrom, bigwig.chrom_lengths(track_path), aliases, "the track")


# %%
def disagreement(place, width, rng, bins=100):
    """Mean difference of zoom summary and exact mean over random bins, relative to the mean signal."""
    track_path, name = track_at(place)
    starts = rng.integers(place.start, place.end - width, size=bins)
    with pyBigWig.open(str(track_path)) as file:
        summary = [file.stats(name, int(s), int(s) + width)[0] for s in starts]
    exact = [signal.bin_signal(track_path, name, width, start=s, end=s + width)[0] for s in starts]
    pairs = pd.DataFrame({"summary": np.array(summary, dtype=float), "exact": exact}).dropna()
    return (pairs["summary"] - pairs["exact"]).abs().sum() / pairs["exact"].abs().sum()


# %% [markdown]
# Each seed makes a new simulated genome (of real data, it takes another stretch). Watch at which width the difference sets in.

# %%
wide = [512, 1_024, 2_048, 4_096, 8_192]
numbers = seed_numbers(profile, seeds, first_seed)
results = []
for seed in numbers:
    place = place_for_seed(
        data, seed, ids=["genome", coverage_id], settings=findings.conditions("F01a", world)
    )
    rng = np.random.default_rng(seed)
    results += [
        {"seed": seed, "width": width, "difference": disagreement(place, width, rng)}
        for width in [32, 64, 128, 256, *wide]
    ]
results = pd.DataFrame(results)

# %%
figure, axis = plt.subplots(figsize=(6, 3.2))
plots.every_seed(results, "width", "difference", axis=axis)
axis.axhline(0.01, color=plots.PALETTE["black"], linestyle="--", linewidth=1)
axis.set(xscale="log", xlabel="width of a bin (bp)", ylabel="relative difference")
axis.set_xticks(sorted(set(results["width"])))
axis.minorticks_off()
axis.set_xticklabels(f"{width:,}" for width in sorted(set(results["width"])))
axis.set_title("Zoom summaries against exact means: a saw above the dashed 1 %")
alt = "Relative difference of zoom summary and exact mean against bin width, a dot a seed: zero in narrow bins, then a saw far above 1 %."
plots.show(figure, alt)

# %% [markdown]
# Narrow bins are answered from the intervals themselves, so nothing differs. From some width on, the reader takes a zoom level instead, and the answer is off.
# Then the line is a saw: wider bins hold more whole summaries, so the two cut ones at their ends weigh less, until the reader changes to the next,
# coarser level and the error jumps again. First the statement about wide bins:

# %%
per_seed = results[results["width"].isin(wide)].groupby("seed")["difference"].mean()
findings.record("F01a", per_seed, dataset=data)

# %% [markdown]
# (At 512 bp this reader still answers from the intervals, and that zero is part of the mean.) And the statement about the bins that we will train on:

# %%
narrow = findings.conditions("F01b", world)["bin_size"]
per_seed = []
for seed in numbers:
    place = place_for_seed(data, seed, ids=["genome", coverage_id])
    per_seed.append(disagreement(place, narrow, np.random.default_rng(seed)))
findings.record("F01b", per_seed, dataset=data)

# %% [markdown]
# <div class="alert alert-warning"><b>Caution.</b> Which width is wide depends on the file: the coarser its zoom levels, the later the reader turns to them. And
# a file can be wrong in itself. Some public files carry summaries, even header facts, that do not fit their own intervals, because a tool cut the intervals
# and kept the rest. Exact reading is safe in both cases, and it is fast enough: the helper never looks at a summary.</div>
#
# ## 5 · Three kinds of nothing
#
# A base may have the value 0: it was measured, and there was no fragment. It may have no interval at all: *uncovered*. Or it may have an interval whose value
# says *not a number*: it could not be measured, for instance in a gap. What an uncovered base means is for the file's maker to say. A coverage
# file leaves zeros out to save space, so there uncovered is 0. A file of ratios leaves out what could not be computed, so there it is missing.
#
# The choice changes means. Average four bases by hand, of which the file covers one, with a value of 8:

# %%
bases = np.array([8.0, np.nan, np.nan, np.nan])  # NaN stands for a base that the file does not cover
print(
    f"uncovered is missing: mean {np.nanmean(bases):.0f}    uncovered is zero: mean {np.nan_to_num(bases).mean():.0f}"
)

tiny = Path(tempfile.mkdtemp()) / "tiny.bw"
bigwig.write_bigwig(
    tiny, {"chr1": 12}, {"chr1": ([0, 4], [1, 8], [8.0, np.nan])}
)  # 0-1 is 8, 4-8 says NaN, the rest is uncovered
for uncovered in ("missing", "zero"):
    print(f"bin_signal, uncovered={uncovered!r}: {signal.bin_signal(tiny, 'chr1', 4, uncovered=uncovered)}")

# %% [markdown]
# The helper follows the choice for what is uncovered, and never turns an explicit NaN into a 0. How often does the choice matter? Bin a coverage track both
# ways, and ask which bins lie above a threshold in the one and below it in the other. The threshold is `threshold`, here in the track's own unit: fragments.


# %%
def share_that_changes_side(place, threshold):
    """Share of bins that a threshold keeps under one reading of uncovered bases and drops under the other."""
    track_path, name = track_at(place)
    where = {"start": place.start, "end": place.end}
    missing, zero = (
        signal.bin_signal(track_path, name, bin_size, uncovered=reading, **where)
        for reading in ("missing", "zero")
    )
    return np.mean((missing >= threshold) != (zero >= threshold))


# %%
settings = findings.conditions("F02", world)
per_seed = []
for seed in numbers:
    place = place_for_seed(data, seed, ids=["genome", coverage_id], settings=settings)
    per_seed.append(share_that_changes_side(place, threshold))
findings.record("F02", per_seed, dataset=data)

# %% [markdown]
# The rule decides, not what we expected. If the finding does not hold, ask when it would. Two things suggest themselves: thinner libraries, where more bases
# are uncovered, and a lower threshold, since in a coverage file a mean over covered bases alone can never be below 1. Both are cheap to try in the
# simulated genomes. (A real experiment has the depth that it has.)

# %%
depths = {"full": 0.03, "a third": 0.01, "a tenth": 0.003} if data.seed is not None else {}
sweep = []
for label, depth in depths.items():
    for seed in numbers:
        changed = {**findings.conditions("F02", world), "depth": depth}
        place = place_for_seed(data, seed, ids=["genome", coverage_id], settings=changed)
        for at in (1, 2, 5):
            share = share_that_changes_side(place, at)
            sweep.append({"depth": label, "threshold": at, "seed": seed, "share": share})
sweep = pd.DataFrame(sweep, columns=["depth", "threshold", "seed", "share"])
sweep.pivot_table(index="depth", columns="threshold", values="share", sort=False).round(4) if depths else None

# %% [markdown]
# Compare each entry, a mean over seeds, with the least effect of 0.01. In this sweep, made after the verdict, it is the threshold that decides: near 1, the smallest value that a covered base can have,
# the two readings part; far above it, the bins that pass have hardly any uncovered base. (In the thinnest library the share falls again, probably since many bins then hold no
# fragment at all, and both readings leave those below.) The rest of this lesson takes uncovered bases as zero, which is right for coverage and for -log10 p.
#
# <div class="alert alert-warning"><b>Caution.</b> This is coverage. A file of ratios or of -log10 p can hold values near zero in covered bases, and in a file that
# covers every base the choice changes nothing. Look at what your file leaves out before you choose.</div>
#
# ## 6 · Bins and extreme values
#
# Models of this course learn the mean of each 32-bp bin. That is less to predict than every base, and less noisy. By hand it is a reshape; the last bin
# of a chromosome is the mean of what it covers, which may be less than a whole bin.

# %%
with pyBigWig.open(str(path)) as file:
    name = resolve_name(here, file.chroms(), aliases, "the track")
    length_here = file.chroms()[name]
    middle = length_here // 2
    values = file.values(name, middle, middle + 100 * bin_size, numpy=True)
bins = values.reshape(-1, bin_size)
counted = np.isfinite(bins).sum(axis=1)
by_hand = np.where(counted > 0, np.nansum(bins, axis=1) / np.maximum(counted, 1), np.nan)
helper = signal.bin_signal(path, name, bin_size, start=middle, end=middle + 100 * bin_size)
assert np.allclose(by_hand, helper, rtol=1e-5, equal_nan=True)
binned = signal.bin_signal(path, here, bin_size, uncovered="zero", aliases=aliases)
print(
    f"{length_here:,} bp are {len(binned):,} bins; the last one covers {length_here - (len(binned) - 1) * bin_size} bp"
)
print(f"{np.isnan(binned).mean():.1%} of the bins could not be measured")

# %% [markdown]
# Now look at how the values are spread. Most bins hold next to nothing, and a few hold very much: those few would dominate a squared error. A common
# remedy is the *inverse hyperbolic sine*, asinh(x) = log(x + sqrt(x² + 1)). It is a logarithm for large values, a straight line near 0, and defined at 0.

# %%
measured = binned[~np.isnan(binned)]
squeezed = signal.arcsinh(measured)
assert np.allclose(squeezed, np.log(measured + np.sqrt(measured**2 + 1)), atol=1e-4)
for label, values in {"raw": measured, "arcsinh": squeezed}.items():
    share = np.sort(values)[-len(values) // 20 :].sum() / values.sum()
    print(
        f"{label}: {share:.0%} of all signal lies in the top 5 % of bins; the largest is {values.max():,.0f}"
    )

# %%
figure, axes = plt.subplots(1, 2, figsize=(7, 2.8), sharey=True)
for axis, values, label in zip(axes, (measured, squeezed), (chosen, f"arcsinh of {chosen}"), strict=True):
    axis.hist(values, bins=60, color=plots.PALETTE["blue"])
    axis.set(yscale="log", xlabel=label)
axes[0].set_ylabel("number of bins")
axes[0].set_title("A few bins hold most of the signal ...")
axes[1].set_title("... and arcsinh brings them closer")
alt = "Two histograms of binned signal, counts on a log scale: raw values with a very long right tail, and arcsinh values with a short one."
plots.show(figure, alt)

# %% [markdown]
# It is sometimes said that arcsinh also takes away the effect of sequencing depth. It bends values; it does not know how many fragments there were. Lesson
# 11 puts that to the test.
#
# ## 7 · A threshold, and how much it keeps
#
# Training sets are often cut down to bins, or windows, with signal: -log10 p of at least 2, say, which would be one in a hundred by chance for a single base (the mean over a bin has no such simple reading). How much is
# left?

# %%
kept = np.mean(measured >= threshold)
print(f"{chosen} on {here}: {kept:.1%} of the measured {bin_size}-bp bins reach {threshold:g}")

# %% [markdown]
# That number looks like a property of the genome. But -log10 p is a surprise, and surprise grows with the number of fragments. To see how much, keep every
# fifth fragment at random, and compute the track twice, from all fragments and from those kept, without a control.


# %%
def share_kept(table, lengths, spans):
    """Share of 32-bp bins with -log10 p of at least 2, computed from fragments without a control."""
    binned = []
    for chrom, (start, end) in spans.items():
        count = signal.fragment_coverage(table, chrom, lengths[chrom])
        expected = signal.local_lambda(count, count.mean(), windows=(10_000,))
        surprise = signal.poisson_neglog10p(count, expected)[start:end]
        surprise = surprise[: len(surprise) // bin_size * bin_size]
        binned.append(surprise.reshape(-1, bin_size).mean(axis=1))
    return np.mean(np.concatenate(binned) >= 2)


# %%
def depth_ratio(seed, depth_share):
    """Share kept at full depth over that at a share of it: a small genome, or a stretch of a real one."""
    place = place_for_seed(data, seed, ids=["genome", "atac_A_fragments"])
    table = reads.read_fragments(next(iter(place.data.by_role("fragments").values())), aliases)
    with Genome(place.data.genome) as genome:
        lengths = dict(genome.lengths)
    spans = {place.chrom: (place.start, place.end)}
    if place.data.seed is not None:
        spans = {chrom: (0, length) for chrom, length in lengths.items()}
    fewer = table.sample(frac=depth_share, random_state=seed)
    full, thinned = (share_kept(part, lengths, spans) for part in (table, fewer))
    return {"seed": seed, "share": depth_share, "full": full, "thinned": thinned, "ratio": full / thinned}


# %%
depth_share = findings.conditions("F03", world)["depth_share"]
has_fragments = bool(data.by_role("fragments"))
by_depth = pd.DataFrame([depth_ratio(seed, depth_share) for seed in numbers] if has_fragments else [])
print("share of bins kept:" if has_fragments else f"{data.name} has no fragments: F03 is not tested here")
by_depth.round(3) if has_fragments else None

# %%
findings.record("F03", by_depth["ratio"], dataset=data) if has_fragments else None

# %% [markdown]
# Two questions hide in that box. Does the share grow at all? It does if the interval lies above 1. Does it grow by as much as we said would matter? That is
# what the verdict answers. Where is the answer clear? Below, the contrast in depth is varied, on three seeds: a description, chosen after the verdict, which it does not change.

# %%
some = list(numbers)[:3] if has_fragments else []
contrast = pd.DataFrame([depth_ratio(seed, share) for share in (0.5, 0.2, 0.1, 0.05) for seed in some])
contrast.groupby("share", sort=False)["ratio"].agg(["mean", "min", "max"]).round(2) if some else None

# %% [markdown]
# So "this share of the genome passes" is a statement about an experiment, not about a genome. Two tracks of unequal depth, cut at the same threshold, give
# training sets of unequal size and content.
#
# <div class="alert alert-warning"><b>Caution.</b> In a fold change depth cancels, by its definition; but a ratio of few fragments is noisy, and noise passes
# thresholds as well. Before you compare two tracks above a threshold, compare how deeply they were sequenced.</div>
#
# ## 8 · What to leave out
#
# Some stretches should not be learned from at all. *Gaps* are runs of N, with no sequence to read. *Exclusion lists* name places where every experiment
# shows a tower of fragments, because the reference holds one copy of a repeat and the real genome many. And windows that leave a chromosome
# do not exist. Every filter of the helpers says how many rows it kept.

# %%
window = 2_048
with Genome(data.genome, aliases) as genome:
    gaps = regions.gaps(genome)
    known = {chrom: genome.lengths[chrom] for chrom in genome.names}
tiles = regions.tile(known, window)
usable = regions.exclude(tiles, gaps, "gaps")
for listed in data.by_role("exclusions").values():
    usable = regions.exclude(usable, bed.read_bed(listed, aliases), "the exclusion list")
print(f"{len(gaps)} gaps, {(gaps['end'] - gaps['start']).sum():,} bp of N")
regions.filter_counts(usable)

# %% [markdown]
# How bad is it to keep such a place? In section 2 we looked at the tallest *peak* of the chromosome. The place with the most fragments may be another one:

# %%
busiest = int(np.argmax(np.convolve(covered, np.ones(500), mode="same")))
for label, base in {"busiest 500 bp": busiest, "tallest peak": centre}.items():
    print(f"{label} of {chrom}, around {base:,}: {covered[base]} fragments, {expected[base]:.0f} expected")

# %% [markdown]
# (The busiest place has the most fragments over 500 bp, the tallest peak the most over one base.) Where at least as many are expected as are seen, the control
# library has the tower as well, so it says nothing about the cell. Kept in training on *coverage*, such a place weighs heavily in a squared error. (In a track of -log10 p that knows a control it is taken out; without a control nothing would.)
#
# Peaks, where a caller has been run, say where signal is, and each has a *summit*, where the caller puts the highest point, here within some bases of it.

# %%
peak_file = next(iter(data.by_role("peaks").values()), None)
if peak_file is None:
    print(f"{data.name} comes without peaks")
else:
    peaks = regions.peaks(peak_file, aliases)
    share = regions.label_windows(usable, peaks).mean()
    width = (peaks["end"] - peaks["start"]).median()
    print(f"{len(peaks):,} peaks, median width {width:.0f} bp; {share:.1%} of the usable windows touch one")

# %% [markdown]
# Positive windows are the minority, and positive bins are rare, as section 7 showed. Lesson 02 is about what that does to training and to scores.
#
# ## 9 · Held-out chromosomes
#
# A model is judged on sequence that it has not seen. Neighbouring windows are alike, so splitting windows at random would put near-copies on both sides. Whole
# chromosomes are the usual answer. (They are not always enough: lesson 09.)

# %%
held_out = data.manifest.splits
prepared = prepare_dataset(data, bin_size=bin_size, tracks=[chosen] if chosen in data.tracks else None)
on_tracks = usable[usable["chrom"].isin(prepared.lengths)].reset_index(drop=True)
split = splits.split_by_chromosome(on_tracks, held_out.validation, held_out.test, held_out.train)
split.summary().round(3)

# %% [markdown]
# The helper refuses what would leak: a chromosome in two parts, or regions of two parts that overlap.
#
# ## 10 · The prepared data set, and a batch
#
# All these choices are now made, so make them once. `prepare_dataset` has written the sequence, one byte a base, and the binned track to a folder, together
# with the digests of all that went in. The next call with the same inputs opens the folder; any change makes a new one. The arrays are mapped from disk, so
# a whole human genome needs no more memory than a yeast's.

# %%
print(
    f"codes   {prepared.codes.shape}, {prepared.codes.dtype}\ntargets {prepared.targets.shape}, {prepared.targets.dtype}, tracks {prepared.tracks}"
)
again = prepare_dataset(data, bin_size=bin_size, tracks=[chosen] if chosen in data.tracks else None)
print(f"the second call opens the same folder: {again.folder == prepared.folder}")

# %% [markdown]
# A *batch* is what a training step sees: some windows of sequence, and the target of each. Two small changes are drawn for every window on its own. *Jitter*
# moves the window by some bins, and then fetches sequence and target at the new place. A coin decides whether it is read from the other strand, and then both
# sequence and target are reversed. Lesson 04 asks what that is good for.

# %%
options = {"window": window, "batch_size": 48, "seed": first_seed, "missing": "mask"}
batches = WindowBatches(prepared, split.train, jitter=4 * bin_size, reverse_complement=True, **options)
codes, targets, weights = batches[0]
print(f"sequence {codes.shape} {codes.dtype}")
print(f"target   {targets.shape} {targets.dtype}")
print(f"weight   {weights.shape} {weights.dtype}, 0 where nothing was measured")
first_epoch = codes.copy()
batches.on_epoch_end()
print(f"the next epoch begins with the same windows: {np.array_equal(batches[0][0], first_epoch)}")

# %% [markdown]
# (That shows that the order is new. Whether the *offsets* are new, too, would have to be asked with `shuffle=False`; lesson 04 does.) Mistakes are easily made here: offsets drawn once and then frozen, one coin for a whole batch, a target that is not reversed with its
# sequence. Check the last one by hand: in a reversed window, the target must be the reverse of the track at that place.

# %%
plain = WindowBatches(prepared, split.train, shuffle=False, **options)
turned = WindowBatches(prepared, split.train, shuffle=False, reverse_complement=True, **options)
same = (plain[0][0] == turned[0][0]).all(axis=1)
assert np.array_equal(turned[0][0][~same], reverse_complement_codes(plain[0][0][~same]))
assert np.array_equal(turned[0][1][~same], plain[0][1][~same][:, ::-1])
print(f"{(~same).sum()} of {len(same)} windows are read from the other strand, each with its target")

# %% [markdown]
# ## 11 · One picture of all of it
#
# Thirty thousand bases as a genome browser shows them: the track in bins, what the threshold keeps, the windows that are used, and, for the simulated genome,
# the answer key below. The track is drawn as arcsinh, so that the dashed threshold can be seen. Does every element have a peak? Which do not?

# %%
track_here = prepared.signal(prepared.tracks[0])[held_out.test[0]]
busiest = int(np.nanargmax(np.convolve(np.nan_to_num(track_here), np.ones(900), mode="same"))) * bin_size
left = max(busiest - 15_000, 0) // bin_size * bin_size
right = left + 30_000 // bin_size * bin_size
values = track_here[left // bin_size : right // bin_size]
above = regions.thresholded_bins({"here": track_here}, {"here": known[held_out.test[0]]}, bin_size, threshold)
used = split.test[split.test["chrom"] == held_out.test[0]]
rows = [
    plots.SignalRow(
        prepared.tracks[0], signal.arcsinh(values), bin_size, "arcsinh", line=np.arcsinh(threshold)
    ),
    plots.IntervalRow("above threshold", above, plots.PALETTE["green"]),
    plots.IntervalRow("usable windows", used.assign(end=used["end"] - 100), plots.PALETTE["sky"]),
]
if peak_file is not None:
    rows.append(
        plots.IntervalRow("called peaks", peaks[peaks["chrom"] == held_out.test[0]], plots.PALETTE["orange"])
    )

# %% tags=["readme-picture"]
if data.by_role("truth"):
    truth = read_truth(data.paths["truth"])
    key = truth[truth["chrom"] == held_out.test[0]]
    rows += [plots.IntervalRow(label, key[key["kind"] == kind], colour) for kind, label, colour in (
        ("element", "elements (key)", plots.PALETTE["vermilion"]), ("motif", "motifs (key)", plots.PALETTE["black"]), ("repeat", "repeats (key)", "0.6"),
    )]  # fmt: skip
figure = plots.genome_browser(held_out.test[0], left, right, rows, "From a track to training windows")
alt = f"30 kb of {held_out.test[0]}: a binned track with a dashed threshold, the stretches above it, usable windows, and annotation rows below."
plots.show(figure, alt)

# %% [markdown]
# ## Exercises
#
# **1.** A base has a Phred score of 25. What is the probability that it is wrong?

# %% tags=["exercise"]
probability = ...

# %% tags=["check"]
right = reads.phred_to_error(np.array([25]))[0]
hint = "10 points make an error ten times rarer. What do 25 make?"
check(probability, lambda p: np.isclose(p, right, rtol=0.02), hint)

# %% tags=["solution"]
probability = 10 ** (-25 / 10)
check(probability, lambda p: np.isclose(p, right, rtol=0.02), "")

# %% [markdown]
# **2.** Bin the chosen track on `here` to 128 bp without reading the file again: start from `binned`, which holds 32-bp bins. Mind bins that could not be
# measured, and the end of the chromosome: leave out an incomplete last bin.
# A group of which some bins are numbers has their mean; one of which none is stays NaN.

# %% tags=["exercise"]
coarse = ...

# %% tags=["check"]
whole = len(binned) // 4 * 4
by_loop = [[value for value in binned[i : i + 4] if np.isfinite(value)] for i in range(0, whole, 4)]
by_loop = np.array([np.mean(group) if group else np.nan for group in by_loop])
hint = "Groups of four neighbouring bins, each with the mean of those that are numbers."
check(coarse, lambda c: np.allclose(c, by_loop, equal_nan=True, rtol=1e-4), hint)

# %% tags=["solution"]
groups = binned[:whole].reshape(-1, 4)
counted = np.isfinite(groups).sum(axis=1)
coarse = np.where(counted > 0, np.nansum(groups, axis=1) / np.maximum(counted, 1), np.nan)
check(coarse, lambda c: np.allclose(c, by_loop, equal_nan=True, rtol=1e-4), "")

# %% [markdown]
# **3.** Section 7 kept bins by a threshold. Keep *windows* instead: how many of the training windows have a bin strictly above `threshold`? `regions.windows_above` does it, from `prepared.signal(...)`.

# %% tags=["exercise"]
windows_kept = ...

# %% tags=["check"]
places = split.train[["chrom", "start", "end"]].itertuples(index=False)
count = sum(bool((prepared.window(*place)[1] > threshold).any()) for place in places)
check(windows_kept, lambda n: n == count, "Compare the largest bin of each window with the threshold.")

# %% tags=["solution"]
kept_signal = prepared.signal(prepared.tracks[0])
windows_kept = len(regions.windows_above(split.train, kept_signal, bin_size, threshold))
check(windows_kept, lambda n: n == count, "")
print(f"{windows_kept:,} of {len(split.train):,} training windows")

# %% [markdown]
# ## Key points
#
# - A track is made: reads, fragments, coverage, then fold change or -log10 p. Know which one you have before you choose a loss or a threshold.
# - Read exact means, not zoom summaries: in a file like ours narrow bins do not come from them, and wide ones may be off by several per cent.
# - Uncovered, zero and NaN are three things. Decide what uncovered means for each file.
# - A threshold on -log10 p keeps more of a deeper experiment.
# - Make the choices once, write them down with digests, and hold out whole chromosomes.
#
# ## Further reading
#
# - Kent et al. 2010, the bigWig format: [doi:10.1093/bioinformatics/btq351](https://doi.org/10.1093/bioinformatics/btq351)
# - Zhang et al. 2008, MACS, from coverage to p-values: [doi:10.1186/gb-2008-9-9-r137](https://doi.org/10.1186/gb-2008-9-9-r137)
# - Amemiya, Kundaje & Boyle 2019, exclusion lists: [doi:10.1038/s41598-019-45839-z](https://doi.org/10.1038/s41598-019-45839-z)
# - Toneyan, Tang & Koo 2022, how such choices change what models score: [doi:10.1038/s42256-022-00570-9](https://doi.org/10.1038/s42256-022-00570-9)
