"""Batches of pairs as bags of pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlingua.training.pairs import Pairs, draw_rows
from interlingua.training.tokens import TokenRows, cut_bags, join_bags


@dataclass(frozen=True)
class Batches:
    """What batches are drawn from; pairs whose anchor is held out are never drawn."""

    pairs: Pairs
    anchors: TokenRows
    others: TokenRows
    probability: NDArray[np.float64]
    held_out: NDArray[np.bool_]

    def draw(self, count: int, rng: np.random.Generator) -> tuple[TokenRows, NDArray[np.int64]]:
        """`count` anchors, then their translations; and the row number of each pair."""
        rows = np.empty(0, np.int64)
        while len(rows) < count:
            more = draw_rows(self.pairs, self.probability, count - len(rows), rng)
            rows = np.concatenate([rows, more[~self.held_out[self.pairs.anchor_of[more]]]])
        anchor = self.pairs.anchor_of[rows]
        bags = join_bags(cut_bags(self.anchors, anchor.astype(np.int64)), cut_bags(self.others, rows))
        return bags, rows
