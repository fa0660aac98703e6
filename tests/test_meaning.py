"""The embedded model finds translations, on example tickets that are written for this project."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from interlingua import load_encoder, search

EXAMPLES = Path(__file__).parent.parent / "examples"
TICKETS = [json.loads(line) for line in (EXAMPLES / "tickets.jsonl").read_text(encoding="utf-8").splitlines()]
QUERIES = [json.loads(line) for line in (EXAMPLES / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
IDS = [ticket["id"] for ticket in TICKETS]
TEXTS = [ticket["text"] for ticket in TICKETS]

FOUND_WHOLE = (
    "t22-en t24-de t22-fr t22-es t14-it t08-pt t19-nl t10-sv t20-pl t12-cs t23-ru "
    "t19-uk t10-el t08-tr t19-ar t12-he t19-hi t24-th t19-zh t16-ja t22-ko"
).split()


def test_the_examples_are_as_many_as_they_claim():
    assert len(TICKETS) >= 240
    languages = {ticket["language"] for ticket in TICKETS}
    assert len(languages) >= 15
    assert languages >= {"ru", "uk", "ar", "he", "hi", "th", "zh", "ja", "ko"}
    assert len(set(TEXTS)) == len(TEXTS)


@pytest.mark.parametrize("query", FOUND_WHOLE)
def test_a_query_finds_all_its_translations_above_everything_else(query):
    row = IDS.index(query)
    wanted = {i for i, ticket in enumerate(TICKETS) if ticket["group"] == TICKETS[row]["group"]}
    (hits,) = search([TEXTS[row]], TEXTS, k=8)
    assert {hit.row for hit in hits} == wanted


def test_of_all_tickets_most_translations_stand_on_top():
    """Not only where it goes well: of all 288 tickets, four in five of the seven nearest are translations."""
    found = nearest_groups(7)
    shares = [np.mean([group == TICKETS[i]["group"] for group in groups]) for i, groups in found.items()]
    assert np.mean(shares) > 0.8
    firsts = [groups[0] == TICKETS[i]["group"] for i, groups in found.items()]
    assert np.mean(firsts) > 0.92


@pytest.mark.parametrize("language", sorted({t["language"] for t in TICKETS} - {"fi", "id", "vi"}))
def test_in_every_language_the_nearest_ticket_is_mostly_a_translation(language):
    found = {i: groups[0] for i, groups in nearest_groups(1).items() if TICKETS[i]["language"] == language}
    right = [group == TICKETS[i]["group"] for i, group in found.items()]
    assert len(right) >= 10
    assert np.mean(right) > 0.6


def test_short_queries_in_other_words_find_their_group():
    """Twelve queries, one a language, which no row repeats; the model is weak on short ones."""
    groups = [
        {TICKETS[hit.row]["group"] for hit in hits}
        for hits in search([query["text"] for query in QUERIES], TEXTS, k=5)
    ]
    assert sum(query["group"] in found for query, found in zip(QUERIES, groups, strict=True)) >= 8


@cache
def nearest_groups(k):
    """The groups of the k tickets nearest to each ticket of a group, itself left out."""
    rows = [i for i, ticket in enumerate(TICKETS) if not ticket["id"].startswith("x")]
    hits = search([TEXTS[i] for i in rows], TEXTS, k=k + 1)
    return {
        i: [TICKETS[hit.row]["group"] for hit in found if hit.row != i][:k]
        for i, found in zip(rows, hits, strict=True)
    }


def test_every_group_is_eight_translations():
    groups = Counter(t["group"] for t in TICKETS if not t["id"].startswith("x"))
    assert set(groups.values()) == {8}


def test_texts_without_content_have_no_direction():
    assert not load_encoder().encode(["", " \n", "\x00"]).any()
