#!/usr/bin/env python3
"""Runs the polynomials of --moe-expand-math on many numbers.

    math_accuracy.py --work DIR

Compiles each function for each CPU level that this machine has and compares
with float64, in units in the last place of the exact result.
"""

import argparse
import ctypes
import math
import os
import subprocess

import numpy as np

MODULE = """
func.func @apply(%x: memref<{count}x16xf32>, %y: memref<{count}x16xf32>) {{
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %count = arith.constant {count} : index
  scf.for %i = %zero to %count step %one {{
    %v = vector.load %x[%i, %zero] : memref<{count}x16xf32>, vector<16xf32>
{body}
    vector.store %f, %y[%i, %zero] : memref<{count}x16xf32>, vector<16xf32>
  }}
  return
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

# What Linux calls the last feature of a level.
LEVELS = {"x86-64": "sse2", "x86-64-v3": "fma", "x86-64-v4": "avx512dq"}

INFINITY = float("inf")


def levels_here():
    """The levels that this machine has; says which it lacks."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        features = set(file.read().split())
    for level, feature in LEVELS.items():
        if feature in features:
            yield level
        else:
            print(f"{level}: skipped, this CPU lacks it")


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


def compile_function(function, level, count, folder):
    """The compiled loop over [count, 16] floats, as a ctypes function."""
    stem = os.path.join(folder, f"{function}-{level}")
    with open(stem + ".mlir", "w", encoding="utf-8") as file:
        body = GELU if function == "gelu" else CALL.format(function=function)
        file.write(MODULE.format(body=body, count=count))
    dialect = subprocess.run(
        ["moe-opt", stem + ".mlir", f"--moe-to-llvm=cpu={level}"],
        check=True, capture_output=True).stdout
    with open(stem + ".ll", "wb") as file:
        subprocess.run(["mlir-translate", "--mlir-to-llvmir"], check=True,
                       input=dialect, stdout=file)
    subprocess.run(["clang", "-O2", "-fPIC", "-shared", "-nostdlib",
                    "-Wno-override-module", "-march=" + level, stem + ".ll",
                    "-o", stem + ".so"], check=True)
    return ctypes.CDLL(stem + ".so").apply


def apply(compiled, x, count):
    padded = np.zeros((count, 16), np.float32)
    padded.reshape(-1)[:len(x)] = x
    y = np.empty_like(padded)
    compiled(ctypes.c_void_p(padded.ctypes.data), ctypes.c_void_p(y.ctypes.data))
    return y.reshape(-1)[:len(x)]


def check(function, level, folder):
    exact, (low, high), limit, special, size = FUNCTIONS[function]
    x = arguments(low, high)
    count = -(-(len(x) + 16) // 16)
    compiled = compile_function(function, level, count, folder)

    y = apply(compiled, x, count).astype(np.float64)
    reference = exact(x.astype(np.float64))
    unit = np.spacing(size(x, reference).astype(np.float32)).astype(np.float64)
    error = np.abs(y - reference) / unit
    worst = int(np.argmax(error))
    print(f"{function} on {level}: {error[worst]:.2f} units at {x[worst]!r}")
    assert error[worst] <= limit, (y[worst], reference[worst])

    given = np.array([pair[0] for pair in special] + [np.nan], np.float32)
    expected = np.array([pair[1] for pair in special] + [np.nan], np.float32)
    found = apply(compiled, given, count)
    assert np.array_equal(found, expected, equal_nan=True), (given, found)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    for level in levels_here():
        for function in FUNCTIONS:
            check(function, level, options.work)


if __name__ == "__main__":
    main()
