"""Decompositions as a user meets them: cached, of any range, drawn, and too coarse in 16 bits."""
import json
import os
import random
import shlex
import shutil
from unittest import mock

import fixture
import harness
from harness import svtune


class Decompositions(harness.Base):
    """Weights of 64 rows and columns and more: what is decomposed is cached."""
    SIZES = {"HIDDEN": 64, "INNER": 96, "HEAD_DIM": 16, "KV_HEADS": 4}
    WEIGHTS = 14

    @classmethod
    def setUpClass(cls):
        with mock.patch.multiple(fixture, **cls.SIZES):
            super().setUpClass()

    def with_cache(self, place, *arguments):
        environment = {**os.environ, "SVTUNE_CACHE_DIR": str(place)}
        return svtune(*arguments, env=environment)

    def pissa(self, name, place, *more):
        result = self.with_cache(place, *self.train_arguments(
            self.root / name, *more, method="pissa", steps=2))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def test_second_run_reads_and_a_damaged_entry_is_made_anew(self):
        place = self.root / "cache"
        first = self.pissa("first", place)
        self.assertNotIn("read from the cache", first.stdout)
        self.assertIn("Certificate: worst residual", first.stdout)
        second = self.pissa("second", place)
        self.assertIn(f"{self.WEIGHTS} read from the cache", second.stdout)
        listed = self.with_cache(place, "cache", "list").stdout
        self.assertIn(f"{self.WEIGHTS} entries, ", listed)
        entry = next((place / "svd").iterdir())
        entry.write_bytes(entry.read_bytes()[:-1] + b"?")
        third = self.pissa("third", place)
        self.assertIn(f"{self.WEIGHTS - 1} read from the cache", third.stdout)
        self.assertIn("1 damaged entries", third.stderr)
        for name in ("second", "third"):
            self.same_files(self.root / "first" / "adapter", self.root / name / "adapter")
        self.assertIn(f"Removed {self.WEIGHTS} entries",
                      self.with_cache(place, "cache", "clear").stdout)
        self.assertIn("0 entries", self.with_cache(place, "cache", "list").stdout)

    def test_a_place_that_cannot_be_written_to_is_a_warning(self):
        (self.root / "file").write_text("in the way")
        blocked = self.pissa("blocked", self.root / "file" / "cache")
        self.assertIn("warning: decompositions are not cached: ", blocked.stderr)
        place = self.root / "unused"
        self.pissa("without", place, "--no-svd-cache")
        self.assertFalse(place.exists())
        self.same_files(self.root / "blocked" / "adapter", self.root / "without" / "adapter")

    def test_range_of_singular_values_trains_saves_and_loads(self):
        place = self.root / "ranges"
        self.pissa("range", place, "--singular-values", "3:7")
        again = self.with_cache(place, "train", "--config", self.root / "range" / "config.json",
                                "--output", self.root / "range-again")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.same_files(self.root / "range" / "adapter", self.root / "range-again" / "adapter")
        self.assertEqual(json.loads((self.root / "range" / "config.json").read_text())[
            "singular_values"], "3:7")
        scored = svtune("eval", "--model", self.model, "--adapter", self.root / "range" / "adapter",
                        "--data", self.data, "--template", "alpaca")
        self.assertEqual(scored.returncode, 0, scored.stderr)
        self.refused(svtune(*self.train_arguments(self.root / "no", "--singular-values", "3:8",
                                                  method="pissa")), 2, "5 values", "rank is 4")
        self.refused(svtune(*self.train_arguments(self.root / "fast", "--singular-values", "3:7",
                                                  "--svd", "fast", method="pissa")),
                     2, "--svd fast finds principal")

    def test_a_basis_that_is_recomputed_on_loading_is_read(self):
        place, run = self.root / "bases", self.root / "recomputed"
        trained = self.with_cache(place, *self.train_arguments(run, method="svft", steps=2))
        self.assertEqual(trained.returncode, 0, trained.stderr)

        def scored():
            result = self.with_cache(place, "eval", "--model", self.model, "--adapter",
                                     run / "adapter", "--data", self.data, "--template", "alpaca")
            self.assertEqual(result.returncode, 0, result.stderr)
            return result
        first = scored()
        entries = list((place / "svd").iterdir())
        self.assertEqual(len(entries), self.WEIGHTS)
        entries[0].write_bytes(b"damaged")
        second = scored()
        self.assertIn("1 damaged entries", second.stderr)
        self.assertEqual(first.stdout, second.stdout)

    def test_compact_adapters_say_how_peft_gets_them(self):
        for method, more in (("svft", ()), ("pissa", ("--initial-factors", "recompute"))):
            with self.subTest(method=method):
                run = self.root / f"compact {method}'s"
                trained = svtune(*self.train_arguments(run, *more, method=method, steps=2))
                self.assertEqual(trained.returncode, 0, trained.stderr)
                self.assertEqual(sorted(p.name for p in (run / "adapter").iterdir()
                                        if p.name.startswith(("adapter", "svtune"))),
                                 ["svtune.json", "svtune_state.safetensors"])
                shown = svtune("inspect", run / "adapter")
                self.assertEqual(shown.returncode, 0, shown.stderr)
                self.assertIn(f'"method": "{method}"', shown.stdout)
                lines = trained.stdout.splitlines()
                command = shlex.split(lines[lines.index("For PEFT, as a LoRA:") + 1])
                self.assertEqual(command[0], "svtune")
                exported = svtune(*command[1:])
                self.assertEqual(exported.returncode, 0, exported.stderr)
                self.assertTrue((run / "lora" / "adapter_model.safetensors").exists())
        lora = svtune(*self.train_arguments(self.root / "plain", steps=2))
        self.assertNotIn("For PEFT", lora.stdout)

    def test_spectrum_of_a_run_is_drawn(self):
        place, page = self.root / "spectra", self.root / "spectrum.html"
        self.pissa("drawn", place)
        shown = self.with_cache(place, "inspect", self.root / "drawn", "--spectrum",
                                "--output", page)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        for text in ("q_proj", "down_proj", "rank 4", "principal"):
            self.assertIn(text, shown.stdout)
        self.assertIn("Where the update lies", page.read_text())
        each = self.with_cache(place, "inspect", self.model, "--spectrum", "--tensors")
        self.assertIn(f"{self.WEIGHTS} decompositions read", each.stdout)
        self.assertIn("model.layers.1.mlp.up_proj", each.stdout)
        self.assertNotIn("medium", each.stdout)
        for more in (("--spectrum",), ("--compare", self.root / "drawn")):
            nowhere = svtune("inspect", self.model, *more, "--output", self.root / "no" / "p.html")
            self.refused(nowhere, 1, "p.html: cannot create")
            self.assertEqual(nowhere.stdout, "", "nothing is computed for a page without a place")
        self.refused(svtune("inspect", self.model, "--rank", 3), 2,
                     "--rank: applies only with --spectrum")


def cancelling_tensors(loud, seed=2):
    """A model whose inputs cancel the strong direction of one weight: entries of each word's
    embedding come in pairs of opposite signs, and those of v_proj are 16 and a little. Every number
    is one of bf16, so that x Wᵀ is exact; U and V rounded to bf16 no longer cancel. A `loud` model has
    large logits: what any layer is off by shows in the loss."""
    rng = random.Random(seed)
    tensors = fixture.model_tensors(seed)
    shape, values = tensors["model.embed_tokens.weight"]
    for i in range(0, len(values), 2):
        values[i] = rng.randint(-12, 12) / 64
        values[i + 1] = -values[i]
    values = tensors["model.layers.0.self_attn.v_proj.weight"][1]
    values[:] = [16 + rng.randint(-3, 3) / 8 for _ in values]
    if loud:
        head = tensors["lm_head.weight"][1]
        head[:] = [round(64 * value) / 8 for value in head]
    return tensors


class FactoredSvft(harness.Base):
    """The products of U and V alone, where their rounding moves the loss."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ordinary = cls.model, cls.data
        cls.one_layer = (fixture.write_model(cls.root / "cancelling", tensors=cancelling_tensors(False)),
                         cls.data)
        # The same word over and over: tokens are off alike, and their mean shows it.
        words = cls.root / "words.jsonl"
        words.write_text("".join(json.dumps({"query": "b", "response": "a" * length}) + "\n"
                                 for length in range(40, 56)))
        cls.many_layers = (fixture.write_model(cls.root / "loud", tensors=cancelling_tensors(True)), words)

    def started(self, name, *more, source):
        arguments = self.train_arguments(self.root / name, *more, method="svft", steps=2)
        model, data = source
        arguments[arguments.index("--model") + 1] = model
        arguments[arguments.index("--data") + 1] = data
        result = svtune(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        line = next(l for l in result.stdout.splitlines() if l.startswith("Loss before step 1"))
        base, adapted = line.split("base model ")[1].split(", svft ")
        record = json.loads((self.root / name / "adapter" / "svtune.json").read_text())
        shown = result.stdout + result.stderr
        return float(base), float(adapted), record["options"]["delta_layers"], shown

    KEPT = "layers keep the base's weights"
    BAD = "model.layers.0.self_attn.v_proj"

    def same_when_asked_for(self, name, kept, source):
        """The same from the first on, to the bit, in the adapter and in what follows from it."""
        asked = name + "-asked"
        *_, shown = self.started(asked, "--dtype", "bf16", "--delta-layers", ",".join(kept), source=source)
        self.assertNotIn(self.KEPT, shown)
        self.same_files(self.root / name / "adapter", self.root / asked / "adapter")
        losses = [svtune("eval", "--model", source[0], "--data", source[1], "--template", "alpaca",
                         "--adapter", self.root / run / "adapter", "--dtype", "bf16").stdout
                  for run in (name, asked)]
        self.assertTrue(losses[0])
        self.assertEqual(*losses)

    def test_a_layer_whose_rounded_factors_miss_its_output_keeps_the_base_alone(self):
        base, adapted, kept, shown = self.started("one", "--dtype", "bf16", source=self.one_layer)
        self.assertIn(f"products of 1 of 14 {self.KEPT}", shown)
        self.assertEqual(kept, [self.BAD])
        self.assertAlmostEqual(adapted, base, delta=1e-3 * base)
        self.same_when_asked_for("one", kept, self.one_layer)

    def test_the_loss_is_near_where_all_tokens_are_off_alike(self):
        base, adapted, kept, shown = self.started("many", "--dtype", "bf16", source=self.many_layers)
        self.assertIn(f"products of {len(kept)} of 14 {self.KEPT}", shown)
        self.assertEqual(kept[0], self.BAD)
        self.assertAlmostEqual(adapted, base, delta=1e-3 * base)
        self.same_when_asked_for("many", kept, self.many_layers)

    def test_a_run_that_goes_on_keeps_what_it_found(self):
        self.started("whole", "--dtype", "bf16", "--save-every", 1, source=self.one_layer)
        run = shutil.copytree(self.root / "whole", self.root / "stopped")
        shutil.rmtree(run / "checkpoints" / "step-2")
        shutil.rmtree(run / "adapter")
        result = svtune("train", "--config", run / "config.json", "--output", run, "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Resumed at step 1", result.stdout)
        self.same_files(self.root / "whole" / "adapter", run / "adapter")

    def test_elsewhere_they_stay(self):
        for name, dtype, source in (("wide", "fp32", self.many_layers), ("ordinary", "bf16", self.ordinary)):
            with self.subTest(name):
                base, adapted, kept, shown = self.started(name, "--dtype", dtype, source=source)
                self.assertNotIn(self.KEPT, shown)
                self.assertEqual(kept, [])
                self.assertAlmostEqual(adapted, base, delta=1e-3 * base)

    def test_all_layers_keep_the_base_where_that_is_asked(self):
        base, adapted, kept, shown = self.started("delta", "--dtype", "bf16", "--product", "delta",
                                                  source=self.many_layers)
        self.assertNotIn(self.KEPT, shown)
        self.assertEqual((adapted, kept), (base, []))


if __name__ == "__main__":
    harness.main()
