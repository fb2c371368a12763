#!/usr/bin/env python3
"""Checks which experts' pages a running binary maps: those of chosen experts.

The binary was just written, so that all of it is in the page cache, where a page
fault can map the neighbours of what is read.

For another --target only the order of the experts is checked, not what is mapped:
qemu does not pass on to the kernel what the binary advises about its pages.

    expert_pages.py --moe-compile build/bin/moe-compile --bench bench --work DIR
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import time

import numpy as np

import harness
import oracle
import random_model

NUM_LAYERS = 2
SPEC = {
    "image_size": 32,
    "patch_size": 8,
    "hidden_size": 64,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 4,
    "num_classes": 10,
    "moe": {"layers": {"last": NUM_LAYERS}, "num_experts": 7},
}
TINY = dict(SPEC, image_size=16, num_channels=1, hidden_size=8, num_attention_heads=2)


def with_experts(spec, number, layers=NUM_LAYERS):
    return dict(spec, moe={"layers": {"last": layers}, "num_experts": number})


CASES = {
    # Experts of one page. What the linker places in front of the weights and
    # behind them is read before main; the numbers of experts are odd and even.
    "page-odd": dict(with_experts(TINY, 7, layers=1), intermediate_size=8),
    "page-even": dict(with_experts(TINY, 8, layers=1), intermediate_size=8),
    "page-two-blocks": dict(TINY, intermediate_size=8),
    # Of less than 64 KiB, of less and of more than 2 MiB.
    "wide48": dict(SPEC, intermediate_size=48),
    "wide600": dict(SPEC, intermediate_size=600),
    "wide600-even": dict(with_experts(SPEC, 6), intermediate_size=600),
    "wide5000": dict(SPEC, intermediate_size=5000),
    # Each of a width of its own, and so with code of its own.
    "unequal": dict(
        SPEC,
        intermediate_size=48,
        moe=dict(
            SPEC["moe"], expert_intermediate_sizes=[48, 600, 16, 900, 300, 601, 5000]
        ),
    ),
}


class Stream:
    """A binary that answers the images of one batch as they come, and waits for
    the next one in between: then its pages hold still."""

    def __init__(self, binary, image, count):
        self.image = image.tobytes()
        self.process = subprocess.Popen(
            [binary, "--format=json", "--tensor", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header,
            {"descr": "<f4", "fortran_order": False, "shape": (count, *image.shape)},
        )
        self.process.stdin.write(header.getvalue())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def answer(self):
        """The experts, as names of sections, that the next image took."""
        self.process.stdin.write(self.image)
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise harness.Failure("the binary ended before its input did")
        return {
            f"blocks.{entry['layer']}.expert.{entry['expert']}"
            for entry in json.loads(line)["experts"]
        }


def check_order(sections):
    """The runtime advises the kernel on all experts as one range."""
    experts = [
        (tuple(map(int, re.findall(r"\d+", name))), place)
        for name, place in sections.items()
        if ".expert." in name
    ]
    experts.sort()
    end = 0
    for name, (address, size) in experts:
        if address < end:
            raise harness.Failure(f"expert {name} is not behind the one before it")
        end = address + size
    first = experts[0][1][0]
    for name, (address, _) in sections.items():
        if ".expert." not in name and first <= address < end:
            raise harness.Failure(f"{name} is between the experts")


def check_sections(experts, binary, spec):
    """Returns the places of the weights, by name."""
    sections = experts.weight_sections(binary)
    model = oracle.parse_spec(spec)
    number = spec["moe"]["num_experts"] * len(model.moe_layers)
    found = sum(".expert." in name for name in sections)
    if found != number:
        raise harness.Failure(f"expected {number} sections of experts, found {found}")
    check_order(sections)
    return sections


def check_pages(experts, binary, spec, sections):
    model = oracle.parse_spec(spec)
    images = random_model.random_images(model, 4, seed=0)
    for image in images:
        with Stream(binary, image, count=100) as stream:
            route = stream.answer()
            if len(route) != len(model.moe_layers):
                raise harness.Failure(f"expected one expert a block, found {route}")
            for later in (False, True):
                if later:
                    time.sleep(0.1)
                    for _ in range(20):
                        if stream.answer() != route:
                            raise harness.Failure("the same image took another route")
                pages = experts.summarize(
                    {
                        name: (
                            experts.resident_pages(stream.process.pid, *place),
                            place[1],
                        )
                        for name, place in sections.items()
                    }
                )["touched"]
                if set(pages) != route:
                    raise harness.Failure(
                        f"{'later' if later else 'at first'}: expected the pages of "
                        f"{sorted(route)}, found {pages}"
                    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--target", help="passed to moe-compile")
    args = parser.parse_args()
    options = [f"--target={args.target}"] if args.target else []
    sys.path.insert(0, args.bench)
    import experts  # pylint: disable=import-outside-toplevel

    failed = False
    for seed, (name, data) in enumerate(CASES.items()):
        spec = random_model.write_model(args.work, data, seed, stem=name)
        binary = os.path.abspath(os.path.join(args.work, name + ".exe"))
        try:
            harness.run([args.moe_compile, spec, "-o", binary, *options])
            sections = check_sections(experts, binary, data)
            if not args.target:
                check_pages(experts, binary, data, sections)
        except harness.Failure as failure:
            failed = True
            print(f"{name}: {failure}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
