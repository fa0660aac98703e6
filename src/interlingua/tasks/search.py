"""Search across languages, exactly, in texts that fit in memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interlingua.encoders import chosen_encoder
from interlingua.text import check_texts
from interlingua.types import Encoder, Hit
from interlingua.vectors import Vectors, top_k


def search(
    queries: Sequence[str],
    corpus: Sequence[str],
    *,
    k: int = 10,
    min_score: float = -1.0,
    encoder: Encoder | None = None,
) -> list[list[Hit]]:
    """The nearest texts of `corpus` for each query, in any languages.

    Args:
        queries: list of texts.
        corpus: list of texts; those without content are never found.
        k: most hits a query, at least 1.
        min_score: least cosine of a hit, in [-1, 1].
        encoder: default: the embedded model.

    Returns:
        For each query its hits, highest score first, the earlier row first among equals. A query
        without content has none.

    Raises:
        InputError: a bare string, an item that is not a str, `k` below 1, or a name in place of an encoder.
        EngineError: the engine fails on a text, or as a whole (EngineDown).
    """
    encoder = chosen_encoder(encoder)
    queries, corpus = check_texts(queries, "queries"), check_texts(corpus, "corpus")
    found = search_vectors(encoder.encode_query(queries), encoder.encode_documents(corpus), k, min_score)
    return [[Hit(row, score, corpus[row]) for row, score in hits] for hits in found]


def search_vectors(
    queries: Vectors, corpus: Vectors, k: int, min_score: float = -1.0
) -> list[list[tuple[int, float]]]:
    """For each query the (row, score) of its hits; rows of zeros neither find nor are found."""
    filled = np.flatnonzero(corpus.any(axis=1))
    scores, columns = top_k(queries, corpus if len(filled) == len(corpus) else corpus[filled], k)
    return [
        [
            (int(filled[column]), min(1.0, float(score)))
            for score, column in zip(scores[i], columns[i], strict=True)
            if score >= min_score
        ]
        if queries[i].any()
        else []
        for i in range(len(queries))
    ]
