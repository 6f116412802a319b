"""The losses again, window by window and track by track, from SciPy and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import gammaln
from scipy.stats import multinomial, nbinom, pearsonr, poisson
from sklearn.metrics import log_loss, mean_squared_error

Oracle = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def profiles(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Targets and predictions of each window and track with data, missing bins left out."""
    for window in range(len(y)):
        known = mask[window] > 0
        if known.any():
            for track in range(y.shape[2]):
                yield y[window, known, track].astype(float), p[window, known, track].astype(float)


def values(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All targets and predictions of bins with data."""
    pairs = list(profiles(y, p, mask))
    return np.concatenate([first for first, _ in pairs]), np.concatenate([second for _, second in pairs])


def profile_nll(y: np.ndarray, p: np.ndarray) -> float:
    """Multinomial negative log-likelihood of one profile, its coefficient taken off again."""
    coefficient = gammaln(y.sum() + 1) - gammaln(y + 1).sum()
    return float(coefficient - multinomial.logpmf(y, y.sum(), p / p.sum()))


def poisson_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    counts, means = values(y, p, mask)
    return float(np.mean(-poisson.logpmf(counts, means) - gammaln(counts + 1)))


def negative_binomial_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray, dispersion: float = 0.4) -> float:
    counts, means = values(y, p, mask)
    size = 1 / dispersion
    without_mean = gammaln(counts + size) - gammaln(size) - gammaln(counts + 1) + counts * np.log(dispersion)
    return float(np.mean(without_mean - nbinom.logpmf(counts, size, 1 / (1 + dispersion * means))))


def mse_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    return float(mean_squared_error(*values(y, p, mask)))


def weighted_mse_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    counts, means = values(y, p, mask)
    return float(mean_squared_error(counts, means, sample_weight=counts) * counts.mean())


def pearson_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    return -float(np.mean([pearsonr(*pair).statistic for pair in profiles(y, p, mask)]))


def batch_pearson_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    known = mask > 0
    return -float(np.mean([pearsonr(y[known][:, track], p[known][:, track]).statistic for track in range(y.shape[2])]))


def pearson_mse_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    return pearson_oracle(y, p, mask) + 0.3 * mse_oracle(y, p, mask)


def multinomial_mse_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    each = [profile_nll(a, b) + 3 * np.log((1 + a.sum()) / (1 + b.sum())) ** 2 for a, b in profiles(y, p, mask)]
    return float(np.mean(each))


def poisson_multinomial_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    pairs = list(profiles(y, p, mask))
    totals = [-poisson.logpmf(a.sum(), b.sum()) - gammaln(a.sum() + 1) for a, b in pairs]
    shapes = [profile_nll(a, b) for a, b in pairs]
    return float((np.sum(shapes) + 0.2 * np.sum(totals)) / sum(len(a) for a, _ in pairs))


def binary_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    labels, chances = values(y, p, mask)
    weights = np.where(labels == 1, 3.0, 1.0)
    return float(log_loss(labels, chances, sample_weight=weights) * weights.mean())


def focal_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    total, count = 0.0, 0
    for labels, chances in profiles(y, p, mask):
        for label, chance in zip(labels, chances, strict=True):
            right, balance = (chance, 0.3) if label == 1 else (1 - chance, 0.7)
            total -= balance * (1 - right) ** 1.5 * np.log(right)
            count += 1
    return total / count


def categorical_oracle(y: np.ndarray, p: np.ndarray, mask: np.ndarray) -> float:
    known = mask > 0
    chances = p[known] / p[known].sum(axis=1, keepdims=True)
    return float(log_loss(y[known].argmax(axis=1), chances, labels=np.arange(y.shape[2])))


# name, options, what the targets and predictions are, oracle
CASES: dict[str, tuple[str, dict[str, float | str], str, Oracle]] = {
    "poisson": ("poisson", {}, "counts", poisson_oracle),
    "negative_binomial": ("negative_binomial", {"dispersion": 0.4}, "counts", negative_binomial_oracle),
    "mse": ("mse", {}, "counts", mse_oracle),
    "weighted_mse": ("weighted_mse", {}, "counts", weighted_mse_oracle),
    "negative_pearson": ("negative_pearson", {}, "counts", pearson_oracle),
    "negative_pearson over the batch": ("negative_pearson", {"over": "batch"}, "counts", batch_pearson_oracle),
    "pearson_mse": ("pearson_mse", {"weight": 0.3}, "counts", pearson_mse_oracle),
    "multinomial_mse": ("multinomial_mse", {"weight": 3.0}, "counts", multinomial_mse_oracle),
    "poisson_multinomial": ("poisson_multinomial", {"weight": 0.2}, "counts", poisson_multinomial_oracle),
    "binary_crossentropy": ("binary_crossentropy", {"positive_weight": 3.0}, "labels", binary_oracle),
    "focal": ("focal", {"gamma": 1.5, "alpha": 0.3}, "labels", focal_oracle),
    "categorical_crossentropy": ("categorical_crossentropy", {}, "classes", categorical_oracle),
}


def example(what: str) -> tuple[np.ndarray, np.ndarray]:
    """Targets and predictions of 4 windows, 6 bins and 3 tracks."""
    rng = np.random.default_rng(7)
    shape = (4, 6, 3)
    if what == "counts":
        return rng.poisson(4, shape).astype(np.float32), rng.gamma(4, 1, shape).astype(np.float32)
    if what == "labels":
        return rng.integers(0, 2, shape).astype(np.float32), rng.uniform(0.05, 0.95, shape).astype(np.float32)
    return np.eye(3, dtype=np.float32)[rng.integers(0, 3, shape[:2])], rng.gamma(4, 1, shape).astype(np.float32)


def holes() -> np.ndarray:
    """Weights for them: bins missing here and there, and one window altogether."""
    mask = np.ones((4, 6), np.float32)
    mask[0, :3] = mask[1, 5] = mask[3] = 0
    return mask
