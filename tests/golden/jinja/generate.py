"""Writes cases.json: templates, variables, and what jinja2 makes of them.

Oracle: the environment that transformers 5.23.0 renders chat templates in, with jinja2 3.1.6.
Run from this folder: python generate.py
"""

import datetime
import json
import pathlib
import random

import transformers.utils.chat_template_utils as chat_template_utils

from conversations import random_variables

HERE = pathlib.Path(__file__).parent
NOW = datetime.datetime(2024, 7, 26, 13, 0, 0)


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(template, variables):
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        pieces, spans = [], []
        with compiled.environment.activate_tracker(pieces, spans):
            for piece in compiled.generate(**variables):
                pieces.append(piece)
    except Exception as error:  # the template refuses these variables
        return {"error": str(error)[:80]}
    text = "".join(pieces)
    byte = lambda i: len(text[:i].encode())
    return {"text": text, "spans": [[byte(a), byte(b)] for a, b in spans]}


def main():
    chat_template_utils.datetime = FixedClock
    features = json.loads((HERE / "features.json").read_text())
    cases = []
    for template in features["templates"]:
        cases.append({"template": template, "variables": "shared",
                      "expected": render(template, features["variables"])})
    generator = random.Random(7)
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = path.read_text()
        for _ in range(25):
            variables = random_variables(generator)
            cases.append({"template": path.name, "variables": variables,
                          "expected": render(template, variables)})
    with open(HERE / "cases.json", "w") as out:
        json.dump({"shared": features["variables"], "cases": cases}, out, ensure_ascii=False,
                  indent=0)
        out.write("\n")
    errors = sum("error" in case["expected"] for case in cases)
    print(f"{len(cases)} cases, {errors} of them errors")


if __name__ == "__main__":
    main()
