"""Writes the first inputs of the fuzzers, a folder for each, and dictionaries.

usage: seeds.py FOLDER [MOE_COMPILE]

FOLDER/TARGET gets small inputs; FOLDER/TARGET.dict, where there is one, the words
that libFuzzer puts in. Most come from what other tests use. With a moe-compile
there are whole models among the IR.
"""

import glob
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from importlib.machinery import SourceFileLoader

import numpy as np
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))
TEST = os.path.dirname(HERE)
ROOT = os.path.dirname(TEST)
for folder in ("reference", "Execution"):
    sys.path.insert(0, os.path.join(TEST, folder))

import import_folders  # noqa: E402
import oracle  # noqa: E402
import random_model  # noqa: E402
import random_specs  # noqa: E402
import safetensors  # noqa: E402

# Execution has a module of the same name.
loader = SourceFileLoader("runtime_harness", os.path.join(TEST, "Runtime", "harness.py"))
runtime_harness = loader.load_module()
png_chunk, random_image = runtime_harness.png_chunk, runtime_harness.random_image

PNG = b"\x89PNG\r\n\x1a\n"


def encode(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png(width, height, bits, colour, raw, interlaced=0, level=6, chunks=b""):
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlaced)
    data = zlib.compress(raw, level)
    return (
        PNG
        + png_chunk(b"IHDR", header)
        + chunks
        + png_chunk(b"IDAT", data)
        + png_chunk(b"IEND", b"")
    )


def images():
    rng = np.random.default_rng(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    rgb, rgba = random_image(rng, 19, 14), random_image(rng, 9, 7, "RGBA")
    grey = rgb.convert("L")
    palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    yield encode(rgb, "PNG", exif=exif)
    yield encode(rgba, "PNG")
    yield encode(random_image(rng, 9, 7, "LA"), "PNG")
    yield encode(palette, "PNG", transparency=bytes(16))
    yield encode(rgb, "PNG", transparency=rgb.getpixel((0, 0)))
    yield encode(grey.convert("1"), "PNG")
    # Each kind of pixels and row filter, stored and compressed, in one pass and
    # in Adam7's seven.
    plte = png_chunk(b"PLTE", bytes(range(48)))
    for colour, samples in ((0, 1), (2, 3), (3, 1), (4, 2), (6, 4)):
        for bits in (1, 2, 4, 8, 16):
            if bits < 8 and samples > 1 or bits == 16 and colour == 3:
                continue
            row = (7 * samples * bits + 7) // 8
            raw = b"".join(
                bytes([y % 5]) + rng.bytes(row) if colour != 3 else bytes(row + 1)
                for y in range(9)
            )
            chunks = plte if colour == 3 else b""
            yield png(7, 9, bits, colour, raw, level=bits % 3 * 4, chunks=chunks)
            yield png(3, 2, bits, colour, bytes(200), 1, chunks=chunks)
    for options in (
        {"exif": exif},
        {"progressive": True, "subsampling": 2},
        {"subsampling": 0, "quality": 95},
        {"subsampling": 1, "optimize": True},
    ):
        yield encode(rgb, "JPEG", **options)
    yield encode(grey, "JPEG", progressive=True)
    yield encode(rgb.convert("CMYK"), "JPEG")
    for image in (rgb, rgba, grey, palette, grey.convert("1")):
        yield encode(image, "BMP")
    for bits, masks in ((16, ()), (16, (0xF800, 0x7E0, 0x1F)), (32, (255, 65280, 0xFF0000))):
        extra = b"".join(struct.pack("<I", m) for m in masks)
        pixels = rng.bytes(6 * 5 * bits // 8)
        info = (40, 6, -5, 1, bits, 3 if masks else 0, 0, 0, 0, 0, 0)
        head = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54 + len(extra))
        yield head + struct.pack("<IiiHHIIiiII", *info) + extra + pixels
    core = struct.pack("<2sIHHIIHHHH", b"BM", 0, 0, 0, 26 + 48, 12, 5, 3, 1, 4)
    yield core + bytes(range(48)) + bytes(12)
    yield encode(rgb, "PPM")
    yield encode(grey, "PPM")
    yield b"P2 #c\n3 2 99\n1 2 3 4 5 99\n"
    yield b"P3 1 2 65535 1 2 3 4 5 65535 "
    yield b"P5 2 1 65535\n\0\1\2\3"


def arrays():
    array = np.arange(12, dtype=np.float32).reshape(2, 2, 3, 1)
    for values in (array, array[0], array[:0]):
        for version in ((1, 0), (2, 0), (3, 0)):
            out = io.BytesIO()
            np.lib.format.write_array(out, values, version)
            yield out.getvalue()
    out = io.BytesIO()
    np.save(out, array.astype(np.float64))
    yield out.getvalue()


# The model of SafetensorsFuzzer.cpp.
SMALL = {
    "name": "small",
    "image_size": 4,
    "patch_size": 2,
    "num_channels": 1,
    "hidden_size": 2,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "intermediate_size": 3,
    "num_classes": 2,
    "moe": {"layers": {"last": 1}, "num_experts": 2},
}


def weights():
    spec = oracle.parse_spec(SMALL)
    tensors = random_model.random_weights(spec, 1)
    theirs = import_folders.hugging_face_names(
        {name: values for name, values in tensors.items() if "moe" not in name and "router" not in name}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "w")
        for tensors_of_file, kind, metadata in (
            (tensors, "f32", None),
            (tensors, "f16", {"format": "pt"}),
            (tensors, "bf16", None),
            (theirs, "f32", None),
            (dict(list(tensors.items())[:3], empty=np.zeros((0, 3))), "f64", None),
            ({}, "f32", {}),
        ):
            safetensors.save(path, tensors_of_file, kind, metadata)
            yield open(path, "rb").read()
    names = list(tensors)
    shards = {name: "ab"[i % 2] + ".safetensors" for i, name in enumerate(names)}
    yield json.dumps({"metadata": {"total_size": 1}, "weight_map": shards}).encode()
    yield json.dumps({"weight_map": {"x": "c.safetensors"}}).encode()


def specifications():
    for rows in random_specs.COVERAGE.values():
        for data, _ in rows:
            yield json.dumps(data).encode()
    data = dict(SMALL, precision={"blocks.0.attn": "int8", "head": "bf16"}, weights="w")
    yield json.dumps(data).encode()
    data = dict(SMALL, labels="labels.txt", preprocess={"mean": [0.5], "std": [0.5]})
    yield json.dumps(data).encode() + b"\0\0\xef\xbb\xbfone\ntwo\r\n"
    data = dict(SMALL, labels=["one", "two"], preprocess={"resize": [9, 8], "interpolation": "bicubic"})
    yield json.dumps(data, indent=1).encode()
    for case in import_folders.CASES:
        with tempfile.TemporaryDirectory() as folder:
            case(folder, lambda spec: random_model.random_weights(oracle.parse_spec(spec), 1))
            parts = [open(os.path.join(folder, "config.json"), "rb").read()]
            processor = os.path.join(folder, "preprocessor_config.json")
            if os.path.exists(processor):
                parts.append(open(processor, "rb").read())
            # Thousands of names tell the fuzzer nothing.
            if len(parts[0]) < 10000:
                yield b"\0".join(parts)


def passes_of(command):
    """The passes of a RUN line as the text of a pipeline."""
    pipeline = re.search(r"--pass-pipeline='builtin\.module\((.*)\)'", command)
    if pipeline:
        return pipeline.group(1)
    passes = []
    for name, options in re.findall(r"--([a-z0-9-]+)(?:=([^ ']+|'[^']*'))?", command):
        if name.startswith(("moe-", "convert-moe", "canonicalize", "cse")):
            passes.append(name + ("{" + options.strip("'") + "}" if options else ""))
    return ",".join(passes)


def modules():
    """The IR of other tests, each part of a file with each of its passes."""
    for path in glob.glob(os.path.join(TEST, "*", "*.mlir")):
        with open(path) as file:
            text = file.read()
        commands = re.sub(r"\\\n// RUN:", "", text)
        commands = re.findall(r"// RUN: .*moe-opt ([^|\n]*)", commands)
        pipelines = {passes_of(command) for command in commands} or {""}
        for part in text.split("// -----"):
            lines = [line.split("//")[0].rstrip() for line in part.splitlines()]
            code = "\n".join(line for line in lines if line.strip()) + "\n"
            if code.strip() and len(code) < 8000:
                for passes in pipelines:
                    yield f"// PASSES: {passes}\n{code}".encode()


def models(moe_compile):
    """Whole models, each through all passes for another CPU and precision."""
    base = dict(SMALL, hidden_size=24, num_attention_heads=3, intermediate_size=20)
    specs = [
        ({}, "x86-64-v3", ""),
        ({"routing": "patch", "capacity_factor": 1.0}, "x86-64-v4+amx", "bf16"),
        ({"routing": "patch", "router": {"type": "soft"}}, "x86-64-v4+vnni", "int8"),
        (
            {"routing": "patch", "router": {"type": "expert_choice"}, "capacity_factor": 1.0},
            "armv8.6-a",
            "int8",
        ),
        ({"expert_intermediate_sizes": [20, 7]}, "armv8-a", ""),
        (None, "x86-64", ""),
    ]
    for moe, cpu, precision in specs:
        data = dict(base, moe=dict(base["moe"], **(moe or {})))
        if moe is None:
            del data["moe"]
            data.update(stem=[{"out_channels": 5}], patch_size=2, pool="mean", qk_norm=True)
        with tempfile.TemporaryDirectory() as folder:
            path = random_model.write_model(folder, data, 1)
            text = subprocess.run(
                [moe_compile, path, "--emit=moe", "-o", "-"], check=True, stdout=subprocess.PIPE
            ).stdout.decode()
        lower = f"moe-set-precision{{precision={precision}}},canonicalize,cse," if precision else ""
        passes = (
            f"moe-optimize,{lower}moe-to-linalg,moe-to-vector{{cpu={cpu}}},"
            f"moe-bufferize,moe-to-llvm{{cpu={cpu}}}"
        )
        yield f"// PASSES: {passes}\n{text}".encode()


def words_of_sources(folder):
    """Strings in the sources that could be a key or a value of JSON."""
    words = set()
    for path in glob.glob(os.path.join(ROOT, folder, "*.cpp")):
        with open(path) as file:
            words |= set(re.findall(r'"([A-Za-z_0-9.]+)"', file.read()))
    return {'"' + word + '"' for word in words}


def save(folder, inputs):
    os.makedirs(folder, exist_ok=True)
    for data in inputs:
        name = hashlib.sha256(data).hexdigest()[:16]
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)


def save_words(path, words):
    with open(path, "w") as file:
        for word in sorted(words):
            text = "".join(
                c if " " <= c <= "~" and c not in '"\\' else f"\\x{ord(c):02x}" for c in word
            )
            file.write(f'"{text}"\n')


def main():
    out = sys.argv[1]
    path = lambda name: os.path.join(out, name)
    save(path("image"), images())
    save(path("npy"), arrays())
    save(path("safetensors"), weights())
    save(path("spec"), specifications())
    save(path("moe-opt"), modules())
    if len(sys.argv) > 2:
        save(path("moe-opt"), models(sys.argv[2]))
    json_words = ['": ', "{", "}", "[", "]", ", ", "true", "false", "null", "1e308", "-1"]
    json_words += ["9223372036854775807", "4294967296", "0", "1", "\\u0000", "\\ud800"]
    save_words(path("spec.dict"), [*words_of_sources("lib/Import"), *json_words])
    tensor_words = [f'"{name}"' for name in oracle.weight_shapes(oracle.parse_spec(SMALL))]
    tensor_words += ['"F32"', '"F16"', '"BF16"', '"F64"', '"F4"', '"dtype":', '"shape":']
    tensor_words += ['"data_offsets":', '"__metadata__":', '"weight_map":', '"a.safetensors"']
    save_words(path("safetensors.dict"), [*json_words, *tensor_words])
    save_words(
        path("image.dict"),
        ["\x89PNG\r\n\x1a\n", "IHDR", "IDAT", "IEND", "PLTE", "tRNS", "eXIf", "CgBI", "BM"]
        + ["Exif\0\0", "II*\0", "MM\0*", "JFIF\0", "Adobe\0", "P2 ", "P3 ", "P5 ", "P6 "]
        + ["\xff" + chr(marker) for marker in range(0xC0, 0xF0)],
    )
    save_words(
        path("npy.dict"),
        ["\x93NUMPY", "{'descr': ", "'<f4'", "'fortran_order': ", "False", "True"]
        + ["'shape': ", "(2, 3, 1)", "(1, 2, 3, 1)", "(", ")", ", ", "9223372036854775807"],
    )


main()
