"""Long runs: rows to a file, what a stop leaves, and how a run goes on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from counting import TEXTS, Lengths, rows_of
from interlingua.encoders import StaticEncoder
from interlingua.encoders.output import encode_to_file
from interlingua.encoders.pipeline import encode_block
from interlingua.encoders.unfinished import unfinished
from interlingua.errors import EngineError, InputError, OutputError
from interlingua.storage import expand


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
    (folder / "vectors.npy").write_bytes(vectors[:-1])
    output.write_bytes(b"whole")
    with pytest.raises(InputError, match=r"is damaged: vectors\.npy is shorter"):
        encode_to_file(Lengths(), rows_of(TEXTS), output)
    assert output.read_bytes() == b"whole"
    (folder / "vectors.npy").write_bytes(vectors)
    (folder / "state.json").write_text("{")
    with pytest.raises(InputError, match=r"is damaged: state\.json cannot be read"):
        encode_to_file(Lengths(), rows_of(TEXTS), output)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_what_a_kill_left_half_written_does_not_stop_the_next_call(ending, tmp_path):
    output = tmp_path / f"v.{ending}"
    with pytest.raises(EngineError):
        encode_to_file(Lengths(), rows_of(TEXTS), output)
    (unfinished(output) / ".state.json.k1ll9").write_text("{")
    (unfinished(output) / "vectors.parquet").write_bytes(b"PAR1")
    report, _ = encode_to_file(Lengths(), rows_of(TEXTS), output, on_error="skip")
    assert report.rows == 13
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


def test_a_run_killed_when_its_vectors_had_just_become_the_output_may_be_called_again(tmp_path):
    output = tmp_path / "v.npy"
    with pytest.raises(EngineError):
        encode_to_file(Lengths(), rows_of(TEXTS), output)
    (unfinished(output) / "vectors.npy").rename(output)
    report, _ = encode_to_file(Lengths(), rows_of(TEXTS), output, on_error="skip")
    assert report.rows == 13


def test_only_rows_that_got_a_vector_are_copied(tmp_path):
    texts = ["\x07", "a", "b", "c", "\x07", "\x07"]
    report, _ = encode_to_file(Lengths(), texts, tmp_path / "v.npy")
    assert (report.encoded, report.empty, report.deduplicated) == (3, 3, 0)


def test_a_folder_of_that_name_with_files_of_ones_own_is_kept(tmp_path):
    folder = unfinished(tmp_path / "v.npy")
    folder.mkdir()
    (folder / "notes").write_text("mine")
    with pytest.raises(OutputError, match="holds other files, such as notes; move it away"):
        encode_to_file(Lengths(), TEXTS, tmp_path / "v.npy")
    assert (folder / "notes").read_text() == "mine"


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
    with pytest.raises(OutputError, match="nowhere does not exist"):
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
