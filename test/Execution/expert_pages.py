#!/usr/bin/env python3
"""Checks which experts' pages a running binary maps: those of chosen experts.

The binary was just written, so that all of it is in the page cache, where a page
fault can map the neighbours of what is read.

    expert_pages.py --moe-compile build/bin/moe-compile --bench bench --work DIR
"""

import argparse
import os
import subprocess
import sys
import time

import harness
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
# Experts of less than 64 KiB, of less and of more than 2 MiB.
INTERMEDIATE_SIZES = (48, 600, 5000)


def mapped_experts(experts, binary):
    """Section -> (resident pages, all pages) of the experts that are mapped, as
    soon as there is one for each block."""
    sections = experts.weight_sections(binary)
    command = [binary, "--benchmark", "10000000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            end = time.monotonic() + 60
            while True:
                found = experts.summarize(
                    {
                        name: (experts.resident_pages(process.pid, *place), place[1])
                        for name, place in sections.items()
                    }
                )
                if len(found["touched"]) >= NUM_LAYERS or time.monotonic() > end:
                    return found
                time.sleep(0.05)
        finally:
            process.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--work", required=True)
    args = parser.parse_args()
    sys.path.insert(0, args.bench)
    import experts  # pylint: disable=import-outside-toplevel

    failed = False
    for seed, size in enumerate(INTERMEDIATE_SIZES):
        data = dict(SPEC, intermediate_size=size)
        spec = random_model.write_model(args.work, data, seed, stem=f"wide{size}")
        binary = os.path.abspath(os.path.join(args.work, f"wide{size}.exe"))
        harness.run([args.moe_compile, spec, "-o", binary])
        found = mapped_experts(experts, binary)
        if found["experts"] != NUM_LAYERS * SPEC["moe"]["num_experts"]:
            failed = True
            print(f"width {size}: not all experts have a section: {found}")
        if len(found["touched"]) != NUM_LAYERS:
            failed = True
            print(f"width {size}: expected {NUM_LAYERS} experts, found {found}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
