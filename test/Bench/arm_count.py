#!/usr/bin/env python3
"""Counts what a model of 32x32 pixels in int8 executes on a CPU with dot products.

    arm_count.py --moe-compile build/bin/moe-compile --spec SPEC.json --work DIR
"""

import argparse
import os
import sys

import numpy as np

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench")
sys.path.insert(0, os.path.join(BENCH, "arm"))
import emulator  # noqa: E402
import loops  # noqa: E402
import programs  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True, metavar="PATH")
    parser.add_argument("--spec", required=True)
    parser.add_argument("--work", required=True, metavar="DIR")
    args = parser.parse_args()
    image = os.path.join(args.work, "image.npy")
    values = np.random.default_rng(1).standard_normal((3, 32, 32))
    np.save(image, values.astype(np.float32))
    machine = emulator.Emulator("cortex-a76", args.work)

    binary = programs.Binary(args.moe_compile, args.spec, "int8", machine)
    expected, instructions, kinds = binary.per_inference(image)
    assert sorted(k for k, n in kinds.items() if n) == ["dot", "fmla"], kinds
    # Four multiply-adds to an instruction, sixteen to one of int8's. Padding and
    # polynomials add some.
    done = 4 * kinds["fmla"] + 16 * kinds["dot"]
    needed = binary.info["multiply_adds"]
    assert needed <= done <= 2 * needed, (needed, done)

    variant = binary.info["cpu_variant"]
    ours = programs.Object(args.moe_compile, args.spec, "int8", variant, args.work)
    logits, counts = machine.per_inference(ours.program, image)
    assert np.abs(logits - expected).max() < 1e-5, (logits, expected)
    assert abs(counts.instructions / instructions - 1) < 0.1, counts.instructions

    # Each loop was executed, by the addresses of the assembly.
    assembly = ours.emit("asm")
    found = loops.find(assembly)
    times = loops.executed(found, ours, assembly, counts)
    inside = sum(len(loop.multiply_adds) * n for loop, n in zip(found, times))
    assert 0.3 * counts.multiply_adds < inside <= counts.multiply_adds, inside


if __name__ == "__main__":
    main()
