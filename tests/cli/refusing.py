"""What the tests of refusals share: inputs of a run, changed, and the files as they were."""
import json
import shutil

import harness
from harness import contents, svtune


class Refusing(harness.Base):
    def model_with(self, name, **files):
        """A copy of the model; files: a name with _ for . and its new bytes, or None."""
        folder = self.root / name
        shutil.copytree(self.model, folder)
        for key, content in files.items():
            path = folder / key.replace("_json", ".json").replace("_safetensors", ".safetensors")
            path.unlink()
            if content is not None:
                path.write_bytes(content)
        return folder

    def model_with_config(self, name, **changes):
        config = json.loads((self.model / "config.json").read_text()) | changes
        return self.model_with(name, config_json=json.dumps(config).encode())

    def refused_score(self, model, *parts):
        before = contents(model)
        result = svtune("score", "--model", model, input='{"ids": [1, 2, 3]}\n')
        self.refused(result, 1, *parts)
        self.assertEqual(contents(model), before)

    def refused_train(self, code, *parts, model=None, data=None, more=()):
        run = self.root / "refused-run"
        arguments = self.train_arguments(run, *more, steps=2)
        if model:
            arguments[2] = model
        if data:
            arguments[4] = data
        self.refused(svtune(*arguments), code, *parts)
        self.assertFalse(run.exists(), "the directory must be free for the next try")

    def data_file(self, name, text):
        path = self.root / name
        path.write_text(text)
        return path
