#!/usr/bin/env python3
"""Compiles and runs many small models and compares each with the oracle.

The first specifications are picked by hand so that every feature is covered;
the rest are random. Each is run on every CPU variant of its binary that this
machine, or each emulated CPU, has, as a batch, image by image, and with two
threads.

In lower precision, each answer is compared with the oracle's in that precision
too, far more closely than with the plain one. Mixed precision is one for the
model and others for layers at random.

    random_specs.py --moe-compile build/bin/moe-compile --work DIR [--count N]
"""

import argparse
import json
import os
import shutil
import sys
import traceback

import numpy as np

import harness
import oracle
import random_model
import stem_specs
import variants

BASE = {
    "image_size": 12,
    "patch_size": 4,
    "num_channels": 3,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "num_classes": 10,
}
MOE = {"layers": {"last": 1}, "num_experts": 4}


def row(dtype="f32", moe=None, router=None, **fields):
    """A specification by its differences from BASE and MOE."""
    data = dict(BASE, **fields)
    if data.get("head") == "none":
        del data["num_classes"]
    if moe is not None or router is not None:
        data["moe"] = dict(MOE, **(moe or {}))
        if router is not None:
            data["moe"]["router"] = router
    return data, dtype


IMAGE_COVERAGE = [
    # Dense models: activations, pools, shapes.
    row(),
    row(hidden_act="gelu", dtype="bf16"),
    row(hidden_act="gelu_tanh", dtype="f16"),
    row(hidden_act="quick_gelu", qkv_bias=False),
    row(hidden_act="relu", layer_norm_eps=1e-3),
    row(hidden_act="silu", layer_norm_eps=1e-12),
    row(class_token=False),
    row(pool="mean", class_token=True),
    row(pool="mean", class_token=False, num_hidden_layers=1, num_classes=1),
    row(image_size=[9, 20], patch_size=[3, 5], num_channels=1, dtype="mixed"),
    row(image_size=[21, 7], patch_size=7, num_channels=4, num_classes=40),
    row(image_size=8, patch_size=8, num_channels=2),
    row(image_size=5, patch_size=5, class_token=False),
    row(image_size=5, patch_size=5, class_token=False, pool="max"),
    row(image_size=3, patch_size=1, hidden_size=1, num_attention_heads=1),
    row(hidden_size=33 * 4, num_attention_heads=4, intermediate_size=67),
    row(hidden_size=12, num_attention_heads=12, intermediate_size=1),
    row(hidden_size=100, num_attention_heads=5, intermediate_size=17),
    row(hidden_size=64, num_attention_heads=4, intermediate_size=256),
    # More tokens than a row of registers, and than a tile.
    row(image_size=28, patch_size=2, hidden_size=16, num_attention_heads=2),
    # So many that they ask in blocks, the last one of a single token.
    row(image_size=24, patch_size=2, num_attention_heads=12),
    # Experts, placement and input of the router.
    row(moe={}),
    row(moe={"num_experts": 1}),
    row(moe={"num_experts": 64, "top_k": 3}, intermediate_size=9),
    row(moe={"num_experts": 3, "top_k": 3}, router={"normalize": True}),
    row(moe={"top_k": 2}, router={"normalize": True, "bias": True}),
    row(moe={"top_k": 2}, router={"placement": "per_layer", "bias": True}),
    row(moe={"layers": {"every": 2}}, router={"input": "mean"}, num_hidden_layers=4),
    row(
        moe={"layers": [3, 1]},
        router={"placement": "per_layer", "input": "mean"},
        num_hidden_layers=4,
    ),
    row(
        moe={"layers": [0], "num_experts": 5},
        router={"input": "mean", "bias": True},
        num_hidden_layers=3,
    ),
    row(
        moe={"layers": {"last": 3}, "num_experts": 6, "top_k": 2},
        router={"placement": "per_layer"},
        num_hidden_layers=3,
        hidden_act="silu",
        dtype="bf16",
    ),
    row(moe={"top_k": 2}, class_token=False, hidden_act="relu", dtype="f16"),
    row(
        moe={"num_experts": 7, "top_k": 2},
        router={"placement": "per_layer", "input": "cls", "normalize": True},
        pool="mean",
        hidden_act="quick_gelu",
    ),
    row(
        moe={"layers": {"every": 1}, "top_k": 4},
        router={"placement": "per_layer", "bias": True},
        class_token=False,
        hidden_act="gelu_tanh",
        dtype="mixed",
    ),
    *(row(**fields) for fields in variants.IMAGE),
    # An MLP beside the experts; experts of several widths.
    row(moe={"shared_expert_intermediate_size": 17, "top_k": 2}),
    row(
        moe={"expert_intermediate_sizes": [40, 1, 40, 33], "layers": {"every": 1}},
        router={"placement": "per_layer"},
    ),
    row(
        moe={
            "expert_intermediate_sizes": [16, 48, 64],
            "shared_expert_intermediate_size": 32,
            "num_experts": 3,
            "top_k": 2,
        },
        pool="mean",
        dtype="bf16",
    ),
    # A slice of a real model.
    row(
        moe={"layers": {"last": 2}, "num_experts": 10},
        image_size=224,
        patch_size=32,
        hidden_size=192,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=768,
        num_classes=100,
    ),
]

_PATCH = {"routing": "patch", "num_experts": 4}
_CHOICE = {"type": "expert_choice"}
_SOFT = {"type": "soft"}
_UNEQUAL = {
    "expert_intermediate_sizes": [40, 7, 64, 40],
    "shared_expert_intermediate_size": 20,
}
PATCH_COVERAGE = [
    row(moe=_PATCH),
    row(moe=dict(_PATCH, top_k=2), router={"normalize": True, "bias": True}),
    row(moe=dict(_PATCH, capacity_factor=1.0, top_k=2), dtype="bf16"),
    row(moe=dict(_PATCH, capacity_factor=0.01), class_token=False),
    row(moe=dict(_PATCH, capacity_factor=0.5, capacity_multiple_of=4)),
    row(
        moe=dict(_PATCH, capacity_factor=0.5, layers={"every": 1}, top_k=2),
        router={"batch_priority": True},
        pool="mean",
    ),
    row(moe=dict(_PATCH, num_experts=1, capacity_factor=0.5)),
    row(
        moe=dict(_PATCH, num_experts=16, top_k=16, capacity_factor=1.5),
        router={"batch_priority": True, "normalize": True},
        dtype="f16",
    ),
    row(moe=dict(_PATCH, capacity_factor=1e9, layers=[0])),
    *(row(**fields) for fields in variants.PATCH),
    # Experts that choose tokens.
    row(moe=dict(_PATCH, capacity_factor=1.0), router=_CHOICE),
    row(
        moe=dict(_PATCH, num_experts=19, capacity_factor=2.0, layers={"every": 1}),
        router=dict(_CHOICE, bias=True),
        pool="mean",
    ),
    row(moe=dict(_PATCH, num_experts=1, capacity_factor=0.5), router=_CHOICE),
    row(
        moe=dict(_PATCH, num_experts=3, capacity_factor=0.4, capacity_multiple_of=3),
        router=_CHOICE,
        image_size=28,
        patch_size=2,
        class_token=False,
        dtype="f16",
    ),
    # Experts that work on slots.
    row(moe=dict(_PATCH), router=_SOFT),
    row(moe=dict(_PATCH, slots_per_expert=3, layers={"every": 1}), router=_SOFT),
    row(
        moe=dict(_PATCH, num_experts=3, capacity_factor=0.5, layers=[0]),
        router=_SOFT,
        pool="mean",
        hidden_size=33,
        dtype="mixed",
    ),
    row(moe=dict(_PATCH, num_experts=1, slots_per_expert=40), router=_SOFT),
    # An MLP beside the experts; experts of several widths.
    row(moe=dict(_PATCH, **_UNEQUAL, top_k=2, capacity_factor=1.0), pool="mean"),
    row(moe=dict(_PATCH, **_UNEQUAL), router=_SOFT, pool="mean"),
    row(moe=dict(_PATCH, **_UNEQUAL, capacity_factor=1.5), router=_CHOICE),
    row(
        moe=dict(_PATCH, num_experts=16, layers={"every": 1}),
        router=_SOFT,
        image_size=28,
        patch_size=2,
        class_token=False,
        intermediate_size=16,
    ),
]


STEM_COVERAGE = [
    row(moe={} if i % 2 else None, dtype=("f32", "mixed")[i % 3 == 2], **fields)
    for i, fields in enumerate(stem_specs.COVERAGE)
]
for _data, _ in STEM_COVERAGE:
    if _data["patch_size"] == BASE["patch_size"]:
        del _data["patch_size"]  # its default with a stem
COVERAGE = {"image": IMAGE_COVERAGE, "patch": PATCH_COVERAGE, "stem": STEM_COVERAGE}


# In lower precision, the part of the answers in which f32's noise turns no
# rounding; of larger models some always are.
SAME = 0.6


def _pick(rng, *values):
    return values[int(rng.integers(len(values)))]


def _random_router(rng, routing, class_token):
    router = {
        "bias": bool(rng.integers(2)),
        "normalize": bool(rng.integers(2)),
    }
    if routing == "patch":
        router["batch_priority"] = bool(rng.integers(2))
        return router
    router["placement"] = _pick(rng, "shared", "per_layer")
    router["input"] = _pick(rng, "cls", "mean") if class_token else "mean"
    return router


def _other_router(rng, moe):
    """Another type of router for experts with patch routing."""
    router = moe["router"]
    router["type"] = _pick(rng, "expert_choice", "soft")
    router["normalize"] = router["batch_priority"] = False
    moe["top_k"] = 1
    if router["type"] == "expert_choice":
        moe.setdefault("capacity_factor", float(_pick(rng, 0.3, 1.0, 2.0)))
        return
    router["bias"] = False
    moe["capacity_multiple_of"] = 1
    moe.pop("capacity_factor", None)
    if rng.integers(3):
        moe["slots_per_expert"] = int(_pick(rng, 1, 2, 3, 5, 16, 17))
    else:
        moe["capacity_factor"] = float(moe["num_experts"])


def _random_moe(rng, routing, layers, class_token):
    experts = int(_pick(rng, 1, 2, 3, 4, 5, 8, 10, 64))
    blocks = sorted(
        int(i)
        for i in rng.choice(layers, size=rng.integers(1, layers + 1), replace=False)
    )
    moe = {
        "layers": _pick(
            rng,
            blocks,
            {"last": int(rng.integers(1, layers + 1))},
            {"every": int(rng.integers(1, layers + 1))},
        ),
        "num_experts": experts,
        "top_k": int(rng.integers(1, min(experts, 6) + 1)),
        "routing": routing,
        "router": _random_router(rng, routing, class_token),
    }
    if routing == "patch" and rng.integers(4):
        moe["capacity_factor"] = float(_pick(rng, 0.1, 0.5, 1.0, 1.05, 1.25, 2.0))
        moe["capacity_multiple_of"] = int(_pick(rng, 1, 1, 2, 3, 4))
    if routing == "patch" and not rng.integers(3):
        _other_router(rng, moe)
    if not rng.integers(4):
        moe["shared_expert_intermediate_size"] = int(_pick(rng, 1, 16, 37, 64))
    if experts <= 10 and not rng.integers(4):
        widths = rng.choice([1, 6, 16, 23, 64], size=experts)
        moe["expert_intermediate_sizes"] = [int(width) for width in widths]
    return moe


def random_spec(rng, routing):
    """A random specification that computes in milliseconds, and its dtype."""
    patch = [int(_pick(rng, 1, 2, 3, 4, 5, 7, 8)) for _ in range(2)]
    grid = [int(_pick(rng, 1, 2, 3, 4, 5, 7)) for _ in range(2)]
    heads = int(_pick(rng, 1, 1, 2, 3, 4, 5, 6, 8, 12))
    head_size = int(_pick(rng, 1, 3, 4, 5, 7, 8, 11, 16, 20, 33))
    layers = int(rng.integers(1, 5))
    class_token = bool(rng.integers(2))
    data = {
        "image_size": [g * p for g, p in zip(grid, patch)],
        "patch_size": patch,
        "num_channels": int(rng.integers(1, 5)),
        "hidden_size": heads * head_size,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": int(_pick(rng, 1, 6, 16, 23, 48, 65, 100, 128)),
        "qkv_bias": bool(rng.integers(2)),
        "hidden_act": _pick(rng, *sorted(oracle.ACTIVATIONS)),
        "layer_norm_eps": float(_pick(rng, 1e-3, 1e-5, 1e-6, 1e-8, 1e-12)),
        "class_token": class_token,
        "pool": _pick(rng, "cls", "mean") if class_token else "mean",
        "num_classes": int(rng.integers(1, 41)),
    }
    variants.add_random(rng, data)
    if routing == "patch" or rng.integers(4):
        data["moe"] = _random_moe(rng, routing, layers, class_token)
    return data, _pick(rng, "f32", "f16", "bf16", "mixed")


def all_specs(routing, count, seed):
    specs = list(COVERAGE[routing][:count])
    for i in range(len(specs), count):
        rng = np.random.default_rng([seed, i])
        if routing == "stem":
            data, dtype = random_spec(rng, _pick(rng, "image", "patch"))
            specs.append((stem_specs.add_random_stem(rng, data), dtype))
        else:
            specs.append(random_spec(rng, routing))
    return specs


def with_precision(rng, data, precision):
    """The specification in a precision, and moe-compile's option for it: either
    says which one, or both do."""
    if precision == "f32":
        return data, []
    data = dict(data)
    usual = precision
    if precision == "mixed":
        usual = _pick(rng, "f32", "bf16", "int8")
        data["precision"] = _random_layers(rng, data)
    elif rng.integers(2):
        data["precision"] = usual
        if rng.integers(2):
            return data, []
    elif rng.integers(2):
        data["precision"] = _pick(rng, "f32", "bf16", "int8")
    return data, [f"--precision={usual}"]


def _random_layers(rng, data):
    """Names of layers, or of what they are part of, with a precision each."""
    layers, moe = data["num_hidden_layers"], data.get("moe")
    routed = oracle.moe_layer_indices(moe["layers"], layers) if moe else []
    names = ["patch_embed", "patch_embed.proj"]
    if data.get("head") != "none":
        names.append("head")
    if data.get("distillation_head", data.get("distillation_token")):
        names.append("head_dist")
    for i in range(layers):
        parts = ["", ".attn", ".attn.qkv", ".attn.proj"]
        if i in routed:
            parts += [".moe", ".moe.experts"]
            if "shared_expert_intermediate_size" in moe:
                parts += [".moe.shared_expert", ".moe.shared_expert.fc2"]
        else:
            parts += [".mlp", ".mlp.fc1", ".mlp.fc2"]
        names += [f"blocks.{i}{part}" for part in parts]
    chosen = rng.choice(names, size=rng.integers(1, 7), replace=False)
    return {str(name): _pick(rng, "f32", "bf16", "int8") for name in chosen}


def describe(data, dtype):
    fields = {k: v for k, v in data.items() if k != "moe"}
    size = lambda v: "x".join(map(str, v)) if isinstance(v, list) else str(v)
    parts = [
        f"image {size(fields['image_size'])}/{size(fields.get('patch_size', 1))}"
        f" c{fields['num_channels']}",
        f"D{fields['hidden_size']} h{fields['num_attention_heads']}"
        f" f{fields['intermediate_size']} L{fields['num_hidden_layers']}",
        f"{fields.get('hidden_act', 'gelu')} {dtype}",
    ]
    parts += [f"{name} {data[name]}" for name in variants.FIELDS if data.get(name)]
    if "stem" in data:
        parts.append(f"stem {json.dumps(data['stem'])}")
    if "moe" in data:
        moe = data["moe"]
        kind = moe.get("router", {}).get("type", f"k{moe.get('top_k', 1)}")
        parts.append(f"E{moe['num_experts']} {kind}")
        if "shared_expert_intermediate_size" in moe:
            parts.append(f"shared {moe['shared_expert_intermediate_size']}")
        if "expert_intermediate_sizes" in moe:
            parts.append(f"widths {size(moe['expert_intermediate_sizes'])}")
    if "precision" in data:
        parts.append(json.dumps(data["precision"]))
    return ", ".join(parts)


def weight_dtype(kind):
    """`mixed` gives each tensor one of the three."""
    if kind != "mixed":
        return kind
    return lambda name: ("f32", "f16", "bf16")[sum(map(ord, name)) % 3]


class Checker:
    def __init__(self, args):
        self.args = args
        self.target = harness.Target(args)
        # CPU variant, and on what -> number of binaries
        self.ran, self.skipped = {}, {}
        # In lower precision: CPU variant -> errors of its answers, the largest
        # against the plain model, and how many are beyond the tolerance.
        self.errors, self.strayed, self.astray = {}, 0.0, 0

    def check(self, index, data, dtype, options):
        """Returns the largest relative error of the logits."""
        args = self.args
        folder = os.path.join(args.work, f"spec{index}")
        spec = random_model.write_model(
            folder, data, args.seed * 1000 + index, weight_dtype(dtype), f"spec{index}"
        )
        binary = os.path.join(folder, "model.out")
        command = [args.moe_compile, spec, "-o", binary]
        command += options
        command += [f"--cpu={args.cpu}"] if args.cpu else []
        command += self.target.options
        done = harness.run(command)
        if done.stderr:
            raise harness.Failure(f"unexpected: {done.stderr.decode()}")
        model = oracle.Model.load(spec)
        images = random_model.random_images(model.spec, args.images, index)
        low = {}
        if args.precision != "f32":
            usual = options[0].partition("=")[2] if options else None
            low = {b: oracle.LowModel(model, usual, b) for b in (False, True)}
        error = max(
            self._check_binary(executable, model, low, images, folder)
            for executable in self.target.executables(binary)
        )
        shutil.rmtree(folder)  # what failed is kept
        return error

    def _check_binary(self, executable, model, low, images, folder):
        info = executable.info()
        if info["cpu_variant"] not in info["cpu_variants"]:
            raise harness.Failure(f"--info: {info}")
        logits, answers = executable.infer(images, folder)
        for answer, row_ in zip(answers, logits):
            top = 0 if model.spec.head == "none" else 5
            harness.check_answer(answer, row_, top)
        self._check_identical(executable, images, logits, folder)
        worst = 0.0
        for variant in info["cpu_variants"]:
            outcome = executable.infer(images, folder, variant)
            counts = self.skipped if outcome is None else self.ran
            name = f"{variant} on {executable.cpu}"
            counts[name] = counts.get(name, 0) + 1
            if variant == info["cpu_variant"]:
                if outcome is None or outcome[0].tobytes() != logits.tobytes():
                    raise harness.Failure(f"the default's logits are not {name}'s")
            if outcome is None:
                continue
            found, answers = outcome
            emulation = low.get(variant in harness.MULTIPLIES_BF16)
            for image, row_, answer in zip(images, found, answers):
                try:
                    error = self._compare(
                        name, model, emulation, (image, row_, answer)
                    )
                except harness.Failure as failure:
                    raise harness.Failure(f"{name}: {failure}") from None
                worst = max(worst, error)
        return worst

    def _compare(self, name, model, low, answer):
        """Compares an answer with the plain model and with the one in lower
        precision, unless that is None."""
        if low is None:
            return harness.compare(model, *answer)
        error = harness.compare(low, *answer)
        self.errors.setdefault(name, []).append(error)
        if "int8" in low.precisions:  # no bound is known for the plain model
            return error
        precision = "bf16" if low.precisions else "f32"
        try:
            strayed = harness.compare(model, *answer, precision)
            self.strayed = max(self.strayed, strayed)
        except harness.NearTie:
            pass  # it is decided by now
        except harness.Failure:
            # A tiny model may lose as much to bf16 itself.
            if error > harness.TOLERANCE["same"]:
                raise
            self.astray += 1
        return error

    def _check_identical(self, executable, images, logits, folder):
        """The same input gives the same bits in any batch, on any threads."""
        for i, image in enumerate(images):
            single, _ = executable.infer(image, folder)
            if single.tobytes() != logits[i].tobytes():
                raise harness.Failure(f"image {i} differs from its batch")
        threads = self.args.threads
        if threads == 1:
            return
        options = ["--threads", str(threads)]
        threaded, _ = executable.infer(images, folder, options=options)
        if threaded.tobytes() != logits.tobytes():
            raise harness.Failure(f"{threads} threads differ from one")


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--moe-compile", required=True, metavar="PATH")
    add("--work", required=True, metavar="DIR", help="models and binaries go here")
    add(
        "--routing",
        choices=tuple(COVERAGE),
        default="image",
        help="or models with a stem, of either routing",
    )
    add("--count", type=int, help="specifications in all; default: the coverage's")
    add("--seed", type=int, default=1)
    add("--start", type=int, default=0, help="first specification to run")
    add("--stop", type=int, help="one past the last")
    add("--step", type=int, default=1, help="run each STEPth, to share the load")
    add("--images", type=int, default=3, help="images per specification")
    add("--threads", type=int, default=1, help="also compare this many with one")
    add("--precision", choices=("f32", "bf16", "int8", "mixed"), default="f32")
    add("--cpu", help="passed to moe-compile")
    harness.add_target_options(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    count = len(COVERAGE[args.routing]) if args.count is None else args.count
    specs = all_specs(args.routing, count, args.seed)
    checker = Checker(args)
    passed = failed = undecided = 0
    worst = 0.0
    for index in range(*slice(args.start, args.stop, args.step).indices(count)):
        data, dtype = specs[index]
        rng = np.random.default_rng([args.seed, index, 1])
        data, options = with_precision(rng, data, args.precision)
        label = " ".join([f"{index:3}: {describe(data, dtype)}", *options])
        try:
            error = checker.check(index, data, dtype, options)
        except harness.NearTie as tie:
            undecided += 1
            print(f"{label}: undecided, the routes nearly tie: {tie}", flush=True)
        except Exception as failure:  # one broken model must not hide the rest
            failed += 1
            print(f"{label}: FAILED: {failure}", flush=True)
            if not isinstance(failure, harness.Failure):
                traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            worst = max(worst, error)
            print(f"{label}: {error:.2e}", flush=True)
    for name, number in sorted(checker.ran.items()):
        print(f"CPU variant {name}: {number} models")
    for name, number in sorted(checker.skipped.items()):
        print(f"CPU variant {name}: skipped, not there: {number} models")
    for name, errors in sorted(checker.errors.items()):
        same = np.mean(np.array(errors) <= harness.TOLERANCE["same"])
        print(f"CPU variant {name}: {same:.1%} of {len(errors)} answers as the oracle")
        if same < SAME and len(errors) >= 20:
            failed += 1
            print(f"FAILED: expected at least {SAME:.0%}")
    if checker.strayed:
        beyond = f", beyond the tolerance: {checker.astray}" if checker.astray else ""
        print(f"largest error against the plain model: {checker.strayed:.2e}{beyond}")
    print(f"largest error: {worst:.2e}")
    tail = f", {undecided} skipped" if undecided else ""
    print(f"{passed} passed, {failed} failed{tail}")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
