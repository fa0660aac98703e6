"""The same ONNX files, run by OpenVINO: no torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.onnx import choose_output, graph_inputs
from interlingua.encoders.tokens import Inputs
from interlingua.encoders.transformer import Graph, thread_count
from interlingua.errors import InputError, ModelError, require

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
BATCH_TOKENS = 1024


def openvino_graph(file: Path, *, dtype: str = "float32", threads: int | None = None) -> Graph:
    """Open an ONNX file in OpenVINO, on the CPU.

    Args:
        file: the ONNX file.
        dtype: of the arithmetic; processors with bfloat16 matrix units gain from "bfloat16".
        threads: CPU threads; default: all there are.

    Raises:
        InputError: an unknown dtype.
        ModelError: the file is no graph that OpenVINO reads.
        MissingExtra: openvino is not installed.
    """
    if dtype not in PRECISIONS:
        raise InputError(f"dtype is {dtype!r}; with OpenVINO it is one of {', '.join(PRECISIONS)}.")
    model = _compile(file, PRECISIONS[dtype], thread_count(threads))
    request = model.create_infer_request()
    one_at_a_time = threading.Lock()
    wanted = [entry.any_name for entry in model.inputs]
    output = choose_output([entry.any_name for entry in model.outputs], file)

    def run(inputs: Inputs) -> NDArray[np.float32]:
        with one_at_a_time:
            request.infer(graph_inputs(inputs, wanted), share_inputs=True)
            return np.array(request.get_tensor(output).data, np.float32)

    return Graph(file, run, 1, BATCH_TOKENS, f"openvino/{dtype}")


@contextmanager
def _beside_its_data(graph: Path) -> Iterator[Path]:
    """The graph where its external weights are plain files: OpenVINO follows no links out of a folder.

    The hub's cache is all links.
    """
    data = [file for file in graph.parent.iterdir() if file.suffix != ".onnx" and file.is_symlink()]
    if not data:
        yield graph
        return
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(TemporaryDirectory(dir=graph.resolve().parent)))
            for file in (graph, *data):
                os.link(file.resolve(), folder / file.name)
        except OSError as error:
            raise ModelError(
                f"OpenVINO follows no links, and {graph.parent} takes none but links ({error.strerror}); "
                "copy the model to a plain folder, and give that."
            ) from error
        yield folder / graph.name


def _compile(graph: Path, precision: str, threads: int) -> Any:
    openvino = require("openvino", extra="openvino")
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    try:
        with _beside_its_data(graph) as path:
            return openvino.Core().compile_model(str(path), "CPU", settings)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ModelError(f"{graph} is no model that OpenVINO runs ({reason}); copy it again.") from error
