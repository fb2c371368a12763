"""The matrix products of Vision Transformers, and MLIR that computes them."""

from __future__ import annotations

import collections
import dataclasses
import math

PANEL = 16
"""Output channels in a panel of a packed weight."""

MODULE = "kernels"

CPUS = {"x86-64": 128, "x86-64-v3": 256, "x86-64-v4": 512}
"""CPU levels and the bits of their vectors."""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """C[m, n] = A[m, k] B[k, n]; `kind` says where A and B come from.

    weight: B is a weight, packed in panels; A are tokens
    image:  as weight, but A are patches read straight from the image
    scores: A are queries, B keys by columns, padded to whole panels
    mixed:  A are scores, padded to whole panels, B values
    """
    kind: str
    m: int
    k: int
    n: int

    @property
    def shape(self) -> str:
        return f"{self.m}x{self.k}x{self.n}"

    @property
    def name(self) -> str:
        return self.shape if self.kind == "weight" else (
            f"{self.kind}_{self.shape}")

    @property
    def panels(self) -> int:
        return math.ceil(self.n / PANEL)

    @property
    def is_weight(self) -> bool:
        return self.kind in ("weight", "image")


@dataclasses.dataclass(frozen=True)
class Model:
    """A Vision Transformer on 224x224 images that reads its class token."""
    layers: int
    width: int
    patch: int

    @property
    def name(self) -> str:
        return f"{self.layers}x{self.width}/{self.patch}"

    @property
    def heads(self) -> int:
        return {384: 6, 192: 3, 96: 3, 64: 2}[self.width]

    def kernels(self) -> dict[Kernel, int]:
        """How often each product is computed in one inference.

        The attention of the last block, with its one query, is left out.
        """
        width, size = self.width, self.width // self.heads
        patches = (224 // self.patch)**2
        tokens = patches + 1
        counts: dict[Kernel, int] = collections.Counter()

        def add(count: int, kind: str, m: int, k: int, n: int) -> None:
            counts[Kernel(kind, m, k, n)] += count

        add(1, "image", patches, 3 * self.patch**2, width)
        whole = self.layers - 1
        add(whole, "weight", tokens, width, 3 * width)
        add(whole * self.heads, "scores", tokens, size, tokens)
        add(whole * self.heads, "mixed", tokens, tokens, size)
        add(whole, "weight", tokens, width, width)
        add(whole, "weight", tokens, width, 4 * width)
        add(whole, "weight", tokens, 4 * width, width)
        # The last block computes one row.
        add(1, "weight", tokens, width, 2 * width)
        add(2, "weight", 1, width, width)
        add(1, "weight", 1, width, 4 * width)
        add(1, "weight", 1, 4 * width, width)
        add(1, "weight", 1, width, 1000)
        return counts


MODELS = [
    Model(layers, width, 32) for width in (384, 192, 96, 64)
    for layers in (12, 9, 6)
] + [Model(12, 192, 16)]


def all_kernels() -> list[Kernel]:
    """Each product of the models once, with patches also as a matrix."""
    found: dict[Kernel, None] = {}
    for model in MODELS:
        for kernel in model.kernels():
            if kernel.kind == "image":
                matrix = dataclasses.replace(kernel, kind="weight")
                found[matrix] = None
            found[kernel] = None
    return list(found)


def _tensor(shape: list[int]) -> str:
    return "x".join(map(str, shape)) + "xf32"


def _a_shape(kernel: Kernel) -> tuple[list[int], str]:
    """Shape and layout of A in memory."""
    if kernel.kind == "image":
        side, patch = math.isqrt(kernel.m), math.isqrt(kernel.k // 3)
        return [3, side * patch, side * patch], ""
    if kernel.kind == "mixed":
        stride = math.ceil(kernel.k / PANEL) * PANEL
        return [kernel.m, kernel.k], f", strided<[{stride}, 1]>"
    return [kernel.m, kernel.k], ""


def _b_shape(kernel: Kernel) -> list[int]:
    if kernel.kind == "image":
        patch = math.isqrt(kernel.k // 3)
        return [kernel.panels, 3, patch, patch, PANEL]
    if kernel.kind == "weight":
        return [kernel.panels, kernel.k, PANEL]
    return [kernel.k, kernel.panels, PANEL]


def _c_shape(kernel: Kernel) -> list[int]:
    if kernel.kind == "image":
        side = math.isqrt(kernel.m)
        return [side, side, kernel.panels, PANEL]
    return [kernel.m, kernel.panels, PANEL]


def _maps(kernel: Kernel) -> str:
    """The indexing maps of A, B and C."""
    if kernel.kind == "image":
        patch = math.isqrt(kernel.k // 3)
        dims = "(y, x, p, c, h, i, j)"
        results = [f"(h, y * {patch} + i, x * {patch} + j)",
                   "(p, h, i, j, c)", "(y, x, p, c)"]
    else:
        dims = "(m, p, c, k)"
        weight = kernel.kind == "weight"
        results = ["(m, k)", "(p, k, c)" if weight else "(k, p, c)",
                   "(m, p, c)"]
    return ", ".join(f"affine_map<{dims} -> {r}>" for r in results)


def _iterators(parallel: int, reduction: int) -> str:
    return ", ".join(['"parallel"'] * parallel + ['"reduction"'] * reduction)


def _weight(kernel: Kernel) -> tuple[str, str]:
    """The declaration of a weight, and how the function gets at it.

    A table of one entry: its address is in memory, where it can be changed.
    """
    packed = _tensor([kernel.panels, kernel.k, PANEL])
    name = kernel.name
    declaration = (
        f'moe.param @"w{name}" : tensor<{packed}> in "{name}" at 0\n'
        f'moe.param_table @"t{name}" [@"w{name}"] : tensor<{packed}>\n')
    get = f"""\
  %w = moe.weights @"t{name}"[%first] : memref<{packed}>
  %packed = bufferization.to_tensor %w restrict
      : memref<{packed}> to tensor<{packed}>
"""
    shape = _tensor(_b_shape(kernel))
    if kernel.kind == "image":
        get += f"""\
  %b = tensor.expand_shape %packed [[0], [1, 2, 3], [4]]
      output_shape {_b_shape(kernel)} : tensor<{packed}> into tensor<{shape}>
"""
        return declaration, get
    return declaration, get.replace("%packed", "%b")


def function(kernel: Kernel, cpu: str) -> str:
    """The MLIR function of a kernel: of A and C, and of B if it is no weight.

    What follows the product is a copy into C's memory, as bias and activation
    would follow it in a model: within the tile.
    """
    a_shape, a_layout = _a_shape(kernel)
    a, b, c = map(_tensor, (a_shape, _b_shape(kernel), _c_shape(kernel)))
    arguments = [f"%am: memref<{a}{a_layout}>", f"%cm: memref<{c}>"]
    declaration = ""
    if kernel.is_weight:
        declaration, get = _weight(kernel)
    else:
        arguments.insert(1, f"%bm: memref<{b}>")
        get = (f"  %b = bufferization.to_tensor %bm restrict\n"
               f"      : memref<{b}> to tensor<{b}>\n")
    rank = len(_c_shape(kernel))
    identity = f"affine_map<({', '.join(f'd{i}' for i in range(rank))}) -> (" \
               f"{', '.join(f'd{i}' for i in range(rank))})>"
    reductions = 3 if kernel.kind == "image" else 1
    bits = CPUS[cpu]
    return f"""\
{declaration}func.func @"matmul_{kernel.name}"({", ".join(arguments)})
    attributes {{passthrough = ["nounwind", "noinline",
      ["target-cpu", "{cpu}"], ["tune-cpu", "{cpu}"],
      ["prefer-vector-width", "{bits}"],
      ["min-legal-vector-width", "{bits}"]]}} {{
  %first = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
{get}\
  %a = bufferization.to_tensor %am restrict
      : memref<{a}{a_layout}> to tensor<{a}>
  %c = bufferization.to_tensor %cm restrict writable
      : memref<{c}> to tensor<{c}>
  %empty = bufferization.alloc_tensor() : tensor<{c}>
  %filled = linalg.fill ins(%zero : f32) outs(%empty : tensor<{c}>)
      -> tensor<{c}>
  %product = linalg.generic {{
      indexing_maps = [{_maps(kernel)}],
      iterator_types = [{_iterators(rank, reductions)}]}}
      ins(%a, %b : tensor<{a}>, tensor<{b}>) outs(%filled : tensor<{c}>) {{
  ^bb0(%x: f32, %y: f32, %s: f32):
    %p = arith.mulf %x, %y : f32
    %q = arith.addf %s, %p : f32
    linalg.yield %q : f32
  }} -> tensor<{c}>
  %result = linalg.generic {{
      indexing_maps = [{identity}, {identity}],
      iterator_types = [{_iterators(rank, 0)}]}}
      ins(%product : tensor<{c}>) outs(%c : tensor<{c}>) {{
  ^bb0(%x: f32, %o: f32):
    linalg.yield %x : f32
  }} -> tensor<{c}>
  bufferization.materialize_in_destination %result in restrict writable %cm
      : (tensor<{c}>, memref<{c}>) -> ()
  return
}}
"""


def module(kernels: list[Kernel], cpu: str) -> str:
    """The MLIR module of all kernels."""
    functions = "".join(function(kernel, cpu) for kernel in kernels)
    return f"module @{MODULE} {{\n{functions}}}\n"


def table(kernels: list[Kernel]) -> str:
    """The list of the kernels as the driver includes it."""
    return "".join(
        f"{'WEIGHT' if k.is_weight else 'PLAIN'}_KERNEL({k.name}, "
        f"Kind::{k.kind.capitalize()}, {k.m}, {k.k}, {k.n})\n"
        for k in kernels)
