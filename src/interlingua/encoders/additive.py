"""When may a text be tokenised word by word? A tokenizer's own description, its JSON, tells.

A sum over pieces is a sum over words where no piece crosses a space and nothing before a word
changes its pieces. Only tokenizers known to be so are taken; any other goes through whole texts.
"""

from __future__ import annotations

import re
from typing import Any

CHARACTERWISE = {
    "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Lowercase", "StripAccents", "Strip", "Precompiled",
    "BertNormalizer",
}  # fmt: skip
DROP_CHARACTERS = {"BertNormalizer", "Nmt", "Precompiled"}
SPACE_PATTERNS = {r"\s+", " {2,}"}


def is_word_additive(description: dict[str, Any]) -> bool:
    """Whether the pieces of "a b" are those of "a", then those of "b", for any words a and b."""
    steps = _steps(description.get("normalizer"), "normalizers")
    return all(map(_normalizer_is_safe, steps)) and _splits_at_spaces(description.get("pre_tokenizer"))


def folds_white_space(description: dict[str, Any]) -> bool:
    """Whether any run of white space counts as one space, and none at the ends counts."""
    first = _steps(description.get("pre_tokenizer"), "pretokenizers")[:1]
    if first and first[0]["type"] in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit"):
        return True
    steps = _steps(description.get("normalizer"), "normalizers")
    folds = any(_pattern(step) == r"\s+" and step.get("content") == " " for step in steps)
    return folds and any(s["type"] == "Strip" and s["strip_left"] and s["strip_right"] for s in steps)


def special_words(description: dict[str, Any]) -> re.Pattern[str] | None:
    """Matches texts that must go through the tokenizer whole.

    Those with an added token; with an odd line end, which some normalizers drop, so that its words join;
    and with the character that stands for a space, which counts differently at the start of a text.
    """
    parts = [re.escape(str(token["content"])) for token in description.get("added_tokens") or []]
    steps = _steps(description.get("normalizer"), "normalizers")
    if any(step["type"] in DROP_CHARACTERS for step in steps):
        parts.append("[\x0b\x0c\x85\u2028\u2029]")
    before = _steps(description.get("pre_tokenizer"), "pretokenizers")
    parts += [re.escape(step["replacement"]) for step in before if step["type"] == "Metaspace"]
    return re.compile("|".join(parts), re.IGNORECASE) if parts else None


def _normalizer_is_safe(step: dict[str, Any]) -> bool:
    return step["type"] in CHARACTERWISE or (_pattern(step) in SPACE_PATTERNS and step["content"] == " ")


def _pattern(step: dict[str, Any]) -> str | None:
    pattern = step.get("pattern") if step["type"] == "Replace" else None
    return pattern.get("Regex") if isinstance(pattern, dict) else None


def _splits_at_spaces(description: dict[str, Any] | None) -> bool:
    steps = _steps(description, "pretokenizers")
    if not steps:
        return False
    kinds = [step["type"] for step in steps]
    metaspaces = [step for step in steps if step["type"] == "Metaspace"]
    if any(step.get("prepend_scheme") != "always" or not step.get("split", True) for step in metaspaces):
        return False
    return kinds in (
        ["Metaspace"],
        ["WhitespaceSplit"],
        ["WhitespaceSplit", "Metaspace"],
        ["Whitespace"],
        ["BertPreTokenizer"],
    )


def _steps(description: dict[str, Any] | None, inner: str) -> list[dict[str, Any]]:
    if description is None:
        return []
    if description["type"] == "Sequence":
        return [step for part in description[inner] for step in _steps(part, inner)]
    return [description]
