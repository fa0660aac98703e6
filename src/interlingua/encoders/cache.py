"""Vectors kept on disk between runs, by text, model and prompt: an SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from interlingua.encoders.base import TextEncoder
from interlingua.errors import OutputError
from interlingua.types import EncodeReport
from interlingua.vectors import Vectors

FORMAT = 1
KEYS_AT_ONCE = 500


class VectorCache:
    """An SQLite file of vectors; several processes may share it."""

    def __init__(self, path: Path) -> None:
        """Open the file `path`, or make it.

        Raises:
            OutputError: it cannot be opened, is no cache, or one of a newer format.
        """
        self._path = path
        try:
            self._database = sqlite3.connect(path, timeout=60)
            self._database.execute("PRAGMA journal_mode=WAL")
            found = self._database.execute("PRAGMA user_version").fetchone()[0]
            self._database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
            self._database.execute(f"PRAGMA user_version={FORMAT}")
        except sqlite3.Error as error:
            raise OutputError(f"{path} cannot be used as a cache ({error}); give another file.") from error
        if found > FORMAT:
            raise OutputError(f"{path} is a cache of format {found}; this version reads {FORMAT}.")

    def encode(self, encoder: TextEncoder, texts: Sequence[str], prompt: str) -> tuple[Vectors, EncodeReport]:
        """`encoder.encode_with_report`, where only texts that the cache does not hold are encoded.

        Raises:
            OutputError: the cache cannot be written.
        """
        seed = hashlib.blake2b(f"{encoder.fingerprint}\0{prompt}\0".encode(), digest_size=32)
        keys = [_key(seed, text) for text in texts]
        known = self._read(keys)
        missing = [i for i, key in enumerate(keys) if key not in known]
        fresh, report = encoder.encode_with_report([texts[i] for i in missing], prompt=prompt)
        vectors = np.empty((len(texts), encoder.dim), np.float32)
        vectors[missing] = fresh
        for i, key in enumerate(keys):
            if key in known:
                vectors[i] = np.frombuffer(known[key], np.float32)
        self._write([(keys[i], vectors[i].tobytes()) for i in missing])
        taken = len(texts) - len(missing)
        held = int(vectors.any(axis=1).sum()) - report.encoded
        return vectors, replace(
            report,
            rows=len(texts),
            encoded=report.encoded + held,
            empty=report.empty + taken - held,
            cached=taken,
        )

    def _read(self, keys: list[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for begin in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[begin : begin + KEYS_AT_ONCE]
            marks = ",".join("?" * len(some))
            found.update(
                self._database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", some)
            )
        return found

    def _write(self, rows: list[tuple[bytes, bytes]]) -> None:
        try:
            with self._database:
                self._database.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise OutputError(f"The cache {self._path} cannot be written: {error}.") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _key(seed: hashlib.blake2b, text: str) -> bytes:
    digest = seed.copy()
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()
