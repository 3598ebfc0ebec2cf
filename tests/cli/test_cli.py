"""The program as a user meets it: runs, resumes, refusals. usage: test_cli.py PROGRAM"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import fixture

PROGRAM = ""
LIMIT = 120  # seconds; only a hang takes that long


def svtune(*arguments, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=LIMIT, **options)


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def steps_of(run):
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


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
        """One error line with all parts, at most one hint line, nothing like a crash."""
        self.assertEqual(result.returncode, code, result.stderr)
        lines = [line for line in result.stderr.splitlines() if line]
        errors = [line for line in lines if line.startswith("error: ")]
        hints = [line for line in lines if line.startswith("hint: ")]
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertLessEqual(len(hints), 1, result.stderr)
        for part in parts:
            self.assertIn(part, errors[0] + "".join(hints))

    def same_files(self, left, right):
        names = sorted(p.name for p in pathlib.Path(left).iterdir())
        self.assertEqual(names, sorted(p.name for p in pathlib.Path(right).iterdir()))
        self.assertTrue(names)
        for name in names:
            self.assertEqual((left / name).read_bytes(), (right / name).read_bytes(), name)


class Training(Base):
    def test_every_method_trains_and_leaves_its_files(self):
        for method in ("lora", "pissa", "svft", "full"):
            run = self.root / f"run-{method}"
            self.train(run, method=method)
            result = "model" if method == "full" else "adapter"
            for name in (result, "metrics.jsonl", "config.json", "report.html"):
                self.assertTrue((run / name).exists(), f"{method}: {name}")
            steps = steps_of(run)
            self.assertEqual(steps, [1, 2, 3, 4, 5, 6])

    def test_saved_config_repeats_the_run_to_the_same_bytes(self):
        first, second = self.root / "first", self.root / "second"
        self.train(first)
        again = svtune("train", "--config", first / "config.json", "--output", second)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.same_files(first / "adapter", second / "adapter")

    def test_start_losses_of_base_and_adapter_are_printed_and_equal(self):
        output = self.train(self.root / "start", method="pissa", steps=1).stdout
        line = next(l for l in output.splitlines() if l.startswith("Loss before step 1"))
        base, adapted = line.split("base model ")[1].split(", pissa ")
        self.assertAlmostEqual(float(base), float(adapted), delta=1e-3 * float(base))

    def test_report_has_answers_of_the_base_and_of_the_trained_model(self):
        answers = {}
        for method in ("lora", "full"):
            run = self.root / f"samples-{method}"
            arguments = self.train_arguments(run, "--learning-rate", 0.05, method=method, steps=20)
            arguments[arguments.index("--samples") + 1] = 2
            result = svtune(*arguments)
            self.assertEqual(result.returncode, 0, result.stderr)
            samples = json.loads((run / "report.json").read_text())["samples"]
            self.assertEqual(len(samples), 2)
            for sample in samples:
                self.assertEqual([a["label"] for a in sample["answers"]], ["before", "after"])
            answers[method] = [[a["text"] for a in sample["answers"]] for sample in samples]
        before = [[pair[0] for pair in pairs] for pairs in answers.values()]
        self.assertEqual(before[0], before[1], "the untouched model answers the same in any run")
        self.assertTrue(all(a != b for a, b in answers["full"]), "training changes the answers")

    def test_dry_run_writes_nothing(self):
        run = self.root / "dry"
        result = svtune(*self.train_arguments(run, "--dry-run"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Peak memory (predicted)", result.stdout)
        self.assertFalse(run.exists())


class Interrupting(Base):
    """Moments of a run are told by what it has written, never by the clock."""
    KILLS = 3

    def ended(self, process):
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def start(self, run, method, steps, *more):
        """Begins the run, or goes on with it."""
        resume = ["--resume"] if (run / "config.json").exists() else []
        arguments = self.train_arguments(run, *more, *resume, method=method, steps=steps)
        return subprocess.Popen([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)

    def reach(self, process, moment):
        """Waits for moment(); False when the process ends before."""
        while not moment():
            if self.ended(process):
                output = process.communicate()[0]
                self.assertEqual(process.returncode, 0, output)
                return False
        return True

    def held(self, process, condition):
        """Stops the process; lets it go on, and returns False, unless the condition holds then."""
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        if condition() and not self.ended(process):
            return True
        process.send_signal(signal.SIGCONT)
        return False

    def kill_at(self, process, moment):
        """kill -9 while moment() holds; False when the process ends before."""
        while self.reach(process, moment):
            if self.held(process, moment):
                process.kill()
                process.communicate()
                return True
        return False

    def with_enough_steps(self, attempt):
        """Calls attempt(folder, steps), and again with more steps when the run was too fast."""
        for steps in (60, 240, 960, 3840):
            folder = self.root / f"{self.id()}-{steps}"
            if attempt(folder, steps):
                return
            shutil.rmtree(folder)
        self.fail("no run was long enough to be interrupted")

    def check_same_result(self, folder, method, steps):
        whole, broken = folder / "whole", folder / "broken"
        self.train(whole, method=method, steps=steps)
        result = "model" if method == "full" else "adapter"
        self.same_files(whole / result, broken / result)
        self.assertEqual(steps_of(broken), list(range(1, steps + 1)))

    def killed_at(self, moments, folder, method, steps):
        """Kills the run at each of the moments, lets the last start end; False if one missed."""
        run = folder / "broken"
        for moment in moments(run, steps):
            process = self.start(run, method, steps, "--save-every", 1)
            if not self.kill_at(process, moment):
                return False
        process = self.start(run, method, steps, "--save-every", 1)
        output = process.communicate(timeout=LIMIT)[0]
        self.assertEqual(process.returncode, 0, output)
        left = [p.name for p in run.rglob("*svtune-tmp*")]
        self.assertEqual(left, [])
        self.check_same_result(folder, method, steps)
        return True

    def check_kills(self, moments, methods):
        for method in methods:
            with self.subTest(method=method):
                self.with_enough_steps(lambda folder, steps, method=method: self.killed_at(
                    moments, folder / method, method, steps))

    def test_runs_killed_at_random_steps_end_with_the_bytes_of_whole_ones(self):
        rng = random.Random(4)

        def moments(run, steps):
            for step in sorted(rng.sample(range(1, steps // 2), self.KILLS)):
                yield lambda step=step: lines_of(run / "metrics.jsonl") >= step

        self.check_kills(moments, ("lora", "pissa", "svft", "full"))

    def test_runs_killed_while_a_checkpoint_is_written_end_with_the_same_bytes(self):
        def moments(run, _):
            # The same moment again would find the folder that the kill before left behind.
            for _ in range(self.KILLS):
                before = set((run / "checkpoints").glob(".step-*"))
                yield lambda before=before: bool(
                    set((run / "checkpoints").glob(".step-*")) - before)

        self.check_kills(moments, ("lora", "pissa", "svft"))

    def test_a_run_killed_before_its_first_step_starts_again(self):
        def moments(run, _):
            yield run.exists
            yield (run / "config.json").exists
            yield (run / "checkpoints").exists

        self.check_kills(moments, ("pissa",))

    def test_ctrl_c_saves_and_prints_the_command_that_goes_on(self):
        def attempt(folder, steps):
            run = folder / "broken"
            process = self.start(run, "lora", steps)
            self.reach(process, lambda: lines_of(run / "metrics.jsonl") > 3)
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=LIMIT)[0]
            self.assertEqual(process.returncode, 0, output)
            if "Stopped after step" not in output:
                return False
            self.assertIn("--resume", output)
            resumed = svtune("train", "--config", run / "config.json", "--resume")
            self.assertEqual(resumed.returncode, 0, resumed.stderr)
            self.check_same_result(folder, "lora", steps)
            return True

        self.with_enough_steps(attempt)


class Results(Base):
    def scores(self, *arguments):
        lines = self.root / "lines.jsonl"
        lines.write_text(json.dumps({"text": "What is 3 + 4? The answer is: 7"}) + "\n" +
                         json.dumps({"ids": [1, 2, 3, 200]}) + "\n")
        out = self.root / "scores.jsonl"
        result = svtune("score", *arguments, "--input", lines, "--output", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [json.loads(line) for line in out.read_text().splitlines()]
        for row in rows:
            self.assertEqual(len(row["logprobs"]), len(row["ids"]) - 1)
        return [value for row in rows for value in row["logprobs"]]

    def test_merged_model_and_exports_score_like_the_adapter(self):
        run = self.root / "run"
        self.train(run, method="pissa", steps=8)
        adapter = run / "adapter"
        wanted = self.scores("--model", self.model, "--adapter", adapter)
        base = self.scores("--model", self.model)
        self.assertGreater(max(abs(a - b) for a, b in zip(wanted, base)), 1e-3)
        merged, lora, residual = (self.root / name for name in ("merged", "lora", "residual"))
        for arguments in (
                ("merge", "--model", self.model, "--adapter", adapter, "--output", merged),
                ("export", "--model", self.model, "--adapter", adapter, "--output", lora),
                ("export", "--form", "residual", "--model", self.model, "--adapter", adapter,
                 "--output", residual)):
            result = svtune(*arguments)
            self.assertEqual(result.returncode, 0, result.stderr)
        for arguments in (("--model", merged), ("--model", self.model, "--adapter", lora),
                          ("--model", residual / "base", "--adapter", residual / "adapter")):
            got = self.scores(*arguments)
            # fp32 everywhere; the merged weights are rounded once more.
            self.assertLess(max(abs(a - b) for a, b in zip(wanted, got)), 1e-3, arguments)

    def test_gguf_file_serves_as_model_and_is_converted(self):
        gguf, converted = fixture.write_gguf(self.root / "model.gguf"), self.root / "converted"
        result = svtune("convert", gguf, converted, "--dtype", "fp32")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.scores("--model", gguf), self.scores("--model", converted))

    def test_adapter_of_a_gguf_file_merges_into_a_complete_directory(self):
        gguf = fixture.write_gguf(self.root / "base.gguf")
        run, merged, plain = (self.root / n for n in ("gguf-run", "gguf-merged", "gguf-plain"))
        arguments = self.train_arguments(run, steps=3)
        arguments[2] = gguf
        for command in (arguments, ["convert", gguf, plain],
                        ["merge", "--model", gguf, "--adapter", run / "adapter",
                         "--output", merged]):
            result = svtune(*command)
            self.assertEqual(result.returncode, 0, result.stderr)
        for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
            self.assertEqual((merged / name).read_bytes(), (plain / name).read_bytes(), name)
        wanted = self.scores("--model", gguf, "--adapter", run / "adapter")
        got = self.scores("--model", merged)
        # fp32 files both; the merged weights are rounded once more.
        self.assertLess(max(abs(a - b) for a, b in zip(wanted, got)), 1e-3)

    def test_tokenize_round_trips(self):
        text = "Grüße, 世界 🙂\n\tdef f(x): return x"
        lines, ids, back = (self.root / n for n in ("t.jsonl", "i.jsonl", "b.jsonl"))
        lines.write_text(json.dumps({"text": text}) + "\n")
        self.assertEqual(svtune("tokenize", "--model", self.model, "--input", lines,
                                "--output", ids).returncode, 0)
        only_ids = json.loads(ids.read_text())["ids"]
        self.assertEqual(only_ids, list(text.encode()))
        ids.write_text(json.dumps({"ids": only_ids}) + "\n")
        self.assertEqual(svtune("tokenize", "--model", self.model, "--input", ids,
                                "--output", back).returncode, 0)
        self.assertEqual(json.loads(back.read_text())["text"], text)

    def test_sampling_with_a_seed_repeats_itself(self):
        arguments = ("generate", "--model", self.model, "--template", "raw", "--prompt", "abc",
                     "--max-new-tokens", 20, "--temperature", 1, "--top-p", 0.9, "--seed")
        first, again, other = (svtune(*arguments, seed) for seed in (3, 3, 4))
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(first.stdout, again.stdout)
        self.assertNotEqual(first.stdout, other.stdout)


class Refusals(Base):
    def test_unknown_option_suggests_the_nearest(self):
        result = svtune("train", "--learnin-rate", 1)
        self.refused(result, 2, "--learning-rate")

    def test_unknown_command_is_a_usage_error(self):
        self.refused(svtune("trian"), 2, "train")

    def test_missing_model_and_truncated_weights_name_the_file(self):
        self.refused(svtune("score", "--model", self.root / "none"), 1, "none")
        broken = self.root / "truncated"
        shutil.copytree(self.model, broken)
        weights = broken / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
        self.refused(svtune("score", "--model", broken), 1, "model.safetensors")

    def test_weights_that_do_not_fit_are_listed_together(self):
        tensors = fixture.model_tensors(1)
        del tensors["model.norm.weight"]
        del tensors["model.layers.1.mlp.up_proj.weight"]
        broken = fixture.write_model(self.root / "missing", tensors=tensors)
        self.refused(svtune("score", "--model", broken), 1, "model.norm.weight",
                     "model.layers.1.mlp.up_proj.weight")

    def test_nan_in_the_weights_is_named_before_training(self):
        tensors = fixture.model_tensors(1)
        tensors["model.layers.0.mlp.up_proj.weight"][1][7] = float("nan")
        broken = fixture.write_model(self.root / "nan", tensors=tensors)
        arguments = self.train_arguments(self.root / "nan-run", steps=2)
        arguments[2] = broken
        self.refused(svtune(*arguments), 1, "model.layers.0.mlp.up_proj.weight")
        self.assertFalse((self.root / "nan-run").exists())

    def test_malformed_line_is_named_and_can_be_skipped(self):
        data = self.root / "bad.jsonl"
        good = self.data.read_text().splitlines()
        data.write_text("\n".join([*good[:3], '{"query": "x", ', *good[3:]]) + "\n")
        arguments = self.train_arguments(self.root / "bad-run", steps=2)
        arguments[4] = data
        self.refused(svtune(*arguments), 1, "bad.jsonl:4")
        skipped = svtune(*arguments, "--skip-bad-lines")
        self.assertEqual(skipped.returncode, 0, skipped.stderr)
        self.assertIn("bad.jsonl:4", skipped.stderr)

    def test_empty_and_fully_truncated_data_are_refused(self):
        empty = self.root / "empty.jsonl"
        empty.write_text("")
        arguments = self.train_arguments(self.root / "empty-run")
        arguments[4] = empty
        self.refused(svtune(*arguments), 1, "empty")
        self.refused(svtune(*self.train_arguments(self.root / "short", "--max-length", 4)), 1,
                     "--max-length")

    def test_impossible_rank_names_the_layer(self):
        self.refused(svtune(*self.train_arguments(self.root / "rank", "--rank", 17)),
                     1, "k_proj")

    def test_directory_that_is_not_empty_is_left_alone(self):
        taken = self.root / "taken"
        taken.mkdir()
        (taken / "notes.txt").write_text("mine")
        self.refused(svtune(*self.train_arguments(taken)), 1, "not empty")
        self.assertEqual(os.listdir(taken), ["notes.txt"])

    def test_adapter_on_another_base_is_refused(self):
        other = fixture.write_model(self.root / "other", seed=7)
        run = self.root / "pissa"
        self.train(run, method="pissa", steps=2)
        self.refused(svtune("score", "--model", other, "--adapter", run / "adapter"), 1)

    def test_unsupported_config_key_is_named(self):
        odd = self.root / "odd"
        shutil.copytree(self.model, odd)
        config = json.loads((odd / "config.json").read_text())
        config["rope_scaling"] = {"rope_type": "yarn", "factor": 4.0}
        (odd / "config.json").write_text(json.dumps(config))
        self.refused(svtune("score", "--model", odd), 1, "yarn")

    def test_full_disk_keeps_what_was_there(self):
        disk = self.root / "disk"
        disk.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)],
                               capture_output=True)
        if mount.returncode != 0:
            self.skipTest("mounting a tmpfs needs privileges")
        try:
            result = svtune(*self.train_arguments(disk / "run", method="full"))
            self.refused(result, 1, "No space left")
        finally:
            subprocess.run(["umount", str(disk)], check=True)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main(verbosity=2)
