"""Texts as flat arrays of piece ids, so that a batch of bags is cut out without a Python loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from interlingua.vectors import Vectors, unit_rows

CHARACTERS_PER_TOKEN = 8
BLOCK = 20_000


@dataclass(frozen=True)
class TokenRows:
    """Row i holds `ids[offsets[i]:offsets[i + 1]]`."""

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1


def tokenise(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    *,
    max_tokens: int,
    on_rows: Callable[[int], None] = lambda count: None,
) -> TokenRows:
    """Piece ids of every text, cut at `max_tokens`."""
    lengths = np.zeros(len(texts), np.int64)
    parts: list[NDArray[np.int32]] = []
    for begin in range(0, len(texts), BLOCK):
        block = [text[: max_tokens * CHARACTERS_PER_TOKEN] for text in texts[begin : begin + BLOCK]]
        ids = [e.ids[:max_tokens] for e in tokenizer.encode_batch_fast(block, add_special_tokens=False)]
        lengths[begin : begin + len(ids)] = [len(row) for row in ids]
        parts.append(np.fromiter((piece for row in ids for piece in row), np.int32))
        on_rows(len(block))
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return TokenRows(np.concatenate(parts) if parts else np.zeros(0, np.int32), offsets)


def cut_bags(rows: TokenRows, chosen: NDArray[np.int64]) -> TokenRows:
    """The chosen rows, in the order given, as token rows of their own."""
    begin = rows.offsets[chosen]
    lengths = rows.offsets[chosen + 1] - begin
    offsets = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    positions = np.repeat(begin - offsets[:-1], lengths) + np.arange(offsets[-1])
    return TokenRows(rows.ids[positions], offsets)


def join_bags(first: TokenRows, second: TokenRows) -> TokenRows:
    """The rows of `first`, then the rows of `second`."""
    return TokenRows(
        np.concatenate([first.ids, second.ids]),
        np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
    )


def bag_vectors(table: Vectors, bags: TokenRows) -> Vectors:
    """The sum of each bag's pieces at length 1, float32 (len(bags), dim)."""
    import torch

    sums = torch.nn.functional.embedding_bag(
        torch.from_numpy(bags.ids.astype(np.int64)),
        torch.from_numpy(table),
        torch.from_numpy(bags.offsets[:-1]),
        mode="sum",
    )
    return unit_rows(sums.numpy())
