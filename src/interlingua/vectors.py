"""Vectors: the one door through which rows become unit rows, exact top-k, int8 rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interlingua.errors import InputError

Vectors = NDArray[np.float32]

QUERY_BLOCK = 256
CORPUS_BLOCK = 16_384
SMALLEST_SQUARE, LARGEST_SQUARE = 1e-30, 1e30


def unit_rows(matrix: ArrayLike) -> Vectors:
    """The rows at length 1, float32 (n, dim); a row of zeros, which has no direction, stays zero.

    Raises:
        InputError: not two-dimensional, or a value is NaN or infinite.
    """
    rows = np.asarray(matrix)
    if rows.ndim != 2:
        raise InputError(f"Vectors have shape {rows.shape}; give a matrix (n, dim), one vector a row.")
    rows = rows.astype(np.float32, copy=True)
    squares = np.einsum("ij,ij->i", rows, rows)
    odd = ~((squares > SMALLEST_SQUARE) & (squares < LARGEST_SQUARE))
    if odd.any():
        squares[odd] = _rescale(rows, np.flatnonzero(odd))
    rows /= np.sqrt(squares)[:, None]
    return rows


def _rescale(rows: Vectors, odd: NDArray[np.int64]) -> Vectors:
    """Bring very long and very short rows near length 1, in place; their squares, 1 for rows of zeros."""
    largest = np.abs(rows[odd]).max(axis=1, initial=0)
    if not np.isfinite(largest).all():
        first = int(odd[~np.isfinite(largest)][0])
        raise InputError(f"Vector {first} holds NaN or an infinite value; encode its text again.")
    rows[odd] /= np.where(largest > 0, largest, 1)[:, None]
    squares = np.einsum("ij,ij->i", rows[odd], rows[odd])
    return np.where(largest > 0, squares, 1).astype(np.float32)


def top_k(queries: Vectors, corpus: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    """The `k` corpus rows nearest to each query, by inner product, exactly.

    Works block by block: beside its result it holds at most 256 x 16,384 scores.

    Args:
        queries: float32 (n, dim).
        corpus: float32 (m, dim).
        k: at least 1; at most m come back.

    Returns:
        Scores, float32 (n, min(k, m)), highest first, and row numbers, int64, of the same shape.
        Among equal scores the lower row number comes first.

    Raises:
        InputError: `k` below 1, dimensions that differ, values that are no floats, NaN or infinite.
    """
    if k < 1:
        raise InputError(f"k is {k}; ask for at least 1.")
    if queries.dtype.kind != "f" or corpus.dtype.kind != "f":
        raise InputError(
            f"Vectors of {queries.dtype} and {corpus.dtype} cannot be compared as they are; search what was "
            "stored as int8 or binary with top_k_stored."
        )
    if queries.ndim != 2 or corpus.ndim != 2 or queries.shape[1] != corpus.shape[1]:
        raise InputError(
            f"Queries of shape {queries.shape} and a corpus of shape {corpus.shape} do not fit; "
            "both must be (n, dim) with the same dim: encode them with the same model."
        )
    _check_finite(queries)
    k = min(k, len(corpus))
    scores = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    for begin in range(0, len(queries), QUERY_BLOCK):
        block = slice(begin, begin + QUERY_BLOCK)
        scores[block], rows[block] = _top_k_block(queries[block], corpus, k)
    return scores, rows


def _check_finite(rows: Vectors) -> None:
    if not np.isfinite(rows).all():
        raise InputError("A vector holds NaN or an infinite value; encode its text again.")


def _top_k_block(queries: Vectors, corpus: Vectors, k: int) -> tuple[Vectors, NDArray[np.int64]]:
    best = np.empty((len(queries), 0), np.float32)
    best_rows = np.empty((len(queries), 0), np.int64)
    for begin in range(0, len(corpus), CORPUS_BLOCK):
        part = corpus[begin : begin + CORPUS_BLOCK]
        scores = queries @ part.T
        if not np.isfinite(scores).all():
            _check_finite(part)
        columns = _best_columns(scores, k)
        best = np.concatenate([best, np.take_along_axis(scores, columns, axis=1)], axis=1)
        best_rows = np.concatenate([best_rows, columns + begin], axis=1)
        columns = _best_columns(best, k)
        best = np.take_along_axis(best, columns, axis=1)
        best_rows = np.take_along_axis(best_rows, columns, axis=1)
    return best, best_rows


def _best_columns(scores: Vectors, k: int) -> NDArray[np.int64]:
    """Columns of the k highest scores of each row, highest first, the earlier of equals first."""
    k = min(k, scores.shape[1])
    columns = np.empty((len(scores), k), np.int64)
    if k == 0:
        return columns
    bounds = np.partition(scores, -k, axis=1)[:, -k]
    for i, bound in enumerate(bounds):
        candidates = np.flatnonzero(scores[i] >= bound)
        columns[i] = candidates[np.argsort(-scores[i, candidates], kind="stable")][:k]
    return columns


def quantize_rows(matrix: Vectors) -> tuple[NDArray[np.int8], Vectors]:
    """Rows as int8 with a scale each: `values * scales[:, None]` gives the matrix back.

    Symmetric, the largest magnitude of a row at 127; the error of a value is at most half its scale.

    Returns:
        values, int8 (n, dim), and scales, float32 (n,).
    """
    scales = (np.abs(matrix).max(axis=1, initial=0) / 127).astype(np.float32)
    safe = np.where(scales > 0, scales, np.float32(1))
    return np.rint(matrix / safe[:, None]).astype(np.int8), scales
