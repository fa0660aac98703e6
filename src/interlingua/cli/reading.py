"""A file's rows as texts ready to encode, with what was wrong with them kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from interlingua.errors import InputError
from interlingua.files import Row, read_rows


def read_texts(
    file: Path, columns: Sequence[str], format_: str | None, no_header: bool, errors: str
) -> list[Row]:
    """All rows of a file; those that could not be read keep their place, with empty texts.

    Raises:
        InputError: the file cannot be read, or has no rows.
    """
    rows = list(read_rows(file, columns, format=format_, header=not no_header, errors=errors))
    if not rows:
        raise InputError(
            f"{'Standard input' if str(file) == '-' else file} has no rows; there is nothing to do."
        )
    return rows
