"""A million short rows with the embedded model, from a file to vectors on disk; then again, killed at half.

    python benchmarks/million_rows.py [--rows 1000000]

Prints rows per second and peak memory of the command `interlingua encode`, start included, and of a second
run that `kill -9` ends at half and that the same command then finishes; both files must be equal.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from conditions import conditions

TICKETS = Path(__file__).parent.parent / "examples" / "tickets.jsonl"


def write_rows(path: Path, count: int) -> None:
    """4 to 12 words from the example tickets, in 24 languages; one row in a hundred repeats another."""
    words = " ".join(json.loads(line)["text"] for line in TICKETS.open(encoding="utf-8")).split()
    rng = np.random.default_rng(0)
    rows: list[str] = []
    for i in range(count):
        start = rng.integers(0, len(words) - 12)
        new = f"{' '.join(words[start : start + rng.integers(4, 13)])} {i}"
        rows.append(rows[rng.integers(0, i)] if i and rng.random() < 0.01 else new)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def command(source: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "interlingua", "encode", str(source), "-o", str(target)]


def timed(arguments: list[str]) -> tuple[float, float, str]:
    """Seconds, peak resident megabytes (of anonymous memory and of mapped files), and what was said."""
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(said)
    return time.perf_counter() - began, usage.ru_maxrss / 1024, said.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    print(conditions())
    with tempfile.TemporaryDirectory() as name:
        source, whole, resumed = (Path(name) / part for part in ("rows.txt", "whole.npy", "resumed.npy"))
        write_rows(source, count)
        seconds, megabytes, said = timed(command(source, whole))
        text_size, vector_size = source.stat().st_size / 1e6, whole.stat().st_size / 1e6
        print(f"{count:,} rows, {text_size:.0f} MB of text, {vector_size:.0f} MB of vectors")
        print(f"in one go: {seconds:.1f} s, {count / seconds:,.0f} rows/s, peak {megabytes:.0f} MB\n  {said}")
        process = subprocess.Popen(command(source, resumed), stderr=subprocess.DEVNULL)
        vectors = Path(f"{resumed}.unfinished") / "vectors.npy"
        state_file = vectors.parent / "state.json"
        while not (state_file.exists() and vectors.stat().st_size > whole.stat().st_size / 2):
            if process.poll() is not None:
                raise SystemExit("The run ended before it could be killed at half; give more --rows.")
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        state = json.loads(state_file.read_text(encoding="utf-8"))
        seconds, megabytes, said = timed(command(source, resumed))
        print(f"killed with {state['rows']:,} rows safe; the rest took {seconds:.1f} s\n  {said}")
        if whole.read_bytes() != resumed.read_bytes():
            raise SystemExit("The resumed file differs.")
        print("both files are equal")


if __name__ == "__main__":
    main()
