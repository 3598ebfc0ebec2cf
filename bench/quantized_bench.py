"""Training on a 4-bit base beside the bf16 base, and the losses at which QLoRA, LoftQ and QPiSSA
start.

usage: quantized_bench.py PROGRAM [--model DIR] [--data gsm8k_train.jsonl] [--tokenizer DIR]
                          [--steps N] [--rounds N]
The first table takes random weights of Qwen2.5-0.5B's shape (see train_bench.py), micro-batches of
about 600 tokens, alternating rounds: tokens/s, peak memory, ratios. The second takes the real model
of --model, where one is given: the loss on GSM8K text before step 1.
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import figures
import train_bench

STARTS = {
    "QLoRA, absmax scales": ["--method", "lora", "--quant-scales", "absmax"],
    "QLoRA": ["--method", "lora"],
    "LoftQ, 5 rounds": ["--method", "lora", "--init", "loftq"],
    "QPiSSA, the paper's": ["--method", "pissa", "--quant-scales", "absmax", "--no-quant-refit",
                            "--no-quant-best"],
    "QPiSSA": ["--method", "pissa"],
}


def speeds(options, folder):
    model = folder / "model"
    train_bench.make_model(model, options.tokenizer)
    results = {"bf16": [], "nf4": []}
    for i in range(options.rounds):
        for name, runs in results.items():
            more = ["--base-dtype", "nf4"] if name == "nf4" else []
            runs.append(train_bench.run_svtune(options.program, model, options.data, options.steps,
                                               folder / f"run-{name}-{i}", more))
    print(f"{'base':8}{'tokens/s':>12}{'peak GiB':>12}")
    for name, runs in results.items():
        speed = statistics.median(map(train_bench.speed, runs))
        peak = statistics.median(run["peak"] for run in runs)
        print(f"{name:8}{speed:12.1f}{peak / 2**30:12.2f}")
        figures.record("train on a base in", f"{name}, speed", speed, "tokens/s", "higher")
        figures.record("train on a base in", f"{name}, peak memory", peak / 2**30, "GiB", "lower")
    ratio = (statistics.median(map(train_bench.speed, results["bf16"])) /
             statistics.median(map(train_bench.speed, results["nf4"])))
    print(f"a step on the 4-bit base takes {ratio:.2f} times that on the bf16 base")


def starts(options, folder):
    print(f"\n{'start, rank 16':24}{'base model':>12}{'before step 1':>15}")
    for i, (name, method) in enumerate(STARTS.items()):
        run = folder / f"start-{i}"
        output = subprocess.run(
            [options.program, "train", "--model", options.model, "--data", options.data, "--output",
             run, "--rank", "16", "--template", "alpaca", "--max-steps", "1", "--samples", "0",
             "--batch-size", "16", "--gradient-accumulation", "1", "--base-dtype", "nf4", *method],
            check=True, capture_output=True, text=True).stdout
        base, start = re.search(r"base model ([\d.]+), .* ([\d.]+)$", output, re.M).groups()
        print(f"{name:24}{float(base):12.4f}{float(start):15.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        speeds(options, pathlib.Path(folder))
        if options.model:
            starts(options, pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
