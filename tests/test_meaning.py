"""The embedded model finds translations, on example tickets that are written for this project."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from interlingua import load_encoder, search

EXAMPLES = Path(__file__).parent.parent / "examples"
TICKETS = [json.loads(line) for line in (EXAMPLES / "tickets.jsonl").read_text(encoding="utf-8").splitlines()]
QUERIES = [json.loads(line) for line in (EXAMPLES / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
TEXTS = [ticket["text"] for ticket in TICKETS]


def test_the_examples_are_as_many_as_they_claim():
    assert len(TICKETS) >= 240
    languages = {ticket["language"] for ticket in TICKETS}
    assert len(languages) >= 15
    assert languages >= {"ru", "uk", "ar", "he", "hi", "th", "zh", "ja", "ko"}
    assert len(set(TEXTS)) == len(TEXTS)


@pytest.mark.parametrize("query", QUERIES, ids=lambda q: q["language"])
def test_a_query_finds_its_translations_above_everything_else(query):
    wanted = {i for i, ticket in enumerate(TICKETS) if ticket["group"] == query["group"]}
    (hits,) = search([query["text"]], TEXTS, k=len(wanted))
    assert {hit.row for hit in hits} == wanted


@pytest.mark.parametrize("language", sorted({t["language"] for t in TICKETS}))
def test_a_ticket_finds_a_translation_first(language):
    """Nine in ten of the tickets of a language: their nearest other ticket says the same."""
    sources = [i for i, t in enumerate(TICKETS) if t["language"] == language and not t["id"].startswith("x")]
    if not sources:
        return
    hits = search([TEXTS[i] for i in sources], TEXTS, k=2)
    right = sum(
        TICKETS[found[1].row]["group"] == TICKETS[i]["group"] for i, found in zip(sources, hits, strict=True)
    )
    assert right >= 0.9 * len(sources)


def test_every_group_is_eight_translations():
    groups = Counter(t["group"] for t in TICKETS if not t["id"].startswith("x"))
    assert set(groups.values()) == {8}


def test_texts_without_content_have_no_direction():
    assert not load_encoder().encode(["", " \n", "\x00"]).any()
