"""Cleaning: what every text passes through before it is encoded, identified or compared."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import cache

from interlingua.errors import InputError

UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
SURROGATES = re.compile("[\ud800-\udfff]")
REPLACEMENT = "\ufffd"
IGNORED_CATEGORIES = {*("Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf".split())}


def clean(text: str) -> str:
    """The text in NFC, without control characters, lone surrogates as U+FFFD.

    White space, line ends, joiners and everything else that carries meaning stay as they are.
    A text that needs nothing is returned as the same object.
    """
    if text.isascii() and text.isprintable():
        return text
    if not text.isprintable():
        stripped = SURROGATES.sub(REPLACEMENT, UNPRINTABLE.sub("", text))
        text = text if stripped == text else stripped
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def fold(text: str) -> str:
    """A text without punctuation, symbols, spaces and control characters, NFKC and case-folded."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_ignored())


@cache
def _ignored() -> dict[int, None]:
    every = range(sys.maxunicode + 1)
    return {code: None for code in every if unicodedata.category(chr(code)) in IGNORED_CATEGORIES}


def check_texts(texts: Iterable[str], what: str = "texts") -> list[str]:
    """`texts` as a list, every item a str.

    Raises:
        InputError: a bare string, bytes, no iterable, or an item that is not a str.
    """
    if isinstance(texts, str):
        raise InputError(f"{what} is one string, {_shown(texts)}; give a list of strings: [{_shown(texts)}].")
    if isinstance(texts, (bytes, bytearray)):
        raise InputError(f"{what} is bytes; decode it, and give a list of strings.")
    try:
        rows = list(texts)
    except TypeError:
        raise InputError(
            f"{what} is {_article(texts)}; give a list of strings, for example ['Hello', 'Hallo']."
        ) from None
    for number, row in enumerate(rows):
        if type(row) is not str and not isinstance(row, str):
            hint = "decode bytes first" if isinstance(row, bytes) else "an empty text is ''"
            raise InputError(f"{what}[{number}] is {_article(row)}; every item must be a str ({hint}).")
    return rows


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _article(value: object) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
