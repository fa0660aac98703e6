"""A server that speaks OpenAI's `/v1/embeddings`: text-embeddings-inference, infinity, vLLM, our own."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import numpy as np

from interlingua.encoders.base import Lost, TextEncoder, truncated_dim
from interlingua.encoders.model_folder import Prompts
from interlingua.errors import EngineDown, EngineError, InputError, require
from interlingua.vectors import Vectors

log = logging.getLogger("interlingua")
PROBE = ["a"]
KEY_VARIABLE = "INTERLINGUA_API_KEY"
BATCH_SIZE = 32  # what text-embeddings-inference takes at most unless told otherwise
REFUSED_TEXTS = (400, 413, 422, 424)  # 424 is how text-embeddings-inference says that its model failed
TRY_AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
FAILED, TOO_MANY = 500, 429
LONGEST_WAIT = 30.0
LONGEST_LIMIT = 600.0


class EndpointEncoder(TextEncoder):
    """Texts go to a server in batches, several at a time; what is lost to a bad line is sent again."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        prompts: Prompts | None = None,
        truncate_dim: int | None = None,
        batch_size: int = BATCH_SIZE,
        concurrency: int = 4,
        timeout: float = 60.0,
        attempts: int = 5,
        key_variable: str = KEY_VARIABLE,
    ) -> None:
        """
        Args:
            url: the server's root with its version, such as "http://localhost:8080/v1".
            model: the name that the server knows the model by.
            prompts: put before texts here; the server adds none of its own.
            truncate_dim: keep only the first columns, for models trained to allow it.
            batch_size: texts in one request.
            concurrency: requests under way at a time.
            timeout: seconds until an answer is given up.
            attempts: how often a request is sent before the server counts as down, with waits that double.
                Too many requests (status 429) do not count: they are waited out, ten minutes at most.
            key_variable: the environment variable that holds the key; it is sent where it is set.

        Raises:
            EngineDown: the server is away, refuses the key, or does not know the model.
            MissingExtra: httpx or tenacity is not installed.
        """
        httpx = require("httpx", extra="endpoint")
        require("tenacity", extra="endpoint")
        prompts = prompts or Prompts()
        self.name, self.revision = model, ""
        self.prompt, self.query_prompt, self.document_prompt = prompts.any, prompts.query, prompts.document
        self._url = url.rstrip("/") + "/embeddings"
        self._batch_size, self._concurrency, self._attempts = batch_size, concurrency, attempts
        self._key_variable = key_variable
        key = os.environ.get(key_variable, "").strip()
        if not key.isascii():
            raise InputError(f"The key in {key_variable} is not plain ASCII; copy it again.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers)
        self.native_dim = 0
        self.native_dim = self._request(PROBE).shape[1]
        self.dim = truncated_dim(self.native_dim, truncate_dim)

    def _encode(self, texts: list[str], prompt: str) -> tuple[Vectors, Lost]:
        batches = [texts[i : i + self._batch_size] for i in range(0, len(texts), self._batch_size)]
        stopped = threading.Event()
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            ask = partial(self._request, stopped=stopped)
            parts = list(pool.map(ask, ([prompt + text for text in batch] for batch in batches)))
        except BaseException:
            stopped.set()
            raise
        finally:
            pool.shutdown(wait=not stopped.is_set(), cancel_futures=True)
        return np.concatenate(parts), np.zeros(len(texts), np.int64)

    def _request(self, texts: list[str], stopped: threading.Event | None = None) -> Vectors:
        """The vectors of one batch, float32 (len(texts), dim); waits and tries again where that may help."""
        import tenacity

        stopped = stopped or threading.Event()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            stop=lambda state: stopped.is_set() or self._gives_up(state),
            wait=_wait,
            sleep=tenacity.sleep_using_event(stopped),
            before_sleep=_tell,
            reraise=True,
        )
        try:
            answer: Any = retrying(self._post, texts)
        except _Passing as error:
            if error.status == TOO_MANY:
                raise EngineDown(
                    f"{self._url} takes no more requests for now (status {TOO_MANY}); run again later."
                ) from error
            if error.status == FAILED and texts != PROBE and self._answers():
                raise EngineError(f"{self._url} fails on these texts ({error}).") from error
            raise EngineDown(
                f"{self._url} did not answer {self._attempts} times ({error}); start the server, or check "
                "the address, and run again."
            ) from error
        return self._read(answer, len(texts))

    def _gives_up(self, state: Any) -> bool:
        error = state.outcome.exception()
        if isinstance(error, _Passing) and error.status == TOO_MANY:
            return bool(state.seconds_since_start > LONGEST_LIMIT)
        return bool(state.attempt_number >= self._attempts)

    def _answers(self) -> bool:
        """Whether the server is well, so that a failure lies with the texts."""
        try:
            self._post(PROBE)
        except (_Passing, EngineDown, EngineError):
            return False
        return True

    def _post(self, texts: list[str]) -> Any:
        import httpx

        try:
            response = self._client.post(
                self._url, json={"model": self.name, "input": texts, "encoding_format": "float"}
            )
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise InputError(f"{self._url!r} is no address of a server ({error}).") from error
        except httpx.RequestError as error:
            raise _Passing(f"{type(error).__name__}: {error}") from error
        code = response.status_code
        if code in TRY_AGAIN:
            told = f": {response.text[:200].strip()}" if response.text.strip() else ""
            raise _Passing(f"status {code}{told}", code, response.headers.get("Retry-After", ""))
        if code in (401, 403):
            raise EngineDown(
                f"{self._url} refuses the key (status {code}); put the right one into the environment "
                f"variable {self._key_variable}."
            )
        if code in REFUSED_TEXTS:
            raise EngineError(f"{self._url} refuses these texts (status {code}): {response.text[:200]}")
        if code != 200:
            raise EngineDown(
                f"{self._url} answers with status {code}: {response.text[:200]!r}; check the address and the "
                f"model's name, {self.name!r}."
            )
        try:
            return response.json()
        except ValueError as error:
            raise EngineDown(f"{self._url} answers with no JSON: {response.text[:80]!r}.") from error

    def _read(self, answer: Any, count: int) -> Vectors:
        try:
            items = sorted(answer["data"], key=lambda item: item.get("index", 0))
            vectors = np.array([item["embedding"] for item in items], np.float32)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise EngineDown(
                f"{self._url} answers, but not as /v1/embeddings does ({type(error).__name__}: {error})."
            ) from error
        if vectors.ndim != 2 or len(vectors) != count:
            raise EngineDown(f"{self._url} gave vectors of shape {vectors.shape} for {count} texts.")
        if not vectors.any(axis=1).all():
            raise EngineDown(f"{self._url} gave a row of zeros, which is no vector; look at its log.")
        if self.native_dim and vectors.shape[1] != self.native_dim:
            raise EngineDown(
                f"{self._url} gave {vectors.shape[1]} columns where it gave {self.native_dim} before; "
                "is another model behind it now?"
            )
        return vectors

    def _weights_fingerprint(self) -> str:
        """Of the address, the model's name and its columns: a server does not show its weights."""
        told = f"{self._url}\n{self.name}\n{self.native_dim}"
        return hashlib.sha256(told.encode()).hexdigest()


class _Passing(Exception):
    """Something that may pass: no connection, too many requests, a server that is starting."""

    def __init__(self, reason: str, status: int = 0, retry_after: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = _seconds(retry_after)


def _seconds(retry_after: str) -> float:
    """What a Retry-After header asks for: seconds, or a date; 0 where it says neither."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _tell(state: Any) -> None:
    reason, seconds = state.outcome.exception(), state.next_action.sleep
    log.warning("The server does not answer (%s); trying again in %.0f s.", reason, seconds)


def _wait(state: Any) -> float:
    """Seconds until the next try: what Retry-After asks for, else twice as long each time, at most 30."""
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, _Passing) else 0.0
    doubling = random.uniform(0.5, 1.0) * 2 ** min(10, state.attempt_number - 1)
    return min(LONGEST_LIMIT, told) if told else min(LONGEST_WAIT, doubling)
