"""The model card of a trained model: what it was made from, how, and how well it does."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

from interlingua import __version__
from interlingua.training.pairs import Pairs
from interlingua.training.recipe import Recipe
from interlingua.training.static import Trained

SOURCES = "SOURCES.tsv"


def model_card(trained: Trained, recipe: Recipe, pairs: Pairs) -> str:
    """The card as Markdown, with the front matter that model hubs read."""
    languages = sorted({file.language for file in pairs.files if file.language != "und"})
    front = [
        "---",
        "library_name: sentence-transformers",
        "pipeline_tag: sentence-similarity",
        "tags: [static-embeddings, model2vec, interlingua]",
        *(["language:", *(f"- {json.dumps(language)}" for language in languages)] if languages else []),
        "---",
    ]
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    facts = f"""
# {recipe.name}

A static embedding model: {trained.tokenizer.get_vocab_size():,} subword pieces, one vector of
{trained.table.shape[1]} numbers each, stored as int8 with a scale a row; a text is the sum of its pieces, at
length 1. Made on {made} by interlingua {__version__} (`interlingua train static`), seed {recipe.seed};
every other choice is in `config.json` under `interlingua_recipe`.

It loads in interlingua, model2vec and Sentence Transformers alike:

```python
from interlingua import load_encoder

vectors = load_encoder("THIS_FOLDER").encode(["A sentence.", "Ein Satz."])
```

## Training

Symmetric in-batch contrastive loss over {trained.seen:,} draws from {trained.pairs:,} pairs
({len(pairs.anchors):,} different texts on the first side); pairs that share a text on either side
are no negatives of each other.
{pairs.excluded:,} pairs were left out because a sentence of a test set (`--exclude`) stood on either side.
Final loss {trained.loss:.3f}.{_dropout(recipe)}{_teacher(recipe)}

| held-out pairs | finds its translation, before | after |
|---|---|---|
| {trained.held_out:,} | {trained.held_out_before:.1%} | {trained.held_out_after:.1%} |

The held-out pairs come from the training sources, so the figure shows that training worked, not how
the model does on other text.
"""
    return "\n".join(front) + "\n" + facts + _sources(pairs)


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


def _sources(pairs: Pairs) -> str:
    counts: dict[str, int] = defaultdict(int)
    languages: dict[str, set[str]] = defaultdict(set)
    for file in pairs.files:
        counts[file.source] += file.count
        languages[file.source].add(file.language)
    described = _descriptions(sorted({file.path.parent for file in pairs.files}))
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
            with (folder / SOURCES).open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                    described[row["source"]] = (row.get("repository", ""), row.get("licence", "not stated"))
    return described
