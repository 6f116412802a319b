"""The networks of lesson 10, trained as Schreiber et al. 2020 train theirs (doi:10.1186/s13059-020-02177-y), and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from helpers.course.loci import Inputs, Loci
from helpers.errors import InputError
from helpers.evaluate.cell_types import PairSplit, average_activity, nearest_cell_type, scores_by_group
from helpers.evaluate.classification import auprc

BATCH, BATCHES = 64, 50  # samples a step, steps an epoch
EPOCHS, PATIENCE = 100, 5  # the most, and how many without improvement
STARTS = 5  # the most, where a network says the same of all samples
Labelled = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Network:
    """A network with one hidden layer, the scaling of its inputs, and the epoch that its weights are from."""

    scaler: StandardScaler
    layers: MLPClassifier
    epoch: int

    @threadpool_limits.wrap(limits=1)
    def probability(self, features: np.ndarray) -> np.ndarray:
        """Give the probability of the positive class: float64 array, shape (samples,); equal features get equal probabilities, to the last bit."""
        scaled = self.scaler.transform(np.asarray(features, dtype=np.float64))
        return np.round(self.layers.predict_proba(scaled)[:, 1], 12)


@threadpool_limits.wrap(limits=1)
def fit_network(train: Labelled, validation: Labelled, units: int, seed: int, *, epochs: int = EPOCHS) -> Network:
    """Train on balanced batches until the score on validation samples has not risen for five epochs (as Schreiber et al. 2020 do).

    Parameters
    ----------
    train, validation : tuple of arrays, shapes (samples, features) and (samples,)
        Features, and labels that are true or false.
    units : int
        Hidden units, with ReLU.
    seed : int
        Of the weights and of the batches.
    epochs : int
        The most there are, of 50 batches of 64 samples each, half of them positive.

    Returns
    -------
    Network
        With the weights of the epoch of the highest average precision. A network that has come to say the same of all samples, because its units
        are off for each of them (one unit in twenty does), starts anew from other weights. The layers are small: one thread is fastest, and
        always gives the same.

    Raises
    ------
    InputError
        If the training or the validation labels are all the same, or `epochs` is below 1.
    """
    (features, labels), (held, held_labels) = train, validation
    if epochs < 1:
        raise InputError(f"epochs is {epochs}: train for one at least")
    if len(np.unique(labels)) < 2:
        raise InputError(f"the {len(labels):,} training labels are all the same: give samples of both classes")
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features), labels, scaler.transform(held), held_labels
    for start in range(STARTS):
        layers, epoch = _fit(
            *scaled, units, seed if not start else int(np.random.SeedSequence([seed, start]).generate_state(1)[0]), epochs
        )
        if np.ptp(layers.predict_proba(scaled[2])[:, 1]):
            break
    return Network(scaler, layers, epoch)


def _fit(
    features: np.ndarray, labels: np.ndarray, held: np.ndarray, held_labels: np.ndarray, units: int, seed: int, epochs: int
) -> tuple[MLPClassifier, int]:
    """Fit a network from one start: with the weights of its best epoch, and the number of that."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == value) for value in (False, True)]
    layers = MLPClassifier((units,), alpha=0.0, batch_size=BATCH, random_state=seed)
    best, best_epoch, kept = -1.0, 0, []
    for epoch in range(1, epochs + 1):
        drawn = np.concatenate([rng.choice(rows, BATCH * BATCHES // 2) for rows in classes])
        layers.partial_fit(features[drawn], labels[drawn], classes=[False, True])
        score = auprc(held_labels, layers.predict_proba(held)[:, 1])
        if score > best:
            best, best_epoch, kept = score, epoch, [array.copy() for array in (*layers.coefs_, *layers.intercepts_)]
        if epoch - best_epoch >= PATIENCE:
            break
    layers.coefs_, layers.intercepts_ = kept[:2], kept[2:]
    return layers, best_epoch


def predict_pairs(loci: Loci, inputs: Inputs, pairs: PairSplit, units: int, seed: int, *, epochs: int = EPOCHS) -> np.ndarray:
    """Train a network on some pairs, and let it predict all of them.

    Parameters
    ----------
    loci : Loci
        What to predict.
    inputs : {"sequence", "epigenome", "both"}
        What the network reads of a pair.
    pairs : PairSplit
        Which pairs to train on, and which to stop by.
    units, seed, epochs
        As in `fit_network`.

    Returns
    -------
    float64 array, shape (loci, cell types)
        Probability that the locus is active in the cell type.
    """
    train, validation = ((loci.features(inputs, chosen), loci.active[chosen]) for chosen in (pairs.train, pairs.validation))
    network = fit_network(train, validation, units, seed, epochs=epochs)
    everywhere = np.ones(loci.active.shape, dtype=bool)
    return network.probability(loci.features(inputs, everywhere)).reshape(loci.active.shape)


def without_model(loci: Loci) -> dict[str, np.ndarray]:
    """Predict all pairs without a model: by nothing, by the average over the training cell types, and by the one most like the tested one.

    Parameters
    ----------
    loci : Loci
        What to predict.

    Returns
    -------
    dict of str to float64 array, shape (loci, cell types)
        "guess" (all alike), "average activity", "average level" (of log expression) and "level in the nearest cell type", by accessibility at
        the start of the gene; the last is 0 in all but the test cell types.
    """
    training, shape = loci.cell_types_in("train"), loci.active.shape
    nearest = np.zeros(shape)
    for column in loci.cell_types_in("test"):
        nearest[:, column] = loci.activity[:, nearest_cell_type(loci.epigenome[:, :, 0], column, training)]
    return {
        "guess": np.zeros(shape),
        "average activity": np.broadcast_to(average_activity(loci.active, training)[:, None], shape),
        "average level": np.broadcast_to(average_activity(loci.activity, training)[:, None], shape),
        "level in the nearest cell type": nearest,
    }


def within_groups(loci: Loci, said: np.ndarray) -> pd.DataFrame:
    """Score predictions in the test cell types among loci that are active in equally many of the other cell types.

    Parameters
    ----------
    loci : Loci
        What was predicted; the loci of the test chromosomes are left out.
    said : array, shape (loci, cell types)
        Predictions.

    Returns
    -------
    DataFrame
        As `scores_by_group` gives it, and `gain`: the average precision above the share of active pairs, which is what a guess scores.
    """
    seen, testing = loci.parts != "test", loci.cell_types_in("test")
    groups = loci.active[seen][:, loci.cell_types_in("train", "validation")].sum(axis=1)
    table = scores_by_group(loci.active[seen][:, testing], said[seen][:, testing], groups)
    return table.assign(gain=table["average precision"] - table["active"])
