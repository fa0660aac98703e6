"""Fixtures that several test files share."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from cli_runs import QUERY, TEXTS

VOCABULARY = """
my your parcel package letter has have not never arrived come yet late the a is are and or where when
mein dein paket brief ist sind nicht nie angekommen noch der die das und oder wo wann
mi tu carta no ha llegado el la dónde cuándo invoice rechnung factura paid bezahlt hello hallo hola
"""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """The folder of a static model with random vectors: the same text is nearest to itself, no more."""
    from interlingua.encoders.static_folder import write_static_folder
    from interlingua.training.vocabulary import unigram_tokenizer

    pieces = [("<unk>", 0.0), ("▁", -5.0), *((f"▁{word}", -3.0) for word in VOCABULARY.split())]
    tokenizer = unigram_tokenizer(pieces)
    table = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 16)).astype(np.float32)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_static_folder(folder, tokenizer, table, card="# tiny\n", rows="float32")
    return folder


@pytest.fixture
def run_cli(tmp_path):
    """Run the command line as a program in `tmp_path`; text is UTF-8, and stdin is empty unless given."""

    def run(*arguments, stdin="", **options):
        raw = stdin if isinstance(stdin, bytes) else stdin.encode()
        done = subprocess.run(
            [sys.executable, "-m", "interlingua", *map(str, arguments)],
            input=raw,
            capture_output=True,
            cwd=tmp_path,
            timeout=300,
            check=False,
            **options,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8")
        )

    return run


@pytest.fixture
def sigint_heeded():
    """A shell's background job ignores SIGINT, and so would every program that it starts."""
    was = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, was)


@pytest.fixture
def folder(tmp_path):
    """The folder commands run in, with the same three texts as lines and as JSONL."""
    (tmp_path / "texts.txt").write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    rows = [{"text": text, "n": i} for i, text in enumerate(TEXTS)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def command(run_cli, tiny_model, folder):
    """Run a command on a file in `folder`, with the tiny model and what else the command needs."""
    needs = {"search": [QUERY], "encode": ["-o", "out.npy"], "score": [], "languages": []}

    def run(name, *arguments, **options):
        model = [] if name == "languages" else ["--model", tiny_model]
        return run_cli(name, *arguments, *needs[name], *model, **options)

    return run


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory):
    from interlingua import load_encoder
    from interlingua.encoders.export import export_model
    from tiny_models import LAYOUTS, sentence_transformer

    root = tmp_path_factory.mktemp("loading")
    source = sentence_transformer(root / "source", **LAYOUTS["paraphrase-multilingual-minilm"])
    export_model(
        load_encoder(source, engine="torch"), root / "model", ["the cat", *"a dog is late by now".split()] * 2
    )
    return root / "model"


@pytest.fixture
def copied(onnx_model, tmp_path):
    return shutil.copytree(onnx_model, tmp_path / "model")


@pytest.fixture
def offline_cache(tmp_path, monkeypatch):
    """A hub cache of its own, and no network, in this process."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"
