from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reference
from interlingua.errors import InputError
from interlingua.vectors import quantize_rows, top_k, unit_rows


def random_rows(seed, n, dim=8):
    return unit_rows(np.random.default_rng(seed).normal(size=(n, dim)))


def test_unit_rows_match_the_definition():
    rows = np.random.default_rng(0).normal(size=(20, 5)) * 100
    assert np.allclose(unit_rows(rows), [reference.unit(row) for row in rows], atol=1e-6)


def test_unit_rows_of_any_length_have_length_one():
    rows = np.array([[1e30, 1e30], [1e-30, 0], [1e-42, 1e-42], [0, 0]], np.float32)
    assert np.allclose(np.linalg.norm(unit_rows(rows), axis=1), [1, 1, 1, 0], atol=1e-3)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_top_k_refuses_what_is_no_number(odd):
    ones = np.ones((3, 1), np.float32)
    for queries, corpus in ((ones * odd, ones), (ones, np.array([[1], [odd], [1]], np.float32))):
        with pytest.raises(InputError, match="NaN or an infinite value"):
            top_k(queries, corpus, 1)


def test_unit_rows_keep_zero_rows_and_copy_the_rest():
    rows = np.array([[0.0, 0.0], [3.0, 4.0]], np.float32)
    assert np.allclose(unit_rows(rows), [[0, 0], [0.6, 0.8]])
    assert rows[1, 0] == 3.0
    assert unit_rows(rows).dtype == np.float32


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_unit_rows_name_the_row_that_is_not_finite(bad):
    with pytest.raises(InputError, match="Vector 1 "):
        unit_rows([[1.0, 2.0], [bad, 1.0]])


def test_unit_rows_refuse_a_single_vector():
    with pytest.raises(InputError, match="matrix"):
        unit_rows(np.zeros(3))


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 40))
def test_top_k_matches_the_definition(seed, n, k):
    corpus, queries = random_rows(seed, n), random_rows(seed + 1, 3)
    scores, rows = top_k(queries, corpus, k)
    expected = reference.top_k(queries, corpus, k)
    assert rows.shape == scores.shape == (3, min(k, n))
    assert np.allclose(scores, [[score for score, _ in row] for row in expected], atol=1e-6)
    assert [list(row) for row in rows] == [[i for _, i in row] for row in expected]


def test_top_k_is_the_same_across_blocks(monkeypatch):
    corpus, queries = random_rows(1, 1000), random_rows(2, 50)
    whole = top_k(queries, corpus, 7)
    monkeypatch.setattr("interlingua.vectors.CORPUS_BLOCK", 64)
    monkeypatch.setattr("interlingua.vectors.QUERY_BLOCK", 16)
    blocks = top_k(queries, corpus, 7)
    assert np.array_equal(whole[1], blocks[1])
    assert np.allclose(whole[0], blocks[0], atol=1e-6)


def test_top_k_takes_the_earlier_of_equal_rows_across_blocks(monkeypatch):
    monkeypatch.setattr("interlingua.vectors.CORPUS_BLOCK", 4)
    corpus = np.ones((10, 1), np.float32)
    _, rows = top_k(np.ones((1, 1), np.float32), corpus, 6)
    assert rows.tolist() == [[0, 1, 2, 3, 4, 5]]


def test_top_k_of_an_empty_corpus_is_empty():
    scores, rows = top_k(random_rows(0, 2), np.zeros((0, 8), np.float32), 3)
    assert scores.shape == rows.shape == (2, 0)


def test_top_k_refuses_k_below_one_and_other_dimensions():
    with pytest.raises(InputError, match="k is 0"):
        top_k(random_rows(0, 2), random_rows(0, 2), 0)
    with pytest.raises(InputError, match="same model"):
        top_k(random_rows(0, 2, 8), random_rows(0, 2, 4), 1)


@given(st.integers(0, 2**32 - 1))
def test_quantized_rows_are_off_by_at_most_half_a_scale(seed):
    rows = np.random.default_rng(seed).normal(size=(5, 16)).astype(np.float32)
    rows[0] = 0
    values, scales = quantize_rows(rows)
    assert values.dtype == np.int8
    assert (np.abs(values * scales[:, None] - rows) <= scales[:, None] * 0.5001).all()


@pytest.mark.parametrize("stored", [np.ones((3, 8), np.int8), np.ones((3, 1), np.uint8)])
def test_rows_stored_as_int8_or_binary_are_not_compared_as_they_are(stored):
    with pytest.raises(InputError, match=r"Vectors of float32 and u?int8 cannot be compared .* top_k_stored"):
        top_k(np.ones((1, 8), np.float32), stored, 1)
