"""Files under fault: every write, rename, creation and flush fails once, for each command that
writes. The error names the file, nothing else is harmed, and a run goes on to the same bytes.

SVTUNE_FAULT_LIBRARY names the library to preload (failing_files.cpp). With SVTUNE_SOAK=1 each
call fails in turn; without it, a spread of them, the first and the last among these."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import unittest

import fixture
import harness
from harness import LIMIT, SOAK, contents, svtune

LIBRARY = os.environ.get("SVTUNE_FAULT_LIBRARY", "")
SPREAD = 9  # calls that fail, of one command in the short form


def real_name(path):
    """The name that is meant by the last part of a path: without the mark of a temporary or of
    its lock."""
    return re.sub(r"^\.(.*)\.svtune-tmp-\d+-\d+(\.lock|\.old)?$", r"\1", pathlib.Path(path).name)


@unittest.skipUnless(LIBRARY, "SVTUNE_FAULT_LIBRARY names no library")
class Faults(harness.Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.area = cls.root / "area"  # where calls fail
        cls.log = cls.root / "calls.txt"
        cls.trained = cls.root / "trained"
        cls.gguf = fixture.write_gguf(cls.root / "model.gguf")
        result = svtune(*cls.train_arguments(cls, cls.trained, method="pissa", steps=2))
        assert result.returncode == 0, result.stderr
        cls.lines = cls.root / "lines.jsonl"
        cls.lines.write_text('{"ids": [1, 2, 3]}\n')
        cls.surveys = {}

    def environment(self, at, **more):
        return os.environ | {"LD_PRELOAD": LIBRARY, "FAULT_ROOT": str(self.area),
                             "FAULT_AT": str(at), "FAULT_LOG": str(self.log)} | more

    def faulty(self, arguments, at, every=False):
        """Runs the command with call number `at` failing; returns what failed, or None."""
        self.log.unlink(missing_ok=True)
        more = {"FAULT_ALL": "1"} if every else {}
        result = svtune(*arguments, env=self.environment(at, **more))
        return result, self.log.read_text().splitlines() if self.log.exists() else []

    def fresh_area(self):
        shutil.rmtree(self.area, ignore_errors=True)
        self.area.mkdir()

    def points(self, count):
        if SOAK or count <= SPREAD:
            return range(1, count + 1)
        return sorted({1 + i * (count - 1) // (SPREAD - 1) for i in range(SPREAD)})

    def beside(self):
        """Everything that no command here may touch."""
        return {path: content for path, content in contents(self.root).items()
                if not path.startswith(str(self.area)) and path != str(self.log)}

    def survey(self, arguments, prepare=lambda: None):
        """How many calls the command makes, and what it leaves in a fresh area where none fails."""
        self.fresh_area()
        prepare()
        result, calls = self.faulty(arguments, 0, every=True)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreater(len(calls), 3)
        return len(calls), contents(self.area)

    def survey_once(self, command):
        key = tuple(map(str, command))
        if key not in self.surveys:
            self.surveys[key] = self.survey(command)
        return self.surveys[key]

    def each_fault(self, arguments, count, prepare=lambda: None):
        """Yields (result, failed path) of the command for each call that fails, in a fresh area."""
        beside = self.beside()
        for at in self.points(count):
            self.fresh_area()
            prepare()
            result, [failed] = self.faulty(arguments, at)
            with self.subTest(command=str(arguments[0]), call=at, of=count, failed=failed):
                yield result, failed.split(" ", 1)[1]
                self.assertEqual(self.beside(), beside)

    def named(self, result, failed):
        self.refused(result, 1)
        error = next(line for line in result.stderr.splitlines() if line.startswith("error: "))
        self.assertIn(real_name(failed), error)

    def check_output(self, *arguments):
        """The output is whole or not there at all, whatever fails."""
        command = [*arguments, self.area / "out"]
        count, whole = self.survey_once(command)
        for result, failed in self.each_fault(command, count):
            if result.returncode == 0:  # what may fail: flushing a folder, an exchange of names
                self.assertEqual(contents(self.area), whole)
            else:
                self.named(result, failed)
                self.assertEqual(list(self.area.iterdir()), [])

    def commands(self):
        """Those that write one output, whose path is to follow."""
        adapter = ("--model", self.model, "--adapter", self.trained / "adapter")
        yield "merge", *adapter, "--output"
        yield "export", *adapter, "--output"
        yield "export", *adapter, "--form", "residual", "--output"
        yield ("quantize", "--model", self.model, "--rank", 4, "--output")
        yield "convert", self.gguf
        yield ("eval", "--model", self.model, "--data", self.data, "--template", "alpaca",
               "--task", "exact-match", "--limit", 2, "--max-new-tokens", 2, "--answers")
        yield "score", "--model", self.model, "--input", self.lines, "--output"

    def test_commands_write_all_or_nothing(self):
        for command in self.commands():
            self.check_output(*command)

    def ended_by(self, number, arguments, at):
        """The exit code after a signal that comes with the call number `at`."""
        process = subprocess.Popen(harness.command(*arguments), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL,
                                   env=self.environment(at, FAULT_STOP="1"))
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        return process.wait(timeout=LIMIT)

    def check_signals(self, *arguments):
        output = self.area / "out"
        command = [*arguments, output]
        count, whole = self.survey_once(command)
        beside = self.beside()
        for turn, at in enumerate(self.points(count)):
            self.fresh_area()
            number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[turn % 3]
            with self.subTest(command=str(arguments[0]), call=at, of=count, signal=number):
                self.assertEqual(self.ended_by(number, command, at), 128 + number)
                left = list(self.area.iterdir())
                self.assertIn(left, ([], [output]))
                if left:
                    self.assertEqual(contents(self.area), whole)
                self.assertEqual(self.beside(), beside)

    def test_signals_leave_the_whole_output_or_nothing(self):
        for command in self.commands():
            self.check_signals(*command)

    def check_training(self, method, steps, *more, begun):
        """A run that fails at a file goes on, with the same command line, to the same bytes."""
        run = self.area / "run"
        arguments = self.train_arguments(run, "--save-every", 2, *more,
                                         "--resume", method=method, steps=steps)
        kept = self.root / f"begun-{method}"

        def prepare():
            if begun:
                shutil.copytree(kept, run)

        if begun:
            self.fresh_area()
            shorter = list(arguments)
            shorter[shorter.index("--max-steps") + 1] = 2
            self.assertEqual(svtune(*shorter).returncode, 0)
            shutil.copytree(run, kept)
        count, _ = self.survey(arguments, prepare)
        result_name = "model" if method == "full" else "adapter"
        whole = contents(run / result_name)
        for result, failed in self.each_fault(arguments, count, prepare):
            if result.returncode != 0:
                self.named(result, failed)
                again = svtune(*arguments)
                self.assertEqual(again.returncode, 0, again.stderr)
            self.assertEqual(contents(run / result_name), whole)
            self.assertEqual(harness.steps_of(run), list(range(1, steps + 1)))
            self.assertEqual([p.name for p in run.rglob("*svtune-tmp*")], [])
        shutil.rmtree(kept, ignore_errors=True)

    def test_training_goes_on_after_a_fault_to_the_same_bytes(self):
        for method, more in (("lora", []), ("full", []), ("pissa", ["--base-dtype", "nf4"])):
            self.check_training(method, 4, *more, begun=False)
        self.check_training("lora", 4, begun=True)


if __name__ == "__main__":
    harness.main()
