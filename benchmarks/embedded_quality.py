"""Quality of a static model: Tatoeba retrieval, STS, topics; the published figures of larger models beside.

    python benchmarks/embedded_quality.py EVAL_FOLDER [--model FOLDER]

EVAL_FOLDER holds tatoeba/, stsb-dev/, sib-dev/ and published.tsv. Tatoeba is accuracy, and F1 as MTEB's
BitextMining computes it, of nearest-neighbour retrieval from the foreign side to English; STS is Spearman's
correlation of cosine with the human score; SIB is the accuracy of a logistic regression that is trained on
English alone.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from conditions import conditions
from interlingua.encoders import EMBEDDED_FOLDER
from interlingua.encoders.static import StaticEncoder
from interlingua.evaluation.retrieval import retrieval_accuracy, retrieval_f1

FIFTY = (
    "fra deu spa ita por nld jpn cmn rus ara kor pol tur swe ces dan fin nob hun ell heb hin ukr ron bul "
    "vie ind tha pes cat hrv srp slk slv lit lvs est zsm ben tam tel urd swh kat hye eus glg sqi mkd isl"
).split()
WEAK = 0.6
FIGURES = "## Figures"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=EMBEDDED_FOLDER)
    parser.add_argument("--card", action="store_true", help="put the tables into the model's card, README.md")
    arguments = parser.parse_args()
    encoder = StaticEncoder.from_folder(arguments.model)
    size = sum(p.stat().st_size for p in arguments.model.iterdir())
    tables = [tatoeba(encoder, arguments.data), sts(encoder, arguments.data), topics(encoder, arguments.data)]
    lines = [
        FIGURES,
        "",
        f"`python benchmarks/embedded_quality.py EVAL_FOLDER`, {conditions('scikit-learn', 'scipy')}; "
        f"{size / 1e6:.1f} MB, {encoder.dim} dimensions; {speed(arguments.model, arguments.data)}.",
        *chain(*tables),
        *truncated(encoder, arguments.data),
        f"| {encoder.native_dim} | {mean_cells(tables)} |",
    ]
    print("\n".join(lines))
    if arguments.card:
        card = arguments.model / "README.md"
        kept = card.read_text(encoding="utf-8").split(FIGURES)[0].rstrip()
        card.write_text("\n".join([kept, "", *lines, ""]), encoding="utf-8")


def speed(folder: Path, data: Path) -> str:
    """Of loading, and of encoding the Tatoeba sentences, all words new at first."""
    began = time.perf_counter()
    encoder = StaticEncoder.from_folder(folder)
    loaded = time.perf_counter()
    texts = [line for path in sorted((data / "tatoeba").iterdir()) for line in lines_of(path)]
    began_first = time.perf_counter()
    encoder.encode(texts)
    began_again = time.perf_counter()
    encoder.encode(texts)
    first, again = began_again - began_first, time.perf_counter() - began_again
    return (
        f"loaded in {loaded - began:.2f} s; {len(texts):,} Tatoeba sentences at "
        f"{len(texts) / first:,.0f} a second, "
        f"and {len(texts) / again:,.0f} once their words are known"
    )


def means(encoder: StaticEncoder, data: Path) -> str:
    """The means of the tables, as cells of one: Tatoeba accuracy, F1, STS, SIB."""
    return mean_cells([tatoeba(encoder, data), sts(encoder, data), topics(encoder, data)])


def mean_cells(tables: list[list[str]]) -> str:
    rows = [next(line for line in table if line.startswith("| mean")).split("|") for table in tables]
    return " | ".join([rows[0][2], rows[0][3], rows[1][2], rows[2][2]])


def truncated(encoder: StaticEncoder, data: Path) -> list[str]:
    lines = ["", "The first columns alone (`truncate_dim`), means of the tables above.", ""]
    lines += ["| columns | Tatoeba accuracy | F1 | STS | SIB |", "|---|---|---|---|---|"]
    for columns in (64, 128, 256):
        if columns < encoder.native_dim:
            encoder.dim = columns
            lines.append(f"| {columns} | {means(encoder, data)} |")
    return lines


def tatoeba(encoder: StaticEncoder, data: Path) -> list[str]:
    published = published_scores(data, "Tatoeba")
    names = sorted({model for models in published.values() for model in models})
    rows: list[list[float]] = []
    for language in FIFTY:
        path = data / "tatoeba" / f"tatoeba.{language}-eng.{language}"
        sources = encoder.encode(lines_of(path))
        targets = encoder.encode(lines_of(path.with_suffix(".eng")))
        theirs = [published.get(f"{language}-eng", {}).get(name, np.nan) for name in names]
        rows.append([retrieval_accuracy(sources, targets), retrieval_f1(sources, targets), *theirs])
    values = np.array(rows)
    weak = [name for name, row in zip(FIFTY, rows, strict=True) if row[0] < WEAK]
    return [
        "",
        "Tatoeba, foreign side to English, at most 1,000 pairs a language. F1 as MTEB has it; the other "
        "models' figures are the published ones.",
        "",
        f"| language | accuracy | F1 | {' | '.join(f'{name} F1' for name in names)} |",
        "|---" * (3 + len(names)) + "|",
        *(table_row(name, row) for name, row in zip(FIFTY, rows, strict=True)),
        table_row("mean of 50", np.nanmean(values, axis=0)),
        "",
        *(
            f"- F1 above {name} in {int((values[:, 1] > values[:, column]).sum())} of {len(rows)} languages"
            for column, name in enumerate(names, start=2)
        ),
        f"- weak, with an accuracy below {WEAK}: {', '.join(weak) or 'none'}",
    ]


def sts(encoder: StaticEncoder, data: Path) -> list[str]:
    from scipy.stats import spearmanr

    scores = {}
    for path in sorted((data / "stsb-dev").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            pairs = [row for row in csv.reader(stream) if len(row) == 3]
        first, second = (encoder.encode([row[i] for row in pairs]) for i in (0, 1))
        cosines = np.einsum("ij,ij->i", first, second)
        scores[path.name.split("-")[1]] = float(
            spearmanr(cosines, [float(row[2]) for row in pairs]).statistic
        )
    return [
        "",
        "STS benchmark, dev: Spearman's correlation of the cosine with people's scores.",
        "",
        "| language | Spearman |",
        "|---|---|",
        *(table_row(name, [score]) for name, score in scores.items()),
        table_row(f"mean of {len(scores)}", [np.mean(list(scores.values()))]),
    ]


def topics(encoder: StaticEncoder, data: Path) -> list[str]:
    from sklearn.linear_model import LogisticRegression

    def rows(language: str, part: str) -> tuple[np.ndarray, list[str]]:
        with (data / "sib-dev" / language / f"{part}.tsv").open(encoding="utf-8", newline="") as stream:
            records = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        return encoder.encode([r["text"] for r in records]), [r["category"] for r in records]

    classifier = LogisticRegression(max_iter=1000).fit(*rows("eng_Latn", "train"))
    folders = sorted(p.name for p in (data / "sib-dev").iterdir() if p.is_dir())
    scores = {name: float(classifier.score(*rows(name, "dev"))) for name in folders}
    others = [score for name, score in scores.items() if name != "eng_Latn"]
    return [
        "",
        "SIB-200 topics, dev, 7 classes: scikit-learn's default logistic regression, trained on English.",
        "",
        "| language | accuracy |",
        "|---|---|",
        *(table_row(name, [score]) for name, score in scores.items()),
        table_row(f"mean of {len(others)} without English", [np.mean(others)]),
    ]


def table_row(name: str, values: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |"


def published_scores(data: Path, task: str) -> dict[str, dict[str, float]]:
    """Subset to model to score."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    with (data / "published.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["task"] == task:
                scores[row["subset"]][row["model"]] = float(row["score"])
    return scores


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


if __name__ == "__main__":
    main()
