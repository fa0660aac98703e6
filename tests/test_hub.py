"""Names, the hub's cache, and what is told where there is neither cache nor network."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from interlingua import load_encoder
from interlingua.encoders import EMBEDDED, hub
from interlingua.encoders.export import export_model
from interlingua.errors import InputError, ModelError
from tiny_models import into_hub_cache, sentence_transformer

TEXTS = ["the cat is late", "a new house", "the dog", "bread", "water", "tree", "red", "green", "old", "big"]
SHORT_NAME = "paraphrase-multilingual-MiniLM-L12-v2"


def run_python(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


def test_a_model_loads_by_hub_name_from_the_cache_without_a_network(onnx_model, tmp_path):
    into_hub_cache(onnx_model, tmp_path, "someone/tiny", commit="b" * 40)
    into_hub_cache(onnx_model, tmp_path, f"sentence-transformers/{SHORT_NAME}")
    code = (
        "from interlingua import load_encoder; import sys\n"
        f"for name in ('someone/tiny', '{SHORT_NAME}', 'sentence-transformers/{SHORT_NAME.lower()}'):\n"
        "    e = load_encoder(name); print(e.name, e.revision, e.encode(['the cat']).shape)\n"
        "assert 'torch' not in sys.modules"
    )
    done = run_python(code, HF_HUB_CACHE=str(tmp_path), HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"someone/tiny {'b' * 40} (1, 12)",
        *[f"sentence-transformers/{SHORT_NAME} {'a' * 40} (1, 12)"] * 2,
    ]


def test_a_static_model_loads_by_hub_name_and_says_so_itself(tiny_model, offline_cache):
    into_hub_cache(tiny_model, offline_cache, "someone/static")
    encoder = load_encoder("someone/static")
    np.testing.assert_array_equal(
        encoder.encode(["my parcel"]), load_encoder(tiny_model).encode(["my parcel"])
    )


def test_a_revision_that_is_asked_for_is_had_or_refused(onnx_model, offline_cache):
    into_hub_cache(onnx_model, offline_cache, "someone/tiny", commit="b" * 40)
    assert load_encoder("someone/tiny", revision="b" * 40).revision == "b" * 40
    with pytest.raises(ModelError, match=f"'someone/tiny' at revision '{'c' * 40}' is not whole"):
        load_encoder("someone/tiny", revision="c" * 40)


def test_prompts_of_the_catalogue_serve_a_folder_that_names_none(tmp_path, offline_cache):
    source = sentence_transformer(tmp_path / "source", kind="xlmr")
    export_model(load_encoder(source, engine="torch"), tmp_path / "new", TEXTS)
    into_hub_cache(tmp_path / "new", offline_cache, "intfloat/multilingual-e5-small")
    encoder = load_encoder("multilingual-e5-small")
    assert (encoder.query_prompt, encoder.document_prompt, encoder.prompt) == (
        "query: ",
        "passage: ",
        "query: ",
    )
    plain = load_encoder(tmp_path / "new")
    np.testing.assert_array_equal(encoder.encode_documents(["a cat"]), plain.encode(["passage: a cat"]))


def test_without_network_and_cache_the_error_comes_at_once(tmp_path):
    code = "from interlingua import load_encoder; load_encoder('LaBSE')"
    for offline in ("1", "0"):
        began = time.monotonic()
        done = run_python(
            code,
            HF_HUB_CACHE=str(tmp_path),
            HF_HUB_OFFLINE=offline,
            HF_ENDPOINT="http://127.0.0.1:9",
            HF_HUB_DISABLE_TELEMETRY="1",
        )
        assert time.monotonic() - began < 20
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("interlingua.errors.ModelError: 'sentence-transformers/LaBSE' is not")
        assert ("HF_HUB_OFFLINE forbids the network" in last) == (offline == "1")
        assert ("http://127.0.0.1:9 cannot be reached" in last) == (offline == "0")


def test_a_download_that_was_interrupted_is_taken_up_again(tiny_model, offline_cache, monkeypatch):
    """With a network the rest is fetched; without one, what the cache holds has to do."""
    snapshot = into_hub_cache(tiny_model, offline_cache, "someone/static")
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir(exist_ok=True)
    (blobs / "0123.incomplete").write_bytes(b"half")
    asked = []
    fetch = hub._fetch
    monkeypatch.setattr(hub, "_fetch", lambda *given: asked.append(given[0]) or fetch(*given))
    assert load_encoder("someone/static").dim == 16
    assert asked == ["someone/static"]
    (blobs / "0123.incomplete").rename(blobs / "0123.89abcdef.incomplete")
    (blobs / "0123").write_bytes(b"whole, fetched later under another name")
    assert load_encoder("someone/static").dim == 16
    assert asked == ["someone/static"]
    (snapshot / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="not whole in the hub's cache"):
        load_encoder("someone/static")


def test_a_torch_model_without_one_of_its_shards_is_not_whole(tmp_path, offline_cache):
    source = sentence_transformer(tmp_path / "source")
    (source / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-2.safetensors"}}')
    into_hub_cache(source, offline_cache, "someone/sharded")
    with pytest.raises(ModelError, match="not whole in the hub's cache"):
        load_encoder("someone/sharded", engine="torch")


def test_a_folder_and_the_embedded_model_have_no_revisions(tiny_model):
    for name in (tiny_model, None, "Interlingua-Embedded"):
        with pytest.raises(InputError, match="revision"):
            load_encoder(name, revision="main")
    assert load_encoder("Interlingua-Embedded").name == EMBEDDED


@pytest.mark.parametrize("name", ["~nobody-of-that-name/model", "x" * 300])
def test_a_name_that_no_file_system_takes_is_no_model(name):
    with pytest.raises(ModelError, match=r"is no model folder|is neither a folder"):
        load_encoder(name)


def test_a_wrong_name_names_its_neighbours(offline_cache):
    with pytest.raises(ModelError, match=r"'labse2' is neither .* near it: LaBSE"):
        load_encoder("labse2")
    with pytest.raises(ModelError, match="is no model folder"):
        load_encoder("./nowhere")
    with pytest.raises(ModelError, match="is no model folder"):
        load_encoder("a/b/c")


def test_weights_beside_the_graph_are_found_through_the_links_of_the_cache(
    onnx_model, tmp_path, offline_cache
):
    import onnx

    snapshot = into_hub_cache(onnx_model, offline_cache, "someone/large")
    graph = snapshot / "onnx" / "model.onnx"
    loaded = onnx.load(graph)
    onnx.save_model(loaded, graph, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir()
    for file in [file for file in snapshot.rglob("*") if file.is_file()]:
        blob = blobs / str(abs(hash(file)))
        file.rename(blob)
        file.symlink_to(blob)
    expected = load_encoder(onnx_model).encode(TEXTS)
    for engine in ("onnx", "openvino"):
        np.testing.assert_allclose(
            load_encoder("someone/large", engine=engine).encode(TEXTS), expected, atol=1e-5
        )
    before = load_encoder("someone/large").fingerprint
    data = (snapshot / "onnx" / "model.onnx_data").resolve()
    data.write_bytes(data.read_bytes()[:-4] + b"\0\0\0\x3f")
    assert load_encoder("someone/large").fingerprint != before


def test_models_that_publish_no_onnx_file_say_so_before_any_network(offline_cache):
    with pytest.raises(ModelError, match=r"Qwen3-Embedding-0\.6B has no ONNX file on the hub; make one with"):
        load_encoder("Qwen3-Embedding-0.6B")
