"""A tiny random Llama with a byte tokenizer, written without any library but Python's own."""
import json
import pathlib
import random
import struct

VOCAB = 260
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, HEAD_DIM = 32, 48, 2, 4, 2, 8


def write_safetensors(path, tensors):
    """tensors: {name: (shape, list of floats)} as fp32."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in sorted(tensors):
        shape, values = tensors[name]
        blob = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape,
                        "data_offsets": [len(data), len(data) + len(blob)]}
        data += blob
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def model_tensors(seed):
    rng = random.Random(seed)

    def matrix(rows, columns):
        return [rows, columns], [rng.gauss(0, 0.15) for _ in range(rows * columns)]

    def ones(size):
        return [size], [1.0] * size

    tensors = {"model.embed_tokens.weight": matrix(VOCAB, HIDDEN),
               "model.norm.weight": ones(HIDDEN),
               "lm_head.weight": matrix(VOCAB, HIDDEN)}
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        tensors[at + "input_layernorm.weight"] = ones(HIDDEN)
        tensors[at + "post_attention_layernorm.weight"] = ones(HIDDEN)
        tensors[at + "self_attn.q_proj.weight"] = matrix(HEADS * HEAD_DIM, HIDDEN)
        tensors[at + "self_attn.k_proj.weight"] = matrix(KV_HEADS * HEAD_DIM, HIDDEN)
        tensors[at + "self_attn.v_proj.weight"] = matrix(KV_HEADS * HEAD_DIM, HIDDEN)
        tensors[at + "self_attn.o_proj.weight"] = matrix(HIDDEN, HEADS * HEAD_DIM)
        tensors[at + "mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        tensors[at + "mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        tensors[at + "mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
    return tensors


def byte_alphabet():
    """Printable stand-ins of the 256 bytes, as byte-level BPE writes them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra, letters = 0, {}
    for byte in range(256):
        if byte in plain:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + extra)
            extra += 1
    return letters


def write_tokenizer(directory):
    vocab = {letter: byte for byte, letter in byte_alphabet().items()}
    added = [{"id": 256, "content": "<|end|>", "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": True}]
    (directory / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                          "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                    "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None,
                  "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "vocab": vocab, "merges": []}}))
    (directory / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))


def write_model(directory, seed=1, tensors=None):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    (directory / "config.json").write_text(json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": VOCAB,
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": False, "eos_token_id": 256}))
    write_safetensors(directory / "model.safetensors", tensors or model_tensors(seed))
    write_tokenizer(directory)
    return directory


GGUF_NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    base = name.removesuffix(".weight")
    if base in GGUF_NAMES:
        return GGUF_NAMES[base] + ".weight"
    layer, part = base.removeprefix("model.layers.").split(".", 1)
    return f"blk.{layer}.{GGUF_NAMES[part]}.weight"


def gguf_value(value):
    """Type and bytes: u32, f32, string, or a list of strings or of i32."""
    def text(s):
        raw = s.encode()
        return struct.pack("<Q", len(raw)) + raw
    if isinstance(value, list):
        kind, items = (8, map(text, value)) if isinstance(value[0], str) else (
            5, (struct.pack("<i", v) for v in value))
        return struct.pack("<IIQ", 9, kind, len(value)) + b"".join(items)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    return struct.pack("<If", 6, value) if isinstance(value, float) else struct.pack(
        "<II", 4, value)


def write_gguf(path, seed=1):
    """The same kind of model as one GGUF file; rows of q and k keep their order here, so its
    logits are not those of write_model with the same seed."""
    letters = byte_alphabet()
    tokens = [letters[byte] for byte in range(256)] + ["<|end|>", "ab", "<a>", "<b>"]
    keys = {"general.architecture": "llama", "llama.context_length": 512,
            "llama.embedding_length": HIDDEN, "llama.block_count": LAYERS,
            "llama.feed_forward_length": INNER, "llama.attention.head_count": HEADS,
            "llama.attention.head_count_kv": KV_HEADS, "llama.attention.key_length": HEAD_DIM,
            "llama.attention.layer_norm_rms_epsilon": 1e-5, "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "gpt-2", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [1] * 256 + [3, 1, 3, 3], "tokenizer.ggml.merges": ["a b"],
            "tokenizer.ggml.eos_token_id": 256}
    infos, data = b"", b""
    tensors = model_tensors(seed)
    for name, (shape, values) in tensors.items():
        data += b"\0" * (-len(data) % 32)
        raw = gguf_name(name).encode()
        infos += struct.pack("<Q", len(raw)) + raw + struct.pack("<I", len(shape))
        infos += b"".join(struct.pack("<Q", size) for size in reversed(shape))
        infos += struct.pack("<IQ", 0, len(data))
        data += struct.pack(f"<{len(values)}f", *values)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    for key, value in keys.items():
        head += struct.pack("<Q", len(key)) + key.encode() + gguf_value(value)
    head += infos
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    return path


def write_data(path, rows=40, seed=2):
    rng = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(rows):
            a, b = rng.randint(1, 40), rng.randint(1, 40)
            file.write(json.dumps({"query": f"What is {a} + {b}?",
                                   "response": f"The answer is: {a + b}"}) + "\n")
    return path
