#!/usr/bin/env python3
"""Float64 NumPy reference of the models that moe-compile accepts.

Shares no code with the compiler: it reads the specification and the weights on
its own and computes as plainly as it can.

    oracle.py SPEC X.npy [--weights FILE] [--logits OUT.npy] [--precision bf16]

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
class StemLayer:
    """A layer of the convolutional stem."""

    source: tuple  # (channels, height, width) of its input
    size: tuple  # of its output
    kernel: tuple
    stride: tuple
    padding: tuple
    depthwise: bool
    bias: bool
    batch_norm: bool
    eps: float
    act: str
    residual: int  # layers whose input is added, or 0


def parse_stem(data, size):
    """The layers of `stem` for an image of (channels, height, width)."""
    layers = []
    for item in data:
        depthwise = item.get("depthwise", False)
        batch_norm = item.get("batch_norm", True)
        kernel = _pair(item.get("kernel_size", 3))
        stride = _pair(item.get("stride", 1))
        padding = _pair(item.get("padding", [(k - 1) // 2 for k in kernel]))
        channels = size[0] if depthwise else item["out_channels"]
        source, size = size, (
            channels,
            *(
                (n + 2 * p - k) // s + 1
                for n, p, k, s in zip(size[1:], padding, kernel, stride)
            ),
        )
        layers.append(
            StemLayer(
                source=source,
                size=size,
                kernel=kernel,
                stride=stride,
                padding=padding,
                depthwise=depthwise,
                bias=item.get("bias", not batch_norm),
                batch_norm=batch_norm,
                eps=item.get("batch_norm_eps", 1e-5),
                act=item.get("activation", "none"),
                residual=item.get("residual", 0),
            )
        )
    return layers


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
    classes: int  # without a head, the hidden size
    weights: str
    distillation_token: bool = False
    distillation_head: bool = False
    registers: int = 0
    no_embed_class: bool = False
    layer_scale: bool = False
    qk_norm: bool = False
    pre_norm: bool = False
    patch_bias: bool = True
    fc_norm: bool = False
    pool_include_prefix: bool = False
    head: str = "linear"
    moe_layers: list = field(default_factory=list)  # ascending; [] = dense
    experts: int = 0
    top_k: int = 0
    routing: str = "image"
    router_type: str = "top_k"
    placement: str = "shared"
    router_input: str = "cls"
    router_bias: bool = False
    normalize: bool = False
    capacity: int = 0  # tokens that an expert takes of an image at most
    batch_priority: bool = False
    slots: int = 0  # of each expert, for the soft router
    shared_width: int = 0  # of the MLP beside the experts; 0 = none
    expert_widths: list = field(default_factory=list)  # [] = intermediate
    precision: str = "f32"  # of the products with a weight
    layer_precisions: dict = field(default_factory=dict)  # name -> its own
    stem: list = field(default_factory=list)  # of StemLayer

    @property
    def map(self):
        """Channels, height and width of what is cut into patches."""
        return self.stem[-1].size if self.stem else (self.channels, *self.image)

    @property
    def patches(self):
        return (self.map[1] // self.patch[0]) * (self.map[2] // self.patch[1])

    @property
    def prefix(self):
        """Tokens before the patches."""
        return int(self.class_token) + int(self.distillation_token) + self.registers

    @property
    def tokens(self):
        return self.prefix + self.patches


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


def expert_slots(moe, tokens):
    """Slots of each expert with a soft router."""
    if "slots_per_expert" in moe:
        return moe["slots_per_expert"]
    # A half to even, as Python rounds.
    return round(tokens * float(moe.get("capacity_factor", 1)) / moe["num_experts"])


def parse_spec(data, folder="."):
    class_token = data.get("class_token", True)
    spec = Spec(
        image=_pair(data["image_size"]),
        patch=_pair(data["patch_size"] if "stem" not in data else data.get("patch_size", 1)),
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
        distillation_token=data.get("distillation_token", False),
        registers=data.get("num_register_tokens", 0),
        no_embed_class=data.get("no_embed_class", False),
        layer_scale=data.get("layer_scale", False),
        qk_norm=data.get("qk_norm", False),
        pre_norm=data.get("pre_norm", False),
        patch_bias=data.get("patch_bias", True),
        fc_norm=data.get("fc_norm", False),
        pool_include_prefix=data.get("pool_include_prefix", False),
        head=data.get("head", "linear"),
    )
    spec.distillation_head = data.get("distillation_head", spec.distillation_token)
    if spec.head == "none":
        spec.classes = spec.hidden
    spec.stem = parse_stem(data.get("stem", []), (spec.channels, *spec.image))
    precision = data.get("precision", {})
    if isinstance(precision, dict):
        spec.layer_precisions = precision
    else:
        spec.precision = precision
    moe = data.get("moe")
    if moe is None:
        return spec
    router = moe.get("router", {})
    spec.moe_layers = moe_layer_indices(moe["layers"], spec.layers)
    spec.experts = moe["num_experts"]
    spec.top_k = moe.get("top_k", 1)
    spec.routing = moe.get("routing", "image")
    spec.router_type = router.get("type", "top_k")
    spec.placement = router.get(
        "placement", "shared" if spec.routing == "image" else "per_layer"
    )
    spec.router_input = router.get("input", "cls" if class_token else "mean")
    spec.router_bias = router.get("bias", False)
    spec.normalize = router.get("normalize", False)
    spec.capacity = expert_capacity(moe, spec.tokens)
    spec.batch_priority = router.get("batch_priority", False)
    if spec.router_type == "soft":
        spec.slots = expert_slots(moe, spec.tokens)
    spec.shared_width = moe.get("shared_expert_intermediate_size", 0)
    spec.expert_widths = moe.get("expert_intermediate_sizes", [])
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
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
}


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def others_by_own(logits):
    """The other experts' exp(l - max) by the own one, which falls as the softmax
    rises but does not saturate. The own term is left out of the sum."""
    terms = np.exp(logits - logits.max(axis=-1, keepdims=True))
    others = np.stack(
        [np.delete(terms, i, axis=-1).sum(axis=-1) for i in range(terms.shape[-1])],
        axis=-1,
    )
    with np.errstate(divide="ignore"):
        return others / terms


@dataclass
class Choice:
    """One expert that an image, or some of its tokens, went to."""

    layer: int
    expert: int
    # For patch routing the mean over the expert's tokens; with a soft router that
    # over all tokens, of the weights of the expert's slots.
    gate: float
    tokens: int = 0  # for patch routing only; the slots with a soft router


@dataclass
class Result:
    """What the model answers to one image."""

    logits: np.ndarray
    choices: list  # of Choice, by layer
    # layer -> [E] for image routing, [tokens, E] for patch routing, [tokens, E,
    # slots] with a soft router. A shared
    # router's logits are listed under each of its layers.
    router_logits: dict
    # Roundings to low precision that f32's noise may have turned.
    doubts: int = 0


class Model:
    """A specification with its weights (name to float64 array)."""

    def __init__(self, spec, weights):
        self.spec = spec
        self.weights = weights
        self._divisor = math.sqrt(spec.hidden // spec.heads)  # of the scores
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

    def _product(self, name, x):
        """x times the transposed weight of the layer."""
        weight = self.weights[name + ".weight"]
        return x @ weight.reshape(len(weight), -1).T

    def _linear(self, name, x):
        y = self._product(name, x)
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

    def _convolved(self, layer, name, x):
        weight = self.weights[name + ".weight"]
        x = np.pad(x, [(0, 0)] + [(p, p) for p in layer.padding])
        y = np.zeros(layer.size)
        _, height, width = layer.size
        for u in range(layer.kernel[0]):
            for v in range(layer.kernel[1]):
                rows = slice(u, u + (height - 1) * layer.stride[0] + 1, layer.stride[0])
                columns = slice(v, v + (width - 1) * layer.stride[1] + 1, layer.stride[1])
                seen, taps = x[:, rows, columns], weight[:, :, u, v]
                if layer.depthwise:
                    y += taps[:, :, None] * seen
                else:
                    y += np.tensordot(taps, seen, 1)
        if layer.bias:
            y += self.weights[name + ".bias"][:, None, None]
        return y

    def _stem(self, image):
        maps = [image]
        for i, layer in enumerate(self.spec.stem):
            x = self._convolved(layer, f"stem.{i}.conv", maps[-1])
            if layer.batch_norm:
                gamma, beta, mean, variance = (
                    self.weights[f"stem.{i}.bn.{kind}"][:, None, None]
                    for kind in ("weight", "bias", "running_mean", "running_var")
                )
                x = (x - mean) / np.sqrt(variance + layer.eps) * gamma + beta
            if layer.act != "none":
                x = ACTIVATIONS[layer.act](x)
            if layer.residual:
                x = x + maps[-layer.residual]
            maps.append(x)
        return maps[-1]

    def _embed(self, image):
        s = self.spec
        channels, height, width = s.map
        rows, columns = height // s.patch[0], width // s.patch[1]
        x = self._stem(image)
        x = x.reshape(channels, rows, s.patch[0], columns, s.patch[1])
        x = x.transpose(1, 3, 0, 2, 4).reshape(rows * columns, -1)
        x = self._linear("patch_embed.proj", x)
        position = self.weights["pos_embed"][0]
        if s.no_embed_class:
            x = x + position
        own = ["cls_token"] if s.class_token else []
        own += ["dist_token"] if s.distillation_token else []
        own += ["reg_token"] if s.registers else []
        x = np.concatenate([*(self.weights[name][0] for name in own), x])
        if not s.no_embed_class:
            x = x + position
        return self._norm("norm_pre", x) if s.pre_norm else x

    def _attention(self, name, x):
        s = self.spec
        qkv = self._linear(name + ".qkv", x)
        qkv = qkv.reshape(len(x), 3, s.heads, -1).transpose(1, 2, 0, 3)
        q, k, v = qkv
        if s.qk_norm:
            q, k = self._norm(name + ".q_norm", q), self._norm(name + ".k_norm", k)
        scores = q @ k.transpose(0, 2, 1) / self._divisor
        mixed = (softmax(scores) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        return self._linear(name + ".proj", mixed)

    def _pooled(self, how, x, first=None):
        """Over the patches, or all tokens from the first on."""
        if how == "cls":
            return x[0]
        x = x[self.spec.prefix if first is None else first :]
        if how == "avgmax":
            return 0.5 * (x.mean(axis=0) + x.max(axis=0))
        return x.max(axis=0) if how == "max" else x.mean(axis=0)

    def _branch(self, name, y):
        """What a branch adds, with LayerScale."""
        return y * self.weights[name + ".gamma"] if self.spec.layer_scale else y

    def _answer(self, x):
        """Logits, or features, of the last block's tokens."""
        s = self.spec
        if not s.fc_norm:
            x = self._norm("norm", x)
        pooled = self._pooled(s.pool, x, 0 if s.pool_include_prefix else None)
        if s.fc_norm:
            pooled = self._norm("fc_norm", pooled)
        if s.head == "none":
            return pooled
        logits = self._linear("head", pooled)
        if s.distillation_head:
            logits = (logits + self._linear("head_dist", x[1])) / 2
        return logits

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

    def _tokens_choose(self, logits):
        """For each expert, the (token, gate) that it takes."""
        s = self.spec
        kept, gates = self._gates(logits)
        order = np.arange(len(logits))
        if s.batch_priority:
            # Largest softmax probability first, by the sum that decides it:
            # the probability itself saturates at 1. The largest logit's own
            # term is left out, so that the rest keeps its precision.
            terms = np.exp(logits - logits.max(axis=-1, keepdims=True))
            terms[order, logits.argmax(axis=-1)] = 0
            order = np.argsort(terms.sum(axis=-1), kind="stable")
        taken = [[] for _ in range(s.experts)]
        for rank in range(s.top_k):
            for token in order:
                expert = kept[token, rank]
                if len(taken[expert]) < s.capacity:
                    taken[expert].append((token, gates[token, rank]))
        return taken

    def _experts_choose(self, logits):
        gates = softmax(logits)
        order = np.argsort(others_by_own(logits), axis=0, kind="stable")
        return [
            [(token, gates[token, expert]) for token in order[: self.spec.capacity, expert]]
            for expert in range(self.spec.experts)
        ]

    def _patch_experts(self, layer, x, logits, choices):
        if self.spec.router_type == "expert_choice":
            taken = self._experts_choose(logits)
        else:
            taken = self._tokens_choose(logits)
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

    def _soft_logits(self, name, x):
        """[tokens, experts, slots]."""

        def unit(v, axis):
            return v / np.sqrt((v**2).sum(axis=axis, keepdims=True) + 1e-6)

        mu = unit(self.weights[name + ".mu"], 0)
        return self.weights[name + ".scale"] * np.einsum("td,des->tes", unit(x, -1), mu)

    def _soft_experts(self, layer, x, logits, choices):
        s = self.spec
        dispatch = softmax(logits.T).T  # over the tokens
        combine = softmax(logits.reshape(len(x), -1)).reshape(logits.shape)
        y = np.zeros_like(x)
        for expert in range(s.experts):
            slots = dispatch[:, expert].T @ x
            name = f"blocks.{layer}.moe.experts.{expert}"
            y += combine[:, expert] @ self._mlp(name, slots)
            gate = combine[:, expert].sum(axis=1).mean()
            choices.append(Choice(layer, expert, gate, s.slots))
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
            y = self._attention(block + ".attn", self._norm(block + ".norm1", x))
            x = x + self._branch(block + ".ls1", y)
            h = self._norm(block + ".norm2", x)
            if i not in s.moe_layers:
                x = x + self._branch(block + ".ls2", self._mlp(block + ".mlp", h))
                continue
            if s.shared_width:
                y = self._mlp(block + ".moe.shared_expert", h)
                x = x + self._branch(block + ".ls2", y)
            if s.router_type == "soft":
                router_logits[i] = self._soft_logits(block + ".moe.router", h)
                y = self._soft_experts(i, h, router_logits[i], choices)
                x = x + self._branch(block + ".ls2", y)
                continue
            if s.routing == "patch":
                router_logits[i] = self._linear(block + ".moe.router", h)
                y = self._patch_experts(i, h, router_logits[i], choices)
                x = x + self._branch(block + ".ls2", y)
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
            y = self._image_experts(i, h, kept, gates)
            x = x + self._branch(block + ".ls2", y)
        return Result(self._answer(x), choices, router_logits)


# How far f32 strays from float64 before a product, relative to a row's largest:
# half of that has turned no rounding of some thousand random answers.
NOISE = 5e-7


def round_bf16(x):
    """The nearest number of 8 significant bits, ties to even."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, 8)), exponent - 8)


def quantize(x):
    """Integers in [-127, 127] for each row, ties to even, and their scales."""
    largest = np.abs(x).max(axis=-1, keepdims=True)
    factor = 127 / np.where(largest > 0, largest, 1)
    return np.rint(x * factor), largest / 127


def fold(spec, weights):
    """The weights as they are before they are rounded: each LayerNorm's scale
    and shift are in the layers that follow it, the attention's scale is in the
    queries' rows or norm, LayerScale's factors are in the layers before it. Each
    step rounds to f32."""
    weights = {name: np.array(value) for name, value in weights.items()}

    def scaled(weight, factor):
        return (weight * factor).astype(np.float32).astype(np.float64)

    def absorb(norm, *layers):
        for layer in layers:
            weight, bias = weights[layer + ".weight"], layer + ".bias"
            weights[bias] = weights.get(bias, 0) + weight @ weights[norm + ".bias"]
            weights[layer + ".weight"] = scaled(weight, weights[norm + ".weight"])
        weights[norm + ".weight"] = np.ones(spec.hidden)
        weights[norm + ".bias"] = np.zeros(spec.hidden)

    def spread(gamma, *layers):
        for layer in layers:
            for name in (layer + ".weight", layer + ".bias"):
                factors = weights[gamma].reshape(-1, *[1] * (weights[name].ndim - 1))
                weights[name] = scaled(weights[name], factors)
        weights[gamma] = np.ones(spec.hidden)

    for i in range(spec.layers):
        block = f"blocks.{i}"
        experts = [f"{block}.moe.experts.{e}" for e in range(spec.experts)]
        branches = experts if i in spec.moe_layers else [block + ".mlp"]
        if i in spec.moe_layers and spec.shared_width:
            branches.append(block + ".moe.shared_expert")
        absorb(block + ".norm1", block + ".attn.qkv")
        readers = [branch + ".fc1" for branch in branches]
        if i in spec.moe_layers and spec.placement == "per_layer":
            readers.append(block + ".moe.router")
        # A soft router needs the lengths that the norm gives.
        is_soft = i in spec.moe_layers and spec.router_type == "soft"
        if not is_soft:
            absorb(block + ".norm2", *readers)
        for kind in ("weight", "bias"):
            if spec.qk_norm:
                queries = weights[f"{block}.attn.q_norm.{kind}"]
            else:
                queries = weights[f"{block}.attn.qkv.{kind}"][: spec.hidden]
            queries[:] = scaled(queries, 1 / math.sqrt(spec.hidden // spec.heads))
        if spec.layer_scale:
            spread(block + ".ls1.gamma", block + ".attn.proj")
            if not is_soft:
                spread(block + ".ls2.gamma", *(branch + ".fc2" for branch in branches))
    heads = ["head"] if spec.head != "none" else []
    heads += ["head_dist"] if spec.distillation_head else []
    # What is between the norm and the heads must let factors through; the largest
    # of one token is that token.
    pooled = spec.tokens if spec.pool_include_prefix else spec.patches
    if heads and (
        spec.fc_norm
        or spec.pool in ("cls", "mean")
        or (spec.pool == "max" and pooled == 1)
    ):
        absorb("fc_norm" if spec.fc_norm else "norm", *heads)
    return weights


class LowModel(Model):
    """`model` with products in lower precision, all else in float64.

    `precision` is that of layers of which the specification says nothing; by
    default the specification's for all. Where the CPU cannot multiply bf16,
    `rounds_inputs` is False: their inputs stay as they are.
    """

    def __init__(self, model, precision=None, rounds_inputs=True):
        super().__init__(model.spec, fold(model.spec, model.weights))
        self._divisor = 1
        self._rounds_inputs = rounds_inputs
        self._doubts = 0
        self._low = {}  # layer -> (precision, weight, scales of its rows)
        for name, weight in self.weights.items():
            layer, _, kind = name.rpartition(".")
            if kind != "weight" or weight.ndim == 1 or layer.endswith("router"):
                continue
            if layer.startswith("stem."):  # always f32
                continue
            weight = weight.reshape(len(weight), -1)
            own = self._precision_of(layer, precision or self.spec.precision)
            if own == "bf16":
                self._low[layer] = own, round_bf16(weight), None
            elif own == "int8":
                self._low[layer] = own, *quantize(weight)

    def _precision_of(self, layer, precision):
        parts = layer.split(".")
        for count in range(1, len(parts) + 1):  # the longest name wins
            name = ".".join(parts[:count])
            precision = self.spec.layer_precisions.get(name, precision)
        return precision

    @property
    def precisions(self):
        """Those below f32 that the model has products of."""
        return {precision for precision, _, _ in self._low.values()}

    def _product(self, name, x):
        if name not in self._low:
            return super()._product(name, x)
        precision, weight, scales = self._low[name]
        if name in ("head", "head_dist") and precision == "int8":
            return (x @ weight.T) * scales.T[0]  # its input stays f32
        if precision == "int8":
            numbers, steps = quantize(x)
            self._doubt(x, steps)
            return (numbers @ weight.T) * steps * scales.T[0]
        is_image = name == "patch_embed.proj" and not self.spec.stem
        if is_image and self._rounds_inputs:
            x = round_bf16(x)  # no doubts: f32 has the pixels as they are
        elif self._rounds_inputs:
            exponent = np.frexp(x)[1]
            self._doubt(x, np.where(x == 0, 0, np.ldexp(1.0, exponent - 8)))
            x = round_bf16(x)
        return x @ weight.T

    def _doubt(self, x, steps):
        """Counts the entries so close to the middle between two of the numbers
        that they are rounded to, `steps` apart, that noise decides for one."""
        noise = NOISE * np.abs(x).max(axis=-1, keepdims=True)
        quotient = x / np.where(steps > 0, steps, 1)
        distance = (0.5 - np.abs(quotient - np.rint(quotient))) * steps
        # A step no larger than the noise does no more harm than it.
        self._doubts += int(((distance < noise) & (steps > noise)).sum())

    def run(self, image, forced=None):
        self._doubts = 0
        result = super().run(image, forced)
        result.doubts = self._doubts
        return result


def weight_shapes(spec):
    """Name to shape of each tensor of the model, in the file's usual order."""
    d, f = spec.hidden, spec.intermediate
    shapes = {}

    def linear(name, outputs, inputs, bias=True):
        shapes[name + ".weight"] = (outputs, inputs)
        if bias:
            shapes[name + ".bias"] = (outputs,)

    def norm(name, size=d):
        shapes[name + ".weight"] = (size,)
        shapes[name + ".bias"] = (size,)

    def mlp(name, width=f):
        linear(name + ".fc1", width, d)
        linear(name + ".fc2", d, width)

    for i, layer in enumerate(spec.stem):
        inputs = 1 if layer.depthwise else layer.source[0]
        outputs = (layer.size[0],)
        shapes[f"stem.{i}.conv.weight"] = (*outputs, inputs, *layer.kernel)
        if layer.bias:
            shapes[f"stem.{i}.conv.bias"] = outputs
        if layer.batch_norm:
            for kind in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"stem.{i}.bn.{kind}"] = outputs
    if spec.class_token:
        shapes["cls_token"] = (1, 1, d)
    if spec.distillation_token:
        shapes["dist_token"] = (1, 1, d)
    if spec.registers:
        shapes["reg_token"] = (1, spec.registers, d)
    positions = spec.patches if spec.no_embed_class else spec.tokens
    shapes["pos_embed"] = (1, positions, d)
    shapes["patch_embed.proj.weight"] = (d, spec.map[0], *spec.patch)
    if spec.patch_bias:
        shapes["patch_embed.proj.bias"] = (d,)
    if spec.pre_norm:
        norm("norm_pre")
    if spec.moe_layers and spec.placement == "shared":
        linear("router", spec.experts, d, spec.router_bias)
    for i in range(spec.layers):
        block = f"blocks.{i}"
        norm(block + ".norm1")
        linear(block + ".attn.qkv", 3 * d, d, spec.qkv_bias)
        if spec.qk_norm:
            norm(block + ".attn.q_norm", d // spec.heads)
            norm(block + ".attn.k_norm", d // spec.heads)
        linear(block + ".attn.proj", d, d)
        if spec.layer_scale:
            shapes[block + ".ls1.gamma"] = shapes[block + ".ls2.gamma"] = (d,)
        norm(block + ".norm2")
        if i not in spec.moe_layers:
            mlp(block + ".mlp")
            continue
        if spec.router_type == "soft":
            shapes[block + ".moe.router.mu"] = (d, spec.experts, spec.slots)
            shapes[block + ".moe.router.scale"] = (1,)
        elif spec.placement == "per_layer":
            linear(block + ".moe.router", spec.experts, d, spec.router_bias)
        for e in range(spec.experts):
            width = spec.expert_widths[e] if spec.expert_widths else f
            mlp(f"{block}.moe.experts.{e}", width)
        if spec.shared_width:
            mlp(block + ".moe.shared_expert", spec.shared_width)
    norm("fc_norm" if spec.fc_norm else "norm")
    if spec.head != "none":
        linear("head", spec.classes, d)
    if spec.distillation_head:
        linear("head_dist", spec.classes, d)
    return shapes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("input", help="float32 .npy, [C,H,W] or [B,C,H,W]")
    parser.add_argument("--weights")
    parser.add_argument("--logits", help="write float64 [B,classes] here")
    parser.add_argument("--precision", choices=("bf16", "int8"))
    args = parser.parse_args()
    model = Model.load(args.spec, args.weights)
    if args.precision:
        model = LowModel(model, args.precision)
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
