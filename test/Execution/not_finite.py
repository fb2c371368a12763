#!/usr/bin/env python3
"""Runs models on images with NaN and infinite pixels.

    not_finite.py --moe-compile build/bin/moe-compile --work DIR

Whatever the pixels are, the binary ends well and names only experts that there
are. An ordinary image after them gives the same bits as by itself.
"""

import os

import harness
import numpy as np
import oracle
import random_model

BASE = {
    "image_size": 12,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "num_classes": 10,
}
MODELS = {
    "image": {
        "layers": {"last": 2},
        "num_experts": 5,
        "top_k": 2,
        "router": {"placement": "per_layer", "normalize": True},
    },
    "patch": {
        "layers": {"last": 2},
        "num_experts": 5,
        "top_k": 2,
        "routing": "patch",
        "capacity_factor": 0.5,
        "router": {"batch_priority": True},
    },
    "patch, all places": {
        "layers": {"last": 2},
        "num_experts": 3,
        "routing": "patch",
    },
    "experts choose": {
        "layers": {"last": 2},
        "num_experts": 5,
        "routing": "patch",
        "capacity_factor": 1.5,
        "router": {"type": "expert_choice"},
    },
    "slots": {
        "layers": {"last": 2},
        "num_experts": 5,
        "routing": "patch",
        "router": {"type": "soft"},
    },
}


def bad_images(image):
    """Name and image: all pixels, or a few in one patch or in all."""
    for value in (np.nan, np.inf, -np.inf, np.float32(3e38)):
        yield f"{value} everywhere", np.full_like(image, value)
        one = image.copy()
        one[1, 5, 6] = value
        yield f"one {value}", one
    both = image.copy()
    both[0, ::4], both[2, 1::4], both[1, 2::4] = np.inf, -np.inf, np.nan
    yield "all in each patch", both


def check_experts(spec, answer):
    """Expert indices, and the numbers of experts and tokens, within bounds."""
    layers = {layer: [] for layer in spec.moe_layers}
    for entry in answer["experts"]:
        assert entry["layer"] in layers, entry
        assert 0 <= entry["expert"] < spec.experts, entry
        layers[entry["layer"]].append(entry)
    for entries in layers.values():
        if spec.routing == "image":
            assert len(entries) == spec.top_k, entries
            continue
        assert len({entry["expert"] for entry in entries}) == len(entries), entries
        if spec.router_type != "top_k":
            # All take as much as on any image.
            size = spec.slots if spec.router_type == "soft" else spec.capacity
            taken = [entry["tokens"] for entry in entries]
            assert taken == spec.experts * [size], entries
            continue
        assert all(1 <= entry["tokens"] <= spec.capacity for entry in entries), entries
        served = sum(entry["tokens"] for entry in entries)
        assert served <= spec.tokens * spec.top_k, entries


def check_model(executable, spec, folder):
    good = random_model.random_images(spec, 1, 0)[0]
    variants = 0
    for variant in executable.info()["cpu_variants"]:
        alone = executable.infer(good, folder, variant)
        if alone is None:
            print(f"{variant}: skipped, {executable.cpu} lacks it")
            continue
        variants += 1
        for name, bad in bad_images(good):
            logits, answers = executable.infer(np.stack([bad, good]), folder, variant)
            try:
                check_experts(spec, answers[0])
                for entry in answers[0]["top"]:
                    assert 0 <= entry["class"] < spec.classes, entry
                assert logits[1].tobytes() == alone[0].tobytes(), "the next image"
            except AssertionError as error:
                raise AssertionError(
                    f"{variant} on {executable.cpu}, {name}: {error}"
                ) from None
    assert variants > 0


def main():
    args, target = harness.parse_arguments(__doc__)
    for number, (name, moe) in enumerate(MODELS.items()):
        print(name)
        folder = os.path.join(args.work, str(number))
        path = random_model.write_model(folder, dict(BASE, moe=moe), number)
        binary = os.path.join(folder, "model.out")
        harness.run([args.moe_compile, path, "-o", binary, *target.options])
        for executable in target.executables(binary):
            check_model(executable, oracle.load_spec(path), folder)


if __name__ == "__main__":
    main()
