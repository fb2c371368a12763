#!/usr/bin/env python3
"""Compares every ONNX form of random models with routing: patch with the oracle.

    onnx_patch.py DIR

A NumPy interpreter of the operators that bench/export_onnx.py uses stands in for
onnxruntime.
"""

import os
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "bench"))
import export_onnx  # noqa: E402
import oracle  # noqa: E402
import random_model  # noqa: E402

BASE = {
    "image_size": [16, 24],
    "patch_size": 8,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "num_classes": 5,
}
# moe, and its router.
CASES = [
    ({"num_experts": 4}, {}),
    ({"num_experts": 4, "top_k": 2}, {"normalize": True, "bias": True}),
    ({"num_experts": 3, "top_k": 2, "capacity_factor": 0.6}, {}),
    (
        {"num_experts": 3, "top_k": 2, "capacity_factor": 0.6},
        {"batch_priority": True, "normalize": True},
    ),
    ({"num_experts": 16, "capacity_factor": 0.5}, {"batch_priority": True}),
    ({"num_experts": 1, "capacity_factor": 0.5}, {}),
]


def conv(x, w, b, strides):
    """Patches that do not overlap."""
    (c, height, width), (h, v) = x.shape[1:], strides
    rows = x[0].reshape(c, height // h, h, width // v, v).transpose(1, 3, 0, 2, 4)
    y = rows.reshape(height // h, width // v, -1) @ w.reshape(len(w), -1).T + b
    return y.transpose(2, 0, 1)[None]


def layer_norm(x, scale, shift, epsilon, axis=-1):
    centred = x - x.mean(axis=axis, keepdims=True)
    variance = (centred**2).mean(axis=axis, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * scale + shift


def top_k(x, k, largest=1):
    order = np.argsort(-x if largest else x, axis=-1, kind="stable")[..., : k[0]]
    return np.take_along_axis(x, order, axis=-1), order


def scatter(base, at, updates, reduction):
    assert reduction == "add"
    result = base.copy()
    np.add.at(result, tuple(np.moveaxis(at, -1, 0)), updates)
    return result


def scatter_elements(base, at, updates):
    result = base.copy()
    result[at] = updates
    return result


def split(x, sizes, axis):
    assert sizes.sum() == x.shape[axis], (sizes, x.shape)
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


def cast(x, to):
    return x.astype(np.int64 if to == onnx.TensorProto.INT64 else np.float64)


def reduce_sum(x, axes=None, keepdims=1):
    axes = None if axes is None else tuple(axes)
    return np.sum(x, axis=axes, keepdims=bool(keepdims))


OPERATORS = {
    "Add": np.add,
    "Cast": cast,
    "Concat": lambda *xs, axis: np.concatenate(xs, axis),
    "Conv": conv,
    "CumSum": lambda x, axis: np.cumsum(x, axis=int(axis)),
    "Div": np.divide,
    "Equal": np.equal,
    "Erf": oracle._erf,
    "Exp": np.exp,
    "Gather": lambda x, at, axis=0: np.take(x, at, axis),
    "Greater": np.greater,
    "Identity": lambda x: x,
    "LayerNormalization": layer_norm,
    "LessOrEqual": np.less_equal,
    "MatMul": np.matmul,
    "Mul": np.multiply,
    "NonZero": lambda x: np.array(np.nonzero(x)),
    "Not": np.logical_not,
    "ReduceSum": reduce_sum,
    "Reshape": lambda x, shape: x.reshape(shape),
    "ScatterElements": scatter_elements,
    "ScatterND": scatter,
    "Shape": lambda x: np.array(x.shape),
    "Softmax": lambda x, axis: oracle.softmax(x),
    "Split": split,
    "Sub": np.subtract,
    "Tile": np.tile,
    "TopK": top_k,
    "Transpose": lambda x, perm: x.transpose(perm),
    "Unsqueeze": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "Where": np.where,
}


def run(graph, values):
    """The graph's first output."""
    for node in graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        attributes = {
            k: v.decode() if isinstance(v, bytes) else v for k, v in attributes.items()
        }
        inputs = [values[name] for name in node.input]
        if node.op_type == "If":
            branch = "then_branch" if inputs[0].all() else "else_branch"
            found = run(attributes[branch], dict(values))
        else:
            found = OPERATORS[node.op_type](*inputs, **attributes)
        found = found if isinstance(found, tuple) else (found,)
        values.update(zip(node.output, found))
    return values[graph.output[0].name]


def widened(array):
    return array.astype(np.float64) if array.dtype == np.float32 else array


def main():
    (folder,) = sys.argv[1:]
    for seed, (moe, router) in enumerate(CASES):
        moe = dict(moe, layers={"every": 1}, routing="patch", router=router)
        spec = random_model.write_model(folder, dict(BASE, moe=moe), seed)
        model = oracle.Model.load(spec)
        image = random_model.random_images(model.spec, 1, seed)
        expected = model.run(image[0]).logits
        for form in export_onnx.FORMS["patch"]:
            out = os.path.join(folder, form + ".onnx")
            export_onnx.export(spec, form, out)
            exported = onnx.load(out)
            onnx.checker.check_model(exported)
            graph = exported.graph
            values = {t.name: widened(numpy_helper.to_array(t)) for t in graph.initializer}
            (logits,) = run(graph, values | {"image": image.astype(np.float64)})
            difference = np.abs(logits - expected).max()
            # Its weights are f32, and some are scaled before they are rounded.
            assert difference < 1e-5, (moe, form, difference)


if __name__ == "__main__":
    main()
