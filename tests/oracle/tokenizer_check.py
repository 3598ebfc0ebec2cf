"""Token ids of a finished program beside the PyPI packages tokenizers, sentencepiece and tiktoken.

usage: tokenizer_check.py PROGRAM DATA_DIR [--families NAME,...] [--models DIR,...] [--count N]
                          [--seed N] [--keep FILE]

tokenizer_oracle_test.cpp compares the library on strings of one seed; this asks `PROGRAM tokenize`,
needs no build and takes any seed. Half of the strings are lines and paragraphs of the real texts
below DATA_DIR, half those of tokenizer_strings.py (excerpts, languages, code, white space, random
Unicode, special tokens in between). A model directory of --models is compared with what
`tokenizers` makes of its tokenizer.json; --families are those of tokenizer_oracle.py, by default
all that the program can be asked for. A string of other ids is cut down while its ids stay
different, and what is left of the first five is shown. --keep writes all of them as JSON lines.
Exits with 1 where ids differ.
"""
import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import Tokenizer

import tokenizer_oracle
from tokenizer_strings import StringSource

SHOWN = 5
LONGEST = 4000  # characters of a real text
KINDS = {".txt", ".jsonl", ".json", ".tsv", ".md"}
PLACES = ("math", "code", "instruct", "commonsense", "glue", "text")


def real_strings(rng, data, count):
    """Lines, paragraphs and stretches across lines; JSON is taken as the text that it is."""
    texts = [path.read_text("utf-8", errors="replace") for place in PLACES
             for path in sorted((data / place).rglob("*")) if path.suffix in KINDS]
    if not texts:
        sys.exit(f"{data} has no texts in {', '.join(PLACES)}")
    lines = [text.split("\n") for text in texts]
    out = []
    while len(out) < count:
        i = rng.randrange(len(texts))
        at = rng.randrange(len(lines[i]))
        pieces = [lambda: lines[i][at],
                  lambda: "\n".join(lines[i][at:at + rng.randrange(2, 9)]),
                  lambda: "\n".join(lines[i][at:at + 3]).strip()]
        out.append(rng.choice(pieces)()[:rng.choice((200, 1000, LONGEST))])
    return out


def strings_of(case, seed, data, count):
    rng = random.Random(seed)
    out = real_strings(rng, data, count // 2)
    out += StringSource(seed, data, case.special).strings(count - len(out))
    for piece in case.avoid:
        out = [text.replace(piece, "") for text in out]
    return out


def program_ids(program, model, texts, folder):
    source, target = folder / "texts.jsonl", folder / "ids.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    run = subprocess.run([program, "tokenize", "--model", model, "--input", source, "--output",
                          target], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{program} tokenize failed on {model}: {run.stderr}")
    ids = [json.loads(line)["ids"] for line in target.read_text("utf-8").split("\n") if line]
    target.unlink()
    assert len(ids) == len(texts), f"{len(ids)} answers to {len(texts)} strings"
    return ids


def different(texts, case, ask):
    return [(text, ids, case.encode(text)) for text, ids in zip(texts, ask(texts))
            if ids != case.encode(text)]


def smallest(text, case, ask):
    """Leaves out ever shorter stretches while the ids stay different."""
    size = max(1, len(text) // 2)
    while True:
        shorter = [text[:at] + text[at + size:] for at in range(0, len(text), size)]
        found = different([each for each in shorter if each], case, ask)
        if found:
            text = min((each for each, _, _ in found), key=len)
            size = min(size, max(1, len(text) // 2))
        elif size == 1:
            return text
        else:
            size //= 2


def check(name, case, model, options, folder):
    def ask(texts):
        return program_ids(options.program, model, texts, folder)
    texts = strings_of(case, options.seed, options.data, options.count)
    wrong = different(texts, case, ask)
    characters = sum(map(len, texts))
    print(f"{name:34} {len(texts):7} strings {characters:9} characters {len(wrong):6} different  "
          f"({case.name})", flush=True)
    for text, _, _ in wrong[:SHOWN]:
        least, ours, theirs = different([smallest(text, case, ask)], case, ask)[0]
        print(f"    {ascii(least)}: svtune {ours}, oracle {theirs}", flush=True)
    if options.keep:
        with open(options.keep, "a", encoding="utf-8") as file:
            file.writelines(json.dumps({"tokenizer": name, "text": text, "svtune": ours,
                                        "oracle": theirs}) + "\n" for text, ours, theirs in wrong)
    return len(wrong)


def stored_case(source, model):
    """A model directory as it is, with the special tokens of its tokenizer.json."""
    for file in source.iterdir():
        if file.suffix in (".json", ".txt", ".model") and file.name != "config.json":
            shutil.copy(file, model)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    added = tokenizer.get_added_tokens_decoder().values()
    return tokenizer_oracle.hf_case(tokenizer, [token.content for token in added],
                                    name="tokenizers.Tokenizer.from_file")


def main():
    # The program takes the rule of transformers 5 from no option.
    families = [name for name in tokenizer_oracle.FAMILIES if not name.endswith("-transformers5")]
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--families", type=lambda text: [n for n in text.split(",") if n],
                        default=families)
    parser.add_argument("--models", type=lambda text: list(map(Path, text.split(","))), default=[])
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    makers = {name: tokenizer_oracle.FAMILIES[name] for name in options.families}
    for source in options.models:
        makers[str(source)] = lambda _, model, source=source: stored_case(source, model)
    total = 0
    for name, make in makers.items():
        with tempfile.TemporaryDirectory(prefix="svtune-check-") as scratch:
            model = Path(scratch) / "model"
            model.mkdir()
            total += check(name, make(options.data, model), model, options, Path(scratch))
    print(f"{len(makers)} tokenizers, {total} strings of other ids")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
