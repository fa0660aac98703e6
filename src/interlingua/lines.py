"""Lines of a file, plain or .gz, or of standard input, as text."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from interlingua.errors import InputError

STDIN = Path("-")
NO_TEXT = {
    b"\xff\xfe": "UTF-16; save it as UTF-8.",
    b"\xfe\xff": "UTF-16; save it as UTF-8.",
    b"\x93NUMPY": "a file of vectors, where texts are needed.",
    b"PAR1": "a Parquet file; end its name in .parquet, or give its texts as lines.",
    b"\x1f\x8b": "compressed; end its name in .gz, or decompress it first.",
    b"PK\x03\x04": "a zip archive or a spreadsheet; save it as CSV.",
    b"%PDF": "a PDF; save its text as UTF-8.",
}


def open_lines(path: Path, *, errors: str = "strict") -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end) of every line; a line ends at a line feed only.

    Raises:
        InputError: no such file, broken .gz, or, if `errors` is "strict", bytes that are not UTF-8.
    """
    for number, text, problem in decoded(path, errors):
        if not problem:
            yield number, text


def decoded(path: Path, errors: str) -> Iterator[tuple[int, str, str]]:
    """(number, text, problem) of every line; bytes that are not UTF-8 are U+FFFD in the text."""
    for number, raw in _raw_lines(path):
        if number == 1:
            _check_kind(raw, path)
        problem = ""
        encoding = "utf-8-sig" if number == 1 else "utf-8"
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError as error:
            if errors == "strict":
                raise InputError(
                    f"{shown(path)}, line {number}: byte 0x{error.object[error.start]:02x} is not UTF-8; "
                    "save the file as UTF-8, or go on with --errors replace."
                ) from error
            text = raw.decode(encoding, "replace")
            problem = "" if errors == "replace" else "not UTF-8"
        yield number, text.removesuffix("\n").removesuffix("\r"), problem


def _check_kind(begin: bytes, path: Path) -> None:
    for signature, advice in NO_TEXT.items():
        if begin.startswith(signature):
            raise InputError(f"{shown(path)} is {advice}")


def _raw_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with _open_binary(path) as stream:
            yield from enumerate(stream, start=1)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder; give a file.") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path} is no whole .gz file: {error}.") from error
    except OSError as error:
        raise InputError(f"Cannot read {shown(path)}: {error.strerror or error}.") from error


def _open_binary(path: Path) -> BinaryIO:
    if path == STDIN:
        if sys.stdin is None:
            raise InputError("Standard input is closed; give a file.")
        return sys.stdin.buffer
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    stream: BinaryIO = opener(path, "rb")
    return stream


def shown(path: Path) -> str:
    """What a file is called in a message."""
    return "standard input" if path == STDIN else str(path)
