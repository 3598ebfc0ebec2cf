#!/usr/bin/env python3
"""Fails when an #include in src/ points up the layers (or from a torch-free layer to LibTorch),
when files include each other in a ring, when two files of different folders have one name, and when
two source files of a layer define one type or constant: they are compiled together, in groups.

usage: check_layers.py [SOURCE_DIR | --self-test]
A folder may include itself and folders of lower levels, but no sibling of its own level. A header
and its .cpp count as one for rings; tests are left out.
"""
import pathlib
import re
import sys

LEVELS = [["base"], ["formats"], ["images"], ["jinja"], ["text"], ["data"], ["report", "cli/core"],
          ["libtorch"], ["linalg"], ["quant"], ["nn"],
          ["adapters"], ["models"], ["io"], ["attach", "merge", "spectrum"],
          ["adapter_files"], ["export", "quantized_base"], ["infer"], ["eval"], ["train"], ["api"],
          ["cli"]]
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}
LAST_TORCH_FREE = LEVEL["report"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.M)


def layer_of(path):
    """The longest prefix of the path's folders that is a layer."""
    folders = pathlib.PurePosixPath(path).parent.parts
    names = ("/".join(folders[:n]) for n in range(len(folders), 0, -1))
    return next((name for name in names if name in LEVEL), None)


# LAPACK fails inside parallel regions on some processors; linalg/lapack.h knows how to call it.
LAPACK = re.compile(r"\bat::(linalg_(?:svd|svdvals|qr|eigh?|eigvalsh?|cholesky|solve|inv|lstsq|lu|ldl|householder)\w*"
                    r"|_linalg_\w+|svd|qr|geqrf|ormqr|cholesky\w*|lstsq)\(")


def lapack_calls(name, text):
    if name.endswith(("_test.cpp", "_test_util.cpp")) or name == "linalg/lapack.cpp":
        return
    for call in LAPACK.findall(text):
        yield f"src/{name}: calls at::{call}; use linalg/lapack.h"


def violations(texts):
    for name, text in sorted(texts.items()):
        own = layer_of(name)
        if own is None:
            yield f"src/{name}: this folder is not a layer (see tools/check_layers.py)"
            continue
        yield from lapack_calls(name, text)
        for quote, target in INCLUDE.findall(text):
            other = layer_of(target)
            if target.startswith(("ATen/", "c10/", "torch/")):
                if LEVEL[own] <= LAST_TORCH_FREE:
                    yield f"src/{name}: includes {target}, but {own} is torch-free"
            elif quote == '"' and other is None and not target.startswith("svtune/"):
                yield f"src/{name}: {target} names no layer; include from the root of src/"
            elif other is not None and other != own and LEVEL[other] >= LEVEL[own]:
                yield f"src/{name}: {own} includes {target} of the layer {other} above it"


def pair_of(name):
    return name.rsplit(".", 1)[0]


def pair_graph(texts):
    """Which header-and-source pairs each pair includes."""
    graph = {}
    for name, text in texts.items():
        if not name.endswith(("_test.cpp", "_test_util.cpp")):
            targets = {pair_of(target) for _, target in INCLUDE.findall(text) if target in texts}
            graph.setdefault(pair_of(name), set()).update(targets - {pair_of(name)})
    return graph


def reachable(graph, start):
    seen, todo = set(), [start]
    while todo:
        for target in graph.get(todo.pop(), ()):
            if target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def rings(graph):
    """Sets of pairs that all reach each other, each sorted."""
    reach = {pair: reachable(graph, pair) for pair in graph}
    found = {tuple(sorted(p for p in reach[pair] if pair in reach.get(p, ())))
             for pair in graph if pair in reach[pair]}
    return sorted(found)


def ring_problems(texts):
    for ring in rings(pair_graph(texts)):
        yield "src: these files include each other in a ring: " + ", ".join(ring)


def stem_problems(texts):
    """A name says which file is meant, also without its folder."""
    places = {}
    for pair in sorted({pair_of(name) for name in texts}):
        places.setdefault(pair.rsplit("/", 1)[-1], []).append(pair)
    for pairs in places.values():
        if len(pairs) > 1:
            yield "src: these files have one name: " + ", ".join(pairs)


NAMESPACE = re.compile(r"^namespace ([\w:]+) {", re.M)
DEFINITION = re.compile(r"^(?:class|struct|enum class|enum) (\w+)[^;{]*{|^constexpr [^=({]*\b(k\w+)", re.M)


def definition_problems(texts):
    places = {}
    for name, text in sorted(texts.items()):
        if not name.endswith(".cpp") or name.endswith(("_test.cpp", "_test_util.cpp")) or "/kernels/" in name:
            continue  # tests have namespaces of their own, kernels are compiled one by one
        space = NAMESPACE.search(text)
        for names in DEFINITION.findall(text):
            key = (layer_of(name), space and space[1], "".join(names))
            places.setdefault(key, set()).add(name)
    for (_, _, what), files in sorted(places.items(), key=str):
        if len(files) > 1:
            yield f"src: these files define {what} each: " + ", ".join(sorted(files))


def definition_self_test():
    tree = {"base/a.cpp": "namespace svtune {\nclass A final : public B {\nconstexpr int kOne = 1;",
            "base/b.cpp": "namespace svtune {\nstruct A {\nclass C;\nclass D {",
            "base/c.cpp": "namespace svtune::detail {\nconstexpr int kOne = 1;\nstruct D;",
            "text/a.cpp": "namespace svtune {\nclass D {", "base/d_test.cpp": "namespace svtune {\nclass A {"}
    wrong = ["src: these files define A each: base/a.cpp, base/b.cpp"]
    return sorted(set(definition_problems(tree)) ^ set(wrong))


def stem_self_test():
    tree = {"base/a.h": "", "base/a.cpp": "", "text/a_test.cpp": "", "text/b.h": "", "nn/b.cpp": ""}
    wrong = ["src: these files have one name: nn/b, text/b"]
    return sorted(set(stem_problems(tree)) ^ set(wrong))


def ring_self_test():
    tree = {"base/a.h": "", "base/a.cpp": '#include "base/a.h"\n#include "base/b.h"',
            "base/b.h": '#include "base/a.h"', "text/c.h": '#include "base/a.h"',
            "text/d.h": '#include "text/e.h"', "text/e.cpp": '#include "text/f.h"', "text/e.h": "",
            "text/f.h": '#include "text/d.h"', "nn/g.h": "", "nn/g_test.cpp": '#include "nn/g.h"'}
    wrong = [] if rings(pair_graph(tree)) == [("base/a", "base/b"), ("text/d", "text/e", "text/f")] \
        else ["rings: " + str(rings(pair_graph(tree)))]
    lines = list(ring_problems(tree))
    expected = ["base/a, base/b", "text/d, text/e, text/f"]
    return wrong + [line for line in expected if not any(line in given for given in lines)]


def self_test():
    tree = {"base/a.h": "#pragma once", "text/ok.cpp": '#include "base/a.h"\n#include <vector>',
            "text/up.cpp": '#include "nn/b.h"', "text/torch.h": "#include <ATen/core/Tensor.h>",
            "nn/b.h": '#include "text/up.h"', "odd/c.h": "", "nn/local.cpp": '#include "b.h"',
            "cli/core/opt.h": '#include "report/svg.h"', "linalg/lapack.cpp": "at::linalg_qr(x)",
            "nn/calls.cpp": "at::linalg_qr(x)", "nn/norm.cpp": "at::linalg_vector_norm(x)"}
    found = {line.split(":")[0].removeprefix("src/") for line in violations(tree)}
    wrong = {"cli/core/opt.h", "nn/calls.cpp", "nn/local.cpp", "odd/c.h", "text/torch.h", "text/up.cpp"}
    return sorted(found ^ wrong) + ring_self_test() + stem_self_test() + definition_self_test()


if __name__ == "__main__":
    source = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    src = pathlib.Path(source) / "src"
    files = {p.relative_to(src).as_posix(): p.read_text("utf-8")
             for p in src.rglob("*.*") if p.suffix in (".h", ".cpp")}
    problems = self_test() if source == "--self-test" else (
        [*violations(files), *ring_problems(files), *stem_problems(files), *definition_problems(files)] if files
        else [f"no source files below {src}"])
    print("\n".join(problems) or "layers: no include points up or in a ring, no name is taken twice")
    sys.exit(bool(problems))
