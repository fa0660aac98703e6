"""The training loop: which rows a batch moves, and how far."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from interlingua.training.batches import Batches
from interlingua.training.checkpoint import Workplace
from interlingua.training.recipe import Optimisation, Recipe
from interlingua.training.teacher import TeacherVectors

if TYPE_CHECKING:
    import torch

Progress = Callable[[str, int, int], None]
TABLE, BATCHES = 3, 4
SAVE_SECONDS = 240.0


@dataclass(frozen=True)
class State:
    """The tensors that training moves in place: a table and a projection, each with Adam's two moments."""

    table: torch.Tensor
    table_mean: torch.Tensor
    table_square: torch.Tensor
    projection: torch.Tensor
    projection_mean: torch.Tensor
    projection_square: torch.Tensor


def start_state(pieces: int, recipe: Recipe, teacher_dim: int) -> State:
    """A random table, and a random projection onto the teacher's columns, by the recipe's seed."""
    import torch

    generator = torch.Generator().manual_seed(recipe.seed + TABLE)
    width = recipe.training_dimension or recipe.dimension
    table = torch.randn(pieces, width, generator=generator) * recipe.optimisation.initial_deviation
    projection = torch.randn(width, teacher_dim, generator=generator) / width**0.5
    zeros = torch.zeros_like
    return State(table, zeros(table), zeros(table), projection, zeros(projection), zeros(projection))


def optimise(
    state: State,
    batches: Batches,
    recipe: Recipe,
    teacher: TeacherVectors | None,
    workplace: Workplace,
    progress: Progress,
) -> float:
    """Move `state` over all steps, from the last one kept; the mean loss of the last hundred."""
    settings = recipe.optimisation
    steps = draws(settings) // settings.batch_size
    begin, losses = _restore(state, workplace)
    saved = time.monotonic()
    with whole_steps() as stop_wished:
        for step in range(begin, steps):
            rng = np.random.default_rng([recipe.seed, BATCHES, step])
            weights = _weights(recipe, step, steps)
            losses = [*losses[-99:], _step(state, batches, recipe, teacher, weights, rng)]
            if time.monotonic() - saved > SAVE_SECONDS or stop_wished() or step + 1 == steps:
                _keep(state, workplace, step + 1, losses)
                saved = time.monotonic()
            if stop_wished():
                raise KeyboardInterrupt
            progress("training", (step + 1) * settings.batch_size, steps * settings.batch_size)
    return float(np.mean(losses))


@dataclass(frozen=True)
class Weights:
    """What a step's place in the run decides: the shares of the learning rate and the teacher's weights."""

    rate: float
    teacher: float


def _weights(recipe: Recipe, step: int, steps: int) -> Weights:
    done = step / steps
    warm = min(1, (step + 1) / max(1, recipe.optimisation.warmup_steps))
    return Weights(warm * (1 - done), 1 - (1 - recipe.teacher.final_share) * done)


def draws(settings: Optimisation) -> int:
    """How many pairs a run draws: whole batches, at least one."""
    return max(1, settings.pairs // settings.batch_size) * settings.batch_size


@contextmanager
def whole_steps() -> Iterator[Callable[[], bool]]:
    """Ctrl-C waits for the end of a step, so that what is kept is whole: yields "is a stop wished?"."""
    wished: list[int] = []
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as a shell's background job does
    if ignored or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: wished.append(number))
    try:
        yield lambda: bool(wished)
    finally:
        signal.signal(signal.SIGINT, before)


def _step(
    state: State,
    batches: Batches,
    recipe: Recipe,
    teacher: TeacherVectors | None,
    weights: Weights,
    rng: np.random.Generator,
) -> float:
    """One batch: bags, unit rows, the gradients of the losses, and Adam on the rows the batch touched."""
    import torch

    from interlingua.training.contrastive import contrastive_gradient, false_negatives

    settings = recipe.optimisation
    matmul = getattr(torch, settings.matmul)
    bags, drawn = batches.draw(settings.batch_size, rng)
    pairs = batches.pairs
    anchor_of, other_of = pairs.anchor_of[drawn], pairs.other_of[drawn].astype(np.int64)
    touched, inside = np.unique(bags.ids, return_inverse=True)
    rows = torch.from_numpy(touched.astype(np.int64))
    values = state.table[rows].requires_grad_(True)
    kept = torch.from_numpy((rng.random(len(inside), np.float32) >= settings.dropout).astype(np.float32))
    sums = torch.nn.functional.embedding_bag(
        torch.from_numpy(inside.astype(np.int64)),
        values,
        torch.from_numpy(bags.offsets[:-1]),
        mode="sum",
        per_sample_weights=kept if settings.dropout else None,
    )
    unit = torch.nn.functional.normalize(sums, dim=1, eps=1e-6)
    with torch.no_grad():
        count = len(anchor_of)
        same = false_negatives(torch.from_numpy(anchor_of), torch.from_numpy(other_of))
        loss, *by_side = contrastive_gradient(
            unit[:count], unit[count:], same, scale=settings.scale, matmul=matmul
        )
        gradient = torch.cat(by_side)
        if teacher is not None:
            target = torch.from_numpy(teacher[anchor_of].astype(np.float32))
            gradient += _teacher_pull(state, unit, target, recipe, weights)
    unit.backward(gradient)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert values.grad is not None
        mean, square = state.table_mean[rows], state.table_square[rows]
        step = _adam(values.grad, mean, square, settings)
        state.table_mean[rows], state.table_square[rows] = mean, square
        state.table[rows] = values - settings.learning_rate * weights.rate * step
    return loss


def _teacher_pull(
    state: State, unit: torch.Tensor, target: torch.Tensor, recipe: Recipe, weights: Weights
) -> torch.Tensor:
    """The gradient of both distances from the teacher by `unit`; the projection is moved along."""
    import torch

    from interlingua.training.distillation import (
        distillation_gradient,
        neighbour_gradient,
        teacher_neighbours,
    )

    settings, wish = recipe.optimisation, recipe.teacher
    matmul = getattr(torch, settings.matmul)
    _, gradient, by_projection = distillation_gradient(
        unit, torch.cat([target, target]), state.projection, matmul=matmul
    )
    gradient *= wish.weight * weights.teacher
    step = _adam(by_projection, state.projection_mean, state.projection_square, settings)
    state.projection.sub_(settings.projection_rate * weights.rate * step)
    if wish.neighbour_weight:
        anchors, others = (part[: wish.neighbour_rows] for part in unit.chunk(2))
        by_anchors, by_others = (part[: wish.neighbour_rows] for part in gradient.chunk(2))
        scale = wish.neighbour_scale
        near = teacher_neighbours(target[: wish.neighbour_rows], scale=scale, matmul=matmul)
        across, to_others = neighbour_gradient(anchors, others, near, scale=scale, matmul=matmul)
        within, to_anchors = neighbour_gradient(anchors, anchors, near, scale=scale, matmul=matmul)
        by_anchors += wish.neighbour_weight * weights.teacher * (across + within + to_anchors)
        by_others += wish.neighbour_weight * weights.teacher * to_others
    return gradient


def _adam(
    gradient: torch.Tensor, mean: torch.Tensor, square: torch.Tensor, settings: Optimisation
) -> torch.Tensor:
    """Adam's direction (Kingma & Ba 2015, algorithm 1, without the correction of the first steps).

    Moves the moments in place. Of the table only the rows that a batch touches come here ("lazy Adam").
    """
    mean.lerp_(gradient, 1 - settings.beta1)
    square.mul_(settings.beta2).addcmul_(gradient, gradient, value=1 - settings.beta2)
    return mean / square.sqrt().add_(1e-8)


def _keep(state: State, workplace: Workplace, step: int, losses: list[float]) -> None:
    tensors = {f.name: getattr(state, f.name).numpy() for f in fields(state)}
    workplace.save_state(tensors, {"step": step, "losses": losses})


def _restore(state: State, workplace: Workplace) -> tuple[int, list[float]]:
    """Take up what was kept; the step to go on with, and the last losses."""
    import torch

    kept = workplace.load_state()
    if kept is None:
        return 0, []
    tensors, position = kept
    for name, value in tensors.items():
        getattr(state, name).copy_(torch.from_numpy(value))
    return int(position["step"]), list(position["losses"])
