#!/usr/bin/env python3
"""Compares a compiled binary with PyTorch on the 10,000 test images.

    python3 evaluate.py --binary PATH --spec JSON

Prints the accuracies and how far the binary is from PyTorch in float32, both for
preprocessed inputs (--tensor) and for PNG files, which the binary decodes and
preprocesses itself. Exits 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
import torch
from PIL import Image

import data
from model import VisionTransformer, load_model

FILES = 200
# Router logits that differ by less, relative to max(1, max|logit|), may be
# chosen either way.
NEAR_TIE = 1e-5


@dataclass(frozen=True)
class Limits:
    """Of a precision; None is no limit."""
    logit_error: Optional[float]
    """Relative to max(1, max|reference|), where the experts are the same."""
    answers: Optional[int]
    """That differ from PyTorch's, of all test images."""
    file_answers: Optional[int]
    """That differ from PyTorch's, of the PNG files."""
    experts: Optional[int]
    """Images that go to another expert without a near tie."""
    points: float
    """By which top-1 may be lower, in percent."""


LIMITS = {
    "f32": Limits(1e-4, 2, 0, 0, 0.02),
    "bf16": Limits(3e-2, None, None, None, 0.5),
    "int8": Limits(None, None, None, None, 0.5),
}


@dataclass(frozen=True)
class Answers:
    logits: np.ndarray
    """[B, classes], float32"""
    classes: np.ndarray
    """[B]"""
    experts: np.ndarray
    """[B, MoE layers]: one expert a layer"""


@dataclass(frozen=True)
class Comparison:
    answers: int
    experts: int
    logit_error: float


@torch.no_grad()
def run_pytorch(model: VisionTransformer, images: np.ndarray
                ) -> tuple[Answers, np.ndarray]:
    """The answers, and which images' routes are near ties [B]."""
    outputs = [model(chunk) for chunk in data.to_input(images).split(500)]
    logits = torch.cat([logits for logits, _ in outputs])
    layers = len(model.blocks) - model.first_moe
    experts = np.zeros((len(images), layers), np.int64)
    near_tie = np.zeros(len(images), bool)
    if layers:
        routing = torch.cat([routing for _, routing in outputs])
        experts[:] = routing.argmax(1)[:, None].numpy()
        if routing.shape[1] > 1:
            first, second = routing.topk(2, dim=1).values.T
            scale = routing.abs().amax(1).clamp(min=1)
            near_tie = (first - second < NEAR_TIE * scale).numpy()
    classes = logits.argmax(1).numpy()
    return Answers(logits.numpy(), classes, experts), near_tie


def run_binary(command: list[str], inputs: list[str], layers: list[int],
               folder: Path) -> Answers:
    """What the binary answers; `inputs` are its arguments."""
    path = folder / "logits.npy"
    done = subprocess.run(
        [*command, "--format=json", "--top", "1", "--logits", str(path),
         *inputs], stdout=subprocess.PIPE, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    logits = np.load(path)
    if logits.shape[0] != len(lines):
        sys.exit(f"{len(lines)} answers, but {logits.shape[0]} rows of logits")
    experts = []
    for line in lines:
        found = [entry["layer"] for entry in line["experts"]]
        if found != layers:
            sys.exit(f"{line['input']}: expected experts of the layers "
                     f"{layers}, found {found}")
        experts.append([entry["expert"] for entry in line["experts"]])
    return Answers(logits,
                   np.array([line["top"][0]["class"] for line in lines]),
                   np.array(experts, np.int64).reshape(len(lines), -1))


def compare(found: Answers, wanted: Answers, near_tie: np.ndarray
            ) -> Comparison:
    if found.logits.shape != wanted.logits.shape:
        sys.exit(f"expected {wanted.logits.shape} logits, found "
                 f"{found.logits.shape}")
    same = (found.experts == wanted.experts).all(1)
    scale = np.maximum(1, np.abs(wanted.logits).max(1, keepdims=True))
    errors = (np.abs(found.logits - wanted.logits) / scale)[same]
    return Comparison(answers=int((found.classes != wanted.classes).sum()),
                      experts=int((~same & ~near_tie).sum()),
                      # NaN, not 0, if there is nothing to compare.
                      logit_error=float(errors.max()) if len(errors)
                      else float("nan"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--spec", type=Path, required=True)
    args = parser.parse_args()
    binary = str(args.binary.resolve())
    info = json.loads(subprocess.run([binary, "--info"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    limits = LIMITS[info["precision"]]

    images, labels = data.load("t10k")
    model = load_model(args.spec)
    layers = list(range(model.first_moe, len(model.blocks)))
    wanted, near_tie = run_pytorch(model, images)
    picked = np.arange(0, len(images), len(images) // FILES)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tensor = folder / "images.npy"
        np.save(tensor, data.to_input(images).numpy())
        by_tensor = run_binary([binary], ["--tensor", str(tensor)], layers,
                               folder)
        files = [folder / f"{index:05}.png" for index in picked]
        for path, image in zip(files, images[picked]):
            Image.fromarray(image).save(path)
        by_file = run_binary([binary], [str(path) for path in files], layers,
                             folder)

    tensors = compare(by_tensor, wanted, near_tie)
    pngs = compare(by_file, Answers(wanted.logits[picked],
                                    wanted.classes[picked],
                                    wanted.experts[picked]), near_tie[picked])
    reference = 100 * (wanted.classes == labels).mean()
    found = 100 * (by_tensor.classes == labels).mean()
    rows = [
        ("top-1, PyTorch float32", reference, None, ".2f"),
        ("top-1, binary", found, None, ".2f"),
        ("top-1 lost", reference - found, limits.points, ".2f"),
        ("tensors: other answers", tensors.answers, limits.answers, "d"),
        ("tensors: other experts", tensors.experts, limits.experts, "d"),
        ("tensors: largest logit error", tensors.logit_error,
         limits.logit_error, ".2g"),
        ("PNG files: other answers", pngs.answers, limits.file_answers, "d"),
        ("PNG files: other experts", pngs.experts, limits.experts, "d"),
        ("PNG files: largest logit error", pngs.logit_error,
         limits.logit_error, ".2g"),
    ]
    print(f"{info['name']}, {info['precision']}, {info['cpu_variant']}: "
          f"{len(images)} tensors, {len(files)} PNG files")
    print(f"{'':32}{'found':>10}{'limit':>10}")
    failed = False
    for title, value, limit, form in rows:
        # A comparison that is false for NaN.
        broken = limit is not None and not value <= limit + 1e-9
        failed |= broken
        print(f"{title:32}{value:>10{form}}"
              f"{'' if limit is None else format(limit, form):>10}"
              f"{'  exceeded' if broken else ''}".rstrip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
