"""Random tokenizer.json files and the ids that PyPI tokenizers gives, for tokenizer_oracle_test.cpp.

usage: tokenizer_pipelines.py OUT_DIR DATA_DIR COUNT

Writes OUT_DIR/<seed>/model/tokenizer.json and OUT_DIR/<seed>/cases.bin (see tokenizer_oracle.py):
a small vocabulary with random normalisers, pre-tokenisers, decoders, added tokens and options.
"""

import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

from tokenizer_oracle import LLAMA3, QWEN2, write_cases
from tokenizer_strings import StringSource

CHARACTERS = list("abcdeABC'sthe 012.,\n\t") + ["▁", "é", "Ġ", "世", "Ċ", "Ã", "©"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
NORMALIZER_REGEXES = [" {2,}", "\\s+", "[a-c]", "x*", "(?i)A"]
SPLIT_REGEXES = ["\\s+", "\\p{N}", "[a-z]", "\\w+|[^\\w\\s]", "a|b", "x*", QWEN2, LLAMA3, "\\h",
                 "[^\\S\\n]", "(?=a)", "\\bt"]
FLAGS = ["single_word", "lstrip", "rstrip", "normalized", "special"]
STRINGS = 100


class Pipeline:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.vocab = {"<unk>": 0}

    def flip(self):
        return self.rng.random() < 0.5

    def normalizer(self):
        pick = self.rng.choice
        return pick([
            {"type": pick(["NFC", "NFD", "NFKC", "NFKD", "Lowercase"])},
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            {"type": "Replace", "pattern": {"Regex": pick(NORMALIZER_REGEXES)},
             "content": pick(["_", "", "b"])},
            {"type": "Strip", "strip_left": self.flip(), "strip_right": self.flip()}])

    def pre_tokenizer(self):
        pick = self.rng.choice
        return pick([
            {"type": "ByteLevel", "add_prefix_space": self.flip(), "trim_offsets": True,
             "use_regex": self.flip()},
            {"type": "Split", "pattern": {"Regex": pick(SPLIT_REGEXES)},
             "behavior": pick(BEHAVIORS), "invert": self.flip()},
            {"type": "Split", "pattern": {"String": pick([" ", "a", "ab", ".", "'s"])},
             "behavior": pick(BEHAVIORS), "invert": self.flip()},
            {"type": "Metaspace", "replacement": "▁", "prepend_scheme": pick(["always", "never"]),
             "split": self.flip()},
            {"type": "Digits", "individual_digits": self.flip()},
            {"type": pick(["Whitespace", "WhitespaceSplit", "BertPreTokenizer"])},
            {"type": "Punctuation", "behavior": pick(BEHAVIORS)},
            {"type": "CharDelimiterSplit", "delimiter": pick(["a", " "])}])

    def decoder(self):
        pick = self.rng.choice
        return pick([
            {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": pick([" ", "a", "▁"]), "start": self.rng.randrange(3),
             "stop": 0},
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "Metaspace", "replacement": "▁",
             "prepend_scheme": pick(["first", "always", "never"]), "split": True}])

    def sequence(self, make, key, limit):
        parts = [make() for _ in range(self.rng.randrange(limit))]
        return {"type": "Sequence", key: parts} if len(parts) > 1 else (parts + [None])[0]

    def model(self):
        for character in CHARACTERS:
            self.vocab.setdefault(character, len(self.vocab))
        merges = []
        for _ in range(40):
            left, right = self.rng.choice(list(self.vocab)), self.rng.choice(list(self.vocab))
            if "<" not in left + right and len(left + right) <= 6:
                merges.append([left, right])
                self.vocab.setdefault(left + right, len(self.vocab))
        for byte in [0xC3, 0xA9, 0xE4, 0x0A] if self.flip() else range(256):
            self.vocab[f"<0x{byte:02X}>"] = len(self.vocab)
        return {"type": "BPE", "dropout": None, "unk_token": self.rng.choice([None, "<unk>"]),
                "continuing_subword_prefix": None, "end_of_word_suffix": None,
                "fuse_unk": self.flip(), "byte_fallback": self.flip(),
                "ignore_merges": self.flip(), "vocab": self.vocab, "merges": merges}

    def added_tokens(self):
        contents = ["<s>", "</s>", " x", "ab", "é", "E\u0301", "A", "   ", "<s>a", "the", "\n"]
        tokens = []
        for content in self.rng.sample(contents, self.rng.randrange(7)):
            token = {"id": 0, "content": content, **{flag: self.rng.random() < 0.3 for flag in FLAGS}}
            # svtune skips special tokens whatever the normaliser makes of them.
            token["special"] = token["special"] and not token["normalized"]
            tokens.append(token)
        return tokens

    def build(self):
        return {"version": "1.0", "truncation": None, "padding": None,
                "added_tokens": self.added_tokens(),
                "normalizer": self.sequence(self.normalizer, "normalizers", 4),
                "pre_tokenizer": self.sequence(self.pre_tokenizer, "pretokenizers", 4),
                "post_processor": None, "decoder": self.sequence(self.decoder, "decoders", 5),
                "model": self.model()}


def write_pipeline(seed, data, out):
    pipeline = Pipeline(seed)
    config = pipeline.build()
    text = json.dumps(config, ensure_ascii=False)
    (out / "model").mkdir(parents=True)
    (out / "model/tokenizer.json").write_text(text, encoding="utf-8")
    tokenizer = Tokenizer.from_str(text)
    special = [token["content"] for token in config["added_tokens"]]
    strings = StringSource(seed, data, special).strings(STRINGS + 80)[80:]
    alphabet = CHARACTERS + ["  ", "<s>", "é", "E\u0301"]
    strings += ["".join(pipeline.rng.choices(alphabet, k=pipeline.rng.randrange(1, 30)))
                for _ in range(STRINGS)]
    cases = []
    for i, string in enumerate(strings):
        ids = tokenizer.encode(string).ids
        skip = i % 2 == 0
        cases.append((string, ids, skip, tokenizer.decode(ids, skip_special_tokens=skip)))
    write_cases(out, cases)


if __name__ == "__main__":
    for seed in range(1, int(sys.argv[3]) + 1):
        write_pipeline(seed, Path(sys.argv[2]), Path(sys.argv[1]) / str(seed))
