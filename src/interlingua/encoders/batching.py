"""Batches by tokens, longest first: memory is bounded and padding small; back-off when memory runs out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import EngineError
from interlingua.vectors import Vectors

log = logging.getLogger("interlingua")
GROW_AFTER = 32
MEMORY_WORDS = (
    "out of memory",
    "bad_alloc",
    "failed to allocate",
    "can't allocate memory",
    "bad allocation",
    "could not create a primitive",
)


@dataclass
class TokenBudget:
    """How many tokens a batch may hold, padding included.

    `tokens` halves when memory runs out, and doubles again, up to `most`, after 32 batches that went well.
    """

    most: int
    tokens: int = 0
    went_well: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.tokens or self.most

    def halve(self) -> None:
        """Take half from now on, and say so."""
        self.tokens, self.went_well = max(1, self.tokens // 2), 0
        log.warning("Out of memory: going on with batches of %s tokens.", f"{self.tokens:,}")

    def note_success(self) -> None:
        """A batch went well; after enough of them, the budget grows again."""
        self.went_well += 1
        if self.went_well >= GROW_AFTER and self.tokens < self.most:
            self.tokens, self.went_well = min(self.most, self.tokens * 2), 0


def run_batches(
    lengths: NDArray[np.int64],
    budget: TokenBudget,
    run: Callable[[NDArray[np.int64]], Vectors],
    result: Vectors,
    *,
    workers: int = 1,
) -> None:
    """Fill `result` by running rows in batches, longest first.

    All workers together hold at most `workers` budgets of tokens and one that waits, or a single row that
    is longer: a row above the budget takes the place of several batches.

    Args:
        lengths: tokens of each row, int64 (n,).
        budget: tokens that a batch may hold; a row longer than that is a batch of its own.
        run: takes row numbers, gives their vectors in that order.
        result: float32 (n, dim).
        workers: how many batches run at a time, a thread each.

    Raises:
        EngineError: memory does not suffice for one row alone.
    """
    left = [np.argsort(-lengths, kind="stable")]
    running: deque[tuple[NDArray[np.int64], Future[Vectors]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        while left or running:
            while left and len(running) <= workers and _has_room(running, left, lengths, workers, budget):
                rows = _take_batch(left, lengths, budget)
                running.append((rows, pool.submit(run, rows)))
            rows, future = running.popleft()
            try:
                result[rows] = future.result()
                budget.note_success()
            except Exception as error:
                longest = int(lengths[rows[0]])
                if not is_out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise EngineError(
                        f"Memory does not suffice for one text of {longest:,} tokens; "
                        "free some, or cut the text."
                    ) from error
                while budget.tokens >= longest * len(rows):
                    budget.halve()
                left.append(rows)


def _has_room(
    running: deque[tuple[NDArray[np.int64], Future[Vectors]]],
    left: list[NDArray[np.int64]],
    lengths: NDArray[np.int64],
    workers: int,
    budget: TokenBudget,
) -> bool:
    """Whether the next batch may begin: one waits in line beside as many as there are workers."""
    begun = sum(max(budget.tokens, int(lengths[rows[0]])) for rows, _ in running)
    return not running or begun + int(lengths[left[-1][0]]) <= (workers + 1) * budget.tokens


def _take_batch(
    left: list[NDArray[np.int64]], lengths: NDArray[np.int64], budget: TokenBudget
) -> NDArray[np.int64]:
    """The first rows of the last array of `left`, as many as the budget allows; they are taken out of it."""
    rows = left.pop()
    count = max(1, budget.tokens // max(1, int(lengths[rows[0]])))
    if count < len(rows):
        left.append(rows[count:])
    return rows[:count]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, torch, onnxruntime or OpenVINO says that memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = str(error).lower()
    return any(words in told for words in MEMORY_WORDS)
