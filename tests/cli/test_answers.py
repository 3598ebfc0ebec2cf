"""Answers and evaluations as a user meets them."""
import json
import shutil

import fixture
import harness
from harness import svtune


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


class Answers(harness.Base):
    def answers(self, rows, *more, name="ask"):
        ask = write_rows(self.root / f"{name}.jsonl", rows)
        out = self.root / f"{name}.out.jsonl"
        result = svtune("generate", "--model", self.model, "--input", ask, "--output", out,
                        "--max-new-tokens", 12, *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [row["answer"] for row in rows_of(out)]

    def test_sampled_answers_do_not_depend_on_the_batch(self):
        rows, sampling = [{"prompt": "abc"}] * 6, ("--temperature", 1, "--template", "raw")
        whole = self.answers(rows, *sampling, "--batch-size", 16)
        self.assertEqual(len(set(whole)), 6, "equal prompts draw apart")
        self.assertEqual(self.answers(rows, *sampling, "--batch-size", 2), whole)
        prompts = [part for row in rows for part in ("--prompt", row["prompt"])]
        result = svtune("generate", "--model", self.model, *prompts, "--max-new-tokens", 12,
                        *sampling, text=False)
        self.assertEqual(result.stdout, b"".join(a.encode() + b"\n" for a in whole))

    def test_prompts_of_a_file_are_those_of_training(self):
        full = {"instruction": "Name it.", "input": "the sky", "output": "blue"}
        ask = {key: full[key] for key in ("instruction", "input")}
        as_prompt = {"prompt": full["instruction"], "input": full["input"]}
        wanted, without = self.answers([full, {"instruction": "Name it."}])
        self.assertNotEqual(wanted, without)
        self.assertEqual(self.answers([ask, full]), [wanted, wanted])
        self.assertEqual(self.answers([as_prompt]), [wanted])
        self.assertEqual(self.answers([ask], "--columns", "prompt=instruction"), [wanted])
        renamed = {"ask": full["instruction"], "more": full["input"]}
        self.assertEqual(self.answers([renamed], "--columns", "prompt=ask,input=more"), [wanted])
        question = {"question": "Name it.", "answer": "blue"}
        self.assertEqual(self.answers([question]), [without])
        self.assertEqual(self.answers([{"question": "Name it."}]), [without])

    def test_answers_of_the_data_stay_beside_those_of_the_model(self):
        given = [{"question": "Name it.", "answer": "blue"}, {"question": "Name it."}]
        ask = write_rows(self.root / "known.jsonl", given)
        for source, text in ((ask, None), ("-", ask.read_text())):
            result = svtune("generate", "--model", self.model, "--input", source,
                            "--max-new-tokens", 2, input=text)
            self.assertEqual(result.returncode, 0, result.stderr)
            one, other = map(json.loads, result.stdout.splitlines())
            self.assertEqual(one, other | {"reference": "blue"})
            self.assertIn("the column answer of 1 line is written as reference", result.stderr)
        ask = write_rows(self.root / "both.jsonl", given[1:] + [given[0] | {"reference": "red"}])
        self.refused(svtune("generate", "--model", self.model, "--input", ask), 1,
                     "both.jsonl:2", "answer and reference")

    def test_columns_of_prompts_are_used_or_named(self):
        ask = write_rows(self.root / "columns.jsonl",
                         [{"prompt": "a", "context": "b"}, {"instruction": "c", "id": 3}])
        arguments = ["generate", "--model", self.model, "--max-new-tokens", 1, "--input"]
        for source, name, text in ((ask, str(ask), None), ("-", "standard input", ask.read_text())):
            result = svtune(*arguments, source, input=text)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"{name}: columns not used: context (1 row), id (1 row)", result.stderr)
            self.refused(svtune(*arguments, source, "--columns", "input=contxt", input=text), 2,
                         "--columns input=contxt", "context")

    def test_halves_of_characters_are_told(self):
        lines = self.root / "halves.jsonl"
        lines.write_text('{"prompt": "a\\ud83d", "text": "b"}\n{"prompt": "c", "text": "d\\ude42"}\n')
        out = self.root / "halves-out.jsonl"
        for command, more in (("generate", ["--max-new-tokens", 1]), ("tokenize", []), ("score", [])):
            for source, name, text in ((lines, str(lines), None),
                                       ("-", "standard input", lines.read_text())):
                result = svtune(command, "--model", self.model, "--input", source,
                                "--output", out, *more, input=text)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(result.stderr.count(f"{name}: 2 lines with half a character"), 1)

    def test_answers_that_prompts_bring_are_not_read(self):
        wanted = self.answers([{"prompt": "a"}])
        for answer in (None, 4, [1], [{"x": 1}], {"x": 1}):
            with self.subTest(answer=answer):
                self.assertEqual(self.answers([{"prompt": "a", "completion": answer}]), wanted)
        ask = write_rows(self.root / "gold.jsonl",
                         [{"question": "a", "answer": "gold"}, {"question": "b", "answer": ""}])
        result = svtune("generate", "--model", self.model, "--input", ask, "--max-new-tokens", 1)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn(f"{ask}: the column answer of 1 line is written as reference", result.stderr)

    def test_messages_of_prompts_are_used_or_named(self):
        template = self.root / "no-tools.jinja"
        template.write_text("{% for m in messages %}{% if m.role == 'system' %}"
                            "{{ raise_exception('no system') }}{% elif m.role != 'tool' %}"
                            "{{ m.content }};{% endif %}{% endfor %}")
        row = {"messages": [{"role": "system", "content": "s"},
                            {"role": "user", "content": "u", "note": "n"},
                            {"role": "tool", "content": "15"}]}
        ask = write_rows(self.root / "messages.jsonl", [row, row])
        result = svtune("generate", "--model", self.model, "--input", ask, "--max-new-tokens", 1,
                        "--chat-template", template)
        self.assertEqual(result.returncode, 0, result.stderr)
        for part in ("fields of messages not used: note (2 rows)", "2 of 2 examples have their "
                     "system message at the head of the first user turn",
                     "2 messages left out by the chat template"):
            self.assertIn(f"{ask}: {part}", result.stderr)

    def test_chat_takes_lines_of_other_systems(self):
        plain, other = (svtune("chat", "--model", self.model, "--chat-template", "chatml",
                               "--max-new-tokens", 8, "--temperature", 0, input=text, text=False)
                        for text in (b"hi\n/reset\nhi\n/quit\nhi\n",
                                     b"hi\r\n/reset\r\nhi\r\n/quit\r\n"))
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertEqual(other.stdout, plain.stdout)

    def test_prompts_that_cannot_be_are_named_with_their_line(self):
        folder = self.root / "larger-tokenizer"
        shutil.copytree(self.model, folder)
        whole = json.loads((folder / "tokenizer.json").read_text())
        for i in range(257, fixture.VOCAB + 1):
            whole["added_tokens"].append(whole["added_tokens"][0] |
                                         {"id": i, "content": f"<|new-{i}|>"})
        (folder / "tokenizer.json").write_text(json.dumps(whole))
        ask = write_rows(self.root / "far.jsonl", [{"prompt": "a"}, {"prompt": "b<|new-260|>"}])
        raw = ("--template", "raw")
        self.refused(svtune("generate", "--model", folder, "--input", ask, *raw), 1,
                     "far.jsonl:2", "token id 260", "0 to 259")
        empty = write_rows(self.root / "empty.jsonl", [{"prompt": "a"}, {"prompt": ""}])
        self.refused(svtune("generate", "--model", folder, "--input", empty, *raw), 1,
                     "empty.jsonl:2", "empty prompt")
        lines = write_rows(self.root / "far-text.jsonl", [{"text": "a"}, {"text": "b<|new-260|>"}])
        self.refused(svtune("score", "--model", folder, "--input", lines), 1,
                     "far-text.jsonl:2", "token id 260")

    def test_a_null_column_is_none(self):
        lines = '{"text": "ab", "ids": null}\n{"text": null, "ids": [97, 98]}\n'
        score = svtune("score", "--model", self.model, input=lines)
        self.assertEqual(score.returncode, 0, score.stderr)
        first, second = (json.loads(line)["logprobs"] for line in score.stdout.splitlines())
        self.assertEqual(first, second)
        tokens = svtune("tokenize", "--model", self.model, input=lines)
        self.assertEqual(tokens.returncode, 0, tokens.stderr)
        self.assertEqual([json.loads(line) for line in tokens.stdout.splitlines()],
                         [{"text": "ab", "ids": [97, 98]}] * 2)

    def test_files_without_a_line_are_told(self):
        nothing = write_rows(self.root / "nothing.jsonl", [])
        for command in ("generate", "score"):
            result = svtune(command, "--model", self.model, "--input", nothing)
            self.assertEqual((result.returncode, result.stdout), (0, ""), result.stderr)
            self.assertIn(f"{nothing}: no line with a", result.stderr)

    def test_malformed_line_is_refused_before_any_answer(self):
        for command, good in (("generate", {"prompt": "abc"}), ("score", {"ids": [1, 2, 3]})):
            for bad in ("{\"prompt\"", "{\"nothing\": 1}"):
                with self.subTest(command=command, bad=bad):
                    ask = write_rows(self.root / "ask.jsonl", [good] * 3)
                    ask.write_text(ask.read_text() + bad + "\n" + json.dumps(good) + "\n")
                    out = self.root / "bad-out.jsonl"
                    before = sorted(self.root.iterdir())
                    result = svtune(command, "--model", self.model, "--input", ask,
                                    "--output", out)
                    self.refused(result, 1, "ask.jsonl:4")
                    self.assertEqual(sorted(self.root.iterdir()), before)

    def test_answers_before_an_error_of_a_pipe_are_kept(self):
        out = self.root / "piped.jsonl"
        lines = json.dumps({"prompt": "abc"}) + "\n"
        result = svtune("generate", "--model", self.model, "--input", "-", "--output", out,
                        "--max-new-tokens", 2, "--batch-size", 1, input=lines * 2 + "[]\n")
        self.refused(result, 1, "standard input:3", "piped.jsonl.partial")
        self.assertFalse(out.exists())
        self.assertEqual(len(rows_of(self.root / "piped.jsonl.partial")), 2)

    def test_logits_that_are_not_finite_are_errors(self):
        tensors = fixture.model_tensors(1)
        tensors["model.norm.weight"] = [fixture.HIDDEN], [3e38] * fixture.HIDDEN
        shape, values = tensors["lm_head.weight"]
        tensors["lm_head.weight"] = shape, [v * 1e3 for v in values]  # inf - inf in every sum
        model = fixture.write_model(self.root / "overflows", tensors=tensors)
        data = write_rows(self.root / "short.jsonl", [{"prompt": "a", "completion": "#### 1"}])
        commands = [["generate", "--model", model, "--prompt", "abc", *sampling]
                    for sampling in ([], ["--temperature", 1])]
        commands += [["eval", "--model", model, "--data", data],
                     ["eval", "--model", model, "--data", data, "--task", "exact-match"]]
        for command in commands:
            with self.subTest(command=command):
                self.refused(svtune(*command), 1, "NaN")
        result = svtune("score", "--model", model, input='{"ids": [1, 2, 3]}\n')
        self.refused(result, 1, "NaN", "standard input:1")


class Evaluations(harness.Base):
    chat = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"

    def evaluate(self, rows, *more):
        data = write_rows(self.root / "eval.jsonl", rows)
        return svtune("eval", "--model", self.model, "--data", data, "--max-new-tokens", 4,
                      "--task", "exact-match", *more)

    def test_references_of_conversations_are_their_last_answers(self):
        template = self.root / "chat.jinja"
        template.write_text(self.chat)
        answers = self.root / "answers.jsonl"
        rows = [{"messages": [{"role": "user", "content": f"{a} + 1?"},
                              {"role": "assistant", "content": f"The answer is: {a + 1}"}]}
                for a in range(3)]
        result = self.evaluate(rows, "--chat-template", template, "--answers", answers)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("of 3,", result.stdout)
        got = [(row["prompt"], row["reference"], row["expected"]) for row in rows_of(answers)]
        self.assertEqual(got, [(f"{a} + 1?", f"The answer is: {a + 1}", a + 1) for a in range(3)])

    def test_references_without_a_number_are_counted_or_refused(self):
        good = {"prompt": "3 + 4?", "completion": "#### 7"}
        word = {"prompt": "Which?", "completion": "the correct answer is answer2"}
        result = self.evaluate([good, word, good])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("of 2,", result.stdout)
        self.assertIn("1 of 3 examples have no number", result.stderr)
        self.assertIn("line 2", result.stderr)
        self.refused(self.evaluate([word, word]), 1, "eval.jsonl:1", "no reference")
        self.refused(self.evaluate([{"text": "3 + 4 = 7"}]), 1, "eval.jsonl:1", "no reference")

    def test_options_of_another_task_are_refused(self):
        data = write_rows(self.root / "one.jsonl", [{"prompt": "3", "completion": "4"}])
        for task, *option in (("exact-match", "--max-length", 9),
                              ("perplexity", "--answers", self.root / "x.jsonl")):
            with self.subTest(task=task):
                result = svtune("eval", "--model", self.model, "--data", data, "--task", task,
                                *option)
                self.refused(result, 2, option[0], "--task")
                self.assertFalse((self.root / "x.jsonl").exists())


if __name__ == "__main__":
    harness.main()
