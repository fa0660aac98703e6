"""What a run of the command line must look like, and the texts such runs are made on."""

from __future__ import annotations

import json

import pytest

DONE, FAILURE, BAD_USE, INTERRUPTED, UNREAD = 0, 1, 2, 130, 141
READERS = ["search", "encode", "score", "languages"]
TEXTS = ["my parcel has not arrived", "mein Paket ist nicht angekommen", "la carta no ha llegado"]
QUERY = TEXTS[1]


def found(done):
    """The JSONL results of a run that went well; NaN and Infinity are no JSON."""
    assert done.returncode == DONE, done.stderr
    return [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.split("\n")[:-1]]


def said(done, code):
    """The one line on stderr of a run that did not go well."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1, done.stderr
    assert "a defect of ours" not in lines[0]
    assert lines[0].startswith("interlingua: ")
    return lines[0].removeprefix("interlingua: ")


def usage_error(done):
    """What Click says of a call that cannot be meant."""
    assert done.returncode == BAD_USE, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("Usage: ")
    assert "Traceback" not in done.stderr
    return done.stderr
