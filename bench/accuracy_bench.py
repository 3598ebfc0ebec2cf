"""What every method reaches on the demo's task, with one search of the learning rate for all of them:
arithmetic word problems made from a seed, SmolLM2-135M-Instruct or another small model.

usage: accuracy_bench.py PROGRAM --model DIR --output DIR [--cases NAME,...] [--steps N]
                         [--batch-size N] [--search-steps N] [--questions N] [--json FILE]
The search: a case names a rate, and it, its third and its triple are tried for --search-steps
steps of the same data; the one with the lowest loss on problems of its own makes the run, whose
answers to --questions further problems are compared. Each case is a folder of --output, and one
that is there already is not made again, so that a run may be stopped and go on, or cases be added.
Prints parameters, rate, loss, the share of right answers with Wilson's interval of 95 %, seconds of
training, peak memory and bytes on the disk, best first, and draws all curves with these figures
into --output/report.html. --json keeps the shares (figures.py).
"""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

import figures

RANK_16 = ["--rank", "16"]
SVFT = ["--method", "svft", "--basis-rank", "192", "--pattern"]
# What a case is, and the rate in the middle of its search: the demo's where it has one, else one
# from a few steps of trying: this task is learnt in some dozen steps, so the papers' are too low.
CASES = {
    "full": (["--method", "full"], 1e-4),
    "lora": (["--method", "lora", *RANK_16], 2e-3),
    "rslora": (["--method", "lora", *RANK_16, "--rslora"], 1e-3),
    "lora+": (["--method", "lora", *RANK_16, "--b-rate-ratio", "16"], 5e-4),
    "olora": (["--method", "lora", *RANK_16, "--init", "olora"], 1e-3),
    "eva": (["--method", "lora", *RANK_16, "--init", "eva"], 2e-3),
    "lora_ga": (["--method", "lora", *RANK_16, "--init", "lora_ga"], 1e-3),
    "corda": (["--method", "lora", *RANK_16, "--init", "corda"], 1e-3),
    "pissa": (["--method", "pissa", *RANK_16], 1e-3),
    "milora": (["--method", "milora", *RANK_16], 1e-3),
    "dora": (["--method", "dora", *RANK_16], 2e-3),
    "dora pissa": (["--method", "dora", *RANK_16, "--init", "pissa"], 1e-3),
    "adalora": (["--method", "adalora", "--rank", "24", "--target-rank", "16"], 4e-3),
    "sorsa": (["--method", "sorsa", *RANK_16], 1e-3),
    "kasa": (["--method", "kasa", *RANK_16], 2e-3),
    "delta_lora": (["--method", "delta_lora", *RANK_16], 2e-3),
    "flora": (["--method", "flora"], 2e-3),
    "vera": (["--method", "vera"], 2e-2),
    "oft": (["--method", "oft", "--block-size", "32"], 2e-3),
    "boft": (["--method", "boft", "--block-size", "32"], 2e-3),
    "svft plain": ([*SVFT, "plain"], 5e-2),
    "svft band 16": ([*SVFT, "banded", "--bandwidth", "16"], 1e-2),
    "svft random 16": ([*SVFT, "random", "--bandwidth", "16"], 1e-2),
    # Which square matrices alone have, two of seven.
    "svft top-k 16": ([*SVFT, "topk", "--bandwidth", "16", "--target-modules", "q_proj,o_proj"], 1e-2),
    "svf": (["--method", "svf"], 5e-2),
    "svfit": (["--method", "svfit", "--rank", "64"], 5e-2),
    "lora_xs": (["--method", "lora_xs", "--rank", "64"], 1e-2),
    "pica": (["--method", "pica", "--rank", "64"], 2e-3),
    "mica": (["--method", "mica", *RANK_16], 2e-3),
    "psoft": (["--method", "psoft", "--rank", "64"], 5e-3),
    "tinylora": (["--method", "tinylora"], 1e-2),
}
STEPS_OF_RATES = (1 / 3, 1, 3)
SEED = "1"
NEW_TOKENS = "64"
TOGETHER = "50"


def svtune(program, *arguments):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.strip().splitlines()[-1] if result.stderr else "failed")
    return result.stdout


def make_data(options):
    """Training problems, those that choose the rate, and those that are asked, all different."""
    data = options.output / "data"
    if not data.exists():
        examples = options.steps * options.batch_size
        svtune(options.program, "demo-data", "--output", data, "--train", examples, "--test",
               2 * options.questions, "--seed", SEED)
        lines = (data / "test.jsonl").read_text("utf-8").splitlines(keepends=True)
        (data / "asked.jsonl").write_text("".join(lines[:options.questions]), "utf-8")
        (data / "choosing.jsonl").write_text("".join(lines[options.questions:]), "utf-8")
    return data


def train(options, data, name, output, rate, steps):
    method, _ = CASES[name]
    shutil.rmtree(output, ignore_errors=True)  # of a bench that was stopped
    begin = time.perf_counter()
    svtune(options.program, "train", "--model", options.model, "--data", data / "train.jsonl",
           *method, "--learning-rate", rate, "--max-steps", steps, "--batch-size",
           options.batch_size, "--gradient-accumulation", 1, "--seed", SEED, "--samples", 0,
           "--output", output)
    return time.perf_counter() - begin


def result_of(options, run):
    """Arguments that name what the run made."""
    if (run / "adapter").exists():
        return ["--model", options.model, "--adapter", run / "adapter"]
    return ["--model", run / "model"]


def choose_rate(options, data, name, folder):
    """[(rate, loss)] of the search; a rate that fails counts as infinite."""
    tried = []
    for factor in STEPS_OF_RATES:
        rate = float(f"{CASES[name][1] * factor:.1e}")
        run = folder / f"rate-{rate:g}"
        try:
            train(options, data, name, run, rate, options.search_steps)
            shown = svtune(options.program, "eval", *result_of(options, run), "--data",
                           data / "choosing.jsonl")
            tried.append((rate, float(re.search(r"[Ll]oss[: ]+([\d.]+)", shown)[1])))
        except RuntimeError as error:
            print(f"{name}, rate {rate:g}: {error}", file=sys.stderr, flush=True)
            tried.append((rate, float("inf")))
    return tried


def make(options, data, name):
    """Makes the case unless it is there; its figures."""
    folder = options.output / name.replace(" ", "-")
    kept = folder / "figures.json"
    if kept.exists():
        return json.loads(kept.read_text("utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    tried = choose_rate(options, data, name, folder)
    rate, loss = min(tried, key=lambda pair: pair[1])
    if loss == float("inf"):
        raise RuntimeError(f"{name}: no rate could be trained")
    run = folder / "run"
    seconds = train(options, data, name, run, rate, options.steps)
    svtune(options.program, "eval", "--task", "exact-match", *result_of(options, run), "--data",
           data / "asked.jsonl", "--batch-size", TOGETHER, "--max-new-tokens", NEW_TOKENS,
           "--answers", folder / "answers.jsonl")
    answers = [json.loads(line) for line in
               (folder / "answers.jsonl").read_text("utf-8").splitlines()]
    points = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    report = json.loads((run / "report.json").read_text("utf-8"))
    saved = run / "adapter" if (run / "adapter").exists() else run / "model"
    found = {"case": name, "tried": tried, "rate": rate, "seconds": seconds,
             "right": sum(answer["correct"] for answer in answers), "asked": len(answers),
             "loss": sum(point["loss"] for point in points[-5:]) / len(points[-5:]),
             "memory": max(point["memory"] for point in points),
             "trainable": sum(layer["trainable_parameters"] for layer in report["layers"]),
             "bytes": sum(path.stat().st_size for path in saved.iterdir())}
    kept.write_text(json.dumps(found) + "\n", "utf-8")
    return found


def wilson(right, asked, z=1.959964):
    share, weight = right / asked, z * z / asked
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * (share * (1 - share) / asked + weight / (4 * asked)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def show(found):
    low, high = wilson(found["right"], found["asked"])
    share = found["right"] / found["asked"]
    print(f"{found['case']:15} {found['trainable']:>12,} {found['rate']:8.1e} {found['loss']:6.3f} "
          f"{100 * share:6.1f} % ({100 * low:4.1f} to {100 * high:4.1f}) {found['seconds']:7.0f} "
          f"{found['memory'] / 2**30:6.2f} {found['bytes'] / 1e6:8.1f}", flush=True)
    figures.record("accuracy", found["case"], share, "of the answers", "higher")


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--search-steps", type=int, default=12)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    for case in options.cases:
        if case not in CASES:
            parser.error(f"unknown case {case}, there are: {', '.join(CASES)}")
    return options


def main():
    options = read_options()
    figures.keep_in(options.json)
    options.output.mkdir(parents=True, exist_ok=True)
    data = make_data(options)
    made = []
    for case in options.cases:
        try:
            made.append(make(options, data, case))
        except RuntimeError as error:
            print(f"{case}: {error}", file=sys.stderr, flush=True)
    made.sort(key=lambda found: (-found["right"], found["loss"]))
    print(f"{'':15} {'numbers':>12} {'rate':>8} {'loss':>6} {'exact match, 95 % within':>24} "
          f"{'s':>7} {'GiB':>6} {'MB':>8}")
    for found in made:
        show(found)
    folders = [options.output / found["case"].replace(" ", "-") for found in made]
    svtune(options.program, "report", *(folder / "run" for folder in folders), "--names",
           ",".join(found["case"] for found in made), "--answers",
           ",".join(str(folder / "answers.jsonl") for folder in folders), "--title",
           f"{len(made)} ways to fine-tune {options.model.name}", "--output",
           options.output / "report.html")


if __name__ == "__main__":
    main()
