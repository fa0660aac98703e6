"""A bilingual toy encoder: "cat" and "gato" are one axis, "dog" and "perro" the other."""

from __future__ import annotations

import numpy as np

from interlingua.encoders.base import TextEncoder

AXES = {"cat": 0, "gato": 0, "dog": 1, "perro": 1}


class ToyEncoder(TextEncoder):
    name = "toy"
    revision = "1"
    native_dim = dim = 2

    def _weights_fingerprint(self):
        return "toy"

    def _encode(self, texts, prompt):
        vectors = np.zeros((len(texts), 2), np.float32)
        for i, text in enumerate(texts):
            for word in text.split():
                if word in AXES:
                    vectors[i, AXES[word]] += 1
        return vectors, np.zeros(len(texts), np.int64)


TOY = ToyEncoder()
