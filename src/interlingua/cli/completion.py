"""`interlingua completion`: the script that teaches a shell to complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
        eval "$(interlingua completion bash)"
        interlingua completion fish > ~/.config/fish/completions/interlingua.fish
    """
    from interlingua.cli.app import app

    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(app, {}, "interlingua", "_INTERLINGUA_COMPLETE").source())
