"""Compares a converted SmolLM2 directory with transformers' own reading of the GGUF file.

usage: smollm2_gguf.py GGUF DIR     prints the largest difference of weights and of logits
"""

import os
import sys

import torch
import transformers

path, directory = sys.argv[1:]
theirs = transformers.AutoModelForCausalLM.from_pretrained(
    os.path.dirname(path), gguf_file=os.path.basename(path), dtype=torch.float32)
ours = transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
chat = tokenizer.apply_chat_template([{"role": "user", "content": "What is 17 + 25?"}],
                                     add_generation_prompt=True, tokenize=False)
ids = tokenizer(chat, return_tensors="pt")["input_ids"]
expected = theirs.state_dict()
weights = max((value - expected[key]).abs().max().item()
              for key, value in ours.state_dict().items())
with torch.no_grad():
    logits = (ours(ids).logits - theirs(ids).logits).abs().max().item()
print(weights, logits, end="")
