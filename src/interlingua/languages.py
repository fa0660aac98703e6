"""Language codes in one spelling, and which language a text is in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import langcodes
from langcodes.data_dicts import MACROLANGUAGES
from langcodes.tag_parser import LanguageTagError

from interlingua.errors import InputError
from interlingua.text import check_texts, clean
from interlingua.types import LanguageGuess

UNDETERMINED = "und"
# Where nothing speaks for any language all are alike, but that py3langid counts a few of them twice.
UNIFORM = 2.5


def normalize_language(code: str) -> str:
    """A language code as a BCP 47 tag.

    Takes two-letter, three-letter and FLORES codes and any BCP 47 spelling: "deu", "deu_Latn" and
    "DE" are "de", "cmn_Hans" is "zh-Hans", "pes" is "fa". An individual language becomes the
    macrolanguage that is usually written for it; "nb" and "nn" stay apart.

    Raises:
        InputError: no language has that code.
    """
    if not isinstance(code, str):
        raise InputError(f"A language code is a str, such as 'de'; this is {code!r}.")
    try:
        tag = langcodes.standardize_tag(code.strip().replace("_", "-"), macro=True)
        known = langcodes.tag_is_valid(tag)
    except LanguageTagError:
        known = False
    if not known:
        raise InputError(f"{code!r} is no language code; give one such as de, zh-Hant, deu or deu_Latn.")
    return tag


def same_language(first: str, second: str) -> bool:
    """Whether two tags name one language, or one a member of the other, in scripts that do not differ.

    Regions do not count, but where both tell a script, or a region tells it, the scripts must be one.
    "no" takes in "nb" and "nn", "ar" takes in "arz", "zh" takes in "yue"; two members stay apart.
    """
    one, other = (tag.split("-", maxsplit=1)[0] for tag in (first, second))
    scripts = {langcodes.Language.get(tag).maximize().script for tag in (first, second) if "-" in tag}
    if len(scripts) > 1:
        return False
    return one == other or MACROLANGUAGES.get(one) == other or MACROLANGUAGES.get(other) == one


def identify_languages(texts: Iterable[str], *, k: int = 1) -> list[list[LanguageGuess]]:
    """The `k` likeliest languages of each text, likeliest first.

    Probabilities are py3langid's, tempered by length: a short text gets a low one, and a text
    without letters, or where nothing speaks for any language ("ok"), one guess, "und" with probability 0.

    Args:
        texts: list of texts.
        k: guesses a text, from 1; default 1.

    Raises:
        InputError: not a list of str, or `k` below 1.
    """
    if k < 1:
        raise InputError(f"k is {k}; ask for at least 1.")
    return [_guess(clean(text), k) for text in check_texts(texts)]


def _guess(text: str, k: int) -> list[LanguageGuess]:
    if not any(character.isalpha() for character in text):
        return [LanguageGuess(UNDETERMINED, 0.0)]
    ranked = _identifier().rank(text)
    if ranked[0][1] * len(ranked) < UNIFORM:
        return [LanguageGuess(UNDETERMINED, 0.0)]
    return [LanguageGuess(_tag(code), round(float(probability), 4)) for code, probability in ranked[:k]]


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _tag(code: str) -> str:
    return normalize_language(code)
