"""Batches of windows for training, gathered from flat arrays with one index operation and augmented sample by sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from helpers.errors import InputError
from helpers.prepare.augment import check_stranded, draw_flips, draw_shifts, reverse_bins, reverse_complement_rows, shift_limits
from helpers.prepare.tables import check_regions, reduce_ranges

if TYPE_CHECKING:
    from helpers.prepare.dataset import PreparedData

Missing = Literal["error", "mask"]
Batch = tuple[np.ndarray, ...]
ORDER, SHIFT, FLIP = range(3)  # each has random numbers of its own, so that switching one on does not change another
BINS_AT_ONCE = 1 << 22


class WindowBatches:
    """Windows of sequence and binned target, in batches; an object per part of the data.

    What a batch holds follows from the seed, the epoch and the batch's number alone. Every epoch draws a new order and, for each sample on
    its own, a new move and a new coin for the strand.

    Parameters
    ----------
    prepared : PreparedData
        The arrays, usually mapped from disk.
    regions : DataFrame
        Columns `chrom`, `start`, `end`: one window each, on the bin grid (`regions.align`).
    window : int
        Width in bp, a multiple of the bin size; every region has it.
    batch_size : int
        Windows per batch; the last batch of an epoch may be smaller.
    seed : int
        0 or more.
    jitter : int
        Farthest move of a window to either side in bp, a multiple of the bin size, reached on both sides. The interval is moved first, and
        sequence and target are fetched there together. A window nearer to an end of its chromosome moves only as far as there is room.
    reverse_complement : bool
        Whether half of the samples are shown from the other strand.
    stranded : sequence of int, optional
        Partner of each track, where tracks belong to strands.
    shuffle : bool
        Whether each epoch has an order of its own; else the order of `regions`.
    drop_last : bool
        Whether a last, smaller batch is left out.
    missing : {"error", "mask"}
        What NaN in a target is: an error before any training starts; or a 0 whose weight is 0, in a third array of the batch.

    Attributes
    ----------
    prepared, regions
        As given; every other argument is kept under its own name too.

    Raises
    ------
    InputError
        If an argument is impossible, a region leaves its chromosome, is off the grid or has another width, or a target is NaN.
    """

    def __init__(
        self,
        prepared: PreparedData,
        regions: pd.DataFrame,
        *,
        window: int,
        batch_size: int,
        seed: int,
        jitter: int = 0,
        reverse_complement: bool = False,
        stranded: Sequence[int] | None = None,
        shuffle: bool = True,
        drop_last: bool = False,
        missing: Missing = "error",
    ) -> None:
        self.window, self.batch_size, self.seed, self.missing = window, batch_size, seed, missing
        self.drop_last, self.shuffle, self.stranded = drop_last, shuffle, stranded
        self.jitter, self.reverse_complement = jitter, reverse_complement
        self.prepared, self.regions = prepared, regions
        self._bin_size = prepared.bin_size
        self._tracks = prepared.targets.shape[1]
        self._check_arguments()
        check_regions(regions, prepared.lengths)
        _check_grid(regions, window, self._bin_size)
        lengths, offsets = (
            regions["chrom"].map(prepared.chroms.set_index("chrom")[column]).to_numpy(np.int64)
            for column in ("length", "bin_offset")
        )
        starts = regions["start"].to_numpy(np.int64)
        self._low, self._high = shift_limits(starts, starts + window, lengths, self._bin_size, jitter)
        self._first_bin = offsets + starts // self._bin_size
        self._map_windows(np.asarray(prepared.codes), np.asarray(prepared.targets))
        if missing == "error":
            _refuse_nan(prepared, regions, *self.reach())
        self.epoch = 0

    def _check_arguments(self) -> None:
        """Raise where an argument cannot be used, whatever the regions are."""
        if self.window < 1 or self.window % self._bin_size:
            raise InputError(f"window is {self.window} bp: choose a multiple of the bin size, {self._bin_size} bp")
        if self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size}: a batch has at least 1 window")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: choose 0 or more")
        if self.missing not in get_args(Missing):
            raise InputError(f"missing is {self.missing!r}: choose error or mask")
        check_stranded(self.stranded, self._tracks)

    def _map_windows(self, codes: np.ndarray, targets: np.ndarray) -> None:
        """View the flat arrays as one row per possible window: nothing is copied."""
        bins = self.window // self._bin_size
        records = np.ascontiguousarray(targets).view(np.dtype((np.void, 4 * self._tracks)))[:, 0]
        self._code_rows = np.lib.stride_tricks.sliding_window_view(codes, self.window)
        self._target_rows = np.lib.stride_tricks.sliding_window_view(records, bins)

    def __len__(self) -> int:
        """Count the batches of an epoch."""
        windows = len(self._first_bin)
        return windows // self.batch_size if self.drop_last else -(-windows // self.batch_size)

    @property
    def windows(self) -> int:
        """Number of windows."""
        return len(self._first_bin)

    def reach(self, *, moved: bool = True) -> tuple[np.ndarray, np.ndarray]:
        """Tell which bins each window reads: rows `first` to `last` (left out) of the prepared targets, in the order of `regions`.

        Parameters
        ----------
        moved : bool
            Whether to count every bin that the window can reach when it is moved, or only those under it where it stands.

        Returns
        -------
        tuple of int64 arrays, shape (windows,)
            `first` and `last`.
        """
        low, high = (self._low, self._high) if moved else (0, 0)
        return self._first_bin + low, self._first_bin + high + self.window // self._bin_size

    @property
    def epoch(self) -> int:
        """Number of the epoch whose batches are given, from 0; setting it draws that epoch's order, moves and strands."""
        return self._epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        order, shift, flip = (np.random.default_rng([self.seed, epoch, purpose]) for purpose in (ORDER, SHIFT, FLIP))
        self._epoch = epoch
        self._order = order.permutation(self.windows) if self.shuffle else np.arange(self.windows)
        self._bins = self._first_bin + draw_shifts(shift, self._low, self._high) if self.jitter else self._first_bin
        self._flips = draw_flips(flip, self.windows) if self.reverse_complement else None

    def on_epoch_end(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches of this epoch; call `on_epoch_end` before the next."""
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Batch:
        """Gather a batch.

        Parameters
        ----------
        number : int
            From 0 to `len(self) - 1`.

        Returns
        -------
        codes : uint8 array, shape (batch, window)
            A, C, G, T = 0..3, anything else 4: one-hot is made inside the model.
        targets : float32 array, shape (batch, bins, tracks)
        weights : float32 array, shape (batch, bins)
            Only with `missing="mask"`: 0 where any track of the bin is missing, else 1; Keras takes it as `sample_weight`.
        """
        if not 0 <= number < len(self):
            raise IndexError(f"batch {number} of {len(self)}")
        samples = self._order[number * self.batch_size : (number + 1) * self.batch_size]
        first = self._bins[samples]
        codes = self._code_rows[first * self._bin_size]
        targets = self._target_rows[first].view(np.float32).reshape(len(samples), -1, self._tracks)
        if self._flips is not None:
            rows = np.flatnonzero(self._flips[samples])
            reverse_complement_rows(codes, rows)
            reverse_bins(targets, rows, self.stranded)
        if self.missing == "error":
            return codes, targets
        unknown = np.isnan(targets)
        targets[unknown] = 0
        return codes, targets, (~unknown.any(axis=2)).astype(np.float32)


def _check_grid(regions: pd.DataFrame, window: int, bin_size: int) -> None:
    """Raise unless there are windows, all of one width and on the bin grid."""
    if not len(regions):
        raise InputError("regions are empty: there is no window to make batches of")
    starts, ends = regions["start"].to_numpy(np.int64), regions["end"].to_numpy(np.int64)
    for wrong, cure in (
        (ends - starts != window, f"is not {window} bp wide: tile or centre with window={window}"),
        (starts % bin_size != 0, f"does not start on a multiple of the bin size, {bin_size} bp: use regions.align"),
    ):
        rows = np.flatnonzero(wrong)
        if len(rows):
            where = f"{regions['chrom'].iloc[rows[0]]}:{starts[rows[0]]}-{ends[rows[0]]}"
            raise InputError(f"region {where} {cure}")


def _refuse_nan(prepared: PreparedData, regions: pd.DataFrame, first: np.ndarray, last: np.ndarray) -> None:
    """Raise where a bin that a window can reach has no number; only chromosomes known to miss some are read, a stretch at a time."""
    incomplete = prepared.chroms.loc[prepared.chroms["missing"] > 0, "chrom"]
    chosen = regions["chrom"].isin(incomplete).to_numpy()
    if not chosen.any():
        return
    regions, first, last = regions.loc[chosen], first[chosen], last[chosen]
    targets, low, high = prepared.targets, int(first.min()), int(last.max())
    stretches = (targets[k : min(k + BINS_AT_ONCE, high)] for k in range(low, high, BINS_AT_ONCE))
    unknown = np.concatenate([np.isnan(stretch).any(axis=1) for stretch in stretches])
    rows = np.flatnonzero(reduce_ranges(np.logical_or, unknown, first - low, last - low))
    if len(rows):
        chrom, start, end = regions[["chrom", "start", "end"]].iloc[rows[0]]
        raise InputError(
            f"{len(rows):,} windows, the first {chrom}:{start}-{end}, reach bins without a target (NaN): "
            'give missing="mask", or prepare with uncovered="zero"'
        )


def keras_batches(batches: WindowBatches) -> Any:
    """Wrap batches for `model.fit`, `evaluate` and `predict`.

    Parameters
    ----------
    batches : WindowBatches
        With `shuffle=False` for predictions, whose order matters. Give `fit` the argument `shuffle=False` too: the batches are shuffled.

    Returns
    -------
    keras.utils.PyDataset
        After each pass over the data it goes on to the next epoch. Keras builds a new model with a first, broken-off pass, so that its
        training starts with epoch 1; let a callback set `batches.epoch` where the number must be Keras's own.
    """
    import keras

    class KerasBatches(keras.utils.PyDataset):
        """The batches, as Keras asks for them."""

        begun = False

        def __len__(self) -> int:
            return len(batches)

        def __getitem__(self, number: int) -> Batch:
            return batches[number]

        def on_epoch_begin(self) -> None:
            self.begun = True

        def on_epoch_end(self) -> None:
            if self.begun:  # Keras also calls this before the first epoch
                batches.on_epoch_end()
            self.begun = False

    return KerasBatches()
