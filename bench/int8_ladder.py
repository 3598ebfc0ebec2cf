"""What --base-compute int8 gains and what it costs, beside exact products.

usage: int8_ladder.py PROGRAM PART --model PATH --data DIR [--isa NAME] [--steps N] [--seeds N]

PART  loss   held-out loss of the untouched model on GSM8K, WikiText-2 and a novel: a step at a
             learning rate of nothing, evaluated on the data
      speed  tokens/s of LoRA, rank 16 on all linear layers, four GSM8K examples a step, in
             alternating rounds
      task   loss and exact match on held-out word problems (svtune demo-data) after training
             with each of --seeds seeds
--data names the folder that SVTUNE_TEST_DATA names. --model random stands for random weights of
Qwen2.5-0.5B's shape (needs torch and transformers), for `speed`. --isa hides instructions from
oneDNN: AVX512_CORE_VNNI leaves int8 and takes bf16 away, as on processors that have no fast bf16.
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

COMPUTES = ("exact", "int8", "int8-columns")
LORA = ["--method", "lora", "--rank", "16", "--samples", "0"]


def run(program, *arguments):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"svtune {' '.join(map(str, arguments))}\n{result.stderr}")
    return result.stdout


def last_eval_loss(run_directory):
    rows = map(json.loads, (run_directory / "metrics.jsonl").read_text().splitlines())
    return [row["eval_loss"] for row in rows if row.get("eval_loss") is not None][-1]


def pieces_of(text, count, length=1500):
    """From evenly spread places, beginning with a word."""
    starts = [len(text) * i // count for i in range(count)]
    return [{"text": text[start:start + length].split(" ", 1)[-1]} for start in starts]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def texts(data, scratch):
    """name -> (file, options)"""
    questions = (data / "math" / "gsm8k_test.jsonl").read_text().splitlines()[:24]
    (scratch / "gsm8k.jsonl").write_text("\n".join(questions) + "\n")
    yield "GSM8K", scratch / "gsm8k.jsonl", ["--template", "alpaca"]
    for name, file in (("WikiText-2", "wikitext2_valid.txt"), ("novel", "pride_and_prejudice.txt")):
        rows = pieces_of((data / "text" / file).read_text("utf-8"), 10)
        yield name, write_rows(scratch / f"{name}.jsonl", rows), []


def part_loss(options, scratch):
    print("text, then the loss with products " + ", ".join(COMPUTES))
    for name, file, more in texts(options.data, scratch):
        losses = []
        for compute in COMPUTES:
            output = scratch / f"{name}-{compute}"
            run(options.program, "train", "--model", options.model, "--data", file, "--eval-data",
                file, "--output", output, *LORA, *more, "--max-steps", 1, "--eval-every", 1,
                "--learning-rate", "1e-12", "--batch-size", 1, "--gradient-accumulation", 1,
                "--warmup-ratio", 0, "--base-compute", compute)
            losses.append(last_eval_loss(output))
        print(f"{name:12} {losses[0]:8.4f}" + "".join(
            f"{loss:10.4f} ({100 * (loss / losses[0] - 1):+.2f} %)" for loss in losses[1:]),
              flush=True)


def part_speed(options, scratch):
    model = options.model
    if str(model) == "random":
        model = scratch / "model"
        train_bench.make_model(model, options.data / "tokenizers" / "qwen2")
    lines = (options.data / "math" / "gsm8k_train.jsonl").read_text().splitlines()
    data = scratch / "train.jsonl"
    data.write_text("\n".join(lines[:options.steps * 4]) + "\n")
    speeds = {name: [] for name in COMPUTES}
    for i in range(options.rounds):
        for name in COMPUTES:
            result = train_bench.run_svtune(options.program, model, data, options.steps,
                                            scratch / f"{name}-{i}", ["--base-compute", name])
            speeds[name].append(train_bench.speed(result))
            print(f"{name:13} {speeds[name][-1]:8.1f} tokens/s, peak "
                  f"{result['peak'] / 2**30:.2f} GiB", flush=True)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    for name, value in medians.items():
        figures.record("int8 products", f"{pathlib.Path(options.model).name} {name}", value,
                       "tokens/s", "higher")
    for name in COMPUTES[1:]:
        print(f"{name} / exact: {medians[name] / medians['exact']:.2f}")


def part_task(options, scratch):
    run(options.program, "demo-data", "--output", scratch / "data", "--train", options.steps * 8,
        "--test", 100, "--seed", 1)
    print("seed  products       held-out loss  exact match")
    for seed in range(1, options.seeds + 1):
        for compute in COMPUTES:
            output = scratch / f"{compute}-{seed}"
            run(options.program, "train", "--model", options.model, "--data",
                scratch / "data" / "train.jsonl", "--eval-data", scratch / "data" / "test.jsonl",
                "--eval-every", options.steps, "--output", output, *LORA, "--learning-rate",
                "2e-3", "--max-steps", options.steps, "--batch-size", 8,
                "--gradient-accumulation", 1, "--seed", seed, "--base-compute", compute)
            shown = run(options.program, "eval", "--task", "exact-match", "--data",
                        scratch / "data" / "test.jsonl", "--limit", options.questions,
                        "--batch-size", 50, "--max-new-tokens", 64, "--model", options.model,
                        "--adapter", output / "adapter")
            matched = re.search(r"exact match ([0-9.]+) %", shown).group(1)
            print(f"{seed:4}  {compute:13} {last_eval_loss(output):14.4f} {matched:>11} %",
                  flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=lambda text: str(pathlib.Path(text).resolve()))
    parser.add_argument("part", choices=("loss", "speed", "task"))
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--isa")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--questions", type=int, default=100)
    options = parser.parse_args()
    if options.isa:
        os.environ["ONEDNN_MAX_CPU_ISA"] = options.isa
    with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
        {"loss": part_loss, "speed": part_speed, "task": part_task}[options.part](
            options, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
