#!/usr/bin/env python3
"""Writes a tiny random llama directory with a byte-level tokenizer; needs no packages.

usage: make_model.py DIRECTORY
"""
import array
import json
import pathlib
import random
import struct
import sys

HIDDEN, INTERMEDIATE, HEADS, LAYERS = 16, 32, 2, 2


def byte_alphabet():
    """The letters that byte-level tokenizers write for the bytes 0 to 255."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain}
    letters.update({byte: chr(256 + n) for n, byte in enumerate(others)})
    return [letters[byte] for byte in range(256)]


def tokenizer():
    vocab = {letter: byte for byte, letter in enumerate(byte_alphabet())}
    end = {"id": 256, "content": "<end>", "special": True, "single_word": False, "lstrip": False,
           "rstrip": False, "normalized": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [end],
            "normalizer": None, "pre_tokenizer": byte_level, "post_processor": None,
            "decoder": byte_level,
            "model": {"type": "BPE", "vocab": vocab, "merges": []}}


def shapes(vocab_size):
    yield "model.embed_tokens.weight", (vocab_size, HIDDEN)
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{prefix}{name}.weight", (HIDDEN,)
        for name in "qkvo":
            yield f"{prefix}self_attn.{name}_proj.weight", (HIDDEN, HIDDEN)
        yield f"{prefix}mlp.gate_proj.weight", (INTERMEDIATE, HIDDEN)
        yield f"{prefix}mlp.up_proj.weight", (INTERMEDIATE, HIDDEN)
        yield f"{prefix}mlp.down_proj.weight", (HIDDEN, INTERMEDIATE)
    yield "model.norm.weight", (HIDDEN,)
    yield "lm_head.weight", (vocab_size, HIDDEN)


def safetensors(vocab_size):
    source = random.Random(0)
    header, data = {}, b""
    for name, shape in shapes(vocab_size):
        count = shape[0] * (shape[1] if len(shape) == 2 else 1)
        values = array.array("f", (source.gauss(0, 0.3) if len(shape) == 2 else 1.0
                                   for _ in range(count)))
        begin = len(data)
        data += values.tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def main(directory):
    directory.mkdir(parents=True)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 257,
              "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "hidden_act": "silu",
              "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
              "num_key_value_heads": HEADS, "max_position_embeddings": 512,
              "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
              "eos_token_id": 256, "torch_dtype": "float32"}
    tokens = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<end>"}
    for name, content in (("config", config), ("tokenizer", tokenizer()),
                          ("tokenizer_config", tokens)):
        (directory / f"{name}.json").write_text(json.dumps(content), "utf-8")
    (directory / "model.safetensors").write_bytes(safetensors(config["vocab_size"]))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
