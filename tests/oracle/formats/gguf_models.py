"""Makes tiny random models as GGUF files, and compares converted directories with them.

Names, row order and norms are mapped here a second time, from the Hugging Face side, so the
comparison does not depend on any GGUF loader.

usage: gguf_models.py make DIR      writes DIR/<name>.gguf and DIR/<name>.npz (ids, logits)
       gguf_models.py compare DIR   prints "<name> <largest difference of the logits>" for the
                                    directories DIR/<name>.hf
"""

import math
import sys

import gguf
import numpy as np
import torch
import transformers as tf

SMALL = dict(vocab_size=96, hidden_size=64, intermediate_size=160, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256)
SMALL_GPT2 = dict(vocab_size=96, n_embd=64, n_layer=2, n_head=4, n_positions=256)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
                   high_freq_factor=4.0, original_max_position_embeddings=8192)


# Eight pairs of a head of 16, six where a part of it turns.
LONG_ROPE = dict(rope_type="longrope", rope_theta=10000.0,
                 short_factor=[1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.6, 1.9],
                 long_factor=[1.1, 1.3, 1.7, 2.5, 4.0, 6.0, 9.5, 14.0])
PART_OF_LONG_ROPE = dict(LONG_ROPE, partial_rotary_factor=0.75, short_factor=LONG_ROPE["short_factor"][2:],
                         long_factor=LONG_ROPE["long_factor"][2:])


def cases():
    return {
        "llama": tf.LlamaConfig(**SMALL, tie_word_embeddings=True),
        "llama-untied": tf.LlamaConfig(**SMALL, tie_word_embeddings=False, rms_norm_eps=1e-5),
        "llama-bias": tf.LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True),
        "llama-wide-head": tf.LlamaConfig(**{**SMALL, "head_dim": 32}),
        "llama3": tf.LlamaConfig(**{**SMALL, "rope_parameters": LLAMA3_ROPE, "head_dim": 64}),
        "llama-linear": tf.LlamaConfig(**SMALL, rope_parameters=dict(
            rope_type="linear", rope_theta=10000.0, factor=2.0)),
        "mistral": tf.MistralConfig(**SMALL, sliding_window=5),
        "qwen2": tf.Qwen2Config(**SMALL, rope_parameters=dict(rope_type="default", rope_theta=1e6)),
        "mixtral": tf.MixtralConfig(**SMALL, num_local_experts=3, num_experts_per_tok=2, sliding_window=6),
        "qwen3-moe": tf.Qwen3MoeConfig(**{**SMALL, "head_dim": 32}, num_experts=4, num_experts_per_tok=2,
                                       moe_intermediate_size=48, norm_topk_prob=True),
        "qwen3": tf.Qwen3Config(**{**SMALL, "head_dim": 32}),
        "gemma": tf.GemmaConfig(**{**SMALL, "head_dim": 32}, hidden_act="gelu_pytorch_tanh"),
        "gemma2": tf.Gemma2Config(**{**SMALL, "head_dim": 32}, query_pre_attn_scalar=32,
                                  sliding_window=6, attn_logit_softcapping=20.0,
                                  final_logit_softcapping=15.0),
        "gemma3": tf.Gemma3TextConfig(**{**SMALL, "num_hidden_layers": 6, "head_dim": 32}, query_pre_attn_scalar=32,
                                      sliding_window=6),
        "gemma3-scaled": tf.Gemma3TextConfig(**{**SMALL, "num_hidden_layers": 6, "head_dim": 32},
                                             query_pre_attn_scalar=32, sliding_window=6,
                                             final_logit_softcapping=15.0, rope_parameters=dict(
            full_attention=dict(rope_type="linear", rope_theta=2e4, factor=8.0),
            sliding_attention=dict(rope_type="default", rope_theta=10000.0))),
        "phi3": tf.Phi3Config(**SMALL, pad_token_id=0, sliding_window=5),
        # Texts of 24 tokens are beyond the original length of the first, and within that of the second.
        "phi3-longrope": tf.Phi3Config(**SMALL, pad_token_id=0, original_max_position_embeddings=16,
                                       sliding_window=20, rope_parameters=dict(LONG_ROPE)),
        "phi3-longrope-part": tf.Phi3Config(**SMALL, pad_token_id=0, original_max_position_embeddings=64,
                                            tie_word_embeddings=True, rope_parameters=dict(PART_OF_LONG_ROPE)),
        "gpt2": tf.GPT2Config(**SMALL_GPT2),
        "gpt2-untied": tf.GPT2Config(**SMALL_GPT2, tie_word_embeddings=False, layer_norm_epsilon=1e-3),
        "olmo2": tf.Olmo2Config(**SMALL, rms_norm_eps=1e-6),
        "smollm3": tf.SmolLM3Config(**{**SMALL, "num_hidden_layers": 4}, pad_token_id=0),
        "granite": tf.GraniteConfig(**SMALL, embedding_multiplier=12.0, residual_multiplier=0.25,
                                    attention_multiplier=0.125, logits_scaling=8.0),
        "starcoder2": tf.Starcoder2Config(**SMALL, sliding_window=7),
    }


def interleave(rows, heads):
    """Checkpoint order to the stored order of q and k (halves to pairs)."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(rows.shape)


NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
         "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up",
         "mlp.gate": "ffn_gate_inp", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
GPT2_NAMES = {"transformer.wte": "token_embd", "transformer.wpe": "position_embd",
              "transformer.ln_f": "output_norm", "ln_1": "attn_norm", "attn.c_attn": "attn_qkv",
              "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
PERMUTED = ("llama", "mistral", "mixtral", "smollm3", "granite")
ARCHITECTURES = {"mistral": "llama", "mixtral": "llama", "qwen3_moe": "qwen3moe", "gemma3_text": "gemma3"}


def stored_name(name, family):
    base, suffix = name.rsplit(".", 1)
    if base == "model.embed_tokens":
        return f"token_embd.{suffix}"
    if base == "model.norm":
        return f"output_norm.{suffix}"
    if base == "lm_head":
        return f"output.{suffix}"
    if base in GPT2_NAMES:
        return f"{GPT2_NAMES[base]}.{suffix}"
    _, _, layer, part = base.split(".", 3)
    if family == "gpt2":
        return f"blk.{layer}.{GPT2_NAMES[part]}.{suffix}"
    names = dict(NAMES, post_attention_layernorm="ffn_norm")
    if family in ("gemma2", "gemma3_text", "olmo2"):
        names.update(post_attention_layernorm="post_attention_norm",
                     pre_feedforward_layernorm="ffn_norm",
                     post_feedforward_layernorm="post_ffw_norm")
    return f"blk.{layer}.{names[part]}.{suffix}"


def expert_stacks(name, array):
    """In memory gate and up are one tensor [experts, 2 x inner, hidden]."""
    start = "blk." + name.split(".")[2] + "."
    if name.endswith("down_proj"):
        return {start + "ffn_down_exps.weight": array}
    gate, up = np.split(array, 2, axis=1)
    return {start + "ffn_gate_exps.weight": gate, start + "ffn_up_exps.weight": up}


def rope_divisors(rope, head_dim):
    out = []
    for i in range(head_dim // 2):
        length = 2 * math.pi * rope["rope_theta"] ** (2 * i / head_dim)
        low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
        high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
        if length < high:
            out.append(1.0)
        elif length > low:
            out.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / length
                      - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            out.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(out, dtype=np.float32)


def write_vocabulary(writer, words):
    """One that only has to be valid."""
    writer.add_string("tokenizer.ggml.model", "gpt2")
    writer.add_string("tokenizer.ggml.pre", "gpt-2")
    writer.add_array("tokenizer.ggml.tokens", [chr(33 + i) for i in range(words - 3)] + ["ab", "<s>", "</s>"])
    writer.add_array("tokenizer.ggml.token_type", [1] * (words - 2) + [3, 3])
    writer.add_array("tokenizer.ggml.merges", ["a b"])
    writer.add_uint32("tokenizer.ggml.bos_token_id", words - 2)
    writer.add_uint32("tokenizer.ggml.eos_token_id", words - 1)


def write_gpt2_metadata(writer, config):
    writer.add_uint32("gpt2.block_count", config.n_layer)
    writer.add_uint32("gpt2.context_length", config.n_positions)
    writer.add_uint32("gpt2.embedding_length", config.n_embd)
    writer.add_uint32("gpt2.feed_forward_length", 4 * config.n_embd)
    writer.add_uint32("gpt2.attention.head_count", config.n_head)
    writer.add_float32("gpt2.attention.layer_norm_epsilon", config.layer_norm_epsilon)


def write_metadata(writer, arch, config):
    head_dim = config.head_dim if getattr(config, "head_dim", None) else (
        config.hidden_size // config.num_attention_heads)
    rope = config.rope_parameters or {}
    writer.add_uint32(f"{arch}.context_length", config.max_position_embeddings)
    writer.add_uint32(f"{arch}.embedding_length", config.hidden_size)
    writer.add_uint32(f"{arch}.block_count", config.num_hidden_layers)
    writer.add_uint32(f"{arch}.feed_forward_length", config.intermediate_size)
    writer.add_uint32(f"{arch}.attention.head_count", config.num_attention_heads)
    writer.add_uint32(f"{arch}.attention.head_count_kv", config.num_key_value_heads)
    writer.add_uint32(f"{arch}.attention.key_length", head_dim)
    writer.add_uint32(f"{arch}.attention.value_length", head_dim)
    if arch == "starcoder2":
        writer.add_float32(f"{arch}.attention.layer_norm_epsilon", config.norm_epsilon)
    else:
        writer.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", config.rms_norm_eps)
    rope = rope.get("full_attention", rope)
    writer.add_float32(f"{arch}.rope.freq_base", rope.get("rope_theta", 10000.0))
    if arch == "granite":
        writer.add_float32(f"{arch}.embedding_scale", config.embedding_multiplier)
        writer.add_float32(f"{arch}.residual_scale", config.residual_multiplier)
        writer.add_float32(f"{arch}.attention.scale", config.attention_multiplier)
        writer.add_float32(f"{arch}.logit_scale", config.logits_scaling)
    if rope.get("rope_type") == "linear":
        writer.add_string(f"{arch}.rope.scaling.type", "linear")
        writer.add_float32(f"{arch}.rope.scaling.factor", rope["factor"])
    if rope.get("rope_type") == "longrope":
        original = config.original_max_position_embeddings
        stretch = config.max_position_embeddings / original
        share = rope.get("partial_rotary_factor", 1.0)
        writer.add_uint32(f"{arch}.rope.scaling.original_context_length", original)
        writer.add_float32(f"{arch}.rope.scaling.attn_factor", math.sqrt(1 + math.log(stretch) / math.log(original)))
        writer.add_uint32(f"{arch}.rope.dimension_count",
                          int(share * config.hidden_size) // config.num_attention_heads)
    if config.model_type in ("mixtral", "qwen3_moe"):
        writer.add_uint32(f"{arch}.expert_count", getattr(config, "num_local_experts", None) or config.num_experts)
        writer.add_uint32(f"{arch}.expert_used_count", config.num_experts_per_tok)
    if config.model_type == "qwen3_moe":
        writer.add_uint32(f"{arch}.expert_feed_forward_length", config.moe_intermediate_size)
    if config.model_type in ("mistral", "mixtral", "gemma2", "gemma3_text", "phi3", "starcoder2"):
        writer.add_uint32(f"{arch}.attention.sliding_window", config.sliding_window or 0)
    if config.model_type == "gemma2":
        writer.add_float32(f"{arch}.attn_logit_softcapping", config.attn_logit_softcapping)
        writer.add_float32(f"{arch}.final_logit_softcapping", config.final_logit_softcapping)
    if config.model_type == "gemma3_text" and config.final_logit_softcapping:
        writer.add_float32(f"{arch}.final_logit_softcapping", config.final_logit_softcapping)
    return head_dim, rope


def make(directory):
    for number, (name, config) in enumerate(cases().items()):
        torch.manual_seed(number)
        config._attn_implementation = "eager"
        model = tf.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for key, value in model.named_parameters():
                value.normal_(std=0.3 if "norm" in key else 0.08)
        family = config.model_type
        arch = ARCHITECTURES.get(family, family)
        writer = gguf.GGUFWriter(f"{directory}/{name}.gguf", arch)
        head_dim, rope = 0, {}
        if arch == "gpt2":
            write_gpt2_metadata(writer, config)
        else:
            head_dim, rope = write_metadata(writer, arch, config)
        write_vocabulary(writer, config.vocab_size)
        if rope.get("rope_type") == "llama3":
            writer.add_tensor("rope_freqs.weight", rope_divisors(rope, head_dim))
        for which in ("long", "short") if rope.get("rope_type") == "longrope" else ():
            writer.add_tensor(f"rope_factors_{which}.weight", np.array(rope[f"{which}_factor"], np.float32))
        for key, value in model.state_dict().items():
            if key == "lm_head.weight" and config.tie_word_embeddings:
                continue
            array = value.float().numpy()
            if family in PERMUTED and "q_proj" in key:
                array = interleave(array, config.num_attention_heads)
            if family in PERMUTED and "k_proj" in key:
                array = interleave(array, config.num_key_value_heads)
            if family == "gpt2" and array.ndim == 2 and ".h." in key:
                array = array.T
            if family.startswith("gemma") and key.endswith("norm.weight"):
                array = array + 1
            stacks = expert_stacks(key, array) if ".experts." in key else {stored_name(key, family): array}
            for stored, each in stacks.items():
                writer.add_tensor(stored, np.ascontiguousarray(each))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        ids = torch.randint(0, config.vocab_size, (2, 24))
        with torch.no_grad():
            logits = model(ids).logits
        np.savez(f"{directory}/{name}.npz", ids=ids.numpy(), logits=logits.float().numpy())


def compare(directory):
    for name in cases():
        expected = np.load(f"{directory}/{name}.npz")
        model, info = tf.AutoModelForCausalLM.from_pretrained(
            f"{directory}/{name}.hf", dtype=torch.float32, attn_implementation="eager",
            pad_token_id=0,  # Phi 3 has one beyond so small a vocabulary by default
            output_loading_info=True)
        if info["missing_keys"] or info["unexpected_keys"]:
            print(name, "keys", info)
            continue
        with torch.no_grad():
            logits = model(torch.from_numpy(expected["ids"])).logits.float().numpy()
        print(name, np.abs(logits - expected["logits"]).max())


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](sys.argv[2])
