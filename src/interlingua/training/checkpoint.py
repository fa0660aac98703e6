"""A long run that is stopped goes on where it was: its parts are kept in a folder until it is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from interlingua.errors import InputError, OutputError
from interlingua.training.pairs import Pairs
from interlingua.training.recipe import Recipe
from interlingua.writing import replace_file

FORMAT = 1
MARK = "run.json"


@dataclass(frozen=True)
class Workplace:
    """The folder of one run: `path(name)` for its parts, `save_state` and `load_state` for the loop."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def save_state(self, tensors: Mapping[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Keep arrays, and plain data beside them; what was kept before is replaced as a whole."""
        with replace_file(self.path("state.safetensors")) as new:
            save_file(dict(tensors), new, metadata={"position": json.dumps(position)})

    def load_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """What was kept last, if anything."""
        path = self.path("state.safetensors")
        if not path.exists():
            return None
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            position = json.loads(file.metadata()["position"])
        return load_file(path), position


def open_workplace(folder: Path, pairs: Pairs, recipe: Recipe) -> Workplace:
    """The folder of a run over these pairs by this recipe, new or as an earlier run left it.

    Raises:
        InputError: the folder belongs to another run.
        OutputError: the folder cannot be made.
    """
    mark = folder / MARK
    run = {"format": FORMAT, "fingerprint": _fingerprint(pairs, recipe)}
    if mark.exists():
        if json.loads(mark.read_text(encoding="utf-8")) != run:
            raise InputError(
                f"{folder} holds an unfinished run over other pairs or by another recipe; "
                "remove it, or choose another output."
            )
        return Workplace(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot write {folder}: {error.strerror or error}.") from error
    with replace_file(mark) as new:
        new.write_text(json.dumps(run), encoding="utf-8")
    return Workplace(folder)


def _fingerprint(pairs: Pairs, recipe: Recipe) -> str:
    digest = hashlib.sha256(json.dumps(recipe.as_dict(), sort_keys=True).encode())
    for file in pairs.files:
        digest.update(f"{file.path.name} {file.count}\n".encode())
    digest.update(np.ascontiguousarray(pairs.anchor_of).tobytes())
    for texts in (pairs.anchors, pairs.others):
        digest.update("\n".join(texts).encode())
    return digest.hexdigest()
