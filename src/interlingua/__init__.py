"""Text of any language in one vector space: encode, search and score, offline, without translating."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from interlingua.encoders import load_encoder as load_encoder
    from interlingua.encoders.output import encode_to_file as encode_to_file
    from interlingua.errors import InterlinguaError as InterlinguaError
    from interlingua.files import read_rows as read_rows
    from interlingua.languages import identify_languages as identify_languages
    from interlingua.languages import normalize_language as normalize_language
    from interlingua.tasks.search import search as search
    from interlingua.tasks.similarity import similarity as similarity
    from interlingua.tasks.similarity import similarity_pairwise as similarity_pairwise
    from interlingua.types import Encoder as Encoder
    from interlingua.types import EncodeReport as EncodeReport
    from interlingua.types import Hit as Hit
    from interlingua.vectors import top_k as top_k
    from interlingua.vectors import unit_rows as unit_rows

PUBLIC = {
    "load_encoder": "encoders",
    "encode_to_file": "encoders.output",
    "search": "tasks.search",
    "similarity": "tasks.similarity",
    "similarity_pairwise": "tasks.similarity",
    "identify_languages": "languages",
    "normalize_language": "languages",
    "read_rows": "files",
    "top_k": "vectors",
    "unit_rows": "vectors",
    "Encoder": "types",
    "EncodeReport": "types",
    "Hit": "types",
    "InterlinguaError": "errors",
}

__all__ = ["__version__", *PUBLIC]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in PUBLIC:
        return getattr(import_module(f"interlingua.{PUBLIC[name]}"), name)
    raise AttributeError(f"module 'interlingua' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
