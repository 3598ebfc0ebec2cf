"""Random image models of every family with transformers' logits, losses and gradients, and PEFT's
adapters on them.

usage: vision_models.py models OUT_DIR     a directory per variant, and adapters on some of them
       vision_models.py check CASES_JSON   adapters and models made by svtune, against its logits
Exits with 77 when transformers or PEFT is not installed. Seeds are fixed; attention is eager, fp32.
`models` writes expected.safetensors into each directory: images, labels, logits, loss, and grad.NAME
of each parameter by its name in memory. A directory NAME-running beside some holds the tensors under
those names. adapters/ has PEFT's directories with their logits as NAME.safetensors. `check` prints the
largest difference of the logits per name, or the error; for a file with `stays`, that of loss and
gradients in training, where its rows say of which images each branch stays.
"""
import json
import pathlib
import sys
import unittest.mock
import warnings

import without_bitsandbytes  # noqa: F401

try:
    import torch
    import transformers as hf
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors.torch import load_file, save_file
except ImportError:
    sys.exit(77)

SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=16, patch_size=4)
VIT = dict(SIZES, intermediate_size=56)
DINO = dict(SIZES, mlp_ratio=3)
CLIP = dict(vision_config=VIT, text_config=dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                                intermediate_size=8, vocab_size=9))
# Family, options, size of the images.
VARIANTS = {
    "vit": ("ViT", dict(VIT, num_labels=3), (16, 16)),
    "vit_plain": ("ViT", dict(VIT, num_labels=5, qkv_bias=False, hidden_act="gelu_new"), (16, 16)),
    "vit_number": ("ViT", dict(VIT, num_labels=1), (16, 16)),
    "vit_sized": ("ViT", dict(VIT, num_labels=3), (24, 12)),
    "dinov2": ("Dinov2", dict(DINO, num_labels=3), (16, 16)),
    "dinov2_sized": ("Dinov2", dict(DINO, num_labels=2), (12, 28)),
    "registers": ("Dinov2WithRegisters", dict(DINO, num_labels=3, num_register_tokens=2), (16, 16)),
    "registers_larger": ("Dinov2WithRegisters", dict(DINO, num_labels=2), (28, 20)),
    "registers_smaller": ("Dinov2WithRegisters", dict(DINO, num_labels=3, use_swiglu_ffn=True), (12, 8)),
    "clip": ("CLIP", dict(CLIP, num_labels=3), (16, 16)),
    "clip_sized": ("CLIP", dict(vision_config=dict(VIT, hidden_act="gelu"), num_labels=2), (24, 12)),
    "dinov2_gated": ("Dinov2", dict(DINO, num_labels=3, use_swiglu_ffn=True, qkv_bias=False), (16, 16)),
}
RUNNING = ("vit", "dinov2", "registers")
NAMED_ALIKE = ("clip",)  # in memory and in files
ADAPTERS = {
    "query_value": dict(r=2, target_modules=["q_proj", "v_proj"]),
    "all_linear": dict(r=3, lora_alpha=6, target_modules="all-linear", exclude_modules=["classifier"],
                       rank_pattern={"fc1": 2}, bias="all"),
    "pattern": dict(r=3, target_modules=r".*\.1\..*(o_proj|fc2)"),
}
# As PEFT named them on transformers 4.
STORED = {"attention.q_proj": "attention.attention.query", "attention.v_proj": "attention.attention.value"}


def images(size, count=3):
    return torch.randn(count, 3, *size)


def randomise(model):
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.1)
        else:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)


def read_model(directory, labels=None):
    options = {} if labels is None else {"num_labels": labels}
    torch.manual_seed(5)
    return hf.AutoModelForImageClassification.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", **options).eval()


def logits(model, pixels):
    with torch.no_grad():
        return model(pixel_values=pixels).logits.float().contiguous()


def gradients(model):
    """Those of gate and up as one, since checkpoints hold one matrix of both."""
    found = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
    for gate in [name for name in found if ".gate_proj." in name]:
        both = [found.pop(gate), found.pop(gate.replace("gate_proj", "up_proj"))]
        found[gate.replace("gate_proj", "weights_in")] = torch.cat(both)
    return {"grad." + name: each.contiguous() for name, each in found.items()}


def write_models(output):
    output.mkdir(parents=True)
    torch.manual_seed(0)
    for name, (family, options, size) in VARIANTS.items():
        model = getattr(hf, family + "ForImageClassification")(getattr(hf, family + "Config")(**options))
        randomise(model)
        model.save_pretrained(output / name)
        if name in RUNNING:
            (output / f"{name}-running").mkdir()
            model.config.save_pretrained(output / f"{name}-running")
            save_file({key: each.contiguous() for key, each in model.state_dict().items()},
                      output / f"{name}-running" / "model.safetensors")
        model = read_model(output / name)
        count, pixels = model.config.num_labels, images(size)
        labels = torch.tensor([0.5, -1.0, 0.0]) if count == 1 else torch.tensor([i % count for i in (2, 0, 1)])
        sized = {"interpolate_pos_encoding": True} if name in ("vit_sized", "clip_sized") else {}
        result = model(pixel_values=pixels, labels=labels, **sized)
        result.loss.backward()
        save_file({"images": pixels, "labels": labels.float(), "logits": result.logits.detach().contiguous(),
                   "loss": result.loss.detach().reshape(1), **gradients(model)},
                  output / name / "expected.safetensors")


def write_stored(source, target):
    """The adapter as PEFT on transformers 4 writes it."""
    def stored(name):
        for now, before in STORED.items():
            name = name.replace(now, before)
        return name.replace(".layers.", ".encoder.layer.")

    target.mkdir()
    config = json.loads((source / "adapter_config.json").read_text())
    config["target_modules"] = ["query", "value"]
    (target / "adapter_config.json").write_text(json.dumps(config))
    tensors = load_file(source / "adapter_model.safetensors")
    save_file({stored(key): each for key, each in tensors.items()}, target / "adapter_model.safetensors")


def write_adapters(models):
    output = models / "adapters"
    output.mkdir()
    for base in RUNNING + NAMED_ALIKE:
        pixels = load_file(models / base / "expected.safetensors")["images"]
        for case, options in ADAPTERS.items():
            if base == "clip" and "bias" in options:  # "all" has that of a norm that no classifier reads
                options = dict(options, bias="none")
            config = LoraConfig(modules_to_save=["classifier"], **options)
            model = get_peft_model(read_model(models / base), config).eval()
            torch.manual_seed(7)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter += 0.1 * torch.randn_like(parameter)
            name = f"{base}-{case}"
            model.save_pretrained(output / name)
            save_file({"logits": logits(model, pixels)}, output / f"{name}.safetensors")
        if base in NAMED_ALIKE:
            continue
        write_stored(output / f"{base}-query_value", output / f"{base}-stored")
        save_file(load_file(output / f"{base}-query_value.safetensors"), output / f"{base}-stored.safetensors")


def depth_difference(model, expected):
    stays = iter(expected["stays"])
    draws = unittest.mock.patch.object(torch, "rand", lambda shape, **_: next(stays).reshape(shape) * 0.999)
    with draws:
        result = model.train()(pixel_values=expected["images"], labels=expected["labels"].long())
    result.loss.backward()
    found = {"loss": result.loss.detach().reshape(1), **gradients(model)}
    wanted = {name: each for name, each in expected.items() if name == "loss" or name.startswith("grad.")}
    assert found.keys() == wanted.keys() and next(stays, None) is None
    return max((found[name] - each).abs().max().item() for name, each in wanted.items())


def check(cases):
    result = {}
    for case in cases:
        try:
            expected = load_file(case["expected"])
            model = read_model(case["base"], case["labels"])
            if "stays" in expected:
                result[case["name"]] = depth_difference(model, expected)
                continue
            if case["adapter"]:
                model = PeftModel.from_pretrained(model, case["adapter"]).eval()
            result[case["name"]] = (logits(model, expected["images"]) - expected["logits"]).abs().max().item()
        except Exception as error:  # reported to the test, which fails on it
            result[case["name"]] = f"{type(error).__name__}: {error}"
    print(json.dumps(result))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    command, path = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "models":
        write_models(path)
        write_adapters(path)
    else:
        check(json.loads(path.read_text()))
