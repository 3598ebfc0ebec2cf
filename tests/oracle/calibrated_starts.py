"""PEFT's starts from data: EVA, CorDA in both modes and LoRA-GA.

usage: calibrated_starts.py MODEL_DIR TOKENS_JSON OUT
TOKENS_JSON is a list of texts as token ids, of equal length. Writes OUT/<start>.safetensors with
lora_A and lora_B of each layer. Randomised decompositions give way to exact ones: what is compared
is the start, not its approximation.
"""
import dataclasses
import importlib.util
import json
import pathlib
import sys
import warnings

# PEFT takes its decorator `dataclass` from attrs, which it does not require.
if importlib.util.find_spec("attr") is None:
    sys.modules["attr"] = dataclasses

import without_bitsandbytes  # noqa: F401
import torch
from peft import EvaConfig, LoraConfig, LoraGAConfig, get_peft_model
from peft.tuners.lora.config import CordaConfig
from peft.tuners.lora.corda import preprocess_corda
from peft.tuners.lora.eva import get_eva_state_dict
from peft.tuners.lora.loraga import preprocess_loraga
from peft.utils.incremental_pca import IncrementalPCA
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
RANK = dict(r=4, lora_alpha=8, target_modules=TARGETS)


def exact_svd_lowrank(matrix, q=6, niter=2, M=None):
    U, S, Vh = torch.linalg.svd(matrix, full_matrices=False)
    return U[:, :q], S[:q], Vh[:q].t()


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()


def factors(model):
    layers = {}
    for name, tensor in model.state_dict().items():
        for factor in ("lora_A", "lora_B"):
            if f".{factor}." in name:
                layer = name.removeprefix("base_model.model.").split(f".{factor}.")[0]
                layers[f"{layer}.{factor}"] = tensor.contiguous()
    return layers


def eva(directory, texts):
    model = load(directory)
    config = LoraConfig(init_lora_weights="eva", eva_config=EvaConfig(rho=2.0), **RANK)
    # All tokens but the last predict one.
    labels = texts.clone()
    labels[:, -1] = -100
    batch = {"input_ids": texts, "attention_mask": torch.ones_like(texts), "labels": labels}
    found = get_eva_state_dict(model, [batch], config, show_progress_bar=False)
    return {f"{name}.lora_A": A.contiguous() for name, A in found.items() if len(A)}


def corda(directory, texts, mode):
    model = load(directory)
    config = LoraConfig(init_lora_weights="corda", corda_config=CordaConfig(corda_method=mode), **RANK)

    def run():
        for text in texts:
            model(text[None])

    preprocess_corda(model, config, run_model=run)
    return factors(get_peft_model(model, config))


def lora_ga(directory, texts):
    model = load(directory)
    config = LoraConfig(init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(), **RANK)

    def step():
        for text in texts:
            model(text[None], labels=text[None]).loss.backward()

    preprocess_loraga(model, config, step)
    return factors(get_peft_model(model, config))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    disable_progress_bar()
    torch.set_num_threads(1)
    torch.svd_lowrank = exact_svd_lowrank
    IncrementalPCA._svd_fn_lowrank = IncrementalPCA._svd_fn_full
    base, tokens, out = sys.argv[1], json.loads(pathlib.Path(sys.argv[2]).read_text()), pathlib.Path(sys.argv[3])
    texts = torch.tensor(tokens)
    save_file(eva(base, texts), out / "eva.safetensors")
    save_file(corda(base, texts, "ipm"), out / "corda_ipm.safetensors")
    save_file(corda(base, texts, "kpm"), out / "corda_kpm.safetensors")
    save_file(lora_ga(base, texts), out / "lora_ga.safetensors")
