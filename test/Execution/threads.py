#!/usr/bin/env python3
"""Compares the logits of one thread with those of several, bit by bit.

    threads.py --moe-compile build/bin/moe-compile --work DIR

The models are large enough that their kernels are shared.
"""

import argparse
import os
import sys

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
    "choice": dict(
        SPEC,
        moe=dict(
            MOE,
            routing="patch",
            capacity_factor=1.0,
            top_k=1,
            router={"type": "expert_choice"},
        ),
    ),
    "soft": dict(
        SPEC, moe=dict(MOE, routing="patch", top_k=1, router={"type": "soft"})
    ),
}


def check(executable, name, images, folder):
    """Whether the CPU variants that there are give the same bits."""
    passed = True
    for variant in executable.info()["cpu_variants"]:
        outcomes = {}
        for threads in (1, 2, 3, 16):
            options = ["--threads", str(threads)]
            outcomes[threads] = executable.infer(images, folder, variant, options)
        if outcomes[1] is None:
            print(f"{variant}: skipped, {executable.cpu} lacks it")
            continue
        alone = outcomes[1][0].tobytes()
        for threads, (logits, _) in outcomes.items():
            if logits.tobytes() != alone:
                passed = False
                print(
                    f"{name}, {variant} on {executable.cpu}: "
                    f"{threads} threads differ from one"
                )
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--work", required=True)
    harness.add_target_options(parser)
    args = parser.parse_args()
    target = harness.Target(args)
    failed = False
    for seed, (name, data) in enumerate(MODELS.items()):
        folder = os.path.join(args.work, name)
        spec = random_model.write_model(folder, data, seed, stem=name)
        images = random_model.random_images(oracle.load_spec(spec), 3, seed)
        binary = os.path.join(folder, name)
        compile_ = [args.moe_compile, spec, *target.options]
        harness.run([*compile_, "-o", binary])
        stage = harness.run([*compile_, "--emit=bufferized", "-o", "-"]).stdout
        if stage.count(b"moe-parallel-step") < 4:
            failed = True
            print(f"{name}: hardly a kernel is shared")
        for executable in target.executables(binary):
            failed |= not check(executable, name, images, folder)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
