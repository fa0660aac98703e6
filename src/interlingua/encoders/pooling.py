"""From token vectors to one vector a text: pooling, and the small layers that follow it, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlingua.vectors import Vectors

POOLING_MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def pool(
    tokens: NDArray[np.float32],
    mask: NDArray[np.int64],
    modes: Sequence[str],
    *,
    skipped: int = 0,
) -> Vectors:
    """Pool as Sentence Transformers' `Pooling` does; several modes are joined side by side.

    Args:
        tokens: float32 (n, length, dim), padded on the right.
        mask: 1 where a token is no padding, int64 (n, length).
        modes: some of POOLING_MODES; "weightedmean" weighs a token by its position (Muennighoff 2022, SGPT).
        skipped: first tokens, those of a prompt, that are left out of the pool.

    Returns:
        float32 (n, dim * len(modes)).
    """
    kept = mask.copy()
    kept[:, :skipped] = 0
    return np.concatenate([_pool_by(mode, tokens, kept) for mode in modes], axis=1)


def _pool_by(mode: str, tokens: NDArray[np.float32], mask: NDArray[np.int64]) -> Vectors:
    rows = np.arange(len(tokens))
    if mode == "cls":
        return np.asarray(tokens[rows, mask.argmax(axis=1)])
    if mode == "lasttoken":
        last = mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1)
        return np.asarray(tokens[rows, last])
    if mode == "max":
        return np.asarray(np.where(mask[:, :, None] > 0, tokens, -np.inf).max(axis=1), np.float32)
    weights = mask.astype(np.float32)
    if mode == "weightedmean":
        weights *= np.arange(1, mask.shape[1] + 1, dtype=np.float32)
    sums = np.matmul(weights[:, None, :], tokens)[:, 0]
    totals = np.maximum(weights.sum(axis=1, keepdims=True), np.float32(1e-9))
    return np.asarray(sums / (np.sqrt(totals) if mode == "mean_sqrt_len_tokens" else totals), np.float32)


def _gelu(x: Vectors) -> Vectors:
    from math import erf

    return np.asarray(x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))), np.float32)


ACTIVATIONS: dict[str, Callable[[Vectors], Vectors]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: np.asarray(1 / (1 + np.exp(-x)), np.float32),
    "GELU": _gelu,
}


@dataclass(frozen=True)
class Dense:
    """A linear layer: `activation(x @ weight.T + bias)`, plus x where it is `residual`.

    weight is float32 (out, in), bias float32 (out,), activation one of ACTIVATIONS.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    activation: str
    residual: NDArray[np.float32] | None = None

    def __call__(self, x: Vectors) -> Vectors:
        """float32 (n, in) to float32 (n, out)."""
        out = ACTIVATIONS[self.activation](x @ self.weight.T + self.bias)
        return out if self.residual is None else out + x @ self.residual.T


def normalize(x: Vectors) -> Vectors:
    """Rows at length 1, in the middle of a model: torch's `normalize`, where 1e-12 guards zero."""
    lengths = np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.asarray(x / lengths, np.float32)
