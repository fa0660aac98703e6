"""What every engine shares: checking, cleaning, prompts, the report. An engine adds one method."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from interlingua.text import check_texts, clean
from interlingua.types import EncodeReport
from interlingua.vectors import Vectors, unit_rows


class TextEncoder(ABC):
    """An engine: give it `name`, `revision`, `dim`, `fingerprint` and `_encode`."""

    name: str
    revision: str
    dim: int
    query_prompt: str = ""
    document_prompt: str = ""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes whenever the vectors would."""

    @abstractmethod
    def _encode(self, texts: list[str]) -> tuple[Vectors, int]:
        """Vectors of any length, float32 (len(texts), dim), of clean texts; and how many were cut."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit rows, float32 (len(texts), dim); a text without content gets a row of zeros.

        Raises:
            InputError: a bare string, or an item that is not a str.
        """
        return self.encode_with_report(texts)[0]

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """`encode`, with the model's prompt for questions before each text."""
        return self.encode_with_report(texts, prompt=self.query_prompt)[0]

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """`encode`, with the model's prompt for documents before each text."""
        return self.encode_with_report(texts, prompt=self.document_prompt)[0]

    def encode_with_report(self, texts: Sequence[str], *, prompt: str = "") -> tuple[Vectors, EncodeReport]:
        """`encode`, and what happened to the rows.

        Raises:
            InputError: a bare string, or an item that is not a str.
        """
        began = time.perf_counter()
        rows = check_texts(texts)
        cleaned = [clean(text) for text in rows]
        changed = sum(before is not after for before, after in zip(rows, cleaned, strict=True))
        filled = [i for i, text in enumerate(cleaned) if text and not text.isspace()]
        vectors = np.zeros((len(rows), self.dim), np.float32)
        cut = 0
        if len(filled) == len(rows):
            raw, cut = self._encode([prompt + text for text in cleaned] if prompt else cleaned)
            vectors = unit_rows(raw)
        elif filled:
            raw, cut = self._encode([prompt + cleaned[i] for i in filled])
            vectors[filled] = unit_rows(raw)
        empty = len(rows) - int(vectors.any(axis=1).sum())
        seconds = time.perf_counter() - began
        return vectors, EncodeReport(len(rows), len(rows) - empty, empty, 0, cut, changed, seconds)
