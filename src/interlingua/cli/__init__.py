"""The command line: parse, call, show. `main` is what `interlingua` runs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn, TextIO

import click

from interlingua.errors import InputError, InterlinguaError

BAD_USE, FAILURE, INTERRUPTED, BROKEN_PIPE = 2, 1, 130, 141


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 2 bad use or input, 1 failure, 130 stopped, 141 unread."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        from interlingua.cli.app import app

        code = app.main(standalone_mode=False) or 0
        if sys.stdout is not None:  # it is where the caller closed it
            sys.stdout.flush()
    except BaseException as error:
        code = _explain(error)
        if sys.stdout is not None:
            _drop_unwritable(sys.stdout)
    sys.exit(code)


def _explain(error: BaseException) -> int:
    """Say in one line what went wrong; the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return _say("stopped before the end.", INTERRUPTED)
    if isinstance(error, InterlinguaError):
        return _say(str(error), BAD_USE if isinstance(error, InputError) else FAILURE)
    if isinstance(error, MemoryError):
        return _say("out of memory; give it fewer or shorter rows at a time.", FAILURE)
    if not isinstance(error, Exception) or os.environ.get("INTERLINGUA_TRACEBACK"):
        raise error
    return _say(
        f"a defect of ours, {type(error).__name__}: {error}; "
        "set INTERLINGUA_TRACEBACK=1 to see where, and report it.",
        FAILURE,
    )


def _say(message: str, code: int) -> int:
    click.echo(f"interlingua: {message}", err=True)
    return code


def _drop_unwritable(stream: TextIO) -> None:
    """Let the interpreter flush a closed pipe or a full disk at exit without a word."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
