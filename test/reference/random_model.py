#!/usr/bin/env python3
"""Makes a model with random weights: a specification and a safetensors file.

The weights keep activations of order one through many layers, use every
parameter (no LayerNorm is the identity, no bias is zero), spread the logits,
make experts differ, and make different images choose different experts.

    random_model.py --out DIR --hidden-size 192 --layers 12 --experts 10
"""

import argparse
import json
import os
import sys

import numpy as np

import oracle
import safetensors


def random_weights(spec, seed):
    """Name to float64 array for each tensor of `spec` (an oracle.Spec)."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in oracle.weight_shapes(spec).items():
        values = rng.standard_normal(shape)
        is_norm = "norm" in name or ".bn." in name
        if name == "pos_embed":
            values *= 0.5
        elif name.endswith(".running_mean"):
            values *= 0.2
        elif name.endswith(".running_var"):
            values = np.exp(0.5 * values)
        elif is_norm and name.endswith(".weight"):
            values = 1 + 0.25 * np.clip(values, -3, 3)
        elif name.endswith(".bias"):
            values *= 0.2
        elif name.endswith(".router.scale"):
            values += 6  # tokens and slots are alike from -1 to 1
        elif name.endswith(".weight"):
            # Outputs of unit variance for inputs of unit variance, but for
            # layers that ought to tell inputs apart.
            gain = 1.0
            if "router" in name:
                gain = 3.0
            elif name in ("head.weight", "head_dist.weight"):
                gain = 2.0
            values *= gain / np.sqrt(np.prod(shape[1:]))
        weights[name] = values
    return weights


def random_images(spec, count, seed):
    """float32 [count, C, H, W]: noise on a colour and a gradient of its own.

    With noise alone all images have almost the same mean, and with it almost
    the same route through the experts.
    """
    rng = np.random.default_rng([seed, 1])
    height, width = spec.image
    colour = rng.standard_normal((count, spec.channels, 1, 1))
    slope = rng.standard_normal((2, count, spec.channels, 1, 1))
    rows = np.linspace(-1, 1, height)[:, None]
    columns = np.linspace(-1, 1, width)[None, :]
    noise = rng.standard_normal((count, spec.channels, height, width))
    images = colour + 0.5 * (slope[0] * rows + slope[1] * columns) + 0.5 * noise
    return images.astype(np.float32)


def write_model(folder, data, seed, dtype="f32", stem="model"):
    """Writes FOLDER/STEM.json and FOLDER/STEM.safetensors for the specification
    `data` (a dict, without `weights`). Returns the path of the specification."""
    os.makedirs(folder, exist_ok=True)
    data = dict(data, weights=stem + ".safetensors")
    path = os.path.join(folder, stem + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(data, file, indent=2)
        file.write("\n")
    weights = random_weights(oracle.parse_spec(data), seed)
    path_of_weights = os.path.join(folder, data["weights"])
    safetensors.save(path_of_weights, weights, dtype, {"format": "pt"})
    return path


def _size(text):
    """`32` or `32x48` (height x width)."""
    parts = [int(part) for part in text.split("x")]
    if len(parts) > 2:
        raise argparse.ArgumentTypeError("expected N or HEIGHTxWIDTH")
    return parts[0] if len(parts) == 1 else parts


def _moe_layers(text):
    """`last:2`, `every:2` or `0,3,5`."""
    kind, _, number = text.partition(":")
    if kind in ("last", "every"):
        return {kind: int(number)}
    return [int(part) for part in text.split(",")]


def spec_from_args(args):
    data = {
        "name": args.name,
        "image_size": args.image_size,
        "patch_size": args.patch_size,
        "num_channels": args.num_channels,
        "hidden_size": args.hidden_size,
        "num_hidden_layers": args.layers,
        "num_attention_heads": args.heads,
        "intermediate_size": args.intermediate_size or 4 * args.hidden_size,
        "qkv_bias": not args.no_qkv_bias,
        "hidden_act": args.hidden_act,
        "layer_norm_eps": args.layer_norm_eps,
        "class_token": not args.no_class_token,
        "num_classes": args.classes,
    }
    if args.stem:
        with open(args.stem, encoding="utf-8") as file:
            data["stem"] = json.load(file)
    if args.pool:
        data["pool"] = args.pool
    if not args.experts:
        return data
    router = {"bias": args.router_bias, "normalize": args.normalize}
    if args.router_type != "top_k":
        router["type"] = args.router_type
    if args.placement:
        router["placement"] = args.placement
    if args.router_input:
        router["input"] = args.router_input
    moe = {
        "layers": args.moe_layers,
        "num_experts": args.experts,
        "top_k": args.top_k,
        "routing": args.routing,
        "router": router,
    }
    if args.shared_expert:
        moe["shared_expert_intermediate_size"] = args.shared_expert
    if args.expert_sizes:
        moe["expert_intermediate_sizes"] = args.expert_sizes
    if args.routing == "patch":
        router["batch_priority"] = args.batch_priority
        moe["capacity_multiple_of"] = args.capacity_multiple_of
        if args.capacity_factor is not None:
            moe["capacity_factor"] = args.capacity_factor
        if args.slots_per_expert is not None:
            moe["slots_per_expert"] = args.slots_per_expert
    data["moe"] = moe
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--out", required=True, metavar="DIR")
    add("--name", default="model", help="the model's name and the files' stem")
    add("--seed", type=int, default=0)
    add("--dtype", choices=("f32", "f16", "bf16"), default="f32")
    add("--images", type=int, default=0, metavar="B", help="also write images.npy")
    add("--image-size", type=_size, default=224, metavar="N|HxW")
    add("--patch-size", type=_size, default=16, metavar="N|HxW")
    add("--num-channels", type=int, default=3)
    add("--stem", metavar="JSON", help="a file with the layers of a stem")
    add("--hidden-size", type=int, default=192)
    add("--layers", type=int, default=12)
    add("--heads", type=int, default=3)
    add("--intermediate-size", type=int, help="default: 4 * hidden size")
    add("--classes", type=int, default=1000)
    add("--hidden-act", choices=sorted(oracle.ACTIVATIONS), default="gelu")
    add("--layer-norm-eps", type=float, default=1e-6)
    add("--no-qkv-bias", action="store_true")
    add("--no-class-token", action="store_true")
    add("--pool", choices=("cls", "mean"))
    add("--experts", type=int, default=0, help="0: a dense model")
    add("--top-k", type=int, default=1)
    add(
        "--moe-layers",
        type=_moe_layers,
        default={"last": 2},
        metavar="last:N|every:N|I,J,…",
    )
    add("--routing", choices=("image", "patch"), default="image")
    add("--router-type", choices=("top_k", "expert_choice", "soft"), default="top_k")
    add("--placement", choices=("shared", "per_layer"))
    add("--router-input", choices=("cls", "mean"))
    add("--router-bias", action="store_true")
    add("--normalize", action="store_true")
    add("--capacity-factor", type=float)
    add("--capacity-multiple-of", type=int, default=1)
    add("--slots-per-expert", type=int)
    add("--shared-expert", type=int, metavar="WIDTH", help="an MLP beside the experts")
    add(
        "--expert-sizes",
        type=lambda text: [int(part) for part in text.split(",")],
        metavar="WIDTH,…",
        help="of each expert; default: the intermediate size",
    )
    add("--batch-priority", action="store_true")
    args = parser.parse_args()
    data = spec_from_args(args)
    print(write_model(args.out, data, args.seed, args.dtype, args.name))
    if args.images:
        path = os.path.join(args.out, "images.npy")
        np.save(path, random_images(oracle.parse_spec(data), args.images, args.seed))
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
