"""From a name to an encoder: which engine runs it, and what that engine needs fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from interlingua.encoders.base import TextEncoder, truncated_dim
from interlingua.encoders.catalog import CatalogEntry, find_in_catalog, hub_name
from interlingua.encoders.hub import CODE_FILES, model_folder
from interlingua.encoders.model_folder import (
    MODULES,
    STATIC,
    Prompts,
    read_json,
    read_model_folder,
    read_modules,
)
from interlingua.encoders.onnx_files import find_onnx, onnx_files
from interlingua.encoders.static import StaticEncoder
from interlingua.encoders.static_folder import CONFIG, STATIC_ARCHITECTURE, TOKENIZER, WEIGHTS
from interlingua.encoders.transformer import Graph, TransformerEncoder
from interlingua.errors import InputError, ModelError, require

ENGINES = ("static", "onnx", "openvino", "torch", "endpoint")
LAYER_FILES = (("*_Dense/model.safetensors",), ("*_Dense/pytorch_model.bin",))
STATIC_FILES = (("model.safetensors",), ("0_StaticEmbedding/*",))
WEIGHT_FILES = ("model*.safetensors", "pytorch_model*.bin")
TORCH_FILES = (*((name,) for name in WEIGHT_FILES), ("0_Transformer/*",))


@dataclass(frozen=True)
class Options:
    """What may be said beside a model's name; None leaves the engine's own default."""

    revision: str | None = None
    dtype: str | None = None
    truncate_dim: int | None = None
    threads: int | None = None
    batch_tokens: int | None = None
    device: str | None = None
    trust_remote_code: bool | None = None


TAKES = {
    "static": {"revision", "truncate_dim"},
    "onnx": {"revision", "dtype", "truncate_dim", "threads", "batch_tokens"},
    "openvino": {"revision", "dtype", "truncate_dim", "threads", "batch_tokens"},
    "torch": set(Options.__dataclass_fields__),
    "endpoint": {"truncate_dim"},
}


def open_encoder(name_or_path: str | Path, engine: str | None, options: Options) -> TextEncoder:
    """Open a model with an engine; without one, the model itself says which.

    An address (http://...) is an endpoint, a static model is static, anything else runs as ONNX.

    Raises:
        InputError: an unknown engine, or an option that it does not take.
        ModelError: no such model, or nothing in it that the engine runs.
        MissingExtra: the engine is not installed.
    """
    if engine is not None and engine not in ENGINES:
        raise InputError(f"engine is {engine!r}; it is one of {', '.join(ENGINES)}.")
    name = str(name_or_path)
    if engine == "endpoint" or (engine is None and name.startswith(("http://", "https://"))):
        _check_options("endpoint", options)
        return _open_endpoint(name, options)
    entry, source = _resolve(name_or_path)
    engine = engine or _engine_of(source, entry, options)
    _check_options(engine, options)
    if isinstance(source, Path) and engine != "static" and _engine_of(source, entry, options) == "static":
        raise InputError(f"{name} is a static model, which the engine 'static' runs; leave the engine out.")
    return OPENERS[engine](source, entry, options)


def is_static(name_or_path: str | Path, revision: str | None = None) -> bool:
    """Whether a model is a static one; the hub may have to be asked.

    Raises:
        ModelError: no such model.
    """
    entry, source = _resolve(name_or_path)
    return _engine_of(source, entry, Options(revision=revision)) == "static"


def _check_options(engine: str, options: Options) -> None:
    given = {name for name in options.__dataclass_fields__ if getattr(options, name) is not None}
    if extra := sorted(given - TAKES[engine]):
        raise InputError(
            f"The engine {engine!r} does not take {', '.join(extra)}; "
            f"it takes {', '.join(sorted(TAKES[engine]))}."
        )


def _resolve(name_or_path: str | Path) -> tuple[CatalogEntry | None, str | Path]:
    """The model's catalogue entry, if it has one, and the folder or full hub name to look for."""
    name = str(name_or_path)
    if not name.strip():
        raise InputError("The model's name is empty; give a folder or a name, or leave it out.")
    try:
        path = Path(name_or_path).expanduser()
        if path.is_dir():
            return None, path
    except (RuntimeError, OSError) as error:  # no such user's home, or a name too long
        raise ModelError(f"{name[:80]!r} is no model folder ({error}); give a folder, or a name.") from error
    if isinstance(name_or_path, Path) or path.exists() or name.startswith((".", "/", "~")):
        raise ModelError(f"{name!r} is no model folder; give a folder, or a model's name.")
    return find_in_catalog(name), hub_name(name)


def _engine_of(source: str | Path, entry: CatalogEntry | None, options: Options) -> str:
    if entry is not None:
        return "static" if entry.kind == "static" else "onnx"
    if isinstance(source, Path) and not (source / MODULES).is_file():
        return "onnx" if _is_plain_transformer(source) else "static"
    folder, _ = _folder(source, entry, options, (), lambda inside: (inside / MODULES).is_file())
    kinds = [kind for kind, _ in read_modules(folder)]
    return "static" if kinds and kinds[0] == STATIC else "onnx"


def _is_plain_transformer(folder: Path) -> bool:
    """Whether a folder without modules.json is what transformers saves, not what model2vec does."""
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    architectures = config.get("architectures") if isinstance(config, dict) else None
    return bool(architectures) and architectures != STATIC_ARCHITECTURE


def _folder(
    source: str | Path,
    entry: CatalogEntry | None,
    options: Options,
    files: tuple[tuple[tuple[str, ...], ...], ...],
    complete: Callable[[Path], bool],
) -> tuple[Path, str]:
    return model_folder(
        source,
        revision=options.revision,
        known_revision=entry.revision if entry else None,
        files=files,
        complete=complete,
    )


def _name(source: str | Path) -> str:
    return source.resolve().name if isinstance(source, Path) else source


def _open_static(source: str | Path, entry: CatalogEntry | None, options: Options) -> TextEncoder:
    folder, revision = _folder(
        source,
        entry,
        options,
        (STATIC_FILES,),
        lambda inside: all(any(inside.glob(f"**/{name}")) for name in (WEIGHTS, TOKENIZER)),
    )
    encoder = StaticEncoder.from_folder(folder, name=_name(source), revision=revision)
    encoder.dim = truncated_dim(encoder.native_dim, options.truncate_dim)
    return encoder


def _open_onnx(source: str | Path, entry: CatalogEntry | None, options: Options) -> TextEncoder:
    from interlingua.encoders.onnx import onnx_graph

    require("onnxruntime", extra="onnx")
    open_file = partial(onnx_graph, threads=options.threads)
    return _open_graph(open_file, options.dtype or "float32", source, entry, options)


def _open_openvino(source: str | Path, entry: CatalogEntry | None, options: Options) -> TextEncoder:
    from interlingua.encoders.openvino import openvino_graph

    require("openvino", extra="openvino")
    open_file = partial(openvino_graph, dtype=options.dtype or "float32", threads=options.threads)
    return _open_graph(open_file, "float32", source, entry, options)


def _open_graph(
    open_file: Callable[[Path], Graph],
    file_dtype: str,
    source: str | Path,
    entry: CatalogEntry | None,
    options: Options,
) -> TextEncoder:
    names = onnx_files(file_dtype)
    if entry is not None and not entry.onnx:
        trust = " --trust-remote-code" if entry.remote_code else ""
        raise ModelError(
            f"{entry.hub} has no ONNX file on the hub; make one with "
            f"`interlingua export {entry.name} -o FOLDER{trust}`, or use the engine 'torch'."
        )
    # bge-m3 keeps one constant in a file of its own
    graphs = tuple((name, f"{name}_data", "onnx/Constant_*") for name in names)
    path, revision = _folder(
        source,
        entry,
        options,
        (graphs, LAYER_FILES),
        lambda inside: (
            (inside / MODULES).is_file()
            and any((inside / name).is_file() for name in names)
            and any(inside.glob("**/tokenizer.json"))
            and _has_layers(inside)
        ),
    )
    folder = read_model_folder(path)
    if entry is not None and folder.prompts == Prompts():
        folder = replace(folder, prompts=catalog_prompts(entry))
    return TransformerEncoder(
        folder,
        open_file(find_onnx(path, file_dtype, str(source))),
        name=_name(source),
        revision=revision,
        truncate_dim=folder.truncate_dim if options.truncate_dim is None else options.truncate_dim,
        batch_tokens=options.batch_tokens,
    )


def has_torch_weights(folder: Path) -> bool:
    """Whether a folder has torch weights, every shard and layer of them."""
    parts = (folder, folder / "0_Transformer")
    shards = {
        part / shard
        for part in parts
        for index in part.glob("*.index.json")
        for shard in read_json(index).get("weight_map", {}).values()
    }
    some = any(file for name in WEIGHT_FILES for part in parts for file in part.glob(name))
    return some and all(shard.is_file() for shard in shards) and _has_layers(folder)


def _has_layers(folder: Path) -> bool:
    weights = ("model.safetensors", "pytorch_model.bin")
    return all(any((layer / name).is_file() for name in weights) for layer in folder.glob("*_Dense"))


def _open_torch(source: str | Path, entry: CatalogEntry | None, options: Options) -> TextEncoder:
    from interlingua.encoders.sentence_transformers import SentenceTransformersEncoder

    require("torch", extra="torch")
    code = ((CODE_FILES,),) if options.trust_remote_code else ()
    files = (TORCH_FILES, LAYER_FILES, *code)
    path, revision = _folder(source, entry, options, files, has_torch_weights)
    if any(path.glob("onnx/*.onnx")) and not has_torch_weights(path):
        raise ModelError(f"{path} has ONNX files and no torch weights; the engine 'onnx' runs it.")
    given = {name: getattr(options, name) for name in TAKES["torch"] - {"revision"}}
    encoder = SentenceTransformersEncoder(
        path,
        name=_name(source),
        revision=revision,
        **{key: value for key, value in given.items() if value is not None},
    )
    if entry is not None and not (encoder.query_prompt or encoder.document_prompt):
        prompts = catalog_prompts(entry)
        encoder.prompt, encoder.query_prompt, encoder.document_prompt = (
            prompts.any,
            prompts.query,
            prompts.document,
        )
    return encoder


def _open_endpoint(address: str, options: Options) -> TextEncoder:
    from interlingua.encoders.endpoint import EndpointEncoder

    url, _, model = address.partition("#")
    if not url.startswith(("http://", "https://")) or not model:
        raise InputError(
            f"{address!r} does not say which model; give address#model, such as "
            "'http://localhost:8080/v1#intfloat/multilingual-e5-small'."
        )
    entry = find_in_catalog(model)
    prompts = catalog_prompts(entry) if entry else None
    return EndpointEncoder(url, model, prompts=prompts, truncate_dim=options.truncate_dim)


def catalog_prompts(entry: CatalogEntry) -> Prompts:
    """The prompts that a published model was trained with."""
    return Prompts(entry.prompt, entry.query_prompt, entry.document_prompt)


OPENERS: dict[str, Callable[[str | Path, CatalogEntry | None, Options], TextEncoder]] = {
    "static": _open_static,
    "onnx": _open_onnx,
    "openvino": _open_openvino,
    "torch": _open_torch,
}
