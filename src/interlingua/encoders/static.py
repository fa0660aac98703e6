"""Static models: one vector a piece, a text is their sum. NumPy and a tokenizer, nothing else.

Peers spend nearly all their time tokenising. A sum over pieces is a sum over words, so what a word
adds is remembered, and only words not seen before are tokenised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.additive import folds_white_space, is_word_additive, special_words
from interlingua.encoders.base import TextEncoder
from interlingua.encoders.static_folder import StaticTable, read_static_folder
from interlingua.vectors import Vectors

BATCH = 1024
ROWS_AT_ONCE = 16_384
LONGEST_REMEMBERED = 24


class StaticEncoder(TextEncoder):
    """A static model, loaded from a folder that model2vec or Sentence Transformers could load too.

    It reads texts of any length; nothing is ever cut.
    """

    def __init__(
        self, table: StaticTable, *, name: str, revision: str = "", remembered_words: int = 131_072
    ) -> None:
        """
        Args:
            table: what `read_static_folder` gives.
            name, revision: kept with everything that is stored.
            remembered_words: most words whose sums are kept, each `4 * dim` bytes once it is used.
        """
        self.name = name
        self.revision = revision
        self.dim = int(table.rows.shape[1])
        self._table = table
        self._words_suffice = is_word_additive(table.tokenizer)
        self._folds_space = folds_white_space(table.tokenizer)
        self._special = special_words(table.tokenizer)
        self._slots: dict[str, int] = {}
        self._sums = np.empty((remembered_words if self._words_suffice else 0, self.dim), np.float32)

    @classmethod
    def from_folder(cls, folder: Path, *, name: str | None = None, revision: str = "") -> StaticEncoder:
        """Load a model folder; its name is the folder's unless another is given.

        Raises:
            ModelError: no folder, no static model in it, or one cut short.
        """
        return cls(read_static_folder(folder), name=name or folder.resolve().name, revision=revision)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the folder's weights and tokenizer files, hexadecimal."""
        digest = hashlib.sha256()
        for file in self._table.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _encode(self, texts: list[str]) -> tuple[Vectors, int]:
        sums = np.empty((len(texts), self.dim), np.float32)
        for begin in range(0, len(texts), BATCH):
            batch = texts[begin : begin + BATCH]
            sums[begin : begin + BATCH] = self._sum_batch(batch)
        return sums, 0

    def _sum_batch(self, texts: list[str]) -> Vectors:
        if not self._words_suffice:
            return self._sum_whole(texts)
        words = [text.split() for text in texts]
        whole = self._not_by_words(texts, words)
        for i in whole:
            words[i] = []
        sums = self._sum_words(words)
        if whole:
            sums[whole] = self._sum_whole([texts[i] for i in whole])
        return sums

    def _not_by_words(self, texts: list[str], words: list[list[str]]) -> list[int]:
        """Texts whose pieces depend on more than their words."""
        whole: set[int] = set()
        if not self._folds_space:
            whole.update(i for i, text in enumerate(texts) if " ".join(words[i]) != text)
        if self._special is not None:
            whole.update(i for i, text in enumerate(texts) if self._special.search(text))
        return sorted(whole)

    def _sum_words(self, words: list[list[str]]) -> Vectors:
        counts = np.fromiter(map(len, words), np.int64, len(words))
        flat = list(chain.from_iterable(words))
        slots = np.fromiter(map(self._slots.get, flat, repeat(-1)), np.int64, len(flat))
        unknown = np.flatnonzero(slots < 0)
        if not len(unknown):
            return _sum_groups(lambda part: self._sums[slots[part]], counts, self.dim)
        new = list(dict.fromkeys(flat[i] for i in unknown))
        new_sums = self._sum_whole(new)
        number = dict(zip(new, range(len(new)), strict=True))
        slots[unknown] = [-1 - number[flat[i]] for i in unknown]

        def take(part: slice) -> Vectors:
            chosen = slots[part]
            known = chosen >= 0
            rows = np.empty((len(chosen), self.dim), np.float32)
            rows[known] = self._sums[chosen[known]]
            rows[~known] = new_sums[-1 - chosen[~known]]
            return rows

        sums = _sum_groups(take, counts, self.dim)
        self._remember(new, new_sums)
        return sums

    def _remember(self, words: list[str], sums: Vectors) -> None:
        keep = [i for i, word in enumerate(words) if len(word) <= LONGEST_REMEMBERED][: len(self._sums)]
        if len(self._slots) + len(keep) > len(self._sums):
            self._slots.clear()
        begin = len(self._slots)
        self._sums[begin : begin + len(keep)] = sums[keep]
        self._slots.update(zip([words[i] for i in keep], range(begin, begin + len(keep)), strict=True))

    def _sum_whole(self, texts: list[str]) -> Vectors:
        """The sum of piece vectors of each text, through the tokenizer."""
        encodings = self._table.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        if self._table.unknown is not None:
            ids = [[piece for piece in row if piece != self._table.unknown] for row in ids]
        counts = np.fromiter(map(len, ids), np.int64, len(ids))
        flat = np.fromiter(chain.from_iterable(ids), np.int64, int(counts.sum()))
        return _sum_groups(lambda part: self._piece_vectors(flat[part]), counts, self.dim)

    def _piece_vectors(self, ids: NDArray[np.int64]) -> Vectors:
        rows = ids if self._table.mapping is None else self._table.mapping[ids]
        vectors = self._table.rows[rows].astype(np.float32)
        if self._table.weights is not None:
            vectors *= self._table.weights[ids, None].astype(np.float32)
        return vectors


def _sum_groups(take: Callable[[slice], Vectors], counts: NDArray[np.int64], dim: int) -> Vectors:
    """Sum the first counts[0] rows, then the next counts[1], and so on: float32 (len(counts), dim).

    `take` gives any slice of the rows, so that they never all stand in memory at once.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    sums = np.zeros((len(counts), dim), np.float32)
    for begin in range(0, len(owner), ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        starts = np.flatnonzero(np.diff(owner[part], prepend=-1))
        sums[owner[part][starts]] += np.add.reduceat(take(part), starts, axis=0)
    return sums
