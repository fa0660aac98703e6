"""Rows of four bits a value: half the bytes of int8, for tables that are shipped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import InputError
from interlingua.vectors import Vectors

GROUP = 64
# The 16 levels that lose least of a normal distribution (Max 1960, table I), in standard deviations.
POSITIVE = np.array([0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733], np.float32)
LEVELS = np.concatenate([-POSITIVE[::-1], POSITIVE])
STEPS = np.rint(LEVELS / LEVELS[-1] * 127).astype(np.int8)
TWO_STEPS = STEPS[np.stack([np.arange(256) & 15, np.arange(256) >> 4], axis=1)].view(np.int16)[:, 0]
BOUNDS = (STEPS[1:].astype(np.float32) + STEPS[:-1]) / 2
SPREADS = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1)
ROWS_AT_ONCE = 8192


def pack_int4(table: Vectors) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
    """A table in four bits a value, with a scale for each 64 columns of a row.

    The table comes back at another length, its largest scale 1: a sum of its rows keeps its direction.

    Args:
        table: float32 (n, dim).

    Returns:
        packed, uint8 (n, dim / 2), two values a byte; scales, float16 (n, dim / 64).

    Raises:
        InputError: dim is no multiple of 64.
    """
    count, dim = table.shape
    if dim % GROUP:
        raise InputError(f"Rows of {dim} columns cannot be int4; give a multiple of {GROUP}, or store int8.")
    packed = np.empty((count, dim // 2), np.uint8)
    scales = np.empty((count, dim // GROUP), np.float32)
    for begin in range(0, count, ROWS_AT_ONCE):
        block = slice(begin, begin + ROWS_AT_ONCE)
        groups = np.ascontiguousarray(table[block], np.float32).reshape(-1, GROUP)
        codes, best = _nearest_codes(groups)
        packed[block] = (codes[:, ::2] | codes[:, 1::2] << 4).reshape(-1, dim // 2)
        scales[block] = best.reshape(-1, dim // GROUP)
    largest = scales.max(initial=0)
    return packed, (scales / (largest or 1)).astype(np.float16)


def _nearest_codes(groups: Vectors) -> tuple[NDArray[np.uint8], Vectors]:
    """The codes of each group's values, and the scale among `SPREADS` that loses least."""
    deviations = np.sqrt(np.einsum("ij,ij->i", groups, groups) / GROUP)
    unit = np.where(deviations > 0, deviations, np.float32(1)) * (LEVELS[-1] / 127)
    codes = np.empty(groups.shape, np.uint8)
    scales = np.zeros(len(groups), np.float32)
    least = np.full(len(groups), np.inf, np.float32)
    for spread in SPREADS:
        tried = unit * np.float32(spread)
        found = np.searchsorted(BOUNDS, groups / tried[:, None]).astype(np.uint8)
        lost = groups - STEPS[found] * tried[:, None]
        error = np.einsum("ij,ij->i", lost, lost)
        better = error < least
        codes[better], scales[better], least[better] = found[better], tried[better], error[better]
    scales[deviations == 0] = 0
    return codes, scales


def unpack_int4(packed: NDArray[np.uint8]) -> NDArray[np.int8]:
    """The values that `pack_int4` packed, int8 (n, dim), before their scales."""
    return np.asarray(TWO_STEPS[packed].view(np.int8))


class Int4Rows:
    """Rows that `pack_int4` packed, each unpacked when it is first taken: a model loads sooner.

    Several threads may take rows: those that unpack the same one write the same bytes.
    """

    ndim = 2

    def __init__(self, packed: NDArray[np.uint8]) -> None:
        self.shape = (len(packed), packed.shape[1] * 2)
        self._packed = packed
        self._rows = np.empty(self.shape, np.int8)  # untouched rows take no memory
        self._unpacked = np.zeros(len(packed), bool)

    def __len__(self) -> int:
        return len(self._packed)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.int8]:
        """Rows by their numbers, int8 (len(rows), dim)."""
        new = np.unique(rows[~self._unpacked[rows]])
        if new.size:
            self._rows[new] = unpack_int4(self._packed[new])
            self._unpacked[new] = True
        return np.asarray(self._rows[rows])
