"""PEFT's side of the file tests.

usage: peft_cases.py write OUT_DIR MODEL_DIR...   adapters made by PEFT, with their logits
       peft_cases.py check CASES_JSON             adapters made by svtune, against its logits
`write` saves OUT_DIR/<model>-<case>/ and the logits beside it as .safetensors, and prints the
names. `check` reads [{"name", "base", "words" (optional), "adapter" (may be null), "logits"}] and prints, per name,
the largest difference of the logits, also after merging, or the error.
"""
import contextlib
import copy
import functools
import json
import pathlib
import re
import sys
import tempfile
import warnings

import without_bitsandbytes  # noqa: F401
import torch
from peft import (AdaLoraConfig, BOFTConfig, KasaConfig, LoraConfig, LoraGAConfig, OFTConfig, PeftModel, PsoftConfig,
                  TinyLoraConfig, VeraConfig, get_peft_model)
from peft.tuners.lora.loraga import preprocess_loraga
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

TOKENS = torch.tensor([[(i * 7 + 3) % 48 for i in range(17)]])
MLP = ["up_proj", "down_proj"]
CASES = {
    "plain": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"]),
    "default_targets": dict(r=2),
    "all_linear": dict(r=3, lora_alpha=1.5, target_modules="all-linear", lora_dropout=0.1),
    "regex": dict(r=3, target_modules=r"model\.layers\.[02]\..*(q|up)_proj"),
    "rslora": dict(r=4, lora_alpha=4, use_rslora=True, target_modules=MLP),
    "gaussian": dict(r=4, init_lora_weights="gaussian", target_modules=MLP),
    "random_start": dict(r=4, init_lora_weights=False, target_modules=MLP),
    "orthogonal": dict(r=4, init_lora_weights="orthogonal", target_modules=MLP),
    "olora": dict(r=4, lora_alpha=8, init_lora_weights="olora", target_modules=["q_proj", "down_proj"]),
    "olora_patterns": dict(r=4, use_rslora=True, init_lora_weights="olora", target_modules=MLP, rank_pattern={"up_proj": 9}),
    "mica": dict(r=4, init_lora_weights="mica", target_modules=MLP),
    "eva": dict(r=4, lora_alpha=8, init_lora_weights="eva", target_modules=MLP),
    "lora_ga": dict(r=4, lora_alpha=8, init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(), reload=True,
                    target_modules=MLP),
    "lora_ga_converted": dict(r=4, init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(), convert=True,
                              target_modules=MLP),
    "niter_converted": dict(r=4, lora_alpha=8, init_lora_weights="pissa_niter_2", convert=True, target_modules=MLP),
    "kasa": dict(r=4, lora_alpha=8, kasa_config=KasaConfig(), target_modules=["q_proj", "down_proj"]),
    "kasa_patterns": dict(r=4, use_rslora=True, kasa_config=KasaConfig(beta=0.1), bias="lora_only",
                          target_modules=["k_proj", "up_proj"], rank_pattern={"up_proj": 9}),
    "replicated": dict(r=4, lora_alpha=8, layer_replication=[[0, 2], [1, 3]], target_modules=["q_proj", *MLP]),
    "patterns": dict(r=4, lora_alpha=8, target_modules="all-linear",
                     # In sorted order, as PEFT saves them: overlapping keys change meaning otherwise.
                     rank_pattern={r"layers.1.*": 6, "mlp.up_proj": 3, "q_proj": 2},
                     alpha_pattern={"layers.2.self_attn.*": 3, "proj": 1}),
    "rank_above_size": dict(r=40, target_modules=["k_proj", "v_proj"]),
    "rslora_patterns": dict(r=4, lora_alpha=8, use_rslora=True, target_modules=MLP, rank_pattern={"up_proj": 9}),
    "layers": dict(r=4, target_modules=["q_proj", "model.layers.0.mlp.up_proj"], layers_to_transform=[1, 2],
                   layers_pattern="layers"),
    "exclude": dict(r=4, target_modules=MLP, exclude_modules=["layers.1.mlp.up_proj"]),
    "bias_all": dict(r=4, bias="all", target_modules=["q_proj", "up_proj"]),
    "bias_lora_only": dict(r=4, bias="lora_only", target_modules=["q_proj", "up_proj"]),
    "lora_bias": dict(r=4, lora_alpha=12, lora_bias=True, target_modules=["q_proj", "k_proj"]),
    "both_biases": dict(r=4, lora_alpha=12, lora_bias=True, bias="all", target_modules=["q_proj", "v_proj"]),
    "save_head": dict(r=4, target_modules=["q_proj"], modules_to_save=["lm_head"]),
    "save_embedding": dict(r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"]),
    "save_both": dict(r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]),
    "save_norms": dict(r=4, target_modules=["q_proj"], modules_to_save=["norm", "input_layernorm"]),
    "save_mlp": dict(r=4, target_modules=["q_proj"], modules_to_save=["layers.1.mlp"]),
    "save_biased": dict(r=4, target_modules=["q_proj"], modules_to_save=["k_proj"]),
    "adapt_head": dict(r=4, target_modules=["q_proj", "lm_head"]),
    "keep_tied": dict(r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    "pissa": dict(r=4, lora_alpha=8, init_lora_weights="pissa", target_modules=["q_proj", "down_proj"]),
    "embedding": dict(r=4, lora_alpha=8, target_modules=["q_proj", "embed_tokens"]),
    "embedding_dora": dict(r=4, lora_alpha=8, use_dora=True, target_modules=["q_proj", "embed_tokens"]),
    "embedding_keeps_tie": dict(r=4, lora_alpha=8, target_modules=["q_proj", "embed_tokens"], ensure_weight_tying=True),
    "head_keeps_tie": dict(r=4, target_modules=["q_proj", "lm_head"], ensure_weight_tying=True),
    "embedding_and_head": dict(r=4, target_modules=["embed_tokens", "lm_head"]),
    "tokens": dict(r=4, target_modules=["q_proj"], trainable_token_indices=[3, 10, 17]),
    "tokens_named": dict(r=4, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [24, 3]}),
    "tokens_head": dict(r=4, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [24, 3], "lm_head": [24, 3]}),
    "resized": dict(words=53, r=4, target_modules=["q_proj"]),
    "resized_tokens": dict(words=53, r=4, target_modules=["q_proj"], trainable_token_indices=[3, *range(48, 53)]),
    "resized_saved": dict(words=53, r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]),
    "lora_bias_patterns": dict(r=4, lora_bias=True, use_rslora=True, target_modules=["q_proj", "v_proj"],
                               rank_pattern={"v_proj": 9}, alpha_pattern={"q_proj": 3}, modules_to_save=["norm"]),
    "bias_all_one_layer": dict(r=4, bias="all", target_modules=["q_proj", "v_proj", "o_proj", *MLP],
                               layers_to_transform=[1], layers_pattern="layers"),
    "embedding_patterns": dict(r=4, use_rslora=True, target_modules=["q_proj", "embed_tokens"],
                               rank_pattern={"embed_tokens": 7}, alpha_pattern={"embed_tokens": 3}),
    "embedding_biases": dict(r=4, bias="lora_only", target_modules=["q_proj", "embed_tokens"]),
    "dora_saved": dict(r=4, use_dora=True, bias="all", target_modules="all-linear", modules_to_save=["lm_head", "norm"]),
    "dora_tokens": dict(r=4, use_dora=True, target_modules=["q_proj"], trainable_token_indices=[3, 10, 17],
                        layers_to_transform=[0, 2]),
    "embedding_only": dict(r=5, use_rslora=True, target_modules=["embed_tokens"]),
    "dora": dict(r=4, lora_alpha=8, use_dora=True, target_modules="all-linear"),
    "dora_patterns": dict(r=4, lora_alpha=8, use_dora=True, use_rslora=True, target_modules=MLP, lora_dropout=0.1,
                          init_lora_weights="gaussian", rank_pattern={"up_proj": 9}, bias="lora_only"),
    "head-pissa": dict(untied=True, r=4, lora_alpha=8, init_lora_weights="pissa", target_modules=["q_proj", "lm_head"]),
    "dora-pissa": dict(r=4, lora_alpha=8, use_dora=True, init_lora_weights="pissa", target_modules=["q_proj", "down_proj"]),
    "adalora": dict(config=AdaLoraConfig, init_r=4, target_r=2, lora_alpha=7, total_step=9, target_modules="all-linear"),
    "adalora_pruned": dict(config=AdaLoraConfig, prune=True, init_r=5, target_r=2, tinit=2, tfinal=3, total_step=9,
                           lora_dropout=0.1, bias="lora_only", target_modules=["q_proj", "up_proj", "down_proj"]),
    "oft": dict(config=OFTConfig, oft_block_size=8, target_modules="all-linear"),
    "oft_terms": dict(config=OFTConfig, oft_block_size=4, num_cayley_neumann_terms=3, target_modules=MLP),
    "oft_exact": dict(config=OFTConfig, oft_block_size=7, use_cayley_neumann=False, bias="oft_only",
                      target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["lm_head"]),
    "oft_count": dict(config=OFTConfig, oft_block_size=0, r=3, block_share=True, module_dropout=0.5, target_modules=MLP),
    "oft_constrained": dict(config=OFTConfig, oft_block_size=8, coft=True, eps=0.5, target_modules=MLP),
    "boft": dict(config=BOFTConfig, boft_block_size=8, target_modules="all-linear"),
    "boft_count": dict(config=BOFTConfig, boft_block_size=0, boft_block_num=4, boft_dropout=0.3, bias="boft_only",
                       target_modules=["q_proj", "down_proj"], modules_to_save=["lm_head"]),
    "psoft": dict(config=PsoftConfig, r=5, target_modules=["q_proj", "v_proj", "down_proj"]),
    "psoft_rigid": dict(config=PsoftConfig, r=4, psoft_mag_a=False, psoft_mag_b=False, psoft_alpha=9, psoft_dropout=0.1,
                        target_modules=MLP, modules_to_save=["lm_head"]),
    "tinylora": dict(config=TinyLoraConfig, r=3, u=7, target_modules="all-linear"),
    "tinylora_groups": dict(config=TinyLoraConfig, r=3, u=7, weight_tying=0.5, target_modules=["q_proj", *MLP]),
    "tinylora_tied": dict(config=TinyLoraConfig, r=2, u=7, weight_tying=1.0, tinylora_dropout=0.1, target_modules=MLP),
    "vera": dict(config=VeraConfig, r=12, d_initial=0.5, target_modules="all-linear"),
    "vera_key": dict(config=VeraConfig, r=40, projection_prng_key=11, save_projection=False,
                     target_modules=["q_proj", "v_proj", "down_proj"], modules_to_save=["lm_head"]),
    "vera_bias": dict(config=VeraConfig, r=8, vera_dropout=0.1, bias="vera_only", layers_to_transform=[0, 2],
                      target_modules=["q_proj", "up_proj"]),
}

# Of mixtures, whose experts are parameters.
PARAMETERS = {
    "experts": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"],
                    target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]),
    "experts_up": dict(r=3, use_rslora=True, target_modules=[], target_parameters=["experts.gate_up_proj"]),
    "experts_down": dict(r=3, target_modules=[], target_parameters=["experts.down_proj"]),
    "experts_patterns": dict(r=2, lora_alpha=6, target_modules=["o_proj"], modules_to_save=["lm_head"],
                             target_parameters=["experts.gate_up_proj", "experts.down_proj", "gate.weight"],
                             rank_pattern={"experts.gate_up_proj": 5, "gate.weight": 1},
                             alpha_pattern={"layers.1.mlp.experts.down_proj": 9}),
    "weights": dict(r=4, target_modules=["k_proj"], target_parameters=["q_proj.weight", "o_proj.weight"]),
    "router_whole": dict(r=2, target_modules=["q_proj"], modules_to_save=["gate"]),
    # PEFT makes a parameter of the router, which this pattern does not mean.
    "patterns_of_layers": dict(r=3, target_modules=["q_proj", "gate"], rank_pattern={"gate": 1}),
    "oft_linear": dict(config=OFTConfig, r=0, oft_block_size=4, target_modules=["q_proj", "o_proj", "down_proj"]),
}

# Of models whose layers have other names, by the start of the model's name.
OTHER_CASES = {
    "gpt_neox": {
        "default_targets": dict(r=2),
        "all_linear": dict(r=3, lora_alpha=1.5, target_modules="all-linear"),
        "fused": dict(r=4, target_modules=["query_key_value", "dense"], bias="lora_only"),
        "save": dict(r=4, target_modules=["dense_h_to_4h"], modules_to_save=["embed_in", "final_layer_norm"]),
        "dora": dict(r=4, use_dora=True, target_modules=["query_key_value", "dense_4h_to_h"]),
    },
    "mixtral": {
        "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]),
        "save": dict(r=4, target_modules=["o_proj"], modules_to_save=["lm_head", "input_layernorm"]),
        "pissa": dict(r=4, init_lora_weights="pissa", target_modules=["q_proj", "o_proj"]),
        # As transformers 4 calls the experts' layers; PEFT makes parameters of them.
        "names_before_5": dict(r=3, lora_alpha=6, target_modules=["q_proj", "w1", "w2", "w3"]),
        "all_linear": dict(r=2, target_modules="all-linear"),
        **PARAMETERS,
    },
    "gpt2": {
        "default_targets": dict(r=2),
        "all_linear": dict(r=3, lora_alpha=1.5, target_modules="all-linear", fan_in_fan_out=True),
        "biases": dict(r=4, target_modules=["attn.c_proj", "c_fc"], bias="lora_only", layers_to_transform=[0, 2]),
        "save": dict(r=4, target_modules=["c_attn"], modules_to_save=["c_fc", "wpe", "ln_f"]),
        "save_head": dict(r=4, target_modules=["c_attn"], modules_to_save=["lm_head"]),
        "dora": dict(r=4, use_dora=True, target_modules=["c_attn", "c_proj"]),
        "pissa": dict(r=4, init_lora_weights="pissa", target_modules=["c_attn", "c_proj"]),
        "adalora": dict(config=AdaLoraConfig, init_r=4, target_r=2, total_step=9, target_modules=["c_attn", "c_proj"]),
        "vera": dict(config=VeraConfig, r=12, d_initial=0.5, target_modules=["c_attn"]),
        "tokens": dict(r=4, target_modules=["c_attn"], trainable_token_indices=[3, 10, 17]),
    },
    "phi": {
        "default_targets": dict(r=2),
        "biases": dict(r=4, target_modules=["q_proj", "dense", "fc1"], bias="all"),
        "save": dict(r=4, target_modules=["fc2"], modules_to_save=["lm_head", "final_layernorm"]),
        "head": dict(r=4, target_modules=["q_proj", "lm_head"]),
        "dora": dict(r=4, use_dora=True, target_modules="all-linear"),
    },
    "phi3": {
        "all_linear": dict(r=3, lora_alpha=1.5, target_modules="all-linear"),
        "fused": dict(r=4, target_modules=["qkv_proj", "gate_up_proj"], modules_to_save=["down_proj"]),
        "pissa": dict(r=4, init_lora_weights="pissa", target_modules=["qkv_proj", "gate_up_proj"]),
    },
    "starcoder2": {
        "all_linear": dict(r=3, lora_alpha=1.5, target_modules="all-linear"),
        "save": dict(r=4, target_modules=["c_fc"], bias="lora_only", modules_to_save=["c_proj", "norm"]),
    },
    "qwen2_moe": {
        "shared": dict(r=4, target_modules=["q_proj", "shared_expert.up_proj", "shared_expert_gate"]),
        "experts_and_shared": dict(r=4, target_modules=["shared_expert.down_proj"],
                                   target_parameters=["experts.gate_up_proj", "experts.down_proj"]),
        "experts_alone": dict(r=2, target_parameters=["experts.down_proj"]),
        "all_linear": dict(r=3, target_modules="all-linear"),
        "dora_linear": dict(r=3, use_dora=True, target_modules="all-linear"),
    },
} | {family: {
        "attention": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "o_proj"]),
        "save": dict(r=4, target_modules=["k_proj"], modules_to_save=["q_norm", "post_attention_layernorm"]),
        **(PARAMETERS if family in ("olmoe", "qwen3_moe") else {}),
    } for family in ("olmo2", "olmo3", "olmoe", "qwen3_moe", "gemma3_text")
} | {family: {
        "all_linear": dict(r=4, lora_alpha=8, target_modules="all-linear"),
    } for family in ("smollm3", "granite")
}


@contextlib.contextmanager
def exact_decompositions():
    """PEFT decomposes a base in fp32. Rounding then turns the vectors on both sides of the rank into each other, by
    itself over the gap between their values, and on another processor by another angle (logits of Phi 3's fused
    matrices by 1.5e-4). What a file means has no such error."""
    own = torch.linalg.svd

    def in_fp64(matrix, **options):
        return tuple(part.to(matrix.dtype) for part in own(matrix.double(), **options))

    torch.linalg.svd = in_fp64
    try:
        yield
    finally:
        torch.linalg.svd = own


def decompositions_of(config):
    """PSOFT's files mean the vectors with the signs that LAPACK gives them in fp32."""
    return contextlib.nullcontext() if config.peft_type == "PSOFT" else exact_decompositions()


def logits(model):
    with torch.no_grad():
        return model(TOKENS).logits[0].float()


@functools.cache
def read_model(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def base_model(directory, words=None):
    """With another number of words where one is given."""
    model = copy.deepcopy(read_model(directory))
    if words is not None:
        model.resize_token_embeddings(words)
    return model


def prune(model):
    """What AdaLoRA's last allocation leaves: some triplets are gone for good, of one layer all."""
    pattern = {}
    for name, parameter in model.base_model.model.named_parameters():
        if ".lora_E." in name:
            kept = [bool(pattern) and (i + len(pattern)) % 3 > 0 for i in range(len(parameter))]
            parameter[~torch.tensor(kept)] = 0
            pattern[name] = kept
    model.peft_config["default"].rank_pattern = pattern


# Starts of PEFT's that svtune refuses, since their files do not say what they did to the base.
REFUSED_STARTS = {"corda", "loftq", "pissa_niter_[number of iters]"}


def require_cases_of_all_starts():
    # Its annotation leaves lora_ga out.
    known = {"lora_ga", *re.findall(r"['\"](.+?)['\"]", str(LoraConfig.__annotations__["init_lora_weights"]))}
    read = {str(case.get("init_lora_weights")) for case in CASES.values() if not case.get("convert")}
    assert "False" in read and known - read == REFUSED_STARTS, f"starts without a case: {known - read}"


def put_on(base, config, start):
    """The model with a new adapter; where `start` is a folder, what it starts from is kept there."""
    if config.peft_type == "LORA" and config.init_lora_weights == "lora_ga":
        preprocess_loraga(base, config, lambda: base(TOKENS, labels=TOKENS).loss.backward())
        base.zero_grad()
    model = get_peft_model(base, config).eval()
    if start is not None:
        own = model.peft_config["default"].init_lora_weights
        model.peft_config["default"].init_lora_weights = True
        model.save_pretrained(start)
        model.peft_config["default"].init_lora_weights = own
    return model


def write_case(out, directory, name, options):
    torch.manual_seed(7)
    pruned, reloaded, converted, _ = (options.pop(key, False) for key in ("prune", "reload", "convert", "untied"))
    base = base_model(directory, options.pop("words", None))
    config = options.pop("config", LoraConfig)(task_type="CAUSAL_LM", **options)
    with tempfile.TemporaryDirectory() as start, decompositions_of(config):
        model = put_on(base, config, start if converted else None)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.05 * torch.randn_like(parameter)
            if pruned:
                prune(model)
        expected = logits(model)
        more = {"path_initial_model_for_weight_conversion": start} if converted else {}
        model.save_pretrained(out / name, **more)
    if reloaded:  # PEFT computes on the given base, not on the one it trained on
        expected = logits(PeftModel.from_pretrained(base_model(directory), out / name).eval())
    save_file({"logits": expected}, out / f"{name}.safetensors")


def write(out, directories):
    require_cases_of_all_starts()
    for directory in directories:
        for case, options in OTHER_CASES.get(pathlib.Path(directory).name, CASES).items():
            if options.get("untied") and read_model(directory).config.tie_word_embeddings:
                continue
            name = f"{pathlib.Path(directory).name}-{case}"
            # transformers looks up the kind of each layer of some models, of which PEFT adds none.
            if "layer_replication" in options and not name.startswith("llama"):
                continue
            write_case(out, directory, name, dict(options))
            print(name)


def check(cases):
    result = {}
    for case in cases:
        try:
            expected = load_file(case["logits"])["logits"].float()
            model = base_model(case["base"], case.get("words"))
            if case["adapter"] is None:
                result[case["name"]] = [(logits(model) - expected).abs().max().item()]
                continue
            model = PeftModel.from_pretrained(model, case["adapter"]).eval()
            adapted = (logits(model) - expected).abs().max().item()
            # PEFT merges in place, which also changes the tensor tied to the one merged.
            shared = model.config.tie_word_embeddings and "lm_head" in str(model.peft_config)
            merged = 0.0 if shared else (logits(model.merge_and_unload()) - expected).abs().max().item()
            result[case["name"]] = [adapted, merged]
        except Exception as error:  # reported to the test, which fails on it
            result[case["name"]] = f"{type(error).__name__}: {error}"
    print(json.dumps(result))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    disable_progress_bar()
    torch.set_num_threads(1)
    if sys.argv[1] == "write":
        write(pathlib.Path(sys.argv[2]), sys.argv[3:])
    else:
        with exact_decompositions():  # svtune writes no PSOFT
            check(json.loads(pathlib.Path(sys.argv[2]).read_text()))
