"""Every command, option and README block is real: blocks run, and help shows a call that exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from interlingua.cli.app import app
from tiny_models import bert_sentence_transformer

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONSOLE = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ interlingua")
]


def commands(group, path=()):
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        yield (*path, name), command


COMMANDS = dict(commands(app))


@pytest.fixture(scope="module")
def playground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(ROOT / "examples", folder / "examples")
    bert_sentence_transformer(folder / "my-teacher")
    return folder


def test_the_commands_of_the_readme_run_in_order(playground):
    for line in CONSOLE:
        arguments = shlex.split(line)[1:]
        run = subprocess.run(
            [sys.executable, "-m", "interlingua", *arguments],
            cwd=playground,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, (line, run.stderr)


@pytest.mark.parametrize("code", PYTHON)
def test_a_python_block_of_the_readme_runs(code, playground):
    """Blocks stand in the order of the README, after its commands."""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=playground, capture_output=True, timeout=300)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_a_real_call_first(path):
    lines = (COMMANDS[path].help or "").splitlines()
    calls = [line for line in lines if f"interlingua {' '.join(path)}" in line]
    assert calls, f"{path} shows no call"
    for option in COMMANDS[path].params:
        if isinstance(option, click.Option):
            assert option.help, f"{path} {option.name} has no help"


@pytest.mark.parametrize("path", [p for p in COMMANDS if len(p) == 1], ids=" ".join)
def test_the_readme_shows_every_command(path):
    assert f"interlingua {path[0]}" in README


def test_the_first_two_commands_of_the_readme_are_the_demo_and_the_tests():
    blocks = re.findall(r"```console\n\$ (.*?)\n```", README)
    assert blocks[:2] == ["python3 dev.py demo", "python3 dev.py test"]
    assert "python3 dev.py test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
