"""What a 16-bit model keeps of a small update: the loss of merged and of fully fine-tuned models
beside the exact ones, after few and many steps.

usage: merge_bench.py PROGRAM --model DIR --train FILE --test FILE [--methods NAME,...]
                      [--steps N,...] [--limit N] [--json FILE]
The model is one in bf16. Adapters are merged into bf16 by nearest and by automatic rounding; full
fine-tuning ends in bf16 by both, and is compared with the run from the same weights in fp32. All
losses are computed in fp32 on the first --limit records of the test file. `kept` is the part of the
loss's fall that the 16-bit model has.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import figures

# The papers' small rates, at which an update is far below half a step of bf16.
METHODS = {"lora": ["--method", "lora", "--rank", 16, "--learning-rate", 2e-4],
           "pissa": ["--method", "pissa", "--rank", 16, "--learning-rate", 2e-5],
           "svft": ["--method", "svft", "--basis-rank", 192, "--learning-rate", 1e-3],
           "full": ["--method", "full", "--learning-rate", 1e-5]}


def svtune(options, *arguments):
    result = subprocess.run([options.program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"svtune {arguments[0]}: {result.stderr}")
    return result.stdout


def loss(options, model, *more):
    output = svtune(options, "eval", "--model", model, "--data", options.test, "--limit",
                    options.limit, "--template", "alpaca", "--dtype", "fp32", *more)
    return float(re.search(r"[Ll]oss[: ]+([\d.]+)", output)[1])


def train(options, model, method, steps, run, *more):
    svtune(options, "train", "--model", model, "--data", options.train, "--output", run,
           "--template", "alpaca", "--max-steps", steps, "--batch-size", 1, "--samples", 0,
           "--gradient-accumulation", 1, "--schedule", "constant", "--warmup-ratio", 0,
           "--dtype", "fp32", *METHODS[method], *more)


def of_adapter(options, method, steps, folder):
    """The exact loss, and that of the model merged by each rounding."""
    run = folder / "run"
    train(options, options.model, method, steps, run)
    losses = {"exact": loss(options, options.model, "--adapter", run / "adapter")}
    for rounding in ("nearest", "auto"):
        merged = folder / rounding
        svtune(options, "merge", "--model", options.model, "--adapter", run / "adapter",
               "--output", merged, "--rounding", rounding)
        losses[rounding] = loss(options, merged)
    return losses


def in_fp32(model, folder):
    """The same weights in fp32."""
    from safetensors.torch import load_file, save_file
    shutil.copytree(model, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    tensors = {}
    for file in pathlib.Path(model).glob("*.safetensors"):
        tensors |= {name: value.float() for name, value in load_file(file).items()}
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def of_full(options, steps, folder):
    losses = {}
    starts = {"exact": (in_fp32(options.model, folder / "wide"), "auto"),
              "nearest": (options.model, "nearest"), "auto": (options.model, "auto")}
    for name, (model, rounding) in starts.items():
        run = folder / f"run-{name}"
        train(options, model, "full", steps, run, "--rounding", rounding)
        losses[name] = loss(options, run / "model")
    return losses


def show(method, steps, before, losses):
    fall = before - losses["exact"]
    kept = {name: (before - losses[name]) / fall for name in ("nearest", "auto")}
    print(f"{method:8}{steps:>6}{before:>12.5f}{losses['exact']:>12.5f}{losses['nearest']:>12.5f}"
          f"{kept['nearest']:>8.3f}{losses['auto']:>12.5f}{kept['auto']:>8.3f}", flush=True)
    for name, part in kept.items():
        figures.record("merged loss", f"{method}, {steps} steps, {name}", part, "of the fall",
                       "higher")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--train", type=pathlib.Path, required=True)
    parser.add_argument("--test", type=pathlib.Path, required=True)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--steps", default="3,30,300")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    figures.keep_in(options.json)
    before = loss(options, options.model)
    print(f"{'method':8}{'steps':>6}{'before':>12}{'exact':>12}{'nearest':>12}{'kept':>8}"
          f"{'auto':>12}{'kept':>8}")
    for method in options.methods.split(","):
        for steps in map(int, options.steps.split(",")):
            with tempfile.TemporaryDirectory() as scratch:
                folder = pathlib.Path(scratch)
                losses = (of_full(options, steps, folder) if method == "full"
                          else of_adapter(options, method, steps, folder))
            show(method, steps, before, losses)


if __name__ == "__main__":
    main()
