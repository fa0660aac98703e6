"""Vectors kept on disk between runs, by text, model and prompt: an SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from interlingua.encoders.base import Lost, TextEncoder
from interlingua.errors import OutputError
from interlingua.vectors import Vectors

FORMAT = 1
APPLICATION = 0x696C7663  # "ilvc": how SQLite files tell what program they belong to
KEYS_AT_ONCE = 500
WAIT_SECONDS = 60.0


class VectorCache:
    """An SQLite file of unit rows; several processes and threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open the file `path`, or make it.

        Raises:
            OutputError: it cannot be opened, is something else, or a cache of a newer format.
        """
        self._path = path
        self._lock = threading.Lock()
        with self._told("opened"):
            self._database = sqlite3.connect(
                path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._database.execute("BEGIN IMMEDIATE")  # one process at a time makes the table
            with self._database:
                self._make_table()
            self._write_ahead()

    def _make_table(self) -> None:
        found, application = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("user_version", "application_id")
        )
        tables = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != APPLICATION:
            raise OutputError(f"{self._path} is a database of another program; give another file.")
        if found > FORMAT:
            raise OutputError(f"{self._path} is a cache of format {found}; this version reads {FORMAT}.")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB, lost INTEGER)"
        )
        self._database.execute(f"PRAGMA user_version={FORMAT}")
        self._database.execute(f"PRAGMA application_id={APPLICATION}")

    def _write_ahead(self) -> None:
        """Readers and a writer at a time; SQLite does not wait for a lock here, so it is tried again."""
        until = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                self._database.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def encode(self, encoder: TextEncoder, texts: list[str], prompt: str) -> tuple[Vectors, Lost, int]:
        """`encoder.encode_clean`, where only texts that the cache does not hold are encoded.

        Returns:
            Unit rows, float32 (n, dim); the tokens each text lost; how many rows came from the cache.

        Raises:
            OutputError: the cache cannot be read or written.
        """
        seed = hashlib.blake2b(f"{encoder.fingerprint_without_prompts}\0{prompt}\0".encode(), digest_size=32)
        keys = [_key(seed, text) for text in texts]
        known = self._read(keys)
        missing = [i for i, key in enumerate(keys) if key not in known]
        vectors, lost = np.empty((len(texts), encoder.dim), np.float32), np.zeros(len(texts), np.int64)
        if missing:
            vectors[missing], lost[missing] = encoder.encode_clean([texts[i] for i in missing], prompt)
        for i, key in enumerate(keys):
            if key in known:
                stored, lost[i] = known[key]
                vectors[i] = np.frombuffer(stored, np.float32)
        self._write([(keys[i], vectors[i].tobytes(), int(lost[i])) for i in missing])
        return vectors, lost, len(known)

    def _read(self, keys: list[bytes]) -> dict[bytes, tuple[bytes, int]]:
        found: dict[bytes, tuple[bytes, int]] = {}
        with self._told("read"), self._lock:
            for begin in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[begin : begin + KEYS_AT_ONCE]
                marks = ",".join("?" * len(some))
                query = f"SELECT key, vector, lost FROM vectors WHERE key IN ({marks})"
                found.update(
                    (key, (vector, lost)) for key, vector, lost in self._database.execute(query, some)
                )
        return found

    def _write(self, rows: list[tuple[bytes, bytes, int]]) -> None:
        with self._told("written"), self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(
                f"The cache {self._path} cannot be {what} ({error}); give another file, or none."
            ) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _key(seed: hashlib.blake2b, text: str) -> bytes:
    digest = seed.copy()
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()
