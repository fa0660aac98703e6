"""Reading texts out of files: lines, CSV and TSV, JSONL, Parquet; plain or .gz; or standard input.

Every reader yields rows one by one, in file order, with the line each came from, so that an error
can say where it is and results can point back.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from interlingua.errors import InputError, require

FORMATS = ("lines", "csv", "tsv", "jsonl", "parquet")
ERRORS = ("strict", "replace", "skip")
SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
STDIN = Path("-")
FIELD_LIMIT = 2**31 - 1


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
        line: where it starts, counted from 1 (in Parquet, the row).
        texts: the values of the columns asked for, in that order; a missing value is "".
        record: the whole row of a table or JSONL file, empty for plain lines.
        problem: why the row could not be read, empty if it could; its texts are "" then.
    """

    line: int
    texts: tuple[str, ...]
    record: dict[str, Any]
    problem: str = ""


def read_rows(
    path: Path,
    columns: Iterable[str] = (),
    *,
    format: str | None = None,
    header: bool = True,
    errors: str = "strict",
) -> Iterator[Row]:
    """Rows of a file, with the texts of `columns`.

    Args:
        path: a file, plain or .gz; `-` is standard input.
        columns: names of columns or JSON fields, or column numbers from 1; default "text" where a
            table or JSONL has it, else the only column there is. Plain lines have none.
        format: one of FORMATS; default by the file's ending, else "lines".
        header: whether the first row of a CSV or TSV file names its columns.
        errors: "strict" stops at the first bad row; "replace" reads bytes that are not UTF-8 as
            U+FFFD; "skip" yields a bad row with its `problem` and goes on, as "replace" does with
            rows that no replacement mends.

    Raises:
        InputError: no such file or column, or under "strict" a bad row.
    """
    if errors not in ERRORS:
        raise InputError(f"errors is {errors!r}; it is one of {', '.join(ERRORS)}.")
    kind = format or format_of(path)
    names = tuple(columns)
    if kind == "lines":
        if names:
            raise InputError(
                f"{_name(path)} is read as plain lines, which have no column {names[0]!r}; "
                "say what it is with --format csv, tsv or jsonl."
            )
        return _line_rows(path, errors)
    if kind in ("csv", "tsv"):
        return _table_rows(path, names, "," if kind == "csv" else "\t", header, errors)
    if kind == "jsonl":
        return _jsonl_rows(path, names, errors)
    if kind == "parquet":
        return _parquet_rows(path, names)
    raise InputError(f"Unknown format {kind!r}; it is one of {', '.join(FORMATS)}.")


def format_of(path: Path) -> str:
    """The format that a file's name promises; "lines" for any other ending."""
    name = path.name.removesuffix(".gz")
    return SUFFIXES.get(Path(name).suffix.lower(), "lines")


def open_lines(path: Path, *, errors: str = "strict") -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end) of every line; a line ends at a line feed only.

    Raises:
        InputError: no such file, broken .gz, or, if `errors` is "strict", bytes that are not UTF-8.
    """
    for number, text, problem in _decoded(path, errors):
        if not problem:
            yield number, text


def _line_rows(path: Path, errors: str) -> Iterator[Row]:
    for number, text, problem in _decoded(path, errors):
        yield Row(number, (text,), {}, problem)


def _table_rows(
    path: Path, columns: tuple[str, ...], delimiter: str, header: bool, errors: str
) -> Iterator[Row]:
    lines = _decoded(path, errors)
    problems: dict[int, str] = {}

    def text_lines() -> Iterator[str]:
        for number, text, problem in lines:
            if problem:
                problems[number] = problem
            yield text + "\n"

    csv.field_size_limit(FIELD_LIMIT)
    plain = delimiter == "\t"
    reader = csv.reader(
        text_lines(), delimiter=delimiter, quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
    )
    names: list[str] | None = None
    pick: list[int] | None = None
    begin = 1
    for cells in reader:
        line, begin = begin, reader.line_num + 1
        if not cells and line not in problems:
            continue
        if names is None:
            names = cells if header else [str(i + 1) for i in range(len(cells))]
            pick = [_position(column, names, header, path) for column in columns or _default(names, path)]
            if header:
                continue
        assert pick is not None
        problem = problems.pop(line, "")
        if not problem and len(cells) <= max(pick):
            problem = f"{len(cells)} columns where column {max(pick) + 1} is needed"
            _refuse(path, line, problem, errors)
        if problem:
            yield Row(line, ("",) * len(pick), {}, problem)
        else:
            yield Row(line, tuple(cells[i] for i in pick), dict(zip(names, cells, strict=False)))


def _jsonl_rows(path: Path, columns: tuple[str, ...], errors: str) -> Iterator[Row]:
    names = columns or ("text",)
    for number, text, problem in _decoded(path, errors):
        if not text.strip() and not problem:
            continue
        record, reason = ({}, problem) if problem else _parse_record(text, names)
        if reason:
            _refuse(path, number, reason, errors)
            yield Row(number, ("",) * len(names), {}, reason)
        else:
            yield Row(number, tuple(record[name] or "" for name in names), record)


def _parse_record(text: str, names: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The object on a line, or why it cannot be used."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON ({error})"
    if not isinstance(record, dict):
        return {}, f'a JSON {type(record).__name__} where an object is needed, such as {{"text": "..."}}'
    for name in names:
        if name not in record:
            return {}, f"no field {name!r}; this row has {', '.join(record) or 'none'}"
        if not isinstance(record[name], (str, type(None))):
            return {}, f"field {name!r} is of type {type(record[name]).__name__}, not a string"
    return record, ""


def _parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    parquet = require("pyarrow.parquet", extra="parquet")
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    try:
        table = parquet.ParquetFile(path)
    except Exception as error:
        raise InputError(f"{path} is no Parquet file: {error}.") from error
    names = table.schema_arrow.names
    pick = [names[_position(column, names, True, path)] for column in columns or _default(names, path)]
    number = 0
    for batch in table.iter_batches():
        for record in batch.to_pylist():
            number += 1
            values = [record[name] for name in pick]
            if any(not isinstance(value, (str, type(None))) for value in values):
                raise InputError(
                    f"{path}: column {pick[0]!r} holds no strings; choose another with --column."
                )
            yield Row(number, tuple(value or "" for value in values), record)


def _position(column: str, names: list[str], header: bool, path: Path) -> int:
    if header and column in names:
        return names.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return int(column) - 1
    raise InputError(f"{_name(path)} has no column {column!r}; it has {', '.join(names)}.")


def _default(names: list[str], path: Path) -> tuple[str, ...]:
    if "text" in names:
        return ("text",)
    if len(names) == 1:
        return (names[0],)
    raise InputError(f"{_name(path)} has the columns {', '.join(names)}; choose one with --column.")


def _refuse(path: Path, line: int, problem: str, errors: str) -> None:
    if errors == "strict":
        raise InputError(f"{_name(path)}, line {line}: {problem}; mend it, or go on with --errors skip.")


def _decoded(path: Path, errors: str) -> Iterator[tuple[int, str, str]]:
    """(number, text, problem) of every line."""
    for number, raw in _raw_lines(path):
        problem = ""
        try:
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            if errors == "strict":
                raise InputError(
                    f"{_name(path)}, line {number}: byte 0x{raw[error.start]:02x} is not UTF-8; "
                    "save the file as UTF-8, or go on with --errors replace."
                ) from error
            text = raw.decode("utf-8", "replace") if errors == "replace" else ""
            problem = "" if errors == "replace" else "not UTF-8"
        yield number, text.removesuffix("\n").removesuffix("\r"), problem


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with _open_binary(path) as stream:
            yield from enumerate(stream, start=1)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; give a file.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is no whole .gz file: {error}.") from error
    except OSError as error:
        raise InputError(f"Cannot read {_name(path)}: {error.strerror or error}.") from error


def _open_binary(path: Path) -> BinaryIO:
    if path == STDIN:
        return sys.stdin.buffer
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    stream: BinaryIO = opener(path, "rb")
    return stream


def _name(path: Path) -> str:
    return "standard input" if path == STDIN else str(path)
