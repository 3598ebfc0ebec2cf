"""Answers, scores and the way to the first step beside transformers (+ PEFT): what a user waits for
besides the training itself.

usage: answer_bench.py PROGRAM --model DIR --data gsm8k_test.jsonl [--cases NAME,...]
                       [--questions N] [--dtype NAME] [--rounds N] [--json FILE]
Needs torch, transformers and peft in the Python that runs it. Cases:
  answers   greedy answers to N questions: ours by 50 at a time, theirs by each of several numbers,
            questions sorted by length, best of them; the share of equal texts is printed (in fp32
            all but ties)
  decode    one answer of many tokens, less the time of a short one: tokens/s, and the bytes of the
            weights times that against the read bandwidth that is measured here; also of NF4 and
            int8 bases
  score     log-probabilities of the questions and answers, tokens/s of the whole command against
            the time of theirs from loaded model to last text, 16 texts at a time
  start     seconds of a whole run of one training step, LoRA of rank 16
Rounds of both sides alternate; medians are shown.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import figures
import train_bench

PROMPT = "Tell me a long story about a sailor and the sea."
SHORT, LONG = 8, 200  # tokens
NEW_TOKENS = 96
TOGETHER = (4, 8, 16, 32, 64)


def svtune(options, *arguments):
    begin = time.perf_counter()
    result = subprocess.run([options.program, *map(str, arguments)], capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"svtune {arguments[0]}: {result.stderr}")
    return time.perf_counter() - begin


def alternating(rounds, *sides):
    results = [[] for _ in sides]
    for _ in range(rounds):
        for values, side in zip(results, sides):
            values.append(side())
    return results


def peer(options, case, *arguments):
    """A process of its own for each measurement, as the command is one; its last line is JSON."""
    process = subprocess.run([sys.executable, __file__, "--peer", case, str(options.model),
                              options.dtype, *map(str, arguments)], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"transformers, {case}: {process.stderr[-2000:]}")
    return json.loads(process.stdout.splitlines()[-1])


def loaded(model_dir, dtype):
    import transformers
    model = transformers.AutoModelForCausalLM.from_pretrained(
        model_dir, dtype=train_bench.peft_dtype(dtype)).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir, padding_side="left")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def peer_answers(model_dir, dtype, data, together):
    import torch
    model, tokenizer = loaded(model_dir, dtype)
    rows = [json.loads(line) for line in open(data, encoding="utf-8")]
    prompts = [train_bench.PROMPT.format(row["question"]) for row in rows]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(prompts)
    begin = time.perf_counter()
    for first in range(0, len(order), int(together)):
        places = order[first:first + int(together)]
        batch = tokenizer([prompts[i] for i in places], return_tensors="pt", padding=True)
        with torch.inference_mode():
            ids = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False,
                                 pad_token_id=tokenizer.pad_token_id)
        texts = tokenizer.batch_decode(ids[:, batch["input_ids"].shape[1]:],
                                       skip_special_tokens=True)
        for place, text in zip(places, texts):
            answers[place] = text
    return {"seconds": time.perf_counter() - begin, "answers": answers}


def peer_decode(model_dir, dtype):
    import torch
    model, tokenizer = loaded(model_dir, dtype)
    batch = tokenizer([train_bench.PROMPT.format(PROMPT)], return_tensors="pt")
    seconds = {}
    for count in (SHORT, LONG):
        begin = time.perf_counter()
        with torch.inference_mode():
            model.generate(**batch, max_new_tokens=count, min_new_tokens=count, do_sample=False,
                           pad_token_id=tokenizer.pad_token_id)
        seconds[count] = time.perf_counter() - begin
    return {"rate": (LONG - SHORT) / (seconds[LONG] - seconds[SHORT])}


def peer_score(model_dir, dtype, data):
    import torch
    model, tokenizer = loaded(model_dir, dtype)
    texts = [json.loads(line)["text"] for line in open(data, encoding="utf-8")]
    texts.sort(key=len)
    tokens, begin = 0, time.perf_counter()
    for first in range(0, len(texts), 16):
        batch = tokenizer(texts[first:first + 16], return_tensors="pt", padding=True)
        with torch.inference_mode():
            logits = model(**batch).logits.float()
            logits.log_softmax(-1).gather(-1, batch["input_ids"].unsqueeze(-1))
        tokens += int(batch["attention_mask"].sum())
    return {"rate": tokens / (time.perf_counter() - begin), "tokens": tokens}


def read_bandwidth():
    """Bytes a second that all threads read together, from memory that no cache holds."""
    import torch
    data = torch.ones(1 << 28)  # 1 GiB
    best = 0.0
    for _ in range(5):
        begin = time.perf_counter()
        data.sum()
        best = max(best, data.nbytes / (time.perf_counter() - begin))
    return best


def weight_bytes(model):
    return sum(file.stat().st_size for file in model.rglob("*.safetensors"))


def tell(group, name, value, unit, better="higher"):
    print(f"{name:58}{value:12.3f} {unit}", flush=True)
    figures.record(group, name, value, unit, better)


def run_answers(options, scratch):
    data = scratch / "questions.jsonl"
    lines = options.data.read_text("utf-8").splitlines()[:options.questions]
    data.write_text("\n".join(lines) + "\n", "utf-8")
    out = scratch / "answers.jsonl"

    def ours():
        out.unlink(missing_ok=True)
        return svtune(options, "eval", "--task", "exact-match", "--model", options.model, "--data",
                      data, "--template", "alpaca", "--dtype", options.dtype, "--batch-size", 50,
                      "--max-new-tokens", NEW_TOKENS, "--answers", out)

    theirs = {n: peer(options, "answers", data, n) for n in TOGETHER}
    best = min(theirs, key=lambda n: theirs[n]["seconds"])
    mine, others = alternating(options.rounds, ours,
                               lambda: peer(options, "answers", data, best)["seconds"])
    texts = [json.loads(line)["answer"] for line in out.read_text("utf-8").splitlines()]
    same = sum(a.strip() == b.strip() for a, b in zip(texts, theirs[best]["answers"]))
    tell("answers", "svtune, whole command", statistics.median(mine), "s", "lower")
    tell("answers", f"transformers, {best} at a time, loaded", statistics.median(others), "s",
         "lower")
    tell("answers", "transformers / svtune", statistics.median(others) / statistics.median(mine),
         "times")
    tell("answers", "equal texts", same / len(texts), "of all")


def decode_rate(options, model, dtype):
    seconds = [svtune(options, "generate", "--model", model, "--prompt", PROMPT, "--template",
                      "alpaca", "--dtype", dtype, "--temperature", 0, "--max-new-tokens", count)
               for count in (SHORT, LONG)]
    return (LONG - SHORT) / (seconds[1] - seconds[0])


def run_decode(options, scratch):
    bandwidth = read_bandwidth()
    tell("decode", "read bandwidth", bandwidth / 1e9, "GB/s")
    models = {"as stored": options.model}
    for name in ("int8", "nf4"):
        svtune(options, "quantize", "--model", options.model, "--output", scratch / name,
               "--base-dtype", name, "--start", "none", "--errors", "none")
        models[name] = scratch / name / "base"
    for name, model in models.items():
        if name == "as stored":
            mine, theirs = alternating(options.rounds,
                                       lambda: decode_rate(options, model, options.dtype),
                                       lambda: peer(options, "decode")["rate"])
            tell("decode", "transformers", statistics.median(theirs), "tokens/s")
        else:
            (mine,) = alternating(options.rounds,
                                  lambda m=model: decode_rate(options, m, options.dtype))
        rate = statistics.median(mine)
        tell("decode", f"svtune, {name}", rate, "tokens/s")
        tell("decode", f"svtune, {name}, of the bandwidth", rate * weight_bytes(model) / bandwidth,
             "of the limit")


def run_score(options, scratch):
    data = scratch / "texts.jsonl"
    rows = [json.loads(line) for line in
            options.data.read_text("utf-8").splitlines()[:options.questions]]
    data.write_text("".join(json.dumps({"text": f"{row['question']} {row['answer']}"}) + "\n"
                            for row in rows), "utf-8")
    out = scratch / "scores.jsonl"

    def ours():
        out.unlink(missing_ok=True)
        return svtune(options, "score", "--model", options.model, "--input", data, "--output", out,
                      "--dtype", options.dtype)
    mine, theirs = alternating(options.rounds, ours, lambda: peer(options, "score", data))
    tokens = theirs[0]["tokens"]
    rate = statistics.median(result["rate"] for result in theirs)
    tell("score", "svtune, whole command", tokens / statistics.median(mine), "tokens/s")
    tell("score", "transformers, loaded", rate, "tokens/s")
    tell("score", "svtune / transformers", tokens / statistics.median(mine) / rate, "times")


def run_start(options, scratch):
    data = scratch / "first.jsonl"
    data.write_text("\n".join(options.data.read_text("utf-8").splitlines()[:8]) + "\n", "utf-8")
    run = iter(range(1000))

    def ours():
        return svtune(options, "train", "--model", options.model, "--data", data, "--output",
                      scratch / f"start-{next(run)}", "--method", "lora", "--rank", 16,
                      "--template", "alpaca", "--max-steps", 1, "--batch-size", 4,
                      "--gradient-accumulation", 1, "--samples", 0, "--dtype", options.dtype)

    def theirs():
        begin = time.perf_counter()
        train_bench.run_peft(options.model, data, 1, options.dtype)
        return time.perf_counter() - begin
    mine, others = map(statistics.median, alternating(options.rounds, ours, theirs))
    tell("start", "svtune", mine, "s", "lower")
    tell("start", "transformers + PEFT", others, "s", "lower")
    tell("start", "transformers + PEFT / svtune", others / mine, "times")


CASES = {"answers": run_answers, "decode": run_decode, "score": run_score, "start": run_start}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--dtype", choices=("auto", "fp32", "bf16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    figures.keep_in(options.json)
    for name in options.cases:
        print(f"-- {name}")
        with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
            CASES[name](options, pathlib.Path(scratch))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--peer":
        sides = {"answers": peer_answers, "decode": peer_decode, "score": peer_score}
        print(json.dumps(sides[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
