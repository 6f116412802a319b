"""Batches of libraries: what a batch adds to each feature, estimated by a linear model and taken out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LinearRegression

from helpers.errors import InputError

Labels = Sequence[object] | np.ndarray


class BatchMeans(BaseEstimator):
    """Take out what each batch adds to each feature.

    A linear model with a term for each batch is fitted to every feature, and what a batch's term exceeds the mean of all terms by is
    subtracted. This is limma's `removeBatchEffect` (Ritchie et al. 2015, doi:10.1093/nar/gkv007). ComBat (Johnson et al. 2007,
    doi:10.1093/biostatistics/kxj037) also scales the spread of each batch, and shrinks its estimates, which matters for batches of few
    libraries. Values should be on a scale on which effects add up, such as the log of counts.

    Attributes
    ----------
    batches_ : array, shape (batches,)
        Names of the batches, sorted.
    effects_ : float64 array, shape (batches, features)
        What each adds; the mean over batches is 0.
    """

    def fit(self, values: np.ndarray, batches: Labels, keep: np.ndarray | None = None) -> BatchMeans:
        """Estimate the effects.

        Parameters
        ----------
        values : array, shape (libraries, features)
            Finite numbers.
        batches : sequence, shape (libraries,)
            The batch of each library.
        keep : array, shape (libraries,) or (libraries, variables), optional
            Variables whose own effect is estimated beside the batches', and stays in: such as the class. Test labels have no place here.

        Returns
        -------
        BatchMeans
            Itself.

        Raises
        ------
        InputError
            If shapes do not match, a value is not finite, or a variable to keep follows from the batch, so that nobody could tell their
            effects apart.
        """
        data, names = _checked(values, batches)
        self.batches_, number = np.unique(names, return_inverse=True)
        design = np.eye(len(self.batches_))[number]
        if keep is not None:
            kept = np.asarray(keep, float).reshape(len(data), -1) if np.shape(keep)[:1] == (len(data),) else None
            if kept is None or not np.isfinite(kept).all():
                raise InputError(f"keep has shape {np.shape(keep)} for {len(data)} libraries: give a finite number for each")
            design = np.hstack([design, kept - kept.mean(axis=0)])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            raise InputError(
                "a variable to keep follows from the batch: their effects cannot be told apart, so leave it out, or get other libraries"
            )
        terms = LinearRegression(fit_intercept=False).fit(design, data).coef_.reshape(data.shape[1], -1).T[: len(self.batches_)]
        self.effects_ = terms - terms.mean(axis=0)
        return self

    def transform(self, values: np.ndarray, batches: Labels) -> np.ndarray:
        """Subtract the effects: float64 array, shape (libraries, features).

        Raises
        ------
        InputError
            If nothing was fitted, shapes do not match, or a batch was not among those fitted: its effect is not known.
        """
        if not hasattr(self, "effects_"):
            raise InputError("these BatchMeans know no batch yet: call fit first")
        data, names = _checked(values, batches)
        if data.shape[1] != self.effects_.shape[1]:
            raise InputError(f"values have {data.shape[1]} features and {self.effects_.shape[1]} were fitted: give the same ones")
        unseen = sorted(set(names.tolist()) - set(self.batches_.tolist()), key=str)
        if unseen:
            raise InputError(
                f"batch {unseen[0]!r} was not seen in fit: its effect can only be estimated from libraries of that batch"
            )
        return data - self.effects_[np.searchsorted(self.batches_, names)]


def _checked(values: np.ndarray, batches: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Values as floats (libraries, features) and the batch of each; or InputError."""
    data, names = np.asarray(values, float), np.asarray(batches)
    if data.ndim != 2 or not data.size or not np.isfinite(data).all():
        raise InputError(f"values have shape {data.shape}: give finite numbers (libraries, features)")
    if names.shape != (len(data),):
        raise InputError(f"batches have shape {names.shape} for {len(data)} libraries: name the batch of each")
    return data, names
