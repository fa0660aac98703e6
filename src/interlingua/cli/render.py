"""Showing results: a table to a person, JSONL or TSV to a program; reports and progress on stderr."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from interlingua.cli import BROKEN_PIPE
from interlingua.errors import OutputError
from interlingua.files import Row
from interlingua.text import clean
from interlingua.types import EncodeReport

PROBLEMS_SHOWN = 10


def show_results(rows: Iterable[dict[str, Any]], columns: Sequence[str], to: str | None) -> None:
    """Write result rows to stdout; a table and TSV show `columns`, JSONL shows every key.

    Raises:
        OutputError: stdout takes no more, as on a full disk.
    """
    kind = to or ("table" if sys.stdout is not None and sys.stdout.isatty() else "jsonl")
    with _stdout_errors():
        if kind == "table":
            _show_table(list(rows), columns)
            return
        if kind == "tsv":
            click.echo("\t".join(columns))
        for row in rows:
            click.echo(_printable(_json(row) if kind == "jsonl" else _tsv(row, columns)))


@contextmanager
def _stdout_errors() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise click.exceptions.Exit(BROKEN_PIPE) from error
    except OSError as error:
        raise OutputError(f"Cannot write the results: {error.strerror or error}.") from error


def _show_table(rows: list[dict[str, Any]], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        numeric = bool(rows) and isinstance(rows[0].get(column), (int, float))
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric)
    for row in rows:
        table.add_row(*(Text(clean(_cell(row.get(column)))) for column in columns))
    console = Console(file=sys.stdout)
    with console.capture() as shown:  # by itself rich ends the program at a closed pipe
        console.print(table)
    click.echo(shown.get(), nl=False)


def _json(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(row), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    """The same without NaN and infinities, which JSON does not have; they become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _tsv(row: dict[str, Any], columns: Sequence[str]) -> str:
    return "\t".join(" ".join(_cell(row.get(column)).split()) for column in columns)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "" if value is None else str(value)


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def show_report(report: EncodeReport) -> None:
    """One line about a run, on stderr; what did not happen is left out."""
    rate = f"{report.rows / report.seconds:,.0f} rows/s" if report.seconds else "at once"
    rarely = [
        (report.deduplicated, "met before"),
        (report.cached, "from the cache"),
        (report.cut, f"cut ({report.cut_tokens:,} tokens lost)"),
        (report.cleaned, "cleaned"),
    ]
    told = "".join(f", {count:,} {what}" for count, what in rarely if count)
    click.echo(
        f"{report.rows:,} rows: {report.encoded:,} encoded, {report.empty:,} empty, "
        f"{report.failed:,} failed{told}; {report.seconds:.1f} s, {rate}",
        err=True,
    )


def show_problems(problems: Iterable[tuple[int, str]], count: int | None = None) -> None:
    """The first rows that went wrong, on stderr, a line each; `count` is how many did in all."""
    bad = list(problems)
    for line, reason in bad[:PROBLEMS_SHOWN]:
        click.echo(f"line {line}: {reason}", err=True)
    more = (count or len(bad)) - PROBLEMS_SHOWN
    if more > 0:
        click.echo(f"and {more:,} more rows like these", err=True)


def unread(rows: Iterable[Row]) -> Iterator[tuple[int, str]]:
    """Line and reason of each row that could not be read."""
    return ((row.line, row.problem) for row in rows if row.problem)


@contextmanager
def progress_bar(what: str, unit: str = "rows") -> Iterator[Any]:
    """A bar with rate and time left on stderr, if that is a terminal: yields `update(done, total, what)`."""
    if not sys.stderr.isatty():
        yield lambda done, total, what=what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(done: int, total: int | None, what: str = what) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, rate="")
            task = bar.tasks[tasks[what]]
            speed = f"{task.speed:,.0f} {unit}/s" if task.speed else ""
            bar.update(tasks[what], completed=done, total=total, rate=speed)

        yield update
