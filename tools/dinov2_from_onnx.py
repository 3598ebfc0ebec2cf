#!/usr/bin/env python3
"""Writes the DINOv2-small backbone of an ONNX file as a Hugging Face directory: config.json,
model.safetensors, preprocessor_config.json. Needs Python's standard library alone.

ONNX folds linear layers into anonymous matrices [in, out]; the bias that is added behind each of
them has kept its name, and tells which layer it is.

  usage: dinov2_from_onnx.py MODEL.onnx DIRECTORY"""
import array
import json
import os
import pathlib
import struct
import sys

HIDDEN, HEADS, LAYERS, PATCH, GRID = 384, 6, 12, 14, 37
CONFIG = {
    "architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_size": HIDDEN,
    "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "mlp_ratio": 4,
    "image_size": GRID * PATCH, "patch_size": PATCH, "num_channels": 3, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "drop_path_rate": 0.0,
    "layer_norm_eps": 1e-06, "layerscale_value": 1.0, "qkv_bias": True, "use_swiglu_ffn": False,
    "initializer_range": 0.02, "torch_dtype": "float32"}
PREPROCESSOR = {
    "image_processor_type": "BitImageProcessor", "do_convert_rgb": True, "do_resize": True,
    "size": {"shortest_edge": 256}, "resample": 3, "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224}, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def message_fields(data):
    """(number, value) of a protobuf message: numbers as they are, the rest as memory."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def text(value):
    return bytes(value).decode()


def read_tensor(data):
    """Name, shape and fp32 values of a TensorProto."""
    name, shape, raw = "", [], b""
    for number, value in message_fields(data):
        if number == 1:
            shape += [value] if isinstance(value, int) else packed(value)
        elif number == 8:
            name = text(value)
        elif number == 9:
            raw = value
    return name, shape, raw


def packed(data):
    at, values = 0, []
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def read_graph(path):
    """Initialisers by name, and the (inputs, outputs) of each node with its kind."""
    graph = next(value for number, value in message_fields(memoryview(path.read_bytes()))
                 if number == 7)
    tensors, nodes = {}, []
    for number, value in message_fields(graph):
        if number == 5:
            name, shape, raw = read_tensor(value)
            tensors[name] = (shape, raw)
        elif number == 1:
            node = {1: [], 2: [], 4: [""]}
            for part, content in message_fields(value):
                if part in node:
                    node[part].append(text(content))
            nodes.append((node[4][-1], node[1], node[2]))
    return tensors, nodes


def transposed(shape, raw):
    """[in, out] -> [out, in]."""
    values = array.array("f")
    values.frombytes(raw)
    rows, columns = shape
    turned = array.array("f")
    for column in range(columns):
        turned.extend(values[column::columns])
    return [columns, rows], turned.tobytes()


def linear_weights(tensors, nodes):
    """The matrices by the name of the bias that is added to their product."""
    product = {outputs[0]: name for kind, inputs, outputs in nodes if kind == "MatMul"
               for name in inputs if name in tensors}
    weights = {}
    for kind, inputs, _ in nodes:
        if kind != "Add":
            continue
        matrix = [product[name] for name in inputs if name in product]
        bias = [name for name in inputs if name.endswith(".bias")]
        if matrix and bias:
            weights[bias[0].removesuffix("bias") + "weight"] = transposed(*tensors[matrix[0]])
    return weights


def position_embeddings(tensors):
    rows = [raw for count in (1, GRID * GRID) for shape, raw in tensors.values()
            if shape == [1, count, HIDDEN]]
    cls = tensors["backbone.embeddings.cls_token"][1]
    rows = [raw for raw in rows if raw is not cls]
    return [1, 1 + GRID * GRID, HIDDEN], b"".join(bytes(raw) for raw in rows)


def backbone(path):
    tensors, nodes = read_graph(path)
    prefix = "backbone."
    named = {name: value for name, value in tensors.items() if name.startswith(prefix)}
    named |= linear_weights(tensors, nodes)
    out = {name.removeprefix(prefix): (shape, bytes(raw)) for name, (shape, raw) in named.items()
           if name.startswith(prefix)}
    out["embeddings.position_embeddings"] = position_embeddings(tensors)
    # Of training alone, and not in the graph.
    out["embeddings.mask_token"] = ([1, HIDDEN], bytes(4 * HIDDEN))
    wanted = 7 + LAYERS * 18
    if len(out) != wanted:
        raise SystemExit(f"error: {path} gives {len(out)} tensors of DINOv2-small, need {wanted}")
    for name, (shape, raw) in out.items():
        size = 4
        for edge in shape:
            size *= edge
        if size != len(raw):
            raise SystemExit(f"error: tensor {name} {shape} has {len(raw)} bytes")
    return out


def write_safetensors(path, tensors):
    header, place = {"__metadata__": {"format": "pt"}}, 0
    for name in sorted(tensors):
        shape, raw = tensors[name]
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + len(raw)]}
        place += len(raw)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for name in sorted(tensors):
            file.write(tensors[name][1])


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__.splitlines()[-1])
    source, target = map(pathlib.Path, sys.argv[1:])
    staging = target.with_name(target.name + ".part")
    staging.mkdir(parents=True, exist_ok=True)
    write_safetensors(staging / "model.safetensors", backbone(source))
    for name, content in (("config.json", CONFIG), ("preprocessor_config.json", PREPROCESSOR)):
        (staging / name).write_text(json.dumps(content, indent=2) + "\n")
    os.rename(staging, target)


if __name__ == "__main__":
    main()
