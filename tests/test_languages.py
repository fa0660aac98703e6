"""Language codes in one spelling, and identification of sentences of fifteen languages and of noise."""

from __future__ import annotations

import pytest

from interlingua import identify_languages, normalize_language
from interlingua.errors import InputError
from interlingua.languages import same_language
from interlingua.types import LanguageGuess

CODES = {
    "de": "de",
    "DE": "de",
    " de ": "de",
    "deu": "de",
    "deu_Latn": "de",
    "eng_Latn": "en",
    "rus_Cyrl": "ru",
    "jpn_Jpan": "ja",
    "cmn_Hans": "zh-Hans",
    "zho_Hant": "zh-Hant",
    "zho_Hans": "zh-Hans",
    "zh-TW": "zh-TW",
    "pes": "fa",
    "pes_Arab": "fa",
    "arb": "ar",
    "arb_Arab": "ar",
    "swh_Latn": "sw",
    "zsm_Latn": "ms",
    "iw": "he",
    "nob": "nb",
    "nob_Latn": "nb",
    "nno": "nn",
    "no": "no",
    "pt-br": "pt-BR",
    "pt_BR": "pt-BR",
    "en_US": "en-US",
    "srp_Cyrl": "sr-Cyrl",
    "SR-latn": "sr-Latn",
    "yue_Hant": "yue-Hant",
    "und": "und",
}

SENTENCES = {
    "en": "The train to the coast leaves at half past nine.",
    "de": "Der Zug an die Küste fährt um halb zehn ab.",
    "fr": "Le train pour la côte part à neuf heures et demie.",
    "es": "El tren hacia la costa sale a las nueve y media.",
    "it": "Il treno per la costa parte alle nove e mezza.",
    "pl": "Pociąg nad morze odjeżdża o wpół do dziesiątej.",
    "ru": "Поезд к морю отправляется в половине десятого.",
    "el": "Το τρένο για την ακτή φεύγει στις εννιά και μισή.",
    "tr": "Sahile giden tren saat dokuz buçukta kalkıyor.",
    "ar": "ينطلق القطار إلى الساحل في التاسعة والنصف.",
    "hi": "समुद्र तट जाने वाली ट्रेन साढ़े नौ बजे चलती है।",
    "ja": "海岸行きの列車は九時半に出発します。",
    "ko": "해안으로 가는 기차는 아홉 시 반에 출발합니다.",
    "zh": "开往海边的火车九点半出发。",
    "th": "รถไฟไปชายทะเลออกตอนเก้าโมงครึ่ง",
}


@pytest.mark.parametrize(("code", "tag"), CODES.items())
def test_a_code_of_any_spelling_becomes_one_tag(code, tag):
    assert normalize_language(code) == tag


@pytest.mark.parametrize("tag", sorted(set(CODES.values())))
def test_a_tag_stays_what_it_is(tag):
    assert normalize_language(tag) == tag


@pytest.mark.parametrize(
    "code", ["english", "xx", "", " ", "a", "123", "deu_Xxxx", "de_DE.UTF-8", "\ud800"], ids=ascii
)
def test_what_is_no_code_is_refused_with_examples(code):
    with pytest.raises(InputError, match="is no language code; give one such as de, zh-Hant") as caught:
        normalize_language(code)
    assert repr(code) in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("de", "de-AT", True),
        ("zh-Hans", "zh-Hant", False),
        ("zh-TW", "zh-Hant", True),
        ("zh", "zh-Hant", True),
        ("no", "nb", True),
        ("nn-NO", "no", True),
        ("nb", "nn", False),
        ("de", "nl", False),
        ("sr", "src", False),
        ("ar", "arz", True),
        ("zh-Hant", "yue", True),
        ("arz", "ary", False),
    ],
)
def test_two_tags_name_one_language_whatever_their_script_or_region(first, second, same):
    assert same_language(first, second) is same
    assert same_language(second, first) is same


@pytest.mark.parametrize("tag", SENTENCES)
def test_a_sentence_is_identified_with_confidence(tag):
    ((guess,),) = identify_languages([SENTENCES[tag]])
    assert guess.language == tag
    assert guess.probability > 0.6


def test_a_sentence_in_capitals_or_decomposed_is_identified_too():
    ((capitals,), (decomposed,)) = identify_languages(
        [
            "DER ZUG AN DIE KÜSTE FÄHRT UM HALB ZEHN AB.",
            "Der Zug an die Ku\u0308ste fa\u0308hrt um halb zehn ab.",
        ]
    )
    assert capitals.language == decomposed.language == "de"


@pytest.mark.parametrize("text", ["taxi", "hallo", "Ω"], ids=ascii)
def test_a_short_text_gets_a_low_probability(text):
    ((guess,),) = identify_languages([text])
    assert 0 < guess.probability < 0.9


@pytest.mark.parametrize(
    "text", ["ok", "no", "a", "Hi!", "OK", "\x00ok\x00", "wifi", "USB", "the"], ids=ascii
)
def test_where_nothing_speaks_for_a_language_none_is_named(text):
    assert identify_languages([text], k=3) == [[LanguageGuess("und", 0.0)]]


@pytest.mark.parametrize(
    "text", ["", "   ", "\n", "123", "2024-01-31 12:05", "🙂👩‍👩‍👧", "!?…", "€ 5", "\x00", "①②"], ids=ascii
)
def test_a_text_without_letters_is_undetermined(text):
    assert identify_languages([text], k=3) == [[LanguageGuess("und", 0.0)]]


def test_more_guesses_come_likeliest_first_and_each_language_once():
    guesses = identify_languages(list(SENTENCES.values()), k=5)
    for tag, ranked in zip(SENTENCES, guesses, strict=True):
        assert ranked[0].language == tag
        assert len({guess.language for guess in ranked}) == 5
        probabilities = [guess.probability for guess in ranked]
        assert probabilities == sorted(probabilities, reverse=True)


def test_all_languages_together_have_probability_one():
    (ranked,) = identify_languages(["Der Zug an die Küste"], k=1000)
    assert len(ranked) > 100
    assert sum(guess.probability for guess in ranked) == pytest.approx(1, abs=0.01)


def test_every_guess_is_a_tag_that_normalize_language_keeps():
    (ranked,) = identify_languages(["Der Zug an die Küste"], k=1000)
    assert all(normalize_language(guess.language) == guess.language for guess in ranked)


def test_texts_keep_their_order_and_none_gives_none():
    guesses = identify_languages([SENTENCES["ja"], "", SENTENCES["fr"]])
    assert [guess.language for (guess,) in guesses] == ["ja", "und", "fr"]
    assert identify_languages([]) == []


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="k is 0; ask for at least 1"):
        identify_languages(["a"], k=0)
    with pytest.raises(InputError, match="give a list of strings"):
        identify_languages("Guten Tag")
    with pytest.raises(InputError, match=r"texts\[1\] is None"):
        identify_languages(["Guten Tag", None])
