"""`interlingua languages`: which language each text is in."""

from __future__ import annotations

from pathlib import Path

import click

from interlingua.cli.options import column_option, file_argument, output_format_option, reading_options
from interlingua.cli.reading import read_texts
from interlingua.cli.render import show_problems, show_results, unread
from interlingua.languages import identify_languages


@click.command("languages")
@file_argument
@column_option
@reading_options
@output_format_option
def languages_command(
    file: Path, column: str | None, format_: str | None, no_header: bool, errors: str, to: str | None
) -> None:
    """Identify the language of each text of FILE, with a probability.

    \b
        interlingua languages posts.txt
        interlingua languages tickets.jsonl --to tsv | tail -n +2 | cut -f1 | sort | uniq -c

    Short texts get low probabilities; a text without letters is "und", undetermined.
    """
    rows = read_texts(file, (column,) if column else (), format_, no_header, errors)
    guesses = identify_languages([row.texts[0] for row in rows])
    results = (
        {"language": best.language, "probability": best.probability, "line": row.line, "text": row.texts[0]}
        for row, (best, *_) in zip(rows, guesses, strict=True)
        if not row.problem
    )
    show_results(results, ("language", "probability", "line", "text"), to)
    show_problems(unread(rows))
