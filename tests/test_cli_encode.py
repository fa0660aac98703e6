"""`encode`, `models` and `export` as programs: every choice, every report, every stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from cli_runs import BAD_USE, FAILURE, TEXTS, found, said
from interlingua import load_encoder
from interlingua.storage import expand
from tiny_models import sentence_transformer


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder of a tiny transformer and what `export` printed, made by the command itself."""
    root = tmp_path_factory.mktemp("exported")
    sentence_transformer(root / "source", prompts={"query": "the ", "document": "new "})
    texts = [
        f"the cat and the {word} are {i} late"
        for i, word in enumerate("dog tree house red bread".split() * 4)
    ]
    (root / "texts.txt").write_text("\n".join(texts))
    command = [sys.executable, "-m", "interlingua", "export", "source", "-o", "new", "--check", "texts.txt"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return root / "new", [json.loads(line) for line in done.stdout.splitlines()]


def test_export_prints_how_near_the_file_is(exported):
    folder, (check,) = exported
    assert check["file"] == "float32"
    assert check["texts"] == 20
    assert check["mean_cosine"] > 0.99999
    assert check["same_neighbours"] > 0.9
    assert (folder / "onnx" / "model.onnx").is_file()
    assert not list(folder.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("kind", "method"), [("text", "encode"), ("query", "encode_query"), ("document", "encode_documents")]
)
def test_encode_takes_what_the_texts_are(kind, method, exported, folder, run_cli):
    done = run_cli("encode", "texts.txt", "-o", "v.npy", "--model", exported[0], "--as", kind)
    assert done.returncode == 0, done.stderr
    expected = getattr(load_encoder(exported[0]), method)(TEXTS)
    np.testing.assert_allclose(np.load(folder / "v.npy"), expected, atol=1e-6)


@pytest.mark.parametrize("storage", ["float16", "int8", "binary"])
def test_encode_writes_fewer_bytes(storage, command, folder, tiny_model):
    command("encode", "texts.txt", "--storage", storage, "--truncate-dim", "8")
    stored = np.load(folder / "out.npy")
    expected = load_encoder(tiny_model, truncate_dim=8).encode(TEXTS)
    assert (expand(stored, storage, 8) * expected).sum(axis=1).min() > (0.5 if storage == "binary" else 0.999)


def test_the_report_tells_what_was_met_before_cut_and_taken_from_the_cache(exported, folder, run_cli):
    (folder / "texts.txt").write_text("a cat\n\na cat\n" + "the old house " * 100 + "\n")
    call = ("encode", "texts.txt", "-o", "v.npy", "--model", exported[0], "--cache", "cache.db")
    assert (
        "4 rows: 3 encoded, 1 empty, 0 failed, 1 met before, 1 cut (239 tokens lost);"
        in run_cli(*call).stderr
    )
    assert "1 met before, 2 from the cache, 1 cut (239 tokens lost);" in run_cli(*call).stderr


@pytest.mark.usefixtures("sigint_heeded")
def test_a_stop_keeps_what_was_done_and_the_same_command_goes_on(tiny_model, folder):
    lines = [f"my parcel {i} has not arrived" for i in range(60_000)]
    program = [sys.executable, "-m", "interlingua", "encode", "-", "-o", "v.npy", "--model", str(tiny_model)]
    run = subprocess.Popen(program, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder)
    with run:
        run.stdin.write("\n".join(lines[:30_000]).encode())
        run.stdin.flush()
        while not (folder / "v.npy.unfinished").exists():
            time.sleep(0.05)
        time.sleep(1.0)
        run.send_signal(signal.SIGINT)
        told = run.communicate(timeout=60)[1].decode()
    assert run.returncode == 130, told
    assert "kept in v.npy.unfinished; call the same command again to go on" in told
    assert not (folder / "v.npy").exists()
    state = json.loads((folder / "v.npy.unfinished" / "state.json").read_text())
    assert 0 < state["rows"] < 60_000
    again = subprocess.run(
        program, input="\n".join(lines).encode(), stderr=subprocess.PIPE, cwd=folder, check=True
    )
    assert b"60,000 rows: 60,000 encoded" in again.stderr
    np.testing.assert_array_equal(np.load(folder / "v.npy"), load_encoder(tiny_model).encode(lines))
    assert not (folder / "v.npy.unfinished").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--model", "no-such-model"], FAILURE, "'no-such-model' is neither a folder nor a known model"),
        (["--model", "./nowhere"], FAILURE, "'./nowhere' is no model folder"),
        (["--dtype", "int8"], BAD_USE, "The engine 'static' does not take dtype"),
        (["--truncate-dim", "9999"], BAD_USE, "truncate_dim is 9999; this model takes 1 to"),
        (["--model", "http://127.0.0.1:9/v1"], BAD_USE, "does not say which model; give address#model"),
        (["--cache", "texts.txt"], FAILURE, "The cache texts.txt cannot be opened"),
    ],
)
def test_a_model_that_cannot_be_had_is_told_in_one_line(options, code, message, folder, run_cli):
    assert message in said(run_cli("encode", "texts.txt", "-o", "v.npy", *options), code)
    assert not list(folder.glob("v.npy*"))


def test_a_model_of_the_hub_without_network_and_cache_is_told_at_once(folder, run_cli):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "cache")}
    done = run_cli("encode", "texts.txt", "-o", "v.npy", "--model", "LaBSE", env=environment)
    assert "'sentence-transformers/LaBSE' is not whole in the hub's cache" in said(done, FAILURE)


def test_models_lists_filters_and_explains(run_cli):
    every = found(run_cli("models"))
    assert {"interlingua-embedded", "LaBSE", "bge-m3"} <= {model["name"] for model in every}
    some = {model["name"] for model in found(run_cli("models", "--language", "swh", "--language", "kat"))}
    assert "LaBSE" in some
    assert "paraphrase-multilingual-MiniLM-L12-v2" not in some
    facts = {row["fact"]: row["value"] for row in found(run_cli("models", "labse"))}
    assert (facts["hub"], facts["dim"], facts["licence"]) == (
        "sentence-transformers/LaBSE",
        768,
        "apache-2.0",
    )
    assert "No known model covers tlh together" in run_cli("models", "--language", "tlh").stderr
    assert "near it: LaBSE" in said(run_cli("models", "labs"), FAILURE)


def test_an_input_is_never_written_over(folder, run_cli):
    run_cli("encode", "texts.txt", "-o", "v.parquet")
    before = (folder / "v.parquet").read_bytes()
    assert "is the input" in said(run_cli("encode", "v.parquet", "-o", "./v.parquet"), FAILURE)
    assert (folder / "v.parquet").read_bytes() == before


def test_export_writes_a_static_model_as_others_load_it(folder, run_cli):
    (check,) = found(run_cli("export", "interlingua-embedded", "-o", "out", "--int8"))
    assert check["file"] == "int8"
    assert check["mean_cosine"] > 0.999
    tensors = {name for file in (folder / "out").glob("*.safetensors") for name in load_file(file)}
    assert tensors == {"embeddings", "weights"}
    assert (folder / "out" / "modules.json").exists()


def test_export_refuses_what_it_cannot_do(exported, folder, run_cli):
    new = exported[0]
    assert "exists already; choose a new folder" in said(run_cli("export", new, "-o", new), FAILURE)
    (folder / "few.txt").write_text("one\ntwo\n")
    source = new.parent / "source"
    few = run_cli("export", source, "-o", "out", "--check", "few.txt")
    assert "2 texts are too few to check a model on; give at least 10" in said(few, BAD_USE)
    assert not (folder / "out").exists()
