"""Compares svtune's decompositions with PEFT's PiSSA initialisation and torch.linalg.svd.

usage: svd_bench.py BENCH_PROGRAM [THREADS]

Weights have the four shapes of Qwen2.5-0.5B's linears, bf16, with the spectrum of a trained
model (a random bulk under 128 slowly falling spikes). Both sides decompose the same weights in
the same run, alternating. Times are per matrix: wall (best round) and processor time, which
other programs on the machine disturb less; the model's row adds up its 168 linears. `error` is
the distance of the rank-r product from the one of an fp64 gesdd, relative. PEFT's side is what
`init_lora_weights` "pissa" and "pissa_niter_N" compute: W in fp32, torch.linalg.svd or
torch.svd_lowrank with q = r, then A, B and the residual.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
from torch import nn

LAYERS = 24
SHAPES = {(896, 896): 2, (128, 896): 2, (4864, 896): 2, (896, 4864): 1}  # count per layer
RANKS = [16, 64, 128]
ROUNDS = 3


def model_like(out, inn, seed):
    generator = torch.Generator().manual_seed(seed)
    count = min(out, inn, 128)
    u = torch.linalg.qr(torch.randn(out, count, generator=generator))[0]
    v = torch.linalg.qr(torch.randn(inn, count, generator=generator))[0]
    spikes = 0.06 * (out**0.5 + inn**0.5) * torch.arange(1, count + 1) ** -0.45
    bulk = 0.02 * torch.randn(out, inn, generator=generator)
    return (bulk + (u * spikes) @ v.T).bfloat16()


def best(function):
    wall, processor = 1e30, 1e30
    for _ in range(ROUNDS):
        start, start_processor = time.perf_counter(), time.process_time()
        result = function()
        wall = min(wall, time.perf_counter() - start)
        processor = min(processor, time.process_time() - start_processor)
    return result, wall, processor


def peft_init(weight, rank, init):
    """PEFT's own layer, built around the weight."""
    from peft.tuners.lora.config import LoraConfig
    from peft.tuners.lora.layer import Linear

    base = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.bfloat16)
    base.weight.data = weight.clone()
    config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=init)
    layer = Linear(base, "default", config, r=rank, lora_alpha=rank, init_lora_weights=init)
    return layer.lora_B["default"].weight.data.double() @ layer.lora_A["default"].weight.data.double()


def svtune_product(path, out, inn, rank):
    values = torch.from_numpy(numpy.fromfile(path, dtype=numpy.float32).copy()).double()
    u, s, v = values.split([out * rank, rank, inn * rank])
    return (u.view(out, rank) * s) @ v.view(inn, rank).T


def print_row(*columns):
    print("{:<16} {:>5} {:<16} {:>10} {:>12} {:>10}  {}".format(*columns), flush=True)


def main():
    program = sys.argv[1]
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    torch.set_num_threads(threads)
    model = {}
    print_row("shape", "rank", "method", "wall ms", "processor ms", "error", "")
    with tempfile.TemporaryDirectory() as folder:
        for (out, inn), count in SHAPES.items():
            weight = model_like(out, inn, 7)
            file = Path(folder) / f"{out}x{inn}"
            file.write_bytes(weight.view(torch.int16).numpy().tobytes())
            u, s, vh = torch.linalg.svd(weight.double(), full_matrices=False)

            def add(rank, method, wall, processor, error, note=""):
                key = (rank, method)
                total = model.setdefault(key, [0.0, 0.0])
                total[0] += LAYERS * count * wall
                total[1] += LAYERS * count * processor
                shown = "" if error is None else f"{error:.1e}"
                print_row(f"{out}x{inn}", rank or "full", method, f"{1e3 * wall:.1f}",
                          f"{1e3 * processor:.1f}", shown, note)

            for rank in RANKS + [0]:
                line = subprocess.run([program, str(threads), str(rank), f"{file}:{out}:{inn}"],
                                      check=True, capture_output=True, text=True).stdout
                ours = json.loads(line)
                if rank == 0:
                    add(0, "svtune", ours["wall"], ours["processor"], None)
                    _, wall, processor = best(
                        lambda: torch.linalg.svd(weight.float(), full_matrices=False))
                    add(0, "torch.linalg.svd", wall, processor, None)
                    continue
                exact = (u[:, :rank] * s[:rank]) @ vh[:rank]

                def error_of(product):
                    return ((product - exact).norm() / exact.norm()).item()

                add(rank, "svtune exact", ours["wall"], ours["processor"],
                    error_of(svtune_product(f"{file}.{rank}.svt", out, inn, rank)),
                    ours["algorithm"])
                for init in ["pissa_niter_4", "pissa_niter_16", "pissa"]:
                    product, wall, processor = best(lambda: peft_init(weight, rank, init))
                    add(rank, f"PEFT {init}", wall, processor, error_of(product))
    print()
    print("whole model, 168 linears, in seconds (svtune decomposes one matrix per thread):")
    for (rank, method), (wall, processor) in sorted(model.items()):
        print_row("", rank or "full", method, f"{wall:.1f}", f"{processor:.1f}", "", "")


if __name__ == "__main__":
    main()
