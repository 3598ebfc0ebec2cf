"""Makes a tiny random llama model directory with tokenizer, a tiny ViT, and data for both, for
tests of commands.

usage: make_fixture.py DIRECTORY
Needs the PyPI packages torch, transformers and tokenizers. Writes DIRECTORY/model, DIRECTORY/vit,
DIRECTORY/train.jsonl, DIRECTORY/test.jsonl and DIRECTORY/pets/, a folder of images for each class.
"""
import json
import pathlib
import random
import struct
import sys
import zlib

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, ViTConfig,
                          ViTModel)

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def records(first, count):
    for number in range(first, first + count):
        a, b = 3 + number % 17, 2 + number % 5
        yield {"query": f"Ada has {a} pears and buys {b} more. How many pears does she have?",
               "response": f"{a} + {b} = {a + b}. The answer is: {a + b}"}


def write_tokenizer(lines, directory):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|endoftext|>",
                                   eos_token="<|im_end|>", chat_template=CHAT_TEMPLATE)
    fast.save_pretrained(directory)
    return len(fast)


def png(side, pixels):
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + pixels[3 * side * y:3 * side * (y + 1)] for y in range(side))
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_images(directory, count=14, side=16):
    noise = random.Random(0)
    for name, colour in (("cat", (200, 90, 40)), ("dog", (60, 160, 90)), ("hen", (40, 80, 210))):
        (directory / name).mkdir(parents=True)
        for number in range(count):
            pixels = bytes(channel + noise.randint(-40, 40)
                           for _ in range(side * side) for channel in colour)
            (directory / name / f"{number:02}.png").write_bytes(png(side, pixels))


def write_vit(directory):
    config = ViTConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                       num_attention_heads=4, image_size=16, patch_size=8)
    ViTModel(config).save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "ViTImageProcessor", "do_resize": True, "resample": 2,
        "size": {"height": 16, "width": 16}, "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))


def main(directory):
    root = pathlib.Path(directory)
    train, test = list(records(0, 320)), list(records(320, 8))
    for name, rows in (("train", train), ("test", test)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (root / f"{name}.jsonl").write_text(text, "utf-8")
    vocab_size = write_tokenizer([r["query"] + r["response"] for r in train], root / "model")
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=vocab_size, hidden_size=64, intermediate_size=128,
                         num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                         max_position_embeddings=1024, bos_token_id=0, eos_token_id=2)
    LlamaForCausalLM(config).save_pretrained(root / "model")
    write_vit(root / "vit")
    write_images(root / "pets")


if __name__ == "__main__":
    main(sys.argv[1])
