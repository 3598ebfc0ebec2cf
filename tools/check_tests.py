#!/usr/bin/env python3
"""Fails when a C++ test file has another namespace than its own, or a Python test is inherited.

usage: check_tests.py [PROJECT_DIR | --self-test]
Files of a program are compiled several at a time: what a test file defines lies in a namespace of the
file's name, so that no two collide. A test in a class that others derive from runs once for each of them.
"""
import ast
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


def inherited_tests(name, text):
    classes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
    bases = {base.id for node in classes for base in node.bases if isinstance(base, ast.Name)}
    return [f"{name}: {node.name}.{item.name} runs again in each class derived from {node.name}"
            for node in classes if node.name in bases
            for item in node.body if getattr(item, "name", "").startswith("test")]


def check(project):
    def files(pattern):
        return [(path.relative_to(project).as_posix(), path.read_text()) for folder in ("src", "tests")
                for path in sorted((project / folder).rglob(pattern))]
    found = [problem_of(*file) for file in files("*_test.cpp")]
    return [problem for problem in found if problem] + [
        problem for file in files("*.py") for problem in inherited_tests(*file)]


def self_test():
    assert problem_of("src/a/b_test.cpp", "namespace svtune {\nnamespace {\n}\n}\n")
    assert problem_of("src/a/b_test.cpp", "namespace svtune {\nnamespace c_test {\n}\n}\n")
    assert not problem_of("src/a/b_test.cpp", "namespace svtune {\nnamespace b_test {\n}\n}\n")
    method = "    def test_it(self):\n        pass\n"
    assert inherited_tests("a.py", f"class A(Base):\n{method}class B(A):\n{method}")
    assert not inherited_tests("a.py", f"class A(Base):\n    pass\nclass B(A):\n{method}")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    project = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    problems = check(project)
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


main()
