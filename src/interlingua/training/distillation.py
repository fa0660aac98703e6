"""Drawing a student into a teacher's space: the gradient of the distance, in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def distillation_gradient(
    students: torch.Tensor,
    teachers: torch.Tensor,
    projection: torch.Tensor,
    *,
    matmul: torch.dtype,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """The cosine distance of projected students from their teachers.

    With y_i = s_i P and c_i = (y_i . t_i) / |y_i|, the loss is the sum of 1 - c_i, and its derivative
    by y_i is -(t_i - c_i y_i / |y_i|) / |y_i|. The linear map P lets a student have fewer columns
    than its teacher; it is trained along and thrown away.

    Args:
        students: unit rows, float32 (n, dim).
        teachers: unit rows, float32 (n, teacher dim).
        projection: float32 (dim, teacher dim).
        matmul: dtype of the matrix products.

    Returns:
        The mean cosine, the gradient by `students`, and the gradient by `projection`, both float32.
    """
    left, right = students.to(matmul), projection.to(matmul)
    projected = (left @ right).float()
    lengths = projected.norm(dim=1, keepdim=True).clamp_min(1e-6)
    projected /= lengths
    cosines = (projected * teachers).sum(1, keepdim=True)
    by_projected = ((projected * cosines - teachers) / lengths).to(matmul)
    return cosines.mean().item(), (by_projected @ right.T).float(), (left.T @ by_projected).float()


def neighbour_gradient(
    queries: torch.Tensor,
    students: torch.Tensor,
    neighbours: torch.Tensor,
    *,
    scale: float,
    matmul: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the student's neighbours in a batch are from the teacher's, by rank and by degree.

    With p_i = softmax over j != i of scale * (teacher_i . teacher_j) and q_i the same of
    scale * (a_i . b_j), the loss is the sum of KL(p_i || q_i) (Fang et al. 2021, SEED, equation 3), and
    its derivative by the score of (i, j) is scale * (q_ij - p_ij).

    Args:
        queries: the rows a, unit, float32 (n, dim).
        students: the rows b, unit, float32 (n, dim).
        neighbours: p, float32 (n, n), from `teacher_neighbours`.
        scale: the inverse temperature that p was made with.
        matmul: dtype of the matrix products.

    Returns:
        The gradients by `queries` and by `students`, float32 (n, dim) each.
    """
    left, right = queries.to(matmul), students.to(matmul)
    apart = _neighbours(left @ right.T, scale).sub_(neighbours).mul_(scale).to(matmul)
    return (apart @ right).float(), (apart.T @ left).float()


def teacher_neighbours(teachers: torch.Tensor, *, scale: float, matmul: torch.dtype) -> torch.Tensor:
    """How near each teacher row is to each other one, as a distribution a row, float32 (n, n)."""
    rows = teachers.to(matmul)
    return _neighbours(rows @ rows.T, scale)


def _neighbours(scores: torch.Tensor, scale: float) -> torch.Tensor:
    scaled = scores.float().mul_(scale)
    scaled.fill_diagonal_(float("-inf"))
    return scaled.softmax(1)
