"""Saving: a file or folder appears whole under its name, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from interlingua.errors import OutputError


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; what the block writes there becomes `path` when it ends well.

    Raises:
        OutputError: the file cannot be written.
    """
    with _output_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        new = Path(name)
        try:
            yield new
            _sync(new)
            new.chmod(0o666 & ~_umask())
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`; it replaces `path` when the block ends well.

    Raises:
        OutputError: the folder cannot be written, or `path` is a file.
    """
    with _output_errors(path):
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(20, "there is a file of that name", str(path))
        new = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield new
            for file in new.rglob("*"):
                if file.is_file():
                    _sync(file)
                    file.chmod(0o666 & ~_umask())
            new.chmod(0o777 & ~_umask())
            if path.exists():
                _swap(new, path)
            else:
                new.rename(path)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """The folder `new` becomes `path`; where that fails, `path` stays what it was."""
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        path.rename(old / "was")
        new.rename(path)
    except OSError:
        if (old / "was").exists():
            (old / "was").rename(path)
        old.rmdir()
        raise
    shutil.rmtree(old)


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    except SafetensorError as error:  # it wraps what the disk said
        raise OutputError(f"Cannot write {path}: {error}.") from error


def _sync(path: Path) -> None:
    with path.open("r+b") as file:  # Windows syncs only what may be written
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
