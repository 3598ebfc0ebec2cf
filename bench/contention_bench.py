"""Speed on a machine that is not idle: beside one busy thread, and beside another program that
computes with two, for svtune and for transformers + PEFT in the same situation.

usage: contention_bench.py PROGRAM --model DIR --data gsm8k_train.jsonl [--steps N] [--rounds N]
Needs torch, transformers and peft in the Python that runs it, and two cores: give it more with
taskset. A thread of ours that shares its core gets half of it, and the others wait for it, so the
fair share is half of the idle machine's speed. PEFT computes in fp32 where the processor has no
bf16 of its own. Prints speeds and, beside busy programs, what part of the fair share they are, each
also as it is measured. The settings of OpenMP are taken out of the environment: the defaults
are measured.
"""
import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import figures
import train_bench

BUSY = "while True: pass"
COMPUTING = ("import torch; torch.set_num_threads(2); a = torch.randn(1024, 1024)\n"
             "while True: a @ a")
SITUATIONS = {"idle": None, "beside one busy thread": BUSY,
              "beside two computing threads": COMPUTING}
PROMPT = "Tell me a long story about a sailor and the sea."


@contextlib.contextmanager
def beside(code):
    if code is None:
        yield
        return
    other = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(1 if code == BUSY else 5)  # until it computes
        yield
    finally:
        other.kill()
        other.wait()


def run_time(program, *arguments):
    begin = time.perf_counter()
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


PEFT_DTYPE = "auto" if figures.fast_bf16() else "fp32"


def subjects(options, data, scratch):
    """name -> function that gives a speed; the unit is that of the name."""
    def train():
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return train_bench.speed(train_bench.run_svtune(
                options.program, options.model, data, options.steps, pathlib.Path(folder) / "run"))

    def peft():
        return train_bench.speed(train_bench.run_peft(options.model, data, options.steps, PEFT_DTYPE))

    def generate():
        return 1 / run_time(options.program, "generate", "--model", options.model, "--prompt",
                            PROMPT, "--temperature", 0, "--max-new-tokens", 96)

    def evaluate():
        return 1 / run_time(options.program, "eval", "--model", options.model, "--data", data)

    def decompose():
        return 1 / run_time(options.program, "inspect", options.model, "--spectrum")
    return {"svtune train, tokens/s": train, "svtune generate, runs/s": generate,
            "svtune eval, runs/s": evaluate, "svtune SVD, runs/s": decompose,
            "PEFT train, tokens/s": peft}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        os.environ.pop(name, None)
    os.environ["SVTUNE_CACHE_GIB"] = "0"  # decompositions are computed each time
    medians = {}
    with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
        data = pathlib.Path(scratch) / "train.jsonl"
        lines = options.data.read_text("utf-8").splitlines()[:options.steps * 4]
        data.write_text("\n".join(lines) + "\n", "utf-8")
        measured = subjects(options, data, scratch)
        for situation, code in SITUATIONS.items():
            with beside(code):
                for name, measure in measured.items():
                    speeds = [measure() for _ in range(options.rounds)]
                    medians[name, situation] = statistics.median(speeds)
                    print(f"{situation}: {name} {medians[name, situation]:.2f}", file=sys.stderr,
                          flush=True)
    print(f"{'':26} {'idle':>9}  " + "  ".join(f"{s:>28}" for s in list(SITUATIONS)[1:]))
    for name in measured:
        idle = medians[name, "idle"]
        cells = []
        for situation in list(SITUATIONS)[1:]:
            value = medians[name, situation]
            cells.append(f"{value:15.2f} ({value / (idle / 2):4.2f} fair)")
            figures.record("contention", f"{name.split(',')[0]} {situation}", value / (idle / 2),
                           "of the fair share", "higher")
        print(f"{name:26} {idle:9.2f}  " + "  ".join(f"{cell:>28}" for cell in cells))


if __name__ == "__main__":
    main()
