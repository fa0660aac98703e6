"""Is a Tatoeba test sentence among what the embedded model was trained on?

    python benchmarks/decontamination.py PAIRS_FOLDER TEST_FOLDER

Reads the pairs as `interlingua train static PAIRS_FOLDER --exclude TEST_FOLDER` does, and as it would without
--exclude; then looks for the test sentences by a fold of its own: case-folded, letters, digits and their
marks alone.
"""

from __future__ import annotations

import argparse
import unicodedata
from pathlib import Path

from interlingua.training.pairs import Pairs, read_excluded, read_pairs


def letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum() or unicodedata.category(c).startswith("M"))


def test_pairs(folder: Path) -> tuple[set[tuple[str, str]], set[str]]:
    whole, sides = set(), set()
    for path in sorted(folder.glob("tatoeba.*-eng.*")):
        if path.suffix == ".eng":
            continue
        both = (
            p.read_text(encoding="utf-8").rstrip("\n").split("\n") for p in (path.with_suffix(".eng"), path)
        )
        for english, foreign in zip(*both, strict=True):
            whole.add((letters(english), letters(foreign)))
            sides.update((letters(english), letters(foreign)))
    return whole - {("", "")}, sides - {""}


def contaminated(pairs: Pairs, whole: set[tuple[str, str]], sides: set[str]) -> tuple[int, int]:
    anchors = [letters(anchor) for anchor in pairs.anchors]
    as_pair = one_side = 0
    for i, other in zip(pairs.anchor_of, map(letters, pairs.others), strict=True):
        as_pair += (anchors[i], other) in whole
        one_side += anchors[i] in sides or other in sides
    return as_pair, one_side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("tests", type=Path)
    arguments = parser.parse_args()
    whole, sides = test_pairs(arguments.tests)
    print(f"{len(whole):,} test pairs\n")
    print(
        "| training pairs | in all | that are a test pair | with a side of a test pair |\n|---|---|---|---|"
    )
    for name, exclude in (("as they come", set()), ("with --exclude", read_excluded([arguments.tests]))):
        pairs = read_pairs([arguments.pairs], exclude=exclude)
        as_pair, one_side = contaminated(pairs, whole, sides)
        print(f"| {name} | {len(pairs):,} | {as_pair:,} | {one_side:,} |", flush=True)


if __name__ == "__main__":
    main()
