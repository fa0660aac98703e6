"""Training a static model: a table of piece vectors whose sums mean the same in every language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from interlingua.encoders.static_folder import write_static_folder
from interlingua.errors import InputError, require
from interlingua.evaluation.retrieval import retrieval_accuracy
from interlingua.training.batches import Batches, held_out_anchors
from interlingua.training.checkpoint import Workplace
from interlingua.training.optimise import Progress, draws, optimise, start_state
from interlingua.training.order import order_columns
from interlingua.training.pairs import Pairs, draw_rows, file_probabilities
from interlingua.training.recipe import Recipe, Sampling
from interlingua.training.teacher import TeacherVectors, teacher_vectors
from interlingua.training.tokens import TokenRows, cut_bags, tokenise
from interlingua.training.vocabulary import train_vocabulary
from interlingua.vectors import Vectors, unit_rows
from interlingua.writing import replace_file

VOCABULARY, HELD_OUT, ORDER = 1, 2, 5
SMALLEST_RUN = 20
ORDERED_BY = 65_536


@dataclass(frozen=True)
class Trained:
    """What a training run made.

    Attributes:
        tokenizer: the vocabulary.
        table: float32 (pieces, dim), its columns in order: the first ones serve alone.
        loss: the mean loss of the last hundred steps.
        held_out_before, held_out_after: share of held-out pairs whose translation is the nearest
            among all held-out translations, for the table at random and as trained, in [0, 1].
        held_out: how many pairs that was measured on.
        pairs: pairs read; `seen` counts the pairs drawn in training, repeats included.
    """

    tokenizer: Tokenizer
    table: Vectors
    loss: float
    held_out_before: float
    held_out_after: float
    held_out: int
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
    teacher = _teacher(pairs, recipe, workplace, progress)
    tokenizer = _vocabulary(pairs, recipe, workplace, threads or torch.get_num_threads(), progress)
    anchors, others = _tokenise_both(pairs, tokenizer, recipe.max_tokens, progress)
    held_out = _held_out_rows(pairs, recipe)
    batches = Batches(
        pairs, anchors, others, file_probabilities(pairs, recipe.sampling), held_out_anchors(pairs, held_out)
    )
    if batches.held_out[pairs.anchor_of].all():
        raise InputError(
            "All pairs share a first side with those held out; give pairs of more different texts."
        )
    state = start_state(tokenizer.get_vocab_size(), recipe, 0 if teacher is None else teacher.shape[1])
    before = _held_out_accuracy(state.table.numpy(), pairs, anchors, others, held_out)
    loss = optimise(state, batches, recipe, teacher, workplace, progress)
    bags, _ = batches.draw(ORDERED_BY, np.random.default_rng([recipe.seed, ORDER]))
    table = state.table.numpy()
    table = order_columns(table, _bag_vectors(table, bags), recipe.seed)
    after = _held_out_accuracy(table, pairs, anchors, others, held_out)
    return Trained(
        tokenizer, table, loss, before, after, len(held_out), len(pairs), draws(recipe.optimisation)
    )


def check_size(pairs: Pairs) -> None:
    """Raises InputError where there are fewer than 20 pairs."""
    if len(pairs) < SMALLEST_RUN:
        raise InputError(f"{len(pairs)} pairs are too few to train on; give at least {SMALLEST_RUN}.")


def _teacher(pairs: Pairs, recipe: Recipe, workplace: Workplace, progress: Progress) -> TeacherVectors | None:
    if not recipe.teacher.model:
        return None
    return teacher_vectors(
        recipe.teacher.model,
        pairs.anchors,
        workplace.path("teacher.npy"),
        dtype=recipe.teacher.dtype,
        on_rows=lambda done, total: progress("teacher", done, total),
    )


def _vocabulary(
    pairs: Pairs, recipe: Recipe, workplace: Workplace, threads: int, progress: Progress
) -> Tokenizer:
    kept = workplace.path("tokenizer.json")
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
            tokenizer.save(str(new))
    progress("vocabulary", 1, 1)
    return Tokenizer.from_file(str(kept))


def vocabulary_lines(pairs: Pairs, recipe: Recipe) -> list[str]:
    """The lines that a vocabulary is trained on: other sides by language, and a share of anchors."""
    rng = np.random.default_rng([recipe.seed, VOCABULARY])
    settings = recipe.vocabulary
    sampling = Sampling(settings.language_exponent, recipe.sampling.source_weights)
    probability = file_probabilities(pairs, sampling)
    probability *= [settings.language_weights.get(f.language, 1.0) for f in pairs.files]
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


def _held_out_rows(pairs: Pairs, recipe: Recipe) -> NDArray[np.int64]:
    """Rows kept from training, at most a tenth of all, one an anchor; their anchors are kept out whole."""
    rng = np.random.default_rng([recipe.seed, HELD_OUT])
    wanted = min(recipe.held_out, len(pairs) // 10)
    rows = draw_rows(pairs, file_probabilities(pairs, recipe.sampling), wanted, rng)
    _, first = np.unique(pairs.anchor_of[rows], return_index=True)
    return rows[first]


def _held_out_accuracy(
    table: Vectors,
    pairs: Pairs,
    anchors: TokenRows,
    others: TokenRows,
    held_out: NDArray[np.int64],
) -> float:
    if not len(held_out):
        return 0.0
    sources = _bag_vectors(table, cut_bags(others, held_out))
    targets = _bag_vectors(table, cut_bags(anchors, pairs.anchor_of[held_out].astype(np.int64)))
    return retrieval_accuracy(sources, targets)


def _bag_vectors(table: Vectors, bags: TokenRows) -> Vectors:
    sums = np.zeros((len(bags), table.shape[1]), np.float32)
    np.add.at(sums, np.repeat(np.arange(len(bags)), np.diff(bags.offsets)), table[bags.ids])
    return unit_rows(sums)


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
