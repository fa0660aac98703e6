"""A teacher: a model of one language whose space the student is drawn into (Reimers & Gurevych 2020)."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path

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


def open_teacher(wish: Teacher, texts: Sequence[str], workplace: Path) -> Encoder:
    """The model that a recipe names: what `load_encoder` opens, or "package:NAME", one inside a package.

    A folder of torch weights that the engine onnx shall run is exported first: on a CPU it then encodes
    about twice as fast, and there are many texts.

    Args:
        wish: the model, and how it runs.
        texts: what it will encode; an export is checked on the first hundred.
        workplace: the folder that keeps an export.

    Raises:
        InputError: an unknown engine, dtype or device, or fewer than 10 texts to check an export on.
        MissingExtra: the engine is not installed.
        ModelError: no such model, or none that loads.
    """
    model = _inside_package(wish.model)
    engine = wish.engine or _usual_engine(model)
    if engine == "torch":
        require("sentence_transformers", extra="distil")
    folder = Path(model)
    if engine == "onnx" and has_torch_weights(folder) and not any(folder.glob("onnx/*.onnx")):
        model = str(_exported(folder, texts[:CHECKED], workplace, int8=wish.dtype == "int8"))
    return load_encoder(model, engine=engine, dtype=wish.dtype or None, device=wish.device or None)


def _exported(model: Path, texts: Sequence[str], workplace: Path, *, int8: bool) -> Path:
    """The model's ONNX export, made unless an earlier run made it."""
    target = workplace / f"{TEACHER}{_short_digest(f'{model} {int8}')}-onnx"
    if not target.exists():
        export_model(load_encoder(model, engine="torch"), target, texts, int8=int8)
    return target


def _short_digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _usual_engine(model: str) -> str | None:
    """Torch, which runs any transformer, but for what only another engine runs."""
    if model.startswith(("http://", "https://")):
        return "endpoint"
    if is_static(model):
        return "static"
    folder = Path(model)
    return "onnx" if any(folder.glob("onnx/*.onnx")) and not has_torch_weights(folder) else "torch"


def teacher_file(wish: Teacher, texts: Sequence[str]) -> str:
    """The name of the file that holds the vectors of these texts by this teacher."""
    return f"{TEACHER}{_short_digest(f'{wish.model} {wish.engine} {wish.dtype}', *texts)}.npy"


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
    if done:
        kept = np.lib.format.open_memmap(file, mode="r+")
    else:
        kept = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=(len(texts), teacher.dim))
        _take_room(file)
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
    progress_file = _progress_file(file)
    return int(progress_file.read_text()) if file.exists() and progress_file.exists() else 0


def _take_room(file: Path) -> None:
    """The whole file on the disk at once: a map of a file that finds no room ends the process without a word.

    Raises:
        OutputError: there is no room.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        with file.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return  # a file system that cannot take room beforehand
        file.unlink()
        raise OutputError(f"Cannot write {file}: {error.strerror or error}.") from error


def _inside_package(name: str) -> str:
    """The model folder that "package:NAME" stands for; any other name as it is."""
    if not name.startswith(PACKAGE):
        return name
    try:
        found = importlib.util.find_spec(name.removeprefix(PACKAGE))
    except (ImportError, ValueError):
        found = None
    roots = list(found.submodule_search_locations or []) if found else []
    folders = [path.parent for root in roots for path in sorted(Path(root).rglob("modules.json"))]
    if not folders:
        raise ModelError(f"{name}: no installed package of that name holds a Sentence Transformers model.")
    return str(folders[0])
