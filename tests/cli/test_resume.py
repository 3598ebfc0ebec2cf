"""What a resumed run may be given anew, what is refused, and where its files may lie."""
import json
import os
import pathlib
import re
import shutil

import fixture
import harness
from harness import contents, steps_of, svtune


class Resuming(harness.Base):
    def begin(self, name, *more, steps=4, **options):
        run = self.root / name
        self.train(run, "--save-every", 3, *more, steps=steps, **options)
        return run

    def resume(self, run, *more, **options):
        return svtune("train", "--config", run / "config.json", "--resume", *more, **options)

    def goes_on(self, run, *more, **options):
        result = self.resume(run, *more, **options)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def stays_out(self, run, result, code, *parts):
        """Refused briefly and by name; `run` as it was: compare with before."""
        self.refused(result, code, *parts)
        self.assertLess(len(result.stderr), 1200)

    def other_data(self, name):
        """The rows of self.data with as many bytes each, every second one changed."""
        rows = self.data.read_text().splitlines()
        for i in range(0, len(rows), 2):
            rows[i] = rows[i].replace("What", "When")
        path = self.root / name
        path.write_text("\n".join(rows) + "\n")
        return path


class Refusals(Resuming):
    def test_options_that_make_another_run_are_named_and_nothing_is_touched(self):
        run = self.begin("options")
        before = contents(run)
        for flag, *value in (
                ["--rank", 8], ["--alpha", 64], ["--rslora"], ["--dropout", 0.5],
                ["--init", "gaussian"], ["--rank-pattern", "q_proj=2"],
                ["--target-modules", "q_proj"], ["--exclude-modules", "q_proj"],
                ["--seed", 7], ["--batch-size", 2],
                ["--gradient-accumulation", 2], ["--max-length", 64], ["--no-packing"],
                ["--train-on-prompt"], ["--learning-rate", 0.01], ["--schedule", "linear"],
                ["--warmup-ratio", 0.5], ["--weight-decay", 0.1], ["--max-grad-norm", 0.5],
                ["--template", "raw"], ["--base-dtype", "nf4"], ["--dtype", "bf16"],
                ["--method", "pissa"], ["--model-dropout", "off"]):
            with self.subTest(flag=flag, value=value):
                name = flag.replace("--no-", "--")
                self.stays_out(run, self.resume(run, flag, *value), 1, name)
                self.assertEqual(contents(run), before)
        # These contradict the other options before they are compared with the run's.
        for more, named in ((["--layers-to-transform", 1], "--layers-to-transform"),
                            (["--method", "full"], "rank: no option of --method full")):
            with self.subTest(more=more):
                self.stays_out(run, self.resume(run, *more), 2, named)
                self.assertEqual(contents(run), before)
        self.stays_out(run, self.resume(run, "--rank", 8), 1, "--rank was 4, got 8")
        self.stays_out(run, self.resume(run, "--rank-pattern", "q_proj=2"), 1,
                       "--rank-pattern was empty, got q_proj=2")
        self.stays_out(run, self.resume(run, "--max-steps", 2), 2, "4 steps already")
        self.assertEqual(contents(run), before)
        self.goes_on(run)

    def test_a_run_from_before_model_dropout_goes_on_without_it(self):
        config = json.loads((self.model / "config.json").read_text()) | {"attention_dropout": 0.1}
        self.model = shutil.copytree(self.model, self.root / "dropping")
        (self.model / "config.json").write_text(json.dumps(config))
        run = self.begin("older", "--model-dropout", "off")
        options = json.loads((run / "config.json").read_text())
        self.assertEqual(options.pop("model_dropout"), "off")
        (run / "config.json").write_text(json.dumps(options))
        self.stays_out(run, self.resume(run), 1, "attention weights 0.1", "--model-dropout off")
        self.goes_on(run, "--model-dropout", "off")
        self.goes_on(run)

    def test_changed_contents_are_named_and_nothing_is_touched(self):
        for method in ("lora", "pissa", "svft", "full"):
            run = self.begin(f"contents-{method}", method=method)
            before = contents(run)
            changed = self.root / f"changed-{method}"
            shutil.copytree(self.model, changed / "theta")
            config = json.loads((self.model / "config.json").read_text()) | {"rope_theta": 5000.0}
            (changed / "theta" / "config.json").write_text(json.dumps(config))
            tensors = fixture.model_tensors(1)
            tensors["model.norm.weight"][1][3] = 1.5
            for flag, value in (("--model", fixture.write_model(changed / "other", seed=7)),
                                ("--model", fixture.write_model(changed / "norm", tensors=tensors)),
                                ("--model", changed / "theta"),
                                ("--data", self.other_data(f"changed-{method}.jsonl"))):
                with self.subTest(method=method, flag=flag, value=value.name):
                    self.stays_out(run, self.resume(run, flag, value), 1, flag)
                    self.assertEqual(contents(run), before)
            self.goes_on(run)

    def test_another_tokenizer_is_noticed(self):
        run = self.begin("tokenizer")
        before = contents(run)
        other = self.root / "merging"
        shutil.copytree(self.model, other)
        tokenizer = json.loads((other / "tokenizer.json").read_text())
        tokenizer["model"]["vocab"]["Th"] = 257
        tokenizer["model"]["merges"] = ["T h"]
        (other / "tokenizer.json").write_text(json.dumps(tokenizer))
        self.stays_out(run, self.resume(run, "--model", other), 1, "tokenizer")
        self.assertEqual(contents(run), before)

    def test_another_tokenizer_is_noticed_by_a_single_example(self):
        rows = fixture.write_data(self.root / "many.jsonl", rows=200).read_text().splitlines()
        rows[101] = rows[101].replace("What", "Zzz")
        data = self.root / "rare.jsonl"
        data.write_text("\n".join(rows) + "\n")
        run = self.begin("rare", "--data", data)
        before = contents(run)
        other = shutil.copytree(self.model, self.root / "merging-one")
        tokenizer = json.loads((other / "tokenizer.json").read_text())
        tokenizer["model"]["vocab"]["Zz"] = 257
        tokenizer["model"]["merges"] = ["Z z"]
        (other / "tokenizer.json").write_text(json.dumps(tokenizer))
        self.stays_out(run, self.resume(run, "--model", other), 1, "tokenizer")
        self.assertEqual(contents(run), before)

    def test_failing_commands_leave_the_run_alone(self):
        run = self.begin("failing")
        before = contents(run)
        for code, part, *more in ((1, "nowhere", "--model", self.root / "nowhere"),
                                  (1, "nowhere.jsonl", "--data", self.root / "nowhere.jsonl"),
                                  (1, "nowhere.jsonl", "--eval-data", self.root / "nowhere.jsonl"),
                                  (2, "--eval-every", "--eval-every", 3),
                                  (2, "--max-steps", "--max-steps", "x")):
            with self.subTest(part=part):
                self.stays_out(run, self.resume(run, *more), code, part)
                self.assertEqual(contents(run), before)
        self.refused(svtune("train", "--config", run / "config.json"), 1, "--resume")
        self.assertEqual(contents(run), before)

    def test_checkpoints_that_are_all_damaged_stay_as_they_are(self):
        run = self.begin("damaged")
        for state in (run / "checkpoints").glob("step-*/state.safetensors"):
            state.write_bytes(state.read_bytes()[:-1] + b"x")
        before = contents(run)
        self.stays_out(run, self.resume(run), 1, "none of the checkpoints")
        self.assertEqual(contents(run), before)

    def test_a_damaged_checkpoint_stays_where_the_run_is_refused(self):
        run = self.begin("damaged-latest")
        state = run / "checkpoints" / "step-4" / "state.safetensors"
        state.write_bytes(state.read_bytes()[:-1] + b"x")
        before = contents(run)
        self.stays_out(run, self.resume(run, "--max-steps", 2), 2, "3 steps already")
        self.assertEqual(contents(run), before)
        self.assertIn("set aside as damaged-step-4", self.goes_on(run).stderr)

    def test_files_of_the_run_that_cannot_be_read_refuse_it_before_any_changes(self):
        for name, part in (("report.json", "goes on, and its report tells less"),
                           ("metrics.jsonl", "is a directory"),
                           ("checkpoints/inputs.json", "has no usable model"),
                           ("checkpoints/initialisation.json", '"options" must be an object')):
            with self.subTest(name):
                run = self.begin("unread-" + pathlib.Path(name).stem)
                (run / name).unlink()
                if name == "metrics.jsonl":
                    (run / name).mkdir()
                else:
                    (run / name).write_text("{}" if "/" in name else '{"name": ')
                before = contents(run)
                self.stays_out(run, self.resume(run, "--max-steps", 6), 1, name, part)
                self.assertEqual(contents(run), before)

    def test_what_stands_in_the_place_of_a_result_refuses_the_run_before_its_steps(self):
        for name, make in (("adapter-best", lambda path: path.write_text("mine")),
                           ("adapter-best", lambda path: path.symlink_to("nowhere")),
                           ("report.html", lambda path: (path.unlink(), path.mkdir()))):
            with self.subTest(name):
                run = self.begin(f"place-{len(list(self.root.iterdir()))}")
                make(run / name)
                before = contents(run)
                self.stays_out(run, self.resume(run, "--max-steps", 6), 1, name, "Move it away")
                self.assertEqual(contents(run), before)

    def test_a_linked_result_stays_a_link(self):
        run, place = self.begin("linked"), self.root / "linked-place"
        (run / "adapter").rename(place)
        (run / "adapter").symlink_to(place)
        before = (place / "adapter_model.safetensors").read_bytes()
        self.goes_on(run, "--max-steps", 6)
        self.assertTrue((run / "adapter").is_symlink())
        self.assertNotEqual((place / "adapter_model.safetensors").read_bytes(), before)

    def test_files_of_others_in_a_result_stay(self):
        for method, result in (("lora", "adapter"), ("full", "model")):
            run = self.begin(f"strange-{method}", method=method)
            before = contents(run / result)
            (run / result / "README.md").write_text("mine")
            (run / result / ".git").mkdir()
            (run / result / ".git" / "HEAD").write_text("mine too")
            self.goes_on(run, "--max-steps", 6)
            after = contents(run / result)
            self.assertNotEqual({name: after.get(name) for name in before}, before)
            self.assertEqual((run / result / "README.md").read_text(), "mine")
            self.assertEqual((run / result / ".git" / "HEAD").read_text(), "mine too")

    def test_a_model_is_no_run(self):
        model = shutil.copytree(self.model, self.root / "no-run")
        before = contents(model)
        for more in ((), ("--resume",)):
            self.refused(svtune(*self.train_arguments(model, *more)), 1, "is a model directory")
        self.assertEqual(contents(model), before)

    def test_a_directory_without_a_run_is_left_alone(self):
        folder = self.root / "mine"
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
        self.refused(svtune(*self.train_arguments(folder, "--resume")), 1, "holds no run")
        self.assertEqual(os.listdir(folder), ["notes.txt"])

    def test_biases_of_a_model_without_any_are_refused_before_anything_is_written(self):
        run = self.root / "biases"
        result = svtune(*self.train_arguments(run, "--part", "biases", method="full"))
        self.refused(result, 2, "no bias")
        self.assertFalse(run.exists())


class Changes(Resuming):
    def test_what_may_change_is_taken(self):
        run = self.begin("changes")
        steps = 4
        for more in (["--save-every", 1], ["--save-minutes", 0], ["--keep-checkpoints", 5],
                     ["--eval-data", self.data, "--eval-every", 2], ["--samples", 1],
                     ["--threads", 2], ["--recompute", "full"], ["--recompute-blocks", 1],
                     ["--max-memory", "64G"]):
            steps += 1
            with self.subTest(more=more):
                output = self.goes_on(run, "--max-steps", steps, *more).stdout
                self.assertIn(f"Resumed at step {steps - 1}", output)
        self.assertEqual(steps_of(run), list(range(1, steps + 1)))

    def test_arithmetic_that_was_chosen_stays_the_runs(self):
        # Chosen by measuring, it may fall otherwise the next day. These weights are fp32, so that
        # bf16 would never be chosen for them.
        run = self.begin("arithmetic")
        inputs = run / "checkpoints/inputs.json"
        inputs.write_text(inputs.read_text().replace('"fp32"', '"bf16"'))
        result = self.goes_on(run, "--max-steps", 6)
        self.assertIn("Arithmetic: fp32 weights, bf16 arithmetic", result.stdout)

    def test_best_evaluation_on_other_data_is_forgotten(self):
        run = self.begin("evaluated", "--eval-data", self.data, "--eval-every", 1)
        other = self.root / "held-out.jsonl"
        fixture.write_data(other, rows=4, seed=9)
        self.goes_on(run, "--eval-data", other, "--max-steps", 6)
        state = json.loads((run / "checkpoints" / "step-6" / "state.json").read_text())
        self.assertGreater(state["best"]["step"], 4)

    def test_files_may_be_found_elsewhere(self):
        run = self.begin("moved")
        other = self.root / "elsewhere"
        shutil.copytree(self.model, other / "model")
        shutil.copy(self.data, other / "renamed.jsonl")
        shutil.move(run, other / "run")
        self.goes_on(other / "run", "--model", other / "model", "--data", other / "renamed.jsonl",
                     "--max-steps", 6)
        self.assertFalse(run.exists())
        self.assertEqual(steps_of(other / "run"), [1, 2, 3, 4, 5, 6])


class Losses(Resuming):
    """What is gone from the run's directory and is not needed to go on is told."""

    def test_steps_without_a_line_are_named(self):
        run = self.begin("lines")
        lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
        (run / "metrics.jsonl").write_text(lines[0] + lines[3])
        result = self.goes_on(run, "--max-steps", 6)
        self.assertIn("metrics.jsonl: holds no line of steps that the run has done: 2 to 3",
                      result.stderr)
        self.assertEqual(steps_of(run), [1, 4, 5, 6])

    def test_the_report_keeps_what_it_knows_without_the_lines(self):
        run = self.begin("no-lines")
        facts = json.loads((run / "report.json").read_text())["facts"]
        (run / "metrics.jsonl").unlink()
        self.assertIn("has done: 1 to 4", self.goes_on(run, "--max-steps", 5).stderr)
        kept = json.loads((run / "report.json").read_text())["facts"]
        self.assertEqual([fact["label"] for fact in kept], [fact["label"] for fact in facts])
        (run / "report.json").unlink()
        self.assertIn("report.json: is gone", self.goes_on(run, "--max-steps", 6).stderr)

    def test_a_run_whose_checkpoints_are_gone_says_that_it_begins_anew(self):
        run = self.begin("no-checkpoints")
        shutil.rmtree(run / "checkpoints")
        self.assertIn("the run has done 4 steps and no checkpoint of them is there; it begins anew",
                      self.goes_on(run).stderr)

    def test_without_the_record_of_its_inputs_the_run_warns(self):
        run = self.begin("no-inputs")
        (run / "checkpoints" / "inputs.json").unlink()
        self.assertIn("checkpoints/inputs.json is not there", self.goes_on(run).stderr)


class Places(Resuming):
    """Relative paths: the command was given from a folder that holds model, data and run."""

    def project(self, name):
        folder = self.root / name
        folder.mkdir()
        shutil.copytree(self.model, folder / "model")
        shutil.copy(self.data, folder / "train.jsonl")
        arguments = self.train_arguments("runs/one", "--save-every", 3, steps=4)
        arguments[2], arguments[4] = "model", "train.jsonl"
        result = svtune(*arguments, cwd=folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return folder

    def test_a_run_goes_on_from_any_working_directory(self):
        folder = self.project("project")
        for cwd, steps in ((self.root, 5), (folder, 6), (folder / "runs" / "one", 7)):
            config = os.path.relpath(folder / "runs" / "one" / "config.json", cwd)
            result = svtune("train", "--config", config, "--resume", "--max-steps", steps, cwd=cwd)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(steps_of(folder / "runs" / "one"), list(range(1, 8)))
        again = svtune("train", "--config", folder / "runs" / "one" / "config.json", "--output",
                       "again", "--max-steps", 2, cwd=self.root)
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertTrue((self.root / "again" / "adapter").is_dir())

    def test_a_project_goes_on_where_it_was_moved_to(self):
        folder = self.project("here")
        run = folder / "runs" / "one"
        self.goes_on(run, "--max-steps", 5)
        there = self.root / "there"
        shutil.move(folder, there)
        self.goes_on(there / "runs" / "one", "--max-steps", 6)
        self.assertFalse(folder.exists())
        self.assertEqual(steps_of(there / "runs" / "one"), [1, 2, 3, 4, 5, 6])


class StartsFromData(Resuming):
    def test_what_was_found_on_data_is_not_looked_for_again(self):
        for init, *more in (["eva", "--rank-spread", 3], ["corda"], ["lora_ga"], ["lora_one"]):
            with self.subTest(init=init):
                run = self.begin(init, "--init", init, "--calibration-batches", 2, *more)
                record = json.loads((run / "checkpoints" / "initialisation.json").read_text())
                self.assertEqual(record["calibration"]["batches"], 2)
                ranks = {layer["rank"] for layer in record["layers"].values()}
                self.assertEqual(len(ranks) > 1, init == "eva", ranks)
                wanted = self.root / f"{init}-wanted"
                shutil.copytree(run / "adapter", wanted)
                shutil.rmtree(run / "checkpoints" / "step-4")
                output = self.goes_on(run).stdout
                self.assertIn("Resumed at step 3", output)
                self.same_files(run / "adapter", wanted)


class Beginnings(Resuming):
    """One command line serves a job that is restarted whatever happened before."""

    def command(self, run):
        return self.train_arguments(run, "--save-every", 1, "--resume", method="pissa", steps=3)

    def check(self, run, begins):
        result = svtune(*self.command(run))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual("Nothing to resume" in result.stdout, begins)
        self.assertEqual(steps_of(run), [1, 2, 3])
        return run / "adapter"

    def test_nothing_begun_a_killed_start_and_a_finished_run(self):
        wanted = self.check(self.root / "absent", True)
        empty = self.root / "empty"
        empty.mkdir()
        self.same_files(self.check(empty, True), wanted)
        killed = self.root / "killed"
        killed.mkdir()
        (killed / ".lock").touch()
        (killed / ".config.json.svtune-tmp-4194305-0").write_text('{"model": ')
        self.same_files(self.check(killed, True), wanted)
        self.assertEqual(list(killed.glob(".config*")), [])
        without_checkpoint = self.root / "no-checkpoint"
        without_checkpoint.mkdir()
        shutil.copy(self.root / "absent" / "config.json", without_checkpoint)
        self.same_files(self.check(without_checkpoint, False), wanted)
        self.same_files(self.check(self.root / "absent", False), wanted)


if __name__ == "__main__":
    harness.main()
