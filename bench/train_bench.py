"""Training speed and memory beside transformers + PEFT, on random weights of Qwen2.5-0.5B's
shape: bf16, LoRA rank 16 on all linear layers, 4 GSM8K sequences a step.

usage: train_bench.py PROGRAM --data gsm8k_train.jsonl --tokenizer DIR [--steps N] [--rounds N]
Needs torch, transformers and peft in the Python that runs it. Both sides take the same
sequences in the same order, one after the other in alternating rounds; the first steps of each
round are left out as warm-up. Prints tokens/s (real tokens, no padding counted), peak resident
memory, the first loss (both start from the same weights) and the ratios.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import figures

WARM_UP = 2  # steps
PROMPT = ("Below is an instruction that describes a task. Write a response that appropriately "
          "completes the request.\n\n### Instruction:\n{}\n\n### Response:")
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def make_model(directory, tokenizer):
    import torch
    import transformers
    config = transformers.Qwen2Config(
        vocab_size=151936, hidden_size=896, intermediate_size=4864, num_hidden_layers=24,
        num_attention_heads=14, num_key_value_heads=2, max_position_embeddings=32768,
        rope_theta=1000000.0, tie_word_embeddings=True, eos_token_id=151643)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    transformers.Qwen2ForCausalLM(config).save_pretrained(directory)
    for name in ("vocab.json", "merges.txt", "tokenizer.json"):
        if (tokenizer / name).exists():
            shutil.copy(tokenizer / name, directory)
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|endoftext|>",
         "pad_token": "<|endoftext|>"}))


def peft_side(model_dir, rows, steps, config=None):
    """Runs in a process of its own; prints one JSON line. `config` is PEFT's, LoRA's if not given."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    config = config or LoraConfig(r=16, lora_alpha=16, target_modules=TARGETS,
                                  task_type="CAUSAL_LM")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.bfloat16)
    model = get_peft_model(model, config)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    times, tokens, losses = [], [], []
    for step in range(steps):
        begin = time.perf_counter()
        batch = rows[step * 4:step * 4 + 4]
        encoded = []
        for row in batch:
            prompt = tokenizer(PROMPT.format(row["question"]))["input_ids"]
            answer = tokenizer(row["answer"] + "\n")["input_ids"] + [tokenizer.eos_token_id]
            encoded.append((prompt + answer, [-100] * len(prompt) + answer))
        longest = max(len(ids) for ids, _ in encoded)
        pad = tokenizer.pad_token_id
        ids = torch.tensor([i + [pad] * (longest - len(i)) for i, _ in encoded])
        labels = torch.tensor([l + [-100] * (longest - len(l)) for _, l in encoded])
        mask = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i, _ in encoded])
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], 1.0)
        optimizer.step()
        if hasattr(model.base_model, "update_and_allocate"):  # AdaLoRA
            model.base_model.update_and_allocate(step)
        optimizer.zero_grad()
        losses.append(loss.item())
        times.append(time.perf_counter() - begin)
        tokens.append(sum(len(i) for i, _ in encoded))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"tokens": tokens, "seconds": times, "peak": peak, "loss": losses}))


def run_peft(model_dir, data, steps):
    output = subprocess.run([sys.executable, __file__, "--peft-side", str(model_dir), str(data),
                             str(steps)], check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def run_svtune(program, model_dir, data, steps, output, more=()):
    process = subprocess.Popen(
        [program, "train", "--model", model_dir, "--data", data, "--output", output, "--method",
         "lora", "--rank", "16", "--template", "alpaca", "--max-steps", str(steps),
         "--batch-size", "4", "--gradient-accumulation", "1", "--learning-rate", "1e-4",
         "--samples", "0", "--schedule", "constant", "--warmup-ratio", "0", *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit("svtune train failed; run it by hand to see why")
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    speeds = [row["tokens_per_second"] for row in rows]
    totals = [row["tokens"] for row in rows]
    tokens = [b - a for a, b in zip([0, *totals], totals)]
    seconds = [n / v for n, v in zip(tokens, speeds)]
    return {"tokens": tokens, "seconds": seconds, "peak": usage.ru_maxrss * 1024,
            "loss": [row["loss"] for row in rows]}


def speed(result):
    return sum(result["tokens"][WARM_UP:]) / sum(result["seconds"][WARM_UP:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        make_model(scratch / "model", options.tokenizer)
        lines = options.data.read_text().splitlines()[:options.steps * 4]
        data = scratch / "train.jsonl"
        data.write_text("\n".join(lines) + "\n")
        ours, theirs = [], []
        for i in range(options.rounds):
            ours.append(run_svtune(options.program, scratch / "model", data, options.steps,
                                   scratch / f"run-{i}"))
            theirs.append(run_peft(scratch / "model", data, options.steps))
    rows = {"svtune": ours, "transformers + PEFT": theirs}
    print(f"{'':22} {'tokens/s':>9} {'spread':>13} {'peak GiB':>9} {'first loss':>10}")
    for name, results in rows.items():
        speeds = sorted(map(speed, results))
        peak = statistics.median(result["peak"] for result in results) / 2**30
        print(f"{name:22} {statistics.median(speeds):9.1f} {speeds[0]:6.1f}-{speeds[-1]:<6.1f} "
              f"{peak:9.2f} {results[0]['loss'][0]:10.4f}")
        figures.record("train LoRA", f"{name}, speed", statistics.median(speeds), "tokens/s",
                       "higher")
        figures.record("train LoRA", f"{name}, peak memory", peak, "GiB", "lower")
    ratio = statistics.median(map(speed, ours)) / statistics.median(map(speed, theirs))
    memory = (statistics.median(r["peak"] for r in ours) /
              statistics.median(r["peak"] for r in theirs))
    print(f"svtune / PEFT: speed {ratio:.2f}, peak memory {memory:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--peft-side":
        data_rows = [json.loads(line) for line in open(sys.argv[3], encoding="utf-8")]
        peft_side(sys.argv[2], data_rows, int(sys.argv[4]))
    else:
        main()
