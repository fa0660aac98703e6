"""The static encoder against both libraries that share its format."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from interlingua import load_encoder
from interlingua.encoders import EMBEDDED_FOLDER
from interlingua.encoders.export_static import export_static
from interlingua.encoders.static import StaticEncoder
from interlingua.encoders.static_folder import read_static_folder, write_static_folder
from interlingua.errors import InputError, ModelError
from interlingua.vectors import unit_rows

SENTENCES = [
    "My parcel has not arrived.",
    "Mein  Paket ist\tnoch nicht angekommen!\n",
    "私の荷物がまだ届いていません。",
    "我的包裹还没有到",
    "พัสดุของฉันยังไม่มาถึง",
    "لم يصل طردي بعد",
    "החבילה שלי עדיין לא הגיעה",
    "Моя посылка ещё не пришла",
    "내 소포가 아직 도착하지 않았습니다",
    "ﬁne ½ ①  x¨ ´a",
    "🙂 👩‍👩‍👧 ok",
    "<unk> and </s> [CLS] <0x41> ▁a▁b",
    "word " * 700,
    "x" * 3000,
    "ΟΔΥΣΣΕΥΣ",
    "my\x0bparcel\x0chas\x85not\u2028ok my",
    "my\u200bparcel so\u00adft \u200d",
    "İstanbul'da",
]


def model2vec_vectors(folder, texts):
    from model2vec import StaticModel

    model = StaticModel.from_pretrained(folder, normalize=True, max_length=None)
    return model.encode(texts, use_multiprocessing=False)


def sentence_transformers_vectors(folder, texts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu")
        return model.encode(texts, normalize_embeddings=True)


ORACLES = [model2vec_vectors, sentence_transformers_vectors]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The embedded model in the published layout, and the check of it."""
    folder = tmp_path_factory.mktemp("published") / "embedded"
    return folder, export_static(load_encoder(), folder, SENTENCES)


@pytest.mark.parametrize("oracle", ORACLES)
def test_both_libraries_read_the_embedded_model_once_exported_and_agree(oracle, published):
    folder, check = published
    assert np.allclose(oracle(folder, SENTENCES), load_encoder().encode(SENTENCES), atol=1e-5)
    assert check.lowest_cosine > 0.9999
    assert "# interlingua-embedded" in (folder / "README.md").read_text()


def test_an_int4_folder_is_read_as_the_values_it_holds(tiny_tokenizer, tmp_path):
    table = np.random.default_rng(0).normal(size=(tiny_tokenizer.get_vocab_size(), 128)).astype(np.float32)
    write_static_folder(tmp_path / "model", tiny_tokenizer, table, card="# tiny\n", rows="int4")
    encoder = StaticEncoder.from_folder(tmp_path / "model")
    held = encoder.piece_vectors()
    assert not held[0].any()  # the unknown piece
    assert (unit_rows(held) * unit_rows(table)).sum(axis=1)[1:].min() > 0.98
    write_static_folder(tmp_path / "plain", tiny_tokenizer, held, card="# tiny\n", rows="float32")
    plain = StaticEncoder.from_folder(tmp_path / "plain")
    assert np.allclose(plain.encode(SENTENCES), encoder.encode(SENTENCES), atol=1e-6)


def test_rows_of_another_kind_are_refused(tiny_tokenizer, tmp_path):
    with pytest.raises(InputError, match="rows is 'int3'; it is one of float32, int8, int4"):
        write_static_folder(
            tmp_path / "m", tiny_tokenizer, np.zeros((9, 64), np.float32), card="", rows="int3"
        )


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("rows", ["float32", "int8"])
def test_both_libraries_read_a_float32_or_int8_folder(oracle, rows, tiny_tokenizer, tmp_path):
    table = np.random.default_rng(0).normal(size=(tiny_tokenizer.get_vocab_size(), 12)).astype(np.float32)
    write_static_folder(tmp_path / "model", tiny_tokenizer, table, card="# tiny\n", rows=rows)
    ours = StaticEncoder.from_folder(tmp_path / "model").encode(SENTENCES)
    assert np.allclose(oracle(tmp_path / "model", SENTENCES), ours, atol=1e-5)


@pytest.fixture(scope="module")
def tiny_tokenizer():
    from interlingua.training.vocabulary import unigram_tokenizer

    letters = [(chr(c), -8.0) for c in range(97, 123)]
    words = [("▁parcel", -3.0), ("▁paket", -3.0), ("▁has", -2.5), ("▁not", -2.0), ("▁", -4.0), ("荷物", -3.0)]
    return unigram_tokenizer([("<unk>", 0.0), *letters, *words])


def wordpiece_tokenizer():
    """As BERT models have it: lower case, punctuation apart, [UNK] for what it does not know."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "my", "parcel", "par", "##cel", "has", "not", ".", "ok", "a"]
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return tokenizer


def byte_level_tokenizer():
    """As GPT-2 has it: a space belongs to the word after it, so words alone do not suffice."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@pytest.mark.parametrize(
    "tokenizer", [wordpiece_tokenizer(), byte_level_tokenizer()], ids=["wordpiece", "bytes"]
)
def test_a_model2vec_folder_with_weights_and_mapping_gives_the_same_vectors(tokenizer, tmp_path):
    from model2vec import StaticModel

    rng = np.random.default_rng(1)
    pieces = tokenizer.get_vocab_size()
    theirs = StaticModel(
        rng.normal(size=(7, 10)).astype(np.float32),
        tokenizer,
        normalize=True,
        weights=rng.random(pieces).astype(np.float32),
        token_mapping=rng.integers(0, 7, pieces),
        max_length=None,
    )
    theirs.save_pretrained(tmp_path / "model")
    ours = StaticEncoder.from_folder(tmp_path / "model").encode(SENTENCES)
    assert np.allclose(theirs.encode(SENTENCES, use_multiprocessing=False), ours, atol=1e-5)


@pytest.mark.parametrize(
    "tokenizer", [wordpiece_tokenizer(), byte_level_tokenizer()], ids=["wordpiece", "bytes"]
)
def test_a_sentence_transformers_folder_gives_the_same_vectors(tokenizer, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=9)], device="cpu")
        model.save(str(tmp_path / "model"))
    ours = StaticEncoder.from_folder(tmp_path / "model").encode(SENTENCES)
    assert np.allclose(model.encode(SENTENCES, normalize_embeddings=True), ours, atol=1e-5)


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("▁"), max_size=8)


@settings(max_examples=300, deadline=None)
@given(st.lists(WORDS, max_size=6), st.sampled_from([" ", "  ", "\u00a0", "\n", "\u3000"]))
@example(["x¨", "¨", "´a"], " ")
@example(["\u0301a", "a\u0301"], " ")
@example(["▁b", "x", "▁b"], " ")
def test_word_by_word_equals_whole_text_for_any_text(words, space):
    encoder = load_encoder()
    text = space.join(words)
    whole = encoder._sum_whole([text])
    by_words = encoder._sum_batch([text])
    assert np.allclose(by_words, whole, atol=1e-4)


@pytest.mark.parametrize("room", [1, 4, 8, 20])
def test_words_forgotten_when_memory_is_full_change_nothing(room):
    small = StaticEncoder(read_static_folder(EMBEDDED_FOLDER), name="small", remembered_words=room)
    texts = [f"{word} {other} parcel" for word in SENTENCES[0].split() for other in SENTENCES[7].split()]
    for _ in range(3):
        for text in texts:
            assert np.allclose(small.encode([text]), load_encoder().encode([text]), atol=1e-6)
        assert np.allclose(small.encode(texts), load_encoder().encode(texts), atol=1e-6)
    assert len(small._slots) <= room


def test_what_is_used_most_is_remembered_longest():
    small = StaticEncoder(read_static_folder(EMBEDDED_FOLDER), name="small", remembered_words=8)
    small.encode(["parcel parcel parcel"])
    for i in range(40):
        small.encode([f"number{i} parcel"])
    assert "parcel" in small._slots
    assert "number1" not in small._slots


def test_a_text_of_a_million_words_is_encoded_whole():
    encoder = load_encoder()
    assert np.allclose(encoder.encode(["late parcel " * 500_000]), encoder.encode(["late parcel"]), atol=1e-3)


def test_threads_share_one_encoder():
    from concurrent.futures import ThreadPoolExecutor

    encoder = StaticEncoder.from_folder(EMBEDDED_FOLDER)
    batches = [[f"parcel {i} number{i * j}" for i in range(400)] for j in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(encoder.encode, batches))
    for batch, vectors in zip(batches, found, strict=True):
        assert np.allclose(vectors, load_encoder().encode(batch), atol=1e-5)


def test_what_stands_in_a_batch_changes_no_vector():
    encoder = load_encoder()
    together = encoder.encode(SENTENCES)
    alone = np.concatenate([encoder.encode([text]) for text in SENTENCES])
    assert np.allclose(together, alone, atol=1e-6)


def test_every_text_has_a_vector():
    texts = ["🙂", "\u1f9d\u2047", "𐍈𐍂", "12345", "!?", "ꙮ", "\U0001f9ff"]
    assert np.allclose(np.linalg.norm(load_encoder().encode(texts), axis=1), 1, atol=1e-5)


def broken_folders(tmp_path, tokenizer):
    table = np.zeros((tokenizer.get_vocab_size(), 4), np.float32)
    write_static_folder(tmp_path / "model", tokenizer, table, card="# tiny\n")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_folder_cut_short_names_the_file(name, tmp_path, tiny_tokenizer):
    folder = broken_folders(tmp_path, tiny_tokenizer)
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=name):
        StaticEncoder.from_folder(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_folder_with_a_file_missing_says_which(name, tmp_path, tiny_tokenizer):
    folder = broken_folders(tmp_path, tiny_tokenizer)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        StaticEncoder.from_folder(folder)


def test_a_table_with_too_few_rows_is_refused(tmp_path, tiny_tokenizer):
    table = np.zeros((tiny_tokenizer.get_vocab_size() - 1, 4), np.float32)
    write_static_folder(tmp_path / "model", tiny_tokenizer, table, card="# tiny\n")
    with pytest.raises(ModelError, match="pieces"):
        StaticEncoder.from_folder(tmp_path / "model")


def test_the_fingerprint_follows_the_weights(tmp_path, tiny_tokenizer):
    prints = set()
    for value in (0.0, 1.0, 1.0):
        table = np.full((tiny_tokenizer.get_vocab_size(), 4), value, np.float32)
        table[0, 0] = 2
        write_static_folder(tmp_path / "model", tiny_tokenizer, table, card="# tiny\n")
        prints.add(StaticEncoder.from_folder(tmp_path / "model").fingerprint)
    assert len(prints) == 2
