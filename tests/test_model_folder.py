"""Folders as they are published, older ones and broken ones."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from interlingua import load_encoder
from interlingua.encoders.export import export_model
from interlingua.errors import ModelError, OutputError
from tiny_models import edit_json, into_hub_cache, sentence_transformer

TEXTS = ["the cat is late", "a new house", "the dog", "bread", "water", "tree", "red", "green", "old", "big"]


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


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


def test_a_default_prompt_does_not_stand_in_for_one_that_is_empty(copied):
    prompts = {"query": "the ", "document": ""}
    edit_json(copied / "config_sentence_transformers.json", prompts=prompts, default_prompt_name="query")
    encoder = load_encoder(copied)
    assert (encoder.prompt, encoder.query_prompt, encoder.document_prompt) == ("the ", "the ", "")


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
