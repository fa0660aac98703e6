"""Is a Tatoeba test pair among the training pairs?

    python benchmarks/decontamination.py PAIRS_FOLDER EVAL_FOLDER

Sides are compared case-folded, without punctuation and white space. A pair counts where both its sides
stand in one training pair, or where its foreign side stands anywhere in the training text of that language.
"""

from __future__ import annotations

import argparse
import gzip
import unicodedata
from pathlib import Path


def folded(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    tests: dict[str, set[str]] = {}
    foreign: dict[str, str] = {}
    count = 0
    for path in sorted((arguments.data / "tatoeba").glob("tatoeba.*-eng.*")):
        language = path.name.split(".")[1].removesuffix("-eng")
        if path.suffix == ".eng":
            continue
        theirs = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        english = path.with_suffix(".eng").read_text(encoding="utf-8").rstrip("\n").split("\n")
        for side, anchor in zip(theirs, english, strict=True):
            count += 1
            tests.setdefault(folded(side), set()).add(folded(anchor))
            foreign[folded(side)] = language
    whole, side_only = 0, 0
    for path in sorted(arguments.pairs.glob("*.tsv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            for line in stream:
                anchor, other = (folded(cell) for cell in line.rstrip("\n").split("\t"))
                if other in tests:
                    whole += anchor in tests[other]
                    side_only += anchor not in tests[other]
    print(
        f"{count:,} test pairs; {whole:,} training pairs are one of them; "
        f"{side_only:,} more share the foreign side alone"
    )


if __name__ == "__main__":
    main()
