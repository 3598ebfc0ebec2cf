"""How prompts are written goes with the trained model, and so does what ends an answer."""
import json
import shutil

import fixture
import harness
from harness import svtune

CHAT_TOKENS = ("<|im_start|>", "<|im_end|>")
RENAMED = ("{% for m in messages %}[{{ m.role }}]{{ m.content }}<|im_start|>\n{% endfor %}"
           "{% if add_generation_prompt %}[assistant]{% endif %}")


def write_chat_model(directory):
    """The fixture's model with two more tokens, 257 and 258; its template knows neither."""
    fixture.write_model(directory)
    path = directory / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    for i, content in enumerate(CHAT_TOKENS):
        tokenizer["added_tokens"].append(tokenizer["added_tokens"][0] | {
            "id": 257 + i, "content": content})
    path.write_text(json.dumps(tokenizer))
    return directory


def contents(directory):
    return {path.relative_to(directory): path.read_bytes()
            for path in directory.rglob("*") if path.is_file()}


class Prompts(harness.Base):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.chat = write_chat_model(cls.root / "chat-model")
        cls.pairs = cls.root / "pairs.jsonl"
        cls.pairs.write_text("".join(
            json.dumps({"prompt": f"say {w}", "completion": w + w}) + "\n" for w in ("ab", "cd")))

    def learn(self, name, method, *more):
        run = self.root / name
        own = ("--rank", 16) if method == "lora" else ()
        rate = 2e-2 if method == "lora" else 3e-3
        result = svtune("train", "--model", self.chat, "--data", self.pairs, "--output", run,
                        "--method", method, *own, "--learning-rate", rate, "--max-steps", 100,
                        "--batch-size", 2, "--gradient-accumulation", 1, "--samples", 0,
                        "--threads", 1, *more)
        self.assertEqual(result.returncode, 0, result.stderr)
        return run

    def answer(self, *arguments):
        result = svtune("generate", "--prompt", "say cd", "--max-new-tokens", 40,
                        "--temperature", 0, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def loss(self, *arguments):
        result = svtune("eval", "--data", self.pairs, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return float(result.stdout.split()[1]), result.stderr

    def test_answers_end_with_the_template_in_use_and_the_model_says_so(self):
        renamed = self.root / "renamed.jinja"
        renamed.write_text(RENAMED)
        for name, template, end in (("chatml", "chatml", 258), ("renamed", renamed, 257)):
            with self.subTest(template=name):
                run = self.learn(name, "full", "--chat-template", template)
                model = run / "model"
                self.assertEqual(self.answer("--model", model).stdout.strip(), "cdcd")
                named = self.answer("--model", model, "--chat-template", template)
                self.assertEqual(named.stdout.strip(), "cdcd")
                self.assertNotIn("warning", named.stderr)
                for file in ("generation_config.json", "config.json"):
                    ids = json.loads((model / file).read_text())["eos_token_id"]
                    self.assertEqual(ids, [256, end], file)
                source = (model / "chat_template.jinja").read_text()
                self.assertIn("[assistant]" if name == "renamed" else "<|im_end|>", source)
                config = json.loads((model / "tokenizer_config.json").read_text())
                self.assertEqual(config["chat_template"], source)

    def test_special_tokens_end_answers_where_they_are_named(self):
        model = self.learn("stops", "full", "--chat-template", "chatml") / "model"
        for name in ("config.json", "generation_config.json"):
            settings = json.loads((model / name).read_text())
            (model / name).write_text(json.dumps(settings | {"eos_token_id": 256}))
        config = json.loads((model / "tokenizer_config.json").read_text())
        config.pop("chat_template")
        (model / "tokenizer_config.json").write_text(json.dumps(config))
        for name in ("chat_template.jinja", "svtune.json"):
            (model / name).unlink()
        endless = self.root / "as-chatml.jinja"
        endless.write_text("{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content }}"
                           "{% if m.role == 'user' %}{{ '<|im_end|>\\n' }}{% endif %}{% endfor %}"
                           "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")
        asked = ("--model", model, "--chat-template", endless)
        self.assertNotEqual(self.answer(*asked).stdout.strip(), "cdcd")
        self.assertEqual(self.answer(*asked, "--stop", "<|im_end|>").stdout.strip(), "cdcd")

    def test_adapter_keeps_its_template_through_every_verb(self):
        run = self.learn("alpaca", "lora", "--template", "alpaca")
        base, adapter = ("--model", self.chat), ("--adapter", run / "adapter")
        loss, warnings = self.loss(*base, *adapter)
        self.assertEqual((loss, warnings), self.loss(*base, *adapter, "--template", "alpaca"))
        other, warnings = self.loss(*base, *adapter, "--template", "raw")
        self.assertGreater(other, loss + 0.5)
        self.assertIn("trained with --template alpaca", warnings)
        self.assertEqual(self.answer(*base, *adapter).stdout.strip(), "cdcd")
        merged, export = self.root / "p-merged", self.root / "p-export"
        for command in (("merge", *base, *adapter, "--output", merged),
                        ("export", *base, *adapter, "--output", export)):
            result = svtune(*command)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.answer("--model", merged).stdout.strip(), "cdcd")
        self.assertEqual(self.answer(*base, "--adapter", export).stdout.strip(), "cdcd")
        # Training goes on with the same template, and a later one replaces it.
        again = self.root / "again"
        result = svtune("train", *base, *adapter, "--data", self.pairs, "--output", again,
                        "--max-steps", 1, "--batch-size", 2, "--gradient-accumulation", 1,
                        "--samples", 0)
        self.assertEqual(result.returncode, 0, result.stderr)
        kept = [json.loads((path / "svtune.json").read_text())["prompt"]
                for path in (run / "adapter", again / "adapter", merged, export)]
        self.assertEqual(kept, [{"template": "alpaca", "end_token_id": 256}] * 4)

    def test_adapter_of_a_chat_template_carries_it_for_other_programs(self):
        run = self.learn("chat-lora", "lora", "--chat-template", "chatml", "--system", "Repeat.")
        adapter = run / "adapter"
        self.assertIn("<|im_end|>", (adapter / "chat_template.jinja").read_text())
        generation = json.loads((adapter / "generation_config.json").read_text())
        self.assertEqual(generation["eos_token_id"], [256, 258])
        answered = self.answer("--model", self.chat, "--adapter", adapter)
        self.assertEqual(answered.stdout.strip(), "cdcd")
        chat = svtune("chat", "--model", self.chat, "--adapter", adapter, "--max-new-tokens", 40,
                      input="say cd\n")
        self.assertEqual(chat.stdout, "cdcd\n", chat.stderr)
        before = contents(self.chat)
        merged = self.root / "chat-merged"
        result = svtune("merge", "--model", self.chat, "--adapter", adapter, "--output", merged)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(contents(self.chat), before)
        self.assertEqual(self.answer("--model", merged).stdout.strip(), "cdcd")
        prompt = json.loads((merged / "svtune.json").read_text())["prompt"]
        self.assertEqual(prompt["system"], "Repeat.")

    def test_template_without_an_end_is_named_before_training(self):
        endless = self.root / "endless.jinja"
        endless.write_text("{% for m in messages %}{% generation %}{{ m.content }}"
                           "{% endgeneration %}\n{% endfor %}")
        result = svtune("train", "--model", self.chat, "--data", self.pairs, "--output",
                        self.root / "endless", "--method", "lora", "--rank", 2, "--dry-run",
                        "--chat-template", endless)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("writes nothing behind an answer", result.stderr)

    def test_tokenizer_without_an_end_is_named_before_training(self):
        model = self.root / "no-eos"
        shutil.copytree(self.chat, model)
        (model / "tokenizer_config.json").write_text("{}")
        for more, told in ((("--template", "alpaca"), True), (("--chat-template", "chatml"), False)):
            result = svtune("train", "--model", model, "--data", self.pairs, "--output",
                            self.root / "no-end", "--method", "lora", "--rank", 2, "--dry-run",
                            *more)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual("names no eos_token" in result.stderr, told, result.stderr)

    def test_malformed_record_of_the_template_is_refused(self):
        model = self.root / "malformed"
        shutil.copytree(self.chat, model)
        (model / "svtune.json").write_text('{"format": 1, "prompt": {"template": "odd"}}')
        result = svtune("generate", "--model", model, "--prompt", "x")
        self.refused(result, 1, "svtune.json", "template")


if __name__ == "__main__":
    harness.main()
