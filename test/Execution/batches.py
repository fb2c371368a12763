#!/usr/bin/env python3
"""Compares the answers of batches and threads with those of images one by one, bit
by bit, and looks at the order in which a batch's experts are read.

    batches.py --moe-compile build/bin/moe-compile --work DIR

Models are random ones whose experts are the whole image's.
"""

import argparse
import ctypes
import itertools
import json
import os
import struct
import sys

import numpy as np

import harness
import oracle
import random_model
import random_specs

IMAGES = 37
IN_OPEN = 0x20


def random_routed_spec(rng):
    while True:
        data, dtype = random_specs.random_spec(rng, "image")
        if "moe" in data and data["moe"]["num_experts"] > 2:
            return data, dtype


class OpenedFiles:
    """Which files of a folder are opened, in order."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init()
        watch = libc.inotify_add_watch(self.descriptor, os.fsencode(folder), IN_OPEN)
        if self.descriptor < 0 or watch < 0:
            raise OSError(ctypes.get_errno(), "inotify")
        os.set_blocking(self.descriptor, False)

    def read(self):
        names, at = [], 0
        try:
            data = os.read(self.descriptor, 1 << 20)
        except BlockingIOError:
            return names
        while at < len(data):
            length = struct.unpack_from("iIII", data, at)[3]
            name = data[at + 16 : at + 16 + length].rstrip(b"\0").decode()
            at += 16 + length
            if name:  # else the folder itself
                names.append(name)
        return names

    def close(self):
        os.close(self.descriptor)


def answers_of(done):
    """What must be the same: all but the time."""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    for answer in answers:
        del answer["milliseconds"]
    return answers


def check_model(args, target, index):
    """Returns how many routes the images take, and whether they were seen to be
    grouped by them."""
    rng = np.random.default_rng([args.seed, index])
    data, dtype = random_routed_spec(rng)
    precision = ("f32", "int8", "bf16")[index % 3]
    label = f"{index}: {random_specs.describe(data, dtype)} {precision}"
    folder = os.path.join(args.work, str(index))
    dtype = random_specs.weight_dtype(dtype)
    spec = random_model.write_model(folder, data, index, dtype)
    binary = os.path.join(folder, "model.out")
    command = [args.moe_compile, spec, "-o", binary, f"--precision={precision}"]
    # Either a build whose experts are inside, or one that says which it reads.
    are_files = index % 2 == 1
    command += ["--experts=file:experts"] if are_files else []
    harness.run([*command, *target.options])
    images = os.path.join(folder, "images.npy")
    np.save(images, random_model.random_images(oracle.load_spec(spec), IMAGES, index))
    logits = os.path.join(folder, "logits.npy")
    routes, grouped = set(), False
    for executable in target.executables(binary):
        wanted = None
        for batch, threads in itertools.product(args.batches, args.threads):
            options = [f"--batch={batch}", f"--threads={threads}"]
            arguments = ["--tensor", images, "--format=json", "--logits", logits]
            opened = OpenedFiles(os.path.join(folder, "experts")) if are_files else None
            found = answers_of(executable.run([*arguments, *options]))
            with open(logits, "rb") as file:
                found = (found, file.read())
            wanted = wanted or found
            if found[0] != wanted[0]:
                raise harness.Failure(f"{label}: {options}: other answers")
            if found[1] != wanted[1]:
                raise harness.Failure(f"{label}: {options}: other bits")
            if opened and threads == 1:
                grouped |= check_order(opened, found[0], batch, f"{label}: {options}")
            if opened:
                opened.close()
        for answer in wanted[0]:
            routes.add(tuple((e["layer"], e["expert"]) for e in answer["experts"]))
    print(f"{label}: {len(routes)} routes{', grouped' if grouped else ''}", flush=True)
    return len(routes), grouped


def first_uses(routes, layer):
    """The experts of a block, in the order in which `routes` first take them."""
    found = []
    for route in routes:
        found += [e for at, e in route if at == layer and e not in found]
    return found


def check_order(opened, answers, batch, label):
    """Whether each batch's images were run in the order of their first block's
    experts, as far as that is to be seen; else they must have been in their own."""
    routes = [[(e["layer"], e["expert"]) for e in answer["experts"]] for answer in answers]
    layer = routes[0][0][0]
    key = lambda route: [expert for at, expert in route if at == layer]
    grouped = []
    for begin in range(0, IMAGES, batch):
        grouped += sorted(routes[begin : begin + batch], key=key)
    found = []
    for name in opened.read():
        fields = name.split(".")  # NAME.blocks.I.expert.E.bin
        found.append((int(fields[-4]), int(fields[-2])))
    if set(found) != {expert for route in routes for expert in route}:
        raise harness.Failure(f"{label}: opened {found}, of routes {routes}")
    found = [expert for at, expert in found if at == layer]
    orders = [first_uses(order, layer) for order in (grouped, routes)]
    if found not in orders:
        raise harness.Failure(f"{label}: expected one of {orders}, found {found}")
    return orders[0] != orders[1] and found == orders[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--batches", type=int, nargs="*", default=(1, 2, 5, 32))
    parser.add_argument("--threads", type=int, nargs="*", default=(1, 2, 3))
    harness.add_target_options(parser)
    args = parser.parse_args()
    target = harness.Target(args)
    results = [check_model(args, target, index) for index in range(args.count)]
    if max(routes for routes, _ in results) < 3:
        raise harness.Failure("hardly an image takes another route")
    # A tiny model may have values in registers where it would have to pause.
    if not any(grouped for _, grouped in results):
        raise harness.Failure("no batch was grouped by its experts")


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")
