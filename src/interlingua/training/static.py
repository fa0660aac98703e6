"""Training a static model: a table of piece vectors whose sums mean the same in every language."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from interlingua.encoders.static_folder import write_static_folder
from interlingua.errors import InputError, require
from interlingua.training.batches import Batches
from interlingua.training.checkpoint import FORMAT, VOCABULARY, Workplace, damaged
from interlingua.training.held_out import Quality, held_out_anchors, held_out_rows, quality, translated
from interlingua.training.optimise import Progress, draws, optimise, start_state
from interlingua.training.order import even_lengths, order_columns
from interlingua.training.pairs import Pairs, draw_rows, file_probabilities
from interlingua.training.recipe import Recipe, Sampling
from interlingua.training.teacher import (
    TeacherVectors,
    is_taught,
    open_teacher,
    teacher_file,
    teacher_vectors,
)
from interlingua.training.tokens import TokenRows, bag_vectors, tokenise
from interlingua.training.vocabulary import train_vocabulary
from interlingua.vectors import Vectors
from interlingua.writing import replace_file

LINES, HELD_OUT, ORDER = 1, 2, 5
SMALLEST_RUN = 20
ORDERED_BY = 65_536


@dataclass(frozen=True)
class Trained:
    """What a training run made.

    Attributes:
        tokenizer: the vocabulary.
        table: float32 (pieces, dim), its columns in order, for int4 in groups of 64: the first serve alone.
        loss: the mean loss of the last hundred steps.
        before, after: how the table did on held-out rows, at random and as trained.
        held_out: how many rows were held out; `held_out_pairs` of them have two different sides.
        pairs: pairs read; `seen` counts the pairs drawn in training, repeats included.
    """

    tokenizer: Tokenizer
    table: Vectors
    loss: float
    before: Quality
    after: Quality
    held_out: int
    held_out_pairs: int
    pairs: int
    seen: int


def train_static(
    pairs: Pairs,
    recipe: Recipe,
    workplace: Workplace,
    *,
    threads: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Trained:
    """Train a static model on pairs: contrastive loss, and a teacher's pull where the recipe names one.

    Args:
        pairs: what `read_pairs` gives.
        recipe: every choice; the same recipe, pairs and threads give the same table.
        workplace: where the run keeps its parts, so that it can go on after a stop.
        threads: CPU threads; default: torch's own choice.
        progress: called with a stage's name, and how much of it is done.

    Raises:
        InputError: fewer than 20 pairs.
        ModelError: the teacher cannot be loaded.
        MissingExtra: torch, sentencepiece or the teacher's engine is not installed.
    """
    torch = require("torch", extra="train")
    check_size(pairs)
    if threads is not None:
        torch.set_num_threads(threads)
    taught = _lessons(pairs, recipe, workplace, threads, progress)
    tokenizer = _vocabulary(pairs, recipe, workplace, threads or torch.get_num_threads(), progress)
    anchors, others = _tokenise_both(pairs, tokenizer, recipe.max_tokens, progress)
    probability = file_probabilities(pairs, recipe.sampling)
    rows = held_out_rows(pairs, probability, recipe.held_out, np.random.default_rng([recipe.seed, HELD_OUT]))
    batches = Batches(pairs, anchors, others, probability, held_out_anchors(pairs, rows))
    teacher = taught()
    state = start_state(tokenizer.get_vocab_size(), recipe, 0 if teacher is None else teacher.shape[1])
    before = quality(state.table.numpy(), pairs, anchors, others, rows, teacher)
    loss = optimise(state, batches, recipe, teacher, workplace, progress)
    even = even_lengths(state.table.numpy(), recipe.length_power)
    table = _in_order(even, batches, recipe)
    after = quality(table, pairs, anchors, others, rows, teacher)
    seen = draws(recipe.optimisation)
    both = len(translated(pairs, rows))
    return Trained(tokenizer, table, loss, before, after, len(rows), both, len(pairs), seen)


def check_size(pairs: Pairs) -> None:
    """Raises InputError where there are fewer than 20 pairs, or fewer than two different first sides."""
    if len(pairs) < SMALLEST_RUN:
        raise InputError(f"{len(pairs)} pairs are too few to train on; give at least {SMALLEST_RUN}.")
    if len(pairs.anchors) < 2:
        raise InputError("All pairs share one first side; give pairs of more different texts.")


def _lessons(
    pairs: Pairs, recipe: Recipe, workplace: Workplace, threads: int | None, progress: Progress
) -> Callable[[], TeacherVectors | None]:
    """Open the teacher, so that what is wrong with it is told at once; its vectors come when called."""
    wish = recipe.teacher
    if not wish.model:
        return lambda: None
    file = workplace.path(teacher_file(wish, pairs.anchors))
    model = (
        None
        if is_taught(file, pairs.anchors)
        else open_teacher(wish, pairs.anchors, workplace.folder, threads)
    )
    return lambda: teacher_vectors(
        model, pairs.anchors, file, on_rows=lambda done, total: progress("teacher", done, total)
    )


def _vocabulary(
    pairs: Pairs, recipe: Recipe, workplace: Workplace, threads: int, progress: Progress
) -> Tokenizer:
    kept = workplace.path(vocabulary_file(recipe, workplace.pairs))
    if not kept.exists():
        progress("vocabulary", 0, 1)
        tokenizer = train_vocabulary(
            vocabulary_lines(pairs, recipe),
            recipe.vocabulary.size,
            character_coverage=recipe.vocabulary.character_coverage,
            seed=recipe.seed,
            threads=threads,
        )
        with replace_file(kept) as new:
            new.write_text(tokenizer.to_str(), encoding="utf-8")
    progress("vocabulary", 1, 1)
    try:
        return Tokenizer.from_file(str(kept))
    except Exception as error:  # the tokenizers package raises bare Exception
        raise damaged(kept) from error


def vocabulary_file(recipe: Recipe, pairs: str) -> str:
    """The name of the file that holds the vocabulary of these pairs, by their digest, after this recipe."""
    wish = [FORMAT, pairs, recipe.seed, asdict(recipe.vocabulary), recipe.sampling.source_weights]
    return f"{VOCABULARY}{hashlib.sha256(json.dumps(wish, sort_keys=True).encode()).hexdigest()[:16]}.json"


def vocabulary_lines(pairs: Pairs, recipe: Recipe) -> list[str]:
    """The lines that a vocabulary is trained on: other sides by language, and a share of anchors."""
    rng = np.random.default_rng([recipe.seed, LINES])
    settings = recipe.vocabulary
    sampling = Sampling(settings.language_exponent, recipe.sampling.source_weights)
    probability = file_probabilities(pairs, sampling)
    probability *= [settings.language_weights.get(f.language, 1.0) for f in pairs.files]
    if not probability.any():
        raise InputError(
            "Every language of these pairs has weight 0 in the recipe's [vocabulary]; raise one."
        )
    probability /= probability.sum()
    wanted = int(settings.lines * (1 - settings.anchor_share))
    rows = np.unique(draw_rows(pairs, probability, wanted, rng))
    anchor_rows = rng.choice(len(pairs), int(settings.lines * settings.anchor_share))
    lines = [pairs.others[i] for i in rows]
    lines += [pairs.anchors[i] for i in np.unique(pairs.anchor_of[anchor_rows])]
    rng.shuffle(lines)
    return lines


def _tokenise_both(
    pairs: Pairs, tokenizer: Tokenizer, max_tokens: int, progress: Progress
) -> tuple[TokenRows, TokenRows]:
    total = len(pairs.anchors) + len(pairs)
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        progress("tokenising", done, total)

    anchors = tokenise(pairs.anchors, tokenizer, max_tokens=max_tokens, on_rows=count)
    others = tokenise(pairs.others, tokenizer, max_tokens=max_tokens, on_rows=count)
    return anchors, others


def _in_order(table: Vectors, batches: Batches, recipe: Recipe) -> Vectors:
    count = min(ORDERED_BY, len(batches.pairs))
    bags, _ = batches.draw(count, np.random.default_rng([recipe.seed, ORDER]))
    turned_by = recipe.seed if recipe.rows == "int4" else None
    return order_columns(table, bag_vectors(table, bags), recipe.dimension, turned_by)


def write_trained(folder: Path, trained: Trained, recipe: Recipe, card: str) -> None:
    """Write a trained model's folder, its recipe in config.json."""
    write_static_folder(
        folder,
        trained.tokenizer,
        trained.table,
        card=card,
        config={"interlingua_recipe": recipe.as_dict()},
        rows=recipe.rows,
    )
