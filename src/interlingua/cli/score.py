"""`interlingua score`: how near the two texts of each pair are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from interlingua.cli.options import errors_option, file_argument, model_options, output_format_option
from interlingua.cli.reading import read_texts
from interlingua.cli.render import show_problems, show_results, unread
from interlingua.files import FORMATS, format_of
from interlingua.tasks.similarity import similarity_pairwise
from interlingua.types import Encoder


@click.command("score")
@file_argument
@click.option(
    "--columns",
    nargs=2,
    metavar="SOURCE TARGET",
    help="Names or numbers of the two columns or fields; a table's first row is then its header. Default: "
    "the first two columns of a file without header.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="What the file is; default: by its ending, else TSV.",
)
@click.option("--no-header", is_flag=True, help="With --columns: the first row is data, not names.")
@errors_option
@model_options
@output_format_option
def score_command(
    file: Path,
    columns: tuple[str, str] | None,
    format_: str | None,
    no_header: bool,
    errors: str,
    open_encoder: Callable[[], Encoder],
    to: str | None,
) -> None:
    """Score the pairs of FILE: the cosine of both texts, from -1 to 1; translations score high.

    \b
        interlingua score pairs.tsv --to tsv > scored.tsv
        interlingua score tickets.csv --columns question answer

    FILE has two columns, TSV, CSV, JSONL or Parquet; - is standard input.
    """
    encoder = open_encoder()
    kind = format_ or format_of(file)
    kind = "tsv" if kind == "lines" else kind
    if kind in ("jsonl", "parquet") and not columns:
        raise click.UsageError(f"A {kind} file needs --columns SOURCE TARGET, the names of the two texts.")
    rows = read_texts(file, columns or ("1", "2"), kind, no_header or not columns, errors)
    sources, targets = [row.texts[0] for row in rows], [row.texts[1] for row in rows]
    scores = similarity_pairwise(sources, targets, encoder=encoder)
    results = (
        {"line": row.line, "score": round(float(score), 4), "source": row.texts[0], "target": row.texts[1]}
        for row, score in zip(rows, scores, strict=True)
        if not row.problem
    )
    show_results(results, ("score", "source", "target"), to)
    empty = [
        (row.line, "one side is empty; its score is 0")
        for row in rows
        if not row.problem and not all(text.strip() for text in row.texts)
    ]
    show_problems(sorted([*unread(rows), *empty]))
