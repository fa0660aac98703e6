"""`interlingua search`: a grep by meaning, across languages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from interlingua.cli.options import (
    column_option,
    file_argument,
    model_options,
    output_format_option,
    reading_options,
)
from interlingua.cli.reading import read_texts
from interlingua.cli.render import show_problems, show_results, unread
from interlingua.errors import InputError
from interlingua.files import Row, read_rows
from interlingua.languages import UNDETERMINED, identify_languages, normalize_language, same_language
from interlingua.tasks.search import search_vectors
from interlingua.types import Encoder

LANGUAGE = "language"


@click.command("search")
@file_argument
@click.argument("queries", nargs=-1, metavar="QUERY...")
@click.option(
    "--queries",
    "query_file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File of queries: one a line, or a table or JSONL with them in a column 'text'.",
)
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="Most hits a query.")
@click.option(
    "--min-score", type=click.FloatRange(-1, 1), default=-1.0, help="Least cosine of a hit, -1 to 1."
)
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="CODE",
    help="Keep texts in this language, such as de or zh; may be repeated. Languages are identified "
    "unless --language-column names them.",
)
@click.option(
    "--language-column", metavar="NAME", help="Column or field that holds each text's language code."
)
@column_option
@reading_options
@model_options
@output_format_option
def search_command(
    file: Path,
    queries: tuple[str, ...],
    query_file: Path | None,
    k: int,
    min_score: float,
    languages: tuple[str, ...],
    language_column: str | None,
    column: str | None,
    format_: str | None,
    no_header: bool,
    errors: str,
    open_encoder: Callable[..., Encoder],
    to: str | None,
) -> None:
    """Find the texts of FILE that mean the same as QUERY, in whatever language they are.

    \b
        interlingua search tickets.jsonl "Mein Paket ist nicht angekommen" -k 5
        interlingua search posts.csv --column body --queries questions.txt > hits.jsonl
        zcat log.gz | interlingua search - "disk full" --language ja

    FILE is plain lines, CSV, TSV or JSONL, plain or .gz, or Parquet; - is standard input.
    """
    if str(file) == str(query_file) == "-":
        raise click.UsageError("Standard input can give the texts or the queries, not both; name a file.")
    asked = _read_queries(query_file, errors)
    wanted = [*queries, *(row.texts[0] for row in asked if row.texts[0].strip())]
    if not wanted:
        raise click.UsageError(
            'Give a query, as in: interlingua search FILE "late delivery", or --queries FILE.'
        )
    if all(not query.strip() for query in wanted):
        raise click.UsageError("The query is empty; give some words.")
    encoder = open_encoder(languages=languages)
    read = read_texts(file, (column,) if column else (), format_, no_header, errors)
    rows, problems = read, list(unread(read))
    if languages or language_column:
        rows, unknown = _in_languages(read, languages, language_column)
        problems = sorted([*problems, *unknown])
    texts = [row.texts[0] for row in rows]
    hits = search_vectors(encoder.encode_query(wanted), encoder.encode_documents(texts), k, min_score)
    show_results(_results(wanted, hits, rows), _columns(len(wanted) > 1 or query_file is not None, rows), to)
    if not any(hits):
        click.echo(f"No text of {len(rows):,} is found.", err=True)
    show_problems([*((line, f"{query_file}: {problem}") for line, problem in unread(asked)), *problems])


def _columns(several: bool, rows: list[Row]) -> list[str]:
    """What a table shows: the query where there may be several, the language where the file tells it."""
    told = any(LANGUAGE in row.record for row in rows)
    return [*(["query"] if several else []), "score", "line", *([LANGUAGE] if told else []), "text"]


def _results(
    queries: list[str], hits: list[list[tuple[int, float]]], rows: list[Row]
) -> Iterator[dict[str, Any]]:
    for query, found in zip(queries, hits, strict=True):
        for rank, (i, score) in enumerate(found, start=1):
            row = rows[i]
            result = {
                "query": query,
                "rank": rank,
                "score": round(score, 4),
                "line": row.line,
                "text": row.texts[0],
            }
            if LANGUAGE in row.record:
                result[LANGUAGE] = row.record[LANGUAGE]
            yield {**result, "record": row.record} if row.record else result


def _read_queries(file: Path | None, errors: str) -> list[Row]:
    if file is None:
        return []
    rows = list(read_rows(file, errors=errors))
    if not any(row.texts[0].strip() for row in rows):
        raise InputError(
            f"{'Standard input' if str(file) == '-' else file} holds no query; write one a line."
        )
    return rows


def _in_languages(
    rows: list[Row], codes: tuple[str, ...], column: str | None
) -> tuple[list[Row], list[tuple[int, str]]]:
    """The rows in one of the languages, and the lines whose column holds no language code."""
    wanted = [normalize_language(code) for code in codes]
    problems: list[tuple[int, str]] = []
    if not wanted:
        raise click.UsageError("--language-column needs --language CODE, the languages to keep.")
    if column is None:
        tags = [guesses[0].language for guesses in identify_languages([row.texts[0] for row in rows])]
        if marked := [tag for tag in wanted if "-" in tag]:
            click.echo(
                f"Languages are identified without script and region: {', '.join(marked)} keeps all texts of "
                "that language; --language-column tells them apart.",
                err=True,
            )
    else:
        records = [row.record for row in rows if not row.problem]
        if records and not any(column in record for record in records):
            raise InputError(
                f"No row has a column {column!r}; the first has {', '.join(records[0]) or 'none'}."
            )
        tags = [_tag(row, column, problems) for row in rows]
    kept = [row for row, tag in zip(rows, tags, strict=True) if any(same_language(tag, w) for w in wanted)]
    return kept, problems


def _tag(row: Row, column: str, problems: list[tuple[int, str]]) -> str:
    if row.problem:
        return UNDETERMINED
    if column not in row.record:
        problems.append((row.line, f"left out: no column {column!r}"))
        return UNDETERMINED
    code = row.record[column]
    try:
        return normalize_language(str(code)) if code else UNDETERMINED
    except InputError:
        problems.append((row.line, f"left out: {code!r} in column {column!r} is no language code"))
        return UNDETERMINED
