"""One block of texts through any engine: what is known is not encoded again, and a bad row harms no other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from interlingua.encoders.base import TextEncoder
from interlingua.encoders.cache import VectorCache
from interlingua.errors import EngineDown, InputError, MissingExtra, ModelError, OutputError, RowError
from interlingua.types import Encoder, EncodeReport
from interlingua.vectors import Vectors, unit_rows

KINDS = ("text", "query", "document")
ON_ERROR = ("raise", "skip")
NOTHING = EncodeReport(0, 0, 0, 0, 0, 0, 0, 0, 0, seconds=0.0)


@dataclass(frozen=True)
class Block:
    """Texts encoded.

    Attributes:
        vectors: unit rows, float32 (n, dim), zero where a text is empty or failed.
        report: what happened to the rows.
        failures: why a text could not be encoded, by its row number in the block.
    """

    vectors: Vectors
    report: EncodeReport
    failures: dict[int, str]


def encode_block(
    encoder: Encoder,
    texts: Sequence[str],
    *,
    kind: str = "document",
    on_error: str = "raise",
    cache: VectorCache | None = None,
) -> Block:
    """Encode texts; where a batch fails, it is halved until the rows that fail stand alone.

    Args:
        encoder: any engine.
        texts: the rows.
        kind: what they are, which decides the prompt: "text", "query" or "document".
        on_error: "raise" stops at the first row that fails; "skip" gives it a row of zeros and goes on.
        cache: vectors kept on disk from earlier runs; only our own engines use one.

    Raises:
        InputError: an unknown `kind` or `on_error`.
        RowError: a row fails, under "raise": the first one that does.
        EngineDown: the engine fails as a whole.
        OutputError: the cache cannot be read or written.
    """
    check_choices(kind, on_error)
    failures: dict[int, str] = {}

    def encode(begin: int, end: int) -> list[tuple[Vectors, EncodeReport]]:
        try:
            return [_encode(encoder, texts[begin:end], kind, cache)]
        except (EngineDown, OutputError, ModelError, MissingExtra):
            raise
        except Exception as error:  # an engine may raise anything at a text it cannot take
            if end - begin > 1:
                middle = (begin + end) // 2
                return encode(begin, middle) + encode(middle, end)
            reason = str(error).strip() or type(error).__name__
            if on_error == "raise":
                raise RowError(begin, reason) from error
            failures[begin] = reason
            return [(np.zeros((1, encoder.dim), np.float32), replace(NOTHING, rows=1, failed=1))]

    if not len(texts):
        return Block(np.zeros((0, encoder.dim), np.float32), NOTHING, {})
    parts = encode(0, len(texts))
    vectors = parts[0][0] if len(parts) == 1 else np.concatenate([part for part, _ in parts])
    return Block(vectors, add_reports(*(report for _, report in parts)), failures)


def check_choices(kind: str, on_error: str) -> None:
    """Raises InputError where either is unknown."""
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}; it is one of {', '.join(KINDS)}.")
    if on_error not in ON_ERROR:
        raise InputError(f"on_error is {on_error!r}; it is one of {', '.join(ON_ERROR)}.")


def prompt_of(encoder: Encoder, kind: str) -> str:
    """What goes before texts of a kind; "" where the engine is not ours, and adds its own."""
    if not isinstance(encoder, TextEncoder):
        return ""
    return {"text": encoder.prompt, "query": encoder.query_prompt, "document": encoder.document_prompt}[kind]


def add_reports(*reports: EncodeReport) -> EncodeReport:
    """The sum of reports, field by field."""
    return EncodeReport(*(sum(getattr(r, f.name) for r in reports) for f in fields(EncodeReport)))


def _encode(
    encoder: Encoder, texts: Sequence[str], kind: str, cache: VectorCache | None
) -> tuple[Vectors, EncodeReport]:
    if isinstance(encoder, TextEncoder):
        return encoder.encode_with_report(texts, prompt=prompt_of(encoder, kind), cache=cache)
    began = time.perf_counter()
    encode = {"text": encoder.encode, "query": encoder.encode_query, "document": encoder.encode_documents}[
        kind
    ]
    places: dict[str, int] = {}
    at = [places.setdefault(text, len(places)) for text in texts]
    units = unit_rows(encode(list(places)))
    if units.shape != (len(places), encoder.dim):
        raise EngineDown(
            f"{encoder.name} gives vectors of shape {units.shape} for {len(places)} texts; "
            f"it must be ({len(places)}, {encoder.dim})."
        )
    vectors = units[at]
    encoded = int(vectors.any(axis=1).sum())
    report = replace(
        NOTHING,
        rows=len(texts),
        encoded=encoded,
        deduplicated=encoded - int(units.any(axis=1).sum()),
        empty=len(texts) - encoded,
        seconds=time.perf_counter() - began,
    )
    return vectors, report
