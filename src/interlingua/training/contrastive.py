"""The symmetric in-batch contrastive loss and its gradient, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

ROWS_AT_ONCE = 512  # so that a block of scores stays in the processor's cache


def false_negatives(anchors: torch.Tensor, positives: torch.Tensor) -> torch.Tensor:
    """Which pairs of a batch share a text on either side, bool (n, n), false on the diagonal.

    Args:
        anchors, positives: a number for each text, the same for the same text, int (n,).
    """
    same = (anchors[:, None] == anchors[None, :]) | (positives[:, None] == positives[None, :])
    same.fill_diagonal_(False)
    return same


def contrastive_gradient(
    anchors: torch.Tensor,
    positives: torch.Tensor,
    same: torch.Tensor,
    *,
    scale: float,
    matmul: torch.dtype,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """InfoNCE in both directions (Radford et al. 2021, CLIP, figure 3) over unit rows.

    With E_ij = exp(scale * (a_i . p_j)), false negatives set to 0, r_i and c_j its row and column sums,
    the loss is -mean(log(E_ii / r_i) + log(E_ii / c_i)) / 2, and its derivative by the score of (i, j)
    is scale / 2 * (E_ij / r_i + E_ij / c_j - 2 [i = j]) / n.

    Args:
        anchors, positives: unit rows, float32 (n, dim); row i of one translates row i of the other.
        same: bool (n, n), true where j must not count as a negative of i, false on the diagonal.
        scale: the inverse temperature.
        matmul: dtype of the three matrix products; sums stay float32.

    Returns:
        The loss, and n times the gradients by `anchors` and `positives`, float32 (n, dim) each.
    """
    import torch

    left, right = anchors.to(matmul), positives.to(matmul)
    count = len(anchors)
    blocks = [slice(i, i + ROWS_AT_ONCE) for i in range(0, count, ROWS_AT_ONCE)]
    weights = torch.empty(count, count, dtype=matmul)
    rows, columns, diagonal = torch.empty(count), torch.zeros(count), torch.empty(count)
    for block in blocks:
        part = (left[block] @ right.T).float().sub_(1).mul_(scale).exp_().masked_fill_(same[block], 0)
        rows[block], diagonal[block] = part.sum(1), part.diagonal(block.start)
        columns += part.sum(0)
        weights[block] = part
    loss = -(diagonal.log() * 2 - rows.log() - columns.log()).mean().item() / 2
    by_anchors, by_positives = torch.empty_like(anchors), torch.zeros_like(positives)
    for block in blocks:
        part = weights[block].float().mul_((1 / rows[block])[:, None] + (1 / columns)[None, :])
        part.diagonal(block.start).sub_(2)
        scores = part.mul_(scale / 2).to(matmul)
        by_anchors[block] = (scores @ right).float()
        by_positives += (scores.T @ left[block]).float()
    return loss, by_anchors, by_positives
