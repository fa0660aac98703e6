"""`interlingua encode`: texts in, vectors on disk."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from interlingua.cli.options import column_option, file_argument, model_option, reading_options
from interlingua.cli.reading import read_texts
from interlingua.cli.render import progress_bar, show_problems, show_report
from interlingua.encoders import load_encoder
from interlingua.encoders.pipeline import encode_rows
from interlingua.errors import OutputError, require
from interlingua.files import Row
from interlingua.vectors import Vectors
from interlingua.writing import replace_file


@click.command("encode")
@file_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the vectors go: .npy (float32, one row a row of FILE), or .parquet (lines and texts too).",
)
@column_option
@reading_options
@model_option
def encode_command(
    file: Path,
    output: Path,
    column: str | None,
    format_: str | None,
    no_header: bool,
    errors: str,
    model: str | None,
) -> None:
    """Encode the texts of FILE into unit vectors.

    \b
        interlingua encode posts.jsonl --field body -o posts.npy
        zcat lines.gz | interlingua encode - -o lines.parquet

    Row i of the output belongs to row i of FILE (blank lines of a table or of JSONL are no rows); a row
    that is empty or could not be read is a row of zeros. A report of empty, cut, cleaned and failed
    rows goes to standard error.
    """
    if output.suffix not in (".npy", ".parquet"):
        raise click.BadParameter(f"{output} must end in .npy or .parquet.", param_hint="--output")
    if output.suffix == ".parquet":
        require("pyarrow", extra="parquet")
    if not output.parent.is_dir():
        raise OutputError(f"Cannot write {output}: the folder {output.parent} does not exist.")
    encoder = load_encoder(model)
    rows = read_texts(file, (column,) if column else (), format_, no_header, errors)
    with progress_bar("encoding") as update:
        vectors, report = encode_rows(encoder, rows, on_rows=update)
    with replace_file(output) as new:
        if output.suffix == ".npy":
            with new.open("wb") as stream:
                np.save(stream, vectors)
        else:
            _write_parquet(new, rows, vectors)
    show_report(report)
    show_problems(rows)


def _write_parquet(path: Path, rows: list[Row], vectors: Vectors) -> None:
    import pyarrow
    import pyarrow.parquet

    flat = pyarrow.array(vectors.reshape(-1))
    table = pyarrow.table(
        {
            "line": pyarrow.array([row.line for row in rows], pyarrow.int64()),
            "text": pyarrow.array([row.texts[0].encode("utf-8", "replace").decode() for row in rows]),
            "vector": pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )
    pyarrow.parquet.write_table(table, path)
