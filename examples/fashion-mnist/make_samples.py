#!/usr/bin/env python3
"""Writes samples/: test images as PNG files, and what the models answer.

Of each class, the first two images of the test set, named by their index in it.
samples/expected.json holds, for every specification in this folder, PyTorch's
float32 logits of each sample and the expert that its router chooses; the tests
compare the compiled binaries with them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import data
from model import load_model

HERE = Path(__file__).resolve().parent
SAMPLES = HERE / "samples"
PER_CLASS = 2


def file_name(index: int, label: int) -> str:
    slug = re.sub(r"[^a-z]+", "-", data.LABELS[label].lower())
    return f"{index:05}-{slug}.png"


@torch.no_grad()
def answers(spec: Path, images: np.ndarray) -> list[dict[str, Any]]:
    """Of each image: the logits, and the expert in each MoE block."""
    model = load_model(spec)
    logits, routing = model(data.to_input(images))
    # Nine digits tell any two floats apart.
    found: list[dict[str, Any]] = [
        {"logits": [float(f"{value:.9g}") for value in row.tolist()],
         "experts": {}} for row in logits]
    if routing is not None:
        for answer, expert in zip(found, routing.argmax(1).tolist()):
            answer["experts"] = {layer: expert for layer in range(
                model.first_moe, len(model.blocks))}
    return found


def main() -> None:
    images, labels = data.load("t10k")
    chosen = np.sort(np.concatenate(
        [np.flatnonzero(labels == c)[:PER_CLASS] for c in range(10)]))
    names = [file_name(i, labels[i]) for i in chosen]

    SAMPLES.mkdir(exist_ok=True)
    for name, image in zip(names, images[chosen]):
        Image.fromarray(image).save(SAMPLES / name, optimize=True)

    models = []
    for spec in sorted(HERE.glob("*.json")):
        rows = [f"    {json.dumps(name)}: {json.dumps(answer)}"
                for name, answer in zip(names, answers(spec, images[chosen]))]
        models.append(f"  {json.dumps(spec.stem)}: {{\n"
                      + ",\n".join(rows) + "\n  }")
    (SAMPLES / "expected.json").write_text(
        "{\n" + ",\n".join(models) + "\n}\n")


if __name__ == "__main__":
    main()
