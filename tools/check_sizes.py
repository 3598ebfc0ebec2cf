#!/usr/bin/env python3
"""Fails on C++ files above 600 lines, headers above 200 and functions above 100 lines.

usage: check_sizes.py [SOURCE_DIR] | check_sizes.py --self-test
Functions are found by their braces: an opening brace whose statement contains a parameter
list and no namespace, class or initialiser. Comments and literals are blanked out first.
Include lines do not count towards a file's length.
"""
import pathlib
import re
import sys

FOLDERS = ("src", "include", "tests", "fuzz", "bench", "examples")
MAX_FILE, MAX_HEADER, MAX_FUNCTION = 600, 200, 100
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^()\\\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                   r"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])*'", re.S)
PREPROCESSOR = re.compile(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", re.M)
NOT_A_FUNCTION = re.compile(r"\b(namespace|class|struct|union|enum)\b[^()]*$|=\s*$")


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def functions(text):
    """Yields (name, first line, lines) of every outermost function body."""
    text = PREPROCESSOR.sub(blank, NOISE.sub(blank, text))
    stack, statement, line, first = [], "", 1, 0
    for char in text:
        line += char == "\n"
        if char == "{":
            inside = any(kind == "function" for kind, _ in stack)
            is_function = not inside and ")" in statement and not NOT_A_FUNCTION.search(statement)
            if is_function:
                first = line - statement.lstrip().count("\n")
                name = re.search(r"([\w~:]+(?:\s*operator\W+)?)\s*\(", statement)
            stack.append(("function" if is_function else "other", name if is_function else None))
            statement = ""
        elif char == "}" and stack:
            kind, name = stack.pop()
            if kind == "function":
                yield (name.group(1) if name else "?"), first, line - first + 1
            statement = ""
        else:
            statement = "" if char == ";" else statement + char


def problems_in(name, text):
    lines = sum(not line.startswith("#include") for line in text.splitlines())
    limit = MAX_HEADER if name.endswith(".h") else MAX_FILE
    if lines > limit:
        yield f"{name}: {lines} lines, at most {limit}"
    for function, first, length in functions(text):
        if length > MAX_FUNCTION:
            yield f"{name}:{first}: {function} has {length} lines, at most {MAX_FUNCTION}"


def self_test():
    body = "  call();\n" * 99
    assert [f[2] for f in functions("int a(int x) {\n" + body + "}\n")] == [101]
    assert not list(problems_in("a.cpp", "int a() {\n" + body[:-10] + "}\n"))
    assert list(problems_in("a.cpp", "namespace n {\nint A::b(\n  int x) {\n" + body + "}\n}\n"))
    assert not list(problems_in("a.cpp", "namespace n {\n" + "void f() { g({1}); }\n" * 101 + "}"))
    assert not list(problems_in("a.cpp", "struct S {\n" + "  int m() { return '{'; }\n" * 101 + "};"))
    assert not list(problems_in("a.cpp", "const int kTable[] = {\n" + "  1,\n" * 101 + "};\n"))
    assert list(problems_in("a.cpp", "\n" * 601)) and list(problems_in("a.h", "\n" * 201))
    return []


def check(root):
    files = sorted(p for folder in FOLDERS for p in (pathlib.Path(root) / folder).rglob("*")
                   if p.suffix in (".h", ".cpp"))
    if not files:
        return [f"no source files below {root}"]
    return [problem for path in files
            for problem in problems_in(path.relative_to(root).as_posix(), path.read_text("utf-8"))]


if __name__ == "__main__":
    argument = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent
    problems = self_test() if argument == "--self-test" else check(argument)
    print("\n".join(problems) or "sizes: every file and function is within its limit")
    sys.exit(bool(problems))
