#!/usr/bin/env python3
"""Trains a small convolutional stem with a Vision Transformer of experts behind
it on Fashion-MNIST, and writes it in the compiler's formats.

    python3 hybrid.py [--epochs N] [--out FOLDER]
    python3 hybrid.py --compare ./hybrid [--out FOLDER]

The second compares a compiled binary with PyTorch on 500 test images. The
transformer and the data are those of ../fashion-mnist.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fashion-mnist"))
import data  # noqa: E402
from model import (VisionTransformer, load_safetensors,  # noqa: E402
                   save_safetensors)

SEED = 2309
BATCH = 128
PEAK_RATE = 2e-3
ROUTER_LOSS = 0.3
# Which expert a class is for: tops, shoes, trousers, bags.
GROUPS = torch.tensor([0, 2, 0, 0, 0, 1, 0, 1, 3, 1])

# 28x28 -> 14x14 -> 7x7, by a convolution and two MobileNetV2 blocks.
STEM: list[dict[str, Any]] = [
    {"out_channels": 16, "stride": 2, "activation": "hardswish"},
    {"out_channels": 48, "kernel_size": 1, "activation": "hardswish"},
    {"depthwise": True, "activation": "hardswish"},
    {"out_channels": 16, "kernel_size": 1, "residual": 3},
    {"out_channels": 64, "kernel_size": 1, "activation": "hardswish"},
    {"depthwise": True, "stride": 2, "activation": "hardswish"},
    {"out_channels": 32, "kernel_size": 1},
]
SPEC: dict[str, Any] = {
    "name": "hybrid", "image_size": 28, "num_channels": 1, "stem": STEM,
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 128, "hidden_act": "gelu", "num_classes": 10,
    "weights": "hybrid.safetensors", "labels": data.LABELS,
    "preprocess": {"mean": [data.MEAN], "std": [data.STD]},
    "moe": {"layers": {"last": 2}, "num_experts": 4},
}


class Stem(nn.ModuleList):
    """The layers of `stem`, with the parameters' names that the compiler reads:
    `stem.I.conv.*` and `stem.I.bn.*`."""

    def __init__(self, layers: list[dict[str, Any]], channels: int) -> None:
        super().__init__()
        self.layers = layers
        for layer in layers:
            depthwise = layer.get("depthwise", False)
            out = channels if depthwise else layer["out_channels"]
            kernel = layer.get("kernel_size", 3)
            self.append(nn.ModuleDict({
                "conv": nn.Conv2d(channels, out, kernel, layer.get("stride", 1),
                                  (kernel - 1) // 2, bias=False,
                                  groups=channels if depthwise else 1),
                "bn": nn.BatchNorm2d(out)}))
            channels = out
        self.channels = channels

    def forward(self, image: Tensor) -> Tensor:
        maps = [image]
        for module, layer in zip(self, self.layers):
            x = module["bn"](module["conv"](maps[-1]))
            if layer.get("activation") == "hardswish":
                x = F.hardswish(x)
            if "residual" in layer:
                x = x + maps[-layer["residual"]]
            maps.append(x)
        return maps[-1]


class Hybrid(VisionTransformer):
    """A Vision Transformer whose image is what a stem makes of it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        stem = Stem(spec["stem"], spec["num_channels"])
        size = spec["image_size"]
        side = stem.eval()(
            torch.zeros(1, spec["num_channels"], size, size)).shape[-1]
        super().__init__({**spec, "image_size": side, "patch_size": 1,
                          "num_channels": stem.channels})
        self.stem = stem

    def forward(self, image, forced=None):
        return super().forward(self.stem(image), forced)


def train(model: Hybrid, epochs: int, images: Tensor, labels: Tensor) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
    steps = epochs * (len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps)
    for epoch in range(epochs):
        model.train()
        start, total = time.time(), 0.0
        order = torch.randperm(len(images))
        for chosen in order[:len(order) // BATCH * BATCH].split(BATCH):
            logits, routing = model(images[chosen])
            loss = F.cross_entropy(logits, labels[chosen])
            total += loss.item() * BATCH / len(images)
            loss = loss + ROUTER_LOSS * F.cross_entropy(
                routing, GROUPS[labels[chosen]])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}/{epochs}, loss {total:.4f}, "
              f"{time.time() - start:.0f} s", flush=True)
    model.eval()


@torch.no_grad()
def predict(model: Hybrid, images: Tensor) -> Tensor:
    return torch.cat([model(chunk)[0] for chunk in images.split(500)])


def load(folder: Path) -> Hybrid:
    """The model that was written to the folder."""
    model = Hybrid(json.loads((folder / "hybrid.json").read_text()))
    model.load_state_dict(load_safetensors(folder / "hybrid.safetensors"))
    return model.eval()


def compare(model: Hybrid, binary: str, images: Tensor) -> None:
    expected = predict(model, images).numpy()
    with tempfile.TemporaryDirectory() as work:
        np.save(f"{work}/x.npy", images.numpy())
        subprocess.run([binary, "--tensor", f"{work}/x.npy", "--logits",
                        f"{work}/logits.npy"], check=True,
                       stdout=subprocess.DEVNULL)
        found = np.load(f"{work}/logits.npy")
    error = np.abs(found - expected).max() / max(1, np.abs(expected).max())
    same = (found.argmax(1) == expected.argmax(1)).mean()
    print(f"largest error of a logit: {error:.1e}, same class: {same:.1%}")
    if error > 1e-4:
        sys.exit("the binary's logits are not PyTorch's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--images", type=int, default=60000,
                        help="of the training images, take so many")
    parser.add_argument("--out", type=Path, default=Path("."))
    parser.add_argument("--compare", metavar="BINARY")
    args = parser.parse_args()
    torch.manual_seed(SEED)
    test_images, test_labels = data.load("t10k")
    test = data.to_input(test_images)
    if args.compare:
        compare(load(args.out), args.compare, test[:500])
        return

    images, labels = data.load("train")
    model = Hybrid(SPEC)
    train(model, args.epochs, data.to_input(images[:args.images]),
          torch.from_numpy(labels[:args.images].astype(np.int64)))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "hybrid.json").write_text(json.dumps(SPEC, indent=2) + "\n")
    save_safetensors(args.out / "hybrid.safetensors", model.state_dict())
    # As it was written, rounded to f16.
    right = predict(load(args.out), test).argmax(1).numpy() == test_labels
    print(f"top-1 of the test images: {right.mean():.2%}")


if __name__ == "__main__":
    main()
