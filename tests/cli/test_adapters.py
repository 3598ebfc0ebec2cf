"""Counting, comparing, serving and mixing adapters as a user meets them."""
import json
import shutil

import harness
from harness import svtune


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Adapters(harness.Base):
    """One model, two adapters of different methods that have learned something."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, method in (("first", "lora"), ("second", "dora")):
            arguments = harness.Base.train_arguments(cls, cls.root / name, method=method, steps=8)
            arguments[arguments.index("--learning-rate") + 1] = 3e-2
            result = svtune(*arguments)
            assert result.returncode == 0, result.stderr
        cls.both = ("--adapter", f"a={cls.root / 'first' / 'adapter'}",
                    "--adapter", f"b={cls.root / 'second' / 'adapter'}")

    def lines(self, command, rows, *more, name="ask"):
        ask = write_rows(self.root / f"{name}.jsonl", rows)
        out = self.root / f"{name}.out.jsonl"
        result = svtune(command, "--model", self.model, "--input", ask, "--output", out,
                        "--dtype", "fp32", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return rows_of(out)

    def alone(self, command, rows, name, *more):
        adapter = ("--adapter", self.root / name / "adapter") if name else ()
        return self.lines(command, rows, *adapter, *more, name=f"alone-{name}")

    NAMES = [("a", "first"), ("b", "second"), (None, None)]

    def mixed_rows(self, row):
        return [{**row, "adapter": name} for name, _ in self.NAMES * 2] + [dict(row)]

    def test_rows_are_answered_by_the_adapters_they_name(self):
        more = ("--max-new-tokens", 10, "--template", "raw")
        row = {"prompt": "one plus two"}
        got = [each["answer"] for each in
               self.lines("generate", self.mixed_rows(row), *self.both, *more)]
        wanted = [self.alone("generate", [row], name, *more)[0]["answer"] for _, name in self.NAMES]
        self.assertEqual(got, wanted * 2 + wanted[:1])
        self.assertEqual(len(set(wanted)), 3, "the adapters answer alike: nothing was tested")

    def chat(self, lines, *adapters):
        result = svtune("chat", "--model", self.model, *adapters, "--chat-template", "chatml",
                        "--max-new-tokens", 10, "--dtype", "fp32", input=lines)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_a_conversation_goes_on_with_another_adapter(self):
        ask = "one plus two\n/reset\n"
        alone = {letter: self.chat(ask, *(("--adapter", self.root / name / "adapter")
                                          if name else ())).stdout
                 for letter, name in self.NAMES}
        self.assertEqual(len(set(alone.values())), 3, "they answer alike: nothing was tested")
        result = self.chat(f"{ask}/adapter b\n{ask}/adapter\n{ask}/adapter c\n{ask}/adapter a\n"
                           + ask, *self.both)
        wanted = [alone[name] for name in ("a", "b", None, None, "a")]
        self.assertEqual(result.stdout, "".join(wanted))
        self.assertIn('"adapter" is c, allowed are a, b and null', result.stderr)

    def test_rows_are_scored_by_the_adapters_they_name(self):
        row = {"ids": [5, 6, 7, 8, 9, 3, 4]}
        got = [each["logprobs"] for each in
               self.lines("score", self.mixed_rows(row), *self.both)]
        wanted = [self.alone("score", [row], name)[0]["logprobs"] for _, name in self.NAMES]
        for have, want in zip(got, wanted * 2 + wanted[:1]):
            for one, other in zip(have, want):
                self.assertAlmostEqual(one, other, delta=1e-4)

    def loss(self, data, *more):
        result = svtune("eval", "--model", self.model, "--data", data, "--dtype", "fp32",
                        "--template", "alpaca", *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("adapter (", result.stderr, "a column that is read is named as unused")
        return float(result.stdout.split()[1])

    def test_evaluation_takes_each_example_through_its_own(self):
        rows = [json.loads(line) for line in self.data.read_text().splitlines()][:6]
        data = write_rows(self.root / "eval.jsonl",
                          [{**row, "adapter": "ab"[i % 2]} for i, row in enumerate(rows * 2)])
        mixed = self.loss(data, *self.both)
        alone = []
        for name in ("first", "second"):
            data = write_rows(self.root / f"eval-{name}.jsonl", rows)
            alone.append(self.loss(data, "--adapter", self.root / name / "adapter"))
        self.assertNotAlmostEqual(alone[0], alone[1], places=3)
        half = [rows[i % 6] for i in range(12)]
        parts = []
        for k, name in enumerate(("first", "second")):
            data = write_rows(self.root / f"half-{name}.jsonl", half[k::2])
            parts.append(self.loss(data, "--adapter", self.root / name / "adapter"))
        self.assertTrue(min(parts) - 1e-4 <= mixed <= max(parts) + 1e-4, (parts, mixed))

    def test_unknown_name_is_refused_with_its_line(self):
        ask = write_rows(self.root / "bad.jsonl",
                         [{"ids": [1, 2]}, {"ids": [1, 2], "adapter": "c"}])
        result = svtune("score", "--model", self.model, "--input", ask, *self.both)
        self.refused(result, 1, "bad.jsonl:2", "\"adapter\" is c", "a, b")

    def test_merged_mix_is_the_weighted_sum(self):
        out = self.root / "mixed"
        result = svtune("merge", "--model", self.model, *self.both, "--weight", "a=0.25",
                        "--weight", "b=-0.5", "--output", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Largest change", result.stdout)
        again = self.root / "mixed-again"
        svtune("merge", "--model", self.model, *self.both, "--weight", "a=0.25,b=-0.5",
               "--output", again)
        self.same_files(out, again)
        seeded = []
        for name, seed in (("x", 1), ("y", 1), ("z", 2)):
            result = svtune("merge", "--model", self.model, *self.both, "--mix", "dare_ties",
                            "--density", 0.4, "--mix-seed", seed, "--output", self.root / name)
            self.assertEqual(result.returncode, 0, result.stderr)
            seeded.append((self.root / name / "model.safetensors").read_bytes())
        self.assertEqual(seeded[0], seeded[1])
        self.assertNotEqual(seeded[0], seeded[2])

    def test_exported_mix_scores_as_the_merged_one(self):
        first = ("--adapter", f"a={self.root / 'first' / 'adapter'}",
                 "--adapter", f"again={self.root / 'first' / 'adapter'}", "--weight", "a=0.75",
                 "--weight", "again=0.5")
        lora, merged = self.root / "sum-lora", self.root / "sum-merged"
        result = svtune("export", "--model", self.model, *first, "--output", lora)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Wrote a rank 4 LoRA", result.stdout)  # both have the same directions
        result = svtune("merge", "--model", self.model, *first, "--output", merged)
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [{"ids": [5, 6, 7, 8, 9, 3, 4]}]
        exported = self.lines("score", rows, "--adapter", lora, name="lora")[0]["logprobs"]
        out = self.root / "merged.out.jsonl"
        ask = write_rows(self.root / "merged.jsonl", rows)
        svtune("score", "--model", merged, "--input", ask, "--output", out)
        for one, other in zip(exported, rows_of(out)[0]["logprobs"]):
            self.assertAlmostEqual(one, other, delta=1e-4)

    def test_other_prompts_of_a_mix_are_told(self):
        other = self.root / "other-prompts"
        shutil.copytree(self.root / "second" / "adapter", other)
        side = json.loads((other / "svtune.json").read_text())
        trained = side["prompt"]["template"]
        side["prompt"] = {"template": "raw" if trained == "alpaca" else "alpaca"}
        (other / "svtune.json").write_text(json.dumps(side))
        for name, second, told in (("same", self.root / "second" / "adapter", False),
                                   ("other", other, True)):
            result = svtune("merge", "--model", self.model, "--adapter",
                            f"a={self.root / 'first' / 'adapter'}", "--adapter", f"b={second}",
                            "--output", self.root / f"prompts-{name}")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual("b was trained with other prompts than a" in result.stderr, told)

    def test_weight_of_no_adapter_is_refused(self):
        result = svtune("merge", "--model", self.model, *self.both, "--weight", "c=1",
                        "--output", self.root / "never")
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertIn("no adapter is called \"c\", there are a, b", result.stderr)
        self.assertFalse((self.root / "never").exists())

    def test_comparison_shows_runs_adapters_and_models(self):
        page = self.root / "updates.html"
        merged = self.root / "whole"
        svtune("merge", "--model", self.model, "--adapter", self.root / "first" / "adapter",
               "--output", merged)
        result = svtune("inspect", self.model, "--compare", self.root / "first", "--compare",
                        f"d={self.root / 'second' / 'adapter'}", "--compare", merged,
                        "--output", page)
        self.assertEqual(result.returncode, 0, result.stderr)
        for name in ("first", "d", "whole"):
            self.assertIn(f"\n{name}\n", "\n" + result.stdout)
        # Of 14 weights of two layers each, three times.
        self.assertEqual(sum(line.startswith("q_proj") for line in result.stdout.splitlines()), 3)
        self.assertIn("plot-intruders", page.read_text())
        sizes = [line.split()[2] for line in result.stdout.splitlines() if line.startswith("all")]
        self.assertEqual(sizes[0], sizes[2], "an adapter and the model it was merged into")
        refused = svtune("inspect", self.model, "--spectrum", "--compare", self.root / "first")
        self.assertEqual(refused.returncode, 2)

    def test_inspection_shows_parameters_that_an_adapter_names(self):
        adapter = self.root / "experts"
        adapter.mkdir()
        (adapter / "adapter_config.json").write_text(json.dumps({
            "peft_type": "LORA", "r": 2, "target_modules": ["q_proj"],
            "target_parameters": ["experts.down_proj"]}))
        shown = svtune("inspect", adapter)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn('Targets ["q_proj"] and parameters ["experts.down_proj"]\n', shown.stdout)

    def test_count_needs_no_weights_and_agrees_with_training(self):
        alone = self.root / "config.json"
        alone.write_text((self.model / "config.json").read_text())
        counted = svtune("count", "--model", alone, "--method", "dora", "--rank", 4)
        self.assertEqual(counted.returncode, 0, counted.stderr)
        dry = svtune(*self.train_arguments(self.root / "dry", "--dry-run", method="dora"))
        line = [each for each in dry.stdout.splitlines() if each.startswith("Trainable: ")]
        self.assertIn(line[0], counted.stdout.splitlines())
        self.assertIn("Peak memory (predicted): ", counted.stdout)
        result = svtune("count", "--model", self.root / "nothing.json", "--method", "lora")
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    harness.main()
