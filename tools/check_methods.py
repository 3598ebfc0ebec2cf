#!/usr/bin/env python3
"""Fails when a folder above src/adapters/ names a method.

usage: check_methods.py [SOURCE_DIR | --self-test]
A method is a folder of src/adapters/ with a kName. What others know of it comes through
adapters/methods.h, never from its folder, its types, its name or its tensors: also not in the
conditions of options. Tests may name any, and so may recipes, which are options of papers as data.
"""
import pathlib
import re
import sys

from check_layers import LEVEL, layer_of

HEADER = re.compile(r"adapters/([^/]+)/[^/]+\.h")
TESTS = ("_test.cpp", "_test_util.h")
RECIPES = "train/recipes/"


def methods_of(texts):
    return sorted({HEADER.fullmatch(name)[1] for name, text in texts.items()
                   if HEADER.fullmatch(name) and " kName = " in text})


def names_of(methods):
    one = "|".join(methods)
    types = "|".join("".join(word.capitalize() for word in method.split("_")) for method in methods)
    return re.compile(rf'#include "adapters/(?:{one})/|\b(?:{types})(?:Config|Init|Adapter|State)\b|'
                      rf'[=!]= "(?:{one})"|"\.?(?:{one})_[A-Z]|Config::kName|'
                      rf'"method", "[^"]*\b(?:{one})\b[^"]*"|with\("init", "[^"]+"|"(?:{one})\|')


def violations(texts):
    methods = methods_of(texts)
    if not methods:
        yield "src/adapters: no method found"
        return
    names = names_of(methods)
    for file, text in sorted(texts.items()):
        layer = layer_of(file)
        below = layer is None or LEVEL[layer] <= LEVEL["adapters"]
        if below or file.endswith(TESTS) or file.startswith(RECIPES):
            continue
        for found in names.findall(text):
            yield f"src/{file}: {layer} names a method: {found}"


def self_test():
    tree = {"adapters/good/good.h": 'static constexpr auto kName = "good";', "adapters/shared/part.h": "",
            "adapters/two_words/two_words.h": 'auto kName = "two_words";',
            "train/when.h": 'only_with("method", "two_words|other")', "cli/when.h": 'only_with("init", "x")',
            "api/a.cpp": "TwoWordsConfig config;", "train/recipes/r.cpp": '{"method", "good"}',
            "train/run.cpp": "GoodConfig config;", "attach/a.cpp": '#include "adapters/good/good.h"',
            "export/e.cpp": 'if (name == "good") stop();', "merge/m.cpp": 'tensor(layer + ".good_A.weight");',
            "train/run_test.cpp": "GoodConfig config;", "cli/ok.cpp": '#include "adapters/shared/part.h"',
            "io/ok.cpp": '"good_name"; Goodness config;', "infer/i.cpp": "a.method != BadConfig::kName"}
    found = {line.split(":")[0].removeprefix("src/") for line in violations(tree)}
    wrong = {"train/run.cpp", "attach/a.cpp", "export/e.cpp", "merge/m.cpp", "infer/i.cpp", "train/when.h",
             "cli/when.h", "api/a.cpp"}
    return sorted(found ^ wrong) + ([] if list(violations({})) else ["a tree without methods passes"])


if __name__ == "__main__":
    source = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    src = pathlib.Path(source) / "src"
    files = {p.relative_to(src).as_posix(): p.read_text("utf-8")
             for p in src.rglob("*.*") if p.suffix in (".h", ".cpp")}
    problems = self_test() if source == "--self-test" else list(violations(files))
    print("\n".join(problems) or "methods: nothing above src/adapters/ names one")
    sys.exit(bool(problems))
