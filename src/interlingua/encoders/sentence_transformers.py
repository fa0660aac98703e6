"""Any Sentence Transformers model on torch."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.base import Lost, TextEncoder, truncated_dim
from interlingua.encoders.batching import TokenBudget, run_batches
from interlingua.encoders.model_folder import LIMITLESS, read_prompts
from interlingua.encoders.transformer import thread_count
from interlingua.errors import InputError, ModelError, first_line, require
from interlingua.vectors import Vectors

BATCH_TOKENS = 8192
DTYPES = ("float32", "float16", "bfloat16")


class SentenceTransformersEncoder(TextEncoder):
    """A model folder run by Sentence Transformers on torch, batched by tokens."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        revision: str = "",
        device: str = "cpu",
        dtype: str = "float32",
        truncate_dim: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        threads: int | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        """
        Args:
            folder: what `model_folder` gives.
            name, revision: kept with everything that is stored.
            device: a torch device, "cpu", "cuda", "cuda:1", "mps".
            dtype: of the arithmetic: float32, float16, bfloat16.
            truncate_dim: keep only the first columns, for models trained to allow it.
            batch_tokens: how many tokens a batch may hold, padding included.
            threads: torch's CPU threads, for the whole process; default: as torch has them.
            trust_remote_code: whether code in the folder may run.

        Raises:
            InputError: an unknown dtype or device.
            ModelError: the folder does not load.
            MissingExtra: torch or sentence-transformers is not installed.
        """
        if dtype not in DTYPES:
            raise InputError(f"dtype is {dtype!r}; with torch it is one of {', '.join(DTYPES)}.")
        self.name = name
        self.revision = revision
        self.budget = TokenBudget(batch_tokens)
        self._folder = folder
        self._dtype = dtype
        self._tokenizing = threading.Lock()  # a tokenizer keeps its truncation as state
        self._model = _load(folder, device, dtype, trust_remote_code)
        if threads is not None:
            import torch

            torch.set_num_threads(thread_count(threads))
        prompts = read_prompts(folder)
        self.prompt, self.query_prompt, self.document_prompt = prompts.any, prompts.query, prompts.document
        truncate_dim = self._model.truncate_dim if truncate_dim is None else truncate_dim
        self._model.truncate_dim = None
        self.native_dim = int(self._model.get_embedding_dimension())
        self.dim = truncated_dim(self.native_dim, truncate_dim)

    @property
    def max_tokens(self) -> int | None:
        """Where a text is cut, special tokens included; None where there is no limit."""
        longest = self._model.max_seq_length
        return None if longest is None or longest > LIMITLESS else int(longest)

    @property
    def folder(self) -> Path:
        """Where the model lies."""
        return self._folder

    def torch_transformer(self) -> Any:
        """The transformers model inside, with attention spelled out, as exporting needs it.

        Raises:
            ModelError: there is none.
        """
        first = self._model[0]
        transformer = getattr(first, "auto_model", None)
        if transformer is None:
            raise ModelError(
                f"{self.name} starts with {type(first).__name__}; only a transformer is exported."
            )
        transformer.set_attn_implementation("eager")
        return transformer.eval()

    def _encode(self, texts: list[str], prompt: str) -> tuple[Vectors, Lost]:
        import torch

        whole = self._lengths([prompt + text for text in texts] if prompt else texts)
        lengths = whole if self.max_tokens is None else np.minimum(whole, self.max_tokens)
        vectors = np.empty((len(texts), self.native_dim), np.float32)

        def run(rows: NDArray[np.int64]) -> Vectors:
            with self._tokenizing:
                features = self._model.preprocess([texts[i] for i in rows], prompt=prompt or None)
            features = {
                key: value.to(self._model.device) if isinstance(value, torch.Tensor) else value
                for key, value in features.items()
            }
            with torch.inference_mode():
                pooled = self._model(features)["sentence_embedding"]
            return np.asarray(pooled.float().cpu().numpy(), np.float32)

        run_batches(lengths, self.budget, run, vectors)
        return vectors, whole - lengths

    def _lengths(self, texts: list[str]) -> NDArray[np.int64]:
        """Tokens of each text before any cut; a word each where the model has no such tokenizer."""
        tokenizer = self._model.tokenizer
        if not callable(tokenizer):
            return np.array([len(text.split()) for text in texts], np.int64)
        with self._tokenizing:
            ids = tokenizer(texts, truncation=False, verbose=False)["input_ids"]
        return np.fromiter(map(len, ids), np.int64, len(ids))

    def _weights_fingerprint(self) -> str:
        """SHA-256 over the weights' bytes as they are loaded, and the configuration, hexadecimal."""
        digest = hashlib.sha256(f"torch/{self._dtype}".encode())
        for file in sorted([*self._folder.glob("*.json"), *self._folder.glob("[0-9]_*/*.json")]):
            digest.update(file.read_bytes())
        for key, value in self._model.state_dict().items():
            digest.update(key.encode())
            digest.update(value.float().cpu().numpy().tobytes())
        return digest.hexdigest()


def _load(folder: Path, device: str, dtype: str, trust_remote_code: bool) -> Any:
    torch = require("torch", extra="torch")
    require("sentence_transformers", extra="torch")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"torch cannot use the device {device!r} here ({first_line(error)}); 'cpu' always works."
        ) from error
    try:
        return SentenceTransformer(
            str(folder.resolve()),
            device=device,
            model_kwargs={"dtype": getattr(torch, dtype)},
            trust_remote_code=trust_remote_code,
            local_files_only=not trust_remote_code,
        ).eval()
    except Exception as error:  # safetensors and the models' own code raise bare Exception
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{folder} runs code of its own; read it, then allow it with trust_remote_code=True "
                "(--trust-remote-code)."
            ) from error
        raise ModelError(
            f"{folder} cannot be loaded by Sentence Transformers: {first_line(error)}"
        ) from error
