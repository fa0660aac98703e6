"""The nouns that rooms hand to each other. Nothing here computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@runtime_checkable
class Encoder(Protocol):
    """Texts in, unit rows out: every engine, ours or a user's own, looks like this.

    Attributes:
        name: what the model is called.
        revision: which version of it, "" where it has none.
        dim: columns of its vectors.
        fingerprint: changes whenever the vectors would, so that stored ones are never mixed with others.
    """

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows, float32 (len(texts), dim); a text without content gets a row of zeros."""
        ...

    def encode_query(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same for questions, with the model's prompt for them, if it has one."""
        ...

    def encode_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The same for what is searched, with the model's prompt for it, if it has one."""
        ...


@dataclass(frozen=True)
class EncodeReport:
    """What happened to the rows of one run. What was cut or cleaned is counted once for equal texts.

    Attributes:
        rows: rows given; each is counted once in `encoded`, `empty` or `failed`.
        encoded: rows that got a unit vector.
        deduplicated: rows whose text stood in an earlier row, so that it was not encoded again.
        cached: different texts whose vectors a cache held from an earlier run.
        empty: rows without content, or with none that the model knows; their vectors are zero.
        failed: rows that could not be read or encoded; their vectors are zero.
        cut: encoded rows longer than the model reads.
        cut_tokens: how many tokens those rows lost.
        cleaned: rows that cleaning changed (NFC, control characters) or that hold U+FFFD for bad bytes.
        seconds: wall time.
    """

    rows: int
    encoded: int
    deduplicated: int
    cached: int
    empty: int
    failed: int
    cut: int
    cut_tokens: int
    cleaned: int
    seconds: float


@dataclass(frozen=True)
class Hit:
    """A text found: its row in the corpus, counted from 0, its cosine in [-1, 1], the text."""

    row: int
    score: float
    text: str


@dataclass(frozen=True)
class LanguageGuess:
    """A language as a BCP 47 tag ("und" where nothing speaks for any), and its probability in [0, 1]."""

    language: str
    probability: float
