#!/usr/bin/env python3
"""Float64 NumPy reference of the models that moe-compile accepts.

Shares no code with the compiler: it reads the specification and the weights on
its own and computes as plainly as it can.

    oracle.py SPEC X.npy [--weights FILE] [--logits OUT.npy]

prints one JSON object per image with the logits and the chosen experts.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import dataclass, field

import numpy as np

import safetensors


def _pair(value):
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


@dataclass
class Spec:
    """The specification with every default filled in."""

    image: tuple  # (height, width), pixels
    patch: tuple
    channels: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    qkv_bias: bool
    act: str
    eps: float
    class_token: bool
    pool: str
    classes: int
    weights: str
    moe_layers: list = field(default_factory=list)  # ascending; [] = dense
    experts: int = 0
    top_k: int = 0
    routing: str = "image"
    placement: str = "shared"
    router_input: str = "cls"
    router_bias: bool = False
    normalize: bool = False
    capacity: int = 0  # tokens that an expert takes of an image at most
    batch_priority: bool = False

    @property
    def patches(self):
        return (self.image[0] // self.patch[0]) * (self.image[1] // self.patch[1])

    @property
    def tokens(self):
        return self.patches + int(self.class_token)


def moe_layer_indices(layers, num_layers):
    if isinstance(layers, dict):
        if "last" in layers:
            return list(range(num_layers - layers["last"], num_layers))
        return [i for i in range(num_layers) if (i + 1) % layers["every"] == 0]
    return sorted(layers)


def expert_capacity(moe, tokens):
    """Tokens of one image that an expert takes at most."""
    factor = moe.get("capacity_factor")
    if factor is None:
        return tokens
    # In doubles and in this order: the limit is part of the contract.
    limit = float(factor) * tokens * moe.get("top_k", 1) / moe["num_experts"]
    capacity = tokens if limit >= tokens else max(1, math.ceil(limit))
    multiple = moe.get("capacity_multiple_of", 1)
    return min(tokens, -(-capacity // multiple) * multiple)


def parse_spec(data, folder="."):
    class_token = data.get("class_token", True)
    spec = Spec(
        image=_pair(data["image_size"]),
        patch=_pair(data["patch_size"]),
        channels=data.get("num_channels", 3),
        hidden=data["hidden_size"],
        layers=data["num_hidden_layers"],
        heads=data["num_attention_heads"],
        intermediate=data["intermediate_size"],
        qkv_bias=data.get("qkv_bias", True),
        act=data.get("hidden_act", "gelu"),
        eps=data.get("layer_norm_eps", 1e-6),
        class_token=class_token,
        pool=data.get("pool", "cls" if class_token else "mean"),
        classes=data.get("num_classes", 1000),
        weights=os.path.join(folder, data.get("weights", "model.safetensors")),
    )
    moe = data.get("moe")
    if moe is None:
        return spec
    router = moe.get("router", {})
    spec.moe_layers = moe_layer_indices(moe["layers"], spec.layers)
    spec.experts = moe["num_experts"]
    spec.top_k = moe.get("top_k", 1)
    spec.routing = moe.get("routing", "image")
    spec.placement = router.get(
        "placement", "shared" if spec.routing == "image" else "per_layer"
    )
    spec.router_input = router.get("input", "cls" if class_token else "mean")
    spec.router_bias = router.get("bias", False)
    spec.normalize = router.get("normalize", False)
    spec.capacity = expert_capacity(moe, spec.tokens)
    spec.batch_priority = router.get("batch_priority", False)
    return spec


def load_spec(path):
    if os.path.isdir(path):
        path = os.path.join(path, "config.json")
    with open(path, encoding="utf-8") as file:
        return parse_spec(json.load(file), os.path.dirname(path) or ".")


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(x):
    # Both branches are stable where they are taken.
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5
    * x
    * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x * _sigmoid(1.702 * x),
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * _sigmoid(x),
}


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


@dataclass
class Choice:
    """One expert that an image, or some of its tokens, went to."""

    layer: int
    expert: int
    gate: float  # for patch routing the mean over the expert's tokens
    tokens: int = 0  # for patch routing only


@dataclass
class Result:
    """What the model answers to one image."""

    logits: np.ndarray
    choices: list  # of Choice, by layer
    # layer -> [E] for image routing, [tokens, E] for patch routing. A shared
    # router's logits are listed under each of its layers.
    router_logits: dict


class Model:
    """A specification with its weights (name to float64 array)."""

    def __init__(self, spec, weights):
        self.spec = spec
        self.weights = weights
        self._check_shapes()

    @staticmethod
    def load(spec_path, weights_path=None):
        spec = load_spec(spec_path)
        return Model(spec, safetensors.load(weights_path or spec.weights))

    def _check_shapes(self):
        shapes = weight_shapes(self.spec)
        for name, shape in shapes.items():
            found = self.weights[name].shape
            if tuple(found) != tuple(shape):
                raise ValueError(f"{name}: expected {shape}, found {found}")

    def _linear(self, name, x):
        y = x @ self.weights[name + ".weight"].T
        bias = self.weights.get(name + ".bias")
        return y if bias is None else y + bias

    def _norm(self, name, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        x = centred / np.sqrt(variance + self.spec.eps)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def _mlp(self, name, x):
        hidden = ACTIVATIONS[self.spec.act](self._linear(name + ".fc1", x))
        return self._linear(name + ".fc2", hidden)

    def _embed(self, image):
        s = self.spec
        rows, columns = s.image[0] // s.patch[0], s.image[1] // s.patch[1]
        x = image.reshape(s.channels, rows, s.patch[0], columns, s.patch[1])
        x = x.transpose(1, 3, 0, 2, 4).reshape(rows * columns, -1)
        weight = self.weights["patch_embed.proj.weight"].reshape(s.hidden, -1)
        x = x @ weight.T + self.weights["patch_embed.proj.bias"]
        if s.class_token:
            x = np.concatenate([self.weights["cls_token"][0], x])
        return x + self.weights["pos_embed"][0]

    def _attention(self, name, x):
        s = self.spec
        qkv = self._linear(name + ".qkv", x)
        qkv = qkv.reshape(len(x), 3, s.heads, -1).transpose(1, 2, 0, 3)
        q, k, v = qkv
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        mixed = (softmax(scores) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        return self._linear(name + ".proj", mixed)

    def _pooled(self, how, x):
        return x[0] if how == "cls" else x[int(self.spec.class_token) :].mean(axis=0)

    def _gates(self, logits, forced=None):
        """Indices and gates of the kept experts, along the last axis."""
        kept = forced
        if kept is None:
            # A stable sort gives ties to the lower index.
            kept = np.argsort(-logits, axis=-1, kind="stable")[..., : self.spec.top_k]
        gates = np.take_along_axis(softmax(logits), kept, axis=-1)
        if self.spec.normalize:
            gates = softmax(np.take_along_axis(logits, kept, axis=-1))
        return kept, gates

    def _image_experts(self, layer, x, kept, gates):
        name = f"blocks.{layer}.moe.experts."
        return sum(g * self._mlp(name + str(e), x) for e, g in zip(kept, gates))

    def _patch_experts(self, layer, x, logits, choices):
        s = self.spec
        kept, gates = self._gates(logits)
        order = np.arange(len(x))
        if s.batch_priority:
            # Largest softmax probability first, by the sum that decides it:
            # the probability itself saturates at 1. The largest logit's own
            # term is left out, so that the rest keeps its precision.
            terms = np.exp(logits - logits.max(axis=-1, keepdims=True))
            terms[order, logits.argmax(axis=-1)] = 0
            order = np.argsort(terms.sum(axis=-1), kind="stable")
        taken = [[] for _ in range(s.experts)]  # of (token, gate)
        for rank in range(s.top_k):
            for token in order:
                expert = kept[token, rank]
                if len(taken[expert]) < s.capacity:
                    taken[expert].append((token, gates[token, rank]))
        y = np.zeros_like(x)
        for expert, entries in enumerate(taken):
            if not entries:
                continue
            tokens = [token for token, _ in entries]
            gate = np.array([g for _, g in entries])
            name = f"blocks.{layer}.moe.experts.{expert}"
            y[tokens] += gate[:, None] * self._mlp(name, x[tokens])
            choices.append(Choice(layer, expert, gate.mean(), len(entries)))
        return y

    def run(self, image, forced=None):
        """Runs one image [C, H, W].

        `forced` maps a layer to the experts that image routing must use there
        instead of the router's own choice; the gates still are the router's.
        It follows another implementation through a near tie.
        """
        s = self.spec
        x = self._embed(np.asarray(image, dtype=np.float64))
        choices, router_logits = [], {}
        shared = None
        for i in range(s.layers):
            block = f"blocks.{i}"
            if s.moe_layers[:1] == [i] and s.placement == "shared":
                shared = self._linear("router", self._pooled(s.router_input, x))
            x = x + self._attention(block + ".attn", self._norm(block + ".norm1", x))
            h = self._norm(block + ".norm2", x)
            if i not in s.moe_layers:
                x = x + self._mlp(block + ".mlp", h)
                continue
            if s.routing == "patch":
                router_logits[i] = self._linear(block + ".moe.router", h)
                x = x + self._patch_experts(i, h, router_logits[i], choices)
                continue
            logits = shared
            if logits is None:
                pooled = self._pooled(s.router_input, h)
                logits = self._linear(block + ".moe.router", pooled)
            router_logits[i] = logits
            wanted = forced.get(i) if forced else None
            kept, gates = self._gates(
                logits, None if wanted is None else np.array(wanted)
            )
            choices += [Choice(i, int(e), float(g)) for e, g in zip(kept, gates)]
            x = x + self._image_experts(i, h, kept, gates)
        pooled = self._pooled(s.pool, self._norm("norm", x))
        return Result(self._linear("head", pooled), choices, router_logits)


def weight_shapes(spec):
    """Name to shape of each tensor of the model, in the file's usual order."""
    d, f = spec.hidden, spec.intermediate
    shapes = {}

    def linear(name, outputs, inputs, bias=True):
        shapes[name + ".weight"] = (outputs, inputs)
        if bias:
            shapes[name + ".bias"] = (outputs,)

    def norm(name):
        shapes[name + ".weight"] = (d,)
        shapes[name + ".bias"] = (d,)

    def mlp(name):
        linear(name + ".fc1", f, d)
        linear(name + ".fc2", d, f)

    if spec.class_token:
        shapes["cls_token"] = (1, 1, d)
    shapes["pos_embed"] = (1, spec.tokens, d)
    shapes["patch_embed.proj.weight"] = (d, spec.channels, *spec.patch)
    shapes["patch_embed.proj.bias"] = (d,)
    if spec.moe_layers and spec.placement == "shared":
        linear("router", spec.experts, d, spec.router_bias)
    for i in range(spec.layers):
        block = f"blocks.{i}"
        norm(block + ".norm1")
        linear(block + ".attn.qkv", 3 * d, d, spec.qkv_bias)
        linear(block + ".attn.proj", d, d)
        norm(block + ".norm2")
        if i not in spec.moe_layers:
            mlp(block + ".mlp")
            continue
        if spec.placement == "per_layer":
            linear(block + ".moe.router", spec.experts, d, spec.router_bias)
        for e in range(spec.experts):
            mlp(f"{block}.moe.experts.{e}")
    norm("norm")
    linear("head", spec.classes, d)
    return shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("input", help="float32 .npy, [C,H,W] or [B,C,H,W]")
    parser.add_argument("--weights")
    parser.add_argument("--logits", help="write float64 [B,classes] here")
    args = parser.parse_args()
    model = Model.load(args.spec, args.weights)
    images = np.load(args.input)
    images = images[None] if images.ndim == 3 else images
    results = [model.run(image) for image in images]
    for result in results:
        experts = [vars(choice) for choice in result.choices]
        print(json.dumps({"logits": result.logits.tolist(), "experts": experts}))
    if args.logits:
        np.save(args.logits, np.stack([result.logits for result in results]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
