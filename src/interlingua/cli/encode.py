"""`interlingua encode`: texts in, vectors on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from interlingua.cli.options import column_option, file_argument, model_options, reading_options
from interlingua.cli.reading import estimated_rows, stream_texts
from interlingua.cli.render import progress_bar, show_problems, show_report
from interlingua.encoders.cache import VectorCache
from interlingua.encoders.output import encode_to_file
from interlingua.encoders.pipeline import KINDS
from interlingua.encoders.unfinished import unfinished
from interlingua.errors import EngineDown, OutputBusy, OutputError
from interlingua.storage import STORAGES
from interlingua.types import Encoder


@click.command("encode")
@file_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the vectors go: .npy (one row a row of FILE), or .parquet (lines and texts too; needs the "
    "extra parquet). A file that is there is replaced.",
)
@click.option(
    "--as",
    "kind",
    type=click.Choice(KINDS),
    default="document",
    show_default=True,
    help="What the texts are: some models want other words before a query than before a document; text is "
    "what `score` compares.",
)
@click.option(
    "--storage",
    type=click.Choice(STORAGES),
    default="float32",
    show_default=True,
    help="Bytes a column: 4, 2, 1, or an eighth (signs, packed).",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, dir_okay=False),
    help="SQLite file of vectors that are kept between runs, for slow models.",
)
@column_option
@reading_options
@model_options
def encode_command(
    file: Path,
    output: Path,
    kind: str,
    storage: str,
    cache: Path | None,
    column: str | None,
    format_: str | None,
    no_header: bool,
    errors: str,
    open_encoder: Callable[[], Encoder],
) -> None:
    """Encode the texts of FILE into unit vectors.

    \b
        interlingua encode posts.jsonl --field body -o posts.npy
        interlingua encode posts.txt -o posts.npy --model LaBSE --dtype int8 --storage float16
        zcat lines.gz | interlingua encode - -o lines.parquet

    Row i of the output belongs to row i of FILE (blank lines of a table or of JSONL are no rows); a row
    that is empty or could not be read is a row of zeros. Rows stream through, equal texts are encoded
    once, and a run that was stopped goes on where it was when the same command is called again. A report
    of empty, cut, cleaned and failed rows goes to standard error.
    """
    if output.suffix not in (".npy", ".parquet"):
        raise click.BadParameter(f"{output} must end in .npy or .parquet.", param_hint="--output")
    if output.exists() and file.exists() and output.samefile(file):
        raise OutputError(f"{output} is the input; give another output.")
    if not output.parent.is_dir():
        raise OutputError(f"Cannot write {output}: the folder {output.parent} does not exist.")
    rows = stream_texts(file, (column,) if column else (), format_, no_header, errors)
    total = estimated_rows(file, format_) if sys.stderr.isatty() else None
    encoder = open_encoder()
    try:
        with progress_bar("encoding") as update:
            report, problems = encode_to_file(
                encoder,
                rows,
                output,
                kind=kind,
                storage=storage,
                on_error="skip" if errors == "skip" else "raise",
                cache=VectorCache(cache) if cache else None,
                on_rows=lambda done: update(done, total),
            )
    except OutputBusy:
        raise
    except (KeyboardInterrupt, EngineDown, OutputError):
        if unfinished(output).exists():
            click.echo(
                f"What was done is kept in {unfinished(output)}; call the same command again to go on.",
                err=True,
            )
        raise
    show_report(report)
    show_problems([(line, reason) for _, line, reason in problems], report.failed)
