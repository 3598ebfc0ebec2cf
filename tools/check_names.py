#!/usr/bin/env python3
"""Fails when a file of src/ outside models/families/ spells the name of a network's module.

usage: check_names.py [PROJECT_DIR | --self-test]
Names belong to the family that builds the module; everything else asks the network. Comments, help
texts of options and tests may give examples. formats/gguf_family.cpp is the table of GGUF's own names,
adapter_files/adapter_head.cpp has those that PEFT saves of any head; recipes name the targets of papers.
"""
import pathlib
import re
import sys

ALLOWED = ("models/families/", "formats/gguf_family.", "formats/gguf_config.", "train/recipes/",
           "adapter_files/adapter_head.cpp")
NAME = re.compile(r"embed_tokens|lm_head|self_attn|[qkvo]_proj|gate_proj|up_proj|down_proj|act_fn|rotary_emb"
                  r"|_layernorm|embed_in|embed_out|query_key_value|dense_h_to|block_sparse_moe"
                  r"|c_attn|c_proj|c_fc|shared_expert"
                  r"|model\.layers|model\.norm"
                  r"|LayerNorm|layernorm_|(?<!tie_)word_embeddings|token_type_embeddings|rel_embeddings"
                  r"|(?<!max_)position_embeddings|patch_embeddings|encoder\.layer|attention\.(?:self|output)"
                  r"|intermediate\.dense|pooler\b|classifier\b|\bcls\.|lambda1|[qkv]_lin\b|\bffn\."
                  r"|vocab_(?:transform|projector)|\bw[tp]e\b|\bln_[12f]\b|\bfc[12]\b|\bw[123]\b")
STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
COMMENT = re.compile(r"//[^\n]*")
HELP = re.compile(r'\.help\s*=\s*(?:"(?:\\.|[^"\\\n])*"\s*)+')


def violations(name, text):
    if name.startswith(ALLOWED) or name.endswith(("_test.cpp", "_test_util.h", "_test_util.cpp")):
        return
    if "test_" in pathlib.PurePosixPath(name).name:
        return
    text = HELP.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), COMMENT.sub("", text))
    for number, line in enumerate(text.split("\n"), 1):
        for literal in STRING.findall(line):
            found = NAME.search(literal)
            if found:
                yield f"src/{name}:{number}: spells the module name {found.group()}; ask the network"


def check(root):
    problems = []
    for path in sorted(root.rglob("*")):
        if path.suffix in (".h", ".cpp"):
            problems += violations(path.relative_to(root).as_posix(), path.read_text())
    return problems


def self_test():
    for name in ("lm_head.weight", "attention.output.dense", "wte", "position_embeddings", "classifier"):
        assert list(violations("io/a.cpp", f'x = "{name}";')), name
    assert not list(violations("io/a.cpp", 'x = json["max_position_embeddings"];'))
    assert not list(violations("io/a.cpp", '// "lm_head.weight"\nx = head.name();'))
    assert not list(violations("io/a.h", '.help =\n  "such as lm_head"\n  "or embed_tokens",'))
    assert not list(violations("models/families/a.cpp", 'at.linear("q_proj", 1, 1)'))
    assert not list(violations("io/a_test.cpp", 'x = "q_proj";'))


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    project = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    problems = check(pathlib.Path(project) / "src")
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
