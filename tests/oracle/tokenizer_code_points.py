"""How PyPI tokenizers splits around every code point, for tokenizer_oracle_test.cpp.

usage: tokenizer_code_points.py OUT_DIR

Writes OUT_DIR/<n>/model/tokenizer.json and OUT_DIR/<n>/cases.bin (see tokenizer_oracle.py), one
folder per pre-tokeniser. Each string holds 256 code points as aQcQ with a vocabulary of "a" alone;
unknown neighbours fuse, so that the ids show where it was split. For BERT's normaliser each string
holds them as "aca QcQ", and "aa" is a token too, so that the ids show what was removed, what became
a space and what was set apart.
"""

import json
import sys
from pathlib import Path

from tokenizers import Tokenizer

from tokenizer_oracle import LLAMA3, QWEN2, write_cases

# All planes in which Unicode 17 assigns letters, marks, numbers, punctuation or symbols.
CODE_POINTS = [c for c in (*range(1, 0x33480), *range(0xE0001, 0xE01F0)) if not 0xD800 <= c < 0xE000]


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


PRE_TOKENIZERS = [
    {"type": "Punctuation", "behavior": "Isolated"},
    {"type": "Digits", "individual_digits": True},
    {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"},
    split(QWEN2), split(LLAMA3), split("\\w+|[^\\w\\s]"), split("[[:word:]]+"), split("\\b")]


def bert(**flags):
    return {"type": "BertNormalizer", "clean_text": False, "handle_chinese_chars": False,
            "strip_accents": False, "lowercase": False, **flags}


NORMALIZERS = [bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True),
               bert(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)]


def write_part(folder, pre_tokenizer, normalizer=None):
    config = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
              "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": None,
              "decoder": None,
              "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>",
                        "continuing_subword_prefix": None, "end_of_word_suffix": None,
                        "fuse_unk": True, "byte_fallback": False, "ignore_merges": False,
                        "vocab": {"<unk>": 0, "a": 1, "aa": 2}, "merges": ["a a"]}}
    (folder / "model").mkdir(parents=True)
    (folder / "model/tokenizer.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = Tokenizer.from_str(json.dumps(config))
    form = "aQ{0}Q" if normalizer is None else "a{0}a Q{0}Q "
    strings = ["".join(form.format(chr(c)) for c in CODE_POINTS[i:i + 256])
               for i in range(0, len(CODE_POINTS), 256)]
    encoded = [(string, tokenizer.encode(string).ids) for string in strings]
    write_cases(folder, [(string, ids, False, tokenizer.decode(ids, skip_special_tokens=False))
                         for string, ids in encoded])


if __name__ == "__main__":
    for number, part in enumerate(PRE_TOKENIZERS, 1):
        write_part(Path(sys.argv[1]) / str(number), part)
    for number, part in enumerate(NORMALIZERS, len(PRE_TOKENIZERS) + 1):
        write_part(Path(sys.argv[1]) / str(number), {"type": "WhitespaceSplit"}, part)
