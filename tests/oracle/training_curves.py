"""Trains with transformers and PEFT what a case file describes, and prints the losses.

usage: training_curves.py CASES.json, a list. The keys of a case: base (model directory), adapter
(directory or null: the whole model trains), steps (for each step its micro-batches, lists of
documents of token ids), rates (learning rate of each step), betas, epsilon, max_grad_norm. Prints a
JSON list of the cases' losses: of every step the mean over all of its predicted tokens before the
update. Exits with 77 when transformers or PEFT is not installed.
"""
import json
import pathlib
import sys

import without_bitsandbytes  # noqa: F401

try:
    import peft
    import torch
    import transformers
except ImportError:
    sys.exit(77)


def load(case):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        case["base"], dtype=torch.float32, attn_implementation="eager")
    if case["adapter"]:
        model = peft.PeftModel.from_pretrained(model, case["adapter"], is_trainable=True)
    return model.eval()  # without dropout; gradients flow all the same


def backward(model, documents, count):
    """Adds the gradient of the documents' share of the mean loss; returns that share."""
    share = 0.0
    for ids in documents:
        logits = model(torch.tensor([ids])).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum")
        (loss / count).backward()
        share += loss.item() / count
    return share


def losses_of(case):
    model = load(case)
    leaves = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(leaves, betas=case["betas"], eps=case["epsilon"], weight_decay=0)
    losses = []
    for batches, rate in zip(case["steps"], case["rates"], strict=True):
        optimizer.zero_grad()
        count = sum(len(ids) - 1 for documents in batches for ids in documents)
        losses.append(sum(backward(model, documents, count) for documents in batches))
        torch.nn.utils.clip_grad_norm_(leaves, case["max_grad_norm"])
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return losses


def main():
    cases = json.loads(pathlib.Path(sys.argv[1]).read_text())
    torch.set_num_threads(1)
    print(json.dumps([losses_of(case) for case in cases]))


main()
