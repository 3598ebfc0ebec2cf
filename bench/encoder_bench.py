"""Training speed and memory of encoders and image models beside transformers + PEFT: LoRA rank 8 on
all linear layers with a head of two classes, fp32.

usage: encoder_bench.py PROGRAM --data gsm8k_train.jsonl [--minilm DIR] [--tokenizer DIR]
                        [--cases NAME,...] [--steps N] [--rounds N] [--batch-size N]
                        [--quick] [--json FILE]
Needs torch, transformers, peft and pillow in the Python that runs it. minilm has the weights of
--minilm (all-MiniLM-L6-v2), deberta those of DeBERTaV3-base's shape and vit those of ViT-B/16's at
random, decode a ViT so small that reading the images decides (take many --steps); --tokenizer holds
DeBERTa's spm.model. Texts are GSM8K's questions, their class whether the answer is odd; images are
seeded JPEG files that both sides decode and resize in their steps. Both sides start from the same
head, train on the same records, each in an order of its own, without the encoder's dropout, and run
one after the other in alternating rounds; the first steps of each are left out as warm-up. Prints
medians of sequences or images a second, their spread, peak resident memory, numbers that train and
the mean loss. --json keeps the figures (figures.py).
"""
import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import figures

WARM_UP = 2  # steps
RANK = 8
LAYERS, QUICK_LAYERS = 12, 2  # of DeBERTaV3-base and ViT-B/16, and with --quick
GROUP = "train an encoder"
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
TARGETS = {
    "minilm": ["query", "key", "value", "dense"],
    "deberta": ["query_proj", "key_proj", "value_proj", "dense"],
    "vit": ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"],
    "decode": ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"],
}
OF_IMAGES = {"vit", "decode"}
# So little to compute that decoding and resizing decide.
TINY_VIT = dict(num_hidden_layers=1, hidden_size=32, num_attention_heads=2, intermediate_size=64,
                patch_size=32)
DEBERTA = dict(
    vocab_size=128100, hidden_size=768, intermediate_size=3072, num_attention_heads=12,
    max_position_embeddings=512, relative_attention=True,
    share_att_key=True, position_biased_input=False, pos_att_type=["p2c", "c2p"],
    norm_rel_ebd="layer_norm", position_buckets=256, max_relative_positions=-1, type_vocab_size=0,
    pooler_dropout=0.0, pooler_hidden_act="gelu")
NAMES = ["even", "odd"]
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {n: i for i, n in enumerate(NAMES)}}


def make_model(case, directory, options):
    """In a process of its own: one that is started reports its parent's size as its own peak."""
    command = [sys.executable, __file__, "--make-model", case, directory, options.minilm or "",
               options.tokenizer or "", str(QUICK_LAYERS if options.quick else LAYERS)]
    process = subprocess.run(command, capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{case}: {process.stderr[-2000:]}")


def write_model(case, directory, minilm, tokenizer, layers):
    """A model with a head, so that both sides start from the same numbers."""
    import torch
    import transformers
    torch.manual_seed(0)
    if case == "minilm":
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            minilm, dtype=torch.float32, **LABELS)
        for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            shutil.copy(minilm / name, directory)
    elif case == "deberta":
        config = transformers.DebertaV2Config(**DEBERTA, num_hidden_layers=layers, **NO_DROPOUT,
                                              **LABELS)
        model = transformers.DebertaV2ForSequenceClassification(config)
        shutil.copy(tokenizer / "spm.model", directory)
        (directory / "tokenizer_config.json").write_text(
            '{"tokenizer_class": "DebertaV2Tokenizer"}')
    else:
        shape = TINY_VIT if case == "decode" else {"num_hidden_layers": layers}
        model = transformers.ViTForImageClassification(transformers.ViTConfig(**shape, **LABELS))
        transformers.ViTImageProcessorPil().save_pretrained(directory)
    model.save_pretrained(directory)


def write_texts(source, path, count):
    records = []
    for line in source.read_text("utf-8").splitlines()[:count]:
        row = json.loads(line)
        odd = int(row["answer"].rsplit("#### ", 1)[1].replace(",", "")) % 2
        records.append(json.dumps({"text": row["question"], "label": NAMES[odd]}))
    if len(records) < count:
        sys.exit(f"{source} has {len(records)} records, {count} are needed")
    path.write_text("\n".join(records) + "\n", "utf-8")


def write_images(folder, count):
    """Smooth noise of 500 x 375 pixels, as large as the pictures of common data sets."""
    from PIL import Image
    rng = random.Random(0)
    for i in range(count):
        path = folder / NAMES[i % 2]
        path.mkdir(parents=True, exist_ok=True)
        coarse = Image.frombytes("RGB", (16, 12), rng.randbytes(16 * 12 * 3))
        coarse.resize((500, 375), Image.BICUBIC).save(path / f"{i}.jpg", quality=90)


def text_batches(model_dir, data):
    """The number of records and a function that makes a batch of them."""
    import transformers
    tokenizer = transformers.AutoTokenizer.from_pretrained(model_dir)
    rows = [json.loads(line) for line in pathlib.Path(data).read_text("utf-8").splitlines()]

    def batch(begin, end):
        encoded = tokenizer([row["text"] for row in rows[begin:end]], padding=True,
                            truncation=True, max_length=512, return_tensors="pt")
        return encoded, [NAMES.index(row["label"]) for row in rows[begin:end]]
    return len(rows), batch


def image_batches(model_dir, data):
    import transformers
    from PIL import Image
    processor = transformers.ViTImageProcessorPil.from_pretrained(model_dir)
    paths = sorted(pathlib.Path(data).rglob("*.jpg"), key=lambda path: int(path.stem))

    def batch(begin, end):
        images = [Image.open(path).convert("RGB") for path in paths[begin:end]]
        labels = [NAMES.index(path.parent.name) for path in paths[begin:end]]
        return processor(images, return_tensors="pt"), labels
    return len(paths), batch


def peft_model(case, model_dir):
    import peft
    import torch
    import transformers
    auto = (transformers.AutoModelForImageClassification if case in OF_IMAGES else
            transformers.AutoModelForSequenceClassification)
    model = auto.from_pretrained(model_dir, dtype=torch.float32, **NO_DROPOUT)
    return peft.get_peft_model(model, peft.LoraConfig(
        r=RANK, lora_alpha=RANK, target_modules=TARGETS[case],
        modules_to_save=["classifier"])).train()


def peft_side(case, model_dir, data, batch_size):
    """Runs in a process of its own; prints one JSON line."""
    import torch
    model = peft_model(case, model_dir)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)
    count, batch = (image_batches if case in OF_IMAGES else text_batches)(model_dir, data)
    seconds, losses = [], []
    for begin in range(0, count, batch_size):
        start = time.perf_counter()
        inputs, labels = batch(begin, begin + batch_size)
        loss = model(**inputs, labels=torch.tensor(labels)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds, "loss": losses,
                      "trained": sum(p.numel() for p in trained),
                      "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


def run_peft(case, model_dir, data, batch_size):
    process = subprocess.run([sys.executable, __file__, "--peft-side", case, str(model_dir),
                              str(data), str(batch_size)], capture_output=True, text=True)
    if process.returncode != 0:
        sys.exit(f"{case}, PEFT: {process.stderr[-2000:]}")
    return json.loads(process.stdout.splitlines()[-1])


def run_svtune(program, model_dir, data, batch_size, steps, output):
    with open(output.with_suffix(".log"), "w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [program, "train", "--model", model_dir, "--data", data, "--output", output, "--task",
             "classify", "--method", "lora", "--rank", str(RANK), "--max-steps", str(steps),
             "--batch-size", str(batch_size), "--gradient-accumulation", "1", "--learning-rate",
             "1e-4", "--schedule", "constant", "--warmup-ratio", "0", "--dtype", "fp32"],
            stdout=log, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        shown = log.read()
    if process.returncode != 0:
        sys.exit(f"svtune: {shown[-2000:]}")
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    ends = [row["seconds"] for row in rows]
    trained = next(line for line in shown.splitlines() if line.startswith("Trainable: "))
    return {"seconds": [b - a for a, b in zip([0, *ends], ends)],
            "loss": [row["loss"] for row in rows],
            "trained": int(trained.split()[1].replace(",", "")), "peak": usage.ru_maxrss * 1024}


def show(case, results, batch_size):
    unit = "images/s" if case in OF_IMAGES else "sequences/s"
    medians = {}
    for name, runs in results.items():
        speeds = sorted(batch_size / statistics.mean(run["seconds"][WARM_UP:]) for run in runs)
        peak = statistics.median(run["peak"] for run in runs) / 2**30
        medians[name] = statistics.median(speeds), peak
        print(f"{case:8} {name:19} {medians[name][0]:8.2f} {unit:11} "
              f"{speeds[0]:7.2f}-{speeds[-1]:<7.2f} {peak:8.2f} {runs[0]['trained']:10,} "
              f"{statistics.mean(runs[0]['loss']):9.4f}")
        figures.record(GROUP, f"{case}, {name}, speed", medians[name][0], unit, "higher")
        figures.record(GROUP, f"{case}, {name}, peak memory", peak, "GiB", "lower")
    (speed, peak), (peer_speed, peer_peak) = medians.values()
    print(f"{case:8} svtune / PEFT: speed {speed / peer_speed:.2f}, "
          f"peak memory {peak / peer_peak:.2f}", flush=True)
    if len({runs[0]["trained"] for runs in results.values()}) > 1:
        print(f"{case:8} DIFFERENT NUMBERS OF TRAINED PARAMETERS")


def measure(case, options, scratch):
    count = options.steps * options.batch_size
    model = scratch / "model"
    model.mkdir()
    make_model(case, model, options)
    data = scratch / ("images" if case in OF_IMAGES else "texts.jsonl")
    if case in OF_IMAGES:
        write_images(data, count)
    else:
        write_texts(options.data, data, count)
    results = {"svtune": [], "transformers + PEFT": []}
    for i in range(options.rounds):
        results["svtune"].append(run_svtune(options.program, model, data, options.batch_size,
                                            options.steps, scratch / f"run-{i}"))
        results["transformers + PEFT"].append(run_peft(case, model, data, options.batch_size))
    show(case, results, options.batch_size)


def read_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--data", type=pathlib.Path, help="gsm8k_train.jsonl, for the texts")
    parser.add_argument("--minilm", type=pathlib.Path, help="directory of all-MiniLM-L6-v2")
    parser.add_argument("--tokenizer", type=pathlib.Path, help="directory of DeBERTaV3's spm.model")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=["minilm", "deberta", "vit"])
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--quick", action="store_true",
                        help="one round of 3 steps of 4 records, random models of 2 layers: does "
                             "it run?")
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    if options.quick:
        options.steps, options.rounds, options.batch_size = WARM_UP + 1, 1, 4
    if options.steps <= WARM_UP:
        parser.error(f"--steps needs more than the {WARM_UP} steps of warm-up")
    return options, parser


def main():
    options, parser = read_options()
    needs = {"minilm": ("data", "minilm"), "deberta": ("data", "tokenizer"), "vit": (),
             "decode": ()}
    for case in options.cases:
        if case not in needs:
            parser.error(f"unknown case {case}, there are: {', '.join(needs)}")
        missing = [name for name in needs[case] if getattr(options, name) is None]
        if missing:
            parser.error(f"{case} needs --{missing[0]}; leave it out with --cases")
    figures.keep_in(options.json)
    print(f"{'':28} {'speed':>20} {'spread':>15} {'peak GiB':>8} {'trained':>10} {'mean loss':>9}")
    for case in options.cases:
        with tempfile.TemporaryDirectory(prefix="svtune-bench-") as scratch:
            measure(case, options, pathlib.Path(scratch))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--peft-side":
        peft_side(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]))
    elif len(sys.argv) > 1 and sys.argv[1] == "--make-model":
        write_model(sys.argv[2], *map(pathlib.Path, sys.argv[3:6]), int(sys.argv[6]))
    else:
        main()
