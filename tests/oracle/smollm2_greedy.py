"""Greedy answers of transformers to chat prompts, by a GGUF file read with its own code, in fp32.

usage: smollm2_greedy.py GGUF OUTPUT.json     exits with 77 when transformers is not installed
"""
import json
import os
import pathlib
import sys

try:
    import gguf  # noqa: F401  transformers reads with it
    import torch
    import transformers
except ImportError:
    sys.exit(77)

PROMPTS = ("What is 17 + 25?", "Name three colours.", "Why is the sky blue? Answer briefly.")
NEW_TOKENS = 32


def main():
    path, output = sys.argv[1:]
    source = dict(pretrained_model_name_or_path=os.path.dirname(path),
                  gguf_file=os.path.basename(path))
    model = transformers.AutoModelForCausalLM.from_pretrained(dtype=torch.float32, **source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    ids, answers = [], []
    for prompt in PROMPTS:
        chat = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        ids.append(tokenizer(text)["input_ids"])
        asked = torch.tensor([ids[-1]])
        with torch.no_grad():
            answer = model.generate(asked, attention_mask=torch.ones_like(asked), do_sample=False,
                                    max_new_tokens=NEW_TOKENS)
        answers.append(answer[0, len(ids[-1]):].tolist())
    pathlib.Path(output).write_text(json.dumps({"ids": ids, "greedy": answers}))


if __name__ == "__main__":
    main()
