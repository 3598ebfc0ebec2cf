"""Makes a tiny random llama model directory with tokenizer, and data, for tests of commands.

usage: make_fixture.py DIRECTORY
Needs the PyPI packages torch, transformers and tokenizers. Writes DIRECTORY/model,
DIRECTORY/train.jsonl and DIRECTORY/test.jsonl.
"""
import json
import pathlib
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

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


if __name__ == "__main__":
    main(sys.argv[1])
