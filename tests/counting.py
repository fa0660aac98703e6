"""An engine whose work can be counted, and that fails on demand."""

from __future__ import annotations

import numpy as np

from interlingua.encoders.base import TextEncoder
from interlingua.errors import EngineDown
from interlingua.files import Row

TEXTS = ["one", "two", "one", "three", "", "two", "two", "seven and more", "one", "x", "nan", "y", "x"]


class Lengths(TextEncoder):
    """A text's vector is its length and 1: an engine whose work can be counted, and that fails on demand."""

    name, revision, native_dim, dim, block_rows = "lengths", "", 2, 2, 4

    def __init__(self):
        self.seen = []

    def _weights_fingerprint(self):
        return "lengths"

    def _encode(self, texts, prompt):
        self.seen += texts
        if any("bomb" in text for text in texts):
            raise RuntimeError("Non-zero status code: invalid token")
        if any("down" in text for text in texts):
            raise EngineDown("the server is away")
        rows = np.array([[np.nan if "nan" in text else len(prompt + text), 1] for text in texts], np.float32)
        return rows, np.zeros(len(texts), np.int64)


def rows_of(texts):
    return [Row(i + 1, (text,), {}) for i, text in enumerate(texts)]
