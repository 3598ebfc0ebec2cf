"""Token ids of PyPI tokenizers for tokenizer_oracle_test.cpp.

usage: tokenizer_oracle.py FAMILY DATA_DIR OUT_DIR [COUNT] [SEED]

Writes OUT_DIR/model (what svtune loads), OUT_DIR/cases.bin, OUT_DIR/oracle.txt (which package,
class and version gave the ids) and, of encoders, OUT_DIR/pairs.bin (see write_pairs). cases.bin: number of cases, then per case the text, the ids,
whether special tokens are skipped in decoding, and the decoded text; all numbers are little-endian
32-bit, strings and lists start with their length.

Ids come from the `tokenizers` package wherever a tokenizer.json exists or follows from the files;
the transformers 5 classes rebuild parts of a tokenizer.json and would give other ids.
"""

import json
import shutil
import struct
import sys
from pathlib import Path

import tokenizers
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

from tokenizer_strings import SENTENCES, StringSource, load_text

SPACE = "\u2581"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")


class Case:
    """A tokenizer of the oracle: encode(text), decode(ids, skip_special), strings of special tokens
    to try, strings it must not be given, and whether it can show special tokens in decoded text."""

    def __init__(self, name, encode, decode, special=(), avoid=(), shows_special=True):
        self.name, self.encode, self.decode, self.special = name, encode, decode, special
        self.avoid, self.shows_special = avoid, shows_special
        self.pairs = None  # a tokenizer of the package that encodes pairs


def hf_case(tokenizer, special=(), add_special=True, name="tokenizers.Tokenizer"):
    case = Case(f"{name} {tokenizers.__version__}",
                lambda s: tokenizer.encode(s, add_special_tokens=add_special).ids,
                lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip), special)
    case.raw_encode = lambda s: tokenizer.encode(s, add_special_tokens=False)
    return case


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def json_file(data, model, name):
    shutil.copy(data / "tokenizers" / name / "tokenizer.json", model)
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    added = tokenizer.get_added_tokens_decoder().values()
    return hf_case(tokenizer, [t.content for t in added], name="tokenizers.Tokenizer.from_file")


def copy_vocab(data, model, name):
    for file in ("vocab.json", "merges.txt"):
        shutil.copy(data / "tokenizers" / name / file, model)
    merges = [tuple(line.split(" ")) for line in
              (model / "merges.txt").read_text(encoding="utf-8").split("\n")
              if line and not line.startswith("#version")]
    return json.loads((model / "vocab.json").read_text(encoding="utf-8")), merges


def byte_level(vocab, merges, pattern=None, ignore_merges=False):
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    if pattern is None:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def gpt2_vocab(data, model):
    tokenizer = byte_level(*copy_vocab(data, model, "gpt2"))
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return hf_case(tokenizer, ["<|endoftext|>"])


def qwen2(data, model):
    tokenizer = byte_level(*copy_vocab(data, model, "qwen2"), QWEN2)
    tokenizer.normalizer = normalizers.NFC()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens(special)
    write_json(model / "tokenizer_config.json", {
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>",
        "added_tokens_decoder": {str(151643 + i): {"content": token, "special": True}
                                 for i, token in enumerate(special)}})
    return hf_case(tokenizer, special)


def smollm2_like(data, model):
    """SmolLM2's pipeline (single digits, then GPT-2's split) over GPT-2's vocabulary."""
    tokenizer = Tokenizer.from_file(str(data / "tokenizers/gpt2/tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    special = ["<|im_start|>", "<|im_end|>", "<repo_name>"]
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(model / "tokenizer.json"))
    return hf_case(tokenizer, special)


def gemma_like(data, model):
    """Gemma's pipeline over a small vocabulary trained here."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    trainer = trainers.BpeTrainer(
        vocab_size=3000, special_tokens=special + [f"<0x{b:02X}>" for b in range(256)],
        limit_alphabet=150, show_progress=False)
    words = " ".join(t[:40_000] for t in load_text(data)).split(" ")
    tokenizer.train_from_iterator([SPACE + word for word in words] + SENTENCES, trainer)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.add_tokens(["\n\n", "\t\t", SPACE * 2, "<h1>"])
    tokenizer.post_processor = processors.TemplateProcessing("<bos> $A", special_tokens=[("<bos>", 2)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(),
                                           decoders.Fuse()])
    tokenizer.save(str(model / "tokenizer.json"))
    return hf_case(tokenizer, special + ["<h1>", "\n\n"])


def read_pieces(path):
    """(piece, score, type) of a SentencePiece model."""
    import sentencepiece

    spm = sentencepiece.SentencePieceProcessor(model_file=str(path))
    kinds = [(spm.is_unknown, 2), (spm.is_control, 3), (spm.is_byte, 6), (spm.is_unused, 5)]
    pieces = []
    for i in range(spm.get_piece_size()):
        kind = next((k for test, k in kinds if test(i)), 1)
        pieces.append((spm.id_to_piece(i), spm.get_score(i), kind))
    return spm, pieces


def sentencepiece_text(data, model, name):
    """SentencePiece itself, which never reads special tokens from text."""
    import sentencepiece

    shutil.copy(data / "tokenizers" / name / "tokenizer.model", model)
    spm, pieces = read_pieces(model / "tokenizer.model")
    return Case(f"sentencepiece.SentencePieceProcessor {sentencepiece.__version__}",
                lambda s: [spm.bos_id()] + spm.encode(s), lambda ids, skip: spm.decode(ids),
                avoid=[piece for piece, _, kind in pieces if kind in (2, 3)], shows_special=False)


def sentencepiece_hf(data, model, name, transformers5):
    """The `tokenizers` pipeline that transformers builds for a SentencePiece model: version 4 with
    merges by score, Prepend and Replace, or version 5 with merges by id and Metaspace."""
    shutil.copy(data / "tokenizers" / name / "tokenizer.model", model)
    _, pieces = read_pieces(model / "tokenizer.model")
    vocab = {piece: i for i, (piece, _, _) in enumerate(pieces)}
    merges = []
    for i, (piece, score, kind) in enumerate(pieces):
        splits = [(piece[:n], piece[n:]) for n in range(1, len(piece))]
        merges += [(i if transformers5 else score, len(l), len(r), l, r) for l, r in splits if l in vocab and r in vocab]
    merges.sort(key=lambda m: m[:3], reverse=not transformers5)
    tokenizer = Tokenizer(models.BPE(vocab, [m[3:] for m in merges], unk_token="<unk>",
                                     fuse_unk=True, byte_fallback=True))
    if transformers5:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE),
                                                     normalizers.Replace(" ", SPACE)])
        write_json(model / "tokenizer_config.json", {"legacy": True})
    special = [piece for piece, _, kind in pieces if kind in (2, 3)]
    tokenizer.add_tokens([AddedToken(s, normalized=False, special=True) for s in special])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(),
                                           decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return hf_case(tokenizer, special[:20])


def llama3_ranks(data, model):
    import base64

    shutil.copy(data / "tokenizers/llama-3/tokenizer.model", model)
    lines = (model / "tokenizer.model").read_bytes().split(b"\n")
    return {base64.b64decode(t): int(r) for t, r in (line.split() for line in lines if line)}


LLAMA3_SPECIAL = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001,
                  "<|start_header_id|>": 128006, "<|end_header_id|>": 128007, "<|eot_id|>": 128009,
                  "<|reserved_special_token_247|>": 128255}


def llama3_tiktoken(data, model):
    import tiktoken

    encoding = tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=llama3_ranks(data, model),
                                 special_tokens=LLAMA3_SPECIAL)
    return Case(f"tiktoken.Encoding {tiktoken.__version__}",
                lambda s: [128000] + encoding.encode(s, allowed_special="all"),
                lambda ids, skip: encoding.decode([i for i in ids if i < 128000 or not skip]),
                list(LLAMA3_SPECIAL))


def llama3_hf(data, model):
    ranks = llama3_ranks(data, model)
    byte_chars = byte_alphabet()
    spell = lambda token: "".join(byte_chars[b] for b in token)
    merges = []
    for token, rank in ranks.items():
        splits = [(token[:i], token[i:]) for i in range(1, len(token))]
        known = [(ranks[l], ranks[r], l, r) for l, r in splits if l in ranks and r in ranks]
        merges += [(rank, spell(l), spell(r)) for _, _, l, r in sorted(known)]
    merges.sort(key=lambda m: m[0])
    vocab = {spell(token): rank for token, rank in ranks.items()}
    tokenizer = byte_level(vocab, [m[1:] for m in merges], LLAMA3, ignore_merges=True)
    tokenizer.add_tokens([AddedToken(f"<|{i}|>", special=True) for i in range(256)])
    state = json.loads(tokenizer.to_str())
    for token in state["added_tokens"]:
        names = [n for n, i in LLAMA3_SPECIAL.items() if i == token["id"]]
        token["content"] = names[0] if names else token["content"]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.post_processor = processors.TemplateProcessing(
        "<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", 128000)])
    return hf_case(tokenizer, list(LLAMA3_SPECIAL))


def byte_alphabet():
    """Byte -> character, in the order in which the tokenizers package assigns them."""
    kept = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    others = [b for b in range(256) if b not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(others)}


def bert_tokenizer(data, processor, **normalizing):
    lines = (data / "tokenizers/bert-base-uncased/vocab.txt").read_text(encoding="utf-8").split("\n")
    vocab = {token: i for i, token in enumerate(lines) if token}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizing)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    cls, sep = ("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])
    tokenizer.post_processor = processors.BertProcessing(sep, cls) if processor else BERT_TEMPLATE(
        special_tokens=[cls, sep])
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    return tokenizer, special


def BERT_TEMPLATE(special_tokens):
    return processors.TemplateProcessing("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
                                         special_tokens)


def bert_vocab(data, model, lower):
    """vocab.txt and tokenizer_config.json alone, as BertTokenizer of transformers reads them."""
    shutil.copy(data / "tokenizers/bert-base-uncased/vocab.txt", model)
    write_json(model / "tokenizer_config.json",
               {"tokenizer_class": "BertTokenizer", "do_lower_case": lower})
    return encoder_case(*bert_tokenizer(data, False, lowercase=lower))


def bert_json(data, model):
    tokenizer, special = bert_tokenizer(data, True, clean_text=False, strip_accents=False)
    tokenizer.save(str(model / "tokenizer.json"))
    return encoder_case(tokenizer, special)


def encoder_case(tokenizer, special):
    case = hf_case(tokenizer, special)
    case.pairs = tokenizer
    return case


def roberta(data, model, as_json):
    """RoBERTa's pipeline over GPT-2's vocabulary."""
    vocab, merges = copy_vocab(data, model, "gpt2")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokens = special + [t for t in vocab if t != "<|endoftext|>"] + ["<mask>"]
    tokenizer = byte_level({token: i for i, token in enumerate(tokens)}, merges)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special] +
                                 [AddedToken("<mask>", lstrip=True, normalized=False)])
    if as_json:
        tokenizer.save(str(model / "tokenizer.json"))
    else:
        write_json(model / "vocab.json", {token: i for i, token in enumerate(tokens)})
        write_json(model / "config.json", {"model_type": "roberta"})
    return encoder_case(tokenizer, special + ["<mask>"])


def modernbert_like(data, model):
    """GPT-NeoX's tokenizer with what ModernBERT's has on top: words of normalised text, a frame, a mask token
    that takes the space before it along."""
    tokenizer = Tokenizer.from_file(str(data / "tokenizers/gpt-neox/tokenizer.json"))
    words = ["|||EMAIL_ADDRESS|||", "[unused0]"]
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]"]
    tokenizer.add_tokens(words)
    tokenizer.add_special_tokens(special + [AddedToken("[MASK]", lstrip=True, normalized=False)])
    tokenizer.post_processor = BERT_TEMPLATE(
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")])
    tokenizer.save(str(model / "tokenizer.json"))
    return encoder_case(tokenizer, words + special + ["[MASK]"])


def deberta_model(data, model):
    import sentencepiece

    shutil.copy(data / "tokenizers/deberta-v3/spm.model", model)
    return sentencepiece.SentencePieceProcessor(model_file=str(model / "spm.model"))


def deberta(data, model):
    """SentencePiece, called for every stretch between special tokens as DebertaV2Tokenizer of
    transformers 4 does; its decoded text is spelled out here from the pieces."""
    import re

    import sentencepiece

    spm = deberta_model(data, model)
    special = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "[MASK]": 128000}
    border = re.compile("(" + "|".join(map(re.escape, special)) + ")")

    def encode(text):
        ids = [1]
        for part in border.split(text):
            ids += [special[part]] if part in special else spm.encode(part)
        return ids + [2]

    def decode(ids, skip):
        names = {i: name for name, i in special.items()}
        raw = b""
        for i in ids:
            if i in names:
                raw += b"" if skip else names[i].encode()
            elif 4 <= i < 260:
                raw += bytes([i - 4])
            else:
                raw += spm.id_to_piece(i).replace(SPACE, " ").encode()
        return raw.decode("utf-8").removeprefix(" ")

    return Case(f"sentencepiece.SentencePieceProcessor {sentencepiece.__version__}", encode, decode,
                list(special))


def deberta_json(data, model):
    """The tokenizer.json that transformers 4 makes of DeBERTa's model."""
    from sentencepiece import sentencepiece_model_pb2

    spm = deberta_model(data, model)
    (model / "spm.model").unlink()
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((data / "tokenizers/deberta-v3/spm.model").read_bytes())
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    vocab = [(spm.id_to_piece(i), spm.get_score(i)) for i in range(spm.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(vocab + [("[MASK]", 0.0)], 3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Strip(), normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
        normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(SPACE, prepend_scheme="always")
    tokenizer.post_processor = BERT_TEMPLATE(special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t in special])
    tokenizer.save(str(model / "tokenizer.json"))
    return encoder_case(tokenizer, special)


FAMILIES = {
    "bert": lambda d, m: bert_vocab(d, m, lower=True),
    "bert-cased": lambda d, m: bert_vocab(d, m, lower=False),
    "bert-json": bert_json,
    "roberta": lambda d, m: roberta(d, m, as_json=False),
    "roberta-json": lambda d, m: roberta(d, m, as_json=True),
    "modernbert-like": modernbert_like,
    "deberta-v3": deberta,
    "deberta-v3-json": deberta_json,
    "gpt2": lambda d, m: json_file(d, m, "gpt2"),
    "gpt2-vocab": gpt2_vocab,
    "gpt-neox": lambda d, m: json_file(d, m, "gpt-neox"),
    "qwen2": qwen2,
    "smollm2-like": smollm2_like,
    "gemma-like": gemma_like,
    "llama-3": llama3_hf,
    "llama-3-tiktoken": llama3_tiktoken,
}
for _name in ("llama-2", "mistral-7b-v0.1", "mistral-7b-v0.3"):
    FAMILIES[_name] = lambda d, m, n=_name: sentencepiece_hf(d, m, n, transformers5=False)
    FAMILIES[_name + "-transformers5"] = (
        lambda d, m, n=_name: sentencepiece_hf(d, m, n, transformers5=True))
    FAMILIES[_name + "-sentencepiece"] = lambda d, m, n=_name: sentencepiece_text(d, m, n)


def pack(value):
    if isinstance(value, str):
        raw = value.encode("utf-8", "replace")
        return struct.pack("<I", len(raw)) + raw
    return struct.pack(f"<I{len(value)}i", len(value), *value)


def write_cases(folder, cases):
    """cases.bin of (text, ids, whether special tokens are skipped, decoded text)."""
    with open(folder / "cases.bin", "wb") as file:
        file.write(struct.pack("<I", len(cases)))
        for text, ids, skip, decoded in cases:
            file.write(pack(text) + pack(ids) + struct.pack("<I", skip) + pack(decoded))


def write_pairs(folder, tokenizer, strings):
    """pairs.bin: one text or two cut to a largest length. Number of cases, then per case the first
    text, the number of further texts, these, the length, the ids and their types."""
    count = len(strings) // 20
    with open(folder / "pairs.bin", "wb") as file:
        file.write(struct.pack("<I", count))
        for i in range(count):
            first, second = strings[2 * i], strings[2 * i + 1]
            length = (5, 6, 8, 16, 33, 512)[i % 6]
            pair = [] if i % 5 == 0 else [second]
            tokenizer.enable_truncation(length, strategy="longest_first")
            encoded = tokenizer.encode(first, *pair)
            file.write(pack(first) + struct.pack("<I", len(pair)) + b"".join(map(pack, pair)) +
                       struct.pack("<I", length) + pack(encoded.ids) + pack(encoded.type_ids))
    tokenizer.no_truncation()


def main(family, data, out, count=20000, seed=1):
    data, out = Path(data), Path(out)
    model = out / "model"
    model.mkdir(parents=True, exist_ok=True)
    case = FAMILIES[family](data, model)
    strings = StringSource(int(seed), data, case.special).strings(int(count))
    cases = []
    for i, text in enumerate(strings):
        for piece in case.avoid:
            text = text.replace(piece, "")
        ids = case.encode(text)
        skip = i % 2 == 0 or not case.shows_special
        cases.append((text, ids, skip, case.decode(ids, skip)))
    write_cases(out, cases)
    if case.pairs is not None:
        write_pairs(out, case.pairs, strings)
    (out / "oracle.txt").write_text(case.name + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
