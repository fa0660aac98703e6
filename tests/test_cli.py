"""The command line as a program: every command on good input, and calls that cannot be meant."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cli_runs import BAD_USE, DONE, QUERY, READERS, TEXTS, found, said, usage_error
from interlingua import __version__, load_encoder


@pytest.mark.parametrize(
    "arguments", [(), *([name] for name in READERS), ["completion"], ["train", "static"]], ids=str
)
def test_help_explains_the_command_and_exits_well(run_cli, arguments):
    done = run_cli(*arguments, "--help")
    assert done.returncode == DONE
    assert done.stdout.startswith("Usage: ")
    assert done.stderr == ""


def test_version_is_the_package_version(run_cli):
    done = run_cli("--version")
    assert (done.returncode, done.stdout, done.stderr) == (DONE, f"interlingua, version {__version__}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run_cli, shell):
    done = run_cli("completion", shell)
    assert done.returncode == DONE
    assert "_INTERLINGUA_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["find"], "No such command 'find'"),
        (["search", "texts.txt"], "Give a query"),
        (["search", "texts.txt", "x", "-k", "0"], "-k"),
        (["search", "texts.txt", "x", "--min-score", "2"], "--min-score"),
        (["search", "texts.txt", "x", "--language-column", "lang"], "needs --language CODE"),
        (["search", "texts.txt", "x", "--errors", "ignore"], "--errors"),
        (["encode", "texts.txt"], "--output"),
        (["encode", "texts.txt", "-o", "vectors.txt"], "must end in .npy or .parquet"),
        (["score", "texts.jsonl"], "needs --columns SOURCE TARGET"),
        (["languages", "texts.txt", "--to", "xml"], "--to"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_wrong_use_exits_2_and_says_what_is_wanted(run_cli, folder, arguments, expected):
    assert expected in usage_error(run_cli(*arguments))


def test_search_finds_across_languages_with_the_embedded_model(run_cli, folder):
    first, *_ = found(run_cli("search", "texts.txt", "The package still is not here", "-k", "2"))
    assert first["rank"] == 1
    assert first["line"] in (1, 2)


def test_search_writes_a_json_object_a_hit_into_a_pipe(command):
    hits = found(command("search", "texts.txt"))
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert hits[0] == {"query": QUERY, "rank": 1, "score": 1.0, "line": 2, "text": TEXTS[1]}
    assert sorted((hit["score"] for hit in hits), reverse=True) == [hit["score"] for hit in hits]


def test_search_results_carry_the_whole_record_of_a_table(command):
    assert found(command("search", "texts.jsonl"))[0]["record"] == {"text": TEXTS[1], "n": 1}


def test_values_that_json_does_not_have_become_null(command, folder):
    (folder / "a.jsonl").write_text(
        '{"text": "hello", "x": NaN, "y": [Infinity, {"z": -Infinity}], "n": 0.5}\n'
    )
    record = found(command("search", "a.jsonl"))[0]["record"]
    assert record == {"text": "hello", "x": None, "y": [None, {"z": None}], "n": 0.5}


def test_search_as_tsv_has_a_header_and_a_line_a_hit(command, folder):
    (folder / "a.csv").write_text('text\n"my\tparcel\nhas not  arrived"\n')
    done = command("search", "a.csv", "--to", "tsv")
    header, line, end = done.stdout.split("\n")
    assert (header, end) == ("score\tline\ttext", "")
    assert line.split("\t")[1:] == ["2", "my parcel has not arrived"]


def test_a_table_has_a_header_and_no_control_characters(command, folder):
    (folder / "a.txt").write_text("\x1b[31mmein\x07 Paket\n")
    done = command("search", "a.txt", "--to", "table")
    assert done.stdout.split("\n")[0].split() == ["score", "line", "text"]
    assert "[31mmein Paket" in done.stdout
    assert "\x1b" not in done.stdout


def test_k_and_min_score_cut_the_hits(command):
    assert len(found(command("search", "texts.txt", "-k", "2"))) == 2
    assert [hit["line"] for hit in found(command("search", "texts.txt", "--min-score", "0.99"))] == [2]


def test_several_queries_are_answered_in_order(command):
    hits = found(command("search", "texts.txt", TEXTS[0], "-k", "1"))
    assert [(hit["query"], hit["line"]) for hit in hits] == [(TEXTS[0], 1), (QUERY, 2)]
    done = command("search", "texts.txt", TEXTS[0], "--to", "tsv")
    assert done.stdout.startswith("query\tscore\tline\ttext\n")


def test_queries_come_from_a_file_after_those_on_the_line(command, folder):
    (folder / "queries.txt").write_text(f"{TEXTS[2]}\n\n{TEXTS[0]}\n")
    hits = found(command("search", "texts.txt", "--queries", "queries.txt", "-k", "1"))
    assert [hit["line"] for hit in hits] == [2, 3, 1]


def test_a_file_without_a_query_is_refused(command, folder):
    (folder / "queries.txt").write_text("\n \n")
    assert said(command("search", "texts.txt", "--queries", "queries.txt"), BAD_USE).startswith(
        "queries.txt holds no query"
    )


def test_the_language_filter_keeps_texts_of_that_language_and_their_lines(command):
    assert [hit["line"] for hit in found(command("search", "texts.txt", "--language", "deu_Latn"))] == [2]
    assert [hit["line"] for hit in found(command("search", "texts.txt", "--language", "fi"))] == []


def test_queries_may_stand_in_a_table_or_in_jsonl(command, folder):
    (folder / "q.jsonl").write_text(json.dumps({"id": 1, "text": TEXTS[2]}) + "\n")
    (folder / "q.csv").write_text(f'id,text\n1,"{TEXTS[2]}"\n')
    for name in ("q.jsonl", "q.csv"):
        hit = found(command("search", "texts.txt", "--queries", name, "-k", "1"))[-1]
        assert (hit["query"], hit["text"]) == (TEXTS[2], TEXTS[2])


def test_nothing_found_is_said(command):
    done = command("search", "texts.txt", "--min-score", "1", "-k", "1", "--language", "fi")
    assert done.stderr == "No text of 0 is found.\n"


def test_the_language_filter_refuses_what_is_no_code(command):
    assert "'german' is no language code" in said(
        command("search", "texts.txt", "--language", "german"), BAD_USE
    )


def test_a_language_column_decides_where_it_is_given(command, folder):
    (folder / "a.csv").write_text("text,lang\nhello,de-AT\nhallo,en\nhola,\nha,deu\n")
    column = ["--language", "de", "--language-column", "lang"]
    assert sorted(hit["line"] for hit in found(command("search", "a.csv", *column))) == [2, 5]


def test_a_row_whose_language_is_no_code_is_left_out_and_told(command, folder):
    (folder / "a.csv").write_text("text,lang\nhello,de\nhallo,german\n")
    done = command("search", "a.csv", "--language", "de", "--language-column", "lang")
    assert [hit["line"] for hit in found(done)] == [2]
    assert done.stderr == "line 3: left out: 'german' in column 'lang' is no language code\n"


def test_rows_without_the_language_column_are_left_out_unless_none_has_it(command, folder):
    (folder / "a.jsonl").write_text('{"text": "hallo", "lang": "de"}\n{"text": "x"}\n')
    done = command("search", "a.jsonl", "--language", "de", "--language-column", "lang")
    assert [hit["line"] for hit in found(done)] == [1]
    assert done.stderr == "line 2: left out: no column 'lang'\n"
    told = said(command("search", "a.jsonl", "--language", "de", "--language-column", "l"), BAD_USE)
    assert told == "No row has a column 'l'; the first has text, lang."


def test_bad_rows_of_a_file_of_queries_are_told(command, folder):
    (folder / "q.jsonl").write_text(json.dumps({"text": TEXTS[1]}) + "\nnot json\n")
    done = command("search", "texts.txt", "--queries", "q.jsonl", "--errors", "skip", "-k", "1")
    assert [hit["text"] for hit in found(done)] == [TEXTS[1], TEXTS[1]]
    assert "line 2: q.jsonl: not JSON" in done.stderr


def test_a_script_that_is_not_identified_is_told(command, folder):
    (folder / "a.csv").write_text("text,lang\n你好世界,zh-TW\n我的包裹没有送到,zh-CN\n")
    wish = ["search", "a.csv", "--language", "zh-Hant", "--min-score", "-1"]
    done = command(*wish)
    assert len(found(done)) == 2
    assert "without script and region: zh-Hant keeps all texts of that language" in done.stderr
    done = command(*wish, "--language-column", "lang")
    assert [hit["line"] for hit in found(done)] == [2]
    assert done.stderr == ""


def test_a_pair_with_an_empty_side_scores_nothing_and_is_told(command, folder):
    (folder / "pairs.tsv").write_text("hello\thallo\nhello\t \n")
    done = command("score", "pairs.tsv")
    assert found(done)[1]["score"] == 0
    assert done.stderr == "line 2: one side is empty; its score is 0\n"


def test_rows_that_could_not_be_read_are_reported_under_a_language_filter_too(command, folder):
    (folder / "a.txt").write_bytes(f"{TEXTS[1]}\n".encode() + b"\xff\n")
    done = command("search", "a.txt", "--errors", "skip", "--language", "de")
    assert len(found(done)) == 1
    assert done.stderr == "line 2: not UTF-8\n"


def test_numbered_columns_of_pairs_may_have_no_header(command, folder):
    (folder / "pairs.tsv").write_text("1\thello\thallo\n2\tcat\tKatze\n")
    hits = found(command("score", "pairs.tsv", "--columns", "2", "3", "--no-header"))
    assert [(hit["line"], hit["source"]) for hit in hits] == [(1, "hello"), (2, "cat")]
    assert [hit["line"] for hit in found(command("score", "pairs.tsv", "--columns", "2", "3"))] == [2]


def test_bad_bytes_in_a_file_of_queries_may_be_replaced(command, folder):
    (folder / "q.txt").write_bytes(TEXTS[1].encode() + b"\xff\n")
    assert "go on with --errors replace" in said(
        command("search", "texts.txt", "--queries", "q.txt"), BAD_USE
    )
    assert found(command("search", "texts.txt", "--queries", "q.txt", "--errors", "replace"))


def test_encode_writes_the_encoders_vectors_and_a_report(command, folder, tiny_model):
    done = command("encode", "texts.txt")
    assert (done.returncode, done.stdout) == (DONE, "")
    assert done.stderr.startswith("3 rows: 3 encoded, 0 empty, 0 failed; ")
    assert np.array_equal(np.load(folder / "out.npy"), load_encoder(tiny_model).encode(TEXTS))


def test_encode_writes_parquet_with_lines_texts_and_vectors(run_cli, folder, tiny_model):
    import pyarrow.parquet

    done = run_cli("encode", "texts.jsonl", "-o", "out.parquet", "--model", tiny_model)
    assert done.returncode == DONE, done.stderr
    rows = pyarrow.parquet.read_table(folder / "out.parquet").to_pylist()
    assert [(row["line"], row["text"]) for row in rows] == list(zip([1, 2, 3], TEXTS, strict=True))
    assert np.allclose([row["vector"] for row in rows], load_encoder(tiny_model).encode(TEXTS))


def test_score_gives_the_cosine_of_each_pair(command, folder):
    (folder / "pairs.tsv").write_text("hello\thello\nhello\tparcel\nhello\t\n")
    scores = [row["score"] for row in found(command("score", "pairs.tsv"))]
    assert scores[0] == 1
    assert -1 < scores[1] < 1
    assert scores[2] == 0
    assert command("score", "pairs.tsv", "--to", "tsv").stdout.startswith(
        "score\tsource\ttarget\n1.000\thello\t"
    )


def test_score_takes_named_columns(command, folder):
    (folder / "pairs.csv").write_text("id,question,answer\n1,hello,hello\n")
    (row,) = found(command("score", "pairs.csv", "--columns", "question", "answer"))
    assert row == {"line": 2, "score": 1.0, "source": "hello", "target": "hello"}


def test_languages_names_the_language_of_each_line(command):
    rows = found(command("languages", "texts.txt"))
    assert [row["language"] for row in rows] == ["en", "de", "es"]
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert (
        command("languages", "texts.txt", "--to", "tsv").stdout.split("\n")[0]
        == "language\tprobability\tline\ttext"
    )


@pytest.mark.parametrize("name", READERS)
def test_a_dash_is_standard_input(command, name):
    text = "hello\thello\n" if name == "score" else "".join(f"{text}\n" for text in TEXTS)
    done = command(name, "-", stdin=text)
    assert done.returncode == DONE, done.stderr
    assert (done.stdout == "") == (name == "encode")
