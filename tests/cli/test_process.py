"""The program as a process: it starts itself anew once, with a bound on how long threads spin."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import harness
from harness import command, lines_of, svtune

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def environment(**settings):
    """Without what the tests' own environment says about waiting."""
    kept = {name: value for name, value in os.environ.items() if name not in WAITING}
    return {**kept, **settings}


def openmp_settings(result):
    """What OpenMP says that it took from the environment when it was loaded."""
    return dict(re.findall(r"(\w+) ?= ?'([^']*)'", result.stderr))


def starts(result):
    """How often the loader began to initialise the program."""
    return len(re.findall(r"calling preinit: ", result.stderr))


class ClosedStreams(harness.Base):
    """A shell's <&- and >&-, as of a daemon: no file may take a stream's number."""

    def started(self, closed, *arguments):
        line = 'exec "$@" ' + " ".join(closed)
        return subprocess.run(["bash", "-c", line, "bash", *command(*arguments)],
                              capture_output=True, text=True, timeout=60)

    def test_a_run_trains_and_a_lost_output_is_an_error(self):
        for i, (closed, code) in enumerate(((["<&-"], 0), (["2>&-"], 0), (["<&-", ">&-"], 1),
                                            (["<&-", ">&-", "2>&-"], 1))):
            with self.subTest(closed=closed):
                run = self.root / f"closed-{i}"
                result = self.started(closed, *self.train_arguments(run, steps=2))
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertEqual(harness.steps_of(run), [1, 2])
                self.assertTrue((run / "adapter" / "adapter_model.safetensors").exists())
                if code and "2>&-" not in closed:
                    self.assertIn("standard output could not be written", result.stderr)

    def test_closed_input_is_an_error(self):
        result = self.started(["<&-"], "tokenize", "--model", self.model)
        self.refused(result, 1, "standard input")


class LostDirectory(harness.Base):
    """The working directory is removed while the program is in it."""

    def called(self, *arguments):
        program, *rest = command(*arguments)
        line = 'mkdir "$1" && cd "$1" && rmdir "$1" && shift && exec "$@"'
        return subprocess.run(["bash", "-c", line, "bash", self.root / "gone",
                               pathlib.Path(program).resolve(), *rest],
                              capture_output=True, text=True, timeout=harness.LIMIT)

    def test_it_is_an_error_of_the_program(self):
        for arguments in (self.train_arguments(self.root / "lost", steps=1), ["help"]):
            self.refused(self.called(*arguments), 1, "the working directory: No such file")
        self.assertFalse((self.root / "lost").exists())


class Restart(harness.Base):
    def settings(self, **settings):
        result = svtune("--version", env=environment(OMP_DISPLAY_ENV="VERBOSE", **settings))
        self.assertEqual(result.returncode, 0, result.stderr)
        return openmp_settings(result)

    def starts(self, **settings):
        return starts(svtune("--version", env=environment(LD_DEBUG="files", **settings)))

    def test_waiting_is_bounded_by_default(self):
        # OpenMP's own default is 300,000 rounds, those of 100 us are between 500 and 100,000 on
        # the processors known.
        rounds = int(self.settings()["GOMP_SPINCOUNT"])
        self.assertGreater(rounds, 0)
        self.assertLess(rounds, 200_000)

    def test_settings_of_the_user_are_kept(self):
        self.assertEqual(self.settings(GOMP_SPINCOUNT="77")["GOMP_SPINCOUNT"], "77")
        passive = self.settings(OMP_WAIT_POLICY="passive")
        self.assertEqual((passive["OMP_WAIT_POLICY"], passive["GOMP_SPINCOUNT"]), ("PASSIVE", "0"))
        active = self.settings(OMP_WAIT_POLICY="active")
        self.assertEqual(active["OMP_WAIT_POLICY"], "ACTIVE")
        self.assertGreater(int(active["GOMP_SPINCOUNT"]), 300_000)

    def test_program_starts_anew_at_most_once(self):
        self.assertEqual(self.starts(), 2)
        self.assertEqual(self.starts(GOMP_SPINCOUNT="77"), 1)
        self.assertEqual(self.starts(OMP_WAIT_POLICY="passive"), 1)

    def test_programs_that_use_the_library_are_not_started_anew(self):
        program = os.environ.get("SVTUNE_LIBRARY_PROGRAM")
        if not program:
            self.skipTest("SVTUNE_LIBRARY_PROGRAM names no program")
        result = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True,
                                env=environment(LD_DEBUG="files", OMP_DISPLAY_ENV="VERBOSE"))
        self.assertEqual(result.returncode, 0)
        self.assertEqual(openmp_settings(result)["GOMP_SPINCOUNT"], "300000")
        self.assertLessEqual(starts(result), 1)

    def test_program_runs_by_any_name(self):
        program = pathlib.Path(command()[0]).resolve()
        folder = self.root / "bin"
        folder.mkdir()
        (folder / "other-name").symlink_to(program)
        plain = svtune("--version", env=environment()).stdout
        path = f"{folder}:{os.environ['PATH']}"
        calls = {"by a link": ([folder / "other-name"], {}),
                 "through PATH": (["other-name"], {}),
                 "by a relative path": (["./other-name"], {"cwd": folder}),
                 "without a name": ([""], {"executable": program})}
        for kind, (words, more) in calls.items():
            result = subprocess.run([*words, "--version"], capture_output=True, text=True,
                                    env=environment(PATH=path), **more)
            self.assertEqual((result.returncode, result.stdout), (0, plain), kind + result.stderr)

    def test_program_runs_by_the_loader(self):
        loader = pathlib.Path("/lib64/ld-linux-x86-64.so.2")
        if not loader.exists():
            self.skipTest("no such loader here")
        result = subprocess.run([loader, *command("--version")], capture_output=True, text=True,
                                env=environment())
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, svtune("--version", env=environment()).stdout)

    def test_arguments_streams_and_exit_codes_are_the_programs(self):
        self.refused(svtune("trian", env=environment()), 2, "trian")
        self.refused(svtune("inspect", self.root / "absent", env=environment()), 1, "absent")
        output = self.root / "a folder's ids.jsonl"
        result = svtune("tokenize", "--model", self.model, "--input", "/dev/stdin", "--output",
                        output, env=environment(), input='{"text": "ab c"}\n')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(output.read_text())["ids"], list(b"ab c"))

    def test_signals_end_a_run_in_the_same_process(self):
        run = self.root / "stopped"
        arguments = self.train_arguments(run, steps=100_000)
        process = subprocess.Popen(command(*arguments), env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(600):
            if lines_of(run / "metrics.jsonl") > 2:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=harness.LIMIT)
        self.assertEqual(process.returncode, 143, errors)
        self.assertTrue(any((run / "checkpoints").glob("step-*")))

    def test_bytes_of_a_run_do_not_depend_on_the_waiting(self):
        runs = []
        for i, settings in enumerate(({}, {"OMP_WAIT_POLICY": "passive"})):
            runs.append(self.root / f"waiting-{i}")
            arguments = self.train_arguments(runs[-1])
            arguments[arguments.index("--threads") + 1] = 2
            result = svtune(*arguments, env=environment(**settings))
            self.assertEqual(result.returncode, 0, result.stderr)
        self.same_files(runs[0] / "adapter", runs[1] / "adapter")


if __name__ == "__main__":
    harness.main()
