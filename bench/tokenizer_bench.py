"""Compares svtune's encoding speed with the PyPI package tokenizers (Rust) on one thread.

usage: tokenizer_bench.py PROGRAM DATA_DIR [FAMILY ...]

Both sides encode the same documents (about 2 kB each) of the texts under DATA_DIR/text and must
give the same ids (compared by count and sum). PROGRAM is the target svtune_tokenizer_bench.
Tokenizers and model directories come from tests/oracle/tokenizer_oracle.py.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracle"))

import figures  # noqa: E402
import tokenizer_oracle  # noqa: E402

FAMILIES = ["gpt2", "gpt-neox", "qwen2", "smollm2-like", "llama-3", "llama-2", "mistral-7b-v0.3",
            "bert", "roberta", "deberta-v3-json"]
TEXTS = ["tinyshakespeare.txt", "wikitext2_valid.txt", "tinystories_sample.txt", "frankenstein.txt"]
DOCUMENT_BYTES = 2000
PASSES = 3


def cut_documents(text):
    documents, at = [], 0
    while at < len(text):
        line_break = text.find(b"\n", min(at + DOCUMENT_BYTES, len(text)))
        end = len(text) if line_break < 0 else line_break + 1
        documents.append(text[at:end].decode("utf-8"))
        at = end
    return documents


def rust_run(encode, documents, size):
    best = float("inf")
    for _ in range(PASSES):
        start = time.process_time()
        encoded = [encode(document) for document in documents]
        best = min(best, time.process_time() - start)
    ids = [i for e in encoded for i in e.ids]
    return size / best / 1e6, len(ids), sum(ids)


def main(program, data, *families):
    data = Path(data)
    print(f"{'family':18}{'text':24}{'svtune MB/s':>12}{'rust MB/s':>11}{'ratio':>7}{'load ms':>9}")
    worst = float("inf")
    for family in families or FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder)
            case = tokenizer_oracle.FAMILIES[family](data, model)
            for name in TEXTS:
                text = (data / "text" / name).read_bytes()
                out = subprocess.run([program, model, data / "text" / name, str(DOCUMENT_BYTES)],
                                     check=True, capture_output=True, text=True).stdout
                ours = json.loads(out)
                speed, tokens, checksum = rust_run(case.raw_encode, cut_documents(text), len(text))
                same = (tokens, checksum) == (ours["tokens"], ours["checksum"])
                ratio = ours["mb_per_s"] / speed
                worst = min(worst, ratio)
                figures.record("encode", f"{family}, {name}", ours["mb_per_s"], "MB/s", "higher")
                print(f"{family:18}{name:24}{ours['mb_per_s']:12.1f}{speed:11.2f}{ratio:7.1f}"
                      f"{ours['load_ms']:9.0f}{'' if same else '  DIFFERENT IDS'}", flush=True)
    print(f"smallest ratio: {worst:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
