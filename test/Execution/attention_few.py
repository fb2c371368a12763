#!/usr/bin/env python3
"""Runs attention with few queries on each CPU level and CPU, against NumPy.

    attention_few.py --work DIR

Two of 36 tokens ask; two heads of 20 channels; scores are scaled by 1/2.
moe-opt's pipelines lower the IR below; what its weights' recipes say is computed
here and linked as the section that the code reads.
"""

import argparse
import os
import re

import numpy as np

import harness
import lowered

TOKENS, WIDTH, HEADS, QUERIES, FIRST, SCALE = 36, 40, 2, 2, 7, 0.5
SIDE = 6  # of the image, whose pixels are the tokens

# One of the two rows is the result: a function returns one.
MODULE = """
module @few {{
moe.param @patch.w : tensor<40x40x1x1xf32>
moe.param @patch.b : tensor<40xf32>
moe.param @qkv.w : tensor<120x40xf32>
moe.param @qkv.b : tensor<120xf32>
moe.param @proj.w : tensor<40x40xf32>
moe.param @proj.b : tensor<40xf32>
func.func @run(%image: tensor<40x6x6xf32>) -> tensor<1x40xf32> {{
  %pw = moe.get @patch.w : tensor<40x40x1x1xf32>
  %pb = moe.get @patch.b : tensor<40xf32>
  %x = moe.patch_embed %image, %pw, %pb : tensor<40x6x6xf32>, tensor<40x40x1x1xf32>, tensor<40xf32> -> tensor<36x40xf32>
  %w = moe.get @qkv.w : tensor<120x40xf32>
  %b = moe.get @qkv.b : tensor<120xf32>
  %ow = moe.get @proj.w : tensor<40x40xf32>
  %ob = moe.get @proj.b : tensor<40xf32>
  %0 = moe.attention %x qkv(%w{bias}) proj(%ow, %ob) heads 2 scale 0.5 queries from 7
      : tensor<36x40xf32>, tensor<120x40xf32>{bias_type}, tensor<40x40xf32>, tensor<40xf32> -> tensor<2x40xf32>
  %1 = moe.slice_tokens %0 from {row} : tensor<2x40xf32> -> tensor<1x40xf32>
  return %1 : tensor<1x40xf32>
}}
}}
"""

SECTION = """
  .section .rodata
  .globl few_w_shared
  .p2align 6
few_w_shared:
  .incbin "{path}"
  .section .note.GNU-stack,"",@progbits
"""


def attention(x, w, b, proj_w, proj_b):
    """In float64, for the rows that ask."""
    q, k, v = np.split(x @ w.T + b, 3, axis=1)
    q = q[FIRST:FIRST + QUERIES]
    size = WIDTH // HEADS
    mixed = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        scores = np.exp(SCALE * q[:, part] @ k[:, part].T)
        mixed.append(scores / scores.sum(axis=1, keepdims=True) @ v[:, part])
    return np.hstack(mixed) @ proj_w.T + proj_b


# Recipes ------------------------------------------------------------------


def in_lanes(array, group, axis):
    """Each group of entries along `axis` padded with zeros to a multiple of 16."""
    if group == 0:
        return array
    array = np.moveaxis(array, axis, -1)
    groups = array.reshape(array.shape[:-1] + (-1, group))
    padding = [(0, 0)] * (groups.ndim - 1) + [(0, -group % 16)]
    padded = np.pad(groups, padding).reshape(array.shape[:-1] + (-1,))
    return np.moveaxis(padded, -1, axis)


def transpose_blocks(matrix, size):
    blocks = matrix.reshape(-1, size, matrix.shape[1])
    return blocks.transpose(0, 2, 1).reshape(-1, size)


def pack_panels(weight, out_group, in_group):
    flat = weight.reshape(len(weight), -1)
    padded = in_lanes(in_lanes(flat, out_group, 0), in_group, 1)
    return padded.reshape(-1, 16, padded.shape[1]).transpose(0, 2, 1)


def evaluate(operation, values, params):
    """The value of one line of a recipe."""
    name = operation.split()[0]
    if name == "moe.get":
        return params[re.search(r"@([\w.]+)", operation).group(1)]
    operand = values[re.search(r"%\w+", operation).group()]
    shape = re.search(r"-> tensor<([\dx]+)xf32>", operation).group(1)
    shape = [int(size) for size in shape.split("x")]
    if name == "moe.slice_rows":
        first = int(re.search(r"from (\d+)", operation).group(1))
        return operand[first:first + shape[0]]
    if name == "moe.transpose_blocks":
        return transpose_blocks(operand, shape[1])
    if name == "moe.pack_panels":
        groups = re.search(r"groups\((\d+), (\d+)\)", operation)
        return pack_panels(operand, int(groups.group(1)), int(groups.group(2)))
    if name == "moe.pad_channels":
        group = int(re.search(r"group (\d+)", operation).group(1))
        return in_lanes(operand, group, -1).reshape(-1, 16)
    raise ValueError(f"no such expression: {operation}")


def section(text, params):
    """The bytes of the weights that the code reads, by their places in `text`."""
    data = bytearray()
    recipes = re.findall(r'moe\.param \S+ : \S+ in "shared" at (\d+) = \{\n(.*?)\n  \}',
                         text, re.DOTALL)
    for offset, recipe in recipes:
        values = {}
        for line in recipe.splitlines()[:-1]:
            result, operation = line.strip().split(" = ")
            values[result] = last = evaluate(operation, values, params)
        contents = np.ascontiguousarray(last, np.float32).tobytes()
        end = int(offset) + len(contents)
        data.extend(bytes(max(0, end - len(data))))
        data[int(offset):end] = contents
    return data


# Code ---------------------------------------------------------------------


def compile_run(module, target, level, params, folder):
    """The compiled function, and how large a workspace it needs."""
    linalg = lowered.pipeline(module, ["moe-opt", "--moe-to-linalg"])
    assert "@qkv.w.key" in linalg, "keys are made after all"
    memory = lowered.pipeline(
        linalg, ["moe-opt", f"--moe-to-vector=cpu={level}", "--moe-bufferize"])
    size = int(re.search(r"func\.func @run\(.*memref<(\d+)xi8>", memory).group(1))
    dialect = lowered.pipeline(memory, ["moe-opt", f"--moe-to-llvm=cpu={level}"])
    # mlir-translate does not know the parameters.
    dialect = re.sub(r"  moe\.param [^\n]*\{\n.*?\n  \}\n", "", dialect, flags=re.DOTALL)
    dialect = re.sub(r"  moe\.param .*\n", "", dialect)
    stem = os.path.join(folder, "few")
    with open(stem + ".bin", "wb") as file:
        file.write(section(linalg, params))
    with open(stem + ".s", "w", encoding="utf-8") as file:
        file.write(SECTION.format(path=stem + ".bin"))
    return lowered.Program(target, level, "run", dialect, stem, [stem + ".s"]), size


def check(target, level, row, with_bias, folder):
    rng = np.random.default_rng(1)
    params = {
        "patch.w": np.eye(WIDTH).reshape(WIDTH, WIDTH, 1, 1),
        "patch.b": np.zeros(WIDTH),
        "qkv.w": rng.standard_normal((3 * WIDTH, WIDTH)) / np.sqrt(WIDTH),
        "qkv.b": rng.standard_normal(3 * WIDTH) * with_bias,
        "proj.w": rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH),
        "proj.b": rng.standard_normal(WIDTH),
    }
    x = rng.standard_normal((TOKENS, WIDTH)).astype(np.float32)
    module = MODULE.format(row=row, bias=", %b" if with_bias else "",
                           bias_type=", tensor<120xf32>" if with_bias else "")
    folder = os.path.join(folder, f"{level}-{row}-{with_bias}")
    os.makedirs(folder)
    run, size = compile_run(module, target, level, params, folder)

    image = np.ascontiguousarray(x.T.reshape(WIDTH, SIDE, SIDE))
    exact = attention(x.astype(np.float64), params["qkv.w"], params["qkv.b"],
                      params["proj.w"], params["proj.b"])[row]
    for found in run(image, WIDTH, size):
        error = np.abs(found - exact).max() / np.abs(exact).max()
        print(f"{level}, query {row}, {'a' if with_bias else 'no'} bias: {error:.2e}")
        assert error < 2e-6


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    harness.add_target_options(parser)
    options = parser.parse_args()
    target = harness.Target(options)
    for level in lowered.levels(target):
        for row, with_bias in ((0, False), (1, False), (1, True)):
            check(target, level, row, with_bias, options.work)


if __name__ == "__main__":
    main()
