#!/usr/bin/env python3
"""Calibrates models, runs them, and reads the report of the loss by layer.

    calibrate.py --moe-compile build/bin/moe-compile --example DIR --work DIR

Constant scales come from the files, the same for each target; logits are near
f32's if the files are like what comes later, and are not if they are not. An
input that cannot be used is one line on stderr and exit code 1, and leaves no
file behind.

For another --target, only what its binaries compute is checked: calibration and
the report run on this machine whatever the target is.
"""

import argparse
import glob
import os
import re
import sys

import numpy as np

import harness
import oracle
import random_model
import random_specs

BASE = dict(random_specs.BASE, moe=random_specs.MOE)
LAYERS = ["patch_embed", "blocks.0.attn.qkv", "blocks.0.attn.proj"]
LAYERS += ["blocks.0.mlp", "blocks.1.attn.qkv", "blocks.1.attn.proj"]
LAYERS += ["blocks.1.moe", "head", "all, as specified"]
HEADING = re.compile(r"int8 in +difference +cosine +other top-1")
LINE = re.compile(r"(\S.*?) +(\d\.\d\de[+-]\d\d) +(\d\.\d{6}) +(\d+) of (\d+)")


class Compiler:
    def __init__(self, path, work, target):
        self.path, self.work, self.target = path, work, target
        self.tmp = os.path.join(work, "tmp")
        os.makedirs(self.tmp)

    def run(self, arguments, expect=0):
        done = harness.run(
            [self.path, *arguments],
            expect=(expect,),
            env=dict(os.environ, TMPDIR=self.tmp),
        )
        if os.listdir(self.tmp):
            raise harness.Failure(f"{arguments}: left {os.listdir(self.tmp)}")
        return done.stdout.decode(), done.stderr.decode()

    def binary(self, name, spec, *options):
        """For this machine."""
        path = os.path.join(self.work, name)
        self.run([spec, "--cpu=native", "-o", path, *options])
        return path

    def executables(self, name, spec, *options):
        """A binary for the target, on each CPU."""
        if self.target.options:
            path = os.path.join(self.work, name)
            self.run([spec, *self.target.options, "-o", path, *options])
        else:
            path = self.binary(name, spec, *options)
        return self.target.executables(path)

    def scales(self, spec, *options):
        """The constant scales of the inputs, and how many are for each token."""
        text, _ = self.run(
            [spec, "--precision=int8", "--emit=moe-optimized", "-o", "-", *options]
        )
        constant = re.findall(r"moe\.quantize \S+ scale (\S+) offset", text)
        return [float(s) for s in constant], len(
            re.findall(r"moe\.quantize \S+ offset", text)
        )


def require(condition, message):
    if not condition:
        raise harness.Failure(message)


def cosines(expected, found):
    expected, found = expected.astype(np.float64), found.astype(np.float64)
    lengths = np.linalg.norm(expected, axis=1) * np.linalg.norm(found, axis=1)
    return (expected * found).sum(axis=1) / lengths


def check_scales(compiler, path, spec, files):
    """Of the patches' scales, the 99.9th percentile; the same for all targets,
    and however the inputs are spread over files."""
    images = np.concatenate([np.load(file) for file in files])
    scales, others = compiler.scales(path, "--calibrate", *files)
    # Patches; in the first block the tokens that become queries, keys and values,
    # what is projected, and two layers more; in the second the token that asks,
    # those that answer, and what is projected. The expert's are not constant.
    require(len(scales) == 8, f"expected 8 scales, found {scales}")
    require(others == 2, f"expected 2 products of an expert, found {others}")
    count, channels, height, width = images.shape
    rows, columns = spec.patch
    patches = images.reshape(
        count, channels, height // rows, rows, width // columns, columns
    )
    largest = np.sort(np.abs(patches).max(axis=(1, 3, 5)).ravel())
    place = int(np.ceil(0.999 * len(largest))) - 1
    require(place < len(largest) - 1, "too few patches to leave one out")
    wanted = largest[place] / 127
    require(
        abs(scales[0] - wanted) <= 1e-6 * wanted < 1e-4 * largest[-1] / 127,
        f"scale of patches: expected {wanted}, found {scales[0]}",
    )

    together = os.path.join(compiler.work, "with a space.npy")
    np.save(together, images)
    again = compiler.scales(path, "--activations=static", "--calibrate", together)
    require(again[0] == scales, f"one file: expected {scales}, found {again[0]}")
    # The last file first, each as an option of its own.
    each = [f"--calibrate={file}" for file in reversed(files)]
    again = compiler.scales(path, *each, "--target=aarch64-linux-gnu")
    require(again[0] == scales, f"AArch64: expected {scales}, found {again[0]}")
    dynamic = compiler.scales(path, "--activations=dynamic")
    require(dynamic == ([], 10), f"dynamic: found {dynamic}")


def experts(answer):
    return [entry["expert"] for entry in answer["experts"]]


def check_logits(compiler, path, spec, files):
    images = random_model.random_images(spec, 24, 7)
    small = os.path.join(compiler.work, "small.npy")
    np.save(small, 0.01 * np.load(files[1]))
    kinds = {
        "f32": [],
        "dynamic": ["--precision=int8"],
        "static": ["--precision=int8", "--calibrate", *files],
        "too small": ["--precision=int8", "--calibrate", small],
    }
    executables = [
        compiler.executables(name, path, *options) for name, options in kinds.items()
    ]
    found = [
        {name: e.infer(images, compiler.work) for name, e in zip(kinds, on_one_cpu)}
        for on_one_cpu in zip(*executables)
    ]
    for by_kind in found:
        compare_logits(by_kind)
    if compiler.target.options:
        here = harness.Executable(compiler.binary("here", path, *kinds["static"]))
        expected = here.infer(images, compiler.work)
        for by_kind in found:
            compare_targets(expected, by_kind["static"])


def compare_targets(expected, found):
    """The logits and answers of a binary for this machine and one for another: with
    the same constant scales only f32's noise is between them."""
    same = [experts(a) == experts(b) for a, b in zip(expected[1], found[1])]
    error = np.abs(expected[0] - found[0]).max(axis=1)
    error /= np.maximum(1, np.abs(expected[0]).max(axis=1))
    error = error[same]
    print(
        f"against this machine's: {np.median(error):.2e} in the middle, "
        f"{error.max():.2e} at most, {sum(same)} of {len(same)} with the same expert"
    )
    require(
        sum(same) >= 22
        and np.median(error) <= harness.TOLERANCE["same"]
        and error.max() <= harness.TOLERANCE["int8 turned"],
        "too far from this machine's logits",
    )


def compare_logits(found):
    """`found`: logits and answers by the kind of the model."""
    expected, routes = found["f32"][0], [experts(a) for a in found["f32"][1]]
    loss = {}
    for name, (logits, answers) in found.items():
        require(np.isfinite(logits).all(), f"{name}: a logit is not finite")
        # Another expert is another model; a router's near ties may go either way.
        same = [experts(a) == route for a, route in zip(answers, routes)]
        cosine = cosines(expected, logits)[same]
        loss[name] = 1 - np.median(cosine)
        print(
            f"{name}: cosine {cosine.min():.6f} at least, {np.median(cosine):.6f} "
            f"in the middle, {sum(same)} of {len(same)} with the same expert"
        )
        if name != "too small":
            require(sum(same) >= 22, f"{name}: other experts than f32")
            require(cosine.min() > 0.999, f"{name}: too far from f32")
    require(
        loss["too small"] > 100 * loss["static"],
        "scales of small images, but no loss on large ones",
    )


def check_images(compiler, example):
    samples = sorted(glob.glob(os.path.join(example, "samples", "*.png")))
    spec = os.path.join(example, "mobile-vmoe.json")
    output = os.path.join(compiler.work, "logits.npy")
    plain = compiler.executables("plain.out", spec)
    static = ["--precision=int8", "--calibrate", *samples]
    for on_one_cpu in zip(plain, compiler.executables("static.out", spec, *static)):
        logits = []
        for executable in on_one_cpu:
            executable.run(["--logits", output, *samples])
            logits.append(np.load(output))
        least = cosines(*logits).min()
        same = (logits[0].argmax(axis=1) == logits[1].argmax(axis=1)).sum()
        print(f"images: least cosine {least:.6f}, {same} of {len(samples)} the same")
        require(least > 0.99 and same >= len(samples) - 1, "images: too far from f32")


def check_bad_inputs(compiler, path, good):
    """Exit code 1, one line, no output."""
    folder = compiler.work

    def saved(name, values):
        np.save(os.path.join(folder, name), values)
        return os.path.join(folder, name)

    images = np.load(good)[:2]
    bad = images.copy()
    bad[1, 0, 3, 3] = np.nan
    text = os.path.join(folder, "text.png")
    with open(text, "w", encoding="utf-8") as file:
        file.write("no image\n")
    # What is wrong with what, and words that the message has.
    cases = [
        [os.path.join(folder, "missing.npy"), "missing.npy: cannot open"],
        [os.path.join(folder, "missing.png"), "missing.png: cannot open"],
        [saved("shape.npy", images[:, :, :8]), "shape.npy: wrong shape"],
        [saved("type.npy", images.astype(np.float64)), "type.npy: unsupported"],
        [saved("nan.npy", bad), "not finite"],
        [saved("none.npy", images[:0]), "error: "],
        [text, "text.png: unknown format"],
        [folder, "Is a directory"],
    ]
    out = os.path.join(folder, "no.out")
    for file, words in cases:
        # Behind another that is right, but for what alone is an error.
        files = [file] if file.endswith("none.npy") else [good, file]
        _, errors = compiler.run(
            [path, "--precision=int8", "-o", out, "--calibrate", *files], 1
        )
        lines = errors.splitlines()
        require(
            len(lines) == 1 and lines[0].startswith("error: "),
            f"{file}: expected one line, found {lines}",
        )
        require(words in errors, f"{file}: expected {words}, found {errors}")
        require(not os.path.exists(out), f"{file}: there is an output")
    # So are those for the report.
    for file, words in cases[1:3]:
        text, errors = compiler.run(
            [path, "--precision=int8", "--report-precision", file], 1
        )
        require(
            text == "" and len(errors.splitlines()) == 1 and words in errors,
            f"report on {file}: found {text}{errors}",
        )
    # Nothing is quantised.
    _, errors = compiler.run([path, "-o", out, "--calibrate", good], 1)
    require(
        errors.startswith(f"error: {path}: calibration: no product of 8-bit"),
        f"f32: found {errors}",
    )


def check_report(compiler, path, good):
    text, errors = compiler.run(
        [path, "--precision=int8", "--report-precision", good]
    )
    require(errors == "", f"report: {errors}")
    heading, *lines = text.splitlines()
    require(HEADING.fullmatch(heading), f"report: {heading}")
    parts = [LINE.fullmatch(line) for line in lines]
    require(all(parts), f"report: {text}")
    names = [part[1] for part in parts]
    require(names == LAYERS, f"report: expected {LAYERS}, found {names}")
    images = len(np.load(good))
    for part in parts:
        name, difference, cosine = part[1], float(part[2]), float(part[3])
        require(0 < difference < 0.2, f"{name}: difference {difference}")
        require(0.9 < cosine <= 1, f"{name}: cosine {cosine}")
        require(int(part[5]) == images, f"{name}: {part[5]} images")
        require(int(part[4]) <= images // 4, f"{name}: {part[4]} other classes")

    # The last line is the difference of two binaries.
    logits = [
        harness.Executable(compiler.binary("model.out", path, *options)).infer(
            np.load(good), compiler.work
        )[0]
        for options in ([], ["--precision=int8"])
    ]
    error = np.abs(logits[0] - logits[1]).max() / max(1, np.abs(logits[0]).max())
    least = cosines(*logits).min()
    found = float(parts[-1][2]), float(parts[-1][3])
    require(abs(found[0] - error) <= 0.01 * error, f"{error} is told as {found[0]}")
    require(abs(found[1] - least) <= 1e-6, f"{least} is told as {found[1]}")
    changed = (logits[0].argmax(axis=1) != logits[1].argmax(axis=1)).sum()
    require(int(parts[-1][4]) == changed, f"{changed} are told as {parts[-1][4]}")


def check_usage(compiler, path, good):
    out = os.path.join(compiler.work, "no.out")
    for options in (
        ["--precision=bf16", "--calibrate", good],
        ["--precision=f32", "--calibrate", good],
        ["--precision=int8", "--activations=static"],
        ["--precision=int8", "--activations=dynamic", "--calibrate", good],
        ["--precision=int8", "--activations=often", "--calibrate", good],
        ["--report-precision", good],
        ["--precision=f32", "--report-precision", good],
    ):
        _, errors = compiler.run([path, "-o", out, *options], 2)
        require(errors.startswith("moe-compile: "), f"{options}: {errors}")
        require(not os.path.exists(out), f"{options}: there is an output")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True, metavar="PATH")
    parser.add_argument("--example", required=True, metavar="DIR")
    parser.add_argument("--work", required=True, metavar="DIR")
    harness.add_target_options(parser)
    args = parser.parse_args()
    compiler = Compiler(args.moe_compile, args.work, harness.Target(args))
    path = random_model.write_model(os.path.join(args.work, "model"), BASE, 0)
    spec = oracle.load_spec(path)
    # 1080 patches, of which one that is far out is left out.
    images = random_model.random_images(spec, 120, 1)
    images[3, 1, 5, 5] = 1000
    files = []
    for name, part in (("first", images[:100]), ("second", images[100:])):
        files.append(os.path.join(args.work, name + ".npy"))
        np.save(files[-1], part)
    good = os.path.join(args.work, "good.npy")
    np.save(good, random_model.random_images(spec, 8, 2))
    check_logits(compiler, path, spec, files)
    check_images(compiler, args.example)
    if args.target:
        return
    check_scales(compiler, path, spec, files)
    check_bad_inputs(compiler, path, good)
    check_report(compiler, path, good)
    check_usage(compiler, path, good)


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")
