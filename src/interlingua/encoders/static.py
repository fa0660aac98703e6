"""Static models: one vector a piece, a text is their sum. NumPy and a tokenizer, nothing else.

Peers spend nearly all their time tokenising. A sum over pieces is a sum over words, so what a word
adds is remembered, and only words not seen before are tokenised.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from interlingua.encoders.additive import folds_white_space, is_word_additive, special_words
from interlingua.encoders.base import Lost, TextEncoder
from interlingua.encoders.static_folder import StaticTable, read_static_folder
from interlingua.vectors import Vectors

BATCH = 1024
ROWS_AT_ONCE = 16_384
SIDE_BY_SIDE = 64
WORDS_AT_ONCE = 256
LONGEST_WORD = 256


class StaticEncoder(TextEncoder):
    """A static model, loaded from a folder that model2vec or Sentence Transformers could load too.

    It reads texts of any length; nothing is ever cut.
    """

    block_rows = 8192

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
        self.native_dim = int(table.rows.shape[1])
        self.dim = self.native_dim
        self._table = table
        self._words_suffice = is_word_additive(table.description)
        self._folds_space = folds_white_space(table.description)
        self._special = special_words(table.description)
        self._slots: dict[str, int] = {}
        self._sums = np.empty(
            (remembered_words, self.native_dim), np.float32
        )  # untouched rows take no memory
        self._uses = np.zeros(remembered_words, np.float32)
        self._memory = threading.Lock()

    @classmethod
    def from_folder(cls, folder: Path, *, name: str | None = None, revision: str = "") -> StaticEncoder:
        """Load a model folder; its name is the folder's unless another is given.

        Raises:
            ModelError: no folder, no static model in it, or one cut short.
        """
        return cls(read_static_folder(folder), name=name or folder.resolve().name, revision=revision)

    @property
    def tokenizer(self) -> Tokenizer:
        """What cuts texts into pieces."""
        return self._table.tokenizer

    @property
    def folder(self) -> Path:
        """Where the model was read from."""
        return self._table.files[0].parent

    def piece_vectors(self) -> Vectors:
        """The vector of every piece, float32 (pieces, native_dim)."""
        return self._piece_vectors(np.arange(self._table.tokenizer.get_vocab_size()))

    def _weights_fingerprint(self) -> str:
        """SHA-256 over the folder's weights and tokenizer files, hexadecimal."""
        digest = hashlib.sha256()
        for file in self._table.files:
            digest.update(file.read_bytes())
        return digest.hexdigest()

    def _encode(self, texts: list[str], prompt: str) -> tuple[Vectors, Lost]:
        if prompt:
            texts = [prompt + text for text in texts]
        sums = np.empty((len(texts), self.native_dim), np.float32)
        for begin in range(0, len(texts), BATCH):
            batch = texts[begin : begin + BATCH]
            sums[begin : begin + BATCH] = self._sum_batch(batch)
        return sums, np.zeros(len(texts), np.int64)

    def _sum_batch(self, texts: list[str]) -> Vectors:
        if not self._words_suffice:
            return self._sum_whole(texts)
        words = [text.split() for text in texts]
        whole = self._not_by_words(texts, words)
        for i in whole:
            words[i] = []
        with self._memory:
            sums = self._sum_words(words)
        if whole:
            sums[whole] = self._sum_whole([texts[i] for i in whole])
        return sums

    def _not_by_words(self, texts: list[str], words: list[list[str]]) -> list[int]:
        """Texts whose pieces depend on more than their words, or with a word too long to remember."""
        whole = {
            i
            for i, text in enumerate(texts)
            if len(text) > LONGEST_WORD and max(map(len, words[i]), default=0) > LONGEST_WORD
        }
        if not self._folds_space:
            whole.update(i for i, text in enumerate(texts) if " ".join(words[i]) != text)
        if self._special is not None:
            whole.update(i for i, text in enumerate(texts) if self._special.search(text))
        return sorted(whole)

    def _sum_words(self, words: list[list[str]]) -> Vectors:
        counts = np.fromiter(map(len, words), np.int64, len(words))
        flat = list(chain.from_iterable(words))
        slots = self._slots_of(flat)
        if (slots < 0).any():
            if not self._learn(flat, slots):
                return self._sum_whole([" ".join(row) for row in words])
            slots = self._slots_of(flat)
        np.add.at(self._uses, slots, np.float32(1))  # a bare 1 is cast one by one, 40 times slower
        return _sum_groups(lambda at: self._sums[slots[at]], counts, self.native_dim)

    def _learn(self, words: list[str], slots: NDArray[np.int64]) -> bool:
        """Remember the words that have no slot yet; false if there is no room for all of them."""
        new = list(dict.fromkeys(words[i] for i in np.flatnonzero(slots < 0)))
        if len(self._slots) + len(new) > len(self._sums):
            self._forget()
            new = [word for word in dict.fromkeys(words) if word not in self._slots]
        if len(self._slots) + len(new) > len(self._sums):
            return False
        for begin in range(0, len(new), WORDS_AT_ONCE):
            self._remember(new[begin : begin + WORDS_AT_ONCE])
        return True

    def _forget(self) -> None:
        """Keep the half of the words that was used most, and halve what their use counts."""
        names = list(self._slots)
        kept = np.argsort(-self._uses[: len(names)], kind="stable")[: len(self._sums) // 2]
        self._sums[: len(kept)] = self._sums[kept]
        self._uses[: len(kept)] = self._uses[kept] / 2
        self._uses[len(kept) :] = 0
        self._slots = {names[i]: slot for slot, i in enumerate(kept)}

    def _slots_of(self, words: list[str]) -> NDArray[np.int64]:
        return np.fromiter(map(self._slots.get, words, repeat(-1)), np.int64, len(words))

    def _remember(self, words: list[str]) -> None:
        """Tokenise words together, which takes half the time of one by one, and keep their sums."""
        encoding = self._table.tokenizer.encode(" ".join(words), add_special_tokens=False)
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        starts = np.cumsum(lengths + 1) - lengths - 1
        # A piece may begin at the space before its word, but it never ends there.
        word_of = np.searchsorted(starts, [end for _, end in encoding.offsets], side="right") - 1
        counts = np.bincount(word_of, minlength=len(words))
        first, last = len(self._slots), len(self._slots) + len(words)
        self._sums[first:last] = self._sum_pieces(np.array(encoding.ids, np.int64), counts)
        self._slots.update(zip(words, range(first, last), strict=True))

    def _sum_whole(self, texts: list[str]) -> Vectors:
        """The sum of piece vectors of each text, through the tokenizer."""
        encodings = self._table.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        counts = np.fromiter(map(len, ids), np.int64, len(ids))
        return self._sum_pieces(np.fromiter(chain.from_iterable(ids), np.int64, int(counts.sum())), counts)

    def _sum_pieces(self, ids: NDArray[np.int64], counts: NDArray[np.int64]) -> Vectors:
        return _sum_groups(lambda at: self._piece_vectors(ids[at]), counts, self.native_dim)

    def _piece_vectors(self, ids: NDArray[np.int64]) -> Vectors:
        rows = ids if self._table.mapping is None else self._table.mapping[ids]
        vectors = self._table.rows[rows].astype(np.float32)
        if self._table.weights is not None:
            weights = self._table.weights[ids].astype(np.float32)
            groups = vectors.reshape(*weights.shape, self.native_dim // weights.shape[1])
            groups *= weights[:, :, None]
        if self._table.unknown is not None:
            vectors[ids == self._table.unknown] = 0
        return vectors


def _sum_groups(take: Callable[[NDArray[np.int64]], Vectors], counts: NDArray[np.int64], dim: int) -> Vectors:
    """Sum the first counts[0] rows, then the next counts[1], and so on: float32 (len(counts), dim).

    `take` gives the rows at any positions, so that they never all stand in memory at once. All groups
    are summed side by side, their first rows, then their second: NumPy's reduceat takes twenty times
    as long. Only what a long group has beyond its neighbours is summed by itself.
    """
    order = np.argsort(-counts, kind="stable")
    sizes = counts[order]
    starts = (np.cumsum(counts) - counts)[order]
    sums = np.zeros((len(counts), dim), np.float32)
    for column in range(min(int(sizes.max(initial=0)), SIDE_BY_SIDE)):
        filled = int(np.searchsorted(-sizes, -column))
        sums[:filled] += take(starts[:filled] + column)
    for i in range(int(np.searchsorted(-sizes, -SIDE_BY_SIDE))):
        end = starts[i] + sizes[i]
        for begin in range(starts[i] + SIDE_BY_SIDE, end, ROWS_AT_ONCE):
            sums[i] += take(np.arange(begin, min(begin + ROWS_AT_ONCE, end))).sum(axis=0)
    in_order = np.empty_like(sums)
    in_order[order] = sums
    return in_order
