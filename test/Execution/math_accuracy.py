#!/usr/bin/env python3
"""Runs the polynomials of --moe-expand-math on many numbers.

    math_accuracy.py --work DIR

Compiles each function for each CPU level that this machine, or each emulated CPU,
has and compares with float64, in units in the last place of the exact result.
"""

import argparse
import math
import os

import numpy as np

import harness
import lowered

MODULE = """
func.func @apply(%x: memref<{count}x16xf32>, %y: memref<{count}x16xf32>,
                 %unused: memref<0xi8>) -> i32 {{
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %count = arith.constant {count} : index
  scf.for %i = %zero to %count step %one {{
    %v = vector.load %x[%i, %zero] : memref<{count}x16xf32>, vector<16xf32>
{body}
    vector.store %f, %y[%i, %zero] : memref<{count}x16xf32>, vector<16xf32>
  }}
  %status = arith.constant 0 : i32
  return %status : i32
}}
"""

CALL = "    %f = math.{function} %v : vector<16xf32>"

# As the lowering of moe.mlp writes it.
GELU = """
    %h = arith.constant dense<0.5> : vector<16xf32>
    %u = arith.constant dense<1.0> : vector<16xf32>
    %c = arith.constant dense<0.70710678118654752> : vector<16xf32>
    %half = arith.mulf %v, %h : vector<16xf32>
    %s = arith.mulf %v, %c : vector<16xf32>
    %e = math.erf %s : vector<16xf32>
    %p = arith.addf %u, %e : vector<16xf32>
    %f = arith.mulf %half, %p : vector<16xf32>"""

INFINITY = float("inf")


def erf(x):
    return np.array([math.erf(value) for value in x])


def gelu(x):
    # erfc, since 1 + erf cancels in float64 too.
    tail = [math.erfc(-value * math.sqrt(0.5)) for value in x]
    return 0.5 * x * np.array(tail)


def size_of_result(x, y):
    return np.abs(y)


def size_of_half(x, y):
    """Of GELU, whose error for negative arguments is that of x/2 (1 + erf)."""
    return np.maximum(np.abs(x) / 2, np.abs(y))


# Name: float64 function, range, greatest error in units in the last place, pairs
# of special arguments and results, and of which number the units are.
FUNCTIONS = {
    "exp": (np.exp, (-86.5, 88.7), 2.0,
            [(-INFINITY, 0), (-100, 0), (0, 1), (INFINITY, INFINITY)],
            size_of_result),
    "erf": (erf, (-6, 6), 5.0,
            [(-INFINITY, -1), (-1e30, -1), (-4, -1), (0, 0), (4, 1),
             (INFINITY, 1)], size_of_result),
    "gelu": (gelu, (-8, 8), 5.0,
             [(-1e30, 0), (-100, 0), (-8, 0), (0, 0), (8, 8), (1e30, 1e30),
              (INFINITY, INFINITY)], size_of_half),
    "tanh": (np.tanh, (-12, 12), 2.5,
             [(-INFINITY, -1), (-30, -1), (0, 0), (30, 1), (INFINITY, 1)],
             size_of_result),
    "rsqrt": (lambda x: 1 / np.sqrt(x), (1e-30, 1e30), 1.5,
              [(0, INFINITY), (INFINITY, 0), (1, 1)], size_of_result),
}


def arguments(low, high):
    """float32: evenly spaced, and of every magnitude down to 1e-30."""
    even = np.linspace(low, high, 200001)
    limit = max(abs(low), abs(high))
    small = np.logspace(-30, math.log10(limit), 50000)
    both = np.concatenate([even, small, -small]).astype(np.float32)
    return both[(both >= low) & (both <= high)]


def compile_function(function, target, level, count, folder):
    """The compiled loop over [count, 16] floats."""
    body = GELU if function == "gelu" else CALL.format(function=function)
    module = MODULE.format(body=body, count=count)
    dialect = lowered.pipeline(module, ["moe-opt", f"--moe-to-llvm=cpu={level}"])
    stem = os.path.join(folder, f"{function}-{level}")
    return lowered.Program(target, level, "apply", dialect, stem)


def apply(compiled, x, count):
    """The results on each CPU."""
    padded = np.zeros((count, 16), np.float32)
    padded.reshape(-1)[:len(x)] = x
    for y in compiled(padded, padded.shape):
        yield y.reshape(-1)[:len(x)]


def check(function, target, level, folder):
    exact, (low, high), limit, special, size = FUNCTIONS[function]
    x = arguments(low, high)
    count = -(-(len(x) + 16) // 16)
    compiled = compile_function(function, target, level, count, folder)

    reference = exact(x.astype(np.float64))
    unit = np.spacing(size(x, reference).astype(np.float32)).astype(np.float64)
    for y in apply(compiled, x, count):
        error = np.abs(y.astype(np.float64) - reference) / unit
        worst = int(np.argmax(error))
        print(f"{function} on {level}: {error[worst]:.2f} units at {x[worst]!r}")
        assert error[worst] <= limit, (y[worst], reference[worst])

    given = np.array([pair[0] for pair in special] + [np.nan], np.float32)
    expected = np.array([pair[1] for pair in special] + [np.nan], np.float32)
    for found in apply(compiled, given, count):
        assert np.array_equal(found, expected, equal_nan=True), (given, found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    harness.add_target_options(parser)
    options = parser.parse_args()
    target = harness.Target(options)
    os.makedirs(options.work, exist_ok=True)
    for level in lowered.levels(target):
        for function in FUNCTIONS:
            check(function, target, level, options.work)


if __name__ == "__main__":
    main()
