#!/usr/bin/env python3
"""Writes a model's ONNX form, for the runtimes that we are compared with.

    export_onnx.py SPEC [--experts FORM] [--int8] [-o X.onnx]

The graph is what a careful exporter makes of the PyTorch model: LayerNorm as
one operator, GELU in the form that onnxruntime fuses, the attention's scale
folded into the weights. Experts (routing: image) come as Gather, which picks
the chosen expert's matrices out of a stack of all, or as If, one branch an
expert. Those of routing: patch have forms of their own: export_patch.py.

With --int8 it is what onnxruntime.quantization.quantize_dynamic makes of that by
default: every product with a weight has int8 weights and inputs that are
quantised as they come, and becomes one DynamicQuantizeMatMul when it is loaded.
Beyond the default, Gather picks int8 matrices, and the patch embedding is such a
product too, which is faster than an f32 Conv.
"""

import argparse
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(
    0,
    os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "reference"),
)
import export_patch  # noqa: E402
import oracle  # noqa: E402
import safetensors  # noqa: E402

# What --experts may be, for each routing; the first is the default.
FORMS = {"image": ("gather", "if"), "patch": export_patch.FORMS}


def quantize(weight):
    """int8 weights and their scale, as quantize_dynamic has them by default: one
    scale a tensor, symmetric."""
    scale = np.float32(np.abs(weight).max() / 127)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


class Graph:
    """Nodes in order. Branches of an If have nodes of their own and share the
    initializers."""

    def __init__(self, root=None, int8=False):
        self.nodes = []
        self.root = root or self
        if root is None:
            self.initializers, self.count, self.int8 = [], 0, int8

    def branch(self):
        return Graph(self.root)

    def name(self, hint):
        self.root.count += 1
        return f"{hint}_{self.root.count}"

    def constant(self, values, dtype=np.float32):
        name = self.name("w")
        # Not ascontiguousarray: that makes a vector of a scalar.
        array = np.array(values, dtype=dtype, order="C")
        self.root.initializers.append(numpy_helper.from_array(array, name))
        return name

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = [self.name(kind) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def integers(self, *values):
        return self.constant(values, np.int64)

    def quantized(self, x, weight, scale):
        """x · weight · scale, for int8 weights."""
        x, x_scale, zero = self.node("DynamicQuantizeLinear", x, outputs=3)
        y = self.node("MatMulInteger", x, weight, zero, self.constant(0, np.int8))
        y = self.node("Cast", y, to=TensorProto.FLOAT)
        return self.node("Mul", y, self.node("Mul", x_scale, scale))

    def linear(self, x, weight, bias=None):
        """x · weightᵀ + bias, for a weight [out, in]."""
        if self.root.int8:
            weight, scale = quantize(weight.T)
            weight = self.constant(weight, np.int8)
            y = self.quantized(x, weight, self.constant(scale))
        else:
            y = self.node("MatMul", x, self.constant(weight.T))
        return y if bias is None else self.node("Add", y, self.constant(bias))

    def activation(self, x, kind):
        node, constant = self.node, self.constant
        if kind == "gelu":
            e = node("Erf", node("Div", x, constant(np.sqrt(2.0))))
            e = node("Add", e, constant(1.0))
            return node("Mul", node("Mul", x, e), constant(0.5))
        if kind == "relu":
            return node("Relu", x)
        if kind == "hardswish":
            return node("HardSwish", x)
        if kind in ("silu", "quick_gelu"):
            scaled = x if kind == "silu" else node("Mul", x, constant(1.702))
            return node("Mul", x, node("Sigmoid", scaled))
        cube = node("Mul", node("Mul", node("Mul", x, x), x), constant(0.044715))
        inner = node("Mul", node("Add", x, cube), constant(np.sqrt(2 / np.pi)))
        half = node("Mul", x, constant(0.5))
        return node("Mul", half, node("Add", node("Tanh", inner), constant(1.0)))


class Exporter:
    def __init__(self, spec, weights, experts, int8=False):
        self.spec, self.weights, self.form = spec, weights, experts
        self.graph = Graph(int8=int8)

    def pair(self, prefix):
        return self.weights[prefix + ".weight"], self.weights.get(prefix + ".bias")

    def layer_norm(self, x, prefix):
        weight, bias = map(self.graph.constant, self.pair(prefix))
        return self.graph.node(
            "LayerNormalization", x, weight, bias, epsilon=self.spec.eps
        )

    def patch_rows(self, image):
        """[1, patches, values of a patch]."""
        g, spec = self.graph, self.spec
        (channels, height, width), (h, w) = spec.map, spec.patch
        shape = g.integers(channels, height // h, h, width // w, w)
        x = g.node("Reshape", image, shape)
        x = g.node("Transpose", x, perm=[1, 3, 0, 2, 4])
        return g.node("Reshape", x, g.integers(1, spec.patches, -1))

    def stem(self, image):
        g, maps = self.graph, [image]
        for i, layer in enumerate(self.spec.stem):
            kernel, bias = self.pair(f"stem.{i}.conv")
            if layer.batch_norm:
                scale, shift = self.pair(f"stem.{i}.bn")
                mean = self.weights[f"stem.{i}.bn.running_mean"]
                variance = self.weights[f"stem.{i}.bn.running_var"]
                scale = scale / np.sqrt(variance + layer.eps)
                kernel = kernel * scale[:, None, None, None]
                bias = shift + ((0 if bias is None else bias) - mean) * scale
            inputs = [kernel] if bias is None else [kernel, bias]
            x = g.node(
                "Conv",
                maps[-1],
                *map(g.constant, inputs),
                strides=list(layer.stride),
                pads=list(layer.padding) * 2,
                group=layer.source[0] if layer.depthwise else 1,
            )
            if layer.act != "none":
                x = g.activation(x, layer.act)
            if layer.residual:
                x = g.node("Add", x, maps[-layer.residual])
            maps.append(x)
        return maps[-1]

    def embed(self, image):
        g, spec, w = self.graph, self.spec, self.weights
        image = self.stem(image)
        kernel, bias = self.pair("patch_embed.proj")
        if g.int8:
            kernel = kernel.reshape(spec.hidden, -1)
            x = g.linear(self.patch_rows(image), kernel, bias)
        else:
            kernel, bias = g.constant(kernel), g.constant(bias)
            x = g.node("Conv", image, kernel, bias, strides=list(spec.patch))
            x = g.node("Reshape", x, g.integers(1, spec.hidden, spec.patches))
            x = g.node("Transpose", x, perm=[0, 2, 1])
        if spec.class_token:
            x = g.node("Concat", g.constant(w["cls_token"]), x, axis=1)
        return g.node("Add", x, g.constant(w["pos_embed"]))

    def attention(self, x, prefix):
        g, spec = self.graph, self.spec
        size = spec.hidden // spec.heads
        weight, bias = self.pair(prefix + ".qkv")
        scale = np.ones(3 * spec.hidden)
        scale[: spec.hidden] = size**-0.5
        bias = None if bias is None else bias * scale
        qkv = g.linear(x, weight * scale[:, None], bias)
        qkv = g.node("Reshape", qkv, g.integers(spec.tokens, 3, spec.heads, size))
        parts = g.node("Split", qkv, g.integers(1, 1, 1), axis=1, outputs=3)
        shape = g.integers(1, spec.tokens, spec.heads, size)
        q, k, v = (g.node("Reshape", part, shape) for part in parts)
        q = g.node("Transpose", q, perm=[0, 2, 1, 3])
        k = g.node("Transpose", k, perm=[0, 2, 3, 1])
        v = g.node("Transpose", v, perm=[0, 2, 1, 3])
        probability = g.node("Softmax", g.node("MatMul", q, k), axis=-1)
        mixed = g.node("Transpose", g.node("MatMul", probability, v), perm=[0, 2, 1, 3])
        mixed = g.node("Reshape", mixed, g.integers(1, spec.tokens, spec.hidden))
        return g.linear(mixed, *self.pair(prefix + ".proj"))

    def mlp(self, x, prefix, graph=None):
        g = graph or self.graph
        hidden = g.activation(g.linear(x, *self.pair(prefix + ".fc1")), self.spec.act)
        return g.linear(hidden, *self.pair(prefix + ".fc2"))

    def pooled(self, x, kind):
        """[1, D]: the class token, or the mean over the patches."""
        g, spec = self.graph, self.spec
        if kind == "cls":
            return g.node("Gather", x, g.constant(0, np.int64), axis=1)
        if spec.class_token:
            first, last = g.integers(1), g.integers(spec.tokens)
            x = g.node("Slice", x, first, last, g.integers(1))
        return g.node("ReduceMean", x, axes=[1], keepdims=0)

    def route(self, x, prefix):
        """Experts [k] and their gates [k]."""
        g, spec = self.graph, self.spec
        logits = g.linear(self.pooled(x, spec.router_input), *self.pair(prefix))
        gates = g.node("Softmax", logits, axis=-1)
        # The order of the softmax is that of the logits.
        gates, experts = g.node("TopK", gates, g.integers(spec.top_k), outputs=2)
        if spec.normalize:
            total = g.node("ReduceSum", gates, g.integers(1))
            gates = g.node("Div", gates, total)
        flat = g.integers(-1)
        return g.node("Reshape", experts, flat), g.node("Reshape", gates, flat)

    def expert_gather(self, x, prefix, which):
        g, spec = self.graph, self.spec

        def parts(layer, part):
            names = (f"{prefix}.experts.{e}.{layer}.{part}" for e in range(spec.experts))
            return [self.weights[name] for name in names]

        def chosen(values, dtype=np.float32):
            stack = g.constant(np.stack(values), dtype)
            return g.node("Gather", stack, which, axis=0)

        def linear(y, layer):
            weights = [weight.T for weight in parts(layer, "weight")]
            if g.int8:
                weights, scales = zip(*map(quantize, weights))
                y = g.quantized(y, chosen(weights, np.int8), chosen(scales))
            else:
                y = g.node("MatMul", y, chosen(weights))
            return g.node("Add", y, chosen(parts(layer, "bias")))

        return linear(g.activation(linear(x, "fc1"), spec.act), "fc2")

    def expert_if(self, graph, x, prefix, which, first=0, last=None):
        """The branches for the experts from `first` to before `last`: halves of
        halves, since readers of protobuf refuse what is nested deeply."""
        last = self.spec.experts if last is None else last
        if last - first == 1:
            return self.mlp(x, f"{prefix}.experts.{first}", graph)
        middle = (first + last) // 2
        is_lower = graph.node("Less", which, graph.constant(middle, np.int64))
        branches = []
        for part in ((first, middle), (middle, last)):
            branch = graph.branch()
            y = self.expert_if(branch, x, prefix, which, *part)
            result = branch.node("Identity", y)
            value = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
            branches.append(
                helper.make_graph(branch.nodes, graph.name("branch"), [], [value])
            )
        return graph.node(
            "If", is_lower, then_branch=branches[0], else_branch=branches[1]
        )

    def experts(self, x, prefix, route):
        g, total = self.graph, None
        for j in range(self.spec.top_k):
            position = g.constant(j, np.int64)
            which = g.node("Gather", route[0], position)
            gate = g.node("Gather", route[1], position)
            if self.form == "if":
                y = self.expert_if(g, x, prefix, which)
            else:
                y = self.expert_gather(x, prefix, which)
            y = g.node("Mul", y, gate)
            total = y if total is None else g.node("Add", total, y)
        return total

    def export(self):
        g, spec = self.graph, self.spec
        x = self.embed("image")
        shared = None
        for i in range(spec.layers):
            block = f"blocks.{i}"
            is_moe = i in spec.moe_layers
            if is_moe and shared is None and spec.placement == "shared":
                shared = self.route(x, "router")
            normed = self.layer_norm(x, block + ".norm1")
            x = g.node("Add", x, self.attention(normed, block + ".attn"))
            normed = self.layer_norm(x, block + ".norm2")
            if is_moe and spec.routing == "patch":
                experts = export_patch.PatchExperts(self, normed, block + ".moe")
                y = experts.build(self.form)
            elif is_moe:
                route = shared or self.route(normed, block + ".moe.router")
                y = self.experts(normed, block + ".moe", route)
            else:
                y = self.mlp(normed, block + ".mlp")
            x = g.node("Add", x, y)
        x = self.pooled(self.layer_norm(x, "norm"), spec.pool)
        logits = g.linear(x, *self.pair("head"))
        g.nodes.append(helper.make_node("Identity", [logits], ["logits"]))
        image = helper.make_tensor_value_info(
            "image", TensorProto.FLOAT, [1, spec.channels, *spec.image]
        )
        result = helper.make_tensor_value_info(
            "logits", TensorProto.FLOAT, [1, spec.classes]
        )
        graph = helper.make_graph(
            g.nodes, "vit", [image], [result], initializer=g.initializers
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        )


def not_exported(spec):
    """What the specification has that no graph here computes."""
    has = {
        "distillation_token": spec.distillation_token,
        "num_register_tokens": spec.registers,
        "no_embed_class": spec.no_embed_class,
        "layer_scale": spec.layer_scale,
        "qk_norm": spec.qk_norm,
        "pre_norm": spec.pre_norm,
        "patch_bias": not spec.patch_bias,
        "fc_norm": spec.fc_norm,
        "pool": spec.pool not in ("cls", "mean") or spec.pool_include_prefix,
        "head": spec.head == "none",
        "moe.router.type": spec.router_type != "top_k",
        "moe.shared_expert_intermediate_size": spec.shared_width,
        "moe.expert_intermediate_sizes": spec.expert_widths,
    }
    return [name for name, value in has.items() if value]


def export(path, experts, out, int8=False):
    """Writes an ONNX form of the specification at `path` to `out`; without
    `experts` the first of its routing's forms."""
    spec = oracle.load_spec(path)
    if unknown := not_exported(spec):
        raise SystemExit(f"{path}: not exported: {', '.join(unknown)}")
    forms = FORMS[spec.routing]
    experts = experts or forms[0]
    if spec.moe_layers and experts not in forms:
        raise SystemExit(f"{path}: experts of routing: {spec.routing} are {forms}")
    weights = safetensors.load(spec.weights)
    onnx.save(Exporter(spec, weights, experts, int8).export(), out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", metavar="SPEC")
    parser.add_argument("--experts", choices=sum(FORMS.values(), ()))
    parser.add_argument("--int8", action="store_true")
    parser.add_argument("-o", dest="out", metavar="X.onnx")
    args = parser.parse_args()
    out = args.out or os.path.splitext(args.spec)[0] + ".onnx"
    export(args.spec, args.experts, out, args.int8)


if __name__ == "__main__":
    main()
