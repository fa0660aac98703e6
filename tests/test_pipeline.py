"""A block of texts through an engine: equal texts, failing rows, engines of others."""

from __future__ import annotations

import numpy as np
import pytest

from counting import Lengths
from interlingua.encoders.output import encode_to_file
from interlingua.encoders.pipeline import add_reports, encode_block
from interlingua.errors import EngineDown, EngineError, InputError


def test_equal_texts_are_encoded_once():
    encoder = Lengths()
    vectors, report = encoder.encode_with_report(["abc", "", "abc", "d", "abc", "  "])
    assert sorted(encoder.seen) == ["abc", "d"]
    assert (report.encoded, report.deduplicated, report.empty) == (4, 2, 2)
    np.testing.assert_allclose(vectors[0], np.array([3, 1]) / np.sqrt(10), rtol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[4])


def test_rows_that_fail_are_set_apart_and_the_others_go_on():
    texts = ["a", "a bomb", "ccc", "nan", "e" * 9, "", "g"]
    block = encode_block(Lengths(), texts, on_error="skip")
    assert set(block.failures) == {1, 3}
    assert "invalid token" in block.failures[1]
    assert block.failures[3] == "The engine gives NaN or an infinite value."
    assert (block.report.rows, block.report.encoded, block.report.failed, block.report.empty) == (7, 4, 2, 1)
    whole = Lengths().encode([t for t in texts if t not in ("a bomb", "nan")])
    np.testing.assert_array_equal(block.vectors[[0, 2, 4, 5, 6]], whole)
    with pytest.raises(EngineError, match="Row 1 cannot be encoded: lengths fails on these texts: Non-zero"):
        encode_block(Lengths(), texts)


def test_an_engine_that_is_down_is_not_asked_row_by_row():
    encoder = Lengths()
    with pytest.raises(EngineDown):
        encode_block(encoder, ["a", "down", "c"], on_error="skip")
    assert len(encoder.seen) == 3


def test_wrong_choices_are_told():
    with pytest.raises(InputError, match="kind is 'passage'; it is one of text, query, document"):
        encode_block(Lengths(), ["a"], kind="passage")
    with pytest.raises(InputError, match="on_error is 'ignore'"):
        encode_block(Lengths(), ["a"], on_error="ignore")


def test_reports_add_up_field_by_field():
    _, one = Lengths().encode_with_report(["a", "", "a"])
    both = add_reports(one, one)
    assert (both.rows, both.encoded, both.deduplicated, both.empty) == (6, 4, 2, 2)


def test_a_users_own_encoder_runs_too(tmp_path):
    from toy import ToyEncoder

    report, _ = encode_to_file(ToyEncoder(), iter(["cat", "gato", ""]), str(tmp_path / "v.npy"))
    assert (report.encoded, report.empty) == (2, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy")[:2], ToyEncoder().encode(["cat", "gato"]))


class Foreign:
    """An encoder that is none of ours: it has what the protocol asks for, no more."""

    name, revision, dim, fingerprint = "foreign", "", 3, "f"

    def encode(self, texts):
        if "bomb" in texts:
            raise ValueError("cannot")
        return np.array([[len(t), 1, 0] if t else [0, 0, 0] for t in texts], np.float32)

    encode_query = encode_documents = encode


def test_an_encoder_that_only_follows_the_protocol_gets_the_same_care(tmp_path):
    texts = ["a", "a", "bomb", "", "ccc"]
    report, problems = encode_to_file(Foreign(), texts, tmp_path / "v.npy", on_error="skip")
    assert (report.rows, report.encoded, report.empty, report.failed) == (5, 3, 1, 1)
    assert [row for row, _, _ in problems] == [2]
    assert np.linalg.norm(np.load(tmp_path / "v.npy"), axis=1).round(5).tolist() == [1, 1, 0, 0, 1]
    assert report.deduplicated == 1
    Foreign.dim = 4
    with pytest.raises(EngineDown, match=r"gives vectors of shape \(1, 3\) for 1 texts; it must be \(1, 4\)"):
        encode_block(Foreign(), ["a"], on_error="skip")
