"""What every engine shares: checking, cleaning, prompts, the report. An engine adds two methods."""

from __future__ import annotations

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import EngineError, InputError, InterlinguaError, first_line
from interlingua.text import REPLACEMENT, check_texts, clean
from interlingua.types import EncodeReport
from interlingua.vectors import Vectors, unit_rows

if TYPE_CHECKING:
    from interlingua.encoders.cache import VectorCache

Lost = NDArray[np.int64]
BLOCK_ROWS = 1024


class TextEncoder(ABC):
    """An engine: give it `name`, `revision`, `dim`, `_encode` and `_weights_fingerprint`.

    Attributes:
        prompt: what `encode` puts before each text; `query_prompt` and `document_prompt` are what the
            other two put there.
        block_rows: how many rows a long run hands over at a time.
        native_dim: the columns that `_encode` gives; `dim` is smaller where the model is truncated.
    """

    name: str
    revision: str
    dim: int
    native_dim: int
    block_rows: int = BLOCK_ROWS
    prompt: str = ""
    query_prompt: str = ""
    document_prompt: str = ""

    @abstractmethod
    def _encode(self, texts: list[str], prompt: str) -> tuple[Vectors, Lost]:
        """Vectors of any length, float32 (len(texts), native_dim), and the tokens each text lost, int64.

        The texts are clean, different from each other and have content; `prompt` goes before each.
        """

    @abstractmethod
    def _weights_fingerprint(self) -> str:
        """Changes whenever the vectors of `_encode` would."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the vectors would: with the weights, the prompts, the columns kept."""
        prompts = "\0".join((self.prompt, self.query_prompt, self.document_prompt))
        told = f"/{hashlib.sha256(prompts.encode()).hexdigest()[:16]}" if prompts.strip("\0") else ""
        return self.fingerprint_without_prompts + told

    @cached_property
    def fingerprint_without_prompts(self) -> str:
        """Changes whenever the vectors of a text with its prompt before it would."""
        return self._weights_fingerprint() + ("" if self.dim == self.native_dim else f"/{self.dim}")

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit rows, float32 (len(texts), dim); a text without content gets a row of zeros.

        Raises:
            InputError: a bare string, or an item that is not a str.
            EngineError: the engine fails.
        """
        return self.encode_with_report(texts)[0]

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """`encode`, with the model's prompt for questions before each text."""
        return self.encode_with_report(texts, prompt=self.query_prompt)[0]

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """`encode`, with the model's prompt for documents before each text."""
        return self.encode_with_report(texts, prompt=self.document_prompt)[0]

    def encode_with_report(
        self, texts: Sequence[str], *, prompt: str | None = None, cache: VectorCache | None = None
    ) -> tuple[Vectors, EncodeReport]:
        """`encode`, and what happened to the rows. Equal texts are encoded once, those in `cache` not at all.

        Raises:
            InputError: a bare string, or an item that is not a str.
            EngineError: the engine fails.
        """
        began = time.perf_counter()
        rows = check_texts(texts)
        places: dict[str, int] = {}
        at = [places.setdefault(text, len(places)) for text in rows]
        cleaned = [clean(text) for text in places]
        changed = sum(
            before is not after or REPLACEMENT in after for before, after in zip(places, cleaned, strict=True)
        )
        filled = [i for i, text in enumerate(cleaned) if text and not text.isspace()]
        units, lost, cached = np.zeros((len(places), self.dim), np.float32), np.zeros(0, np.int64), 0
        if filled:
            whole = len(filled) == len(cleaned)
            wanted = cleaned if whole else [cleaned[i] for i in filled]
            prompt = self.prompt if prompt is None else prompt
            if cache is None:
                rows_of_unit_length, lost = self.encode_clean(wanted, prompt)
            else:
                rows_of_unit_length, lost, cached = cache.encode(self, wanted, prompt)
            if whole:
                units = rows_of_unit_length
            else:
                units[filled] = rows_of_unit_length
        found: NDArray[np.bool_] = np.any(units, axis=1)
        all_different = len(places) == len(rows)
        vectors = units if all_different else units[at]
        encoded = int(np.count_nonzero(found if all_different else found[at]))
        report = EncodeReport(
            rows=len(rows),
            encoded=encoded,
            deduplicated=encoded - int(np.count_nonzero(found)),
            cached=cached,
            empty=len(rows) - encoded,
            failed=0,
            cut=int((lost > 0).sum()),
            cut_tokens=int(lost.sum()),
            cleaned=changed,
            seconds=time.perf_counter() - began,
        )
        return vectors, report

    def encode_clean(self, texts: list[str], prompt: str) -> tuple[Vectors, Lost]:
        """Unit rows, float32 (n, dim), of clean texts with content, and the tokens each lost, int64 (n,).

        Raises:
            EngineError: the engine fails, or gives NaN or an infinite value.
        """
        try:
            raw, lost = self._encode(texts, prompt)
        except InterlinguaError:
            raise
        except Exception as error:  # each engine has errors of its own
            raise EngineError(f"{self.name} fails on these texts: {first_line(error)}") from error
        try:
            return unit_rows(raw[:, : self.dim]), lost
        except InputError as error:
            raise EngineError("The engine gives NaN or an infinite value.") from error


def truncated_dim(native_dim: int, truncate_dim: int | None) -> int:
    """How many of a model's columns are kept (Kusupati et al. 2022, Matryoshka: the first ones).

    Raises:
        InputError: below 1, or more than there are.
    """
    if truncate_dim is None:
        return native_dim
    if not isinstance(truncate_dim, int) or not 1 <= truncate_dim <= native_dim:
        raise InputError(f"truncate_dim is {truncate_dim!r}; this model takes 1 to {native_dim}.")
    return truncate_dim
