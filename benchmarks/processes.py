"""What several processes gain over one, with the embedded model: rows per second, vectors sent back.

    python benchmarks/processes.py [--rows 200000] [--processes 2]

Each process opens the model itself and gets blocks of 8,192 rows; its vectors come back through a pipe, as
a run that writes one file would need them. The transformers run batches side by side in threads instead:
onnxruntime frees Python's lock, so that processes would only hold the model more than once.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from conditions import conditions
from interlingua import load_encoder
from transformer_speed import mixed_texts

BLOCK = 8192


def encode(texts: tuple[str, ...]) -> np.ndarray:
    return load_encoder().encode(list(texts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    texts = [f"{text} {i}" for i, text in enumerate(mixed_texts(arguments.rows, None))]
    blocks = [tuple(texts[i : i + BLOCK]) for i in range(0, len(texts), BLOCK)]
    print(conditions())
    print("\n| processes | rows/s |\n|---|---|")
    began = time.perf_counter()
    for block in blocks:
        encode(block)
    print(f"| 1 | {len(texts) / (time.perf_counter() - began):,.0f} |")
    with ProcessPoolExecutor(arguments.processes) as pool:
        list(pool.map(encode, blocks[: arguments.processes]))  # the model is open in each
        began = time.perf_counter()
        for _ in pool.map(encode, blocks):
            pass
        print(f"| {arguments.processes} | {len(texts) / (time.perf_counter() - began):,.0f} |")


if __name__ == "__main__":
    main()
