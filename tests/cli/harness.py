"""What the tests of the program share: a tiny model, data, and the program run as a user does.

Each test file is called as: test_NAME.py PROGRAM [unittest's arguments]"""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import fixture

SOAK = os.environ.get("SVTUNE_SOAK", "0") != "0"  # the long form of what is repeated
LIMIT = 300  # seconds; only a hang takes that long
_program = []


def svtune(*arguments, **options):
    options.setdefault("text", True)
    return subprocess.run(command(*arguments), capture_output=True, timeout=LIMIT, **options)


def command(*arguments):
    return [*_program, *map(str, arguments)]


def main():
    _program.append(sys.argv.pop(1))
    unittest.main(verbosity=2)


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def steps_of(run):
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def contents(folder):
    """Every file below `folder` with a hash of its bytes."""
    return {str(path): hashlib.sha256(path.read_bytes()).digest()
            for path in folder.rglob("*") if path.is_file()}


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="svtune-cli-"))
        cls.model = fixture.write_model(cls.root / "model")
        cls.data = fixture.write_data(cls.root / "train.jsonl")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def train_arguments(self, output, *more, method="lora", steps=6):
        own = [] if method in ("full", "svft") else ["--rank", 4, "--dropout", 0.1]
        return ["train", "--model", self.model, "--data", self.data, "--output", output,
                "--method", method, *own, "--template", "alpaca", "--max-steps", steps,
                "--batch-size", 4, "--gradient-accumulation", 1, "--learning-rate", 1e-3,
                "--samples", 0, "--threads", 1, *more]

    def train(self, output, *more, **options):
        result = svtune(*self.train_arguments(output, *more, **options))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refused(self, result, code, *parts):
        """One error line with all parts, one hint line, nothing like a crash."""
        self.assertEqual(result.returncode, code, result.stderr)
        lines = [line for line in result.stderr.splitlines() if line]
        errors = [line for line in lines if line.startswith("error: ")]
        hints = [line for line in lines if line.startswith("hint: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertEqual(len(hints), 1, result.stderr)
        for part in parts:
            self.assertIn(part, errors[0] + "".join(hints))

    def same_files(self, left, right):
        names = sorted(p.name for p in pathlib.Path(left).iterdir())
        self.assertEqual(names, sorted(p.name for p in pathlib.Path(right).iterdir()))
        self.assertTrue(names)
        for name in names:
            self.assertEqual((left / name).read_bytes(), (right / name).read_bytes(), name)
