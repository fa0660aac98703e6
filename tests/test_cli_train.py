"""`interlingua train static` and `interlingua distil` as programs: a whole run, a stop, what they refuse."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from cli_runs import BAD_USE, DONE, FAILURE, INTERRUPTED, found, said
from test_training import sentence_pairs
from tiny_models import bert_sentence_transformer

SMALL = ["--vocabulary-size", "340", "--dim", "16", "--threads", "1"]


@pytest.fixture
def pair_file(tmp_path):
    path = tmp_path / "words.en-de.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in sentence_pairs(500)), encoding="utf-8")
    return path


def test_a_trained_folder_is_a_model(run_cli, pair_file, tmp_path):
    done = run_cli("train", "static", pair_file, "-o", "model", "--pairs", "9000", *SMALL)
    assert done.returncode == DONE, done.stderr
    assert "500 pairs from 1 files" in done.stderr
    assert "held-out pairs" in done.stderr
    (tmp_path / "texts.txt").write_text("hund rot\nkatze klein\n", encoding="utf-8")
    hits = found(run_cli("search", "texts.txt", "hund rot", "--model", "model"))
    assert hits[0]["text"] == "hund rot"
    assert not (tmp_path / "model.unfinished").exists()


def test_a_teacher_is_distilled_from_pairs_and_single_texts(run_cli, pair_file, tmp_path):
    teacher = bert_sentence_transformer(tmp_path / "teacher")
    (tmp_path / "english.txt").write_text("the red cat\n" * 40, encoding="utf-8")
    done = run_cli(
        "distil",
        teacher,
        pair_file,
        "english.txt",
        "-o",
        "model",
        "--pairs",
        "9000",
        "--teacher-engine",
        "onnx",
        *SMALL,
    )
    assert done.returncode == DONE, done.stderr
    assert "540 pairs from 2 files" in done.stderr
    assert not (tmp_path / "model.unfinished").exists()


@pytest.mark.usefixtures("sigint_heeded")
def test_a_run_stopped_by_hand_says_so_and_goes_on_later(run_cli, pair_file, tmp_path):
    call = ["train", "static", str(pair_file), "-o", "model", "--pairs", "400000", *SMALL]
    run = subprocess.Popen(
        [sys.executable, "-m", "interlingua", *call], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    while not list((tmp_path / "model.unfinished").glob("vocabulary-*.json")):
        assert run.poll() is None
        time.sleep(0.1)
    time.sleep(2)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == INTERRUPTED
    assert "Traceback" not in err
    assert "call the same command again to go on" in err
    assert (tmp_path / "model.unfinished" / "state.safetensors").exists()
    assert not (tmp_path / "model").exists()
    other = run_cli(*call, "--seed", "9")
    assert "another recipe" in said_last(other, BAD_USE)
    assert run_cli(*call[:5], "--pairs", "400000", *SMALL).returncode == DONE
    assert (tmp_path / "model" / "model.safetensors").exists()


def said_last(done, code):
    assert done.returncode == code
    return done.stderr.strip().splitlines()[-1]


def test_a_missing_teacher_is_named_in_one_line(run_cli, pair_file):
    done = run_cli("distil", "./no-such-teacher", pair_file, "-o", "model", *SMALL)
    assert "no-such-teacher" in said_last(done, FAILURE)
    assert "Traceback" not in done.stderr
    assert not pair_file.with_name("model.unfinished").exists()


def test_a_teacher_without_name_or_choices_without_a_teacher_are_refused(run_cli, pair_file):
    for call in (["distil", ""], ["train", "static", "--teacher", " "]):
        told = said(run_cli(*call, pair_file, "-o", "model"), BAD_USE)
        assert told == "The teacher's name is empty; give a folder, a name on the hub, or an address."
    told = said(run_cli("train", "static", pair_file, "-o", "model", "--teacher-engine", "onnx"), BAD_USE)
    assert "engine: there is no teacher; name one with --teacher MODEL." in told


def test_a_folder_with_other_files_is_never_replaced(run_cli, pair_file, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("three years", encoding="utf-8")
    assert "holds other files" in said(run_cli("train", "static", pair_file, "-o", "thesis", *SMALL), FAILURE)
    assert (tmp_path / "thesis" / "thesis.txt").read_text(encoding="utf-8") == "three years"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one column\n", "one column"),
        (b"a\tb\n" * 10, "too few"),
        (b"a\t\xff\n", "not UTF-8"),
        (b"", "No pair to train on"),
    ],
)
def test_pairs_that_cannot_be_used_are_refused_in_one_line(run_cli, tmp_path, content, message):
    (tmp_path / "pairs.tsv").write_bytes(content)
    done = run_cli("train", "static", "pairs.tsv", "-o", "model", *SMALL)
    assert message in said_last(done, BAD_USE)
    assert "Traceback" not in done.stderr


def test_a_folder_that_cannot_take_the_model_is_refused_before_training(run_cli, pair_file):
    assert "does not exist" in said(run_cli("train", "static", pair_file, "-o", "no/such/model"), FAILURE)
