#!/usr/bin/env python3
"""The AMX variants of some models, run on a CPU that need not have AMX.

Inputs/amx_run.c does the AMX instructions in software. In int8 the logits must
be those of the VNNI variant to the bit, since integers do not round; in bf16
they must be as close to the oracle's as the contract says.

    amx.py --moe-compile build/bin/moe-compile --cc cc --work DIR
"""

import argparse
import os
import re
import shutil
import sys

import numpy as np

import harness
import oracle
import random_model
from random_specs import row

# Wide enough for tile registers: more than two panels, eight tokens or more.
SPECS = [
    # 10 tokens in one tile; steps of 12 words in int8, 8 in bf16.
    row(hidden_size=48, intermediate_size=96),
    # 26 tokens: two tiles that overlap by none; an odd number of panels.
    row(image_size=20, hidden_size=80, num_attention_heads=5, intermediate_size=50),
    # 50 tokens: four tiles of 13, the last one begins in the one before it.
    row(image_size=28, hidden_size=64, num_attention_heads=4, intermediate_size=256),
    # 101 tokens: blocks in a loop. Channels that are no multiple of 16.
    row(image_size=40, hidden_size=100, num_attention_heads=5, intermediate_size=129),
    # Experts.
    row(
        image_size=28,
        hidden_size=96,
        intermediate_size=192,
        pool="mean",
        moe={"top_k": 2},
    ),
    row(
        image_size=24,
        hidden_size=72,
        moe={"routing": "patch", "layers": {"last": 1}},
    ),
]


def variants(args, folder, spec, precision, names):
    """A function for each variant that gives the logits of images."""
    run = lambda *command: harness.run([str(part) for part in command])
    stem = os.path.join(folder, "model")
    run(args.moe_compile, spec, f"--precision={precision}", "--emit=obj",
        "--cpu", ",".join(names), "-o", stem + ".o")
    with open(stem + ".h") as file:
        model = re.search(r"#ifndef MOE_MODEL_(\w+)_H", file.read()).group(1)
    symbols = {n: f"{model}_run_" + re.sub(r"\W", "_", n) for n in names}
    run(args.objcopy, *(f"--globalize-symbol={s}" for s in symbols.values()),
        stem + ".o", stem + "_all.o")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "Inputs", "amx_run.c")

    def runner(name):
        binary = os.path.join(folder, re.sub(r"\W", "_", name))
        run(args.cc, "-O1", "-I", folder, '-DHEADER="model.h"', f"-DMODEL={model}",
            f"-DRUN={symbols[name]}", source, stem + "_all.o", "-o", binary)

        def infer(images):
            images.astype(np.float32).tofile(stem + ".in")
            said = run(binary, stem + ".in", stem + ".out").stdout.decode()
            if name.endswith("amx") and said.startswith("0 "):
                raise harness.Failure("no AMX instruction was run")
            return np.fromfile(stem + ".out", np.float32).reshape(len(images), -1)

        return infer

    return {name: runner(name) for name in names}


def check(args, index, data):
    folder = os.path.join(args.work, f"spec{index}")
    spec = random_model.write_model(folder, data, 77 + index, "f32", f"m{index}")
    model = oracle.Model.load(spec)
    images = random_model.random_images(model.spec, 2, index)
    expected = np.array([model.run(image).logits for image in images])
    scale = max(1, np.abs(expected).max())

    by_name = variants(args, folder, spec, "bf16", ["x86-64-v4+amx", "x86-64-v4+bf16"])
    errors = {n: np.abs(f(images) - expected).max() / scale for n, f in by_name.items()}
    for name, error in errors.items():
        if not error <= harness.TOLERANCE["bf16"]:
            raise harness.Failure(f"bf16, {name}: logits differ by {error:.3g}")

    by_name = variants(args, folder, spec, "int8", ["x86-64-v4+amx", "x86-64-v4+vnni"])
    amx, vnni = (f(images) for f in by_name.values())
    if amx.tobytes() != vnni.tobytes():
        raise harness.Failure(f"int8: AMX and VNNI differ by {np.abs(amx - vnni).max()}")
    shutil.rmtree(folder)
    return errors["x86-64-v4+amx"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--objcopy", default="llvm-objcopy-22")
    parser.add_argument("--work", required=True)
    args = parser.parse_args()
    with open("/proc/cpuinfo") as file:
        flags = set(file.read().split())
    if missing := {"avx512_bf16", "avx512_vnni"} - flags:
        print(f"skipped: this CPU lacks {', '.join(sorted(missing))}")
        return 0
    for index, data in enumerate(SPECS):
        print(f"{index}: {check(args, index, data[0]):.2e}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
