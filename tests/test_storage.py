"""Fewer bytes a vector: what is kept, and that search over them finds what search over vectors finds."""

from __future__ import annotations

import numpy as np
import pytest

from interlingua.errors import InputError
from interlingua.storage import STORAGES, compress, expand, stored_type, top_k_stored
from interlingua.vectors import top_k, unit_rows

RNG = np.random.default_rng(5)
CENTRES = RNG.normal(size=(40, 96))
CORPUS = unit_rows(CENTRES[RNG.integers(0, 40, 3000)] + 0.7 * RNG.normal(size=(3000, 96)))
QUERIES = unit_rows(CENTRES[:20] + 0.7 * RNG.normal(size=(20, 96)))


@pytest.mark.parametrize(
    ("storage", "bytes_a_row", "cosine"),
    [
        ("float32", 384, 1.0),
        ("float16", 192, 0.99999),
        ("int8", 96, 0.999),
        ("binary", 12, 0.7),
    ],
)
def test_rows_come_back_as_unit_rows_near_what_they_were(storage, bytes_a_row, cosine):
    stored = compress(CORPUS, storage)
    assert (stored.dtype, stored.shape[1]) == stored_type(storage, 96)
    assert stored.nbytes == 3000 * bytes_a_row
    rows = expand(stored, storage, 96)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert (rows * CORPUS).sum(axis=1).min() > cosine - 1e-6
    again = compress(rows, storage).astype(np.float32)
    np.testing.assert_allclose(again, stored.astype(np.float32), atol=1e-3)


@pytest.mark.parametrize(("storage", "least"), [("float32", 1.0), ("float16", 0.99), ("int8", 0.95)])
def test_search_over_stored_rows_finds_the_same(storage, least, monkeypatch):
    monkeypatch.setattr("interlingua.storage.ROWS_AT_ONCE", 700)
    scores, rows = top_k_stored(QUERIES, compress(CORPUS, storage), storage, 10)
    expected_scores, expected = top_k(QUERIES, CORPUS, 10)
    shared = np.mean([len({*a} & {*b}) / 10 for a, b in zip(rows.tolist(), expected.tolist(), strict=True)])
    assert shared >= least
    np.testing.assert_allclose(scores, expected_scores, atol=0.01)


def test_bits_find_more_with_rescoring_and_most_with_finer_vectors():
    bits = compress(CORPUS, "binary")
    _, expected = top_k(QUERIES, CORPUS, 10)

    def recall(**options):
        _, rows = top_k_stored(QUERIES, bits, "binary", 10, **options)
        return np.mean([len({*a} & {*b}) / 10 for a, b in zip(rows.tolist(), expected.tolist(), strict=True)])

    plain, rescored, finer = (
        recall(rescore=1),
        recall(rescore=8),
        recall(rescore=8, vectors=compress(CORPUS, "int8")),
    )
    assert plain < rescored < finer
    assert finer > 0.9
    assert recall(rescore=300) == recall(rescore=300, vectors=None)


def test_bits_are_compared_as_a_slow_reading_has_it():
    bits = compress(CORPUS, "binary")
    _, rows = top_k_stored(QUERIES, bits, "binary", 10, rescore=1)
    for query, found in zip(QUERIES, rows, strict=True):
        differ = [int(((query > 0) != (row > 0)).sum()) for row in CORPUS]
        assert sorted(differ[i] for i in found) == sorted(differ)[:10]


def test_columns_that_fill_no_byte_are_kept():
    rows = unit_rows(RNG.normal(size=(7, 13)))
    np.testing.assert_array_equal(expand(compress(rows, "binary"), "binary", 13) > 0, rows > 0)


def test_a_row_of_zeros_stays_zero():
    rows = np.zeros((2, 8), np.float32)
    for storage in ("float32", "float16", "int8"):
        assert not expand(compress(rows, storage), storage, 8).any()


def test_rows_of_zeros_do_not_crowd_out_what_is_near():
    query = np.array([[1, 1, -1, -1, -1, -1, -1, -1]], np.float32)
    near = np.array([[1, 1, 0.1, 0.1, 0.1, -1, -1, -1]], np.float32)
    corpus = np.concatenate([np.zeros((4, 8), np.float32), near])
    _, rows = top_k_stored(query, compress(corpus, "binary"), "binary", 1)
    assert rows.tolist() == [[4]]


def test_small_and_wrong_input():
    for storage in STORAGES:
        scores, rows = top_k_stored(QUERIES, compress(CORPUS[:3], storage), storage, 10)
        assert scores.shape == rows.shape == (20, 3)
    with pytest.raises(InputError, match="storage is 'float8'; it is one of float32, float16, int8, binary"):
        compress(CORPUS, "float8")
    with pytest.raises(
        InputError, match="are not 96 columns stored as binary; those have 12 columns of uint8"
    ):
        expand(CORPUS, "binary", 96)
    with pytest.raises(InputError, match="k is 0 and rescore 4"):
        top_k_stored(QUERIES, compress(CORPUS, "binary"), "binary", 0)
