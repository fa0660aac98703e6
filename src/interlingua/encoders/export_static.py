"""A static model in the layout that model2vec and Sentence Transformers load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interlingua.encoders.export import Check, check_count, compare
from interlingua.encoders.static import StaticEncoder
from interlingua.encoders.static_folder import write_static_folder


def export_static(source: StaticEncoder, target: Path, texts: Sequence[str], *, int8: bool = False) -> Check:
    """Write a static model as the folder that model2vec and Sentence Transformers load, and check it.

    Args:
        source: a static model, the embedded one or another.
        target: a folder, made anew.
        texts: at least 10 of the kind that will be encoded.
        int8: store rows as int8 in place of float32, a quarter of the bytes.

    Raises:
        InputError: fewer than 10 texts.
        OutputError: the folder cannot be written.
    """
    check_count(texts)
    rows = "int8" if int8 else "float32"
    write_static_folder(
        target, source.tokenizer, source.piece_vectors(), card=_static_card(source, rows), rows=rows
    )
    return compare(StaticEncoder.from_folder(target).encode(texts), source.encode(texts))


def _static_card(source: StaticEncoder, rows: str) -> str:
    """What the folder is, and below it the card of the model that it was made from."""
    card = source.folder / "README.md"
    original = card.read_text(encoding="utf-8") if card.is_file() else ""
    if original.startswith("---\n"):
        original = f"{original}\n".split("---\n", 2)[-1]
    return f"""---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
tags: [static-embeddings, model2vec]
---

# {source.name}, as model2vec and Sentence Transformers load it

Written by `interlingua export`; its rows are {rows}. What follows is the card of the original, whose
bytes and layout are other ones.

{original}"""
