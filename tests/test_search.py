"""Search and similarity with a toy encoder whose vectors are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from interlingua import search, similarity, similarity_pairwise
from interlingua.errors import InputError
from toy import TOY

CORPUS = ["cat", "perro", "", "gato", "cat dog", "   "]


def test_search_ranks_by_cosine_then_by_row():
    (hits,) = search(["gato"], CORPUS, encoder=TOY)
    assert [(hit.row, round(hit.score, 3), hit.text) for hit in hits] == [
        (0, 1.0, "cat"),
        (3, 1.0, "gato"),
        (4, 0.707, "cat dog"),
        (1, 0.0, "perro"),
    ]


def test_k_and_min_score_cut_the_list():
    assert [hit.row for hit in search(["dog"], CORPUS, k=1, encoder=TOY)[0]] == [1]
    assert [hit.row for hit in search(["dog"], CORPUS, min_score=0.5, encoder=TOY)[0]] == [1, 4]


def test_an_empty_query_or_corpus_finds_nothing():
    assert search(["", "cat"], CORPUS, k=1, encoder=TOY)[0] == []
    assert search(["cat"], [], encoder=TOY) == [[]]
    assert search(["cat"], ["", " "], encoder=TOY) == [[]]
    assert search([], CORPUS, encoder=TOY) == []


def test_a_corpus_may_be_any_iterable_of_texts():
    for corpus in ((text for text in CORPUS), dict.fromkeys(CORPUS), tuple(CORPUS)):
        assert search(["gato"], corpus, k=1, encoder=TOY)[0][0].text == "cat"


def test_similarity_is_every_cosine():
    scores = similarity(["cat", "dog", ""], ["gato", "cat perro"], encoder=TOY)
    assert scores.dtype == np.float32
    assert np.allclose(scores, [[1, 0.70711], [0, 0.70711], [0, 0]], atol=1e-4)


def test_similarity_pairwise_is_a_cosine_a_pair():
    assert np.allclose(similarity_pairwise(["cat", "dog"], ["gato", "cat"], encoder=TOY), [1, 0])


def test_a_name_in_place_of_an_encoder_says_how_to_open_it():
    with pytest.raises(InputError, match=r"open it with load_encoder\('LaBSE'\)"):
        search(["cat"], ["gato"], encoder="LaBSE")


def test_pairs_of_unequal_number_are_refused():
    with pytest.raises(InputError, match="2 texts and b has 1"):
        similarity_pairwise(["cat", "dog"], ["gato"], encoder=TOY)


@pytest.mark.parametrize("bad", ["cat", None, [None], [b"cat"], 3])
def test_what_is_no_list_of_texts_is_refused(bad):
    with pytest.raises(InputError):
        search(bad, CORPUS, encoder=TOY)
    with pytest.raises(InputError):
        similarity(CORPUS, bad, encoder=TOY)


def test_scores_never_pass_one():
    texts = [f"parcel number {i}" for i in range(200)]
    assert similarity(texts, texts).max() <= 1.0
