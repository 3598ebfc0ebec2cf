"""Bad input and faults: one error line, one hint line, the user's files as they were."""
import json
import os
import shutil
import subprocess

import fixture
import harness
from harness import svtune


class Refusals(harness.Base):
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
    harness.main()
