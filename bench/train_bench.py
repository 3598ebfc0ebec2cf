"""Training speed and memory beside transformers + PEFT: LoRA rank 16 on all linear layers, 4 GSM8K
sequences a step.

usage: train_bench.py PROGRAM --data gsm8k_train.jsonl (--model DIR | --tokenizer DIR)
                      [--dtype NAME,...] [--steps N] [--rounds N] [--quick] [--json FILE]
Needs torch, transformers and peft in the Python that runs it. Without --model the model has random
weights of Qwen2.5-0.5B's shape in bf16. A dtype is auto, fp32 or bf16: ours with --dtype, theirs
loads the weights in it, auto being that of the file. Both sides take the same sequences, each in
an order of its own, one after the other in alternating rounds; the first steps of each round are
left out as warm-up. Prints medians of tokens/s (real tokens, no padding counted), their spread,
peak resident memory, the mean loss and the ratios. --json keeps the figures (figures.py).
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
    """In a process of its own: one that is started reports its parent's size as its own peak."""
    subprocess.run([sys.executable, __file__, "--make-model", directory, tokenizer], check=True,
                   stderr=subprocess.DEVNULL)


def write_model(directory, tokenizer):
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


def peft_dtype(name):
    import torch
    return {"auto": "auto", "fp32": torch.float32, "bf16": torch.bfloat16}[name]


def peft_side(model_dir, rows, steps, dtype, config=None):
    """Runs in a process of its own; prints one JSON line. `config` is PEFT's, by default LoRA's."""
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    config = config or LoraConfig(r=16, lora_alpha=16, target_modules=TARGETS,
                                  task_type="CAUSAL_LM")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    model = transformers.AutoModelForCausalLM.from_pretrained(model_dir, dtype=peft_dtype(dtype))
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
        pad = tokenizer.eos_token_id  # hidden by the mask
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


def run_peft(model_dir, data, steps, dtype="auto"):
    process = subprocess.run([sys.executable, __file__, "--peft-side", str(model_dir), str(data),
                              str(steps), dtype], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"PEFT: {process.stderr[-2000:]}")
    return json.loads(process.stdout.splitlines()[-1])


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


def show(group, rows):
    """`rows`: (name, results) of svtune and PEFT in turn."""
    print(f"{'':26} {'tokens/s':>9} {'spread':>13} {'peak GiB':>9} {'mean loss':>9}")
    for name, results in rows:
        speeds = sorted(map(speed, results))
        losses = results[0]["loss"]
        print(f"{name:26} {statistics.median(speeds):9.1f} {speeds[0]:6.1f}-{speeds[-1]:<6.1f} "
              f"{peak(results) / 2**30:9.2f} {sum(losses) / len(losses):9.4f}")
        figures.record(group, f"{name}, speed", statistics.median(speeds), "tokens/s", "higher")
        figures.record(group, f"{name}, peak memory", peak(results) / 2**30, "GiB", "lower")
    for (name, ours), (peer, theirs) in zip(rows[::2], rows[1::2]):
        ratio = statistics.median(map(speed, ours)) / statistics.median(map(speed, theirs))
        print(f"{name} / {peer}: speed {ratio:.2f}, peak memory {peak(ours) / peak(theirs):.2f}")


def peak(results):
    return statistics.median(result["peak"] for result in results)


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, help="instead of random weights")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="where no --model is given")
    parser.add_argument("--dtype", type=lambda text: text.split(","), default=["auto"])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of 3 steps: does it run?")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if not options.model and not options.tokenizer:
        parser.error("need --model or --tokenizer")
    if options.quick:
        options.steps, options.rounds = WARM_UP + 1, 1
    return options


def main():
    options = read_options()
    figures.keep_in(options.json)
    with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        model = options.model or scratch / "model"
        if not options.model:
            make_model(model, options.tokenizer)
        lines = options.data.read_text("utf-8").splitlines()[:options.steps * 4]
        data = scratch / "train.jsonl"
        data.write_text("\n".join(lines) + "\n", "utf-8")
        results = {(side, dtype): [] for dtype in options.dtype for side in ("ours", "theirs")}
        for i in range(options.rounds):
            for dtype in options.dtype:
                results["ours", dtype].append(
                    run_svtune(options.program, model, data, options.steps,
                               scratch / f"run-{dtype}-{i}", ["--dtype", dtype]))
                results["theirs", dtype].append(run_peft(model, data, options.steps, dtype))
    names = {"ours": "svtune", "theirs": "transformers + PEFT"}
    show("train LoRA" + (f", {options.model.name}" if options.model else ""),
         [(names[side] + ("" if dtype == "auto" else f" {dtype}"), rows)
          for (side, dtype), rows in results.items()])


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--peft-side":
        data_rows = [json.loads(line) for line in open(sys.argv[3], encoding="utf-8")]
        peft_side(sys.argv[2], data_rows, int(sys.argv[4]), sys.argv[5])
    elif len(sys.argv) > 1 and sys.argv[1] == "--make-model":
        write_model(*map(pathlib.Path, sys.argv[2:4]))
    else:
        main()
