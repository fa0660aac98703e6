"""A teacher: a model of one language whose space the student is drawn into (Reimers & Gurevych 2020)."""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.loading import torch_folder
from interlingua.errors import InputError, ModelError, OutputError, first_line, require
from interlingua.training.checkpoint import TEACHER
from interlingua.writing import replace_file

BLOCK = 20_000
PACKAGE = "package:"
TeacherVectors = NDArray[np.float16]


def teacher_file(name_or_path: str, texts: Sequence[str], *, dtype: str, max_tokens: int) -> str:
    """The name of the file that holds the vectors of these texts by this teacher."""
    digest = hashlib.sha256(f"{name_or_path} {dtype} {max_tokens}\n".encode())
    digest.update("\n".join(texts).encode())
    return f"{TEACHER}{digest.hexdigest()[:16]}.npy"


def teacher_vectors(
    name_or_path: str,
    texts: Sequence[str],
    file: Path,
    *,
    dtype: str = "float32",
    max_tokens: int = 128,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> TeacherVectors:
    """Unit rows of `texts` by a Sentence Transformers model, float16 (n, dim), kept in `file`.

    A run that was stopped goes on after the last whole block in `file`.

    Args:
        name_or_path: a model's folder or hub name, or "package:NAME" for one inside an installed package.
        texts: in a fixed order, the same on every call for one `file`.
        file: a .npy file; made if it does not exist.
        dtype: of the teacher's arithmetic, "float32" or "bfloat16".
        max_tokens: where the teacher cuts a text.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        ModelError: no such model, or none that loads.
        InputError: the teacher gives NaN.
    """
    progress_file = file.with_suffix(".done")
    done = int(progress_file.read_text()) if file.exists() and progress_file.exists() else 0
    if done >= len(texts):
        on_rows(len(texts), len(texts))
        return np.asarray(np.load(file, mmap_mode="r"))
    model = load_teacher(name_or_path, dtype)
    model.max_seq_length = min(max_tokens, model.max_seq_length or max_tokens)
    shape = (len(texts), int(model.get_embedding_dimension()))
    if done:
        kept = np.lib.format.open_memmap(file, mode="r+")
    else:
        kept = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
        _take_room(file)
    for begin in range(done, len(texts), BLOCK):
        block = list(texts[begin : begin + BLOCK])
        vectors = model.encode(block, batch_size=128, normalize_embeddings=True, show_progress_bar=False)
        if not np.isfinite(vectors).all():
            raise InputError(f"The teacher {name_or_path} gives NaN; try it with dtype float32.")
        kept[begin : begin + len(block)] = vectors
        kept.flush()
        with replace_file(progress_file) as new:
            new.write_text(str(begin + len(block)))
        on_rows(begin + len(block), len(texts))
    return kept


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


def load_teacher(name_or_path: str, dtype: str = "float32") -> Any:
    """A Sentence Transformers model on the CPU.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        ModelError: no such model, or none that loads.
    """
    folder = find_teacher(name_or_path)
    import torch
    from sentence_transformers import SentenceTransformer

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    try:
        return SentenceTransformer(
            str(folder), device="cpu", model_kwargs={"dtype": getattr(torch, dtype)}, trust_remote_code=False
        )
    except Exception as error:  # safetensors and the models' own code raise bare Exception
        raise ModelError(
            f"The teacher {name_or_path!r} cannot be loaded ({first_line(error)}); give the folder of a "
            "Sentence Transformers model, or its hub name and a connection."
        ) from error


def find_teacher(name_or_path: str) -> Path:
    """The folder of a teacher, fetched from the hub where it must be.

    Raises:
        MissingExtra: sentence-transformers is not installed.
        ModelError: no such model, or it cannot be fetched.
    """
    require("sentence_transformers", extra="distil")
    return torch_folder(_inside_package(name_or_path))


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
