"""Random models of every decoder family with log-probabilities and greedy answers from
transformers.

usage: family_models.py OUTPUT_DIR. Writes one model directory per variant with expected.json;
exits with 77 when transformers is not installed. Seeds are fixed; logits come from the eager
attention in fp32.
"""
import json
import pathlib
import sys

try:
    import torch
    import transformers as hf
except ImportError:
    sys.exit(77)

COMMON = dict(vocab_size=300, hidden_size=64, intermediate_size=112, num_hidden_layers=3,
              num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512)
LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0,
                   high_freq_factor=4.0, original_max_position_embeddings=64)
YARN_ROPE = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64)
YARN_SCALED = dict(YARN_ROPE, beta_fast=16, beta_slow=2, mscale=0.7, mscale_all_dim=0.5, truncate=False)
LONG_ROPE = dict(rope_type="longrope", rope_theta=10000.0, original_max_position_embeddings=64,
                 short_factor=[1.0 + 0.1 * i for i in range(8)],
                 long_factor=[1.0 + 0.9 * i for i in range(8)])
DYNAMIC_ROPE = dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)
LINEAR_ROPE = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)
# Of families whose configuration has other names.
OWN_SIZES = {"GPT2": dict(vocab_size=300, n_embd=64, n_inner=112, n_layer=3, n_head=4, n_positions=512)}
BY_LAYER = dict(full_attention=dict(YARN_ROPE, rope_theta=20000.0),
                sliding_attention=dict(rope_type="default", rope_theta=3000.0))
PARTIAL_ROPE = dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.75)
EXPERTS = dict(num_experts=5, num_experts_per_tok=2, moe_intermediate_size=48)
# config.json says that head and embedding are one, and both are stored with values of their own.
CALLED_TIED = "llama_called_tied"
VARIANTS = {
    "llama": ("Llama", {}),
    "llama_biases_tied": ("Llama", dict(attention_bias=True, mlp_bias=True,
                                        tie_word_embeddings=True, head_dim=24)),
    CALLED_TIED: ("Llama", dict(tie_word_embeddings=False)),
    "llama31_rope": ("Llama", dict(rope_parameters=LLAMA3_ROPE)),
    "llama_linear_rope": ("Llama", dict(rope_parameters=LINEAR_ROPE)),
    "llama_yarn": ("Llama", dict(rope_parameters=YARN_ROPE)),
    "qwen2_yarn_scaled": ("Qwen2", dict(rope_parameters=YARN_SCALED)),
    "llama_longrope": ("Llama", dict(rope_parameters=LONG_ROPE)),
    "llama_dynamic": ("Llama", dict(rope_parameters=DYNAMIC_ROPE, max_position_embeddings=100)),
    "mistral_window": ("Mistral", dict(sliding_window=16)),
    "mistral_no_window": ("Mistral", dict(sliding_window=None)),
    "qwen2": ("Qwen2", dict(tie_word_embeddings=True)),
    "qwen2_window": ("Qwen2", dict(use_sliding_window=True, sliding_window=8,
                                   max_window_layers=1)),
    "qwen3": ("Qwen3", dict(head_dim=32)),
    "gemma": ("Gemma", dict(head_dim=32)),
    "gpt_neox": ("GPTNeoX", {}),
    "gpt_neox_sequential": ("GPTNeoX", dict(use_parallel_residual=False, attention_bias=False,
                                            hidden_act="gelu_new", tie_word_embeddings=True,
                                            rope_parameters=dict(rope_type="default", rope_theta=500.0,
                                                                 partial_rotary_factor=0.5))),
    "ministral": ("Ministral", dict(head_dim=16, sliding_window=12, layer_types=["full_attention"] + 2 * ["sliding_attention"])),
    "mixtral": ("Mixtral", dict(num_local_experts=5, num_experts_per_tok=2)),
    "mixtral_window": ("Mixtral", dict(num_local_experts=3, num_experts_per_tok=1,
                                       sliding_window=12)),
    "gemma2": ("Gemma2", dict(head_dim=32, sliding_window=12, query_pre_attn_scalar=48)),
    "gemma3": ("Gemma3", dict(head_dim=32, sliding_window=12, query_pre_attn_scalar=48, num_hidden_layers=7)),
    "gemma3_scaled": ("Gemma3", dict(head_dim=16, sliding_window=9, final_logit_softcapping=20.0,
                                     attn_logit_softcapping=30.0, tie_word_embeddings=False,
                                     layer_types=["full_attention", "sliding_attention", "full_attention"],
                                     rope_parameters=dict(BY_LAYER, full_attention=LINEAR_ROPE))),
    "gpt2": ("GPT2", {}),
    "gpt2_scaled": ("GPT2", dict(n_inner=None, activation_function="gelu", scale_attn_weights=False,
                                 scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False)),
    "phi": ("Phi", dict(num_key_value_heads=4, rope_parameters=PARTIAL_ROPE)),
    "phi_head_norms": ("Phi", dict(qk_layernorm=True, hidden_act="gelu")),
    "phi3": ("Phi3", dict(pad_token_id=None, rope_parameters=PARTIAL_ROPE)),
    "phi3_longrope": ("Phi3", dict(pad_token_id=None, rope_parameters=LONG_ROPE, sliding_window=20,
                                   original_max_position_embeddings=64, tie_word_embeddings=True)),
    "olmo2": ("Olmo2", {}),
    "olmo2_biases_tied": ("Olmo2", dict(attention_bias=True, tie_word_embeddings=True, num_key_value_heads=4)),
    "olmo3": ("Olmo3", dict(sliding_window=12, num_hidden_layers=5)),
    "olmo3_yarn": ("Olmo3", dict(sliding_window=12, rope_parameters=BY_LAYER,
                                 layer_types=["sliding_attention", "full_attention", "sliding_attention"])),
    "olmoe": ("Olmoe", dict(num_experts=5, num_experts_per_tok=2)),
    "olmoe_normed": ("Olmoe", dict(num_experts=4, num_experts_per_tok=3, norm_topk_prob=True)),
    "qwen2_moe": ("Qwen2Moe", dict(EXPERTS, shared_expert_intermediate_size=40)),
    "qwen2_moe_window": ("Qwen2Moe", dict(EXPERTS, shared_expert_intermediate_size=40, norm_topk_prob=True,
                                          mlp_only_layers=[1], qkv_bias=False, use_sliding_window=True,
                                          sliding_window=8, max_window_layers=2)),
    "qwen3_moe": ("Qwen3Moe", dict(EXPERTS, head_dim=32)),
    "qwen3_moe_some": ("Qwen3Moe", dict(EXPERTS, norm_topk_prob=True, decoder_sparse_step=2, num_hidden_layers=4,
                                        mlp_only_layers=[3], use_sliding_window=True, sliding_window=8)),
    "smollm3": ("SmolLM3", dict(pad_token_id=None, num_hidden_layers=4)),
    "smollm3_window": ("SmolLM3", dict(pad_token_id=None, no_rope_layers=[1, 0, 0], use_sliding_window=True,
                                       sliding_window=12, tie_word_embeddings=False, attention_bias=True)),
    "granite": ("Granite", dict(embedding_multiplier=12.0, residual_multiplier=0.22, attention_multiplier=0.1,
                                logits_scaling=8.0)),
    "starcoder2": ("Starcoder2", dict(sliding_window=16)),
    "starcoder2_plain": ("Starcoder2", dict(use_bias=False, tie_word_embeddings=False)),
}
LENGTHS = (1, 2, 7, 40, 90, 270, 5)
NEW_TOKENS = 24


def log_probs(model, ids):
    with torch.no_grad():
        table = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    return [table[i, ids[i + 1]].item() for i in range(len(ids) - 1)]


def greedy(model, ids):
    """New tokens of transformers' own generate(), which nothing ends early."""
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    prompt = torch.tensor([ids])
    with torch.no_grad():
        answer = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                                max_new_tokens=NEW_TOKENS)
    return answer[0, len(ids):].tolist()


def main():
    output = pathlib.Path(sys.argv[1])
    output.mkdir(parents=True)
    torch.manual_seed(0)
    for name, (family, options) in VARIANTS.items():
        config_class = getattr(hf, family + "TextConfig", None) or getattr(hf, family + "Config")
        config = config_class(**(OWN_SIZES.get(family, COMMON) | options))
        model_class = getattr(hf, family + "ForCausalLM", None) or getattr(hf, family + "LMHeadModel")
        model = model_class(config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.data.normal_(0, 0.08)
            else:
                parameter.data.add_(torch.randn_like(parameter) * 0.1)
        model.save_pretrained(output / name)
        if name == CALLED_TIED:
            path = output / name / "config.json"
            path.write_text(json.dumps(json.loads(path.read_text()) | {"tie_word_embeddings": True}))
        model = model_class.from_pretrained(output / name, dtype=torch.float32,
                                            attn_implementation="eager").eval()
        ids = [torch.randint(0, 300, (length,)).tolist() for length in LENGTHS]
        expected = {"ids": ids, "logprobs": [log_probs(model, each) for each in ids],
                    "greedy": [greedy(model, each) for each in ids]}
        (output / name / "expected.json").write_text(json.dumps(expected))


main()
