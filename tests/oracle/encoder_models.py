"""Random encoders of every family with transformers' logits, losses and gradients, and PEFT's
adapters on them.

usage: encoder_models.py models OUT_DIR             a directory per variant
       encoder_models.py bare MODEL_DIR             logits of the documents in MODEL_DIR/expected.json
       encoder_models.py peft OUT_DIR MODEL_DIR...  adapters made by PEFT, with their logits
       encoder_models.py check CASES_JSON           adapters made by svtune, against its logits
Exits with 77 when transformers or PEFT is not installed. Seeds are fixed; attention is eager, fp32.
`models` writes expected.json (documents, types of tokens, labels) and expected.safetensors (logits,
loss, and grad.NAME of each parameter) into each directory, and the first model as torch.save writes it into
OUT_DIR's sibling `pickled`. `check` prints the largest difference of
the logits per name, or the error.
"""
import json
import pathlib
import sys
import warnings

import without_bitsandbytes  # noqa: F401

try:
    import torch
    import transformers as hf
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors.torch import load_file, save_file
except ImportError:
    sys.exit(77)

SIZES = dict(vocab_size=300, hidden_size=64, intermediate_size=112, num_hidden_layers=3,
             num_attention_heads=4, max_position_embeddings=128)
DISTIL = dict(vocab_size=300, dim=64, hidden_dim=112, n_layers=3, n_heads=4, max_position_embeddings=128)
DEBERTA = dict(SIZES, relative_attention=True, share_att_key=True, position_biased_input=False,
               pos_att_type="p2c|c2p", norm_rel_ebd="layer_norm", position_buckets=16,
               max_relative_positions=-1, type_vocab_size=0)
ROBERTA = dict(SIZES, max_position_embeddings=130, type_vocab_size=1, pad_token_id=1, layer_norm_eps=1e-5)
MODERN = dict(SIZES, pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, local_attention=14)
# A window in the first layer, biases everywhere, an attention dropout that evaluation ignores.
MODERN_BIASES = dict(MODERN, layer_types=["sliding_attention", "full_attention", "sliding_attention"], norm_bias=True,
                     attention_bias=True, mlp_bias=True, classifier_bias=True, norm_eps=1e-6, attention_dropout=0.1,
                     hidden_activation="gelu_pytorch_tanh", rope_parameters={
                         "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 300.0}})
DOCUMENTS, TOKENS, MASKED = "ForSequenceClassification", "ForTokenClassification", "ForMaskedLM"
VARIANTS = {
    "bert": ("Bert", DOCUMENTS, dict(SIZES, num_labels=3)),
    "bert_regression": ("Bert", DOCUMENTS, dict(SIZES, num_labels=1, hidden_act="gelu_new")),
    "bert_tokens": ("Bert", TOKENS, dict(SIZES, num_labels=5)),
    "roberta": ("Roberta", DOCUMENTS, dict(ROBERTA, num_labels=3)),
    "xlm_roberta": ("XLMRoberta", DOCUMENTS, dict(ROBERTA)),
    "roberta_regression": ("Roberta", DOCUMENTS, dict(ROBERTA, num_labels=1)),
    "xlm_roberta_tokens": ("XLMRoberta", TOKENS, dict(ROBERTA, num_labels=3)),
    "roberta_tokens": ("Roberta", TOKENS, dict(ROBERTA, num_labels=4)),
    "distilbert": ("DistilBert", DOCUMENTS, dict(DISTIL, num_labels=3)),
    "distilbert_regression": ("DistilBert", DOCUMENTS, dict(DISTIL, num_labels=1)),
    "distilbert_tokens": ("DistilBert", TOKENS, dict(DISTIL, num_labels=4)),
    "deberta": ("DebertaV2", DOCUMENTS, dict(DEBERTA, num_labels=3)),
    "deberta_plain": ("DebertaV2", DOCUMENTS, dict(DEBERTA, num_labels=1, position_buckets=-1,
                                                   max_relative_positions=24, norm_rel_ebd="none",
                                                   type_vocab_size=2)),
    "deberta_tokens": ("DebertaV2", TOKENS, dict(DEBERTA, num_labels=4)),
    "deberta_convolution": ("DebertaV2", DOCUMENTS, dict(DEBERTA, num_labels=3, conv_kernel_size=3, conv_act="gelu")),
    "deberta_convolution_tokens": ("DebertaV2", TOKENS, dict(DEBERTA, num_labels=4, conv_kernel_size=5)),
    "bert_masked": ("Bert", MASKED, dict(SIZES, hidden_act="gelu_new")),
    "bert_masked_untied": ("Bert", MASKED, dict(SIZES, tie_word_embeddings=False)),
    "roberta_masked": ("Roberta", MASKED, dict(ROBERTA)),
    "xlm_roberta_masked": ("XLMRoberta", MASKED, dict(ROBERTA)),
    "distilbert_masked": ("DistilBert", MASKED, dict(DISTIL)),
    "deberta_masked": ("DebertaV2", MASKED, dict(DEBERTA)),
    "deberta_own_masked": ("DebertaV2", MASKED, dict(DEBERTA, legacy=False)),
    "modernbert": ("ModernBert", DOCUMENTS, dict(MODERN, num_labels=3)),
    "modernbert_mean": ("ModernBert", DOCUMENTS, dict(MODERN_BIASES, num_labels=1, classifier_pooling="mean")),
    "modernbert_tokens": ("ModernBert", TOKENS, dict(MODERN, num_labels=4)),
    "modernbert_masked": ("ModernBert", MASKED, dict(MODERN)),
    "modernbert_masked_untied": ("ModernBert", MASKED, dict(MODERN_BIASES, tie_word_embeddings=False,
                                                            decoder_bias=False)),
}
LENGTHS = (1, 2, 7, 40, 120, 5)
# svtune has a bias beside its layer's matrix; transformers' modules share it.
SHARED = {"cls.predictions.bias": "cls.predictions.decoder.bias", "lm_head.bias": "lm_head.decoder.bias"}


def documents(types):
    ids = [torch.randint(5, 300, (length,)).tolist() for length in LENGTHS]
    return {"ids": ids, "types": [[int(types and i > len(each) // 2) for i in range(len(each))] for each in ids]}


def padded(lists, fill):
    longest = max(map(len, lists))
    return torch.tensor([each + [fill] * (longest - len(each)) for each in lists])


def inputs(model, docs):
    values = {"input_ids": padded(docs["ids"], model.config.pad_token_id),
              "attention_mask": padded([[1] * len(each) for each in docs["ids"]], 0)}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        values["token_type_ids"] = padded(docs["types"], 0)
    return values


def targets(model, docs):
    labels = model.config.num_labels
    if type(model).__name__.endswith(MASKED):
        # Of each third token the word is to be found.
        return [[(11 * i + len(each)) % 300 if i % 3 == 0 else -100 for i in range(len(each))] for each in docs["ids"]]
    if type(model).__name__.endswith(TOKENS):
        # A third of the tokens is not supervised.
        return [[-100 if i % 3 == 2 else (7 * i + len(each)) % labels for i in range(len(each))] for each in docs["ids"]]
    if labels == 1:
        return [0.5 * i - 1 for i in range(len(docs["ids"]))]
    return [i % labels for i in range(len(docs["ids"]))]


def randomise(model):
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.08)
        else:
            parameter.data.add_(torch.randn_like(parameter) * 0.1)


def document_logits(model, docs):
    """Of labels of tokens: a row for each token of all documents in turn."""
    values = inputs(model, docs)
    with torch.no_grad():
        logits = model(**values).logits.float()
    return logits[values["attention_mask"].bool()] if logits.dim() == 3 else logits


def write_pickled(model, output):
    """BERT's weights as old files hold them: by torch.save, gamma and beta for norms, a buffer among them."""
    output.mkdir()
    model.config.save_pretrained(output)
    state = {key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
             for key, value in model.state_dict().items()}
    state["bert.embeddings.position_ids"] = torch.arange(model.config.max_position_embeddings).expand((1, -1))
    torch.save(state, output / "pytorch_model.bin")


def write_models(output):
    output.mkdir(parents=True)
    torch.manual_seed(0)
    for name, (family, head, options) in VARIANTS.items():
        config = getattr(hf, family + "Config")(**options)
        model = getattr(hf, family + head)(config)
        randomise(model)
        model.save_pretrained(output / name)
        model = type(model).from_pretrained(output / name, dtype=torch.float32, attn_implementation="eager").eval()
        if name == "bert":
            write_pickled(model, output.parent / "pickled")
        docs = documents(getattr(config, "type_vocab_size", 0) > 1)
        docs["labels"] = targets(model, docs)
        tokens = head != DOCUMENTS
        labels = padded(docs["labels"], -100) if tokens else torch.tensor(docs["labels"])
        result = model(**inputs(model, docs), labels=labels)
        result.loss.backward()
        kept = labels >= 0 if tokens else ...
        tensors = {"logits": result.logits.detach()[kept].contiguous(), "loss": result.loss.detach().reshape(1)}
        embedding = model.get_input_embeddings().weight
        for key, parameter in model.named_parameters():
            if parameter is embedding:  # which a tied output may name first
                key = next(name for name, each in model.named_parameters(remove_duplicate=False)
                           if each is embedding and name.endswith("_embeddings.weight"))
            if parameter.grad is not None:
                tensors["grad." + SHARED.get(key, key)] = parameter.grad.contiguous()
        save_file(tensors, output / name / "expected.safetensors")
        (output / name / "expected.json").write_text(json.dumps(docs))


def write_logits(directory):
    docs = json.loads((directory / "expected.json").read_text())
    model = hf.AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    save_file({"logits": document_logits(model, docs)}, directory / "expected.safetensors")


PEFT_CASES = {
    "default_targets": dict(r=2),
    "all_linear": dict(r=3, lora_alpha=6, target_modules="all-linear"),
    "biases": dict(r=3, bias="all"),
    "pissa": dict(r=3, init_lora_weights="pissa"),
}


def read_model(directory, task, labels=None):
    options = {} if labels is None else {"num_labels": labels}
    torch.manual_seed(5)
    auto = {"TOKEN_CLS": hf.AutoModelForTokenClassification, "SEQ_CLS": hf.AutoModelForSequenceClassification,
            None: hf.AutoModelForMaskedLM}[task]
    return auto.from_pretrained(directory, dtype=torch.float32, **options).eval()


def write_adapters(output, directories):
    for directory in directories:
        docs = json.loads((directory / "expected.json").read_text())
        architecture = json.loads((directory / "config.json").read_text())["architectures"][0]
        tokens = architecture.endswith(TOKENS)
        task = None if architecture.endswith(MASKED) else "TOKEN_CLS" if tokens else "SEQ_CLS"
        for case, options in PEFT_CASES.items():
            if tokens and case == "all_linear":
                continue  # PEFT adapts the classifier as well, which trains whole
            model = read_model(directory, task)
            if model.config.model_type == "modernbert":
                options = dict(options, target_modules=options.get("target_modules", ["Wqkv", "Wi"]))
            if model.config.model_type == "distilbert":
                options = dict(options, target_modules=options.get("target_modules", ["q_lin", "lin1"]))
                if case == "all_linear" and task is not None:
                    options["exclude_modules"] = ["pre_classifier"]
            model = get_peft_model(model, LoraConfig(task_type=task, **options)).eval()
            torch.manual_seed(7)
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter += 0.05 * torch.randn_like(parameter)
            name = f"{directory.name}-{case}"
            model.save_pretrained(output / name)
            save_file({"logits": document_logits(model, docs)}, output / f"{name}.safetensors")
            print(name)


def check(cases):
    result = {}
    for case in cases:
        try:
            docs = json.loads(pathlib.Path(case["documents"]).read_text())
            expected = load_file(case["logits"])["logits"]
            config = json.loads((pathlib.Path(case["adapter"]) / "adapter_config.json").read_text())
            base = read_model(case["base"], config["task_type"], case.get("labels"))
            model = PeftModel.from_pretrained(base, case["adapter"]).eval()
            result[case["name"]] = (document_logits(model, docs) - expected).abs().max().item()
        except Exception as error:  # reported to the test, which fails on it
            result[case["name"]] = f"{type(error).__name__}: {error}"
    print(json.dumps(result))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    hf.utils.logging.set_verbosity_error()
    hf.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    command, paths = sys.argv[1], [pathlib.Path(each) for each in sys.argv[2:]]
    if command == "models":
        write_models(paths[0])
    elif command == "bare":
        write_logits(paths[0])
    elif command == "peft":
        write_adapters(paths[0], paths[1:])
    else:
        check(json.loads(paths[0].read_text()))
