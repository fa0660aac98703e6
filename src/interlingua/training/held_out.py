"""Rows kept from training, and how well a table does on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlingua.evaluation.retrieval import retrieval_accuracy
from interlingua.training.pairs import Pairs, draw_rows
from interlingua.training.teacher import TeacherVectors
from interlingua.training.tokens import TokenRows, bag_vectors, cut_bags
from interlingua.vectors import Vectors

MOST_COMPARED = 1000


@dataclass(frozen=True)
class Quality:
    """How a table does on held-out rows; None where there is nothing to measure on.

    Attributes:
        found: share of texts whose translation is the nearest of all held-out ones, in [0, 1].
        agreement: Pearson's correlation between its cosines of two texts and the teacher's, in [-1, 1].
    """

    found: float | None
    agreement: float | None


def held_out_rows(
    pairs: Pairs, probability: NDArray[np.float64], wanted: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows kept from training, one an anchor: with all pairs of their anchors at most a tenth of all."""
    drawable = sum(file.count for file, p in zip(pairs.files, probability, strict=True) if p)
    rows = draw_rows(pairs, probability, min(wanted, drawable // 10), rng)
    _, first = np.unique(pairs.anchor_of[rows], return_index=True)
    rows = rows[np.sort(first)]
    uses = np.bincount(pairs.anchor_of, minlength=len(pairs.anchors))[pairs.anchor_of[rows]]
    kept, room = [], drawable // 10
    for row, use in zip(rows.tolist(), uses.tolist(), strict=True):
        if use <= room:
            kept.append(row)
            room -= use
    return np.array(kept, np.int64)


def held_out_anchors(pairs: Pairs, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which anchors the held-out rows have, bool (anchors,)."""
    marked = np.zeros(len(pairs.anchors), bool)
    marked[pairs.anchor_of[rows]] = True
    return marked


def translated(pairs: Pairs, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows whose sides differ: a text that pairs with itself is found by any table."""
    return np.array([i for i in rows if pairs.others[i] != pairs.anchors[pairs.anchor_of[i]]], np.int64)


def quality(
    table: Vectors,
    pairs: Pairs,
    anchors: TokenRows,
    others: TokenRows,
    rows: NDArray[np.int64],
    teacher: TeacherVectors | None,
) -> Quality:
    """How a table, float32 (pieces, dim), does on held-out rows."""
    both = translated(pairs, rows)
    found = agreement = None
    if len(both):
        sources = bag_vectors(table, cut_bags(others, both))
        found = retrieval_accuracy(sources, _anchor_vectors(table, pairs, anchors, both))
    if teacher is not None and len(rows) > 2:
        rows = rows[:MOST_COMPARED]
        ours = _anchor_vectors(table, pairs, anchors, rows)
        theirs = teacher[pairs.anchor_of[rows]].astype(np.float32)
        upper = np.triu_indices(len(rows), 1)
        agreement = float(np.corrcoef((ours @ ours.T)[upper], (theirs @ theirs.T)[upper])[0, 1])
    return Quality(found, agreement)


def _anchor_vectors(table: Vectors, pairs: Pairs, anchors: TokenRows, rows: NDArray[np.int64]) -> Vectors:
    return bag_vectors(table, cut_bags(anchors, pairs.anchor_of[rows].astype(np.int64)))
