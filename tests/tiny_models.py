"""Tiny random models in the published folder layouts, made anew for each test run."""

from __future__ import annotations

import json
import warnings

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = "the cat dog house tree bread water late parcel red green small big old new is not . ,".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [chr(c) for c in range(97, 123)]
LONGEST = 64


def bert_tokenizer():
    """WordPiece, as BERT, DistilBERT and LaBSE have it, of their own class."""
    from transformers import BertTokenizerFast

    pieces = [*SPECIAL, *WORDS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return BertTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=LONGEST,
    )


def xlmr_tokenizer():
    """Unigram with ▁, ids in XLM-R's order, <s> <pad> </s> <unk>, of XLM-R's own class."""
    from transformers import XLMRobertaTokenizerFast

    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [("▁", -4.0), *((f"▁{word}", -3.0) for word in WORDS), *((letter, -6.0) for letter in LETTERS)]
    tokenizer = Tokenizer(models.Unigram([*special, *pieces], unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return XLMRobertaTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        model_max_length=LONGEST,
    )


def transformer(kind, dim, pieces):
    """A random model of one of the three architectures that the published models have."""
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel
    from transformers import XLMRobertaConfig as XlmrConfig
    from transformers import XLMRobertaModel as XlmrModel

    shape = {
        "hidden_size": dim,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 2 * dim,
    }
    if kind == "bert":
        return BertModel(BertConfig(vocab_size=pieces, max_position_embeddings=LONGEST, **shape))
    if kind == "xlmr":
        positions = {"max_position_embeddings": LONGEST + 2, "pad_token_id": 1, "type_vocab_size": 1}
        return XlmrModel(XlmrConfig(vocab_size=pieces, **positions, **shape))
    config = DistilBertConfig(
        vocab_size=pieces, dim=dim, n_layers=2, n_heads=2, hidden_dim=2 * dim, max_position_embeddings=LONGEST
    )
    return DistilBertModel(config)


def sentence_transformer(
    folder,
    kind="bert",
    *,
    dim=12,
    seed=0,
    pooling="mean",
    dense=0,
    normalize=True,
    prompts=None,
    longest=None,
):
    """A model saved by Sentence Transformers itself: transformer, pooling, Dense with tanh, Normalize."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.base.modules.dense import Dense
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

        torch.manual_seed(seed)
        tokenizer = xlmr_tokenizer() if kind == "xlmr" else bert_tokenizer()
        inner = folder.with_name(f"{folder.name}-transformer")
        model = transformer(kind, dim, len(tokenizer))
        for parameter in model.parameters():  # a fresh model gives nearly the same vector for every text
            if parameter.ndim == 2:
                torch.nn.init.normal_(parameter, std=0.4)
        model.save_pretrained(inner)
        tokenizer.save_pretrained(inner)
        modules = [Transformer(str(inner)), Pooling(dim, pooling_mode=pooling)]
        if dense:
            modules.append(Dense(modules[1].get_embedding_dimension(), dense))
        if normalize:
            modules.append(Normalize())
        model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
        if longest:
            model.max_seq_length = longest
        model.save(str(folder))
    return folder


def bert_sentence_transformer(folder, *, dim=12, seed=0):
    """BERT + mean pooling + Normalize: the layout of all-MiniLM-L6-v2."""
    return sentence_transformer(folder, dim=dim, seed=seed)


LAYOUTS = {
    "all-minilm": {},
    "paraphrase-multilingual-minilm": {"kind": "xlmr", "normalize": False, "longest": 32},
    "labse": {"pooling": "cls", "dense": 12},
    "distiluse": {"kind": "distilbert", "dense": 8, "normalize": False},
    "multilingual-e5": {"kind": "xlmr", "prompts": {"query": "query: ", "passage": "passage: "}},
    "last-token": {"pooling": "lasttoken"},
    "two-pools": {"pooling": ("mean", "max"), "normalize": False},
}


def into_hub_cache(folder, cache, name, commit="a" * 40):
    """Put a model's folder where the hub's client keeps what it fetched; `refs/main` names the commit."""
    root = cache / f"models--{name.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    snapshot = root / "snapshots" / commit
    for file in folder.rglob("*"):
        if file.is_file():
            target = snapshot / file.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return snapshot


def edit_json(path, **changes):
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
