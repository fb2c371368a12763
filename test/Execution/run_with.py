#!/usr/bin/env python3
"""Runs models through NAME_run_with with all kinds of options, which must give
NAME_run's bits.

    run_with.py --moe-compile build/bin/moe-compile --work DIR --cc clang

The models are large enough that their kernels are shared.
"""

import argparse
import os
import sys

import numpy as np

import harness
import oracle
import random_model
from threads import MODELS

HERE = os.path.dirname(os.path.abspath(__file__))
INPUTS = os.path.join(HERE, "Inputs")
EXAMPLE = os.path.join(HERE, "..", "..", "examples", "embed-c")
# A kind of output and a precision for each.
CASES = [("patch", "lib", "f32"), ("image", "obj", "int8"), ("choice", "lib", "bf16")]
SUFFIXES = {"lib": ".a", "obj": ".o"}


def build(args, target, folder, name, kind, precision):
    """The program, and the file of its images."""
    spec = random_model.write_model(folder, MODELS[name], 3, stem=name)
    library = os.path.join(folder, name + SUFFIXES[kind])
    harness.run(
        [args.moe_compile, spec, f"--emit={kind}", f"--precision={precision}"]
        + [*target.options, "-o", library]
    )
    program = os.path.join(folder, "run")
    command = [args.cc, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    command += [f'-DHEADER="{name}.h"', f"-DMODEL={name}", "-I" + folder, "-I" + EXAMPLE]
    command += [os.path.join(INPUTS, "run_with.c"), os.path.join(EXAMPLE, "team.c")]
    static = ["-static"] if args.target else []
    harness.run([*command, library, "-pthread", *static, "-o", program])
    images = random_model.random_images(oracle.load_spec(spec), args.images, 5)
    path = os.path.join(folder, "images.raw")
    images.astype(np.float32).tofile(path)
    return program, path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--images", type=int, default=2)
    parser.add_argument("--cases", type=int, default=len(CASES), help="only the first")
    harness.add_target_options(parser)
    args = parser.parse_args()
    target = harness.Target(args)
    for name, kind, precision in CASES[: args.cases]:
        folder = os.path.join(args.work, f"{name}-{precision}")
        program, images = build(args, target, folder, name, kind, precision)
        for runner in target.runners:
            calls = int(harness.run([*runner, program, images]).stdout)
            print(f"{name}, {precision}, {' '.join(runner)}: {calls} pieces are shared")
            if calls < 4:
                raise harness.Failure(f"{name}: hardly a kernel is shared")


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")
