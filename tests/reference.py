"""Slow, readable twins of every formula, which the fast code is compared with."""

from __future__ import annotations

import math

import numpy as np


def unit(row):
    length = math.sqrt(sum(float(x) ** 2 for x in row))
    return [float(x) / length if length else 0.0 for x in row]


def top_k(queries, corpus, k):
    """(score, row) pairs per query, highest first, the lower row first among equals."""
    found = []
    for query in queries:
        scores = [
            (sum(float(a) * float(b) for a, b in zip(query, row, strict=True)), -i)
            for i, row in enumerate(corpus)
        ]
        found.append([(score, -i) for score, i in sorted(scores, reverse=True)[:k]])
    return found


def retrieval_f1(found):
    """MTEB's weighted F1 where source i should find target i, straight from the definition."""
    total = 0.0
    for i in range(len(found)):
        predicted = sum(f == i for f in found)
        hits = int(found[i] == i)
        precision = hits / predicted if predicted else 0.0
        recall = float(hits)
        total += 2 * precision * recall / (precision + recall) if hits else 0.0
    return total / len(found)


def contrastive_loss(anchors, positives, same, scale):
    """Symmetric InfoNCE, CLIP figure 3, with false negatives left out."""
    n = len(anchors)
    total = 0.0
    for i in range(n):
        for rows in (False, True):
            scores = [
                math.exp(
                    scale
                    * float(np.dot(anchors[j], positives[i]) if rows else np.dot(anchors[i], positives[j]))
                )
                for j in range(n)
                if j == i or not same[i][j]
            ]
            own = math.exp(scale * float(np.dot(anchors[i], positives[i])))
            total -= math.log(own / sum(scores)) / 2
    return total / n
