"""Transformers without torch: tokenizer, batches by tokens, pooling, layers; an engine runs the graph."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.base import Lost, TextEncoder, truncated_dim
from interlingua.encoders.batching import TokenBudget, run_batches
from interlingua.encoders.model_folder import ModelFolder
from interlingua.encoders.pooling import pool
from interlingua.encoders.tokens import Inputs, ModelTokenizer
from interlingua.errors import InputError, ModelError, first_line
from interlingua.vectors import Vectors

TOKENISE_AT_ONCE = 4096


@dataclass(frozen=True)
class Graph:
    """A transformer's graph, opened by an engine.

    Attributes:
        file: what was opened.
        run: token vectors, float32 (n, length, width), or vectors that the graph pooled, float32 (n, width).
        workers: how many batches run at a time.
        batch_tokens: how many tokens a batch may hold unless told otherwise.
        arithmetic: what beside the file decides the vectors, such as "bfloat16".
    """

    file: Path
    run: Callable[[Inputs], NDArray[np.float32]]
    workers: int
    batch_tokens: int
    arithmetic: str = ""


class TransformerEncoder(TextEncoder):
    """A transformer in a Sentence Transformers folder, its graph run by an engine."""

    def __init__(
        self,
        folder: ModelFolder,
        graph: Graph,
        *,
        name: str,
        revision: str = "",
        truncate_dim: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        """
        Args:
            folder: what `read_model_folder` gives.
            graph: what an engine opened.
            name, revision: kept with everything that is stored.
            truncate_dim: keep only the first columns, for models trained to allow it.
            batch_tokens: how many tokens a batch may hold, padding included. Small batches stay in the
                processor's cache and hold little padding; default: what suits the engine.
        """
        batch_tokens = graph.batch_tokens if batch_tokens is None else batch_tokens
        if batch_tokens < 1:
            raise InputError(f"batch_tokens is {batch_tokens}; give at least 1.")
        self.name = name
        self.revision = revision
        self.prompt, self.query_prompt, self.document_prompt = (
            folder.prompts.any,
            folder.prompts.query,
            folder.prompts.document,
        )
        self.budget = TokenBudget(batch_tokens)
        self._folder = folder
        self._graph = graph
        self._tokenizer = ModelTokenizer(folder)
        inputs, output = self._first_run()
        try:
            self.native_dim = self._pool(inputs, output, 0).shape[1]
        except ValueError as error:
            raise ModelError(
                f"The layers of {folder.path} do not fit its transformer ({first_line(error)}); "
                "copy it again."
            ) from error
        self.dim = truncated_dim(self.native_dim, truncate_dim)

    @property
    def max_tokens(self) -> int | None:
        """Where a text is cut, special tokens included; None where it is not."""
        return self._tokenizer.max_tokens

    def _encode(self, texts: list[str], prompt: str) -> tuple[Vectors, Lost]:
        ids: list[list[int]] = []
        lost = np.zeros(len(texts), np.int64)
        for begin in range(0, len(texts), TOKENISE_AT_ONCE):
            block = texts[begin : begin + TOKENISE_AT_ONCE]
            some, lost[begin : begin + len(block)] = self._tokenizer.encode(
                [prompt + text for text in block] if prompt else block
            )
            ids += some
        skipped = 0 if self._folder.include_prompt else self._tokenizer.prompt_tokens(prompt)
        vectors = np.empty((len(texts), self.native_dim), np.float32)

        def run(rows: NDArray[np.int64]) -> Vectors:
            inputs = self._tokenizer.pad([ids[i] for i in rows])
            return self._pool(inputs, self._graph.run(inputs), skipped)

        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        run_batches(lengths, self.budget, run, vectors, workers=self._graph.workers)
        return vectors, lost

    def _first_run(self) -> tuple[Inputs, NDArray[np.float32]]:
        ids, _ = self._tokenizer.encode(["a"])
        if not ids[0]:
            raise ModelError(f"The tokenizer of {self._folder.path} gives no tokens; copy the model again.")
        inputs = self._tokenizer.pad(ids)
        try:
            return inputs, self._graph.run(inputs)
        except Exception as error:  # each engine has errors of its own
            raise ModelError(
                f"{self._graph.file} does not run on the tokens of its folder ({first_line(error)}); "
                "copy the model again."
            ) from error

    def _pool(self, inputs: Inputs, output: NDArray[np.float32], skipped: int) -> Vectors:
        if output.ndim == 2:  # the graph has all modules inside
            return output
        vectors = pool(output, inputs["attention_mask"], self._folder.pooling, skipped=skipped)
        for layer in self._folder.layers:
            vectors = layer(vectors)
        return vectors

    def _weights_fingerprint(self) -> str:
        """SHA-256 over the graph, the tokenizer and the configuration around them, hexadecimal."""
        digest = hashlib.sha256(self._graph.arithmetic.encode())
        root = self._folder.path
        around = [*root.glob("*.json"), *root.glob("[0-9]_*/*"), self._folder.transformer / "tokenizer.json"]
        inside = self._graph.file.parent
        around += (
            inside.glob("*_data") if inside == root else (f for f in inside.iterdir() if f.suffix != ".onnx")
        )
        plain = {file for file in around if file.is_file() and not file.name.startswith(".")}
        for file in [self._graph.file, *sorted(plain)]:
            with file.open("rb") as stream:
                while block := stream.read(1 << 22):
                    digest.update(block)
        return digest.hexdigest()


def thread_count(threads: int | None) -> int:
    """A number of CPU threads: as given, else as many as this process may use.

    Raises:
        InputError: below 1.
    """
    if threads is not None and threads < 1:
        raise InputError(f"threads is {threads}; give at least 1.")
    return threads or (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
