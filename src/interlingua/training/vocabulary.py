"""A subword vocabulary for static models: SentencePiece's Unigram trainer, the `tokenizers` format."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from interlingua.errors import InputError, require

UNKNOWN = "<unk>"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def train_vocabulary(
    lines: Iterable[str],
    size: int,
    *,
    character_coverage: float = 0.9997,
    threads: int = 2,
    seed: int = 0,
) -> Tokenizer:
    """Train a Unigram vocabulary (Kudo 2018) of `size` pieces on `lines`.

    The tokenizer folds case and compatibility forms (NFKC), never joins pieces across a space, and
    spells characters it has not seen as bytes, so no text is left without pieces.

    Args:
        lines: raw text; it is read once.
        size: most pieces in the finished vocabulary, the 256 byte pieces and the unknown piece included;
            little text gives fewer.
        character_coverage: share of the characters seen that become pieces, in (0, 1].
        threads: threads of the trainer.
        seed: of the trainer's own sampling.

    Raises:
        InputError: too few pieces for the characters of the text, or no text.
        MissingExtra: sentencepiece is not installed.
    """
    sentencepiece = require("sentencepiece", extra="train")
    normalizer = text_normalizer()
    trained = io.BytesIO()
    sentencepiece.set_random_generator_seed(seed)
    settings = dict(  # noqa: C408
        sentence_iterator=_normalized(lines, normalizer),
        model_writer=trained,
        model_type="unigram",
        vocab_size=size,
        normalization_rule_name="identity",
        character_coverage=character_coverage,
        byte_fallback=True,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        unk_piece=UNKNOWN,
        num_threads=threads,
        max_sentence_length=16_384,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    try:
        sentencepiece.SentencePieceTrainer.train(**settings)
    except RuntimeError as error:
        raise InputError(
            f"No vocabulary of {size} pieces can be made of this text: every character needs one, beside "
            "256 for bytes; ask for more pieces, or give more text."
        ) from error
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.vocab_size())]
    return unigram_tokenizer(pieces)


def unigram_tokenizer(pieces: list[tuple[str, float]]) -> Tokenizer:
    """A tokenizer over (piece, log probability) rows whose first row is the unknown piece."""
    known = {piece for piece, _ in pieces}
    lowest = min(score for _, score in pieces)
    missing = [(byte, lowest) for byte in BYTES if byte not in known]
    rounded = [(piece, round(score, 3)) for piece, score in [*pieces, *missing]]
    tokenizer = Tokenizer(models.Unigram(rounded, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = text_normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always", split=True)
    return tokenizer


def text_normalizer() -> Any:
    """NFKC, lower case, every run of white space one space, none at the ends."""
    from tokenizers import Regex

    return normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
        ]
    )


def _normalized(lines: Iterable[str], normalizer: Any) -> Iterator[str]:
    for line in lines:
        yield normalizer.normalize_str(line)
