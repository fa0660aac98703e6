"""The same ONNX files, run by OpenVINO: no torch."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.model_folder import ModelFolder
from interlingua.encoders.onnx import choose_output, graph_inputs
from interlingua.encoders.tokens import Inputs
from interlingua.encoders.transformer import TransformerEncoder, thread_count
from interlingua.errors import InputError, ModelError, require

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
BATCH_TOKENS = 1024


class OpenVinoEncoder(TransformerEncoder):
    """A transformer's ONNX file in OpenVINO, on the CPU.

    "bfloat16" is the dtype of the arithmetic; processors with bfloat16 matrix units gain from it.
    """

    def __init__(
        self,
        folder: ModelFolder,
        graph: Path,
        *,
        name: str,
        revision: str = "",
        dtype: str = "float32",
        truncate_dim: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        threads: int | None = None,
    ) -> None:
        """Beside what every transformer takes: `dtype` of the arithmetic, and `threads`.

        Raises:
            InputError: an unknown dtype.
            ModelError: the file is no graph that OpenVINO reads.
            MissingExtra: openvino is not installed.
        """
        if dtype not in PRECISIONS:
            raise InputError(f"dtype is {dtype!r}; with OpenVINO it is one of {', '.join(PRECISIONS)}.")
        self._dtype = dtype
        self._model = _compile(graph, PRECISIONS[dtype], thread_count(threads))
        self._request = self._model.create_infer_request()
        self._one_at_a_time = threading.Lock()
        self._wanted = [entry.any_name for entry in self._model.inputs]
        self._output = choose_output([entry.any_name for entry in self._model.outputs], graph)
        super().__init__(
            folder, graph, name=name, revision=revision, truncate_dim=truncate_dim, batch_tokens=batch_tokens
        )

    def _run(self, inputs: Inputs) -> NDArray[np.float32]:
        with self._one_at_a_time:
            self._request.infer(graph_inputs(inputs, self._wanted), share_inputs=True)
            return np.array(self._request.get_tensor(self._output).data, np.float32)

    def _weights_fingerprint(self) -> str:
        return f"{super()._weights_fingerprint()}/{self._dtype}"


@contextmanager
def _beside_its_data(graph: Path) -> Iterator[Path]:
    """The graph where its external weights are plain files: OpenVINO follows no links out of a folder.

    The hub's cache is all links.
    """
    data = [file for file in graph.parent.iterdir() if file.suffix != ".onnx" and file.is_symlink()]
    if not data:
        yield graph
        return
    with TemporaryDirectory(dir=graph.resolve().parent) as folder:
        for file in (graph, *data):
            os.link(file.resolve(), Path(folder) / file.name)
        yield Path(folder) / graph.name


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
