"""Training runs and what is made of their results, as a user meets them."""
import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import tty
import unittest.mock

import fixture
import harness
from harness import steps_of, svtune


class Training(harness.Base):
    def test_every_method_trains_and_leaves_its_files(self):
        for method in ("lora", "pissa", "svft", "full"):
            run = self.root / f"run-{method}"
            self.train(run, method=method)
            result = "model" if method == "full" else "adapter"
            for name in (result, "metrics.jsonl", "config.json", "report.html"):
                self.assertTrue((run / name).exists(), f"{method}: {name}")
            steps = steps_of(run)
            self.assertEqual(steps, [1, 2, 3, 4, 5, 6])

    # Sizes that layers of 16 to 48 rows have.
    SMALL = {"dora": ["--rank", 4], "adalora": ["--rank", 4, "--target-rank", 2],
             "vera": ["--rank", 16], "oft": ["--block-size", 8], "boft": ["--block-size", 8],
             "milora": ["--rank", 4], "lora_xs": ["--rank", 4], "svf": [], "svfit": ["--rank", 4],
             "pica": ["--rank", 4], "mica": ["--rank", 4], "psoft": ["--rank", 4], "tinylora": [],
             "sorsa": ["--rank", 4], "kasa": ["--rank", 4], "delta_lora": ["--rank", 4],
             "flora": []}
    # Of options that change what is computed with.
    FORMS = [("svft", "--basis-dtype", "bf16"), ("svft", "--basis-dtype", "int8"),
             ("svft", "--basis-dtype", "nf4"), ("svft", "--pattern", "plain", "--gate"),
             ("svft", "--basis", "stored"), ("svft", "--basis-rank", 12),
             ("dora", "--rank", 4, "--init", "pissa"), ("adalora", "--rank", 4, "--init", "pissa"),
             ("pica", "--rank", 4, "--frozen-side", "outputs"), ("tinylora", "--tie", "all"),
             ("psoft", "--rank", 4, "--no-scales"), ("vera", "--no-save-projection")]

    def step_of(self, name, method, *more):
        run = self.root / name
        result = svtune("train", "--model", self.model, "--data", self.data, "--output", run,
                        "--method", method, *more, "--template", "alpaca", "--max-steps", 1,
                        "--batch-size", 4, "--gradient-accumulation", 1, "--samples", 0,
                        "--threads", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        scored = svtune("score", "--model", self.model, "--adapter", run / "adapter",
                        input='{"ids": [5, 6, 7]}\n')
        self.assertEqual(scored.returncode, 0, scored.stderr)

    def test_default_ranks_are_cut_to_small_layers_and_given_ones_are_not(self):
        run = self.root / "cut"
        arguments = ["train", "--model", self.model, "--data", self.data, "--output", run,
                     "--method", "pica", "--template", "alpaca", "--batch-size", 4, "--samples", 0,
                     "--threads", 1]
        self.refused(svtune(*arguments, "--rank", 256), 1, "rank 256 is impossible")
        result = svtune(*arguments, "--max-steps", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.count("the default rank 256 is cut to what the layer has"), 1)
        result = svtune("train", "--config", run / "config.json", "--resume", "--max-steps", 2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(steps_of(run), [1, 2])
        scored = svtune("score", "--model", self.model, "--adapter", run / "adapter",
                        input='{"ids": [5, 6, 7]}\n')
        self.assertEqual(scored.returncode, 0, scored.stderr)

    def test_all_the_other_methods_make_a_step_and_come_back(self):
        line = next(line for line in svtune("docs").stdout.splitlines()
                    if line.startswith("| `--method NAME` |"))
        methods = re.findall(r"(?:\| |<br>)`(\w+)` ", line)
        self.assertEqual(set(methods), {*self.SMALL, "lora", "pissa", "svft", "full"})
        for method, more in self.SMALL.items():
            with self.subTest(method=method):
                self.step_of(f"small-{method}", method, *more)

    def test_other_forms_of_methods_make_a_step_and_come_back(self):
        for i, (method, *more) in enumerate(self.FORMS):
            with self.subTest([method, *more]):
                self.step_of(f"form-{i}", method, *more)

    def test_saved_config_repeats_the_run_to_the_same_bytes(self):
        first, second = self.root / "first", self.root / "second"
        self.train(first)
        again = svtune("train", "--config", first / "config.json", "--output", second)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.same_files(first / "adapter", second / "adapter")

    def test_a_data_set_of_one_step_is_learnt(self):
        # 40 rows are one step of the default 4 x 32 sequences.
        for method in ("lora", "pissa"):
            run = self.root / f"one-step-{method}"
            result = svtune("train", "--model", self.model, "--data", self.data, "--output", run,
                            "--method", method, "--rank", 4, "--samples", 0)
            self.assertEqual(result.returncode, 0, result.stderr)
            [step] = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
            self.assertEqual(step["learning_rate"], 2e-5)
            before = self.root / f"untrained-{method}"
            self.train(before, "--learning-rate", 0, method=method, steps=1)
            weights = "adapter/adapter_model.safetensors"
            self.assertNotEqual((run / weights).read_bytes(), (before / weights).read_bytes())

    def test_start_losses_of_base_and_adapter_are_printed_and_equal(self):
        output = self.train(self.root / "start", method="pissa", steps=1).stdout
        line = next(l for l in output.splitlines() if l.startswith("Loss before step 1"))
        base, adapted = line.split("base model ")[1].split(", pissa ")
        self.assertAlmostEqual(float(base), float(adapted), delta=1e-3 * float(base))

    def test_a_start_from_inputs_says_how_settled_it_is(self):
        result = self.train(self.root / "settled", "--init", "eva", "--calibration-batches", 4,
                            steps=1)
        self.assertIn("half of the 4 batches gave the start", result.stdout + result.stderr)
        record = json.loads((self.root / "settled" / "adapter" / "svtune.json").read_text())
        self.assertTrue(0 <= record["calibration"]["settled"] <= 1)

    def test_memory_does_not_grow_with_the_steps(self):
        # Each step has its own number of tokens, and LibTorch keeps something for each.
        words = "one two three four five six seven eight nine ten".split()
        data = self.root / "lengths.jsonl"
        data.write_text("".join(
            json.dumps({"text": " ".join((words * 20)[:20 + 3 * i])}) + "\n" for i in range(60)))
        run = self.root / "lengths"
        result = svtune("train", "--model", self.model, "--data", data, "--output", run,
                        "--method", "lora", "--rank", 4, "--dtype", "bf16", "--max-steps", 60,
                        "--batch-size", 1, "--gradient-accumulation", 1, "--samples", 0)
        self.assertEqual(result.returncode, 0, result.stderr)
        memory = [json.loads(line)["memory"]
                  for line in (run / "metrics.jsonl").read_text().splitlines()]
        # Unbounded, the products compiled from step 20 on take 360 MB here.
        self.assertLess(max(memory[20:]) - memory[20], 25e6)

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

    def model_with_more_tokens(self, name, count):
        """A copy whose tokenizer knows `count` tokens more than the embedding has rows."""
        model = self.root / name
        shutil.copytree(self.model, model)
        tokenizer = json.loads((model / "tokenizer.json").read_text())
        for i in range(257, fixture.VOCAB + count):
            tokenizer["added_tokens"].append(tokenizer["added_tokens"][0] |
                                             {"id": i, "content": f"<|new-{i}|>"})
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))
        return model

    def test_a_vocabulary_without_added_tokens_is_told(self):
        result = self.train(self.root / "not-resized", "--resize-embeddings", steps=1)
        self.assertIn("--resize-embeddings adds nothing", result.stderr)

    def test_added_tokens_get_rows_that_train(self):
        model = self.model_with_more_tokens("more-tokens", 2)
        data = self.root / "new-tokens.jsonl"
        data.write_text('{"prompt": "a", "completion": "<|new-260|>b<|new-261|>"}\n' * 8)

        def arguments(run, *more, method="lora"):
            list_ = self.train_arguments(self.root / run, "--learning-rate", 0.02, *more,
                                         method=method, steps=30)
            list_[2], list_[4] = model, data
            return list_

        self.refused(svtune(*arguments("refused")), 1, "--resize-embeddings")
        for run, more, method in (("words", [], "lora"), ("words-full", [], "full"),
                                  ("words-nf4", ["--base-dtype", "nf4"], "pissa")):
            with self.subTest(run=run):
                result = svtune(*arguments(run, "--resize-embeddings", *more, method=method))
                self.assertEqual(result.returncode, 0, result.stderr)
                base = self.root / run / "quantized" / "base" if more else model
                out = self.root / run
                with_adapter = (["--model", out / "model"] if method == "full" else
                                ["--model", base, "--adapter", out / "adapter"])
                answer = svtune("generate", *with_adapter, "--template", "alpaca", "--prompt", "a",
                                "--temperature", 0, "--max-new-tokens", 3)
                self.assertEqual(answer.returncode, 0, answer.stderr)
                if method == "full":
                    config = json.loads((out / "model" / "config.json").read_text())
                    self.assertEqual(config["vocab_size"], 262)
                    continue
                config = json.loads((out / "adapter" / "adapter_config.json").read_text())
                self.assertEqual(config["trainable_token_indices"],
                                 {"embed_tokens": [260, 261], "lm_head": [260, 261]})
        result = svtune("eval", "--model", model, "--adapter", self.root / "words" / "adapter",
                        "--data", data)
        self.assertEqual(result.returncode, 0, result.stderr)
        trained = json.loads((self.root / "words" / "metrics.jsonl").read_text().splitlines()[-1])
        self.assertLess(trained["loss"], 3)  # the mean row alone is at 5 and more
        result = svtune("merge", "--model", model, "--adapter", self.root / "words" / "adapter",
                        "--output", self.root / "words-merged")
        self.assertEqual(result.returncode, 0, result.stderr)
        config = json.loads((self.root / "words-merged" / "config.json").read_text())
        self.assertEqual(config["vocab_size"], 262)

    def test_dry_run_writes_nothing(self):
        run = self.root / "dry"
        result = svtune(*self.train_arguments(run, "--dry-run"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Peak memory (predicted)", result.stdout)
        self.assertFalse(run.exists())
        result = svtune(*self.train_arguments(run, "--dry-run", "--max-memory", "64G"))
        self.assertIn("Activations: keep what backward needs of ", result.stdout)
        self.assertIn(" of 64.0 GiB", result.stdout)

    def test_dry_run_measures_the_time_of_a_step_for_every_method(self):
        for method, *more in (["lora"], ["pissa"], ["svft"], ["full"], ["pissa", "--base-dtype",
                                                                       "nf4"]):
            with self.subTest(method=method, more=more):
                run = self.root / f"timed-{method}"
                result = svtune(*self.train_arguments(run, "--dry-run", *more, method=method))
                self.assertEqual(result.returncode, 0, result.stderr)
                time = next(l for l in result.stdout.splitlines() if l.startswith("Time (pred"))
                self.assertGreater(float(time.split(", ")[1].split(" s a step")[0]), 0)
                self.assertFalse(run.exists())

    def test_progress_is_one_line_on_a_terminal_and_plain_lines_elsewhere(self):
        run = self.root / "terminal"
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        columns = 90
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("CI", "COLUMNS")}
        with subprocess.Popen(harness.command(*self.train_arguments(run)), stderr=theirs,
                              stdout=subprocess.DEVNULL,
                              env=environment | {"TERM": "xterm", "LC_ALL": "C.UTF-8"}) as process:
            os.close(theirs)
            shown = b""
            with contextlib.suppress(OSError):  # the other end is closed
                while piece := os.read(ours, 4096):
                    shown += piece
        os.close(ours)
        self.assertEqual(process.returncode, 0)
        _, *drawn = shown.decode().split("\r")
        # The data have a line before, which ends when the training's begins.
        drawn = drawn[next(i for i, each in enumerate(drawn) if "train ─" in each):]
        self.assertEqual("".join(drawn).count("\n"), 1, "one line, ended once")
        drawn[-1] = drawn[-1].rstrip("\n")
        self.assertIn("train ─", drawn[0])
        self.assertRegex(drawn[-1], r"━ +6/6  loss \d\.\d+  [\d.]+K? tok/s  "
                                    r"[\d.]+ [MG]iB\x1b\[K$")
        for line in drawn:
            self.assertLess(len(line.removesuffix("\x1b[K")), columns)
        plain = self.train(self.root / "no-terminal").stderr
        self.assertNotIn("\x1b", plain)
        self.assertRegex(plain, r"train  step 6/6 \(100%\)  loss .* tokens/s")


class Results(harness.Base):
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

    def test_adapter_leaves_the_words_of_a_larger_base(self):
        run, merged = self.root / "words-run", self.root / "words-kept"
        self.train(run, steps=1)
        with unittest.mock.patch.object(fixture, "VOCAB", fixture.VOCAB + 4):
            larger = fixture.write_model(self.root / "larger")
        result = svtune("merge", "--model", larger, "--adapter", run / "adapter",
                        "--output", merged)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("trained on a model of 260 words, this one has 264", result.stderr)
        self.assertEqual(json.loads((merged / "config.json").read_text())["vocab_size"], 264)
        # The other way round there are words that nobody has trained.
        with unittest.mock.patch.object(fixture, "VOCAB", fixture.VOCAB - 4):
            smaller = fixture.write_model(self.root / "smaller")
        self.refused(svtune("merge", "--model", smaller, "--adapter", run / "adapter",
                            "--output", self.root / "words-added"), 1, "260 words, the base 256")

    def test_export_says_what_servers_refuse(self):
        run = self.root / "saving-modules"
        self.train(run, "--modules-to-save", "norm", steps=1)
        result = svtune("export", "--model", self.model, "--adapter", run / "adapter",
                        "--output", self.root / "with-modules")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"holds modules_to_save \(.*norm.*\): .* vLLM")

    def test_gguf_file_serves_as_model_and_is_converted(self):
        gguf, converted = fixture.write_gguf(self.root / "model.gguf"), self.root / "converted"
        result = svtune("convert", gguf, converted)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("of fp32 weights", result.stdout)
        self.assertNotIn("rounded", result.stdout)
        self.assertEqual(self.scores("--model", gguf), self.scores("--model", converted))

    def test_convert_says_what_it_rounds(self):
        gguf = fixture.write_gguf(self.root / "exact.gguf")
        result = svtune("convert", gguf, self.root / "rounded", "--dtype", "bf16")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"\d+ of \d+ tensors hold values between those of bf16, which "
                                        r"were rounded; --dtype fp32 keeps every value")

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


if __name__ == "__main__":
    harness.main()
