"""Runs the command blocks of README.md and docs/session.md on a tiny model.

usage: run_readme.py SOURCE_DIR PROGRAM
Lines that start with `make` or set PATH are checked against the Makefile and the build presets;
all other lines of an `sh` block run as they stand, in order. Each page has a temporary directory of
its own with model/, vit/, pets/, model.gguf, train.jsonl and test.jsonl; ```python blocks run there too.
Exit status 77 (skipped) when there is no Python with transformers to make the model.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MODULES = ("torch", "transformers", "tokenizers", "peft")
# To find them takes no time, to import them five seconds.
FIND = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {MODULES})))"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
DOCUMENTS = ("README.md", "docs/session.md")


def blocks(text):
    found = BLOCK.findall(text)
    assert text.count("```") == 2 * len(found), "a block names no language"
    return found


def oracle_python(source):
    candidates = [os.environ.get("SVTUNE_ORACLE_PYTHON"), str(source / ".venv/bin/python")]
    for python in filter(None, candidates):
        if not pathlib.Path(python).is_file():
            continue
        if subprocess.run([python, "-c", FIND], capture_output=True).returncode == 0:
            return python
    return None


def check_build_line(line, source):
    """Returns what is wrong with a line about building, or None."""
    makefile = (source / "Makefile").read_text("utf-8")
    presets = json.loads((source / "CMakePresets.json").read_text("utf-8"))["configurePresets"]
    if line.startswith("make"):
        words = [word for word in line.split()[1:] if "=" not in word]
        missing = [w for w in words if not re.search(rf"^{re.escape(w)}:", makefile, re.M)]
        return f"the Makefile has no target {missing}" if missing else None
    preset = re.search(r"build/(\w+)/bin", line)
    if preset and preset[1] not in [each["name"] for each in presets]:
        return f"there is no preset {preset[1]}"
    return None


def is_build_line(line):
    return re.match(r"make\b|export PATH=", line) is not None


def run(command, directory, environment):
    print("$", *command[-1].splitlines(), sep="\n  ", flush=True)
    result = subprocess.run(command, cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, errors="replace")
    if result.returncode != 0:
        sys.exit(f"exit {result.returncode}\n{result.stdout}{result.stderr}")


def make_fixture(source, python, directory):
    subprocess.run([python, str(source / "tests/readme/make_fixture.py"), str(directory)],
                   check=True, capture_output=True)
    shutil.copy(source / "fuzz/corpus/gguf/llama.gguf", directory / "model.gguf")


def run_blocks(found, directory, environment, python):
    for kind, body in found:
        if kind == "python":
            run([python, "-c", body], directory, environment)
        elif kind == "sh":
            for line in filter(lambda each: not is_build_line(each), body.splitlines()):
                run(["bash", "-o", "pipefail", "-c", line], directory, environment)


def main(source, program):
    found = {name: blocks((source / name).read_text("utf-8")) for name in DOCUMENTS}
    lines = [line for document in found.values() for kind, body in document if kind == "sh"
             for line in body.splitlines()]
    wrong = [f"{line}: {problem}" for line in filter(is_build_line, lines)
             if (problem := check_build_line(line, source))]
    if wrong:
        sys.exit("\n".join(wrong))
    if not any("svtune train" in line for line in lines):
        sys.exit("there is no training command")

    python = oracle_python(source)
    if python is None:
        print(f"skipped: no Python with {', '.join(MODULES)} (make test installs one)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        (root / "fixture").mkdir()
        make_fixture(source, python, root / "fixture")
        (root / "bin").mkdir()
        (root / "bin/svtune").symlink_to(program)
        environment = dict(os.environ, PATH=f"{root / 'bin'}:{os.environ['PATH']}",
                           HF_HUB_OFFLINE="1", OMP_WAIT_POLICY="passive")
        for number, document in enumerate(found.values()):
            directory = shutil.copytree(root / "fixture", root / str(number))
            run_blocks(document, directory, environment, python)
        print(f"ran {len(lines)} lines of {', '.join(DOCUMENTS)}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve())
