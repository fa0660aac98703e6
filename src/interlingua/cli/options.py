"""Options that several commands share, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from interlingua.files import ERRORS, FORMATS

F = TypeVar("F", bound=Callable[..., Any])

model_option = click.option(
    "--model", metavar="FOLDER", default=None, help="Model folder; default: the embedded model, offline."
)
column_option = click.option(
    "--column",
    "--field",
    "column",
    metavar="NAME",
    help="Column of a table or field of JSONL that holds the text; a number counts columns from 1. "
    'Default: "text", or the only column.',
)
output_format_option = click.option(
    "--to",
    type=click.Choice(["table", "jsonl", "tsv"]),
    help="How results are written; default: a table on a terminal, JSONL in a pipe.",
)
errors_option = click.option(
    "--errors",
    type=click.Choice(ERRORS),
    default="strict",
    show_default=True,
    help="At a bad row: stop; read bad bytes as U+FFFD; or pass the row over and report it.",
)
file_argument = click.argument("file", type=click.Path(path_type=Path, allow_dash=True))


def reading_options(function: F) -> F:
    """How the input file is read: --format, --no-header, --errors."""
    options = [
        click.option(
            "--format",
            "format_",
            type=click.Choice(FORMATS),
            help="What the file is; default: by its ending (.csv .tsv .jsonl .parquet, any of them .gz), "
            "else plain lines.",
        ),
        click.option("--no-header", is_flag=True, help="The first row of the table is data, not names."),
        errors_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function
