"""The models that are measured, and what is made of them."""

import argparse
import dataclasses
import os
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, os.path.join(ROOT, "test", "reference"))
import export_onnx  # noqa: E402
import oracle  # noqa: E402
import random_model  # noqa: E402

SEED = 2309
# For what is compared over several inputs.
IMAGES = 32
# Heads of 64 channels where that divides the width, else of 32.
HEADS = {384: 6, 192: 3, 96: 3, 64: 2}


@dataclasses.dataclass(frozen=True)
class Size:
    layers: int
    width: int
    patch: int = 32

    def __str__(self):
        suffix = "" if self.patch == 32 else f"/{self.patch}"
        return f"{self.layers}x{self.width}{suffix}"


SIZES = [Size(n, d) for d in (384, 192, 96, 64) for n in (12, 9, 6)]
SIZES.append(Size(12, 192, 16))


def specification(size, is_moe):
    """The paper's model of this size on 224x224: with `is_moe`, ten experts in
    the last two blocks and one router of the whole image."""
    spec = {
        "image_size": 224,
        "patch_size": size.patch,
        "hidden_size": size.width,
        "num_hidden_layers": size.layers,
        "num_attention_heads": HEADS[size.width],
        "intermediate_size": 4 * size.width,
        "num_classes": 1000,
    }
    if is_moe:
        spec["moe"] = {"layers": {"last": 2}, "num_experts": 10, "top_k": 1}
    return spec


@dataclasses.dataclass
class Model:
    """Files of one model, and what making them took."""

    name: str
    spec: str
    image: str
    images: str  # several, of which `image` is the first
    binaries: dict = dataclasses.field(default_factory=dict)  # precision -> path
    compile_seconds: dict = dataclasses.field(default_factory=dict)  # by precision
    onnx: dict = dataclasses.field(default_factory=dict)  # precision -> form -> path

    def path(self, precision, suffix=""):
        infix = "" if precision == "f32" else "." + precision
        return os.path.join(os.path.dirname(self.spec), self.name + infix + suffix)


def write(size, is_moe, folder):
    """Random weights and images, nothing compiled or exported yet."""
    name = f"vit_{size.layers}x{size.width}_p{size.patch}" + ("_moe" if is_moe else "")
    folder = os.path.join(folder, name)
    data = specification(size, is_moe)
    spec = random_model.write_model(folder, data, SEED, "f32", name)
    image = os.path.join(folder, "image.npy")
    images = os.path.join(folder, "images.npy")
    values = random_model.random_images(oracle.load_spec(spec), IMAGES, SEED)
    np.save(image, values[:1])
    np.save(images, values)
    return Model(name, spec, image, images)


def compile_binary(model, precision, moe_compile):
    """A binary of ours for this machine."""
    path = model.binaries[precision] = model.path(precision)
    start = time.monotonic()
    subprocess.run(
        [moe_compile, model.spec, "-o", path, "--precision", precision], check=True
    )
    model.compile_seconds[precision] = time.monotonic() - start


def export(model, precision, is_moe):
    """The ONNX files, of which there are none in bf16."""
    if precision == "bf16":
        return
    model.onnx[precision] = {}
    for form in export_onnx.FORMS["image"] if is_moe else ("dense",):
        path = model.path(precision, f".{form}.onnx")
        export_onnx.export(model.spec, form, path, precision == "int8")
        model.onnx[precision][form] = path


def make(size, is_moe, folder, moe_compile, precisions):
    """Random weights, a binary of ours for each precision, and the ONNX files."""
    model = write(size, is_moe, folder)
    for precision in precisions:
        compile_binary(model, precision, moe_compile)
        export(model, precision, is_moe)
    return model


def kinds(text):
    """An option's list of kinds."""
    wanted = text.split(",")
    if unknown := set(wanted) - {"moe", "dense"}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return wanted


def select(names):
    """The sizes of a list such as 12x192,6x64; all without one."""
    wanted = names.split(",") if names else [str(size) for size in SIZES]
    unknown = set(wanted) - {str(size) for size in SIZES}
    if unknown:
        sys.exit(f"unknown sizes: {', '.join(sorted(unknown))}")
    return [size for size in SIZES if str(size) in wanted]
