"""Batches by tokens: the budget, what runs side by side, and memory that runs out."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from interlingua.encoders.batching import GROW_AFTER, TokenBudget, is_out_of_memory, run_batches
from interlingua.errors import EngineError


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("tokens", [1, 7, 64, 10_000])
def test_batches_keep_the_budget_and_every_row_its_place(tokens, workers):
    lengths = np.random.default_rng(0).integers(1, 30, 200)
    result, batches = np.zeros((200, 1), np.float32), []

    def run(rows):
        batches.append(rows)
        return rows[:, None].astype(np.float32)

    run_batches(lengths, TokenBudget(tokens), run, result, workers=workers)
    np.testing.assert_array_equal(result[:, 0], np.arange(200))
    assert sum(map(len, batches)) == 200
    for rows in batches:
        assert len(rows) == 1 or lengths[rows].max() * len(rows) <= tokens
    if workers == 1:
        firsts = [lengths[rows[0]] for rows in batches]
        assert firsts == sorted(firsts, reverse=True)


def test_out_of_memory_halves_the_budget_says_so_and_grows_again(caplog):
    budget, result, room = TokenBudget(1024), np.zeros((400, 1), np.float32), 200

    def run(rows):
        if len(rows) * 8 > room:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"
            )
        return rows[:, None].astype(np.float32)

    with caplog.at_level(logging.WARNING, "interlingua"):
        run_batches(np.full(400, 8), budget, run, result)
    np.testing.assert_array_equal(result[:, 0], np.arange(400))
    assert "Out of memory: going on with batches of 128 tokens." in caplog.text
    room = 10_000
    run_batches(np.full(GROW_AFTER * 20 * 5, 8), budget, run, np.zeros((GROW_AFTER * 20 * 5, 1), np.float32))
    assert budget.tokens == 1024


def test_a_text_that_never_fits_is_told_and_other_errors_pass_through():
    def no_room(rows):
        raise MemoryError

    with pytest.raises(EngineError, match="does not suffice for one text of 9 tokens"):
        run_batches(np.array([9]), TokenBudget(100), no_room, np.zeros((1, 1), np.float32))

    def broken(rows):
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run_batches(np.array([9]), TokenBudget(100), broken, np.zeros((1, 1), np.float32))


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_a_real_engine_under_a_limit_on_memory_goes_on_with_less(engine, tmp_path):
    """The errors that the engines themselves raise are recognised."""
    program = textwrap.dedent("""
        import resource, sys
        sys.path.insert(0, "tests")
        from pathlib import Path
        from tiny_models import sentence_transformer
        from interlingua import load_encoder
        from interlingua.encoders.export import export_model
        folder = Path(sys.argv[1])
        words = ["the cat is late " * 10 + chr(97 + i % 26) * (i // 26 + 1) for i in range(3000)]
        source = sentence_transformer(folder / "model", dim=256)
        export_model(load_encoder(source, engine="torch"), folder / "new", words[:20])
        where = source if sys.argv[2] == "torch" else folder / "new"
        encoder = load_encoder(where, engine=sys.argv[2], batch_tokens=10_000_000, threads=1)
        expected = load_encoder(where, engine=sys.argv[2], batch_tokens=500, threads=1).encode(words)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 900_000_000, used + 900_000_000))
        vectors = encoder.encode(words)
        assert encoder.budget.tokens < 10_000_000
        assert abs(vectors - expected).max() < 1e-5
        print("fine", encoder.budget.tokens)
    """)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), engine],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "fine" in done.stdout
    assert "Out of memory: going on with batches" in done.stderr


@pytest.mark.parametrize(("length", "at_once"), [(1000, 1), (100, 4), (50, 4)])
def test_texts_longer_than_a_budget_never_run_side_by_side(length, at_once):
    lock, under_way, most = threading.Lock(), [], []

    def run(rows):
        with lock:
            under_way.append(1)
            most.append(len(under_way))
        time.sleep(0.01)
        with lock:
            under_way.pop()
        return np.zeros((len(rows), 2), np.float32)

    lengths = np.full(24, length)
    run_batches(lengths, TokenBudget(100), run, np.zeros((24, 2), np.float32), workers=4)
    assert max(most) == at_once


def test_the_words_of_engines_for_no_memory():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"))
    assert is_out_of_memory(RuntimeError("std::bad_alloc"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
