"""What is done to a trained table: lengths evened out, and turned so that its first columns serve alone."""

from __future__ import annotations

import numpy as np

from interlingua.encoders.int4 import GROUP
from interlingua.vectors import Vectors


def even_lengths(table: Vectors, power: float) -> Vectors:
    """The table, float32 (pieces, dim), each row's length raised to `power`; rows of zeros stay."""
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    return np.asarray(table * np.where(lengths > 0, lengths, 1) ** (power - 1), np.float32)


def order_columns(table: Vectors, sample: Vectors, seed: int, columns: int) -> Vectors:
    """The table, float32 (pieces, columns), turned onto the principal directions of a sample of unit rows.

    With all columns kept, cosines stay what they are; the first columns carry most of them (PCA: Jolliffe
    2002, section 2.1). Inside each group of 64 columns the directions are turned at random, so that all
    columns of a group are equally wide and few bits hold them well.

    Args:
        table: the piece vectors, float32 (pieces, dim).
        sample: float32 (n, dim), vectors of texts.
        seed: that of the random turns.
        columns: how many to keep, at most dim.
    """
    _, directions = np.linalg.eigh(sample.T @ sample)
    directions = directions[:, ::-1][:, :columns].copy()
    rng = np.random.default_rng(seed)
    for begin in range(0, directions.shape[1], GROUP):
        group = directions[:, begin : begin + GROUP]
        turn, _ = np.linalg.qr(rng.normal(size=(group.shape[1], group.shape[1])))
        directions[:, begin : begin + GROUP] = group @ turn
    return np.asarray(table @ directions.astype(np.float32))
