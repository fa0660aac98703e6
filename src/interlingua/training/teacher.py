"""A teacher: a model of one language whose space the student is drawn into (Reimers & Gurevych 2020)."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders import load_encoder
from interlingua.encoders.export import export_model
from interlingua.encoders.loading import has_torch_weights, is_static
from interlingua.errors import ModelError, OutputError, require
from interlingua.training.checkpoint import TEACHER
from interlingua.training.recipe import Teacher
from interlingua.types import Encoder
from interlingua.writing import replace_file

BLOCK = 20_000
CHECKED = 100
PACKAGE = "package:"
TeacherVectors = NDArray[np.float16]


def open_teacher(wish: Teacher, texts: Sequence[str], workplace: Path, threads: int | None = None) -> Encoder:
    """The model that a recipe names: what `load_encoder` opens, or "package:NAME", one inside a package.

    A folder of torch weights that the engine onnx shall run is exported first: there are many texts, and on a
    CPU it encodes them faster.

    Args:
        wish: the model, and how it runs.
        texts: what it will encode; an export is checked on the first hundred.
        workplace: the folder that keeps an export.
        threads: CPU threads; default: all.

    Raises:
        InputError: an unknown engine, dtype or device, or fewer than 10 texts to check an export on.
        MissingExtra: the engine is not installed.
        ModelError: no such model, or none that loads.
    """
    model = _source(wish.model)
    engine = wish.engine or _usual_engine(model)
    if engine == "torch":
        require("sentence_transformers", extra="distil")
    folder = Path(model)
    if engine == "onnx" and has_torch_weights(folder) and not any(folder.glob("onnx/*.onnx")):
        model = str(_exported(folder, texts[:CHECKED], workplace, int8=wish.dtype == "int8"))
    threads = threads if engine in ("onnx", "openvino") else None  # torch's are set for the whole process
    return load_encoder(
        model, engine=engine, dtype=wish.dtype or None, device=wish.device or None, threads=threads
    )


def _exported(model: Path, texts: Sequence[str], workplace: Path, *, int8: bool) -> Path:
    """The model's ONNX export, made unless an earlier run made it."""
    target = workplace / f"{TEACHER}{_short_digest(f'{_contents(str(model))} {int8}')}-onnx"
    if not target.exists():
        export_model(load_encoder(model, engine="torch"), target, texts, int8=int8)
    return target


def _short_digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _contents(model: str) -> str:
    """A digest of a folder's files; any other name as it is."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _usual_engine(model: str) -> str | None:
    """Torch, which runs any transformer, but for what only another engine runs."""
    if model.startswith(("http://", "https://")):
        return "endpoint"
    if is_static(model):
        return "static"
    folder = Path(model)
    return "onnx" if any(folder.glob("onnx/*.onnx")) and not has_torch_weights(folder) else "torch"


def teacher_file(wish: Teacher, texts: Sequence[str]) -> str:
    """The name of the file that holds the vectors of these texts by this teacher.

    A folder counts by what is in it: a teacher that was trained anew is another one.
    """
    how = f"{_contents(_source(wish.model))} {wish.engine} {wish.dtype}"
    return f"{TEACHER}{_short_digest(how, *texts)}.npy"


def is_taught(file: Path, texts: Sequence[str]) -> bool:
    """Whether `teacher_vectors` has nothing left to do."""
    return _rows_done(file) >= len(texts)


def teacher_vectors(
    teacher: Encoder | None,
    texts: Sequence[str],
    file: Path,
    *,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> TeacherVectors:
    """Unit rows of `texts` by a teacher, float16 (n, dim), kept in `file`.

    A run that was stopped goes on after the last whole block in `file`.

    Args:
        teacher: what `open_teacher` gives; None where `is_taught`.
        texts: in a fixed order, the same on every call for one `file`.
        file: a .npy file; made if it does not exist.
        on_rows: called with how many rows are done, and how many there are.

    Raises:
        EngineError: the teacher fails, or gives NaN.
        OutputError: the disk takes no more.
    """
    done = _rows_done(file)
    if teacher is None or done >= len(texts):
        on_rows(len(texts), len(texts))
        return np.asarray(np.load(file, mmap_mode="r"))
    kept = np.lib.format.open_memmap(file, mode="r+") if done else _new_file(file, (len(texts), teacher.dim))
    for begin in range(done, len(texts), BLOCK):
        block = list(texts[begin : begin + BLOCK])
        kept[begin : begin + len(block)] = teacher.encode(block)
        kept.flush()
        with replace_file(_progress_file(file)) as new:
            new.write_text(str(begin + len(block)))
        on_rows(begin + len(block), len(texts))
    return kept


def _progress_file(file: Path) -> Path:
    return file.with_suffix(".done")


def _rows_done(file: Path) -> int:
    """How many rows of the file are done: 0 where it, or what tells of it, is missing or damaged."""
    try:
        np.lib.format.open_memmap(file, mode="r")
        return int(_progress_file(file).read_text())
    except (OSError, ValueError):
        return 0


def _new_file(file: Path, shape: tuple[int, int]) -> np.memmap[Any, np.dtype[np.float16]]:
    """The whole file on the disk at once: a map of a file that finds no room ends the process without a word.

    Raises:
        OutputError: it cannot be written, or there is no room.
    """
    _progress_file(file).unlink(missing_ok=True)
    try:
        kept = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
        if hasattr(os, "posix_fallocate"):
            with file.open("r+b") as stream, _unless_unsupported():
                os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise OutputError(f"Cannot write {file}: {error.strerror or error}.") from error
    return kept


@contextmanager
def _unless_unsupported() -> Iterator[None]:
    """Some file systems take no room beforehand."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise


def _source(name: str) -> str:
    """The model folder that "package:NAME" or "~/FOLDER" stands for; any other name as it is."""
    if not name.startswith(PACKAGE):
        return os.path.expanduser(name)
    try:
        found = importlib.util.find_spec(name.removeprefix(PACKAGE))
    except (ImportError, ValueError):
        found = None
    roots = list(found.submodule_search_locations or []) if found else []
    folders = [path.parent for root in roots for path in sorted(Path(root).rglob("modules.json"))]
    if not folders:
        raise ModelError(f"{name}: no installed package of that name holds a Sentence Transformers model.")
    return str(folders[0])
