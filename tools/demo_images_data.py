#!/usr/bin/env python3
"""Data of the image demo: OUT/train and OUT/test, each with a folder for every class.

  usage: demo_images_data.py OUT cifar FOLDER N    sheets of CIFAR-10: NAME.png, one image a row,
                                                   and NAME.labels.txt; the second is for the test
         demo_images_data.py OUT folder FOLDER N   a folder of class folders; every fourth image of
                                                   a class is for the test
N is the number of test images, at most.
Needs Python's standard library alone."""
import os
import pathlib
import shutil
import struct
import sys
import zlib

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
SIDE = 32


def paeth(a, b, c):
    p = a + b - c
    return min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]


def unfiltered(kind, row, above):
    """A row of 8-bit RGB without PNG's filter `kind`."""
    if kind == 0:
        return row
    for i in range(len(row)):
        left = row[i - 3] if i >= 3 else 0
        corner = above[i - 3] if i >= 3 else 0
        guess = (left, above[i], (left + above[i]) // 2, paeth(left, above[i], corner))[kind - 1]
        row[i] = (row[i] + guess) & 255
    return row


def png_rows(path):
    """The rows of an 8-bit RGB PNG without interlacing."""
    data = path.read_bytes()
    at, compressed, width = 8, b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        content = data[at + 8:at + 8 + size]
        if kind == b"IHDR":
            width, _, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            if (depth, colour, interlaced) != (8, 2, 0):
                raise SystemExit(f"error: {path} is no plain 8-bit RGB PNG")
        compressed += content if kind == b"IDAT" else b""
        at += 12 + size
    raw, above = zlib.decompress(compressed), bytearray(3 * width)
    for begin in range(0, len(raw), 3 * width + 1):
        row = bytearray(raw[begin + 1:begin + 1 + 3 * width])
        above = unfiltered(raw[begin], row, above)
        yield above


def write_png(path, pixels, side=SIDE):
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + pixels[3 * side * y:3 * side * (y + 1)] for y in range(side))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" +
                     chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_sheet(sheet, out, most):
    labels = sheet.with_name(sheet.stem + ".labels.txt").read_text().split()
    for number, (label, row) in enumerate(zip(labels, png_rows(sheet))):
        if number == most:
            break
        folder = out / CLASSES[int(label)]
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{sheet.stem}-{number:04}.png", bytes(row))


def split_folder(source, out, tests):
    folders = sorted(path for path in source.iterdir() if path.is_dir())
    for folder in folders:
        for number, path in enumerate(sorted(folder.iterdir())):
            test = number % 4 == 3
            if test and number // 4 >= max(1, tests // len(folders)):
                continue
            target = out / ("test" if test else "train") / folder.name
            target.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, target / path.name)
            except OSError:
                shutil.copy(path, target / path.name)


def main():
    if len(sys.argv) != 5 or sys.argv[2] not in ("cifar", "folder"):
        raise SystemExit(__doc__)
    out, source, tests = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[3]), int(sys.argv[4])
    if sys.argv[2] == "folder":
        split_folder(source, out, tests)
        return
    sheets = sorted(source.glob("*.png"))
    if len(sheets) < 2:
        raise SystemExit(f"error: {source} holds {len(sheets)} sheets of CIFAR-10, need two")
    write_sheet(sheets[0], out / "train", most=400)
    write_sheet(sheets[1], out / "test", most=tests)


if __name__ == "__main__":
    main()
