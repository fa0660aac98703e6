"""`interlingua export`: a torch model as ONNX, which runs without torch; a static one as others load it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from interlingua.cli.options import column_option, errors_option, output_format_option
from interlingua.cli.render import show_results
from interlingua.encoders import load_encoder
from interlingua.errors import OutputError, require
from interlingua.files import read_rows

EXAMPLES = Path(__file__).parent.parent / "encoders" / "example_texts.txt"
MOST_TEXTS = 1000

if TYPE_CHECKING:
    from interlingua.encoders.export import Check


@click.command("export")
@click.argument("model")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The new folder; it must not exist, or be empty.",
)
@click.option("--int8", is_flag=True, help="Make the int8 file for this processor too, and check it.")
@click.option(
    "--check",
    "check_file",
    type=click.Path(path_type=Path),
    help="Texts of your own to check on, one a line or in a column; the first 1,000 are taken. "
    "Default: example texts in 24 languages.",
)
@column_option
@click.option("--trust-remote-code", is_flag=True, help="Let code in the model's folder run.")
@click.option("--revision", metavar="REVISION", help="Commit, tag or branch of the model on the hub.")
@errors_option
@output_format_option
def export_command(
    model: str,
    output: Path,
    int8: bool,
    check_file: Path | None,
    column: str | None,
    trust_remote_code: bool,
    revision: str | None,
    errors: str,
    to: str | None,
) -> None:
    """Write MODEL as ONNX, so that it runs without torch; with --int8 also small and fast.

    \b
        interlingua export paraphrase-multilingual-MiniLM-L12-v2 -o minilm --int8
        interlingua encode posts.txt -o posts.npy --model minilm --dtype int8
        interlingua export interlingua-embedded -o embedded --int8

    The ONNX files are checked against the model on texts: how near both vectors of a text are, and how
    many of its nearest neighbours are the same. An int8 file whose mean cosine is below 0.99 is refused, and
    nothing is written. A static model is written, and checked alike, in the layout that model2vec and
    Sentence Transformers load; any other needs pip install 'interlingua[export]'.
    """
    from interlingua.encoders.export import export_model
    from interlingua.encoders.export_static import export_static
    from interlingua.encoders.loading import is_static
    from interlingua.encoders.static import StaticEncoder

    if output.exists() and any(output.iterdir()):
        raise OutputError(f"{output} exists already; choose a new folder.")
    if not output.resolve().parent.is_dir():
        raise OutputError(f"Cannot write {output}: the folder {output.resolve().parent} does not exist.")
    rows = read_rows(check_file or EXAMPLES, (column,) if column else (), errors=errors)
    different: dict[str, None] = {}
    for row in rows:
        if len(different) == MOST_TEXTS:
            break
        if row.texts[0].strip():
            different[row.texts[0]] = None
    texts = list(different)
    if is_static(model, revision):
        static = load_encoder(model, engine="static", revision=revision)
        assert isinstance(static, StaticEncoder)
        check = export_static(static, output.resolve(), texts, int8=int8)
        _show({"int8" if int8 else "float32": check}, to)
        return
    for module in ("torch", "onnx", "onnxruntime"):
        require(module, extra="export")
    source = load_encoder(model, engine="torch", revision=revision, trust_remote_code=trust_remote_code)
    checks = export_model(source, output.resolve(), texts, int8=int8)
    _show(dict(zip(("float32", "int8"), checks, strict=False)), to)


def _show(checks: dict[str, Check], to: str | None) -> None:
    results = ({"file": kind, **asdict(check)} for kind, check in checks.items())
    show_results(results, ("file", "texts", "mean_cosine", "lowest_cosine", "same_neighbours"), to)
