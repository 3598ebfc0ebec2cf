"""What models of the size that people have cost: the start, a step, the peak memory.

usage: size_bench.py PROGRAM --data gsm8k_train.jsonl --tokenizer DIR --scratch DIR
                     [--sizes NAME,...] [--cases NAME,...] [--steps N] [--keep] [--json FILE]
Sizes are shapes: 0.5b is Qwen2.5-0.5B's, 1b Llama-3.2-1B's, 3b Llama-3.2-3B's, 7b Llama-2-7B's. The
weights are random, in bf16, in files of at most 2 GiB below --scratch, which needs 14 GB for 7b,
and are removed unless --keep is given; --tokenizer has 32,000 words at most, as Llama 2's; a
spectrum that falls is laid under them, because the matrices of trained models have one and an
iteration's length follows it. Each case trains a few steps of two GSM8K records; the loss of such a
model says nothing. Prints the seconds from the command to the end of the first step, tokens/s of
the others and the peak of the process.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import figures
import train_bench

SIZES = {
    "0.5b": ("qwen2", 896, 4864, 24, 14, 2, 151936),
    "1b": ("llama", 2048, 8192, 16, 32, 8, 128256),
    "3b": ("llama", 3072, 8192, 28, 24, 8, 128256),
    "7b": ("llama", 4096, 11008, 32, 32, 32, 32000),
}
CASES = {
    "lora bf16": ["--method", "lora", "--rank", 16],
    "pissa bf16": ["--method", "pissa", "--rank", 16],
    "pissa r128 bf16": ["--method", "pissa", "--rank", 128],
    "lora int8": ["--method", "lora", "--rank", 16, "--base-dtype", "int8"],
    "lora nf4": ["--method", "lora", "--rank", 16, "--base-dtype", "nf4"],
    "qpissa nf4": ["--method", "pissa", "--rank", 16, "--base-dtype", "nf4"],
}
SHARD = 2 << 30  # bytes
TILE = 256  # a matrix repeats a low-rank tile: drawing all of it would take minutes


def matrix(rows, columns):
    """Noise and a sum of directions whose weights fall like those of trained matrices."""
    import torch
    weight = torch.randn(rows, columns) * 0.02
    scale = 2.0 / torch.arange(1, TILE + 1).sqrt()
    left = torch.randn(rows, TILE) / rows**0.5 * scale
    return weight.addmm_(left, torch.randn(TILE, columns) / columns**0.5, alpha=columns**0.5 * 0.02)


def tensors(kind, hidden, inner, layers, heads, key_heads, vocabulary, tied):
    """(name, rows, columns) of the matrices, columns 0 for vectors."""
    keys = hidden // heads * key_heads
    yield "model.embed_tokens.weight", vocabulary, hidden
    for i in range(layers):
        block = f"model.layers.{i}."
        for name, rows in (("q", hidden), ("k", keys), ("v", keys)):
            yield f"{block}self_attn.{name}_proj.weight", rows, hidden
            if kind == "qwen2":
                yield f"{block}self_attn.{name}_proj.bias", rows, 0
        yield f"{block}self_attn.o_proj.weight", hidden, hidden
        for name in ("gate", "up"):
            yield f"{block}mlp.{name}_proj.weight", inner, hidden
        yield f"{block}mlp.down_proj.weight", hidden, inner
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{block}{name}.weight", hidden, 0
    yield "model.norm.weight", hidden, 0
    if not tied:
        yield "lm_head.weight", vocabulary, hidden


class ShardWriter:
    """Files of at most SHARD bytes and their index; the number of files is known at the end."""

    def __init__(self, folder):
        self.folder, self.held, self.size, self.files, self.total = folder, {}, 0, [], 0

    def add(self, name, tensor):
        if self.size + tensor.nbytes > SHARD:
            self.flush()
        self.held[name] = tensor
        self.size += tensor.nbytes

    def flush(self):
        from safetensors.torch import save_file
        if self.held:
            save_file(self.held, self.folder / f"part-{len(self.files)}", {"format": "pt"})
            self.files.append(list(self.held))
            self.total += self.size
        self.held, self.size = {}, 0

    def close(self):
        self.flush()
        places = {}
        for i, names in enumerate(self.files):
            file = f"model-{i + 1:05}-of-{len(self.files):05}.safetensors"
            (self.folder / f"part-{i}").rename(self.folder / file)
            places |= dict.fromkeys(names, file)
        (self.folder / "model.safetensors.index.json").write_text(json.dumps(
            {"metadata": {"total_size": self.total}, "weight_map": places}))


def make_model(folder, size, tokenizer):
    import torch
    torch.manual_seed(0)
    kind, hidden, inner, layers, heads, key_heads, vocabulary = SIZES[size]
    tied = size != "7b"
    folder.mkdir(parents=True)
    writer = ShardWriter(folder)
    for name, rows, columns in tensors(*SIZES[size], tied):
        if columns:
            value = matrix(rows, columns)
        else:
            value = torch.zeros(rows) if name.endswith("bias") else torch.ones(rows)
        writer.add(name, value.to(torch.bfloat16))
    writer.close()
    name = {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM"}[kind]
    (folder / "config.json").write_text(json.dumps({
        "architectures": [name], "model_type": kind, "hidden_size": hidden,
        "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads,
        "num_key_value_heads": key_heads, "vocab_size": vocabulary, "rms_norm_eps": 1e-5,
        "max_position_embeddings": 4096, "rope_theta": 10000.0, "tie_word_embeddings": tied,
        "hidden_act": "silu", "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2}))
    for file in tokenizer.iterdir():
        if file.name.startswith(("tokenizer", "vocab", "merges")):
            shutil.copy(file, folder)


class FirstLine(threading.Thread):
    """Notes how long after its start `path` has a line: the metrics of a run have no times of day."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.seconds, self.begin = path, None, time.perf_counter()

    def run(self):
        while not (self.path.exists() and self.path.stat().st_size > 0):
            time.sleep(0.02)
        self.seconds = time.perf_counter() - self.begin


def measure(options, size, case, model, folder):
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    arguments = [*map(str, CASES[case]), "--batch-size", "2"]
    watch = FirstLine(run / "metrics.jsonl")
    watch.start()
    result = train_bench.run_svtune(options.program, model, options.data, options.steps, run,
                                    arguments)
    watch.join()
    speed = sum(result["tokens"][1:]) / sum(result["seconds"][1:])
    first, peak = watch.seconds, result["peak"] / 2**30
    print(f"{size:8}{case:18}{first:14.1f}{speed:12.1f}{peak:12.2f}", flush=True)
    for name, value, unit, better in (("first step", first, "s", "lower"),
                                      ("speed", speed, "tokens/s", "higher"),
                                      ("peak memory", peak, "GiB", "lower")):
        figures.record("sizes", f"{size}, {case}, {name}", value, unit, better)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--scratch", type=pathlib.Path, required=True)
    parser.add_argument("--sizes", type=lambda text: text.split(","), default=list(SIZES))
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="leave the models in --scratch")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    for name in options.sizes + options.cases:
        if name not in SIZES and name not in CASES:
            sys.exit(f"no size or case {name}; there are {', '.join([*SIZES, *CASES])}")
    figures.keep_in(options.json)
    print(f"{'size':8}{'case':18}{'first step s':>14}{'tokens/s':>12}{'peak GiB':>12}")
    for size in options.sizes:
        model = options.scratch / size
        if not model.exists():
            make_model(model, size, options.tokenizer)
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            for case in options.cases:
                measure(options, size, case, model, pathlib.Path(folder))
        if not options.keep:
            shutil.rmtree(model)


if __name__ == "__main__":
    main()
