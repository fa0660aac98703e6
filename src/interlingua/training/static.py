"""Training a static model: a table of piece vectors whose sums mean the same in every language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from interlingua.errors import InputError, require
from interlingua.evaluation.retrieval import retrieval_accuracy
from interlingua.training.pairs import Pairs, draw_rows, file_probabilities
from interlingua.training.recipe import Optimisation, Recipe, Sampling
from interlingua.training.tokens import TokenRows, cut_bags, join_bags, tokenise
from interlingua.training.vocabulary import train_vocabulary
from interlingua.vectors import Vectors, unit_rows

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
SMALLEST_RUN = 20


@dataclass(frozen=True)
class Trained:
    """What a training run made.

    Attributes:
        tokenizer: the vocabulary.
        table: float32 (pieces, dim).
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
    *,
    tokenizer: Tokenizer | None = None,
    threads: int | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Trained:
    """Train a static model on pairs with the symmetric in-batch contrastive loss.

    Args:
        pairs: what `read_pairs` gives.
        recipe: every choice; the same recipe, pairs and threads give the same table.
        tokenizer: the vocabulary to use; default: one trained on the pairs.
        threads: CPU threads; default: torch's own choice.
        progress: called with a stage's name, and how much of it is done.

    Raises:
        InputError: fewer than 20 pairs.
        MissingExtra: torch or sentencepiece is not installed.
    """
    torch = require("torch", extra="train")
    if len(pairs) < SMALLEST_RUN:
        raise InputError(f"{len(pairs)} pairs are too few to train on; give at least {SMALLEST_RUN}.")
    if threads is not None:
        torch.set_num_threads(threads)
    rng = np.random.default_rng(recipe.seed)
    if tokenizer is None:
        progress("vocabulary", 0, 1)
        tokenizer = train_vocabulary(
            vocabulary_lines(pairs, recipe, rng),
            recipe.vocabulary.size,
            character_coverage=recipe.vocabulary.character_coverage,
            seed=recipe.seed,
            threads=threads or torch.get_num_threads(),
        )
        progress("vocabulary", 1, 1)
    anchors, others = _tokenise_both(pairs, tokenizer, recipe.max_tokens, progress)
    held_out = _held_out_rows(pairs, recipe, rng)
    torch.manual_seed(recipe.seed)
    settings = recipe.optimisation
    table = torch.randn(tokenizer.get_vocab_size(), recipe.dimension) * settings.initial_deviation
    before = _held_out_accuracy(table.numpy(), pairs, anchors, others, held_out)
    excluded = np.zeros(len(pairs.anchors), bool)
    excluded[pairs.anchor_of[held_out]] = True
    batches = Batches(pairs, anchors, others, file_probabilities(pairs, recipe.sampling), excluded, rng)
    loss = _optimise(table, batches, settings, progress)
    after = _held_out_accuracy(table.numpy(), pairs, anchors, others, held_out)
    return Trained(tokenizer, table.numpy(), loss, before, after, len(held_out), len(pairs), settings.pairs)


def vocabulary_lines(pairs: Pairs, recipe: Recipe, rng: np.random.Generator) -> list[str]:
    """The lines that a vocabulary is trained on: other sides by language, and a share of anchors."""
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


@dataclass(frozen=True)
class Batches:
    """Draws batches of pairs as bags of pieces; pairs of an anchor held out are never drawn."""

    pairs: Pairs
    anchors: TokenRows
    others: TokenRows
    probability: NDArray[np.float64]
    held_out_anchors: NDArray[np.bool_]
    rng: np.random.Generator

    def draw(self, count: int) -> tuple[TokenRows, NDArray[np.int32]]:
        """At most `count` anchors, then their translations; and the number of each anchor."""
        rows = draw_rows(self.pairs, self.probability, count, self.rng)
        rows = rows[~self.held_out_anchors[self.pairs.anchor_of[rows]]]
        anchor = self.pairs.anchor_of[rows]
        bags = join_bags(cut_bags(self.anchors, anchor.astype(np.int64)), cut_bags(self.others, rows))
        return bags, anchor


def _optimise(table: torch.Tensor, batches: Batches, settings: Optimisation, progress: Progress) -> float:
    """Adam on the rows that a batch touches (Kingma & Ba 2015; "lazy": other rows keep their moments)."""
    import torch

    from interlingua.training.contrastive import contrastive_gradient

    matmul = getattr(torch, settings.matmul)
    first, second = torch.zeros_like(table), torch.zeros_like(table)
    steps = max(1, settings.pairs // settings.batch_size)
    losses: list[float] = []
    for step in range(steps):
        bags, anchor_of = batches.draw(settings.batch_size)
        count = len(anchor_of)
        touched, inside = np.unique(bags.ids, return_inverse=True)
        rows = torch.from_numpy(touched.astype(np.int64))
        values = table[rows].requires_grad_(True)
        sums = torch.nn.functional.embedding_bag(
            torch.from_numpy(inside.astype(np.int64)),
            values,
            torch.from_numpy(bags.offsets[:-1]),
            mode="sum",
        )
        unit = torch.nn.functional.normalize(sums, dim=1, eps=1e-6)
        with torch.no_grad():
            anchor = torch.from_numpy(anchor_of)
            same = anchor[:, None] == anchor[None, :]
            same.fill_diagonal_(False)
            loss, *gradient = contrastive_gradient(
                unit[:count], unit[count:], same, scale=settings.scale, matmul=matmul
            )
        unit.backward(torch.cat(gradient))  # type: ignore[no-untyped-call]
        gradient_rows = values.grad
        assert gradient_rows is not None
        with torch.no_grad():
            mean = first[rows].lerp_(gradient_rows, 1 - settings.beta1)
            square = second[rows].mul_(settings.beta2)
            square.addcmul_(gradient_rows, gradient_rows, value=1 - settings.beta2)
            first[rows], second[rows] = mean, square
            rate = settings.learning_rate * min(1, (step + 1) / settings.warmup_steps) * (1 - step / steps)
            table[rows] = values - rate * mean / square.sqrt_().add_(1e-8)
        losses.append(loss)
        progress("training", (step + 1) * settings.batch_size, steps * settings.batch_size)
    return float(np.mean(losses[-100:]))


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


def _held_out_rows(pairs: Pairs, recipe: Recipe, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows kept from training, at most a tenth of all, one an anchor; their anchors are kept out whole."""
    wanted = min(recipe.held_out, len(pairs) // 10)
    probability = file_probabilities(pairs, recipe.sampling)
    rows = draw_rows(pairs, probability, wanted, rng)
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
    from interlingua.encoders.static_folder import write_static_folder

    write_static_folder(
        folder, trained.tokenizer, trained.table, card=card, config={"interlingua_recipe": recipe.as_dict()}
    )
