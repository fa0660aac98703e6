"""Options that several commands share, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from interlingua.encoders import load_encoder
from interlingua.encoders.loading import ENGINES
from interlingua.files import ERRORS, FORMATS

F = TypeVar("F", bound=Callable[..., Any])

column_option = click.option(
    "--column",
    "--field",
    "column",
    metavar="NAME",
    help="Column of a table or field of JSONL that holds the text; a number counts columns from 1. "
    'Default: "text", or a table\'s only column.',
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
            help="What the file is; default: by its ending (.parquet, or .csv .tsv .jsonl, plain or "
            ".gz), else plain lines.",
        ),
        click.option("--no-header", is_flag=True, help="The first row of the table is data, not names."),
        errors_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


MODEL_OPTIONS = [
    click.option(
        "--model",
        metavar="MODEL",
        help="A model's folder, its name on the hub or a short one (`interlingua models` lists them), or a "
        "server's address with the model's name, http://HOST/v1#NAME. Default: the embedded model, offline.",
    ),
    click.option(
        "--engine",
        type=click.Choice(ENGINES),
        help="What runs the model; default: what suits it, which for a transformer is onnx.",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "float16", "bfloat16", "int8"]),
        help="Arithmetic: onnx takes float32 and int8, openvino float32 and bfloat16, torch all but int8. "
        "Default: float32.",
    ),
    click.option("--revision", metavar="REVISION", help="Commit, tag or branch of the model on the hub."),
    click.option(
        "--truncate-dim",
        type=click.IntRange(min=1),
        help="Keep only the first columns, for models trained to allow it.",
    ),
    click.option(
        "--threads", type=click.IntRange(min=1), help="CPU threads, of a transformer; default: all."
    ),
    click.option(
        "--batch-tokens",
        type=click.IntRange(min=1),
        help="Tokens in a transformer's batch, padding included; fewer take less memory.",
    ),
    click.option("--device", metavar="DEVICE", help="With torch: cpu, cuda, mps. Default: cpu."),
    click.option("--trust-remote-code", is_flag=True, help="With torch: let code in the model's folder run."),
]
CHOICES = (
    "engine",
    "dtype",
    "revision",
    "truncate_dim",
    "threads",
    "batch_tokens",
    "device",
    "trust_remote_code",
)


def model_options(function: F) -> F:
    """Which model, and what runs it: the command gets `open_encoder`, to be called."""

    @wraps(function)
    def with_model(*, model: str | None, **options: Any) -> Any:
        chosen = {name: options.pop(name) for name in CHOICES}
        return function(open_encoder=partial(load_encoder, model, **chosen), **options)

    for option in reversed(MODEL_OPTIONS):
        with_model = option(with_model)
    return with_model  # type: ignore[return-value]
