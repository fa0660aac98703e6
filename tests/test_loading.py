"""Names, folders, the hub's cache, and what each broken model is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from interlingua import load_encoder
from interlingua.encoders import EMBEDDED, EMBEDDED_FOLDER, hub
from interlingua.encoders.catalog import catalog, find_in_catalog, hub_name
from interlingua.encoders.export import export_model
from interlingua.encoders.onnx_files import find_onnx, onnx_files
from interlingua.errors import InputError, MissingExtra, ModelError, OutputError
from interlingua.languages import normalize_language
from tiny_models import LAYOUTS, edit_json, into_hub_cache, sentence_transformer

TEXTS = ["the cat is late", "a new house", "the dog", "bread", "water", "tree", "red", "green", "old", "big"]
SHORT_NAME = "paraphrase-multilingual-MiniLM-L12-v2"


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    root = tmp_path_factory.mktemp("loading")
    source = sentence_transformer(root / "source", **LAYOUTS["paraphrase-multilingual-minilm"])
    export_model(load_encoder(source, engine="torch"), root / "model", TEXTS)
    return root / "model"


@pytest.fixture
def copied(model, tmp_path):
    return shutil.copytree(model, tmp_path / "model")


@pytest.fixture
def offline_cache(tmp_path, monkeypatch):
    """A hub cache of its own, and no network, in this process."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


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


def test_a_model_loads_by_hub_name_from_the_cache_without_a_network(model, tmp_path):
    into_hub_cache(model, tmp_path, "someone/tiny", commit="b" * 40)
    into_hub_cache(model, tmp_path, f"sentence-transformers/{SHORT_NAME}")
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


def test_a_revision_that_is_asked_for_is_had_or_refused(model, offline_cache):
    into_hub_cache(model, offline_cache, "someone/tiny", commit="b" * 40)
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
    (blobs / "0123.incomplete").unlink()
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


def test_what_a_desktop_leaves_in_a_folder_changes_no_fingerprint(copied):
    before = load_encoder(copied).fingerprint
    (copied / "1_Pooling" / ".DS_Store").write_bytes(b"x")
    (copied / "1_Pooling" / "notes").mkdir()
    assert load_encoder(copied).fingerprint == before


def test_an_exported_folder_keeps_the_prompts_of_the_catalogue(tmp_path, offline_cache):
    source = sentence_transformer(tmp_path / "source", kind="xlmr")
    into_hub_cache(source, offline_cache, "intfloat/multilingual-e5-small")
    by_torch = load_encoder("multilingual-e5-small", engine="torch")
    export_model(by_torch, tmp_path / "new", TEXTS)
    encoder = load_encoder(tmp_path / "new")
    assert (encoder.prompt, encoder.query_prompt, encoder.document_prompt) == (
        "query: ",
        "query: ",
        "passage: ",
    )
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), by_torch.encode_documents(TEXTS), atol=1e-5)


def test_a_truncated_model_is_exported_and_no_folder_is_written_over(tmp_path):
    source = sentence_transformer(tmp_path / "source")
    by_torch = load_encoder(source, engine="torch", truncate_dim=5)
    (check,) = export_model(by_torch, tmp_path / "new", TEXTS)
    assert check.mean_cosine > 0.9999
    with pytest.raises(OutputError, match="source exists already"):
        export_model(by_torch, source, TEXTS)
    assert (source / "model.safetensors").is_file()


def test_a_wrong_name_names_its_neighbours(offline_cache):
    with pytest.raises(ModelError, match=r"'labse2' is neither .* near it: LaBSE"):
        load_encoder("labse2")
    with pytest.raises(ModelError, match="is no model folder"):
        load_encoder("./nowhere")
    with pytest.raises(ModelError, match="is no model folder"):
        load_encoder("a/b/c")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "modules.json").unlink(), "has no modules.json"),
        (lambda f: (f / "modules.json").write_text("[{"), "modules.json is no JSON"),
        (lambda f: (f / "modules.json").write_text("[1]"), "no list of modules"),
        (lambda f: (f / "config.json").unlink(), "config.json is missing"),
        (lambda f: edit_json(f / "1_Pooling" / "config.json", pooling_mode="median"), "pooling mode median"),
        (lambda f: cut(f / "tokenizer.json"), "tokenizer.json cannot be read"),
        (lambda f: (f / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda f: cut(f / "onnx" / "model.onnx"), "no ONNX file that onnxruntime runs"),
        (lambda f: (f / "onnx" / "model.onnx").write_text("no"), "no ONNX file that onnxruntime runs"),
        (lambda f: shutil.rmtree(f / "onnx"), "no float32 ONNX file .*interlingua export"),
    ],
)
def test_a_broken_folder_gets_one_clear_sentence(damage, message, copied):
    damage(copied)
    with pytest.raises(ModelError, match=message) as caught:
        load_encoder(copied, engine="onnx")
    assert "\n" not in str(caught.value)


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_an_unknown_module_is_named(copied):
    modules = json.loads((copied / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": "2_LSTM", "type": "sentence_transformers.models.LSTM"})
    (copied / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="module 'LSTM'; this engine knows Pooling, Dense"):
        load_encoder(copied)


def test_a_dense_layer_of_unknown_activation_or_without_weights_is_refused(tmp_path):
    source = sentence_transformer(tmp_path / "source", dense=6)
    export_model(load_encoder(source, engine="torch"), tmp_path / "new", TEXTS)
    edit_json(tmp_path / "new" / "2_Dense" / "config.json", activation_function="os.system")
    with pytest.raises(ModelError, match=r"activation 'os\.system' is unknown"):
        load_encoder(tmp_path / "new")
    edit_json(tmp_path / "new" / "2_Dense" / "config.json", activation_function="torch.nn.Identity")
    (tmp_path / "new" / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="has neither model"):
        load_encoder(tmp_path / "new")


def test_an_older_dense_layer_with_torch_weights_is_read(tmp_path):
    import torch
    from safetensors.torch import load_file

    source = sentence_transformer(tmp_path / "source", dense=6)
    export_model(load_encoder(source, engine="torch"), tmp_path / "new", TEXTS)
    expected = load_encoder(tmp_path / "new").encode(TEXTS)
    weights = tmp_path / "new" / "2_Dense" / "model.safetensors"
    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    np.testing.assert_array_equal(load_encoder(tmp_path / "new").encode(TEXTS), expected)


def test_pooling_is_read_in_its_older_spelling_too(copied):
    config = {
        "word_embedding_dimension": 12,
        "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False,
    }
    (copied / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert load_encoder(copied)._folder.pooling == ("cls",)


@pytest.mark.parametrize(
    ("module", "engine", "extra"),
    [("onnxruntime", "onnx", "onnx"), ("openvino", "openvino", "openvino"), ("torch", "torch", "torch")],
)
def test_a_missing_engine_names_the_install(module, engine, extra, model, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'interlingua\[{extra}\]'"):
        load_encoder(model, engine=engine)


def test_an_int8_file_is_chosen_for_the_processor(tmp_path):
    assert onnx_files("int8", "avx512_vnni")[0] == "onnx/model_qint8_avx512_vnni.onnx"
    assert onnx_files("int8", "arm64")[0] == "onnx/model_qint8_arm64.onnx"
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model_int8.onnx").write_bytes(b"")
    assert find_onnx(tmp_path, "int8").name == "model_int8.onnx"
    with pytest.raises(ModelError, match=r"no float32 ONNX file .*found: onnx/model_int8.onnx"):
        find_onnx(tmp_path, "float32")


def test_every_entry_of_the_catalogue_can_be_found_and_is_whole():
    assert {entry.name for entry in catalog()} >= {SHORT_NAME, "LaBSE", "bge-m3", "multilingual-e5-small"}
    for entry in catalog():
        assert all(entry.covers(language) for language in entry.languages)
        assert find_in_catalog(entry.name.upper()) is entry
        assert hub_name(entry.name) == entry.hub
        assert entry.speed in ("static", "small", "base", "large")
        assert (entry.kind == "static") == (entry.speed == "static")
        assert entry.dim > 0
        assert entry.languages
        assert entry.sources
        assert list(entry.languages) == sorted(set(entry.languages))
        assert entry.revision == "1" or len(entry.revision) == 40
        for language in entry.languages:
            normalize_language(language)
    assert find_in_catalog(SHORT_NAME).covers("deu")
    assert not find_in_catalog(SHORT_NAME).covers("swh")
    assert find_in_catalog("LaBSE").covers("sw")


def test_the_catalogue_knows_the_embedded_model_as_it_is():
    entry = find_in_catalog(EMBEDDED)
    bytes_shipped = sum(file.stat().st_size for file in EMBEDDED_FOLDER.iterdir())
    assert entry.dim == load_encoder().dim
    assert entry.megabytes == pytest.approx(bytes_shipped / 1e6, abs=1)
    assert bytes_shipped <= 30_000_000


def test_a_language_that_a_model_does_not_cover_is_warned_of(caplog):
    load_encoder(languages=["de", "ka"])
    assert not caplog.records
    load_encoder(languages=["ka", "nah", "chr"])
    assert "interlingua-embedded was not trained on nah, chr" in caplog.text
    with pytest.raises(InputError, match="languages is one string"):
        load_encoder(languages="de")


def test_a_default_prompt_does_not_stand_in_for_one_that_is_empty(copied):
    prompts = {"query": "the ", "document": ""}
    edit_json(copied / "config_sentence_transformers.json", prompts=prompts, default_prompt_name="query")
    encoder = load_encoder(copied)
    assert (encoder.prompt, encoder.query_prompt, encoder.document_prompt) == ("the ", "the ", "")


def test_a_fingerprint_tells_prompts_apart(copied):
    before = load_encoder(copied).fingerprint
    edit_json(copied / "config_sentence_transformers.json", prompts={"query": "the "})
    encoder = load_encoder(copied)
    assert encoder.fingerprint.startswith(encoder.fingerprint_without_prompts)
    assert before != encoder.fingerprint != encoder.fingerprint_without_prompts


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_columns_that_the_folder_says_to_keep_are_kept(engine, tmp_path):
    source = sentence_transformer(tmp_path / "source")
    export_model(load_encoder(source, engine="torch"), tmp_path / "new", TEXTS)
    shutil.copytree(tmp_path / "new" / "onnx", source / "onnx")
    edit_json(source / "config_sentence_transformers.json", truncate_dim=5)
    encoder = load_encoder(source, engine=engine)
    assert (encoder.dim, encoder.encode(TEXTS).shape) == (5, (10, 5))
    assert load_encoder(source, engine=engine, truncate_dim=7).dim == 7


def test_the_longest_input_is_read_where_older_versions_put_it(copied):
    (copied / "sentence_bert_config.json").unlink()
    edit_json(copied / "tokenizer_config.json", model_max_length=10**30)
    assert load_encoder(copied).max_tokens == 66  # the positions
    (copied / "sentence_xlm-roberta_config.json").write_text('{"max_seq_length": 9, "do_lower_case": true}')
    assert load_encoder(copied).max_tokens == 9
    (copied / "sentence_xlm-roberta_config.json").write_text('{"max_seq_length": "long"}')
    with pytest.raises(ModelError, match="as its longest input; it must be a number"):
        load_encoder(copied)
    (copied / "sentence_xlm-roberta_config.json").unlink()
    edit_json(copied / "config.json", max_position_embeddings=None)
    encoder = load_encoder(copied)
    assert encoder.max_tokens is None
    assert encoder.encode_with_report(["cat " * 20])[1].cut == 0


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("1_Pooling/config.json", "[1]", "holds no JSON object"),
        ("config.json", "3", "holds no JSON object"),
        ("tokenizer.json", None, "does not run on the tokens of its folder"),
    ],
)
def test_files_that_do_not_belong_together_are_told(file, content, message, copied, tmp_path):
    if content is None:  # a tokenizer with ids that the model does not have
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(copied / file))
        tokenizer.add_tokens(["a"] + [f"more{i}" for i in range(3)])
        raw = json.loads(tokenizer.to_str())
        raw["post_processor"]["special_tokens"]["<s>"]["ids"] = [99_999]
        content = json.dumps(raw)
    (copied / file).write_text(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_encoder(copied)
    assert "\n" not in str(caught.value)


def test_a_layer_of_another_width_is_told(tmp_path):
    source = sentence_transformer(tmp_path / "source", dense=6)
    export_model(load_encoder(source, engine="torch"), tmp_path / "new", TEXTS)
    other = sentence_transformer(tmp_path / "other", dim=16, dense=6)
    shutil.copy(other / "2_Dense" / "model.safetensors", tmp_path / "new" / "2_Dense" / "model.safetensors")
    with pytest.raises(ModelError, match="do not fit its transformer"):
        load_encoder(tmp_path / "new")


def test_weights_beside_the_graph_are_found_through_the_links_of_the_cache(model, tmp_path, offline_cache):
    import onnx

    snapshot = into_hub_cache(model, offline_cache, "someone/large")
    graph = snapshot / "onnx" / "model.onnx"
    loaded = onnx.load(graph)
    onnx.save_model(loaded, graph, save_as_external_data=True, location="model.onnx_data", size_threshold=0)
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir()
    for file in [file for file in snapshot.rglob("*") if file.is_file()]:
        blob = blobs / str(abs(hash(file)))
        file.rename(blob)
        file.symlink_to(blob)
    expected = load_encoder(model).encode(TEXTS)
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
