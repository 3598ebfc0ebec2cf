"""Random LoRA configurations put onto a small model by PEFT.

usage: peft_fuzz.py MODEL_DIR COUNT SEED
Prints one JSON object per line: "config" as adapter_config.json would hold it, and what PEFT
made of it: "layers" {module: [rank, scaling]}, "embedding", "saved" modules, or "error".
"""
import copy
import json
import random
import sys
import warnings

import without_bitsandbytes  # noqa: F401
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Embedding, LoraLayer
from peft.utils import ModulesToSaveWrapper
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
REGEXES = [r".*\.q_proj", r"model\.layers\.[02]\.mlp\.(up|down)_proj", r".*_proj", r"q_proj",
           r".*self_attn\.(?:q|k)_proj$", r".*lm_head", r".*embed.*", r".*mlp", r"model\.layers\.\d+\..*[kv]_proj",
           r"(?!.*layers\.1\.).*o_proj", "ALL-linear", "nothing"]
PATTERNS = ["q_proj", "layers.1.*", "mlp.*", r"model.layers.0.self_attn.q_proj", r".*\.v_proj", "proj",
            r"self_attn\.[qk]_proj", "lm_head", "o_pro."]


def some(rng, items, most=3):
    return rng.sample(items, rng.randint(1, min(most, len(items))))


def random_targets(rng, full_names):
    kind = rng.random()
    if kind < 0.1:
        return None
    if kind < 0.2:
        return "all-linear"
    if kind < 0.4:
        return rng.choice(REGEXES)
    pool = LINEARS * 3 + ["self_attn.q_proj", "mlp.up_proj", "layers.1.mlp.down_proj", "proj", "q_pro",
                          "lm_head", "embed_tokens", "mlp", "norm"] + full_names[:6]
    return sorted(set(some(rng, pool, 5)))


def random_config(rng, full_names):
    config = {"target_modules": random_targets(rng, full_names), "r": rng.randint(1, 8),
              "lora_alpha": rng.choice([1, 8, 16, 0.5]), "use_rslora": rng.random() < 0.3}
    if rng.random() < 0.25:
        config["exclude_modules"] = rng.choice(
            [["q_proj"], ["layers.1.self_attn.v_proj", "mlp.up_proj"], r".*layers\.0\..*", ["lm_head", "k_proj"],
             r".*(q|v)_proj"])
    if rng.random() < 0.35:
        config["layers_to_transform"] = rng.choice([0, 1, [0, 2], [1], [5], [0, 1, 2]])
    if rng.random() < 0.25:
        config["layers_pattern"] = rng.choice(["layers", ["layers"], ["blocks", "layers"], "h", "", "layer.*"])
    if rng.random() < 0.2:
        config["modules_to_save"] = rng.choice([["lm_head"], ["norm"], ["embed_tokens"], ["input_layernorm"],
                                                ["mlp"], ["o_proj"], ["lm_head", "model.norm"]])
    for key, values in (("rank_pattern", [2, 3, 7]), ("alpha_pattern", [4, 32, 1.5])):
        if rng.random() < 0.35:
            config[key] = {p: rng.choice(values) for p in some(rng, PATTERNS)}
    return config


def outcome(model, config):
    try:
        peft_config = LoraConfig(task_type="CAUSAL_LM", **config)
        # The message about an unusable choice matters as little as its type.
        adapted = get_peft_model(copy.deepcopy(model), peft_config).base_model.model
    except (ValueError, TypeError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    result = {"layers": {}, "embedding": False, "saved": []}
    for name, module in adapted.named_modules():
        if isinstance(module, Embedding):
            result["embedding"] = True
        elif isinstance(module, LoraLayer):
            result["layers"][name] = [module.r["default"], module.scaling["default"]]
        elif isinstance(module, ModulesToSaveWrapper):
            result["saved"].append(name)
    return result


def main():
    warnings.simplefilter("ignore")
    disable_progress_bar()
    torch.set_num_threads(1)
    directory, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    full_names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    for _ in range(count):
        config = random_config(rng, full_names)
        print(json.dumps({"config": dict(config, peft_type="LORA"), **outcome(model, config)}))


main()
