"""The command line on bad input, closed pipes, full disks and Ctrl-C: one line and the right exit code."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from cli_runs import BAD_USE, DONE, FAILURE, INTERRUPTED, QUERY, READERS, UNREAD, found, said, usage_error

LATIN_1 = b"hello\thello\nsp\xe4t\thello\n"


@pytest.mark.parametrize("name", READERS)
def test_an_empty_file_has_no_rows(command, folder, name):
    (folder / "empty.txt").write_bytes(b"")
    assert said(command(name, "empty.txt"), BAD_USE) == "empty.txt has no rows; there is nothing to do."
    assert not (folder / "out.npy").exists()


def test_empty_standard_input_has_no_rows(command):
    assert said(command("search", "-"), BAD_USE).startswith("Standard input has no rows")


def test_search_finds_nothing_in_blank_lines(command, folder):
    (folder / "blank.txt").write_text("\n  \n\t\n\u3000\n", encoding="utf-8")
    assert found(command("search", "blank.txt")) == []


def test_encode_writes_rows_of_zeros_for_blank_lines_and_reports_them_empty(command, folder):
    (folder / "blank.txt").write_text("\n  \n\t\n", encoding="utf-8")
    done = command("encode", "blank.txt")
    assert done.returncode == DONE
    assert done.stderr.startswith("3 rows: 0 encoded, 3 empty, 0 failed; ")
    assert not np.load(folder / "out.npy").any()
    assert np.load(folder / "out.npy").shape == (3, 16)


def test_an_empty_query_is_refused(run_cli, folder, tiny_model):
    assert "query is empty" in usage_error(run_cli("search", "texts.txt", " ", "--model", tiny_model))


def test_texts_and_queries_cannot_both_come_from_standard_input(run_cli):
    assert "not both" in usage_error(run_cli("search", "-", "--queries", "-", stdin="a"))


@pytest.mark.parametrize("name", READERS)
def test_bytes_that_are_not_utf_8_stop_the_run_with_their_line(command, folder, name):
    (folder / "latin.txt").write_bytes(LATIN_1)
    message = said(command(name, "latin.txt"), BAD_USE)
    assert message.startswith("latin.txt, line 2: byte 0xe4 is not UTF-8; ")
    assert not (folder / "out.npy").exists()


@pytest.mark.parametrize("name", READERS)
def test_errors_replace_goes_on_over_bytes_that_are_not_utf_8(command, folder, name):
    (folder / "latin.txt").write_bytes(LATIN_1)
    done = command(name, "latin.txt", "--errors", "replace")
    assert done.returncode == DONE
    assert "2 rows: 2 encoded" in done.stderr if name == "encode" else "sp\ufffdt" in done.stdout


@pytest.mark.parametrize("name", READERS)
def test_errors_skip_leaves_the_row_out_and_reports_it(command, folder, name):
    (folder / "latin.txt").write_bytes(LATIN_1)
    done = command(name, "latin.txt", "--errors", "skip")
    assert done.returncode == DONE
    assert done.stderr.endswith("line 2: not UTF-8\n")
    if name == "encode":
        assert done.stderr.startswith("2 rows: 1 encoded, 0 empty, 1 failed; ")
        assert np.load(folder / "out.npy").any(axis=1).tolist() == [True, False]
    else:
        assert len(found(done)) == 1


def test_of_many_bad_rows_ten_are_shown_and_the_rest_counted(command, folder):
    (folder / "bad.txt").write_bytes(b"hello\n" + b"\xff\n" * 25)
    lines = command("search", "bad.txt", "--errors", "skip").stderr.splitlines()
    assert lines == [
        *(f"line {n}: not UTF-8" for n in range(2, 12)),
        "and 15 more rows like these",
    ]


def test_nul_and_control_characters_change_no_vector_and_are_counted(command, folder):
    (folder / "a.txt").write_bytes(b"my parcel\nmy par\x00c\x1bel\x07\n\x00\x01\n")
    done = command("encode", "a.txt")
    assert done.stderr.startswith("3 rows: 2 encoded, 1 empty, 0 failed, 2 cleaned; ")
    plain, dirty, nothing = np.load(folder / "out.npy")
    assert np.allclose(plain, dirty)
    assert not nothing.any()
    assert {hit["text"] for hit in found(command("search", "a.txt"))} == {
        "my parcel",
        "my par\x00c\x1bel\x07",
    }


@pytest.mark.parametrize("name", READERS)
def test_a_line_of_five_megabytes_is_a_row_like_any_other(command, folder, name):
    (folder / "long.txt").write_text("my parcel is late " * 290_000 + "\thello\nhello\thello\n")
    done = command(name, "long.txt")
    assert done.returncode == DONE, done.stderr
    assert "2 rows: 2 encoded" in done.stderr if name == "encode" else len(found(done)) == 2


@pytest.mark.parametrize("name", READERS)
def test_a_line_of_emoji_alone_is_a_row_like_any_other(command, folder, name):
    (folder / "emoji.txt").write_text("🙂👩‍👩‍👧\t🎉\n", encoding="utf-8")
    done = command(name, "emoji.txt")
    assert (
        "1 rows: 1 encoded" in done.stderr
        if name == "encode"
        else "🙂👩‍👩‍👧" in found(done)[0].get("text", done.stdout)
    )


def test_a_lone_surrogate_in_json_is_written_as_valid_utf_8(command, folder):
    (folder / "a.jsonl").write_text('{"text": "hello \\ud800"}\n')
    assert found(command("search", "a.jsonl"))[0]["text"] == "hello ?"


def test_output_is_utf_8_whatever_the_locale(command, folder):
    (folder / "a.txt").write_text("dónde 荷物\n", encoding="utf-8")
    (hit,) = found(command("search", "a.txt", env={**os.environ, "PYTHONIOENCODING": "latin-1"}))
    assert hit["text"] == "dónde 荷物"


def test_an_unknown_column_is_refused_with_the_columns_there_are(command, folder):
    (folder / "a.csv").write_text("id,body\n1,hello\n")
    message = said(command("search", "a.csv", "--column", "text"), BAD_USE)
    assert message == "a.csv has no column 'text'; it has id, body."


def test_a_broken_json_line_stops_with_its_number_or_is_left_out(command, folder):
    (folder / "a.jsonl").write_text('{"text": "hello"}\n{"text": "cut\n')
    assert said(command("search", "a.jsonl"), BAD_USE).startswith("a.jsonl, line 2: not JSON")
    done = command("search", "a.jsonl", "--errors", "skip")
    assert len(found(done)) == 1
    assert done.stderr.startswith("line 2: not JSON")


@pytest.mark.parametrize("name", READERS)
def test_a_missing_file_is_refused_by_name(command, name):
    assert said(command(name, "nowhere.txt"), BAD_USE) == "nowhere.txt does not exist."


def test_a_folder_in_place_of_a_file_is_refused(command):
    assert said(command("search", "."), BAD_USE) == ". is a folder; give a file."


def test_a_gz_file_cut_short_is_refused(command, folder):
    import gzip

    (folder / "a.txt.gz").write_bytes(gzip.compress(b"hello\n" * 1000)[:-10])
    assert said(command("search", "a.txt.gz"), BAD_USE).startswith("a.txt.gz is no whole .gz file")


@pytest.mark.parametrize("name", ["search", "encode", "score"])
@pytest.mark.parametrize("model", ["texts.txt", ".", "nowhere"])
def test_a_model_that_is_none_is_refused_by_name(run_cli, folder, name, model):
    extra = {"search": [QUERY], "encode": ["-o", "out.npy"], "score": []}[name]
    message = said(run_cli(name, "texts.txt", *extra, "--model", model), FAILURE)
    expected = (
        f"{model} is no",
        f"'{model}' is no model folder",
        f"'{model}' is neither a folder nor a known",
    )
    assert message.startswith(expected)


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json"])
def test_a_model_folder_cut_short_is_refused_with_the_file(run_cli, folder, tiny_model, file):
    cut = shutil.copytree(tiny_model, folder / "cut") / file
    cut.write_bytes(cut.read_bytes()[:1000])
    message = said(run_cli("search", "texts.txt", QUERY, "--model", "cut"), FAILURE)
    assert message.startswith(f"cut/{file} cannot be read")
    assert "cut short" in message


def test_encode_refuses_an_output_folder_that_does_not_exist_before_it_reads(run_cli, folder, tiny_model):
    done = run_cli("encode", "nowhere.txt", "-o", "no/such/out.npy", "--model", tiny_model)
    assert said(done, FAILURE) == "Cannot write no/such/out.npy: the folder no/such does not exist."


def test_a_failed_encode_leaves_the_old_output(command, folder):
    (folder / "out.npy").write_bytes(b"old")
    (folder / "latin.txt").write_bytes(LATIN_1)
    said(command("encode", "latin.txt"), BAD_USE)
    assert (folder / "out.npy").read_bytes() == b"old"
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


@pytest.fixture
def big(folder):
    (folder / "big.txt").write_text("".join(f"my parcel {i} has not arrived\n" for i in range(5000)))
    return folder


def in_shell(line, folder, **variables):
    program = f'interlingua() {{ {shlex.quote(sys.executable)} -m interlingua "$@"; }}; set -o pipefail; '
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["bash", "-c", program + line],
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=False,
        env={**environment, **variables},
    )


@pytest.mark.parametrize("to", ["jsonl", "tsv", "table"])
def test_a_reader_that_stops_early_ends_the_run_without_a_word(big, tiny_model, to):
    done = in_shell(f"interlingua search big.txt hello -k 5000 --to {to} --model {tiny_model} | head -1", big)
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
    assert done.returncode == UNREAD


def test_a_reader_that_stops_early_is_fine_with_unbuffered_output_too(big, tiny_model):
    line = f"interlingua search big.txt hello -k 5000 --to jsonl --model {tiny_model} | head -1"
    done = in_shell(line, big, PYTHONUNBUFFERED="1")
    assert (done.returncode, done.stderr) == (UNREAD, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("to", ["jsonl", "tsv", "table"])
def test_a_full_disk_behind_standard_output_is_one_line_and_a_failure(folder, tiny_model, to):
    done = in_shell(f"interlingua search texts.txt hello --to {to} --model {tiny_model} > /dev/full", folder)
    assert done.stderr == b"interlingua: Cannot write the results: No space left on device.\n"
    assert done.returncode == FAILURE


def test_closed_standard_streams_are_no_defect(folder, tiny_model):
    done = in_shell(f"interlingua encode texts.txt -o v.npy --model {tiny_model} >&-", folder)
    assert (done.returncode, b"defect" in done.stderr) == (0, False), done.stderr
    done = in_shell(f"interlingua search - hello --model {tiny_model} <&-", folder)
    assert done.stderr == b"interlingua: Standard input is closed; give a file.\n"


@pytest.mark.usefixtures("sigint_heeded")
@pytest.mark.parametrize("name", ["search", "encode"])
def test_ctrl_c_stops_with_one_line_and_leaves_nothing_half_written(folder, tiny_model, name):
    extra = [QUERY] if name == "search" else ["-o", "out.npy"]
    process = subprocess.Popen(
        [sys.executable, "-m", "interlingua", name, "-", *extra, "--model", str(tiny_model)],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(b"hello\n" * 200_000)  # more than a pipe holds: it returns once that is read
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert stdout == b""
    assert stderr.strip().splitlines()[-1] == b"interlingua: stopped before the end."
    left = {path.name for path in folder.iterdir()}
    assert left - {"out.npy.unfinished"} == {"texts.jsonl", "texts.txt"}
    assert ("out.npy.unfinished" in left) == (b"call the same command again to go on" in stderr)
    assert name == "encode" or len(left) == 2
