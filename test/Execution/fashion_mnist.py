#!/usr/bin/env python3
"""Compiles the example's models and classifies its sample images.

The logits, the answers and the experts must be PyTorch's, which
make_samples.py wrote into samples/expected.json, on every CPU variant that this
machine, or each emulated CPU, has.

    fashion_mnist.py --moe-compile build/bin/moe-compile --example DIR --work DIR
"""

import argparse
import json
import os
import sys

import numpy as np

import harness


def check_model(executable, samples, expected, variant, work):
    """Returns the largest logit error, or None if the variant cannot run."""
    names = sorted(expected)
    files = [os.path.join(samples, name) for name in names]
    target = os.path.join(work, "logits.npy")
    done = executable.run(["--format=json", "--logits", target, *files], variant)
    if done is None:
        return None
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    logits = np.load(target)
    if len(answers) != len(files) or len(logits) != len(files):
        raise harness.Failure(f"expected {len(files)} answers, found {len(answers)}")
    worst = 0.0
    for name, file, answer, row in zip(names, files, answers, logits):
        wanted = np.array(expected[name]["logits"])
        error = np.abs(row - wanted).max() / max(1, np.abs(wanted).max())
        worst = max(worst, error)
        experts = {str(e["layer"]): e["expert"] for e in answer["experts"]}
        if answer["input"] != file:
            raise harness.Failure(f"expected {file}, found {answer['input']}")
        if experts != expected[name]["experts"]:
            raise harness.Failure(
                f"{name}: expected experts {expected[name]['experts']}, found {experts}"
            )
        if not error <= harness.TOLERANCE["f32"]:
            raise harness.Failure(f"{name}: logits differ by {error:.3g}")
        if answer["top"][0]["class"] != wanted.argmax():
            raise harness.Failure(
                f"{name}: expected class {wanted.argmax()}, found {answer['top'][0]}"
            )
        harness.check_answer(answer, row)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--example", required=True)
    parser.add_argument("--work", required=True)
    harness.add_target_options(parser)
    args = parser.parse_args()
    target = harness.Target(args)
    os.makedirs(args.work, exist_ok=True)
    samples = os.path.join(args.example, "samples")
    with open(os.path.join(samples, "expected.json")) as file:
        expected = json.load(file)
    for name, answers in expected.items():
        binary = os.path.join(args.work, name)
        spec = os.path.join(args.example, name + ".json")
        harness.run([args.moe_compile, spec, "-o", binary, *target.options])
        for executable in target.executables(binary):
            cpu, checked = executable.cpu, 0
            for variant in executable.info()["cpu_variants"]:
                error = check_model(executable, samples, answers, variant, args.work)
                if error is None:
                    print(f"{name}: skipped {variant}, which {cpu} cannot run")
                    continue
                checked += 1
                print(
                    f"{name}: {variant} on {cpu}: {len(answers)} images, "
                    f"error {error:.2g}"
                )
            if not checked:
                raise harness.Failure(f"{name}: no variant ran on {cpu}")


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")
