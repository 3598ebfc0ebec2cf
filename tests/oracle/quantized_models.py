"""Quantised models of transformers and bitsandbytes on small random weights, on the CPU.

usage: quantized_models.py write OUT MODEL     quantises MODEL in several ways, prints the names
       quantized_models.py check CASES.json    compares logits of models that svtune wrote
"""
import json
import pathlib
import sys
import warnings

import bitsandbytes as bnb
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.utils.logging import disable_progress_bar

TOKENS = [(i * 7 + 3) % 48 for i in range(17)]


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([TOKENS])).logits[0].float().contiguous()


def dequantized_rows(layer):
    """An int8 layer as a plain one: its own product would round the activations as well."""
    state = layer.weight
    plain = torch.nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    plain.weight.data = state.data.float() * state.SCB.float().unsqueeze(1) / 127
    if layer.bias is not None:
        plain.bias.data = layer.bias.data.float()
    return plain


def exact(model):
    """All arithmetic in fp32."""
    for name, module in list(model.named_modules()):
        if isinstance(module, bnb.nn.Linear4bit):
            module.compute_dtype = torch.float32
            module.compute_type_is_set = True
            module.support_avx512bf16_for_cpu = False  # a product in bf16
        if isinstance(module, bnb.nn.Linear8bitLt):
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, dequantized_rows(module))
    return model.eval()


def read_model(directory, **options):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, **options)


def write(out, model):
    four = {"load_in_4bit": True, "bnb_4bit_compute_dtype": torch.float32}
    configs = {
        "nf4": BitsAndBytesConfig(bnb_4bit_quant_type="nf4", **four),
        "fp4": BitsAndBytesConfig(bnb_4bit_quant_type="fp4", **four),
        "nested": BitsAndBytesConfig(bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                     **four),
        "storage": BitsAndBytesConfig(bnb_4bit_quant_type="nf4",
                                      bnb_4bit_quant_storage=torch.bfloat16, **four),
        "int8": BitsAndBytesConfig(load_in_8bit=True),
    }
    for name, config in configs.items():
        quantized = read_model(model, quantization_config=config)
        quantized.save_pretrained(out / name)
        save_file({"logits": logits(exact(quantized))}, out / f"{name}.safetensors")
        print(name)


def check(cases):
    result = {}
    for case in cases:
        try:
            model = exact(read_model(case["base"]))
            if case["adapter"] is not None:
                model = PeftModel.from_pretrained(model, case["adapter"]).eval()
            expected = load_file(case["logits"])["logits"].float()
            result[case["name"]] = (logits(model) - expected).abs().max().item()
        except Exception as error:  # reported to the test, which fails on it
            result[case["name"]] = f"{type(error).__name__}: {error}"
    print(json.dumps(result))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    disable_progress_bar()
    torch.set_num_threads(1)
    if sys.argv[1] == "write":
        write(pathlib.Path(sys.argv[2]), sys.argv[3])
    else:
        check(json.loads(pathlib.Path(sys.argv[2]).read_text()))
