#!/usr/bin/env python3
"""Compares the multiply-adds that --info tells with a count by formula.

    multiply_adds.py --moe-compile build/bin/moe-compile --work DIR
"""

import math
import os

import harness
import oracle
import random_model
import random_specs

BASE = dict(random_specs.BASE, moe=random_specs.MOE)


def patch(router, **fields):
    """Experts of several widths and an MLP beside them, for patches alone."""
    moe = dict(random_specs.MOE, routing="patch", router={"type": router}, **fields)
    return {"moe": dict(moe, **UNEQUAL), "class_token": False}


UNEQUAL = {
    "expert_intermediate_sizes": [7, 40, 64, 9],
    "shared_expert_intermediate_size": 20,
}

STEM = [
    {"out_channels": 5, "stride": 2},
    {"depthwise": True, "kernel_size": [1, 3], "padding": 0},
    {"out_channels": 7, "kernel_size": 1},
]

# Name, what differs from BASE, and whether the last block's attention does
# without keys and values.
CASES = [
    ("class token", {}, True),
    ("more heads, so that keys are less work", {"num_attention_heads": 24}, False),
    ("mean of all patches", {"pool": "mean"}, False),
    ("two heads, registers", {"distillation_token": True, "num_register_tokens": 2},
     True),
    ("norms of keys, which must be made", {"qk_norm": True}, False),
    ("LayerScale, which is in the weights", {"layer_scale": True}, True),
    ("features of a wide model", {"head": "none", "hidden_size": 96}, True),
    ("largest of all tokens", {"pool": "max", "pool_include_prefix": True}, False),
    ("the two widest", {"moe": dict(random_specs.MOE, top_k=2, **UNEQUAL)}, True),
    ("experts choose", patch("expert_choice", capacity_factor=1.5), False),
    ("slots", patch("soft", slots_per_expert=3), False),
    ("a stem", {"stem": STEM, "patch_size": 2}, True),
]


def attention(queries, tokens, width):
    """q, then k and v of all tokens, qk and pv, and the projection."""
    products = 2 * queries * width**2 + 2 * tokens * width**2
    return products + 2 * queries * tokens * width


def attention_of_few(queries, tokens, width, heads):
    """q and the keys' weight, scores and sums over all of a token for each head,
    the values' weight and the projection."""
    return 4 * queries * width**2 + 2 * queries * tokens * width * heads


def experts(spec, rows):
    """Router, experts and what is beside them, for `rows` of the tokens."""
    width, widths = spec.hidden, spec.expert_widths
    widths = widths or [spec.intermediate] * spec.experts
    shared = 2 * rows * width * spec.shared_width
    if spec.router_type == "soft":
        slots = spec.experts * spec.slots
        between = 3 * spec.tokens * slots * width
        return shared + between + 2 * spec.slots * width * sum(widths)
    if spec.router_type == "expert_choice":
        router = spec.tokens * spec.experts * width
        taken = min(rows, spec.capacity)
        return shared + router + 2 * taken * width * sum(widths)
    widest = sorted(widths)[-spec.top_k :]
    return shared + spec.experts * width + 2 * rows * width * sum(widest)


def count(spec, few):
    width, tokens = spec.hidden, spec.tokens
    queries = spec.tokens if spec.pool_include_prefix else spec.patches
    if spec.pool == "cls":
        queries = 2 if spec.distillation_head else 1
    total = spec.patches * width * spec.map[0] * spec.patch[0] * spec.patch[1]
    for layer in spec.stem:
        inputs = 1 if layer.depthwise else layer.source[0]
        total += math.prod(layer.size) * inputs * math.prod(layer.kernel)
    for layer in range(spec.layers):
        last = layer == spec.layers - 1
        rows = queries if last else tokens
        if few and last:
            total += attention_of_few(rows, tokens, width, spec.heads)
        else:
            total += attention(rows, tokens, width)
        if layer in spec.moe_layers:
            total += experts(spec, rows)
        else:
            total += 2 * rows * width * spec.intermediate
    heads = int(spec.head != "none") + int(spec.distillation_head)
    return total + heads * spec.classes * width


def main():
    args, target = harness.parse_arguments(__doc__)
    for number, (name, fields, few) in enumerate(CASES):
        folder = os.path.join(args.work, str(number))
        data = dict(BASE, **fields)
        if "head" in fields:
            del data["num_classes"]
        path = random_model.write_model(folder, data, number)
        binary = os.path.join(folder, "model.out")
        harness.run([args.moe_compile, path, "-o", binary, *target.options])
        expected = count(oracle.load_spec(path), few)
        for executable in target.executables(binary):
            found = executable.info()["multiply_adds"]
            print(f"{name}: expected {expected}, found {found}")
            assert found == expected


if __name__ == "__main__":
    main()
