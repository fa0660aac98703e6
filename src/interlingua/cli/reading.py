"""A file's rows as texts ready to encode, with what was wrong with them kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from interlingua.errors import InputError
from interlingua.files import Row, format_of, read_rows


def read_texts(
    file: Path, columns: Sequence[str], format_: str | None, no_header: bool, errors: str
) -> list[Row]:
    """All rows of a file; those that could not be read keep their place, with empty texts.

    Raises:
        InputError: the file cannot be read, or has no rows.
    """
    return list(stream_texts(file, columns, format_, no_header, errors))


def stream_texts(
    file: Path, columns: Sequence[str], format_: str | None, no_header: bool, errors: str
) -> Iterator[Row]:
    """The same, a row at a time."""
    row = None
    for row in read_rows(file, columns, format=format_, header=not no_header, errors=errors):
        yield row
    if row is None:
        raise InputError(
            f"{'Standard input' if str(file) == '-' else file} has no rows; there is nothing to do."
        )


def estimated_rows(path: Path, format: str | None = None) -> int | None:
    """About how many rows a file has, for a progress bar; None where only reading it would tell."""
    if not path.is_file() or path.suffix == ".gz" or (format or format_of(path)) == "parquet":
        return None
    try:
        stream = path.open("rb")
    except OSError:
        return None
    with stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b""))
