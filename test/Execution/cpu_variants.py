#!/usr/bin/env python3
"""Checks which CPU variant binaries take by themselves, on emulated CPUs.

    cpu_variants.py --moe-compile build/bin/moe-compile --work DIR \\
        --target TRIPLE --runner "qemu-aarch64 -cpu CPU"...

A variant that the CPU lacks is refused with exit code 2.
"""

import os
import sys

import harness
import oracle
import random_model
import random_specs

PLAIN, DOT, ALL = "armv8-a", "armv8-a+dotprod", "armv8.6-a"
# Precision: the variants of a binary, and which of them each CPU takes.
BINARIES = {
    "f32": ([PLAIN], {"cortex-a57": PLAIN, "cortex-a76": PLAIN, "max": PLAIN}),
    "bf16": ([ALL, PLAIN], {"cortex-a57": PLAIN, "cortex-a76": PLAIN, "max": ALL}),
    "int8": ([ALL, DOT, PLAIN], {"cortex-a57": PLAIN, "cortex-a76": DOT, "max": ALL}),
}


def check(executable, precision, images, folder):
    variants, taken = BINARIES[precision]
    info = executable.info()
    expected = variants, taken[executable.cpu]
    found = info["cpu_variants"], info["cpu_variant"]
    print(f"{precision} on {executable.cpu}: {found}")
    if found != expected:
        raise harness.Failure(f"expected {expected}")
    for variant in variants:
        outcome = executable.infer(images, folder, variant)
        # The variants are in order, and each CPU can run all behind its own.
        runs = variants.index(variant) >= variants.index(info["cpu_variant"])
        if (outcome is not None) != runs:
            raise harness.Failure(f"{variant}: {'refused' if runs else 'run'}")


def main():
    args, target = harness.parse_arguments(__doc__)
    spec = random_model.write_model(args.work, random_specs.BASE, 0)
    images = random_model.random_images(oracle.load_spec(spec), 2, 0)
    for precision in BINARIES:
        binary = os.path.join(args.work, precision)
        options = [*target.options, f"--precision={precision}"]
        harness.run([args.moe_compile, spec, "-o", binary, *options])
        for executable in target.executables(binary):
            check(executable, precision, images, args.work)


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")
