"""A recipe: everything that decides what a training run makes, as data in a TOML file."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from interlingua.encoders.int4 import GROUP
from interlingua.encoders.static_folder import ROWS
from interlingua.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


DTYPES = ("float32", "bfloat16")
LARGEST_SCALE = 80.0  # exp(-scale) must not vanish in float32
KINDS = {int: "a whole number", float: "a number", str: "a text in quotes", dict: "a table"}
LARGEST_SEED = 2**32 - 1


def _check_weights(name: str, weights: dict[str, float]) -> None:
    for key, weight in weights.items():
        if not isinstance(weight, (int, float)) or isinstance(weight, bool) or not 0 <= weight < math.inf:
            raise InputError(f"{name} has {key} = {weight!r}; a weight is a number from 0.")


@dataclass(frozen=True)
class Vocabulary:
    """The subword vocabulary: `size` pieces, trained on `lines` sampled lines."""

    size: int = 32_000
    lines: int = 1_000_000
    anchor_share: float = 0.12
    character_coverage: float = 0.9997
    language_exponent: float = 0.4
    language_weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.anchor_share < 1:
            raise InputError(f"anchor_share is {self.anchor_share}; it must be at least 0 and below 1.")
        if not 0.9 <= self.character_coverage <= 1:
            raise InputError(
                f"character_coverage is {self.character_coverage}; it must be between 0.9 and 1."
            )
        _check_weights("language_weights", self.language_weights)


@dataclass(frozen=True)
class Sampling:
    """How pairs are drawn: languages by size ** `language_exponent`, sources by weight."""

    language_exponent: float = 0.5
    source_weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_weights("source_weights", self.source_weights)


@dataclass(frozen=True)
class Optimisation:
    """The training loop. `pairs` is how many pairs are seen in all, repeats included.

    `dropout` is the share of pieces left out of each sum, so that no piece is relied on alone (Srivastava
    et al. 2014). `initial_deviation` is small: a piece that is rarely met must not add noise to a sum.

    0 pairs or a batch size of 0 stand for what suits the data: see `suited`.
    """

    pairs: int = 0
    batch_size: int = 0
    learning_rate: float = 0.02
    warmup_steps: int = 100
    scale: float = 25.0
    initial_deviation: float = 0.02
    dropout: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.99
    projection_rate: float = 0.003
    matmul: str = "float32"

    def __post_init__(self) -> None:
        if self.dropout >= 1:
            raise InputError(f"dropout is {self.dropout}; it must be below 1.")
        if not 0 < self.scale <= LARGEST_SCALE:
            raise InputError(f"scale is {self.scale}; it must be above 0 and at most {LARGEST_SCALE}.")
        if self.matmul not in DTYPES:
            raise InputError(f"matmul is {self.matmul!r}; it is one of {', '.join(DTYPES)}.")


@dataclass(frozen=True)
class Teacher:
    """The model whose space the student is drawn into: a folder or hub name, "" for none.

    `engine`, `device` and `dtype` are how it runs, as `load_encoder` takes them; "" for what suits the model.

    `weight` is that of the cosine distance beside the contrastive loss, `neighbour_weight` that of the
    neighbours' divergence, taken over the first `neighbour_rows` pairs of a batch at the inverse
    temperature `neighbour_scale`. Both weights fall in a straight line to `final_share` of what they began
    with: topics are learnt early, retrieval until the end.
    """

    model: str = ""
    engine: str = ""
    device: str = ""
    weight: float = 15.0
    neighbour_weight: float = 2.0
    neighbour_rows: int = 1024
    neighbour_scale: float = 20.0
    final_share: float = 1.0
    dtype: str = ""

    def __post_init__(self) -> None:
        if self.neighbour_rows < 2:
            raise InputError(f"neighbour_rows is {self.neighbour_rows}; it must be at least 2.")
        if not 0 < self.neighbour_scale <= LARGEST_SCALE:
            raise InputError(
                f"neighbour_scale is {self.neighbour_scale}; it must be above 0 and at most {LARGEST_SCALE}."
            )


@dataclass(frozen=True)
class Recipe:
    """One training run of a static model; `rows` is how `write_static_folder` stores its table.

    A table may be trained with more columns than it keeps: `training_dimension`, 0 for as many. The least of
    them are dropped, which costs less than training without them. Each trained row's length is raised to
    `length_power`: in a long run the rows of frequent pieces grow.
    """

    name: str = "static"
    dimension: int = 256
    training_dimension: int = 0
    rows: str = "int8"
    length_power: float = 1.0
    seed: int = 0
    held_out: int = 1000
    max_tokens: int = 128
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    sampling: Sampling = field(default_factory=Sampling)
    optimisation: Optimisation = field(default_factory=Optimisation)
    teacher: Teacher = field(default_factory=Teacher)

    def __post_init__(self) -> None:
        if self.rows not in ROWS:
            raise InputError(f"rows is {self.rows!r}; it is one of {', '.join(ROWS)}.")
        if self.seed > LARGEST_SEED:
            raise InputError(f"seed is {self.seed}; it must be at most {LARGEST_SEED}.")
        if self.dimension < 2:
            raise InputError(f"dimension is {self.dimension}; it must be at least 2.")
        if 0 < self.training_dimension < self.dimension:
            raise InputError(
                f"training_dimension is {self.training_dimension}; it must be 0 or at least {self.dimension}."
            )
        if self.rows == "int4" and self.dimension % GROUP:
            raise InputError(f"dimension is {self.dimension}; int4 rows take a multiple of {GROUP}.")

    def as_dict(self) -> dict[str, Any]:
        """The recipe as plain data, for a model's folder and card."""
        return asdict(self)


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; what it leaves out keeps its default.

    Raises:
        InputError: the file is missing, is no TOML, or has a setting that does not exist.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML file: {error}.") from error
    sections = {
        "vocabulary": Vocabulary,
        "sampling": Sampling,
        "optimisation": Optimisation,
        "teacher": Teacher,
    }
    settings = {
        key: _section(sections[key], value, f"{path}, [{key}]") if key in sections else value
        for key, value in data.items()
    }
    recipe: Recipe = _section(Recipe, settings, str(path))
    return recipe


def suited(recipe: Recipe, count: int) -> Recipe:
    """The recipe with its zeros filled in for `count` pairs.

    A batch is an eighth of the data, from 64 to 4,096 pairs; a run sees each pair ten times, and takes
    at least 1,000 steps.
    """
    settings = recipe.optimisation
    batch_size = settings.batch_size or min(4096, max(64, count // 8))
    pairs = settings.pairs or max(1000 * batch_size, 10 * count)
    return replace(recipe, optimisation=replace(settings, pairs=pairs, batch_size=batch_size))


def _section(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    known = {f.name for f in fields(kind)}
    if not isinstance(values, dict) or (unknown := sorted(set(values) - known)):
        given = ", ".join(unknown) if isinstance(values, dict) else repr(values)
        raise InputError(f"{where}: unknown setting {given}; it takes {', '.join(sorted(known))}.")
    standard = kind()
    for name, value in values.items():
        usual = getattr(standard, name)
        wanted = (int, float) if isinstance(usual, float) else type(usual)
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise InputError(
                f"{where}: {name} is {value!r}; it must be {KINDS[type(usual)]}, like its default, {usual!r}."
            )
        if isinstance(value, (int, float)) and not 0 <= value < math.inf:
            raise InputError(f"{where}: {name} is {value}; it must be a finite number, not below 0.")
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
