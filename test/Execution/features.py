#!/usr/bin/env python3
"""What a binary without a head prints, and what its header says.

    features.py --moe-compile build/bin/moe-compile --work DIR
"""

import json
import os

import harness
import numpy as np
import oracle
import random_model
import random_specs

WIDTH = random_specs.BASE["hidden_size"]


def run(binary, *arguments):
    return harness.run([binary, *arguments]).stdout.decode()


def check_prints(binary, image, folder):
    file = os.path.join(folder, "features.npy")
    first, second = run(binary, image).splitlines()
    assert first.startswith(image + ": ") and first.endswith(" ms"), first
    assert second == f"  {WIDTH} features (--logits FILE.npy writes them)", second
    assert run(binary, image, "--logits", file).splitlines()[1:] == [
        f"  {WIDTH} features"
    ]
    assert np.load(file).shape == (1, WIDTH)
    assert json.loads(run(binary, "--format=json", image))["top"] == []
    info = json.loads(run(binary, "--info"))
    assert (info["output"], info["outputs"]) == ("features", WIDTH), info


def main():
    args, target = harness.parse_arguments(__doc__)
    data = dict(random_specs.BASE, head="none", pool="max", name="embed")
    del data["num_classes"]
    path = random_model.write_model(args.work, data, 1)
    image = os.path.join(args.work, "image.ppm")
    with open(image, "wb") as file:
        file.write(b"P6 2 1 255\n" + bytes([0, 80, 160, 255, 40, 9]))
    tensor = os.path.join(args.work, "x.npy")
    inputs = random_model.random_images(oracle.load_spec(path), 2, 1)
    inputs[1, 0, 0, 0] = np.nan
    np.save(tensor, inputs)

    binary = os.path.join(args.work, "model.out")
    for options in ([], ["--precision=int8", "--calibrate", image]):
        harness.run([args.moe_compile, path, "-o", binary, *options])
        check_prints(binary, image, args.work)
    # A NaN is the largest.
    harness.run([args.moe_compile, path, "-o", binary])
    found = os.path.join(args.work, "found.npy")
    run(binary, "--tensor", tensor, "--logits", found)
    features = np.load(found)
    assert np.isfinite(features[0]).all() and np.isnan(features[1]).all(), features

    harness.run([args.moe_compile, path, "--emit=obj", "-o", binary + ".o"])
    with open(binary + ".h", encoding="utf-8") as file:
        header = file.read()
    assert f"#define embed_CLASSES {WIDTH}\n" in header, header
    assert "Computes an image's features" in header, header
    # A report by layer has neither a head nor a class that comes first.
    np.save(tensor, inputs[:1])
    command = [args.moe_compile, path, "--precision=bf16"]
    report = run(*command, "--report-precision", tensor)
    assert "blocks.1.mlp" in report and "head" not in report, report
    assert "top-1" not in report and " of " not in report, report


if __name__ == "__main__":
    main()
