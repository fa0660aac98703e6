"""A long run that is stopped goes on where it was: its parts are kept in a folder until it is done."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from interlingua.errors import InputError, OutputBusy, OutputError
from interlingua.training.pairs import Pairs
from interlingua.training.recipe import Recipe
from interlingua.writing import replace_file

FORMAT = 2
MARK = "run.json"
LOCK = "lock"
TEACHER, VOCABULARY = "teacher-", "vocabulary-"
COSTLY = r"teacher-[0-9a-f]{16}(\.npy|\.done|-onnx)|vocabulary-[0-9a-f]{16}\.json"
KEPT = rf"state\.safetensors|{COSTLY}"
HALF_WRITTEN = rf"\.(run\.json|{KEPT})\..+"  # where a stop came while the file was written
PARTS = re.compile(rf"{KEPT}|{HALF_WRITTEN}")
WITHOUT_MARK = re.compile(rf"{COSTLY}|{HALF_WRITTEN}|{re.escape(LOCK)}")
SERVES_AGAIN = f"remove all in it but {TEACHER}* and {VOCABULARY}*, which serve again where they fit"
ASIDE = {"format": "of another version", "pairs": "over other pairs", "recipe": "by another recipe"}


@dataclass(frozen=True)
class Workplace:
    """The folder of one run: `path(name)` for its parts, `save_state` and `load_state` for the loop.

    No other process may open it until this one closes it, or ends. `pairs` is a digest of what it trains on.
    """

    folder: Path
    lock: FileLock
    pairs: str

    def __enter__(self) -> Workplace:
        return self

    def __exit__(self, *error: object) -> None:
        self.lock.release()

    def path(self, name: str) -> Path:
        return self.folder / name

    def save_state(self, tensors: Mapping[str, NDArray[Any]], position: dict[str, Any]) -> None:
        """Keep arrays, and plain data beside them; what was kept before is replaced as a whole."""
        with replace_file(self.path("state.safetensors")) as new:
            save_file(dict(tensors), new, metadata={"position": json.dumps(position)})

    def load_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
        """What was kept last, if anything.

        Raises:
            InputError: it cannot be read.
        """
        path = self.path("state.safetensors")
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                position = json.loads(file.metadata()["position"])
            return load_file(path), position
        except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
            raise damaged(path) from error

    def parts(self) -> list[Path]:
        """What the run has kept so far."""
        return [file for file in self.folder.iterdir() if PARTS.fullmatch(file.name)]

    def remove(self) -> None:
        """Clear the folder away, the mark last: what a stop leaves behind is still known as this run's."""
        for part in self.parts():
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()
        self.lock.release()
        for name in (LOCK, MARK):
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else's files came into it
            self.folder.rmdir()


def damaged(path: Path) -> InputError:
    """What is said of a part that cannot be read."""
    return InputError(f"{path} is damaged; delete it, and it is made anew.")


def open_workplace(folder: Path, pairs: Pairs, recipe: Recipe) -> Workplace:
    """The folder of a run over these pairs by this recipe, new or as an earlier run left it.

    A teacher's vectors and a vocabulary from another run may lie in it; where they are of the same texts, by
    the same settings, they are used.

    Raises:
        InputError: the folder belongs to another run.
        OutputError: the folder cannot be made, holds other files, or another process trains there.
    """
    try:
        folder.mkdir(exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout as error:
        raise OutputBusy(f"Another process trains in {folder}; wait for it, or stop it.") from error
    except OSError as error:
        raise OutputError(f"Cannot write {folder}: {error.strerror or error}.") from error
    workplace = Workplace(folder, lock, _digest(pairs))
    try:
        _mark(workplace, {"format": FORMAT, "pairs": workplace.pairs, "recipe": recipe.as_dict()})
    except BaseException:
        lock.release()
        raise
    return workplace


def _mark(workplace: Workplace, run: dict[str, Any]) -> None:
    """Write down whose folder it is, or check that it is this run's."""
    mark = workplace.path(MARK)
    ours = re.compile(rf"{PARTS.pattern}|{MARK}|{LOCK}") if mark.exists() else WITHOUT_MARK
    if others := [file.name for file in workplace.folder.iterdir() if not ours.fullmatch(file.name)]:
        raise OutputError(f"{workplace.folder} holds other files, such as {min(others)}; move it away.")
    if not mark.exists():
        with replace_file(mark) as new:
            new.write_text(json.dumps(run), encoding="utf-8")
        return
    try:
        begun = dict(json.loads(mark.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{mark} is damaged; choose another output, or {SERVES_AGAIN}.") from error
    other = [told for key, told in ASIDE.items() if begun.get(key) != run[key]]
    if other:
        raise InputError(
            f"{workplace.folder} holds an unfinished run {other[0]}; choose another output, or "
            f"{SERVES_AGAIN}."
        )


def _digest(pairs: Pairs) -> str:
    digest = hashlib.sha256()
    for file in pairs.files:
        digest.update(f"{file.path.name} {file.count}\n".encode())
    digest.update(np.ascontiguousarray(pairs.anchor_of).tobytes())
    for texts in (pairs.anchors, pairs.others):
        digest.update("\n".join(texts).encode())
    return digest.hexdigest()
