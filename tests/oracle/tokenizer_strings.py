"""Strings for comparing tokenizers: text, code, many languages, emoji, white space, random Unicode.

The same seed and data give the same strings. Used by tokenizer_oracle.py.
"""

import gzip
import random
from pathlib import Path

SENTENCES = [line.replace("⏎", "\n") for line in """The quick brown fox can't jump over 12345 lazy dogs, they'LL say "we've won't".
Le cœur déçu mais l'âme plutôt naïve, Louÿs rêva de crapaüter en canoë.
Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich; 3.141,59 €.
Съешь же ещё этих мягких французских булок, да выпей чаю.
Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία.
我能吞下玻璃而不伤身体。他说:“你好,世界!”
いろはにほへと ちりぬるを カタカナとひらがな、漢字が混ざる文。
키스의 고유조건은 입술끼리 만나야 하고 특별한 기술은 필요치 않다.
نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر ١٢٣٤
דג סקרן שט בים מאוכזב ולפתע מצא לו חברה
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश। १२३
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน
Muốn ăn gậy me thì lăn vào bếp; tiếng Việt có dấu.
Pijamalı hasta yağız şoföre çabucak güvendi. İSTANBUL ıi
ꦲꦤꦕꦫꦏ ᮃᮄ ᠮᠣᠩᠭᠣᠯ ⴰⴱⴳ ሰላም ልዑል ᏣᎳᎩ ქართული հայերեն
e\u0301 n\u0303 A\u030a\u0327 q\u0323\u0307 \u1e9b\u0323 \u212b \u2126 \ufb01 ﷺ 각 \u1100\u1161\u11a8
👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 🏴‍☠️ ❤️‍🔥 😀😃😄 ☺️ 🧑🏿‍🚀 1️⃣
x = {"a": [1, 2.5e-3, None]}  # comment
for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }  /* ok */
def f(x):⏎    return x**2 + 3*x - 1⏎⏎⏎class A(B):⏎\tpass
\\frac{a}{b} = \\sum_{i=1}^{n} x_i^2 \\quad $x \\in \\mathbb{R}$
<html><body class="x">&amp;nbsp; <br/></body></html> https://example.org/a?b=c&d=%20
#### 42⏎⏎The answer is: $1,234.56 per 1000000000 units (≈ 99.9 %)
It's I'm you're he'd WE'VE I'LL 'tis rock'n'roll O'Neil's d'accord 'S 'ſ 'Re""".split("\n")]

SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\u2003", "\u180e",
          "\u200b", "\x0b", "\x0c", "\x85", "\u1680", "\u202f", "\ufeff", "\u2581", "\x1c"]

RANGES = [(0x20, 0x7F), (0x20, 0x7F), (0x00, 0x20), (0x80, 0x250), (0x250, 0x530), (0x590, 0x700),
          (0x900, 0x1100), (0x1100, 0x1200), (0x1200, 0x2000), (0x2000, 0x2100), (0x2100, 0x2C00),
          (0x3000, 0x3200), (0x4E00, 0x9FFF), (0xA000, 0xD7FF), (0xE000, 0xFFFE),
          (0x10000, 0x12000), (0x1D400, 0x1D800), (0x1F000, 0x1FAFF), (0x20000, 0x2A6DF),
          (0xE0000, 0xE01F0), (0x10000, 0x10FFFF)]

ODD = ["<0x41>", "<0xC3>", "Ġ", "Ċ", "▁", "▁▁", "''", "'", "\ufffd", "\x00", "a" * 40, " " * 33,
       "=" * 17, "1234567890" * 3, "ab" * 30, "\n" * 5, "ǅ", "²³¼", "Ⅷ", "①", "ⓐ", "ـــ"]

TEXT_FILES = ["text/tinyshakespeare.txt", "text/wikitext2_valid.txt", "text/frankenstein.txt",
              "math/gsm8k_train.jsonl", "code/mbpp.jsonl", "code/HumanEval.jsonl.gz",
              "math/math_test.json"]


def load_text(data):
    text = []
    for name in TEXT_FILES:
        path = Path(data) / name
        if not path.exists():
            continue
        raw = gzip.open(path, "rb").read() if name.endswith(".gz") else path.read_bytes()
        text.append(raw[:400_000].decode("utf-8", "ignore"))
    return text or ["\n".join(SENTENCES)]


class StringSource:
    def __init__(self, seed, data, special=()):
        self.rng = random.Random(seed)
        self.text = load_text(data)
        self.special = list(special)

    def excerpt(self):
        source = self.rng.choice(self.text)
        start = self.rng.randrange(len(source))
        return source[start:start + self.rng.choice([5, 20, 60, 200])]

    def sentence(self):
        text = self.rng.choice(SENTENCES)
        start = self.rng.randrange(len(text)) if self.rng.random() < 0.5 else 0
        return text[start:start + self.rng.choice([3, 10, 40, 200])]

    def spaces(self):
        return "".join(self.rng.choice(SPACES) for _ in range(self.rng.randrange(1, 8)))

    def random_unicode(self):
        low, high = self.rng.choice(RANGES)
        count = self.rng.choice([1, 2, 4, 12])
        points = [self.rng.randrange(low, high) for _ in range(count)]
        return "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000)

    def marks(self):
        base = self.rng.choice("aeiouAnoскが각")
        return base + "".join(chr(self.rng.choice([0x301, 0x308, 0x323, 0x327, 0x345, 0x3099, 0x5B0,
                                                   0x11A8])) for _ in range(self.rng.randrange(4)))

    def number(self):
        digits = "".join(self.rng.choice("0123456789") for _ in range(self.rng.randrange(1, 12)))
        return self.rng.choice(["", " ", "$", "-", "'"]) + digits

    def letters(self):
        return "".join(self.rng.choice("abcdefghijklmnopqrstuvwxyzABC'") for _ in
                       range(self.rng.choice([1, 3, 9, 150])))

    def part(self):
        pick = self.rng.random()
        if self.special and pick < 0.08:
            return self.rng.choice(["", "", " ", "\n"]) + self.rng.choice(self.special)
        makers = [self.excerpt, self.excerpt, self.sentence, self.sentence, self.spaces,
                  self.random_unicode, self.random_unicode, self.marks, self.number, self.letters,
                  lambda: self.rng.choice(ODD)]
        return self.rng.choice(makers)()

    def strings(self, count):
        fixed = [""] + SENTENCES + SPACES + ODD + self.special
        out = fixed[:count]
        while len(out) < count:
            out.append("".join(self.part() for _ in range(self.rng.choice([1, 1, 2, 3, 6]))))
        return out
