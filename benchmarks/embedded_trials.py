"""Trials for the embedded model's recipe: short runs that differ in a setting or two, measured alike.

    python benchmarks/embedded_trials.py PAIRS_FOLDER EVAL_FOLDER SCRATCH_FOLDER --pairs 4_000_000 \\
        "" "optimisation.dropout=0" "dimension=256 vocabulary.size=96000" "teacher.final_share=1"

Each trial is recipes/embedded.toml with the settings named, and as many pairs as --pairs says; "" is the
recipe as it is. Every trial leaves out the Tatoeba sentences of EVAL_FOLDER. A vocabulary and a teacher's
vectors are made once; a trial that was made before is only measured again. Prints a table:
means of Tatoeba accuracy and F1 over 50 languages, of STS dev over 11, of SIB dev over 23.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from conditions import conditions
from embedded_quality import means
from interlingua.encoders.static import StaticEncoder
from interlingua.training.checkpoint import open_workplace
from interlingua.training.pairs import Pairs, read_excluded, read_pairs
from interlingua.training.recipe import load_recipe, tomllib
from interlingua.training.static import train_static, write_trained

RECIPE = Path(__file__).parent.parent / "recipes" / "embedded.toml"


def with_settings(settings: str, pairs: int) -> dict[str, Any]:
    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    for setting in [*settings.split(), f"optimisation.pairs={pairs}"]:
        name, _, value = setting.partition("=")
        *section, key = name.split(".")
        place = recipe
        for part in section:
            place = place[part]
        place[key] = tomllib.loads(f"value = {value}")["value"]
    return recipe


def as_toml(recipe: dict[str, Any], prefix: str = "") -> str:
    plain = "".join(f"{k} = {v!r}\n".replace("'", '"') for k, v in recipe.items() if not isinstance(v, dict))
    tables = [(f"{prefix}{k}", v) for k, v in recipe.items() if isinstance(v, dict)]
    return plain + "".join(f"[{name.replace(' ', '')}]\n{as_toml(v, f'{name}.')}" for name, v in tables)


def trial(settings: str, pairs: Pairs, count: int, scratch: Path) -> Path:
    """The folder of a trial's model, trained unless it is there."""
    text = as_toml(with_settings(settings, count))
    digest = hashlib.sha256("\n".join([text, *pairs.anchors, *pairs.others]).encode())
    folder = scratch / f"model-{digest.hexdigest()[:12]}"
    if folder.exists():
        return folder
    file = folder.with_suffix(".toml")
    file.write_text(text, encoding="utf-8")
    recipe = load_recipe(file)
    with open_workplace(folder.with_name(f"{folder.name}.unfinished"), pairs, recipe) as workplace:
        link_parts(scratch, workplace.folder)
        trained = train_static(pairs, recipe, workplace, progress=show)
        link_parts(workplace.folder, scratch)
        write_trained(folder, trained, recipe, f"# Trial: {settings or 'the recipe as it is'}\n")
        workplace.remove()
    return folder


def link_parts(source: Path, target: Path) -> None:
    """What serves again; a teacher's vectors first, then how many of them are done."""
    for pattern in ("vocabulary-*.json", "teacher-*.npy", "teacher-*.done"):
        for file in source.glob(pattern):
            if not (target / file.name).exists():
                os.link(file, target / file.name)


def show(stage: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{stage} {done / max(1, total):.0%}   ", end="", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("scratch", type=Path)
    parser.add_argument("settings", nargs="+", help='such as "optimisation.dropout=0"; "" for none')
    parser.add_argument("--pairs", type=int, default=4_000_000)
    arguments = parser.parse_args()
    arguments.scratch.mkdir(exist_ok=True)
    pairs = read_pairs([arguments.data], exclude=read_excluded([arguments.evaluation / "tatoeba"]))
    print(conditions("torch"))
    print(f"\n{arguments.pairs:,} draws from {len(pairs):,} pairs a trial\n")
    print("| setting | Tatoeba accuracy | F1 | STS | SIB |\n|---|---|---|---|---|")
    for settings in arguments.settings:
        folder = trial(settings, pairs, arguments.pairs, arguments.scratch)
        found = means(StaticEncoder.from_folder(folder), arguments.evaluation)
        print(f"| {settings or 'the recipe as it is'} | {found} |", flush=True)


if __name__ == "__main__":
    main()
