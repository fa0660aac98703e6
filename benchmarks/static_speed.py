"""Sentences per second of one static model in three libraries: ours, model2vec, Sentence Transformers.

    python benchmarks/static_speed.py DATA

DATA is a folder of pair files named SOURCE.en-xx.tsv.gz; up to 10,000 lines of each of 20 languages are
encoded. Every library loads the same folder and runs on one thread. Ours starts each language with nothing
remembered ("first pass"), then encodes the same lines again ("steady"). All vectors are compared; lines
that cleaning would change are left out, since only ours cleans.
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
from tempfile import TemporaryDirectory

import numpy as np

from conditions import conditions
from interlingua import load_encoder
from interlingua.encoders.export_static import export_static
from interlingua.encoders.static import StaticEncoder
from interlingua.text import clean

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
    texts = [text for text in texts if clean(text) == text]
    chosen = np.random.default_rng(0).permutation(len(texts))[:lines]
    return [texts[i] for i in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, help="default: the embedded model, exported as int8")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with TemporaryDirectory() as scratch:
        model = arguments.model or exported(Path(scratch) / "embedded")
        measure(model, arguments.data, arguments.lines, arguments.rounds)


def exported(folder: Path) -> Path:
    texts = ["Where is my parcel?", "Wo ist mein Paket?"] * 5
    export_static(load_encoder(engine="static"), folder, texts, int8=True)  # type: ignore[arg-type]
    return folder


def measure(model: Path, data: Path, count: int, rounds: int) -> None:
    import torch
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    static = StaticModel.from_pretrained(model, normalize=True, max_length=None)
    transformer = SentenceTransformer(str(model), device="cpu")
    peers = {
        "model2vec": lambda texts: static.encode(texts, use_multiprocessing=False),
        "st": lambda texts: transformer.encode(texts, batch_size=1024, show_progress_bar=False),
    }
    print(conditions("model2vec", "sentence-transformers", "torch"))
    print(f"\nsentences per second on one thread, median of {rounds} rounds\n")
    print("| language | lines | ours, first | ours, steady | model2vec | Sentence Transformers |", end="")
    print(" first / model2vec | steady / model2vec | apart |")
    print("|---" * 9 + "|")
    for language in LANGUAGES:
        texts = sentences(data, language, count)
        rates: dict[str, list[float]] = {"first": [], "steady": [], "model2vec": [], "st": []}
        vectors: dict[str, np.ndarray] = {}
        for _ in range(rounds):
            ours = StaticEncoder.from_folder(model)
            for name, encode in {"first": ours.encode, "steady": ours.encode, **peers}.items():
                began = time.perf_counter()
                vectors[name] = encode(texts)
                rates[name].append(len(texts) / (time.perf_counter() - began))
        medians = [float(np.median(rate)) for rate in rates.values()]
        peer = np.array(rates["model2vec"])
        ratios = [float(np.median(np.array(rates[name]) / peer)) for name in ("first", "steady")]
        apart = max(float(np.abs(vectors["first"] - vectors[name]).max()) for name in vectors)
        cells = [f"{rate:,.0f}" for rate in medians] + [f"{ratio:.1f}" for ratio in ratios] + [f"{apart:.0e}"]
        print(f"| {language} | {len(texts):,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
