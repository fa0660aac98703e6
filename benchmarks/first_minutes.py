"""What a newcomer waits for: import, load, and a search of 10,000 lines from the shell.

python benchmarks/first_minutes.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conditions import conditions

EXAMPLES = Path(__file__).parent.parent / "examples" / "tickets.jsonl"
LINES = 10_000
ROUNDS = 7


def seconds(*command: str) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def main() -> None:
    print(conditions("click", "rich"))
    texts = [json.loads(line)["text"] for line in EXAMPLES.read_text(encoding="utf-8").splitlines()]
    bare = seconds(sys.executable, "-c", "pass")
    rows = {
        "python alone": bare,
        "import interlingua": seconds(sys.executable, "-c", "import interlingua"),
        "load_encoder()": seconds(sys.executable, "-c", "import interlingua; interlingua.load_encoder()"),
        "interlingua --help": seconds(sys.executable, "-m", "interlingua", "--help"),
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "lines.txt"
        lines = [f"{texts[i % len(texts)]} {i}" for i in range(LINES)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        rows[f"interlingua search, {LINES:,} lines"] = seconds(
            sys.executable, "-m", "interlingua", "search", str(file), "Mein Paket ist nicht angekommen"
        )
    print(f"\n| whole process, median of {ROUNDS} | seconds |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value:.2f} |")


if __name__ == "__main__":
    main()
