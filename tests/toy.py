"""A bilingual toy encoder: "cat" and "gato" are one axis, "dog" and "perro" the other."""

from __future__ import annotations

import numpy as np

from interlingua.encoders.base import TextEncoder

AXES = {"cat": 0, "gato": 0, "dog": 1, "perro": 1}


class ToyEncoder(TextEncoder):
    name = "toy"
    revision = "1"
    dim = 2
    fingerprint = "toy"

    def _encode(self, texts):
        vectors = np.zeros((len(texts), 2), np.float32)
        for i, text in enumerate(texts):
            for word in text.split():
                if word in AXES:
                    vectors[i, AXES[word]] += 1
        return vectors, 0


TOY = ToyEncoder()
