"""Encoders: one file an engine; `load_encoder` opens a model by name or folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from interlingua.encoders.static import StaticEncoder
from interlingua.errors import ModelError
from interlingua.types import Encoder

EMBEDDED = "interlingua-embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"


def load_encoder(name_or_path: str | Path | None = None) -> Encoder:
    """Open a model.

    Args:
        name_or_path: a static model's folder, as model2vec or Sentence Transformers write it;
            default: the embedded model, "interlingua-embedded", which needs no download.

    Raises:
        ModelError: no such model, no model in the folder, or one cut short.
    """
    if name_or_path is None or name_or_path == EMBEDDED:
        return _embedded()
    path = Path(name_or_path)
    if not path.exists():
        raise ModelError(
            f"{str(name_or_path)!r} is neither a model folder nor a model name; "
            f"give a folder, or {EMBEDDED!r}."
        )
    return StaticEncoder.from_folder(path)


@cache
def _embedded() -> StaticEncoder:
    return StaticEncoder.from_folder(EMBEDDED_FOLDER, name=EMBEDDED, revision="1")
