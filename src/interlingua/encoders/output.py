"""A long run, rows to a file of vectors: streamed, equal texts encoded once, taken up again after a stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from interlingua.encoders.base import BLOCK_ROWS, TextEncoder
from interlingua.encoders.cache import VectorCache
from interlingua.encoders.pipeline import NOTHING, add_reports, check_choices, encode_block, prompt_of
from interlingua.encoders.unfinished import Problem, UnfinishedRun, unfinished
from interlingua.errors import EngineError, InputError, OutputError, RowError, require
from interlingua.files import Row
from interlingua.storage import Stored, compress, stored_type
from interlingua.types import Encoder, EncodeReport

FORMAT = 1
BLOCK_CHARACTERS = 10_000_000


def encode_to_file(
    encoder: Encoder,
    rows: Iterable[str | Row],
    output: str | Path,
    *,
    kind: str = "document",
    storage: str = "float32",
    on_error: str = "raise",
    cache: VectorCache | None = None,
    on_rows: Callable[[int], None] = lambda done: None,
) -> tuple[EncodeReport, list[Problem]]:
    """Encode texts into the file `output`, row i of the file for row i of the input.

    The file appears when it is whole. Until then the run lives in the folder `output`.unfinished; the same
    call goes on there after any stop, kill -9 included: what was safe, a few seconds behind at most or one
    block, is not encoded again.

    Args:
        encoder: any engine.
        rows: texts, or what `read_rows` gives, whose first text is taken; in memory a block at a time.
        output: a .npy file of vectors, or a .parquet file with the columns line, text and vector; one that is
            there is replaced.
        kind: what the texts are, which decides the prompt: "text", "query" or "document".
        storage: one of STORAGES.
        on_error: what a row that fails does: "raise" or "skip". Rows that could not be read never stop a run.
        cache: vectors kept on disk from other runs; only our own engines use one.
        on_rows: called after each block with the rows done.

    Returns:
        The report of the whole run, and the first 1,000 rows that could not be read or encoded.

    Raises:
        InputError: no rows, a bare string, an unknown ending, kind or storage, or an unfinished run of
            something else.
        OutputError: no such folder, the disk takes no more, or another process writes this output; what was
            written stays.
        MissingExtra: a .parquet file, and pyarrow is not installed.
        EngineError, EngineDown: as `encode_block`.
    """
    output = Path(output)
    if isinstance(rows, str):
        raise InputError("rows is one string; give an iterable of texts, such as a list.")
    if output.suffix not in (".npy", ".parquet"):
        raise InputError(f"{output} must end in .npy or .parquet.")
    if not output.parent.is_dir():
        raise OutputError(f"Cannot write {output}: the folder {output.parent} does not exist.")
    if output.suffix == ".parquet":
        require("pyarrow", extra="parquet")
    check_choices(kind, on_error)
    dtype, columns = stored_type(storage, encoder.dim)
    block_rows = encoder.block_rows if isinstance(encoder, TextEncoder) else BLOCK_ROWS
    identity = {
        "format": FORMAT,
        "model": encoder.name,
        "fingerprint": encoder.fingerprint,
        "prompt": prompt_of(encoder, kind),
        "kind": kind,
        "storage": storage,
        "block_rows": block_rows,
    }
    began = time.perf_counter()
    with _writing(output):
        run = UnfinishedRun(output, identity, dtype, columns)
    with run:
        for block in _blocks(rows, block_rows):
            if not run.pass_over(block):
                stored, report, problems = _encode_new(encoder, block, run, kind, storage, on_error, cache)
                with _writing(output):
                    run.add(block, stored, report, problems)
            on_rows(run.done)
        with _writing(output):
            run.finish(storage, encoder.dim)
    return replace(run.report, seconds=run.seconds_before + time.perf_counter() - began), run.problems


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"Cannot write {output}: {error.strerror or error}; what is done stays in {unfinished(output)}."
        ) from error


def _blocks(rows: Iterable[str | Row], size: int) -> Iterator[list[Row]]:
    """Rows in blocks of `size`; a block ends early where its texts are long, so that memory is bounded."""
    block: list[Row] = []
    characters = 0
    for number, item in enumerate(rows):
        row = item if isinstance(item, Row) else _row(number, item)
        block.append(row)
        characters += len(row.texts[0])
        if len(block) == size or characters > BLOCK_CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def _row(number: int, row: str) -> Row:
    if isinstance(row, str):
        return Row(number + 1, (row,), {})
    raise InputError(f"rows[{number}] is of type {type(row).__name__}; every row must be a str.")


def _encode_new(
    encoder: Encoder,
    block: list[Row],
    run: UnfinishedRun,
    kind: str,
    storage: str,
    on_error: str,
    cache: VectorCache | None,
) -> tuple[Stored, EncodeReport, list[Problem]]:
    """The stored rows of a block: those met before are copied, the others encoded."""
    texts = [row.texts[0] for row in block]
    seen = [run.seen.get(text, -1) for text in texts]
    new = [i for i, row in enumerate(seen) if row < 0]
    new_texts = texts if len(new) == len(texts) else [texts[i] for i in new]
    try:
        done = encode_block(encoder, new_texts, kind=kind, on_error=on_error, cache=cache)
    except RowError as error:
        line = block[new[error.row]].line
        raise EngineError(
            f"Line {line} cannot be encoded: {error.reason} Leave such rows out with --errors skip "
            "(on_error='skip'); the blocks before it are kept."
        ) from error
    problems = [(run.done + i, row.line, row.problem) for i, row in enumerate(block) if row.problem]
    problems += [(run.done + new[at], block[new[at]].line, why) for at, why in done.failures.items()]
    stored = compress(done.vectors, storage)
    copied = [i for i, row in enumerate(seen) if row >= 0]
    if copied:
        encoded, stored = stored, np.empty((len(block), run.columns), run.dtype)
        stored[new] = encoded
        stored[copied] = run.take([seen[i] for i in copied])
    unread = sum(bool(row.problem) for row in block)
    counted = replace(
        NOTHING,
        rows=len(copied),
        encoded=len(copied),
        deduplicated=len(copied),
        failed=unread,
        empty=-unread,
    )
    return stored, add_reports(done.report, counted), sorted(problems)
