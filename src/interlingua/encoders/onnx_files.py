"""Which ONNX file of a model folder to run: float32, or the int8 one made for this processor."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

from interlingua.errors import InputError, ModelError

DTYPES = ("float32", "int8")
FLOAT32_FILES = ("onnx/model.onnx", "model.onnx")
ANY_INT8_FILES = ("onnx/model_int8.onnx", "onnx/model_quantized.onnx", "model_quantized.onnx")


def onnx_files(dtype: str, cpu: str | None = None) -> tuple[str, ...]:
    """The names, best first, under which a folder may keep its ONNX file.

    The names are those that Sentence Transformers and optimum write: `model_qint8_avx512_vnni.onnx` runs
    on processors with that instruction set.

    Raises:
        InputError: an unknown dtype.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype is {dtype!r}; with ONNX it is one of {', '.join(DTYPES)}.")
    if dtype == "float32":
        return FLOAT32_FILES
    kinds = {
        "arm64": ("qint8_arm64",),
        "avx512_vnni": ("qint8_avx512_vnni", "qint8_avx512", "quint8_avx2"),
        "avx512": ("qint8_avx512", "quint8_avx2"),
        "avx2": ("quint8_avx2",),
    }
    names = kinds.get(cpu or this_cpu(), ())
    return (*(f"onnx/model_{name}.onnx" for name in names), *ANY_INT8_FILES)


def find_onnx(folder: Path, dtype: str, name: str | None = None) -> Path:
    """The ONNX file to run; `name` is what the model is called in an error, default: the folder.

    Raises:
        InputError: an unknown dtype.
        ModelError: the folder has none of that dtype.
    """
    wanted = onnx_files(dtype)
    found = next((folder / name for name in wanted if (folder / name).is_file()), None)
    if found is None:
        here = ", ".join(sorted(str(p.relative_to(folder)) for p in folder.rglob("*.onnx"))) or "none"
        option = " --int8" if dtype == "int8" else ""
        told = f"{folder} has no {dtype} ONNX file for this processor (found: {here})"
        if here != "none" and not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
            raise ModelError(f"{told}; export the original model again: `interlingua export ...{option}`.")
        raise ModelError(
            f"{told}; make one with `interlingua export {name or folder} -o NEW_FOLDER{option}`, or use the "
            "engine 'torch'."
        )
    return found


@cache
def this_cpu() -> str:
    """The widest instruction set that int8 files are named after: arm64, avx512_vnni, avx512, avx2."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return "arm64"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "avx2"
    if "avx512_vnni" in flags:
        return "avx512_vnni"
    return "avx512" if "avx512f" in flags else "avx2"
