"""Scores between texts of any languages: cosines, in [-1, 1], higher is nearer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interlingua.encoders import chosen_encoder
from interlingua.errors import InputError
from interlingua.types import Encoder
from interlingua.vectors import Vectors


def similarity(a: Sequence[str], b: Sequence[str], *, encoder: Encoder | None = None) -> Vectors:
    """The cosine of every text of `a` with every text of `b`, float32 (len(a), len(b)).

    Args:
        a, b: lists of texts in any languages.
        encoder: default: the embedded model.

    Raises:
        InputError: a bare string, an item that is not a str, or a name in place of an encoder.
        EngineError: the engine fails on a text, or as a whole (EngineDown).
    """
    encoder = chosen_encoder(encoder)
    return _clipped(encoder.encode(a) @ encoder.encode(b).T)


def similarity_pairwise(a: Sequence[str], b: Sequence[str], *, encoder: Encoder | None = None) -> Vectors:
    """The cosine of a[i] with b[i] for each i, float32 (len(a),).

    Args:
        a, b: lists of texts in any languages, equally long.
        encoder: default: the embedded model.

    Raises:
        InputError: lists of different lengths, a bare string, an item that is not a str, or a name in place
            of an encoder.
        EngineError: the engine fails on a text, or as a whole (EngineDown).
    """
    encoder = chosen_encoder(encoder)
    first, second = encoder.encode(a), encoder.encode(b)
    if len(first) != len(second):
        raise InputError(f"a has {len(first)} texts and b has {len(second)}; pairs need as many of each.")
    return _clipped(np.einsum("ij,ij->i", first, second))


def _clipped(scores: Vectors) -> Vectors:
    """Rounding can carry a cosine a hair past 1."""
    return np.clip(scores, -1, 1, out=scores)
