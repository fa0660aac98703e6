"""Any Sentence Transformers model with an ONNX file, run by onnxruntime: no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.model_folder import ModelFolder
from interlingua.encoders.tokens import Inputs
from interlingua.encoders.transformer import BATCH_TOKENS, TransformerEncoder, thread_count
from interlingua.errors import ModelError, first_line, require

TOKEN_OUTPUTS = ("token_embeddings", "last_hidden_state")
POOLED_OUTPUTS = ("sentence_embedding",)


class OnnxEncoder(TransformerEncoder):
    """A transformer's ONNX file in onnxruntime, on the CPU."""

    def __init__(
        self,
        folder: ModelFolder,
        graph: Path,
        *,
        name: str,
        revision: str = "",
        truncate_dim: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
        threads: int | None = None,
    ) -> None:
        """Beside what every transformer takes, `threads`: CPU threads; default: all there are.

        Each thread runs batches of its own: that is faster than all threads on one batch, because a
        small batch is many small operations, and each would wait for the slowest thread.

        Raises:
            ModelError: the file is no ONNX graph, or not one of a text model.
            MissingExtra: onnxruntime is not installed.
        """
        self._session = _open_session(graph)
        self._wanted = [entry.name for entry in self._session.get_inputs()]
        self._output = choose_output([entry.name for entry in self._session.get_outputs()], graph)
        super().__init__(
            folder,
            graph,
            name=name,
            revision=revision,
            truncate_dim=truncate_dim,
            batch_tokens=batch_tokens,
            workers=thread_count(threads),
        )

    def _run(self, inputs: Inputs) -> NDArray[np.float32]:
        return np.asarray(
            self._session.run([self._output], graph_inputs(inputs, self._wanted))[0], np.float32
        )


def graph_inputs(inputs: Inputs, wanted: list[str]) -> Inputs:
    """What a graph asks for by name, position_ids made where it wants them.

    Raises:
        ModelError: it wants something that a tokenizer does not give.
    """
    if "position_ids" in wanted:
        length = inputs["input_ids"].shape[1]
        positions = np.broadcast_to(np.arange(length), inputs["input_ids"].shape)
        inputs = {**inputs, "position_ids": np.ascontiguousarray(positions, np.int64)}
    unknown = [name for name in wanted if name not in inputs]
    if unknown:
        raise ModelError(
            f"The graph wants the inputs {', '.join(unknown)}; this engine gives {', '.join(inputs)}."
        )
    return {name: inputs[name] for name in wanted}


def choose_output(names: list[str], graph: Path) -> str:
    """Token vectors where the graph gives them, else its own pooled ones.

    Raises:
        ModelError: it gives neither.
    """
    for name in (*TOKEN_OUTPUTS, *POOLED_OUTPUTS):
        if name in names:
            return name
    raise ModelError(
        f"{graph} gives {', '.join(names)}; a text model gives {', '.join(TOKEN_OUTPUTS + POOLED_OUTPUTS)}."
    )


def _open_session(graph: Path) -> Any:
    runtime = require("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no root
        raise ModelError(
            f"{graph} is no ONNX file that onnxruntime runs ({first_line(error)}); copy it again."
        ) from error
