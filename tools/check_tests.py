#!/usr/bin/env python3
"""Fails when a C++ test file has another namespace than its own.

usage: check_tests.py [PROJECT_DIR | --self-test]
Files of a program are compiled several at a time: what a test file defines lies in a namespace of the
file's name, so that no two collide.
"""
import pathlib
import re
import sys

ANONYMOUS = re.compile(r"^namespace \{", re.M)


def problem_of(name, text):
    stem = pathlib.PurePosixPath(name).stem
    if ANONYMOUS.search(text):
        return f"{name}: has a namespace without a name; call it {stem}"
    if not re.search(rf"^namespace {stem} \{{$", text, re.M):
        return f"{name}: has no namespace {stem}"
    return None


def check(project):
    files = [path for folder in ("src", "tests") for path in sorted((project / folder).rglob("*_test.cpp"))]
    found = (problem_of(path.relative_to(project).as_posix(), path.read_text()) for path in files)
    return [problem for problem in found if problem]


def self_test():
    assert problem_of("src/a/b_test.cpp", "namespace svtune {\nnamespace {\n}\n}\n")
    assert problem_of("src/a/b_test.cpp", "namespace svtune {\nnamespace c_test {\n}\n}\n")
    assert not problem_of("src/a/b_test.cpp", "namespace svtune {\nnamespace b_test {\n}\n}\n")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    project = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    problems = check(project)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
