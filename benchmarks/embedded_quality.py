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
from collections import defaultdict
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=EMBEDDED_FOLDER)
    arguments = parser.parse_args()
    encoder = StaticEncoder.from_folder(arguments.model)
    print(conditions("scikit-learn", "scipy"))
    size = sum(p.stat().st_size for p in arguments.model.iterdir())
    print(f"model {arguments.model.name}, {size / 1e6:.1f} MB, {encoder.dim} dimensions\n")
    tatoeba(encoder, arguments.data)
    sts(encoder, arguments.data)
    topics(encoder, arguments.data)


def tatoeba(encoder: StaticEncoder, data: Path) -> None:
    published = published_scores(data, "Tatoeba")
    names = sorted({model for models in published.values() for model in models})
    print("| Tatoeba, xx to en | accuracy | F1 |", " | ".join(f"{name} F1" for name in names), "|")
    print("|---" * (3 + len(names)) + "|")
    rows = []
    for language in FIFTY:
        path = data / "tatoeba" / f"tatoeba.{language}-eng.{language}"
        sources = encoder.encode(lines(path))
        targets = encoder.encode(lines(path.with_suffix(".eng")))
        theirs = [published.get(f"{language}-eng", {}).get(name, np.nan) for name in names]
        rows.append([retrieval_accuracy(sources, targets), retrieval_f1(sources, targets), *theirs])
        print(f"| {language} |", " | ".join(f"{value:.3f}" for value in rows[-1]), "|")
    print("| mean of 50 |", " | ".join(f"{value:.3f}" for value in np.nanmean(rows, axis=0)), "|")
    ours = np.array(rows)[:, 1]
    for column, name in enumerate(names, start=2):
        print(f"F1 above {name} in {int((ours > np.array(rows)[:, column]).sum())} of {len(rows)} languages")


def sts(encoder: StaticEncoder, data: Path) -> None:
    from scipy.stats import spearmanr

    print("\n| STS benchmark dev | Spearman |\n|---|---|")
    scores = {}
    for path in sorted((data / "stsb-dev").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            pairs = [row for row in csv.reader(stream) if len(row) == 3]
        first, second = (encoder.encode([row[i] for row in pairs]) for i in (0, 1))
        cosines = np.einsum("ij,ij->i", first, second)
        language = path.name.split("-")[1]
        scores[language] = float(spearmanr(cosines, [float(row[2]) for row in pairs]).statistic)
        print(f"| {language} | {scores[language]:.3f} |")
    print(f"| mean of {len(scores)} | {np.mean(list(scores.values())):.3f} |")


def topics(encoder: StaticEncoder, data: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    def rows(language: str, part: str) -> tuple[np.ndarray, list[str]]:
        with (data / "sib-dev" / language / f"{part}.tsv").open(encoding="utf-8", newline="") as stream:
            records = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        return encoder.encode([r["text"] for r in records]), [r["category"] for r in records]

    classifier = LogisticRegression(max_iter=1000, C=10).fit(*rows("eng_Latn", "train"))
    print("\n| SIB-200 dev, trained on English | accuracy |\n|---|---|")
    scores = {}
    for folder in sorted(p for p in (data / "sib-dev").iterdir() if p.is_dir()):
        scores[folder.name] = float(classifier.score(*rows(folder.name, "dev")))
        print(f"| {folder.name} | {scores[folder.name]:.3f} |")
    others = [score for name, score in scores.items() if name != "eng_Latn"]
    print(f"| mean of {len(others)} without English | {np.mean(others):.3f} |")


def published_scores(data: Path, task: str) -> dict[str, dict[str, float]]:
    """Subset to model to score."""
    scores: dict[str, dict[str, float]] = defaultdict(dict)
    with (data / "published.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["task"] == task:
                scores[row["subset"]][row["model"]] = float(row["score"])
    return scores


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


if __name__ == "__main__":
    main()
