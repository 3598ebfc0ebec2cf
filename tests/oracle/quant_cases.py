"""bitsandbytes' side of quant_oracle_test.cpp.

usage: quant_cases.py OUT_FILE

Writes matrices with what bitsandbytes makes of them on the CPU as one safetensors file, and prints
per case one line of JSON: name, type, block size, whether double quantised. Tensors of case N
are "N.weight", "N.codes", "N.absmax", ... and "N.dense.<dtype>" where its dequantisation can be
asked for: its AVX-512 kernel is wrong for blocks longer than a row, and odd rows take a path that
wants a compiler.
"""
import json
import logging
import sys

import torch

logging.disable(logging.WARNING)  # it misses an optional package
import bitsandbytes.functional as F  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
SHAPES = ((16, 512), (37, 130), (33, 31), (3, 4100), (1, 1), (1, 70))
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
OUTPUTS = DTYPES


def boundaries(quant_type):
    """Midpoints of neighbouring values, with the fp32 numbers just below and above each."""
    code = torch.sort(F.get_4bit_type(quant_type, device="cpu"))[0]
    middle = (code[1:] + code[:-1]) / 2
    one = torch.tensor(1.0)
    return torch.cat([middle, torch.nextafter(middle, -one), torch.nextafter(middle, one), code])


def ties(shape, quant_type, generator):
    """Every value on or beside a boundary; every 16th is a power of two that others do not exceed."""
    choices = boundaries(quant_type)
    picks = torch.randint(len(choices), shape, generator=generator)
    values = choices[picks].flatten()
    values[::16] = 1.0
    return values.view(shape) * 0.25


def zeros(shape, quant_type, generator):
    """Whole blocks of zeros, one of them the last."""
    values = torch.randn(shape, generator=generator).flatten()
    values[: values.numel() // 2] = 0
    values[-1:] = 0
    if values.numel() % 32:
        values[-(values.numel() % 32):] = 0
    return values.view(shape)


def normal(shape, quant_type, generator):
    return torch.randn(shape, generator=generator) * 0.02


def magnitudes(shape, quant_type, generator):
    """From subnormals to 1e30, changing from row to row."""
    exponents = torch.linspace(-40, 30, shape[0]).double().unsqueeze(1)
    return (torch.randn(shape, generator=generator).double() * 10.0**exponents).float()


def four_bit(name, weight, quant_type, block, nested, tensors):
    codes, state = F.quantize_4bit(weight, blocksize=block, quant_type=quant_type,
                                   compress_statistics=nested)
    tensors[f"{name}.codes"] = codes.flatten().clone()
    tensors[f"{name}.map"] = state.code.clone()
    tensors[f"{name}.absmax"] = state.absmax.clone()
    if nested:
        tensors[f"{name}.nested_absmax"] = state.state2.absmax.clone()
        tensors[f"{name}.nested_map"] = state.state2.code.clone()
        tensors[f"{name}.offset"] = state.offset.reshape(1).clone()
    if weight.shape[1] % 2 == 0 and block <= weight.shape[1] and block < 2048:
        for dtype in OUTPUTS:
            state.dtype = dtype
            dense = F.dequantize_4bit(codes, state)
            tensors[f"{name}.dense.{str(dtype)[6:]}"] = dense.reshape(weight.shape).clone()


def int8(name, weight, tensors):
    codes, absmax, _ = F.int8_vectorwise_quant(weight)
    tensors[f"{name}.codes"] = codes.clone()
    tensors[f"{name}.absmax"] = absmax.clone()
    tensors[f"{name}.dense.float32"] = torch.ops.bitsandbytes.int8_vectorwise_dequant(codes, absmax)


def main():
    torch.set_num_threads(1)  # the mean of the scales depends on it
    generator = torch.Generator().manual_seed(11)
    tensors, cases = {}, []

    def add(kind, weight, quant_type, block, nested):
        name = str(len(cases))
        tensors[f"{name}.weight"] = weight.clone()
        if quant_type == "int8":
            int8(name, weight, tensors)
        else:
            four_bit(name, weight, quant_type, block, nested, tensors)
        cases.append({"name": name, "type": quant_type, "block": block, "nested": nested,
                      "what": f"{kind.__name__} {tuple(weight.shape)} {weight.dtype}"})

    for kind in (normal, ties, zeros, magnitudes):
        for shape in SHAPES:
            for dtype in DTYPES:
                for quant_type in ("nf4", "fp4"):
                    for block in BLOCKS:
                        weight = kind(shape, quant_type, generator).to(dtype)
                        if not weight.isfinite().all():
                            continue
                        add(kind, weight, quant_type, block, nested=len(cases) % 2 == 1)
                if kind is not zeros and kind is not magnitudes:
                    add(kind, kind(shape, "nf4", generator).to(dtype), "int8", 0, False)
    # Enough blocks for several nested ones.
    add(normal, normal((300, 512), "nf4", generator), "nf4", 64, True)
    add(normal, normal((300, 512), "nf4", generator).bfloat16(), "fp4", 32, True)
    save_file(tensors, sys.argv[1])
    for case in cases:
        print(json.dumps(case))


main()
