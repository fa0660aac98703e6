"""Bitext retrieval: does each sentence find its translation?"""

from __future__ import annotations

import numpy as np

from interlingua.vectors import Vectors, top_k


def retrieval_accuracy(sources: Vectors, targets: Vectors) -> float:
    """Share of sources whose nearest target is their own, in [0, 1].

    The Tatoeba measure of Artetxe & Schwenk 2019 (LASER), section 4.3, by cosine.

    Args:
        sources, targets: unit rows, float32 (n, dim); row i of one translates row i of the other.
    """
    _, rows = top_k(sources, targets, 1)
    return float(np.mean(rows[:, 0] == np.arange(len(sources))))


def retrieval_f1(sources: Vectors, targets: Vectors) -> float:
    """Weighted F1 of nearest-neighbour retrieval, as MTEB's BitextMining computes it, in [0, 1].

    Each target row is a class of its own: one that is found p times, once by its own source, has
    precision 1/p and recall 1.

    Args:
        sources, targets: unit rows, float32 (n, dim); row i of one translates row i of the other.
    """
    _, rows = top_k(sources, targets, 1)
    found = np.bincount(rows[:, 0], minlength=len(targets))
    right = rows[:, 0] == np.arange(len(sources))
    return float(np.mean(2 * right / (1 + found[: len(sources)])))
