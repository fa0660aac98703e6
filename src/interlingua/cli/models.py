"""`interlingua models`: the known models, what they cover and what they need."""

from __future__ import annotations

from dataclasses import asdict

import click

from interlingua.cli.options import output_format_option
from interlingua.cli.render import show_results
from interlingua.encoders.catalog import catalog, find_in_catalog, hub_name

COLUMNS = ("name", "dim", "max_tokens", "megabytes", "speed", "languages", "onnx", "licence")


@click.command("models")
@click.argument("name", required=False)
@click.option(
    "--language",
    "languages",
    multiple=True,
    metavar="CODE",
    help="Only models trained on this language, such as ka or swh; may be repeated.",
)
@output_format_option
def models_command(name: str | None, languages: tuple[str, ...], to: str | None) -> None:
    """List the known models; with NAME, everything known about one.

    \b
        interlingua models
        interlingua models --language ka --language am
        interlingua models LaBSE

    Any name here is a --model of the other commands. "speed" is that of the CPU: static models encode tens
    of thousands of rows a second, small ones hundreds, base ones tens, large ones a few. A transformer
    without ONNX file needs --engine torch, or `interlingua export` first.
    """
    if name is not None:
        entry = find_in_catalog(hub_name(name))
        if entry is None:
            raise click.UsageError(f"{name!r} is not in the catalogue; `interlingua models` lists it.")
        facts = asdict(entry)
        rows = [
            {"fact": key, "value": ", ".join(map(str, value)) if isinstance(value, tuple) else value}
            for key, value in facts.items()
        ]
        show_results(rows, ("fact", "value"), to)
        return
    wanted = [entry for entry in catalog() if all(entry.covers(language) for language in languages)]
    if not wanted:
        raise click.UsageError(f"No known model covers {', '.join(languages)} together; ask for fewer.")
    show_results(({**asdict(entry), "languages": len(entry.languages)} for entry in wanted), COLUMNS, to)
