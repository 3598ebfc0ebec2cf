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


def write_data(path, rows=40, seed=2):
    rng = random.Random(seed)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(rows):
            a, b = rng.randint(1, 40), rng.randint(1, 40)
            file.write(json.dumps({"query": f"What is {a} + {b}?",
                                   "response": f"The answer is: {a + b}"}) + "\n")
    return path
