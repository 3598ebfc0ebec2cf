"""A training step of every method beside LoRA's, and beside PEFT's of the same method where it has
one, on all linear layers.

usage: method_bench.py PROGRAM --data gsm8k_train.jsonl (--model DIR | --tokenizer DIR) [--steps N]
                       [--rounds N] [--cases NAME,...] [--dtype auto|fp32|bf16] [--peft]
                       [--peft-dtype auto|fp32|bf16] [--quick] [--json FILE]
Needs torch and transformers in the Python that runs it, and with --peft peft. Without --model the
model has random weights of Qwen2.5-0.5B's shape in bf16. PEFT's side loads the weights in
--peft-dtype, by default fp32 where the processor has no bf16 of its own, else the file's; what fails
there is told and left out. The cases run one after
the other in alternating rounds on the same sequences, 4 a step; the first steps of each are left
out as warm-up. Prints seconds a step, the ratio to our LoRA's, PEFT's seconds and what share of
them ours are, memory while training beside the prediction, and the losses before step 1. The
decompositions are cached, so only the first round makes them. --json keeps the figures
(figures.py).
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

REFERENCE = "lora"
# k_proj and v_proj of small models have fewer directions than 256.
WIDE = "q_proj,o_proj,gate_proj,up_proj,down_proj"
SVFT = ["--method", "svft", "--pattern"]
CASES = {
    "lora": ["--method", "lora", "--rank", "16"],
    "pissa": ["--method", "pissa", "--rank", "16"],
    "milora": ["--method", "milora", "--rank", "16"],
    "olora": ["--method", "lora", "--rank", "16", "--init", "olora"],
    "dora": ["--method", "dora", "--rank", "16"],
    "dora pissa": ["--method", "dora", "--rank", "16", "--init", "pissa"],
    "adalora": ["--method", "adalora", "--rank", "24", "--target-rank", "16"],
    "adalora pissa": ["--method", "adalora", "--rank", "16", "--init", "pissa"],
    "sorsa": ["--method", "sorsa", "--rank", "16"],
    "kasa": ["--method", "kasa", "--rank", "16"],
    "delta_lora": ["--method", "delta_lora", "--rank", "16"],
    "flora": ["--method", "flora"],
    "vera": ["--method", "vera"],
    "oft": ["--method", "oft", "--block-size", "32"],
    "oft cayley": ["--method", "oft", "--block-size", "32", "--rotation", "cayley"],
    "boft": ["--method", "boft", "--block-size", "32"],
    "boft 2 factors": ["--method", "boft", "--block-size", "32", "--butterfly-factors", "2"],
    "svft plain": [*SVFT, "plain"],
    "svft band 16": [*SVFT, "banded", "--bandwidth", "16"],
    "svft random 16": [*SVFT, "random", "--bandwidth", "16"],
    "svft delta": [*SVFT, "banded", "--bandwidth", "16", "--product", "delta"],
    "svft int8": [*SVFT, "banded", "--bandwidth", "16", "--basis-dtype", "int8"],
    "svft nf4": [*SVFT, "banded", "--bandwidth", "16", "--basis-dtype", "nf4"],
    "svft rank 256": [*SVFT, "banded", "--bandwidth", "16", "--basis-rank", "256",
                      "--target-modules", WIDE],
    "lora of these": ["--method", "lora", "--rank", "16", "--target-modules", WIDE],
    "svf": ["--method", "svf"],
    "svfit": ["--method", "svfit", "--rank", "16"],
    "lora_xs": ["--method", "lora_xs", "--rank", "16"],
    "pica": ["--method", "pica", "--rank", "16"],
    "pica outputs": ["--method", "pica", "--rank", "16", "--frozen-side", "outputs"],
    "mica": ["--method", "mica", "--rank", "16"],
    "psoft": ["--method", "psoft", "--rank", "16"],
    "tinylora": ["--method", "tinylora"],
    "tinylora tied": ["--method", "tinylora", "--tie", "all"],
    "full": ["--method", "full", "--target-modules", "all-linear"],
}
UNITS = {"MiB": 2**20, "GiB": 2**30}


def peft_config(case, steps):
    """PEFT's configuration of a case; None where it has no such method."""
    import peft
    low_rank = {"r": 16, "lora_alpha": 16}
    factories = {
        "lora": lambda more: peft.LoraConfig(**low_rank, **more),
        "olora": lambda more: peft.LoraConfig(**low_rank, init_lora_weights="olora", **more),
        "mica": lambda more: peft.LoraConfig(**low_rank, init_lora_weights="mica", **more),
        # Its own start decomposes for minutes, and the steps after it are the same.
        "pissa": lambda more: peft.LoraConfig(**low_rank, init_lora_weights="pissa_niter_4",
                                              **more),
        "dora": lambda more: peft.LoraConfig(**low_rank, use_dora=True, **more),
        "dora pissa": lambda more: peft.LoraConfig(**low_rank, use_dora=True,
                                                   init_lora_weights="pissa_niter_4", **more),
        "kasa": lambda more: peft.LoraConfig(**low_rank, kasa_config=peft.KasaConfig(), **more),
        "adalora": lambda more: peft.AdaLoraConfig(init_r=24, target_r=16, lora_alpha=16,
                                                   total_step=steps, **more),
        "vera": lambda more: peft.VeraConfig(**more),
        "oft": lambda more: peft.OFTConfig(oft_block_size=32, **more),
        "oft cayley": lambda more: peft.OFTConfig(oft_block_size=32, use_cayley_neumann=False,
                                                  **more),
        "boft": lambda more: peft.BOFTConfig(boft_block_size=32, **more),
        "psoft": lambda more: peft.PsoftConfig(r=16, **more),
        "tinylora": lambda more: peft.TinyLoraConfig(**more),
        "tinylora tied": lambda more: peft.TinyLoraConfig(weight_tying=1.0, **more),
    }
    if case not in factories:
        return None
    return factories[case]({"target_modules": train_bench.TARGETS, "task_type": "CAUSAL_LM"})


def measure(program, case, model, data, steps, output, dtype):
    command = [program, "train", "--model", model, "--data", data, "--output", output, *CASES[case],
               "--template", "alpaca", "--max-steps", str(steps), "--batch-size", "4",
               "--gradient-accumulation", "1", "--learning-rate", "1e-4", "--samples", "0",
               "--schedule", "constant", "--warmup-ratio", "0", "--dtype", dtype]
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
    losses = re.search(r"Loss before step 1: base model ([\d.]+), .* ([\d.]+)$", shown, re.M)
    return {"seconds": statistics.median(seconds[train_bench.WARM_UP:]),
            # While training: the run's own peak includes the decompositions.
            "resident": max(row["memory"] for row in rows),
            "predicted": memory.get("Peak memory (predicted)", 0),
            "losses": losses.groups() if losses else ("", "")}


def measure_peft(case, model, data, steps, dtype):
    """Seconds a step; None where PEFT has no such method or fails, which is told."""
    process = subprocess.run([sys.executable, __file__, "--peft-side", case, str(model), str(data),
                              str(steps), dtype], capture_output=True, text=True)
    if process.returncode != 0:
        print(f"{case}, PEFT failed: {process.stderr[-2000:]}", file=sys.stderr, flush=True)
        return None
    result = json.loads(process.stdout.splitlines()[-1])
    return statistics.median(result["seconds"][train_bench.WARM_UP:]) if result else None


def peft_side(case, model, data, steps, dtype):
    config = peft_config(case, steps)
    if config is None:
        print("null")
        return
    rows = [json.loads(line) for line in open(data, encoding="utf-8")]
    train_bench.peft_side(model, rows, steps, dtype, config)


def show(case, rows, theirs, reference):
    times = sorted(row["seconds"] for row in rows)
    middle = statistics.median(times)
    peft = statistics.median(theirs) if theirs else None
    beside = f"{peft:8.3f} {middle / peft:6.2f}" if peft else " " * 15
    print(f"{case:16} {middle:8.3f} {times[0]:6.3f}-{times[-1]:<6.3f} {middle / reference:6.2f} "
          f"{beside} {rows[-1]['resident'] / 2**30:6.2f} {rows[-1]['predicted'] / 2**30:9.2f}  "
          f"{rows[0]['losses'][0]} {rows[0]['losses'][1]}", flush=True)
    figures.record("step", f"{case}, of LoRA's", middle / reference, "", "lower")
    if peft:
        figures.record("step", f"{case}, of PEFT's", middle / peft, "", "lower")


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, help="where no --model is given")
    parser.add_argument("--model", type=pathlib.Path, help="instead of random weights")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--peft", action="store_true")
    parser.add_argument("--peft-dtype", choices=("auto", "fp32", "bf16"),
                        default="auto" if figures.fast_bf16() else "fp32")
    parser.add_argument("--quick", action="store_true", help="one round of 3 steps: does it run?")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    for case in options.cases:
        if case not in CASES:
            parser.error(f"unknown case {case}, there are: {', '.join(CASES)}")
    if not options.model and not options.tokenizer:
        parser.error("need --model or --tokenizer")
    if options.quick:
        options.steps, options.rounds = train_bench.WARM_UP + 1, 1
    return options


def main():
    options = read_options()
    figures.keep_in(options.json)
    cases = [REFERENCE, *(case for case in options.cases if case != REFERENCE)]
    with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        os.environ.setdefault("SVTUNE_CACHE_DIR", str(scratch / "cache"))
        model = options.model or scratch / "model"
        if not model.exists():
            train_bench.make_model(model, options.tokenizer)
        data = scratch / "train.jsonl"
        lines = options.data.read_text("utf-8").splitlines()[:options.steps * 4]
        data.write_text("\n".join(lines) + "\n", "utf-8")
        ours, theirs = {case: [] for case in cases}, {case: [] for case in cases}
        for i in range(options.rounds):
            for case in cases:
                run = scratch / f"{case}-{i}".replace(" ", "-")
                ours[case].append(measure(options.program, case, model, data, options.steps, run,
                                          options.dtype))
                if not options.peft:
                    continue
                peft = measure_peft(case, model, data, options.steps, options.peft_dtype)
                theirs[case] += [peft] if peft else []
    reference = statistics.median(row["seconds"] for row in ours[REFERENCE])
    print(f"{'':16} {'s a step':>8} {'spread':>13} {'ratio':>6} {'PEFT s':>8} {'share':>6} "
          f"{'GiB':>6} {'predicted':>9}  losses: base, start")
    for case in cases:
        show(case, ours[case], theirs[case], reference)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--peft-side":
        peft_side(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6])
    else:
        main()
