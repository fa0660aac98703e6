"""What the long-run machinery costs over the bare engine, and what equal texts save.

    python benchmarks/pipeline_cost.py [--rows 2000] [--rounds 5]

"Bare" calls the engine on clean texts, nothing else. "encode" is `encoder.encode`; "to file" streams rows
to a .npy file, with everything that a resume needs. "Doubled" has each text twice, far apart: its ratio is
to the time of the same number of different texts. The median of rounds, in turn, each with new texts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from conditions import conditions
from interlingua import load_encoder
from interlingua.encoders.base import TextEncoder
from interlingua.encoders.export import export_model
from interlingua.encoders.output import encode_to_file
from interlingua.files import Row
from transformer_speed import all_minilm, mixed_texts


def rows_of(texts: list[str]) -> list[Row]:
    return [Row(i, (text,), {}) for i, text in enumerate(texts)]


def seconds(call) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure(name: str, encoder: TextEncoder, count: int, rounds: int, scratch: Path) -> None:
    words = mixed_texts(count * rounds, "en")
    output = scratch / "out.npy"
    times: dict[str, list[float]] = {"bare": [], "encode": [], "to file": [], "doubled": []}
    for number in range(rounds):
        own = words[number * count : (number + 1) * count]
        texts = [f"{text} {i}" for i, text in enumerate(own, start=number * count)]  # no two are equal
        half = texts[: count // 2]
        encoder.encode(texts)  # a static model remembers words: then every way finds them known
        ways = {
            "bare": lambda texts=texts: encoder._encode(texts, ""),
            "encode": lambda texts=texts: encoder.encode(texts),
            "to file": lambda texts=texts: encode_to_file(encoder, rows_of(texts), output),
            "doubled": lambda half=half: encode_to_file(encoder, rows_of([*half, *half]), output),
        }
        for way, call in ways.items():
            output.unlink(missing_ok=True)
            times[way].append(seconds(call))
    bare = times["bare"]
    for way, taken in times.items():
        ratio = statistics.median(t / b for t, b in zip(taken, bare, strict=True))
        print(f"| {name} | {way} | {count / statistics.median(taken):,.0f} | {ratio:.3f} |")
    doubled = statistics.median(d / f for d, f in zip(times["doubled"], times["to file"], strict=True))
    print(f"| {name} | doubled / to file | | {doubled:.3f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(conditions("onnxruntime"))
    print("\n| model | way | rows/s | seconds over bare |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        texts = mixed_texts(100, "en")
        export_model(load_encoder(all_minilm(), engine="torch"), scratch / "minilm", texts, int8=True)
        int8 = load_encoder(scratch / "minilm", dtype="int8")
        measure("all-MiniLM-L6-v2, onnx int8", int8, arguments.rows, arguments.rounds, scratch)  # type: ignore[arg-type]
        embedded = load_encoder()
        measure("embedded", embedded, 20 * arguments.rows, arguments.rounds, scratch)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
