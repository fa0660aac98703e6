"""From a torch model to a folder that runs without torch: the ONNX file, and the int8 one for this CPU."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from interlingua.encoders.model_folder import SENTENCE_TRANSFORMERS, read_json, read_model_folder
from interlingua.encoders.onnx import onnx_graph
from interlingua.encoders.onnx_files import FLOAT32_FILES, this_cpu
from interlingua.encoders.transformer import TransformerEncoder
from interlingua.errors import InputError, ModelError, OutputError, require
from interlingua.types import Encoder
from interlingua.vectors import Vectors, top_k
from interlingua.writing import replace_folder

if TYPE_CHECKING:
    from interlingua.encoders.sentence_transformers import SentenceTransformersEncoder

LEAST_COSINE = 0.99
NEIGHBOURS = 5
OPSET = 18
TORCH_FILES = (
    "*.bin",
    "*.safetensors",
    "*.index.json",
    "onnx",
    "openvino",
    "*.h5",
    "*.msgpack",
    ".*",
    "*.ot",
)


@dataclass(frozen=True)
class Check:
    """How near the vectors of two engines are on the same texts.

    Attributes:
        texts: how many were encoded.
        mean_cosine, lowest_cosine: of the two vectors of a text, in [-1, 1].
        same_neighbours: of the 5 nearest other texts by one engine, the share that the other finds too.
    """

    texts: int
    mean_cosine: float
    lowest_cosine: float
    same_neighbours: float


def export_model(source: Encoder, target: Path, texts: Sequence[str], *, int8: bool = False) -> list[Check]:
    """Write `target` with the ONNX file of a torch model and all that stands around it; check it on texts.

    The int8 file has its weights per output channel (Wu et al. 2020, arXiv 2004.09602, section 3.2); where
    that changes the vectors too much, the feed-forward outputs, whose inputs have the widest range, stay
    float32. It is named after this processor, as Sentence Transformers names it.

    Args:
        source: an encoder that the torch engine opened.
        target: a folder, made anew.
        texts: at least 10 of the kind that will be encoded.
        int8: whether to make the int8 file too.

    Returns:
        The check of the float32 file, and that of the int8 file where it was made.

    Raises:
        InputError: fewer than 10 texts.
        OutputError: the target holds something, or cannot be written.
        ModelError: the model has no transformer, or its int8 file is too far from it: mean cosine below 0.99.
        MissingExtra: torch, onnx or onnxruntime is not installed.
    """
    from interlingua.encoders.sentence_transformers import SentenceTransformersEncoder

    if not isinstance(source, SentenceTransformersEncoder):
        raise InputError("Only a model that the torch engine opened can be exported; use the engine 'torch'.")
    check_count(texts)
    for module in ("onnx", "onnxruntime"):
        require(module, extra="export")
    if target.exists() and any(target.iterdir()):
        raise OutputError(f"{target} exists already; choose a new folder.")
    expected = source.encode(texts)
    with replace_folder(target) as new:
        shutil.copytree(source.folder, new, dirs_exist_ok=True, ignore=_without_weights(source.folder))
        _write_prompts(source, new / SENTENCE_TRANSFORMERS)
        graph = new / FLOAT32_FILES[0]
        graph.parent.mkdir()
        write_graph(source.torch_transformer(), graph)
        checks = [_check(new, graph, texts, expected)]
        if checks[0].mean_cosine < 0.9999:
            raise ModelError(f"The ONNX file of {source.name} is not the model: {checks[0]}.")
        if int8:
            checks.append(_write_int8(new, graph, texts, expected, source.name))
    return checks


def check_count(texts: Sequence[str]) -> None:
    """Raises InputError where texts are too few to compare two models on."""
    if len(texts) < 2 * NEIGHBOURS:
        raise InputError(
            f"{len(texts)} texts are too few to check a model on; give at least {2 * NEIGHBOURS}."
        )


def _write_prompts(source: SentenceTransformersEncoder, file: Path) -> None:
    """The prompts that the catalogue knows, into a folder whose own settings have none."""
    settings = read_json(file) if file.is_file() else {}
    prompts = {"query": source.query_prompt, "document": source.document_prompt}
    if source.prompt:
        settings["default_prompt_name"] = "default"
        prompts["default"] = source.prompt
    if any(prompts.values()) and not any((settings.get("prompts") or {}).values()):
        file.write_text(json.dumps({**settings, "prompts": prompts}, indent=2) + "\n", encoding="utf-8")


def _without_weights(root: Path) -> Any:
    """For copytree: the transformer's own weights stay behind, the small layers' come along."""
    ignore = shutil.ignore_patterns(*TORCH_FILES)
    return lambda folder, names: ignore(folder, names) if Path(folder) == root else set()


def write_graph(transformer: Any, graph: Path) -> None:
    """The ONNX file of a transformers model: token ids in, `last_hidden_state` out."""
    import torch

    names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if _takes(transformer, name)]

    class Tokens(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = transformer

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.transformer(**dict(zip(names, values, strict=True))).last_hidden_state
            return output

    example = torch.ones(2, 7, dtype=torch.int64)
    values = tuple(torch.zeros_like(example) if name == "token_type_ids" else example for name in names)
    axes = {name: {0: "batch", 1: "length"} for name in [*names, "last_hidden_state"]}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # torch warns of shapes that the trace fixes; the check sees any harm
        torch.onnx.export(
            Tokens().eval(),
            values,
            str(graph),
            input_names=names,
            output_names=["last_hidden_state"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    _gather_weights(graph)


def _gather_weights(graph: Path) -> None:
    """Where torch wrote a file for each weight, as it does above 2 GB: one for all, `model.onnx_data`."""
    scattered = [file for file in graph.parent.iterdir() if file != graph]
    if not scattered:
        return
    import onnx

    model = onnx.load(str(graph))
    for file in (graph, *scattered):
        file.unlink()
    onnx.save_model(
        model,
        str(graph),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f"{graph.name}_data",
    )


def _takes(transformer: Any, name: str) -> bool:
    import inspect

    if name == "token_type_ids" and getattr(transformer.config, "type_vocab_size", 0) < 1:
        return False
    return name in inspect.signature(transformer.forward).parameters


def _check(folder: Path, graph: Path, texts: Sequence[str], expected: Vectors) -> Check:
    encoder = TransformerEncoder(
        read_model_folder(folder), onnx_graph(graph), name=folder.name, truncate_dim=expected.shape[1]
    )
    return compare(encoder.encode(texts), expected)


def compare(got: Vectors, expected: Vectors) -> Check:
    """How near two matrices of unit rows are, row by row and in who is near whom."""
    cosines = np.einsum("ij,ij->i", got, expected)
    _, before = top_k(expected, expected, NEIGHBOURS + 1)
    _, after = top_k(got, got, NEIGHBOURS + 1)
    shared = [
        len({*a.tolist()} - {i} & ({*b.tolist()} - {i})) / NEIGHBOURS
        for i, (a, b) in enumerate(zip(before, after, strict=True))
    ]
    return Check(len(got), float(cosines.mean()), float(cosines.min()), min(1.0, float(np.mean(shared))))


def _write_int8(folder: Path, graph: Path, texts: Sequence[str], expected: Vectors, name: str) -> Check:
    kind = {"avx2": "quint8_avx2"}.get(this_cpu(), f"qint8_{this_cpu()}")
    quantized = graph.with_name(f"model_{kind}.onnx")
    quantize_graph(graph, quantized, float_outputs=False)
    check = _check(folder, quantized, texts, expected)
    if check.mean_cosine < LEAST_COSINE:
        quantize_graph(graph, quantized, float_outputs=True)
        check = _check(folder, quantized, texts, expected)
    if check.mean_cosine >= LEAST_COSINE:
        return check
    raise ModelError(
        f"The int8 file of {name} is too far from the model on these texts: mean cosine "
        f"{check.mean_cosine:.4f}, below {LEAST_COSINE}; nothing was written. Export without int8, "
        "and run that with float32, or with openvino and bfloat16."
    )


def quantize_graph(graph: Path, target: Path, *, float_outputs: bool) -> None:
    """The int8 file of a graph, weights int8 per channel.

    Args:
        graph: the float32 file.
        target: the file to write.
        float_outputs: whether the second layer of each feed-forward block stays float32.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _quiet():  # it asks for a pre-processing that slows the graph down: see docs/architecture.md
        quantize_dynamic(
            str(graph),
            str(target),
            weight_type=QuantType.QUInt8 if "quint8" in target.name else QuantType.QInt8,
            per_channel=True,
            nodes_to_exclude=_narrowing(graph) if float_outputs else [],
            use_external_data_format=_is_large(graph),
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def _narrowing(graph: Path) -> list[str]:
    """The layers with fewer outputs than inputs: the second ones of the feed-forward blocks."""
    import onnx

    inside = onnx.load(str(graph), load_external_data=False).graph
    narrowing = {w.name for w in inside.initializer if len(w.dims) == 2 and w.dims[0] > w.dims[1]}
    return [n.name for n in inside.node if n.op_type == "MatMul" and narrowing.intersection(n.input)]


def _is_large(graph: Path) -> bool:
    """Whether a graph's weights pass what one file of the format holds, 2 GB."""
    return sum(file.stat().st_size for file in graph.parent.iterdir()) > 1_900_000_000


@contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
