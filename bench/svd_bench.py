"""Compares svtune's decompositions with PEFT's PiSSA initialisation and torch.linalg.svd.

usage: svd_bench.py BENCH_PROGRAM [THREADS [SHAPE,... [RANK,...]]]   (rank 0: full)

Weights have the four shapes of Qwen2.5-0.5B's linears, bf16, with the spectrum of a trained
model (a random bulk under 128 slowly falling spikes). Both sides decompose the same weights in
the same run, alternating. Times are per matrix: wall (best round) and processor time, which
other programs on the machine disturb less; the model's row adds up its 168 linears. `error` is
the distance of the rank-r product from the one of an fp64 gesdd, relative; `peak` how much the
resident set grew, per matrix. PEFT's side is what
`init_lora_weights` "pissa" and "pissa_niter_N" compute: W in fp32, torch.linalg.svd or
torch.svd_lowrank with q = r, then A, B and the residual.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
from torch import nn

import figures

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


def status_kilobytes(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def best(function):
    """Result, wall and processor seconds of the best round, growth of the resident set."""
    wall, processor = 1e30, 1e30
    ctypes.CDLL(None).malloc_trim(0)  # memory kept from before would hide the growth
    Path("/proc/self/clear_refs").write_text("5")
    before = status_kilobytes("VmRSS")
    for _ in range(ROUNDS):
        start, start_processor = time.perf_counter(), time.process_time()
        result = function()
        wall = min(wall, time.perf_counter() - start)
        processor = min(processor, time.process_time() - start_processor)
    return result, wall, processor, 1024 * (status_kilobytes("VmHWM") - before)


def peft_init(weight, rank, init):
    """PEFT's own layer, built around the weight."""
    from peft.tuners.lora.config import LoraConfig
    from peft.tuners.lora.layer import Linear

    base = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.bfloat16)
    base.weight.data = weight.clone()
    config = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=init)
    layer = Linear(base, "default", config, r=rank, lora_alpha=rank, init_lora_weights=init)
    return (layer.lora_B["default"].weight.data.double()
            @ layer.lora_A["default"].weight.data.double())


class Weight:
    def __init__(self, folder, out, inn):
        self.out, self.inn = out, inn
        self.values = model_like(out, inn, 7)
        self.file = Path(folder) / f"{out}x{inn}"
        self.file.write_bytes(self.values.view(torch.int16).numpy().tobytes())
        self.u, self.s, self.vh = torch.linalg.svd(self.values.double(), full_matrices=False)

    def error(self, product, rank):
        exact = (self.u[:, :rank] * self.s[:rank]) @ self.vh[:rank]
        return ((product - exact).norm() / exact.norm()).item()


def svtune_run(program, threads, weight, request):
    """What the program prints, and its product U S Vᵀ."""
    line = subprocess.run(
        [program, str(threads), request, f"{weight.file}:{weight.out}:{weight.inn}"],
        check=True, capture_output=True, text=True).stdout
    values = torch.from_numpy(numpy.fromfile(f"{weight.file}.svt", dtype=numpy.float32)).double()
    rank = len(values) // (weight.out + weight.inn + 1)
    u, s, v = values.split([weight.out * rank, rank, weight.inn * rank])
    return json.loads(line), (u.view(-1, rank) * s) @ v.view(-1, rank).T


def print_row(*columns):
    print("{:<10} {:>5} {:<20} {:>9} {:>12} {:>9} {:>9}  {}".format(*columns), flush=True)


class Table:
    def __init__(self):
        self.model = {}  # seconds of all measured layers by rank and method

    def add(self, weight, rank, method, wall, processor, peak, error, note=""):
        total = self.model.setdefault((rank, method), [0.0, 0.0])
        layers = LAYERS * SHAPES[weight.out, weight.inn]
        total[0] += layers * wall
        total[1] += layers * processor
        print_row(f"{weight.out}x{weight.inn}", rank or "full", method, f"{1e3 * wall:.1f}",
                  f"{1e3 * processor:.1f}", f"{peak / 2**20:.1f}", f"{error:.1e}", note)


def compare(program, threads, weight, rank, table):
    requests = [("exact", f"{rank}")]
    if rank:
        requests += [(f"fast niter {n}", f"{rank}/{n}") for n in (4, 16)]
    for name, request in requests:
        ours, product = svtune_run(program, threads, weight, request)
        table.add(weight, rank, "svtune " + name, ours["wall"], ours["processor"], ours["peak"],
                  weight.error(product, rank or None), ours["algorithm"])
    if rank == 0:
        as_float = weight.values.float()
        (u, s, vh), *measured = best(lambda: torch.linalg.svd(as_float, full_matrices=False))
        table.add(weight, 0, "torch.linalg.svd", *measured,
                  weight.error((u.double() * s.double()) @ vh.double(), None))
        return
    for init in ["pissa_niter_4", "pissa_niter_16", "pissa"]:
        product, *measured = best(lambda: peft_init(weight.values, rank, init))
        table.add(weight, rank, "PEFT " + init, *measured, weight.error(product, rank))


def main():
    program = sys.argv[1]
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else os.cpu_count()
    shapes = sys.argv[3].split(",") if len(sys.argv) > 3 else [f"{o}x{i}" for o, i in SHAPES]
    ranks = [int(r) for r in sys.argv[4].split(",")] if len(sys.argv) > 4 else RANKS + [0]
    torch.set_num_threads(threads)
    table = Table()
    peft_init(torch.randn(8, 8).bfloat16(), 2, "pissa")  # imports and thread pools
    print_row("shape", "rank", "method", "wall ms", "processor ms", "peak MiB", "error", "")
    with tempfile.TemporaryDirectory() as folder:
        for shape in shapes:
            weight = Weight(folder, *map(int, shape.split("x")))
            for rank in ranks:
                compare(program, threads, weight, rank, table)
    print()
    print("the model's layers of these shapes, in seconds (svtune: one matrix per thread):")
    for (rank, method), (wall, processor) in sorted(table.model.items()):
        print_row("", rank or "full", method, f"{wall:.1f}", f"{processor:.1f}", "", "", "")
        figures.record("decompose a model", f"rank {rank or 'full'}, {method}", wall, "s", "lower")


if __name__ == "__main__":
    main()
