"""Bad input: one error line, one hint line, the user's files as they were."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import time

import fixture
import harness
from harness import contents, svtune
from refusing import Refusing


class Options(Refusing):
    def test_columns_without_a_file_are_refused(self):
        self.refused(svtune("generate", "--model", self.model, "--prompt", "x",
                            "--columns", "prompt=question"), 2, "--columns", "--input")

    def test_warmup_as_long_as_the_run_is_refused(self):
        self.refused_train(2, "--warmup-steps 500", "2 steps", more=("--warmup-steps", 500))

    def test_what_a_layer_cannot_have_is_refused_before_any_answer(self):
        for more, part in ((("--rank", 500), "rank 500 is impossible"),
                           (("--target-modules", "q_proj,nosuch"), "nosuch")):
            run = self.root / "refused-layer"
            arguments = self.train_arguments(run, "--samples", 2)
            result = svtune(*arguments, *more)
            self.refused(result, 1 if "--rank" in more else 2, part)
            self.assertNotIn("sample", result.stderr.replace("--samples", ""))
            self.assertFalse(run.exists())

    def test_options_without_a_meaning_here_say_where_they_have_one(self):
        for more, *parts in (
                (("--quant-iters", 5), "--quant-iters", "--base-dtype"),
                (("--quant-block-size", 64), "--quant-block-size", "--base-dtype"),
                (("--double-quant",), "--double-quant", "--base-dtype"),
                (("--base-dtype", "nf4", "--quant-iters", 5), "--quant-iters", "loftq"),
                (("--template-file", "nosuch"), "--template-file", "--template is alpaca"),
                (("--chat-template", "nosuch"), "--chat-template", "--template is alpaca"),
                (("--system", "x"), "--system", "--template is alpaca"),
                (("--method", "pissa", "--niter", 4), "--niter", "--svd fast"),
                (("--method", "pissa", "--oversample", 4), "--oversample", "--svd fast"),
                (("--method", "pissa", "--base-dtype", "nf4", "--svd", "fast"), "--svd",
                 "--base-dtype"),
                (("--epochs", 2), "--epochs", "--max-steps", "exclude each other"),
                (("--eval-every", 1), "--eval-every", "--eval-data"),
                (("--no-svd-cache",), "--svd-cache", "--method svft")):
            with self.subTest(more):
                self.refused_train(2, *parts, more=more)

    def test_saved_adapter_brings_its_own_method_and_targets(self):
        self.train(self.root / "begun", steps=1)
        adapter = ("--adapter", self.root / "begun" / "adapter")
        own = ["train", "--model", self.model, "--data", self.data, "--output",
               self.root / "more", *adapter]
        for more in (("--target-modules", "q_proj"), ("--exclude-modules", "v_proj"),
                     ("--method", "lora"), ("--rank", 4), ("--base-dtype", "nf4")):
            self.refused(svtune(*own, *more), 2, more[0] + ": does not go with --adapter")
        # What the first run recorded is no wish, so its configuration serves the second.
        config = json.loads((self.root / "begun" / "config.json").read_text())
        for given in ("method", "rank", "dropout"):
            del config[given]
        recorded = self.data_file("recorded.json", json.dumps(config))
        result = svtune("train", "--config", recorded, "--output", self.root / "more", *adapter)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_names_that_match_nothing_are_refused_with_the_nearest(self):
        named = ("--target-modules", "q_proj,v_proj")
        for more, *parts in (
                (("--target-modules", "q_proj,v_prj"), "v_prj", "v_proj"),
                (("--exclude-modules", "nothing_proj"), "nothing_proj", "exclude_modules"),
                ((*named, "--layers-to-transform", "0,7"), "layers_to_transform 7", "0 to 1"),
                (("--rank-pattern", "foo_proj=8"), "foo_proj", "rank_pattern"),
                ((*named, "--alpha-pattern", "k_proj=8"), "k_proj", "alpha_pattern"),
                ((*named, "--alpha-pattern", "q_proj=0"), "q_proj: got 0, allowed > 0")):
            with self.subTest(more):
                self.refused_train(2, *parts, more=more)
        shown = svtune(*self.train_arguments(self.root / "all", "--dry-run", "--target-modules",
                                             "all-linear,lm_head"))
        self.assertIn("2 x q_proj", shown.stdout)
        self.assertIn("1 x lm_head", shown.stdout)

    def test_empty_paths_are_refused_unless_they_take_something_back(self):
        ask = ("--model", self.model, "--data", self.data, "--template", "alpaca", "--limit", 2)
        self.refused(svtune("eval", *ask, "--adapter", ""), 2, "--adapter: got an empty path")
        self.refused(svtune("report", self.root, "", "--output", self.root / "no.html"), 2,
                     "got an empty path")
        self.refused_train(2, "--config: got an empty path", more=("--config", ""))
        self.refused_train(2, "--eval-data: got an empty path", more=("--eval-data", ""))
        config = self.root / "evaluating.json"
        config.write_text(json.dumps({"eval_data": str(self.root / "nowhere.jsonl")}))
        result = svtune(*self.train_arguments(self.root / "taken-back", "--config", config,
                                              "--eval-data", "", steps=1))
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_empty_names_are_refused_unless_they_take_something_back(self):
        for option in ("--recipe", "--target-regex", "--model-dropout", "--date", "--base-dtype"):
            self.refused_train(2, f"{option}: got", more=(option, ""))
        self.refused(svtune("recipes", ""), 2, "got an empty text")
        config = self.root / "matching.json"
        config.write_text(json.dumps({"target_regex": "nothing", "recipe": "none"}))
        result = svtune(*self.train_arguments(self.root / "regex-back", "--config", config,
                                              "--recipe", "", "--target-regex", "",
                                              "--system", "", steps=1))
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_a_comma_too_many_names_nothing(self):
        for flag in ("--modules-to-save", "--target-modules"):
            self.refused_train(2, f'{flag}: item 2: got ""', more=(flag, "lm_head,"))

    def test_inspecting_files_that_hold_something_else_names_them(self):
        run = self.root / "inspected"
        self.train(run, steps=1)
        for name, *command in (("adapter/adapter_config.json", "inspect", run / "adapter"),
                               ("adapter/svtune.json", "inspect", run / "adapter"),
                               ("config.json", "inspect", run),
                               ("config.json", "inspect", run, "--spectrum")):
            whole = (run / name).read_text()
            for content in ("[]", "null", '"x"'):
                with self.subTest(name=name, content=content):
                    (run / name).write_text(content)
                    self.refused(svtune(*command), 1, pathlib.Path(name).name, "need an object")
            (run / name).write_text(whole)

    def test_prompt_may_look_like_an_option(self):
        result = svtune("generate", "--model", self.model, "--prompt", "--help",
                        "--max-new-tokens", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("Usage", result.stdout)

    def test_unknown_option_suggests_the_nearest(self):
        self.refused(svtune("train", "--learnin-rate", 1), 2, "--learning-rate")

    def test_unknown_command_suggests_the_nearest(self):
        self.refused(svtune("trian"), 2, "train")

    def test_values_out_of_range_name_the_limits(self):
        self.refused_train(2, "--rank", "1 to 65536", more=("--rank", 0))
        self.refused_train(2, "--learning-rate", '"x"', more=("--learning-rate", "x"))
        self.refused_train(2, "lora", more=("--method", "lorra"))

    def test_impossible_rank_names_the_layer(self):
        self.refused_train(1, "k_proj", "1 to 16", more=("--rank", 17))
        self.refused_train(1, "k_proj", more=("--method", "pissa", "--rank", 17))

    def test_targets_that_match_nothing_list_what_there_is(self):
        self.refused_train(2, "foo", "q_proj", more=("--target-modules", "foo"))

    def test_configuration_files_are_checked_like_the_command_line(self):
        bad = self.data_file("bad.json", '{"rank": "x", "foo": 3}')
        self.refused_train(2, "bad.json", "rank", "foo", more=("--config", bad))
        broken = self.data_file("broken.json", '{"rank": 3')
        self.refused_train(1, "broken.json", "1:11", more=("--config", broken))


class Models(Refusing):
    def test_missing_files_are_named(self):
        for command in ("score", "tokenize"):
            self.refused(svtune(command, "--model", self.root / "none", input=""), 1,
                         "none: no such model directory")
        self.refused_train(1, "none: no such model directory", model=self.root / "none")
        self.refused_score(self.model_with("no-weights", model_safetensors=None), "safetensors")
        self.refused_score(self.model_with("no-config", config_json=None), "config.json")

    def test_hostile_safetensors_name_file_and_tensor(self):
        def entry(begin, end, shape=(4,), dtype="F32"):
            return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}

        headers = {
            "overlap": ({"a": entry(0, 16), "b": entry(8, 24)}, "overlap"),
            "hole": ({"a": entry(0, 16), "b": entry(32, 48)}, "hole"),
            "backwards": ({"a": entry(16, 0)}, '"a"'),
            "negative": ({"a": entry(-16, 0)}, '"a"'),
            "outside": ({"a": entry(0, 1600, [400])}, "1600"),
            "dtype": ({"a": entry(0, 16, dtype="Q7")}, "Q7"),
            "size": ({"a": entry(0, 16, [5])}, "20"),
            "overflow": ({"a": entry(0, 16, [1 << 40, 1 << 40])}, '"a"'),
            "twice": ('{"a": %s, "a": %s}' % ((json.dumps(entry(0, 16)),) * 2), "twice"),
            "deep": ('{"a": ' + "[" * 100000, '"a"'),
            "broken": ('{"a": ', "JSON"),
        }
        for name, (header, part) in headers.items():
            with self.subTest(name):
                text = (header if isinstance(header, str) else json.dumps(header)).encode()
                content = struct.pack("<Q", len(text)) + text + bytes(64)
                self.refused_score(self.model_with(name, model_safetensors=content),
                                   "model.safetensors", part)

    def test_truncated_and_endless_safetensors_are_refused(self):
        whole = (self.model / "model.safetensors").read_bytes()
        contents_by_name = {"nothing": b"", "half-header": whole[:100], "half": whole[:-100],
                            "huge": struct.pack("<Q", 1 << 62) + b"{}",
                            "too-long": struct.pack("<Q", 99_000_000) + b"{}"}
        for name, content in contents_by_name.items():
            with self.subTest(name):
                self.refused_score(self.model_with(name, model_safetensors=content),
                                   "model.safetensors")

    def test_integers_are_no_weights(self):
        whole = (self.model / "model.safetensors").read_bytes().replace(b'"F32"', b'"I32"')
        self.refused_score(self.model_with("integers", model_safetensors=whole), "I32")

    def test_index_cannot_lead_out_of_the_directory(self):
        names = list(fixture.model_tensors(1))
        shard = "model-00001-of-00001.safetensors"
        for target in ("../model/model.safetensors", str(self.model / "model.safetensors"),
                       "missing.safetensors", 5):
            with self.subTest(target):
                folder = self.model_with(f"index-{names.index(names[0])}-{hash(target)}")
                (folder / "model.safetensors").rename(folder / shard)
                (folder / "model.safetensors.index.json").write_text(
                    json.dumps({"weight_map": {name: target for name in names}}))
                self.refused_score(folder, "safetensors")

    def test_weights_that_do_not_fit_are_listed_together(self):
        tensors = fixture.model_tensors(1)
        del tensors["model.norm.weight"]
        del tensors["model.layers.1.mlp.up_proj.weight"]
        broken = fixture.write_model(self.root / "missing", tensors=tensors)
        self.refused_score(broken, "model.norm.weight", "model.layers.1.mlp.up_proj.weight")

    def test_nan_in_the_weights_is_named_before_anything_is_computed(self):
        tensors = fixture.model_tensors(1)
        tensors["model.layers.0.mlp.up_proj.weight"][1][7] = float("nan")
        broken = fixture.write_model(self.root / "nan", tensors=tensors)
        self.refused_train(1, "model.layers.0.mlp.up_proj.weight", model=broken)
        self.refused_score(broken, "model.layers.0.mlp.up_proj.weight", "diverged")

    def test_configurations_that_would_be_computed_wrongly_are_refused(self):
        cases = {
            "type": ({"model_type": "t5"}, "t5"),
            "negative": ({"hidden_size": -32}, "hidden_size"),
            "text": ({"hidden_size": "32"}, "hidden_size"),
            "layers": ({"num_hidden_layers": 10 ** 9}, "num_hidden_layers"),
            "heads": ({"num_key_value_heads": 3}, "num_key_value_heads"),
            "activation": ({"hidden_act": "relu6"}, "relu6"),
            "theta": ({"rope_theta": 0}, "theta"),
            "rope": ({"rope_scaling": {"rope_type": "spiral", "factor": 4.0}}, "spiral"),
            "longrope": ({"rope_scaling": {"rope_type": "longrope", "factor": 4.0}},
                         "short_factor"),
            "llama3": ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
                       "low_freq_factor"),
            "quantised": ({"quantization_config": {"quant_method": "gptq"}}, "gptq"),
        }
        for name, (change, part) in cases.items():
            with self.subTest(name):
                self.refused_score(self.model_with_config("config-" + name, **change),
                                   "config.json", part)
        self.refused_score(self.model_with("config-half", config_json=b'{"model_type": '),
                           "config.json", "1:16")

    def test_end_tokens_that_are_none_are_refused(self):
        folder = self.model_with("ends")
        for text, part in (("[]", "not a JSON object"), ('{"eos_token_id": "x"}', '"x"'),
                           ('{"eos_token_id": [256, 1.5]}', "1.5")):
            (folder / "generation_config.json").write_text(text)
            self.refused(svtune("generate", "--model", folder, "--prompt", "a"), 1,
                         "generation_config.json", part)
        (folder / "generation_config.json").write_text('{"eos_token_id": null}')
        result = svtune("generate", "--model", folder, "--prompt", "a", "--max-new-tokens", 1)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_tokenizers_that_are_malformed_or_do_not_fit_are_refused(self):
        whole = json.loads((self.model / "tokenizer.json").read_text())
        for name, content, part in (
                ("none", None, "tokenizer.json"), ("half", '{"model": ', "1:11"),
                ("type", json.dumps(whole | {"model": {"type": "WordLevel"}}), "WordLevel"),
                ("step", json.dumps(whole | {"pre_tokenizer": {"type": "Foo"}}), "Foo")):
            with self.subTest(name):
                folder = self.model_with("tokenizer-" + name,
                                         tokenizer_json=content and content.encode())
                self.refused(svtune("tokenize", "--model", folder, input='{"text": "a"}\n'), 1, part)
        whole["model"]["vocab"]["ab"] = 300
        larger = self.model_with("tokenizer-larger", tokenizer_json=json.dumps(whole).encode())
        self.refused_train(1, "300", "260", model=larger)
        self.refused(svtune("score", "--model", self.model, input='{"ids": [1, 300]}\n'), 1, "300")


class Data(Refusing):
    def test_malformed_line_is_named_and_can_be_skipped(self):
        good = self.data.read_text().splitlines()
        data = self.data_file("bad.jsonl",
                              "\n".join([*good[:3], '{"query": "x", ', *good[3:]]) + "\n")
        self.refused_train(1, "bad.jsonl:4", data=data)
        arguments = self.train_arguments(self.root / "skipping", "--skip-bad-lines", steps=2)
        arguments[4] = data
        for command in (arguments, ["eval", "--model", self.model, "--data", data,
                                    "--template", "alpaca", "--skip-bad-lines"]):
            result = svtune(*command)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("bad.jsonl:4", result.stderr)

    def test_record_that_the_template_refuses_is_named_before_training(self):
        turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
        rows = [json.dumps({"messages": turns})] * 4
        rows[2] = json.dumps({"messages": turns[:1] + turns})
        data = self.data_file("order.jsonl", "\n".join(rows) + "\n")
        chat = ("--template", "chat", "--chat-template", "mistral")
        self.refused_train(1, "order.jsonl:3", "alternate", "--skip-bad-lines", data=data, more=chat)
        result = svtune("eval", "--model", self.model, "--data", data, *chat, "--skip-bad-lines")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("order.jsonl:3", result.stderr)

    def test_conversation_that_the_template_has_no_place_for_is_a_bad_record(self):
        rows = [{"prompt": "a", "completion": "b"},
                {"prompt": [{"role": "user", "content": "a"}], "completion": "b"}]
        data = self.data_file("mixed.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        self.refused_train(1, "mixed.jsonl:2", "no place for a conversation", "--template chat",
                           data=data)
        result = svtune("eval", "--model", self.model, "--data", data, "--template", "alpaca",
                        "--skip-bad-lines")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 bad records are left out", result.stderr)

    def test_columns_are_used_or_named(self):
        data = self.data_file("more.jsonl", '{"query": "a", "response": "b", "id": 3}\n' * 5)
        result = svtune("eval", "--model", self.model, "--data", data)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("columns not used: id (5 rows)", result.stderr)
        self.refused_train(2, "input=misspelt", data=data,
                           more=("--columns", "input=misspelt,prompt=query"))

    def test_parts_that_a_prompt_has_no_place_for_are_named(self):
        data = self.data_file("parts.jsonl", json.dumps(
            {"instruction": "a", "output": "b", "system": "s", "history": [["q", "a"]]}) + "\n")
        for template in ("alpaca", "raw"):
            result = svtune("eval", "--model", self.model, "--data", data, "--template", template)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("no place for system and history", result.stderr)
            result = svtune("generate", "--model", self.model, "--input", data, "--template",
                            template, "--max-new-tokens", 1)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("columns not used: system (1 row), history (1 row); the prompt's template "
                          "has no place for system and history", result.stderr)

    def test_weights_of_turns_that_are_never_learned_are_named(self):
        data = self.data_file("weights.jsonl", json.dumps({"messages": [
            {"role": "user", "content": "a", "weight": 1},
            {"role": "assistant", "content": "b"}]}) + "\n")
        arguments = ["eval", "--model", self.model, "--data", data, "--chat-template", "chatml"]
        result = svtune(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1 message of others than the assistant", result.stderr)

    def test_ids_outside_the_vocabulary_are_named_with_their_line(self):
        lines = self.data_file("ids.jsonl", '{"ids": [1, 2]}\n{"ids": [1, 99999]}\n')
        for command in (["score", "--model", self.model, "--input", lines],
                        ["tokenize", "--model", self.model, "--input", lines]):
            self.refused(svtune(*command), 1, "ids.jsonl:2", "99999")

    def test_records_of_another_kind_are_named(self):
        for name, line, part in (("list", "[1, 2]", ":1"), ("keys", '{"foo": 1}', "foo"),
                                 ("number", '{"query": "a", "response": 3}', "response")):
            self.refused_train(1, name + ".jsonl", part,
                               data=self.data_file(name + ".jsonl", line + "\n"))
        self.refused_train(1, "foo", more=("--columns", "prompt=foo,completion=bar"))

    def test_empty_and_fully_truncated_data_are_refused(self):
        self.refused_train(1, "empty", data=self.data_file("empty.jsonl", ""))
        self.refused_train(1, "--max-length", more=("--max-length", 4))

    def test_standard_input_is_read_once(self):
        self.refused_train(2, "both name standard input", data="-", more=("--eval-data", "-"))

    def test_missing_data_are_named(self):
        self.refused_train(1, "nowhere.jsonl", data=self.root / "nowhere.jsonl")


class Directories(Refusing):
    def test_directory_that_is_not_empty_is_left_alone(self):
        taken = self.root / "taken"
        taken.mkdir()
        (taken / "notes.txt").write_text("mine")
        self.refused(svtune(*self.train_arguments(taken)), 1, "not empty")
        run = self.root / "for-merge"
        self.train(run, steps=1)
        for command in ("merge", "export"):
            self.refused(svtune(command, "--model", self.model, "--adapter", run / "adapter",
                                "--output", taken), 1, "not empty")
        self.assertEqual(os.listdir(taken), ["notes.txt"])
        self.refused(svtune(*self.train_arguments(taken / "notes.txt")), 1, "notes.txt")

    def test_links_that_lead_nowhere_or_back_are_named(self):
        (self.root / "loop").symlink_to("loop")
        (self.root / "nowhere-link").symlink_to("no-target")
        for option, link, part in (("--output", "loop", "Too many levels"),
                                   ("--output", "loop/run", "Too many levels"),
                                   ("--model", "loop", "Too many levels"),
                                   ("--data", "loop", "Too many levels"),
                                   ("--output", "nowhere-link", "leads nowhere"),
                                   ("--output", "x" * 300, "too long")):
            with self.subTest(option=option, link=link[:20]):
                arguments = self.train_arguments(self.root / "linked")
                arguments[arguments.index(option) + 1] = self.root / link
                result = svtune(*arguments)
                self.refused(result, 1, part, link[:20])
                self.assertNotIn("lists the options", result.stderr)
                self.assertFalse((self.root / "linked").exists())

    def test_pages_and_answers_take_no_place_of_what_they_are_made_of(self):
        run = self.root / "for-pages"
        self.train(run, steps=1)
        before = contents(self.root)
        for output in (run / "metrics.jsonl", run / "config.json", self.model / "tokenizer.json"):
            self.refused(svtune("report", run, "--output", output), 1, output.name, "no HTML page")
            self.refused(svtune("inspect", self.model, "--spectrum", "--output", output), 1,
                         output.name, "no HTML page")
        self.refused(svtune("eval", "--model", self.model, "--data", self.data, "--template",
                            "alpaca", "--task", "exact-match", "--answers", self.data), 2,
                     "--answers names the file of --data, whose rows would be lost")
        self.assertEqual(contents(self.root), before)
        page = svtune("report", run, "--output", run / "report.html")
        self.assertEqual(page.returncode, 0, page.stderr)

    def test_standard_output_takes_no_pages_and_no_directories(self):
        run = self.root / "for-output"
        self.train(run, steps=1)
        adapter = ("--model", self.model, "--adapter", run / "adapter")
        for command in (("report", run), ("merge", *adapter), ("export", *adapter),
                        ("inspect", self.model, "--spectrum"), tuple(self.train_arguments("-"))):
            with self.subTest(command[0]):
                output = () if command[0] == "train" else ("--output", "-")
                result = svtune(*command, *output, cwd=self.root)
                self.refused(result, 1, "standard output cannot be written to here")
                self.assertFalse((self.root / "-").exists())

    def test_paths_that_config_json_cannot_name_are_refused(self):
        model = shutil.copytree(self.model, self.root / os.fsdecode(b"model-\xff"))
        self.refused_train(2, "--model: the path is not UTF-8", model=model)

    def test_demo_data_leave_other_files_alone(self):
        folder = self.root / "problems"
        command = ("demo-data", "--train", 5, "--test", 2, "--output")
        for _ in range(2):
            result = svtune(*command, folder)
            self.assertEqual(result.returncode, 0, result.stderr)
        (folder / "test.jsonl").write_text("mine")
        before = contents(folder)
        self.refused(svtune(*command, folder), 1, "test.jsonl: exists already")
        self.assertEqual(contents(folder), before)
        self.refused(svtune(*command, self.data / "below"), 1, "cannot create the directory")

    def test_what_training_wrote_is_told_from_models_and_adapters(self):
        run = self.root / "told-apart"
        self.train(run, steps=1)
        for model, part in ((run, "is a run"), (run / "adapter", "is an adapter"),
                            (self.data, "is a file"), ("who/what", "nothing is downloaded")):
            with self.subTest(model=model):
                self.refused(svtune("score", "--model", model, input=""), 1, part)
        for adapter, part in ((run, f"Give {run / 'adapter'}"), (self.data, "is a file"),
                              (self.model, "holds neither"), ("nowhere", "no such adapter")):
            with self.subTest(adapter=adapter):
                self.refused(svtune("score", "--model", self.model, "--adapter", adapter,
                                    input=""), 1, part)

    def test_second_run_in_the_same_directory_is_refused(self):
        run = self.root / "shared"
        first = subprocess.Popen(harness.command(*self.train_arguments(run, steps=10 ** 6)),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while harness.lines_of(run / "metrics.jsonl") < 1:
                self.assertIsNone(first.poll())
                time.sleep(1e-3)
            self.refused(svtune(*self.train_arguments(run)), 1, "another process")
            self.refused(svtune(*self.train_arguments(run, "--resume")), 1, "another process")
            self.assertIsNone(first.poll())
        finally:
            first.kill()
            first.wait()

    def test_adapter_on_another_base_is_refused(self):
        other = fixture.write_model(self.root / "other", seed=7)
        run = self.root / "pissa"
        self.train(run, method="pissa", steps=2)
        self.refused(svtune("score", "--model", other, "--adapter", run / "adapter",
                            input='{"ids": [1, 2]}\n'), 1, "adapter")
        # svtune's own record says more than the shapes do.
        self.refused(svtune("merge", "--model", other, "--adapter", run / "adapter",
                            "--output", self.root / "wrong"), 1, "adapter")
        self.assertFalse((self.root / "wrong").exists())


if __name__ == "__main__":
    harness.main()
