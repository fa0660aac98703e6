"""Training on pairs written here: the loss, the vocabulary, the whole run, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import reference
from interlingua.encoders.static import StaticEncoder
from interlingua.errors import InputError
from interlingua.training.batches import Batches
from interlingua.training.checkpoint import open_workplace
from interlingua.training.contrastive import contrastive_gradient, false_negatives
from interlingua.training.distillation import distillation_gradient, neighbour_gradient, teacher_neighbours
from interlingua.training.held_out import held_out_anchors, held_out_rows, translated
from interlingua.training.model_card import model_card
from interlingua.training.optimise import _weights
from interlingua.training.pairs import draw_rows, file_probabilities, read_excluded, read_pairs
from interlingua.training.recipe import Optimisation, Recipe, Sampling, Vocabulary, load_recipe, suited
from interlingua.training.static import train_static, write_trained
from interlingua.training.tokens import TokenRows, cut_bags, join_bags
from interlingua.vectors import unit_rows

ENGLISH = "the cat dog house tree bread water late parcel red green small big old new".split()
GERMAN = "die katze hund haus baum brot wasser spät paket rot grün klein groß alt neu".split()


def sentence_pairs(count, seed=0):
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(len(ENGLISH), 3, replace=False) for _ in range(count)]
    return [(" ".join(ENGLISH[i] for i in row), " ".join(GERMAN[i] for i in row)) for row in drawn]


@pytest.fixture
def pair_file(tmp_path):
    path = tmp_path / "words.en-de.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in sentence_pairs(2000)), encoding="utf-8")
    return path


SMALL = Recipe(
    name="small",
    dimension=16,
    held_out=50,
    vocabulary=Vocabulary(size=340, lines=2000),
    optimisation=Optimisation(pairs=40_000, batch_size=256, warmup_steps=5, learning_rate=0.05),
)


@pytest.mark.parametrize("rows_at_once", [1, 4, 512])
def test_the_loss_and_its_gradient_match_the_definition(rows_at_once, monkeypatch):
    monkeypatch.setattr("interlingua.training.contrastive.ROWS_AT_ONCE", rows_at_once)
    rng = np.random.default_rng(3)
    anchors, positives = (unit_rows(rng.normal(size=(6, 4))) for _ in range(2))
    same = np.zeros((6, 6), bool)
    same[1, 4] = same[4, 1] = True
    loss, by_anchors, by_positives = contrastive_gradient(
        torch.from_numpy(anchors),
        torch.from_numpy(positives),
        torch.from_numpy(same),
        scale=5.0,
        matmul=torch.float32,
    )
    assert loss == pytest.approx(reference.contrastive_loss(anchors, positives, same, 5.0), abs=1e-5)
    a, p = (torch.tensor(rows, dtype=torch.float64, requires_grad=True) for rows in (anchors, positives))
    scores = (5.0 * a @ p.T).masked_fill(torch.from_numpy(same), -torch.inf)
    target = torch.arange(6)
    cross_entropy = torch.nn.functional.cross_entropy
    (6 * (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2).backward()
    assert np.allclose(by_anchors.numpy(), a.grad.numpy(), atol=1e-4)
    assert np.allclose(by_positives.numpy(), p.grad.numpy(), atol=1e-4)


def test_pairs_that_share_either_side_are_no_negatives():
    same = false_negatives(torch.tensor([1, 1, 2, 3]), torch.tensor([5, 6, 7, 7]))
    assert same.nonzero().tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]


def test_equal_second_sides_have_equal_checksums(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("thanks\tdanke\nthank you\tdanke\nplease\tbitte\n", encoding="utf-8")
    first, second, third = read_pairs([path]).other_of
    assert first == second != third


def test_the_pull_of_the_teacher_matches_the_definition():
    rng = np.random.default_rng(5)
    students, teachers = (
        torch.from_numpy(unit_rows(rng.normal(size=(7, 4)))),
        unit_rows(rng.normal(size=(7, 6))),
    )
    projection = torch.from_numpy(rng.normal(size=(4, 6)).astype(np.float32))
    cosine, by_students, by_projection = distillation_gradient(
        students, torch.from_numpy(teachers), projection, matmul=torch.float32
    )
    s, p = (t.double().requires_grad_(True) for t in (students, projection))
    cosines = torch.nn.functional.cosine_similarity(s @ p, torch.from_numpy(teachers).double())
    (1 - cosines).sum().backward()
    assert cosine == pytest.approx(cosines.mean().item(), abs=1e-5)
    assert np.allclose(by_students.numpy(), s.grad.numpy(), atol=1e-4)
    assert np.allclose(by_projection.numpy(), p.grad.numpy(), atol=1e-4)


def test_the_divergence_of_neighbours_matches_the_definition():
    rng = np.random.default_rng(6)
    queries, students, teachers = (torch.from_numpy(unit_rows(rng.normal(size=(6, 4)))) for _ in range(3))
    near = teacher_neighbours(teachers, scale=3.0, matmul=torch.float32)
    by_queries, by_students = neighbour_gradient(queries, students, near, scale=3.0, matmul=torch.float32)
    a, b = (t.double().requires_grad_(True) for t in (queries, students))
    others = ~torch.eye(6, dtype=torch.bool)
    total = 0
    for i in range(6):
        p = (3.0 * teachers[i].double() @ teachers.double().T)[others[i]].softmax(0)
        q = (3.0 * a[i] @ b.T)[others[i]].softmax(0)
        total = total + (p * (p / q).log()).sum()
    total.backward()
    assert np.allclose(by_queries.numpy(), a.grad.numpy(), atol=1e-4)
    assert np.allclose(by_students.numpy(), b.grad.numpy(), atol=1e-4)


def run(pairs, recipe, folder, threads=1):
    return train_static(pairs, recipe, open_workplace(folder, pairs, recipe), threads=threads)


def test_training_finds_translations_of_words_it_saw(pair_file, tmp_path):
    pairs = read_pairs([pair_file])
    trained = run(pairs, SMALL, tmp_path / "work")
    assert trained.before.found < 0.2
    assert trained.after.found > 0.8
    assert trained.after.agreement is None
    write_trained(tmp_path / "model", trained, SMALL, model_card(trained, SMALL, pairs))
    encoder = StaticEncoder.from_folder(tmp_path / "model")
    assert (encoder.encode(["red house"]) @ encoder.encode(["haus rot", "brot klein"]).T).argmax() == 0
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert "2,000 pairs" in card
    assert "words" in card


def test_the_same_seed_repeats_the_table(pair_file, tmp_path):
    pairs = read_pairs([pair_file])
    first, second = (run(pairs, SMALL, tmp_path / name).table for name in ("one", "two"))
    assert np.array_equal(first, second)


def test_a_length_power_of_none_leaves_rows_of_one_length(pair_file, tmp_path):
    trained = run(read_pairs([pair_file]), replace(SMALL, length_power=0.0), tmp_path / "work")
    assert np.allclose(np.linalg.norm(trained.table, axis=1), 1, atol=1e-5)
    assert trained.after.found > 0.5


def test_a_table_is_trained_with_more_columns_than_it_keeps(pair_file, tmp_path):
    trained = run(
        read_pairs([pair_file]), replace(SMALL, dimension=8, training_dimension=24), tmp_path / "work"
    )
    assert trained.table.shape[1] == 8
    assert trained.after.found > trained.before.found + 0.2


def test_the_card_tells_what_was_drawn_and_what_was_done_to_the_table(pair_file, tmp_path):
    (tmp_path / "other.en-fr.tsv").write_text("the cat\tle chat\n" * 9, encoding="utf-8")
    pairs = read_pairs([pair_file, tmp_path / "other.en-fr.tsv"])
    recipe = replace(
        SMALL,
        sampling=Sampling(0.5, {"other": 0.0}),
        dimension=8,
        training_dimension=16,
        length_power=0.8,
        optimisation=replace(SMALL.optimisation, pairs=600),
    )
    card = model_card(run(pairs, recipe, tmp_path / "work"), recipe, pairs)
    assert '- "fr"' not in card
    assert "| other |" not in card
    assert "draws from\n2,000 pairs" in card
    assert (
        "trained with 16 columns, the least dropped. Each row's length was raised to the power 0.8." in card
    )


def test_languages_without_weight_are_told(pair_file, tmp_path):
    recipe = replace(SMALL, vocabulary=replace(SMALL.vocabulary, language_weights={"de": 0.0}))
    with pytest.raises(InputError, match="Every language of these pairs has weight 0"):
        run(read_pairs([pair_file]), recipe, tmp_path / "work")


def test_dropout_leaves_pieces_out_of_sums_and_repeats_by_seed(pair_file, tmp_path):
    pairs = read_pairs([pair_file])
    recipe = replace(SMALL, optimisation=replace(SMALL.optimisation, pairs=2560, dropout=0.5))
    first, again = (run(pairs, recipe, tmp_path / name) for name in "ab")
    without = run(
        pairs, replace(recipe, optimisation=replace(recipe.optimisation, dropout=0.0)), tmp_path / "c"
    )
    np.testing.assert_array_equal(first.table, again.table)
    assert np.abs(first.table - without.table).max() > 0.01
    assert first.loss > without.loss


def test_the_teachers_weight_falls_to_its_final_share_as_the_rate_falls_to_none():
    recipe = replace(SMALL, teacher=replace(SMALL.teacher, final_share=0.25))
    steps = [_weights(recipe, step, 100) for step in (0, 10, 50, 99)]
    assert [round(w.teacher, 3) for w in steps] == [1, 0.925, 0.625, 0.258]
    assert [round(w.rate, 3) for w in steps] == [0.2, 0.9, 0.5, 0.01]
    assert _weights(SMALL, 99, 100).teacher == 1


def test_held_out_anchors_are_never_drawn(pair_file):
    pairs = read_pairs([pair_file])
    held = np.zeros(len(pairs.anchors), bool)
    held[:200] = True
    rows = TokenRows(np.zeros(len(pairs), np.int32), np.arange(len(pairs) + 1))
    batches = Batches(pairs, rows, rows, np.ones(1), held)
    _, anchors = batches.draw(500, np.random.default_rng(0))
    assert len(anchors) == 500
    assert (anchors >= 200).all()


def test_bags_are_cut_and_joined_in_order():
    rows = TokenRows(np.array([1, 2, 3, 4, 5], np.int32), np.array([0, 2, 2, 5]))
    cut = cut_bags(rows, np.array([2, 1, 0]))
    assert cut.ids.tolist() == [3, 4, 5, 1, 2]
    assert cut.offsets.tolist() == [0, 3, 3, 5]
    assert join_bags(cut, rows).offsets.tolist() == [0, 3, 3, 5, 7, 7, 10]


def test_weights_decide_how_often_a_file_is_drawn(tmp_path):
    for name, count in (("words.en-de.tsv", 400), ("talk.en-de.tsv", 100), ("talk.en-fr.tsv", 100)):
        lines = "".join(f"{name} {i}\tx{i}\n" for i in range(count))
        (tmp_path / name).write_text(lines, encoding="utf-8")
    pairs = read_pairs([tmp_path])
    probability = file_probabilities(pairs, Sampling(1.0, {"words": 0.25}))
    share = {f"{f.source}.{f.language}": p for f, p in zip(pairs.files, probability, strict=True)}
    assert share == pytest.approx({"words.de": 1 / 3, "talk.de": 1 / 3, "talk.fr": 1 / 3})
    rows = draw_rows(pairs, probability, 3000, np.random.default_rng(0))
    assert np.mean(rows < 100) == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("only one column\n", "line 1: one column"),
        ("\n\n", r"No pair to train on in 1 file\(s\): 2 rows have no text on one side, 0 are excluded"),
        ("a\t\n\tb\n", "No pair to train on"),
    ],
)
def test_pairs_that_are_none_are_refused(content, message, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_pairs([path])


def test_a_file_of_pairs_excludes_each_of_its_sides(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("the cat\tdie Katze\nthe dog\tder Hund\n", encoding="utf-8")
    (tmp_path / "test.tsv").write_text("THE CAT!\tanything\n", encoding="utf-8")
    assert read_pairs([path], exclude=read_excluded([tmp_path / "test.tsv"])).excluded == 1


def test_where_all_pairs_are_excluded_that_is_said(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("the cat\tdie Katze\n", encoding="utf-8")
    with pytest.raises(InputError, match="0 rows have no text on one side, 1 are excluded"):
        read_pairs([path], exclude=read_excluded([path]))


@pytest.mark.parametrize("name", ["p.jsonl", "p.csv", "P.CSV", "p.jsonl.gz", "p.parquet"])
def test_files_of_another_kind_are_no_pairs(name, tmp_path):
    (tmp_path / name).write_text("the cat,die Katze\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"{name} is no file of pairs; give TSV"):
        read_pairs([tmp_path / name], single_texts=True)


def test_a_test_set_as_csv_is_excluded_whole_or_not_at_all(tmp_path):
    path = tmp_path / "TEST.CSV"
    path.write_text("first;second;score\nThe cat;A cat;4,2\n", encoding="utf-8")
    assert read_excluded([path]) >= {"thecat", "acat"}
    path.write_text('"The cat sat,A cat,4.2\n' + "A dog,The dog,5\n" * 10_000, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"TEST\.CSV, line 1: a quote opens in this row and never closes; mend"
    ):
        read_excluded([path])


def test_test_sets_in_tables_and_folders_below_are_excluded(tmp_path):
    (tmp_path / "test" / "below").mkdir(parents=True)
    (tmp_path / "test" / "below" / "sts.csv").write_text('"The cat, asleep",A cat,4.2\n', encoding="utf-8")
    assert read_excluded([tmp_path / "test"]) >= {"thecatasleep", "acat"}
    (tmp_path / "test" / "sts.jsonl").write_text('{"text": "x"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"sts.jsonl cannot be excluded; give its texts as"):
        read_excluded([tmp_path / "test"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no text to exclude"):
        read_excluded([tmp_path / "empty"])


def test_vowel_signs_tell_words_apart(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("of\tकि\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("का\n", encoding="utf-8")
    assert read_pairs([path], exclude=read_excluded([tmp_path / "test.txt"])).excluded == 0


def test_lines_passed_over_are_counted(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(b"a\tb\n\xff\tc\none column\nd\te\n")
    pairs = read_pairs([path], errors="skip")
    assert (len(pairs), pairs.skipped) == (2, 2)


def test_pairs_of_one_text_are_refused(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"same\tword{i}\n" for i in range(40)), encoding="utf-8")
    with pytest.raises(InputError, match="different texts"):
        run(read_pairs([path]), SMALL, tmp_path / "work")


@pytest.mark.parametrize(("strings", "languages"), [(20, 40), (100, 10), (2, 30)])
def test_few_texts_in_many_languages_keep_nine_tenths_for_training(strings, languages, tmp_path):
    for language in range(languages):
        lines = "".join(f"text {i}\tword{i} in {language}\n" for i in range(strings))
        (tmp_path / f"ui.en-x{chr(97 + language // 26)}{chr(97 + language % 26)}.tsv").write_text(lines)
    pairs = read_pairs([tmp_path])
    probability = file_probabilities(pairs, Sampling())
    rows = held_out_rows(pairs, probability, 1000, np.random.default_rng(0))
    out = held_out_anchors(pairs, rows)[pairs.anchor_of].sum()
    assert out <= len(pairs) / 10
    assert out >= len(pairs) / 10 - languages
    assert len(set(pairs.anchor_of[rows])) == len(rows)


def test_a_frequent_first_side_does_not_take_the_room_of_all_held_out_rows(tmp_path):
    path = tmp_path / "p.tsv"
    often = [f"OK\tgut {i}" for i in range(400)]
    path.write_text("\n".join([*often, *(f"{a}\t{b}" for a, b in sentence_pairs(600))]), encoding="utf-8")
    pairs = read_pairs([path])
    rows = held_out_rows(pairs, np.ones(1), 100, np.random.default_rng(0))
    assert len(rows) > 40
    assert pairs.anchors.index("OK") not in pairs.anchor_of[rows]


def test_a_text_that_pairs_with_itself_is_no_held_out_translation(tmp_path):
    path = tmp_path / "texts.tsv"
    path.write_text("same\tsame\none\tother\n", encoding="utf-8")
    assert translated(read_pairs([path]), np.array([0, 1])).tolist() == [1]


def test_every_file_of_a_folder_is_read_but_the_one_that_describes_them(tmp_path):
    for name in ("news.en-de.tsv", "glossary.tsv", "report.2024-05.tsv", "SOURCES.tsv"):
        (tmp_path / name).write_text(f"{name}\tx\n", encoding="utf-8")
    languages = {file.path.name: file.language for file in read_pairs([tmp_path]).files}
    assert languages == {"news.en-de.tsv": "de", "glossary.tsv": "und", "report.2024-05.tsv": "und"}


def test_too_few_pairs_are_refused(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n" * 10, encoding="utf-8")
    with pytest.raises(InputError, match="10 pairs are too few"):
        run(read_pairs([path]), SMALL, tmp_path / "work")


def test_rows_with_an_empty_side_are_counted(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n\tc\nd\t \n", encoding="utf-8")
    pairs = read_pairs([path])
    assert (len(pairs), pairs.skipped) == (1, 2)


def test_excluded_sentences_are_left_out_whatever_their_case_and_punctuation(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "lines.de").write_text("Wo ist die Katze?\n...\n", encoding="utf-8")
    path = tmp_path / "pairs.tsv"
    path.write_text("Where?\two ist DIE katze\nthe dog\tder Hund\n!\t?\n", encoding="utf-8")
    pairs = read_pairs([path], exclude=read_excluded([tmp_path / "test"]))
    assert (pairs.others, pairs.excluded) == (["der Hund", "?"], 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("dimensions = 3\n", "unknown setting dimensions"),
        ("[sampling]\nfoo = 1\n", "unknown setting foo"),
        ("dimension = \n", "no TOML"),
        ('dimension = "big"\n', "like its default"),
        ("seed = -1\n", "below 0"),
        ('[optimisation]\nmatmul = "int4"\n', "matmul"),
        ('rows = "int3"\n', "rows is 'int3'"),
        ('rows = "int4"\ndimension = 100\n', "int4 rows take a multiple of 64"),
        ("dimension = 0\n", "at least 2"),
        ("dimension = 9\ntraining_dimension = 8\n", "training_dimension is 8; it must be 0 or at least 9"),
        ('[sampling.source_weights]\nnews = "low"\n', "news = 'low'; a weight is a number from 0"),
        ("[vocabulary]\nanchor_share = 2\n", "anchor_share is 2"),
        ("[vocabulary]\ncharacter_coverage = 2\n", "character_coverage is 2"),
        ("[optimisation]\ndropout = 1.0\n", "dropout is 1.0; it must be below 1"),
        ("[optimisation]\nscale = 120.0\n", "scale is 120.0; it must be above 0 and at most 80"),
        ("[optimisation]\nlearning_rate = nan\n", "learning_rate is nan; it must be a finite number"),
        ("[teacher]\nneighbour_rows = 1\n", "neighbour_rows is 1; it must be at least 2"),
        ("seed = 4294967296\n", "it must be at most 4294967295"),
    ],
)
def test_a_recipe_that_says_something_unknown_is_refused(content, message, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_recipe(path)


@pytest.mark.parametrize(
    ("count", "batch", "seen"), [(20, 64, 64_000), (8000, 1000, 1_000_000), (10**6, 4096, 10**7)]
)
def test_what_a_recipe_leaves_open_follows_the_size_of_the_data(count, batch, seen):
    filled = suited(Recipe(), count).optimisation
    assert (filled.batch_size, filled.pairs) == (batch, seen)
    assert suited(SMALL, count) == SMALL


def test_the_recipe_of_the_embedded_model_is_valid():
    from pathlib import Path

    assert (
        load_recipe(Path(__file__).parent.parent / "recipes" / "embedded.toml").name == "interlingua-embedded"
    )
