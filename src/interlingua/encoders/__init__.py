"""Encoders: one file an engine; `load_encoder` opens a model by name, folder or address."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from interlingua.encoders.base import TextEncoder
from interlingua.encoders.static import StaticEncoder
from interlingua.errors import InputError
from interlingua.text import check_texts
from interlingua.types import Encoder

log = logging.getLogger("interlingua")

EMBEDDED = "interlingua-embedded"
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"


def load_encoder(
    name_or_path: str | Path | None = None,
    *,
    engine: str | None = None,
    dtype: str | None = None,
    revision: str | None = None,
    truncate_dim: int | None = None,
    threads: int | None = None,
    batch_tokens: int | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
    languages: Sequence[str] = (),
) -> TextEncoder:
    """Open a model.

    Args:
        name_or_path: a model's folder; its name on the hub, or the short name that `interlingua models`
            lists; or the address of a server with its model, "http://localhost:8080/v1#NAME", its key, if
            it wants one, in the environment variable INTERLINGUA_API_KEY. Default: the embedded model,
            "interlingua-embedded", which needs no download.
        engine: "static", "onnx", "openvino", "torch" or "endpoint". Default: "endpoint" for an address,
            "static" for a static model, else "onnx", which needs no torch.
        dtype: "float32" or "int8" with onnx; "float32" or "bfloat16" with openvino; "float32", "float16" or
            "bfloat16" with torch. Default: "float32".
        revision: a commit, tag or branch on the hub; default: the one that the catalogue knows, else "main".
        truncate_dim: keep only the first columns, 1 to all, for models trained to allow it (Matryoshka).
        threads: with onnx, openvino, torch: CPU threads; default: all there are, with torch its own choice.
        batch_tokens: with these: how many tokens a batch may hold, padding included; default: 512 with onnx,
            1,024 with openvino, 8,192 with torch.
        device: with torch: "cpu" (default), "cuda", "mps".
        trust_remote_code: with torch: let code in the model's folder run.
        languages: codes of the languages that will be encoded; a warning names those that the catalogue
            does not have among the model's.

    Raises:
        InputError: an unknown engine or language code, or an option that the engine does not take.
        ModelError: no such model, nothing in it that the engine runs, or one cut short.
        MissingExtra: the engine is not installed; the message has the `pip install` that brings it.
        EngineDown: a server that does not answer.
    """
    from interlingua.encoders.loading import Options, open_encoder

    if languages:
        _warn_of_languages(str(name_or_path or EMBEDDED), check_texts(languages, "languages"))
    options = Options(revision, dtype, truncate_dim, threads, batch_tokens, device, trust_remote_code or None)
    if name_or_path is None or str(name_or_path).lower() == EMBEDDED:
        if revision is not None:
            raise InputError(f"{EMBEDDED} comes with this package and takes no revision.")
        if engine in (None, "static") and options == Options():
            return _embedded()
        encoder = open_encoder(EMBEDDED_FOLDER, engine or "static", options)
        encoder.name, encoder.revision = EMBEDDED, "1"
        return encoder
    return open_encoder(name_or_path, engine, options)


def chosen_encoder(encoder: Encoder | None) -> Encoder:
    """The encoder that was given, else the embedded model.

    Raises:
        InputError: a name in place of an encoder.
    """
    if isinstance(encoder, (str, Path)):
        raise InputError(
            f"encoder is the name {str(encoder)!r}; open it with load_encoder({str(encoder)!r})."
        )
    return encoder or load_encoder()


def _warn_of_languages(name: str, languages: list[str]) -> None:
    from interlingua.encoders.catalog import find_in_catalog

    entry = find_in_catalog(name)
    missing = [language for language in languages if entry is not None and not entry.covers(language)]
    if missing:
        log.warning(
            "%s was not trained on %s; `interlingua models --language CODE` lists models that were.",
            name,
            ", ".join(missing),
        )


@cache
def _embedded() -> StaticEncoder:
    return StaticEncoder.from_folder(EMBEDDED_FOLDER, name=EMBEDDED, revision="1")
