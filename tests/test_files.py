"""Readers: every format, every way a file is broken, and the line each row came from."""

from __future__ import annotations

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest

from interlingua.errors import InputError
from interlingua.files import Row, format_of, read_rows
from interlingua.lines import open_lines

TABLE = [{"id": "7", "text": "Wo ist mein Paket?"}, {"id": "8", "text": "私の荷物はどこ"}]


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def texts_of(path, *columns, **options):
    return [row.texts for row in read_rows(path, columns, **options)]


def lines_and_texts(path, *columns, **options):
    return [(row.line, *row.texts) for row in read_rows(path, columns, **options)]


def refusal(path, *columns, **options):
    with pytest.raises(InputError) as caught:
        list(read_rows(path, columns, **options))
    return str(caught.value)


def csv_of(rows):
    return "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows)


def jsonl_of(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_table(path, rows=TABLE):
    kind = format_of(path)
    if kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    content = {"csv": csv_of, "tsv": lambda r: csv_of(r).replace(",", "\t"), "jsonl": jsonl_of}[kind](rows)
    raw = content.encode("utf-8")
    return written(path, gzip.compress(raw) if path.suffix == ".gz" else raw)


TABLES = ["a.csv", "a.tsv", "a.jsonl", "a.ndjson", "a.parquet", "a.CSV", "a.csv.gz", "a.tsv.gz", "a.jsonl.gz"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_gives_the_column_text_unless_another_is_named(tmp_path, name):
    path = write_table(tmp_path / name)
    assert texts_of(path) == [("Wo ist mein Paket?",), ("私の荷物はどこ",)]
    assert texts_of(path, "text", "id") == [("Wo ist mein Paket?", "7"), ("私の荷物はどこ", "8")]


@pytest.mark.parametrize("name", TABLES)
def test_a_row_keeps_its_whole_record_and_its_place(tmp_path, name):
    rows = list(read_rows(write_table(tmp_path / name)))
    assert [row.record for row in rows] == TABLE
    assert [row.line for row in rows] == ([2, 3] if format_of(tmp_path / name) in ("csv", "tsv") else [1, 2])


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
def test_a_number_counts_columns_from_one(tmp_path, name):
    path = write_table(tmp_path / name)
    assert texts_of(path, "1") == [("7",), ("8",)]
    assert "no column '3'" in refusal(path, "3")
    assert "no column '0'" in refusal(path, "0")


def test_a_column_whose_name_is_a_number_comes_before_the_count(tmp_path):
    path = written(tmp_path / "a.csv", "2,1\nfirst,second\n")
    assert texts_of(path, "1") == [("second",)]


@pytest.mark.parametrize("name", TABLES)
def test_an_unknown_column_is_refused_with_the_columns_there_are(tmp_path, name):
    said = refusal(write_table(tmp_path / name), "body")
    assert "'body'" in said
    assert "id, text" in said


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet"])
def test_several_columns_without_text_need_a_choice(tmp_path, name):
    path = write_table(tmp_path / name, [{"id": "7", "text": "x"}])
    raw = path.read_bytes()
    if name == "a.parquet":
        write_table(path, [{"id": "7", "body": "x"}])
    else:
        path.write_bytes(raw.replace(b"text", b"body"))
    assert "has the columns id, body; choose one with --column" in refusal(path)


def test_the_only_column_is_taken_whatever_its_name(tmp_path):
    assert texts_of(written(tmp_path / "a.csv", "body\nHallo\n")) == [("Hallo",)]


def test_without_a_header_the_first_row_is_data(tmp_path):
    path = written(tmp_path / "a.csv", "7,Hallo\n8,Hello\n")
    assert lines_and_texts(path, "2", header=False) == [(1, "Hallo"), (2, "Hello")]
    assert "has the columns 1, 2" in refusal(path, header=False)
    assert "no column 'Hallo'" in refusal(path, "Hallo", header=False)


def test_a_quoted_cell_holds_commas_quotes_and_line_ends_and_line_numbers_stay_right(tmp_path):
    path = written(
        tmp_path / "a.csv", 'id,text\r\n1,"a, ""b""\r\n\r\nc"\r\n\r\n2,plain\r\n3,"x\ny"\r\n4,last'
    )
    assert lines_and_texts(path) == [(2, 'a, "b"\n\nc'), (6, "plain"), (7, "x\ny"), (9, "last")]


def test_a_tsv_keeps_quote_characters_and_carriage_returns(tmp_path):
    path = written(tmp_path / "a.tsv", 'id\ttext\n1\t"open\n2\tsay "hi"\n3\ta\rb\n4\t""\n')
    assert lines_and_texts(path) == [(2, '"open'), (3, 'say "hi"'), (4, "a\rb"), (5, '""')]


def test_a_quote_that_never_closes_is_reported_where_it_opens(tmp_path):
    path = written(tmp_path / "a.csv", 'id,text\n1,good\n2,"open\n3,lost\n4,lost too\n')
    assert "line 3: a quote opens in this row and never closes" in refusal(path)
    good, bad = read_rows(path, errors="skip")
    assert good.texts == ("good",)
    assert bad == Row(3, ("",), {}, "a quote opens in this row and never closes")


def test_a_bare_carriage_return_in_a_csv_is_a_bad_row_not_a_crash(tmp_path):
    path = written(tmp_path / "a.csv", "text\na\rb\nnext\n")
    assert "line 2: not CSV (new-line character seen in unquoted field)" in refusal(path)
    assert lines_and_texts(path, errors="skip") == [(2, ""), (3, "next")]


@pytest.mark.parametrize(("name", "gap"), [("a.csv", ","), ("a.tsv", "\t")])
def test_a_row_with_too_few_cells_or_too_many_is_a_bad_row(tmp_path, name, gap):
    path = written(tmp_path / name, "id,text\n1,a\n2\n3,c,more\n4,d,\n".replace(",", gap))
    assert "line 3: 1 columns where column 2 is needed; mend it, or go on with --errors skip" in refusal(path)
    told = [row.problem for row in read_rows(path, errors="skip")]
    assert told[2] == "3 columns where the header has 2: a text with the delimiter in it"
    assert [bool(problem) for problem in told] == [False, True, True, False]
    assert lines_and_texts(path, errors="replace") == [(2, "a"), (3, ""), (4, ""), (5, "d")]
    assert [row.texts[0] for row in read_rows(path, ["2"], header=False, errors="skip")][3] == "c"


def test_bytes_of_parquet_that_are_not_utf8_are_told_or_replaced(tmp_path):
    import pyarrow
    import pyarrow.parquet

    bad = pyarrow.array([b"good", b"bad \xff"]).cast(pyarrow.binary())
    strings = pyarrow.StringArray.from_buffers(2, *bad.buffers()[1:])
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"text": strings, "id": ["1", "2"]}), path)
    assert "column 'text' has bytes that are not UTF-8; go on with --errors replace" in refusal(path)
    assert [row.texts[0] for row in read_rows(path, errors="replace")] == ["good", "bad \ufffd"]
    assert [row.texts[0] for row in read_rows(path, ["id"])] == ["1", "2"]


def test_plain_lines_end_at_line_feeds_alone_and_blank_ones_keep_their_place(tmp_path):
    path = written(tmp_path / "a.txt", "one\r\n\n \ntwo\u2028same\x0bline\x85\x1c\rthird\nlast")
    assert lines_and_texts(path) == [
        (1, "one"),
        (2, ""),
        (3, " "),
        (4, "two\u2028same\x0bline\x85\x1c\rthird"),
        (5, "last"),
    ]
    assert next(read_rows(path)).record == {}


def test_plain_lines_have_no_columns(tmp_path):
    assert "have no column 'text'; say what it is with --format" in refusal(
        written(tmp_path / "a.txt", "x\n"), "text"
    )


@pytest.mark.parametrize(("name", "expected"), [("a.csv", [2, 5]), ("a.tsv", [2, 5]), ("a.jsonl", [1, 4])])
def test_blank_lines_in_a_table_are_no_rows_but_count_as_lines(tmp_path, name, expected):
    path = write_table(tmp_path / name)
    first, _, rest = path.read_bytes().rpartition(b"\n")[0].rpartition(b"\n")
    path.write_bytes(first + b"\n\n\n" + rest + b"\n")
    assert [row.line for row in read_rows(path)] == expected


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl", "a.txt.gz"])
def test_an_empty_file_has_no_rows(tmp_path, name):
    assert texts_of(written(tmp_path / name, gzip.compress(b"") if name.endswith("gz") else b"")) == []


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_a_header_alone_has_no_rows(tmp_path, name):
    assert texts_of(written(tmp_path / name, "text\n")) == []


@pytest.mark.parametrize("errors", ["strict", "replace", "skip"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_byte_order_mark_and_crlf_belong_to_no_text(tmp_path, name, errors):
    path = write_table(tmp_path / name)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [row.record for row in read_rows(path, errors=errors)] == TABLE


def test_a_byte_order_mark_goes_even_where_the_line_has_a_bad_byte(tmp_path):
    path = written(tmp_path / "a.txt", b"\xef\xbb\xbfcaf\xe9\n")
    assert "line 1: byte 0xe9 is not UTF-8" in refusal(path)
    assert texts_of(path, errors="replace") == [("caf\ufffd",)]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl"])
def test_bytes_that_are_not_utf_8_stop_are_replaced_or_are_left_out(tmp_path, name):
    rows = [b"good", b"caf\xe9", b"good again"]
    if name == "a.jsonl":
        rows = [b'{"text": "' + row + b'"}' for row in rows]
    start = 2 if name in ("a.csv", "a.tsv") else 1
    path = written(tmp_path / name, b"\n".join([b"text", *rows] if start == 2 else rows))
    said = refusal(path)
    assert said.startswith(f"{path}, line {start + 1}: byte 0xe9 is not UTF-8; ")
    assert "--errors replace" in said
    assert texts_of(path, errors="replace") == [("good",), ("caf\ufffd",), ("good again",)]
    good, bad, again = read_rows(path, errors="skip")
    assert (good.texts, again.texts) == (("good",), ("good again",))
    assert bad == Row(start + 1, ("",), {}, "not UTF-8")


def test_a_bad_byte_inside_a_quoted_cell_spoils_its_row_and_no_other(tmp_path):
    path = written(tmp_path / "a.csv", b'id,text\n1,"a\n\xff\nb"\n2,"\xff\nc"\n3,d\n')
    assert [(row.line, row.texts, row.problem) for row in read_rows(path, errors="skip")] == [
        (2, ("",), "not UTF-8"),
        (5, ("",), "not UTF-8"),
        (7, ("d",), ""),
    ]


def test_a_header_that_cannot_be_read_stops_even_under_skip(tmp_path):
    path = written(tmp_path / "a.csv", b"te\xffxt\nHallo\n")
    assert "line 1: not UTF-8; mend it, it names the columns" in refusal(path, errors="skip")


def test_a_bad_first_row_without_header_is_left_out_like_any_other(tmp_path):
    path = written(tmp_path / "a.csv", b"1,\xff\n2,Hallo\n")
    assert lines_and_texts(path, "2", header=False, errors="skip") == [(1, ""), (2, "Hallo")]


def test_open_lines_leaves_out_lines_that_cannot_be_read(tmp_path):
    path = written(tmp_path / "a.txt", b"one\n\xff\nthree")
    assert list(open_lines(path, errors="skip")) == [(1, "one"), (3, "three")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "cut', "not JSON"),
        ("{'text': 'single quotes'}", "not JSON"),
        ('{"text": "a"} {"text": "b"}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["text"]', "a JSON list where an object is needed"),
        ("null", "a JSON NoneType where an object is needed"),
        ('{"body": "a", "id": 1}', "no field 'text'; this row has body, id"),
        ("{}", "no field 'text'; this row has none"),
        ('{"text": 12}', "field 'text' is of type int, not a string"),
        ('{"text": ["a"]}', "field 'text' is of type list, not a string"),
    ],
    ids=lambda value: value[:20],
)
def test_a_bad_json_line_stops_with_its_number_or_is_left_out(tmp_path, line, said):
    path = written(tmp_path / "a.jsonl", f'{{"text": "good"}}\n{line}\n{{"text": "good again"}}\n')
    refused = refusal(path)
    assert refused.startswith(f"{path}, line 2: {said}")
    assert "--errors skip" in refused
    for errors in ("skip", "replace"):
        good, bad, again = read_rows(path, errors=errors)
        assert (good.texts, bad.texts, again.texts) == (("good",), ("",), ("good again",))
        assert bad.problem.startswith(said)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_null_is_an_empty_text(tmp_path, name):
    path = write_table(tmp_path / name, [{"text": "Hallo"}, {"text": None}])
    assert [(row.texts, row.problem) for row in read_rows(path)] == [(("Hallo",), ""), (("",), "")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_column_of_numbers_is_refused_by_name(tmp_path, name):
    assert "'price'" in refusal(write_table(tmp_path / name, [{"text": "x", "price": 3}]), "price")


def test_json_nested_deep_beside_the_text_is_read(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"text": "Hallo", "more": ' + "[" * 100 + "]" * 100 + "}\n")
    assert texts_of(path) == [("Hallo",)]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.tsv", "a.jsonl", "a.txt.gz"])
def test_a_line_of_five_megabytes_is_one_row(tmp_path, name):
    long = "späte Lieferung " * 320_000
    path = tmp_path / name
    if format_of(path) == "lines":
        written(path, gzip.compress(long.encode(), compresslevel=1) if path.suffix == ".gz" else long)
    else:
        write_table(path, [{"id": "1", "text": long}])
    assert texts_of(path) == [(long,)]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.parquet", "a.txt.gz"])
def test_a_missing_file_is_refused_by_name(tmp_path, name):
    assert refusal(tmp_path / name) == f"{tmp_path / name} does not exist."


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.txt.gz"])
def test_a_folder_is_refused_by_name(tmp_path, name):
    (tmp_path / name).mkdir()
    assert refusal(tmp_path / name) == f"{tmp_path / name} is a folder; give a file."


@pytest.mark.parametrize("errors", ["strict", "skip"])
def test_a_gz_file_cut_short_is_refused_after_its_whole_lines(tmp_path, errors):
    whole = gzip.compress("".join(f"line {i * i}\n" for i in range(50_000)).encode())
    path = written(tmp_path / "a.txt.gz", whole[: len(whole) // 2])
    rows = read_rows(path, errors=errors)
    assert next(rows).texts == ("line 0",)
    with pytest.raises(InputError, match=r"a\.txt\.gz is no whole \.gz file"):
        list(rows)


@pytest.mark.parametrize("content", [b"no gzip at all", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage!"])
def test_a_gz_file_that_is_none_is_refused_by_name(tmp_path, content):
    assert "is no whole .gz file" in refusal(written(tmp_path / "a.csv.gz", content))


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_parquet_file_cut_short_is_refused_by_name(tmp_path, keep):
    path = write_table(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:keep])
    assert f"{path} is no Parquet file" in refusal(path)


def test_parquet_values_that_python_lacks_are_strings_and_stop_nothing(tmp_path):
    times = pyarrow.array([1_700_000_000_000_000_001, 2], pyarrow.timestamp("ns"))
    far = pyarrow.array([2**62, 3], pyarrow.timestamp("us"))
    table = pyarrow.table({"text": ["a", "b"], "at": times, "far": far})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    rows = list(read_rows(tmp_path / "t.parquet"))
    assert [row.texts for row in rows] == [("a",), ("b",)]
    assert rows[0].record["at"].startswith("2023-11-14")


def test_the_format_follows_the_ending_unless_it_is_given(tmp_path):
    path = written(tmp_path / "a.txt", csv_of(TABLE))
    assert len(texts_of(path)) == 3
    assert texts_of(path, format="csv") == [("Wo ist mein Paket?",), ("私の荷物はどこ",)]
    assert texts_of(str(path), format="csv") == texts_of(path, format="csv")


def test_what_cannot_be_meant_is_refused_before_reading(tmp_path):
    with pytest.raises(InputError, match="errors is 'ignore'; it is one of strict, replace, skip"):
        read_rows(tmp_path / "a.txt", errors="ignore")
    with pytest.raises(InputError, match="'xml'; it is one of lines, csv, tsv, jsonl, parquet"):
        read_rows(tmp_path / "a.txt", format="xml")
    with pytest.raises(InputError, match=r"columns is one string, 'text'; give a list of names: \['text'\]"):
        read_rows(tmp_path / "a.csv", "text")


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_whose_header_has_no_comma_is_read_by_what_it_has(delimiter, tmp_path):
    lines = ["id;lang;text", '1;de;"Wo; bitte, ist es?"', "2;fr;Où, donc"]
    path = written(tmp_path / "t.csv", "\n".join(line.replace(";", delimiter, 2) for line in lines))
    assert texts_of(path) == [("Wo; bitte, ist es?",), ("Où, donc",)]


def test_a_comma_in_the_header_or_no_header_keeps_the_comma(tmp_path):
    assert texts_of(written(tmp_path / "t.csv", "text,a;b\nx; y,1\n")) == [("x; y",)]
    assert texts_of(written(tmp_path / "t.csv", "one; two\nthree\n"), header=False) == [
        ("one; two",),
        ("three",),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Wo?".encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (b"\x93NUMPY\x01\x00", "is a file of vectors, where texts are needed"),
        (b"PAR1\x15", "is a Parquet file; end its name in .parquet"),
        (b"PK\x03\x04xl/", "is a zip archive or a spreadsheet; save it as CSV"),
        (b"\x1f\x8b\x08", "is compressed; end its name in .gz"),
    ],
)
@pytest.mark.parametrize("errors", ["strict", "replace", "skip"])
def test_what_is_no_text_is_told_whatever_errors_do(content, said, errors, tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(content)
    assert said in refusal(path, errors=errors)


def test_json_is_refused_with_what_is_read_instead(tmp_path):
    path = written(tmp_path / "t.json", '[{"text": "a"}]')
    assert "is JSON; give JSONL, one object a line" in refusal(path)
    assert texts_of(path, format="lines") == [('[{"text": "a"}]',)]
