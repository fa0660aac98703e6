"""A run that is not yet whole: its folder, what is in it, and how it is taken up again."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from interlingua.encoders.parquet import write_parquet
from interlingua.encoders.pipeline import NOTHING, add_reports
from interlingua.errors import InputError, OutputBusy, OutputError
from interlingua.files import Row
from interlingua.storage import Stored
from interlingua.types import EncodeReport
from interlingua.writing import replace_file

log = logging.getLogger("interlingua")
PARTS = {"vectors.npy", "vectors.parquet", "texts.jsonl", "state.json", "lock"}
HALF_WRITTEN = ".state.json."  # how the name of a state begins while it is written
SAVE_SECONDS = 5.0
REMEMBERED_TEXTS = 2_000_000
REMEMBERED_CHARACTERS = 100_000_000
HEADER_BYTES = 128
MOST_PROBLEMS = 1000
Problem = tuple[int, int, str]
"""Row number from 0, line from 1, and why it could not be read or encoded."""


def unfinished(output: Path) -> Path:
    """The folder where the run that writes `output` lives until it is whole."""
    return output.with_name(f"{output.name}.unfinished")


class UnfinishedRun:
    """Vectors on disk as they come, with the state that a later call needs to go on.

    Attributes:
        done: rows passed over or added so far.
        report, problems: of the rows added, in this call and those before; the first 1,000 problems.
        seconds_before: what earlier calls took.
        seen: row numbers of texts that were encoded, for equal ones to be copied from.
    """

    def __init__(self, output: Path, identity: dict[str, Any], dtype: np.dtype[Any], columns: int) -> None:
        """Begin in a new folder, or go on in the one that is there.

        Raises:
            InputError: the folder there holds a run with another model or other settings, or is damaged.
            OutputBusy: another process writes there.
            OutputError: the folder holds files that are not a run's.
        """
        self.output, self.dtype, self.columns = output, dtype, columns
        self.folder = unfinished(output)
        self.folder.mkdir(exist_ok=True)
        names = {file.name for file in self.folder.iterdir() if not file.name.startswith(HALF_WRITTEN)}
        if others := names - PARTS:
            raise OutputError(f"{self.folder} holds other files, such as {min(others)}; move it away.")
        self._lock = FileLock(self.folder / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as error:
            raise OutputBusy(f"Another process is writing {output}; wait for it, or stop it.") from error
        try:
            self._take_up(identity)
        except BaseException:
            self._lock.release()
            raise

    def _take_up(self, identity: dict[str, Any]) -> None:
        self.seen: dict[str, int] = {}
        self._characters = 0
        self._identity = identity
        self._digest = self._next_digest = hashlib.blake2b(digest_size=16)
        self._width = self.dtype.itemsize * self.columns
        state = self._read_state()
        self.done, self._before = 0, int(state.get("rows", 0))
        self._expected = str(state.get("digest", ""))
        self.report = EncodeReport(**state["report"]) if state else NOTHING
        self.seconds_before = self.report.seconds
        self.problems: list[Problem] = [(int(a), int(b), str(c)) for a, b, c in state.get("problems", [])]
        if self._before:
            log.warning("Going on after row %s, where an earlier call stopped.", f"{self._before:,}")
        self._vectors = self._open("vectors.npy", HEADER_BYTES + self._before * self._width)
        self._text_bytes = int(state.get("text_bytes", 0))
        self._texts = self._open("texts.jsonl", self._text_bytes)
        self._began = self._saved = time.monotonic()

    def __enter__(self) -> UnfinishedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._vectors.closed and self.done >= self._before:
            with suppress(OSError):  # a full disk: what was saved before stays
                self._save()
        self._close()
        if self.folder.exists() and self.done == 0 and self._before == 0:
            shutil.rmtree(self.folder)

    def _close(self) -> None:
        for stream in (self._vectors, self._texts):
            with suppress(OSError):  # a full disk: what was saved before stays
                stream.close()
        self._lock.release()

    def pass_over(self, block: Sequence[Row]) -> bool:
        """Whether an earlier call did this block already; then it is only remembered.

        Raises:
            InputError: the input is not the one that the run was begun with.
        """
        texts = [row.texts[0] for row in block]
        self._next_digest = self._digest.copy()
        self._next_digest.update("\0".join([*texts, ""]).encode("utf-8", "surrogatepass"))
        if self.done >= self._before:
            return False
        last = self.done + len(block) >= self._before
        if last and self._next_digest.hexdigest() != self._expected:
            raise InputError(
                f"The input is not the one that {self.folder} was begun with; give that one, or delete the "
                "folder to begin anew."
            )
        self._digest = self._next_digest
        self._remember(texts, self._mapped(self._before)[self.done : self.done + len(block)])
        self.done += len(block)
        return True

    def add(
        self, block: Sequence[Row], stored: Stored, report: EncodeReport, problems: list[Problem]
    ) -> None:
        """Write the vectors of the next block; every few seconds the state is made safe."""
        self._vectors.write(np.ascontiguousarray(stored, self.dtype).data)
        if self.output.suffix == ".parquet":
            lines = (json.dumps([row.line, row.texts[0]]) + "\n" for row in block)
            self._texts.write("".join(lines).encode())
        self._remember([row.texts[0] for row in block], stored)
        # In one step, so that a stop by a signal finds either the old state or the new one.
        self.done, self.report, self.problems, self._digest, self._text_bytes = (
            self.done + len(block),
            add_reports(self.report, report),
            [*self.problems, *problems][:MOST_PROBLEMS],
            self._next_digest,
            self._texts.tell(),
        )
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self._save()

    def take(self, rows: Sequence[int]) -> Stored:
        """Stored rows that were written before, by their numbers."""
        if not rows:
            return np.empty((0, self.columns), self.dtype)
        self._vectors.flush()
        return np.asarray(self._mapped(max(rows) + 1)[list(rows)])

    def finish(self, storage: str, dim: int) -> None:
        """The output appears under its name, and the folder goes.

        Raises:
            InputError: there were no rows, or fewer than an earlier call had done.
        """
        if self.done < self._before:
            raise InputError(
                f"The input has {self.done:,} rows, and {self.folder} was begun with one of more; give that "
                "one, or delete the folder to begin anew."
            )
        if not self.done:
            raise InputError("The input has no rows; there is nothing to do.")
        self._save()
        if self.output.suffix == ".parquet":
            whole = self.folder / "vectors.parquet"
            facts = {"model": str(self._identity["model"]), "storage": storage, "dim": str(dim)}
            with (self.folder / "texts.jsonl").open(encoding="utf-8") as texts:
                write_parquet(whole, self._mapped(self.done), texts, facts)
            whole.replace(self.output)
        else:
            self._write_header(self.done)
            os.fsync(self._vectors.fileno())
            self._vectors.close()  # Windows renames no open file
            (self.folder / "vectors.npy").replace(self.output)
        (self.folder / "state.json").unlink()
        self._close()
        shutil.rmtree(self.folder)

    def _remember(self, texts: Sequence[str], stored: Stored) -> None:
        """Texts that got a vector, with their row numbers."""
        for row in np.flatnonzero(stored.any(axis=1)).tolist():
            text = texts[row]
            if text not in self.seen:
                self.seen[text] = self.done + row
                self._characters += len(text)
        if len(self.seen) > REMEMBERED_TEXTS or self._characters > REMEMBERED_CHARACTERS:
            self.seen.clear()
            self._characters = 0

    def _mapped(self, rows: int) -> Stored:
        return np.memmap(
            self.folder / "vectors.npy", self.dtype, "r", HEADER_BYTES, shape=(rows, self.columns)
        )

    def _open(self, name: str, size: int) -> Any:
        """A file of the run, cut back to what the state vouches for."""
        path = self.folder / name
        stream = path.open("r+b" if path.exists() else "w+b")
        if self._before and path.stat().st_size < size:
            stream.close()
            raise self._damaged(f"{name} is shorter than {size:,} bytes")
        stream.truncate(size)
        stream.seek(0, os.SEEK_END)
        return stream

    def _read_state(self) -> dict[str, Any]:
        path = self.folder / "state.json"
        if not path.exists():
            return {}
        if not (self.folder / "vectors.npy").exists():  # a kill came when they had just become the output
            path.unlink()
            return {}
        try:
            state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            begun = state["identity"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged("state.json cannot be read") from error
        if begun != self._identity:
            wished = self._identity
            other = [f"{key} {begun.get(key)!r}" for key in wished if begun.get(key) != wished[key]]
            raise InputError(
                f"{self.folder} holds an unfinished run with {', '.join(other)}; finish that one with "
                "the same settings, or delete the folder to begin anew."
            )
        return state

    def _damaged(self, what: str) -> InputError:
        return InputError(
            f"{self.folder} is damaged: {what}. Where {self.output} is not there whole already, delete the "
            "folder to begin anew."
        )

    def _save(self) -> None:
        for stream in (self._vectors, self._texts):
            stream.flush()
            os.fsync(stream.fileno())
        state = {
            "identity": self._identity,
            "rows": self.done,
            "digest": self._digest.hexdigest(),
            "text_bytes": self._text_bytes,
            "report": {**asdict(self.report), "seconds": self._seconds()},
            "problems": self.problems,
        }
        with replace_file(self.folder / "state.json") as new:
            new.write_text(json.dumps(state), encoding="utf-8")
        self._saved = time.monotonic()

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self._began

    def _write_header(self, rows: int) -> None:
        self._vectors.seek(0)
        shape = {"descr": self.dtype.str, "fortran_order": False, "shape": (rows, self.columns)}
        np.lib.format.write_array_header_1_0(self._vectors, shape)
        if self._vectors.tell() != HEADER_BYTES:
            raise AssertionError(f"the header of a .npy file took {self._vectors.tell()} bytes")
        self._vectors.flush()
