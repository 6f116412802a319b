"""Robustness: how much a prediction changes when the window moves and the sequence stays."""

from __future__ import annotations

import numpy as np

from helpers.errors import InputError
from helpers.evaluate.aligned import Predict, aligned_predictions, draw_offsets, plan_shifts


def variation_score(
    predict: Predict,
    codes: np.ndarray,
    rng: np.random.Generator | int,
    *,
    bin_size: int,
    window: int = 2048,
    shifts: int = 20,
    common: int | None = None,
    least_coverage: float = 0.0,
) -> np.ndarray:
    """Score the spread of predictions over shifted windows, relative to their mean; 0 is a model that shifts do not touch.

    Per sequence, windows are drawn at random offsets, predicted, and laid over each other. The score is the standard deviation over the
    windows (with n in the denominator) in each bin of the middle that all of them cover, averaged over those bins, and divided by the mean
    prediction there (Toneyan et al. 2022, Methods, Robustness test). Windows move by whole bins, so that predictions align exactly. Scores
    in bins of another size are not comparable.

    Parameters
    ----------
    predict : callable
        From uint8 codes (windows, window) to predictions (windows, bins, tracks).
    codes : uint8 array, shape (sequences, extended)
        Sequences wider than the window: 3,072 bp in that paper, of held-out peaks.
    rng : Generator or int
        Draws the offsets, of each sequence on its own and with repeats. One seed gives two models the same windows.
    bin_size, window : int
        Of the model, in bp.
    shifts : int
        Windows per sequence, 2 or more.
    common : int, optional
        How much of the middle is scored, in bp; by default all that every window covers: 1,024 bp for the sizes of the paper.
    least_coverage : float
        A sequence whose mean prediction is at or below this is silent: the ratio means nothing there.

    Returns
    -------
    float64 array, shape (sequences, tracks)
        0 or more; NaN where silent. Average with `numpy.nanmean`.

    Raises
    ------
    InputError
        If the sizes do not fit each other or the bin grid, `shifts` is below 2, `least_coverage` is below 0, or the predictions have
        another shape.
    """
    if shifts < 2:
        raise InputError(f"shifts is {shifts}: a spread takes 2 or more windows")
    if not least_coverage >= 0:
        raise InputError(f"least_coverage is {least_coverage}: choose 0 or more")
    geometry = plan_shifts(codes, window, bin_size, common)
    if not len(codes):
        raise InputError("codes are empty: there is no sequence to score")
    offsets = draw_offsets(rng, codes, geometry, shifts)
    scores = []
    for _, predicted in aligned_predictions(predict, codes, offsets, geometry):
        values = predicted.astype(np.float64)
        spread = (values - values[:, :1]).std(axis=1).mean(axis=1)  # around the first window: exactly 0 where all are equal
        coverage = values.mean(axis=(1, 2))
        heard = coverage > least_coverage
        scores.append(np.divide(spread, coverage, out=np.full(spread.shape, np.nan), where=heard))
    return np.concatenate(scores)
