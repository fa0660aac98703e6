"""The published folder of a Sentence Transformers model, read without torch: its modules, prompts, limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from interlingua.encoders.pooling import ACTIVATIONS, POOLING_MODES, Dense, normalize
from interlingua.errors import ModelError, first_line, require
from interlingua.vectors import Vectors

MODULES = "modules.json"
SENTENCE_TRANSFORMERS = "config_sentence_transformers.json"
# as Sentence Transformers has named its own settings over time
SETTINGS = [
    f"sentence_{kind}_config.json"
    for kind in "bert roberta distilbert camembert albert xlm-roberta xlnet".split()
]
LIMITLESS = 10**9
STATIC = "StaticEmbedding"
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
LEGACY_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True)
class Prompts:
    """What goes before a text: at all times, before questions, before documents."""

    any: str = ""
    query: str = ""
    document: str = ""


@dataclass(frozen=True)
class ModelFolder:
    """A transformer, how its token vectors are pooled, and the layers that follow.

    Attributes:
        path: the folder; `transformer` is the one inside it with the tokenizer and config.json.
        pooling: some of POOLING_MODES.
        include_prompt: whether the tokens of a prompt are pooled too.
        layers: applied to pooled vectors in order.
        prompts: as the folder names them.
        max_tokens: the longest input in tokens, special ones included; None where there is no limit.
        truncate_dim: how many columns the folder says to keep, None for all.
        lower_case: whether texts are lower-cased before the tokenizer.
        config: the transformer's config.json.
    """

    path: Path
    transformer: Path
    pooling: tuple[str, ...]
    include_prompt: bool
    layers: tuple[Callable[[Vectors], Vectors], ...]
    prompts: Prompts
    max_tokens: int | None
    truncate_dim: int | None
    lower_case: bool
    config: dict[str, Any]


def read_modules(folder: Path) -> list[tuple[str, Path]]:
    """(kind, folder) of each module in order; a kind is the last part of its class's name.

    Raises:
        ModelError: no folder, no modules.json, or one that cannot be read.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder; give the folder of a Sentence Transformers model.")
    if not (folder / MODULES).is_file():
        found = ", ".join(sorted(p.name for p in folder.iterdir())[:5]) or "nothing"
        raise ModelError(
            f"{folder} has no {MODULES}, only {found}; it says how tokens become one vector. "
            "Save the model with Sentence Transformers (`SentenceTransformer(...).save(FOLDER)`)."
        )
    modules = read_json(folder / MODULES)
    try:
        return [(module["type"].rpartition(".")[2], folder / module["path"]) for module in modules]
    except (TypeError, KeyError) as error:
        raise ModelError(f"{folder / MODULES} is no list of modules with a type and a path.") from error


def read_model_folder(folder: Path) -> ModelFolder:
    """Read what stands around the transformer itself.

    Raises:
        ModelError: a file is missing or broken, or a module or pooling mode is unknown.
        MissingExtra: a Dense layer has torch weights only, and torch is not installed.
    """
    modules = read_modules(folder)
    if not modules or modules[0][0] != "Transformer":
        kinds = ", ".join(kind for kind, _ in modules) or "none"
        raise ModelError(
            f"{folder} has the modules {kinds}; this engine needs a Transformer first; try 'torch'."
        )
    transformer = modules[0][1]
    pooling: tuple[str, ...] = ()
    include_prompt = True
    layers: list[Callable[[Vectors], Vectors]] = []
    for kind, path in modules[1:]:
        if kind == "Pooling":
            pooling, include_prompt = _read_pooling(path / "config.json")
        elif kind == "Dense":
            layers.append(_read_dense(path))
        elif kind == "Normalize":
            layers.append(normalize)
        elif kind != "Dropout":
            raise ModelError(
                f"{folder} has a module {kind!r}; this engine knows Pooling, Dense, Normalize and Dropout. "
                "Try the engine 'torch'."
            )
    if not pooling:
        raise ModelError(f"{folder / MODULES} names no Pooling module; nothing says how tokens become one.")
    settings = next((found for name in SETTINGS if (found := _optional_json(transformer / name))), {})
    config = _object(transformer / "config.json")
    return ModelFolder(
        path=folder,
        transformer=transformer,
        pooling=pooling,
        include_prompt=include_prompt,
        layers=tuple(layers),
        prompts=read_prompts(folder),
        max_tokens=_max_tokens(transformer, settings, config),
        truncate_dim=_optional_json(folder / SENTENCE_TRANSFORMERS).get("truncate_dim"),
        lower_case=bool(settings.get("do_lower_case", False)),
        config=config,
    )


def read_prompts(folder: Path) -> Prompts:
    """The prompts that config_sentence_transformers.json names; "document" may be "passage" or "corpus".

    Sentence Transformers writes an empty "document" beside a "passage"; then the passage's counts.
    """
    config = _optional_json(folder / SENTENCE_TRANSFORMERS)
    prompts = config.get("prompts") or {}
    usual = prompts.get(config.get("default_prompt_name") or "", "")
    named = [prompts[name] for name in DOCUMENT_PROMPTS if name in prompts]
    document = next((prompt for prompt in named if prompt), "" if named else usual)
    return Prompts(usual, prompts.get("query", usual), document)


def read_json(path: Path) -> Any:
    """What a JSON file of a model holds.

    Raises:
        ModelError: it is missing, or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"{path} is missing; the model folder is incomplete, copy it again.") from error
    except ValueError as error:
        raise ModelError(f"{path} is no JSON ({error}); copy the model again.") from error


def _object(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds no JSON object; copy the model again.")
    return value


def _optional_json(path: Path) -> dict[str, Any]:
    return _object(path) if path.is_file() else {}


def _read_pooling(path: Path) -> tuple[tuple[str, ...], bool]:
    config = _object(path)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in LEGACY_POOLING.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    unknown = [str(mode) for mode in modes if mode not in POOLING_MODES]
    odd = [key for key in config if key.startswith("pooling_mode_") and key not in LEGACY_POOLING]
    if unknown or any(config[key] is True for key in odd):
        raise ModelError(
            f"{path}: unknown pooling mode {', '.join(unknown or odd)}; known are {', '.join(POOLING_MODES)}."
        )
    return tuple(modes), bool(config.get("include_prompt", True))


def _read_dense(folder: Path) -> Dense:
    config = _object(folder / "config.json")
    activation = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    kind = activation.rpartition(".")[2]
    if kind not in ACTIVATIONS:
        raise ModelError(
            f"{folder}: activation {activation!r} is unknown; known are {', '.join(ACTIVATIONS)}."
        )
    tensors = _read_tensors(folder)
    weight = tensors.get("linear.weight")
    if weight is None:
        raise ModelError(f"{folder} holds no linear.weight; the Dense layer is incomplete, copy it again.")
    bias = tensors.get("linear.bias", np.zeros(len(weight), np.float32))
    residual = None
    if config.get("use_residual"):
        residual = tensors.get("residual.weight", np.eye(len(weight), dtype=np.float32))
    return Dense(weight, bias, kind, residual)


def _read_tensors(folder: Path) -> dict[str, Any]:
    safe, pickled = folder / "model.safetensors", folder / "pytorch_model.bin"
    if safe.is_file():
        try:
            tensors = load_file(safe)
        except TypeError as error:
            raise ModelError(
                f"{safe} holds numbers that NumPy lacks ({error}); use the engine 'torch'."
            ) from error
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"{safe} cannot be read ({error}); copy the model again.") from error
    elif pickled.is_file():
        torch = require("torch", extra="torch")
        try:
            loaded = torch.load(pickled, map_location="cpu", weights_only=True)
        except Exception as error:  # pickle may raise anything
            raise ModelError(
                f"{pickled} cannot be read ({first_line(error)}); copy the model again."
            ) from error
        tensors = {name: value.float().numpy() for name, value in loaded.items()}
    else:
        raise ModelError(f"{folder} has neither {safe.name} nor {pickled.name}; copy the model again.")
    return {name: np.asarray(value, np.float32) for name, value in tensors.items()}


def _max_tokens(transformer: Path, settings: dict[str, Any], config: dict[str, Any]) -> int | None:
    """As Sentence Transformers has it: its own setting first, else the tokenizer's, within the positions."""
    tokenizer = _optional_json(transformer / "tokenizer_config.json")
    own = settings.get("max_seq_length")
    limits = [own] if own else [tokenizer.get("model_max_length"), config.get("max_position_embeddings")]
    if any(not isinstance(limit, (int, float, type(None))) for limit in limits):
        raise ModelError(f"{transformer} names {limits} as its longest input; it must be a number.")
    return min((int(limit) for limit in limits if limit and 0 < limit < LIMITLESS), default=None)
