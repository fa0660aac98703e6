"""`interlingua train` and `interlingua distil`: models of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from interlingua.cli.options import errors_option
from interlingua.cli.render import progress_bar
from interlingua.encoders.loading import ENGINES
from interlingua.errors import InputError, MissingExtra, ModelError, OutputError
from interlingua.training.checkpoint import Workplace, open_workplace
from interlingua.training.recipe import Recipe, load_recipe, suited

if TYPE_CHECKING:
    from interlingua.training.static import Trained

F = TypeVar("F", bound=Callable[..., Any])


def training_options(function: F) -> F:
    """What both commands ask."""
    options = [
        click.argument("paths", nargs=-1, required=True, metavar="PAIRS...", type=click.Path(path_type=Path)),
        click.option(
            "-o",
            "--output",
            required=True,
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder for the model; a static model in it is replaced.",
        ),
        click.option(
            "--recipe",
            "recipe_file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="TOML file with every choice of the run; the options below override it.",
        ),
        click.option("--dim", type=click.IntRange(2, 4096), help="Columns of the vectors; default 256."),
        click.option(
            "--vocabulary-size", type=click.IntRange(300, 1_000_000), help="Pieces; default 32,000."
        ),
        click.option(
            "--pairs",
            "pairs_seen",
            type=click.IntRange(1),
            help="Pairs to see in all, repeats included; default: each ten times, in at least 1,000 steps.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, 2**32 - 1),
            help="The same seed, data and threads repeat the result; default 0.",
        ),
        click.option(
            "--teacher-engine",
            type=click.Choice(ENGINES),
            help="What runs the teacher; default: torch, or what alone runs it.",
        ),
        click.option(
            "--teacher-dtype", metavar="DTYPE", help="The teacher's arithmetic, as `encode --dtype`."
        ),
        click.option("--teacher-device", metavar="DEVICE", help="With torch: cpu, cuda, mps. Default: cpu."),
        click.option("--threads", type=click.IntRange(1), help="CPU threads; default: all."),
        errors_option,
        click.option(
            "--exclude",
            multiple=True,
            type=click.Path(path_type=Path, exists=True),
            help="Text file, or folder of them: pairs with one of its lines on either side are left out, so "
            "that a test set stays unseen. Case and punctuation do not count.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group("train")
def train_group() -> None:
    """Train a model on pairs of translations.

    \b
        interlingua train static pairs.tsv -o my-model
    """


@train_group.command("static")
@training_options
@click.option(
    "--teacher",
    metavar="MODEL",
    help="Model that the student is drawn to as well; see interlingua distil.",
)
def train_static_command(teacher: str | None, **settings: Any) -> None:
    """Train a static model on PAIRS: small, fast, and for your own languages and words.

    \b
        interlingua train static pairs.tsv -o my-model
        interlingua train static corpus/ --recipe recipe.toml -o my-model
        interlingua search tickets.jsonl "late parcel" --model my-model

    PAIRS are TSV files (.gz too), a text, a tab and its translation on each line, or folders of them.
    A name like SOURCE.en-de.tsv.gz tells source and language, so that both can be weighed. A run that
    was stopped goes on when it is called again. Needs pip install 'interlingua[train]'.
    """
    _train(teacher, single_texts=False, **settings)


@click.command("distil")
@click.argument("teacher", metavar="TEACHER")
@training_options
def distil_command(teacher: str, **settings: Any) -> None:
    """Distil TEACHER, a large model of one language or many, into a small static one.

    \b
        interlingua distil sentence-transformers/all-MiniLM-L6-v2 pairs.tsv -o my-model
        interlingua distil ./my-teacher english.txt -o my-english-model

    TEACHER is a folder, a name or an address, as `encode --model` takes it. It encodes the first side of
    each pair, and the student is drawn to its vectors on both sides. PAIRS are files as for interlingua
    train static; a line without a tab is a text alone. A run that was stopped goes on when it is called
    again. Needs pip install 'interlingua[distil]'.
    """
    _train(teacher, single_texts=True, **settings)


def _train(
    teacher: str | None,
    *,
    single_texts: bool,
    paths: tuple[Path, ...],
    output: Path,
    recipe_file: Path | None,
    threads: int | None,
    errors: str,
    exclude: tuple[Path, ...],
    **choices: Any,
) -> None:
    from interlingua.encoders.static_folder import check_model_folder
    from interlingua.encoders.unfinished import unfinished
    from interlingua.training.model_card import model_card
    from interlingua.training.pairs import read_excluded, read_pairs
    from interlingua.training.static import check_size, train_static, write_trained

    recipe = _recipe(recipe_file, teacher, **choices)
    output = output.resolve()
    check_model_folder(output)
    if not output.parent.is_dir():
        raise OutputError(f"Cannot write {output}: the folder {output.parent} does not exist.")
    with progress_bar("reading", unit="") as update:
        pairs = read_pairs(paths, errors=errors, exclude=read_excluded(exclude), single_texts=single_texts)
        click.echo(
            f"{len(pairs):,} pairs from {len(pairs.files)} files; "
            f"{pairs.skipped:,} rows skipped, {pairs.excluded:,} excluded",
            err=True,
        )
        check_size(pairs)
        recipe = suited(recipe, len(pairs))
        with open_workplace(unfinished(output), pairs, recipe) as workplace, _kept_parts(workplace):
            trained = train_static(
                pairs,
                recipe,
                workplace,
                threads=threads,
                progress=lambda stage, done, total: update(done, total, stage),
            )
            write_trained(output, trained, recipe, model_card(trained, recipe, pairs))
            workplace.remove()
    click.echo(f"{output}: {_told(trained)}", err=True)


def _told(trained: Trained) -> str:
    before, after = trained.before, trained.after
    told = [f"{trained.tokenizer.get_vocab_size():,} pieces x {trained.table.shape[1]}"]
    if before.found is not None:
        told.append(
            f"of {trained.held_out_pairs:,} held-out pairs {after.found:.1%} find their translation "
            f"(before training {before.found:.1%})"
        )
    if before.agreement is not None:
        told.append(
            f"on {trained.held_out:,} held-out texts its cosines correlate {after.agreement:.2f} with the "
            f"teacher's (before {before.agreement:.2f})"
        )
    return "; ".join(told)


@contextmanager
def _kept_parts(workplace: Workplace) -> Iterator[None]:
    """Where a run ends early: say how it goes on, or clear away a folder that holds nothing yet."""
    try:
        yield
    except BaseException as error:
        if not workplace.folder.exists():
            raise
        if not workplace.parts():
            workplace.remove()
        elif isinstance(error, (InputError, ModelError, MissingExtra)):
            click.echo(f"What was done is kept in {workplace.folder}.", err=True)
        else:
            click.echo(
                f"What was done is kept in {workplace.folder}; call the same command again to go on.",
                err=True,
            )
        raise


def _recipe(
    file: Path | None,
    teacher: str | None,
    dim: int | None,
    vocabulary_size: int | None,
    pairs_seen: int | None,
    seed: int | None,
    teacher_engine: str | None,
    teacher_dtype: str | None,
    teacher_device: str | None,
) -> Recipe:
    recipe = load_recipe(file) if file else Recipe()
    wish: dict[str, Any] = {
        "model": teacher,
        "engine": teacher_engine,
        "dtype": teacher_dtype,
        "device": teacher_device,
    }
    given = {key: value for key, value in wish.items() if value is not None}
    if teacher is not None and not teacher.strip():
        raise InputError("The teacher's name is empty; give a folder, a name on the hub, or an address.")
    if given and not (teacher or recipe.teacher.model):
        raise InputError(f"teacher {', '.join(given)}: there is no teacher; name one with --teacher MODEL.")
    recipe = replace(recipe, teacher=replace(recipe.teacher, **given))
    if dim is not None:
        recipe = replace(recipe, dimension=dim)
    if seed is not None:
        recipe = replace(recipe, seed=seed)
    if vocabulary_size is not None:
        recipe = replace(recipe, vocabulary=replace(recipe.vocabulary, size=vocabulary_size))
    if pairs_seen is not None:
        recipe = replace(recipe, optimisation=replace(recipe.optimisation, pairs=pairs_seen))
    return recipe
