#!/usr/bin/env python3
"""Fails when the sources promise work instead of containing it, name a developer's paths, or let
the process's locale into numbers and dates.

usage: check_text.py [SOURCE_DIR] | check_text.py --self-test
"""
import pathlib
import re
import sys

FOLDERS = ("src", "include", "tests", "fuzz", "bench", "examples", "docs", "cmake", "tools", ".ci")
SUFFIXES = (".h", ".cpp", ".py", ".sh", ".cmake", ".in", ".md", ".txt", ".json", "")
# Written in pieces so that this file passes its own check.
FORBIDDEN = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|(?i:\bnot (?:yet )?imple" r"mented\b)"
                       r"|/wo" r"rk/|/home/\w|/ro" r"ot/")
# These follow the locale of the process; base/number_text.h has what does not.
LOCALE_BOUND = re.compile(r"\b(?:v?s?n?printf|fprintf|sscanf|strto(?:d|f|ld)|sto(?:d|f|ld)|atof|strftime"
                          r"|setprecision)\s*\(")


def is_library_source(name):
    return name.startswith("src/") and not name.endswith(("_test.cpp", "_test_util.h", "_test_util.cpp"))


def problems_in(name, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = FORBIDDEN.search(line)
        if not match and is_library_source(name):
            match = LOCALE_BOUND.search(line.split("//")[0])
        if match:
            yield f"{name}:{number}: '{match.group()}': {line.strip()[:80]}"


def self_test():
    assert list(problems_in("src/a.cpp", 'std::snprintf(text, 9, "%f", x);'))
    assert list(problems_in("src/a.h", "return std::stod(text);"))
    assert not list(problems_in("src/a.cpp", "// as printf(...) does"))
    assert not list(problems_in("src/a_test.cpp", "std::strtod(text, nullptr)"))
    assert list(problems_in("a", "// TO" "DO: later")) and list(problems_in("a", "not imple" "mented"))
    assert not list(problems_in("a", "the to-do list of a network"))
    return []


def check(root):
    root = pathlib.Path(root)
    files = [p for p in root.iterdir() if p.is_file() and p.suffix in SUFFIXES and p.name != ".git"]
    for folder in FOLDERS:
        files += [p for p in (root / folder).rglob("*") if p.is_file() and p.suffix in SUFFIXES
                  and "golden" not in p.parts and "corpus" not in p.parts]
    texts = ((p.relative_to(root).as_posix(), p.read_text("utf-8", "replace")) for p in sorted(files))
    return [problem for name, text in texts for problem in problems_in(name, text)]


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    problems = self_test() if argument == "--self-test" else check(argument)
    print("\n".join(problems) or "text: nothing is promised")
    sys.exit(bool(problems))
