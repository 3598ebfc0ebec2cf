"""Encoders that label words, with PEFT's adapters of task TOKEN_CLS and what transformers predicts.

usage: tag_models.py models OUT_DIR                a directory per family, with an adapter in `adapter`
       tag_models.py answers MODEL_DIR ADAPTER_DIR the answers of the model, with "-" for no adapter
Exits with 77 when transformers or PEFT is not installed. Seeds are fixed; fp32. Each model directory
holds a tokenizer.json of a kind of its own, texts.jsonl (words and numbers of classes) and answers.json.
Answers are, of each text, the class of each word of which a class is known, and the mean loss of all;
words are split as with is_split_into_words, byte-level ones with add_prefix_space, and of a word only
the first token has a class.
"""
import json
import pathlib
import random
import sys

import encoder_models as encoders
import tokenizers as tk
import torch
import transformers as hf
from peft import LoraConfig, PeftModel, get_peft_model

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SIZE = encoders.SIZES["vocab_size"]
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
FAMILIES = {"bert": ("Bert", encoders.SIZES), "roberta": ("Roberta", encoders.ROBERTA),
            "xlm-roberta": ("XLMRoberta", encoders.ROBERTA)}


def words(rng):
    return ["".join(rng.choice("abcdeéAB-'.") for _ in range(rng.randint(1, 9))) for _ in range(200)]


def make_tokenizer(family, vocabulary):
    if family == "bert":
        made = tk.Tokenizer(tk.models.WordPiece(unk_token="<unk>"))
        made.normalizer = tk.normalizers.BertNormalizer(lowercase=True)
        made.pre_tokenizer = tk.pre_tokenizers.BertPreTokenizer()
        trainer = tk.trainers.WordPieceTrainer(vocab_size=SIZE, special_tokens=SPECIAL, show_progress=False)
    elif family == "roberta":
        made = tk.Tokenizer(tk.models.BPE())
        made.pre_tokenizer = tk.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = tk.trainers.BpeTrainer(vocab_size=SIZE, special_tokens=SPECIAL, show_progress=False,
                                         initial_alphabet=tk.pre_tokenizers.ByteLevel.alphabet())
    else:
        made = tk.Tokenizer(tk.models.Unigram())
        made.pre_tokenizer = tk.pre_tokenizers.Metaspace(prepend_scheme="always")
        trainer = tk.trainers.UnigramTrainer(vocab_size=SIZE, special_tokens=SPECIAL, unk_token="<unk>",
                                             show_progress=False)
    made.train_from_iterator([" ".join(vocabulary)] * 3, trainer)
    made.post_processor = tk.processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return made


def answers(model, directory):
    tokenizer = tk.Tokenizer.from_file(str(directory / "tokenizer.json"))
    if isinstance(tokenizer.pre_tokenizer, tk.pre_tokenizers.ByteLevel):
        tokenizer.pre_tokenizer = tk.pre_tokenizers.ByteLevel(add_prefix_space=True)
    predicted, loss, count = [], 0.0, 0
    for line in (directory / "texts.jsonl").read_text().splitlines():
        record = json.loads(line)
        encoded = tokenizer.encode(record["tokens"], is_pretokenized=True)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([encoded.ids])).logits[0]
        classes = {}
        for place, word in enumerate(encoded.word_ids):
            if word is None or word in classes or record["ner_tags"][word] == -100:
                continue
            classes[word] = LABELS[logits[place].argmax()]
            loss -= logits[place].log_softmax(0)[record["ner_tags"][word]].item()
            count += 1
        predicted.append([classes.get(word) for word in range(len(record["tokens"]))])
    return {"predicted": predicted, "loss": loss / count, "words": count}


def load(directory, adapter):
    model = hf.AutoModelForTokenClassification.from_pretrained(directory, dtype=torch.float32).eval()
    return model if adapter == "-" else PeftModel.from_pretrained(model, adapter).eval()


def write_models(output):
    for family, (name, options) in FAMILIES.items():
        rng = random.Random(family)
        torch.manual_seed(1)
        directory = output / family
        directory.mkdir(parents=True)
        vocabulary = words(rng)
        make_tokenizer(family, vocabulary).save(str(directory / "tokenizer.json"))
        (directory / "tokenizer_config.json").write_text(json.dumps(
            {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>", "unk_token": "<unk>"}))
        config = getattr(hf, name + "Config")(**options, id2label=dict(enumerate(LABELS)),
                                              label2id={label: i for i, label in enumerate(LABELS)})
        model = getattr(hf, name + encoders.TOKENS)(config)
        encoders.randomise(model)
        model.save_pretrained(directory)
        with open(directory / "texts.jsonl", "w") as file:
            for i in range(40):
                tokens = rng.choices(vocabulary, k=rng.randint(1, 12))
                tags = [-100 if rng.random() < 0.1 else rng.randrange(len(LABELS)) for _ in tokens]
                file.write(json.dumps({"id": i, "tokens": tokens, "ner_tags": tags}) + "\n")
        model = get_peft_model(load(directory, "-"), LoraConfig(task_type="TOKEN_CLS", r=4))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.1 * torch.randn_like(parameter)
        model.save_pretrained(directory / "adapter")
        (directory / "answers.json").write_text(json.dumps(answers(model.eval(), directory)))


if __name__ == "__main__":
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    command, *arguments = sys.argv[1:]
    if command == "models":
        write_models(pathlib.Path(arguments[0]))
    else:
        directory = pathlib.Path(arguments[0])
        print(json.dumps(answers(load(directory, arguments[1]), directory)))
