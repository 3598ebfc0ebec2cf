"""Losses that are not finite, too little memory, full disks: one error line, one hint line, and nothing
of the user's is lost."""
import contextlib
import json
import os
import subprocess

import fixture
import harness
from harness import contents, svtune
from refusing import Refusing


@contextlib.contextmanager
def tmpfs(test, folder, size):
    """A small disk of its own at `folder`; skips where mounting is not allowed."""
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
                           capture_output=True)
    if mount.returncode != 0:
        test.skipTest("mounting a tmpfs needs privileges")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Limits(Refusing):
    def model_that_overflows_on(self, byte):
        """Finite weights whose attention overflows where the text has that byte, only there."""
        tensors = fixture.model_tensors(1)
        hidden = fixture.HIDDEN
        for token in range(fixture.VOCAB):
            tensors["model.embed_tokens.weight"][1][token * hidden + hidden - 1] = (
                1.0 if token == byte else 0.0)
        value = tensors["model.layers.0.self_attn.v_proj.weight"][1]
        value[:hidden] = [0.0] * (hidden - 1) + [1e20]
        output = tensors["model.layers.0.self_attn.o_proj.weight"][1]
        output[::hidden] = [1e20] * hidden
        return fixture.write_model(self.root / "overflowing", tensors=tensors)

    def test_loss_that_is_not_finite_names_the_step_and_keeps_the_one_before(self):
        rows = self.data.read_text().splitlines()
        rows[20] = json.dumps({"query": "~", "response": "~"})
        model = self.model_that_overflows_on(ord("~"))
        for name, more in (("saved", ["--save-every", 1]), ("rescued", [])):
            run = self.root / f"not-finite-{name}"
            arguments = self.train_arguments(run, "--target-modules", "gate_proj", *more, steps=10)
            arguments[2] = model
            arguments[4] = self.data_file("tilde.jsonl", "\n".join(rows) + "\n")
            result = svtune(*arguments)
            step = int(result.stderr.split("error: step ")[1].split(":")[0])
            self.assertGreater(step, 1)
            self.refused(result, 1, "the loss is NaN", f"--resume --max-steps {step - 1}")
            latest = run / "checkpoints" / f"step-{step - 1}"
            self.assertTrue((latest / "COMPLETE").exists())
            self.assertEqual(harness.steps_of(run), list(range(1, step)))
            # What the hint says brings out the adapter.
            saved = svtune("train", "--config", run / "config.json", "--resume", "--max-steps",
                           step - 1)
            self.assertEqual(saved.returncode, 0, saved.stderr)
            self.assertTrue((run / "adapter" / "adapter_model.safetensors").exists())

    def test_too_little_memory_is_predicted_before_anything_is_computed(self):
        # One text of 14 million tokens: attention's tiles alone would take 200 GiB.
        data = self.data_file("long.jsonl", json.dumps({"query": "a " * 7_000_000,
                                                        "response": "b"}) + "\n")
        self.refused_train(1, "of memory", "--batch-size", data=data,
                           more=("--max-length", 1 << 24))

    def test_a_memory_target_below_every_plan_names_the_smallest(self):
        for more in ((), ("--base-dtype", "nf4"), ("--recompute", "full")):
            with self.subTest(more=more):
                self.refused_train(1, "needs at least", "--max-memory allows 1.00 MiB",
                                   "--batch-size", more=("--max-memory", "1M", *more))
        self.refused_train(2, "need a size in bytes", more=("--max-memory", "much"))
        self.refused_train(2, "exclude each other",
                           more=("--max-memory", "4G", "--recompute-blocks", 1))

    def test_full_disk_at_the_start_is_an_error(self):
        with tmpfs(self, self.root / "small", "96k") as disk:
            self.refused(svtune(*self.train_arguments(disk / "run", method="full")), 1,
                         "No space left")

    def test_full_disk_during_a_checkpoint_keeps_the_one_before(self):
        with tmpfs(self, self.root / "filling", "1200k") as disk:
            run = disk / "run"
            self.train(run, "--save-every", 1, method="full", steps=1)
            before = contents(run / "checkpoints")
            with open(disk / "filler", "wb", buffering=0) as filler:
                with contextlib.suppress(OSError):
                    while filler.write(bytes(4096)) == 4096:
                        pass
            result = svtune(*self.train_arguments(run, "--save-every", 1, "--resume",
                                                  method="full", steps=2))
            self.refused(result, 1, "No space left")
            self.assertEqual(contents(run / "checkpoints"), before)
            (disk / "filler").unlink()
            self.train(run, "--save-every", 1, "--resume", method="full", steps=2)
            self.assertEqual(harness.steps_of(run), [1, 2])

    def test_files_beyond_the_limit_of_sizes_are_errors(self):
        run = self.root / "for-limit"
        self.train(run, steps=1)
        adapter = ("--model", self.model, "--adapter", run / "adapter", "--output")
        for command in (("merge", *adapter, self.root / "limited"),
                        tuple(self.train_arguments(self.root / "limited", method="full"))):
            with self.subTest(command[0]):
                before = set(self.root.iterdir())
                line = ["bash", "-c", 'ulimit -f 16; exec "$@"', "bash", *harness.command(*command)]
                result = subprocess.run(line, capture_output=True, text=True, timeout=harness.LIMIT)
                self.refused(result, 1, "File too large", "ulimit -f")
                left = set(self.root.iterdir()) - before
                self.assertLessEqual(left, {self.root / "limited"} if command[0] == "train" else set())

    def test_full_disk_leaves_nothing_half_written(self):
        run = self.root / "for-disk"
        self.train(run, steps=1)
        gguf = fixture.write_gguf(self.root / "for-disk.gguf")
        lines = self.data_file("many.jsonl", '{"ids": [1, 2, 3, 4, 5, 6, 7, 8]}\n' * 300)
        adapter = ("--model", self.model, "--adapter", run / "adapter")
        with tmpfs(self, self.root / "full", "16k") as disk:
            for command in (("merge", *adapter, "--output", disk / "out"),
                            ("export", *adapter, "--output", disk / "out"),
                            ("convert", gguf, disk / "out"),
                            ("score", "--model", self.model, "--input", lines,
                             "--output", disk / "out"),
                            ("tokenize", "--model", self.model, "--input", lines,
                             "--output", disk / "out")):
                with self.subTest(command[0]):
                    self.refused(svtune(*command), 1, "No space left")
                    self.assertEqual(os.listdir(disk), [])


if __name__ == "__main__":
    harness.main()
