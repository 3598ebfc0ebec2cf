"""What PEFT gives where it is wrong, beside what is right.

usage: peft_errors.py MODEL_DIR OUT
MODEL_DIR is a small Llama without biases. Writes adapters as OUT/<name>/ and OUT/values.safetensors
with tensors "<error>.peft" and "<error>.right", and prints what is no tensor as JSON with PEFT's version.
"""
import copy
import functools
import json
import pathlib
import sys
import warnings

import without_bitsandbytes  # noqa: F401
import peft
import torch
from peft import AdaLoraConfig, BOFTConfig, LoraConfig, OFTConfig, PeftModel, get_peft_model
from peft.tuners.lora import layer as lora_layer
from peft.utils.loftq_utils import _low_rank_decomposition
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

TOKENS = torch.tensor([[(i * 7 + 3) % 48 for i in range(17)]])
TARGETS = ["q_proj", "down_proj"]
WEIGHTS = {"a": 0.7, "b": -0.4}


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits[0].float()


@functools.cache
def read_model(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def base_model(directory):
    return copy.deepcopy(read_model(directory))


def randomise(model):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "oft_" in name:
                parameter += 0.05 * torch.randn_like(parameter)


def adapted(directory, config):
    model = get_peft_model(base_model(directory), config).eval()
    randomise(model)
    return model


def two_adapters(directory, out, **options):
    """A model with adapters a and b, which lie in `out` as well."""
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=TARGETS, **options)
    model = get_peft_model(base_model(directory), config, adapter_name="a").eval()
    model.add_adapter("b", copy.deepcopy(config))
    randomise(model)
    model.save_pretrained(out, selected_adapters=["a", "b"])
    return model


def weighted_sum(directory, model):
    """The base with the sum of the adapters' changes in its weights and biases."""
    base = base_model(directory)
    with torch.no_grad():
        for name, layer in model.named_modules():
            if not isinstance(layer, lora_layer.LoraLayer):
                continue
            target = base.get_submodule(name.removeprefix("base_model.model."))
            for adapter, weight in WEIGHTS.items():
                target.weight += weight * layer.get_delta_weight(adapter)
                if layer.lora_bias[adapter]:
                    bias = weight * layer.scaling[adapter] * layer.lora_B[adapter].bias
                    target.bias = torch.nn.Parameter(bias if target.bias is None else target.bias + bias)
    return logits(base)


def mixed(model, how, **options):
    model.add_weighted_adapter(list(WEIGHTS), list(WEIGHTS.values()), how, combination_type=how, **options)
    model.set_adapter(how)
    return logits(model)


def sums(directory, out):
    plain = two_adapters(directory, out / "plain")
    right = weighted_sum(directory, plain)
    rslora = two_adapters(directory, out / "rslora", use_rslora=True)
    biased = two_adapters(directory, out / "biased", lora_bias=True)
    return {
        "cross_terms.peft": mixed(plain, "linear"), "cross_terms.right": right,
        "scaled_twice.peft": mixed(plain, "svd", svd_rank=8), "scaled_twice.right": right,
        "inherited_rslora.peft": mixed(rslora, "cat"), "inherited_rslora.right": weighted_sum(directory, rslora),
        "dropped_bias.peft": mixed(biased, "cat"), "dropped_bias.right": weighted_sum(directory, biased),
    }


def merge_of_bias(directory, out):
    """The message with which PEFT refuses to merge; empty where it merges."""
    model = PeftModel.from_pretrained(base_model(directory), out / "biased" / "a").eval()
    right = logits(model)
    try:
        model.merge_and_unload()
    except RuntimeError as error:
        return str(error), right
    return "", right


def evaluation_loss(directory, out):
    model = adapted(directory, AdaLoraConfig(task_type="CAUSAL_LM", init_r=4, target_r=2, total_step=9,
                                             target_modules=TARGETS))
    model.save_pretrained(out / "adalora")
    with torch.no_grad():
        got = model(TOKENS, labels=TOKENS).loss.item()
    return got, torch.nn.functional.cross_entropy(logits(model)[:-1], TOKENS[0, 1:]).item()


def module_dropout(directory, out):
    """Logits while training, and those of evaluation."""
    model = adapted(directory, OFTConfig(task_type="CAUSAL_LM", oft_block_size=8, module_dropout=0.9,
                                         target_modules=TARGETS))
    model.save_pretrained(out / "oft")
    evaluation = logits(model)
    model.train()
    return logits(model), evaluation


def disabled_pissa(directory):
    model = adapted(directory, LoraConfig(task_type="CAUSAL_LM", r=4, init_lora_weights="pissa",
                                          target_modules=TARGETS))
    with model.disable_adapter():
        return logits(model), logits(base_model(directory))


def butterfly_factors(directory):
    """Of a layer that is asked for two."""
    model = get_peft_model(base_model(directory), BOFTConfig(
        task_type="CAUSAL_LM", boft_block_size=4, boft_n_butterfly_factor=2, target_modules=["q_proj"]))
    return next(parameter.shape[0] for name, parameter in model.named_parameters() if "boft_R" in name)


def loftq_errors(directory):
    """‖W - what stands for it‖ of one layer: of PEFT's start, with alpha twice the rank; of the factors as LoftQ
    defines them; of the rounded weight alone. The rounding stands for NF4, which PEFT does on a GPU only."""
    def rounded_and_factors(weight, num_bits, reduced_rank, num_iter):
        rounded = (weight * 8).round() / 8
        found = _low_rank_decomposition(weight - rounded, reduced_rank=reduced_rank)
        return rounded, found["R"], found["L"]

    model = get_peft_model(base_model(directory), LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj"]))
    layer = next(each for each in model.modules() if isinstance(each, lora_layer.LoraLayer))
    weight = layer.get_base_layer().weight.data.clone()
    config = LoraConfig(r=4, lora_alpha=8)
    config.loftq_config = {"loftq_bits": 4, "loftq_iter": 1}
    own, lora_layer.loftq_init = lora_layer.loftq_init, rounded_and_factors
    with torch.no_grad():
        layer.loftq_init("default", config)
        change = layer.get_delta_weight("default")
    lora_layer.loftq_init = own
    rest = weight - layer.get_base_layer().weight
    return [(rest - change).norm().item(), (rest - change / layer.scaling["default"]).norm().item(),
            rest.norm().item()]


def small_update():
    """A layer in bf16 and a LoRA whose branch is smaller than a step of most outputs."""
    torch.manual_seed(11)
    base = torch.nn.Sequential(torch.nn.Linear(64, 512, bias=False)).to(torch.bfloat16)
    model = get_peft_model(base, LoraConfig(r=4, lora_alpha=4, target_modules=["0"])).eval()
    layer = next(each for each in model.modules() if isinstance(each, lora_layer.LoraLayer))
    x = torch.randn(64, 64).to(torch.bfloat16)
    with torch.no_grad():
        before = model(x)
        A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        B.copy_(torch.randn_like(B))
        wanted = x.double() @ A.double().t() @ B.double().t()
        scale = 5e-4 * before.double().norm() / wanted.norm()
        B.mul_(scale)
        after = model(x)
        wanted = (x.double() @ A.double().t() @ B.double().t()).float()
    return {"bf16.weight": layer.get_base_layer().weight.data, "bf16.x": x, "bf16.A": A.data.float(),
            "bf16.B": B.data.float(), "bf16.wanted": wanted, "bf16.peft": after.float() - before.float()}


def main(directory, out):
    values = sums(directory, out)
    facts = {"version": peft.__version__}
    facts["merge_of_bias"], values["merge_of_bias.right"] = merge_of_bias(directory, out)
    facts["evaluation_loss"] = evaluation_loss(directory, out)
    values["module_dropout.peft"], values["module_dropout.right"] = module_dropout(directory, out)
    values["disabled_pissa.peft"], values["disabled_pissa.right"] = disabled_pissa(directory)
    facts["butterfly_factors"] = butterfly_factors(directory)
    facts["loftq"] = loftq_errors(directory)
    values |= small_update()
    # Some are one tensor under two names.
    save_file({name: value.detach().clone().contiguous() for name, value in values.items()},
              out / "values.safetensors")
    print(json.dumps(facts))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    disable_progress_bar()
    torch.set_num_threads(1)
    torch.manual_seed(7)
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
