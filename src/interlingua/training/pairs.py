"""Translation pairs from many files, in memory once, sampled by source and language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from interlingua.errors import InputError
from interlingua.files import Row, csv_cells, read_rows
from interlingua.lines import open_lines
from interlingua.text import clean, fold
from interlingua.training.recipe import Sampling

CODE = "[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
NAMED = re.compile(rf"(?P<source>.+)\.(?P<anchor>[a-z]{{2,3}})-(?P<language>{CODE})\.tsv(\.gz)?")
SOURCES = "SOURCES.tsv"
OTHER_KINDS = (".jsonl", ".ndjson", ".json", ".parquet")


@dataclass(frozen=True)
class PairFile:
    """One file of pairs: where it came from, its two languages, and its rows in the whole."""

    path: Path
    source: str
    anchor_language: str
    language: str
    start: int
    count: int


@dataclass(frozen=True)
class Pairs:
    """All pairs of a training run.

    `anchors` holds each different anchor (usually English) text once; row i of the data is
    (`anchors[anchor_of[i]]`, `others[i]`), and `other_of[i]` is a checksum of `others[i]`.
    """

    files: list[PairFile]
    anchors: list[str]
    anchor_of: NDArray[np.int32]
    others: list[str]
    other_of: NDArray[np.uint32]
    skipped: int
    excluded: int

    def __len__(self) -> int:
        return len(self.others)


def find_pair_files(paths: Sequence[Path]) -> list[Path]:
    """The pair files that `paths` name: files as they are, folders by their `*.tsv` and `*.tsv.gz`.

    A folder's SOURCES.tsv describes the sources, and holds no pairs.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.name.endswith((".tsv", ".tsv.gz")))
            found += [p for p in inside if p.name != SOURCES]
        elif path.exists():
            if path.name.lower().removesuffix(".gz").endswith((*OTHER_KINDS, ".csv")):
                raise InputError(f"{path} is no file of pairs; give TSV: a text, a tab and its translation.")
            found.append(path)
        else:
            raise InputError(f"{path} does not exist; give a TSV file of pairs, or a folder of them.")
    if not found:
        raise InputError(
            f"No pairs in {', '.join(map(str, paths))}: give .tsv or .tsv.gz files, two columns a line."
        )
    return found


def read_pairs(
    paths: Sequence[Path],
    *,
    errors: str = "strict",
    exclude: AbstractSet[str] = frozenset(),
    single_texts: bool = False,
) -> Pairs:
    """Read every pair of every file; rows with an empty side are counted as skipped.

    A pair is left out, and counted as excluded, where either side, folded, stands in `exclude`: so a
    test set stays unseen.

    With `single_texts`, a line without a tab is a text that pairs with itself.

    A file named `SOURCE.en-xx.tsv[.gz]` tells its source and language; any other file is a source
    of its own in an unknown language.

    Raises:
        InputError: a file is missing or broken, a row has fewer than two columns, or there are no pairs.
    """
    index: dict[str, int] = {}
    anchor_of: list[int] = []
    others: list[str] = []
    files: list[PairFile] = []
    skipped = excluded = 0
    found = find_pair_files(paths)
    for path in found:
        start = len(others)
        for row in read_rows(path, format="lines", errors=errors):
            anchor, other = _sides(row, path, single_texts, errors)
            if not anchor or not other:
                skipped += 1
            elif exclude and (fold(anchor) in exclude or fold(other) in exclude):
                excluded += 1
            else:
                anchor_of.append(index.setdefault(anchor, len(index)))
                others.append(other)
        named = NAMED.fullmatch(path.name)
        source, anchor, language = (
            named.group("source", "anchor", "language") if named else (path.name, "und", "und")
        )
        if len(others) > start:
            files.append(PairFile(path, source, anchor, language, start, len(others) - start))
    if not others:
        raise InputError(
            f"No pair to train on in {len(found)} file(s): {skipped:,} rows have no text on one side, "
            f"{excluded:,} are excluded."
        )
    other_of = np.fromiter((crc32(other.encode()) for other in others), np.uint32, len(others))
    return Pairs(files, list(index), np.array(anchor_of, np.int32), others, other_of, skipped, excluded)


def _sides(row: Row, path: Path, single_texts: bool, errors: str) -> tuple[str, str]:
    """Both texts of a line, clean; an empty one where the line is to be skipped."""
    cells = row.texts[0].split("\t")
    if len(cells) == 1 and single_texts:
        cells *= 2
    if len(cells) == 1:
        if row.texts[0].strip() and errors != "skip":
            raise InputError(
                f"{path}, line {row.line}: one column where two are needed, text, a tab, and its "
                "translation; mend it, or go on with --errors skip."
            )
        return "", ""
    return clean(cells[0]).strip(), clean(cells[1]).strip()


def read_excluded(paths: Sequence[Path]) -> set[str]:
    """The folded texts of files, or of every file in folders of them and below, for `read_pairs`.

    A line with tabs, as in a file of pairs, stands for each of its columns; so does a row of a .csv file.

    Raises:
        InputError: there is no text in them, or a file of a kind that is not read here.
    """
    inside = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    texts = {fold(cell) for file in inside if file.is_file() for cell in _cells(file)} - {""}
    if paths and not texts:
        raise InputError(f"{', '.join(map(str, paths))}: no text to exclude; give text, TSV or CSV files.")
    return texts


def _cells(file: Path) -> Iterator[str]:
    name = file.name.lower().removesuffix(".gz")
    if name.endswith(OTHER_KINDS):
        raise InputError(f"{file} cannot be excluded; give its texts as a text, TSV or CSV file.")
    if not name.endswith(".csv"):
        for _, line in open_lines(file, errors="replace"):
            yield from line.split("\t")
        return
    for number, cells, problem in csv_cells(file, "replace", guess=True):
        if problem:
            raise InputError(f"{file}, line {number}: {problem}; mend it, so that no text is missed.")
        yield from cells


def file_probabilities(pairs: Pairs, sampling: Sampling) -> NDArray[np.float64]:
    """How often each file is drawn from, shape (files,), sum 1.

    A language with effective size n (pairs times source weight) is drawn in proportion to
    n ** exponent (Conneau et al. 2020, XLM-R, section 3.1); inside it, sources by effective size.
    """
    effective = np.array([f.count * sampling.source_weights.get(f.source, 1.0) for f in pairs.files])
    if not effective.any():
        raise InputError("Every source has weight 0 in the recipe; give at least one a weight above 0.")
    size: dict[str, float] = {}
    for file, share in zip(pairs.files, effective, strict=True):
        size[file.language] = size.get(file.language, 0.0) + share
    probability = np.array(
        [
            share / size[f.language] * size[f.language] ** sampling.language_exponent if share else 0.0
            for f, share in zip(pairs.files, effective, strict=True)
        ]
    )
    return np.asarray(probability / probability.sum())


def draw_rows(
    pairs: Pairs, probability: NDArray[np.float64], count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `count` row numbers with replacement: a file by its probability, then a row of it."""
    start = np.array([f.start for f in pairs.files])
    size = np.array([f.count for f in pairs.files])
    drawn = rng.choice(len(pairs.files), count, p=probability)
    return np.asarray(start[drawn] + (rng.random(count) * size[drawn]).astype(np.int64))
