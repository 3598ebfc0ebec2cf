"""Decompositions as a user meets them: cached, of any range, drawn."""
import json
import os
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
                run = self.root / f"compact-{method}"
                trained = svtune(*self.train_arguments(run, *more, method=method, steps=2))
                self.assertEqual(trained.returncode, 0, trained.stderr)
                self.assertEqual(sorted(p.name for p in (run / "adapter").iterdir()
                                        if p.name.startswith(("adapter", "svtune"))),
                                 ["svtune.json", "svtune_state.safetensors"])
                lines = trained.stdout.splitlines()
                command = lines[lines.index("For PEFT, as a LoRA:") + 1].split()
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


if __name__ == "__main__":
    harness.main()
