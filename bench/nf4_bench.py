"""Compares svtune's NF4 quantisation with bitsandbytes on the CPU, in one run.

usage: nf4_bench.py BENCH_PROGRAM [THREADS]

A bf16 matrix of 4864 x 896 (Qwen2.5-0.5B's largest linear) is quantised in blocks of 64 and
dequantised to bf16. Times are of the best round, in milliseconds, into new memory, which is all
that bitsandbytes offers on the CPU; "reused" is svtune's into a buffer that is there. GB/s counts
the bf16 output. The ratio is bitsandbytes' time over svtune's. The codes must be equal.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

logging.disable(logging.WARNING)  # bitsandbytes misses an optional package
import bitsandbytes.functional as F  # noqa: E402

import figures  # noqa: E402

OUT, IN, ROUNDS = 4864, 896, 20


def best(function):
    seconds = 1e30
    for _ in range(ROUNDS):
        start = time.perf_counter()
        result = function()
        seconds = min(seconds, time.perf_counter() - start)
    return result, seconds


def print_row(*columns):
    print("{:<22} {:>12} {:>7} {:>14} {:>7} {:>7} {:>10}".format(*columns), flush=True)


def main():
    program = sys.argv[1]
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    torch.set_num_threads(threads)
    weight = (torch.randn(OUT, IN, generator=torch.Generator().manual_seed(7)) * 0.02).bfloat16()
    (codes, state), quantize = best(lambda: F.quantize_4bit(weight, blocksize=64, quant_type="nf4"))
    _, dequantize = best(lambda: F.dequantize_4bit(codes, state))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weight"
        file.write_bytes(weight.view(torch.int16).numpy().tobytes())
        lines = subprocess.run([program, str(threads), f"{file}:{OUT}:{IN}"], check=True,
                               capture_output=True, text=True).stdout.splitlines()
    print_row(f"{OUT}x{IN}, {threads} threads", "quantise ms", "ratio", "dequantise ms", "ratio", "GB/s", "reused ms")

    def row(name, quantize_seconds, dequantize_seconds, reused=""):
        figures.record("NF4 of 4864 x 896", f"{name}, quantise", 1e3 * quantize_seconds, "ms", "lower")
        figures.record("NF4 of 4864 x 896", f"{name}, dequantise", 1e3 * dequantize_seconds, "ms",
                       "lower")
        print_row(name, f"{1e3 * quantize_seconds:.2f}", f"{quantize / quantize_seconds:.1f}",
                  f"{1e3 * dequantize_seconds:.3f}", f"{dequantize / dequantize_seconds:.2f}",
                  f"{2e-9 * OUT * IN / dequantize_seconds:.1f}", reused)

    row("bitsandbytes", quantize, dequantize)
    for line in map(json.loads, lines):
        if line["checksum"] != int(codes.long().sum()):
            sys.exit("error: the codes differ")
        row(f"svtune, {line['kernels']}", line["quantize"], line["dequantize"],
            f"{1e3 * line['dequantize_into']:.3f}")


main()
