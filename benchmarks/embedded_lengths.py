"""The lengths of a finished static model's rows, raised to powers: what it does to the means of all sets.

    python benchmarks/embedded_lengths.py EVAL_FOLDER 0.8 1 1.25 [--model FOLDER]

A power above 1 gives frequent pieces more say in a sum, one below 1 less. A recipe's `length_power` p is in
the rows already: here 1 is the model as it is, and 1/p the model without it. EVAL_FOLDER as
embedded_quality.py has it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from conditions import conditions
from embedded_quality import means
from interlingua.encoders import EMBEDDED_FOLDER
from interlingua.encoders.static import StaticEncoder
from interlingua.encoders.static_folder import read_static_folder
from interlingua.training.order import even_lengths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("powers", type=float, nargs="+")
    parser.add_argument("--model", type=Path, default=EMBEDDED_FOLDER)
    arguments = parser.parse_args()
    table = read_static_folder(arguments.model)
    rows = StaticEncoder(table, name="as it is").piece_vectors()
    print(conditions("scikit-learn", "scipy"))
    print("\n| power | Tatoeba accuracy | F1 | STS | SIB |\n|---|---|---|---|---|")
    for power in arguments.powers:
        raised = replace(table, rows=even_lengths(rows, power), weights=None, mapping=None)
        found = means(StaticEncoder(raised, name=str(power)), arguments.data)
        print(f"| {power:g} | {found} |", flush=True)


if __name__ == "__main__":
    main()
