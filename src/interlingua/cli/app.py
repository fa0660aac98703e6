"""The commands by name; each file is imported only when its command runs."""

from __future__ import annotations

from importlib import import_module

import click

from interlingua import __version__

COMMANDS = {
    "search": "interlingua.cli.search:search_command",
    "encode": "interlingua.cli.encode:encode_command",
    "score": "interlingua.cli.score:score_command",
    "languages": "interlingua.cli.languages:languages_command",
    "models": "interlingua.cli.models:models_command",
    "export": "interlingua.cli.export:export_command",
    "train": "interlingua.cli.train:train_group",
    "distil": "interlingua.cli.train:distil_command",
    "completion": "interlingua.cli.completion:completion_command",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for (Click manual, "Lazily Loading Subcommands")."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="interlingua")
def app() -> None:
    """Work with text of any language in one vector space, without translating it.

    \b
        interlingua search tickets.jsonl "Mein Paket ist nicht angekommen"

    finds the tickets about missing parcels, whatever language they are in.
    """
