"""A model's own tokenizer: texts to ids, cut at the model's length, the lost tokens counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, normalizers

from interlingua.encoders.model_folder import ModelFolder, read_json
from interlingua.errors import ModelError

Ids = NDArray[np.int64]
Inputs = dict[str, Ids]


class ModelTokenizer:
    """The tokenizer of a model folder.

    Attributes:
        max_tokens: where a text is cut, special tokens included; None where it is not.
    """

    def __init__(self, folder: ModelFolder) -> None:
        """Raises ModelError where tokenizer.json is missing or broken."""
        path = folder.transformer / "tokenizer.json"
        self.max_tokens = folder.max_tokens
        self._whole = _read(path, folder.lower_case)
        padding = self._whole.padding
        self._pad = _padding_id(self._whole, folder.transformer) if padding is None else padding["pad_id"]
        self._whole.no_padding()
        self._cut = Tokenizer.from_str(self._whole.to_str())
        if self.max_tokens is not None:
            self._cut.enable_truncation(self.max_tokens)

    def encode(self, texts: list[str]) -> tuple[list[list[int]], NDArray[np.int64]]:
        """The ids of each text, special ones included; and how many tokens each lost, int64 (n,)."""
        ids = [encoding.ids for encoding in self._whole.encode_batch_fast(texts)]
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        if self.max_tokens is None:
            return ids, np.zeros_like(lengths)
        lost = np.maximum(lengths - self.max_tokens, 0)
        for i in np.flatnonzero(lost):
            ids[i] = self._cut.encode(texts[i]).ids
        return ids, lost

    def prompt_tokens(self, prompt: str) -> int:
        """How many tokens a prompt has, without the special one that ends a text."""
        if not prompt:
            return 0
        encoding = self._whole.encode(prompt)
        return len(encoding.ids) - int(encoding.special_tokens_mask[-1])

    def pad(self, rows: list[list[int]]) -> Inputs:
        """input_ids, attention_mask and token_type_ids, int64 (n, longest), padded on the right."""
        longest = max(map(len, rows))
        ids = np.full((len(rows), longest), self._pad, np.int64)
        mask = np.zeros((len(rows), longest), np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _padding_id(tokenizer: Tokenizer, transformer: Path) -> int:
    config = transformer / "tokenizer_config.json"
    token: Any = read_json(config).get("pad_token") if config.is_file() else None
    name = token.get("content") if isinstance(token, dict) else token
    found = tokenizer.token_to_id(name) if name else None
    return 0 if found is None else int(found)


def _read(path: Path, lower_case: bool) -> Tokenizer:
    if not path.is_file():
        raise ModelError(
            f"{path} is missing; save the model with a fast tokenizer (transformers writes tokenizer.json)."
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers package raises bare Exception
        raise ModelError(
            f"{path} cannot be read ({error}); it is cut short, copy the model again."
        ) from error
    tokenizer.no_truncation()
    if lower_case:
        before = [tokenizer.normalizer] if tokenizer.normalizer is not None else []
        tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), *before])
    return tokenizer
