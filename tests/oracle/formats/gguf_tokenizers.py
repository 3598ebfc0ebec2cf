"""Makes GGUF files without weights from published vocabularies, and compares the tokenizer
files rebuilt from them with the tokenizer that transformers builds from the same GGUF file.

usage: gguf_tokenizers.py make DIR DATA NAME...
                                             writes DIR/<name>.gguf; NAME is one of gpt2,
                                             smollm, qwen2, llama3, llama2, gemma2, mistral
       gguf_tokenizers.py compare DIR DATA COUNT NAME...
                                             prints "<name> <different>" for each directory
                                             DIR/<name>.hf, over COUNT strings

The SmolLM pre-tokenizer is compared with GPT-2's own tokenizer behind Digits, as SmolLM2's
tokenizer.json has it: transformers (5.23) ignores tokenizer.ggml.pre there.
"""

import json
import random
import sys
import unicodedata

import gguf
import numpy as np
import sentencepiece
import tokenizers
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode



def byte_level(data, names):
    folder = f"{data}/tokenizers"
    vocab = json.load(open(f"{folder}/gpt2/vocab.json", encoding="utf-8"))
    merges = open(f"{folder}/gpt2/merges.txt", encoding="utf-8").read().split("\n")[1:]
    for name, pre in (("gpt2", "gpt-2"), ("smollm", "smollm")):
        if name in names:
            yield name, pre, vocab, [m for m in merges if m], ["<|endoftext|>"]
    vocab = json.load(open(f"{folder}/qwen2/vocab.json", encoding="utf-8"))
    merges = open(f"{folder}/qwen2/merges.txt", encoding="utf-8").read().split("\n")
    merges = [m for m in merges if m and not m.startswith("#version")]
    if "qwen2" in names:
        yield "qwen2", "qwen2", vocab, merges, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    if "llama3" in names:
        yield "llama3", "llama-bpe", *llama3(f"{folder}/llama-3/tokenizer.model"), [
            "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"]


def llama3(path):
    import base64
    letters = bytes_to_unicode()
    ranks = {}
    for line in open(path, "rb").read().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    spell = lambda token: "".join(letters[b] for b in token)
    merges = []
    for token, rank in ranks.items():
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        splits = [(ranks[a], ranks[b], a, b) for a, b in splits if a in ranks and b in ranks]
        merges += [(rank, a, b) for _, _, a, b in sorted(splits)]
    merges.sort(key=lambda item: item[0])
    return {spell(t): r for t, r in ranks.items()}, [f"{spell(a)} {spell(b)}" for _, a, b in merges]


def start(path, arch):
    writer = gguf.GGUFWriter(path, arch)
    for key, value in dict(context_length=128, embedding_length=8, block_count=1,
                           feed_forward_length=8).items():
        writer.add_uint32(f"{arch}.{key}", value)
    writer.add_uint32(f"{arch}.attention.head_count", 1)
    writer.add_uint32(f"{arch}.attention.head_count_kv", 1)
    writer.add_float32(f"{arch}.attention.layer_norm_rms_epsilon", 1e-5)
    return writer


def finish(writer, tokens, types):
    writer.add_array("tokenizer.ggml.tokens", tokens)
    writer.add_array("tokenizer.ggml.token_type", types)
    writer.add_tensor("token_embd.weight", np.zeros((1, 8), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make(directory, data, *names):
    for name, pre, vocab, merges, special in byte_level(data, names):
        vocab = dict(vocab)
        for token in special:
            vocab.setdefault(token, len(vocab))
        tokens = [t for t, _ in sorted(vocab.items(), key=lambda item: item[1])]
        writer = start(f"{directory}/{name}.gguf", "llama")
        writer.add_string("tokenizer.ggml.model", "gpt2")
        writer.add_string("tokenizer.ggml.pre", pre)
        writer.add_array("tokenizer.ggml.merges", merges)
        writer.add_uint32("tokenizer.ggml.bos_token_id", vocab[special[0]])
        writer.add_uint32("tokenizer.ggml.eos_token_id", vocab[special[-1]])
        writer.add_bool("tokenizer.ggml.add_bos_token", name == "llama3")
        finish(writer, tokens, [3 if t in special else 1 for t in tokens])
    for name, arch, model in (("llama2", "llama", "llama-2"), ("gemma2", "gemma2", "llama-2"),
                              ("mistral", "llama", "mistral-7b-v0.1")):
        if name not in names:
            continue
        sp = sentencepiece.SentencePieceProcessor(
            model_file=f"{data}/tokenizers/{model}/tokenizer.model")
        ids = range(sp.vocab_size())
        writer = start(f"{directory}/{name}.gguf", arch)
        writer.add_string("tokenizer.ggml.model", "llama")
        writer.add_array("tokenizer.ggml.scores", [sp.get_score(i) for i in ids])
        for key, value in dict(bos=1, eos=2, unknown=0).items():
            writer.add_uint32(f"tokenizer.ggml.{key}_token_id", value)
        finish(writer, [sp.id_to_piece(i) for i in ids],
               [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1
                for i in ids])


def strings(data, count):
    chooser = random.Random(5)
    rows = [json.loads(line) for line in open(f"{data}/math/gsm8k_test.jsonl", encoding="utf-8")]
    texts = [row["question"] for row in rows[:count // 8]]
    alphabets = ["abc XYZ'stre", " \t\n\r", "0123456789.,", "éüñçÅ", "日本語中文字", "한국어", "русский",
                 "عربى", "हिन्दी", "😀👍🏽🇩🇪", "{}[]()<>/\\\"'=+-*", "\u00a0\u2003\u200b", "½²Ⅷ٣",
                 "_-~", "\u0301\u0327", "<s></s>"]
    while len(texts) < count:
        parts = []
        for _ in range(chooser.randint(1, 6)):
            letters = chooser.choice(alphabets)
            parts.append("".join(chooser.choice(letters) for _ in range(chooser.randint(1, 8))))
        texts.append(chooser.choice(["", " "]).join(parts))
    return texts + ["", " ", "\n", "\n\n1. a  2", "<|endoftext|>x", "a<|im_end|>b", "x" * 500]


def smollm_oracle(data):
    tokenizer = tokenizers.Tokenizer.from_file(f"{data}/tokenizers/gpt2/tokenizer.json")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([
        tokenizers.pre_tokenizers.Digits(individual_digits=True),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def compare(directory, data, count, *names):
    for name in names:
        ours = tokenizers.Tokenizer.from_file(f"{directory}/{name}.hf/tokenizer.json")
        if name == "smollm":
            oracle = smollm_oracle(data)
            theirs = lambda text: oracle.encode(text).ids
        else:
            loaded = transformers.AutoTokenizer.from_pretrained(directory, gguf_file=f"{name}.gguf")
            theirs = lambda text: loaded(text)["input_ids"]
        different = 0
        for text in strings(data, int(count)):
            if name == "qwen2":  # the model's own tokenizer.json has NFC, which GGUF cannot say
                text = unicodedata.normalize("NFC", text)
            if name == "llama3" and "<|endoftext|>" in text:
                continue  # transformers' builder invents this token
            got, want = ours.encode(text).ids, theirs(text)
            if got != want:
                different += 1
                if different < 4:
                    print(name, repr(text), got, want, file=sys.stderr)
            elif ours.decode(got, skip_special_tokens=False) != (
                    oracle.decode(want, skip_special_tokens=False) if name == "smollm"
                    else loaded.backend_tokenizer.decode(want, skip_special_tokens=False)):
                different += 1
                print(name, "decode", repr(text), file=sys.stderr)
        print(name, different)


if __name__ == "__main__":
    {"make": make, "compare": compare}[sys.argv[1]](*sys.argv[2:])
