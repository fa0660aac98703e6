"""Cleaning and checking: what every text passes through first."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from interlingua.errors import InputError
from interlingua.text import check_texts, clean, fold

ANY_TEXT = st.text(st.characters())


def test_letter_and_accent_become_one_character():
    assert clean("Cafe\u0301 au lait") == "Café au lait"
    assert clean("\u1112\u1161\u11ab\u1100\u1173\u11af") == "한글"


def test_compatibility_forms_stay_apart():
    assert clean("ﬁne ½ ｱ") == "ﬁne ½ ｱ"


@pytest.mark.parametrize(
    "unwanted",
    ["\x00", "\x07", "\x1b", "\x1f", "\x7f", "\x80", "\x9f", "\ufeff", "\ufffe", "\uffff"],
    ids=ascii,
)
def test_control_characters_nul_and_bom_are_removed_wherever_they_stand(unwanted):
    assert clean(f"{unwanted}par{unwanted}cel{unwanted}") == "parcel"
    assert clean(f"{unwanted}пос{unwanted}ылка{unwanted}") == "посылка"


@pytest.mark.parametrize("number", [0xD800, 0xDBFF, 0xDC80, 0xDFFF], ids=hex)
def test_a_lone_surrogate_becomes_the_replacement_character(number):
    assert clean(f"a{chr(number)}b") == "a\ufffdb"


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        "column\tcolumn",
        "first line\nsecond line\r\nthird",
        "page\x0cpage",
        "before\x85after",
        "para\u2029graph\u2028",
        "no\u00a0break \u3000wide",
        "می‌خواهم",
        "क्‍ष",
        "👩‍👩‍👧 🙂 🇯🇵",
        "\u200fשלום\u200e",
        "soft\u00adhyphen",
        "مرحبا بالعالم",
        "",
        "   ",
    ],
    ids=ascii,
)
def test_a_text_that_needs_nothing_is_the_same_object(text):
    assert clean(text) is text


@given(ANY_TEXT)
@example("\u0301\x00e\u0301")
@example("e\x00\u0301")
@example("\ud800\udc00")
def test_cleaning_twice_changes_nothing_more(text):
    once = clean(text)
    assert clean(once) is once


@given(ANY_TEXT)
@example("\ud800")
@example("\ud83d\ude00")
def test_a_clean_text_is_nfc_and_encodes_to_utf_8(text):
    assert clean(text).encode("utf-8").decode("utf-8") == clean(text)
    assert unicodedata.is_normalized("NFC", clean(text))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Cn"))))
def test_cleaning_is_nfc_alone_where_there_is_nothing_to_remove(text):
    assert clean(text) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    ("first", "second"), [("Hello, World!", "hello world"), ("STRASSE", "straße"), ("ｔｅａ 1", "tea1")]
)
def test_fold_makes_equal_what_reads_the_same(first, second):
    assert fold(first) == fold(second)


def test_fold_keeps_different_words_apart():
    assert fold("a parcel") != fold("a parcel more")
    assert fold("?! …") == ""


def test_a_list_comes_back_with_its_strings_unchanged():
    texts = ["Guten Tag", "", "\x00"]
    assert check_texts(texts) == texts
    assert check_texts(iter(texts)) == texts
    assert check_texts(()) == []


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ("Guten Tag", r"one string, 'Guten Tag'; give a list of strings: \['Guten Tag'\]"),
        ("", r"one string, ''; give a list of strings: \[''\]"),
        (b"Guten Tag", "texts is bytes; decode it, and give a list of strings"),
        (bytearray(b"Tag"), "texts is bytes; decode it"),
        (None, "texts is None; give a list of strings"),
        (7, "texts is of type int; give a list of strings"),
        (["Tag", None], r"texts\[1\] is None; every item must be a str \(an empty text is ''\)"),
        (["Tag", b"Tag"], r"texts\[1\] is of type bytes; every item must be a str \(decode bytes first\)"),
        ([3.5], r"texts\[0\] is of type float; every item must be a str"),
        ([["Tag"]], r"texts\[0\] is of type list"),
    ],
    ids=repr,
)
def test_what_is_no_list_of_strings_is_refused_and_the_message_says_what_to_do(texts, said):
    with pytest.raises(InputError, match=said):
        check_texts(texts)


def test_the_message_names_the_argument_and_shortens_a_long_string():
    with pytest.raises(InputError, match=r"^corpus is one string, 'x{37}\.\.\.'; ") as caught:
        check_texts("x" * 10_000, "corpus")
    assert len(str(caught.value)) < 200


def test_a_refused_text_is_also_a_value_error():
    with pytest.raises(ValueError, match="give a list of strings"):
        check_texts("one text")
