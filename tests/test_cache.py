"""Vectors kept between runs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from counting import TEXTS, Lengths
from interlingua.encoders.cache import VectorCache
from interlingua.encoders.pipeline import encode_block
from interlingua.errors import OutputError


def test_threads_share_a_cache(tmp_path):
    cache = VectorCache(tmp_path / "cache.db")
    expected = encode_block(Lengths(), TEXTS[:10]).vectors
    with ThreadPoolExecutor(4) as pool:
        blocks = pool.map(lambda _: encode_block(Lengths(), TEXTS[:10], cache=cache), range(8))
    assert all(np.array_equal(block.vectors, expected) for block in blocks)


def test_a_cache_saves_the_second_run_by_model_and_prompt(tmp_path):
    cache, first = VectorCache(tmp_path / "cache.db"), Lengths()
    expected = encode_block(first, TEXTS[:10], cache=cache)
    again, second = VectorCache(tmp_path / "cache.db"), Lengths()
    block = encode_block(second, ["new", *TEXTS[:10]], cache=again)
    assert second.seen == ["new"]
    assert (block.report.cached, block.report.encoded, block.report.empty) == (5, 10, 1)
    assert block.report.deduplicated == 4
    np.testing.assert_array_equal(block.vectors[1:], expected.vectors)
    other = Lengths()
    other.query_prompt = "query: "
    assert encode_block(other, ["new"], kind="query", cache=again).report.cached == 0
    assert encode_block(other, ["new"], kind="document", cache=again).report.cached == 1


def test_processes_that_open_a_new_cache_together_all_get_it(tmp_path):
    code = (
        "from interlingua.encoders.cache import VectorCache; VectorCache(__import__('pathlib').Path('c.db'))"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(6)
    ]
    assert [run.communicate(timeout=60)[1].decode()[-200:] for run in runs] == [""] * 6


def test_a_file_that_is_no_cache_is_refused(tmp_path):
    (tmp_path / "no.db").write_text("this is no database, and long enough to be seen as none " * 10)
    with pytest.raises(OutputError, match="cannot be opened"):
        VectorCache(tmp_path / "no.db")
    import sqlite3

    VectorCache(tmp_path / "newer.db").close()
    for setting, message in [
        ("user_version=7", "format 7; this version reads 1"),
        ("application_id=7", "another"),
    ]:
        newer = sqlite3.connect(tmp_path / "newer.db")
        newer.execute(f"PRAGMA {setting}")
        newer.close()
        for _ in range(2):
            with pytest.raises(OutputError, match=message):
                VectorCache(tmp_path / "newer.db")


def test_a_cache_that_fails_is_no_failing_row(tmp_path):
    import sqlite3

    cache = VectorCache(tmp_path / "cache.db")
    other = sqlite3.connect(tmp_path / "cache.db")
    other.execute("DROP TABLE vectors")
    other.close()
    with pytest.raises(OutputError, match="cannot be read"):
        encode_block(Lengths(), ["a", "b"], on_error="skip", cache=cache)
