"""Distillation from a teacher, and runs that are stopped and go on."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from interlingua import load_encoder
from interlingua.encoders import EMBEDDED
from interlingua.encoders.export import export_model
from interlingua.encoders.static import StaticEncoder
from interlingua.errors import EngineDown, InputError, ModelError, OutputError
from interlingua.training.checkpoint import open_workplace
from interlingua.training.model_card import model_card
from interlingua.training.pairs import read_pairs
from interlingua.training.recipe import Optimisation, Teacher
from interlingua.training.static import train_static
from interlingua.training.teacher import is_taught, open_teacher, teacher_file, teacher_vectors
from test_training import SMALL, sentence_pairs
from tiny_models import bert_sentence_transformer

SHORT = replace(SMALL, optimisation=Optimisation(pairs=20_000, batch_size=256, warmup_steps=5))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return bert_sentence_transformer(tmp_path_factory.mktemp("teacher") / "model")


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "words.en-de.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in sentence_pairs(1500)), encoding="utf-8")
    return read_pairs([path])


TEXTS = [a for a, _ in sentence_pairs(30)]


def opened(workplace, model, **choices):
    return open_teacher(Teacher(model, **choices), TEXTS, workplace)


def similarities(vectors):
    return (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]


def test_a_student_takes_over_what_its_teacher_finds_near(pairs, teacher, tmp_path):
    from sentence_transformers import SentenceTransformer

    texts = [a for a, _ in sentence_pairs(60, seed=9)]
    theirs = similarities(
        SentenceTransformer(str(teacher), device="cpu").encode(texts, normalize_embeddings=True)
    )
    agreement = {}
    for name, wish in (("alone", Teacher()), ("taught", Teacher(model=str(teacher), weight=30.0))):
        recipe = replace(SHORT, teacher=wish)
        trained = train_static(pairs, recipe, open_workplace(tmp_path / name, pairs, recipe), threads=1)
        from interlingua.training.static import write_trained

        write_trained(tmp_path / f"{name}-model", trained, recipe, "# model\n")
        ours = StaticEncoder.from_folder(tmp_path / f"{name}-model").encode(texts)
        agreement[name] = np.corrcoef(similarities(ours), theirs)[0, 1]
    assert agreement["taught"] > agreement["alone"] + 0.1


def test_teacher_vectors_go_on_after_a_stop(teacher, tmp_path, monkeypatch):
    monkeypatch.setattr("interlingua.training.teacher.BLOCK", 10)
    texts = [a for a, _ in sentence_pairs(35)]
    model = opened(tmp_path, str(teacher))
    whole = np.array(teacher_vectors(model, texts, tmp_path / "whole.npy"))

    def stop_at_twenty(done, total):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        teacher_vectors(model, texts, tmp_path / "parts.npy", on_rows=stop_at_twenty)
    begun = []
    rest = teacher_vectors(
        model, texts, tmp_path / "parts.npy", on_rows=lambda done, total: begun.append(done)
    )
    assert begun == [30, 35]
    assert np.allclose(rest, whole, atol=1e-3)


def test_a_stopped_run_goes_on_to_the_same_table(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("interlingua.training.optimise.SAVE_SECONDS", 0.0)
    straight = train_static(pairs, SHORT, open_workplace(tmp_path / "straight", pairs, SHORT), threads=1)

    def stop_at_half(stage, done, total):
        if stage == "training" and done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_static(
            pairs, SHORT, open_workplace(tmp_path / "stopped", pairs, SHORT), threads=1, progress=stop_at_half
        )
    steps = []
    resumed = train_static(
        pairs,
        SHORT,
        open_workplace(tmp_path / "stopped", pairs, SHORT),
        threads=1,
        progress=lambda stage, done, total: steps.append(done) if stage == "training" else None,
    )
    assert steps[0] > 20_000 / 2
    assert np.array_equal(straight.table, resumed.table)


def test_an_unfinished_run_by_another_recipe_is_not_mixed_up(pairs, tmp_path):
    open_workplace(tmp_path / "work", pairs, SHORT)
    with pytest.raises(InputError, match="another recipe"):
        open_workplace(tmp_path / "work", pairs, replace(SHORT, seed=5))


def test_an_unfinished_run_over_other_texts_is_not_mixed_up(tmp_path):
    path = tmp_path / "p.tsv"
    for content, fits in (("cat\tgato\n" * 30, True), ("red\trojo\n" * 30, False)):
        path.write_text(content, encoding="utf-8")
        if fits:
            open_workplace(tmp_path / "work", read_pairs([path]), SHORT)
        else:
            with pytest.raises(InputError, match="other pairs"):
                open_workplace(tmp_path / "work", read_pairs([path]), SHORT)


def test_agreement_with_the_teacher_is_measured_where_texts_pair_with_themselves(teacher, tmp_path):
    path = tmp_path / "english.txt"
    path.write_text("".join(f"{a}\n" for a, _ in sentence_pairs(600)), encoding="utf-8")
    texts = read_pairs([path], single_texts=True)
    recipe = replace(SHORT, teacher=Teacher(model=str(teacher), weight=30.0))
    trained = train_static(texts, recipe, open_workplace(tmp_path / "work", texts, recipe), threads=1)
    assert (trained.before.found, trained.after.found, trained.held_out_pairs) == (None, None, 0)
    assert trained.after.agreement > trained.before.agreement + 0.1
    card = model_card(trained, recipe, texts)
    assert "correlated with the teacher's" in card
    assert "find their translation" not in card


@pytest.mark.parametrize(
    ("change", "vocabulary_serves"),
    [
        ({"dimension": 32}, True),
        ({"seed": 5}, False),
        ({"vocabulary": replace(SMALL.vocabulary, lines=900)}, False),
    ],
)
def test_costly_parts_serve_a_run_by_another_recipe(change, vocabulary_serves, pairs, teacher, tmp_path):
    recipe = replace(SHORT, teacher=Teacher(model=str(teacher), engine="onnx"))
    with open_workplace(tmp_path / "work", pairs, recipe) as workplace:
        train_static(pairs, recipe, workplace, threads=1)
        (vectors,) = workplace.folder.glob("teacher-*.npy")
        (vocabulary,) = workplace.folder.glob("vocabulary-*.json")
        for part in (*workplace.folder.glob("state*"), workplace.path("run.json")):
            part.unlink()
    made = vectors.stat().st_mtime_ns, vocabulary.stat().st_mtime_ns
    other = replace(recipe, **change)
    with open_workplace(tmp_path / "work", pairs, other) as workplace:
        train_static(pairs, other, workplace, threads=1)
        assert (vectors.stat().st_mtime_ns, vocabulary.stat().st_mtime_ns) == made
        assert (len(list(workplace.folder.glob("vocabulary-*"))) == 1) == vocabulary_serves
        workplace.remove()
    assert not (tmp_path / "work").exists()


def test_a_mark_without_vectors_is_no_teacher(teacher, tmp_path):
    (tmp_path / "t.done").write_text("3")
    model = opened(tmp_path, str(teacher))
    vectors = teacher_vectors(model, ["a cat", "a dog", "a tree"], tmp_path / "t.npy")
    assert np.allclose(np.linalg.norm(vectors.astype(np.float32), axis=1), 1, atol=1e-2)


def test_a_teacher_cut_short_is_named(teacher, tmp_path):
    copied = shutil.copytree(teacher, tmp_path / "cut")
    weights = next(copied.rglob("model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelError, match="cut"):
        opened(tmp_path, str(copied))
    with pytest.raises(ModelError, match="no installed package"):
        opened(tmp_path, "package:nope.sub")


def test_a_teacher_may_run_on_any_engine(pairs, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr("interlingua.encoders.endpoint.LONGEST_WAIT", 0.01)
    export_model(load_encoder(teacher, engine="torch"), tmp_path / "onnx", pairs.anchors[:20])
    made = {}
    for engine, folder in (("torch", teacher), ("onnx", tmp_path / "onnx"), ("onnx", teacher)):
        model = opened(tmp_path, str(folder), engine=engine)
        made[model.name] = teacher_vectors(model, pairs.anchors[:50], tmp_path / f"{len(made)}.npy")
    of_torch, of_export, of_own_export = made.values()
    assert np.allclose(of_torch, of_export, atol=2e-3)
    assert np.array_equal(of_export, of_own_export)
    assert opened(tmp_path, str(tmp_path / "onnx")).encode(["cat"]).shape == (1, of_torch.shape[1])
    assert opened(tmp_path, EMBEDDED).name == EMBEDDED
    with pytest.raises(EngineDown, match="did not answer"):
        opened(tmp_path, "http://127.0.0.1:9/v1#m")
    with pytest.raises(InputError, match="does not take device"):
        opened(tmp_path, str(tmp_path / "onnx"), engine="onnx", device="cuda")


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]"])
@pytest.mark.parametrize("part", ["run.json", "state.safetensors", "vocabulary-", "teacher-"])
def test_a_damaged_part_is_named_or_made_anew(part, damage, pairs, teacher, tmp_path):
    recipe = replace(SHORT, teacher=Teacher(model=str(teacher)))
    with open_workplace(tmp_path / "work", pairs, recipe) as workplace:
        whole = train_static(pairs, recipe, workplace, threads=1)
    (file,) = (
        file
        for file in workplace.folder.iterdir()
        if file.name.startswith(part) and file.suffix in (".json", ".safetensors", ".done")
    )
    file.write_bytes(damage)
    if part == "teacher-":
        workplace.path("state.safetensors").unlink()
        with open_workplace(tmp_path / "work", pairs, recipe) as workplace:
            assert np.array_equal(train_static(pairs, recipe, workplace, threads=1).table, whole.table)
        return

    def again():
        return train_static(pairs, recipe, open_workplace(tmp_path / "work", pairs, recipe), threads=1)

    with pytest.raises(InputError, match=f"{file.name} is damaged"):
        again()


def test_teacher_vectors_cut_short_are_made_anew(teacher, tmp_path):
    model = opened(tmp_path, str(teacher))
    whole = np.array(teacher_vectors(model, TEXTS, tmp_path / "t.npy"))
    (tmp_path / "t.npy").write_bytes((tmp_path / "t.npy").read_bytes()[:-64])
    (tmp_path / "t.done").write_text("20")
    assert np.array_equal(teacher_vectors(model, TEXTS, tmp_path / "t.npy"), whole)


def test_a_mark_whose_vectors_are_gone_is_gone_before_new_ones_are_made(teacher, tmp_path, monkeypatch):
    def stop(texts):
        raise KeyboardInterrupt

    model = opened(tmp_path, str(teacher))
    (tmp_path / "t.done").write_text("30")
    monkeypatch.setattr(model, "encode", stop)
    with pytest.raises(KeyboardInterrupt):
        teacher_vectors(model, TEXTS, tmp_path / "t.npy")
    assert not is_taught(tmp_path / "t.npy", TEXTS)


def test_a_teacher_that_was_trained_anew_is_another_one(teacher, tmp_path):
    copied = shutil.copytree(teacher, tmp_path / "copied")
    wish = Teacher(str(copied))
    assert teacher_file(wish, TEXTS) == teacher_file(Teacher(str(teacher)), TEXTS)
    weights = next(copied.rglob("model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\1")
    assert teacher_file(wish, TEXTS) != teacher_file(Teacher(str(teacher)), TEXTS)


def test_files_that_are_not_ours_are_never_removed(pairs, tmp_path):
    with open_workplace(tmp_path / "work", pairs, SHORT) as workplace:
        workplace.path("notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds other files, such as notes\.txt; move it away"):
        open_workplace(tmp_path / "work", pairs, SHORT)
    workplace.remove()
    assert [file.name for file in (tmp_path / "work").iterdir()] == ["notes.txt"]


def test_a_folder_of_something_else_is_never_taken_for_a_run(pairs, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("three years")
    with pytest.raises(OutputError, match=r"holds other files, such as thesis.txt"):
        open_workplace(tmp_path / "work", pairs, SHORT)


def test_two_runs_do_not_share_a_folder(pairs, tmp_path):
    other_run = pytest.raises(OutputError, match="Another process trains in")
    with open_workplace(tmp_path / "work", pairs, SHORT), other_run:
        open_workplace(tmp_path / "work", pairs, SHORT)
    open_workplace(tmp_path / "work", pairs, SHORT)


def test_a_teacher_that_is_missing_is_named(pairs, tmp_path):
    recipe = replace(SHORT, teacher=Teacher(model=str(tmp_path / "nowhere")))
    with pytest.raises(ModelError, match="nowhere"):
        train_static(pairs, recipe, open_workplace(tmp_path / "work", pairs, recipe))


def test_single_texts_pair_with_themselves(tmp_path):
    path = tmp_path / "english.txt"
    path.write_text("the cat\nthe dog\tder hund\n\n", encoding="utf-8")
    pairs = read_pairs([path], single_texts=True)
    assert (pairs.anchors, pairs.others, pairs.skipped) == (
        ["the cat", "the dog"],
        ["the cat", "der hund"],
        1,
    )
