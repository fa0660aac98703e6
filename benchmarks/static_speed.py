"""Sentences per second of one static model in three libraries: ours, model2vec, Sentence Transformers.

    python benchmarks/static_speed.py DATA

DATA is a folder of pair files named SOURCE.en-xx.tsv.gz; the second column of up to 10,000 lines of each
of 20 languages is encoded. Every library loads the same folder, runs on one thread, and starts cold on each
language: nothing is remembered from the language before. The vectors are compared.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import argparse
import gzip
import time
import warnings
from pathlib import Path

import numpy as np

from conditions import conditions
from interlingua.encoders import EMBEDDED_FOLDER
from interlingua.encoders.static import StaticEncoder

LANGUAGES = "en de fr es it pt nl pl ru uk tr fi ar he hi ko vi zh ja th".split()
LINES = 10_000
ROUNDS = 5


def sentences(data: Path, language: str, lines: int) -> list[str]:
    column, named = (0, "fr") if language == "en" else (1, language)
    texts: list[str] = []
    for path in sorted(data.glob(f"*.en-{named}.tsv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            texts += [line.rstrip("\n").split("\t")[column] for line in stream]
    if not texts:
        raise SystemExit(f"{data} has no pair file for {language}.")
    chosen = np.random.default_rng(0).permutation(len(texts))[:lines]
    return [texts[i] for i in chosen]


def engines(folder: Path):
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    static = StaticModel.from_pretrained(folder, normalize=True, max_length=None)
    transformer = SentenceTransformer(str(folder), device="cpu")
    return {
        "ours": lambda texts: StaticEncoder.from_folder(folder).encode,
        "model2vec": lambda texts: lambda t: static.encode(t, use_multiprocessing=False),
        "st": lambda texts: lambda t: transformer.encode(t, batch_size=1024, show_progress_bar=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=EMBEDDED_FOLDER)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    print(conditions("model2vec", "sentence-transformers", "torch"))
    print(f"\nsentences per second, one thread, cold start a language, median of {arguments.rounds} rounds\n")
    print("| language | lines | ours | model2vec | Sentence Transformers | ours / model2vec | apart |")
    print("|---|---|---|---|---|---|---|")
    makers = engines(arguments.model)
    for language in LANGUAGES:
        texts = sentences(arguments.data, language, arguments.lines)
        rates: dict[str, list[float]] = {name: [] for name in makers}
        vectors = {}
        for _ in range(arguments.rounds):
            for name, make in makers.items():
                encode = make(texts)
                began = time.perf_counter()
                vectors[name] = encode(texts)
                rates[name].append(len(texts) / (time.perf_counter() - began))
        ours, static, transformer = (float(np.median(rates[name])) for name in makers)
        ratio = float(np.median(np.array(rates["ours"]) / np.array(rates["model2vec"])))
        apart = max(float(np.abs(vectors["ours"] - vectors[name]).max()) for name in ("model2vec", "st"))
        print(
            f"| {language} | {len(texts):,} | {ours:,.0f} | {static:,.0f} | {transformer:,.0f} "
            f"| {ratio:.1f} | {apart:.0e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
