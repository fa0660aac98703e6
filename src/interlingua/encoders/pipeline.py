"""Long runs: rows of a file through an encoder, block by block, with a report of every row."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from interlingua.encoders.base import TextEncoder
from interlingua.files import Row
from interlingua.text import REPLACEMENT, clean
from interlingua.types import Encoder, EncodeReport
from interlingua.vectors import Vectors

BLOCK = 8192


def encode_rows(
    encoder: Encoder,
    rows: Sequence[Row],
    *,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Vectors, EncodeReport]:
    """The vector of each row's first text, and what happened to the rows.

    Args:
        encoder: any engine.
        rows: what `read_rows` gives; one that could not be read counts as failed.
        on_rows: called after each block with rows done and rows in all.

    Returns:
        Unit rows, float32 (len(rows), dim), zero where a row is empty or failed; and the report.
    """
    began = time.perf_counter()
    vectors = np.zeros((len(rows), encoder.dim), np.float32)
    cleaned = cut = 0
    for begin in range(0, len(rows), BLOCK):
        texts = [row.texts[0] for row in rows[begin : begin + BLOCK]]
        cleaned += sum(clean(text) is not text or REPLACEMENT in text for text in texts)
        if isinstance(encoder, TextEncoder):
            vectors[begin : begin + BLOCK], report = encoder.encode_with_report(
                texts, prompt=encoder.document_prompt
            )
            cut += report.cut
        else:
            vectors[begin : begin + BLOCK] = encoder.encode_documents(texts)
        on_rows(min(begin + BLOCK, len(rows)), len(rows))
    failed = sum(bool(row.problem) for row in rows)
    encoded = int(vectors.any(axis=1).sum())
    seconds = time.perf_counter() - began
    return vectors, EncodeReport(
        len(rows), encoded, len(rows) - encoded - failed, failed, cut, cleaned, seconds
    )
