"""The known models as data: what they are called, what they cover, what they need before a text."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from interlingua.errors import ModelError
from interlingua.languages import normalize_language, same_language

DATA = Path(__file__).with_name("catalog.json")


@dataclass(frozen=True)
class CatalogEntry:
    """A published model.

    Attributes:
        name: the short name; `hub` is the full one, `revision` the commit that these facts are of.
        kind: "static" or "transformer".
        speed: "static" (tens of thousands of rows a second on a CPU core), "small" (hundreds),
            "base" (tens), "large" (a few).
        dim: columns; `matryoshka` are the shorter widths it was trained to be cut to.
        max_tokens: the longest input, None where there is no limit.
        megabytes: of its weights in float32.
        prompt, query_prompt, document_prompt: what goes before a text at all times, before a question,
            before a document.
        remote_code: whether it runs code of its own from the hub.
        onnx: whether its hub page carries an ONNX file.
        languages: BCP 47 tags that it was trained on.
        sources, doubts: where the facts were read, and what was not certain there.
    """

    name: str
    hub: str
    revision: str
    kind: str
    speed: str
    dim: int
    max_tokens: int | None
    parameters: int
    megabytes: int
    licence: str
    prompt: str
    query_prompt: str
    document_prompt: str
    matryoshka: tuple[int, ...]
    remote_code: bool
    onnx: bool
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    doubts: str

    def covers(self, language: str) -> bool:
        """Whether it was trained on a language, given as any code that `normalize_language` takes."""
        tag = normalize_language(language)
        return any(same_language(tag, normalize_language(own)) for own in self.languages)


@cache
def catalog() -> tuple[CatalogEntry, ...]:
    """Every known model, in the order of the data file."""
    entries: list[dict[str, Any]] = json.loads(DATA.read_text(encoding="utf-8"))
    return tuple(CatalogEntry(**{key: _frozen(value) for key, value in entry.items()}) for entry in entries)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def find_in_catalog(name: str) -> CatalogEntry | None:
    """The entry of a short name or a hub name, whatever its case."""
    wanted = name.lower()
    return next((e for e in catalog() if wanted in (e.name.lower(), e.hub.lower())), None)


def hub_name(name: str) -> str:
    """The full name on the hub; one with an owner stays as it is.

    Raises:
        ModelError: a short name that the catalogue does not have; near ones are named.
    """
    entry = find_in_catalog(name)
    if entry is not None:
        return entry.hub
    if "/" in name:
        return name
    near = difflib.get_close_matches(name.lower(), [e.name.lower() for e in catalog()], 3, 0.5)
    names = [e.name for e in catalog() if e.name.lower() in near]
    raise ModelError(
        f"{name!r} is neither a folder nor a known model{'; near it: ' if names else ''}{', '.join(names)}. "
        "`interlingua models` lists all; any other hub name needs its owner: 'org/model'."
    )
