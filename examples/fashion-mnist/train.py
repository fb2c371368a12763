#!/usr/bin/env python3
"""Trains the example's two models and writes them in the compiler's formats.

Following Mobile V-MoEs (arXiv 2309.04354): a dense ViT first; super-classes
from clustering its confusion matrix on held-out images; then the same ViT with
experts in its last two blocks, whose one router learns the super-classes beside
the usual loss. Both have the same three phases and seed. The first is the
baseline's: the experts start as copies of its MLPs (sparse upcycling, arXiv
2212.05055), because 55,000 images are too few to train each expert from
nothing on its share of them. The baseline goes on through the same phases.

    python3 train.py [--checkpoints FOLDER]

A phase whose checkpoint is there is not trained again.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

import data
from model import VisionTransformer, load_model, save_safetensors

HERE = Path(__file__).resolve().parent
SEED = 2309
BATCH = 256
WEIGHT_DECAY = 0.05
ROUTER_LOSS = 0.3
AVERAGE = 0.998
EXPERTS = 5
HELD_OUT = 5000


@dataclass(frozen=True)
class Phase:
    epochs: int
    peak_rate: float
    warmup_steps: int
    smoothing: float
    """Of the labels."""
    shift: int
    """Pixels that an image moves at most in each direction."""


PHASES = [Phase(15, 2e-3, 400, 0.1, 2), Phase(10, 1.5e-3, 200, 0.1, 2),
          Phase(5, 1e-3, 100, 0.0, 0)]

DENSE_SPEC: dict[str, Any] = {
    "name": "fashion_dense",
    "image_size": 28, "patch_size": 7, "num_channels": 1,
    "hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4,
    "intermediate_size": 256, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
    "num_classes": 10, "weights": "dense.safetensors", "labels": "labels.txt",
    "preprocess": {"mean": [data.MEAN], "std": [data.STD]},
}
MOE_SPEC: dict[str, Any] = {
    **DENSE_SPEC, "name": "fashion_mobile_vmoe",
    "weights": "mobile-vmoe.safetensors",
    "moe": {"layers": {"last": 2}, "num_experts": EXPERTS, "top_k": 1,
            "routing": "image", "router": {"placement": "shared",
                                           "input": "cls"}},
}


def augment(images: Tensor, shift: int) -> Tensor:
    """Random horizontal flips, and shifts of up to so many pixels."""
    count, _, height, width = images.shape
    flip = torch.rand(count) < 0.5
    images = torch.where(flip[:, None, None, None], images.flip(-1), images)
    if shift == 0:
        return images
    padded = F.pad(images, (shift,) * 4, value=-data.MEAN / data.STD)
    top, left = torch.randint(0, 2 * shift + 1, (2, count))
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    index = torch.arange(count)[:, None, None]
    return padded[index, 0, rows[:, :, None], columns[:, None, :]][:, None]


def rate_at(step: int, steps: int, phase: Phase) -> float:
    """Linear warm-up, then half a cosine."""
    if step < phase.warmup_steps:
        return phase.peak_rate * (step + 1) / phase.warmup_steps
    progress = (step - phase.warmup_steps) / (steps - phase.warmup_steps)
    return phase.peak_rate * 0.5 * (1 + math.cos(math.pi * progress))


@torch.no_grad()
def predict(model: VisionTransformer, images: Tensor
            ) -> tuple[Tensor, Optional[Tensor]]:
    """Logits and the router's logits of all images."""
    model.eval()
    outputs = [model(chunk) for chunk in images.split(500)]
    logits = torch.cat([logits for logits, _ in outputs])
    if outputs[0][1] is None:
        return logits, None
    return logits, torch.cat([routing for _, routing in outputs])


def accuracy(model: VisionTransformer, images: Tensor, labels: Tensor) -> float:
    return (predict(model, images)[0].argmax(1) == labels).float().mean().item()


def train(model: VisionTransformer, phase: Phase, images: Tensor,
          labels: Tensor, held: tuple[Tensor, Tensor],
          groups: Optional[Tensor]) -> VisionTransformer:
    """Trains a model; returns the running average of its weights.

    `groups` [classes] is each class's super-class, which the router learns.
    """
    average = copy.deepcopy(model)
    epochs = phase.epochs
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": WEIGHT_DECAY},
         {"params": plain, "weight_decay": 0.0}], betas=(0.9, 0.99))
    steps_per_epoch = len(images) // BATCH
    steps, step, start = epochs * steps_per_epoch, 0, time.time()
    for epoch in range(epochs):
        model.train()
        order = torch.randperm(len(images))
        total = 0.0
        for first in range(0, steps_per_epoch * BATCH, BATCH):
            chosen = order[first:first + BATCH]
            target = labels[chosen]
            logits, routing = model(augment(images[chosen], phase.shift))
            loss = F.cross_entropy(logits, target,
                                   label_smoothing=phase.smoothing)
            if routing is not None:
                loss = loss + ROUTER_LOSS * F.cross_entropy(routing,
                                                            groups[target])
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, steps, phase)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            decay = min(AVERAGE, (step + 1) / (step + 10))
            with torch.no_grad():
                for mean, value in zip(average.parameters(),
                                       model.parameters()):
                    mean.lerp_(value, 1 - decay)
            step += 1
            total += loss.item()
        print(f"{model.spec['name']}: epoch {epoch + 1}/{epochs}, "
              f"loss {total / steps_per_epoch:.4f}, held-out "
              f"{accuracy(average, *held):.4f}, {time.time() - start:.0f} s",
              flush=True)
    return average.eval()


def run_phase(model: VisionTransformer, name: str, index: int,
              checkpoints: Path, *arguments: Any) -> VisionTransformer:
    """The model after phase `index`, from a checkpoint where there is one."""
    checkpoint = checkpoints / f"{name}-{index + 1}.pt"
    if not checkpoint.exists():
        torch.manual_seed(SEED + index)
        trained = train(model, PHASES[index], *arguments)
        torch.save(trained.state_dict(), checkpoint)
    model.load_state_dict(torch.load(checkpoint))
    return model.eval()


def upcycle(dense: VisionTransformer) -> VisionTransformer:
    """The Mobile V-MoE whose experts are copies of the dense model's MLPs."""
    torch.manual_seed(SEED)
    model = VisionTransformer(MOE_SPEC)
    state = model.state_dict()
    for name, value in dense.state_dict().items():
        if name in state:
            state[name] = value
            continue
        block, parameter = name.split(".mlp.")
        for expert in range(EXPERTS):
            state[f"{block}.moe.experts.{expert}.{parameter}"] = value
    model.load_state_dict(state)
    return model


def super_classes(model: VisionTransformer, images: Tensor,
                  labels: Tensor) -> Tensor:
    """Each class's super-class: clusters of what the model takes for what.

    Average linkage merges what is confused most, so that few confusions cross
    the clusters: a wrong expert costs more than one with many classes.
    """
    guesses = predict(model, images)[0].argmax(1)
    confusion = np.zeros((10, 10))
    np.add.at(confusion, (labels.numpy(), guesses.numpy()), 1)
    confusion /= confusion.sum(1, keepdims=True)
    affinity = confusion + confusion.T
    clusters = AgglomerativeClustering(
        EXPERTS, metric="precomputed", linkage="average").fit_predict(
            affinity.max() - affinity)
    for group in range(EXPERTS):
        names = [data.LABELS[c] for c in np.flatnonzero(clusters == group)]
        print(f"super-class {group}: {', '.join(names)}", flush=True)
    return torch.from_numpy(clusters).long()


def export(model: VisionTransformer, file: str) -> Path:
    """Writes specification and weights (rounded to f16)."""
    spec_path = HERE / file
    spec_path.write_text(json.dumps(model.spec, indent=2) + "\n")
    save_safetensors(HERE / model.spec["weights"], model.state_dict())
    return spec_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"))
    args = parser.parse_args()
    args.checkpoints.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)

    images, labels = data.load("train")
    x, y = data.to_input(images), torch.from_numpy(labels.astype(np.int64))
    held = (x[-HELD_OUT:], y[-HELD_OUT:])
    x, y = x[:-HELD_OUT], y[:-HELD_OUT]
    test_images, test_labels = data.load("t10k")
    test = (data.to_input(test_images),
            torch.from_numpy(test_labels.astype(np.int64)))

    (HERE / "labels.txt").write_text("\n".join(data.LABELS) + "\n")
    folder = args.checkpoints
    torch.manual_seed(SEED)
    dense = run_phase(VisionTransformer(DENSE_SPEC), "dense", 0, folder, x, y,
                      held, None)
    groups = super_classes(dense, *held)
    moe = upcycle(dense)
    for phase in (1, 2):
        run_phase(dense, "dense", phase, folder, x, y, held, None)
        run_phase(moe, "mobile-vmoe", phase, folder, x, y, held, groups)

    path = export(dense, "dense.json")
    print(f"dense: test {accuracy(load_model(path), *test):.4f}", flush=True)
    path = export(moe, "mobile-vmoe.json")
    shipped = load_model(path)
    routed = predict(shipped, test[0])[1].argmax(1)
    print(f"mobile-vmoe: test {accuracy(shipped, *test):.4f}, router "
          f"{(routed == groups[test[1]]).float().mean():.4f}, images by expert "
          f"{torch.bincount(routed, minlength=EXPERTS).tolist()}", flush=True)


if __name__ == "__main__":
    main()
