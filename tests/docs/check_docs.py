"""Checks that the documents keep up with the sources they describe.

usage: check_docs.py SOURCE_DIR
docs/methods.md needs a section per method of src/adapters/methods.h, and bench/method_bench.py a
case. docs/architecture.md quotes code in ```cpp blocks behind a line `<!-- from FILE -->`: the
quoted lines must stand in FILE, in order; and it needs a section per folder of src/ and a drawing in
the order of tools/check_layers.py. The gradients written by hand are those of its table. README.md's
table of families is the list of src/models/families.cpp. Code quoted in README.md is checked
likewise. Shapes in comments use the letters of docs/notation.md. SECURITY.md names every target of
fuzz/. Links between pages lead to files and headings that are there, and README.md leads to every
page of docs/. A command of the tree that a page shows is a file that can be run. Names of the code
in docs/architecture.md are in the code.
"""
import os
import pathlib
import re
import sys

NAME = re.compile(r'kName = "([^"]+)"')
INCLUDE = re.compile(r'#include "(adapters/[^"]+)"')
CONFIG = re.compile(r"\b(\w+Config)\b")
QUOTE = re.compile(r"^<!-- from (\S+) -->\n+```cpp\n(.*?)^```$", re.M | re.S)


def method_names(source):
    text = (source / "src/adapters/methods.h").read_text("utf-8")
    configs = re.search(r"MethodConfig =\s*std::variant<([^>]*)>", text)[1]
    headers = "".join((source / "src" / path).read_text("utf-8") for path in INCLUDE.findall(text))
    names = []
    for config in CONFIG.findall(configs):
        body = re.search(rf"struct {config} {{(.*?)^}};", headers, re.M | re.S)[1]
        names.append(NAME.search(body)[1])
    return names


def missing_methods(source):
    text = (source / "docs/methods.md").read_text("utf-8")
    names = method_names(source)
    assert len(names) >= 4, names
    bench = (source / "bench/method_bench.py").read_text("utf-8")
    return [f"docs/methods.md: no section '## {name}'" for name in names
            if not re.search(rf"^## {re.escape(name)}$", text, re.M)] + [
            f"bench/method_bench.py: no case of {name}" for name in names
            if f'"--method", "{name}"' not in bench]


def missing_quotes(source, document, at_least):
    text = (source / document).read_text("utf-8")
    quotes = QUOTE.findall(text)
    if len(quotes) < at_least:
        return [f"{document}: {len(quotes)} quotations, at least {at_least} are due"]
    problems = []
    for name, body in quotes:
        lines = iter([line.strip() for line in (source / name).read_text("utf-8").splitlines()])
        for line in filter(None, map(str.strip, body.splitlines())):
            if line not in lines:  # consumes up to the match: keeps the order
                problems.append(f"{document}: '{line}' is not in {name} (or not in this order)")
                break
    return problems


def missing_folders(source):
    text = (source / "docs/architecture.md").read_text("utf-8")
    folders = sorted(p.name for p in (source / "src").iterdir() if p.is_dir())
    assert len(folders) > 10, folders
    return [f"docs/architecture.md: no section '### {name}/'" for name in folders
            if not re.search(rf"^### {re.escape(name)}/", text, re.M)]


def wrong_drawing(source):
    """The drawing has a line per level of the layers, the highest first."""
    sys.path.insert(0, str(source / "tools"))
    from check_layers import LEVELS
    text = (source / "docs/architecture.md").read_text("utf-8")
    drawing = re.search(r"^```text\n(cli .*?)^```$", text, re.M | re.S)
    rows = drawing[1].splitlines() if drawing else []
    if len(rows) != len(LEVELS):
        return [f"docs/architecture.md: the drawing has {len(rows)} lines for {len(LEVELS)} levels"]
    return [f"docs/architecture.md: '{row}' does not begin with {' '.join(level)}"
            for row, level in zip(rows, reversed(LEVELS)) if row.split()[:len(level)] != level]


def wrong_gradients(source):
    """Operators with a backward of their own, in the sources and in the table."""
    text = (source / "docs/architecture.md").read_text("utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \| `([\w/]+\.cpp)` \|", text, re.M))
    found = {(name, path.relative_to(source / "src").as_posix())
             for path in (source / "src").rglob("*.cpp")
             for name in re.findall(r"struct (\w+) : torch::autograd::Function<", path.read_text("utf-8"))}
    assert len(found) > 8, found
    return ([f"docs/architecture.md: no row for the gradient of {name} in {path}"
             for name, path in sorted(found - listed)]
            + [f"docs/architecture.md: {path} has no gradient {name}"
               for name, path in sorted(listed - found)])


def wrong_families(source):
    """The rows of README.md as the list of families says them, but for what stands behind them."""
    text = (source / "src/models/families.cpp").read_text("utf-8")
    found = re.findall(r'^ +\{"([\w-]+)",\s+parse_\w+,\s+"([^"]*)"(?:,\s+"(\w+)")?(.*?)\},$', text, re.M | re.S)
    assert len(found) > 4, found
    listed = [(name, note, "Images" if re.search(r",\s+true\b", rest) else "Encoders" if encoder else "Families")
              for name, note, encoder, rest in found]
    readme = (source / "README.md").read_text("utf-8")
    problems = []
    for title, end in ("Families", "; rotary scaling"), ("Encoders", ": "), ("Images", ": "):
        row = f"| {title} | " + ", ".join(
            f"`{name}`" + (f" ({note})" if note else "")
            for name, note, kind in listed if kind == title)
        if row + end not in readme:
            problems.append(f"README.md: the row of {title.lower()} must begin with: {row}{end}")
    return problems


def unknown_letters(source):
    """Capital letters in the shapes of comments, [N, H, D], that the table of letters lacks."""
    table = (source / "docs/notation.md").read_text("utf-8")
    known = set(re.findall(r"^\| ([A-Z]) \|", table, re.M)) | set("ABUVW")  # sizes, matrices
    assert len(known) > 8, known
    problems = []
    for path in sorted((source / "src").rglob("*.h")) + sorted((source / "src").rglob("*.cpp")):
        for comment in re.findall(r"//(.*)", path.read_text("utf-8")):
            for shape in re.findall(r"\[([\w+ /,.*-]+)\]", comment):
                letters = re.findall(r"(?<![A-Za-z_])[A-Z](?![A-Za-z_0-9])", shape)
                problems += [f"{path.relative_to(source)}: [{shape}]: {letter} is not in "
                             "docs/notation.md" for letter in letters if letter not in known]
    return problems


def wrong_fuzzers(source):
    """The targets in the last column of SECURITY.md's table, and those that are built."""
    built = set(re.findall(r"^svtune_fuzzer\((\w+)", (source / "fuzz/CMakeLists.txt").read_text("utf-8"), re.M))
    rows = [row.rsplit("|", 2)[1] for row in (source / "SECURITY.md").read_text("utf-8").splitlines()
            if row.startswith("| ") and row.endswith(" |")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(built) > 8, built
    return [f"SECURITY.md: the fuzz target {name} is built or named, not both"
            for name in sorted(built ^ named)]


def anchors(text):
    """Names of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(source):
    pages = sorted(source.glob("*.md")) + sorted((source / "docs").glob("*.md"))
    problems, linked = [], set()
    for page in pages:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
            if re.match(r"\w+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (page.parent / name).resolve() if name else page.resolve()
            if page.name == "README.md":
                linked.add(target)
            if not target.exists() or anchor and anchor not in anchors(target.read_text("utf-8")):
                problems.append(f"{page.relative_to(source)}: {link} is not there")
    return problems + [f"README.md: no link to docs/{page.name}" for page in pages
                       if page.parent.name == "docs" and page.resolve() not in linked]


def wrong_commands(source):
    """Of a path behind python the file must be there, of one with arguments also be executable."""
    problems = []
    for page in sorted(source.glob("*.md")) + sorted((source / "docs").glob("*.md")):
        text = page.read_text("utf-8")
        shown = re.findall(r"`([^`\n]+)`", text)
        for block in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S):
            shown += block.splitlines()
        for command in shown:
            found = re.match(r"(\S*python3? )?((?:bench|tests|tools)/[\w./]+\w)(?= |$)", command)
            if not found:
                continue
            path = source / found[2]
            if not path.exists() or not (found[1] or found[2] == command or os.access(path, os.X_OK)):
                problems.append(f"{page.relative_to(source)}: {command} cannot be run")
    return problems


def unknown_names(source):
    text = (source / "docs/architecture.md").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for folder in ("src", "include") for path in (source / folder).rglob("*")
                   if path.suffix in (".h", ".cpp"))
    code += "".join(path.read_text("utf-8") for path in (source / "tools").glob("*.py"))
    known = set(re.findall(r"\w+", code))
    problems = []
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
        if re.search(r"[ /*]|^-|^svtune$", span):  # sentences, paths, options
            continue
        problems += [f"docs/architecture.md: {span}: the code has no {name}"
                     for name in re.findall(r"[A-Za-z_]\w{3,}", span) if name not in known]
    return problems


def main(source):
    problems = (missing_methods(source) + missing_quotes(source, "docs/architecture.md", 1)
                + missing_folders(source) + missing_quotes(source, "README.md", 1)
                + wrong_drawing(source) + wrong_gradients(source) + wrong_families(source) + wrong_fuzzers(source)
                + unknown_letters(source) + wrong_links(source) + wrong_commands(source)
                + unknown_names(source))
    print("\n".join(problems) or "docs: they name every method and folder, quotations are current")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
