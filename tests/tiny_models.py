"""Tiny random models in the published folder layouts, made anew for each test run."""

from __future__ import annotations

import warnings

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = "the cat dog house tree bread water late parcel red green small big old new is not . ,".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def bert_sentence_transformer(folder, *, dim=12, seed=0):
    """BERT + mean pooling + Normalize, saved by Sentence Transformers itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        letters = [chr(c) for c in range(97, 123)]
        pieces = [*SPECIAL, *WORDS, *letters, *(f"##{letter}" for letter in letters)]
        tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        fast = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="[PAD]",
            unk_token="[UNK]",
            cls_token="[CLS]",
            sep_token="[SEP]",
            mask_token="[MASK]",
            model_max_length=64,
        )
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(pieces),
            hidden_size=dim,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=2 * dim,
            max_position_embeddings=64,
        )
        inner = folder.with_name(f"{folder.name}-transformer")
        BertModel(config).save_pretrained(inner)
        fast.save_pretrained(inner)
        transformer = Transformer(str(inner))
        model = SentenceTransformer(modules=[transformer, Pooling(dim), Normalize()], device="cpu")
        model.save(str(folder))
    return folder
