"""Long runs: batches, back-off, failing rows, resume, cache; all of it with engines that really run."""

from __future__ import annotations

import logging
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from interlingua.encoders import StaticEncoder
from interlingua.encoders.base import TextEncoder
from interlingua.encoders.batching import GROW_AFTER, TokenBudget, is_out_of_memory, run_batches
from interlingua.encoders.cache import VectorCache
from interlingua.encoders.output import encode_to_file
from interlingua.encoders.pipeline import add_reports, encode_block
from interlingua.encoders.unfinished import unfinished
from interlingua.errors import EngineDown, EngineError, InputError, OutputError
from interlingua.files import Row
from interlingua.storage import expand


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


def test_equal_texts_are_encoded_once():
    encoder = Lengths()
    vectors, report = encoder.encode_with_report(["abc", "", "abc", "d", "abc", "  "])
    assert sorted(encoder.seen) == ["abc", "d"]
    assert (report.encoded, report.deduplicated, report.empty) == (4, 2, 2)
    np.testing.assert_allclose(vectors[0], np.array([3, 1]) / np.sqrt(10), rtol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[4])


def test_rows_that_fail_are_set_apart_and_the_others_go_on():
    texts = ["a", "a bomb", "ccc", "nan", "e" * 9, "", "g"]
    block = encode_block(Lengths(), texts, on_error="skip")
    assert set(block.failures) == {1, 3}
    assert "invalid token" in block.failures[1]
    assert block.failures[3] == "The engine gives NaN or an infinite value."
    assert (block.report.rows, block.report.encoded, block.report.failed, block.report.empty) == (7, 4, 2, 1)
    whole = Lengths().encode([t for t in texts if t not in ("a bomb", "nan")])
    np.testing.assert_array_equal(block.vectors[[0, 2, 4, 5, 6]], whole)
    with pytest.raises(EngineError, match="Row 1 cannot be encoded: lengths fails on these texts: Non-zero"):
        encode_block(Lengths(), texts)


def test_an_engine_that_is_down_is_not_asked_row_by_row():
    encoder = Lengths()
    with pytest.raises(EngineDown):
        encode_block(encoder, ["a", "down", "c"], on_error="skip")
    assert len(encoder.seen) == 3


def test_wrong_choices_are_told():
    with pytest.raises(InputError, match="kind is 'passage'; it is one of text, query, document"):
        encode_block(Lengths(), ["a"], kind="passage")
    with pytest.raises(InputError, match="on_error is 'ignore'"):
        encode_block(Lengths(), ["a"], on_error="ignore")


def test_reports_add_up_field_by_field():
    _, one = Lengths().encode_with_report(["a", "", "a"])
    both = add_reports(one, one)
    assert (both.rows, both.encoded, both.deduplicated, both.empty) == (6, 4, 2, 2)


TEXTS = ["one", "two", "one", "three", "", "two", "two", "seven and more", "one", "x", "nan", "y", "x"]


@pytest.mark.parametrize("storage", ["float32", "float16", "int8", "binary"])
def test_a_file_has_each_row_in_its_place_in_every_storage(storage, tmp_path):
    encoder, output = Lengths(), tmp_path / "v.npy"
    report, problems = encode_to_file(encoder, iter(rows_of(TEXTS)), output, storage=storage, on_error="skip")
    stored = np.load(output)
    expected = encode_block(Lengths(), TEXTS, on_error="skip").vectors
    kept = [i for i, text in enumerate(TEXTS) if text and text != "nan"]
    if storage == "binary":
        np.testing.assert_array_equal(expand(stored, storage, 2)[kept] > 0, expected[kept] > 0)
    else:
        np.testing.assert_allclose(expand(stored, storage, 2), expected, atol=0.01)
    assert sorted(set(encoder.seen)) == sorted({text for text in TEXTS if text})
    assert encoder.seen.count("one") == encoder.seen.count("two") == 1
    assert (report.rows, report.encoded, report.deduplicated, report.empty, report.failed) == (
        13,
        11,
        5,
        1,
        1,
    )
    assert [(row, line) for row, line, _ in problems] == [(10, 11)]
    assert not unfinished(output).exists()


def test_a_failing_row_stops_a_run_that_is_to_raise_and_what_was_done_is_not_done_again(tmp_path):
    output, first = tmp_path / "v.npy", Lengths()
    with pytest.raises(EngineError, match=r"Line 11 cannot be encoded: .*NaN"):
        encode_to_file(first, rows_of(TEXTS), output)
    assert not output.exists()
    second = Lengths()
    report, _ = encode_to_file(second, rows_of(TEXTS), output, on_error="skip")
    assert set(second.seen) == {"x", "nan", "y"}
    assert (report.rows, report.encoded, report.failed) == (13, 11, 1)
    expected = encode_block(Lengths(), TEXTS, on_error="skip").vectors
    np.testing.assert_array_equal(np.load(output), expected)


def test_another_input_or_other_settings_do_not_go_on_with_a_run(tmp_path):
    output = tmp_path / "v.npy"
    with pytest.raises(EngineError):
        encode_to_file(Lengths(), rows_of(TEXTS), output)
    changed = rows_of(["another", *TEXTS[1:]])
    with pytest.raises(InputError, match="The input is not the one that"):
        encode_to_file(Lengths(), changed, output, on_error="skip")
    with pytest.raises(InputError, match="The input has 3 rows, and"):
        encode_to_file(Lengths(), rows_of(TEXTS[:3]), output, on_error="skip")
    with pytest.raises(InputError, match="an unfinished run with storage 'float32'"):
        encode_to_file(Lengths(), rows_of(TEXTS), output, storage="int8")
    assert unfinished(output).exists()
    report, _ = encode_to_file(Lengths(), rows_of(TEXTS), output, on_error="skip")
    assert report.rows == 13


def test_an_output_is_written_by_one_process_at_a_time(tmp_path):
    def rows():
        yield from rows_of(TEXTS[:4])
        with pytest.raises(OutputError, match=r"Another process is writing .*v\.npy"):
            encode_to_file(Lengths(), rows_of(TEXTS[:2]), tmp_path / "v.npy")
        yield from rows_of(["last"])

    report, _ = encode_to_file(Lengths(), rows(), tmp_path / "v.npy")
    assert report.rows == 5


def test_a_damaged_folder_is_told_and_the_output_stays(tmp_path):
    output = tmp_path / "v.npy"
    with pytest.raises(EngineError):
        encode_to_file(Lengths(), rows_of(TEXTS), output)
    folder = unfinished(output)
    vectors = (folder / "vectors.npy").read_bytes()
    (folder / "vectors.npy").unlink()
    output.write_bytes(b"whole")
    with pytest.raises(InputError, match=r"is damaged: vectors\.npy is shorter"):
        encode_to_file(Lengths(), rows_of(TEXTS), output)
    assert output.read_bytes() == b"whole"
    (folder / "vectors.npy").write_bytes(vectors)
    (folder / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"is damaged: state\.json cannot be read"):
        encode_to_file(Lengths(), rows_of(TEXTS), output)


def test_only_rows_that_got_a_vector_are_copied(tmp_path):
    texts = ["\x07", "a", "b", "c", "\x07", "\x07"]
    report, _ = encode_to_file(Lengths(), texts, tmp_path / "v.npy")
    assert (report.encoded, report.empty, report.deduplicated) == (3, 3, 0)


def test_other_prompts_are_another_run(tmp_path):
    changed = Lengths()
    changed.document_prompt = "passage: "
    with pytest.raises(EngineError):
        encode_to_file(Lengths(), TEXTS, tmp_path / "v.npy")
    with pytest.raises(InputError, match="an unfinished run with fingerprint 'lengths', prompt ''"):
        encode_to_file(changed, TEXTS, tmp_path / "v.npy", on_error="skip")


def test_long_texts_make_short_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("interlingua.encoders.output.BLOCK_CHARACTERS", 100)
    done = []
    encode_to_file(Lengths(), ["x" * 60 + str(i) for i in range(6)], tmp_path / "v.npy", on_rows=done.append)
    assert done == [2, 4, 6]


def test_no_rows_or_a_wrong_ending_leave_nothing(tmp_path):
    with pytest.raises(InputError, match="has no rows"):
        encode_to_file(Lengths(), [], tmp_path / "v.npy")
    with pytest.raises(InputError, match=r"rows\[1\] is of type NoneType"):
        encode_to_file(Lengths(), ["a", None], tmp_path / "v.npy")
    with pytest.raises(InputError, match="on_error is 'strict'"):
        encode_to_file(Lengths(), ["a"], tmp_path / "v.npy", on_error="strict")
    with pytest.raises(InputError, match="rows is one string"):
        encode_to_file(Lengths(), "a text", tmp_path / "v.npy")
    with pytest.raises(InputError, match=r"must end in \.npy or \.parquet"):
        encode_to_file(Lengths(), rows_of(["a"]), tmp_path / "v.csv")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="No such file or directory"):
        encode_to_file(Lengths(), rows_of(["a"]), tmp_path / "nowhere" / "v.npy")


def test_parquet_has_lines_texts_and_vectors(tmp_path):
    from pyarrow import parquet

    texts = [*TEXTS[:10], "a \ud800 surrogate", "tab\tand\nline"]
    encode_to_file(Lengths(), rows_of(texts), tmp_path / "v.parquet", storage="float16")
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table["line"].to_pylist() == list(range(1, 13))
    assert table["text"].to_pylist() == [*TEXTS[:10], "a ? surrogate", "tab\tand\nline"]
    vectors = np.stack(table["vector"].to_numpy())
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors, Lengths().encode(texts), atol=1e-3)
    assert table.schema.metadata[b"storage"] == b"float16"


SLOW_RUN = """
import sys, time
import numpy as np
import interlingua.encoders.unfinished as unfinished
from interlingua.encoders.output import encode_to_file
from interlingua.encoders.static import StaticEncoder
from interlingua.files import read_rows
from pathlib import Path
unfinished.SAVE_SECONDS = 0.0
encoder = StaticEncoder.from_folder(Path(sys.argv[1]))
encoder.block_rows = 100
def slowly(rows):
    for i, row in enumerate(rows):
        if i % 100 == 99:
            time.sleep(0.02)
            print(i, flush=True)
        yield row
encode_to_file(encoder, slowly(read_rows(sys.argv[2])), Path(sys.argv[3]))
"""


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_a_run_killed_at_half_goes_on_where_it_was(ending, tiny_model, tmp_path):
    words = "my parcel has not arrived yet dein paket ist nicht da invoice paid hello".split()
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(words, 6)) + f" {i % 1500}" for i in range(3000)]
    (tmp_path / "in.txt").write_text("\n".join(lines) + "\n")
    output = tmp_path / f"out.{ending}"
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW_RUN, tiny_model, tmp_path / "in.txt", output],
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        for line in run.stdout:
            if int(line) > 1500:
                break
        run.kill()
    assert not output.exists()
    encoder, done = StaticEncoder.from_folder(tiny_model), []
    encoder.block_rows = 100
    original = encoder._encode
    encoder._encode = lambda texts, prompt: (done.extend(texts), original(texts, prompt))[1]
    report, _ = encode_to_file(encoder, rows_of(lines), output)
    assert 0 < len(done) < 1600
    assert report.rows == 3000
    expected = StaticEncoder.from_folder(tiny_model).encode(lines)
    if ending == "npy":
        np.testing.assert_array_equal(np.load(output), expected)
    else:
        from pyarrow import parquet

        table = parquet.read_table(output)
        assert table["text"].to_pylist() == lines
        np.testing.assert_array_equal(np.stack(table["vector"].to_numpy()), expected)


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


def test_a_users_own_encoder_runs_too(tmp_path):
    from toy import ToyEncoder

    report, _ = encode_to_file(ToyEncoder(), iter(["cat", "gato", ""]), str(tmp_path / "v.npy"))
    assert (report.encoded, report.empty) == (2, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy")[:2], ToyEncoder().encode(["cat", "gato"]))


class Foreign:
    """An encoder that is none of ours: it has what the protocol asks for, no more."""

    name, revision, dim, fingerprint = "foreign", "", 3, "f"

    def encode(self, texts):
        if "bomb" in texts:
            raise ValueError("cannot")
        return np.array([[len(t), 1, 0] if t else [0, 0, 0] for t in texts], np.float32)

    encode_query = encode_documents = encode


def test_an_encoder_that_only_follows_the_protocol_gets_the_same_care(tmp_path):
    texts = ["a", "a", "bomb", "", "ccc"]
    report, problems = encode_to_file(Foreign(), texts, tmp_path / "v.npy", on_error="skip")
    assert (report.rows, report.encoded, report.empty, report.failed) == (5, 3, 1, 1)
    assert [row for row, _, _ in problems] == [2]
    assert np.linalg.norm(np.load(tmp_path / "v.npy"), axis=1).round(5).tolist() == [1, 1, 0, 0, 1]
    assert report.deduplicated == 1
    Foreign.dim = 4
    with pytest.raises(EngineDown, match=r"gives vectors of shape \(1, 3\) for 1 texts; it must be \(1, 4\)"):
        encode_block(Foreign(), ["a"], on_error="skip")
