"""The folder of a static model: what model2vec and Sentence Transformers write, and our own of four bits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from interlingua.encoders.int4 import Int4Rows, pack_int4
from interlingua.errors import InputError, ModelError, OutputError
from interlingua.vectors import Vectors, quantize_rows
from interlingua.writing import replace_folder

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
STATIC_ARCHITECTURE = ["StaticModel"]
LAYOUTS = (".", "0_StaticEmbedding")
OWN_FILES = {WEIGHTS, TOKENIZER, CONFIG, "modules.json", "README.md"}
ROWS = ("float32", "int8", "int4")
INT4_ROWS = "embeddings.int4"
MODULES = [
    {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"},
    {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
]


@dataclass(frozen=True)
class StaticTable:
    """A tokenizer, its own description (its JSON, without the vocabulary), and one vector a piece.

    Piece i has the vector `rows[mapping[i]] * weights[i]`; a missing mapping is the identity, missing
    weights are 1. Weights have the shape (pieces, groups), one for each group of neighbouring columns.
    Where `unknown` is set, pieces of that id are left out of every sum.
    """

    tokenizer: Tokenizer
    description: dict[str, Any]
    rows: NDArray[Any] | Int4Rows
    weights: NDArray[Any] | None
    mapping: NDArray[Any] | None
    unknown: int | None
    config: dict[str, Any]
    files: tuple[Path, ...]


def read_static_folder(folder: Path) -> StaticTable:
    """Read a static model's folder, whichever of the two libraries wrote it.

    model2vec leaves unknown pieces out of the mean, Sentence Transformers does not; each folder is
    read as its own library reads it, a folder that both can load as model2vec does.

    Raises:
        ModelError: the folder does not exist, is no static model, or is cut short.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder; give a model folder with {WEIGHTS} and {TOKENIZER}.")
    inside = next((folder / part for part in LAYOUTS if (folder / part / WEIGHTS).is_file()), None)
    if inside is None:
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise ModelError(f"{folder} is no static model: it needs {WEIGHTS} and {TOKENIZER}, and has {found}.")
    tokenizer, description = _read_tokenizer(inside / TOKENIZER)
    tensors = _read_tensors(inside / WEIGHTS)
    packed = tensors.get(INT4_ROWS)
    rows: NDArray[Any] | Int4Rows | None = tensors.get("embeddings", tensors.get("embedding.weight"))
    if packed is not None and packed.ndim == 2:
        rows = Int4Rows(packed)
    if rows is None or rows.ndim != 2:
        raise ModelError(
            f"{inside / WEIGHTS} holds {', '.join(list(tensors)[:5]) or 'nothing'}; a static model has "
            "a table 'embeddings' or 'embedding.weight'."
        )
    weights, mapping = tensors.get("weights"), tensors.get("mapping")
    pieces = tokenizer.get_vocab_size()
    described = next((len(t) for t in (mapping, weights, rows) if t is not None), 0)
    if described < pieces:
        raise ModelError(
            f"{folder}: the tokenizer has {pieces} pieces and the table {described} rows; it is cut short."
        )
    config = _read_config(inside / CONFIG)
    unknown = None if "embedding.weight" in tensors else _unknown_piece(tokenizer, description)
    return StaticTable(
        tokenizer,
        description,
        rows,
        None if weights is None else weights.reshape(len(weights), -1),
        mapping,
        unknown,
        config,
        (inside / WEIGHTS, inside / TOKENIZER),
    )


def write_static_folder(
    folder: Path,
    tokenizer: Tokenizer,
    table: Vectors,
    *,
    card: str,
    config: dict[str, Any] | None = None,
    rows: str = "int8",
) -> None:
    """Write a folder that model2vec, Sentence Transformers and this package all load; int4 only this package.

    The folder appears whole or not at all; one that exists is replaced.

    Args:
        folder: where; its parent must exist.
        tokenizer: as many pieces as `table` has rows.
        table: float32 (pieces, dim).
        card: the model card, Markdown, written as README.md.
        config: more keys for config.json.
        rows: "float32"; "int8", with a scale for each row, a quarter of the bytes; or "int4", with a scale
            for each 64 columns of a row, an eighth.

    Raises:
        InputError: unknown `rows`, or columns that int4 cannot group.
        OutputError: the folder cannot be written.
    """
    if rows not in ROWS:
        raise InputError(f"rows is {rows!r}; it is one of {', '.join(ROWS)}.")
    check_model_folder(folder)
    table = np.array(table, np.float32)
    unknown = _unknown_piece(tokenizer, json.loads(tokenizer.to_str()))
    if unknown is not None:
        table[unknown] = 0  # one library leaves unknown pieces out, the other does not: now both do
    tensors = _tensors(table, rows)
    settings = {
        "model_type": "interlingua" if rows == "int4" else "model2vec",
        "architectures": STATIC_ARCHITECTURE,
        "normalize": True,
        "max_length": None,
        "embedding_dtype": rows,
        "hidden_dim": table.shape[1],
        **(config or {}),
    }
    with replace_folder(folder) as new:
        save_file(tensors, new / WEIGHTS)
        (new / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
        (new / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        if rows != "int4":
            (new / "modules.json").write_text(json.dumps(MODULES, indent=2) + "\n", encoding="utf-8")
        (new / "README.md").write_text(card, encoding="utf-8")


def _tensors(table: Vectors, rows: str) -> dict[str, NDArray[Any]]:
    if rows == "float32":
        return {"embeddings": table}
    if rows == "int8":
        values, scales = quantize_rows(table)
        return {"embeddings": values, "weights": scales}
    packed, group_scales = pack_int4(table)
    return {INT4_ROWS: packed, "weights": group_scales}


def check_model_folder(folder: Path) -> None:
    """Whether a model may be written to `folder`: it does not exist, is empty, or holds a static model.

    Raises:
        OutputError: it holds anything else, which would be lost.
    """
    if not folder.is_dir():
        return
    found = {file.name for file in folder.iterdir()}
    ours = _read_config(folder / CONFIG).get("architectures") == STATIC_ARCHITECTURE
    if found - OWN_FILES or (found and not ours):
        raise OutputError(f"{folder} holds other files, which would be lost; choose a folder of its own.")


def _read_tokenizer(path: Path) -> tuple[Tokenizer, dict[str, Any]]:
    if not path.is_file():
        raise ModelError(f"{path} is missing; a static model needs it beside {WEIGHTS}.")
    try:
        text = path.read_text(encoding="utf-8")
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the tokenizers package raises bare Exception
        raise ModelError(
            f"{path} cannot be read ({error}); the file is cut short or no tokenizer."
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    description: dict[str, Any] = json.loads(text)
    description["model"].pop("vocab", None)
    return tokenizer, description


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"{path} cannot be read ({error}); the file is cut short or no safetensors."
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise ModelError(f"{path} is no JSON ({error}).") from error
    return config if isinstance(config, dict) else {}


def _unknown_piece(tokenizer: Tokenizer, description: dict[str, Any]) -> int | None:
    model = description["model"]
    if "unk_id" in model:
        return None if model["unk_id"] is None else int(model["unk_id"])
    name = model.get("unk_token")
    return None if name is None else tokenizer.token_to_id(name)
