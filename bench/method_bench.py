"""A training step of SVFT beside LoRA's, on random weights of Qwen2.5-0.5B's shape in bf16.

usage: method_bench.py PROGRAM --data gsm8k_train.jsonl --tokenizer DIR [--steps N] [--rounds N]
                       [--cases NAME,...] [--model DIR]
Needs torch and transformers in the Python that runs it, to write the model. The cases run one
after the other in alternating rounds on the same sequences; the first steps of each are left out
as warm-up. Prints seconds a step, the ratio to LoRA's, peak memory beside the prediction, and the
losses before step 1. The decompositions are cached, so only the first round makes them.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import figures
import train_bench

CASES = {"lora": ["--method", "lora", "--rank", "16"],
         "svft plain": ["--method", "svft", "--pattern", "plain"],
         "svft band 16": ["--method", "svft", "--pattern", "banded", "--bandwidth", "16"],
         "svft random 16": ["--method", "svft", "--pattern", "random", "--bandwidth", "16"],
         "svft delta": ["--method", "svft", "--bandwidth", "16", "--product", "delta"],
         # k_proj and v_proj have 128 directions only.
         "svft rank 256": ["--method", "svft", "--bandwidth", "16", "--basis-rank", "256",
                           "--target-modules", "q_proj,o_proj,gate_proj,up_proj,down_proj"],
         "lora of these": ["--method", "lora", "--rank", "16",
                           "--target-modules", "q_proj,o_proj,gate_proj,up_proj,down_proj"]}
UNITS = {"MiB": 2**20, "GiB": 2**30}


def measure(program, case, model, data, steps, output):
    command = [program, "train", "--model", model, "--data", data, "--output", output, *CASES[case],
               "--template", "alpaca", "--max-steps", str(steps), "--batch-size", "4",
               "--gradient-accumulation", "1", "--learning-rate", "1e-4", "--samples", "0",
               "--schedule", "constant", "--warmup-ratio", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    shown, errors = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{case}: {errors}")
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    totals = [row["tokens"] for row in rows]
    tokens = [b - a for a, b in zip([0, *totals], totals)]
    seconds = [n / row["tokens_per_second"] for n, row in zip(tokens, rows)]
    memory = {}
    for name, value, unit in re.findall(r"^ *([^\n:]+): ([\d.]+) ([MG]iB)$", shown, re.M):
        memory.setdefault(name.strip(), float(value) * UNITS[unit])
    return {"seconds": statistics.mean(seconds[train_bench.WARM_UP:]),
            "tokens": statistics.mean(tokens[train_bench.WARM_UP:]),
            # While training: the run's own peak includes the decompositions.
            "resident": max(row["memory"] for row in rows),
            "predicted": memory.get("Peak memory (predicted)", 0),
            "losses": re.findall(r"Loss before step 1: .*", shown)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, help="of the same shape, already written")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        os.environ.setdefault("SVTUNE_CACHE_DIR", str(scratch / "cache"))
        model = options.model or scratch / "model"
        if not model.exists():
            train_bench.make_model(model, options.tokenizer)
        data = scratch / "train.jsonl"
        lines = options.data.read_text().splitlines()[:options.steps * 4]
        data.write_text("\n".join(lines) + "\n")
        results = {case: [] for case in options.cases}
        for i in range(options.rounds):
            for case, measured in results.items():
                run = scratch / f"{case}-{i}".replace(" ", "-")
                measured.append(measure(options.program, case, model, data, options.steps, run))
    lora = statistics.median(r["seconds"] for r in results[options.cases[0]])
    print(f"{'':16} {'s a step':>8} {'spread':>13} {'ratio':>6} {'GiB':>6} {'predicted':>9}")
    for case, rows in results.items():
        times = sorted(r["seconds"] for r in rows)
        middle = statistics.median(times)
        print(f"{case:16} {middle:8.3f} {times[0]:6.3f}-{times[-1]:<6.3f} {middle / lora:6.2f} "
              f"{rows[-1]['resident'] / 2**30:6.2f} {rows[-1]['predicted'] / 2**30:9.2f}  "
              f"{rows[0]['losses']}")
        figures.record("step", f"{case}, of LoRA's", middle / lora, "", "lower")


if __name__ == "__main__":
    main()
