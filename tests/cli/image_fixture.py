"""A tiny random ViT and folders of PNG files, written without any library but Python's own."""
import json
import pathlib
import random
import struct
import zlib

import fixture

HIDDEN, INNER, LAYERS, HEADS, SIDE, PATCH = 32, 56, 2, 4, 16, 8
COLOURS = {"blue": (40, 70, 200), "green": (60, 180, 60), "red": (210, 50, 40)}
PREPROCESSOR = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "resample": 2,
                "size": {"height": SIDE, "width": SIDE}, "do_rescale": True,
                "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3,
                "image_std": [0.5] * 3}


def vit_tensors(seed):
    rng = random.Random(seed)

    def values(*shape):
        count = 1
        for edge in shape:
            count *= edge
        return list(shape), [rng.gauss(0, 0.15) for _ in range(count)]

    def norm(name):
        return {f"{name}.weight": ([HIDDEN], [1.0] * HIDDEN),
                f"{name}.bias": ([HIDDEN], [0.0] * HIDDEN)}

    def linear(name, outputs, inputs):
        return {f"{name}.weight": values(outputs, inputs), f"{name}.bias": values(outputs)}

    tokens = 1 + (SIDE // PATCH) ** 2
    tensors = {"embeddings.cls_token": values(1, 1, HIDDEN),
               "embeddings.position_embeddings": values(1, tokens, HIDDEN),
               "embeddings.patch_embeddings.projection.weight": values(HIDDEN, 3, PATCH, PATCH),
               "embeddings.patch_embeddings.projection.bias": values(HIDDEN), **norm("layernorm")}
    for i in range(LAYERS):
        at = f"encoder.layer.{i}."
        for name in ("query", "key", "value"):
            tensors |= linear(f"{at}attention.attention.{name}", HIDDEN, HIDDEN)
        tensors |= linear(f"{at}attention.output.dense", HIDDEN, HIDDEN)
        tensors |= linear(f"{at}intermediate.dense", INNER, HIDDEN)
        tensors |= linear(f"{at}output.dense", HIDDEN, INNER)
        tensors |= norm(f"{at}layernorm_before") | norm(f"{at}layernorm_after")
    return tensors


def write_vit(directory, seed=1, labels=()):
    """A ViT, without labels as the hub holds it: without a head."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    config = {"model_type": "vit", "architectures": ["ViTModel"], "hidden_size": HIDDEN,
              "intermediate_size": INNER, "num_hidden_layers": LAYERS,
              "num_attention_heads": HEADS, "image_size": SIDE, "patch_size": PATCH,
              "num_channels": 3, "hidden_act": "gelu", "qkv_bias": True, "layer_norm_eps": 1e-12}
    tensors = vit_tensors(seed)
    if labels:
        config |= {"architectures": ["ViTForImageClassification"],
                   "id2label": dict(enumerate(labels))}
        tensors = {f"vit.{name}": tensor for name, tensor in tensors.items()}
        tensors |= {"classifier.weight": ([len(labels), HIDDEN], [0.01] * len(labels) * HIDDEN),
                    "classifier.bias": ([len(labels)], [0.0] * len(labels))}
    (directory / "config.json").write_text(json.dumps(config))
    (directory / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    fixture.write_safetensors(directory / "model.safetensors", tensors)
    return directory


def png(colour, rng, side=SIDE):
    """A square of noise around a colour."""
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    rows = b"".join(b"\0" + bytes(max(0, min(255, channel + rng.randint(-40, 40)))
                                  for _ in range(side) for channel in colour)
                    for _ in range(side))
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def write_folder(directory, count, seed, classes=tuple(COLOURS)):
    rng = random.Random(seed)
    for name in classes:
        (directory / name).mkdir(parents=True)
        for number in range(count):
            (directory / name / f"{number:02}.png").write_bytes(png(COLOURS[name], rng))
    return directory
