#!/usr/bin/env python3
"""Compiles models with experts in files of their own, and runs them with files that
are there, missing, cut short or another's.

    expert_files.py --moe-compile build/bin/moe-compile --work DIR --cc clang

What they answer must have the bits of the same model with its experts inside.
"""

import argparse
import os
import shutil
import sys

import numpy as np

import harness
import oracle
import random_model

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = {
    "image_size": [12, 20],
    "patch_size": 4,
    "num_channels": 3,
    "hidden_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 50,
    "num_classes": 7,
}
# Experts of widths that differ have code of their own.
WIDTHS = [50, 16, 50, 64, 33]
IMAGE = {"layers": {"last": 2}, "num_experts": 5, "top_k": 2}
PATCH = {"layers": [0, 2], "num_experts": 5, "routing": "patch"}
# Specification, precision, kind of library.
MODELS = {
    "image": (
        dict(SPEC, moe=dict(IMAGE, shared_expert_intermediate_size=20)),
        "f32",
        "lib",
    ),
    "int8": (
        dict(SPEC, moe=dict(IMAGE, layers=[2], top_k=1), class_token=False),
        "int8",
        "obj",
    ),
    "patch": (
        dict(SPEC, moe=dict(PATCH, expert_intermediate_sizes=WIDTHS)),
        "f32",
        "obj",
    ),
    "choice": (
        dict(
            SPEC,
            moe=dict(PATCH, capacity_factor=1.0, router={"type": "expert_choice"}),
        ),
        "f32",
        "lib",
    ),
}
SUFFIXES = {"exe": "", "lib": ".a", "obj": ".o"}
# Also with files that are not as they should be.
THOROUGHLY = ("image", "patch")
IMAGES = 12
# For what is not run.
BASELINE = {"x86_64": "x86-64", "aarch64": "armv8-a"}


def expect(condition, message):
    if not condition:
        raise harness.Failure(message)


class Model:
    def __init__(self, args, target, name, seed=1, folder=None):
        self.args, self.target, self.name = args, target, name
        data, self.precision, self.kind = MODELS[name]
        self.folder = os.path.abspath(os.path.join(args.work, folder or name))
        self.spec = random_model.write_model(self.folder, data, seed, stem=name)
        self.experts = data["moe"]["num_experts"]
        images = random_model.random_images(oracle.load_spec(self.spec), IMAGES, 7)
        self.images = images.astype(np.float32)
        self.images_file = self.path("images.npy")
        np.save(self.images_file, self.images)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def compile(self, out, kind, *options):
        out = self.path(out + SUFFIXES[kind])
        os.makedirs(os.path.dirname(out), exist_ok=True)
        command = [self.args.moe_compile, self.spec, f"--emit={kind}", "-o", out]
        command += [f"--precision={self.precision}", *options, *self.target.options]
        harness.run(command)
        return out

    def files_of(self, answer):
        """The names of the files that an answer's experts are in."""
        return {
            f"{self.name}.blocks.{entry['layer']}.expert.{entry['expert']}.bin"
            for entry in answer["experts"]
        }


class ExecutableTest:
    """A model's executables on one CPU."""

    def __init__(self, model, inside, outside, runner):
        self.model, self.runner = model, runner
        self.outside = outside
        self.logits, self.answers = harness.Executable(inside, runner).infer(
            model.images, model.folder
        )
        used = [model.files_of(answer) for answer in self.answers]
        self.used = used

    def check(self, *options, binary=None, cwd=None, bad=(), reason=""):
        """Runs all images; those that use one of the files in `bad` must fail, with
        `reason` in the error, the others must have their bits and experts."""
        model = self.model
        target = model.path("logits.npy")
        command = [*self.runner, binary or self.outside, *options, "--format=json"]
        command += ["--tensor", model.images_file, "--logits", target]
        fails = [bool(used & set(bad)) for used in self.used]
        if bad:
            expect(any(fails), f"no image uses {bad}")
        done = harness.run(command, (int(any(fails)),), cwd=cwd)
        what = f"{model.name}, {' '.join(self.runner)} {options}"
        logits = np.load(target)
        answers = [harness.json.loads(line) for line in done.stdout.splitlines()]
        names = [f"{model.images_file}[{i}]" for i in range(IMAGES)]
        wanted = [name for name, failed in zip(names, fails) if not failed]
        found = [answer["input"] for answer in answers]
        expect(found == wanted, f"{what}: expected answers {wanted}, found {found}")
        errors = done.stderr.decode().splitlines()
        expect(len(errors) == sum(fails), f"{what}: {errors}")
        errors = iter(errors)
        for i, failed in enumerate(fails):
            if failed:
                line = next(errors)
                start = f"error: {names[i]}: expert file "
                expect(line.startswith(start) and reason in line, f"{what}: {line}")
                expect(
                    any(f"{name}: " in line for name in self.used[i] & set(bad)),
                    f"{what}: names another file: {line}",
                )
                expect(np.isnan(logits[i]).all(), f"{what}: {names[i]} has logits")
            else:
                same = logits[i].tobytes() == self.logits[i].tobytes()
                expect(same, f"{what}: {names[i]} has other bits")
        for answer in answers:
            i = names.index(answer["input"])
            same = answer["experts"] == self.answers[i]["experts"]
            expect(same, f"{what}: {names[i]} took {answer['experts']}")


def check_places(test, absolute):
    model = test.model
    test.check()
    test.check("--experts=preload", "--threads=2", "--batch=4")
    test.check(cwd="/")
    test.check(binary=absolute)
    # Elsewhere: the folder goes along, or is named.
    moved = model.path("moved")
    shutil.copytree(os.path.dirname(test.outside), moved)
    binary = os.path.join(moved, os.path.basename(test.outside))
    test.check(binary=binary, cwd=model.folder)
    folder = os.path.join(moved, "experts")
    os.rename(folder, model.path("other"))
    test.check("--experts=file:other", binary=binary, cwd=model.folder)
    test.check("--experts", "file:" + model.path("other"), binary=binary)
    everything = set().union(*test.used)
    test.check(binary=binary, bad=everything, reason="No such file or directory")
    done = harness.run([*test.runner, binary, "--experts=preload", "--info"])
    expect(not done.stderr, "--info needs the experts")
    command = [*test.runner, binary, "--experts=preload", "--tensor", model.images_file]
    done = harness.run(command, (1,))
    expect(done.stderr.count(b"\n") == 1 and not done.stdout, f"preload: {done}")
    os.rename(model.path("other"), folder)
    shutil.rmtree(moved)


def check_bad_files(test, other):
    """`other`: the folder with the files of a model with other weights."""
    folder = os.path.join(os.path.dirname(test.outside), "experts")
    # One that some use, not all where that can be; and one of the same size.
    counts = {}
    for used in test.used:
        for name in used:
            counts[name] = counts.get(name, 0) + 1
    name = min(sorted(counts), key=lambda each: counts[each])
    path = os.path.join(folder, name)
    size = os.path.getsize(path)
    twins = [
        each
        for each in sorted(os.listdir(folder))
        if each != name and os.path.getsize(os.path.join(folder, each)) == size
    ]
    with open(path, "rb") as file:
        good = file.read()

    def check(content, reason, bad=(name,)):
        with open(path, "wb") as file:
            file.write(content)
        for options in ([], ["--threads=2", "--batch=5"]):
            test.check(*options, bad=bad, reason=reason)

    check(good[:-1], f"truncated: expected {size} bytes, found {size - 1}")
    check(good[:40], f"truncated: expected {size} bytes, found 40")
    check(b"", f"truncated: expected {size} bytes, found 0")
    check(good + b"x", f"wrong size: expected {size} bytes, found {size + 1}")
    check(b"#!/bin/sh\n" + good, "not an expert file")
    with open(os.path.join(other, name), "rb") as file:
        check(file.read(), "is of another model or version")
    os.remove(path)
    test.check(bad=[name], reason="No such file or directory")
    expect(len(counts) > 2 and twins, f"{counts}, {twins}: hardly a choice")
    twin = os.path.join(folder, twins[0])
    with open(twin, "rb") as file:
        swapped = file.read()
    with open(twin, "wb") as file:
        file.write(good)
    check(swapped, "is of another model or version", bad=(name, twins[0]))
    with open(twin, "wb") as file:
        file.write(swapped)
    with open(path, "wb") as file:
        file.write(good)
    test.check()
    return name


def check_library(args, test, program, name, other):
    """`name`: a file that some images use."""
    model = test.model
    source, target = model.path("images.raw"), model.path("logits.raw")
    model.images.tofile(source)

    def run(folder, bad=()):
        command = [*test.runner, program, source, target, folder]
        lines = harness.run(command).stdout.decode().splitlines()
        logits = np.fromfile(target, np.float32).reshape(IMAGES, -1)
        expect(len(lines) == IMAGES, f"found {lines}")
        for i, line in enumerate(lines):
            status, *asked = line.split()
            failed = bool(test.used[i] & set(bad))
            expect(int(status) == 3 * failed, f"image {i}: status {status}")
            if failed:
                expect(set(asked) <= test.used[i], f"image {i}: asked for {asked}")
                expect(set(asked) & set(bad), f"image {i}: did not ask for {bad}")
                expect((logits[i] == -1).all(), f"image {i} has logits")
            else:
                expect(set(asked) == test.used[i], f"image {i}: asked for {asked}")
                same = logits[i].tobytes() == test.logits[i].tobytes()
                expect(same, f"image {i}: other bits than the executable's")

    folder = os.path.join(os.path.dirname(program), "experts")
    run(folder)
    path = os.path.join(folder, name)
    os.rename(path, path + ".away")
    run(folder, [name])
    shutil.copy(os.path.join(other, name), path)
    run(folder, [name])
    os.remove(path)
    os.rename(path + ".away", path)
    run(folder)


def link(args, model):
    library = model.compile("library/" + model.name, model.kind, "--experts=file:experts")
    folder = os.path.dirname(library)
    program = os.path.join(folder, "run")
    command = [args.cc, "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
    command += [f'-DHEADER="{model.name}.h"', f"-DMODEL={model.name}", "-I" + folder]
    command += ["-static"] if args.target else []
    source = os.path.join(HERE, "Inputs", "run_experts.c")
    harness.run([*command, source, library, "-o", program])
    return program


def quickly(args):
    """One variant is enough where this machine runs it."""
    return [] if args.target else ["--cpu=native"]


def check_quickly(args, target, name):
    """That all is well with files that are all there."""
    model = Model(args, target, name)
    cpu = quickly(args)
    inside = model.compile("inside", "exe", *cpu)
    outside = model.compile("outside/model", "exe", "--experts=file:experts", *cpu)
    for runner in target.runners:
        test = ExecutableTest(model, inside, outside, runner)
        test.check()
        test.check("--experts=preload", "--threads=3", "--batch=5")
        print(f"{name}, {model.precision} {' '.join(runner)}: ok", flush=True)


def check_model(args, target, name):
    model = Model(args, target, name)
    inside = model.compile("inside", "exe")
    outside = model.compile("outside/model", "exe", "--experts=file:experts")
    absolute = model.compile(
        "absolute/model", "exe", "--experts=file:" + model.path("far"), *quickly(args)
    )
    left = sorted(os.listdir(model.path("absolute")))
    expect(left == ["model"], f"beside the executable: {left}")
    twin = Model(args, target, name, seed=2, folder=name + "-twin")
    twin.compile("lib", "obj", "--experts=file:experts", "--cpu", BASELINE[target.machine])
    program = link(args, model)
    for runner in target.runners:
        test = ExecutableTest(model, inside, outside, runner)
        files = set(os.listdir(os.path.join(os.path.dirname(outside), "experts")))
        expect(set().union(*test.used) <= files, f"found {files}")
        check_places(test, absolute)
        bad = check_bad_files(test, twin.path("experts"))
        check_library(args, test, program, bad, twin.path("experts"))
        print(f"{name}, {model.precision} {' '.join(runner)}: ok", flush=True)


def check_errors(args, target):
    """What cannot be compiled leaves nothing."""
    cpu = BASELINE[target.machine]
    folder = os.path.abspath(os.path.join(args.work, "errors"))
    dense = random_model.write_model(folder, SPEC, 0, stem="dense")
    routed = random_model.write_model(folder, MODELS["image"][0], 0, stem="image")
    for name in ("file", "out-folder/file"):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write("mine")

    def everything():
        found = {}
        for root, _, names in os.walk(folder):
            found[root] = None
            for name in names:
                with open(os.path.join(root, name), "rb") as file:
                    found[os.path.join(root, name)] = file.read()
        return found

    def refuse(spec, where, message, out="new.out", kind="exe"):
        before = everything()
        command = [args.moe_compile, spec, f"--emit={kind}", "--cpu", cpu]
        command += [f"--experts=file:{where}", *target.options]
        done = harness.run([*command, "-o", os.path.join(folder, out)], (1,))
        text = done.stderr.decode()
        expect(text.startswith("error: ") and text.count("\n") == 1, text)
        expect(message in text, f"expected {message}, found {text}")
        expect(everything() == before, f"{text}: left something else")

    refuse(dense, "experts", "the model has none that could be files of their own")
    refuse(dense, "experts", "the model has none", kind="lib")
    refuse(routed, "file", "Not a directory")
    refuse(routed, "no/such/folder", "No such file or directory", kind="lib")
    refuse(routed, "/proc/experts", "No such file or directory")
    # Files that are there stay as they are when something else fails.
    harness.run(
        [args.moe_compile, routed, "-o", os.path.join(folder, "good")]
        + ["--experts=file:experts", "--cpu", cpu, *target.options]
    )
    for where in ("experts", "new"):
        refuse(routed, where, "expected a regular file", out="out-folder")
    # Text has no weights, and no files for them.
    before = set(everything())
    for kind in ("asm", "llvm", "linalg"):
        harness.run(
            [args.moe_compile, routed, f"--emit={kind}", "--experts=file:none"]
            + ["--cpu", cpu, *target.options]
            + ["-o", os.path.join(folder, "text")]
        )
        added = set(everything()) - before
        expect(added == {os.path.join(folder, "text")}, f"{kind}: made {added}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--models", nargs="*", choices=tuple(MODELS), default=tuple(MODELS))
    harness.add_target_options(parser)
    args = parser.parse_args()
    args.moe_compile = os.path.abspath(args.moe_compile)
    target = harness.Target(args)
    for name in args.models:
        check = check_model if name in THOROUGHLY else check_quickly
        check(args, target, name)
    check_errors(args, target)


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"error: {failure}")
