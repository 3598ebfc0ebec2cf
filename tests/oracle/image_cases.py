"""Pictures and what Pillow and transformers make of them, for src/images' tests.

usage: image_cases.py decode|preprocess DIRECTORY
decode: NAME.img with NAME.rgb, the bytes of exif_transpose(Image.open(...)).convert("RGB"), as in
transformers' load_image(), and NAME.txt, its width and height. preprocess: NAME.json, NAME.png and
NAME.f32, the pixels of the processor that the configuration names, as [3, height, width], with the
size in NAME.txt.
"""
import io
import json
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps


def picture(width, height, channels=3, seed=0):
    """Smooth colours with noise: shows both shifts and roundings."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 90 * np.sin(x / (5 + 3 * c) + y / (7 + 2 * c)) for c in range(channels)]
    noise = random.integers(-37, 38, (height, width, channels))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, *more):
    raw = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more)
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def turned(orientation):
    exif = Image.Exif()
    exif[0x112] = orientation
    return exif


def jpegs():
    rgb = Image.fromarray(picture(53, 37))
    for name, options in {"420": {"subsampling": 2}, "422": {"subsampling": 1},
                          "444": {"subsampling": 0}, "progressive": {"progressive": True},
                          "rgb": {"keep_rgb": True}}.items():
        yield f"jpeg_{name}", saved(rgb, "JPEG", quality=85, **options)
    for orientation in range(1, 9):
        yield f"jpeg_turned_{orientation}", saved(rgb, "JPEG", exif=turned(orientation))
    yield "jpeg_grey", saved(rgb.convert("L"), "JPEG")
    yield "jpeg_cmyk", saved(Image.fromarray(picture(31, 29, 4), "CMYK"), "JPEG", quality=95)
    yield "jpeg_one", saved(rgb.crop((0, 0, 1, 1)), "JPEG")


def pngs():
    rgb, rgba = Image.fromarray(picture(53, 37)), Image.fromarray(picture(53, 37, 4))
    grey = rgb.convert("L")
    yield "png_rgb", saved(rgb, "PNG")
    yield "png_rgba", saved(rgba, "PNG")
    yield "png_turned", saved(rgba, "PNG", exif=turned(5))
    yield "png_grey", saved(grey, "PNG")
    yield "png_grey_alpha", saved(rgba.convert("LA"), "PNG")
    yield "png_1", saved(grey.convert("1"), "PNG")
    for colours in (2, 4, 16, 256):
        yield f"png_palette_{colours}", saved(rgb.quantize(colours), "PNG")
    yield "png_palette_alpha", saved(rgb.quantize(8), "PNG", transparency=bytes(range(0, 80, 10)))
    yield "png_key", saved(rgb, "PNG", transparency=(1, 2, 3))
    yield "png_gamma", png(2, 1, 8, 2, [bytes(range(6))], chunk(b"gAMA", struct.pack(">I", 100000)))
    words = [bytes(picture(22, 1, 1, seed)) for seed in range(5)]
    yield "png_rgb16", png(3, 2, 16, 2, [words[0][:18], words[1][:18]])
    yield "png_rgba16", png(2, 2, 16, 6, [words[0][:16], words[1][:16]])
    yield "png_grey16", png(4, 2, 16, 0, [words[0][:8], words[1][:8]])
    yield "png_grey2", png(7, 2, 2, 0, [words[0][:2], words[1][:2]])
    yield "png_grey4", png(7, 2, 4, 0, [words[0][:4], words[1][:4]])


def interlaced():
    """Adam7 by hand, since Pillow writes none: 8 x 8 grey, in seven passes."""
    pixels = picture(8, 8, 1)[..., 0]
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]
    raw = b"".join(b"\0" + bytes(row) for y, x, dy, dx in passes for row in pixels[y::dy, x::dx])
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 1)
    yield "png_interlaced", (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                             + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def webps():
    rgb, rgba = Image.fromarray(picture(53, 37)), Image.fromarray(picture(53, 37, 4))
    yield "webp_lossy", saved(rgb, "WEBP", quality=80)
    yield "webp_lossless", saved(rgb, "WEBP", lossless=True)
    yield "webp_turned", saved(rgb, "WEBP", lossless=True, exif=turned(8))
    yield "webp_alpha", saved(rgba, "WEBP", lossless=True, exact=True)
    yield "webp_lossy_alpha", saved(rgba, "WEBP", quality=80, exact=True)


def decode(folder):
    for name, data in [*jpegs(), *pngs(), *interlaced(), *webps()]:
        image = Image.open(io.BytesIO(data))
        if image.mode == "I;16":  # which convert() would clip at 255
            image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
        image = ImageOps.exif_transpose(image).convert("RGB")
        folder.joinpath(name + ".img").write_bytes(data)
        folder.joinpath(name + ".rgb").write_bytes(image.tobytes())
        folder.joinpath(name + ".txt").write_text(f"{image.width} {image.height}\n")


VIT = {"image_processor_type": "ViTImageProcessor", "size": {"height": 64, "width": 48}}
DINO = {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 48},
        "crop_size": {"height": 40, "width": 40}, "do_convert_rgb": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def configurations():
    for number in range(6):
        yield f"vit_{number}", {**VIT, "resample": number}
    yield "vit_old", {"feature_extractor_type": "ViTFeatureExtractor", "size": 40}
    yield "vit_bytes", {**VIT, "do_rescale": False, "do_normalize": False}
    yield "vit_rescaled", {**VIT, "do_normalize": False}
    yield "dinov2", DINO
    yield "dinov2_small_crop", {**DINO, "size": {"shortest_edge": 31}}
    yield "dinov2_unsized", {**DINO, "do_resize": False}
    yield "deit", {"image_processor_type": "DeiTImageProcessor"}
    yield "clip", {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "resample": 3,
                   "crop_size": {"height": 32, "width": 32}, "do_convert_rgb": True}
    yield "clip_older", {"image_processor_type": "CLIPImageProcessor", "size": 32, "crop_size": 32}


def preprocess(folder):
    sys.modules["torch"] = None  # slow to load, and not needed
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil
    kinds = {"V": ViTImageProcessorPil, "B": BitImageProcessorPil, "C": CLIPImageProcessorPil,
             "D": DeiTImageProcessorPil}
    sizes = {"down": (151, 97), "up": (21, 26), "same": (48, 64), "mixed": (20, 200)}
    for name, config in configurations():
        kind = config.get("image_processor_type", config.get("feature_extractor_type"))
        rest = {key: value for key, value in config.items() if not key.endswith("_type")}
        processor = kinds[kind[0]](**rest)
        for size, (width, height) in sizes.items():
            image = Image.fromarray(picture(width, height, seed=width))
            pixels = np.array(processor(image)["pixel_values"][0], np.float32)
            path = folder / f"{name}_{size}"
            image.save(path.with_suffix(".png"))
            path.with_suffix(".json").write_text(json.dumps(config))
            path.with_suffix(".f32").write_bytes(pixels.tobytes())
            path.with_suffix(".txt").write_text(f"{pixels.shape[2]} {pixels.shape[1]}\n")


if __name__ == "__main__":
    {"decode": decode, "preprocess": preprocess}[sys.argv[1]](pathlib.Path(sys.argv[2]))
