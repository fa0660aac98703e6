"""Any Sentence Transformers model with an ONNX file, run by onnxruntime: no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlingua.encoders.tokens import Inputs
from interlingua.encoders.transformer import Graph, thread_count
from interlingua.errors import ModelError, first_line, require

BATCH_TOKENS = 512
TOKEN_OUTPUTS = ("token_embeddings", "last_hidden_state")
POOLED_OUTPUTS = ("sentence_embedding",)
# Its kernel is slower than the addition and the normalization that it replaces: docs/architecture.md.
SLOW_FUSION = "SkipLayerNormFusion"


def onnx_graph(file: Path, *, threads: int | None = None) -> Graph:
    """Open an ONNX file in onnxruntime, on the CPU.

    Each thread runs batches of its own: that is faster than all threads on one batch, because a small
    batch is many small operations, and each would wait for the slowest thread.

    Args:
        file: the ONNX file.
        threads: CPU threads; default: all there are.

    Raises:
        ModelError: the file is no ONNX graph, or not one of a text model.
        MissingExtra: onnxruntime is not installed.
    """
    session = _open_session(file)
    wanted = [entry.name for entry in session.get_inputs()]
    output = choose_output([entry.name for entry in session.get_outputs()], file)

    def run(inputs: Inputs) -> NDArray[np.float32]:
        return np.asarray(session.run([output], graph_inputs(inputs, wanted))[0], np.float32)

    return Graph(file, run, thread_count(threads), BATCH_TOKENS)


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
        return runtime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"], disabled_optimizers=[SLOW_FUSION]
        )
    except Exception as error:  # onnxruntime's errors share no root
        raise ModelError(
            f"{graph} is no ONNX file that onnxruntime runs ({first_line(error)}); copy it again."
        ) from error
