"""The one-way flow, the light core, and the size of files, held over the syntax trees."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "interlingua"
ORDER = [
    {"errors", "types"},
    {"text", "languages", "vectors", "storage", "lines", "files", "writing"},
    {"encoders", "indexes"},
    {"collections"},
    {"tasks"},
    {"evaluation", "training", "distributed"},
    {"cli", "server"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
HEAVY = {
    "torch",
    "sentence_transformers",
    "transformers",
    "model2vec",
    "faiss",
    "pyarrow",
    "sentencepiece",
    "py3langid",
    "onnx",
    "onnxruntime",
    "openvino",
    "httpx",
    "tenacity",
    "huggingface_hub",
}
MODULES = sorted(SOURCE.rglob("*.py"))


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("interlingua."):
            yield node.module.split(".")[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_imports_only_what_stands_to_its_left(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    for other in imported_rooms(ast.parse(path.read_text(encoding="utf-8"))):
        beside = RANK[other] == RANK[room] > 1 and other != room
        assert RANK[other] <= RANK[room]
        assert not beside or (room, other) == ("training", "evaluation")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_is_under_three_hundred_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300


def modules_loaded_by(code):
    program = f"{code}\nimport sys; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import interlingua",
        "import interlingua; interlingua.search(['late parcel'], ['Das Paket ist spät.'])",
        "import interlingua.cli.app; interlingua.cli.app.app",
    ],
)
def test_the_core_loads_no_heavy_package(code):
    assert not HEAVY & modules_loaded_by(code)


def test_import_alone_loads_not_even_numpy():
    assert "numpy" not in modules_loaded_by("import interlingua")


def test_every_public_name_can_be_had():
    import interlingua

    for name in interlingua.__all__:
        assert getattr(interlingua, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = interlingua.nothing
