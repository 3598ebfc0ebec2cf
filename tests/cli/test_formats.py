"""docs/formats.md says what is written: its tables beside the files of real runs. A field that is
written and not listed fails, and so does one that is listed and not written, unless its meaning
begins with "Optional"."""
import json
import os
import pathlib
import re
import struct
from unittest import mock

import fixture
import harness
from harness import svtune

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
ROW = re.compile(r"^\| (.*?) \| (.*?) \| (.*) \|$", re.M)
CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"


def sections(document):
    parts = re.split(r"^## (.*)$", (DOCS / document).read_text("utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


class Table:
    """The fields of one section: every one, those that must occur, those that are not looked into."""

    def __init__(self, section):
        self.all, self.required, self.opaque = set(), set(), set()
        for names, kind, meaning in ROW.findall(section):
            for name in re.findall(r"`([^`]+)`", names):
                self.all.add(name)
                if not meaning.startswith("Optional"):
                    self.required.add(name)
                if kind.startswith("object"):
                    self.opaque.add(name)

    def fields_of(self, value, name=""):
        """Every path of `value`: "a.b" of objects, "a[].b" of lists of objects."""
        if isinstance(value, dict) and value and name not in self.opaque:
            for key, inner in value.items():
                yield from self.fields_of(inner, f"{name}.{key}" if name else key)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value:
                yield from self.fields_of(inner, name + "[]")
        elif value not in ([], {}) or name in self.all:  # an empty list shows no field
            yield name


class Formats(harness.Base):
    """One set of runs; each test looks at one kind of their files."""
    SIZES = {"HIDDEN": 64, "INNER": 96, "HEAD_DIM": 16, "KV_HEADS": 4}  # what is cached

    @classmethod
    def setUpClass(cls):
        with mock.patch.multiple(fixture, **cls.SIZES):
            super().setUpClass()
        cls.tables = {name: Table(text) for name, text in sections("formats.md").items()}
        cls.cache = cls.root / "cache"
        cls.environment = {**os.environ, "SVTUNE_CACHE_DIR": str(cls.cache)}
        template = cls.root / "chat.jinja"
        template.write_text(CHAT)
        chat = ["--template", "chat", "--chat-template", template, "--system", "Be brief."]
        held_out = ["--eval-data", cls.data, "--eval-every", 2, "--save-every", 2]
        cls.run_training("lora", held_out, samples=2)
        cls.run_training("chat", chat, method="pissa")
        cls.run_training("quantised", ["--base-dtype", "nf4"], method="pissa")
        cls.run_training("full", [], method="full")

    @classmethod
    def run_training(cls, name, more, method="lora", samples=0):
        arguments = cls.train_arguments(cls, cls.root / name, method=method)
        arguments[arguments.index("--samples") + 1] = samples
        if "--template" in more:
            at = arguments.index("--template")
            del arguments[at:at + 2]
        result = svtune(*arguments, *more, env=cls.environment)
        assert result.returncode == 0, result.stderr

    def check(self, section, values, but=()):
        """`values` are all objects of that kind; `but` names fields that these never have."""
        table, written = self.tables[section], set()
        self.assertTrue(table.all and values)
        for value in values:
            written |= set(table.fields_of(value))
        self.assertEqual(written - table.all, set(), "is written and not documented")
        self.assertEqual(table.required - written - set(but), set(), "is documented, not written")

    def read(self, *paths):
        found = [path for pattern in paths for path in sorted(self.root.glob(pattern))]
        self.assertTrue(found, paths)
        return [json.loads(path.read_text("utf-8")) for path in found]

    def test_config(self):
        options = sections("options.md")["svtune train"]
        names = {name.replace("-", "_") for name in re.findall(r"^\| `--([a-z0-9-]+)", options, re.M)}
        names |= {name.replace("-", "_") for name in re.findall(r"`--\[no-\]([a-z0-9-]+)", options)}
        for config in self.read("*/config.json"):
            if "model_type" in config:
                continue
            self.assertEqual(set(config) - names, set())
            self.assertLess({"model", "data", "output", "method", "learning_rate"}, set(config))

    def test_metrics(self):
        self.check("metrics.jsonl", [json.loads(line) for path in self.root.glob("*/metrics.jsonl")
                                     for line in path.read_text().splitlines()])

    def test_report(self):
        self.check("report.json", self.read("*/report.json"))

    def test_checkpoints(self):
        self.check("checkpoints/inputs.json", self.read("*/checkpoints/inputs.json"))
        self.check("checkpoints/step-N/state.json", self.read("*/checkpoints/step-*/state.json"))
        self.check("checkpoints/step-N/COMPLETE", self.read("*/checkpoints/step-*/COMPLETE"))

    def test_side_file(self):
        self.check("svtune.json", self.read("*/adapter/svtune.json", "full/model/svtune.json"))
        self.check("svtune.json", self.read("*/checkpoints/initialisation.json"),
                   but=("format", "model_type", "vocab_size", "base_hashes"))

    def test_state_files(self):
        listed = self.tables["svtune_state.safetensors"].all
        self.assertIn("initial_A", listed)
        files = sorted(self.root.glob("*/adapter/svtune_state.safetensors"))
        self.assertTrue(files)
        for path in files:
            content = path.read_bytes()
            header = json.loads(content[8:8 + struct.unpack("<Q", content[:8])[0]])
            unknown = [name for name in header if name != "__metadata__"
                       and not any(name.endswith("." + each) for each in listed)]
            self.assertEqual(unknown, [], "is written and not documented")

    def test_merge_report(self):
        result = svtune("merge", "--model", self.model, "--adapter", self.root / "lora" / "adapter",
                        "--output", self.root / "merged", "--output-dtype", "bf16")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check("svtune_merge.json",
                   self.read("merged/svtune_merge.json", "full/model/svtune_merge.json"))

    def test_answers(self):
        answers = self.root / "answers.jsonl"
        result = svtune("eval", "--model", self.model, "--data", self.data, "--template", "alpaca",
                        "--task", "exact-match", "--limit", 3, "--max-new-tokens", 2,
                        "--answers", answers)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check("Lines of generate, eval, score and tokenize",
                   [json.loads(line) for line in answers.read_text().splitlines()])

    def test_cache_entries(self):
        heads = []
        for path in (self.cache / "svd").glob("*.svtcache"):
            content = path.read_bytes()
            self.assertEqual(content[:8], b"svtcache")
            self.assertEqual(struct.unpack("<Q", content[8:16])[0], len(content) - 24)
            heads.append(json.loads(content[24:content.index(b"\n", 24)]))
        self.check("Entries of the cache of decompositions", heads)


if __name__ == "__main__":
    harness.main()
