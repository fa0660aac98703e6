"""What is done to a trained table: lengths evened out, and turned so that its first columns serve alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.int4 import GROUP
from interlingua.vectors import Vectors


def even_lengths(table: Vectors, power: float) -> Vectors:
    """The table, float32 (pieces, dim), each row's length raised to `power`; rows of zeros stay."""
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table * np.where(lengths > 0, lengths, 1) ** (power - 1), np.float32)


def order_columns(table: Vectors, sample: Vectors, columns: int, turned_by: int | None = None) -> Vectors:
    """The table, float32 (pieces, columns), turned onto the principal directions of a sample of unit rows.

    With all columns kept, cosines stay what they are; the first columns carry most of them (PCA: Jolliffe
    2002, section 2.1). Turned at random inside each group of 64, all columns of a group are equally wide, and
    few bits hold them well.

    Args:
        table: the piece vectors, float32 (pieces, dim).
        sample: float32 (n, dim), vectors of texts.
        columns: how many to keep, at most dim.
        turned_by: the seed of the random turns; None for none.
    """
    _, directions = np.linalg.eigh(sample.T @ sample)
    directions = directions[:, ::-1][:, :columns].copy()
    if turned_by is not None:
        _turn_groups(directions, np.random.default_rng(turned_by))
    return np.asarray(table @ directions.astype(np.float32))


def _turn_groups(directions: NDArray[np.floating[Any]], rng: np.random.Generator) -> None:
    for begin in range(0, directions.shape[1], GROUP):
        group = directions[:, begin : begin + GROUP]
        turn, _ = np.linalg.qr(rng.normal(size=(group.shape[1], group.shape[1])))
        directions[:, begin : begin + GROUP] = group @ turn
