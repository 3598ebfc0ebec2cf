"""Keeps what the benchmarks measured: one JSON file per machine and date, and the comparison.

usage: figures.py start FILE | figures.py table FILE GROUP < ROWS | figures.py compare FILE RESULTS

`start` begins FILE with the machine and the date. While SVTUNE_BENCH_FIGURES names the file, the
benchmarks add their figures to it with record(). `table` adds the rows of a program that prints
"RANK  NAME  WALL_SECONDS ..." and shows them. `compare` prints every figure beside that of the
newest file in the folder RESULTS that comes from the same machine. To keep a run, copy FILE there
under the name that `compare` prints.

{"format": 1, "date": "2026-01-31", "machine": "amd-epyc-2-cores", "processor": "AMD EPYC",
 "cores": 2, "version": "0.1.0", "figures": {"GROUP / NAME": {"value": 1.5, "unit": "s",
 "better": "lower"}}}
"""
import datetime
import json
import os
import pathlib
import re
import sys

FORMAT = 1
ROOT = pathlib.Path(__file__).resolve().parent.parent


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def cores():
    return len(os.sched_getaffinity(0))


def fast_bf16():
    """Whether the processor multiplies bf16 itself; where it does not, PyTorch's operators take
    some twenty times as long in it as in fp32."""
    flags = re.search(r"^flags\s*:(.*)$", pathlib.Path("/proc/cpuinfo").read_text("utf-8"), re.M)
    return bool(flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()))


def machine_name(processor_name, count):
    words = re.sub(r"\(r\)|\(tm\)|cpu|processor|@.*", " ", processor_name.lower())
    slug = "-".join(re.findall(r"[a-z0-9]+", words))
    return f"{slug}-{count}-core{'s' if count > 1 else ''}"


def version():
    text = (ROOT / "CMakeLists.txt").read_text("utf-8")
    return re.search(r"project\(svtune VERSION ([\d.]+)", text)[1]


def load(path):
    content = json.loads(path.read_text("utf-8"))
    if content.get("format") != FORMAT:
        raise ValueError(f"{path}: format {content.get('format')}, need {FORMAT}")
    return content


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def start(path):
    name = processor()
    write(path, {"format": FORMAT, "date": datetime.date.today().isoformat(),
                 "machine": machine_name(name, cores()), "processor": name, "cores": cores(),
                 "version": version(), "figures": {}})


def record(group, name, value, unit, better):
    """Adds one figure; without SVTUNE_BENCH_FIGURES nothing is kept."""
    assert better in ("lower", "higher"), better
    file = os.environ.get("SVTUNE_BENCH_FIGURES")
    if not file:
        return
    path = pathlib.Path(file)
    content = load(path)
    content["figures"][f"{group} / {name}"] = {"value": round(value, 6), "unit": unit,
                                               "better": better}
    write(path, content)


def keep_in(path):
    """Begins a file of figures for this process alone, as a benchmark's --json asks."""
    if path is not None:
        start(path)
        os.environ["SVTUNE_BENCH_FIGURES"] = str(path)


def table(group, lines):
    for line in lines:
        print(line, end="")
        row = re.match(r"\s*(\d+)\s{2,}(\S.*?)\s{2,}([\d.]+)\s", line)
        if row:
            record(group, f"rank {row[1]}, {row[2]}", float(row[3]), "s", "lower")


def newest_of(machine, folder):
    files = [load(path) for path in sorted(folder.glob("*.json"))]
    same = [content for content in files if content["machine"] == machine]
    return max(same, key=lambda content: content["date"], default=None)


def change(now, before, better):
    """How much better (+) or worse (-), in percent of the earlier figure."""
    if not before:
        return ""
    gain = now / before - 1 if better == "higher" else before / now - 1 if now else 0
    return f"{100 * gain:+.1f} %"


def compare(path, folder):
    content = load(path)
    before = newest_of(content["machine"], folder)
    print(f"== Figures of {content['machine']}"
          + (f" beside those of {before['date']}" if before else "; none are kept of it yet"))
    print(f"{'':64}{'now':>12}{'before':>12}{'better by':>12}")
    old = before["figures"] if before else {}
    for name, figure in content["figures"].items():
        earlier = old.get(name, {}).get("value")
        print(f"{name + ' [' + figure['unit'] + ']':64}{figure['value']:>12.4g}"
              f"{'' if earlier is None else f'{earlier:.4g}':>12}"
              f"{'' if earlier is None else change(figure['value'], earlier, figure['better']):>12}")
    for name in old.keys() - content["figures"].keys():
        print(f"{name}: not measured in this run")
    print(f"\nto keep them: cp {path} {folder}/{content['date']}-{content['machine']}.json")


def self_test():
    assert machine_name("AMD EPYC", 2) == "amd-epyc-2-cores"
    assert machine_name("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", 1) == "intel-xeon-e5-2680-v4-1-core"
    assert change(2.0, 1.0, "lower") == "-50.0 %" and change(2.0, 1.0, "higher") == "+100.0 %"
    names = set()
    for path in sorted((ROOT / "bench" / "results").glob("*.json")):
        content = load(path)
        assert path.name == f"{content['date']}-{content['machine']}.json", path
        assert content["figures"], path
        for figure in content["figures"].values():
            assert set(figure) == {"value", "unit", "better"}, path
            assert figure["better"] in ("lower", "higher"), path
        names.add(path.name)
    assert names, "bench/results holds no figures"
    print(f"figures: {len(names)} files in bench/results are well formed")


def main(command, *arguments):
    if command == "start":
        start(pathlib.Path(arguments[0]))
    elif command == "table":
        os.environ["SVTUNE_BENCH_FIGURES"] = arguments[0]
        table(arguments[1], sys.stdin)
    elif command == "compare":
        compare(pathlib.Path(arguments[0]), pathlib.Path(arguments[1]))
    elif command == "--self-test":
        self_test()
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["help"]))
