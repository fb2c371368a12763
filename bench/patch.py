"""Per-patch models (V-MoE): each token has experts of its own."""

import argparse
import dataclasses
import json
import os
import subprocess

import numpy as np

import export_onnx
import models
import oracle
import random_model
import safetensors

# Of the router's logits over the tokens: such that the chosen expert is clear,
# but not the only one that counts.
DEVIATION = 2.0
LAYERS = {"all": {"every": 1}, "last": {"last": 2}}


@dataclasses.dataclass(frozen=True)
class Case:
    size: models.Size
    experts: int = 8
    top_k: int = 1
    layers: str = "all"  # or "last": the last two
    capacity_factor: float | None = None

    def __str__(self):
        blocks = "all blocks" if self.layers == "all" else "last 2"
        text = f"{self.size} {blocks}, {self.experts} experts, k = {self.top_k}"
        if self.capacity_factor is not None:
            text += f", capacity {self.capacity_factor}"
        return text

    @property
    def name(self):
        size = self.size
        name = f"vit_{size.layers}x{size.width}_p{size.patch}_patch_{self.layers}"
        name += f"_e{self.experts}_k{self.top_k}"
        if self.capacity_factor is not None:
            name += f"_c{self.capacity_factor}"
        return name

    def specification(self):
        data = models.specification(self.size, False)
        data["moe"] = {
            "layers": LAYERS[self.layers],
            "num_experts": self.experts,
            "top_k": self.top_k,
            "routing": "patch",
        }
        if self.capacity_factor is not None:
            data["moe"]["capacity_factor"] = self.capacity_factor
        return data


def cases(sizes, counts, quick):
    """Those to measure. With `counts`, how time grows with the number of experts."""
    if counts:
        return [Case(size, count, 1, "last") for size in sizes for count in counts]
    found = []
    for size in sizes:
        for layers in LAYERS:
            found += [Case(size, 8, k, layers) for k in ((1,) if quick else (1, 2))]
        if not quick:
            found.append(Case(size, 8, 1, "all", 1.05))
    return found


def counts(text):
    """An option's list of numbers of experts."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"expected such as 4,16,64, found {text}")
    return numbers


class Spreading(oracle.Model):
    """Runs a model, and makes its routers spread the tokens of the image that it
    runs, as those of a trained model do.

    A random router does not: tokens are much alike behind some blocks, so that
    most of them go to the same expert. Here none tells the tokens' mean, only
    what they differ in.
    """

    def _linear(self, name, x):
        if name.endswith(".moe.router"):
            mean = x.mean(axis=0)
            weight = self.weights[name + ".weight"]
            weight = weight - np.outer(weight @ mean, mean) / (mean @ mean)
            deviations = (x @ weight.T).std(axis=0)
            weight *= DEVIATION / deviations[:, None]
            self.weights[name + ".weight"] = weight.astype(np.float32).astype(float)
        return super()._linear(name, x)


def make(case, folder, moe_compile):
    """Weights whose routers spread the tokens of the image, our f32 binary, and
    all ONNX forms."""
    folder = os.path.join(folder, case.name)
    os.makedirs(folder, exist_ok=True)
    data = dict(case.specification(), weights=case.name + ".safetensors")
    path = os.path.join(folder, case.name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=2)
    spec = oracle.load_spec(path)
    image = random_model.random_images(spec, 1, models.SEED)
    image_path = os.path.join(folder, "image.npy")
    np.save(image_path, image)
    weights = random_model.random_weights(spec, models.SEED)
    weights = {k: v.astype(np.float32).astype(float) for k, v in weights.items()}
    spreading = Spreading(spec, weights)
    spreading.run(image[0])
    safetensors.save(spec.weights, spreading.weights, "f32", {"format": "pt"})
    model = models.Model(case.name, path, image_path, image_path)
    models.compile_binary(model, "f32", moe_compile)
    model.onnx["f32"] = {}
    for form in export_onnx.FORMS["patch"]:
        model.onnx["f32"][form] = model.path("f32", f".{form}.onnx")
        export_onnx.export(path, form, model.onnx["f32"][form])
    return model


def groups(binary, image):
    """How many tokens each expert has that has any, over all blocks."""
    command = [binary, "--tensor", image, "--format=json"]
    line = subprocess.check_output(command, text=True).splitlines()[0]
    return [expert["tokens"] for expert in json.loads(line)["experts"]]


def describe(case, ours, image):
    """What of the case the tables say."""
    tokens = groups(ours.path, image)
    width = case.size.width
    # Two layers with their biases.
    parameters = 2 * 4 * width * width + 5 * width
    blocks = case.size.layers if case.layers == "all" else 2
    idle = case.experts * blocks - len(tokens)
    return {
        "experts": case.experts,
        "top_k": case.top_k,
        "series": str(dataclasses.replace(case, experts=0)),
        "busy_experts": len(tokens) / blocks,  # a block
        "tokens": {
            "least": min(tokens),
            "mean": sum(tokens) / len(tokens),
            "most": max(tokens),
        },
        # Of the weights that this image needs.
        "bytes_read": 4 * (ours.info["parameters"] - idle * parameters),
    }
