"""Quantised bases as a user meets them: written, trained on, resumed, exported, refused."""
import json
import shutil

import harness
from harness import svtune


class Quantized(harness.Base):
    def quantize(self, name, *more):
        rank = [] if "none" in more else ["--rank", 4]
        result = svtune("quantize", "--model", self.model, *rank, "--output", self.root / name,
                        *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def start_losses(self, output):
        line = next(l for l in output.splitlines() if l.startswith("Loss before step 1"))
        base, _, adapted = line.partition("base model ")[2].partition(", ")
        return float(base), float(adapted.rsplit(" ", 1)[1])

    def test_every_start_writes_a_base_that_answers(self):
        for codes, start in (("nf4", "none"), ("fp4", "none"), ("int8", "none"), ("nf4", "loftq"),
                             ("nf4", "qpissa")):
            name = f"{codes}-{start}"
            output = self.quantize(name, "--base-dtype", codes, "--start", start)
            self.assertIn("Error below plain rounding", output)
            adapter = self.root / name / "adapter"
            self.assertEqual(adapter.exists(), start != "none")
            more = ["--adapter", adapter] if adapter.exists() else []
            result = svtune("score", "--model", self.root / name / "base", *more,
                            input='{"text": "How many?"}\n')
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_inspect_says_how_weights_are_stored(self):
        for codes, more, expected in (
                ("nf4", ["--quant-scales", "absmax"], "nf4 in blocks of 64, "),
                ("fp4", ["--quant-block-size", 128], "fp4 in blocks of 128, "),
                ("nf4", ["--double-quant"], "nf4 in blocks of 64, scales in 8 bits, "),
                ("int8", [], "int8 by row, ")):
            name = "-".join(["shown", codes, *map(str, more)])
            self.quantize(name, "--base-dtype", codes, "--start", "none", *more)
            shown = svtune("inspect", self.root / name / "base").stdout
            line = next(l for l in shown.splitlines() if l.startswith("Quantised: "))
            self.assertIn(expected, line)
            # Beside matrices as small as these, the maps weigh as much as the codes.
            bits = float(line.split(" bits per weight")[0].split(" ")[-1])
            self.assertTrue(0 < bits - (8 if codes == "int8" else 4) < 10, line)

    def test_base_and_adapter_train_on(self):
        self.quantize("start", "--start", "qpissa")
        arguments = self.train_arguments(self.root / "more")
        arguments[arguments.index("--method"):arguments.index("--template")] = [
            "--adapter", self.root / "start" / "adapter"]
        arguments[2] = self.root / "start" / "base"
        result = svtune(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        other = svtune("score", "--model", self.model, "--adapter", self.root / "more" / "adapter",
                       input='{"ids": [1, 2, 3]}\n')
        self.refused(other, 1, "another base model")

    def test_training_quantises_for_itself(self):
        for name, more in (("qlora", ["--base-dtype", "nf4"]),
                           ("loftq", ["--base-dtype", "nf4", "--init", "loftq"]),
                           ("int8", ["--base-dtype", "int8"])):
            output = self.train(self.root / f"run-{name}", *more).stdout
            base, start = self.start_losses(output)
            self.assertNotEqual(base, start, name)
            self.assertLess(abs(base - start), 0.2 * base, name)
            self.assertTrue((self.root / f"run-{name}" / "quantized" / "base").is_dir())

    def test_resumed_run_ends_with_the_same_bytes(self):
        options = ["--base-dtype", "nf4", "--quant-iters", 2, "--save-every", 1,
                   "--keep-checkpoints", 100]
        whole, broken = self.root / "whole", self.root / "broken"
        self.train(whole, *options, method="pissa")
        shutil.copytree(whole, broken)
        shutil.rmtree(broken / "adapter")
        checkpoints = sorted((broken / "checkpoints").glob("step-*"),
                             key=lambda path: int(path.name.split("-")[1]))
        self.assertEqual(len(checkpoints), 6)
        for path in checkpoints[3:]:
            shutil.rmtree(path)
        result = svtune(*self.train_arguments(broken, *options, "--resume", method="pissa"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Resumed at step 3", result.stdout)
        weights = "adapter/adapter_model.safetensors"
        self.assertEqual((whole / weights).read_bytes(), (broken / weights).read_bytes())

    def test_a_damaged_quantised_base_is_not_trained_on(self):
        run = self.root / "damaged-base"
        options = ["--base-dtype", "nf4", "--save-every", 1, "--keep-checkpoints", 100]
        self.train(run, *options)
        shutil.rmtree(run / "checkpoints" / "step-6")
        wanted = (run / "adapter/adapter_model.safetensors").read_bytes()
        weights = run / "quantized/base/model.safetensors"
        whole = weights.read_bytes()
        header = json.loads(whole[8:8 + int.from_bytes(whole[:8], "little")])
        name = next(name for name in header if name.endswith("q_proj.weight"))
        place = 8 + int.from_bytes(whole[:8], "little") + header[name]["data_offsets"][0]
        weights.write_bytes(whole[:place] + bytes([whole[place] ^ 0x77]) + whole[place + 1:])
        before = harness.contents(run)
        arguments = self.train_arguments(run, *options, "--resume")
        self.refused(svtune(*arguments), 1, "quantized/base", "is not the quantised base")
        self.assertEqual(harness.contents(run), before)
        shutil.rmtree(run / "quantized")
        result = svtune(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Resumed at step 5", result.stdout)
        self.assertEqual((run / "adapter/adapter_model.safetensors").read_bytes(), wanted)

    def test_answers_of_the_base_are_kept_from_the_start_of_the_run(self):
        def samples(run):
            return json.loads((run / "report.json").read_text())["samples"]

        options = ["--base-dtype", "nf4", "--save-every", 1, "--keep-checkpoints", 100]
        whole, broken = self.root / "answers", self.root / "answers-broken"
        arguments = self.train_arguments(whole, *options)
        arguments[arguments.index("--samples") + 1] = 2
        self.assertEqual(svtune(*arguments).returncode, 0)
        labels = [[each["label"] for each in one["answers"]] for one in samples(whole)]
        self.assertEqual(labels, [["before", "after"]] * 2)
        # What a run that is killed behind its third step leaves.
        shutil.copytree(whole, broken)
        report = json.loads((broken / "report.json").read_text())
        for sample in report["samples"]:
            del sample["answers"][1]
        (broken / "report.json").write_text(json.dumps(report))
        for step in (4, 5, 6):
            shutil.rmtree(broken / "checkpoints" / f"step-{step}")
        arguments[arguments.index("--output") + 1] = broken
        result = svtune(*arguments, "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(samples(whole), samples(broken))

    def test_int8_products_are_told_recorded_and_resumed(self):
        options = ["--base-compute", "int8", "--save-every", 1, "--keep-checkpoints", 100]
        whole, broken = self.root / "int8-products", self.root / "int8-products-broken"
        output = self.train(whole, *options).stdout
        line = next(l for l in output.splitlines() if l.startswith("With int8 products of "))
        self.assertRegex(line, r"^With int8 products of 14 layers: [\d.]+ becomes [\d.]+ \([+-]")
        self.assertIn("int8 products with the frozen matrices", output)
        config = json.loads((whole / "config.json").read_text())
        self.assertEqual(config["base_compute"], "int8")
        facts = json.loads((whole / "report.json").read_text())["facts"]
        self.assertIn("Loss by int8 products", json.dumps(facts))
        shutil.copytree(whole, broken)
        shutil.rmtree(broken / "adapter")
        for step in (4, 5, 6):
            shutil.rmtree(broken / "checkpoints" / f"step-{step}")
        self.refused(svtune(*self.train_arguments(broken, *options[2:], "--resume")), 1,
                     "--base-compute was int8, got exact")
        result = svtune(*self.train_arguments(broken, *options, "--resume"))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Resumed at step 3", result.stdout)
        weights = "adapter/adapter_model.safetensors"
        self.assertEqual((whole / weights).read_bytes(), (broken / weights).read_bytes())
        exact = self.root / "exact-products"
        self.train(exact)
        self.assertNotEqual((whole / weights).read_bytes(), (exact / weights).read_bytes())

    def test_int8_products_go_with_every_base(self):
        for base in ("nf4", "int8"):
            output = self.train(self.root / f"int8-on-{base}", "--base-dtype", base,
                                "--base-compute", "int8").stdout
            self.assertIn("With int8 products of 14 layers", output)

    def test_rehearsal_counts_the_codes(self):
        def weights(*more):
            output = self.train(self.root / "none", "--dry-run", *more).stdout
            return next(l for l in output.splitlines() if l.startswith("  weights: "))

        self.assertNotEqual(weights(), weights("--base-compute", "int8"))

    def test_export_takes_the_residual_along(self):
        self.quantize("residual")
        folder = self.root / "residual"
        result = svtune("export", "--model", folder / "base", "--adapter", folder / "adapter",
                        "--output", self.root / "served")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("not the quantised model", result.stdout)
        for part in ("base/model.safetensors", "adapter/adapter_model.safetensors"):
            self.assertTrue((self.root / "served" / part).exists(), part)

    def test_contradictions_are_refused(self):
        run = self.root / "never"
        self.refused(svtune(*self.train_arguments(run, "--base-dtype", "nf4", method="full")), 2,
                     "--base-dtype")
        self.refused(svtune(*self.train_arguments(run, "--init", "loftq")), 2, "--base-dtype")
        self.refused(svtune(*self.train_arguments(run, "--base-compute", "int8", method="full")), 2,
                     "--base-compute int8", "full")
        self.refused(svtune(*self.train_arguments(run, "--base-dtype", "nf4",
                                                  "--quant-block-size", 48)), 2, "48")
        self.assertFalse(run.exists())
        self.quantize("once", "--start", "none")
        self.refused(svtune("quantize", "--model", self.root / "once" / "base", "--output",
                            self.root / "twice"), 1, "quantised already")
        for more, named in (
                (["--method", "nf4"], "--base-dtype and --start"),
                (["--start", "none", "--rank", 4], "--start loftq or qpissa"),
                (["--base-dtype", "int8", "--double-quant"], "--base-dtype nf4 or fp4")):
            self.refused(svtune("quantize", "--model", self.model, *more, "--output", run), 2,
                         named)
        arguments = self.train_arguments(run, method="pissa")
        arguments[2] = self.root / "once" / "base"
        self.refused(svtune(*arguments), 1, "q_proj", "quantised already")
        self.refused(svtune("quantize", "--model", self.model, "--rank", 17, "--output",
                            self.root / "rank"), 1, "k_proj", "17")


if __name__ == "__main__":
    harness.main()
