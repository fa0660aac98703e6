"""Everything that can go wrong, in one tree.

    InterlinguaError
    ├── InputError (ValueError)     a text, row, option or file that cannot be used as given
    ├── ModelError (ValueError)     a folder or name that is no model we can load
    ├── OutputError (OSError)       a result that cannot be written where it was asked for
    │   └── OutputBusy              ... because another process is writing there
    ├── EngineError (RuntimeError)  an engine that fails on a text: memory, a server's refusal
    │   ├── RowError                ... which has a number in what was given
    │   └── EngineDown              ... and would on any other: a server that is away, a wrong key
    └── MissingExtra (ImportError)  an optional engine is not installed

Every message says what was given, what is accepted and what to do next.
"""

from __future__ import annotations

import importlib
from typing import Any


class InterlinguaError(Exception):
    """The root: catch it to catch everything this package raises on purpose."""


class InputError(InterlinguaError, ValueError):
    """What was given cannot be used."""


class ModelError(InterlinguaError, ValueError):
    """A folder or name does not hold a model that can be loaded."""


class OutputError(InterlinguaError, OSError):
    """A result cannot be written where it was asked for."""


class OutputBusy(OutputError):
    """Another process is writing there."""


class EngineError(InterlinguaError, RuntimeError):
    """An engine failed on a text."""


class RowError(EngineError):
    """A row cannot be encoded: `row` is its number from 0, `reason` what the engine said."""

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(f"Row {row} cannot be encoded: {reason}")
        self.row = row
        self.reason = reason


class EngineDown(EngineError):
    """An engine failed, and no other text would fare better; what was already written is kept."""


class MissingExtra(InterlinguaError, ImportError):
    """An optional package is needed for this and is not installed."""


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line; its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].removesuffix(".")


def require(module: str, *, extra: str) -> Any:
    """Import an optional `module`, or name the install command that brings it.

    Raises:
        MissingExtra: `module` is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"This needs the package {module.split('.', maxsplit=1)[0]}, which is not installed: "
            f"pip install 'interlingua[{extra}]'"
        ) from error
