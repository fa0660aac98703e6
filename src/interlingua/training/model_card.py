"""The model card of a trained model: what it was made from, how, and how well it does."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from interlingua import __version__
from interlingua.training.pairs import SOURCES, PairFile, Pairs, file_probabilities
from interlingua.training.recipe import Recipe
from interlingua.training.static import Trained

FEW = 50
ORDER = {"int4": ", in groups of 64"}
STORED = {
    "float32": "float32",
    "int8": "int8 with a scale a row",
    "int4": "four bits with a scale for each 64 columns of a row",
}


@dataclass(frozen=True)
class Layout:
    """What a card says of who loads the model."""

    library: str
    tags: str
    loads: str


LAYOUT_PUBLISHED = Layout(
    "sentence-transformers",
    "static-embeddings, model2vec, interlingua",
    "It loads in interlingua, model2vec and Sentence Transformers alike:",
)
LAYOUT_OURS = Layout(
    "interlingua",
    "static-embeddings, interlingua",
    "It loads in interlingua, and in model2vec and Sentence Transformers after\n"
    "`interlingua export THIS_FOLDER -o PUBLISHED --int8`:",
)


def model_card(trained: Trained, recipe: Recipe, pairs: Pairs) -> str:
    """The card as Markdown, with the front matter that model hubs read."""
    drawn = file_probabilities(pairs, recipe.sampling) > 0
    files = [file for file, is_drawn in zip(pairs.files, drawn, strict=True) if is_drawn]
    languages = sorted({code for f in files for code in (f.anchor_language, f.language)} - {"und"})
    layout = LAYOUT_OURS if recipe.rows == "int4" else LAYOUT_PUBLISHED
    front = [
        "---",
        f"library_name: {layout.library}",
        "pipeline_tag: sentence-similarity",
        f"tags: [{layout.tags}]",
        *(["language:", *(f"- {json.dumps(language)}" for language in languages)] if languages else []),
        "---",
    ]
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    facts = f"""
# {recipe.name}

A static embedding model: {trained.tokenizer.get_vocab_size():,} subword pieces, one vector of
{trained.table.shape[1]} numbers each, stored as {STORED[recipe.rows]}; a text is the sum of its pieces, at
length 1. The columns come in order{ORDER.get(recipe.rows, "")}: the first ones serve alone
(`truncate_dim`). Made on {made} by interlingua {__version__}, seed {recipe.seed}; every other choice is
in `config.json` under `interlingua_recipe`.

{layout.loads}

```python
from interlingua import load_encoder

vectors = load_encoder("THIS_FOLDER").encode(["A sentence.", "Ein Satz."])
```

## Training

Symmetric in-batch contrastive loss over {trained.seen:,} draws from
{sum(file.count for file in files):,} pairs ({len(pairs.anchors):,} different texts on the first side);
pairs that share a text on either side are no negatives of each other.
{pairs.excluded:,} pairs were left out because a sentence of a test set (`--exclude`) stood on either side.
Final loss {trained.loss:.3f}.{_dropout(recipe)}{_teacher(recipe)}{_afterwards(recipe)}

{_held_out(trained)}
"""
    return "\n".join(front) + "\n" + facts + _sources(files)


def _held_out(trained: Trained) -> str:
    lines = ["| on rows held out | how many | before | after |", "|---|---|---|---|"]
    before, after = trained.before, trained.after
    if before.found is not None:
        found = f"{before.found:.1%} | {after.found:.1%}"
        lines.append(f"| find their translation among all of these | {trained.held_out_pairs:,} | {found} |")
    if before.agreement is not None:
        agreement = f"{before.agreement:.2f} | {after.agreement:.2f}"
        lines.append(f"| cosines, correlated with the teacher's | {trained.held_out:,} | {agreement} |")
    if len(lines) == 2:
        return "No rows were held out, so nothing is known of how well it does."
    fewest = trained.held_out if before.found is None else trained.held_out_pairs
    few = " So few rows tell little." if fewest < FEW else ""
    return "\n".join(
        [
            *lines,
            "",
            "Held-out rows come from the training sources, so the figures show that training worked, not how",
            f"the model does on other text; they are of the table before it was packed.{few}",
        ]
    )


def _dropout(recipe: Recipe) -> str:
    share = recipe.optimisation.dropout
    return (
        f" Of the pieces of each text {share:.0%} were left out at random, others each time." if share else ""
    )


def _teacher(recipe: Recipe) -> str:
    wish = recipe.teacher
    if not wish.model:
        return ""
    falling = f", both falling to {wish.final_share:.0%} at the end" if wish.final_share < 1 else ""
    return (
        f" Both sides were also drawn to the vectors that the teacher `{wish.model}` gives the first side: "
        f"by cosine distance with weight {wish.weight:g}, and by who is near whom with weight "
        f"{wish.neighbour_weight:g}{falling}."
    )


def _afterwards(recipe: Recipe) -> str:
    """What was done to the trained table."""
    more, power = recipe.training_dimension > recipe.dimension, recipe.length_power
    return (
        f" It was trained with {recipe.training_dimension} columns, the least dropped." if more else ""
    ) + (f" Each row's length was raised to the power {power:g}." if power != 1 else "")


def _sources(files: list[PairFile]) -> str:
    counts: dict[str, int] = defaultdict(int)
    languages: dict[str, set[str]] = defaultdict(set)
    for file in files:
        counts[file.source] += file.count
        languages[file.source].add(file.language)
    described = _descriptions(sorted({file.path.parent for file in files}))
    lines = ["", "## Data", "", "| source | from | licence | languages | pairs |", "|---|---|---|---|---|"]
    for source in sorted(counts, key=lambda name: -counts[name]):
        origin, licence = described.get(source, ("", "not stated"))
        lines.append(f"| {source} | {origin} | {licence} | {len(languages[source])} | {counts[source]:,} |")
    return "\n".join(lines) + "\n"


def _descriptions(folders: list[Path]) -> dict[str, tuple[str, str]]:
    """Source name to (repository, licence), from a SOURCES.tsv beside the pairs where there is one."""
    described: dict[str, tuple[str, str]] = {}
    for folder in folders:
        if (folder / SOURCES).is_file():
            with (folder / SOURCES).open(encoding="utf-8", errors="replace", newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                    described[row.get("source") or ""] = (
                        row.get("repository") or "",
                        row.get("licence") or "not stated",
                    )
    return described
