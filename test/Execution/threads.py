#!/usr/bin/env python3
"""Compares the logits of one thread with those of several, bit by bit.

    threads.py --moe-compile build/bin/moe-compile --work DIR

The models are large enough that their kernels are shared.
"""

import argparse
import json
import os
import subprocess
import sys

import numpy as np

import harness
import oracle
import random_model

SPEC = {
    "image_size": [40, 56],
    "patch_size": 8,
    "hidden_size": 176,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 600,
    "num_classes": 70,
}
MOE = {"layers": {"last": 2}, "num_experts": 3, "top_k": 2}
MODELS = {
    "dense": SPEC,
    "image": dict(SPEC, moe=MOE),
    "patch": dict(SPEC, moe=dict(MOE, routing="patch", capacity_factor=1.0)),
}


def infer(binary, images, folder, variant, threads):
    output = os.path.join(folder, f"{variant}-{threads}.npy")
    options = ["--cpu-variant", variant, "--threads", str(threads)]
    harness.run([binary, "--tensor", images, "--logits", output, *options])
    return np.load(output)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--work", required=True)
    args = parser.parse_args()
    failed = False
    for seed, (name, data) in enumerate(MODELS.items()):
        folder = os.path.join(args.work, name)
        spec = random_model.write_model(folder, data, seed, stem=name)
        images = os.path.join(folder, "images.npy")
        np.save(images, random_model.random_images(oracle.load_spec(spec), 3, seed))
        binary = os.path.abspath(os.path.join(folder, name))
        harness.run([args.moe_compile, spec, "-o", binary])
        stage = [args.moe_compile, spec, "--emit=bufferized", "-o", "-"]
        if subprocess.check_output(stage, text=True).count("moe-parallel-step") < 4:
            failed = True
            print(f"{name}: hardly a kernel is shared")
        info = json.loads(subprocess.check_output([binary, "--info"]))
        for variant in info["cpu_variants"]:
            try:
                alone = infer(binary, images, folder, variant, 1)
            except harness.Failure:
                print(f"{variant}: skipped, this CPU lacks it")
                continue
            for threads in (2, 3, 16):
                shared = infer(binary, images, folder, variant, threads)
                if shared.tobytes() != alone.tobytes():
                    failed = True
                    print(f"{name}, {variant}: {threads} threads differ from one")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
