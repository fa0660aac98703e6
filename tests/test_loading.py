"""What decides which model is opened and how: catalogue, engines, fingerprints, exports."""

from __future__ import annotations

import sys

import pytest

from interlingua import load_encoder
from interlingua.encoders import EMBEDDED, EMBEDDED_FOLDER
from interlingua.encoders.catalog import catalog, find_in_catalog, hub_name
from interlingua.encoders.onnx_files import find_onnx, onnx_files
from interlingua.errors import InputError, MissingExtra, ModelError
from interlingua.languages import normalize_language
from tiny_models import edit_json

TEXTS = ["the cat is late", "a new house", "the dog", "bread", "water", "tree", "red", "green", "old", "big"]

SHORT_NAME = "paraphrase-multilingual-MiniLM-L12-v2"


@pytest.mark.parametrize(
    ("module", "engine", "extra"),
    [("onnxruntime", "onnx", "onnx"), ("openvino", "openvino", "openvino"), ("torch", "torch", "torch")],
)
def test_a_missing_engine_names_the_install(module, engine, extra, onnx_model, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'interlingua\[{extra}\]'"):
        load_encoder(onnx_model, engine=engine)


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


def test_a_fingerprint_tells_prompts_apart(copied):
    before = load_encoder(copied).fingerprint
    edit_json(copied / "config_sentence_transformers.json", prompts={"query": "the "})
    encoder = load_encoder(copied)
    assert encoder.fingerprint.startswith(encoder.fingerprint_without_prompts)
    assert before != encoder.fingerprint != encoder.fingerprint_without_prompts
