"""Lines, texts and vectors as one Parquet file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from interlingua.errors import require
from interlingua.storage import Stored

ROWS_AT_ONCE = 8192


def write_parquet(path: Path, vectors: Stored, texts: Iterator[str], facts: dict[str, str]) -> None:
    """Write the columns line, text and vector, safe on the disk when this returns.

    Args:
        path: the file.
        vectors: (n, columns), in memory or mapped; written a part at a time.
        texts: a JSON list for each row, its line and its text.
        facts: metadata of the file.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    pyarrow = require("pyarrow", extra="parquet")
    parquet = require("pyarrow.parquet", extra="parquet")
    columns = vectors.shape[1]
    kind = pyarrow.list_(pyarrow.from_numpy_dtype(vectors.dtype), columns)
    fields = [("line", pyarrow.int64()), ("text", pyarrow.string()), ("vector", kind)]
    schema = pyarrow.schema(fields, metadata=facts)
    with parquet.ParquetWriter(path, schema) as writer:
        for begin in range(0, len(vectors), ROWS_AT_ONCE):
            part = vectors[begin : begin + ROWS_AT_ONCE]
            rows = [json.loads(next(texts)) for _ in range(len(part))]
            flat = pyarrow.array(np.ascontiguousarray(part).reshape(-1))
            arrays = [
                pyarrow.array([line for line, _ in rows], pyarrow.int64()),
                pyarrow.array([text.encode("utf-8", "replace").decode() for _, text in rows]),
                pyarrow.FixedSizeListArray.from_arrays(flat, columns),
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())
