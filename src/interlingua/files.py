"""Reading texts out of files: lines, CSV and TSV, JSONL, Parquet; plain or .gz; or standard input.

Every reader yields rows one by one, in file order, with the line each came from, so that an error
can say where it is and results can point back.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias

from interlingua.errors import InputError, require
from interlingua.lines import STDIN, decoded, shown

FORMATS = ("lines", "csv", "tsv", "jsonl", "parquet")
ERRORS = ("strict", "replace", "skip")
SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
PARQUET_ROWS = 1024
FIELD_LIMIT = 2**31 - 1

Cells: TypeAlias = tuple[int, list[str], str]
CellReader: TypeAlias = Callable[[Path, str], Iterator[Cells]]


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
    path: Path | str,
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
            table has it, else its only column; in JSONL "text". Plain lines have none.
        format: one of FORMATS; default by the file's ending, else "lines".
        header: whether the first row of a CSV or TSV file names its columns.
        errors: "strict" stops at the first bad row; "replace" reads bytes that are not UTF-8 as
            U+FFFD; "skip" yields a bad row with its `problem` and goes on, as "replace" does with
            rows that no replacement mends.

    Yields:
        A `Row` each: its line from 1, its texts in the order of `columns`, its whole record, and its problem.

    Raises:
        InputError: no such file or column, or under "strict" a bad row; of the file, when the first row is
            asked for.
        MissingExtra: a Parquet file, and pyarrow is not installed.
    """
    if errors not in ERRORS:
        raise InputError(f"errors is {errors!r}; it is one of {', '.join(ERRORS)}.")
    path = Path(path)
    kind = format or format_of(path)
    if isinstance(columns, str):
        raise InputError(f"columns is one string, {columns!r}; give a list of names: [{columns!r}].")
    names = tuple(columns)
    if kind == "lines":
        if names:
            raise InputError(
                f"{shown(path)} is read as plain lines, which have no column {names[0]!r}; "
                "say what it is with --format csv, tsv or jsonl."
            )
        return _line_rows(path, errors)
    if kind in ("csv", "tsv"):
        cells = partial(csv_cells, guess=header) if kind == "csv" else _tsv_cells
        return _table_rows(path, names, cells, header, errors)
    if kind == "jsonl":
        return _jsonl_rows(path, names, errors)
    if kind == "parquet":
        return _parquet_rows(path, names, errors)
    raise InputError(f"Unknown format {kind!r}; it is one of {', '.join(FORMATS)}.")


def format_of(path: Path) -> str:
    """The format that a file's name promises; "lines" for any other ending.

    Raises:
        InputError: the name ends in .json, which is read in no one way.
    """
    name = path.name.removesuffix(".gz")
    suffix = Path(name).suffix.lower()
    if suffix == ".json":
        raise InputError(
            f"{path} is JSON; give JSONL, one object a line, and say --format jsonl if it is that already."
        )
    return SUFFIXES.get(suffix, "lines")


def _line_rows(path: Path, errors: str) -> Iterator[Row]:
    for number, text, problem in decoded(path, errors):
        yield Row(number, ("" if problem else text,), {}, problem)


def _table_rows(
    path: Path, columns: tuple[str, ...], cells_of: CellReader, header: bool, errors: str
) -> Iterator[Row]:
    names: list[str] = []
    pick: list[int] = []
    for line, cells, reason in cells_of(path, errors):
        problem = reason
        if not pick and (header or not problem):
            if problem:
                raise InputError(f"{shown(path)}, line {line}: {problem}; mend it, it names the columns.")
            names = cells if header else [str(i + 1) for i in range(len(cells))]
            pick = [_position(column, names, header, path) for column in columns or _default(names, path)]
            if header:
                continue
        if not problem and len(cells) <= max(pick):
            problem = f"{len(cells)} columns where column {max(pick) + 1} is needed"
        if not problem and header and any(cells[len(names) :]):
            problem = (
                f"{len(cells)} columns where the header has {len(names)}: a text with the delimiter in it"
            )
        if problem:
            _refuse(path, line, problem, errors)
            yield Row(line, ("",) * (len(columns) or 1), {}, problem)
        else:
            yield Row(line, tuple(cells[i] for i in pick), dict(zip(names, cells, strict=False)))


def csv_cells(path: Path, errors: str, *, guess: bool) -> Iterator[Cells]:
    """(line, cells, problem) of every row that is not blank; a quoted cell may hold line ends.

    With `guess` a header without a comma tells the delimiter: a semicolon, as spreadsheets write where the
    comma is decimal, or a tab.
    """
    problems: list[str] = []
    source = decoded(path, errors)
    first = list(islice(source, 1))
    header = first[0][1] if first and guess else ""
    delimiter = max(",;\t", key=header.count) if "," not in header else ","

    def text_lines() -> Iterator[str]:
        for _, text, problem in chain(first, source):
            if problem:
                problems.append(problem)
            yield text + "\n"
        # A row that is still open here takes in all the rest of the file.
        problems.append("a quote opens in this row and never closes")

    csv.field_size_limit(FIELD_LIMIT)
    reader = csv.reader(text_lines(), delimiter=delimiter)
    begin = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells = []
            problems.append(f"not CSV ({str(error).partition(' - ')[0]})")
        if cells or problems:
            yield begin, cells, problems[0] if problems else ""
        problems.clear()
        begin = reader.line_num + 1


def _tsv_cells(path: Path, errors: str) -> Iterator[Cells]:
    """The same of TSV: a tab ends a cell, a line feed a row, and a quote is a character like others."""
    for line, text, problem in decoded(path, errors):
        if text or problem:
            yield line, text.split("\t"), problem


def _jsonl_rows(path: Path, columns: tuple[str, ...], errors: str) -> Iterator[Row]:
    names = columns or ("text",)
    for number, text, problem in decoded(path, errors):
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


def _parquet_rows(path: Path, columns: tuple[str, ...], errors: str) -> Iterator[Row]:
    parquet = require("pyarrow.parquet", extra="parquet")
    if path == STDIN:
        raise InputError("Parquet cannot be read from standard input; give a file.")
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    try:
        table = parquet.ParquetFile(path)
    except Exception as error:
        raise InputError(f"{path} is no Parquet file: {error}.") from error
    names = table.schema_arrow.names
    pick = [names[_position(column, names, True, path)] for column in columns or _default(names, path)]
    number = 0
    for batch in _parquet_batches(table, path):
        values_of = [
            _parquet_values(column, path, name, "replace" if name not in pick else errors)
            for name, column in zip(names, batch, strict=True)
        ]
        for cells in zip(*values_of, strict=True):
            number += 1
            record = dict(zip(names, cells, strict=True))
            values = [record[name] for name in pick]
            if any(not isinstance(value, (str, type(None))) for value in values):
                raise InputError(
                    f"{path}: column {pick[0]!r} holds no strings; choose another with --column."
                )
            yield Row(number, tuple(value or "" for value in values), record)


def _parquet_batches(table: Any, path: Path) -> Iterator[Any]:
    try:
        yield from table.iter_batches(batch_size=PARQUET_ROWS)
    except OSError as error:
        raise InputError(f"{path} cannot be read to its end ({error}); it is damaged.") from error


def _parquet_values(column: Any, path: Path, name: str, errors: str) -> list[Any]:
    """A column as Python values; as its strings where Python has no such value, such as a nanosecond."""
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError as error:
        if errors == "strict":
            raise InputError(
                f"{path}: column {name!r} has bytes that are not UTF-8; go on with --errors replace."
            ) from error
        raw = column.cast("binary").to_pylist()
        values = [None if value is None else value.decode("utf-8", "replace") for value in raw]
    except (ValueError, OverflowError):
        values = column.cast("string").to_pylist()
    return values


def _position(column: str, names: list[str], header: bool, path: Path) -> int:
    if header and column in names:
        return names.index(column)
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return int(column) - 1
    raise InputError(f"{shown(path)} has no column {column!r}; it has {', '.join(names)}.")


def _default(names: list[str], path: Path) -> tuple[str, ...]:
    if "text" in names:
        return ("text",)
    if len(names) == 1:
        return (names[0],)
    raise InputError(f"{shown(path)} has the columns {', '.join(names)}; choose one with --column.")


def _refuse(path: Path, line: int, problem: str, errors: str) -> None:
    if errors == "strict":
        raise InputError(f"{shown(path)}, line {line}: {problem}; mend it, or go on with --errors skip.")
