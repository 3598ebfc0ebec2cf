"""Classes of images: from folders to adapters, predictions and reports, and what is refused."""
import json
import shutil

import image_fixture
import test_formats
from harness import Base, main, steps_of, svtune


class Images(Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vit = image_fixture.write_vit(cls.root / "vit")
        cls.train_images = image_fixture.write_folder(cls.root / "images", 8, seed=1)
        cls.test_images = image_fixture.write_folder(cls.root / "others", 4, seed=2)

    def arguments(self, output, *more, method="lora", steps=12):
        own = ["--rank", 4, "--dropout", 0.1] if method == "lora" else []
        return ["train", "--task", "classify", "--model", self.vit, "--data", self.train_images,
                "--output", output, "--method", method, *own, "--max-steps", steps,
                "--batch-size", 6, "--gradient-accumulation", 1, "--learning-rate", 1e-2,
                "--threads", 1, *more]

    def learn(self, output, *more, **options):
        result = svtune(*self.arguments(output, *more, **options))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def measure(self, *more):
        result = svtune("eval", "--task", "classify", "--threads", 1, *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout


class Learning(Images):
    def test_inspect_shows_a_model_without_a_head(self):
        headless = self.root / "headless"
        shutil.copytree(self.vit, headless)
        config = json.loads((headless / "config.json").read_text())
        (headless / "config.json").write_text(json.dumps(config | {"architectures": ["ViTModel"]}))
        shown = svtune("inspect", headless)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("Family vit", shown.stdout)
        self.assertIn("No head", shown.stdout)

    def test_weights_of_a_model_without_a_head_are_looked_at(self):
        run = self.root / "compared"
        self.learn(run)
        for more in (("--spectrum",), ("--compare", run), ("--compare", f"a={run / 'adapter'}")):
            with self.subTest(more=more):
                shown = svtune("inspect", self.vit, *more)
                self.assertEqual(shown.returncode, 0, shown.stderr)
                self.assertIn("query", shown.stdout)
                self.assertNotIn("classifier", shown.stdout)

    def test_methods_learn_and_what_they_saved_predicts(self):
        for method, more in (("lora", []), ("svft", []), ("full", ["--part", "head"])):
            with self.subTest(method=method):
                run = self.root / f"run-{method}"
                output = self.learn(run, "--eval-data", self.test_images, *more, method=method)
                self.assertIn("24 records; labels: blue 8 (33.3 %), green 8", output.stdout)
                points = [json.loads(line) for line in
                          (run / "metrics.jsonl").read_text().splitlines()]
                self.assertLess(points[-1]["eval_loss"], points[0]["loss"])
                predictions = self.root / f"{method}.jsonl"
                trained = (["--model", run / "model"] if method == "full" else
                           ["--model", self.vit, "--adapter", run / "adapter"])
                text = self.measure(*trained, "--data", self.test_images, "--bootstrap", 50,
                                    "--predictions", predictions)
                self.assertIn("(12 documents)", text)
                rows = [json.loads(line) for line in predictions.read_text().splitlines()]
                self.assertEqual([row["label"] for row in rows],
                                 ["blue"] * 4 + ["green"] * 4 + ["red"] * 4)
                self.assertEqual(rows[0]["path"], str(self.test_images / "blue/00.png"))
                right = sum(row["predicted"] == row["label"] for row in rows) / len(rows)
                self.assertEqual(right, points[-1]["eval_accuracy"])
                self.assertTrue(all(1 / 3 <= row["probability"] <= 1 for row in rows))
                table = test_formats.Table(test_formats.sections("formats.md")["Lines of eval --predictions"])
                self.assertEqual({name for row in rows for name in table.fields_of(row)} - table.all, set())
                lost = svtune("eval", "--task", "classify", *trained, "--data", self.test_images,
                              "--predictions", self.root / "no" / "rows.jsonl")
                self.refused(lost, 1, "rows.jsonl: cannot create")
                self.assertNotIn("eval  ", lost.stderr, "nothing is measured for a lost file")

    def test_report_shows_confusions_and_pictures(self):
        run = self.root / "reported"
        self.learn(run, "--eval-data", self.test_images, steps=1)
        page = (run / "report.html").read_text()
        self.assertIn('<table class="confusion">', page)
        # At most twelve of each kind, and eight right ones.
        self.assertGreaterEqual(page.count('<img src="data:image/png;base64,'), 8)
        self.assertLess(len(page), 400_000)

    def test_few_of_each_class_are_learned(self):
        run = self.root / "few"
        output = self.learn(run, "--shots", 2, "--eval-shots", 1, steps=1).stdout
        self.assertIn("6 records; labels: blue 2 (33.3 %)", output)
        self.assertIn("3 records; labels: blue 1 (33.3 %)", output)

    def test_saved_models_and_adapters_keep_the_preparation(self):
        run = self.root / "kept"
        self.learn(run, steps=1)
        merged = self.root / "merged"
        result = svtune("merge", "--model", self.vit, "--adapter", run / "adapter",
                        "--output", merged)
        self.assertEqual(result.returncode, 0, result.stderr)
        for folder in (run / "adapter", merged):
            self.assertEqual(json.loads((folder / "preprocessor_config.json").read_text()),
                             image_fixture.PREPROCESSOR)
        data = ["--data", self.test_images, "--bootstrap", 0]
        texts = [self.measure("--model", merged, *data),
                 self.measure("--model", self.vit, "--adapter", run / "adapter", *data)]
        accuracies = [text.split(",")[0] for text in texts]
        self.assertRegex(accuracies[0], r"^accuracy [0-9.]+ %$")
        self.assertEqual(accuracies[0], accuracies[1])

    def test_a_model_of_other_classes_gets_a_new_head_when_asked(self):
        model = image_fixture.write_vit(self.root / "pets", labels=("cat", "dog"))
        arguments = self.arguments(self.root / "colours", steps=1)
        arguments[arguments.index(self.vit)] = model
        self.refused(svtune(*arguments), 1, 'the label "blue" is none of cat, dog',
                     "--labels data learns the classes of the data")
        result = svtune(*arguments, "--labels", "data")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the head of 2 labels", result.stderr)
        text = self.measure("--model", model, "--adapter", self.root / "colours/adapter",
                            "--data", self.test_images, "--bootstrap", 0)
        self.assertIn("(12 documents)", text)

    def test_dry_run_writes_nothing(self):
        run = self.root / "dry"
        output = self.learn(run, "--dry-run").stdout
        self.assertIn("Peak memory (predicted)", output)
        self.assertIn("Time (predicted)", output)
        self.assertFalse(run.exists())


class Resuming(Images):
    def test_a_stopped_run_goes_on_to_the_same_bytes_though_its_images_moved(self):
        whole, parts = self.root / "whole", self.root / "parts"
        even = ["--schedule", "constant", "--warmup-ratio", 0]  # whatever the length
        self.learn(whole, *even, steps=6)
        self.learn(parts, *even, steps=3)
        moved = self.root / "moved"
        shutil.copytree(self.train_images, moved)
        arguments = self.arguments(parts, "--resume", *even, steps=6)
        arguments[arguments.index(self.train_images)] = moved
        result = svtune(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("Resumed at step 3", result.stdout)
        self.assertEqual(steps_of(parts), list(range(1, 7)))
        self.same_files(whole / "adapter", parts / "adapter")
        changed = next((moved / "red").iterdir())
        shutil.copy(next((moved / "blue").iterdir()), changed)
        self.refused(svtune(*arguments), 1, "the training data have changed")


class Refusals(Images):
    def image_folder(self, name):
        return shutil.copytree(self.test_images, self.root / name)

    def refuse(self, code, *parts, more=(), data=None, model=None):
        run = self.root / "refused"
        arguments = self.arguments(run, *more, steps=1)
        for old, new in ((self.train_images, data), (self.vit, model)):
            if new is not None:
                arguments[arguments.index(old)] = new
        self.refused(svtune(*arguments), code, *parts)
        self.assertFalse(run.exists())

    def test_a_truncated_file_is_named_and_can_be_left_out(self):
        folder = self.image_folder("truncated")
        broken = folder / "green/02.png"
        broken.write_bytes(broken.read_bytes()[:60])
        self.refuse(1, "green/02.png", data=folder)
        output = self.root / "skipped"
        arguments = self.arguments(output, "--skip-bad-lines", steps=1)
        arguments[arguments.index(self.train_images)] = folder
        result = svtune(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("green/02.png", result.stderr)

    def test_classes_that_do_not_fit(self):
        other = self.image_folder("other-class")
        (other / "red").rename(other / "violet")
        self.refuse(1, 'the label "violet" is none of blue, green, red',
                    more=["--eval-data", other])
        empty = self.image_folder("empty-class")
        (empty / "yellow").mkdir()
        for part, more in (("yellow", ["--eval-data", empty]), ("blue", ["--shots", 9])):
            result = svtune(*self.arguments(self.root / "refused", *more))
            self.assertEqual(result.returncode, 1, result.stderr)
            self.assertIn(part, result.stderr)

    def test_parts_of_a_data_set_and_pictures_alone_are_no_classes(self):
        parts = self.root / "parts-of-data"
        for name in ("Train", "Test"):
            shutil.copytree(self.test_images, parts / name)
        self.refuse(1, "parts of a data set, no classes: Test, Train", data=parts)
        self.refuse(1, "is a picture (PNG)", "folder of folders", data=self.test_images / "red/00.png")

    def test_names_in_two_forms_of_unicode_are_told_apart(self):
        ours, theirs = self.image_folder("composed"), self.image_folder("decomposed")
        (ours / "red").rename(ours / "ros\u00e9")
        (theirs / "red").rename(theirs / "rose\u0301")
        self.refuse(1, "is none of blue, green, ros\u00e9", "Unicode", data=ours,
                    more=["--eval-data", theirs])

    def test_an_adapter_that_is_not_there_is_no_fault_of_the_model(self):
        result = svtune("eval", "--task", "classify", "--model", self.vit, "--data", self.test_images,
                        "--adapter", self.root / "no-adapter")
        self.refused(result, 1, "no-adapter: no such adapter directory")

    def test_models_and_options_of_the_other_kind(self):
        self.refuse(2, "reads text", model=self.model)
        for length in (64, 512):  # the second is what it is without the option
            self.refuse(2, "--max-length applies only to models that read text",
                        more=["--max-length", length])
        self.refuse(2, "--label-column says how a table of images is read",
                    more=["--label-column", "a"])
        self.refuse(2, "--text-columns applies only", more=["--text-columns", "a"])
        self.refuse(2, "--image-size 24", "16 x 16", more=["--image-size", 24])
        self.refuse(2, "patches of 8", more=["--image-size", 20])
        self.refuse(2, "does not go with --eval-data", more=["--eval-shots", 1, "--eval-data",
                                                      self.test_images])
        language = svtune("train", "--model", self.vit, "--data", self.data, "--output",
                          self.root / "language")
        self.refused(language, 2, "has no words to learn")
        headed = image_fixture.write_vit(self.root / "headed", labels=image_fixture.COLOURS)
        self.refused(svtune("eval", "--model", headed, "--data", self.data), 2, "no words")
        self.refused(svtune("eval", "--task", "classify", "--model", headed, "--data",
                            self.test_images, "--max-length", 512), 2, "--max-length")
        self.refused(svtune("generate", "--model", headed, "--prompt", "a"), 1, "images")

    def test_a_model_without_its_preparation(self):
        bare = shutil.copytree(self.vit, self.root / "bare")
        (bare / "preprocessor_config.json").unlink()
        self.refuse(1, "preprocessor_config.json: is missing", model=bare)


if __name__ == "__main__":
    main()
