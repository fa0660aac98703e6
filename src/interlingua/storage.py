"""Vectors in fewer bytes: half precision, int8 and one bit a column; and search over them with rescoring.

float32  4 bytes a column   the vectors themselves
float16  2                  cosines change in the fourth digit
int8     1                  each row scaled so that its largest column is 127; only its direction is kept
binary   1/8                the sign of each column, packed; for a shortlist that is then scored again
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import InputError
from interlingua.vectors import Vectors, quantize_rows, top_k, unit_rows

STORAGES = ("float32", "float16", "int8", "binary")
Stored = NDArray[Any]
BITS_SET = np.array([number.bit_count() for number in range(256)], np.uint8)
ROWS_AT_ONCE = 65_536
NOTHING_NEAR = np.iinfo(np.int32).max


def stored_type(storage: str, dim: int) -> tuple[np.dtype[Any], int]:
    """The dtype and the columns that rows of `dim` columns take in a storage.

    Raises:
        InputError: an unknown storage.
    """
    types = {"float32": np.float32, "float16": np.float16, "int8": np.int8, "binary": np.uint8}
    if storage not in types:
        raise InputError(f"storage is {storage!r}; it is one of {', '.join(STORAGES)}.")
    return np.dtype(types[storage]), (dim + 7) // 8 if storage == "binary" else dim


def compress(vectors: Vectors, storage: str) -> Stored:
    """Unit rows, float32 (n, dim), as they are stored: (n, dim), or uint8 (n, ceil(dim / 8)) for "binary".

    Raises:
        InputError: an unknown storage.
    """
    dtype, _ = stored_type(storage, vectors.shape[1])
    if storage == "int8":
        return quantize_rows(vectors)[0]
    if storage == "binary":
        return np.packbits(vectors > 0, axis=1)
    return vectors.astype(dtype, copy=False)


def expand(stored: Stored, storage: str, dim: int) -> Vectors:
    """Unit rows again, float32 (n, dim); a bit becomes -1 or 1, a row of zeros stays zero.

    In bits, a row without any set stands for a row of zeros.

    Raises:
        InputError: an unknown storage, or rows that are not of it.
    """
    dtype, columns = stored_type(storage, dim)
    if stored.dtype != dtype or stored.ndim != 2 or stored.shape[1] != columns:
        raise InputError(
            f"Rows of shape {stored.shape} and dtype {stored.dtype} are not {dim} columns stored as "
            f"{storage}; those have {columns} columns of {dtype}."
        )
    if storage == "binary":
        signs = np.unpackbits(stored, axis=1, count=dim).astype(np.float32) * 2 - 1
        return unit_rows(signs * stored.any(axis=1, keepdims=True))
    return unit_rows(stored)


def top_k_stored(
    queries: Vectors, stored: Stored, storage: str, k: int, *, rescore: int = 4, vectors: Stored | None = None
) -> tuple[Vectors, NDArray[np.int64]]:
    """The `k` stored rows nearest to each query, as `top_k` gives them.

    Bits are searched in two steps (Yamada et al. 2021, section 3): the `rescore * k` rows that differ from
    the query's signs in the fewest bits, then those by the full query against the expanded rows.

    Args:
        queries: unit rows, float32 (n, dim).
        stored: what `compress` gave.
        storage: one of STORAGES.
        k: at least 1; at most all rows come back.
        rescore: how many times k rows the first step keeps.
        vectors: the same rows in a finer storage, float32, float16 or int8, to score the second step by.

    Raises:
        InputError: `k` or `rescore` below 1, or rows that do not fit.
    """
    dim = queries.shape[1]
    if storage != "binary":
        return _top_k_in_parts(queries, stored, storage, k)
    if k < 1 or rescore < 1:
        raise InputError(f"k is {k} and rescore {rescore}; both must be at least 1.")
    if vectors is not None and len(vectors) != len(stored):
        raise InputError(f"{len(vectors)} rows to score by do not fit {len(stored)} stored ones.")
    expand(stored[:1], storage, dim)
    shortlist = _nearest_bits(np.packbits(queries > 0, axis=1), stored, min(len(stored), k * rescore))
    scores = np.empty((len(queries), min(k, len(stored))), np.float32)
    rows = np.empty(scores.shape, np.int64)
    for i, candidates in enumerate(shortlist):
        fine = expand(stored[candidates], storage, dim) if vectors is None else unit_rows(vectors[candidates])
        scores[i : i + 1], best = top_k(queries[i : i + 1], fine, k)
        rows[i] = candidates[best[0]]
    return scores, rows


def _top_k_in_parts(
    queries: Vectors, stored: Stored, storage: str, k: int
) -> tuple[Vectors, NDArray[np.int64]]:
    """`top_k` over rows that are expanded a part at a time."""
    best = np.empty((len(queries), 0), np.float32)
    best_rows = np.empty((len(queries), 0), np.int64)
    for begin in range(0, max(1, len(stored)), ROWS_AT_ONCE):
        part = expand(stored[begin : begin + ROWS_AT_ONCE], storage, queries.shape[1])
        scores, rows = top_k(queries, part, k)
        best = np.concatenate([best, scores], axis=1)
        best_rows = np.concatenate([best_rows, rows + begin], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(best, order, axis=1)
        best_rows = np.take_along_axis(best_rows, order, axis=1)
    return best, best_rows


def _nearest_bits(queries: Stored, stored: Stored, count: int) -> NDArray[np.int64]:
    """The `count` rows that differ from each query in the fewest bits, in rising order of row number."""
    nearest = np.empty((len(queries), count), np.int64)
    for i, query in enumerate(queries):
        different = np.empty(len(stored), np.int32)
        for begin in range(0, len(stored), ROWS_AT_ONCE):
            part = stored[begin : begin + ROWS_AT_ONCE]
            bits = BITS_SET[part ^ query].sum(axis=1, dtype=np.int32)
            bits[~part.any(axis=1)] = NOTHING_NEAR  # a row of zeros is near nothing
            different[begin : begin + len(part)] = bits
        nearest[i] = np.sort(np.argsort(different, kind="stable")[:count])
    return nearest
